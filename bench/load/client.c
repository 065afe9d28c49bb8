/*
 * client.c - the connection of a device, as the Python SDK makes it.
 *
 * CONNECT with CleanSession 0 and a SAS token; one SUBSCRIBE after the other; after a reconnect
 * none, but a GET of the twin. CONNACK 3 is tried again, 4 and 5 are not. A device is ready when
 * all of that is done.
 */
#include "client.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "iot/iot.h"

#include <stdlib.h>
#include <string.h>

#define PRODUCT "azure-iot-device-iothub-py%2F2.14.0%283.11.2%3BLinux%3Bx86_64%29"

enum {
    KEYS_MAX = 64 << 20,
    BYTES_MAX = 1 << 20,
    CHUNK = 64 << 10
};

struct client *clients;
unsigned client_count;
static struct sk_buf scratch = SK_BUF_INIT(BYTES_MAX);

/* ---- sending ---- */

struct sk_buf *client_packet(void)
{
    sk_buf_clear(&scratch);
    return &scratch;
}

void client_send(struct client *c)
{
    if (load.is_websocket)
        ws_frame(&c->link.out, 2, scratch.data, scratch.len, (uint32_t)dice());
    else
        sk_buf_add(&c->link.out, scratch.data, scratch.len);
    c->sent_ms = sk_now_ms();
    if (link_flush(&c->link) < 0)
        client_close(c, "ended while sending");
}

uint16_t client_next_id(struct client *c)
{
    if (++c->last_id >= FIRST_CALL)
        c->last_id = 1;
    return c->last_id;
}

uint16_t client_next_call(struct client *c)
{
    if (++c->last_call < FIRST_CALL)
        c->last_call = FIRST_CALL;
    return c->last_call;
}

/* ---- opening ---- */

static const char *filter_of(const struct client *c, unsigned which, char out[256])
{
    static const char *const same[] = { "$iothub/twin/res/#", "$iothub/methods/POST/#",
                                        "$iothub/twin/PATCH/properties/desired/#" };
    if (which < sizeof same / sizeof same[0])
        return same[which];
    (void)snprintf(out, 256, "devices/%s/messages/devicebound/#", c->name);
    return out;
}

static void subscribe_next(struct client *c)
{
    char text[256];
    if (c->subscribed >= load.subscriptions) {
        client_is_ready(c);
        return;
    }
    wire_subscribe(client_packet(), client_next_call(c), filter_of(c, c->subscribed, text), 1);
    client_send(c);
}

static void send_connect(struct client *c)
{
    char resource[512], user[1024];
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf token = SK_BUF_INIT(4096);
    (void)snprintf(resource, sizeof resource, "%s/devices/%s", load.hub_name, c->name);
    (void)snprintf(user, sizeof user, "%s/%s/?api-version=2019-10-01&DeviceClientType=%s",
                   load.hub_name, c->name, PRODUCT);
    if (sk_iot_sas_make(resource, c->key, NULL, load.token_end_s, &token, &err) < 0) {
        client_close(c, err.text);
        return;
    }
    wire_connect(client_packet(), c->name, user, token.data, load.keep_alive_s);
    client_send(c);
}

static void send_upgrade(struct client *c)
{
    sk_buf_fmt(&c->link.out,
               "GET /$iothub/websocket HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
               load.hub_name);
    if (link_flush(&c->link) < 0)
        client_close(c, "ended before the upgrade");
}

void client_is_ready(struct client *c)
{
    if (c->state != STATE_OPENING)
        return;
    c->state = STATE_READY;
    c->was_ready = true;
    load.connecting--;
    load.ready++;
    hist_add(&load.now.connect, sk_now_ns() - c->tried_ns);
    device_publish_waiting(c, true);
}

