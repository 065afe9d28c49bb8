/* test_exec.c - commands that run as a module: who belongs to one, how many, when it is over. */
#include "agent/agent_util.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the local hub does when it is told of an instance. */
static int open_socket(struct rig *r, const char *instance)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    char folder[400];
    (void)mkdir(at(r->a.run_dir, "workload"), 0700);
    (void)snprintf(folder, sizeof folder, "%s/workload/%s", r->a.run_dir, instance);
    (void)mkdir(folder, 0700);
    (void)snprintf(to.sun_path, sizeof to.sun_path, "%.80s/workload.sock", folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* A process that waits for the end of its standard input's other side. */
static pid_t wait_child(int *pipe_fd)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char c;
        (void)close(fds[1]);
        _exit(read(fds[0], &c, 1) == 0 ? 0 : 1);
    }
    (void)close(fds[0]);
    *pipe_fd = fds[1];
    return pid;
}

static void test_exec(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16), listed = SK_BUF_INIT(4096);
    int hold;
    (void)rig_module(r, "cats", spec_of("cats", "{\"settings\":{\"image\":\"r.test/cats:v1\"}}"));
    pid_t pid = wait_child(&hold);
    char instance[64];
    (void)snprintf(instance, sizeof instance, "cats-exec-%d", (int)pid);
    SK_AUTO(sk_close) int fd = open_socket(r, instance);
    assert_true(fd >= 0);
    DONE(sk_agent_exec_begin(&r->a, "cats", pid, &out, &err));
    assert_non_null(strstr(out.data, "\"IOTEDGE_MODULEID=cats\""));
    assert_non_null(strstr(out.data, instance));
    sk_agent_exec_put(&r->a, &listed, "cats", true);
    sk_agent_exec_put(&r->a, &listed, "dogs", true);
    assert_non_null(strstr(listed.data, "\"role\":\"exec\"}"));
    assert_null(strstr(listed.data + 1, "{"));
    assert_true(sk_agent_exec_has(&r->a, instance, pid));
    assert_false(sk_agent_exec_has(&r->a, instance, getpid())); /* it is its child */
    assert_false(sk_agent_exec_has(&r->a, instance, 1));
    assert_false(sk_agent_exec_has(&r->a, "cats-exec-1", pid));
    /* Its end is seen, and its number may be another process's then. */
    sk_agent_exec_tick(&r->a);
    assert_int_equal(r->a.exec_count, 1);
    (void)close(hold);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    sk_agent_exec_tick(&r->a);
    assert_int_equal(r->a.exec_count, 0);
    assert_false(sk_agent_exec_has(&r->a, instance, pid));
}

/* What an exec starts counts as it. */
static void test_descendants(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);
    char instance[64];
    int hold;
    (void)rig_module(r, "cats", spec_of("cats", "{\"settings\":{\"image\":\"i\"}}"));
    (void)snprintf(instance, sizeof instance, "cats-exec-%d", (int)getpid());
    SK_AUTO(sk_close) int fd = open_socket(r, instance);
    assert_true(fd >= 0);
    DONE(sk_agent_exec_begin(&r->a, "cats", getpid(), &out, &err));
    pid_t pid = wait_child(&hold);
    assert_true(sk_agent_exec_has(&r->a, instance, pid));
    assert_false(sk_agent_exec_has(&r->a, instance, getppid()));
    r->a.execs[0].start_ticks++; /* another process had that number */
    assert_false(sk_agent_exec_has(&r->a, instance, pid));
    (void)close(hold);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_refused(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);
    FAILS(sk_agent_exec_begin(&r->a, "cats", getpid(), &out, &err), SK_NOT_FOUND,
          "no module 'cats'");
    FAILS(sk_agent_exec_begin(&r->a, "cats", 0, &out, &err), SK_NOT_FOUND,
          "process 0 is not there");
    (void)rig_module(r, "cats", spec_of("cats", "{\"settings\":{\"image\":\"i\"}}"));
    atomic_store(&r->a.stops, true); /* nobody waits for a socket any more */
    FAILS(sk_agent_exec_begin(&r->a, "cats", getpid(), &out, &err), SK_TIMEOUT, "workload.sock");
    while (r->a.exec_count < COUNT(r->a.execs)) {
        r->a.execs[r->a.exec_count] = r->a.execs[0];
        r->a.exec_count++;
    }
    FAILS(sk_agent_exec_begin(&r->a, "cats", getpid(), &out, &err), SK_BUSY, "8 commands");
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = { ROW(test_exec), ROW(test_descendants), ROW(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
