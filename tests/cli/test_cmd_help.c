/* test_cmd_help.c - `skerry help`: the list, one command, an unknown one. */
#include "cli_test.h"

#include "base/str.h"

static const struct {
    const char *line;
    int status;
    const char *out, *err; /* beginnings */
} rows[] = {
    { "skerry help", 0, "skerry " SK_VERSION ": ", "" },
    { "skerry help serve", 0, "Usage: skerry serve ", "" },
    { "skerry help model inspect", 0, "Usage: skerry model inspect ", "" },
    { "skerry help help", 0, "Usage: skerry help [COMMAND]", "" },
    { "skerry help sevre", 2, "",
      "skerry: unknown command 'sevre'; did you mean 'skerry help serve'?\n" },
    { "skerry help xyzzy", 2, "", "skerry: unknown command 'xyzzy'; 'skerry help' lists all\n" },
};

static void test_help(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(rows[i].line, NULL, NULL);
        check_status(rows[i].line, &r, rows[i].status);
        assert_true(sk_starts_with(r.out, rows[i].out));
        assert_true(sk_starts_with(r.err, rows[i].err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_help) };
    return cmocka_run_group_tests_name("cmd_help", tests, NULL, NULL);
}
