/*
 * launch.c - a native module from its createOptions to a running process.
 *
 * A plan is made first, the same for sk_runtime_check and for the start: the options, the image's
 * config, the environment, the GPUs, the limits. Then folders, sockets and control groups are made,
 * the child forks, what is kept of it is written, and only then it may exec.
 *
 * Environment, later ones win: the image's, the agent's (the manifest's among them), createOptions'
 * Env, ours. Nothing of the agent's own environment goes along.
 *
 * The module sees the system's libraries and certificates, its model and its program read-only, and
 * two folders that it may write to: HOME, which goes with the instance, and the optimised graphs,
 * which stay for the next start. It binds no TCP port: it is given its listening socket, and where
 * no port is published one on a free port of loopback.
 */
#include "runtime/runtime_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "pack/pack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#ifndef SK_ONNXRUNTIME_PATH
#define SK_ONNXRUNTIME_PATH "" /* the build fetched none */
#endif

#define MODELS "/models"

enum {
    ARGS_MAX = 128,
    BACKLOG = 1024,
    FILES = 65536,
    OOM_SCORE = 300, /* a module goes before the agent */
    LOW_NICE = 19,
    ARGS_BYTES = 256 << 10
};

struct plan {
    struct sk_rt_options options;
    struct sk_json *config; /* what the store has of the image */
    struct sk_rt_env env;
    struct sk_rt_gpus gpus;
    struct sk_buf arg_text;
    char *argv[ARGS_MAX + 3];
    bool changes_user;
    uid_t uid;
    char note[SK_RT_NOTE];
};

static void plan_done(struct plan *p)
{
    sk_rt_options_done(&p->options);
    sk_json_free(p->config);
    sk_rt_env_done(&p->env);
    sk_buf_done(&p->arg_text);
}

/* ---- the plan ---- */

static int add_env(const struct sk_runtime_start *s, struct plan *p, struct sk_err *err)
{
    const struct sk_json *image = sk_json_get(sk_json_get(p->config, "config"), "Env");
    char uri[SK_RT_PATH];

    for (size_t i = 0; i < sk_json_count(image); i++)
        if (sk_rt_env_put(&p->env, sk_json_text(sk_json_at(image, i), ""), err) < 0)
            return sk_wrap(err, "image");
    for (size_t i = 0; s->env && s->env[i]; i++)
        if (sk_rt_env_put(&p->env, s->env[i], err) < 0)
            return -1;
    for (size_t i = 0; i < sk_json_count(p->options.env); i++)
        if (sk_rt_env_put(&p->env, sk_json_text(sk_json_at(p->options.env, i), ""), err) < 0)
            return sk_wrap(err, "createOptions");
    if (!s->workload_socket)
        return 0;
    (void)snprintf(uri, sizeof uri, "unix://%s", s->workload_socket);
    return sk_rt_env_set(&p->env, "IOTEDGE_WORKLOADURI", uri, err);
}

/* The only port that can be published is the one that serve listens on. */
static int check_port(const struct sk_runtime_start *s, const struct plan *p, struct sk_err *err)
{
    const char *port = sk_rt_env_get(&p->env, "SKERRY_PORT");
    char own[32];

    (void)snprintf(own, sizeof own, "%.20s/tcp", port ? port : "5001");
    if (p->options.port && strncmp(p->options.port, own, strcspn(own, "/")) != 0)
        return sk_fail(err, SK_UNSUPPORTED,
                       "createOptions: HostConfig.PortBindings: '%.60s' is published, but the "
                       "module listens on %s; SKERRY_PORT in env changes that",
                       p->options.port, own);
    if (s->socket_count > 1)
        return sk_fail(err, SK_UNSUPPORTED,
                       "a native module takes over one listening socket, not %zu", s->socket_count);
    return 0;
}

