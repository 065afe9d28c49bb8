/*
 * api_mlflow_logged.c - /mlflow/logged-models: what log_model of MLflow 3 talks to.
 *
 *     POST   logged-models                        create
 *     GET    logged-models/ID                     get, ?allow_deleted=true
 *     PATCH  logged-models/ID                     status
 *     DELETE logged-models/ID
 *     PATCH  logged-models/ID/tags                DELETE logged-models/ID/tags/KEY
 *     POST   logged-models/ID/params
 *     GET    logged-models/ID/artifacts/directories
 *     POST   logged-models/search
 */
#include "hub/mlflow_runs.h"

#include <string.h>

#define BEGIN(call)                                                                                \
    SK_AUTO(sk_mlflow_args_done) struct sk_mlflow_args a = SK_MLFLOW_ARGS_INIT;                    \
    struct sk_store *store = sk_hub_store((call)->hub);                                            \
    struct sk_err err = SK_ERR_INIT

/* "ID/tail" of the path, decoded; tail "" when there is none. */
static int split(struct sk_hub_call *call, const char **id, const char **tail, struct sk_err *err)
{
    size_t len = strcspn(call->rest, "/");
    const char *rest = call->rest[len] ? call->rest + len + 1 : "";

    *id = sk_http_decoded(call->req, call->rest, len);
    *tail = sk_http_decoded(call->req, rest, strlen(rest));
    return *id && *tail ? 0 : sk_nomem(err);
}

static void answer(struct sk_hub_call *call, int rc, const struct sk_err *err)
{
    if (rc < 0)
        sk_hub_fail(call, err);
    else
        sk_mlflow_reply_empty(call);
}

static void answer_model(struct sk_hub_call *call, int rc, const struct sk_buf *json,
                         const struct sk_err *err)
{
    if (rc < 0)
        sk_hub_fail(call, err);
    else
        sk_mlflow_reply(call, "model", json);
}

static void no_such_path(struct sk_hub_call *call)
{
    sk_hub_fail_as(call, 404, "ENDPOINT_NOT_FOUND", "no such path below logged-models/");
}

void sk_mlflow_logged_create(struct sk_hub_call *call)
{
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(SK_MLFLOW_ANSWER_BYTES);
    struct sk_logged_model_new m = { 0 };
    BEGIN(call);

    int rc = sk_mlflow_args(call, &a, &err) < 0 ||
                     sk_mlflow_text(&a, "experiment_id", &m.experiment_id, &err) < 0 ||
                     sk_mlflow_text(&a, "name", &m.name, &err) < 0 ||
                     sk_mlflow_text(&a, "model_type", &m.model_type, &err) < 0 ||
                     sk_mlflow_text(&a, "source_run_id", &m.source_run_id, &err) < 0 ||
                     sk_mlflow_pairs(&a, "params", &m.params, &m.param_count, &err) < 0 ||
                     sk_mlflow_pairs(&a, "tags", &m.tags, &m.tag_count, &err) < 0
                 ? -1
                 : sk_logged_model_create(store, &call->who, &m, &json, &err);
    answer_model(call, rc, &json, &err);
}

void sk_mlflow_logged_get(struct sk_hub_call *call)
{
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(SK_MLFLOW_ANSWER_BYTES);
    const char *id = NULL, *tail = NULL;
    bool allow_deleted = false;
    BEGIN(call);

    int rc = split(call, &id, &tail, &err);
    if (rc == 0 && strcmp(tail, "artifacts/directories") == 0) {
        sk_mlflow_list_of(call, id, "artifact_directory_path");
        return;
    }
    if (rc == 0 && *tail) {
        no_such_path(call);
        return;
    }
    if (rc == 0 && (sk_mlflow_args(call, &a, &err) < 0 ||
                    sk_mlflow_bool(&a, "allow_deleted", &allow_deleted, &err) < 0 ||
                    sk_logged_model_get(store, id, allow_deleted, &json, &err) < 0))
        rc = -1;
    answer_model(call, rc, &json, &err);
}

void sk_mlflow_logged_patch(struct sk_hub_call *call)
{
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(SK_MLFLOW_ANSWER_BYTES);
    const char *id = NULL, *tail = NULL, *status = NULL;
    const struct sk_pair *tags = NULL;
    size_t count = 0;
    BEGIN(call);

    if (split(call, &id, &tail, &err) < 0 || sk_mlflow_args(call, &a, &err) < 0) {
        sk_hub_fail(call, &err);
    } else if (*tail == '\0') {
        int rc = sk_mlflow_need(&a, "status", &status, &err) < 0
                     ? -1
                     : sk_logged_model_set_status(store, &call->who, id, status, &json, &err);
        answer_model(call, rc, &json, &err);
    } else if (strcmp(tail, "tags") == 0) {
        int rc = sk_mlflow_pairs(&a, "tags", &tags, &count, &err) < 0 ||
                         sk_logged_model_set(store, &call->who, id, tags, count, NULL, 0, &err) <
                             0 ||
                         sk_logged_model_get(store, id, false, &json, &err) < 0
                     ? -1
                     : 0;
        answer_model(call, rc, &json, &err);
    } else {
        no_such_path(call);
    }
}

