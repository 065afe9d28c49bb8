/*
 * api_iot_configurations.c - deployments: content for one device, and configurations.
 *
 *     POST   /devices/ID/applyConfigurationContent   {"modulesContent":{}} -> 204
 *     GET    /configurations?top=n                   an array
 *     GET, PUT, DELETE /configurations/ID            PUT creates without If-Match
 *     POST   /configurations/testQueries             {"targetCondition","customMetricQueries"}
 */
#include "hub/api_iot_priv.h"

#include <string.h>

void sk_hub_iot_apply(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *body = NULL;
    int rc = sk_hub_body_json(call, &body, &err);
    if (rc == 0)
        rc = sk_deploy_apply(call->hub->iot->deploy, &call->who, call->parts[0], body, NULL, &err);
    sk_hub_iot_answer(call, rc, 204, &err);
}

void sk_hub_iot_configurations(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    unsigned top = 0;
    int rc = sk_hub_iot_top(call, &top, &err);
    if (rc == 0)
        rc = sk_configuration_list(call->hub->iot->deploy, top, sk_http_out(call->req), &err);
    sk_hub_iot_answer(call, rc, 200, &err);
}

void sk_hub_iot_configuration_get(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    int rc = sk_configuration_get(call->hub->iot->deploy, call->parts[0], sk_http_out(call->req),
                                  &err);
    if (rc == 0)
        sk_hub_iot_copy_etag(call);
    sk_hub_iot_answer(call, rc, 200, &err);
}

void sk_hub_iot_configuration_put(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *body = NULL;
    int rc = sk_hub_body_json(call, &body, &err);
    const char *id = rc == 0 ? sk_json_get_text(body, "id", NULL) : NULL;
    if (id && *id && strcmp(id, call->parts[0]) != 0)
        rc = sk_fail(&err, SK_INVALID,
                     "ArgumentInvalid: id is '%.128s' in the body and '%.128s' in the address", id,
                     call->parts[0]);
    if (rc == 0)
        rc = sk_configuration_put(call->hub->iot->deploy, &call->who, call->parts[0], body,
                                  sk_hub_iot_if_match(call), sk_http_out(call->req), &err);
    if (rc == 0)
        sk_hub_iot_copy_etag(call);
    sk_hub_iot_answer(call, rc, 200, &err);
}

void sk_hub_iot_configuration_delete(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    const char *if_match = sk_hub_iot_if_match(call);
    int rc = sk_configuration_delete(call->hub->iot->deploy, &call->who, call->parts[0],
                                     if_match ? if_match : "*", &err);
    sk_hub_iot_answer(call, rc, 204, &err);
}

void sk_hub_iot_configuration_test(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *body = NULL;
    int rc = sk_hub_body_json(call, &body, &err);
    if (rc == 0)
        rc = sk_configuration_test(call->hub->iot->deploy, body, sk_http_out(call->req), &err);
    sk_hub_iot_answer(call, rc, 200, &err);
}
