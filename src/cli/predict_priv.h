/*
 * predict_priv.h - the parts of `skerry predict`: which pictures (predict_files.c), how an answer
 * looks (predict_rows.c), how far it is (progress.c). cmd_predict.c runs them.
 */
#ifndef SK_CLI_PREDICT_PRIV_H
#define SK_CLI_PREDICT_PRIV_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "pipeline/pipeline.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sk_paths {
    char **items;
    size_t count, cap;
};

void sk_paths_done(struct sk_paths *p);
/* Files as they are, folders with all pictures below, "-" for standard input. */
int sk_paths_collect(char *const *operands, size_t count, struct sk_paths *out,
                     struct sk_err *err) SK_CHECK;

enum sk_row_form {
    SK_ROW_TABLE,
    SK_ROW_JSON,   /* an array */
    SK_ROW_NDJSON, /* an object a line */
    SK_ROW_CSV
};

struct sk_rows {
    enum sk_row_form form;
    const struct sk_classifier *classifier;
    size_t top_k;      /* 0: the best one (JSON: all) */
    int name_columns;  /* width of the first column of a table */
    int label_columns; /* and of the second */
};

/* Widths from the names and labels that will come. */
void sk_rows_init(struct sk_rows *r, enum sk_row_form form, const struct sk_classifier *c,
                  size_t top_k, const struct sk_paths *paths);
/* What this form has above all rows, between two, and below. */
void sk_rows_head(const struct sk_rows *r, struct sk_buf *out);
void sk_rows_between(const struct sk_rows *r, struct sk_buf *out);
void sk_rows_foot(const struct sk_rows *r, struct sk_buf *out);
/* One picture's row; failed is its error, NULL when result holds an answer. */
void sk_rows_add(const struct sk_rows *r, const char *name, const struct sk_result *result,
                 const struct sk_err *failed, struct sk_buf *out);

/* A line on standard error that is redrawn: bar, count, speed, time left. Shown only when standard
 * error is a terminal and there is much to do. */
struct sk_progress {
    bool shown, drawn;
    size_t total;
    uint64_t start_ns, last_ns;
};

void sk_progress_init(struct sk_progress *p, size_t total);
void sk_progress_update(struct sk_progress *p, size_t done);
/* Takes the line away, before other text is written and at the end. */
void sk_progress_clear(struct sk_progress *p);
/* The line itself, for tests. */
void sk_progress_line(size_t done, size_t total, uint64_t elapsed_ns, struct sk_buf *out);
/* "[#####.....]": full when there is nothing to do. */
void sk_progress_bar(uint64_t done, uint64_t total, struct sk_buf *out);

#endif
