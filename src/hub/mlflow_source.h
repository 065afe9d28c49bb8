/*
 * mlflow_source.h - what the source of a model version names.
 *
 *     mlflow-artifacts:/PATH                 an artifact folder here
 *     http(s)://.../api/2.0/mlflow-artifacts/artifacts/PATH    likewise, as a client resolved it
 *     runs:/RUN/PATH                         an artifact of a run
 *     models:/ID, models:/ID/PATH            a logged model ("m-...")
 *     models:/NAME/3, /latest, /Staging, models:/NAME@alias    another registered version
 *     s3://..., and every other scheme       elsewhere: kept as it is
 *
 * A path of a file system names something on the client's disk and is refused, as MLflow's server
 * refuses it; so is anything with "..", encoded or not.
 */
#ifndef SK_HUB_MLFLOW_SOURCE_H
#define SK_HUB_MLFLOW_SOURCE_H

#include "base/arena.h"
#include "base/err.h"
#include "models/models.h"
#include "store/store.h"

#include <stdbool.h>

enum sk_mlflow_source_kind {
    SK_SOURCE_ELSEWHERE,
    SK_SOURCE_ARTIFACTS, /* path */
    SK_SOURCE_RUN,       /* id, path */
    SK_SOURCE_LOGGED,    /* id, path */
    SK_SOURCE_VERSION    /* reference, or name and stage */
};

/* Texts live in the arena; "" when there is none. */
struct sk_mlflow_source {
    enum sk_mlflow_source_kind kind;
    const char *path;
    const char *id;
    const char *reference; /* for sk_version_resolve */
    const char *name, *stage;
};

int sk_mlflow_source_parse(const char *text, struct sk_arena *arena, struct sk_mlflow_source *out,
                           struct sk_err *err) SK_CHECK;
/* Fills v->artifacts or v->location, and what is missing of run_id and model_id; a source that is
 * another version becomes models:/NAME/NUMBER. What it gives lives in the arena. */
int sk_mlflow_source_apply(struct sk_store *store, struct sk_arena *arena, struct sk_version_new *v,
                           struct sk_err *err) SK_CHECK;

#endif
