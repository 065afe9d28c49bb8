/* test_handover.c - a listening socket that two servers share and take turns at: pauses, kept
 * connections, drains, and clients that count every failure. */
#include "base/clock.h"
#include "base/file.h"
#include "base/thread.h"
#include "client.h"
#include "fixture.h"
#include "harness/golden.h"
#include "http/http_priv.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    TURNS = 60,
    CLIENTS = 8
};

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static int listener(void)
{
    struct sk_err err = SK_ERR_INIT;
    int fd = -1;
    if (sk_listen("127.0.0.1", 0, 1024, &fd, &err) < 0)
        fail_msg("%s", err.text);
    return fd;
}

static int copy_of(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    assert_true(copy >= 0);
    return copy;
}

/* Two servers on one socket: the first accepts, the second is paused. */
static void start_two(struct fixture *two, unsigned idle_ms)
{
    int fd = listener();
    for (int i = 0; i < 2; i++)
        fixture_start(&two[i], (struct sk_http_options){ .listen_fd = i ? fd : copy_of(fd),
                                                         .is_shared = true,
                                                         .starts_paused = i == 1,
                                                         .idle_ms = idle_ms });
}

static void hand_over(struct fixture *from, struct fixture *to)
{
    sk_http_resume(to->server);
    sk_http_retire(from->server);
}

static bool is_silent(const struct client *c, int ms)
{
    struct pollfd p = { .fd = c->fd, .events = POLLIN };
    return poll(&p, 1, ms) == 0;
}

static void ask(struct client *c, struct answer *a)
{
    client_send(c, GET("/open"));
    client_read(c, false, a);
}

/* [http-7] */
static void unix_socket(void **state)
{
    (void)state;
    SK_OWN(free) char *dir = sk_test_dir();
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s/s", dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(fd, 5), 0);

    struct fixture f;
    struct client c;
    struct answer a;
    fixture_start(&f, (struct sk_http_options){ .listen_fd = fd });
    assert_int_equal(f.port, 0);
    client_open_unix(&c, addr.sun_path);
    for (int i = 0; i < 3; i++) {
        client_send(&c, GET("/items/a"));
        client_read(&c, false, &a);
        assert_int_equal(a.status, 200);
        assert_string_equal(answer_header(&a, "X-Peer"), "local");
    }
    uint64_t start = sk_now_ms();
    assert_int_equal(sk_http_drain(f.server, 2 * HTTP_WAIT_MS), 0);
    assert_true(sk_now_ms() - start < HTTP_WAIT_MS);
    assert_true(client_ends(&c, HTTP_WAIT_MS));
    client_close(&c);
    fixture_stop(&f);
    sk_test_dir_free(SK_TAKE(dir));
}

/* [http-7] */
static void no_listening_socket(void **state)
{
    (void)state;
    int pair[2];
    const struct sk_http_route none = { NULL, NULL, 0, NULL, NULL, 0 };
    for (int type = 0; type < 3; type++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_http_server *s = NULL;
        int fd = type == 0 ? socket(AF_INET, SOCK_DGRAM, 0) : type == 1 ? open("/dev/null", 0) : -1;
        if (type == 2) {
            assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
            fd = pair[0];
        }
        const struct sk_http_options o = { .listen_fd = fd, .routes = &none };
        assert_int_equal(sk_http_start(&o, &s, &err), -1);
        assert_int_equal(err.code, SK_INVALID);
        assert_non_null(strstr(err.text, "is no listening TCP or unix socket"));
        assert_int_equal(close(fd), -1); /* it was taken */
    }
    (void)close(pair[1]);
}

/* [http-62] */
static void starts_paused(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    struct answer a;
    fixture_start(&f, (struct sk_http_options){ .listen_fd = listener(), .starts_paused = true });
    assert_false(sk_http_is_accepting(f.server));
    client_open(&c, f.port);
    client_send(&c, GET("/open"));
    assert_true(is_silent(&c, 400)); /* more than a tick */
    assert_int_equal(sk_http_connections(f.server), 0);
    sk_http_resume(f.server);
    assert_true(sk_http_is_accepting(f.server));
    client_read(&c, false, &a);
    assert_int_equal(a.status, 200);
    client_close(&c);
    fixture_stop(&f);
}

