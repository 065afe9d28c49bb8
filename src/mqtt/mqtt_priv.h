/* mqtt_priv.h - what the files of this folder share, and their tests see. */
#ifndef SK_MQTT_MQTT_PRIV_H
#define SK_MQTT_MQTT_PRIV_H

#include "mqtt/mqtt.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- codec.c: bytes to packets ---- */
enum sk_mqtt_type {
    SK_PACKET_CONNECT = 1,
    SK_PACKET_CONNACK,
    SK_PACKET_PUBLISH,
    SK_PACKET_PUBACK,
    SK_PACKET_PUBREC,
    SK_PACKET_PUBREL,
    SK_PACKET_PUBCOMP,
    SK_PACKET_SUBSCRIBE,
    SK_PACKET_SUBACK,
    SK_PACKET_UNSUBSCRIBE,
    SK_PACKET_UNSUBACK,
    SK_PACKET_PINGREQ,
    SK_PACKET_PINGRESP,
    SK_PACKET_DISCONNECT
};

struct sk_mqtt_packet {
    enum sk_mqtt_type type;
    unsigned flags; /* the low four bits of the first byte */
    struct sk_view body;
};

/* Cuts packets out of bytes that come in any pieces. */
struct sk_mqtt_cutter {
    struct sk_buf part;   /* of a packet that is not whole yet */
    bool is_given;        /* part is the packet that the last call gave */
    bool expects_connect; /* nothing else is taken, and at most SK_MQTT_CONNECT_BYTES */
    bool is_client;       /* packets of a server are cut, not of a client */
    size_t max_packet;
};

void sk_mqtt_cutter_init(struct sk_mqtt_cutter *k, size_t max_packet);
/* For the packets that a server sends. */
void sk_mqtt_cutter_init_client(struct sk_mqtt_cutter *k, size_t max_packet);
void sk_mqtt_cutter_done(struct sk_mqtt_cutter *k);
/* The packet that the last call gave is of no more use. */
void sk_mqtt_cutter_release(struct sk_mqtt_cutter *k);
/* 1: a packet, valid until the next call; 0: all bytes were taken; -1: why says what is wrong. */
int sk_mqtt_cut(struct sk_mqtt_cutter *k, const void *bytes, size_t len, size_t *used,
                struct sk_mqtt_packet *out, const char **why);

/* The bodies. NULL, or what is wrong. */
const char *sk_mqtt_parse_publish(const struct sk_mqtt_packet *p, struct sk_mqtt_message *out);
const char *sk_mqtt_parse_filters(const struct sk_mqtt_packet *p, struct sk_mqtt_filters *out);
const char *sk_mqtt_parse_id(const struct sk_mqtt_packet *p, uint16_t *id); /* PUBACK */
const char *sk_mqtt_parse_empty(const struct sk_mqtt_packet *p);
/* refusal: a code to answer with before closing; SK_MQTT_ACCEPTED: none. */
const char *sk_mqtt_parse_connect(const struct sk_mqtt_packet *p, struct sk_mqtt_connect *out,
                                  enum sk_mqtt_connack *refusal);
const char *sk_mqtt_parse_connack(const struct sk_mqtt_packet *p, enum sk_mqtt_connack *code,
                                  bool *session_present);
const char *sk_mqtt_parse_suback(const struct sk_mqtt_packet *p, uint16_t *id,
                                 struct sk_view *codes);
/* Whether a field may hold it; whether something may be published to it; subscribed to. */
bool sk_mqtt_is_text(struct sk_view text);
bool sk_mqtt_is_topic(struct sk_view topic);
bool sk_mqtt_is_filter(struct sk_view filter);

/* ---- write.c: packets to bytes ---- */
enum {
    SK_MQTT_ACK_BYTES = 4 /* CONNACK, PUBACK, UNSUBACK, and SUBACK without its codes */
};