/* "/models/NAME" of the image is a folder of the store here, unless the host's lies there. */
static void add_arg(struct plan *p, const char *models, const char *arg)
{
    const char *path = arg[0] == '-' ? strchr(arg, '=') : NULL;

    path = path ? path + 1 : arg;
    if (sk_starts_with(path, MODELS) && !sk_rt_binds_cover(&p->options.binds, path) &&
        (path[sizeof MODELS - 1] == '/' || path[sizeof MODELS - 1] == '\0')) {
        sk_buf_add(&p->arg_text, arg, (size_t)(path - arg));
        sk_buf_str(&p->arg_text, models);
        arg = path + sizeof MODELS - 1;
    }
    sk_buf_add(&p->arg_text, arg, strlen(arg) + 1);
}

static int add_args(const struct sk_runtime_host *h, const struct sk_runtime_start *s,
                    struct plan *p, struct sk_err *err)
{
    const struct sk_json *cmd = p->options.cmd
                                    ? p->options.cmd
                                    : sk_json_get(sk_json_get(p->config, "config"), "Cmd");
    const char *colon = strchr(s->image->layer, ':');
    char models[SK_RT_PATH];
    size_t count = 0;

    if (sk_rt_images_path(h, "models", colon ? colon + 1 : s->image->layer, models, err) < 0)
        return -1;
    if (sk_json_count(cmd) > ARGS_MAX)
        return sk_fail(err, SK_LIMIT, "more than %d arguments", ARGS_MAX);
    p->arg_text = (struct sk_buf)SK_BUF_INIT(ARGS_BYTES);
    sk_buf_add(&p->arg_text, "serve", sizeof "serve");
    for (size_t i = 0; i < sk_json_count(cmd); i++)
        add_arg(p, models, sk_json_text(sk_json_at(cmd, i), ""));
    if (sk_json_count(cmd) == 0)
        add_arg(p, models, MODELS);
    if (!sk_buf_ok(&p->arg_text))
        return sk_buf_fail(&p->arg_text, err);
    for (char *at = p->arg_text.data; at < p->arg_text.data + p->arg_text.len; at += strlen(at) + 1)
        p->argv[++count] = at; /* [0] is the program */
    p->argv[count + 1] = NULL;
    return 0;
}

static int check_binds(const struct sk_runtime_host *h, const struct plan *p, struct sk_err *err)
{
    SK_OWN(free) char *program = NULL;
    const char *kept[] = { h->data_dir, h->run_dir, NULL, NULL };

    if (p->options.binds.count == 0)
        return 0;
    if (sk_rt_program(h->program, &program, err) < 0)
        return -1;
    kept[2] = program;
    return sk_rt_binds_check(&p->options.binds, geteuid() == 0, kept, err);
}

static int choose_gpus(struct plan *p, struct sk_err *err)
{
    const char *wish = sk_rt_env_get(&p->env, "SKERRY_GPU");
    struct sk_rt_gpus all;

    sk_rt_gpus_find("", &all);
    return sk_rt_gpus_choose(&all, &p->options, wish && strcmp(wish, "required") == 0, &p->gpus,
                             p->note, err);
}

static int make_plan(const struct sk_runtime_host *h, const struct sk_runtime_start *s,
                     struct sk_rt_cgroups *cg, struct plan *p, struct sk_err *err)
{
    const bool is_root = geteuid() == 0;

    p->uid = s->uid ? s->uid : h->first_uid;
    p->changes_user = is_root && p->uid > 0;
    if (!p->changes_user)
        p->uid = geteuid();
    if (sk_rt_options_read(s->create_options, &p->options, p->note, err) < 0 ||
        sk_rt_images_config(h, s->image->digest, &p->config, err) < 0 || add_env(s, p, err) < 0 ||
        check_port(s, p, err) < 0 || add_args(h, s, p, err) < 0 || check_binds(h, p, err) < 0 ||
        choose_gpus(p, err) < 0 || sk_rt_cgroup_check(cg, &p->options.limits, p->note, err) < 0)
        return sk_wrap(err, "module '%s'", s->module);
    if (!is_root)
        sk_rt_note(p->note, "the agent is not root: the module has its user");
    if (sk_landlock_version() == 0)
        sk_rt_note(p->note, "the kernel has no Landlock: the module sees what its user sees");
    return p->changes_user ? sk_rt_check_passable(s->image->model_path, p->uid, err) : 0;
}