void sk_mlflow_logged_post(struct sk_hub_call *call)
{
    const char *id = NULL, *tail = NULL;
    const struct sk_pair *params = NULL;
    size_t count = 0;
    BEGIN(call);

    int rc = split(call, &id, &tail, &err);
    if (rc == 0 && strcmp(tail, "params") != 0) {
        no_such_path(call);
        return;
    }
    if (rc == 0 && (sk_mlflow_args(call, &a, &err) < 0 ||
                    sk_mlflow_pairs(&a, "params", &params, &count, &err) < 0 ||
                    sk_logged_model_set(store, &call->who, id, NULL, 0, params, count, &err) < 0))
        rc = -1;
    answer(call, rc, &err);
}

void sk_mlflow_logged_delete(struct sk_hub_call *call)
{
    const char *id = NULL, *tail = NULL;
    struct sk_store *store = sk_hub_store(call->hub);
    struct sk_err err = SK_ERR_INIT;
    int rc = split(call, &id, &tail, &err);

    if (rc == 0 && *tail == '\0') {
        rc = sk_logged_model_delete(store, &call->who, id, &err);
    } else if (rc == 0 && sk_starts_with(tail, "tags/")) {
        const struct sk_pair tag = { .key = tail + strlen("tags/") };
        rc = sk_logged_model_set(store, &call->who, id, &tag, 1, NULL, 0, &err);
    } else if (rc == 0) {
        no_such_path(call);
        return;
    }
    answer(call, rc, &err);
}

/* ---- search ---- */

/* [{"field_name", "ascending"}] as the texts that the other searches have. */
int sk_mlflow_read_orders(struct sk_mlflow_args *a, struct sk_search *q, struct sk_err *err)
{
    const struct sk_json *list = NULL;

    if (sk_json_want_array(a->doc, "order_by", &list, err) < 0)
        return -1;

    size_t count = sk_json_count(list);
    if (count > SK_MLFLOW_LIST_MAX)
        return sk_fail(err, SK_LIMIT, "order_by: more than %d entries", SK_MLFLOW_LIST_MAX);

    struct sk_view *orders = sk_arena_alloc(&a->arena, (count + 1) * sizeof(*orders));
    if (!orders)
        return sk_nomem(err);
    for (size_t i = 0; i < count; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(4096);
        const struct sk_json *o = sk_json_at(list, i);
        const char *name = NULL;
        bool ascending = true;

        if (sk_json_type(o) != SK_JSON_OBJECT ||
            sk_json_want_text(o, "field_name", &name, err) < 0 || !name ||
            sk_json_want_bool(o, "ascending", &ascending, err) < 0)
            return sk_fail(err, SK_INVALID,
                           "order_by[%zu]: expected {\"field_name\": TEXT, \"ascending\": BOOL}",
                           i);
        sk_buf_fmt(&text, "%s %s", name, ascending ? "ASC" : "DESC");
        if (!sk_buf_ok(&text))
            return sk_buf_fail(&text, err);
        orders[i] = (struct sk_view){ sk_arena_strndup(&a->arena, text.data, text.len), text.len };
        if (!orders[i].ptr)
            return sk_nomem(err);
    }
    q->orders = orders;
    q->order_count = count;
    return 0;
}

void sk_mlflow_logged_search(struct sk_hub_call *call)
{
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(SK_MLFLOW_ANSWER_BYTES);
    const struct sk_json *datasets = NULL;
    const char *const *ids = NULL;
    struct sk_search q = { 0 };
    int64_t max = 0;
    size_t count = 0;
    BEGIN(call);

    sk_buf_chr(&json, '{');
    int rc = sk_mlflow_args(call, &a, &err) < 0 ||
                     sk_mlflow_text(&a, "filter", &q.filter, &err) < 0 ||
                     sk_mlflow_text(&a, "page_token", &q.page_token, &err) < 0 ||
                     sk_mlflow_int(&a, "max_results", 0, SK_RUNS_PAGE_MAX, &max, &err) < 0 ||
                     sk_mlflow_texts(&a, "experiment_ids", &ids, &count, &err) < 0 ||
                     sk_json_want_array(a.doc, "datasets", &datasets, &err) < 0 ||
                     sk_mlflow_read_orders(&a, &q, &err) < 0
                 ? -1
                 : 0;
    q.max = (unsigned)max;
    if (rc == 0)
        rc = sk_logged_models_search(store, ids, count, datasets, &q, &json, &err);
    sk_buf_chr(&json, '}');
    if (rc < 0)
        sk_hub_fail(call, &err);
    else
        sk_mlflow_reply(call, NULL, &json);
}
