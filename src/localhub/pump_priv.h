/*
 * pump_priv.h - out of the spool: up to the cloud, to inputs of modules, and what candidates had
 * kept aside. pump.c is the thread, up.c, deliver.c and candidate.c are its rounds.
 */
#ifndef SK_LOCALHUB_PUMP_PRIV_H
#define SK_LOCALHUB_PUMP_PRIV_H

#include "base/err.h"
#include "iot/iot.h"
#include "localhub/pace_priv.h"
#include "mqtt/mqtt.h"
#include "spool/spool.h"

#include <pthread.h>
#include <stdatomic.h>

struct sk_lh;
struct sk_lh_ident;

enum {
    SK_LH_WINDOW = 256,     /* messages upstream of one line without PUBACK */
    SK_LH_FLIGHTS = 2048,   /* of all lines */
    SK_LH_INPUT_WINDOW = 16 /* of one input */
};

struct sk_lh_flight {
    struct sk_lh_ident *ident; /* NULL: the place is free */
    uint64_t token, seq, sent_ns;
    unsigned priority;
    size_t bytes, ahead; /* its own; those on the way upstream with it, its own too */
    char output[40];     /* for the metrics: as much of it as fits */
};

/* Tokens of messages to inputs, and of those of the cloud to a leaf, beside those upstream. */
#define SK_LH_TOKEN_INPUT (1ull << 62)
#define SK_LH_TOKEN_CLOUD (1ull << 63)

struct sk_lh_ack {
    uint64_t token;
    bool is_acked;  /* else it is to be sent again */
    uint64_t at_ns; /* when sk_lh_pump_ack was told */
};

/* A reader of what waits for a module's input, or of what a candidate had kept aside. */
struct sk_lh_input {
    struct sk_lh_input *next;
    char endpoint[SK_SPOOL_ENDPOINT_MAX];
    char module[SK_IOT_ID_MAX + 1];
    const char *input; /* into endpoint; NULL: of a candidate */
    struct sk_spool_reader *reader;
    atomic_bool has_more, is_gone;
    struct sk_mqtt_ref to; /* where those in flight were sent */
    unsigned in_flight;
    size_t bytes_in_flight;
    struct sk_lh_flight flights[SK_LH_INPUT_WINDOW];
    uint64_t retry_at_ms;
};

struct sk_lh_pump {
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock; /* guards what follows up to "the pump's own" */
    pthread_cond_t wake;
    bool is_woken, is_stopping;
    bool has_gathered, is_gathering; /* something waits for the next turn; it begins by the clock */
    struct sk_lh_ack *acks;
    size_t acks_count, acks_cap;
    struct sk_lh_input *inputs; /* never freed before the end */
    bool has_up;                /* something new for $upstream */
    /* the pump's own */
    struct sk_lh_input *turn; /* the inputs there were at the begin of this turn */
    struct sk_spool_reader *up;
    struct sk_lh_flight flights[SK_LH_FLIGHTS];
    unsigned in_flight;
    size_t bytes_in_flight;
    struct sk_lh_pace pace;
    uint64_t next_token;
    uint64_t seen[SK_SPOOL_PRIORITIES]; /* the last that was read of each */
    bool up_has_more, has_item;
    uint64_t up_retry_at_ms;
    struct sk_spool_item item; /* read, and not sent yet */
};

int sk_lh_pump_start(struct sk_lh *h, struct sk_err *err) SK_CHECK;
void sk_lh_pump_stop(struct sk_lh *h);
/* Once the spool is closed: until then what it still writes is told to the pump. */
void sk_lh_pump_free(struct sk_lh *h);
void sk_lh_pump_wake(struct sk_lh *h);
/* The spool's: an endpoint has new messages. */
void sk_lh_pump_arrived(void *hub, const char *endpoint);
/* An endpoint is read from now on. */
void sk_lh_pump_endpoint(struct sk_lh *h, const char *endpoint);
void sk_lh_pump_ack(struct sk_lh *h, const struct sk_lh_ack *ack);
/* up.c and deliver.c: a round; returns when it wants the next at the latest (UINT64_MAX: not). */
uint64_t sk_lh_up_round(struct sk_lh *h, uint64_t now_ms);
void sk_lh_up_ack(struct sk_lh *h, const struct sk_lh_ack *ack);
uint64_t sk_lh_deliver_round(struct sk_lh *h, struct sk_lh_input *in, uint64_t now_ms);
/* Of what a candidate had kept aside. */
uint64_t sk_lh_release_round(struct sk_lh *h, struct sk_lh_input *in, uint64_t now_ms);
/* For both: the message in flight is taken off. True: it was there. */
bool sk_lh_deliver_ack(struct sk_lh *h, struct sk_lh_input *in, const struct sk_lh_ack *ack);
struct sk_lh_flight *sk_lh_flight_add(struct sk_lh_input *in, const struct sk_spool_item *item,
                                      struct sk_lh_ident *id, uint64_t token);
/* All that was sent is to be sent again. */
void sk_lh_flights_forget(struct sk_lh_input *in);
/* mqtt's: PUBACK of a client for a message to an input. */
void sk_lh_deliver_acked(struct sk_mqtt_conn *c, uint64_t token, void *ctx);

#endif
