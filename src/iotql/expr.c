/*
 * expr.c - an expression becomes a tree.
 *
 *     or        := and { OR and }            and     := not { AND not }
 *     not       := NOT not | compare
 *     compare   := sum [ (= != <> < <= > >=) sum | (IN|NIN) [ constant {, constant} ] ]
 *     sum       := product { + - product }   product := unary { * / % unary }
 *     unary     := - unary | ( or ) | function ( or {, or} ) | constant | path
 *     constant  := text | [-] number | TRUE | FALSE | NULL | UNDEFINED
 *
 * Depth: what is open while something is read: each parenthesis, function, NOT, minus, and each
 * operator whose right side it is. It bounds the recursion here and the parser's stack in SQLite.
 */
#include "iotql/iotql_priv.h"

struct op {
    const char *text, *sql;
};

/* Longer signs first. */
static const struct op compare_ops[] = {
    { "!=", "<>" }, { "<>", "<>" }, { ">=", ">=" }, { "<=", "<=" },
    { "=", "=" },   { ">", ">" },   { "<", "<" },   { NULL, NULL },
};
static const struct op sum_ops[] = { { "+", "+" }, { "-", "-" }, { NULL, NULL } };
static const struct op product_ops[] = { { "*", "*" }, { "/", "/" }, { "%", "%" }, { NULL, NULL } };

enum {
    PRIMITIVE = 1u << C_NULL | 1u << C_BOOL | 1u << C_NUMBER | 1u << C_TEXT
};

/* which: of K_IS the classes, of K_MATCH which one. */
static const struct {
    const char *name;
    enum kind kind;
    unsigned which;
    unsigned count; /* of arguments */
} functions[] = {
    { "IS_DEFINED", K_IS, SK_IOTQL_IS_DEFINED, 1 }, { "IS_NULL", K_IS, 1u << C_NULL, 1 },
    { "IS_BOOL", K_IS, 1u << C_BOOL, 1 },           { "IS_NUMBER", K_IS, 1u << C_NUMBER, 1 },
    { "IS_STRING", K_IS, 1u << C_TEXT, 1 },         { "IS_OBJECT", K_IS, 1u << C_OBJECT, 1 },
    { "IS_ARRAY", K_IS, 1u << C_ARRAY, 1 },         { "IS_PRIMITIVE", K_IS, PRIMITIVE, 1 },
    { "STARTSWITH", K_MATCH, MATCH_START, 2 },      { "STARTS_WITH", K_MATCH, MATCH_START, 2 },
    { "ENDSWITH", K_MATCH, MATCH_END, 2 },          { "ENDS_WITH", K_MATCH, MATCH_END, 2 },
    { "CONTAINS", K_MATCH, MATCH_WITHIN, 2 },       { "LENGTH", K_LENGTH, 0, 1 },
};

static const struct {
    const char *word;
    enum class class;
    int64_t value;
} constants[] = {
    { "TRUE", C_BOOL, 1 },
    { "FALSE", C_BOOL, 0 },
    { "NULL", C_NULL, 0 },
    { "UNDEFINED", C_UNDEFINED, 0 },
};

/* ---- parts ---- */

static int node_new(struct parse *p, enum kind kind, struct node **out, struct sk_err *err)
{
    struct node *n;

    if (++p->terms > SK_IOTQL_TERMS_MAX)
        return sk_fail(err, SK_LIMIT, "%s: more than %d terms", p->scan.what, SK_IOTQL_TERMS_MAX);
    n = sk_arena_alloc(&p->q->arena, sizeof(*n));
    if (!n)
        return sk_nomem(err);
    *n = (struct node){ .kind = kind };
    *out = n;
    return 0;
}

static int node_of(struct parse *p, enum kind kind, const char *op, struct node *left,
                   struct node **out, struct sk_err *err)
{
    if (node_new(p, kind, out, err) < 0)
        return -1;
    (*out)->op = op;
    (*out)->left = left;
    return 0;
}

static int deeper(struct parse *p, struct sk_err *err)
{
    if (++p->depth > SK_IOTQL_DEPTH_MAX)
        return sk_fail(err, SK_LIMIT, "%s: nested more than %d deep", p->scan.what,
                       SK_IOTQL_DEPTH_MAX);
    return 0;
}

