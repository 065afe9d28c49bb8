/*
 * api_status.c - /healthz, /readyz and the page at /.
 */
#include "serve/api_priv.h"

#include "page.h"

/* ---- health ---- */

void sk_api_healthz(struct sk_http_req *req, void *ctx)
{
    (void)ctx;
    sk_buf_str(sk_http_out(req), "{\"status\":\"ok\"}");
    sk_http_answer(req);
}

struct listing {
    struct sk_buf *out;
    unsigned count;
};

static void list_model(void *ctx, struct sk_slot *slot, enum sk_slot_state state,
                       const char *reason, struct sk_loaded *loaded)
{
    struct listing *list = ctx;

    sk_buf_str(list->out, list->count++ > 0 ? ",{" : "{");
    sk_slot_json(slot, state, reason, list->out);
    if (loaded)
        sk_buf_fmt(list->out, ",\"sha256\":\"%s\"", sk_classifier_digest(loaded->classifier));
    sk_buf_chr(list->out, '}');
}

/* 200 when a model answers; 503 before that. Asking for CUDA and not getting it is a warning here.
 */
void sk_api_readyz(struct sk_http_req *req, void *ctx)
{
    struct sk_server *s = ctx;
    struct listing list = { .out = sk_http_out(req) };
    bool is_ready = sk_models_ready(s->models);
    const char *reason = "";
    const char *device = sk_engine_device(s->engine, &reason);

    if (!is_ready)
        sk_http_set_status(req, 503);
    sk_buf_fmt(list.out, "{\"ready\":%s,\"engine\":\"%s\",\"device\":\"%s\",\"warnings\":[",
               is_ready ? "true" : "false", sk_engine_name(s->engine), device);
    if (sk_engine_degraded(s->engine))
        sk_buf_json_str(list.out, reason);
    sk_buf_str(list.out, "],\"models\":[");
    sk_models_each(s->models, list_model, &list);
    sk_buf_str(list.out, "]}");
    sk_http_answer(req);
}

/* ---- the page ---- */

void sk_api_page(struct sk_http_req *req, void *ctx)
{
    (void)ctx;
    sk_http_set_type(req, "text/html; charset=utf-8");
    sk_http_set_header(
        req, "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src blob: "
        "data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    sk_http_set_header(req, "X-Content-Type-Options", "nosniff");
    sk_http_set_static(req, sk_page_html, sizeof sk_page_html);
    sk_http_answer(req);
}
