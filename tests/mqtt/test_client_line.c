/* test_client_line.c - a line against the real server over TLS: its way up, down, and up again. */
#include "client_rig.h"

#include "base/clock.h"
#include "base/net.h"
#include "base/thread.h"
#include "crypto/crypto.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct client_pki pki;

struct world {
    struct client_server server;
    struct client_log log;
    struct sk_mqtt_dialer *dialer;
    struct sk_mqtt_line *line;
};

static struct world w;

static void open_line(const struct sk_mqtt_line_options *o)
{
    struct sk_err err = SK_ERR_INIT;

    if (!w.dialer && sk_mqtt_dialer_new(&w.dialer, &err) < 0)
        fail_msg("%s", err.text);
    if (sk_mqtt_line_open(w.dialer, o, &w.line, &err) < 0)
        fail_msg("%s", err.text);
}

static void begin(const char *cert)
{
    memset(&w, 0, sizeof w);
    client_log_init(&w.log);
    client_server_start(&w.server, &pki, cert, 0);
}

static void finish(void)
{
    sk_mqtt_line_close(w.line);
    sk_mqtt_dialer_free(w.dialer);
    if (w.server.server)
        client_server_stop(&w.server);
}

static void publish(const char *topic, const char *payload, unsigned qos, uint64_t token)
{
    struct sk_err err = SK_ERR_INIT;

    if (sk_mqtt_line_publish(w.line, sk_view_of(topic), sk_view_of(payload), qos, token, &err) < 0)
        fail_msg("%s", err.text);
}

/* Login, subscriptions, both ways, and an orderly end. */
static void whole_life(void **state)
{
    static const char *const filters[] = { "a/#", "b/+/c", NULL };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    begin(pki.cert);
    struct sk_mqtt_line_options o = client_options(&w.server, &pki, &w.log);
    o.filters = filters;
    atomic_store(&w.server.echoes, true);
    open_line(&o);
    client_wait(&w.log, ups, 1);
    client_server_expect(&w.server, "c:user/secret+ sub:a/# sub:b/+/c");
    publish("t", "hello", 1, 41);
    client_wait(&w.log, acked, 1);
    client_wait(&w.log, messages, 1);
    client_expect(&w.log, "acked:41");
    client_expect(&w.log, "message:echo=hello");
    server_wait(&w.server, acked, 1);
    assert_int_equal(sk_mqtt_line_subscribe(w.line, "later", &err), 0);
    assert_int_equal(sk_mqtt_line_subscribe(w.line, "later", &err), 0);
    client_server_expect(&w.server, "sub:later");
    publish("q0", "last", 0, 0);
    sk_mqtt_line_close(w.line);
    w.line = NULL;
    server_wait(&w.server, disconnects, 1);
    client_server_expect(&w.server, "q0=last");
    assert_int_equal(atomic_load(&w.log.downs), 0);
    assert_int_equal(atomic_load(&w.log.lost), 0);
    assert_int_equal(atomic_load(&w.server.subs), 3);
    finish();
}

/* Each login is asked anew; a refusal is told with its code. */
static void refused_login(void **state)
{
    (void)state;
    begin(pki.cert);
    struct sk_mqtt_line_options o = client_options(&w.server, &pki, &w.log);
    atomic_store(&w.server.connack, SK_MQTT_NOT_AUTHORIZED);
    open_line(&o);
    client_wait(&w.log, downs, 3);
    assert_int_equal(atomic_load(&w.log.refusal), SK_MQTT_NOT_AUTHORIZED);
    client_expect(&w.log, "down:5:the server refuses the login: not authorized (CONNACK 5)");
    assert_true(atomic_load(&w.log.logins) >= 3);
    atomic_store(&w.server.connack, SK_MQTT_ACCEPTED);
    client_wait(&w.log, ups, 1);
    finish();
}

/* The server is killed with publishes unacknowledged, and comes back at the same place. */
static void kill_and_come_back(void **state)
{
    static const char *const filters[] = { "f", NULL };

    (void)state;
    begin(pki.cert);
    struct sk_mqtt_line_options o = client_options(&w.server, &pki, &w.log);
    o.filters = filters;
    open_line(&o);
    client_wait(&w.log, ups, 1);
    for (unsigned i = 0; i < 3; i++) {
        atomic_store(&w.server.keeps_puback, true);
        publish("t", "a", 1, 10 * i + 1);
        publish("t", "b", 1, 10 * i + 2);
        server_wait(&w.server, publishes, 3 * i + 2);
        client_server_stop(&w.server);
        client_wait(&w.log, lost, 2 * i + 2);
        client_wait(&w.log, downs, i + 1);
        atomic_store(&w.server.keeps_puback, false);
        client_server_start(&w.server, &pki, pki.cert, w.server.port);
        client_wait(&w.log, ups, i + 2);
        server_wait(&w.server, subs, i + 2);
        publish("t", "c", 1, 10 * i + 3);
        client_wait(&w.log, acked, i + 1);
    }
    client_expect(&w.log, "up lost:1 lost:2 down:0:");
    client_expect(&w.log, "acked:3 lost:11 lost:12 down:0:");
    finish();
}

