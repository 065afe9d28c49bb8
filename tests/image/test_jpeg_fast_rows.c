/*
 * test_jpeg_fast_rows.c - from blocks to rows: their order, the edges, memory that is kept.
 */
#include "harness/alloc_fail.h"
#include "jpeg_util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct sk_jf_head head_of(uint32_t width, uint32_t height, unsigned components, unsigned h,
                                 unsigned v)
{
    struct sk_jf_head head = {
        .width = width, .height = height, .components = components, .h = h, .v = v
    };
    memset(head.quant[0], 8, SK_JF_BLOCK);
    return head;
}

/* Pushes a picture whose luma is 8 * (MCU row + 1) + 128 everywhere and whose chroma is flat. */
static void push_all(struct sk_jf_rows *r, const struct sk_jf_head *head, struct collect *c)
{
    static struct sk_jf_block blocks[SK_JF_SPAN_BLOCKS];
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(c->base.begin(&c->base, head->width, head->height, &err), 0);
    assert_int_equal(sk_jf_rows_start(r, head, &sk_jf_kernels_c, &err), 0);
    for (uint32_t y = 0; y < r->mcus_y; y++) {
        for (uint32_t x = 0; x < r->mcus_x; x += SK_JF_SPAN_MCUS) {
            unsigned mcus = sk_jf_span_mcus(r->mcus_x, x), n = 0;
            for (unsigned m = 0; m < mcus; m++) {
                for (unsigned i = 0; i < r->units; i++, n++) {
                    memset(&blocks[n], 0, sizeof blocks[n]);
                    unsigned luma = head->h * head->v;
                    blocks[n].component = (uint8_t)(i < luma ? 0 : i - luma + 1);
                    blocks[n].coef[0] = x + m == 0 && i == 0 ? 8 : 0; /* a difference: 8 * 8 / 8
                                                                         brighter */
                }
            }
            assert_true(sk_jf_rows_put(r, x, mcus, blocks));
        }
        assert_int_equal(sk_jf_rows_push(r, y, &c->base, &err), 0);
    }
}

static void order_and_edges(void **unused)
{
    (void)unused;

    static const struct {
        uint32_t width, height;
        unsigned components, h, v;
    } rows[] = {
        { 1, 1, 1, 1, 1 },    { 100, 33, 1, 1, 1 }, { 17, 40, 3, 1, 1 }, { 33, 16, 3, 2, 1 },
        { 5, 1, 3, 2, 2 },    { 16, 16, 3, 2, 2 },  { 31, 17, 3, 2, 2 }, { 300, 47, 3, 2, 2 },
        { 129, 64, 3, 2, 2 }, { 6, 49, 3, 2, 2 },
    };
    static struct sk_jf_rows r; /* memory serves all of them in turn */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_jf_head head = head_of(rows[i].width, rows[i].height, rows[i].components,
                                         rows[i].h, rows[i].v);
        struct collect c = collect_init(JPEG_PIXELS_MAX);
        push_all(&r, &head, &c);
        if (c.out_of_order || c.next_row != head.height)
            fail_msg("%ux%u: %u rows, in order: %d", head.width, head.height, c.next_row,
                     !c.out_of_order);
        for (uint32_t y = 0; y < head.height; y++)
            for (uint32_t x = 0; x < head.width * 3; x++)
                assert_int_equal(c.rgb[(size_t)y * head.width * 3 + x],
                                 128 + 8 * (y / (8 * head.v) + 1));
        free(c.rgb);
    }
    sk_jf_rows_done(&r);
    sk_jf_rows_done(&r);
}

static void wild_dc(void **unused)
{
    (void)unused;
    static struct sk_jf_block blocks[SK_JF_SPAN_BLOCKS];
    static struct sk_jf_rows r;
    struct sk_err err = SK_ERR_INIT;
    struct sk_jf_head head = head_of(64, 8, 1, 1, 1);
    for (int i = 0; i < 8; i++)
        blocks[i].coef[0] = 2047;
    assert_int_equal(sk_jf_rows_start(&r, &head, &sk_jf_kernels_c, &err), 0);
    assert_true(sk_jf_rows_put(&r, 0, 8, blocks));
    for (int i = 0; i < 8; i++)
        blocks[i].coef[0] = 2047;
    blocks[3].restarts = true; /* DC starts anew */
    assert_true(sk_jf_rows_put(&r, 0, 8, blocks));
    for (int i = 0; i < 8; i++)
        blocks[i].coef[0] = i == 7 ? 32767 : 0;
    blocks[3].restarts = false;
    assert_false(sk_jf_rows_put(&r, 0, 8, blocks));
    sk_jf_rows_done(&r);
}

static int start_once(void *ctx, struct sk_err *err)
{
    (void)ctx;
    struct sk_jf_rows r = { 0 };
    struct sk_jf_head head = head_of(65500, 65500, 3, 2, 2);
    int rc = sk_jf_rows_start(&r, &head, &sk_jf_kernels_c, err);
    sk_jf_rows_done(&r);
    return rc;
}

static void without_memory(void **unused)
{
    (void)unused;
    assert_int_equal(sk_alloc_sweep("rows", start_once, NULL, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(order_and_edges),
                                        cmocka_unit_test(wild_dc),
                                        cmocka_unit_test(without_memory) };
    return cmocka_run_group_tests_name("image/jpeg_fast_rows", tests, NULL, NULL);
}
