/* test_record.c - messages as bytes and back; records that are damaged. */
#include "fixture.h"

static void round_trips(void **state)
{
    static const struct {
        const char *name, *bag, *expected; /* "name=value;" and "name;" */
    } rows[] = {
        { "none", "", "" },
        { "a pair", "a=b", "a=b;" },
        { "no value", "a", "a;" },
        { "an empty value", "a=", "a=;" },
        { "all of it", "a=1&b&c=&%24.ct=text%2Fplain", "a=1;b;c=;$.ct=text/plain;" },
        { "escapes", "a%26b=c%3Dd%20e", "a&b=c=d e;" },
        { "not ASCII", "%C3%A4=%F0%9F%8C%8A", "\xc3\xa4=\xf0\x9f\x8c\x8a;" },
        { "the last wins", "a=1&b=2&a=3", "a=3;b=2;" },
        { "stamps", "iothub-connection-device-id=x&a=1&%24.cdid=x&IOTHUB-ENQUEUEDTIME=1", "a=1;" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf record = SK_BUF_INIT(SK_RECORD_MAX);
        SK_AUTO(sk_buf_done) struct sk_buf seen = SK_BUF_INIT(4096);
        struct sk_err err = SK_ERR_INIT;
        struct sk_stored rec;
        struct sk_iot_property p;
        record_of(rows[i].bag, SK_VIEW("body"), SK_RECORD_WILL, &record);
        DONE(sk_stored_read(SK_VIEW("d/m"), (struct sk_view){ record.data, record.len }, &rec,
                            &err));
        sk_buf_str(&seen, "");
        for (size_t at = 0; sk_stored_property(&rec, &at, &p);)
            sk_buf_fmt(&seen, "%.*s%s%.*s;", (int)p.name.len, p.name.ptr, p.has_value ? "=" : "",
                       (int)p.value.len, p.value.ptr);
        if (strcmp(seen.data ? seen.data : "", rows[i].expected) != 0)
            fail_msg("%s: %s", rows[i].name, seen.data);
        assert_true(sk_view_eq(rec.device, "d") && sk_view_eq(rec.module, "m"));
        assert_true(sk_view_eq(rec.source, "Telemetry") && sk_view_eq(rec.generation, "g1"));
        assert_true(sk_view_eq(rec.auth_method, "{\"type\":\"sas\"}"));
        assert_true(sk_view_eq(rec.body, "body"));
        assert_int_equal(rec.flags, SK_RECORD_WILL);
        assert_true(sk_view_eq(sk_stored_find(&rec, "nobody"), ""));
    }
}

static void longest(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf bag = SK_BUF_INIT(SK_IOT_BAG_MAX + 1);
    SK_AUTO(sk_buf_done) struct sk_buf record = SK_BUF_INIT(SK_RECORD_MAX);
    struct sk_err err = SK_ERR_INIT;
    struct sk_stored rec;
    (void)state;
    sk_buf_str(&bag, "a=");
    while (bag.len < SK_IOT_BAG_MAX)
        sk_buf_chr(&bag, 'v');
    record_of(bag.data, SK_VIEW(""), 0, &record);
    DONE(sk_stored_read(SK_VIEW("d"), (struct sk_view){ record.data, record.len }, &rec, &err));
    assert_int_equal(sk_stored_find(&rec, "a").len, SK_IOT_BAG_MAX - 2);
    assert_int_equal(rec.module.len, 0);
}

/* A copy that ends where the record is cut, so that a read beyond it is seen. */
static int read_copy(const char *bytes, size_t len, struct sk_err *err)
{
    SK_OWN(free) char *copy = malloc(len > 0 ? len : 1);
    struct sk_stored rec;
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    return sk_stored_read(SK_VIEW("d"), (struct sk_view){ copy, len }, &rec, err);
}

static void cut_anywhere(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf record = SK_BUF_INIT(SK_RECORD_MAX);
    (void)state;
    record_of("a=1&bb&c=&%24.ct=x", SK_VIEW(""), 0, &record);
    for (size_t len = 0; len < record.len; len++) {
        struct sk_err err = SK_ERR_INIT;
        if (read_copy(record.data, len, &err) != -1 || err.code != SK_CORRUPT)
            fail_msg("cut at %zu of %zu: '%s'", len, record.len, err.text);
    }
    struct sk_err err = SK_ERR_INIT;
    DONE(read_copy(record.data, record.len, &err));
}

/* Any byte may be anything: it is read, or SK_CORRUPT. */
static void changed_anywhere(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf record = SK_BUF_INIT(SK_RECORD_MAX);
    (void)state;
    record_of("a=1&bb&c=&%24.ct=x", SK_VIEW("body"), 0, &record);
    for (size_t at = 0; at < record.len; at++)
        for (unsigned flip = 1; flip < 256; flip++) {
            struct sk_err err = SK_ERR_INIT;
            record.data[at] = (char)(record.data[at] ^ (char)flip);
            if (read_copy(record.data, record.len, &err) < 0)
                assert_int_equal(err.code, SK_CORRUPT);
            record.data[at] = (char)(record.data[at] ^ (char)flip);
        }
}

static void not_ours(void **state)
{
#define HEAD "\x01\x00\x01T\x01g\x00"

    static const struct {
        const char *name, *bytes;
        size_t len;
        const char *key;
        bool is_good;
    } rows[] = {
        { "nothing in it", HEAD "\x00\x00", 9, "d", true },
        { "another form", "\x02\x00\x01T\x01g\x00\x00\x00", 9, "d", false },
        { "a pair",
          HEAD "\x01\x00\x01\x00"
               "a\x01\x00z",
          15, "d", true },
        { "an empty name", HEAD "\x01\x00\x00\x00\x01\x00z", 14, "d", false },
        { "a name twice",
          HEAD "\x02\x00\x01\x00"
               "a\xff\xff\x01\x00"
               "a\xff\xff",
          19, "d", false },
        { "NUL in a value",
          HEAD "\x01\x00\x01\x00"
               "a\x01\x00\x00",
          15, "d", false },
        { "no UTF-8 in a name", HEAD "\x01\x00\x01\x00\xff\xff\xff", 14, "d", false },
        { "no UTF-8 in the source", "\x01\x00\x01\xfe\x01g\x00\x00\x00", 9, "d", false },
        { "too many", HEAD "\xc9\x00", 9, "d", false },
        { "no UTF-8 in the key", HEAD "\x00\x00", 9, "d\xff", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_stored rec;
        int rc = sk_stored_read(sk_view_of(rows[i].key),
                                (struct sk_view){ rows[i].bytes, rows[i].len }, &rec, &err);
        if ((rc == 0) != rows[i].is_good || (rc < 0 && err.code != SK_CORRUPT))
            fail_msg("%s: %d %s", rows[i].name, rc, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),  cmocka_unit_test(longest),
        cmocka_unit_test(cut_anywhere), cmocka_unit_test(changed_anywhere),
        cmocka_unit_test(not_ours),
    };
    return cmocka_run_group_tests_name("telemetry/record", tests, NULL, NULL);
}
