/*
 * query.c - a filter becomes SQL: one pass, no tree.
 *
 * Each comparison is written to the SQL as soon as it is read. What came from outside goes into a
 * list of values that are bound by number, so the SQL holds only the table's own expressions,
 * operators of this file, and ?N.
 */
#include "query/query.h"

#include "query/query_priv.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

struct value {
    enum sk_query_kind kind;
    struct sk_view text;
    int64_t whole;
    double num;
};

struct sk_query {
    struct sk_arena arena;
    struct value *values;
    size_t count;
    struct sk_view asked[SK_QUERY_TERMS_MAX]; /* keys of groups */
    size_t asked_count;
};

enum op {
    EQ,
    NE,
    GE,
    GT,
    LE,
    LT,
    LIKE,
    ILIKE,
    IN,
    NOT_IN,
    IS_NULL,
    IS_NOT_NULL
};

/* Longer signs first. */
static const struct {
    const char *text;
    enum op op;
} signs[] = { { "!=", NE }, { ">=", GE }, { "<=", LE }, { "=", EQ }, { ">", GT }, { "<", LT } };

/* What a key stands for: one of the two. */
struct target {
    const struct sk_query_field *field;
    const struct sk_query_group *group;
    struct sk_query_key key;
};

struct parse {
    const struct sk_query_schema *schema;
    struct sk_query *q;
    struct sk_scan scan;
};

static const char *const attribute_words[] = { "attribute", "attributes", "attr", "run", NULL };

static bool is_one_of(struct sk_view v, const char *const *names)
{
    for (; *names; names++)
        if (sk_view_eq(v, *names))
            return true;
    return false;
}

static enum sk_query_kind kind_of(const struct target *t)
{
    return t->field ? t->field->kind : t->group->kind;
}

/* "name, creation_timestamp, tags.KEY" */
static void list_keys(const struct sk_query_schema *schema, struct sk_buf *out)
{
    for (const struct sk_query_field *f = schema->fields; f->name; f++)
        sk_buf_fmt(out, "%s%s", out->len ? ", " : "", f->name);
    for (const struct sk_query_group *g = schema->groups; g && g->names; g++)
        sk_buf_fmt(out, "%s%s.KEY", out->len ? ", " : "", g->names[0]);
}

static int unknown_key(struct parse *p, const struct sk_query_key *key, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf keys = SK_BUF_INIT(120);

    list_keys(p->schema, &keys);
    return sk_scan_fail(&p->scan, key->at, err, "no such key; there are %s",
                        keys.data ? keys.data : "none");
}

static int read_target(struct parse *p, struct target *t, struct sk_err *err)
{
    *t = (struct target){ 0 };
    if (sk_query_read_key(&p->scan, &t->key, err) < 0)
        return -1;
    if (t->key.prefix.len > 0 && !is_one_of(t->key.prefix, attribute_words)) {
        for (const struct sk_query_group *g = p->schema->groups; g && g->names; g++)
            if (is_one_of(t->key.prefix, g->names)) {
                t->group = g;
                return 0;
            }
        return unknown_key(p, &t->key, err);
    }
    for (const struct sk_query_field *f = p->schema->fields; f->name; f++)
        if (sk_view_eq(t->key.name, f->name)) {
            t->field = f;
            return 0;
        }
    return unknown_key(p, &t->key, err);
}

static int read_op(struct parse *p, enum op *out, struct sk_err *err)
{
    struct sk_scan *s = &p->scan;
    size_t at;

    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
        if (sk_scan_sign(s, signs[i].text)) {
            *out = signs[i].op;
            return 0;
        }
    at = s->pos;
    if (sk_scan_word(s, "LIKE")) {
        *out = LIKE;
    } else if (sk_scan_word(s, "ILIKE")) {
        *out = ILIKE;
    } else if (sk_scan_word(s, "IN")) {
        *out = IN;
    } else if (sk_scan_word(s, "NOT") && sk_scan_word(s, "IN")) {
        *out = NOT_IN;
    } else if (sk_scan_word(s, "IS")) {
        *out = sk_scan_word(s, "NOT") ? IS_NOT_NULL : IS_NULL;
        if (!sk_scan_word(s, "NULL"))
            return sk_scan_fail(s, s->pos, err, "expected NULL or NOT NULL after IS");
    } else {
        return sk_scan_fail(s, at, err,
                            "expected an operator: = != > >= < <= LIKE ILIKE, IN, IS NULL");
    }
    return 0;
}

