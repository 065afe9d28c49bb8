/* test_client_dial.c - what can go wrong between a name and CONNACK, and what is said of it. */
#include "client_still.h"

#include "base/clock.h"
#include "base/net.h"
#include "base/thread.h"
#include "crypto/crypto.h"
#include "rig.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct client_pki pki;

enum {
    SHORT_MS = 300,
    LONG_MS = 64 * SHORT_MS
};

/* Waits for the first down, or up (wanted NULL), and ends the line. False, when it is another and
 * is_late: it must time out where it is said, and this time it has not got so far. */
static bool first_is(const char *name, struct sk_mqtt_line_options *o, sk_lookup_fn *find,
                     const char *wanted, bool is_late)
{
    struct client_log log;
    struct sk_mqtt_dialer *d = NULL;
    struct sk_mqtt_line *line = NULL;
    struct sk_err err = SK_ERR_INIT;

    client_log_init(&log);
    o->ctx = &log;
    o->retry_min_ms = o->retry_max_ms = 1000000;
    /* the test's thread is the dialer's */
    if (sk_dialer_make(find, &d, &err) < 0 || sk_mqtt_line_open(d, o, &line, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    uint64_t by_ms = sk_now_ms() + CLIENT_WAIT_MS;
    while (atomic_load(&log.ups) + atomic_load(&log.downs) == 0 && sk_now_ms() < by_ms)
        (void)sk_dialer_round(d, 10);
    bool is_so = wanted ? strstr(log.text, wanted) != NULL : strcmp(log.text, "up") == 0;
    if (!is_so && (!is_late || !strstr(log.text, " in time") || o->connect_ms >= LONG_MS))
        fail_msg("%s: '%s'", name, log.text);
    sk_mqtt_line_close(line);
    sk_mqtt_dialer_free(d);
    return is_so;
}

static void expect_first(const char *name, struct sk_mqtt_line_options *o, sk_lookup_fn *find,
                         const char *wanted)
{
    (void)first_is(name, o, find, wanted, false);
}

static void certificates(void **state)
{
    const struct {
        const char *name, *cert, *ca, *host, *verify_name, *wanted;
    } rows[] = {
        { "by address", pki.cert, pki.ca, "127.0.0.1", NULL, NULL },
        { "by name", pki.cert, pki.ca, "127.0.0.1", "localhost", NULL },
        { "expired", pki.old_cert, pki.ca, "127.0.0.1", NULL,
          ": the server's certificate has expired on 2" },
        { "not yet valid", pki.young_cert, pki.ca, "127.0.0.1", NULL,
          ": the server's certificate is not yet valid, but from 2" },
        { "other address", pki.strange_cert, pki.ca, "127.0.0.1", NULL,
          ": the server's certificate is for other names: hub.example, 192.0.2.7" },
        { "other name", pki.cert, pki.ca, "127.0.0.1", "hub.example",
          ": the server's certificate is for other names: localhost, 127.0.0.1, ::1" },
        { "unknown CA", pki.cert, pki.other_ca, "127.0.0.1", NULL,
          ": the server's certificate is signed by an unknown CA 'CA'" },
        { "system's CAs", pki.cert, NULL, "127.0.0.1", NULL,
          ": the server's certificate is signed by an unknown CA 'CA'" },
        { "no CA file", pki.cert, "/nowhere/ca.pem", "127.0.0.1", NULL,
          "TLS CA certificates '/nowhere/ca.pem': " },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static struct client_server s;
        struct client_log log;

        memset(&s, 0, sizeof s);
        client_server_start(&s, &pki, rows[i].cert, 0);
        struct sk_mqtt_line_options o = client_options(&s, &pki, &log);
        o.host = rows[i].host;
        o.verify_name = rows[i].verify_name;
        o.ca_file = rows[i].ca;
        expect_first(rows[i].name, &o, NULL, rows[i].wanted);
        client_server_stop(&s);
    }
}

/* ---- peers that are no good ---- */

enum peer_kind {
    PEER_SILENT,     /* accepts, says nothing */
    PEER_HTTP,       /* no TLS */
    PEER_CLOSES,     /* at once */
    PEER_BUSY_QUEUE, /* listens, does not accept */
};

struct peer {
    int listen_fd;
    enum peer_kind kind;
    pthread_t thread;
    atomic_bool is_over;
};

static void *run_peer(void *arg)
{
    struct peer *p = arg;
    SK_AUTO(sk_close) int fd = accept(p->listen_fd, NULL, NULL);
    char bytes[1000];

    if (p->kind == PEER_HTTP) {
        (void)!recv(fd, bytes, sizeof bytes, 0);
        (void)!write(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    }
    while (p->kind == PEER_SILENT && !atomic_load(&p->is_over))
        (void)usleep(1000);
    return NULL;
}

struct peer_row {
    const char *name;
    enum peer_kind kind;
    const char *wanted;
    bool is_late;
};

/* As first_is. */
static bool try_peer(const struct peer_row *row, unsigned connect_ms)
{
    struct peer p = { .kind = row->kind };
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_listen("127.0.0.1", 0, 8, &p.listen_fd, &err), 0);
    if (p.kind != PEER_BUSY_QUEUE)
        assert_int_equal(sk_thread_start(&p.thread, "peer", run_peer, &p, &err), 0);
    struct sk_mqtt_line_options o = { .host = "127.0.0.1",
                                      .port = sk_port_of(p.listen_fd),
                                      .ca_file = pki.ca,
                                      .client_id = "c",
                                      .username = "u",
                                      .connect_ms = connect_ms,
                                      .handler = &client_handler };
    bool is_so = first_is(row->name, &o, NULL, row->wanted, row->is_late);
    atomic_store(&p.is_over, true);
    if (p.kind != PEER_BUSY_QUEUE)
        (void)pthread_join(p.thread, NULL);
    sk_close(&p.listen_fd);
    return is_so;
}

static void no_good_peers(void **state)
{
    static const struct peer_row rows[] = {
        { "silent", PEER_SILENT, ": no answer to the TLS handshake in time", true },
        { "http", PEER_HTTP, ": the server does not speak TLS", false },
        { "closes", PEER_CLOSES, ": the connection ended within the TLS handshake", false },
        { "not accepted", PEER_BUSY_QUEUE, ": no answer to the TLS handshake in time", true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsigned ms = rows[i].is_late ? SHORT_MS : 0;
        while (!try_peer(&rows[i], ms))
            ms *= 4;
    }
}

static uint16_t free_port(void)
{
    SK_AUTO(sk_close) int fd = -1;
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_listen("127.0.0.1", 0, 1, &fd, &err), 0);
    return sk_port_of(fd);
}

static void refused_port(void **state)
{
    struct sk_mqtt_line_options o = {
        .host = "127.0.0.1", .port = free_port(), .client_id = "c", .handler = &client_handler
    };
    char wanted[100];

    (void)state;
    (void)snprintf(wanted, sizeof wanted, "down:0:127.0.0.1:%u: Connection refused", o.port);
    expect_first("refused", &o, NULL, wanted);
}

/* ---- names ---- */

static int add_address(const char *host, const char *port, struct addrinfo **list)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };

    while (*list)
        list = &(*list)->ai_next;
    return getaddrinfo(host, port, &hints, list);
}

