/*
 * api_mlflow_runs.c - experiments, runs, metrics, parameters and tags of the MLflow interface.
 *
 * Each function reads its arguments, calls runs.h and answers. Old clients say run_uuid for run_id.
 * Metric values are numbers, or "NaN", "Infinity", "-Infinity" as protobuf's JSON writes them.
 */
#include "hub/mlflow_runs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The head of each function: arguments that free themselves, and an error. */
#define BEGIN(call)                                                                                \
    SK_AUTO(sk_mlflow_args_done) struct sk_mlflow_args a = SK_MLFLOW_ARGS_INIT;                    \
    struct sk_store *store = sk_hub_store((call)->hub);                                            \
    struct sk_err err = SK_ERR_INIT

static void answer(struct sk_hub_call *call, int rc, const struct sk_err *err)
{
    if (rc < 0)
        sk_hub_fail(call, err);
    else
        sk_mlflow_reply_empty(call);
}

static void answer_json(struct sk_hub_call *call, int rc, const char *name,
                        const struct sk_buf *json, const struct sk_err *err)
{
    if (rc < 0)
        sk_hub_fail(call, err);
    else
        sk_mlflow_reply(call, name, json);
}

/* Arguments, and the run's id among them. */
static int read_run(struct sk_hub_call *call, struct sk_mlflow_args *a, const char **run_id,
                    struct sk_err *err)
{
    const char *old = NULL;

    if (sk_mlflow_args(call, a, err) < 0 || sk_mlflow_text(a, "run_id", run_id, err) < 0 ||
        sk_mlflow_text(a, "run_uuid", &old, err) < 0)
        return -1;
    if (!*run_id || !**run_id)
        *run_id = old;
    if (!*run_id || !**run_id)
        return sk_mlflow_need(a, "run_id", run_id, err);
    return 0;
}

static int read_view(struct sk_mlflow_args *a, const char *name, enum sk_view_type *out,
                     struct sk_err *err)
{
    static const struct {
        const char *name;
        enum sk_view_type view;
    } rows[] = { { "ACTIVE_ONLY", SK_VIEW_ACTIVE },
                 { "DELETED_ONLY", SK_VIEW_DELETED },
                 { "ALL", SK_VIEW_ALL },
                 { "1", SK_VIEW_ACTIVE },
                 { "2", SK_VIEW_DELETED },
                 { "3", SK_VIEW_ALL } };
    const struct sk_json *number = a->doc ? sk_json_get(a->doc, name) : NULL;
    const char *text = NULL;
    char digit[2] = "";

    *out = SK_VIEW_ACTIVE;
    if (sk_json_type(number) == SK_JSON_INT) {
        digit[0] = (char)('0' + (sk_json_int(number, 0) & 7));
        text = digit;
    } else if (sk_mlflow_text(a, name, &text, err) < 0) {
        return -1;
    }
    if (!text || !*text)
        return 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(text, rows[i].name) == 0) {
            *out = rows[i].view;
            return 0;
        }
    }
    return sk_fail(err, SK_INVALID, "%s '%.40s': expected ACTIVE_ONLY, DELETED_ONLY or ALL", name,
                   text);
}

/* ---- experiments ---- */

void sk_mlflow_experiment_create(struct sk_hub_call *call)
{
    SK_AUTO(sk_buf_done) struct sk_buf id = SK_BUF_INIT(64);
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(64);
    const char *name = NULL, *location = NULL;
    const struct sk_pair *tags = NULL;
    size_t count = 0;
    BEGIN(call);

    int rc = sk_mlflow_args(call, &a, &err) < 0 || sk_mlflow_need(&a, "name", &name, &err) < 0 ||
                     sk_mlflow_text(&a, "artifact_location", &location, &err) < 0 ||
                     sk_mlflow_pairs(&a, "tags", &tags, &count, &err) < 0
                 ? -1
                 : 0;
    if (rc == 0 && location && *location)
        rc = sk_fail(&err, SK_INVALID,
                     "artifact_location '%.200s': this hub keeps artifacts itself; leave it out",
                     location);
    if (rc == 0)
        rc = sk_experiment_create(store, &call->who, name, tags, count, &id, &err);
    if (rc == 0)
        sk_buf_json(&json, id.data, id.len);
    answer_json(call, rc, "experiment_id", &json, &err);
}

static void get_experiment(struct sk_hub_call *call, const char *argument, bool by_name)
{
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(SK_MLFLOW_ANSWER_BYTES);
    const char *text = NULL;
    BEGIN(call);

    int rc = sk_mlflow_args(call, &a, &err) < 0 || sk_mlflow_need(&a, argument, &text, &err) < 0
                 ? -1
                 : sk_experiment_get(store, by_name ? NULL : text, text, &json, &err);
    answer_json(call, rc, "experiment", &json, &err);
}

