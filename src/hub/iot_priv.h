/*
 * iot_priv.h - the device half of the hub, for its API files.
 */
#ifndef SK_HUB_IOT_PRIV_H
#define SK_HUB_IOT_PRIV_H

#include "crypto/crypto.h"
#include "deploy/deploy.h"
#include "devices/devices.h"
#include "gateway/gateway.h"
#include "hub/hub_priv.h"
#include "telemetry/telemetry.h"

/* ---- live.c: requests that wait for messages (server-sent events, long polls) ---- */
enum {
    SK_LIVE_READERS_MAX = 256
};

struct sk_live_reader;

struct sk_live_readers {
    pthread_mutex_t lock; /* guards all */
    struct sk_live_reader *first;
    unsigned count;
    bool is_ending;
};

void sk_live_readers_init(struct sk_live_readers *r);
/* Before the answer of req is begun. SK_BUSY: too many wait. */
int sk_live_reader_add(struct sk_live_readers *r, struct sk_http_req *req,
                       struct sk_live_reader **out, struct sk_err *err) SK_CHECK;
void sk_live_reader_remove(struct sk_live_readers *r, struct sk_live_reader *reader); /* or NULL */
/* A struct sk_telemetry_options.committed; ctx is the readers. */
void sk_live_wake(void *ctx, uint64_t first, uint64_t last);
void sk_live_wake_all(struct sk_live_readers *r);
/* The hub ends: who waits for a first message is answered without one. */
void sk_live_end(struct sk_live_readers *r);
bool sk_live_is_ending(struct sk_live_readers *r);
void sk_live_readers_done(struct sk_live_readers *r);

struct sk_hub_iot {
    struct sk_telemetry *telemetry, *events;
    struct sk_devices *devices;
    struct sk_deploy *deploy;
    struct sk_gateway *gateway;
    struct sk_tls_front *front; /* 8883 */
    uint16_t port;
    struct sk_live_readers readers;
    pthread_mutex_t lock; /* guards is_stopping */
    pthread_cond_t wake;
    bool is_stopping;
    pthread_t care;
    bool has_care;
};

/* ---- iot.c ---- */
int sk_hub_iot_open(struct sk_hub *h, struct sk_err *err) SK_CHECK;
/* Opens 8883; pem: certificate and key. */
int sk_hub_iot_listen(struct sk_hub *h, const char *pem, struct sk_err *err) SK_CHECK;
/* Certificate and key once more. */
int sk_hub_iot_reload(struct sk_hub *h, struct sk_err *err) SK_CHECK;
/* A struct sk_http_options.take. */
int sk_hub_take_websocket(struct sk_stream *stream, const struct sk_tls_peer *peer, void *ctx);
/* No new clients; ends those there are. */
void sk_hub_iot_quiesce(struct sk_hub *h, unsigned wait_ms);
void sk_hub_iot_close(struct sk_hub *h);

/* ---- device_ca.c: <dir>/tls/device-ca.pem, to which certificates of devices may chain ---- */
int sk_hub_device_ca_load(struct sk_hub *h, struct sk_err *err) SK_CHECK;

/* Tables of routes; see dispatch.c. */
extern const struct sk_hub_route sk_hub_routes_device_ca[];
extern const struct sk_hub_route sk_hub_routes_deployments[]; /* api_deployments.c */
extern const struct sk_hub_route sk_hub_routes_telemetry[];   /* api_telemetry.c */
extern const struct sk_hub_route sk_hub_routes_metrics[];     /* api_metrics.c */
extern const struct sk_hub_route sk_hub_routes_policies[];    /* api_policies.c */
extern const struct sk_hub_route sk_hub_routes_iot[];         /* api_iot.c: IoT Hub's REST */

/* ---- answers as IoT Hub gives them ---- */
/* err's text may begin with IoT Hub's name of the error ("DeviceNotFound: ..."); else one follows
 * from the code. */
void sk_hub_fail_iot(struct sk_hub_call *call, const struct sk_err *err);

#endif
