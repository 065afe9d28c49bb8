/*
 * route_functions.c - the functions of conditions, in one table.
 *
 * A value of the wrong type, or undefined, makes the answer undefined; is_*() alone always say true
 * or false. Positions and lengths count characters. lower() and upper() change ASCII letters.
 */
#include "manifest/route_priv.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    NUMBER_TEXT_MAX = 64,
    NEAR = 3 /* as many edits are a slip of the pen */
};

static const struct sk_route_value undefined = { .kind = SK_ROUTE_UNDEFINED };

struct sk_route_value sk_route_number(double n)
{
    return isnan(n) ? undefined : (struct sk_route_value){ .kind = SK_ROUTE_NUMBER, .number = n };
}

struct sk_route_value sk_route_bool(bool is_true)
{
    return (struct sk_route_value){ .kind = SK_ROUTE_BOOL, .is_true = is_true };
}

static struct sk_route_value text_value(const char *text, size_t len)
{
    return (struct sk_route_value){ .kind = SK_ROUTE_TEXT, .text = { text, len } };
}

static bool are_all(const struct sk_route_value *args, size_t count, enum sk_route_kind kind)
{
    for (size_t i = 0; i < count; i++)
        if (args[i].kind != kind)
            return false;
    return true;
}

/* ---- numbers ---- */

static double square_of(double x)
{
    return x * x;
}

static double sign_of(double x)
{
    return x > 0 ? 1 : x < 0 ? -1 : 0;
}

#define NUMERIC(name, of)                                                                          \
    static struct sk_route_value name(struct sk_arena *scratch, const struct sk_route_value *args, \
                                      size_t count)                                                \
    {                                                                                              \
        (void)scratch;                                                                             \
        (void)count;                                                                               \
        return args[0].kind == SK_ROUTE_NUMBER ? sk_route_number(of(args[0].number)) : undefined;  \
    }

NUMERIC(call_abs, fabs)
NUMERIC(call_exp, exp)
NUMERIC(call_square, square_of)
NUMERIC(call_ceiling, ceil)
NUMERIC(call_floor, floor)
NUMERIC(call_sign, sign_of)
NUMERIC(call_sqrt, sqrt)

static struct sk_route_value call_power(struct sk_arena *scratch, const struct sk_route_value *args,
                                        size_t count)
{
    (void)scratch;
    if (!are_all(args, count, SK_ROUTE_NUMBER))
        return undefined;
    return sk_route_number(pow(args[0].number, args[1].number));
}

/* ---- types ---- */

static struct sk_route_value call_as_number(struct sk_arena *scratch,
                                            const struct sk_route_value *args, size_t count)
{
    struct sk_view text = sk_view_trim(args[0].text);
    char copy[NUMBER_TEXT_MAX], *end;
    double n;

    (void)scratch;
    (void)count;
    if (args[0].kind == SK_ROUTE_NUMBER)
        return args[0];
    if (args[0].kind != SK_ROUTE_TEXT || text.len == 0 || text.len >= sizeof(copy))
        return undefined;
    for (size_t i = 0; i < text.len; i++)
        if (!isdigit((unsigned char)text.ptr[i]) && (!text.ptr[i] || !strchr("+-.eE", text.ptr[i])))
            return undefined;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    n = strtod(copy, &end);
    return *end ? undefined : sk_route_number(n);
}

#define IS_KIND(name, test)                                                                        \
    static struct sk_route_value name(struct sk_arena *scratch, const struct sk_route_value *args, \
                                      size_t count)                                                \
    {                                                                                              \
        (void)scratch;                                                                             \
        (void)count;                                                                               \
        return sk_route_bool(args[0].kind test);                                                   \
    }

IS_KIND(call_is_bool, == SK_ROUTE_BOOL)
IS_KIND(call_is_defined, != SK_ROUTE_UNDEFINED)
IS_KIND(call_is_null, == SK_ROUTE_NULL)
IS_KIND(call_is_number, == SK_ROUTE_NUMBER)
IS_KIND(call_is_string, == SK_ROUTE_TEXT)

/* ---- texts ---- */

struct sk_route_value sk_route_concat(struct sk_arena *scratch, const struct sk_route_value *args,
                                      size_t count)
{
    size_t len = 0, at = 0;
    char *text;

    if (!are_all(args, count, SK_ROUTE_TEXT))
        return undefined;
    for (size_t i = 0; i < count; i++)
        len += args[i].text.len;
    text = sk_arena_alloc(scratch, len + 1);
    if (!text)
        return undefined;
    for (size_t i = 0; i < count; i++) {
        memcpy(text + at, args[i].text.len ? args[i].text.ptr : "", args[i].text.len);
        at += args[i].text.len;
    }
    return text_value(text, len);
}

/* Bytes of the first `chars` characters. */
static size_t bytes_of(struct sk_view v, size_t chars)
{
    size_t at = 0;

    for (; chars > 0 && at < v.len; chars--) {
        size_t step = sk_utf8_step(v.ptr + at, v.len - at);

        at += step ? step : 1;
    }
    return at;
}

static size_t chars_of(const char *text, size_t len)
{
    size_t chars = 0;

    for (size_t at = 0; at < len; chars++) {
        size_t step = sk_utf8_step(text + at, len - at);

        at += step ? step : 1;
    }
    return chars;
}

static struct sk_route_value call_length(struct sk_arena *scratch,
                                         const struct sk_route_value *args, size_t count)
{
    (void)scratch;
    if (!are_all(args, count, SK_ROUTE_TEXT))
        return undefined;
    return sk_route_number((double)chars_of(args[0].text.ptr, args[0].text.len));
}

