/*
 * api_deployments.c - what IoT Hub's interface does not say about deployments.
 *
 *     GET  /api/v1/deployments/devices/ID    how far a device is, and the warnings of what it has
 *     POST /api/v1/deployments/check         looks at a content: {"errors":[..],"warnings":[..]}
 *     GET  /api/v1/deployments/pending       {"pending":n,"generation":g}: devices yet to be looked
 *                                            at after a change of configurations
 */
#include "hub/iot_priv.h"

enum {
    ANSWER_BYTES = 4 << 20
};

static void answer(struct sk_hub_call *call, int rc, const struct sk_buf *out, struct sk_err *err)
{
    if (rc == 0 && !sk_buf_ok(out))
        rc = sk_buf_fail(out, err);
    if (rc < 0)
        sk_hub_fail(call, err);
    else
        sk_hub_reply_json(call, out);
}

static void get_status(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(ANSWER_BYTES);
    answer(call, sk_deploy_status(call->hub->iot->deploy, call->parts[0], &out, &err), &out, &err);
}

static void check(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *body = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(ANSWER_BYTES);
    int rc = sk_hub_body_json(call, &body, &err);
    if (rc == 0)
        rc = sk_deploy_check(call->hub->iot->deploy, body, &out, &err);
    answer(call, rc, &out, &err);
}

static void get_pending(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(ANSWER_BYTES);
    answer(call, sk_deploy_pending(call->hub->iot->deploy, &out, &err), &out, &err);
}

#define READS SK_HUB_RIGHTS(SK_RIGHT_REGISTRY_READ)

/* clang-format off */
const struct sk_hub_route sk_hub_routes_deployments[] = {
    { "GET", "/api/v1/deployments/devices/*", READS | SK_HUB_PATTERN, SK_HUB_PLAIN, SK_ROLE_READER, get_status },
    { "POST", "/api/v1/deployments/check", READS, SK_HUB_PLAIN, SK_ROLE_READER, check },
    { "GET", "/api/v1/deployments/pending", READS, SK_HUB_PLAIN, SK_ROLE_READER, get_pending },
    { .method = NULL },
};

/* clang-format on */
