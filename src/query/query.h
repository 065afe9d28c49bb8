/*
 * query.h - MLflow's search language: filters and orders become SQL with bound values.
 *
 *     name ILIKE 'defect%' AND tags.`site.name` = 'hall 3' AND metrics.accuracy > 0.9
 *
 * Grammar: comparisons joined by AND; key, operator (= != > >= < <= LIKE ILIKE IN NOT IN, IS NULL,
 * IS NOT NULL), value ('text', "text", number, list). A key is an attribute, or
 * tag(s)/param(s)/metric(s)/attribute(s)/dataset with a dot and a name, which may stand in ` or ".
 * Nothing of the text reaches the SQL: names and values are bound.
 *
 * A table says what may be asked; errors (SK_INVALID) have the position and a caret line.
 */
#ifndef SK_QUERY_QUERY_H
#define SK_QUERY_QUERY_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "db/db.h"

#include <stdbool.h>
#include <stddef.h>

enum sk_query_kind {
    SK_QUERY_TEXT,
    SK_QUERY_INT,
    SK_QUERY_NUM
};

struct sk_query_field {
    const char *name;   /* "name", "creation_timestamp"; several rows may name one column */
    const char *column; /* SQL expression, of the table's own */
    enum sk_query_kind kind;
};

/* Keyed collections: "tags.x". exists is an SQL expression with %k for the bound key and %c for the
 * comparison on the value column: "EXISTS(SELECT 1 FROM model_tag t WHERE t.model = m.id AND t.key
 * = %k AND t.value %c)". absent_matches: != (and NOT IN, IS NULL) also match where the key is
 * missing, as MLflow does for model tags. order: an SQL expression for ORDER BY with %k, or NULL.
 */
struct sk_query_group {
    const char *const *names; /* {"tag", "tags", NULL} */
    const char *exists;
    const char *order;
    enum sk_query_kind kind;
    bool absent_matches;
};

struct sk_query_schema {
    const struct sk_query_field *fields; /* ended by a NULL name */
    const struct sk_query_group *groups; /* ended by NULL names */
};

struct sk_query; /* values that are bound */

/* filter and orders may be NULL or empty. Writes "(...)" or "1" to where, and "a ASC, b DESC" (or
 * "") to order. */
int sk_query_parse(const struct sk_query_schema *schema, struct sk_view filter,
                   const struct sk_view *orders, size_t order_count, struct sk_buf *where,
                   struct sk_buf *order, struct sk_query **out, struct sk_err *err) SK_CHECK;
/* Values are numbered ?1... in the text; binds them. Further values of the caller begin at *next.
 */
int sk_query_bind(const struct sk_query *q, struct sk_stmt *s, int *next,
                  struct sk_err *err) SK_CHECK;
void sk_query_free(struct sk_query *q);
SK_DEFINE_OWN(struct sk_query, sk_query_free);

#endif
