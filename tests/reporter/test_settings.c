/* test_settings.c - "telemetry" of the twin, in and out. */
#include "reporter/reporter_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct sk_rep_settings base = { SK_REPORT_SAMPLED, 5, 30 };

/* [reporter-20] [reporter-21] */
static void reading(void **state)
{
    static const struct {
        const char *desired; /* the value of "telemetry" */
        struct sk_rep_settings out;
        const char *error; /* NULL: none */
    } rows[] = {
        { "null", { SK_REPORT_SAMPLED, 5, 30 }, NULL },
        { "{}", { SK_REPORT_SAMPLED, 5, 30 }, NULL },
        { "{\"mode\":\"each\"}", { SK_REPORT_EACH, 5, 30 }, NULL },
        { "{\"mode\":\"off\",\"every\":null,\"other\":1}", { SK_REPORT_OFF, 5, 30 }, NULL },
        { "{\"every\":1,\"intervalSeconds\":1}", { SK_REPORT_SAMPLED, 1, 1 }, NULL },
        { "{\"every\":1000000,\"intervalSeconds\":86400}",
          { SK_REPORT_SAMPLED, 1000000, 86400 },
          NULL },
        { "{\"every\":1000001}", { SK_REPORT_OFF, 0, 0 }, "telemetry: 'every': " },
        { "{\"every\":0}", { SK_REPORT_OFF, 0, 0 }, "telemetry: 'every': " },
        { "{\"intervalSeconds\":86401}",
          { SK_REPORT_OFF, 0, 0 },
          "telemetry: 'intervalSeconds': " },
        { "{\"intervalSeconds\":1.5}", { SK_REPORT_OFF, 0, 0 }, "telemetry: 'intervalSeconds': " },
        { "{\"mode\":1}", { SK_REPORT_OFF, 0, 0 }, "telemetry: 'mode': " },
        { "{\"mode\":\"Each\"}", { SK_REPORT_OFF, 0, 0 }, "telemetry: 'mode': 'Each' is none of" },
        { "\"each\"", { SK_REPORT_OFF, 0, 0 }, "'telemetry': " },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[200];
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_json_free) struct sk_json *doc = NULL;
        struct sk_rep_settings s = { SK_REPORT_OFF, 0, 0 };
        (void)snprintf(text, sizeof text, "{\"telemetry\":%s,\"$version\":3}", rows[i].desired);
        assert_int_equal(sk_json_parse(text, strlen(text), NULL, &doc, &err), 0);
        int result = sk_rep_settings_read(doc, &base, &s, &err);
        if ((result < 0) != (rows[i].error != NULL) ||
            (rows[i].error && !sk_starts_with(err.text, rows[i].error)) ||
            s.mode != rows[i].out.mode || s.every != rows[i].out.every ||
            s.interval_s != rows[i].out.interval_s)
            fail_msg("%s: %d '%s' mode %d every %u", text, result, err.text, s.mode, s.every);
    }
}

/* [reporter-23] */
static void writing(void **state)
{
    static const char *const errors[] = { "", "a \"b\"" };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(4096);
        SK_OWN(sk_json_free) struct sk_json *doc = NULL;
        struct sk_rep_settings other = base;
        sk_rep_settings_write(&base, errors[i], &b);
        assert_int_equal(sk_json_parse(b.data, b.len, NULL, &doc, &err), 0);
        assert_true(sk_rep_settings_are(doc, &base, errors[i]));
        assert_false(sk_rep_settings_are(doc, &base, errors[1 - i]));
        other.every++;
        assert_false(sk_rep_settings_are(doc, &other, errors[i]));
    }
    assert_false(sk_rep_settings_are(NULL, &base, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading),
        cmocka_unit_test(writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