void sk_mqtt_write_connack(struct sk_buf *b, enum sk_mqtt_connack code, bool session_present);
void sk_mqtt_write_ack(struct sk_buf *b, enum sk_mqtt_type type, uint16_t id);
void sk_mqtt_write_suback(struct sk_buf *b, uint16_t id, const unsigned char *codes, size_t count);
void sk_mqtt_write_pingresp(struct sk_buf *b);
/* Size of a PUBLISH; 0: more than MQTT can say. */
size_t sk_mqtt_publish_size(size_t topic_len, size_t payload_len, unsigned qos);
void sk_mqtt_write_publish(struct sk_buf *b, struct sk_view topic, struct sk_view payload,
                           unsigned qos, uint16_t id);
/* A client's; fields of at most 65,535 bytes, no will. */
void sk_mqtt_write_connect(struct sk_buf *b, const struct sk_mqtt_connect *c);
/* With QoS 1. */
void sk_mqtt_write_subscribe(struct sk_buf *b, uint16_t id, char *const *filters, size_t count);
void sk_mqtt_write_pingreq(struct sk_buf *b);
void sk_mqtt_write_disconnect(struct sk_buf *b);

/* ---- ws_upgrade.c: the HTTP request in front of a WebSocket ---- */
enum {
    SK_WS_REQUEST_BYTES = 8 << 10, /* request line and headers */
    SK_WS_REQUEST_HEADERS = 64
};

/* Takes a request's bytes from its beginning. 0: more must come; 101: used bytes of it were the
 * request, and it is answered; else an HTTP status, answered: close. The answer is appended. */
int sk_ws_upgrade(const char *bytes, size_t len, const char *path, size_t *used,
                  struct sk_buf *answer);

/* ---- ws_frame.c: frames ---- */
enum {
    SK_WS_BINARY = 2,
    SK_WS_CLOSE = 8,
    SK_WS_PONG = 10,
    SK_WS_CONTROL_BYTES = 125,    /* payload of a control frame */
    SK_WS_FRAME_BYTES = 16 << 20, /* payload of a data frame; it is not kept */
    SK_WS_HEAD_BYTES = 14         /* of a frame's head at most */
};

/* Why a WebSocket ends (RFC 6455, 7.4.1). */
enum sk_ws_code {
    SK_WS_NORMAL = 1000,
    SK_WS_GOING_AWAY = 1001,
    SK_WS_PROTOCOL = 1002,
    SK_WS_NOT_BINARY = 1003,
    SK_WS_TOO_BIG = 1009
};

struct sk_ws {
    unsigned char head[SK_WS_HEAD_BYTES];
    unsigned char control[SK_WS_CONTROL_BYTES];
    unsigned char head_len, control_len;
    unsigned char opcode;  /* of the frame at hand */
    bool is_in_frame;      /* the head is whole */
    bool is_fragmented;    /* a message has begun that a continuation goes on with */
    bool is_final;         /* of the frame at hand */
    unsigned char mask_at; /* the next payload byte's place in the mask */
    unsigned char mask[4];
    uint64_t left; /* payload still to come */
};

/* Decodes in place: returns how many bytes of messages stand at the start of bytes now; all of
 * bytes were taken. Pongs are appended to answer. *code: not 0 when the WebSocket ends behind them:
 * what to close with, and why. */
size_t sk_ws_decode(struct sk_ws *w, unsigned char *bytes, size_t len, struct sk_buf *answer,
                    enum sk_ws_code *code, const char **why);
void sk_ws_write_head(struct sk_buf *b, unsigned opcode, size_t len);
void sk_ws_write_close(struct sk_buf *b, enum sk_ws_code code);

/* ---- connections ---- */
enum {
    SK_MQTT_READ_BYTES = 64 << 10, /* of a connection in one round */
    SK_MQTT_FIRST_BYTES = 4 << 10, /* the same, before its CONNECT */
    SK_MQTT_ROUND_PACKETS = 64,    /* of a connection in one round */
    SK_MQTT_YOUNG_MS = 10000, /* for so long after CONNACK a connection is still one that logs in */
    SK_MQTT_YOUNG_EVENTS = 4, /* of all that log in, in a round */
    SK_MQTT_ALIVE_BYTES = 1000, /* so many in one read are a sign of life, without a packet */
    SK_MQTT_LINGER_MS = 1000,   /* to flush, and again for the client's end */
    SK_MQTT_TICK_MS = 100       /* between two looks at the deadlines */
};

