/* client_priv.h - what the client's files share (client_*.c), and their tests see. */
#ifndef SK_MQTT_CLIENT_PRIV_H
#define SK_MQTT_CLIENT_PRIV_H

#include "mqtt/mqtt_priv.h"

struct addrinfo;
struct sk_tls_clients;

enum {
    SK_CLIENT_READ_BYTES = 16 << 10, /* a TLS record */
    SK_CLIENT_READS = 8,             /* of one connection in a round */
    SK_CLIENT_SUB_FILTERS = 8,       /* in one SUBSCRIBE */
    SK_CLIENT_FILTERS = 256,         /* of a line */
    SK_CLIENT_INFLIGHT_MAX = 4096,   /* they are searched one by one, the oldest first */
    SK_CLIENT_ADDRESS_MS = 3000,     /* for an address behind which there is another */
    SK_CLIENT_RENEW_MS = 1000,       /* for what is unacknowledged when a line logs in anew */
    SK_CLIENT_POKE_MS = 1000,        /* a poke begins anew with TCP that has waited so long */
    SK_CLIENT_STEADY_MS = 10000,     /* up for so long: the next wait is the shortest again */
    SK_CLIENT_LOOKUPS = 4            /* threads that resolve names */
};

/* ---- client_resolve.c: names, on threads that nobody waits for ---- */
struct sk_resolver;

struct sk_lookup {
    struct sk_lookup *next; /* in one of the resolver's lists */
    struct sk_resolver *resolver;
    char *host;
    char port[8];
    void *owner; /* NULL: nobody waits any more */
    int rc;      /* getaddrinfo's, with errno's value for EAI_SYSTEM */
    int why;
    struct addrinfo *found; /* freeaddrinfo; the taker may take it */
};

typedef int sk_lookup_fn(const char *host, const char *port, const struct addrinfo *hints,
                         struct addrinfo **out);

/* wake_fd: an eventfd that is written to when an answer is there. find: NULL, or a test's instead
 * of getaddrinfo. */
int sk_resolver_new(int wake_fd, sk_lookup_fn *find, struct sk_resolver **out,
                    struct sk_err *err) SK_CHECK;
/* Waits for no thread: each frees what is left when it comes back. */
void sk_resolver_free(struct sk_resolver *r);
SK_DEFINE_OWN(struct sk_resolver, sk_resolver_free);
/* An address in figures is found at once, by the next take. A name that an earlier owner gave up,
 * and that is still being looked for, is taken over. */
int sk_resolver_ask(struct sk_resolver *r, const char *host, uint16_t port, void *owner,
                    struct sk_lookup **out, struct sk_err *err) SK_CHECK;
/* The next that is answered, or NULL; it is the caller's then: sk_lookup_free. */
struct sk_lookup *sk_resolver_take(struct sk_resolver *r);
/* Gives one up that was not taken. Accepts NULL. */
void sk_lookup_drop(struct sk_lookup *k);
void sk_lookup_free(struct sk_lookup *k);
SK_DEFINE_OWN(struct sk_lookup, sk_lookup_free);

/* ---- client_link.c: one connection's bytes ---- */
struct sk_mqtt_dialer;

struct sk_link {
    struct sk_mqtt_dialer *dialer;
    struct sk_mqtt_line *line;   /* NULL: it comes to its end in order, by by_ms */
    struct sk_mqtt_line *waiter; /* dials when this is gone */
    struct sk_link *next, **prev;
    int fd; /* until the stream has it */
    struct sk_stream *stream;
    unsigned mask; /* what epoll was asked for; 0: it does not know the descriptor */
    bool is_dead;  /* freed at the end of the round */
    bool has_ended, has_fin;
    uint64_t by_ms;
    struct sk_mqtt_cutter cut;
    struct sk_buf rest; /* read but not looked at, from rest_at on: the line is held */
    size_t rest_at;
    struct sk_buf out; /* not written yet, from out_at on */
    size_t out_at;
    uint64_t taken; /* bytes that the peer's TCP had acknowledged at the last look */
};

