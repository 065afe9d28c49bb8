/*
 * rig.h - a server without threads, whose rounds and clock the test drives, and clients on socket
 * pairs.
 */
#ifndef SK_TESTS_MQTT_RIG_H
#define SK_TESTS_MQTT_RIG_H

#include "mqtt/mqtt_priv.h"

/* Bytes of "10 0c 'MQTT' 04": hexadecimal, and text in quotes. Returns how many. */
size_t rig_bytes(const char *text, unsigned char *out, size_t cap);

/* What the handler is to do, and did: "connect:id publish:topic=payload ack:7 closed:why". */
struct rig {
    struct sk_mqtt_server *server;
    struct sk_mqtt_loop *loop; /* the only one */
    struct sk_mqtt_conn *conn; /* the last that connected; NULL when it is closed */
    uint16_t last_id;          /* of the last publish or subscription */
    bool keeps_connect, keeps_publish, keeps_subs; /* not answered by itself */
    enum sk_mqtt_connack code;
    char log[8192];
    unsigned publishes, closes, drains, faults;
};

/* opts: NULL, or what differs from the defaults; handler, ctx and loops are set here. */
int rig_make(struct rig *r, const struct sk_mqtt_options *opts, struct sk_err *err) SK_CHECK;
void rig_init(struct rig *r, const struct sk_mqtt_options *opts);
void rig_done(struct rig *r);
/* The client's end of a new connection. */
int rig_client(struct rig *r, bool is_websocket);
/* One that is connected as "c": the CONNACK is read. */
int rig_connected(struct rig *r);
void rig_send(struct rig *r, int fd, const char *text); /* and rounds */
void rig_rounds(struct rig *r);
void rig_pass(struct rig *r, uint64_t ms); /* time goes by; rounds */
/* What has come, at most cap; *has_end: then the end came. */
size_t rig_recv(int fd, unsigned char *out, size_t cap, bool *has_end);
/* Fails the test unless exactly these bytes have come. */
void rig_expect_at(int line, int fd, const char *text, bool has_end);
#define rig_expect(fd, text)     rig_expect_at(__LINE__, fd, text, false)
#define rig_expect_end(fd, text) rig_expect_at(__LINE__, fd, text, true)
/* Compares the log, and empties it. */
void rig_log_at(int line, struct rig *r, const char *text);
#define rig_log(r, text) rig_log_at(__LINE__, r, text)

#define RIG_CONNECT "10 0d 0004 'MQTT' 04 02 003c 0001 'c'"

#endif
