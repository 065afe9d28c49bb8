/* test_figures.c - counts, losses and orders, with numbers worked out by hand; tests/it compares
 * many more with scikit-learn. */
#include "report_test.h"

#include "harness/alloc_fail.h"

#include <float.h>
#include <math.h>

static const char *const three[] = { "cat", "dog", "emu" };

static const struct {
    const char *name;
    size_t classes, count;
    uint32_t truth[6];
    float p[18];
    double accuracy, loss, macro_f1;
    struct sk_class_figures per_class[3];
    uint64_t confusion[9];
} rows[] = {
    { "all right",
      2,
      2,
      { 0, 1 },
      { 1, 0, 0, 1 },
      1,
      DBL_EPSILON,
      1,
      { { 1, 1, 1, 1 }, { 1, 1, 1, 1 } },
      { 1, 0, 0, 1 } },
    { "all wrong and certain",
      2,
      2,
      { 1, 0 },
      { 1, 0, 0, 1 },
      0,
      36.04365338911715,
      0,
      { { 1, 0, 0, 0 }, { 1, 0, 0, 0 } },
      { 0, 1, 1, 0 } },
    { "a tie goes to the first",
      2,
      2,
      { 0, 1 },
      { .5f, .5f, .5f, .5f },
      .5,
      0.6931471805599453,
      1.0 / 3,
      { { 1, .5, 1, 2.0 / 3 }, { 1, 0, 0, 0 } },
      { 1, 0, 1, 0 } },
    { "a class that does not occur counts for nothing",
      3,
      4,
      { 0, 0, 1, 1 },
      { .5f, .25f, .25f, .25f, .5f, .25f, .25f, .5f, .25f, .25f, .5f, .25f },
      .75,
      0.8664339756999316,
      (2.0 / 3 + .8) / 2,
      { { 2, 1, .5, 2.0 / 3 }, { 2, 2.0 / 3, 1, .8 }, { 0, 0, 0, 0 } },
      { 1, 1, 0, 0, 2, 0, 0, 0, 0 } },
    { "a class that is only answered counts",
      3,
      2,
      { 0, 0 },
      { .5f, .25f, .25f, .25f, .25f, .5f },
      .5,
      1.0397207708399179,
      1.0 / 3,
      { { 2, 1, .5, 2.0 / 3 }, { 0, 0, 0, 0 }, { 0, 0, 0, 0 } },
      { 1, 0, 1, 0, 0, 0, 0, 0, 0 } },
};

static void check_near(const char *row, const char *what, double is, double should)
{
    if (!(fabs(is - should) < 1e-12))
        fail_msg("%s: %s is %.17g, not %.17g", row, what, is, should);
}

static void test_figures(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(sk_figures_free) struct sk_figures *f = NULL;
        struct sk_err err = SK_ERR_INIT;

        if (sk_figures_new(three, rows[i].classes, rows[i].truth, rows[i].p, rows[i].count, NULL,
                           &f, &err) < 0)
            fail_msg("%s: %s", rows[i].name, err.text);
        check_near(rows[i].name, "accuracy", f->accuracy, rows[i].accuracy);
        check_near(rows[i].name, "loss", f->loss, rows[i].loss);
        check_near(rows[i].name, "macro F1", f->macro_f1, rows[i].macro_f1);
        assert_memory_equal(f->confusion, rows[i].confusion,
                            f->classes * f->classes * sizeof *f->confusion);
        for (size_t k = 0; k < f->classes; k++) {
            const struct sk_class_figures *c = &rows[i].per_class[k];
            assert_int_equal(f->per_class[k].support, c->support);
            check_near(rows[i].name, "precision", f->per_class[k].precision, c->precision);
            check_near(rows[i].name, "recall", f->per_class[k].recall, c->recall);
            check_near(rows[i].name, "F1", f->per_class[k].f1, c->f1);
        }
    }
}

static const struct {
    const char *name;
    size_t classes, count;
    uint32_t truth;
    float p;
    const char *positive;
    enum sk_code code;
    const char *error;
} errors[] = {
    { "no classes", 0, 1, 0, .5f, NULL, SK_INVALID, "no classes to judge" },
    { "no pictures", 3, 0, 0, .5f, NULL, SK_INVALID, "no pictures to judge" },
    { "too many classes", 4097, 1, 0, .5f, NULL, SK_LIMIT,
      "4097 classes; a confusion matrix is made of at most 4096" },
    { "class out of range", 3, 1, 3, .5f, NULL, SK_INVALID, "picture 0 has class 3 of 3" },
    { "not a number", 3, 1, 0, NAN, NULL, SK_INVALID,
      "picture 0: the probability of class 0 is not a number" },
    { "infinite", 3, 1, 0, INFINITY, NULL, SK_INVALID,
      "picture 0: the probability of class 0 is not a number" },
    { "unknown class", 3, 1, 0, .5f, "cow", SK_INVALID,
      "no class 'cow'; the classes are 'cat', 'dog', 'emu'" },
};

