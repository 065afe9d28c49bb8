/*
 * client_session.c - what a server's packets mean to a line, and what a line sends.
 *
 * Packets are written where they are made, into `out` under the line's lock: a publish by the
 * thread that publishes, the rest by the dialer's. So a publish is copied once, and its packet id
 * is taken in the order of the bytes.
 *
 * Publishes without PUBACK are a ring, oldest first. A server acknowledges in order, as a rule, so
 * the search ends at once. Each is told exactly once: by its PUBACK, or when the connection is
 * forgotten (sk_line_reset), which empties the ring under the lock.
 *
 * What came with QoS 1 is acknowledged in the order in which it came (4.6.0-2); as many as
 * max_inflight wait for their puback, then the connection is not read.
 */
#include "mqtt/client_priv.h"

#include "base/thread.h"

#include <string.h>

static const char no_memory[] = "out of memory";

size_t sk_line_waiting(struct sk_mqtt_line *l)
{
    return l->out.len + l->sending;
}

bool sk_line_is_held(struct sk_mqtt_line *l)
{
    SK_LOCK(&l->lock);
    return l->inbound_count >= l->opts.max_inflight;
}

bool sk_line_is_full(struct sk_mqtt_line *l)
{
    SK_LOCK(&l->lock);
    return sk_line_waiting(l) > l->opts.max_out_bytes;
}

static void lose(struct sk_mqtt_line *l, const char *why)
{
    sk_line_lose(l, SK_MQTT_ACCEPTED, why);
}

static void lose_for(struct sk_mqtt_line *l, const char *what)
{
    struct sk_err err = SK_ERR_INIT;

    (void)sk_fail(&err, SK_REMOTE, "the server has sent %s", what);
    lose(l, err.text);
}

/* ---- ids; the lock is held ---- */

static struct sk_line_sent *sent_of(struct sk_mqtt_line *l, unsigned i)
{
    return &l->sent[(l->sent_at + i) % l->opts.max_inflight];
}

static struct sk_line_sent *find_sent(struct sk_mqtt_line *l, uint16_t id)
{
    for (unsigned i = 0; i < l->sent_count; i++)
        if (sent_of(l, i)->id == id)
            return sent_of(l, i);
    return NULL;
}

/* 2.3.1-2: one that is not in use. The ids in the ring are in the order in which they were given,
 * and so few (SK_CLIENT_INFLIGHT_MAX, and SUBSCRIBEs between them) that the next cannot have come
 * round to the oldest. */
static uint16_t make_id(struct sk_mqtt_line *l)
{
    do
        l->next_id++;
    while (l->next_id == 0 || l->next_id == l->sub_id);
    return l->next_id;
}

/* ---- what the line sends ---- */

static const char *take_password(struct sk_mqtt_line *l, char **password)
{
    SK_LOCK(&l->lock);
    *password = SK_TAKE(l->password);
    if (!*password)
        return NULL;
    if (!l->opts.username)
        return "a password needs a user name";
    return strlen(*password) <= UINT16_MAX ? NULL : "the password is too long for MQTT";
}

void sk_line_wipe(char *secret)
{
    if (!secret)
        return;
    explicit_bzero(secret, strlen(secret));
    free(secret);
}

void sk_line_greet(struct sk_mqtt_line *l)
{
    char *password = NULL;
    const char *why = take_password(l, &password);

    if (why) {
        sk_line_wipe(password);
        lose(l, why);
        return;
    }
    const struct sk_mqtt_connect c = {
        .client_id = sk_view_of(l->opts.client_id),
        .username = sk_view_of(l->opts.username ? l->opts.username : ""),
        .password = sk_view_of(password ? password : ""),
        .has_username = l->opts.username != NULL,
        .has_password = password != NULL,
        .is_clean = l->opts.is_clean,
        .keep_alive_s = l->opts.keep_alive_s,
    };
    bool is_written;
    {
        SK_LOCK(&l->lock);
        sk_mqtt_write_connect(&l->out, &c);
        is_written = sk_buf_ok(&l->out);
    }
    sk_line_wipe(password);
    if (is_written)
        l->state = SK_LINE_GREETING;
    else
        lose(l, no_memory);
}

/* True: one was written. */
static bool write_subs(struct sk_mqtt_line *l, bool *has_memory)
{
    SK_LOCK(&l->lock);
    size_t left = l->filters_count - l->filters_done;

    if (l->sub_id != 0 || left == 0)
        return false;
    l->sub_count = left < SK_CLIENT_SUB_FILTERS ? left : SK_CLIENT_SUB_FILTERS;
    uint16_t id = make_id(l);
    sk_mqtt_write_subscribe(&l->out, id, l->filters + l->filters_done, l->sub_count);
    l->sub_id = id;
    *has_memory = sk_buf_ok(&l->out);
    return true;
}

