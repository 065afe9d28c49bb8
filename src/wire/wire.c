/*
 * wire.c - the socket, its thread, and calls that wait for their answers.
 *
 * The thread reads and tells; it writes only what a sender could not get rid of at once. A sender
 * holds the lock while it puts its frame behind what waits, so frames never mix. Who calls puts a
 * record on its own stack into the list, and waits; the thread fills the record in. A record is in
 * the list exactly while its caller waits, and the wire is freed when the list is empty. Who asks
 * leaves a record there instead, which the thread takes out: with the answer, when its time is
 * over, or at the end.
 */
#include "wire/wire_priv.h"

#include "base/clock.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

struct call {
    struct call *next;
    int64_t id;
    bool is_done;
    struct sk_json *answer; /* NULL: err says why */
    struct sk_err err;
};

struct ask {
    struct ask *next;
    int64_t id;
    uint64_t due_ms;
    void (*done)(void *ctx, const struct sk_json *answer, const struct sk_err *failed);
    void *ctx;
};

struct sk_wire {
    struct sk_wire_handler handler;
    int fd, wake;
    pthread_t thread;
    bool has_thread;
    struct sk_wire_frames in; /* the thread's */
    pthread_mutex_t lock;     /* guards all below */
    pthread_cond_t changed;   /* a call is done, the last caller has left */
    struct sk_buf out;
    size_t out_at;
    struct call *calls;
    struct ask *asks;
    unsigned asks_count;
    int64_t next_id;
    bool is_closed, is_stopping;
};

static void wake(struct sk_wire *w)
{
    const uint64_t one = 1;
    ssize_t n = write(w->wake, &one, sizeof one);
    (void)n; /* full: it is awake */
}

/* ---- writing ---- */

/* With the lock held: what the socket takes now. False: it is broken. */
static bool flush(struct sk_wire *w)
{
    while (w->out_at < w->out.len) {
        ssize_t n = send(w->fd, w->out.data + w->out_at, w->out.len - w->out_at,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK;
        w->out_at += (size_t)n;
    }
    w->out_at = 0;
    if (w->out.cap > SK_WIRE_KEEP_BYTES)
        sk_buf_done(&w->out);
    else
        sk_buf_clear(&w->out);
    return true;
}

/* With the lock held. */
static int put(struct sk_wire *w, struct sk_view json, int64_t id, struct sk_err *err)
{
    if (w->is_closed)
        return sk_fail(err, SK_IO, "the other side has gone");
    const bool had_more = w->out.len > 0;
    const size_t waiting = w->out.len - w->out_at;
    if (waiting > 0 && waiting + json.len + 64 > SK_WIRE_OUT_MAX)
        return sk_fail(err, SK_BUSY, "%zu bytes wait that the other side does not take", waiting);
    if (w->out_at > 0) {
        memmove(w->out.data, w->out.data + w->out_at, waiting);
        w->out.len = waiting;
        w->out_at = 0;
    }
    const size_t before = w->out.len;
    if (sk_wire_frame(json, id, &w->out, err) < 0) {
        w->out.len = before; /* no half of a frame */
        w->out.failed = SK_OK;
        return -1;
    }
    if (had_more || !flush(w) || w->out.len > 0)
        wake(w); /* the thread writes on, or sees what is broken */
    return 0;
}

int sk_wire_send(struct sk_wire *w, struct sk_view json, struct sk_err *err)
{
    SK_LOCK(&w->lock);
    return put(w, json, 0, err);
}

static int put_answer(struct sk_wire *w, int64_t id, const char *more, size_t more_len,
                      struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_WIRE_MAX);
    sk_buf_str(&b, "{\"type\":\"answer\"");
    if (more_len > 0)
        sk_buf_chr(&b, ',');
    sk_buf_add(&b, more, more_len);
    sk_buf_chr(&b, '}');
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    SK_LOCK(&w->lock);
    return put(w, (struct sk_view){ b.data, b.len }, id, err);
}

