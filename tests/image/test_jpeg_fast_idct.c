/*
 * test_jpeg_fast_idct.c - the inverse DCT: near the real one, and the same from every kernel for
 * all 16-bit inputs.
 */
#include "jpeg_util.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum {
    SEED = 9,
    BLOCKS = 7,
    STRIDE = 80
};

struct set {
    struct sk_jf_block block[BLOCKS];
    struct sk_jf_job job[BLOCKS];
    uint8_t out[8 * STRIDE];
};

static void set_init(struct set *s)
{
    memset(s, 0, sizeof *s);
    for (size_t i = 0; i < BLOCKS; i++)
        s->job[i] = (struct sk_jf_job){ &s->block[i], s->out + 8 * i };
}

/* style 0: any; 1: row 0 only; 2: upper left 4x4; 3: DC only */
static void fill(struct set *s, unsigned style, int range, uint32_t *state)
{
    static const unsigned masks[4] = { 077, 007, 033, 0 };
    for (size_t i = 0; i < BLOCKS; i++)
        for (unsigned k = 0; k < 64; k++)
            s->block[i].coef[k] = (k & ~masks[style]) ? 0
                                                      : (int16_t)((int)(jpeg_random(state) %
                                                                        (2u * (unsigned)range)) -
                                                                  range);
}

static void equal_kernels(void **unused)
{
    (void)unused;
    static struct set a, b;
    static _Alignas(64) int16_t quant[64];
    const struct sk_jf_kernels *kernels[3];
    size_t count = jpeg_kernels(kernels);
    uint32_t state = SEED;
    set_init(&a);
    for (int i = 0; i < 3000; i++) {
        unsigned style = jpeg_random(&state) % 4;
        fill(&a, style, 1 << (1 + jpeg_random(&state) % 15), &state);
        for (int q = 0; q < 64; q++)
            quant[q] = (int16_t)(1 + jpeg_random(&state) % (i % 3 ? 255 : 2));
        for (size_t n = 0; n < BLOCKS; n++) /* something below row 0, which picks this transform */
            if (style == 0 || style == 2)
                a.block[n].coef[8] = 1;
        for (size_t k = 0; k < count; k++) {
            size_t blocks = 1 + jpeg_random(&state) % BLOCKS;
            set_init(&b);
            memcpy(b.block, a.block, sizeof b.block);
            memset(a.out, 0, sizeof a.out);
            if (style == 1 || style == 3) {
                sk_jf_idct_row0(a.job, blocks, STRIDE, quant);
                (style == 3 ? sk_jf_idct_dc : sk_jf_idct_row0)(b.job, blocks, STRIDE, quant);
            } else {
                sk_jf_idct_c(a.job, blocks, STRIDE, quant);
                (style == 2 ? kernels[k]->idct_4x4 : kernels[k]->idct)(b.job, blocks, STRIDE,
                                                                       quant);
            }
            if (memcmp(a.out, b.out, sizeof a.out) != 0)
                fail_msg("case %d, style %u, %s", i, style, kernels[k]->name);
        }
    }
}

static double exact(const int16_t *coef, int x, int y)
{
    double sum = 0;
    for (int v = 0; v < 8; v++)
        for (int u = 0; u < 8; u++)
            sum += (u ? 1 : sqrt(0.5)) * (v ? 1 : sqrt(0.5)) * coef[8 * v + u] *
                   cos((2 * x + 1) * u * M_PI / 16) * cos((2 * y + 1) * v * M_PI / 16);
    return sum / 4 + 128;
}

/* IEEE 1180 asks for less than 1 off; where values fit all shortcuts agree, too. */
static void near_the_real_one(void **unused)
{
    (void)unused;
    static struct set a, b;
    static _Alignas(64) int16_t quant[64];
    uint32_t state = SEED;
    for (int q = 0; q < 64; q++)
        quant[q] = 1;
    set_init(&a);
    for (int i = 0; i < 100; i++) {
        unsigned style = (unsigned)i % 4;
        fill(&a, style, 300, &state);
        sk_jf_idct_c(a.job, BLOCKS, STRIDE, quant);
        for (int n = 0; n < BLOCKS; n++) {
            for (int y = 0; y < 8; y++) {
                for (int x = 0; x < 8; x++) {
                    double want = fmin(255, fmax(0, exact(a.block[n].coef, x, y)));
                    assert_true(fabs(a.out[y * STRIDE + 8 * n + x] - want) < 1);
                }
            }
        }
        set_init(&b);
        memcpy(b.block, a.block, sizeof b.block);
        if (style == 1 || style == 3)
            (style == 3 ? sk_jf_idct_dc : sk_jf_idct_row0)(b.job, BLOCKS, STRIDE, quant);
        else
            sk_jf_idct_c(b.job, BLOCKS, STRIDE, quant);
        assert_memory_equal(a.out, b.out, sizeof a.out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(equal_kernels),
                                        cmocka_unit_test(near_the_real_one) };
    return cmocka_run_group_tests_name("image/jpeg_fast_idct", tests, NULL, NULL);
}
