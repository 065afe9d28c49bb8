/*
 * runtime_priv.h - between
 *
 *     runtime.c    the two rows, and what chooses between them
 *     overlap.c    whether two instances can be side by side
 *
 *     native.c     the native row: status, stop, sweep
 *     launch.c     its check and start
 *     options.c    createOptions, as the native runtime reads them
 *     binds.c      host folders in a module's view
 *     gpu.c        which GPUs there are, and what their driver needs
 *     env.c        the environment of a module
 *     child.c      what happens between fork and exec
 *     landlock.c   which paths a module sees
 *     seccomp.c    which calls it may make
 *     cgroup.c     limits and membership, v2 and v1
 *     proc.c       processes by number and start time
 *     keep.c       what is kept of an instance in its folder
 *     logs.c       its output
 *     images.c     the store of native images
 *     pull.c       a pull, as the agent sees it
 *     fetch.c      the same in its child
 *
 *     docker_*.c   the Docker row
 */
#ifndef SK_RUNTIME_RUNTIME_PRIV_H
#define SK_RUNTIME_RUNTIME_PRIV_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "oci/oci.h"
#include "runtime/runtime.h"
#include "sandbox/sandbox.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

enum {
    SK_RT_PATH = 1024,
    SK_RT_REF = 33,
    SK_RT_NOTE = 256, /* bytes of a note */
    SK_RT_WHY = 160,  /* bytes of a reason against an overlap */
    SK_RT_OPTIONS_MAX = 256 << 10
};

#define SK_RT_PROGRESS bool (*progress)(void *ctx, const char *what, uint64_t done, uint64_t total)
#define SK_RT_SINK     int (*sink)(void *ctx, const void *bytes, size_t len, struct sk_err *err)

/* A runtime. What each does is said in runtime.h; every function is there, none is NULL. */
struct sk_rt_row {
    const char *name; /* "native", "docker" */
    int (*check)(const struct sk_runtime_host *h, const struct sk_runtime_start *s, char *note,
                 struct sk_err *err);
    int (*start)(const struct sk_runtime_host *h, const struct sk_runtime_start *s,
                 struct sk_instance *out, struct sk_err *err);
    int (*status)(const struct sk_runtime_host *h, const struct sk_instance *i,
                  struct sk_runtime_status *out, struct sk_err *err);
    int (*watch)(const struct sk_instance *i);
    int (*stop)(const struct sk_runtime_host *h, const struct sk_instance *i, unsigned grace_ms,
                struct sk_err *err);
    int (*remove)(const struct sk_runtime_host *h, const struct sk_instance *i, struct sk_err *err);
    bool (*has_process)(const struct sk_runtime_host *h, const struct sk_instance *i, pid_t pid,
                        uid_t uid);
    int (*logs)(const struct sk_runtime_host *h, const struct sk_instance *i, unsigned tail,
                int64_t since_s, int64_t until_s, bool follow, SK_RT_SINK, void *ctx,
                struct sk_err *err);
    /* known has instances of both kinds. */
    int (*sweep)(const struct sk_runtime_host *h, const struct sk_instance *known, size_t count,
                 struct sk_err *err);
};

/* ---- the Docker row (docker_*.c) ---- */
/*
 * sk_docker_rt: the row above with sk_docker_rt_check, _start, _status, _watch (-1), _stop,
 * _remove, _has_process, _logs, _sweep. `out` of start comes zeroed, with kind, module and instance
 * filled; start fills container, address, note. No Engine: sweep succeeds (nothing to sweep),
 * check and start are SK_UNSUPPORTED with the socket's path.
 */
extern const struct sk_rt_row sk_docker_rt;

/* h->docker_socket or its default. */
const char *sk_docker_rt_socket(const struct sk_runtime_host *h);
/* Asks the Engine to pull (or, with may_pull false, only looks): fills out->digest; kind and why
 * are the caller's. auth NULL and the image's host is h->hub_host: "device" and h->token. */
int sk_docker_rt_pull(const struct sk_runtime_host *h, const char *image,
                      const struct sk_runtime_auth *auth, bool may_pull, SK_RT_PROGRESS, void *ctx,
                      struct sk_runtime_image *out, struct sk_err *err) SK_CHECK;

/* "accept": the container gets the module's name, and the one that has it "<module>-old-<n>";
 * "retire": it gets that itself. SK_UNSUPPORTED: anything else. */
int sk_docker_rt_control(const struct sk_instance *i, const char *what,
                         struct sk_err *err) SK_CHECK;

/* ---- overlap.c ---- */

