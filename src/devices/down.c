/*
 * down.c - messages to devices and to inputs of modules: a short queue for each, on the disk.
 *
 * A message leaves its queue in one of four ways, each in one transaction with its feedback: taken
 * by the client, sent too often without an answer, expired, purged.
 */
#include "devices/devices_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum {
    EXPIRE_SLICE = 100, /* some 3 ms */
    MESSAGE_ID_MAX = 128
};

/* ---- sending ---- */

struct send {
    const struct sk_who *who;
    const char *device, *module;
    const struct sk_down *message;
    int64_t id;
};

static const char *text_or(const char *text, const char *otherwise)
{
    return text && text[0] ? text : otherwise;
}

static int check_message(const char *module, const struct sk_down *m, struct sk_err *err)
{
    static const char *const acks[] = { "none", "positive", "negative", "full" };
    const char *ack = text_or(m->ack, "none");
    bool is_known = false;
    for (size_t i = 0; i < sizeof acks / sizeof *acks; i++)
        is_known |= strcmp(ack, acks[i]) == 0;
    if (!is_known)
        return sk_fail(err, SK_INVALID,
                       "ArgumentInvalid: ack '%.40s' is not none, positive, negative or full", ack);
    if ((module[0] != '\0') != (text_or(m->input, "")[0] != '\0'))
        return sk_fail(err, SK_INVALID,
                       "ArgumentInvalid: messages go to a device, or to an input of a module");
    if (strlen(text_or(m->message_id, "")) > MESSAGE_ID_MAX)
        return sk_fail(err, SK_INVALID, "ArgumentInvalid: the message id has over %d bytes",
                       MESSAGE_ID_MAX);
    size_t size = m->body.len + strlen(text_or(m->properties, ""));
    if (size > SK_IOT_C2D_MAX)
        return sk_fail(err, SK_TOO_LARGE, "MessageTooLarge: the message has %zu bytes, over %d",
                       size, SK_IOT_C2D_MAX);
    return 0;
}

static int64_t expiry_of(const struct sk_down *m, int64_t now_ms)
{
    int64_t latest_ms = now_ms + sk_down_life_max_ms;
    if (m->expiry_ms <= 0)
        return now_ms + sk_down_life_ms;
    return m->expiry_ms < latest_ms ? m->expiry_ms : latest_ms;
}

static int store(struct sk_change *c, const struct sk_identity *i, struct send *s,
                 struct sk_err *err)
{
    const struct sk_down *m = s->message;
    int64_t now_ms = (int64_t)sk_wall_ms();
    if (sk_tx_run(c->tx, err,
                  "INSERT INTO message_down(identity, input, message_id, properties, ack, "
                  "enqueued_ms, expiry_ms, body) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                  "issssiib", i->id, text_or(m->input, ""), text_or(m->message_id, ""),
                  text_or(m->properties, ""), text_or(m->ack, "none"), now_ms, expiry_of(m, now_ms),
                  m->body.ptr, m->body.len) < 0)
        return -1;
    s->id = sk_tx_last_id(c->tx);
    return sk_change_tell_of(c, SK_EVENT_DOWN, i, err);
}

/* Those that have expired and are still there do not count. */
static int check_depth(struct sk_change *c, const struct sk_identity *i, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (i->waiting < SK_DEVICES_DOWN_MAX)
        return 0;
    if (sk_tx_query(c->tx, &s, err,
                    "SELECT count(*) FROM message_down WHERE identity = ?1 AND expiry_ms > ?2",
                    "ii", i->id, (int64_t)sk_wall_ms()) < 0 ||
        sk_stmt_next(s, err) < 0)
        return -1;
    if (sk_stmt_int(s, 0) < SK_DEVICES_DOWN_MAX)
        return 0;
    return sk_fail(err, SK_LIMIT, "DeviceMaximumQueueDepthExceeded: %d messages wait already",
                   SK_DEVICES_DOWN_MAX);
}

static int run_send(struct sk_change *c, void *ctx, struct sk_err *err)
{
    struct send *s = ctx;
    struct sk_identity i;
    char name[SK_DEVICES_NAME_MAX];
    if (sk_who_may(s->who, SK_RIGHT_SERVICE, err) < 0 ||
        check_message(s->module, s->message, err) < 0 ||
        sk_identity_need(c->tx, s->device, s->module, &i, err) < 0 || check_depth(c, &i, err) < 0 ||
        store(c, &i, s, err) < 0)
        return -1;
    sk_identity_name(i.device, i.module, name);
    return sk_audit(c->tx, s->who, "message.send", name, NULL, err);
}

