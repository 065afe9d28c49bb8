/* test_bundle.c - whole bundles: the files of the hub put together. */
#include "bundle/bundle.h"

#include "json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "folders.h"
#include "harness/alloc_fail.h"

static struct sk_bundle *open_bundle(const char *name, const char *labels)
{
    SK_AUTO(free_cleanup) char *path = at(name);
    SK_AUTO(free_cleanup) char *labels_path = labels ? at(labels) : NULL;
    struct sk_bundle *b = NULL;
    struct sk_err err = SK_ERR_INIT;

    if (sk_bundle_open(path, labels_path, &b, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    return b;
}

static void a_folder_of_the_hub(void **state)
{
    SK_OWN(sk_bundle_free) struct sk_bundle *b = NULL;
    char buf[24];

    (void)state;
    put("hub/onnx/model.onnx", NULL);
    put("hub/config.json", "{\"id2label\": {\"0\": \"cat\", \"1\": \"dog\"}, \"num_labels\": 2,"
                           " \"problem_type\": \"single_label_classification\"}");
    put("hub/preprocessor_config.json", "{\"size\": {\"height\": 4, \"width\": 4}}");
    b = open_bundle("hub", NULL);
    assert_string_equal(b->name, "hub");
    assert_true(b->model_path && strstr(b->model_path, "hub/onnx/model.onnx"));
    assert_int_equal(b->onnx->input_count, 1);
    assert_int_equal(b->label_count, 2);
    assert_false(b->multi_label);
    assert_non_null(sk_json_get(b->prep_config, "size"));
    assert_null(b->warnings);
    assert_string_equal(sk_bundle_label(b, 1, buf), "dog");
    assert_string_equal(sk_bundle_label(b, 2, buf), "class_2");
    assert_string_equal(sk_bundle_label(b, 99999999, buf), "class_99999999");
}

/* [bundle-2] [bundle-3] */
static void a_lone_file(void **state)
{
    SK_OWN(sk_bundle_free) struct sk_bundle *alone = NULL;
    SK_OWN(sk_bundle_free) struct sk_bundle *among = NULL;

    (void)state;
    put("lone/net.v1.onnx", NULL);
    put("lone/labels.txt", "cat\ndog\n");
    alone = open_bundle("lone/net.v1.onnx", NULL);
    assert_string_equal(alone->name, "net.v1");
    assert_int_equal(alone->label_count, 2); /* the folder is this model's */
    put("lone/other.onnx", NULL);
    among = open_bundle("lone/net.v1.onnx", NULL);
    assert_null(among->labels); /* whose labels would they be? */
    assert_int_equal(among->label_count, 0);
}

/* [bundle-10] The first source that is there wins: --labels, config.json, labels.txt. */
static void where_labels_come_from(void **state)
{
    static const struct {
        const char *config, *labels_txt, *option, *first;
    } rows[] = {
        { NULL, NULL, NULL, "class_0" },
        { "{}", NULL, NULL, "class_0" },
        { NULL, "t0\nt1\n", NULL, "t0" },
        { "{\"num_labels\": 2}", "t0\nt1\n", NULL, "t0" },
        { "{\"id2label\": {\"0\": \"c0\"}}", "t0\nt1\n", NULL, "c0" },
        { "{\"id2label\": {\"0\": \"c0\"}}", "t0\nt1\n", "o0\no1\n", "o0" },
        { NULL, NULL, "o0\no1\n", "o0" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_OWN(sk_bundle_free) struct sk_bundle *b = NULL;
        SK_AUTO(free_cleanup) char *folder = at("l");
        struct sk_err err = SK_ERR_INIT;
        char buf[24];

        assert_int_equal(sk_remove_tree(folder, &err), 0);
        put("l/net.onnx", NULL);
        if (rows[i].config)
            put("l/config.json", rows[i].config);
        if (rows[i].labels_txt)
            put("l/labels.txt", rows[i].labels_txt);
        if (rows[i].option)
            put("option.txt", rows[i].option);
        b = open_bundle("l", rows[i].option ? "option.txt" : NULL);
        if (strcmp(sk_bundle_label(b, 0, buf), rows[i].first) != 0)
            fail_msg("row %zu: %s", i, sk_bundle_label(b, 0, buf));
    }
}

/* [bundle-13] [bundle-20] */
static void what_config_json_may_say(void **state)
{
    static const struct {
        const char *json, *error, *warning;
        bool multi_label;
    } rows[] = {
        { "{\"problem_type\": \"multi_label_classification\"}", NULL, NULL, true },
        { "{\"problem_type\": null}", NULL, NULL, false },
        { "{\"problem_type\": \"regression\"}", NULL, "problem_type 'regression' is not known",
          false },
        { "{\"num_labels\": 3, \"id2label\": {\"0\": \"a\"}}", NULL,
          "num_labels is 3, but there are 1 labels", false },
        { "{\"problem_type\": 1}", "'problem_type': expected a string", NULL, false },
        { "{\"num_labels\": \"two\"}", "'num_labels': expected", NULL, false },
        { "{\"num_labels\": -1}", "'num_labels'", NULL, false },
        { "{\"id2label\": {\"1\": \"a\"}}", "count from 0 without gaps", NULL, false },
        { "[]", "expected an object", NULL, false },
        { "{\"a\": }", "config.json", NULL, false },
    };

    (void)state;
    put("c/net.onnx", NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_OWN(sk_bundle_free) struct sk_bundle *b = NULL;
        SK_AUTO(free_cleanup) char *path = at("c");
        struct sk_err err = SK_ERR_INIT;
        int rc;

        put("c/config.json", rows[i].json);
        rc = sk_bundle_open(path, NULL, &b, &err);
        if ((rc < 0) != (rows[i].error != NULL) ||
            (rc < 0 && (!strstr(err.text, rows[i].error) || !strstr(err.text, "config.json"))))
            fail_msg("row %s: %s", rows[i].json, rc < 0 ? err.text : "accepted");
        if (rc == 0 && b->multi_label != rows[i].multi_label)
            fail_msg("row %s: multi_label", rows[i].json);
        if (rc == 0 && ((b->warnings != NULL) != (rows[i].warning != NULL) ||
                        (b->warnings && !strstr(b->warnings, rows[i].warning))))
            fail_msg("row %s: warnings %s", rows[i].json, b->warnings ? b->warnings : "none");
    }
}

/* [bundle-21] A timm model keeps its preprocessing in config.json; a preprocessor_config.json beats
 * it. */
static void timm_preprocessing(void **state)
{
    SK_OWN(sk_bundle_free) struct sk_bundle *timm = NULL;
    SK_OWN(sk_bundle_free) struct sk_bundle *both = NULL;

    (void)state;
    put("timm/net.onnx", NULL);
    put("timm/config.json",
        "{\"label_names\": [\"a\", \"b\"], \"pretrained_cfg\": {\"input_size\": [3, 4, 4]}}");
    timm = open_bundle("timm", NULL);
    assert_non_null(sk_json_get(timm->prep_config, "pretrained_cfg"));
    assert_int_equal(timm->label_count, 2);
    put("timm/preprocessor_config.json", "{\"do_resize\": false}");
    both = open_bundle("timm", NULL);
    assert_non_null(sk_json_get(both->prep_config, "do_resize"));
}

static void bad_bundles(void **state)
{
    static const struct {
        const char *path, *text;
        enum sk_code code;
    } rows[] = {
        { "nowhere", "does not exist", SK_NOT_FOUND },
        { "bad", "not a sound ONNX model", SK_CORRUPT },
        { "prep", "preprocessor_config.json", SK_INVALID },
    };

    (void)state;
    put("bad/net.onnx", "this is no model");
    put("prep/net.onnx", NULL);
    put("prep/preprocessor_config.json", "{\"size\": ");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_AUTO(free_cleanup) char *path = at(rows[i].path);
        struct sk_bundle *b = NULL;
        struct sk_err err = SK_ERR_INIT;

        if (sk_bundle_open(path, NULL, &b, &err) == 0)
            fail_msg("row '%s': accepted", rows[i].path);
        if (err.code != rows[i].code || !strstr(err.text, rows[i].text))
            fail_msg("row '%s': %s", rows[i].path, err.text);
    }
}

static int open_all(void *ctx, struct sk_err *err)
{
    SK_OWN(sk_bundle_free) struct sk_bundle *b = NULL;

    return sk_bundle_open(ctx, NULL, &b, err);
}

static void memory_may_run_out(void **state)
{
    SK_AUTO(free_cleanup) char *path = at("mem");

    (void)state;
    put("mem/model.onnx", NULL);
    put("mem/extra.onnx", NULL);
    put("mem/config.json",
        "{\"id2label\": {\"0\": \"cat\", \"1\": \"dog\"}, \"problem_type\": \"x\"}");
    put("mem/skerry.json", "{\"name\": \"n\", \"description\": \"d\", \"outptu\": 1}");
    assert_true(sk_alloc_sweep("open", open_all, path, 0) > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_of_the_hub),    cmocka_unit_test(a_lone_file),
        cmocka_unit_test(where_labels_come_from), cmocka_unit_test(what_config_json_may_say),
        cmocka_unit_test(timm_preprocessing),     cmocka_unit_test(bad_bundles),
        cmocka_unit_test(memory_may_run_out),
    };

    return cmocka_run_group_tests(tests, make_root, drop_root);
}