/* createOptions parsed with limits ("" and NULL are "{}"). *out: sk_json_free. */
int sk_rt_options_parse(const char *text, struct sk_json **out, struct sk_err *err) SK_CHECK;

/* ---- runtime.c ---- */

/* Adds a sentence to a note (SK_RT_NOTE bytes), "; " between; what does not fit is cut. */
void sk_rt_note(char *note, const char *fmt, ...) SK_PRINTF(2, 3);
/* Whether the image's registry is the hub of h->hub_host. host: of a reference. */
bool sk_rt_is_hub(const struct sk_runtime_host *h, const char *host);

/* ---- proc.c ---- */

struct sk_rt_proc {
    int64_t pid, parent, session;
    uint64_t start_ticks;
    char state;
};

bool sk_rt_proc_read(int64_t pid, struct sk_rt_proc *out);
/* Runs (a zombie does not). */
bool sk_rt_proc_is(int64_t pid, uint64_t start_ticks);
/* A pidfd of the one that is meant; -1: it does not run any more. */
int sk_rt_proc_open(int64_t pid, uint64_t start_ticks);
bool sk_rt_proc_signal(int pidfd, int sig);
/* False: it still runs after ms. */
bool sk_rt_proc_wait(int pidfd, uint64_t ms);
int64_t sk_rt_proc_started_ms(uint64_t start_ticks);
/* SIGKILL to all processes of a session until none is left. SK_TIMEOUT. */
int sk_rt_session_kill(int64_t session, uint64_t ms, struct sk_err *err) SK_CHECK;

/* ---- cgroup.c ---- */

enum {
    SK_RT_CG_MEMORY = 1 << 0,
    SK_RT_CG_CPU = 1 << 1,
    SK_RT_CG_PIDS = 1 << 2,
    SK_RT_CG_FREEZER = 1 << 3,

    SK_RT_CGROUP_TREES = 6,
    SK_RT_CGROUP_PATH = 640
};

struct sk_rt_cgroup_tree {
    char root[448];
    bool is_v2;
    unsigned bits;
};

struct sk_rt_cgroups {
    struct sk_rt_cgroup_tree trees[SK_RT_CGROUP_TREES];
    size_t count; /* 0: none that we may write to */
    char group[24];
};

struct sk_rt_limits { /* 0: none */
    uint64_t memory, memory_swap, memory_reservation;
    uint64_t nano_cpus, cpu_quota, cpu_period, cpu_shares;
    int64_t pids;
};

/* root NULL: /sys/fs/cgroup. */
int sk_rt_cgroups_find(const char *root, const char *run_dir, struct sk_rt_cgroups *out,
                       struct sk_err *err) SK_CHECK;
/* SK_UNSUPPORTED names the limit that nobody would enforce. */
int sk_rt_cgroup_check(struct sk_rt_cgroups *cg, const struct sk_rt_limits *l, char *note,
                       struct sk_err *err) SK_CHECK;
/* Makes the instance's groups with their limits. fds: their cgroup.procs, for the child to write
 * "0" to; close() all *count of them, also after a failure. */
int sk_rt_cgroup_make(struct sk_rt_cgroups *cg, const char *instance, const struct sk_rt_limits *l,
                      int fds[SK_RT_CGROUP_TREES], size_t *count, char *note,
                      struct sk_err *err) SK_CHECK;
int sk_rt_cgroup_kill(struct sk_rt_cgroups *cg, const char *instance, uint64_t ms,
                      struct sk_err *err) SK_CHECK;
/* Empty ones; those that are not there are fine. */
int sk_rt_cgroup_remove(struct sk_rt_cgroups *cg, const char *instance,
                        struct sk_err *err) SK_CHECK;
bool sk_rt_cgroup_is(struct sk_rt_cgroups *cg, const char *instance);
bool sk_rt_cgroup_has(const struct sk_rt_cgroups *cg, const char *instance, int64_t pid);
/* The kernel killed one of it for want of memory. */
bool sk_rt_cgroup_oom(struct sk_rt_cgroups *cg, const char *instance);
int sk_rt_cgroups_each(struct sk_rt_cgroups *cg,
                       int (*each)(void *ctx, const char *instance, struct sk_err *err), void *ctx,
                       struct sk_err *err) SK_CHECK;

/* ---- landlock.c ---- */

enum sk_rt_path_access {
    SK_RT_PATH_READ,
    SK_RT_PATH_RUN, /* read and execute */
    SK_RT_PATH_WRITE,
    SK_RT_PATH_DEVICE /* read, write, ioctl */
};