enum sk_mqtt_state {
    SK_CONN_UPGRADE, /* waits for the HTTP request */
    SK_CONN_HELLO,   /* waits for CONNECT */
    SK_CONN_ASKED,   /* the handler has it */
    SK_CONN_OPEN,
    SK_CONN_FLUSHING, /* closed for the handler; what is queued still leaves */
    SK_CONN_ENDED,    /* the stream has ended; waits for the client's end */
    SK_CONN_DEAD      /* freed at the end of the round */
};

/* A publish that came and whose PUBACK has not left. */
struct sk_mqtt_inbound {
    uint16_t id;
    bool is_acked;
};

/* One that was sent and is not acknowledged. */
struct sk_mqtt_outbound {
    uint64_t token;
    uint16_t id;
};

struct sk_mqtt_loop;

/*
 * An idle connection has none of the buffers: part (in cut), rest, out, inbound, outbound come with
 * their first byte or entry and go with their last.
 */
struct sk_mqtt_conn {
    struct sk_mqtt_loop *loop;
    struct sk_stream *stream;
    struct sk_ws *ws; /* NULL: plain */
    void *user;
    char *address;
    unsigned char *cert; /* until CONNACK */
    size_t cert_len;
    uint64_t serial;
    uint32_t slot;
    enum sk_mqtt_state state;
    unsigned mask; /* what epoll was asked for; 0: it does not know the descriptor */
    bool is_young; /* the loop's epoll for these has it */

    struct sk_mqtt_conn *next; /* in the loop's touched or later, or in its inbox */
    bool is_touched;           /* in one of the two */
    bool was_asked;            /* the handler's connect was called, so closed will be */
    bool is_at_end;            /* the client says no more; end_why and end_code: how it ended */
    bool is_at_fault;          /* it is ended for what it sent */
    bool has_fin;              /* its stream has ended */
    bool is_dry;               /* the last read gave nothing, and epoll has not spoken since */
    bool is_busy;              /* a publish was refused for max_out_bytes: drained is due */
    unsigned budget;           /* packets left to it in the round... */
    uint32_t round;            /* ...of this number */
    enum sk_ws_code end_code;
    const char *end_why;

    struct sk_mqtt_cutter cut;
    struct sk_buf rest; /* read but not looked at, from rest_at on: held, or beyond the budget */
    size_t rest_at;
    struct sk_buf out; /* not written yet, from out_at on */
    size_t out_at;

    struct sk_mqtt_inbound *inbound; /* oldest first */
    struct sk_mqtt_outbound *outbound;
    unsigned inbound_count, outbound_count;
    unsigned subs; /* SUBSCRIBEs and UNSUBSCRIBEs without an answer */
    uint16_t next_id;

    uint64_t alive_ms;       /* last sign of life */
    uint64_t by_ms;          /* deadline of the states other than ASKED and OPEN */
    uint64_t keep_ms;        /* 1.5 times the keep-alive */
    uint64_t young_until_ms; /* once it is OPEN */
    uint64_t close_at_ms;
    const char *close_at_why;
};

/* conn.c */
int sk_mqtt_conn_new(struct sk_mqtt_loop *l, struct sk_stream **stream,
                     const struct sk_mqtt_peer *peer, bool is_websocket, struct sk_mqtt_conn **out,
                     struct sk_err *err) SK_CHECK;
void sk_conn_free(struct sk_mqtt_conn *c);
void sk_conn_ready(struct sk_mqtt_conn *c); /* epoll says so */
/* The end of a round: looks at what is left, writes, and asks epoll for what is needed. May free c.
 * is_touched is true during the call. */
void sk_conn_settle(struct sk_mqtt_conn *c);
/* Its next deadline; UINT64_MAX: none. */
uint64_t sk_conn_due(const struct sk_mqtt_conn *c);
/* A deadline may be over. */
void sk_conn_tick(struct sk_mqtt_conn *c);
/* Begins the end, in order; closed is called. */
void sk_conn_end(struct sk_mqtt_conn *c, bool had_disconnect, enum sk_ws_code code,
                 const char *why);