int sk_down_send(struct sk_devices *d, const struct sk_who *who, const char *device,
                 const char *module, const struct sk_down *m, int64_t *id, struct sk_err *err)
{
    struct send s = { .who = who, .device = device, .module = sk_module_of(module), .message = m };
    if (sk_devices_write(d, run_send, &s, err) < 0)
        return -1;
    if (id)
        *id = s.id;
    return 0;
}

/* ---- reading ---- */

int sk_down_read(struct sk_devices *d, int64_t identity, int64_t after, unsigned max,
                 int (*each)(void *ctx, const struct sk_down *m, struct sk_err *err), void *ctx,
                 struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int more;
    if (sk_db_begin(d->db, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &s, err,
                    "SELECT id, input, message_id, properties, ack, expiry_ms, deliveries, body "
                    "FROM message_down WHERE identity = ?1 AND id > ?2 AND expiry_ms > ?3 "
                    "ORDER BY id LIMIT ?4",
                    "iiii", identity, after, (int64_t)sk_wall_ms(), (int64_t)max) < 0)
        return -1;
    while ((more = sk_stmt_next(s, err)) == 1) {
        struct sk_down m = {
            .id = sk_stmt_int(s, 0),
            .input = sk_stmt_text(s, 1),
            .message_id = sk_stmt_text(s, 2),
            .properties = sk_stmt_text(s, 3),
            .ack = sk_stmt_text(s, 4),
            .expiry_ms = sk_stmt_int(s, 5),
            .deliveries = (unsigned)sk_stmt_int(s, 6),
        };
        m.body.ptr = sk_stmt_blob(s, 7, &m.body.len);
        if (each(ctx, &m, err) < 0)
            return -1;
    }
    return more;
}

/* ---- leaving the queue ---- */

/* Removes one message with its feedback; 1: it was there. identity 0: whoever's. */
static int remove_one(struct sk_tx *tx, int64_t identity, int64_t id, const char *description,
                      struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_tx_query(tx, &s, err,
                    "SELECT m.ack, m.message_id, i.device, i.generation FROM message_down m "
                    "JOIN identity i ON i.id = m.identity "
                    "WHERE m.id = ?1 AND (?2 = 0 OR m.identity = ?2)",
                    "ii", id, identity) < 0)
        return -1;
    int found = sk_stmt_next(s, err);
    if (found <= 0)
        return found;
    if (sk_feedback_add(tx, sk_stmt_text(s, 0), description, sk_stmt_text(s, 1), sk_stmt_text(s, 2),
                        sk_stmt_text(s, 3), err) < 0 ||
        sk_tx_run(tx, err, "DELETE FROM message_down WHERE id = ?1", "i", id) < 0)
        return -1;
    return 1;
}

struct answer {
    int64_t identity, id;
};

static int run_complete(struct sk_change *c, void *ctx, struct sk_err *err)
{
    const struct answer *a = ctx;
    return remove_one(c->tx, a->identity, a->id, "Success", err) < 0 ? -1 : 0;
}

static int run_delivered(struct sk_change *c, void *ctx, struct sk_err *err)
{
    const struct answer *a = ctx;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_tx_run(c->tx, err,
                  "UPDATE message_down SET deliveries = deliveries + 1 "
                  "WHERE id = ?1 AND identity = ?2",
                  "ii", a->id, a->identity) < 0 ||
        sk_tx_query(c->tx, &s, err,
                    "SELECT 1 FROM message_down WHERE id = ?1 AND identity = ?2 "
                    "AND deliveries >= ?3",
                    "iii", a->id, a->identity, (int64_t)SK_DEVICES_DELIVERIES_MAX) < 0)
        return -1;
    int found = sk_stmt_next(s, err);
    if (found <= 0)
        return found;
    return remove_one(c->tx, a->identity, a->id, "DeliveryCountExceeded", err) < 0 ? -1 : 0;
}

/* What is lost here is done once more: the message is sent again. */
static void end_answer(void *ctx, const struct sk_err *failed)
{
    if (failed)
        sk_log(SK_WARN, "message_answer_lost", "error=\"%s\"", failed->text);
    free(ctx);
}

static void push_answer(struct sk_devices *d,
                        int (*run)(struct sk_change *c, void *ctx, struct sk_err *err),
                        int64_t identity, int64_t id)
{
    struct sk_err err = SK_ERR_INIT;
    struct answer *a = malloc(sizeof *a);
    if (!a)
        return;
    *a = (struct answer){ identity, id };
    if (sk_devices_push_shrink(d, run, end_answer, a, &err) < 0)
        end_answer(a, &err);
}

