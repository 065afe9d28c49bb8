/*
 * answer.c - how the hub answers: one error, four ways to write it.
 *
 *     plain    {"error":"..."}                                     our own API
 *     MLflow   {"error_code":"RESOURCE_DOES_NOT_EXIST","message"}  its codes and statuses
 *     OCI      {"errors":[{"code":"DENIED","message"}]}            distribution-spec
 *     IoT      {"Message":"ErrorCode:DeviceNotFound;...",...}      IoT Hub: iot_answer.c
 *
 * A status of its own has 401 (how to come in), 429 and 503 (when to come again).
 */
#include "hub/iot_priv.h"

#include "base/log.h"
#include "base/str.h"

struct wording {
    enum sk_code code;
    int mlflow_status; /* 0: the code's */
    const char *mlflow, *oci;
};

static const struct wording wordings[] = {
    { SK_INVALID, 0, "INVALID_PARAMETER_VALUE", "UNSUPPORTED" },
    { SK_USAGE, 0, "INVALID_PARAMETER_VALUE", "UNSUPPORTED" },
    { SK_LIMIT, 0, "INVALID_PARAMETER_VALUE", "UNSUPPORTED" },
    { SK_TOO_LARGE, 0, "INVALID_PARAMETER_VALUE", "SIZE_INVALID" },
    { SK_NOT_FOUND, 0, "RESOURCE_DOES_NOT_EXIST", "NAME_UNKNOWN" },
    { SK_METHOD, 0, "ENDPOINT_NOT_FOUND", "UNSUPPORTED" },
    { SK_EXISTS, 400, "RESOURCE_ALREADY_EXISTS", "DENIED" },
    { SK_DENIED, 0, "PERMISSION_DENIED", "DENIED" },
    { SK_UNAUTHENTICATED, 0, "UNAUTHENTICATED", "UNAUTHORIZED" },
    { SK_UNSUPPORTED, 0, "NOT_IMPLEMENTED", "UNSUPPORTED" },
    { SK_BUSY, 0, "TEMPORARILY_UNAVAILABLE", "TOOMANYREQUESTS" },
    { SK_TIMEOUT, 0, "TEMPORARILY_UNAVAILABLE", "UNKNOWN" },
    /* MLflow's client tries 500 and 503 again for minutes, 507 it does not */
    { SK_FULL, 0, "RESOURCE_EXHAUSTED", "DENIED" },
};

/* What is corrupt here is the hub's own: its database, a blob's file. Requests are SK_INVALID. */
static int status_of(enum sk_code code)
{
    return code == SK_CORRUPT ? 500 : sk_code_http(code);
}

static const struct wording *wording_of(enum sk_code code)
{
    static const struct wording other = { SK_BUG, 0, "INTERNAL_ERROR", "UNKNOWN" };
    for (size_t i = 0; i < sizeof wordings / sizeof wordings[0]; i++)
        if (wordings[i].code == code)
            return &wordings[i];
    return &other;
}

static void write_error(struct sk_http_req *req, enum sk_hub_style style, const char *code,
                        const char *text)
{
    struct sk_buf *b = sk_http_out(req);
    sk_buf_clear(b);
    if (style == SK_HUB_IOT) {
        sk_iot_error_json(code, text, sk_http_id(req), b);
        return;
    }
    if (style == SK_HUB_PLAIN) {
        sk_buf_str(b, "{\"error\":");
        sk_buf_json_str(b, text);
        sk_buf_chr(b, '}');
        return;
    }
    sk_buf_str(b, style == SK_HUB_MLFLOW ? "{\"error_code\":" : "{\"errors\":[{\"code\":");
    sk_buf_json_str(b, code);
    sk_buf_str(b, ",\"message\":");
    sk_buf_json_str(b, text);
    sk_buf_str(b, style == SK_HUB_MLFLOW ? "}" : "}]}");
}

