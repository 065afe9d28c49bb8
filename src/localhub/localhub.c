/*
 * localhub.c - the parts put together, and the main thread.
 *
 * Start: the state is read, and what the agent said last is done again, so clients are served
 * without it. The spool opens with the first configuration, since that says how large it may be.
 *
 * The end: listeners, clients, methods; then what reads the spool, the lines, the spool itself; the
 * disk last, so that what all of them still had to write is written. The agent hears the end last.
 */
#include "localhub/localhub_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/signalfd.h>

enum {
    TICK_MS = 1000,
    BEGIN_MS = 10000, /* before the spool is tried again */
    DRAIN_MS = 500,
    ARENAS = 2, /* of malloc: one for each core costs more than it gives */
    INFLIGHT_IN = 256,
    INFLIGHT_OUT = 32,
    OUT_BYTES = 2 << 20
};

void sk_lh_wake(struct sk_lh *h)
{
    const uint64_t one = 1;
    const ssize_t n = write(h->wake, &one, sizeof one);
    (void)n; /* full: it is awake */
}

/* ---- what the agent says ---- */

static struct sk_json *copy(const struct sk_json *v)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_json *doc = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_WIRE_MAX);
    sk_json_dump(v, &text);
    if (!sk_buf_ok(&text) || sk_json_parse(text.data, text.len, NULL, &doc, &err) < 0)
        return NULL;
    return doc;
}

static void keep(struct sk_json **to, const struct sk_json *said)
{
    struct sk_json *doc = copy(said);
    if (!doc)
        return; /* what is kept is older than what is done, until it is said again */
    sk_json_free(*to);
    *to = doc;
}

static int open_spool(struct sk_lh *h, struct sk_err *err)
{
    SK_OWN(free) char *dir = sk_path_join(h->dir, "spool");
    if (!dir)
        return sk_nomem(err);

    struct sk_spool_options o = { .dir = dir, .arrived = sk_lh_pump_arrived, .ctx = h };
    {
        SK_LOCK(&h->lock);
        o.max_bytes = h->config.spool_bytes;
        o.evicts = h->config.spool_evicts;
    }
    struct sk_spool *spool = NULL;
    if (sk_spool_open(&o, &spool, err) < 0)
        return sk_wrap(err, "the spool in '%s'", dir);
    SK_LOCK(&h->lock);
    h->spool = spool;
    return 0;
}

int sk_lh_take_config(struct sk_lh *h, const struct sk_json *m, struct sk_err *err)
{
    SK_OWN(free) struct sk_lh_config *c = malloc(sizeof *c);
    if (!c)
        return sk_nomem(err);
    if (sk_lh_config_read(m, c, err) < 0)
        return -1;
    SK_LOCK(&h->lock);
    if (h->config.is_known && strcmp(h->config.device, c->device) != 0)
        return sk_fail(err, SK_INVALID,
                       "this folder is of device '%s', not '%s': start with an empty one",
                       h->config.device, c->device);
    h->config = *c;
    sk_lh_idents_sort(h);
    keep(&h->said_config, m);
    h->agent_id = sk_lh_ident_get(h, c->device, "$edgeAgent");
    h->hub_id = sk_lh_ident_get(h, c->device, "$edgeHub");
    if (!h->agent_id || !h->hub_id)
        return sk_nomem(err);
    h->agent_id->is_listed = h->hub_id->is_listed = true;
    h->agent_id->is_registered = h->hub_id->is_registered = true;
    atomic_store(&h->listen_is_due, true);
    sk_lh_wake(h);
    return 0;
}

int sk_lh_take_modules(struct sk_lh *h, const struct sk_json *m, struct sk_err *err)
{
    const struct sk_json *modules = sk_json_type(m) == SK_JSON_ARRAY ? m
                                                                     : sk_json_get(m, "modules");
    struct sk_err settled = SK_ERR_INIT;

    int rc = 0;
    {
        SK_LOCK(&h->lock);
        if (!h->config.is_known)
            return sk_fail(err, SK_BUSY, "no configuration came before");
        if (sk_json_type(modules) != SK_JSON_ARRAY)
            return sk_fail(err, SK_INVALID, "'modules': expected an array");
        rc = sk_lh_idents_list(h, modules, err);
        if (rc == 0)
            keep(&h->said_modules, modules);
        sk_lh_report(h);
    }

    return sk_lh_work_settle(h, rc == 0 ? err : &settled) < 0 ? -1 : rc;
}

