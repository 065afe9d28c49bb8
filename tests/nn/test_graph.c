/* test_graph.c - shapes of every kind of layer, and what does not fit together, by name. */
#include "nn/reference.h"

#include "harness/alloc_fail.h"

static void test_shapes(void **state)
{
    static const struct {
        const char *name;
        unsigned c, h, w;
        struct sk_nn_layer layer;
        unsigned out_c, out_h, out_w;
    } rows[] = {
        { "conv", 3, 224, 224, CONV("a", 0, 64, 7, .stride = 2, .padding = 3), 64, 112, 112 },
        { "conv, dilation", 3, 10, 9, CONV("a", 0, 4, 3, .dilation = 2), 4, 6, 5 },
        { "conv, groups", 6, 5, 5, CONV("a", 0, 9, 1, .groups = 3), 9, 5, 5 },
        { "max pool", 4, 112, 111, LAYER(SK_NN_MAX_POOL, 0, .kernel = 3, .stride = 2, .padding = 1),
          4, 56, 56 },
        { "max pool, floor", 4, 6, 6, LAYER(SK_NN_MAX_POOL, 0, .kernel = 3, .stride = 2), 4, 2, 2 },
        { "max pool, ceil", 4, 6, 6,
          LAYER(SK_NN_MAX_POOL, 0, .kernel = 3, .stride = 2, .ceil_mode = true), 4, 3, 3 },
        /* a window that would start in the padding behind does not count */
        { "average pool, ceil", 4, 3, 3,
          LAYER(SK_NN_AVG_POOL, 0, .kernel = 2, .stride = 3, .padding = 1, .ceil_mode = true), 4, 2,
          2 },
        { "average pool, ceil, starts behind", 4, 5, 5,
          LAYER(SK_NN_AVG_POOL, 0, .kernel = 2, .stride = 6, .padding = 1, .ceil_mode = true), 4, 1,
          1 },
        { "global pool", 5, 7, 6, LAYER(SK_NN_GLOBAL_POOL, 0), 5, 1, 1 },
        { "flatten", 5, 7, 6, LAYER(SK_NN_FLATTEN, 0), 210, 1, 1 },
        { "linear", 5, 1, 1, LINEAR("l", 0, 12), 12, 1, 1 },
        { "relu", 5, 2, 3, LAYER(SK_NN_RELU, 0), 5, 2, 3 },
        { "add", 5, 2, 3, PAIR(SK_NN_ADD, 0, 0), 5, 2, 3 },
        { "dropout", 5, 2, 3, LAYER(SK_NN_DROPOUT, 0, .rate = 0.5f), 5, 2, 3 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(sk_nn_free) struct sk_nn *n = NULL;
        struct sk_err err = SK_ERR_INIT;
        const struct sk_nn_layer *l;

        assert_int_equal(sk_nn_new(rows[i].c, rows[i].h, rows[i].w, &n, &err), 0);
        if (sk_nn_add(n, &rows[i].layer) != 1)
            fail_msg("%s: %s", rows[i].name, n->err.text);
        l = sk_nn_layer(n, 1);
        if (l->out_c != rows[i].out_c || l->out_h != rows[i].out_h || l->out_w != rows[i].out_w)
            fail_msg("%s: %u x %u x %u", rows[i].name, l->out_c, l->out_h, l->out_w);
    }
}

static void test_misfits(void **state)
{
    static const struct {
        const char *text;
        struct sk_nn_layer layers[3];
        size_t count;
    } rows[] = {
        { "layer 1 (conv a): 3 groups do not divide 4 inputs and 6 outputs",
          { CONV("a", 0, 6, 3, .groups = 3) },
          1 },
        { "layer 1 (conv a): kernel 0 is not within 1 and 255", { CONV("a", 0, 6, 0) }, 1 },
        { "layer 1 (conv a): kernel 9 does not fit into 8 x 6 with padding 0",
          { CONV("a", 0, 6, 9) },
          1 },
        { "layer 1 (conv a): 0 output channels", { CONV("a", 0, 0, 3) }, 1 },
        { "layer 1 (conv): a layer with parameters needs a name",
          { { .kind = SK_NN_CONV, .channels = 1, .kernel = 1 } },
          1 },
        { "layer 2 (batch norm a): the name is taken by layer 1",
          { CONV("a", 0, 6, 3), NORM("a", 1) },
          2 },
        { "layer 1 (relu): input 1 is no layer before it", { LAYER(SK_NN_RELU, 1) }, 1 },
        { "layer 1 (relu): input -1 is no layer before it", { LAYER(SK_NN_RELU, -1) }, 1 },
        { "layer 2 (add): 4 x 8 x 6 and 4 x 1 x 1 do not fit",
          { LAYER(SK_NN_GLOBAL_POOL, 0), PAIR(SK_NN_ADD, 0, 1) },
          2 },
        { "layer 2 (mul): 4 x 1 x 1 and 4 x 8 x 6 do not fit",
          { LAYER(SK_NN_GLOBAL_POOL, 0), PAIR(SK_NN_MUL, 1, 0) },
          2 },
        { "layer 1 (linear l): its input of 4 x 8 x 6 is not flattened", { LINEAR("l", 0, 2) }, 1 },
        { "layer 1 (max pool): kernel 17 is not within 1 and 16",
          { LAYER(SK_NN_MAX_POOL, 0, .kernel = 17) },
          1 },
        { "layer 1 (max pool): padding 2 is more than half of kernel 3",
          { LAYER(SK_NN_MAX_POOL, 0, .kernel = 3, .padding = 2) },
          1 },
        { "layer 1 (average pool): average pooling has no dilation",
          { LAYER(SK_NN_AVG_POOL, 0, .kernel = 2, .dilation = 2) },
          1 },
        { "layer 1 (conv a): ceil_mode is for pooling",
          { CONV("a", 0, 6, 3, .ceil_mode = true) },
          1 },
        { "layer 1 (dropout): rate 1.5 is not within 0 and 1",
          { LAYER(SK_NN_DROPOUT, 0, .rate = 1.5f) },
          1 },
        { "layer 1 (batch norm n): eps -1, momentum 0.1",
          { { .kind = SK_NN_BATCH_NORM, .name = "n", .eps = -1 } },
          1 },
        { "layer 1 (input): there is one input, layer 0", { LAYER(SK_NN_INPUT, 0) }, 1 },
        { "layer 1 (unknown kind): unknown kind 99", { { .kind = (enum sk_nn_kind)99 } }, 1 },
        { "the last layer gives 4 x 8 x 6 and no class scores", { LAYER(SK_NN_RELU, 0) }, 1 },
        { "layer 1 (relu) is read by no layer",
          { LAYER(SK_NN_RELU, 0), LAYER(SK_NN_GLOBAL_POOL, 0) },
          2 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(sk_nn_free) struct sk_nn *n = NULL;
        struct sk_err err = SK_ERR_INIT;

        assert_int_equal(sk_nn_new(4, 8, 6, &n, &err), 0);
        for (size_t k = 0; k < rows[i].count; k++)
            (void)sk_nn_add(n, &rows[i].layers[k]);
        assert_int_equal(sk_nn_finish(n, &err), -1);
        assert_int_equal(err.code, SK_INVALID);
        assert_string_equal(err.text, rows[i].text);
    }
}

/* The first cause is kept; nothing is added any more. */
static void test_after_failure(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_nn_new(0, 8, 6, &n, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_int_equal(sk_nn_new(1 << 20, 1 << 16, 1 << 16, &n, &err), -1);
    assert_int_equal(sk_nn_new(3, 8, 6, &n, &err), 0);
    assert_int_equal(sk_nn_add(n, &(struct sk_nn_layer)LAYER(SK_NN_RELU, 7)), -1);
    assert_int_equal(sk_nn_add(n, &(struct sk_nn_layer)LAYER(SK_NN_GLOBAL_POOL, 0)), -1);
    assert_int_equal(sk_nn_finish(n, &err), -1);
    assert_string_equal(err.text, "layer 1 (relu): input 7 is no layer before it");
}

/* At the limit and beyond. */
static void test_too_large(void **state)
{
    (void)state;
    for (unsigned more = 0; more < 2; more++) {
        SK_OWN(sk_nn_free) struct sk_nn *n = NULL;
        struct sk_err err = SK_ERR_INIT;

        assert_int_equal(sk_nn_new(1, 1 << 12, 1 << 12, &n, &err), 0);
        assert_int_equal(sk_nn_add(n, &(struct sk_nn_layer)CONV("a", 0, 256 + more, 1)),
                         more ? -1 : 1);
        assert_int_equal(n->err.code, more ? SK_LIMIT : SK_OK);
    }
}

static void test_finish(void **state)
{
    const struct net_case net = NET("many layers", 1, 3, 8, 6, CONV("a", 0, 4, 3),
                                    LAYER(SK_NN_RELU, 1), HEAD(2, 3));
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(&net);
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_nn_layer_count(n), 6);
    assert_int_equal(sk_nn_classes(n), 3);
    assert_int_equal(sk_nn_only_reader(n, 1), 2);
    assert_int_equal(sk_nn_only_reader(n, 5), -1);
    assert_int_equal(sk_nn_finish(n, &err), -1); /* once */
    assert_int_equal(sk_nn_add(n, &(struct sk_nn_layer)LAYER(SK_NN_RELU, 5)), -1);
}

static int build_long(void *ctx, struct sk_err *err)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = NULL;
    int at = 0;

    (void)ctx;
    if (sk_nn_new(2, 4, 4, &n, err) < 0)
        return -1;
    for (int i = 0; i < 200; i++)
        at = sk_nn_add(n, &(struct sk_nn_layer)LAYER(SK_NN_RELU, at));
    at = sk_nn_add(n, &(struct sk_nn_layer)CONV("a", at, 2, 3));
    at = sk_nn_add(n, &(struct sk_nn_layer)NORM("n", at));
    (void)sk_nn_add(n, &(struct sk_nn_layer)LAYER(SK_NN_GLOBAL_POOL, at));
    return sk_nn_finish(n, err);
}

static void test_allocations(void **state)
{
    (void)state;
    (void)sk_alloc_sweep("a network", build_long, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),        cmocka_unit_test(test_misfits),
        cmocka_unit_test(test_after_failure), cmocka_unit_test(test_finish),
        cmocka_unit_test(test_too_large),     cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