int sk_wire_answer(struct sk_wire *w, int64_t id, struct sk_view members, struct sk_err *err)
{
    return put_answer(w, id, members.ptr, members.len, err);
}

int sk_wire_refuse(struct sk_wire *w, int64_t id, const struct sk_err *why, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(8 * SK_ERR_TEXT);
    sk_buf_str(&b, "\"error\":");
    sk_buf_json_str(&b, why->text);
    sk_buf_fmt(&b, ",\"code\":\"%s\"", sk_code_name(why->code));
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    return put_answer(w, id, b.data, b.len, err);
}

/* ---- calls ---- */

/* With the lock held. */
static void leave(struct sk_wire *w, struct call *c)
{
    struct call **at = &w->calls;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    if (!w->calls)
        (void)pthread_cond_broadcast(&w->changed); /* who frees waits for this */
}

int sk_wire_call(struct sk_wire *w, struct sk_view json, uint64_t timeout_ms, struct sk_json **out,
                 struct sk_err *err)
{
    const uint64_t until = sk_now_ns() +
                           (timeout_ms ? timeout_ms : SK_WIRE_CALL_MS) * UINT64_C(1000000);
    struct call c = { .err = SK_ERR_INIT };

    SK_OWN(sk_json_free) struct sk_json *answer = NULL;
    {
        SK_LOCK(&w->lock);
        c.id = w->next_id++;
        if (put(w, json, c.id, err) < 0)
            return -1;
        c.next = w->calls;
        w->calls = &c;
        while (!c.is_done && sk_cond_wait_until(&w->changed, &w->lock, until) != ETIMEDOUT)
            continue;
        leave(w, &c);
    }

    answer = c.answer;
    if (!c.is_done)
        return sk_fail(err, SK_TIMEOUT, "no answer came in time");
    if (!answer) {
        *err = c.err;
        return -1;
    }
    if (sk_wire_message_refusal(answer, err) < 0)
        return -1;
    *out = SK_TAKE(answer);
    return 0;
}

int sk_wire_ask(struct sk_wire *w, struct sk_view json, uint64_t timeout_ms,
                void (*done)(void *ctx, const struct sk_json *answer, const struct sk_err *failed),
                void *ctx, struct sk_err *err)
{
    SK_OWN(free) struct ask *a = malloc(sizeof *a);
    if (!a)
        return sk_nomem(err);
    *a = (struct ask){ .due_ms = sk_now_ms() + (timeout_ms ? timeout_ms : SK_WIRE_CALL_MS),
                       .done = done,
                       .ctx = ctx };
    SK_LOCK(&w->lock);
    if (w->asks_count >= SK_WIRE_ASKS_MAX)
        return sk_fail(err, SK_BUSY, "%d questions wait for the other side", SK_WIRE_ASKS_MAX);
    a->id = w->next_id++;
    if (put(w, json, a->id, err) < 0)
        return -1;
    a->next = w->asks;
    w->asks = SK_TAKE(a);
    w->asks_count++;
    wake(w); /* its deadline may be the nearest */
    return 0;
}

/* Out of the list: the one with this id, or (0) one whose time is over by now_ms. */
static struct ask *take_ask(struct sk_wire *w, int64_t id, uint64_t now_ms)
{
    SK_LOCK(&w->lock);
    for (struct ask **at = &w->asks; *at; at = &(*at)->next) {
        struct ask *a = *at;
        if (id != 0 ? a->id != id : a->due_ms > now_ms)
            continue;
        *at = a->next;
        w->asks_count--;
        return a;
    }
    return NULL;
}

static void end_asks(struct sk_wire *w, uint64_t now_ms, enum sk_code code, const char *why)
{
    struct sk_err err = SK_ERR_INIT;
    (void)sk_fail(&err, code, "%s", why);
    for (struct ask *a; (a = take_ask(w, 0, now_ms)) != NULL; free(a))
        a->done(a->ctx, NULL, &err);
}

