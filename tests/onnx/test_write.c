/* test_write.c - models that are written: byte by byte, read back by the walker, and what can fail.
 */
#include "base/file.h"
#include "harness/alloc_fail.h"
#include "harness/golden.h"
#include "onnx/onnx.h"
#include "pb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

static int set_up(void **state)
{
    *state = sk_test_dir();
    return 0;
}

static int tear_down(void **state)
{
    sk_test_dir_free(*state);
    return 0;
}

static const char *model_path(void **state)
{
    static char path[512];

    (void)snprintf(path, sizeof path, "%s/m.onnx", (const char *)*state);
    return path;
}

static const struct sk_onnx_model header = { "g", "skerry", "1.2", 7, 13 };

/* Element k of tensor n is 10 n + k. */
static int fill(void *ctx, size_t number, float *out, struct sk_err *err)
{
    const size_t *counts = ctx;

    (void)err;
    for (size_t k = 0; k < counts[number]; k++)
        out[k] = (float)(10 * number + k);
    return 0;
}

/* y = leaky(x) + w, with an attribute of every type. */
static struct sk_onnx_writer *small_model(struct sk_err *err)
{
    static const struct sk_onnx_dim dims[] = { { 0, "batch_size" }, { 300, NULL } };
    struct sk_onnx_writer *w = NULL;

    if (sk_onnx_writer_new(&header, &w, err) < 0)
        return NULL;
    sk_onnx_add_input(w, "x", dims, 2);
    sk_onnx_add_node(
        w, &(struct sk_onnx_node){ .op = "Leaky",
                                   .name = "n1",
                                   .inputs = { "x" },
                                   .output = "h",
                                   .attrs = {
                                       { "alpha", SK_ONNX_FLOAT, .f = 0.5f },
                                       { "axis", SK_ONNX_INT, .i = -1 },
                                       { "pads", SK_ONNX_INTS, .ints = { 1, 2, 300 }, .count = 3 },
                                   } });
    sk_onnx_add_node(w, &(struct sk_onnx_node){
                            .op = "Add", .name = "n2", .inputs = { "h", "w" }, .output = "y" });
    (void)sk_onnx_add_tensor(w, "w", (const int64_t[]){ 1, 3 }, 2);
    (void)sk_onnx_add_tensor(w, "s", NULL, 0);
    sk_onnx_add_output(w, "y", dims, 2);
    sk_onnx_add_metadata(w, "key", "value");
    return w;
}

static const size_t small_counts[] = { 3, 1 };

/* ---- the same model, put together by the tests' own means ---- */

static void want_value(struct sk_buf *graph, unsigned field, const char *name)
{
    SK_AUTO(sk_buf_done) struct sk_buf inner = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf outer = SK_BUF_INIT(1 << 20);

    pb_text(&inner, 2, "batch_size");
    pb_message(&outer, 1, &inner);
    pb_varint(&inner, 1, 300);
    pb_message(&outer, 1, &inner); /* outer: the shape */
    pb_varint(&inner, 1, 1);
    pb_message(&inner, 2, &outer); /* inner: the tensor's type */
    pb_message(&outer, 1, &inner); /* outer: the type */
    pb_text(&inner, 1, name);
    pb_message(&inner, 2, &outer);
    pb_message(graph, field, &inner);
}

static void want_nodes(struct sk_buf *graph)
{
    SK_AUTO(sk_buf_done) struct sk_buf node = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf a = SK_BUF_INIT(1 << 20);

    pb_text(&node, 1, "x");
    pb_text(&node, 2, "h");
    pb_text(&node, 3, "n1");
    pb_text(&node, 4, "Leaky");
    pb_text(&a, 1, "alpha");
    sk_buf_add(&a, "\x15\x00\x00\x00\x3f", 5); /* f = 0.5 */
    pb_varint(&a, 20, 1);
    pb_message(&node, 5, &a);
    pb_text(&a, 1, "axis");
    pb_varint(&a, 3, UINT64_MAX);
    pb_varint(&a, 20, 2);
    pb_message(&node, 5, &a);
    pb_text(&a, 1, "pads");
    pb_varint(&a, 8, 1);
    pb_varint(&a, 8, 2);
    pb_varint(&a, 8, 300);
    pb_varint(&a, 20, 7);
    pb_message(&node, 5, &a);
    pb_message(graph, 1, &node);

    pb_text(&node, 1, "h");
    pb_text(&node, 1, "w");
    pb_text(&node, 2, "y");
    pb_text(&node, 3, "n2");
    pb_text(&node, 4, "Add");
    pb_message(graph, 1, &node);
}

static void want_tensors(struct sk_buf *graph)
{
    SK_AUTO(sk_buf_done) struct sk_buf t = SK_BUF_INIT(1 << 20);

    pb_varint(&t, 1, 1);
    pb_varint(&t, 1, 3);
    pb_varint(&t, 2, 1);
    pb_text(&t, 8, "w");
    pb_bytes(&t, 9, (const float[]){ 0, 1, 2 }, 12);
    pb_message(graph, 5, &t);
    pb_varint(&t, 2, 1);
    pb_text(&t, 8, "s");
    pb_bytes(&t, 9, (const float[]){ 10 }, 4);
    pb_message(graph, 5, &t);
}

