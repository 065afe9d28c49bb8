/* test_dnnl_none.c - a build without oneDNN's headers says what to install. */
#include "nn/dnnl_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void once(void *ctx, unsigned index, unsigned threads)
{
    *(unsigned *)ctx += 1 + index + threads;
}

static void test_start(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    unsigned runs = 0;

    (void)state;
    assert_int_equal(sk_dn_start(&err), -1);
    assert_int_equal(err.code, SK_UNSUPPORTED);
    assert_non_null(strstr(err.text, "libdnnl-dev"));
    assert_false(sk_dn_has_bf16());
    assert_string_equal(sk_dn_name(), "no oneDNN");
    sk_dn_set_threads(4);
    sk_dn_parallel(4, once, &runs);
    assert_int_equal(runs, 2);
}

static void test_everything_fails(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_dn_conv *c = NULL;
    enum sk_dn_layout layout = SK_DN_ANY;

    (void)state;
    assert_int_equal(sk_dn_best_layout(SK_DN_F32, &layout, &err), -1);
    assert_int_equal(sk_dn_conv_new(SK_DN_FORWARD, NULL, NULL, &c, &err), -1);
    assert_int_equal(sk_dn_conv_move_weights(c, NULL, NULL, &err), -1);
    assert_int_equal(sk_dn_conv_move_src(c, NULL, NULL, &err), -1);
    assert_int_equal(sk_dn_conv_run(c, NULL, &err), -1);
    assert_int_equal(sk_dn_sgemm(NULL, &err), -1);
    assert_false(sk_dn_can_fuse(SK_ACT_RELU));
    assert_true(sk_dn_conv_same_weights(c, c));
    assert_int_equal(
        sk_dn_conv_scratch_bytes(c) + sk_dn_conv_weight_bytes(c) + sk_dn_conv_src_bytes(c), 0);
    assert_string_equal(sk_dn_conv_impl(c), "");
    sk_dn_conv_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_everything_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