/* [http-63] */
static void retired_leave_the_backlog(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, (struct sk_http_options){ 0 });
    for (int i = 0; i < 50; i++) {
        struct client c;
        struct answer a;
        sk_http_retire(f.server);
        client_open(&c, f.port);
        client_send(&c, GET("/open"));
        assert_true(is_silent(&c, 3));
        assert_int_equal(sk_http_connections(f.server), 0);
        sk_http_resume(f.server);
        client_read(&c, false, &a);
        assert_int_equal(a.status, 200);
        client_close(&c);
        while (sk_http_connections(f.server) > 0)
            (void)usleep(100);
    }
    fixture_stop(&f);
}

/* [http-63] The next answer of a kept connection ends it; another is kept again after a resume. */
static void retired_end_kept_connections(void **state)
{
    (void)state;
    struct fixture f;
    struct client used, other;
    struct answer a;
    fixture_start(&f, (struct sk_http_options){ 0 });
    client_open(&used, f.port);
    client_open(&other, f.port);
    ask(&used, &a);
    assert_null(answer_header(&a, "Connection"));
    assert_string_equal(answer_header(&a, "Keep-Alive"), "timeout=70");
    ask(&other, &a);
    sk_http_retire(f.server);
    assert_true(is_silent(&used, 400));
    ask(&used, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "Connection"), "close");
    assert_null(answer_header(&a, "Keep-Alive"));
    assert_true(client_ends(&used, HTTP_WAIT_MS));
    sk_http_resume(f.server);
    ask(&other, &a);
    assert_null(answer_header(&a, "Connection"));
    client_close(&used);
    client_close(&other);
    fixture_stop(&f);
}

/* [http-63] Not before the time that is kept (and one second of it advertised), and then soon. */
static void retired_end_idle_connections_in_time(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    struct answer a;
    fixture_start(&f, (struct sk_http_options){ .idle_ms = 2000 });
    uint64_t start = sk_now_ms();
    client_open(&c, f.port);
    ask(&c, &a);
    assert_string_equal(answer_header(&a, "Keep-Alive"), "timeout=1");
    sk_http_retire(f.server);
    assert_true(client_ends(&c, HTTP_WAIT_MS));
    assert_true(sk_now_ms() - start >= 2000);
    client_close(&c);
    fixture_stop(&f);
}