static int check_op(struct parse *p, const struct target *t, enum op op, size_t at,
                    struct sk_err *err)
{
    bool is_text = kind_of(t) == SK_QUERY_TEXT;

    if (is_text && op >= GE && op <= LT)
        return sk_scan_fail(&p->scan, at, err, "texts are compared by = != LIKE ILIKE IN");
    if (!is_text && (op == LIKE || op == ILIKE))
        return sk_scan_fail(&p->scan, at, err, "numbers are compared by = != > >= < <= IN");
    if (op >= IS_NULL && t->field)
        return sk_scan_fail(&p->scan, at, err, "IS NULL is for keys with a prefix, such as tags.x");
    return 0;
}

/* ---- values ---- */

static int bind_value(struct parse *p, const struct value *v, size_t *number, struct sk_err *err)
{
    struct sk_query *q = p->q;

    if (q->count == SK_QUERY_VALUES_MAX)
        return sk_fail(err, SK_LIMIT, "%s: more than %d values", p->scan.what, SK_QUERY_VALUES_MAX);
    if (q->count % 16 == 0) {
        struct value *more = realloc(q->values, (q->count + 16) * sizeof(*more));

        if (!more)
            return sk_nomem(err);
        q->values = more;
    }
    q->values[q->count++] = *v;
    *number = q->count;
    return 0;
}

static int bind_text(struct parse *p, struct sk_view text, size_t *number, struct sk_err *err)
{
    struct value v = { .kind = SK_QUERY_TEXT, .text = text };

    /* The filter's own letters are the caller's. */
    v.text.ptr = sk_arena_strndup(&p->q->arena, text.len ? text.ptr : "", text.len);
    if (!v.text.ptr)
        return sk_nomem(err);
    return bind_value(p, &v, number, err);
}

static int to_number(struct parse *p, enum sk_query_kind kind, struct sk_view text, size_t at,
                     struct value *out, struct sk_err *err)
{
    struct sk_err why = SK_ERR_INIT;
    char copy[64], *end;
    const char *wanted = kind == SK_QUERY_INT ? "a whole number" : "a number";

    if (text.len == 0 || text.len >= sizeof(copy))
        return sk_scan_fail(&p->scan, at, err, "expected %s", wanted);
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    *out = (struct value){ .kind = kind };
    if (kind == SK_QUERY_INT) {
        size_t digits = copy[0] == '-' || copy[0] == '+' ? 1 : 0;

        if (strspn(copy + digits, "0123456789") == text.len - digits && text.len > digits &&
            text.len - digits <= 18) {
            out->whole = strtoll(copy, &end, 10);
            return 0;
        }
    } else if (sk_parse_f64("value", copy, -DBL_MAX, DBL_MAX, &out->num, &why) == 0) {
        return 0;
    }
    return sk_scan_fail(&p->scan, at, err, "expected %s", wanted);
}

static int bind_next(struct parse *p, enum sk_query_kind kind, size_t *number, struct sk_err *err)
{
    struct sk_view text = SK_VIEW("");
    struct value v = { .kind = kind };
    bool is_quoted = false;
    size_t at;

    (void)sk_scan_at_end(&p->scan);
    at = p->scan.pos;
    if (sk_query_read_value(&p->scan, &text, &is_quoted, err) < 0)
        return -1;
    if (kind == SK_QUERY_TEXT) {
        if (!is_quoted)
            return sk_scan_fail(&p->scan, at, err, "expected a text in quotes");
        return bind_text(p, text, number, err);
    }
    if (is_quoted && kind == SK_QUERY_NUM)
        return sk_scan_fail(&p->scan, at, err, "expected a number, without quotes");
    if (to_number(p, kind, text, at, &v, err) < 0)
        return -1;
    return bind_value(p, &v, number, err);
}