static atomic_bool slow_may_go_on, slow_is_over;

/* "two": an address that refuses, then the server's; "none": two that refuse; "slow" waits until
 * the test lets it go on; else unknown. */
static int find(const char *host, const char *port, const struct addrinfo *hints,
                struct addrinfo **out)
{
    (void)hints;
    *out = NULL;
    if (strcmp(host, "slow") == 0) {
        while (!atomic_load(&slow_may_go_on))
            (void)usleep(500);
        atomic_store(&slow_is_over, true);
    }
    if (strcmp(host, "two") != 0 && strcmp(host, "none") != 0)
        return EAI_AGAIN;
    if (add_address("127.0.0.77", port, out) != 0)
        return EAI_NONAME;
    return add_address(strcmp(host, "two") == 0 ? "127.0.0.1" : "127.0.0.78", port, out);
}

static void names(void **state)
{
    static const struct {
        const char *host, *wanted;
        unsigned connect_ms;
    } rows[] = {
        { "two", NULL, 0 },
        { "none", "down:0:127.0.0.78:", 0 },
        { "unknown", "down:0:the name 'unknown' is not known: ", 0 },
        { "slow", "down:0:slow: its name was not found in time", SHORT_MS },
    };
    static struct client_server s;
    struct client_log log;

    (void)state;
    client_server_start(&s, &pki, pki.cert, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sk_mqtt_line_options o = client_options(&s, &pki, &log);
        o.host = rows[i].host;
        o.verify_name = "localhost";
        o.connect_ms = rows[i].connect_ms;
        expect_first(rows[i].host, &o, find, rows[i].wanted);
    }
    atomic_store(&slow_may_go_on, true);
    while (!atomic_load(&slow_is_over))
        (void)usleep(500);
    client_server_stop(&s);
}

