/*
 * links.c - what a run used and made: datasets, logged models, and the models of 2.x clients.
 *
 * The JSON of a dataset is the client's own, kept and given back; what a search asks for (name,
 * digest, context) stands beside it.
 */
#include "runs/runs_priv.h"

#include <stdio.h>
#include <string.h>

#define HISTORY_TAG "mlflow.log-model.history"
#define CONTEXT_TAG "mlflow.data.context"

enum {
    DATASET_NAME_MAX = 500,
    DATASET_DIGEST_MAX = 36
};

/* ---- log-model ---- */

static int check_model(const struct sk_json *model, struct sk_err *err)
{
    static const char *const needed[] = { "artifact_path", "flavors", "utc_time_created",
                                          "run_id" };

    if (sk_json_type(model) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "model_json: expected an object, got %s",
                       sk_json_type_name(sk_json_type(model)));
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (!sk_json_get(model, needed[i]))
            return sk_fail(err, SK_INVALID, "Model json is missing mandatory fields: '%s'",
                           needed[i]);
    }
    return 0;
}

/* "[a,b" of the tag that is there, to be gone on with; "[" when there is none. */
static int begin_history(struct sk_tx *tx, const struct sk_run_ref *run, struct sk_buf *out,
                         struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;

    if (sk_tx_query(tx, &s, err,
                    "SELECT value FROM run_tag WHERE run = ?1 AND key = '" HISTORY_TAG "'", "i",
                    run->n) < 0)
        return -1;

    int got = sk_stmt_next(s, err);
    if (got < 0)
        return -1;

    struct sk_view before = got > 0 ? sk_stmt_view(s, 0) : SK_VIEW("[]");
    if (before.len < 2 || before.ptr[before.len - 1] != ']') /* a tag that somebody set himself */
        before = SK_VIEW("[]");
    sk_buf_add(out, before.ptr, before.len - 1);
    if (before.len > 2)
        sk_buf_chr(out, ',');
    return 0;
}

int sk_run_log_model(struct sk_store *s, const struct sk_who *who, const char *run_id,
                     const struct sk_json *model, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf history = SK_BUF_INIT(SK_RUN_HISTORY_MAX);
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_run_ref run = { 0 };

    if (check_model(model, err) < 0 || sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0 ||
        sk_runs_run(tx, run_id, SK_RUNS_WRITE, &run, err) < 0 ||
        begin_history(tx, &run, &history, err) < 0)
        return -1;
    sk_json_dump(model, &history);
    sk_buf_chr(&history, ']');
    if (!sk_buf_ok(&history)) {
        (void)sk_buf_fail(&history, err);
        return sk_wrap(err, "models of this run");
    }
    if (sk_runs_set_tag(tx, &run, HISTORY_TAG, history.data, err) < 0 ||
        sk_audit(tx, who, "run.log-model", run_id, sk_json_get_text(model, "artifact_path", ""),
                 err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

/* ---- log-inputs, outputs ---- */

static const char *find_context(const struct sk_json *input)
{
    const struct sk_json *tags = sk_json_get(input, "tags");

    for (size_t i = 0; i < sk_json_count(tags); i++) {
        const struct sk_json *tag = sk_json_at(tags, i);
        if (strcmp(sk_json_get_text(tag, "key", ""), CONTEXT_TAG) == 0)
            return sk_json_get_text(tag, "value", "");
    }
    return "";
}

static int put_dataset(struct sk_tx *tx, const struct sk_run_ref *run, const struct sk_json *input,
                       struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(SK_RUN_DATASET_MAX);
    const struct sk_json *dataset = NULL;
    const char *name = NULL, *digest = NULL;

    if (sk_json_type(input) != SK_JSON_OBJECT ||
        sk_json_want_object(input, "dataset", &dataset, err) < 0 || !dataset ||
        sk_json_type(dataset) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "expected an object with a 'dataset'");
    if (sk_json_want_text(dataset, "name", &name, err) < 0 ||
        sk_json_want_text(dataset, "digest", &digest, err) < 0 ||
        sk_runs_check_text("name", name, DATASET_NAME_MAX, err) < 0 ||
        sk_runs_check_text("digest", digest, DATASET_DIGEST_MAX, err) < 0)
        return -1;
    sk_json_dump(input, &json);
    if (!sk_buf_ok(&json))
        return sk_buf_fail(&json, err);
    return sk_tx_run(tx, err,
                     "INSERT INTO run_dataset(run, name, digest, context, json) "
                     "VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(run, name, digest) DO UPDATE "
                     "SET context = excluded.context, json = excluded.json",
                     "issss", run->n, name, digest, find_context(input), json.data);
}

static int put_model(struct sk_tx *tx, const struct sk_run_ref *run, const struct sk_json *model,
                     bool output, struct sk_err *err)
{
    struct sk_run_ref found = { 0 };
    const char *id = NULL;
    int64_t step = 0;

    if (sk_json_type(model) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "expected an object with a 'model_id'");
    if (sk_json_want_text(model, "model_id", &id, err) < 0 ||
        sk_json_want_int(model, "step", INT64_MIN, INT64_MAX, &step, err) < 0 ||
        sk_runs_model(tx, id, SK_RUNS_READ, &found, err) < 0)
        return -1;
    return sk_tx_run(tx, err,
                     "INSERT INTO run_model(run, is_output, model, step) VALUES(?1, ?2, ?3, ?4) "
                     "ON CONFLICT DO NOTHING",
                     "iisi", run->n, (int64_t)output, id, step);
}

int sk_run_log_links(struct sk_store *s, const struct sk_who *who, const char *run_id,
                     const struct sk_json *datasets, const struct sk_json *models, bool outputs,
                     struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_run_ref run = { 0 };

    if (sk_json_count(datasets) + sk_json_count(models) > SK_RUN_DATASETS)
        return sk_fail(err, SK_LIMIT, "at most %u datasets and models are taken at once",
                       (unsigned)SK_RUN_DATASETS);
    if (sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0 ||
        sk_runs_run(tx, run_id, SK_RUNS_WRITE, &run, err) < 0)
        return -1;
    for (size_t i = 0; i < sk_json_count(datasets); i++) {
        if (put_dataset(tx, &run, sk_json_at(datasets, i), err) < 0)
            return sk_wrap(err, "datasets[%zu]", i);
    }
    for (size_t i = 0; i < sk_json_count(models); i++) {
        if (put_model(tx, &run, sk_json_at(models, i), outputs, err) < 0)
            return sk_wrap(err, "models[%zu]", i);
    }
    if (sk_audit(tx, who, outputs ? "run.log-outputs" : "run.log-inputs", run_id, NULL, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}