int sk_iotql_expect(struct parse *p, const char *sign, const char *what, struct sk_err *err)
{
    if (sk_scan_sign(&p->scan, sign))
        return 0;
    return sk_scan_fail(&p->scan, p->scan.pos, err, "expected %s", what);
}

int sk_iotql_parse_path(struct parse *p, struct node **out, struct sk_err *err)
{
    struct node *n = NULL;

    if (node_new(p, K_PATH, &n, err) < 0 || sk_iotql_scan_path(&p->scan, &n->path, err) < 0)
        return -1;
    n->field = sk_iotql_field_find(&n->path, &n->used);
    if (!n->field)
        return sk_scan_fail(
            &p->scan, n->path.at, err,
            "no such field; there are deviceId, moduleId, status, connectionState, "
            "lastActivityTime, statusUpdateTime, etag, version, authenticationType, capabilities, "
            "deviceScope, tags, configurations, properties.desired, .reported");
    *out = n;
    return 0;
}

/* 1: a constant was there; 0: something else. */
static int parse_constant(struct parse *p, struct literal *out, struct sk_err *err)
{
    *out = (struct literal){ .class = C_NUMBER };
    if (sk_iotql_scan_is_text(&p->scan)) {
        out->class = C_TEXT;
        return sk_scan_quoted(&p->scan, &out->text, err) < 0 ? -1 : 1;
    }
    if (sk_iotql_scan_is_number(&p->scan))
        return sk_iotql_scan_number(&p->scan, &out->is_whole, &out->whole, &out->num, err) < 0 ? -1
                                                                                               : 1;
    for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++)
        if (sk_scan_word(&p->scan, constants[i].word)) {
            out->class = constants[i].class;
            out->whole = constants[i].value;
            return 1;
        }
    return 0;
}

/* ---- expressions ---- */

static int parse_function(struct parse *p, size_t which, struct node **out, struct sk_err *err)
{
    struct node *n = NULL;

    if (node_new(p, functions[which].kind, &n, err) < 0 || deeper(p, err) < 0 ||
        sk_iotql_expect(p, "(", "( behind the function", err) < 0 ||
        sk_iotql_parse_or(p, &n->left, err) < 0)
        return -1;
    n->which = functions[which].which;
    if (functions[which].count > 1 &&
        (sk_iotql_expect(p, ",", ", and a second argument", err) < 0 ||
         sk_iotql_parse_or(p, &n->right, err) < 0))
        return -1;
    p->depth--;
    *out = n;
    return sk_iotql_expect(p, ")", ") behind the arguments", err);
}

static int parse_group(struct parse *p, struct node **out, struct sk_err *err)
{
    if (deeper(p, err) < 0 || sk_iotql_parse_or(p, out, err) < 0)
        return -1;
    p->depth--;
    return sk_iotql_expect(p, ")", "an operator or )", err);
}

static int parse_unary(struct parse *p, struct node **out, struct sk_err *err)
{
    struct literal literal;
    int is_there;

    if (sk_scan_sign(&p->scan, "("))
        return parse_group(p, out, err);
    if (sk_scan_sign(&p->scan, "-")) {
        if (node_new(p, K_MINUS, out, err) < 0 || deeper(p, err) < 0 ||
            parse_unary(p, &(*out)->left, err) < 0)
            return -1;
        p->depth--;
        return 0;
    }
    is_there = parse_constant(p, &literal, err);
    if (is_there < 0)
        return -1;
    if (is_there) {
        if (node_new(p, K_LITERAL, out, err) < 0)
            return -1;
        (*out)->literal = literal;
        return 0;
    }
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        if (sk_scan_word(&p->scan, functions[i].name))
            return parse_function(p, i, out, err);
    return sk_iotql_parse_path(p, out, err);
}

typedef int part(struct parse *p, struct node **out, struct sk_err *err);

static const char *next_op(struct parse *p, const struct op *ops)
{
    for (; ops->text; ops++)
        if (sk_scan_sign(&p->scan, ops->text))
            return ops->sql;
    return NULL;
}

