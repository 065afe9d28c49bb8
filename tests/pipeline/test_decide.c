/* test_decide.c - what a model is taken for: a table of models. */
#include "script.h"

#define PICTURE                                                                                    \
    {                                                                                              \
        "pixels", SK_DT_F32, 4,                                                                    \
        {                                                                                          \
            -1, 3, 8, 8                                                                            \
        }                                                                                          \
    }
#define SCORES                                                                                     \
    {                                                                                              \
        "logits", SK_DT_F32, 2,                                                                    \
        {                                                                                          \
            -1, 3                                                                                  \
        }                                                                                          \
    }
#define ALWAYS(text) "{\"activation\":\"" text "\"}"

static void probabilities(const struct sk_tensor *input, size_t row, float *scores, size_t n)
{
    (void)row;
    for (size_t i = 0; i < n; i++)
        scores[i] = i == (((const float *)input->data)[0] > 0) ? 0.75F : 0.25F / (float)(n - 1);
}

/* Probabilities for even pictures only: sums to more for others. */
static void sometimes(const struct sk_tensor *input, size_t row, float *scores, size_t n)
{
    const float *v = input->data;

    probabilities(input, row, scores, n);
    if (v[0] != v[40])
        scores[0] += 1.5F;
}

static const struct {
    const char *name;
    struct script script;
    size_t classes;
    const char *activation; /* beginning of it; NULL: refused */
    const char *refusal;    /* part of it */
    unsigned execs;         /* trials */
} rows[] = {
    { "no operator makes probabilities",
      { { PICTURE }, { SCORES }, .ops = { "Conv", "Relu", "Gemm" } },
      3,
      "softmax: no operator",
      NULL,
      0 },
    { "ends in softmax",
      { { PICTURE }, { SCORES }, .ops = { "Conv", "Softmax" }, .score = probabilities },
      3,
      "none: two pictures",
      NULL,
      2 },
    { "softmax inside, raw scores",
      { { PICTURE }, { SCORES }, .ops = { "MatMul", "Softmax" } },
      3,
      "softmax: two pictures",
      NULL,
      2 },
    { "probabilities by chance",
      { { PICTURE }, { SCORES }, .ops = { "Exp" }, .score = sometimes },
      3,
      "softmax: two pictures",
      NULL,
      2 },
    { "foreign operator",
      { { PICTURE }, { SCORES }, .ops = { "com.example:Thing" }, .score = probabilities },
      3,
      "none: two",
      NULL,
      2 },
    { "open classes",
      { { PICTURE }, { { "y", SK_DT_F32, 2, { -1, -1 } } }, .ops = { "Gemm" }, .classes = 5 },
      5,
      "softmax: no",
      NULL,
      2 },
    { "scores alone",
      { { PICTURE }, { { "y", SK_DT_F64, 1, { 4 } } }, .ops = { "Gemm" } },
      4,
      "softmax: no",
      NULL,
      0 },
    { "scores with 1 x 1",
      { { PICTURE }, { { "y", SK_DT_F16, 4, { -1, 4, 1, 1 } } }, .ops = { "Conv" } },
      4,
      "softmax: no",
      NULL,
      0 },
    { "single class",
      { { PICTURE }, { { "y", SK_DT_F32, 2, { -1, 1 } } }, .ops = { "Gemm" } },
      1,
      "sigmoid: no",
      NULL,
      0 },
    { "several labels",
      { { PICTURE },
        { SCORES },
        .ops = { "Gemm" },
        .config = "{\"problem_type\":\"multi_label_classification\"}" },
      3,
      "sigmoid: no",
      NULL,
      0 },
    { "several labels, ends in sigmoid",
      { { PICTURE },
        { SCORES },
        .ops = { "Sigmoid" },
        .score = probabilities,
        .config = "{\"problem_type\":\"multi_label_classification\"}" },
      3,
      "none: two",
      NULL,
      2 },
    { "told: softmax",
      { { PICTURE },
        { SCORES },
        .ops = { "Softmax" },
        .score = probabilities,
        .settings = ALWAYS("softmax") },
      3,
      "softmax: skerry.json",
      NULL,
      0 },
    { "told: sigmoid",
      { { PICTURE }, { SCORES }, .ops = { "Gemm" }, .settings = ALWAYS("sigmoid") },
      3,
      "sigmoid: skerry.json",
      NULL,
      0 },
    { "told: none",
      { { PICTURE }, { SCORES }, .ops = { "Gemm" }, .settings = ALWAYS("none") },
      3,
      "none: skerry.json",
      NULL,
      0 },
    { "fixed batch",
      { { { "x", SK_DT_F32, 4, { 4, 3, 8, 8 } } },
        { { "y", SK_DT_F32, 2, { 4, 3 } } },
        .ops = { "Gemm" } },
      3,
      "softmax: no",
      NULL,
      0 },
    { "no batch",
      { { { "x", SK_DT_U8, 3, { 8, 8, 3 } } },
        { { "y", SK_DT_F32, 1, { 3 } } },
        .ops = { "Gemm" } },
      3,
      "softmax: no",
      NULL,
      0 },
    { "the other output",
      { { PICTURE },
        { { "boxes", SK_DT_F32, 3, { -1, 9, 4 } }, SCORES },
        .ops = { "Gemm" },
        .settings = "{\"output\":\"logits\"}" },
      3,
      "softmax: no",
      NULL,
      0 },
    { "labels fit",
      { { PICTURE },
        { SCORES },
        .ops = { "Gemm" },
        .config = "{\"id2label\":{\"0\":\"a\",\"1\":\"b\",\"2\":\"c\"}}" },
      3,
      "softmax: no",
      NULL,
      0 },

    { "no inputs",
      { .outputs = { SCORES }, .ops = { "Gemm" } },
      0,
      NULL,
      "the model takes no picture: it has no inputs",
      0 },
    { "two inputs",
      { { PICTURE, { "mask", SK_DT_F32, 2, { 1, 2 } } }, { SCORES }, .ops = { "Gemm" } },
      0,
      NULL,
      "takes more than a picture; its inputs are: 'pixels' FP32 [-1,3,8,8], 'mask' FP32 [1,2]",
      0 },
    { "no picture",
      { { { "x", SK_DT_F32, 2, { -1, 4 } } }, { SCORES }, .ops = { "Gemm" } },
      0,
      NULL,
      "takes no picture",
      0 },
    { "batch of 65",
      { { { "x", SK_DT_F32, 4, { 65, 3, 8, 8 } } }, { SCORES }, .ops = { "Gemm" } },
      0,
      NULL,
      "65 pictures at once",
      0 },
    { "rank 3",
      { { PICTURE }, { { "boxes", SK_DT_F32, 3, { -1, 9, 4 } } }, .ops = { "Gemm" } },
      0,
      NULL,
      "outputs are not class scores: 'boxes' FP32 [-1,9,4]",
      0 },
    { "a map",
      { { PICTURE }, { { "y", SK_DT_F32, 4, { -1, 4, 2, 2 } } }, .ops = { "Gemm" } },
      0,
      NULL,
      "not class scores",
      0 },
    { "integers",
      { { PICTURE }, { { "y", SK_DT_I64, 2, { -1, 4 } } }, .ops = { "Gemm" } },
      0,
      NULL,
      "not class scores",
      0 },
    { "other rows",
      { { PICTURE }, { { "y", SK_DT_F32, 2, { 7, 4 } } }, .ops = { "Gemm" } },
      0,
      NULL,
      "not class scores",
      0 },
    { "no classes",
      { { PICTURE }, { { "y", SK_DT_F32, 2, { -1, 0 } } }, .ops = { "Gemm" } },
      0,
      NULL,
      "not class scores",
      0 },
    { "too many classes",
      { { PICTURE }, { { "y", SK_DT_F32, 2, { -1, 100001 } } }, .ops = { "Gemm" } },
      0,
      NULL,
      "not class scores",
      0 },
    { "labels do not fit",
      { { PICTURE },
        { SCORES },
        .ops = { "Gemm" },
        .config = "{\"id2label\":{\"0\":\"a\",\"1\":\"b\"}}" },
      3,
      NULL,
      "there are 2 labels, but the output 'logits' has 3 classes",
      0 },
    { "preprocessing that we lack",
      { { PICTURE }, { SCORES }, .ops = { "Gemm" }, .prep = "{\"do_pad\":true}" },
      0,
      NULL,
      "preprocessing: 'do_pad' is not supported",
      0 },
    { "the trial fails",
      { { PICTURE }, { SCORES }, .ops = { "Softmax" }, .fails = "no such shape" },
      3,
      NULL,
      "does not work on a picture of our own: no such shape",
      1 },
};

