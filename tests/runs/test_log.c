/* test_log.c - metrics, parameters, tags, and the history of a metric. */
#include "runs/fixture.h"

#include <math.h>
#include <stdio.h>

static int log_batch(struct fixture *f, const char *run, const struct sk_run_batch *b)
{
    f->err = (struct sk_err)SK_ERR_INIT;
    return sk_run_log(f->store, &f->who, run, b, &f->err);
}

/* The newest by step, then time, then value; whatever the order of arrival. */
static void newest(void **state)
{
    struct fixture *f = *state;

    static const struct {
        const char *key;
        struct sk_metric points[3];
        double newest;
    } rows[] = {
        { "steps",
          { { .value = 3, .step = 3 }, { .value = 1, .step = 1 }, { .value = 2, .step = 2 } },
          3 },
        { "times",
          { { .value = 1, .timestamp_ms = 9 }, { .value = 2, .timestamp_ms = 5 }, { .value = 0 } },
          1 },
        { "values", { { .value = -1 }, { .value = 5 }, { .value = 2 } }, 5 },
        { "negative",
          { { .value = 7, .step = -1 }, { .value = 8, .step = -5 }, { .value = 9, .step = -2 } },
          7 },
    };

    const char *run = new_run(f, "0", "r");

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_metric m[3];
        for (size_t k = 0; k < 3; k++) {
            m[k] = rows[i].points[k];
            m[k].key = rows[i].key;
        }
        const struct sk_run_batch b = { .metrics = m, .metric_count = 3 };
        assert_ok(log_batch(f, run, &b), &f->err);
    }
    assert_ok(sk_run_get(f->store, run, answer(f), &f->err), &f->err);
    for (size_t i = 0; i < count_at(f, "data/metrics"); i++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "data/metrics/%zu/key", i);
        for (size_t k = 0; k < COUNT(rows); k++) {
            if (strcmp(text_at(f, path), rows[k].key) != 0)
                continue;
            (void)snprintf(path, sizeof(path), "data/metrics/%zu/value", i);
            if (number_at(f, path) != rows[k].newest)
                fail_msg("%s: %g", rows[k].key, number_at(f, path));
            break;
        }
    }
}

static void same_point_twice(void **state)
{
    struct fixture *f = *state;
    const char *run = new_run(f, "0", "r");

    for (int i = 0; i < 3; i++) {
        log_metric(f, run, "loss", 0.25, 7);
        log_metric(f, run, "loss", NAN, 8);
        log_param(f, run, "lr", "0.1");
    }
    assert_int_equal(sql_number(f, "SELECT count(*) FROM run_point"), 2);
    assert_ok(sk_run_history(f->store, run, "loss", 0, NULL, answer(f), &f->err), &f->err);
    assert_int_equal(count_at(f, "metrics"), 2);
    assert_string_equal(text_at(f, "metrics/1/value"), "NaN");
}

static void history_in_pages(void **state)
{
    struct fixture *f = *state;
    const char *run = new_run(f, "0", "r");
    char token[128];

    for (int i = 0; i < 10; i++)
        log_metric(f, run, "m", i, i);
    assert_ok(sk_run_history(f->store, run, "m", 4, NULL, answer(f), &f->err), &f->err);
    assert_int_equal(count_at(f, "metrics"), 4);
    (void)snprintf(token, sizeof(token), "%s", text_at(f, "next_page_token"));
    assert_ok(sk_run_history(f->store, run, "m", 4, token, answer(f), &f->err), &f->err);
    assert_true(number_at(f, "metrics/0/value") == 4);
    assert_failed(sk_run_history(f->store, run, "other", 4, token, answer(f), &f->err), &f->err,
                  SK_INVALID, "another search");
    assert_ok(sk_run_history(f->store, run, "none", 0, NULL, answer(f), &f->err), &f->err);
    assert_int_equal(count_at(f, "metrics"), 0);
    assert_failed(
        sk_run_history(f->store, run, "m", SK_RUNS_PAGE_MAX + 1, NULL, answer(f), &f->err), &f->err,
        SK_INVALID, "max_results");
    assert_failed(sk_run_history(f->store, run, NULL, 0, NULL, answer(f), &f->err), &f->err,
                  SK_INVALID, "metric_key");
}

static void params_do_not_change(void **state)
{
    struct fixture *f = *state;
    const char *run = new_run(f, "0", "r");
    const struct sk_pair change = { "lr", "0.2" }, same[] = { { "a", "1" }, { "a", "1" } };
    const struct sk_metric m = { .key = "loss", .value = 1 };
    const struct sk_run_batch b = {
        .params = &change, .param_count = 1, .metrics = &m, .metric_count = 1
    };
    const struct sk_run_batch twice = { .params = same, .param_count = 2 };

    log_param(f, run, "lr", "0.1");
    assert_failed(log_batch(f, run, &b), &f->err, SK_INVALID,
                  "Changing param values is not allowed");
    assert_int_equal(sql_number(f, "SELECT count(*) FROM run_point"), 0); /* all or nothing */
    assert_failed(log_batch(f, run, &twice), &f->err, SK_INVALID, "Duplicate parameter keys");
}

