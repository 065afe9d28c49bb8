/* telemetry.c - the journal of messages: opening, adding. */
#include "telemetry/telemetry_priv.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

/* What is kept for deletions is not taken by messages, which come all the time. */
static int ask_room(void *ctx, uint64_t bytes, struct sk_err *err)
{
    (void)bytes;
    return sk_db_need_room(ctx, SK_DB_WRITE, err);
}

int sk_telemetry_open(const struct sk_telemetry_options *opts, struct sk_telemetry **out,
                      struct sk_err *err)
{
    const struct sk_journal_options journal = {
        .dir = opts->dir,
        .max_bytes = opts->max_bytes,
        .max_age_ms = opts->max_age_ms,
        .max_queue_bytes = 64u << 20,
        .min_sync_ms = opts->gather_ms,
        .worth_records = opts->gather_ms > 0 ? UINT32_MAX : 0,
        .committed = opts->committed,
        .ctx = opts->ctx,
        .room = opts->db ? ask_room : NULL,
        .room_ctx = opts->db,
    };
    SK_OWN(sk_telemetry_close) struct sk_telemetry *t = calloc(1, sizeof *t);
    if (!t)
        return sk_nomem(err);
    t->db = opts->db;
    (void)snprintf(t->name, sizeof t->name, "%s", opts->name);
    if (sk_journal_open(&journal, &t->journal, err) < 0)
        return sk_wrap(err, "%s", opts->name);
    *out = SK_TAKE(t);
    return 0;
}

void sk_telemetry_close(struct sk_telemetry *t)
{
    if (!t)
        return;
    sk_journal_close(t->journal);
    free(t);
}

void sk_telemetry_state(struct sk_telemetry *t, struct sk_journal_state *out)
{
    sk_journal_state(t->journal, out);
}

int sk_telemetry_trim(struct sk_telemetry *t, struct sk_err *err)
{
    return sk_journal_trim(t->journal, err);
}

int sk_telemetry_add(struct sk_telemetry *t, const struct sk_message *m,
                     void (*done)(void *ctx, uint64_t seq, const struct sk_err *failed), void *ctx,
                     struct sk_err *err)
{
    char key[SK_IOT_KEY_MAX];
    SK_AUTO(sk_buf_done) struct sk_buf record = SK_BUF_INIT(SK_RECORD_MAX);
    size_t size = m->bag ? sk_iot_message_size(m->body.len, m->bag) : m->body.len;
    if (size > SK_IOT_MESSAGE_MAX)
        return sk_fail(err, SK_TOO_LARGE, "MessageTooLarge: the message has %zu bytes, at most %d",
                       size, SK_IOT_MESSAGE_MAX);
    int len = snprintf(key, sizeof key, "%s%s%s", m->device, m->module && *m->module ? "/" : "",
                       m->module ? m->module : "");
    if (len < 0 || (size_t)len >= sizeof key)
        return sk_fail(err, SK_INVALID, "the name of a message's device is too long");
    sk_stored_write(m, &record);
    if (!sk_buf_ok(&record))
        return sk_buf_fail(&record, err);
    const struct sk_journal_record r = {
        .key = { key, (size_t)len },
        .time_ms = m->enqueued_ms,
        .body = { record.data, record.len },
        .done = done,
        .ctx = ctx,
    };
    return sk_journal_append(t->journal, &r, err);
}

int sk_telemetry_add_event(struct sk_telemetry *t, const char *device, const char *module,
                           const char *generation, const char *source, struct sk_view json,
                           void (*done)(void *ctx, uint64_t seq, const struct sk_err *failed),
                           void *ctx, struct sk_err *err)
{
    static const struct sk_iot_bag is_json = {
        .items = { { .name = { "$.ct", 4 },
                     .value = { "application/json", 16 },
                     .has_value = true } },
        .count = 1,
    };
    const struct sk_message m = {
        .device = device,
        .module = module,
        .source = source,
        .generation = generation,
        .auth_method = "",
        .bag = &is_json,
        .body = json,
    };
    return sk_telemetry_add(t, &m, done, ctx, err);
}
