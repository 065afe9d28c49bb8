/*
 * report.c - what $edgeAgent reports (azure-iot-protocol 4.5): made whole, sent as the difference
 * to what was sent last.
 */
#include "agent/agent_priv.h"

#include "base/file.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

enum {
    REPORT_MAX = 1 << 20,
    CHUNK_BYTES = 512,
    CHUNKS_MAX = 100
};

#define NO_TIME "0001-01-01T00:00:00Z"

static void put_time(struct sk_buf *b, const char *key, int64_t ms)
{
    char text[SK_TIME_TEXT];
    if (ms > 0)
        sk_time_text((uint64_t)ms, text);
    sk_buf_fmt(b, ",\"%s\":\"%s\"", key, ms > 0 ? text : NO_TIME);
}

/* In chunks, as the reference reports them; UTF-8 is not cut within a character. */
static void put_create_options(struct sk_buf *b, const char *options)
{
    size_t len = strlen(options);
    for (unsigned i = 0; i < CHUNKS_MAX && (len > 0 || i == 0); i++) {
        size_t n = len > CHUNK_BYTES ? CHUNK_BYTES : len;
        while (n > 0 && n < len && ((unsigned char)options[n] & 0xc0) == 0x80)
            n--;
        sk_buf_str(b, i == 0 ? ",\"createOptions\":" : ",");
        if (i > 0)
            sk_buf_fmt(b, "\"createOptions%02u\":", i);
        sk_buf_json(b, options, n);
        options += n;
        len -= n;
    }
}

static void put_module(struct sk_buf *b, const struct sk_agent_module *m)
{
    const struct sk_agent_spec *s = m->want;
    const struct sk_agent_view *v = &m->view;
    const struct sk_json *env = sk_json_get(sk_json_get(s->doc, "module"), "env");
    sk_buf_json_str(b, m->name);
    sk_buf_str(b, ":{\"version\":");
    sk_buf_json_str(b, s->version);
    sk_buf_fmt(b, ",\"type\":\"docker\",\"status\":\"%s\",\"restartPolicy\":\"%s\"",
               s->is_running ? "running" : "stopped", sk_agent_policy_name(s->policy));
    sk_buf_fmt(b, ",\"imagePullPolicy\":\"%s\",\"settings\":{\"image\":",
               s->may_pull ? "on-create" : "never");
    sk_buf_json_str(b, *v->image ? v->image : s->image);
    sk_buf_str(b, ",\"imageHash\":");
    sk_buf_json_str(b, v->hash);
    put_create_options(b, s->create_options);
    sk_buf_str(b, "},\"env\":");
    if (env)
        sk_json_dump(env, b);
    else
        sk_buf_str(b, "{}");
    sk_buf_fmt(b, ",\"exitCode\":%d,\"statusDescription\":", v->exit_code);
    sk_buf_json_str(b, v->description);
    put_time(b, "lastStartTimeUtc", v->last_start_ms);
    put_time(b, "lastExitTimeUtc", v->last_exit_ms);
    sk_buf_fmt(b, ",\"restartCount\":%llu", (unsigned long long)v->restarts);
    put_time(b, "lastRestartTimeUtc", v->last_restart_ms);
    sk_buf_fmt(b, ",\"runtimeStatus\":\"%s\"}", *v->status ? v->status : "unknown");
}

static void put_system(struct sk_agent *a, struct sk_buf *b, const char *name, bool is_up)
{
    const struct sk_json *m = sk_json_get(sk_json_get(a->desired, "systemModules"), name);
    const char *image = sk_json_get_text(sk_json_get(m, "settings"), "image", "skerry");
    sk_buf_fmt(b, "\"%s\":{\"type\":\"docker\",\"imagePullPolicy\":\"on-create\",\"settings\":{",
               name);
    sk_buf_str(b, "\"image\":");
    sk_buf_json_str(b, image);
    sk_buf_str(b, ",\"imageHash\":\"\",\"createOptions\":\"{}\"},\"exitCode\":0");
    if (strcmp(name, "edgeHub") == 0)
        sk_buf_str(b, ",\"status\":\"running\",\"restartPolicy\":\"always\",\"restartCount\":0,"
                      "\"lastRestartTimeUtc\":\"" NO_TIME "\"");
    sk_buf_fmt(b, ",\"statusDescription\":\"%s (of skerry " SK_VERSION ")\"",
               is_up ? "running" : "starting");
    put_time(b, "lastStartTimeUtc", a->start_wall_ms);
    sk_buf_fmt(b, ",\"lastExitTimeUtc\":\"" NO_TIME "\",\"runtimeStatus\":\"%s\",\"env\":{}}",
               is_up ? "running" : "stopped");
}

