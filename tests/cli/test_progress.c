/* test_progress.c - the line of the progress bar; nothing is drawn where no terminal is. */
#include "cli/predict_priv.h"

#include "cli_test.h"

static const struct {
    size_t done, total;
    double seconds;
    const char *line;
} rows[] = {
    { 0, 100, 0, "[........................] 0/100" },
    { 50, 100, 5, "[############............] 50/100  10.0/s  0:05 left" },
    { 99, 100, 9.9, "[#######################.] 99/100  10.0/s  0:00 left" },
    { 100, 100, 10, "[########################] 100/100  10.0/s  0:00 left" },
    { 1, 100, 60, "[........................] 1/100  0.0/s  1:39:00 left" },
    { 10, 1000, 10, "[........................] 10/1000  1.0/s  16:30 left" },
};

static void test_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1000);
        sk_progress_line(rows[i].done, rows[i].total, (uint64_t)(rows[i].seconds * 1e9), &b);
        assert_string_equal(b.data, rows[i].line);
    }
}

static void test_not_a_terminal(void **state)
{
    struct sk_progress p;
    int before = dup(STDERR_FILENO);
    FILE *file = tmpfile();

    (void)state;
    assert_non_null(file);
    assert_int_equal(dup2(fileno(file), STDERR_FILENO), STDERR_FILENO);
    sk_progress_init(&p, 1000);
    sk_progress_update(&p, 500);
    sk_progress_clear(&p);
    assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
    (void)close(before);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    assert_int_equal(ftell(file), 0);
    (void)fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_not_a_terminal),
    };
    return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
