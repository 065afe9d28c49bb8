/*
 * gateway.h - the hub's MQTT front: connects devices and modules as IoT Hub does, and carries
 * messages between them and telemetry, twins, methods and messages down.
 *
 * One connection per identity; the newest wins. Subscriptions belong to the identity, are kept on
 * the disk, and hold over breaks and restarts of the hub: the SDKs do not subscribe again. A client
 * may publish to its own topics only; anything else ends the connection, as at IoT Hub.
 *
 * A publish of QoS 1 is acknowledged when the message is on the disk. What cannot be stored (a full
 * disk, say) is not acknowledged, and ends the connection a second later: the client comes back and
 * sends it again. A slow client is sent no more than it takes: a queue that is full ends its
 * connection, and touches no other.
 *
 * A token's end is the connection's end; so are, at once, a change of its identity's keys or
 * status, and its deletion.
 *
 * Threads: all may be shared. Reference: azure-iot-protocol sections 1.1 to 1.7.
 */
#ifndef SK_GATEWAY_GATEWAY_H
#define SK_GATEWAY_GATEWAY_H

#include "accounts/accounts.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "base/stream.h"
#include "devices/devices.h"
#include "telemetry/telemetry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SK_GATEWAY_METHODS_MAX = 10000,     /* calls that wait for an answer */
    SK_GATEWAY_METHODS_EACH = 100,      /* of one identity */
    SK_METHOD_RESPONSE_MS_MAX = 300000, /* at least 5 s */
    SK_METHOD_CONNECT_MS_MAX = 300000
};

struct sk_gateway;

struct sk_gateway_options {
    struct sk_accounts *accounts;
    struct sk_devices *devices;
    struct sk_telemetry *telemetry;
    struct sk_telemetry *events;  /* connections; NULL: nobody keeps them */
    const char *const *hub_names; /* of user names and audiences; NULL-terminated; borrowed */
    unsigned loops;               /* 0: 2 */
    unsigned max_connections;     /* 0: 20,000 */
};

int sk_gateway_new(const struct sk_gateway_options *opts, struct sk_gateway **out,
                   struct sk_err *err) SK_CHECK;
/* Ends every connection; methods that wait are answered with SK_CANCELLED. Devices and telemetry
 * must still be there. */
void sk_gateway_stop(struct sk_gateway *g, unsigned wait_ms);
void sk_gateway_free(struct sk_gateway *g);
SK_DEFINE_OWN(struct sk_gateway, sk_gateway_free);

/* A client whose handshake is done; the stream is taken, also on failure. */
int sk_gateway_add(struct sk_gateway *g, struct sk_stream *stream, const char *address,
                   struct sk_view cert, bool is_websocket, struct sk_err *err) SK_CHECK;

/* What devices tells; on its writer's thread. */
void sk_gateway_event(struct sk_gateway *g, const struct sk_device_event *e);

/* By what a client may have logged in, beside the keys and thumbprints of its identity. */
enum sk_gateway_login {
    SK_GATEWAY_BY_POLICY,
    SK_GATEWAY_BY_CERT
};

/* After a policy has a new key, or devices have other CAs: ends the connections that came in by
 * such a means. Who still may comes back at once. */
void sk_gateway_logins_changed(struct sk_gateway *g, enum sk_gateway_login by);

/* ---- direct methods ---- */
struct sk_method_call {
    const char *device, *module; /* module "": the device */
    const char *name;
    struct sk_view payload; /* JSON; empty: none */
    unsigned response_ms, connect_ms;
    /* Exactly once, on any thread, when sk_gateway_invoke gave 0. failed: SK_NOT_FOUND
     * ("DeviceNotOnline: ..") when it was not connected and subscribed in connect_ms, or
     * ("DeviceConnectionClosedRemotely: ..") when the connection that it was sent on ended;
     * SK_TIMEOUT ("GatewayTimeout: .."); SK_CANCELLED. Else the device's status and payload (JSON
     * or ""). */
    void (*done)(void *ctx, int status, struct sk_view payload, const struct sk_err *failed);
    void *ctx;
};

/* Copies; SK_LIMIT, SK_INVALID (name, payload, times), SK_NOT_FOUND (no such identity). */
int sk_gateway_invoke(struct sk_gateway *g, const struct sk_method_call *call,
                      struct sk_err *err) SK_CHECK;

struct sk_gateway_counts {
    uint64_t connections, connects, refused; /* now; accepted; CONNECTs turned down, all since start
                                              */
    uint64_t messages_in, bytes_in, messages_down, methods, twin_gets, twin_reports, desired;
};

void sk_gateway_counts(const struct sk_gateway *g, struct sk_gateway_counts *out);

#endif
