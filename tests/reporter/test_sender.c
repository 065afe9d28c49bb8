/* test_sender.c - tokens and trust over time, and calls that never come back. */
#include "base/clock.h"
#include "edge_util.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

/* [reporter-4] A token is renewed before its end, and nothing is lost meanwhile. */
static void renewal(void **state)
{
    struct edge e;
    struct sk_err err = SK_ERR_INIT;
    struct sk_reporter *r = NULL;
    (void)state;
    edge_start(&e);
    struct sk_rep_env env = edge_env(&e);
    env.ttl_s = 2;
    atomic_store(&e.late_s, EDGE_WAIT_MS / 1000);
    assert_int_equal(sk_rep_new(&env, &edge_each, &r, &err), 0);
    unsigned n = 0;
    for (uint64_t end = sk_now_ms() + EDGE_WAIT_MS; atomic_load(&e.connects) < 3; n++) {
        assert_true(sk_now_ms() < end);
        edge_report(r, "x", 1);
        (void)usleep(10000);
    }
    edge_wait_sent(r, n);
    assert_int_equal(atomic_load(&e.denied), 0);
    sk_reporter_free(r);
    {
        SK_LOCK(&e.lock);
        assert_string_not_equal(e.password[0], e.password[1]);
    }
    edge_stop(&e);
}

/* [reporter-5] The local hub has another CA now. */
static void another_ca(void **state)
{
    struct edge e;
    (void)state;
    edge_start(&e);
    struct sk_reporter *r = edge_reporter(&e, &edge_each);
    edge_report(r, "x", 1);
    edge_wait_sent(r, 1);
    edge_server_stop(&e);
    edge_trust(&e, 1);
    edge_server_start(&e, 1);
    edge_report(r, "x", 1);
    edge_wait_sent(r, 2);
    sk_reporter_free(r);
    edge_stop(&e);
}

/* [reporter-6] A refusal is tried again with a new token. */
static void refusals(void **state)
{
    struct edge e;
    (void)state;
    edge_start(&e);
    atomic_store(&e.refuses, true);
    struct sk_reporter *r = edge_reporter(&e, &edge_each);
    edge_report(r, "x", 1);
    edge_wait(&e.denied, 2);
    atomic_store(&e.refuses, false);
    edge_wait_sent(r, 1);
    assert_true(atomic_load(&e.asks) >= 3);
    sk_reporter_free(r);
    edge_stop(&e);
}

/* [reporter-16] A workload API that takes the connection and says nothing. */
static void mute_workload(void **state)
{
    struct edge e;
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    struct sk_reporter_counts c;
    (void)state;
    edge_start(&e);
    sk_workload_free(e.workload);
    e.workload = NULL;
    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s/cam/workload.sock", e.dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(fd, 4), 0);
    struct sk_reporter *r = edge_reporter(&e, &edge_each);
    edge_report(r, "x", 3);
    struct pollfd asked = { .fd = fd, .events = POLLIN };
    assert_int_equal(poll(&asked, 1, EDGE_WAIT_MS), 1);
    uint64_t begin = sk_now_ms();
    sk_reporter_stop(r, 100);
    assert_true(sk_now_ms() - begin < SK_REP_CALL_MS + EDGE_WAIT_MS);
    sk_reporter_counts(r, &c);
    assert_int_equal(c.dropped, 3);
    sk_reporter_free(r);
    (void)close(fd);
    edge_stop(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(renewal),
        cmocka_unit_test(another_ca),
        cmocka_unit_test(refusals),
        cmocka_unit_test(mute_workload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