/* [http-16] */
static void keep_alive_is_advertised(void **state)
{
    (void)state;

    static const struct {
        const char *name, *request, *expected; /* expected NULL: no such field */
        unsigned idle_ms;
    } rows[] = {
        { "default", GET("/open"), "timeout=70", 0 },
        { "30 s", GET("/open"), "timeout=28", 30000 },
        { "2 s", GET("/open"), "timeout=1", 2999 },
        { "too short", GET("/open"), NULL, 1999 },
        { "an error", GET("/nope"), "timeout=70", 0 },
        { "HEAD", "HEAD /open HTTP/1.1\r\nHost: x\r\n\r\n", "timeout=70", 0 },
        { "close", "GET /open HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n", NULL, 0 },
        { "1.0", "GET /open HTTP/1.0\r\n\r\n", NULL, 0 },
        { "1.0 kept", "GET /open HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "timeout=70", 0 },
        { "no Host", "GET /open HTTP/1.1\r\n\r\n", NULL, 0 }, /* ends the connection */
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture f;
        struct client c;
        struct answer a;
        fixture_start(&f, (struct sk_http_options){ .idle_ms = rows[i].idle_ms });
        client_open(&c, f.port);
        client_send(&c, rows[i].request);
        client_read(&c, strncmp(rows[i].request, "HEAD", 4) == 0, &a);
        const char *got = answer_header(&a, "Keep-Alive");
        if ((got != NULL) != (rows[i].expected != NULL) ||
            (got && strcmp(got, rows[i].expected) != 0))
            fail_msg("%s: %s", rows[i].name, got ? got : "none");
        client_close(&c);
        fixture_stop(&f);
    }
}

/* [http-64] */
static void drain_leaves_a_shared_backlog(void **state)
{
    (void)state;

    enum {
        WAITING = 20
    };

    for (int is_paused = 0; is_paused < 2; is_paused++) {
        struct fixture two[2];
        struct client waiting[WAITING];
        struct answer a;
        start_two(two, 0);
        /* Clients come while nobody accepts; then one of the two ends. */
        sk_http_retire(two[0].server);
        for (int i = 0; i < WAITING; i++) {
            client_open(&waiting[i], two[0].port);
            client_send(&waiting[i], GET("/open"));
        }
        fixture_stop(&two[is_paused]);
        sk_http_resume(two[!is_paused].server);
        for (int i = 0; i < WAITING; i++) {
            client_read(&waiting[i], false, &a);
            assert_int_equal(a.status, 200);
            client_close(&waiting[i]);
        }
        fixture_stop(&two[!is_paused]);
    }
}

struct load {
    pthread_t thread;
    uint16_t port;
    unsigned seed;
    bool is_kept; /* keeps its connections until they are said to close */
    atomic_bool *is_over;
    atomic_uint answered;
    unsigned failed;
};

static bool says_close(const struct answer *a)
{
    const char *connection = answer_header(a, "Connection");
    return connection && strcmp(connection, "close") == 0;
}

static void *run_load(void *arg)
{
    struct load *l = arg;
    while (!atomic_load(l->is_over)) {
        struct client c;
        struct answer a = { 0 };
        client_open(&c, l->port);
        do {
            ask(&c, &a);
            l->answered += a.status == 200;
            l->failed += a.status != 200;
            if (l->is_kept)
                (void)usleep((useconds_t)rand_r(&l->seed) % 20000);
        } while (l->is_kept && a.status == 200 && !says_close(&a) && !atomic_load(l->is_over));
        client_close(&c);
    }
    return NULL;
}

static unsigned answers(struct load *loads)
{
    unsigned n = 0;
    for (unsigned i = 0; i < CLIENTS; i++)
        n += atomic_load(&loads[i].answered);
    return n;
}

/* [http-62] [http-63] Back and forth under load: no client sees anything else than an answer. */
static void no_request_fails(void **state)
{
    (void)state;
    struct fixture two[2];
    struct load loads[CLIENTS];
    atomic_bool is_over = false;
    struct sk_err err = SK_ERR_INIT;
    start_two(two, 10000);
    for (unsigned i = 0; i < CLIENTS; i++) {
        loads[i] = (struct load){
            .port = two[0].port, .seed = 1 + i, .is_kept = i % 2 == 0, .is_over = &is_over
        };
        assert_int_equal(sk_thread_start(&loads[i].thread, "client", run_load, &loads[i], &err), 0);
    }
    const uint64_t end = sk_now_ms() + HTTP_WAIT_MS;
    for (int turn = 0; turn < TURNS || answers(loads) <= TURNS; turn++) {
        assert_true(turn < TURNS || sk_now_ms() < end);
        (void)usleep(15000);
        hand_over(&two[turn % 2], &two[(turn + 1) % 2]);
        assert_false(sk_http_is_accepting(two[turn % 2].server));
    }
    atomic_store(&is_over, true);
    for (unsigned i = 0; i < CLIENTS; i++) {
        (void)pthread_join(loads[i].thread, NULL);
        assert_int_equal(loads[i].failed, 0);
    }
    fixture_stop(&two[0]);
    fixture_stop(&two[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unix_socket),
        cmocka_unit_test(no_listening_socket),
        cmocka_unit_test(starts_paused),
        cmocka_unit_test(retired_leave_the_backlog),
        cmocka_unit_test(retired_end_kept_connections),
        cmocka_unit_test(retired_end_idle_connections_in_time),
        cmocka_unit_test(keep_alive_is_advertised),
        cmocka_unit_test(drain_leaves_a_shared_backlog),
        cmocka_unit_test(no_request_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
