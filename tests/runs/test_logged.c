/* test_logged.c - logged models of MLflow 3. */
#include "runs/fixture.h"

#include <stdio.h>

static void life(void **state)
{
    struct fixture *f = *state;
    const char *run = new_run(f, "0", "r");
    const struct sk_pair params[] = { { "lr", "0.1" } }, tags[] = { { "a", "1" }, { "b", "2" } };
    const struct sk_logged_model_new m = { .experiment_id = "0",
                                           .name = "net",
                                           .model_type = "classifier",
                                           .source_run_id = run,
                                           .params = params,
                                           .param_count = 1,
                                           .tags = tags,
                                           .tag_count = 2 };
    char id[64], uri[160];

    assert_ok(sk_logged_model_create(f->store, &f->who, &m, answer(f), &f->err), &f->err);
    (void)snprintf(id, sizeof(id), "%s", text_at(f, "info/model_id"));
    (void)snprintf(uri, sizeof(uri), "mlflow-artifacts:/0/models/%s/artifacts", id);
    assert_string_equal(text_at(f, "info/artifact_uri"), uri);
    assert_string_equal(text_at(f, "info/status"), "LOGGED_MODEL_PENDING");
    assert_string_equal(text_at(f, "info/source_run_id"), run);
    assert_int_equal(count_at(f, "info/tags"), 2);
    assert_string_equal(text_at(f, "data/params/0/value"), "0.1");

    assert_ok(
        sk_logged_model_set_status(f->store, &f->who, id, "LOGGED_MODEL_READY", answer(f), &f->err),
        &f->err);
    assert_string_equal(text_at(f, "info/status"), "LOGGED_MODEL_READY");
    assert_failed(sk_logged_model_set_status(f->store, &f->who, id, "READY", answer(f), &f->err),
                  &f->err, SK_INVALID, "'READY'");

    const struct sk_pair change = { "a", "9" }, gone = { "b", NULL }, param = { "lr", "0.2" };
    assert_ok(sk_logged_model_set(f->store, &f->who, id, &change, 1, NULL, 0, &f->err), &f->err);
    assert_ok(sk_logged_model_set(f->store, &f->who, id, &gone, 1, NULL, 0, &f->err), &f->err);
    assert_failed(sk_logged_model_set(f->store, &f->who, id, &gone, 1, NULL, 0, &f->err), &f->err,
                  SK_NOT_FOUND, "No tag with key 'b'");
    assert_failed(sk_logged_model_set(f->store, &f->who, id, NULL, 0, &param, 1, &f->err), &f->err,
                  SK_INVALID, "cannot become '0.2'");
    assert_ok(sk_logged_model_get(f->store, id, false, answer(f), &f->err), &f->err);
    assert_int_equal(count_at(f, "info/tags"), 1);
    assert_string_equal(text_at(f, "info/tags/0/value"), "9");

    assert_ok(sk_logged_model_delete(f->store, &f->who, id, &f->err), &f->err);
    assert_failed(sk_logged_model_get(f->store, id, false, answer(f), &f->err), &f->err,
                  SK_NOT_FOUND, "deleted");
    assert_ok(sk_logged_model_get(f->store, id, true, answer(f), &f->err), &f->err);
    assert_failed(sk_logged_model_set(f->store, &f->who, id, &change, 1, NULL, 0, &f->err), &f->err,
                  SK_INVALID, "deleted");
}

static void bad_ones(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = { "", "a/b", "a:b", "a.b", "a%b", "a\"b", "a'b" };

    for (size_t i = 0; i < COUNT(names); i++) {
        const struct sk_logged_model_new m = { .name = names[i] };
        assert_failed(sk_logged_model_create(f->store, &f->who, &m, answer(f), &f->err), &f->err,
                      SK_INVALID, "Invalid model name");
    }
    const struct sk_logged_model_new orphan = { .source_run_id = "nope" };
    assert_failed(sk_logged_model_create(f->store, &f->who, &orphan, answer(f), &f->err), &f->err,
                  SK_NOT_FOUND, "source_run_id");
    assert_failed(sk_logged_model_get(f->store, "m-1", false, answer(f), &f->err), &f->err,
                  SK_NOT_FOUND, "m-1");
}

static void log_for_model(struct fixture *f, const char *run, const char *model, double value,
                          const char *dataset)
{
    const struct sk_metric m = { .key = "acc",
                                 .value = value,
                                 .model_id = model,
                                 .dataset_name = dataset,
                                 .dataset_digest = dataset ? "d1" : NULL };
    const struct sk_run_batch b = { .metrics = &m, .metric_count = 1 };

    assert_ok(sk_run_log(f->store, &f->who, run, &b, &f->err), &f->err);
}

static size_t search(struct fixture *f, const char *filter, const char *datasets)
{
    static const char *const ids[] = { "0" };
    SK_OWN(sk_json_free) struct sk_json *sets = NULL;
    struct sk_view order = SK_VIEW("metrics.acc DESC");
    const struct sk_search q = { .filter = filter, .orders = &order, .order_count = 1 };

    if (datasets)
        assert_ok(sk_json_parse(datasets, strlen(datasets), NULL, &sets, &f->err), &f->err);
    assert_ok(sk_logged_models_search(f->store, ids, 1, sets, &q, answer(f), &f->err), &f->err);
    return count_at(f, "models");
}

static void search_and_metrics(void **state)
{
    struct fixture *f = *state;
    const char *run = new_run(f, "0", "r");
    const char *a = new_model(f, run, "a"), *b = new_model(f, run, "b");

    log_for_model(f, run, a, 0.7, NULL);
    log_for_model(f, run, b, 0.9, "o'hare");
    assert_ok(sk_logged_model_get(f->store, b, false, answer(f), &f->err), &f->err);
    assert_true(number_at(f, "data/metrics/0/value") == 0.9);
    assert_string_equal(text_at(f, "data/metrics/0/dataset_name"), "o'hare");
    assert_string_equal(text_at(f, "data/metrics/0/run_id"), run);

    assert_int_equal(search(f, NULL, NULL), 2);
    assert_string_equal(text_at(f, "models/0/info/name"), "b");
    assert_int_equal(search(f, "metrics.acc > 0.8", NULL), 1);
    assert_int_equal(search(f, "name = 'a'", NULL), 1);
    assert_int_equal(search(f, "name IN ('a', 'b')", NULL), 2);
    assert_int_equal(search(f, NULL, "[{\"dataset_name\":\"o'hare\"}]"), 1);
    assert_int_equal(search(f, NULL, "[{\"dataset_name\":\"o'hare\",\"dataset_digest\":\"x\"}]"),
                     0);
    assert_int_equal(search(f, NULL, "[{\"dataset_name\":\"x' OR '1'='1\"}]"), 0);
    assert_ok(sk_logged_model_delete(f->store, &f->who, a, &f->err), &f->err);
    assert_int_equal(search(f, NULL, NULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(life, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(bad_ones, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(search_and_metrics, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