int sk_rt_launch_check(const struct sk_runtime_host *h, const struct sk_runtime_start *s,
                       struct sk_rt_cgroups *cg, char *note, struct sk_err *err)
{
    SK_AUTO(plan_done) struct plan p = { .config = NULL };

    if (make_plan(h, s, cg, &p, err) < 0)
        return -1;
    (void)snprintf(note, SK_RT_NOTE, "%s", p.note);
    return 0;
}

/* ---- folders, sockets ---- */

static int make_folder(const char *path, unsigned mode, const struct plan *p, struct sk_err *err)
{
    if (sk_mkdirs(path, mode, err) < 0)
        return -1;
    if (p && p->changes_user && chown(path, p->uid, p->uid) < 0)
        return sk_fail_errno(err, "'%s'", path);
    return 0;
}

struct places {
    char folder[SK_RT_PATH], home[SK_RT_PATH], graphs[SK_RT_PATH], control_dir[SK_RT_PATH];
};

static int make_places(const struct sk_runtime_host *h, const struct sk_runtime_start *s,
                       const struct plan *p, struct places *out, struct sk_err *err)
{
    char name[192];

    (void)snprintf(name, sizeof name, "%.130s-%u", s->module, (unsigned)p->uid);
    if (sk_rt_keep_path(h, s->instance, NULL, out->folder, err) < 0 ||
        sk_rt_keep_path(h, s->instance, "home", out->home, err) < 0 ||
        sk_rt_images_path(h, "graphs", name, out->graphs, err) < 0)
        return -1;
    (void)snprintf(out->control_dir, sizeof out->control_dir, "%s/control", h->run_dir);
    if (sk_is_dir(out->folder))
        return sk_fail(err, SK_EXISTS, "instance '%s' is there already", s->instance);
    if (sk_rt_images_open(h, err) < 0 || make_folder(out->control_dir, 0700, NULL, err) < 0 ||
        make_folder(out->folder, 0711, NULL, err) < 0 || make_folder(out->home, 0700, p, err) < 0 ||
        make_folder(out->graphs, 0700, p, err) < 0)
        return -1;
    if (!p->changes_user)
        return 0;
    return sk_rt_check_passable(out->home, p->uid, err) < 0 ||
                   sk_rt_check_passable(out->graphs, p->uid, err) < 0
               ? -1
               : 0;
}

static int open_control(const struct places *at, const char *instance, char path[200], int *out,
                        struct sk_err *err)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    char ref[SK_RT_REF];

    if (sk_rt_images_ref(instance, ref, err) < 0)
        return -1;
    if (snprintf(a.sun_path, sizeof a.sun_path, "%s/%.16s.sock", at->control_dir, ref) >=
        (int)sizeof a.sun_path)
        return sk_fail(err, SK_LIMIT, "'%s': too long for a socket's path", at->control_dir);
    SK_AUTO(sk_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)unlink(a.sun_path);
    if (fd < 0 || fchmod(fd, 0600) < 0 || bind(fd, (const struct sockaddr *)&a, sizeof a) < 0 ||
        listen(fd, BACKLOG) < 0)
        return sk_fail_errno(err, "'%s'", a.sun_path);
    (void)snprintf(path, 200, "%s", a.sun_path);
    *out = sk_take_fd(&fd);
    return 0;
}

/* Its block is there before it is mapped: a write to it never finds the disk full. */
static int open_inside(const struct sk_runtime_host *h, const char *instance, int *out,
                       struct sk_err *err)
{
    const uint32_t none = 0;
    char path[SK_RT_PATH];

    if (sk_rt_keep_path(h, instance, "inside", path, err) < 0)
        return -1;
    SK_AUTO(sk_close) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || pwrite(fd, &none, sizeof none, 0) != (ssize_t)sizeof none)
        return sk_fail_errno(err, "'%s'", path);
    *out = sk_take_fd(&fd);
    return 0;
}

