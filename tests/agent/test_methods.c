/* test_methods.c - direct methods of $edgeAgent, times, and the output of modules. */
#include "agent/agent_util.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int call(struct rig *r, const char *name, const char *payload, struct sk_buf *out)
{
    SK_OWN(sk_json_free) struct sk_json *p = payload ? json_of(payload) : NULL;
    sk_buf_clear(out);
    int status = sk_agent_method(&r->a, name, p, out);
    sk_buf_chr(out, '\0');
    return status;
}

static void test_methods(void **state)
{
    struct rig *r = *state;

    static const struct {
        const char *method, *payload;
        int status;
        const char *words;
    } rows[] = {
        { "ping", NULL, 200, "" },
        { "PING", "{}", 200, "" },
        { "other", NULL, 501, "ping, RestartModule and GetModuleLogs" },
        { "RestartModule", "{\"schemaVersion\":\"1.0\",\"id\":\"cats\"}", 200, "" },
        { "restartmodule", "{\"id\":\"cats\"}", 200, "" },
        { "RestartModule", "{\"id\":\"dogs\"}", 404, "no module 'dogs'" },
        { "RestartModule", "{\"id\":\"gone\"}", 404, "no module 'gone'" },
        { "RestartModule", "{\"id\":\"held\"}", 400, "is stopped, as the deployment says" },
        { "RestartModule", "{\"id\":7}", 400, "expected" },
        { "RestartModule", NULL, 400, "expected" },
        { "GetModuleLogs", NULL, 400, "expected" },
        { "GetModuleLogs", "{\"items\":{}}", 400, "expected" },
        { "GetModuleLogs", "{\"items\":[{}]}", 400, "a regular expression" },
        { "GetModuleLogs", "{\"items\":[{\"id\":\"(\"}]}", 400, "a regular expression" },
        { "GetModuleLogs", "{\"items\":[],\"encoding\":\"zip\"}", 400, "encoding" },
        { "GetModuleLogs", "{\"items\":[],\"contentType\":\"xml\"}", 400, "contentType" },
        { "GetModuleLogs", "{\"items\":[{\"id\":\"cats\",\"filter\":{\"loglevel\":8}}]}", 400,
          "loglevel" },
        { "GetModuleLogs", "{\"items\":[{\"id\":\"cats\",\"filter\":{\"tail\":0}}]}", 400, "tail" },
        { "GetModuleLogs", "{\"items\":[{\"id\":\"cats\",\"filter\":{\"since\":\"soon\"}}]}", 400,
          "is no time" },
        { "GetModuleLogs", "{\"items\":[{\"id\":\"cats\",\"filter\":{\"regex\":\"[\"}}]}", 400,
          "is no regular expression" },
        { "GetModuleLogs", "{\"items\":[{\"id\":\"none.*\"}]}", 200, "[]" },
    };
    struct sk_agent_module *m = rig_module(r, "cats",
                                           spec_of("cats", "{\"settings\":{\"image\":\"i\"}}"));
    (void)rig_module(r, "gone", NULL);
    (void)rig_module(r, "held",
                     spec_of("held", "{\"settings\":{\"image\":\"i\"},\"status\":\"stopped\"}"));
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
        int status = call(r, rows[i].method, rows[i].payload, &out);
        if (status != rows[i].status || !strstr(out.data, rows[i].words))
            fail_msg("%s %s: %d %s", rows[i].method, rows[i].payload, status, out.data);
    }
    assert_int_equal(m->asks_restart, 2);
}

static void test_since(void **state)
{
    (void)state;
    const int64_t now = (int64_t)time(NULL);

    const struct {
        const char *text;
        int64_t want;
    } rows[] = {
        { NULL, -1 },
        { "", -1 },
        { "1700000000", 1700000000 },
        { "0", 0 },
        { "20s", now - 20 },
        { "10m", now - 600 },
        { "3h", now - 10800 },
        { "1d", now - 86400 },
        { "2025-11-24T16:00:00Z", 1764000000 },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        int64_t got = -1;
        DONE(sk_agent_parse_since(rows[i].text, &got, &err));
        if (got < rows[i].want || got > rows[i].want + 5)
            fail_msg("%s: %lld", rows[i].text, (long long)got);
    }
    static const char *const bad[] = { "x",        "1w",  "1 d", "-1d",
                                       "9999999d", "1dd", "d",   "99999999999999999999" };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct sk_err err = SK_ERR_INIT;
        int64_t got = -1;
        if (sk_agent_parse_since(bad[i], &got, &err) == 0)
            fail_msg("'%s': %lld", bad[i], (long long)got);
        assert_int_equal(err.code, SK_INVALID);
        assert_int_equal(got, -1);
    }
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = { ROW(test_methods), ROW(test_since) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
