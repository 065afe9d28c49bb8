/*
 * runs.h - experiments, runs, metrics, parameters, tags and logged models, as MLflow keeps them.
 *
 * Experiment "0" is "Default". Ids of runs are 32 hex digits, of logged models "m-" and 32 hex
 * digits. Artifacts of a run live below "<experiment>/<run>/artifacts", of a logged model below
 * "<experiment>/models/<id>/artifacts". Answers are appended to `out` as JSON in MLflow's shape,
 * the object named at each line. Names and limits are those of MLflow's server: a parameter cannot
 * change its value; what is deleted can be read and restored, not written.
 *
 * Errors: SK_NOT_FOUND, SK_EXISTS, SK_INVALID, SK_LIMIT, and those of db.h. Each change is one
 * transaction with its audit row, a batch too. Threads: shared.
 */
#ifndef SK_RUNS_RUNS_H
#define SK_RUNS_RUNS_H

#include "accounts/accounts.h"
#include "base/buf.h"
#include "base/err.h"
#include "models/models.h" /* struct sk_pair, struct sk_search */
#include "store/store.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a client may send; lengths in characters, as MLflow counts them. */
enum {
    SK_RUN_KEY_MAX = 250,         /* of metrics, parameters, tags */
    SK_RUN_PARAM_MAX = 6000,      /* values */
    SK_RUN_TAG_MAX = 8000,        /* of runs and logged models */
    SK_RUN_HISTORY_MAX = 1 << 20, /* bytes of the tag that lists the models of log-model */
    SK_RUN_DATASET_MAX = 1 << 20, /* bytes of one dataset's JSON */
    SK_RUN_NAME_MAX = 250,
    SK_EXPERIMENT_NAME_MAX = 500,
    SK_EXPERIMENT_TAG_MAX = 20000,
    SK_RUN_BATCH_METRICS = 1000,
    SK_RUN_BATCH_PAIRS = 100, /* parameters, and tags */
    SK_RUN_BATCH_ALL = 1000,
    SK_RUN_BATCH_BYTES = 1000000, /* of the body of log-batch */
    SK_RUN_DATASETS = 1000,       /* datasets and models of one log-inputs or outputs */
    SK_RUNS_PAGE_MAX = 50000,     /* max_results */
    SK_RUNS_PAGE_BYTES = 8 << 20, /* a page ends behind the entry that passes this, with a token */
    SK_PARTS_MAX = 10000          /* of an artifact that comes in parts */
};

/* ---- experiments ---- */
int sk_experiment_create(struct sk_store *s, const struct sk_who *who, const char *name,
                         const struct sk_pair *tags, size_t count, struct sk_buf *id,
                         struct sk_err *err) SK_CHECK;
/* by id, or by name when id is NULL: the experiment object, deleted ones too */
int sk_experiment_get(struct sk_store *s, const char *id, const char *name, struct sk_buf *out,
                      struct sk_err *err) SK_CHECK;
int sk_experiment_rename(struct sk_store *s, const struct sk_who *who, const char *id,
                         const char *name, struct sk_err *err) SK_CHECK;
/* With its runs. */
int sk_experiment_set_deleted(struct sk_store *s, const struct sk_who *who, const char *id,
                              bool deleted, struct sk_err *err) SK_CHECK;
/* value NULL removes it; SK_NOT_FOUND when it is not there. */
int sk_experiment_set_tag(struct sk_store *s, const struct sk_who *who, const char *id,
                          const char *key, const char *value, struct sk_err *err) SK_CHECK;

enum sk_view_type {
    SK_VIEW_ACTIVE,
    SK_VIEW_DELETED,
    SK_VIEW_ALL
};

/* "experiments":[...],"next_page_token":"..." without the braces; likewise the other searches. */
int sk_experiments_search(struct sk_store *s, const struct sk_search *q, enum sk_view_type view,
                          struct sk_buf *out, struct sk_err *err) SK_CHECK;

/* ---- runs ---- */
struct sk_run_new {
    const char *experiment_id; /* NULL or "": "0" */
    const char *user_id, *name;
    int64_t start_ms; /* 0: now */
    const struct sk_pair *tags;
    size_t tag_count;
};

int sk_run_create(struct sk_store *s, const struct sk_who *who, const struct sk_run_new *r,
                  struct sk_buf *out, struct sk_err *err) SK_CHECK; /* the run object */
int sk_run_get(struct sk_store *s, const char *run_id, struct sk_buf *out,
               struct sk_err *err) SK_CHECK;
/* status, name NULL and end_ms 0: unchanged; out: the run's info object */
int sk_run_update(struct sk_store *s, const struct sk_who *who, const char *run_id,
                  const char *status, const char *name, int64_t end_ms, struct sk_buf *out,
                  struct sk_err *err) SK_CHECK;
int sk_run_set_deleted(struct sk_store *s, const struct sk_who *who, const char *run_id,
                       bool deleted, struct sk_err *err) SK_CHECK;

struct sk_metric {
    const char *key;
    double value; /* NaN and infinities too: MLflow sends them as texts and gets them back so */
    int64_t timestamp_ms, step;
    const char *model_id;                      /* a logged model that has it too; NULL: none */
    const char *dataset_name, *dataset_digest; /* NULL: none */
};

struct sk_run_batch {
    const struct sk_metric *metrics;
    const struct sk_pair *params, *tags; /* a tag of value NULL is removed, and must be there */
    size_t metric_count, param_count, tag_count;
};

/* All of it or nothing. A point or parameter that is there already is no error. */
int sk_run_log(struct sk_store *s, const struct sk_who *who, const char *run_id,
               const struct sk_run_batch *batch, struct sk_err *err) SK_CHECK;
