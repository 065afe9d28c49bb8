/* test_cli.c - wrong words are named, with the nearest known one; exit statuses; a standard output
 * that is full. */
#include "cli/cli.h"

#include "base/str.h"
#include "cli_test.h"

#include <fcntl.h>

static const struct {
    const char *line;
    int status;
    const char *err;
} rows[] = {
    { "skerry", 2, "skerry: no command; 'skerry help' lists all\n" },
    { "skerry frobnicate", 2, "skerry: unknown command 'frobnicate'; 'skerry help' lists all\n" },
    { "skerry serv m", 2, "skerry: unknown command 'serv'; did you mean 'skerry serve'?\n" },
    { "skerry predcit a b", 2,
      "skerry: unknown command 'predcit'; did you mean 'skerry predict'?\n" },
    { "skerry model inspct x", 2,
      "skerry: unknown command 'inspct'; did you mean 'skerry model inspect'?\n" },
    { "skerry --verbose serve", 2,
      "skerry: unknown option '--verbose'; options stand behind the command\n" },
    { "skerry serve", 2, "skerry: serve needs MODEL...; 'skerry serve --help' tells more\n" },
    { "skerry serve --prot 1 m", 2, "skerry: unknown option '--prot'; did you mean '--port'?\n" },
    { "skerry serve --port 70000 m", 2,
      "skerry: --port: '70000' is not a whole number from 0 to 65535\n" },
    { "skerry model inspect a b", 2,
      "skerry: unexpected 'b'; 'skerry model inspect --help' tells more\n" },
    { "skerry man x", 2, "skerry: unexpected 'x'; 'skerry man --help' tells more\n" },
    { "skerry model inspect /nonexistent/m", 1, NULL },
};

static void test_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(rows[i].line, NULL, NULL);

        check_status(rows[i].line, &r, rows[i].status);
        assert_string_equal(r.out, "");
        if (rows[i].err && strcmp(r.err, rows[i].err) != 0)
            fail_msg("%s: %s", rows[i].line, r.err);
        assert_true(sk_starts_with(r.err, "skerry: "));
        assert_ptr_equal(strchr(r.err, '\n') + 1, r.err + strlen(r.err)); /* one line */
    }
}

/* The first words of several commands list them. */
static void test_groups(void **state)
{
    static const char *const lines[] = { "skerry model", "skerry model --help",
                                         "skerry help model" };

    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(lines[i], NULL, NULL);

        check_status(lines[i], &r, 0);
        assert_true(sk_starts_with(r.out, "Usage: skerry model COMMAND [options] ...\n"));
        assert_non_null(strstr(r.out, "  model inspect "));
        assert_null(strstr(r.out, "  serve "));
    }
    SK_AUTO(ran_done) struct ran deeper = run_words("skerry hub token", NULL, NULL);

    assert_non_null(strstr(deeper.out, "  hub token create "));
    assert_null(strstr(deeper.out, "  hub run "));
}

static void test_short_forms(void **state)
{
    SK_AUTO(ran_done) struct ran help = run_words("skerry --help", NULL, NULL);
    SK_AUTO(ran_done) struct ran help_word = run_words("skerry help", NULL, NULL);
    SK_AUTO(ran_done) struct ran version = run_words("skerry -V", NULL, NULL);
    SK_AUTO(ran_done) struct ran serve = run_words("skerry serve --help --nonsense", NULL, NULL);

    (void)state;
    check_status("--help", &help, 0);
    assert_string_equal(help.out, help_word.out);
    check_status("-V", &version, 0);
    assert_true(sk_starts_with(version.out, "skerry " SK_VERSION " ("));
    check_status("serve --help", &serve, 0);
    assert_true(sk_starts_with(serve.out, "Usage: skerry serve [options] MODEL...\n"));
    assert_string_equal(serve.err, "");
}

static void test_full_output(void **state)
{
    char *argv[] = { (char[]){ "skerry" }, (char[]){ "man" }, NULL };
    int before = dup(STDOUT_FILENO);
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)state;
    assert_true(before >= 0 && full >= 0);
    (void)fflush(stdout);
    assert_int_equal(dup2(full, STDOUT_FILENO), STDOUT_FILENO);
    int status = sk_cli_main(2, argv);
    clearerr(stdout);
    assert_int_equal(dup2(before, STDOUT_FILENO), STDOUT_FILENO);
    (void)close(before);
    (void)close(full);
    assert_int_equal(status, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_short_forms),
        cmocka_unit_test(test_full_output),
    };
    return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
