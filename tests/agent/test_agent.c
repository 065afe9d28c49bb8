/* test_agent.c - the whole agent as a process, with the real keeper and local hub, without a hub.
 */
#include "agent/agent_util.h"

#include "base/file.h"
#include "base/log.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PATIENCE_MS = 30000
};

static int set_up(void **state)
{
    struct sk_agent_made made;
    struct sk_err err = SK_ERR_INIT;
    rig_set_up(state);
    struct rig *r = *state;
    static const char *const listen[] = { "127.0.0.1", NULL };
    const uint16_t port = (uint16_t)(20000 + getpid() % 3000 * 3);
    const struct sk_agent_init in = {
        .dir = at(r->dir, "edge"),
        .connection_string = "HostName=127.0.0.1:1;DeviceId=d;SharedAccessKey=a2V5",
        .listen = listen,
        .hub_mqtt_port = 1,
        .mqtt_port = port,
        .https_port = (uint16_t)(port + 1),
        .metrics_port = (uint16_t)(port + 2),
        .docker_socket = "/none",
    };
    assert_int_equal(chmod(r->dir, 0711), 0);
    assert_int_equal(chmod(r->a.run_dir, 0711), 0);
    DONE(sk_agent_init(&in, &made, &err));
    return 0;
}

/* ---- where sockets are ---- */

static void test_run_dir(void **state)
{
    (void)state;
    SK_OWN(free) char *out = NULL;
    struct sk_err err = SK_ERR_INIT;
    char path[200];
    DONE(sk_agent_run_dir("/d", "/r", &out, &err));
    assert_string_equal(out, "/r");
    free(SK_TAKE(out));
    DONE(sk_agent_run_dir("/d", NULL, &out, &err));
    assert_string_equal(out, "/d/run");
    free(SK_TAKE(out));
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    FAILS(sk_agent_run_dir("/d", path, &out, &err), SK_INVALID, "--run-dir");
}

static void test_open(void **state)
{
    struct rig *r = *state;
    struct sk_agent a = SK_AGENT_INIT;
    struct sk_err err = SK_ERR_INIT;
    const struct sk_agent_options none = { .dir = at(r->dir, "none") };
    FAILS(sk_agent_open(&a, &none, &err), SK_NOT_FOUND, "skerry edge init");
    sk_agent_close(&a);
    struct sk_agent b = SK_AGENT_INIT;
    const struct sk_agent_options good = { .dir = at(r->dir, "edge") };
    DONE(sk_agent_open(&b, &good, &err));
    assert_string_equal(b.config.device, "d");
    assert_string_equal(b.hub_host, "127.0.0.1:1");
    assert_string_equal(b.host.hub_user, "d");
    assert_null(b.host.hub_ca_file);
    assert_int_equal(strlen(b.start_id), 32);
    SK_AUTO(sk_buf_done) struct sk_buf token = SK_BUF_INIT(1000);
    DONE(b.host.token(b.host.ctx, &token, &err));
    assert_true(token.len > 50);
    sk_agent_close(&b);
}

/* ---- as a process ---- */

static pid_t start(struct rig *r)
{
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        const struct sk_agent_options o = { .dir = at(r->dir, "edge"),
                                            .run_dir = r->a.run_dir,
                                            .program = getenv("SKERRY") };
        struct sk_err err = SK_ERR_INIT;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getenv("SK_TEST_LOG"))
            sk_log_setup(SK_INFO, SK_LOG_TEXT, STDERR_FILENO);
        int rc = sk_agent_run(&o, &err);
        if (rc < 0)
            print_message("# %s\n", err.text);
        _exit(rc == 0 ? 0 : err.code == SK_BUSY ? 16 : 1);
    }
    return pid;
}

static int end(pid_t pid, int sig)
{
    int status = 0;
    if (sig)
        (void)kill(pid, sig);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Its status, once the local hub answers too. */
static struct sk_json *await_status(struct rig *r)
{
    const uint64_t until = sk_now_ms() + PATIENCE_MS;
    for (;;) {
        struct sk_json *doc = NULL;
        struct sk_err err = SK_ERR_INIT;
        if (sk_agent_call(r->a.run_dir, SK_VIEW("{\"type\":\"status\"}"), 5000, &doc, &err) == 0 &&
            sk_json_type(sk_json_get(doc, "localHub")) == SK_JSON_OBJECT)
            return doc;
        sk_json_free(doc);
        if (sk_now_ms() > until)
            fail_msg("the agent does not come up: %s", err.text);
        (void)poll(NULL, 0, 20);
    }
}

static int64_t number(const struct sk_json *doc, const char *key)
{
    return sk_json_int(sk_json_get(doc, key), 0);
}

static void test_run(void **state)
{
    struct rig *r = *state;
    if (!getenv("SKERRY") || access(getenv("SKERRY"), X_OK) < 0)
        fail_msg("SKERRY names no program: run this with meson test");
    pid_t agent = start(r);
    SK_OWN(sk_json_free) struct sk_json *first = await_status(r);
    pid_t hub = (pid_t)number(first, "hubPid"), keeper = (pid_t)number(first, "keeperPid");
    assert_true(hub > 0 && keeper > 0);
    assert_false(sk_json_bool(sk_json_get(first, "isConnected"), true));
    /* One at a time. */
    assert_int_equal(end(start(r), 0), 16);
    /* Killed: the next one takes over what is there. */
    assert_int_equal(end(agent, SIGKILL), -SIGKILL);
    assert_int_equal(kill(hub, 0), 0);
    assert_int_equal(kill(keeper, 0), 0);
    agent = start(r);
    SK_OWN(sk_json_free) struct sk_json *second = await_status(r);
    assert_int_equal(number(second, "hubPid"), 0); /* it has not started one */
    assert_int_equal(kill(hub, 0), 0);
    /* A local hub that dies is started again. */
    assert_int_equal(kill(hub, SIGKILL), 0);
    const uint64_t until = sk_now_ms() + PATIENCE_MS;
    int64_t again = 0;
    while (again == 0 && sk_now_ms() < until) {
        SK_OWN(sk_json_free) struct sk_json *doc = await_status(r);
        again = number(doc, "hubPid");
        (void)poll(NULL, 0, 20);
    }
    assert_true(again > 0 && again != hub);
    assert_int_equal(end(agent, SIGTERM), 0);
    assert_int_equal(kill((pid_t)again, 0), 0); /* they outlive it */
    (void)kill((pid_t)again, SIGKILL);
    (void)kill(keeper, SIGKILL);
    (void)poll(NULL, 0, 50);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, set_up, rig_tear_down)
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_run_dir), ROW(test_open),
                                        ROW(test_run) };
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* what agents leave is ours to end */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
