/*
 * test_keeper.c - the whole keeper, as processes: what it forwards while its targets change, while
 * the agent goes and comes, while it is itself started anew.
 */
#include "keeper_util.h"

#include "base/clock.h"
#include "base/mix64.h"
#include "base/net.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* [keeper-10] [keeper-13] */
static void test_forwards(void **state)
{
    struct rig r;
    uint16_t server_port = 0;

    (void)state;
    rig_begin(&r);
    pid_t server = server_start('a', &server_port);
    uint16_t port = rig_forward(&r, "m/127.0.0.1:0/tcp");
    rig_target(&r, "m/127.0.0.1:0/tcp", server_port);
    int c = dial(port);
    expect_answer(c, "hello", 'a');
    expect_answer(c, "again", 'a');
    struct sk_keeper_port p = rig_port(&r, "m/127.0.0.1:0/tcp");
    assert_true(p.is_forward);
    assert_int_equal(p.connections, 1);
    assert_int_equal(p.accepted, 1);
    (void)shutdown(c, SHUT_WR);
    expect_end(c);
    (void)close(c);
    rig_wait_connections(&r, "m/127.0.0.1:0/tcp", 0);
    child_end(server);
    rig_end(&r);
}

/* [keeper-20] */
static void test_socket_is_private(void **state)
{
    struct rig r;
    struct stat st;

    (void)state;
    rig_begin(&r);
    assert_int_equal(stat(r.socket, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    rig_end(&r);
}

/* [keeper-20] */
static void test_second_keeper_is_refused(void **state)
{
    struct rig r;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    rig_begin(&r);
    assert_int_equal(sk_keeper_run(r.socket, &err), -1);
    assert_int_equal(err.code, SK_EXISTS);
    assert_non_null(strstr(err.text, "another keeper"));
    assert_int_equal(rig_port(&r, "none").connections, 0); /* the first one still answers */
    rig_end(&r);
}

/* [keeper-20] [keeper-24] */
static void test_socket_left_behind(void **state)
{
    struct rig r;
    uint16_t server_port = 0;

    (void)state;
    rig_begin(&r);
    pid_t server = server_start('a', &server_port);
    (void)rig_forward(&r, "m");
    rig_kill(&r);
    rig_start(&r); /* over the old socket; the agent's old connection is broken and made anew */
    assert_string_equal(rig_port(&r, "m").name, "");
    uint16_t port = rig_forward(&r, "m");
    rig_target(&r, "m", server_port);
    int c = dial(port);
    expect_answer(c, "x", 'a');
    (void)close(c);
    child_end(server);
    rig_end(&r);
}

static void test_agent_goes_and_comes(void **state)
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
    sk_keeper_free(SK_TAKE(r.agent));
    expect_answer(c, "2", 'a');
    int d = dial(port);
    expect_answer(d, "3", 'a');
    assert_int_equal(sk_keeper_connect(r.socket, &r.agent, &err), 0);
    assert_int_equal(rig_port(&r, "m").connections, 2);
    (void)close(c);
    (void)close(d);
    child_end(server);
    rig_end(&r);
}

/* [keeper-32] */
static void test_ends_by_signal(void **state)
{
    struct rig r;
    int status = -1;

    (void)state;
    rig_begin(&r);
    assert_int_equal(kill(r.pid, SIGTERM), 0);
    assert_int_equal(waitpid(r.pid, &status, 0), r.pid);
    assert_int_equal(status, 0);
    r.pid = 0;
    rig_end(&r);
}

/* ---- many clients while the target changes ---- */

enum {
    CLIENTS = 1000,
    CHANGES = 20,
    KEPT = 250 /* of them keep their connection; the others make one per request */
};

struct client {
    int fd;
    char tag; /* whose answer the connection had first */
    unsigned asked, answered;
};

static void ask(struct client *c, uint16_t port, unsigned number)
{
    char line[32], got[48];
    int len = snprintf(line, sizeof line, "request %u", number);
    bool is_new = c->fd < 0;

    if (is_new)
        c->fd = dial(port);
    c->asked++;
    say(c->fd, line);
    size_t n = hear(c->fd, got, (size_t)len + 2);
    if (n != (size_t)len + 2 || strcmp(got + 2, line) != 0)
        fail_msg("request %u: got '%s', errno %d", number, got, errno);
    if (is_new)
        c->tag = got[0];
    assert_int_equal(c->tag, got[0]); /* a connection keeps its target */
    c->answered++;
}

/* [keeper-10] */
static void test_target_changes_under_load(void **state)
{
    static struct client clients[CLIENTS];
    struct rig r;
    uint16_t targets[2] = { 0, 0 };
    pid_t servers[2];
    unsigned asked = 0, answered = 0, of[2] = { 0, 0 };

    (void)state;
    rig_begin(&r);
    servers[0] = server_start('a', &targets[0]);
    servers[1] = server_start('b', &targets[1]);
    uint16_t port = rig_forward(&r, "m");
    rig_target(&r, "m", targets[0]);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = (struct client){ .fd = -1 };
    for (unsigned change = 0; change < CHANGES; change++) {
        for (int i = 0; i < CLIENTS; i++) {
            if (i == CLIENTS / 2)
                rig_target(&r, "m", targets[(change + 1) % 2]);
            ask(&clients[i], port, change * CLIENTS + i);
            of[clients[i].tag == 'b']++;
            if (i >= KEPT)
                sk_close(&clients[i].fd);
        }
    }
    for (int i = 0; i < CLIENTS; i++) {
        asked += clients[i].asked;
        answered += clients[i].answered;
        sk_close(&clients[i].fd);
    }
    assert_int_equal(asked, CLIENTS * CHANGES);
    assert_int_equal(answered, asked);
    assert_true(of[0] > asked / 4 && of[1] > asked / 4);
    rig_wait_connections(&r, "m", 0);
    struct sk_keeper_port p = rig_port(&r, "m");
    assert_int_equal(p.accepted, KEPT + CHANGES * (CLIENTS - KEPT));
    assert_int_equal(p.older, 0);
    child_end(servers[0]);
    child_end(servers[1]);
    rig_end(&r);
}

/* All at once, each with bytes under way, while the target changes back and forth. */
static void test_thousand_at_once(void **state)
{
    static int fds[CLIENTS];
    struct rig r;
    uint16_t targets[2] = { 0, 0 };
    pid_t servers[2];
    char got[16], line[16];

    (void)state;
    rig_begin(&r);
    servers[0] = server_start('a', &targets[0]);
    servers[1] = server_start('b', &targets[1]);
    uint16_t port = rig_forward(&r, "m");
    rig_target(&r, "m", targets[0]);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = dial(port);
        (void)snprintf(line, sizeof line, "%06d", i);
        say(fds[i], line);
        if (i % 50 == 0)
            rig_target(&r, "m", targets[i / 50 % 2]);
    }
    for (int i = 0; i < CLIENTS; i++) {
        (void)snprintf(line, sizeof line, "%06d", i);
        assert_int_equal(hear(fds[i], got, 8), 8);
        assert_string_equal(got + 2, line);
    }
    assert_int_equal(rig_port(&r, "m").connections, CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        (void)close(fds[i]);
    rig_wait_connections(&r, "m", 0);
    child_end(servers[0]);
    child_end(servers[1]);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forwards),
        cmocka_unit_test(test_socket_is_private),
        cmocka_unit_test(test_second_keeper_is_refused),
        cmocka_unit_test(test_socket_left_behind),
        cmocka_unit_test(test_agent_goes_and_comes),
        cmocka_unit_test(test_ends_by_signal),
        cmocka_unit_test(test_target_changes_under_load),
        cmocka_unit_test(test_thousand_at_once),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
