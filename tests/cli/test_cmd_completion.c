/* test_cmd_completion.c - `skerry completion`: three shells, and the message for others. */
#include "cli_test.h"

static const struct {
    const char *line;
    int status;
    const char *out, *err; /* contained */
} rows[] = {
    { "skerry completion bash", 0, "complete -o filenames -F _skerry skerry", "" },
    { "skerry completion zsh", 0, "#compdef skerry", "" },
    { "skerry completion fish", 0, "complete -c skerry", "" },
    { "skerry completion tcsh", 2, "",
      "skerry: unknown shell 'tcsh'; there is bash, zsh and fish\n" },
    { "skerry completion", 2, "", "skerry: completion needs bash|zsh|fish" },
};

static void test_completion(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(rows[i].line, NULL, NULL);
        check_status(rows[i].line, &r, rows[i].status);
        assert_non_null(strstr(r.out, rows[i].out));
        assert_non_null(strstr(r.err, rows[i].err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_completion) };
    return cmocka_run_group_tests_name("cmd_completion", tests, NULL, NULL);
}