/* The pattern as GLOB has it, which tells capitals apart: % is *, _ is ?, signs of GLOB in []. For
 * ILIKE it stays. Runs of % are one, since each can square the time. */
static int bind_pattern(struct parse *p, enum op op, size_t *number, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf pattern = SK_BUF_INIT(3 * SK_QUERY_PATTERN_MAX + 1);
    struct sk_view text = SK_VIEW("");
    bool is_quoted = false;
    unsigned wild = 0;
    size_t at;

    (void)sk_scan_at_end(&p->scan);
    at = p->scan.pos;
    if (sk_query_read_value(&p->scan, &text, &is_quoted, err) < 0)
        return -1;
    if (!is_quoted)
        return sk_scan_fail(&p->scan, at, err, "expected a text in quotes");
    if (text.len > SK_QUERY_PATTERN_MAX)
        return sk_fail(err, SK_LIMIT, "%s: a pattern of %zu bytes, at most %d", p->scan.what,
                       text.len, SK_QUERY_PATTERN_MAX);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == '%' && i > 0 && text.ptr[i - 1] == '%')
            continue;
        wild += c == '%';
        if (op == ILIKE)
            sk_buf_chr(&pattern, c);
        else if (c == '%' || c == '_')
            sk_buf_chr(&pattern, c == '%' ? '*' : '?');
        else if (c == '*' || c == '?' || c == '[')
            sk_buf_fmt(&pattern, "[%c]", c);
        else
            sk_buf_chr(&pattern, c);
    }
    if (wild > SK_QUERY_WILDCARDS_MAX)
        return sk_fail(err, SK_LIMIT, "%s: %u times %% in a pattern, at most %d", p->scan.what,
                       wild, SK_QUERY_WILDCARDS_MAX);
    if (!sk_buf_ok(&pattern))
        return sk_buf_fail(&pattern, err);
    return bind_text(p, (struct sk_view){ pattern.data, pattern.len }, number, err);
}

/* ---- SQL ---- */

/* The right side of a comparison. */
static int write_list(struct parse *p, enum sk_query_kind kind, struct sk_buf *out,
                      struct sk_err *err)
{
    size_t number = 0;

    if (!sk_scan_sign(&p->scan, "("))
        return sk_scan_fail(&p->scan, p->scan.pos, err, "expected a list: IN ('a', 'b')");
    sk_buf_str(out, "IN (");
    for (const char *before = ""; before; before = sk_scan_sign(&p->scan, ",") ? ", " : NULL) {
        /* As Python has it, a list may end in a comma. */
        if (*before && sk_scan_sign(&p->scan, ")")) {
            sk_buf_chr(out, ')');
            return 0;
        }
        if (bind_next(p, kind, &number, err) < 0)
            return -1;
        sk_buf_fmt(out, "%s?%zu", before, number);
    }
    if (!sk_scan_sign(&p->scan, ")"))
        return sk_scan_fail(&p->scan, p->scan.pos, err, "expected , or ) in the list");
    sk_buf_chr(out, ')');
    return 0;
}

/* is_not: the comparison is for NOT(...) around the whole. */
static int write_comparison(struct parse *p, enum op op, enum sk_query_kind kind, bool is_not,
                            struct sk_buf *out, struct sk_err *err)
{
    static const char *const sql[] = { "=", "!=", ">=", ">", "<=", "<", "GLOB", "LIKE" };
    size_t number = 0;

    if (op == IS_NULL || op == IS_NOT_NULL) {
        sk_buf_str(out, "IS NOT NULL");
        return 0;
    }
    if (op == IN || op == NOT_IN) {
        if (op == NOT_IN && !is_not)
            sk_buf_str(out, "NOT ");
        return write_list(p, kind, out, err);
    }
    if ((op == LIKE || op == ILIKE ? bind_pattern(p, op, &number, err)
                                   : bind_next(p, kind, &number, err)) < 0)
        return -1;
    sk_buf_fmt(out, "%s ?%zu", sql[op == NE && is_not ? EQ : op], number);
    return 0;
}

