/* test_proc.c - processes by number and start time. */
#include "runtime/runtime_util.h"

#include "base/clock.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t fork_sleeper(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            (void)pause();
    }
    assert_true(pid > 0);
    return pid;
}

static void test_read(void **state)
{
    struct sk_rt_proc p;

    (void)state;
    assert_true(sk_rt_proc_read(getpid(), &p));
    assert_int_equal(p.parent, getppid());
    assert_int_equal(p.session, getsid(0));
    assert_int_equal(p.state, 'R');
    assert_true(sk_rt_proc_is(getpid(), p.start_ticks));
    assert_false(sk_rt_proc_is(getpid(), p.start_ticks + 1));
    int64_t started = sk_rt_proc_started_ms(p.start_ticks), now = (int64_t)sk_wall_ms();
    assert_true(started <= now + 20 && started > now - 60000);
    assert_false(sk_rt_proc_read(0, &p));
    assert_false(sk_rt_proc_read(-1, &p));
    assert_false(sk_rt_proc_read(INT32_MAX, &p));
}

/* A name that looks like what follows it. */
static void test_name(void **state)
{
    struct sk_rt_proc p;

    (void)state;
    assert_int_equal(prctl(PR_SET_NAME, ") Z 1 2 3 ("), 0);
    assert_true(sk_rt_proc_read(getpid(), &p));
    assert_int_equal(p.state, 'R');
    assert_int_equal(p.parent, getppid());
}

static void test_signal(void **state)
{
    struct sk_rt_proc p;
    pid_t pid = fork_sleeper();
    int status = 0;

    (void)state;
    assert_true(sk_rt_proc_read(pid, &p));
    assert_int_equal(sk_rt_proc_open(pid, p.start_ticks + 1), -1);
    SK_AUTO(sk_close) int fd = sk_rt_proc_open(pid, p.start_ticks);
    assert_true(fd >= 0);
    assert_false(sk_rt_proc_wait(fd, 20));
    assert_true(sk_rt_proc_signal(fd, SIGKILL));
    assert_true(sk_rt_proc_wait(fd, 30000));
    assert_false(sk_rt_proc_is(pid, p.start_ticks)); /* a zombie does not run */
    assert_int_equal(sk_rt_proc_open(pid, p.start_ticks), -1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(sk_rt_proc_signal(fd, SIGKILL));
}

static void test_session(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    int ready[2];
    char word;

    (void)state;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (setsid() < 0 || (fork() == 0 && setpgid(0, 0) < 0) || write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    assert_int_equal(read(ready[0], &word, 1), 1);
    assert_int_equal(read(ready[0], &word, 1), 1);
    DONE(sk_rt_session_kill(pid, 30000, &err));
    (void)close(ready[1]);
    assert_int_equal(read(ready[0], &word, 1), 0); /* nobody has it any more */
    (void)close(ready[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    DONE(sk_rt_session_kill(pid, 0, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_name),
        cmocka_unit_test(test_signal),
        cmocka_unit_test(test_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
