/*
 * mlflow_runs.h - what the files for runs and artifacts give each other, and their readers of
 * arguments.
 */
#ifndef SK_HUB_MLFLOW_RUNS_H
#define SK_HUB_MLFLOW_RUNS_H

#include "hub/hub_priv.h"
#include "hub/mlflow_priv.h"
#include "runs/runs.h"

/* Answers {"root_uri","files"} of a run's or logged model's folder; the query's `argument` is a
 * folder in it. Paths are relative to the root. */
void sk_mlflow_list_of(struct sk_hub_call *call, const char *id, const char *argument);

/* Texts and arrays live as long as the arguments, as those of mlflow_priv.h. */
/* metrics, params, tags of log-batch */
int sk_mlflow_read_batch(struct sk_mlflow_args *a, struct sk_run_batch *out,
                         struct sk_err *err) SK_CHECK;
/* order_by of logged-models/search: [{"field_name", "ascending"}] */
int sk_mlflow_read_orders(struct sk_mlflow_args *a, struct sk_search *q,
                          struct sk_err *err) SK_CHECK;
/* parts of mpu/complete: the ETags in order of their numbers */
int sk_mlflow_read_parts(struct sk_mlflow_args *a, const char *const **out, size_t *count,
                         struct sk_err *err) SK_CHECK;

/* A body that becomes a blob with one request: written as it comes, and at its end `also` joins the
 * commit; then `stored` answers. What fails is answered, and nothing of it stays. blob lives in the
 * request's arena. */
struct sk_mlflow_blob {
    int (*also)(struct sk_tx *tx, const char *digest, uint64_t size, void *ctx, struct sk_err *err);
    void (*stored)(struct sk_hub_call *call, const char *digest);
    void *ctx; /* of also */
};

void sk_mlflow_take_blob(struct sk_hub_call *call, const struct sk_mlflow_blob *blob);

#endif