void sk_down_complete(struct sk_devices *d, int64_t identity, int64_t id)
{
    push_answer(d, run_complete, identity, id);
}

void sk_down_delivered(struct sk_devices *d, int64_t identity, int64_t id)
{
    push_answer(d, run_delivered, identity, id);
}

/* Ids of a query with one value, at most EXPIRE_SLICE. */
static int list_ids(struct sk_tx *tx, const char *sql, int64_t value, int64_t *ids, size_t *count,
                    struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int more = 0;
    *count = 0;
    if (sk_tx_query(tx, &s, err, sql, "ii", value, (int64_t)EXPIRE_SLICE) < 0)
        return -1;
    while (*count < EXPIRE_SLICE && (more = sk_stmt_next(s, err)) == 1)
        ids[(*count)++] = sk_stmt_int(s, 0);
    return more < 0 ? -1 : 0;
}

static int remove_all(struct sk_tx *tx, const int64_t *ids, size_t count, const char *description,
                      struct sk_err *err)
{
    for (size_t i = 0; i < count; i++)
        if (remove_one(tx, 0, ids[i], description, err) < 0)
            return -1;
    return 0;
}

struct purge {
    const struct sk_who *who;
    const char *device;
    uint64_t removed;
};

static int run_purge(struct sk_change *c, void *ctx, struct sk_err *err)
{
    struct purge *p = ctx;
    struct sk_identity i;
    int64_t ids[EXPIRE_SLICE];
    size_t count;
    if (sk_who_may(p->who, SK_RIGHT_SERVICE, err) < 0 ||
        sk_identity_need(c->tx, p->device, "", &i, err) < 0 ||
        list_ids(c->tx, "SELECT id FROM message_down WHERE identity = ?1 LIMIT ?2", i.id, ids,
                 &count, err) < 0 ||
        remove_all(c->tx, ids, count, "Purged", err) < 0)
        return -1;
    p->removed = count;
    return sk_audit(c->tx, p->who, "message.purge", p->device, NULL, err);
}

int sk_down_purge(struct sk_devices *d, const struct sk_who *who, const char *device,
                  uint64_t *removed, struct sk_err *err)
{
    struct purge p = { .who = who, .device = device };
    if (sk_devices_shrink(d, run_purge, &p, err) < 0)
        return -1;
    *removed = p.removed;
    return 0;
}

/* Their times rise with their ids, so one row tells whether any is too old. */
#define OLDEST_FEEDBACK "(SELECT at_ms FROM feedback ORDER BY id LIMIT 1)"

struct expiry {
    int64_t now_ms;
    size_t removed;
};

static int run_expire(struct sk_change *c, void *ctx, struct sk_err *err)
{
    struct expiry *e = ctx;
    int64_t ids[EXPIRE_SLICE];
    if (list_ids(c->tx, "SELECT id FROM message_down WHERE expiry_ms <= ?1 LIMIT ?2", e->now_ms,
                 ids, &e->removed, err) < 0 ||
        remove_all(c->tx, ids, e->removed, "Expired", err) < 0)
        return -1;
    return sk_tx_run(c->tx, err,
                     "DELETE FROM feedback WHERE at_ms <= ?1 AND " OLDEST_FEEDBACK " <= ?1", "i",
                     e->now_ms - sk_down_life_max_ms);
}

/* Whether there is anything to do, which is seldom. */
static int has_expired(struct sk_devices *d, int64_t now_ms, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_db_begin(d->db, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &s, err,
                    "SELECT EXISTS(SELECT 1 FROM message_down WHERE expiry_ms <= ?1) "
                    "OR coalesce(" OLDEST_FEEDBACK " <= ?2, 0)",
                    "ii", now_ms, now_ms - sk_down_life_max_ms) < 0 ||
        sk_stmt_next(s, err) < 0)
        return -1;
    return sk_stmt_int(s, 0) != 0;
}

int sk_down_expire(struct sk_devices *d, struct sk_err *err)
{
    struct expiry e = { .now_ms = (int64_t)sk_wall_ms() };
    int found = has_expired(d, e.now_ms, err);
    if (found <= 0)
        return found;
    do {
        if (sk_devices_shrink(d, run_expire, &e, err) < 0)
            return -1;
    } while (e.removed == EXPIRE_SLICE);
    return 0;
}
