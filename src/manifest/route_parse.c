/*
 * route_parse.c - a route becomes a source, a tree and a sink.
 *
 * Conditions are read by precedence, tightest first:
 *
 *     ( )  literal  name  f()    unary -    NOT    * / %    + - ||    < <= > >=    = != <>
 *     AND    OR    ??
 *
 * NOT binds tighter than a comparison, as in edgeHub's grammar. All is kept in the route's arena;
 * the number of nodes bounds the tree's depth, for AND and OR chains lean to the left, and the
 * parser's own recursion has a bound of its own.
 */
#include "manifest/route_priv.h"

#include <string.h>

enum {
    ROUTE_BYTES = 1 << 20 /* of the arena: nodes, names and texts of a route at its limits */
};

struct parse {
    struct sk_route_lex lex;
    struct sk_route_word word; /* the one that is next */
    struct sk_route *route;
    unsigned depth;
    size_t nodes;
};

static int parse_condition(struct parse *p, unsigned min_level, struct sk_route_node **out,
                           struct sk_err *err);

/* ---- helpers ---- */

static int advance(struct parse *p, struct sk_err *err)
{
    return sk_route_lex_next(&p->lex, &p->word, err);
}

static bool is_word(const struct parse *p, const char *keyword)
{
    return p->word.sign == SK_SIGN_WORD && sk_view_eq_nocase(p->word.text, keyword);
}

static int expected(struct parse *p, struct sk_err *err, const char *what)
{
    return sk_route_fail(p->lex.text, p->word.at, err, "expected %s", what);
}

static int expect_sign(struct parse *p, enum sk_route_sign sign, const char *what,
                       struct sk_err *err)
{
    if (p->word.sign != sign)
        return expected(p, err, what);
    return advance(p, err);
}

static int copy_text(struct parse *p, struct sk_view text, const char **out, struct sk_err *err)
{
    *out = sk_arena_strndup(&p->route->arena, text.len ? text.ptr : "", text.len);
    return *out ? 0 : sk_nomem(err);
}

static int new_node(struct parse *p, enum sk_route_op op, struct sk_route_node **out,
                    struct sk_err *err)
{
    struct sk_route_node *n;

    if (++p->nodes > SK_ROUTE_NODES_MAX)
        return sk_route_fail(p->lex.text, p->word.at, err,
                             "a condition has at most %d names, values and operators",
                             SK_ROUTE_NODES_MAX);
    n = sk_arena_alloc(&p->route->arena, sizeof(*n));
    if (!n)
        return sk_nomem(err);
    *n = (struct sk_route_node){ .op = op };
    *out = n;
    return 0;
}

static int enter(struct parse *p, struct sk_err *err)
{
    if (++p->depth > SK_ROUTE_DEPTH_MAX)
        return sk_route_fail(p->lex.text, p->word.at, err, "nested deeper than %d",
                             SK_ROUTE_DEPTH_MAX);
    return 0;
}

/* ---- primaries ---- */

static int parse_literal(struct parse *p, struct sk_route_node **out, struct sk_err *err)
{
    if (new_node(p, SK_ROUTE_LITERAL, out, err) < 0)
        return -1;
    if (p->word.sign == SK_SIGN_NUMBER)
        (*out)->value = sk_route_number(p->word.number);
    else
        (*out)->value = (struct sk_route_value){ .kind = SK_ROUTE_TEXT, .text = p->word.text };
    return advance(p, err);
}

/* true, false, null, undefined: small letters only, otherwise it is a property's name. */
static bool is_constant(struct sk_view word, struct sk_route_value *out)
{
    if (sk_view_eq(word, "true") || sk_view_eq(word, "false"))
        *out = sk_route_bool(sk_view_eq(word, "true"));
    else if (sk_view_eq(word, "null"))
        *out = (struct sk_route_value){ .kind = SK_ROUTE_NULL };
    else if (sk_view_eq(word, "undefined"))
        *out = (struct sk_route_value){ .kind = SK_ROUTE_UNDEFINED };
    else
        return false;
    return true;
}

/* $name and $body.path; the word is next. */
static int parse_system(struct parse *p, bool is_escaped, struct sk_route_node **out,
                        struct sk_err *err)
{
    static const char body[] = "$body.";
    struct sk_view text = p->word.text;
    size_t skip = sizeof(body) - 1;

