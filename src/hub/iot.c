/*
 * iot.c - the device half of the hub: telemetry, devices, deployments, the MQTT gateway, and how
 * they are wired to each other.
 *
 *     devices --event--> gateway (desired patches, cuts)     TLS 8883 ----------\
 *                    \-> deploy (who has to be looked at)    WebSocket on HTTPS --> gateway
 *                    \-> events (kept)                       journals --> readers that wait
 *
 * Start: journals, devices, deploy and gateway are there before any socket answers. Stop: no new
 * clients, then the gateway ends its connections, then the threads of deploy, devices and journals
 * end, in this order: each tells its last to those behind it, and all of them to the gateway, which
 * is freed when none is left.
 */
#include "hub/iot_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/net.h"
#include "crypto/crypto.h"
#include "images/images.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    BACKLOG = 4096,         /* a storm of devices that reconnect */
    HANDSHAKE_NICE = 10,    /* it must not slow those that are connected */
    EVENTS_GATHER_MS = 100, /* nobody waits for them: their syncs leave the disk to messages */
    CARE_MS = 1000
};

#define EVENTS_BYTES (256ull << 20)

/* ---- clients ---- */

static int take_stream(struct sk_hub *h, struct sk_stream *stream, const struct sk_tls_peer *peer,
                       bool is_websocket)
{
    struct sk_err err = SK_ERR_INIT;
    char address[SK_PEER_TEXT];
    sk_peer_text(peer->addr, peer->addr_len, address);
    const struct sk_view cert = { peer->cert, peer->cert_len };
    if (sk_gateway_add(h->iot->gateway, stream, address, cert, is_websocket, &err) < 0)
        sk_log(SK_WARN, "client_refused", "peer=%s error=\"%s\"", address, err.text);
    return 0; /* taken in both cases */
}

int sk_hub_take_websocket(struct sk_stream *stream, const struct sk_tls_peer *peer, void *ctx)
{
    return take_stream(ctx, stream, peer, true);
}

static int take_mqtt(struct sk_stream *stream, const struct sk_tls_peer *peer, void *ctx)
{
    return take_stream(ctx, stream, peer, false);
}

/* ---- events ---- */

static const char *source_of(enum sk_device_event_kind kind)
{
    switch (kind) {
    case SK_EVENT_CREATED:
    case SK_EVENT_DELETED:
    case SK_EVENT_CHANGED:
        return "deviceLifecycleEvents";
    case SK_EVENT_DESIRED:
    case SK_EVENT_REPORTED:
    case SK_EVENT_TAGS:
        return "twinChangeEvents";
    case SK_EVENT_DOWN:
        break;
    }
    return NULL;
}

static void body_of(const struct sk_device_event *e, struct sk_buf *out)
{
    struct sk_view body = e->body.len > 0 ? e->body : SK_VIEW("{}");
    switch (e->kind) {
    case SK_EVENT_CREATED:
        sk_buf_str(out, *e->module ? "{\"event\":\"createModuleIdentity\"}"
                                   : "{\"event\":\"createDeviceIdentity\"}");
        return;
    case SK_EVENT_DELETED:
        sk_buf_str(out, *e->module ? "{\"event\":\"deleteModuleIdentity\"}"
                                   : "{\"event\":\"deleteDeviceIdentity\"}");
        return;
    case SK_EVENT_CHANGED:
        sk_buf_str(out, "{\"event\":\"updateIdentity\"}");
        return;
    case SK_EVENT_TAGS:
        sk_buf_str(out, "{\"tags\":");
        break;
    case SK_EVENT_DESIRED:
        sk_buf_str(out, "{\"properties\":{\"desired\":");
        break;
    case SK_EVENT_REPORTED:
        sk_buf_str(out, "{\"properties\":{\"reported\":");
        break;
    case SK_EVENT_DOWN:
        return;
    }
    sk_buf_add(out, body.ptr, body.len);
    sk_buf_str(out, e->kind == SK_EVENT_TAGS ? "}" : "}}");
}

/* On the journal's thread. */
static void end_event(void *ctx, uint64_t seq, const struct sk_err *failed)
{
    (void)ctx;
    (void)seq;
    if (failed)
        sk_log(SK_WARN, "event_lost", "error=\"%s\"", failed->text);
}