static int open_loopback(int *out, struct sk_err *err)
{
    const struct sockaddr_in a = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    SK_AUTO(sk_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof a) < 0 || listen(fd, BACKLOG) < 0)
        return sk_fail_errno(err, "a port of loopback");
    *out = sk_take_fd(&fd);
    return 0;
}

/* ---- what the child gets ---- */

/* The folder of the library, and of what it is a link to. */
static void add_library(struct sk_rt_paths *paths, const char *library)
{
    SK_OWN(free) char *real = realpath(library, NULL);
    const char *const both[] = { library, real };

    for (size_t i = 0; i < 2; i++) {
        SK_OWN(free) char *folder = both[i] ? strdup(both[i]) : NULL;
        char *slash = folder && !sk_is_dir(folder) ? strrchr(folder, '/') : NULL;

        if (slash)
            *slash = '\0';
        if (folder && strlen(folder) > 1)
            sk_rt_paths_add(paths, SK_RT_PATH_RUN, folder);
    }
}

/* The agent's choice of the engine, unless the module names one; with GPUs the build for them. */
static int set_engine(struct plan *p, struct sk_rt_paths *paths, struct sk_err *err)
{
    const char *gpu = p->gpus.count > 0 ? getenv("SKERRY_ONNXRUNTIME_GPU") : NULL;
    const char *own = gpu && gpu[0] ? gpu : getenv("SKERRY_ONNXRUNTIME");
    const char *search = p->gpus.count > 0 ? getenv("LD_LIBRARY_PATH") : NULL;

    if (own && own[0]) {
        add_library(paths, own);
        if (!sk_rt_env_get(&p->env, "SKERRY_ONNXRUNTIME") &&
            sk_rt_env_set(&p->env, "SKERRY_ONNXRUNTIME", own, err) < 0)
            return -1;
    }
    if (SK_ONNXRUNTIME_PATH[0])
        add_library(paths, SK_ONNXRUNTIME_PATH);
    if (search && search[0]) { /* where CUDA's libraries are, on machines that say it so */
        SK_OWN(free) char *list = strdup(search);
        char *save = NULL;

        if (!list)
            return sk_nomem(err);
        for (char *at = strtok_r(list, ":", &save); at; at = strtok_r(NULL, ":", &save))
            sk_rt_paths_add(paths, SK_RT_PATH_RUN, at);
        if (!sk_rt_env_get(&p->env, "LD_LIBRARY_PATH"))
            return sk_rt_env_set(&p->env, "LD_LIBRARY_PATH", search, err);
    }
    return 0;
}

static int set_gpus(struct plan *p, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf list = SK_BUF_INIT(4096);

    if (!p->options.wants_gpu && p->gpus.count == 0)
        return sk_rt_env_get(&p->env, "SKERRY_DEVICE")
                   ? 0
                   : sk_rt_env_set(&p->env, "CUDA_VISIBLE_DEVICES", "", err);
    for (size_t i = 0; i < p->gpus.count; i++) {
        sk_buf_str(&list, i ? "," : "");
        if (p->gpus.items[i].uuid[0])
            sk_buf_str(&list, p->gpus.items[i].uuid);
        else
            sk_buf_fmt(&list, "%u", p->gpus.items[i].minor);
    }
    if (!sk_buf_ok(&list))
        return sk_buf_fail(&list, err);
    if (sk_rt_env_set(&p->env, "CUDA_VISIBLE_DEVICES", list.data ? list.data : "", err) < 0 ||
        sk_rt_env_set(&p->env, "CUDA_DEVICE_ORDER", "PCI_BUS_ID", err) < 0)
        return -1;
    if (p->gpus.count == 0 || sk_rt_env_get(&p->env, "SKERRY_DEVICE"))
        return 0;
    return sk_rt_env_set(&p->env, "SKERRY_DEVICE", "cuda", err);
}

