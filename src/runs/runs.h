/*
 * runs.h - experiments, runs, metrics, parameters, tags and logged models, as MLflow keeps them.
 *
 * Experiment "0" is "Default". Ids of runs are 32 hex digits, of logged models "m-" and 32 hex
 * digits. Artifacts of a run live below "<experiment>/<run>/artifacts", of a logged model below
 * "<experiment>/models/<id>/artifacts". Answers are JSON in MLflow's shape (objects as named in
 * each line). Limits are those of MLflow's server: a parameter cannot change its value, keys of 250
 * bytes, parameter values of 6,000, tags of 8,000. Errors: SK_NOT_FOUND, SK_EXISTS, SK_INVALID,
 * SK_LIMIT. Threads: shared. A batch of metrics is one transaction.
 */
#ifndef SK_RUNS_RUNS_H
#define SK_RUNS_RUNS_H

#include "accounts/accounts.h"
#include "base/buf.h"
#include "base/err.h"
#include "models/models.h" /* struct sk_pair, struct sk_search */
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- experiments ---- */
int sk_experiment_create(struct sk_store *s, const struct sk_who *who, const char *name,
                         const struct sk_pair *tags, size_t count, struct sk_buf *id,
                         struct sk_err *err) SK_CHECK;
/* by id, or by name when id is NULL: the experiment object */
int sk_experiment_get(struct sk_store *s, const char *id, const char *name, struct sk_buf *out,
                      struct sk_err *err) SK_CHECK;
int sk_experiment_rename(struct sk_store *s, const struct sk_who *who, const char *id,
                         const char *name, struct sk_err *err) SK_CHECK;
int sk_experiment_set_deleted(struct sk_store *s, const struct sk_who *who, const char *id,
                              bool deleted, struct sk_err *err) SK_CHECK;
int sk_experiment_set_tag(struct sk_store *s, const struct sk_who *who, const char *id,
                          const char *key, const char *value, struct sk_err *err) SK_CHECK;

enum sk_view_type {
    SK_VIEW_ACTIVE,
    SK_VIEW_DELETED,
    SK_VIEW_ALL
};

int sk_experiments_search(struct sk_store *s, const struct sk_search *q, enum sk_view_type view,
                          struct sk_buf *out, struct sk_err *err) SK_CHECK;

/* ---- runs ---- */
struct sk_run_new {
    const char *experiment_id, *user_id, *name;
    int64_t start_ms;
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
};

struct sk_run_batch {
    const struct sk_metric *metrics;
    const struct sk_pair *params, *tags; /* a tag of value NULL is removed */
    size_t metric_count, param_count, tag_count;
};

int sk_run_log(struct sk_store *s, const struct sk_who *who, const char *run_id,
               const struct sk_run_batch *batch, struct sk_err *err) SK_CHECK;
/* MLflow's JSON texts, kept and given back: model_json of log-model, datasets, outputs */
int sk_run_log_json(struct sk_store *s, const struct sk_who *who, const char *run_id,
                    const char *kind, const char *json, struct sk_err *err) SK_CHECK;
int sk_run_history(struct sk_store *s, const char *run_id, const char *key, unsigned max,
                   const char *page_token, struct sk_buf *out, struct sk_err *err) SK_CHECK;
int sk_runs_search(struct sk_store *s, const char *const *experiment_ids, size_t id_count,
                   const struct sk_search *q, enum sk_view_type view, struct sk_buf *out,
                   struct sk_err *err) SK_CHECK;
/* Experiment of a run, for artifact paths. */
int sk_run_artifact_root(struct sk_store *s, const char *run_id, struct sk_buf *out,
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
int sk_logged_model_get(struct sk_store *s, const char *id, struct sk_buf *out,
                        struct sk_err *err) SK_CHECK;
int sk_logged_model_set_status(struct sk_store *s, const struct sk_who *who, const char *id,
                               const char *status, struct sk_buf *out, struct sk_err *err) SK_CHECK;
int sk_logged_model_set(struct sk_store *s, const struct sk_who *who, const char *id,
                        const struct sk_pair *tags, size_t tag_count, const struct sk_pair *params,
                        size_t param_count, struct sk_err *err) SK_CHECK;
int sk_logged_model_delete(struct sk_store *s, const struct sk_who *who, const char *id,
                           struct sk_err *err) SK_CHECK;
int sk_logged_models_search(struct sk_store *s, const char *const *experiment_ids, size_t id_count,
                            const struct sk_search *q, struct sk_buf *out,
                            struct sk_err *err) SK_CHECK;
int sk_logged_model_artifact_root(struct sk_store *s, const char *id, struct sk_buf *out,
                                  struct sk_err *err) SK_CHECK;

#endif
