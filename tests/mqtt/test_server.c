/*
 * test_server.c - the server with its threads: two loops, answers from another thread, bounds, real
 * time, and its stop.
 */
#include "rig.h"

#include "base/clock.h"
#include "base/thread.h"
#include "harness/alloc_fail.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    WAIT_MS = 20000 /* patience; nothing takes so long */
};

/* Publishes go to a thread that acknowledges them, newest first. */
struct work {
    struct sk_mqtt_post post;
    struct work *next;
    uint16_t id;
};

struct hub {
    struct sk_mqtt_server *server;
    pthread_mutex_t lock; /* guards work, is_over */
    struct work *work;
    bool is_over;
    atomic_uint connects, publishes, acked, closes, nulls, loops[2];
    atomic_bool closes_soon;
};

static void run_ack(struct sk_mqtt_conn *c, struct sk_mqtt_post *post)
{
    struct work *w = (struct work *)post;
    struct sk_err err = SK_ERR_INIT;

    if (c) {
        struct hub *h = sk_mqtt_user(c);
        sk_mqtt_puback(c, w->id);
        if (sk_mqtt_window(c) > 0 &&
            sk_mqtt_publish(c, SK_VIEW("t"), SK_VIEW("echo"), 1, w->id, &err) < 0)
            (void)atomic_fetch_add(&h->nulls, 1000);
    }
    free(w);
}

static void *worker(void *arg)
{
    struct hub *h = arg;
    bool is_over = false;

    while (!is_over) {
        struct work *w;
        {
            SK_LOCK(&h->lock);
            w = SK_TAKE(h->work);
            is_over = h->is_over;
        }

        while (w) {
            struct work *next = w->next;
            sk_mqtt_post(h->server, &w->post);
            w = next;
        }
        (void)usleep(500);
    }
    return NULL;
}

static void on_connect(struct sk_mqtt_conn *c, const struct sk_mqtt_connect *p, void *ctx)
{
    struct hub *h = ctx;

    (void)p;
    (void)atomic_fetch_add(&h->connects, 1);
    (void)atomic_fetch_add(&h->loops[sk_mqtt_loop_of(c)], 1);
    sk_mqtt_set_user(c, h);
    sk_mqtt_connack(c, SK_MQTT_ACCEPTED, false);
    if (atomic_load(&h->closes_soon))
        sk_mqtt_close_at(c, sk_now_ms() + 200, "token");
}

static void on_publish(struct sk_mqtt_conn *c, const struct sk_mqtt_message *m, void *ctx)
{
    struct hub *h = ctx;
    struct work *w = malloc(sizeof *w);

    (void)atomic_fetch_add(&h->publishes, 1);
    if (!w)
        return;
    *w = (struct work){ .post = { .to = sk_mqtt_conn_ref(c), .run = run_ack }, .id = m->id };
    SK_LOCK(&h->lock);
    w->next = h->work;
    h->work = w;
}

static void on_filters(struct sk_mqtt_conn *c, const struct sk_mqtt_filters *f, void *ctx)
{
    (void)ctx;
    sk_mqtt_suback(c, f->id, f->qos, f->count);
}

static void on_acked(struct sk_mqtt_conn *c, uint64_t token, void *ctx)
{
    struct hub *h = ctx;

    (void)c;
    (void)token;
    (void)atomic_fetch_add(&h->acked, 1);
}

static void on_closed(struct sk_mqtt_conn *c, bool had_disconnect, const char *why, void *ctx)
{
    struct hub *h = ctx;

    (void)c;
    (void)had_disconnect;
    (void)why;
    (void)atomic_fetch_add(&h->closes, 1);
}

static const struct sk_mqtt_handler handler = {
    .connect = on_connect,
    .publish = on_publish,
    .subscribe = on_filters,
    .unsubscribe = on_filters,
    .acked = on_acked,
    .closed = on_closed,
};

static int start(struct hub *h, const struct sk_mqtt_options *more, struct sk_err *err)
{
    struct sk_mqtt_options o = *more;

    o.handler = &handler;
    o.ctx = h;
    return sk_mqtt_server_new(&o, &h->server, err);
}

static void begin(struct hub *h, const struct sk_mqtt_options *more)
{
    struct sk_err err = SK_ERR_INIT;

    memset(h, 0, sizeof *h);
    (void)pthread_mutex_init(&h->lock, NULL);
    if (start(h, more, &err) < 0)
        fail_msg("%s", err.text);
}

