/*
 * connect.c - the life of a session: CONNECT, its checks, its place in the table, its end.
 *
 * CONNACK codes are what the SDKs act on: 4 and 5 stop Python and Node for good, so they are for
 * credentials that are wrong; whatever may be better later is 3.
 *
 * A login and a change of the same identity may overlap. The change is told after its commit, when
 * the connection may not be in the table yet; so the login is done again when any change was told
 * between its reading and its place in the table.
 *
 * A clean session's CONNACK waits until nothing is left of the one before on the disk. Who comes
 * while any such change is on its way, and wants its old session, goes behind it: what is read is
 * what will stay. The change is pushed with the place, so that of two connections the newer one's
 * is the later one.
 */
#include "gateway/gateway_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum {
    SKEW_S = 300 /* a token is taken so long after its end */
};

static bool is_client_id(struct sk_view id, const struct sk_iot_username *u)
{
    char name[SK_GATEWAY_NAME_MAX];
    int len = snprintf(name, sizeof name, "%s%s%s", u->device, *u->module ? "/" : "", u->module);
    return (size_t)len == id.len && memcmp(name, id.ptr, id.len) == 0;
}

static enum sk_mqtt_connack code_of(const struct sk_err *err)
{
    switch (err->code) {
    case SK_UNAUTHENTICATED:
    case SK_DENIED:
        return SK_MQTT_NOT_AUTHORIZED;
    default:
        return SK_MQTT_UNAVAILABLE;
    }
}

static void refuse(struct sk_mqtt_conn *c, struct sk_gateway *g, enum sk_mqtt_connack code,
                   const char *who, const char *why)
{
    atomic_fetch_add(&g->refused, 1);
    sk_log(SK_INFO, "connect_refused", "peer=%s who=\"%s\" code=%d why=\"%s\"",
           sk_mqtt_peer_address(c), who, (int)code, why);
    sk_mqtt_connack(c, code, false);
}

static int log_in(struct sk_mqtt_conn *c, struct sk_gateway *g, const struct sk_iot_username *u,
                  struct sk_view password, struct sk_device_pass *out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf sas = SK_BUF_INIT(SK_IOT_BAG_MAX);
    struct sk_view cert = sk_mqtt_peer_cert(c);
    sk_buf_add(&sas, password.ptr, password.len);
    if (!sk_buf_ok(&sas))
        return sk_buf_fail(&sas, err);
    if (password.len > 0 && memchr(password.ptr, '\0', password.len))
        return sk_fail(err, SK_UNAUTHENTICATED, "the password is no text");
    const struct sk_device_login login = {
        .host = u->host,
        .device = u->device,
        .module = u->module,
        .sas = password.len > 0 ? sas.data : NULL,
        .cert = cert.ptr,
        .cert_len = cert.len,
        .peer = sk_mqtt_peer_address(c),
        .hub_names = g->opts.hub_names,
    };
    int rc = sk_accounts_check_device(g->opts.accounts, &login, out, err);
    if (sas.data)
        explicit_bzero(sas.data, sas.len);
    return rc;
}

static struct sk_session *session_new(struct sk_gateway *g, const struct sk_iot_username *u)
{
    size_t device = strlen(u->device) + 1, module = strlen(u->module) + 1;
    struct sk_session *s = calloc(1, sizeof *s + device + module);
    if (!s)
        return NULL;
    s->gateway = g;
    memcpy(s->device, u->device, device);
    memcpy(s->device + device, u->module, module);
    s->module = s->device + device;
    return s;
}

static void will_free(struct sk_will *w)
{
    if (!w)
        return;
    sk_buf_done(&w->topic);
    sk_buf_done(&w->payload);
    free(w);
}

static void session_free(struct sk_session *s)
{
    if (!s)
        return;
    will_free(s->will);
    free(s);
}

SK_DEFINE_OWN(struct sk_session, session_free);

/* Only a message of its own may be a client's will. */
static int keep_will(struct sk_session *s, const struct sk_mqtt_connect *p, struct sk_err *err)
{
    if (!p->has_will)
        return 0;
    struct sk_iot_topic t = sk_iot_topic_parse(p->will_topic);
    if (t.kind != SK_TOPIC_EVENTS || p->will_qos > 1 || !sk_view_eq(t.device, s->device) ||
        !sk_view_eq(t.module, s->module))
        return sk_fail(err, SK_DENIED, "the will's topic is not the client's own");
    struct sk_will *w = calloc(1, sizeof *w);
    if (!w)
        return sk_nomem(err);
    s->will = w;
    w->retain = p->will_retain;
    w->topic.ceiling = SK_IOT_BAG_MAX;
    w->payload.ceiling = SK_IOT_MESSAGE_MAX;
    sk_buf_add(&w->topic, p->will_topic.ptr, p->will_topic.len);
    sk_buf_add(&w->payload, p->will_payload.ptr, p->will_payload.len);
    return sk_buf_ok(&w->topic) && sk_buf_ok(&w->payload) ? 0 : sk_buf_fail(&w->topic, err);
}

