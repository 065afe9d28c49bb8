/* test_put.c - puts to one or more queues: all or none is told, the order of a key is kept. */
#include "spool/spool_util.h"

#include <inttypes.h>
#include <string.h>

enum {
    THREADS = 4,
    EACH = 3000
};

static void test_targets(void **state)
{
    struct place *p = *state;
    const struct sk_spool_target all[] = {
        { "$upstream", 9, 0 }, { "$upstream", 0, 0 }, { "b/in", 5, 0 }, { "c/in", 5, 0 }
    };

    assert_int_equal(put_to(p, all, COUNT(all), "k", "x"), SK_OK);
    assert_int_equal(put_to(p, all + 2, 1, "k", "y"), SK_OK);
    assert_string_equal(take_all(p, "$upstream", true), "x x ");
    assert_string_equal(take_all(p, "b/in", true), "x y ");
    assert_string_equal(take_all(p, "c/in", true), "x ");
}

static void test_refused(void **state)
{
    static char large[SK_JOURNAL_RECORD_MAX + 1], name[SK_SPOOL_ENDPOINT_MAX + 2];
    struct place *p = *state;
    const struct sk_spool_target good[SK_SPOOL_TARGETS_MAX + 1] = { { "a", 0, 0 } };

    const struct {
        struct sk_spool_target targets[2];
        size_t count;
        const char *key, *body;
        enum sk_code code;
    } rows[] = {
        { { { "a", 0, 0 } }, 0, "k", "x", SK_INVALID },
        { { { "a", SK_SPOOL_PRIORITIES, 0 } }, 1, "k", "x", SK_INVALID },
        { { { "", 0, 0 } }, 1, "k", "x", SK_INVALID },
        { { { name, 0, 0 } }, 1, "k", "x", SK_TOO_LARGE },
        { { { "a", 0, 0 } }, 1, "k", large, SK_TOO_LARGE },
        { { { "a", 0, 0 } }, 1, large, "x", SK_TOO_LARGE },
        { { { "a", 0, 0 }, { "", 0, 0 } }, 2, "k", "first of two", SK_INVALID },
    };

    memset(large, 'x', sizeof large - 1);
    memset(name, 'x', sizeof name - 1);
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum sk_code code = put_to(p, rows[i].targets, rows[i].count, rows[i].key, rows[i].body);
        if (code != rows[i].code)
            fail_msg("row %zu: %s", i, sk_code_name(code));
    }
    assert_int_equal(put_to(p, good, COUNT(good), "k", "x"), SK_INVALID);
    /* As a whole: what the first of two has may be delivered. */
    put(p, "a", 0, "y");
    assert_string_equal(take_all(p, "a", true), "first of two y ");
    large[SK_JOURNAL_RECORD_MAX - SK_SPOOL_HEAD - 1 - 7] = 0; /* key and bag */
    assert_int_equal(put_to(p, good, 1, "k", large), SK_OK);
}

/* One of two queues has no room: it is told once, as a failure; what the other one has is
 * delivered, and again when the putter comes again. */
static void test_half(void **state)
{
    struct place *p = *state;
    const struct sk_spool_target both[] = { { "a", 9, 0 }, { "b", 9, 0 } };
    static char body[1001];

    p->opts.max_bytes = 4 * SK_SPOOL_SEGMENT_LEAST;
    place_reopen(p);
    memset(body, 'x', sizeof body - 1);
    assert_int_equal(put_to(p, both, 2, "k", "1"), SK_OK);
    while (put_large(p, "b", 9, 1000) == SK_OK)
        continue;
    uint64_t refused = state_of(p).refused;
    assert_int_equal(put_to(p, both, 2, "k", body), SK_FULL);
    assert_int_equal(state_of(p).refused, refused + 1);
    assert_int_equal(sk_spool_length(p->s, "a", 9), 2);
    (void)take_all(p, "b", true);
    assert_int_equal(put_to(p, both, 2, "k", body), SK_OK);
    assert_int_equal(sk_spool_length(p->s, "a", 9), 3);
    assert_int_equal(sk_spool_length(p->s, "b", 9), 1);
    assert_false(state_of(p).is_failing);
}

/* ---- many putters ---- */

static atomic_uint told, failures;

static void tell(void *ctx, const struct sk_err *failed)
{
    (void)ctx;
    (void)atomic_fetch_add(&told, 1);
    if (failed)
        (void)atomic_fetch_add(&failures, 1);
}

struct putter {
    pthread_t thread;
    struct place *p;
    unsigned number;
};

static void *put_many(void *arg)
{
    struct putter *w = arg;
    struct sk_err err = SK_ERR_INIT;

    for (unsigned i = 0; i < EACH; i++) {
        char key[16], body[16];
        const struct sk_spool_target to[] = { { "$upstream", 9, 0 }, { "b", i % 3, 0 } };
        (void)snprintf(key, sizeof key, "%u", w->number);
        (void)snprintf(body, sizeof body, "%u", i);
        struct sk_spool_message m = { .key = sk_view_of(key),
                                      .body = sk_view_of(body),
                                      .done = tell };
        while (sk_spool_put(w->p->s, &m, to, 1 + i % 2, &err) < 0) {
            if (err.code != SK_BUSY)
                abort();
            (void)usleep(200);
        }
    }
    return NULL;
}

static void test_order(void **state)
{
    struct place *p = *state;
    static struct putter putters[THREADS];
    SK_OWN(sk_spool_reader_free) struct sk_spool_reader *r = NULL;
    struct sk_spool_item item;
    struct sk_err err = SK_ERR_INIT;
    unsigned next[THREADS] = { 0 }, count = 0;

    DONE(sk_spool_reader(p->s, "$upstream", &r, &err));
    for (unsigned i = 0; i < THREADS; i++) {
        putters[i] = (struct putter){ .p = p, .number = i };
        DONE(sk_thread_start(&putters[i].thread, "putter", put_many, &putters[i], &err));
    }
    /* While they put, with a timer beside it. */
    while (count < THREADS * EACH) {
        int rc = sk_spool_next(r, 1, &item, &err);
        assert_true(rc >= 0);
        if (rc == 0) {
            sk_spool_tick(p->s, 1);
            (void)usleep(100);
            continue;
        }
        unsigned key = (unsigned)(item.key.ptr[0] - '0');
        char body[16];
        (void)snprintf(body, sizeof body, "%u", next[key]++);
        if (!sk_view_eq(item.body, body))
            fail_msg("key %u: %.*s, not %s", key, (int)item.body.len, item.body.ptr, body);
        sk_spool_delivered(r, item.priority, item.seq);
        count++;
    }
    for (unsigned i = 0; i < THREADS; i++)
        (void)pthread_join(putters[i].thread, NULL);
    sk_spool_reader_free(SK_TAKE(r));
    place_close(p); /* tells all */
    assert_int_equal(atomic_load(&told), THREADS * EACH);
    assert_int_equal(atomic_load(&failures), 0);
    place_open(p);
    assert_int_equal(sk_spool_length(p->s, "$upstream", 9), 0);
    assert_int_equal(sk_spool_length(p->s, "b", 0) + sk_spool_length(p->s, "b", 1) +
                         sk_spool_length(p->s, "b", 2),
                     THREADS * EACH / 2);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, place_set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_targets),
        ROW(test_refused),
        ROW(test_half),
        ROW(test_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
