/*
 * client_rig.h - for the client's tests: a real server over TLS on loopback, whose handler does
 * what the test says, a CA with certificates of every kind, and a line that writes down what it is
 * told.
 */
#ifndef SK_TESTS_MQTT_CLIENT_RIG_H
#define SK_TESTS_MQTT_CLIENT_RIG_H

#include "mqtt/client_priv.h"

enum {
    CLIENT_WAIT_MS = 30000 /* patience; nothing takes so long */
};

/* ---- certificates in a temporary folder ---- */
struct client_pki {
    char *folder;
    char ca[160], other_ca[160];                            /* the second has signed nothing here */
    char cert[160], key[160];                               /* for localhost, 127.0.0.1 and ::1 */
    char old_cert[160], young_cert[160], strange_cert[160]; /* expired, not yet valid, other names
                                                             */
    char client_cert[160], client_key[160];
};

void client_pki_make(struct client_pki *p);
void client_pki_remove(struct client_pki *p);

/* ---- the server ---- */
struct client_server {
    struct sk_mqtt_server *server;
    struct sk_tls_front *front;
    uint16_t port;
    /* what it is to do; may be changed while it runs */
    atomic_int connack;       /* the code */
    atomic_bool keeps_puback; /* a publish is not acknowledged */
    atomic_bool refuses_subs; /* SUBACK 0x80 for a filter that begins with "no" */
    atomic_bool echoes;       /* a publish to "t" comes back on "echo", QoS 1 */
    atomic_bool throws_out;   /* a publish to "bye" closes */
    /* what came */
    atomic_uint connects, disconnects, closes, publishes, subs, acked, certs;
    pthread_mutex_t lock; /* guards texts */
    char texts[4096];     /* "user/password topic=payload ..." */
};

/* port 0: any; cert: of the pki's. */
void client_server_start(struct client_server *s, const struct client_pki *p, const char *cert,
                         uint16_t port);
/* Cuts all connections as a kill does. */
void client_server_stop(struct client_server *s);
/* Fails the test unless the text comes to be among what came. */
void client_server_expect(struct client_server *s, const char *text);

/* ---- the line ---- */
struct client_log {
    pthread_mutex_t lock; /* guards text */
    char text[8192];      /* "up down:0:why acked:7 lost:8 message:topic=payload writable" */
    atomic_uint ups, downs, acked, lost, messages, writables, logins, pubacked;
    atomic_int refusal;
    atomic_bool keeps_login, keeps_puback;
    const char *password; /* given at login; NULL: none */
    const char *no_login;
    atomic_uint retry_ms;
};

extern const struct sk_mqtt_line_handler client_handler; /* ctx: a struct client_log */

void client_log_init(struct client_log *log);
/* Waits until the counter is at least n; fails the test when that takes too long. */
void client_wait_at(int line, const struct client_log *log, atomic_uint *counter, unsigned n);
#define client_wait(log, counter, n) client_wait_at(__LINE__, log, &(log)->counter, n)
#define server_wait(s, counter, n)   client_wait_at(__LINE__, NULL, &(s)->counter, n)
/* Fails unless the text stands in the log. */
void client_expect_at(int line, struct client_log *log, const char *text);
#define client_expect(log, text) client_expect_at(__LINE__, log, text)
/* Waits until it stands there. */
void client_await_at(int line, struct client_log *log, const char *text);
#define client_await(log, text) client_await_at(__LINE__, log, text)

/* Options for a line to the server. */
struct sk_mqtt_line_options client_options(const struct client_server *s,
                                           const struct client_pki *p, struct client_log *log);

#endif
