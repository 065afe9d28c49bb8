/* test_cmd_edge_list.c - `skerry edge list` and `status` of an agent that answers as it is told. */
#include "edge_test.h"

#define MODULE(name, status, description, more)                                                    \
    "{\"name\":\"" name "\",\"status\":\"" status "\",\"description\":\"" description              \
    "\",\"image\":\"hub/" name ":v1\"" more "}"

static const struct fake_row rows[] = {
    { "list",
      "\"modules\":[" MODULE("up", "running", "running", ",\"lastStart\":\"2000-01-01T00:00:00Z\"") "," MODULE(
          "trial", "running", "running; on probation",
          ",\"lastStart\":\"2000-01-01T00:00:"
          "00Z\"") "," MODULE("dead", "failed", "Exited (139)",
                              ",\"lastExit\":"
                              "\"2000-01-"
                              "01T00:00:"
                              "00Z\","
                              "\"exitCode\":"
                              "139") "," MODULE("late", "backoff", "image: not found", "") "]" },
    { "status",
      "\"device\":\"cell-7\",\"hub\":\"hub.example\",\"gateway\":\"gate\",\"isConnected\":true,"
      "\"pid\":7,"
      "\"since\":\"2000-01-01T00:00:00Z\",\"deployment\":{\"version\":3,\"applied\":3,\"code\":200,"
      "\"description\":\"\"},"
      "\"localHub\":{\"spool\":{\"messages\":2,\"bytes\":1048576,\"maxBytes\":2097152},"
      "\"clients\":[{\"id\":\"a\",\"isConnected\":true},{\"id\":\"b\",\"isConnected\":false}]}" },
    { NULL, NULL },
};

static void check(const char *line, const char *const *words, size_t count)
{
    struct fake_agent a;
    agent_start(&a, rows);
    SK_AUTO(ran_done) struct ran r = run_words(line, a.dir, NULL);
    check_status(line, &r, 0);
    for (size_t i = 0; i < count; i++)
        if (!strstr(r.out, words[i]))
            fail_msg("%s: no '%s' in\n%s", line, words[i], r.out);
    agent_stop(&a);
}

static void lists(void **state)
{
    static const char *const words[] = { "NAME",         "up ", "Up ",         "on probation",
                                         "Failed (139)", "ago", "hub/dead:v1", "image: not found" };
    (void)state;
    check("skerry edge list --data-dir %s", words, COUNT(words));
}

static void lists_as_json(void **state)
{
    static const char *const words[] = { "[{\"name\":\"up\"", "\"exitCode\":139" };
    (void)state;
    check("skerry edge list --json --data-dir %s", words, COUNT(words));
}

static void shows_status(void **state)
{
    static const char *const words[] = { "cell-7, reached as gate", "hub.example, connected",
                                         "1 client, 2 messages stored (1 of 2 MiB)",
                                         "version 3, applied: 200" };
    (void)state;
    check("skerry edge status --data-dir %s", words, COUNT(words));
}

static void without_an_agent(void **state)
{
    (void)state;
    static const char *const lines[] = { "skerry edge list --data-dir %s",
                                         "skerry edge status --data-dir %s" };
    for (size_t i = 0; i < COUNT(lines); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(lines[i], "tests/data", NULL);
        check_status(lines[i], &r, 1);
        if (!strstr(r.err, "no edge device lies in") || !strstr(r.err, "skerry edge init"))
            fail_msg("%s", r.err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        cmocka_unit_test(lists_as_json),
        cmocka_unit_test(shows_status),
        cmocka_unit_test(without_an_agent),
    };
    return cmocka_run_group_tests_name("cmd_edge_list", tests, NULL, NULL);
}
