/*
 * gateway_priv.h - sessions, the table of those that are live, methods under way.
 *
 * A session is a connection's; it lives and dies on the connection's loop. The table of live ones
 * is what other threads look into: identity -> connection. What they have for it goes there as a
 * post.
 */
#ifndef SK_GATEWAY_GATEWAY_PRIV_H
#define SK_GATEWAY_GATEWAY_PRIV_H

#include "base/thread.h"
#include "gateway/gateway.h"
#include "iot/iot.h"
#include "mqtt/mqtt.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    SK_GATEWAY_NAME_MAX = 2 * SK_IOT_ID_MAX + 2, /* "device/module" */
    /* Messages down that a client has yet to acknowledge: at their largest they leave room, in what
     * may wait for it, for methods and twins. */
    SK_GATEWAY_DOWN_WINDOW = 8,
    SK_GATEWAY_UNSTORED_MAX = 2 << 20, /* bytes of one connection, likewise; then QoS 0 is dropped
                                        */
    SK_GATEWAY_REPORTS_MAX = 16,       /* of one connection, on their way to the disk */
    SK_GATEWAY_LINGER_MS = 1000 /* before a connection ends whose message could not be stored */
};

/* Bits of a session's subs beside enum sk_iot_sub: asked for with QoS 0. */
enum {
    SK_SUB_AT_MOST_ONCE_SHIFT = 16
};

struct sk_will {
    struct sk_buf topic, payload;
    bool retain;
};

struct sk_session {
    struct sk_gateway *gateway;
    int64_t identity;
    unsigned subs;        /* what is on the disk */
    int64_t last_down;    /* id of the last message that was sent down on this connection */
    unsigned changes;     /* of subs, on their way to the disk */
    unsigned reports;     /* likewise, of its twin */
    size_t unstored;      /* bytes of its messages, likewise */
    bool is_dropping;     /* messages of QoS 0 */
    uint64_t end_ms;      /* of its credentials, monotonic */
    bool is_ending;       /* a message could not be stored */
    bool is_live;         /* in the table */
    bool is_clean;        /* begins with no subscriptions */
    bool is_waiting;      /* for the disk, before its CONNACK */
    bool is_accepted;     /* its CONNACK was sent, and that it is connected was told */
    bool has_replaced;    /* a connection whose end nobody tells */
    bool was_called;      /* methods were sent on it */
    bool down_is_due;     /* the window or the queue was full */
    struct sk_will *will; /* NULL: none */
    char generation[24];
    char auth_method[128];
    const char *module; /* into name; "" for a device */
    char device[];      /* "device\0module\0" */
};

/* ---- live.c: who is connected ---- */
struct sk_live_entry {
    int64_t identity; /* 0: empty */
    struct sk_mqtt_ref ref;
    uint64_t device_hash;
};

struct sk_live {
    pthread_mutex_t lock; /* guards all */
    struct sk_live_entry *table;
    size_t size, count; /* size: a power of 2 */
};

int sk_live_init(struct sk_live *l, struct sk_err *err) SK_CHECK;
void sk_live_done(struct sk_live *l);
/* Puts a connection in the place of the one before, which is given back: true when there was one.
 */
int sk_live_put(struct sk_live *l, int64_t identity, const char *device, struct sk_mqtt_ref ref,
                bool *had_old, struct sk_mqtt_ref *old, struct sk_err *err) SK_CHECK;
bool sk_live_find(struct sk_live *l, int64_t identity, struct sk_mqtt_ref *out);
/* Takes it out when it is this connection: false when a newer one has its place. */
bool sk_live_remove(struct sk_live *l, int64_t identity, struct sk_mqtt_ref ref);
/* Those of a device: itself and its modules (a hash may bring others too, which then connect once
 * more); at most max of them. */
size_t sk_live_of_device(struct sk_live *l, const char *device, struct sk_mqtt_ref *out,
                         size_t max);
/* free them. */
int sk_live_all(struct sk_live *l, struct sk_mqtt_ref **out, size_t *count,
                struct sk_err *err) SK_CHECK;
size_t sk_live_count(struct sk_live *l);