void sk_mlflow_experiment_get(struct sk_hub_call *call)
{
    get_experiment(call, "experiment_id", false);
}

void sk_mlflow_experiment_get_by_name(struct sk_hub_call *call)
{
    get_experiment(call, "experiment_name", true);
}

void sk_mlflow_experiments_search(struct sk_hub_call *call)
{
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(SK_MLFLOW_ANSWER_BYTES);
    enum sk_view_type view = SK_VIEW_ACTIVE;
    struct sk_search q = { 0 };
    BEGIN(call);

    sk_buf_chr(&json, '{');
    int rc = sk_mlflow_args(call, &a, &err) < 0 ||
                     sk_mlflow_search(&a, 1000, SK_RUNS_PAGE_MAX, &q, &err) < 0 ||
                     read_view(&a, "view_type", &view, &err) < 0 ||
                     sk_experiments_search(store, &q, view, &json, &err) < 0
                 ? -1
                 : 0;
    sk_buf_chr(&json, '}');
    answer_json(call, rc, NULL, &json, &err);
}

void sk_mlflow_experiment_update(struct sk_hub_call *call)
{
    const char *id = NULL, *name = NULL;
    BEGIN(call);

    int rc = sk_mlflow_args(call, &a, &err) < 0 ||
                     sk_mlflow_need(&a, "experiment_id", &id, &err) < 0 ||
                     sk_mlflow_text(&a, "new_name", &name, &err) < 0
                 ? -1
                 : 0;
    if (rc == 0 && name) /* without a name there is nothing to change */
        rc = sk_experiment_rename(store, &call->who, id, name, &err);
    answer(call, rc, &err);
}

static void set_experiment_deleted(struct sk_hub_call *call, bool deleted)
{
    const char *id = NULL;
    BEGIN(call);

    int rc = sk_mlflow_args(call, &a, &err) < 0 ||
                     sk_mlflow_need(&a, "experiment_id", &id, &err) < 0
                 ? -1
                 : sk_experiment_set_deleted(store, &call->who, id, deleted, &err);
    answer(call, rc, &err);
}

void sk_mlflow_experiment_delete(struct sk_hub_call *call)
{
    set_experiment_deleted(call, true);
}

void sk_mlflow_experiment_restore(struct sk_hub_call *call)
{
    set_experiment_deleted(call, false);
}

static void tag_experiment(struct sk_hub_call *call, bool set)
{
    const char *id = NULL, *key = NULL, *value = NULL;
    BEGIN(call);

    int rc = sk_mlflow_args(call, &a, &err) < 0 ||
                     sk_mlflow_need(&a, "experiment_id", &id, &err) < 0 ||
                     sk_mlflow_need(&a, "key", &key, &err) < 0 ||
                     sk_mlflow_text(&a, "value", &value, &err) < 0
                 ? -1
                 : sk_experiment_set_tag(store, &call->who, id, key,
                                         set ? (value ? value : "") : NULL, &err);
    answer(call, rc, &err);
}

void sk_mlflow_experiment_set_tag(struct sk_hub_call *call)
{
    tag_experiment(call, true);
}

void sk_mlflow_experiment_delete_tag(struct sk_hub_call *call)
{
    tag_experiment(call, false);
}

/* ---- runs ---- */

void sk_mlflow_run_create(struct sk_hub_call *call)
{
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(SK_MLFLOW_ANSWER_BYTES);
    struct sk_run_new r = { 0 };
    BEGIN(call);

    int rc = sk_mlflow_args(call, &a, &err) < 0 ||
                     sk_mlflow_text(&a, "experiment_id", &r.experiment_id, &err) < 0 ||
                     sk_mlflow_text(&a, "user_id", &r.user_id, &err) < 0 ||
                     sk_mlflow_text(&a, "run_name", &r.name, &err) < 0 ||
                     sk_mlflow_int(&a, "start_time", 0, INT64_MAX, &r.start_ms, &err) < 0 ||
                     sk_mlflow_pairs(&a, "tags", &r.tags, &r.tag_count, &err) < 0
                 ? -1
                 : sk_run_create(store, &call->who, &r, &json, &err);
    answer_json(call, rc, "run", &json, &err);
}

