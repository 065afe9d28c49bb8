/*
 * front.c - the life of a client's session: CONNECT, its checks, its place, its end.
 *
 * CONNACK codes are what the SDKs act on: 4 and 5 stop Python and Node for good, so they are for
 * credentials that are wrong; whatever may be better later is 3: the agent is away, nobody has told
 * us any routes yet.
 *
 * A module's instance has one connection; the newest wins. So has a leaf.
 */
#include "localhub/localhub_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/net.h"

#include <string.h>

struct login {
    struct sk_mqtt_post post;
    struct sk_lh_check check;
    struct sk_err err;
    bool has_asked; /* the agent whether it knows this leaf */
};

static void refuse(struct sk_mqtt_conn *c, struct sk_lh *h, enum sk_mqtt_connack code,
                   const char *who, const char *why)
{
    const char *const labels[] = {
        "id", who, "reason", code == SK_MQTT_UNAVAILABLE ? "unavailable" : "not_authenticated", NULL
    };
    sk_lh_count(h, SK_LH_M_CONNECT_FAILED, 1, labels);
    sk_log(SK_INFO, "connect_refused", "peer=%s who=\"%s\" code=%d why=\"%s\"",
           sk_mqtt_peer_address(c), who, (int)code, why);
    sk_mqtt_connack(c, code, false);
}

static enum sk_mqtt_connack code_of(const struct sk_err *err)
{
    return err->code == SK_UNAUTHENTICATED || err->code == SK_DENIED || err->code == SK_INVALID
               ? SK_MQTT_NOT_AUTHORIZED
               : SK_MQTT_UNAVAILABLE;
}

static bool is_client_id(struct sk_view id, const struct sk_iot_username *u)
{
    char name[SK_IOT_KEY_MAX];
    int len = snprintf(name, sizeof name, "%s%s%s", u->device, *u->module ? "/" : "", u->module);
    return (size_t)len == id.len && memcmp(name, id.ptr, id.len) == 0;
}

static void session_free(struct sk_lh_session *s)
{
    if (!s)
        return;
    if (s->will) {
        sk_buf_done(&s->will->topic);
        sk_buf_done(&s->will->payload);
        free(s->will);
    }
    free(s);
}

SK_DEFINE_OWN(struct sk_lh_session, session_free);

