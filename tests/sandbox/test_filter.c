/* test_filter.c - what every filter begins with, and which sockets are left; in a child each. */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef SK_FILTER_ARCH

enum {
    X32 = 0x40000000,
    BEHIND = 77 /* errno of what no row of the filter allowed */
};

static int try_call(const struct sk_filter *f, long number, long argument)
{
    const struct sock_fprog program = { .len = f->len,
                                        .filter = (struct sock_filter *)(uintptr_t)f->items };
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
            _exit(255);
        errno = 0;
        const int error = syscall(number, argument, SOCK_DGRAM, 0) >= 0 ? 0 : errno;
        (void)syscall(SYS_exit_group, error); /* _exit of a sanitizer makes other calls */
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void test_calls(void **state)
{
    static const struct {
        const char *name;
        long number, argument;
        int error;
    } rows[] = {
        { "a local socket", SYS_socket, AF_UNIX, 0 },
        { "of IPv4", SYS_socket, AF_INET, 0 },
        { "of packets", SYS_socket, AF_PACKET, EAFNOSUPPORT },
        { "of Bluetooth", SYS_socket, AF_BLUETOOTH, EAFNOSUPPORT },
        { "what comes behind", SYS_getppid, 0, BEHIND },
        { "of x32", X32 | SYS_getppid, 0, ENOSYS },
    };
    struct sk_filter f;
    (void)state;
    sk_filter_begin(&f);
    sk_filter_jump(&f, BPF_JEQ, SYS_exit_group, 0, 1);
    sk_filter_give(&f, SECCOMP_RET_ALLOW);
    sk_filter_sockets(&f);
    sk_filter_give(&f, SECCOMP_RET_ERRNO | BEHIND);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const int error = try_call(&f, rows[i].number, rows[i].argument);
        if (error != rows[i].error)
            fail_msg("%s: %d, expected %d", rows[i].name, error, rows[i].error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_calls) };
    return cmocka_run_group_tests_name("sandbox/filter", tests, NULL, NULL);
}

#else

int main(void)
{
    return 77;
}

#endif