static struct sk_route_value change_case(struct sk_arena *scratch, const struct sk_route_value *arg,
                                         char first, char last)
{
    struct sk_view v = arg->text;
    char *text;

    if (arg->kind != SK_ROUTE_TEXT)
        return undefined;
    text = sk_arena_alloc(scratch, v.len + 1);
    if (!text)
        return undefined;
    for (size_t i = 0; i < v.len; i++)
        text[i] = v.ptr[i] >= first && v.ptr[i] <= last ? (char)(v.ptr[i] ^ 0x20) : v.ptr[i];
    return text_value(text, v.len);
}

static struct sk_route_value call_lower(struct sk_arena *scratch, const struct sk_route_value *args,
                                        size_t count)
{
    (void)count;
    return change_case(scratch, args, 'A', 'Z');
}

static struct sk_route_value call_upper(struct sk_arena *scratch, const struct sk_route_value *args,
                                        size_t count)
{
    (void)count;
    return change_case(scratch, args, 'a', 'z');
}

/* A length of what is not there is undefined, not shortened. */
static struct sk_route_value call_substring(struct sk_arena *scratch,
                                            const struct sk_route_value *args, size_t count)
{
    struct sk_view v = args[0].text;
    double chars, start, len;
    size_t from;

    (void)scratch;
    if (args[0].kind != SK_ROUTE_TEXT || !are_all(args + 1, count - 1, SK_ROUTE_NUMBER))
        return undefined;
    chars = (double)chars_of(v.ptr, v.len);
    start = trunc(args[1].number);
    if (start < 0 || start > chars)
        return undefined;
    len = count > 2 ? trunc(args[2].number) : chars - start;
    if (len < 0 || len > chars - start)
        return undefined;
    from = bytes_of(v, (size_t)start);
    v = (struct sk_view){ v.ptr + from, v.len - from };
    return text_value(v.ptr, bytes_of(v, (size_t)len));
}

static const char *find(struct sk_view in, struct sk_view what)
{
    return what.len ? memmem(in.ptr, in.len, what.ptr, what.len) : in.ptr;
}

static struct sk_route_value call_index_of(struct sk_arena *scratch,
                                           const struct sk_route_value *args, size_t count)
{
    const char *at;

    (void)scratch;
    if (!are_all(args, count, SK_ROUTE_TEXT))
        return undefined;
    at = find(args[0].text, args[1].text);
    if (!at && args[1].text.len > 0)
        return sk_route_number(-1);
    return sk_route_number(at ? (double)chars_of(args[0].text.ptr, (size_t)(at - args[0].text.ptr))
                              : 0);
}

static struct sk_route_value call_contains(struct sk_arena *scratch,
                                           const struct sk_route_value *args, size_t count)
{
    (void)scratch;
    if (!are_all(args, count, SK_ROUTE_TEXT))
        return undefined;
    return sk_route_bool(args[1].text.len == 0 || find(args[0].text, args[1].text) != NULL);
}

static bool is_at(struct sk_view in, size_t at, struct sk_view what)
{
    return what.len == 0 || memcmp(in.ptr + at, what.ptr, what.len) == 0;
}

static struct sk_route_value call_starts_with(struct sk_arena *scratch,
                                              const struct sk_route_value *args, size_t count)
{
    (void)scratch;
    if (!are_all(args, count, SK_ROUTE_TEXT))
        return undefined;
    return sk_route_bool(args[1].text.len <= args[0].text.len &&
                         is_at(args[0].text, 0, args[1].text));
}

static struct sk_route_value call_ends_with(struct sk_arena *scratch,
                                            const struct sk_route_value *args, size_t count)
{
    struct sk_view in = args[0].text, what = args[1].text;

    (void)scratch;
    if (!are_all(args, count, SK_ROUTE_TEXT))
        return undefined;
    return sk_route_bool(what.len <= in.len && is_at(in, in.len - what.len, what));
}

/* ---- the table ---- */

static const struct sk_route_function functions[] = {
    { "abs", 1, 1, call_abs },
    { "as_number", 1, 1, call_as_number },
    { "ceiling", 1, 1, call_ceiling },
    { "concat", 2, SK_ROUTE_ARGS_MAX, sk_route_concat },
    { "contains", 2, 2, call_contains },
    { "ends_with", 2, 2, call_ends_with },
    { "exp", 1, 1, call_exp },
    { "floor", 1, 1, call_floor },
    { "index_of", 2, 2, call_index_of },
    { "is_bool", 1, 1, call_is_bool },
    { "is_defined", 1, 1, call_is_defined },
    { "is_null", 1, 1, call_is_null },
    { "is_number", 1, 1, call_is_number },
    { "is_string", 1, 1, call_is_string },
    { "length", 1, 1, call_length },
    { "lower", 1, 1, call_lower },
    { "power", 2, 2, call_power },
    { "sign", 1, 1, call_sign },
    { "sqrt", 1, 1, call_sqrt },
    { "square", 1, 1, call_square },
    { "starts_with", 2, 2, call_starts_with },
    { "substring", 2, 3, call_substring },
    { "upper", 1, 1, call_upper },
};

const struct sk_route_function *sk_route_function_find(struct sk_view name)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        if (sk_view_eq_nocase(name, functions[i].name))
            return &functions[i];
    return NULL;
}

const char *sk_route_function_near(const char *name)
{
    const char *near = NULL;
    int least = NEAR + 1;

    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        int d = sk_edit_distance(name, functions[i].name);

        /* Half of a short name changed is another name. */
        if (d >= 0 && d < least && 2 * d < (int)strlen(functions[i].name)) {
            least = d;
            near = functions[i].name;
        }
    }
    return near;
}