static void finish(struct hub *h)
{
    sk_mqtt_server_free(h->server);
    (void)pthread_mutex_destroy(&h->lock);
}

static int add(struct hub *h, int *fd, struct sk_err *err)
{
    const struct sk_mqtt_peer peer = { .address = "192.0.2.1:5000" };
    SK_OWN(sk_stream_free) struct sk_stream *stream = NULL;
    int pair[2];

    *fd = -1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    *fd = pair[1];
    if (sk_stream_of_fd(pair[0], &stream, err) < 0)
        return -1;
    return sk_mqtt_server_add(h->server, SK_TAKE(stream), &peer, false, err);
}

static void send_text(int fd, const char *text)
{
    unsigned char bytes[200];
    size_t len = rig_bytes(text, bytes, sizeof bytes);

    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Exactly len bytes, or less and the end. */
static size_t get(int fd, unsigned char *out, size_t len)
{
    size_t n = 0;

    while (n < len) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        assert_int_equal(poll(&p, 1, WAIT_MS), 1);
        ssize_t got = recv(fd, out + n, len - n, 0);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    return n;
}

static int connected(struct hub *h)
{
    struct sk_err err = SK_ERR_INIT;
    unsigned char ack[4];
    int fd;

    if (add(h, &fd, &err) < 0)
        fail_msg("%s", err.text);
    send_text(fd, RIG_CONNECT);
    assert_int_equal(get(fd, ack, 4), 4);
    assert_memory_equal(ack, "\x20\x02\0\0", 4);
    return fd;
}

static void wait_for(const atomic_uint *value, unsigned wanted)
{
    uint64_t by = sk_now_ms() + WAIT_MS;

    while (atomic_load(value) != wanted && sk_now_ms() < by)
        (void)usleep(1000);
    assert_int_equal(atomic_load(value), wanted);
}

/* ---- */

enum {
    CLIENTS = 20,
    MESSAGES = 100
};

/* Reads until all PUBACKs have come, in order, and answers what is published to it. */
static void run_client(int fd, unsigned *echoes)
{
    unsigned next = 1;

    while (next <= MESSAGES) {
        unsigned char head[2], body[200];
        assert_int_equal(get(fd, head, 2), 2);
        assert_int_equal(get(fd, body, head[1]), head[1]);
        if (head[0] == 0x40) {
            assert_int_equal(body[0] << 8 | body[1], next++);
        } else {
            const unsigned char ack[4] = { 0x40, 2, body[3], body[4] };
            assert_int_equal(head[0], 0x32);
            assert_int_equal(send(fd, ack, sizeof ack, MSG_NOSIGNAL), 4);
            ++*echoes;
        }
    }
}

static void test_traffic(void **state)
{
    const struct sk_mqtt_options o = { .max_inflight_in = 8, .max_inflight_out = 8 };
    unsigned echoes = 0;
    struct sk_err err = SK_ERR_INIT;
    pthread_t thread;
    int fds[CLIENTS];
    struct hub h;

    (void)state;
    begin(&h, &o);
    assert_int_equal(sk_thread_start(&thread, "worker", worker, &h, &err), 0);
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = connected(&h);
    assert_int_equal(h.loops[0], CLIENTS / 2);
    assert_int_equal(h.loops[1], CLIENTS / 2);
    for (int i = 0; i < CLIENTS; i++) {
        unsigned char bytes[8 * MESSAGES];
        for (unsigned k = 0; k < MESSAGES; k++) {
            const unsigned char one[8] = { 0x32, 6, 0, 1, 'a', 0, (unsigned char)(k + 1), 'x' };
            memcpy(bytes + 8 * k, one, sizeof one);
        }
        assert_int_equal(send(fds[i], bytes, sizeof bytes, 0), (ssize_t)sizeof bytes);
    }
    for (int i = 0; i < CLIENTS; i++)
        run_client(fds[i], &echoes);
    assert_int_equal(h.publishes, CLIENTS * MESSAGES);
    for (int i = 0; i < CLIENTS / 2; i++) { /* half of them end; the others are there at the stop */
        send_text(fds[i], "e0 00");
        unsigned char rest[100];
        while (get(fds[i], rest, sizeof rest) == sizeof rest)
            continue;
        (void)close(fds[i]);
    }
    wait_for(&h.closes, CLIENTS / 2);
    sk_mqtt_server_stop(h.server, 100);
    assert_int_equal(h.closes, CLIENTS);
    assert_int_equal(h.nulls, 0);
    assert_true(echoes > 0);
    {
        SK_LOCK(&h.lock);
        h.is_over = true;
    }
    (void)pthread_join(thread, NULL);
    for (int i = CLIENTS / 2; i < CLIENTS; i++)
        (void)close(fds[i]);
    finish(&h);
}

static void test_max_connections(void **state)
{
    const struct sk_mqtt_options o = { .max_connections = 3 };
    struct sk_err err = SK_ERR_INIT;
    int fds[4];
    struct hub h;

    (void)state;
    begin(&h, &o);
    for (int i = 0; i < 3; i++)
        fds[i] = connected(&h);
    assert_int_equal(sk_mqtt_server_connections(h.server), 3);
    assert_int_equal(add(&h, &fds[3], &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    unsigned char none;
    assert_int_equal(get(fds[3], &none, 1), 0); /* it is closed at once */
    (void)close(fds[3]);
    (void)close(fds[0]);
    wait_for(&h.server->connections, 2);
    fds[0] = connected(&h);
    for (int i = 0; i < 3; i++)
        (void)close(fds[i]);
    finish(&h);
}

/* The loops wake by themselves for what is due. */
static void test_real_time(void **state)
{
    const struct sk_mqtt_options hasty = { .connect_ms = 200 }, patient = { .loops = 0 };
    struct sk_err err = SK_ERR_INIT;
    unsigned char none;
    uint64_t start_ms;
    struct hub h;
    int fd;

    (void)state;
    begin(&h, &hasty);
    start_ms = sk_now_ms();
    assert_int_equal(add(&h, &fd, &err), 0);
    assert_int_equal(get(fd, &none, 1), 0);
    assert_true(sk_now_ms() - start_ms >= 200);
    (void)close(fd);
    finish(&h);
    assert_int_equal(h.closes, 0); /* it was never told of */
    begin(&h, &patient);
    atomic_store(&h.closes_soon, true);
    start_ms = sk_now_ms();
    fd = connected(&h);
    assert_int_equal(get(fd, &none, 1), 0);
    assert_true(sk_now_ms() - start_ms >= 200);
    wait_for(&h.closes, 1);
    (void)close(fd);
    finish(&h);
}

static void test_stop(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    int fds[CLIENTS], fd;
    struct hub h;

    (void)state;
    begin(&h, &(struct sk_mqtt_options){ .loops = 2 });
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = connected(&h);
    uint64_t start_ms = sk_now_ms();
    sk_mqtt_server_stop(h.server, 50);
    assert_true(sk_now_ms() - start_ms < WAIT_MS);
    assert_int_equal(h.closes, CLIENTS);
    assert_int_equal(sk_mqtt_server_connections(h.server), 0);
    for (int i = 0; i < CLIENTS; i++) {
        unsigned char none;
        assert_int_equal(recv(fds[i], &none, 1, 0), 0);
        (void)close(fds[i]);
    }
    sk_mqtt_server_stop(h.server, 50);
    assert_int_equal(add(&h, &fd, &err), -1);
    assert_int_equal(err.code, SK_CANCELLED);
    (void)close(fd);
    finish(&h);
}

static void test_options(void **state)
{
    static const struct sk_mqtt_options bad[] = {
        { .loops = 65 },
        { .max_inflight_in = 1025 },
        { .max_inflight_out = 1025 },
    };
    static const struct sk_mqtt_options good[] = {
        { .loops = 3 },
        { .max_inflight_in = 1024 },
        { .max_inflight_out = 1024 },
    };
    struct sk_err err = SK_ERR_INIT;
    struct hub h;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(start(&h, &bad[i], &err), -1);
        assert_int_equal(err.code, SK_INVALID);
        begin(&h, &good[i]);
        finish(&h);
    }
    sk_mqtt_server_free(NULL);
}

static int start_and_stop(void *ctx, struct sk_err *err)
{
    struct hub h;
    int fd;

    (void)ctx;
    memset(&h, 0, sizeof h);
    if (start(&h, &(struct sk_mqtt_options){ .loops = 2 }, err) < 0)
        return -1;
    int rc = add(&h, &fd, err);
    (void)close(fd);
    sk_mqtt_server_free(h.server);
    return rc;
}

static void test_memory(void **state)
{
    (void)state;
    (void)sk_alloc_sweep("server", start_and_stop, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traffic),   cmocka_unit_test(test_max_connections),
        cmocka_unit_test(test_real_time), cmocka_unit_test(test_stop),
        cmocka_unit_test(test_options),   cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
