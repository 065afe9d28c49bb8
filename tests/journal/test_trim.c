/* test_trim.c - removal by bytes and by age, under cursors, on a full disk. */
#include "journal/journal_util.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>

static void fill(struct place *p, unsigned count, int64_t time_ms)
{
    for (unsigned i = 0; i < count; i++)
        (void)put_large(p, i % 2 ? "a" : "b", 10000, time_ms);
}

static void test_bytes(void **state)
{
    static const struct {
        uint64_t max_bytes;
        uint64_t segments;
    } rows[] = { { 0, 5 }, { 1 << 20, 5 }, { 200 << 10, 3 }, { 130 << 10, 2 }, { 1, 1 } };
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;

    fill(p, 30, 1);
    for (size_t i = 0; i < COUNT(rows); i++) {
        p->opts.max_bytes = rows[i].max_bytes;
        place_reopen(p);
        faulty_arm(FAULTY_WRITE, 1, ENOSPC, true); /* it needs no space */
        DONE(sk_journal_trim(p->j, &err));
        (void)faulty_disarm();
        struct sk_journal_state s = state_of(p);
        if (s.segments != rows[i].segments)
            fail_msg("%" PRIu64 " bytes: %" PRIu64 " segments", rows[i].max_bytes, s.segments);
        check_all(p->j, s.first, 30);
    }
    assert_int_equal(size_of(path_of(p, 1, ".seg")) + size_of(path_of(p, 1, ".idx")), 0);
}

static void test_age(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    int64_t now = (int64_t)sk_wall_ms();

    fill(p, 12, now - 100000);
    fill(p, 12, now);
    p->opts.max_age_ms = 50000;
    place_reopen(p);
    (void)unlink(path_of(p, 7, ".idx")); /* read again for its times */
    DONE(sk_journal_trim(p->j, &err));
    assert_int_equal(state_of(p).first, 13);
    check_all(p->j, 13, 24);
    /* At each new segment too; the newest stays, however old. */
    p->opts.max_age_ms = 1;
    place_reopen(p);
    fill(p, 12, now - 100000);
    assert_int_equal(state_of(p).segments, 2);
    DONE(sk_journal_trim(p->j, &err));
    assert_int_equal(state_of(p).segments, 1);
}

/* A cursor in a removed segment reads it to its end, then goes on with the oldest there is. */
static void test_under_cursor(void **state)
{
    struct place *p = *state;
    SK_OWN(sk_journal_cursor_free) struct sk_journal_cursor *c = NULL;
    SK_OWN(sk_journal_cursor_free) struct sk_journal_cursor *back = NULL;
    struct sk_err err = SK_ERR_INIT;
    struct sk_journal_item item;
    char got[256];
    size_t len = 0;

    p->opts.max_bytes = 130 << 10;
    fill(p, 30, 1);
    DONE(sk_journal_cursor(p->j, &(struct sk_journal_filter){ 0 }, &c, &err));
    DONE(sk_journal_cursor(
        p->j, &(struct sk_journal_filter){ .from_seq = 12, .is_backwards = true }, &back, &err));
    assert_int_equal(sk_journal_next(c, &item, &err), 1);
    assert_int_equal(sk_journal_next(back, &item, &err), 1);
    assert_int_equal(item.seq, 11);
    p->j->opts.max_bytes = 130 << 10;
    DONE(sk_journal_trim(p->j, &err));
    assert_int_equal(state_of(p).first, 19);
    while (sk_journal_next(c, &item, &err) == 1)
        len += (size_t)snprintf(got + len, sizeof got - len, "%" PRIu64 " ", item.seq);
    assert_string_equal(got, "2 3 4 5 6 19 20 21 22 23 24 25 26 27 28 29 30 ");
    for (uint64_t seq = 10; seq >= 7; seq--) {
        assert_int_equal(sk_journal_next(back, &item, &err), 1);
        assert_int_equal(item.seq, seq);
    }
    assert_int_equal(sk_journal_next(back, &item, &err), 0);
    assert_int_equal(put(p, "k", "more"), 31);
    assert_int_equal(sk_journal_next(c, &item, &err), 1);
    assert_int_equal(item.seq, 31);
}

/* What a kill left before the first record of a segment, then no room to begin it anew, then a kill
 * again: numbers still go on, so the last segment with a record must be there all the time. */