static void want_model(struct sk_buf *model)
{
    SK_AUTO(sk_buf_done) struct sk_buf m = SK_BUF_INIT(1 << 20);

    pb_varint(model, 1, 7);
    pb_text(model, 2, "skerry");
    pb_text(model, 3, "1.2");
    want_nodes(&m);
    pb_text(&m, 2, "g");
    want_tensors(&m);
    want_value(&m, 11, "x");
    want_value(&m, 12, "y");
    pb_message(model, 7, &m);
    pb_text(&m, 1, "");
    pb_varint(&m, 2, 13);
    pb_message(model, 8, &m);
    pb_text(&m, 1, "key");
    pb_text(&m, 2, "value");
    pb_message(model, 14, &m);
}

static void bytes_are_as_expected(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf want = SK_BUF_INIT(1 << 20);
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_onnx_writer_free) struct sk_onnx_writer *w = small_model(&err);
    size_t counts[2] = { small_counts[0], small_counts[1] };
    SK_OWN(free) char *got = NULL;
    size_t len = 0;

    assert_non_null(w);
    if (sk_onnx_write(w, model_path(state), fill, counts, &err) < 0 ||
        sk_file_read(model_path(state), 1 << 20, &got, &len, &err) < 0)
        fail_msg("%s", err.text);
    want_model(&want);
    assert_int_equal(len, want.len);
    assert_memory_equal(got, want.data, len);
}

static void walker_reads_it(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_onnx_writer_free) struct sk_onnx_writer *w = small_model(&err);
    SK_OWN(sk_onnx_free) struct sk_onnx_info *info = NULL;
    size_t counts[2] = { small_counts[0], small_counts[1] };

    assert_non_null(w);
    if (sk_onnx_write(w, model_path(state), fill, counts, &err) < 0 ||
        sk_onnx_inspect(model_path(state), &info, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(info->ir_version, 7);
    assert_string_equal(info->producer, "skerry");
    assert_string_equal(info->graph_name, "g");
    assert_int_equal(info->opset_count, 1);
    assert_string_equal(info->opsets[0].value, "13");
    assert_int_equal(info->metadata_count, 1);
    assert_string_equal(info->metadata[0].key, "key");
    assert_int_equal(info->input_count, 1);
    assert_int_equal(info->inputs[0].rank, 2);
    assert_int_equal(info->inputs[0].dims[0], -1);
    assert_string_equal(info->inputs[0].dim_names[0], "batch_size");
    assert_int_equal(info->inputs[0].dims[1], 300);
    assert_int_equal(info->outputs[0].dtype, SK_DT_F32);
    assert_int_equal(info->node_count, 2);
    assert_int_equal(info->parameter_count, 4);
    assert_int_equal(info->weight_bytes, 16);
}

/* ---- failures: the old file stays, nothing is left beside it ---- */

static int refuse(void *ctx, size_t number, float *out, struct sk_err *err)
{
    (void)ctx;
    (void)out;
    return number == 0 ? 0 : sk_fail(err, SK_CANCELLED, "no more");
}

static void failures(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_onnx_writer_free) struct sk_onnx_writer *w = small_model(&err);
    SK_OWN(free) char *missing = sk_path_join(*state, "missing/m.onnx");
    SK_OWN(free) char *text = NULL;
    struct sk_dir dir = { 0 };
    size_t len = 0, counts[2] = { small_counts[0], small_counts[1] };

    assert_non_null(w);
    assert_int_equal(sk_file_write(model_path(state), "old", 3, 0600, &err), 0);
    assert_int_equal(sk_onnx_write(w, model_path(state), refuse, NULL, &err), -1);
    assert_int_equal(err.code, SK_CANCELLED);
    assert_int_equal(sk_file_read(model_path(state), 100, &text, &len, &err), 0);
    assert_string_equal(text, "old");
    assert_int_equal(sk_onnx_write(w, missing, fill, counts, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_int_equal(sk_dir_read(*state, &dir, &err), 0);
    assert_int_equal(dir.count, 1);
    sk_dir_done(&dir);
}

static void too_large(void **state)
{
    static const struct {
        const char *name;
        int64_t dims[4];
        size_t times;
    } rows[] = {
        { "one tensor of 2 GiB", { 1 << 29, 1, 1, 1 }, 1 },
        { "three of 0.75 GiB", { 3 << 26, 1, 1, 1 }, 3 },
        { "a product beyond 64 bits", { INT64_C(1) << 40, 1 << 20, 1 << 20, 1 }, 1 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_OWN(sk_onnx_writer_free) struct sk_onnx_writer *w = NULL;
        struct sk_err err = SK_ERR_INIT;

        assert_int_equal(sk_onnx_writer_new(&header, &w, &err), 0);
        for (size_t k = 0; k < rows[i].times; k++)
            (void)sk_onnx_add_tensor(w, "w", rows[i].dims, 4);
        if (sk_onnx_write(w, model_path(state), fill, NULL, &err) == 0 || err.code != SK_LIMIT)
            fail_msg("row '%s': %s", rows[i].name, err.text);
        assert_false(sk_is_file(model_path(state)));
    }
}

static int write_all(void *ctx, struct sk_err *err)
{
    SK_OWN(sk_onnx_writer_free) struct sk_onnx_writer *w = small_model(err);
    size_t counts[2] = { small_counts[0], small_counts[1] };

    if (!w)
        return -1;
    return sk_onnx_write(w, ctx, fill, counts, err);
}

static void no_memory(void **state)
{
    SK_OWN(free) char *path = sk_path_join(*state, "sweep.onnx");

    assert_true(sk_alloc_sweep("write", write_all, path, 0) > 10);
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(bytes_are_as_expected),
        ROW(walker_reads_it),
        ROW(failures),
        ROW(too_large),
        ROW(no_memory),
    };

    return cmocka_run_group_tests_name("write", tests, NULL, NULL);
}
