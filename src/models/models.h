/*
 * models.h - registered models and their versions.
 *
 * A version is immutable in its files (artifacts below "models/<name>/<version>"), mutable in
 * description, tags, stage, aliases. Numbers begin at 1, grow by 1 and are never used twice under a
 * name, not even when the version or the model is deleted. Its digest is SHA-256 over the lines
 * "<blob digest>  <path>\n" in order of the paths, so the same files have the same digest
 * everywhere.
 *
 * Answers are JSON texts in MLflow's shape with what we keep beyond it (digest, size, properties),
 * since every caller prints them. Errors: SK_NOT_FOUND, SK_EXISTS, SK_INVALID, SK_LIMIT. Each
 * change is one transaction with its audit row. Threads: shared.
 */
#ifndef SK_MODELS_MODELS_H
#define SK_MODELS_MODELS_H

#include "accounts/accounts.h"
#include "base/buf.h"
#include "base/err.h"
#include "store/store.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lengths are in bytes where nothing else is said; of keys and values of tags in characters, as
 * MLflow counts them. Beyond: SK_INVALID for what has a form, SK_LIMIT for numbers of things. */
enum {
    SK_MODEL_NAME_MAX = 256,  /* UTF-8 without / : @ \ and control characters, not "." or "..x" */
    SK_MODEL_ALIAS_MAX = 255, /* letters, digits, _ and - */
    SK_MODEL_ALIASES_MAX = 1000,
    SK_MODEL_TAG_KEY_MAX = 250,
    SK_MODEL_TAG_VALUE_MAX = 100000, /* as MLflow's server */
    SK_MODEL_TAGS_MAX = 1000,        /* of one model or version, */
    SK_MODEL_TAGS_BYTES = 1 << 20,   /* and of all its keys and values together */
    SK_MODEL_DESCRIPTION_MAX = 100000,
    SK_MODEL_SOURCE_MAX = 2000, /* source and run_link */
    SK_MODEL_ID_MAX = 256,      /* run_id, model_id, idempotency_key */
    SK_MODEL_FILES_MAX = 10000,
    SK_MODEL_PROPERTIES_MAX = 1 << 20,
    SK_MODELS_PAGE_MAX = 1000,
    SK_VERSIONS_PAGE_MAX = 200000,
    SK_MODELS_PAGE_BYTES = 8 << 20 /* a page that grows beyond it ends there, with a token */
};

struct sk_pair {
    const char *key, *value;
};

/* ---- models ---- */
int sk_model_create(struct sk_store *s, const struct sk_who *who, const char *name,
                    const char *description, const struct sk_pair *tags, size_t tag_count,
                    struct sk_buf *out, struct sk_err *err) SK_CHECK;
/* {"name":..., "next_version":..., "latest_versions":[...], "tags":[...], "aliases":[...]} */
int sk_model_get(struct sk_store *s, const char *name, struct sk_buf *out,
                 struct sk_err *err) SK_CHECK;
int sk_model_describe(struct sk_store *s, const struct sk_who *who, const char *name,
                      const char *description, struct sk_err *err) SK_CHECK;
/* With the files of all versions. SK_EXISTS when there is such a model, or when another one had
 * that name and versions: its numbers must not come back with other files. */
int sk_model_rename(struct sk_store *s, const struct sk_who *who, const char *name, const char *to,
                    struct sk_err *err) SK_CHECK;
/* With all versions; the number of the next version is remembered with the name. */
int sk_model_delete(struct sk_store *s, const struct sk_who *who, const char *name,
                    struct sk_err *err) SK_CHECK;
/* value NULL removes. version 0: of the model. */
int sk_model_set_tag(struct sk_store *s, const struct sk_who *who, const char *name,
                     uint64_t version, const char *key, const char *value,
                     struct sk_err *err) SK_CHECK;
/* version 0 removes the alias. "latest" and texts like v3 are reserved. */
int sk_model_set_alias(struct sk_store *s, const struct sk_who *who, const char *name,
                       const char *alias, uint64_t version, struct sk_err *err) SK_CHECK;

/* ---- versions ---- */
struct sk_model_file {
    const char *path;   /* in the bundle */
    const char *digest; /* of a blob that is there */
};

