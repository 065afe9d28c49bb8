/* test_loader.c - batches: their order and contents whatever the threads do, starts anywhere,
 * parts of several processes, and ends of all kinds. */
#include "dataset_test.h"

#include "harness/alloc_fail.h"

#include <time.h>

enum {
    SIDE = 8,
    PLANE = SIDE * SIDE * 3,
    EACH = 11,
    ALL = 2 * EACH
};

/* A folder of pictures, opened. */
struct set {
    struct sk_dataset *d;
    struct sk_source *s;
    struct sk_indices all;
};

static void set_open(struct set *t, const char *root, uint64_t cache_bytes)
{
    struct sk_err err = SK_ERR_INIT;

    t->d = open_dataset(root);
    t->s = open_source(t->d, cache_bytes);
    assert_int_equal(sk_dataset_all(t->d, &t->all, &err), 0);
}

static void set_close(struct set *t)
{
    sk_indices_done(&t->all);
    sk_source_free(t->s);
    sk_dataset_free(t->d);
}

static struct sk_loader *make(struct set *t, const struct sk_loader_options *o)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_loader *l = NULL;

    if (sk_loader_new(t->s, &t->all, o, &l, &err) < 0)
        fail_msg("%s", err.text);
    return l;
}

static void start(struct sk_loader *l, uint64_t epoch, size_t first)
{
    struct sk_err err = SK_ERR_INIT;

    if (sk_loader_start(l, epoch, first, &err) < 0)
        fail_msg("%s", err.text);
}

static struct sk_batch next(struct sk_loader *l)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_batch b;

    if (sk_loader_next(l, &b, &err) < 0)
        fail_msg("%s", err.text);
    return b;
}

/* What an epoch gives, from one batch on. */
struct epoch {
    uint32_t indices[ALL], labels[ALL];
    float pictures[ALL * PLANE];
    unsigned count, batches;
};

static void collect(struct sk_loader *l, uint64_t epoch, size_t first, struct epoch *out)
{
    memset(out, 0, sizeof *out);
    start(l, epoch, first);
    for (struct sk_batch b = next(l); b.total > 0; b = next(l)) {
        memcpy(out->indices + out->count, b.indices, b.count * sizeof *b.indices);
        memcpy(out->labels + out->count, b.labels, b.count * sizeof *b.labels);
        memcpy(out->pictures + (size_t)out->count * PLANE, b.pictures,
               (size_t)b.count * PLANE * sizeof *b.pictures);
        out->count += b.count;
        out->batches++;
        assert_int_equal(b.last, first + out->batches == sk_loader_batches(l));
    }
}

static void test_plain(void **state)
{
    static struct epoch e;
    struct set t = { 0 };
    const struct sk_loader_options o = { .batch = 4, .threads = 2 };

    put_pictures(*state, EACH);
    set_open(&t, *state, 0);
    SK_OWN(sk_loader_free) struct sk_loader *l = make(&t, &o);
    assert_int_equal(sk_loader_batches(l), 6);
    collect(l, 0, 0, &e);
    assert_int_equal(e.count, ALL);
    assert_int_equal(e.batches, 6);
    for (uint32_t i = 0; i < ALL; i++) {
        SK_AUTO(sk_image_done) struct sk_image img = { 0 };
        struct sk_err err = SK_ERR_INIT;
        float want[PLANE];
        assert_int_equal(e.indices[i], i);
        assert_int_equal(e.labels[i], i >= EACH);
        assert_int_equal(sk_source_pixels(t.s, i, &img, &err), 0);
        sk_image_lut_chw(&img, (const float(*)[256])t.s->table, want);
        assert_memory_equal(e.pictures + (size_t)i * PLANE, want, sizeof want);
    }
    assert_int_equal(next(l).total, 0); /* and remains at the end */
    sk_loader_free(SK_TAKE(l));
    set_close(&t);
}

