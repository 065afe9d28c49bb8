/* cmd_serve.c - `skerry serve`: options into struct sk_serve_options, then the server. */
#include "base/log.h"
#include "cli/cli_priv.h"
#include "serve/serve.h"

#include <limits.h>
#include <signal.h>

struct args {
    struct sk_cli_engine engine;
    const char *host;
    uint64_t port;
    const char *tls_cert;
    const char *tls_key;
    const char *api_key_file;
    const char *labels;
    bool watch;
    uint64_t watch_ms;
    uint64_t load_ms;
    uint64_t drain_ms;
    const char *log_level;
    const char *log_format;
    uint64_t body_bytes, pixels, header_bytes, json_values, output_bytes;
    uint64_t connections, queue, parts;
    uint64_t request_ms, read_ms, idle_ms;
    const char *telemetry, *model_version;
    uint64_t telemetry_every, telemetry_ms;
};

enum {
    HOUR_MS = 3600 * 1000,
    DAY_MS = 24 * HOUR_MS
};

#define AT(field) .offset = offsetof(struct args, field)

/* The defaults of limits are written as one would type them; a test holds them against
 * base/limits.h. */
/* clang-format off */
static const struct sk_opt options[] = {
    { "host", 'H', SK_OPT_TEXT, "ADDR", "address to listen on; 0.0.0.0 for all",
      .def = "127.0.0.1", AT(host) },
    { "port", 'p', SK_OPT_U64, "N", "port to listen on; 0 picks a free one",
      .def = "5001", .max = 65535, AT(port) },
    { "labels", 'l', SK_OPT_TEXT, "FILE", "labels for models without: one a line, or JSON",
      AT(labels) },
    { "watch", 'w', SK_OPT_FLAG, NULL, "follow changes of the model folders", AT(watch) },
    { "watch-interval", 0, SK_OPT_MS, "TIME", "how often to look for changes",
      .def = "1s", .min = 10, .max = HOUR_MS, AT(watch_ms) },
    { "drain-timeout", 0, SK_OPT_MS, "TIME", "how long SIGTERM waits for accepted requests",
      .def = "30s", .min = 1, .max = HOUR_MS, AT(drain_ms) },
    { "load-timeout", 0, SK_OPT_MS, "TIME",
      "time that a model sent over the network may take to load",
      .def = "60s", .min = 100, .max = HOUR_MS, AT(load_ms) },

    { "tls-cert", 0, SK_OPT_TEXT, "FILE", "certificate chain (PEM); with --tls-key: serve HTTPS",
      AT(tls_cert), .group = "Access" },
    { "tls-key", 0, SK_OPT_TEXT, "FILE", "private key of the certificate (PEM)",
      AT(tls_key), .group = "Access" },
    { "api-key-file", 0, SK_OPT_TEXT, "FILE",
      "file whose first line is the key that requests must carry, at least 16 characters",
      AT(api_key_file), .group = "Access" },

    SK_CLI_ENGINE_OPTIONS(struct args),

    { "max-body-size", 0, SK_OPT_SIZE, "SIZE", "largest request body",
      .def = "64M", .min = 1, .max = 1ull << 40, AT(body_bytes), .group = "Limits" },
    { "max-pixels", 0, SK_OPT_U64, "N", "most pixels in a picture",
      .def = "178956970", .min = 1, .max = 1ull << 32, AT(pixels), .group = "Limits" },
    { "max-header-size", 0, SK_OPT_SIZE, "SIZE", "longest request header",
      .def = "32K", .min = 1024, .max = 1u << 20, AT(header_bytes), .group = "Limits" },
    { "max-connections", 0, SK_OPT_U64, "N", "most open connections",
      .def = "1024", .min = 1, .max = 1000000, AT(connections), .group = "Limits" },
    { "max-queue", 0, SK_OPT_U64, "N", "most requests that wait for a core; more get 503",
      .def = "1024", .min = 1, .max = 1000000, AT(queue), .group = "Limits" },
    { "max-parts", 0, SK_OPT_U64, "N", "most pictures in one request",
      .def = "64", .min = 1, .max = 100000, AT(parts), .group = "Limits" },
    { "max-json-values", 0, SK_OPT_U64, "N", "most values in a JSON body",
      .def = "2000000", .min = 1, .max = 1ull << 32, AT(json_values), .group = "Limits" },
    { "max-output-size", 0, SK_OPT_SIZE, "SIZE", "largest tensors that a V2 request may get",
      .def = "256M", .min = 1, .max = 1ull << 40, AT(output_bytes), .group = "Limits" },
    { "request-timeout", 0, SK_OPT_MS, "TIME",
      "time from accepting a request to its answer; later ones get 504",
      .def = "30s", .min = 1, .max = DAY_MS, AT(request_ms), .group = "Limits" },
    { "read-timeout", 0, SK_OPT_MS, "TIME", "time a client may take to send a request",
      .def = "30s", .min = 1, .max = DAY_MS, AT(read_ms), .group = "Limits" },
    { "idle-timeout", 0, SK_OPT_MS, "TIME",
      "time a connection may stay without a request after an answer; a new one that is silent is "
      "closed after --read-timeout",
      .def = "75s", .min = 1, .max = DAY_MS, AT(idle_ms), .group = "Limits" },

    { "telemetry", 0, SK_OPT_CHOICE, "HOW", "as a module of an edge: which results go to the hub",
      .def = "each", .choices = "each|sampled|summary|off", AT(telemetry), .group = "Telemetry" },
    { "telemetry-every", 0, SK_OPT_U64, "N", "sampled: every n-th result",
      .def = "10", .min = 1, .max = 1000000, AT(telemetry_every), .group = "Telemetry" },
    { "telemetry-interval", 0, SK_OPT_MS, "TIME", "summary: how often",
      .def = "60s", .min = 1000, .max = DAY_MS, AT(telemetry_ms), .group = "Telemetry" },
    { "model-version", 0, SK_OPT_TEXT, "TEXT", "version that results carry as modelVersion",
      AT(model_version), .group = "Telemetry" },

    { "log-level", 0, SK_OPT_CHOICE, "LEVEL", "least level that is logged",
      .def = "info", .choices = "debug|info|warn|error", AT(log_level), .group = "Log" },
    { "log-format", 0, SK_OPT_CHOICE, "FORMAT", "form of a log line",
      .def = "text", .choices = "text|json", AT(log_format), .group = "Log" },
    { .name = NULL },
};

