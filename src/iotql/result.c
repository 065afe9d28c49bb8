/*
 * result.c - the columns of a projection, and GROUP BY.
 *
 * Each column is two of SQL: the JSON type (NULL: undefined) and the value. Aggregates count only
 * what is of their class: numbers, for MIN and MAX of a field that is a text texts.
 */
#include "iotql/iotql_priv.h"

/* "CASE WHEN x IS NOT NULL THEN 'type' END, x" */
static int emit_value(struct sk_iotql *q, struct node *n, enum class want, const char *type,
                      struct sk_buf *out, struct sk_err *err)
{
    sk_buf_str(out, ", CASE WHEN ");
    if (sk_iotql_emit(q, n, want, out, err) < 0)
        return -1;
    sk_buf_fmt(out, " IS NOT NULL THEN '%s' END, ", type);
    return sk_iotql_emit(q, n, want, out, err);
}

static int emit_field(struct sk_iotql *q, struct node *n, struct sk_buf *out, struct sk_err *err)
{
    switch (sk_iotql_class_of(q, n)) {
    case C_ANY:
        sk_buf_str(out, ", ");
        if (sk_iotql_emit_json(q, n, "json_type", out, err) < 0)
            return -1;
        sk_buf_str(out, ", ");
        return sk_iotql_emit_json(q, n, "json_extract", out, err);
    case C_BOOL:
        sk_buf_str(out, ", CASE ");
        if (sk_iotql_emit(q, n, C_BOOL, out, err) < 0)
            return -1;
        sk_buf_str(out, " WHEN 0 THEN 'false' ELSE 'true' END, ");
        return sk_iotql_emit(q, n, C_BOOL, out, err);
    case C_NUMBER:
        return emit_value(q, n, C_NUMBER, "integer", out, err);
    case C_TEXT:
    case C_TIME:
        return emit_value(q, n, C_TEXT, "text", out, err);
    case C_OBJECT:
        return emit_value(q, n, C_OBJECT, "object", out, err);
    default:
        sk_buf_str(out, ", NULL, NULL");
        return 0;
    }
}

/* %x is the value. SUM and AVG are of doubles: a sum of integers that is too large is an error in
 * SQLite. */
static int emit_aggregate(struct sk_iotql *q, const struct column *c, struct sk_buf *out,
                          struct sk_err *err)
{
    static const char *const forms[] = {
        [A_COUNT] = ", 'integer', count(*)",
        [A_AVG] = ", CASE WHEN count(%x) > 0 THEN 'real' END, avg(%x)",
        [A_SUM] = ", CASE WHEN count(%x) > 0 THEN 'real' END, "
                  "CASE WHEN count(%x) > 0 THEN total(%x) END",
        [A_MIN] = ", NULLIF(typeof(min(%x)), 'null'), min(%x)",
        [A_MAX] = ", NULLIF(typeof(max(%x)), 'null'), max(%x)",
    };
    enum class class = c->node ? sk_iotql_class_of(q, c->node) : C_ANY, want = C_NUMBER;

    if ((class == C_TEXT || class == C_TIME) && (c->aggregate == A_MIN || c->aggregate == A_MAX))
        want = C_TEXT;
    for (const char *f = forms[c->aggregate]; *f; f++) {
        if (*f != '%') {
            sk_buf_chr(out, *f);
            continue;
        }
        f++;
        if (sk_iotql_emit(q, c->node, want, out, err) < 0)
            return -1;
    }
    return 0;
}

/* 1 and 1.0 are one group; the type that is shown is that of the row whose value is. */
static int emit_group(struct sk_iotql *q, struct node *n, struct sk_buf *out, struct sk_err *err)
{
    enum class class = sk_iotql_class_of(q, n);

    if (class != C_ANY)
        return sk_iotql_emit(q, n, class == C_TIME ? C_TEXT : class, out, err);
    sk_buf_str(out, "CASE ");
    if (sk_iotql_emit_json(q, n, "json_type", out, err) < 0)
        return -1;
    sk_buf_str(out, " WHEN 'real' THEN 'integer' ELSE ");
    if (sk_iotql_emit_json(q, n, "json_type", out, err) < 0)
        return -1;
    sk_buf_str(out, " END, ");
    return sk_iotql_emit_json(q, n, "json_extract", out, err);
}

int sk_iotql_emit_result(struct sk_iotql *q, struct sk_err *err)
{
    for (size_t i = 0; i < q->column_count; i++) {
        const struct column *c = &q->columns[i];

        if ((c->aggregate == A_NONE ? emit_field(q, c->node, &q->sql_columns, err)
                                    : emit_aggregate(q, c, &q->sql_columns, err)) < 0)
            return -1;
    }
    for (size_t i = 0; i < q->group_count; i++) {
        sk_buf_str(&q->sql_groups, i ? ", " : " GROUP BY ");
        if (emit_group(q, q->groups[i], &q->sql_groups, err) < 0)
            return -1;
    }
    return 0;
}