static void test_models(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct scripted s;

        if (script_open(&s, &rows[i].script, &err) < 0)
            fail_msg("%s: %s", rows[i].name, err.text);
        else {
            const char *refusal = sk_classifier_refusal(s.classifier);
            const char *activation = sk_classifier_activation(s.classifier);
            const char *want = rows[i].activation ? rows[i].activation : "";

            if (sk_classifier_classes(s.classifier) != rows[i].classes ||
                s.script.execs != rows[i].execs || (refusal == NULL) != (rows[i].refusal == NULL) ||
                (refusal && !strstr(refusal, rows[i].refusal)) ||
                (!refusal && strncmp(activation, want, strlen(want)) != 0))
                fail_msg("%s: %zu classes, %u trials, activation '%s', refusal '%s'", rows[i].name,
                         sk_classifier_classes(s.classifier), s.script.execs, activation,
                         refusal ? refusal : "");
        }
        script_close(&s);
    }
}

static const struct {
    const char *name;
    struct script script;
    enum sk_code code;
    const char *part;
} errors[] = {
    { "no such output",
      { { PICTURE }, { SCORES }, .ops = { "Gemm" }, .settings = "{\"output\":\"y\"}" },
      SK_INVALID,
      "'output': the model has no output 'y'" },
    { "preprocessing is wrong",
      { { PICTURE }, { SCORES }, .ops = { "Gemm" }, .prep = "{\"resample\":9}" },
      SK_INVALID,
      "preprocessing: 'resample': 9" },
    { "other size",
      { { PICTURE }, { SCORES }, .ops = { "Gemm" }, .prep = "{\"size\":224}" },
      SK_INVALID,
      "gives 224 x 224, but the model takes 8 x 8" },
};

static void test_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(errors); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct scripted s;

        if (script_open(&s, &errors[i].script, &err) == 0 || err.code != errors[i].code ||
            !strstr(err.text, errors[i].part))
            fail_msg("%s: code %d, '%s'", errors[i].name, err.code, err.text);
        script_close(&s);
    }
}

/* Operators that are not all known say nothing. */
static void test_raw_scores(void **state)
{
    struct sk_onnx_op conv = { (char[]){ "" }, (char[]){ "Conv" }, 1 };
    struct sk_onnx_op own = { (char[]){ "ai.onnx" }, (char[]){ "Relu" }, 1 };
    struct sk_onnx_info info = { .ops = &conv, .op_count = 1 };

    (void)state;
    assert_true(sk_pipeline_has_raw_scores(&info));
    info.ops = &own;
    assert_true(sk_pipeline_has_raw_scores(&info));
    info.op_count = 0;
    assert_false(sk_pipeline_has_raw_scores(&info));
    info.op_count = SK_ONNX_MAX_OPS;
    assert_false(sk_pipeline_has_raw_scores(&info));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_models),
                                        cmocka_unit_test(test_errors),
                                        cmocka_unit_test(test_raw_scores) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