void sk_mlflow_run_get(struct sk_hub_call *call)
{
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(SK_MLFLOW_ANSWER_BYTES);
    const char *id = NULL;
    BEGIN(call);

    int rc = read_run(call, &a, &id, &err) < 0 ? -1 : sk_run_get(store, id, &json, &err);
    answer_json(call, rc, "run", &json, &err);
}

/* RunStatus by name or by its number in MLflow's protocol. */
static int read_status(struct sk_mlflow_args *a, const char **out, struct sk_err *err)
{
    static const char *const names[] = {
        "", "RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"
    };
    const struct sk_json *v = a->doc ? sk_json_get(a->doc, "status") : NULL;

    if (sk_json_type(v) != SK_JSON_INT)
        return sk_mlflow_text(a, "status", out, err);

    int64_t number = sk_json_int(v, 0);
    if (number < 1 || number > 5)
        return sk_fail(err, SK_INVALID, "status: unknown number");
    *out = names[number];
    return 0;
}

void sk_mlflow_run_update(struct sk_hub_call *call)
{
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(SK_MLFLOW_ANSWER_BYTES);
    const char *id = NULL, *status = NULL, *name = NULL;
    int64_t end_ms = 0;
    BEGIN(call);

    int rc = read_run(call, &a, &id, &err) < 0 || read_status(&a, &status, &err) < 0 ||
                     sk_mlflow_text(&a, "run_name", &name, &err) < 0 ||
                     sk_mlflow_int(&a, "end_time", 0, INT64_MAX, &end_ms, &err) < 0
                 ? -1
                 : sk_run_update(store, &call->who, id, status && *status ? status : NULL, name,
                                 end_ms, &json, &err);
    answer_json(call, rc, "run_info", &json, &err);
}

static void set_run_deleted(struct sk_hub_call *call, bool deleted)
{
    const char *id = NULL;
    BEGIN(call);

    int rc = read_run(call, &a, &id, &err) < 0
                 ? -1
                 : sk_run_set_deleted(store, &call->who, id, deleted, &err);
    answer(call, rc, &err);
}

void sk_mlflow_run_delete(struct sk_hub_call *call)
{
    set_run_deleted(call, true);
}

void sk_mlflow_run_restore(struct sk_hub_call *call)
{
    set_run_deleted(call, false);
}

void sk_mlflow_runs_search(struct sk_hub_call *call)
{
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(SK_MLFLOW_ANSWER_BYTES);
    enum sk_view_type view = SK_VIEW_ACTIVE;
    const char *const *ids = NULL;
    struct sk_search q = { 0 };
    size_t count = 0;
    BEGIN(call);

    sk_buf_chr(&json, '{');
    int rc = sk_mlflow_args(call, &a, &err) < 0 ||
                     sk_mlflow_search(&a, 1000, SK_RUNS_PAGE_MAX, &q, &err) < 0 ||
                     sk_mlflow_texts(&a, "experiment_ids", &ids, &count, &err) < 0 ||
                     read_view(&a, "run_view_type", &view, &err) < 0 ||
                     sk_runs_search(store, ids, count, &q, view, &json, &err) < 0
                 ? -1
                 : 0;
    sk_buf_chr(&json, '}');
    answer_json(call, rc, NULL, &json, &err);
}

void sk_mlflow_metric_history(struct sk_hub_call *call)
{
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(SK_MLFLOW_ANSWER_BYTES);
    const char *id = NULL, *key = NULL, *token = NULL;
    int64_t max = 0;
    BEGIN(call);

    sk_buf_chr(&json, '{');
    int rc = read_run(call, &a, &id, &err) < 0 ||
                     sk_mlflow_need(&a, "metric_key", &key, &err) < 0 ||
                     sk_mlflow_text(&a, "page_token", &token, &err) < 0 ||
                     sk_mlflow_int(&a, "max_results", 0, SK_RUNS_PAGE_MAX, &max, &err) < 0 ||
                     sk_run_history(store, id, key, (unsigned)max, token, &json, &err) < 0
                 ? -1
                 : 0;
    sk_buf_chr(&json, '}');
    answer_json(call, rc, NULL, &json, &err);
}

/* ---- reports ---- */

/* A number of the object, also as a text; the fallback stays when it is absent. */
static int read_long(const struct sk_json *o, const char *key, int64_t *out, struct sk_err *err)
{
    const struct sk_json *v = sk_json_get(o, key);
    const char *text = sk_json_text(v, NULL);
    char *end = NULL;

    if (text && *text) {
        long long number = strtoll(text, &end, 10);
        if (*end != '\0')
            return sk_fail(err, SK_INVALID, "'%s': expected an integer, got '%.40s'", key, text);
        *out = number;
        return 0;
    }
    if (sk_json_type(v) == SK_JSON_REAL) { /* 5.0: some JSON libraries write integers so */
        double number = sk_json_num(v, 0);
        if (number != floor(number) || fabs(number) > 9007199254740992.0)
            return sk_fail(err, SK_INVALID, "'%s': expected an integer", key);
        *out = (int64_t)number;
        return 0;
    }
    return sk_json_want_int(o, key, INT64_MIN, INT64_MAX, out, err);
}

