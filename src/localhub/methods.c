/*
 * methods.c - direct methods: from the cloud and from modules, to modules, leaves and ourselves.
 *
 *     WAITING  --it is connected and subscribed-->  SENT  --its answer-->  done
 *        |  connect_ms: SK_NOT_FOUND                  |  response_ms: SK_TIMEOUT
 *                                                     |  its connection ends: SK_NOT_FOUND
 *
 * A call is in the list exactly until its done is due; whoever takes it out calls done, so it is
 * called once. $edgeAgent's are the agent's, over the wire; $edgeHub knows `ping`.
 */
#include "localhub/localhub_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

enum {
    RID_TEXT = 24,
    TOPIC_MAX = 1024
};

struct sk_lh_call {
    struct sk_mqtt_post post; /* first: it is sent as a post */
    struct sk_lh_call *next;
    struct sk_lh *hub;
    struct sk_lh_ident *ident;
    const struct sk_lh_session *on; /* was sent on its connection; NULL: not sent */
    uint64_t rid, deadline_ms, began_ns;
    unsigned response_ms;
    bool is_listed;
    unsigned holders; /* the list, and the posts under way */
    void (*done)(void *ctx, int status, struct sk_view payload, const struct sk_err *failed);
    void *ctx;
    size_t payload_len;
    char name[SK_IOT_METHOD_NAME_MAX + 1];
    char payload[];
};

static void drop(struct sk_lh_call *c)
{
    if (--c->holders == 0)
        free(c);
}

/* With the lock held. */
static void unlist(struct sk_lh *h, struct sk_lh_call *c)
{
    struct sk_lh_call **at = &h->methods.first;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    h->methods.last = &h->methods.first;
    while (*h->methods.last)
        h->methods.last = &(*h->methods.last)->next;
    h->methods.count--;
    c->is_listed = false;
}

/* What a call's end needs, so that it can be freed before. */
struct end {
    void (*done)(void *ctx, int status, struct sk_view payload, const struct sk_err *failed);
    void *ctx;
};

static struct end take_out(struct sk_lh *h, struct sk_lh_call *c)
{
    const struct end e = { c->done, c->ctx };
    unlist(h, c);
    drop(c);
    return e;
}

/* ---- sending ---- */

/* With the lock held, on the connection's loop. */
static void send_to(struct sk_mqtt_conn *conn, struct sk_lh_session *s, struct sk_lh_call *c)
{
    char rid[RID_TEXT];
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf topic = SK_BUF_INIT(TOPIC_MAX);
    (void)snprintf(rid, sizeof rid, "%llx", (unsigned long long)c->rid);
    sk_iot_topic_method(&topic, c->name, rid);
    if (!sk_buf_ok(&topic) ||
        sk_mqtt_publish(conn, (struct sk_view){ topic.data, topic.len },
                        (struct sk_view){ c->payload, c->payload_len }, 0, 0, &err) < 0)
        return; /* it stays, until what waits for the client has left */
    c->on = s;
    s->was_called = true;
    c->deadline_ms = sk_now_ms() + c->response_ms;
}

static bool is_taker(struct sk_lh_session *s)
{
    const struct sk_lh_instance *i = sk_lh_instance_live(s->ident);
    return s->is_accepted && i && strcmp(i->name, s->instance) == 0 &&
           (s->subs & SK_SUB_METHODS) != 0;
}

static void send_call(struct sk_mqtt_conn *conn, struct sk_mqtt_post *post)
{
    struct sk_lh_call *c = (struct sk_lh_call *)post;
    struct sk_lh *h = c->hub;
    struct sk_lh_session *s = conn ? sk_mqtt_user(conn) : NULL;
    SK_LOCK(&h->lock);
    if (c->is_listed && !c->on && s && s->ident == c->ident && is_taker(s))
        send_to(conn, s, c);
    drop(c);
}

void sk_lh_methods_ready(struct sk_mqtt_conn *conn, struct sk_lh_session *s)
{
    struct sk_lh *h = s->hub;
    SK_LOCK(&h->lock);
    if (!is_taker(s))
        return;
    for (struct sk_lh_call *c = h->methods.first; c; c = c->next)
        if (c->ident == s->ident && !c->on)
            send_to(conn, s, c);
}

/* ---- ends ---- */

static bool read_rid(struct sk_view text, uint64_t *out)
{
    char digits[RID_TEXT], *end = NULL;
    if (text.len == 0 || text.len > 16)
        return false;
    memcpy(digits, text.ptr, text.len);
    digits[text.len] = '\0';
    *out = strtoull(digits, &end, 16);
    return *end == '\0';
}

void sk_lh_methods_answer(struct sk_lh *h, const struct sk_lh_session *s,
                          const struct sk_iot_topic *topic, struct sk_view payload)
{
    struct end e = { 0 };
    uint64_t rid = 0, began = 0;
    if (!read_rid(topic->rid, &rid))
        return;
    {
        SK_LOCK(&h->lock);
        struct sk_lh_call *c = h->methods.first;
        while (c && !(c->rid == rid && c->on == s))
            c = c->next;
        if (!c)
            return; /* too late, or never asked */
        began = c->began_ns;
        e = take_out(h, c);
    }
    const char *const labels[] = { "from", "upstream", "to", s->ident->key, NULL };
    sk_lh_count(h, SK_LH_M_METHODS, 1, labels);
    sk_lh_count(h, SK_LH_M_METHOD_S, (double)(sk_now_ns() - began) / 1e9, labels);
    e.done(e.ctx, topic->status, payload, NULL);
}

