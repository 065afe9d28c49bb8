/* test_zero.c - records go only over zeros that are on the disk, and what these cost. */
#include "journal/journal_util.h"

#include <errno.h>

/* The disk of journal_util ends the process when a record comes too early; here all ways to get
 * there: small and large groups, many pieces, new segments, and going on after each. */
static void test_order(void **state)
{
    static const struct {
        uint64_t segment;
        size_t body;
        int count;
    } rows[] = {
        { SK_SEGMENT_LEAST, 100, 2000 },
        { SK_SEGMENT_LEAST, SK_SEGMENT_LEAST, 5 }, /* each makes its own, larger one */
        { SK_ZERO_PIECE, 50000, 50 },
        { SK_ZERO_PIECE + 8, 50000, 50 },
        { 4 * SK_ZERO_PIECE, 10000, 1000 },
        { 4 * SK_ZERO_PIECE, SK_ZERO_PIECE / 2, 20 },
        { 4 * SK_ZERO_PIECE, SK_JOURNAL_RECORD_MAX, 10 },
        { 8 * SK_ZERO_PIECE, 300000, 60 },
    };
    struct place *p = *state;
    uint64_t last = 0;

    for (size_t i = 0; i < COUNT(rows); i++) {
        p->opts.segment_bytes = rows[i].segment;
        for (int k = 0; k < rows[i].count; k++) {
            if (k % (rows[i].count / 4 + 1) == 0)
                place_reopen(p);
            last = put_large(p, "k", rows[i].body, 1);
        }
        check_all(p->j, 1, last);
    }
    assert_int_equal(state_of(p).damaged, 0);
}

/* Each byte of a segment is zeroed at most once: so all is written at most twice. */
static void test_cost(void **state)
{
    struct place *p = *state;
    uint64_t zeros, records, zeros_before, records_before;

    p->opts.segment_bytes = 4 * SK_ZERO_PIECE;
    place_reopen(p);
    order_sums(&zeros_before, &records_before);
    for (int i = 0; i < 1600; i++)
        (void)put_large(p, "k", 10000, 1);
    order_sums(&zeros, &records);
    zeros -= zeros_before;
    records -= records_before;
    assert_in_range(zeros, records, records + 2 * SK_ZERO_PIECE);
}

/* How many pieces are zeroed, and when: with the first record one, then as it gets short. */
static void test_progress(void **state)
{
    struct place *p = *state;
    uint64_t before, zeros, records;

    p->opts.segment_bytes = 4 * SK_ZERO_PIECE;
    place_reopen(p);
    order_sums(&before, &records);

    static const struct {
        size_t body;
        unsigned pieces; /* all together, afterwards */
    } rows[] = { { 10, 1 },      { 400000, 1 },  { 200000, 2 },  { 100000, 2 },
                 { 1000000, 3 }, { 1000000, 4 }, { 1000000, 4 }, { 100000, 4 } };

    for (size_t i = 0; i < COUNT(rows); i++) {
        (void)put_large(p, "k", rows[i].body, 1);
        order_sums(&zeros, &records);
        assert_int_equal((zeros - before + SK_SEGMENT_HEADER) / SK_ZERO_PIECE, rows[i].pieces);
    }
    assert_int_equal(state_of(p).segments, 1);
}

/* The zeros that go along with a group cannot be written: the group is refused, it goes on. */
static void test_ahead_fails(void **state)
{
    static const struct {
        enum faulty_call call;
        unsigned n;
        int number;
        enum sk_code code;
    } rows[] = {
        { FAULTY_WRITE, 2, EIO, SK_IO },
        { FAULTY_WRITE, 17, ENOSPC, SK_FULL }, /* the last of the piece */
        { FAULTY_TEAR, 5, EIO, SK_IO },
        { FAULTY_DATASYNC, 1, EIO, SK_IO },
    };
    struct place *p = *state;
    static char text[100001];
    uint64_t last = 0;

    p->opts.segment_bytes = 4 * SK_ZERO_PIECE;
    place_reopen(p);
    memset(text, 'a', sizeof text - 1);
    for (size_t i = 0; i < COUNT(rows); i++) {
        /* In a fresh segment: the one before is ended by the failure. */
        last = put_large(p, "k", SK_ZERO_PIECE / 2 - 50000, 1);
        faulty_arm(rows[i].call, rows[i].n, rows[i].number, false);
        put_fails(p, "k", text, rows[i].code);
        assert_true(faulty_disarm());
        check_all(p->j, 1, last);
        assert_int_equal(put(p, "k", "after"), ++last);
        assert_int_equal(state_of(p).segments, i + 2);
        check_all(p->j, 1, last);
    }
    place_reopen(p);
    check_all(p->j, 1, last);
    assert_int_equal(state_of(p).damaged, 0);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, place_set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_order),
        ROW(test_cost),
        ROW(test_progress),
        ROW(test_ahead_fails),
    };

    faulty_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
