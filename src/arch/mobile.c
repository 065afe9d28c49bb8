/*
 * mobile.c - the networks of inverted residual blocks: MobileNetV2 (Sandler et al. 2018),
 * MobileNetV3 (Howard et al. 2019), EfficientNet (Tan and Le 2019).
 *
 *   features.0: 3x3/2, then blocks, then features.N: 1x1, mean over the picture, classifier
 *
 *   block:  [1x1 to wide] - depthwise kxk/stride - [squeeze and excitation] - 1x1 to out [+ input]
 *
 * Each convolution has a batch norm, and all but the last one of a block an activation. The 1x1 in
 * front is missing where wide is the input's channels; the input is added where shapes allow. What
 * differs between the three is in the tables.
 *
 * Squeeze and excitation: the mean of each channel, 1x1 (fc1), activation, 1x1 (fc2), gate; the
 * picture is multiplied by it.
 */
#include "arch/arch_priv.h"

#include <stdio.h>

/* A row's comment is the side of its output, of pictures of 224. */
struct stage {
    unsigned kernel;
    unsigned ratio; /* wide = ratio times the input's channels; 0: wide */
    unsigned wide;
    unsigned out;
    unsigned blocks;
    unsigned stride; /* of the first block */
    bool has_squeeze;
    enum sk_nn_kind act;
};

enum naming {
    FLAT_CONV,  /* features.7.conv.0.0; the last 1x1 is conv.2, conv.3 */
    FLAT_BLOCK, /* features.7.block.0.0 */
    STAGED      /* features.2.1.block.0.0 */
};

struct mobile {
    enum naming naming;
    unsigned stem, last, hidden; /* channels of features.0, features.N; of classifier.0, 0: none */
    enum sk_nn_kind act;         /* behind them */
    enum sk_nn_kind squeeze_act, squeeze_gate;
    float eps, momentum; /* 0: the usual */
    float drop_path;     /* stochastic depth of a block that would come behind the last one */
    const struct stage *stages;
    unsigned stage_count;
};

#define COUNT(a) ((unsigned)(sizeof(a) / sizeof((a)[0])))

static const struct stage v2_stages[] = {
    { 3, 1, 0, 16, 1, 1, false, SK_NN_RELU6 },  /* 112 */
    { 3, 6, 0, 24, 2, 2, false, SK_NN_RELU6 },  /* 56 */
    { 3, 6, 0, 32, 3, 2, false, SK_NN_RELU6 },  /* 28 */
    { 3, 6, 0, 64, 4, 2, false, SK_NN_RELU6 },  /* 14 */
    { 3, 6, 0, 96, 3, 1, false, SK_NN_RELU6 },  /* 14 */
    { 3, 6, 0, 160, 3, 2, false, SK_NN_RELU6 }, /* 7 */
    { 3, 6, 0, 320, 1, 1, false, SK_NN_RELU6 }, /* 7 */
};

static const struct mobile v2 = {
    .naming = FLAT_CONV,
    .stem = 32,
    .last = 1280,
    .act = SK_NN_RELU6,
    .stages = v2_stages,
    .stage_count = COUNT(v2_stages),
};

static const struct stage v3_small_stages[] = {
    { 3, 0, 16, 16, 1, 2, true, SK_NN_RELU },        /* 56 */
    { 3, 0, 72, 24, 1, 2, false, SK_NN_RELU },       /* 28 */
    { 3, 0, 88, 24, 1, 1, false, SK_NN_RELU },       /* 28 */
    { 5, 0, 96, 40, 1, 2, true, SK_NN_HARD_SWISH },  /* 14 */
    { 5, 0, 240, 40, 2, 1, true, SK_NN_HARD_SWISH }, /* 14 */
    { 5, 0, 120, 48, 1, 1, true, SK_NN_HARD_SWISH }, /* 14 */
    { 5, 0, 144, 48, 1, 1, true, SK_NN_HARD_SWISH }, /* 14 */
    { 5, 0, 288, 96, 1, 2, true, SK_NN_HARD_SWISH }, /* 7 */
    { 5, 0, 576, 96, 2, 1, true, SK_NN_HARD_SWISH }, /* 7 */
};

static const struct mobile v3_small = {
    .naming = FLAT_BLOCK,
    .stem = 16,
    .last = 576,
    .hidden = 1024,
    .act = SK_NN_HARD_SWISH,
    .squeeze_act = SK_NN_RELU,
    .squeeze_gate = SK_NN_HARD_SIGMOID,
    .eps = 1e-3f,
    .momentum = 1e-2f,
    .stages = v3_small_stages,
    .stage_count = COUNT(v3_small_stages),
};

