/* test_cmd_edge_stop.c - `skerry edge stop` where there is no device; what it does with one is in
 * tests/it/test_edge_stop.py. */
#include "cli_test.h"

static void without_a_device(void **state)
{
    static const struct {
        const char *line, *says;
        int status;
    } rows[] = {
        { "skerry edge stop --data-dir %s", "edge init", 1 },
        { "skerry edge stop --all --data-dir %s/none", "is no edge device's folder", 1 },
        { "skerry edge stop --all now", "now", 2 },
        { "skerry edge stop --everything", "--everything", 2 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(rows[i].line, "tests/data", NULL);
        check_status(rows[i].line, &r, rows[i].status);
        if (!strstr(r.err, rows[i].says))
            fail_msg("%s: %s", rows[i].line, r.err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(without_a_device) };
    return cmocka_run_group_tests_name("cmd_edge_stop", tests, NULL, NULL);
}
