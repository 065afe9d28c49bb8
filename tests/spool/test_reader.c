/* test_reader.c - taking: priorities, gaps, going back, what is expired, damaged or evicted. */
#include "spool/spool_util.h"

#include "base/file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

static struct sk_spool_reader *reader_of(struct place *p, const char *endpoint)
{
    struct sk_spool_reader *r = NULL;
    struct sk_err err = SK_ERR_INIT;

    DONE(sk_spool_reader(p->s, endpoint, &r, &err));
    return r;
}

static struct sk_spool_item next_of(struct sk_spool_reader *r)
{
    struct sk_spool_item item = { 0 };
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_spool_next(r, (int64_t)sk_spool_clocks.wall_ms(), &item, &err), 1);
    return item;
}

/* The highest one that has something, asked before each item. */
static void test_priority(void **state)
{
    struct place *p = *state;
    SK_OWN(sk_spool_reader_free) struct sk_spool_reader *r = reader_of(p, "e");

    put(p, "e", 9, "low1");
    put(p, "e", 9, "low2");
    put(p, "e", 4, "mid1");
    assert_string_equal(take(r, 2, true), "mid1 low1 ");
    put(p, "e", 0, "high1");
    put(p, "e", 4, "mid2");
    assert_string_equal(take(r, 1, true), "high1 ");
    put(p, "e", 0, "high2");
    assert_string_equal(take(r, 9, true), "high2 mid2 low2 ");
    assert_string_equal(take(r, 9, true), "");
}

static void test_item(void **state)
{
    struct place *p = *state;
    SK_OWN(sk_spool_reader_free) struct sk_spool_reader *r = reader_of(p, "e");
    const struct sk_spool_target to = { "e", 3, 5000 };

    clocks_set((struct test_clock){ .wall_ms = 4000, .boot_ms = 70, .boot = 1 });
    assert_int_equal(put_to(p, &to, 1, "device/module/out", "body"), SK_OK);
    struct sk_spool_item item = next_of(r);
    assert_true(sk_view_eq(item.key, "device/module/out"));
    assert_true(sk_view_eq(item.bag, "$.mid=7"));
    assert_true(sk_view_eq(item.body, "body"));
    assert_int_equal(item.priority, 3);
    assert_int_equal(item.seq, 1);
    assert_int_equal(item.time_ms, 4000);
    assert_int_equal(item.expires_ms, 5000);
}

