/*
 * listen.c - the sockets for clients: MQTT over TLS and HTTPS on each address, and /metrics.
 *
 * The main thread makes them so as the configuration says, after each time that it came: addresses
 * that stay keep their sockets and read the certificate again. One that cannot be bound is logged
 * and tried again with the next tick; HTTPS on 443 may be out of reach of who is not root, and what
 * needs it is told so.
 */
#include "localhub/localhub_priv.h"

#include "base/log.h"
#include "base/net.h"

#include <string.h>

enum {
    BACKLOG = 256,
    CONNECTIONS = 1000,
    HANDSHAKE_MS = 10000,
    HTTPS_CONNECTIONS = 64
};

static const char websocket[] = "GET /$iothub/websocket";

static int take_mqtt(struct sk_stream *stream, const struct sk_tls_peer *peer, void *ctx)
{
    return sk_lh_front_add(ctx, stream, peer, false);
}

static int take_websocket(struct sk_stream *stream, const struct sk_tls_peer *peer, void *ctx)
{
    return sk_lh_front_add(ctx, stream, peer, true);
}

static int open_mqtt(struct sk_lh *h, const struct sk_lh_config *c, struct sk_lh_listener *l,
                     struct sk_err *err)
{
    int fd = -1;
    if (sk_listen(l->address, c->mqtt_port, BACKLOG, &fd, err) < 0)
        return -1;
    const struct sk_tls_options o = {
        .cert_file = c->cert_file,
        .key_file = c->key_file,
        .listen_fd = fd,
        .max_connections = CONNECTIONS,
        .handshake_ms = HANDSHAKE_MS,
        .asks_cert = true,
        .take_prefix = "",
        .take = take_mqtt,
        .alpn = "\x04mqtt",
        .ctx = h,
    };
    return sk_tls_start(&o, &l->mqtt, err);
}

static int open_https(struct sk_lh *h, const struct sk_lh_config *c, struct sk_lh_listener *l,
                      struct sk_err *err)
{
    const struct sk_http_options o = {
        .host = l->address,
        .port = c->https_port,
        .listen_fd = -1,
        .threads = 1,
        .max_connections = HTTPS_CONNECTIONS,
        .routes = sk_lh_api_routes,
        .ctx = h,
        .tls_cert = c->cert_file,
        .tls_key = c->key_file,
        .take_prefix = websocket,
        .take = take_websocket,
    };
    return sk_http_start(&o, &l->https, err);
}

static void close_listener(struct sk_lh_listener *l)
{
    if (l->mqtt)
        sk_tls_stop(l->mqtt);
    if (l->https)
        sk_http_stop(l->https);
    memset(l, 0, sizeof *l);
}

static bool is_listed(const struct sk_lh_config *c, const struct sk_lh_listener *l)
{
    for (size_t i = 0; i < c->listens; i++)
        if (strcmp(c->listen[i], l->address) == 0)
            return l->mqtt_port == c->mqtt_port && l->https_port == c->https_port;
    return false;
}

static struct sk_lh_listener *find(struct sk_lh *h, const char *address)
{
    for (size_t i = 0; i < h->listeners_count; i++)
        if (strcmp(h->listeners[i].address, address) == 0)
            return &h->listeners[i];
    return NULL;
}

static void reload(struct sk_lh_listener *l)
{
    struct sk_err err = SK_ERR_INIT;
    if ((l->mqtt && sk_tls_reload(l->mqtt, &err) < 0) ||
        (l->https && sk_http_reload_tls(l->https, &err) < 0))
        sk_log(SK_ERROR, "certificate_not_read", "error=\"%s\" next=\"the old one stays\"",
               err.text);
}

