/*
 * experiments.c - experiments: names over runs.
 */
#include "runs/runs_priv.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int check_name(const char *name, struct sk_err *err)
{
    if (!name || !*name)
        return sk_fail(err, SK_INVALID, "Invalid experiment name: '': a name is needed");
    return sk_runs_check_text("experiment name", name, SK_EXPERIMENT_NAME_MAX, err);
}

static int name_taken(const char *name, struct sk_err *err)
{
    if (err->code == SK_EXISTS)
        return sk_fail(err, SK_EXISTS,
                       "Experiment(name=%.300s) already exists (or is deleted: restore it)", name);
    return -1;
}

static int audit(struct sk_tx *tx, const struct sk_who *who, const char *action, int64_t id,
                 const char *detail, struct sk_err *err)
{
    char object[32];

    (void)snprintf(object, sizeof(object), "%" PRId64, id);
    return sk_audit(tx, who, action, object, detail, err);
}

static int touch(struct sk_tx *tx, int64_t id, struct sk_err *err)
{
    return sk_tx_run(tx, err, "UPDATE experiment SET updated_ms = ?2 WHERE id = ?1", "ii", id,
                     (int64_t)sk_wall_ms());
}

static int put_tag(struct sk_tx *tx, int64_t id, const char *key, const char *value,
                   struct sk_err *err)
{
    return sk_tx_run(tx, err,
                     "INSERT INTO experiment_tag(experiment, key, value) VALUES(?1, ?2, ?3) "
                     "ON CONFLICT(experiment, key) DO UPDATE SET value = excluded.value",
                     "iss", id, key, value);
}