/* A table's expression with its %k and %c. */
static void expand(const char *form, size_t key, const char *comparison, struct sk_buf *out)
{
    for (; *form; form++) {
        if (form[0] == '%' && form[1] == 'k')
            sk_buf_fmt(out, "?%zu", key);
        else if (form[0] == '%' && form[1] == 'c')
            sk_buf_str(out, comparison);
        else
            sk_buf_chr(out, *form);
        form += form[0] == '%' && (form[1] == 'k' || form[1] == 'c');
    }
}

static int write_group(struct parse *p, const struct target *t, enum op op, struct sk_buf *out,
                       struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf comparison = SK_BUF_INIT(32 * SK_QUERY_VALUES_MAX);
    const char *absent = t->group->absent_key;
    bool is_not = op == IS_NULL;
    size_t key = 0;

    if ((op == NE || op == NOT_IN) && absent)
        is_not = strcmp(absent, "*") == 0 || sk_view_eq(t->key.name, absent);
    if (bind_text(p, t->key.name, &key, err) < 0)
        return -1;
    p->q->asked[p->q->asked_count++] = p->q->values[key - 1].text;
    if (write_comparison(p, op, t->group->kind, is_not, &comparison, err) < 0)
        return -1;
    if (!sk_buf_ok(&comparison))
        return sk_buf_fail(&comparison, err);
    sk_buf_str(out, is_not ? "NOT (" : "(");
    expand(t->group->exists, key, comparison.data, out);
    sk_buf_chr(out, ')');
    return 0;
}

static int write_term(struct parse *p, struct sk_buf *out, struct sk_err *err)
{
    struct target t;
    enum op op = EQ;
    size_t at;

    if (read_target(p, &t, err) < 0)
        return -1;
    (void)sk_scan_at_end(&p->scan);
    at = p->scan.pos;
    if (read_op(p, &op, err) < 0 || check_op(p, &t, op, at, err) < 0)
        return -1;
    if (t.group)
        return write_group(p, &t, op, out, err);
    sk_buf_fmt(out, "(%s ", t.field->column);
    if (write_comparison(p, op, t.field->kind, false, out, err) < 0)
        return -1;
    sk_buf_chr(out, ')');
    return 0;
}

static int write_where(struct parse *p, struct sk_view filter, struct sk_buf *out,
                       struct sk_err *err)
{
    if (sk_scan_begin(&p->scan, "filter", filter, SK_QUERY_FILTER_MAX, &p->q->arena, err) < 0)
        return -1;
    if (sk_scan_at_end(&p->scan)) {
        sk_buf_chr(out, '1');
        return 0;
    }
    sk_buf_chr(out, '(');
    for (unsigned terms = 1;; terms++) {
        if (terms > SK_QUERY_TERMS_MAX)
            return sk_fail(err, SK_LIMIT, "filter: more than %d comparisons", SK_QUERY_TERMS_MAX);
        if (write_term(p, out, err) < 0)
            return -1;
        if (sk_scan_at_end(&p->scan))
            break;
        if (!sk_scan_word(&p->scan, "AND"))
            return sk_scan_fail(&p->scan, p->scan.pos, err, "expected AND or the end");
        sk_buf_str(out, " AND ");
    }
    sk_buf_chr(out, ')');
    return 0;
}

/* ---- orders ---- */

static bool is_same(const struct target *a, const struct target *b)
{
    if (a->field && b->field)
        return strcmp(a->field->column, b->field->column) == 0;
    return a->group == b->group && a->key.name.len == b->key.name.len &&
           memcmp(a->key.name.ptr, b->key.name.ptr, a->key.name.len) == 0;
}

static int write_order(struct parse *p, struct target *seen, size_t at, struct sk_buf *out,
                       struct sk_err *err)
{
    struct target *t = &seen[at];
    bool is_down = false, is_nullable;
    size_t key = 0;

