/*
 * device.c - what a device says: messages, twin calls, answers to methods; and its ledger.
 *
 * Messages are numbered from 1 and acknowledged in order, so "acked" says of every number whether
 * the hub has taken it over. What was sent and not acknowledged is sent again, marked as such, on
 * the next connection.
 */
#include "client.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>

enum {
    BODY_MAX = 256 << 10,
    TOPIC_MAX = 512,
    LEDGER_MAX = 64 << 20,
    IN_FLIGHT = 20 /* as paho */
};

/* ---- messages ---- */

static struct message *message_at(struct client *c, unsigned i)
{
    return &c->queue[(c->first + i) % c->cap];
}

static bool grow(struct client *c)
{
    unsigned cap = c->cap > 0 ? 2 * c->cap : 4;
    struct message *queue = calloc(cap, sizeof *queue);
    if (!queue)
        return false;
    for (unsigned i = 0; i < c->queued; i++)
        queue[i] = *message_at(c, i);
    free(c->queue);
    c->queue = queue;
    c->first = 0;
    c->cap = cap;
    return true;
}

static void publish(struct client *c, struct message *m, bool is_dup)
{
    static char body[BODY_MAX];
    char topic[TOPIC_MAX];
    int len = snprintf(body, sizeof body, "{\"run\":%llu,\"n\":%llu,\"t\":%llu,\"pad\":\"",
                       (unsigned long long)load.run, (unsigned long long)m->number,
                       (unsigned long long)m->at_ns);
    size_t at = (size_t)len, end = load.size > at + 2 ? load.size - 2 : at;
    memset(body + at, 'x', end - at);
    memcpy(body + end, "\"}", 2);
    (void)snprintf(topic, sizeof topic,
                   "devices/%s/messages/events/%%24.ct=application%%2Fjson&%%24.ce=utf-8", c->name);
    if (!m->is_sent)
        m->id = client_next_id(c);
    m->is_sent = true;
    load.now.resent += is_dup;
    if (m->number > c->sent)
        c->sent = m->number;
    wire_publish(client_packet(), topic, (struct sk_view){ body, end + 2 }, 1, m->id, is_dup);
    client_send(c);
}

void device_publish_waiting(struct client *c, bool is_again)
{
    for (unsigned i = 0; i < c->queued && i < IN_FLIGHT && c->state == STATE_READY; i++) {
        struct message *m = message_at(c, i);
        if (!m->is_sent || is_again)
            publish(c, m, m->is_sent);
    }
}

void client_message(unsigned which, uint64_t at_ns)
{
    struct client *c = &clients[which];
    if (c->queued == c->cap && !grow(c))
        return;
    uint64_t number = c->queued > 0 ? message_at(c, c->queued - 1)->number + 1 : c->acked + 1;
    struct message *m = message_at(c, c->queued++);
    *m = (struct message){ .number = number, .at_ns = at_ns };
    if (c->state == STATE_READY && c->queued <= IN_FLIGHT)
        publish(c, m, false);
}

void device_acked(struct client *c, uint16_t id)
{
    if (id >= FIRST_CALL)
        return;
    if (c->queued == 0 || message_at(c, 0)->id != id || !message_at(c, 0)->is_sent) {
        load.now.disorder++;
        return;
    }
    struct message *m = message_at(c, 0);
    hist_add(&load.now.latency[KIND_PUBLISH], sk_now_ns() - m->at_ns);
    c->acked = m->number;
    c->first = (c->first + 1) % c->cap;
    c->queued--;
    if (c->queued >= IN_FLIGHT && !message_at(c, IN_FLIGHT - 1)->is_sent)
        publish(c, message_at(c, IN_FLIGHT - 1), false);
}

uint64_t clients_waiting(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < client_count; i++)
        sum += clients[i].queued;
    return sum;
}

/* ---- twins ---- */

static struct twin_call *free_call(struct client *c)
{
    for (unsigned i = 0; i < TWIN_SLOTS; i++)
        if (!c->calls[i].is_used)
            return &c->calls[i];
    return NULL;
}

static void call(struct client *c, enum kind kind, uint64_t at_ns, bool is_first)
{
    char topic[TOPIC_MAX], body[128] = " ";
    struct twin_call *t = free_call(c);
    if (!t) {
        load.now.failed[kind]++;
        return;
    }
    *t = (struct twin_call){ .is_used = true,
                             .kind = kind,
                             .is_first = is_first,
                             .at_ns = at_ns,
                             .reported = c->reported,
                             .desired = c->desired };
    if (kind == KIND_REPORT) {
        t->number = ++c->reports;
        (void)snprintf(body, sizeof body, "{\"run\":%llu,\"n\":%llu,\"temperature\":%llu.5}",
                       (unsigned long long)load.run, (unsigned long long)t->number,
                       (unsigned long long)(t->number % 40));
    }
    (void)snprintf(topic, sizeof topic, "$iothub/twin/%s/?$rid=%u",
                   kind == KIND_GET ? "GET" : "PATCH/properties/reported",
                   (unsigned)(t - c->calls));
    wire_publish(client_packet(), topic, sk_view_of(body), 1, client_next_call(c), false);
    client_send(c);
}

