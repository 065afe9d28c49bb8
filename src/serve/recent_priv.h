/*
 * recent_priv.h - the requests of the last two minutes: how many, how many failed, how long they
 * took. For those who compare two versions of a model while they run.
 *
 * Threads: any.
 */
#ifndef SK_SERVE_RECENT_PRIV_H
#define SK_SERVE_RECENT_PRIV_H

#include <pthread.h>
#include <stdint.h>

enum {
    SK_RECENT_SLOTS = 25, /* one of them is being filled */
    SK_RECENT_SLOT_MS = 5000,
    SK_RECENT_BUCKETS = 434 /* see recent.c */
};

struct sk_recent_slot {
    uint64_t turn; /* time / SK_RECENT_SLOT_MS of what it holds */
    uint32_t requests, errors;
    uint32_t buckets[SK_RECENT_BUCKETS];
};

struct sk_recent {
    pthread_mutex_t mutex; /* guards slots */
    struct sk_recent_slot slots[SK_RECENT_SLOTS];
};

void sk_recent_init(struct sk_recent *r);
void sk_recent_done(struct sk_recent *r);
/* now_ms: monotonic. An answer of 500 or more is an error. */
void sk_recent_add(struct sk_recent *r, uint64_t now_ms, int status, uint64_t took_ns);

struct sk_recent_sums {
    uint64_t requests, errors;
    double p50_ms, p99_ms; /* within 4 %; 0: no requests */
};

void sk_recent_sum(struct sk_recent *r, uint64_t now_ms, struct sk_recent_sums *out);

#endif
