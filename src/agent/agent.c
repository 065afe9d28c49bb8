/*
 * agent.c - the agent put together: what it holds, and its main loop.
 *
 * Threads: this one (ticks, reports, children), one per module, the registrar, the control
 * socket's, the wire's. `lock` guards what they share and is held for moments only; wire_lock is
 * taken before it, never after.
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
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>

enum {
    SOCKET_PATH_MAX = 100, /* of run_dir and the longest fixed name in it */
    TICK_MS = 1000,
    FAST_TICK_MS = 20, /* while the local hub is not there */
    CARE_MS = 60000,
    CERT_LOOK_MS = 5000,
    BRIDGE_LOOK_MS = 10000,
    AGAIN_MS = 5000,
    TOKEN_S = 3600
};

/* The device of the machine: its sockets go with a reboot, and are where the unit has them. */
#define SYSTEM_DIR     "/var/lib/skerry/edge"
#define SYSTEM_RUN_DIR "/run/skerry-edge"

void sk_agent_wake(struct sk_agent *a)
{
    const uint64_t one = 1;
    (void)!write(a->wake_fd, &one, sizeof one);
}

struct sk_agent_module *sk_agent_find(struct sk_agent *a, const char *name)
{
    for (size_t i = 0; i < a->module_count; i++)
        if (strcmp(a->modules[i]->name, name) == 0)
            return a->modules[i];
    return NULL;
}

/* SKERRY_TEST_PHASE="MODULE:PHASE:kill|stop|hang", for fault tests. */
void sk_agent_test_hook(struct sk_agent *a, const char *module, const char *phase)
{
    const char *want = getenv("SKERRY_TEST_PHASE");
    char text[SK_AGENT_NAME + 32];
    (void)a;
    if (!want)
        return;
    size_t n = (size_t)snprintf(text, sizeof text, "%s:%s:", module, phase);
    if (strncmp(want, text, n) != 0)
        return;
    if (strcmp(want + n, "kill") == 0)
        (void)raise(SIGKILL);
    if (strcmp(want + n, "stop") == 0)
        (void)raise(SIGSTOP);
}

/* ---- start ---- */

int sk_agent_run_dir(const char *dir, const char *run_dir, char **out, struct sk_err *err)
{
    SK_OWN(free) char *system = run_dir ? NULL : realpath(SYSTEM_DIR, NULL);
    SK_OWN(free)
    char *path = run_dir                              ? strdup(run_dir)
                 : system && strcmp(dir, system) == 0 ? strdup(SYSTEM_RUN_DIR)
                                                      : sk_path_join(dir, "run");
    if (!path)
        return sk_nomem(err);
    if (strlen(path) + strlen("/keeper.sock") > SOCKET_PATH_MAX)
        return sk_fail(err, SK_INVALID,
                       "'%s' is too long for the path of a socket: give a shorter --run-dir", path);
    *out = SK_TAKE(path);
    return 0;
}

static int token(void *ctx, struct sk_buf *out, struct sk_err *err)
{
    struct sk_agent *a = ctx;
    return sk_agent_token(&a->secrets, &a->config, "", TOKEN_S, out, err);
}

