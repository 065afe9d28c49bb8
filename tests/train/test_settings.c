/* test_settings.c - which settings make another training, and which are refused. */
#include "tiny.h"
#include "json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void print(struct tiny *x, char *hex)
{
    struct sk_err err = SK_ERR_INIT;

    if (sk_settings_fingerprint(&x->t, hex, &err) < 0)
        fail_msg("%s", err.text);
}

static void fingerprint_follows_what_decides(void **state)
{
    struct tiny *x = *state;
    char first[SK_SHA256_HEX], now[SK_SHA256_HEX];

    tiny_open(x);
    print(x, first);
    x->options.epochs = 9;
    x->options.threads = 1;
    x->options.checkpoint_ms = 1;
    print(x, now);
    assert_string_equal(first, now);

    x->options.schedule = SK_SCHED_COSINE;
    print(x, first);
    x->options.epochs = 10;
    print(x, now);
    assert_string_not_equal(first, now);

    x->options.lr *= 2;
    print(x, first);
    assert_string_not_equal(first, now);
    x->t.data_digest[0] ^= 1;
    print(x, now);
    assert_string_not_equal(first, now);
    tiny_close(x);
}

static void settings_are_json(void **state)
{
    struct tiny *x = *state;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 16);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;

    x->options.weights = NULL;
    sk_buf_chr(&text, '{');
    sk_settings_json(&x->options, &text);
    sk_buf_chr(&text, '}');
    assert_true(sk_buf_ok(&text));
    if (sk_json_parse(text.data, text.len, NULL, &doc, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(sk_json_get_text(doc, "optimizer", ""), "adam");
    assert_int_equal(sk_json_int(sk_json_get(doc, "batch_size"), 0), 8);
    assert_int_equal(sk_json_type(sk_json_get(doc, "weights")), SK_JSON_NULL);
    assert_string_equal(sk_json_get_text(doc, "augment", ""), "none");
}

static void refuse(struct tiny *x, const char *name, const char *word)
{
    struct sk_err err = SK_ERR_INIT;

    if (sk_settings_check(&x->options, &err) == 0)
        fail_msg("%s: accepted", name);
    if (!strstr(err.text, word))
        fail_msg("%s: '%s' does not name %s", name, err.text, word);
}

static void wrong_settings_are_named(void **state)
{
    struct tiny *x = *state;
    const struct sk_train_options good = x->options;

    x->options.arch = "resnet19";
    refuse(x, "arch", "mobilenet_v2");
    x->options = good;
    x->options.val_path = "x";
    x->options.val_split = 0.5;
    refuse(x, "both validations", "--val-split");
    x->options = good;
    x->options.patience = 2;
    refuse(x, "patience alone", "--val-split");
    x->options = good;
    x->options.onnx_name = "sub/model.onnx";
    refuse(x, "folder in a name", "--onnx-name");
    x->options = good;
    x->options.output_dir = "/proc/nowhere";
    refuse(x, "output", "--output-dir");
}

static void second_model_is_refused(void **state)
{
    struct tiny *x = *state;
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_settings_check(&x->options, &err), 0);
    char data[sizeof(x->data)];

    memcpy(data, x->data, sizeof(data));
    memcpy(x->data, x->out, sizeof(x->data));
    tiny_write(x, "other.onnx", "");
    memcpy(x->data, data, sizeof(x->data));
    refuse(x, "another model", "other.onnx");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fingerprint_follows_what_decides, tiny_setup,
                                        tiny_teardown),
        cmocka_unit_test_setup_teardown(settings_are_json, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(wrong_settings_are_named, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(second_model_is_refused, tiny_setup, tiny_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
