/*
 * test_spare.c - space that is used again: no second zeros, no former records, nothing lost when
 * it fails or is cut off at any step.
 */
#include "journal/journal_util.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

static int set_up(void **state)
{
    int rc = place_set_up(state);
    struct place *p = *state;

    p->opts.reuses_space = true;
    place_reopen(p);
    return rc;
}

static const char *spare_path(struct place *p)
{
    static char path[512];

    (void)snprintf(path, sizeof path, "%s/spare", p->dir);
    return path;
}

/* Six to a segment. */
static uint64_t fill(struct place *p, unsigned count)
{
    uint64_t last = 0;

    for (unsigned i = 0; i < count; i++)
        last = put_large(p, i % 2 ? "a" : "b", 10000, 1);
    return last;
}

static void forget(struct place *p, uint64_t seq)
{
    struct sk_err err = SK_ERR_INIT;

    DONE(sk_journal_forget(p->j, seq, false, &err));
}

/* The next segment takes the space: the same file, and fewer zeros than a new one costs. */
static void test_reuses(void **state)
{
    struct place *p = *state;
    uint64_t before, zeros, records;

    assert_int_equal(fill(p, 18), 18);
    uint64_t size = size_of(path_of(p, 1, ".seg"));
    forget(p, 13);
    assert_int_equal(size_of(spare_path(p)), size);
    assert_int_equal(size_of(path_of(p, 1, ".idx")), 0);
    assert_int_equal(size_of(path_of(p, 7, ".seg")), 0); /* one is kept */
    struct sk_journal_state s = state_of(p);
    assert_int_equal(s.first, 13);
    assert_int_equal(s.bytes, SK_SEGMENT_LEAST);
    assert_int_equal(s.disk_bytes, SK_SEGMENT_LEAST + (size + 4095) / 4096 * 4096);
    order_sums(&before, &records);
    assert_int_equal(fill(p, 6), 24);
    order_sums(&zeros, &records);
    assert_in_range(zeros - before, 0, SK_SEGMENT_LEAST - size);
    assert_int_equal(size_of(spare_path(p)), 0);
    assert_int_equal(size_of(path_of(p, 19, ".seg")), SK_SEGMENT_LEAST);
    check_all(p->j, 13, 24);
    for (int i = 0; i < 30; i++) { /* again and again */
        uint64_t last = fill(p, 5);
        forget(p, last - 7);
        check_all(p->j, last - 7, last);
        if (i % 5 == 0)
            place_reopen(p);
    }
    assert_int_equal(state_of(p).damaged, 0);
}

/* What was in the space before is not seen again, wherever the new records end. */
static void test_former(void **state)
{
    struct place *p = *state;

    for (unsigned extra = 1; extra < 6; extra++) {
        uint64_t last = fill(p, 18);
        forget(p, last - 1);
        while (size_of(spare_path(p)) > 0)
            last = fill(p, 1);
        last = fill(p, extra);
        uint64_t first = state_of(p).first;
        check_all(p->j, first, last);
        place_reopen(p);
        check_all(p->j, first, last);
        assert_int_equal(state_of(p).next, last + 1);
        assert_int_equal(state_of(p).damaged, 0);
        /* Also when the header is lost. */
        const char *path = path_of(p, last - extra, ".seg");
        if (size_of(path) == 0)
            continue;
        place_close(p);
        flip_byte(path, 20, 0xff);
        place_open(p);
        check_all(p->j, first, last);
        assert_int_equal(state_of(p).next, last + 1);
    }
}

/* A segment in which a cursor is goes to the next one only when the cursor has gone on. */
static void test_under_cursor(void **state)
{
    struct place *p = *state;
    SK_OWN(sk_journal_cursor_free) struct sk_journal_cursor *c = NULL;
    struct sk_err err = SK_ERR_INIT;
    struct sk_journal_item item;

    (void)fill(p, 24);
    DONE(sk_journal_cursor(p->j, &(struct sk_journal_filter){ 0 }, &c, &err));
    for (uint64_t seq = 1; seq <= 6; seq++) {
        assert_int_equal(sk_journal_next(c, &item, &err), 1);
        assert_int_equal(item.seq, seq);
    }
    forget(p, 7);
    assert_int_equal(state_of(p).first, 1); /* once it is spared */
    assert_int_equal(sk_journal_next(c, &item, &err), 1);
    forget(p, 7);
    assert_int_equal(state_of(p).first, 7);
    assert_true(size_of(spare_path(p)) > 0);
    sk_journal_drop_spare(p->j);
    assert_int_equal(size_of(spare_path(p)), 0);
    /* Who does not go on keeps its file, and nothing is written over it. */
    forget(p, 13);
    forget(p, 13);
    assert_int_equal(state_of(p).first, 13);
    assert_int_equal(size_of(spare_path(p)), 0);
    (void)fill(p, 12);
    for (uint64_t seq = 8; seq <= 12; seq++) {
        assert_int_equal(sk_journal_next(c, &item, &err), 1);
        assert_int_equal(item.seq, seq);
        assert_int_equal(item.body.len, 10000);
    }
    assert_int_equal(state_of(p).damaged, 0);
}

