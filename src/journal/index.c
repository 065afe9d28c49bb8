/*
 * index.c - the records of one segment by key, in memory.
 *
 * A record knows the one before it with the same key, a key its last one; so the newest of a key
 * cost nothing to find, and what is asked for is walked from the newest on. Memory is reserved
 * before a group is written, so that adding what is on the disk cannot fail.
 */
#include "journal/journal_priv.h"

#include "base/mix64.h"

#include <stdlib.h>
#include <string.h>

enum {
    LEAST = 64
};

struct sk_index *sk_index_new(struct sk_err *err)
{
    struct sk_index *x = calloc(1, sizeof *x);

    if (!x) {
        (void)sk_nomem(err);
        return NULL;
    }
    x->min_ms = INT64_MAX;
    x->max_ms = INT64_MIN;
    return x;
}

void sk_index_free(struct sk_index *x)
{
    if (!x)
        return;
    free(x->records);
    free(x->keys);
    free(x->slots);
    free(x->text);
    free(x);
}

static uint64_t hash_of(struct sk_view key)
{
    uint64_t h = key.len;

    for (size_t at = 0; at < key.len; at += 8) {
        uint64_t word = 0;
        memcpy(&word, key.ptr + at, key.len - at < 8 ? key.len - at : 8);
        h = sk_mix64(h ^ word);
    }
    return h;
}

/* Doubles until `need` fit. */
static int grow(void **array, size_t *cap, size_t need, size_t each, struct sk_err *err)
{
    size_t more = *cap ? *cap : LEAST;

    if (need <= *cap)
        return 0;
    while (more < need)
        more *= 2;
    void *bigger = reallocarray(*array, more, each);
    if (!bigger)
        return sk_nomem(err);
    *array = bigger;
    *cap = more;
    return 0;
}

static int rehash(struct sk_index *x, size_t need, struct sk_err *err)
{
    size_t more = x->slot_count ? x->slot_count : LEAST;

    if (need * 2 <= x->slot_count)
        return 0;
    while (more < need * 2)
        more *= 2;
    uint32_t *slots = calloc(more, sizeof *slots);
    if (!slots)
        return sk_nomem(err);
    for (size_t k = 0; k < x->key_count; k++) {
        size_t at = x->keys[k].hash & (more - 1);
        while (slots[at])
            at = (at + 1) & (more - 1);
        slots[at] = (uint32_t)k + 1;
    }
    free(x->slots);
    x->slots = slots;
    x->slot_count = more;
    return 0;
}

int sk_index_reserve(struct sk_index *x, size_t records, size_t text, struct sk_err *err)
{
    void *array = x->records;
    int rc = grow(&array, &x->cap, x->count + records, sizeof *x->records, err);
    x->records = array;
    if (rc < 0)
        return -1;
    array = x->keys;
    rc = grow(&array, &x->key_cap, x->key_count + records, sizeof *x->keys, err);
    x->keys = array;
    if (rc < 0)
        return -1;
    array = x->text;
    rc = grow(&array, &x->text_cap, x->text_len + text, 1, err);
    x->text = array;
    return rc < 0 ? -1 : rehash(x, x->key_count + records, err);
}

/* The slot of the key, or the empty one where it belongs. */
static size_t slot_of(const struct sk_index *x, struct sk_view key, uint64_t hash)
{
    size_t at = hash & (x->slot_count - 1);

    for (; x->slots[at]; at = (at + 1) & (x->slot_count - 1)) {
        const struct sk_index_key *k = &x->keys[x->slots[at] - 1];
        if (k->hash == hash && k->len == key.len &&
            (key.len == 0 || memcmp(x->text + k->text, key.ptr, key.len) == 0))
            break;
    }
    return at;
}

