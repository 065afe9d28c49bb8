/*
 * cgroup.c - limits of an instance, and which processes are its own.
 *
 * Control groups come as one tree (v2), as a tree per controller (v1), or as both: v1 for the
 * limits and a v2 without controllers beside it. So each limit looks for the tree that has its
 * controller, and membership is kept in one tree, the tracker: v2 where it is, else the freezer,
 * else what there is.
 *
 *     ROOT/GROUP/INSTANCE          v2     ROOT/unified/GROUP/INSTANCE      v2 beside v1
 *     ROOT/memory/GROUP/INSTANCE   v1
 *
 * GROUP stands at the top of the tree, as Docker's does: an instance outlives the agent, and the
 * agent's own group is the service manager's to remove. Its name follows from the run folder, so
 * that two agents on one machine do not take each other's instances for lost ones.
 *
 * A kill is one write (cgroup.kill), or freezing, killing each and thawing, or killing until nobody
 * is left: a process that forks meanwhile is caught by the next round.
 */
#include "runtime/runtime_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#define DEFAULT_ROOT "/sys/fs/cgroup"

enum {
    FILE_BYTES = 64 << 10,
    PERIOD_US = 100000,
    REMOVE_MS = 1000,
    MAKE_TRIES = 20
};

/* ---- files of a group ---- */

static int write_at(const char *folder, const char *name, const char *text)
{
    char path[SK_RT_CGROUP_PATH + 64];
    size_t len = strlen(text);

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    SK_AUTO(sk_close) int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    return write(fd, text, len) == (ssize_t)len ? 0 : -1;
}

/* The file's text in *out (free()); NULL: it cannot be read. */
static char *read_at(const char *folder, const char *name)
{
    char path[SK_RT_CGROUP_PATH + 64];
    char *text = NULL;
    size_t len = 0;
    struct sk_err ignored = SK_ERR_INIT;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return sk_file_read(path, FILE_BYTES, &text, &len, &ignored) == 0 ? text : NULL;
}

static bool has_file(const char *folder, const char *name)
{
    char path[SK_RT_CGROUP_PATH + 64];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

/* The number behind "key " in lines of a flat-keyed file; 0: none. */
static uint64_t keyed(const char *text, const char *key)
{
    size_t len = strlen(key);

    for (const char *at = text; at && *at; at = strchr(at, '\n'), at = at ? at + 1 : NULL)
        if (strncmp(at, key, len) == 0 && at[len] == ' ')
            return strtoull(at + len + 1, NULL, 10);
    return 0;
}

/* ---- which trees there are ---- */

static const struct {
    const char *name;
    unsigned bit;
} controllers[] = {
    { "memory", SK_RT_CG_MEMORY },
    { "cpu", SK_RT_CG_CPU },
    { "pids", SK_RT_CG_PIDS },
    { "freezer", SK_RT_CG_FREEZER },
};

static bool names_word(const char *text, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = text; (at = strstr(at, word)) != NULL; at += len)
        if ((at == text || at[-1] == ' ') && (at[len] == '\0' || at[len] == ' ' || at[len] == '\n'))
            return true;
    return false;
}

static void add_tree(struct sk_rt_cgroups *cg, const char *path, bool is_v2, unsigned bits)
{
    struct sk_rt_cgroup_tree *t = &cg->trees[cg->count];

    if (cg->count == SK_RT_CGROUP_TREES || access(path, W_OK) < 0 ||
        snprintf(t->root, sizeof t->root, "%s", path) >= (int)sizeof t->root)
        return;
    t->is_v2 = is_v2;
    t->bits = bits;
    cg->count++;
}

static void add_v2(struct sk_rt_cgroups *cg, const char *path)
{
    SK_OWN(free) char *text = read_at(path, "cgroup.controllers");
    unsigned bits = 0;

    if (!text)
        return;
    for (size_t i = 0; i < sizeof controllers / sizeof controllers[0]; i++)
        if (names_word(text, controllers[i].name))
            bits |= controllers[i].bit;
    add_tree(cg, path, true, bits);
}

