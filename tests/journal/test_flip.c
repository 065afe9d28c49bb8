/*
 * test_flip.c - every byte of a small segment flipped, one at a time: the damaged record may be
 * lost, no other one, and the journal opens.
 *
 * The segment is once the last one, once a full one with its index, once one whose index is gone;
 * and every byte of the index is flipped too. Bodies hold what looks like a record.
 */
#include "journal/journal_util.h"

#include "base/file.h"

#include <fcntl.h>
#include <inttypes.h>

enum {
    RECORDS = 5
};

/* Which record the byte belongs to; 0: none. */
static uint64_t owner_of(const size_t *ends, size_t at)
{
    if (at < SK_SEGMENT_HEADER)
        return 0;
    for (uint64_t i = 0; i < RECORDS; i++) {
        if (at < ends[i])
            return i + 1;
    }
    return 0;
}

/* Bodies of different lengths, the third with a whole record in it. */
static size_t fill(struct place *p, size_t *ends)
{
    uint8_t inner[64];
    size_t end = SK_SEGMENT_HEADER;

    sk_record_fill(inner, SK_VIEW("bad"), 1, SK_VIEW("forged"));
    sk_record_seal(inner, 0x80000000u, 3);
    for (uint64_t i = 0; i < RECORDS; i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_view body = i == 2 ? (struct sk_view){ (char *)inner, 48 }
                                     : (struct sk_view){ "some text of a body", 3 + 4 * i };
        struct sk_view key = i % 2 ? SK_VIEW("dev/b") : SK_VIEW("dev/a");
        DONE(sk_journal_write(p->j,
                              &(struct sk_journal_record){ .key = key, .time_ms = 9, .body = body },
                              NULL, &err));
        ends[i] = end += sk_record_size(key.len, body.len);
    }
    return end;
}

/* Numbers of the records with a key or with any; `lost` is left out. */
static void check(struct place *p, const char *key, uint64_t lost, bool is_backwards, size_t at,
                  uint8_t with)
{
    char expected[128];
    size_t len = 0;
    struct sk_journal_filter f = { .key = sk_view_of(key), .is_backwards = is_backwards };

    if (is_backwards)
        f.from_seq = RECORDS + 1;
    expected[0] = 0;
    for (uint64_t i = 0; i < RECORDS; i++) {
        uint64_t seq = is_backwards ? RECORDS - i : i + 1;
        if (seq != lost && (!key || (key[4] == 'b') == (seq % 2 == 0)))
            len += (size_t)snprintf(expected + len, sizeof expected - len, "%" PRIu64 " ", seq);
    }
    /* A flip that changes nothing which is checked may leave the record there. */
    const char *got = numbers_of(p->j, &f);
    if (lost && strncmp(got, expected, len) != 0) {
        check(p, key, 0, is_backwards, at, with);
        return;
    }
    if (strncmp(got, expected, len) != 0)
        fail_msg("byte %zu ^ %02x, key %s: '%s', not '%s'", at, with, key ? key : "any", got,
                 expected);
}

static void check_with_each(struct place *p, uint64_t lost, size_t at, uint8_t with)
{
    check(p, NULL, lost, false, at, with);
    check(p, "dev/a", lost, false, at, with);
    check(p, "dev/b", lost, true, at, with);
    check(p, NULL, lost, true, at, with);
}

static void restore(const char *path, const char *bytes, size_t len)
{
    SK_AUTO(sk_close) int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

    assert_int_equal(sk_write_all(fd, bytes, len), 0);
}

static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

static const uint8_t flips[] = { 0x01, 0x80, 0xff };

static void test_last(void **state)
{
    struct place *p = *state;
    size_t ends[RECORDS], end = fill(p, ends), unsaid = 0;

    for (size_t at = 0; at < end + 16; at++) {
        for (size_t k = 0; k < COUNT(flips); k++) {
            SK_OWN(free) char *bytes = NULL;
            struct sk_err err = SK_ERR_INIT;
            size_t len;
            uint64_t lost = owner_of(ends, at);
            place_close(p);
            DONE(sk_file_read(path_of(p, 1, ".seg"), 1 << 20, &bytes, &len, &err));
            flip_byte(path_of(p, 1, ".seg"), at, flips[k]);
            place_open(p);
            check_with_each(p, lost, at, flips[k]);
            /* The last one is taken for a write that a crash cut. */
            if (state_of(p).damaged > (lost != 0 && lost != RECORDS))
                fail_msg("byte %zu: %" PRIu64 " damaged", at, state_of(p).damaged);
            bool is_last_lost = state_of(p).next == RECORDS;
            if (state_of(p).is_cut && !is_last_lost)
                fail_msg("byte %zu: the last record is whole", at);
            unsaid += is_last_lost && !state_of(p).is_cut;
            place_close(p);
            restore(path_of(p, 1, ".seg"), bytes, len);
            place_open(p);
        }
    }
    check_all(p->j, 1, RECORDS);
    assert_in_range(unsaid, 1, 4 * COUNT(flips)); /* only where its mark is hit */
}

static void test_full(void **state)
{
    struct place *p = *state;
    size_t ends[RECORDS], end = fill(p, ends);

    (void)put_large(p, "next", SK_SEGMENT_LEAST - 200, 1); /* begins the second segment */
    assert_int_equal(size_of(path_of(p, 1, ".seg")), end);
    for (size_t i = 0; i < end * 2; i++) {
        size_t at = i / 2;
        uint8_t with = flips[at % COUNT(flips)];
        bool has_index = i % 2;
        place_close(p);
        if (!has_index)
            (void)unlink(path_of(p, 1, ".idx"));
        flip_byte(path_of(p, 1, ".seg"), at, with);
        place_open(p);
        check_with_each(p, owner_of(ends, at), at, with);
        assert_true(state_of(p).damaged <= 1);
        assert_true(size_of(path_of(p, 1, ".idx")) > 0); /* made anew */
        place_close(p);
        flip_byte(path_of(p, 1, ".seg"), at, with);
        (void)unlink(path_of(p, 1, ".idx"));
        place_open(p);
        check_with_each(p, 0, at, with);
    }
}

static void test_index(void **state)
{
    struct place *p = *state;
    size_t ends[RECORDS];

    (void)fill(p, ends);
    (void)put_large(p, "next", SK_SEGMENT_LEAST - 200, 1);
    size_t len = size_of(path_of(p, 1, ".idx"));
    assert_true(len > 64);
    for (size_t at = 0; at < len; at++) {
        place_close(p);
        flip_byte(path_of(p, 1, ".idx"), at, flips[at % COUNT(flips)]);
        place_open(p);
        check_with_each(p, 0, at, 0);
        assert_int_equal(state_of(p).damaged, 0);
        assert_int_equal(size_of(path_of(p, 1, ".idx")), len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_last, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_full, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_index, place_set_up, place_tear_down),
    };

    sk_journal_ops.sync = sk_journal_ops.datasync = no_sync; /* thousands of openings */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
