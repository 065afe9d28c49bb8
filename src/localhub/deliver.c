/*
 * deliver.c - messages to inputs of modules.
 *
 * Each input has a reader of its own. Its messages go to the active instance while that is
 * connected and subscribed to inputs, SK_LH_INPUT_WINDOW at once; PUBACK marks one as delivered.
 * When the connection ends, or another instance becomes the active one, those without PUBACK are
 * read again, in order. A client that does not take what it is sent is cut, so nothing overtakes
 * what it refused.
 */
#include "localhub/localhub_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

enum {
    OF_INSTANCE = 30,      /* on the way to one connection, of all its inputs: mqtt has 32 */
    BYTES_MAX = 768 << 10, /* of one input; a larger message goes alone */
    RETRY_MS = 1000
};

static bool is_same(struct sk_mqtt_ref a, struct sk_mqtt_ref b)
{
    return a.loop == b.loop && a.slot == b.slot && a.serial == b.serial;
}

/* ---- those on the way ---- */

struct sk_lh_flight *sk_lh_flight_add(struct sk_lh_input *in, const struct sk_spool_item *item,
                                      struct sk_lh_ident *id, uint64_t token)
{
    for (size_t i = 0; i < SK_LH_INPUT_WINDOW; i++) {
        struct sk_lh_flight *f = &in->flights[i];
        if (f->ident)
            continue;
        *f = (struct sk_lh_flight){ .ident = id,
                                    .token = token,
                                    .seq = item->seq,
                                    .sent_ns = sk_now_ns(),
                                    .priority = item->priority,
                                    .bytes = item->body.len };
        sk_lh_output_of(item->key, f->output, sizeof f->output);
        in->in_flight++;
        in->bytes_in_flight += f->bytes;
        return f;
    }
    return NULL;
}

void sk_lh_flights_forget(struct sk_lh_input *in)
{
    memset(in->flights, 0, sizeof in->flights);
    in->in_flight = 0;
    in->bytes_in_flight = 0;
    if (in->reader)
        sk_spool_rewind(in->reader);
    in->has_more = true;
}

static void count_sent(struct sk_lh *h, const struct sk_lh_input *in, const struct sk_lh_flight *f)
{
    const char *const labels[] = { "from",           f->ident->key,       "to",
                                   in->module,       "from_route_output", f->output,
                                   "to_route_input", in->input,           NULL };
    sk_lh_count(h, SK_LH_M_SENT, 1, labels);
    sk_lh_count(h, SK_LH_M_SEND_S, (double)(sk_now_ns() - f->sent_ns) / 1e9, labels);
}

bool sk_lh_deliver_ack(struct sk_lh *h, struct sk_lh_input *in, const struct sk_lh_ack *ack)
{
    for (size_t i = 0; i < SK_LH_INPUT_WINDOW; i++) {
        struct sk_lh_flight *f = &in->flights[i];
        if (!f->ident || f->token != ack->token)
            continue;
        if (!ack->is_acked) { /* and with it all behind it */
            sk_lh_flights_forget(in);
            in->retry_at_ms = sk_now_ms() + (in->input ? 0 : RETRY_MS);
            return true;
        }
        sk_spool_delivered(in->reader, f->priority, f->seq);
        if (in->input)
            count_sent(h, in, f);
        f->ident = NULL;
        in->in_flight--;
        in->bytes_in_flight -= f->bytes;
        return true;
    }
    return false;
}

/* ---- on the connection's loop ---- */

struct sending {
    struct sk_mqtt_post post;
    struct sk_lh *hub;
    uint64_t token;
    size_t topic_len, payload_len;
    char bytes[]; /* topic, payload */
};

static void tell(struct sk_lh *h, uint64_t token, bool is_acked)
{
    const struct sk_lh_ack ack = { .token = token, .is_acked = is_acked };
    sk_lh_pump_ack(h, &ack);
}

