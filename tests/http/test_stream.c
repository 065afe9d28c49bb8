/* test_stream.c - bodies that are taken as they come: whole, refused, failed, abandoned, slow. */
#include "base/clock.h"
#include "base/thread.h"
#include "client.h"
#include "fixture.h"
#include "http/http_priv.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    SERVER_LIMIT = 1000,
    ROUTE_LIMIT = 1 << 20,
    LONG_MS = 60000 /* longer than anything here may take */
};

/* What a request asks of its handler: ?fail=N&hold=N&later=1&slow=MS */
struct body {
    struct sk_http_req *req;
    uint64_t bytes, sum, fail_at, hold_at;
    unsigned slow_ms;
    bool is_later;
    enum sk_code code; /* SK_OK: whole */
};

static _Atomic unsigned done_count, sink_count, admit_count, handled_count, running;
static _Atomic int done_code;
static _Atomic uint64_t taken; /* bytes, by all sinks */
static _Atomic bool is_held;   /* at hold=N a sink waits as long as this is set */

static int take_piece(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    struct body *b = ctx;
    atomic_fetch_add(&sink_count, 1);
    for (size_t i = 0; i < len; i++)
        b->sum += ((const unsigned char *)bytes)[i] * (b->bytes + i + 1);
    b->bytes += len;
    if (b->slow_ms)
        (void)usleep(b->slow_ms * 1000);
    atomic_fetch_add(&taken, len);
    while (b->hold_at && b->bytes >= b->hold_at && atomic_load(&is_held))
        (void)usleep(1000);
    if (b->fail_at && b->bytes >= b->fail_at)
        return sk_fail(err, SK_EXISTS, "the sink has enough");
    return 0;
}

static void give_answer(struct body *b)
{
    struct sk_http_req *r = b->req;
    struct sk_err err = { .code = b->code, .text = "not whole" };
    sk_http_set_header(r, "X-Why", sk_code_name(b->code));
    if (b->code != SK_OK)
        sk_http_error(r, &err);
    else
        sk_buf_fmt(sk_http_out(r), "%llu %llu", (unsigned long long)b->bytes,
                   (unsigned long long)b->sum);
    free(b);
    sk_http_answer(r);
}

static void *answer_later(void *arg)
{
    (void)usleep(30000);
    give_answer(arg);
    atomic_fetch_sub(&running, 1);
    return NULL;
}

static void body_done(struct sk_http_req *r, const struct sk_err *failed, void *ctx)
{
    struct body *b = ctx;
    pthread_t thread;
    if (b->req != r)
        abort();
    b->code = failed ? failed->code : SK_OK;
    atomic_store(&done_code, (int)b->code);
    atomic_fetch_add(&done_count, 1);
    if (b->is_later) {
        atomic_fetch_add(&running, 1);
        if (pthread_create(&thread, NULL, answer_later, b) != 0)
            abort();
        (void)pthread_detach(thread);
        return;
    }
    give_answer(b);
}

static uint64_t number(struct sk_http_req *r, const char *name)
{
    const char *text = sk_http_query(r, name);
    return text ? strtoull(text, NULL, 10) : 0;
}

static void take(struct sk_http_req *r, void *ctx)
{
    (void)ctx;
    struct body *b = calloc(1, sizeof *b);
    if (!b)
        abort();
    atomic_fetch_add(&handled_count, 1);
    b->req = r;
    b->fail_at = number(r, "fail");
    b->hold_at = number(r, "hold");
    b->slow_ms = (unsigned)number(r, "slow");
    b->is_later = number(r, "later") == 1;
    sk_http_take_body(r, take_piece, body_done, b);
}

static void refuse(struct sk_http_req *r, void *ctx)
{
    (void)ctx;
    struct sk_err err = SK_ERR_INIT;
    (void)sk_fail(&err, SK_EXISTS, "it is there: %llu bytes",
                  (unsigned long long)sk_http_content_length(r));
    sk_http_error(r, &err);
    sk_http_answer(r);
}

static void forget(struct sk_http_req *r, void *ctx)
{
    (void)r;
    (void)ctx;
}

