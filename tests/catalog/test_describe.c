/* test_describe.c - what is kept of a bundle. */
#include "catalog/catalog.h"

#include "harness/alloc_fail.h"
#include "harness/golden.h"

#include "catalog/folder.h"

static int open_and_describe(const struct sk_catalog_new *n, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_bundle_free) struct sk_bundle *b = NULL;

    if (sk_bundle_open(n->bundle, NULL, &b, err) < 0)
        return -1;
    return sk_catalog_describe(n, b, out, err);
}

static struct sk_json *describe(const struct sk_catalog_new *n)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;

    if (open_and_describe(n, &out, &err) < 0 ||
        sk_json_parse(out.data, out.len, NULL, &doc, &err) < 0)
        fail_msg("%s", err.text);
    return doc;
}

static const char *text_at(const struct sk_json *v, const char *a, const char *b)
{
    return sk_json_get_text(sk_json_get(v, a), b, "");
}

static void lone_model(void **state)
{
    const struct sk_catalog_new n = { .bundle = sk_source_path(MODEL), .parent = "m:3" };
    SK_OWN(sk_json_free) struct sk_json *d = describe(&n);
    const struct sk_json *input = sk_json_at(sk_json_get(d, "inputs"), 0);

    (void)state;
    assert_string_equal(sk_json_get_text(d, "type", ""), "custom_model");
    assert_string_equal(sk_json_get_text(d, "format", ""), "onnx");
    assert_true(sk_json_count(sk_json_get(d, "outputs")) > 0);
    assert_string_equal(sk_json_get_text(input, "datatype", ""), "FP32");
    assert_true(sk_json_count(sk_json_get(input, "shape")) > 0);
    assert_string_equal(text_at(d, "lineage", "parent"), "m:3");
    assert_null(sk_json_get(d, "training"));
    assert_null(sk_json_get(d, "labels"));
}

static void bundle_of_a_training(void **state)
{
    static const char config[] = "{\"id2label\": {\"0\": \"defect\", \"1\": \"no defect\"}}";
    static const char training[] =
        "{\"data_digest\": \"abc\", \"weights\": \"none\", \"settings\": {\"lr\": 0.001},"
        "\"epochs\": [{\"epoch\": 1, \"loss\": 2}, {\"epoch\": 2, \"loss\": 1}],"
        "\"evaluated_on\": \"validation\", \"evaluation\": {\"accuracy\": 0.97}}";
    SK_AUTO(folder_done) struct folder f;

    (void)state;
    folder_make(&f);
    folder_put_model(&f, "model.onnx");
    folder_put(&f, "config.json", config, strlen(config));
    folder_put(&f, "training.json", training, strlen(training));

    const struct sk_catalog_new n = { .bundle = f.path, .type = "mlflow_model" };
    SK_OWN(sk_json_free) struct sk_json *d = describe(&n);
    const struct sk_json *t = sk_json_get(d, "training");

    assert_string_equal(sk_json_get_text(d, "type", ""), "mlflow_model");
    assert_int_equal(sk_json_count(sk_json_get(d, "labels")), 2);
    assert_string_equal(sk_json_text(sk_json_at(sk_json_get(d, "labels"), 1), ""), "no defect");
    assert_string_equal(text_at(d, "lineage", "data_digest"), "abc");
    assert_int_equal(sk_json_int(sk_json_get(t, "epochs"), 0), 2);
    assert_int_equal(sk_json_int(sk_json_get(sk_json_get(t, "last_epoch"), "loss"), 0), 1);
    assert_true(sk_json_num(sk_json_get(sk_json_get(d, "evaluation"), "accuracy"), 0) > 0.96);
}

static void refused(void **state)
{
    SK_AUTO(folder_done) struct folder f;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    folder_make(&f);
    folder_put(&f, "model.onnx", "no model", 8);

    struct sk_catalog_new n = { .bundle = f.path };

    assert_int_equal(open_and_describe(&n, &out, &err), -1);
    assert_int_equal(err.code, SK_CORRUPT);
    folder_put_model(&f, "model.onnx");
    folder_put(&f, "training.json", "{", 1);
    assert_int_equal(open_and_describe(&n, &out, &err), -1);
    assert_non_null(strstr(err.text, "training.json"));
}

static int run_describe(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);

    return open_and_describe(ctx, &out, err);
}

static void without_memory(void **state)
{
    struct sk_catalog_new n = { .bundle = sk_source_path(MODEL) };

    (void)state;
    (void)sk_alloc_sweep("describe", run_describe, &n, SK_ALLOC_MAY_SURVIVE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lone_model),
        cmocka_unit_test(bundle_of_a_training),
        cmocka_unit_test(refused),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
