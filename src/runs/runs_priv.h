/*
 * runs_priv.h - what the files of runs share: names and lengths, finding, pages, pieces of JSON.
 */
#ifndef SK_RUNS_RUNS_PRIV_H
#define SK_RUNS_RUNS_PRIV_H

#include "runs/runs.h"

#include "base/str.h"
#include "query/query.h"

enum {
    SK_RUN_ID_TEXT = 33,          /* 32 hex */
    SK_LOGGED_MODEL_ID_TEXT = 35, /* "m-" + 32 hex */
    SK_RUN_PATH_MAX = 128         /* "<experiment>/models/<id>/artifacts" */
};

/* ---- check.c: names and lengths ---- */
/* Letters, digits, "_-. :/", everything beyond ASCII; not to be read as another path. */
int sk_runs_check_key(const char *what, const char *key, struct sk_err *err) SK_CHECK;
/* NULL is missing. max in characters. */
int sk_runs_check_text(const char *what, const char *text, size_t max, struct sk_err *err) SK_CHECK;
int sk_runs_check_pairs(const char *what, const struct sk_pair *pairs, size_t count, size_t max,
                        struct sk_err *err) SK_CHECK;
bool sk_runs_is_run_id(const char *text);   /* 32 hex digits, lower case */
bool sk_runs_is_model_id(const char *text); /* "m-" and those */
int sk_runs_new_id(char out[SK_RUN_ID_TEXT], struct sk_err *err) SK_CHECK;

/* ---- find.c ---- */
enum sk_runs_use {
    SK_RUNS_READ,
    SK_RUNS_WRITE, /* SK_INVALID when it is deleted */
    SK_RUNS_REVIVE /* any, to delete or restore it */
};

struct sk_experiment_ref {
    int64_t id;
    bool deleted;
};

struct sk_run_ref {
    int64_t n, experiment;
    bool deleted;
};

/* id NULL or "": the default experiment. */
int sk_runs_experiment(struct sk_tx *tx, const char *id, enum sk_runs_use use,
                       struct sk_experiment_ref *out, struct sk_err *err) SK_CHECK;
int sk_runs_run(struct sk_tx *tx, const char *id, enum sk_runs_use use, struct sk_run_ref *out,
                struct sk_err *err) SK_CHECK;
int sk_runs_model(struct sk_tx *tx, const char *id, enum sk_runs_use use, struct sk_run_ref *out,
                  struct sk_err *err) SK_CHECK;
/* "1,2,3" of those that are numbers, for IN (...); SK_INVALID for a text that is none. */
int sk_runs_experiment_list(const char *const *ids, size_t count, struct sk_buf *out,
                            struct sk_err *err) SK_CHECK;

/* ---- write.c: JSON ---- */
void sk_runs_field(struct sk_buf *out, const char *key, const char *value); /* ,"key":"value" */
void sk_runs_number(struct sk_buf *out, double value, bool is_nan);         /* "NaN", "Infinity" */
/* [{"key":..,"value":..},...] of a query of key and value with one bound number. */
int sk_runs_write_pairs(struct sk_tx *tx, const char *sql, int64_t n, struct sk_buf *out,
                        struct sk_err *err) SK_CHECK;
int sk_runs_write_info(struct sk_tx *tx, int64_t n, struct sk_buf *out,
                       struct sk_err *err) SK_CHECK;
int sk_runs_write_run(struct sk_tx *tx, int64_t n, struct sk_buf *out, struct sk_err *err) SK_CHECK;

/* ---- page.c ---- */
/*
 * One page of a search: `sql` gives row numbers in order, without LIMIT; write appends the object
 * of one.
 */
struct sk_runs_page {
    const char *name; /* "runs" */
    const char *sql;  /* "SELECT n FROM ..." */
    const struct sk_query *query;
    struct sk_query_page search; /* what makes two searches the same one */
    const char *token;
    unsigned max;
    int (*write)(struct sk_tx *tx, int64_t n, struct sk_buf *out, struct sk_err *err);
};

int sk_runs_write_page(struct sk_tx *tx, const struct sk_runs_page *page, struct sk_buf *out,
                       struct sk_err *err) SK_CHECK;
/* ,"next_page_token":"..." */
void sk_runs_write_token(const struct sk_query_page *search, uint64_t offset, struct sk_buf *out);

/* ---- log.c ---- */
/* Sets a tag of a run, and its name with mlflow.runName; value NULL removes. */
int sk_runs_set_tag(struct sk_tx *tx, const struct sk_run_ref *run, const char *key,
                    const char *value, struct sk_err *err) SK_CHECK;

#define SK_RUNS_NAME_TAG "mlflow.runName"

#endif
