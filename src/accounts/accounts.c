/* accounts.c - made, ended, and the times of use written down. */
#include "accounts/accounts_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum {
    FLUSH_MAX = 256 /* tokens per transaction */
};

int sk_accounts_new(struct sk_store *store, struct sk_accounts **out, struct sk_err *err)
{
    struct sk_accounts *a = calloc(1, sizeof *a);
    if (!a)
        return sk_nomem(err);
    if (sk_random(&a->limiter.seed, sizeof a->limiter.seed, err) < 0) {
        free(a);
        return -1;
    }
    a->store = store;
    a->db = sk_store_db(store);
    a->device_ca = (struct sk_buf)SK_BUF_INIT(SK_DEVICE_CA_BYTES + 1);
    (void)pthread_mutex_init(&a->lock, NULL);
    *out = a;
    return 0;
}

void sk_accounts_free(struct sk_accounts *a)
{
    struct sk_err err = SK_ERR_INIT;
    if (!a)
        return;
    if (sk_accounts_flush(a, &err) < 0)
        sk_log(SK_DEBUG, "token_use_lost", "error=\"%s\"", err.text);
    sk_cache_done(&a->cache);
    sk_buf_done(&a->device_ca);
    (void)pthread_mutex_destroy(&a->lock);
    free(a);
}

struct use {
    char id[20];
    int64_t used_ms;
};

/* Takes up to FLUSH_MAX uses out of the cache; they count as written. */
static size_t take_uses(struct sk_accounts *a, struct use *uses)
{
    size_t count = 0;
    SK_LOCK(&a->lock);
    for (size_t b = 0; b < SK_CACHE_BUCKETS; b++) {
        for (struct sk_token_entry *e = a->cache.buckets[b]; e && count < FLUSH_MAX; e = e->next) {
            if (!e->is_dirty)
                continue;
            memcpy(uses[count].id, e->row.token.id, sizeof uses[count].id);
            uses[count++].used_ms = e->row.token.used_ms;
            e->is_dirty = false;
        }
    }
    sk_cache_sweep(&a->cache, sk_now_ms());
    return count;
}

int sk_accounts_flush(struct sk_accounts *a, struct sk_err *err)
{
    SK_OWN(free) struct use *uses = NULL;
    size_t count;
    do {
        uses = uses ? uses : calloc(FLUSH_MAX, sizeof *uses);
        if (!uses)
            return sk_nomem(err);
        count = take_uses(a, uses);
        if (count == 0)
            return 0;
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        if (sk_db_begin(a->db, SK_DB_WRITE, &tx, err) < 0)
            return -1;
        for (size_t i = 0; i < count; i++)
            if (sk_tx_run(tx, err, "UPDATE token SET used_ms = max(used_ms, ?2) WHERE id = ?1",
                          "si", uses[i].id, uses[i].used_ms) < 0)
                return -1;
        if (sk_tx_commit(&tx, err) < 0)
            return -1;
    } while (count == FLUSH_MAX);
    return 0;
}
