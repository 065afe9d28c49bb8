/* test_parts.c - names within their budget, arrays up to their limit, pairs. */
#include "onnx/onnx_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void names_share_a_budget(void **state)
{
    struct sk_onnx_walk w = { .name_bytes = SK_ONNX_MAX_NAME_BYTES - 4 };
    SK_AUTO(free_cleanup) char *name = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_onnx_take_name(&w, SK_VIEW("abc"), &name, &err), 0);
    assert_string_equal(name, "abc");
    assert_int_equal(sk_onnx_take_name(&w, SK_VIEW("xy"), &name, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    assert_string_equal(name, "abc");
    assert_int_equal(sk_onnx_take_name(&w, SK_VIEW("z"), &name, &err), 0);
    assert_string_equal(name, "z");
    assert_int_equal(sk_onnx_take_name(&w, (struct sk_view){ NULL, 0 }, &name, &err), 0);
    assert_string_equal(name, "");
}

static void arrays_grow_to_their_limit(void **state)
{
    SK_AUTO(free_cleanup) uint32_t *numbers = NULL;
    size_t count = 0, cap = 0;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t *n = sk_onnx_grow(&numbers, &count, &cap, sizeof(*n), 100, "numbers", &err);

        assert_non_null(n);
        assert_int_equal(*n, 0);
        *n = i;
    }
    assert_null(sk_onnx_grow(&numbers, &count, &cap, sizeof(*numbers), 100, "numbers", &err));
    assert_string_equal(err.text, "more than 100 numbers");
    assert_int_equal(count, 100);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(numbers[i], i);
}

static void once_is_once(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    bool seen = false;

    (void)state;
    assert_int_equal(sk_onnx_once(&seen, "the graph", &err), 0);
    assert_int_equal(sk_onnx_once(&seen, "the graph", &err), -1);
    assert_string_equal(err.text, "the graph occurs twice");
}

static void pairs(void **state)
{
    static const struct {
        const char *name, *bytes;
        size_t len;
        const char *key, *value; /* NULL: refused */
    } rows[] = {
        { "both", "\x0a\x01k\x12\x02vw", 7, "k", "vw" },
        { "other order", "\x12\x01v\x0a\x01k", 6, "k", "v" },
        { "absent", "", 0, "-", "-" },
        { "another field", "\x1a\x01x\x0a\x01k", 6, "k", "-" },
        { "a number", "\x08\x01", 2, NULL, NULL },
        { "cut off", "\x0a\x05k", 3, NULL, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const uint8_t *bytes = (const uint8_t *)rows[i].bytes;
        struct sk_wire m = { bytes, bytes, bytes + rows[i].len };
        struct sk_view key = SK_VIEW("-"), value = SK_VIEW("-");
        struct sk_err err = SK_ERR_INIT;
        int rc = sk_onnx_read_pair(m, &key, &value, &err);

        if ((rc < 0) != (rows[i].key == NULL))
            fail_msg("row '%s': %s", rows[i].name, rc < 0 ? err.text : "accepted");
        if (rc == 0 && (!sk_view_eq(key, rows[i].key) || !sk_view_eq(value, rows[i].value)))
            fail_msg("row '%s': other texts", rows[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_share_a_budget),
        cmocka_unit_test(arrays_grow_to_their_limit),
        cmocka_unit_test(once_is_once),
        cmocka_unit_test(pairs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
