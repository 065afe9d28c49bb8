/* test_check.c - what a client can get wrong about an input, and the sentence it is told. */
#include "engine/engine_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static float data[64];
static const char *strings[2] = { "a", "b" };
static const size_t lens[2] = { 1, 1 };

#define T(type, r, bytes, ...)                                                                     \
    {                                                                                              \
        .dtype = SK_DT_##type, .rank = (r), .dims = { __VA_ARGS__ }, .data = data,                 \
        .size_bytes = (bytes)                                                                      \
    }

static const struct {
    const char *name;
    struct sk_tensor_info want;
    struct sk_tensor got;
    const char *text; /* NULL: it fits */
} rows[] = {
    { "fits", { .dtype = SK_DT_F32, .rank = 2, .dims = { -1, 3 } }, T(F32, 2, 24, 2, 3), NULL },
    { "scalar", { .dtype = SK_DT_F32 }, T(F32, 0, 4, 0), NULL },
    { "unknown rank", { .dtype = SK_DT_F32 }, T(F32, 2, 24, 2, 3), NULL },
    { "empty",
      { .dtype = SK_DT_F32, .rank = 1, .dims = { -1 } },
      { .dtype = SK_DT_F32, .rank = 1 },
      NULL },
    { "empty beside huge",
      { .dtype = SK_DT_F32, .rank = 3, .dims = { -1, -1, -1 } },
      T(F32, 3, 0, INT64_MAX, INT64_MAX, 0),
      "input 'x': a dimension is negative or the shape overflows: got FP32 "
      "[9223372036854775807,9223372036854775807,0], "
      "expected FP32 [?,?,?]" },
    { "missing",
      { .dtype = SK_DT_F32, .rank = 1, .dims = { 2 } },
      { .dtype = SK_DT_F32 },
      "input 'x': missing" },
    { "missing data",
      { .dtype = SK_DT_F32, .rank = 1, .dims = { 2 } },
      { .dtype = SK_DT_F32, .rank = 1, .dims = { 2 } },
      "input 'x': missing" },
    { "type",
      { .dtype = SK_DT_F32, .rank = 2, .dims = { -1, 3 } },
      T(I64, 2, 48, 2, 3),
      "input 'x': wrong type: got INT64 [2,3], expected FP32 [?,3]" },
    { "rank",
      { .dtype = SK_DT_F32, .rank = 2, .dims = { -1, 3 } },
      T(F32, 1, 12, 3),
      "input 'x': wrong number of dimensions: got FP32 [3], expected FP32 [?,3]" },
    { "rank beyond the limit",
      { .dtype = SK_DT_F32 },
      T(F32, 9, 4, 1, 1, 1, 1, 1, 1, 1, 1),
      "input 'x': wrong number of dimensions: got FP32 [1,1,1,1,1,1,1,1], expected FP32 []" },
    { "dimension",
      { .dtype = SK_DT_F32, .rank = 2, .dims = { -1, 3 } },
      T(F32, 2, 32, 2, 4),
      "input 'x': wrong shape: got FP32 [2,4], expected FP32 [?,3]" },
    { "negative",
      { .dtype = SK_DT_F32, .rank = 2, .dims = { -1, 3 } },
      T(F32, 2, 24, -2, 3),
      "input 'x': a dimension is negative or the shape overflows: got FP32 [?,3], expected FP32 "
      "[?,3]" },
    { "elements overflow",
      { .dtype = SK_DT_F32, .rank = 2, .dims = { -1, -1 } },
      T(F32, 2, 0, INT64_MAX, 4),
      "input 'x': a dimension is negative or the shape overflows: got FP32 "
      "[9223372036854775807,4], expected FP32 [?,?]" },
    { "bytes overflow",
      { .dtype = SK_DT_F64, .rank = 1, .dims = { -1 } },
      T(F64, 1, 0, INT64_C(1) << 61),
      "input 'x': the size overflows: got FP64 [2305843009213693952], expected FP64 [?]" },
    { "too few bytes",
      { .dtype = SK_DT_F32, .rank = 1, .dims = { -1 } },
      T(F32, 1, 8, 3),
      "input 'x': the shape needs 12 bytes, got 8" },
    { "too many bytes",
      { .dtype = SK_DT_F32, .rank = 1, .dims = { -1 } },
      T(F32, 1, 13, 3),
      "input 'x': the shape needs 12 bytes, got 13" },
    { "strings",
      { .dtype = SK_DT_BYTES, .rank = 1, .dims = { 2 } },
      { .dtype = SK_DT_BYTES, .rank = 1, .dims = { 2 }, .strings = strings, .string_lens = lens },
      NULL },
    { "no strings",
      { .dtype = SK_DT_BYTES, .rank = 1, .dims = { 2 } },
      { .dtype = SK_DT_BYTES, .rank = 1, .dims = { 2 } },
      "input 'x': missing" },
    { "no tensor",
      { .dtype = SK_DT_COUNT },
      T(F32, 1, 4, 1),
      "input 'x' is not a tensor of a known type (a sequence, map or optional value)" },
};

/* [engine-31] */
static void inputs_are_checked(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_tensor_info want = rows[i].want;
        char name[] = "x";
        struct sk_net net = { .info = { .inputs = &want, .input_count = 1 } };

        want.name = name;
        if (sk_run_check(&net, &rows[i].got, &err) == 0) {
            if (rows[i].text)
                fail_msg("row '%s': accepted", rows[i].name);
        } else if (!rows[i].text || strcmp(rows[i].text, err.text) != 0) {
            fail_msg("row '%s': %s", rows[i].name, err.text);
        }
    }
}

static void the_second_input_is_checked_too(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    char a[] = "a", b[] = "b";
    struct sk_tensor_info want[2] = { { .name = a, .dtype = SK_DT_F32 },
                                      { .name = b, .dtype = SK_DT_F32 } };
    struct sk_net net = { .info = { .inputs = want, .input_count = 2 } };
    struct sk_tensor got[2] = { T(F32, 0, 4, 0), T(F32, 0, 5, 0) };

    (void)state;
    assert_int_equal(sk_run_check(&net, got, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_string_equal(err.text, "input 'b': the shape needs 4 bytes, got 5");
}

static void elements_of_a_tensor(void **state)
{
    const struct sk_tensor good = T(F32, 3, 0, 2, 3, 4), scalar = T(F32, 0, 0, 0),
                           bad = T(F32, 2, 0, -1, 2), deep = T(F32, 9, 0, 1);

    (void)state;
    assert_int_equal(sk_tensor_elements(&good), 24);
    assert_int_equal(sk_tensor_elements(&scalar), 1);
    assert_int_equal(sk_tensor_elements(&bad), 0);
    assert_int_equal(sk_tensor_elements(&deep), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs_are_checked),
        cmocka_unit_test(the_second_input_is_checked_too),
        cmocka_unit_test(elements_of_a_tensor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
