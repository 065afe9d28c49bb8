/* test_loop.c - posts and references, slots, one write for a round, deadlines of many. */
#include "rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct item {
    struct sk_mqtt_post post;
    char *log;
    char name;
    struct sk_mqtt_server *server;
    struct item *then; /* is posted by this one */
    uint16_t ack;      /* 0, or what is acknowledged */
};

static void run_item(struct sk_mqtt_conn *c, struct sk_mqtt_post *post)
{
    struct item *i = (struct item *)post;
    size_t len = strlen(i->log);

    i->log[len] = i->name;
    i->log[len + 1] = c ? '+' : '-';
    i->log[len + 2] = '\0';
    if (c && i->ack)
        sk_mqtt_puback(c, i->ack);
    if (i->then)
        sk_mqtt_post(i->server, &i->then->post);
    free(i);
}

static struct item *make_item(struct rig *r, struct sk_mqtt_ref to, char *log, char name)
{
    struct item *i = calloc(1, sizeof *i);

    assert_non_null(i);
    *i = (struct item){
        .post = { .to = to, .run = run_item }, .log = log, .name = name, .server = r->server
    };
    return i;
}

static void post(struct rig *r, struct sk_mqtt_ref to, char *log, char name)
{
    sk_mqtt_post(r->server, &make_item(r, to, log, name)->post);
}

static void test_posts(void **state)
{
    char log[100] = "";
    struct rig r;

    (void)state;
    rig_init(&r, NULL);
    int fd = rig_connected(&r);
    struct sk_mqtt_ref ref = sk_mqtt_conn_ref(r.conn);
    post(&r, ref, log, 'a');
    post(&r, ref, log, 'b');
    struct item *outer = make_item(&r, ref, log, 'c');
    outer->then = make_item(&r, ref, log, 'd');
    sk_mqtt_post(r.server, &outer->post);
    assert_string_equal(log, "");
    rig_rounds(&r);
    assert_string_equal(log, "a+b+c+d+");

    log[0] = '\0'; /* names of none */
    post(&r, (struct sk_mqtt_ref){ 0, 0, 0 }, log, 'a');
    post(&r, (struct sk_mqtt_ref){ 0, ref.slot, ref.serial + 1 }, log, 'b');
    post(&r, (struct sk_mqtt_ref){ 0, 999, ref.serial }, log, 'c');
    post(&r, (struct sk_mqtt_ref){ 7, 0, 0 }, log, 'd');
    rig_rounds(&r);
    assert_string_equal(log, "a-b-c-d-");

    log[0] = '\0'; /* closed, but the stream has not ended yet; then its slot has another */
    sk_mqtt_close(r.conn, "enough");
    post(&r, ref, log, 'a');
    rig_rounds(&r);
    (void)close(fd);
    rig_rounds(&r);
    rig_log(&r, "closed:enough");
    fd = rig_connected(&r);
    struct sk_mqtt_ref next = sk_mqtt_conn_ref(r.conn);
    assert_int_equal(next.slot, ref.slot);
    assert_true(next.serial != ref.serial);
    post(&r, ref, log, 'b');
    post(&r, next, log, 'c');
    rig_rounds(&r);
    assert_string_equal(log, "a-b-c+");

    log[0] = '\0'; /* those that wait when it stops, and later ones */
    outer = make_item(&r, next, log, 'a');
    outer->then = make_item(&r, next, log, 'b');
    sk_mqtt_post(r.server, &outer->post);
    sk_mqtt_server_stop(r.server, 0);
    assert_string_equal(log, "a-b-");
    post(&r, next, log, 'c');
    assert_string_equal(log, "a-b-c-");
    rig_log(&r, "closed:the server stops");
    (void)close(fd);
    rig_done(&r);
}

/* ---- one write ---- */

static unsigned writes;

static ssize_t count_read(struct sk_stream *s, void *out, size_t cap)
{
    ssize_t n = recv(s->fd, out, cap, 0);

    return n >= 0 ? n : errno == EAGAIN ? SK_STREAM_AGAIN : SK_STREAM_LOST;
}

static ssize_t count_write(struct sk_stream *s, const void *bytes, size_t len)
{
    writes++;
    return send(s->fd, bytes, len, MSG_NOSIGNAL);
}

static unsigned count_events(const struct sk_stream *s, bool wants_read, bool wants_write)
{
    (void)s;
    return (wants_read ? EPOLLIN : 0u) | (wants_write ? EPOLLOUT : 0u);
}

static void count_end(struct sk_stream *s)
{
    (void)shutdown(s->fd, SHUT_WR);
}

static void count_free(struct sk_stream *s)
{
    (void)close(s->fd);
    free(s);
}

static const struct sk_stream_ops count_ops = { count_read,   count_write, NULL,
                                                count_events, count_end,   count_free };

