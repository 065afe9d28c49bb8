/* cmd_edge_init.c - `skerry edge init`: makes a device's folder and says what to type next. */
#include "agent/agent.h"
#include "base/file.h"
#include "base/str.h"
#include "cli/cli_priv.h"
#include "cli/edge_priv.h"
#include "keeper/keeper.h"

#include <string.h>

struct args {
    struct sk_cli_edge edge;
    const char *string_file, *cert, *key, *hub_ca, *hub_sha, *hostname, *publish, *docker;
    struct sk_opt_list listen, verify;
    uint64_t hub_https, hub_mqtt, mqtt, https, metrics, disk, spool;
    bool force, json;
};

enum {
    STRING_BYTES = 8192,
    CALL_MS = 2000
};

#define AT(field) .offset = offsetof(struct args, field)

/* clang-format off */
static const struct sk_opt options[] = {
    { "connection-string-file", 'f', SK_OPT_TEXT, "FILE",
      "file with the edge device's connection string; - for standard input", AT(string_file) },
    SK_CLI_EDGE_OPTIONS(struct args),
    { "force", 0, SK_OPT_FLAG, NULL, "set a folder that is there aside, and make another", AT(force) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },

    { "hub-ca", 0, SK_OPT_TEXT, "FILE", "the CA of the hub's certificate (PEM); else the system's",
      AT(hub_ca), .group = "Hub" },
    { "hub-ca-sha256", 0, SK_OPT_TEXT, "HEX",
      "its digest instead: the CA is taken from the hub when it fits", AT(hub_sha), .group = "Hub" },
    { "cert-file", 0, SK_OPT_TEXT, "FILE", "the device's certificate, when it has no key (PEM)",
      AT(cert), .group = "Hub" },
    { "key-file", 0, SK_OPT_TEXT, "FILE", "private key of the certificate (PEM)", AT(key), .group = "Hub" },
    { "hub-https-port", 0, SK_OPT_U64, "N", "the hub's port for HTTPS; 0: as in the connection string, else 443",
      .def = "0", .max = 65535, AT(hub_https), .group = "Hub" },
    { "hub-mqtt-port", 0, SK_OPT_U64, "N", "the hub's port for MQTT over TLS",
      .def = "8883", .min = 1, .max = 65535, AT(hub_mqtt), .group = "Hub" },

    { "hostname", 'n', SK_OPT_TEXT, "NAME",
      "name or address under which modules and leaf devices reach this device; else the first of --listen",
      AT(hostname), .group = "Network" },
    { "listen", 'H', SK_OPT_LIST, "ADDR", "address to listen on; 127.0.0.1 unless given", AT(listen), .group = "Network" },
    { "publish-address", 0, SK_OPT_TEXT, "ADDR", "where ports are published that a manifest gives no address",
      .def = "0.0.0.0", AT(publish), .group = "Network" },
    { "mqtt-port", 0, SK_OPT_U64, "N", "port for modules and leaf devices", .def = "8883", .min = 1, .max = 65535, AT(mqtt), .group = "Network" },
    { "https-port", 0, SK_OPT_U64, "N", "port for calls between modules", .def = "443", .min = 1, .max = 65535, AT(https), .group = "Network" },
    { "metrics-port", 0, SK_OPT_U64, "N", "port of /metrics", .def = "9600", .min = 1, .max = 65535, AT(metrics), .group = "Network" },
    { "docker-socket", 0, SK_OPT_TEXT, "FILE", "of the Docker Engine", .def = "/var/run/docker.sock", AT(docker), .group = "Network" },

    { "disk-size", 0, SK_OPT_SIZE, "SIZE", "for images, stored messages and logs together",
      .def = "8G", .min = 64u << 20, .max = 1ull << 50, AT(disk), .group = "Storage" },
    { "spool-size", 0, SK_OPT_SIZE, "SIZE", "of these, for stored messages; 0: a quarter",
      .def = "0", .max = 1ull << 50, AT(spool), .group = "Storage" },
    { "verify-key", 0, SK_OPT_LIST, "FILE", "public key that images run natively must be signed by",
      AT(verify), .group = "Storage" },
    { .name = NULL },
};

/* clang-format on */

/* The first line, without what editors and shells put around it: a byte order mark, spaces,
 * quotes. */
static void bare_line(char *text)
{
    const char *p = text;
    size_t len = strcspn(p, "\r\n");
    if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
        p += 3, len -= 3;
    while (len > 0 && (*p == ' ' || *p == '\t'))
        p++, len--;
    while (len > 0 && (p[len - 1] == ' ' || p[len - 1] == '\t'))
        len--;
    if (len >= 2 && (*p == '"' || *p == '\'') && p[len - 1] == *p)
        p++, len -= 2;
    memmove(text, p, len);
    text[len] = '\0';
}

static int read_string(const char *path, char **out, struct sk_err *err)
{
    SK_OWN(free) char *text = NULL;
    size_t len = 0;
    if (!path)
        return sk_fail(err, SK_USAGE,
                       "give --connection-string-file FILE, or - to read it from standard input");
    if (sk_file_read(path, STRING_BYTES, &text, &len, err) < 0)
        return sk_wrap(err, "--connection-string-file");
    bare_line(text);
    if (!*text)
        return sk_fail(err, SK_INVALID, "--connection-string-file: the first line is empty");
    *out = SK_TAKE(text);
    return 0;
}

