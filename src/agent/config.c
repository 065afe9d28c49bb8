/* config.c - edge.json: what `skerry edge init` found out, and may be edited by hand. */
#include "agent/agent_priv.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>

enum {
    MS = 1000
};

char *sk_agent_path(const char *dir, const char *a, const char *b)
{
    SK_OWN(free) char *first = sk_path_join(dir, a);
    if (!first || !b)
        return SK_TAKE(first);
    return sk_path_join(first, b);
}

static void put_text(struct sk_buf *b, const char *key, const char *value)
{
    sk_buf_fmt(b, ",\n \"%s\": ", key);
    sk_buf_json_str(b, value);
}

static void put_list(struct sk_buf *b, const char *key, char *const *items)
{
    sk_buf_fmt(b, ",\n \"%s\": [", key);
    for (size_t i = 0; items[i]; i++) {
        if (i > 0)
            sk_buf_str(b, ", ");
        sk_buf_json_str(b, items[i]);
    }
    sk_buf_chr(b, ']');
}

static void put_number(struct sk_buf *b, const char *key, uint64_t value)
{
    sk_buf_fmt(b, ",\n \"%s\": %llu", key, (unsigned long long)value);
}

int sk_agent_config_save(const char *dir, const struct sk_agent_config *c, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_AGENT_FILE_MAX);
    SK_OWN(free) char *path = sk_agent_path(dir, "edge.json", NULL);
    if (!path)
        return sk_nomem(err);
    sk_buf_str(&b, "{\"format\": 1");
    put_text(&b, "device", c->device);
    put_text(&b, "auth", c->is_x509 ? "x509" : "sas");
    put_text(&b, "hub", c->hub_name);
    put_text(&b, "hubAddress", c->hub_address);
    put_number(&b, "hubHttpsPort", c->hub_https_port);
    put_number(&b, "hubMqttPort", c->hub_mqtt_port);
    sk_buf_fmt(&b, ",\n \"hubCa\": %s", c->has_hub_ca ? "true" : "false");
    put_text(&b, "gateway", c->gateway);
    put_list(&b, "listen", c->listen);
    put_text(&b, "publish", c->publish);
    put_number(&b, "mqttPort", c->mqtt_port);
    put_number(&b, "httpsPort", c->https_port);
    put_number(&b, "metricsPort", c->metrics_port);
    put_number(&b, "diskBytes", c->disk_bytes);
    put_number(&b, "spoolBytes", c->spool_bytes);
    put_text(&b, "dockerSocket", c->docker_socket);
    put_list(&b, "verifyKeys", c->verify_keys);
    put_number(&b, "probationSeconds", c->probation_ms / MS);
    put_number(&b, "gateSeconds", c->gate_ms / MS);
    sk_buf_str(&b, "\n}\n");
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    return sk_file_write(path, b.data, b.len, 0600, err);
}

/* ---- reading ---- */

static int read_text(const struct sk_json *doc, const char *key, bool is_needed, char *out,
                     size_t cap, struct sk_err *err)
{
    const char *text = NULL;
    if (sk_json_want_text(doc, key, &text, err) < 0)
        return -1;
    if (!text && is_needed)
        return sk_fail(err, SK_INVALID, "'%s' is missing", key);
    if (text && (size_t)snprintf(out, cap, "%s", text) >= cap)
        return sk_fail(err, SK_LIMIT, "'%s' has more than %zu bytes", key, cap - 1);
    return 0;
}

static int read_list(const struct sk_json *doc, const char *key, char **out, size_t max,
                     struct sk_err *err)
{
    const struct sk_json *list = NULL;
    if (sk_json_want_array(doc, key, &list, err) < 0)
        return -1;
    if (sk_json_count(list) >= max)
        return sk_fail(err, SK_LIMIT, "'%s' has more than %zu entries", key, max - 1);
    for (size_t i = 0; i < sk_json_count(list); i++) {
        const char *text = sk_json_text(sk_json_at(list, i), NULL);
        if (!text)
            return sk_fail(err, SK_INVALID, "'%s': expected texts", key);
        if (!(out[i] = strdup(text)))
            return sk_nomem(err);
    }
    return 0;
}

static int read_port(const struct sk_json *doc, const char *key, uint16_t *out, struct sk_err *err)
{
    int64_t value = *out;
    if (sk_json_want_int(doc, key, 0, 65535, &value, err) < 0)
        return -1;
    *out = (uint16_t)value;
    return 0;
}