static void whole(struct sk_http_req *r, void *ctx)
{
    (void)ctx;
    sk_buf_fmt(sk_http_out(r), "%s %zu", sk_http_method(r), sk_http_body(r).len);
    sk_http_answer(r);
}

static const struct sk_http_route routes[] = {
    { "PUT", "/take", SK_HTTP_STREAM, take, NULL, ROUTE_LIMIT },
    { "PATCH", "/take", SK_HTTP_STREAM, take, NULL, ROUTE_LIMIT },
    { "PUT", "/small", SK_HTTP_STREAM, take, NULL, 0 },
    { "PUT", "/refuse", SK_HTTP_STREAM, refuse, NULL, ROUTE_LIMIT },
    { "PUT", "/forget", SK_HTTP_STREAM, forget, NULL, ROUTE_LIMIT },
    { "DELETE", "/whole", 0, whole, NULL, 0 },
    { "PATCH", "/whole", 0, whole, NULL, 2000 },
    { "HEAD", "/whole", 0, whole, NULL, 0 },
    { NULL, NULL, 0, NULL, NULL, 0 },
};

static void start(struct fixture *f, unsigned read_ms)
{
    atomic_store(&done_count, 0);
    atomic_store(&sink_count, 0);
    atomic_store(&handled_count, 0);
    atomic_store(&taken, 0);
    fixture_start(f, (struct sk_http_options){
                         .routes = routes, .max_body_bytes = SERVER_LIMIT, .read_ms = read_ms });
}

static void stop(struct fixture *f)
{
    fixture_stop(f);
    for (uint64_t end = sk_now_ms() + HTTP_WAIT_MS; atomic_load(&running) > 0;)
        assert_true(sk_now_ms() < end);
}

static void wait_for(_Atomic unsigned *count, unsigned n)
{
    for (uint64_t end = sk_now_ms() + HTTP_WAIT_MS; atomic_load(count) < n;) {
        if (sk_now_ms() > end)
            fail_msg("it is %u, not %u", atomic_load(count), n);
        (void)usleep(1000);
    }
}

static void wait_taken(uint64_t n)
{
    for (uint64_t end = sk_now_ms() + HTTP_WAIT_MS; atomic_load(&taken) < n;) {
        if (sk_now_ms() > end)
            fail_msg("%u bytes were taken, not %u", (unsigned)atomic_load(&taken), (unsigned)n);
        (void)usleep(1000);
    }
}

static char byte_at(size_t i)
{
    return (char)('a' + i % 23);
}

/* The beginning of a request, and `sent` of its len bytes; chunk 0: with a Content-Length. */
static void send_part(struct client *c, const char *target, const char *more, size_t len,
                      size_t sent, size_t chunk)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(16 << 20);
    sk_buf_fmt(&b, "PUT %s HTTP/1.1\r\nHost: x\r\n%s", target, more);
    if (chunk)
        sk_buf_str(&b, "Transfer-Encoding: chunked\r\n\r\n");
    else
        sk_buf_fmt(&b, "Content-Length: %zu\r\n\r\n", len);
    for (size_t at = 0; at < sent;) {
        size_t n = chunk && chunk < sent - at ? chunk : sent - at;
        if (chunk)
            sk_buf_fmt(&b, "%zx\r\n", n);
        for (size_t i = 0; i < n; i++)
            sk_buf_chr(&b, byte_at(at + i));
        if (chunk)
            sk_buf_str(&b, "\r\n");
        at += n;
    }
    if (chunk && sent == len)
        sk_buf_str(&b, "0\r\n\r\n");
    assert_true(sk_buf_ok(&b));
    (void)client_send_bytes(c, b.data, b.len);
}

