/* test_v2_parse.c - inference requests as they come: JSON, binary, raw, and everything that is
 * wrong with them. */
#include "serve/v2_net.h"
#include "serve/v2_priv.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define X(rest) "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\"," rest "}]}"

static int parse(const char *body, size_t len, const char *header, const struct sk_net_info *net,
                 struct sk_v2_request *out, struct sk_arena *arena, struct sk_err *err)
{
    struct sk_json *doc = NULL;
    int rc = sk_v2_parse((struct sk_view){ body, len }, header, net, 1000, arena, &doc, out, err);

    sk_json_free(doc);
    return rc;
}

static void refuses(void **state)
{
    static const struct {
        const char *name, *body, *header, *expected; /* expected: part of the message */
    } rows[] = {
        { "empty", "", NULL, "" },
        { "not json", "hello", NULL, "" },
        { "array", "[]", NULL, "must be a JSON object" },
        { "nan", X("\"shape\":[1,2],\"data\":[NaN,1]"), NULL, "" },
        { "no inputs", "{}", NULL, "'inputs' must be an array" },
        { "inputs object", "{\"inputs\":{}}", NULL, "'inputs' must be an array" },
        { "input number", "{\"inputs\":[1]}", NULL, "inputs[0] must be an object" },
        { "no name", "{\"inputs\":[{}]}", NULL, "'name' must be a string" },
        { "unknown name", "{\"inputs\":[{\"name\":\"q\"}]}", NULL, "unexpected input 'q'" },
        { "unknown type", "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP33\"}]}", NULL,
          "unknown datatype 'FP33'" },
        { "other type",
          "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"INT8\",\"shape\":[1,2],\"data\":[1,2]}]}",
          NULL, "the model expects FP32" },
        { "no shape", X("\"data\":[1]"), NULL, "'shape' must be an array" },
        { "negative dim", X("\"shape\":[-1,2],\"data\":[1,2]"), NULL, "dimension 0" },
        { "text dim", X("\"shape\":[\"1\",2],\"data\":[1,2]"), NULL, "dimension 0" },
        { "fractional dim", X("\"shape\":[1.5,2],\"data\":[1,2]"), NULL, "dimension 0" },
        { "overflow", X("\"shape\":[4611686018427387904,4],\"data\":[1]"), NULL, "overflows" },
        { "overflow in bytes", X("\"shape\":[4611686018427387904,1],\"data\":[1]"), NULL,
          "overflows" },
        { "huge shape", X("\"shape\":[1000000000,2],\"data\":[1]"), NULL, "'data' has 1 elements" },
        { "rank", X("\"shape\":[1,1,1,1,1,1,1,1,2],\"data\":[1,2]"), NULL,
          "more than 8 dimensions" },
        { "no data", X("\"shape\":[1,2]"), NULL, "neither 'data' nor" },
        { "both", X("\"shape\":[1,2],\"data\":[1,2],\"parameters\":{\"binary_data_size\":8}"), NULL,
          "has both" },
        { "too few", X("\"shape\":[1,2],\"data\":[1]"), NULL,
          "'data' has 1 elements, 'shape' asks for 2" },
        { "too many", X("\"shape\":[1,2],\"data\":[[1,2],[3]]"), NULL, "'data' has 3 elements" },
        { "text element", X("\"shape\":[1,2],\"data\":[1,\"2\"]"), NULL,
          "element 1 of 'data' does not fit FP32" },
        { "float range", X("\"shape\":[1,2],\"data\":[1,1e39]"), NULL,
          "outside the range of FP32" },
        { "double range", X("\"shape\":[1,2],\"data\":[1,1e999]"), NULL, "" },
        { "data object", X("\"shape\":[1,2],\"data\":{}"), NULL, "'data' must be an array" },
        { "missing input", "{\"inputs\":[]}", NULL, "input 'x' is missing" },
        { "twice",
          "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,2],\"data\":[1,2]},"
          "{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,2],\"data\":[1,2]}]}",
          NULL, "given twice" },
        { "unknown output",
          "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,2],\"data\":[1,2]}],"
          "\"outputs\":[{\"name\":\"z\"}]}",
          NULL, "unexpected output 'z'" },
        { "header text", "{}", "abc", "Inference-Header-Content-Length" },
        { "header beyond", "{}", "3", "Inference-Header-Content-Length" },
        { "binary cut", X("\"shape\":[1,2],\"parameters\":{\"binary_data_size\":8}"), NULL,
          "only 0 bytes follow" },
        { "binary negative", X("\"shape\":[1,2],\"parameters\":{\"binary_data_size\":-8}"), NULL,
          "non-negative" },
        { "raw of three bytes", "abc", "0", "no whole number of tensors" },
        { "deep",
          X("\"shape\":[1,2],\"data\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
            "[[[[[1,2]]]]]]]]]]]]"
            "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"),
          NULL, "" },
        { "not utf-8", X("\"shape\":[1,2],\"data\":[\"\xff\"]"), NULL, "" },
        { "id number", "{\"id\":1,\"inputs\":[]}", NULL, "'id'" },
        { "timeout text", "{\"parameters\":{\"timeout\":\"1\"},\"inputs\":[]}", NULL, "timeout" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_arena_done) struct sk_arena arena = SK_ARENA_INIT(1 << 20);
        struct sk_err err = SK_ERR_INIT;
        struct sk_v2_request r;

        if (parse(rows[i].body, strlen(rows[i].body), rows[i].header, &v2_one, &r, &arena, &err) ==
            0)
            fail_msg("%s: was accepted", rows[i].name);
        if (!strstr(err.text, rows[i].expected))
            fail_msg("%s: '%s' lacks '%s'", rows[i].name, err.text, rows[i].expected);
        if (sk_code_http(err.code) != 400)
            fail_msg("%s: status %d", rows[i].name, sk_code_http(err.code));
    }
}