    if (new_node(p, SK_ROUTE_SYSTEM, out, err) < 0 || copy_text(p, text, &(*out)->name, err) < 0)
        return -1;
    (*out)->is_escaped = is_escaped;
    if (text.len >= skip && sk_view_eq_nocase((struct sk_view){ text.ptr, skip }, body)) {
        (*out)->op = SK_ROUTE_BODY;
        if (sk_route_steps(p->lex.text, p->word.at + skip,
                           (struct sk_view){ text.ptr + skip, text.len - skip }, &p->route->arena,
                           &(*out)->steps, err) < 0)
            return -1;
    } else if (text.len < 2 || memchr(text.ptr, '[', text.len) || memchr(text.ptr, ']', text.len)) {
        return expected(p, err, "a name of letters and digits behind the $");
    }
    return advance(p, err);
}

static int parse_twin_call(struct parse *p, struct sk_route_node **out, struct sk_err *err)
{
    size_t base = p->word.at + (p->word.sign == SK_SIGN_TEXT ? 1 : 0);

    if (p->word.sign != SK_SIGN_WORD && p->word.sign != SK_SIGN_TEXT)
        return expected(p, err, "a path, as in twin_change_includes(properties.reported.x)");
    if (new_node(p, SK_ROUTE_TWIN, out, err) < 0 ||
        sk_route_steps(p->lex.text, base, p->word.text, &p->route->arena, &(*out)->steps, err) <
            0 ||
        advance(p, err) < 0)
        return -1;
    return expect_sign(p, SK_SIGN_CLOSE, ")", err);
}

static int parse_args(struct parse *p, const struct sk_route_function *f, struct sk_route_node *n,
                      const struct sk_route_word *name, struct sk_err *err)
{
    struct sk_route_node **tail = &n->first;
    size_t count = 0;

    while (p->word.sign != SK_SIGN_CLOSE) {
        if (count > 0 && expect_sign(p, SK_SIGN_COMMA, ", or )", err) < 0)
            return -1;
        if (count == f->max_args)
            return sk_route_fail(p->lex.text, p->word.at, err, "%s() takes at most %zu value%s",
                                 f->name, f->max_args, f->max_args == 1 ? "" : "s");
        if (parse_condition(p, 0, tail, err) < 0)
            return -1;
        tail = &(*tail)->next;
        count++;
    }
    if (count < f->min_args)
        return sk_route_fail(p->lex.text, name->at, err, "%s() takes at least %zu value%s", f->name,
                             f->min_args, f->min_args == 1 ? "" : "s");
    return advance(p, err);
}

/* The ( is next. */
static int parse_call(struct parse *p, const struct sk_route_word *name, struct sk_route_node **out,
                      struct sk_err *err)
{
    const struct sk_route_function *f = sk_route_function_find(name->text);
    const char *copy, *near;

