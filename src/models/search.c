/*
 * search.c - lists of models and versions, in MLflow's language.
 *
 * Two steps: one statement gives the ids of the page in order, reading indexes where it can; then
 * each id is printed by statements that are kept. So sorting never carries descriptions, and the
 * memory of a page is its answer.
 *
 * A page ends at `max` entries, or when its text passes SK_MODELS_PAGE_BYTES; the token says where
 * to go on. Prompts (MLflow keeps them as models) are left out unless the filter asks for them.
 */
#include "models/models_priv.h"

#include "query/query.h"

#include <stdlib.h>

static const char *const tag_names[] = { "tag", "tags", NULL };

static const struct sk_query_field model_fields[] = {
    { "name", "m.name", SK_QUERY_TEXT, false },
    { "creation_timestamp", "m.created_ms", SK_QUERY_INT, false },
    { "last_updated_timestamp", "m.updated_ms", SK_QUERY_INT, false },
    { "timestamp", "m.updated_ms", SK_QUERY_INT, false },
    { "user_id", "m.user", SK_QUERY_TEXT, false },
    { NULL, NULL, SK_QUERY_TEXT, false },
};
static const struct sk_query_group model_groups[] = {
    { tag_names, "m.id IN (SELECT t.model FROM model_tag t WHERE t.key = %k AND t.value %c)",
      "(SELECT t.value FROM model_tag t WHERE t.model = m.id AND t.key = %k)", SK_MODEL_PROMPT_TAG,
      SK_QUERY_TEXT },
    { NULL, NULL, NULL, NULL, SK_QUERY_TEXT },
};

static const struct sk_query_field version_fields[] = {
    { "name", "m.name", SK_QUERY_TEXT, false },
    { "version_number", "m.version", SK_QUERY_INT, false },
    { "version", "m.version", SK_QUERY_INT, false },
    { "run_id", "m.run_id", SK_QUERY_TEXT, false },
    { "source_path", "m.source", SK_QUERY_TEXT, true },
    { "creation_timestamp", "m.created_ms", SK_QUERY_INT, false },
    { "last_updated_timestamp", "m.updated_ms", SK_QUERY_INT, false },
    { "current_stage", "m.stage", SK_QUERY_TEXT, false },
    { "user_id", "m.user", SK_QUERY_TEXT, false },
    { "digest", "m.digest", SK_QUERY_TEXT, true },
    { NULL, NULL, SK_QUERY_TEXT, false },
};
static const struct sk_query_group version_groups[] = {
    { tag_names,
      "m.id IN (SELECT t.version FROM model_version_tag t WHERE t.key = %k AND t.value %c)",
      "(SELECT t.value FROM model_version_tag t WHERE t.version = m.id AND t.key = %k)",
      SK_MODEL_PROMPT_TAG, SK_QUERY_TEXT },
    { NULL, NULL, NULL, NULL, SK_QUERY_TEXT },
};

/* One of the two lists. */
struct list {
    const char *what, *key, *from;
    const char *order;   /* when none is asked for */
    const char *then;    /* behind what is asked for */
    const char *prompts; /* what leaves them out */
    struct sk_query_schema schema;
    unsigned max;
    int (*print)(struct sk_tx *tx, int64_t id, struct sk_buf *out, struct sk_err *err);
};

static int print_version(struct sk_tx *tx, int64_t id, struct sk_buf *out, struct sk_err *err)
{
    return sk_version_print(tx, id, false, out, err);
}

static const struct list models = {
    .what = "models",
    .key = "registered_models",
    .from = "model m",
    .order = "m.name",
    .then = ", m.name",
    .prompts = "m.id NOT IN (SELECT t.model FROM model_tag t "
               "WHERE t.key = '" SK_MODEL_PROMPT_TAG "' AND t.value = 'true')",
    .schema = { model_fields, model_groups },
    .max = SK_MODELS_PAGE_MAX,
    .print = sk_model_print,
};

static const struct list versions = {
    .what = "versions",
    .key = "model_versions",
    .from = "model_version m",
    .order = "m.updated_ms DESC, m.name, m.version DESC",
    .then = ", m.name, m.version DESC",
    .prompts = "m.model NOT IN (SELECT t.model FROM model_tag t "
               "WHERE t.key = '" SK_MODEL_PROMPT_TAG "' AND t.value = 'true')",
    .schema = { version_fields, version_groups },
    .max = SK_VERSIONS_PAGE_MAX,
    .print = print_version,
};

