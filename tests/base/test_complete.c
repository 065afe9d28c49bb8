/* test_complete.c - completion scripts against golden files; bash runs its own. */
#include "base/opt.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "harness/golden.h"
#include "opt_table.h"
#include "test_util.h"

static void test_scripts(void **state)
{
    static const char *const shells[] = { "bash", "zsh", "fish" };

    (void)state;
    for (size_t i = 0; i < COUNT(shells); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
        char path[100];

        sk_cmds_completion(table, shells[i], &b);
        assert_true(sk_buf_ok(&b));
        (void)snprintf(path, sizeof path, "tests/base/golden/completion.%s", shells[i]);
        sk_golden_check(path, b.data, b.len);
    }
}

static void test_unknown_shell(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);

    (void)state;
    sk_cmds_completion(table, "tcsh", &b);
    assert_int_equal(b.len, 0);
}

/* words: what was typed, the last one being completed. */
static const struct {
    const char *words, *replies;
} bash_rows[] = {
    { "skerry ''", "serve model --help --version" },
    { "skerry s", "serve" },
    { "skerry model ''", "inspect list" },
    { "skerry model i", "inspect" },
    { "skerry serve --p", "--port" },
    { "skerry serve --port ''", "" },
    { "skerry serve --device ''", "auto cpu cuda" },
    { "skerry serve --device cu", "cuda" },
    { "skerry model list --wat", "--watch" },
    { "skerry model inspect --", "--help" },
    { "skerry secret --", "" },
    { "skerry serve file_a", "file_ab" },
    { "skerry serve --a-file-with-a-long-name file_a", "file_ab" },
    { "skerry model list file_a", "" },
};

static void put(const char *dir, const char *name, const char *text, size_t len)
{
    struct sk_err err = SK_ERR_INIT;
    char path[200];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(sk_file_write(path, text, len, 0600, &err), 0);
}

static void test_bash(void **state)
{
    static const char runner[] = "source ./script\nCOMP_WORDS=(\"$@\")\nCOMP_CWORD=$(($# - 1))\n"
                                 "_skerry\necho \"${COMPREPLY[*]}\"\n";
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    char *dir = sk_test_dir();

    (void)state;
    sk_cmds_completion(table, "bash", &b);
    put(dir, "script", b.data, b.len);
    put(dir, "runner", runner, sizeof runner - 1);
    put(dir, "file_ab", "", 0);
    for (size_t i = 0; i < COUNT(bash_rows); i++) {
        char command[300];
        char got[600] = "";

        (void)snprintf(command, sizeof command, "cd %s && bash --norc ./runner %s", dir,
                       bash_rows[i].words);
        FILE *f = popen(command, "r");
        assert_non_null(f);
        if (!fgets(got, sizeof got, f))
            got[0] = '\0';
        assert_int_equal(pclose(f), 0);
        got[strcspn(got, "\n")] = '\0';
        if (strcmp(got, bash_rows[i].replies) != 0)
            fail_msg("%s: got '%s'", bash_rows[i].words, got);
    }
    sk_test_dir_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_unknown_shell),
        cmocka_unit_test(test_bash),
    };
    return cmocka_run_group_tests_name("complete", tests, NULL, NULL);
}
