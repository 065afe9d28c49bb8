/*
 * native.c - the native row: instances that are processes of this machine.
 *
 * An instance is known by process number and start time. Its end is seen in one of two ways: as its
 * parent, with an exit status that is written to its folder before the process is reaped; or, by an
 * agent that came later, as a process that is not there any more, of which nobody can tell how it
 * ended (exit code -1, failed).
 *
 * Stop: SIGTERM to the process, time to drain, SIGKILL to whatever is left of its control group, or
 * of its session where there are none. No other code of the program may wait for children of it.
 */
#include "runtime/runtime_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum {
    KILL_MS = 5000,
    SWEEP_GRACE_MS = 2000
};

static int find_groups(const struct sk_runtime_host *h, struct sk_rt_cgroups *out,
                       struct sk_err *err)
{
    if (sk_mkdirs(h->run_dir, 0711, err) < 0)
        return -1;
    return sk_rt_cgroups_find(h->cgroup_root, h->run_dir, out, err);
}

static int check(const struct sk_runtime_host *h, const struct sk_runtime_start *s, char *note,
                 struct sk_err *err)
{
    struct sk_rt_cgroups cg;

    return find_groups(h, &cg, err) < 0 ? -1 : sk_rt_launch_check(h, s, &cg, note, err);
}

/* ---- the end ---- */

/* The number may be that of another child of ours by now. */
static bool is_its_number(const struct sk_instance *i)
{
    struct sk_rt_proc p;

    return sk_rt_proc_read(i->pid, &p) && p.start_ticks == i->start_ticks;
}

/* As its parent, once: written down, then reaped. What cannot be written down is told, and seen
 * again at the next call. */
static void see_end(const struct sk_runtime_host *h, const struct sk_instance *i,
                    struct sk_rt_cgroups *cg, struct sk_rt_exit *out)
{
    siginfo_t info = { .si_pid = 0 };
    struct sk_err why = SK_ERR_INIT;
    struct sk_rt_exit e = { .code = -1 };

