/*
 * bench_conn.c - the client's side of one HTTP/1.1 connection, without waiting.
 *
 *     CLOSED --start--> SENDING --all sent--> READING --answer complete--> IDLE --start--> SENDING
 *                          any failure, or "Connection: close" --> CLOSED
 *
 * Answers are read by Content-Length (RFC 9112, section 6); chunked ones are refused, as no server
 * that is measured here sends them. Invariant: between two requests nothing is left in the socket;
 * more bytes than announced are an error.
 */
#include "cli/bench_priv.h"

#include "base/clock.h"
#include "base/str.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

void sk_conn_close(struct sk_conn *c)
{
    sk_close(&c->fd);
    c->state = SK_CONN_CLOSED;
}

int sk_conn_start(struct sk_conn *c, const struct sk_bench_target *t, const char *request,
                  size_t len, struct sk_err *err)
{
    if (c->state == SK_CONN_CLOSED) {
        const int one = 1;
        SK_AUTO(sk_close)
        int fd = socket(t->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
            return sk_fail_errno(err, "socket");
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (connect(fd, (const struct sockaddr *)&t->addr, t->addr_len) < 0 && errno != EINPROGRESS)
            return sk_fail_errno(err, "connecting to %s", t->host);
        c->fd = fd;
        fd = -1;
    }
    c->connects = c->state == SK_CONN_CLOSED;
    c->state = SK_CONN_SENDING;
    c->request = request;
    c->request_len = len;
    c->sent = 0;
    c->head_len = 0;
    c->head_done = false;
    c->close_after = false;
    c->status = 0;
    c->body_left = 0;
    c->snippet[0] = '\0';
    return 0;
}

static enum sk_conn_result send_some(struct sk_conn *c, struct sk_err *err)
{
    while (c->sent < c->request_len) {
        ssize_t n = send(c->fd, c->request + c->sent, c->request_len - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == ENOTCONN || errno == EINPROGRESS))
            return SK_CONN_AGAIN;
        if (n < 0) {
            (void)sk_fail_errno(err, c->connects ? "connecting" : "sending");
            return SK_CONN_FAILED;
        }
        c->connects = false;
        c->sent += (size_t)n;
    }
    c->state = SK_CONN_READING;
    return SK_CONN_DONE;
}

/* The value of a header field in the head, which ends with an empty line; an empty view for none.
 */
static struct sk_view field(const char *head, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = strstr(head, "\r\n"); p && p[2] != '\r'; p = strstr(p, "\r\n")) {
        p += 2;
        size_t len = strcspn(p, "\r");
        if (len > n && p[n] == ':' && sk_view_eq_nocase((struct sk_view){ p, n }, name))
            return sk_view_trim((struct sk_view){ p + n + 1, len - n - 1 });
    }
    return (struct sk_view){ "", 0 };
}

/* Reads the status line and the fields that matter. */
static int read_head(struct sk_conn *c, struct sk_err *err)
{
    struct sk_view length = field(c->head, "content-length");
    char digits[24];

    if (strncmp(c->head, "HTTP/1.", 7) != 0 || strlen(c->head) < 12)
        return sk_fail(err, SK_REMOTE, "the answer is not HTTP/1.1");
    c->status = 0;
    for (int i = 9; i < 12; i++)
        c->status = c->status * 10 + (c->head[i] - '0');
    if (field(c->head, "transfer-encoding").len > 0)
        return sk_fail(err, SK_REMOTE,
                       "the answer has a Transfer-Encoding, which is not supported here");
    if (length.len == 0 || length.len >= sizeof digits)
        return sk_fail(err, SK_REMOTE, "the answer has no usable Content-Length");
    (void)snprintf(digits, sizeof digits, "%.*s", (int)length.len, length.ptr);
    if (sk_parse_u64("Content-Length", digits, 0, (uint64_t)1 << 40, &c->body_left, err) < 0)
        return -1;
    c->close_after = sk_view_eq_nocase(field(c->head, "connection"), "close");
    c->head_done = true;
    return 0;
}

static int take_body(struct sk_conn *c, const char *bytes, size_t len, struct sk_err *err)
{
    size_t have = strlen(c->snippet);
    size_t room = sizeof c->snippet - 1 - have;

    if (len > c->body_left)
        return sk_fail(err, SK_REMOTE, "more bytes than the Content-Length says");
    if (c->status != 200 && len > 0 && room > 0) {
        size_t n = len < room ? len : room;
        memcpy(c->snippet + have, bytes, n);
        c->snippet[have + n] = '\0';
    }
    if (c->body)
        sk_buf_add(c->body, bytes, len);
    c->body_left -= len;
    return 0;
}