int sk_lh_take_leaves(struct sk_lh *h, const struct sk_json *m, struct sk_err *err)
{
    const struct sk_json *leaves = sk_json_type(m) == SK_JSON_ARRAY ? m : sk_json_get(m, "leaves");
    SK_LOCK(&h->lock);
    if (!h->config.is_known)
        return sk_fail(err, SK_BUSY, "no configuration came before");
    if (sk_json_type(leaves) != SK_JSON_ARRAY)
        return sk_fail(err, SK_INVALID, "'leaves': expected an array");
    if (sk_lh_idents_leaves(h, leaves, err) < 0)
        return -1;
    keep(&h->said_leaves, leaves);
    return 0;
}

/* ---- the main thread ---- */

static bool is_configured(struct sk_lh *h)
{
    SK_LOCK(&h->lock);
    return h->config.is_known;
}

/* What the first configuration makes possible. */
static void begin(struct sk_lh *h)
{
    struct sk_err err = SK_ERR_INIT;
    if (h->has_begun || !is_configured(h) || sk_now_ms() < h->begin_at_ms)
        return;
    if ((!h->spool && open_spool(h, &err) < 0) || sk_lh_pump_start(h, &err) < 0) {
        sk_log(SK_ERROR, "spool_not_open", "error=\"%s\" next=\"trying again; clients wait\"",
               err.text);
        h->begin_at_ms = sk_now_ms() + BEGIN_MS;
        return;
    }
    h->has_begun = true;
    SK_LOCK(&h->lock);
    sk_lh_report_read(h);
    sk_lh_routes_take(h);
}

/* What the disk has lost of what was stored, in the log, as soon as it is found. */
static void say_losses(struct sk_lh *h)
{
    struct sk_spool_state s;
    sk_spool_state(h->spool, &s);
    if (s.damaged > h->said_damaged)
        sk_log(SK_ERROR, "spool_damaged", "messages=%llu next=\"the others are delivered\"",
               (unsigned long long)(s.damaged - h->said_damaged));
    if (s.cut > h->said_cut)
        sk_log(SK_WARN, "spool_cut",
               "queues=%llu what=\"the last write was cut off before it was acknowledged, or its "
               "message is damaged\"",
               (unsigned long long)(s.cut - h->said_cut));
    h->said_damaged = s.damaged;
    h->said_cut = s.cut;
}

static void tick(struct sk_lh *h, uint64_t now_ms)
{
    sk_lh_twin_tick(h, now_ms);
    sk_lh_sync_tick(h, now_ms);
    sk_lh_methods_tick(h, now_ms);
    sk_lh_lines_tick(h, now_ms);
    if (h->listen_again && h->has_begun)
        sk_lh_listen_settle(h);
    if (h->spool) {
        sk_spool_tick(h->spool, (int64_t)sk_wall_ms());
        say_losses(h);
    }
}

static void settle(struct sk_lh *h)
{
    const uint64_t now = sk_now_ms();
    begin(h);
    if (h->has_begun && atomic_load(&h->listen_is_due))
        sk_lh_listen_settle(h);
    if (atomic_exchange(&h->lines_are_due, false))
        sk_lh_lines_settle(h);
    sk_lh_report_tick(h, now);
    if (now < h->tick_at_ms)
        return;
    h->tick_at_ms = now + TICK_MS;
    tick(h, now);
}

void sk_lh_round(struct sk_lh *h, int wait_ms)
{
    struct pollfd p[3] = { { .fd = h->wake, .events = POLLIN },
                           { .fd = h->agent.listen_fd, .events = POLLIN },
                           { .fd = h->signals, .events = POLLIN } };
    struct signalfd_siginfo info;
    uint64_t count;
    if (poll(p, 3, wait_ms) < 0 && errno != EINTR)
        return;
    if (p[0].revents && read(h->wake, &count, sizeof count) < 0 && errno != EAGAIN)
        return;
    if (p[1].revents & POLLIN)
        sk_lh_agent_accept(h);
    if (p[2].revents && read(h->signals, &info, sizeof info) == (ssize_t)sizeof info)
        h->is_stopping = true;
    settle(h);
}

/* ---- life ---- */

