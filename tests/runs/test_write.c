/* test_write.c - rows as MLflow's JSON. */
#include "runs/fixture.h"

#include <math.h>

static void numbers(void **state)
{
    static const struct {
        double value;
        bool is_nan;
        const char *text;
    } rows[] = { { 1, false, "1" },
                 { 0.1, false, "0.1" },
                 { 0, true, "\"NaN\"" },
                 { INFINITY, false, "\"Infinity\"" },
                 { -INFINITY, false, "\"-Infinity\"" },
                 { 1.7976931348623157e308, false, "1.7976931348623157e+308" } };

    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(100);
        sk_runs_number(&b, rows[i].value, rows[i].is_nan);
        assert_string_equal(b.data, rows[i].text);
    }
}

/* Every part of a run's object, with names that need escapes. */
static void whole_run(void **state)
{
    struct fixture *f = *state;
    const char *run = new_run(f, "0", "a \"quoted\" name");

    log_metric(f, run, "loss", 0.5, 1);
    log_metric(f, run, "nan", NAN, 1);
    log_metric(f, run, "inf", INFINITY, 1);
    log_param(f, run, "lr", "1\\2\"3");
    set_tag(f, run, "note", "two\nlines");
    assert_ok(sk_run_get(f->store, run, answer(f), &f->err), &f->err);
    assert_string_equal(text_at(f, "info/run_name"), "a \"quoted\" name");
    assert_string_equal(text_at(f, "data/metrics/0/value"), "Infinity");
    assert_true(number_at(f, "data/metrics/1/value") == 0.5);
    assert_string_equal(text_at(f, "data/metrics/2/value"), "NaN");
    assert_true(number_at(f, "data/metrics/1/timestamp") == 1001);
    assert_string_equal(text_at(f, "data/params/0/value"), "1\\2\"3");
    assert_string_equal(text_at(f, "data/tags/1/value"), "two\nlines");
    assert_int_equal(count_at(f, "inputs/dataset_inputs"), 0);
    assert_int_equal(count_at(f, "outputs/model_outputs"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test_setup_teardown(whole_run, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
