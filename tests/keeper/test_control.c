/* test_control.c - the agent's connections as the keeper sees them: odd packets, silent ones, many.
 */
#include "keeper_util.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int plug(const struct rig *r)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", r->socket);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

/* The error that a packet is answered with; SK_OK: none. */
static void expect_code(int fd, const void *bytes, size_t len, const char *code)
{
    char answer[SK_KEEPER_PACKET_MAX + SK_ERR_TEXT];
    struct pollfd p = { .fd = fd, .events = POLLIN };
    struct sk_keeper_reader r;
    struct sk_view value, got = { "", 0 };
    struct sk_err err = SK_ERR_INIT;
    unsigned field;

    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
    assert_int_equal(poll(&p, 1, 20000), 1);
    ssize_t n = recv(fd, answer, sizeof answer, 0);
    assert_true(n > 0);
    assert_int_equal(sk_keeper_read_head(&r, (struct sk_view){ answer, (size_t)n }, &err), 0);
    assert_true(r.op & SK_KEEPER_ANSWER);
    while (sk_keeper_read_field(&r, &field, &value))
        if (field == SK_KEEPER_F_CODE)
            got = value;
    if (!sk_view_eq(got, code))
        fail_msg("%.*s", (int)got.len, got.ptr);
}

/* [keeper-22] */
static void test_odd_packets(void **state)
{
    static char large[SK_KEEPER_PACKET_MAX + 100];
    struct rig r;

    (void)state;
    rig_begin(&r);
    int fd = plug(&r);
    expect_code(fd, "x", 1, "invalid_argument");
    expect_code(fd, "SKK\7\4", 5, "unsupported");
    expect_code(fd, "SKK\1\x66", 5, "unsupported");
    expect_code(fd, "SKK\1\1", 5, "invalid_argument");
    expect_code(fd, large, sizeof large, "invalid_argument");
    expect_code(fd, "SKK\1\4", 5, ""); /* a list still works */
    (void)close(fd);
    rig_end(&r);
}

/* Descriptors that come with a request are not kept. */
static void test_descriptors_come_along(void **state)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { .bytes = { 0 } };

    char packet[] = "SKK\1\4", answer[SK_KEEPER_PACKET_MAX];
    struct iovec part = { packet, 5 };
    struct msghdr m = { .msg_iov = &part,
                        .msg_iovlen = 1,
                        .msg_control = control.bytes,
                        .msg_controllen = sizeof control.bytes };
    struct rig r;
    int ends[2];

    (void)state;
    rig_begin(&r);
    int fd = plug(&r);
    assert_int_equal(pipe(ends), 0);
    control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
                                     .cmsg_level = SOL_SOCKET,
                                     .cmsg_type = SCM_RIGHTS };
    memcpy(CMSG_DATA(&control.head), &ends[1], sizeof(int));
    assert_int_equal(sendmsg(fd, &m, 0), 5);
    (void)close(ends[1]);
    assert_true(recv(fd, answer, sizeof answer, 0) > 0);
    assert_int_equal(read(ends[0], packet, 1), 0); /* nobody has the other end any more */
    (void)close(ends[0]);
    (void)close(fd);
    rig_end(&r);
}

/* [keeper-23] More than there are places: the most silent go, the agent comes back by itself. */
static void test_silent_ones(void **state)
{
    struct rig r;
    int fds[3 * SK_KEEPER_CONTROLS];

    (void)state;
    rig_begin(&r);
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        fds[i] = plug(&r);
        if (i % 5 == 0)
            (void)rig_port(&r, "x"); /* the agent speaks now and then */
    }
    assert_string_equal(rig_port(&r, "x").name, "");
    expect_code(fds[3 * SK_KEEPER_CONTROLS - 1], "SKK\1\4", 5, "");
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        (void)close(fds[i]);
    rig_end(&r);
}

/* [keeper-23] One that asks and asks, and reads no answer. */
static void test_one_that_does_not_read(void **state)
{
    struct rig r;

    (void)state;
    rig_begin(&r);
    int fd = plug(&r);
    for (int i = 0; i < 20000; i++)
        if (send(fd, "SKK\1\4", 5, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN)
            break;
    assert_string_equal(rig_port(&r, "x").name, "");
    (void)close(fd);
    rig_end(&r);
}

/* [keeper-20] Other users have no business here, even when the socket's mode would let them. */
static void test_other_users(void **state)
{
    struct rig r;

    (void)state;
    if (geteuid() != 0)
        skip();
    rig_begin(&r);
    (void)chmod(r.dir, 0755);
    (void)chmod(r.socket, 0666);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct sk_keeper *k = NULL;
        struct sk_err err = SK_ERR_INIT;
        if (setuid(65534) < 0)
            _exit(9);
        int rc = sk_keeper_connect(r.socket, &k, &err);
        if (rc == 0)
            rc = sk_keeper_close(k, "m", &err);
        _exit(rc == 0 || err.code != SK_BUSY);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_odd_packets), cmocka_unit_test(test_descriptors_come_along),
        cmocka_unit_test(test_silent_ones), cmocka_unit_test(test_one_that_does_not_read),
        cmocka_unit_test(test_other_users),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
