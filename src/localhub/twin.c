/*
 * twin.c - twins as the clients here see them: the mirror.
 *
 * A get is answered from the mirror once the cloud's twin was seen; before, it waits a little for
 * that, and is then refused with 503. A reported patch is merged, written, answered 204, and sent
 * up later. Desired patches are not kept for who is away: it gets the twin when it comes.
 *
 * What a candidate reports is kept aside, in the twin's file, and merged when it becomes the active
 * one: aside is reported as the candidate sees it, aside_base what that began from.
 */
#include "localhub/localhub_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

enum {
    OF_REPORT = SK_SUB_TWIN_RESPONSES,
    /* Python's SDK asks after each reconnect, though it subscribed only to desired patches. */
    OF_GET = SK_SUB_TWIN_RESPONSES | SK_SUB_TWIN_DESIRED,
    TOPIC_MAX = 512,
    TWIN_BYTES = 4 * SK_TWIN_SECTION_MAX,
    TOO_BIG = 403100 /* DeviceModelMaxPropertiesExceeded */
};

void sk_lh_twin_init(struct sk_lh_twin *t)
{
    memset(t, 0, sizeof *t);
    t->desired = strdup("{}");
    t->reported = strdup("{}");
    t->base = strdup("{}");
    t->last = &t->waiting;
}

void sk_lh_twin_done(struct sk_lh_twin *t)
{
    free(t->desired);
    free(t->reported);
    free(t->base);
    free(t->sending);
    free(t->aside);
    free(t->aside_base);
    t->desired = t->reported = t->base = t->sending = t->aside = t->aside_base = NULL;
}

static void replace(char **to, char *text)
{
    free(*to);
    *to = text;
}

/* ---- answers ---- */

static int status_of(const struct sk_err *err)
{
    switch (err->code) {
    case SK_TOO_LARGE:
        return 403;
    case SK_BUSY:
        return 503;
    default:
        return sk_code_http(err->code);
    }
}

static void answer(struct sk_mqtt_conn *c, unsigned subs, int status, struct sk_view rid,
                   int64_t version, struct sk_view body)
{
    SK_AUTO(sk_buf_done) struct sk_buf topic = SK_BUF_INIT(TOPIC_MAX);
    const struct sk_lh_session *s = sk_mqtt_user(c);
    if (!s || (s->subs & subs) == 0)
        return;
    sk_iot_topic_twin_response(&topic, status, rid, version);
    sk_lh_send(c, &topic, body);
}

static void answer_error(struct sk_mqtt_conn *c, unsigned subs, struct sk_view rid, int status,
                         const struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(4096);
    sk_buf_str(&body, "{\"message\":");
    sk_buf_json_str(&body, err->text);
    sk_buf_fmt(&body, ",\"errorCode\":%d,\"trackingId\":\"\",\"details\":null}",
               err->code == SK_TOO_LARGE ? TOO_BIG : status * 1000 + 1);
    answer(c, subs, status, rid, -1, (struct sk_view){ body.data, body.len });
}

/* ---- get ---- */

struct sk_lh_get {
    struct sk_mqtt_post post;
    struct sk_lh_get *next;
    uint64_t due_ms;
    bool is_late;
    size_t rid_len;
    char rid[SK_LH_RID];
};

/* With the lock held. */
static void write_twin(struct sk_lh_session *s, struct sk_buf *out)
{
    const struct sk_lh_twin *t = &s->ident->twin;
    struct sk_lh_instance *i = sk_lh_instance_find(s->ident, s->instance);
    const bool is_aside = i && i->role == SK_LH_CANDIDATE && t->aside;
    const struct sk_twin_section desired = { .body = t->desired, .version = t->desired_version };
    const struct sk_twin_section reported = { .body = is_aside ? t->aside : t->reported,
                                              .version = t->reported_version };
    sk_twin_device_json(&desired, &reported, out);
    if (i)
        i->desired_seen = t->desired_version;
}

static void give_twin(struct sk_mqtt_conn *c, struct sk_lh_session *s, struct sk_view rid)
{
    const char *const labels[] = { "source", "edge_hub", "id", s->ident->key, NULL };
    const uint64_t began = sk_now_ns();

    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(TWIN_BYTES);
    {
        SK_LOCK(&s->hub->lock);
        write_twin(s, &body);
    }

    if (sk_buf_ok(&body))
        answer(c, OF_GET, 200, rid, -1, (struct sk_view){ body.data, body.len });
    else
        sk_mqtt_close(c, "out of memory");
    sk_lh_count(s->hub, SK_LH_M_GETTWIN_S, (double)(sk_now_ns() - began) / 1e9, labels);
}