/* ---- waiting for the disk ---- */

struct entry {
    struct sk_mqtt_post post;
    struct sk_gateway *gateway;
    int64_t identity;
    bool is_clean;
    struct sk_err err;
};

static void finish_entry(struct sk_mqtt_conn *c, struct sk_mqtt_post *post);

static void on_ready(void *ctx, const struct sk_err *failed)
{
    struct entry *e = ctx;
    if (failed)
        e->err = *failed;
    if (e->is_clean)
        atomic_fetch_sub(&e->gateway->clears, 1);
    sk_mqtt_post(e->gateway->mqtt, &e->post);
}

/* Clears what a clean session must not have, and lets another one wait for those that do. With
 * `places` held. */
static int wait_for_disk(struct sk_mqtt_conn *c, struct sk_session *s, struct sk_err *err)
{
    struct sk_gateway *g = s->gateway;
    s->is_waiting = s->is_clean || atomic_load(&g->clears) > 0;
    if (!s->is_waiting)
        return 0;
    SK_OWN(free) struct entry *e = malloc(sizeof *e);
    if (!e)
        return sk_nomem(err);
    *e = (struct entry){
        .post = { .to = sk_mqtt_conn_ref(c), .run = finish_entry },
        .gateway = g,
        .identity = s->identity,
        .is_clean = s->is_clean,
        .err = SK_ERR_INIT,
    };
    atomic_fetch_add(&g->clears, s->is_clean);
    if (sk_session_change(g->opts.devices, s->identity, 0, s->is_clean ? ~0u : 0, on_ready, e,
                          err) < 0) {
        atomic_fetch_sub(&g->clears, s->is_clean);
        return -1;
    }
    (void)SK_TAKE(e);
    return 0;
}

/* ---- the place ---- */

/* Into the table, and the one before out of its connection. */
static int take_place(struct sk_mqtt_conn *c, struct sk_session *s, struct sk_err *err)
{
    struct sk_gateway *g = s->gateway;
    struct sk_mqtt_ref old = { 0 };
    bool had_old = false;
    SK_LOCK(&g->places);
    if (sk_live_put(&g->live, s->identity, s->device, sk_mqtt_conn_ref(c), &had_old, &old, err) < 0)
        return -1;
    s->is_live = true;
    sk_identity_seen(g->opts.devices, s->identity, true, (int64_t)sk_wall_ms());
    if (had_old)
        sk_gateway_cut(g, old, "a newer connection of the same identity");
    s->has_replaced = had_old;
    return wait_for_disk(c, s, err);
}

/* False: it has none, or a newer connection has it. */
static bool leave_place(struct sk_mqtt_conn *c, struct sk_session *s)
{
    struct sk_gateway *g = s->gateway;
    const bool was_live = s->is_live;
    s->is_live = false;
    SK_LOCK(&g->places);
    if (!was_live || !sk_live_remove(&g->live, s->identity, sk_mqtt_conn_ref(c)))
        return false;
    sk_identity_seen(g->opts.devices, s->identity, false, (int64_t)sk_wall_ms());
    return true;
}

/* Logs in and takes the place, again while identities change meanwhile. */
static int enter(struct sk_mqtt_conn *c, struct sk_session *s, const struct sk_iot_username *u,
                 struct sk_view password, struct sk_device_pass *pass, struct sk_err *err)
{
    struct sk_gateway *g = s->gateway;
    for (;;) {
        uint64_t before = atomic_load(&g->changes);
        struct sk_device_pass now = { 0 };
        if (log_in(c, g, u, password, &now, err) < 0)
            return -1;
        if (s->is_live && s->identity != now.identity)
            (void)leave_place(c, s);
        s->identity = now.identity;
        *pass = now;
        if (!s->is_live && take_place(c, s, err) < 0)
            return -1;
        if (atomic_load(&g->changes) == before)
            return 0;
    }
}

static void tell_connection(const struct sk_session *s, const char *what)
{
    struct sk_gateway *g = s->gateway;
    struct sk_err err = SK_ERR_INIT;
    char text[128], time[SK_TIME_TEXT];
    if (!g->opts.events)
        return;
    sk_time_text(sk_wall_ms(), time);
    int len = snprintf(text, sizeof text, "{\"event\":\"%s\",\"time\":\"%s\"}", what, time);
    if (sk_telemetry_add_event(g->opts.events, s->device, s->module, s->generation,
                               "deviceConnectionStateEvents", (struct sk_view){ text, (size_t)len },
                               NULL, NULL, &err) < 0)
        sk_log(SK_WARN, "event_lost", "device=\"%s\" event=%s error=\"%s\"", s->device, what,
               err.text);
}

