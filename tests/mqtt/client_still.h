/*
 * client_still.h - a dialer without a thread, whose clock and rounds the test drives, and a line
 * whose connection is one end of a socket pair: the test plays the server, byte for byte.
 */
#ifndef SK_TESTS_MQTT_CLIENT_STILL_H
#define SK_TESTS_MQTT_CLIENT_STILL_H

#include "client_rig.h"

struct still {
    struct sk_mqtt_dialer *dialer;
    struct sk_mqtt_line *line;
    struct client_log log;
    int peer; /* the server's end */
};

/* opts: NULL, or what differs; host, handler and ctx are set here. The line waits for its first
 * dial. */
int still_make(struct still *s, const struct sk_mqtt_line_options *opts,
               struct sk_err *err) SK_CHECK;
void still_init(struct still *s, const struct sk_mqtt_line_options *opts);
/* A connection is there, as after TLS: login is asked. */
int still_connect(struct still *s, struct sk_err *err) SK_CHECK;
/* And CONNECT is read away, and accepted. */
void still_up(struct still *s, const struct sk_mqtt_line_options *opts);
void still_done(struct still *s);
void still_rounds(struct still *s);
void still_pass(struct still *s, uint64_t ms); /* time goes by; rounds */
uint64_t still_now(void);
/* Bytes as in rig.h; then rounds. */
void still_send(struct still *s, const char *text);
void still_send_bytes(struct still *s, const void *bytes, size_t len);
void still_close_peer(struct still *s);
/* Fails the test unless exactly these bytes have come. */
void still_expect_at(int line, struct still *s, const char *text, bool has_end);
#define still_expect(s, text)     still_expect_at(__LINE__, s, text, false)
#define still_expect_end(s, text) still_expect_at(__LINE__, s, text, true)
/* Compares the log, and empties it. */
void still_log_at(int line, struct still *s, const char *text);
#define still_log(s, text) still_log_at(__LINE__, s, text)
void still_publish(struct still *s, const char *topic, const char *payload, unsigned qos,
                   uint64_t token);

#define STILL_CONNECT "10 1b 0004 'MQTT' 04 c0 003c 0001 'c' 0004 'user' 0006 'secret'"
#define STILL_CONNACK "20 02 00 00"

#endif