/* runs/log-model of 2.x clients: the model's JSON joins the tag mlflow.log-model.history. */
int sk_run_log_model(struct sk_store *s, const struct sk_who *who, const char *run_id,
                     const struct sk_json *model, struct sk_err *err) SK_CHECK;
/* Arrays of MLflow's DatasetInput and of {model_id, step}; each may be NULL. outputs: the models
 * are what the run made, else what it used. */
int sk_run_log_links(struct sk_store *s, const struct sk_who *who, const char *run_id,
                     const struct sk_json *datasets, const struct sk_json *models, bool outputs,
                     struct sk_err *err) SK_CHECK;
/* "metrics":[...],"next_page_token":"..." by time and step; max 0: 25,000 */
int sk_run_history(struct sk_store *s, const char *run_id, const char *key, unsigned max,
                   const char *page_token, struct sk_buf *out, struct sk_err *err) SK_CHECK;
int sk_runs_search(struct sk_store *s, const char *const *experiment_ids, size_t id_count,
                   const struct sk_search *q, enum sk_view_type view, struct sk_buf *out,
                   struct sk_err *err) SK_CHECK;

/* ---- logged models (MLflow 3) ---- */
struct sk_logged_model_new {
    const char *experiment_id, *name, *model_type, *source_run_id;
    const struct sk_pair *params, *tags;
    size_t param_count, tag_count;
};

int sk_logged_model_create(struct sk_store *s, const struct sk_who *who,
                           const struct sk_logged_model_new *m, struct sk_buf *out,
                           struct sk_err *err) SK_CHECK; /* the model object */
int sk_logged_model_get(struct sk_store *s, const char *id, bool allow_deleted, struct sk_buf *out,
                        struct sk_err *err) SK_CHECK;
/* LOGGED_MODEL_PENDING, _READY, _UPLOAD_FAILED */
int sk_logged_model_set_status(struct sk_store *s, const struct sk_who *who, const char *id,
                               const char *status, struct sk_buf *out, struct sk_err *err) SK_CHECK;
/* A tag of value NULL is removed, and must be there. A parameter cannot change. */
int sk_logged_model_set(struct sk_store *s, const struct sk_who *who, const char *id,
                        const struct sk_pair *tags, size_t tag_count, const struct sk_pair *params,
                        size_t param_count, struct sk_err *err) SK_CHECK;
int sk_logged_model_delete(struct sk_store *s, const struct sk_who *who, const char *id,
                           struct sk_err *err) SK_CHECK;
/* datasets: those whose metrics count, an array of {dataset_name, dataset_digest?} or NULL */
int sk_logged_models_search(struct sk_store *s, const char *const *experiment_ids, size_t id_count,
                            const struct sk_json *datasets, const struct sk_search *q,
                            struct sk_buf *out, struct sk_err *err) SK_CHECK;

/* ---- artifacts ---- */
/* "<experiment>/<run>/artifacts" of a run or a logged model (by the form of the id). */
int sk_run_artifact_root(struct sk_store *s, const char *id, struct sk_buf *out,
                         struct sk_err *err) SK_CHECK;
/* Whether a client may write or delete there: below the folder of a run or logged model that is
 * there and not deleted. SK_INVALID for a path that is none, SK_DENIED for one of others.
 * `is_tree`: the folder itself counts as well. */
int sk_run_artifact_may_write(struct sk_store *s, const char *path, bool is_tree,
                              struct sk_err *err) SK_CHECK;
int sk_run_artifact_put(struct sk_tx *tx, const struct sk_who *who, const char *path,
                        const char *digest, uint64_t size, struct sk_err *err) SK_CHECK;
int sk_run_artifact_remove(struct sk_store *s, const struct sk_who *who, const char *path,
                           struct sk_err *err) SK_CHECK;

/*
 * An artifact in parts: begun with their number, each part uploaded as a blob of its own by whoever
 * shows the secret, then joined in order. Parts of an upload that is not gone on with for a day are
 * forgotten when another one begins.
 */
enum {
    SK_PARTS_ID_TEXT = 33,
    SK_PARTS_SECRET_TEXT = 65
};

int sk_parts_begin(struct sk_store *s, const char *path, unsigned count, char id[SK_PARTS_ID_TEXT],
                   char secret[SK_PARTS_SECRET_TEXT], struct sk_err *err) SK_CHECK;
/* SK_UNAUTHENTICATED for an unknown id and a wrong secret, SK_INVALID for a number beyond. */
int sk_parts_check(struct sk_store *s, const char *id, const char *secret, unsigned number,
                   struct sk_err *err) SK_CHECK;
/* In the transaction that makes the blob; a part may come again. */
int sk_parts_put(struct sk_tx *tx, const char *id, unsigned number, const char *digest,
                 struct sk_err *err) SK_CHECK;
/* Part i has digests[i] (what the client says it sent); SK_INVALID when one is missing or another
 * one. Copies through a small buffer; the parts are forgotten when the artifact is there. */
int sk_parts_join(struct sk_store *s, const struct sk_who *who, const char *id, const char *path,
                  const char *const *digests, size_t count, struct sk_err *err) SK_CHECK;
/* Forgets the uploads that got no part for a day; before each gc, which takes what they had. */
int sk_parts_expire(struct sk_store *s, struct sk_err *err) SK_CHECK;
/* An unknown id is fine. */
int sk_parts_abort(struct sk_store *s, const char *id, const char *path,
                   struct sk_err *err) SK_CHECK;

#endif
