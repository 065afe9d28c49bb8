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
#include "base/net.h"
#include "base/thread.h"
#include "serve/api_priv.h"
#include "serve/sockets_priv.h"
#include "serve/upload_priv.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    KEY_BYTES_MAX = 4096,
    CHORES_MAX = 16,
    WATCH_MS = 1000,
    CONTROL_CONNECTIONS = 16,
    CONTROL_DRAIN_MS = 1000,
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
    sk_results_stop(s);
    sk_pool_free(s->chores);
    sk_pool_free(s->pool);
    sk_models_free(s->models);
    if (s->api_key) {
        explicit_bzero(s->api_key, strlen(s->api_key));
        free(s->api_key);
    }
    sk_recent_done(&s->recent);
    if (s->opts.http_fd > 0) /* not served yet */
        (void)close(s->opts.http_fd);
    if (s->opts.control_fd > 0)
        (void)close(s->opts.control_fd);
    if (s->inside != &s->own_inside)
        (void)munmap(s->inside, sizeof *s->inside);
    (void)pthread_cond_destroy(&s->watch_wake);
    (void)pthread_mutex_destroy(&s->watch_mutex);
    free(s);
}

SK_DEFINE_OWN(struct sk_server, server_free);

/* Descriptor 0 means none in our options. */
static int take_socket(int *fd)
{
    int taken = *fd > 0 ? *fd : -1;

    *fd = 0;
    return taken;
}

/* Where what was in flight can be read once we are dead; a file that is none costs only that. */
static void map_inside(struct sk_server *s)
{
    struct stat st;
    SK_AUTO(sk_close) int fd = take_socket(&s->opts.inside_fd);

    s->inside = &s->own_inside;
    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof *s->inside)
        return;
    void *page = mmap(NULL, sizeof *s->inside, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED)
        s->inside = page;
}

static struct sk_http_options http_options(struct sk_server *s, bool is_control)
{
    return (struct sk_http_options){
        .max_body_bytes = (size_t)s->opts.max_body_bytes,
        .max_header_bytes = (size_t)s->opts.max_header_bytes,
        .max_connections = (unsigned)s->opts.max_connections,
        .max_parts = (unsigned)s->opts.max_parts,
        .read_ms = (unsigned)s->opts.read_ms,
        .idle_ms = (unsigned)s->opts.idle_ms,
        .routes = sk_serve_routes(is_control),
        .ctx = s,
        .finished = sk_server_finished,
    };
}

static int start_http(struct sk_server *s, struct sk_err *err)
{
    struct sk_http_options http = http_options(s, false);

    http.host = s->opts.host;
    http.port = s->opts.port;
    http.listen_fd = take_socket(&s->opts.http_fd);
    http.is_shared = http.listen_fd >= 0;
    http.starts_paused = s->opts.starts_paused;
    http.api_key = s->api_key;
    http.tls_cert = s->opts.tls_cert;
    http.tls_key = s->opts.tls_key;
    return sk_http_start(&http, &s->http, err);
}

/* It accepts when both servers are known to handlers. */
static int start_servers(struct sk_server *s, struct sk_err *err)
{
    struct sk_http_options control = http_options(s, true);

    control.listen_fd = take_socket(&s->opts.control_fd);
    control.starts_paused = true;
    control.threads = 1;
    control.max_connections = CONTROL_CONNECTIONS;
    if (control.listen_fd >= 0 && sk_http_start(&control, &s->control, err) < 0)
        return sk_wrap(err, "the control socket");
    if (start_http(s, err) < 0) {
        sk_http_stop(s->control);
        return -1;
    }
    if (s->control)
        sk_http_resume(s->control);
    return 0;
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
    map_inside(s);
    sk_recent_init(&s->recent);
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
        sk_pool_new(1, CHORES_MAX, &s->chores, err) < 0 || start_watcher(s, err) < 0)
        return -1;
    sk_results_start(s);
    if (start_servers(s, err) < 0)
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
    if (s->control)
        (void)sk_http_drain(s->control, CONTROL_DRAIN_MS);
    sk_http_stop(s->control); /* its handlers ask http */
    sk_http_stop(s->http);
    server_free(s);
    return cut;
}

/* ---- the command ---- */

/* place: of a socket from outside; "". */
static void log_start(const struct sk_server *s, const char *place, uint64_t start_ns)
{
    const char *reason = "";
    const char *device = sk_engine_device(s->engine, &reason);

    if (sk_engine_degraded(s->engine))
        sk_log(SK_WARN, "device_degraded", "device=%s reason=\"%s\"", device, reason);
    else
        sk_log(SK_INFO, "device", "device=%s reason=\"%s\"", device, reason);
    bool is_v6 = strchr(s->opts.host, ':') != NULL;
    char own[280];
    (void)snprintf(own, sizeof own, "%s%.255s%s:%u", is_v6 ? "[" : "", s->opts.host,
                   is_v6 ? "]" : "", sk_server_port(s));
    sk_log(SK_INFO, "ready", "url=%s://%s engine=\"%s\" workers=%u accepting=%s ms=%llu",
           s->opts.tls_cert ? "https" : "http", place[0] ? place : own, sk_engine_name(s->engine),
           s->opts.threads, s->opts.starts_paused ? "no" : "yes",
           (unsigned long long)((sk_now_ns() - start_ns) / 1000000));
}

/* Where a socket from outside listens; a unix socket is "local". */
static void name_socket(int fd, char *out)
{
    struct sockaddr_storage addr = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof addr;

    (void)getsockname(fd, (struct sockaddr *)&addr, &len);
    sk_peer_text(&addr, len, out);
}

int sk_serve_run(const struct sk_serve_options *given, struct sk_err *err)
{
    struct sk_serve_options own = *given;
    const struct sk_serve_options *opts = &own;
    struct sk_sockets sockets;
    char place[SK_PEER_TEXT] = "";

    if (sk_sockets_take(&sockets, err) < 0)
        return -1;
    own.http_fd = sockets.http_fd;
    own.control_fd = sockets.control_fd;
    own.inside_fd = sockets.inside_fd;
    own.starts_paused = sockets.is_paused;
    if (own.http_fd)
        name_socket(own.http_fd, place);
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
    log_start(s, place, start_ns);
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
