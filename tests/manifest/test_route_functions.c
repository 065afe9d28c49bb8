/*
 * test_route_functions.c - each function: values, wrong types, limits of positions.
 */
#include "manifest/route_priv.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define N(x)                                                                                       \
    {                                                                                              \
        .kind = SK_ROUTE_NUMBER, .number = (x)                                                     \
    }
#define T(x)                                                                                       \
    {                                                                                              \
        .kind = SK_ROUTE_TEXT, .text = {(x), sizeof(x) - 1 }                                       \
    }
#define B(x)                                                                                       \
    {                                                                                              \
        .kind = SK_ROUTE_BOOL, .is_true = (x)                                                      \
    }
#define NUL                                                                                        \
    {                                                                                              \
        .kind = SK_ROUTE_NULL                                                                      \
    }
#define U                                                                                          \
    {                                                                                              \
        .kind = SK_ROUTE_UNDEFINED                                                                 \
    }

static const struct {
    const char *name;
    size_t count;
    struct sk_route_value args[3], out;
} rows[] = {
    { "abs", 1, { N(-2.5) }, N(2.5) },
    { "ABS", 1, { N(3) }, N(3) },
    { "abs", 1, { T("3") }, U },
    { "abs", 1, { U }, U },
    { "exp", 1, { N(0) }, N(1) },
    { "power", 2, { N(2), N(10) }, N(1024) },
    { "power", 2, { N(-1), N(0.5) }, U }, /* not a number is undefined */
    { "power", 2, { N(2), T("10") }, U },
    { "square", 1, { N(-3) }, N(9) },
    { "ceiling", 1, { N(1.1) }, N(2) },
    { "floor", 1, { N(-1.1) }, N(-2) },
    { "sign", 1, { N(-7) }, N(-1) },
    { "sign", 1, { N(0) }, N(0) },
    { "sign", 1, { N(7) }, N(1) },
    { "sqrt", 1, { N(9) }, N(3) },
    { "sqrt", 1, { N(-9) }, U },
    { "as_number", 1, { T(" 42 ") }, N(42) },
    { "as_number", 1, { T("-1.5e2") }, N(-150) },
    { "as_number", 1, { N(5) }, N(5) },
    { "as_number", 1, { T("") }, U },
    { "as_number", 1, { T("4x") }, U },
    { "as_number", 1, { T("nan") }, U },
    { "as_number", 1, { T("0x10") }, U },
    { "as_number",
      1,
      { T("1\0"
          "2") },
      U },
    { "as_number", 1, { B(true) }, U },
    { "is_bool", 1, { B(false) }, B(true) },
    { "is_bool", 1, { U }, B(false) },
    { "is_defined", 1, { NUL }, B(true) },
    { "is_defined", 1, { U }, B(false) },
    { "is_null", 1, { NUL }, B(true) },
    { "is_null", 1, { T("null") }, B(false) },
    { "is_number", 1, { N(1) }, B(true) },
    { "is_number", 1, { T("1") }, B(false) },
    { "is_string", 1, { T("") }, B(true) },
    { "is_string", 1, { N(1) }, B(false) },
    { "concat", 2, { T("a"), T("b") }, T("ab") },
    { "concat", 3, { T("a"), T(""), T("c") }, T("ac") },
    { "concat", 2, { T("a"), N(1) }, U },
    { "length",
      1,
      { T("\xc3\xa4"
          "bc") },
      N(3) }, /* characters */
    { "length", 1, { T("") }, N(0) },
    { "length", 1, { N(1) }, U },
    { "lower", 1, { T("ABz[\xc3\x84") }, T("abz[\xc3\x84") },
    { "upper", 1, { T("abZ{\xc3\xa4") }, T("ABZ{\xc3\xa4") },
    { "upper", 1, { NUL }, U },
    { "substring",
      2,
      { T("\xc3\xa4"
          "bc"),
        N(1) },
      T("bc") },
    { "substring", 2, { T("abc"), N(3) }, T("") },
    { "substring", 2, { T("abc"), N(4) }, U },
    { "substring", 2, { T("abc"), N(-1) }, U },
    { "substring",
      3,
      { T("a\xc3\xa4"
          "c"),
        N(1), N(1) },
      T("\xc3\xa4") },
    { "substring", 3, { T("abc"), N(1), N(2) }, T("bc") },
    { "substring", 3, { T("abc"), N(1), N(3) }, U },
    { "substring", 3, { T("abc"), N(1), N(-1) }, U },
    { "substring", 3, { T("abc"), N(1.9), N(1.9) }, T("b") },
    { "substring", 3, { T("abc"), N(1), T("1") }, U },
    { "substring", 2, { N(1), N(1) }, U },
    { "index_of",
      2,
      { T("\xc3\xa4"
          "bc"),
        T("c") },
      N(2) },
    { "index_of", 2, { T("abc"), T("x") }, N(-1) },
    { "index_of", 2, { T("abc"), T("") }, N(0) },
    { "index_of", 2, { T(""), T("a") }, N(-1) },
    { "index_of", 2, { T("abc"), U }, U },
    { "contains", 2, { T("abc"), T("bc") }, B(true) },
    { "contains", 2, { T("abc"), T("BC") }, B(false) },
    { "contains", 2, { T(""), T("") }, B(true) },
    { "contains", 2, { N(1), T("") }, U },
    { "starts_with", 2, { T("abc"), T("ab") }, B(true) },
    { "starts_with", 2, { T("ab"), T("abc") }, B(false) },
    { "starts_with", 2, { T("ab"), T("") }, B(true) },
    { "starts_with", 2, { U, T("") }, U },
    { "ends_with", 2, { T("abc"), T("bc") }, B(true) },
    { "ends_with", 2, { T("abc"), T("ab") }, B(false) },
    { "ends_with", 2, { T("abc"), N(1) }, U },
};

