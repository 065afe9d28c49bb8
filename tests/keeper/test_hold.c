/* test_hold.c - clients that wait for their target. */
#include "keeper_util.h"

#include "base/clock.h"
#include "base/net.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void pause_ms(unsigned ms)
{
    (void)usleep(ms * 1000);
}

/* At least one connection is there. */
static void wait_for_one(struct rig *r, const char *name)
{
    uint64_t end = sk_now_ms() + 20000;

    while (rig_port(r, name).connections == 0) {
        assert_true(sk_now_ms() < end);
        pause_ms(5);
    }
}

/* [keeper-11] Accepted by nobody: in the backlog. */
static void test_no_target(void **state)
{
    struct rig r;
    uint16_t server_port = 0;
    char got[8];

    (void)state;
    rig_begin(&r);
    uint16_t port = rig_forward(&r, "m");
    int c = dial(port);
    say(c, "early");
    pause_ms(200);
    assert_int_equal(rig_port(&r, "m").accepted, 0);
    pid_t server = server_start('a', &server_port);
    rig_target(&r, "m", server_port);
    (void)hear(c, got, 7);
    assert_string_equal(got, "a early");
    (void)close(c);
    child_end(server);
    rig_end(&r);
}

/* [keeper-12] A container that is just starting. */
static void test_target_comes_late(void **state)
{
    struct rig r;
    uint16_t server_port = free_port();
    char got[16], line[16];
    int clients[20];

    (void)state;
    rig_begin(&r);
    uint16_t port = rig_forward(&r, "m");
    rig_target(&r, "m", server_port);
    for (int i = 0; i < 20; i++) {
        clients[i] = dial(port);
        (void)snprintf(line, sizeof line, "hello %02d", i);
        say(clients[i], line);
    }
    pause_ms(300);
    wait_for_one(&r, "m");
    assert_int_equal(rig_port(&r, "m").older, 0);
    pid_t server = server_start('a', &server_port);
    for (int i = 0; i < 20; i++) {
        (void)snprintf(line, sizeof line, "a hello %02d", i);
        (void)hear(clients[i], got, strlen(line));
        assert_string_equal(got, line);
        (void)close(clients[i]);
    }
    rig_wait_connections(&r, "m", 0);
    child_end(server);
    rig_end(&r);
}

/* [keeper-12] The new one does not come; the agent goes back to the one before. */
static void test_those_that_wait_go_to_the_new_target(void **state)
{
    struct rig r;
    uint16_t server_port = 0;
    char got[8];

    (void)state;
    rig_begin(&r);
    pid_t server = server_start('a', &server_port);
    uint16_t port = rig_forward(&r, "m");
    rig_target(&r, "m", server_port);
    int old = dial(port);
    expect_answer(old, "1", 'a');
    rig_target(&r, "m", free_port());
    assert_int_equal(rig_port(&r, "m").older, 1);
    int c = dial(port);
    say(c, "2");
    pause_ms(150);
    rig_target(&r, "m", 0); /* held, without a target */
    pause_ms(150);
    rig_target(&r, "m", server_port);
    (void)hear(c, got, 3);
    assert_string_equal(got, "a 2");
    expect_answer(old, "3", 'a');
    assert_int_equal(rig_port(&r, "m").older, 1);
    (void)close(old);
    rig_wait_connections(&r, "m", 1);
    assert_int_equal(rig_port(&r, "m").older, 0);
    (void)close(c);
    child_end(server);
    rig_end(&r);
}

/* A client that goes while it waits makes room for the next. */
static void test_clients_that_give_up(void **state)
{
    struct rig r;
    uint16_t server_port = free_port();

    (void)state;
    rig_begin(&r);
    uint16_t port = rig_forward(&r, "m");
    rig_target(&r, "m", server_port);
    for (int i = 0; i < 5; i++) {
        const struct linger at_once = { 1, 0 };
        int c = dial(port);
        say(c, "x");
        pause_ms(20);
        assert_int_equal(setsockopt(c, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
        (void)close(c); /* a reset: it is seen while the target is not there */
    }
    int d = dial(port);
    rig_wait_connections(&r, "m", 1);
    pid_t server = server_start('a', &server_port);
    expect_answer(d, "1", 'a');
    (void)close(d);
    child_end(server);
    rig_end(&r);
}

/* [keeper-12] 10 s, then the client is told; and the next one gets its own 10 s. */
static void test_target_never_comes(void **state)
{
    struct rig r;
    uint16_t server_port = free_port();

    (void)state;
    rig_begin(&r);
    uint16_t port = rig_forward(&r, "m");
    rig_target(&r, "m", server_port);
    uint64_t begun = sk_now_ms();
    int c = dial(port);
    const struct timeval most = { .tv_sec = SK_KEEPER_HOLD_MS / 1000 + 20 };
    (void)setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    say(c, "x");
    pause_ms(1000);
    int d = dial(port); /* in the backlog, since the target refuses */
    expect_reset(c);
    uint64_t took = sk_now_ms() - begun;
    if (took < SK_KEEPER_HOLD_MS)
        fail_msg("cut after %llu ms", (unsigned long long)took);
    pid_t server = server_start('a', &server_port);
    expect_answer(d, "1", 'a');
    (void)close(c);
    (void)close(d);
    child_end(server);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_target),
        cmocka_unit_test(test_target_comes_late),
        cmocka_unit_test(test_those_that_wait_go_to_the_new_target),
        cmocka_unit_test(test_clients_that_give_up),
        cmocka_unit_test(test_target_never_comes),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