static int make_folders(struct sk_agent *a, struct sk_err *err)
{
    static const char *const rows[] = { "state", "images", "logs", "hub" };
    SK_OWN(free) char *modules = sk_agent_path(a->dir, "state", "modules");
    SK_OWN(free) char *lock = sk_agent_path(a->dir, "agent.lock", NULL);
    if (!modules || !lock)
        return sk_nomem(err);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SK_OWN(free) char *path = sk_agent_path(a->dir, rows[i], NULL);
        if (!path)
            return sk_nomem(err);
        if (sk_mkdirs(path, i == 0 ? 0700 : 0755, err) < 0)
            return -1;
    }
    if (sk_mkdirs(modules, 0700, err) < 0 || sk_mkdirs(a->run_dir, 0755, err) < 0)
        return -1;
    a->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (a->lock_fd < 0)
        return sk_fail_errno(err, "'%s'", lock);
    if (flock(a->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return sk_fail(err, SK_BUSY, "another agent runs on '%s'", a->dir);
    return 0;
}

static int fill_host(struct sk_agent *a, struct sk_err *err)
{
    SK_OWN(free) char *ca = sk_agent_path(a->dir, "tls", "hub-ca.pem");
    const struct sk_agent_config *c = &a->config;
    if (!ca)
        return sk_nomem(err);
    a->hub_ca = SK_TAKE(ca);
    (void)snprintf(a->hub_host, sizeof a->hub_host, c->hub_https_port == 443 ? "%s" : "%s:%u",
                   c->hub_name, c->hub_https_port);
    a->host = (struct sk_runtime_host){
        .data_dir = a->dir,
        .run_dir = a->run_dir,
        .program = a->program,
        .docker_socket = c->docker_socket,
        .hub_ca_file = c->has_hub_ca ? a->hub_ca : NULL,
        .hub_host = a->hub_host,
        .hub_user = c->device,
        .token = c->is_x509 ? NULL : token,
        .ctx = a,
        .verify_keys = c->verify_keys[0] ? (const char *const *)c->verify_keys : NULL,
        .first_uid = geteuid() == 0 ? SK_AGENT_FIRST_UID : 0,
    };
    return 0;
}

static int open_folder(struct sk_agent *a, const struct sk_agent_options *opts, struct sk_err *err)
{
    char self[512];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    a->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (a->wake_fd < 0 || n < 0)
        return sk_fail_errno(err, "starting");
    self[n] = '\0';
    if (!(a->dir = realpath(opts->dir, NULL)))
        return sk_fail(err, SK_NOT_FOUND,
                       "'%s' is no edge device's folder: make it with 'skerry edge init'",
                       opts->dir);
    if (!(a->program = strdup(opts->program ? opts->program : self)))
        return sk_nomem(err);
    return sk_agent_run_dir(a->dir, opts->run_dir, &a->run_dir, err);
}

int sk_agent_open(struct sk_agent *a, const struct sk_agent_options *opts, struct sk_err *err)
{
    unsigned char id[16];
    if (open_folder(a, opts, err) < 0 || sk_agent_config_load(a->dir, &a->config, err) < 0 ||
        sk_agent_secrets_load(a->dir, &a->secrets, err) < 0 || sk_random(id, sizeof id, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof id; i++)
        (void)snprintf(a->start_id + 2 * i, 3, "%02x", id[i]);
    a->desired_version = -1;
    a->desired_code = a->told_code = 417;
    a->start_wall_ms = (int64_t)sk_wall_ms();
    return fill_host(a, err);
}

int sk_agent_open_to_stop(struct sk_agent *a, const struct sk_agent_options *opts,
                          struct sk_err *err)
{
    struct sk_err why = SK_ERR_INIT;
    if (open_folder(a, opts, err) < 0)
        return -1;
    if (sk_agent_config_load(a->dir, &a->config, &why) < 0) {
        if (why.code == SK_NOT_FOUND) { /* no device's folder */
            *err = why;
            return -1;
        }
        sk_log(SK_WARN, "config_damaged", "error=\"%s\" next=\"what runs is ended without it\"",
               why.text);
        a->config = (struct sk_agent_config){ .docker_socket = SK_AGENT_DOCKER_SOCKET };
    }
    return fill_host(a, err);
}

void sk_agent_close(struct sk_agent *a)
{
    atomic_store(&a->stops, true);
    {
        SK_LOCK(&a->lock);
        for (size_t i = 0; i < a->module_count; i++)
            sk_agent_module_wake(a->modules[i]);
    }
    for (size_t i = 0; i < a->module_count; i++)
        if (a->modules[i]->has_thread)
            (void)pthread_join(a->modules[i]->thread, NULL);
    sk_agent_report_tick(a);
    sk_agent_identity_stop(a);
    sk_agent_control_stop(a);
    sk_agent_link_end(a);
    sk_keeper_free(a->keeper);
    for (size_t i = 0; i < a->module_count; i++)
        sk_agent_module_free(a->modules[i]);
    sk_json_free(a->desired);
    sk_json_free(a->unkept);
    sk_agent_config_done(&a->config);
    sk_agent_secrets_done(&a->secrets);
    sk_close(&a->wake_fd);
    sk_close(&a->lock_fd);
    free(a->reported);
    free(a->dir);
    free(a->run_dir);
    free(a->program);
    free(a->hub_ca);
}

/* ---- the loop ---- */

static void notify(const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    if (sk_agent_notify(text, &err) < 0)
        sk_log(SK_DEBUG, "notify_failed", "error=\"%s\"", err.text);
}

static void look_at_certs(struct sk_agent *a)
{
    struct sk_err err = SK_ERR_INIT;
    bool is_new = false;
    if (sk_agent_certs(a->dir, &a->config, a->bridge, (int64_t)time(NULL), &is_new, &err) < 0)
        sk_log(SK_ERROR, "certificate_failed", "error=\"%s\"", err.text);
    if (!is_new)
        return;
    sk_log(SK_INFO, "certificate_made", "of=\"the local hub\"");
    sk_agent_send_config(a);
}

/* With the Engine's network there is one more address to listen on, and to be certified. */
static void look_at_engine(struct sk_agent *a)
{
    if (!sk_agent_engine_look(a))
        return;
    look_at_certs(a);
    sk_agent_send_config(a);
}

static void trim_logs(struct sk_agent *a)
{
    struct sk_err err = SK_ERR_INIT;
    uint64_t bytes = 0;
    if (sk_runtime_logs_trim(&a->host, &bytes, &err) < 0)
        sk_log(SK_DEBUG, "logs_not_trimmed", "error=\"%s\"", err.text);
}

struct due {
    uint64_t certs, care, bridge, watchdog, logs, again;
};

static bool is_due(uint64_t *at, uint64_t now, uint64_t every_ms)
{
    if (now < *at)
        return false;
    *at = now + every_ms;
    return true;
}

static void tick(struct sk_agent *a, struct due *due)
{
    struct sk_err err = SK_ERR_INIT;
    const uint64_t now = sk_now_ms();
    if (is_due(&due->certs, now, CERT_LOOK_MS))
        look_at_certs(a);
    sk_agent_link_tick(a);
    if (sk_agent_children(a, &err) < 0)
        sk_log(SK_ERROR, "child_failed", "error=\"%s\"", err.text);
    if (is_due(&due->bridge, now, BRIDGE_LOOK_MS))
        look_at_engine(a);
    sk_agent_reap_modules(a);
    if (is_due(&due->again, now, AGAIN_MS))
        sk_agent_take_again(a);
    sk_agent_exec_tick(a);
    sk_agent_report_tick(a);
    if (is_due(&due->care, now, CARE_MS))
        sk_agent_care(a);
    if (is_due(&due->logs, now, TICK_MS))
        trim_logs(a);
    if (is_due(&due->watchdog, now, 10 * TICK_MS))
        notify("WATCHDOG=1");
}

static void loop(struct sk_agent *a, int signal_fd)
{
    struct due due = { .care = sk_now_ms() + CARE_MS };
    struct signalfd_siginfo info;
    uint64_t count;
    for (;;) {
        struct pollfd fds[] = { { .fd = a->wake_fd, .events = POLLIN },
                                { .fd = signal_fd, .events = POLLIN } };
        tick(a, &due);
        bool is_linked;
        {
            SK_LOCK(&a->wire_lock);
            is_linked = a->wire != NULL;
        }
        (void)poll(fds, 2, is_linked ? TICK_MS : FAST_TICK_MS);
        (void)!read(a->wake_fd, &count, sizeof count);
        if (fds[1].revents && read(signal_fd, &info, sizeof info) == sizeof info)
            return;
    }
}

int sk_agent_run(const struct sk_agent_options *opts, struct sk_err *err)
{
    SK_AUTO(sk_agent_close) struct sk_agent a = SK_AGENT_INIT;
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    SK_AUTO(sk_close) int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
    if (signal_fd < 0)
        return sk_fail_errno(err, "signalfd");
    if (sk_agent_open(&a, opts, err) < 0 || make_folders(&a, err) < 0)
        return -1;
    look_at_certs(&a);
    sk_agent_report_load(&a);
    /* The local hub of a run before is told which modules and identities there are, never that
     * there are none: it would cut them off. */
    if (sk_agent_load_modules(&a, err) < 0)
        return -1;
    if (sk_agent_identity_start(&a, err) < 0)
        return -1;
    sk_agent_link_tick(&a);
    if (sk_agent_children(&a, err) < 0 || sk_agent_control_start(&a, err) < 0)
        return -1;
    sk_agent_care(&a); /* how much room there is, before anything is pulled */
    sk_agent_take_kept(&a);
    if (a.desired_version < 0) {
        sk_agent_hold(&a);
        sk_agent_start_threads(&a);
    }
    sk_log(SK_INFO, "ready", "device=%s hub=%s gateway=%s modules=%zu", a.config.device,
           a.config.hub_name, a.config.gateway, a.module_count);
    notify("READY=1");
    loop(&a, signal_fd);
    notify("STOPPING=1");
    sk_log(SK_INFO, "stopping", "what_next=\"modules go on\"");
    return 0;
}