static void tags_come_and_go(void **state)
{
    struct fixture *f = *state;
    const char *run = new_run(f, "0", "r");
    const struct sk_pair gone = { "a", NULL };
    const struct sk_run_batch b = { .tags = &gone, .tag_count = 1 };

    set_tag(f, run, "a", "1");
    set_tag(f, run, "a", "2");
    set_tag(f, run, "mlflow.runName", "renamed");
    assert_ok(sk_run_get(f->store, run, answer(f), &f->err), &f->err);
    assert_string_equal(text_at(f, "data/tags/0/value"), "2");
    assert_string_equal(text_at(f, "info/run_name"), "renamed");
    assert_ok(log_batch(f, run, &b), &f->err);
    assert_failed(log_batch(f, run, &b), &f->err, SK_NOT_FOUND, "No tag with name: a");
}

/* [runs-20] at each limit and past it */
static void limits(void **state)
{
    struct fixture *f = *state;
    const char *run = new_run(f, "0", "r");
    static struct sk_metric metrics[SK_RUN_BATCH_METRICS + 1];
    static struct sk_pair pairs[SK_RUN_BATCH_PAIRS + 1];
    static char keys[SK_RUN_BATCH_METRICS + 1][16];

    for (size_t i = 0; i < COUNT(metrics); i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
        metrics[i] = (struct sk_metric){ .key = keys[i], .value = (double)i };
        if (i < COUNT(pairs))
            pairs[i] = (struct sk_pair){ keys[i], "v" };
    }
    struct sk_run_batch b = { .metrics = metrics, .metric_count = SK_RUN_BATCH_METRICS };
    assert_ok(log_batch(f, run, &b), &f->err);
    b.metric_count++;
    assert_failed(log_batch(f, run, &b), &f->err, SK_LIMIT, "at most 1000 metrics");
    b = (struct sk_run_batch){ .params = pairs, .param_count = SK_RUN_BATCH_PAIRS };
    assert_ok(log_batch(f, run, &b), &f->err);
    b.param_count++;
    assert_failed(log_batch(f, run, &b), &f->err, SK_LIMIT, "at most 100 params");
    b = (struct sk_run_batch){ .tags = pairs, .tag_count = SK_RUN_BATCH_PAIRS + 1 };
    assert_failed(log_batch(f, run, &b), &f->err, SK_LIMIT, "at most 100 tags");
    b = (struct sk_run_batch){
        .tags = pairs, .tag_count = 1, .metrics = metrics, .metric_count = 1000
    };
    assert_failed(log_batch(f, run, &b), &f->err, SK_LIMIT, "metrics, params, and tags");

    struct sk_pair p = { "p", long_text(f, 'x', SK_RUN_PARAM_MAX) };
    b = (struct sk_run_batch){ .params = &p, .param_count = 1 };
    assert_ok(log_batch(f, run, &b), &f->err);
    p = (struct sk_pair){ "q", long_text(f, 'x', SK_RUN_PARAM_MAX + 1) };
    assert_failed(log_batch(f, run, &b), &f->err, SK_LIMIT, "at most 6000");
    p = (struct sk_pair){ "t", long_text(f, 'x', SK_RUN_TAG_MAX) };
    b = (struct sk_run_batch){ .tags = &p, .tag_count = 1 };
    assert_ok(log_batch(f, run, &b), &f->err);
    p.value = long_text(f, 'x', SK_RUN_TAG_MAX + 1);
    assert_failed(log_batch(f, run, &b), &f->err, SK_LIMIT, "at most 8000");
    struct sk_metric m = { .key = "m", .timestamp_ms = -1 };
    b = (struct sk_run_batch){ .metrics = &m, .metric_count = 1 };
    assert_failed(log_batch(f, run, &b), &f->err, SK_INVALID, "before 1970");
    m = (struct sk_metric){ .key = "../m" };
    assert_failed(log_batch(f, run, &b), &f->err, SK_INVALID, "metrics[0]");
    m = (struct sk_metric){ .key = "m", .model_id = "m-0123456789abcdef0123456789abcdef" };
    assert_failed(log_batch(f, run, &b), &f->err, SK_NOT_FOUND, "Logged model");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(newest, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(same_point_twice, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(history_in_pages, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(params_do_not_change, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(tags_come_and_go, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(limits, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
