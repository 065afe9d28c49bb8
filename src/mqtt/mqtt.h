/*
 * mqtt.h - an MQTT 3.1.1 server and client (OASIS standard, 2014): packets, connections, event
 * loops.
 *
 * The server knows nothing of topics: the handler decides who may connect, what a publish means,
 * when it is acknowledged.
 *
 * A connection is a stream (base/stream.h) that came from anywhere, as plain MQTT or inside a
 * WebSocket (RFC 6455, subprotocol "mqtt"). It belongs to one of a few event loops, on which all of
 * the handler's functions for it run; they must not wait. What another thread has for a connection
 * goes through sk_mqtt_post().
 *
 * Packets that break the standard close the connection, as it demands; the reason goes to
 * handler.closed. Bounds: a CONNECT must come in connect_ms; a packet is at most max_packet bytes;
 * inbound publishes that wait for their acknowledgement at most max_inflight_in (beyond, the
 * connection is not read: TCP slows the client down); outbound bytes that the client does not take
 * at most max_out_bytes (beyond, sk_mqtt_publish is SK_BUSY). 1.5 times the keep-alive without a
 * packet ends a connection; with keep-alive 0 or above max_keep_alive_s that bound holds.
 * QoS 2 is refused by closing. Our ends are orderly: FIN, then what the client still sends is read
 * away for a second, so that it sees an end and not a reset.
 *
 * Threads: server functions from any; connection functions on the connection's loop only.
 */
#ifndef SK_MQTT_MQTT_H
#define SK_MQTT_MQTT_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "base/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sk_mqtt_server;
struct sk_mqtt_conn;

enum sk_mqtt_connack {
    SK_MQTT_ACCEPTED = 0,
    SK_MQTT_BAD_PROTOCOL = 1,
    SK_MQTT_BAD_CLIENT_ID = 2,
    SK_MQTT_UNAVAILABLE = 3,
    SK_MQTT_BAD_CREDENTIALS = 4,
    SK_MQTT_NOT_AUTHORIZED = 5
};

enum {
    SK_MQTT_SUB_FAILED = 0x80, /* a return code of SUBACK, beside the granted QoS 0 and 1 */
    SK_MQTT_FILTERS_MAX = 32,  /* of one SUBSCRIBE or UNSUBSCRIBE; more close the connection */
    SK_MQTT_CONNECT_BYTES = 80 << 10 /* of a CONNECT, beside max_packet: nobody is known yet */
};

/* ---- packets; views into the received bytes, valid during the call ---- */
struct sk_mqtt_connect {
    struct sk_view client_id;
    struct sk_view username, password;
    bool has_username, has_password;
    bool is_clean; /* CleanSession */
    uint16_t keep_alive_s;
    bool has_will, will_retain;
    unsigned will_qos;
    struct sk_view will_topic, will_payload;
};

struct sk_mqtt_message {
    struct sk_view topic; /* UTF-8, no wildcards, not empty: checked */
    struct sk_view payload;
    unsigned qos; /* 0 or 1 */
    bool retain, dup;
    uint16_t id; /* of qos 1 */
};

struct sk_mqtt_filters {
    uint16_t id;
    size_t count;
    struct sk_view topic[SK_MQTT_FILTERS_MAX]; /* valid filters: checked */
    unsigned char qos[SK_MQTT_FILTERS_MAX];    /* asked for; of SUBSCRIBE */
};

/* Who is at the other end; valid during sk_mqtt_server_add, which copies it. */
struct sk_mqtt_peer {
    const char *address; /* "192.0.2.1:5000" */
    const void *cert;    /* DER, possession proven; NULL: none */
    size_t cert_len;
};