static void add_hints(struct sk_http_req *req, int status, enum sk_hub_style style)
{
    char seconds[16];
    if (status == 401)
        sk_http_set_header(req, "WWW-Authenticate", "Basic realm=\"skerry\"");
    if (status == 401 && style == SK_HUB_OCI) /* by this Docker tells a registry */
        sk_http_set_header(req, "Docker-Distribution-Api-Version", "registry/2.0");
    if (status != 429 && status != 503)
        return;
    (void)snprintf(seconds, sizeof seconds, "%d",
                   status == 429 ? (SK_AUTH_REFILL_MS + 999) / 1000 : SK_HUB_RETRY_AFTER_S);
    sk_http_set_header(req, "Retry-After", seconds);
}

/* The client has the text too, but may be anywhere. Busy and slow pass by themselves; what this hub
 * does not have is no failure of it. */
static void log_failure(const struct sk_hub_call *call, int status, const char *text)
{
    const struct sk_http_req *req = call->req;
    if (status >= 500 && status != 501)
        sk_log(status == 503 || status == 504 ? SK_WARN : SK_ERROR, "request_failed",
               "req=%s method=%s path=\"%s\" status=%d error=\"%s\"", sk_http_id(req),
               sk_http_method(req), sk_http_path(req), status, text);
}

static void fail(struct sk_hub_call *call, int status, const char *code, const char *text)
{
    struct sk_http_req *req = call->req;
    log_failure(call, status, text);
    write_error(req, call->route->style, code, text);
    sk_http_set_type(req, "application/json");
    sk_http_set_status(req, status);
    add_hints(req, status, call->route->style);
    sk_http_answer(req);
}

void sk_hub_fail(struct sk_hub_call *call, const struct sk_err *err)
{
    const struct wording *w = wording_of(err->code);
    bool is_mlflow = call->route->style == SK_HUB_MLFLOW;
    int status = is_mlflow && w->mlflow_status ? w->mlflow_status : status_of(err->code);
    struct sk_err full = *err;
    if (err->code == SK_FULL)
        (void)sk_fail(&full, SK_FULL,
                      "%.200s: the hub's folder '%.150s' takes no more: delete what is not needed "
                      "and run `skerry hub gc` there, keep fewer messages (hub run "
                      "--telemetry-size), or make "
                      "room on its disk",
                      err->text, call->hub->dir);
    if (call->route->style == SK_HUB_IOT)
        sk_hub_fail_iot(call, &full);
    else
        fail(call, status, is_mlflow ? w->mlflow : w->oci, full.text);
}

void sk_hub_fail_as(struct sk_hub_call *call, int status, const char *code, const char *text)
{
    fail(call, status, code, text);
}

void sk_hub_fail_limited(struct sk_hub_call *call, const struct sk_err *err)
{
    static const char *const codes[] = { [SK_HUB_PLAIN] = "TOOMANYREQUESTS",
                                         [SK_HUB_OCI] = "TOOMANYREQUESTS",
                                         [SK_HUB_MLFLOW] = "REQUEST_LIMIT_EXCEEDED",
                                         [SK_HUB_IOT] = "ThrottlingException" };
    fail(call, 429, codes[call->route->style], err->text);
}

void sk_hub_reply(struct sk_hub_call *call, int status)
{
    if (status)
        sk_http_set_status(call->req, status);
    sk_http_answer(call->req);
}

void sk_hub_reply_json(struct sk_hub_call *call, const struct sk_buf *json)
{
    struct sk_err err = SK_ERR_INIT;
    if (!sk_buf_ok(json)) {
        (void)sk_buf_fail(json, &err);
        sk_hub_fail(call, &err);
        return;
    }
    if (json != sk_http_out(call->req)) {
        sk_buf_clear(sk_http_out(call->req));
        sk_buf_add(sk_http_out(call->req), json->data ? json->data : "", json->len);
    }
    sk_hub_reply(call, 200);
}

int sk_hub_body_json(struct sk_hub_call *call, struct sk_json **out, struct sk_err *err)
{
    struct sk_view body = sk_http_body(call->req);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    if (body.len == 0)
        body = SK_VIEW("{}");
    if (sk_json_parse(body.ptr, body.len, NULL, &doc, err) < 0)
        return sk_wrap(err, "the body");
    if (sk_json_type(doc) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "the body must be a JSON object, not %s",
                       sk_json_type_name(sk_json_type(doc)));
    *out = SK_TAKE(doc);
    return 0;
}