static void send_it(struct sk_mqtt_conn *c, struct sk_mqtt_post *post)
{
    SK_OWN(free) struct sending *m = (struct sending *)post;
    const struct sk_lh_session *s = c ? sk_mqtt_user(c) : NULL;
    const struct sk_view topic = { m->bytes, m->topic_len };
    const struct sk_view payload = { m->bytes + m->topic_len, m->payload_len };
    struct sk_err err = SK_ERR_INIT;
    if (!s || !s->is_accepted || (s->subs & SK_SUB_INPUTS) == 0) {
        tell(m->hub, m->token, false);
        return;
    }
    const bool is_once = (s->subs & SK_SUB_INPUTS << SK_LH_AT_MOST_ONCE_SHIFT) != 0;
    if (sk_mqtt_publish(c, topic, payload, is_once ? 0 : 1, m->token, &err) == 0) {
        if (is_once)
            tell(m->hub, m->token, true);
        return;
    }
    if (err.code == SK_LIMIT) {
        sk_log(SK_ERROR, "message_dropped", "to=\"%s\" why=\"%s\"", s->ident->key, err.text);
        tell(m->hub, m->token, true);
        return;
    }
    tell(m->hub, m->token, false);
    sk_mqtt_close(c, "it does not take what it is sent");
}

void sk_lh_deliver_acked(struct sk_mqtt_conn *c, uint64_t token, void *ctx)
{
    struct sk_lh_session *s = sk_mqtt_user(c);
    if (token & SK_LH_TOKEN_CLOUD)
        sk_lh_line_taken(s->ident, token);
    else
        tell(ctx, token, true);
}

/* ---- rounds ---- */

/* "device/module/output" into its parts. */
static void split_key(struct sk_view key, char device[SK_IOT_ID_MAX + 1],
                      char module[SK_IOT_ID_MAX + 1])
{
    const char *end = key.ptr + key.len;
    const char *first = memchr(key.ptr, '/', key.len);
    const char *second = first ? memchr(first + 1, '/', (size_t)(end - first - 1)) : NULL;
    *device = *module = '\0';
    if (!first || !second)
        return;
    (void)snprintf(device, SK_IOT_ID_MAX + 1, "%.*s", (int)(first - key.ptr), key.ptr);
    (void)snprintf(module, SK_IOT_ID_MAX + 1, "%.*s", (int)(second - first - 1), first + 1);
}

static void write_topic(const struct sk_lh *h, const struct sk_lh_input *in,
                        const struct sk_spool_item *item, struct sk_buf *out)
{
    char device[SK_IOT_ID_MAX + 1], module[SK_IOT_ID_MAX + 1];
    bool is_first = item->bag.len == 0;
    split_key(item->key, device, module);
    sk_iot_topic_input(out, h->config.device, in->module, in->input);
    sk_buf_add(out, item->bag.ptr, item->bag.len);
    if (*device)
        sk_iot_bag_add(out, &is_first, "$.cdid", device);
    if (*module)
        sk_iot_bag_add(out, &is_first, "$.cmid", module);
}

/* With the lock held. False: no memory, or a topic that is too long for MQTT: then it is dropped.
 */
static bool send_item(struct sk_lh *h, struct sk_lh_input *in, struct sk_lh_ident *id,
                      struct sk_lh_instance *to, const struct sk_spool_item *item)
{
    SK_AUTO(sk_buf_done) struct sk_buf topic = SK_BUF_INIT(UINT16_MAX);
    write_topic(h, in, item, &topic);
    if (topic.failed == SK_LIMIT) {
        sk_log(SK_ERROR, "message_dropped", "to=\"%s\" why=\"its topic is too long for MQTT\"",
               in->endpoint);
        sk_spool_delivered(in->reader, item->priority, item->seq);
        return true;
    }
    struct sending *m = sk_buf_ok(&topic) ? malloc(sizeof *m + topic.len + item->body.len) : NULL;
    if (!m)
        return false;
    *m = (struct sending){ .post = { .to = to->ref, .run = send_it },
                           .hub = h,
                           .token = SK_LH_TOKEN_INPUT | h->pump.next_token++,
                           .topic_len = topic.len,
                           .payload_len = item->body.len };
    memcpy(m->bytes, topic.data, topic.len);
    if (item->body.len > 0)
        memcpy(m->bytes + topic.len, item->body.ptr, item->body.len);
    (void)sk_lh_flight_add(in, item, id, m->token);
    sk_mqtt_post(h->mqtt, &m->post);
    return true;
}

