/*
 * models_priv.h - what the files of this module share: checks, lookups, printing.
 */
#ifndef SK_MODELS_MODELS_PRIV_H
#define SK_MODELS_MODELS_PRIV_H

#include "models/models.h"

/* What MLflow's server puts on prompts, which are models in its eyes; lists leave them out. */
#define SK_MODEL_PROMPT_TAG "mlflow.prompt.is_prompt"

/* ---- names.c: what may be said ---- */
int sk_model_name_check(const char *name, const char *what, struct sk_err *err) SK_CHECK;
/* To set one: reserved ones are refused; to look one up they are not. */
int sk_model_alias_check(const char *alias, bool is_new, struct sk_err *err) SK_CHECK;
int sk_model_tag_check(const char *key, const char *value, struct sk_err *err) SK_CHECK;
int sk_model_tags_check(const struct sk_pair *tags, size_t count, struct sk_err *err) SK_CHECK;
/* Length and UTF-8; NULL is fine. */
int sk_model_text_check(const char *text, const char *what, size_t max,
                        struct sk_err *err) SK_CHECK;
/* "Staging" for "STAGING". */
int sk_model_stage(const char *text, const char **out, struct sk_err *err) SK_CHECK;
/* The stages, ended by NULL. */
extern const char *const sk_model_stages[];
/* "models/<name>" */
void sk_model_folder(const char *name, struct sk_buf *out);

/* ---- rows.c: lookups and JSON, in a transaction ---- */
int sk_model_find(struct sk_tx *tx, const char *name, int64_t *id, struct sk_err *err) SK_CHECK;

struct sk_version_ids {
    int64_t id, model;
};

int sk_version_find(struct sk_tx *tx, const char *name, uint64_t version,
                    struct sk_version_ids *out, struct sk_err *err) SK_CHECK;
int sk_model_print(struct sk_tx *tx, int64_t id, struct sk_buf *out, struct sk_err *err) SK_CHECK;
int sk_version_print(struct sk_tx *tx, int64_t id, bool with_properties, struct sk_buf *out,
                     struct sk_err *err) SK_CHECK;
/* An array of the newest version of each stage; stages: a bit each of sk_model_stages, 0: all. */
int sk_model_print_latest(struct sk_tx *tx, int64_t model, unsigned stages, struct sk_buf *out,
                          struct sk_err *err) SK_CHECK;
/* Id of the newest of a stage (NULL: of any); 0: none. */
int sk_version_newest(struct sk_tx *tx, int64_t model, const char *stage, int64_t *id,
                      struct sk_err *err) SK_CHECK;
/* The first column of the first row of a query with one number; *found false: no row. */
int sk_model_number(struct sk_tx *tx, const char *sql, int64_t of, int64_t *out, bool *found,
                    struct sk_err *err) SK_CHECK;

/* ---- changes.c ---- */
/* Sets updated_ms of the model. */
int sk_model_touched(struct sk_tx *tx, int64_t model, struct sk_err *err) SK_CHECK;
int sk_model_insert(struct sk_tx *tx, const struct sk_who *who, const char *name,
                    const char *description, const struct sk_pair *tags, size_t tag_count,
                    int64_t *id, struct sk_err *err) SK_CHECK;
/* Audit with "NAME:VERSION", or "NAME" when it is 0. */
int sk_model_audit(struct sk_tx *tx, const struct sk_who *who, const char *action, const char *name,
                   uint64_t version, const char *detail, struct sk_err *err) SK_CHECK;

#endif
