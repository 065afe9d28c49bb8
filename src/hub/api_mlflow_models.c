/*
 * api_mlflow_models.c - registered models and model versions of the MLflow interface.
 *
 * Each function reads its arguments, calls models.h and answers. A version whose source is here
 * gets its files at once (mlflow_source.h), so what happens to the run later does not touch it.
 */
#include "hub/mlflow_priv.h"
#include "hub/mlflow_source.h"
#include "models/models.h"

#include <string.h>

enum {
    MODELS_USUAL = 100, /* max_results when none is given, as MLflow's server */
    VERSIONS_USUAL = 10000
};

/* The head of each function: arguments that free themselves, an error; and an answer. */
#define BEGIN(call)                                                                                \
    SK_AUTO(sk_mlflow_args_done) struct sk_mlflow_args a = SK_MLFLOW_ARGS_INIT;                    \
    struct sk_store *store = sk_hub_store((call)->hub);                                            \
    struct sk_err err = SK_ERR_INIT
#define BEGIN_ANSWER(call)                                                                         \
    BEGIN(call);                                                                                   \
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(SK_MLFLOW_ANSWER_BYTES)

static void answer(struct sk_hub_call *call, int rc, const char *name, const struct sk_buf *json,
                   const struct sk_err *err)
{
    if (rc < 0)
        sk_hub_fail(call, err);
    else
        sk_mlflow_reply(call, name, json);
}

static void answer_empty(struct sk_hub_call *call, int rc, const struct sk_err *err)
{
    if (rc < 0)
        sk_hub_fail(call, err);
    else
        sk_mlflow_reply_empty(call);
}

static int read_name(struct sk_hub_call *call, struct sk_mlflow_args *a, const char **name,
                     struct sk_err *err)
{
    if (sk_mlflow_args(call, a, err) < 0)
        return -1;
    return sk_mlflow_need(a, "name", name, err);
}

static int need_version(struct sk_mlflow_args *a, uint64_t *version, struct sk_err *err)
{
    struct sk_err why = SK_ERR_INIT;
    const char *text = NULL;

    if (sk_mlflow_need(a, "version", &text, err) < 0)
        return -1;
    if (sk_parse_u64("version", text, 1, INT64_MAX, version, &why) < 0)
        return sk_fail(err, SK_INVALID,
                       "Parameter 'version' must be an integer from 1 on, got '%.40s'.", text);
    return 0;
}

static int read_version(struct sk_hub_call *call, struct sk_mlflow_args *a, const char **name,
                        uint64_t *version, struct sk_err *err)
{
    if (read_name(call, a, name, err) < 0)
        return -1;
    return need_version(a, version, err);
}

/* ---- registered models ---- */

void sk_mlflow_model_create(struct sk_hub_call *call)
{
    BEGIN_ANSWER(call);
    const struct sk_pair *tags = NULL;
    const char *name = NULL, *description = NULL;
    size_t count = 0;
    int rc = -1;

    if (read_name(call, &a, &name, &err) == 0 &&
        sk_mlflow_text(&a, "description", &description, &err) == 0 &&
        sk_mlflow_pairs(&a, "tags", &tags, &count, &err) == 0)
        rc = sk_model_create(store, &call->who, name, description, tags, count, &json, &err);
    answer(call, rc, "registered_model", &json, &err);
}

void sk_mlflow_model_get(struct sk_hub_call *call)
{
    BEGIN_ANSWER(call);
    const char *name = NULL;
    int rc = read_name(call, &a, &name, &err);

    if (rc == 0)
        rc = sk_model_get(store, name, &json, &err);
    answer(call, rc, "registered_model", &json, &err);
}

void sk_mlflow_model_update(struct sk_hub_call *call)
{
    BEGIN_ANSWER(call);
    const char *name = NULL, *description = NULL;
    int rc = -1;

    if (read_name(call, &a, &name, &err) == 0 &&
        sk_mlflow_text(&a, "description", &description, &err) == 0 &&
        sk_model_describe(store, &call->who, name, description, &err) == 0)
        rc = sk_model_get(store, name, &json, &err);
    answer(call, rc, "registered_model", &json, &err);
}

void sk_mlflow_model_rename(struct sk_hub_call *call)
{
    BEGIN_ANSWER(call);
    const char *name = NULL, *to = NULL;
    int rc = -1;

    if (read_name(call, &a, &name, &err) == 0 && sk_mlflow_need(&a, "new_name", &to, &err) == 0 &&
        sk_model_rename(store, &call->who, name, to, &err) == 0)
        rc = sk_model_get(store, to, &json, &err);
    answer(call, rc, "registered_model", &json, &err);
}