/* Takes fd, also on failure. */
int sk_link_new(struct sk_mqtt_line *line, int fd, struct sk_link **out,
                struct sk_err *err) SK_CHECK;
/* From now on it is nobody's, and freed at the end of the round. Accepts NULL. */
void sk_link_kill(struct sk_link *k);
void sk_link_free(struct sk_link *k);
/* Leaves its line: what is queued is written, the stream ends, the peer's end is read. */
void sk_link_leave(struct sk_link *k, struct sk_mqtt_line *waiter);
/* epoll says so, for one without a line. */
void sk_link_drain(struct sk_link *k);
/* Reads, cuts, and gives packets to the line, while it is not held. May lose it. */
void sk_link_read(struct sk_link *k);
void sk_link_take_rest(struct sk_link *k);
/* Writes what the line has queued. May lose it. */
void sk_link_write(struct sk_link *k);
/* The peer's TCP has acknowledged bytes since the last look, and there are more: a slow way, on
 * which the answer to what was sent cannot be there yet. */
bool sk_link_is_taken(struct sk_link *k);
/* 0, or -1: no memory. */
int sk_link_ask_epoll(struct sk_link *k, unsigned mask);

/* ---- client_dialer.c ---- */
struct sk_mqtt_dialer {
    int epoll, wake; /* wake: an eventfd that says that there is mail or an answer */
    pthread_t thread;
    bool has_thread;
    uint64_t (*clock)(void); /* sk_now_ms, or a test's */

    pthread_mutex_t lock; /* guards mail, is_stopping, and of lines what says so */
    pthread_cond_t closed;
    struct sk_mqtt_line *mail, **mail_end;
    bool is_stopping;

    /* of the dialer's thread alone */
    struct sk_resolver *resolver;
    struct sk_tls_clients *tls;
    struct sk_mqtt_line *lines;
    struct sk_link *links;
    uint64_t random;
    uint64_t now_ms, next_due;
    unsigned char *scratch; /* SK_CLIENT_READ_BYTES */
};

/* sk_mqtt_dialer_new without the thread. find: NULL, or a test's. */
int sk_dialer_make(sk_lookup_fn *find, struct sk_mqtt_dialer **out, struct sk_err *err) SK_CHECK;
/* One round, that waits at most wait_ms. Returns whether it is to stop. */
bool sk_dialer_round(struct sk_mqtt_dialer *d, int wait_ms);
/* The line is looked at in this round or the next. From any thread. */
void sk_dialer_post(struct sk_mqtt_line *l);
/* A deadline may have come nearer. */
void sk_dialer_set_due(struct sk_mqtt_dialer *d, uint64_t due_ms);
/* Uniform in 0..n-1. */
unsigned sk_dialer_random(struct sk_mqtt_dialer *d, unsigned n);

/* ---- client_line.c, client_dial.c, client_session.c ---- */
enum sk_line_state {
    SK_LINE_NEW,
    SK_LINE_WAITING,    /* until retry_at_ms */
    SK_LINE_RESOLVING,  /* for lookup */
    SK_LINE_CONNECTING, /* TCP, to one address after the other */
    SK_LINE_SHAKING,    /* TLS */
    SK_LINE_ASKING,     /* for a password */
    SK_LINE_GREETING,   /* for CONNACK */
    SK_LINE_SUBSCRIBING,
    SK_LINE_UP,
    SK_LINE_LEAVING, /* logs in anew: for the end of the old connection */
    SK_LINE_CLOSED
};

/* A publish that has no PUBACK. */
struct sk_line_sent {
    uint64_t token;
    uint16_t id;
    bool is_acked; /* told already; one before it is not */
};

struct sk_mqtt_line {
    struct sk_mqtt_dialer *dialer;
    struct sk_mqtt_line_options opts; /* without zeros; the texts are the line's own */
    char *texts[7];

    struct sk_mqtt_line *next_mail; /* the dialer's lock guards these three */
    bool is_mailed;
    bool is_closed;

