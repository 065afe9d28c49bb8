/*
 * api_iot_messages.c - messages to devices and modules, and what became of them.
 *
 *     POST   /devices/ID/messages/deviceBound        the body as it is -> 201 {"messageId"}
 *     POST   /devices/ID/modules/ID/inputs/INPUT     likewise, to an input of a module
 *     DELETE /devices/ID/commands                    -> {"totalMessagesPurged",..}
 *     GET    /messages/serviceBound/feedback         -> 200 and records under a lock (ETag), or 204
 *     DELETE /messages/serviceBound/feedback/LOCK    done with
 *     POST   /messages/serviceBound/feedback/LOCK/abandon
 *
 * IoT Hub takes the first over AMQP only, and knows no second. The fields are those of its HTTP
 * interface for devices: see iot_headers.c.
 */
#include "hub/api_iot_priv.h"

#include "base/clock.h"
#include "crypto/crypto.h"

#include <string.h>

enum {
    ID_BYTES = 16,
    TO_MAX = SK_IOT_ID_MAX + 64
};

static int make_id(char out[2 * ID_BYTES + 1], struct sk_err *err)
{
    unsigned char bytes[ID_BYTES];
    if (sk_random(bytes, sizeof bytes, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

static int read_expiry(const char *text, int64_t *out, struct sk_err *err)
{
    if (!text || !*text)
        return 0;
    if (!sk_time_parse(sk_view_of(text), out))
        return sk_fail(err, SK_INVALID,
                       "ArgumentInvalid: iothub-expiry '%.40s' is no time such as "
                       "2026-11-29T05:00:00Z",
                       text);
    if (*out <= (int64_t)sk_wall_ms())
        return sk_fail(err, SK_INVALID, "ArgumentInvalid: iothub-expiry '%.40s' is over", text);
    return 0;
}

static int send_message(struct sk_hub_call *call, struct sk_hub_iot_headers *h, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf bag = SK_BUF_INIT(SK_IOT_BAG_MAX);
    const bool is_input = call->parts[2] != NULL;
    char made[2 * ID_BYTES + 1], to[TO_MAX];
    struct sk_down m = { .input = is_input ? call->parts[2] : "", .body = sk_http_body(call->req) };
    if (sk_hub_iot_headers_read(call->req, h, err) < 0 ||
        read_expiry(h->expiry, &m.expiry_ms, err) < 0 || make_id(made, err) < 0)
        return -1;
    if (!h->message_id || !*h->message_id)
        h->message_id = made;
    (void)snprintf(to, sizeof to, "/devices/%s/messages/deviceBound", call->parts[0]);
    sk_hub_iot_headers_bag(h, is_input ? NULL : to, &bag);
    if (!sk_buf_ok(&bag))
        return sk_fail(err, SK_TOO_LARGE, "MessageTooLarge: the properties have over %d bytes",
                       SK_IOT_BAG_MAX);
    m.message_id = h->message_id;
    m.properties = bag.data;
    m.ack = h->ack && *h->ack ? h->ack : "none";
    if (sk_down_send(call->hub->iot->devices, &call->who, call->parts[0], sk_hub_iot_module(call),
                     &m, NULL, err) < 0)
        return -1;
    sk_buf_str(sk_http_out(call->req), "{\"messageId\":");
    sk_buf_json_str(sk_http_out(call->req), h->message_id);
    sk_buf_chr(sk_http_out(call->req), '}');
    return 0;
}

void sk_hub_iot_send(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_hub_iot_headers h = { 0 };
    int rc = send_message(call, &h, &err);
    sk_hub_iot_answer(call, rc, 201, &err);
    sk_hub_iot_headers_done(&h);
}

void sk_hub_iot_purge(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_buf *out = sk_http_out(call->req);
    uint64_t removed = 0;
    int rc = sk_down_purge(call->hub->iot->devices, &call->who, call->parts[0], &removed, &err);
    sk_buf_fmt(out, "{\"totalMessagesPurged\":%llu,\"deviceId\":", (unsigned long long)removed);
    sk_buf_json_str(out, call->parts[0]);
    sk_buf_str(out, ",\"moduleId\":null}");
    sk_hub_iot_answer(call, rc, 200, &err);
}

/* ---- feedback ---- */

void sk_hub_iot_feedback(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    char lock[40];
    int rc = sk_feedback_take(call->hub->iot->devices, sk_http_out(call->req), lock, &err);
    if (rc < 0 && err.code == SK_NOT_FOUND) {
        sk_hub_reply(call, 204);
        return;
    }
    if (rc == 0) {
        sk_hub_iot_set_etag(call, lock);
        sk_http_set_type(call->req, "application/vnd.microsoft.iothub.feedback.json");
    }
    sk_hub_iot_answer(call, rc, 200, &err);
}

static void end_feedback(struct sk_hub_call *call, bool complete)
{
    struct sk_err err = SK_ERR_INIT;
    int rc = sk_feedback_end(call->hub->iot->devices, call->parts[0], complete, &err);
    sk_hub_iot_answer(call, rc, 204, &err);
}

void sk_hub_iot_feedback_complete(struct sk_hub_call *call)
{
    end_feedback(call, true);
}

void sk_hub_iot_feedback_abandon(struct sk_hub_call *call)
{
    end_feedback(call, false);
}