/* Milliseconds to the nearest deadline; -1: none. */
static int until_due(struct sk_wire *w)
{
    uint64_t now = sk_now_ms(), due = UINT64_MAX;
    SK_LOCK(&w->lock);
    for (const struct ask *a = w->asks; a; a = a->next)
        due = a->due_ms < due ? a->due_ms : due;
    if (due == UINT64_MAX)
        return -1;
    return due <= now ? 0 : due - now > INT32_MAX ? INT32_MAX : (int)(due - now);
}

static bool give_to_caller(struct sk_wire *w, int64_t id, struct sk_json *doc)
{
    SK_LOCK(&w->lock);
    for (struct call *c = w->calls; c; c = c->next)
        if (c->id == id && !c->is_done) {
            c->answer = doc;
            c->is_done = true;
            (void)pthread_cond_broadcast(&w->changed);
            return true;
        }
    return false;
}

/* The answer goes to who waits for it; nobody does any more for one that is late. */
static void give_answer(struct sk_wire *w, int64_t id, struct sk_json *doc)
{
    struct sk_err err = SK_ERR_INIT;
    if (give_to_caller(w, id, doc))
        return;
    struct ask *a = take_ask(w, id, 0);
    if (a && sk_wire_message_refusal(doc, &err) < 0)
        a->done(a->ctx, NULL, &err);
    else if (a)
        a->done(a->ctx, doc, NULL);
    free(a);
    sk_json_free(doc);
}

static void fail_calls(struct sk_wire *w)
{
    SK_LOCK(&w->lock);
    w->is_closed = true;
    for (struct call *c = w->calls; c; c = c->next)
        if (!c->is_done) {
            (void)sk_fail(&c->err, SK_IO, "the other side has gone");
            c->is_done = true;
        }
    (void)pthread_cond_broadcast(&w->changed);
}

/* ---- the thread ---- */

static int tell(struct sk_wire *w, struct sk_view frame, struct sk_err *err)
{
    struct sk_wire_message m;
    if (sk_wire_message_parse(frame, &m, err) < 0)
        return -1;
    if (m.is_answer) {
        give_answer(w, m.id, m.doc);
        return 0;
    }
    w->handler.message(w, m.type, m.id, m.doc, w->handler.ctx);
    sk_json_free(m.doc);
    return 0;
}

/* 1: go on; 0: the other side has ended; -1: it broke the rules, or the connection is lost. */
static int take_in(struct sk_wire *w, struct sk_err *err)
{
    char bytes[SK_WIRE_READ_BYTES];
    struct sk_view frame;
    ssize_t n = recv(w->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
        return 1;
    if (n < 0)
        return sk_fail_errno(err, "the wire");
    if (n == 0)
        return 0;
    if (sk_wire_frames_add(&w->in, bytes, (size_t)n, err) < 0)
        return -1;
    for (;;) {
        int rc = sk_wire_frames_next(&w->in, &frame, err);
        if (rc <= 0)
            return rc < 0 ? -1 : 1;
        if (tell(w, frame, err) < 0)
            return -1;
    }
}

/* Whether to go on; *wants_write: bytes wait. */
static bool look(struct sk_wire *w, bool *wants_write)
{
    SK_LOCK(&w->lock);
    const bool is_whole = flush(w);
    *wants_write = w->out.len > 0;
    return is_whole && !w->is_stopping;
}

static void *serve(void *arg)
{
    struct sk_wire *w = arg;
    struct sk_err err = SK_ERR_INIT;
    bool wants_write = false;
    while (look(w, &wants_write)) {
        struct pollfd p[2] = { { .fd = w->fd,
                                 .events = (short)(POLLIN | (wants_write ? POLLOUT : 0)) },
                               { .fd = w->wake, .events = POLLIN } };
        uint64_t count;
        if (poll(p, 2, until_due(w)) < 0)
            continue;
        end_asks(w, sk_now_ms(), SK_TIMEOUT, "no answer came in time");
        if (p[1].revents && read(w->wake, &count, sizeof count) < 0)
            continue;
        if ((p[0].revents & (POLLIN | POLLHUP | POLLERR)) && take_in(w, &err) <= 0)
            break;
    }
    fail_calls(w);
    end_asks(w, UINT64_MAX, SK_IO, "the other side has gone");
    (void)shutdown(w->fd, SHUT_RDWR);
    if (w->handler.closed)
        w->handler.closed(w, w->handler.ctx);
    return NULL;
}

/* ---- life ---- */

/* A process of root or of the named user. None is named: of our own, and who is root itself takes
 * whoever serves the path it chose: only those who may write in that folder can. */
static int check_peer(int fd, uid_t user, struct sk_err *err)
{
    struct ucred who;
    socklen_t len = sizeof who;
    const uid_t wanted = user != 0 ? user : geteuid();
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
        return sk_fail_errno(err, "the other side's user");
    if (who.uid != 0 && who.uid != wanted && wanted != 0)
        return sk_fail(err, SK_DENIED, "the other side is a process of user %u", who.uid);
    return 0;
}

static int start(struct sk_wire *w, struct sk_err *err)
{
    w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->wake < 0)
        return sk_fail_errno(err, "an event descriptor");
    if (sk_thread_start(&w->thread, "sk-wire", serve, w, err) < 0)
        return -1;
    w->has_thread = true;
    return 0;
}