static void test_one_reader(void **state)
{
    struct place *p = *state;
    struct sk_spool_reader *r = reader_of(p, "e"), *other = NULL;
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_spool_reader(p->s, "e", &other, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    sk_spool_reader_free(reader_of(p, "f"));
    assert_int_equal(sk_spool_drop(p->s, "e", &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    sk_spool_reader_free(r);
    sk_spool_reader_free(reader_of(p, "e"));
    sk_spool_reader_free(NULL);
}

/* Delivered in any order; what was not comes again after a rewind, in order. */
static void test_rewind(void **state)
{
    struct place *p = *state;
    SK_OWN(sk_spool_reader_free) struct sk_spool_reader *r = reader_of(p, "e");

    for (char c = 'a'; c <= 'h'; c++)
        put(p, "e", 9, (char[]){ c, 0 });
    assert_string_equal(take(r, 6, false), "a b c d e f ");
    sk_spool_delivered(r, 9, 5);
    sk_spool_delivered(r, 9, 1);
    sk_spool_delivered(r, 9, 3);
    sk_spool_delivered(r, 9, 3);
    sk_spool_delivered(r, 9, 100); /* there is none */
    sk_spool_delivered(r, 0, 1);
    sk_spool_delivered(r, 77, 1);
    assert_int_equal(sk_spool_length(p->s, "e", 9), 5);
    sk_spool_rewind(r);
    assert_string_equal(take(r, 3, false), "b d f ");
    sk_spool_rewind(r);
    assert_string_equal(take(r, 99, false), "b d f g h ");
    sk_spool_delivered(r, 9, 2);
    sk_spool_rewind(r);
    assert_string_equal(take(r, 99, false), "d f g h ");
    /* Of the ones delivered, those behind a gap are sent again after a restart. */
    sk_spool_reader_free(SK_TAKE(r));
    place_reopen(p);
    r = reader_of(p, "e");
    assert_string_equal(take(r, 99, true), "d e f g h ");
}

static void test_expired(void **state)
{
    struct place *p = *state;
    SK_OWN(sk_spool_reader_free) struct sk_spool_reader *r = reader_of(p, "e");

    clocks_set((struct test_clock){ .wall_ms = 1000000, .boot_ms = 500, .boot = 1 });
    put_ttl(p, "e", "short", 100);
    put_ttl(p, "e", "long", 5000);
    put_ttl(p, "e", "short2", 100);
    put(p, "e", 0, "ever");
    put_ttl(p, "e", "short3", 100);
    test_clock.wall_ms += INT64_C(10) * 365 * 86400 * 1000; /* a step of the clock: nothing */
    test_clock.boot_ms += 99;
    assert_string_equal(take(r, 99, false), "short long short2 ever short3 ");
    sk_spool_rewind(r);
    test_clock.boot_ms += 1;
    assert_string_equal(take(r, 99, false), "long ever ");
    assert_int_equal(state_of(p).expired, 3);
    sk_spool_rewind(r);
    assert_string_equal(take(r, 99, false), "long ever ");
    assert_int_equal(state_of(p).expired, 3); /* each once */
    assert_int_equal(sk_spool_length(p->s, "e", 0), 2);
    /* Another boot: a lower bound of the age only. */
    sk_spool_reader_free(SK_TAKE(r));
    test_clock.boot = 2;
    test_clock.boot_ms = 99;
    place_reopen(p);
    r = reader_of(p, "e");
    assert_string_equal(take(r, 99, false), "long short2 ever short3 ");
    sk_spool_rewind(r);
    test_clock.boot_ms = 4999;
    assert_string_equal(take(r, 99, false), "long ever ");
    sk_spool_rewind(r);
    test_clock.boot_ms = 5000;
    assert_string_equal(take(r, 99, true), "ever ");
    assert_int_equal(state_of(p).expired, 3);
}

/* Behind a timer the space of what is expired comes back. */
static void test_expired_by_timer(void **state)
{
    struct place *p = *state;

    clocks_set((struct test_clock){ .wall_ms = 1000000, .boot_ms = 500, .boot = 1 });
    for (int i = 0; i < 30; i++) {
        char body[10001];
        memset(body, 'x', sizeof body - 1);
        body[10000] = 0;
        put_ttl(p, "e", body, 100);
    }
    uint64_t before = state_of(p).bytes;
    sk_spool_tick(p->s, 1);
    assert_int_equal(sk_spool_length(p->s, "e", 0), 30);
    test_clock.boot_ms += 100;
    sk_spool_tick(p->s, 1);
    assert_int_equal(sk_spool_length(p->s, "e", 0), 0);
    assert_int_equal(state_of(p).expired, 30);
    assert_true(state_of(p).bytes < before / 2);
}

static const char *path_of(struct place *p, const char *name)
{
    static char path[512];

    (void)snprintf(path, sizeof path, "%s/e/9/%s", p->dir, name);
    return path;
}

/* A damaged record costs itself, and the mark goes over it. */
static void test_damaged(void **state)
{
    struct place *p = *state;
    char body[1001];
    size_t count = 0;

    memset(body, 'x', sizeof body - 1);
    body[1000] = 0;
    for (int i = 0; i < 200; i++)
        put(p, "e", 9, body);
    place_close(p);
    /* Some in the first segment, one in the newest. */
    static const size_t at[] = { 500, 5000, 30000 };
    for (size_t i = 0; i < COUNT(at); i++) {
        SK_AUTO(sk_close)
        int fd = open(path_of(p, "00000000000000000001.seg"), O_WRONLY | O_CLOEXEC);
        assert_int_equal(pwrite(fd, "DAMAGE", 6, (off_t)at[i]), 6);
    }
    place_open(p);
    SK_OWN(sk_spool_reader_free) struct sk_spool_reader *r = reader_of(p, "e");
    struct sk_spool_item item;
    struct sk_err err = SK_ERR_INIT;
    while (sk_spool_next(r, 1, &item, &err) == 1) {
        sk_spool_delivered(r, 9, item.seq);
        count++;
    }
    assert_int_equal(count, 197);
    assert_int_equal(state_of(p).damaged, 3);
    assert_int_equal(sk_spool_length(p->s, "e", 9), 0);
}

/* The last one may be a write that was cut: that is told apart. */
static void test_cut(void **state)
{
    struct place *p = *state;

    put(p, "e", 9, "first");
    put(p, "e", 9, "the last one");
    assert_int_equal(state_of(p).cut, 0);
    place_close(p);
    SK_OWN(free) char *bytes = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len;
    const char *path = path_of(p, "00000000000000000001.seg");
    DONE(sk_file_read(path, 16 << 20, &bytes, &len, &err));
    char *at = memmem(bytes, len, "the last one", 12);
    assert_non_null(at);
    *at ^= 1;
    DONE(sk_file_write(path, bytes, len, 0600, &err));
    place_open(p);
    assert_string_equal(take_all(p, "e", true), "first ");
    assert_int_equal(state_of(p).damaged, 0);
    assert_int_equal(state_of(p).cut, 1);
    sk_spool_tick(p->s, 1);
    assert_int_equal(state_of(p).cut, 1);
}

/* A record that is no message: of another program, or of a later version. */
static void test_no_message(void **state)
{
    struct place *p = *state;
    struct sk_journal *j = NULL;
    struct sk_err err = SK_ERR_INIT;

    put(p, "e", 9, "a");
    place_close(p);
    DONE(sk_journal_open(&(struct sk_journal_options){ .dir = path_of(p, "") }, &j, &err));
    DONE(sk_journal_write(j, &(struct sk_journal_record){ .body = SK_VIEW("\x09?") }, NULL, &err));
    sk_journal_close(j);
    place_open(p);
    put(p, "e", 9, "b");
    sk_spool_tick(p->s, 1);
    assert_string_equal(take_all(p, "e", true), "a b ");
    assert_int_equal(state_of(p).damaged, 1);
    assert_int_equal(sk_spool_length(p->s, "e", 9), 0);
}

/* A mark that is lost, or older: sent again. One of another journal: all is sent. */
static void test_marks(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;

    for (char c = 'a'; c <= 'e'; c++)
        put(p, "e", 9, (char[]){ c, 0 });
    sk_spool_reader_free(NULL);
    struct sk_spool_reader *r = reader_of(p, "e");
    assert_string_equal(take(r, 3, true), "a b c ");
    sk_spool_reader_free(r);
    place_reopen(p);
    assert_string_equal(take_all(p, "e", false), "d e ");
    place_close(p);
    assert_int_equal(unlink(path_of(p, "mark")), 0);
    place_open(p);
    assert_string_equal(take_all(p, "e", false), "a b c d e ");
    place_close(p);
    path_of(p, "");
    DONE(sk_mark_save(path_of(p, ""), &(struct sk_mark){ 8, 700 }, &err));
    place_open(p);
    assert_string_equal(take_all(p, "e", false), "a b c d e ");
    place_close(p);
    DONE(sk_mark_save(path_of(p, ""), &(struct sk_mark){ 90, 3 }, &err));
    DONE(sk_mark_save(path_of(p, ""), &(struct sk_mark){ 91, 5 }, &err));
    SK_AUTO(sk_close) int fd = open(path_of(p, "mark"), O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "torn", 4, SK_MARK_SLOT + 20), 4);
    place_open(p);
    assert_string_equal(take_all(p, "e", false), "c d e ");
}

/* The timer writes it, at most once a second. */
static void test_mark_by_timer(void **state)
{
    struct place *p = *state;
    SK_OWN(sk_spool_reader_free) struct sk_spool_reader *r = reader_of(p, "e");
    struct sk_mark m;

    clocks_set((struct test_clock){ .wall_ms = 1000000, .boot_ms = 50000, .boot = 1 });
    put(p, "e", 9, "a");
    put(p, "e", 9, "b");
    (void)take(r, 1, true);
    sk_spool_tick(p->s, 1);
    sk_mark_load(path_of(p, ""), &m);
    assert_int_equal(m.below, 2);
    (void)take(r, 1, true);
    test_clock.boot_ms += 999;
    sk_spool_tick(p->s, 1);
    sk_mark_load(path_of(p, ""), &m);
    assert_int_equal(m.below, 2);
    test_clock.boot_ms += 1;
    sk_spool_tick(p->s, 1);
    sk_mark_load(path_of(p, ""), &m);
    assert_int_equal(m.below, 3);
    uint64_t count = m.count;
    test_clock.boot_ms += 5000;
    sk_spool_tick(p->s, 1); /* nothing new */
    sk_mark_load(path_of(p, ""), &m);
    assert_int_equal(m.count, count);
}

/* Segments go under a reader: it goes on with what there is; what it had may still be told. */
static void test_evicted(void **state)
{
    struct place *p = *state;

    p->opts.max_bytes = 1 << 20;
    p->opts.evicts = true;
    place_reopen(p);
    SK_OWN(sk_spool_reader_free) struct sk_spool_reader *r = reader_of(p, "e");
    for (int i = 0; i < 100; i++)
        assert_int_equal(put_large(p, "e", 9, 1000), SK_OK);
    for (uint64_t seq = 1; seq <= 10; seq++)
        assert_int_equal(next_of(r).seq, seq);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(put_large(p, "e", 9, 1000), SK_OK);
    uint64_t evicted = state_of(p).evicted, last = 10, count = 0;
    assert_true(evicted > 2000);
    for (uint64_t seq = 1; seq <= 10; seq++)
        sk_spool_delivered(r, 9, seq);
    struct sk_spool_item item;
    struct sk_err err = SK_ERR_INIT;
    while (sk_spool_next(r, 1, &item, &err) == 1) {
        assert_true(item.seq > last);
        last = item.seq;
        count++;
        sk_spool_delivered(r, 9, item.seq);
    }
    assert_int_equal(last, 3100);
    assert_in_range(count, 3100 - evicted, 3100 - evicted + 100);
    assert_int_equal(sk_spool_length(p->s, "e", 9), 0);
    assert_int_equal(state_of(p).damaged, 0);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, place_set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_priority), ROW(test_item),          ROW(test_one_reader),
        ROW(test_rewind),   ROW(test_expired),       ROW(test_expired_by_timer),
        ROW(test_damaged),  ROW(test_cut),           ROW(test_no_message),
        ROW(test_marks),    ROW(test_mark_by_timer), ROW(test_evicted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