enum {
    SK_RT_PATHS_MAX = 256
};

struct sk_rt_path {
    char *path;
    enum sk_rt_path_access access;
};

struct sk_rt_paths {
    struct sk_rt_path items[SK_RT_PATHS_MAX];

    size_t count;
    bool has_failed; /* no memory, or too many */
};

void sk_rt_paths_add(struct sk_rt_paths *p, enum sk_rt_path_access access, const char *path);
void sk_rt_paths_done(struct sk_rt_paths *p);
void sk_rt_paths_system(struct sk_rt_paths *p);
int sk_rt_paths_program(struct sk_rt_paths *p, const char *program, struct sk_err *err) SK_CHECK;
/* *out: a set for sk_rt_landlock_enter, close(); -1: the kernel has none. may_bind: TCP ports. */
int sk_rt_landlock_make(const struct sk_rt_paths *paths, bool may_bind, int *out,
                        struct sk_err *err) SK_CHECK;
int sk_rt_landlock_enter(int ruleset); /* between fork and exec; errno */

/* ---- seccomp.c ---- */

/* may_fork false: threads, but no processes. */
void sk_rt_seccomp_make(struct sk_filter *f, bool may_fork);
int sk_rt_seccomp_enter(const struct sk_filter *f); /* between fork and exec; errno */

/* ---- binds.c ---- */

enum {
    SK_RT_BINDS_MAX = 16
};

struct sk_rt_bind {
    char source[512], target[512]; /* absolute */
    bool is_read_only;
};

struct sk_rt_binds {
    struct sk_rt_bind items[SK_RT_BINDS_MAX];
    size_t count;
};

int sk_rt_binds_read(const struct sk_json *list, struct sk_rt_binds *out,
                     struct sk_err *err) SK_CHECK;
/* kept: paths that must stay visible, NULL-terminated. SK_UNSUPPORTED, SK_NOT_FOUND. */
int sk_rt_binds_check(const struct sk_rt_binds *b, bool is_root, const char *const *kept,
                      struct sk_err *err) SK_CHECK;
/* Whether what lies at a path is a bind's. */
bool sk_rt_binds_cover(const struct sk_rt_binds *b, const char *path);
/* Makes the targets that are not there, and adds the sources to what a module sees. */
int sk_rt_binds_prepare(const struct sk_rt_binds *b, struct sk_rt_paths *paths,
                        struct sk_err *err) SK_CHECK;
int sk_rt_binds_enter(const struct sk_rt_binds *b); /* between fork and exec, as root; errno */

/* ---- child.c ---- */

enum {
    SK_RT_LISTEN_MAX = 16,
    SK_RT_RLIMITS_MAX = 16
};

struct sk_rt_child {
    const char *program;
    char *const *argv;
    char **env;                   /* "LISTEN_PID=0000000000" in it gets its number */
    const char *folder;           /* to be in */
    int in, out, error;           /* its 0, 1, 2; in -1: /dev/null */
    int listen[SK_RT_LISTEN_MAX]; /* its 3, 4, ... */
    size_t listen_count;
    const struct sk_rt_binds *binds; /* NULL: none */
    const int *cgroups;              /* cgroup.procs */
    size_t cgroup_count;
    bool changes_user;
    uid_t uid;           /* and group */
    int nice, oom_score; /* oom_score INT32_MIN: left alone */
    const void *cpus;    /* cpu_set_t; NULL: any */
    size_t cpus_size;

    struct {
        int resource;
        struct rlimit limit;
    } rlimits[SK_RT_RLIMITS_MAX];

    size_t rlimit_count;
    int landlock; /* -1: none */
    const struct sk_filter *filter;
    bool dies_with_us;
};

/* A child that has everything but waits before exec. */
struct sk_rt_started {
    pid_t pid;
    uint64_t start_ticks;
    int go, told;
};

#define SK_RT_STARTED_INIT                                                                         \
    {                                                                                              \
        .pid = -1, .go = -1, .told = -1                                                            \
    }

/* Forks and prepares. On success sk_rt_child_go, or sk_rt_child_drop, which ends it. */
int sk_rt_child_fork(const struct sk_rt_child *c, struct sk_rt_started *out,
                     struct sk_err *err) SK_CHECK;
