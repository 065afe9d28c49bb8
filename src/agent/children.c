/*
 * children.c - the keeper, the local hub, and children that do one thing and end.
 *
 * Keeper and local hub are found by their sockets: where somebody answers, it is taken over,
 * whoever started it; else a new one is started. They outlive the agent.
 */
#include "agent/agent_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum {
    UP_MS = 5000,
    LOOK_MS = 10,
    ANSWER_MAX = 4 << 20,
    ARGS_MAX = 12,
    FIRST_MS = 100, /* between two starts of the local hub, then twice as long each time */
    DOUBLINGS = 6
};

/* In the child. Descriptors of ours are close-on-exec, all of them. */
static void become(const char *program, const char *const *args, int in, int out)
{
    char *argv[ARGS_MAX + 2];
    size_t n = 0;
    sigset_t none;
    argv[n++] = (char *)(uintptr_t)program;
    for (size_t i = 0; args[i] && n < ARGS_MAX; i++)
        argv[n++] = (char *)(uintptr_t)args[i];
    argv[n] = NULL;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    if (dup2(in, STDIN_FILENO) < 0 || (out >= 0 && dup2(out, STDOUT_FILENO) < 0))
        _exit(127);
    (void)execv(program, argv);
    _exit(127);
}

/* A process of its own session, so that no terminal and no signal of ours reaches it. */
static int start(struct sk_agent *a, const char *const *args, bool is_hub, int64_t *pid,
                 struct sk_err *err)
{
    static const char failed[] = "skerry: the local hub's user cannot be taken\n";

    SK_AUTO(sk_close) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return sk_fail_errno(err, "/dev/null");
    pid_t child = fork();
    if (child < 0)
        return sk_fail_errno(err, "starting '%s'", args[0]);
    if (child == 0) {
        (void)setsid();
        (void)unsetenv("LISTEN_FDS");
        (void)unsetenv("LISTEN_PID");
        (void)unsetenv("WATCHDOG_USEC");
        (void)unsetenv("WATCHDOG_PID");
        if (is_hub && sk_agent_hub_uid() != 0 && sk_agent_hub_become() < 0) {
            (void)!write(STDERR_FILENO, failed, sizeof failed - 1);
            _exit(127);
        }
        become(a->program, args, null, null);
    }
    *pid = child;
    return 0;
}

static void reap(int64_t *pid, const char *what)
{
    int status;
    if (*pid <= 0 || waitpid((pid_t)*pid, &status, WNOHANG) != (pid_t)*pid)
        return;
    sk_log(SK_WARN, "child_ended", "what=%s pid=%lld status=%d", what, (long long)*pid, status);
    *pid = 0;
}

/* ---- the keeper ---- */

static int start_keeper(struct sk_agent *a, const char *path, struct sk_err *err)
{
    const char *const args[] = { "edge-keeper", "--socket", path, NULL };
    const uint64_t until = sk_now_ms() + UP_MS;
    reap(&a->keeper_pid, "keeper");
    (void)atomic_fetch_add(&a->keeper_starts, 1);
    if (start(a, args, false, &a->keeper_pid, err) < 0)
        return -1;
    while (sk_keeper_connect(path, &a->keeper, err) < 0) {
        if (sk_now_ms() > until)
            return sk_wrap(err, "the socket keeper does not come up");
        (void)poll(NULL, 0, LOOK_MS);
    }
    sk_log(SK_INFO, "keeper_started", "pid=%lld", (long long)a->keeper_pid);
    return 0;
}

static int ignore_port(void *ctx, const struct sk_keeper_port *p, struct sk_err *err)
{
    (void)ctx, (void)p, (void)err;
    return 0;
}

int sk_agent_keeper(struct sk_agent *a, struct sk_keeper **out, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_path_join(a->run_dir, "keeper.sock");
    if (!path)
        return sk_nomem(err);
    if (a->keeper && sk_keeper_list(a->keeper, ignore_port, NULL, err) < 0) {
        sk_keeper_free(a->keeper);
        a->keeper = NULL;
    }
    if (!a->keeper && sk_keeper_connect(path, &a->keeper, err) < 0 &&
        start_keeper(a, path, err) < 0)
        return -1;
    *out = a->keeper;
    return 0;
}

/* ---- the local hub ---- */

