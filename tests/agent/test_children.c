/* test_children.c - the keeper as a process of the real program; children that answer, or do not.
 */
#include "agent/agent_util.h"

#include "base/file.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void install(struct rig *r, const char *script)
{
    char text[1000];
    (void)snprintf(text, sizeof text, "#!/bin/sh\n%s\n", script);
    write_text(at(r->dir, "program"), text);
    assert_int_equal(chmod(at(r->dir, "program"), 0700), 0);
    free(r->a.program);
    r->a.program = strdup(at(r->dir, "program"));
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    if (r->a.keeper && sk_keeper_stop(r->a.keeper, &err) == 0 && r->a.keeper_pid > 0)
        (void)waitpid((pid_t)r->a.keeper_pid, NULL, 0);
    sk_keeper_free(r->a.keeper);
    free(r->a.program);
    return rig_tear_down(state);
}

static int note(void *ctx, const struct sk_keeper_port *p, struct sk_err *err)
{
    (void)err;
    (void)snprintf(ctx, 64, "%.60s", p->name);
    return 0;
}

/* The one that runs or is started. It has five seconds to come up: when that is not enough, the
 * same one is waited for, and then taken over. */
static void get_keeper(struct rig *r, struct sk_keeper **k)
{
    const uint64_t until = sk_now_ms() + 20000;
    struct sk_keeper *probe = NULL;
    struct sk_err err = SK_ERR_INIT;
    if (sk_agent_keeper(&r->a, k, &err) == 0)
        return;
    while (sk_keeper_connect(at(r->a.run_dir, "keeper.sock"), &probe, &err) < 0) {
        if (sk_now_ms() > until)
            fail_msg("no keeper: %s", err.text);
        (void)usleep(10000);
    }
    sk_keeper_free(probe);
    DONE(sk_agent_keeper(&r->a, k, &err));
}

/* Started when there is none, taken over by the next agent, started again when it was killed. */
static void test_keeper(void **state)
{
    struct rig *r = *state;
    struct sk_keeper *k = NULL;
    struct sk_err err = SK_ERR_INIT;
    char name[64] = "";
    if (!getenv("SKERRY") || access(getenv("SKERRY"), X_OK) < 0)
        fail_msg("SKERRY names no program: run this with meson test");
    r->a.program = strdup(getenv("SKERRY"));
    get_keeper(r, &k);
    assert_true(r->a.keeper_pid > 0);
    DONE(sk_keeper_listen(k, "a", "127.0.0.1", 0, true, NULL, &err));
    int64_t first = r->a.keeper_pid;
    get_keeper(r, &k);
    assert_int_equal(r->a.keeper_pid, first);
    /* Another agent. */
    sk_keeper_free(r->a.keeper);
    r->a.keeper = NULL;
    get_keeper(r, &k);
    assert_int_equal(r->a.keeper_pid, first);
    DONE(sk_keeper_list(k, note, name, &err));
    assert_string_equal(name, "a");
    assert_int_equal(kill((pid_t)first, SIGKILL), 0);
    siginfo_t ended;
    assert_int_equal(waitid(P_PID, (id_t)first, &ended, WNOWAIT | WEXITED), 0);
    get_keeper(r, &k);
    assert_true(r->a.keeper_pid > 0 && r->a.keeper_pid != first);
}

static void test_calls(void **state)
{
    struct rig *r = *state;

    static const struct {
        const char *script, *order, *answer, *words;
        enum sk_code code;
    } rows[] = {
        { "cat", "an order", "an order", NULL, SK_OK },
        { "echo \"$1\"", "unread", "command\n", NULL, SK_OK },
        { "exit 3", "x", NULL, "ended with status", SK_REMOTE },
        { "kill -9 $$", "x", NULL, "ended with status", SK_REMOTE },
        { "sleep 20", "x", NULL, "no answer in time", SK_TIMEOUT },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
        struct sk_err err = SK_ERR_INIT;
        install(r, rows[i].script);
        unsigned ms = rows[i].code == SK_TIMEOUT ? 200 : 10000;
        int rc = sk_agent_child_call(&r->a, "command", sk_view_of(rows[i].order), ms, &out, &err);
        if ((rc == 0) != (rows[i].code == SK_OK) || err.code != rows[i].code ||
            (rc < 0 && !strstr(err.text, rows[i].words)))
            fail_msg("%s: %d %s", rows[i].script, rc, err.text);
        if (rc == 0)
            assert_memory_equal(out.data, rows[i].answer, strlen(rows[i].answer));
    }
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(100);
    struct sk_err err = SK_ERR_INIT;
    r->a.program[0] = 'x'; /* no such program */
    FAILS(sk_agent_child_call(&r->a, "command", SK_VIEW("x"), 10000, &out, &err), SK_REMOTE,
          "'command' ended");
}

/* More than pipes hold, both ways at once; and an answer that is too long. */
static void test_long(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf order = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20), small = SK_BUF_INIT(1000);
    install(r, "exec cat");
    for (int i = 0; i < 100000; i++)
        sk_buf_fmt(&order, "%06d\n", i);
    const struct sk_view all = { order.data, order.len };
    DONE(sk_agent_child_call(&r->a, "command", all, 20000, &out, &err));
    assert_int_equal(out.len, order.len);
    assert_memory_equal(out.data, order.data, out.len);
    FAILS(sk_agent_child_call(&r->a, "command", all, 20000, &small, &err), SK_LIMIT, "");
    install(r, "exec <&-\necho enough"); /* it does not want to hear all of it */
    out.len = 0;
    DONE(sk_agent_child_call(&r->a, "command", all, 20000, &out, &err));
    assert_memory_equal(out.data, "enough\n", 7);
}

static void test_await(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    (void)snprintf(to.sun_path, sizeof to.sun_path, "%.100s", at(r->a.run_dir, "s"));
    SK_AUTO(sk_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof to), 0);
    DONE(sk_agent_await_socket(&r->a, to.sun_path, &err));
    atomic_store(&r->a.stops, true);
    FAILS(sk_agent_await_socket(&r->a, at(r->a.run_dir, "other"), &err), SK_TIMEOUT, "other");
    write_text(at(r->a.run_dir, "file"), "x"); /* no socket */
    FAILS(sk_agent_await_socket(&r->a, at(r->a.run_dir, "file"), &err), SK_TIMEOUT, "file");
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, rig_set_up, tear_down)
    const struct CMUnitTest tests[] = { ROW(test_keeper), ROW(test_calls), ROW(test_long),
                                        ROW(test_await) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
