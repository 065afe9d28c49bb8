/* test_v2_write.c - answers: every type, binary parts, classification. */
#include "serve/v2_net.h"
#include "serve/v2_priv.h"

#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const float y[6] = { 0.25f, 3, -1, NAN, 1, 2 };
static const char *texts[2] = { "a\"b", "" };
static const size_t lens[2] = { 3, 0 };

static const char *label(void *ctx, size_t index)
{
    static const char *const names[] = { "zero", "one", "two" };

    (void)ctx;
    return names[index];
}

static void check(const struct sk_v2_output want[2], const char *expected, size_t expected_len,
                  size_t expected_header)
{
    const struct sk_tensor outputs[2] = {
        { .dtype = SK_DT_F32,
          .rank = 2,
          .dims = { 2, 3 },
          .data = (void *)(uintptr_t)y,
          .size_bytes = sizeof y },
        { .dtype = SK_DT_BYTES, .rank = 1, .dims = { 2 }, .strings = texts, .string_lens = lens },
    };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);
    struct sk_v2_request r = { .id = "i" };
    struct sk_err err = SK_ERR_INIT;
    size_t header = 99;

    for (size_t i = 0; i < 2; i++) {
        r.outputs[i] = want[i];
        if (want[i].is_wanted)
            r.order[r.order_count++] = i;
    }
    assert_int_equal(sk_v2_write(&r, &v2_one, outputs, "m", "7", label, NULL, &out, &header, &err),
                     0);
    if (out.len != expected_len || memcmp(out.data, expected, expected_len) != 0)
        fail_msg("got %.*s", (int)out.len, out.data);
    assert_int_equal(header, expected_header);
}

static void writes_json(void **state)
{
    static const char expected[] =
        "{\"model_name\":\"m\",\"model_version\":\"7\",\"id\":\"i\",\"outputs\":["
        "{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[2,3],\"data\":[0.25,3,-1,null,1,2]},"
        "{\"name\":\"t\",\"datatype\":\"BYTES\",\"shape\":[2],\"data\":[\"a\\\"b\",\"\"]}]}";

    (void)state;
    check((struct sk_v2_output[2]){ { .is_wanted = true }, { .is_wanted = true } }, expected,
          strlen(expected), 0);
}

static void writes_binary(void **state)
{
    static const char
        json[] = "{\"model_name\":\"m\",\"model_version\":\"7\",\"id\":\"i\",\"outputs\":["
                 "{\"name\":\"t\",\"datatype\":\"BYTES\",\"shape\":[2],\"parameters\":{\"binary_"
                 "data_size\":11}}]}";
    static const char tail[11] = { 3, 0, 0, 0, 'a', '"', 'b', 0, 0, 0, 0 };
    char expected[sizeof json - 1 + sizeof tail];

    (void)state;
    memcpy(expected, json, sizeof json - 1);
    memcpy(expected + sizeof json - 1, tail, sizeof tail);
    check((struct sk_v2_output[2]){ { 0 }, { .is_wanted = true, .is_binary = true } }, expected,
          sizeof expected, sizeof json - 1);
}

static void writes_classes(void **state)
{
    static const char expected[] =
        "{\"model_name\":\"m\",\"model_version\":\"7\",\"id\":\"i\",\"outputs\":["
        "{\"name\":\"y\",\"datatype\":\"BYTES\",\"shape\":[2,2],\"data\":["
        "\"3.000000:1:one\",\"0.250000:0:zero\",\"2.000000:2:two\",\"1.000000:1:one\"]}]}";

    (void)state;
    check((struct sk_v2_output[2]){ { .is_wanted = true, .classification = 2 }, { 0 } }, expected,
          strlen(expected), 0);
}

static void every_type_has_its_form(void **state)
{
    static const uint64_t raw[2] = { 1, 0 };

    static const struct {
        enum sk_dtype dtype;
        const char *data;
    } rows[] = {
        { SK_DT_BOOL, "[true]" }, { SK_DT_U8, "[1]" }, { SK_DT_U16, "[1]" }, { SK_DT_U32, "[1]" },
        { SK_DT_U64, "[1]" },     { SK_DT_I8, "[1]" }, { SK_DT_I16, "[1]" }, { SK_DT_I32, "[1]" },
        { SK_DT_I64, "[1]" },     { SK_DT_F16, NULL }, { SK_DT_BF16, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct sk_tensor t = { .dtype = rows[i].dtype,
                                     .rank = 1,
                                     .dims = { 1 },
                                     .data = (void *)(uintptr_t)raw,
                                     .size_bytes = sk_dtype_size(rows[i].dtype) };
        const struct sk_v2_request r = { .outputs = { { .is_wanted = true } }, .order_count = 1 };
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);
        struct sk_err err = SK_ERR_INIT;
        size_t header;
        int rc = sk_v2_write(&r, &v2_one, &t, "m", "1", NULL, NULL, &out, &header, &err);

        if (!rows[i].data) {
            assert_int_equal(rc, -1);
            assert_non_null(strstr(err.text, "ask for binary_data"));
        } else if (rc < 0 || !strstr(out.data, rows[i].data)) {
            fail_msg("%s: %s", sk_dtype_name(rows[i].dtype), rc < 0 ? err.text : out.data);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_json),
        cmocka_unit_test(writes_binary),
        cmocka_unit_test(writes_classes),
        cmocka_unit_test(every_type_has_its_form),
    };

    return cmocka_run_group_tests_name("serve/v2_write", tests, NULL, NULL);
}
