/* test_chart.c - axes, lines, gaps and marks of a chart. */
#include "report_test.h"

#include <math.h>

static void test_step(void **state)
{
    static const struct {
        double span;
        unsigned most;
        double step;
    } cases[] = {
        { 1, 5, .2 }, { 1, 10, .1 },     { 0.7, 5, .2 },  { 49, 8, 10 }, { 5, 5, 1 },
        { 6, 5, 2 },  { 1e-7, 5, 2e-8 }, { 3e9, 5, 1e9 }, { 2, 1, 2 },   { 11, 1, 20 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        double step = sk_chart_step(cases[i].span, cases[i].most);
        if (!(fabs(step / cases[i].step - 1) < 1e-9))
            fail_msg("%g in %u: %g", cases[i].span, cases[i].most, step);
    }
}

static const double x[] = { 1, 2, 3, 4, 5 };
static const double all[] = { .5, .4, .3, .2, .1 };
static const double gaps[] = { NAN, .4, INFINITY, .2, 1e31 };

static const struct {
    const char *name;
    struct sk_chart chart;
    const char *words[8];
} rows[] = {
    { "two series",
      { .title = "T<",
        .summary = "a \"summary\"",
        .x_name = "epoch",
        .series = { { "one", x, all, 5 }, { "two", x, gaps, 5 } },
        .series_count = 2,
        .x_min = 1,
        .x_max = 5,
        .y_max = .5,
        .flags = SK_CHART_X_WHOLE | SK_CHART_MARKS },
      { "<b>T&lt;</b>", "role=\"img\" aria-label=\"a &quot;summary&quot;\"", "class=\"legend\"",
        "<title>one, epoch 5: 0.1</title>", "!nan", "!inf", "!two, epoch 3" } },
    { "a gap is a new start",
      { .title = "T",
        .summary = "s",
        .x_name = "epoch",
        .series = { { "two", x, gaps, 5 } },
        .series_count = 1,
        .x_min = 1,
        .x_max = 5,
        .y_max = .5 },
      { "<path class=\"line s0\" d=\"M159.5 54.4M362.5 139.2\"/>", "!legend", "!circle" } },
    { "steps, per cent, diagonal",
      { .title = "T",
        .summary = "s",
        .x_name = "x",
        .y_name = "y<",
        .series = { { "", x, all, 5 } },
        .series_count = 1,
        .x_min = 0,
        .x_max = 5,
        .y_max = 1,
        .flags = SK_CHART_STEPS | SK_CHART_Y_PERCENT | SK_CHART_DIAGONAL | SK_CHART_SQUARE },
      { "100 %</text>", "class=\"chance\"", "y&lt;", "V", "0 0 400 384" } },
};

static void test_charts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(PAGE_BYTES);
        sk_chart_html(&rows[i].chart, &out);
        check_words(rows[i].name, &out, rows[i].words);
    }
}

/* A curve of very many points is no larger than what can be seen of it. */
static void test_many_points(void **state)
{
    enum {
        MANY = 100000
    };

    SK_OWN(free) double *xs = calloc(MANY, sizeof *xs), *ys = calloc(MANY, sizeof *ys);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(PAGE_BYTES);
    struct sk_chart c = { .title = "T",
                          .summary = "s",
                          .x_name = "x",
                          .x_max = 1,
                          .y_max = 1,
                          .series_count = 1,
                          .flags = SK_CHART_MARKS };

    (void)state;
    assert_non_null(xs);
    assert_non_null(ys);
    for (size_t i = 0; i < MANY; i++)
        xs[i] = ys[i] = (double)i / (MANY - 1);
    c.series[0] = (struct sk_series){ "", xs, ys, MANY };
    sk_chart_html(&c, &out);
    assert_true(sk_buf_ok(&out));
    assert_true(out.len < 20000);
    assert_non_null(strstr(out.data, "L464.0 12.0\"/>")); /* the last point is there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_charts),
        cmocka_unit_test(test_many_points),
    };
    return cmocka_run_group_tests_name("chart", tests, NULL, NULL);
}
