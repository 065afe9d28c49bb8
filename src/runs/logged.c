/*
 * logged.c - logged models: what MLflow 3 keeps of a model before and beside the registry.
 */
#include "runs/runs_priv.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const statuses[] = { "LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY",
                                        "LOGGED_MODEL_UPLOAD_FAILED" };

static int check_name(const char *name, struct sk_err *err)
{
    if (sk_runs_check_text("model name", name, SK_RUN_NAME_MAX, err) < 0)
        return -1;
    if (!*name || strpbrk(name, "/:.%\"'"))
        return sk_fail(err, SK_INVALID,
                       "Invalid model name ('%.80s') provided. Model name must be a non-empty "
                       "string and cannot contain / : . %% \" or '",
                       name);
    return 0;
}

static int check_pairs(const struct sk_pair *tags, size_t tag_count, const struct sk_pair *params,
                       size_t param_count, struct sk_err *err)
{
    if (tag_count > SK_RUN_BATCH_ALL || param_count > SK_RUN_BATCH_ALL)
        return sk_fail(err, SK_LIMIT, "at most %u tags and %u params are taken at once",
                       (unsigned)SK_RUN_BATCH_ALL, (unsigned)SK_RUN_BATCH_ALL);
    if (sk_runs_check_pairs("tag", tags, tag_count, SK_RUN_TAG_MAX, err) < 0 ||
        sk_runs_check_pairs("param", params, param_count, SK_RUN_PARAM_MAX, err) < 0)
        return -1;
    for (size_t i = 0; i < param_count; i++) {
        if (!params[i].value)
            return sk_fail(err, SK_INVALID, "param '%s' has no value", params[i].key);
    }
    return 0;
}

/* ---- rows ---- */

static int put_tag(struct sk_tx *tx, int64_t n, const struct sk_pair *tag, struct sk_err *err)
{
    if (tag->value)
        return sk_tx_run(tx, err,
                         "INSERT INTO logged_model_tag(model, key, value) VALUES(?1, ?2, ?3) "
                         "ON CONFLICT(model, key) DO UPDATE SET value = excluded.value",
                         "iss", n, tag->key, tag->value);
    if (sk_tx_run(tx, err, "DELETE FROM logged_model_tag WHERE model = ?1 AND key = ?2", "is", n,
                  tag->key) < 0)
        return -1;
    if (sk_tx_changes(tx) == 0)
        return sk_fail(err, SK_NOT_FOUND, "No tag with key '%s' found for this model", tag->key);
    return 0;
}

static int put_param(struct sk_tx *tx, int64_t n, const struct sk_pair *param, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;

    if (sk_tx_run(tx, err,
                  "INSERT INTO logged_model_param(model, key, value) VALUES(?1, ?2, ?3) "
                  "ON CONFLICT(model, key) DO NOTHING",
                  "iss", n, param->key, param->value) < 0)
        return -1;
    if (sk_tx_changes(tx) > 0)
        return 0;
    if (sk_tx_query(tx, &s, err,
                    "SELECT value FROM logged_model_param WHERE model = ?1 AND key = ?2", "is", n,
                    param->key) < 0 ||
        sk_stmt_next(s, err) < 0)
        return -1;
    if (strcmp(sk_stmt_text(s, 0), param->value) != 0)
        return sk_fail(err, SK_INVALID,
                       "param '%s' of this model is '%.80s' and cannot become '%.80s'", param->key,
                       sk_stmt_text(s, 0), param->value);
    return 0;
}

static int put_pairs(struct sk_tx *tx, int64_t n, const struct sk_pair *tags, size_t tag_count,
                     const struct sk_pair *params, size_t param_count, struct sk_err *err)
{
    for (size_t i = 0; i < tag_count; i++) {
        if (put_tag(tx, n, &tags[i], err) < 0)
            return -1;
    }
    for (size_t i = 0; i < param_count; i++) {
        if (put_param(tx, n, &params[i], err) < 0)
            return -1;
    }
    return 0;
}