void client_close(struct client *c, const char *why)
{
    if (c->state == STATE_DOWN || c->state == STATE_REFUSED)
        return;
    if (c->state == STATE_READY) {
        load.ready--;
        load.now.closed++;
    } else {
        load.connecting--;
        load.now.unreachable++;
    }
    if (load.is_verbose)
        say("{\"event\":\"closed\",\"device\":\"%s\",\"at_ns\":%llu,\"why\":\"%s\"}", c->name,
            (unsigned long long)sk_now_ns(), why);
    c->state = STATE_DOWN;
    c->is_upgraded = false;
    c->retry_ms = sk_now_ms() + load.retry_ms / 2 + dice() % (load.retry_ms + 1);
    if (load.resumes && c->link.ssl && c->link.is_up) {
        SSL_SESSION_free(c->session);
        c->session = SSL_get1_session(c->link.ssl);
    }
    link_close(&c->link);
    sk_buf_done(&c->in);
    sk_buf_done(&c->packets);
    device_lost(c);
}

static void connack(struct client *c, const struct packet *p)
{
    unsigned code = p->len == 2 ? p->body[1] : 255;
    bool has_session = p->len == 2 && (p->body[0] & 1);
    if (code != 0) {
        load.now.refused++;
        client_close(c, code == 3 ? "CONNACK 3" : code == 4 ? "CONNACK 4" : "CONNACK 5");
        if (code != 3)
            c->state = STATE_REFUSED;
        return;
    }
    if (c->was_ready && load.subscriptions > 0 && !has_session) {
        load.now.sessions_lost++;
        c->subscribed = 0;
    }
    if (c->subscribed == load.subscriptions && c->was_ready && load.answers_twins &&
        load.subscriptions > 0)
        device_first_get(c);
    else
        subscribe_next(c);
}

/* ---- receiving ---- */

static bool is_good(struct client *c, const struct packet *p)
{
    struct publish m;
    switch (p->type) {
    case MQTT_CONNACK:
        connack(c, p);
        return true;
    case MQTT_SUBACK:
        if (p->len < 3 || p->body[2] > 1)
            return false;
        c->subscribed++;
        subscribe_next(c);
        return true;
    case MQTT_PUBACK:
        device_acked(c, id_of(p));
        return true;
    case MQTT_PUBLISH:
        if (!publish_read(p, &m))
            return false;
        if (m.qos > 0) {
            wire_ack(client_packet(), MQTT_PUBACK, m.id);
            client_send(c);
        }
        device_received(c, &m);
        return true;
    default:
        return p->type == MQTT_PINGRESP;
    }
}

static void drop_front(struct sk_buf *b, size_t len)
{
    if (len == b->len) {
        if (b->cap > 4096)
            sk_buf_done(b);
        else
            sk_buf_clear(b);
    } else if (len > 0) {
        memmove(b->data, b->data + len, b->len - len);
        b->len -= len;
    }
}

static void take_packets(struct client *c, struct sk_buf *b)
{
    size_t at = 0;
    while (c->state != STATE_DOWN && at < b->len) {
        struct packet p;
        ssize_t took = packet_read(b->data + at, b->len - at, &p);
        if (took < 0 || (took > 0 && !is_good(c, &p))) {
            client_close(c, "broke the protocol");
            return;
        }
        if (took == 0)
            break;
        at += (size_t)took;
    }
    if (c->link.fd >= 0)
        drop_front(b, at);
}

/* The answer to the upgrade, then frames. */
static void take_frames(struct client *c)
{
    size_t at = 0;
    if (!c->is_upgraded) {
        char *end = memmem(c->in.data, c->in.len, "\r\n\r\n", 4);
        if (!end)
            return;
        if (memcmp(c->in.data, "HTTP/1.1 101", 12) != 0) {
            client_close(c, "no WebSocket");
            return;
        }
        c->is_upgraded = true;
        at = (size_t)(end + 4 - c->in.data);
        send_connect(c);
    }
    while (c->link.fd >= 0 && at < c->in.len) {
        struct sk_view payload = { NULL, 0 };
        unsigned opcode = 0;
        ssize_t took = ws_read(c->in.data + at, c->in.len - at, &opcode, &payload);
        if (took < 0 || opcode == 8) {
            client_close(c, "the WebSocket ended");
            return;
        }
        if (took == 0)
            break;
        at += (size_t)took;
        if (opcode <= 2)
            sk_buf_add(&c->packets, payload.ptr, payload.len);
    }
    if (c->link.fd < 0)
        return;
    drop_front(&c->in, at);
    take_packets(c, &c->packets);
}

