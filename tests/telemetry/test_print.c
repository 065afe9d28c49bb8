/* test_print.c - messages as JSON and as lines of CSV. */
#include "fixture.h"

#define JSON_TYPE "%24.ct=application%2Fjson"

struct row {
    const char *name, *bag, *body;
    size_t len; /* 0: strlen(body) */
    unsigned flags;
    const char *expected;
};

static void read_row(const struct row *row, struct sk_buf *record, struct sk_stored *rec)
{
    struct sk_err err = SK_ERR_INIT;
    record_of(row->bag, (struct sk_view){ row->body, row->len ? row->len : strlen(row->body) },
              row->flags, record);
    DONE(sk_stored_read(SK_VIEW("d/m"), (struct sk_view){ record->data, record->len }, rec, &err));
}

#define BEGIN                                                                                      \
    "{\"sequence\":7,\"enqueuedTime\":\"1970-01-01T00:00:01.500Z\",\"deviceId\":\"d\","            \
    "\"moduleId\":\"m\","
#define STAMPS                                                                                     \
    "\"iothub-connection-auth-generation-id\":\"g1\",\"iothub-connection-auth-method\":"           \
    "\"{\\\"type\\\":\\\"sas\\\"}\"}"

static void as_json(void **state)
{
    static const struct row rows[] = {
        { "text", "", "hello \"you\"\n", 0, 0,
          BEGIN "\"source\":\"Telemetry\",\"systemProperties\":{" STAMPS
                ",\"properties\":{},\"bodyText\":\"hello \\\"you\\\"\\n\"}" },
        { "empty", "", "", 0, 0, "\"bodyText\":\"\"}" },
        { "JSON", JSON_TYPE, "{\"a\":[1,2]}", 0, 0, "\"body\":{\"a\":[1,2]}}" },
        { "with a charset", JSON_TYPE "%3Bcharset%3Dutf-8", "[1]", 0, 0, "\"body\":[1]}" },
        { "in capitals", "%24.ct=Application%2FJSON", "[1]", 0, 0, "\"body\":[1]}" },
        { "a byte order mark", JSON_TYPE, "\xef\xbb\xbf{\"a\":1}", 0, 0, "\"body\":{\"a\":1}}" },
        { "nothing but the mark", JSON_TYPE, "\xef\xbb\xbf", 0, 0,
          "\"bodyText\":\"\xef\xbb\xbf\"}" },
        { "of another type", "%24.ct=application%2Fjsonx", "[1]", 0, 0, "\"bodyText\":\"[1]\"}" },
        { "on one line", JSON_TYPE, "{\"a\":\r\n\t1}\n", 0, 0, "\"body\":{\"a\":  \t1} }" },
        { "no JSON", JSON_TYPE, "{\"a\":", 0, 0, "\"bodyText\":\"{\\\"a\\\":\"}" },
        { "a name twice", JSON_TYPE, "{\"a\":1,\"a\":2}", 0, 0, "\"bodyText\":\"{" },
        { "empty JSON", JSON_TYPE, "", 0, 0, "\"bodyText\":\"\"}" },
        { "binary", "", "\x00\x01\xff", 3, 0, "\"bodyBase64\":\"AAH/\"}" },
        { "NUL in text", JSON_TYPE, "a\x00z", 3, 0, "\"bodyBase64\":\"YQB6\"}" },
        { "properties", "a=b&c&d=", "", 0, 0,
          "\"properties\":{\"a\":\"b\",\"c\":null,\"d\":\"\"}" },
        { "system properties", "%24.mid=1&%24.cid=2&x=3", "", 0, 0,
          "\"systemProperties\":{\"message-id\":\"1\",\"correlation-id\":\"2\"," STAMPS
          ",\"properties\":{\"x\":\"3\"}" },
        { "one in two names", "iothub-ack=full&ack=none", "", 0, 0,
          "\"systemProperties\":{\"iothub-ack\":\"none\"," STAMPS },
        { "an output", "%24.on=out", "", 0, 0, "\"output\":\"out\",\"source\":\"Telemetry\"" },
        { "retained", "a=b", "", 0, SK_RECORD_RETAINED,
          "\"properties\":{\"a\":\"b\",\"mqtt-retain\":\"true\"}" },
        { "a will", "", "", 0, SK_RECORD_WILL, "\"properties\":{\"iothub-MessageType\":\"Will\"}" },
        { "what the hub says goes before", "mqtt-retain=no&iothub-MessageType=Mine&a=b", "", 0,
          SK_RECORD_RETAINED | SK_RECORD_WILL,
          "\"properties\":{\"a\":\"b\",\"mqtt-retain\":\"true\",\"iothub-MessageType\":\"Will\"}" },
        { "when it says it", "mqtt-retain=no", "", 0, 0,
          "\"properties\":{\"mqtt-retain\":\"no\"}" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf record = SK_BUF_INIT(SK_RECORD_MAX);
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
        struct sk_err err = SK_ERR_INIT;
        struct sk_stored rec;
        read_row(&rows[i], &record, &rec);
        DONE(sk_stored_json(&rec, 7, 1500, &out, &err));
        if (!strstr(out.data, rows[i].expected))
            fail_msg("%s: %s", rows[i].name, out.data);
        must_parse(out.data, out.len);
        if (memchr(out.data, '\n', out.len))
            fail_msg("%s: on two lines", rows[i].name);
    }
}

static void as_csv(void **state)
{
    static const struct row rows[] = {
        { "text", "", "hello", 0, 0, "7,1970-01-01T00:00:01.500Z,d,m,,,{},hello\r\n" },
        { "quotes", "", "say \"x\"", 0, 0, ",{},\"say \"\"x\"\"\"\r\n" },
        { "a comma", "", "a,b", 0, 0, ",\"a,b\"\r\n" },
        { "lines", "", "a\nb\r\n", 0, 0, ",\"a\nb\r\n\"\r\n" },
        { "properties", "a=b&c=d", "", 0, 0,
          ",\"{\"\"a\"\":\"\"b\"\",\"\"c\"\":\"\"d\"\"}\",\r\n" },
        { "a formula", "", "=1+1", 0, 0, ",\"'=1+1\"\r\n" },
        { "plus", "", "+1", 0, 0, ",\"'+1\"\r\n" },
        { "minus", "", "-1", 0, 0, ",\"'-1\"\r\n" },
        { "at", "", "@a", 0, 0, ",\"'@a\"\r\n" },
        { "a tab", "", "\t=1", 0, 0, ",\"'\t=1\"\r\n" },
        { "a formula in an output", "%24.on=%3D1&%24.ct=%40x", "b", 0, 0, ",\"'=1\",\"'@x\",{},b" },
        { "one later", "", "1=1", 0, 0, ",1=1\r\n" },
        { "binary", "", "\x00\xff", 2, 0, ",base64:AP8=\r\n" },
        { "a JSON body", JSON_TYPE, "{\"a\":1}", 0, 0,
          ",application/json,{},\"{\"\"a\"\":1}\"\r\n" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf record = SK_BUF_INIT(SK_RECORD_MAX);
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
        struct sk_err err = SK_ERR_INIT;
        struct sk_stored rec;
        read_row(&rows[i], &record, &rec);
        DONE(sk_stored_csv(&rec, 7, 1500, &out, &err));
        if (!strstr(out.data, rows[i].expected))
            fail_msg("%s: %s", rows[i].name, out.data);
    }
}

static void too_long(void **state)
{
    const struct row row = { "", JSON_TYPE "&a=b", "[1]", 0, 0, "" };
    SK_AUTO(sk_buf_done) struct sk_buf record = SK_BUF_INIT(SK_RECORD_MAX);
    struct sk_stored rec;
    (void)state;
    read_row(&row, &record, &rec);
    for (size_t ceiling = 1; ceiling < 60; ceiling++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(ceiling);
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(sk_stored_json(&rec, 7, 1500, &out, &err), -1);
        assert_int_equal(err.code, SK_LIMIT);
        sk_buf_clear(&out);
        assert_int_equal(sk_stored_csv(&rec, 7, 1500, &out, &err), -1);
        assert_int_equal(err.code, SK_LIMIT);
    }
}

static int print_both(void *ctx, struct sk_err *err)
{
    const struct sk_stored *rec = ctx;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    return sk_stored_json(rec, 7, 1500, &out, err) < 0 || !strstr(out.data, "\"body\":[1") ||
                   sk_stored_csv(rec, 7, 1500, &out, err) < 0
               ? -1
               : 0;
}

/* A message is printed as it is, or not at all. */
static void memory_runs_out(void **state)
{
    const struct row row = { "", JSON_TYPE "&a=b", "[1,\"abcdefgh\"]", 0, 0, "" };
    SK_AUTO(sk_buf_done) struct sk_buf record = SK_BUF_INIT(SK_RECORD_MAX);
    struct sk_stored rec;
    (void)state;
    read_row(&row, &record, &rec);
    assert_true(sk_alloc_sweep("print", print_both, &rec, 0) >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_json),
        cmocka_unit_test(as_csv),
        cmocka_unit_test(too_long),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests_name("telemetry/print", tests, NULL, NULL);
}