static const struct stage b0_stages[] = {
    { 3, 1, 0, 16, 1, 1, true, SK_NN_SILU },  /* 112 */
    { 3, 6, 0, 24, 2, 2, true, SK_NN_SILU },  /* 56 */
    { 5, 6, 0, 40, 2, 2, true, SK_NN_SILU },  /* 28 */
    { 3, 6, 0, 80, 3, 2, true, SK_NN_SILU },  /* 14 */
    { 5, 6, 0, 112, 3, 1, true, SK_NN_SILU }, /* 14 */
    { 5, 6, 0, 192, 4, 2, true, SK_NN_SILU }, /* 7 */
    { 3, 6, 0, 320, 1, 1, true, SK_NN_SILU }, /* 7 */
};

static const struct mobile b0 = {
    .naming = STAGED,
    .stem = 32,
    .last = 1280,
    .act = SK_NN_SILU,
    .squeeze_act = SK_NN_SILU,
    .squeeze_gate = SK_NN_SIGMOID,
    .drop_path = 0.2f,
    .stages = b0_stages,
    .stage_count = COUNT(b0_stages),
};

static const float dropout = 0.2f; /* before the last linear layer, in all three */

/* ---- walking the table: one block after the other ---- */

struct place {
    const struct stage *stage;
    unsigned stage_number, block_number; /* a stage may take several rows: it has one width */
    unsigned flat;                       /* blocks before this one */
    unsigned in, wide, stride;
    unsigned row, row_block; /* where the walk is */
};

/* The next block; false: there are no more. Starts with a zeroed place. */
static bool next_block(const struct mobile *m, struct place *p)
{
    if (!p->stage) {
        *p = (struct place){ .stage = m->stages, .in = m->stem };
    } else {
        p->in = p->stage->out;
        p->flat++;
        p->block_number++;
        if (++p->row_block == p->stage->blocks) {
            p->row_block = 0;
            if (++p->row == m->stage_count)
                return false;
            p->stage = &m->stages[p->row];
        }
        if (p->row_block == 0 && p->stage->out != p->in) {
            p->stage_number++;
            p->block_number = 0;
        }
    }
    p->stride = p->row_block == 0 ? p->stage->stride : 1;
    p->wide = p->stage->ratio > 0 ? p->stage->ratio * p->in : p->stage->wide;
    return true;
}

static unsigned count_blocks(const struct mobile *m)
{
    unsigned count = 0;

    for (unsigned i = 0; i < m->stage_count; i++)
        count += m->stages[i].blocks;
    return count;
}

/* ---- building ---- */

static void block_name(const struct mobile *m, const struct place *p, char name[SK_ARCH_NAME])
{
    switch (m->naming) {
    case FLAT_CONV:
        (void)snprintf(name, SK_ARCH_NAME, "features.%u.conv", p->flat + 1);
        break;
    case FLAT_BLOCK:
        (void)snprintf(name, SK_ARCH_NAME, "features.%u.block", p->flat + 1);
        break;
    case STAGED:
        (void)snprintf(name, SK_ARCH_NAME, "features.%u.%u.block", p->stage_number + 1,
                       p->block_number);
        break;
    }
}

/* "features.0.0", "features.0.1" and the activation. */
static void add_unit(struct sk_build *b, const char *prefix, unsigned number,
                     const struct sk_conv *conv, enum sk_nn_kind act)
{
    sk_build_conv(b, conv, "%s.%u.0", prefix, number);
    sk_build_norm(b, "%s.%u.1", prefix, number);
    sk_build_plain(b, act);
}

/* torchvision's _make_divisible: the nearest multiple of 8, not below nine tenths. */
static unsigned round_to_8(unsigned channels)
{
    unsigned rounded = (channels + 4) / 8 * 8;

    if (rounded < 8)
        rounded = 8;
    return rounded * 10 < channels * 9 ? rounded + 8 : rounded;
}

static void add_squeeze(struct sk_build *b, const struct mobile *m, const struct place *p,
                        const char *prefix, unsigned number)
{
    unsigned narrow = m->naming == STAGED ? p->in / 4 : round_to_8(p->wide / 4);
    struct sk_conv fc1 = { .channels = narrow, .kernel = 1, .bias = true };
    struct sk_conv fc2 = { .channels = p->wide, .kernel = 1, .bias = true };
    int picture = b->at;

    sk_build_plain(b, SK_NN_GLOBAL_POOL);
    sk_build_conv(b, &fc1, "%s.%u.fc1", prefix, number);
    sk_build_plain(b, m->squeeze_act);
    sk_build_conv(b, &fc2, "%s.%u.fc2", prefix, number);
    sk_build_plain(b, m->squeeze_gate);
    b->at = sk_nn_add(b->nn, &(struct sk_nn_layer){ .kind = SK_NN_MUL, .in = { picture, b->at } });
}