static void add_v1(struct sk_rt_cgroups *cg, const char *root)
{
    for (size_t i = 0; i < sizeof controllers / sizeof controllers[0]; i++) {
        char path[SK_RT_CGROUP_PATH];

        (void)snprintf(path, sizeof path, "%.400s/%s", root, controllers[i].name);
        if (has_file(path, "cgroup.procs"))
            add_tree(cg, path, false, controllers[i].bit);
    }
}

int sk_rt_cgroups_find(const char *root, const char *run_dir, struct sk_rt_cgroups *out,
                       struct sk_err *err)
{
    const char *top = root ? root : DEFAULT_ROOT;
    SK_OWN(free) char *real = realpath(run_dir, NULL);
    char hex[SK_SHA256_HEX], path[SK_RT_CGROUP_PATH];

    *out = (struct sk_rt_cgroups){ .count = 0 };
    if (!real)
        return sk_fail_errno(err, "'%s'", run_dir);
    if (sk_sha256_hex(real, strlen(real), hex, err) < 0)
        return -1;
    (void)snprintf(out->group, sizeof out->group, "skerry-%.12s", hex);
    if (has_file(top, "cgroup.controllers")) {
        add_v2(out, top);
        return 0;
    }
    (void)snprintf(path, sizeof path, "%.400s/unified", top);
    if (has_file(path, "cgroup.procs"))
        add_v2(out, path); /* first: the tracker is the first that can kill or freeze */
    add_v1(out, top);
    return 0;
}

static struct sk_rt_cgroup_tree *tree_of(struct sk_rt_cgroups *cg, unsigned bit)
{
    for (size_t i = 0; i < cg->count; i++)
        if (cg->trees[i].bits & bit)
            return &cg->trees[i];
    return NULL;
}

static struct sk_rt_cgroup_tree *tracker(struct sk_rt_cgroups *cg)
{
    for (size_t i = 0; i < cg->count; i++)
        if (cg->trees[i].is_v2 || (cg->trees[i].bits & SK_RT_CG_FREEZER))
            return &cg->trees[i];
    return cg->count > 0 ? &cg->trees[0] : NULL;
}

static void folder_of(const struct sk_rt_cgroups *cg, const struct sk_rt_cgroup_tree *t,
                      const char *instance, char *out)
{
    (void)snprintf(out, SK_RT_CGROUP_PATH, "%s/%s%s%s", t->root, cg->group, instance ? "/" : "",
                   instance ? instance : "");
}

/* ---- limits ---- */

static unsigned wanted_bits(const struct sk_rt_limits *l)
{
    return (l->memory || l->memory_swap || l->memory_reservation ? SK_RT_CG_MEMORY : 0u) |
           (l->nano_cpus || l->cpu_quota || l->cpu_shares ? SK_RT_CG_CPU : 0u) |
           (l->pids > 0 ? SK_RT_CG_PIDS : 0u);
}

/* Our group, with the controllers handed down to the instances (v2). */
static int prepare(const struct sk_rt_cgroups *cg, const struct sk_rt_cgroup_tree *t, unsigned bits,
                   struct sk_err *err)
{
    char group[SK_RT_CGROUP_PATH];

    folder_of(cg, t, NULL, group);
    if (mkdir(group, 0755) < 0 && errno != EEXIST)
        return sk_fail_errno(err, "'%s'", group);
    for (size_t i = 0; t->is_v2 && i < sizeof controllers / sizeof controllers[0]; i++) {
        char text[32];

        if (!(bits & t->bits & controllers[i].bit))
            continue;
        (void)snprintf(text, sizeof text, "+%s", controllers[i].name);
        if (write_at(t->root, "cgroup.subtree_control", text) < 0 ||
            write_at(group, "cgroup.subtree_control", text) < 0)
            return sk_fail_errno(err, "'%s': controller %s cannot be handed to instances", group,
                                 controllers[i].name);
    }
    return 0;
}