static int read_number(const struct sk_json *doc, const char *key, uint64_t factor, uint64_t *out,
                       struct sk_err *err)
{
    int64_t value = (int64_t)(*out / factor);
    if (sk_json_want_int(doc, key, 0, INT64_MAX / (int64_t)factor, &value, err) < 0)
        return -1;
    *out = (uint64_t)value * factor;
    return 0;
}

static int read_ports(const struct sk_json *doc, struct sk_agent_config *c, struct sk_err *err)
{
    if (read_port(doc, "hubHttpsPort", &c->hub_https_port, err) < 0 ||
        read_port(doc, "hubMqttPort", &c->hub_mqtt_port, err) < 0 ||
        read_port(doc, "mqttPort", &c->mqtt_port, err) < 0 ||
        read_port(doc, "httpsPort", &c->https_port, err) < 0)
        return -1;
    return read_port(doc, "metricsPort", &c->metrics_port, err);
}

static int read_all(const struct sk_json *doc, struct sk_agent_config *c, struct sk_err *err)
{
    char auth[8] = "sas";
    int64_t format = 1;
    if (sk_json_want_int(doc, "format", 1, INT32_MAX, &format, err) < 0)
        return -1;
    if (format != 1)
        return sk_fail(err, SK_UNSUPPORTED, "format %lld is of a later version", (long long)format);
    if (read_text(doc, "device", true, c->device, sizeof c->device, err) < 0 ||
        read_text(doc, "auth", false, auth, sizeof auth, err) < 0 ||
        read_text(doc, "hub", true, c->hub_name, sizeof c->hub_name, err) < 0 ||
        read_text(doc, "hubAddress", true, c->hub_address, sizeof c->hub_address, err) < 0 ||
        read_text(doc, "gateway", true, c->gateway, sizeof c->gateway, err) < 0 ||
        read_text(doc, "publish", false, c->publish, sizeof c->publish, err) < 0 ||
        read_text(doc, "dockerSocket", false, c->docker_socket, sizeof c->docker_socket, err) < 0 ||
        read_ports(doc, c, err) < 0 || sk_json_want_bool(doc, "hubCa", &c->has_hub_ca, err) < 0 ||
        read_list(doc, "listen", c->listen, sizeof c->listen / sizeof *c->listen, err) < 0 ||
        read_list(doc, "verifyKeys", c->verify_keys, sizeof c->verify_keys / sizeof *c->verify_keys,
                  err) < 0)
        return -1;
    c->is_x509 = strcmp(auth, "x509") == 0;
    if (!c->is_x509 && strcmp(auth, "sas") != 0)
        return sk_fail(err, SK_INVALID, "'auth': '%s' is neither sas nor x509", auth);
    if (read_number(doc, "diskBytes", 1, &c->disk_bytes, err) < 0 ||
        read_number(doc, "spoolBytes", 1, &c->spool_bytes, err) < 0 ||
        read_number(doc, "probationSeconds", MS, &c->probation_ms, err) < 0)
        return -1;
    return read_number(doc, "gateSeconds", MS, &c->gate_ms, err);
}

int sk_agent_config_load(const char *dir, struct sk_agent_config *out, struct sk_err *err)
{
    struct sk_agent_config c = {
        .hub_https_port = 443,
        .hub_mqtt_port = 8883,
        .publish = "0.0.0.0",
        .mqtt_port = 8883,
        .https_port = 443,
        .metrics_port = 9600,
        .disk_bytes = 8ull << 30,
        .spool_bytes = 2ull << 30,
        .docker_socket = SK_AGENT_DOCKER_SOCKET,
        .probation_ms = 120 * MS,
        .gate_ms = 60 * MS,
    };
    SK_OWN(free) char *path = sk_agent_path(dir, "edge.json", NULL);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    if (!path)
        return sk_nomem(err);
    if (!sk_is_file(path))
        return sk_fail(err, SK_NOT_FOUND,
                       "'%s' is no edge device's folder: make it with 'skerry edge init'", dir);
    if (sk_json_file(path, &doc, err) < 0)
        return -1;
    if (read_all(doc, &c, err) < 0) {
        sk_agent_config_done(&c);
        return sk_wrap(err, "%s", path);
    }
    *out = c;
    return 0;
}

void sk_agent_config_done(struct sk_agent_config *c)
{
    for (size_t i = 0; i < sizeof c->listen / sizeof *c->listen; i++)
        free(c->listen[i]);
    for (size_t i = 0; i < sizeof c->verify_keys / sizeof *c->verify_keys; i++)
        free(c->verify_keys[i]);
    memset(c, 0, sizeof *c);
}
