/*
 * route_eval.c - does a message match a route?
 *
 * Values are undefined, null, true or false, numbers and texts. What is made of an undefined value,
 * or of values whose types do not fit, is undefined, except where the answer is known anyway:
 *
 *     AND | t f u    OR | t f u    NOT t = f, f = t, u = u
 *      t  | t f u     t | t t t    null counts as u, but null = null is true
 *      f  | f f f     f | t f u
 *      u  | u f u     u | t u u
 *
 * A condition holds when it is exactly true. The body is parsed when the first $body is met, once.
 */
#include "manifest/route_priv.h"

#include <math.h>
#include <string.h>
#include <strings.h>

struct eval {
    const struct sk_route_message *message;
    struct sk_arena scratch;
    struct sk_json *body;
    bool is_body_read;
};

static const struct sk_route_value undefined = { .kind = SK_ROUTE_UNDEFINED };

static struct sk_route_value eval(struct eval *e, const struct sk_route_node *n);

/* ---- what a message has ---- */

static const struct sk_json *body_of(struct eval *e)
{
    if (!e->is_body_read) {
        e->is_body_read = true;
        e->body = sk_route_body_read(e->message);
    }
    return e->body;
}

static struct sk_route_value text_or_undefined(const char *text)
{
    if (!text)
        return undefined;
    return (struct sk_route_value){ .kind = SK_ROUTE_TEXT, .text = sk_view_of(text) };
}

static struct sk_route_value body_value(struct eval *e, const struct sk_route_step *steps)
{
    const struct sk_json *v = sk_route_body_find(body_of(e), steps);

    if (!v)
        return undefined;
    switch (sk_json_type(v)) {
    case SK_JSON_NULL:
        return (struct sk_route_value){ .kind = SK_ROUTE_NULL };
    case SK_JSON_BOOL:
        return sk_route_bool(sk_json_bool(v, false));
    case SK_JSON_INT:
    case SK_JSON_REAL:
        return sk_route_number(sk_json_num(v, 0));
    case SK_JSON_STRING:
        return (struct sk_route_value){ .kind = SK_ROUTE_TEXT,
                                        .text = { sk_json_text(v, ""), sk_json_text_len(v) } };
    case SK_JSON_ARRAY:
    case SK_JSON_OBJECT:
        break;
    }
    return undefined;
}

/* A property of the very name wins over what the name would mean. */
static struct sk_route_value eval_name(struct eval *e, const struct sk_route_node *n)
{
    const struct sk_route_message *m = e->message;

    if (!n->is_escaped) {
        const char *text = m->property(m->ctx, n->name);

        if (text || n->op == SK_ROUTE_PROPERTY)
            return text_or_undefined(text);
    }
    if (n->op == SK_ROUTE_BODY)
        return body_value(e, n->steps);
    return text_or_undefined(m->system(m->ctx, n->name + 1));
}

static struct sk_route_value eval_twin(struct eval *e, const struct sk_route_node *n)
{
    const struct sk_json *body = body_of(e);

    return body ? sk_route_bool(sk_route_body_find(body, n->steps) != NULL) : undefined;
}

/* ---- operators ---- */

static struct sk_route_value eval_call(struct eval *e, const struct sk_route_node *n)
{
    struct sk_route_value args[SK_ROUTE_ARGS_MAX];
    size_t count = 0;

    for (const struct sk_route_node *a = n->first; a && count < SK_ROUTE_ARGS_MAX; a = a->next)
        args[count++] = eval(e, a);
    return n->function->call(&e->scratch, args, count);
}

static struct sk_route_value arithmetic(enum sk_route_sign sign, double a, double b)
{
    switch (sign) {
    case SK_SIGN_STAR:
        return sk_route_number(a * b);
    case SK_SIGN_SLASH:
        return sk_route_number(a / b);
    case SK_SIGN_PERCENT:
        return sk_route_number(fmod(a, b));
    case SK_SIGN_PLUS:
        return sk_route_number(a + b);
    default:
        return sk_route_number(a - b);
    }
}

/* Both of one kind: less than 0, 0, more than 0. */
static int compare(const struct sk_route_value *a, const struct sk_route_value *b)
{
    size_t len;
    int rc;

    switch (a->kind) {
    case SK_ROUTE_BOOL:
        return (int)a->is_true - (int)b->is_true;
    case SK_ROUTE_NUMBER:
        return (a->number > b->number) - (a->number < b->number);
    case SK_ROUTE_TEXT:
        len = a->text.len < b->text.len ? a->text.len : b->text.len;
        rc = len ? memcmp(a->text.ptr, b->text.ptr, len) : 0;
        return rc ? rc : (a->text.len > b->text.len) - (a->text.len < b->text.len);
    default:
        return 0;
    }
}