int sk_rt_cgroup_check(struct sk_rt_cgroups *cg, const struct sk_rt_limits *l, char *note,
                       struct sk_err *err)
{
    const struct {
        bool is_wanted;
        unsigned bit;
        const char *name;
    } hard[] = {
        { l->memory > 0, SK_RT_CG_MEMORY, "HostConfig.Memory" },
        { l->nano_cpus > 0, SK_RT_CG_CPU, "HostConfig.NanoCpus" },
        { l->cpu_quota > 0, SK_RT_CG_CPU, "HostConfig.CpuQuota" },
        { l->pids > 0, SK_RT_CG_PIDS, "HostConfig.PidsLimit" },
    };

    for (size_t i = 0; i < sizeof hard / sizeof hard[0]; i++) {
        struct sk_rt_cgroup_tree *t = hard[i].is_wanted ? tree_of(cg, hard[i].bit) : NULL;
        struct sk_err why = SK_ERR_INIT;

        if (!hard[i].is_wanted)
            continue;
        if (!t)
            return sk_fail(err, SK_UNSUPPORTED,
                           "%s cannot be enforced here: no control group that this process may "
                           "write to has the controller (run the agent as root, outside of a "
                           "container), or choose SKERRY_RUNTIME=docker",
                           hard[i].name);
        if (prepare(cg, t, hard[i].bit, &why) < 0)
            return sk_fail(err, SK_UNSUPPORTED, "%s cannot be enforced here: %.300s", hard[i].name,
                           why.text);
    }
    if (l->cpu_shares && !tree_of(cg, SK_RT_CG_CPU))
        sk_rt_note(note, "CpuShares have no effect: there is no control group for them");
    if (l->memory_reservation && !tree_of(cg, SK_RT_CG_MEMORY))
        sk_rt_note(note, "MemoryReservation has no effect: there is no control group for it");
    return 0;
}

static int put(const char *folder, const char *name, uint64_t value, struct sk_err *err)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    return write_at(folder, name, text) == 0
               ? 0
               : sk_fail_errno(err, "'%s/%s': %s is refused", folder, name, text);
}

/* What memory and swap may be together; a kernel without accounting of swap has no such file. */
static int put_memory(const char *f, bool is_v2, const struct sk_rt_limits *l, char *note,
                      struct sk_err *err)
{
    const char *swap = is_v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes";

    if (l->memory && put(f, is_v2 ? "memory.max" : "memory.limit_in_bytes", l->memory, err) < 0)
        return -1;
    if (l->memory_reservation &&
        put(f, is_v2 ? "memory.low" : "memory.soft_limit_in_bytes", l->memory_reservation, err) < 0)
        return -1;
    if (l->memory_swap == 0)
        return 0;
    if (!has_file(f, swap)) {
        sk_rt_note(note, "MemorySwap has no effect: the kernel does not account for swap");
        return 0;
    }
    return put(f, swap, is_v2 ? l->memory_swap - l->memory : l->memory_swap, err);
}

static int put_cpu(const char *f, bool is_v2, const struct sk_rt_limits *l, struct sk_err *err)
{
    uint64_t period = l->cpu_period ? l->cpu_period : PERIOD_US;
    uint64_t quota = l->cpu_quota ? l->cpu_quota : l->nano_cpus / (1000000000u / PERIOD_US);
    char text[64];

    if (l->nano_cpus)
        period = PERIOD_US;
    if (quota && quota < 1000)
        quota = 1000; /* the least that the kernel takes */
    if (l->cpu_shares &&
        put(f, is_v2 ? "cpu.weight" : "cpu.shares",
            is_v2 ? 1 + (l->cpu_shares - 2) * 9999 / 262142 : l->cpu_shares, err) < 0)
        return -1;
    if (!quota)
        return 0;
    if (!is_v2)
        return put(f, "cpu.cfs_period_us", period, err) < 0 ||
                       put(f, "cpu.cfs_quota_us", quota, err) < 0
                   ? -1
                   : 0;
    (void)snprintf(text, sizeof text, "%" PRIu64 " %" PRIu64, quota, period);
    return write_at(f, "cpu.max", text) == 0
               ? 0
               : sk_fail_errno(err, "'%s/cpu.max': %s is refused", f, text);
}

