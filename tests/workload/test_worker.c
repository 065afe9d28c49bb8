/* test_worker.c - which process: the answer is kept for a connection, and a process that has ended
 * is nobody's. */
#include "workload_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

/* [workload-4] */
static void processes(void **state)
{
    struct util u;
    struct sk_wl_instance instance = { .name = (char[]){ "a" }, .module = (char[]){ "a" } };
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    util_start(&u);
    struct sk_wl_peer me = { &instance, getpid(), getuid(), -1, false, false };
    struct sk_wl_peer unseen = { &instance, 0, getuid(), -1, false, false };
    struct sk_wl_peer other = { &instance, 1, getuid(), -1, false, false };
    struct sk_wl_peer gone = { &instance, getpid(), getuid(), -1, true, false };
    assert_int_equal(sk_wl_check_peer(u.w, &me, &err), 0);
    assert_int_equal(atomic_load(&u.checks), 1);
    atomic_store(&u.peer, 1);
    assert_int_equal(sk_wl_check_peer(u.w, &me, &err), 0); /* not asked again */
    assert_int_equal(atomic_load(&u.checks), 1);
    assert_int_equal(sk_wl_check_peer(u.w, &unseen, &err), -1);
    assert_int_equal(err.code, SK_DENIED);
    assert_int_equal(sk_wl_check_peer(u.w, &other, &err), 0);
    atomic_store(&u.peer, getpid());
    assert_int_equal(sk_wl_check_peer(u.w, &gone, &err), -1);
    assert_int_equal(err.code, SK_DENIED);
    util_stop(&u);
}

/* A number that is still the right one when the owner is asked, but whose process has ended. */
static void number_of_a_dead_process(void **state)
{
    struct util u;
    struct sk_wl_instance instance = { .name = (char[]){ "a" }, .module = (char[]){ "a" } };
    struct sk_err err = SK_ERR_INIT;
    int pipes[2];
    (void)state;
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        (void)close(pipes[1]);
        (void)!read(pipes[0], &byte, 1);
        _exit(0);
    }
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0)
        skip();
    util_start(&u);
    atomic_store(&u.peer, pid);
    struct sk_wl_peer p = { &instance, pid, getuid(), pidfd, false, false };
    assert_int_equal(sk_wl_check_peer(u.w, &p, &err), 0);
    atomic_store(&p.is_checked, false);
    (void)close(pipes[0]);
    (void)close(pipes[1]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(sk_wl_check_peer(u.w, &p, &err), -1);
    assert_int_equal(err.code, SK_DENIED);
    (void)close(pidfd);
    util_stop(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes),
        cmocka_unit_test(number_of_a_dead_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
