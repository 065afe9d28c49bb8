/*
 * api.c - direct methods between modules, over HTTPS (azure-iot-protocol 4.9):
 *
 *     POST /twins/{device}[/modules/{module}]/methods?api-version=..
 *     x-ms-edge-moduleId: {device}/{module}     who calls
 *     Authorization: SharedAccessSignature ..   its token
 *     {"methodName":"m","payload":..,"responseTimeoutInSeconds":30,"connectTimeoutInSeconds":0}
 *     200 {"status":n,"payload":..}; errors {"message":".."}
 */
#include "localhub/localhub_priv.h"

#include <string.h>

enum {
    BODY_MAX = 200 << 10,
    RESPONSE_S_MAX = 300,
    CONNECT_S_MAX = 300
};

struct call {
    struct sk_lh_check check; /* first */
    struct sk_http_req *req;
    struct sk_lh *hub;
    char device[SK_IOT_ID_MAX + 1], module[SK_IOT_ID_MAX + 1];
    char caller_device[SK_IOT_ID_MAX + 1], caller_module[SK_IOT_ID_MAX + 1];
};

static void answer_error(struct sk_http_req *req, int status, const char *why)
{
    struct sk_buf *out = sk_http_out(req);
    sk_http_set_status(req, status);
    sk_http_set_type(req, "application/json; charset=utf-8");
    sk_buf_str(out, "{\"message\":");
    sk_buf_json_str(out, why);
    sk_buf_chr(out, '}');
    sk_http_answer(req);
}

static void on_done(void *ctx, int status, struct sk_view payload, const struct sk_err *failed)
{
    SK_OWN(free) struct call *c = ctx;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    if (failed) {
        answer_error(c->req, sk_code_http(failed->code), failed->text);
        return;
    }
    struct sk_buf *out = sk_http_out(c->req);
    sk_http_set_type(c->req, "application/json; charset=utf-8");
    sk_buf_fmt(out, "{\"status\":%d,\"payload\":", status);
    if (payload.len == 0)
        sk_buf_str(out, "null");
    else if (sk_json_parse(payload.ptr, payload.len, NULL, &doc, &err) == 0)
        sk_buf_add(out, payload.ptr, payload.len);
    else
        sk_buf_json(out, payload.ptr, payload.len);
    sk_buf_chr(out, '}');
    sk_http_answer(c->req);
}

static int read_body(struct call *c, struct sk_json **doc, struct sk_buf *payload,
                     struct sk_lh_method *m, struct sk_err *err)
{
    const struct sk_view body = sk_http_body(c->req);
    int64_t response = 30, connect = 0;
    if (sk_json_parse(body.ptr, body.len, NULL, doc, err) < 0 ||
        sk_json_want_text(*doc, "methodName", &m->name, err) < 0 ||
        sk_json_want_int(*doc, "responseTimeoutInSeconds", 1, RESPONSE_S_MAX, &response, err) < 0 ||
        sk_json_want_int(*doc, "connectTimeoutInSeconds", 0, CONNECT_S_MAX, &connect, err) < 0)
        return -1;
    if (!m->name)
        return sk_fail(err, SK_INVALID, "'methodName' is missing");
    if (sk_json_get(*doc, "payload"))
        sk_json_dump(sk_json_get(*doc, "payload"), payload);
    if (!sk_buf_ok(payload))
        return sk_buf_fail(payload, err);
    m->payload = (struct sk_view){ payload->data ? payload->data : "", payload->len };
    m->response_ms = (unsigned)response * 1000;
    m->connect_ms = (unsigned)connect * 1000;
    m->done = on_done;
    m->ctx = c;
    return 0;
}

