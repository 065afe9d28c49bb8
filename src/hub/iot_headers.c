/*
 * iot_headers.c - a message as header fields of HTTP, and as the bag that goes on the wire.
 *
 *     iothub-messageid, iothub-correlationid, iothub-userid, iothub-ack, iothub-expiry, iothub-to,
 *     iothub-creationtimeutc, iothub-contenttype, iothub-contentencoding, Content-Type,
 *     Content-Encoding, iothub-app-NAME
 *
 * Values are taken as they are; bytes that are no UTF-8 are refused, as in any property.
 */
#include "hub/api_iot_priv.h"

#include "base/str.h"

#include <string.h>
#include <strings.h>

static const char app_prefix[] = "iothub-app-";

static void add_app(struct sk_hub_iot_headers *h, const char *name, const char *value)
{
    if (!*name)
        h->failed = SK_INVALID;
    else
        sk_iot_bag_add(&h->app, &h->is_first, name, value);
}

static void take_field(void *ctx, const char *name, const char *value)
{
    struct sk_hub_iot_headers *h = ctx;

    const struct {
        const char *name;
        const char **to;
    } fields[] = {
        { "iothub-messageid", &h->message_id },
        { "iothub-correlationid", &h->correlation_id },
        { "iothub-userid", &h->user_id },
        { "iothub-ack", &h->ack },
        { "iothub-expiry", &h->expiry },
        { "iothub-to", &h->to },
        { "iothub-creationtimeutc", &h->creation_time },
        { "iothub-contenttype", &h->content_type },
        { "iothub-contentencoding", &h->content_encoding },
    };

    const bool is_app = strncasecmp(name, app_prefix, sizeof app_prefix - 1) == 0;
    if (is_app && !sk_utf8_valid(value, strlen(value)))
        h->failed = SK_INVALID;
    else if (is_app)
        add_app(h, name + sizeof app_prefix - 1, value);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcasecmp(name, fields[i].name) != 0)
            continue;
        if (!sk_utf8_valid(value, strlen(value)))
            h->failed = SK_INVALID;
        *fields[i].to = value;
    }
}

static const char *text_or(const char *text, const char *otherwise)
{
    return text && *text ? text : otherwise;
}

int sk_hub_iot_headers_read(const struct sk_http_req *req, struct sk_hub_iot_headers *out,
                            struct sk_err *err)
{
    *out = (struct sk_hub_iot_headers){ .app = SK_BUF_INIT(SK_IOT_BAG_MAX), .is_first = true };
    sk_http_headers(req, take_field, out);
    out->content_type = text_or(out->content_type, sk_http_header(req, "Content-Type"));
    out->content_encoding = text_or(out->content_encoding, sk_http_header(req, "Content-Encoding"));
    if (out->failed)
        return sk_fail(err, out->failed,
                       "ArgumentInvalid: a property has no name, or a value that is no UTF-8");
    if (!sk_buf_ok(&out->app))
        return sk_fail(err, SK_TOO_LARGE, "MessageTooLarge: the properties have over %d bytes",
                       SK_IOT_BAG_MAX);
    return 0;
}

void sk_hub_iot_headers_done(struct sk_hub_iot_headers *h)
{
    sk_buf_done(&h->app);
}

void sk_hub_iot_headers_bag(const struct sk_hub_iot_headers *h, const char *to, struct sk_buf *out)
{
    const struct {
        const char *name, *value;
    } system[] = {
        { "$.mid", h->message_id },  { "$.cid", h->correlation_id },
        { "$.uid", h->user_id },     { "$.to", to ? to : h->to },
        { "$.ct", h->content_type }, { "$.ce", h->content_encoding },
        { "$.exp", h->expiry },      { "$.ctime", h->creation_time },
        { "iothub-ack", h->ack },
    };

    bool is_first = true;
    for (size_t i = 0; i < sizeof system / sizeof system[0]; i++)
        if (text_or(system[i].value, NULL))
            sk_iot_bag_add(out, &is_first, system[i].name, system[i].value);
    if (h->app.len == 0)
        return;
    if (!is_first)
        sk_buf_chr(out, '&');
    sk_buf_add(out, h->app.data, h->app.len);
}