/* Threads, cache and readiness change nothing; seed and epoch do. */
static void test_same(void **state)
{
    static const struct {
        unsigned threads, ahead, cached;
    } rows[] = { { 1, 1, 0 }, { 3, 1, 5 }, { 2, 8, ALL }, { 8, 2, ALL } };
    static struct epoch want[3], got;

    put_pictures(*state, EACH);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct set t = { 0 };
        const struct sk_loader_options o = { .batch = 5,
                                             .shuffle = true,
                                             .seed = 7,
                                             .augment = 31,
                                             .threads = rows[i].threads,
                                             .ahead = rows[i].ahead };
        set_open(&t, *state, (uint64_t)rows[i].cached * PLANE);
        SK_OWN(sk_loader_free) struct sk_loader *l = make(&t, &o);
        for (unsigned e = 0; e < 3; e++) {
            collect(l, e, 0, i == 0 ? &want[e] : &got);
            if (i > 0 && memcmp(&want[e], &got, sizeof got) != 0)
                fail_msg("row %zu, epoch %u differs", i, e);
        }
        sk_loader_free(SK_TAKE(l));
        set_close(&t);
    }
    for (unsigned e = 0; e < 3; e++) { /* an epoch has each sample once, in an order of its own */
        bool seen[ALL] = { false };
        for (unsigned i = 0; i < ALL; i++) {
            assert_false(seen[want[e].indices[i]]);
            seen[want[e].indices[i]] = true;
        }
        assert_memory_not_equal(want[e].indices, want[(e + 1) % 3].indices, sizeof want[e].indices);
    }
}

/* A start at any batch gives what an uninterrupted epoch gives from there. */
static void test_resume(void **state)
{
    static struct epoch whole, part;
    struct set t = { 0 };
    const struct sk_loader_options o = {
        .batch = 4, .shuffle = true, .seed = 1, .augment = SK_AUG_FLIP, .threads = 2
    };

    put_pictures(*state, EACH);
    set_open(&t, *state, UINT64_MAX);
    SK_OWN(sk_loader_free) struct sk_loader *l = make(&t, &o);
    collect(l, 5, 0, &whole);
    for (size_t first = 0; first <= 6; first++) {
        const unsigned skipped = first * 4 < ALL ? (unsigned)first * 4 : ALL;
        collect(l, 5, first, &part);
        assert_int_equal(part.count, ALL - skipped);
        assert_memory_equal(part.indices, whole.indices + skipped,
                            part.count * sizeof *part.indices);
        assert_memory_equal(part.pictures, whole.pictures + (size_t)skipped * PLANE,
                            (size_t)part.count * PLANE * sizeof *part.pictures);
    }
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_loader_start(l, 5, 7, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    sk_loader_free(SK_TAKE(l));
    set_close(&t);
}

/* Started in the middle of anything, over and over. */
static void test_restarts(void **state)
{
    static struct epoch want, got;
    struct set t = { 0 };
    const struct sk_loader_options o = { .batch = 3, .shuffle = true, .threads = 3, .ahead = 2 };

    put_pictures(*state, EACH);
    set_open(&t, *state, 4 * PLANE);
    SK_OWN(sk_loader_free) struct sk_loader *l = make(&t, &o);
    collect(l, 1, 0, &want);
    for (unsigned i = 0; i < 40; i++) {
        start(l, i % 3, i % 8);
        for (unsigned k = 0; k < i % 4; k++)
            (void)next(l);
    }
    collect(l, 1, 0, &got);
    assert_memory_equal(&got, &want, sizeof got);
    sk_loader_free(SK_TAKE(l));
    set_close(&t);
}

/* The parts of several processes, put together, are the batches of one. */
static void test_ranks(void **state)
{
    static const struct {
        unsigned batch, ranks;
    } rows[] = { { 4, 2 }, { 5, 2 }, { 7, 3 }, { 2, 3 }, { 100, 4 } };

    put_pictures(*state, EACH);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct set t = { 0 };
        struct sk_loader_options o = { .batch = rows[i].batch, .shuffle = true, .threads = 1 };
        struct sk_loader *parts[4];
        set_open(&t, *state, UINT64_MAX);
        SK_OWN(sk_loader_free) struct sk_loader *whole = make(&t, &o);
        o.ranks = rows[i].ranks;
        for (o.rank = 0; o.rank < o.ranks; o.rank++) {
            parts[o.rank] = make(&t, &o);
            start(parts[o.rank], 2, 0);
        }
        start(whole, 2, 0);
        for (struct sk_batch b = next(whole);; b = next(whole)) {
            unsigned at = 0;
            for (unsigned rank = 0; rank < o.ranks; rank++) {
                const struct sk_batch p = next(parts[rank]);
                assert_int_equal(p.total, b.total);
                assert_int_equal(p.last, b.last);
                assert_true(at + p.count <= b.count);
                if (p.count > 0) {
                    assert_memory_equal(p.indices, b.indices + at, p.count * sizeof *p.indices);
                    assert_memory_equal(p.pictures, b.pictures + (size_t)at * PLANE,
                                        (size_t)p.count * PLANE * sizeof *p.pictures);
                }
                at += p.count;
            }
            assert_int_equal(at, b.count);
            if (b.total == 0)
                break;
        }
        for (unsigned rank = 0; rank < o.ranks; rank++)
            sk_loader_free(parts[rank]);
        sk_loader_free(SK_TAKE(whole));
        set_close(&t);
    }
}

