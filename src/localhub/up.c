/*
 * up.c - messages to the cloud, each over the line of the identity that sent it.
 *
 * The reader gives them in order of priority, and of their coming. One line may have SK_LH_WINDOW
 * of them on the way, all together SK_LH_FLIGHTS, and as many bytes as the way carries (pace.c);
 * PUBACK marks one as delivered. Order holds for each identity, since its line is one connection.
 *
 * A line that is lost loses what is on the way: those messages are read again, from the first that
 * was not delivered, when it is up again (needs_rewind). Meanwhile the others go on: what belongs
 * to a line that stays away is passed over. Only a line that has just gone is waited for
 * (SK_LH_HOLD_MS), so that an uplink that comes back does not make us read the whole spool twice.
 * When no line is up, nothing is read at all.
 */
#include "localhub/localhub_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

enum {
    SHORTLY_MS = 20,
    RETRY_MS = 1000
};

enum next {
    NEXT_SENT,
    NEXT_WAIT, /* a window is full, or a line is waited for */
    NEXT_NONE
};

static struct sk_lh_flight *find_flight(struct sk_lh_pump *p, uint64_t token)
{
    for (size_t i = 0; i < SK_LH_FLIGHTS; i++) { /* nearly always the first: see free_place */
        struct sk_lh_flight *f = &p->flights[(token + i) % SK_LH_FLIGHTS];
        if (f->ident && f->token == token)
            return f;
    }
    return NULL;
}

static bool is_on_its_way(const struct sk_lh_pump *p, const struct sk_spool_item *item)
{
    for (size_t i = 0; i < SK_LH_FLIGHTS; i++)
        if (p->flights[i].ident && p->flights[i].seq == item->seq &&
            p->flights[i].priority == item->priority)
            return true;
    return false;
}

static struct sk_lh_flight *free_place(struct sk_lh_pump *p)
{
    for (size_t i = 0; p->in_flight < SK_LH_FLIGHTS && i < SK_LH_FLIGHTS; i++) {
        struct sk_lh_flight *f = &p->flights[(p->next_token + i) % SK_LH_FLIGHTS];
        if (!f->ident)
            return f;
    }
    return NULL;
}

void sk_lh_up_ack(struct sk_lh *h, const struct sk_lh_ack *ack)
{
    struct sk_lh_pump *p = &h->pump;
    struct sk_lh_flight *f = find_flight(p, ack->token);
    if (!f)
        return;
    struct sk_lh_ident *id = f->ident;
    const char *const labels[] = {
        "from",    id->key,          "to", "upstream", "from_route_output",
        f->output, "to_route_input", "",   NULL
    };
    f->ident = NULL;
    p->in_flight--;
    p->bytes_in_flight -= f->bytes;
    if (ack->is_acked) {
        const uint64_t took_ns = ack->at_ns - f->sent_ns;
        sk_lh_pace_acked(&p->pace, f->bytes, f->ahead, took_ns);
        sk_spool_delivered(p->up, f->priority, f->seq);
        sk_lh_count(h, SK_LH_M_SENT, 1, labels);
        sk_lh_count(h, SK_LH_M_SEND_S, (double)took_ns / 1e9, labels);
    }
    SK_LOCK(&h->lock);
    id->up_in_flight--;
    if (!ack->is_acked)
        id->needs_rewind = true;
}

/* ---- reading ---- */

/* With the lock held: somebody's messages were passed over or lost, and can go now. */
static bool wants_rewind(struct sk_lh *h)
{
    bool is_any = false;
    for (const struct sk_lh_ident *id = h->idents; id && !is_any; id = id->next)
        is_any = id->needs_rewind && (id->is_up || sk_lh_ident_is_gone(id));
    if (!is_any)
        return false;
    for (struct sk_lh_ident *id = h->idents; id; id = id->next)
        id->needs_rewind = false; /* found again, by those that are passed over again */
    return true;
}

static bool is_any_up(const struct sk_lh *h)
{
    for (const struct sk_lh_ident *id = h->idents; id; id = id->next)
        if (id->is_up)
            return true;
    return false;
}

/* The next message into p->item. */
static bool read_item(struct sk_lh *h)
{
    struct sk_lh_pump *p = &h->pump;
    struct sk_err err = SK_ERR_INIT;
    while (!p->has_item && p->up_has_more) {
        const int rc = sk_spool_next(p->up, (int64_t)sk_wall_ms(), &p->item, &err);
        if (rc <= 0) {
            p->up_has_more = rc < 0;
            if (rc < 0) {
                sk_log(SK_WARN, "spool_not_read", "error=\"%s\" next=\"again in a second\"",
                       err.text);
                p->up_retry_at_ms = sk_now_ms() + RETRY_MS;
            }
            return false;
        }
        uint64_t *seen = &p->seen[p->item.priority];
        if (p->item.seq <= *seen && is_on_its_way(p, &p->item))
            continue;
        *seen = p->item.seq > *seen ? p->item.seq : *seen;
        p->has_item = true;
    }
    return p->has_item;
}

/* "device/module/output": the key of whose it is. */
static struct sk_view owner_of(struct sk_view key)
{
    size_t slashes = 0, end = 0;
    while (end < key.len && (key.ptr[end] != '/' || ++slashes < 2))
        end++;
    if (end > 0 && key.ptr[end - 1] == '/')
        end--; /* a device: "device//" */
    return (struct sk_view){ key.ptr, end };
}

