/*
 * test_jpeg_fast_scan.c - coefficients out of a scan: those that libjpeg reads, from each kernel.
 */
#include "jpeg_util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum {
    SEED = 5
};

/* The DC and AC values of component `c`, one block after another, as libjpeg has them. */
struct expected {
    const struct jpeg *jpeg;
    struct jpeg_decompress_struct d;
    struct ref_error e;
    jvirt_barray_ptr *arrays;
};

static void expected_init(struct expected *x, const struct jpeg *j)
{
    memset(x, 0, sizeof *x);
    x->d.err = ref_error_init(&x->e);
    if (setjmp(x->e.jump))
        fail_msg("libjpeg refuses its own work");
    jpeg_create_decompress(&x->d);
    jpeg_mem_src(&x->d, j->bytes, j->len);
    (void)jpeg_read_header(&x->d, TRUE);
    x->arrays = jpeg_read_coefficients(&x->d);
}

static void check_block(struct expected *x, const struct sk_jf_block *b, unsigned block_x,
                        unsigned block_y, int dc)
{
    const jpeg_component_info *info = &x->d.comp_info[b->component];
    unsigned extent = 0;
    if (block_x >= info->width_in_blocks || block_y >= info->height_in_blocks)
        return; /* fills up the MCU */
    JBLOCKARRAY row = x->d.mem->access_virt_barray((j_common_ptr)&x->d, x->arrays[b->component],
                                                   block_y, 1, FALSE);
    const JCOEF *want = row[0][block_x];
    assert_int_equal(dc, want[0]);
    for (unsigned i = 1; i < 64; i++) {
        assert_int_equal(b->coef[i], want[i]);
        extent |= want[i] ? i : 0;
    }
    assert_int_equal(b->extent & 63, extent);
}

static void check_span(struct expected *x, const struct sk_jf_scan *s, const struct sk_jf_block *b,
                       unsigned mcus, unsigned mcu_x, unsigned mcu_y, int dc[3])
{
    for (unsigned m = 0; m < mcus; m++) {
        if (b->restarts)
            memset(dc, 0, 3 * sizeof *dc);
        unsigned n[3] = { 0 };
        for (unsigned i = 0; i < s->units; i++, b++) {
            const jpeg_component_info *info = &x->d.comp_info[b->component];
            unsigned h = s->units == 1 ? 1 : (unsigned)info->h_samp_factor;
            unsigned v = s->units == 1 ? 1 : (unsigned)info->v_samp_factor, k = n[b->component]++;
            dc[b->component] += b->coef[0];
            check_block(x, b, (mcu_x + m) * h + k % h, mcu_y * v + k / h, dc[b->component]);
        }
    }
}

static void check_scan(const struct ref_encode *o, enum jpeg_kind kind,
                       const struct sk_jf_kernels *kernels)
{
    static struct sk_jf_head head;
    static struct sk_jf_scan scan;
    static struct sk_jf_block blocks[SK_JF_SPAN_BLOCKS];
    static struct expected x;
    uint32_t state = SEED;
    int dc[3] = { 0 };
    struct jpeg j = jpeg_make(o, kind, &state);
    expected_init(&x, &j);
    assert_true(sk_jf_head_read(j.bytes, j.len, &head));
    assert_true(sk_jf_scan_start(&scan, &head, j.bytes, j.len));
    sk_jf_scan_prepare(&scan, &head, blocks, SK_JF_SPAN_MCUS);
    unsigned mcus_x = (o->width + 8 * head.h - 1) / (8 * head.h),
             mcus_y = (o->height + 8 * head.v - 1) / (8 * head.v);
    for (unsigned my = 0; my < mcus_y; my++) {
        for (unsigned mx = 0; mx < mcus_x; mx += SK_JF_SPAN_MCUS) {
            unsigned mcus = sk_jf_span_mcus(mcus_x, mx);
            assert_true(sk_jf_scan_span(&scan, kernels, mcus, blocks));
            check_span(&x, &scan, blocks, mcus, mx, my, dc);
        }
    }
    assert_true(sk_jf_scan_end(&scan));
    jpeg_destroy_decompress(&x.d);
    free(j.bytes);
}

static void coefficients(void **unused)
{
    (void)unused;
    static const struct ref_encode rows[] = {
        { 150, 70, 3, 2, 2, 75, false, false, 0, 0 }, { 150, 70, 3, 2, 2, 100, true, false, 0, 0 },
        { 200, 40, 3, 2, 1, 50, true, false, 3, 0 },  { 99, 41, 3, 1, 1, 90, false, false, 1, 0 },
        { 300, 50, 1, 1, 1, 95, true, false, 7, 0 },  { 300, 50, 1, 2, 2, 10, true, false, 0, 0 },
    };
    const struct sk_jf_kernels *kernels[3];
    size_t count = jpeg_kernels(kernels);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int kind = 0; kind < JPEG_KINDS; kind++)
            for (size_t k = 0; k < count; k++)
                check_scan(&rows[i], (enum jpeg_kind)kind, kernels[k]);
}

/* A restart marker at the wrong place, of the wrong number, or none. */
static void wrong_restarts(void **unused)
{
    (void)unused;
    struct ref_encode o = { 64, 64, 1, 1, 1, 60, false, false, 8, 0 };
    uint32_t state = SEED;
    struct jpeg j = jpeg_make(&o, JPEG_CURVES, &state);
    struct sk_jpeg_fast *f = sk_jpeg_fast_new();
    size_t found = 0;
    assert_non_null(f);
    for (size_t at = 2; at + 1 < j.len; at++) {
        if (j.bytes[at] != 0xFF || j.bytes[at + 1] < 0xD0 || j.bytes[at + 1] > 0xD7)
            continue;
        static const uint8_t others[] = { 0xD0, 0xD3, 0xD9, 0x00, 0xFF, 0xC4 };
        uint8_t kept = j.bytes[at + 1];
        found++;
        for (size_t i = 0; i < sizeof others; i++) {
            enum sk_fast result;
            j.bytes[at + 1] = others[i];
            assert_null(jpeg_disagree(f, j.bytes, j.len, false, &result));
            assert_int_equal(result == SK_FAST_DONE, others[i] == kept);
        }
        j.bytes[at + 1] = kept;
    }
    assert_int_equal(found, 7);
    free(j.bytes);
    sk_jpeg_fast_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(coefficients),
                                        cmocka_unit_test(wrong_restarts) };
    return cmocka_run_group_tests_name("image/jpeg_fast_scan", tests, NULL, NULL);
}