/* While the caller holds the last batch of an epoch, the next one is made; but not behind the last
 * epoch that there is. Files that vanish in the meantime show which were read before. */
static void test_ahead(void **state)
{
    for (uint64_t epochs = 1; epochs <= 2; epochs++) {
        struct set t = { 0 };
        const struct sk_loader_options o = {
            .batch = ALL, .threads = 2, .ahead = 1, .epochs = epochs
        };
        struct sk_err err = SK_ERR_INIT;
        struct sk_batch b;
        put_pictures(*state, EACH);
        set_open(&t, *state, 0);
        SK_OWN(sk_loader_free) struct sk_loader *l = make(&t, &o);
        start(l, 0, 0);
        assert_int_equal(next(l).count, ALL);
        const struct timespec pause = { 0, 300000000 };
        (void)nanosleep(&pause, NULL);
        for (uint32_t i = 0; i < ALL; i++)
            assert_int_equal(unlink(t.d->samples[i].path), 0);
        assert_int_equal(next(l).total, 0);
        start(l, 1, 0);
        const int rc = sk_loader_next(l, &b, &err);
        if (rc != (epochs == 1 ? -1 : 0)) /* 1: read too late, 2: read in time */
            fail_msg("%u epochs: %s", (unsigned)epochs, rc < 0 ? err.text : "read in vain");
        sk_loader_free(SK_TAKE(l));
        set_close(&t);
    }
}

/* A broken picture fails its batch, always the same one with the same words; a start elsewhere
 * goes on. */
static void test_broken(void **state)
{
    struct set t = { 0 };
    const struct sk_loader_options o = { .batch = 4, .threads = 3 };

    put_pictures(*state, EACH);
    set_open(&t, *state, 0);
    put_text(*state, "a/005.png", "changed");
    assert_int_equal(unlink(in(*state, "a/006.png")), 0);
    SK_OWN(sk_loader_free) struct sk_loader *l = make(&t, &o);
    for (int round = 0; round < 20; round++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_batch b;
        start(l, (uint64_t)round, 0);
        assert_int_equal(next(l).count, 4);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(sk_loader_next(l, &b, &err), -1);
            assert_int_equal(err.code, SK_CORRUPT);
            assert_non_null(strstr(err.text, "a/005.png: has changed since it was checked"));
        }
        start(l, (uint64_t)round, 2);
        assert_int_equal(next(l).indices[0], 8);
    }
    sk_loader_free(SK_TAKE(l));
    set_close(&t);
}

/* What the pass found broken is not read again. */
static void test_known_bad(void **state)
{
    struct set t = { 0 };
    const struct sk_loader_options o = { .batch = 4, .threads = 2 };
    struct sk_err err = SK_ERR_INIT;
    struct sk_batch b;

    put_pictures(*state, EACH);
    put_text(*state, "a/000.png", "broken");
    set_open(&t, *state, UINT64_MAX);
    SK_OWN(sk_loader_free) struct sk_loader *l = make(&t, &o);
    start(l, 0, 0);
    assert_int_equal(sk_loader_next(l, &b, &err), -1);
    assert_int_equal(err.code, SK_CORRUPT);
    assert_non_null(strstr(err.text, "a/000.png: "));
    sk_loader_free(SK_TAKE(l));
    set_close(&t);
}

/* Freed at any time: before the first start, in an epoch, behind it. */
static void test_freed(void **state)
{
    struct set t = { 0 };
    const struct sk_loader_options o = { .batch = 3, .shuffle = true, .threads = 3, .ahead = 4 };

    put_pictures(*state, EACH);
    set_open(&t, *state, 0);
    for (unsigned i = 0; i < 30; i++) {
        SK_OWN(sk_loader_free) struct sk_loader *l = make(&t, &o);
        if (i > 0)
            start(l, i, 0);
        for (unsigned k = 1; k < i % 10; k++)
            (void)next(l);
    }
    set_close(&t);
}

