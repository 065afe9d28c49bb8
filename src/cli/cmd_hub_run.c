/* cmd_hub_run.c - `skerry hub run`: options into struct sk_hub_options, then the hub. */
#include "base/clock.h"
#include "base/log.h"
#include "cli/cli_priv.h"
#include "cli/hub_dir_priv.h"
#include "hub/hub.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct args {
    const char *data_dir, *listen;
    uint64_t port, second_port, mqtt_port, devices;
    uint64_t telemetry_bytes, telemetry_ms;
    uint64_t workers, connections, blob_bytes;
    uint64_t upload_ms, gc_ms, grace_ms, drain_ms;
    bool plain_http, without_devices;
    const char *log_level, *log_format;
};

enum {
    HOUR_MS = 3600 * 1000,
    DAY_MS = 24 * HOUR_MS,
    HTTPS_PORT = 443
};

#define AT(field) .offset = offsetof(struct args, field)
#define YEAR_MS   (365ull * DAY_MS)

/* clang-format off */
static const struct sk_opt options[] = {
    SK_CLI_DATA_DIR_OPTION(struct args),
    { "listen", 'H', SK_OPT_TEXT, "ADDR", "address to listen on; 0.0.0.0 for all",
      .def = "127.0.0.1", AT(listen) },
    { "port", 'p', SK_OPT_U64, "N", "port to listen on; 0 picks a free one",
      .def = "8443", .max = 65535, AT(port) },
    { "second-port", 0, SK_OPT_U64, "N",
      "HTTPS there too: devices' SDKs and az know no port but 443; 0: not. A 443 that may not be "
      "bound is only logged", .def = "443", .max = 65535, AT(second_port) },
    { "mqtt-port", 0, SK_OPT_U64, "N", "port for MQTT over TLS; 0 picks a free one",
      .def = "8883", .max = 65535, AT(mqtt_port) },
    { "without-devices", 0, SK_OPT_FLAG, NULL, "listen neither for MQTT nor for WebSocket", AT(without_devices) },
    { "drain-timeout", 0, SK_OPT_MS, "TIME", "how long SIGTERM waits for accepted requests",
      .def = "30s", .min = 1, .max = HOUR_MS, AT(drain_ms) },
    { "plain-http", 0, SK_OPT_FLAG, NULL,
      "serve HTTP without TLS, on loopback only: behind a proxy that ends TLS", AT(plain_http) },

    { "gc-interval", 0, SK_OPT_MS, "TIME", "how often what nothing names is removed; 0: never",
      .def = "1h", .max = YEAR_MS, AT(gc_ms), .group = "Storage" },
    { "gc-grace", 0, SK_OPT_MS, "TIME", "how long a blob may be there before something names it",
      .def = "1h", .min = 1, .max = YEAR_MS, AT(grace_ms), .group = "Storage" },
    { "upload-idle", 0, SK_OPT_MS, "TIME", "how long an upload is kept after its last byte",
      .def = "24h", .min = 1, .max = YEAR_MS, AT(upload_ms), .group = "Storage" },

    { "telemetry-size", 0, SK_OPT_SIZE, "SIZE",
      "messages of devices that are kept, the oldest go first; 0: no bound",
      .def = "10G", .max = 1ull << 50, AT(telemetry_bytes), .group = "Storage" },
    { "telemetry-age", 0, SK_OPT_MS, "TIME", "how long they are kept; 0: no bound",
      .def = "720h", .max = 10 * YEAR_MS, AT(telemetry_ms), .group = "Storage" },

    { "max-blob-size", 0, SK_OPT_SIZE, "SIZE", "largest file, layer or part of an upload",
      .def = "1024G", .min = 1, .max = 1ull << 50, AT(blob_bytes), .group = "Limits" },
    { "max-connections", 0, SK_OPT_U64, "N", "most open connections",
      .def = "1024", .min = 1, .max = 1000000, AT(connections), .group = "Limits" },
    { "max-devices", 0, SK_OPT_U64, "N", "most devices and modules that are connected",
      .def = "20000", .min = 1, .max = 1000000, AT(devices), .group = "Limits" },
    { "workers", 0, SK_OPT_U64, "N", "threads that answer", .def = "8", .min = 1, .max = 1024,
      AT(workers), .group = "Limits" },

    { "log-level", 0, SK_OPT_CHOICE, "LEVEL", "least level that is logged",
      .def = "info", .choices = "debug|info|warn|error", AT(log_level), .group = "Log" },
    { "log-format", 0, SK_OPT_CHOICE, "FORMAT", "form of a log line",
      .def = "text", .choices = "text|json", AT(log_format), .group = "Log" },
    { .name = NULL },
};

/* clang-format on */