static void finish_get(struct sk_mqtt_conn *c, struct sk_mqtt_post *post)
{
    SK_OWN(free) struct sk_lh_get *g = (struct sk_lh_get *)post;
    const struct sk_view rid = { g->rid, g->rid_len };
    struct sk_err err = SK_ERR_INIT;
    if (!c)
        return;
    if (!g->is_late) {
        give_twin(c, sk_mqtt_user(c), rid);
        return;
    }
    (void)sk_fail(&err, SK_BUSY,
                  "ServiceUnavailable: the cloud is away, and this twin was never "
                  "seen here");
    answer_error(c, OF_GET, rid, 503, &err);
}

/* With the lock held. False: too many wait, or no memory. */
static bool wait_for_sight(struct sk_mqtt_conn *c, struct sk_lh_ident *id, struct sk_view rid)
{
    struct sk_lh_twin *t = &id->twin;
    struct sk_lh_get *g = t->askers_count < SK_LH_GETS_MAX ? malloc(sizeof *g) : NULL;
    if (!g)
        return false;
    *g = (struct sk_lh_get){ .post = { .to = sk_mqtt_conn_ref(c), .run = finish_get },
                             .next = t->askers,
                             .due_ms = sk_now_ms() + SK_LH_GET_MS,
                             .rid_len = rid.len };
    memcpy(g->rid, rid.ptr, rid.len);
    t->askers = g;
    t->askers_count++;
    return true;
}

/* With the lock held: those that are due by now_ms, or all. */
static void end_gets(struct sk_lh_ident *id, uint64_t now_ms, bool is_late)
{
    struct sk_lh_get **at = &id->twin.askers;
    while (*at) {
        struct sk_lh_get *g = *at;
        if (is_late && g->due_ms > now_ms) {
            at = &g->next;
            continue;
        }
        *at = g->next;
        id->twin.askers_count--;
        g->is_late = is_late;
        sk_mqtt_post(id->hub->mqtt, &g->post);
    }
}

void sk_lh_twin_seen(struct sk_lh_ident *id)
{
    end_gets(id, 0, false);
}

void sk_lh_twin_tick(struct sk_lh *h, uint64_t now_ms)
{
    SK_LOCK(&h->lock);
    for (struct sk_lh_ident *id = h->idents; id; id = id->next)
        if (id->twin.askers)
            end_gets(id, now_ms, true);
}

void sk_lh_twin_get(struct sk_mqtt_conn *c, struct sk_lh_session *s, const struct sk_iot_topic *t)
{
    struct sk_lh *h = s->hub;
    struct sk_err err = SK_ERR_INIT;
    bool is_seen = false, is_waiting = false;
    if (t->rid.len >= SK_LH_RID) {
        sk_mqtt_close(c, "a request id beyond 127 bytes");
        return;
    }
    {
        SK_LOCK(&h->lock);
        const char *const labels[] = { "source",
                                       s->ident->twin.is_current ? "upstream" : "edge_hub", "id",
                                       s->ident->key, NULL };
        sk_lh_count(h, SK_LH_M_GETTWIN, 1, labels);
        is_seen = s->ident->twin.is_seen;
        if (!is_seen)
            is_waiting = wait_for_sight(c, s->ident, t->rid);
    }
    if (is_seen) {
        give_twin(c, s, t->rid);
    } else if (!is_waiting) {
        (void)sk_fail(&err, SK_BUSY, "ThrottlingException: too many requests wait already");
        answer_error(c, OF_GET, t->rid, 429, &err);
    }
}

/* ---- reported ---- */

struct report {
    struct sk_lh_later later;
    struct sk_mqtt_post post;
    struct sk_lh *hub;
    uint16_t id; /* to acknowledge; 0: none */
    bool is_counted;
    int64_t version;
    struct sk_err err;
    size_t rid_len;
    char rid[SK_LH_RID];
};

static void finish_report(struct sk_mqtt_conn *c, struct sk_mqtt_post *post)
{
    SK_OWN(free)
    struct report *r = (struct report *)(void *)((char *)post - offsetof(struct report, post));
    const struct sk_view rid = { r->rid, r->rid_len };
    if (!c)
        return;
    if (r->is_counted)
        ((struct sk_lh_session *)sk_mqtt_user(c))->reports--;
    if (r->err.code == SK_OK)
        answer(c, OF_REPORT, 204, rid, r->version, (struct sk_view){ "", 0 });
    else
        answer_error(c, OF_REPORT, rid, r->is_counted ? status_of(&r->err) : 429, &r->err);
    if (r->id != 0)
        sk_mqtt_puback(c, r->id);
}

