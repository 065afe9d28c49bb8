/* test_memory.c - buffers that live together never overlap; units cover a tensor exactly. */
#include "nn/reference.h"

static uint64_t state_of_random = 3;

static unsigned random_below(unsigned n)
{
    state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state_of_random >> 33) % n;
}

static void plan_done(struct sk_nn_plan *p)
{
    free(p->buffers);
    free(p->memory);
}

static bool overlap(const struct sk_nn_buffer *a, const struct sk_nn_buffer *b)
{
    bool in_time = a->first <= b->last && b->first <= a->last;
    bool in_place = a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;

    return in_time && in_place;
}

static void test_no_overlap(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        SK_AUTO(plan_done) struct sk_nn_plan p = { 0 };
        struct sk_err err = SK_ERR_INIT;

        for (int i = 0; i < 100; i++) {
            int buffer;

            p.now = (int)random_below(60);
            buffer = sk_nn_buffer(&p, random_below(5) ? random_below(100000) : 0, &err);
            assert_int_equal(buffer, i);
            sk_nn_keep(&p, buffer,
                       random_below(10) ? p.now + (int)random_below(20) : SK_NN_FOREVER);
            sk_nn_keep(&p, buffer, p.now - 1); /* never shortens a life */
        }
        sk_nn_keep(&p, -1, 5);
        assert_int_equal(sk_nn_place_buffers(&p, &err), 0);
        for (size_t i = 0; i < p.buffer_count; i++) {
            assert_true(p.buffers[i].offset + p.buffers[i].bytes <= p.memory_bytes);
            assert_ptr_equal(sk_nn_at(&p, (int)i), p.memory + p.buffers[i].offset);
            for (size_t k = 0; k < i; k++)
                assert_false(overlap(&p.buffers[i], &p.buffers[k]));
        }
        assert_null(sk_nn_at(&p, -1));
    }
}

/* A chain in which only two neighbours live together needs two places. */
static void test_sharing(void **state)
{
    SK_AUTO(plan_done) struct sk_nn_plan p = { 0 };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    for (int i = 0; i < 20; i++) {
        p.now = i;
        sk_nn_keep(&p, sk_nn_buffer(&p, (4 << 20) - 1, &err), i + 1);
    }
    assert_int_equal(sk_nn_place_buffers(&p, &err), 0);
    assert_int_equal(p.memory_bytes, 8 << 20);
}

static void test_units(void **state)
{
    static const struct sk_nn_value values[] = {
        { .c = 3, .h = 5, .w = 7, .block = 16 },
        { .c = 64, .h = 112, .w = 112, .block = 16 },
        { .c = 24, .h = 200, .w = 30, .block = 8 },
        { .c = 100000, .h = 2, .w = 2, .block = 100000 },
        { .c = 5, .h = 1, .w = 1, .block = 5 },
    };
    struct sk_nn_plan p = { .batch = 3 };

    (void)state;
    for (size_t i = 0; i < COUNT(values); i++) {
        const struct sk_nn_value *v = &values[i];
        struct sk_nn_units u = sk_nn_units_of(&p, v);
        size_t next = 0;

        for (size_t k = 0; k < u.count; k++) {
            struct sk_nn_unit unit = sk_nn_unit(&u, v, k);

            assert_int_equal(unit.at, next);
            assert_true(unit.rows > 0);
            assert_int_equal(unit.channel, next / sk_nn_plane(v) % sk_nn_blocks(v) * v->block);
            next += unit.rows * v->block;
        }
        assert_int_equal(next, sk_nn_elements(&p, v));
    }
}

struct count {
    unsigned char times[1000];
};

static void mark(void *ctx, size_t begin, size_t end)
{
    struct count *c = ctx;

    for (size_t i = begin; i < end; i++)
        c->times[i]++;
}

static void test_parallel(void **state)
{
    static const size_t counts[] = { 0, 1, 2, 3, 7, 1000 };

    (void)state;
    for (unsigned threads = 1; threads <= 5; threads++) {
        for (size_t i = 0; i < COUNT(counts); i++) {
            struct sk_nn_plan p = { .threads = threads };
            struct count c = { { 0 } };

            sk_nn_parallel(&p, mark, &c, counts[i]);
            for (size_t k = 0; k < COUNT(c.times); k++)
                assert_int_equal(c.times[k], k < counts[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_overlap),
        cmocka_unit_test(test_sharing),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_parallel),
    };
    return cmocka_run_group_tests(tests, net_start, NULL);
}
