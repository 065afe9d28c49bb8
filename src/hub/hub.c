/*
 * hub.c - the hub put together: store, accounts, devices, workers, HTTPS, MQTT; and taken apart in
 * the order that loses nothing.
 *
 * Start: the store is open and the certificate good before the socket answers. Stop: HTTP drains
 * first (nothing new comes in), then devices' connections end, then the workers answer what they
 * hold, then HTTP, the device half (iot.c), accounts and store end. One thread cares for the rest:
 * it writes down when tokens were used (once a minute, and at once when it was the first time),
 * runs gc, and looks after the certificate once a day.
 */
#include "hub/hub_priv.h"
#include "hub/iot_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "runs/runs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <time.h>

enum {
    FLUSH_MS = 60000,
    HOUR_MS = 3600000,
    DAY_MS = 24 * HOUR_MS,
    UPLOAD_IDLE_MS = 24 * HOUR_MS,
    DEVICES_MAX = 20000,
    FILES_OF_REQUEST = 4, /* its client, the pair behind TLS, and one that it reads */
    FILES = 1024,         /* of the database, the journals, the store; clients in handshakes */
    DEVICES_MS = 1000     /* for their ends, when the hub stops */
};

#define BLOB_BYTES (1ull << 40)

struct sk_store *sk_hub_store(const struct sk_hub *h)
{
    return h->store;
}

struct sk_accounts *sk_hub_accounts(const struct sk_hub *h)
{
    return h->accounts;
}

const struct sk_hub_options *sk_hub_opts(const struct sk_hub *h)
{
    return &h->opts;
}

/* ---- care ---- */

int sk_hub_reload_certs(struct sk_hub *h, struct sk_err *err)
{
    if (h->opts.plain_http)
        return 0;
    return sk_http_reload_tls(h->http, err) < 0 ||
                   (h->second && sk_http_reload_tls(h->second, err) < 0) ||
                   sk_hub_iot_reload(h, err) < 0
               ? -1
               : 0;
}

/* New connections see the new one; those that are open go on. */
static int prepare_certs(struct sk_hub *h, bool is_running, struct sk_err *err)
{
    bool renewed = false;
    if (h->opts.plain_http)
        return 0;
    const char *const *names = (const char *const *)h->config->hostnames;
    if (sk_hub_certs_renew(h->dir, names, time(NULL), &renewed, err) < 0)
        return -1;
    if (!renewed)
        return 0;
    sk_log(SK_INFO, "certificate_renewed", "file=\"%s/tls/server.pem\"", h->dir);
    return is_running ? sk_hub_reload_certs(h, err) : 0;
}

static void collect(struct sk_hub *h)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report = { 0 };
    uint64_t start_ms = sk_now_ms();
    if (sk_parts_expire(h->store, &err) < 0) /* a full disk, say, which gc can help */
        sk_log(SK_WARN, "parts_kept", "error=\"%s\" next=\"gc goes on\"", err.text);
    if (sk_store_gc(h->store, h->opts.gc_grace_ms, h->opts.max_upload_idle_ms, false, &report,
                    &err) < 0)
        sk_log(SK_WARN, "gc_failed", "error=\"%s\" next_ms=%llu", err.text,
               (unsigned long long)h->opts.gc_interval_ms);
    else
        sk_log(SK_INFO, "gc", "removed=%llu bytes=%llu uploads=%llu ms=%llu",
               (unsigned long long)report.removed, (unsigned long long)report.removed_bytes,
               (unsigned long long)report.uploads_removed,
               (unsigned long long)(sk_now_ms() - start_ms));
}

static void *care(void *arg)
{
    struct sk_hub *h = arg;
    uint64_t gc_ms = h->opts.gc_interval_ms > 0 ? sk_now_ms() + h->opts.gc_interval_ms : UINT64_MAX;
    uint64_t flush_ms = sk_now_ms() + FLUSH_MS, day_ms = sk_now_ms() + DAY_MS;
    (void)pthread_mutex_lock(&h->lock);
    while (!h->is_stopping) {
        uint64_t wake_ms = gc_ms < flush_ms ? gc_ms : flush_ms;
        if (!h->is_use_due &&
            sk_cond_wait_until(&h->wake, &h->lock, wake_ms * 1000000) != ETIMEDOUT)
            continue;
        h->is_use_due = false;
        (void)pthread_mutex_unlock(&h->lock);
        struct sk_err err = SK_ERR_INIT;
        if (sk_accounts_flush(h->accounts, &err) < 0)
            sk_log(SK_WARN, "token_use_lost", "error=\"%s\"", err.text);
        flush_ms = sk_now_ms() + FLUSH_MS;
        if (sk_now_ms() >= gc_ms) {
            collect(h);
            gc_ms = sk_now_ms() + h->opts.gc_interval_ms;
        }
        if (sk_now_ms() >= day_ms) {
            if (prepare_certs(h, true, &err) < 0)
                sk_log(SK_WARN, "certificate_due", "error=\"%s\"", err.text);
            day_ms = sk_now_ms() + DAY_MS;
        }
        (void)pthread_mutex_lock(&h->lock);
    }
    (void)pthread_mutex_unlock(&h->lock);
    return NULL;
}

