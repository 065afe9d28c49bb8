/*
 * serve.c - the server put together: engine, models, workers, HTTP; and taken apart in the order
 * that loses nothing.
 *
 * Start: models are loaded and warm before the socket answers. Stop: HTTP drains first (nothing new
 * comes in, what came in is answered by the workers), then the watcher, the workers and the models
 * end.
 */
#include "serve/serve.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/thread.h"
#include "serve/api_priv.h"
#include "serve/upload_priv.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

enum {
    KEY_BYTES_MAX = 4096,
    CHORES_MAX = 16,
    WATCH_MS = 1000,
    LOAD_TIMEOUT_MS = 60000
};

static uint64_t or_default(uint64_t value, uint64_t fallback)
{
    return value > 0 ? value : fallback;
}

static void fill_defaults(struct sk_serve_options *o)
{
    if (!o->host)
        o->host = "127.0.0.1";
    if (o->threads == 0)
        o->threads = sk_cpu_count();
    o->watch_ms = or_default(o->watch_ms, WATCH_MS);
    o->load_timeout_ms = or_default(o->load_timeout_ms, LOAD_TIMEOUT_MS);
    o->max_body_bytes = or_default(o->max_body_bytes, SK_LIMIT_BODY_BYTES);
    o->max_pixels = or_default(o->max_pixels, SK_LIMIT_PIXELS);
    o->max_header_bytes = or_default(o->max_header_bytes, SK_LIMIT_HEADER_BYTES);
    o->max_json_values = or_default(o->max_json_values, SK_LIMIT_JSON_VALUES);
    o->max_output_bytes = or_default(o->max_output_bytes, SK_LIMIT_OUTPUT_BYTES);
    o->max_connections = or_default(o->max_connections, SK_LIMIT_CONNECTIONS);
    o->max_queue = or_default(o->max_queue, SK_LIMIT_QUEUE);
    o->max_parts = or_default(o->max_parts, SK_LIMIT_PARTS);
    o->request_ms = or_default(o->request_ms, SK_LIMIT_REQUEST_MS);
    o->read_ms = or_default(o->read_ms, SK_LIMIT_READ_MS);
    o->idle_ms = or_default(o->idle_ms, SK_LIMIT_IDLE_MS);
    o->drain_ms = or_default(o->drain_ms, o->request_ms);
}

/* The first line of the file; at least 16 characters, so that guessing is hopeless. */
static int read_key(const char *path, char **out, struct sk_err *err)
{
    SK_OWN(free) char *text = NULL;
    size_t len;

    if (sk_file_read(path, KEY_BYTES_MAX, &text, &len, err) < 0)
        return sk_wrap(err, "--api-key-file");
    text[strcspn(text, "\r\n")] = '\0';
    len = strlen(text);
    if (len < 16)
        return sk_fail(err, SK_INVALID,
                       "--api-key-file '%s': the key has %zu characters, at least 16 are needed "
                       "(make one with: openssl rand -hex 24)",
                       path, len);
    for (size_t i = 0; i < len; i++)
        if (!isgraph((unsigned char)text[i]))
            return sk_fail(err, SK_INVALID,
                           "--api-key-file '%s': the key must be printable ASCII without spaces",
                           path);
    *out = SK_TAKE(text);
    return 0;
}

/* ---- the watcher ---- */

static void *watch(void *arg)
{
    struct sk_server *s = arg;

    (void)pthread_mutex_lock(&s->watch_mutex);
    while (!s->is_stopping) {
        uint64_t wake_ns = sk_now_ns() + s->opts.watch_ms * 1000000;
        if (sk_cond_wait_until(&s->watch_wake, &s->watch_mutex, wake_ns) != ETIMEDOUT)
            continue;
        (void)pthread_mutex_unlock(&s->watch_mutex);
        (void)sk_models_rescan(s->models, false);
        (void)pthread_mutex_lock(&s->watch_mutex);
    }
    (void)pthread_mutex_unlock(&s->watch_mutex);
    return NULL;
}

static int start_watcher(struct sk_server *s, struct sk_err *err)
{
    if (!s->opts.watch)
        return 0;
    if (sk_thread_start(&s->watcher, "sk-watch", watch, s, err) < 0)
        return -1;
    s->has_watcher = true;
    return 0;
}

static void stop_watcher(struct sk_server *s)
{
    if (!s->has_watcher)
        return;
    (void)pthread_mutex_lock(&s->watch_mutex);
    s->is_stopping = true;
    (void)pthread_cond_signal(&s->watch_wake);
    (void)pthread_mutex_unlock(&s->watch_mutex);
    (void)pthread_join(s->watcher, NULL);
    s->has_watcher = false;
}

/* ---- start and stop ---- */

static void server_free(struct sk_server *s)
{
    if (!s)
        return;
    stop_watcher(s);
    sk_pool_free(s->chores);
    sk_pool_free(s->pool);
    sk_models_free(s->models);
    if (s->api_key) {
        explicit_bzero(s->api_key, strlen(s->api_key));
        free(s->api_key);
    }
    (void)pthread_cond_destroy(&s->watch_wake);
    (void)pthread_mutex_destroy(&s->watch_mutex);
    free(s);
}

SK_DEFINE_OWN(struct sk_server, server_free);