static void come_up(struct sk_mqtt_line *l)
{
    const struct sk_mqtt_line_handler *h = l->opts.handler;

    l->state = SK_LINE_UP;
    l->up_ms = l->heard_ms = l->sent_ms = l->dialer->now_ms;
    {
        SK_LOCK(&l->lock);
        l->is_open = true;
    }
    atomic_store(&l->is_up, true);
    if (h->up)
        h->up(l, l->session_present, l->opts.ctx);
}

void sk_line_send_subs(struct sk_mqtt_line *l)
{
    bool has_memory = true;

    if (l->state != SK_LINE_SUBSCRIBING && l->state != SK_LINE_UP)
        return;
    bool was_written = write_subs(l, &has_memory);
    if (!has_memory)
        lose(l, no_memory);
    else if (!was_written && l->state == SK_LINE_SUBSCRIBING && l->sub_id == 0)
        come_up(l);
}

void sk_line_ping(struct sk_mqtt_line *l)
{
    SK_LOCK(&l->lock);
    if (sk_line_waiting(l) == 0) /* else that is the sign of life */
        sk_mqtt_write_pingreq(&l->out);
    l->is_pinged = true;
}

/* ---- what the server sends ---- */

static const char *refusal_text(enum sk_mqtt_connack code)
{
    static const char *const texts[] = {
        [SK_MQTT_BAD_PROTOCOL] = "the server refuses this version of MQTT (CONNACK 1)",
        [SK_MQTT_BAD_CLIENT_ID] = "the server refuses the client id (CONNACK 2)",
        [SK_MQTT_UNAVAILABLE] = "the server is not available (CONNACK 3)",
        [SK_MQTT_BAD_CREDENTIALS] = "the server refuses user name or password (CONNACK 4)",
        [SK_MQTT_NOT_AUTHORIZED] = "the server refuses the login: not authorized (CONNACK 5)",
    };
    return texts[code];
}

static void on_connack(struct sk_mqtt_line *l, const struct sk_mqtt_packet *p)
{
    enum sk_mqtt_connack code;
    bool session_present;
    const char *why = sk_mqtt_parse_connack(p, &code, &session_present);

    if (why) {
        lose_for(l, why);
    } else if (l->state != SK_LINE_GREETING) {
        lose_for(l, "a second CONNACK");
    } else if (code != SK_MQTT_ACCEPTED) {
        sk_line_lose(l, code, refusal_text(code));
    } else {
        l->session_present = session_present;
        l->state = SK_LINE_SUBSCRIBING;
        l->by_ms = l->dialer->now_ms + l->opts.connect_ms;
        l->filters_done = l->sub_count = 0;
        sk_line_send_subs(l);
    }
}

/* The filter that was refused is copied into err: -1. */
static int end_subs(struct sk_mqtt_line *l, uint16_t id, struct sk_view codes, struct sk_err *err)
{
    SK_LOCK(&l->lock);

    if (id != l->sub_id || codes.len != l->sub_count)
        return sk_fail(err, SK_REMOTE, "the server has sent a SUBACK that nobody waits for");
    for (size_t i = 0; i < codes.len; i++)
        if ((unsigned char)codes.ptr[i] == SK_MQTT_SUB_FAILED)
            return sk_fail(err, SK_REMOTE, "the server refuses the subscription to '%s'",
                           l->filters[l->filters_done + i]);
    l->filters_done += l->sub_count;
    l->sub_id = 0;
    return 0;
}

static void on_suback(struct sk_mqtt_line *l, const struct sk_mqtt_packet *p)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_view codes;
    uint16_t id;
    const char *why = sk_mqtt_parse_suback(p, &id, &codes);

    if (why)
        lose_for(l, why);
    else if (end_subs(l, id, codes, &err) < 0)
        lose(l, err.text);
    else
        sk_line_send_subs(l);
}

/* -1: no memory. 1: it is not to be given, since the first of this id is still waiting. */
static int note_inbound(struct sk_mqtt_line *l, uint16_t id)
{
    SK_LOCK(&l->lock);
    bool is_known = false, is_acked = false;

    if (!l->inbound)
        l->inbound = malloc(l->opts.max_inflight * sizeof *l->inbound);
    if (!l->inbound)
        return -1;
    for (unsigned i = 0; i < l->inbound_count; i++)
        if (l->inbound[i].id == id) {
            is_known = true;
            is_acked = l->inbound[i].is_acked;
        }
    l->inbound[l->inbound_count++] = (struct sk_mqtt_inbound){ id, is_acked };
    return is_known;
}

