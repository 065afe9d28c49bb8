/* test_summary.c - sums: labels beyond the bound, percentiles against sorted values, JSON. */
#include "reporter/reporter_priv.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct sk_rep_model model = { "v1", "sha256:aa", "dev" };

static void add(struct sk_rep_summary *s, const char *label, double ms)
{
    sk_rep_summary_add(s, &(struct sk_reporter_result){ label, 1, ms, 0 });
}

/* [reporter-30] */
static void json(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_REP_MESSAGE_BYTES);
    SK_OWN(free) struct sk_rep_summary *s = calloc(1, sizeof *s);
    (void)state;
    assert_non_null(s);
    sk_rep_summary_clear(s, 1000);
    add(s, "cat", 8);
    add(s, "dog", 8);
    add(s, "cat", 8);
    add(s, NULL, 8);
    sk_rep_summary_write(s, &model, 60, 61000, &b);
    assert_string_equal(
        b.data, "{\"count\":3,\"errors\":1,\"byLabel\":{\"cat\":2,\"dog\":1},"
                "\"inferenceLatencyMs\":{\"p50\":7.947,\"p90\":7.947,\"p99\":7.947,\"max\":8},"
                "\"intervalSeconds\":60,\"modelVersion\":\"v1\",\"modelDigest\":\"sha256:aa\","
                "\"deviceId\":\"dev\",\"since\":\"1970-01-01T00:00:01.000Z\","
                "\"timestamp\":\"1970-01-01T00:01:01.000Z\"}");
    sk_buf_clear(&b);
    sk_rep_summary_clear(s, 0);
    sk_rep_summary_write(s, &model, 60, 0, &b);
    assert_true(sk_starts_with(b.data, "{\"count\":0,\"errors\":0,\"byLabel\":{},"
                                       "\"inferenceLatencyMs\":{\"p50\":0,"));
}

/* [reporter-31] */
static void many_labels(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_REP_MESSAGE_BYTES);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_OWN(free) struct sk_rep_summary *s = calloc(1, sizeof *s);
    (void)state;
    assert_non_null(s);
    add(s, "other", 1);
    for (int i = 0; i < 1000; i++) {
        char label[400]; /* as long as they get, and each byte six in JSON */
        memset(label, 1, sizeof label);
        (void)snprintf(label, 8, "%d", i);
        label[strlen(label)] = 1;
        label[sizeof label - 1] = '\0';
        add(s, label, 1);
    }
    sk_rep_summary_write(s, &model, 60, 0, &b);
    assert_true(sk_buf_ok(&b));
    assert_int_equal(sk_json_parse(b.data, b.len, NULL, &doc, &err), 0);
    const struct sk_json *labels = sk_json_get(doc, "byLabel");
    assert_int_equal(sk_json_count(labels), SK_REP_LABELS);
    assert_int_equal(sk_json_int(sk_json_get(labels, "other"), 0), 1001 - (SK_REP_LABELS - 1));
    assert_int_equal(sk_json_int(sk_json_get(doc, "count"), 0), 1001);
}

/* [reporter-32] */
static void percentiles(void **state)
{
    static const double shares[] = { 0.5, 0.9, 0.99 };

    enum {
        N = 1000
    };
    SK_OWN(free) struct sk_rep_summary *s = calloc(1, sizeof *s);
    (void)state;
    assert_non_null(s);
    for (int i = 0; i < N; i++) /* in another order than their size; known when sorted */
        add(s, "x", 0.01 * pow(1.01, (double)(i * 7 % N)));
    for (size_t i = 0; i < 3; i++) {
        double exact = 0.01 * pow(1.01, ceil(shares[i] * N) - 1);
        double got = sk_rep_summary_percentile(s, shares[i]);
        if (fabs(got / exact - 1) > 0.02)
            fail_msg("p%g: %g, not %g", shares[i], got, exact);
    }
    sk_rep_summary_clear(s, 0);
    add(s, "x", 0);
    add(s, "x", 1e12);
    add(s, "x", -1);
    add(s, "x", NAN);
    assert_true(sk_rep_summary_percentile(s, 0.5) < 0.01);
    assert_true(s->max_ms == 1e12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json),
        cmocka_unit_test(many_labels),
        cmocka_unit_test(percentiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
