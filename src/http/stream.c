/*
 * stream.c - bodies that are taken as they come.
 *
 *     headers -> handler --take--> pieces to the sink ... -> done(whole) --answer--> sent
 *                   |                      |
 *                   |                      +-- sink or limit says no -> done(why) --answer-->
 *                   |                      |      rest small: read away, then sent
 *                   |                      |      else: sent past libmicrohttpd, connection ends
 *                   |                      +-- client gone -> done(SK_CANCELLED), an orphan
 *                   +--answer--> refused: see request.c
 *
 * Invariant: done is called exactly once for each body that was taken, and the request lives until
 * it was answered. When the client is gone before that, the request and its connection's memory
 * stay (an orphan, counted by the server) until whoever has it answers.
 *
 * The deadline of the reading stage moves when SK_HTTP_STALL_BYTES more have come; the time that
 * the sink takes is not the client's.
 */
#include "http/http_priv.h"

#include "base/clock.h"

void sk_http_take_body(struct sk_http_req *r,
                       int (*sink)(void *ctx, const void *bytes, size_t len, struct sk_err *err),
                       void (*done)(struct sk_http_req *r, const struct sk_err *failed, void *ctx),
                       void *ctx)
{
    r->stream.sink = sink;
    r->stream.done = done;
    r->stream.ctx = ctx;
    r->stream.is_taken = true;
}

static uint64_t patience_ms(const struct sk_http_req *r)
{
    return r->conn->server->opts.read_ms;
}

void sk_http_stream_begin(struct sk_http_req *r)
{
    atomic_store(&r->turn, SK_TURN_HANDLER);
    r->route->handle(r, r->route->ctx ? r->route->ctx : r->conn->server->opts.ctx);
    bool is_answered = atomic_exchange(&r->turn, SK_TURN_LOOP) == SK_TURN_ANSWERED;
    if (is_answered) {
        r->stream.is_taken = false;
        r->refused = true;
        return;
    }
    if (!r->stream.is_taken) { /* the route's mistake */
        sk_req_refuse(r, 0, SK_BUG, "the request was not taken");
        return;
    }
    r->stream.until_ms = sk_now_ms() + patience_ms(r);
    sk_conn_extend(r->conn, SK_STAGE_READING, patience_ms(r));
}

void sk_http_stream_end(struct sk_http_req *r, const struct sk_err *failed)
{
    if (r->stream.is_over)
        return;
    r->stream.is_over = true;
    r->stream.has_failed = failed != NULL;
    r->stream.done(r, failed, r->stream.ctx);
}

bool sk_http_stream_abandon(struct sk_http_req *r)
{
    struct sk_err err = { .code = SK_CANCELLED,
                          .text = "the client left before its body was whole" };
    struct sk_http_server *s = r->conn->server;
    if (r->raw_status == MHD_HTTP_REQUEST_TIMEOUT)
        (void)snprintf(err.text, sizeof err.text, "the body stopped coming");
    const char *method = sk_arena_strndup(&r->arena, r->method, strlen(r->method));
    r->method = method ? method : "";
    r->mhd = NULL; /* gone in a moment, and with it the headers */

    atomic_fetch_add(&r->conn->refs, 1);
    atomic_fetch_add(&s->orphans, 1);
    atomic_store(&r->turn, SK_TURN_HANDLER);
    sk_http_stream_end(r, &err);
    int expected = SK_TURN_HANDLER;
    if (atomic_compare_exchange_strong(&r->turn, &expected, SK_TURN_ORPHAN))
        return true;
    atomic_fetch_sub(&r->conn->refs, 1); /* answered already; the loop has one left */
    atomic_fetch_sub(&s->orphans, 1);
    return false;
}

/* Enough has come: the deadline moves. */
static void note_progress(struct sk_http_req *r, uint64_t now_ms)
{
    if (r->received - r->stream.mark < SK_HTTP_STALL_BYTES)
        return;
    r->stream.mark = r->received;
    r->stream.until_ms = now_ms + patience_ms(r);
}

/* One piece to the sink, off the client's clock. */
static int feed(struct sk_http_req *r, const char *bytes, size_t len, struct sk_err *err)
{
    struct sk_http_stream *st = &r->stream;
    const uint64_t before_ms = sk_now_ms();

    r->received += len;
    if (r->received > sk_body_limit(r))
        return sk_fail(err, SK_TOO_LARGE, "the body has more than %llu bytes",
                       (unsigned long long)sk_body_limit(r));
    note_progress(r, before_ms);
    if (st->sink(st->ctx, bytes, len, err) < 0)
        return -1;
    st->until_ms += sk_now_ms() - before_ms;
    return 0;
}

/* The answer to a body that failed is there. */
static bool refuse_rest(struct sk_http_req *r, size_t *len)
{
    if (r->expected == UINT64_MAX || r->expected - r->received > SK_HTTP_DISCARD_BYTES) {
        sk_answer_early(r);
        return false;
    }
    *len = 0;
    if (r->discards)
        return true;
    r->refused = r->discards = true;
    return sk_conn_enter(r->conn, SK_STAGE_READING, patience_ms(r));
}

bool sk_http_stream_take(struct sk_http_req *r, const char *bytes, size_t *len)
{
    struct sk_err err = SK_ERR_INIT;
    if (!r->stream.is_over) {
        if (!sk_conn_enter(r->conn, SK_STAGE_HANDLING, 0))
            return false; /* too late: cut */
        if (feed(r, bytes, *len, &err) == 0) {
            const uint64_t now_ms = sk_now_ms(), until_ms = r->stream.until_ms;
            *len = 0;
            return sk_conn_enter(r->conn, SK_STAGE_READING,
                                 until_ms > now_ms ? until_ms - now_ms : 1);
        }
        atomic_store(&r->turn, SK_TURN_HANDLER);
        sk_http_stream_end(r, &err);
    }
    if (atomic_load(&r->turn) == SK_TURN_ANSWERED)
        return refuse_rest(r, len);
    sk_answer_wait(r); /* the same bytes come again then */
    return true;
}