/* Ends without a word: the stream is of no use. */
void sk_conn_drop(struct sk_mqtt_conn *c, const char *why);

static inline size_t sk_conn_waiting(const struct sk_mqtt_conn *c)
{
    return c->out.len - c->out_at;
}

/* session.c: what packets mean */
void sk_conn_packet(struct sk_mqtt_conn *c, const struct sk_mqtt_packet *p);
/* Nothing more may be read now. */
bool sk_conn_is_held(const struct sk_mqtt_conn *c);

/* ---- loop.c ---- */
struct sk_mqtt_loop {
    struct sk_mqtt_server *server;
    unsigned index;
    int epoll, wake; /* wake: an eventfd that says that the inbox is not empty */
    int young;       /* an epoll in the other, with the connections that log in */
    pthread_t thread;
    bool has_thread;
    uint64_t (*clock)(void); /* sk_now_ms, or a test's */

    pthread_mutex_t lock; /* guards what follows up to the next line */
    struct sk_mqtt_post *posts, **posts_end;
    struct sk_mqtt_conn *adds;
    bool is_stopping, is_gone; /* gone: nothing looks at the inbox any more */
    uint64_t stop_by_ms;

    /* of the loop's thread alone */
    struct sk_mqtt_conn **slots;
    uint64_t *due; /* of each slot; apart, so that a look at all deadlines is one short read */
    uint32_t slots_cap, slots_used, free_slot;
    uint32_t *next_free;
    uint32_t open; /* connections */
    uint64_t serial;
    uint64_t now_ms;
    uint64_t next_due, last_tick_ms;
    uint32_t round;
    bool is_ending; /* stop has ended the connections */
    struct sk_mqtt_conn *touched, *later;
    unsigned char *scratch; /* SK_MQTT_READ_BYTES */
};

int sk_loop_init(struct sk_mqtt_loop *l, struct sk_mqtt_server *s, unsigned index,
                 struct sk_err *err) SK_CHECK;
int sk_loop_start(struct sk_mqtt_loop *l, struct sk_err *err) SK_CHECK;
/* Without a thread, as the tests do: one round, that waits at most wait_ms. */
void sk_loop_round(struct sk_mqtt_loop *l, int wait_ms);
/* Tells it to end its connections and then itself. */
void sk_loop_stop(struct sk_mqtt_loop *l, uint64_t by_ms);
/* Behind the last round: frees what is left and refuses what comes. */
void sk_loop_leave(struct sk_mqtt_loop *l);
void sk_loop_done(struct sk_mqtt_loop *l);
/* From any thread. -1: the loop is gone (add), or is ending. */
int sk_loop_add(struct sk_mqtt_loop *l, struct sk_mqtt_conn *c);
void sk_loop_post(struct sk_mqtt_loop *l, struct sk_mqtt_post *post);

/* Settles it at the end of this round, or of the next. */
void sk_loop_touch(struct sk_mqtt_conn *c);
void sk_loop_touch_later(struct sk_mqtt_conn *c);
/* Its deadline may have come nearer. */
void sk_loop_set_due(struct sk_mqtt_conn *c);
void sk_loop_forget(struct sk_mqtt_conn *c); /* its slot is free */

/* ---- server.c ---- */
struct sk_mqtt_server {
    struct sk_mqtt_options opts; /* without zeros */
    char *ws_path;
    struct sk_mqtt_loop *loops;
    unsigned loops_ready; /* that sk_loop_done is due for */
    atomic_uint connections;
    atomic_uint next_loop;
    pthread_mutex_t stop_lock; /* guards is_stopped */
    bool is_stopped;
};

/* sk_mqtt_server_new without the threads. */
int sk_server_make(const struct sk_mqtt_options *opts, struct sk_mqtt_server **out,
                   struct sk_err *err) SK_CHECK;

#endif
