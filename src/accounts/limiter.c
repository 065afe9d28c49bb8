/*
 * limiter.c - failures per peer address, in a table of fixed size.
 *
 * Each failure costs SK_AUTH_REFILL_MS. A slot holds the time at which all of its peer's failures
 * are paid; a peer whose account lies SK_AUTH_BURST failures ahead of now has to wait. So a slot
 * whose time has passed is as good as empty, and nothing has to be cleaned up.
 *
 * A peer has SK_LIMITER_WAYS places, chosen by a seeded hash; a new one takes the place that is
 * paid first. Who has many addresses can push others out, which costs those nothing.
 */
#include "accounts/accounts_priv.h"

#include "base/mix64.h"

#include <arpa/inet.h>
#include <string.h>

enum {
    SETS = SK_AUTH_PEERS / SK_LIMITER_WAYS
};

void sk_limiter_key(const char *peer, unsigned char out[16])
{
    static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    char text[64];
    unsigned char address[16];
    bool is_v6 = peer[0] == '[';
    const char *end = is_v6 ? strchr(peer, ']') : strrchr(peer, ':');
    const char *start = is_v6 ? peer + 1 : peer;
    size_t len = end ? (size_t)(end - start) : strlen(start);

    memset(out, 0, 16);
    if (len >= sizeof text)
        return;
    memcpy(text, start, len);
    text[len] = '\0';
    if (inet_pton(AF_INET, text, address) == 1) {
        memcpy(out, mapped, sizeof mapped);
        memcpy(out + 12, address, 4);
    } else if (inet_pton(AF_INET6, text, address) == 1) {
        bool is_mapped = memcmp(address, mapped, sizeof mapped) == 0;
        memcpy(out, address, is_mapped ? 16 : 8);
    }
}

static size_t set_of(const struct sk_limiter *l, const unsigned char key[16])
{
    uint64_t halves[2];
    memcpy(halves, key, sizeof halves);
    uint64_t h = sk_mix64(halves[0] ^ l->seed);
    return (size_t)(sk_mix64(h ^ halves[1]) % SETS) * SK_LIMITER_WAYS;
}

/* The peer's slot, -1: none. */
static int find(const struct sk_limiter *l, const unsigned char key[16])
{
    size_t first = set_of(l, key);
    for (size_t i = first; i < first + SK_LIMITER_WAYS; i++)
        if (l->slots[i].paid_ms > 0 && memcmp(l->slots[i].peer, key, 16) == 0)
            return (int)i;
    return -1;
}

/* Seconds until one more failure fits an account that is paid at paid_ms. */
static unsigned wait_of(uint64_t paid_ms, uint64_t now_ms)
{
    uint64_t from = paid_ms > now_ms ? paid_ms : now_ms;
    uint64_t after = from + SK_AUTH_REFILL_MS;
    uint64_t limit = now_ms + (uint64_t)SK_AUTH_BURST * SK_AUTH_REFILL_MS;
    return after > limit ? (unsigned)((after - limit + 999) / 1000) : 0;
}

unsigned sk_limiter_wait(const struct sk_limiter *l, const char *peer, uint64_t now_ms)
{
    unsigned char key[16];
    sk_limiter_key(peer, key);
    int i = find(l, key);
    return i < 0 ? 0 : wait_of(l->slots[i].paid_ms, now_ms);
}

unsigned sk_limiter_fail(struct sk_limiter *l, const char *peer, uint64_t now_ms)
{
    unsigned char key[16];
    sk_limiter_key(peer, key);
    int i = find(l, key);
    if (i < 0) {
        size_t first = set_of(l, key), best = first;
        for (size_t k = first; k < first + SK_LIMITER_WAYS; k++)
            if (l->slots[k].paid_ms < l->slots[best].paid_ms)
                best = k;
        i = (int)best;
        memcpy(l->slots[i].peer, key, 16);
        l->slots[i].paid_ms = now_ms;
    }
    struct sk_limiter_slot *s = &l->slots[i];
    unsigned wait = wait_of(s->paid_ms, now_ms);
    if (wait > 0)
        return wait;
    s->paid_ms = (s->paid_ms > now_ms ? s->paid_ms : now_ms) + SK_AUTH_REFILL_MS;
    return 0;
}