/* ---- JSON ---- */

static int write_metrics(struct sk_tx *tx, int64_t n, const char *id, struct sk_buf *out,
                         struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int got = 0;

    if (sk_tx_query(tx, &s, err,
                    "SELECT key, value, at_ms, step, run, dataset_name, dataset_digest "
                    "FROM logged_model_metric WHERE model = ?1 ORDER BY key, at_ms, step",
                    "i", n) < 0)
        return -1;
    sk_buf_chr(out, '[');
    for (bool first = true; (got = sk_stmt_next(s, err)) > 0; first = false) {
        if (!first)
            sk_buf_chr(out, ',');
        sk_buf_str(out, "{\"value\":");
        sk_runs_number(out, sk_stmt_num(s, 1), sk_stmt_is_null(s, 1));
        sk_buf_fmt(out, ",\"timestamp\":%" PRId64 ",\"step\":%" PRId64, sk_stmt_int(s, 2),
                   sk_stmt_int(s, 3));
        sk_runs_field(out, "key", sk_stmt_text(s, 0));
        sk_runs_field(out, "model_id", id);
        sk_runs_field(out, "run_id", sk_stmt_text(s, 4));
        if (*sk_stmt_text(s, 5))
            sk_runs_field(out, "dataset_name", sk_stmt_text(s, 5));
        if (*sk_stmt_text(s, 6))
            sk_runs_field(out, "dataset_digest", sk_stmt_text(s, 6));
        sk_buf_chr(out, '}');
    }
    sk_buf_chr(out, ']');
    return got;
}

static void write_info(struct sk_stmt *s, struct sk_buf *out)
{
    const char *id = sk_stmt_text(s, 0);
    int64_t experiment = sk_stmt_int(s, 1);

    sk_buf_fmt(out, "{\"model_id\":\"%s\",\"experiment_id\":\"%" PRId64 "\"", id, experiment);
    sk_buf_fmt(out, ",\"artifact_uri\":\"mlflow-artifacts:/%" PRId64 "/models/%s/artifacts\"",
               experiment, id);
    sk_runs_field(out, "name", sk_stmt_text(s, 2));
    if (*sk_stmt_text(s, 3))
        sk_runs_field(out, "model_type", sk_stmt_text(s, 3));
    if (*sk_stmt_text(s, 4))
        sk_runs_field(out, "source_run_id", sk_stmt_text(s, 4));
    sk_runs_field(out, "status", sk_stmt_text(s, 5));
    sk_buf_fmt(out, ",\"creation_timestamp_ms\":%" PRId64 ",\"last_updated_timestamp_ms\":%" PRId64,
               sk_stmt_int(s, 6), sk_stmt_int(s, 7));
}

