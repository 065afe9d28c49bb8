/* test_value.c - inputs and outputs: numbers, names and absence of dimensions; types that are not
 * tensors. */
#include "onnx/onnx_priv.h"

#include "pb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BUF(name) SK_AUTO(sk_buf_done) struct sk_buf name = SK_BUF_INIT(1 << 20)

static void clear(struct sk_onnx_value *v)
{
    free(v->name);
    for (int i = 0; i < 8; i++)
        free(v->dim_names[i]);
}

static int read_value(struct sk_buf *message, struct sk_onnx_value *v, struct sk_err *err)
{
    struct sk_onnx_walk w = { .external.folder_fd = -1 };
    const uint8_t *bytes = (const uint8_t *)(message->data ? message->data : "");
    struct sk_wire_field f = { .number = 11,
                               .type = SK_WIRE_BYTES,
                               .body = { bytes, bytes, bytes + message->len } };

    return sk_onnx_read_value(&w, &f, v, err);
}

/* A value with the name "x" and this type: shape NULL for none. */
static void write_tensor(struct sk_buf *value, unsigned elem_type, struct sk_buf *shape)
{
    BUF(type);
    BUF(tensor);

    pb_varint(&tensor, 1, elem_type);
    if (shape)
        pb_message(&tensor, 2, shape);
    pb_message(&type, 1, &tensor);
    pb_text(value, 1, "x");
    pb_message(value, 2, &type);
}

static void dimensions(void **state)
{
    SK_AUTO(clear) struct sk_onnx_value v = { 0 };
    BUF(shape);
    BUF(dim);
    BUF(value);
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    pb_varint(&dim, 1, 7); /* a number */
    pb_message(&shape, 1, &dim);
    pb_text(&dim, 2, "batch"); /* a name */
    pb_message(&shape, 1, &dim);
    pb_message(&shape, 1, &dim);      /* neither */
    pb_varint(&dim, 1, (uint64_t)-1); /* what some exporters write for "any" */
    pb_message(&shape, 1, &dim);
    pb_text(&dim, 2, ""); /* an empty name */
    pb_message(&shape, 1, &dim);
    pb_varint(&dim, 1, 0); /* zero is a size */
    pb_message(&shape, 1, &dim);
    pb_text(&dim, 2, "n"); /* the last of a oneof counts; the number wins here, as the stricter one
                            */
    pb_varint(&dim, 1, 3);
    pb_message(&shape, 1, &dim);
    write_tensor(&value, 1, &shape);
    if (read_value(&value, &v, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(v.name, "x");
    assert_int_equal(v.dtype, SK_DT_F32);
    assert_true(v.has_shape);
    assert_int_equal(v.rank, 7);
    {
        const int64_t want[] = { 7, -1, -1, -1, -1, 0, 3 };

        assert_memory_equal(v.dims, want, sizeof(want));
    }
    assert_string_equal(v.dim_names[1], "batch");
    for (int i = 0; i < 8; i++)
        assert_true(i == 1 || v.dim_names[i] == NULL);
}

static void shapes_of_no_and_zero_dimensions(void **state)
{
    SK_AUTO(clear) struct sk_onnx_value any = { 0 };
    SK_AUTO(clear) struct sk_onnx_value scalar = { 0 };
    BUF(value);
    BUF(shape);
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    write_tensor(&value, 7, NULL);
    assert_int_equal(read_value(&value, &any, &err), 0);
    assert_false(any.has_shape);
    sk_buf_clear(&value);
    write_tensor(&value, 7, &shape);
    assert_int_equal(read_value(&value, &scalar, &err), 0);
    assert_true(scalar.has_shape);
    assert_int_equal(scalar.rank, 0);
}

/* [bundle-31] */
static void eight_dimensions_and_nine(void **state)
{
    (void)state;
    for (int rank = 8; rank <= 9; rank++) {
        SK_AUTO(clear) struct sk_onnx_value v = { 0 };
        BUF(value);
        BUF(shape);
        BUF(dim);
        struct sk_err err = SK_ERR_INIT;

        for (int i = 0; i < rank; i++) {
            pb_varint(&dim, 1, 1);
            pb_message(&shape, 1, &dim);
        }
        write_tensor(&value, 1, &shape);
        assert_int_equal(read_value(&value, &v, &err), rank == 8 ? 0 : -1);
        assert_int_equal(err.code, rank == 8 ? SK_OK : SK_LIMIT);
    }
}

static void element_types(void **state)
{
    static const enum sk_dtype want[] = {
        SK_DT_COUNT, SK_DT_F32, SK_DT_U8,    SK_DT_I8,    SK_DT_U16,  SK_DT_I16,
        SK_DT_I32,   SK_DT_I64, SK_DT_BYTES, SK_DT_BOOL,  SK_DT_F16,  SK_DT_F64,
        SK_DT_U32,   SK_DT_U64, SK_DT_COUNT, SK_DT_COUNT, SK_DT_BF16, SK_DT_COUNT,
    };

    (void)state;
    for (unsigned t = 0; t < sizeof(want) / sizeof(want[0]); t++) {
        SK_AUTO(clear) struct sk_onnx_value v = { 0 };
        BUF(value);
        struct sk_err err = SK_ERR_INIT;

        write_tensor(&value, t, NULL);
        assert_int_equal(read_value(&value, &v, &err), 0);
        if (v.dtype != want[t])
            fail_msg("type %u: %s", t, sk_dtype_name(v.dtype));
    }
}

static void types_that_are_no_tensors(void **state)
{
    SK_AUTO(clear) struct sk_onnx_value v = { 0 };
    BUF(value);
    BUF(type);
    BUF(sequence);
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    pb_message(&type, 4, &sequence);
    pb_text(&value, 1, "parts");
    pb_message(&value, 2, &type);
    assert_int_equal(read_value(&value, &v, &err), 0);
    assert_string_equal(v.name, "parts");
    assert_int_equal(v.dtype, SK_DT_COUNT);
}

static void what_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *text;
    } rows[] = {
        { "\x08\x01", 2, "field 1 has wire type 0" },
        { "\x12\x00\x12\x00", 4, "the type of a value occurs twice" },
        { "\x12\x04\x0a\x00\x0a\x00", 6, "the type of a value occurs twice" },
        { "\x12\x06\x0a\x04\x12\x00\x12\x00", 8, "the shape of a value occurs twice" },
        { "\x12\x02\x08\x01", 4, "field 1 has wire type 0" },
        { "\x12\x09", 2, "wants 9 bytes" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_AUTO(clear) struct sk_onnx_value v = { 0 };
        BUF(value);
        struct sk_err err = SK_ERR_INIT;

        sk_buf_add(&value, rows[i].bytes, rows[i].len);
        if (read_value(&value, &v, &err) == 0)
            fail_msg("row %zu: accepted", i);
        if (err.code != SK_CORRUPT || !strstr(err.text, rows[i].text))
            fail_msg("row %zu: %s", i, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dimensions),
        cmocka_unit_test(shapes_of_no_and_zero_dimensions),
        cmocka_unit_test(eight_dimensions_and_nine),
        cmocka_unit_test(element_types),
        cmocka_unit_test(types_that_are_no_tensors),
        cmocka_unit_test(what_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