/* [http-36] Every byte once and in order, and the connection goes on: the sum depends on places. */
static void whole_bodies(void **state)
{
    (void)state;

    static const struct {
        const char *target;
        size_t len, chunk;
    } rows[] = {
        { "/take", 0, 0 },
        { "/take", 1, 0 },
        { "/take", 100000, 0 },
        { "/take", ROUTE_LIMIT, 0 },
        { "/take", 0, 9 },
        { "/take", 1000, 1 },
        { "/take", 300000, 70000 },
        { "/take", ROUTE_LIMIT, 4096 },
        { "/take?later=1", 0, 0 },
        { "/take?later=1", 5, 0 },
        { "/take?later=1", 5, 2 },
        { "/take?later=1", 500000, 0 },
        { "/small", SERVER_LIMIT, 0 },
    };
    struct fixture f;
    struct client c;
    start(&f, 0);
    client_open(&c, f.port);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer a;
        uint64_t sum = 0;
        char expected[64];
        for (size_t at = 0; at < rows[i].len; at++)
            sum += (unsigned char)byte_at(at) * (uint64_t)(at + 1);
        (void)snprintf(expected, sizeof expected, "%zu %llu", rows[i].len, (unsigned long long)sum);
        send_part(&c, rows[i].target, "", rows[i].len, rows[i].len, rows[i].chunk);
        client_read(&c, false, &a);
        if (a.status != 200 || strcmp(a.body, expected) != 0)
            fail_msg("%s, %zu bytes in chunks of %zu: %d '%s'", rows[i].target, rows[i].len,
                     rows[i].chunk, a.status, a.body);
        assert_int_equal(atomic_load(&f.server->body_bytes), 0); /* nothing is kept */
    }
    assert_int_equal(atomic_load(&done_count), sizeof rows / sizeof rows[0]);
    client_close(&c);
    stop(&f);
}