/* Who takes messages of this input now; what was on the way to another goes back. */
static struct sk_lh_instance *find_taker(struct sk_lh *h, struct sk_lh_input *in,
                                         struct sk_lh_ident **id)
{
    *id = sk_lh_ident_find(h, h->config.device, in->module);
    struct sk_lh_instance *to = *id ? sk_lh_instance_live(*id) : NULL;
    if (!sk_lh_wants(to, SK_SUB_INPUTS))
        to = NULL;
    if (in->in_flight > 0 && (!to || !is_same(to->ref, in->to)))
        sk_lh_flights_forget(in);
    return to;
}

/* A route that is no more, of a module that is no more: nobody will ever take this. */
static bool is_orphan(struct sk_lh *h, const struct sk_lh_input *in)
{
    const struct sk_lh_ident *id = sk_lh_ident_find(h, h->config.device, in->module);
    if (!h->routes || (id && id->is_listed))
        return false;
    for (size_t i = 0; i < h->routes->count; i++)
        if (strcmp(h->routes->items[i].endpoint, in->endpoint) == 0)
            return false;
    return true;
}

static bool open_reader(struct sk_lh *h, struct sk_lh_input *in)
{
    struct sk_err err = SK_ERR_INIT;
    if (in->reader || sk_spool_reader(h->spool, in->endpoint, &in->reader, &err) == 0)
        return true;
    sk_log(SK_WARN, "spool_not_read", "endpoint=\"%s\" error=\"%s\"", in->endpoint, err.text);
    return false;
}

static void drop_orphan(struct sk_lh *h, struct sk_lh_input *in)
{
    struct sk_err err = SK_ERR_INIT;
    sk_spool_reader_free(SK_TAKE(in->reader));
    if (sk_spool_drop(h->spool, in->endpoint, &err) < 0)
        sk_log(SK_WARN, "spool_not_dropped", "endpoint=\"%s\" error=\"%s\"", in->endpoint,
               err.text);
    else
        sk_log(SK_INFO, "endpoint_dropped", "endpoint=\"%s\" why=\"no route, no module\"",
               in->endpoint);
    in->has_more = false;
}

/* To one connection, of all its inputs. */
static unsigned on_the_way(const struct sk_lh *h, struct sk_mqtt_ref to)
{
    unsigned count = 0;
    for (const struct sk_lh_input *in = h->pump.turn; in; in = in->next)
        count += in->input && is_same(in->to, to) ? in->in_flight : 0;
    return count;
}

uint64_t sk_lh_deliver_round(struct sk_lh *h, struct sk_lh_input *in, uint64_t now_ms)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_lh_ident *id = NULL;
    if (now_ms < in->retry_at_ms)
        return in->retry_at_ms;
    SK_LOCK(&h->lock);
    struct sk_lh_instance *to = find_taker(h, in, &id);
    if (!to && in->has_more && is_orphan(h, in))
        drop_orphan(h, in);
    if (!to || !in->has_more)
        return UINT64_MAX;
    if (!open_reader(h, in)) {
        in->retry_at_ms = now_ms + RETRY_MS;
        return in->retry_at_ms;
    }
    in->to = to->ref;
    while (in->in_flight < SK_LH_INPUT_WINDOW && on_the_way(h, to->ref) < OF_INSTANCE &&
           in->bytes_in_flight < BYTES_MAX) {
        struct sk_spool_item item;
        in->has_more = false; /* before the look: what comes after it says so again */
        const int rc = sk_spool_next(in->reader, (int64_t)sk_wall_ms(), &item, &err);
        if (rc == 0)
            return UINT64_MAX;
        in->has_more = true;
        if (rc < 0 || !send_item(h, in, id, to, &item)) {
            in->retry_at_ms = now_ms + RETRY_MS;
            sk_lh_flights_forget(in);
            return in->retry_at_ms;
        }
    }
    return UINT64_MAX;
}