/* All run on the connection's loop; ctx is that of the options. */
struct sk_mqtt_handler {
    /* The first packet. The handler answers with sk_mqtt_connack, now or later; until then nothing
     * more is read. */
    void (*connect)(struct sk_mqtt_conn *c, const struct sk_mqtt_connect *p, void *ctx);
    /* qos 1: sk_mqtt_puback with the message's id, now or later, once. */
    void (*publish)(struct sk_mqtt_conn *c, const struct sk_mqtt_message *m, void *ctx);
    /* sk_mqtt_suback with the id, now or later, once. */
    void (*subscribe)(struct sk_mqtt_conn *c, const struct sk_mqtt_filters *f, void *ctx);
    void (*unsubscribe)(struct sk_mqtt_conn *c, const struct sk_mqtt_filters *f, void *ctx);
    /* The client has acknowledged what was published with this token. */
    void (*acked)(struct sk_mqtt_conn *c, uint64_t token, void *ctx);
    /* Last call for a connection whose `connect` was called. had_disconnect: by a DISCONNECT
     * packet, so there is no will to publish. why: text for the log. */
    void (*closed)(struct sk_mqtt_conn *c, bool had_disconnect, const char *why, void *ctx);
    /* NULL, or: sk_mqtt_publish was refused since max_out_bytes waited, and all have left now. */
    void (*drained)(struct sk_mqtt_conn *c, void *ctx);
};

struct sk_mqtt_options {
    unsigned loops;                             /* 0: 2 */
    unsigned max_connections;                   /* 0: 20,000; more are closed at once */
    size_t max_packet;                          /* 0: 270,000: 256 KiB and a topic */
    size_t max_out_bytes;                       /* per connection; 0: 1 MiB */
    unsigned max_inflight_in, max_inflight_out; /* 0: 64 and 32 */
    unsigned connect_ms;                        /* 0: 10 s, from the add to the CONNECT */
    unsigned max_keep_alive_s;                  /* 0: 1767, as at IoT Hub */
    const char *ws_path;                   /* of the upgrade request; NULL: "/$iothub/websocket" */
    const struct sk_mqtt_handler *handler; /* borrowed */
    void *ctx;
};

int sk_mqtt_server_new(const struct sk_mqtt_options *opts, struct sk_mqtt_server **out,
                       struct sk_err *err) SK_CHECK;
/* Gives a connection to a loop. The stream is taken, also on failure. is_websocket: an HTTP upgrade
 * comes first. SK_BUSY: max_connections. */
int sk_mqtt_server_add(struct sk_mqtt_server *s, struct sk_stream *stream,
                       const struct sk_mqtt_peer *peer, bool is_websocket,
                       struct sk_err *err) SK_CHECK;
unsigned sk_mqtt_server_connections(const struct sk_mqtt_server *s);
/* Ends every connection with FIN, waits at most wait_ms, stops the loops. `closed` was called for
 * each when it returns; posts that come later run with NULL on the caller's thread. Not from a
 * handler's function. */
void sk_mqtt_server_stop(struct sk_mqtt_server *s, unsigned wait_ms);
void sk_mqtt_server_free(struct sk_mqtt_server *s); /* stops first */
SK_DEFINE_OWN(struct sk_mqtt_server, sk_mqtt_server_free);

/* ---- from other threads ---- */
/* Names a connection for ever; never names another one later. */
struct sk_mqtt_ref {
    uint32_t loop, slot;
    uint64_t serial;
};

/* A piece of work for a connection, embedded in what the caller allocates. */
struct sk_mqtt_post {
    struct sk_mqtt_post *next; /* the loop's */
    struct sk_mqtt_ref to;
    /* On the loop of `to`; c is NULL when that connection is closed. It may free the post. */
    void (*run)(struct sk_mqtt_conn *c, struct sk_mqtt_post *post);
};

/* Never fails, never waits; posts of one thread to one connection run in order. */
void sk_mqtt_post(struct sk_mqtt_server *s, struct sk_mqtt_post *post);
struct sk_mqtt_ref sk_mqtt_conn_ref(const struct sk_mqtt_conn *c);

