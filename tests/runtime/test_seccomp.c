/* test_seccomp.c - calls behind the filter; each in a child of its own. */
#include "runtime/runtime_util.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void *nothing(void *ctx)
{
    return ctx;
}

static long make_thread(void)
{
    pthread_t t;

    errno = pthread_create(&t, NULL, nothing, NULL);
    return errno || pthread_join(t, NULL) != 0 ? -1 : 0;
}

static long make_child(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid > 0 && waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

/* errno of what row i does; 0: it is done. */
static int try_row(const struct sk_filter *f, long (*call)(void))
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || sk_rt_seccomp_enter(f) < 0)
            _exit(255);
        errno = 0;
        _exit(call() >= 0 ? 0 : errno);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define CALL(name, expression)                                                                     \
    static long name(void)                                                                         \
    {                                                                                              \
        return (long)(expression);                                                                 \
    }

CALL(call_bpf, syscall(SYS_bpf, 0, NULL, 0))
CALL(call_mount, syscall(SYS_mount, NULL, NULL, NULL, 0, NULL))
CALL(call_setns, syscall(SYS_setns, -1, 0))
CALL(call_unshare, unshare(CLONE_NEWNET))
CALL(call_uring, syscall(SYS_io_uring_register, -1, 0, NULL, 0))
CALL(call_reboot, syscall(SYS_reboot, 0, 0, 0, NULL))
CALL(call_ptrace, syscall(SYS_ptrace, 0, 0, NULL, NULL))
CALL(call_clone3, syscall(SYS_clone3, NULL, 0))
CALL(call_clone, syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL))
CALL(call_packet, socket(AF_PACKET, SOCK_RAW, 0))
CALL(call_alg, socket(AF_ALG, SOCK_SEQPACKET, 0))
CALL(call_unix, socket(AF_UNIX, SOCK_STREAM, 0))
CALL(call_inet, socket(AF_INET, SOCK_STREAM, 0))
CALL(call_inet6, socket(AF_INET6, SOCK_STREAM, 0))
CALL(call_netlink, socket(AF_NETLINK, SOCK_RAW, 0))
CALL(call_last, syscall(SYS_process_madvise, -1, NULL, 0, 0, 0))

static void test_calls(void **state)
{
    static const struct {
        const char *name;
        long (*call)(void);
        int error;
    } rows[] = {
        { "thread", make_thread, 0 },      { "child", make_child, 0 },
        { "bpf", call_bpf, EPERM },        { "mount", call_mount, EPERM },
        { "setns", call_setns, EPERM },    { "unshare", call_unshare, EPERM },
        { "io_uring", call_uring, EPERM }, { "reboot", call_reboot, EPERM },
        { "ptrace", call_ptrace, EPERM },  { "clone3", call_clone3, ENOSYS },
        { "clone", call_clone, EPERM },    { "packet", call_packet, EAFNOSUPPORT },
        { "alg", call_alg, EAFNOSUPPORT }, { "unix", call_unix, 0 },
        { "inet", call_inet, 0 },          { "inet6", call_inet6, 0 },
        { "netlink", call_netlink, 0 },    { "process_madvise", call_last, EPERM },
    };
    struct sk_filter f;

    (void)state;
    sk_rt_seccomp_make(&f, true);
    if (f.len == 0) {
        skip();
        return;
    }
    assert_true(f.len <= SK_FILTER_MAX);
    for (size_t i = 0; i < COUNT(rows); i++) {
        int got = try_row(&f, rows[i].call);

        if (got != rows[i].error && !(rows[i].call == call_inet6 && got == EAFNOSUPPORT))
            fail_msg("%s: %d (%s)", rows[i].name, got, strerror(got));
    }
}

#if defined(__x86_64__)
CALL(call_x32, syscall(0x40000000L + SYS_getpid))

/* The other calling conventions of the machine: a number that means something else there. */
static void test_x32(void **state)
{
    struct sk_filter f;

    (void)state;
    sk_rt_seccomp_make(&f, true);
    assert_int_equal(try_row(&f, call_x32), ENOSYS);
}
#endif

CALL(call_vfork, vfork())

static void test_no_processes(void **state)
{
    struct sk_filter f;

    (void)state;
    sk_rt_seccomp_make(&f, false);
    if (f.len == 0) {
        skip();
        return;
    }
    assert_true(f.len <= SK_FILTER_MAX);
    assert_int_equal(try_row(&f, make_thread), 0);
    assert_int_equal(try_row(&f, make_child), EPERM);
    assert_int_equal(try_row(&f, call_vfork), EPERM);
    assert_int_equal(try_row(&f, call_bpf), EPERM);
    assert_int_equal(try_row(&f, call_clone), EPERM);
    assert_int_equal(try_row(&f, call_inet), 0);
}

/* One for a machine that it does not know: nothing is filtered. */
static void test_empty(void **state)
{
    const struct sk_filter none = { .len = 0 };

    (void)state;
    assert_int_equal(try_row(&none, call_unix), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
#if defined(__x86_64__)
        cmocka_unit_test(test_x32),
#endif
        cmocka_unit_test(test_no_processes),
        cmocka_unit_test(test_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
