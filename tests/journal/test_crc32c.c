/* test_crc32c.c - known sums, and all ways to compute one give the same. */
#include "journal/journal_util.h"

#include "base/mix64.h"

static void test_known(void **state)
{
    uint8_t zeros[32] = { 0 }, ones[32], up[32], down[32];

    const struct {
        const char *name;
        const void *bytes;
        size_t len;
        uint32_t crc;
    } rows[] = {
        { "nothing", "", 0, 0 },
        { "check", "123456789", 9, 0xe3069283u },
        /* RFC 3720, appendix B.4 */
        { "zeros", zeros, 32, 0x8a9136aau },
        { "ones", ones, 32, 0x62a8ab43u },
        { "up", up, 32, 0x46dd794eu },
        { "down", down, 32, 0x113fdb5cu },
    };

    (void)state;
    memset(ones, 0xff, sizeof ones);
    for (uint8_t i = 0; i < 32; i++) {
        up[i] = i;
        down[i] = (uint8_t)(31 - i);
    }
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (sk_crc32c(0, rows[i].bytes, rows[i].len) != rows[i].crc ||
            sk_crc32c_table(0, rows[i].bytes, rows[i].len) != rows[i].crc)
            fail_msg("%s", rows[i].name);
    }
}

/* Every length and alignment, in one piece and in two. */
static void test_equal(void **state)
{
    uint8_t bytes[300];
    uint32_t fast;

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)sk_mix64(i);
    for (size_t from = 0; from < 9; from++) {
        for (size_t len = 0; from + len <= sizeof bytes; len++) {
            uint32_t table = sk_crc32c_table(0, bytes + from, len);
            if (sk_crc32c_fast(0, bytes + from, len, &fast))
                assert_int_equal(fast, table);
            uint32_t part = sk_crc32c(0, bytes + from, len / 3);
            assert_int_equal(sk_crc32c(part, bytes + from + len / 3, len - len / 3), table);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_equal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
