/* test_experiments.c - experiments. */
#include "runs/fixture.h"

static void default_is_there(void **state)
{
    struct fixture *f = *state;

    assert_ok(sk_experiment_get(f->store, "0", NULL, answer(f), &f->err), &f->err);
    assert_string_equal(text_at(f, "name"), "Default");
    assert_string_equal(text_at(f, "experiment_id"), "0");
    assert_string_equal(text_at(f, "artifact_location"), "mlflow-artifacts:/0");
    assert_string_equal(text_at(f, "lifecycle_stage"), "active");
    assert_true(number_at(f, "creation_time") > 1.6e12);
    assert_ok(sk_experiment_get(f->store, NULL, "Default", answer(f), &f->err), &f->err);
    assert_string_equal(text_at(f, "experiment_id"), "0");
}

static void life(void **state)
{
    struct fixture *f = *state;
    const struct sk_pair tag = { "site", "hall 3" };

    assert_ok(sk_experiment_create(f->store, &f->who, "Bolts", &tag, 1, answer(f), &f->err),
              &f->err);
    char id[16];
    (void)snprintf(id, sizeof(id), "%s", f->out.data);
    assert_string_equal(id, "1");
    assert_failed(sk_experiment_create(f->store, &f->who, "Bolts", NULL, 0, answer(f), &f->err),
                  &f->err, SK_EXISTS, "Experiment(name=Bolts) already exists");
    const char *run = new_run(f, id, "one");

    assert_ok(sk_experiment_rename(f->store, &f->who, id, "Nuts", &f->err), &f->err);
    assert_failed(sk_experiment_rename(f->store, &f->who, id, "Default", &f->err), &f->err,
                  SK_EXISTS, "already exists");
    assert_ok(sk_experiment_set_tag(f->store, &f->who, id, "line", "2", &f->err), &f->err);
    assert_ok(sk_experiment_set_tag(f->store, &f->who, id, "site", NULL, &f->err), &f->err);
    assert_failed(sk_experiment_set_tag(f->store, &f->who, id, "site", NULL, &f->err), &f->err,
                  SK_NOT_FOUND, "No tag with name: site");
    assert_ok(sk_experiment_get(f->store, id, NULL, answer(f), &f->err), &f->err);
    assert_string_equal(text_at(f, "name"), "Nuts");
    assert_int_equal(count_at(f, "tags"), 1);
    assert_string_equal(text_at(f, "tags/0/key"), "line");

    assert_ok(sk_experiment_set_deleted(f->store, &f->who, id, true, &f->err), &f->err);
    assert_failed(sk_experiment_set_deleted(f->store, &f->who, id, true, &f->err), &f->err,
                  SK_NOT_FOUND, "No active experiment");
    assert_failed(sk_experiment_rename(f->store, &f->who, id, "X", &f->err), &f->err, SK_INVALID,
                  "deleted");
    assert_failed(sk_experiment_set_tag(f->store, &f->who, id, "a", "b", &f->err), &f->err,
                  SK_INVALID, "deleted");
    assert_ok(sk_run_get(f->store, run, answer(f), &f->err), &f->err);
    assert_string_equal(text_at(f, "info/lifecycle_stage"), "deleted");
    assert_ok(sk_experiment_set_deleted(f->store, &f->who, id, false, &f->err), &f->err);
    assert_ok(sk_run_get(f->store, run, answer(f), &f->err), &f->err);
    assert_string_equal(text_at(f, "info/lifecycle_stage"), "active");
    assert_true(sql_number(f, "SELECT count(*) FROM audit WHERE action LIKE 'experiment.%'") >= 6);
}

