/*
 * emit.c - a tree becomes SQL.
 *
 * Every expression is asked for as one class: its SQL is the value where it is of that class, else
 * NULL. So undefined is NULL, and SQL's logic of three values does the rest. Only members of
 * documents have a class that differs from row to row; they are asked for json_type first:
 *
 *     tags.a = 'x'       CASE WHEN json_type(t.tags, ?5) = 'text' THEN json_extract(t.tags, ?5) END
 *                        = ?6
 *     tags.a = tags.b    CASE WHEN class(a) = class(b) THEN json_extract(a) = json_extract(b) END
 *     status = 3         ... = NULL
 *
 * What is asked for twice in one expression is a path or a literal, never a tree: the SQL stays
 * linear.
 *
 * SQLite's parser has 100 places for what is open, so operators are written without parentheses
 * where rank allows it.
 */
#include "iotql/iotql_priv.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum rank {
    R_OR = 1,
    R_AND,
    R_NOT,
    R_COMPARE,
    R_SUM,
    R_PRODUCT,
    R_MINUS,
    R_WHOLE
};

static enum rank rank_of(const struct node *n)
{
    switch (n->kind) {
    case K_OR:
        return R_OR;
    case K_AND:
        return R_AND;
    case K_NOT:
        return R_NOT;
    case K_COMPARE:
    case K_IN:
        return R_COMPARE;
    case K_ARITHMETIC:
        return n->op[0] == '+' || n->op[0] == '-' ? R_SUM : R_PRODUCT;
    case K_MINUS:
        return R_MINUS;
    default:
        return R_WHOLE;
    }
}

enum class sk_iotql_class_of(const struct sk_iotql *q, const struct node *n) {
    switch (n->kind){ case K_LITERAL : return n->literal.class;
                      case K_PATH : if (n->field->class == C_ANY) return C_ANY;
                      if (n->used < n->path.count ||
                          (n->field->form == F_MODULE && !q->is_of_modules)) return C_UNDEFINED;
                      return n->field->class;
                      case K_MINUS : case K_ARITHMETIC : case K_LENGTH : return C_NUMBER;
                      default : return C_BOOL;
}
}

/* ---- values ---- */

int sk_iotql_add_value(struct sk_iotql *q, const struct literal *v, size_t *number,
                       struct sk_err *err)
{
    if (q->value_count % 16 == 0) {
        struct literal *more = realloc(q->values, (q->value_count + 16) * sizeof(*more));

        if (!more)
            return sk_nomem(err);
        q->values = more;
    }
    q->values[q->value_count] = *v;
    *number = SK_IOTQL_FIRST_VALUE + q->value_count++;
    return 0;
}

/* The literal as a value of this class; what is of no other class comes here. */
static int emit_literal(struct sk_iotql *q, const struct literal *l, enum class want,
                        size_t *number, struct sk_buf *out, struct sk_err *err)
{
    struct literal v = *l;

    if (want == C_BOOL || want == C_NULL) {
        sk_buf_str(out, l->whole ? "1" : "0");
        return 0;
    }
    if (want == C_TIME) {
        v = (struct literal){ .class = C_NUMBER, .is_whole = true };
        (void)sk_time_parse(l->text, &v.whole);
    }
    if (*number == 0 && sk_iotql_add_value(q, &v, number, err) < 0)
        return -1;
    sk_buf_fmt(out, "?%zu", *number);
    return 0;
}

/* ---- members of documents ---- */

/* CASE WHEN json_type(..) TEST THEN json_extract(..) END */
static int emit_member(struct sk_iotql *q, struct node *n, enum class want, struct sk_buf *out,
                       struct sk_err *err)
{
    static const char *const tests[] = {
        [C_NULL] = " WHEN 'null' THEN 0 END",
        [C_BOOL] = " WHEN 'true' THEN 1 WHEN 'false' THEN 0 END",
        [C_NUMBER] = " IN ('integer', 'real') THEN ",
        [C_TEXT] = " = 'text' THEN ",
    };
    bool is_value = want == C_NUMBER || want == C_TEXT;

