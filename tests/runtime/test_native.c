/*
 * test_native.c - native modules from start to end: the real program (SKERRY) with a small model,
 * and the test itself as a module that does what a row says. As root also in control groups.
 */
#include "runtime/module.h"
#include "runtime/runtime_util.h"

#include "base/clock.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the real program ---- */

static void test_life(void **state)
{
    struct host *p = *state;
    struct module m;
    struct sk_runtime_status st;
    struct sk_err err = SK_ERR_INIT;
    char body[4096];

    module_prepare(p, &m, NULL);
    DONE(sk_runtime_start(&p->h, &m.s, &m.i, &err));
    assert_true(m.i.pid > 0);
    assert_int_equal(ask(m.port, "GET /readyz", body), 200);
    DONE(sk_runtime_status(&p->h, &m.i, &st, &err));
    assert_int_equal(st.state, SK_RUNTIME_RUNNING);
    assert_true(st.started_ms > 0 && (int64_t)sk_wall_ms() - st.started_ms < 60000);
    int fd = sk_runtime_watch(&m.i);
    assert_true(fd >= 0);
    assert_false(sk_rt_proc_wait(fd, 0));
    FAILS(sk_runtime_start(&p->h, &m.s, &m.i, &err), SK_EXISTS, "cats-1");
    FAILS(sk_runtime_remove(&p->h, &m.i, &err), SK_BUSY, "stop it first");
    DONE(sk_runtime_stop(&p->h, &m.i, 30000, &err));
    assert_true(sk_rt_proc_wait(fd, 0));
    (void)close(fd);
    DONE(sk_runtime_status(&p->h, &m.i, &st, &err));
    assert_int_equal(st.state, SK_RUNTIME_STOPPED);
    assert_int_equal(st.exit_code, 0);
    assert_true(st.finished_ms >= st.started_ms);
    assert_int_equal(sk_runtime_watch(&m.i), -1);
    DONE(sk_runtime_stop(&p->h, &m.i, 30000, &err)); /* again is fine */
    DONE(sk_runtime_remove(&p->h, &m.i, &err));
    DONE(sk_runtime_status(&p->h, &m.i, &st, &err));
    assert_int_equal(st.state, SK_RUNTIME_GONE);
    DONE(sk_runtime_remove(&p->h, &m.i, &err)); /* likewise */
    m.i.pid = 0;
    module_done(&m);
}

/* As a user of its own, started beside nothing, at low priority, silent until it is told. */
static void test_paused(void **state)
{
    struct host *p = *state;
    struct module m;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;
    const bool is_root = host_with_users(p);

    module_prepare(p, &m, NULL);
    m.s.is_paused = true;
    m.s.is_low_priority = true;
    DONE(sk_runtime_start(&p->h, &m.s, &m.i, &err));
    assert_int_equal(m.i.uid, is_root ? p->h.first_uid : 0);
    if (geteuid() == 0) {
        assert_int_equal(getpriority(PRIO_PROCESS, (id_t)m.i.pid), 19);
        sk_runtime_awake(&m.i);
        assert_int_equal(getpriority(PRIO_PROCESS, (id_t)m.i.pid), 0);
    }
    for (int tries = 0; tries < 600; tries++) { /* it loads its model */
        err = (struct sk_err)SK_ERR_INIT;
        if (sk_runtime_control(&m.i, "state", 2000, &doc, &err) == 0)
            break;
        (void)usleep(50000);
    }
    assert_non_null(doc);
    assert_false(sk_json_bool(sk_json_get(doc, "accepting"), true));
    DONE(sk_runtime_control(&m.i, "accept", 20000, NULL, &err));
    assert_int_equal(ask(m.port, "GET /readyz", NULL), 200);
    assert_int_equal(getpriority(PRIO_PROCESS, (id_t)m.i.pid), 0);
    FAILS(sk_runtime_control(&m.i, "nonsense", 20000, NULL, &err), SK_NOT_FOUND, "cats-1");
    module_done(&m);
}

/* ---- ends ---- */

