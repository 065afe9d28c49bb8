/*
 * stop.c - ends an agent from outside, and on demand all that it left running: modules, the local
 * hub, the keeper. Works from what lies on the disk, so it needs no agent that answers.
 *
 * The folder's lock is taken when the agent is gone and held to the end: none can begin meanwhile.
 * Modules go first, so that the local hub can still keep what they say last; the keeper goes last,
 * since the ports are its own.
 */
#include "agent/agent_priv.h"

#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    AGENT_MS = 60000, /* a module's thread may wait for its instance that long */
    GRACE_MS = 10000,
    HUB_MS = 15000,
    LOOK_MS = 20,
    ENVIRON_MAX = 4 << 20
};

/* A service that notifies is started again as soon as it ends. */
static bool is_service(int64_t pid)
{
    static const char name[] = "NOTIFY_SOCKET=";
    SK_OWN(free) char *text = NULL;
    struct sk_err ignored = SK_ERR_INIT;
    char path[40];
    size_t len = 0;
    (void)snprintf(path, sizeof path, "/proc/%lld/environ", (long long)pid);
    if (sk_file_read(path, ENVIRON_MAX, &text, &len, &ignored) < 0)
        return false;
    for (size_t at = 0; at < len; at += strnlen(text + at, len - at) + 1)
        if (len - at >= sizeof name && strncmp(text + at, name, sizeof name - 1) == 0)
            return true;
    return false;
}

/* The process that listens at a socket of ours; 0: none. */
static pid_t listener(const char *path)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    struct ucred who = { .pid = 0 };
    socklen_t len = sizeof who;
    SK_AUTO(sk_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 ||
        (size_t)snprintf(to.sun_path, sizeof to.sun_path, "%s", path) >= sizeof to.sun_path)
        return 0;
    if (connect(fd, (const struct sockaddr *)&to, sizeof to) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
        return 0;
    return who.pid;
}

/* SIGTERM for the agent that is there, if one is and it has not had it. */
static int end_agent(struct sk_agent *a, struct sk_agent_stopped *out, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_path_join(a->run_dir, "agent.sock");
    if (!path)
        return sk_nomem(err);
    pid_t pid = listener(path);
    if (pid <= 1 || pid == out->agent_pid)
        return 0;
    SK_AUTO(sk_close) int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0 || listener(path) != pid)
        return 0;
    if (is_service(pid))
        return sk_fail(err, SK_BUSY,
                       "systemd would start the agent again: 'systemctl stop skerry-edge' first");
    if (syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) < 0 && errno != ESRCH)
        return sk_fail_errno(err, "the agent, process %d", (int)pid);
    out->agent_pid = pid;
    return 0;
}

/* Until the folder's lock is ours. One that is just starting or ending does not listen. */
static int end_and_lock(struct sk_agent *a, struct sk_agent_stopped *out, struct sk_err *err)
{
    const uint64_t until = sk_now_ms() + AGENT_MS;
    SK_OWN(free) char *lock = sk_agent_path(a->dir, "agent.lock", NULL);
    if (!lock)
        return sk_nomem(err);
    a->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (a->lock_fd < 0)
        return sk_fail_errno(err, "'%s'", lock);
    while (flock(a->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return sk_fail_errno(err, "'%s'", lock);
        if (end_agent(a, out, err) < 0)
            return -1;
        if (sk_now_ms() > until)
            return sk_fail(err, SK_TIMEOUT, "the agent of '%s' does not end", a->dir);
        (void)poll(NULL, 0, LOOK_MS);
    }
    return 0;
}

/* ---- what outlives it ---- */

static int stop_module(struct sk_agent *a, const char *name, struct sk_agent_stopped *out,
                       struct sk_err *err)
{
    struct sk_agent_record r = { .next = 1 };
    struct sk_agent_slot *slots[SK_AGENT_TOLD_MAX];
    int rc = sk_agent_record_load(a->dir, name, &r, err);
    size_t n = rc == 0 ? sk_agent_record_slots(&r, slots) : 0;
    if (rc < 0)
        sk_log(SK_WARN, "record_failed", "error=\"%s\" what_next=\"the sweep finds it\"",
               err->text);
    rc = 0;
    for (size_t k = 0; k < n && rc == 0; k++) {
        struct sk_runtime_status status;
        if (!slots[k]->spec || !slots[k]->is_started)
            continue;
        if (sk_runtime_status(&a->host, &slots[k]->instance, &status, err) == 0 &&
            status.state == SK_RUNTIME_RUNNING)
            out->instances++;
        rc = sk_runtime_stop(&a->host, &slots[k]->instance, GRACE_MS, err);
        if (rc == 0)
            rc = sk_runtime_remove(&a->host, &slots[k]->instance, err);
        if (rc < 0)
            rc = sk_wrap(err, "module '%s'", name);
        else
            slots[k]->is_started = false; /* an end that is not its own: no restart, no death */
    }
    if (rc == 0 && n > 0)
        rc = sk_agent_record_save(a->dir, name, &r, err);
    sk_agent_record_clear(&r);
    return rc;
}

static int stop_modules(struct sk_agent *a, struct sk_agent_stopped *out, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_agent_path(a->dir, "state", "modules");
    SK_AUTO(sk_dir_done) struct sk_dir dir = { .count = 0 };
    if (!path)
        return sk_nomem(err);
    if (sk_is_dir(path) && sk_dir_read(path, &dir, err) < 0)
        return -1;
    for (size_t i = 0; i < dir.count; i++) {
        char name[SK_AGENT_NAME];
        if (sk_ends_with(dir.names[i], ".json") &&
            sk_agent_record_name(dir.names[i], name, sizeof name) &&
            stop_module(a, name, out, err) < 0)
            return -1;
    }
    return sk_runtime_sweep(&a->host, NULL, 0, err);
}

static int stop_hub(struct sk_agent *a, struct sk_agent_stopped *out, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_agent_hub_socket(a);
    if (!path)
        return sk_nomem(err);
    pid_t pid = listener(path);
    if (pid <= 1)
        return 0;
    SK_AUTO(sk_close) int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd end = { .fd = fd, .events = POLLIN };
    if (fd < 0 || listener(path) != pid)
        return 0;
    out->hub_pid = pid;
    if (syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) < 0)
        return errno == ESRCH ? 0 : sk_fail_errno(err, "the local hub, process %d", (int)pid);
    if (poll(&end, 1, HUB_MS) > 0)
        return 0;
    sk_log(SK_WARN, "localhub_killed", "pid=%d", (int)pid);
    (void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
    (void)poll(&end, 1, HUB_MS);
    return 0;
}

static int stop_keeper(struct sk_agent *a, struct sk_agent_stopped *out, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_path_join(a->run_dir, "keeper.sock");
    if (!path)
        return sk_nomem(err);
    if (sk_keeper_connect(path, &a->keeper, err) < 0)
        return err->code == SK_BUSY ? 0 : -1;
    out->has_keeper = true;
    return sk_keeper_stop(a->keeper, err);
}

int sk_agent_stop(const struct sk_agent_options *opts, bool is_all, struct sk_agent_stopped *out,
                  struct sk_err *err)
{
    SK_AUTO(sk_agent_close) struct sk_agent a = SK_AGENT_INIT;
    *out = (struct sk_agent_stopped){ .agent_pid = 0 };
    if (sk_agent_open_to_stop(&a, opts, err) < 0 || end_and_lock(&a, out, err) < 0)
        return -1;
    if (!is_all)
        return 0;
    if (stop_modules(&a, out, err) < 0 || stop_hub(&a, out, err) < 0)
        return -1;
    return stop_keeper(&a, out, err);
}
