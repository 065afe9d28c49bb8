/* test_runs.c - a run's life. */
#include "runs/fixture.h"

static void life(void **state)
{
    struct fixture *f = *state;
    const struct sk_pair tags[] = { { "mlflow.user", "ann" }, { "mlflow.source.type", "LOCAL" } };
    const struct sk_run_new r = {
        .user_id = "ann", .name = "first", .start_ms = 1700000000000, .tags = tags, .tag_count = 2
    };

    assert_ok(sk_run_create(f->store, &f->who, &r, answer(f), &f->err), &f->err);
    char id[64], uri[160];
    (void)snprintf(id, sizeof(id), "%s", text_at(f, "info/run_id"));
    (void)snprintf(uri, sizeof(uri), "mlflow-artifacts:/0/%s/artifacts", id);
    assert_string_equal(text_at(f, "info/run_uuid"), id);
    assert_string_equal(text_at(f, "info/artifact_uri"), uri);
    assert_string_equal(text_at(f, "info/status"), "RUNNING");
    assert_string_equal(text_at(f, "info/run_name"), "first");
    assert_string_equal(text_at(f, "info/user_id"), "ann");
    assert_true(number_at(f, "info/start_time") == 1700000000000.0);
    assert_int_equal(count_at(f, "data/tags"), 3);
    assert_int_equal(count_at(f, "data/metrics"), 0);

    assert_ok(sk_run_update(f->store, &f->who, id, "FINISHED", "second", 1700000001000, answer(f),
                            &f->err),
              &f->err);
    assert_string_equal(text_at(f, "status"), "FINISHED");
    assert_string_equal(text_at(f, "run_name"), "second");
    assert_true(number_at(f, "end_time") == 1700000001000.0);
    assert_failed(sk_run_update(f->store, &f->who, id, "DONE", NULL, 0, answer(f), &f->err),
                  &f->err, SK_INVALID, "'DONE'");
    assert_ok(sk_run_get(f->store, id, answer(f), &f->err), &f->err);
    assert_string_equal(text_at(f, "data/tags/0/key"), "mlflow.runName");
    assert_string_equal(text_at(f, "data/tags/0/value"), "second");

    assert_ok(sk_run_set_deleted(f->store, &f->who, id, true, &f->err), &f->err);
    assert_failed(sk_run_update(f->store, &f->who, id, "FAILED", NULL, 0, answer(f), &f->err),
                  &f->err, SK_INVALID, "deleted");
    assert_ok(sk_run_set_deleted(f->store, &f->who, id, false, &f->err), &f->err);
    assert_ok(sk_run_update(f->store, &f->who, id, "FAILED", NULL, 0, answer(f), &f->err), &f->err);
    assert_int_equal(sql_number(f, "SELECT count(*) FROM audit WHERE action LIKE 'run.%'"), 5);
}

static void names(void **state)
{
    struct fixture *f = *state;
    const struct sk_pair tag = { "mlflow.runName", "by tag" };
    struct sk_run_new r = { .tags = &tag, .tag_count = 1 };

    assert_ok(sk_run_create(f->store, &f->who, &r, answer(f), &f->err), &f->err);
    assert_string_equal(text_at(f, "info/run_name"), "by tag");
    assert_true(number_at(f, "info/start_time") > 1.6e12);
    r.name = "other";
    assert_failed(sk_run_create(f->store, &f->who, &r, answer(f), &f->err), &f->err, SK_INVALID,
                  "differ");
    r = (struct sk_run_new){ 0 };
    assert_ok(sk_run_create(f->store, &f->who, &r, answer(f), &f->err), &f->err);
    assert_memory_equal(text_at(f, "info/run_name"), "run-", 4);
    r.name = long_text(f, 'n', SK_RUN_NAME_MAX + 1);
    assert_failed(sk_run_create(f->store, &f->who, &r, answer(f), &f->err), &f->err, SK_LIMIT,
                  "run_name");
    r = (struct sk_run_new){ .experiment_id = "5" };
    assert_failed(sk_run_create(f->store, &f->who, &r, answer(f), &f->err), &f->err, SK_NOT_FOUND,
                  "id=5");
    const char *gone = new_experiment(f, "gone");
    assert_ok(sk_experiment_set_deleted(f->store, &f->who, gone, true, &f->err), &f->err);
    r.experiment_id = gone;
    assert_failed(sk_run_create(f->store, &f->who, &r, answer(f), &f->err), &f->err, SK_INVALID,
                  "deleted");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(life, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(names, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