int sk_wire_open(int fd, const struct sk_wire_handler *handler, struct sk_wire **out,
                 struct sk_err *err)
{
    SK_AUTO(sk_close) int own = fd;
    if (check_peer(own, handler->user, err) < 0)
        return -1;
    SK_OWN(sk_wire_free) struct sk_wire *w = calloc(1, sizeof *w);
    if (!w)
        return sk_nomem(err);
    *w = (struct sk_wire){
        .handler = *handler,
        .fd = sk_take_fd(&own),
        .wake = -1,
        .in = SK_WIRE_FRAMES_INIT,
        .out = SK_BUF_INIT(SK_WIRE_OUT_MAX),
        .next_id = 1,
    };
    (void)pthread_mutex_init(&w->lock, NULL);
    if (sk_cond_init(&w->changed, err) < 0) {
        sk_close(&w->fd);
        (void)pthread_mutex_destroy(&w->lock);
        free(SK_TAKE(w));
        return -1;
    }
    if (start(w, err) < 0)
        return -1;
    *out = SK_TAKE(w);
    return 0;
}

int sk_wire_connect(const char *path, const struct sk_wire_handler *handler, struct sk_wire **out,
                    struct sk_err *err)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof a.sun_path)
        return sk_fail(err, SK_INVALID, "'%s': the path of a socket has at most %zu bytes", path,
                       sizeof a.sun_path - 1);
    memcpy(a.sun_path, path, strlen(path) + 1);
    SK_AUTO(sk_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return sk_fail_errno(err, "a socket");
    if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
        return errno == ENOENT || errno == ECONNREFUSED || errno == EAGAIN
                   ? sk_fail(err, SK_BUSY, "'%s': nobody listens there yet", path)
                   : sk_fail_errno(err, "'%s'", path);
    return sk_wire_open(sk_take_fd(&fd), handler, out, err);
}

void sk_wire_free(struct sk_wire *w)
{
    if (!w)
        return;
    if (w->has_thread) {
        {
            SK_LOCK(&w->lock);
            w->is_stopping = true;
        }
        wake(w);
        (void)pthread_join(w->thread, NULL);
        SK_LOCK(&w->lock);
        while (w->calls)
            (void)sk_cond_wait_until(&w->changed, &w->lock, UINT64_MAX);
    }
    sk_close(&w->fd);
    sk_close(&w->wake);
    sk_wire_frames_done(&w->in);
    sk_buf_done(&w->out);
    (void)pthread_cond_destroy(&w->changed);
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
}
