/* test_server.c - many clients at once, answers from many threads, drains and cuts in the middle of
 * it all. */
#include "base/clock.h"
#include "base/thread.h"
#include "client.h"
#include "fixture.h"
#include "harness/alloc_fail.h"
#include "http/http_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    CLIENTS = 12,
    REQUESTS = 60
};

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define HELD      "POST /later?held=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
#define LATER(ms) "POST /later?ms=" #ms " HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"

struct load {
    pthread_t thread;
    uint16_t port;
    unsigned seed;
    bool is_rude;       /* cuts its connections anywhere */
    bool until_refused; /* goes on until the server does not answer any more */
    atomic_uint answered;
    unsigned broken; /* broken: an answer was begun and not ended, or a wrong one */
};

static const char *const mix[] = {
    GET("/open"),
    LATER(0),
    LATER(1),
    GET("/nope"),
    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    "POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; "
    "boundary=b\r\nContent-Length: 20\r\n\r\n--b\r\n\r\nhello\r\n--b--\r\n",
    GET("/fail"),
    "POST /later HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
};
static const int mix_status[] = { 200, 200, 200, 404, 200, 200, 503, 200 };

enum {
    MIX = sizeof mix / sizeof mix[0]
};

/* False when the server did not take a connection or ended one without a byte. */
static bool ask(struct load *l, struct client *c, unsigned which)
{
    struct answer a;
    client_send(c, mix[which]);
    client_read(c, false, &a);
    if (a.status == 0)
        return false;
    l->answered++;
    l->broken += a.status != mix_status[which];
    const char *connection = answer_header(&a, "Connection");
    return !connection || strcmp(connection, "close") != 0;
}

static void *run_load(void *arg)
{
    struct load *l = arg;
    struct client c;
    client_open(&c, l->port);
    for (unsigned i = 0; l->until_refused || i < REQUESTS; i++) {
        unsigned which = (unsigned)rand_r(&l->seed) % MIX;
        if (l->is_rude && rand_r(&l->seed) % 3 == 0) {
            (void)client_send_bytes(&c, mix[which],
                                    (unsigned)rand_r(&l->seed) % strlen(mix[which]));
            client_close(&c);
            client_open(&c, l->port);
        } else if (!ask(l, &c, which)) {
            break;
        }
    }
    client_close(&c);
    return NULL;
}

static void start_load(struct load *loads, uint16_t port, bool is_rude, bool until_refused)
{
    struct sk_err err = SK_ERR_INIT;
    for (unsigned i = 0; i < CLIENTS; i++) {
        loads[i] = (struct load){
            .port = port, .seed = 1 + i, .is_rude = is_rude, .until_refused = until_refused
        };
        if (sk_thread_start(&loads[i].thread, "client", run_load, &loads[i], &err) < 0)
            fail_msg("%s", err.text);
    }
}

/* A client that comes once the server drains finds nobody. */
static void await_answers(struct load *loads)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        while (loads[i].answered == 0)
            (void)usleep(1000);
}

static unsigned end_load(struct load *loads)
{
    unsigned answered = 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        (void)pthread_join(loads[i].thread, NULL);
        assert_int_equal(loads[i].broken, 0);
        answered += loads[i].answered;
    }
    return answered;
}

static void many_clients(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct fixture f;
        struct load loads[CLIENTS];
        fixture_start(&f, (struct sk_http_options){ .threads = threads });
        start_load(loads, f.port, false, false);
        assert_int_equal(end_load(loads), CLIENTS * REQUESTS);
        fixture_wait_finished(CLIENTS * REQUESTS);
        fixture_stop(&f);
        assert_int_equal(fixture_finished(), CLIENTS * REQUESTS);
    }
}

static void rude_clients(void **state)
{
    (void)state;
    struct fixture f;
    struct load loads[CLIENTS];
    fixture_start(&f, (struct sk_http_options){ .threads = 2 });
    start_load(loads, f.port, true, false);
    (void)end_load(loads);
    struct answer a;
    client_ask(f.port, GET("/open"), &a);
    assert_int_equal(a.status, 200);
    fixture_stop(&f);
}

/* [http-60] SIGTERM under load: every request that was answered at all was answered whole, and
 * nothing had to be cut. */
static void drain_under_load(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        struct fixture f;
        struct load loads[CLIENTS];
        fixture_start(&f, (struct sk_http_options){ .threads = 2 });
        start_load(loads, f.port, false, true);
        await_answers(loads);
        (void)usleep(100000);
        assert_int_equal(sk_http_drain(f.server, HTTP_WAIT_MS), 0);
        assert_int_equal(sk_http_connections(f.server), 0);
        unsigned answered = end_load(loads);
        fixture_stop(&f);
        assert_int_equal(fixture_finished(), answered);
    }
}

static void wait_body_bytes(struct fixture *f, uint64_t n)
{
    for (uint64_t end = sk_now_ms() + HTTP_WAIT_MS; atomic_load(&f->server->body_bytes) != n;) {
        assert_true(sk_now_ms() < end);
        (void)usleep(1000);
    }
}