/* [http-37] */
static void limits(void **state)
{
    (void)state;

    static const struct {
        const char *target;
        size_t len, chunk;
        unsigned done; /* calls: a promise is refused before the handler */
        bool stays;    /* [http-32] */
    } rows[] = {
        { "/take", ROUTE_LIMIT + 1, 0, 0, false },
        { "/take", ROUTE_LIMIT + 1, 4096, 1, false },
        { "/take?later=1", ROUTE_LIMIT + 1, 4096, 1, false },
        { "/small", SERVER_LIMIT + 1, 0, 0, true },
        { "/small", SERVER_LIMIT + 1, 1, 1, false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture f;
        struct client c;
        struct answer a;
        start(&f, 0);
        client_open(&c, f.port);
        send_part(&c, rows[i].target, "", rows[i].len, rows[i].len, rows[i].chunk);
        client_read(&c, false, &a);
        if (a.status != 413 || atomic_load(&done_count) != rows[i].done)
            fail_msg("row %zu: %d '%s', done %u", i, a.status, a.body, atomic_load(&done_count));
        if (rows[i].done)
            assert_int_equal(atomic_load(&done_code), SK_TOO_LARGE);
        if (rows[i].stays ? client_ends(&c, 20) : !client_ends(&c, HTTP_WAIT_MS))
            fail_msg("row %zu: the connection should %s", i, rows[i].stays ? "stay" : "end");
        client_close(&c);
        fixture_wait_finished(1);
        assert_int_equal(fixture_last_status(), 413);
        stop(&f);
    }
}

/* [http-36] A handler that answers at once. */
static void refused_at_once(void **state)
{
    (void)state;

    static const struct {
        size_t len, sent;
        const char *more;
        bool closes;
    } rows[] = {
        { 0, 0, "", false },
        { 5, 5, "", false },
        { SK_HTTP_DISCARD_BYTES, SK_HTTP_DISCARD_BYTES, "", false },
        { SK_HTTP_DISCARD_BYTES + 1, 0, "", true },
        { ROUTE_LIMIT, ROUTE_LIMIT, "", true },
        { 5, 0, "Expect: 100-continue\r\n", true },
    };
    struct fixture f;
    start(&f, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client c;
        struct answer a;
        client_open(&c, f.port);
        send_part(&c, "/refuse", rows[i].more, rows[i].len, rows[i].sent, 0);
        client_read(&c, false, &a);
        char expected[64];
        (void)snprintf(expected, sizeof expected, "{\"error\":\"it is there: %zu bytes\"}",
                       rows[i].len);
        if (a.status != 409 || strcmp(a.body, expected) != 0)
            fail_msg("row %zu: %d '%s'", i, a.status, a.body);
        if (rows[i].closes ? !client_ends(&c, HTTP_WAIT_MS) : client_ends(&c, 20))
            fail_msg("row %zu: the connection should %s", i, rows[i].closes ? "end" : "stay");
        client_close(&c);
    }
    stop(&f);
}

/* A handler that neither takes nor answers is our mistake; the client hears of it. */
static void forgotten(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    struct answer a;
    start(&f, 0);
    client_open(&c, f.port);
    send_part(&c, "/forget", "", 5, 5, 0);
    client_read(&c, false, &a);
    assert_int_equal(a.status, 500);
    client_close(&c);
    stop(&f);
}

/* [http-31] */
static void expect_continue(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    struct answer a;
    start(&f, 0);
    client_open(&c, f.port);
    for (int i = 0; i < 2; i++) {
        send_part(&c, i ? "/take?later=1" : "/take", "Expect: 100-continue\r\n", 5, 0, 0);
        client_read(&c, false, &a);
        assert_int_equal(a.status, 100);
        client_send(&c, "abcde");
        client_read(&c, false, &a);
        assert_int_equal(a.status, 200);
        assert_memory_equal(a.body, "5 ", 2);
    }
    client_close(&c);
    stop(&f);
}

/* [http-38] The sink says no in the middle: the answer has its headers; when little is left the
 * connection stays. */
static void sink_fails(void **state)
{
    (void)state;

    static const struct {
        const char *target;
        size_t len, sent, chunk;
        bool closes;
    } rows[] = {
        { "/take?fail=1", 5, 5, 0, false },
        { "/take?fail=1&later=1", 5, 5, 0, false },
        { "/take?fail=1000", 60000, 60000, 0, false },
        { "/take?fail=1000&later=1", 60000, 60000, 0, false },
        { "/take?fail=60000", 60000, 60000, 0, false }, /* at the last byte */
        { "/take?fail=1000", 1000000, 1000, 0, true },
        { "/take?fail=1000&later=1", 1000000, 1000, 0, true },
        { "/take?fail=1000", 1000000, 1000000, 0, true },
        { "/take?fail=1000&later=1", 1000000, 1000000, 0, true },
        { "/take?fail=1000", 5000, 5000, 500, true },
        { "/take?fail=1000&later=1", 5000, 5000, 500, true },
    };
    struct fixture f;
    start(&f, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client c;
        struct answer a;
        client_open(&c, f.port);
        send_part(&c, rows[i].target, "", rows[i].len, rows[i].sent, rows[i].chunk);
        client_read(&c, false, &a);
        const char *why = answer_header(&a, "X-Why");
        if (a.status != 409 || !why || strcmp(why, "already_exists") != 0 ||
            strcmp(a.body, "{\"error\":\"not whole\"}") != 0)
            fail_msg("row %zu: %d '%s'", i, a.status, a.body);
        if (rows[i].closes ? !client_ends(&c, HTTP_WAIT_MS) : client_ends(&c, 20))
            fail_msg("row %zu: the connection should %s", i, rows[i].closes ? "end" : "stay");
        if (!rows[i].closes) {
            send_part(&c, "/take", "", 3, 3, 0);
            client_read(&c, false, &a);
            assert_int_equal(a.status, 200);
        }
        client_close(&c);
    }
    stop(&f);
}

static void wait_no_orphans(struct fixture *f)
{
    for (uint64_t end = sk_now_ms() + HTTP_WAIT_MS; atomic_load(&f->server->orphans) > 0;) {
        assert_true(sk_now_ms() < end);
        (void)usleep(1000);
    }
}

/* [http-39] Who leaves is told to done, once; the request lives until it is answered. */
static void client_leaves(void **state)
{
    (void)state;
    static const char *const targets[] = { "/take", "/take?later=1" };
    static const size_t chunks[] = { 0, 1000 };
    struct fixture f;
    start(&f, 0);
    unsigned n = 0;
    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < 2; k++) {
            struct client c;
            client_open(&c, f.port);
            send_part(&c, targets[i], "", 100000, 5000, chunks[k]);
            wait_for(&handled_count, ++n);
            client_close(&c);
            wait_for(&done_count, n);
            fixture_wait_finished(n);
            assert_int_equal(atomic_load(&done_code), SK_CANCELLED);
            assert_int_equal(fixture_last_status(), SK_HTTP_STATUS_GONE);
        }
    }
    wait_no_orphans(&f); /* their number falls behind finished() */
    fixture_wait_connections(&f, 0);
    stop(&f);
    assert_int_equal(atomic_load(&done_count), n);
    assert_int_equal(fixture_finished(), n);
}

