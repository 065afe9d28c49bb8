/*
 * iotql_priv.h - the parts of a query: letters (scan.c), names (fields.c), a tree (expr.c,
 * parse.c), SQL (emit.c, document.c, result.c).
 */
#ifndef SK_IOTQL_IOTQL_PRIV_H
#define SK_IOTQL_IOTQL_PRIV_H

#include "base/scan.h"
#include "iotql/iotql.h"

enum {
    SK_IOTQL_SQL_MAX = 900000,    /* bytes of a statement; SQLite takes a million */
    SK_IOTQL_ARENA_MAX = 4 << 20, /* a tree of the most nodes needs a tenth */
    SK_IOTQL_INDEX_DIGITS = 6,    /* of a[0] */
    SK_IOTQL_INTEGER_DIGITS = 18, /* of a literal; with more it is a double */
    SK_IOTQL_FIRST_VALUE = 5,     /* ?1 to ?4 are those of the run */
};

/* ---- letters ---- */

struct segment {
    struct sk_view name; /* of a[0]: the digits */
    bool is_index;
};

struct path {
    struct segment *segments; /* at least one */
    size_t count;
    size_t at; /* where it begins */
};

/* Length, UTF-8; copies the text into the arena. */
int sk_iotql_scan_begin(struct sk_scan *s, const char *what, const char *text,
                        struct sk_arena *arena, struct sk_err *err) SK_CHECK;
/* Letters, digits, _ $ and what is not ASCII; empty: there is none. */
struct sk_view sk_iotql_scan_name(struct sk_scan *s);
/* Whether a text in quotes, or a number without sign, is next. */
bool sk_iotql_scan_is_text(struct sk_scan *s);
bool sk_iotql_scan_is_number(struct sk_scan *s);
int sk_iotql_scan_number(struct sk_scan *s, bool *is_whole, int64_t *whole, double *num,
                         struct sk_err *err) SK_CHECK;
int sk_iotql_scan_path(struct sk_scan *s, struct path *out, struct sk_err *err) SK_CHECK;

/* ---- names ---- */

/* What a value is, as far as it is known before a row is read. */
enum class {
    C_UNDEFINED,
    C_NULL,
    C_BOOL,
    C_NUMBER,
    C_TEXT,
    C_TIME,   /* a text whose column is a number */
    C_OBJECT, /* a whole one: capabilities, properties.desired */
    C_ARRAY,  /* no field is known to be one */
    C_ANY     /* of a document */
};

enum {
    SK_IOTQL_IS_DEFINED = ~0u >> 1 /* every class: of IS_DEFINED */
};

enum form {
    F_PLAIN,  /* sql is the value */
    F_BASE64, /* sql is a number whose 8 bytes are written in base64 */
    F_MODULE  /* sql is the value for modules; devices have none */
};

struct field {
    const char *name; /* "capabilities.iotEdge" */
    enum class class; /* C_ANY: sql is a document, what follows the name is a path in it */
    const char *sql;
    enum form form;
    bool is_of_twin; /* table t, else i */
};

/* The row that a path begins with; *used: how many segments are its name. NULL: none. */
const struct field *sk_iotql_field_find(const struct path *p, size_t *used);

/* ---- the tree ---- */

enum kind {
    K_LITERAL,
    K_PATH,
    K_NOT,
    K_MINUS,
    K_OR,
    K_AND,
    K_COMPARE,
    K_ARITHMETIC,
    K_IN,
    K_IS,    /* IS_DEFINED(left) and the like */
    K_MATCH, /* STARTSWITH(left, right) and the like */
    K_LENGTH
};

enum {
    MATCH_START,
    MATCH_END,
    MATCH_WITHIN
};

/* A name of a document's member for which JSON paths of SQLite have no way of writing: with " or \.
 * prefix is the path from the one before. */
struct hard_name {
    size_t prefix, name; /* numbers of values */
};

struct literal {
    enum class class;
    struct sk_view text;
    bool is_whole;
    int64_t whole; /* also of C_BOOL */
    double num;
    struct literal *next; /* of a list */
};

struct node {
    enum kind kind;
    const char *op; /* SQL's sign of K_COMPARE and K_ARITHMETIC, "NOT " of NIN; NULL of IN */
    unsigned which; /* K_IS: classes that it is true of; K_MATCH */
    struct node *left, *right;
    struct literal literal; /* and the first of a list */

    struct path path; /* K_PATH */
    const struct field *field;
    size_t used; /* segments that the field's name has */
    /* Number of the value that is the literal, or the JSON path behind the hard names; 0: not yet
     * bound. */
    size_t bound;
    bool ends_hard; /* nothing is behind the last hard name */
    struct hard_name hard[SK_IOTQL_HARD_MAX];
    size_t hard_count;
};

enum aggregate {
    A_NONE,
    A_COUNT,
    A_AVG,
    A_SUM,
    A_MIN,
    A_MAX
};

struct column {
    enum aggregate aggregate;
    struct node *node; /* NULL of A_COUNT */
    const char *name;
    size_t at;
};

struct sk_iotql {
    struct sk_arena arena;
    bool is_star, is_of_modules, is_aggregate, uses_twin;
    int64_t top; /* 0: all */
    struct column columns[SK_IOTQL_COLUMNS_MAX];
    size_t column_count;
    struct node *groups[SK_IOTQL_COLUMNS_MAX];
    size_t group_count;
    struct node *where; /* NULL: all */

    struct literal *values; /* value k is bound to ?(SK_IOTQL_FIRST_VALUE + k) */
    size_t value_count;
    size_t alphabet; /* number of base64's letters, 0: not needed yet */
    struct sk_buf sql_columns, sql_where, sql_groups;
};

struct parse {
    struct sk_iotql *q;
    struct sk_scan scan;
    unsigned depth, terms;
};

/* expr.c */
int sk_iotql_parse_or(struct parse *p, struct node **out, struct sk_err *err) SK_CHECK;
int sk_iotql_parse_path(struct parse *p, struct node **out, struct sk_err *err) SK_CHECK;
/* The sign must be next; what: for the error. */
int sk_iotql_expect(struct parse *p, const char *sign, const char *what,
                    struct sk_err *err) SK_CHECK;
/* parse.c: texts into q's tree. */
int sk_iotql_parse_query(struct sk_iotql *q, const char *text, struct sk_err *err) SK_CHECK;
int sk_iotql_parse_target(struct sk_iotql *q, const char *text, struct sk_err *err) SK_CHECK;

/* ---- SQL ---- */

enum class sk_iotql_class_of(const struct sk_iotql *q, const struct node *n);
/* The node's value where it is of this class, else NULL. SQL of C_TIME is a number. */
int sk_iotql_emit(struct sk_iotql *q, struct node *n, enum class want, struct sk_buf *out,
                  struct sk_err *err) SK_CHECK;
/* A value to be bound. Each must be in the SQL: SQLite binds no others. */
int sk_iotql_add_value(struct sk_iotql *q, const struct literal *v, size_t *number,
                       struct sk_err *err) SK_CHECK;
/* document.c. Of a path to a document: "json_type" or "json_extract" of it. */
int sk_iotql_emit_json(struct sk_iotql *q, struct node *n, const char *function, struct sk_buf *out,
                       struct sk_err *err) SK_CHECK;
/* result.c: sql_columns and sql_groups. */
int sk_iotql_emit_result(struct sk_iotql *q, struct sk_err *err) SK_CHECK;

#endif
