/*
 * test_jpeg_fast_color.c - upsampling and colour: every colour there is, every width, nothing
 * written too far away.
 */
#include "jpeg_util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum {
    SEED = 13,
    WIDTH_MAX = 1300,
    ROW = SK_JF_PAD + WIDTH_MAX + SK_JF_SLACK,
    GUARD = 64
};

static uint8_t want[3 * WIDTH_MAX + SK_JF_SLACK + GUARD], got[3 * WIDTH_MAX + SK_JF_SLACK + GUARD];

static void check(const char *what, const char *kernels, size_t width)
{
    if (memcmp(want, got, 3 * width) != 0)
        fail_msg("%s, %s, width %zu: differs", what, kernels, width);
    for (size_t i = 3 * width + SK_JF_SLACK; i < sizeof got; i++)
        if (got[i] != 0xA5)
            fail_msg("%s, %s, width %zu: wrote to %zu", what, kernels, width, i);
    memset(got, 0xA5, sizeof got);
}

static void every_colour(void **unused)
{
    (void)unused;
    static uint8_t y[ROW], cb[ROW], cr[ROW];
    const struct sk_jf_kernels *kernels[3];
    size_t count = jpeg_kernels(kernels);
    memset(got, 0xA5, sizeof got);
    for (unsigned c = 0; c < 1u << 16; c++) {
        for (unsigned i = 0; i < 256; i++)
            y[i] = (uint8_t)i, cb[i] = (uint8_t)c, cr[i] = (uint8_t)(c >> 8);
        sk_jf_kernels_c.rgb_444(y, cb, cr, want, 256);
        for (size_t k = 1; k < count; k++) {
            kernels[k]->rgb_444(y, cb, cr, got, 256);
            check("4:4:4", kernels[k]->name, 256);
        }
    }
}

static void fill(uint8_t *row, unsigned style, uint32_t *state)
{
    for (size_t i = 0; i < ROW; i++)
        row[i] = style == 0 ? (uint8_t)jpeg_random(state) : jpeg_random(state) & 1 ? 255 : 0;
}

static void every_width(void **unused)
{
    (void)unused;
    static uint8_t rows[5][ROW];
    const struct sk_jf_kernels *kernels[3];
    size_t count = jpeg_kernels(kernels);
    uint32_t state = SEED;
    const uint8_t *y = rows[0] + SK_JF_PAD;
    const uint8_t *cb[2] = { rows[1] + SK_JF_PAD, rows[2] + SK_JF_PAD };
    const uint8_t *cr[2] = { rows[3] + SK_JF_PAD, rows[4] + SK_JF_PAD };
    memset(got, 0xA5, sizeof got);
    for (size_t width = 1; width <= WIDTH_MAX; width += width < 300 ? 1 : 37) {
        for (int i = 0; i < 5; i++)
            fill(rows[i], width % 2, &state);
        for (size_t k = 0; k < count; k++) {
            sk_jf_kernels_c.rgb_420(y, cb, cr, want, width);
            kernels[k]->rgb_420(y, cb, cr, got, width);
            check("4:2:0", kernels[k]->name, width);
            sk_jf_kernels_c.rgb_422(y, cb[0], cr[0], want, width);
            kernels[k]->rgb_422(y, cb[0], cr[0], got, width);
            check("4:2:2", kernels[k]->name, width);
            sk_jf_kernels_c.rgb_grey(y, want, width);
            kernels[k]->rgb_grey(y, got, width);
            check("grey", kernels[k]->name, width);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_colour),
                                        cmocka_unit_test(every_width) };
    return cmocka_run_group_tests_name("image/jpeg_fast_color", tests, NULL, NULL);
}