/* IPv6, in brackets or not, where the machine has it. */
static void six(void **state)
{
    static const char *const hosts[] = { "::1", "[::1]" };
    int fd = -1;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    if (sk_listen("::1", 0, 1, &fd, &err) < 0)
        skip();
    const uint16_t port = sk_port_of(fd);
    sk_close(&fd);
    for (size_t i = 0; i < 2; i++) {
        struct sk_mqtt_line_options o = {
            .host = hosts[i], .port = port, .client_id = "c", .handler = &client_handler
        };
        char wanted[100];
        (void)snprintf(wanted, sizeof wanted, "down:0:[::1]:%u: Connection refused", port);
        expect_first(hosts[i], &o, NULL, wanted);
    }
}

/* ---- addresses that do not answer ---- */

enum {
    FILL = 8
};

/* A port whose queue is full: the kernel drops what else knocks. */
struct deaf {
    int listen_fd, fill[FILL];
    uint16_t port;
};

static void make_deaf(struct deaf *p)
{
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_listen("127.0.0.1", 0, 0, &p->listen_fd, &err), 0);
    p->port = sk_port_of(p->listen_fd);
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(p->port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    for (size_t i = 0; i < FILL; i++) {
        p->fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(p->fill[i], (struct sockaddr *)&to, sizeof to);
    }
    /* One of them is all that the queue holds. */
    struct pollfd fds[FILL];
    for (size_t i = 0; i < FILL; i++)
        fds[i] = (struct pollfd){ .fd = p->fill[i], .events = POLLOUT };
    assert_true(poll(fds, FILL, CLIENT_WAIT_MS) > 0);
    (void)usleep(20000);
}

static void close_deaf(struct deaf *p)
{
    sk_close(&p->listen_fd);
    for (size_t i = 0; i < FILL; i++)
        sk_close(&p->fill[i]);
}

/* The whole time for the last address; a poke begins anew after a second, not before. */
static void deaf_address(void **state)
{
    struct sk_mqtt_line_options o = { .connect_ms = 5000 };
    struct deaf p;
    struct still s;
    char wanted[100];

    (void)state;
    make_deaf(&p);
    o.port = p.port;
    still_init(&s, &o);
    still_rounds(&s);
    assert_int_equal(s.line->state, SK_LINE_CONNECTING);
    still_pass(&s, SK_CLIENT_POKE_MS - 1);
    uint64_t by_ms = s.line->by_ms;
    sk_mqtt_line_poke(s.line);
    still_rounds(&s);
    assert_int_equal(s.line->by_ms, by_ms);
    still_pass(&s, 1);
    sk_mqtt_line_poke(s.line);
    still_rounds(&s);
    assert_int_equal(s.line->state, SK_LINE_CONNECTING);
    assert_int_equal(s.line->by_ms, by_ms + SK_CLIENT_POKE_MS);
    still_pass(&s, 4999);
    assert_int_equal(atomic_load(&s.log.downs), 0);
    still_pass(&s, 1);
    (void)snprintf(wanted, sizeof wanted, "down:0:127.0.0.1:%u: no answer in time", p.port);
    still_log(&s, wanted);
    still_done(&s);
    close_deaf(&p);
}

static uint16_t deaf_port;

/* The deaf one, then one that refuses. */
static int find_deaf(const char *host, const char *port, const struct addrinfo *hints,
                     struct addrinfo **out)
{
    char service[8];

    (void)host;
    (void)port;
    (void)hints;
    *out = NULL;
    (void)snprintf(service, sizeof service, "%u", deaf_port);
    return add_address("127.0.0.1", service, out) != 0 ? EAI_NONAME
                                                       : add_address("127.0.0.77", "1", out);
}

