/* test_cursor.c - filters in both directions, following, and what reading by key touches. */
#include "journal/journal_util.h"

#include "base/file.h"
#include "base/mix64.h"

#include <inttypes.h>

enum {
    RECORDS = 400
};

static void key_of(uint64_t seq, char *out)
{
    uint64_t r = sk_mix64(seq);

    (void)snprintf(out, 32, r % 4 == 0 ? "gw/%u" : "dev/%u", (unsigned)(r >> 9) % 12);
}

static int64_t time_of(uint64_t seq)
{
    return 1000 + (int64_t)seq * 10 + (int64_t)(sk_mix64(seq) % 50);
}

/* Bodies from nothing to more than a window. */
static void fill(struct place *p)
{
    char key[32];

    for (uint64_t seq = 1; seq <= RECORDS; seq++) {
        uint64_t r = sk_mix64(seq * 3);
        key_of(seq, key);
        assert_int_equal(put_large(p, key, r % 40 == 0 ? r % 80000 : r % 900, time_of(seq)), seq);
    }
}

static bool is_wanted(const struct sk_journal_filter *f, uint64_t seq)
{
    char key[32];

    key_of(seq, key);
    if (f->key.len &&
        (f->key_is_prefix ? strncmp(key, f->key.ptr, f->key.len) != 0 : !sk_view_eq(f->key, key)))
        return false;
    if (f->is_backwards ? f->from_seq && seq >= f->from_seq : seq < f->from_seq)
        return false;
    return (!f->from_ms || time_of(seq) >= f->from_ms) &&
           (!f->until_ms || time_of(seq) < f->until_ms);
}

static void check(struct place *p, const struct sk_journal_filter *f, size_t row)
{
    char expected[8192];
    size_t len = 0;

    expected[0] = 0;
    for (uint64_t i = 1; i <= RECORDS; i++) {
        uint64_t seq = f->is_backwards ? RECORDS + 1 - i : i;
        if (is_wanted(f, seq))
            len += (size_t)snprintf(expected + len, sizeof expected - len, "%" PRIu64 " ", seq);
    }
    const char *got = numbers_of(p->j, f);
    if (strcmp(got, expected) != 0)
        fail_msg("row %zu%s: %s, not %s", row, f->is_backwards ? " backwards" : "", got, expected);
}

static void test_filters(void **state)
{
    static const struct sk_journal_filter rows[] = {
        { .from_seq = 0 },
        { .from_seq = 1 },
        { .from_seq = 2 },
        { .from_seq = 200 },
        { .from_seq = RECORDS },
        { .from_seq = RECORDS + 1 },
        { .from_seq = RECORDS + 100 },
        { .key = { "dev/3", 5 } },
        { .key = { "dev/3", 5 }, .from_seq = 150 },
        { .key = { "dev/", 4 }, .key_is_prefix = true },
        { .key = { "dev/1", 5 }, .key_is_prefix = true, .from_seq = 77 },
        { .key = { "gw", 2 } },
        { .key = { "none", 4 }, .key_is_prefix = true },
        { .from_ms = 2500 },
        { .until_ms = 2500 },
        { .from_ms = 2000, .until_ms = 2100 },
        { .key = { "gw/", 3 },
          .key_is_prefix = true,
          .from_ms = 1500,
          .until_ms = 4000,
          .from_seq = 100 },
        { .from_ms = 9000, .until_ms = 8000 },
    };
    struct place *p = *state;

    fill(p);
    assert_true(state_of(p).segments > 5);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT(rows); i++) {
            struct sk_journal_filter f = rows[i];
            check(p, &f, i);
            f.is_backwards = true;
            check(p, &f, i);
        }
        place_reopen(p);
    }
    assert_int_equal(state_of(p).damaged, 0);
}

static void test_bodies(void **state)
{
    struct place *p = *state;

    fill(p);
    for (int is_backwards = 0; is_backwards < 2; is_backwards++) {
        SK_OWN(sk_journal_cursor_free) struct sk_journal_cursor *c = NULL;
        struct sk_journal_item item;
        struct sk_err err = SK_ERR_INIT;
        size_t count = 0;
        char key[32];
        DONE(sk_journal_cursor(p->j, &(struct sk_journal_filter){ .is_backwards = is_backwards },
                               &c, &err));
        for (; sk_journal_next(c, &item, &err) == 1; count++) {
            uint64_t r = sk_mix64(item.seq * 3);
            key_of(item.seq, key);
            assert_int_equal(item.body.len, r % 40 == 0 ? r % 80000 : r % 900);
            assert_true(sk_view_eq(item.key, key));
            assert_int_equal(item.time_ms, time_of(item.seq));
            for (size_t i = 0; i < item.body.len; i++)
                assert_true(item.body.ptr[i] == 'a');
        }
        assert_int_equal(count, RECORDS);
    }
}