static void add_block(struct sk_build *b, const struct mobile *m, const struct place *p)
{
    const struct stage *s = p->stage;
    const struct sk_conv expand = { .channels = p->wide, .kernel = 1 };
    const struct sk_conv depthwise = {
        .channels = p->wide, .kernel = s->kernel, .stride = p->stride, .groups = p->wide
    };
    const struct sk_conv project = { .channels = s->out, .kernel = 1 };
    char name[SK_ARCH_NAME];
    unsigned number = 0;
    int input = b->at;

    block_name(m, p, name);
    if (p->wide != p->in)
        add_unit(b, name, number++, &expand, s->act);
    add_unit(b, name, number++, &depthwise, s->act);
    if (s->has_squeeze)
        add_squeeze(b, m, p, name, number++);
    if (m->naming == FLAT_CONV) {
        sk_build_conv(b, &project, "%s.%u", name, number);
        sk_build_norm(b, "%s.%u", name, number + 1);
    } else {
        sk_build_conv(b, &project, "%s.%u.0", name, number);
        sk_build_norm(b, "%s.%u.1", name, number);
    }
    if (p->stride != 1 || p->in != s->out)
        return;
    if (m->drop_path > 0 && p->flat > 0)
        sk_build_dropout(b, m->drop_path * (float)p->flat / (float)count_blocks(m), true);
    sk_build_join(b, SK_NN_ADD, input);
}

static void build(const void *table, struct sk_nn *n, unsigned classes)
{
    const struct mobile *m = table;
    const struct sk_conv stem = { .channels = m->stem, .kernel = 3, .stride = 2 };
    const struct sk_conv last = { .channels = m->last, .kernel = 1 };
    struct sk_build b = { .nn = n, .eps = m->eps, .momentum = m->momentum };
    struct place p = { 0 };

    add_unit(&b, "features", 0, &stem, m->act);
    while (next_block(m, &p))
        add_block(&b, m, &p);
    add_unit(&b, "features", m->naming == STAGED ? p.stage_number + 2 : p.flat + 1, &last, m->act);
    sk_build_plain(&b, SK_NN_GLOBAL_POOL);
    sk_build_plain(&b, SK_NN_FLATTEN);
    if (m->hidden > 0) {
        sk_build_linear(&b, m->hidden, "classifier.0");
        sk_build_plain(&b, m->act);
    }
    sk_build_dropout(&b, dropout, false);
    sk_build_linear(&b, classes, m->hidden > 0 ? "classifier.3" : "classifier.1");
}

/* ---- timm's names ---- */

static void put_name(struct sk_buf *out, const char *prefix, const char *name)
{
    sk_buf_str(out, prefix);
    sk_buf_str(out, name);
    sk_buf_chr(out, '\0');
}

static void timm_block(const struct place *p, struct sk_buf *out)
{
    bool expands = p->wide != p->in;
    char prefix[SK_ARCH_NAME];

    (void)snprintf(prefix, sizeof prefix, "blocks.%u.%u.", p->stage_number, p->block_number);
    if (expands) {
        put_name(out, prefix, "conv_pw");
        put_name(out, prefix, "bn1");
    }
    put_name(out, prefix, "conv_dw");
    put_name(out, prefix, expands ? "bn2" : "bn1");
    if (p->stage->has_squeeze) {
        put_name(out, prefix, "se.conv_reduce");
        put_name(out, prefix, "se.conv_expand");
    }
    put_name(out, prefix, expands ? "conv_pwl" : "conv_pw");
    put_name(out, prefix, expands ? "bn3" : "bn2");
}

static void timm_names(const void *table, struct sk_buf *out)
{
    const struct mobile *m = table;
    struct place p = { 0 };

    put_name(out, "", "conv_stem");
    put_name(out, "", "bn1");
    while (next_block(m, &p))
        timm_block(&p, out);
    if (m->hidden > 0) { /* the last 1x1 is a stage, and the hidden layer a convolution */
        char prefix[SK_ARCH_NAME];

        (void)snprintf(prefix, sizeof prefix, "blocks.%u.0.", p.stage_number + 1);
        put_name(out, prefix, "conv");
        put_name(out, prefix, "bn1");
        put_name(out, "", "conv_head");
    } else {
        put_name(out, "", "conv_head");
        put_name(out, "", "bn2");
    }
    put_name(out, "", "classifier");
}

const struct sk_arch_body sk_body_mobilenet_v2 = { &v2, build, timm_names, SK_LINEAR_NORMAL };
const struct sk_arch_body sk_body_mobilenet_v3_small = { &v3_small, build, timm_names,
                                                         SK_LINEAR_NORMAL };
const struct sk_arch_body sk_body_efficientnet_b0 = { &b0, build, timm_names, SK_LINEAR_OUTPUTS };
