/*
 * proc.c - processes by number and start time.
 *
 * A number alone is used again sooner or later; with field 22 of /proc/PID/stat (clock ticks since
 * the system started) it names one process. Signals go through a pidfd that was opened before the
 * start time was looked at, so they cannot reach another.
 */
#include "runtime/runtime_priv.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

enum {
    STAT_BYTES = 1024
};

/* Proc files have no size, and sk_file_read wants none of them larger: one read is enough. */
static bool read_small(const char *path, char *out, size_t cap)
{
    SK_AUTO(sk_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;

    while (fd >= 0 && len < cap - 1) {
        ssize_t n = read(fd, out + len, cap - 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    out[len] = '\0';
    return len > 0;
}

bool sk_rt_proc_read(int64_t pid, struct sk_rt_proc *out)
{
    char path[64], text[STAT_BYTES];
    struct sk_rt_proc p = { .pid = pid };
    const char *at;

    (void)snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
    if (pid <= 0 || !read_small(path, text, sizeof text))
        return false;
    at = strrchr(text, ')'); /* the name may hold anything, parentheses too */
    if (!at || sscanf(at + 1,
                      " %c %" SCNd64 " %*d %" SCNd64 " %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d"
                      " %*d %*d %*d %*d %*d %" SCNu64,
                      &p.state, &p.parent, &p.session, &p.start_ticks) != 4)
        return false;
    *out = p;
    return true;
}

bool sk_rt_proc_is(int64_t pid, uint64_t start_ticks)
{
    struct sk_rt_proc p;

    return sk_rt_proc_read(pid, &p) && p.start_ticks == start_ticks && p.state != 'Z' &&
           p.state != 'X';
}

int sk_rt_proc_open(int64_t pid, uint64_t start_ticks)
{
    SK_AUTO(sk_close) int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, (pid_t)pid, 0) : -1;

    if (fd < 0 || !sk_rt_proc_is(pid, start_ticks))
        return -1;
    return sk_take_fd(&fd);
}

bool sk_rt_proc_signal(int pidfd, int sig)
{
    return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) == 0;
}

bool sk_rt_proc_wait(int pidfd, uint64_t ms)
{
    const uint64_t until = sk_now_ms() + ms;

    for (;;) {
        struct pollfd p = { .fd = pidfd, .events = POLLIN };
        uint64_t now = sk_now_ms();
        int rc = poll(&p, 1, now < until ? (int)(until - now) : 0);

        if (rc > 0)
            return true;
        if (rc == 0 || errno != EINTR)
            return false;
    }
}

int64_t sk_rt_proc_started_ms(uint64_t start_ticks)
{
    struct timespec up;
    const int64_t per_second = sysconf(_SC_CLK_TCK);

    if (clock_gettime(CLOCK_BOOTTIME, &up) < 0 || per_second <= 0)
        return 0;
    int64_t up_ms = (int64_t)up.tv_sec * 1000 + up.tv_nsec / 1000000;
    return (int64_t)sk_wall_ms() - (up_ms - (int64_t)start_ticks * 1000 / per_second);
}

/* Every process, until each says false. */
static int each_process(bool (*each)(void *ctx, const struct sk_rt_proc *p), void *ctx,
                        struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };

    if (sk_dir_read("/proc", &dir, err) < 0)
        return -1;
    for (size_t i = 0; i < dir.count; i++) {
        struct sk_rt_proc p;
        uint64_t pid = 0;
        struct sk_err ignored = SK_ERR_INIT;

        if (sk_parse_u64("pid", dir.names[i], 1, INT32_MAX, &pid, &ignored) == 0 &&
            sk_rt_proc_read((int64_t)pid, &p) && !each(ctx, &p))
            return 0;
    }
    return 0;
}

struct session {
    int64_t id;
    size_t alive;
};

static bool kill_member(void *ctx, const struct sk_rt_proc *p)
{
    struct session *s = ctx;

    if (p->session != s->id || p->state == 'Z' || p->state == 'X')
        return true;
    SK_AUTO(sk_close) int fd = sk_rt_proc_open(p->pid, p->start_ticks);
    if (fd >= 0) {
        s->alive++;
        (void)sk_rt_proc_signal(fd, SIGKILL);
    }
    return true;
}

int sk_rt_session_kill(int64_t session, uint64_t ms, struct sk_err *err)
{
    const uint64_t until = sk_now_ms() + ms;

    for (;;) {
        struct session s = { .id = session };

        if (each_process(kill_member, &s, err) < 0)
            return -1;
        if (s.alive == 0)
            return 0;
        if (sk_now_ms() >= until)
            return sk_fail(err, SK_TIMEOUT, "%zu processes do not end", s.alive);
        (void)usleep(10000);
    }
}
