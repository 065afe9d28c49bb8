/* test_curves.c - points, areas and thresholds of two classes. */
#include "report_test.h"

#include <math.h>

enum {
    POINTS = 6
};

static const char *const two[] = { "bad", "good" };

static const struct {
    const char *name;
    size_t count;
    uint32_t truth[5]; /* 0 is the positive one */
    float score[5];
    double auc, average;
    size_t points;
    double fpr[POINTS], tpr[POINTS], precision[POINTS];
} rows[] = {
    { "parted",
      4,
      { 0, 0, 1, 1 },
      { .9f, .8f, .2f, .1f },
      1,
      1,
      5,
      { 0, 0, 0, .5, 1 },
      { 0, .5, 1, 1, 1 },
      { 1, 1, 1, 2.0 / 3, .5 } },
    { "turned round",
      4,
      { 1, 1, 0, 0 },
      { .9f, .8f, .2f, .1f },
      0,
      5.0 / 12,
      5,
      { 0, .5, 1, 1, 1 },
      { 0, 0, 0, .5, 1 },
      { 1, 0, 0, 1.0 / 3, .5 } },
    { "all tied",
      4,
      { 0, 1, 0, 1 },
      { .5f, .5f, .5f, .5f },
      .5,
      .5,
      2,
      { 0, 1 },
      { 0, 1 },
      { 1, .5 } },
    { "a tie across the classes",
      5,
      { 0, 1, 0, 1, 1 },
      { .9f, .5f, .5f, .5f, .1f },
      5.0 / 6,
      .75,
      4,
      { 0, 0, 2.0 / 3, 1 },
      { 0, .5, 1, 1 },
      { 1, 1, .5, .4 } },
    { "not in order",
      4,
      { 0, 1, 0, 1 },
      { .35f, .4f, .8f, .1f },
      .75,
      5.0 / 6,
      5,
      { 0, 0, .5, .5, 1 },
      { 0, .5, .5, 1, 1 },
      { 1, 1, .5, 2.0 / 3, .5 } },
};

static struct sk_figures *make(const uint32_t *truth, const float *score, size_t count)
{
    struct sk_figures *f = NULL;
    struct sk_err err = SK_ERR_INIT;
    float p[10];

    for (size_t i = 0; i < count; i++) {
        p[2 * i] = score[i];
        p[2 * i + 1] = 1 - score[i];
    }
    if (sk_figures_new(two, 2, truth, p, count, NULL, &f, &err) < 0)
        fail_msg("%s", err.text);
    return f;
}

static void check(const char *row, double is, double should)
{
    if (!(fabs(is - should) < 1e-12))
        fail_msg("%s: %.17g, not %.17g", row, is, should);
}

static void test_points(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(sk_figures_free)
        struct sk_figures *f = make(rows[i].truth, rows[i].score, rows[i].count);

        assert_true(f->has_curves);
        check(rows[i].name, f->roc.area, rows[i].auc);
        check(rows[i].name, f->pr.area, rows[i].average);
        assert_int_equal(f->roc.count, rows[i].points);
        assert_int_equal(f->pr.count, rows[i].points);
        for (size_t k = 0; k < f->roc.count; k++) {
            check(rows[i].name, f->roc.x[k], rows[i].fpr[k]);
            check(rows[i].name, f->roc.y[k], rows[i].tpr[k]);
            check(rows[i].name, f->pr.x[k], rows[i].tpr[k]);
            check(rows[i].name, f->pr.y[k], rows[i].precision[k]);
        }
        assert_true(isinf(f->roc.threshold[0]));
    }
}

static void test_thresholds(void **state)
{
    const uint32_t truth[] = { 0, 0, 1, 0, 1 };
    const float score[] = { .9f, .6f, .5f, .3f, .2f };

    static const struct {
        double rate, threshold, fnr, fpr, precision;
    } cases[] = {
        { 0, .3, 0, .5, .75 },     { .333, .3, 0, .5, .75 },  { 1.0 / 3, .6, 1.0 / 3, 0, 1 },
        { .5, .6, 1.0 / 3, 0, 1 }, { .7, .9, 2.0 / 3, 0, 1 }, { 1, .9, 2.0 / 3, 0, 1 },
    };
    SK_OWN(sk_figures_free) struct sk_figures *f = make(truth, score, 5);

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sk_threshold t = { 0 };
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(sk_figures_threshold(f, cases[i].rate, &t, &err), 0);
        assert_true(fabs(t.threshold - cases[i].threshold) < 1e-7);
        check("missed", t.false_negative_rate, cases[i].fnr);
        check("false alarms", t.false_positive_rate, cases[i].fpr);
        check("precision", t.precision, cases[i].precision);
        check("recall", t.recall, 1 - cases[i].fnr);
    }
}

static void test_refusals(void **state)
{
    const uint32_t truth[] = { 0, 1, 2 }, same[] = { 1, 1, 1 };
    SK_OWN(sk_figures_free) struct sk_figures *f3 = figures_of(3, truth, truth, 3);
    SK_OWN(sk_figures_free) struct sk_figures *f1 = figures_of(2, same, same, 3);
    SK_OWN(sk_figures_free) struct sk_figures *f2 = figures_of(2, (uint32_t[]){ 0, 1 }, truth, 2);

    const struct {
        const struct sk_figures *f;
        double rate;
        const char *error;
    } cases[] = {
        { f3, .1, "a decision threshold is for two classes; these are 3" },
        { f1, .1, "a decision threshold needs pictures of both classes; all are 'c1'" },
        { f2, -.1, "a false-negative rate is from 0 to 1" },
        { f2, 1.1, "a false-negative rate is from 0 to 1" },
        { f2, NAN, "a false-negative rate is from 0 to 1" },
    };

    (void)state;
    assert_false(f3->has_curves);
    assert_false(f1->has_curves);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sk_threshold t = { 0 };
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(sk_figures_threshold(cases[i].f, cases[i].rate, &t, &err), -1);
        assert_int_equal(err.code, SK_INVALID);
        assert_string_equal(err.text, cases[i].error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_points),
        cmocka_unit_test(test_thresholds),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests_name("curves", tests, NULL, NULL);
}
