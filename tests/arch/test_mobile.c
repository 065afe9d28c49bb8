/* test_mobile.c - what the tables say beyond names and shapes, and torchvision's scores. */
#include "arch_test.h"

/* The picture's side after each block, from the tables' own comments. */
static void sides(void **state)
{
    static const struct {
        const char *arch, *block; /* the last batch norm of a block */
        unsigned side;            /* of its output, at 224 */
    } rows[] = {
        { "mobilenet_v2", "features.1.conv.2", 112 },
        { "mobilenet_v2", "features.3.conv.3", 56 },
        { "mobilenet_v2", "features.13.conv.3", 14 },
        { "mobilenet_v2", "features.17.conv.3", 7 },
        { "mobilenet_v3_small", "features.1.block.2.1", 56 },
        { "mobilenet_v3_small", "features.4.block.3.1", 14 },
        { "mobilenet_v3_small", "features.11.block.3.1", 7 },
        { "efficientnet_b0", "features.1.0.block.2.1", 112 },
        { "efficientnet_b0", "features.3.1.block.3.1", 28 },
        { "efficientnet_b0", "features.5.2.block.3.1", 14 },
        { "efficientnet_b0", "features.7.0.block.3.1", 7 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_OWN(sk_nn_free) struct sk_nn *n = new_network(rows[i].arch, 2, 224, 0);
        unsigned side = 0;

        for (size_t k = 0; k < sk_nn_layer_count(n); k++)
            if (sk_nn_layer(n, k)->name && strcmp(sk_nn_layer(n, k)->name, rows[i].block) == 0)
                side = sk_nn_layer(n, k)->out_h;
        if (side != rows[i].side)
            fail_msg("%s %s: side %u", rows[i].arch, rows[i].block, side);
    }
}

static unsigned count_kind(const struct sk_nn *n, enum sk_nn_kind kind)
{
    unsigned count = 0;

    for (size_t i = 0; i < sk_nn_layer_count(n); i++)
        count += sk_nn_layer(n, i)->kind == kind;
    return count;
}

/* How many of each, as printed by torchvision's modules. */
static void kinds(void **state)
{
    static const struct {
        const char *arch;
        unsigned add, mul, relu, relu6, hard_swish, hard_sigmoid, silu, sigmoid;
    } rows[] = {
        { "mobilenet_v2", 10, 0, 0, 35, 0, 0, 0, 0 },
        { "mobilenet_v3_small", 6, 9, 14, 0, 19, 9, 0, 0 },
        { "efficientnet_b0", 9, 16, 0, 0, 0, 0, 49, 16 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_OWN(sk_nn_free) struct sk_nn *n = new_network(rows[i].arch, 2, 64, 0);

        assert_int_equal(count_kind(n, SK_NN_ADD), rows[i].add);
        assert_int_equal(count_kind(n, SK_NN_MUL), rows[i].mul);
        assert_int_equal(count_kind(n, SK_NN_RELU), rows[i].relu);
        assert_int_equal(count_kind(n, SK_NN_RELU6), rows[i].relu6);
        assert_int_equal(count_kind(n, SK_NN_HARD_SWISH), rows[i].hard_swish);
        assert_int_equal(count_kind(n, SK_NN_HARD_SIGMOID), rows[i].hard_sigmoid);
        assert_int_equal(count_kind(n, SK_NN_SILU), rows[i].silu);
        assert_int_equal(count_kind(n, SK_NN_SIGMOID), rows[i].sigmoid);
    }
}

static void batch_norms(void **state)
{
    (void)state;
    for (const struct sk_arch *const *a = sk_archs(); *a; a++) {
        SK_OWN(sk_nn_free) struct sk_nn *n = new_network((*a)->name, 2, 64, 0);
        bool is_v3 = strcmp((*a)->name, "mobilenet_v3_small") == 0;

        for (size_t i = 0; i < sk_nn_layer_count(n); i++) {
            const struct sk_nn_layer *l = sk_nn_layer(n, i);

            if (l->kind == SK_NN_BATCH_NORM)
                assert_true(l->eps == (is_v3 ? 1e-3f : 1e-5f) &&
                            l->momentum == (is_v3 ? 1e-2f : 0.1f));
        }
    }
}

/* 0.2 before the last linear layer; stochastic depth 0.2 * block / 16 in EfficientNet's blocks that
 * add their input. */
static void dropouts(void **state)
{
    static const unsigned b0_blocks[] = { 2, 4, 6, 7, 9, 10, 12, 13, 14 };

    (void)state;
    for (const struct sk_arch *const *a = sk_archs(); *a; a++) {
        SK_OWN(sk_nn_free) struct sk_nn *n = new_network((*a)->name, 2, 64, 0);
        size_t seen = 0, want = strcmp((*a)->name, "efficientnet_b0") == 0 ? 9 : 0;

        for (size_t i = 0; i < sk_nn_layer_count(n); i++) {
            const struct sk_nn_layer *l = sk_nn_layer(n, i);

            if (l->kind != SK_NN_DROPOUT)
                continue;
            if (l->per_sample) {
                assert_true(fabs((double)l->rate - 0.2 * b0_blocks[seen] / 16) < 1e-7);
                assert_int_equal(sk_nn_layer(n, i + 1)->kind, SK_NN_ADD);
                seen++;
            } else {
                assert_true(l->rate == 0.2f);
                assert_int_equal(i, sk_nn_layer_count(n) - 2);
            }
        }
        assert_int_equal(seen, want);
        assert_int_equal(count_kind(n, SK_NN_DROPOUT),
                         want + (strncmp((*a)->name, "resnet", 6) != 0));
    }
}

/* Layers in the order of timm's names: the same count, and names as in timm's state dicts. */
static void timm_names(void **state)
{
    static const char *const archs[] = { "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0" };

    (void)state;
    for (size_t a = 0; a < 3; a++) {
        SK_OWN(sk_nn_free) struct sk_nn *n = new_network(archs[a], 1000, 64, 0);
        SK_OWN(fclose) FILE *f = golden_open("tensors.txt");
        SK_AUTO(sk_buf_done) struct sk_buf names = SK_BUF_INIT(1 << 20);
        const struct sk_arch_body *body = sk_arch_find(archs[a])->body;
        struct golden_tensor t = { .name = "" };
        const char *at;

        body->timm_names(body->table, &names);
        at = names.data;
        for (size_t i = 0; i < sk_nn_layer_count(n); i++) {
            const char *own = sk_nn_layer(n, i)->name;
            size_t len = own ? strlen(own) : 0;

            if (!own)
                continue;
            while (strncmp(t.name, own, len) != 0 || t.name[len] != '.' ||
                   strchr(t.name + len + 1, '.'))
                assert_true(golden_next(f, archs[a], &t));
            if (strncmp(t.timm, at, strlen(at)) != 0 || t.timm[strlen(at)] != '.')
                fail_msg("%s: %s is %s, timm has %s", archs[a], own, at, t.timm);
            at += strlen(at) + 1;
        }
        assert_ptr_equal(at, names.data + names.len);
    }
    for (const char *const *r = (const char *const[]){ "resnet18", "resnet34", "resnet50", NULL };
         *r; r++)
        assert_null(sk_arch_find(*r)->body->timm_names);
}

static void scores(void **state)
{
    (void)state;
    assert_int_equal(check_scores("mobilenet_v2"), 2);
    assert_int_equal(check_scores("mobilenet_v3_small"), 2);
    assert_int_equal(check_scores("efficientnet_b0"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sides),    cmocka_unit_test(kinds),      cmocka_unit_test(batch_norms),
        cmocka_unit_test(dropouts), cmocka_unit_test(timm_names), cmocka_unit_test(scores),
    };

    return cmocka_run_group_tests_name("mobile", tests, NULL, NULL);
}