static int prepare(struct sk_tx *tx, const struct list *l, const struct sk_search *q,
                   uint64_t offset, struct sk_query **values, struct sk_stmt **out,
                   struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf sql = SK_BUF_INIT(2u << 20);
    SK_AUTO(sk_buf_done) struct sk_buf where = SK_BUF_INIT(1u << 20);
    SK_AUTO(sk_buf_done) struct sk_buf order = SK_BUF_INIT(1u << 16);
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int next = 1;

    if (sk_query_parse(&l->schema, sk_view_of(q->filter), q->orders, q->order_count, &where, &order,
                       values, err) < 0)
        return -1;
    sk_buf_fmt(&sql, "SELECT m.id FROM %s WHERE ", l->from);
    sk_buf_add(&sql, where.data, where.len);
    if (!sk_query_asks(*values, SK_MODEL_PROMPT_TAG))
        sk_buf_fmt(&sql, " AND %s", l->prompts);
    sk_buf_fmt(&sql, " ORDER BY %s%s", order.len ? order.data : l->order, order.len ? l->then : "");
    /* LIMIT and OFFSET are ours, and numbers. */
    sk_buf_fmt(&sql, " LIMIT %llu OFFSET %llu", (unsigned long long)q->max + 1,
               (unsigned long long)offset);
    if (!sk_buf_ok(&sql))
        return sk_buf_fail(&sql, err);
    if (sk_tx_prepare(tx, sql.data, sql.len, &s, err) < 0 ||
        sk_query_bind(*values, s, &next, err) < 0)
        return -1;
    *out = SK_TAKE(s);
    return 0;
}

/* *given: how many were printed; *more: whether there is another page. */
static int print_page(struct sk_tx *tx, const struct list *l, struct sk_stmt *ids, unsigned max,
                      struct sk_buf *out, uint64_t *given, bool *more, struct sk_err *err)
{
    size_t start = out->len;
    int rc;

    *given = 0;
    sk_buf_fmt(out, "{\"%s\":[", l->key);
    while ((rc = sk_stmt_next(ids, err)) == 1) {
        if (*given == max || (*given > 0 && out->len - start > SK_MODELS_PAGE_BYTES))
            break;
        sk_buf_str(out, *given ? "," : "");
        if (l->print(tx, sk_stmt_int(ids, 0), out, err) < 0)
            return -1;
        (*given)++;
    }
    *more = rc == 1;
    sk_buf_chr(out, ']');
    return rc < 0 ? -1 : 0;
}

static int search(struct sk_store *s, const struct list *l, const struct sk_search *q,
                  struct sk_buf *out, struct sk_err *err)
{
    struct sk_query_page page = { l->what, sk_view_of(q->filter), q->orders, q->order_count };
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_query_free) struct sk_query *values = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *ids = NULL;
    uint64_t offset = 0, given = 0;
    bool more = false;

    if (q->max < 1 || q->max > l->max)
        return sk_fail(err, SK_INVALID,
                       "Invalid value for request parameter max_results. It must be at least 1 and "
                       "at most %u, but got value %u",
                       l->max, q->max);
    if (sk_query_page_read(&page, q->page_token, &offset, err) < 0 ||
        sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, err) < 0)
        return -1;
    sk_tx_limit(tx, SK_QUERY_TIME_MS);
    if (prepare(tx, l, q, offset, &values, &ids, err) < 0 ||
        print_page(tx, l, ids, q->max, out, &given, &more, err) < 0)
        return -1;
    if (more) {
        sk_buf_str(out, ",\"next_page_token\":\"");
        sk_query_page_write(&page, offset + given, out);
        sk_buf_chr(out, '"');
    }
    sk_buf_chr(out, '}');
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

int sk_models_search(struct sk_store *s, const struct sk_search *q, struct sk_buf *out,
                     struct sk_err *err)
{
    return search(s, &models, q, out, err);
}

int sk_versions_search(struct sk_store *s, const struct sk_search *q, struct sk_buf *out,
                       struct sk_err *err)
{
    return search(s, &versions, q, out, err);
}
