/*
 * put.c - a message into one or more queues.
 *
 * It is copied into the group that waits in each journal. The last of them to be told tells the
 * putter, with the first failure if there was one.
 */
#include "spool/spool_priv.h"

#include <string.h>

struct put {
    struct sk_spool *s;
    void (*done)(void *ctx, const struct sk_err *failed);
    void *ctx;
    atomic_uint left; /* that have not been told, and the putter itself */
    atomic_flag has_failed;
    bool is_failed;
    struct sk_err err; /* of the first that failed */

    struct part {
        struct put *put;
        struct sk_queue *queue;
        struct sk_endpoint *endpoint; /* a reference */
    } parts[];
};

static void release(struct put *p)
{
    if (atomic_fetch_sub(&p->left, 1) != 1)
        return;
    if (p->is_failed && p->err.code == SK_FULL)
        (void)atomic_fetch_add(&p->s->refused, 1);
    if (p->done)
        p->done(p->ctx, p->is_failed ? &p->err : NULL);
    free(p);
}

static void fail_put(struct put *p, const struct sk_err *failed)
{
    if (atomic_flag_test_and_set(&p->has_failed))
        return;
    p->err = *failed;
    p->is_failed = true;
}

static void told(void *ctx, uint64_t seq, const struct sk_err *failed)
{
    struct part *part = ctx;
    struct put *p = part->put;

    (void)seq;
    if (failed) {
        sk_budget_settle(part->queue, failed->code == SK_FULL);
        fail_put(p, failed);
    }
    sk_endpoint_unref(part->endpoint);
    release(p);
}

/* ---- */

static int check(const struct sk_spool_message *m, const struct sk_spool_target *targets,
                 size_t count, struct sk_err *err)
{
    size_t len = SK_SPOOL_HEAD;

    if (count == 0 || count > SK_SPOOL_TARGETS_MAX)
        return sk_fail(err, SK_INVALID, "spool: %zu targets; 1 to %d are possible", count,
                       SK_SPOOL_TARGETS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (targets[i].priority >= SK_SPOOL_PRIORITIES)
            return sk_fail(err, SK_INVALID, "spool: priority %u; 0 to %d are possible",
                           targets[i].priority, SK_SPOOL_PRIORITIES - 1);
    }
    if (m->key.len > UINT16_MAX || !sk_add_size(len, m->key.len, &len) ||
        !sk_add_size(len, m->bag.len, &len) || !sk_add_size(len, m->body.len, &len) ||
        len > SK_JOURNAL_RECORD_MAX)
        return sk_fail(err, SK_TOO_LARGE,
                       "spool: a message of %zu bytes, with a key of %zu and properties of %zu, "
                       "exceeds %d",
                       m->body.len, m->key.len, m->bag.len, SK_JOURNAL_RECORD_MAX);
    return 0;
}

static void *append(void *to, struct sk_view v)
{
    if (v.len)
        memcpy(to, v.ptr, v.len);
    return (char *)to + v.len;
}

/* The record behind a header's space. */
static uint8_t *compose(const struct sk_spool_message *m, size_t *len, struct sk_err *err)
{
    *len = SK_SPOOL_HEAD + m->key.len + m->bag.len + m->body.len;
    uint8_t *bytes = malloc(*len);
    if (!bytes) {
        (void)sk_nomem(err);
        return NULL;
    }
    void *to = append(bytes + SK_SPOOL_HEAD, m->key);
    (void)append(append(to, m->bag), m->body);
    return bytes;
}

static int put_one(struct part *part, const struct sk_spool_target *t,
                   const struct sk_spool_record *head, int64_t time_ms, struct sk_view bytes,
                   struct sk_err *err)
{
    struct sk_spool *s = part->put->s;
    struct sk_spool_record r = *head;
    struct sk_journal *j;
    uint8_t start[SK_SPOOL_HEAD];

    if (sk_endpoint_get(s, t->endpoint, true, &part->endpoint, err) < 0)
        return -1;
    if (sk_endpoint_queue(s, part->endpoint, t->priority, &part->queue, err) < 0 ||
        sk_queue_pin(part->queue, &j, err) < 0) {
        sk_endpoint_unref(part->endpoint);
        return -1;
    }
    r.has_expiry = t->expires_ms != 0;
    r.expires_ms = t->expires_ms;
    size_t head_len = sk_spool_head_write(start, &r), skipped = SK_SPOOL_HEAD - head_len;
    /* The space in front is ours. */
    memcpy((uint8_t *)(uintptr_t)bytes.ptr + skipped, start, head_len);
    const struct sk_journal_record record = {
        .time_ms = time_ms,
        .body = { bytes.ptr + skipped, bytes.len - skipped },
        .done = told,
        .ctx = part,
    };
    int rc = sk_journal_append(j, &record, err);
    sk_queue_unpin(part->queue);
    if (rc < 0)
        sk_endpoint_unref(part->endpoint);
    return rc;
}

int sk_spool_put(struct sk_spool *s, const struct sk_spool_message *m,
                 const struct sk_spool_target *targets, size_t count, struct sk_err *err)
{
    size_t len;

    if (check(m, targets, count, err) < 0)
        return -1;
    SK_OWN(free) uint8_t *bytes = compose(m, &len, err);
    struct put *p = bytes ? calloc(1, sizeof *p + count * sizeof p->parts[0]) : NULL;
    if (!p)
        return sk_nomem(err);
    struct sk_spool_now now = sk_spool_now((int64_t)sk_spool_clocks.wall_ms());
    const struct sk_spool_record head = { .key = m->key,
                                          .bag = m->bag,
                                          .was_synced = now.is_synced,
                                          .boot = now.boot,
                                          .boot_ms = now.boot_ms };
    p->s = s;
    p->done = m->done;
    p->ctx = m->ctx;
    atomic_init(&p->left, (unsigned)count + 1);
    atomic_flag_clear(&p->has_failed);
    for (size_t i = 0; i < count; i++) {
        p->parts[i].put = p;
        if (put_one(&p->parts[i], &targets[i], &head, m->time_ms ? m->time_ms : now.wall_ms,
                    (struct sk_view){ (const char *)bytes, len }, err) == 0)
            continue;
        /* As a whole: those before it tell nobody. */
        p->done = NULL;
        if (err->code == SK_FULL)
            fail_put(p, err);
        for (size_t left = count - i + 1; left > 0; left--)
            release(p);
        return -1;
    }
    release(p);
    return 0;
}
