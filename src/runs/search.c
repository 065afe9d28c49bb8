/*
 * search.c - which runs, in MLflow's language.
 *
 * Metrics compare by the newest value of a run; a NaN compares with nothing. A run without the
 * metric, parameter or tag does not match, except for IS NULL, and comes last in an order.
 */
#include "runs/runs_priv.h"

#include <string.h>

enum {
    TEXT_MAX = 64 << 10,
    SQL_MAX = 192 << 10,
    DEFAULT_MAX = 1000
};

#define ARTIFACTS "'mlflow-artifacts:/' || r.experiment || '/' || r.id || '/artifacts'"

/* clang-format off */
static const struct sk_query_field fields[] = {
    { "run_id", "r.id", SK_QUERY_TEXT, false },
    { "run_name", "r.name", SK_QUERY_TEXT, false },
    { "run name", "r.name", SK_QUERY_TEXT, false },
    { "Run name", "r.name", SK_QUERY_TEXT, false },
    { "Run Name", "r.name", SK_QUERY_TEXT, false },
    { "user_id", "r.user_id", SK_QUERY_TEXT, false },
    { "status", "r.status", SK_QUERY_TEXT, false },
    { "artifact_uri", ARTIFACTS, SK_QUERY_TEXT, false },
    { "start_time", "r.start_ms", SK_QUERY_INT, false },
    { "created", "r.start_ms", SK_QUERY_INT, false },
    { "Created", "r.start_ms", SK_QUERY_INT, false },
    { "end_time", "r.end_ms", SK_QUERY_INT, true },
    { .name = NULL },
};

static const struct sk_query_group groups[] = {
    { .names = (const char *const[]){ "tag", "tags", NULL },
      .exists = "EXISTS(SELECT 1 FROM run_tag t WHERE t.run = r.n AND t.key = %k AND t.value %c)",
      .order = "(SELECT t.value FROM run_tag t WHERE t.run = r.n AND t.key = %k)",
      .kind = SK_QUERY_TEXT },
    { .names = (const char *const[]){ "param", "params", "parameter", "parameters", NULL },
      .exists = "EXISTS(SELECT 1 FROM run_param p WHERE p.run = r.n AND p.key = %k AND p.value %c)",
      .order = "(SELECT p.value FROM run_param p WHERE p.run = r.n AND p.key = %k)",
      .kind = SK_QUERY_TEXT },
    { .names = (const char *const[]){ "metric", "metrics", NULL },
      .exists = "EXISTS(SELECT 1 FROM run_metric m WHERE m.run = r.n AND m.key = %k AND m.value %c)",
      .order = "(SELECT m.value FROM run_metric m WHERE m.run = r.n AND m.key = %k)",
      .kind = SK_QUERY_NUM },
    { .names = (const char *const[]){ "dataset", "datasets", NULL },
      .exists = "EXISTS(SELECT 1 FROM run_dataset d WHERE d.run = r.n AND "
                "CASE %k WHEN 'name' THEN d.name WHEN 'digest' THEN d.digest WHEN 'context' THEN d.context END %c)",
      .kind = SK_QUERY_TEXT },
    { .names = NULL },
};

/* clang-format on */

static const char *const stages[] = {
    [SK_VIEW_ACTIVE] = "= 0",
    [SK_VIEW_DELETED] = "= 1",
    [SK_VIEW_ALL] = "IN (0, 1)",
};

int sk_runs_search(struct sk_store *s, const char *const *experiment_ids, size_t id_count,
                   const struct sk_search *q, enum sk_view_type view, struct sk_buf *out,
                   struct sk_err *err)
{
    static const struct sk_query_schema schema = { fields, groups };
    SK_OWN(sk_query_free) struct sk_query *query = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf ids = SK_BUF_INIT(TEXT_MAX);
    SK_AUTO(sk_buf_done) struct sk_buf where = SK_BUF_INIT(TEXT_MAX);
    SK_AUTO(sk_buf_done) struct sk_buf order = SK_BUF_INIT(TEXT_MAX);
    SK_AUTO(sk_buf_done) struct sk_buf sql = SK_BUF_INIT(SQL_MAX);
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    if (sk_runs_experiment_list(experiment_ids, id_count, &ids, err) < 0 ||
        sk_query_parse(&schema, sk_view_of(q->filter), q->orders, q->order_count, &where, &order,
                       &query, err) < 0)
        return -1;
    sk_buf_fmt(&sql, "SELECT r.n FROM run r WHERE r.experiment IN (%s) AND r.deleted %s AND %s",
               ids.len ? ids.data : "", stages[view], where.data);
    sk_buf_fmt(&sql, " ORDER BY %s%sr.start_ms DESC, r.id", order.len ? order.data : "",
               order.len ? ", " : "");
    if (!sk_buf_ok(&sql))
        return sk_buf_fail(&sql, err);

    sk_buf_str(&ids, stages[view]);
    if (!sk_buf_ok(&ids))
        return sk_buf_fail(&ids, err);

    const struct sk_runs_page page = {
        .name = "runs",
        .sql = sql.data,
        .query = query,
        .max = q->max ? q->max : DEFAULT_MAX,
        .token = q->page_token,
        .search = { .what = ids.data,
                    .filter = sk_view_of(q->filter),
                    .orders = q->orders,
                    .order_count = q->order_count },
        .write = sk_runs_write_run,
    };
    if (sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, err) < 0)
        return -1;
    sk_tx_limit(tx, SK_QUERY_TIME_MS);
    return sk_runs_write_page(tx, &page, out, err);
}
