/* test_store.c - what goes to systemd and comes back: the test is systemd. */
#include "keeper_util.h"

#include "base/file.h"
#include "base/net.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* The socket that NOTIFY_SOCKET names. */
struct systemd {
    char dir[64];
    int fd;
};

static void systemd_begin(struct systemd *s)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    (void)snprintf(s->dir, sizeof s->dir, "/tmp/skerry-notify-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s/n", s->dir);
    s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", a.sun_path, 1), 0);
}

static void systemd_end(struct systemd *s)
{
    struct sk_err err = SK_ERR_INIT;

    (void)close(s->fd);
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    assert_int_equal(sk_remove_tree(s->dir, &err), 0);
}

/* The next message within 20 s, and its descriptor or -1. */
static int expect_message(struct systemd *s, const char *wanted)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;

    char text[512];
    struct iovec part = { text, sizeof text - 1 };
    struct msghdr m = { .msg_iov = &part,
                        .msg_iovlen = 1,
                        .msg_control = control.bytes,
                        .msg_controllen = sizeof control.bytes };
    struct pollfd p = { .fd = s->fd, .events = POLLIN };
    int fd = -1;

    assert_int_equal(poll(&p, 1, 20000), 1);
    ssize_t n = recvmsg(s->fd, &m, MSG_CMSG_CLOEXEC);
    assert_true(n >= 0);
    text[n] = '\0';
    assert_string_equal(text, wanted);
    if (CMSG_FIRSTHDR(&m))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
    return fd;
}

static void test_names(void **state)
{
    char stored[SK_KEEPER_NAME_MAX + 1], name[SK_KEEPER_NAME_MAX + 1];

    (void)state;
    sk_keeper_store_name("m/[fd00::1]:5001/tcp", stored);
    assert_string_equal(stored, "m/[fd00||1]|5001/tcp");
    sk_keeper_store_unname(stored, strlen(stored), name);
    assert_string_equal(name, "m/[fd00::1]:5001/tcp");
    sk_keeper_store_unname("a|b:rest", 3, name);
    assert_string_equal(name, "a:b");
}

/* [keeper-30] */
static void test_messages(void **state)
{
    struct systemd s;
    uint16_t port = 0;
    int fd = listener(&port);

    (void)state;
    systemd_begin(&s);
    sk_keeper_notify("READY=1", -1);
    assert_int_equal(expect_message(&s, "READY=1"), -1);
    sk_keeper_store_put("m/0.0.0.0:1/tcp", fd);
    int got = expect_message(&s, "FDSTORE=1\nFDNAME=m/0.0.0.0|1/tcp");
    assert_true(got >= 0);
    assert_int_equal(sk_port_of(got), port);
    (void)close(got);
    sk_keeper_store_remove("m/0.0.0.0:1/tcp");
    assert_int_equal(expect_message(&s, "FDSTOREREMOVE=1\nFDNAME=m/0.0.0.0|1/tcp"), -1);
    systemd_end(&s);
    (void)close(fd);
    sk_keeper_notify("READY=1", -1); /* nobody to tell */
    assert_int_equal(setenv("NOTIFY_SOCKET", "relative", 1), 0);
    sk_keeper_notify("READY=1", -1);
    assert_int_equal(setenv("NOTIFY_SOCKET", "@skerry-nobody", 1), 0);
    sk_keeper_notify("READY=1", -1);
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
}

/* ---- taking over ---- */

static void count_name(void *ctx, const char *name, int fd)
{
    sk_buf_fmt(ctx, "%s=%d;", name, fd);
}

static void test_taking(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf got = SK_BUF_INIT(256);
    char pid[16];

    (void)state;
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    (void)setenv("LISTEN_PID", "1", 1); /* somebody else's */
    (void)setenv("LISTEN_FDS", "1", 1);
    sk_keeper_store_take(count_name, &got);
    assert_null(got.data);
    assert_null(getenv("LISTEN_FDS"));
    (void)setenv("LISTEN_PID", pid, 1);
    (void)setenv("LISTEN_FDS", "-3", 1);
    sk_keeper_store_take(count_name, &got);
    (void)setenv("LISTEN_PID", pid, 1);
    (void)setenv("LISTEN_FDS", "99999999", 1);
    sk_keeper_store_take(count_name, &got);
    assert_null(got.data);
    assert_null(getenv("LISTEN_PID"));
}

/* A keeper in a child that was started as systemd does it. */
static pid_t start_with(const struct rig *r, const int *fds, int count, const char *names)
{
    pid_t pid = fork();
    char number[16];
    int copies[4];

    assert_true(pid >= 0);
    if (pid)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < count; i++)
        copies[i] = fcntl(fds[i], F_DUPFD, 64);
    for (int i = 0; i < count; i++)
        (void)dup2(copies[i], 3 + i);
    (void)snprintf(number, sizeof number, "%d", (int)getpid());
    (void)setenv("LISTEN_PID", number, 1);
    (void)snprintf(number, sizeof number, "%d", count);
    (void)setenv("LISTEN_FDS", number, 1);
    (void)setenv("LISTEN_FDNAMES", names, 1);
    struct sk_err err = SK_ERR_INIT;
    _exit(sk_keeper_run(r->socket, &err) < 0);
}

/* [keeper-31] */
static void test_keeper_stores_and_takes_over(void **state)
{
    struct rig r;
    struct systemd s;
    uint16_t server_port = 0;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    systemd_begin(&s);
    rig_begin(&r);
    assert_int_equal(expect_message(&s, "READY=1"), -1);
    uint16_t port = rig_forward(&r, "m/127.0.0.1:0/tcp");
    assert_int_equal(expect_message(&s, "FDSTOREREMOVE=1\nFDNAME=m/127.0.0.1|0/tcp"), -1);
    int kept = expect_message(&s, "FDSTORE=1\nFDNAME=m/127.0.0.1|0/tcp");
    assert_true(kept >= 0);
    rig_kill(&r);
    /* Nobody is there now; a client waits in the backlog all the same. */
    int c = dial(port);
    say(c, "hello");
    int odd = open("/dev/null", O_RDONLY | O_CLOEXEC); /* what is no socket is closed */
    const int fds[] = { odd, kept };
    r.pid = start_with(&r, fds, 2, "odd:m/127.0.0.1|0/tcp");
    assert_int_equal(expect_message(&s, "READY=1"), -1);
    (void)close(odd);
    (void)close(kept);
    pid_t server = server_start('a', &server_port);
    assert_string_equal(rig_port(&r, "m/127.0.0.1:0/tcp").name, "m/127.0.0.1:0/tcp");
    assert_int_equal(rig_forward(&r, "m/127.0.0.1:0/tcp"), port); /* it is the same socket */
    rig_target(&r, "m/127.0.0.1:0/tcp", server_port);
    char got[16];
    (void)hear(c, got, strlen("a hello"));
    assert_string_equal(got, "a hello");
    (void)close(c);
    assert_int_equal(sk_keeper_close(r.agent, "m/127.0.0.1:0/tcp", &err), 0);
    assert_int_equal(expect_message(&s, "FDSTOREREMOVE=1\nFDNAME=m/127.0.0.1|0/tcp"), -1);
    child_end(server);
    rig_end(&r);
    systemd_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_taking),
        cmocka_unit_test(test_keeper_stores_and_takes_over),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