static void stop_care(struct sk_hub *h)
{
    if (!h->has_care)
        return;
    {
        SK_LOCK(&h->lock);
        h->is_stopping = true;
        (void)pthread_cond_signal(&h->wake);
    }
    (void)pthread_join(h->care, NULL);
    h->has_care = false;
}

/* ---- start ---- */

/* Each client is a descriptor, and the database needs some too: what the shell or the service
 * manager gives at first (1,024, say) is a bound for programs that call select(). */
static void raise_files(const struct sk_hub_options *o)
{
    const rlim_t wanted = (rlim_t)o->max_devices + FILES_OF_REQUEST * o->max_connections + FILES;
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= wanted)
        return;
    files.rlim_cur = files.rlim_max < wanted ? files.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur < wanted)
        sk_log(SK_WARN, "few_files",
               "limit=%llu wanted=%llu next=\"give the hub more (LimitNOFILE, "
               "ulimit -n), or --max-devices fewer\"",
               (unsigned long long)files.rlim_cur, (unsigned long long)wanted);
}

static int set_options(struct sk_hub *h, const struct sk_hub_options *opts, struct sk_err *err)
{
    struct sk_hub_options *o = &h->opts;
    *o = *opts;
    h->dir = strdup(opts->dir);
    h->host = strdup(opts->host ? opts->host : "127.0.0.1");
    if (!h->dir || !h->host)
        return sk_nomem(err);
    o->dir = h->dir;
    o->host = h->host;
    o->workers = o->workers ? o->workers : SK_HUB_WORKERS;
    o->max_connections = o->max_connections ? o->max_connections : SK_LIMIT_CONNECTIONS;
    o->max_blob_bytes = o->max_blob_bytes ? o->max_blob_bytes : BLOB_BYTES;
    o->max_upload_idle_ms = o->max_upload_idle_ms ? o->max_upload_idle_ms : UPLOAD_IDLE_MS;
    o->gc_grace_ms = o->gc_grace_ms ? o->gc_grace_ms : HOUR_MS;
    o->max_devices = o->max_devices ? o->max_devices : DEVICES_MAX;
    raise_files(o);
    bool is_loopback = sk_starts_with(o->host, "127.") || strcmp(o->host, "::1") == 0 ||
                       strcmp(o->host, "localhost") == 0;
    if (o->plain_http && !is_loopback)
        return sk_fail(err, SK_INVALID,
                       "plain HTTP is for loopback only: '%s' would send tokens in the clear",
                       o->host);
    return 0;
}

/* Care commands work beside a hub; a second hub would not: each has its own idea of what tokens,
 * uploads and parts are in use. The kernel lets go of the lock when the process ends. */