static void test_ends(void **state)
{
    static const struct {
        const char *does;
        int signal; /* that the test sends */
        enum sk_runtime_state state;
        int code;
        const char *text;
    } rows[] = {
        { "exit:0", 0, SK_RUNTIME_STOPPED, 0, "Exited (0)" },
        { "exit:3", 0, SK_RUNTIME_FAILED, 3, "Exited (3)" },
        { "sleep", SIGKILL, SK_RUNTIME_FAILED, 137, "Exited (137)" },
        { "sleep", SIGSEGV, SK_RUNTIME_FAILED, 139, "Exited (139)" },
        { "sleep", SIGTERM, SK_RUNTIME_FAILED, 143, "Exited (143)" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct host *p = *state;
        struct module m;
        struct sk_runtime_status st, again;
        struct sk_err err = SK_ERR_INIT;

        module_prepare(p, &m, rows[i].does);
        DONE(sk_runtime_start(&p->h, &m.s, &m.i, &err));
        if (rows[i].signal) {
            module_wait_ready(&m);
            assert_int_equal(kill((pid_t)m.i.pid, rows[i].signal), 0);
        }
        assert_int_equal(wait_for_end(p, &m.i, 30000, &st), rows[i].state);
        assert_int_equal(st.exit_code, rows[i].code);
        assert_string_equal(st.text, rows[i].text);
        assert_false(st.oom_killed);
        (void)usleep(20000);
        DONE(sk_runtime_status(&p->h, &m.i, &again, &err));
        assert_int_equal(again.exit_code, st.exit_code);
        assert_true(again.finished_ms == st.finished_ms);
        module_done(&m);
    }
}

/* [serve-80]: what the module left in its file is told with its end, also to a later agent. */
static void test_requests_inside(void **state)
{
    struct host *p = *state;
    struct module m;
    struct sk_runtime_status st;
    struct sk_err err = SK_ERR_INIT;
    const uint32_t count = 3;
    char path[SK_RT_PATH];

    module_prepare(p, &m, "sleep");
    DONE(sk_runtime_start(&p->h, &m.s, &m.i, &err));
    DONE(sk_rt_keep_path(&p->h, m.i.instance, "inside", path, &err));
    FILE *f = fopen(path, "r+e");
    assert_non_null(f);
    assert_int_equal(fwrite(&count, sizeof count, 1, f), 1);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(kill((pid_t)m.i.pid, SIGKILL), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(wait_for_end(p, &m.i, 30000, &st), SK_RUNTIME_FAILED);
        assert_int_equal(st.lost_requests, 3);
        assert_string_equal(st.text, "Exited (137); 3 requests were inside it");
    }
    module_done(&m);
}

/* An end that cannot be written down (a full disk) is an end, and no process is left of it. */
static void test_not_kept(void **state)
{
    struct host *p = *state;
    struct module m;
    struct sk_runtime_status st;
    struct sk_err err = SK_ERR_INIT;
    char path[SK_RT_PATH];

    module_prepare(p, &m, "sleep");
    DONE(sk_runtime_start(&p->h, &m.s, &m.i, &err));
    DONE(sk_rt_keep_path(&p->h, m.i.instance, "exit", path, &err));
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(kill((pid_t)m.i.pid, SIGKILL), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(wait_for_end(p, &m.i, 30000, &st), SK_RUNTIME_FAILED);
        assert_int_equal(st.exit_code, 137);
    }
    DONE(sk_runtime_remove(&p->h, &m.i, &err));
    assert_int_equal(waitpid((pid_t)m.i.pid, NULL, WNOHANG), -1);
    m.i.pid = 0;
    module_done(&m);
}

/* One that does not listen is killed, and what it left behind with it. */
static void test_stop_kills(void **state)
{
    static const struct {
        const char *does;
        unsigned grace_ms;
        int code;
    } rows[] = { { "stubborn", 300, 137 }, { "children", 20000, 143 } };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct host *p = *state;
        struct module m;
        struct sk_runtime_status st;
        struct sk_err err = SK_ERR_INIT;
        struct sk_rt_cgroups cg;

        module_prepare(p, &m, rows[i].does);
        DONE(sk_runtime_start(&p->h, &m.s, &m.i, &err));
        module_wait_ready(&m);
        assert_true(sk_runtime_has_process(&p->h, &m.i, (pid_t)m.i.pid, geteuid()));
        DONE(sk_runtime_stop(&p->h, &m.i, rows[i].grace_ms, &err));
        DONE(sk_runtime_status(&p->h, &m.i, &st, &err));
        assert_int_equal(st.state, SK_RUNTIME_FAILED);
        assert_int_equal(st.exit_code, rows[i].code);
        DONE(sk_rt_cgroups_find(p->h.cgroup_root, p->run, &cg, &err));
        DONE(sk_rt_cgroup_kill(&cg, "cats-1", 0, &err)); /* nobody is left, or it would be
                                                            SK_TIMEOUT */
        assert_false(sk_runtime_has_process(&p->h, &m.i, (pid_t)m.i.pid, 0));
        module_done(&m);
    }
}

/* ---- an agent that dies ---- */