static void reads_json(void **state)
{
    static const char body[] =
        "{\"id\":\"a7\",\"parameters\":{\"timeout\":5},\"inputs\":["
        "{\"name\":\"s\",\"datatype\":\"BYTES\",\"shape\":[2],\"data\":[\"ab\",\"\"]},"
        "{\"name\":\"n\",\"datatype\":\"INT8\",\"shape\":[3],\"data\":[-128,0,127]},"
        "{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[2,2],\"data\":[[1,2.5],[-3e2,4]]}],"
        "\"outputs\":[{\"name\":\"t\",\"parameters\":{\"binary_data\":true}},"
        "{\"name\":\"y\",\"parameters\":{\"classification\":2}}]}";
    SK_AUTO(sk_arena_done) struct sk_arena arena = SK_ARENA_INIT(1 << 20);
    struct sk_err err = SK_ERR_INIT;
    struct sk_json *doc = NULL;
    struct sk_v2_request r;

    (void)state;
    assert_int_equal(sk_v2_parse((struct sk_view){ body, strlen(body) }, NULL, &v2_three, 1000,
                                 &arena, &doc, &r, &err),
                     0);
    assert_string_equal(r.id, "a7");
    assert_int_equal(r.timeout_us, 5);
    const float *x = r.inputs[0].data;
    assert_true(x[0] == 1.0f && x[1] == 2.5f && x[2] == -300.0f && x[3] == 4.0f);
    assert_int_equal(r.inputs[0].rank, 2);
    const int8_t *n = r.inputs[1].data;
    assert_true(n[0] == -128 && n[1] == 0 && n[2] == 127);
    assert_int_equal(r.inputs[2].string_lens[0], 2);
    assert_memory_equal(r.inputs[2].strings[0], "ab", 2);
    assert_int_equal(r.inputs[2].string_lens[1], 0);
    assert_int_equal(r.order_count, 2);
    assert_int_equal(r.order[0], 1); /* the order of the request */
    assert_true(r.outputs[1].is_binary);
    assert_int_equal(r.outputs[0].classification, 2);
    assert_false(r.outputs[0].is_binary);
    sk_json_free(doc);
}