static void on_publish(struct sk_mqtt_line *l, const struct sk_mqtt_packet *p)
{
    const struct sk_mqtt_line_handler *h = l->opts.handler;
    struct sk_mqtt_message m;
    const char *why = sk_mqtt_parse_publish(p, &m);

    if (why) {
        lose_for(l, why);
        return;
    }
    int rc = m.qos > 0 ? note_inbound(l, m.id) : 0;
    if (rc < 0)
        lose(l, no_memory);
    else if (rc == 0 && h->message)
        h->message(l, &m, l->opts.ctx);
    else if (rc == 0 && m.qos > 0)
        sk_mqtt_line_puback(l, m.id);
}

/* The lock is held. What is done with at the front leaves the ring. */
static void shift_sent(struct sk_mqtt_line *l)
{
    while (l->sent_count > 0 && sent_of(l, 0)->is_acked) {
        l->sent_at = (l->sent_at + 1) % l->opts.max_inflight;
        l->sent_count--;
    }
    if (l->sent_count > 0)
        return;
    free(l->sent);
    l->sent = NULL;
    l->sent_at = 0;
}

static bool take_sent(struct sk_mqtt_line *l, uint16_t id, uint64_t *token)
{
    SK_LOCK(&l->lock);
    struct sk_line_sent *s = find_sent(l, id);

    if (!s || s->is_acked)
        return false;
    *token = s->token;
    s->is_acked = true;
    l->unacked--;
    shift_sent(l);
    return true;
}

static void on_puback(struct sk_mqtt_line *l, const struct sk_mqtt_packet *p)
{
    const struct sk_mqtt_line_handler *h = l->opts.handler;
    uint64_t token;
    uint16_t id;
    const char *why = sk_mqtt_parse_id(p, &id);

    if (why)
        lose_for(l, why);
    else if (take_sent(l, id, &token) && h->acked)
        h->acked(l, token, true, l->opts.ctx);
}

void sk_line_packet(struct sk_mqtt_line *l, const struct sk_mqtt_packet *p)
{
    const char *why;

    if (l->state < SK_LINE_GREETING ||
        (l->state == SK_LINE_GREETING && p->type != SK_PACKET_CONNACK)) {
        lose_for(l, "something else before CONNACK"); /* 3.2.0-1 */
        return;
    }
    switch (p->type) {
    case SK_PACKET_CONNACK:
        on_connack(l, p);
        break;
    case SK_PACKET_PUBLISH:
        on_publish(l, p);
        break;
    case SK_PACKET_PUBACK:
        on_puback(l, p);
        break;
    case SK_PACKET_SUBACK:
        on_suback(l, p);
        break;
    case SK_PACKET_PINGRESP:
        why = sk_mqtt_parse_empty(p);
        if (why)
            lose_for(l, why);
        break;
    default:
        lose_for(l, "an UNSUBACK that nobody waits for");
    }
}

/* ---- the end of a connection ---- */

void sk_line_reset(struct sk_mqtt_line *l)
{
    const struct sk_mqtt_line_handler *h = l->opts.handler;
    struct sk_line_sent *sent;
    unsigned at, count;

    atomic_store(&l->is_up, false);
    l->renew_by_ms = 0;
    l->is_pinged = false;
    {
        SK_LOCK(&l->lock);
        l->is_open = l->is_renewing = l->is_asking = l->has_login = l->is_busy = false;
        sk_line_wipe(SK_TAKE(l->password));
        free(SK_TAKE(l->no_login));
        sk_buf_done(&l->out);
        l->out = (struct sk_buf)SK_BUF_INIT(SIZE_MAX);
        l->sending = 0;
        free(SK_TAKE(l->inbound));
        l->inbound_count = 0;
        l->sub_id = 0;
        sent = SK_TAKE(l->sent);
        at = l->sent_at;
        count = l->sent_count;
        l->sent_at = l->sent_count = l->unacked = 0;
    }
    for (unsigned i = 0; i < count; i++) {
        const struct sk_line_sent *s = &sent[(at + i) % l->opts.max_inflight];
        if (!s->is_acked && h->acked)
            h->acked(l, s->token, false, l->opts.ctx);
    }
    free(sent);
}

/* ---- from any thread ---- */

