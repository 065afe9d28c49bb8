/*
 * iotql.h - IoT Hub's query language as SQL with bound values.
 *
 *     SELECT * | TOP n ... | field [AS a], ... | COUNT() AS n, AVG|SUM|MIN|MAX(f) AS a
 *     FROM devices | devices.modules  [WHERE expr]  [GROUP BY field, ...]
 *     expr: = != <> < <= > >=  AND OR NOT  + - * / %  IN [..]  NIN [..]  IS_DEFINED(x)  IS_NULL(x)
 *           IS_BOOL, IS_NUMBER, IS_STRING, IS_OBJECT, STARTSWITH, ENDSWITH, CONTAINS, LENGTH
 *     path: deviceId, moduleId, status, connectionState, lastActivityTime, statusUpdateTime, etag,
 *           version, authenticationType, capabilities.iotEdge, deviceScope, tags.a.b,
 *           properties.desired.x, properties.desired.$version, configurations.[[id]].status,
 *           properties.desired.$metadata.x.$lastUpdated; [[name]] quotes a segment; a[0] indexes
 *           (the whole list is in fields.c; capabilities, properties, ... stand for the object)
 *
 * Words are of any case, names are not. Comparison is between primitives of one type; anything else
 * is undefined, and undefined is not true (also under NOT). A name that no twin has is an error.
 * Nothing of the text reaches the SQL: paths and values are bound. docs/spec/iotql.md has the
 * details.
 *
 * The statement reads the tables of devices (store/schema/0006): identity i, twin t.
 *
 * Errors: SK_INVALID with position and the text, marked; SK_LIMIT. Reference: "IoT Hub query
 * language for device and module twins, jobs, and message routing".
 */
#ifndef SK_IOTQL_IOTQL_H
#define SK_IOTQL_IOTQL_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "db/db.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SK_IOTQL_TEXT_MAX = 16384,
    SK_IOTQL_TERMS_MAX = 500, /* nodes of the expression */
    /* Open at one place: parentheses, functions, NOT, -, and operators before it. With more
     * SQLite's parser has no room. */
    SK_IOTQL_DEPTH_MAX = 32,
    SK_IOTQL_COLUMNS_MAX = 32,  /* of a projection, and of GROUP BY */
    SK_IOTQL_SEGMENTS_MAX = 32, /* names and indexes of a path */
    SK_IOTQL_HARD_MAX = 4       /* of them names with a quote, a backslash or a control character */
};

struct sk_iotql;

/* A whole query. */
int sk_iotql_parse(const char *text, struct sk_iotql **out, struct sk_err *err) SK_CHECK;
/* A target condition: an expression over twins of devices; "*" is every edge device, "" none;
 * "from devices.modules where ..." is of modules. */
int sk_iotql_parse_condition(const char *text, struct sk_iotql **out, struct sk_err *err) SK_CHECK;
void sk_iotql_free(struct sk_iotql *q);
SK_DEFINE_OWN(struct sk_iotql, sk_iotql_free);

bool sk_iotql_is_star(const struct sk_iotql *q);                 /* SELECT *: rows are twins */
bool sk_iotql_is_of_modules(const struct sk_iotql *q);           /* FROM devices.modules */
size_t sk_iotql_columns(const struct sk_iotql *q);               /* of a projection */
const char *sk_iotql_column(const struct sk_iotql *q, size_t i); /* its name in the result */

/* Begins it: rows in the order of their row ids, those above `after` (0: all), at most `max`
 * (projections with aggregates or GROUP BY: all at once, both are ignored). Column 0 is the row id
 * (0 for aggregates); of a projection, column 1 + 2*i is field i's JSON type ('text', 'integer',
 * 'real', 'true', 'false', 'null', 'object', 'array'; NULL when undefined), 2 + 2*i its value: a
 * text, a number, the JSON of an object or array. TOP n counts from the first row, whatever `after`
 * is. identity_only (0: any): restricts to one row id, for "does this device fit"; a lookup by
 * primary key. The query must live as long as the statement. Threads: a query may be run by many at
 * a time. */
int sk_iotql_run(const struct sk_iotql *q, struct sk_tx *tx, int64_t after, unsigned max,
                 int64_t identity_only, struct sk_stmt **out, struct sk_err *err) SK_CHECK;

#endif