static void log_ready(const struct sk_hub *h, const struct args *a, const char *dir,
                      uint64_t start_ns)
{
    bool is_v6 = strchr(a->listen, ':') != NULL;
    sk_log(SK_INFO, "hub_ready",
           "url=%s://%s%s%s:%u second_port=%u mqtt_port=%u data_dir=\"%s\" ms=%llu",
           a->plain_http ? "http" : "https", is_v6 ? "[" : "", a->listen, is_v6 ? "]" : "",
           sk_hub_port(h), sk_hub_second_port(h), sk_hub_mqtt_port(h), dir,
           (unsigned long long)((sk_now_ns() - start_ns) / 1000000));
}

static void reload(struct sk_hub *hub)
{
    struct sk_err err = SK_ERR_INIT;
    if (sk_hub_reload_certs(hub, &err) < 0)
        sk_log(SK_ERROR, "reload_failed",
               "error=\"%s\" next=\"the certificate before stays in use\"", err.text);
    else
        sk_log(SK_INFO, "reloaded", "what=certificate");
}

static int serve(const struct args *a, const char *dir, struct sk_err *err)
{
    const struct sk_hub_options opts = {
        .dir = dir,
        .host = a->listen,
        .port = (uint16_t)a->port,
        .listen_fd = -1,
        .workers = (unsigned)a->workers,
        .max_connections = (unsigned)a->connections,
        .max_blob_bytes = a->blob_bytes,
        .max_upload_idle_ms = a->upload_ms,
        .gc_interval_ms = a->gc_ms,
        .gc_grace_ms = a->grace_ms,
        .plain_http = a->plain_http,
        .second_port = (uint16_t)a->second_port,
        .second_port_may_fail = a->second_port == HTTPS_PORT,
        .mqtt_port = (uint16_t)a->mqtt_port,
        .without_devices = a->without_devices,
        .max_devices = (unsigned)a->devices,
        .telemetry_bytes = a->telemetry_bytes,
        .telemetry_age_ms = a->telemetry_ms,
    };
    SK_OWN(sk_hub_stop) struct sk_hub *hub = NULL;
    uint64_t start_ns = sk_now_ns();
    sigset_t signals;
    int signal = 0;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (sk_hub_start(&opts, &hub, err) < 0)
        return -1;
    log_ready(hub, a, dir, start_ns);
    while (sigwait(&signals, &signal) == 0 && signal == SIGHUP)
        reload(hub);
    sk_log(SK_INFO, "draining", "signal=%s wait_ms=%llu", signal == SIGINT ? "INT" : "TERM",
           (unsigned long long)a->drain_ms);
    (void)pthread_sigmask(SIG_UNBLOCK, &signals, NULL); /* a second signal ends us at once */
    unsigned cut = sk_hub_drain(hub, a->drain_ms);
    sk_hub_stop(SK_TAKE(hub));
    sk_log(cut > 0 ? SK_WARN : SK_INFO, "stopped", "cut=%u", cut);
    return 0;
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    enum sk_level level = SK_INFO;
    SK_OWN(free) char *dir = NULL;
    (void)operands;
    (void)count;
    if (sk_log_level_parse(a->log_level, &level, err) < 0 ||
        sk_cli_hub_dir(a->data_dir, &dir, err) < 0)
        return -1;
    sk_log_setup(level, strcmp(a->log_format, "json") == 0 ? SK_LOG_JSON : SK_LOG_TEXT,
                 STDERR_FILENO);
    (void)signal(SIGPIPE, SIG_IGN); /* a client that is gone is an error of its write, not our end
                                     */
    return serve(a, dir, err);
}

const struct sk_cmd sk_cli_hub_run = {
    .name = "hub run",
    .summary = "Serves models, images and runs over HTTPS, devices over MQTT",
    .details =
        "One server for the MLflow REST interface, the OCI distribution interface, IoT Hub's "
        "interfaces for devices and services, and our own, on "
        "the folder that hub init made. Every request needs a token, as bearer or as the password "
        "of basic authentication, or a SAS token. Devices come to the MQTT port, and over "
        "WebSocket to /$iothub/websocket of the HTTPS ports. The server's certificate is renewed "
        "at start and once a day when "
        "less than a "
        "third of its life is left.\n\n"
        "SIGHUP reads the certificate and key in tls/server.pem again, for new connections. "
        "SIGTERM stops accepting and answers what was accepted.\n\n"
        "TIME is a number with ms, s, m or h; a bare number is seconds.",
    .examples = "skerry hub run --data-dir /srv/hub # on https://127.0.0.1:8443\n"
                "skerry hub run --listen 0.0.0.0 # for other machines",
    .options = options,
    .args_size = sizeof(struct args),
    .run = run,
};