int sk_experiment_create(struct sk_store *s, const struct sk_who *who, const char *name,
                         const struct sk_pair *tags, size_t count, struct sk_buf *id,
                         struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    int64_t now = (int64_t)sk_wall_ms();

    if (check_name(name, err) < 0 ||
        sk_runs_check_pairs("tag", tags, count, SK_EXPERIMENT_TAG_MAX, err) < 0 ||
        sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0)
        return -1;
    if (sk_tx_run(tx, err,
                  "INSERT INTO experiment(name, created_ms, updated_ms) VALUES(?1, ?2, ?2)", "si",
                  name, now) < 0)
        return name_taken(name, err);

    int64_t number = sk_tx_last_id(tx);

    for (size_t i = 0; i < count; i++) {
        if (put_tag(tx, number, tags[i].key, tags[i].value ? tags[i].value : "", err) < 0)
            return -1;
    }
    sk_buf_i64(id, number);
    if (!sk_buf_ok(id))
        return sk_buf_fail(id, err);
    if (audit(tx, who, "experiment.create", number, name, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

static int write_experiment(struct sk_tx *tx, int64_t id, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;

    if (sk_tx_query(tx, &s, err,
                    "SELECT name, deleted, created_ms, updated_ms FROM experiment WHERE id = ?1",
                    "i", id) < 0)
        return -1;

    int got = sk_stmt_next(s, err);
    if (got < 0)
        return -1;
    if (got == 0)
        return sk_fail(err, SK_NOT_FOUND, "No Experiment with id=%" PRId64 " exists", id);
    sk_buf_fmt(
        out,
        "{\"experiment_id\":\"%" PRId64 "\",\"artifact_location\":\"mlflow-artifacts:/%" PRId64
        "\",\"lifecycle_stage\":\"%s\",\"creation_time\":%" PRId64 ",\"last_update_time\":%" PRId64,
        id, id, sk_stmt_int(s, 1) ? "deleted" : "active", sk_stmt_int(s, 2), sk_stmt_int(s, 3));
    sk_runs_field(out, "name", sk_stmt_text(s, 0));
    sk_buf_str(out, ",\"tags\":");
    if (sk_runs_write_pairs(
            tx, "SELECT key, value FROM experiment_tag WHERE experiment = ?1 ORDER BY key", id, out,
            err) < 0)
        return -1;
    sk_buf_chr(out, '}');
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

static int find_by_name(struct sk_tx *tx, const char *name, int64_t *id, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;

    if (!name)
        return sk_fail(err, SK_INVALID, "experiment_name is missing");
    if (sk_tx_query(tx, &s, err, "SELECT id FROM experiment WHERE name = ?1", "s", name) < 0)
        return -1;

    int got = sk_stmt_next(s, err);
    if (got < 0)
        return -1;
    if (got == 0)
        return sk_fail(err, SK_NOT_FOUND, "Could not find experiment with name '%.300s'", name);
    *id = sk_stmt_int(s, 0);
    return 0;
}

int sk_experiment_get(struct sk_store *s, const char *id, const char *name, struct sk_buf *out,
                      struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_experiment_ref found = { 0 };

    if (sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, err) < 0)
        return -1;
    if (id ? sk_runs_experiment(tx, id, SK_RUNS_READ, &found, err) < 0
           : find_by_name(tx, name, &found.id, err) < 0)
        return -1;
    return write_experiment(tx, found.id, out, err);
}

int sk_experiment_rename(struct sk_store *s, const struct sk_who *who, const char *id,
                         const char *name, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_experiment_ref found = { 0 };

    if (check_name(name, err) < 0 || sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0 ||
        sk_runs_experiment(tx, id, SK_RUNS_WRITE, &found, err) < 0)
        return -1;
    if (sk_tx_run(tx, err, "UPDATE experiment SET name = ?2 WHERE id = ?1", "is", found.id, name) <
        0)
        return name_taken(name, err);
    if (touch(tx, found.id, err) < 0 ||
        audit(tx, who, "experiment.rename", found.id, name, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

int sk_experiment_set_deleted(struct sk_store *s, const struct sk_who *who, const char *id,
                              bool deleted, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_experiment_ref found = { 0 };

    if (sk_db_begin(sk_store_db(s), SK_DB_SHRINK, &tx, err) < 0 ||
        sk_runs_experiment(tx, id, SK_RUNS_REVIVE, &found, err) < 0)
        return -1;
    if (found.deleted == deleted)
        return sk_fail(err, SK_NOT_FOUND, "No %s experiment with id=%.64s exists",
                       deleted ? "active" : "deleted", id ? id : "0");
    if (sk_tx_run(tx, err, "UPDATE experiment SET deleted = ?2 WHERE id = ?1", "ii", found.id,
                  (int64_t)deleted) < 0 ||
        sk_tx_run(tx, err, "UPDATE run SET deleted = ?2 WHERE experiment = ?1", "ii", found.id,
                  (int64_t)deleted) < 0 ||
        touch(tx, found.id, err) < 0 ||
        audit(tx, who, deleted ? "experiment.delete" : "experiment.restore", found.id, NULL, err) <
            0)
        return -1;
    return sk_tx_commit(&tx, err);
}

int sk_experiment_set_tag(struct sk_store *s, const struct sk_who *who, const char *id,
                          const char *key, const char *value, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_experiment_ref found = { 0 };
    const struct sk_pair pair = { key, value };

    if (sk_runs_check_pairs("tag", &pair, 1, SK_EXPERIMENT_TAG_MAX, err) < 0 ||
        sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0 ||
        sk_runs_experiment(tx, id, SK_RUNS_WRITE, &found, err) < 0)
        return -1;
    if (value) {
        if (put_tag(tx, found.id, key, value, err) < 0)
            return -1;
    } else {
        if (sk_tx_run(tx, err, "DELETE FROM experiment_tag WHERE experiment = ?1 AND key = ?2",
                      "is", found.id, key) < 0)
            return -1;
        if (sk_tx_changes(tx) == 0)
            return sk_fail(err, SK_NOT_FOUND, "No tag with name: %s in experiment with id %s", key,
                           id ? id : "0");
    }
    if (audit(tx, who, "experiment.tag", found.id, key, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

/* clang-format off */
static const struct sk_query_field fields[] = {
    { "name", "e.name", SK_QUERY_TEXT, false },
    { "experiment_id", "CAST(e.id AS TEXT)", SK_QUERY_TEXT, false },
    { "creation_time", "e.created_ms", SK_QUERY_INT, false },
    { "last_update_time", "e.updated_ms", SK_QUERY_INT, false },
    { .name = NULL },
};

static const struct sk_query_group groups[] = {
    { .names = (const char *const[]){ "tag", "tags", NULL },
      .exists = "EXISTS(SELECT 1 FROM experiment_tag t WHERE t.experiment = e.id AND t.key = %k AND t.value %c)",
      .order = "(SELECT t.value FROM experiment_tag t WHERE t.experiment = e.id AND t.key = %k)",
      .kind = SK_QUERY_TEXT },
    { .names = NULL },
};

/* clang-format on */

static const char *const stages[] = {
    [SK_VIEW_ACTIVE] = "deleted = 0",
    [SK_VIEW_DELETED] = "deleted = 1",
    [SK_VIEW_ALL] = "deleted >= 0",
};

int sk_experiments_search(struct sk_store *s, const struct sk_search *q, enum sk_view_type view,
                          struct sk_buf *out, struct sk_err *err)
{
    static const struct sk_query_schema schema = { fields, groups };
    SK_OWN(sk_query_free) struct sk_query *query = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf where = SK_BUF_INIT(64 << 10);
    SK_AUTO(sk_buf_done) struct sk_buf order = SK_BUF_INIT(64 << 10);
    SK_AUTO(sk_buf_done) struct sk_buf sql = SK_BUF_INIT(192 << 10);
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    if (sk_query_parse(&schema, sk_view_of(q->filter), q->orders, q->order_count, &where, &order,
                       &query, err) < 0)
        return -1;
    sk_buf_fmt(&sql,
               "SELECT e.id FROM experiment e WHERE e.%s AND %s ORDER BY %s%se.created_ms "
               "DESC, e.id",
               stages[view], where.data, order.len ? order.data : "", order.len ? ", " : "");
    if (!sk_buf_ok(&sql))
        return sk_buf_fail(&sql, err);

    const struct sk_runs_page page = {
        .name = "experiments",
        .sql = sql.data,
        .query = query,
        .max = q->max ? q->max : 1000,
        .token = q->page_token,
        .search = { .what = stages[view],
                    .filter = sk_view_of(q->filter),
                    .orders = q->orders,
                    .order_count = q->order_count },
        .write = write_experiment,
    };
    if (sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, err) < 0)
        return -1;
    sk_tx_limit(tx, SK_QUERY_TIME_MS);
    return sk_runs_write_page(tx, &page, out, err);
}
