/* test_dnnl_conv.c - the passes of a convolution by themselves. Their numbers: test_op_conv.c. */
#include "nn/reference.h"

#include "harness/alloc_fail.h"

SK_DEFINE_OWN(struct sk_dn_conv, sk_dn_conv_free);

static const struct sk_dn_conv_shape shape = { .n = 2,
                                               .ic = 16,
                                               .ih = 6,
                                               .iw = 6,
                                               .oc = 32,
                                               .oh = 6,
                                               .ow = 6,
                                               .kernel = 3,
                                               .stride = 1,
                                               .padding = 1,
                                               .dilation = 1,
                                               .groups = 1,
                                               .src = SK_DN_NHWC,
                                               .dst = SK_DN_NHWC };

static void test_layout(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    enum sk_dn_layout layout = SK_DN_ANY;

    (void)state;
    assert_int_equal(sk_dn_best_layout(SK_DN_F32, &layout, &err), 0);
    assert_true(layout > SK_DN_ANY && layout < SK_DN_LAYOUT_COUNT);
}

static void test_passes(void **state)
{
    SK_OWN(sk_dn_conv_free) struct sk_dn_conv *forward = NULL;
    SK_OWN(sk_dn_conv_free) struct sk_dn_conv *data = NULL;
    SK_OWN(sk_dn_conv_free) struct sk_dn_conv *weights = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_dn_conv_new(SK_DN_FORWARD, &shape, NULL, &forward, &err), 0);
    assert_int_equal(sk_dn_conv_new(SK_DN_BACK_DATA, &shape, forward, &data, &err), 0);
    assert_int_equal(sk_dn_conv_new(SK_DN_BACK_WEIGHTS, &shape, forward, &weights, &err), 0);
    assert_true(strlen(sk_dn_conv_impl(forward)) > 0);
    assert_true(sk_dn_conv_same_weights(forward, forward));
    assert_int_equal(sk_dn_conv_src_bytes(forward), 0); /* the layout was given */
}

/* The last maps of residual networks at 64 and 32 pixels: the reference code would take seconds. */
static void test_small_maps(void **state)
{
    static const unsigned sides[] = { 2, 1 };
    enum sk_dn_layout layout = SK_DN_ANY;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_dn_best_layout(SK_DN_F32, &layout, &err), 0);
    for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
        SK_OWN(sk_dn_conv_free) struct sk_dn_conv *forward = NULL;
        SK_OWN(sk_dn_conv_free) struct sk_dn_conv *weights = NULL;
        struct sk_dn_conv_shape s = shape;

        s.n = 32;
        s.ic = s.oc = 512;
        s.ih = s.iw = s.oh = s.ow = sides[i];
        s.src = s.dst = layout;
        assert_int_equal(sk_dn_conv_new(SK_DN_FORWARD, &s, NULL, &forward, &err), 0);
        assert_int_equal(sk_dn_conv_new(SK_DN_BACK_WEIGHTS, &s, forward, &weights, &err), 0);
        if (strncmp(sk_dn_conv_impl(weights), "ref", 3) == 0)
            fail_msg("side %u: %s", sides[i], sk_dn_conv_impl(weights));
    }
}

/* The direct algorithm, also where Winograd would be offered. */
static void test_direct(void **state)
{
    SK_OWN(sk_dn_conv_free) struct sk_dn_conv *c = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_dn_conv_new(SK_DN_INFER, &shape, NULL, &c, &err), 0);
    assert_null(strstr(sk_dn_conv_impl(c), "wino"));
}

static void test_misfit(void **state)
{
    SK_OWN(sk_dn_conv_free) struct sk_dn_conv *c = NULL;
    struct sk_dn_conv_shape s = shape;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    s.oc = 0;
    s.n = 0x80000000u;
    s.ih = 100000;
    assert_int_equal(sk_dn_conv_new(SK_DN_FORWARD, &s, NULL, &c, &err), -1);
    assert_int_equal(err.code, SK_BUG);
    assert_true(strncmp(err.text, "oneDNN: ", 8) == 0);
    assert_null(c);
}

static int make(void *ctx, struct sk_err *err)
{
    SK_OWN(sk_dn_conv_free) struct sk_dn_conv *c = NULL;

    (void)ctx;
    return sk_dn_conv_new(SK_DN_FORWARD, &shape, NULL, &c, err);
}

static void test_allocations(void **state)
{
    (void)state;
    (void)sk_alloc_sweep("a convolution", make, NULL, 0);
}

static void test_fusable(void **state)
{
    (void)state;
    assert_true(sk_dn_can_fuse(SK_ACT_NONE));
    assert_true(sk_dn_can_fuse(SK_ACT_RELU));
    assert_false(sk_dn_can_fuse(SK_ACT_HARD_SWISH));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),     cmocka_unit_test(test_passes),
        cmocka_unit_test(test_small_maps), cmocka_unit_test(test_direct),
        cmocka_unit_test(test_misfit),     cmocka_unit_test(test_allocations),
        cmocka_unit_test(test_fusable),
    };
    return cmocka_run_group_tests(tests, net_start, NULL);
}