static int read_value(const struct sk_json *o, double *out, struct sk_err *err)
{
    const struct sk_json *v = sk_json_get(o, "value");
    const char *text = sk_json_text(v, NULL);

    if (!v || sk_json_type(v) == SK_JSON_NULL)
        return sk_fail(err, SK_INVALID, "Missing value for required parameter 'value'.");
    if (!text)
        return sk_json_want_num(o, "value", -INFINITY, INFINITY, out, err);
    if (strcmp(text, "NaN") == 0)
        *out = NAN;
    else if (strcmp(text, "Infinity") == 0)
        *out = INFINITY;
    else if (strcmp(text, "-Infinity") == 0)
        *out = -INFINITY;
    else
        return sk_parse_f64("'value'", text, -INFINITY, INFINITY, out, err);
    return 0;
}

static int read_metric(const struct sk_json *o, struct sk_metric *out, struct sk_err *err)
{
    struct sk_metric m = { 0 };

    if (sk_json_type(o) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "expected an object");
    if (sk_json_want_text(o, "key", &m.key, err) < 0 || read_value(o, &m.value, err) < 0 ||
        read_long(o, "timestamp", &m.timestamp_ms, err) < 0 ||
        read_long(o, "step", &m.step, err) < 0 ||
        sk_json_want_text(o, "model_id", &m.model_id, err) < 0 ||
        sk_json_want_text(o, "dataset_name", &m.dataset_name, err) < 0 ||
        sk_json_want_text(o, "dataset_digest", &m.dataset_digest, err) < 0)
        return -1;
    if (!m.key)
        return sk_fail(err, SK_INVALID, "Missing value for required parameter 'key'.");
    *out = m;
    return 0;
}

void sk_mlflow_log_metric(struct sk_hub_call *call)
{
    struct sk_metric m = { 0 };
    struct sk_run_batch batch = { .metrics = &m, .metric_count = 1 };
    const char *id = NULL;
    BEGIN(call);

    int rc = read_run(call, &a, &id, &err) < 0 || read_metric(a.doc, &m, &err) < 0
                 ? -1
                 : sk_run_log(store, &call->who, id, &batch, &err);
    answer(call, rc, &err);
}

enum pair_use {
    PARAM,
    TAG,
    NO_TAG
};

static void log_pair(struct sk_hub_call *call, enum pair_use use)
{
    struct sk_pair pair = { 0 };
    struct sk_run_batch batch = {
        .params = &pair, .param_count = use == PARAM, .tags = &pair, .tag_count = use != PARAM
    };
    const char *id = NULL;
    BEGIN(call);

    int rc = read_run(call, &a, &id, &err) < 0 || sk_mlflow_need(&a, "key", &pair.key, &err) < 0 ||
                     sk_mlflow_text(&a, "value", &pair.value, &err) < 0
                 ? -1
                 : 0;
    if (use == NO_TAG)
        pair.value = NULL;
    else if (!pair.value) /* protobuf's JSON leaves empty texts out */
        pair.value = "";
    if (rc == 0)
        rc = sk_run_log(store, &call->who, id, &batch, &err);
    answer(call, rc, &err);
}

void sk_mlflow_log_param(struct sk_hub_call *call)
{
    log_pair(call, PARAM);
}

void sk_mlflow_run_set_tag(struct sk_hub_call *call)
{
    log_pair(call, TAG);
}

void sk_mlflow_run_delete_tag(struct sk_hub_call *call)
{
    log_pair(call, NO_TAG);
}

static int read_metrics(struct sk_mlflow_args *a, const struct sk_metric **out, size_t *count,
                        struct sk_err *err)
{
    const struct sk_json *list = NULL;

    if (sk_json_want_array(a->doc, "metrics", &list, err) < 0)
        return -1;
    *count = sk_json_count(list);
    if (*count > SK_RUN_BATCH_METRICS)
        return sk_fail(err, SK_LIMIT,
                       "A batch logging request can contain at most %u metrics. Got %zu metrics. "
                       "Please split up metrics across multiple requests and try again.",
                       (unsigned)SK_RUN_BATCH_METRICS, *count);