/* Lets it exec; what went wrong before that is an error, and the child is gone then. */
int sk_rt_child_go(struct sk_rt_started *s, struct sk_err *err) SK_CHECK;
void sk_rt_child_drop(struct sk_rt_started *s);
/* What a child of a program that was built with AddressSanitizer needs in its environment; NULL. */
const char *sk_rt_child_sanitizer(void);
/* A folder that a user cannot pass through looks to him like one that is not there: SK_DENIED. */
int sk_rt_check_passable(const char *path, uid_t uid, struct sk_err *err) SK_CHECK;
/* Our own executable when program is NULL. *out: free(). */
int sk_rt_program(const char *program, char **out, struct sk_err *err) SK_CHECK;

/* ---- images.c ---- */
/*
 *     DATA/images/models/HEX/NAME/...      an unpacked model layer, read-only
 *                 manifests/HEX.json       what an image's config says, by manifest digest
 *                 refs/HASH.json           what was pulled last under a reference
 *                 incoming/HASH/           a pull that is under way, or was cut
 *                 graphs/MODULE-UID/       a module's optimised graphs
 */

/* What a pull found. */
struct sk_rt_pulled {
    bool is_native;
    char digest[160], layer[160], why[256];
    struct sk_buf config; /* of the image: the member "config"; JSON object */
};

/* DATA/images/<kind>[/<name>]; SK_LIMIT: too long. */
int sk_rt_images_path(const struct sk_runtime_host *h, const char *kind, const char *name,
                      char out[SK_RT_PATH], struct sk_err *err) SK_CHECK;
/* The hash that stands for a reference in names of files. */
int sk_rt_images_ref(const char *image, char out[SK_RT_REF], struct sk_err *err) SK_CHECK;
/* Makes the folders. */
int sk_rt_images_open(const struct sk_runtime_host *h, struct sk_err *err) SK_CHECK;
/* What was pulled last; SK_NOT_FOUND, also when its model is gone. */
int sk_rt_images_find(const struct sk_runtime_host *h, const char *image,
                      struct sk_runtime_image *out, struct sk_err *err) SK_CHECK;
/* Takes an unpacked layer (a folder that belongs to another user) into the store. */
int sk_rt_images_adopt(const struct sk_runtime_host *h, const char *tree, const char *layer,
                       struct sk_err *err) SK_CHECK;
int sk_rt_images_keep(const struct sk_runtime_host *h, const char *image,
                      const struct sk_rt_pulled *p, struct sk_err *err) SK_CHECK;
/* The config of an image by manifest digest; *out: sk_json_free. */
int sk_rt_images_config(const struct sk_runtime_host *h, const char *digest, struct sk_json **out,
                        struct sk_err *err) SK_CHECK;
/* A model is used now. */
void sk_rt_images_touch(const struct sk_runtime_host *h, const char *layer);

/* ---- pull.c, fetch.c ---- */

/* Asks the registry in a child; out: done with it in both cases. */
int sk_rt_pull_ask(const struct sk_runtime_host *h, const char *image,
                   const struct sk_runtime_auth *auth, SK_RT_PROGRESS, void *ctx,
                   struct sk_rt_pulled *out, struct sk_err *err) SK_CHECK;
/* A child works in the folder. */
bool sk_rt_pull_is_busy(const char *work);
/* Whether an image can run natively: its config document and manifest. layer: index of the model's
 * in the manifest. False: why (256 bytes). */
bool sk_rt_fetch_is_native(const struct sk_json *config, const struct sk_oci_manifest *m,
                           size_t *layer, char *why);
/* SK_FULL for what the libraries below call an error of the disk: room can be made, or waited for.
 */
void sk_rt_find_full(struct sk_err *err);

/* ---- options.c ---- */

enum {
    SK_RT_GPUS_MAX = 16
};

/* createOptions of a native module. What points into doc lives as long as it does. */
struct sk_rt_options {
    struct sk_json *doc;
    const struct sk_json *env; /* array of "NAME=value"; NULL */
    const struct sk_json *cmd; /* arguments instead of the image's; NULL */
    const char *port;          /* the published one: "5001/tcp"; NULL: none */
    struct sk_rt_binds binds;
    struct sk_rt_limits limits;

    struct {
        int resource;
        struct rlimit limit;
    } rlimits[SK_RT_RLIMITS_MAX];

    size_t rlimit_count;
    int oom_score;      /* INT32_MIN: not said */
    const char *cpuset; /* "0-3,8"; NULL */
    bool wants_gpu;
    int64_t gpu_count; /* -1: all */
    const char *gpu_ids[SK_RT_GPUS_MAX];
    size_t gpu_id_count;
};

/* Reads them; SK_UNSUPPORTED names the member that a native module cannot have, and the way out.
 * Adds to note what is passed over. Done with it in both cases. */
