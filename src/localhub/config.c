/*
 * config.c - the message `config` of the agent (docs/spec/edge-wire.md, edge-wire-1) into a struct.
 *
 * The agent is trusted, and still read with care: what it says is kept in a file that somebody may
 * have touched.
 */
#include "localhub/localhub_priv.h"

#include <string.h>

/* A text that is needed (min 1) or may be absent (min 0). */
static int copy(const struct sk_json *o, const char *key, size_t min, char *out, size_t cap,
                struct sk_err *err)
{
    const char *text = NULL;
    if (sk_json_want_text(o, key, &text, err) < 0)
        return -1;
    if (!text)
        text = "";
    const size_t len = strlen(text);
    if (len < min || len >= cap)
        return sk_fail(err, SK_INVALID, "'%s': expected %zu to %zu bytes, got %zu", key, min,
                       cap - 1, len);
    memcpy(out, text, len + 1);
    return 0;
}

static int port(const struct sk_json *o, const char *key, uint16_t fallback, uint16_t *out,
                struct sk_err *err)
{
    int64_t n = fallback;
    if (sk_json_want_int(o, key, 0, UINT16_MAX, &n, err) < 0)
        return -1;
    *out = (uint16_t)n;
    return 0;
}

static int read_hub(const struct sk_json *m, struct sk_lh_config *c, struct sk_err *err)
{
    const struct sk_json *hub = NULL;
    if (sk_json_want_object(m, "hub", &hub, err) < 0)
        return -1;
    if (!hub)
        return sk_fail(err, SK_INVALID, "'hub' is missing");
    if (copy(hub, "name", 1, c->hub_name, sizeof c->hub_name, err) < 0 ||
        copy(hub, "address", 0, c->hub_address, sizeof c->hub_address, err) < 0 ||
        copy(hub, "caFile", 0, c->hub_ca, sizeof c->hub_ca, err) < 0 ||
        port(hub, "mqttPort", 8883, &c->hub_port, err) < 0)
        return sk_wrap(err, "hub");
    if (!*c->hub_address)
        memcpy(c->hub_address, c->hub_name, strlen(c->hub_name) + 1);
    return 0;
}

static int read_listen(const struct sk_json *m, struct sk_lh_config *c, struct sk_err *err)
{
    const struct sk_json *list = NULL;
    if (sk_json_want_array(m, "listen", &list, err) < 0)
        return -1;
    if (sk_json_count(list) > SK_LH_LISTENS)
        return sk_fail(err, SK_LIMIT, "'listen': at most %d addresses", SK_LH_LISTENS);
    for (size_t i = 0; i < sk_json_count(list); i++) {
        const char *text = sk_json_text(sk_json_at(list, i), "");
        if (!*text || strlen(text) >= SK_LH_HOST)
            return sk_fail(err, SK_INVALID, "'listen': entry %zu is no address", i);
        memcpy(c->listen[c->listens++], text, strlen(text) + 1);
    }
    return port(m, "mqttPort", 8883, &c->mqtt_port, err) < 0 ||
                   port(m, "httpsPort", 443, &c->https_port, err) < 0
               ? -1
               : 0;
}

static int read_metrics(const struct sk_json *m, struct sk_lh_config *c, struct sk_err *err)
{
    const struct sk_json *o = NULL;
    if (sk_json_want_object(m, "metrics", &o, err) < 0)
        return -1;
    if (!o)
        return 0;
    if (copy(o, "address", 1, c->metrics_address, sizeof c->metrics_address, err) < 0 ||
        port(o, "port", 9600, &c->metrics_port, err) < 0)
        return sk_wrap(err, "metrics");
    return 0;
}

static int read_spool(const struct sk_json *m, struct sk_lh_config *c, struct sk_err *err)
{
    const struct sk_json *o = NULL;
    int64_t bytes = 0;
    if (sk_json_want_object(m, "spool", &o, err) < 0)
        return -1;
    if (sk_json_want_int(o, "maxBytes", 0, INT64_MAX, &bytes, err) < 0 ||
        sk_json_want_bool(o, "evicts", &c->spool_evicts, err) < 0)
        return sk_wrap(err, "spool");
    c->spool_bytes = (uint64_t)bytes;
    return 0;
}

int sk_lh_config_read(const struct sk_json *m, struct sk_lh_config *out, struct sk_err *err)
{
    struct sk_lh_config *c = out;
    memset(c, 0, sizeof *c);
    if (copy(m, "device", 1, c->device, sizeof c->device, err) < 0 || read_hub(m, c, err) < 0 ||
        copy(m, "gateway", 1, c->gateway, sizeof c->gateway, err) < 0 ||
        read_listen(m, c, err) < 0 || read_metrics(m, c, err) < 0 || read_spool(m, c, err) < 0 ||
        copy(m, "trustFile", 0, c->trust_file, sizeof c->trust_file, err) < 0 ||
        copy(m, "certFile", c->listens > 0, c->cert_file, sizeof c->cert_file, err) < 0 ||
        copy(m, "keyFile", c->listens > 0, c->key_file, sizeof c->key_file, err) < 0 ||
        copy(m, "instance", 0, c->instance, sizeof c->instance, err) < 0)
        return sk_wrap(err, "config");
    if (!sk_iot_id_valid(sk_view_of(c->device)))
        return sk_fail(err, SK_INVALID, "config: 'device' is no device id");
    c->is_known = true;
    return 0;
}
