/*
 * models_priv.h - which models are served, in which version, and how they change while requests
 * run.
 *
 * sk_slot: the place of one name and version: its statistics and its state. It lives as long as the
 * table, so requests and metrics may point to it. sk_loaded: one loaded instance in a slot,
 * counted; a request holds a reference while it works, so a swap or unload never takes a model away
 * from a request that has it.
 *
 * Loads are done one at a time on the caller's thread, beside the running instance: the new one is
 * put in place only when it is loaded and warm. A load that fails leaves the old one in place and
 * its reason in the index.
 */
#ifndef SK_SERVE_MODELS_PRIV_H
#define SK_SERVE_MODELS_PRIV_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "pipeline/pipeline.h"
#include "serve/metrics_priv.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sk_models;

enum sk_slot_state {
    SK_SLOT_UNAVAILABLE,
    SK_SLOT_LOADING,
    SK_SLOT_READY
};

struct sk_slot {
    char *name;
    char *version; /* digits, "1" for a bundle without versions */
    struct sk_stats stats;
};

struct sk_loaded {
    struct sk_slot *slot;
    struct sk_classifier *classifier;
    struct sk_lane **lanes; /* one per worker, made by that worker on first use */
    unsigned lane_count;
    atomic_uint refs;
    atomic_bool said_grey16; /* the warning about clipped 16-bit grey was given */
    char *upload_folder;     /* removed with the last reference; NULL: not an upload */
    struct sk_models *models;
};

struct sk_models_options {
    struct sk_engine *engine; /* borrowed */
    char *const *paths;       /* borrowed */
    size_t path_count;
    const char *labels_file;
    unsigned workers;
};

/* Loads everything that the paths hold. At least one model must load; the others are logged and
 * stand in the index with their reason. */
int sk_models_new(const struct sk_models_options *opts, struct sk_models **out,
                  struct sk_err *err) SK_CHECK;
/* No loaded model may be held by anyone. */
void sk_models_free(struct sk_models *m);
SK_DEFINE_OWN(struct sk_models, sk_models_free);

/* name NULL: the only model there is. version NULL: the highest that is ready. Errors:
 * SK_NOT_FOUND; SK_INVALID (several models and no name; a model that is not ready; a version that
 * is no number). Release with sk_loaded_unref. */
int sk_models_get(struct sk_models *m, const char *name, const char *version,
                  struct sk_loaded **out, struct sk_err *err) SK_CHECK;
struct sk_loaded *sk_loaded_ref(struct sk_loaded *l);
void sk_loaded_unref(struct sk_loaded *l);
SK_DEFINE_OWN(struct sk_loaded, sk_loaded_unref);
/* The worker's own lane. */
int sk_loaded_lane(struct sk_loaded *l, unsigned worker, struct sk_lane **out,
                   struct sk_err *err) SK_CHECK;

/* Looks at the paths again: loads what is new or changed, unloads what is gone. A folder is taken
 * only when it looked the same in two calls, unless settled is said: a copy may be half done.
 * Returns the number of changes. */
unsigned sk_models_rescan(struct sk_models *m, bool settled);

/* The repository API. load: again from its place; with files: from an upload folder that was
 * checked in a child (its ownership passes, also on failure). */
int sk_models_load(struct sk_models *m, const char *name, struct sk_err *err) SK_CHECK;
int sk_models_load_upload(struct sk_models *m, const char *name, char *upload_folder,
                          struct sk_err *err) SK_CHECK;
int sk_models_unload(struct sk_models *m, const char *name, struct sk_err *err) SK_CHECK;

/* Visits every slot, sorted by name and version, outside of the locks; loaded is NULL when there is
 * none, else held for the visit. */
typedef void sk_slot_visit(void *ctx, struct sk_slot *slot, enum sk_slot_state state,
                           const char *reason, struct sk_loaded *loaded);
void sk_models_each(struct sk_models *m, sk_slot_visit *visit, void *ctx);
/* True while any model is ready, also when another is being loaded beside it. */
bool sk_models_ready(struct sk_models *m);

#endif
