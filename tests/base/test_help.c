/* test_help.c - --help, the list of commands and the Markdown page against golden files. */
#include "base/opt.h"

#include "base/cleanup.h"
#include "base/opt_priv.h"
#include "harness/alloc_fail.h"
#include "harness/golden.h"
#include "opt_table.h"
#include "test_util.h"

static void check(const char *file, const struct sk_buf *b)
{
    assert_true(sk_buf_ok(b));
    sk_golden_check(file, b->data, b->len);
}

static void test_command(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);

    (void)state;
    sk_cmd_help(&table_serve, &b);
    check("tests/base/golden/help_serve.txt", &b);
}

static void test_all(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);

    (void)state;
    sk_cmds_help(table, "1.2.3", &b);
    check("tests/base/golden/help.txt", &b);
}

static void test_group(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);

    (void)state;
    assert_false(sk_cmds_group_help(table, "serve", &b)); /* a command, not a group */
    assert_false(sk_cmds_group_help(table, "mod", &b));
    assert_int_equal(b.len, 0);
    assert_true(sk_cmds_group_help(table, "model", &b));
    assert_non_null(strstr(b.data, "Usage: skerry model COMMAND"));
}

static void test_markdown(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);

    (void)state;
    sk_cmds_markdown(table, &b);
    check("tests/base/golden/commands.md", &b);
}

static void test_lines_fit(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);

    (void)state;
    sk_cmd_help(&table_serve, &b);
    for (const char *p = b.data; *p; p += strcspn(p, "\n") + 1)
        assert_true(strcspn(p, "\n") <= 90);
}

static void test_examples(void **state)
{
    static const struct {
        const char *line;
        size_t len;
        const char *why;
    } rows[] = {
        { "a b # why", 3, "why" }, { "a b", 3, NULL },    { "a#b", 3, NULL },
        { "", 0, NULL },           { "a   # w", 1, "w" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t len = 99;
        const char *why = sk_example_split(rows[i].line, strlen(rows[i].line), &len);
        assert_int_equal(len, rows[i].len);
        if (rows[i].why)
            assert_string_equal(why, rows[i].why);
        else
            assert_null(why);
    }
}

static int print(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);

    (void)ctx;
    sk_cmd_help(&table_serve, &b);
    return sk_buf_ok(&b) ? 0 : sk_buf_fail(&b, err);
}

static void test_no_memory(void **state)
{
    (void)state;
    assert_true(sk_alloc_sweep("help", print, NULL, 0) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command),   cmocka_unit_test(test_all),
        cmocka_unit_test(test_group),     cmocka_unit_test(test_markdown),
        cmocka_unit_test(test_lines_fit), cmocka_unit_test(test_examples),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("help", tests, NULL, NULL);
}