/* What runs from a folder that is set aside would go on beside the new device. */
static int expect_idle(const struct sk_cli_edge *e, struct sk_err *err)
{
    SK_OWN(free) char *dir = NULL;
    SK_OWN(free) char *run_dir = NULL;
    SK_OWN(free) char *socket = NULL;
    SK_OWN(sk_keeper_free) struct sk_keeper *keeper = NULL;
    struct sk_err ignored = SK_ERR_INIT;
    if (sk_cli_edge_dirs(e, &dir, &run_dir, &ignored) < 0)
        return 0; /* there is none */
    socket = sk_path_join(run_dir, "keeper.sock");
    if (!socket)
        return sk_nomem(err);
    if (sk_cli_edge_ask(e, "{\"type\":\"status\"}", CALL_MS, NULL, &ignored) < 0 &&
        sk_keeper_connect(socket, &keeper, &ignored) < 0)
        return 0;
    return sk_fail(err, SK_BUSY,
                   "--force: the device that is there runs, or its modules do: 'skerry edge stop "
                   "--all' ends them");
}

static void put_next(const char *command, const char *dir, const struct sk_cli_edge *e,
                     struct sk_buf *out)
{
    sk_buf_fmt(out, "  skerry edge %s", command);
    if (e->data_dir) {
        sk_buf_str(out, " --data-dir ");
        sk_cli_path(out, dir);
    }
    if (e->run_dir) {
        sk_buf_str(out, " --run-dir ");
        sk_cli_path(out, e->run_dir);
    }
    sk_buf_chr(out, '\n');
}

static void write_text(const struct sk_agent_made *made, const char *dir,
                       const struct sk_cli_edge *e, struct sk_buf *out)
{
    sk_buf_fmt(out, "device             %s\n", made->device);
    sk_buf_fmt(out, "hub                %s\n", made->hub);
    if (*made->ca_sha256)
        sk_buf_fmt(out, "hub's CA           sha256:%s\n", made->ca_sha256);
    sk_buf_fmt(out, "reached as         %s\n", made->gateway);
    sk_buf_fmt(out, "folder             %s\n", dir);
    sk_buf_fmt(out, "CA for leaves      %s\n", made->ca_file);
    sk_buf_str(out, "\nnext:\n");
    put_next("check", dir, e, out);
    put_next("run", dir, e, out);
}

static void write_json(const struct sk_agent_made *made, const char *dir, struct sk_buf *out)
{
    const char *const rows[][2] = {
        { "device", made->device },   { "hub", made->hub },
        { "gateway", made->gateway }, { "data_dir", dir },
        { "ca_file", made->ca_file }, { "hub_ca_sha256", made->ca_sha256 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sk_buf_fmt(out, "%c\"%s\":", i == 0 ? '{' : ',', rows[i][0]);
        sk_buf_json_str(out, rows[i][1]);
    }
    sk_buf_str(out, "}\n");
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(free) char *dir = NULL;
    SK_OWN(free) char *text = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(64 << 10);
    struct sk_agent_made made;
    (void)operands;
    (void)count;
    if (a->hub_ca && a->hub_sha)
        return sk_fail(err, SK_USAGE, "--hub-ca and --hub-ca-sha256 say the same: give one");
    if (a->force && expect_idle(&a->edge, err) < 0)
        return -1;
    if (sk_cli_edge_dirs(&a->edge, &dir, NULL, err) < 0 ||
        read_string(a->string_file, &text, err) < 0)
        return -1;
    const struct sk_agent_init init = {
        .dir = dir,
        .connection_string = text,
        .cert_file = a->cert,
        .key_file = a->key,
        .hub_ca_file = a->hub_ca,
        .hub_ca_sha256 = a->hub_sha,
        .hostname = a->hostname,
        .listen = a->listen.items,
        .publish = a->publish,
        .hub_https_port = (uint16_t)a->hub_https,
        .hub_mqtt_port = (uint16_t)a->hub_mqtt,
        .mqtt_port = (uint16_t)a->mqtt,
        .https_port = (uint16_t)a->https,
        .metrics_port = (uint16_t)a->metrics,
        .disk_bytes = a->disk,
        .spool_bytes = a->spool,
        .docker_socket = a->docker,
        .verify_keys = a->verify.items,
        .force = a->force,
    };
    int rc = sk_agent_init(&init, &made, err);
    explicit_bzero(text, strlen(text));
    if (rc < 0)
        return -1;
    if (a->json)
        write_json(&made, dir, &out);
    else
        write_text(&made, dir, &a->edge, &out);
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_edge_init = {
    .name = "edge init",
    .summary = "Makes this machine an edge device of a hub",
    .details =
        "The folder gets the device's configuration (edge.json), its key, a key from which those "
        "of its modules are derived, and a certificate authority of its own. It appears in one "
        "step, or not at all. The connection string is that of a device that was made with "
        "'skerry device create NAME --edge-enabled'; it is read from a file, since arguments are "
        "seen by everybody.",
    .examples =
        "skerry device create cell-7 --edge-enabled > cell-7.txt # at the hub\n"
        "skerry edge init -f cell-7.txt --hub-ca ca.pem # on the device\n"
        "skerry edge init -f cell-7.txt --hub-ca ca.pem --listen 0.0.0.0 --hostname gate.local # a "
        "gateway for leaf devices",
    .options = options,
    .args_size = sizeof(struct args),
    .run = run,
};
