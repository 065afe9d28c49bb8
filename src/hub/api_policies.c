/*
 * api_policies.c - shared access policies, for owners: what `az` and the service SDKs log in with.
 *
 *     GET  /api/v1/policies          {"policies":[{"name","rights","primaryKey","secondaryKey",
 *                                     "connectionString"}]}
 *     POST /api/v1/policies/NAME     {"renew":"primary"|"secondary"}: a new key -> the policy
 */
#include "hub/iot_priv.h"

#include <string.h>

enum {
    HTTPS_PORT = 443
};

static void add_rights(struct sk_buf *out, unsigned rights)
{
    static const struct {
        enum sk_right right;
        const char *name;
    } all[] = {
        { SK_RIGHT_REGISTRY_READ, "RegistryRead" }, { SK_RIGHT_REGISTRY_WRITE, "RegistryWrite" },
        { SK_RIGHT_SERVICE, "ServiceConnect" },     { SK_RIGHT_TELEMETRY, "Telemetry" },
        { SK_RIGHT_DEVICE, "DeviceConnect" },
    };

    const char *comma = "";
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (!(rights & all[i].right))
            continue;
        sk_buf_fmt(out, "%s\"%s\"", comma, all[i].name);
        comma = ",";
    }
}

/* The service SDKs take a port in HostName; without one they ask 443. */
static void add_connection(struct sk_hub *h, const struct sk_policy *p, struct sk_buf *out)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1024);
    const bool is_443 = sk_hub_second_port(h) == HTTPS_PORT || sk_hub_port(h) == HTTPS_PORT;
    sk_buf_fmt(&text, "HostName=%s", h->config->hostnames[0]);
    if (!is_443)
        sk_buf_fmt(&text, ":%u", (unsigned)sk_hub_port(h));
    sk_buf_fmt(&text, ";SharedAccessKeyName=%s;SharedAccessKey=%s", p->name, p->primary_key);
    sk_buf_json(out, text.data ? text.data : "", text.len);
}

static void add_policy(struct sk_hub *h, const struct sk_policy *p, struct sk_buf *out)
{
    sk_buf_fmt(out, "{\"name\":\"%s\",\"rights\":[", p->name);
    add_rights(out, p->rights);
    sk_buf_fmt(out, "],\"primaryKey\":\"%s\",\"secondaryKey\":\"%s\",\"connectionString\":",
               p->primary_key, p->secondary_key);
    add_connection(h, p, out);
    sk_buf_chr(out, '}');
}

static int add_row(void *ctx, const struct sk_policy *p, struct sk_err *err)
{
    struct sk_hub_call *call = ctx;
    struct sk_buf *out = sk_http_out(call->req);
    if (out->data && out->data[out->len - 1] == '}')
        sk_buf_chr(out, ',');
    add_policy(call->hub, p, out);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

static void get_policies(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    sk_buf_str(sk_http_out(call->req), "{\"policies\":[");
    if (sk_policy_list(call->hub->accounts, &call->who, add_row, call, &err) < 0) {
        sk_hub_fail(call, &err);
        return;
    }
    sk_buf_str(sk_http_out(call->req), "]}");
    sk_http_set_header(call->req, "Cache-Control", "no-store");
    sk_hub_reply_json(call, sk_http_out(call->req));
}

static int renew(struct sk_hub_call *call, struct sk_policy *out, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *body = NULL;
    const char *which = NULL;
    const char *name = sk_http_decoded(call->req, call->rest, strlen(call->rest));
    if (!name)
        return sk_nomem(err);
    if (sk_hub_body_json(call, &body, err) < 0 || sk_json_want_text(body, "renew", &which, err) < 0)
        return -1;
    if (!which || (strcmp(which, "primary") != 0 && strcmp(which, "secondary") != 0))
        return sk_fail(err, SK_INVALID, "'renew' must be \"primary\" or \"secondary\"");
    return sk_policy_renew(call->hub->accounts, &call->who, name, strcmp(which, "secondary") == 0,
                           out, err);
}

static void post_policy(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_policy p;
    if (renew(call, &p, &err) < 0) {
        sk_hub_fail(call, &err);
        return;
    }
    sk_gateway_logins_changed(call->hub->iot->gateway, SK_GATEWAY_BY_POLICY);
    add_policy(call->hub, &p, sk_http_out(call->req));
    sk_http_set_header(call->req, "Cache-Control", "no-store");
    sk_hub_reply_json(call, sk_http_out(call->req));
}

const struct sk_hub_route sk_hub_routes_policies[] = {
    { "GET", "/api/v1/policies", 0, SK_HUB_PLAIN, SK_ROLE_OWNER, get_policies },
    { "POST", "/api/v1/policies/", SK_HUB_PREFIX, SK_HUB_PLAIN, SK_ROLE_OWNER, post_policy },
    { .method = NULL },
};
