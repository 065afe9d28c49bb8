/*
 * archs.c - the architectures, one row each.
 */
#include "arch/arch_priv.h"

#include "base/limits.h"

#include <string.h>

static const struct sk_arch rows[] = {
    { "resnet18", "fc", "timm/resnet18.tv_in1k", 1, &sk_body_resnet18 },
    { "resnet34", "fc", "timm/resnet34.tv_in1k", 1, &sk_body_resnet34 },
    { "resnet50", "fc", "timm/resnet50.tv_in1k", 1, &sk_body_resnet50 },
    { "mobilenet_v2", "classifier.1", "timm/mobilenetv2_100.ra_in1k", 1, &sk_body_mobilenet_v2 },
    { "mobilenet_v3_small", "classifier.3", "timm/mobilenetv3_small_100.lamb_in1k", 1,
      &sk_body_mobilenet_v3_small },
    { "efficientnet_b0", "classifier.1", "timm/efficientnet_b0.ra_in1k", 1,
      &sk_body_efficientnet_b0 },
};

static const struct sk_arch *const list[] = { &rows[0], &rows[1], &rows[2], &rows[3],
                                              &rows[4], &rows[5], NULL };

const struct sk_arch *const *sk_archs(void)
{
    return list;
}

const struct sk_arch *sk_arch_find(const char *name)
{
    for (const struct sk_arch *const *a = list; *a; a++)
        if (strcmp((*a)->name, name) == 0)
            return *a;
    return NULL;
}

const char *sk_arch_names(void)
{
    return "resnet18, resnet34, resnet50, mobilenet_v2, mobilenet_v3_small, efficientnet_b0";
}

int sk_arch_new(const struct sk_arch *a, unsigned classes, unsigned side, uint64_t seed,
                struct sk_nn **out, struct sk_err *err)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = NULL;

    if (side < a->min_side || side > SK_LIMIT_SIDE)
        return sk_fail(err, SK_INVALID, "%s takes pictures of %u to %u pixels a side, not %u",
                       a->name, a->min_side, SK_LIMIT_SIDE, side);
    if (classes < 1 || classes > SK_LIMIT_LABELS)
        return sk_fail(err, SK_INVALID, "a classifier has 1 to %u classes, not %u", SK_LIMIT_LABELS,
                       classes);
    if (sk_nn_new(3, side, side, &n, err) < 0)
        return -1;
    a->body->build(a->body->table, n, classes);
    if (sk_nn_finish(n, err) < 0)
        return sk_wrap(err, "%s", a->name);
    sk_arch_init(n, a->body->linear, seed);
    *out = SK_TAKE(n);
    return 0;
}
