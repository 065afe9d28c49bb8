/* test_search.c - which runs a filter and an order give. */
#include "runs/fixture.h"

#include "harness/alloc_fail.h"

#include <math.h>
#include <stdio.h>

/* Three runs: good (lr 0.1, loss 0.5), bad (lr 1, loss NaN), bare. */
static void fill(struct fixture *f)
{
    const char *good = new_run(f, "0", "good"), *bad = new_run(f, "0", "bad");

    (void)new_run(f, "0", "bare");
    log_metric(f, good, "loss", 2, 1);
    log_metric(f, good, "loss", 0.5, 2);
    log_metric(f, good, "val/acc", 0.9, 2);
    log_metric(f, bad, "loss", NAN, 2);
    log_param(f, good, "lr", "0.1");
    log_param(f, bad, "lr", "1");
    set_tag(f, good, "site.name", "Hall 3");
    assert_ok(sk_run_update(f->store, &f->who, good, "FINISHED", NULL, 99, answer(f), &f->err),
              &f->err);
}

static const char *const all[] = { "0" };

static void names(struct fixture *f, char *out, size_t cap)
{
    *out = '\0';
    for (size_t i = 0; i < count_at(f, "runs"); i++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "runs/%zu/info/run_name", i);
        size_t len = strlen(out);
        (void)snprintf(out + len, cap - len, "%s%s", len ? " " : "", text_at(f, path));
    }
}

static void filters(void **state)
{
    struct fixture *f = *state;

    static const struct {
        const char *filter, *names;
    } rows[] = {
        { "metrics.loss < 1", "good" },
        { "metrics.loss > 1", "" }, /* the newest counts */
        { "metrics.`val/acc` >= 0.9", "good" },
        { "params.lr = '0.1'", "good" },
        { "params.lr != '0.1'", "bad" },
        { "params.lr IS NULL", "bare" },
        { "tags.`site.name` ILIKE 'hall%'", "good" },
        { "tags.`site.name` LIKE 'hall%'", "" },
        { "attributes.status = 'FINISHED'", "good" },
        { "status = 'RUNNING' AND params.lr = '1'", "bad" },
        { "run_name = 'bare'", "bare" },
        { "attributes.`run name` = 'bare'", "bare" },
        { "end_time = 99", "good" },
        { "tags.mlflow.runName = 'bad'", "bad" },
    };

    fill(f);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_view order = SK_VIEW("attributes.run_name ASC");
        const struct sk_search q = { .filter = rows[i].filter, .orders = &order, .order_count = 1 };
        char found[256];
        assert_ok(sk_runs_search(f->store, all, 1, &q, SK_VIEW_ACTIVE, answer(f), &f->err),
                  &f->err);
        names(f, found, sizeof(found));
        if (strcmp(found, rows[i].names) != 0)
            fail_msg("%s: '%s'", rows[i].filter, found);
    }
}

static void orders(void **state)
{
    struct fixture *f = *state;

    static const struct {
        const char *order, *names;
    } rows[] = {
        { "attributes.run_name ASC", "bad bare good" },
        { "attributes.run_name DESC", "good bare bad" },
        { "metrics.loss ASC", "good" }, /* first; those without a value are last */
        { "metrics.loss DESC", "good" },
        { "params.lr DESC", "bad good bare" },
    };

    fill(f);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_view order = sk_view_of(rows[i].order);
        const struct sk_search q = { .orders = &order, .order_count = 1 };
        char found[256];
        assert_ok(sk_runs_search(f->store, all, 1, &q, SK_VIEW_ACTIVE, answer(f), &f->err),
                  &f->err);
        names(f, found, sizeof(found));
        if (strncmp(found, rows[i].names, strlen(rows[i].names)) != 0)
            fail_msg("%s: '%s'", rows[i].order, found);
        assert_int_equal(count_at(f, "runs"), 3);
    }
}

static void views_and_pages(void **state)
{
    struct fixture *f = *state;
    const char *other = new_experiment(f, "other");
    const char *both[] = { "0", other };
    struct sk_search q = { .max = 2 };
    char token[128];

    fill(f);
    const char *gone = new_run(f, other, "gone");
    assert_ok(sk_run_set_deleted(f->store, &f->who, gone, true, &f->err), &f->err);
    assert_ok(sk_runs_search(f->store, both, 2, &q, SK_VIEW_DELETED, answer(f), &f->err), &f->err);
    assert_int_equal(count_at(f, "runs"), 1);
    assert_ok(sk_runs_search(f->store, both, 2, &q, SK_VIEW_ALL, answer(f), &f->err), &f->err);
    assert_int_equal(count_at(f, "runs"), 2);
    (void)snprintf(token, sizeof(token), "%s", text_at(f, "next_page_token"));
    q.page_token = token;
    assert_ok(sk_runs_search(f->store, both, 2, &q, SK_VIEW_ALL, answer(f), &f->err), &f->err);
    assert_int_equal(count_at(f, "runs"), 2);
    assert_string_equal(text_at(f, "next_page_token"), "");
    assert_failed(sk_runs_search(f->store, all, 1, &q, SK_VIEW_ALL, answer(f), &f->err), &f->err,
                  SK_INVALID, "another search");
    q = (struct sk_search){ 0 };
    assert_ok(sk_runs_search(f->store, NULL, 0, &q, SK_VIEW_ALL, answer(f), &f->err), &f->err);
    assert_int_equal(count_at(f, "runs"), 0);
}

static void bad_ones(void **state)
{
    struct fixture *f = *state;
    static const char *const rows[] = { "metrics.loss = 'x'",   "loss > 1",
                                        "params.a > 1",         "a = 1 OR b = 2",
                                        "metrics.loss < 1 AND", "'",
                                        "tags.a LIKE 5" };

    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct sk_search q = { .filter = rows[i] };
        assert_failed(sk_runs_search(f->store, all, 1, &q, SK_VIEW_ACTIVE, answer(f), &f->err),
                      &f->err, SK_INVALID, "");
    }
}

/* The main path: a run with everything, found again. */
static int main_path(void *ctx, struct sk_err *err)
{
    struct fixture *f = ctx;
    const struct sk_metric m = { .key = "loss", .value = 0.5, .step = 1 };
    const struct sk_pair pair = { "a", "b" };
    const struct sk_run_batch b = { .metrics = &m,
                                    .metric_count = 1,
                                    .params = &pair,
                                    .param_count = 1,
                                    .tags = &pair,
                                    .tag_count = 1 };
    const struct sk_run_new r = { .name = "sweep" };
    struct sk_view order = SK_VIEW("metrics.loss DESC");
    const struct sk_search q = { .filter = "params.a = 'b' AND metrics.loss < 1",
                                 .orders = &order,
                                 .order_count = 1,
                                 .max = 1 };
    SK_AUTO(sk_buf_done) struct sk_buf run = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf found = SK_BUF_INIT(1 << 20);
    char id[SK_RUN_ID_TEXT];

    if (sk_run_create(f->store, &f->who, &r, &run, err) < 0)
        return -1;
    (void)snprintf(id, sizeof(id), "%s",
                   strstr(run.data, "\"run_id\":\"") + strlen("\"run_id\":\""));
    if (sk_run_log(f->store, &f->who, id, &b, err) < 0)
        return -1;
    return sk_runs_search(f->store, all, 1, &q, SK_VIEW_ACTIVE, &found, err);
}

static void every_allocation(void **state)
{
    assert_true(sk_alloc_sweep("runs", main_path, *state, 0) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(filters, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(orders, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(views_and_pages, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(bad_ones, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(every_allocation, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