void sk_mlflow_model_delete(struct sk_hub_call *call)
{
    BEGIN(call);
    const char *name = NULL;
    int rc = read_name(call, &a, &name, &err);

    if (rc == 0)
        rc = sk_model_delete(store, &call->who, name, &err);
    answer_empty(call, rc, &err);
}

void sk_mlflow_models_search(struct sk_hub_call *call)
{
    BEGIN_ANSWER(call);
    struct sk_search q = { 0 };
    int rc = -1;

    if (sk_mlflow_args(call, &a, &err) == 0 &&
        sk_mlflow_search(&a, MODELS_USUAL, SK_MODELS_PAGE_MAX, &q, &err) == 0)
        rc = sk_models_search(store, &q, &json, &err);
    answer(call, rc, NULL, &json, &err);
}

void sk_mlflow_latest_versions(struct sk_hub_call *call)
{
    BEGIN_ANSWER(call);
    const char *const *stages = NULL;
    const char *name = NULL;
    size_t count = 0;
    int rc = -1;

    if (read_name(call, &a, &name, &err) == 0 &&
        sk_mlflow_texts(&a, "stages", &stages, &count, &err) == 0)
        rc = sk_versions_latest(store, name, stages, count, &json, &err);
    answer(call, rc, NULL, &json, &err);
}

/* ---- tags and aliases ---- */

static void put_tag(struct sk_hub_call *call, bool of_version, bool is_set)
{
    BEGIN(call);
    const char *name = NULL, *key = NULL, *value = NULL;
    uint64_t version = 0;
    int rc = -1;

    if (read_name(call, &a, &name, &err) == 0 &&
        (!of_version || need_version(&a, &version, &err) == 0) &&
        sk_mlflow_need(&a, "key", &key, &err) == 0 &&
        (!is_set || sk_mlflow_text(&a, "value", &value, &err) == 0))
        rc = sk_model_set_tag(store, &call->who, name, version, key, is_set && !value ? "" : value,
                              &err);
    answer_empty(call, rc, &err);
}

void sk_mlflow_model_set_tag(struct sk_hub_call *call)
{
    put_tag(call, false, true);
}

void sk_mlflow_model_delete_tag(struct sk_hub_call *call)
{
    put_tag(call, false, false);
}

void sk_mlflow_version_set_tag(struct sk_hub_call *call)
{
    put_tag(call, true, true);
}

void sk_mlflow_version_delete_tag(struct sk_hub_call *call)
{
    put_tag(call, true, false);
}

void sk_mlflow_alias_get(struct sk_hub_call *call)
{
    BEGIN_ANSWER(call);
    const char *name = NULL, *alias = NULL;
    int rc = -1;

    if (read_name(call, &a, &name, &err) == 0 && sk_mlflow_need(&a, "alias", &alias, &err) == 0)
        rc = sk_version_by_alias(store, name, alias, &json, &err);
    answer(call, rc, "model_version", &json, &err);
}

void sk_mlflow_alias_set(struct sk_hub_call *call)
{
    BEGIN(call);
    const char *name = NULL, *alias = NULL;
    uint64_t version = 0;
    int rc = -1;

    if (read_version(call, &a, &name, &version, &err) == 0 &&
        sk_mlflow_need(&a, "alias", &alias, &err) == 0)
        rc = sk_model_set_alias(store, &call->who, name, alias, version, &err);
    answer_empty(call, rc, &err);
}

void sk_mlflow_alias_delete(struct sk_hub_call *call)
{
    BEGIN(call);
    const char *name = NULL, *alias = NULL;
    int rc = -1;

    if (read_name(call, &a, &name, &err) == 0 && sk_mlflow_need(&a, "alias", &alias, &err) == 0)
        rc = sk_model_set_alias(store, &call->who, name, alias, 0, &err);
    answer_empty(call, rc, &err);
}

/* ---- versions ---- */

static bool is_prompt(const struct sk_version_new *v)
{
    bool yes = false;

    for (size_t i = 0; i < v->tag_count; i++)
        if (strcmp(v->tags[i].key, "mlflow.prompt.is_prompt") == 0)
            yes = sk_view_eq_nocase(sk_view_of(v->tags[i].value), "true");
    return yes;
}