static int start_hub(struct sk_agent *a, struct sk_err *err)
{
    SK_OWN(free) char *dir = sk_path_join(a->dir, "hub");
    SK_OWN(free) char *certs = sk_path_join(a->dir, "tls");
    SK_OWN(free) char *wire = sk_agent_hub_socket(a);
    const uid_t uid = sk_agent_hub_uid();
    if (!dir || !certs || !wire)
        return sk_nomem(err);
    const char *const args[] = { "edge-hub", "--dir",  dir,  "--run-dir",
                                 a->run_dir, "--wire", wire, uid != 0 ? "--confine" : NULL,
                                 certs,      NULL };
    if (sk_agent_hub_folders(a, err) < 0 || start(a, args, true, &a->hub_pid, err) < 0)
        return -1;
    a->hub_started_ms = sk_now_ms();
    sk_log(SK_INFO, "localhub_started", "pid=%lld user=%u", (long long)a->hub_pid,
           (unsigned)(uid != 0 ? uid : geteuid()));
    return 0;
}

int sk_agent_children(struct sk_agent *a, struct sk_err *err)
{
    struct sk_keeper *keeper;
    bool is_linked;
    {
        SK_LOCK(&a->wire_lock);
        is_linked = a->wire != NULL;
    }
    reap(&a->hub_pid, "localhub");
    if (is_linked)
        a->hub_failures = 0;
    if (!is_linked && a->hub_pid == 0 && sk_now_ms() >= a->hub_not_before_ms) {
        /* Somebody may listen there whom an earlier agent started: link.c finds out first. */
        a->hub_not_before_ms = sk_now_ms() + ((uint64_t)FIRST_MS << a->hub_failures);
        if (a->hub_failures < DOUBLINGS)
            a->hub_failures++;
        if (start_hub(a, err) < 0)
            return -1;
    }
    SK_LOCK(&a->keeper_lock);
    reap(&a->keeper_pid, "keeper");
    return sk_agent_keeper(a, &keeper, err);
}

int sk_agent_await_socket(struct sk_agent *a, const char *path, struct sk_err *err)
{
    const uint64_t until = sk_now_ms() + 2 * UP_MS;
    struct stat st;
    while (stat(path, &st) < 0 || !S_ISSOCK(st.st_mode)) {
        if (sk_now_ms() > until || atomic_load(&a->stops))
            return sk_fail(err, SK_TIMEOUT, "the local hub has not opened '%s'", path);
        (void)poll(NULL, 0, LOOK_MS);
    }
    return 0;
}

/* ---- a child that answers ---- */

/* Both ways at once: neither side may wait for the other with a full pipe. */
static int talk(int to, int from, struct sk_view order, uint64_t until, struct sk_buf *out,
                struct sk_err *err)
{
    SK_AUTO(sk_close) int in = to;
    size_t sent = 0;
    for (;;) {
        char bytes[16384];
        struct pollfd fds[] = { { .fd = from, .events = POLLIN }, { .fd = in, .events = POLLOUT } };
        uint64_t now = sk_now_ms();
        if (now >= until)
            return sk_fail(err, SK_TIMEOUT, "no answer in time");
        if (poll(fds, in >= 0 ? 2 : 1, (int)(until - now)) < 0 && errno != EINTR)
            return sk_fail_errno(err, "poll");
        if (in >= 0 && fds[1].revents) {
            ssize_t n = write(in, order.ptr + sent, order.len - sent);
            if (n > 0)
                sent += (size_t)n;
            if ((n < 0 && errno != EAGAIN && errno != EINTR) || sent == order.len)
                sk_close(&in);
        }
        if (!fds[0].revents)
            continue;
        ssize_t n = read(from, bytes, sizeof bytes);
        if (n == 0)
            return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
        if (n > 0)
            sk_buf_add(out, bytes, (size_t)n);
        else if (errno != EAGAIN && errno != EINTR)
            return sk_fail_errno(err, "read");
    }
}

int sk_agent_child_call(struct sk_agent *a, const char *command, struct sk_view order,
                        unsigned timeout_ms, struct sk_buf *out, struct sk_err *err)
{
    int to[2] = { -1, -1 }, from[2] = { -1, -1 };
    const char *const args[] = { command, NULL };
    int status = 0;
    if (pipe2(to, O_CLOEXEC) < 0)
        return sk_fail_errno(err, "pipe");
    if (pipe2(from, O_CLOEXEC) < 0) {
        (void)close(to[0]);
        (void)close(to[1]);
        return sk_fail_errno(err, "pipe");
    }
    pid_t child = fork();
    if (child == 0)
        become(a->program, args, to[0], from[1]);
    (void)close(to[0]);
    (void)close(from[1]);
    int rc = -1;
    if (child < 0) {
        (void)close(to[1]);
        (void)sk_fail_errno(err, "starting '%s'", command);
    } else {
        (void)fcntl(to[1], F_SETFL, O_NONBLOCK);
        rc = talk(to[1], from[0], order, sk_now_ms() + timeout_ms, out, err);
        if (rc < 0)
            (void)kill(child, SIGKILL);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
        if (rc == 0 && status != 0)
            rc = sk_fail(err, SK_REMOTE, "'%s' ended with status %d", command, status);
    }
    (void)close(from[0]);
    return rc;
}