static void invoke(struct call *c)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_lh_method m = { 0 };
    struct sk_lh_ident *id = NULL;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    SK_AUTO(sk_buf_done) struct sk_buf payload = SK_BUF_INIT(2 * SK_IOT_METHOD_PAYLOAD_MAX);
    {
        SK_LOCK(&c->hub->lock);
        id = sk_lh_ident_find(c->hub, c->device, c->module);
        if (id && !id->is_listed && id->kind != SK_LH_AGENT && id->kind != SK_LH_HUB)
            id = NULL;
    }

    if (!id)
        (void)sk_fail(&err, SK_NOT_FOUND, "no such module or device is known here");
    else if (read_body(c, &doc, &payload, &m, &err) == 0 && sk_lh_invoke(c->hub, id, &m, &err) == 0)
        return;
    answer_error(c->req, sk_code_http(err.code), err.text);
    free(c);
}

static void on_checked(struct sk_lh_check *check, const struct sk_err *failed)
{
    struct call *c = (struct call *)check;
    if (!failed) {
        invoke(c);
        return;
    }
    answer_error(c->req, failed->code == SK_BUSY ? 503 : 401, failed->text);
    free(c);
}

/* "ID" up to '/' or the end, decoded; false: none, or too long. */
static bool take_part(struct sk_http_req *req, const char **at, char out[SK_IOT_ID_MAX + 1])
{
    const size_t len = strcspn(*at, "/");
    const char *text = sk_http_decoded(req, *at, len);
    if (!text || !sk_iot_id_valid(sk_view_of(text)))
        return false;
    (void)snprintf(out, SK_IOT_ID_MAX + 1, "%s", text);
    *at += len;
    *at += **at == '/';
    return true;
}

/* "{device}[/modules/{module}]/methods" */
static bool read_target(struct call *c)
{
    static const char modules[] = "modules/";
    const char *at = sk_http_rest(c->req);
    if (!take_part(c->req, &at, c->device))
        return false;
    if (strncmp(at, modules, sizeof modules - 1) == 0) {
        at += sizeof modules - 1;
        if (!take_part(c->req, &at, c->module))
            return false;
    }
    return strcmp(at, "methods") == 0;
}

static bool read_caller(struct call *c)
{
    const char *header = sk_http_header(c->req, "x-ms-edge-moduleId");
    const char *slash = header ? strchr(header, '/') : NULL;
    if (!slash || (size_t)(slash - header) > SK_IOT_ID_MAX || strlen(slash + 1) > SK_IOT_ID_MAX)
        return false;
    (void)snprintf(c->caller_device, sizeof c->caller_device, "%.*s", (int)(slash - header),
                   header);
    (void)snprintf(c->caller_module, sizeof c->caller_module, "%s", slash + 1);
    return sk_iot_id_valid(sk_view_of(c->caller_device)) &&
           sk_iot_id_valid(sk_view_of(c->caller_module));
}

static void handle_method(struct sk_http_req *req, void *ctx)
{
    struct sk_lh *h = ctx;
    const char *token = sk_http_header(req, "Authorization");
    char host[SK_LH_HOST];
    bool is_ours;
    struct call *c = calloc(1, sizeof *c);
    if (!c) {
        answer_error(req, 500, "out of memory");
        return;
    }
    c->req = req;
    c->hub = h;
    c->check.done = on_checked;
    {
        SK_LOCK(&h->lock);
        memcpy(host, h->config.hub_name, sizeof host);
    }
    const char *why = !read_target(c)   ? "expected /twins/{device}[/modules/{module}]/methods"
                      : !read_caller(c) ? "x-ms-edge-moduleId must be {device}/{module}"
                                        : NULL;
    {
        SK_LOCK(&h->lock);
        is_ours = strcmp(c->caller_device, h->config.device) == 0;
    }
    if (why || !token || !is_ours) {
        answer_error(req, why ? 400 : 401,
                     why      ? why
                     : !token ? "a token is needed"
                              : "only modules of this device may call methods here");
        free(c);
        return;
    }
    sk_lh_check_token(h, host, c->caller_device, c->caller_module, sk_view_of(token), &c->check);
}

const struct sk_http_route sk_lh_api_routes[] = {
    { .method = "POST",
      .path = "/twins/",
      .flags = SK_HTTP_PREFIX,
      .handle = handle_method,
      .max_body_bytes = BODY_MAX },
    { 0 },
};
