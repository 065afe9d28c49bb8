/* test_control.c - the control socket: what commands ask the running agent. */
#include "agent/agent_util.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PATIENCE_MS = 20000
};

static int set_up(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    rig_set_up(state);
    struct rig *r = *state;
    struct sk_agent_module *m = rig_module(
        r, "cats", spec_of("cats", "{\"settings\":{\"image\":\"r.test/cats:v2\"}}"));
    m->view = (struct sk_agent_view){ .status = "running",
                                      .description = "running",
                                      .version = "v1",
                                      .is_settled = true,
                                      .restarts = 2,
                                      .last_start_ms = 1764000000000 };
    m->told_count = 1;
    m->roles[0] = "active";
    (void)snprintf(m->told[0].instance, sizeof m->told[0].instance, "cats-3");
    m->told[0].pid = 42;
    (void)rig_module(r, "new", spec_of("new", "{\"settings\":{\"image\":\"r.test/new:v1\"}}"));
    DONE(sk_agent_control_start(&r->a, &err));
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    atomic_store(&r->a.stops, true);
    sk_agent_control_stop(&r->a);
    return rig_tear_down(state);
}

static struct sk_json *ask(struct rig *r, const char *json)
{
    struct sk_json *out = NULL;
    struct sk_err err = SK_ERR_INIT;
    if (sk_agent_call(r->a.run_dir, sk_view_of(json), PATIENCE_MS, &out, &err) < 0)
        fail_msg("%s: %s", json, err.text);
    return out;
}

static void test_list(void **state)
{
    struct rig *r = *state;
    struct stat st;
    assert_int_equal(stat(at(r->a.run_dir, "agent.sock"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    SK_OWN(sk_json_free) struct sk_json *doc = ask(r, "{\"type\":\"list\"}");
    const struct sk_json *list = sk_json_get(doc, "modules");
    assert_int_equal(sk_json_count(list), 2);
    const struct sk_json *m = sk_json_at(list, 0);
    assert_string_equal(sk_json_get_text(m, "name", ""), "cats");
    assert_string_equal(sk_json_get_text(m, "status", ""), "running");
    assert_string_equal(sk_json_get_text(m, "version", ""), "v1");
    assert_string_equal(sk_json_get_text(m, "wanted", ""), "v2");
    assert_string_equal(sk_json_get_text(m, "lastStart", ""), "2025-11-24T16:00:00.000Z");
    assert_null(sk_json_get(m, "lastExit"));
    const struct sk_json *i = sk_json_at(sk_json_get(m, "instances"), 0);
    assert_string_equal(sk_json_get_text(i, "name", ""), "cats-3");
    assert_string_equal(sk_json_get_text(i, "role", ""), "active");
    assert_int_equal(sk_json_int(sk_json_get(i, "pid"), 0), 42);
    m = sk_json_at(list, 1);
    assert_string_equal(sk_json_get_text(m, "status", ""), "unknown");
    assert_string_equal(sk_json_get_text(m, "image", ""), "r.test/new:v1");
}

static void test_status(void **state)
{
    struct rig *r = *state;
    r->a.is_uplink = true;
    r->a.desired_version = 5;
    r->a.told_version = 4;
    SK_OWN(sk_json_free) struct sk_json *doc = ask(r, "{\"type\":\"status\"}");
    assert_string_equal(sk_json_get_text(doc, "device", ""), "press-4");
    assert_string_equal(sk_json_get_text(doc, "hub", ""), "hub.test");
    assert_true(sk_json_bool(sk_json_get(doc, "isConnected"), false));
    assert_int_equal(sk_json_int(sk_json_get(doc, "pid"), 0), getpid());
    const struct sk_json *d = sk_json_get(doc, "deployment");
    assert_int_equal(sk_json_int(sk_json_get(d, "version"), 0), 5);
    assert_int_equal(sk_json_int(sk_json_get(d, "applied"), 0), 4);
    assert_int_equal(sk_json_type(sk_json_get(doc, "localHub")), SK_JSON_NULL);
}

static void test_calls(void **state)
{
    struct rig *r = *state;

    static const struct {
        const char *json, *words;
        enum sk_code code;
    } rows[] = {
        { "{\"type\":\"restart\",\"module\":\"cats\"}", NULL, SK_OK },
        { "{\"type\":\"restart\",\"module\":\"dogs\"}", "no module 'dogs'", SK_NOT_FOUND },
        { "{\"type\":\"restart\"}", "no module ''", SK_NOT_FOUND },
        { "{\"type\":\"logs\",\"module\":\"dogs\"}", "no module 'dogs'", SK_NOT_FOUND },
        { "{\"type\":\"logs\",\"module\":\"cats\",\"since\":\"x\"}", "is no time", SK_INVALID },
        { "{\"type\":\"logs\",\"module\":\"cats\"}", NULL, SK_OK },
        { "{\"type\":\"exec\",\"module\":\"dogs\"}", "process 0", SK_NOT_FOUND },
        { "{\"type\":\"dance\"}", "'dance' is not known here", SK_UNSUPPORTED },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        int rc = sk_agent_call(r->a.run_dir, sk_view_of(rows[i].json), PATIENCE_MS, NULL, &err);
        if ((rc == 0) != !rows[i].words || err.code != rows[i].code ||
            (rc < 0 && !strstr(err.text, rows[i].words)))
            fail_msg("%s: %d: %s", rows[i].json, rc, err.text);
    }
    assert_int_equal(r->a.modules[0]->asks_restart, 1);
}

/* More at once than there are places: the rest is turned away, and places come back. */
static void test_many(void **state)
{
    struct rig *r = *state;
    const struct sk_wire_handler handler = { .message = NULL };
    struct sk_wire *all[20] = { NULL };
    struct sk_err err = SK_ERR_INIT;
    for (size_t i = 0; i < COUNT(all); i++)
        DONE(sk_wire_connect(at(r->a.run_dir, "agent.sock"), &handler, &all[i], &err));
    for (size_t i = 0; i < COUNT(all); i++)
        sk_wire_free(all[i]);
    const uint64_t until = sk_now_ms() + PATIENCE_MS;
    while (sk_agent_call(r->a.run_dir, SK_VIEW("{\"type\":\"list\"}"), 1000, NULL, &err) < 0) {
        if (sk_now_ms() > until)
            fail_msg("no place came back: %s", err.text);
        (void)poll(NULL, 0, 10);
    }
}

static void test_none(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    char path[300];
    FAILS(sk_agent_call(at(r->dir, "none"), SK_VIEW("{\"type\":\"list\"}"), 100, NULL, &err),
          SK_BUSY, "start it with 'skerry edge run'");
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    FAILS(sk_agent_call(path, SK_VIEW("{\"type\":\"list\"}"), 100, NULL, &err), SK_LIMIT,
          "too long");
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = { ROW(test_list), ROW(test_status), ROW(test_calls),
                                        ROW(test_many), ROW(test_none) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