    if (!is_its_number(i) || waitid(P_PID, (id_t)i->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
        info.si_pid == 0)
        return;
    e.code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    e.oom_killed = info.si_code != CLD_EXITED && sk_rt_cgroup_oom(cg, i->instance);
    e.finished_ms = (int64_t)sk_wall_ms();
    *out = e;
    if (sk_rt_keep_exit(h, i->instance, &e, &why) < 0) {
        sk_log(SK_WARN, "exit_not_kept", "instance=%s reason=\"%s\" next=\"asking again\"",
               i->instance, why.text);
        return;
    }
    (void)waitid(P_PID, (id_t)i->pid, &info, WEXITED | WNOHANG);
}

/* What was inside it when it died: it did not get to answer. */
static uint32_t lost_requests(const struct sk_runtime_host *h, const struct sk_instance *i)
{
    char path[SK_RT_PATH];
    uint32_t count = 0;
    struct sk_err ignored = SK_ERR_INIT;

    if (sk_rt_keep_path(h, i->instance, "inside", path, &ignored) < 0)
        return 0;
    SK_AUTO(sk_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 && read(fd, &count, sizeof count) == (ssize_t)sizeof count ? count : 0;
}

static void tell_end(const struct sk_rt_exit *e, struct sk_runtime_status *out)
{
    out->state = e->code == 0 ? SK_RUNTIME_STOPPED : SK_RUNTIME_FAILED;
    out->exit_code = e->code;
    out->oom_killed = e->oom_killed;
    out->finished_ms = e->finished_ms;
    if (e->code < 0)
        (void)snprintf(out->text, sizeof out->text,
                       "Exited, with a status that nobody saw: the agent was not running");
    else
        (void)snprintf(out->text, sizeof out->text, "Exited (%d)%s", e->code,
                       e->oom_killed ? ", out of memory" : "");
}

static int status(const struct sk_runtime_host *h, const struct sk_instance *i,
                  struct sk_runtime_status *out, struct sk_err *err)
{
    struct sk_runtime_status st = { .state = SK_RUNTIME_GONE };
    struct sk_rt_cgroups cg;
    struct sk_rt_exit e = { .code = -1, .finished_ms = (int64_t)sk_wall_ms() };
    struct sk_err why = SK_ERR_INIT;
    char folder[SK_RT_PATH];

    (void)snprintf(st.text, sizeof st.text, "gone");
    if (find_groups(h, &cg, err) < 0 || sk_rt_keep_path(h, i->instance, NULL, folder, err) < 0)
        return -1;
    if (!sk_is_dir(folder)) {
        *out = st;
        return 0;
    }
    st.started_ms = i->start_ticks ? sk_rt_proc_started_ms(i->start_ticks) : 0;
    if (sk_rt_proc_is(i->pid, i->start_ticks)) {
        st.state = SK_RUNTIME_RUNNING;
        (void)snprintf(st.text, sizeof st.text, "running");
        *out = st;
        return 0;
    }
    if (!sk_rt_keep_ended(h, i->instance, &e)) {
        see_end(h, i, &cg, &e);
        if (!sk_rt_keep_ended(h, i->instance, &e) &&
            sk_rt_keep_exit(h, i->instance, &e, &why) < 0) /* so that the time stays the same */
            sk_log(SK_DEBUG, "exit_not_kept", "instance=%s reason=\"%s\"", i->instance, why.text);
    }
    tell_end(&e, &st);
    st.lost_requests = lost_requests(h, i);
    if (st.lost_requests > 0) {
        const size_t len = strlen(st.text);
        (void)snprintf(st.text + len, sizeof st.text - len, "; %u requests were inside it",
                       (unsigned)st.lost_requests);
    }
    *out = st;
    return 0;
}

static int watch(const struct sk_instance *i)
{
    return sk_rt_proc_open(i->pid, i->start_ticks);
}

/* ---- start, stop, remove ---- */

static int remove_instance(const struct sk_runtime_host *h, const struct sk_instance *i,
                           struct sk_err *err)
{
    struct sk_rt_cgroups cg;
    struct sk_rt_exit e;
    siginfo_t info;
    char folder[SK_RT_PATH];

    if (find_groups(h, &cg, err) < 0 || sk_rt_keep_path(h, i->instance, NULL, folder, err) < 0)
        return -1;
    if (sk_rt_proc_is(i->pid, i->start_ticks))
        return sk_fail(err, SK_BUSY, "instance '%s' runs: stop it first", i->instance);
    if (sk_is_dir(folder))
        see_end(h, i, &cg, &e);
    if (is_its_number(i)) /* not written down, and nobody will ask any more */
        (void)waitid(P_PID, (id_t)i->pid, &info, WEXITED | WNOHANG);
    if (i->control[0])
        (void)unlink(i->control);
    if (sk_rt_cgroup_remove(&cg, i->instance, err) < 0)
        return sk_wrap(err, "instance '%s'", i->instance);
    return sk_remove_tree(folder, err);
}

static int start(const struct sk_runtime_host *h, const struct sk_runtime_start *s,
                 struct sk_instance *out, struct sk_err *err)
{
    struct sk_rt_cgroups cg;
    struct sk_err ignored = SK_ERR_INIT;

    if (find_groups(h, &cg, err) < 0)
        return -1;
    if (sk_rt_launch(h, s, &cg, out, err) == 0)
        return 0;
    out->pid = 0;
    sk_rt_find_full(err);
    if (err->code != SK_EXISTS)
        (void)!remove_instance(h, out, &ignored); /* a sweep finds what stays */
    return -1;
}

/* Without control groups its session is what can be killed. The number of one that has members is
 * not given to another process, so when there is another process of that number, nothing is left.
 */
static int kill_rest(struct sk_rt_cgroups *cg, const struct sk_instance *i, struct sk_err *err)
{
    struct sk_rt_proc p;

    if (cg->count > 0)
        return sk_rt_cgroup_kill(cg, i->instance, KILL_MS, err);
    if (i->pid <= 1 || (sk_rt_proc_read(i->pid, &p) && p.start_ticks != i->start_ticks))
        return 0;
    return sk_rt_session_kill(i->pid, KILL_MS, err);
}

static int stop(const struct sk_runtime_host *h, const struct sk_instance *i, unsigned grace_ms,
                struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = sk_rt_proc_open(i->pid, i->start_ticks);
    struct sk_rt_cgroups cg;
    struct sk_rt_exit e;

    if (find_groups(h, &cg, err) < 0)
        return -1;
    if (fd >= 0 && sk_rt_proc_signal(fd, SIGTERM) && !sk_rt_proc_wait(fd, grace_ms))
        sk_log(SK_WARN, "module_killed", "instance=%s grace_ms=%u", i->instance, grace_ms);
    if (fd >= 0)
        (void)sk_rt_proc_signal(fd, SIGKILL); /* if it has not ended */
    if (kill_rest(&cg, i, err) < 0)
        return sk_wrap(err, "instance '%s'", i->instance);
    if (fd >= 0 && !sk_rt_proc_wait(fd, KILL_MS))
        return sk_fail(err, SK_TIMEOUT, "instance '%s' does not end", i->instance);
    see_end(h, i, &cg, &e);
    return 0;
}

static bool has_process(const struct sk_runtime_host *h, const struct sk_instance *i, pid_t pid,
                        uid_t uid)
{
    struct sk_rt_cgroups cg;
    struct sk_err ignored = SK_ERR_INIT;
    struct sk_rt_proc p;

    if (find_groups(h, &cg, &ignored) == 0 && cg.count > 0)
        return sk_rt_cgroup_has(&cg, i->instance, pid);
    if (i->uid > 0)
        return uid == i->uid;
    return sk_rt_proc_read(pid, &p) && p.session == i->pid && sk_rt_proc_is(i->pid, i->start_ticks);
}

/* It answers, or is measured: from here on the priority of its threads is that of others. */
void sk_rt_native_awake(const struct sk_instance *i)
{
    if (geteuid() == 0 && sk_rt_proc_is(i->pid, i->start_ticks))
        (void)setpriority(PRIO_PGRP, (id_t)i->pid, 0); /* all threads of its session's first group
                                                        */
}

/* ---- logs ---- */

static bool is_running(void *ctx)
{
    const struct sk_instance *i = ctx;

    return sk_rt_proc_is(i->pid, i->start_ticks);
}

static int logs(const struct sk_runtime_host *h, const struct sk_instance *i, unsigned tail,
                int64_t since_s, int64_t until_s, bool follow, SK_RT_SINK, void *ctx,
                struct sk_err *err)
{
    return sk_rt_logs_read(h, i->module, tail, since_s, until_s, follow ? is_running : NULL,
                           (void *)(uintptr_t)i, sink, ctx, err);
}

/* ---- sweep ---- */

struct sweep {
    const struct sk_runtime_host *h;
    const struct sk_instance *known;
    size_t count;
    struct sk_rt_cgroups *cg;
    struct sk_err failed; /* of the first that could not be ended */
};

static bool is_known(const struct sweep *s, const char *instance)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->known[i].kind == SK_RUNTIME_NATIVE && strcmp(s->known[i].instance, instance) == 0)
            return true;
    return false;
}