/* It cannot be used: a new segment is begun; or none while nothing goes, and nothing is lost. */
static void test_fails(void **state)
{
    static const struct {
        enum faulty_call call;
        int number;
        enum sk_code code;
    } rows[] = { { FAULTY_OPEN, EIO, SK_IO },
                 { FAULTY_ALLOCATE, ENOSPC, SK_FULL },
                 { FAULTY_WRITE, EIO, SK_IO },
                 { FAULTY_SYNC, EIO, SK_IO } };

    static char text[60001];
    struct place *p = *state;
    uint64_t last = 0;

    memset(text, 'a', sizeof text - 1); /* one to a segment */
    for (size_t i = 0; i < 2 * COUNT(rows); i++) {
        bool for_good = i % 2;
        for (int k = 0; k < 3; k++)
            last = put(p, "k", text);
        forget(p, last);
        if (size_of(spare_path(p)) == 0)
            fail_msg("row %zu: no spare", i);
        faulty_arm(rows[i / 2].call, 1, rows[i / 2].number, for_good);
        if (for_good)
            put_fails(p, "k", text, rows[i / 2].code);
        else
            assert_int_equal(put(p, "k", text), ++last);
        if (!faulty_disarm())
            fail_msg("row %zu: nothing failed", i);
        assert_int_equal(size_of(spare_path(p)), 0);
        assert_int_equal(put(p, "k", text), ++last);
        check_all(p->j, state_of(p).first, last);
        place_reopen(p);
        check_all(p->j, state_of(p).first, last);
        assert_int_equal(state_of(p).next, last + 1);
    }
    assert_int_equal(state_of(p).damaged, 0);
}

static void copy(const char *from, const char *to)
{
    SK_OWN(free) char *bytes = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len;

    DONE(sk_file_read(from, 1 << 20, &bytes, &len, &err));
    DONE(sk_file_write(to, bytes, len, 0600, &err));
}

/* What a crash leaves: the spare file; the file renamed, its new header not on the disk. */
static void test_crash(void **state)
{
    struct place *p = *state;
    char old[512];

    assert_int_equal(fill(p, 20), 20);
    forget(p, 7);
    (void)snprintf(old, sizeof old, "%s/../old", p->dir);
    copy(spare_path(p), old);
    place_close(p);
    assert_int_equal(size_of(spare_path(p)), 0);
    copy(old, spare_path(p));
    place_open(p);
    assert_int_equal(size_of(spare_path(p)), 0);
    check_all(p->j, 7, 20);
    place_close(p);
    copy(old, path_of(p, 21, ".seg"));
    place_open(p);
    assert_int_equal(state_of(p).next, 21);
    check_all(p->j, 7, 20);
    assert_int_equal(fill(p, 1), 21);
    check_all(p->j, 7, 21);
    place_close(p);
    copy(old, path_of(p, 22, ".seg"));
    /* Nothing else holds the number. */
    for (uint64_t first = 7; first < 22; first++)
        (void)unlink(path_of(p, first, ".seg"));
    place_open(p);
    assert_int_equal(state_of(p).next, 22);
    assert_int_equal(fill(p, 1), 22);
    check_all(p->j, 22, 22);
    assert_int_equal(state_of(p).damaged, 0);
}

/* Sectors of a cut write are as they were before: former records. They are not counted. */
static void test_torn(void **state)
{
    struct place *p = *state;
    SK_OWN(free) char *former = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len;
    uint64_t last = 0;

    while (state_of(p).segments < 3)
        last = put_large(p, "k", 200, 1);
    uint64_t first = last; /* of the third segment */
    forget(p, first);
    DONE(sk_file_read(spare_path(p), 1 << 20, &former, &len, &err));
    while (size_of(spare_path(p)) > 0)
        last = put_large(p, "k", 190, 1);
    uint64_t begin = last;
    for (int i = 0; i < 40; i++)
        last = put_large(p, "k", 190, 1);
    place_close(p);
    SK_AUTO(sk_close) int fd = open(path_of(p, begin, ".seg"), O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, former + 4096, 512, 4096), 512);
    place_open(p);
    assert_int_equal(state_of(p).next, last + 1);
    assert_int_equal(state_of(p).damaged, 0);
    place_close(p);
    flip_byte(path_of(p, begin, ".seg"), 2000, 0x40); /* that is damage */
    place_open(p);
    assert_int_equal(state_of(p).damaged, 1);
}

/* Room is asked for what is added; none that is larger than the others is kept. */
static uint64_t asked;

static int note(void *ctx, uint64_t bytes, struct sk_err *err)
{
    (void)ctx, (void)err;
    asked = bytes;
    return 0;
}

static void test_room(void **state)
{
    struct place *p = *state;

    p->opts.room = note;
    place_reopen(p);
    (void)fill(p, 12);
    assert_int_equal(asked, SK_SEGMENT_LEAST);
    uint64_t size = size_of(path_of(p, 1, ".seg"));
    forget(p, 7);
    (void)fill(p, 1);
    assert_int_equal(asked, SK_SEGMENT_LEAST - size);
    uint64_t large = put_large(p, "k", 100000, 1);
    assert_int_equal(asked, SK_SEGMENT_HEADER + sk_record_size(1, 100000));
    (void)fill(p, 12);
    forget(p, large + 1);
    /* The large one was removed, one before it is kept. */
    assert_in_range(size_of(spare_path(p)), 1, SK_SEGMENT_LEAST);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_reuses), ROW(test_former), ROW(test_under_cursor), ROW(test_fails),
        ROW(test_crash),  ROW(test_torn),   ROW(test_room),
    };

    faulty_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
