/* test_cmd_edge_hub.c - `skerry edge-hub`: words that are wrong; what it does is in tests/localhub
 * and tests/it/test_edge_localhub.py. */
#include "cli_test.h"

static void errors(void **state)
{
    static const struct {
        const char *line, *says;
        int status;
    } rows[] = {
        { "skerry edge-hub --log-level loud", "--log-level", 2 },
        { "skerry edge-hub --dir /dev/null/x --run-dir /dev/null/y", "/dev/null", 1 },
        { "skerry edge-hub now", "now", 2 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(rows[i].line, NULL, NULL);
        check_status(rows[i].line, &r, rows[i].status);
        if (!strstr(r.err, rows[i].says))
            fail_msg("%s: %s", rows[i].line, r.err);
    }
}

static void is_hidden(void **state)
{
    (void)state;
    SK_AUTO(ran_done) struct ran r = run_words("skerry --help", NULL, NULL);
    assert_null(strstr(r.out, "edge-hub"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors),
        cmocka_unit_test(is_hidden),
    };
    return cmocka_run_group_tests_name("cmd_edge_hub", tests, NULL, NULL);
}
