/* test_client_dialer.c - many lines on one thread, waits between dials, and calls from everywhere
 * at once. */
#include "client_still.h"

#include "base/clock.h"
#include "base/thread.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct client_pki pki;

/* ---- waits ---- */

/* Each is between a half of 100, 200, 400 ... ms and that, at most 60 s; the chance is seeded. */
static void doubling_waits(void **state)
{
    struct still s;
    struct sk_err err = SK_ERR_INIT;
    unsigned most = 100;

    (void)state;
    still_init(&s, NULL);
    s.dialer->random = 1;
    for (unsigned i = 0; i < 14; i++) {
        assert_int_equal(still_connect(&s, &err), 0);
        still_close_peer(&s);
        unsigned wait = atomic_load(&s.log.retry_ms);
        if (wait < most / 2 || wait > most || s.line->retry_at_ms != still_now() + wait)
            fail_msg("wait %u: %u of %u", i, wait, most);
        most = most * 2 < 60000 ? most * 2 : 60000;
    }
    still_done(&s);
}

/* The wait is the shortest again after ten seconds up, not after less. */
static void steady_or_not(void **state)
{
    static const struct {
        unsigned up_ms, most;
    } rows[] = { { 0, 6400 }, { SK_CLIENT_STEADY_MS - 1, 6400 }, { SK_CLIENT_STEADY_MS, 100 } };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct still s;
        struct sk_err err = SK_ERR_INIT;

        still_init(&s, NULL);
        for (unsigned k = 0; k < 6; k++) {
            assert_int_equal(still_connect(&s, &err), 0);
            still_close_peer(&s);
        }
        assert_int_equal(still_connect(&s, &err), 0);
        still_send(&s, STILL_CONNACK);
        assert_true(sk_mqtt_line_is_up(s.line));
        still_pass(&s, rows[i].up_ms);
        still_close_peer(&s);
        unsigned wait = atomic_load(&s.log.retry_ms);
        if (wait < rows[i].most / 2 || wait > rows[i].most)
            fail_msg("after %u ms: %u of %u", rows[i].up_ms, wait, rows[i].most);
        still_done(&s);
    }
}

/* The dial begins when the wait is over, not before. */
static void dial_when_due(void **state)
{
    struct still s;

    (void)state;
    still_init(&s, NULL); /* to port 1, where nobody is */
    for (unsigned i = 1; i < 5; i++) {
        for (unsigned k = 0; k < 20000 && atomic_load(&s.log.downs) < i; k++) {
            (void)usleep(100);
            still_rounds(&s);
        }
        assert_int_equal(atomic_load(&s.log.downs), i);
        unsigned wait = atomic_load(&s.log.retry_ms);
        still_pass(&s, wait - 1);
        assert_int_equal(s.line->state, SK_LINE_WAITING);
        still_pass(&s, 1);
        assert_true(s.line->state != SK_LINE_WAITING || atomic_load(&s.log.downs) > i);
    }
    still_done(&s);
}

/* ---- many ---- */

static unsigned count_threads(void)
{
    unsigned n = 0;
    DIR *dir = opendir("/proc/self/task");

    assert_non_null(dir);
    while (readdir(dir))
        n++;
    (void)closedir(dir);
    return n;
}

static void many_lines(void **state)
{
    enum {
        LINES = 50
    };

    static struct client_log logs[LINES];
    static struct client_server server;
    struct sk_mqtt_line *lines[LINES];
    struct sk_mqtt_dialer *d = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    client_server_start(&server, &pki, pki.cert, 0);
    unsigned before = count_threads();
    assert_int_equal(sk_mqtt_dialer_new(&d, &err), 0);
    for (unsigned i = 0; i < LINES; i++) {
        client_log_init(&logs[i]);
        struct sk_mqtt_line_options o = client_options(&server, &pki, &logs[i]);
        assert_int_equal(sk_mqtt_line_open(d, &o, &lines[i], &err), 0);
    }
    for (unsigned i = 0; i < LINES; i++)
        client_wait(&logs[i], ups, 1);
    assert_int_equal(count_threads(), before + 1);
    for (unsigned i = 0; i < LINES; i++)
        assert_int_equal(sk_mqtt_line_publish(lines[i], SK_VIEW("t"), SK_VIEW("x"), 1, i, &err), 0);
    for (unsigned i = 0; i < LINES; i++)
        client_wait(&logs[i], acked, 1);
    for (unsigned i = 0; i < LINES; i += 2)
        sk_mqtt_line_close(lines[i]);
    sk_mqtt_dialer_free(d);
    server_wait(&server, disconnects, LINES);
    client_server_stop(&server);
}

