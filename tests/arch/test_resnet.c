/* test_resnet.c - shapes and strides, and torchvision's scores. */
#include "arch_test.h"

/* The layer of this name; all zero when there is none. */
static struct sk_nn_layer layer_of(const struct sk_nn *n, const char *name)
{
    for (size_t i = 0; i < sk_nn_layer_count(n); i++) {
        const struct sk_nn_layer *l = sk_nn_layer(n, i);

        if (l->name && strcmp(l->name, name) == 0)
            return *l;
    }
    return (struct sk_nn_layer){ 0 };
}

static void shapes(void **state)
{
    static const struct {
        const char *arch, *layer;
        unsigned stride, channels, side; /* of its output, at 224 */
    } rows[] = {
        { "resnet18", "conv1", 2, 64, 112 },
        { "resnet18", "layer1.0.conv1", 1, 64, 56 },
        { "resnet18", "layer2.0.conv1", 2, 128, 28 },
        { "resnet18", "layer2.0.conv2", 1, 128, 28 },
        { "resnet18", "layer2.0.downsample.0", 2, 128, 28 },
        { "resnet18", "layer4.1.conv2", 1, 512, 7 },
        { "resnet34", "layer3.5.conv2", 1, 256, 14 },
        { "resnet50", "layer1.0.downsample.0", 1, 256, 56 },
        { "resnet50", "layer2.0.conv1", 1, 128, 56 }, /* the stride is in the 3 x 3 */
        { "resnet50", "layer2.0.conv2", 2, 128, 28 },
        { "resnet50", "layer4.2.conv3", 1, 2048, 7 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_OWN(sk_nn_free) struct sk_nn *n = new_network(rows[i].arch, 2, 224, 0);
        const struct sk_nn_layer l = layer_of(n, rows[i].layer);

        if (l.stride != rows[i].stride || l.channels != rows[i].channels ||
            l.out_h != rows[i].side || l.out_w != rows[i].side)
            fail_msg("%s %s: stride %u, %u x %u x %u", rows[i].arch, rows[i].layer, l.stride,
                     l.channels, l.out_h, l.out_w);
    }
}

static void scores(void **state)
{
    (void)state;
    assert_int_equal(check_scores("resnet18"), 2);
    assert_int_equal(check_scores("resnet34"), 2);
    assert_int_equal(check_scores("resnet50"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes),
        cmocka_unit_test(scores),
    };

    return cmocka_run_group_tests_name("resnet", tests, NULL, NULL);
}
