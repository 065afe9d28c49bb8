/*
 * test_jpeg_fast_feed.c - stuffing taken out of a scan, in windows of any fill.
 */
#include "jpeg_util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum {
    SEED = 3
};

/* Random data, `rare` of 256 bytes being FF, stuffed. Returns the stuffed length. */
static size_t make_data(uint8_t *plain, size_t count, uint8_t *stuffed, unsigned rare,
                        uint32_t *state)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        plain[i] = jpeg_random(state) % 256 < rare ? 0xFF : (uint8_t)(jpeg_random(state) % 255);
        stuffed[n++] = plain[i];
        if (plain[i] == 0xFF)
            stuffed[n++] = 0;
    }
    return n;
}

/* Reads all with steps of up to `step` bytes; what comes must be the plain data, then zeros. */
static void read_all(const uint8_t *stuffed, size_t len, const uint8_t *plain, size_t count,
                     size_t step, uint32_t *state)
{
    static struct sk_jf_feed f;
    size_t seen = 0;
    sk_jf_feed_start(&f, stuffed, stuffed + len);
    while (seen < count) {
        size_t need = 1 + jpeg_random(state) % step;
        sk_jf_feed_fill(&f, need);
        const uint8_t *at = f.window + (f.bit >> 3);
        for (size_t i = 0; i < need; i++)
            if (at[i] != (seen + i < count ? plain[seen + i] : 0))
                fail_msg("byte %zu is %u", seen + i, at[i]);
        size_t take = jpeg_random(state) % (need + 1);
        if (take > count - seen)
            take = count - seen;
        f.bit += 8 * take;
        seen += take;
        assert_true(sk_jf_feed_ok(&f));
    }
    if (count == 0)
        sk_jf_feed_fill(&f, 1);
    f.bit++;
    assert_false(sk_jf_feed_ok(&f));
    f.bit--;
    assert_false(sk_jf_feed_marker(&f, 0xD8));
    assert_true(sk_jf_feed_marker(&f, 0xD9));
    assert_ptr_equal(f.at, stuffed + len);
}

static void unstuffing(void **unused)
{
    (void)unused;

    static const struct {
        size_t count, step;
        unsigned rare;
    } rows[] = {
        { 0, 1, 0 },           { 1, 1, 256 },       { 100, 7, 20 },
        { 5000, 1254, 1 },     { 70000, 10032, 1 }, { 100000, 10032, 250 },
        { 100000, 32768, 30 }, { 32768, 10032, 0 }, { 65536, 32768, 256 },
    };

    uint32_t state = SEED;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t *plain = malloc(rows[i].count + 1), *stuffed = malloc(2 * rows[i].count + 2);
        assert_non_null(plain);
        assert_non_null(stuffed);
        size_t len = make_data(plain, rows[i].count, stuffed, rows[i].rare, &state);
        memcpy(stuffed + len, "\xFF\xD9", 2);
        read_all(stuffed, len + 2, plain, rows[i].count, rows[i].step, &state);
        free(plain);
        free(stuffed);
    }
}

static void ends(void **unused)
{
    (void)unused;

    static const struct {
        const char *name, *bytes;
        size_t len;
        unsigned bits; /* read before the marker is asked for */
        bool is_marker;
    } rows[] = {
        { "all read", "ab\xFF\xD3", 4, 16, true },
        { "padding bits left", "ab\xFF\xD3", 4, 9, true },
        { "a byte left", "ab\xFF\xD3", 4, 8, false },
        { "no marker", "ab", 2, 16, false },
        { "half a marker", "ab\xFF", 3, 16, false },
        { "another marker", "ab\xFF\xD4", 4, 16, false },
        { "padded marker", "ab\xFF\xFF\xD3", 5, 16, false },
        { "stuffing cut off", "a\xFF", 2, 8, false },
        { "read beyond", "ab\xFF\xD3", 4, 24, false },
    };
    static struct sk_jf_feed f;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint8_t *bytes = (const uint8_t *)rows[i].bytes;
        sk_jf_feed_start(&f, bytes, bytes + rows[i].len);
        sk_jf_feed_fill(&f, 10);
        f.bit += rows[i].bits;
        if (sk_jf_feed_marker(&f, 0xD3) != rows[i].is_marker)
            fail_msg("%s: expected %d", rows[i].name, rows[i].is_marker);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(unstuffing), cmocka_unit_test(ends) };
    return cmocka_run_group_tests_name("image/jpeg_fast_feed", tests, NULL, NULL);
}