/* ---- from everywhere ---- */

struct storm {
    struct client_server server;
    struct client_log log;
    struct sk_mqtt_dialer *dialer;
    struct sk_mqtt_line *line;
    atomic_uint taken;
    atomic_bool is_over;
};

static void *publish_always(void *arg)
{
    struct storm *s = arg;

    for (uint64_t i = 0; !atomic_load(&s->is_over); i++) {
        struct sk_err err = SK_ERR_INIT;
        if (sk_mqtt_line_publish(s->line, SK_VIEW("t"), SK_VIEW("storm"), 1, i, &err) == 0)
            (void)atomic_fetch_add(&s->taken, 1);
        else
            (void)usleep(200);
    }
    return NULL;
}

static void *bother_always(void *arg)
{
    struct storm *s = arg;
    struct sk_err err = SK_ERR_INIT;

    for (unsigned i = 0; !atomic_load(&s->is_over); i++) {
        char filter[20];
        (void)snprintf(filter, sizeof filter, "f%u", i % 20);
        sk_mqtt_line_poke(s->line);
        sk_mqtt_line_login(s->line, "unasked");
        sk_mqtt_line_puback(s->line, (uint16_t)i);
        if (i % 50 == 49)
            sk_mqtt_line_renew(s->line);
        if (i % 10 == 9 && sk_mqtt_line_subscribe(s->line, filter, &err) < 0)
            abort();
        (void)sk_mqtt_line_is_up(s->line);
        (void)usleep(1000);
    }
    return NULL;
}

/* Whatever happens meanwhile, each publish that was taken is told exactly once. */
static void storm(void **state)
{
    static struct storm s;
    struct sk_err err = SK_ERR_INIT;
    pthread_t threads[3];

    (void)state;
    client_log_init(&s.log);
    client_server_start(&s.server, &pki, pki.cert, 0);
    atomic_store(&s.server.echoes, true);
    struct sk_mqtt_line_options o = client_options(&s.server, &pki, &s.log);
    o.keep_alive_s = 1;
    assert_int_equal(sk_mqtt_dialer_new(&s.dialer, &err), 0);
    assert_int_equal(sk_mqtt_line_open(s.dialer, &o, &s.line, &err), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(
            sk_thread_start(&threads[i], "storm", i < 2 ? publish_always : bother_always, &s, &err),
            0);
    client_wait(&s.log, acked, 200);
    for (unsigned i = 0; i < 3; i++) {
        client_server_stop(&s.server);
        (void)usleep(30000);
        client_server_start(&s.server, &pki, pki.cert, s.server.port);
        client_wait(&s.log, acked, 400 + 200 * i);
    }
    client_wait(&s.log, messages, 1);
    atomic_store(&s.is_over, true);
    for (unsigned i = 0; i < 3; i++)
        (void)pthread_join(threads[i], NULL);
    sk_mqtt_line_close(s.line);
    assert_int_equal(atomic_load(&s.log.acked) + atomic_load(&s.log.lost), atomic_load(&s.taken));
    assert_true(atomic_load(&s.log.messages) > 0);
    sk_mqtt_dialer_free(s.dialer);
    client_server_stop(&s.server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubling_waits), cmocka_unit_test(steady_or_not),
        cmocka_unit_test(dial_when_due),  cmocka_unit_test(many_lines),
        cmocka_unit_test(storm),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    client_pki_make(&pki);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    client_pki_remove(&pki);
    return rc;
}
