/* test_page.c - the page as a whole: what is in it, that nothing gets out of its place, that it
 * needs nothing else. tests/it/test_report.py looks at it in a browser. */
#include "report_test.h"

#include "harness/alloc_fail.h"

#include <math.h>

static const uint32_t truth[] = { 0, 0, 1, 1 }, said[] = { 0, 1, 1, 1 };
static const uint8_t jpeg[] = { 0xff, 0xd8, 0xff, 0xd9 };
static const struct sk_epoch epochs[] = { { 0.7, 0.5, NAN, NAN, 1e-3, 2.5 } };

static int write_page(void *ctx, struct sk_err *err)
{
    static const char *const settings[] = { "<seed>", "\"0\"", NULL };
    static const struct sk_wrong wrong[] = {
        { "a\"><b>\xff.png", 0, 1, 0.75, jpeg, sizeof jpeg },
        { "missing.png", 0, 1, 0.5, NULL, 0 },
    };
    const struct sk_report r = {
        .title = "<title>",
        .subtitle = "</style>",
        .note = "synthetic & made up",
        .figures = ctx,
        .figures_of = "validation <4>",
        .epochs = epochs,
        .epoch_count = 1,
        .wrong = wrong,
        .wrong_count = COUNT(wrong),
        .settings = settings,
    };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(PAGE_BYTES);
    const char *const words[] = {
        "<!doctype html>\n<html lang=\"en\">",
        "<title>&lt;title&gt;</title>",
        "<h1><bdi>&lt;title&gt;</bdi></h1><p>&lt;/style&gt;</p>",
        "synthetic &amp; made up</p>",
        "validation &lt;4&gt;",
        "id=\"training\"",
        "id=\"confusion\"",
        "id=\"classes\"",
        "id=\"thresholds\"",
        "src=\"data:image/jpeg;base64,/9j/2Q==\"",
        "a&quot;&gt;&lt;b&gt;\xef\xbf\xbd.png",
        "no picture",
        "<dt>&lt;seed&gt;</dt><dd>&quot;0&quot;</dd>",
        "default-src 'none'",
        "!<script",
        "!http://",
        "!https://",
        "!<link",
        "!@import",
        "!url(",
        NULL,
    };

    if (sk_report_html(&r, &out, err) < 0)
        return -1;
    check_words("page", &out, words);
    return 0;
}

static void test_page(void **state)
{
    SK_OWN(sk_figures_free) struct sk_figures *f = figures_of(2, truth, said, 4);
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(write_page(f, &err), 0);
}

static void test_note(void **state)
{
    (void)state;
    assert_non_null(strstr(sk_report_note("a/defect/synthetic-000001.jpg"), "Synthetic data"));
    assert_non_null(sk_report_note("synthetic-1.jpg"));
    assert_null(sk_report_note("synthetic-set/defect/1.jpg"));
    assert_null(sk_report_note("1.jpg"));
}

/* Nothing measured at all is still a page. */
static void test_empty(void **state)
{
    const struct sk_report r = { .title = "empty" };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(PAGE_BYTES);
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_report_html(&r, &out, &err), 0);
    check_words("empty", &out, (const char *const[]){ "<bdi>empty</bdi>", "!<section", NULL });
}

static void test_ceiling(void **state)
{
    const struct sk_report r = { .title = "empty" };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(100);
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_report_html(&r, &out, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
}

static void test_memory(void **state)
{
    SK_OWN(sk_figures_free) struct sk_figures *f = figures_of(2, truth, said, 4);

    (void)state;
    assert_true(sk_alloc_sweep("page", write_page, f, 0) > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page),    cmocka_unit_test(test_note),   cmocka_unit_test(test_empty),
        cmocka_unit_test(test_ceiling), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