/* ---- of a connection, on its loop ---- */
struct sk_mqtt_server *sk_mqtt_conn_server(const struct sk_mqtt_conn *c);
void sk_mqtt_set_user(struct sk_mqtt_conn *c, void *user);
void *sk_mqtt_user(const struct sk_mqtt_conn *c);
const char *sk_mqtt_peer_address(const struct sk_mqtt_conn *c);
struct sk_view sk_mqtt_peer_cert(const struct sk_mqtt_conn *c); /* until sk_mqtt_connack */
bool sk_mqtt_is_websocket(const struct sk_mqtt_conn *c);
/* In `closed`: it broke the protocol, or sent a packet that is too large. */
bool sk_mqtt_is_at_fault(const struct sk_mqtt_conn *c);
unsigned sk_mqtt_loop_of(const struct sk_mqtt_conn *c);

/* Behind the end of a connection all these do nothing. */

/* Another code than ACCEPTED closes after it was sent. */
void sk_mqtt_connack(struct sk_mqtt_conn *c, enum sk_mqtt_connack code, bool session_present);
/* In any order; they leave in the order of the publishes (MQTT-4.6.0-2). */
void sk_mqtt_puback(struct sk_mqtt_conn *c, uint16_t id);
void sk_mqtt_suback(struct sk_mqtt_conn *c, uint16_t id, const unsigned char *codes, size_t count);
void sk_mqtt_unsuback(struct sk_mqtt_conn *c, uint16_t id);
/* Sends. qos 1: `acked` is called with token when the client has acknowledged it. SK_BUSY: more
 * than max_out_bytes wait, or more than max_inflight_out are unacknowledged; nothing was sent.
 * SK_CANCELLED: it is not open (not accepted yet, or closed). SK_LIMIT: too large for MQTT. */
int sk_mqtt_publish(struct sk_mqtt_conn *c, struct sk_view topic, struct sk_view payload,
                    unsigned qos, uint64_t token, struct sk_err *err) SK_CHECK;
/* Publishes of qos 1 that may be sent before SK_BUSY. */
unsigned sk_mqtt_window(const struct sk_mqtt_conn *c);
/* Ends it in order; `closed` comes with this reason. why: static text. */
void sk_mqtt_close(struct sk_mqtt_conn *c, const char *why);
/* Closes it at this monotonic time (a token's end); 0: never. */
void sk_mqtt_close_at(struct sk_mqtt_conn *c, uint64_t at_ms, const char *why);

/* ---- the client: connections to a server that are kept up ---- */
/*
 * One thread (a dialer) has any number of lines: it resolves names on threads beside it, connects
 * (to one address after the other), shakes hands over TLS without waiting, logs in, subscribes
 * again what the line subscribed, and after a loss tries again: after 100 ms, then twice as long
 * each time up to 60 s, each shortened by up to a half by chance; at once when poked. A connection
 * that was up for 10 s makes the next wait the shortest again. A line's functions run on the
 * dialer's thread and must not wait; they may call what may be called from any thread. Any of them
 * may be NULL.
 *
 * Each `up` is followed by one `down` before the next, unless the line is closed. Each publish of
 * QoS 1 that was taken is told to `acked` once, also when the line or the dialer ends.
 */
struct sk_mqtt_dialer;
struct sk_mqtt_line;

struct sk_mqtt_line_handler {
    /* Before each CONNECT: give a password with sk_mqtt_line_login, now or later (within
     * connect_ms), from any thread. NULL: none (a certificate logs in). */
    void (*login)(struct sk_mqtt_line *l, void *ctx);
    /* Logged in, and all filters granted. */
    void (*up)(struct sk_mqtt_line *l, bool session_present, void *ctx);
    /* Lost, or could not be made; tried again in retry_ms. refusal: of CONNACK, else ACCEPTED. Also
     * when it logs in anew (renew), with retry_ms 0. */
    void (*down)(struct sk_mqtt_line *l, enum sk_mqtt_connack refusal, const char *why,
                 unsigned retry_ms, void *ctx);
    /* qos 1: sk_mqtt_line_puback with the id, now or later, from any thread. Messages may come
     * before `up`. While max_inflight wait for their puback, nothing more is read. */
    void (*message)(struct sk_mqtt_line *l, const struct sk_mqtt_message *m, void *ctx);
    /* PUBACK for a publish; after a loss those that had none are told as not acked, before down. */
    void (*acked)(struct sk_mqtt_line *l, uint64_t token, bool is_acked, void *ctx);
    void (*writable)(struct sk_mqtt_line *l, void *ctx); /* after SK_BUSY */
};