static int set_env(const struct sk_runtime_start *s, const struct places *at, const char *names,
                   unsigned count, struct plan *p, struct sk_err *err)
{
    struct sk_rt_env *e = &p->env;
    char number[16];

    (void)snprintf(number, sizeof number, "%u", count);
    if (sk_rt_child_sanitizer() && sk_rt_env_put(e, sk_rt_child_sanitizer(), err) < 0)
        return -1;
    if ((!sk_rt_env_get(e, "PATH") &&
         sk_rt_env_set(e, "PATH", "/usr/local/bin:/usr/bin:/bin", err) < 0) ||
        sk_rt_env_set(e, "HOME", at->home, err) < 0 ||
        sk_rt_env_set(e, "TMPDIR", at->home, err) < 0 ||
        sk_rt_env_set(e, "SKERRY_CACHE_DIR", at->graphs, err) < 0 ||
        (s->is_paused && sk_rt_env_set(e, "SKERRY_START", "paused", err) < 0) ||
        sk_rt_env_set(e, "LISTEN_FDS", number, err) < 0 ||
        sk_rt_env_set(e, "LISTEN_FDNAMES", names, err) < 0 ||
        sk_rt_env_set(e, "LISTEN_PID", "0000000000", err) < 0)
        return -1;
    return set_gpus(p, err);
}

static int sandbox(const struct sk_runtime_host *h, const struct sk_runtime_start *s,
                   const struct places *at, const char *program, struct plan *p, int *out,
                   struct sk_err *err)
{
    SK_AUTO(sk_rt_paths_done) struct sk_rt_paths paths = { .count = 0 };
    const char *colon = strchr(s->image->layer, ':');
    char models[SK_RT_PATH];

    if (sk_rt_images_path(h, "models", colon ? colon + 1 : s->image->layer, models, err) < 0)
        return -1;
    sk_rt_paths_system(&paths);
    sk_rt_paths_add(&paths, SK_RT_PATH_READ, models);
    sk_rt_paths_add(&paths, SK_RT_PATH_WRITE, at->home);
    sk_rt_paths_add(&paths, SK_RT_PATH_WRITE, at->graphs);
    sk_rt_gpus_paths(&p->gpus, &paths);
    if (sk_rt_binds_prepare(&p->options.binds, &paths, err) < 0 || set_engine(p, &paths, err) < 0 ||
        sk_rt_paths_program(&paths, program, err) < 0)
        return -1;
    if (paths.has_failed)
        return sk_nomem(err);
    return sk_rt_landlock_make(&paths, false, out, err);
}

/* "0-3,8" */
static int read_cpuset(const char *text, cpu_set_t *out, struct sk_err *err)
{
    CPU_ZERO(out);
    for (const char *at = text; at && *at; at = strchr(at, ','), at = at ? at + 1 : NULL) {
        unsigned from = 0, to = 0;
        int n = sscanf(at, "%u-%u", &from, &to);

        if (n < 2)
            to = from;
        if (n < 1 || to < from || to >= CPU_SETSIZE)
            return sk_fail(err, SK_INVALID,
                           "createOptions: HostConfig.CpusetCpus: '%.60s': such as 0-3,8", text);
        for (unsigned cpu = from; cpu <= to; cpu++)
            CPU_SET(cpu, out);
    }
    return 0;
}

static void set_rlimits(const struct plan *p, struct sk_rt_child *c)
{
    struct rlimit files;

    c->rlimits[c->rlimit_count].resource = RLIMIT_CORE;
    c->rlimits[c->rlimit_count++].limit = (struct rlimit){ 0, 0 };
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max < FILES ? files.rlim_max : FILES;
        c->rlimits[c->rlimit_count].resource = RLIMIT_NOFILE;
        c->rlimits[c->rlimit_count++].limit = files;
    }
    for (size_t i = 0; i < p->options.rlimit_count && c->rlimit_count < SK_RT_RLIMITS_MAX; i++) {
        c->rlimits[c->rlimit_count].resource = p->options.rlimits[i].resource;
        c->rlimits[c->rlimit_count++].limit = p->options.rlimits[i].limit;
    }
}

/* ---- the start ---- */

struct launch {
    struct places at;
    int http, control, inside, log, landlock; /* http: only one of our own */
    int cgroups[SK_RT_CGROUP_TREES];
    size_t cgroup_count;
    char *program;
};

