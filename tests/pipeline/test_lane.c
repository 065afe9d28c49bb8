/* test_lane.c - from the bytes of a picture to probabilities. */
#include "script.h"

#include <math.h>

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
#define PLAIN "{\"do_rescale\":false,\"do_normalize\":false}" /* the tensor holds the bytes */

/* The score of class 1 is the picture's grey. */
static void grey(const struct sk_tensor *input, size_t row, float *scores, size_t n)
{
    const float *v = input->data;

    for (size_t i = 0; i < n; i++)
        scores[i] = i == 1 ? v[row * 3 * 8 * 8] : 0;
}

static void not_a_number(const struct sk_tensor *input, size_t row, float *scores, size_t n)
{
    (void)input;
    (void)row;
    scores[n - 1] = NAN;
}

static const struct {
    const char *name;
    struct script script;
    float want[3];
} rows[] = {
    { "softmax",
      { { PICTURE }, { SCORES }, .ops = { "Gemm" } },
      { 0.09003057F, 0.24472848F, 0.66524094F } },
    { "half",
      { { PICTURE }, { { "y", SK_DT_F16, 2, { -1, 3 } } }, .ops = { "Gemm" } },
      { 0.09003057F, 0.24472848F, 0.66524094F } },
    { "double",
      { { PICTURE }, { { "y", SK_DT_F64, 2, { -1, 3 } } }, .ops = { "Gemm" } },
      { 0.09003057F, 0.24472848F, 0.66524094F } },
    { "alone",
      { { PICTURE }, { { "y", SK_DT_F32, 1, { 3 } } }, .ops = { "Gemm" } },
      { 0.09003057F, 0.24472848F, 0.66524094F } },
    { "none",
      { { PICTURE }, { SCORES }, .ops = { "Gemm" }, .settings = "{\"activation\":\"none\"}" },
      { 0, 1, 2 } },
    { "sigmoid",
      { { PICTURE }, { SCORES }, .ops = { "Gemm" }, .settings = "{\"activation\":\"sigmoid\"}" },
      { 0.5F, 0.7310586F, 0.880797088F } },
    { "the picture arrives",
      { { PICTURE },
        { SCORES },
        .ops = { "Gemm" },
        .score = grey,
        .prep = PLAIN,
        .settings = "{\"activation\":\"none\"}" },
      { 0, 77, 0 } },
    { "first row of a batch",
      { { { "x", SK_DT_F32, 4, { 4, 3, 8, 8 } } },
        { { "y", SK_DT_F32, 2, { 4, 3 } } },
        .ops = { "Gemm" },
        .score = grey,
        .prep = PLAIN,
        .settings = "{\"activation\":\"none\"}" },
      { 0, 77, 0 } },
};

static void test_probabilities(void **state)
{
    size_t len;
    SK_OWN(free) uint8_t *picture = script_picture(20, 10, 77, &len);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_result r;
        struct scripted s;

        if (script_open(&s, &rows[i].script, &err) < 0)
            fail_msg("%s: %s", rows[i].name, err.text);
        else {
            SK_OWN(sk_lane_free) struct sk_lane *l = NULL;

            if (sk_lane_new(s.classifier, &l, &err) < 0 ||
                sk_lane_classify(l, picture, len, 0, false, &r, &err) < 0)
                fail_msg("%s: %s", rows[i].name, err.text);
            assert_int_equal(r.classes, 3);
            assert_int_equal(r.prep.decode.info.width, 20);
            for (size_t k = 0; k < 3; k++) {
                if (r.probabilities[k] != rows[i].want[k])
                    fail_msg("%s: class %zu is %.9g", rows[i].name, k, (double)r.probabilities[k]);
            }
        }
        script_close(&s);
    }
}

