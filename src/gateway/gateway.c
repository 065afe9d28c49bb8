/*
 * gateway.c - the gateway put together, and what its parts share.
 *
 * The order of the end: the MQTT server first (its connections leave the table and say so to
 * devices), then the methods that wait, which nobody can answer any more.
 */
#include "gateway/gateway_priv.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum {
    OF_A_DEVICE_MAX = 64 /* connections: itself and its modules */
};

bool sk_session_wants(const struct sk_session *s, enum sk_iot_sub sub)
{
    return s && (s->subs & (unsigned)sub) != 0;
}

void sk_gateway_send(struct sk_mqtt_conn *c, const struct sk_buf *topic, struct sk_view payload)
{
    struct sk_err err = SK_ERR_INIT;
    if (!sk_buf_ok(topic))
        sk_mqtt_close(c, "out of memory");
    else if (sk_mqtt_publish(c, (struct sk_view){ topic->data, topic->len }, payload, 0, 0, &err) <
             0)
        sk_mqtt_close(c, "it does not take what it is sent");
}

void sk_gateway_linger(struct sk_mqtt_conn *c)
{
    struct sk_session *s = sk_mqtt_user(c);
    const uint64_t at = sk_now_ms() + SK_GATEWAY_LINGER_MS;
    if (s->is_ending) /* what fails meanwhile moves nothing */
        return;
    s->is_ending = true;
    if (at < s->end_ms)
        sk_mqtt_close_at(c, at, "a message could not be stored");
}

/* ---- cutting ---- */

struct cut {
    struct sk_mqtt_post post;
    const char *of; /* what its stamp must contain */
    const char *why;
};

static void close_it(struct sk_mqtt_conn *c, struct sk_mqtt_post *post)
{
    const struct cut *cut = (const struct cut *)post;
    if (c)
        sk_mqtt_close(c, cut->why);
    free(post);
}

static void post_cut(struct sk_gateway *g, struct sk_mqtt_ref ref,
                     void (*run)(struct sk_mqtt_conn *c, struct sk_mqtt_post *post), const char *of,
                     const char *why)
{
    struct cut *cut = malloc(sizeof *cut);
    while (!cut) /* a revoked client must not stay */
        cut = malloc(sizeof *cut);
    *cut = (struct cut){ .post = { .to = ref, .run = run }, .of = of, .why = why };
    sk_mqtt_post(g->mqtt, &cut->post);
}

void sk_gateway_cut(struct sk_gateway *g, struct sk_mqtt_ref ref, const char *why)
{
    post_cut(g, ref, close_it, NULL, why);
}

/* ---- events of devices ---- */

/* A device's end is its modules' too. */
static void cut_identity(struct sk_gateway *g, const struct sk_device_event *e, const char *why)
{
    struct sk_mqtt_ref refs[OF_A_DEVICE_MAX];
    atomic_fetch_add(&g->changes, 1);
    if (*e->module) {
        if (sk_live_find(&g->live, e->identity, &refs[0]))
            sk_gateway_cut(g, refs[0], why);
        return;
    }
    size_t count = sk_live_of_device(&g->live, e->device, refs, OF_A_DEVICE_MAX);
    for (size_t i = 0; i < count; i++)
        sk_gateway_cut(g, refs[i], why);
}

/* The stamp says by what it came in: see sk_accounts_check_device. */
static void end_login(struct sk_mqtt_conn *c, struct sk_mqtt_post *post)
{
    const struct cut *cut = (const struct cut *)post;
    const struct sk_session *s = c ? sk_mqtt_user(c) : NULL;
    if (s && strstr(s->auth_method, cut->of))
        sk_mqtt_close(c, cut->why);
    free(post);
}

void sk_gateway_logins_changed(struct sk_gateway *g, enum sk_gateway_login by)
{
    const char *of = by == SK_GATEWAY_BY_POLICY ? "\"scope\":\"hub\"" : "\"type\":\"x509\"";
    const char *why = by == SK_GATEWAY_BY_POLICY ? "the keys of policies were changed"
                                                 : "the CAs of devices were changed";
    SK_OWN(free) struct sk_mqtt_ref *refs = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t count = 0;
    atomic_fetch_add(&g->changes, 1);
    while (sk_live_all(&g->live, &refs, &count, &err) < 0) /* a revoked client must not stay */
        continue;
    for (size_t i = 0; i < count; i++)
        post_cut(g, refs[i], end_login, of, why);
}

