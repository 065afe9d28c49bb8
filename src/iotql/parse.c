/*
 * parse.c - a query becomes a tree.
 *
 *     query     := SELECT [TOP n] ( * | column {, column} ) FROM source [WHERE or]
 *                  [GROUP BY path {, path}]
 *     column    := ( path | COUNT ( [*] ) | AVG|SUM|MIN|MAX ( path ) ) [AS name]
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

#include <stdio.h>
#include <string.h>

struct parse {
    struct sk_iotql *q;
    struct iotql_scan scan;
    unsigned depth, terms;
};

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

static int parse_or(struct parse *p, struct node **out, struct sk_err *err);

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

static int expect(struct parse *p, const char *sign, const char *what, struct sk_err *err)
{
    if (sk_iotql_scan_sign(&p->scan, sign))
        return 0;
    return sk_iotql_scan_fail(&p->scan, p->scan.pos, err, "expected %s", what);
}

static int parse_path(struct parse *p, struct node **out, struct sk_err *err)
{
    struct node *n = NULL;

    if (node_new(p, K_PATH, &n, err) < 0 || sk_iotql_scan_path(&p->scan, &n->path, err) < 0)
        return -1;
    n->field = sk_iotql_field_find(&n->path, &n->used);
    if (!n->field)
        return sk_iotql_scan_fail(
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
        return sk_iotql_scan_text(&p->scan, &out->text, err) < 0 ? -1 : 1;
    }
    if (sk_iotql_scan_is_number(&p->scan))
        return sk_iotql_scan_number(&p->scan, &out->is_whole, &out->whole, &out->num, err) < 0 ? -1
                                                                                               : 1;
    for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++)
        if (sk_iotql_scan_word(&p->scan, constants[i].word)) {
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
        expect(p, "(", "( behind the function", err) < 0 || parse_or(p, &n->left, err) < 0)
        return -1;
    n->which = functions[which].which;
    if (functions[which].count > 1 &&
        (expect(p, ",", ", and a second argument", err) < 0 || parse_or(p, &n->right, err) < 0))
        return -1;
    p->depth--;
    *out = n;
    return expect(p, ")", ") behind the arguments", err);
}

static int parse_group(struct parse *p, struct node **out, struct sk_err *err)
{
    if (deeper(p, err) < 0 || parse_or(p, out, err) < 0)
        return -1;
    p->depth--;
    return expect(p, ")", "an operator or )", err);
}

static int parse_unary(struct parse *p, struct node **out, struct sk_err *err)
{
    struct literal literal;
    int is_there;

    if (sk_iotql_scan_sign(&p->scan, "("))
        return parse_group(p, out, err);
    if (sk_iotql_scan_sign(&p->scan, "-")) {
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
        if (sk_iotql_scan_word(&p->scan, functions[i].name))
            return parse_function(p, i, out, err);
    return parse_path(p, out, err);
}

typedef int part(struct parse *p, struct node **out, struct sk_err *err);

static const char *next_op(struct parse *p, const struct op *ops)
{
    for (; ops->text; ops++)
        if (sk_iotql_scan_sign(&p->scan, ops->text))
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
    bool is_minus = sk_iotql_scan_sign(&p->scan, "-");
    int is_there = parse_constant(p, out, err);

    if (is_there < 0)
        return -1;
    if (!is_there || (is_minus && out->class != C_NUMBER))
        return sk_iotql_scan_fail(&p->scan, p->scan.pos, err,
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

    if (expect(p, "[", "a list: IN ['a', 'b']", err) < 0 || parse_item(p, first, err) < 0)
        return -1;
    while (sk_iotql_scan_sign(&p->scan, ",")) {
        at->next = sk_arena_alloc(&p->q->arena, sizeof(*at->next));
        if (!at->next)
            return sk_nomem(err);
        at = at->next;
        if (parse_item(p, at, err) < 0)
            return -1;
    }
    return expect(p, "]", ", or ] in the list", err);
}

static int parse_compare(struct parse *p, struct node **out, struct sk_err *err)
{
    struct node *left = NULL;
    const char *op;
    bool is_not;

    if (parse_sum(p, &left, err) < 0)
        return -1;
    is_not = sk_iotql_scan_word(&p->scan, "NIN");
    if (is_not || sk_iotql_scan_word(&p->scan, "IN")) {
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
    if (!sk_iotql_scan_word(&p->scan, "NOT"))
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
    while (sk_iotql_scan_word(&p->scan, word)) {
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

static int parse_or(struct parse *p, struct node **out, struct sk_err *err)
{
    return parse_logic(p, K_OR, "OR", parse_and, out, err);
}

/* ---- the query around it ---- */

