/* test_writer.c - groups, failing writes and syncs, and what is acknowledged through them. */
#include "journal/journal_util.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>

/* Each way to fail: the records of the group are refused, what was there stays, and it goes on. */
static void test_failures(void **state)
{
    static const struct {
        const char *name;
        enum faulty_call call;
        unsigned n;
        int number;
        enum sk_code code;
        bool is_fresh; /* the first group of a segment; writes: header, .idx, zeros, records */
    } rows[] = {
        { "write", FAULTY_WRITE, 1, EIO, SK_IO, false },
        { "write, full", FAULTY_WRITE, 1, ENOSPC, SK_FULL, false },
        { "write, quota", FAULTY_WRITE, 1, EDQUOT, SK_FULL, false },
        { "torn write", FAULTY_TEAR, 1, EIO, SK_IO, false },
        { "sync", FAULTY_DATASYNC, 1, EIO, SK_IO, false },
        { "sync, full", FAULTY_DATASYNC, 1, ENOSPC, SK_FULL, false },
        { "fresh: open", FAULTY_OPEN, 1, EMFILE, SK_IO, true },
        { "fresh: allocate, full", FAULTY_ALLOCATE, 1, ENOSPC, SK_FULL, true },
        { "fresh: write of the header", FAULTY_WRITE, 1, EIO, SK_IO, true },
        { "fresh: sync of the folder", FAULTY_SYNC, 1, EIO, SK_IO, true },
        { "fresh: write of zeros", FAULTY_WRITE, 3, ENOSPC, SK_FULL, true },
        { "fresh: torn zeros", FAULTY_TEAR, 3, EIO, SK_IO, true },
        { "fresh: sync of zeros", FAULTY_DATASYNC, 1, EIO, SK_IO, true },
        { "fresh: write", FAULTY_WRITE, 4, EIO, SK_IO, true },
        { "fresh: sync", FAULTY_DATASYNC, 2, EIO, SK_IO, true },
    };
    struct place *p = *state;
    uint64_t last = 0;

    for (size_t i = 0; i < COUNT(rows); i++) {
        last = put(p, "k", "before");
        if (rows[i].is_fresh) /* the next does not fit */
            last = put_large(p, "k", SK_SEGMENT_LEAST, 1);
        faulty_arm(rows[i].call, rows[i].n, rows[i].number, false);
        put_fails(p, "k", rows[i].name, rows[i].code);
        assert_true(state_of(p).is_failing);
        assert_true(faulty_disarm());
        check_all(p->j, 1, last);
        assert_int_equal(put(p, "k", "after"), last + 1);
        assert_false(state_of(p).is_failing);
        last++;
        check_all(p->j, 1, last);
        assert_int_equal(state_of(p).damaged, 0);
        place_reopen(p);
        check_all(p->j, 1, last);
        assert_int_equal(state_of(p).damaged, 0);
    }
}

/* While the disk stays bad nothing is acknowledged; when it is good again all goes on. */
static void test_for_good(void **state)
{
    static const enum faulty_call rows[] = { FAULTY_WRITE, FAULTY_DATASYNC, FAULTY_TEAR };
    struct place *p = *state;
    uint64_t last = 0;

    for (size_t i = 0; i < COUNT(rows); i++) {
        last = put(p, "k", "before");
        faulty_arm(rows[i], 1, EIO, true);
        for (int k = 0; k < 4; k++)
            put_fails(p, "k", "bad", SK_IO);
        assert_true(state_of(p).is_failing);
        check_all(p->j, 1, last);
        assert_true(faulty_disarm());
        assert_int_equal(put(p, "k", "after"), ++last);
        check_all(p->j, 1, last);
    }
    place_reopen(p);
    check_all(p->j, 1, last);
}

/* Closed while it is failing: what was refused may be found or not, what was told is there. */
static void test_close_while_failing(void **state)
{
    struct place *p = *state;
    uint64_t last = put(p, "k", "before");

    faulty_arm(FAULTY_DATASYNC, 1, EIO, true);
    put_fails(p, "k", "bad", SK_IO);
    place_close(p);
    assert_true(faulty_disarm());
    place_open(p);
    assert_true(state_of(p).next > last);
    assert_int_equal(numbers_of(p->j, &(struct sk_journal_filter){ 0 })[0], '1');
    uint64_t next = put(p, "k", "after");
    check_all(p->j, 1, next);
}

/* ---- groups ---- */

static uint64_t told[64];
static atomic_uint told_count, failed_count;

