/*
 * edge_util.h - a local hub in miniature: the real workload API with a module's key, and a real
 * MQTT server over TLS that checks tokens, answers for the twin, and writes down what it was sent.
 */
#ifndef SK_TESTS_REPORTER_EDGE_UTIL_H
#define SK_TESTS_REPORTER_EDGE_UTIL_H

#include "reporter/reporter_priv.h"
#include "workload/workload.h"

#include <stdatomic.h>

enum {
    EDGE_WAIT_MS = 20000, /* patience; nothing takes so long */
    EDGE_MESSAGES = 4096
};

struct edge {
    char dir[64];
    char bundle[96], cert[2][96], key[96]; /* cert[i] is of CA i */
    char *ca[2];
    struct sk_workload *workload;
    struct sk_mqtt_server *server;
    struct sk_tls_front *front;
    uint16_t port;

    _Atomic bool keeps_pubacks, refuses; /* what the server is to do */
    _Atomic unsigned late_s; /* so long after its end a token is still taken: a login may be slow */
    _Atomic unsigned connects, denied, asks, twin_asks;
    pthread_mutex_t lock;                                 /* guards what follows */
    char username[256], client_id[128], password[2][512]; /* of the last two logins */
    char twin[1024];                                      /* what a GET is answered with */
    char reported[16][256];                               /* patches */
    unsigned reports;

    struct edge_message {
        char id[40], topic[256], payload[512];
    } * messages;

    unsigned count;
    struct sk_mqtt_ref conn;
};

void edge_start(struct edge *e); /* workload API, and a server with cert[0] */
void edge_stop(struct edge *e);
void edge_workload_start(struct edge *e);
void edge_server_start(struct edge *e, int ca);
void edge_server_stop(struct edge *e);   /* cuts */
void edge_trust(struct edge *e, int ca); /* in the bundle */
/* The environment of module "cam" on device "dev 1". */
struct sk_rep_env edge_env(const struct edge *e);
/* A reporter; fails the test when there is none. */
struct sk_reporter *edge_reporter(struct edge *e, const struct sk_reporter_options *opts);
/* Sets the twin and tells the client, if one is there. */
void edge_set_twin(struct edge *e, const char *twin, bool tells);
/* Wait until there are so many; fail the test when that takes too long. */
void edge_wait_messages(struct edge *e, unsigned n);
void edge_wait_reports(struct edge *e, unsigned n);
void edge_wait_at(int line, _Atomic unsigned *counter, unsigned n);
#define edge_wait(counter, n) edge_wait_at(__LINE__, counter, n)
void edge_wait_up(const struct sk_reporter *r, bool is_up);

/* Options for mode "each"; results with this label, or with numbers for labels. */
extern const struct sk_reporter_options edge_each;
void edge_report(struct sk_reporter *r, const char *label, int n);
void edge_report_numbered(struct sk_reporter *r, int from, int to);
void edge_wait_sent(const struct sk_reporter *r, uint64_t n);

#endif
