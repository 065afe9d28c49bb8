/* test_cmd_edge_run.c - `skerry edge run` where there is no device, and the child that calls a hub
 * without an order; what they do with one is in tests/it/test_edge_agent.py. */
#include "cli_test.h"

static void errors(void **state)
{
    static const struct {
        const char *line, *says;
        int status;
    } rows[] = {
        { "skerry edge run --data-dir %s", "edge init", 1 },
        { "skerry edge run --data-dir %s/none", "edge init", 1 },
        { "skerry edge run --log-level loud", "--log-level", 2 },
        { "skerry edge run now", "now", 2 },
        { "skerry edge-call", "not JSON", 1 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(rows[i].line, "tests/data", "/dev/null");
        check_status(rows[i].line, &r, rows[i].status);
        if (!strstr(r.err, rows[i].says))
            fail_msg("%s: %s", rows[i].line, r.err);
    }
}

static void the_child_is_hidden(void **state)
{
    (void)state;
    SK_AUTO(ran_done) struct ran r = run_words("skerry --help", NULL, NULL);
    assert_null(strstr(r.out, "edge-call"));
    assert_null(strstr(r.out, "edge-gzip"));
    assert_non_null(strstr(r.out, "edge run"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors),
        cmocka_unit_test(the_child_is_hidden),
    };
    return cmocka_run_group_tests_name("cmd_edge_run", tests, NULL, NULL);
}