static void look_for_messages(struct sk_mqtt_conn *c, struct sk_mqtt_post *post)
{
    struct sk_session *s = c ? sk_mqtt_user(c) : NULL;
    free(post);
    if (s && s->subs & (SK_SUB_C2D | SK_SUB_INPUTS))
        sk_gateway_down(c, s);
}

static void announce_message(struct sk_gateway *g, int64_t identity)
{
    struct sk_mqtt_ref ref;
    if (!sk_live_find(&g->live, identity, &ref))
        return;
    struct sk_mqtt_post *post = malloc(sizeof *post);
    if (!post)
        return; /* it comes with the next one, or when the client connects again */
    *post = (struct sk_mqtt_post){ .to = ref, .run = look_for_messages };
    sk_mqtt_post(g->mqtt, post);
}

void sk_gateway_event(struct sk_gateway *g, const struct sk_device_event *e)
{
    switch (e->kind) {
    case SK_EVENT_DELETED:
        cut_identity(g, e, "its identity was deleted");
        break;
    case SK_EVENT_CHANGED:
        cut_identity(g, e, "its identity was changed");
        break;
    case SK_EVENT_DESIRED:
        sk_gateway_desired(g, e);
        break;
    case SK_EVENT_DOWN:
        announce_message(g, e->identity);
        break;
    case SK_EVENT_CREATED:
    case SK_EVENT_REPORTED:
    case SK_EVENT_TAGS:
        break;
    }
}

/* ---- life ---- */

static const struct sk_mqtt_handler handler = {
    .connect = sk_gateway_connect,
    .publish = sk_gateway_publish,
    .subscribe = sk_gateway_subscribe,
    .unsubscribe = sk_gateway_unsubscribe,
    .acked = sk_gateway_acked,
    .closed = sk_gateway_closed,
    .drained = sk_gateway_drained,
};

static int start(struct sk_gateway *g, struct sk_err *err)
{
    const struct sk_mqtt_options mqtt = {
        .loops = g->opts.loops,
        .max_connections = g->opts.max_connections,
        .max_inflight_out = SK_GATEWAY_DOWN_WINDOW,
        .handler = &handler,
        .ctx = g,
    };
    return sk_live_init(&g->live, err) < 0 || sk_methods_init(g, err) < 0 ||
                   sk_mqtt_server_new(&mqtt, &g->mqtt, err) < 0
               ? -1
               : 0;
}

int sk_gateway_new(const struct sk_gateway_options *opts, struct sk_gateway **out,
                   struct sk_err *err)
{
    SK_OWN(sk_gateway_free) struct sk_gateway *g = calloc(1, sizeof *g);
    if (!g)
        return sk_nomem(err);
    g->opts = *opts;
    (void)pthread_mutex_init(&g->places, NULL);
    if (start(g, err) < 0)
        return -1;
    *out = SK_TAKE(g);
    return 0;
}

void sk_gateway_stop(struct sk_gateway *g, unsigned wait_ms)
{
    if (g->mqtt)
        sk_mqtt_server_stop(g->mqtt, wait_ms);
    sk_methods_stop(g);
}

void sk_gateway_free(struct sk_gateway *g)
{
    if (!g)
        return;
    sk_gateway_stop(g, 0);
    sk_mqtt_server_free(g->mqtt);
    if (g->live.table)
        sk_methods_done(g);
    sk_live_done(&g->live);
    (void)pthread_mutex_destroy(&g->places);
    free(g);
}

int sk_gateway_add(struct sk_gateway *g, struct sk_stream *stream, const char *address,
                   struct sk_view cert, bool is_websocket, struct sk_err *err)
{
    const struct sk_mqtt_peer peer = { .address = address, .cert = cert.ptr, .cert_len = cert.len };
    return sk_mqtt_server_add(g->mqtt, stream, &peer, is_websocket, err);
}

void sk_gateway_counts(const struct sk_gateway *g, struct sk_gateway_counts *out)
{
    struct sk_gateway *shared = (struct sk_gateway *)(uintptr_t)g; /* atomics and a lock */
    *out = (struct sk_gateway_counts){
        .connections = sk_live_count(&shared->live),
        .connects = atomic_load(&shared->connects),
        .refused = atomic_load(&shared->refused),
        .messages_in = atomic_load(&shared->messages_in),
        .bytes_in = atomic_load(&shared->bytes_in),
        .messages_down = atomic_load(&shared->messages_down),
        .methods = atomic_load(&shared->method_calls),
        .twin_gets = atomic_load(&shared->twin_gets),
        .twin_reports = atomic_load(&shared->twin_reports),
        .desired = atomic_load(&shared->desired),
    };
}
