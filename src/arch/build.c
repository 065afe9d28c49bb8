/*
 * build.c - adds layers one behind the other, as the architectures' tables are read.
 *
 * sk_nn remembers the first failure, so nothing here looks at one.
 */
#include "arch/arch_priv.h"

#include <stdarg.h>
#include <stdio.h>

static void add(struct sk_build *b, struct sk_nn_layer layer)
{
    layer.in[0] = b->at;
    b->at = sk_nn_add(b->nn, &layer);
}

void sk_build_conv(struct sk_build *b, const struct sk_conv *conv, const char *fmt, ...)
{
    char name[SK_ARCH_NAME];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(name, sizeof name, fmt, args);
    va_end(args);
    add(b, (struct sk_nn_layer){ .kind = SK_NN_CONV,
                                 .name = name,
                                 .channels = conv->channels,
                                 .kernel = conv->kernel,
                                 .stride = conv->stride,
                                 .padding = conv->kernel / 2,
                                 .groups = conv->groups,
                                 .bias = conv->bias });
}

void sk_build_norm(struct sk_build *b, const char *fmt, ...)
{
    char name[SK_ARCH_NAME];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(name, sizeof name, fmt, args);
    va_end(args);
    add(b, (struct sk_nn_layer){
               .kind = SK_NN_BATCH_NORM, .name = name, .eps = b->eps, .momentum = b->momentum });
}

void sk_build_linear(struct sk_build *b, unsigned outputs, const char *name)
{
    add(b, (struct sk_nn_layer){
               .kind = SK_NN_LINEAR, .name = name, .channels = outputs, .bias = true });
}

void sk_build_plain(struct sk_build *b, enum sk_nn_kind kind)
{
    add(b, (struct sk_nn_layer){ .kind = kind });
}

void sk_build_join(struct sk_build *b, enum sk_nn_kind kind, int other)
{
    add(b, (struct sk_nn_layer){ .kind = kind, .in = { 0, other } });
}

void sk_build_dropout(struct sk_build *b, float rate, bool per_sample)
{
    add(b, (struct sk_nn_layer){ .kind = SK_NN_DROPOUT, .rate = rate, .per_sample = per_sample });
}
