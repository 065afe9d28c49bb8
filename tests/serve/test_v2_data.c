/* test_v2_data.c - elements from JSON: the bounds of every type, and strings in binary form. */
#include "serve/v2_priv.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void bounds(void **state)
{
    static const struct {
        enum sk_dtype dtype;
        const char *fits, *beyond;
    } rows[] = {
        { SK_DT_BOOL, "[true, false, 1, 0]", "[2]" },
        { SK_DT_U8, "[0, 255]", "[256]" },
        { SK_DT_U8, "[0]", "[-1]" },
        { SK_DT_U16, "[0, 65535]", "[65536]" },
        { SK_DT_U32, "[0, 4294967295]", "[4294967296]" },
        { SK_DT_U64, "[0, 9223372036854775807]", "[-1]" },
        { SK_DT_I8, "[-128, 127]", "[128]" },
        { SK_DT_I16, "[-32768, 32767]", "[-32769]" },
        { SK_DT_I32, "[-2147483648, 2147483647]", "[2147483648]" },
        { SK_DT_I64, "[-9223372036854775808, 9223372036854775807]", "[1.5]" },
        { SK_DT_F32, "[3.4e38, -1, 1e-45]", "[3.5e38]" },
        { SK_DT_F64, "[1.7e308, 2]", "[\"x\"]" },
        { SK_DT_BYTES, "[\"a\", \"\"]", "[1]" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int beyond = 0; beyond < 2; beyond++) {
            SK_AUTO(sk_arena_done) struct sk_arena arena = SK_ARENA_INIT(1 << 16);
            SK_OWN(sk_json_free) struct sk_json *data = NULL;
            const char *text = beyond ? rows[i].beyond : rows[i].fits;
            struct sk_err err = SK_ERR_INIT;

            assert_int_equal(sk_json_parse(text, strlen(text), NULL, &data, &err), 0);
            struct sk_tensor t = { .dtype = rows[i].dtype,
                                   .rank = 1,
                                   .dims = { (int64_t)sk_json_count(data) } };
            t.size_bytes = sk_json_count(data) * sk_dtype_size(t.dtype);
            if (sk_v2_json_data(data, &t, &arena, &err) != (beyond ? -1 : 0))
                fail_msg("%s %s: %s", sk_dtype_name(rows[i].dtype), text, err.text);
        }
    }
}

static void half_floats_have_no_json(void **state)
{
    SK_AUTO(sk_arena_done) struct sk_arena arena = SK_ARENA_INIT(1 << 16);
    SK_OWN(sk_json_free) struct sk_json *data = NULL;
    struct sk_tensor t = { .dtype = SK_DT_F16, .rank = 1, .dims = { 1 }, .size_bytes = 2 };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_json_parse("[1]", 3, NULL, &data, &err), 0);
    assert_int_equal(sk_v2_json_data(data, &t, &arena, &err), -1);
    assert_non_null(strstr(err.text, "send it as binary data"));
}

static void strings_in_binary(void **state)
{
    static const struct {
        const char *name, *bytes;
        size_t len;
        int64_t count;
        bool fits;
    } rows[] = {
        { "none", "", 0, 0, true },
        { "one empty", "\0\0\0\0", 4, 1, true },
        { "two", "\1\0\0\0a\2\0\0\0bc", 11, 2, true },
        { "cut length", "\1\0\0", 3, 1, false },
        { "cut text", "\5\0\0\0abc", 7, 1, false },
        { "huge length", "\xff\xff\xff\xff", 4, 1, false },
        { "rest", "\1\0\0\0ab", 6, 1, false },
        { "too many", "\0\0\0\0", 4, 1000000000000, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_arena_done) struct sk_arena arena = SK_ARENA_INIT(1 << 16);
        struct sk_tensor t = { .dtype = SK_DT_BYTES, .rank = 1, .dims = { rows[i].count } };
        struct sk_err err = SK_ERR_INIT;

        if ((sk_v2_binary_strings((struct sk_view){ rows[i].bytes, rows[i].len }, &t, &arena,
                                  &err) == 0) != rows[i].fits)
            fail_msg("%s: %s", rows[i].name, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds),
        cmocka_unit_test(half_floats_have_no_json),
        cmocka_unit_test(strings_in_binary),
    };

    return cmocka_run_group_tests_name("serve/v2_data", tests, NULL, NULL);
}
