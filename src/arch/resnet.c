/*
 * resnet.c - ResNet (He et al. 2015; the bottleneck has its stride in the 3 x 3 convolution, as
 * torchvision's).
 *
 *   conv1 7x7/2, bn1, relu, max pool 3x3/2
 *   layer1..4: blocks of 64, 128, 256, 512 channels; the first block of layers 2 to 4 halves the
 *              picture; downsample brings the shortcut to the block's shape
 *   mean over the picture, fc
 *
 *   basic block:  conv1 3x3, bn1, relu, conv2 3x3, bn2,                                 add, relu
 *   bottleneck:   conv1 1x1, bn1, relu, conv2 3x3, bn2, relu, conv3 1x1 (4 x), bn3,     add, relu
 */
#include "arch/arch_priv.h"

#include <stdio.h>

struct resnet {
    bool is_bottleneck;
    unsigned blocks[4];
};

static const struct resnet resnet18 = { false, { 2, 2, 2, 2 } };
static const struct resnet resnet34 = { false, { 3, 4, 6, 3 } };
static const struct resnet resnet50 = { true, { 3, 4, 6, 3 } };

/* One convolution of a block with its batch norm: "layer1.0.conv2", "layer1.0.bn2". */
static void add_conv(struct sk_build *b, const char *block, unsigned number, unsigned channels,
                     unsigned kernel, unsigned stride)
{
    struct sk_conv conv = { .channels = channels, .kernel = kernel, .stride = stride };

    sk_build_conv(b, &conv, "%s.conv%u", block, number);
    sk_build_norm(b, "%s.bn%u", block, number);
}

/* The shortcut from layer `from`: itself, or brought to the block's shape. */
static int add_shortcut(struct sk_build *b, const char *block, int from, unsigned channels,
                        unsigned stride, bool is_same)
{
    struct sk_build side = *b;
    struct sk_conv conv = { .channels = channels, .kernel = 1, .stride = stride };

    if (is_same)
        return from;
    side.at = from;
    sk_build_conv(&side, &conv, "%s.downsample.0", block);
    sk_build_norm(&side, "%s.downsample.1", block);
    return side.at;
}

static void add_block(struct sk_build *b, const struct resnet *r, const char *name, unsigned in,
                      unsigned width, unsigned stride)
{
    unsigned out = r->is_bottleneck ? 4 * width : width;
    int from = b->at;

    add_conv(b, name, 1, width, r->is_bottleneck ? 1 : 3, r->is_bottleneck ? 1 : stride);
    sk_build_plain(b, SK_NN_RELU);
    add_conv(b, name, 2, width, 3, r->is_bottleneck ? stride : 1);
    if (r->is_bottleneck) {
        sk_build_plain(b, SK_NN_RELU);
        add_conv(b, name, 3, out, 1, 1);
    }
    sk_build_join(b, SK_NN_ADD, add_shortcut(b, name, from, out, stride, stride == 1 && in == out));
    sk_build_plain(b, SK_NN_RELU);
}

static void build(const void *table, struct sk_nn *n, unsigned classes)
{
    const struct resnet *r = table;
    struct sk_build b = { .nn = n };
    unsigned in = 64;

    sk_build_conv(&b, &(struct sk_conv){ .channels = 64, .kernel = 7, .stride = 2 }, "conv1");
    sk_build_norm(&b, "bn1");
    sk_build_plain(&b, SK_NN_RELU);
    b.at = sk_nn_add(
        n, &(struct sk_nn_layer){
               .kind = SK_NN_MAX_POOL, .in = { b.at }, .kernel = 3, .stride = 2, .padding = 1 });
    for (unsigned layer = 0; layer < 4; layer++) {
        unsigned width = 64u << layer;

        for (unsigned i = 0; i < r->blocks[layer]; i++) {
            char name[SK_ARCH_NAME];

            (void)snprintf(name, sizeof name, "layer%u.%u", layer + 1, i);
            add_block(&b, r, name, in, width, layer > 0 && i == 0 ? 2 : 1);
            in = r->is_bottleneck ? 4 * width : width;
        }
    }
    sk_build_plain(&b, SK_NN_GLOBAL_POOL);
    sk_build_plain(&b, SK_NN_FLATTEN);
    sk_build_linear(&b, classes, "fc");
}

const struct sk_arch_body sk_body_resnet18 = { &resnet18, build, NULL, SK_LINEAR_DEFAULT };
const struct sk_arch_body sk_body_resnet34 = { &resnet34, build, NULL, SK_LINEAR_DEFAULT };
const struct sk_arch_body sk_body_resnet50 = { &resnet50, build, NULL, SK_LINEAR_DEFAULT };
