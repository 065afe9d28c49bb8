/*
 * system.c - system properties: their names on the wire and in REST, JSON and exports; and the
 * stamps, which only a hub may set.
 *
 * The names are those of edgeHub's SystemProperties.cs and of the service SDKs.
 */
#include "iot/iot_priv.h"

static const struct sk_iot_system rows[] = {
    { "$.mid", "message-id" },
    { "$.cid", "correlation-id" },
    { "$.uid", "user-id" },
    { "$.ct", "content-type" },
    { "$.ce", "content-encoding" },
    { "$.exp", "absolute-expiry-time" },
    { "$.on", "iothub-outputname" },
    { "$.to", "to" },
    { "$.ctime", "iothub-creation-time-utc" },
    { "$.ifid", "iothub-interface-id" },
    { "$.sub", "dt-subject" },
    { "$.schema", "iothub-message-schema" },
    { "$.cdid", "iothub-connection-device-id" },
    { "$.cmid", "iothub-connection-module-id" },
    { "$.diagid", "diagnostic-id" },
    { "$.diagctx", "correlation-context" },
    { "iothub-ack", "iothub-ack" },
    { "ack", "iothub-ack" },
};

static const char *const stamps[] = {
    "iothub-connection-device-id",
    "iothub-connection-module-id",
    "iothub-connection-auth-generation-id",
    "iothub-connection-auth-method",
    "iothub-enqueuedtime",
    "iothub-message-source",
    "$.cdid",
    "$.cmid",
};

const struct sk_iot_system *sk_iot_system_by_wire(struct sk_view wire)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (sk_view_eq(wire, rows[i].wire))
            return &rows[i];
    return NULL;
}

const struct sk_iot_system *sk_iot_system_by_name(struct sk_view name)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (sk_view_eq(name, rows[i].name))
            return &rows[i];
    return NULL;
}

/* Without case: routes look properties up that way, so a stamp in capitals would be taken for it.
 */
bool sk_iot_property_is_stamp(struct sk_view name)
{
    for (size_t i = 0; i < sizeof stamps / sizeof stamps[0]; i++)
        if (sk_view_eq_nocase(name, stamps[i]))
            return true;
    return false;
}