static void on_kept(struct sk_lh_later *later, const struct sk_err *failed)
{
    struct report *r = (struct report *)later;
    if (failed)
        r->err = *failed;
    sk_mqtt_post(r->hub->mqtt, &r->post);
}

int sk_lh_twin_patch(struct sk_lh_ident *id, const struct sk_json *patch, bool is_whole,
                     struct sk_lh_later *later, struct sk_err *err)
{
    struct sk_lh_twin *t = &id->twin;
    char *text = NULL;
    if ((is_whole ? sk_lh_twin_section(SK_TWIN_REPORTED, patch, &text, err)
                  : sk_lh_twin_merge(SK_TWIN_REPORTED, t->reported, patch, &text, err)) < 0)
        return -1;
    if (strcmp(text, t->reported) == 0 && !t->is_dirty && !t->is_writing) {
        free(text);
        return 1;
    }
    replace(&t->reported, text);
    t->reported_version++;
    sk_lh_files_twin(id->hub, id, later);
    sk_lh_sync(id);
    return 0;
}

/* Of a candidate. */
static int patch_aside(struct sk_lh_ident *id, const struct sk_json *patch,
                       struct sk_lh_later *later, struct sk_err *err)
{
    struct sk_lh_twin *t = &id->twin;
    char *text = NULL;
    if (!t->aside) {
        SK_OWN(free) char *base = strdup(t->reported);
        char *copy = strdup(t->reported);
        if (!base || !copy) {
            free(copy);
            return sk_nomem(err);
        }
        replace(&t->aside_base, SK_TAKE(base));
        replace(&t->aside, copy);
    }
    if (sk_lh_twin_merge(SK_TWIN_REPORTED, t->aside, patch, &text, err) < 0)
        return -1;
    replace(&t->aside, text);
    sk_lh_files_twin(id->hub, id, later);
    return 0;
}

static int take_report(struct sk_lh_session *s, struct sk_view payload, struct report *r,
                       struct sk_err *err)
{
    const struct sk_json_limits limits = { .max_values = 200000 };
    SK_OWN(sk_json_free) struct sk_json *patch = NULL;
    struct sk_lh *h = s->hub;
    if (payload.len > SK_TWIN_PATCH_MAX)
        return sk_fail(err, SK_TOO_LARGE, "a patch beyond %d bytes", SK_TWIN_PATCH_MAX);
    if (sk_json_parse(payload.ptr, payload.len, &limits, &patch, err) < 0 ||
        sk_twin_check(SK_TWIN_REPORTED, patch, err) < 0)
        return -1;
    SK_LOCK(&h->lock);
    const struct sk_lh_instance *i = sk_lh_instance_find(s->ident, s->instance);
    const bool is_aside = i && i->role == SK_LH_CANDIDATE;
    r->later.run = on_kept;
    const int rc = is_aside ? patch_aside(s->ident, patch, &r->later, err)
                            : sk_lh_twin_patch(s->ident, patch, false, &r->later, err);
    r->version = s->ident->twin.reported_version; /* its later runs on another thread, unlocked */
    return rc;
}

void sk_lh_twin_report(struct sk_mqtt_conn *c, struct sk_lh_session *s,
                       const struct sk_iot_topic *t, const struct sk_mqtt_message *m)
{
    const char *const labels[] = { "target", "edge_hub", "id", s->ident->key, NULL };
    struct sk_err err = SK_ERR_INIT;
    if (t->rid.len >= SK_LH_RID) {
        sk_mqtt_close(c, "a request id beyond 127 bytes");
        return;
    }
    struct report *r = calloc(1, sizeof *r);
    if (!r) {
        sk_mqtt_close(c, "out of memory");
        return;
    }
    r->post = (struct sk_mqtt_post){ .to = sk_mqtt_conn_ref(c), .run = finish_report };
    r->hub = s->hub;
    r->id = m->qos > 0 ? m->id : 0;
    r->rid_len = t->rid.len;
    memcpy(r->rid, t->rid.ptr, t->rid.len);
    sk_lh_count(s->hub, SK_LH_M_REPORTED, 1, labels);
    r->is_counted = s->reports < SK_LH_REPORTS_MAX;
    s->reports += r->is_counted;
    int rc = -1;
    if (!r->is_counted)
        (void)sk_fail(&err, SK_BUSY, "ThrottlingException: %d reports wait already",
                      SK_LH_REPORTS_MAX);
    else
        rc = take_report(s, m->payload, r, &err);
    if (rc == 0)
        return;
    r->err = err;
    finish_report(c, &r->post);
}