static void note(void *ctx, uint64_t seq, const struct sk_err *failed)
{
    (void)ctx;
    if (failed)
        (void)atomic_fetch_add(&failed_count, 1);
    else
        told[atomic_fetch_add(&told_count, 1)] = seq;
}

static void append(struct place *p, size_t size)
{
    SK_OWN(free) char *body = calloc(1, size);
    struct sk_err err = SK_ERR_INIT;

    assert_non_null(body);
    DONE(sk_journal_append(
        p->j,
        &(struct sk_journal_record){ .key = SK_VIEW("k"), .body = { body, size }, .done = note },
        &err));
}

/* What gathers while one group is synced is one group. */
static void test_grouping(void **state)
{
    struct place *p = *state;

    (void)put(p, "k", "first");
    faulty_slow(50000);
    for (int i = 0; i < 20; i++)
        append(p, 100);
    place_close(p);
    (void)faulty_disarm();
    assert_int_equal(atomic_load(&told_count), 20);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(told[i], 2 + i);
    place_open(p);
    check_all(p->j, 1, 21);
}

/* A group that spans segments, of which one run fails: only that one. */
static void test_runs(void **state)
{
    struct place *p = *state;

    (void)put(p, "k", "first");
    atomic_store(&told_count, 0);
    atomic_store(&failed_count, 0);
    faulty_hold();
    append(p, 10); /* keeps the thread busy */
    faulty_wait_held();
    for (int i = 0; i < 10; i++)
        append(p, 30000); /* two to a segment */
    faulty_arm(FAULTY_DATASYNC, 3, EIO, false);
    faulty_release();
    for (int i = 0; i < 20000 && atomic_load(&told_count) + atomic_load(&failed_count) < 11; i++)
        (void)usleep(1000);
    assert_true(faulty_disarm());
    unsigned good = atomic_load(&told_count);
    assert_int_equal(good + atomic_load(&failed_count), 11);
    assert_in_range(atomic_load(&failed_count), 1, 2);
    check_all(p->j, 1, 1 + good);
    assert_true(state_of(p).groups >= 5);
    place_reopen(p);
    check_all(p->j, 1, 1 + good);
    assert_int_equal(state_of(p).damaged, 0);
}

static atomic_uint apart_told;

static void count_told(void *ctx, uint64_t seq, const struct sk_err *failed)
{
    (void)ctx, (void)seq;
    if (!failed)
        (void)atomic_fetch_add(&apart_told, 1);
}

/* Two groups begin min_sync_ms apart; not the first one, not many at once, not the end. */
static void test_apart(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    const struct sk_journal_record r = { .body = SK_VIEW("x"), .done = count_told };

    p->opts.min_sync_ms = 10;
    place_reopen(p);
    uint64_t start = sk_now_ns();
    for (int i = 0; i < 11; i++)
        (void)put(p, "k", "alone");
    assert_true(sk_now_ns() - start >= 10 * UINT64_C(10000000));
    p->opts.min_sync_ms = 3600000;
    place_reopen(p);
    (void)put(p, "k", "at once");
    atomic_store(&apart_told, 0);
    for (int i = 0; i < 100; i++) /* some of them wait for more */
        DONE(sk_journal_append(p->j, &r, &err));
    for (int i = 0; i < 20000 && atomic_load(&apart_told) < 85; i++)
        (void)usleep(1000);
    assert_in_range(atomic_load(&apart_told), 85, 100);
    DONE(sk_journal_append(p->j, &r, &err));
    assert_true(state_of(p).groups <= 8);
    place_close(p);
    assert_int_equal(atomic_load(&apart_told), 101);
    p->opts.worth_records = 1000; /* all hundred are not worth one, but for the end */
    place_open(p);
    (void)put(p, "k", "at once");
    atomic_store(&apart_told, 0);
    for (int i = 0; i < 100; i++)
        DONE(sk_journal_append(p->j, &r, &err));
    (void)usleep(50000);
    assert_int_equal(atomic_load(&apart_told), 0);
    assert_int_equal(state_of(p).groups, 1);
    place_close(p);
    assert_int_equal(atomic_load(&apart_told), 100);
    p->opts.worth_records = 0;
    place_open(p);
    /* A full group goes whatever its number. */
    (void)put(p, "k", "at once");
    (void)put_large(p, "k", SK_JOURNAL_RECORD_MAX, 1);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, place_set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_failures), ROW(test_for_good), ROW(test_close_while_failing),
        ROW(test_grouping), ROW(test_runs),     ROW(test_apart),
    };

    faulty_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