/* Adds bytes to the head; once the empty line is there, what follows is body. */
static int take_head(struct sk_conn *c, const char *bytes, size_t len, struct sk_err *err)
{
    size_t n = len < sizeof c->head - 1 - c->head_len ? len : sizeof c->head - 1 - c->head_len;

    memcpy(c->head + c->head_len, bytes, n);
    size_t before = c->head_len;
    c->head_len += n;
    c->head[c->head_len] = '\0';
    const char *end = strstr(c->head, "\r\n\r\n");
    if (!end && c->head_len == sizeof c->head - 1)
        return sk_fail(err, SK_REMOTE, "the head of the answer is too long");
    if (!end)
        return 0;
    size_t used = (size_t)(end + 4 - c->head) - before;
    if (read_head(c, err) < 0)
        return -1;
    return take_body(c, bytes + used, len - used, err);
}

static enum sk_conn_result read_some(struct sk_conn *c, struct sk_err *err)
{
    char bytes[65536];

    for (;;) {
        ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return SK_CONN_AGAIN;
        if (n < 0) {
            (void)sk_fail_errno(err, "receiving");
            return SK_CONN_FAILED;
        }
        if (n == 0) {
            (void)sk_fail(err, SK_REMOTE, "the server closed the connection");
            return SK_CONN_FAILED;
        }
        int rc = c->head_done ? take_body(c, bytes, (size_t)n, err)
                              : take_head(c, bytes, (size_t)n, err);
        if (rc < 0)
            return SK_CONN_FAILED;
        if (c->head_done && c->body_left == 0)
            return SK_CONN_DONE;
    }
}

enum sk_conn_result sk_conn_step(struct sk_conn *c, struct sk_err *err)
{
    enum sk_conn_result result = SK_CONN_AGAIN; /* after the sending no answer can be there yet */

    if (c->state == SK_CONN_READING)
        result = read_some(c, err);
    else if (c->state == SK_CONN_SENDING && send_some(c, err) == SK_CONN_FAILED)
        result = SK_CONN_FAILED;
    if (result == SK_CONN_FAILED || (result == SK_CONN_DONE && c->close_after))
        sk_conn_close(c);
    else if (result == SK_CONN_DONE)
        c->state = SK_CONN_IDLE;
    return result;
}

static void conn_done(struct sk_conn *c)
{
    sk_conn_close(c);
}

int sk_bench_exchange(const struct sk_bench_target *t, const char *request, size_t len,
                      unsigned timeout_ms, int *status, struct sk_buf *body, struct sk_err *err)
{
    SK_AUTO(conn_done) struct sk_conn c = { .fd = -1, .body = body };
    const uint64_t end = sk_now_ms() + timeout_ms;

    if (sk_conn_start(&c, t, request, len, err) < 0)
        return -1;
    for (;;) {
        uint64_t now = sk_now_ms();
        struct pollfd p = { .fd = c.fd, .events = c.state == SK_CONN_SENDING ? POLLOUT : POLLIN };

        if (now >= end)
            return sk_fail(err, SK_TIMEOUT, "%s did not answer within %u ms", t->host, timeout_ms);
        if (poll(&p, 1, (int)(end - now)) < 0 && errno != EINTR)
            return sk_fail_errno(err, "poll");
        enum sk_conn_result r = sk_conn_step(&c, err);
        if (r == SK_CONN_FAILED)
            return sk_wrap(err, "%s", t->host);
        if (r == SK_CONN_DONE)
            break;
    }
    if (body && !sk_buf_ok(body))
        return sk_buf_fail(body, err);
    *status = c.status;
    return 0;
}

int sk_bench_get(const struct sk_bench_target *t, const char *method, const char *path,
                 struct sk_buf *body, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf request = SK_BUF_INIT(65536);
    int status = 0;

    sk_buf_fmt(&request, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n", method, path,
               t->host);
    if (t->api_key)
        sk_buf_fmt(&request, "Authorization: Bearer %s\r\n", t->api_key);
    sk_buf_str(&request, "\r\n");
    if (!sk_buf_ok(&request))
        return sk_buf_fail(&request, err);
    if (sk_bench_exchange(t, request.data, request.len, 10000, &status, body, err) < 0)
        return -1;
    if (status != 200)
        return sk_fail(err, SK_REMOTE, "%s %s: status %d: %.200s", method, path, status,
                       body->data ? body->data : "");
    return 0;
}
