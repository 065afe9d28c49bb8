/* test_passed.c - the mark and the bits beyond it, beside a plain array. */
#include "spool/spool_util.h"

#include "base/mix64.h"

#include <inttypes.h>
#include <string.h>

enum {
    MOST = 5000
};

static void compare(const struct sk_passed *p, const bool *has, uint64_t first, const char *what,
                    uint64_t seed)
{
    uint64_t mark = first, beyond = 0;

    while (mark < MOST && has[mark])
        mark++;
    for (uint64_t seq = 0; seq < MOST; seq++) {
        beyond += seq > mark && has[seq];
        if (sk_passed_has(p, seq) != has[seq])
            fail_msg("%s, seed %" PRIu64 ": number %" PRIu64, what, seed, seq);
    }
    if (p->mark != mark || p->beyond != beyond)
        fail_msg("%s, seed %" PRIu64 ": mark %" PRIu64 ", not %" PRIu64 ", %" PRIu64
                 " beyond, not %" PRIu64,
                 what, seed, p->mark, mark, p->beyond, beyond);
}

/* Windows of several widths, ranges in between. */
static void test_model(void **state)
{
    static bool has[MOST];

    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        SK_AUTO(sk_passed_done) struct sk_passed p;
        uint64_t first = 1 + sk_mix64(seed) % 200, width = seed % 2 ? 3000 : 1 + seed * 10;
        memset(has, 0, sizeof has);
        memset(has, 1, first);
        sk_passed_init(&p, first);
        for (uint64_t i = 0; p.mark + width + 100 < MOST && i < 6000; i++) {
            uint64_t r = sk_mix64(seed * 100000 + i), seq = p.mark + r / 64 % width;
            if (r % 64 == 0) {
                uint64_t until = seq + r / 4096 % 100, new = 0;
                for (uint64_t k = seq; k < until; k++) {
                    new += !has[k];
                    has[k] = true;
                }
                assert_int_equal(sk_passed_add_range(&p, seq, until), new);
            } else if (r % 64 == 1) {
                uint64_t until = p.mark + r / 4096 % 100, new = 0;
                for (uint64_t k = p.mark; k < until; k++) {
                    new += !has[k];
                    has[k] = true;
                }
                assert_int_equal(sk_passed_add_range(&p, 1, until), new);
            } else {
                assert_int_equal(sk_passed_add(&p, seq), !has[seq]);
                has[seq] = true;
            }
            if (i % 50 == 0)
                compare(&p, has, first, "model", seed);
        }
        compare(&p, has, first, "model", seed);
    }
}

/* In order it needs no memory; a jump over any number costs none either. */
static void test_cost(void **state)
{
    SK_AUTO(sk_passed_done) struct sk_passed p;

    (void)state;
    sk_passed_init(&p, 1);
    for (uint64_t seq = 1; seq < 100000; seq++)
        assert_true(sk_passed_add(&p, seq));
    assert_null(p.bits);
    assert_int_equal(sk_passed_add_range(&p, 100000, UINT64_MAX), UINT64_MAX - 100000);
    assert_int_equal(p.mark, UINT64_MAX);
    sk_passed_init(&p, 1);
    /* So far beyond that nobody notes it: it is sent again. */
    assert_false(sk_passed_add(&p, UINT64_MAX));
    assert_false(sk_passed_has(&p, UINT64_MAX));
    assert_int_equal(sk_passed_add_range(&p, 10, 5), 0);
    /* The bits of a window that moves on stay few. */
    for (uint64_t seq = 1; seq < 1000000; seq += 2) {
        assert_true(sk_passed_add(&p, seq + 1));
        assert_true(sk_passed_add(&p, seq));
    }
    assert_in_range(p.words, 1, 64);
}

static void test_no_memory(void **state)
{
    SK_AUTO(sk_passed_done) struct sk_passed p;
    int did_fail = 0;

    (void)state;
    sk_passed_init(&p, 1);
    sk_alloc_fail_at(1);
    assert_false(sk_passed_add(&p, 7));
    (void)sk_alloc_fail_end(&did_fail);
    assert_true(did_fail);
    assert_false(sk_passed_has(&p, 7));
    assert_true(sk_passed_add(&p, 7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
