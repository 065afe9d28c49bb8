/*
 * thread.c - threads, condition variables on the monotonic clock, and the cores we may use.
 *
 * Core count: the affinity mask says where we may run, the cgroup quota how much. A quota can sit
 * on the own group or on any parent, and inside a container the path in /proc/self/cgroup may name
 * groups that are not visible there; so every prefix of the path is tried, down to the root, and
 * what cannot be read sets no limit.
 *
 *     v2  0::/system.slice/x.service     <root>/system.slice/x.service/cpu.max        "200000
 * 100000" or "max 100000" v1  4:cpu,cpuacct:/docker/abc
 * <root>/cpu,cpuacct/docker/abc/cpu.cfs_quota_us, cpu.cfs_period_us
 */
#include "base/thread.h"

#include "base/cleanup.h"
#include "base/str.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>

int sk_cond_init(pthread_cond_t *c, struct sk_err *err)
{
    pthread_condattr_t attr;
    int rc = pthread_condattr_init(&attr);
    if (rc == 0) {
        (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        rc = pthread_cond_init(c, &attr);
        (void)pthread_condattr_destroy(&attr);
    }
    if (rc == 0)
        return 0;
    errno = rc;
    return sk_fail_errno(err, "condition variable");
}

int sk_cond_wait_until(pthread_cond_t *c, pthread_mutex_t *m, unsigned long long deadline_ns)
{
    if (deadline_ns == UINT64_MAX)
        return pthread_cond_wait(c, m);
    struct timespec t = {
        .tv_sec = (time_t)(deadline_ns / 1000000000u),
        .tv_nsec = (long)(deadline_ns % 1000000000u),
    };
    return pthread_cond_timedwait(c, m, &t);
}

/* What a new thread needs before its first line; it frees this. */
struct start {
    void *(*run)(void *);
    void *arg;
    char name[16];
};

static void *thread_main(void *p)
{
    struct start *s = p;
    void *(*run)(void *) = s->run;
    void *arg = s->arg;

    (void)pthread_setname_np(pthread_self(), s->name);
    free(s);
    return run(arg);
}

int sk_thread_start(pthread_t *out, const char *name, void *(*run)(void *), void *arg,
                    struct sk_err *err)
{
    struct start *s = malloc(sizeof *s);
    sigset_t all;
    sigset_t before;

    if (!s)
        return sk_nomem(err);
    *s = (struct start){ .run = run, .arg = arg };
    (void)snprintf(s->name, sizeof s->name, "%.15s", name);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* the new thread inherits the mask */
    int rc = pthread_create(out, NULL, thread_main, s);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0)
        return 0;
    free(s);
    errno = rc;
    return sk_fail_errno(err, "thread '%s'", name);
}

/* The first line of the small file dir/name, without its newline. False: not readable. */
static bool first_line(const char *dir, const char *name, char *line, size_t size)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return false;
    SK_OWN(fclose) FILE *f = fopen(path, "re");
    if (!f || !fgets(line, (int)size, f))
        return false;
    line[strcspn(line, "\n")] = '\0';
    return true;
}

/* Quota over period, rounded up; UINT_MAX for no limit. */
static unsigned cores_of(const char *quota, const char *period)
{
    struct sk_err ignored = SK_ERR_INIT;
    uint64_t q = 0;
    uint64_t p = 0;

    /* "max" (v2) and "-1" (v1) are no numbers: no limit. */
    if (sk_parse_u64("quota", quota, 1, UINT64_MAX / 2, &q, &ignored) < 0 ||
        sk_parse_u64("period", period, 1, UINT64_MAX / 2, &p, &ignored) < 0)
        return UINT_MAX;
    uint64_t cores = (q - 1) / p + 1;
    return cores < UINT_MAX ? (unsigned)cores : UINT_MAX;
}

static unsigned quota_v2(const char *dir)
{
    char line[128];

    if (!first_line(dir, "cpu.max", line, sizeof line))
        return UINT_MAX;
    char *space = strchr(line, ' ');
    if (!space)
        return UINT_MAX;
    *space = '\0';
    return cores_of(line, space + 1);
}

static unsigned quota_v1(const char *dir)
{
    char quota[64];
    char period[64];

    if (!first_line(dir, "cpu.cfs_quota_us", quota, sizeof quota) ||
        !first_line(dir, "cpu.cfs_period_us", period, sizeof period))
        return UINT_MAX;
    return cores_of(quota, period);
}

/* The smallest quota of root/group and all its parents down to root itself. group starts with '/'.
 */
static unsigned quota_of(const char *root, const char *group, unsigned (*read_quota)(const char *))
{
    char dir[PATH_MAX];
    unsigned cores = UINT_MAX;
    size_t root_len = strlen(root);

    if (snprintf(dir, sizeof dir, "%s%s", root, group) >= (int)sizeof dir)
        return cores;
    for (;;) {
        unsigned here = read_quota(dir);
        cores = here < cores ? here : cores;
        char *slash = strrchr(dir, '/');
        if (!slash || (size_t)(slash - dir) < root_len)
            return cores;
        *slash = '\0';
    }
}

static bool names_cpu(const char *controllers)
{
    for (const char *p = controllers; *p;) {
        size_t n = strcspn(p, ",");
        if (n == 3 && memcmp(p, "cpu", 3) == 0)
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}

unsigned sk_cpu_count_at(const char *proc_cgroup, const char *cgroup_root, unsigned affinity)
{
    SK_OWN(fclose) FILE *f = fopen(proc_cgroup, "re");
    unsigned cores = affinity;
    char line[PATH_MAX];

    while (f && fgets(line, sizeof line, f)) { /* "id:controllers:path" */
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        controllers++;

        char root[PATH_MAX];
        unsigned quota = UINT_MAX;
        if (controllers[0] == '\0') {
            quota = quota_of(cgroup_root, group, quota_v2);
        } else if (names_cpu(controllers) && snprintf(root, sizeof root, "%s/%s", cgroup_root,
                                                      controllers) < (int)sizeof root) {
            quota = quota_of(root, group, quota_v1);
        }
        cores = quota < cores ? quota : cores;
    }
    return cores > 0 ? cores : 1;
}

unsigned sk_cpu_count(void)
{
    cpu_set_t set;
    unsigned affinity = 1;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        affinity = (unsigned)CPU_COUNT(&set);
    else /* more cores than cpu_set_t holds */
        affinity = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    return sk_cpu_count_at("/proc/self/cgroup", "/sys/fs/cgroup", affinity);
}
