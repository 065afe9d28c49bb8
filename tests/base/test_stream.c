/* test_stream.c - a socket as a stream: what each end of a pair sees, and what is left of it. */
#include "base/stream.h"

#include "harness/alloc_fail.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cmocka.h>

/* A stream and the socket at its other end. */
static struct sk_stream *open_stream(int *peer)
{
    int pair[2];
    struct sk_stream *s = NULL;
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    if (sk_stream_of_fd(pair[0], &s, &err) < 0)
        fail_msg("%s", err.text);
    *peer = pair[1];
    return s;
}

static void reads_and_writes(void **state)
{
    (void)state;
    SK_AUTO(sk_close) int peer = -1;
    char got[8] = "";
    SK_OWN(sk_stream_free) struct sk_stream *s = open_stream(&peer);
    assert_true(s->fd >= 0 && fcntl(s->fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(sk_stream_read(s, got, sizeof got), SK_STREAM_AGAIN);
    assert_int_equal(send(peer, "hello", 5, 0), 5);
    assert_int_equal(sk_stream_read(s, got, 2), 2);
    assert_false(sk_stream_is_buffered(s)); /* the rest is the kernel's, and epoll's to tell */
    assert_int_equal(sk_stream_read(s, got + 2, sizeof got - 2), 3);
    assert_string_equal(got, "hello");
    assert_int_equal(sk_stream_write(s, "bye", 3), 3);
    assert_int_equal(sk_stream_write(s, "", 0), SK_STREAM_AGAIN);
    assert_int_equal(recv(peer, got, sizeof got, 0), 3);
}

static void events(void **state)
{
    (void)state;

    static const struct {
        bool reads, writes;
        unsigned events;
    } rows[] = {
        { false, false, 0 },
        { true, false, EPOLLIN },
        { false, true, EPOLLOUT },
        { true, true, EPOLLIN | EPOLLOUT },
    };

    SK_AUTO(sk_close) int peer = -1;
    SK_OWN(sk_stream_free) struct sk_stream *s = open_stream(&peer);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (sk_stream_events(s, rows[i].reads, rows[i].writes) != rows[i].events)
            fail_msg("row %zu", i);
}

static void fills_up(void **state)
{
    (void)state;
    SK_AUTO(sk_close) int peer = -1;
    static char bytes[65536];
    size_t sent = 0, got = 0;
    SK_OWN(sk_stream_free) struct sk_stream *s = open_stream(&peer);
    ssize_t n;
    while ((n = sk_stream_write(s, bytes, sizeof bytes)) > 0)
        sent += (size_t)n;
    assert_int_equal(n, SK_STREAM_AGAIN);
    assert_true(sent > 0);
    sk_stream_end(s);
    while ((n = recv(peer, bytes, sizeof bytes, 0)) > 0)
        got += (size_t)n;
    assert_int_equal(n, 0);
    assert_int_equal(got, sent);
}

/* Each direction ends by itself. */
static void ends(void **state)
{
    (void)state;
    SK_AUTO(sk_close) int peer = -1;
    char got[8];
    SK_OWN(sk_stream_free) struct sk_stream *s = open_stream(&peer);
    sk_stream_end(s);
    sk_stream_end(s);
    assert_int_equal(recv(peer, got, sizeof got, 0), 0);
    assert_int_equal(sk_stream_write(s, "x", 1), SK_STREAM_LOST);
    assert_int_equal(send(peer, "late", 4, 0), 4);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    assert_int_equal(sk_stream_read(s, got, sizeof got), 4);
    assert_int_equal(sk_stream_read(s, got, sizeof got), SK_STREAM_END);
    assert_int_equal(sk_stream_read(s, got, sizeof got), SK_STREAM_END);
}

/* The signal of a broken pipe keeps its default here. */
static void loses_its_peer(void **state)
{
    (void)state;
    char got[8];
    int peer = -1;
    SK_OWN(sk_stream_free) struct sk_stream *s = open_stream(&peer);
    assert_int_equal(sk_stream_write(s, "unread", 6), 6);
    sk_close(&peer);
    assert_int_equal(sk_stream_read(s, got, sizeof got), SK_STREAM_LOST); /* ECONNRESET */
    assert_int_equal(sk_stream_write(s, "x", 1), SK_STREAM_LOST);
}

static void frees(void **state)
{
    (void)state;
    SK_AUTO(sk_close) int peer = -1;
    char got[8];
    struct sk_stream *s = open_stream(&peer);
    int fd = s->fd;
    sk_stream_free(s);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(recv(peer, got, sizeof got, 0), 0);
    sk_stream_free(NULL);
}

static void bad_descriptor(void **state)
{
    (void)state;
    struct sk_stream *s = NULL;
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_stream_of_fd(-1, &s, &err), -1);
    assert_int_equal(err.code, SK_IO);
    assert_null(s);
}

static int make_one(void *ctx, struct sk_err *err)
{
    struct sk_stream *s = NULL;
    int fd = fcntl(*(int *)ctx, F_DUPFD_CLOEXEC, 0);
    int rc = sk_stream_of_fd(fd, &s, err);
    sk_stream_free(s);
    if (fcntl(fd, F_GETFD) != -1) /* taken, also on failure */
        abort();
    return rc;
}

static void without_memory(void **state)
{
    (void)state;
    SK_AUTO(sk_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(sk_alloc_sweep("stream", make_one, &fd, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes), cmocka_unit_test(events),
        cmocka_unit_test(fills_up),         cmocka_unit_test(ends),
        cmocka_unit_test(loses_its_peer),   cmocka_unit_test(frees),
        cmocka_unit_test(bad_descriptor),   cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
