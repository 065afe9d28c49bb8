/* test_record.c - records of test pictures: what differs is said, what is written is read again. */
#include "script.h"

#include "json/json.h"

#include <math.h>

enum {
    CLASSES = 3,
    MANY = 1001
};

static const char *const names[CLASSES] = { "cat", "dog", "owl" };

/* A classifier of three classes as far as records need one. */
struct three {
    struct sk_bundle bundle;
    struct sk_classifier c;
    char *labels[CLASSES];
};

static void open_three(struct three *t)
{
    struct sk_err err = SK_ERR_INIT;

    *t = (struct three){ .c = { .classes = CLASSES, .problem = SK_PROBLEM_SINGLE } };
    for (size_t i = 0; i < CLASSES; i++)
        t->labels[i] = (char *)(uintptr_t)names[i];
    t->bundle.labels = t->labels;
    t->bundle.label_count = CLASSES;
    t->c.bundle = &t->bundle;
    assert_int_equal(sk_pipeline_name(&t->c, &err), 0);
}

/* [bundle-51] */
static void checks(void **state)
{
    static const struct {
        const char *name, *label;
        const char *names[CLASSES + 1]; /* the first NULL: in label order */
        double values[CLASSES + 1];
        size_t count;
        double tolerance;
        const char *error; /* NULL: fits */
    } rows[] = {
        { "the same", "dog", { "cat", "dog", "owl" }, { 0.2, 0.7, 0.1 }, 3, 0.02, NULL },
        { "a list", "dog", { NULL }, { 0.2, 0.7, 0.1 }, 3, 0.02, NULL },
        { "another order", "dog", { "owl", "cat", "dog" }, { 0.1, 0.2, 0.7 }, 3, 0.02, NULL },
        { "just within", "dog", { NULL }, { 0.219, 0.681, 0.1 }, 3, 0.02, NULL },
        { "beyond", "dog", { NULL }, { 0.2, 0.675, 0.1 }, 3, 0.02, "the probability of 'dog'" },
        { "wide", "dog", { NULL }, { 0.4, 0.5, 0.1 }, 3, 0.25, NULL },
        { "another label", "cat", { NULL }, { 0.2, 0.7, 0.1 }, 3, 0.02, "the best label is 'dog'" },
        { "fewer", "dog", { NULL }, { 0.2, 0.8 }, 2, 0.02, "3 classes, the record 2" },
        { "more", "dog", { NULL }, { 0.2, 0.7, 0.1, 0 }, 4, 0.02, "3 classes, the record 4" },
        { "unknown", "dog", { "cat", "dog", "elk" }, { 0.2, 0.7, 0.1 }, 3, 0.02, "no class 'elk'" },
    };

    static const float p[CLASSES] = { 0.2F, 0.7F, 0.1F };
    const struct sk_result r = { .probabilities = p, .scores = p, .classes = CLASSES };
    struct three t;

    (void)state;
    open_three(&t);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        char *named[CLASSES + 1];
        double values[CLASSES + 1];
        for (size_t k = 0; k <= CLASSES; k++)
            named[k] = (char *)(uintptr_t)rows[i].names[k];
        memcpy(values, rows[i].values, sizeof values);
        const struct sk_bundle_test test = { .label = (char *)(uintptr_t)rows[i].label,
                                             .names = rows[i].names[0] ? named : NULL,
                                             .values = values,
                                             .count = rows[i].count,
                                             .tolerance = rows[i].tolerance };
        int rc = sk_record_check(&t.c, &test, &r, &err);
        if ((rc < 0) != (rows[i].error != NULL) ||
            (rc < 0 && (err.code != SK_MISMATCH || !strstr(err.text, rows[i].error))))
            fail_msg("%s: %d %s", rows[i].name, rc, err.text);
    }
    sk_pipeline_unname(&t.c);
}