    sk_buf_str(out, is_value ? "CASE WHEN " : "CASE ");
    if (sk_iotql_emit_json(q, n, "json_type", out, err) < 0)
        return -1;
    sk_buf_str(out, tests[want]);
    if (!is_value)
        return 0;
    if (sk_iotql_emit_json(q, n, "json_extract", out, err) < 0)
        return -1;
    sk_buf_str(out, " END");
    return 0;
}

/* ---- fields ---- */

/* The 8 bytes of a number, the highest first, in base64: ten letters of 6 bits, one of 4, and =. */
static int emit_base64(struct sk_iotql *q, const char *sql, struct sk_buf *out, struct sk_err *err)
{
    static const struct literal letters = {
        .class = C_TEXT,
        .text = { "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 64 },
    };

    if (q->alphabet == 0 && sk_iotql_add_value(q, &letters, &q->alphabet, err) < 0)
        return -1;
    sk_buf_chr(out, '(');
    for (int shift = 58; shift > 0; shift -= 6)
        sk_buf_fmt(out, "substr(?%zu, (%s >> %d & 63) + 1, 1) || ", q->alphabet, sql, shift);
    sk_buf_fmt(out, "substr(?%zu, (%s & 15) * 4 + 1, 1) || '=')", q->alphabet, sql);
    return 0;
}

/* 0 is "never", which IoT Hub writes as the first day of its calendar. */
static void emit_time(const char *sql, enum class want, struct sk_buf *out)
{
    if (want == C_TIME)
        sk_buf_fmt(out, "CASE %s WHEN 0 THEN -62135596800000 ELSE %s END", sql, sql);
    else
        sk_buf_fmt(out,
                   "CASE %s WHEN 0 THEN '0001-01-01T00:00:00Z' ELSE strftime('%%Y-%%m-%%dT"
                   "%%H:%%M:%%S', %s / 1000, 'unixepoch') || printf('.%%03dZ', %s %% 1000) END",
                   sql, sql, sql);
}

static int emit_path(struct sk_iotql *q, struct node *n, enum class want, struct sk_buf *out,
                     struct sk_err *err)
{
    const struct field *f = n->field;

    if (f->class == C_ANY)
        return emit_member(q, n, want, out, err);
    q->uses_twin |= f->is_of_twin;
    if (f->form == F_BASE64)
        return emit_base64(q, f->sql, out, err);
    if (f->class == C_TIME)
        emit_time(f->sql, want, out);
    else
        sk_buf_str(out, f->sql);
    return 0;
}

/* ---- operators ---- */

static int operand(struct sk_iotql *q, struct node *n, enum class want, enum rank least,
                   struct sk_buf *out, struct sk_err *err)
{
    bool is_apart = rank_of(n) < least;

    if (is_apart)
        sk_buf_chr(out, '(');
    if (sk_iotql_emit(q, n, want, out, err) < 0)
        return -1;
    if (is_apart)
        sk_buf_chr(out, ')');
    return 0;
}

static int emit_both(struct sk_iotql *q, struct node *n, enum class want, enum rank left,
                     const char *op, enum rank right, struct sk_buf *out, struct sk_err *err)
{
    if (operand(q, n->left, want, left, out, err) < 0)
        return -1;
    sk_buf_fmt(out, " %s ", op);
    return operand(q, n->right, want, right, out, err);
}

static int emit_arithmetic(struct sk_iotql *q, struct node *n, struct sk_buf *out,
                           struct sk_err *err)
{
    enum rank rank = rank_of(n);

    /* Numbers are those of JSON: 7 / 2 is 3.5. The factor is the leftmost of the whole product. */
    if (n->op[0] == '/')
        sk_buf_str(out, "1.0 * ");
    return emit_both(q, n, C_NUMBER, rank, n->op, rank + 1, out, err);
}

static bool is_time(const struct sk_iotql *q, const struct node *n)
{
    int64_t ms;

    return sk_iotql_class_of(q, n) == C_TIME ||
           (n->kind == K_LITERAL && n->literal.class == C_TEXT &&
            sk_time_parse(n->literal.text, &ms));
}

static int emit_class(struct sk_iotql *q, struct node *n, struct sk_buf *out, struct sk_err *err)
{
    sk_buf_str(out, "CASE ");
    if (sk_iotql_emit_json(q, n, "json_type", out, err) < 0)
        return -1;
    sk_buf_str(out, " WHEN 'text' THEN 1 WHEN 'integer' THEN 2 WHEN 'real' THEN 2 WHEN 'true' "
                    "THEN 3 WHEN 'false' THEN 3 END");
    return 0;
}

/* Two members of documents. */
static int emit_compare_any(struct sk_iotql *q, struct node *n, struct sk_buf *out,
                            struct sk_err *err)
{
    sk_buf_str(out, "CASE WHEN ");
    if (emit_class(q, n->left, out, err) < 0)
        return -1;
    sk_buf_str(out, " = ");
    if (emit_class(q, n->right, out, err) < 0)
        return -1;
    sk_buf_str(out, " THEN ");
    if (sk_iotql_emit_json(q, n->left, "json_extract", out, err) < 0)
        return -1;
    sk_buf_fmt(out, " %s ", n->op);
    if (sk_iotql_emit_json(q, n->right, "json_extract", out, err) < 0)
        return -1;
    sk_buf_str(out, " END");
    return 0;
}

static int emit_compare(struct sk_iotql *q, struct node *n, struct sk_buf *out, struct sk_err *err)
{
    enum class left = sk_iotql_class_of(q, n->left), right = sk_iotql_class_of(q, n->right);
    enum class want = left == C_ANY ? right : left;

    if (left == C_ANY && right == C_ANY)
        return emit_compare_any(q, n, out, err);
    if (want == C_TIME && !(is_time(q, n->left) && is_time(q, n->right)))
        want = C_TEXT;
    if ((left == C_TIME || right == C_TIME) && is_time(q, n->left) && is_time(q, n->right))
        want = C_TIME;
    if (want == C_UNDEFINED || want == C_OBJECT) {
        sk_buf_str(out, "NULL");
        return 0;
    }
    return emit_both(q, n, want, R_SUM, n->op, R_SUM, out, err);
}

/* "x IN (those of the class)"; of times those that are times. *has: whether there are any. */
static int emit_in_class(struct sk_iotql *q, struct node *n, enum class want, const char *before,
                         bool *has, struct sk_buf *out, struct sk_err *err)
{
    enum class of = want == C_TIME ? C_TEXT : want;
    const char *comma = "";
    int64_t ms;

    *has = false;
    for (const struct literal *l = &n->literal; l; l = l->next)
        *has |= l->class == of;
    if (!*has)
        return 0;
    sk_buf_str(out, before);
    if (operand(q, n->left, want, R_SUM, out, err) < 0)
        return -1;
    sk_buf_fmt(out, " %sIN (", n->op);
    for (const struct literal *l = &n->literal; l; l = l->next) {
        size_t number = 0;

        if (l->class != of || (want == C_TIME && !sk_time_parse(l->text, &ms)))
            continue;
        sk_buf_str(out, comma);
        comma = ", ";
        if (emit_literal(q, l, want, &number, out, err) < 0)
            return -1;
    }
    sk_buf_chr(out, ')');
    return 0;
}

static int emit_in(struct sk_iotql *q, struct node *n, struct sk_buf *out, struct sk_err *err)
{
    enum class class = sk_iotql_class_of(q, n->left);
    const char *before = "COALESCE(NULL, ";
    bool has = false;

    if (class != C_ANY) {
        if (class != C_UNDEFINED && class != C_OBJECT &&
            emit_in_class(q, n, class, "", &has, out, err) < 0)
            return -1;
        if (!has)
            sk_buf_str(out, "NULL");
        return 0;
    }
    /* At most one of them is not NULL. */
    for (enum class c = C_NULL; c <= C_TEXT; c++) {
        if (emit_in_class(q, n, c, before, &has, out, err) < 0)
            return -1;
        before = has ? ", " : before;
    }
    sk_buf_str(out, before[0] == ',' ? ")" : "NULL");
    return 0;
}

/* ---- functions ---- */

static int emit_is_member(struct sk_iotql *q, struct node *n, struct sk_buf *out,
                          struct sk_err *err)
{
    static const struct {
        enum class class;
        const char *types;
    } types[] = {
        { C_NULL, "'null'" }, { C_BOOL, "'true', 'false'" }, { C_NUMBER, "'integer', 'real'" },
        { C_TEXT, "'text'" }, { C_OBJECT, "'object'" },      { C_ARRAY, "'array'" },
    };

    const char *comma = "";

    sk_buf_str(out, "COALESCE(");
    if (sk_iotql_emit_json(q, n->left, "json_type", out, err) < 0)
        return -1;
    sk_buf_str(out, " IN (");
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (n->which >> types[i].class & 1u) {
            sk_buf_fmt(out, "%s%s", comma, types[i].types);
            comma = ", ";
        }
    sk_buf_str(out, "), 0)");
    return 0;
}

static int emit_is(struct sk_iotql *q, struct node *n, struct sk_buf *out, struct sk_err *err)
{
    enum class class = sk_iotql_class_of(q, n->left);

    if (class == C_ANY)
        return emit_is_member(q, n, out, err);
    if (class == C_TIME)
        class = C_TEXT;
    if (class == C_UNDEFINED || !(n->which >> class & 1u)) {
        sk_buf_chr(out, '0');
        return 0;
    }
    if (class == C_OBJECT) {
        sk_buf_chr(out, '1');
        return 0;
    }
    sk_buf_chr(out, '(');
    if (operand(q, n->left, class, R_SUM, out, err) < 0)
        return -1;
    sk_buf_str(out, " IS NOT NULL)");
    return 0;
}

static int emit_match(struct sk_iotql *q, struct node *n, struct sk_buf *out, struct sk_err *err)
{
    /* %l and %r are the sides */
    static const char *const forms[] = {
        [MATCH_START] = "(substr(%l, 1, length(%r)) = %r)",
        [MATCH_END] = "(length(%r) = 0 AND %l IS NOT NULL OR substr(%l, -length(%r)) = %r)",
        [MATCH_WITHIN] = "(instr(%l, %r) > 0)",
    };

    for (const char *f = forms[n->which]; *f; f++) {
        if (*f != '%') {
            sk_buf_chr(out, *f);
            continue;
        }
        f++;
        if (sk_iotql_emit(q, *f == 'l' ? n->left : n->right, C_TEXT, out, err) < 0)
            return -1;
    }
    return 0;
}

static int emit_prefixed(struct sk_iotql *q, struct node *n, const char *before, enum class want,
                         enum rank least, const char *after, struct sk_buf *out, struct sk_err *err)
{
    sk_buf_str(out, before);
    if (operand(q, n->left, want, least, out, err) < 0)
        return -1;
    sk_buf_str(out, after);
    return 0;
}

int sk_iotql_emit(struct sk_iotql *q, struct node *n, enum class want, struct sk_buf *out,
                  struct sk_err *err)
{
    enum class class = sk_iotql_class_of(q, n);

    if (class != want && class != C_ANY && !(class == C_TIME && want == C_TEXT) &&
        !(class == C_TEXT && want == C_TIME && n->kind == K_LITERAL)) {
        sk_buf_str(out, "NULL");
        return 0;
    }
    switch (n->kind) {
    case K_LITERAL:
        return emit_literal(q, &n->literal, want, &n->bound, out, err);
    case K_PATH:
        return emit_path(q, n, want, out, err);
    case K_NOT:
        return emit_prefixed(q, n, "NOT ", C_BOOL, R_NOT, "", out, err);
    case K_MINUS:
        return emit_prefixed(q, n, "- ", C_NUMBER, R_MINUS, "", out, err);
    case K_OR:
        return emit_both(q, n, C_BOOL, R_OR, "OR", R_AND, out, err);
    case K_AND:
        return emit_both(q, n, C_BOOL, R_AND, "AND", R_NOT, out, err);
    case K_COMPARE:
        return emit_compare(q, n, out, err);
    case K_ARITHMETIC:
        return emit_arithmetic(q, n, out, err);
    case K_IN:
        return emit_in(q, n, out, err);
    case K_IS:
        return emit_is(q, n, out, err);
    case K_MATCH:
        return emit_match(q, n, out, err);
    case K_LENGTH:
        return emit_prefixed(q, n, "length(", C_TEXT, R_OR, ")", out, err);
    }
    return sk_fail(err, SK_BUG, "query: a node of kind %d", (int)n->kind);
}
