/* test_source.c - answers that come piece by piece: whole, woken, failed, abandoned, slow, ended.
 */
#include "base/clock.h"
#include "base/thread.h"
#include "client.h"
#include "fixture.h"
#include "harness/alloc_fail.h"
#include "http/http_priv.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    FEEDS = 6,
    WAKES = 10000,
    LONG_MS = 60000, /* longer than anything here may take */
    SOON_MS = HTTP_WAIT_MS
};

/* What a source gives, by ?i= of the request. */
struct feed {
    size_t pieces, size;  /* so many, each of so many bytes, then the end */
    bool ends_with_bytes; /* END comes with the last piece */
    bool stutters;        /* a MORE without bytes before each piece */
    bool is_live;         /* instead: one byte for each `made`, waits in between */
    bool must_end, no_memory, is_refused;
    unsigned itself_every; /* that many waits make the next byte themselves */
    _Atomic unsigned made, taken, waits, pulls, done;
    _Atomic bool is_closed, is_broken;
    struct sk_http_waker *waker; /* the test's */
    size_t given, bytes;
    bool has_stuttered;
};

static struct feed feeds[FEEDS];

static char byte_at(size_t i)
{
    return (char)('a' + i % 23);
}

static void append(struct feed *f, struct sk_buf *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sk_buf_chr(out, byte_at(f->bytes++));
}

static void make(struct feed *f, unsigned n)
{
    atomic_fetch_add(&f->made, n);
    sk_http_wake(f->waker);
}

static int pull_live(struct feed *f, struct sk_buf *out, size_t max)
{
    if (atomic_load(&f->is_broken))
        return SK_HTTP_SOURCE_FAIL;
    const bool is_closed = atomic_load(&f->is_closed); /* before: what was made then is all */
    size_t n = atomic_load(&f->made) - atomic_load(&f->taken);
    n = n < max ? n : max;
    append(f, out, n);
    atomic_fetch_add(&f->taken, (unsigned)n);
    if (n > 0)
        return SK_HTTP_SOURCE_MORE;
    if (is_closed)
        return SK_HTTP_SOURCE_END;
    const unsigned waits = atomic_fetch_add(&f->waits, 1) + 1;
    if (f->itself_every && waits % f->itself_every == 0)
        make(f, 1); /* between the answer WAIT and the suspension */
    return SK_HTTP_SOURCE_WAIT;
}

static int pull(void *ctx, struct sk_buf *out, size_t max)
{
    struct feed *f = ctx;
    atomic_fetch_add(&f->pulls, 1);
    if (out->len != 0 || max == 0 || max > SK_HTTP_ASK_BYTES || atomic_load(&f->done) > 0)
        abort();
    if (f->is_live)
        return pull_live(f, out, max);
    if (f->stutters && (f->has_stuttered = !f->has_stuttered))
        return SK_HTTP_SOURCE_MORE;
    if (f->given == f->pieces)
        return SK_HTTP_SOURCE_END;
    append(f, out, f->size);
    f->given++;
    return f->given == f->pieces && f->ends_with_bytes ? SK_HTTP_SOURCE_END : SK_HTTP_SOURCE_MORE;
}

static void done(void *ctx)
{
    struct feed *f = ctx;
    int did_fail;
    if (f->no_memory)
        (void)sk_alloc_fail_end(&did_fail);
    atomic_fetch_add(&f->done, 1);
}

static void give(struct sk_http_req *r, void *ctx)
{
    (void)ctx;
    const char *i = sk_http_query(r, "i");
    const char *status = sk_http_query(r, "status");
    struct feed *f = &feeds[i ? strtoul(i, NULL, 10) : 0];
    if (f->is_live)
        f->waker = sk_http_waker(r);
    if (status)
        sk_http_set_status(r, (int)strtol(status, NULL, 10));
    sk_http_set_type(r, "text/event-stream");
    sk_http_set_source(r, &(struct sk_http_source){ pull, done, f, f->must_end });
    if (f->is_refused)
        sk_http_error(r, &(struct sk_err){ .code = SK_EXISTS, .text = "no" });
    if (f->no_memory)
        sk_alloc_fail_at(1);
    sk_http_answer(r);
}