static struct sk_lh_ident *owner(struct sk_lh *h, struct sk_view key)
{
    char name[SK_IOT_KEY_MAX];
    const struct sk_view v = owner_of(key);
    struct sk_lh_ident *id = sk_lh_ident_by_key(h, v);
    if (id || v.len == 0 || v.len >= sizeof name)
        return id;
    /* Of before, and not listed any more. */
    memcpy(name, v.ptr, v.len);
    name[v.len] = '\0';
    char *slash = strchr(name, '/');
    if (slash)
        *slash++ = '\0';
    return sk_lh_ident_get(h, name, slash ? slash : "");
}

static void write_topic(const struct sk_lh_ident *id, struct sk_view bag, struct sk_buf *out)
{
    sk_buf_fmt(out, "devices/%s", id->device);
    if (*id->module)
        sk_buf_fmt(out, "/modules/%s", id->module);
    sk_buf_str(out, "/messages/events/");
    sk_buf_add(out, bag.ptr, bag.len);
}

/* ---- sending ---- */

static void drop(struct sk_lh *h, const char *why)
{
    struct sk_lh_pump *p = &h->pump;
    sk_log(SK_ERROR, "message_dropped", "key=\"%.*s\" seq=%llu why=\"%s\"",
           (int)(p->item.key.len < 200 ? p->item.key.len : 200), p->item.key.ptr,
           (unsigned long long)p->item.seq, why);
    sk_spool_delivered(p->up, p->item.priority, p->item.seq);
    p->has_item = false;
}

/* Its line is away: wait for it, or pass the message over. */
static enum next pass_over(struct sk_lh *h, struct sk_lh_ident *id, uint64_t now_ms)
{
    if (!id->line && (!id->is_used || now_ms > id->left_ms + SK_LH_LEASE_MS)) {
        id->is_used = true;
        id->left_ms = now_ms;
        atomic_store(&h->lines_are_due, true);
        sk_lh_wake(h);
    }
    if (id->held_since_ms == 0)
        id->held_since_ms = now_ms;
    const bool may_come = id->kind != SK_LH_MODULE || !id->is_listed || id->is_registered;
    if (may_come && !id->needs_rewind && now_ms < id->held_since_ms + SK_LH_HOLD_MS)
        return NEXT_WAIT;
    id->needs_rewind = true;
    h->pump.has_item = false;
    return NEXT_SENT;
}

static int publish(struct sk_lh *h, struct sk_lh_ident *id, struct sk_lh_flight *f,
                   struct sk_err *err)
{
    struct sk_lh_pump *p = &h->pump;
    SK_AUTO(sk_buf_done) struct sk_buf topic = SK_BUF_INIT(UINT16_MAX);
    write_topic(id, p->item.bag, &topic);
    if (topic.failed == SK_LIMIT)
        return sk_fail(err, SK_LIMIT, "its topic is too long for MQTT");
    if (!sk_buf_ok(&topic))
        return sk_buf_fail(&topic, err);
    const uint64_t token = p->next_token, now_ns = sk_now_ns(); /* PUBACK may come before the next
                                                                   line */
    if (sk_mqtt_line_publish(id->line, (struct sk_view){ topic.data, topic.len }, p->item.body, 1,
                             token, err) < 0)
        return -1;
    p->next_token++;
    *f = (struct sk_lh_flight){ .ident = id,
                                .token = token,
                                .seq = p->item.seq,
                                .sent_ns = now_ns,
                                .priority = p->item.priority,
                                .bytes = topic.len + p->item.body.len };
    sk_lh_output_of(p->item.key, f->output, sizeof f->output);
    p->in_flight++;
    p->bytes_in_flight += f->bytes;
    f->ahead = p->bytes_in_flight;
    id->up_in_flight++;
    p->has_item = false;
    return 0;
}

/* With the lock held. */
static enum next send_item(struct sk_lh *h, uint64_t now_ms)
{
    struct sk_lh_pump *p = &h->pump;
    struct sk_err err = SK_ERR_INIT;
    struct sk_lh_ident *id = owner(h, p->item.key);
    struct sk_lh_flight *f = free_place(p);
    if (!id) {
        drop(h, "nobody can be told from its key");
        return NEXT_SENT;
    }
    if (sk_lh_ident_is_gone(id)) {
        drop(h, "its module was removed, and the hub does not know it any more");
        return NEXT_SENT;
    }
    if (!id->is_up || !id->line || id->needs_rewind)
        return pass_over(h, id, now_ms);
    if (!f || id->up_in_flight >= SK_LH_WINDOW ||
        !sk_lh_pace_allows(&p->pace, p->bytes_in_flight, p->item.body.len))
        return NEXT_WAIT;
    if (publish(h, id, f, &err) == 0)
        return NEXT_SENT;
    if (err.code == SK_LIMIT || err.code == SK_TOO_LARGE || err.code == SK_INVALID) {
        drop(h, err.text);
        return NEXT_SENT;
    }
    return NEXT_WAIT; /* full, or just lost */
}

uint64_t sk_lh_up_round(struct sk_lh *h, uint64_t now_ms)
{
    struct sk_lh_pump *p = &h->pump;
    enum next next = NEXT_SENT;
    bool is_rewound = false;
    if (now_ms < p->up_retry_at_ms)
        return p->up_retry_at_ms;
    p->pace.is_short = false;
    {
        SK_LOCK(&h->lock);
        if (!is_any_up(h))
            return UINT64_MAX;
        is_rewound = wants_rewind(h);
    }
    if (is_rewound) {
        sk_spool_rewind(p->up);
        p->has_item = false;
        p->up_has_more = true;
    }
    while (next == NEXT_SENT) {
        if (!read_item(h))
            return p->up_has_more ? p->up_retry_at_ms : UINT64_MAX;
        SK_LOCK(&h->lock);
        next = send_item(h, now_ms);
    }
    return now_ms + SHORTLY_MS;
}