/* The acknowledgements of a group commit: many posts, one write. */
static void test_one_write(void **state)
{
    const struct sk_mqtt_peer peer = { .address = "x" };
    struct sk_stream *s = malloc(sizeof *s);
    struct sk_err err = SK_ERR_INIT;
    unsigned char bytes[400];
    char log[200] = "";
    struct rig r;
    size_t n = 0;
    int pair[2];

    (void)state;
    rig_init(&r, NULL);
    r.keeps_publish = true;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_non_null(s);
    *s = (struct sk_stream){ &count_ops, pair[0] };
    assert_int_equal(sk_mqtt_server_add(r.server, s, &peer, false, &err), 0);
    rig_send(&r, pair[1], RIG_CONNECT);
    rig_expect(pair[1], "20 02 00 00");
    for (unsigned i = 1; i <= 40; i++) {
        const unsigned char one[] = { 0x32, 5, 0, 1, 'a', 0, (unsigned char)i };
        memcpy(bytes + n, one, sizeof one);
        n += sizeof one;
    }
    assert_int_equal(send(pair[1], bytes, n, 0), (ssize_t)n);
    rig_rounds(&r);
    assert_int_equal(r.publishes, 40);
    writes = 0;
    for (uint16_t i = 40; i >= 1; i--) {
        struct item *item = make_item(&r, sk_mqtt_conn_ref(r.conn), log, 'x');
        item->ack = i;
        sk_mqtt_post(r.server, &item->post);
    }
    rig_rounds(&r);
    assert_int_equal(writes, 1);
    bool has_end;
    assert_int_equal(rig_recv(pair[1], bytes, sizeof bytes, &has_end), 160);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(bytes[4 * i + 3], i + 1);
    (void)close(pair[1]);
    rig_done(&r);
}

/* ---- a storm of logins ---- */

/* Of a hundred that log in, a round takes a few; who is there already is served in each. */
static void test_logins_wait_for_messages(void **state)
{
    enum {
        STORM = 100
    };

    static unsigned char connect[100], publish[100];
    const size_t connect_len = rig_bytes(RIG_CONNECT, connect, sizeof connect);
    const size_t publish_len = rig_bytes("32 05 0001 't' 0007", publish, sizeof publish);
    struct sk_mqtt_conn *old;
    int fds[STORM];
    struct rig r;

    (void)state;
    rig_init(&r, NULL);
    int fd = rig_connected(&r);
    old = r.conn;
    assert_true(old->is_young);
    rig_pass(&r, SK_MQTT_YOUNG_MS);
    rig_send(&r, fd, "c0 00");
    rig_expect(fd, "d0 00");
    assert_false(old->is_young);
    for (int i = 0; i < STORM; i++)
        fds[i] = rig_client(&r, false);
    for (int i = 0; i < STORM; i++)
        assert_int_equal(send(fds[i], connect, connect_len, 0), (ssize_t)connect_len);
    r.log[0] = '\0';
    r.publishes = 0;
    for (unsigned round = 1; round <= 5; round++) {
        assert_int_equal(send(fd, publish, publish_len, 0), (ssize_t)publish_len);
        sk_loop_round(r.loop, 0);
        assert_int_equal(r.publishes, round);
        rig_expect(fd, "40 02 0007");
        unsigned logins = 0;
        for (const char *at = r.log; (at = strstr(at, "connect:")); at++)
            logins++;
        assert_int_equal(logins, round * SK_MQTT_YOUNG_EVENTS);
    }
    for (int i = 0; i < STORM; i++)
        (void)close(fds[i]);
    (void)close(fd);
    rig_rounds(&r);
    rig_done(&r);
}

/* ---- many ---- */

enum {
    MANY = 200 /* more than the first slots */
};

static void test_many(void **state)
{
    int fds[MANY];
    struct rig r;

    (void)state;
    rig_init(&r, NULL);
    for (int i = 0; i < MANY; i++)
        fds[i] = rig_connected(&r);
    assert_int_equal(sk_mqtt_server_connections(r.server), MANY);
    for (int i = 0; i < MANY; i += 2)
        (void)close(fds[i]);
    rig_rounds(&r);
    assert_int_equal(r.closes, MANY / 2);
    assert_int_equal(sk_mqtt_server_connections(r.server), MANY / 2);
    r.log[0] = '\0';
    for (int i = 0; i < MANY; i += 2)
        fds[i] = rig_connected(&r);
    assert_int_equal(r.loop->slots_used, MANY);
    rig_pass(&r, 60000);
    for (int i = 0; i < MANY; i += 4)
        rig_send(&r, fds[i], "c0 00");
    rig_pass(&r, 30100); /* 1.5 times 60 s since all but these have spoken */
    assert_int_equal(r.closes, MANY / 2 + MANY - MANY / 4);
    for (int i = 0; i < MANY; i++)
        (void)close(fds[i]);
    rig_rounds(&r);
    assert_int_equal(sk_mqtt_server_connections(r.server), 0);
    assert_int_equal(r.closes, MANY / 2 + MANY);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_posts),
        cmocka_unit_test(test_one_write),
        cmocka_unit_test(test_logins_wait_for_messages),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
