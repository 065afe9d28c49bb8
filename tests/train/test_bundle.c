/* test_bundle.c - the files that a training leaves. */
#include "base/file.h"
#include "base/str.h"
#include "bundle/bundle.h"
#include "tiny.h"
#include "json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct sk_json *parse(struct tiny *x, const char *name)
{
    struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;
    SK_OWN(free) char *text = tiny_read(x, name, &len);

    if (sk_json_parse(text, len, NULL, &doc, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    return doc;
}

static void our_reader_takes_it(void **state)
{
    struct tiny *x = *state;
    SK_OWN(sk_bundle_free) struct sk_bundle *b = NULL;
    struct sk_err err = SK_ERR_INIT;

    x->options.name = "stripes";
    (void)tiny_train(x);
    if (sk_bundle_open(x->out, NULL, &b, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(b->name, "stripes");
    assert_int_equal(b->label_count, 2);
    assert_string_equal(b->labels[0], "across");
    assert_string_equal(b->labels[1], "down");
    assert_null(b->warnings);
    assert_non_null(b->prep_config);
    assert_int_equal(b->onnx->input_count, 1);
    assert_string_equal(b->onnx->inputs[0].name, "input");
    assert_string_equal(b->onnx->inputs[0].dim_names[0], "batch_size");
    assert_int_equal(b->onnx->inputs[0].dims[2], 32);
}

static void record_is_complete(void **state)
{
    struct tiny *x = *state;

    x->options.val_split = 0.25;
    (void)tiny_train(x);

    SK_OWN(sk_json_free) struct sk_json *doc = parse(x, "training.json");
    const struct sk_json *evaluation = sk_json_get(doc, "evaluation");

    assert_true(sk_json_bool(sk_json_get(doc, "finished"), false));
    assert_int_equal(sk_json_count(sk_json_get(doc, "epochs")), 2);
    assert_int_equal(strlen(sk_json_get_text(doc, "data_digest", "")), 64);
    assert_string_equal(sk_json_get_text(doc, "evaluated_on", ""), "validation");
    assert_int_equal(sk_json_count(sk_json_get(evaluation, "confusion_matrix")), 2);
    assert_int_equal(sk_json_int(sk_json_get(doc, "steps"), 0), 4);
    assert_string_equal(sk_json_get_text(sk_json_get(doc, "settings"), "arch", ""),
                        "mobilenet_v3_small");
}

/* [train-45] */
static void test_picture_is_recorded(void **state)
{
    struct tiny *x = *state;
    SK_OWN(sk_bundle_free) struct sk_bundle *b = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)tiny_train(x);
    if (sk_bundle_open(x->out, NULL, &b, &err) < 0)
        fail_msg("%s", err.text);
    assert_non_null(b->test);
    assert_true(sk_ends_with(b->test->image, "/" SK_TRAIN_TEST_IMAGE));
    assert_int_equal(b->test->count, 2);
    assert_string_equal(b->test->names[0], "across");
    assert_string_equal(b->test->names[1], "down");
    const double *p = b->test->values;
    assert_true(p[0] + p[1] > 0.999 && p[0] + p[1] < 1.001);
    assert_string_equal(b->test->label, b->test->names[p[1] > p[0]]);
}

static void page_stands_alone(void **state)
{
    struct tiny *x = *state;
    size_t len = 0;

    (void)tiny_train(x);

    SK_OWN(free) char *page = tiny_read(x, "report.html", &len);

    assert_non_null(strstr(page, "<svg"));
    assert_null(strstr(page, "<script"));
    assert_null(strstr(page, "src=\"http"));
}

static void finished_training_is_known(void **state)
{
    struct tiny *x = *state;

    x->options.reuse = true;
    assert_false(tiny_train(x).reused);
    assert_true(tiny_train(x).reused);
    x->options.epochs = 3;
    assert_false(tiny_train(x).reused);
    tiny_add(x, "down", 50, 1);
    assert_false(tiny_train(x).reused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(our_reader_takes_it, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(record_is_complete, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(test_picture_is_recorded, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(page_stands_alone, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(finished_training_is_known, tiny_setup, tiny_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