/* A new login by a new connection; the old one ends in order, with nothing unacknowledged. */
static void renewed(void **state)
{
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    begin(pki.cert);
    struct sk_mqtt_line_options o = client_options(&w.server, &pki, &w.log);
    open_line(&o);
    client_wait(&w.log, ups, 1);
    w.log.password = "fresh";
    publish("t", "a", 1, 1);
    client_wait(&w.log, acked, 1); /* that it waits for this: test_client_link.c */
    sk_mqtt_line_renew(w.line);
    client_wait(&w.log, ups, 2);
    client_server_expect(&w.server, "c:user/fresh");
    client_expect(&w.log, "up acked:1 down:0:the line logs in anew up");
    assert_int_equal(atomic_load(&w.log.retry_ms), 0);
    server_wait(&w.server, disconnects, 1);
    assert_int_equal(atomic_load(&w.server.connects), 2);
    publish("t", "b", 1, 2);
    client_wait(&w.log, acked, 2);

    atomic_store(&w.server.keeps_puback, true); /* what stays unacknowledged does not stop it */
    publish("t", "c", 1, 3);
    server_wait(&w.server, publishes, 3);
    sk_mqtt_line_renew(w.line);
    while (err.code == SK_OK && atomic_load(&w.log.ups) < 3) {
        (void)!sk_mqtt_line_publish(w.line, SK_VIEW("t"), SK_VIEW("x"), 0, 0, &err);
        (void)usleep(100);
    }
    assert_true(err.code == SK_OK || err.code == SK_BUSY || err.code == SK_CANCELLED);
    client_wait(&w.log, ups, 3);
    client_expect(&w.log, "lost:3 down:0:the line logs in anew up");
    assert_int_equal(atomic_load(&w.log.lost), 1);
    server_wait(&w.server, disconnects, 2);
    finish();
}

/* A line that waits is dialed at once by poke and renew; one that is up is not touched by poke. */
static void poked(void **state)
{
    (void)state;
    begin(pki.cert);
    struct sk_mqtt_line_options o = client_options(&w.server, &pki, &w.log);
    o.retry_min_ms = o.retry_max_ms = 1000000;
    atomic_store(&w.server.connack, SK_MQTT_UNAVAILABLE);
    open_line(&o);
    client_wait(&w.log, downs, 1);
    assert_true(atomic_load(&w.log.retry_ms) >= 500000);
    assert_true(atomic_load(&w.log.retry_ms) <= 1000000);
    sk_mqtt_line_poke(w.line);
    client_wait(&w.log, downs, 2);
    atomic_store(&w.server.connack, SK_MQTT_ACCEPTED);
    sk_mqtt_line_renew(w.line);
    client_wait(&w.log, ups, 1);
    sk_mqtt_line_poke(w.line);
    publish("t", "a", 1, 1);
    client_wait(&w.log, acked, 1);
    assert_int_equal(atomic_load(&w.log.downs), 2);
    finish();
}

/* A login that cannot be made, one that comes late, one that nobody asked for. */
static void logins(void **state)
{
    (void)state;
    begin(pki.cert);
    struct sk_mqtt_line_options o = client_options(&w.server, &pki, &w.log);
    w.log.no_login = "the key is not there";
    open_line(&o);
    client_wait(&w.log, downs, 2);
    client_expect(&w.log, "down:0:the key is not there");
    assert_int_equal(atomic_load(&w.server.connects), 0);
    atomic_store(&w.log.keeps_login, true);
    unsigned asked = atomic_load(&w.log.logins);
    client_wait(&w.log, logins, asked + 1);
    (void)usleep(20000);
    sk_mqtt_line_login(w.line, "late");
    client_wait(&w.log, ups, 1);
    sk_mqtt_line_login(w.line, "unasked");
    sk_mqtt_line_no_login(w.line, "unasked");
    publish("t", "a", 1, 1);
    client_wait(&w.log, acked, 1);
    client_server_expect(&w.server, "c:user/late");
    finish();

    begin(pki.cert); /* never */
    o = client_options(&w.server, &pki, &w.log);
    atomic_store(&w.log.keeps_login, true);
    o.connect_ms = 300;
    open_line(&o);
    client_await(&w.log, "no login was given in time"); /* it may be late for the one before */
    finish();
}

static void thrown_out_and_refused(void **state)
{
    static const char *const filters[] = { "yes", "no", NULL };

    (void)state;
    begin(pki.cert);
    struct sk_mqtt_line_options o = client_options(&w.server, &pki, &w.log);
    o.filters = filters;
    atomic_store(&w.server.refuses_subs, true);
    atomic_store(&w.server.throws_out, true);
    open_line(&o);
    client_wait(&w.log, downs, 2);
    client_expect(&w.log, "down:0:the server refuses the subscription to 'no'");
    assert_int_equal(atomic_load(&w.log.ups), 0);
    atomic_store(&w.server.refuses_subs, false);
    client_wait(&w.log, ups, 1);
    publish("bye", "", 0, 0);
    client_wait(&w.log, ups, 2);
    client_expect(&w.log, "up down:0:the server has closed the connection");
    finish();
}