static int start_http(struct sk_server *s, struct sk_err *err)
{
    const struct sk_http_options http = {
        .host = s->opts.host,
        .port = s->opts.port,
        .listen_fd = -1,
        .max_body_bytes = (size_t)s->opts.max_body_bytes,
        .max_header_bytes = (size_t)s->opts.max_header_bytes,
        .max_connections = (unsigned)s->opts.max_connections,
        .max_parts = (unsigned)s->opts.max_parts,
        .read_ms = (unsigned)s->opts.read_ms,
        .idle_ms = (unsigned)s->opts.idle_ms,
        .routes = sk_serve_routes,
        .ctx = s,
        .api_key = s->api_key,
        .tls_cert = s->opts.tls_cert,
        .tls_key = s->opts.tls_key,
        .finished = sk_server_finished,
    };

    return sk_http_start(&http, &s->http, err);
}

int sk_server_start(const struct sk_serve_options *opts, struct sk_engine *engine,
                    struct sk_server **out, struct sk_err *err)
{
    SK_OWN(server_free) struct sk_server *s = calloc(1, sizeof *s);

    if (!s)
        return sk_nomem(err);
    s->opts = *opts;
    fill_defaults(&s->opts);
    s->engine = engine;
    s->start_wall_ms = sk_wall_ms();
    (void)pthread_mutex_init(&s->watch_mutex, NULL);
    if (sk_cond_init(&s->watch_wake, err) < 0)
        return -1;
    if (!s->opts.tls_cert != !s->opts.tls_key)
        return sk_fail(err, SK_USAGE, "--tls-cert and --tls-key belong together");
    if (s->opts.api_key_file && read_key(s->opts.api_key_file, &s->api_key, err) < 0)
        return -1;
    sk_upload_sweep();
    const struct sk_models_options models = {
        .engine = engine,
        .paths = s->opts.models,
        .path_count = s->opts.model_count,
        .labels_file = s->opts.labels_file,
        .workers = s->opts.threads,
    };
    if (sk_models_new(&models, &s->models, err) < 0 ||
        sk_pool_new(s->opts.threads, (size_t)s->opts.max_queue, &s->pool, err) < 0 ||
        sk_pool_new(1, CHORES_MAX, &s->chores, err) < 0 || start_watcher(s, err) < 0 ||
        start_http(s, err) < 0)
        return -1;
    *out = SK_TAKE(s);
    return 0;
}

uint16_t sk_server_port(const struct sk_server *s)
{
    return sk_http_port(s->http);
}

unsigned sk_server_rescan(struct sk_server *s)
{
    return sk_models_rescan(s->models, true);
}

unsigned sk_server_stop(struct sk_server *s)
{
    unsigned cut = sk_http_drain(s->http, s->opts.drain_ms);

    /* Nobody waits for what is left. The workers end before HTTP does, since a request that is
     * still held must be answered; the pools stay until then, since a handler may still push. */
    atomic_store(&s->is_cut, true);
    sk_pool_stop(s->pool);
    sk_pool_stop(s->chores);
    sk_http_stop(s->http);
    server_free(s);
    return cut;
}

/* ---- the command ---- */

static void log_start(const struct sk_server *s, uint64_t start_ns)
{
    const char *reason = "";
    const char *device = sk_engine_device(s->engine, &reason);

    if (sk_engine_degraded(s->engine))
        sk_log(SK_WARN, "device_degraded", "device=%s reason=\"%s\"", device, reason);
    else
        sk_log(SK_INFO, "device", "device=%s reason=\"%s\"", device, reason);
    bool is_v6 = strchr(s->opts.host, ':') != NULL;
    sk_log(SK_INFO, "ready", "url=%s://%s%s%s:%u engine=\"%s\" workers=%u ms=%llu",
           s->opts.tls_cert ? "https" : "http", is_v6 ? "[" : "", s->opts.host, is_v6 ? "]" : "",
           sk_server_port(s), sk_engine_name(s->engine), s->opts.threads,
           (unsigned long long)((sk_now_ns() - start_ns) / 1000000));
}

int sk_serve_run(const struct sk_serve_options *opts, struct sk_err *err)
{
    const struct sk_engine_options engine_opts = {
        .library = opts->onnxruntime,
        .device = opts->device,
        .threads = opts->threads,
        .use_cache = !opts->no_cache,
    };
    SK_OWN(sk_engine_close) struct sk_engine *engine = NULL;
    struct sk_server *s = NULL;
    uint64_t start_ns = sk_now_ns();
    sigset_t signals;
    int signal = 0;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (sk_engine_open(&engine_opts, &engine, err) < 0 ||
        sk_server_start(opts, engine, &s, err) < 0)
        return -1;
    log_start(s, start_ns);
    while (sigwait(&signals, &signal) == 0 && signal == SIGHUP)
        sk_log(SK_INFO, "rescan", "changes=%u", sk_server_rescan(s));
    sk_log(SK_INFO, "draining", "signal=%s wait_ms=%llu", signal == SIGINT ? "INT" : "TERM",
           (unsigned long long)s->opts.drain_ms);
    (void)pthread_sigmask(SIG_UNBLOCK, &signals, NULL); /* a second signal ends us at once */
    unsigned cut = sk_server_stop(s);
    sk_log(cut > 0 ? SK_WARN : SK_INFO, "stopped", "cut=%u", cut);
    return 0;
}

int sk_serve_limit_self(const char *path, struct sk_err *err)
{
    return sk_upload_limit_self(path, err);
}
