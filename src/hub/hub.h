/*
 * hub.h - the cloud side: accounts, models, runs, images over HTTPS; devices over MQTT and HTTPS.
 *
 * One process, one folder (store.h). Requests are admitted (who, which role) when their headers are
 * there, before any body; short ones run on a pool of workers, bodies of uploads go to disk as they
 * come. A request that changes something is answered when the change is on the disk.
 */
#ifndef SK_HUB_HUB_H
#define SK_HUB_HUB_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sk_hub_init {
    const char *dir;
    const char *const *hostnames; /* names and addresses in the certificate; the first is the hub's
                                   */
    size_t hostname_count;
    uint16_t port; /* of the connection string; 8443 */
};

struct sk_hub_made {
    char url[300];
    char ca_file[4096];
    char ca_sha256[65];
    char owner_token[96];
    char token_file[4096];
};

/* Folder, database, CA (10 years), server certificate (2 years, renewed by run when less than a
 * third is left), the owner's token in a file (0600). Appears in one step: a failure leaves
 * nothing. */
int sk_hub_init(const struct sk_hub_init *opts, struct sk_hub_made *out,
                struct sk_err *err) SK_CHECK;

struct sk_hub_options {
    const char *dir;
    const char *host; /* address to listen on */
    uint16_t port;    /* 0: any */
    int listen_fd;    /* -1, or a listening socket (ownership is taken) */
    unsigned workers; /* 0: 8 */
    unsigned max_connections;
    uint64_t max_blob_bytes, max_upload_idle_ms;
    uint64_t gc_interval_ms, gc_grace_ms; /* 0: never; 0: 1 hour */
    bool plain_http;                      /* loopback only, for tests and for a proxy in front */
    uint16_t second_port;                 /* HTTPS there too (443: what devices' SDKs take for
                                             WebSocket, and az); 0: no */
    bool second_port_may_fail;            /* to bind: then it is only logged */
    uint16_t mqtt_port;                   /* 0: any */
    bool without_devices;                 /* neither MQTT nor WebSocket listen */
    unsigned max_devices;                 /* connected; 0: 20,000 */
    uint64_t telemetry_bytes, telemetry_age_ms; /* retention; 0: no bound */
};

struct sk_hub;

int sk_hub_start(const struct sk_hub_options *opts, struct sk_hub **out,
                 struct sk_err *err) SK_CHECK;
uint16_t sk_hub_port(const struct sk_hub *h);
uint16_t sk_hub_second_port(const struct sk_hub *h); /* 0: none */
uint16_t sk_hub_mqtt_port(const struct sk_hub *h);   /* 0: none */
/* Reads the server's certificate and key again, for new connections; those that are open go on.
 * What cannot be read or does not fit changes nothing. The hub does so itself when it renews them.
 */
int sk_hub_reload_certs(struct sk_hub *h, struct sk_err *err) SK_CHECK;
/* Stops accepting, ends what is under way within wait_ms; the number that was cut. */
unsigned sk_hub_drain(struct sk_hub *h, uint64_t wait_ms);
void sk_hub_stop(struct sk_hub *h);
SK_DEFINE_OWN(struct sk_hub, sk_hub_stop);

#endif
