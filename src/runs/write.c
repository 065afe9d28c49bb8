/*
 * write.c - rows as MLflow's JSON.
 *
 * Numbers that JSON lacks are the texts that protobuf's JSON has for them: "NaN", "Infinity",
 * "-Infinity".
 */
#include "runs/runs_priv.h"

#include <inttypes.h>
#include <math.h>

void sk_runs_field(struct sk_buf *out, const char *key, const char *value)
{
    sk_buf_fmt(out, ",\"%s\":", key);
    sk_buf_json_str(out, value);
}

void sk_runs_number(struct sk_buf *out, double value, bool is_nan)
{
    if (is_nan)
        sk_buf_str(out, "\"NaN\"");
    else if (isinf(value))
        sk_buf_str(out, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    else
        sk_buf_num(out, value, 17);
}

int sk_runs_write_pairs(struct sk_tx *tx, const char *sql, int64_t n, struct sk_buf *out,
                        struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int got = 0;

    if (sk_tx_query(tx, &s, err, sql, "i", n) < 0)
        return -1;
    sk_buf_chr(out, '[');
    for (bool first = true; (got = sk_stmt_next(s, err)) > 0; first = false) {
        struct sk_view key = sk_stmt_view(s, 0), value = sk_stmt_view(s, 1);

        sk_buf_str(out, first ? "{\"key\":" : ",{\"key\":");
        sk_buf_json(out, key.ptr, key.len);
        sk_buf_str(out, ",\"value\":");
        sk_buf_json(out, value.ptr, value.len);
        sk_buf_chr(out, '}');
    }
    sk_buf_chr(out, ']');
    return got;
}

int sk_runs_write_info(struct sk_tx *tx, int64_t n, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;

    if (sk_tx_query(tx, &s, err,
                    "SELECT id, experiment, name, user_id, status, start_ms, end_ms, deleted "
                    "FROM run WHERE n = ?1",
                    "i", n) < 0)
        return -1;

    int got = sk_stmt_next(s, err);
    if (got < 0)
        return -1;
    if (got == 0)
        return sk_fail(err, SK_BUG, "run %" PRId64 " is gone", n);

    const char *id = sk_stmt_text(s, 0);
    int64_t experiment = sk_stmt_int(s, 1);

    sk_buf_fmt(out, "{\"run_id\":\"%s\",\"run_uuid\":\"%s\",\"experiment_id\":\"%" PRId64 "\"", id,
               id, experiment);
    sk_buf_fmt(out, ",\"artifact_uri\":\"mlflow-artifacts:/%" PRId64 "/%s/artifacts\"", experiment,
               id);
    sk_runs_field(out, "run_name", sk_stmt_text(s, 2));
    sk_runs_field(out, "user_id", sk_stmt_text(s, 3));
    sk_runs_field(out, "status", sk_stmt_text(s, 4));
    sk_buf_fmt(out, ",\"start_time\":%" PRId64, sk_stmt_int(s, 5));
    if (!sk_stmt_is_null(s, 6))
        sk_buf_fmt(out, ",\"end_time\":%" PRId64, sk_stmt_int(s, 6));
    sk_runs_field(out, "lifecycle_stage", sk_stmt_int(s, 7) ? "deleted" : "active");
    sk_buf_chr(out, '}');
    return 0;
}

static int write_metrics(struct sk_tx *tx, int64_t n, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int got = 0;

    if (sk_tx_query(tx, &s, err,
                    "SELECT key, value, at_ms, step FROM run_metric WHERE run = ?1 ORDER BY key",
                    "i", n) < 0)
        return -1;
    sk_buf_chr(out, '[');
    for (bool first = true; (got = sk_stmt_next(s, err)) > 0; first = false) {
        struct sk_view key = sk_stmt_view(s, 0);

        sk_buf_str(out, first ? "{\"key\":" : ",{\"key\":");
        sk_buf_json(out, key.ptr, key.len);
        sk_buf_str(out, ",\"value\":");
        sk_runs_number(out, sk_stmt_num(s, 1), sk_stmt_is_null(s, 1));
        sk_buf_fmt(out, ",\"timestamp\":%" PRId64 ",\"step\":%" PRId64 "}", sk_stmt_int(s, 2),
                   sk_stmt_int(s, 3));
    }
    sk_buf_chr(out, ']');
    return got;
}

static int write_datasets(struct sk_tx *tx, int64_t n, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int got = 0;

    if (sk_tx_query(tx, &s, err,
                    "SELECT json FROM run_dataset WHERE run = ?1 ORDER BY name, digest", "i",
                    n) < 0)
        return -1;
    sk_buf_chr(out, '[');
    for (bool first = true; (got = sk_stmt_next(s, err)) > 0; first = false) {
        struct sk_view json = sk_stmt_view(s, 0);

        if (!first)
            sk_buf_chr(out, ',');
        sk_buf_add(out, json.ptr, json.len);
    }
    sk_buf_chr(out, ']');
    return got;
}

static int write_models(struct sk_tx *tx, int64_t n, bool outputs, struct sk_buf *out,
                        struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int got = 0;

    if (sk_tx_query(tx, &s, err,
                    "SELECT model, step FROM run_model WHERE run = ?1 AND is_output = ?2 "
                    "ORDER BY step, model",
                    "ii", n, (int64_t)outputs) < 0)
        return -1;
    sk_buf_chr(out, '[');
    for (bool first = true; (got = sk_stmt_next(s, err)) > 0; first = false) {
        sk_buf_str(out, first ? "{\"model_id\":" : ",{\"model_id\":");
        sk_buf_json_str(out, sk_stmt_text(s, 0));
        if (outputs)
            sk_buf_fmt(out, ",\"step\":%" PRId64, sk_stmt_int(s, 1));
        sk_buf_chr(out, '}');
    }
    sk_buf_chr(out, ']');
    return got;
}

int sk_runs_write_run(struct sk_tx *tx, int64_t n, struct sk_buf *out, struct sk_err *err)
{
    sk_buf_str(out, "{\"info\":");
    if (sk_runs_write_info(tx, n, out, err) < 0)
        return -1;
    sk_buf_str(out, ",\"data\":{\"metrics\":");
    if (write_metrics(tx, n, out, err) < 0)
        return -1;
    sk_buf_str(out, ",\"params\":");
    if (sk_runs_write_pairs(tx, "SELECT key, value FROM run_param WHERE run = ?1 ORDER BY key", n,
                            out, err) < 0)
        return -1;
    sk_buf_str(out, ",\"tags\":");
    if (sk_runs_write_pairs(tx, "SELECT key, value FROM run_tag WHERE run = ?1 ORDER BY key", n,
                            out, err) < 0)
        return -1;
    sk_buf_str(out, "},\"inputs\":{\"dataset_inputs\":");
    if (write_datasets(tx, n, out, err) < 0)
        return -1;
    sk_buf_str(out, ",\"model_inputs\":");
    if (write_models(tx, n, false, out, err) < 0)
        return -1;
    sk_buf_str(out, "},\"outputs\":{\"model_outputs\":");
    if (write_models(tx, n, true, out, err) < 0)
        return -1;
    sk_buf_str(out, "}}");
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}
