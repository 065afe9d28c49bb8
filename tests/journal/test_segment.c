/* test_segment.c - indexes made anew, times, and damage counted once. */
#include "journal/journal_util.h"

#include <errno.h>
#include <fcntl.h>

static void fill(struct place *p, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        (void)put_large(p, i % 2 ? "a" : "b", 10000, 100 + i);
}

/* Without an index: answered all the same, and the index is there again if it can be written. */
static void test_rebuild(void **state)
{
    struct place *p = *state;
    struct sk_journal_filter f = { .key = SK_VIEW("a") };

    fill(p, 14);
    size_t len = size_of(path_of(p, 1, ".idx"));
    assert_string_equal(numbers_of(p->j, &f), "2 4 6 8 10 12 14 ");
    for (int is_full = 0; is_full < 2; is_full++) {
        place_reopen(p);
        (void)unlink(path_of(p, 1, ".idx"));
        if (is_full)
            faulty_arm(FAULTY_WRITE, 1, ENOSPC, true);
        assert_string_equal(numbers_of(p->j, &f), "2 4 6 8 10 12 14 ");
        (void)faulty_disarm();
        assert_int_equal(size_of(path_of(p, 1, ".idx")), is_full ? 0 : len);
    }
    assert_int_equal(state_of(p).damaged, 0);
}

/* One that turns bad while the journal is open. */
static void test_turns_bad(void **state)
{
    struct place *p = *state;
    struct sk_journal_filter f = { .key = SK_VIEW("a") };

    fill(p, 14);
    assert_string_equal(numbers_of(p->j, &f), "2 4 6 8 10 12 14 ");
    assert_int_equal(truncate(path_of(p, 1, ".idx"), 70), 0);
    assert_string_equal(numbers_of(p->j, &f), "2 4 6 8 10 12 14 ");
    assert_int_equal(truncate(path_of(p, 1, ".idx"), 0), 0);
    assert_string_equal(numbers_of(p->j, &f), "2 4 6 8 10 12 14 ");
}

static void test_damaged_once(void **state)
{
    struct place *p = *state;
    size_t each = sk_record_size(1, 10000);

    fill(p, 14);
    flip_byte(path_of(p, 1, ".seg"), SK_SEGMENT_HEADER + 2 * each + 500, 1);
    for (int i = 0; i < 3; i++)
        assert_string_equal(numbers_of(p->j, &(struct sk_journal_filter){ 0 }),
                            "1 2 4 5 6 7 8 9 10 11 12 13 14 ");
    assert_int_equal(state_of(p).damaged, 1);
    /* And found by reading it all: the last one counts too, since the next segment's name says so.
     */
    flip_byte(path_of(p, 1, ".seg"), SK_SEGMENT_HEADER + 5 * each + 500, 1);
    place_reopen(p);
    (void)unlink(path_of(p, 1, ".idx"));
    for (int i = 0; i < 3; i++)
        assert_string_equal(numbers_of(p->j, &(struct sk_journal_filter){ 0 }),
                            "1 2 4 5 7 8 9 10 11 12 13 14 ");
    assert_int_equal(state_of(p).damaged, 2);
}

/* A segment that is gone costs its records and no more. */
static void test_lost_file(void **state)
{
    struct place *p = *state;

    fill(p, 20);
    place_close(p);
    (void)unlink(path_of(p, 7, ".seg"));
    place_open(p);
    assert_string_equal(numbers_of(p->j, &(struct sk_journal_filter){ 0 }),
                        "1 2 3 4 5 6 13 14 15 16 17 18 19 20 ");
    assert_string_equal(numbers_of(p->j, &(struct sk_journal_filter){ .is_backwards = true }),
                        "20 19 18 17 16 15 14 13 6 5 4 3 2 1 ");
    assert_int_equal(put(p, "k", "more"), 21);
}

/* Sectors of zeros in the last segment are a write that was cut: nothing that was acknowledged. */
static void test_torn_group(void **state)
{
    struct place *p = *state;
    uint8_t zeros[1024] = { 0 };
    size_t at = SK_SEGMENT_HEADER + sk_record_size(1, 3000) + 200;

    for (int i = 0; i < 3; i++)
        (void)put_large(p, "k", 3000, 1);
    place_close(p);
    SK_AUTO(sk_close) int fd = open(path_of(p, 1, ".seg"), O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, zeros, sizeof zeros, (off_t)at), sizeof zeros);
    place_open(p);
    assert_string_equal(numbers_of(p->j, &(struct sk_journal_filter){ 0 }), "1 3 ");
    assert_int_equal(state_of(p).damaged, 0);
    assert_int_equal(put(p, "k", "more"), 4);
}

static void test_times(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    int64_t min_ms, max_ms;

    fill(p, 14);
    for (int i = 0; i < 3; i++) { /* kept, from the file, made anew */
        DONE(sk_segment_times(p->j, p->j->segments[0], 6, &min_ms, &max_ms, &err));
        assert_int_equal(min_ms, 100);
        assert_int_equal(max_ms, 105);
        DONE(sk_segment_times(p->j, p->j->segments[2], 14, &min_ms, &max_ms, &err));
        assert_int_equal(min_ms, 112);
        place_reopen(p);
        if (i == 1)
            (void)unlink(path_of(p, 1, ".idx"));
    }
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, place_set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_rebuild),   ROW(test_turns_bad),  ROW(test_damaged_once),
        ROW(test_lost_file), ROW(test_torn_group), ROW(test_times),
    };

    faulty_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