/* What the deployment has come to: true when every module is as wanted, has failed for good, or
 * could not be begun yet. */
static bool settle(struct sk_agent *a, int *code, char *why, size_t cap)
{
    size_t n = 0;
    *code = a->desired_code;
    *why = '\0';
    if (a->desired_code != 200) {
        (void)snprintf(why, cap, "%s", a->desired_why);
        return true;
    }
    for (size_t i = 0; i < a->module_count; i++) {
        const struct sk_agent_module *m = a->modules[i];
        const bool is_hindered = !m->view.is_settled && m->view.is_hindered;
        if (!m->want || (!m->view.is_settled && !is_hindered))
            return false;
        if ((!m->view.is_failed && !is_hindered) || n >= cap)
            continue;
        *code = 500;
        int more = snprintf(why + n, cap - n, "%s%s: %s", n > 0 ? "; " : "", m->name,
                            m->view.description);
        n += more > 0 ? (size_t)more : 0;
    }
    return true;
}

/* Under the agent's lock. */
void sk_agent_report_all(struct sk_agent *a, struct sk_buf *b)
{
    struct utsname host;
    int code;
    char why[512];
    bool is_first = true;
    if (a->desired_version >= 0 && settle(a, &code, why, sizeof why)) {
        a->told_version = a->desired_version;
        a->told_code = code;
        (void)snprintf(a->told_why, sizeof a->told_why, "%s", why);
    }
    sk_buf_str(b, "{\"schemaVersion\":\"1.0\",\"version\":{\"version\":\"" SK_VERSION
                  "\",\"build\":\"skerry\",\"commit\":\"\"}");
    sk_buf_fmt(b, ",\"lastDesiredVersion\":%lld,\"lastDesiredStatus\":{\"code\":%d",
               (long long)a->told_version, a->told_code);
    sk_buf_str(b, ",\"description\":");
    sk_buf_json_str(b, a->told_why);
    (void)uname(&host);
    sk_buf_fmt(b,
               "},\"runtime\":{\"type\":\"docker\",\"settings\":{\"minDockerVersion\":\"v1.25\","
               "\"loggingOptions\":\"\"},\"platform\":{\"os\":\"linux\",\"architecture\":\"%s\","
               "\"version\":\"" SK_VERSION "\"}}",
               host.machine);
    sk_buf_str(b, ",\"systemModules\":{");
    put_system(a, b, "edgeAgent", true);
    sk_buf_chr(b, ',');
    put_system(a, b, "edgeHub", a->is_linked);
    sk_buf_str(b, "},\"modules\":{");
    for (size_t i = 0; i < a->module_count; i++) {
        if (!a->modules[i]->want)
            continue;
        sk_buf_str(b, is_first ? "" : ",");
        put_module(b, a->modules[i]);
        is_first = false;
    }
    sk_buf_str(b, "}}");
}

/* ---- the difference ---- */

bool sk_agent_report_diff(struct sk_buf *b, const struct sk_json *old, const struct sk_json *now)
{
    bool is_empty = true;
    sk_buf_chr(b, '{');
    for (void *it = sk_json_first(now); it; it = sk_json_next(now, it)) {
        const struct sk_json *v = sk_json_value(it), *was = sk_json_get(old, sk_json_key(it));
        if (was && sk_json_equal(was, v))
            continue;
        sk_buf_str(b, is_empty ? "" : ",");
        is_empty = false;
        sk_buf_json_str(b, sk_json_key(it));
        sk_buf_chr(b, ':');
        if (was && sk_json_type(was) == SK_JSON_OBJECT && sk_json_type(v) == SK_JSON_OBJECT)
            (void)sk_agent_report_diff(b, was, v);
        else
            sk_json_dump(v, b);
    }
    for (void *it = sk_json_first(old); it; it = sk_json_next(old, it)) {
        if (sk_json_get(now, sk_json_key(it)))
            continue;
        sk_buf_str(b, is_empty ? "" : ",");
        is_empty = false;
        sk_buf_json_str(b, sk_json_key(it));
        sk_buf_str(b, ":null");
    }
    sk_buf_chr(b, '}');
    return !is_empty;
}