void sk_index_add(struct sk_index *x, struct sk_view key, int64_t time_ms, uint32_t offset,
                  uint32_t rel)
{
    uint64_t hash = hash_of(key);
    uint32_t *slot = &x->slots[slot_of(x, key, hash)];

    if (!*slot) {
        x->keys[x->key_count++] = (struct sk_index_key){ .hash = hash,
                                                         .text = (uint32_t)x->text_len,
                                                         .len = (uint32_t)key.len };
        if (key.len)
            memcpy(x->text + x->text_len, key.ptr, key.len);
        x->text_len += key.len;
        *slot = (uint32_t)x->key_count;
    }
    struct sk_index_key *k = &x->keys[*slot - 1];
    x->records[x->count++] = (struct sk_index_record){
        .offset = offset, .rel = rel, .prev = k->last, .key = *slot - 1
    };
    k->last = (uint32_t)x->count;
    k->count++;
    if (time_ms < x->min_ms)
        x->min_ms = time_ms;
    if (time_ms > x->max_ms)
        x->max_ms = time_ms;
}

int sk_places_reserve(struct sk_places *p, size_t count, struct sk_err *err)
{
    void *array = p->at;
    int rc = grow(&array, &p->cap, count, sizeof *p->at, err);

    p->at = array;
    return rc;
}

static int by_rel(const void *a, const void *b)
{
    const struct sk_place *x = a, *y = b;

    return (x->rel > y->rel) - (x->rel < y->rel);
}

void sk_places_sort(struct sk_places *p)
{
    if (p->count > 1)
        qsort(p->at, p->count, sizeof *p->at, by_rel);
}

/* Adds those of one key. */
static int list_key(const struct sk_index *x, const struct sk_index_key *k,
                    const struct sk_want *want, struct sk_places *out, struct sk_err *err)
{
    for (uint32_t i = k->last; i; i = x->records[i - 1].prev) {
        const struct sk_index_record *r = &x->records[i - 1];
        if (r->rel < want->from)
            break;
        if (r->rel > want->until)
            continue;
        if (sk_places_reserve(out, out->count + 1, err) < 0)
            return -1;
        out->at[out->count++] = (struct sk_place){ r->offset, r->rel };
    }
    return 0;
}

/* The first record that is at least rel. */
static size_t lower_bound(const struct sk_index *x, uint64_t rel)
{
    size_t low = 0, high = x->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (x->records[middle].rel < rel)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int list_all(const struct sk_index *x, const struct sk_want *want, struct sk_places *out,
                    struct sk_err *err)
{
    size_t from = lower_bound(x, want->from), until = lower_bound(x, (uint64_t)want->until + 1);

    if (until < from)
        until = from;
    out->is_cut = until - from > SK_PLACES_MAX;
    if (out->is_cut && want->is_backwards)
        from = until - SK_PLACES_MAX;
    else if (out->is_cut)
        until = from + SK_PLACES_MAX;
    if (sk_places_reserve(out, until - from, err) < 0)
        return -1;
    for (size_t i = from; i < until; i++)
        out->at[out->count++] = (struct sk_place){ x->records[i].offset, x->records[i].rel };
    return 0;
}

int sk_index_list(const struct sk_index *x, const struct sk_want *want, struct sk_places *out,
                  struct sk_err *err)
{
    out->count = 0;
    out->is_cut = false;
    if (want->key.len == 0)
        return list_all(x, want, out, err);
    for (size_t i = 0; want->is_prefix && i < x->key_count; i++) {
        const struct sk_index_key *k = &x->keys[i];
        if (k->len >= want->key.len &&
            memcmp(x->text + k->text, want->key.ptr, want->key.len) == 0 &&
            list_key(x, k, want, out, err) < 0)
            return -1;
    }
    if (!want->is_prefix && x->slot_count) {
        uint32_t slot = x->slots[slot_of(x, want->key, hash_of(want->key))];
        if (slot && list_key(x, &x->keys[slot - 1], want, out, err) < 0)
            return -1;
    }
    sk_places_sort(out);
    return 0;
}