int sk_rt_options_read(const char *create_options, struct sk_rt_options *out, char *note,
                       struct sk_err *err) SK_CHECK;
void sk_rt_options_done(struct sk_rt_options *o);

/* ---- gpu.c ---- */

struct sk_rt_gpu {
    unsigned minor; /* /dev/nvidiaN */
    char uuid[64];  /* "" unknown */
};

struct sk_rt_gpus {
    struct sk_rt_gpu items[SK_RT_GPUS_MAX];
    size_t count;
};

/* Those of this machine; root: in front of /proc and /dev, for tests ("" otherwise). */
void sk_rt_gpus_find(const char *root, struct sk_rt_gpus *out);
/* Those that were asked for; none where there are none, which note then says. SK_UNSUPPORTED: an id
 * that is not there, or none and is_required. */
int sk_rt_gpus_choose(const struct sk_rt_gpus *all, const struct sk_rt_options *o, bool is_required,
                      struct sk_rt_gpus *out, char *note, struct sk_err *err) SK_CHECK;
/* Devices and folders of the driver. */
void sk_rt_gpus_paths(const struct sk_rt_gpus *g, struct sk_rt_paths *out);

/* ---- env.c ---- */

enum {
    SK_RT_ENV_MAX = 1000
};

struct sk_rt_env {
    char *items[SK_RT_ENV_MAX + 1]; /* NULL-terminated */
    size_t count;
};

/* "NAME=value"; a later one of a name replaces an earlier. SK_INVALID: no name; SK_LIMIT. */
int sk_rt_env_put(struct sk_rt_env *e, const char *entry, struct sk_err *err) SK_CHECK;
int sk_rt_env_set(struct sk_rt_env *e, const char *name, const char *value,
                  struct sk_err *err) SK_CHECK;
const char *sk_rt_env_get(const struct sk_rt_env *e, const char *name); /* NULL: none */
void sk_rt_env_done(struct sk_rt_env *e);

/* ---- keep.c ---- */
/*
 *     RUN/instances/NAME/instance.json   struct sk_instance
 *                        exit            how it ended, once that was seen
 *                        inside          4 bytes: its requests without an answer (serve-80)
 *                        home/           the module's own folder
 *     RUN/control/HASH.sock              its control socket; the path must fit into 108 bytes
 */

struct sk_rt_exit {
    int code; /* -1: nobody saw it */
    bool oom_killed;
    int64_t finished_ms;
};

/* RUN/instances/NAME[/file]. */
int sk_rt_keep_path(const struct sk_runtime_host *h, const char *instance, const char *file,
                    char out[SK_RT_PATH], struct sk_err *err) SK_CHECK;
int sk_rt_keep_write(const struct sk_runtime_host *h, const struct sk_instance *i,
                     struct sk_err *err) SK_CHECK;
int sk_rt_keep_read(const struct sk_runtime_host *h, const char *instance, struct sk_instance *out,
                    struct sk_err *err) SK_CHECK;
int sk_rt_keep_exit(const struct sk_runtime_host *h, const char *instance,
                    const struct sk_rt_exit *e, struct sk_err *err) SK_CHECK;
bool sk_rt_keep_ended(const struct sk_runtime_host *h, const char *instance,
                      struct sk_rt_exit *out);

/* ---- logs.c ---- */

/* The module's log, to append to. *fd: close(). */
int sk_rt_logs_open(const struct sk_runtime_host *h, const char *module, int *fd,
                    struct sk_err *err) SK_CHECK;
int sk_rt_logs_read(const struct sk_runtime_host *h, const char *module, unsigned tail,
                    int64_t since_s, int64_t until_s, bool (*goes_on)(void *ctx), void *goes_on_ctx,
                    SK_RT_SINK, void *ctx, struct sk_err *err) SK_CHECK;

/* ---- launch.c ---- */

/* Starts it: native.c's start after the folders were made. */
int sk_rt_launch(const struct sk_runtime_host *h, const struct sk_runtime_start *s,
                 struct sk_rt_cgroups *cg, struct sk_instance *i, struct sk_err *err) SK_CHECK;
/* What sk_runtime_check of the native row looks at; options, gpus, env may be asked for. */
int sk_rt_launch_check(const struct sk_runtime_host *h, const struct sk_runtime_start *s,
                       struct sk_rt_cgroups *cg, char *note, struct sk_err *err) SK_CHECK;

/* ---- native.c ---- */

extern const struct sk_rt_row sk_native_rt;
/* Ends a low priority. */
void sk_rt_native_awake(const struct sk_instance *i);

#endif