/* In a process of its own, which ends then. */
static void start_elsewhere(struct module *m)
{
    int status = 0, ends[2];
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct sk_err err = SK_ERR_INIT;
        if (sk_runtime_start(&m->host->h, &m->s, &m->i, &err) < 0 ||
            write(ends[1], &m->i, sizeof m->i) != sizeof m->i)
            _exit(1);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(read(ends[0], &m->i, sizeof m->i), sizeof m->i);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void test_adopted(void **state)
{
    struct host *p = *state;
    struct module m;
    struct sk_runtime_status st;
    struct sk_err err = SK_ERR_INIT;

    module_prepare(p, &m, "sleep");
    start_elsewhere(&m);
    DONE(sk_runtime_sweep(&p->h, &m.i, 1, &err));
    DONE(sk_runtime_status(&p->h, &m.i, &st, &err));
    assert_int_equal(st.state, SK_RUNTIME_RUNNING);
    int fd = sk_runtime_watch(&m.i);
    assert_true(fd >= 0);
    assert_int_equal(kill((pid_t)m.i.pid, SIGKILL), 0);
    assert_true(sk_rt_proc_wait(fd, 30000));
    (void)close(fd);
    assert_int_equal(wait_for_end(p, &m.i, 30000, &st), SK_RUNTIME_FAILED);
    assert_int_equal(st.exit_code, -1); /* nobody saw it */
    module_done(&m);
}

static void test_sweep(void **state)
{
    struct host *p = *state;
    struct module m, other;
    struct sk_runtime_status st;
    struct sk_err err = SK_ERR_INIT;

    module_prepare(p, &m, "children");
    start_elsewhere(&m);
    module_prepare(p, &other, "sleep");
    other.s.instance = "cats-2";
    start_elsewhere(&other);
    DONE(sk_runtime_sweep(&p->h, &other.i, 1, &err));
    DONE(sk_runtime_status(&p->h, &m.i, &st, &err));
    assert_int_equal(st.state, SK_RUNTIME_GONE);
    assert_false(sk_rt_proc_is(m.i.pid, m.i.start_ticks));
    DONE(sk_runtime_status(&p->h, &other.i, &st, &err));
    assert_int_equal(st.state, SK_RUNTIME_RUNNING);
    m.i.pid = 0;
    module_done(&m);
    module_done(&other);
}

struct worker {
    struct module m;
    pthread_t thread;
    char instance[16];
    struct sk_err err;
    bool is_done;
};

static void *live(void *ctx)
{
    struct worker *w = ctx;
    struct sk_runtime_status st;

    for (int i = 0; i < 3; i++) {
        w->m.s.instance = w->instance;
        if (sk_runtime_start(&w->m.host->h, &w->m.s, &w->m.i, &w->err) < 0 ||
            sk_runtime_status(&w->m.host->h, &w->m.i, &st, &w->err) < 0 ||
            st.state != SK_RUNTIME_RUNNING ||
            sk_runtime_stop(&w->m.host->h, &w->m.i, 2000, &w->err) < 0 ||
            sk_runtime_remove(&w->m.host->h, &w->m.i, &w->err) < 0)
            return NULL;
    }
    w->is_done = true;
    return NULL;
}

/* Different instances from different threads. */
static void test_together(void **state)
{
    struct host *p = *state;
    static struct worker workers[4];

    for (size_t i = 0; i < COUNT(workers); i++) {
        workers[i] = (struct worker){ .err = SK_ERR_INIT };
        module_prepare(p, &workers[i].m, "sleep");
        (void)snprintf(workers[i].instance, sizeof workers[i].instance, "cats-%zu", i);
    }
    for (size_t i = 0; i < COUNT(workers); i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, live, &workers[i]), 0);
    for (size_t i = 0; i < COUNT(workers); i++) {
        (void)pthread_join(workers[i].thread, NULL);
        if (!workers[i].is_done)
            fail_msg("%zu: %s", i, workers[i].err.text);
    }
}

/* The number of a process that is there, but started at another time. */
static void test_other_process(void **state)
{
    struct host *p = *state;
    struct module m;
    struct sk_runtime_status st;
    struct sk_err err = SK_ERR_INIT;

    module_prepare(p, &m, "sleep");
    DONE(sk_runtime_start(&p->h, &m.s, &m.i, &err));
    struct sk_instance wrong = m.i;
    wrong.start_ticks++;
    (void)snprintf(wrong.instance, sizeof wrong.instance, "other");
    DONE(sk_runtime_status(&p->h, &wrong, &st, &err));
    assert_int_equal(st.state, SK_RUNTIME_GONE);
    DONE(sk_runtime_stop(&p->h, &wrong, 0, &err));
    assert_int_equal(sk_runtime_watch(&wrong), -1);
    DONE(sk_runtime_status(&p->h, &m.i, &st, &err));
    assert_int_equal(st.state, SK_RUNTIME_RUNNING);
    module_done(&m);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_life, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_paused, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_ends, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_requests_inside, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_not_kept, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_stop_kills, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_adopted, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_sweep, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_together, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_other_process, host_set_up, host_tear_down),
    };

    module_main(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
