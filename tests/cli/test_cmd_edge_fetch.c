/* test_cmd_edge_fetch.c - `skerry edge-fetch` without an order; what it does with one is in
 * tests/runtime. */
#include "cli_test.h"

static void without_order(void **state)
{
    (void)state;
    SK_AUTO(ran_done) struct ran r = run_words("skerry edge-fetch", NULL, "/dev/null");
    check_status("no order", &r, 0);
    if (!strstr(r.out, "{\"event\":\"error\",\"code\":\"invalid_argument\""))
        fail_msg("%s", r.out);
}

static void is_hidden(void **state)
{
    (void)state;
    SK_AUTO(ran_done) struct ran r = run_words("skerry --help", NULL, NULL);
    assert_null(strstr(r.out, "edge-fetch"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_order),
        cmocka_unit_test(is_hidden),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
