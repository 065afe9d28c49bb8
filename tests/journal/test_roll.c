/* test_roll.c - segments begin, end, and are mended; a full disk, and room on it. */
#include "journal/journal_util.h"

#include "base/file.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static void test_rolls(void **state)
{
    struct place *p = *state;
    uint64_t last = 0;

    for (int i = 0; i < 20; i++)
        last = put_large(p, i % 2 ? "a" : "b", 10000, i + 1);
    struct sk_journal_state s = state_of(p);
    assert_int_equal(s.segments, 4); /* six to a segment */
    check_all(p->j, 1, last);
    /* A full one has its length, and an index; the newest is preallocated. */
    assert_int_equal(size_of(path_of(p, 1, ".seg")),
                     SK_SEGMENT_HEADER + 6 * sk_record_size(1, 10000));
    assert_true(size_of(path_of(p, 1, ".idx")) > 0);
    assert_int_equal(size_of(path_of(p, 19, ".seg")), SK_SEGMENT_LEAST);
    assert_int_equal(size_of(path_of(p, 19, ".idx")), 0);
    place_reopen(p);
    check_all(p->j, 1, last);
    assert_int_equal(state_of(p).bytes, s.bytes);
}

/* A record that no segment holds makes one larger; before it no empty one is left. */
static void test_large(void **state)
{
    struct place *p = *state;

    assert_int_equal(put_large(p, "k", SK_JOURNAL_RECORD_MAX, 1), 1);
    assert_int_equal(state_of(p).segments, 1);
    assert_int_equal(put_large(p, "k", 10, 1), 2);
    assert_int_equal(put_large(p, "k", SK_JOURNAL_RECORD_MAX, 1), 3);
    assert_int_equal(state_of(p).segments, 3);
    place_reopen(p);
    check_all(p->j, 1, 3);
}

/* No room for a new segment: refused until there is, whatever else happens meanwhile. */
static void test_full(void **state)
{
    struct place *p = *state;
    uint64_t last = put_large(p, "k", SK_SEGMENT_LEAST - 200, 1);

    faulty_arm(FAULTY_ALLOCATE, 1, ENOSPC, true);
    for (int i = 0; i < 3; i++) {
        put_fails(p, "k",
                  "a text that does not fit into the rest of the segment, since it is "
                  "longer than what is left there, whatever that is now, by far enough, "
                  "which takes two hundred bytes and more to be sure of",
                  SK_FULL);
        assert_int_equal(size_of(path_of(p, last + 1, ".seg")), 0);
    }
    assert_int_equal(put(p, "k", "fits"), ++last); /* into the rest of the old one */
    check_all(p->j, 1, last);
    place_reopen(p); /* needs no room either */
    check_all(p->j, 1, last);
    (void)faulty_disarm();
    assert_int_equal(put_large(p, "k", 10000, 1), ++last);
    check_all(p->j, 1, last);
}

static int refuse(void *ctx, uint64_t bytes, struct sk_err *err)
{
    (void)bytes;

    return *(bool *)ctx ? sk_fail(err, SK_FULL, "kept for others") : 0;
}

/* Room that is kept for others: a segment that is there goes on, no new one begins. */
static void test_kept_room(void **state)
{
    struct place *p = *state;
    bool is_kept = true;

    p->opts.room = refuse;
    p->opts.room_ctx = &is_kept;
    place_reopen(p);
    put_fails(p, "k", "the first", SK_FULL);
    assert_int_equal(size_of(path_of(p, 1, ".seg")), 0);
    is_kept = false;
    assert_int_equal(put(p, "k", "the first"), 1);
    is_kept = true;
    assert_int_equal(put_large(p, "k", 30000, 1), 2);
    assert_int_equal(put_large(p, "k", 30000, 1), 3);
    char text[6000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    put_fails(p, "k", text, SK_FULL);
    assert_int_equal(put(p, "k", "fits"), 4);
    is_kept = false;
    assert_int_equal(put(p, "k", text), 5);
    check_all(p->j, 1, 5);
}

/* At its bound a journal goes on without more space than it has. */
static void test_bound_first(void **state)
{
    struct place *p = *state;
    uint64_t last = 0;

    p->opts.max_bytes = 4 * SK_SEGMENT_LEAST;
    place_reopen(p);
    for (int i = 0; i < 60; i++) {
        last = put_large(p, "k", 10000, 1);
        assert_true(state_of(p).bytes <= p->opts.max_bytes);
    }
    struct sk_journal_state s = state_of(p);
    assert_true(s.first > 1);
    check_all(p->j, s.first, last);
}

/* Mending fails first, and works later; the old tail is cut. */
static void test_mend(void **state)
{
    static const enum faulty_call rows[] = { FAULTY_OPEN, FAULTY_TRUNCATE, FAULTY_SYNC };
    struct place *p = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t last = put(p, "k", "before");
        faulty_arm(FAULTY_DATASYNC, 1, EIO, false);
        put_fails(p, "k", "the sync fails", SK_IO);
        faulty_arm(rows[i], 1, EIO, true);
        put_fails(p, "k", "mending fails", SK_IO);
        put_fails(p, "k", "mending fails", SK_IO);
        assert_true(faulty_disarm());
        check_all(p->j, 1, last);
        assert_int_equal(put(p, "k", "after"), last + 1);
        assert_int_equal(state_of(p).segments, i + 2);
        check_all(p->j, 1, last + 1);
    }
    assert_int_equal(size_of(path_of(p, 1, ".seg")), SK_SEGMENT_HEADER + sk_record_size(1, 6));
    assert_int_equal(state_of(p).damaged, 0);
}

/* An old segment's tail that could not be cut before a crash is not looked at. */
static void test_stale_tail(void **state)
{
    struct place *p = *state;
    SK_OWN(free) char *bytes = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len;

    (void)put(p, "k", "one");
    (void)put(p, "k", "two");
    DONE(sk_file_read(path_of(p, 1, ".seg"), 1 << 20, &bytes, &len, &err));
    place_close(p);
    DONE(sk_remove_tree(p->dir, &err));
    place_open(p);
    (void)put(p, "k", "one");
    faulty_arm(FAULTY_DATASYNC, 1, EIO, false);
    put_fails(p, "k", "refused", SK_IO);
    assert_int_equal(put(p, "k", "new"), 2);
    place_close(p);
    DONE(sk_file_write(path_of(p, 1, ".seg"), bytes, len, 0600, &err));
    (void)unlink(path_of(p, 1, ".idx"));
    place_open(p);
    check_all(p->j, 1, 2);
    SK_OWN(sk_journal_cursor_free) struct sk_journal_cursor *c = NULL;
    struct sk_journal_item item;
    DONE(sk_journal_cursor(p->j, &(struct sk_journal_filter){ .from_seq = 2 }, &c, &err));
    assert_int_equal(sk_journal_next(c, &item, &err), 1);
    assert_memory_equal(item.body.ptr, "new", 3);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, place_set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_rolls),       ROW(test_large), ROW(test_full),       ROW(test_kept_room),
        ROW(test_bound_first), ROW(test_mend),  ROW(test_stale_tail),
    };

    faulty_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