static void keep_event(struct sk_hub *h, const char *device, const char *module,
                       const char *generation, const char *source, struct sk_view body)
{
    struct sk_err err = SK_ERR_INIT;
    if (sk_telemetry_add_event(h->iot->events, device, module, generation, source, body, end_event,
                               NULL, &err) < 0)
        sk_log(SK_WARN, "event_lost", "device=\"%s\" source=%s error=\"%s\"", device, source,
               err.text);
}

/* On the writer's thread of devices. */
static void on_device_event(void *ctx, const struct sk_device_event *e)
{
    struct sk_hub *h = ctx;
    const char *source = source_of(e->kind);
    sk_gateway_event(h->iot->gateway, e);
    sk_deploy_event(h->iot->deploy, e);
    if (!source)
        return;
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(SK_TWIN_PATCH_MAX + 64);
    body_of(e, &body);
    if (!sk_buf_ok(&body)) {
        sk_log(SK_WARN, "event_lost", "device=\"%s\" source=%s error=\"%s\"", e->device, source,
               body.failed == SK_NOMEM ? "out of memory" : "too long");
        return;
    }
    keep_event(h, e->device, e->module, e->generation, source,
               (struct sk_view){ body.data, body.len });
}

static void on_progress(void *ctx, const char *device, const char *json)
{
    keep_event(ctx, device, "", "", "deploymentEvents", sk_view_of(json));
}

/* ---- the registry's images ---- */

static int has_image(void *ctx, const char *repository, const char *reference)
{
    struct sk_hub *h = ctx;
    struct sk_err err = SK_ERR_INIT;
    struct sk_manifest_info info;
    int rc = sk_manifest_find(h->store, repository, reference, &info, &err);
    return rc == 0 || err.code != SK_NOT_FOUND;
}

/* ---- care: what has expired, and what a full disk has left undone ---- */

static void trim(struct sk_telemetry *t, const char *name)
{
    struct sk_err err = SK_ERR_INIT;
    if (sk_telemetry_trim(t, &err) < 0)
        sk_log(SK_WARN, "journal_kept", "journal=%s error=\"%s\" next_ms=%d", name, err.text,
               CARE_MS);
}

static void *care(void *arg)
{
    struct sk_hub *h = arg;
    struct sk_hub_iot *iot = h->iot;
    struct sk_err err = SK_ERR_INIT;
    (void)pthread_mutex_lock(&iot->lock);
    while (!iot->is_stopping) {
        if (sk_cond_wait_until(&iot->wake, &iot->lock, (sk_now_ms() + CARE_MS) * 1000000) !=
            ETIMEDOUT)
            continue;
        (void)pthread_mutex_unlock(&iot->lock);
        sk_live_wake_all(&iot->readers); /* for their heartbeats, and whether they still may */
        sk_identity_seen_again(iot->devices);
        if (sk_down_expire(iot->devices, &err) < 0)
            sk_log(SK_WARN, "messages_kept", "error=\"%s\" next_ms=%d", err.text, CARE_MS);
        trim(iot->telemetry, SK_STORE_TELEMETRY);
        trim(iot->events, SK_STORE_EVENTS);
        (void)pthread_mutex_lock(&iot->lock);
    }
    (void)pthread_mutex_unlock(&iot->lock);
    return NULL;
}

static void stop_care(struct sk_hub_iot *iot)
{
    if (!iot->has_care)
        return;
    {
        SK_LOCK(&iot->lock);
        iot->is_stopping = true;
        (void)pthread_cond_signal(&iot->wake);
    }
    (void)pthread_join(iot->care, NULL);
    iot->has_care = false;
}

/* ---- start ---- */

static int open_journal(struct sk_hub *h, const char *name, uint64_t max_bytes, uint64_t max_age_ms,
                        uint32_t gather_ms, struct sk_telemetry **out, struct sk_err *err)
{
    SK_OWN(free) char *dir = sk_path_join(h->dir, name);
    if (!dir)
        return sk_nomem(err);
    const struct sk_telemetry_options opts = {
        .dir = dir,
        .name = name,
        .db = sk_store_db(h->store),
        .max_bytes = max_bytes,
        .max_age_ms = max_age_ms,
        .gather_ms = gather_ms,
        .committed = sk_live_wake,
        .ctx = &h->iot->readers,
    };
    return sk_telemetry_open(&opts, out, err);
}

