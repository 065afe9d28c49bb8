/*
 * find.c - from the ids of clients to rows.
 */
#include "runs/runs_priv.h"

#include <string.h>

static int experiment_number(const char *id, int64_t *out, struct sk_err *err)
{
    struct sk_err why = SK_ERR_INIT;
    uint64_t number = 0;

    if (sk_parse_u64("experiment id", id, 0, INT64_MAX, &number, &why) < 0)
        return sk_fail(err, SK_INVALID, "experiment id '%.64s': ids of experiments are numbers",
                       id);
    *out = (int64_t)number;
    return 0;
}

static int check_use(const char *what, const char *id, bool deleted, enum sk_runs_use use,
                     struct sk_err *err)
{
    if (deleted && use == SK_RUNS_WRITE)
        return sk_fail(err, SK_INVALID, "the %s %.64s is deleted; restore it before changing it",
                       what, id);
    return 0;
}

int sk_runs_experiment(struct sk_tx *tx, const char *id, enum sk_runs_use use,
                       struct sk_experiment_ref *out, struct sk_err *err)
{
    int64_t number = 0;

    if (!id || !*id)
        id = "0";
    if (experiment_number(id, &number, err) < 0)
        return -1;

    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_tx_query(tx, &s, err, "SELECT deleted FROM experiment WHERE id = ?1", "i", number) < 0)
        return -1;

    int got = sk_stmt_next(s, err);
    if (got < 0)
        return -1;
    if (got == 0)
        return sk_fail(err, SK_NOT_FOUND, "No Experiment with id=%s exists", id);

    struct sk_experiment_ref found = { .id = number, .deleted = sk_stmt_int(s, 0) != 0 };
    if (check_use("experiment", id, found.deleted, use, err) < 0)
        return -1;
    *out = found;
    return 0;
}

static int find(struct sk_tx *tx, const char *sql, const char *what, const char *id,
                enum sk_runs_use use, struct sk_run_ref *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;

    if (!id)
        return sk_fail(err, SK_INVALID, "%s id is missing", what);
    if (sk_tx_query(tx, &s, err, sql, "s", id) < 0)
        return -1;

    int got = sk_stmt_next(s, err);
    if (got < 0)
        return -1;
    if (got == 0)
        return sk_fail(err, SK_NOT_FOUND, "%s with id=%.64s not found", what, id);

    struct sk_run_ref found = { .n = sk_stmt_int(s, 0),
                                .experiment = sk_stmt_int(s, 1),
                                .deleted = sk_stmt_int(s, 2) != 0 };
    if (check_use(what, id, found.deleted, use, err) < 0)
        return -1;
    *out = found;
    return 0;
}

int sk_runs_run(struct sk_tx *tx, const char *id, enum sk_runs_use use, struct sk_run_ref *out,
                struct sk_err *err)
{
    return find(tx, "SELECT n, experiment, deleted FROM run WHERE id = ?1", "Run", id, use, out,
                err);
}

int sk_runs_model(struct sk_tx *tx, const char *id, enum sk_runs_use use, struct sk_run_ref *out,
                  struct sk_err *err)
{
    return find(tx, "SELECT n, experiment, deleted FROM logged_model WHERE id = ?1", "Logged model",
                id, use, out, err);
}

int sk_runs_experiment_list(const char *const *ids, size_t count, struct sk_buf *out,
                            struct sk_err *err)
{
    for (size_t i = 0; i < count; i++) {
        int64_t number = 0;

        if (experiment_number(ids[i], &number, err) < 0)
            return -1;
        if (i)
            sk_buf_chr(out, ',');
        sk_buf_i64(out, number);
    }
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}