/* [http-14] 16 KiB in each read_ms are enough, however long the whole takes; less is too slow. In
 * each round the deadlines of the round before pass; that of the slow one moves only by the time of
 * its sink. */
static void deadline_moves(void **state)
{
    (void)state;

    enum {
        PIECE = SK_HTTP_STALL_BYTES,
        PIECES = ROUTE_LIMIT / PIECE,
        LITTLE = PIECE / PIECES
    };

    static char bytes[PIECE];
    struct fixture f;
    struct client steady, slow;
    struct answer a;
    size_t pieces = 1;
    start(&f, LONG_MS);
    const uint64_t start_ms = sk_now_ms();
    client_open(&steady, f.port);
    client_open(&slow, f.port);
    send_part(&steady, "/take", "", PIECES * PIECE, PIECE, 0);
    send_part(&slow, "/take", "", PIECES * PIECE, PIECE, 0);
    wait_taken(2 * PIECE);
    fixture_wait_stage(&f, SK_STAGE_READING, 2);
    sk_table_sweep(f.server, start_ms + LONG_MS - 1);
    for (; fixture_in_stage(&f, SK_STAGE_READING) == 2; pieces++) {
        assert_true(pieces < PIECES - 1);
        const uint64_t round_ms = sk_now_ms();
        (void)usleep(20000);
        (void)client_send_bytes(&steady, bytes, PIECE);
        (void)client_send_bytes(&slow, bytes, LITTLE);
        wait_taken(2 * PIECE + pieces * (PIECE + LITTLE));
        fixture_wait_stage(&f, SK_STAGE_READING, 2);
        sk_table_sweep(f.server, round_ms + LONG_MS);
    }
    assert_true(pieces > 1);
    client_read(&slow, false, &a);
    assert_int_equal(a.status, 408);
    wait_for(&done_count, 1);
    assert_int_equal(atomic_load(&done_code), SK_CANCELLED);
    fixture_wait_finished(1);
    assert_int_equal(fixture_last_status(), 408);
    for (; pieces < PIECES; pieces++)
        (void)client_send_bytes(&steady, bytes, PIECE);
    client_read(&steady, false, &a);
    assert_int_equal(a.status, 200);
    client_close(&steady);
    client_close(&slow);
    stop(&f);
}

/* The time a sink takes is not the client's: there is no deadline as long as it lasts, and what was
 * left before is left behind it. */
static void slow_sink(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    struct answer a;
    start(&f, LONG_MS);
    atomic_store(&is_held, true);
    client_open(&c, f.port);
    send_part(&c, "/take?hold=16384", "", SK_HTTP_STALL_BYTES + 3, SK_HTTP_STALL_BYTES, 0);
    wait_taken(SK_HTTP_STALL_BYTES); /* the last of these moved the deadline */
    const uint64_t held_ms = sk_now_ms();
    sk_table_sweep(f.server, held_ms + 2 * LONG_MS);
    (void)usleep(20000);
    atomic_store(&is_held, false);
    fixture_wait_stage(&f, SK_STAGE_READING, 1);
    sk_table_sweep(f.server, held_ms + LONG_MS);
    client_send(&c, "end");
    client_read(&c, false, &a);
    assert_int_equal(a.status, 200);
    client_close(&c);
    stop(&f);
}

