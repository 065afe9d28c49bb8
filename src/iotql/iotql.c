/*
 * iotql.c - a query from its text to its rows.
 *
 * The text becomes a tree and the tree pieces of SQL once; a run puts them together:
 *
 *     SELECT i.id, columns FROM identity i CROSS JOIN twin t ON t.identity = i.id
 *      WHERE i.module = '' AND (where) AND i.id > ?1 [AND i.id = ?3] ORDER BY i.id LIMIT ?2
 *
 * CROSS JOIN keeps the order of the tables: identities in the order of their row ids, and beside
 * each its twin, whose rows are in the same order, so that both tables are read once from begin to
 * end. A query that asks for nothing of the twin leaves it out.
 */
#include "iotql/iotql_priv.h"

#include <stdlib.h>

typedef int parser(struct sk_iotql *q, const char *text, struct sk_err *err);

static int emit(struct sk_iotql *q, struct sk_err *err)
{
    const struct sk_buf *all[] = { &q->sql_columns, &q->sql_where, &q->sql_groups };

    if (sk_iotql_emit_result(q, err) < 0 ||
        (q->where && sk_iotql_emit(q, q->where, C_BOOL, &q->sql_where, err) < 0))
        return -1;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (!sk_buf_ok(all[i]))
            return sk_buf_fail(all[i], err);
    return 0;
}

static int make(parser *parse, const char *text, struct sk_iotql **out, struct sk_err *err)
{
    SK_OWN(sk_iotql_free) struct sk_iotql *q = calloc(1, sizeof(*q));

    if (!q)
        return sk_nomem(err);
    q->arena = (struct sk_arena)SK_ARENA_INIT(SK_IOTQL_ARENA_MAX);
    q->sql_columns = (struct sk_buf)SK_BUF_INIT(SK_IOTQL_SQL_MAX);
    q->sql_where = (struct sk_buf)SK_BUF_INIT(SK_IOTQL_SQL_MAX);
    q->sql_groups = (struct sk_buf)SK_BUF_INIT(SK_IOTQL_SQL_MAX);
    if (parse(q, text, err) < 0 || emit(q, err) < 0)
        return -1;
    *out = SK_TAKE(q);
    return 0;
}

int sk_iotql_parse(const char *text, struct sk_iotql **out, struct sk_err *err)
{
    return make(sk_iotql_parse_query, text, out, err);
}

int sk_iotql_parse_condition(const char *text, struct sk_iotql **out, struct sk_err *err)
{
    return make(sk_iotql_parse_target, text, out, err);
}

void sk_iotql_free(struct sk_iotql *q)
{
    if (!q)
        return;
    sk_arena_done(&q->arena);
    sk_buf_done(&q->sql_columns);
    sk_buf_done(&q->sql_where);
    sk_buf_done(&q->sql_groups);
    free(q->values);
    free(q);
}

bool sk_iotql_is_star(const struct sk_iotql *q)
{
    return q->is_star;
}

bool sk_iotql_is_of_modules(const struct sk_iotql *q)
{
    return q->is_of_modules;
}

size_t sk_iotql_columns(const struct sk_iotql *q)
{
    return q->column_count;
}

const char *sk_iotql_column(const struct sk_iotql *q, size_t i)
{
    return i < q->column_count ? q->columns[i].name : "";
}

static const char *sql_of(const struct sk_buf *b)
{
    return b->len ? b->data : "";
}

/* Everything up to and with WHERE; rows of aggregates have no id. */
static void write_select(const struct sk_iotql *q, struct sk_buf *sql)
{
    sk_buf_fmt(sql, "SELECT %s%s FROM identity i%s WHERE i.module %s ''",
               q->is_aggregate ? "0" : "i.id AS id", sql_of(&q->sql_columns),
               q->uses_twin ? " CROSS JOIN twin t ON t.identity = i.id" : "",
               q->is_of_modules ? "<>" : "=");
    if (q->where)
        sk_buf_fmt(sql, " AND (%s)", sql_of(&q->sql_where));
}

static void write_sql(const struct sk_iotql *q, bool is_of_one, struct sk_buf *sql)
{
    if (q->is_aggregate) {
        write_select(q, sql);
        sk_buf_str(sql, is_of_one ? " AND i.id = ?3" : "");
        sk_buf_str(sql, sql_of(&q->sql_groups));
        sk_buf_str(sql, " LIMIT ?2");
        return;
    }
    if (q->top == 0) {
        write_select(q, sql);
        sk_buf_fmt(sql, " AND i.id > ?1%s ORDER BY i.id LIMIT ?2",
                   is_of_one ? " AND i.id = ?3" : "");
        return;
    }
    sk_buf_str(sql, "SELECT * FROM (");
    write_select(q, sql);
    sk_buf_fmt(sql, " ORDER BY i.id LIMIT ?4) WHERE id > ?1%s ORDER BY id LIMIT ?2",
               is_of_one ? " AND id = ?3" : "");
}

static int bind_values(const struct sk_iotql *q, struct sk_stmt *s, struct sk_err *err)
{
    for (size_t i = 0; i < q->value_count; i++) {
        const struct literal *v = &q->values[i];
        int at = SK_IOTQL_FIRST_VALUE + (int)i, rc;

        if (v->class == C_TEXT)
            rc = sk_stmt_bind_text(s, at, v->text, err);
        else if (v->is_whole)
            rc = sk_stmt_bind_int(s, at, v->whole, err);
        else
            rc = sk_stmt_bind_num(s, at, v->num, err);
        if (rc < 0)
            return -1;
    }
    return 0;
}

int sk_iotql_run(const struct sk_iotql *q, struct sk_tx *tx, int64_t after, unsigned max,
                 int64_t identity_only, struct sk_stmt **out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf sql = SK_BUF_INIT(SK_IOTQL_SQL_MAX);
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    bool is_of_one = identity_only != 0;
    int64_t limit = max;

    if (q->is_aggregate)
        limit = q->top ? q->top : -1;
    write_sql(q, is_of_one, &sql);
    if (!sk_buf_ok(&sql))
        return sk_buf_fail(&sql, err);
    if (sk_tx_prepare(tx, sql.data, sql.len, &s, err) < 0 ||
        sk_stmt_bind_int(s, 1, after, err) < 0 || sk_stmt_bind_int(s, 2, limit, err) < 0 ||
        (is_of_one && sk_stmt_bind_int(s, 3, identity_only, err) < 0) ||
        (q->top && !q->is_aggregate && sk_stmt_bind_int(s, 4, q->top, err) < 0) ||
        bind_values(q, s, err) < 0)
        return -1;
    *out = SK_TAKE(s);
    return 0;
}
