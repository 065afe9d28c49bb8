/* test_reporter.c - a reporter against a local hub in miniature: results as messages, losses, the
 * offline time, a slow server, the end. */
#include "base/clock.h"
#include "edge_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* [reporter-1] [reporter-2] [reporter-10] [reporter-11] */
static void each_result(void **state)
{
    struct edge e;
    struct sk_reporter_counts c;
    (void)state;
    edge_start(&e);
    struct sk_reporter *r = edge_reporter(&e, &edge_each);
    edge_report(r, "defect", 1);
    edge_report(r, NULL, 1); /* a failed request is no result */
    edge_report_numbered(r, 1, 300);
    edge_wait_sent(r, 300);
    sk_reporter_counts(r, &c);
    assert_int_equal(c.results, 301);
    assert_int_equal(c.dropped, 0);
    sk_reporter_free(r);
    assert_string_equal(e.client_id, "dev-1/cam");
    assert_string_equal(
        e.username, "hub.example/dev-1/cam/?api-version=2021-04-12&DeviceClientType=skerry-serve");
    assert_int_equal(atomic_load(&e.denied), 0);
    assert_int_equal(e.count, 300);
    assert_true(sk_starts_with(
        e.messages[0].topic,
        "devices/dev-1/modules/cam/messages/events/%24.on=metrics&%24.ct=application%2Fjson&"
        "%24.ce=utf-8&%24.mid="));
    assert_string_equal(
        e.messages[0].payload,
        "{\"prediction\":\"defect\",\"confidence\":0.97,\"inferenceLatencyMs\":12.5,"
        "\"modelVersion\":\"v1\",\"modelDigest\":\"sha256:aa\",\"deviceId\":\"dev-1\","
        "\"timestamp\":\"2025-11-29T15:00:00.000Z\"}");
    for (unsigned i = 1; i < e.count; i++) {
        char begin[40];
        (void)snprintf(begin, sizeof begin, "{\"prediction\":\"%u\",", i);
        assert_true(sk_starts_with(e.messages[i].payload, begin));
        assert_string_not_equal(e.messages[i].id, e.messages[i - 1].id);
    }
    edge_stop(&e);
}

/* [reporter-12] What had no PUBACK is sent again, with the same id. */
static void losses(void **state)
{
    struct edge e;
    (void)state;
    edge_start(&e);
    struct sk_reporter *r = edge_reporter(&e, &edge_each);
    edge_report_numbered(r, 0, 10);
    edge_wait_sent(r, 10);
    atomic_store(&e.keeps_pubacks, true);
    edge_report_numbered(r, 10, 20);
    edge_wait_messages(&e, 20);
    edge_server_stop(&e);
    edge_wait_up(r, false);
    edge_report_numbered(r, 20, 30);
    atomic_store(&e.keeps_pubacks, false);
    edge_server_start(&e, 0);
    edge_wait_messages(&e, 40);
    edge_wait_sent(r, 30);
    sk_reporter_free(r);
    assert_int_equal(e.count, 40);
    for (unsigned i = 0; i < 10; i++) {
        assert_string_equal(e.messages[10 + i].id, e.messages[20 + i].id);
        assert_string_equal(e.messages[10 + i].payload, e.messages[20 + i].payload);
    }
    assert_true(sk_starts_with(e.messages[39].payload, "{\"prediction\":\"29\","));
    edge_stop(&e);
}

/* [reporter-3] [reporter-13] Nobody there: results wait, the oldest are dropped and counted, and no
 * call waits. */
static void offline(void **state)
{
    enum {
        MORE = 500
    };
    struct edge e;
    struct sk_reporter_counts c;
    (void)state;
    edge_start(&e);
    edge_server_stop(&e);
    sk_workload_free(e.workload);
    e.workload = NULL;
    struct sk_reporter *r = edge_reporter(&e, &edge_each);
    uint64_t begin = sk_now_ms();
    edge_report_numbered(r, 0, SK_REP_RING + MORE);
    assert_true(sk_now_ms() - begin < EDGE_WAIT_MS);
    sk_reporter_counts(r, &c);
    assert_int_equal(c.dropped, MORE);
    assert_false(c.is_connected);
    edge_workload_start(&e);
    edge_server_start(&e, 0);
    edge_wait_sent(r, SK_REP_RING);
    assert_int_equal(e.count, SK_REP_RING);
    for (unsigned i = 0; i < e.count; i++) {
        char first[40];
        (void)snprintf(first, sizeof first, "{\"prediction\":\"%u\",", MORE + i);
        assert_true(sk_starts_with(e.messages[i].payload, first));
    }
    sk_reporter_free(r);
    edge_stop(&e);
}

/* [reporter-14] A server that takes nothing does not slow results down, and costs no more memory.
 */
static void slow_server(void **state)
{
    struct edge e;
    struct sk_reporter_counts c;
    (void)state;
    edge_start(&e);
    atomic_store(&e.keeps_pubacks, true);
    struct sk_reporter *r = edge_reporter(&e, &edge_each);
    edge_wait_up(r, true);
    uint64_t begin = sk_now_ms();
    edge_report(r, "x", 20000);
    assert_true(sk_now_ms() - begin < EDGE_WAIT_MS);
    sk_reporter_counts(r, &c);
    assert_true(c.dropped >= 20000 - SK_REP_RING - SK_REP_OUTBOX);
    assert_int_equal(c.sent, 0);
    begin = sk_now_ms();
    sk_reporter_stop(r, 200); /* nothing is acknowledged */
    assert_true(sk_now_ms() - begin < EDGE_WAIT_MS);
    sk_reporter_counts(r, &c);
    assert_int_equal(c.dropped, 20000);
    sk_reporter_free(r);
    edge_stop(&e);
}

/* [reporter-15] The end sends what waits. */
static void end(void **state)
{
    struct edge e;
    (void)state;
    edge_start(&e);
    struct sk_reporter *r = edge_reporter(
        &e, &(struct sk_reporter_options){ .mode = SK_REPORT_SUMMARY, .output = "sums" });
    edge_wait_up(r, true);
    edge_report(r, "cat", 2);
    sk_reporter_stop(r, EDGE_WAIT_MS);
    edge_report(r, "cat", 2); /* too late */
    assert_int_equal(e.count, 1);
    assert_non_null(strstr(e.messages[0].payload, "\"byLabel\":{\"cat\":2}"));
    assert_non_null(strstr(e.messages[0].topic, "%24.on=sums&"));
    sk_reporter_stop(r, EDGE_WAIT_MS);
    sk_reporter_free(r);
    edge_stop(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_result), cmocka_unit_test(losses), cmocka_unit_test(offline),
        cmocka_unit_test(slow_server), cmocka_unit_test(end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
