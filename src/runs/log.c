/*
 * log.c - what a run reports: metrics, parameters, tags.
 *
 * A batch is checked whole, then written in one transaction. Every point is kept once: its key is
 * the point itself, so a client that repeats a call after a lost answer changes nothing. The newest
 * of each metric, by step, then time, then value, is kept beside them for searches and for the run.
 */
#include "runs/runs_priv.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

int sk_runs_set_tag(struct sk_tx *tx, const struct sk_run_ref *run, const char *key,
                    const char *value, struct sk_err *err)
{
    if (!value) {
        if (sk_tx_run(tx, err, "DELETE FROM run_tag WHERE run = ?1 AND key = ?2", "is", run->n,
                      key) < 0)
            return -1;
        if (sk_tx_changes(tx) == 0)
            return sk_fail(err, SK_NOT_FOUND, "No tag with name: %s in this run", key);
        return 0;
    }
    if (strcmp(key, SK_RUNS_NAME_TAG) == 0 &&
        sk_tx_run(tx, err, "UPDATE run SET name = ?2 WHERE n = ?1", "is", run->n, value) < 0)
        return -1;
    return sk_tx_run(tx, err,
                     "INSERT INTO run_tag(run, key, value) VALUES(?1, ?2, ?3) "
                     "ON CONFLICT(run, key) DO UPDATE SET value = excluded.value",
                     "iss", run->n, key, value);
}

/* ---- checks ---- */

static int check_count(const char *what, size_t count, size_t max, struct sk_err *err)
{
    if (count > max)
        return sk_fail(err, SK_LIMIT,
                       "A batch logging request can contain at most %zu %s. Got %zu %s. Please "
                       "split up %s across multiple requests and try again.",
                       max, what, count, what, what);
    return 0;
}

static int check_metrics(const struct sk_run_batch *b, struct sk_err *err)
{
    for (size_t i = 0; i < b->metric_count; i++) {
        if (sk_runs_check_key("metric name", b->metrics[i].key, err) < 0)
            return sk_wrap(err, "metrics[%zu]", i);
        if (b->metrics[i].timestamp_ms < 0)
            return sk_fail(err, SK_INVALID, "metric '%s': timestamp %" PRId64 " is before 1970",
                           b->metrics[i].key, b->metrics[i].timestamp_ms);
    }
    return 0;
}

static int check_params(const struct sk_run_batch *b, struct sk_err *err)
{
    if (sk_runs_check_pairs("param", b->params, b->param_count, SK_RUN_PARAM_MAX, err) < 0)
        return -1;
    for (size_t i = 0; i < b->param_count; i++) {
        if (!b->params[i].value)
            return sk_fail(err, SK_INVALID, "param '%s' has no value", b->params[i].key);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(b->params[i].key, b->params[k].key) == 0)
                return sk_fail(err, SK_INVALID,
                               "Duplicate parameter keys have been submitted: '%s'",
                               b->params[i].key);
        }
    }
    return 0;
}

static int check_batch(const struct sk_run_batch *b, struct sk_err *err)
{
    if (check_count("metrics", b->metric_count, SK_RUN_BATCH_METRICS, err) < 0 ||
        check_count("params", b->param_count, SK_RUN_BATCH_PAIRS, err) < 0 ||
        check_count("tags", b->tag_count, SK_RUN_BATCH_PAIRS, err) < 0 ||
        check_count("metrics, params, and tags", b->metric_count + b->param_count + b->tag_count,
                    SK_RUN_BATCH_ALL, err) < 0)
        return -1;
    if (check_metrics(b, err) < 0 || check_params(b, err) < 0)
        return -1;
    return sk_runs_check_pairs("tag", b->tags, b->tag_count, SK_RUN_TAG_MAX, err);
}

/* ---- rows ---- */

static int put_param(struct sk_tx *tx, const struct sk_run_ref *run, const struct sk_pair *p,
                     struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;

    if (sk_tx_run(tx, err,
                  "INSERT INTO run_param(run, key, value) VALUES(?1, ?2, ?3) "
                  "ON CONFLICT(run, key) DO NOTHING",
                  "iss", run->n, p->key, p->value) < 0)
        return -1;
    if (sk_tx_changes(tx) > 0)
        return 0;
    if (sk_tx_query(tx, &s, err, "SELECT value FROM run_param WHERE run = ?1 AND key = ?2", "is",
                    run->n, p->key) < 0 ||
        sk_stmt_next(s, err) < 0)
        return -1;
    if (strcmp(sk_stmt_text(s, 0), p->value) != 0)
        return sk_fail(err, SK_INVALID,
                       "Changing param values is not allowed. Param with key='%s' was already "
                       "logged with value='%.80s'. Attempted logging new value '%.80s'.",
                       p->key, sk_stmt_text(s, 0), p->value);
    return 0;
}

#define NEWEST                                                                                     \
    "INSERT INTO run_metric(run, key, value, at_ms, step) VALUES(?1, ?2, ?3, ?4, ?5) "             \
    "ON CONFLICT(run, key) DO UPDATE SET value = excluded.value, at_ms = excluded.at_ms, "         \
    "step = excluded.step WHERE (excluded.step, excluded.at_ms, ifnull(excluded.value, 0)) > "     \
    "(step, at_ms, ifnull(value, 0))"

#define NEWEST_OF_MODEL                                                                            \
    "INSERT INTO logged_model_metric(model, key, value, at_ms, step, run, dataset_name, "          \
    "dataset_digest) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) "                                      \
    "ON CONFLICT(model, key, run, dataset_name, dataset_digest) DO UPDATE "                        \
    "SET value = excluded.value, at_ms = excluded.at_ms, step = excluded.step "                    \
    "WHERE (excluded.step, excluded.at_ms, ifnull(excluded.value, 0)) > "                          \
    "(step, at_ms, ifnull(value, 0))"