static void test_numbers_go_on(void **state)
{
    struct place *p = *state;

    fill(p, 6, 1);
    place_close(p);
    FILE *empty = fopen(path_of(p, 7, ".seg"), "w");
    assert_non_null(empty);
    (void)fclose(empty);
    p->opts.max_bytes = 1;
    place_open(p);
    faulty_arm(FAULTY_ALLOCATE, 1, ENOSPC, true);
    put_fails(p, "k", "no room", SK_FULL);
    place_close(p);
    (void)faulty_disarm();
    place_open(p);
    assert_int_equal(put(p, "k", "room"), 7);
    assert_int_equal(put_large(p, "k", SK_SEGMENT_LEAST, 1), 8);
    assert_int_equal(put_large(p, "k", SK_SEGMENT_LEAST, 1), 9); /* now the old one may go */
    assert_int_equal(state_of(p).first, 8);
}

/* Whole segments below a number go, the newest stays. */
static void test_forget(void **state)
{
    static const struct {
        uint64_t seq, first;
    } rows[] = { { 1, 1 }, { 6, 1 }, { 7, 7 }, { 12, 7 }, { 20, 19 }, { 100, 25 } };
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;

    fill(p, 30, 1);
    for (size_t i = 0; i < COUNT(rows); i++) {
        faulty_arm(FAULTY_WRITE, 1, ENOSPC, true); /* it needs no space */
        DONE(sk_journal_forget(p->j, rows[i].seq, false, &err));
        (void)faulty_disarm();
        if (state_of(p).first != rows[i].first)
            fail_msg("below %" PRIu64 ": the first is %" PRIu64, rows[i].seq, state_of(p).first);
        check_all(p->j, rows[i].first, 30);
    }
    assert_int_equal(size_of(path_of(p, 19, ".seg")) + size_of(path_of(p, 19, ".idx")), 0);
}

static void wait_empty(struct place *p)
{
    for (int i = 0; i < 20000 && state_of(p).bytes > 0; i++)
        (void)usleep(1000);
    assert_int_equal(state_of(p).bytes, 0);
}

/* The newest too: nothing is left but the number, over restarts, failures and a full disk. */
static void test_forget_all(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_journal_cursor_free) struct sk_journal_cursor *c = NULL;
    struct sk_journal_item item;

    fill(p, 30, 1);
    DONE(sk_journal_cursor(p->j, &(struct sk_journal_filter){ .from_seq = 26 }, &c, &err));
    assert_int_equal(sk_journal_next(c, &item, &err), 1);
    DONE(sk_journal_forget(p->j, 30, true, &err)); /* one is wanted */
    (void)usleep(2000);
    assert_int_equal(state_of(p).first, 25);
    for (int round = 0; round < 2; round++) {
        DONE(sk_journal_forget(p->j, 31, true, &err));
        wait_empty(p);
        assert_int_equal(state_of(p).first, 31);
        assert_int_equal(state_of(p).disk_bytes, 0);
    }
    assert_int_equal(size_of(path_of(p, 25, ".seg")), 0);
    assert_int_equal(sk_journal_next(c, &item, &err), 1); /* its segment was open */
    place_reopen(p);
    assert_int_equal(state_of(p).next, 31);
    faulty_arm(FAULTY_ALLOCATE, 1, ENOSPC, true);
    put_fails(p, "k", "no room", SK_FULL);
    place_reopen(p);
    put_fails(p, "k", "no room", SK_FULL);
    (void)faulty_disarm();
    faulty_arm(FAULTY_DATASYNC, 1, EIO, false);
    put_fails(p, "k", "cannot be synced", SK_IO);
    place_reopen(p);
    assert_int_equal(put(p, "k", "room"), 31);
    faulty_arm(FAULTY_SYNC, 1, EIO, false); /* of the folder, for the number */
    DONE(sk_journal_forget(p->j, 32, true, &err));
    (void)usleep(20000);
    (void)faulty_disarm(); /* a thread that is slower than that is not failed */
    assert_int_equal(put(p, "k", "more"), 32);
    check_all(p->j, 31, 32);
    DONE(sk_journal_forget(p->j, 33, true, &err));
    place_reopen(p); /* done before the end */
    assert_int_equal(state_of(p).bytes, 0);
    assert_int_equal(put(p, "k", "room"), 33);
    check_all(p->j, 33, 33);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bytes, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_age, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_numbers_go_on, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_forget, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_forget_all, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_under_cursor, place_set_up, place_tear_down),
    };

    faulty_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