static uint64_t end_of(const struct sk_device_pass *pass)
{
    const int64_t now_ms = (int64_t)sk_wall_ms(), end_ms = pass->expires_s * 1000;
    int64_t left_ms = end_ms > now_ms ? end_ms - now_ms : end_ms + SKEW_S * 1000 - now_ms;
    if (left_ms < 1)
        left_ms = 1;
    return sk_now_ms() + (uint64_t)left_ms;
}

/* What the identity had subscribed to, or nothing for a clean session. */
static int read_subs(struct sk_session *s, struct sk_err *err)
{
    return s->is_clean ? 0 : sk_session_read(s->gateway->opts.devices, s->identity, &s->subs, err);
}

static void keep_pass(struct sk_session *s, const struct sk_device_pass *pass)
{
    (void)snprintf(s->generation, sizeof s->generation, "%s", pass->generation);
    (void)snprintf(s->auth_method, sizeof s->auth_method, "%s", pass->auth_method);
    s->end_ms = end_of(pass);
}

/* The session is the connection's. When it is refused, sk_gateway_closed frees it. */
static void finish(struct sk_mqtt_conn *c, struct sk_session *s, struct sk_err *err)
{
    if (err->code != SK_OK || read_subs(s, err) < 0) {
        refuse(c, s->gateway, code_of(err), s->device, err->text);
        return;
    }
    s->is_waiting = false;
    s->is_accepted = true;
    sk_mqtt_close_at(c, s->end_ms, "its credentials have expired");
    atomic_fetch_add(&s->gateway->connects, 1);
    sk_log(SK_DEBUG, "connected", "peer=%s device=\"%s\" module=\"%s\" subs=%u",
           sk_mqtt_peer_address(c), s->device, s->module, s->subs);
    sk_mqtt_connack(c, SK_MQTT_ACCEPTED, s->subs != 0);
    tell_connection(s, "deviceConnected");
    sk_gateway_begin(c, s);
}

/* A login that was repeated may have been another identity's first. */
static void finish_entry(struct sk_mqtt_conn *c, struct sk_mqtt_post *post)
{
    SK_OWN(free) struct entry *e = (struct entry *)post;
    struct sk_session *s = c ? sk_mqtt_user(c) : NULL;
    if (s && s->is_waiting && s->identity == e->identity)
        finish(c, s, &e->err);
}

void sk_gateway_connect(struct sk_mqtt_conn *c, const struct sk_mqtt_connect *p, void *ctx)
{
    struct sk_gateway *g = ctx;
    struct sk_err err = SK_ERR_INIT;
    struct sk_iot_username u;
    struct sk_device_pass pass;
    if (!p->has_username || sk_iot_username_parse(p->username, &u, &err) < 0) {
        refuse(c, g, SK_MQTT_BAD_CREDENTIALS, "", p->has_username ? err.text : "no user name");
        return;
    }
    if (!is_client_id(p->client_id, &u)) {
        refuse(c, g, SK_MQTT_BAD_CLIENT_ID, u.device, "the client id is not the user name's");
        return;
    }
    SK_OWN(session_free) struct sk_session *s = session_new(g, &u);
    if (!s) {
        refuse(c, g, SK_MQTT_UNAVAILABLE, u.device, "out of memory");
        return;
    }
    struct sk_session *own = s;
    s->is_clean = p->is_clean;
    sk_mqtt_set_user(c, SK_TAKE(s));
    if (keep_will(own, p, &err) < 0 || enter(c, own, &u, p->password, &pass, &err) < 0) {
        refuse(c, g, code_of(&err), u.device, err.text);
        return;
    }
    keep_pass(own, &pass);
    if (!own->is_waiting)
        finish(c, own, &err);
}

void sk_gateway_closed(struct sk_mqtt_conn *c, bool had_disconnect, const char *why, void *ctx)
{
    SK_OWN(session_free) struct sk_session *s = sk_mqtt_user(c);
    (void)ctx;
    sk_mqtt_set_user(c, NULL);
    if (!s)
        return;
    /* Its SDK says only that the connection broke; here is where somebody finds out why. */
    sk_log(sk_mqtt_is_at_fault(c) ? SK_INFO : SK_DEBUG, "disconnected",
           "peer=%s device=\"%s\" module=\"%s\" why=\"%s\"", sk_mqtt_peer_address(c), s->device,
           s->module, why);
    if (s->will && s->is_accepted && !had_disconnect)
        sk_gateway_will(s->gateway, s);
    if (leave_place(c, s) && (s->is_accepted || s->has_replaced))
        tell_connection(s, "deviceDisconnected"); /* else it is still connected, or never was */
    sk_methods_closed(s->gateway, s);
}
