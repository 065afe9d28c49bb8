/* identity_json.c - identities as IoT Hub's Device and Module. */
#include "devices/devices_priv.h"

#include "base/clock.h"

static void add_key(struct sk_buf *out, const char *key)
{
    if (out->len > 0 && out->data[out->len - 1] != '{')
        sk_buf_chr(out, ',');
    sk_buf_chr(out, '"');
    sk_buf_str(out, key);
    sk_buf_str(out, "\":");
}

static void add_text(struct sk_buf *out, const char *key, const char *text)
{
    add_key(out, key);
    sk_buf_json_str(out, text);
}

void sk_json_text_or_null(struct sk_buf *out, const char *key, const char *text)
{
    add_key(out, key);
    if (text[0])
        sk_buf_json_str(out, text);
    else
        sk_buf_str(out, "null");
}

void sk_json_time(struct sk_buf *out, const char *key, int64_t ms)
{
    char text[SK_TIME_TEXT] = "0001-01-01T00:00:00Z";
    if (ms > 0)
        sk_time_text((uint64_t)ms, text);
    add_text(out, key, text);
}

static void add_authentication(struct sk_buf *out, const struct sk_identity *i, bool with_keys)
{
    add_key(out, "authentication");
    sk_buf_chr(out, '{');
    add_text(out, "type", sk_identity_auth_name(i->auth));
    add_key(out, "symmetricKey");
    sk_buf_chr(out, '{');
    sk_json_text_or_null(out, "primaryKey", with_keys ? i->primary_key : "");
    sk_json_text_or_null(out, "secondaryKey", with_keys ? i->secondary_key : "");
    sk_buf_chr(out, '}');
    add_key(out, "x509Thumbprint");
    sk_buf_chr(out, '{');
    sk_json_text_or_null(out, "primaryThumbprint", i->primary_thumbprint);
    sk_json_text_or_null(out, "secondaryThumbprint", i->secondary_thumbprint);
    sk_buf_str(out, "}}");
}

/* What only a Device has. */
static void add_device(struct sk_buf *out, const struct sk_identity *i)
{
    add_text(out, "status", i->is_enabled ? "enabled" : "disabled");
    sk_json_text_or_null(out, "statusReason", i->status_reason);
    sk_json_time(out, "statusUpdatedTime", i->status_ms);
    add_key(out, "capabilities");
    sk_buf_fmt(out, "{\"iotEdge\":%s}", i->is_edge ? "true" : "false");
    if (i->scope[0])
        add_text(out, "deviceScope", i->scope);
    add_key(out, "parentScopes");
    sk_buf_chr(out, '[');
    if (i->parent_scope[0])
        sk_buf_json_str(out, i->parent_scope);
    sk_buf_chr(out, ']');
}

void sk_identity_json(const struct sk_identity *i, bool with_keys, struct sk_buf *out)
{
    char etag[SK_ETAG_TEXT];
    sk_etag_text(i->etag, etag);
    sk_buf_chr(out, '{');
    add_text(out, "deviceId", i->device);
    if (i->module[0]) {
        add_text(out, "moduleId", i->module);
        sk_json_text_or_null(out, "managedBy", i->managed_by);
    }
    add_text(out, "generationId", i->generation);
    add_text(out, "etag", etag);
    add_text(out, "connectionState", i->is_connected ? "Connected" : "Disconnected");
    sk_json_time(out, "connectionStateUpdatedTime", i->connection_ms);
    sk_json_time(out, "lastActivityTime", i->activity_ms);
    add_key(out, "cloudToDeviceMessageCount");
    sk_buf_u64(out, i->waiting);
    if (!i->module[0])
        add_device(out, i);
    add_authentication(out, i, with_keys);
    sk_buf_chr(out, '}');
}