static bool is_same(const struct sk_route_value *a, const struct sk_route_value *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == SK_ROUTE_TEXT)
        return a->text.len == b->text.len && memcmp(a->text.ptr, b->text.ptr, a->text.len) == 0;
    return a->kind == SK_ROUTE_NUMBER ? fabs(a->number - b->number) < 1e-9
                                      : a->is_true == b->is_true;
}

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct sk_route_function *f = sk_route_function_find(sk_view_of(rows[i].name));
        struct sk_arena scratch = SK_ARENA_INIT(1 << 16);
        struct sk_route_value v;

        assert_non_null(f);
        assert_in_range(rows[i].count, f->min_args, f->max_args);
        v = f->call(&scratch, rows[i].args, rows[i].count);
        if (!is_same(&v, &rows[i].out))
            fail_msg("row %zu: %s: kind %d, %g, '%.*s'", i, rows[i].name, v.kind, v.number,
                     (int)v.text.len, v.text.ptr ? v.text.ptr : "");
        sk_arena_done(&scratch);
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_null(sk_route_function_find(SK_VIEW("ab")));
    assert_null(sk_route_function_find(SK_VIEW("")));
    assert_string_equal(sk_route_function_near("startswith"), "starts_with");
    assert_null(sk_route_function_near("nothing_like_it"));
}

/* A text that does not fit in what an evaluation may take is undefined. */
static void test_scratch(void **state)
{
    static char big[SK_ROUTE_SCRATCH_MAX / 2 + 1];
    struct sk_arena scratch = SK_ARENA_INIT(SK_ROUTE_SCRATCH_MAX);
    struct sk_route_value args[2] = { { .kind = SK_ROUTE_TEXT, .text = { big, sizeof(big) } } };

    (void)state;
    memset(big, 'a', sizeof(big));
    args[1] = args[0];
    assert_int_equal(sk_route_concat(&scratch, args, 2).kind, SK_ROUTE_UNDEFINED);
    assert_int_equal(sk_route_function_find(SK_VIEW("upper"))->call(&scratch, args, 1).kind,
                     SK_ROUTE_TEXT);
    assert_int_equal(sk_route_function_find(SK_VIEW("lower"))->call(&scratch, args, 1).kind,
                     SK_ROUTE_UNDEFINED);
    sk_arena_done(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_scratch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
