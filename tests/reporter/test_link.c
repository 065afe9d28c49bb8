/* test_link.c - settings from the twin, at the start and while running. */
#include "base/clock.h"
#include "edge_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* [reporter-20] [reporter-21] [reporter-22] */
static void modes_from_the_twin(void **state)
{
    struct edge e;
    (void)state;
    edge_start(&e);
    edge_set_twin(&e,
                  "{\"desired\":{\"telemetry\":{\"mode\":\"sampled\",\"every\":3},\"$version\":2},"
                  "\"reported\":{\"$version\":1}}",
                  false);
    struct sk_reporter *r = edge_reporter(&e, &edge_each);
    edge_wait_reports(&e, 1);
    assert_string_equal(e.reported[0], "{\"telemetry\":{\"mode\":\"sampled\",\"every\":3,"
                                       "\"intervalSeconds\":60,\"error\":null}}");
    edge_report_numbered(r, 0, 9);
    edge_wait_messages(&e, 3);
    assert_true(sk_starts_with(e.messages[2].payload, "{\"prediction\":\"6\","));
    /* while it runs: something wrong, and the old stays */
    edge_set_twin(
        &e, "{\"desired\":{\"telemetry\":{\"mode\":\"loud\"},\"$version\":3},\"reported\":{}}",
        true);
    edge_wait_reports(&e, 2);
    assert_string_equal(e.reported[1],
                        "{\"telemetry\":{\"mode\":\"sampled\",\"every\":3,\"intervalSeconds\":60,"
                        "\"error\":\"telemetry: 'mode': 'loud' is none of each, sampled, summary, "
                        "off\"}}");
    edge_report_numbered(r, 9, 10);
    edge_wait_messages(&e, 4);
    /* sums */
    edge_set_twin(&e,
                  "{\"desired\":{\"telemetry\":{\"mode\":\"summary\",\"intervalSeconds\":1}},"
                  "\"reported\":{}}",
                  true);
    edge_wait_reports(&e, 3);
    edge_report(r, "cat", 3);
    edge_report(r, NULL, 1);
    edge_wait_messages(&e, 5);
    unsigned at = 4;
    while (strstr(e.messages[at].payload, "\"count\":0,\"errors\":0"))
        edge_wait_messages(&e, ++at + 1); /* an interval had just ended */
    assert_non_null(
        strstr(e.messages[at].payload, "{\"count\":3,\"errors\":1,\"byLabel\":{\"cat\":3},"));
    /* the sums so far are not lost */
    edge_report(r, "dog", 1);
    edge_set_twin(&e, "{\"desired\":{\"telemetry\":null},\"reported\":{}}", true);
    edge_wait_reports(&e, 4);
    edge_wait_messages(&e, at + 2);
    edge_report(r, "back", 1);
    edge_wait_sent(r, at + 3);
    unsigned last = e.count - 1;
    assert_true(sk_starts_with(e.messages[last].payload, "{\"prediction\":\"back\","));
    while (last > at && !strstr(e.messages[last].payload, "\"byLabel\":{\"dog\":1}"))
        last--;
    assert_true(last > at);
    sk_reporter_free(r);
    edge_stop(&e);
}

/* [reporter-23] What is reported already is not reported again. */
static void no_needless_report(void **state)
{
    struct edge e;
    (void)state;
    edge_start(&e);
    edge_set_twin(&e,
                  "{\"desired\":{},\"reported\":{\"telemetry\":{\"mode\":\"each\",\"every\":10,"
                  "\"intervalSeconds\":60}}}",
                  false);
    struct sk_reporter *r = edge_reporter(&e, &edge_each);
    edge_wait(&e.twin_asks, 1);
    edge_report(r, "x", 5);
    edge_wait_sent(r, 5);
    edge_server_stop(&e);
    edge_wait_up(r, false);
    edge_server_start(&e, 0);
    edge_wait(&e.twin_asks, 2);
    edge_report(r, "x", 5);
    edge_wait_sent(r, 10);
    assert_int_equal(e.reports, 0);
    sk_reporter_free(r);
    edge_stop(&e);
}

/* What a twin says, without a line. */
static void apply(void **state)
{
    static const struct {
        const char *desired;
        enum sk_reporter_mode mode;
        bool has_error;
    } rows[] = {
        { "{}", SK_REPORT_EACH, false },
        { "{\"telemetry\":{\"mode\":\"off\"}}", SK_REPORT_OFF, false },
        { "{\"telemetry\":{\"mode\":\"summary\",\"every\":0}}", SK_REPORT_OFF, true },
        { "{\"telemetry\":7}", SK_REPORT_OFF, true },
        { "{\"telemetry\":{\"mode\":\"summary\"}}", SK_REPORT_SUMMARY, false },
        { "{\"telemetry\":{}}", SK_REPORT_EACH, false },
    };

    (void)state;
    SK_OWN(free) struct sk_reporter *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->base = r->settings = (struct sk_rep_settings){ SK_REPORT_EACH, 10, 60 };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_json_free) struct sk_json *doc = NULL;
        assert_int_equal(sk_json_parse(rows[i].desired, strlen(rows[i].desired), NULL, &doc, &err),
                         0);
        sk_rep_apply(r, doc);
        if (r->settings.mode != rows[i].mode || (r->error[0] != '\0') != rows[i].has_error)
            fail_msg("%s: %d '%s'", rows[i].desired, r->settings.mode, r->error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modes_from_the_twin),
        cmocka_unit_test(no_needless_report),
        cmocka_unit_test(apply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