static int make_prefix(struct sk_lh *h, struct sk_err *err)
{
    unsigned char bytes[8];
    if (sk_random(bytes, sizeof bytes, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(h->message_prefix + 2 * i, sizeof h->message_prefix - 2 * i, "%02x",
                       bytes[i]);
    return 0;
}

static int start_mqtt(struct sk_lh *h, struct sk_err *err)
{
    const struct sk_mqtt_options o = {
        .loops = 1, /* sessions are its thread's */
        .max_connections = 1000,
        .max_out_bytes = OUT_BYTES,
        .max_inflight_in = INFLIGHT_IN,
        .max_inflight_out = INFLIGHT_OUT,
        .handler = &sk_lh_handler,
        .ctx = h,
    };
    return sk_mqtt_server_new(&o, &h->mqtt, err) < 0 || sk_mqtt_dialer_new(&h->dialer, err) < 0 ? -1
                                                                                                : 0;
}

/* One at a time works with a folder: an agent that does not know of the other may start a second.
 */
static int lock_dir(struct sk_lh *h, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_path_join(h->dir, "lock");
    if (!path)
        return sk_nomem(err);
    h->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (h->lock_fd < 0)
        return sk_fail_errno(err, "'%s'", path);
    if (flock(h->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return sk_fail(err, SK_EXISTS, "another local hub works in '%s'", h->dir);
    return 0;
}

static int start(struct sk_lh *h, const struct sk_localhub_options *opts, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_path_join(opts->run_dir, "hub.sock");
    h->dir = strdup(opts->dir);
    h->run_dir = strdup(opts->run_dir);
    if (!path || !h->dir || !h->run_dir)
        return sk_nomem(err);
    if (sk_mkdirs(h->dir, 0700, err) < 0 || sk_mkdirs(h->run_dir, 0755, err) < 0 ||
        lock_dir(h, err) < 0 || make_prefix(h, err) < 0)
        return -1;
    h->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (h->wake < 0)
        return sk_fail_errno(err, "an event descriptor");
    if (sk_lh_metrics_init(&h->metrics, err) < 0 || start_mqtt(h, err) < 0 ||
        sk_lh_files_start(h, err) < 0 || sk_lh_files_read(h, err) < 0)
        return -1;
    atomic_store(&h->lines_are_due, true);
    return sk_lh_agent_listen(h, opts->wire_path ? opts->wire_path : path, err);
}

int sk_lh_new(const struct sk_localhub_options *opts, struct sk_lh **out, struct sk_err *err)
{
    SK_OWN(sk_lh_free) struct sk_lh *h = calloc(1, sizeof *h);
    if (!h)
        return sk_nomem(err);
    h->wake = h->signals = h->lock_fd = h->agent.listen_fd = -1;
    h->routes_version = -1;
    (void)pthread_mutex_init(&h->lock, NULL);
    (void)pthread_mutex_init(&h->agent.lock, NULL);
    (void)pthread_mutex_init(&h->pump.lock, NULL);
    if (sk_cond_init(&h->pump.wake, err) < 0 || start(h, opts, err) < 0)
        return -1;
    *out = SK_TAKE(h);
    return 0;
}

static void stop(struct sk_lh *h)
{
    sk_lh_listen_stop(h);
    if (h->mqtt)
        sk_mqtt_server_stop(h->mqtt, DRAIN_MS);
    sk_lh_work_stop(h);
    sk_lh_methods_tick(h, UINT64_MAX);
    sk_lh_twin_tick(h, UINT64_MAX);
    sk_lh_lines_close(h);
    sk_mqtt_dialer_free(SK_TAKE(h->dialer));
    sk_lh_pump_stop(h);
    sk_spool_close(SK_TAKE(h->spool));
    sk_lh_pump_free(h);
    sk_lh_agent_close(h);
    sk_lh_files_stop(h);
}

void sk_lh_free(struct sk_lh *h)
{
    if (!h)
        return;
    stop(h);
    sk_mqtt_server_free(h->mqtt);
    sk_lh_idents_free(h);
    sk_lh_routes_unref(h->routes);
    free(h->routes_text);
    sk_lh_metrics_done(&h->metrics);
    sk_json_free(h->said_config);
    sk_json_free(h->said_modules);
    sk_json_free(h->said_leaves);
    sk_close(&h->wake);
    sk_close(&h->signals);
    sk_close(&h->lock_fd);
    free(h->dir);
    free(h->run_dir);
    (void)pthread_cond_destroy(&h->pump.wake);
    (void)pthread_mutex_destroy(&h->pump.lock);
    (void)pthread_mutex_destroy(&h->agent.lock);
    (void)pthread_mutex_destroy(&h->lock);
    free(h);
}

int sk_localhub_run(const struct sk_localhub_options *opts, struct sk_err *err)
{
    sigset_t signals;
    SK_OWN(sk_lh_free) struct sk_lh *h = NULL;
    (void)mallopt(M_ARENA_MAX, ARENAS);
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    if (sk_lh_new(opts, &h, err) < 0)
        return -1;
    h->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (h->signals < 0)
        return sk_fail_errno(err, "signals");
    sk_log(SK_INFO, "local_hub_ready", "dir=\"%s\" run_dir=\"%s\"", opts->dir, opts->run_dir);
    while (!h->is_stopping)
        sk_lh_round(h, TICK_MS);
    sk_log(SK_INFO, "stopping", "why=\"a signal\"");
    return 0;
}
