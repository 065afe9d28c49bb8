/* test_ports.c - names and addresses: what is bound, moved, handed out, listed. */
#include "keeper_util.h"

#include "base/net.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void listen_or_fail(struct rig *r, const char *name, const char *host, uint16_t port,
                           bool is_forward, int *fd)
{
    struct sk_err err = SK_ERR_INIT;

    if (sk_keeper_listen(r->agent, name, host, port, is_forward, fd, &err) < 0)
        fail_msg("%s: %s", name, err.text);
}

/* [keeper-4] */
static void test_socket_is_handed_out(void **state)
{
    struct rig r;
    int fd = -1, again = -1;

    (void)state;
    rig_begin(&r);
    listen_or_fail(&r, "m", "127.0.0.1", 0, false, &fd);
    uint16_t port = sk_port_of(fd);
    assert_true(port > 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    int c = dial(port);
    int taken = take_one(fd); /* we accept, not the keeper */
    say(c, "x");
    char got[4];
    assert_int_equal(hear(taken, got, 1), 1);
    (void)close(fd); /* the keeper's copy stays */
    int d = dial(port);
    listen_or_fail(&r, "m", "127.0.0.1", port, false, &again);
    assert_int_equal(sk_port_of(again), port);
    int late = take_one(again);
    (void)close(late);
    (void)close(again);
    (void)close(taken);
    (void)close(c);
    (void)close(d);
    struct sk_keeper_port p = rig_port(&r, "m");
    assert_false(p.is_forward);
    assert_int_equal(p.accepted, 0);
    rig_end(&r);
}

/* [keeper-3] */
static void test_taken_addresses(void **state)
{
    struct rig r;
    struct sk_err err = SK_ERR_INIT;
    uint16_t port = 0;
    char wanted[32];

    (void)state;
    rig_begin(&r);
    int foreign = listener(&port);
    assert_int_equal(sk_keeper_listen(r.agent, "m", "127.0.0.1", port, true, NULL, &err), -1);
    assert_int_equal(err.code, SK_EXISTS);
    (void)snprintf(wanted, sizeof wanted, "process %d (", (int)getpid());
    assert_non_null(strstr(err.text, wanted));
    assert_string_equal(rig_port(&r, "m").name, "");
    (void)close(foreign);
    listen_or_fail(&r, "m", "127.0.0.1", port, true, NULL);
    assert_int_equal(sk_keeper_listen(r.agent, "n", "127.0.0.1", port, true, NULL, &err), -1);
    assert_int_equal(err.code, SK_EXISTS);
    assert_non_null(strstr(err.text, "held here as 'm'"));
    assert_int_equal(sk_keeper_listen(r.agent, "n", "localhost", port, true, NULL, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_int_equal(sk_keeper_listen(r.agent, "n", "192.0.2.77", 1, true, NULL, &err), -1);
    assert_int_equal(err.code, SK_IO); /* no address of this machine */
    assert_int_equal(sk_keeper_listen(r.agent, "n n", "", 0, true, NULL, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    rig_end(&r);
}

static void expect_refused(uint16_t port)
{
    const struct sockaddr_in a = { .sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr = { htonl(INADDR_LOOPBACK) } };
    SK_AUTO(sk_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (const struct sockaddr *)&a, sizeof a), -1);
    assert_int_equal(errno, ECONNREFUSED);
}

/* [keeper-2] */
static void test_another_address(void **state)
{
    struct rig r;
    struct sk_err err = SK_ERR_INIT;
    uint16_t server_port = 0;

    (void)state;
    rig_begin(&r);
    pid_t server = server_start('a', &server_port);
    uint16_t first = rig_forward(&r, "m"), second = free_port();
    rig_target(&r, "m", server_port);
    int c = dial(first);
    expect_answer(c, "1", 'a');
    /* Another port: the connection stays, so does the target. */
    listen_or_fail(&r, "m", "127.0.0.1", second, true, NULL);
    expect_answer(c, "2", 'a');
    expect_refused(first);
    int d = dial(second);
    expect_answer(d, "3", 'a');
    /* The same port on all addresses is in its own way. */
    listen_or_fail(&r, "m", "0.0.0.0", second, true, NULL);
    int e = dial(second);
    expect_answer(e, "4", 'a');
    expect_answer(c, "5", 'a');
    char wanted[32];
    (void)snprintf(wanted, sizeof wanted, "0.0.0.0:%u", second);
    assert_string_equal(rig_port(&r, "m").address, wanted);
    /* An address that cannot be had: the old one stays. */
    assert_int_equal(sk_keeper_listen(r.agent, "m", "192.0.2.77", second, true, NULL, &err), -1);
    int f = dial(second);
    expect_answer(f, "6", 'a');
    (void)close(c);
    (void)close(d);
    (void)close(e);
    (void)close(f);
    child_end(server);
    rig_end(&r);
}

/* [keeper-5] */
static void test_close(void **state)
{
    struct rig r;
    struct sk_err err = SK_ERR_INIT;
    uint16_t server_port = 0;

    (void)state;
    rig_begin(&r);
    pid_t server = server_start('a', &server_port);
    uint16_t port = rig_forward(&r, "m");
    rig_target(&r, "m", server_port);
    int c = dial(port);
    expect_answer(c, "1", 'a');
    assert_int_equal(sk_keeper_close(r.agent, "m", &err), 0);
    assert_int_equal(sk_keeper_close(r.agent, "m", &err), 0);
    expect_refused(port);
    expect_answer(c, "2", 'a'); /* goes on */
    assert_int_equal(sk_keeper_forward(r.agent, "m", NULL, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    (void)close(c);
    child_end(server);
    rig_end(&r);
}

/* From a native module to a container and back, under one port. */
static void test_kinds_change(void **state)
{
    struct rig r;
    struct sk_err err = SK_ERR_INIT;
    uint16_t server_port = 0;
    int fd = -1, again = -1;

    (void)state;
    rig_begin(&r);
    pid_t server = server_start('a', &server_port);
    listen_or_fail(&r, "m", "127.0.0.1", 0, false, &fd);
    uint16_t port = sk_port_of(fd);
    assert_int_equal(sk_keeper_forward(r.agent, "m", "127.0.0.1:1", &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    (void)close(fd);
    listen_or_fail(&r, "m", "127.0.0.1", port, true, NULL);
    rig_target(&r, "m", server_port);
    int c = dial(port);
    expect_answer(c, "1", 'a');
    listen_or_fail(&r, "m", "127.0.0.1", port, false, &again);
    int d = dial(port);
    (void)close(take_one(again));
    expect_answer(c, "2", 'a');
    assert_string_equal(rig_port(&r, "m").target, "");
    listen_or_fail(&r, "m", "127.0.0.1", port, true, NULL);
    assert_string_equal(rig_port(&r, "m").target, ""); /* the former target does not count */
    (void)close(again);
    (void)close(c);
    (void)close(d);
    child_end(server);
    rig_end(&r);
}

/* [keeper-1] */
static void test_both_families(void **state)
{
    struct rig r;
    int fd = -1;

    (void)state;
    rig_begin(&r);
    listen_or_fail(&r, "m", "", 0, false, &fd);
    uint16_t port = sk_port_of(fd);
    int c = dial(port);
    (void)close(take_one(fd));
    (void)close(c);
    listen_or_fail(&r, "m", "", port, false, NULL); /* the same */
    (void)close(fd);
    rig_end(&r);
}

/* ---- the list ---- */

static int count(void *ctx, const struct sk_keeper_port *p, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf name = SK_BUF_INIT(256);
    unsigned *n = ctx;

    (void)err;
    sk_buf_fmt(&name, "%0190u", *n);
    assert_string_equal(p->name, name.data); /* sorted, each once */
    (*n)++;
    return 0;
}

static int stop(void *ctx, const struct sk_keeper_port *p, struct sk_err *err)
{
    (void)ctx;
    (void)p;
    return sk_fail(err, SK_CANCELLED, "enough");
}

/* [keeper-1] */
static void test_most_ports(void **state)
{
    struct rig r;
    struct sk_err err = SK_ERR_INIT;
    char name[SK_KEEPER_NAME_MAX + 1];
    unsigned n = 0;

    (void)state;
    rig_begin(&r);
    for (unsigned i = SK_KEEPER_PORTS_MAX; i > 0; i--) {
        (void)snprintf(name, sizeof name, "%0190u", i - 1);
        listen_or_fail(&r, name, "127.0.0.1", 0, true, NULL);
    }
    assert_int_equal(sk_keeper_listen(r.agent, "x", "127.0.0.1", 0, true, NULL, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    if (sk_keeper_list(r.agent, count, &n, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(n, SK_KEEPER_PORTS_MAX);
    assert_int_equal(sk_keeper_list(r.agent, stop, NULL, &err), -1);
    assert_int_equal(err.code, SK_CANCELLED);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_socket_is_handed_out), cmocka_unit_test(test_taken_addresses),
        cmocka_unit_test(test_another_address),      cmocka_unit_test(test_close),
        cmocka_unit_test(test_kinds_change),         cmocka_unit_test(test_both_families),
        cmocka_unit_test(test_most_ports),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