    if (advance(p, err) < 0)
        return -1;
    if (sk_view_eq_nocase(name->text, "twin_change_includes"))
        return parse_twin_call(p, out, err);
    if (!f) {
        if (copy_text(p, name->text, &copy, err) < 0)
            return -1;
        near = sk_route_function_near(copy);
        return sk_route_fail(p->lex.text, name->at, err, "no such function%s%s%s",
                             near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    if (enter(p, err) < 0 || new_node(p, SK_ROUTE_CALL, out, err) < 0)
        return -1;
    (*out)->function = f;
    if (parse_args(p, f, *out, name, err) < 0)
        return -1;
    p->depth--;
    return 0;
}

static int parse_name(struct parse *p, struct sk_route_node **out, struct sk_err *err)
{
    struct sk_route_word name = p->word;
    struct sk_route_value constant;

    if (advance(p, err) < 0)
        return -1;
    if (p->word.sign == SK_SIGN_OPEN)
        return parse_call(p, &name, out, err);
    if (is_constant(name.text, &constant)) {
        if (new_node(p, SK_ROUTE_LITERAL, out, err) < 0)
            return -1;
        (*out)->value = constant;
        return 0;
    }
    if (new_node(p, SK_ROUTE_PROPERTY, out, err) < 0)
        return -1;
    return copy_text(p, name.text, &(*out)->name, err);
}

static int parse_primary(struct parse *p, struct sk_route_node **out, struct sk_err *err)
{
    switch (p->word.sign) {
    case SK_SIGN_NUMBER:
    case SK_SIGN_TEXT:
        return parse_literal(p, out, err);
    case SK_SIGN_SYSTEM:
        return parse_system(p, false, out, err);
    case SK_SIGN_LEFT_BRACE:
        if (advance(p, err) < 0)
            return -1;
        if (p->word.sign != SK_SIGN_SYSTEM)
            return expected(p, err, "a system property, as in {$messageId}");
        if (parse_system(p, true, out, err) < 0)
            return -1;
        return expect_sign(p, SK_SIGN_RIGHT_BRACE, "}", err);
    case SK_SIGN_OPEN:
        if (enter(p, err) < 0 || advance(p, err) < 0 || parse_condition(p, 0, out, err) < 0 ||
            expect_sign(p, SK_SIGN_CLOSE, ") or an operator", err) < 0)
            return -1;
        p->depth--;
        return 0;
    default:
        break;
    }
    if (p->word.sign == SK_SIGN_WORD && !is_word(p, "SELECT") && !is_word(p, "FROM") &&
        !is_word(p, "WHERE") && !is_word(p, "INTO"))
        return parse_name(p, out, err);
    return expected(p, err, "a value, a name or a function");
}

/* ---- operators ---- */

static int parse_unary(struct parse *p, struct sk_route_node **out, struct sk_err *err)
{
    enum sk_route_op op = p->word.sign == SK_SIGN_NOT ? SK_ROUTE_NOT : SK_ROUTE_NEGATE;

    if (p->word.sign != SK_SIGN_NOT && p->word.sign != SK_SIGN_MINUS)
        return parse_primary(p, out, err);
    if (enter(p, err) < 0 || new_node(p, op, out, err) < 0 || advance(p, err) < 0 ||
        parse_unary(p, &(*out)->first, err) < 0)
        return -1;
    p->depth--;
    return 0;
}

/* 0: not an operator between two values. */
static unsigned level_of(enum sk_route_sign sign)
{
    switch (sign) {
    case SK_SIGN_COALESCE:
        return 1;
    case SK_SIGN_OR:
        return 2;
    case SK_SIGN_AND:
        return 3;
    case SK_SIGN_EQ:
    case SK_SIGN_NE:
        return 4;
    case SK_SIGN_LT:
    case SK_SIGN_LE:
    case SK_SIGN_GT:
    case SK_SIGN_GE:
        return 5;
    case SK_SIGN_PLUS:
    case SK_SIGN_MINUS:
    case SK_SIGN_CONCAT:
        return 6;
    case SK_SIGN_STAR:
    case SK_SIGN_SLASH:
    case SK_SIGN_PERCENT:
        return 7;
    default:
        return 0;
    }
}

/* *out is written as soon as there is something, so that a caller can link behind it. */
static int parse_condition(struct parse *p, unsigned min_level, struct sk_route_node **out,
                           struct sk_err *err)
{
    struct sk_route_node *left = NULL, *both = NULL;

    if (parse_unary(p, &left, err) < 0)
        return -1;
    for (;;) {
        unsigned level = level_of(p->word.sign);

        if (level == 0 || level < min_level)
            break;
        if (new_node(p, SK_ROUTE_BINARY, &both, err) < 0)
            return -1;
        both->sign = p->word.sign;
        both->first = left;
        if (advance(p, err) < 0 || parse_condition(p, level + 1, &left->next, err) < 0)
            return -1;
        left = both;
    }
    *out = left;
    return 0;
}

/* ---- source and sink ---- */

/* The / is next; lex.pos stands behind it. */
static int parse_source(struct parse *p, struct sk_err *err)
{
    size_t from = p->word.at, to;
    struct sk_view item;
    char *prefix;

    if (p->word.sign != SK_SIGN_SLASH)
        return expected(p, err, "a source, as in /messages/*");
    if (sk_route_lex_item(&p->lex, &item, err) < 0)
        return -1;
    while (p->lex.pos < p->lex.text.len && p->lex.text.ptr[p->lex.pos] == '/') {
        p->lex.pos++;
        if (sk_route_lex_item(&p->lex, &item, err) < 0)
            return -1;
    }
    to = p->lex.pos;
    while (to > from && p->lex.text.ptr[to - 1] == '*')
        to--;
    while (to > from && p->lex.text.ptr[to - 1] == '/')
        to--;
    prefix = sk_arena_alloc(&p->route->arena, to - from + 2);
    if (!prefix)
        return sk_nomem(err);
    memcpy(prefix, p->lex.text.ptr + from, to - from);
    prefix[to - from] = '/';
    prefix[to - from + 1] = 0;
    p->route->prefix = prefix;
    p->route->prefix_len = to - from + 1;
    return advance(p, err);
}

/* "/modules/{m}/inputs/{i}" */
static int parse_address(struct parse *p, struct sk_err *err)
{
    struct sk_view part[4] = { { NULL, 0 } }, rest = p->word.text;
    size_t count = 0;

    while (count < 4 && rest.len > 0 && rest.ptr[0] == '/') {
        const char *slash = memchr(rest.ptr + 1, '/', rest.len - 1);
        size_t len = slash ? (size_t)(slash - rest.ptr) : rest.len;

        part[count++] = (struct sk_view){ rest.ptr + 1, len - 1 };
        rest = (struct sk_view){ rest.ptr + len, rest.len - len };
    }
    if (count < 4 || rest.len > 0 || !sk_view_eq_nocase(part[0], "modules") ||
        !sk_view_eq_nocase(part[2], "inputs") || part[1].len == 0 || part[3].len == 0 ||
        memchr(p->word.text.ptr, 0, p->word.text.len))
        return expected(p, err, "\"/modules/{module}/inputs/{input}\"");
    if (copy_text(p, part[1], &p->route->module, err) < 0 ||
        copy_text(p, part[3], &p->route->input, err) < 0)
        return -1;
    return advance(p, err);
}

static int parse_sink(struct parse *p, struct sk_err *err)
{
    if (p->word.sign == SK_SIGN_SYSTEM && sk_view_eq_nocase(p->word.text, "$upstream"))
        return advance(p, err);
    if (!is_word(p, "BrokeredEndpoint"))
        return expected(p, err, "$upstream or BrokeredEndpoint(\"/modules/{module}/inputs/{i}\")");
    if (advance(p, err) < 0 || expect_sign(p, SK_SIGN_OPEN, "(", err) < 0)
        return -1;
    if (p->word.sign != SK_SIGN_TEXT)
        return expected(p, err, "\"/modules/{module}/inputs/{input}\"");
    if (parse_address(p, err) < 0)
        return -1;
    return expect_sign(p, SK_SIGN_CLOSE, ")", err);
}

static int parse_route(struct parse *p, struct sk_err *err)
{
    struct sk_route_node *condition = NULL;

    if (advance(p, err) < 0)
        return -1;
    if (is_word(p, "SELECT") &&
        (advance(p, err) < 0 || expect_sign(p, SK_SIGN_STAR, "* behind SELECT", err) < 0))
        return -1;
    if (!is_word(p, "FROM"))
        return expected(p, err, "FROM, as in FROM /messages/* INTO $upstream");
    if (advance(p, err) < 0 || parse_source(p, err) < 0)
        return -1;
    if (is_word(p, "WHERE")) {
        if (advance(p, err) < 0 || parse_condition(p, 0, &condition, err) < 0)
            return -1;
        p->route->condition = condition;
    }
    if (!is_word(p, "INTO"))
        return expected(p, err, condition ? "an operator or INTO" : "WHERE or INTO");
    if (advance(p, err) < 0 || parse_sink(p, err) < 0)
        return -1;
    if (is_word(p, "WHERE"))
        return expected(p, err, "the end; WHERE stands before INTO");
    return p->word.sign == SK_SIGN_END ? 0 : expected(p, err, "the end");
}

int sk_route_parse(const char *text, struct sk_route **out, struct sk_err *err)
{
    SK_OWN(sk_route_free) struct sk_route *r = NULL;
    struct parse p = { .lex = { .text = sk_view_of(text) } };

    if (p.lex.text.len > SK_ROUTE_TEXT_MAX)
        return sk_fail(err, SK_INVALID, "the route has %zu bytes, at most %d", p.lex.text.len,
                       SK_ROUTE_TEXT_MAX);
    if (!sk_utf8_valid(text, p.lex.text.len))
        return sk_fail(err, SK_INVALID, "the route is not UTF-8");
    r = calloc(1, sizeof(*r));
    if (!r)
        return sk_nomem(err);
    r->arena = (struct sk_arena)SK_ARENA_INIT(ROUTE_BYTES);
    r->source = sk_arena_strndup(&r->arena, text, p.lex.text.len);
    if (!r->source)
        return sk_nomem(err);
    /* Names that are not copied are views of the route's own text. */
    p.lex.text.ptr = r->source;
    p.lex.arena = &r->arena;
    p.route = r;
    if (parse_route(&p, err) < 0)
        return -1;
    *out = SK_TAKE(r);
    return 0;
}

void sk_route_free(struct sk_route *r)
{
    if (!r)
        return;
    sk_arena_done(&r->arena);
    free(r);
}

const char *sk_route_source(const struct sk_route *r)
{
    return r->source;
}

bool sk_route_is_upstream(const struct sk_route *r)
{
    return !r->module;
}

const char *sk_route_module(const struct sk_route *r)
{
    return r->module ? r->module : "$upstream";
}

const char *sk_route_input(const struct sk_route *r)
{
    return r->input;
}
