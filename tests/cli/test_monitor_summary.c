/* test_monitor_summary.c - rates, percentiles, shares. */
#include "cli/monitor_priv.h"

#include "cli_test.h"
#include "harness/alloc_fail.h"

#include <math.h>
#include <stdio.h>

enum {
    T0 = 1000000 /* ms since 1970 of the first message */
};

static void add(struct sk_summary *s, int64_t ms, const char *device, const char *version,
                const char *prediction, double latency_ms)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_monitor_row row = { .device = device,
                                  .module = "",
                                  .time_ms = ms,
                                  .prediction = prediction,
                                  .latency_ms = latency_ms };
    (void)snprintf(row.version, sizeof row.version, "%s", version);
    assert_int_equal(sk_summary_add(s, &row, &err), 0);
}

static struct sk_summary *make(uint64_t window_ms)
{
    struct sk_summary *s = NULL;
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_summary_new(window_ms, &s, &err), 0);
    return s;
}

static void expect(struct sk_summary *s, int64_t now_ms, int64_t since_ms, bool as_json,
                   const char *text, unsigned lines)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    assert_int_equal(sk_summary_print(s, now_ms, since_ms, as_json, &out), lines);
    const char *body = out.data ? out.data : "";
    if (!as_json)
        body = strchr(body, '\n') + 1;
    assert_string_equal(body, text);
}

static void figures(void **state)
{
    SK_OWN(sk_summary_free) struct sk_summary *s = make(10000);
    (void)state;
    assert_int_equal(sk_summary_first(s), 0);
    expect(s, T0, 0, false, "", 1);
    for (int i = 0; i < 100; i++)
        add(s, T0 + i * 100, "b", "7", i < 25 ? "ok" : "scratch", i + 1);
    add(s, T0 + 9000, "a", "", NULL, NAN);
    assert_int_equal(sk_summary_first(s), T0);
    assert_int_equal(sk_summary_newest(s), T0 + 9900);
    expect(
        s, T0 + 10000, 0, false,
        "a                 -               -         1         0.1      -        -        -      "
        "  -\n"
        "b                 -               7         100       10.0     50.0     95.0     99.0   "
        "  scratch 75.0%, ok 25.0%\n",
        3);
    expect(s, T0 + 10000, T0 + 5000, true,
           "{\"deviceId\":\"a\",\"moduleId\":\"\",\"modelVersion\":\"\",\"messages\":1,"
           "\"messagesPerSecond\":0.2,\"latencyMsP50\":null,\"latencyMsP95\":null,"
           "\"latencyMsP99\":null,\"predictions\":{}}\n"
           "{\"deviceId\":\"b\",\"moduleId\":\"\",\"modelVersion\":\"7\",\"messages\":50,"
           "\"messagesPerSecond\":10,\"latencyMsP50\":75,\"latencyMsP95\":98,\"latencyMsP99\":100,"
           "\"predictions\":{\"scratch\":1}}\n",
           2);
    /* All have left the window. */
    expect(s, T0 + 30000, 0, false, "", 1);
}

/* One group and prediction more than there is room for go under "(others)". */
static void limits(void **state)
{
    SK_OWN(sk_summary_free) struct sk_summary *s = make(1000000);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    char name[32];
    (void)state;
    for (int i = 0; i < SK_SUMMARY_GROUPS + 4; i++) {
        (void)snprintf(name, sizeof name, "d-%03d", i);
        add(s, T0, name, "", "x", 1);
    }
    for (int i = 0; i < SK_SUMMARY_PREDICTIONS + 4; i++) {
        (void)snprintf(name, sizeof name, "p-%03d", i);
        add(s, T0, "d-000", "", name, 1);
    }
    assert_int_equal(sk_summary_print(s, T0 + 1000, 0, false, &out), SK_SUMMARY_GROUPS + 1);
    assert_non_null(strstr(out.data, "(others)          -               -         5 "));
    assert_non_null(strstr(out.data, "(others) 16.2%, x 2.7%")); /* 6 of 37 */
    assert_null(strstr(out.data, "p-031"));
}

/* Beyond the samples of a group the older half goes, and the rate is that of the rest. */
static void many(void **state)
{
    SK_OWN(sk_summary_free) struct sk_summary *s = make(3600000);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    (void)state;
    for (int i = 0; i < SK_SUMMARY_SAMPLES; i++)
        add(s, T0 + i * 10, "d", "", NULL, 1);
    assert_int_equal(sk_summary_print(s, T0 + SK_SUMMARY_SAMPLES * 10, 0, true, &out), 1);
    assert_non_null(strstr(out.data, "\"messages\":16384,"));
    sk_buf_clear(&out);
    add(s, T0 + SK_SUMMARY_SAMPLES * 10, "d", "", NULL, 1);
    assert_int_equal(sk_summary_print(s, T0 + SK_SUMMARY_SAMPLES * 10 + 10, 0, true, &out), 1);
    assert_non_null(strstr(out.data, "\"messages\":8193,\"messagesPerSecond\":100,"));
}

static int use(void *ctx, struct sk_err *err)
{
    SK_OWN(sk_summary_free) struct sk_summary *s = NULL;
    const struct sk_monitor_row row = {
        .device = "d", .module = "m", .time_ms = T0, .prediction = "p", .latency_ms = 1
    };
    (void)ctx;
    return sk_summary_new(1000, &s, err) < 0 ? -1 : sk_summary_add(s, &row, err);
}

static void without_memory(void **state)
{
    (void)state;
    assert_true(sk_alloc_sweep("summary", use, NULL, 0) > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures),
        cmocka_unit_test(limits),
        cmocka_unit_test(many),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests_name("monitor_summary", tests, NULL, NULL);
}
