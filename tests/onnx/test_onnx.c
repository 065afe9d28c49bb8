/* test_onnx.c - whole files: what is read out of good ones, what is said about others, and every
 * cut of one. */
#include "onnx/onnx.h"

#include "base/file.h"
#include "pb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/alloc_fail.h"
#include "harness/golden.h"

static struct sk_onnx_info *inspect(const char *name)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_onnx_info *info = NULL;
    char path[256];

    (void)snprintf(path, sizeof(path), "tests/data/models/%s.onnx", name);
    if (sk_onnx_inspect(sk_source_path(path), &info, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    return info;
}

static void a_classifier(void **state)
{
    SK_OWN(sk_onnx_free) struct sk_onnx_info *info = inspect("scores");

    (void)state;
    assert_int_equal(info->ir_version, 8);
    assert_string_equal(info->producer, "skerry-tests");
    assert_string_equal(info->graph_name, "scores");
    assert_int_equal(info->opset_count, 1);
    assert_string_equal(info->opsets[0].key, "");
    assert_string_equal(info->opsets[0].value, "13");
    assert_int_equal(info->input_count, 1);
    assert_string_equal(info->inputs[0].name, "input");
    assert_int_equal(info->inputs[0].dtype, SK_DT_F32);
    assert_true(info->inputs[0].has_shape);
    assert_int_equal(info->inputs[0].rank, 4);
    assert_int_equal(info->inputs[0].dims[0], -1);
    assert_string_equal(info->inputs[0].dim_names[0], "batch");
    assert_int_equal(info->inputs[0].dims[1], 3);
    assert_null(info->inputs[0].dim_names[1]);
    assert_int_equal(info->output_count, 1);
    assert_int_equal(info->node_count, 3);
    assert_int_equal(info->op_count, 3);
    assert_int_equal(info->parameter_count, 8);
    assert_int_equal(info->weight_bytes, 32);
    assert_int_equal(info->external_count, 0);
    assert_true(info->file_bytes > 200);
}

/* [bundle-35] old_inputs */
static void other_models(void **state)
{
    SK_OWN(sk_onnx_free) struct sk_onnx_info *types = inspect("types");
    SK_OWN(sk_onnx_free) struct sk_onnx_info *sequence = inspect("sequence");
    SK_OWN(sk_onnx_free) struct sk_onnx_info *external = inspect("external");
    SK_OWN(sk_onnx_free) struct sk_onnx_info *old = inspect("old_inputs");
    SK_OWN(sk_onnx_free) struct sk_onnx_info *slow = inspect("slow");

    (void)state;
    for (unsigned t = 0; t < SK_DT_COUNT; t++)
        assert_int_equal(types->inputs[t].dtype, t);
    assert_int_equal(sequence->outputs[1].dtype, SK_DT_COUNT);
    assert_false(sequence->outputs[1].has_shape);
    assert_int_equal(external->external_count, 1);
    assert_string_equal(external->external_files[0], "external.bin");
    assert_int_equal(external->external_bytes, 32);
    assert_int_equal(external->weight_bytes, 16);
    assert_int_equal(old->ir_version, 3);
    assert_int_equal(old->input_count, 1); /* the initializer is none */
    assert_string_equal(old->inputs[0].name, "x");
    assert_int_equal(slow->inputs[0].rank, 0);
    assert_true(slow->inputs[0].has_shape);
    assert_int_equal(slow->node_count, 3); /* the loop's body is counted */
    assert_int_equal(slow->parameter_count, 3);
}

/* [bundle-30] */
static void files_that_are_not_onnx(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *text;
    } rows[] = {
        { "", 0, "the file is empty" },
        { NULL, 0, "the file is empty" }, /* the map of an empty file */
        { "version https://git-lfs.github.com/spec/v1\n", 43,
          "Git LFS pointer (run `git lfs pull`" },
        { "\x18\0\0\0ORTM\0\0", 10, ".ort file" },
        { "PK\003\004rest", 8, "a zip archive such as a PyTorch checkpoint" },
        { "\x89HDF\r\n", 6, "an HDF5 file" },
        { "\x1c\0\0\0TFL3", 8, "TensorFlow Lite" },
        { "\xff\xd8\xff\xe0", 4, "a JPEG picture" },
        { "\x89PNG\r\n", 6, "a PNG picture" },
        { "<!DOCTYPE html>", 15, "an HTML or XML page" },
        { "{\"a\": 1}", 8, "a JSON text" },
        { "\x08\x08", 2, "not a sound ONNX model: it has no graph" },
        { "\x08\x08\x3a\x05"
          "ab",
          6, "not a sound ONNX model: field 7 at byte 3 wants 5 bytes, 2 are left" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_onnx_info *info = NULL;

        if (sk_onnx_inspect_bytes(rows[i].bytes, rows[i].len, NULL, &info, &err) == 0)
            fail_msg("row %zu: accepted", i);
        if (err.code != SK_CORRUPT || !strstr(err.text, rows[i].text))
            fail_msg("row %zu: %s", i, err.text);
    }
}

/* Every beginning of a model is refused or is a model; with a text, without reading beyond its end
 * (ASan). */
static void every_cut(void **state)
{
    SK_AUTO(sk_map_close) struct sk_map map = { 0 };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_map_open(sk_source_path("tests/data/models/slow.onnx"), &map, &err), 0);
    for (size_t len = 0; len < map.len; len++) {
        SK_OWN(sk_onnx_free) struct sk_onnx_info *info = NULL;
        SK_AUTO(free_cleanup) char *copy = malloc(len + 1);
        struct sk_err why = SK_ERR_INIT;

        memcpy(copy, map.ptr, len);
        if (sk_onnx_inspect_bytes(copy, len, NULL, &info, &why) < 0 &&
            (why.code != SK_CORRUPT || why.text[0] == '\0'))
            fail_msg("cut at %zu: %s", len, why.text);
    }
}