static void give_ok(struct sk_http_req *r, void *ctx)
{
    (void)ctx;
    sk_buf_str(sk_http_out(r), "ok");
    sk_http_answer(r);
}

static const struct sk_http_route routes[] = {
    { "GET", "/feed", 0, give, NULL, 0 },
    { "PUT", "/feed", SK_HTTP_STREAM, give, NULL, 0 },
    { "GET", "/ok", 0, give_ok, NULL, 0 },
    { NULL, NULL, 0, NULL, NULL, 0 },
};

static void reset_feeds(void)
{
    for (size_t i = 0; i < FEEDS; i++) {
        sk_http_waker_unref(feeds[i].waker);
        feeds[i] = (struct feed){ .is_live = true };
    }
}

static void start(struct fixture *f, unsigned read_ms)
{
    reset_feeds();
    fixture_start(f,
                  (struct sk_http_options){ .routes = routes, .read_ms = read_ms, .threads = 2 });
}

static void ask(struct client *c, uint16_t port, const char *what)
{
    client_open(c, port);
    client_send(c, what);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static bool receive(struct client *c)
{
    struct pollfd p = { .fd = c->fd, .events = POLLIN };
    if (poll(&p, 1, HTTP_WAIT_MS) <= 0)
        fail_msg("nothing was received");
    char *room = sk_buf_reserve(&c->in, 65536);
    assert_non_null(room);
    ssize_t n = recv(c->fd, room, 65536, 0);
    if (n > 0)
        sk_buf_commit(&c->in, (size_t)n);
    return n > 0;
}

/* One chunk of an answer whose head was read: its length, 0 the last, -1 cut. `at` counts bytes. */
static long read_chunk(struct client *c, size_t *at)
{
    char *end = NULL;
    while (!c->in.data || !(end = strstr(c->in.data, "\r\n")))
        if (!receive(c))
            return -1;
    const size_t head = (size_t)(end - c->in.data) + 2, len = strtoul(c->in.data, NULL, 16);
    while (c->in.len < head + len + 2)
        if (!receive(c))
            return -1;
    for (size_t i = 0; i < len; i++)
        assert_int_equal(c->in.data[head + i], byte_at((*at)++));
    memmove(c->in.data, c->in.data + head + len + 2, c->in.len - head - len - 2);
    c->in.len -= head + len + 2;
    c->in.data[c->in.len] = '\0';
    return (long)len;
}

/* All chunks; false: cut. */
static bool read_chunks(struct client *c, size_t *at)
{
    long n;
    while ((n = read_chunk(c, at)) > 0)
        continue;
    return n == 0;
}

static void wait_for(_Atomic unsigned *value, unsigned n)
{
    for (uint64_t end = sk_now_ms() + HTTP_WAIT_MS; atomic_load(value) < n; (void)usleep(500))
        if (sk_now_ms() > end)
            fail_msg("it is %u, not %u", atomic_load(value), n);
}

/* The source waits: it was asked and had nothing. */
static void wait_waiting(struct fixture *f)
{
    fixture_wait_stage(f, SK_STAGE_WAITING, 1);
}

static void end_feed(struct feed *f)
{
    atomic_store(&f->is_closed, true);
    sk_http_wake(f->waker);
}

/* [http-80] Every byte once and in order, and the connection goes on. */
static void whole_answers(void **state)
{
    (void)state;

    static const struct {
        size_t pieces, size;
        bool ends_with_bytes, stutters, is_cut;
    } rows[] = {
        { 0, 0, false, false, false },
        { 1, 1, false, false, false },
        { 1, 1, true, false, false },
        { 3, 1000, false, true, false },
        { 500, 100, true, false, false },
        { 100, SK_HTTP_ASK_BYTES, false, false, false },
        { 2, SK_HTTP_PIECE_BYTES, true, true, false },
        { 1, SK_HTTP_PIECE_BYTES + 1, false, false, true },
    };
    struct fixture f;
    start(&f, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client c;
        struct answer a;
        size_t at = 0;
        feeds[0] = (struct feed){ .pieces = rows[i].pieces,
                                  .size = rows[i].size,
                                  .ends_with_bytes = rows[i].ends_with_bytes,
                                  .stutters = rows[i].stutters };
        ask(&c, f.port, GET("/feed"));
        client_read(&c, false, &a);
        assert_int_equal(a.status, 200);
        assert_string_equal(answer_header(&a, "Transfer-Encoding"), "chunked");
        assert_string_equal(answer_header(&a, "Content-Type"), "text/event-stream");
        if (read_chunks(&c, &at) == rows[i].is_cut)
            fail_msg("row %zu: cut after %zu bytes", i, at);
        if (!rows[i].is_cut) {
            assert_int_equal(at, rows[i].pieces * rows[i].size);
            client_send(&c, GET("/ok"));
            client_read(&c, false, &a);
            assert_string_equal(a.body, "ok");
        }
        wait_for(&feeds[0].done, 1);
        client_close(&c);
    }
    fixture_stop(&f);
}

/* A route that takes bodies may answer with a source at once. */
static void beside_a_body(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    struct answer a;
    size_t at = 0;
    start(&f, 0);
    feeds[0] = (struct feed){ .pieces = 3, .size = 5 };
    ask(&c, f.port, "PUT /feed HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc");
    client_read(&c, false, &a);
    assert_int_equal(a.status, 200);
    assert_true(read_chunks(&c, &at));
    assert_int_equal(at, 15);
    assert_true(client_ends(&c, SOON_MS));
    client_close(&c);
    fixture_wait_finished(1);
    assert_int_equal(atomic_load(&feeds[0].done), 1);
    fixture_stop(&f);
}

/* The next byte as soon as the source says that it has none: in the middle of the pull, of the
 * suspension, and behind it. */
static void *run_producer(void *arg)
{
    struct feed *f = arg;
    for (unsigned i = 0; i < WAKES; i++) {
        while (atomic_load(&f->waits) <= i)
            (void)sched_yield();
        for (volatile unsigned spin = 0; spin < i % 701; spin = spin + 1)
            continue;
        make(f, 1);
    }
    end_feed(f);
    return NULL;
}

/* [http-81] No wake is lost, on several connections of two loops at once. */
static void many_wakes(void **state)
{
    (void)state;
    struct fixture f;
    struct client clients[FEEDS];
    pthread_t threads[FEEDS];
    struct sk_err err = SK_ERR_INIT;
    start(&f, 0);
    for (unsigned i = 0; i < FEEDS; i++) {
        char text[64];
        struct answer a;
        (void)snprintf(text, sizeof text, "GET /feed?i=%u HTTP/1.1\r\nHost: x\r\n\r\n", i);
        feeds[i].itself_every = i % 2 ? 5 : 0;
        ask(&clients[i], f.port, text);
        client_read(&clients[i], false, &a); /* the head does not wait for the first byte */
        assert_int_equal(a.status, 200);
        if (sk_thread_start(&threads[i], "producer", run_producer, &feeds[i], &err) < 0)
            fail_msg("%s", err.text);
    }
    for (unsigned i = 0; i < FEEDS; i++) {
        size_t at = 0;
        assert_true(read_chunks(&clients[i], &at));
        (void)pthread_join(threads[i], NULL);
        assert_int_equal(at, atomic_load(&feeds[i].made));
        assert_true(at >= WAKES);
        client_close(&clients[i]);
    }
    fixture_stop(&f);
    for (unsigned i = 0; i < FEEDS; i++) {
        assert_int_equal(atomic_load(&feeds[i].done), 1);
        sk_http_wake(feeds[i].waker); /* all is gone */
    }
    assert_int_equal(fixture_finished(), FEEDS);
}

/* [http-82] [http-3] Waiting has no deadline, whatever was sent before; a client that ended its
 * side still gets all. */
static void long_waits(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    struct answer a;
    size_t at = 0;
    start(&f, LONG_MS);
    ask(&c, f.port, GET("/feed"));
    (void)shutdown(c.fd, SHUT_WR);
    client_read(&c, false, &a);
    for (unsigned i = 1; i <= 3; i++) {
        wait_waiting(&f);
        sk_table_sweep(f.server, sk_now_ms() + 2 * LONG_MS);
        make(&feeds[0], 40000);
        while (at < i * 40000)
            assert_true(read_chunk(&c, &at) > 0);
    }
    end_feed(&feeds[0]);
    assert_int_equal(read_chunk(&c, &at), 0);
    client_close(&c);
    fixture_stop(&f);
    assert_int_equal(atomic_load(&feeds[0].done), 1);
}

/* [http-83] Who leaves while the source waits: noticed at once after a reset, else when the next
 * bytes come back. */
static void client_leaves(void **state)
{
    (void)state;
    for (int resets = 0; resets < 2; resets++) {
        struct fixture f;
        struct client c;
        struct answer a;
        const struct linger now = { 1, 0 };
        start(&f, 0);
        ask(&c, f.port, GET("/feed"));
        client_read(&c, false, &a);
        wait_waiting(&f);
        if (resets)
            (void)setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        client_close(&c);
        if (!resets)
            make(&feeds[0], 1);
        wait_for(&feeds[0].done, 1);
        fixture_wait_finished(1);
        assert_int_equal(atomic_load(&f.server->sources), 0);
        sk_http_wake(feeds[0].waker);
        fixture_stop(&f);
        assert_int_equal(atomic_load(&feeds[0].done), 1);
    }
}

/* [http-84] The client sees that it is not whole, in HTTP/1.0 by a reset. */
static void failing(void **state)
{
    (void)state;
    static const char *const requests[] = { GET("/feed"), "GET /feed HTTP/1.0\r\n\r\n" };
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        struct client c;
        struct answer a;
        size_t at = 0;
        char byte;
        start(&f, 0);
        ask(&c, f.port, requests[i]);
        client_read(&c, false, &a);
        assert_int_equal(a.status, 200);
        wait_waiting(&f);
        atomic_store(&feeds[0].is_broken, true);
        sk_http_wake(feeds[0].waker);
        if (i == 0)
            assert_int_equal(read_chunk(&c, &at), -1);
        else
            assert_true(recv(c.fd, &byte, 1, 0) < 0 && errno == ECONNRESET);
        fixture_wait_finished(1);
        assert_int_equal(atomic_load(&feeds[0].done), 1);
        client_close(&c);
        fixture_stop(&f);
    }
}

