/* test_tensor.c - sizes of tensors by type and shape, and what is refused about them. */
#include "onnx/onnx_priv.h"

#include "pb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int read_tensor(struct sk_buf *message, struct sk_onnx_tensor *out, struct sk_err *err)
{
    struct sk_onnx_walk w = { .external.folder_fd = -1 };
    const uint8_t *bytes = (const uint8_t *)(message->data ? message->data : "");

    return sk_onnx_read_tensor(&w, (struct sk_wire){ bytes, bytes, bytes + message->len }, out,
                               err);
}

static void sizes(void **state)
{
    static const struct {
        const char *name;
        unsigned type; /* TensorProto.DataType */
        uint64_t dims[3];
        uint64_t bytes;
    } rows[] = {
        { "FLOAT", 1, { 2, 3, 4 }, 96 },
        { "UINT8", 2, { 2, 3, 4 }, 24 },
        { "INT64", 7, { 2, 3, 4 }, 192 },
        { "STRING", 8, { 2, 3, 4 }, 0 },
        { "BOOL", 9, { 2, 3, 4 }, 24 },
        { "FLOAT16", 10, { 2, 3, 4 }, 48 },
        { "COMPLEX128", 15, { 2, 3, 4 }, 384 },
        { "BFLOAT16", 16, { 2, 3, 4 }, 48 },
        { "FLOAT8E5M2", 19, { 2, 3, 4 }, 24 },
        { "UINT4 rounds up", 21, { 1, 1, 5 }, 3 },
        { "INT2 rounds up", 26, { 1, 1, 5 }, 2 },
        { "unknown", 99, { 2, 3, 4 }, 0 },
        { "empty", 1, { 2, 0, 4 }, 0 },
        { "as large as may be",
          15,
          { UINT64_C(1) << 20, UINT64_C(1) << 20, 1 },
          UINT64_C(1) << 44 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int is_packed = 0; is_packed < 2; is_packed++) {
            SK_AUTO(sk_buf_done) struct sk_buf m = SK_BUF_INIT(1 << 20);
            SK_AUTO(sk_buf_done) struct sk_buf packed = SK_BUF_INIT(1 << 20);
            struct sk_onnx_tensor t;
            struct sk_err err = SK_ERR_INIT;

            for (int k = 0; k < 3; k++) {
                if (is_packed)
                    pb_raw_varint(&packed, rows[i].dims[k]);
                else
                    pb_varint(&m, 1, rows[i].dims[k]);
            }
            if (is_packed)
                pb_message(&m, 1, &packed);
            pb_varint(&m, 2, rows[i].type);
            pb_text(&m, 8, "w");
            if (read_tensor(&m, &t, &err) < 0)
                fail_msg("row '%s': %s", rows[i].name, err.text);
            if (sk_onnx_tensor_bytes(&t) != rows[i].bytes || !sk_view_eq(t.name, "w"))
                fail_msg("row '%s': other size", rows[i].name);
        }
    }
}

static void a_scalar(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf m = SK_BUF_INIT(1 << 20);
    struct sk_onnx_tensor t;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    pb_varint(&m, 2, 1);
    assert_int_equal(read_tensor(&m, &t, &err), 0);
    assert_int_equal(t.elements, 1);
}

static void negative(struct sk_buf *m)
{
    pb_varint(m, 1, (uint64_t)-1);
}

static void too_many(struct sk_buf *m)
{
    pb_varint(m, 1, UINT64_C(1) << 20);
    pb_varint(m, 1, (UINT64_C(1) << 20) + 1);
}

static void overflowing(struct sk_buf *m)
{
    pb_varint(m, 1, UINT64_C(1) << 33);
    pb_varint(m, 1, UINT64_C(1) << 33);
}

static void packed_overflowing(struct sk_buf *m)
{
    pb_bytes(m, 1, "\xff\xff\xff\xff\x7f\xff\xff\xff\xff\x7f", 10);
}

static void packed_cut_off(struct sk_buf *m)
{
    pb_bytes(m, 1, "\x02\x80", 2);
}

static void two_locations(struct sk_buf *m)
{
    pb_pair(m, 13, "location", "a");
    pb_pair(m, 13, "location", "b");
}

static void no_location(struct sk_buf *m)
{
    pb_varint(m, 14, 1);
}

static void only_a_checksum(struct sk_buf *m)
{
    pb_pair(m, 13, "checksum", "0");
}

static void name_as_number(struct sk_buf *m)
{
    pb_varint(m, 8, 1);
}

static void type_as_text(struct sk_buf *m)
{
    pb_text(m, 2, "FLOAT");
}

static void what_is_refused(void **state)
{
    static const struct {
        void (*write)(struct sk_buf *m);
        const char *text;
    } rows[] = {
        { negative, "a negative dimension" },
        { too_many, "more than 2^40 elements" },
        { overflowing, "more than 2^40 elements" },
        { packed_overflowing, "more than 2^40 elements" },
        { packed_cut_off, "a number is cut off" },
        { two_locations, "two values for 'location'" },
        { no_location, "external data without a location" },
        { only_a_checksum, "external data without a location" },
        { name_as_number, "field 8 has wire type 0" },
        { type_as_text, "field 2 has wire type 2" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf m = SK_BUF_INIT(1 << 20);
        struct sk_onnx_tensor t;
        struct sk_err err = SK_ERR_INIT;

        rows[i].write(&m);
        if (read_tensor(&m, &t, &err) == 0)
            fail_msg("row %zu: accepted", i);
        if (err.code != SK_CORRUPT || !strstr(err.text, rows[i].text))
            fail_msg("row %zu: %s", i, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(a_scalar),
        cmocka_unit_test(what_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
