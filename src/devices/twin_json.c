/* twin_json.c - IoT Hub's Twin. */
#include "devices/devices_priv.h"

#include <string.h>

static void add_prints(struct sk_buf *out, const struct sk_identity *i)
{
    sk_buf_str(out, ",\"x509Thumbprint\":{");
    sk_json_text_or_null(out, "primaryThumbprint", i->primary_thumbprint);
    sk_json_text_or_null(out, "secondaryThumbprint", i->secondary_thumbprint);
    sk_buf_chr(out, '}');
}

static void add_identity(struct sk_buf *out, const struct sk_twin *t)
{
    const struct sk_identity *i = &t->identity;
    char etag[SK_ETAG_TEXT], device_etag[SK_ETAG_TEXT];
    sk_etag_text(t->etag, etag);
    sk_etag_text(i->etag, device_etag);
    sk_buf_str(out, "{\"deviceId\":");
    sk_buf_json_str(out, i->device);
    if (i->module[0]) {
        sk_buf_str(out, ",\"moduleId\":");
        sk_buf_json_str(out, i->module);
    }
    sk_buf_fmt(out, ",\"etag\":\"%s\",\"deviceEtag\":\"%s\",\"status\":\"%s\"", etag, device_etag,
               i->is_enabled ? "enabled" : "disabled");
    if (i->status_reason[0])
        sk_json_text_or_null(out, "statusReason", i->status_reason);
    sk_json_time(out, "statusUpdateTime", i->status_ms);
    sk_buf_fmt(out, ",\"connectionState\":\"%s\"", i->is_connected ? "Connected" : "Disconnected");
    sk_json_time(out, "lastActivityTime", i->activity_ms);
    sk_buf_fmt(out, ",\"cloudToDeviceMessageCount\":%u,\"authenticationType\":\"%s\"", i->waiting,
               sk_identity_auth_name(i->auth));
    add_prints(out, i);
}

static void add_device(struct sk_buf *out, const struct sk_identity *i)
{
    sk_buf_fmt(out, ",\"capabilities\":{\"iotEdge\":%s}", i->is_edge ? "true" : "false");
    if (i->scope[0])
        sk_json_text_or_null(out, "deviceScope", i->scope);
    sk_buf_str(out, ",\"parentScopes\":[");
    if (i->parent_scope[0])
        sk_buf_json_str(out, i->parent_scope);
    sk_buf_chr(out, ']');
}

void sk_twin_json(const struct sk_twin *t, struct sk_buf *out)
{
    const struct sk_twin_section desired = { t->desired, t->desired_meta, t->desired_version };
    const struct sk_twin_section reported = { t->reported, t->reported_meta, t->reported_version };
    add_identity(out, t);
    sk_buf_str(out, ",\"modelId\":\"\",\"version\":");
    sk_buf_i64(out, t->version);
    sk_buf_str(out, ",\"tags\":");
    sk_buf_str(out, t->tags);
    if (strcmp(t->configurations, "{}") != 0) {
        sk_buf_str(out, ",\"configurations\":");
        sk_buf_str(out, t->configurations);
    }
    sk_buf_str(out, ",\"properties\":{\"desired\":");
    sk_twin_service_json(&desired, out);
    sk_buf_str(out, ",\"reported\":");
    sk_twin_service_json(&reported, out);
    sk_buf_chr(out, '}');
    if (!t->identity.module[0])
        add_device(out, &t->identity);
    sk_buf_chr(out, '}');
}