static void launch_done(struct launch *l)
{
    sk_close(&l->http);
    sk_close(&l->control);
    sk_close(&l->inside);
    sk_close(&l->log);
    sk_close(&l->landlock);
    for (size_t i = 0; i < l->cgroup_count; i++)
        (void)close(l->cgroups[i]);
    free(l->program);
}

static int run(const struct sk_runtime_host *h, const struct sk_runtime_start *s,
               const struct plan *p, const struct launch *l, struct sk_instance *i,
               struct sk_err *err)
{
    struct sk_rt_started child = SK_RT_STARTED_INIT;
    struct sk_filter filter;
    cpu_set_t cpus;
    const bool is_root = geteuid() == 0;

    sk_rt_seccomp_make(&filter, true);
    if (p->options.cpuset && read_cpuset(p->options.cpuset, &cpus, err) < 0)
        return -1;
    struct sk_rt_child c = {
        .program = l->program,
        .argv = p->argv,
        .env = (char **)(uintptr_t)p->env.items,
        .folder = l->at.home,
        .in = -1,
        .out = l->log,
        .error = l->log,
        .listen = { s->socket_count > 0 ? s->sockets[0].fd : l->http, l->control, l->inside },
        .listen_count = 3,
        .binds = &p->options.binds,
        .cgroups = l->cgroups,
        .cgroup_count = l->cgroup_count,
        .changes_user = p->changes_user,
        .uid = p->uid,
        .nice = s->is_low_priority && is_root ? LOW_NICE : 0,
        .oom_score = p->options.oom_score != INT32_MIN ? p->options.oom_score : OOM_SCORE,
        .cpus = p->options.cpuset ? &cpus : NULL,
        .cpus_size = sizeof cpus,
        .landlock = l->landlock,
        .filter = &filter,
    };
    set_rlimits(p, &c);
    if (sk_rt_child_fork(&c, &child, err) < 0)
        return -1;
    i->pid = child.pid;
    i->start_ticks = child.start_ticks;
    if (sk_rt_keep_write(h, i, err) < 0) {
        sk_rt_child_drop(&child);
        return -1;
    }
    return sk_rt_child_go(&child, err);
}

int sk_rt_launch(const struct sk_runtime_host *h, const struct sk_runtime_start *s,
                 struct sk_rt_cgroups *cg, struct sk_instance *i, struct sk_err *err)
{
    SK_AUTO(plan_done) struct plan p = { .config = NULL };
    SK_AUTO(launch_done)
    struct launch l = { .http = -1, .control = -1, .inside = -1, .log = -1, .landlock = -1 };

    if (make_plan(h, s, cg, &p, err) < 0)
        return -1;
    if (p.options.port && s->socket_count == 0)
        return sk_fail(err, SK_INVALID, "module '%s': port %s is published, and no socket is given",
                       s->module, p.options.port);
    if (make_places(h, s, &p, &l.at, err) < 0 || sk_rt_program(h->program, &l.program, err) < 0 ||
        open_control(&l.at, s->instance, i->control, &l.control, err) < 0 ||
        (s->socket_count == 0 && open_loopback(&l.http, err) < 0) ||
        open_inside(h, s->instance, &l.inside, err) < 0 ||
        sk_rt_logs_open(h, s->module, &l.log, err) < 0 ||
        sk_rt_cgroup_make(cg, s->instance, &p.options.limits, l.cgroups, &l.cgroup_count, p.note,
                          err) < 0 ||
        sandbox(h, s, &l.at, l.program, &p, &l.landlock, err) < 0 ||
        set_env(s, &l.at, "http:control:inside", 3, &p, err) < 0)
        return sk_wrap(err, "module '%s'", s->module);
    p.argv[0] = l.program;
    i->uid = p.changes_user ? p.uid : 0;
    (void)snprintf(i->note, sizeof i->note, "%s", p.note);
    sk_rt_images_touch(h, s->image->layer);
    if (run(h, s, &p, &l, i, err) < 0)
        return sk_wrap(err, "module '%s'", s->module);
    return 0;
}
