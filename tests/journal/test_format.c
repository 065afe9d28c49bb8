/* test_format.c - records, headers and names as bytes. */
#include "journal/journal_util.h"

static void test_record(void **state)
{
    static const struct {
        const char *key, *body;
        size_t size;
    } rows[] = { { "", "", 32 }, { "k", "", 40 }, { "k", "1234567", 40 }, { "k", "12345678", 48 } };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t bytes[64];
        struct sk_journal_item item;
        struct sk_view key = sk_view_of(rows[i].key), body = sk_view_of(rows[i].body);
        memset(bytes, 0xaa, sizeof bytes);
        assert_int_equal(sk_record_size(key.len, body.len), rows[i].size);
        sk_record_fill(bytes, key, -3, body);
        sk_record_seal(bytes, 0x80000007u, 99);
        assert_int_equal(bytes[rows[i].size], 0xaa);
        assert_int_equal(sk_record_shape(bytes, sizeof bytes), rows[i].size);
        assert_int_equal(sk_record_shape(bytes, rows[i].size), rows[i].size);
        assert_int_equal(sk_record_shape(bytes, rows[i].size - 1), 0);
        assert_true(sk_record_read(bytes, &item));
        assert_int_equal(item.seq, 99);
        assert_int_equal(item.time_ms, -3);
        assert_true(sk_view_eq(item.key, rows[i].key) && sk_view_eq(item.body, rows[i].body));
        assert_int_equal(sk_record_mark(bytes), 0x80000007u);
        bytes[24] ^= 1;
        assert_false(sk_record_read(bytes, &item));
    }
}

static void test_shape(void **state)
{
    static const struct {
        const char *name;
        uint32_t body, key;
        bool fits;
    } rows[] = {
        { "body at the limit", SK_JOURNAL_RECORD_MAX, 0, true },
        { "body beyond", SK_JOURNAL_RECORD_MAX + 1, 0, false },
        { "key at the limit", 0, SK_JOURNAL_KEY_MAX, true },
        { "key beyond", 0, SK_JOURNAL_KEY_MAX + 1, false },
        { "not zero behind the key's length", 0, 1u << 16, false },
        { "as large as can be", UINT32_MAX, UINT32_MAX, false },
    };

    static uint8_t bytes[SK_JOURNAL_RECORD_MAX + 1000];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        sk_journal_put32(bytes + 8, rows[i].body);
        sk_journal_put32(bytes + 12, rows[i].key);
        if ((sk_record_shape(bytes, sizeof bytes) != 0) != rows[i].fits)
            fail_msg("%s", rows[i].name);
    }
    assert_int_equal(sk_record_shape(bytes, SK_RECORD_HEADER - 1), 0);
}

static void test_head(void **state)
{
    uint8_t bytes[SK_SEGMENT_HEADER];
    struct sk_err err = SK_ERR_INIT;
    uint32_t mark;

    (void)state;
    assert_true(sk_segment_new_mark() >> 31);
    sk_segment_head(bytes, 5, 0x80000009u, 0x80000007u);
    DONE(sk_segment_head_read(bytes, sizeof bytes, 5, &mark, &err));
    assert_int_equal(mark, 0x80000009u);
    assert_int_equal(sk_segment_former(bytes), 0x80000007u);
    DONE(sk_segment_head_read(bytes, sizeof bytes, 6, &mark, &err)); /* of another segment */
    assert_int_equal(mark, 0);
    DONE(sk_segment_head_read(bytes, sizeof bytes - 1, 5, &mark, &err));
    assert_int_equal(mark, 0);
    for (size_t at = 0; at < sizeof bytes; at++) {
        bytes[at] ^= 4;
        DONE(sk_segment_head_read(bytes, sizeof bytes, 5, &mark, &err));
        assert_int_equal(mark, 0);
        bytes[at] ^= 4;
    }
    sk_journal_put32(bytes + 8, 2);
    sk_journal_put32(bytes + 60, sk_crc32c(0, bytes, 60));
    assert_int_equal(sk_segment_head_read(bytes, sizeof bytes, 5, &mark, &err), -1);
    assert_int_equal(err.code, SK_UNSUPPORTED);
}

static void test_names(void **state)
{
    static const struct {
        const char *name;
        uint64_t first;
    } rows[] = {
        { "00000000000000000001.seg", 1 },
        { "00000000000000000000.seg", 0 },
        { "10000000000000000000.seg", UINT64_C(10000000000000000000) },
        { "18446744073709551609.seg", UINT64_C(18446744073709551609) },
        { "18446744073709551616.seg", 0 },
        { "99999999999999999999.seg", 0 },
        { "0000000000000000001.seg", 0 },
        { "000000000000000000001.seg", 0 },
        { "0000000000000000000a.seg", 0 },
        { "00000000000000000001.idx", 0 },
        { "00000000000000000001.seg~", 0 },
        { "", 0 },
    };

    char name[SK_SEGMENT_NAME];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (sk_segment_name_read(rows[i].name, ".seg") != rows[i].first)
            fail_msg("%s", rows[i].name);
        if (rows[i].first) {
            sk_segment_name(rows[i].first, ".seg", name);
            assert_string_equal(name, rows[i].name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_shape),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