static int write_model(struct sk_tx *tx, int64_t n, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;

    if (sk_tx_query(tx, &s, err,
                    "SELECT id, experiment, name, model_type, source_run, status, created_ms, "
                    "updated_ms FROM logged_model WHERE n = ?1",
                    "i", n) < 0)
        return -1;

    int got = sk_stmt_next(s, err);
    if (got < 0)
        return -1;
    if (got == 0)
        return sk_fail(err, SK_BUG, "logged model %" PRId64 " is gone", n);
    sk_buf_str(out, "{\"info\":");
    write_info(s, out);
    sk_buf_str(out, ",\"registrations\":[],\"tags\":");
    if (sk_runs_write_pairs(tx, "SELECT key, value FROM logged_model_tag WHERE model = ?1", n, out,
                            err) < 0)
        return -1;
    sk_buf_str(out, "},\"data\":{\"params\":");
    if (sk_runs_write_pairs(tx, "SELECT key, value FROM logged_model_param WHERE model = ?1", n,
                            out, err) < 0)
        return -1;
    sk_buf_str(out, ",\"metrics\":");
    if (write_metrics(tx, n, sk_stmt_text(s, 0), out, err) < 0)
        return -1;
    sk_buf_str(out, "}}");
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

/* ---- calls ---- */

static int insert(struct sk_tx *tx, const struct sk_logged_model_new *m, int64_t experiment,
                  const char *id, const char *name, struct sk_err *err)
{
    return sk_tx_run(tx, err,
                     "INSERT INTO logged_model(id, experiment, name, model_type, source_run, "
                     "status, created_ms, updated_ms) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
                     "sissssi", id, experiment, name, m->model_type ? m->model_type : "",
                     m->source_run_id ? m->source_run_id : "", statuses[0], (int64_t)sk_wall_ms());
}

int sk_logged_model_create(struct sk_store *s, const struct sk_who *who,
                           const struct sk_logged_model_new *m, struct sk_buf *out,
                           struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_experiment_ref experiment = { 0 };
    struct sk_run_ref source = { 0 };
    char hex[SK_RUN_ID_TEXT], id[SK_LOGGED_MODEL_ID_TEXT], made[32];

    if (sk_runs_new_id(hex, err) < 0)
        return -1;
    (void)snprintf(id, sizeof(id), "m-%s", hex);
    (void)snprintf(made, sizeof(made), "model-%.8s", hex);

    const char *name = m->name ? m->name : made;

    if (check_name(name, err) < 0 ||
        (m->model_type && sk_runs_check_text("model_type", m->model_type, 500, err) < 0) ||
        check_pairs(m->tags, m->tag_count, m->params, m->param_count, err) < 0 ||
        sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0 ||
        sk_runs_experiment(tx, m->experiment_id, SK_RUNS_WRITE, &experiment, err) < 0)
        return -1;
    if (m->source_run_id && *m->source_run_id &&
        sk_runs_run(tx, m->source_run_id, SK_RUNS_READ, &source, err) < 0)
        return sk_wrap(err, "source_run_id");
    if (insert(tx, m, experiment.id, id, name, err) < 0)
        return -1;

    int64_t n = sk_tx_last_id(tx);

    if (put_pairs(tx, n, m->tags, m->tag_count, m->params, m->param_count, err) < 0 ||
        write_model(tx, n, out, err) < 0 ||
        sk_audit(tx, who, "logged-model.create", id, name, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

int sk_logged_model_get(struct sk_store *s, const char *id, bool allow_deleted, struct sk_buf *out,
                        struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_run_ref model = { 0 };

    if (sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, err) < 0 ||
        sk_runs_model(tx, id, SK_RUNS_READ, &model, err) < 0)
        return -1;
    if (model.deleted && !allow_deleted)
        return sk_fail(err, SK_NOT_FOUND, "Logged model with id=%s not found (it was deleted)", id);
    return write_model(tx, model.n, out, err);
}

static int begin_change(struct sk_store *s, const char *id, struct sk_tx **tx,
                        struct sk_run_ref *model, struct sk_err *err)
{
    if (sk_db_begin(sk_store_db(s), SK_DB_WRITE, tx, err) < 0 ||
        sk_runs_model(*tx, id, SK_RUNS_WRITE, model, err) < 0)
        return -1;
    return sk_tx_run(*tx, err, "UPDATE logged_model SET updated_ms = ?2 WHERE n = ?1", "ii",
                     model->n, (int64_t)sk_wall_ms());
}

int sk_logged_model_set_status(struct sk_store *s, const struct sk_who *who, const char *id,
                               const char *status, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_run_ref model = { 0 };
    size_t i = 0;

    while (i < 3 && status && strcmp(status, statuses[i]) != 0)
        i++;
    if (!status || i == 3)
        return sk_fail(err, SK_INVALID,
                       "status '%.64s': a logged model is LOGGED_MODEL_PENDING, "
                       "LOGGED_MODEL_READY or LOGGED_MODEL_UPLOAD_FAILED",
                       status ? status : "");
    if (begin_change(s, id, &tx, &model, err) < 0 ||
        sk_tx_run(tx, err, "UPDATE logged_model SET status = ?2 WHERE n = ?1", "is", model.n,
                  status) < 0 ||
        write_model(tx, model.n, out, err) < 0 ||
        sk_audit(tx, who, "logged-model.status", id, status, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

int sk_logged_model_set(struct sk_store *s, const struct sk_who *who, const char *id,
                        const struct sk_pair *tags, size_t tag_count, const struct sk_pair *params,
                        size_t param_count, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_run_ref model = { 0 };
    char detail[64];

    (void)snprintf(detail, sizeof(detail), "tags=%zu params=%zu", tag_count, param_count);
    if (check_pairs(tags, tag_count, params, param_count, err) < 0 ||
        begin_change(s, id, &tx, &model, err) < 0 ||
        put_pairs(tx, model.n, tags, tag_count, params, param_count, err) < 0 ||
        sk_audit(tx, who, "logged-model.set", id, detail, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

int sk_logged_model_delete(struct sk_store *s, const struct sk_who *who, const char *id,
                           struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_run_ref model = { 0 };

    if (begin_change(s, id, &tx, &model, err) < 0 ||
        sk_tx_run(tx, err, "UPDATE logged_model SET deleted = 1 WHERE n = ?1", "i", model.n) < 0 ||
        sk_audit(tx, who, "logged-model.delete", id, NULL, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

/* ---- search ---- */

/* clang-format off */
static const struct sk_query_field fields[] = {
    { "name", "l.name", SK_QUERY_TEXT, false },
    { "model_id", "l.id", SK_QUERY_TEXT, false },
    { "model_type", "l.model_type", SK_QUERY_TEXT, false },
    { "status", "l.status", SK_QUERY_TEXT, false },
    { "source_run_id", "l.source_run", SK_QUERY_TEXT, false },
    { "experiment_id", "CAST(l.experiment AS TEXT)", SK_QUERY_TEXT, false },
    { "creation_timestamp", "l.created_ms", SK_QUERY_INT, false },
    { "creation_timestamp_ms", "l.created_ms", SK_QUERY_INT, false },
    { "creation_time", "l.created_ms", SK_QUERY_INT, false },
    { "last_updated_timestamp", "l.updated_ms", SK_QUERY_INT, false },
    { "last_updated_timestamp_ms", "l.updated_ms", SK_QUERY_INT, false },
    { .name = NULL },
};

static const struct sk_query_group groups[] = {
    { .names = (const char *const[]){ "tag", "tags", NULL },
      .exists = "EXISTS(SELECT 1 FROM logged_model_tag t WHERE t.model = l.n AND t.key = %k AND t.value %c)",
      .order = "(SELECT t.value FROM logged_model_tag t WHERE t.model = l.n AND t.key = %k)",
      .kind = SK_QUERY_TEXT },
    { .names = (const char *const[]){ "param", "params", NULL },
      .exists = "EXISTS(SELECT 1 FROM logged_model_param p WHERE p.model = l.n AND p.key = %k AND p.value %c)",
      .order = "(SELECT p.value FROM logged_model_param p WHERE p.model = l.n AND p.key = %k)",
      .kind = SK_QUERY_TEXT },
    { .names = (const char *const[]){ "metric", "metrics", NULL },
      .exists = "EXISTS(SELECT 1 FROM logged_model_metric m WHERE m.model = l.n AND m.key = %k AND m.value %c)",
      .order = "(SELECT m.value FROM logged_model_metric m WHERE m.model = l.n AND m.key = %k "
               "ORDER BY m.at_ms DESC, m.step DESC LIMIT 1)",
      .kind = SK_QUERY_NUM },
    { .names = NULL },
};

/* clang-format on */

/* Models with a metric of one of the datasets, "1" when none is named. The names are put in as SQL
 * texts with their quotes doubled, as the numbers of bound values belong to the filter. */
static int write_datasets(const struct sk_json *datasets, struct sk_buf *out, struct sk_err *err)
{
    size_t count = sk_json_count(datasets);

    if (count > SK_RUN_DATASETS)
        return sk_fail(err, SK_LIMIT, "at most %u datasets are taken", (unsigned)SK_RUN_DATASETS);
    for (size_t i = 0; i < count; i++) {
        static const char *const keys[] = { "dataset_name", "dataset_digest" };

        sk_buf_str(out, i ? " OR (1"
                          : "(EXISTS(SELECT 1 FROM logged_model_metric m "
                            "WHERE m.model = l.n AND ((1");
        for (size_t k = 0; k < 2; k++) {
            const char *text = NULL;

            if (sk_json_want_text(sk_json_at(datasets, i), keys[k], &text, err) < 0)
                return sk_wrap(err, "datasets[%zu]", i);
            if (!text && k == 0)
                return sk_fail(err, SK_INVALID,
                               "`dataset_name` in the `datasets` clause must be specified.");
            if (!text)
                continue;
            sk_buf_fmt(out, " AND m.%s = '", keys[k]);
            for (const char *c = text; *c; c++) {
                if (*c == '\'')
                    sk_buf_chr(out, '\'');
                sk_buf_chr(out, *c);
            }
            sk_buf_chr(out, '\'');
        }
        sk_buf_chr(out, ')');
    }
    sk_buf_str(out, count ? ")))" : "1");
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

int sk_logged_models_search(struct sk_store *s, const char *const *experiment_ids, size_t id_count,
                            const struct sk_json *datasets, const struct sk_search *q,
                            struct sk_buf *out, struct sk_err *err)
{
    static const struct sk_query_schema schema = { fields, groups };
    SK_OWN(sk_query_free) struct sk_query *query = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf ids = SK_BUF_INIT(64 << 10);
    SK_AUTO(sk_buf_done) struct sk_buf sets = SK_BUF_INIT(64 << 10);
    SK_AUTO(sk_buf_done) struct sk_buf where = SK_BUF_INIT(64 << 10);
    SK_AUTO(sk_buf_done) struct sk_buf order = SK_BUF_INIT(64 << 10);
    SK_AUTO(sk_buf_done) struct sk_buf sql = SK_BUF_INIT(256 << 10);
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    if (sk_runs_experiment_list(experiment_ids, id_count, &ids, err) < 0 ||
        write_datasets(datasets, &sets, err) < 0 ||
        sk_query_parse(&schema, sk_view_of(q->filter), q->orders, q->order_count, &where, &order,
                       &query, err) < 0)
        return -1;
    sk_buf_fmt(&sql,
               "SELECT l.n FROM logged_model l WHERE l.experiment IN (%s) AND l.deleted = 0 AND %s "
               "AND %s ORDER BY %s%sl.created_ms DESC, l.id",
               ids.len ? ids.data : "", where.data, sets.data, order.len ? order.data : "",
               order.len ? ", " : "");
    if (!sk_buf_ok(&sql))
        return sk_buf_fail(&sql, err);

    sk_buf_str(&sets, ids.len ? ids.data : "");
    if (!sk_buf_ok(&sets))
        return sk_buf_fail(&sets, err);

    const struct sk_runs_page page = {
        .name = "models",
        .sql = sql.data,
        .query = query,
        .max = q->max ? q->max : 100,
        .token = q->page_token,
        .search = { .what = sets.data,
                    .filter = sk_view_of(q->filter),
                    .orders = q->orders,
                    .order_count = q->order_count },
        .write = write_model,
    };
    if (sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, err) < 0)
        return -1;
    sk_tx_limit(tx, SK_QUERY_TIME_MS);
    return sk_runs_write_page(tx, &page, out, err);
}