/* One in whose folder nothing can be read was never released, or is of a damaged disk: its control
 * group says what is left. */
static int sweep_one(const struct sweep *s, const char *instance, struct sk_err *err)
{
    struct sk_instance i = { .kind = SK_RUNTIME_NATIVE };
    struct sk_err ignored = SK_ERR_INIT;

    (void)snprintf(i.instance, sizeof i.instance, "%.159s", instance);
    (void)!sk_rt_keep_read(s->h, instance, &i, &ignored);
    sk_log(SK_INFO, "instance_swept", "instance=%s pid=%" PRId64, instance, i.pid);
    if (stop(s->h, &i, SWEEP_GRACE_MS, err) < 0)
        return -1;
    return remove_instance(s->h, &i, err);
}

/* One that cannot be ended keeps no other alive. */
static int sweep_group(void *ctx, const char *instance, struct sk_err *err)
{
    struct sweep *s = ctx;
    struct sk_err failed = SK_ERR_INIT;

    (void)err;
    if (!is_known(s, instance) && sweep_one(s, instance, &failed) < 0 && s->failed.code == SK_OK)
        s->failed = failed;
    return 0;
}

static int sweep(const struct sk_runtime_host *h, const struct sk_instance *known, size_t count,
                 struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    struct sk_rt_cgroups cg;
    char folder[SK_RT_PATH];

    if (find_groups(h, &cg, err) < 0)
        return -1;
    struct sweep s = { .h = h, .known = known, .count = count, .cg = &cg, .failed = SK_ERR_INIT };
    (void)snprintf(folder, sizeof folder, "%s/instances", h->run_dir);
    if (sk_is_dir(folder)) {
        if (sk_dir_read(folder, &dir, err) < 0)
            return -1;
        for (size_t i = 0; i < dir.count; i++)
            (void)!sweep_group(&s, dir.names[i], err);
    }
    if (sk_rt_cgroups_each(&cg, sweep_group, &s, err) < 0)
        return -1;
    if (s.failed.code == SK_OK)
        return 0;
    *err = s.failed;
    return -1;
}

const struct sk_rt_row sk_native_rt = {
    .name = "native",
    .check = check,
    .start = start,
    .status = status,
    .watch = watch,
    .stop = stop,
    .remove = remove_instance,
    .has_process = has_process,
    .logs = logs,
    .sweep = sweep,
};
