/* agent_util.c - see agent_util.h. */
#include "agent/agent_util.h"

#include "base/file.h"
#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static char *copy(const char *text)
{
    char *out = strdup(text);
    assert_non_null(out);
    return out;
}

void rig_open(struct rig *r, const char *dir)
{
    static const char *const folders[] = { "state/modules", "tls", "secrets", "run" };
    struct sk_err err = SK_ERR_INIT;
    struct sk_agent fresh = SK_AGENT_INIT;
    memset(r, 0, sizeof *r);
    (void)signal(SIGPIPE, SIG_IGN); /* as the agent does: a child may end before it is told all */
    sk_log_setup(SK_LEVEL_COUNT, SK_LOG_TEXT, STDERR_FILENO);
    r->dir = copy(dir);
    for (size_t i = 0; i < COUNT(folders); i++)
        DONE(sk_mkdirs(at(dir, folders[i]), 0700, &err));
    r->a = fresh;
    r->a.dir = copy(dir);
    r->a.run_dir = copy(at(dir, "run"));
    r->a.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->a.desired_version = -1;
    r->a.desired_code = r->a.told_code = 417;
    (void)snprintf(r->a.config.device, sizeof r->a.config.device, "press-4");
    (void)snprintf(r->a.config.hub_name, sizeof r->a.config.hub_name, "hub.test");
    (void)snprintf(r->a.config.hub_address, sizeof r->a.config.hub_address, "hub.test");
    (void)snprintf(r->a.config.gateway, sizeof r->a.config.gateway, "127.0.0.1");
    (void)snprintf(r->a.config.publish, sizeof r->a.config.publish, "127.0.0.1");
    r->a.config.probation_ms = 120000;
    r->a.config.gate_ms = 60000;
    for (size_t i = 0; i < sizeof r->a.secrets.master; i++)
        r->a.secrets.master[i] = (unsigned char)i;
    r->a.host = (struct sk_runtime_host){ .data_dir = r->a.dir, .run_dir = r->a.run_dir };
}

void rig_close(struct rig *r)
{
    for (size_t i = 0; i < r->a.module_count; i++) {
        sk_agent_record_clear(&r->a.modules[i]->rec);
        sk_agent_spec_unref(r->a.modules[i]->want);
        sk_close(&r->a.modules[i]->wake_fd);
        free(r->a.modules[i]);
    }
    sk_json_free(r->a.desired);
    sk_agent_config_done(&r->a.config);
    sk_close(&r->a.wake_fd);
    free(r->a.reported);
    free(r->a.dir);
    free(r->a.run_dir);
    free(r->dir);
}

int rig_set_up(void **state)
{
    struct rig *r = malloc(sizeof *r);
    char *dir = sk_test_dir();
    assert_non_null(r);
    rig_open(r, dir);
    free(dir);
    *state = r;
    return 0;
}

int rig_tear_down(void **state)
{
    struct rig *r = *state;
    char *dir = copy(r->dir);
    rig_close(r);
    free(r);
    sk_test_dir_free(dir);
    return 0;
}

struct sk_agent_module *rig_module(struct rig *r, const char *name, struct sk_agent_spec *want)
{
    struct sk_agent_module *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->agent = &r->a;
    m->rec.next = 1;
    m->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    m->want = want;
    (void)snprintf(m->name, sizeof m->name, "%s", name);
    r->a.modules[r->a.module_count++] = m;
    return m;
}

struct sk_json *json_of(const char *text)
{
    struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;
    if (sk_json_parse(text, strlen(text), NULL, &doc, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return doc;
}

struct sk_agent_spec *spec_of(const char *name, const char *module)
{
    SK_OWN(sk_json_free) struct sk_json *doc = json_of(module);
    struct sk_agent_spec *s = NULL;
    struct sk_err err = SK_ERR_INIT;
    if (sk_agent_spec_new(name, doc, NULL, &s, &err) < 0)
        fail_msg("%s: %s", module, err.text);
    return s;
}

char *text_of(const char *path)
{
    struct sk_err err = SK_ERR_INIT;
    char *text = NULL;
    size_t len;
    DONE(sk_file_read(path, 8 << 20, &text, &len, &err));
    return text;
}

void write_text(const char *path, const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    DONE(sk_file_write(path, text, strlen(text), 0600, &err));
}

const char *at(const char *dir, const char *name)
{
    static char paths[8][512];
    static unsigned next;
    char *path = paths[next++ % 8];
    (void)snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}