static int lock_folder(struct sk_hub *h, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_path_join(h->dir, "hub.lock");
    if (!path)
        return sk_nomem(err);
    h->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (h->lock_fd < 0)
        return sk_fail_errno(err, "'%s'", path);
    if (flock(h->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return sk_fail_errno(err, "'%s'", path);
    return sk_fail(err, SK_BUSY,
                   "another hub runs on the folder '%s': stop it, or give this one its own "
                   "--data-dir",
                   h->dir);
}

static int serve_port(struct sk_hub *h, const char *pem, uint16_t port, int listen_fd,
                      struct sk_http_server **out, struct sk_err *err)
{
    const bool takes_websockets = !h->opts.plain_http && !h->opts.without_devices;
    const struct sk_http_options http = {
        .host = h->opts.host,
        .port = port,
        .listen_fd = listen_fd,
        .max_body_bytes = SK_HUB_JSON_BYTES,
        .max_connections = h->opts.max_connections,
        .routes = h->http_routes,
        .ctx = h,
        .tls_cert = h->opts.plain_http ? NULL : pem,
        .tls_key = h->opts.plain_http ? NULL : pem,
        .ask_client_cert = !h->opts.plain_http,
        .take_prefix = takes_websockets ? "GET /$iothub/websocket" : NULL,
        .take = sk_hub_take_websocket,
        .admit = sk_hub_admit,
        .finished = sk_hub_finished,
    };
    return sk_http_start(&http, out, err);
}

/* The other port is for clients that know no other; who may not bind it goes without. */
static int serve_second(struct sk_hub *h, const char *pem, struct sk_err *err)
{
    if (h->opts.second_port == 0 || h->opts.plain_http)
        return 0;
    if (serve_port(h, pem, h->opts.second_port, -1, &h->second, err) == 0)
        return 0;
    if (!h->opts.second_port_may_fail)
        return -1;
    sk_log(SK_WARN, "second_port_closed",
           "port=%u error=\"%s\" next=\"served on the first alone%s\"", h->opts.second_port,
           err->text, err->code == SK_DENIED ? "; CAP_NET_BIND_SERVICE or root may bind it" : "");
    *err = (struct sk_err)SK_ERR_INIT;
    return 0;
}

static int listen_all(struct sk_hub *h, int *listen_fd, struct sk_err *err)
{
    char pem[4096];
    if (snprintf(pem, sizeof pem, "%s/tls/server.pem", h->dir) >= (int)sizeof pem)
        return sk_fail(err, SK_INVALID, "the folder's name is too long");
    return serve_port(h, pem, h->opts.port, sk_take_fd(listen_fd), &h->http, err) < 0 ||
                   serve_second(h, pem, err) < 0 || sk_hub_iot_listen(h, pem, err) < 0
               ? -1
               : 0;
}

static int start(struct sk_hub *h, const struct sk_hub_options *opts, int *listen_fd,
                 struct sk_err *err)
{
    if (sk_cond_init(&h->wake, err) < 0 || set_options(h, opts, err) < 0 ||
        sk_store_open(h->dir, &h->store, err) < 0 || lock_folder(h, err) < 0 ||
        sk_hub_config_read(h->dir, &h->config, err) < 0 ||
        sk_accounts_new(h->store, &h->accounts, err) < 0 || prepare_certs(h, false, err) < 0 ||
        sk_hub_workers_new(h->opts.workers, SK_HUB_QUEUE, &h->workers, err) < 0 ||
        sk_hub_iot_open(h, err) < 0 || sk_hub_dispatch_init(h, err) < 0 ||
        listen_all(h, listen_fd, err) < 0 ||
        sk_thread_start(&h->care, "sk-hub-care", care, h, err) < 0)
        return -1;
    h->has_care = true;
    return 0;
}

int sk_hub_start(const struct sk_hub_options *opts, struct sk_hub **out, struct sk_err *err)
{
    SK_AUTO(sk_close) int listen_fd = opts->listen_fd;
    SK_OWN(sk_hub_stop) struct sk_hub *h = calloc(1, sizeof *h);
    if (!h)
        return sk_nomem(err);
    h->lock_fd = -1;
    (void)pthread_mutex_init(&h->lock, NULL);
    if (start(h, opts, &listen_fd, err) < 0)
        return -1;
    *out = SK_TAKE(h);
    return 0;
}

uint16_t sk_hub_port(const struct sk_hub *h)
{
    return sk_http_port(h->http);
}

uint16_t sk_hub_second_port(const struct sk_hub *h)
{
    return h->second ? sk_http_port(h->second) : 0;
}

uint16_t sk_hub_mqtt_port(const struct sk_hub *h)
{
    return h->iot->port;
}

/* Devices last: a method that a request waits for is still answered. */
unsigned sk_hub_drain(struct sk_hub *h, uint64_t wait_ms)
{
    uint64_t until_ms = sk_now_ms() + wait_ms;
    sk_live_end(&h->iot->readers);
    unsigned cut = sk_http_drain(h->http, wait_ms);
    uint64_t now_ms = sk_now_ms();
    if (h->second)
        cut += sk_http_drain(h->second, until_ms > now_ms ? until_ms - now_ms : 0);
    sk_hub_iot_quiesce(h, DEVICES_MS);
    return cut;
}

void sk_hub_stop(struct sk_hub *h)
{
    if (!h)
        return;
    stop_care(h);
    sk_hub_iot_quiesce(h, 0); /* methods that wait are answered */
    if (h->workers)
        sk_hub_workers_stop(h->workers); /* what they hold is answered; HTTP waits for that */
    if (h->second)
        sk_http_stop(h->second);
    if (h->http)
        sk_http_stop(h->http);
    sk_hub_iot_close(h);
    sk_hub_workers_free(h->workers);
    sk_accounts_free(h->accounts);
    sk_hub_config_free(h->config);
    sk_store_close(h->store);
    sk_close(&h->lock_fd);
    free(h->rows);
    free(h->http_routes);
    free(h->dir);
    free(h->host);
    (void)pthread_cond_destroy(&h->wake);
    (void)pthread_mutex_destroy(&h->lock);
    free(h);
}