/* A stop in the middle: as if the client had left, and the answer is waited for. */
static void stop_in_the_middle(void **state)
{
    (void)state;
    static const char *const targets[] = { "/take", "/take?later=1" };
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        struct client c;
        start(&f, 0);
        client_open(&c, f.port);
        send_part(&c, targets[i], "", 100000, 5000, 0);
        while (atomic_load(&sink_count) == 0)
            (void)usleep(1000);
        sk_http_stop(f.server);
        assert_int_equal(atomic_load(&done_count), 1);
        assert_int_equal(atomic_load(&done_code), SK_CANCELLED);
        assert_int_equal(fixture_finished(), 1);
        client_close(&c);
        while (atomic_load(&running) > 0)
            (void)usleep(1000);
    }
}

/* [http-60] A drain waits for a body that still comes. */
static void drain_waits(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    struct answer a;
    start(&f, 0);
    client_open(&c, f.port);
    send_part(&c, "/take", "", 10, 5, 0);
    while (atomic_load(&sink_count) == 0)
        (void)usleep(1000);
    assert_int_equal(sk_http_drain(f.server, 100), 1);
    client_close(&c);
    stop(&f);
    start(&f, 0);
    client_open(&c, f.port);
    send_part(&c, "/take?slow=100", "", 10, 10, 0);
    while (atomic_load(&sink_count) == 0)
        (void)usleep(1000);
    assert_int_equal(sk_http_drain(f.server, HTTP_WAIT_MS), 0);
    client_read(&c, false, &a);
    assert_int_equal(a.status, 200);
    client_close(&c);
    stop(&f);
}

struct load {
    pthread_t thread;
    uint16_t port;
    unsigned seed, wrong;
};

/* Uploads of all kinds; a third are cut somewhere. */
static void *run_load(void *arg)
{
    static const char *const targets[] = { "/take", "/take?later=1", "/take?fail=3000",
                                           "/take?fail=3000&later=1", "/refuse" };
    static const int status[] = { 200, 200, 409, 409, 409 };
    struct load *l = arg;
    for (int i = 0; i < 40; i++) {
        const unsigned which = (unsigned)rand_r(&l->seed) % 5;
        const size_t len = 5000 + (unsigned)rand_r(&l->seed) % 200000;
        const bool is_cut = rand_r(&l->seed) % 3 == 0;
        struct client c;
        struct answer a = { .status = 0 };
        client_open(&c, l->port);
        send_part(&c, targets[which], "", len, is_cut ? (unsigned)rand_r(&l->seed) % len : len,
                  rand_r(&l->seed) % 2 ? 0 : 1000);
        if (!is_cut)
            client_read(&c, false, &a);
        l->wrong += !is_cut && a.status != status[which];
        client_close(&c);
    }
    return NULL;
}

/* [http-39] Whatever clients do: done once for each body that was taken, and nothing is left. */
static void rude_clients(void **state)
{
    (void)state;
    struct load loads[6];
    struct fixture f;
    struct sk_err err = SK_ERR_INIT;
    atomic_store(&done_count, 0);
    atomic_store(&handled_count, 0);
    fixture_start(&f, (struct sk_http_options){ .routes = routes, .threads = 2 });
    for (unsigned i = 0; i < 6; i++) {
        loads[i] = (struct load){ .port = f.port, .seed = i + 1 };
        if (sk_thread_start(&loads[i].thread, "client", run_load, &loads[i], &err) < 0)
            fail_msg("%s", err.text);
    }
    for (unsigned i = 0; i < 6; i++) {
        (void)pthread_join(loads[i].thread, NULL);
        assert_int_equal(loads[i].wrong, 0);
    }
    stop(&f);
    assert_int_equal(atomic_load(&done_count), atomic_load(&handled_count));
    assert_true(atomic_load(&handled_count) > 100);
}

static int admit(struct sk_http_req *r, void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&admit_count, 1);
    if (sk_http_header(r, "X-Let-Me-In"))
        return 0;
    sk_http_set_status(r, 401);
    sk_http_set_header(r, "WWW-Authenticate", "Basic realm=\"skerry\"");
    sk_buf_str(sk_http_out(r), "{\"errors\":[]}");
    sk_http_answer(r);
    return -1;
}

