/* test_tensor.c - shapes that overflow, conversion to f32, strides. */
#include "test_util.h"
#include "weights/weights_priv.h"

static void shapes(void **state)
{
    static const struct {
        const char *name;
        int64_t dims[4];
        unsigned rank;
        enum sk_dtype dtype;
        bool ok;
        size_t count;
    } rows[] = {
        { "scalar", { 0 }, 0, SK_DT_F32, true, 1 },
        { "matrix", { 2, 3 }, 2, SK_DT_F64, true, 6 },
        { "empty", { 5, 0 }, 2, SK_DT_F32, true, 0 },
        { "negative", { 2, -1 }, 2, SK_DT_F32, false, 0 },
        { "negative beside 0", { 0, -1 }, 2, SK_DT_F32, false, 0 },
        { "count overflows", { INT64_MAX, 3 }, 2, SK_DT_U8, false, 0 },
        { "bytes overflow", { INT64_MAX / 2 }, 1, SK_DT_F32, false, 0 },
        { "more than a pointer reaches", { INT64_MAX, 2 }, 2, SK_DT_U8, false, 0 },
        { "as much as it reaches", { INT64_MAX }, 1, SK_DT_U8, true, INT64_MAX },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        size_t count = 77, size = 77;
        int rc = sk_weights_shape(rows[i].dims, rows[i].rank, rows[i].dtype, &count, &size, &err);
        if ((rc == 0) != rows[i].ok || (rc < 0 && err.code != SK_CORRUPT))
            fail_msg("row '%s': %s", rows[i].name, err.text);
        if (rc == 0 && (count != rows[i].count || size != count * sk_dtype_size(rows[i].dtype)))
            fail_msg("row '%s': %zu elements, %zu bytes", rows[i].name, count, size);
    }
}

/* 1, -2 and the smallest above 0 in each float type, unaligned. */
static void conversion(void **state)
{
    static const struct {
        enum sk_dtype dtype;
        struct sk_view bytes; /* behind one that is skipped */
        float want[3];
    } rows[] = {
        { SK_DT_F32, B("x\0\0\x80\x3f\0\0\0\xc0\1\0\0\0"), { 1, -2, 0x1p-149f } },
        { SK_DT_F16, B("x\0\x3c\0\xc0\1\0"), { 1, -2, 0x1p-24f } },
        { SK_DT_BF16, B("x\x80\x3f\0\xc0\1\0"), { 1, -2, 0x1p-133f } },
        { SK_DT_F64, B("x\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\xc0\1\0\0\0\0\0\0\0"), { 1, -2, 0 } },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct sk_weight t = { .name = "t",
                                     .dtype = rows[i].dtype,
                                     .rank = 1,
                                     .dims = { 3 },
                                     .count = 3,
                                     .data = rows[i].bytes.ptr + 1 };
        struct sk_err err = SK_ERR_INIT;
        float got[3];

        assert_int_equal(sk_weight_f32(&t, got, &err), 0);
        if (memcmp(got, rows[i].want, sizeof got) != 0)
            fail_msg("%s: %a %a %a", sk_dtype_name(rows[i].dtype), (double)got[0], (double)got[1],
                     (double)got[2]);
    }
}

static void not_a_float(void **state)
{
    static const enum sk_dtype types[] = { SK_DT_BOOL, SK_DT_U8, SK_DT_I64, SK_DT_U16 };
    const struct sk_weight empty = { .name = "t", .dtype = SK_DT_I64, .data = "" };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(types); i++) {
        struct sk_weight t = empty;
        t.dtype = types[i];
        assert_int_equal(sk_weight_f32(&t, NULL, &err), -1);
        assert_int_equal(err.code, SK_UNSUPPORTED);
    }
}

/* Views of 0..23: shape, strides, and the elements in C order. */
static void strides(void **state)
{
    static const struct {
        const char *name;
        unsigned rank;
        int64_t dims[4], strides[4];
        uint8_t want[12]; /* and no more */
        size_t count;
    } rows[] = {
        { "turned", 2, { 3, 2 }, { 1, 3 }, { 0, 3, 1, 4, 2, 5 }, 6 },
        { "column", 1, { 4 }, { 5 }, { 0, 5, 10, 15 }, 4 },
        { "repeated", 2, { 2, 3 }, { 1, 0 }, { 0, 0, 0, 1, 1, 1 }, 6 },
        { "repeated rows", 2, { 2, 3 }, { 0, 1 }, { 0, 1, 2, 0, 1, 2 }, 6 },
        { "channels last",
          4,
          { 1, 2, 2, 3 },
          { 12, 1, 6, 2 },
          { 0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11 },
          12 },
        { "one wide", 3, { 3, 1, 2 }, { 2, INT64_MAX, 7 }, { 0, 7, 2, 9, 4, 11 }, 6 },
        { "contiguous rows", 2, { 2, 2 }, { 8, 1 }, { 0, 1, 8, 9 }, 4 },
        { "empty", 2, { 0, 2 }, { 2, 1 }, { 0 }, 0 },
    };

    uint8_t bytes[24], shorts[48];
    float floats[24];
    double doubles[24];

    (void)state;
    for (unsigned i = 0; i < 24; i++) {
        bytes[i] = (uint8_t)i;
        floats[i] = (float)i;
        doubles[i] = i;
        shorts[2 * i] = (uint8_t)i;
        shorts[2 * i + 1] = 0;
    }
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_weight t = { .rank = rows[i].rank,
                               .count = rows[i].count,
                               .strides = rows[i].strides };
        uint8_t got[12], got_shorts[24];
        float got_floats[12], converted[12];
        double got_doubles[12];
        struct sk_err err = SK_ERR_INIT;

        memcpy(t.dims, rows[i].dims, sizeof rows[i].dims);
        t.dtype = SK_DT_U8;
        t.data = bytes;
        sk_weight_copy(&t, got);
        t.dtype = SK_DT_I16;
        t.data = shorts;
        sk_weight_copy(&t, got_shorts);
        t.dtype = SK_DT_F32;
        t.data = floats;
        sk_weight_copy(&t, got_floats);
        t.dtype = SK_DT_F64;
        t.data = doubles;
        sk_weight_copy(&t, got_doubles);
        assert_int_equal(sk_weight_f32(&t, converted, &err), 0);
        for (size_t k = 0; k < rows[i].count; k++)
            if (got[k] != rows[i].want[k] || got_shorts[2 * k] != got[k] ||
                got_floats[k] != (float)got[k] || got_doubles[k] != got[k] ||
                converted[k] != (float)got[k])
                fail_msg("row '%s': element %zu is %u", rows[i].name, k, got[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes),
        cmocka_unit_test(conversion),
        cmocka_unit_test(not_a_float),
        cmocka_unit_test(strides),
    };

    return cmocka_run_group_tests_name("tensor", tests, NULL, NULL);
}
