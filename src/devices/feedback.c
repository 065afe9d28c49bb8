/*
 * feedback.c - what became of messages, for those who sent them.
 *
 * Records wait in a table until somebody takes a batch under a lock and completes it. A lock ends
 * by itself, and the records are given out again. The oldest go when there are too many, or after
 * two days.
 */
#include "devices/devices_priv.h"

#include "base/clock.h"
#include "crypto/crypto.h"

#include <stdio.h>
#include <string.h>

static bool is_wanted(const char *ack, bool is_good)
{
    return strcmp(ack, "full") == 0 || strcmp(ack, is_good ? "positive" : "negative") == 0;
}

static void add_member(struct sk_buf *out, const char *key, const char *text)
{
    sk_buf_str(out, out->len > 0 ? ",\"" : "{\"");
    sk_buf_str(out, key);
    sk_buf_str(out, "\":");
    sk_buf_json_str(out, text);
}

int sk_feedback_add(struct sk_tx *tx, const char *ack, const char *description,
                    const char *message_id, const char *device, const char *generation,
                    struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf record = SK_BUF_INIT(8192);
    char at[SK_TIME_TEXT];
    int64_t now_ms = (int64_t)sk_wall_ms();
    if (!is_wanted(ack, strcmp(description, "Success") == 0))
        return 0;
    sk_time_text((uint64_t)now_ms, at);
    add_member(&record, "originalMessageId", message_id);
    add_member(&record, "description", description);
    add_member(&record, "deviceGenerationId", generation);
    add_member(&record, "deviceId", device);
    add_member(&record, "enqueuedTimeUtc", at);
    add_member(&record, "statusCode", description);
    sk_buf_chr(&record, '}');
    if (!sk_buf_ok(&record))
        return sk_buf_fail(&record, err);
    if (sk_tx_run(tx, err, "INSERT INTO feedback(at_ms, record) VALUES(?1, ?2)", "is", now_ms,
                  record.data) < 0)
        return -1;
    return sk_tx_run(tx, err, "DELETE FROM feedback WHERE id <= ?1", "i",
                     sk_tx_last_id(tx) - SK_FEEDBACK_MAX);
}

/* ---- taking ---- */

struct batch {
    const char *token;
    struct sk_buf *out;
    size_t start; /* of out, should the change run again */
    bool is_empty;
};

/* The records that are free, as an array; *last: the id of the last one. */
static int list_free(struct sk_change *c, int64_t now_ms, struct batch *b, int64_t *last,
                     struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int more;
    if (sk_tx_query(c->tx, &s, err,
                    "SELECT id, record FROM feedback WHERE locked_ms <= ?1 AND at_ms > ?2 "
                    "ORDER BY id LIMIT ?3",
                    "iii", now_ms, now_ms - sk_down_life_max_ms, (int64_t)SK_FEEDBACK_BATCH) < 0)
        return -1;
    while ((more = sk_stmt_next(s, err)) == 1) {
        sk_buf_chr(b->out, b->is_empty ? '[' : ',');
        b->is_empty = false;
        *last = sk_stmt_int(s, 0);
        sk_buf_str(b->out, sk_stmt_text(s, 1));
    }
    sk_buf_chr(b->out, ']');
    if (!sk_buf_ok(b->out))
        return sk_buf_fail(b->out, err);
    return more;
}

static int run_take(struct sk_change *c, void *ctx, struct sk_err *err)
{
    struct batch *b = ctx;
    int64_t now_ms = (int64_t)sk_wall_ms(), last = 0;
    if (b->out->data)
        b->out->len = b->start;
    b->is_empty = true;
    if (list_free(c, now_ms, b, &last, err) < 0)
        return -1;
    if (b->is_empty)
        return sk_fail(err, SK_NOT_FOUND, "there is no feedback");
    return sk_tx_run(c->tx, err,
                     "UPDATE feedback SET lock_token = ?1, locked_ms = ?2 "
                     "WHERE locked_ms <= ?3 AND at_ms > ?4 AND id <= ?5",
                     "siiii", b->token, now_ms + SK_FEEDBACK_LOCK_MS, now_ms,
                     now_ms - sk_down_life_max_ms, last);
}

/* A question that finds nothing, which is most of them, costs no write. */
static int has_free(struct sk_devices *d, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int64_t now_ms = (int64_t)sk_wall_ms();
    if (sk_db_begin(d->db, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &s, err,
                    "SELECT 1 FROM feedback WHERE locked_ms <= ?1 AND at_ms > ?2 LIMIT 1", "ii",
                    now_ms, now_ms - sk_down_life_max_ms) < 0)
        return -1;
    return sk_stmt_next(s, err);
}

int sk_feedback_take(struct sk_devices *d, struct sk_buf *out, char lock_token[40],
                     struct sk_err *err)
{
    unsigned char bytes[16];
    char token[40];
    int found = has_free(d, err);
    if (found == 0)
        return sk_fail(err, SK_NOT_FOUND, "there is no feedback");
    if (found < 0 || sk_random(bytes, sizeof bytes, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(token + 2 * i, sizeof token - 2 * i, "%02x", bytes[i]);
    struct batch b = { .token = token, .out = out, .start = out->len };
    if (sk_devices_write(d, run_take, &b, err) < 0)
        return -1;
    memcpy(lock_token, token, sizeof token);
    return 0;
}

/* ---- giving back ---- */

struct ending {
    const char *token;
    bool complete;
};

static int run_end(struct sk_change *c, void *ctx, struct sk_err *err)
{
    const struct ending *e = ctx;
    int64_t now_ms = (int64_t)sk_wall_ms();
    if (sk_tx_run(c->tx, err,
                  e->complete ? "DELETE FROM feedback WHERE lock_token = ?1 AND locked_ms > ?2"
                              : "UPDATE feedback SET lock_token = '', locked_ms = 0 "
                                "WHERE lock_token = ?1 AND locked_ms > ?2",
                  "si", e->token, now_ms) < 0)
        return -1;
    if (sk_tx_changes(c->tx) == 0)
        return sk_fail(err, SK_MISMATCH,
                       "DeviceMessageLockLost: the lock of this feedback is lost");
    return 0;
}

int sk_feedback_end(struct sk_devices *d, const char *lock_token, bool complete, struct sk_err *err)
{
    struct ending e = { lock_token, complete };
    return sk_devices_shrink(d, run_end, &e, err);
}