static int put_model_metric(struct sk_tx *tx, const char *run_id, const struct sk_metric *m,
                            struct sk_err *err)
{
    const char *name = m->dataset_name ? m->dataset_name : "";
    const char *digest = m->dataset_digest ? m->dataset_digest : "";
    struct sk_run_ref model = { 0 };

    if (sk_runs_model(tx, m->model_id, SK_RUNS_WRITE, &model, err) < 0)
        return sk_wrap(err, "metric '%s'", m->key);
    if (isnan(m->value))
        return sk_tx_run(tx, err, NEWEST_OF_MODEL, "is0iisss", model.n, m->key, m->timestamp_ms,
                         m->step, run_id, name, digest);
    return sk_tx_run(tx, err, NEWEST_OF_MODEL, "isniisss", model.n, m->key, m->value,
                     m->timestamp_ms, m->step, run_id, name, digest);
}

static int put_metric(struct sk_tx *tx, const struct sk_run_ref *run, const struct sk_metric *m,
                      struct sk_err *err)
{
    bool nan = isnan(m->value);

    if (sk_tx_run(tx, err,
                  "INSERT INTO run_point(run, key, at_ms, step, value, is_nan) "
                  "VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
                  "isiini", run->n, m->key, m->timestamp_ms, m->step, nan ? 0.0 : m->value,
                  (int64_t)nan) < 0)
        return -1;
    if (nan)
        return sk_tx_run(tx, err, NEWEST, "is0ii", run->n, m->key, m->timestamp_ms, m->step);
    return sk_tx_run(tx, err, NEWEST, "isnii", run->n, m->key, m->value, m->timestamp_ms, m->step);
}

static int put_batch(struct sk_tx *tx, const char *run_id, const struct sk_run_ref *run,
                     const struct sk_run_batch *b, struct sk_err *err)
{
    for (size_t i = 0; i < b->param_count; i++) {
        if (put_param(tx, run, &b->params[i], err) < 0)
            return -1;
    }
    for (size_t i = 0; i < b->metric_count; i++) {
        if (put_metric(tx, run, &b->metrics[i], err) < 0)
            return -1;
        if (b->metrics[i].model_id && *b->metrics[i].model_id &&
            put_model_metric(tx, run_id, &b->metrics[i], err) < 0)
            return -1;
    }
    for (size_t i = 0; i < b->tag_count; i++) {
        if (sk_runs_set_tag(tx, run, b->tags[i].key, b->tags[i].value, err) < 0)
            return -1;
    }
    return 0;
}

int sk_run_log(struct sk_store *s, const struct sk_who *who, const char *run_id,
               const struct sk_run_batch *batch, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_run_ref run = { 0 };
    char detail[96];

    (void)snprintf(detail, sizeof(detail), "metrics=%zu params=%zu tags=%zu", batch->metric_count,
                   batch->param_count, batch->tag_count);
    if (check_batch(batch, err) < 0 || sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0 ||
        sk_runs_run(tx, run_id, SK_RUNS_WRITE, &run, err) < 0 ||
        put_batch(tx, run_id, &run, batch, err) < 0 ||
        sk_audit(tx, who, "run.log", run_id, detail, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

/* ---- history ---- */

static void write_point(struct sk_stmt *s, const char *key, struct sk_buf *out)
{
    sk_buf_str(out, "{\"key\":");
    sk_buf_json_str(out, key);
    sk_buf_str(out, ",\"value\":");
    sk_runs_number(out, sk_stmt_num(s, 0), sk_stmt_int(s, 1) != 0);
    sk_buf_fmt(out, ",\"timestamp\":%" PRId64 ",\"step\":%" PRId64 "}", sk_stmt_int(s, 2),
               sk_stmt_int(s, 3));
}

int sk_run_history(struct sk_store *s, const char *run_id, const char *key, unsigned max,
                   const char *page_token, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *points = NULL;
    uint64_t offset = 0, count = 0;
    struct sk_query_page search = { .what = run_id, .filter = sk_view_of(key) };
    struct sk_run_ref run = { 0 };
    size_t before = out->len;
    int got = 0;

    if (max == 0)
        max = 25000;
    if (!key)
        return sk_fail(err, SK_INVALID, "metric_key is missing");
    if (max > SK_RUNS_PAGE_MAX)
        return sk_fail(err, SK_INVALID, "max_results %u: at most %u are given at once", max,
                       (unsigned)SK_RUNS_PAGE_MAX);
    if (sk_query_page_read(&search, page_token, &offset, err) < 0 ||
        sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, err) < 0 ||
        sk_runs_run(tx, run_id, SK_RUNS_READ, &run, err) < 0 ||
        sk_tx_query(tx, &points, err,
                    "SELECT value, is_nan, at_ms, step FROM run_point WHERE run = ?1 AND key = ?2 "
                    "ORDER BY at_ms, step, value LIMIT ?3 OFFSET ?4",
                    "isii", run.n, key, (int64_t)max + 1, (int64_t)offset) < 0)
        return -1;
    sk_buf_str(out, "\"metrics\":[");
    while ((got = sk_stmt_next(points, err)) > 0 && count < max &&
           out->len - before < SK_RUNS_PAGE_BYTES) {
        if (count++)
            sk_buf_chr(out, ',');
        write_point(points, key, out);
    }
    if (got < 0)
        return -1;
    sk_buf_chr(out, ']');
    if (got > 0)
        sk_runs_write_token(&search, offset + count, out);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}