/* One that has another behind it gets three seconds. */
static void deaf_then_another(void **state)
{
    struct deaf p;
    struct still s;

    (void)state;
    make_deaf(&p);
    deaf_port = p.port;
    const struct sk_mqtt_line_options o = { .host = "name" };
    struct sk_resolver *resolver = NULL;
    struct sk_err err = SK_ERR_INIT;
    still_init(&s, &o);
    assert_int_equal(sk_resolver_new(s.dialer->wake, find_deaf, &resolver, &err), 0);
    sk_resolver_free(s.dialer->resolver);
    s.dialer->resolver = resolver;
    for (int i = 0; i < 20000 && s.line->state != SK_LINE_CONNECTING; i++) {
        still_rounds(&s);
        (void)usleep(1000);
    }
    assert_int_equal(s.line->state, SK_LINE_CONNECTING);
    still_pass(&s, SK_CLIENT_ADDRESS_MS - 1);
    assert_non_null(s.line->next_address);
    still_pass(&s, 1);
    for (int i = 0; i < 20000 && atomic_load(&s.log.downs) == 0; i++) {
        still_rounds(&s);
        (void)usleep(1000);
    }
    still_log(&s, "down:0:127.0.0.77:1: Connection refused");
    still_done(&s);
    close_deaf(&p);
}

/* ---- a server behind TLS that does what no server should ---- */

struct script {
    const char *bytes; /* in answer to CONNECT */
    bool ends;
};

static int play(int fd, const struct sk_tls_peer *peer, void *ctx)
{
    const struct script *s = ctx;
    SK_AUTO(sk_close) int own = fd;
    unsigned char bytes[1000];
    size_t len = rig_bytes(s->bytes, bytes, sizeof bytes);

    (void)peer;
    (void)!write(fd, bytes, len);
    if (!s->ends)
        (void)sk_take_fd(&own); /* stays open until the front's end */
    return 0;
}

struct script_row {
    const char *name;
    struct script script;
    const char *wanted;
    bool is_late;
};

/* As first_is. */
static bool try_script(const struct script_row *row, unsigned connect_ms)
{
    static const char *const filters[] = { "f", NULL };
    struct script script = row->script;
    struct sk_tls_front *front = NULL;
    struct sk_err err = SK_ERR_INIT;
    int fd = -1;

    assert_int_equal(sk_listen("127.0.0.1", 0, 8, &fd, &err), 0);
    struct sk_mqtt_line_options o = { .host = "127.0.0.1",
                                      .port = sk_port_of(fd),
                                      .ca_file = pki.ca,
                                      .client_id = "c",
                                      .username = "u",
                                      .connect_ms = connect_ms,
                                      .handler = &client_handler };
    if (strcmp(row->name, "no SUBACK") == 0)
        o.filters = filters;
    const struct sk_tls_options tls = { .cert_file = pki.cert,
                                        .key_file = pki.key,
                                        .listen_fd = fd,
                                        .max_connections = 10,
                                        .handshake_ms = CLIENT_WAIT_MS,
                                        .accept = play,
                                        .ctx = &script };
    if (sk_tls_start(&tls, &front, &err) < 0)
        fail_msg("%s", err.text);
    bool is_so = first_is(row->name, &o, NULL, row->wanted, row->is_late);
    sk_tls_stop(front);
    return is_so;
}

static void bad_servers(void **state)
{
    static const struct script_row rows[] = {
        { "dies in a packet",
          { "20 02", true },
          "down:0:the server has closed the connection",
          false },
        { "dies in the next", { "20 02 00 00 30 10 00", true }, "up", false },
        { "speaks too early",
          { "30 03 0001 'a'", false },
          "down:0:the server has sent something else before CONNACK",
          false },
        { "http inside",
          { "'HTTP/1.1 400 Bad Request'", false },
          "down:0:the server has sent ",
          false },
        { "silent", { "", false }, ": no CONNACK in time", true },
        { "no SUBACK", { "20 02 00 00", false }, ": no SUBACK in time", true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsigned ms = rows[i].is_late ? SHORT_MS : 0;
        while (!try_script(&rows[i], ms))
            ms *= 4;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates), cmocka_unit_test(no_good_peers),
        cmocka_unit_test(refused_port), cmocka_unit_test(names),
        cmocka_unit_test(six),          cmocka_unit_test(bad_servers),
        cmocka_unit_test(deaf_address), cmocka_unit_test(deaf_then_another),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    client_pki_make(&pki);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    client_pki_remove(&pki);
    return rc;
}
