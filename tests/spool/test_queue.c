/* test_queue.c - a queue opens when it is needed, and gives back what it has when it is idle. */
#include "spool/spool_util.h"

#include "base/file.h"

#include <inttypes.h>
#include <string.h>

/* Of journals. */
static unsigned threads(void)
{
    SK_AUTO(sk_dir_done) struct sk_dir names = { 0 };
    struct sk_err err = SK_ERR_INIT;
    unsigned count = 0;

    DONE(sk_dir_read("/proc/self/task", &names, &err));
    for (size_t i = 0; i < names.count; i++) {
        char path[64], name[32] = "";
        (void)snprintf(path, sizeof path, "/proc/self/task/%s/comm", names.names[i]);
        SK_OWN(fclose) FILE *f = fopen(path, "re");
        count += f && fgets(name, sizeof name, f) && strcmp(name, "sk-journal\n") == 0;
    }
    return count;
}

/* One that was joined may be listed a little longer, and a new one not have its name yet. */
static void check_threads(unsigned expected)
{
    for (int i = 0; i < 20000 && threads() != expected; i++)
        (void)usleep(1000);
    assert_int_equal(threads(), expected);
}

static void test_idle(void **state)
{
    struct place *p = *state;
    const uint64_t empty = SK_SPOOL_BLOCK + SK_SPOOL_QUEUE_COST;

    clocks_set((struct test_clock){ .wall_ms = 1000000, .boot_ms = 500, .boot = 1 });
    SK_OWN(sk_spool_reader_free) struct sk_spool_reader *r = NULL;
    struct sk_err err = SK_ERR_INIT;
    DONE(sk_spool_reader(p->s, "e", &r, &err));
    assert_string_equal(take(r, 9, true), "");
    check_threads(0); /* an endpoint alone costs none */
    for (int round = 0; round < 3; round++) {
        put(p, "e", 9, "a");
        put(p, "e", 9, "b");
        check_threads(1);
        test_clock.boot_ms += SK_SPOOL_IDLE_MS;
        assert_string_equal(take(r, 1, true), "a ");
        test_clock.boot_ms += SK_SPOOL_IDLE_MS;
        sk_spool_tick(p->s, 1);
        check_threads(1); /* something waits */
        assert_string_equal(take(r, 9, true), "b ");
        test_clock.boot_ms += SK_SPOOL_IDLE_MS - 1;
        sk_spool_tick(p->s, 1);
        check_threads(1);
        test_clock.boot_ms += 1;
        sk_spool_tick(p->s, 1);
        check_threads(0);
        assert_int_equal(state_of(p).bytes, empty);
        assert_true(disk_of(p->dir) <= empty);
        assert_string_equal(take(r, 9, true), "");
    }
    /* A start finds it so, and opens nothing. */
    sk_spool_reader_free(SK_TAKE(r));
    place_reopen(p);
    check_threads(0);
    assert_int_equal(state_of(p).bytes, empty);
    put(p, "e", 9, "c");
    DONE(sk_spool_reader(p->s, "e", &r, &err));
    struct sk_spool_item item;
    assert_int_equal(sk_spool_next(r, 1, &item, &err), 1);
    assert_int_equal(item.seq, 7); /* the numbers went on */
}

/* One that a start finds delivered is given back at once; one that has something is opened. */
static void test_look(void **state)
{
    struct place *p = *state;

    for (int i = 0; i < 200; i++)
        assert_int_equal(put_large(p, "e", 9, 1000), SK_OK);
    put(p, "f", 3, "x");
    (void)take_all(p, "e", true);
    place_close(p);
    check_threads(0);
    assert_true(disk_of(p->dir) < 200000);
    place_open(p);
    check_threads(1);
    assert_int_equal(sk_spool_length(p->s, "e", 9), 0);
    assert_int_equal(sk_spool_length(p->s, "f", 3), 1);
}

/* What a crash leaves of a segment without records, or of one to be used again, costs nothing. */
static void test_leftovers(void **state)
{
    static char zeros[SK_SPOOL_SEGMENT_LEAST];
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    char path[512];

    put(p, "e", 9, "a");
    (void)take_all(p, "e", true);
    place_close(p);
    (void)snprintf(path, sizeof path, "%s/e/9/00000000000000000002.seg", p->dir);
    assert_true(sk_is_file(path));
    DONE(sk_file_write(path, zeros, sizeof zeros, 0600, &err));
    (void)snprintf(path, sizeof path, "%s/e/9/spare", p->dir);
    DONE(sk_file_write(path, zeros, sizeof zeros, 0600, &err));
    place_open(p);
    assert_false(sk_is_file(path));
    assert_true(disk_of(p->dir) <= SK_SPOOL_BLOCK + SK_SPOOL_QUEUE_COST);
    assert_true(state_of(p).bytes <= SK_SPOOL_BLOCK + SK_SPOOL_QUEUE_COST);
    put(p, "e", 9, "b");
    assert_string_equal(take_all(p, "e", true), "b ");
}

/* Expiry is bounded, and stops at what is not expired. */
static void test_expire(void **state)
{
    struct place *p = *state;
    struct sk_endpoint *e = NULL;
    struct sk_err err = SK_ERR_INIT;
    struct sk_spool_now now;
    struct sk_journal *j;

    clocks_set((struct test_clock){ .wall_ms = 1000000, .boot_ms = 500, .boot = 1 });
    for (int i = 0; i < 10; i++)
        put_ttl(p, "e", "x", i == 7 ? 1000 : 10);
    test_clock.boot_ms += 10;
    now = sk_spool_now(1);
    DONE(sk_endpoint_get(p->s, "e", false, &e, &err));
    struct sk_queue *q = atomic_load(&e->queues[0]);
    DONE(sk_queue_pin(q, &j, &err));
    assert_int_equal(sk_queue_expire(q, j, &now, 3), 3);
    assert_int_equal(sk_queue_mark(q), 4);
    assert_int_equal(sk_queue_expire(q, j, &now, 100), 4);
    assert_int_equal(sk_queue_mark(q), 8);
    assert_int_equal(sk_queue_expire(q, j, &now, 100), 0);
    test_clock.boot_ms += 1000;
    now = sk_spool_now(1);
    assert_int_equal(sk_queue_expire(q, j, &now, 100), 3);
    assert_true(sk_queue_is_empty(q));
    assert_int_equal(sk_queue_length(q), 0);
    sk_queue_unpin(q);
    sk_queue_kill(q, true);
    assert_int_equal(sk_queue_pin(q, &j, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    sk_queue_kill(q, false);
    sk_queue_close(q, false);
    assert_null(sk_queue_pin_open(q));
    sk_queue_close(q, false);
    sk_endpoint_unref(e);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, place_set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_idle),
        ROW(test_look),
        ROW(test_leftovers),
        ROW(test_expire),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