static int put_limits(const char *f, const struct sk_rt_cgroup_tree *t, unsigned bits,
                      const struct sk_rt_limits *l, char *note, struct sk_err *err)
{
    if ((bits & SK_RT_CG_MEMORY) && put_memory(f, t->is_v2, l, note, err) < 0)
        return -1;
    if ((bits & SK_RT_CG_CPU) && put_cpu(f, t->is_v2, l, err) < 0)
        return -1;
    if ((bits & SK_RT_CG_PIDS) && put(f, "pids.max", (uint64_t)l->pids, err) < 0)
        return -1;
    return 0;
}

/* The instance's own. Another one's end may take our group away in between, as long as it is empty.
 */
static int make_folder(const struct sk_rt_cgroups *cg, const struct sk_rt_cgroup_tree *t,
                       unsigned bits, const char *folder, struct sk_err *err)
{
    for (int tries = 0;; tries++) {
        struct sk_err why = SK_ERR_INIT;

        if (prepare(cg, t, bits, &why) == 0) {
            if (mkdir(folder, 0755) == 0 || errno == EEXIST)
                return 0;
            (void)sk_fail_errno(&why, "'%s'", folder);
        }
        if (why.code != SK_NOT_FOUND || tries == MAKE_TRIES) {
            *err = why;
            return -1;
        }
    }
}

int sk_rt_cgroup_make(struct sk_rt_cgroups *cg, const char *instance, const struct sk_rt_limits *l,
                      int fds[SK_RT_CGROUP_TREES], size_t *count, char *note, struct sk_err *err)
{
    const struct sk_rt_cgroup_tree *own = tracker(cg);
    unsigned wanted = wanted_bits(l);

    *count = 0;
    for (size_t i = 0; i < cg->count; i++) {
        const struct sk_rt_cgroup_tree *t = &cg->trees[i];
        unsigned bits = wanted & t->bits;
        char folder[SK_RT_CGROUP_PATH], procs[SK_RT_CGROUP_PATH + 16];

        if (t != own && !bits)
            continue;
        wanted &= ~bits;
        folder_of(cg, t, instance, folder);
        if (make_folder(cg, t, bits, folder, err) < 0 ||
            put_limits(folder, t, bits, l, note, err) < 0)
            return -1;
        (void)snprintf(procs, sizeof procs, "%s/cgroup.procs", folder);
        fds[*count] = open(procs, O_WRONLY | O_CLOEXEC);
        if (fds[*count] < 0)
            return sk_fail_errno(err, "'%s'", procs);
        ++*count;
    }
    return 0;
}

/* ---- members ---- */

static size_t kill_each(const char *folder)
{
    SK_OWN(free) char *text = read_at(folder, "cgroup.procs");
    size_t count = 0;

    for (char *at = text; at && *at; count++) {
        long pid = strtol(at, &at, 10);

        if (pid <= 0)
            break;
        (void)kill((pid_t)pid, SIGKILL); /* the list is of now, and nobody outside is in it */
        at += strspn(at, "\n");
    }
    return count;
}

static bool is_empty(const char *folder)
{
    SK_OWN(free) char *text = read_at(folder, "cgroup.procs");

    return !text || text[strspn(text, "\n")] == '\0';
}

int sk_rt_cgroup_kill(struct sk_rt_cgroups *cg, const char *instance, uint64_t ms,
                      struct sk_err *err)
{
    const struct sk_rt_cgroup_tree *t = tracker(cg);
    const uint64_t until = sk_now_ms() + ms;
    char folder[SK_RT_CGROUP_PATH];