void sk_lh_methods_closed(struct sk_lh *h, const struct sk_lh_session *s)
{
    struct sk_err err = SK_ERR_INIT;
    (void)sk_fail(&err, SK_NOT_FOUND, "its connection ended before it answered");
    for (bool was_any = s->was_called; was_any;) {
        struct end e = { 0 };
        {
            SK_LOCK(&h->lock);
            struct sk_lh_call *c = h->methods.first;
            while (c && c->on != s)
                c = c->next;
            was_any = c != NULL;
            if (c)
                e = take_out(h, c);
        }

        if (was_any)
            e.done(e.ctx, 0, (struct sk_view){ "", 0 }, &err);
    }
}

/* The first whose time is over. */
static bool take_late(struct sk_lh *h, uint64_t now_ms, struct end *out, struct sk_err *err)
{
    SK_LOCK(&h->lock);
    struct sk_lh_call *c = h->methods.first;
    while (c && c->deadline_ms > now_ms)
        c = c->next;
    if (!c)
        return false;
    if (now_ms == UINT64_MAX)
        (void)sk_fail(err, SK_CANCELLED, "the local hub stops");
    else if (c->on)
        (void)sk_fail(err, SK_TIMEOUT, "it did not answer in %u s", c->response_ms / 1000);
    else
        (void)sk_fail(err, SK_NOT_FOUND, "it is not connected, or does not take methods");
    *out = take_out(h, c);
    return true;
}

void sk_lh_methods_tick(struct sk_lh *h, uint64_t now_ms)
{
    struct end e;
    struct sk_err err = SK_ERR_INIT;
    while (take_late(h, now_ms, &e, &err))
        e.done(e.ctx, 0, (struct sk_view){ "", 0 }, &err);
}

/* ---- $edgeAgent and $edgeHub ---- */

struct forwarded {
    void (*done)(void *ctx, int status, struct sk_view payload, const struct sk_err *failed);
    void *ctx;
};

static void on_agent_answer(void *ctx, const struct sk_json *answer, const struct sk_err *failed)
{
    SK_OWN(free) struct forwarded *f = ctx;
    SK_AUTO(sk_buf_done) struct sk_buf payload = SK_BUF_INIT(SK_WIRE_MAX);
    const struct sk_json *p = sk_json_get(answer, "payload");
    if (failed) {
        struct sk_err err = *failed;
        if (err.code == SK_IO) /* it went while it was asked */
            (void)sk_fail(&err, SK_BUSY, "the agent is away");
        f->done(f->ctx, 0, (struct sk_view){ "", 0 }, &err);
        return;
    }
    if (p)
        sk_json_dump(p, &payload);
    f->done(f->ctx, (int)sk_json_int(sk_json_get(answer, "status"), 500),
            (struct sk_view){ sk_buf_ok(&payload) && payload.data ? payload.data : "null",
                              sk_buf_ok(&payload) && payload.data ? payload.len : 4 },
            NULL);
}

static int call_agent(struct sk_lh *h, const struct sk_lh_method *m, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf ask = SK_BUF_INIT(SK_WIRE_MAX);
    SK_OWN(sk_json_free) struct sk_json *payload = NULL;
    SK_OWN(free) struct forwarded *f = malloc(sizeof *f);
    if (!f)
        return sk_nomem(err);
    *f = (struct forwarded){ .done = m->done, .ctx = m->ctx };
    if (m->payload.len > 0 &&
        sk_json_parse(m->payload.ptr, m->payload.len, NULL, &payload, err) < 0)
        return sk_wrap(err, "payload");
    sk_buf_str(&ask, "{\"type\":\"method\",\"name\":");
    sk_buf_json_str(&ask, m->name);
    sk_buf_str(&ask, ",\"payload\":");
    if (payload)
        sk_json_dump(payload, &ask);
    else
        sk_buf_str(&ask, "null");
    sk_buf_chr(&ask, '}');
    if (!sk_buf_ok(&ask))
        return sk_buf_fail(&ask, err);
    if (sk_lh_ask(h, (struct sk_view){ ask.data, ask.len }, m->response_ms, on_agent_answer, f,
                  err) < 0)
        return -1;
    (void)SK_TAKE(f);
    return 0;
}

static int call_ourselves(const struct sk_lh_method *m)
{
    static const char unknown[] = "{\"message\":\"$edgeHub knows the method ping\"}";
    const bool is_ping = strcmp(m->name, "ping") == 0;
    m->done(m->ctx, is_ping ? 200 : 400, is_ping ? SK_VIEW("null") : sk_view_of(unknown), NULL);
    return 0;
}

/* ---- calls ---- */