/* [http-27] Who may not is answered before a byte of the body, and before its limit. */
static void admitted(void **state)
{
    (void)state;

    static const struct {
        const char *target, *more;
        size_t len, sent;
        int status;
        unsigned asked; /* calls of admit */
        bool closes;
    } rows[] = {
        { "/take", "X-Let-Me-In: 1\r\n", 5, 5, 200, 1, false },
        { "/take", "", 5, 5, 401, 1, false },
        { "/take", "", 0, 0, 401, 1, false },
        { "/take", "", ROUTE_LIMIT, 0, 401, 1, true },
        { "/take", "", ROUTE_LIMIT + 1, 0, 401, 1, true },
        { "/take", "Expect: 100-continue\r\n", 5, 0, 401, 1, true },
        { "/take", "X-Let-Me-In: 1\r\n", ROUTE_LIMIT + 1, 0, 413, 1, true },
        { "/nope", "", 5, 5, 404, 0, false },
        { "/whole", "", 5, 5, 405, 0, false },
    };
    struct fixture f;
    atomic_store(&handled_count, 0);
    fixture_start(&f, (struct sk_http_options){ .routes = routes, .admit = admit });
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client c;
        struct answer a;
        atomic_store(&admit_count, 0);
        client_open(&c, f.port);
        send_part(&c, rows[i].target, rows[i].more, rows[i].len, rows[i].sent, 0);
        client_read(&c, false, &a);
        if (a.status != rows[i].status || atomic_load(&admit_count) != rows[i].asked)
            fail_msg("row %zu: %d '%s', asked %u", i, a.status, a.body, atomic_load(&admit_count));
        if ((a.status == 401) != (answer_header(&a, "WWW-Authenticate") != NULL))
            fail_msg("row %zu: %s", i, a.head);
        if (rows[i].closes ? !client_ends(&c, HTTP_WAIT_MS) : client_ends(&c, 20))
            fail_msg("row %zu: the connection should %s", i, rows[i].closes ? "end" : "stay");
        client_close(&c);
    }
    assert_int_equal(atomic_load(&handled_count), 1);
    stop(&f);
}

/* [http-22] [http-30] Any method, with a body; a route's own limit; a HEAD row of its own. */
static void methods(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    struct answer a;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(8192);
    start(&f, 0);
    client_open(&c, f.port);
    client_send(&c, "DELETE /whole HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}");
    client_read(&c, false, &a);
    assert_string_equal(a.body, "DELETE 2");
    sk_buf_str(&b, "PATCH /whole HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n");
    for (int i = 0; i < 2000; i++)
        sk_buf_chr(&b, 'x');
    (void)client_send_bytes(&c, b.data, b.len);
    client_read(&c, false, &a);
    assert_string_equal(a.body, "PATCH 2000");
    client_send(&c, "HEAD /whole HTTP/1.1\r\nHost: x\r\n\r\n");
    client_read(&c, true, &a);
    assert_int_equal(a.status, 200);
    client_send(&c, "GET /whole HTTP/1.1\r\nHost: x\r\n\r\n");
    client_read(&c, false, &a);
    assert_int_equal(a.status, 405);
    assert_string_equal(answer_header(&a, "Allow"), "DELETE, PATCH, HEAD");
    client_send(&c, "PATCH /whole HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                    "Content-Length: 2001\r\n\r\n");
    client_read(&c, false, &a);
    assert_int_equal(a.status, 413);
    client_close(&c);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_bodies),    cmocka_unit_test(limits),
        cmocka_unit_test(refused_at_once), cmocka_unit_test(forgotten),
        cmocka_unit_test(expect_continue), cmocka_unit_test(sink_fails),
        cmocka_unit_test(client_leaves),   cmocka_unit_test(deadline_moves),
        cmocka_unit_test(slow_sink),       cmocka_unit_test(stop_in_the_middle),
        cmocka_unit_test(drain_waits),     cmocka_unit_test(rude_clients),
        cmocka_unit_test(admitted),        cmocka_unit_test(methods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