void sk_lh_twin_release(struct sk_lh_ident *id)
{
    struct sk_lh_twin *t = &id->twin;
    SK_AUTO(sk_buf_done) struct sk_buf diff = SK_BUF_INIT(TWIN_BYTES);
    SK_OWN(sk_json_free) struct sk_json *patch = NULL;
    struct sk_err err = SK_ERR_INIT;
    bool is_empty = true;
    if (!t->aside)
        return;
    if (sk_lh_twin_diff(t->aside_base, t->aside, &diff, &is_empty, &err) < 0 ||
        (!is_empty && (sk_json_parse(diff.data, diff.len, NULL, &patch, &err) < 0 ||
                       sk_lh_twin_patch(id, patch, false, NULL, &err) < 0)))
        sk_log(SK_WARN, "report_lost", "id=\"%s\" error=\"%s\"", id->key, err.text);
    sk_lh_twin_drop(id);
}

void sk_lh_twin_drop(struct sk_lh_ident *id)
{
    struct sk_lh_twin *t = &id->twin;
    if (!t->aside)
        return;
    replace(&t->aside, NULL);
    replace(&t->aside_base, NULL);
    sk_lh_files_twin(id->hub, id, NULL);
}

/* ---- desired ---- */

struct desired {
    struct sk_mqtt_post post;
    int64_t version;
    size_t len;
    char body[];
};

static void send_desired(struct sk_mqtt_conn *c, struct sk_mqtt_post *post)
{
    SK_OWN(free) struct desired *d = (struct desired *)post;
    const struct sk_lh_session *s = c ? sk_mqtt_user(c) : NULL;
    SK_AUTO(sk_buf_done) struct sk_buf topic = SK_BUF_INIT(TOPIC_MAX);
    if (!s || !s->is_accepted || (s->subs & SK_SUB_TWIN_DESIRED) == 0)
        return;
    sk_iot_topic_desired(&topic, d->version);
    sk_lh_send(c, &topic, (struct sk_view){ d->body, d->len });
}

void sk_lh_twin_desired(const struct sk_lh_ident *id, struct sk_buf *out)
{
    const char *text = id->twin.desired;
    const size_t len = strlen(text);
    sk_buf_add(out, text, len - 1);
    sk_buf_fmt(out, "%s\"$version\":%lld}", len > 2 ? "," : "",
               (long long)id->twin.desired_version);
}

static void tell_one(struct sk_lh_ident *id, struct sk_lh_instance *i, struct sk_view patch)
{
    if (!sk_lh_wants(i, SK_SUB_TWIN_DESIRED))
        return;
    struct desired *d = malloc(sizeof *d + patch.len);
    if (!d) { /* it gets its twin when it comes back */
        sk_lh_cut(id->hub, i->ref, "out of memory");
        return;
    }
    *d = (struct desired){ .post = { .to = i->ref, .run = send_desired },
                           .version = id->twin.desired_version,
                           .len = patch.len };
    memcpy(d->body, patch.ptr, patch.len);
    i->desired_seen = id->twin.desired_version;
    sk_mqtt_post(id->hub->mqtt, &d->post);
}

/* Whoever runs a command as the module sees its changes too: they take nothing from the module. */
void sk_lh_twin_tell_patch(struct sk_lh_ident *id, struct sk_view patch)
{
    struct sk_lh_instance *live = sk_lh_instance_live(id);
    tell_one(id, live, patch);
    for (size_t k = 0; k < SK_LH_INSTANCES; k++) {
        struct sk_lh_instance *i = &id->instances[k];
        if (i != live && i->is_there && i->role == SK_LH_EXEC && i->is_connected)
            tell_one(id, i, patch);
    }
}

void sk_lh_twin_tell(struct sk_lh_ident *id)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(TWIN_BYTES);
    const struct sk_lh_instance *i = sk_lh_instance_live(id);
    if (!i || i->desired_seen < 0 || i->desired_seen == id->twin.desired_version)
        return;
    sk_lh_twin_desired(id, &text);
    if (sk_buf_ok(&text))
        sk_lh_twin_tell_patch(id, (struct sk_view){ text.data, text.len });
}