static int check_room(struct sk_mqtt_line *l, size_t size, unsigned qos, struct sk_err *err)
{
    const struct sk_mqtt_line_options *o = &l->opts;
    size_t waiting = sk_line_waiting(l);

    if (!l->is_open)
        return sk_fail(err, SK_CANCELLED, "the line to %s is not up", o->host);
    bool is_full = waiting > 0 && (waiting > o->max_out_bytes || size > o->max_out_bytes - waiting);
    bool is_behind = qos > 0 && l->sent_count >= o->max_inflight;
    if (!is_full && !is_behind && !l->is_renewing)
        return 0;
    l->is_busy = true;
    if (l->is_renewing)
        return sk_fail(err, SK_BUSY, "the line to %s logs in anew", o->host);
    if (is_behind)
        return sk_fail(err, SK_BUSY, "%u messages are not acknowledged", l->sent_count);
    return sk_fail(err, SK_BUSY, "%s has %zu bytes to take", o->host, waiting);
}

static int queue_publish(struct sk_mqtt_line *l, struct sk_view topic, struct sk_view payload,
                         unsigned qos, uint64_t token, struct sk_err *err)
{
    SK_LOCK(&l->lock);
    size_t size = sk_mqtt_publish_size(topic.len, payload.len, qos);
    uint16_t id = 0;

    if (size == 0)
        return sk_fail(err, SK_LIMIT, "the message is larger than MQTT allows");
    if (check_room(l, size, qos, err) < 0)
        return -1;
    if (qos > 0 && !l->sent)
        l->sent = malloc(l->opts.max_inflight * sizeof *l->sent);
    if ((qos > 0 && !l->sent) || !sk_buf_reserve(&l->out, size)) {
        if (l->sent_count == 0)
            free(SK_TAKE(l->sent));
        l->out.failed = SK_OK; /* nothing was added: what it holds is whole */
        return sk_nomem(err);
    }
    if (qos > 0) {
        id = make_id(l);
        *sent_of(l, l->sent_count++) = (struct sk_line_sent){ .token = token, .id = id };
        l->unacked++;
    }
    sk_mqtt_write_publish(&l->out, topic, payload, qos > 0, id);
    return 0;
}

int sk_mqtt_line_publish(struct sk_mqtt_line *l, struct sk_view topic, struct sk_view payload,
                         unsigned qos, uint64_t token, struct sk_err *err)
{
    if (!sk_mqtt_is_topic(topic))
        return sk_fail(err, SK_INVALID, "'%.*s' is no topic to publish to",
                       (int)(topic.len < 100 ? topic.len : 100), topic.ptr);
    if (queue_publish(l, topic, payload, qos, token, err) < 0)
        return -1;
    sk_dialer_post(l);
    return 0;
}

static bool ack_inbound(struct sk_mqtt_line *l, uint16_t id)
{
    SK_LOCK(&l->lock);
    unsigned n = 0;

    for (unsigned i = 0; i < l->inbound_count; i++)
        if (l->inbound[i].id == id)
            l->inbound[i].is_acked = true;
    for (; n < l->inbound_count && l->inbound[n].is_acked; n++)
        sk_mqtt_write_ack(&l->out, SK_PACKET_PUBACK, l->inbound[n].id);
    if (n == 0)
        return false;
    l->inbound_count -= n;
    memmove(l->inbound, l->inbound + n, l->inbound_count * sizeof *l->inbound);
    if (l->inbound_count == 0)
        free(SK_TAKE(l->inbound));
    return true;
}

void sk_mqtt_line_puback(struct sk_mqtt_line *l, uint16_t id)
{
    if (ack_inbound(l, id))
        sk_dialer_post(l);
}

/* 1: it is there already. */
static int add_filter(struct sk_mqtt_line *l, const char *filter, struct sk_err *err)
{
    SK_LOCK(&l->lock);

    for (size_t i = 0; i < l->filters_count; i++)
        if (strcmp(l->filters[i], filter) == 0)
            return 1;
    if (l->filters_count == SK_CLIENT_FILTERS)
        return sk_fail(err, SK_LIMIT, "more than %d filters", SK_CLIENT_FILTERS);
    char **filters = reallocarray(l->filters, l->filters_count + 1, sizeof *filters);
    if (!filters)
        return sk_nomem(err);
    l->filters = filters;
    filters[l->filters_count] = strdup(filter);
    if (!filters[l->filters_count])
        return sk_nomem(err);
    l->filters_count++;
    return 0;
}

int sk_mqtt_line_subscribe(struct sk_mqtt_line *l, const char *filter, struct sk_err *err)
{
    if (!sk_mqtt_is_filter(sk_view_of(filter)))
        return sk_fail(err, SK_INVALID, "'%s' is no filter to subscribe to", filter);
    int rc = add_filter(l, filter, err);
    if (rc == 0)
        sk_dialer_post(l);
    return rc < 0 ? -1 : 0;
}

bool sk_mqtt_line_is_up(const struct sk_mqtt_line *l)
{
    return atomic_load(&l->is_up);
}