    pthread_mutex_t lock; /* guards what follows up to the next line */
    bool wants_close, wants_renew, wants_poke;
    bool is_open;     /* publishes are taken */
    bool is_renewing; /* none for the moment */
    bool is_asking;   /* a login is waited for */
    bool has_login;   /* it is there: password, or... */
    bool is_refused;  /* ...not: no_login says why */
    char *password;
    char *no_login;
    struct sk_buf out;         /* whole packets, not given to the link yet */
    size_t sending;            /* bytes that the link has and the socket has not */
    bool is_busy;              /* a publish was refused: writable is due */
    struct sk_line_sent *sent; /* a ring of max_inflight; NULL while it is empty */
    unsigned sent_at, sent_count, unacked;
    struct sk_mqtt_inbound *inbound; /* oldest first; NULL while it is empty */
    unsigned inbound_count;
    char **filters;
    size_t filters_count;
    uint16_t next_id, sub_id; /* of the SUBSCRIBE under way; 0: none */

    atomic_bool is_up;

    /* of the dialer's thread alone */
    struct sk_mqtt_line *next, **prev;
    enum sk_line_state state;
    struct sk_link *link;
    struct sk_link *old; /* whose end it waits for, LEAVING */
    struct sk_lookup *lookup;
    struct addrinfo *found, *next_address;
    struct sk_err tried; /* how the last address failed */
    uint64_t by_ms;      /* the dial's end; of SUBSCRIBING its own */
    uint64_t address_by_ms, retry_at_ms, renew_by_ms;
    uint64_t heard_ms, sent_ms, up_ms;
    unsigned failures; /* in a row */
    bool is_pinged, session_present;
    size_t filters_done, sub_count;
};

/* client_line.c: its way up and down */
void sk_line_mail(struct sk_mqtt_line *l);
void sk_line_tick(struct sk_mqtt_line *l);
uint64_t sk_line_due(const struct sk_mqtt_line *l);
/* The connection is of no use, or there is none: unacked publishes are told, then down. */
void sk_line_lose(struct sk_mqtt_line *l, enum sk_mqtt_connack refusal, const char *why);
/* Ends it, without down; its thread is the dialer's. */
void sk_line_end(struct sk_mqtt_line *l);
void sk_line_free(struct sk_mqtt_line *l);
SK_DEFINE_OWN(struct sk_mqtt_line, sk_line_free);
/* At the end of what happened to it: writes, subscribes, tells writable, asks epoll. */
void sk_line_settle(struct sk_mqtt_line *l);

/* client_dial.c: from the name to TLS */
void sk_line_dial(struct sk_mqtt_line *l);
void sk_line_resolved(struct sk_mqtt_line *l, struct sk_lookup *k); /* takes k */
void sk_line_ready(struct sk_mqtt_line *l, unsigned events);        /* epoll says so */
void sk_line_time_out(struct sk_mqtt_line *l);  /* what it waits for did not come */
void sk_line_ask_login(struct sk_mqtt_line *l); /* the connection is there */

/* client_session.c: what packets mean, and what is sent */
void sk_line_greet(struct sk_mqtt_line *l); /* CONNECT, with the password that was given */
void sk_line_packet(struct sk_mqtt_line *l, const struct sk_mqtt_packet *p);
bool sk_line_is_held(struct sk_mqtt_line *l); /* nothing may be read now, for its handler is slow */
bool sk_line_is_full(struct sk_mqtt_line *l); /* nothing may be read now, for the peer is slow */
void sk_line_wipe(char *secret);              /* and frees; NULL too */
void sk_line_ping(struct sk_mqtt_line *l);
/* The next SUBSCRIBE, when one is due. */
void sk_line_send_subs(struct sk_mqtt_line *l);
/* Forgets all of the connection, and tells what was not acknowledged. */
void sk_line_reset(struct sk_mqtt_line *l);
size_t sk_line_waiting(struct sk_mqtt_line *l); /* bytes; the lock is held */

#endif
