/* test_monitor_row.c - messages as lines. */
#include "cli/monitor_priv.h"

#include "cli_test.h"

#include <math.h>
#include <stdio.h>

#define HEAD "{\"enqueuedTime\":\"2026-11-29T06:12:04.500Z\",\"deviceId\":\"line-3\","

static struct sk_json *parse(const char *text)
{
    struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;
    if (sk_json_parse(text, strlen(text), NULL, &doc, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return doc;
}

static void lines(void **state)
{
    static const struct {
        const char *name, *message, *line;
        struct sk_monitor_look look;
    } table[] = {
        { "all columns",
          HEAD "\"moduleId\":\"filter\",\"body\":{\"prediction\":\"scratch\",\"confidence\":0.9134,"
               "\"inferenceLatencyMs\":12.44,\"modelVersion\":\"7\"}}",
          "11-29 06:12:04  line-3            filter          scratch           0.913       12.4 ms "
          "    7\n",
          { 0 } },
        { "a prediction alone",
          HEAD "\"body\":{\"prediction\":\"ok\"}}",
          "11-29 06:12:04  line-3                            ok\n",
          { 0 } },
        { "a number as version, whole milliseconds",
          HEAD "\"body\":{\"prediction\":\"ok\",\"inferenceLatencyMs\":5,\"modelVersion\":12}}",
          "11-29 06:12:04  line-3                            ok                            5.0 ms  "
          "    12\n",
          { 0 } },
        { "another body",
          HEAD "\"body\":{\"temperature\":21.5}}",
          "11-29 06:12:04  line-3                            {\"temperature\":21.5}\n",
          { 0 } },
        { "JSON without its type",
          HEAD "\"bodyText\":\"{\\\"prediction\\\":\\\"ok\\\"}\"}",
          "11-29 06:12:04  line-3                            ok\n",
          { 0 } },
        { "text",
          HEAD "\"bodyText\":\"{hello\\tworld\"}",
          "11-29 06:12:04  line-3                            {hello?world\n",
          { 0 } },
        { "bytes",
          HEAD "\"bodyBase64\":\"AAEC/w==\"}",
          "11-29 06:12:04  line-3                            4 bytes\n",
          { 0 } },
        { "three bytes",
          HEAD "\"bodyBase64\":\"AAEC\"}",
          "11-29 06:12:04  line-3                            3 bytes\n",
          { 0 } },
        { "an array",
          HEAD "\"body\":[1,2]}",
          "11-29 06:12:04  line-3                            [1,2]\n",
          { 0 } },
        { "a wrong type of prediction",
          HEAD "\"body\":{\"prediction\":1}}",
          "11-29 06:12:04  line-3                            {\"prediction\":1}\n",
          { 0 } },
        { "cut to the terminal",
          HEAD "\"bodyText\":\"0123456789012345678901234567890123456789\"}",
          "11-29 06:12:04  line-3                            01234567890123456789012345678...\n",
          { .width = 82 } },
        { "a narrow one",
          HEAD "\"bodyText\":\"0123456789012345678901234567890123456789\"}",
          "11-29 06:12:04  line-3                            01234567890123456...\n",
          { .width = 10 } },
        { "an event",
          HEAD "\"body\":{\"event\":\"deviceConnected\"}}",
          "11-29 06:12:04  line-3                            deviceConnected           "
          "{\"event\":\"deviceConnected\"}\n",
          { .is_events = true } },
        { "an event by its source",
          HEAD "\"source\":\"twinChangeEvents\",\"body\":{\"tags\":{}}}",
          "11-29 06:12:04  line-3                            twinChangeEvents          "
          "{\"tags\":{}}\n",
          { .is_events = true } },
        { "colours",
          HEAD "\"body\":{\"prediction\":\"ok\"}}",
          "\033[2m11-29 06:12:04  \033[0mline-3                            \033[1mok               "
          " "
          "\033[0m\n",
          { .has_colours = true } },
        { "nothing", "{}", "-                                                 0 bytes\n", { 0 } },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        SK_OWN(sk_json_free) struct sk_json *doc = parse(table[i].message);
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);
        sk_monitor_line(doc, &table[i].look, &out);
        if (strcmp(out.data, table[i].line) != 0)
            fail_msg("%s:\n'%s'\n'%s'", table[i].name, out.data, table[i].line);
    }
}

static void headings(void **state)
{
    static const struct {
        struct sk_monitor_look look;
        const char *line;
    } table[] = {
        { { 0 },
          "TIME (UTC)      DEVICE            MODULE          PREDICTION        CONFIDENCE  LATENCY "
          " "
          "   VERSION\n" },
        { { .is_events = true, .has_colours = true },
          "\033[2mTIME (UTC)      DEVICE            MODULE          EVENT                     "
          "DETAIL\033[0m\n" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);
        sk_monitor_heading(&table[i].look, &out);
        assert_string_equal(out.data, table[i].line);
    }
}

/* A version of the most bytes, one beyond, and one whose last character is cut away whole. */
static void versions(void **state)
{
    char text[256], version[80];

    (void)state;
    for (size_t len = 62; len < 66; len++) {
        memset(version, 'v', len);
        version[len] = '\0';
        (void)snprintf(text, sizeof text, "{\"body\":{\"modelVersion\":\"%s\"}}", version);
        SK_OWN(sk_json_free) struct sk_json *doc = parse(text);
        SK_AUTO(sk_monitor_row_done) struct sk_monitor_row row;
        sk_monitor_row_read(doc, &row);
        assert_int_equal(strlen(row.version), len < 63 ? len : 63);
        assert_true(isnan(row.latency_ms) && isnan(row.confidence));
    }
    (void)snprintf(text, sizeof text, "{\"body\":{\"modelVersion\":\"%.62s\u00e9\"}}", version);
    SK_OWN(sk_json_free) struct sk_json *doc = parse(text);
    SK_AUTO(sk_monitor_row_done) struct sk_monitor_row row;
    sk_monitor_row_read(doc, &row);
    assert_int_equal(strlen(row.version), 62);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(headings),
        cmocka_unit_test(versions),
    };
    return cmocka_run_group_tests_name("monitor_row", tests, NULL, NULL);
}