static int open_parts(struct sk_hub *h, struct sk_err *err)
{
    struct sk_hub_iot *iot = h->iot;
    const char *const *names = (const char *const *)h->config->hostnames;
    const struct sk_devices_options devices = {
        .store = h->store,
        .accounts = h->accounts,
        .event = on_device_event,
        .ctx = h,
    };
    if (open_journal(h, SK_STORE_TELEMETRY, h->opts.telemetry_bytes, h->opts.telemetry_age_ms, 0,
                     &iot->telemetry, err) < 0 ||
        open_journal(h, SK_STORE_EVENTS, EVENTS_BYTES, h->opts.telemetry_age_ms, EVENTS_GATHER_MS,
                     &iot->events, err) < 0 ||
        sk_devices_new(&devices, &iot->devices, err) < 0)
        return -1;
    const struct sk_gateway_options gateway = {
        .accounts = h->accounts,
        .devices = iot->devices,
        .telemetry = iot->telemetry,
        .events = iot->events,
        .hub_names = names,
        .max_connections = h->opts.max_devices,
    };
    const struct sk_deploy_options deploy = {
        .devices = iot->devices,
        .hub_names = names,
        .has_image = has_image,
        .progress = on_progress,
        .ctx = h,
    };
    return sk_gateway_new(&gateway, &iot->gateway, err) < 0 ||
                   sk_deploy_new(&deploy, &iot->deploy, err) < 0
               ? -1
               : 0;
}

int sk_hub_iot_open(struct sk_hub *h, struct sk_err *err)
{
    h->iot = calloc(1, sizeof *h->iot);
    if (!h->iot)
        return sk_nomem(err);
    (void)pthread_mutex_init(&h->iot->lock, NULL);
    sk_live_readers_init(&h->iot->readers);
    if (sk_cond_init(&h->iot->wake, err) < 0 || sk_policy_init(h->accounts, err) < 0 ||
        sk_hub_device_ca_load(h, err) < 0 || open_parts(h, err) < 0 ||
        sk_thread_start(&h->iot->care, "sk-iot-care", care, h, err) < 0)
        return -1;
    h->iot->has_care = true;
    return 0;
}

int sk_hub_iot_listen(struct sk_hub *h, const char *pem, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = -1;
    if (h->opts.plain_http || h->opts.without_devices)
        return 0;
    if (sk_listen(h->host, h->opts.mqtt_port, BACKLOG, &fd, err) < 0)
        return sk_wrap(err, "MQTT (another --mqtt-port, or --without-devices, helps)");
    h->iot->port = sk_port_of(fd);
    const struct sk_tls_options tls = {
        .cert_file = pem,
        .key_file = pem,
        .listen_fd = sk_take_fd(&fd),
        .max_connections = h->opts.max_devices,
        .handshake_ms = SK_LIMIT_READ_MS,
        .asks_cert = true,
        .take_prefix = "",
        .take = take_mqtt,
        .alpn = "\x04mqtt",
        .nice = HANDSHAKE_NICE,
        .ctx = h,
    };
    return sk_tls_start(&tls, &h->iot->front, err);
}

int sk_hub_iot_reload(struct sk_hub *h, struct sk_err *err)
{
    return h->iot->front ? sk_tls_reload(h->iot->front, err) : 0;
}

/* ---- stop ---- */

void sk_hub_iot_quiesce(struct sk_hub *h, unsigned wait_ms)
{
    if (!h->iot)
        return;
    if (h->iot->front) {
        sk_tls_stop(h->iot->front);
        h->iot->front = NULL;
    }
    if (h->iot->gateway)
        sk_gateway_stop(h->iot->gateway, wait_ms);
}

void sk_hub_iot_close(struct sk_hub *h)
{
    struct sk_hub_iot *iot = h->iot;
    if (!iot)
        return;
    sk_hub_iot_quiesce(h, 0);
    stop_care(iot);
    sk_deploy_stop(iot->deploy);
    sk_devices_free(iot->devices); /* its last events still find the others */
    sk_telemetry_close(iot->telemetry);
    sk_telemetry_close(iot->events);
    sk_gateway_free(iot->gateway); /* nobody has anything for its connections any more */
    sk_deploy_free(iot->deploy);
    sk_live_readers_done(&iot->readers);
    (void)pthread_cond_destroy(&iot->wake);
    (void)pthread_mutex_destroy(&iot->lock);
    free(iot);
    h->iot = NULL;
}
