/*
 * rig.h - a local hub in this process, with an agent on its wire, a cloud above it (an MQTT server
 * over TLS that answers twins) and clients on socket pairs.
 *
 *     ROW(test)             setup and teardown: device "edge", module "m" with instance "m-1" and
 *                           module "n" with "n-1"; routes of $edgeHub: everything to $upstream
 */
#ifndef SK_TESTS_LOCALHUB_RIG_H
#define SK_TESTS_LOCALHUB_RIG_H

#include "localhub/localhub_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/net.h"
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
#define HUB       "hub.example"
#define DEVICE    "edge"
#define ROW(test) cmocka_unit_test_setup_teardown(test, rig_make, rig_remove)
/* Without the cloud. */
#define LONE_ROW(test) cmocka_unit_test_setup_teardown(test, rig_make_lone, rig_remove)
#define ROUTES_UP      "\"up\":\"FROM /messages/* INTO $upstream\""

#define DONE(call)                                                                                 \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s", err.text);                                                              \
    } while (0)

enum {
    PATIENCE_MS = 20000, /* nothing takes so long */
    QUIET_MS = 150       /* nothing comes for so long: there is nothing */
};

/* A text that grows, by lines; others wait for words in it. */
struct notes {
    pthread_mutex_t lock; /* guards the text */
    pthread_cond_t grown;
    struct sk_buf text;
};

struct cloud {
    struct sk_mqtt_server *mqtt;
    struct sk_tls_front *front;
    uint16_t port;
    struct notes notes;   /* "edge/m topic payload" of each publish, "up edge/m", "down edge/m" */
    pthread_mutex_t lock; /* guards what follows */

    struct {
        char id[64], twin[512];
        struct sk_mqtt_ref ref;
        bool is_there;
    } clients[16];

    bool holds;           /* publishes are not acknowledged */
    int patch_status;     /* of reported patches; 0: 204 */
    bool is_deaf_to_gets; /* twins are not given */
    enum sk_mqtt_connack refusal;
    const char *unknown; /* a client id that is refused; NULL: none */
};

struct rig {
    char *top;
    char dir[256], run[256], ca[300], cert[300], key[300];
    struct sk_lh *h;
    pthread_t thread;
    atomic_bool is_over, has_thread;
    struct sk_wire *agent;
    struct notes told; /* each message of the local hub, as JSON */
    char leaf[512];    /* what the agent answers `leaf` with: leaves; "": it knows none */
    struct cloud cloud;
    bool has_cloud;
};

int rig_make(void **state);
int rig_make_lone(void **state);
int rig_remove(void **state);
/* Ends the local hub, without a word to the disk beyond what it does itself, and starts it again in
 * the same folder; the agent too when with_agent. */
void rig_restart(struct rig *r, bool with_agent);
void rig_stop(struct rig *r);
void rig_start(struct rig *r);

/* ---- the agent ---- */
void agent_connect(struct rig *r);
void agent_close(struct rig *r);
/* config, and modules m and n. */
void agent_configure(struct rig *r);
/* A call; its answer as JSON text is static. Fails the test when it is refused. */
const char *agent_call(struct rig *r, const char *json);
/* The text of the refusal; fails the test when it is not refused. */
const char *agent_refused(struct rig *r, const char *json);
/* "[{\"instance\":..,\"role\":..}]" of module m; n stays as it is. */
void agent_instances(struct rig *r, const char *instances);
/* The key of a module or leaf: base64. */
const char *key_of(const char *name);

/* ---- notes ---- */
void notes_init(struct notes *n);
void notes_done(struct notes *n);
void notes_add(struct notes *n, const char *fmt, ...) SK_PRINTF(2, 3);
/* Waits until all of these words, up to NULL, stand there in this order. */
void notes_wait(struct notes *n, const char *words, ...);
bool notes_have(struct notes *n, const char *words);
/* How often. */
unsigned notes_count(struct notes *n, const char *words);
void notes_clear(struct notes *n);

/* ---- the cloud ---- */
void cloud_start(struct rig *r);
void cloud_stop(struct rig *r);
/* The twin of a client; "{\"desired\":{..},\"reported\":{..}}". Without one it gets an empty one.
 */
void cloud_twin(struct rig *r, const char *id, const char *twin);
void cloud_send(struct rig *r, const char *id, const char *topic, const char *payload,
                unsigned qos);
void cloud_cut(struct rig *r, const char *id);
/* Until the lines of these ids, up to NULL, are up. */
void cloud_wait_up(struct rig *r, const char *id, ...);
/* Routes of $edgeHub by a desired patch of this version; waits until they are taken. */
void cloud_routes(struct rig *r, int version, const char *routes);

/* ---- clients ---- */
enum {
    CONNACK = 2,
    PUBLISH = 3,
    PUBACK = 4,
    SUBACK = 9,
    ENDED = 100
};

struct packet {
    unsigned kind, code, qos;
    bool session_present;
    uint16_t id;
    char topic[1024], payload[4096];
    unsigned char codes[8];
};

struct client {
    int fd;
    struct sk_buf in;
};

struct client *client_new(struct rig *r);
/* A token over audience `host` of a name "m" (a module) or "/leaf" (a device), with a key. */
void client_log_in(struct client *c, const char *name, const char *token, bool is_clean);
const char *token_of(const char *host, const char *name, const char *key, int64_t life_s);
/* Logged in and accepted. */
struct client *client_in(struct rig *r, const char *name);
void client_free(struct client *c);
SK_DEFINE_OWN(struct client, client_free);
void client_subscribe(struct client *c, const char *filter, unsigned qos);
void client_publish(struct client *c, unsigned qos, uint16_t id, const char *topic,
                    const char *payload);
/* To output `output` of module m ("" none), with QoS 1; waits for its PUBACK. */
void client_say(struct client *c, const char *module, const char *output, const char *payload);
void client_ack(struct client *c, uint16_t id);
/* The next packet, or ENDED. */
void client_next(struct client *c, struct packet *out);
/* The next of this kind; fails the test on another. */
void client_want(struct client *c, unsigned kind, struct packet *out);
bool client_is_quiet(struct client *c);

struct sk_lh_ident *ident_of(struct rig *r, const char *key);
/* Until the condition, evaluated with the lock held, is true. */
void wait_until(struct rig *r, bool (*is_true)(struct rig *r, void *ctx), void *ctx,
                const char *what);

#endif
