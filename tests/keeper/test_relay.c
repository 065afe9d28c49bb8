/* test_relay.c - bytes of joined connections: all of them, in order, and how they end. */
#include "keeper_util.h"

#include "base/clock.h"
#include "base/mix64.h"
#include "base/net.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A client and the server's end of the same connection, with the keeper between. */
struct pair {
    struct rig r;
    int door, client, server;
    uint16_t port;
};

static void pair_begin(struct pair *p)
{
    uint16_t server_port = 0;

    rig_begin(&p->r);
    p->door = listener(&server_port);
    p->port = rig_forward(&p->r, "m");
    rig_target(&p->r, "m", server_port);
    p->client = dial(p->port);
    p->server = take_one(p->door);
}

static void pair_end(struct pair *p)
{
    (void)close(p->client);
    (void)close(p->server);
    rig_wait_connections(&p->r, "m", 0);
    (void)close(p->door);
    rig_end(&p->r);
}

static void reset(int *fd)
{
    const struct linger at_once = { 1, 0 };

    (void)setsockopt(*fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    sk_close(fd);
}

/* ---- much at once ---- */

enum {
    MUCH = 24 << 20
};

static unsigned char byte_at(uint64_t seed, size_t at)
{
    return (unsigned char)(sk_mix64(seed + at / 8) >> (at % 8 * 8));
}

/* Writes and reads at the same time on one socket; both directions are checked byte for byte. */
struct end {
    int fd;
    uint64_t sends, expects;
    bool is_wrong;
    size_t sent, received;
};

static bool send_piece(struct end *e)
{
    unsigned char piece[8192];
    size_t n = MUCH - e->sent < sizeof piece ? MUCH - e->sent : sizeof piece;

    for (size_t i = 0; i < n; i++)
        piece[i] = byte_at(e->sends, e->sent + i);
    ssize_t wrote = send(e->fd, piece, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (wrote < 0)
        return errno == EAGAIN;
    e->sent += (size_t)wrote;
    if (e->sent == MUCH)
        (void)shutdown(e->fd, SHUT_WR);
    return true;
}

/* False: the end. */
static bool receive_piece(struct end *e)
{
    unsigned char piece[16384];
    ssize_t n = recv(e->fd, piece, sizeof piece, MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN;
    for (ssize_t i = 0; i < n; i++)
        e->is_wrong = e->is_wrong || piece[i] != byte_at(e->expects, e->received + (size_t)i);
    e->received += (size_t)n;
    return n > 0;
}

static void *run_end(void *arg)
{
    struct end *e = arg;
    bool is_open = true;

    while (is_open || e->sent < MUCH) {
        struct pollfd p = {
            .fd = e->fd, .events = (short)((is_open ? POLLIN : 0) | (e->sent < MUCH ? POLLOUT : 0))
        };
        if (poll(&p, 1, 20000) <= 0)
            return NULL;
        if (p.revents & POLLOUT && !send_piece(e))
            return NULL;
        if (is_open && p.revents & (POLLIN | POLLHUP | POLLERR))
            is_open = receive_piece(e);
    }
    return NULL;
}

/* [keeper-13] */
static void test_much_both_ways(void **state)
{
    struct pair p;
    pthread_t thread;

    (void)state;
    pair_begin(&p);
    struct end a = { .fd = p.client, .sends = 1000000, .expects = 77 };
    struct end b = { .fd = p.server, .sends = 77, .expects = 1000000 };
    assert_int_equal(pthread_create(&thread, NULL, run_end, &b), 0);
    (void)run_end(&a);
    (void)pthread_join(thread, NULL);
    assert_int_equal(a.sent, MUCH);
    assert_int_equal(a.received, MUCH);
    assert_int_equal(b.received, MUCH);
    assert_false(a.is_wrong || b.is_wrong);
    pair_end(&p);
}

/* One that does not read holds what fits into sockets and pipes, and nobody else up. */
static void test_one_that_does_not_read(void **state)
{
    static char piece[65536];
    struct pair p;
    size_t sent = 0;

    (void)state;
    pair_begin(&p);
    for (unsigned quiet = 0; quiet < 20;) {
        ssize_t n = send(p.client, piece, sizeof piece, MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += n > 0 ? (size_t)n : 0;
        quiet = n > 0 ? 0 : quiet + 1;
        if (n <= 0)
            (void)usleep(10000);
    }
    assert_true(sent < 64u << 20);
    int other = dial(p.port);
    int served = take_one(p.door);
    say(other, "x");
    char got[4];
    assert_int_equal(hear(served, got, 1), 1);
    (void)close(other);
    (void)close(served);
    size_t received = 0;
    while (received < sent) {
        ssize_t n = recv(p.server, piece, sizeof piece, 0);
        assert_true(n > 0);
        received += (size_t)n;
    }
    assert_int_equal(received, sent);
    pair_end(&p);
}

/* [keeper-14] ---- ends ---- */

static void test_half_close(void **state)
{
    struct pair p;
    char got[16];

    (void)state;
    pair_begin(&p);
    say(p.client, "question");
    (void)shutdown(p.client, SHUT_WR);
    assert_int_equal(hear(p.server, got, 8), 8);
    expect_end(p.server);
    (void)usleep(100000); /* the answer takes its time */
    say(p.server, "answer");
    assert_int_equal(hear(p.client, got, 6), 6);
    assert_string_equal(got, "answer");
    (void)shutdown(p.server, SHUT_WR);
    expect_end(p.client);
    pair_end(&p);
}

static void test_server_ends_first(void **state)
{
    struct pair p;
    char got[16];

    (void)state;
    pair_begin(&p);
    say(p.server, "bye");
    (void)shutdown(p.server, SHUT_WR);
    assert_int_equal(hear(p.client, got, 3), 3);
    expect_end(p.client);
    say(p.client, "still");
    assert_int_equal(hear(p.server, got, 5), 5);
    pair_end(&p);
}

/* Often, since what is to be seen is who is faster: the server speaks and ends before the keeper
 * has learnt that it is connected. */
static void test_server_is_fast(void **state)
{
    struct pair p;
    char got[4];

    (void)state;
    pair_begin(&p);
    for (int i = 0; i < 300; i++) {
        int c = dial(p.port);
        int s = take_one(p.door);
        say(s, "bye");
        (void)close(s);
        assert_int_equal(hear(c, got, 3), 3);
        expect_end(c);
        (void)close(c);
    }
    pair_end(&p);
}

static void test_server_resets(void **state)
{
    struct pair p;

    (void)state;
    pair_begin(&p);
    say(p.client, "x");
    reset(&p.server);
    expect_reset(p.client);
    pair_end(&p);
}

/* [keeper-14] What it said before reaches the client first: an answer to a request that was not
 * read. */
static void test_server_answers_and_resets(void **state)
{
    static char much[1 << 20];
    struct pair p;
    char got[16];

    (void)state;
    pair_begin(&p);
    (void)send(p.client, much, sizeof much, MSG_NOSIGNAL | MSG_DONTWAIT);
    struct pollfd has_bytes = { .fd = p.server, .events = POLLIN };
    assert_int_equal(poll(&has_bytes, 1, 20000), 1);
    say(p.server, "refused");
    (void)usleep(50000);
    sk_close(&p.server); /* with bytes unread: the kernel resets */
    assert_int_equal(hear(p.client, got, 7), 7);
    assert_string_equal(got, "refused");
    expect_reset(p.client);
    pair_end(&p);
}

static void test_client_resets(void **state)
{
    struct pair p;

    (void)state;
    pair_begin(&p);
    say(p.client, "x");
    (void)usleep(50000);
    char got[4];
    assert_int_equal(hear(p.server, got, 1), 1);
    reset(&p.client);
    expect_reset(p.server);
    pair_end(&p);
}

/* A client dies in the middle; others do not notice. */
static void test_killed_in_the_middle(void **state)
{
    static char much[1 << 20];
    struct pair p;

    (void)state;
    pair_begin(&p);
    for (int i = 0; i < 20; i++) {
        int c = dial(p.port);
        int s = take_one(p.door);
        (void)send(c, much, sizeof much, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)send(s, much, sizeof much, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (i % 2)
            reset(&c);
        else
            reset(&s);
        sk_close(&c);
        sk_close(&s);
    }
    rig_wait_connections(&p.r, "m", 1);
    char got[4];
    say(p.client, "x");
    assert_int_equal(hear(p.server, got, 1), 1);
    pair_end(&p);
}

/* [keeper-16] ---- few descriptors ---- */

static void test_few_descriptors(void **state)
{
    enum {
        /* the ports', the controls', the spare ones, and 8 connections with all they may need */
        LIMIT = SK_KEEPER_PORTS_MAX + SK_KEEPER_CONTROLS + SK_KEEPER_SPARE_FDS +
                8 * SK_KEEPER_CONN_FDS,
        CLIENTS = 24
    };
    struct rig r;
    uint16_t server_port = 0;
    int clients[CLIENTS];

    (void)state;
    rig_begin_few(&r, LIMIT);
    pid_t server = server_start('a', &server_port);
    uint16_t port = rig_forward(&r, "m");
    uint16_t other = rig_forward(&r, "other");
    rig_target(&r, "m", server_port);
    rig_target(&r, "other", server_port);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = dial(port); /* most of them in the backlog */
    for (int i = 0; i < 6; i++)
        expect_answer(clients[i], "x", 'a');
    assert_int_equal(rig_port(&r, "m").connections, 6); /* the last quarter is for other ports */
    int o = dial(other);
    expect_answer(o, "x", 'a');
    (void)close(o);
    for (int i = 0; i < CLIENTS; i++) {
        expect_answer(clients[i], "y", 'a'); /* each has its turn when one goes */
        (void)close(clients[i]);
    }
    rig_wait_connections(&r, "m", 0);
    assert_int_equal(rig_port(&r, "m").accepted, CLIENTS);
    child_end(server);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_much_both_ways),
        cmocka_unit_test(test_one_that_does_not_read),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_server_ends_first),
        cmocka_unit_test(test_server_is_fast),
        cmocka_unit_test(test_server_resets),
        cmocka_unit_test(test_server_answers_and_resets),
        cmocka_unit_test(test_client_resets),
        cmocka_unit_test(test_killed_in_the_middle),
        cmocka_unit_test(test_few_descriptors),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
