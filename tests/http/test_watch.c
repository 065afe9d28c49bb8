/* test_watch.c - listening and accepting: hosts, ports, a given socket, too many connections. */
#include "client.h"
#include "fixture.h"
#include "http/http_priv.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

/* [http-2] */
static void too_many_connections(void **state)
{
    (void)state;

    enum {
        LIMIT = 5
    };
    struct fixture f;
    struct client held[LIMIT], extra;
    struct answer a;
    fixture_start(&f, (struct sk_http_options){ .max_connections = LIMIT });
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < LIMIT; i++) {
            client_open(&held[i], f.port);
            client_send(&held[i], GET("/open"));
            client_read(&held[i], false, &a);
            assert_int_equal(a.status, 200);
        }
        assert_int_equal(sk_http_connections(f.server), LIMIT);
        for (int i = 0; i < 3; i++) {
            client_open(&extra, f.port);
            client_send(&extra, GET("/open"));
            client_read(&extra, false, &a);
            assert_int_equal(a.status, 503);
            assert_string_equal(a.body, "{\"error\":\"too many connections\"}");
            assert_true(client_ends(&extra, HTTP_WAIT_MS));
            client_close(&extra);
        }
        for (int i = 0; i < LIMIT; i++)
            client_close(&held[i]);
        fixture_wait_connections(&f, 0);
    }
    assert_int_equal(sk_http_refused(f.server), 2 * 3);
    fixture_stop(&f);
}

/* [http-4] Far more refused connections than places to linger, none of which reads its answer. */
static void flood_of_refused_connections(void **state)
{
    (void)state;

    enum {
        FLOOD = 3 * SK_HTTP_LINGER_MAX
    };
    struct fixture f;
    struct client held, flood[FLOOD];
    struct answer a;
    fixture_start(&f, (struct sk_http_options){ .max_connections = 1 });
    client_open(&held, f.port);
    client_send(&held, GET("/open"));
    client_read(&held, false, &a);
    for (int i = 0; i < FLOOD; i++)
        client_open(&flood[i], f.port);
    client_send(&held, GET("/open"));
    client_read(&held, false, &a);
    assert_int_equal(a.status, 200);
    for (int i = 0; i < FLOOD; i++)
        client_close(&flood[i]);
    client_close(&held);
    fixture_stop(&f);
}

/* [http-6] */
static void hosts(void **state)
{
    (void)state;

    static const struct {
        const char *host, *error; /* error NULL: works */
    } rows[] = {
        { "127.0.0.1", NULL },
        { "localhost", NULL },
        { "0.0.0.0", NULL },
        { "::", NULL }, /* both families: the client speaks IPv4 */
        { "[::1]", NULL },
        { "192.0.2.1", "cannot listen on 192.0.2.1 port 0: " },
        { "not a host", "cannot listen on 'not a host': " },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct sk_http_route none = { NULL, NULL, 0, NULL, NULL, 0 };
        struct sk_http_options o = { .host = rows[i].host, .listen_fd = -1, .routes = &none };
        struct sk_http_server *s = NULL;
        struct sk_err err = SK_ERR_INIT;
        int rc = sk_http_start(&o, &s, &err);
        if ((rc == 0) != (rows[i].error == NULL) ||
            (rc < 0 && strncmp(err.text, rows[i].error, strlen(rows[i].error)) != 0))
            fail_msg("host '%s': %d %s", rows[i].host, rc, err.text);
        if (rc == 0 && !strstr(rows[i].host, "::1") && strcmp(rows[i].host, "localhost") != 0) {
            struct answer a;
            client_ask(sk_http_port(s), GET("/"), &a);
            assert_int_equal(a.status, 404);
        }
        sk_http_stop(s);
    }
}

static void port_in_use(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, (struct sk_http_options){ 0 });
    struct sk_http_options o = { .port = f.port, .listen_fd = -1 };
    struct sk_http_server *s = NULL;
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_http_start(&o, &s, &err), -1);
    assert_non_null(strstr(err.text, "in use"));
    fixture_stop(&f);
}

static void given_socket(void **state)
{
    (void)state;
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    struct fixture f;
    struct answer a;
    fixture_start(&f, (struct sk_http_options){ .listen_fd = fd });
    assert_int_equal(f.port, ntohs(addr.sin_port));
    client_ask(f.port, GET("/open"), &a);
    assert_int_equal(a.status, 200);
    fixture_stop(&f);
    assert_int_equal(close(fd), -1); /* it was taken */
}

/* The port is free at once: a restart needs no patience. */
static void restart_on_the_same_port(void **state)
{
    (void)state;
    struct fixture f;
    struct answer a;
    fixture_start(&f, (struct sk_http_options){ 0 });
    uint16_t port = f.port;
    for (int i = 0; i < 3; i++) {
        client_ask(port, "GET /open HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &a);
        assert_int_equal(a.status, 200);
        fixture_stop(&f);
        fixture_start(&f, (struct sk_http_options){ .port = port });
    }
    fixture_stop(&f);
}

static _Atomic unsigned dropped;

static void drop_tag(void *tag)
{
    atomic_fetch_add((_Atomic unsigned *)tag, 1);
}

static void answer_tag(struct sk_http_req *r, void *ctx)
{
    (void)ctx;
    sk_buf_str(sk_http_out(r), sk_http_tag(r) == &dropped ? "tagged" : "not tagged");
    sk_http_answer(r);
}

/* [http-8] */
static void adopted_connections(void **state)
{
    static const struct sk_http_route routes[] = { { "GET", "/tag", 0, answer_tag, NULL, 0 },
                                                   { NULL, NULL, 0, NULL, NULL, 0 } };

    enum {
        LIMIT = 3
    };

    (void)state;
    struct fixture f;
    struct client c[LIMIT + 1];
    struct answer a;
    atomic_store(&dropped, 0);
    fixture_start(&f, (struct sk_http_options){
                          .routes = routes, .only_adopts = true, .max_connections = LIMIT });
    assert_int_equal(f.port, 0);
    for (int i = 0; i <= LIMIT; i++) {
        int ends[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        c[i] = (struct client){ .fd = ends[0], .in = SK_BUF_INIT(1 << 20) };
        sk_http_adopt(f.server, ends[1], &dropped, drop_tag);
        for (int k = 0; k < 2 && i < LIMIT; k++) {
            client_send(&c[i], GET("/tag"));
            client_read(&c[i], false, &a);
            assert_int_equal(a.status, 200);
            assert_string_equal(a.body, "tagged");
        }
    }
    client_read(&c[LIMIT], false, &a);
    assert_int_equal(a.status, 503);
    assert_int_equal(atomic_load(&dropped), 1);
    sk_http_adopt(f.server, dup(STDIN_FILENO), &dropped, drop_tag); /* no socket */
    assert_int_equal(atomic_load(&dropped), 2);
    sk_http_retire(f.server);
    sk_http_resume(f.server);
    for (int i = 0; i <= LIMIT; i++)
        client_close(&c[i]);
    fixture_stop(&f);
    assert_int_equal(atomic_load(&dropped), LIMIT + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_many_connections),
        cmocka_unit_test(flood_of_refused_connections),
        cmocka_unit_test(hosts),
        cmocka_unit_test(port_in_use),
        cmocka_unit_test(given_socket),
        cmocka_unit_test(restart_on_the_same_port),
        cmocka_unit_test(adopted_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