    struct sk_metric *metrics = sk_arena_alloc(&a->arena, (*count + 1) * sizeof(*metrics));
    if (!metrics)
        return sk_nomem(err);
    for (size_t i = 0; i < *count; i++) {
        if (read_metric(sk_json_at(list, i), &metrics[i], err) < 0)
            return sk_wrap(err, "metrics[%zu]", i);
    }
    *out = metrics;
    return 0;
}

/* Not sk_mlflow_pairs: a parameter that is there twice is an error here, and an absent value is an
 * empty one. */
static int read_pairs(struct sk_mlflow_args *a, const char *name, const struct sk_pair **out,
                      size_t *count, struct sk_err *err)
{
    const struct sk_json *list = NULL;

    if (sk_json_want_array(a->doc, name, &list, err) < 0)
        return -1;
    *count = sk_json_count(list);
    if (*count > SK_RUN_BATCH_PAIRS)
        return sk_fail(err, SK_LIMIT,
                       "A batch logging request can contain at most %u %s. Got %zu %s. Please "
                       "split up %s across multiple requests and try again.",
                       (unsigned)SK_RUN_BATCH_PAIRS, name, *count, name, name);

    struct sk_pair *pairs = sk_arena_alloc(&a->arena, (*count + 1) * sizeof(*pairs));
    if (!pairs)
        return sk_nomem(err);
    for (size_t i = 0; i < *count; i++) {
        const struct sk_json *o = sk_json_at(list, i);

        pairs[i] = (struct sk_pair){ .value = "" };
        if (sk_json_type(o) != SK_JSON_OBJECT)
            return sk_fail(err, SK_INVALID, "%s[%zu]: expected an object", name, i);
        if (sk_json_want_text(o, "key", &pairs[i].key, err) < 0 ||
            sk_json_want_text(o, "value", &pairs[i].value, err) < 0)
            return sk_wrap(err, "%s[%zu]", name, i);
    }
    *out = pairs;
    return 0;
}

int sk_mlflow_read_batch(struct sk_mlflow_args *a, struct sk_run_batch *out, struct sk_err *err)
{
    if (read_metrics(a, &out->metrics, &out->metric_count, err) < 0 ||
        read_pairs(a, "params", &out->params, &out->param_count, err) < 0)
        return -1;
    return read_pairs(a, "tags", &out->tags, &out->tag_count, err);
}

void sk_mlflow_log_batch(struct sk_hub_call *call)
{
    struct sk_run_batch b = { 0 };
    const char *id = NULL;
    BEGIN(call);

    int rc = 0;
    if (sk_http_body(call->req).len > SK_RUN_BATCH_BYTES)
        rc = sk_fail(&err, SK_LIMIT,
                     "Batched logging API requests must be at most %u bytes, got a request of "
                     "size %zu.",
                     (unsigned)SK_RUN_BATCH_BYTES, sk_http_body(call->req).len);
    if (rc == 0 && (read_run(call, &a, &id, &err) < 0 || sk_mlflow_read_batch(&a, &b, &err) < 0 ||
                    sk_run_log(store, &call->who, id, &b, &err) < 0))
        rc = -1;
    answer(call, rc, &err);
}

void sk_mlflow_log_model(struct sk_hub_call *call)
{
    SK_OWN(sk_json_free) struct sk_json *model = NULL;
    const char *id = NULL, *text = NULL;
    BEGIN(call);

    int rc = read_run(call, &a, &id, &err) < 0 || sk_mlflow_need(&a, "model_json", &text, &err) < 0
                 ? -1
                 : 0;
    if (rc == 0 && sk_json_parse(text, strlen(text), NULL, &model, &err) < 0)
        rc = sk_wrap(&err, "Malformed model info");
    if (rc == 0)
        rc = sk_run_log_model(store, &call->who, id, model, &err);
    answer(call, rc, &err);
}

static void log_links(struct sk_hub_call *call, bool outputs)
{
    const struct sk_json *datasets = NULL, *models = NULL;
    const char *id = NULL;
    BEGIN(call);

    int rc = read_run(call, &a, &id, &err) < 0 ||
                     (!outputs && sk_json_want_array(a.doc, "datasets", &datasets, &err) < 0) ||
                     sk_json_want_array(a.doc, "models", &models, &err) < 0
                 ? -1
                 : sk_run_log_links(store, &call->who, id, datasets, models, outputs, &err);
    answer(call, rc, &err);
}

void sk_mlflow_log_inputs(struct sk_hub_call *call)
{
    log_links(call, false);
}

void sk_mlflow_log_outputs(struct sk_hub_call *call)
{
    log_links(call, true);
}
