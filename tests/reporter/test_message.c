/* test_message.c - results as JSON, labels that are long or strange, topics. */
#include "reporter/reporter_priv.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct sk_rep_model model = { "v\"1", "", "dev" };

/* [reporter-10] */
static void results(void **state)
{
    static const struct {
        struct sk_reporter_result in;
        const char *json;
    } rows[] = {
        { { "a \"b\" \xc3\xa4", 0.5, 1, 0 },
          "{\"prediction\":\"a \\\"b\\\" \xc3\xa4\",\"confidence\":0.5,\"inferenceLatencyMs\":1,"
          "\"modelVersion\":\"v\\\"1\",\"modelDigest\":\"\",\"deviceId\":\"dev\","
          "\"timestamp\":\"1970-01-01T00:00:00.000Z\"}" },
        { { "", NAN, 0.25, -5 },
          "{\"prediction\":\"\",\"confidence\":null,\"inferenceLatencyMs\":0.25,"
          "\"modelVersion\":\"v\\\"1\",\"modelDigest\":\"\",\"deviceId\":\"dev\","
          "\"timestamp\":\"1970-01-01T00:00:00.000Z\"}" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(4096);
        struct sk_rep_result r;
        sk_rep_result_set(&r, &rows[i].in);
        sk_rep_message(&r, &model, &b);
        assert_string_equal(b.data, rows[i].json);
    }
}

/* A long label is cut between characters. */
static void long_labels(void **state)
{
    char label[300] = "x";
    struct sk_rep_result r;
    (void)state;
    for (size_t at = 1; at + 2 < sizeof label; at += 2)
        memcpy(label + at, "\xc3\xa4", 2);
    sk_rep_result_set(&r, &(struct sk_reporter_result){ label, 1, 1, 1 });
    assert_int_equal(strlen(r.label), SK_REP_LABEL_BYTES - 1);
    assert_true(sk_utf8_valid(r.label, strlen(r.label)));
    label[0] = '\xff'; /* no UTF-8 at all */
    sk_rep_result_set(&r, &(struct sk_reporter_result){ label, 1, 1, 1 });
    assert_memory_equal(r.label, label, 10);
}

/* [reporter-11] */
static void topics(void **state)
{
    const struct sk_rep_env e = { .device = (char[]){ "d" }, .module = (char[]){ "m" } };
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(4096);
    (void)state;
    sk_rep_topic(&e, "out/1", "id&7", &b);
    assert_string_equal(b.data, "devices/d/modules/m/messages/events/%24.on=out%2F1&%24.ct="
                                "application%2Fjson&%24.ce=utf-8&%24.mid=id%267");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results),
        cmocka_unit_test(long_labels),
        cmocka_unit_test(topics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
