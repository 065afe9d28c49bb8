/*
 * fuzz_query.c - filters and orders: whatever is accepted is SQL that runs, and binds what it
 * numbers.
 *
 * The first line is the filter, the others are orders. The database is empty and stays so.
 */
#include "query/query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const migrations[] = {
    "CREATE TABLE m(id INTEGER PRIMARY KEY, name TEXT, at INTEGER, score REAL);"
    "CREATE TABLE tag(m INTEGER, key TEXT, value);",
    NULL,
};

static const char *const tag_names[] = { "tag", "tags", NULL };
static const char *const metric_names[] = { "metric", "metrics", NULL };

static const struct sk_query_field fields[] = {
    { "name", "m.name", SK_QUERY_TEXT, false },
    { "at", "m.at", SK_QUERY_INT, true },
    { "score", "m.score", SK_QUERY_NUM, false },
    { NULL, NULL, SK_QUERY_TEXT, false },
};
static const struct sk_query_group groups[] = {
    { tag_names, "m.id IN (SELECT m FROM tag WHERE key = %k AND value %c)",
      "(SELECT value FROM tag WHERE m = m.id AND key = %k)", "*", SK_QUERY_TEXT },
    { metric_names, "EXISTS(SELECT 1 FROM tag t WHERE t.m = m.id AND t.key = %k AND t.value %c)",
      NULL, NULL, SK_QUERY_NUM },
    { NULL, NULL, NULL, NULL, SK_QUERY_TEXT },
};
static const struct sk_query_schema schema = { fields, groups };

static char folder[] = "/tmp/fuzz-query-XXXXXX";
static struct sk_db *db;

static void clean_up(void)
{
    static const char *const ends[] = { "/db", "/db-wal", "/db-shm", "" };
    char name[64];

    sk_db_close(db);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        (void)snprintf(name, sizeof(name), "%s%s", folder, ends[i]);
        (void)remove(name);
    }
}

static struct sk_db *database(void)
{
    char name[64];
    struct sk_err err = SK_ERR_INIT;

    if (db)
        return db;
    if (!mkdtemp(folder))
        abort();
    (void)snprintf(name, sizeof(name), "%s/db", folder);
    if (sk_db_open(&(struct sk_db_options){ .path = name,
                                            .application_id = 1,
                                            .what = "fuzz",
                                            .migrations = migrations,
                                            .create = true },
                   &db, &err) < 0 ||
        atexit(clean_up) != 0)
        abort();
    return db;
}

static size_t split(const uint8_t *data, size_t size, struct sk_view *lines, size_t max)
{
    const char *p = (const char *)data;
    size_t count = 0;

    while (count < max) {
        const char *end = size ? memchr(p, '\n', size) : NULL;
        size_t len = end ? (size_t)(end - p) : size;

        lines[count++] = (struct sk_view){ p, len };
        if (!end)
            break;
        p += len + 1;
        size -= len + 1;
    }
    return count;
}

static void run(const struct sk_buf *where, const struct sk_buf *order, const struct sk_query *q)
{
    SK_AUTO(sk_buf_done) struct sk_buf sql = SK_BUF_INIT(2u << 20);
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    struct sk_err err = SK_ERR_INIT;
    int next = 0;

    sk_buf_fmt(&sql, "SELECT m.id FROM m WHERE %s ORDER BY %s", where->data,
               order->len ? order->data : "1");
    if (!sk_buf_ok(&sql) || sk_db_begin(database(), SK_DB_READ, &tx, &err) < 0 ||
        sk_tx_prepare(tx, sql.data, sql.len, &s, &err) < 0 ||
        sk_query_bind(q, s, &next, &err) < 0 || sk_stmt_next(s, &err) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_AUTO(sk_buf_done) struct sk_buf where = SK_BUF_INIT(1u << 20);
    SK_AUTO(sk_buf_done) struct sk_buf order = SK_BUF_INIT(1u << 20);
    SK_OWN(sk_query_free) struct sk_query *q = NULL;
    struct sk_view lines[SK_QUERY_ORDERS_MAX + 2];
    struct sk_err err = SK_ERR_INIT;
    size_t count = split(data, size, lines, SK_QUERY_ORDERS_MAX + 2);

    if (sk_query_parse(&schema, lines[0], lines + 1, count - 1, &where, &order, &q, &err) < 0) {
        if (err.text[0] == 0 || where.len || order.len)
            abort();
        return 0;
    }
    run(&where, &order, q);
    return 0;
}
