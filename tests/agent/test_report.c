/* test_report.c - what $edgeAgent reports: the document, what it has come to, and differences. */
#include "agent/agent_util.h"

#include <stdio.h>
#include <stdlib.h>

static struct sk_json *all_of(struct rig *r)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    sk_agent_report_all(&r->a, &b);
    sk_buf_chr(&b, '\0');
    assert_true(sk_buf_ok(&b));
    return json_of(b.data);
}

static const char *text_at(const struct sk_json *doc, const char *a, const char *b, const char *c)
{
    const struct sk_json *v = sk_json_get(doc, a);
    v = b ? sk_json_get(v, b) : v;
    v = c ? sk_json_get(v, c) : v;
    return sk_json_text(v, "none");
}

static void test_document(void **state)
{
    struct rig *r = *state;
    struct sk_agent_module *m = rig_module(
        r, "cats",
        spec_of("cats", "{\"settings\":{\"image\":\"r.test/cats:v2\"},\"restartPolicy\":\"always\","
                        "\"version\":\"2\",\"env\":{\"a\":{\"value\":\"1\"}}}"));
    (void)rig_module(r, "gone", NULL); /* not reported */
    m->view = (struct sk_agent_view){ .status = "running",
                                      .description = "running; \"on\" probation",
                                      .image = "r.test/cats:v1",
                                      .hash = "sha256:1",
                                      .exit_code = 3,
                                      .restarts = 4,
                                      .last_start_ms = 1764000000123 };
    r->a.desired = json_of(
        "{\"systemModules\":{\"edgeHub\":{\"settings\":{\"image\":\"hub:1\"}}}}");
    SK_OWN(sk_json_free) struct sk_json *doc = all_of(r);
    const struct sk_json *cats = sk_json_get(sk_json_get(doc, "modules"), "cats");

    static const struct {
        const char *a, *b, *value;
    } rows[] = {
        { "version", NULL, "2" },
        { "type", NULL, "docker" },
        { "status", NULL, "running" },
        { "restartPolicy", NULL, "always" },
        { "imagePullPolicy", NULL, "on-create" },
        { "settings", "image", "r.test/cats:v1" }, /* what runs */
        { "settings", "imageHash", "sha256:1" },
        { "settings", "createOptions", "{}" },
        { "runtimeStatus", NULL, "running" },
        { "statusDescription", NULL, "running; \"on\" probation" },
        { "lastStartTimeUtc", NULL, "2025-11-24T16:00:00.123Z" },
        { "lastExitTimeUtc", NULL, "0001-01-01T00:00:00Z" },
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        if (strcmp(text_at(cats, rows[i].a, rows[i].b, NULL), rows[i].value) != 0)
            fail_msg("%s: %s", rows[i].a, text_at(cats, rows[i].a, rows[i].b, NULL));
    assert_int_equal(sk_json_int(sk_json_get(cats, "exitCode"), 0), 3);
    assert_int_equal(sk_json_int(sk_json_get(cats, "restartCount"), 0), 4);
    assert_int_equal(sk_json_count(sk_json_get(doc, "modules")), 1);
    assert_string_equal(text_at(doc, "schemaVersion", NULL, NULL), "1.0");
    assert_string_equal(text_at(sk_json_get(doc, "systemModules"), "edgeHub", "settings", "image"),
                        "hub:1");
    assert_string_equal(text_at(doc, "systemModules", "edgeAgent", "runtimeStatus"), "running");
    assert_string_equal(text_at(doc, "systemModules", "edgeHub", "runtimeStatus"), "stopped");
}

/* Chunks of 512 bytes, no character cut. */
static void test_chunks(void **state)
{
    struct rig *r = *state;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf joined = SK_BUF_INIT(1 << 20);
    sk_buf_str(&b, "{\"settings\":{\"image\":\"i\",\"createOptions\":{\"x\":\"");
    for (int i = 0; i < 700; i++)
        sk_buf_str(&b, "\xe2\x82\xac"); /* three bytes */
    sk_buf_str(&b, "\"}}}");
    struct sk_agent_module *m = rig_module(r, "cats", spec_of("cats", b.data));
    SK_OWN(sk_json_free) struct sk_json *doc = all_of(r);
    const struct sk_json *settings = sk_json_get(sk_json_get(sk_json_get(doc, "modules"), "cats"),
                                                 "settings");
    for (int i = 0; i < 10; i++) {
        char key[32] = "createOptions";
        if (i > 0)
            (void)snprintf(key, sizeof key, "createOptions%02d", i);
        const char *text = sk_json_get_text(settings, key, NULL);
        if (!text)
            break;
        assert_in_range(strlen(text), 1, 512);
        sk_buf_str(&joined, text);
    }
    assert_string_equal(joined.data, m->want->create_options);
}

static void test_settles(void **state)
{
    struct rig *r = *state;

    static const struct {
        const char *name;
        int code; /* of the deployment */
        bool a_settled, a_failed, b_settled, b_failed, b_hindered;
        int told; /* 0: still that of before */
        const char *why;
    } rows[] = {
        { "under way", 200, false, false, true, false, false, 0, "before" },
        { "done", 200, true, false, true, false, false, 200, "" },
        { "one failed", 200, true, true, true, false, false, 500, "a: A" },
        { "both failed", 200, true, true, true, true, false, 500, "a: A; b: B" },
        { "failed, and one under way", 200, true, true, false, false, false, 0, "before" },
        { "one is tried again", 200, true, false, false, false, true, 500, "b: B" },
        { "under way, and one is tried again", 200, false, false, false, false, true, 0, "before" },
        { "it came at last", 200, true, false, true, false, true, 200, "" },
        { "not to be read", 400, false, false, false, false, false, 400, "bad" },
        { "too new", 412, true, false, true, false, false, 412, "bad" },
    };
    struct sk_agent_module *a = rig_module(r, "a",
                                           spec_of("a", "{\"settings\":{\"image\":\"i\"}}"));
    struct sk_agent_module *b = rig_module(r, "b",
                                           spec_of("b", "{\"settings\":{\"image\":\"i\"}}"));
    (void)snprintf(a->view.description, sizeof a->view.description, "A");
    (void)snprintf(b->view.description, sizeof b->view.description, "B");
    (void)snprintf(r->a.desired_why, sizeof r->a.desired_why, "bad");
    for (size_t i = 0; i < COUNT(rows); i++) {
        r->a.desired_version = 9;
        r->a.told_version = 8;
        r->a.told_code = 201;
        (void)snprintf(r->a.told_why, sizeof r->a.told_why, "before");
        r->a.desired_code = rows[i].code;
        a->view.is_settled = rows[i].a_settled;
        a->view.is_failed = rows[i].a_failed;
        b->view.is_settled = rows[i].b_settled;
        b->view.is_failed = rows[i].b_failed;
        b->view.is_hindered = rows[i].b_hindered;
        SK_OWN(sk_json_free) struct sk_json *doc = all_of(r);
        const struct sk_json *s = sk_json_get(doc, "lastDesiredStatus");
        int64_t code = sk_json_int(sk_json_get(s, "code"), 0);
        int64_t version = sk_json_int(sk_json_get(doc, "lastDesiredVersion"), 0);
        if (code != (rows[i].told ? rows[i].told : 201) || version != (rows[i].told ? 9 : 8) ||
            strcmp(sk_json_get_text(s, "description", ""), rows[i].why) != 0)
            fail_msg("%s: %lld, %lld: %s", rows[i].name, (long long)version, (long long)code,
                     sk_json_get_text(s, "description", ""));
    }
}

static void test_diff(void **state)
{
    (void)state;

    static const struct {
        const char *old, *now, *patch;
    } rows[] = {
        { "{}", "{}", "{}" },
        { "{\"a\":1}", "{\"a\":1}", "{}" },
        { "{\"a\":1}", "{\"a\":2}", "{\"a\":2}" },
        { "{\"a\":1}", "{\"a\":1.0}", "{\"a\":1.0}" },
        { "{\"a\":1}", "{}", "{\"a\":null}" },
        { "{}", "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}" },
        { "{\"a\":{\"b\":1,\"c\":2}}", "{\"a\":{\"c\":3}}", "{\"a\":{\"c\":3,\"b\":null}}" },
        { "{\"a\":[1,2]}", "{\"a\":[1]}", "{\"a\":[1]}" },
        { "{\"a\":{\"b\":1}}", "{\"a\":7}", "{\"a\":7}" },
        { "{\"a\":7}", "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}" },
        { "{\"a\":{\"x\":{\"y\":1}},\"b\":2}", "{\"b\":2,\"a\":{\"x\":{\"y\":1}}}", "{}" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(sk_json_free) struct sk_json *old = json_of(rows[i].old);
        SK_OWN(sk_json_free) struct sk_json *now = json_of(rows[i].now);
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(4096), whole = SK_BUF_INIT(4096);
        bool differs = sk_agent_report_diff(&b, old, now);
        if (strcmp(b.data, rows[i].patch) != 0 || differs != (strcmp(rows[i].patch, "{}") != 0))
            fail_msg("%s to %s: %s", rows[i].old, rows[i].now, b.data);
        (void)sk_agent_report_diff(&whole, NULL, now);
        SK_OWN(sk_json_free) struct sk_json *again = json_of(whole.data);
        assert_true(sk_json_equal(again, now));
    }
}

/* What was reported by the run before, so that it can be taken back. */
static void test_load(void **state)
{
    struct rig *r = *state;
    sk_agent_report_load(&r->a);
    assert_null(r->a.reported);
    write_text(at(r->dir, "state/reported.json"), "{");
    sk_agent_report_load(&r->a);
    assert_null(r->a.reported);
    write_text(
        at(r->dir, "state/reported.json"),
        "{\"lastDesiredVersion\":7,\"lastDesiredStatus\":{\"code\":500,\"description\":\"x\"}}");
    sk_agent_report_load(&r->a);
    assert_non_null(r->a.reported);
    assert_int_equal(r->a.told_version, 7);
    assert_int_equal(r->a.told_code, 500);
    assert_string_equal(r->a.told_why, "x");
    sk_agent_report_tick(&r->a); /* without a local hub nothing is said, and nothing forgotten */
    assert_non_null(strstr(r->a.reported, "\"lastDesiredVersion\":7"));
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = { ROW(test_document), ROW(test_chunks), ROW(test_settles),
                                        ROW(test_diff), ROW(test_load) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