    if (!t)
        return 0;
    folder_of(cg, t, instance, folder);
    if (is_empty(folder))
        return 0;
    const bool is_frozen = !t->is_v2 && write_at(folder, "freezer.state", "FROZEN") == 0;
    const bool is_killed = t->is_v2 && write_at(folder, "cgroup.kill", "1") == 0;
    if (!is_killed)
        (void)kill_each(folder);
    if (is_frozen)
        (void)write_at(folder, "freezer.state", "THAWED");
    while (!is_empty(folder)) {
        if (sk_now_ms() >= until)
            return sk_fail(err, SK_TIMEOUT, "processes in '%s' do not end", folder);
        if (!is_killed)
            (void)kill_each(folder);
        (void)usleep(5000);
    }
    return 0;
}

/* A group that has just become empty may still be busy for a moment. */
static int remove_folder(const char *folder, struct sk_err *err)
{
    const uint64_t until = sk_now_ms() + REMOVE_MS;

    while (rmdir(folder) < 0 && errno != ENOENT) {
        if (errno != EBUSY || sk_now_ms() >= until)
            return sk_fail_errno(err, "'%s'", folder);
        (void)usleep(5000);
    }
    return 0;
}

int sk_rt_cgroup_remove(struct sk_rt_cgroups *cg, const char *instance, struct sk_err *err)
{
    for (size_t i = 0; i < cg->count; i++) {
        char folder[SK_RT_CGROUP_PATH];

        folder_of(cg, &cg->trees[i], instance, folder);
        if (remove_folder(folder, err) < 0)
            return -1;
        folder_of(cg, &cg->trees[i], NULL, folder);
        (void)rmdir(folder); /* the last one's end; others keep it */
    }
    return 0;
}

bool sk_rt_cgroup_is(struct sk_rt_cgroups *cg, const char *instance)
{
    const struct sk_rt_cgroup_tree *t = tracker(cg);
    char folder[SK_RT_CGROUP_PATH];

    if (!t)
        return false;
    folder_of(cg, t, instance, folder);
    return sk_is_dir(folder);
}

bool sk_rt_cgroup_has(const struct sk_rt_cgroups *cg, const char *instance, int64_t pid)
{
    char path[64], wanted[400];
    SK_OWN(free) char *text = NULL;
    size_t len = 0;
    struct sk_err ignored = SK_ERR_INIT;

    (void)snprintf(path, sizeof path, "/proc/%" PRId64 "/cgroup", pid);
    (void)snprintf(wanted, sizeof wanted, "/%s/%s", cg->group, instance);
    if (sk_file_read(path, FILE_BYTES, &text, &len, &ignored) < 0)
        return false;
    for (const char *at = text; (at = strstr(at, wanted)) != NULL; at++) {
        char behind = at[strlen(wanted)];

        if (behind == '\n' || behind == '\0' || behind == '/')
            return true;
    }
    return false;
}

bool sk_rt_cgroup_oom(struct sk_rt_cgroups *cg, const char *instance)
{
    const struct sk_rt_cgroup_tree *t = tree_of(cg, SK_RT_CG_MEMORY);
    SK_OWN(free) char *text = NULL;
    char folder[SK_RT_CGROUP_PATH];

    if (!t)
        return false;
    folder_of(cg, t, instance, folder);
    text = read_at(folder, t->is_v2 ? "memory.events" : "memory.oom_control");
    return text && keyed(text, "oom_kill") > 0;
}

int sk_rt_cgroups_each(struct sk_rt_cgroups *cg,
                       int (*each)(void *ctx, const char *instance, struct sk_err *err), void *ctx,
                       struct sk_err *err)
{
    for (size_t i = 0; i < cg->count; i++) {
        SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
        char folder[SK_RT_CGROUP_PATH], path[SK_RT_CGROUP_PATH + 256];

        folder_of(cg, &cg->trees[i], NULL, folder);
        if (!sk_is_dir(folder))
            continue;
        if (sk_dir_read(folder, &dir, err) < 0)
            return -1;
        for (size_t k = 0; k < dir.count; k++) {
            (void)snprintf(path, sizeof path, "%s/%s", folder, dir.names[k]);
            if (sk_is_dir(path) && each(ctx, dir.names[k], err) < 0)
                return -1;
        }
    }
    return 0;
}
