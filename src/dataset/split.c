/*
 * split.c - which samples train and which validate.
 *
 * Each class is drawn from by itself, with a stream of numbers of its own, so the choice in one
 * class does not depend on the others.
 */
#include "dataset/dataset_priv.h"

#include <math.h>
#include <stdlib.h>

void sk_indices_done(struct sk_indices *i)
{
    free(i->items);
    *i = (struct sk_indices){ 0 };
}

static int make_room(struct sk_indices *i, size_t count, struct sk_err *err)
{
    i->items = calloc(count > 0 ? count : 1, sizeof *i->items);
    return i->items ? 0 : sk_nomem(err);
}

int sk_dataset_all(const struct sk_dataset *d, struct sk_indices *out, struct sk_err *err)
{
    struct sk_indices all = { 0 };

    if (make_room(&all, d->count, err) < 0)
        return -1;
    for (; all.count < d->count; all.count++)
        all.items[all.count] = (uint32_t)all.count;
    *out = all;
    return 0;
}

/* Of n pictures. */
static size_t share(double fraction, size_t n)
{
    double wanted = round(fraction * (double)n);

    if (n < 2)
        return 0;
    return wanted < 1 ? 1 : wanted > (double)(n - 1) ? n - 1 : (size_t)wanted;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

int sk_dataset_split(const struct sk_dataset *d, double fraction, uint64_t seed,
                     struct sk_indices *train, struct sk_indices *val, struct sk_err *err)
{
    SK_AUTO(sk_indices_done) struct sk_indices kept = { 0 };
    SK_AUTO(sk_indices_done) struct sk_indices taken = { 0 };
    SK_AUTO(sk_indices_done) struct sk_indices class = { 0 };

    if (!(fraction > 0 && fraction < 1))
        return sk_fail(err, SK_INVALID, "a share of %g for validation is not between 0 and 1",
                       fraction);
    if (make_room(&kept, d->count, err) < 0 || make_room(&taken, d->count, err) < 0 ||
        make_room(&class, d->count, err) < 0)
        return -1;
    for (size_t i = 0; i < d->count;) {
        const uint32_t label = d->samples[i].label;
        struct sk_rng rng = sk_rng_of(seed, SK_RNG_SPLIT, label, 0);
        class.count = 0;
        for (; i < d->count && d->samples[i].label == label; i++)
            class.items[class.count++] = (uint32_t)i;
        sk_rng_shuffle(&rng, class.items, class.count);
        const size_t n = share(fraction, class.count);
        for (size_t k = 0; k < class.count; k++) {
            struct sk_indices *to = k < n ? &taken : &kept;
            to->items[to->count++] = class.items[k];
        }
    }
    if (kept.count > 0)
        qsort(kept.items, kept.count, sizeof *kept.items, by_number);
    if (taken.count > 0)
        qsort(taken.items, taken.count, sizeof *taken.items, by_number);
    *train = kept;
    *val = taken;
    kept = taken = (struct sk_indices){ 0 };
    return 0;
}
