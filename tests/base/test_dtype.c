/* test_dtype.c - names, and half precision against its definition for all 65,536 values. */
#include "base/dtype.h"

#include "test_util.h"

#include <math.h>

static void test_names(void **state)
{
    (void)state;
    for (int t = 0; t < SK_DT_COUNT; t++) {
        const char *name = sk_dtype_name((enum sk_dtype)t);
        assert_int_equal(sk_dtype_parse(name, strlen(name)), t);
    }
    assert_int_equal(sk_dtype_parse("FP32x", 4), SK_DT_F32);
    assert_int_equal(sk_dtype_parse("fp32", 4), SK_DT_COUNT);
    assert_int_equal(sk_dtype_parse("", 0), SK_DT_COUNT);
    assert_int_equal(sk_dtype_size(SK_DT_F64), 8);
    assert_int_equal(sk_dtype_size(SK_DT_BYTES), 0);
    assert_int_equal(sk_dtype_size(SK_DT_COUNT), 0);
    assert_string_equal(sk_dtype_name(SK_DT_COUNT), "unknown");
}

/* The value of a half by its definition. */
static double value_of(unsigned h)
{
    int exponent = (h >> 10) & 31;
    double fraction = (double)(h & 1023) / 1024;
    double value = exponent ? ldexp(1 + fraction, exponent - 15) : ldexp(fraction, -14);
    return h & 0x8000 ? -value : value;
}

static void test_all_halves(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 65536; h++) {
        float f = sk_half_to_float((uint16_t)h);
        if ((h & 0x7c00) == 0x7c00) {
            assert_int_equal(isnan(f) != 0, (h & 1023) != 0);
            assert_int_equal(isnan(f) || isinf(f), 1);
            assert_int_equal(signbit(f) != 0, h >> 15);
            if (!(h & 1023))
                assert_int_equal(sk_float_to_half(f), h);
            else
                assert_true((sk_float_to_half(f) & 0x7fff) > 0x7c00);
            continue;
        }
        if ((double)f != value_of(h))
            fail_msg("%04x: %g", h, (double)f);
        assert_int_equal(sk_float_to_half(f), h);
    }
}

/* Between two neighbours: just below the middle, the middle (to the even one), just above. */
static void test_rounding(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 0x7bff; h++) {
        float low = sk_half_to_float((uint16_t)h);
        float high = sk_half_to_float((uint16_t)(h + 1));
        float middle = low + (high - low) / 2; /* exact: it has one bit more */

        assert_int_equal(sk_float_to_half(nextafterf(middle, low)), h);
        assert_int_equal(sk_float_to_half(middle), h + (h & 1));
        assert_int_equal(sk_float_to_half(nextafterf(middle, high)), h + 1);
    }
    assert_int_equal(sk_float_to_half(65504), 0x7bff);
    assert_int_equal(sk_float_to_half(65519.996f), 0x7bff);
    assert_int_equal(sk_float_to_half(65520), 0x7c00);
    assert_int_equal(sk_float_to_half(1e30f), 0x7c00);
    assert_int_equal(sk_float_to_half(-1e-30f), 0x8000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_all_halves),
        cmocka_unit_test(test_rounding),
    };
    return cmocka_run_group_tests_name("dtype", tests, NULL, NULL);
}
