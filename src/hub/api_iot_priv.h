/*
 * api_iot_priv.h - what the files of IoT Hub's service REST share: api_iot.c has the table.
 */
#ifndef SK_HUB_API_IOT_PRIV_H
#define SK_HUB_API_IOT_PRIV_H

#include "hub/iot_priv.h"

enum {
    SK_HUB_IOT_TOP = 1000 /* of ?top=, and its default */
};

/* ---- api_iot.c ---- */
/* Answers with what sk_http_out has, or with the error; rc is what the work gave. */
void sk_hub_iot_answer(struct sk_hub_call *call, int rc, int status, const struct sk_err *err);
/* The ETag header, quoted. */
void sk_hub_iot_set_etag(struct sk_hub_call *call, const char *etag);
/* The same of the member "etag" of the JSON object that sk_http_out has. */
void sk_hub_iot_copy_etag(struct sk_hub_call *call);
/* If-Match, NULL when absent. Quoted, bare or "*": devices.h takes all. */
const char *sk_hub_iot_if_match(const struct sk_hub_call *call);
/* ?top=; a number that is none of 1 to SK_HUB_IOT_TOP means that, as at IoT Hub. */
int sk_hub_iot_top(const struct sk_hub_call *call, unsigned *out, struct sk_err *err) SK_CHECK;
/* Whether who asks may see the keys of identities: a policy as at IoT Hub, a device those of its
 * modules, and a role that may change them. Readers do not. */
bool sk_hub_iot_shows_keys(const struct sk_hub_call *call);
/* The module of a path, "" when it has none. */
const char *sk_hub_iot_module(const struct sk_hub_call *call);

/* ---- iot_headers.c: a message as header fields ---- */
struct sk_hub_iot_headers {
    const char *message_id, *correlation_id, *user_id, *ack, *expiry, *to, *creation_time;
    const char *content_type, *content_encoding;
    struct sk_buf app; /* the application's properties, as a bag */
    bool is_first;
    enum sk_code failed; /* SK_OK, or why a field is refused */
};

/* Reads iothub-messageid, iothub-app-NAME and so on; texts are those of the request. Ends with
 * _done, in every case. */
int sk_hub_iot_headers_read(const struct sk_http_req *req, struct sk_hub_iot_headers *out,
                            struct sk_err *err) SK_CHECK;
void sk_hub_iot_headers_done(struct sk_hub_iot_headers *h);
/* The system properties and the application's as a bag. to: NULL, or instead of the field's. */
void sk_hub_iot_headers_bag(const struct sk_hub_iot_headers *h, const char *to, struct sk_buf *out);

/* ---- the functions of the rows ---- */
void sk_hub_iot_list(struct sk_hub_call *call); /* api_iot_devices.c */
void sk_hub_iot_bulk(struct sk_hub_call *call);
void sk_hub_iot_get(struct sk_hub_call *call);
void sk_hub_iot_put(struct sk_hub_call *call);
void sk_hub_iot_delete(struct sk_hub_call *call);
void sk_hub_iot_modules(struct sk_hub_call *call);
void sk_hub_iot_scope(struct sk_hub_call *call); /* api_iot_scope.c */
void sk_hub_iot_scope_one(struct sk_hub_call *call);
void sk_hub_iot_twin_get(struct sk_hub_call *call); /* api_iot_twins.c */
void sk_hub_iot_twin_patch(struct sk_hub_call *call);
void sk_hub_iot_twin_put(struct sk_hub_call *call);
void sk_hub_iot_method(struct sk_hub_call *call); /* api_iot_methods.c */
void sk_hub_iot_query(struct sk_hub_call *call);  /* api_iot_query.c */
void sk_hub_iot_device_statistics(struct sk_hub_call *call);
void sk_hub_iot_service_statistics(struct sk_hub_call *call);
void sk_hub_iot_apply(struct sk_hub_call *call); /* api_iot_configurations.c */
void sk_hub_iot_configurations(struct sk_hub_call *call);
void sk_hub_iot_configuration_get(struct sk_hub_call *call);
void sk_hub_iot_configuration_put(struct sk_hub_call *call);
void sk_hub_iot_configuration_delete(struct sk_hub_call *call);
void sk_hub_iot_configuration_test(struct sk_hub_call *call);
void sk_hub_iot_send(struct sk_hub_call *call); /* api_iot_messages.c */
void sk_hub_iot_purge(struct sk_hub_call *call);
void sk_hub_iot_feedback(struct sk_hub_call *call);
void sk_hub_iot_feedback_complete(struct sk_hub_call *call);
void sk_hub_iot_feedback_abandon(struct sk_hub_call *call);
void sk_hub_iot_event(struct sk_hub_call *call); /* api_iot_events.c */

#endif
