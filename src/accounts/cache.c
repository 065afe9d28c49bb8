/*
 * cache.c - tokens as they were last read, and when they were used since.
 *
 * Only tokens that exist are here, so strangers cannot fill it. An entry is good for
 * SK_CACHE_FRESH_MS; an older one is read again by the caller, and put replaces it but keeps a
 * later time of use, which is not yet written down.
 */
#include "accounts/accounts_priv.h"

#include <stdlib.h>
#include <string.h>

/* Ids are random hex: two digits are a bucket. */
static size_t bucket_of(const char *id)
{
    size_t n = 0;
    for (int i = 0; i < 2; i++)
        n = n * 16 + (size_t)(id[i] <= '9' ? id[i] - '0' : id[i] - 'a' + 10) % 16;
    return n % SK_CACHE_BUCKETS;
}

static struct sk_token_entry **place_of(struct sk_token_cache *c, const char *id)
{
    struct sk_token_entry **p = &c->buckets[bucket_of(id)];
    while (*p && strcmp((*p)->row.token.id, id) != 0)
        p = &(*p)->next;
    return p;
}

struct sk_token_entry *sk_cache_find(struct sk_token_cache *c, const char *id, uint64_t now_ms)
{
    struct sk_token_entry *e = *place_of(c, id);
    if (!e || now_ms - e->read_ms >= SK_CACHE_FRESH_MS)
        return NULL;
    e->asked_ms = now_ms;
    return e;
}

void sk_cache_put(struct sk_token_cache *c, const struct sk_token_row *row, uint64_t now_ms)
{
    struct sk_token_entry **p = place_of(c, row->token.id);
    struct sk_token_entry *e = *p;
    if (!e) {
        e = c->count < SK_CACHE_MAX ? calloc(1, sizeof *e) : NULL;
        if (!e)
            return;
        *p = e;
        c->count++;
    }
    /* Also one that is being written just now, and so is no longer dirty. */
    int64_t used_ms = e->row.token.used_ms;
    e->row = *row;
    if (e->row.token.used_ms < used_ms)
        e->row.token.used_ms = used_ms;
    e->read_ms = e->asked_ms = now_ms;
}

void sk_cache_used(struct sk_token_cache *c, const char *id, int64_t wall_ms)
{
    struct sk_token_entry *e = *place_of(c, id);
    if (!e)
        return;
    e->row.token.used_ms = wall_ms;
    e->is_dirty = true;
}

int64_t sk_cache_last_use(struct sk_token_cache *c, const char *id)
{
    const struct sk_token_entry *e = *place_of(c, id);
    return e ? e->row.token.used_ms : 0;
}

void sk_cache_forget(struct sk_token_cache *c, const char *id)
{
    struct sk_token_entry **p = place_of(c, id), *e = *p;
    if (!e)
        return;
    *p = e->next;
    free(e);
    c->count--;
}

void sk_cache_sweep(struct sk_token_cache *c, uint64_t now_ms)
{
    for (size_t b = 0; b < SK_CACHE_BUCKETS; b++) {
        for (struct sk_token_entry **p = &c->buckets[b], *e; (e = *p) != NULL;) {
            if (e->is_dirty || now_ms - e->asked_ms < SK_CACHE_KEEP_MS) {
                p = &e->next;
                continue;
            }
            *p = e->next;
            free(e);
            c->count--;
        }
    }
}

void sk_cache_done(struct sk_token_cache *c)
{
    for (size_t b = 0; b < SK_CACHE_BUCKETS; b++) {
        while (c->buckets[b]) {
            struct sk_token_entry *e = c->buckets[b];
            c->buckets[b] = e->next;
            free(e);
        }
    }
    c->count = 0;
}