/* ---- methods.c ---- */
struct sk_pending; /* a call under way */

struct sk_methods {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t wake;
    struct sk_pending *first, **last; /* all of them, in the order of the calls */
    size_t count;
    uint64_t next_rid;
    bool is_stopping;
    pthread_t thread; /* deadlines */
    bool has_thread;
};

int sk_methods_init(struct sk_gateway *g, struct sk_err *err) SK_CHECK;
void sk_methods_stop(struct sk_gateway *g);
void sk_methods_done(struct sk_gateway *g);
/* A connection can take methods now: sends what waits for it. On its loop. */
void sk_methods_ready(struct sk_gateway *g, struct sk_mqtt_conn *c, struct sk_session *s);
void sk_methods_answer(struct sk_gateway *g, const struct sk_session *s,
                       const struct sk_iot_topic *topic, struct sk_view payload);
/* Its connection has ended: so do the calls that were sent on it. On its loop. */
void sk_methods_closed(struct sk_gateway *g, const struct sk_session *s);

struct sk_gateway {
    struct sk_gateway_options opts;
    struct sk_mqtt_server *mqtt;
    struct sk_live live;
    /* Held while a connection takes or leaves its place in `live` and devices are told so, so that
     * what they hear last is how it is. Taken before the others. */
    pthread_mutex_t places;
    struct sk_methods methods;
    atomic_uint clears;           /* of clean sessions, on their way to the disk */
    atomic_uint_fast64_t changes; /* of identities, so that a login that overlaps one is repeated */
    atomic_uint_fast64_t connects, refused, messages_in, bytes_in, messages_down, method_calls;
    atomic_uint_fast64_t twin_gets, twin_reports, desired;
};

/* ---- connect.c ---- */
void sk_gateway_connect(struct sk_mqtt_conn *c, const struct sk_mqtt_connect *p, void *ctx);
void sk_gateway_closed(struct sk_mqtt_conn *c, bool had_disconnect, const char *why, void *ctx);

/* ---- publish.c ---- */
void sk_gateway_publish(struct sk_mqtt_conn *c, const struct sk_mqtt_message *m, void *ctx);
/* The will of a connection that broke. */
void sk_gateway_will(struct sk_gateway *g, const struct sk_session *s);

/* ---- twin.c ---- */
void sk_gateway_twin_get(struct sk_mqtt_conn *c, struct sk_session *s,
                         const struct sk_iot_topic *topic, const struct sk_mqtt_message *m);
void sk_gateway_twin_report(struct sk_mqtt_conn *c, struct sk_session *s,
                            const struct sk_iot_topic *topic, const struct sk_mqtt_message *m);
void sk_gateway_desired(struct sk_gateway *g, const struct sk_device_event *e);

/* ---- subscribe.c ---- */
void sk_gateway_subscribe(struct sk_mqtt_conn *c, const struct sk_mqtt_filters *f, void *ctx);
void sk_gateway_unsubscribe(struct sk_mqtt_conn *c, const struct sk_mqtt_filters *f, void *ctx);
/* What a connection with these subscriptions waits for: messages down, methods. */
void sk_gateway_begin(struct sk_mqtt_conn *c, struct sk_session *s);

/* ---- down.c ---- */
void sk_gateway_down(struct sk_mqtt_conn *c, struct sk_session *s);
void sk_gateway_acked(struct sk_mqtt_conn *c, uint64_t token, void *ctx);
/* The client has taken what waited for it. */
void sk_gateway_drained(struct sk_mqtt_conn *c, void *ctx);

/* ---- gateway.c ---- */
bool sk_session_wants(const struct sk_session *s, enum sk_iot_sub sub);
/* Publishes with QoS 0; a queue that is full ends the connection. */
void sk_gateway_send(struct sk_mqtt_conn *c, const struct sk_buf *topic, struct sk_view payload);
/* Ends it a little later, and never later than its credentials: what it sends cannot be stored. */
void sk_gateway_linger(struct sk_mqtt_conn *c);
/* Ends a connection by its name, from any thread. */
void sk_gateway_cut(struct sk_gateway *g, struct sk_mqtt_ref ref, const char *why);

#endif
