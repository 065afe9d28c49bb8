/*
 * api_mlflow.c - the MLflow interface: its table, and what clients ask a server about itself.
 *
 *     /api/2.0/mlflow/..., /api/2.0/mlflow-artifacts/...    what clients ask
 *     /ajax-api/2.0/...                                     the same, as MLflow's own pages ask
 *     /api/3.0/mlflow/server-info                           3.10 clients and later, before they
 * begin /version, /health                                     texts
 */
#include "hub/mlflow_priv.h"

/* The level of MLflow that is spoken here. Clients compare it to see whether a server takes traces
 * over OTLP (3.4), which this one does not. */
static const char level[] = "3.0.0";

void sk_mlflow_reply(struct sk_hub_call *call, const char *name, const struct sk_buf *json)
{
    struct sk_buf *out = sk_http_out(call->req);

    if (!name || !sk_buf_ok(json)) {
        sk_hub_reply_json(call, json);
        return;
    }
    sk_buf_clear(out);
    sk_buf_str(out, "{");
    sk_buf_json_str(out, name);
    sk_buf_chr(out, ':');
    sk_buf_add(out, json->data ? json->data : "null", json->data ? json->len : 4);
    sk_buf_chr(out, '}');
    sk_hub_reply_json(call, out);
}

void sk_mlflow_reply_empty(struct sk_hub_call *call)
{
    struct sk_buf *out = sk_http_out(call->req);

    sk_buf_clear(out);
    sk_buf_str(out, "{}");
    sk_hub_reply_json(call, out);
}

static void reply_text(struct sk_hub_call *call, const char *text)
{
    sk_http_set_type(call->req, "text/plain; charset=utf-8");
    sk_buf_str(sk_http_out(call->req), text);
    sk_hub_reply(call, 200);
}

static void version(struct sk_hub_call *call)
{
    reply_text(call, level);
}

static void health(struct sk_hub_call *call)
{
    reply_text(call, "OK");
}

/* Parts of artifacts are taken but not announced: see api_mlflow_parts.c. */
static void server_info(struct sk_hub_call *call)
{
    struct sk_buf *out = sk_http_out(call->req);

    sk_buf_str(out, "{\"store_type\":\"SqlStore\",\"workspaces_enabled\":false,"
                    "\"trace_archival_enabled\":false,\"multipart_uploads_enabled\":false,"
                    "\"multipart_downloads_enabled\":false}");
    sk_hub_reply_json(call, out);
}

#define ROWS(method, path, flags, role, run)                                                       \
    { method, "/api/2.0/" path, (flags), SK_HUB_MLFLOW, (role), run },                             \
        { method, "/ajax-api/2.0/" path, (flags), SK_HUB_MLFLOW, (role), run },

#define OPEN_ROW(path, run)                                                                        \
    { "GET", path, SK_HUB_OPEN | SK_HUB_INLINE, SK_HUB_MLFLOW, SK_ROLE_NONE, run },

/* clang-format off */
const struct sk_hub_route sk_hub_routes_mlflow[] = {
    SK_MLFLOW_MODEL_ROWS(ROWS)
    SK_MLFLOW_RUN_ROWS(ROWS)
    SK_MLFLOW_LOGGED_ROWS(ROWS)
    SK_MLFLOW_ARTIFACT_ROWS(ROWS)
    OPEN_ROW("/api/3.0/mlflow/server-info", server_info)
    OPEN_ROW("/ajax-api/3.0/mlflow/server-info", server_info)
    OPEN_ROW("/version", version)
    OPEN_ROW("/health", health)
    { NULL, NULL, 0, SK_HUB_MLFLOW, SK_ROLE_NONE, NULL },
};
/* clang-format on */