/* [serve-70] Raw outputs, row by row; what is no row of scores has no best class. */
static void test_best_of_raw(void **state)
{
    static const struct {
        const char *name;
        unsigned rank;
        int64_t dims[4];
        bool wanted;
        size_t row;
        int best; /* -1: none */
    } cases[] = {
        { "first", 2, { 2, 3 }, true, 0, 2 },
        { "second", 2, { 2, 3 }, true, 1, 0 },
        { "beyond", 2, { 2, 3 }, true, 2, -1 },
        { "alone", 1, { 3 }, true, 0, 2 },
        { "pooled", 4, { 2, 3, 1, 1 }, true, 1, 0 },
        { "not asked for", 2, { 2, 3 }, false, 0, -1 },
        { "other classes", 2, { 3, 2 }, true, 0, -1 },
        { "a map", 4, { 1, 3, 2, 1 }, true, 0, -1 },
        { "empty", 2, { 0, 3 }, true, 0, -1 },
    };
    const struct script script = { { PICTURE }, { SCORES }, .ops = { "Gemm" } };
    float scores[] = { 0, 1, 2, 5, 4, 3 };
    struct sk_err err = SK_ERR_INIT;
    struct scripted s;

    (void)state;
    assert_int_equal(script_open(&s, &script, &err), 0);
    {
        SK_OWN(sk_lane_free) struct sk_lane *l = NULL;
        assert_int_equal(sk_lane_new(s.classifier, &l, &err), 0);
        for (size_t i = 0; i < COUNT(cases); i++) {
            struct sk_tensor t = { .dtype = SK_DT_F32, .rank = cases[i].rank, .data = scores };
            struct sk_score best = { 9, 0 };
            memcpy(t.dims, cases[i].dims, sizeof cases[i].dims);
            bool is_there = sk_lane_best(l, &t, &cases[i].wanted, cases[i].row, &best);
            if (is_there != (cases[i].best >= 0) ||
                (is_there && (best.index != (uint32_t)cases[i].best || best.probability < 0.66F ||
                              best.probability > 0.67F)))
                fail_msg("%s: %d %u %f", cases[i].name, is_there, best.index,
                         (double)best.probability);
        }
    }
    script_close(&s);
}

/* Rows of a fixed batch that nobody asked for are zeros, whatever was in the buffer. */
static void test_batch_rest(void **state)
{
    const struct script script = { { { "x", SK_DT_F32, 4, { 2, 3, 8, 8 } } },
                                   { { "y", SK_DT_F32, 2, { 2, 3 } } },
                                   .ops = { "Gemm" },
                                   .prep = PLAIN };
    struct sk_err err = SK_ERR_INIT;
    struct sk_result r;
    struct scripted s;
    size_t len;
    SK_OWN(free) uint8_t *picture = script_picture(8, 8, 200, &len);

    (void)state;
    assert_int_equal(script_open(&s, &script, &err), 0);
    {
        SK_OWN(sk_lane_free) struct sk_lane *l = NULL;

        assert_int_equal(sk_lane_new(s.classifier, &l, &err), 0);
        assert_int_equal(sk_lane_classify(l, picture, len, 0, true, &r, &err), 0);
        assert_true(s.script.first == 200);
        assert_true(s.script.rest == 0);
        assert_int_equal(s.script.wide_execs, 1);
        assert_int_equal(s.script.last.dims[0], 2);
    }
    script_close(&s);
}

/* Tensors follow the picture when the model takes any size. */
static void test_open_size(void **state)
{
    const struct script script = { { { "x", SK_DT_F32, 4, { -1, -1, -1, 3 } } },
                                   { SCORES },
                                   .ops = { "Gemm" },
                                   .prep = "{\"do_resize\":false}" };
    static const uint32_t sizes[][2] = { { 20, 10 }, { 300, 200 }, { 5, 7 } };
    struct sk_err err = SK_ERR_INIT;
    struct sk_result r;
    struct scripted s;

    (void)state;
    assert_int_equal(script_open(&s, &script, &err), 0);
    {
        SK_OWN(sk_lane_free) struct sk_lane *l = NULL;

        assert_int_equal(sk_lane_new(s.classifier, &l, &err), 0);
        for (size_t i = 0; i < COUNT(sizes); i++) {
            size_t len;
            SK_OWN(free) uint8_t *picture = script_picture(sizes[i][0], sizes[i][1], 7, &len);

            assert_int_equal(sk_lane_classify(l, picture, len, 0, false, &r, &err), 0);
            assert_int_equal(s.script.last.dims[1], sizes[i][1]);
            assert_int_equal(s.script.last.dims[2], sizes[i][0]);
            assert_int_equal(s.script.last.dims[3], 3);
        }
    }
    script_close(&s);
}