/* Operators of one rank, from the left. */
static int parse_chain(struct parse *p, const struct op *ops, part *side, struct node **out,
                       struct sk_err *err)
{
    const char *op;

    if (side(p, out, err) < 0)
        return -1;
    while ((op = next_op(p, ops)) != NULL) {
        struct node *n = NULL;

        if (node_of(p, K_ARITHMETIC, op, *out, &n, err) < 0 || deeper(p, err) < 0 ||
            side(p, &n->right, err) < 0)
            return -1;
        p->depth--;
        *out = n;
    }
    return 0;
}

static int parse_product(struct parse *p, struct node **out, struct sk_err *err)
{
    return parse_chain(p, product_ops, parse_unary, out, err);
}

static int parse_sum(struct parse *p, struct node **out, struct sk_err *err)
{
    return parse_chain(p, sum_ops, parse_product, out, err);
}

static int parse_item(struct parse *p, struct literal *out, struct sk_err *err)
{
    bool is_minus = sk_scan_sign(&p->scan, "-");
    int is_there = parse_constant(p, out, err);

    if (is_there < 0)
        return -1;
    if (!is_there || (is_minus && out->class != C_NUMBER))
        return sk_scan_fail(&p->scan, p->scan.pos, err,
                            "expected a constant: 'text', a number, true, false");
    if (is_minus) {
        out->whole = -out->whole;
        out->num = -out->num;
    }
    return 0;
}

/* Behind IN. */
static int parse_list(struct parse *p, struct literal *first, struct sk_err *err)
{
    struct literal *at = first;

    if (sk_iotql_expect(p, "[", "a list: IN ['a', 'b']", err) < 0 || parse_item(p, first, err) < 0)
        return -1;
    while (sk_scan_sign(&p->scan, ",")) {
        at->next = sk_arena_alloc(&p->q->arena, sizeof(*at->next));
        if (!at->next)
            return sk_nomem(err);
        at = at->next;
        if (parse_item(p, at, err) < 0)
            return -1;
    }
    return sk_iotql_expect(p, "]", ", or ] in the list", err);
}

static int parse_compare(struct parse *p, struct node **out, struct sk_err *err)
{
    struct node *left = NULL;
    const char *op;
    bool is_not;

    if (parse_sum(p, &left, err) < 0)
        return -1;
    is_not = sk_scan_word(&p->scan, "NIN");
    if (is_not || sk_scan_word(&p->scan, "IN")) {
        if (node_of(p, K_IN, is_not ? "NOT " : "", left, out, err) < 0)
            return -1;
        return parse_list(p, &(*out)->literal, err);
    }
    op = next_op(p, compare_ops);
    if (!op) {
        *out = left;
        return 0;
    }
    if (node_of(p, K_COMPARE, op, left, out, err) < 0 || deeper(p, err) < 0 ||
        parse_sum(p, &(*out)->right, err) < 0)
        return -1;
    p->depth--;
    return 0;
}

static int parse_not(struct parse *p, struct node **out, struct sk_err *err)
{
    if (!sk_scan_word(&p->scan, "NOT"))
        return parse_compare(p, out, err);
    if (node_new(p, K_NOT, out, err) < 0 || deeper(p, err) < 0 ||
        parse_not(p, &(*out)->left, err) < 0)
        return -1;
    p->depth--;
    return 0;
}

static int parse_logic(struct parse *p, enum kind kind, const char *word, part *side,
                       struct node **out, struct sk_err *err)
{
    if (side(p, out, err) < 0)
        return -1;
    while (sk_scan_word(&p->scan, word)) {
        struct node *n = NULL;

        if (node_of(p, kind, word, *out, &n, err) < 0 || deeper(p, err) < 0 ||
            side(p, &n->right, err) < 0)
            return -1;
        p->depth--;
        *out = n;
    }
    return 0;
}

static int parse_and(struct parse *p, struct node **out, struct sk_err *err)
{
    return parse_logic(p, K_AND, "AND", parse_not, out, err);
}

int sk_iotql_parse_or(struct parse *p, struct node **out, struct sk_err *err)
{
    return parse_logic(p, K_OR, "OR", parse_and, out, err);
}
