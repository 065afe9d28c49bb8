/* test_find.c - ids of clients and rows. */
#include "runs/fixture.h"

static void uses(void **state)
{
    struct fixture *f = *state;
    const char *run = new_run(f, "0", "r");
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_run_ref ref = { 0 };
    struct sk_experiment_ref experiment = { 0 };

    assert_ok(sk_run_set_deleted(f->store, &f->who, run, true, &f->err), &f->err);
    assert_ok(sk_db_begin(sk_store_db(f->store), SK_DB_READ, &tx, &f->err), &f->err);
    assert_ok(sk_runs_run(tx, run, SK_RUNS_READ, &ref, &f->err), &f->err);
    assert_true(ref.deleted && ref.experiment == 0);
    assert_ok(sk_runs_run(tx, run, SK_RUNS_REVIVE, &ref, &f->err), &f->err);
    assert_failed(sk_runs_run(tx, run, SK_RUNS_WRITE, &ref, &f->err), &f->err, SK_INVALID,
                  "restore it");
    assert_failed(sk_runs_run(tx, "nope", SK_RUNS_READ, &ref, &f->err), &f->err, SK_NOT_FOUND,
                  "Run with id=nope not found");
    assert_failed(sk_runs_run(tx, NULL, SK_RUNS_READ, &ref, &f->err), &f->err, SK_INVALID,
                  "missing");
    assert_failed(sk_runs_model(tx, run, SK_RUNS_READ, &ref, &f->err), &f->err, SK_NOT_FOUND,
                  "Logged model");
    assert_ok(sk_runs_experiment(tx, NULL, SK_RUNS_WRITE, &experiment, &f->err), &f->err);
    assert_int_equal(experiment.id, 0);
    assert_failed(sk_runs_experiment(tx, "-1", SK_RUNS_READ, &experiment, &f->err), &f->err,
                  SK_INVALID, "numbers");
}

static void lists(void **state)
{
    struct fixture *f = *state;
    const char *good[] = { "0", "17" }, *bad[] = { "0", "1) OR (1" };

    assert_ok(sk_runs_experiment_list(good, 2, answer(f), &f->err), &f->err);
    assert_string_equal(f->out.data, "0,17");
    assert_failed(sk_runs_experiment_list(bad, 2, answer(f), &f->err), &f->err, SK_INVALID,
                  "numbers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(uses, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(lists, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
