/*
 * feed.c - answers that come over time: live streams, exports, and waiting for the next message.
 *
 * Each is a reader of a journal and a pull that http calls on its event loop: it writes what there
 * is, and waits for the journal's next commit when there is nothing. Who is revoked meanwhile, or
 * whose token ends, gets no more: each second what was shown is looked at again.
 *
 *     id: 17                                  a stream (HTML standard, server-sent events):
 *     data: {"sequence":17,...}               Last-Event-ID goes on where a client stopped
 *
 *     :                                       a comment each 15 s, so that both ends see a break
 */
#include "hub/api_telemetry_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

enum {
    BEAT_MS = 15000,
    CHECK_MS = 900, /* a little less than the care thread's second, which wakes those that wait */
    FULL_BYTES = 16 << 10,   /* enough to hand over */
    MESSAGE_BYTES = 4 << 20, /* of one message as JSON */
    PENDING_BYTES = 20 << 20,
    PATIENCE = 1000 /* records that do not fit, before others on the event loop have their turn */
};

enum kind {
    STREAM,
    NDJSON,
    CSV,
    WAIT
};

struct feed {
    enum kind kind;
    const struct sk_hub_call *call; /* lives as long as its answer */
    uint64_t checked_ms;
    struct sk_telemetry_reader *reader;
    struct sk_live_readers *readers;
    struct sk_live_reader *live; /* NULL: an export, which does not wait */
    struct sk_buf pending;       /* what was made, of which `given` bytes were handed over */
    size_t given;
    uint64_t beat_ms;   /* of a stream: when it last wrote; of a wait: its end */
    uint64_t next, max; /* of a wait */
    uint64_t end;       /* of an export: what comes later is not in it */
    bool is_looking;    /* there may be more at once */
    bool is_begun;
};

static void feed_free(void *ctx)
{
    struct feed *f = ctx;
    if (!f)
        return;
    sk_live_reader_remove(f->readers, f->live);
    sk_telemetry_reader_free(f->reader);
    sk_buf_done(&f->pending);
    free(f);
}

static void feed_own(struct feed *f)
{
    feed_free(f);
}

SK_DEFINE_OWN(struct feed, feed_own);

/* ---- making: into pending; nothing was made when there is nothing at present ---- */

static int make_stream(struct feed *f, struct sk_err *err)
{
    int got = 1;
    while (got == 1 && f->pending.len < FULL_BYTES) {
        SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(MESSAGE_BYTES);
        uint64_t seq = 0;
        got = sk_telemetry_next(f->reader, &json, &seq, err);
        if (got == 1) {
            sk_buf_fmt(&f->pending, "id: %llu\ndata: ", (unsigned long long)seq);
            sk_buf_add(&f->pending, json.data, json.len);
            sk_buf_str(&f->pending, "\n\n");
        }
    }
    f->is_looking = got == SK_TELEMETRY_LATER;
    uint64_t now = sk_now_ms();
    if (f->pending.len == 0 && (!f->is_begun || now - f->beat_ms >= BEAT_MS))
        sk_buf_str(&f->pending, ":\n\n"); /* the first one, too: headers go out with it */
    if (f->pending.len > 0)
        f->beat_ms = now;
    return got < 0 ? -1 : 0;
}

static int make_export(struct feed *f, struct sk_err *err)
{
    int got = 1;
    if (!f->is_begun && f->kind == CSV)
        sk_telemetry_csv_head(&f->pending);
    while (got == 1 && f->pending.len < FULL_BYTES) {
        const size_t before = f->pending.len;
        uint64_t seq = 0;
        got = f->kind == CSV ? sk_telemetry_next_csv(f->reader, &f->pending, &seq, err)
                             : sk_telemetry_next(f->reader, &f->pending, &seq, err);
        if (got == 1 && seq >= f->end) {
            f->pending.len = before;
            got = 0;
        } else if (got == 1 && f->kind == NDJSON) {
            sk_buf_chr(&f->pending, '\n');
        }
    }
    f->is_looking = got == SK_TELEMETRY_LATER;
    return got < 0 ? -1 : 0;
}

static int make_wait(struct feed *f, struct sk_err *err)
{
    uint64_t last = 0, count = 0;
    sk_buf_str(&f->pending, "{\"messages\":[");
    if (sk_telemetry_page(f->reader, f->max, &f->pending, &last, &count, err) < 0)
        return -1;
    if (count == 0 && sk_now_ms() < f->beat_ms && !sk_live_is_ending(f->readers))
        sk_buf_clear(&f->pending);
    else
        sk_buf_fmt(&f->pending, "],\"next\":%llu}",
                   (unsigned long long)(count > 0 ? last + 1 : f->next));
    return 0;
}

static int make(struct feed *f, struct sk_err *err)
{
    int rc = f->kind == STREAM ? make_stream(f, err)
             : f->kind == WAIT ? make_wait(f, err)
                               : make_export(f, err);
    if (rc == 0 && !sk_buf_ok(&f->pending))
        return sk_buf_fail(&f->pending, err);
    return rc;
}

static bool is_over(const struct feed *f)
{
    return f->kind == WAIT ? f->is_begun : f->kind != STREAM;
}

static bool may_go_on(struct feed *f, struct sk_err *err)
{
    const uint64_t now = sk_now_ms();
    if (now - f->checked_ms < CHECK_MS)
        return true;
    f->checked_ms = now;
    return sk_hub_recheck(f->call, err) == 0;
}

