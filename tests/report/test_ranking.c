/* test_ranking.c - the section "Thresholds": there for two classes, and its table. */
#include "report_test.h"

#include "harness/alloc_fail.h"

enum {
    MANY = 1000
};

static struct sk_figures *make(size_t count)
{
    static const char *const labels[] = { "b<ad", "good" };
    SK_OWN(free) uint32_t *truth = calloc(count, sizeof *truth);
    SK_OWN(free) float *p = calloc(count, 2 * sizeof *p);
    struct sk_figures *f = NULL;
    struct sk_err err = SK_ERR_INIT;

    assert_non_null(truth);
    assert_non_null(p);
    for (size_t i = 0; i < count; i++) {
        truth[i] = i % 2;
        p[2 * i] = (float)(i + 1) / (float)(count + 1);
        p[2 * i + 1] = 1 - p[2 * i];
    }
    if (sk_figures_new(labels, 2, truth, p, count, NULL, &f, &err) < 0)
        fail_msg("%s", err.text);
    return f;
}

static void test_section(void **state)
{
    SK_OWN(sk_figures_free) struct sk_figures *f = make(MANY);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(PAGE_BYTES);
    size_t rows = 0;

    (void)state;
    sk_ranking_html(f, &out);
    check_words("two classes", &out,
                (const char *const[]){ "<b><bdi>b&lt;ad</bdi></b>", "<b>ROC, area 0.499",
                                       "<b>Precision and recall, average 0.5", "class=\"chance\"",
                                       "false-positive rate", NULL });
    for (const char *p = out.data; (p = strstr(p, "<tr><th scope=\"row\"")); p++)
        rows++;
    assert_int_equal(rows, 12);
    assert_true(out.len < 40000);
    const char *last = strstr(out.data, "</tbody>");
    assert_memory_equal(last - strlen("<td class=\"num\">50.1 %</td></tr>\n"),
                        "<td class=\"num\">50.1 %</td></tr>\n", 10);
    assert_non_null(strstr(out.data, "<td class=\"num\">100.0 %</td><td class=\"num\">0.0 %</td>"));
}

static void test_nothing(void **state)
{
    const uint32_t three[] = { 0, 1, 2 }, one[] = { 0, 0, 0 };
    SK_OWN(sk_figures_free) struct sk_figures *a = figures_of(3, three, three, 3);
    SK_OWN(sk_figures_free) struct sk_figures *b = figures_of(2, one, one, 3);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(PAGE_BYTES);

    (void)state;
    sk_ranking_html(a, &out);
    sk_ranking_html(b, &out);
    assert_int_equal(out.len, 0);
}

static int write_section(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(PAGE_BYTES);

    sk_ranking_html(ctx, &out);
    return sk_buf_ok(&out) ? 0 : sk_buf_fail(&out, err);
}

static void test_memory(void **state)
{
    SK_OWN(sk_figures_free) struct sk_figures *f = make(4);

    (void)state;
    assert_true(sk_alloc_sweep("ranking", write_section, f, 0) > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_section),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests_name("ranking", tests, NULL, NULL);
}