void client_get(unsigned which, uint64_t at_ns)
{
    if (clients[which].state == STATE_READY)
        call(&clients[which], KIND_GET, at_ns, false);
    else
        load.now.failed[KIND_GET]++;
}

void client_report(unsigned which, uint64_t at_ns)
{
    if (clients[which].state == STATE_READY)
        call(&clients[which], KIND_REPORT, at_ns, false);
    else
        load.now.failed[KIND_REPORT]++;
}

void device_first_get(struct client *c)
{
    call(c, KIND_GET, sk_now_ns(), true);
}

void device_lost(struct client *c)
{
    for (unsigned i = 0; i < TWIN_SLOTS; i++) {
        if (c->calls[i].is_used && !c->calls[i].is_first)
            load.now.failed[c->calls[i].kind]++;
        c->calls[i].is_used = false;
    }
}

/* The number behind `key` after `from`; -1: none. No name of a twin has a '$', so the first
 * "$version" behind a section's name is the section's. */
static int64_t number_after(struct sk_view text, const char *from, const char *key)
{
    const char *at = memmem(text.ptr, text.len, from, strlen(from));
    if (!at)
        return -1;
    at = memmem(at, (size_t)(text.ptr + text.len - at), key, strlen(key));
    if (!at)
        return -1;
    int64_t value = 0;
    for (at += strlen(key); at < text.ptr + text.len && *at >= '0' && *at <= '9'; at++)
        value = 10 * value + (*at - '0');
    return value;
}

static void look_at_twin(struct client *c, const struct twin_call *t, struct sk_view twin)
{
    int64_t desired = number_after(twin, "\"desired\":", "\"$version\":");
    int64_t reported = number_after(twin, "\"reported\":", "\"$version\":");
    if (desired < t->desired || reported < t->reported) {
        load.now.regress++;
        if (load.is_verbose)
            say("{\"event\":\"regress\",\"device\":\"%s\",\"desired\":[%lld,%lld],"
                "\"reported\":[%lld,%lld]}",
                c->name, (long long)t->desired, (long long)desired, (long long)t->reported,
                (long long)reported);
    }
    if (desired > c->desired)
        c->desired = desired;
    if (reported > c->reported)
        c->reported = reported;
}

static void answered(struct client *c, const struct publish *p)
{
    int64_t status = number_after(p->topic, "$iothub/twin/", "res/");
    int64_t slot = number_after(p->topic, "$iothub/twin/", "$rid=");
    if (slot < 0 || slot >= TWIN_SLOTS || !c->calls[slot].is_used)
        return;
    struct twin_call t = c->calls[slot];
    c->calls[slot].is_used = false;
    if (status != 200 && status != 204) {
        load.now.failed[t.kind]++;
        if (t.is_first)
            client_close(c, "no twin");
        return;
    }
    if (t.kind == KIND_REPORT) {
        int64_t version = number_after(p->topic, "res/", "$version=");
        load.now.regress += version <= t.reported;
        if (version > c->reported)
            c->reported = version;
        if (t.number > c->reports_acked)
            c->reports_acked = t.number;
    } else {
        look_at_twin(c, &t, p->payload);
    }
    if (t.is_first)
        client_is_ready(c);
    else
        hist_add(&load.now.latency[t.kind], sk_now_ns() - t.at_ns);
}

/* ---- what comes down ---- */

static bool begins(struct sk_view v, const char *with)
{
    return v.len >= strlen(with) && memcmp(v.ptr, with, strlen(with)) == 0;
}

static void answer_method(struct client *c, const struct publish *p)
{
    char topic[TOPIC_MAX];
    const char *rid = memmem(p->topic.ptr, p->topic.len, "?$rid=", 6);
    if (!rid)
        return;
    (void)snprintf(topic, sizeof topic, "$iothub/methods/res/200/%.*s",
                   (int)(p->topic.ptr + p->topic.len - rid), rid);
    load.now.methods++;
    wire_publish(client_packet(), topic, SK_VIEW("{\"ok\":true}"), 1, client_next_call(c), false);
    client_send(c);
}

void device_received(struct client *c, const struct publish *p)
{
    if (begins(p->topic, "$iothub/twin/res/")) {
        answered(c, p);
    } else if (begins(p->topic, "$iothub/methods/POST/")) {
        answer_method(c, p);
    } else {
        load.now.down++;
        if (begins(p->topic, "$iothub/twin/PATCH/")) {
            int64_t version = number_after(p->topic, "PATCH/", "$version=");
            load.now.regress += version < c->desired;
            if (version > c->desired)
                c->desired = version;
        }
    }
}

/* ---- the ledger ---- */

int clients_ledger(const char *path, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(LEDGER_MAX);
    for (unsigned i = 0; i < client_count; i++) {
        const struct client *c = &clients[i];
        sk_buf_fmt(&out, "%s %llu %llu %llu %llu %lld %lld\n", c->name, (unsigned long long)c->sent,
                   (unsigned long long)c->acked, (unsigned long long)c->reports,
                   (unsigned long long)c->reports_acked, (long long)c->reported,
                   (long long)c->desired);
    }
    if (!sk_buf_ok(&out))
        return sk_buf_fail(&out, err);
    return sk_file_write(path, out.data, out.len, 0644, err);
}