struct sk_mqtt_line_options {
    const char *host; /* numeric or a name; also the name that the certificate must have (SNI) */
    uint16_t port;    /* 0: 8883 */
    const char *verify_name;          /* instead of host; NULL: host */
    const char *ca_file;              /* PEM, read at each dial; NULL: the system's */
    const char *cert_file, *key_file; /* of the client; NULL: none */
    const char *client_id, *username; /* copied, like all texts here */
    const char *const *filters;       /* with QoS 1, at each login; NULL-terminated; NULL: none */
    bool is_clean;                    /* CleanSession */
    uint16_t keep_alive_s;            /* 0: 60; a silent peer is lost after half as much again */
    unsigned connect_ms;              /* 0: 20 s, from the dial to CONNACK */
    unsigned max_inflight;            /* 0: 64 */
    size_t max_out_bytes, max_packet; /* 0: 1 MiB, 270,000 */
    unsigned retry_min_ms, retry_max_ms;        /* 0: 100 and 60,000 */
    const struct sk_mqtt_line_handler *handler; /* borrowed */
    void *ctx;
};

int sk_mqtt_dialer_new(struct sk_mqtt_dialer **out, struct sk_err *err) SK_CHECK;
/* Ends all lines without `down`, and frees them; what they have to send has a second to leave. Not
 * from a line's functions. Waits for no name to be found. */
void sk_mqtt_dialer_free(struct sk_mqtt_dialer *d);
SK_DEFINE_OWN(struct sk_mqtt_dialer, sk_mqtt_dialer_free);
/* Begins to dial at once. From any thread. *out is set before the line's functions run. SK_INVALID:
 * texts that MQTT cannot say. */
int sk_mqtt_line_open(struct sk_mqtt_dialer *d, const struct sk_mqtt_line_options *opts,
                      struct sk_mqtt_line **out, struct sk_err *err) SK_CHECK;
/* What was published leaves, then DISCONNECT; when it returns no function of the line runs any more
 * and it is freed, while the bytes may still be on their way. Not from a line's functions, and no
 * other call for the line may be under way. Accepts NULL. */
void sk_mqtt_line_close(struct sk_mqtt_line *l);
/* All below from any thread. */
void sk_mqtt_line_login(struct sk_mqtt_line *l, const char *password); /* NULL: none */
/* Login cannot be made now: the line is down, and tried again. */
void sk_mqtt_line_no_login(struct sk_mqtt_line *l, const char *why);
/* Logs in anew with a fresh password (before a token ends) by a new connection, or dials at once
 * when it waits. What is unacknowledged has a second to be so before; publishes are SK_BUSY
 * meanwhile. */
void sk_mqtt_line_renew(struct sk_mqtt_line *l);
/* Dials at once when it waits, or when TCP has waited for a second: the way may be free now. */
void sk_mqtt_line_poke(struct sk_mqtt_line *l);
/* Copies. SK_BUSY: max_inflight or max_out_bytes (writable is told, or down), or it logs in anew
 * (down is told, and then up); SK_CANCELLED: not up; SK_INVALID: no topic; SK_LIMIT: too large for
 * MQTT. A token is the caller's, and may be in use more than once. */
int sk_mqtt_line_publish(struct sk_mqtt_line *l, struct sk_view topic, struct sk_view payload,
                         unsigned qos, uint64_t token, struct sk_err *err) SK_CHECK;
/* Adds a filter for now and later logins; one that is there already changes nothing. A filter that
 * the server refuses ends the connection: down says which. SK_LIMIT: more than 256. */
int sk_mqtt_line_subscribe(struct sk_mqtt_line *l, const char *filter, struct sk_err *err) SK_CHECK;
/* They leave in the order of the messages. Of one of an earlier connection: ignored, unless the
 * server has sent it again by now. */
void sk_mqtt_line_puback(struct sk_mqtt_line *l, uint16_t id);
bool sk_mqtt_line_is_up(const struct sk_mqtt_line *l);

#endif