/* Binary tensors follow the JSON in the order of the inputs, at any alignment. */
static void reads_binary(void **state)
{
    static const char json[] = "{\"inputs\":["
                               "{\"name\":\"n\",\"datatype\":\"INT8\",\"shape\":[3],\"parameters\":"
                               "{\"binary_data_size\":3}},"
                               "{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,2],"
                               "\"parameters\":{\"binary_data_size\":8}},"
                               "{\"name\":\"s\",\"datatype\":\"BYTES\",\"shape\":[2],"
                               "\"parameters\":{\"binary_data_size\":11}}],"
                               "\"parameters\":{\"binary_data_output\":true}}";
    static const unsigned char tail[] = { 1, 2, 255, 0, 0,   128, 63,  0, 0, 0, 64,
                                          3, 0, 0,   0, 'a', 'b', 'c', 0, 0, 0, 0 };
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(4096);
    SK_AUTO(sk_arena_done) struct sk_arena arena = SK_ARENA_INIT(1 << 20);
    struct sk_err err = SK_ERR_INIT;
    struct sk_v2_request r;
    char header[24];

    (void)state;
    sk_buf_add(&body, json, strlen(json));
    sk_buf_add(&body, tail, sizeof tail);
    (void)snprintf(header, sizeof header, "%zu", strlen(json));
    if (parse(body.data, body.len, header, &v2_three, &r, &arena, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(((const int8_t *)r.inputs[1].data)[2], -1);
    assert_true(((const float *)r.inputs[0].data)[1] == 2.0f);
    assert_memory_equal(r.inputs[2].strings[0], "abc", 3);
    assert_int_equal(r.inputs[2].string_lens[1], 0);
    assert_true(r.outputs[0].is_binary && r.outputs[1].is_binary);
    assert_int_equal(r.order_count, 2);

    /* One byte too many, and every way to cut it. */
    sk_buf_chr(&body, 'x');
    assert_int_equal(parse(body.data, body.len, header, &v2_three, &r, &arena, &err), -1);
    assert_non_null(strstr(err.text, "unexpected additional input data"));
    for (size_t len = 0; len < body.len - 1; len++)
        assert_int_equal(parse(body.data, len, header, &v2_three, &r, &arena, &err), -1);
}

static void reads_raw(void **state)
{
    static const float values[6] = { 1, 2, 3, 4, 5, 6 };
    SK_AUTO(sk_arena_done) struct sk_arena arena = SK_ARENA_INIT(1 << 20);
    struct sk_err err = SK_ERR_INIT;
    struct sk_v2_request r;

    (void)state;
    assert_int_equal(parse((const char *)values, sizeof values, "0", &v2_one, &r, &arena, &err), 0);
    assert_int_equal(r.inputs[0].dims[0], 3);
    assert_int_equal(r.inputs[0].dims[1], 2);
    assert_true(((const float *)r.inputs[0].data)[5] == 6.0f);
    assert_true(r.outputs[0].is_binary);
    assert_int_equal(parse((const char *)values, sizeof values, "0", &v2_three, &r, &arena, &err),
                     -1);
}

/* A map or sequence cannot be answered, so it is not part of "all". */
static void leaves_out_what_is_no_tensor(void **state)
{
    const struct sk_tensor_info outputs[] = {
        { .name = (char[]){ "label" }, .dtype = SK_DT_I64, .rank = 1, .dims = { -1 } },
        { .name = (char[]){ "scores" }, .dtype = SK_DT_COUNT },
    };
    static const char text[] =
        "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2]}]}";
    const struct sk_net_info net = {
        .inputs = v2_inputs, .input_count = 1, .outputs = outputs, .output_count = 2
    };
    SK_AUTO(sk_arena_done) struct sk_arena arena = SK_ARENA_INIT(1 << 20);
    struct sk_err err = SK_ERR_INIT;
    struct sk_v2_request r;

    (void)state;
    assert_int_equal(parse(text, sizeof text - 1, NULL, &net, &r, &arena, &err), 0);
    assert_int_equal(r.order_count, 1);
    assert_true(r.wanted[0] && !r.wanted[1]);
    assert_int_equal(parse("\0\0\0\0\0\0\0", 8, "0", &net, &r, &arena, &err), 0);
    assert_int_equal(r.order_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses),
        cmocka_unit_test(reads_json),
        cmocka_unit_test(reads_binary),
        cmocka_unit_test(reads_raw),
        cmocka_unit_test(leaves_out_what_is_no_tensor),
    };

    return cmocka_run_group_tests_name("serve/v2_parse", tests, NULL, NULL);
}