/* [http-60] One loop, so that what came first is done when the last has been read. */
static void drain_cuts_when_its_time_is_over(void **state)
{
    (void)state;
    struct fixture f;
    struct client handled, reading, idle;
    struct answer a;
    fixture_start(&f, (struct sk_http_options){ .threads = 1 });
    client_open(&idle, f.port);
    client_send(&idle, GET("/open"));
    client_read(&idle, false, &a);
    client_open(&handled, f.port);
    client_send(&handled, HELD);
    fixture_wait_held(1);
    client_open(&reading, f.port);
    client_send(&reading, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe");
    wait_body_bytes(&f, 3 + 2);
    uint64_t start = sk_now_ms();
    assert_int_equal(sk_http_drain(f.server, 200), 2); /* neither can end */
    assert_true(sk_now_ms() - start >= 200);
    assert_true(client_ends(&idle, HTTP_WAIT_MS));
    client_close(&handled);
    client_close(&reading);
    client_close(&idle);
    fixture_stop(&f);
}

static void *release_in_drain(void *arg)
{
    struct fixture *f = arg;
    while (!atomic_load(&f->server->is_draining))
        (void)usleep(1000);
    fixture_release();
    return NULL;
}

/* [http-60] */
static void drain_waits_for_the_slow(void **state)
{
    (void)state;
    struct fixture f;
    struct client handled;
    struct answer a;
    pthread_t thread;
    struct sk_err err = SK_ERR_INIT;
    fixture_start(&f, (struct sk_http_options){ 0 });
    client_open(&handled, f.port);
    client_send(&handled, HELD);
    fixture_wait_held(1);
    if (sk_thread_start(&thread, "release", release_in_drain, &f, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(sk_http_drain(f.server, HTTP_WAIT_MS), 0);
    (void)pthread_join(thread, NULL);
    client_read(&handled, false, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "Connection"), "close");
    assert_true(client_ends(&handled, HTTP_WAIT_MS));
    client_close(&handled);
    fixture_stop(&f);
}

/* A request that came and went between two looks of the watchdog leaves its connection idle. */
static void drain_ends_what_is_idle_again(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    struct answer a;
    fixture_start(&f, (struct sk_http_options){ 0 });
    client_open(&c, f.port);
    for (int i = 0; i < 2; i++) {
        client_send(&c, GET("/open"));
        client_read(&c, false, &a);
        assert_int_equal(a.status, 200);
        (void)usleep(700000); /* two looks and more */
    }
    uint64_t start = sk_now_ms();
    assert_int_equal(sk_http_drain(f.server, 2 * HTTP_WAIT_MS), 0);
    assert_true(sk_now_ms() - start < HTTP_WAIT_MS);
    assert_true(client_ends(&c, HTTP_WAIT_MS));
    client_close(&c);
    fixture_stop(&f);
}

/* [http-60] Connected and not accepted yet, with its request on the way. */
static void drain_serves_the_backlog(void **state)
{
    (void)state;
    struct fixture f;
    struct client waiting[20];
    fixture_start(&f, (struct sk_http_options){ 0 });
    for (unsigned i = 0; i < 20; i++) {
        client_open(&waiting[i], f.port);
        client_send(&waiting[i], LATER(1));
    }
    assert_int_equal(sk_http_drain(f.server, HTTP_WAIT_MS), 0);
    for (unsigned i = 0; i < 20; i++) {
        struct answer a;
        client_read(&waiting[i], false, &a);
        assert_int_equal(a.status, 200);
        client_close(&waiting[i]);
    }
    fixture_stop(&f);
}

static void stop_without_drain(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    fixture_start(&f, (struct sk_http_options){ 0 });
    client_open(&c, f.port);
    client_send(&c, "GET /op");
    fixture_wait_connections(&f, 1);
    sk_http_stop(f.server);
    assert_true(client_ends(&c, HTTP_WAIT_MS));
    client_close(&c);
}

static void bad_options(void **state)
{
    (void)state;
    struct sk_http_server *s = NULL;
    struct sk_err err = SK_ERR_INIT;
    const struct sk_http_options o = { .listen_fd = -1, .tls_cert = "/tmp/x" };
    assert_int_equal(sk_http_start(&o, &s, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_null(s);
    sk_http_stop(NULL);
}

static int start_and_stop(void *ctx, struct sk_err *err)
{
    (void)ctx;
    const struct sk_http_route none = { NULL, NULL, 0, NULL, NULL, 0 };
    const struct sk_http_options o = { .listen_fd = -1, .routes = &none };
    struct sk_http_server *s = NULL;
    if (sk_http_start(&o, &s, err) < 0)
        return -1;
    sk_http_stop(s);
    return 0;
}

static void start_without_memory(void **state)
{
    (void)state;
    (void)sk_alloc_sweep("start", start_and_stop, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_clients),
        cmocka_unit_test(rude_clients),
        cmocka_unit_test(drain_under_load),
        cmocka_unit_test(drain_cuts_when_its_time_is_over),
        cmocka_unit_test(drain_waits_for_the_slow),
        cmocka_unit_test(drain_ends_what_is_idle_again),
        cmocka_unit_test(drain_serves_the_backlog),
        cmocka_unit_test(stop_without_drain),
        cmocka_unit_test(bad_options),
        cmocka_unit_test(start_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
