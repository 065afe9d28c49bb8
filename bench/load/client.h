/* client.h - a device of the generator: client.c has its connection, device.c what it says. */
#ifndef BENCH_LOAD_CLIENT_H
#define BENCH_LOAD_CLIENT_H

#include "load.h"

enum {
    TWIN_SLOTS = 16,
    FIRST_CALL = 32768
};

enum state {
    STATE_DOWN,
    STATE_OPENING, /* TCP, TLS, upgrade, CONNECT, SUBSCRIBEs, and a GET after a reconnect */
    STATE_READY,
    STATE_REFUSED /* CONNACK 4 or 5: the SDK does not try again */
};

/* A message that is not acknowledged yet. */
struct message {
    uint64_t number, at_ns;
    uint16_t id;
    bool is_sent;
};

struct twin_call {
    bool is_used;
    enum kind kind;
    bool is_first; /* the GET that completes a reconnect */
    uint64_t at_ns, number;
    int64_t reported, desired; /* versions that were known when it was sent */
};

struct client {
    struct link link;
    enum state state;
    char *name, *key;
    unsigned index, subscribed;
    bool was_ready, is_upgraded;
    uint16_t last_id, last_call; /* of messages; of twin calls and methods */
    uint64_t retry_ms, tried_ns, sent_ms;
    struct sk_buf in, packets; /* bytes; of a WebSocket, what was in its frames */
    SSL_SESSION *session;
    /* a ring */
    struct message *queue;
    unsigned queued, first, cap;
    uint64_t sent, acked;
    struct twin_call calls[TWIN_SLOTS];
    uint64_t reports, reports_acked;
    int64_t reported, desired;
};

extern struct client *clients;
extern unsigned client_count;

/* ---- client.c ---- */
/* A packet for the scratch buffer, then this. */
struct sk_buf *client_packet(void);
void client_send(struct client *c);
void client_close(struct client *c, const char *why);
/* Ids of messages are below those of everything else. */
uint16_t client_next_id(struct client *c);
uint16_t client_next_call(struct client *c);
void client_is_ready(struct client *c);

/* ---- device.c ---- */
void device_publish_waiting(struct client *c, bool is_again);
void device_acked(struct client *c, uint16_t id);
void device_received(struct client *c, const struct publish *p);
void device_first_get(struct client *c);
void device_lost(struct client *c); /* the connection, and calls with it */

#endif
