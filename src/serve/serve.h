/*
 * serve.h - the inference server: models behind HTTP.
 *
 * `skerry serve` is sk_serve_run(). Tests use the parts: start with an engine of their own, ask for
 * the port, drain, stop. See docs/spec/serve.md for what each address answers.
 */
#ifndef SK_SERVE_SERVE_H
#define SK_SERVE_SERVE_H

#include "base/cleanup.h"
#include "base/err.h"
#include "engine/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sk_server;

/* A zeroed structure with models filled in serves with the defaults of base/limits.h. Texts are
 * borrowed for the server's life. */
struct sk_serve_options {
    char *const *models;     /* bundles, .onnx files, or folders of models with versions */
    size_t model_count;      /* at least 1 */
    const char *labels_file; /* for bundles without labels */

    const char *host; /* NULL: 127.0.0.1 */
    uint16_t port;    /* 0: the kernel picks one */
    /* Listening sockets from outside, which are taken, also on failure; 0: none. http_fd is served
     * instead of host and port, and is shared with others: what waits in its backlog at the end is
     * theirs. control_fd, a unix socket, has the same addresses and those of [serve-80]. */
    int http_fd, control_fd;
    /* A file of at least 4 bytes, taken likewise: the number of requests that ask a model and have
     * no answer yet stands in it, also when this process was killed. 0: none. */
    int inside_fd;
    bool starts_paused; /* does not accept on http before it is told so over control */
    const char *tls_cert, *tls_key;
    const char *api_key_file; /* the key is its first line */

    const char *onnxruntime; /* see sk_engine_options.library */
    enum sk_device device;
    unsigned threads; /* workers; 0: sk_cpu_count() */
    bool no_cache;    /* do not keep optimised graphs */

    bool watch;               /* follow changes of the model folders */
    uint64_t watch_ms;        /* 0: 1000 */
    uint64_t load_timeout_ms; /* of a model that arrives over the network, in its child; 0: 60 s */

    uint64_t max_body_bytes, max_pixels, max_header_bytes, max_json_values; /* 0: the default,
                                                                               likewise below */
    uint64_t max_output_bytes;                                              /* of a V2 answer */
    uint64_t max_connections, max_queue, max_parts;
    uint64_t request_ms, read_ms, idle_ms;
    /* Of results, as a module of an edge: "each", "sampled" (every n-th), "summary" (one each
     * interval), "off"; NULL: each. The module's twin may change them. model_version NULL:
     * SKERRY_MODEL_VERSION. */
    const char *telemetry, *model_version;
    unsigned telemetry_every, telemetry_interval_s; /* 0: the reporter's defaults */

    uint64_t drain_ms; /* how long SIGTERM waits for accepted requests; 0: request_ms */
};

/* Takes sockets that whoever started us has opened (systemd's LISTEN_FDS) and SKERRY_START, see
 * [serve-80]. Serves until SIGTERM or SIGINT, then drains. Prints the address to the log when it is
 * ready. SIGHUP looks for changed models at once. The signals are blocked for the process from here
 * on. */
int sk_serve_run(const struct sk_serve_options *opts, struct sk_err *err) SK_CHECK;

/* The same without signals. engine is borrowed; it must outlive the server. */
int sk_server_start(const struct sk_serve_options *opts, struct sk_engine *engine,
                    struct sk_server **out, struct sk_err *err) SK_CHECK;
uint16_t sk_server_port(const struct sk_server *s); /* 0: a unix socket */
/* Looks for new, changed and removed models now; returns the number of changes. Any thread. */
unsigned sk_server_rescan(struct sk_server *s);
/* Refuses new connections, answers every request that was accepted, then frees everything. Returns
 * the number of requests that had to be cut after drain_ms. */
unsigned sk_server_stop(struct sk_server *s);

/* Limits memory, processor time and open files of this process to what a model of that size may
 * take: for a trial of one from the network, before anything of it is read. */
int sk_serve_limit_self(const char *path, struct sk_err *err) SK_CHECK;

#endif