/* 1: an aggregate was there; 0: something else. */
static int parse_aggregate(struct parse *p, struct column *c, struct sk_err *err)
{
    static const char *const words[] = { "", "COUNT", "AVG", "SUM", "MIN", "MAX" };

    for (size_t i = A_COUNT; i <= A_MAX; i++) {
        if (!sk_iotql_scan_word(&p->scan, words[i]))
            continue;
        c->aggregate = (enum aggregate)i;
        if (expect(p, "(", "( behind the aggregate", err) < 0)
            return -1;
        if (c->aggregate == A_COUNT)
            (void)sk_iotql_scan_sign(&p->scan, "*");
        else if (parse_path(p, &c->node, err) < 0)
            return -1;
        return expect(p, ")", ")", err) < 0 ? -1 : 1;
    }
    return 0;
}

/* The last name of the path; an aggregate without AS is $1, $2, ... */
static int name_column(struct parse *p, struct column *c, unsigned *unnamed, struct sk_err *err)
{
    struct sk_view name = SK_VIEW("");
    char number[16];
    size_t last;

    if (sk_iotql_scan_word(&p->scan, "AS")) {
        name = sk_iotql_scan_name(&p->scan);
        if (name.len == 0)
            return sk_iotql_scan_fail(&p->scan, p->scan.pos, err, "expected a name behind AS");
    } else if (c->aggregate != A_NONE) {
        (void)snprintf(number, sizeof(number), "$%u", ++*unnamed);
        name = sk_view_of(number);
    } else {
        for (last = c->node->path.count - 1; c->node->path.segments[last].is_index; last--)
            continue;
        name = c->node->path.segments[last].name;
    }
    c->name = sk_arena_strndup(&p->q->arena, name.ptr, name.len);
    if (!c->name)
        return sk_nomem(err);
    for (size_t i = 0; i < p->q->column_count; i++)
        if (strcmp(p->q->columns[i].name, c->name) == 0)
            return sk_iotql_scan_fail(&p->scan, c->at, err,
                                      "a second column '%.64s'; give it a "
                                      "name with AS",
                                      c->name);
    return 0;
}

static int parse_columns(struct parse *p, struct sk_err *err)
{
    struct sk_iotql *q = p->q;
    unsigned unnamed = 0;

    do {
        struct column *c = &q->columns[q->column_count];
        int is_aggregate;

        if (q->column_count == SK_IOTQL_COLUMNS_MAX)
            return sk_fail(err, SK_LIMIT, "%s: more than %d columns", p->scan.what,
                           SK_IOTQL_COLUMNS_MAX);
        (void)sk_iotql_scan_at_end(&p->scan);
        c->at = p->scan.pos;
        is_aggregate = parse_aggregate(p, c, err);
        if (is_aggregate < 0 || (!is_aggregate && parse_path(p, &c->node, err) < 0) ||
            name_column(p, c, &unnamed, err) < 0)
            return -1;
        q->is_aggregate |= is_aggregate;
        q->column_count++;
    } while (sk_iotql_scan_sign(&p->scan, ","));
    return 0;
}

static int parse_top(struct parse *p, struct sk_err *err)
{
    bool is_whole = false;
    int64_t n = 0;
    double num;
    size_t at;

    (void)sk_iotql_scan_at_end(&p->scan);
    at = p->scan.pos;
    if (sk_iotql_scan_is_number(&p->scan) &&
        sk_iotql_scan_number(&p->scan, &is_whole, &n, &num, err) < 0)
        return -1;
    if (!is_whole || n < 1 || n > INT32_MAX)
        return sk_iotql_scan_fail(&p->scan, at, err, "expected a number from 1 behind TOP");
    p->q->top = n;
    return 0;
}

/* Behind FROM. */
static int parse_source(struct parse *p, struct sk_err *err)
{
    size_t at;

    (void)sk_iotql_scan_at_end(&p->scan);
    at = p->scan.pos;
    if (!sk_iotql_scan_word(&p->scan, "devices"))
        return sk_iotql_scan_fail(&p->scan, at, err, "expected devices or devices.modules");
    if (!sk_iotql_scan_sign(&p->scan, "."))
        return 0;
    p->q->is_of_modules = sk_iotql_scan_word(&p->scan, "modules");
    if (!p->q->is_of_modules)
        return sk_iotql_scan_fail(&p->scan, at, err, "expected devices or devices.modules");
    return 0;
}

static bool is_same(const struct node *a, const struct node *b)
{
    if (a->field != b->field || a->path.count != b->path.count)
        return false;
    for (size_t i = a->used; i < a->path.count; i++) {
        const struct segment *x = &a->path.segments[i], *y = &b->path.segments[i];

        if (x->is_index != y->is_index || x->name.len != y->name.len ||
            memcmp(x->name.ptr, y->name.ptr, x->name.len) != 0)
            return false;
    }
    return true;
}

