/* test_metrics.c - counters as Prometheus reads them. */
#include "serve/metrics_priv.h"

#include "base/cleanup.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void histograms_are_cumulative(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);
    struct sk_metrics_histogram h = { 0 };

    (void)state;
    sk_metrics_observe(&h, 20000); /* on a bound: belongs below it */
    sk_metrics_observe(&h, 20001);
    sk_metrics_observe(&h, 30000000000); /* beyond the last */
    assert_int_equal(sk_metrics_observed(&h), 3);
    sk_metrics_hist(&out, "t", "a=\"b\"", &h);
    assert_non_null(strstr(out.data, "t_bucket{a=\"b\",le=\"0.00002\"} 1\n"));
    assert_non_null(strstr(out.data, "t_bucket{a=\"b\",le=\"0.00003\"} 2\n"));
    assert_non_null(strstr(out.data, "t_bucket{a=\"b\",le=\"10\"} 2\n"));
    assert_non_null(strstr(out.data, "t_bucket{a=\"b\",le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(out.data, "t_sum{a=\"b\"} 30.000040001\n"));
    assert_non_null(strstr(out.data, "t_count{a=\"b\"} 3\n"));
}

static void statuses_are_told_apart(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);
    struct sk_status_counts c = { 0 };

    (void)state;
    sk_status_add(&c, 200);
    sk_status_add(&c, 200);
    sk_status_add(&c, 503);
    sk_status_add(&c, 418);
    sk_metrics_statuses(&out, "n", "m=\"x\"", &c);
    assert_string_equal(
        out.data,
        "n{m=\"x\",code=\"200\"} 2\nn{m=\"x\",code=\"503\"} 1\nn{m=\"x\",code=\"other\"} 1\n");
}

static void labels_are_escaped(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);

    (void)state;
    sk_metrics_label(&out, "model", "a\"b\\c\nd");
    assert_string_equal(out.data, "model=\"a\\\"b\\\\c\\nd\"");
}

static void failures_have_reasons(void **state)
{
    static struct sk_stats s;

    (void)state;
    sk_stats_finish(&s, 200, 10);
    sk_stats_finish(&s, 503, 10);
    sk_stats_finish(&s, 504, 10);
    sk_stats_finish(&s, 499, 10); /* the client left */
    sk_stats_finish(&s, 400, 10);
    assert_int_equal(s.succeeded, 1);
    assert_int_equal(s.rejected, 1);
    assert_int_equal(s.cancelled, 2);
    assert_int_equal(s.failed, 1);
    assert_int_equal(s.fail_ns, 40);
    assert_int_equal(sk_metrics_observed(&s.stages[SK_STAGE_TOTAL]), 5);
}

static void the_process_is_measured(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);

    (void)state;
    sk_metrics_process(&out);
    const char *rss = strstr(out.data, "\nprocess_resident_memory_bytes ");
    assert_non_null(rss);
    assert_true(strtoull(rss + strlen("\nprocess_resident_memory_bytes "), NULL, 10) > 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histograms_are_cumulative), cmocka_unit_test(statuses_are_told_apart),
        cmocka_unit_test(labels_are_escaped),        cmocka_unit_test(failures_have_reasons),
        cmocka_unit_test(the_process_is_measured),
    };

    return cmocka_run_group_tests_name("serve/metrics", tests, NULL, NULL);
}