static const struct {
    const char *name;
    struct script script;
    size_t cut; /* bytes taken off the picture's end */
    uint64_t max_pixels;
    enum sk_code code;
    const char *part;
} failures[] = {
    { "no classifier",
      { { { "x", SK_DT_F32, 2, { -1, 4 } } }, { SCORES }, .ops = { "Gemm" } },
      0,
      0,
      SK_NOT_SCORES,
      "takes no picture" },
    { "broken picture", { { PICTURE }, { SCORES }, .ops = { "Gemm" } }, 100, 0, SK_CORRUPT, "" },
    { "large picture", { { PICTURE }, { SCORES }, .ops = { "Gemm" } }, 0, 199, SK_LIMIT, "" },
    { "large picture, open size",
      { { { "x", SK_DT_F32, 4, { -1, 3, -1, -1 } } },
        { SCORES },
        .ops = { "Gemm" },
        .prep = "{\"do_resize\":false}" },
      0,
      199,
      SK_LIMIT,
      "" },
    { "run fails",
      { { PICTURE }, { SCORES }, .ops = { "Gemm" }, .fails = "out of luck" },
      0,
      0,
      SK_INVALID,
      "out of luck" },
    { "not a number",
      { { PICTURE }, { SCORES }, .ops = { "Gemm" }, .score = not_a_number },
      0,
      0,
      SK_BUG,
      "score of class 0 is not a number" },
};

static void test_failures(void **state)
{
    size_t len;
    SK_OWN(free) uint8_t *picture = script_picture(20, 10, 77, &len);

    (void)state;
    for (size_t i = 0; i < COUNT(failures); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_result r = { .classes = 99 };
        struct scripted s;

        assert_int_equal(script_open(&s, &failures[i].script, &err), 0);
        {
            SK_OWN(sk_lane_free) struct sk_lane *l = NULL;

            assert_int_equal(sk_lane_new(s.classifier, &l, &err), 0);
            if (sk_lane_classify(l, picture, len - failures[i].cut, failures[i].max_pixels, false,
                                 &r, &err) == 0 ||
                r.classes != 99 || err.code != failures[i].code ||
                !strstr(err.text, failures[i].part))
                fail_msg("%s: code %d, '%s'", failures[i].name, err.code, err.text);
        }
        script_close(&s);
    }
}

/* A lane keeps its deadline until it is told another. */
static void test_deadline(void **state)
{
    const struct script script = { { PICTURE }, { SCORES }, .ops = { "Gemm" } };
    const uint64_t deadlines[] = { 0, 1, 1, UINT64_MAX };
    struct scripted s;
    size_t len;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) uint8_t *picture = script_picture(20, 10, 77, &len);

    (void)state;
    assert_int_equal(script_open(&s, &script, &err), 0);
    {
        SK_OWN(sk_lane_free) struct sk_lane *l = NULL;
        struct sk_result r;

        assert_int_equal(sk_lane_new(s.classifier, &l, &err), 0);
        for (size_t i = 0; i < COUNT(deadlines); i++) {
            if (i == 0 || deadlines[i] != deadlines[i - 1])
                sk_lane_deadline(l, deadlines[i]);
            int rc = sk_lane_prepare(l, picture, len, 0, false, &r, &err);
            assert_int_equal(rc, deadlines[i] == 1 ? -1 : 0);
            if (rc < 0)
                assert_int_equal(err.code, SK_TIMEOUT);
        }
    }
    script_close(&s);
}

static void test_warm(void **state)
{
    static const struct {
        const char *name;
        struct script script;
        int rc;
        unsigned execs, wide;
    } cases[] = {
        { "both sessions", { { PICTURE }, { SCORES }, .ops = { "Gemm" } }, 0, 2, 1 },
        { "no classifier",
          { { { "x", SK_DT_F32, 2, { -1, 4 } } }, { SCORES }, .ops = { "Gemm" } },
          0,
          0,
          0 },
        { "fails", { { PICTURE }, { SCORES }, .ops = { "Gemm" }, .fails = "no" }, -1, 1, 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct scripted s;

        assert_int_equal(script_open(&s, &cases[i].script, &err), 0);
        {
            SK_OWN(sk_lane_free) struct sk_lane *l = NULL;

            assert_int_equal(sk_lane_new(s.classifier, &l, &err), 0);
            assert_int_equal(sk_lane_warm(l, &err), cases[i].rc);
            if (s.script.execs != cases[i].execs || s.script.wide_execs != cases[i].wide)
                fail_msg("%s: %u runs, %u of them wide", cases[i].name, s.script.execs,
                         s.script.wide_execs);
        }
        script_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probabilities), cmocka_unit_test(test_batch_rest),
        cmocka_unit_test(test_open_size),     cmocka_unit_test(test_failures),
        cmocka_unit_test(test_deadline),      cmocka_unit_test(test_warm),
        cmocka_unit_test(test_best_of_raw),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
