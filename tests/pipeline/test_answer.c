/* test_answer.c - the guide's JSON. */
#include "script.h"

static const struct {
    const char *name;
    const char *labels[4]; /* NULL: none at all */
    bool is_multi;
    float p[4];
    size_t top_k;
    const char *want;
} rows[] = {
    { "all classes, in their order",
      { "cat", "dog", "owl", "elk" },
      false,
      { 0.25F, 0.5F, 0.125F, 0.125F },
      0,
      "{\"prediction\":\"dog\",\"confidence\":0.5,\"probabilities\":{\"cat\":0.25,\"dog\":0.5,"
      "\"owl\":0.125,\"elk\":0.125}}" },
    { "best two",
      { "cat", "dog", "owl", "elk" },
      false,
      { 0.25F, 0.5F, 0.125F, 0.125F },
      2,
      "{\"prediction\":\"dog\",\"confidence\":0.5,\"probabilities\":{\"dog\":0.5,\"cat\":0.25}}" },
    { "more than there are",
      { "cat", "dog", "owl", "elk" },
      false,
      { 0.25F, 0.5F, 0.125F, 0.125F },
      9,
      "{\"prediction\":\"dog\",\"confidence\":0.5,\"probabilities\":{\"dog\":0.5,\"cat\":0.25,"
      "\"owl\":0.125,\"elk\":0.125}}" },
    { "no labels",
      { NULL },
      false,
      { 0.25F, 0.5F, 0.125F, 0.125F },
      1,
      "{\"prediction\":\"class_1\",\"confidence\":0.5,\"probabilities\":{\"class_1\":0.5}}" },
    { "equal: the first",
      { "cat", "dog", "owl", "elk" },
      false,
      { 0.25F, 0.25F, 0.25F, 0.25F },
      1,
      "{\"prediction\":\"cat\",\"confidence\":0.25,\"probabilities\":{\"cat\":0.25}}" },
    { "several labels",
      { "cat", "dog", "owl", "elk" },
      true,
      { 0.75F, 0.5F, 0.125F, 0.875F },
      1,
      "{\"prediction\":[\"elk\",\"cat\"],\"confidence\":0.875,\"probabilities\":{\"elk\":0.875}}" },
    { "none of several",
      { "cat", "dog", "owl", "elk" },
      true,
      { 0.25F, 0.5F, 0, 0 },
      2,
      "{\"prediction\":[],\"confidence\":0.5,\"probabilities\":{\"dog\":0.5,\"cat\":0.25}}" },
    { "escapes",
      { "a\"b", "\\", "\n", "\xC3\xA9" },
      false,
      { 0, 0, 0, 1 },
      0,
      "{\"prediction\":\"\xC3\xA9\",\"confidence\":1,\"probabilities\":{\"a\\\"b\":0,\"\\\\\":0,"
      "\"\\n\":0,\"\xC3\xA9\":1}}" },
    { "same names",
      { "crane", "owl", "crane", "crane" },
      false,
      { 0, 0, 0.75F, 0.25F },
      0,
      "{\"prediction\":\"crane [2]\",\"confidence\":0.75,\"probabilities\":"
      "{\"crane\":0,\"owl\":0,\"crane [2]\":0.75,\"crane [3]\":0.25}}" },
    { "made unique against others",
      { "crane", "crane [2]", "crane", "x" },
      false,
      { 0, 0, 1, 0 },
      0,
      "{\"prediction\":\"crane [2] [2]\",\"confidence\":1,\"probabilities\":"
      "{\"crane\":0,\"crane [2]\":0,\"crane [2] [2]\":1,\"x\":0}}" },
    { "digits of a float",
      { "cat", "dog", "owl", "elk" },
      false,
      { 0.93F, 0.0123456789F, 1e-20F, 0 },
      3,
      "{\"prediction\":\"cat\",\"confidence\":0.93,\"probabilities\":{\"cat\":0.93,\"dog\":0."
      "012345679,\"owl\":1e-20}}" },
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        char *labels[4];
        struct sk_bundle bundle = { .multi_label = rows[i].is_multi };
        struct sk_classifier c = { .bundle = &bundle, .classes = 4 };
        struct sk_result r = { .probabilities = rows[i].p, .classes = 4 };
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(10000);

        for (size_t k = 0; k < 4; k++)
            labels[k] = (char *)(uintptr_t)rows[i].labels[k];
        if (labels[0]) {
            bundle.labels = labels;
            bundle.label_count = 4;
        }
        assert_int_equal(sk_pipeline_name(&c, &err), 0);
        sk_classifier_json(&c, &r, rows[i].top_k, &out);
        assert_true(sk_buf_ok(&out));
        if (strcmp(out.data, rows[i].want) != 0)
            fail_msg("%s: %s", rows[i].name, out.data);
        sk_pipeline_unname(&c);
    }
}

/* More classes than fit on the stack. */
static void test_many(void **state)
{
    enum {
        N = 1000
    };
    struct sk_err err = SK_ERR_INIT;
    static float p[N];
    struct sk_bundle bundle = { .multi_label = false };
    struct sk_classifier c = { .bundle = &bundle, .classes = N };
    struct sk_result r = { .probabilities = p, .classes = N };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1u << 20);
    size_t commas = 0;

    (void)state;
    p[999] = 0.5F;
    p[998] = 0.25F;
    assert_int_equal(sk_pipeline_name(&c, &err), 0);
    sk_classifier_json(&c, &r, 100, &out);
    assert_true(sk_buf_ok(&out));
    assert_non_null(
        strstr(out.data, "{\"class_999\":0.5,\"class_998\":0.25,\"class_0\":0,\"class_1\":0,"));
    for (size_t i = 0; i < out.len; i++)
        commas += out.data[i] == ',';
    assert_int_equal(commas, 99 + 2);
    sk_pipeline_unname(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_answers),
                                        cmocka_unit_test(test_many) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
