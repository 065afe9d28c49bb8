/* test_stop.c - ending what an agent left: processes that stand for agent, local hub and keeper. */
#include "agent_util.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LOOKS = 2000 /* every 10 ms */
};

/* With the files that init writes. */
static int set_up(void **state)
{
    struct rig *r;
    struct sk_err err = SK_ERR_INIT;
    if (rig_set_up(state) < 0)
        return -1;
    r = *state;
    r->a.config.listen[0] = strdup("127.0.0.1");
    r->a.config.hub_https_port = r->a.config.https_port = 443;
    r->a.config.hub_mqtt_port = r->a.config.mqtt_port = 8883;
    r->a.config.metrics_port = 9600;
    r->a.config.disk_bytes = 1 << 30;
    r->a.config.spool_bytes = 1 << 28;
    DONE(sk_agent_config_save(r->dir, &r->a.config, &err));
    DONE(sk_agent_secrets_make(r->dir, "a2V5", &err));
    DONE(sk_mkdirs(at(r->dir, "run/hub"), 0700, &err));
    return 0;
}

static void listen_at(const char *path)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof to) < 0 || listen(fd, 4) < 0)
        _exit(2);
}

/* A process that has a lock (NULL: none) and listens, ready when this returns; SIGTERM ends it. */
static pid_t start(const char *lock, const char *socket_path, bool is_keeper)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct sk_err err = SK_ERR_INIT;
        int fd = lock ? open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
        if (lock && flock(fd, LOCK_EX) < 0)
            _exit(2);
        (void)signal(SIGTERM, SIG_DFL);
        if (!is_keeper)
            listen_at(socket_path);
        (void)!write(ready[1], "", 1);
        if (is_keeper)
            _exit(sk_keeper_run(socket_path, &err) < 0);
        for (;;)
            (void)pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
    (void)close(ready[1]);
    return pid;
}

static int status_of(pid_t pid)
{
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void nothing_runs(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_agent_stopped s;
    const struct sk_agent_options opts = { .dir = r->dir };
    DONE(sk_agent_stop(&opts, false, &s, &err));
    DONE(sk_agent_stop(&opts, true, &s, &err));
    assert_true(s.agent_pid == 0 && s.hub_pid == 0 && s.instances == 0 && !s.has_keeper);
    const struct sk_agent_options none = { .dir = at(r->dir, "none") };
    FAILS(sk_agent_stop(&none, true, &s, &err), SK_NOT_FOUND, "edge init");
}

static void the_agent_alone(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_agent_stopped s;
    const struct sk_agent_options opts = { .dir = r->dir };
    pid_t agent = start(at(r->dir, "agent.lock"), at(r->dir, "run/agent.sock"), false);
    pid_t hub = start(NULL, at(r->dir, "run/hub/hub.sock"), false);
    DONE(sk_agent_stop(&opts, false, &s, &err));
    assert_true(s.agent_pid == agent && s.hub_pid == 0);
    assert_true(WIFSIGNALED(status_of(agent)));
    assert_int_equal(kill(hub, 0), 0);
    /* a dead agent's socket is nobody */
    DONE(sk_agent_stop(&opts, true, &s, &err));
    assert_true(s.agent_pid == 0 && s.hub_pid == hub);
    assert_true(WIFSIGNALED(status_of(hub)));
}

static void everything(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_agent_stopped s;
    struct sk_keeper *k = NULL;
    const struct sk_agent_options opts = { .dir = r->dir };
    pid_t agent = start(at(r->dir, "agent.lock"), at(r->dir, "run/agent.sock"), false);
    pid_t hub = start(NULL, at(r->dir, "run/hub/hub.sock"), false);
    pid_t keeper = start(NULL, at(r->dir, "run/keeper.sock"), true);
    for (int i = 0; i < LOOKS && sk_keeper_connect(at(r->dir, "run/keeper.sock"), &k, &err) < 0;
         i++)
        (void)usleep(10000);
    assert_non_null(k);
    sk_keeper_free(k);
    DONE(sk_agent_stop(&opts, true, &s, &err));
    assert_true(s.agent_pid == agent && s.hub_pid == hub && s.has_keeper);
    assert_true(WIFSIGNALED(status_of(agent)) && WIFSIGNALED(status_of(hub)));
    assert_int_equal(status_of(keeper), 0);
}

/* One that a service manager started would be started again. */
static void a_service(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_agent_stopped s;
    const struct sk_agent_options opts = { .dir = r->dir };
    char lock[512], path[512];
    (void)snprintf(lock, sizeof lock, "%s", at(r->dir, "agent.lock"));
    (void)snprintf(path, sizeof path, "%s", at(r->dir, "run/agent.sock"));
    assert_int_equal(setenv("NOTIFY_SOCKET", "/nowhere", 1), 0);
    /* /proc shows the environment with which a program was started. */
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char *const words[] = { (char *)(uintptr_t) "test_stop", lock, path, NULL };
        (void)execv("/proc/self/exe", words);
        _exit(2);
    }
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    for (int i = 0; i < LOOKS && access(path, F_OK) < 0; i++)
        (void)usleep(10000);
    FAILS(sk_agent_stop(&opts, true, &s, &err), SK_BUSY, "systemctl stop");
    assert_int_equal(kill(pid, SIGKILL), 0);
    (void)status_of(pid);
}

int main(int argc, char **argv)
{
    if (argc == 3) { /* the service of the last test */
        int fd = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (flock(fd, LOCK_EX) < 0)
            return 2;
        listen_at(argv[2]);
        for (;;)
            (void)pause();
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_runs, set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(the_agent_alone, set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(everything, set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(a_service, set_up, rig_tear_down),
    };

    return cmocka_run_group_tests_name("agent_stop", tests, NULL, NULL);
}