/* Who waits for a place gets it, and each publish is acknowledged once. */
static void window(void **state)
{
    enum {
        COUNT = 2000
    };

    (void)state;
    begin(pki.cert);
    struct sk_mqtt_line_options o = client_options(&w.server, &pki, &w.log);
    o.max_inflight = 16;
    open_line(&o);
    client_wait(&w.log, ups, 1);
    for (unsigned i = 0; i < COUNT;) {
        struct sk_err err = SK_ERR_INIT;
        unsigned seen = atomic_load(&w.log.writables);
        if (sk_mqtt_line_publish(w.line, SK_VIEW("w"), SK_VIEW("x"), 1, i, &err) == 0) {
            i++;
            continue;
        }
        assert_int_equal(err.code, SK_BUSY);
        client_wait(&w.log, writables, seen + 1);
    }
    client_wait(&w.log, acked, COUNT);
    assert_int_equal(atomic_load(&w.log.acked), COUNT);
    assert_int_equal(atomic_load(&w.log.lost), 0);
    finish();
}

static void with_a_certificate(void **state)
{
    static const struct sk_mqtt_line_handler silent = { .login = NULL };

    (void)state;
    begin(pki.cert);
    struct sk_mqtt_line_options o = client_options(&w.server, &pki, &w.log);
    o.cert_file = pki.client_cert;
    o.key_file = pki.client_key;
    o.is_clean = true;
    o.handler = &silent; /* none of the functions is needed */
    atomic_store(&w.server.echoes, true);
    open_line(&o);
    client_server_expect(&w.server, "c:user/");
    while (!sk_mqtt_line_is_up(w.line))
        (void)usleep(1000);
    publish("t", "a", 1, 1);
    server_wait(&w.server, acked, 1); /* a message without a function is acknowledged */
    assert_int_equal(atomic_load(&w.server.certs), 1);
    finish();
}

/* A line and a dialer end in every state, and no publish is forgotten. */
static void ends(void **state)
{
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    for (unsigned i = 0; i < 30; i++) {
        begin(pki.cert);
        struct sk_mqtt_line_options o = client_options(&w.server, &pki, &w.log);
        atomic_store(&w.server.keeps_puback, true);
        if (i % 5 == 4)
            o.host = "no-such-name.invalid";
        open_line(&o);
        if (i % 3 == 2)
            (void)usleep(i * 300);
        if (i == 0)
            client_wait(&w.log, ups, 1);
        bool is_taken = sk_mqtt_line_publish(w.line, SK_VIEW("t"), SK_VIEW("x"), 1, 1, &err) == 0;
        if (i % 2 == 0) {
            sk_mqtt_dialer_free(w.dialer);
            w.dialer = NULL;
            w.line = NULL;
        } else {
            sk_mqtt_line_close(w.line);
            w.line = NULL;
        }
        assert_int_equal(atomic_load(&w.log.lost), is_taken);
        finish();
    }
    sk_mqtt_line_close(NULL);
    sk_mqtt_dialer_free(NULL);
}

static void bad_options(void **state)
{
    static char vast[70000];
    struct sk_err err = SK_ERR_INIT;
    struct sk_mqtt_line *line = NULL;
    static const char *const bad_filters[] = { "ok", "a#", NULL };

    (void)state;
    memset(vast, 'x', sizeof vast - 1);
    const struct sk_mqtt_line_options rows[] = {
        { .client_id = "c" },
        { .host = "", .client_id = "c" },
        { .host = "h" },
        { .host = "h", .client_id = vast },
        { .host = "h", .client_id = "c", .username = vast },
        { .host = "h", .client_id = "\xff" },
        { .host = "h", .client_id = "c", .max_inflight = SK_CLIENT_INFLIGHT_MAX + 1 },
        { .host = "h", .client_id = "c", .filters = bad_filters },
    };
    assert_int_equal(sk_mqtt_dialer_new(&w.dialer, &err), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sk_mqtt_line_options o = rows[i];
        o.handler = &client_handler;
        o.ctx = &w.log;
        err.code = SK_OK;
        if (sk_mqtt_line_open(w.dialer, &o, &line, &err) == 0 || err.code != SK_INVALID)
            fail_msg("row %zu: %s", i, err.text);
    }
    sk_mqtt_dialer_free(w.dialer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_life),
        cmocka_unit_test(refused_login),
        cmocka_unit_test(kill_and_come_back),
        cmocka_unit_test(renewed),
        cmocka_unit_test(poked),
        cmocka_unit_test(logins),
        cmocka_unit_test(thrown_out_and_refused),
        cmocka_unit_test(window),
        cmocka_unit_test(with_a_certificate),
        cmocka_unit_test(ends),
        cmocka_unit_test(bad_options),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    client_pki_make(&pki);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    client_pki_remove(&pki);
    return rc;
}