/* [serve-85] */
static void sanity(void **state)
{
    static const struct {
        const char *name;
        float scores[CLASSES], probabilities[CLASSES];
        enum sk_problem problem;
        bool already;
        enum sk_activation activation;
        const char *error;
    } rows[] = {
        { "softmax",
          { 1, 2, 3 },
          { 0.25F, 0.5F, 0.25F },
          SK_PROBLEM_SINGLE,
          false,
          SK_ACT_AUTO,
          NULL },
        { "sum",
          { 1, 2, 3 },
          { 0.25F, 0.5F, 0.26F },
          SK_PROBLEM_SINGLE,
          true,
          SK_ACT_AUTO,
          "the sum 1.01" },
        { "just within",
          { 1, 2, 3 },
          { 0.25F, 0.5F, 0.2509F },
          SK_PROBLEM_SINGLE,
          true,
          SK_ACT_AUTO,
          NULL },
        { "several",
          { 1, 2, 3 },
          { 0.25F, 0.5F, 0.9F },
          SK_PROBLEM_MULTI,
          false,
          SK_ACT_AUTO,
          NULL },
        { "as they are", { 1, 2, 3 }, { 1, 2, 3 }, SK_PROBLEM_SINGLE, true, SK_ACT_NONE, NULL },
        { "nan",
          { 1, NAN, 3 },
          { 1, NAN, 3 },
          SK_PROBLEM_MULTI,
          true,
          SK_ACT_NONE,
          "of 'dog' is no finite" },
        { "infinity behind a sigmoid",
          { 1, 2, INFINITY },
          { 0.5F, 0.5F, 1 },
          SK_PROBLEM_MULTI,
          false,
          SK_ACT_AUTO,
          "of 'owl' is no finite" },
    };
    struct three t;

    (void)state;
    open_three(&t);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        const struct sk_result r = { .probabilities = rows[i].probabilities,
                                     .scores = rows[i].scores,
                                     .classes = CLASSES };
        t.c.problem = rows[i].problem;
        t.c.already = rows[i].already;
        t.bundle.activation = rows[i].activation;
        int rc = sk_record_sane(&t.c, &r, &err);
        if ((rc < 0) != (rows[i].error != NULL) || (rc < 0 && !strstr(err.text, rows[i].error)))
            fail_msg("%s: %d %s", rows[i].name, rc, err.text);
    }
    sk_pipeline_unname(&t.c);
}

/* [bundle-51] */
static void written(void **state)
{
    static const float p[CLASSES] = { 0.123456F, 0.87654F, 0.000004F };
    const struct sk_result r = { .probabilities = p, .scores = p, .classes = CLASSES };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(10000);
    struct three t;

    (void)state;
    open_three(&t);
    sk_record_json(&t.c, &r, "pictures/\"a\".png", 0.02, &out);
    assert_true(sk_buf_ok(&out));
    assert_string_equal(
        out.data, "{\"image\": \"pictures/\\\"a\\\".png\", \"label\": \"dog\", \"probabilities\": "
                  "{\"cat\": 0.1235, \"dog\": 0.8765, \"owl\": 0}, "
                  "\"tolerance\": 0.02}");
    sk_pipeline_unname(&t.c);
}

static void many_are_a_list(void **state)
{
    static float p[MANY];
    struct sk_bundle bundle = { .multi_label = false };
    struct sk_classifier c = { .bundle = &bundle, .classes = MANY };
    const struct sk_result r = { .probabilities = p, .scores = p, .classes = MANY };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    p[MANY - 1] = 1;
    assert_int_equal(sk_pipeline_name(&c, &err), 0);
    sk_record_json(&c, &r, "a.png", 0.1, &out);
    assert_true(sk_buf_ok(&out));
    assert_int_equal(sk_json_parse(out.data, out.len, NULL, &doc, &err), 0);
    assert_int_equal(sk_json_count(sk_json_get(doc, "probabilities")), MANY);
    assert_string_equal(sk_json_get_text(doc, "label", ""), "class_1000");
    sk_pipeline_unname(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checks),
        cmocka_unit_test(sanity),
        cmocka_unit_test(written),
        cmocka_unit_test(many_are_a_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
