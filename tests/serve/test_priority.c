/* test_priority.c - a process that was started low, with a thread that was made then. */
#include "serve/priority_priv.h"

#include "base/thread.h"

#include <errno.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    LOW = 7
};

static sem_t is_there, may_end;
static id_t other;

static void *live(void *arg)
{
    (void)arg;
    other = (id_t)syscall(SYS_gettid);
    (void)sem_post(&is_there);
    while (sem_wait(&may_end) < 0)
        continue;
    return NULL;
}

/* 0: as it should be. */
static int run_child(void)
{
    struct sk_err err = SK_ERR_INIT;
    pthread_t thread;

    if (setpriority(PRIO_PROCESS, 0, LOW) < 0 || sem_init(&is_there, 0, 0) < 0 ||
        sem_init(&may_end, 0, 0) < 0 || sk_thread_start(&thread, "other", live, NULL, &err) < 0)
        return 1;
    while (sem_wait(&is_there) < 0)
        continue;
    if (getpriority(PRIO_PROCESS, other) != LOW)
        return 2;
    const unsigned refused = sk_priority_restore();
    const int mine = getpriority(PRIO_PROCESS, 0), its = getpriority(PRIO_PROCESS, other);
    (void)sem_post(&may_end);
    (void)pthread_join(thread, NULL);
    if (refused == 0)
        return mine == 0 && its == 0 ? 0 : 3;
    return refused == 2 && mine == LOW && its == LOW ? 0 : 4; /* we may not */
}

static void all_threads_return(void **state)
{
    int status = 0;

    (void)state;
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(run_child());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void normal_stays_normal(void **state)
{
    (void)state;
    const int before = getpriority(PRIO_PROCESS, 0);
    if (before > 0)
        skip();
    assert_int_equal(sk_priority_restore(), 0);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_threads_return),
        cmocka_unit_test(normal_stays_normal),
    };

    return cmocka_run_group_tests_name("serve/priority", tests, NULL, NULL);
}