static struct sk_lh_call *call_new(struct sk_lh *h, struct sk_lh_ident *id,
                                   const struct sk_lh_method *m)
{
    struct sk_lh_call *c = calloc(1, sizeof *c + m->payload.len);
    if (!c)
        return NULL;
    c->hub = h;
    c->ident = id;
    c->response_ms = m->response_ms;
    c->began_ns = sk_now_ns();
    c->deadline_ms = sk_now_ms() + m->connect_ms;
    c->done = m->done;
    c->ctx = m->ctx;
    c->payload_len = m->payload.len;
    (void)snprintf(c->name, sizeof c->name, "%s", m->name);
    if (m->payload.len > 0)
        memcpy(c->payload, m->payload.ptr, m->payload.len);
    return c;
}

int sk_lh_invoke(struct sk_lh *h, struct sk_lh_ident *id, const struct sk_lh_method *m,
                 struct sk_err *err)
{
    struct sk_lh_methods *all = &h->methods;
    if (strlen(m->name) > SK_IOT_METHOD_NAME_MAX || !*m->name)
        return sk_fail(err, SK_INVALID, "a method's name has 1 to %d characters",
                       SK_IOT_METHOD_NAME_MAX);
    if (m->payload.len > SK_IOT_METHOD_PAYLOAD_MAX)
        return sk_fail(err, SK_TOO_LARGE, "a payload beyond %d bytes", SK_IOT_METHOD_PAYLOAD_MAX);
    if (id->kind == SK_LH_AGENT)
        return call_agent(h, m, err);
    if (id->kind == SK_LH_HUB)
        return call_ourselves(m);
    SK_LOCK(&h->lock);
    const struct sk_lh_instance *i = sk_lh_instance_live(id);
    const bool is_there = sk_lh_wants(i, SK_SUB_METHODS);
    if (!is_there && m->connect_ms == 0)
        return sk_fail(err, SK_NOT_FOUND, "it is not connected, or does not take methods");
    if (all->count >= SK_LH_METHODS_MAX)
        return sk_fail(err, SK_BUSY, "%d methods wait for an answer", SK_LH_METHODS_MAX);
    struct sk_lh_call *c = call_new(h, id, m);
    if (!c)
        return sk_nomem(err);
    c->rid = ++all->next_rid;
    c->holders = 1;
    c->is_listed = true;
    if (!all->last)
        all->last = &all->first;
    *all->last = c;
    all->last = &c->next;
    all->count++;
    if (!is_there)
        return 0;
    c->holders++;
    c->deadline_ms += m->response_ms; /* should it not be sent at all */
    c->post = (struct sk_mqtt_post){ .to = i->ref, .run = send_call };
    sk_mqtt_post(h->mqtt, &c->post);
    return 0;
}

/* ---- from the cloud ---- */

struct above {
    struct sk_lh_ident *ident;
    unsigned serial; /* of the line */
    char rid[SK_LH_RID];
};

static void answer_above(const struct above *a, int status, struct sk_view payload)
{
    struct sk_lh *h = a->ident->hub;
    struct sk_err err = SK_ERR_INIT;
    char topic[SK_LH_RID + 64];
    const int len = snprintf(topic, sizeof topic, "$iothub/methods/res/%d/?$rid=%s", status,
                             a->rid);
    SK_LOCK(&h->lock);
    if (!a->ident->line || a->ident->line_serial != a->serial)
        return;
    if (sk_mqtt_line_publish(a->ident->line, (struct sk_view){ topic, (size_t)len }, payload, 0, 0,
                             &err) < 0)
        sk_log(SK_WARN, "method_answer_lost", "id=\"%s\" error=\"%s\"", a->ident->key, err.text);
}

static void on_done(void *ctx, int status, struct sk_view payload, const struct sk_err *failed)
{
    SK_OWN(free) struct above *a = ctx;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(4096);
    if (!failed) {
        answer_above(a, status, payload);
        return;
    }
    sk_buf_str(&text, "{\"message\":");
    sk_buf_json_str(&text, failed->text);
    sk_buf_chr(&text, '}');
    answer_above(a, sk_code_http(failed->code), (struct sk_view){ text.data, text.len });
}

void sk_lh_methods_from_above(struct sk_lh_ident *id, const struct sk_lh_down *d,
                              struct sk_view payload)
{
    struct sk_lh *h = id->hub;
    struct sk_err err = SK_ERR_INIT;
    struct above *a = malloc(sizeof *a);
    if (!a)
        return; /* it times out */
    a->ident = id;
    (void)snprintf(a->rid, sizeof a->rid, "%.*s", (int)d->rid.len, d->rid.ptr);
    {
        SK_LOCK(&h->lock);
        a->serial = id->line_serial;
    }
    const struct sk_lh_method m = { .name = d->name,
                                    .payload = payload,
                                    .response_ms = SK_LH_METHOD_MS,
                                    .done = on_done,
                                    .ctx = a };
    if (sk_lh_invoke(h, id, &m, &err) < 0)
        on_done(a, 0, (struct sk_view){ "", 0 }, &err);
}
