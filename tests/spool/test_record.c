/* test_record.c - messages as records: what is written is read, and nothing else. */
#include "spool/spool_util.h"

#include <string.h>

static void test_round_trip(void **state)
{
    static const struct {
        const char *key, *bag, *body;
        bool has_expiry, was_synced;
        int64_t expires_ms;
        uint32_t boot;
        uint64_t boot_ms;
    } rows[] = {
        { "", "", "", false, false, 0, 0, 0 },
        { "camera/out", "%24.mid=1", "{}", false, true, 0, 0, 0 },
        { "k", "b", "", true, true, 1700000000000, 0xffffff, 0xffffffffff },
        { "k", "", "body", true, false, -1, 1, 1 },
        { "", "bag", "body", true, false, INT64_MAX, 0x800001, 12345 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t bytes[256];
        const struct sk_spool_record in = { .key = sk_view_of(rows[i].key),
                                            .bag = sk_view_of(rows[i].bag),
                                            .body = sk_view_of(rows[i].body),
                                            .has_expiry = rows[i].has_expiry,
                                            .was_synced = rows[i].was_synced,
                                            .expires_ms = rows[i].expires_ms,
                                            .boot = rows[i].boot,
                                            .boot_ms = rows[i].boot_ms };
        struct sk_spool_record out;
        size_t len = sk_spool_head_write(bytes, &in);
        assert_int_equal(len, rows[i].has_expiry ? SK_SPOOL_HEAD : SK_SPOOL_HEAD_SHORT);
        len += (size_t)snprintf((char *)bytes + len, sizeof bytes - len, "%s%s%s", rows[i].key,
                                rows[i].bag, rows[i].body);
        assert_true(sk_spool_record_read((struct sk_view){ (char *)bytes, len }, &out));
        assert_true(sk_view_eq(out.key, rows[i].key));
        assert_true(sk_view_eq(out.bag, rows[i].bag));
        assert_true(sk_view_eq(out.body, rows[i].body));
        assert_int_equal(out.has_expiry, rows[i].has_expiry);
        assert_int_equal(out.was_synced, rows[i].was_synced);
        assert_int_equal(out.expires_ms, rows[i].expires_ms);
        assert_int_equal(out.boot, rows[i].boot);
        assert_int_equal(out.boot_ms, rows[i].boot_ms);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *name;
        uint8_t bytes[28];
        size_t len;
    } rows[] = {
        { "nothing", { 0 }, 0 },
        { "short", { 1, 0, 0, 0, 0, 0, 0 }, 7 },
        { "version 0", { 0 }, 8 },
        { "version 2", { 2 }, 8 },
        { "a flag nobody knows", { 1, 4 }, 8 },
        { "an expiry that is cut", { 1, 1 }, 23 },
        { "a key that is cut", { 1, 0, 3, 0, 0, 0, 0, 0, 'a', 'b' }, 10 },
        { "a bag that is cut", { 1, 0, 1, 0, 2, 0, 0, 0, 'a', 'b' }, 10 },
        { "a huge bag", { 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 'a', 'b' }, 10 },
    };
    struct sk_spool_record out;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (sk_spool_record_read((struct sk_view){ (const char *)rows[i].bytes, rows[i].len },
                                 &out))
            fail_msg("%s was read", rows[i].name);
    }
    /* Later than 34 years after a start is told as that. */
    uint8_t bytes[SK_SPOOL_HEAD];
    size_t len = sk_spool_head_write(
        bytes, &(struct sk_spool_record){ .has_expiry = true, .boot = 5, .boot_ms = UINT64_MAX });
    assert_true(sk_spool_record_read((struct sk_view){ (char *)bytes, len }, &out));
    assert_int_equal(out.boot, 5);
    assert_int_equal(out.boot_ms, 0xffffffffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