static void test_not_started(void **state)
{
    struct set t = { 0 };
    const struct sk_loader_options o = { .batch = 3, .threads = 1 };
    struct sk_err err = SK_ERR_INIT;
    struct sk_batch b;

    put_pictures(*state, 1);
    set_open(&t, *state, 0);
    SK_OWN(sk_loader_free) struct sk_loader *l = make(&t, &o);
    assert_int_equal(sk_loader_next(l, &b, &err), -1);
    assert_int_equal(err.code, SK_BUG);
    sk_loader_free(SK_TAKE(l));
    set_close(&t);
}

static void test_refused(void **state)
{
    uint32_t beyond = 2;
    const struct sk_indices none = { 0 }, wrong = { &beyond, 1 };
    struct set t = { 0 };

    put_pictures(*state, 1);
    set_open(&t, *state, 0);

    const struct {
        const char *name;
        const struct sk_indices *which;
        struct sk_loader_options o;
        const char *text;
    } rows[] = {
        { "batch", &t.all, { .batch = 0 }, "batch of 0" },
        { "empty", &none, { .batch = 1 }, "no pictures" },
        { "beyond", &wrong, { .batch = 1 }, "no sample 2" },
        { "rank", &t.all, { .batch = 1, .rank = 2, .ranks = 2 }, "no rank 2 of 2" },
        { "one", &t.all, { .batch = 1, .rank = 1 }, "no rank 1" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_loader *l = NULL;
        struct sk_err err = SK_ERR_INIT;
        if (sk_loader_new(t.s, rows[i].which, &rows[i].o, &l, &err) != -1 ||
            err.code != SK_INVALID || !strstr(err.text, rows[i].text))
            fail_msg("%s: %s", rows[i].name, err.text);
    }
    set_close(&t);
}

/* A box of zeros and nothing else changes. */
static void test_erase(void **state)
{
    static struct epoch plain, erased;
    struct set t = { 0 };
    struct sk_loader_options o = { .batch = 8, .threads = 2 };
    unsigned boxes = 0;

    put_pictures(*state, EACH);
    set_open(&t, *state, UINT64_MAX);
    SK_OWN(sk_loader_free) struct sk_loader *l = make(&t, &o);
    o.augment = SK_AUG_ERASE;
    SK_OWN(sk_loader_free) struct sk_loader *with = make(&t, &o);
    collect(l, 0, 0, &plain);
    for (uint64_t e = 0; e < 8; e++) {
        collect(with, e, 0, &erased);
        for (uint32_t i = 0; i < ALL; i++) {
            const float *a = plain.pictures + (size_t)i * PLANE,
                        *b = erased.pictures + (size_t)i * PLANE;
            struct sk_rng r = sk_rng_of(0, SK_RNG_ERASE, e, i);
            const struct sk_box box = sk_augment_erase_box(&r, SIDE, SIDE);
            boxes += box.w > 0;
            for (unsigned k = 0; k < PLANE; k++) {
                const unsigned x = k % SIDE, y = k / SIDE % SIDE;
                const bool is_in = x >= box.x && x < box.x + box.w && y >= box.y &&
                                   y < box.y + box.h;
                assert_true(b[k] == (is_in ? 0.0f : a[k]));
            }
        }
    }
    assert_in_range(boxes, 20, 70); /* of 176, p 0.25 */
    sk_loader_free(SK_TAKE(with));
    sk_loader_free(SK_TAKE(l));
    set_close(&t);
}

static int use(void *ctx, struct sk_err *err)
{
    struct set *t = ctx;
    const struct sk_loader_options o = { .batch = 3, .threads = 2 };
    SK_OWN(sk_loader_free) struct sk_loader *l = NULL;

    return sk_loader_new(t->s, &t->all, &o, &l, err);
}

static void test_memory(void **state)
{
    struct set t = { 0 };

    put_pictures(*state, 3);
    set_open(&t, *state, 0);
    (void)sk_alloc_sweep("new", use, &t, 0);
    set_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_plain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_resume, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_restarts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ranks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ahead, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_broken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_known_bad, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_freed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_started, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_erase, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
