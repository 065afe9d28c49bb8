/*
 * live.c - identity -> connection: an open table of row ids, linear probing, at most half full.
 *
 * An entry holds no names: a device's hash is enough to find a device's modules. Who is found by
 * mistake loses a connection, and comes back.
 */
#include "gateway/gateway_priv.h"

#include "base/mix64.h"

#include <stdlib.h>
#include <string.h>

enum {
    FIRST_SIZE = 256
};

static uint64_t hash_of(const char *device)
{
    uint64_t h = 0;
    for (const char *p = device; *p; p++)
        h = sk_mix64(h ^ (unsigned char)*p);
    return h;
}

static size_t place_of(const struct sk_live *l, int64_t identity)
{
    size_t i = sk_mix64((uint64_t)identity) & (l->size - 1);
    while (l->table[i].identity != 0 && l->table[i].identity != identity)
        i = (i + 1) & (l->size - 1);
    return i;
}

int sk_live_init(struct sk_live *l, struct sk_err *err)
{
    l->table = calloc(FIRST_SIZE, sizeof *l->table);
    if (!l->table)
        return sk_nomem(err);
    l->size = FIRST_SIZE;
    l->count = 0;
    (void)pthread_mutex_init(&l->lock, NULL);
    return 0;
}

void sk_live_done(struct sk_live *l)
{
    if (!l->table)
        return;
    free(l->table);
    l->table = NULL;
    (void)pthread_mutex_destroy(&l->lock);
}

static int grow(struct sk_live *l, struct sk_err *err)
{
    struct sk_live bigger = { .size = l->size * 2 };
    bigger.table = calloc(bigger.size, sizeof *bigger.table);
    if (!bigger.table)
        return sk_nomem(err);
    for (size_t i = 0; i < l->size; i++)
        if (l->table[i].identity != 0)
            bigger.table[place_of(&bigger, l->table[i].identity)] = l->table[i];
    free(l->table);
    l->table = bigger.table;
    l->size = bigger.size;
    return 0;
}

int sk_live_put(struct sk_live *l, int64_t identity, const char *device, struct sk_mqtt_ref ref,
                bool *had_old, struct sk_mqtt_ref *old, struct sk_err *err)
{
    SK_LOCK(&l->lock);
    if ((l->count + 1) * 2 > l->size && grow(l, err) < 0)
        return -1;
    struct sk_live_entry *e = &l->table[place_of(l, identity)];
    *had_old = e->identity != 0;
    if (*had_old)
        *old = e->ref;
    else
        l->count++;
    *e = (struct sk_live_entry){ .identity = identity, .ref = ref, .device_hash = hash_of(device) };
    return 0;
}

bool sk_live_find(struct sk_live *l, int64_t identity, struct sk_mqtt_ref *out)
{
    SK_LOCK(&l->lock);
    const struct sk_live_entry *e = &l->table[place_of(l, identity)];
    if (e->identity == 0)
        return false;
    *out = e->ref;
    return true;
}

static bool is_same(struct sk_mqtt_ref a, struct sk_mqtt_ref b)
{
    return a.loop == b.loop && a.slot == b.slot && a.serial == b.serial;
}

bool sk_live_remove(struct sk_live *l, int64_t identity, struct sk_mqtt_ref ref)
{
    SK_LOCK(&l->lock);
    size_t i = place_of(l, identity);
    if (l->table[i].identity == 0 || !is_same(l->table[i].ref, ref))
        return false;
    l->table[i].identity = 0;
    l->count--;
    /* Those behind it, up to the next gap, may have been put there because this place was taken. */
    for (size_t k = (i + 1) & (l->size - 1); l->table[k].identity != 0;
         k = (k + 1) & (l->size - 1)) {
        struct sk_live_entry moved = l->table[k];
        l->table[k].identity = 0;
        l->table[place_of(l, moved.identity)] = moved;
    }
    return true;
}

size_t sk_live_of_device(struct sk_live *l, const char *device, struct sk_mqtt_ref *out, size_t max)
{
    const uint64_t hash = hash_of(device);
    size_t found = 0;
    SK_LOCK(&l->lock);
    for (size_t i = 0; i < l->size && found < max; i++)
        if (l->table[i].identity != 0 && l->table[i].device_hash == hash)
            out[found++] = l->table[i].ref;
    return found;
}

int sk_live_all(struct sk_live *l, struct sk_mqtt_ref **out, size_t *count, struct sk_err *err)
{
    SK_LOCK(&l->lock);
    struct sk_mqtt_ref *refs = calloc(l->count ? l->count : 1, sizeof *refs);
    if (!refs)
        return sk_nomem(err);
    *count = 0;
    for (size_t i = 0; i < l->size; i++)
        if (l->table[i].identity != 0)
            refs[(*count)++] = l->table[i].ref;
    *out = refs;
    return 0;
}

size_t sk_live_count(struct sk_live *l)
{
    SK_LOCK(&l->lock);
    return l->count;
}
