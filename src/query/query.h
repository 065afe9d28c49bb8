/*
 * query.h - MLflow's search language: filters and orders become SQL with bound values.
 *
 *     name ILIKE 'defect%' AND tags.`site.name` = 'hall 3' AND metrics.accuracy > 0.9
 *
 *     filter     := comparison { AND comparison }
 *     comparison := key operator value | key [NOT] IN ( value {, value} ) | key IS [NOT] NULL
 *     key        := [ prefix . ] name      attribute(s), attr, run: a field; else a group's name
 *     name       := letters, digits, _ - . / or anything in ` or "
 *     operator   := = != LIKE ILIKE of texts, = != > >= < <= of numbers; IN of both
 *     value      := 'text' | "text" | number; '' in a text in ' is one ', likewise ""
 *     order      := key [ASC|DESC]
 *
 * Words are of any case. LIKE tells capitals apart, ILIKE does not (ASCII); % is any text, _ any
 * character. Nothing of the text reaches the SQL: names and values are bound.
 *
 * A table says what may be asked; errors (SK_INVALID) have the position, and show it:
 *
 *     filter: expected AND or the end, at 12: name = 'x' >>>OR name = 'y'
 */
#ifndef SK_QUERY_QUERY_H
#define SK_QUERY_QUERY_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "db/db.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a peer may ask for; beyond: SK_LIMIT. */
enum {
    SK_QUERY_FILTER_MAX = 64 << 10, /* bytes of a filter, and of an order */
    SK_QUERY_TERMS_MAX = 64,        /* comparisons */
    SK_QUERY_VALUES_MAX = 2000,     /* bound: keys, values, entries of lists */
    SK_QUERY_ORDERS_MAX = 16,
    SK_QUERY_TIME_MS = 10000,    /* what a search may take, by sk_tx_limit: then SK_TIMEOUT */
    SK_QUERY_PATTERN_MAX = 1000, /* bytes of a LIKE pattern, */
    SK_QUERY_WILDCARDS_MAX = 10  /* and % in it: each more multiplies the time of a match */
};

enum sk_query_kind {
    SK_QUERY_TEXT,
    SK_QUERY_INT, /* whole numbers, also in quotes */
    SK_QUERY_NUM
};

struct sk_query_field {
    const char *name;   /* "name", "creation_timestamp"; several rows may name one column */
    const char *column; /* SQL expression, of the table's own */
    enum sk_query_kind kind;
    bool nullable; /* rows without it come last in both orders (costs the use of an index) */
};

/* Keyed collections: "tags.x". exists is an SQL expression with %k for the bound key and %c for the
 * comparison on the value column: "m.id IN (SELECT t.model FROM model_tag t WHERE t.key = %k AND
 * t.value %c)". A missing key fits no comparison but IS NULL, as in MLflow; absent_key is a key for
 * which != and NOT IN fit what does not have it (NULL: none, "*": every key). order: an SQL
 * expression for ORDER BY with %k, or NULL.
 */
struct sk_query_group {
    const char *const *names; /* {"tag", "tags", NULL} */
    const char *exists;
    const char *order;
    const char *absent_key;
    enum sk_query_kind kind;
};

struct sk_query_schema {
    const struct sk_query_field *fields; /* ended by a NULL name */
    const struct sk_query_group *groups; /* ended by NULL names; may be NULL */
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
/* Whether the filter compares this key of a group. */
bool sk_query_asks(const struct sk_query *q, const char *key);
void sk_query_free(struct sk_query *q);
SK_DEFINE_OWN(struct sk_query, sk_query_free);

/*
 * Page tokens: opaque texts that hold where the next page begins and a sum of the search they
 * belong to (what, filter, orders), so that one of another search is refused (SK_INVALID).
 */
struct sk_query_page {
    const char *what; /* "models" */
    struct sk_view filter;
    const struct sk_view *orders;
    size_t order_count;
};

/* token NULL or "": 0 */
int sk_query_page_read(const struct sk_query_page *page, const char *token, uint64_t *offset,
                       struct sk_err *err) SK_CHECK;
void sk_query_page_write(const struct sk_query_page *page, uint64_t offset, struct sk_buf *out);

#endif