/* Asked again after its end, it gives what came since; by key too, and across segments. */
static void test_following(void **state)
{
    struct place *p = *state;
    SK_OWN(sk_journal_cursor_free) struct sk_journal_cursor *all = NULL;
    SK_OWN(sk_journal_cursor_free) struct sk_journal_cursor *keyed = NULL;
    struct sk_journal_item item;
    struct sk_err err = SK_ERR_INIT;

    DONE(sk_journal_cursor(p->j, &(struct sk_journal_filter){ 0 }, &all, &err));
    DONE(sk_journal_cursor(p->j, &(struct sk_journal_filter){ .key = SK_VIEW("b") }, &keyed, &err));
    for (int i = 0; i < 60; i++) {
        assert_int_equal(sk_journal_next(all, &item, &err), 0);
        assert_int_equal(sk_journal_next(keyed, &item, &err), 0);
        uint64_t seq = put_large(p, i % 2 ? "b" : "a", i % 7 ? 100 : 20000, 1);
        assert_int_equal(sk_journal_next(all, &item, &err), 1);
        assert_int_equal(item.seq, seq);
        if (i % 2) {
            assert_int_equal(sk_journal_next(keyed, &item, &err), 1);
            assert_int_equal(item.seq, seq);
        }
    }
    assert_int_equal(state_of(p).damaged, 0);
}

/* Segments without the key are not opened: here they are gone, unnoticed. */
static void test_touches_only(void **state)
{
    struct place *p = *state;

    for (int i = 0; i < 30; i++)
        (void)put_large(p, i == 20 ? "rare" : "usual", 10000, 1);
    (void)unlink(path_of(p, 1, ".seg"));
    (void)unlink(path_of(p, 7, ".seg"));
    assert_string_equal(numbers_of(p->j, &(struct sk_journal_filter){ .key = SK_VIEW("rare") }),
                        "21 ");
    assert_string_equal(numbers_of(p->j, &(struct sk_journal_filter){ .key = SK_VIEW("rare"),
                                                                      .is_backwards = true }),
                        "21 ");
}

/* ---- while it is written and trimmed ---- */

static atomic_bool is_over;

static void *write_on(void *journal)
{
    static char body[5000];
    struct sk_err err = SK_ERR_INIT;

    for (int i = 0; i < 800; i++) {
        struct sk_journal_record r = { .key = i % 3 ? SK_VIEW("a") : SK_VIEW("b"),
                                       .body = { body, sizeof body } };
        if (sk_journal_write(journal, &r, NULL, &err) < 0)
            abort();
    }
    atomic_store(&is_over, true);
    return NULL;
}

static void *read_on(void *journal)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_journal_item item;

    for (unsigned i = 0; !atomic_load(&is_over); i++) {
        SK_OWN(sk_journal_cursor_free) struct sk_journal_cursor *c = NULL;
        struct sk_journal_filter f = { .is_backwards = i % 2 };
        uint64_t last = 0;
        if (i % 4 > 1)
            f.key = SK_VIEW("a");
        if (sk_journal_cursor(journal, &f, &c, &err) < 0)
            abort();
        for (int rc; (rc = sk_journal_next(c, &item, &err)) != 0; last = item.seq) {
            if (rc < 0 || (last && (i % 2 ? item.seq >= last : item.seq <= last)) ||
                item.body.len != 5000)
                abort();
        }
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct place *p = *state;
    pthread_t writer, readers[2];
    struct sk_err err = SK_ERR_INIT;

    p->opts.max_bytes = 5 * SK_SEGMENT_LEAST;
    place_reopen(p);
    DONE(sk_thread_start(&writer, "writer", write_on, p->j, &err));
    for (size_t i = 0; i < COUNT(readers); i++)
        DONE(sk_thread_start(&readers[i], "reader", read_on, p->j, &err));
    assert_int_equal(pthread_join(writer, NULL), 0);
    for (size_t i = 0; i < COUNT(readers); i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    assert_int_equal(state_of(p).damaged, 0);
    assert_true(state_of(p).first > 1);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, place_set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_filters),      ROW(test_bodies),  ROW(test_following),
        ROW(test_touches_only), ROW(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