/* Only a message of its own may be a client's will. */
static int keep_will(struct sk_lh_session *s, const struct sk_mqtt_connect *p,
                     const struct sk_iot_username *u, struct sk_err *err)
{
    if (!p->has_will)
        return 0;
    struct sk_iot_topic t = sk_iot_topic_parse(p->will_topic);
    if (t.kind != SK_TOPIC_EVENTS || p->will_qos > 1 || !sk_view_eq(t.device, u->device) ||
        !sk_view_eq(t.module, u->module))
        return sk_fail(err, SK_DENIED, "the will's topic is not the client's own");
    struct sk_lh_will *w = calloc(1, sizeof *w);
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

/* ---- cutting ---- */

struct cut {
    struct sk_mqtt_post post;
    const char *why;
};

static void close_it(struct sk_mqtt_conn *c, struct sk_mqtt_post *post)
{
    if (c)
        sk_mqtt_close(c, ((const struct cut *)post)->why);
    free(post);
}

void sk_lh_cut(struct sk_lh *h, struct sk_mqtt_ref ref, const char *why)
{
    struct cut *cut = malloc(sizeof *cut);
    while (!cut) /* two connections of one identity must not stay */
        cut = malloc(sizeof *cut);
    *cut = (struct cut){ .post = { .to = ref, .run = close_it }, .why = why };
    sk_mqtt_post(h->mqtt, &cut->post);
}

void sk_lh_linger(struct sk_mqtt_conn *c)
{
    struct sk_lh_session *s = sk_mqtt_user(c);
    const uint64_t at = sk_now_ms() + SK_LH_LINGER_MS;
    if (s->is_ending)
        return;
    s->is_ending = true;
    if (at < s->end_ms)
        sk_mqtt_close_at(c, at, "a message could not be stored");
}

void sk_lh_send(struct sk_mqtt_conn *c, const struct sk_buf *topic, struct sk_view payload)
{
    struct sk_err err = SK_ERR_INIT;
    if (!sk_buf_ok(topic))
        sk_mqtt_close(c, "out of memory");
    else if (sk_mqtt_publish(c, (struct sk_view){ topic->data, topic->len }, payload, 0, 0, &err) <
             0)
        sk_mqtt_close(c, "it does not take what it is sent");
}

/* ---- the place ---- */

static bool is_same(struct sk_mqtt_ref a, struct sk_mqtt_ref b)
{
    return a.loop == b.loop && a.slot == b.slot && a.serial == b.serial;
}

/* The instance may have gone while its token was checked. */
static int take_place(struct sk_mqtt_conn *c, struct sk_lh_session *s, struct sk_err *err)
{
    struct sk_lh *h = s->hub;
    SK_LOCK(&h->lock);
    struct sk_lh_instance *i = sk_lh_instance_find(s->ident, s->instance);
    if (!i || !s->ident->is_listed)
        return sk_fail(err, SK_BUSY, "its instance has just gone");
    if (i->is_connected)
        sk_lh_cut(h, i->ref, "a newer connection of the same identity");
    else if (i->role == SK_LH_ACTIVE)
        s->ident->connected_ms = (int64_t)sk_wall_ms();
    if (s->is_clean && i->subs != 0) {
        i->subs = 0;
        sk_lh_files_sessions(h, NULL);
    }
    i->is_connected = true;
    i->ref = sk_mqtt_conn_ref(c);
    i->desired_seen = -1;
    s->subs = i->subs;
    s->is_placed = true;
    s->ident->is_used = true;
    sk_lh_report(h);
    atomic_store(&h->lines_are_due, true);
    return 0;
}

static bool leave_place(struct sk_mqtt_conn *c, struct sk_lh_session *s)
{
    struct sk_lh *h = s->hub;
    if (!s->is_placed)
        return false;
    SK_LOCK(&h->lock);
    struct sk_lh_instance *i = sk_lh_instance_find(s->ident, s->instance);
    s->is_placed = false;
    if (!i || !i->is_connected || !is_same(i->ref, sk_mqtt_conn_ref(c)))
        return false;
    i->is_connected = false;
    s->ident->left_ms = sk_now_ms();
    if (i->role == SK_LH_ACTIVE)
        s->ident->disconnected_ms = (int64_t)sk_wall_ms();
    sk_lh_report(h);
    return true;
}

static void accept(struct sk_mqtt_conn *c, struct sk_lh_session *s)
{
    const char *const labels[] = { "id", s->ident->key, NULL };
    s->is_accepted = true;
    sk_mqtt_close_at(c, s->end_ms, "its credentials have expired");
    sk_lh_count(s->hub, SK_LH_M_CONNECTED, 1, labels);
    sk_log(SK_INFO, "connected", "peer=%s id=\"%s\" instance=\"%s\" subs=%u",
           sk_mqtt_peer_address(c), s->ident->key, s->instance, s->subs);
    sk_mqtt_connack(c, SK_MQTT_ACCEPTED, s->subs != 0);
    sk_lh_methods_ready(c, s);
    sk_lh_pump_wake(s->hub);
    sk_lh_wake(s->hub);
}

/* On the connection's loop, when its token was checked. */
static void finish(struct sk_mqtt_conn *c, struct sk_mqtt_post *post)
{
    SK_OWN(free) struct login *l = (struct login *)post;
    struct sk_lh_session *s = c ? sk_mqtt_user(c) : NULL;
    if (!s)
        return;
    s->ident = l->check.ident;
    if (l->err.code == SK_OK) {
        (void)snprintf(s->instance, sizeof s->instance, "%s", l->check.instance);
        s->end_ms = l->check.until_ms;
        if (take_place(c, s, &l->err) == 0) {
            accept(c, s);
            return;
        }
    }
    refuse(c, s->hub, code_of(&l->err), s->ident ? s->ident->key : "", l->err.text);
}

static void on_checked(struct sk_lh_check *check, const struct sk_err *failed)
{
    struct login *l = (struct login *)(void *)((char *)check - offsetof(struct login, check));
    if (failed)
        l->err = *failed;
    sk_mqtt_post(check->hub->mqtt, &l->post);
}

/* ---- certificates of leaves ---- */

static void check_cert(struct sk_lh *h, const struct sk_iot_username *u, struct sk_view cert,
                       struct login *l)
{
    struct sk_cert_info info;
    struct sk_err err = SK_ERR_INIT;
    bool is_right = false;
    l->check.hub = h;
    if (sk_cert_info_der(cert.ptr, cert.len, &info, &err) == 0) {
        SK_LOCK(&h->lock);
        struct sk_lh_ident *id = sk_lh_ident_find(h, u->device, u->module);
        for (size_t k = 0; id && id->is_listed && id->kind == SK_LH_LEAF && k < 2; k++)
            is_right |= *id->thumbprints[k] && (strcmp(id->thumbprints[k], info.sha256) == 0 ||
                                                strcmp(id->thumbprints[k], info.sha1) == 0);
        l->check.ident = id;
    }
    l->check.until_ms = sk_now_ms() + 24 * 3600 * UINT64_C(1000);
    if (is_right)
        on_checked(&l->check, NULL);
    else
        (void)sk_fail(&err, SK_UNAUTHENTICATED, "neither a token nor a certificate that is known"),
            on_checked(&l->check, &err);
}

/* ---- leaves that are not known yet ---- */

struct question {
    struct login *login;
    struct sk_lh *hub;
    struct sk_iot_username user;
    size_t len;
    char token[];
};

static void on_leaf_known(void *ctx, const struct sk_json *answer, const struct sk_err *failed)
{
    SK_OWN(free) struct question *q = ctx;
    struct sk_err err = SK_ERR_INIT;
    (void)answer;
    if (failed) {
        const bool is_none = failed->code == SK_NOT_FOUND || failed->code == SK_DENIED ||
                             failed->code == SK_UNSUPPORTED;
        (void)sk_fail(&err, is_none ? SK_DENIED : SK_BUSY, "%s", failed->text);
        q->login->check.hub = q->hub;
        on_checked(&q->login->check, &err);
        return;
    }
    sk_lh_check_token(q->hub, q->user.host, q->user.device, q->user.module,
                      (struct sk_view){ q->token, q->len }, &q->login->check);
}

/* Whether the agent was asked about a device that nobody has told us of. */
static bool ask_for_leaf(struct sk_lh *h, const struct sk_iot_username *u, struct sk_view token,
                         struct login *l)
{
    struct sk_err err = SK_ERR_INIT;

    SK_AUTO(sk_buf_done) struct sk_buf ask = SK_BUF_INIT(4096);
    {
        SK_LOCK(&h->lock);
        struct sk_lh_ident *id = sk_lh_ident_find(h, u->device, u->module);
        if (!h->config.is_known || strcmp(u->device, h->config.device) == 0 ||
            (id && id->is_listed))
            return false;
    }
    SK_OWN(free) struct question *q = malloc(sizeof *q + token.len);
    if (!q)
        return false;
    *q = (struct question){ .login = l, .hub = h, .user = *u, .len = token.len };
    memcpy(q->token, token.ptr, token.len);
    sk_buf_str(&ask, "{\"type\":\"leaf\",\"device\":");
    sk_buf_json_str(&ask, u->device);
    sk_buf_str(&ask, ",\"module\":");
    sk_buf_json_str(&ask, u->module);
    sk_buf_chr(&ask, '}');
    if (!sk_buf_ok(&ask) ||
        sk_lh_ask(h, (struct sk_view){ ask.data, ask.len }, 0, on_leaf_known, q, &err) < 0)
        return false;
    (void)SK_TAKE(q);
    return true;
}

/* ---- CONNECT ---- */

static bool has_routes(struct sk_lh *h)
{
    SK_LOCK(&h->lock);
    return h->routes != NULL;
}

static void begin_login(struct sk_mqtt_conn *c, struct sk_lh *h, const struct sk_mqtt_connect *p,
                        const struct sk_iot_username *u)
{
    const struct sk_view cert = sk_mqtt_peer_cert(c);
    struct login *l = calloc(1, sizeof *l);
    if (!l) {
        refuse(c, h, SK_MQTT_UNAVAILABLE, u->device, "out of memory");
        return;
    }
    l->post = (struct sk_mqtt_post){ .to = sk_mqtt_conn_ref(c), .run = finish };
    l->check.done = on_checked;
    if (p->password.len == 0 && cert.len > 0)
        check_cert(h, u, cert, l);
    else if (p->password.len > SK_LH_TOKEN_MAX || !ask_for_leaf(h, u, p->password, l))
        sk_lh_check_token(h, u->host, u->device, u->module, p->password, &l->check);
}

static void on_connect(struct sk_mqtt_conn *c, const struct sk_mqtt_connect *p, void *ctx)
{
    struct sk_lh *h = ctx;
    struct sk_err err = SK_ERR_INIT;
    struct sk_iot_username u;
    if (!p->has_username || sk_iot_username_parse(p->username, &u, &err) < 0) {
        refuse(c, h, SK_MQTT_BAD_CREDENTIALS, "", p->has_username ? err.text : "no user name");
        return;
    }
    if (!is_client_id(p->client_id, &u)) {
        refuse(c, h, SK_MQTT_BAD_CLIENT_ID, u.device, "the client id is not the user name's");
        return;
    }
    if (!has_routes(h)) {
        refuse(c, h, SK_MQTT_UNAVAILABLE, u.device, "no routes were ever seen");
        return;
    }
    SK_OWN(session_free) struct sk_lh_session *s = calloc(1, sizeof *s);
    if (!s) {
        refuse(c, h, SK_MQTT_UNAVAILABLE, u.device, "out of memory");
        return;
    }
    s->hub = h;
    s->ref = sk_mqtt_conn_ref(c);
    s->is_clean = p->is_clean;
    if (keep_will(s, p, &u, &err) < 0) {
        refuse(c, h, code_of(&err), u.device, err.text);
        return;
    }
    sk_mqtt_set_user(c, SK_TAKE(s));
    begin_login(c, h, p, &u);
}

static void on_closed(struct sk_mqtt_conn *c, bool had_disconnect, const char *why, void *ctx)
{
    SK_OWN(session_free) struct sk_lh_session *s = sk_mqtt_user(c);
    (void)ctx;
    sk_mqtt_set_user(c, NULL);
    if (!s)
        return;
    if (s->is_accepted) {
        const char *const labels[] = { "id", s->ident->key, NULL };
        sk_lh_count(s->hub, SK_LH_M_DISCONNECTED, 1, labels);
    }
    sk_log(sk_mqtt_is_at_fault(c) || s->is_accepted ? SK_INFO : SK_DEBUG, "disconnected",
           "peer=%s id=\"%s\" instance=\"%s\" why=\"%s\"", sk_mqtt_peer_address(c),
           s->ident ? s->ident->key : "", s->instance, why);
    if (s->will && s->is_accepted && !had_disconnect)
        sk_lh_publish_will(s->hub, s);
    (void)leave_place(c, s);
    sk_lh_methods_closed(s->hub, s);
    sk_lh_pump_wake(s->hub);
}

static void on_drained(struct sk_mqtt_conn *c, void *ctx)
{
    struct sk_lh *h = ctx;
    struct sk_lh_session *s = sk_mqtt_user(c);
    if (s && s->is_accepted)
        sk_lh_methods_ready(c, s);
    sk_lh_pump_wake(h);
}

const struct sk_mqtt_handler sk_lh_handler = {
    .connect = on_connect,
    .publish = sk_lh_publish,
    .subscribe = sk_lh_subscribe,
    .unsubscribe = sk_lh_unsubscribe,
    .acked = sk_lh_deliver_acked,
    .closed = on_closed,
    .drained = on_drained,
};

int sk_lh_front_add(struct sk_lh *h, struct sk_stream *stream, const struct sk_tls_peer *peer,
                    bool is_websocket)
{
    struct sk_err err = SK_ERR_INIT;
    char address[SK_PEER_TEXT];
    sk_peer_text(peer->addr, peer->addr_len, address);
    const struct sk_mqtt_peer who = { .address = address,
                                      .cert = peer->cert,
                                      .cert_len = peer->cert_len };
    if (sk_mqtt_server_add(h->mqtt, stream, &who, is_websocket, &err) < 0)
        sk_log(SK_WARN, "client_refused", "peer=%s error=\"%s\"", address, err.text);
    return 0; /* taken in both cases */
}