struct sk_version_new {
    const char *name; /* the model is made when it is new and make_model */
    bool make_model;
    const char *description, *run_id, *source, *run_link, *model_id;
    const char *location; /* where the files are when they are elsewhere; NULL: at source */
    const struct sk_pair *tags;
    size_t tag_count;
    /* Files: given one by one, or named by an artifact folder or file that is copied (no data, and
     * no files when nothing is there). Neither: `source` is elsewhere. */
    const struct sk_model_file *files;
    size_t file_count;
    const char *artifacts; /* NULL when files are given */
    /* JSON object of what we know of the bundle: type, inputs, outputs, labels, training,
     * evaluation, lineage {data_digest, parent}; NULL: none. */
    const char *properties;
    /* The same key again gives the same version (SK_EXISTS when other files or another source come
     * with it); NULL: none. */
    const char *idempotency_key;
};

/* *version receives the number; out the version's JSON. */
int sk_version_create(struct sk_store *s, const struct sk_who *who, const struct sk_version_new *v,
                      uint64_t *version, struct sk_buf *out, struct sk_err *err) SK_CHECK;
/* With "properties", which lists leave out. */
int sk_version_get(struct sk_store *s, const char *name, uint64_t version, struct sk_buf *out,
                   struct sk_err *err) SK_CHECK;
/* "latest" is the highest number. SK_INVALID for an alias that is not there, as MLflow has it. */
int sk_version_by_alias(struct sk_store *s, const char *name, const char *alias, struct sk_buf *out,
                        struct sk_err *err) SK_CHECK;
int sk_version_describe(struct sk_store *s, const struct sk_who *who, const char *name,
                        uint64_t version, const char *description, struct sk_err *err) SK_CHECK;
/* None, Staging, Production, Archived (any case). archive_others: others of that stage. */
int sk_version_set_stage(struct sk_store *s, const struct sk_who *who, const char *name,
                         uint64_t version, const char *stage, bool archive_others,
                         struct sk_err *err) SK_CHECK;
int sk_version_delete(struct sk_store *s, const struct sk_who *who, const char *name,
                      uint64_t version, struct sk_err *err) SK_CHECK;
/* {"files":[{"path","digest","size"}]} */
int sk_version_files(struct sk_store *s, const char *name, uint64_t version, struct sk_buf *out,
                     struct sk_err *err) SK_CHECK;
/* NAME (the latest that is not archived), NAME:3, NAME@champion, NAME@sha256:..., NAME:latest. name
 * has room for SK_MODEL_NAME_MAX + 1. */
int sk_version_resolve(struct sk_store *s, const char *reference, char *name, uint64_t *version,
                       struct sk_err *err) SK_CHECK;
/* The artifact folder of its files. Bytes that would end or change a path in a URL (% ? # ; =) are
 * =XX there, in hex. */
void sk_version_folder(const char *name, uint64_t version, struct sk_buf *out);
/* Where MLflow's clients download from: "mlflow-artifacts:/" and the folder, or the source when it
 * is elsewhere. */
int sk_version_uri(struct sk_store *s, const char *name, uint64_t version, struct sk_buf *out,
                   struct sk_err *err) SK_CHECK;
/* The newest of each stage given (none: every stage): {"model_versions":[...]} */
int sk_versions_latest(struct sk_store *s, const char *name, const char *const *stages,
                       size_t count, struct sk_buf *out, struct sk_err *err) SK_CHECK;

/* ---- search, in MLflow's language (query.h) ---- */
struct sk_search {
    const char *filter; /* NULL: all */
    const struct sk_view *orders;
    size_t order_count;
    unsigned max;           /* 1..1000 for models, ..200,000 for versions */
    const char *page_token; /* NULL: first page. Opaque; of another search: SK_INVALID */
};

/* {"registered_models":[...], "next_page_token":...}, {"model_versions":[...], ...} */
int sk_models_search(struct sk_store *s, const struct sk_search *q, struct sk_buf *out,
                     struct sk_err *err) SK_CHECK;
int sk_versions_search(struct sk_store *s, const struct sk_search *q, struct sk_buf *out,
                       struct sk_err *err) SK_CHECK;

#endif