static void names(void **state)
{
    struct fixture *f = *state;
    char *at = long_text(f, 'e', SK_EXPERIMENT_NAME_MAX);
    char *past = long_text(f, 'e', SK_EXPERIMENT_NAME_MAX + 1);
    const struct sk_pair tags[] = { { "a", long_text(f, 'v', SK_EXPERIMENT_TAG_MAX) },
                                    { "a", long_text(f, 'v', SK_EXPERIMENT_TAG_MAX + 1) } };

    (void)new_experiment(f, at);
    assert_failed(sk_experiment_create(f->store, &f->who, past, NULL, 0, answer(f), &f->err),
                  &f->err, SK_LIMIT, "at most 500");
    assert_failed(sk_experiment_create(f->store, &f->who, "", NULL, 0, answer(f), &f->err), &f->err,
                  SK_INVALID, "a name is needed");
    assert_ok(sk_experiment_create(f->store, &f->who, "t", &tags[0], 1, answer(f), &f->err),
              &f->err);
    assert_failed(sk_experiment_create(f->store, &f->who, "u", &tags[1], 1, answer(f), &f->err),
                  &f->err, SK_LIMIT, "tag 'a'");
    assert_failed(sk_experiment_get(f->store, "77", NULL, answer(f), &f->err), &f->err,
                  SK_NOT_FOUND, "No Experiment with id=77");
    assert_failed(sk_experiment_get(f->store, "1; DROP TABLE run", NULL, answer(f), &f->err),
                  &f->err, SK_INVALID, "are numbers");
    assert_failed(sk_experiment_get(f->store, NULL, "none", answer(f), &f->err), &f->err,
                  SK_NOT_FOUND, "Could not find experiment with name 'none'");
}

static void search(void **state)
{
    struct fixture *f = *state;
    struct sk_search q = { .filter = "name LIKE 'exp-%'" };
    struct sk_view order = SK_VIEW("name DESC");
    char name[32], token[128];

    for (int i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof(name), "exp-%d", i);
        const char *id = new_experiment(f, name);
        if (i == 3)
            assert_ok(sk_experiment_set_tag(f->store, &f->who, id, "hall", "3", &f->err), &f->err);
        if (i == 4)
            assert_ok(sk_experiment_set_deleted(f->store, &f->who, id, true, &f->err), &f->err);
    }
    q.orders = &order;
    q.order_count = 1;
    q.max = 3;
    assert_ok(sk_experiments_search(f->store, &q, SK_VIEW_ACTIVE, answer(f), &f->err), &f->err);
    assert_int_equal(count_at(f, "experiments"), 3);
    assert_string_equal(text_at(f, "experiments/0/name"), "exp-3");
    (void)snprintf(token, sizeof(token), "%s", text_at(f, "next_page_token"));
    assert_true(*token);
    q.page_token = token;
    assert_ok(sk_experiments_search(f->store, &q, SK_VIEW_ACTIVE, answer(f), &f->err), &f->err);
    assert_int_equal(count_at(f, "experiments"), 1);
    assert_string_equal(text_at(f, "experiments/0/name"), "exp-0");
    assert_string_equal(text_at(f, "next_page_token"), "");
    assert_failed(sk_experiments_search(f->store, &q, SK_VIEW_ALL, answer(f), &f->err), &f->err,
                  SK_INVALID, "another search");

    q = (struct sk_search){ .filter = "tags.hall = '3'" };
    assert_ok(sk_experiments_search(f->store, &q, SK_VIEW_ALL, answer(f), &f->err), &f->err);
    assert_int_equal(count_at(f, "experiments"), 1);
    q.filter = NULL;
    assert_ok(sk_experiments_search(f->store, &q, SK_VIEW_DELETED, answer(f), &f->err), &f->err);
    assert_string_equal(text_at(f, "experiments/0/name"), "exp-4");
    assert_ok(sk_experiments_search(f->store, &q, SK_VIEW_ALL, answer(f), &f->err), &f->err);
    assert_int_equal(count_at(f, "experiments"), 6);
    q.filter = "experiment_id IN ('1', '2')";
    assert_ok(sk_experiments_search(f->store, &q, SK_VIEW_ALL, answer(f), &f->err), &f->err);
    assert_int_equal(count_at(f, "experiments"), 2);
    q.filter = "metrics.a > 1";
    assert_failed(sk_experiments_search(f->store, &q, SK_VIEW_ALL, answer(f), &f->err), &f->err,
                  SK_INVALID, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(default_is_there, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(life, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(names, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(search, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
