/*
 * load.h - parts of the MQTT load generator and of its null server.
 *
 *     mqtt_load.c   options, the schedule, windows, commands
 *     client.c      one device: connects as the Python SDK does, sends, answers
 *     caller.c      the service's side of direct methods, over HTTPS
 *     link.c        sockets and TLS, never waiting
 *     wire.c        MQTT packets and WebSocket frames; not the hub's code, which is under test
 *     hist.c        latencies in buckets of less than 1 %
 *     null_mqtt.c   accepts, acknowledges, keeps nothing: what the generator itself can reach
 *
 * All of it runs on one thread.
 */
#ifndef BENCH_LOAD_LOAD_H
#define BENCH_LOAD_LOAD_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- hist.c ---- */
enum {
    HIST_STEPS = 128, /* per power of two */
    HIST_POWERS = 32
};

struct hist {
    uint64_t count, most_us;
    uint32_t n[HIST_POWERS * HIST_STEPS];
};

void hist_add(struct hist *h, uint64_t ns);
/* Milliseconds that a share of them did not exceed. */
double hist_ms(const struct hist *h, double share);
/* "name":{"count":..,"p50_ms":..,...} */
void hist_json(const struct hist *h, const char *name, struct sk_buf *out);

/* ---- wire.c ---- */
enum {
    MQTT_CONNECT = 1,
    MQTT_CONNACK,
    MQTT_PUBLISH,
    MQTT_PUBACK,
    MQTT_SUBSCRIBE = 8,
    MQTT_SUBACK,
    MQTT_PINGREQ = 12,
    MQTT_PINGRESP,
    MQTT_DISCONNECT
};

struct packet {
    unsigned type, flags;
    const unsigned char *body;
    size_t len;
};

/* A PUBLISH taken apart. */
struct publish {
    struct sk_view topic, payload;
    unsigned qos;
    uint16_t id;
};

/* Bytes that the first packet takes; 0: it is not whole yet; -1: it is none. */
ssize_t packet_read(const char *data, size_t len, struct packet *out);
bool publish_read(const struct packet *p, struct publish *out);
uint16_t id_of(const struct packet *p); /* of acknowledgements; 0: too short */

void wire_connect(struct sk_buf *out, const char *client, const char *user, const char *password,
                  unsigned keep_alive_s);
void wire_subscribe(struct sk_buf *out, uint16_t id, const char *filter, unsigned qos);
void wire_publish(struct sk_buf *out, const char *topic, struct sk_view payload, unsigned qos,
                  uint16_t id, bool is_dup);
/* Four bytes: type, 2, id. */
void wire_ack(struct sk_buf *out, unsigned type, uint16_t id);
void wire_empty(struct sk_buf *out, unsigned type); /* PINGREQ, PINGRESP, DISCONNECT */

/* A frame of a WebSocket client, masked. */
void ws_frame(struct sk_buf *out, unsigned opcode, const void *bytes, size_t len, uint32_t mask);
/* Of a server: bytes it takes, 0, or -1; its payload is a view into data. */
ssize_t ws_read(const char *data, size_t len, unsigned *opcode, struct sk_view *payload);

/* ---- link.c ---- */
struct link {
    int fd;
    SSL *ssl;
    bool is_connected, is_up; /* TCP; TLS too */
    bool wants_out;           /* what epoll was told */
    struct sk_buf out;
    size_t sent;
    void (*ready)(struct link *l); /* bytes may have come, or room to send */
    void *owner;
};

struct link_target {
    struct sockaddr_in addr;
    const char *name; /* of the certificate; NULL: not looked at */
    SSL_CTX *tls;     /* NULL: plain */
};

void link_setup(int epoll);
/* From 127.0.0.x with x of source; 0: any. resume may be NULL. */
int link_open(struct link *l, const struct link_target *to, unsigned source, SSL_SESSION *resume);
/* A connection that a listener accepted. */
int link_accepted(struct link *l, int fd, SSL_CTX *tls);
/* 1: up; 0: not yet; -1: failed. */
int link_step(struct link *l);
/* Bytes read; 0: none now; -1: ended. */
ssize_t link_read(struct link *l, char *to, size_t max);
/* Whether more is there that epoll would not tell of. */
bool link_has_more(const struct link *l);
/* Sends what waits in out as far as it goes. -1: ended. */
int link_flush(struct link *l);
void link_close(struct link *l);

/* ---- what the run shares ---- */
enum kind {
    KIND_PUBLISH,
    KIND_GET,
    KIND_REPORT,
    KIND_METHOD,
    KIND_COUNT
};

extern const char *const kind_names[KIND_COUNT];

/* What is counted between two marks. */
struct window {
    char name[64];
    uint64_t start_ns, cpu_us, hub_cpu_us, context_switches;
    struct hist latency[KIND_COUNT]; /* from the time it was scheduled for */
    struct hist connect;             /* from the begin of a try to being ready */
    uint64_t scheduled[KIND_COUNT], failed[KIND_COUNT];
    uint64_t down;    /* messages to devices: desired, C2D */
    uint64_t methods; /* answered by devices */
    uint64_t resent, closed, refused, unreachable;
    uint64_t disorder, regress, sessions_lost; /* what must not happen */
};

struct load {
    struct link_target device_to, service_to;
    const char *hub_name, *bearer;
    bool is_websocket, resumes, is_verbose, answers_twins;
    unsigned subscriptions; /* 0 to 4 */
    unsigned retry_ms, keep_alive_s, connect_ms, sources;
    int64_t token_end_s;
    size_t size;
    uint64_t run;  /* stands in every message */
    uint64_t seed; /* of xorshift */
    struct window now;
    unsigned ready, connecting;
};

extern struct load load;

uint64_t dice(void);
/* A line of JSON that says what happened. */
void say(const char *fmt, ...) SK_PRINTF(1, 2);

/* ---- client.c ---- */
struct client;

int clients_make(const char *path, unsigned first, unsigned max, unsigned *count,
                 struct sk_err *err) SK_CHECK;
void clients_free(void);
/* Opens connections that are due, at most `most` under way at a time; pings, gives up. */
void clients_tend(unsigned most);
void client_message(unsigned which, uint64_t at_ns);
void client_get(unsigned which, uint64_t at_ns);
void client_report(unsigned which, uint64_t at_ns);
const char *client_name(unsigned which);
void clients_drop(void);
void clients_again(void);
uint64_t clients_waiting(void); /* messages without an acknowledgement */
/* device sent acked reports-sent reports-acked reported-version desired-version */
int clients_ledger(const char *path, struct sk_err *err) SK_CHECK;

/* ---- caller.c ---- */
int callers_make(unsigned count, struct sk_err *err) SK_CHECK;
void callers_free(void);
void caller_method(unsigned which, uint64_t at_ns);
void callers_tend(void);

#endif
