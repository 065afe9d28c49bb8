/* test_metrics.c - counters, summaries, bounds. */
#include "rig.h"

static const char *written(struct rig *r)
{
    static char *text;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(8 << 20);
    sk_lh_metrics_write(r->h, &b);
    free(text);
    text = sk_buf_take(&b);
    return text;
}

static void counters_and_summaries(void **state)
{
    static const char *const labels[] = { "id", "a\"b\\\nc", NULL };
    struct rig *r = *state;
    sk_lh_count(r->h, SK_LH_M_RECEIVED, 1, labels);
    sk_lh_count(r->h, SK_LH_M_RECEIVED, 2, labels);
    for (int i = 1; i <= 100; i++)
        sk_lh_count(r->h, SK_LH_M_SEND_S, i / 1000.0, labels);
    const char *text = written(r);
    assert_non_null(strstr(text, ",id=\"a\\\"b\\\\\\nc\"} 3\n"));
    const char *median = strstr(text, "edgehub_message_send_duration_seconds{");
    assert_non_null(median);
    median = strstr(median, "quantile=\"0.5\"} ");
    assert_non_null(median);
    const double value = strtod(median + strlen("quantile=\"0.5\"} "), NULL);
    assert_true(value >= 0.05 && value < 0.06);
    assert_non_null(strstr(text, "edgehub_message_send_duration_seconds_count{"));
    assert_non_null(strstr(text, "edge_device=\"" DEVICE "\""));
}

static void series_have_a_bound(void **state)
{
    struct rig *r = *state;
    char id[16];
    const char *const labels[] = { "id", id, NULL };
    for (int i = 0; i < 2000; i++) {
        (void)snprintf(id, sizeof id, "%d", i);
        sk_lh_count(r->h, SK_LH_M_RECEIVED, 1, labels);
    }
    assert_true(r->h->metrics.count < 1000);
    (void)written(r);
}

static void outputs_of_keys(void **state)
{
    static const struct {
        const char *key, *output;
    } rows[] = { { "d/m/o", "o" }, { "d//", "" }, { "d/m/a/b", "a/b" }, { "d", "" }, { "", "" } };

    char out[40];
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        sk_lh_output_of(sk_view_of(rows[i].key), out, sizeof out);
        assert_string_equal(out, rows[i].output);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_ROW(counters_and_summaries),
        LONE_ROW(series_have_a_bound),
        cmocka_unit_test(outputs_of_keys),
    };
    return cmocka_run_group_tests_name("localhub/metrics", tests, NULL, NULL);
}
