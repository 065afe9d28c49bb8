/* test_child.c - from fork to exec: what a child gets, and how what fails is told. */
#include "runtime/runtime_util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int wait_code(pid_t pid)
{
    int status = 0;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

struct shell {
    char *argv[4], *env[3];
    int null;
    struct sk_rt_child c;
};

/* /bin/sh -c script */
static void shell_make(struct shell *s, const char *script)
{
    static char words[2][8] = { "sh", "-c" };
    static char pid_word[] = "LISTEN_PID=0000000000", path_word[] = "PATH=/usr/bin:/bin";

    *s = (struct shell){ .argv = { words[0], words[1], (char *)(uintptr_t)script, NULL },
                         .env = { pid_word, path_word, NULL },
                         .null = open("/dev/null", O_RDWR | O_CLOEXEC) };
    assert_true(s->null >= 0);
    s->c = (struct sk_rt_child){ .program = "/bin/sh",
                                 .argv = s->argv,
                                 .env = s->env,
                                 .folder = "/",
                                 .in = -1,
                                 .out = s->null,
                                 .error = s->null,
                                 .oom_score = INT32_MIN,
                                 .landlock = -1 };
}

static int run_shell(const char *script)
{
    struct sk_rt_started started = SK_RT_STARTED_INIT;
    struct sk_err err = SK_ERR_INIT;
    struct shell s;

    shell_make(&s, script);
    DONE(sk_rt_child_fork(&s.c, &started, &err));
    assert_true(started.start_ticks > 0);
    pid_t pid = started.pid;
    DONE(sk_rt_child_go(&started, &err));
    (void)close(s.null);
    return wait_code(pid);
}

static void test_runs(void **state)
{
    static const struct {
        const char *script;
        int code;
    } rows[] = {
        { "exit 5", 5 },
        { "test $LISTEN_PID -eq $$", 0 },
        { "test \"$(pwd)\" = /", 0 },
        { "test -z \"$HOME\"", 0 },
        { "read x; test -z \"$x\"", 0 },
        { "test \"$(umask)\" = 0027", 0 },
        { "kill -TERM $$; sleep 5", 143 }, /* no signal of the agent's is blocked or ignored */
    };

    (void)state;
    (void)signal(SIGTERM, SIG_IGN);
    for (size_t i = 0; i < COUNT(rows); i++)
        if (run_shell(rows[i].script) != rows[i].code)
            fail_msg("%s: not %d", rows[i].script, rows[i].code);
    (void)signal(SIGTERM, SIG_DFL);
}

/* 0, 1, 2, those that are given to it, and nothing else, whatever numbers they had. */
static void test_descriptors(void **state)
{
    struct host *p = *state;
    struct sk_rt_started started = SK_RT_STARTED_INIT;
    struct sk_err err = SK_ERR_INIT;
    struct shell s;
    const char *path = host_at(p, "out");
    SK_OWN(free) char *text = NULL;
    size_t len = 0;
    int leak = fcntl(STDIN_FILENO, F_DUPFD, 50);

    shell_make(&s, "echo one >&3; echo two >&4; set -- /proc/$$/fd/*; echo $# >&3");
    int out = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    assert_true(out >= 0 && leak >= 0);
    s.c.listen[0] = out;
    s.c.listen[1] = out;
    s.c.listen_count = 2;
    DONE(sk_rt_child_fork(&s.c, &started, &err));
    pid_t pid = started.pid;
    DONE(sk_rt_child_go(&started, &err));
    assert_int_equal(wait_code(pid), 0);
    DONE(sk_file_read(path, 4096, &text, &len, &err));
    assert_string_equal(text, "one\ntwo\n6\n"); /* and the folder that is listed */
    (void)close(out);
    (void)close(leak);
    (void)close(s.null);
}

static void test_failures(void **state)
{
    struct sk_rt_started started = SK_RT_STARTED_INIT;
    struct sk_err err = SK_ERR_INIT;
    struct shell s;

    (void)state;
    shell_make(&s, "exit 0");
    s.c.program = "/nowhere/sh";
    DONE(sk_rt_child_fork(&s.c, &started, &err));
    FAILS(sk_rt_child_go(&started, &err), SK_NOT_FOUND, "starting the program");
    assert_int_equal(started.pid, -1);
    s.c.program = "/bin/sh";
    s.c.folder = "/nowhere";
    err = (struct sk_err)SK_ERR_INIT;
    DONE(sk_rt_child_fork(&s.c, &started, &err));
    FAILS(sk_rt_child_go(&started, &err), SK_NOT_FOUND, "its folder");
    s.c.folder = "/";
    s.c.cgroups = &s.null; /* takes anything */
    s.c.cgroup_count = 1;
    err = (struct sk_err)SK_ERR_INIT;
    DONE(sk_rt_child_fork(&s.c, &started, &err));
    pid_t pid = started.pid;
    DONE(sk_rt_child_go(&started, &err));
    assert_int_equal(wait_code(pid), 0);
    const int none = -1;
    s.c.cgroups = &none;
    DONE(sk_rt_child_fork(&s.c, &started, &err));
    FAILS(sk_rt_child_go(&started, &err), SK_IO, "control group");
    (void)close(s.null);
}

/* Whoever is not let go never runs: dropped, or with an agent that is gone. */
static void test_not_let_go(void **state)
{
    struct host *p = *state;
    struct sk_rt_started started = SK_RT_STARTED_INIT;
    struct sk_err err = SK_ERR_INIT;
    struct shell s;
    char script[600];
    const char *path = host_at(p, "mark");

    (void)snprintf(script, sizeof script, "echo x > %s", path);
    shell_make(&s, script);
    DONE(sk_rt_child_fork(&s.c, &started, &err));
    sk_rt_child_drop(&started);
    assert_int_equal(started.pid, -1);
    DONE(sk_rt_child_fork(&s.c, &started, &err));
    sk_close(&started.go); /* what a dead agent's would be */
    assert_int_equal(wait_code(started.pid), 127);
    sk_close(&started.told);
    assert_int_equal(access(path, F_OK), -1);
    (void)close(s.null);
}

static void test_passable(void **state)
{
    struct host *p = *state;
    struct sk_err err = SK_ERR_INIT;
    char path[600];

    (void)snprintf(path, sizeof path, "%s/data/a/b", p->dir);
    DONE(sk_mkdirs(path, 0755, &err));
    DONE(sk_rt_check_passable(path, 54000, &err));
    assert_int_equal(chmod(p->data, 0700), 0);
    FAILS(sk_rt_check_passable(path, 54000, &err), SK_DENIED, "/data' must be searchable");
    err = (struct sk_err)SK_ERR_INIT;
    DONE(sk_rt_check_passable(path, geteuid(), &err)); /* its owner may */
    FAILS(sk_rt_check_passable("/nowhere/x/y", 1, &err), SK_NOT_FOUND, "/nowhere");
}

static void test_program(void **state)
{
    SK_OWN(free) char *own = NULL;
    SK_OWN(free) char *other = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    DONE(sk_rt_program(NULL, &own, &err));
    assert_non_null(strstr(own, "test_runtime_child"));
    DONE(sk_rt_program("/bin/../bin/sh", &other, &err));
    assert_null(strstr(other, ".."));
    FAILS(sk_rt_program("/nowhere", &other, &err), SK_NOT_FOUND, "/nowhere");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs),
        cmocka_unit_test_setup_teardown(test_descriptors, host_set_up, host_tear_down),
        cmocka_unit_test(test_failures),
        cmocka_unit_test_setup_teardown(test_not_let_go, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_passable, host_set_up, host_tear_down),
        cmocka_unit_test(test_program),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