static void random_bytes(void **state)
{
    unsigned seed = 12345;
    unsigned char bytes[256];

    (void)state;
    for (int round = 0; round < 20000; round++) {
        SK_OWN(sk_onnx_free) struct sk_onnx_info *info = NULL;
        struct sk_err err = SK_ERR_INIT;
        size_t len;

        for (size_t i = 0; i < sizeof(bytes); i++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[i] = (unsigned char)(seed >> 24);
        }
        len = 1 + bytes[0] % 200;
        if (sk_onnx_inspect_bytes(bytes + 1, len, NULL, &info, &err) < 0 && err.text[0] == '\0')
            fail_msg("round %d: no text", round);
    }
}

static void errors_name_the_file(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_onnx_info *info = NULL;

    (void)state;
    assert_int_equal(sk_onnx_inspect("/nonexistent/m.onnx", &info, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nonexistent/m.onnx"));
    assert_int_equal(sk_onnx_inspect(sk_source_path("tests/data/README.md"), &info, &err), -1);
    assert_non_null(strstr(err.text, "README.md': not a sound ONNX model"));
    assert_int_equal(sk_onnx_inspect("/tmp", &info, &err), -1);
}

/* A model in the working directory has its external data there too. */
static void a_bare_name(void **state)
{
    SK_OWN(sk_onnx_free) struct sk_onnx_info *info = NULL;
    struct sk_err err = SK_ERR_INIT;
    char *before = getcwd(NULL, 0);

    (void)state;
    assert_int_equal(chdir(sk_source_path("tests/data/models")), 0);
    if (sk_onnx_inspect("external.onnx", &info, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(info->external_count, 1);
    assert_int_equal(chdir(before), 0);
    free(before);
}

static void metadata(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf graph = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf model = SK_BUF_INIT(1 << 20);
    SK_OWN(sk_onnx_free) struct sk_onnx_info *info = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    pb_model(&model, &graph);
    pb_pair(&model, 14, "author", "A");
    pb_pair(&model, 14, "labels", "[\"cat\"]");
    assert_int_equal(sk_onnx_inspect_bytes(model.data, model.len, NULL, &info, &err), 0);
    assert_int_equal(info->metadata_count, 2);
    assert_string_equal(info->metadata[1].key, "labels");
    assert_string_equal(info->metadata[1].value, "[\"cat\"]");
    assert_string_equal(info->graph_name, "");
}

static int inspect_all(void *ctx, struct sk_err *err)
{
    const char *const *name = ctx;

    for (; *name; name++) {
        SK_OWN(sk_onnx_free) struct sk_onnx_info *info = NULL;

        if (sk_onnx_inspect(sk_source_path(*name), &info, err) < 0)
            return -1;
    }
    return 0;
}

static void memory_may_run_out(void **state)
{
    const char *names[] = { "tests/data/models/types.onnx", "tests/data/models/external.onnx",
                            "tests/data/models/old_inputs.onnx", "tests/data/models/slow.onnx",
                            NULL };

    (void)state;
    assert_true(sk_alloc_sweep("inspect", inspect_all, names, 0) > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_classifier),
        cmocka_unit_test(other_models),
        cmocka_unit_test(files_that_are_not_onnx),
        cmocka_unit_test(every_cut),
        cmocka_unit_test(random_bytes),
        cmocka_unit_test(errors_name_the_file),
        cmocka_unit_test(a_bare_name),
        cmocka_unit_test(metadata),
        cmocka_unit_test(memory_may_run_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