/* What it lacks. False: something could not be opened, and is tried again. */
static bool open_listener(struct sk_lh *h, const struct sk_lh_config *c, struct sk_lh_listener *l,
                          bool is_new)
{
    struct sk_err err = SK_ERR_INIT;
    bool is_whole = true;
    if (!l->mqtt && c->mqtt_port != 0 && open_mqtt(h, c, l, &err) < 0) {
        sk_log(is_new ? SK_ERROR : SK_DEBUG, "not_listening",
               "address=%s port=%u error=\"%s\" next=\"trying again\"", l->address, c->mqtt_port,
               err.text);
        is_whole = false;
    } else if (is_new && l->mqtt) {
        sk_log(SK_INFO, "listening", "address=%s port=%u what=mqtts", l->address, c->mqtt_port);
    }
    if (!l->https && c->https_port != 0 && open_https(h, c, l, &err) < 0) {
        sk_log(is_new ? SK_WARN : SK_DEBUG, "not_listening",
               "address=%s port=%u error=\"%s\" next=\"modules cannot call each other's methods\"",
               l->address, c->https_port, err.text);
        is_whole = is_whole && err.code == SK_DENIED; /* that will not change */
    } else if (is_new && l->https) {
        sk_log(SK_INFO, "listening", "address=%s port=%u what=https", l->address, c->https_port);
    }
    return is_whole;
}

static bool settle_addresses(struct sk_lh *h, const struct sk_lh_config *c, bool is_reload)
{
    bool is_whole = true;
    for (size_t i = 0; i < h->listeners_count;) {
        if (is_listed(c, &h->listeners[i])) {
            if (is_reload)
                reload(&h->listeners[i]);
            i++;
            continue;
        }
        close_listener(&h->listeners[i]);
        h->listeners[i] = h->listeners[--h->listeners_count];
    }
    for (size_t i = 0; i < c->listens; i++) {
        struct sk_lh_listener *l = find(h, c->listen[i]);
        const bool is_new = !l;
        if (is_new) {
            l = &h->listeners[h->listeners_count++];
            memset(l, 0, sizeof *l);
            memcpy(l->address, c->listen[i], sizeof l->address);
            l->mqtt_port = c->mqtt_port;
            l->https_port = c->https_port;
        }
        is_whole &= open_listener(h, c, l, is_new);
    }
    return is_whole;
}

static bool settle_metrics(struct sk_lh *h, const struct sk_lh_config *c)
{
    struct sk_err err = SK_ERR_INIT;
    char at[sizeof h->metrics_at];
    (void)snprintf(at, sizeof at, "%s:%u", c->metrics_address, c->metrics_port);
    const bool is_new = strcmp(at, h->metrics_at) != 0;
    if (h->metrics_http && is_new) {
        sk_http_stop(SK_TAKE(h->metrics_http));
    }
    memcpy(h->metrics_at, at, sizeof at);
    if (h->metrics_http || c->metrics_port == 0)
        return true;
    const struct sk_http_options o = {
        .host = c->metrics_address,
        .port = c->metrics_port,
        .listen_fd = -1,
        .threads = 1,
        .max_connections = 16,
        .routes = sk_lh_metrics_routes,
        .ctx = h,
    };
    if (sk_http_start(&o, &h->metrics_http, &err) == 0)
        return true;
    sk_log(is_new ? SK_WARN : SK_DEBUG, "not_listening",
           "address=%s port=%u what=metrics error=\"%s\" next=\"trying again\"", c->metrics_address,
           c->metrics_port, err.text);
    return false;
}

void sk_lh_listen_settle(struct sk_lh *h)
{
    struct sk_lh_config *c = malloc(sizeof *c);
    if (!c)
        return;
    const bool is_reload = atomic_exchange(&h->listen_is_due, false);
    {
        SK_LOCK(&h->lock);
        *c = h->config;
    }
    if (c->is_known) {
        const bool is_whole = settle_addresses(h, c, is_reload);
        h->listen_again = !settle_metrics(h, c) || !is_whole;
    }
    free(c);
}

void sk_lh_listen_stop(struct sk_lh *h)
{
    for (size_t i = 0; i < h->listeners_count; i++)
        close_listener(&h->listeners[i]);
    h->listeners_count = 0;
    if (h->metrics_http)
        sk_http_stop(SK_TAKE(h->metrics_http));
}