static void receive(struct client *c)
{
    static char chunk[CHUNK];
    do {
        ssize_t got = link_read(&c->link, chunk, sizeof chunk);
        if (got < 0)
            client_close(c, "ended");
        if (got <= 0)
            return;
        sk_buf_add(&c->in, chunk, (size_t)got);
        if (load.is_websocket)
            take_frames(c);
        else
            take_packets(c, &c->in);
    } while (c->link.fd >= 0 && link_has_more(&c->link));
}

static void ready(struct link *l)
{
    struct client *c = l->owner;
    if (!l->is_up) {
        int rc = link_step(l);
        if (rc < 0)
            client_close(c, "no connection");
        if (rc <= 0)
            return;
        if (load.is_websocket)
            send_upgrade(c);
        else
            send_connect(c);
    }
    if (l->fd >= 0 && link_flush(l) < 0)
        client_close(c, "ended while sending");
    if (l->fd >= 0)
        receive(c);
}

/* ---- all of them ---- */

static void open_one(struct client *c)
{
    unsigned source = load.sources > 0 ? 1 + c->index % load.sources : 0;
    c->state = STATE_OPENING;
    c->tried_ns = sk_now_ns();
    c->in = (struct sk_buf)SK_BUF_INIT(BYTES_MAX);
    c->packets = (struct sk_buf)SK_BUF_INIT(BYTES_MAX);
    load.connecting++;
    if (link_open(&c->link, &load.device_to, source, c->session) < 0)
        client_close(c, "no connection");
}

void clients_tend(unsigned most)
{
    uint64_t now = sk_now_ms(), keep_ms = load.keep_alive_s * 1000ull;
    for (unsigned i = 0; i < client_count; i++) {
        struct client *c = &clients[i];
        if (c->state == STATE_DOWN && c->retry_ms <= now && load.connecting < most)
            open_one(c);
        else if (c->state == STATE_OPENING && now > c->tried_ns / 1000000 + load.connect_ms)
            client_close(c, "not ready in time");
        else if (c->state == STATE_READY && now >= c->sent_ms + keep_ms) {
            wire_empty(client_packet(), MQTT_PINGREQ);
            client_send(c);
        }
    }
}

void clients_drop(void)
{
    for (unsigned i = 0; i < client_count; i++)
        client_close(&clients[i], "dropped");
}

void clients_again(void)
{
    for (unsigned i = 0; i < client_count; i++)
        if (clients[i].state == STATE_REFUSED)
            clients[i].state = STATE_DOWN;
}

const char *client_name(unsigned which)
{
    return clients[which].name;
}

static char *next_word(char **at)
{
    char *word = *at + strspn(*at, " \t\n");
    size_t len = strcspn(word, " \t\n");
    if (len == 0)
        return NULL;
    *at = word + len;
    if (**at != '\0')
        *(*at)++ = '\0';
    return word;
}

int clients_make(const char *path, unsigned first, unsigned max, unsigned *count,
                 struct sk_err *err)
{
    SK_OWN(free) char *text = NULL;
    size_t len = 0;
    char *name = NULL, *key = NULL;
    if (sk_file_read(path, KEYS_MAX, &text, &len, err) < 0)
        return -1;
    clients = calloc(max, sizeof *clients);
    if (!clients)
        return sk_nomem(err);
    char *at = text;
    for (unsigned i = 0; client_count < max && (name = next_word(&at)) && (key = next_word(&at));
         i++) {
        if (i < first)
            continue;
        struct client *c = &clients[client_count];
        c->link = (struct link){ .fd = -1, .ready = ready, .owner = c };
        c->index = client_count++;
        c->name = strdup(name);
        c->key = strdup(key);
        if (!c->name || !c->key)
            return sk_nomem(err);
    }
    *count = client_count;
    return client_count > 0 ? 0 : sk_fail(err, SK_INVALID, "%s: no devices", path);
}

void clients_free(void)
{
    for (unsigned i = 0; i < client_count; i++) {
        struct client *c = &clients[i];
        link_close(&c->link);
        SSL_SESSION_free(c->session);
        sk_buf_done(&c->in);
        sk_buf_done(&c->packets);
        free(c->queue);
        free(c->name);
        free(c->key);
    }
    free(clients);
    clients = NULL;
    client_count = 0;
    sk_buf_done(&scratch);
}