static void test_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(errors); i++) {
        const float p[] = { errors[i].p, .25f, .25f };
        const struct sk_figures_options opts = { .positive = errors[i].positive };
        struct sk_figures *f = NULL;
        struct sk_err err = SK_ERR_INIT;

        assert_int_equal(sk_figures_new(three, errors[i].classes, &errors[i].truth, p,
                                        errors[i].count, &opts, &f, &err),
                         -1);
        assert_null(f);
        if (err.code != errors[i].code || strcmp(err.text, errors[i].error) != 0)
            fail_msg("%s: %s: %s", errors[i].name, sk_code_name(err.code), err.text);
    }
}

static void test_positive(void **state)
{
    static const struct {
        const char *labels[2], *asked;
        uint32_t positive;
    } cases[] = {
        { { "defect", "good" }, NULL, 0 },
        { { "a", "defect" }, NULL, 1 },
        { { "a", "b" }, NULL, 0 },
        { { "defect", "good" }, "good", 1 },
    };

    const uint32_t truth[] = { 0, 1 };
    const float p[] = { .75f, .25f, .25f, .75f };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        SK_OWN(sk_figures_free) struct sk_figures *f = NULL;
        const struct sk_figures_options opts = { .positive = cases[i].asked };
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(sk_figures_new(cases[i].labels, 2, truth, p, 2, &opts, &f, &err), 0);
        assert_int_equal(f->positive, cases[i].positive);
        assert_true(f->has_curves);
    }
}

static void test_confusions(void **state)
{
    const uint32_t truth[] = { 0, 0, 0, 1, 1, 2, 2, 2, 2, 1 };
    const uint32_t said[] = { 1, 1, 0, 0, 2, 1, 1, 1, 2, 1 };
    SK_OWN(sk_figures_free) struct sk_figures *f = figures_of(3, truth, said, COUNT(truth));
    static const struct sk_confusion most[] = {
        { 2, 1, 3 }, { 0, 1, 2 }, { 1, 0, 1 }, { 1, 2, 1 }
    };
    struct sk_confusion got[8];

    (void)state;
    for (size_t k = 0; k <= COUNT(got); k++) {
        size_t n = sk_figures_confusions(f, k, got);
        assert_int_equal(n, k < COUNT(most) ? k : COUNT(most));
        for (size_t i = 0; i < n; i++)
            assert_true(got[i].truth == most[i].truth && got[i].predicted == most[i].predicted &&
                        got[i].count == most[i].count);
    }
    assert_true(sk_figures_occurs(f, 2));
    assert_int_equal(sk_figures_predicted(f, 1), 6);
}

/* The most certain first, equal ones in their order, right ones not at all. */
static void test_most_wrong(void **state)
{
    const uint32_t truth[] = { 0, 1, 1, 1, 0, 1 };
    const float p[] = { .5f, .5f, .75f, .25f, 1, 0, .75f, .25f, .25f, .75f, .25f, .75f };
    static const uint32_t order[] = { 2, 1, 3, 4 };
    uint32_t got[6];

    (void)state;
    for (size_t k = 0; k <= COUNT(got); k++) {
        size_t n = sk_report_most_wrong(truth, p, COUNT(truth), 2, k, got);
        assert_int_equal(n, k < COUNT(order) ? k : COUNT(order));
        assert_memory_equal(got, order, n * sizeof *got);
    }
}

static int make_and_free(void *ctx, struct sk_err *err)
{
    const uint32_t truth[] = { 0, 1, 1 };
    const float p[] = { .75f, .25f, .25f, .75f, .5f, .5f };
    struct sk_figures *f = NULL;

    (void)ctx;
    if (sk_figures_new(three, 2, truth, p, 3, NULL, &f, err) < 0)
        return -1;
    sk_figures_free(f);
    return 0;
}

static void test_memory(void **state)
{
    (void)state;
    assert_true(sk_alloc_sweep("figures", make_and_free, NULL, 0) > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures),    cmocka_unit_test(test_errors),
        cmocka_unit_test(test_positive),   cmocka_unit_test(test_confusions),
        cmocka_unit_test(test_most_wrong), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests_name("figures", tests, NULL, NULL);
}
