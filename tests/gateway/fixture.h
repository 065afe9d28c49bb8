/*
 * fixture.h - a hub's folder with accounts, devices, telemetry and a gateway, and MQTT clients on
 * socket pairs.
 */
#ifndef SK_TESTS_GATEWAY_FIXTURE_H
#define SK_TESTS_GATEWAY_FIXTURE_H

#include "gateway/gateway_priv.h"

#include "base/clock.h"
#include "harness/alloc_fail.h"
#include "harness/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define HOST      "hub.example"
#define KEY_1     "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define KEY_2     "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWc="
#define ROW(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_remove)

#define DONE(call)                                                                                 \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s", err.text);                                                              \
    } while (0)

enum {
    PATIENCE_MS = 20000, /* nothing takes so long */
    QUIET_MS = 300       /* nothing comes for so long: there is nothing */
};

struct fixture {
    char *top;
    char dir[512];
    struct sk_store *store;
    struct sk_accounts *accounts;
    struct sk_telemetry *telemetry, *events;
    struct sk_devices *devices;
    struct sk_gateway *g;
    struct sk_who service;
    pthread_mutex_t gate; /* who holds it holds up the journal of messages */
};

/* cmocka setup and teardown; *state is the fixture. */
int fixture_make(void **state);
int fixture_remove(void **state);
/* From now on, and until `false`, no file may grow: the journal's writes fail as on a full disk. */
void disk_is_full(bool is_full);

struct sk_identity make_device(struct fixture *f, const char *device);
struct sk_identity make_module(struct fixture *f, const char *device, const char *module);
struct sk_identity identity_of(struct fixture *f, const char *device);
void change_twin(struct fixture *f, const char *device, const char *module, const char *json);
int64_t send_down(struct fixture *f, const char *device, const char *module, const char *input,
                  const char *text);
/* Waits for what was pushed to the writer of devices. */
void settle(struct fixture *f);
/* All messages of a journal, a line each; the text lives until the next call. */
const char *messages_of(struct sk_telemetry *t);
/* Waits until they contain this. */
void await_message(struct sk_telemetry *t, const char *words);

/* ---- clients ---- */

struct client {
    int fd;
    uint16_t next_id;
    unsigned char in[300000];
    size_t len, taken;
};

struct packet {
    unsigned type, flags; /* type 0: the end */
    uint16_t id;          /* of PUBLISH with QoS 1, PUBACK, SUBACK, UNSUBACK */
    unsigned code;        /* of CONNACK, and of the first filter of SUBACK */
    bool session_present;
    char topic[1024];
    const char *payload; /* a C string; valid until the next one is read */
    size_t len;
    unsigned char codes[8];
};

struct login {
    const char *client_id, *username, *password;
    size_t password_len; /* 0: strlen */
    bool is_clean;
    const char *will_topic, *will_text;
    bool will_retain;
    const char *address;
};

/* A new connection to the gateway; free with client_free, which is the connection's break. */
struct client *client_new(struct fixture *f, const char *address);
void client_free(struct client *c);
void client_connect(struct client *c, const struct login *l);
/* SharedAccessSignature of an identity, good for so many seconds. The text lives until the next. */
const char *token_of(const char *device, const char *module, const char *key, int64_t life_s);
/* Connects a device with a token that ends soon: at *end_ms of the wall clock. */
struct client *client_for_a_while(struct fixture *f, const char *device, uint64_t *end_ms);
/* Connects an identity with KEY_1; CONNACK must be 0. module "": the device. */
struct client *client_in(struct fixture *f, const char *device, const char *module, bool is_clean,
                         bool *session_present);
void client_publish(struct client *c, unsigned qos, bool retain, uint16_t id, const char *topic,
                    const void *payload, size_t len);
void client_say(struct client *c, unsigned qos, uint16_t id, const char *topic, const char *text);
void client_filters(struct client *c, bool is_subscribe, uint16_t id, unsigned qos,
                    const char *const *filters, size_t count);
/* SUBSCRIBE to one filter; the code of its SUBACK, which must be next. */
unsigned client_subscribe(struct client *c, unsigned qos, const char *filter);
void client_ack(struct client *c, uint16_t id);
void client_disconnect(struct client *c);
/* Waits at most wait_ms; false: nothing came. */
bool client_read(struct client *c, struct packet *out, int wait_ms);
/* The next packet must be of this type (0: the end). */
void client_want(struct client *c, unsigned type, struct packet *out);
void client_want_publish(struct client *c, const char *topic, const char *payload);
void client_quiet(struct client *c);

enum {
    CONNACK = 2,
    PUBLISH = 3,
    PUBACK = 4,
    SUBACK = 9,
    UNSUBACK = 11,
    PINGRESP = 13
};

#endif
