/*
 * landlock.c - which paths a child sees (Landlock, Linux 5.13 and later).
 *
 * The rules are made here, in the agent, from paths that are there; what is missing is passed over.
 * Only the descriptor of the finished set goes to the child, which restricts itself with it and
 * adds /proc/self, whose meaning is another in each process. Unix sockets are connected to by path
 * without any rule; who may is said by their modes.
 *
 * Where there is no Landlock, file modes and the user id are what is left, and the caller says so.
 */
#include "runtime/runtime_priv.h"

#include "base/file.h"
#include "base/str.h"

#include <string.h>

static const uint64_t meaning[] = {
    [SK_RT_PATH_READ] = SK_LL_READ,
    [SK_RT_PATH_RUN] = SK_LL_RUN,
    [SK_RT_PATH_WRITE] = SK_LL_READ | SK_LL_WRITE_FILE | SK_LL_REMOVE_DIR | SK_LL_REMOVE_FILE |
                         SK_LL_MAKE_DIR | SK_LL_MAKE_REG | SK_LL_MAKE_SOCK | SK_LL_MAKE_SYM |
                         SK_LL_REFER | SK_LL_TRUNCATE,
    [SK_RT_PATH_DEVICE] = SK_LL_READ_FILE | SK_LL_WRITE_FILE | SK_LL_IOCTL_DEV,
};

int sk_rt_landlock_make(const struct sk_rt_paths *paths, bool may_bind, int *out,
                        struct sk_err *err)
{
    struct sk_landlock set;
    *out = -1;
    if (sk_landlock_make(may_bind, &set, err) < 0)
        return -1;
    SK_AUTO(sk_close) int fd = set.fd;
    for (size_t i = 0; i < paths->count && fd >= 0; i++) {
        const struct sk_rt_path *p = &paths->items[i];
        if (sk_landlock_allow(fd, set.known, p->path, meaning[p->access]) < 0)
            return sk_fail_errno(err, "landlock: '%s'", p->path);
    }
    *out = sk_take_fd(&fd);
    return 0;
}

int sk_rt_landlock_enter(int ruleset)
{
    (void)sk_landlock_allow(ruleset, UINT64_MAX, "/proc/self", SK_LL_READ);
    return sk_landlock_enter(ruleset);
}

/* ---- lists of paths ---- */

void sk_rt_paths_add(struct sk_rt_paths *p, enum sk_rt_path_access access, const char *path)
{
    if (p->has_failed || !path || !path[0])
        return;
    if (p->count == SK_RT_PATHS_MAX || !(p->items[p->count].path = strdup(path))) {
        p->has_failed = true;
        return;
    }
    p->items[p->count++].access = access;
}

void sk_rt_paths_done(struct sk_rt_paths *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->items[i].path);
    p->count = 0;
}

/* What any of our programs needs to start, to look up names, and to check certificates. */
void sk_rt_paths_system(struct sk_rt_paths *p)
{
    static const char *const run[] = { "/lib", "/lib64", "/usr/lib", "/usr/lib64",
                                       "/usr/local/lib" };
    /* /etc as a folder: what a network service renames into it is another file than before */
    static const char *const read[] = { "/etc",
                                        "/run/systemd/resolve",
                                        "/run/NetworkManager",
                                        "/run/resolvconf",
                                        "/usr/share/ca-certificates",
                                        "/usr/local/share/ca-certificates",
                                        "/usr/share/zoneinfo",
                                        "/proc/cpuinfo",
                                        "/proc/meminfo",
                                        "/proc/stat",
                                        "/proc/uptime",
                                        "/proc/sys/kernel",
                                        "/proc/sys/vm",
                                        "/sys/devices/system",
                                        "/sys/fs/cgroup",
                                        "/dev/urandom",
                                        "/dev/random" };

    for (size_t i = 0; i < sizeof run / sizeof run[0]; i++)
        sk_rt_paths_add(p, SK_RT_PATH_RUN, run[i]);
    for (size_t i = 0; i < sizeof read / sizeof read[0]; i++)
        sk_rt_paths_add(p, SK_RT_PATH_READ, read[i]);
    sk_rt_paths_add(p, SK_RT_PATH_DEVICE, "/dev/null");
    sk_rt_paths_add(p, SK_RT_PATH_DEVICE, "/dev/zero");
}

/* The folders of the libraries that a program maps beside the system's: its run paths are those of
 * the agent, which is the same program. */
int sk_rt_paths_program(struct sk_rt_paths *p, const char *program, struct sk_err *err)
{
    SK_OWN(free) char *maps = NULL;
    size_t len = 0;

    sk_rt_paths_add(p, SK_RT_PATH_RUN, program);
    if (sk_file_read("/proc/self/maps", 4 << 20, &maps, &len, err) < 0)
        return -1;
    for (char *line = maps; *line;) {
        char *end = strchr(line, '\n');
        char *path = NULL;

        if (end)
            *end = '\0';
        path = strchr(line, '/');
        if (path && strstr(path, ".so") && !sk_starts_with(path, "/usr/lib/") &&
            !sk_starts_with(path, "/lib/")) {
            bool is_there = false;
            for (size_t i = 0; i < p->count; i++)
                is_there = is_there || strcmp(p->items[i].path, path) == 0;
            if (!is_there)
                sk_rt_paths_add(p, SK_RT_PATH_RUN, path);
        }
        line = end ? end + 1 : line + strlen(line);
    }
    return 0;
}