static bool is_grouped(const struct sk_iotql *q, const struct node *n)
{
    for (size_t i = 0; i < q->group_count; i++)
        if (is_same(q->groups[i], n))
            return true;
    return false;
}

static int parse_groups(struct parse *p, struct sk_err *err)
{
    struct sk_iotql *q = p->q;

    if (!sk_iotql_scan_word(&p->scan, "BY"))
        return sk_iotql_scan_fail(&p->scan, p->scan.pos, err, "expected BY behind GROUP");
    if (q->is_star)
        return sk_iotql_scan_fail(&p->scan, p->scan.pos, err, "GROUP BY needs columns, not *");
    q->is_aggregate = true;
    do {
        if (q->group_count == SK_IOTQL_COLUMNS_MAX)
            return sk_fail(err, SK_LIMIT, "%s: more than %d fields in GROUP BY", p->scan.what,
                           SK_IOTQL_COLUMNS_MAX);
        if (parse_path(p, &q->groups[q->group_count], err) < 0)
            return -1;
        q->group_count++;
    } while (sk_iotql_scan_sign(&p->scan, ","));
    return 0;
}

static int check_columns(struct parse *p, struct sk_err *err)
{
    for (size_t i = 0; p->q->is_aggregate && i < p->q->column_count; i++) {
        const struct column *c = &p->q->columns[i];

        if (c->aggregate == A_NONE && !is_grouped(p->q, c->node))
            return sk_iotql_scan_fail(&p->scan, c->at, err,
                                      "a column beside aggregates must be in GROUP BY");
    }
    return 0;
}

static int parse_end(struct parse *p, const char *expected, struct sk_err *err)
{
    if (sk_iotql_scan_at_end(&p->scan))
        return 0;
    return sk_iotql_scan_fail(&p->scan, p->scan.pos, err, "expected %s", expected);
}

int sk_iotql_parse_query(struct sk_iotql *q, const char *text, struct sk_err *err)
{
    struct parse p = { .q = q };
    bool has_where;

    if (sk_iotql_scan_begin(&p.scan, "query", text, &q->arena, err) < 0)
        return -1;
    if (!sk_iotql_scan_word(&p.scan, "SELECT"))
        return sk_iotql_scan_fail(&p.scan, p.scan.pos, err, "expected SELECT");
    if (sk_iotql_scan_word(&p.scan, "TOP") && parse_top(&p, err) < 0)
        return -1;
    q->is_star = sk_iotql_scan_sign(&p.scan, "*");
    if (!q->is_star && parse_columns(&p, err) < 0)
        return -1;
    if (!sk_iotql_scan_word(&p.scan, "FROM"))
        return sk_iotql_scan_fail(&p.scan, p.scan.pos, err,
                                  q->is_star ? "expected FROM" : "expected , or AS or FROM");
    if (parse_source(&p, err) < 0)
        return -1;
    has_where = sk_iotql_scan_word(&p.scan, "WHERE");
    if (has_where && parse_or(&p, &q->where, err) < 0)
        return -1;
    if (sk_iotql_scan_word(&p.scan, "GROUP")) {
        if (parse_groups(&p, err) < 0 || parse_end(&p, ", or the end", err) < 0)
            return -1;
    } else if (parse_end(&p,
                         has_where ? "an operator, GROUP BY or the end"
                                   : "WHERE, GROUP BY or the end",
                         err) < 0) {
        return -1;
    }
    return check_columns(&p, err);
}

/* "capabilities.iotEdge = true", or what is true of none. */
static int parse_fixed(struct parse *p, const char *text, struct sk_err *err)
{
    if (sk_iotql_scan_begin(&p->scan, "target condition", text, &p->q->arena, err) < 0)
        return -1;
    return parse_or(p, &p->q->where, err);
}

int sk_iotql_parse_target(struct sk_iotql *q, const char *text, struct sk_err *err)
{
    struct parse p = { .q = q };

    q->is_star = true;
    if (sk_iotql_scan_begin(&p.scan, "target condition", text, &q->arena, err) < 0)
        return -1;
    if (sk_iotql_scan_at_end(&p.scan))
        return parse_fixed(&p, "false", err);
    if (sk_iotql_scan_sign(&p.scan, "*")) {
        if (parse_end(&p, "nothing behind *", err) < 0)
            return -1;
        return parse_fixed(&p, "capabilities.iotEdge = true", err);
    }
    if (sk_iotql_scan_word(&p.scan, "FROM")) {
        if (parse_source(&p, err) < 0)
            return -1;
        if (!sk_iotql_scan_word(&p.scan, "WHERE"))
            return sk_iotql_scan_fail(&p.scan, p.scan.pos, err, "expected WHERE");
    }
    if (parse_or(&p, &q->where, err) < 0)
        return -1;
    return parse_end(&p, "an operator or the end", err);
}
