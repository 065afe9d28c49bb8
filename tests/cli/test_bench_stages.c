/* test_bench_stages.c - the server's histograms out of Prometheus text: sums over models,
 * differences, quantiles. */
#include "cli/bench_priv.h"

#include "cli_test.h"

#include <math.h>

#define FAMILY "skerry_request_stage_seconds_"

static const char
    before_text[] = "# HELP x y\n" FAMILY
                    "bucket{model=\"a\",version=\"1\",stage=\"read\",le=\"0.001\"} 1\n" FAMILY
                    "bucket{model=\"a\",version=\"1\",stage=\"read\",le=\"+Inf\"} 2\n" FAMILY
                    "sum{model=\"a\",version=\"1\",stage=\"read\"} 0.5\n" FAMILY
                    "count{model=\"a\",version=\"1\",stage=\"read\"} 2\n" FAMILY
                    "count{model=\"a\",version=\"1\",stage=\"idle\"} 7\n";

static const char after_text[] = FAMILY
    "bucket{model=\"a\",version=\"1\",stage=\"read\",le=\"0.001\"} 5\n" FAMILY
    "bucket{model=\"a\",version=\"1\",stage=\"read\",le=\"0.002\"} 9\n" FAMILY
    "bucket{model=\"a\",version=\"1\",stage=\"read\",le=\"+Inf\"} 10\n" FAMILY
    "sum{model=\"a\",version=\"1\",stage=\"read\"} 1.5\n" FAMILY
    "count{model=\"a\",version=\"1\",stage=\"read\"} 10\n" FAMILY
    "bucket{model=\"b \\\"}\",version=\"1\",stage=\"read\",le=\"0.001\"} 2\n" FAMILY
    "bucket{model=\"b \\\"}\",version=\"1\",stage=\"read\",le=\"+Inf\"} 2\n" FAMILY
    "sum{model=\"b \\\"}\",version=\"1\",stage=\"read\"} 0.25\n" FAMILY
    "count{model=\"b \\\"}\",version=\"1\",stage=\"read\"} 2\n" FAMILY
    "count{model=\"a\",version=\"1\",stage=\"idle\"} 7\nother{stage=\"x\"} 1\n";

static void test_difference(void **state)
{
    static struct sk_stages before;
    static struct sk_stages after;

    (void)state;
    sk_stages_parse(before_text, strlen(before_text), &before);
    sk_stages_parse(after_text, strlen(after_text), &after);
    assert_int_equal(before.count, 2);
    sk_stages_subtract(&after, &before);
    assert_int_equal(after.count, 1); /* idle saw nothing */
    const struct sk_stage *s = &after.rows[0];
    assert_string_equal(s->name, "read");
    assert_true(s->count == 10 && fabs(s->sum - 1.25) < 1e-12);
    assert_true(s->counts[0] == 6 && s->bounds[0] == 0.001); /* 5 + 2 - 1 */
    assert_true(isinf(s->bounds[2]) || isinf(s->bounds[1]));
}

/* A module of an edge device whose version changed: what it counts has nothing to do with before.
 */
static void test_another_server(void **state)
{
    static const char was[] = "skerry_request_stage_seconds_sum{stage=\"read\"} 2\n"
                              "skerry_request_stage_seconds_count{stage=\"read\"} 10\n"
                              "skerry_request_stage_seconds_bucket{stage=\"read\",le=\"1\"} 10\n";
    static const char *const now[] = {
        "skerry_request_stage_seconds_sum{stage=\"read\"} 1\n"
        "skerry_request_stage_seconds_count{stage=\"read\"} 20\n",
        "skerry_request_stage_seconds_sum{stage=\"read\"} 3\n"
        "skerry_request_stage_seconds_count{stage=\"read\"} 9\n",
        "skerry_request_stage_seconds_sum{stage=\"read\"} 30\n"
        "skerry_request_stage_seconds_count{stage=\"read\"} 20\n"
        "skerry_request_stage_seconds_bucket{stage=\"read\",le=\"1\"} 5\n",
    };
    struct sk_stages before, after;

    (void)state;
    sk_stages_parse(was, sizeof was - 1, &before);
    for (size_t i = 0; i < COUNT(now); i++) {
        sk_stages_parse(now[i], strlen(now[i]), &after);
        sk_stages_subtract(&after, &before);
        assert_int_equal(after.count, 0);
    }
}

static void test_quantiles(void **state)
{
    const struct sk_stage s = {
        .bounds = { 1, 2, 4, (double)INFINITY },
        .counts = { 10, 10, 30, 40 },
        .bound_count = 4,
        .count = 40,
    };

    static const struct {
        double q, value;
    } rows[] = { { 0.125, 0.5 }, { 0.25, 1 }, { 0.5, 3 }, { 0.75, 4 }, { 0.9, 4 }, { 1, 4 } };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (fabs(sk_stage_quantile(&s, rows[i].q) - rows[i].value) > 1e-9)
            fail_msg("%g: %g", rows[i].q, sk_stage_quantile(&s, rows[i].q));
    assert_true(sk_stage_quantile(&(struct sk_stage){ .count = 0 }, 0.5) == 0);
}

static void test_rubbish(void **state)
{
    static const char *const texts[] = {
        "",
        "\n\n",
        FAMILY,
        FAMILY "bucket",
        FAMILY "bucket{",
        FAMILY "bucket{}",
        FAMILY "bucket{} 1",
        FAMILY "bucket{stage} 1",
        FAMILY "bucket{stage=} 1",
        FAMILY "bucket{stage=\"} 1",
        FAMILY "bucket{stage=\"x\\",
        FAMILY "count{stage=\"\\\"} 1",
        FAMILY "count{a=\"b\"c=\"d\"} 1",
        FAMILY "bucket{stage=\"read\"} 1",
    };
    static struct sk_stages s;

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        char *copy = strdup(texts[i]); /* of exactly its size, for the sanitizer */
        sk_stages_parse(copy, strlen(copy), &s);
        for (size_t k = 0; k < s.count; k++)
            assert_true(s.rows[k].count == 0 && s.rows[k].bound_count == 0);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_difference),
        cmocka_unit_test(test_another_server),
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_rubbish),
    };
    return cmocka_run_group_tests_name("bench_stages", tests, NULL, NULL);
}