/* [http-80] An older client gets the bytes and then the end of the connection. */
static void http_1_0(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    struct answer a;
    start(&f, 0);
    ask(&c, f.port, "GET /feed HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    client_read(&c, false, &a);
    assert_int_equal(a.status, 200);
    assert_null(answer_header(&a, "Transfer-Encoding"));
    assert_null(answer_header(&a, "Content-Length"));
    for (unsigned i = 1; i <= 20; i++) {
        wait_waiting(&f);
        make(&feeds[0], 1000);
        while (c.in.len < i * 1000)
            assert_true(receive(&c));
    }
    end_feed(&feeds[0]);
    assert_false(receive(&c));
    assert_int_equal(c.in.len, 20000);
    for (size_t i = 0; i < c.in.len; i++)
        assert_int_equal(c.in.data[i], byte_at(i));
    client_close(&c);
    fixture_stop(&f);
    assert_int_equal(atomic_load(&feeds[0].done), 1);
}

/* [http-85] Answers that need no source are not asked, and done is called. */
static void not_asked(void **state)
{
    (void)state;

    static const struct {
        const char *request;
        int status;
        bool is_refused, no_memory, is_head;
    } rows[] = {
        { "HEAD /feed HTTP/1.1\r\nHost: x\r\n\r\n", 200, false, false, true },
        { "HEAD /feed HTTP/1.0\r\n\r\n", 200, false, false, true },
        { GET("/feed?status=204"), 204, false, false, false },
        { GET("/feed?status=304"), 304, false, false, false },
        { GET("/feed"), 409, true, false, false },
        { GET("/feed"), 500, false, true, false },
    };
    struct fixture f;
    start(&f, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client c;
        struct answer a;
        feeds[0] = (struct feed){
            .pieces = 3, .size = 3, .is_refused = rows[i].is_refused, .no_memory = rows[i].no_memory
        };
        ask(&c, f.port, rows[i].request);
        client_read(&c, rows[i].is_head, &a);
        if (a.status != rows[i].status)
            fail_msg("row %zu: %d %s", i, a.status, a.body);
        fixture_wait_finished((unsigned)i + 1);
        assert_int_equal(atomic_load(&feeds[0].pulls), 0);
        assert_int_equal(atomic_load(&feeds[0].done), 1);
        if (rows[i].is_head)
            assert_true(client_ends(&c, SOON_MS)); /* nothing behind the head */
        client_close(&c);
    }
    fixture_stop(&f);
}

/* [http-82] It reads nothing: little is asked, others are served, and it is cut. In each round the
 * deadlines of the round before pass. */
static void slow_reader(void **state)
{
    (void)state;
    struct fixture f;
    struct client c, d;
    struct answer a;
    start(&f, LONG_MS);
    feeds[0] = (struct feed){ .pieces = SIZE_MAX, .size = 1000 };
    const uint64_t begin = sk_now_ms();
    ask(&c, f.port, GET("/feed"));
    fixture_wait_stage(&f, SK_STAGE_SENDING, 1);
    sk_table_sweep(f.server, begin + LONG_MS - 1);
    assert_int_equal(fixture_in_stage(&f, SK_STAGE_SENDING), 1);
    client_open(&d, f.port);
    while (atomic_load(&feeds[0].done) == 0) {
        const uint64_t round_ms = sk_now_ms();
        assert_true(round_ms - begin < HTTP_WAIT_MS);
        (void)usleep(20000);
        client_send(&d, GET("/ok"));
        client_read(&d, false, &a);
        assert_int_equal(a.status, 200);
        sk_table_sweep(f.server, round_ms + LONG_MS);
    }
    assert_true(feeds[0].bytes < 16 << 20); /* what the kernel holds */
    client_close(&c);
    client_close(&d);
    fixture_stop(&f);
}

/* [http-82] 16 KiB in each read_ms are enough, however long the whole takes: in each round the
 * deadline of the round before passes. A small buffer, so that what is read makes room at once. */
static void steady_reader(void **state)
{
    (void)state;
    static char bytes[SK_HTTP_STALL_BYTES * 16];
    const int small = 16384;
    struct fixture f;
    struct client c;
    start(&f, LONG_MS);
    feeds[0] = (struct feed){ .pieces = SIZE_MAX, .size = SK_HTTP_ASK_BYTES };
    client_open(&c, f.port);
    (void)setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    client_send(&c, GET("/feed"));
    fixture_wait_stage(&f, SK_STAGE_SENDING, 1);
    sk_table_sweep(f.server, sk_now_ms()); /* what is taken counts from here */
    for (int i = 0; i < 20; i++) {
        const uint64_t round_ms = sk_now_ms();
        (void)usleep(20000);
        assert_int_equal(recv(c.fd, bytes, sizeof bytes, MSG_WAITALL), sizeof bytes);
        sk_table_sweep(f.server, sk_now_ms());        /* sees what was taken */
        sk_table_sweep(f.server, round_ms + LONG_MS); /* of what was not, the time is over */
        assert_int_equal(fixture_in_stage(&f, SK_STAGE_SENDING), 1);
    }
    assert_int_equal(atomic_load(&feeds[0].done), 0);
    client_close(&c);
    wait_for(&feeds[0].done, 1);
    fixture_stop(&f);
}

/* [http-86] A drain, or a stop, ends what waits and what is being sent in order. */
static void ended_in_order(void **state)
{
    (void)state;
    for (int stops = 0; stops < 2; stops++) {
        struct fixture f;
        struct client waits, sends;
        struct answer a;
        size_t at = 0;
        start(&f, 0);
        feeds[1] = (struct feed){ .pieces = SIZE_MAX, .size = 1000 };
        ask(&waits, f.port, GET("/feed?i=0"));
        ask(&sends, f.port, GET("/feed?i=1"));
        client_read(&waits, false, &a);
        client_read(&sends, false, &a);
        wait_waiting(&f);
        make(&feeds[0], 3);
        wait_for(&feeds[0].taken, 3);
        const uint64_t begin = sk_now_ms();
        if (!stops) { /* it reads nothing, a drain would wait for its deadline */
            client_close(&sends);
            assert_int_equal(sk_http_drain(f.server, SOON_MS), 0);
        }
        sk_http_stop(f.server);
        assert_true(sk_now_ms() - begin < SK_HTTP_LAST_MS + SOON_MS);
        if (stops)
            client_close(&sends);
        assert_true(read_chunks(&waits, &at));
        assert_int_equal(at, 3);
        assert_int_equal(fixture_finished(), 2);
        assert_int_equal(atomic_load(&feeds[0].done), 1);
        assert_int_equal(atomic_load(&feeds[1].done), 1);
        client_close(&waits);
    }
}

static void *finish_in_drain(void *arg)
{
    struct fixture *f = arg;
    while (!atomic_load(&f->server->is_draining))
        (void)usleep(1000);
    make(&feeds[0], 2);
    end_feed(&feeds[0]);
    return NULL;
}

/* [http-86] What must end is waited for, and cut when the time is over. */
static void must_end(void **state)
{
    (void)state;

    enum how {
        FINISHES,
        DRAINED,
        STOPPED,
        HOW_COUNT
    };

    for (int how = 0; how < HOW_COUNT; how++) {
        struct fixture f;
        struct client c;
        struct answer a;
        size_t at = 0;
        pthread_t thread;
        struct sk_err err = SK_ERR_INIT;
        start(&f, 0);
        feeds[0].must_end = true;
        ask(&c, f.port, GET("/feed"));
        client_read(&c, false, &a);
        make(&feeds[0], 1);
        assert_int_equal(read_chunk(&c, &at), 1);
        if (how == FINISHES && sk_thread_start(&thread, "finish", finish_in_drain, &f, &err) < 0)
            fail_msg("%s", err.text);
        if (how != STOPPED)
            assert_int_equal(sk_http_drain(f.server, how == FINISHES ? SOON_MS : 100), how);
        if (how == FINISHES)
            (void)pthread_join(thread, NULL);
        sk_http_stop(f.server);
        assert_int_equal(read_chunks(&c, &at), how == FINISHES);
        assert_int_equal(at, how == FINISHES ? 3 : 1);
        assert_int_equal(fixture_finished(), 1);
        assert_int_equal(atomic_load(&feeds[0].done), 1);
        client_close(&c);
    }
}

/* Clients come and go while a thread wakes them, and the server stops in the middle of it. */
static void *run_wakes(void *arg)
{
    _Atomic bool *ends = arg;
    while (!atomic_load(ends))
        for (size_t i = 0; i < FEEDS; i++)
            make(&feeds[i], 1);
    return NULL;
}

static void stopped_under_load(void **state)
{
    (void)state;
    for (int round = 0; round < 30; round++) {
        struct fixture f;
        struct client clients[FEEDS];
        struct sk_err err = SK_ERR_INIT;
        _Atomic bool ends = false;
        pthread_t thread;
        start(&f, 0);
        for (unsigned i = 0; i < FEEDS; i++) {
            char text[64];
            struct answer a;
            (void)snprintf(text, sizeof text, "GET /feed?i=%u HTTP/1.1\r\nHost: x\r\n\r\n", i);
            ask(&clients[i], f.port, text);
            client_read(&clients[i], false, &a);
        }
        if (sk_thread_start(&thread, "wakes", run_wakes, &ends, &err) < 0)
            fail_msg("%s", err.text);
        (void)usleep((useconds_t)round * 300);
        client_close(&clients[0]);
        if (round % 2)
            (void)sk_http_drain(f.server, 20);
        sk_http_stop(f.server);
        atomic_store(&ends, true);
        (void)pthread_join(thread, NULL);
        assert_int_equal(fixture_finished(), FEEDS);
        for (unsigned i = 0; i < FEEDS; i++) {
            assert_int_equal(atomic_load(&feeds[i].done), 1);
            if (i > 0)
                client_close(&clients[i]);
        }
    }
}

static int forget(void **state)
{
    (void)state;
    reset_feeds();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_answers),      cmocka_unit_test(beside_a_body),
        cmocka_unit_test(many_wakes),         cmocka_unit_test(long_waits),
        cmocka_unit_test(client_leaves),      cmocka_unit_test(failing),
        cmocka_unit_test(http_1_0),           cmocka_unit_test(not_asked),
        cmocka_unit_test(slow_reader),        cmocka_unit_test(steady_reader),
        cmocka_unit_test(ended_in_order),     cmocka_unit_test(must_end),
        cmocka_unit_test(stopped_under_load),
    };
    return cmocka_run_group_tests(tests, NULL, forget);
}
