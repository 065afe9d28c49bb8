/* test_cmd_hub_policy.c - `skerry hub policy list`, `show`, `renew` with a hub. */
#include "hub_test.h"

#include "cli_test.h"

static void rows(void **state)
{
    static const struct hub_row table[] = {
        { "skerry hub policy list", 0, "\nservice            ServiceConnect, Telemetry\n", "" },
        { "skerry hub policy show service", 0,
          ";SharedAccessKeyName=service;SharedAccessKey=", "" },
        { "skerry hub policy show service --json", 0, "\"secondaryKey\":\"", "" },
        { "skerry hub policy show x", 1, "", "there is no policy 'x'" },
        { "skerry hub policy renew x", 1, "", "x" },
        { "skerry hub policy renew service --key third", 2, "", "third" },
    };

    (void)state;
    hub_test_run(table, COUNT(table));
}

static char *text_of(const struct hub_test *t, const char *line)
{
    SK_AUTO(ran_done) struct ran r = run_words(line, t->dir, NULL);
    check_status(line, &r, 0);
    return SK_TAKE(r.out);
}

/* One key is new, the other one stays; what is printed is what `show` prints. */
static void renewal(void **state)
{
    static const char show[] = "skerry hub policy show device";
    struct hub_test t;
    (void)state;
    hub_test_start(&t);
    SK_OWN(free) char *first = text_of(&t, show);
    SK_OWN(free) char *second = text_of(&t, "skerry hub policy show device --secondary");
    SK_OWN(free) char *renewed = text_of(&t, "skerry hub policy renew device --key secondary");
    SK_OWN(free) char *first_then = text_of(&t, show);
    SK_OWN(free) char *second_then = text_of(&t, "skerry hub policy show device --secondary");
    SK_OWN(free) char *again = text_of(&t, "skerry hub policy renew device");
    SK_OWN(free) char *first_last = text_of(&t, show);
    assert_string_not_equal(first, second);
    assert_string_equal(first, first_then);
    assert_string_not_equal(second, second_then);
    assert_string_equal(second_then, renewed);
    assert_string_not_equal(first, again);
    assert_string_equal(again, first_last);
    hub_test_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows), cmocka_unit_test(renewal) };
    return cmocka_run_group_tests_name("cmd_hub_policy", tests, NULL, NULL);
}