static struct sk_route_value comparison(enum sk_route_sign sign, const struct sk_route_value *a,
                                        const struct sk_route_value *b)
{
    int order;

    if (a->kind != b->kind || a->kind == SK_ROUTE_UNDEFINED)
        return undefined;
    order = compare(a, b);
    switch (sign) {
    case SK_SIGN_LT:
        return sk_route_bool(order < 0);
    case SK_SIGN_LE:
        return sk_route_bool(order <= 0);
    case SK_SIGN_GT:
        return sk_route_bool(order > 0);
    case SK_SIGN_GE:
        return sk_route_bool(order >= 0);
    case SK_SIGN_EQ:
        return sk_route_bool(order == 0);
    default:
        return sk_route_bool(order != 0);
    }
}

/* The side that settles it alone: false for AND, true for OR. */
static struct sk_route_value logic(struct eval *e, const struct sk_route_node *n)
{
    bool settles = n->sign == SK_SIGN_OR;
    struct sk_route_value a = eval(e, n->first), b;

    if (a.kind == SK_ROUTE_BOOL && a.is_true == settles)
        return a;
    b = eval(e, n->first->next);
    if (b.kind == SK_ROUTE_BOOL && b.is_true == settles)
        return b;
    return a.kind == SK_ROUTE_BOOL && b.kind == SK_ROUTE_BOOL ? a : undefined;
}

static struct sk_route_value eval_binary(struct eval *e, const struct sk_route_node *n)
{
    struct sk_route_value v[2];

    if (n->sign == SK_SIGN_AND || n->sign == SK_SIGN_OR)
        return logic(e, n);
    v[0] = eval(e, n->first);
    if (n->sign == SK_SIGN_COALESCE && v[0].kind != SK_ROUTE_UNDEFINED)
        return v[0];
    v[1] = eval(e, n->first->next);
    switch (n->sign) {
    case SK_SIGN_COALESCE:
        return v[1];
    case SK_SIGN_CONCAT:
        return sk_route_concat(&e->scratch, v, 2);
    case SK_SIGN_STAR:
    case SK_SIGN_SLASH:
    case SK_SIGN_PERCENT:
    case SK_SIGN_PLUS:
    case SK_SIGN_MINUS:
        if (v[0].kind != SK_ROUTE_NUMBER || v[1].kind != SK_ROUTE_NUMBER)
            return undefined;
        return arithmetic(n->sign, v[0].number, v[1].number);
    default:
        return comparison(n->sign, &v[0], &v[1]);
    }
}

static struct sk_route_value eval(struct eval *e, const struct sk_route_node *n)
{
    struct sk_route_value v;

    switch (n->op) {
    case SK_ROUTE_LITERAL:
        return n->value;
    case SK_ROUTE_PROPERTY:
    case SK_ROUTE_SYSTEM:
    case SK_ROUTE_BODY:
        return eval_name(e, n);
    case SK_ROUTE_CALL:
        return eval_call(e, n);
    case SK_ROUTE_TWIN:
        return eval_twin(e, n);
    case SK_ROUTE_NEGATE:
        v = eval(e, n->first);
        return v.kind == SK_ROUTE_NUMBER ? sk_route_number(-v.number) : undefined;
    case SK_ROUTE_NOT:
        v = eval(e, n->first);
        return v.kind == SK_ROUTE_BOOL ? sk_route_bool(!v.is_true) : undefined;
    case SK_ROUTE_BINARY:
        break;
    }
    return eval_binary(e, n);
}

struct sk_route_value sk_route_eval(const struct sk_route_node *condition,
                                    const struct sk_route_message *m)
{
    struct eval e = { .message = m, .scratch = SK_ARENA_INIT(SK_ROUTE_SCRATCH_MAX) };
    struct sk_route_value v = eval(&e, condition);

    /* A text may lie in what is freed here, and nobody asks for it. */
    if (v.kind == SK_ROUTE_TEXT)
        v.text = SK_VIEW("");
    sk_arena_done(&e.scratch);
    sk_json_free(e.body);
    return v;
}

/* ---- the source ---- */

/* Whether the source, ended by one '/', begins with the route's. */
static bool is_from(const struct sk_route *r, const char *source)
{
    size_t len = strlen(source);

    while (len > 0 && source[len - 1] == '/')
        len--;
    if (len + 1 < r->prefix_len || strncasecmp(source, r->prefix, r->prefix_len - 1) != 0)
        return false;
    return len + 1 == r->prefix_len || source[r->prefix_len - 1] == '/';
}

bool sk_route_matches(const struct sk_route *r, const struct sk_route_message *m)
{
    struct sk_route_value v;

    if (!is_from(r, m->source))
        return false;
    if (!r->condition)
        return true;
    v = sk_route_eval(r->condition, m);
    return v.kind == SK_ROUTE_BOOL && v.is_true;
}