    if (read_target(p, t, err) < 0)
        return -1;
    if (t->group && !t->group->order)
        return sk_scan_fail(&p->scan, t->key.at, err, "cannot be ordered by this");
    is_down = sk_scan_word(&p->scan, "DESC");
    if (!is_down)
        (void)sk_scan_word(&p->scan, "ASC");
    if (!sk_scan_at_end(&p->scan))
        return sk_scan_fail(&p->scan, p->scan.pos, err, "expected ASC, DESC or the end");
    for (size_t i = 0; i < at; i++)
        if (is_same(&seen[i], t))
            return sk_scan_fail(&p->scan, t->key.at, err, "ordered by this twice");
    sk_buf_str(out, at ? ", " : "");
    if (t->group) {
        if (bind_text(p, t->key.name, &key, err) < 0)
            return -1;
        expand(t->group->order, key, "", out);
    } else {
        sk_buf_str(out, t->field->column);
    }
    is_nullable = t->group || t->field->nullable;
    sk_buf_fmt(out, " %s%s", is_down ? "DESC" : "ASC", is_nullable ? " NULLS LAST" : "");
    return 0;
}

static int write_orders(struct parse *p, const struct sk_view *orders, size_t count,
                        struct sk_buf *out, struct sk_err *err)
{
    struct target seen[SK_QUERY_ORDERS_MAX];

    if (count > SK_QUERY_ORDERS_MAX)
        return sk_fail(err, SK_LIMIT, "order_by: %zu entries, at most %d", count,
                       SK_QUERY_ORDERS_MAX);
    for (size_t i = 0; i < count; i++)
        if (sk_scan_begin(&p->scan, "order_by", orders[i], SK_QUERY_FILTER_MAX, &p->q->arena, err) <
                0 ||
            write_order(p, seen, i, out, err) < 0)
            return -1;
    return 0;
}

int sk_query_parse(const struct sk_query_schema *schema, struct sk_view filter,
                   const struct sk_view *orders, size_t order_count, struct sk_buf *where,
                   struct sk_buf *order, struct sk_query **out, struct sk_err *err)
{
    SK_OWN(sk_query_free) struct sk_query *q = calloc(1, sizeof(*q));
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1u << 20);
    SK_AUTO(sk_buf_done) struct sk_buf by = SK_BUF_INIT(1u << 16);
    struct parse p = { .schema = schema, .q = q };

    if (!q)
        return sk_nomem(err);
    q->arena = (struct sk_arena)SK_ARENA_INIT(4u << 20);
    if (write_where(&p, filter, &text, err) < 0 ||
        write_orders(&p, orders, order_count, &by, err) < 0)
        return -1;
    if (!sk_buf_ok(&text) || !sk_buf_ok(&by))
        return sk_buf_fail(sk_buf_ok(&text) ? &by : &text, err);
    sk_buf_add(where, text.data, text.len);
    sk_buf_add(order, by.data ? by.data : "", by.len);
    if (!sk_buf_ok(where) || !sk_buf_ok(order))
        return sk_buf_fail(sk_buf_ok(where) ? order : where, err);
    *out = SK_TAKE(q);
    return 0;
}

int sk_query_bind(const struct sk_query *q, struct sk_stmt *s, int *next, struct sk_err *err)
{
    for (size_t i = 0; i < q->count; i++) {
        const struct value *v = &q->values[i];
        int at = (int)i + 1, rc;

        if (v->kind == SK_QUERY_TEXT)
            rc = sk_stmt_bind_text(s, at, v->text, err);
        else if (v->kind == SK_QUERY_INT)
            rc = sk_stmt_bind_int(s, at, v->whole, err);
        else
            rc = sk_stmt_bind_num(s, at, v->num, err);
        if (rc < 0)
            return -1;
    }
    *next = (int)q->count + 1;
    return 0;
}

bool sk_query_asks(const struct sk_query *q, const char *key)
{
    for (size_t i = 0; i < q->asked_count; i++)
        if (sk_view_eq(q->asked[i], key))
            return true;
    return false;
}

void sk_query_free(struct sk_query *q)
{
    if (!q)
        return;
    sk_arena_done(&q->arena);
    free(q->values);
    free(q);
}
