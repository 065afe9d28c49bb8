/* test_budget.c - the budget is never exceeded, what goes first, and going on when there is room.
 */
#include "spool/spool_util.h"

#include "base/file.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

enum {
    MEBI = 1 << 20,
    BODY = 1000
};

static void check_disk(struct place *p)
{
    struct sk_spool_state s = state_of(p);
    uint64_t disk = disk_of(p->dir);

    if (disk > p->opts.max_bytes || s.bytes > p->opts.max_bytes || disk > s.bytes)
        fail_msg("%" PRIu64 " bytes on the disk, %" PRIu64 " counted, %" PRIu64 " allowed", disk,
                 s.bytes, p->opts.max_bytes);
}

static void with_budget(struct place *p, uint64_t bytes, bool evicts)
{
    p->opts.max_bytes = bytes;
    p->opts.evicts = evicts;
    place_reopen(p);
}

/* Puts until it is refused; how many were taken. */
static unsigned fill(struct place *p, const char *endpoint, unsigned priority)
{
    unsigned count = 0;
    enum sk_code code;

    while ((code = put_large(p, endpoint, priority, BODY)) == SK_OK && count < 100000) {
        count++;
        if (count % 50 == 0)
            check_disk(p);
    }
    assert_int_equal(code, SK_FULL);
    check_disk(p);
    return count;
}

static unsigned take_some(struct place *p, const char *endpoint, unsigned most)
{
    SK_OWN(sk_spool_reader_free) struct sk_spool_reader *r = NULL;
    struct sk_spool_item item;
    struct sk_err err = SK_ERR_INIT;
    unsigned count = 0;

    DONE(sk_spool_reader(p->s, endpoint, &r, &err));
    while (count < most && sk_spool_next(r, 1, &item, &err) == 1) {
        sk_spool_delivered(r, item.priority, item.seq);
        count++;
    }
    return count;
}

static void test_full(void **state)
{
    struct place *p = *state;

    with_budget(p, MEBI, false);
    unsigned a = fill(p, "a", 9);
    assert_in_range(a, 700, 1000);
    assert_true(state_of(p).refused > 0);
    /* Another queue finds no room either, whatever its priority. */
    assert_int_equal(put_large(p, "b", 0, BODY), SK_FULL);
    place_reopen(p);
    assert_int_equal(sk_spool_length(p->s, "a", 9), a);
    assert_int_equal(put_large(p, "b", 0, BODY), SK_FULL);
    /* Room again when some were delivered. */
    assert_int_equal(take_some(p, "a", 200), 200);
    assert_int_equal(put_large(p, "b", 0, BODY), SK_OK);
    assert_int_equal(fill(p, "a", 9) > 50, true);
    unsigned rest = take_some(p, "a", 100000);
    assert_true(rest > a - 200);
    /* All is delivered: the space comes back, for others too. */
    assert_true(fill(p, "b", 0) > 700);
    check_disk(p);
}

static void test_evicts(void **state)
{
    struct place *p = *state;

    with_budget(p, MEBI, true);
    unsigned low = 0, high = 0;
    for (; low < 2000; low++) {
        assert_int_equal(put_large(p, "a", 9, BODY), SK_OK);
        if (low % 50 == 0)
            check_disk(p);
    }
    struct sk_spool_state s = state_of(p);
    assert_true(s.evicted > 1000 && s.refused == 0);
    assert_int_equal(sk_spool_length(p->s, "a", 9) + s.evicted, low);
    for (; high < 600; high++)
        assert_int_equal(put_large(p, "b", 3, BODY), SK_OK);
    check_disk(p);
    assert_int_equal(sk_spool_length(p->s, "b", 3), high); /* the lower ones went */
    assert_true(sk_spool_length(p->s, "a", 9) < 400);
    /* One of a lower priority does not push out a higher one. */
    while (put_large(p, "b", 3, BODY) == SK_OK && sk_spool_length(p->s, "b", 3) > high)
        high = (unsigned)sk_spool_length(p->s, "b", 3);
    uint64_t kept = sk_spool_length(p->s, "b", 3);
    for (int i = 0; i < 300; i++)
        (void)put_large(p, "a", 9, BODY);
    assert_int_equal(sk_spool_length(p->s, "b", 3), kept);
    s = state_of(p);
    uint64_t evicted = s.evicted;
    place_reopen(p);
    assert_int_equal(sk_spool_length(p->s, "b", 3), kept);
    assert_true(evicted > 0);
}

static void test_expired_first(void **state)
{
    struct place *p = *state;

    clocks_set((struct test_clock){ .wall_ms = 1000000, .boot_ms = 5000, .boot = 1 });
    with_budget(p, MEBI, true);
    for (int i = 0; i < 400; i++) {
        static char body[BODY];
        memset(body, 'x', sizeof body - 1);
        put_ttl(p, "a", body, 60000);
    }
    test_clock.boot_ms += 60000;
    for (int i = 0; i < 700; i++)
        assert_int_equal(put_large(p, "b", 9, BODY), SK_OK);
    struct sk_spool_state s = state_of(p);
    assert_true(s.expired >= 300 && s.evicted == 0);
    check_disk(p);
}

/* A disk that is smaller than the budget: refused, and going on when there is room. */
static void test_small_disk(void **state)
{
    struct place *p = *state;

    place_close(p);
    if (geteuid() != 0 || mount("spool", p->dir, "tmpfs", 0, "size=1m") < 0) {
        place_open(p);
        skip();
    }
    p->opts.max_bytes = 16 * MEBI;
    place_open(p);
    unsigned count = 0;
    while (put_large(p, "a", 9, BODY) == SK_OK)
        count++;
    bool was_full = count > 500;
    unsigned taken = take_some(p, "a", 200);
    bool went_on = put_large(p, "a", 9, BODY) == SK_OK;
    place_reopen(p);
    uint64_t left = sk_spool_length(p->s, "a", 9);
    place_close(p);
    assert_int_equal(umount(p->dir), 0);
    place_open(p);
    assert_true(was_full);
    assert_int_equal(taken, 200);
    assert_true(went_on);
    assert_int_equal(left, count - 200 + 1);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, place_set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_full),
        ROW(test_evicts),
        ROW(test_expired_first),
        ROW(test_small_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