/* clang-format on */

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    enum sk_level level = SK_INFO;

    if (!a->tls_cert != !a->tls_key)
        return sk_fail(err, SK_USAGE, "--tls-cert and --tls-key belong together; %s is missing",
                       a->tls_cert ? "--tls-key" : "--tls-cert");
    if (sk_log_level_parse(a->log_level, &level, err) < 0)
        return -1;
    sk_log_setup(level, strcmp(a->log_format, "json") == 0 ? SK_LOG_JSON : SK_LOG_TEXT,
                 STDERR_FILENO);
    (void)signal(SIGPIPE, SIG_IGN); /* a client that is gone is an error of its write, not our end
                                     */

    const struct sk_serve_options serve = {
        .models = operands,
        .model_count = count,
        .labels_file = a->labels,
        .host = a->host,
        .port = (uint16_t)a->port,
        .tls_cert = a->tls_cert,
        .tls_key = a->tls_key,
        .api_key_file = a->api_key_file,
        .onnxruntime = a->engine.onnxruntime,
        .device = sk_cli_device(a->engine.device),
        .threads = (unsigned)a->engine.threads,
        .no_cache = !a->engine.cache,
        .watch = a->watch,
        .watch_ms = a->watch_ms,
        .load_timeout_ms = a->load_ms,
        .max_body_bytes = a->body_bytes,
        .max_pixels = a->pixels,
        .max_header_bytes = a->header_bytes,
        .max_json_values = a->json_values,
        .max_output_bytes = a->output_bytes,
        .max_connections = a->connections,
        .max_queue = a->queue,
        .max_parts = a->parts,
        .request_ms = a->request_ms,
        .read_ms = a->read_ms,
        .idle_ms = a->idle_ms,
        .drain_ms = a->drain_ms,
        .telemetry = a->telemetry,
        .model_version = a->model_version,
        .telemetry_every = (unsigned)a->telemetry_every,
        .telemetry_interval_s = (unsigned)(a->telemetry_ms / 1000),
    };
    return sk_serve_run(&serve, err);
}

const struct sk_cmd sk_cli_serve = {
    .name = "serve",
    .operands = "MODEL...",
    .summary = "Serves models over HTTP",
    .details = "MODEL is a bundle (a folder with one .onnx file, and beside it the "
               "preprocessor_config.json and config.json "
               "of the Hugging Face hub), a lone .onnx file, or a folder of bundles, each with "
               "versions in numbered "
               "folders or without.\n\n"
               "POST /predict takes a picture, as the multipart field \"image\" or as the whole "
               "body, and answers with label "
               "and probabilities. /v2 speaks the Open Inference Protocol for any ONNX model. / is "
               "a page to try it. "
               "/metrics, /healthz and /readyz are for machines.\n\n"
               "SIGTERM stops accepting and answers what was accepted; SIGHUP looks for changed "
               "models at once. Under systemd's socket activation the socket named \"http\" is "
               "served, and one named \"control\" takes orders (docs/spec/serve.md).\n\n"
               "TIME is a number with ms, s, m or h; a bare number is seconds.",
    .examples = "skerry serve models/digits # one model on http://127.0.0.1:5001\n"
                "skerry serve --host 0.0.0.0 --port 8000 --watch models/ # all models of a folder, "
                "reloaded when they change\n"
                "curl -F image=@cat.jpg http://127.0.0.1:5001/predict # ask it",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = UINT_MAX,
    .run = run,
};