int sk_mlflow_read_version(struct sk_mlflow_args *a, struct sk_version_new *v, struct sk_err *err)
{
    if (sk_mlflow_need(a, "name", &v->name, err) < 0 ||
        sk_mlflow_need(a, "source", &v->source, err) < 0 ||
        sk_mlflow_text(a, "run_id", &v->run_id, err) < 0 ||
        sk_mlflow_text(a, "run_link", &v->run_link, err) < 0 ||
        sk_mlflow_text(a, "description", &v->description, err) < 0 ||
        sk_mlflow_text(a, "model_id", &v->model_id, err) < 0)
        return -1;
    return sk_mlflow_pairs(a, "tags", &v->tags, &v->tag_count, err);
}

void sk_mlflow_version_create(struct sk_hub_call *call)
{
    BEGIN_ANSWER(call);
    struct sk_version_new v = { 0 };
    uint64_t version = 0;
    int rc = -1;

    /* A prompt's text is in its tags; its source is a word that says so. */
    if (sk_mlflow_args(call, &a, &err) == 0 && sk_mlflow_read_version(&a, &v, &err) == 0 &&
        (is_prompt(&v) || sk_mlflow_source_apply(store, &a.arena, &v, &err) == 0))
        rc = sk_version_create(store, &call->who, &v, &version, &json, &err);
    answer(call, rc, "model_version", &json, &err);
}

void sk_mlflow_version_get(struct sk_hub_call *call)
{
    BEGIN_ANSWER(call);
    const char *name = NULL;
    uint64_t version = 0;
    int rc = read_version(call, &a, &name, &version, &err);

    if (rc == 0)
        rc = sk_version_get(store, name, version, &json, &err);
    answer(call, rc, "model_version", &json, &err);
}

void sk_mlflow_version_update(struct sk_hub_call *call)
{
    BEGIN_ANSWER(call);
    const char *name = NULL, *description = NULL;
    uint64_t version = 0;
    int rc = -1;

    if (read_version(call, &a, &name, &version, &err) == 0 &&
        sk_mlflow_text(&a, "description", &description, &err) == 0 &&
        sk_version_describe(store, &call->who, name, version, description, &err) == 0)
        rc = sk_version_get(store, name, version, &json, &err);
    answer(call, rc, "model_version", &json, &err);
}

void sk_mlflow_version_delete(struct sk_hub_call *call)
{
    BEGIN(call);
    const char *name = NULL;
    uint64_t version = 0;
    int rc = read_version(call, &a, &name, &version, &err);

    if (rc == 0)
        rc = sk_version_delete(store, &call->who, name, version, &err);
    answer_empty(call, rc, &err);
}

void sk_mlflow_versions_search(struct sk_hub_call *call)
{
    BEGIN_ANSWER(call);
    struct sk_search q = { 0 };
    int rc = -1;

    if (sk_mlflow_args(call, &a, &err) == 0 &&
        sk_mlflow_search(&a, VERSIONS_USUAL, SK_VERSIONS_PAGE_MAX, &q, &err) == 0)
        rc = sk_versions_search(store, &q, &json, &err);
    answer(call, rc, NULL, &json, &err);
}

void sk_mlflow_version_uri(struct sk_hub_call *call)
{
    BEGIN_ANSWER(call);
    SK_AUTO(sk_buf_done) struct sk_buf uri = SK_BUF_INIT(SK_MLFLOW_ANSWER_BYTES);
    const char *name = NULL;
    uint64_t version = 0;
    int rc = -1;

    if (read_version(call, &a, &name, &version, &err) == 0)
        rc = sk_version_uri(store, name, version, &uri, &err);
    if (rc == 0)
        sk_buf_json(&json, uri.data, uri.len);
    answer(call, rc, "artifact_uri", &json, &err);
}

void sk_mlflow_version_stage(struct sk_hub_call *call)
{
    BEGIN_ANSWER(call);
    const char *name = NULL, *stage = NULL;
    bool archive_others = false;
    uint64_t version = 0;
    int rc = -1;

    if (read_version(call, &a, &name, &version, &err) == 0 &&
        sk_mlflow_need(&a, "stage", &stage, &err) == 0 &&
        sk_mlflow_bool(&a, "archive_existing_versions", &archive_others, &err) == 0 &&
        sk_version_set_stage(store, &call->who, name, version, stage, archive_others, &err) == 0)
        rc = sk_version_get(store, name, version, &json, &err);
    answer(call, rc, "model_version", &json, &err);
}