/* Kept for the next run of the agent: it must take back what it reported of modules that are gone.
 */
static void keep_reported(struct sk_agent *a, const char *text)
{
    SK_OWN(free) char *path = sk_agent_path(a->dir, "state", "reported.json");
    struct sk_err err = SK_ERR_INIT;
    if (path && sk_file_write(path, text, strlen(text), 0600, &err) < 0)
        sk_log(SK_WARN, "state_not_kept", "error=\"%s\"", err.text);
}

void sk_agent_report_load(struct sk_agent *a)
{
    SK_OWN(free) char *path = sk_agent_path(a->dir, "state", "reported.json");
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len;
    if (!path || !sk_is_file(path) || sk_file_read(path, REPORT_MAX, &a->reported, &len, &err) < 0)
        return;
    if (sk_json_parse(a->reported, len, NULL, &doc, &err) == 0) {
        const struct sk_json *status = sk_json_get(doc, "lastDesiredStatus");
        a->told_version = sk_json_int(sk_json_get(doc, "lastDesiredVersion"), 0);
        a->told_code = (int)sk_json_int(sk_json_get(status, "code"), 417);
        (void)snprintf(a->told_why, sizeof a->told_why, "%s",
                       sk_json_get_text(status, "description", ""));
        return;
    }
    free(a->reported);
    a->reported = NULL;
}

/* Under the agent's lock; false: nothing is to be said. */
static bool make_patches(struct sk_agent *a, struct sk_buf *all, struct sk_buf *patch,
                         struct sk_buf *whole)
{
    SK_OWN(sk_json_free) struct sk_json *old = NULL;
    SK_OWN(sk_json_free) struct sk_json *now = NULL;
    struct sk_err err = SK_ERR_INIT;
    sk_agent_report_all(a, all);
    sk_buf_chr(all, '\0');
    if (!sk_buf_ok(all) ||
        (a->reported && !a->must_report_whole && strcmp(a->reported, all->data) == 0))
        return false;
    if (sk_json_parse(all->data, all->len - 1, NULL, &now, &err) < 0 ||
        (a->reported && sk_json_parse(a->reported, strlen(a->reported), NULL, &old, &err) < 0)) {
        sk_log(SK_ERROR, "report_failed", "error=\"%s\"", err.text);
        return false;
    }
    if (!sk_agent_report_diff(patch, old, now))
        sk_buf_clear(patch);
    if (a->must_report_whole)
        (void)sk_agent_report_diff(whole, NULL, now);
    a->must_report_whole = false;
    return sk_buf_ok(patch) && sk_buf_ok(whole);
}

void sk_agent_report_tick(struct sk_agent *a)
{
    SK_AUTO(sk_buf_done) struct sk_buf all = SK_BUF_INIT(REPORT_MAX);
    SK_AUTO(sk_buf_done) struct sk_buf patch = SK_BUF_INIT(2 * REPORT_MAX);
    SK_AUTO(sk_buf_done) struct sk_buf whole = SK_BUF_INIT(2 * REPORT_MAX);
    bool is_linked;
    {
        SK_LOCK(&a->wire_lock);
        is_linked = a->wire != NULL;
    }
    if (!is_linked)
        return;
    {
        SK_LOCK(&a->lock);
        a->is_linked = is_linked;
        if (!make_patches(a, &all, &patch, &whole))
            return;
    }
    if (patch.len > 0)
        sk_agent_send_report(a, &patch);
    if (whole.len > 0)
        sk_agent_send_report(a, &whole);
    keep_reported(a, all.data);
    SK_LOCK(&a->lock);
    free(a->reported);
    a->reported = sk_buf_take(&all);
}
