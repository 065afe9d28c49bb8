/*
 * body.c - request bodies: bounded one by one and all together, in buffers that are reused.
 *
 * A Content-Length is only a promise: it reserves at most SK_HTTP_FIRST_BYTES, and the buffer
 * doubles as bytes arrive. What has arrived counts towards the server's total until the request
 * ends; beyond max_total_body_bytes a request is answered 503. Buffers are lent by a small stack of
 * spares, so idle connections hold none and busy ones do not fault in fresh pages for each picture.
 *
 * A request that is refused while its body arrives reads the rest away, so its connection can go
 * on; a chunked body beyond the limit has no known end: it is answered past libmicrohttpd (which
 * takes no answer in the middle of a body) and closed.
 */
#include "http/http_priv.h"

#include "base/clock.h"

uint64_t sk_body_limit(const struct sk_http_req *r)
{
    uint64_t own = r->route ? r->route->max_body_bytes : 0;
    return own ? own : r->conn->server->opts.max_body_bytes;
}

static struct sk_buf borrow_spare(struct sk_http_server *s, uint64_t limit)
{
    struct sk_buf b = SK_BUF_INIT(0);
    SK_LOCK(&s->spare_lock);
    if (s->spare_count > 0)
        b = s->spares[--s->spare_count];
    b.ceiling = limit < SIZE_MAX / 2 ? (size_t)limit : SIZE_MAX / 2;
    return b;
}

static void return_spare(struct sk_http_server *s, struct sk_buf *b)
{
    if (b->data && b->cap <= SK_HTTP_SPARE_BYTES) {
        sk_buf_clear(b);
        SK_LOCK(&s->spare_lock);
        if (s->spare_count < SK_HTTP_SPARE_BUFFERS) {
            s->spares[s->spare_count++] = *b;
            b->data = NULL;
        }
    }
    sk_buf_done(b);
}

void sk_body_spares_free(struct sk_http_server *s)
{
    for (size_t i = 0; i < s->spare_count; i++)
        sk_buf_done(&s->spares[i]);
    s->spare_count = 0;
}

void sk_body_begin(struct sk_http_req *r)
{
    r->body = borrow_spare(r->conn->server, sk_body_limit(r));
    if (r->expected != UINT64_MAX)
        (void)sk_buf_reserve(&r->body, r->expected < SK_HTTP_FIRST_BYTES ? (size_t)r->expected
                                                                         : SK_HTTP_FIRST_BYTES);
}

/* Refuses and gives the memory back at once; what still comes is read away. */
static void give_up(struct sk_http_req *r, enum sk_code code, const char *text)
{
    sk_req_refuse(r, 0, code, "%s", text);
    r->discards = true;
    sk_body_release(r);
}

static void keep(struct sk_http_req *r, const char *bytes, size_t len)
{
    struct sk_http_server *s = r->conn->server;
    if (atomic_fetch_add(&s->body_bytes, len) + len > s->opts.max_total_body_bytes) {
        atomic_fetch_sub(&s->body_bytes, len);
        give_up(r, SK_BUSY, "too many bytes of other requests are waiting");
        return;
    }
    r->charged += len;
    if (!r->is_multipart) {
        sk_buf_add(&r->body, bytes, len);
        if (!sk_buf_ok(&r->body))
            give_up(r, SK_NOMEM, "out of memory");
        return;
    }
    struct sk_err err = SK_ERR_INIT;
    if (sk_multipart_feed(r->multipart, bytes, len, &err) < 0)
        give_up(r, err.code, err.text);
}

bool sk_body_take(struct sk_http_req *r, const char *bytes, size_t len)
{
    r->received += len;
    if (r->received > sk_body_limit(r) && r->expected == UINT64_MAX) {
        sk_req_refuse(r, 0, SK_TOO_LARGE, "the body has more than %llu bytes",
                      (unsigned long long)sk_body_limit(r));
        r->raw_status = r->status;
        sk_answer_raw(r->conn->fd, r->status, r->id, r->out.data);
        r->conn->lingers = true;
        return false;
    }
    if (!r->discards)
        keep(r, bytes, len);
    return true;
}

void sk_body_end(struct sk_http_req *r)
{
    r->read_ns = sk_now_ns();
    struct sk_err err = SK_ERR_INIT;
    if (r->is_multipart && !r->refused && sk_multipart_finish(r->multipart, &err) < 0)
        give_up(r, err.code, err.text);
}

void sk_body_release(struct sk_http_req *r)
{
    struct sk_http_server *s = r->conn->server;
    if (r->charged > 0)
        atomic_fetch_sub(&s->body_bytes, r->charged);
    r->charged = 0;
    if (r->body.data)
        return_spare(s, &r->body);
}
