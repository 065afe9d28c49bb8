/*
 * mlflow_priv.h - what the files of the MLflow interface share: rows, arguments.
 *
 * api_mlflow.c makes one table of the rows below, each at /api/2.0/ and at /ajax-api/2.0/ (the
 * paths of MLflow's own pages). A row is X(method, path, flags, role, function); the function
 * answers once with sk_mlflow_reply, or with sk_hub_fail. Success is always 200: clients take
 * nothing else.
 *
 * Arguments are the query of a GET, the JSON object of everything else (of DELETE too). Unknown
 * ones are ignored, as protobuf's JSON does; numbers may come as texts, as protobuf's JSON does.
 */
#ifndef SK_HUB_MLFLOW_PRIV_H
#define SK_HUB_MLFLOW_PRIV_H

#include "base/arena.h"
#include "hub/hub_priv.h"
#include "hub/mlflow_rows.h"
#include "models/models.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SK_MLFLOW_DECLARE(method, path, flags, role, run) void run(struct sk_hub_call *call);
SK_MLFLOW_MODEL_ROWS(SK_MLFLOW_DECLARE)
SK_MLFLOW_RUN_ROWS(SK_MLFLOW_DECLARE)
SK_MLFLOW_LOGGED_ROWS(SK_MLFLOW_DECLARE)
SK_MLFLOW_ARTIFACT_ROWS(SK_MLFLOW_DECLARE)

enum {
    SK_MLFLOW_ANSWER_BYTES = 64 << 20,
    SK_MLFLOW_LIST_MAX = 10000 /* entries of a list in a request */
};

/* Texts and arrays that the readers give live as long as the arguments. */
struct sk_mlflow_args {
    struct sk_json *doc;           /* NULL: the query */
    const struct sk_http_req *req; /* NULL: none (fuzzing) */
    struct sk_arena arena;
};

#define SK_MLFLOW_ARGS_INIT                                                                        \
    {                                                                                              \
        .arena = SK_ARENA_INIT(64u << 20)                                                          \
    }

/* Of a request; SK_INVALID for a body that is no JSON object. */
int sk_mlflow_args(struct sk_hub_call *call, struct sk_mlflow_args *out,
                   struct sk_err *err) SK_CHECK;
/* Of a body alone. */
int sk_mlflow_args_body(const char *text, size_t len, struct sk_mlflow_args *out,
                        struct sk_err *err) SK_CHECK;
void sk_mlflow_args_done(struct sk_mlflow_args *a);

/* NULL (0, false, untouched) when it is absent. need: absent and empty ones are SK_INVALID "Missing
 * value for required parameter 'name'." */
int sk_mlflow_text(struct sk_mlflow_args *a, const char *name, const char **out,
                   struct sk_err *err) SK_CHECK;
int sk_mlflow_need(struct sk_mlflow_args *a, const char *name, const char **out,
                   struct sk_err *err) SK_CHECK;
int sk_mlflow_int(struct sk_mlflow_args *a, const char *name, int64_t min, int64_t max,
                  int64_t *out, struct sk_err *err) SK_CHECK;
int sk_mlflow_bool(struct sk_mlflow_args *a, const char *name, bool *out,
                   struct sk_err *err) SK_CHECK;
/* A list of texts: ["a"], or ?name=a&name=b */
int sk_mlflow_texts(struct sk_mlflow_args *a, const char *name, const char *const **out,
                    size_t *count, struct sk_err *err) SK_CHECK;
/* [{"key":..., "value":...}], in order: who takes them lets a later one of the same key win. */
int sk_mlflow_pairs(struct sk_mlflow_args *a, const char *name, const struct sk_pair **out,
                    size_t *count, struct sk_err *err) SK_CHECK;
/* filter (or filter_string), max_results, order_by, page_token. */
int sk_mlflow_search(struct sk_mlflow_args *a, unsigned usual, unsigned most, struct sk_search *out,
                     struct sk_err *err) SK_CHECK;

/* The arguments of model-versions/create, as they are. */
int sk_mlflow_read_version(struct sk_mlflow_args *a, struct sk_version_new *v,
                           struct sk_err *err) SK_CHECK;

/* {"name": value} from the JSON text of a value; name NULL: the text as it is. */
void sk_mlflow_reply(struct sk_hub_call *call, const char *name, const struct sk_buf *json);
/* {} */
void sk_mlflow_reply_empty(struct sk_hub_call *call);

#endif
