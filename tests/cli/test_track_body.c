/* test_track_body.c - a training in MLflow's words. */
#include "cli/track_priv.h"

#include "cli_test.h"
#include "json/json.h"

#include "dataset/dataset.h"

#include <math.h>

static const struct sk_train_options options = { .arch = "resnet18",
                                                 .data_path = "images/\"a\"",
                                                 .side = 64,
                                                 .batch = 8,
                                                 .epochs = 3,
                                                 .lr = 0.001,
                                                 .seed = UINT64_MAX,
                                                 .augment = SK_AUG_FLIP | SK_AUG_ERASE,
                                                 .optimizer = SK_OPTIM_SGD,
                                                 .momentum = 0.9,
                                                 .schedule = SK_SCHED_STEP,
                                                 .step_epochs = 30,
                                                 .precision = SK_NN_F32 };

static struct sk_json *parse(const struct sk_buf *text)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_json *doc = NULL;

    assert_true(sk_buf_ok(text));
    if (sk_json_parse(text->data, text->len, NULL, &doc, &err) < 0)
        fail_msg("%s in %s", err.text, text->data);
    return doc;
}

/* The value of a key in a list of {key, value}; NULL: not there. */
static const struct sk_json *value_of(const struct sk_json *list, const char *key)
{
    const struct sk_json *found = NULL;

    for (size_t i = 0; i < sk_json_count(list); i++) {
        const struct sk_json *o = sk_json_at(list, i);
        if (strcmp(sk_json_get_text(o, "key", ""), key) == 0)
            found = sk_json_get(o, "value");
    }
    return found;
}

static void run(void **state)
{
    static const struct sk_train_options resumed = { .resume = true };
    const struct sk_track_options o = { .run_name = "one \"two\"", .train = &resumed };
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 20);
    (void)state;

    sk_track_write_run(&o, "7", "abc", 1700000000000, &text);
    SK_OWN(sk_json_free) struct sk_json *doc = parse(&text);
    const struct sk_json *tags = sk_json_get(doc, "tags");

    assert_string_equal(sk_json_get_text(doc, "experiment_id", ""), "7");
    assert_string_equal(sk_json_get_text(doc, "run_name", ""), "one \"two\"");
    assert_int_equal(sk_json_int(sk_json_get(doc, "start_time"), 0), 1700000000000);
    assert_string_equal(sk_json_text(value_of(tags, "mlflow.source.name"), ""), "skerry train");
    assert_string_equal(sk_json_text(value_of(tags, "skerry.tracking_id"), ""), "abc");
    assert_string_equal(sk_json_text(value_of(tags, "skerry.resumed"), ""), "true");
    assert_true(*sk_json_text(value_of(tags, "mlflow.user"), "") != '\0');
}

static void settings(void **state)
{
    static const struct {
        const char *key, *value; /* NULL: left out */
    } rows[] = { { "arch", "resnet18" },          { "weights", "pretrained" },
                 { "data_path", "images/\"a\"" }, { "val_path", NULL },
                 { "image_size", "64" },          { "lr", "0.001" },
                 { "momentum", "0.9" },           { "step_epochs", "30" },
                 { "augment", "flip,erase" },     { "optimizer", "sgd" },
                 { "precision", "f32" },          { "seed", "18446744073709551615" } };
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 20);
    (void)state;

    sk_track_write_settings(&options, "r", &text);
    SK_OWN(sk_json_free) struct sk_json *doc = parse(&text);
    const struct sk_json *params = sk_json_get(doc, "params");

    assert_true(sk_json_count(params) <= 100); /* of one batch */
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *value = sk_json_text(value_of(params, rows[i].key), NULL);
        if (!value != !rows[i].value || (value && strcmp(value, rows[i].value) != 0))
            fail_msg("%s: %s", rows[i].key, value ? value : "left out");
    }
}

static void points(void **state)
{
    struct sk_track_point p[SK_TRACK_EPOCHS] = {
        { .epoch = { .epoch = 1, .loss = 0.5, .val_loss = NAN, .val_accuracy = NAN }, .at_ms = 9 },
        { .epoch = { .epoch = 2, .loss = INFINITY, .val_loss = 0.25 }, .at_ms = 10 },
    };
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 20);
    (void)state;

    sk_track_write_points(p, 2, "r", &text);
    SK_OWN(sk_json_free) struct sk_json *doc = parse(&text);
    const struct sk_json *metrics = sk_json_get(doc, "metrics");

    assert_int_equal(sk_json_count(metrics), 5 + 7);
    assert_string_equal(sk_json_text(value_of(metrics, "loss"), ""), "Infinity");
    assert_int_equal(sk_json_int(sk_json_get(sk_json_at(metrics, 0), "step"), 0), 1);
    assert_int_equal(sk_json_int(sk_json_get(sk_json_at(metrics, 0), "timestamp"), 0), 9);

    sk_buf_clear(&text);
    sk_track_write_points(p, SK_TRACK_EPOCHS, "r", &text);
    SK_OWN(sk_json_free) struct sk_json *full = parse(&text);
    assert_true(sk_json_count(sk_json_get(full, "metrics")) <= 1000); /* of one batch */
}

static void ends(void **state)
{
    const struct sk_train_result good = {
        .has_figures = true, .validated = true, .accuracy = 0.75, .loss = NAN, .stopped_early = true
    };
    const struct sk_train_result cut = { .interrupted = true };
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 20);
    (void)state;

    assert_string_equal(sk_track_status(&good), "FINISHED");
    assert_string_equal(sk_track_status(&cut), "KILLED");
    assert_string_equal(sk_track_status(NULL), "FAILED");
    sk_track_write_result(&good, 5, 99, "r", &text);
    SK_OWN(sk_json_free) struct sk_json *doc = parse(&text);
    assert_true(sk_json_num(value_of(sk_json_get(doc, "metrics"), "final_accuracy"), 0) == 0.75);
    assert_null(value_of(sk_json_get(doc, "metrics"), "final_loss"));
    assert_string_equal(sk_json_text(value_of(sk_json_get(doc, "tags"), "skerry.evaluated_on"), ""),
                        "validation");
    sk_buf_clear(&text);
    sk_track_write_lacks("3 epochs", "r", &text);
    assert_string_equal(text.data, "{\"run_id\":\"r\",\"tags\":[{\"key\":\"skerry.incomplete\","
                                   "\"value\":\"3 epochs\"}]}");
    sk_buf_clear(&text);
    sk_track_write_failure("it \"broke\"", "r", &text);
    SK_OWN(sk_json_free) struct sk_json *why = parse(&text);
    assert_string_equal(sk_json_text(value_of(sk_json_get(why, "tags"), "skerry.error"), ""),
                        "it \"broke\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run),
        cmocka_unit_test(settings),
        cmocka_unit_test(points),
        cmocka_unit_test(ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
