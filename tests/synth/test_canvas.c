/* test_canvas.c - distances to lines, patches at the edge, memory. */
#include "synth_util.h"

#include "harness/alloc_fail.h"

#include <math.h>

/* A line from (64, 128) to (192, 128) of half width 4 that narrows to 2. */
static void test_line(void **state)
{
    static const struct {
        uint32_t x, y; /* pixels of 1 unit: the middle is half a unit further */
        float share;   /* FLT_MAX: out of reach */
    } rows[] = {
        { 64, 128, 0.5f / 3.992f },  { 64, 131, 3.5f / 3.992f }, { 191, 131, 3.5f / 2.008f },
        { 127, 124, 3.5f / 3.008f }, { 127, 10, FLT_MAX },       { 250, 128, FLT_MAX },
        { 60, 128, 3.536f / 4.0f },
    };
    SK_AUTO(sk_canvas_done) struct sk_canvas c = { 0 };
    struct sk_point a = { 64.0f, 128.0f }, b = { 192.0f, 128.0f };

    (void)state;
    canvas_of(&c, 256);
    sk_canvas_clear_lines(&c);
    sk_canvas_line(&c, a, b, 4.0f, 2.0f, 12.0f);
    for (size_t i = 0; i < COUNT(rows); i++) {
        float share = c.distance[rows[i].y * 256 + rows[i].x];
        if (rows[i].share < FLT_MAX ? fabsf(share - rows[i].share) > 0.01f : share < FLT_MAX)
            fail_msg("row %zu: %g instead of %g", i, (double)share, (double)rows[i].share);
    }
    /* The nearer line counts, in either order. */
    sk_canvas_line(&c, (struct sk_point){ 0.0f, 140.0f }, (struct sk_point){ 256.0f, 140.0f }, 1.0f,
                   1.0f, 20.0f);
    assert_true(fabsf(c.distance[128 * 256 + 64] - 0.5f / 3.992f) < 0.01f);
    assert_true(fabsf(c.distance[139 * 256 + 64] - 0.5f) < 0.01f);
}

static void test_patch(void **state)
{
    static const struct {
        struct sk_point a, b;
        float reach;
        struct sk_patch expected;
    } rows[] = {
        { { 10, 20 }, { 30, 5 }, 2, { 8, 33, 3, 23 } },
        { { -50, -50 }, { -40, -40 }, 5, { 0, 0, 0, 0 } },
        { { -5, 300 }, { 300, 250 }, 1, { 0, 256, 249, 256 } },
        { { 400, 400 }, { 500, 500 }, 10, { 256, 256, 256, 256 } },
    };
    SK_AUTO(sk_canvas_done) struct sk_canvas c = { 0 };

    (void)state;
    canvas_of(&c, 256);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_patch p = sk_canvas_patch(&c, rows[i].a, rows[i].b, rows[i].reach);
        if (memcmp(&p, &rows[i].expected, sizeof p) != 0)
            fail_msg("row %zu: %u..%u %u..%u", i, p.x0, p.x1, p.y0, p.y1);
    }
}

static void test_turn(void **state)
{
    struct sk_point q = sk_turn(sk_axes(0.25f), (struct sk_point){ 3.0f, 4.0f });

    (void)state;
    assert_true(fabsf(q.x - 4.0f) < 0.01f && fabsf(q.y + 3.0f) < 0.01f);
}

static int init(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_canvas_done) struct sk_canvas c = { 0 };
    (void)ctx;
    return sk_canvas_init(&c, 32, err);
}

static void test_memory(void **state)
{
    (void)state;
    assert_int_equal(sk_alloc_sweep("canvas", init, NULL, 0), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_line), cmocka_unit_test(test_patch),
                                        cmocka_unit_test(test_turn),
                                        cmocka_unit_test(test_memory) };
    return cmocka_run_group_tests_name("canvas", tests, NULL, NULL);
}