static int pull(void *ctx, struct sk_buf *out, size_t max)
{
    struct feed *f = ctx;
    struct sk_err err = SK_ERR_INIT;
    if (!may_go_on(f, &err)) {
        sk_log(SK_INFO, "feed_ended", "who=\"%s\" why=\"%s\"", f->call->who.name, err.text);
        return f->kind == STREAM ? SK_HTTP_SOURCE_END : SK_HTTP_SOURCE_FAIL;
    }
    if (f->given == f->pending.len) {
        sk_buf_clear(&f->pending);
        f->given = 0;
        if (f->kind == WAIT && f->is_begun)
            return SK_HTTP_SOURCE_END;
        if (make(f, &err) < 0) {
            sk_log(SK_WARN, "feed_cut", "error=\"%s\"", err.text);
            return SK_HTTP_SOURCE_FAIL;
        }
        f->is_begun = f->kind != WAIT || f->pending.len > 0;
    }
    size_t len = f->pending.len - f->given;
    if (len == 0 && f->is_looking)
        return SK_HTTP_SOURCE_MORE;
    if (len == 0)
        return is_over(f) ? SK_HTTP_SOURCE_END : SK_HTTP_SOURCE_WAIT;
    len = len < max ? len : max;
    sk_buf_add(out, f->pending.data + f->given, len);
    f->given += len;
    return SK_HTTP_SOURCE_MORE;
}

/* ---- beginnings ---- */

static struct feed *feed_new(struct sk_hub_call *call, enum kind kind, struct sk_err *err)
{
    struct feed *f = calloc(1, sizeof *f);
    if (!f) {
        (void)sk_nomem(err);
        return NULL;
    }
    f->kind = kind;
    f->call = call;
    f->checked_ms = sk_now_ms();
    f->pending.ceiling = PENDING_BYTES;
    f->readers = &call->hub->iot->readers;
    return f;
}

/* An export or a page that a drain cuts must not look whole. */
static void begin(struct sk_hub_call *call, struct feed *f, const char *type)
{
    const struct sk_http_source source = {
        .pull = pull,
        .done = feed_free,
        .must_end = f->kind != STREAM,
        .ctx = f,
    };
    sk_http_set_type(call->req, type);
    sk_http_set_header(call->req, "Cache-Control", "no-store");
    sk_http_set_source(call->req, &source);
    sk_hub_reply(call, 200);
}

/* Last-Event-ID goes before `after`; without both a stream begins with the next message. */
static int stream_from(struct sk_hub_call *call, struct sk_telemetry_filter *f, struct sk_err *err)
{
    const char *last = sk_http_header(call->req, "Last-Event-ID");
    struct sk_journal_state state;
    uint64_t seq = 0;
    if (f->is_backwards)
        return sk_fail(err, SK_INVALID, "order: a stream goes forwards");
    if (last && *last) {
        if (sk_parse_u64("Last-Event-ID", last, 0, INT64_MAX, &seq, err) < 0)
            return -1;
        f->from_seq = seq + 1;
    } else if (f->from_seq == 0 && f->from_ms == 0) {
        sk_telemetry_state(sk_hub_journal(call), &state);
        f->from_seq = state.next;
    }
    return 0;
}

static int open_stream(struct sk_hub_call *call, struct feed *f, struct sk_err *err)
{
    struct sk_telemetry_filter filter;
    return sk_telemetry_query(call, &filter, err) < 0 || stream_from(call, &filter, err) < 0 ||
                   sk_telemetry_read(sk_hub_journal(call), &filter, &f->reader, err) < 0 ||
                   sk_live_reader_add(f->readers, call->req, &f->live, err) < 0
               ? -1
               : 0;
}

void sk_feed_stream(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(feed_own) struct feed *f = feed_new(call, STREAM, &err);
    if (!f || open_stream(call, f, &err) < 0) {
        sk_hub_fail(call, &err);
        return;
    }
    sk_telemetry_reader_patience(f->reader, PATIENCE);
    begin(call, SK_TAKE(f), "text/event-stream");
}

void sk_feed_export(struct sk_hub_call *call)
{
    const char *format = sk_http_query(call->req, "format");
    const bool is_csv = format && strcmp(format, "csv") == 0;
    struct sk_telemetry_filter filter;
    struct sk_journal_state state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(feed_own) struct feed *f = NULL;
    if (format && !is_csv && strcmp(format, "ndjson") != 0) {
        (void)sk_fail(&err, SK_INVALID, "format: expected ndjson or csv, got '%.40s'", format);
        sk_hub_fail(call, &err);
        return;
    }
    f = feed_new(call, is_csv ? CSV : NDJSON, &err);
    if (!f || sk_telemetry_query(call, &filter, &err) < 0 ||
        sk_telemetry_read(sk_hub_journal(call), &filter, &f->reader, &err) < 0) {
        sk_hub_fail(call, &err);
        return;
    }
    sk_telemetry_state(sk_hub_journal(call), &state);
    f->end = filter.is_backwards ? UINT64_MAX : state.next;
    sk_telemetry_reader_patience(f->reader, PATIENCE);
    begin(call, SK_TAKE(f), is_csv ? "text/csv" : "application/x-ndjson");
}

void sk_feed_wait(struct sk_hub_call *call, struct sk_telemetry_reader *reader, uint64_t next,
                  uint64_t max, uint64_t wait_ms)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(feed_own) struct feed *f = feed_new(call, WAIT, &err);
    if (!f) {
        sk_telemetry_reader_free(reader);
        sk_hub_fail(call, &err);
        return;
    }
    f->reader = reader;
    f->next = next;
    f->max = max;
    f->beat_ms = sk_now_ms() + wait_ms;
    if (sk_live_reader_add(f->readers, call->req, &f->live, &err) < 0) {
        sk_hub_fail(call, &err);
        return;
    }
    begin(call, SK_TAKE(f), "application/json");
}
