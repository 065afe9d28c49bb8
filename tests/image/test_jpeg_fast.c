/*
 * test_jpeg_fast.c - the baseline JPEG decoder as a whole: whatever it accepts, libjpeg decodes to
 * the same bytes without a warning; what is not for it, it refuses; two threads give what one
 * gives.
 */
#include "harness/alloc_fail.h"
#include "jpeg_util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum {
    SEED = 20260101,
    PICTURES = 700,
    FLIPS = 40
};

static const struct ref_encode plain = { 61, 45, 3, 2, 2, 85, false, false, 0, 0 };

/* A picture of any kind that the decoder takes. */
static struct ref_encode any_options(uint32_t *state)
{
    static const unsigned factors[3][2] = { { 1, 1 }, { 2, 1 }, { 2, 2 } };
    const unsigned *f = factors[jpeg_random(state) % 3];
    struct ref_encode o = { .width = 1 + jpeg_random(state) % 70,
                            .height = 1 + jpeg_random(state) % 70 };
    o.components = jpeg_random(state) % 5 ? 3 : 1;
    o.h = f[0];
    o.v = f[1];
    o.quality = 1 + (int)(jpeg_random(state) % 100);
    o.optimise = jpeg_random(state) % 2;
    o.restart_mcus = jpeg_random(state) % 3 ? 0 : 1 + jpeg_random(state) % 9;
    o.quant = jpeg_random(state) % 8 ? 0 : 1 + jpeg_random(state) % 255;
    return o;
}

static void describe(char *text, size_t size, const struct ref_encode *o, enum jpeg_kind kind)
{
    (void)snprintf(text, size,
                   "%ux%u, %u components, %ux%u, quality %d, restart %u, quant %u, kind %d",
                   o->width, o->height, o->components, o->h, o->v, o->quality, o->restart_mcus,
                   o->quant, (int)kind);
}

static void any_picture(void **unused)
{
    (void)unused;
    const struct sk_jf_kernels *kernels[3];
    size_t count = jpeg_kernels(kernels), done = 0;
    struct sk_jpeg_fast *f = sk_jpeg_fast_new();
    uint32_t state = SEED;
    assert_non_null(f);
    print_message("seed %d\n", SEED);
    for (int i = 0; i < PICTURES; i++) {
        struct ref_encode o = any_options(&state);
        enum jpeg_kind kind = jpeg_random(&state) % JPEG_KINDS;
        struct jpeg j = jpeg_make(&o, kind, &state);
        bool is_ours = o.components == 1 || o.h == 1 || o.width > 4;
        char text[200];
        describe(text, sizeof text, &o, kind);
        for (size_t k = 0; k < count; k++) {
            enum sk_fast result;
            sk_jpeg_fast_use(f, kernels[k]);
            const char *complaint = jpeg_disagree(f, j.bytes, j.len, false, &result);
            if (complaint)
                fail_msg("%s, %s: %s", text, kernels[k]->name, complaint);
            if ((result == SK_FAST_DONE) != is_ours)
                fail_msg("%s, %s: answers %d", text, kernels[k]->name, (int)result);
            done += result == SK_FAST_DONE;
        }
        free(j.bytes);
    }
    assert_true(done > PICTURES / 2 * count);
    sk_jpeg_fast_free(f);
}

static void every_size(void **unused)
{
    (void)unused;
    struct sk_jpeg_fast *f = sk_jpeg_fast_new();
    uint32_t state = SEED;
    assert_non_null(f);
    for (unsigned size = 5; size <= 70; size++) {
        for (unsigned v = 1; v <= 2; v++) {
            const struct ref_encode o[2] = { { size, 75 - size, 3, 2, v, 92, true, false, 0, 0 },
                                             { 16 * size + 1, 17, 3, 2, v, 60, true, false, 0,
                                               0 } };
            for (size_t i = 0; i < 2; i++) {
                struct jpeg j = jpeg_make(&o[i], JPEG_CURVES, &state);
                enum sk_fast result;
                const char *complaint = jpeg_disagree(f, j.bytes, j.len, false, &result);
                if (complaint || result != SK_FAST_DONE)
                    fail_msg("%ux%u: %s", o[i].width, o[i].height,
                             complaint ? complaint : "not done");
                free(j.bytes);
            }
        }
    }
    sk_jpeg_fast_free(f);
}

/* How many coefficients a block gets, how large, and where. */
struct wild {
    uint32_t state;
    unsigned style;
};

static void set_wild(void *ctx, JCOEF *block)
{
    struct wild *w = ctx;
    unsigned amount = jpeg_random(&w->state) % 64, range = 1u << (jpeg_random(&w->state) % 11);
    memset(block, 0, 64 * sizeof *block);
    for (unsigned i = 0; i < amount; i++) {
        unsigned at = jpeg_random(&w->state) % 64;
        if (w->style == 1)
            at %= 8; /* row 0 only */
        if (w->style == 2)
            at &= 033; /* the upper left 4x4 */
        int value = (int)(jpeg_random(&w->state) % (2 * range)) - (int)range;
        block[at] = (JCOEF)(value > 1023 ? 1023 : value < -1023 ? -1023 : value);
    }
    if (w->style == 3) /* all 64, so that no end of block is coded */
        for (unsigned i = 0; i < 64; i++)
            block[i] = jpeg_random(&w->state) & 1 ? 1023 : -1023;
}

static void wild_coefficients(void **unused)
{
    (void)unused;
    const struct sk_jf_kernels *kernels[3];
    size_t count = jpeg_kernels(kernels);
    struct sk_jpeg_fast *f = sk_jpeg_fast_new();
    struct wild w = { SEED, 0 };
    assert_non_null(f);
    for (int i = 0; i < 200; i++) {
        struct ref_encode o = plain;
        uint8_t quant[64];
        uint8_t step = (uint8_t)(1 + jpeg_random(&w.state) % 255);
        w.style = jpeg_random(&w.state) % 5;
        for (int q = 0; q < 64; q++)
            quant[q] = i % 2 ? step : (uint8_t)(1 + jpeg_random(&w.state) % 255);
        o.components = i % 4 ? 3 : 1;
        struct jpeg calm = jpeg_make(&o, JPEG_CALM, &w.state), j = { NULL, 0 };
        assert_true(ref_recode(calm.bytes, calm.len, set_wild, &w, quant, &j.bytes, &j.len));
        for (size_t k = 0; k < count; k++) {
            enum sk_fast result;
            sk_jpeg_fast_use(f, kernels[k]);
            const char *complaint = jpeg_disagree(f, j.bytes, j.len, false, &result);
            if (complaint || result != SK_FAST_DONE)
                fail_msg("picture %d, style %u, %s: %s", i, w.style, kernels[k]->name,
                         complaint ? complaint : "not done");
        }
        free(calm.bytes);
        free(j.bytes);
    }
    sk_jpeg_fast_free(f);
}

static void flipped_bits(void **unused)
{
    (void)unused;
    const struct sk_jf_kernels *kernels[3];
    size_t count = jpeg_kernels(kernels), done = 0;
    struct sk_jpeg_fast *f = sk_jpeg_fast_new();
    uint32_t state = SEED;
    assert_non_null(f);
    for (int i = 0; i < 60; i++) {
        struct ref_encode o = any_options(&state);
        struct jpeg j = jpeg_make(&o, jpeg_random(&state) % JPEG_KINDS, &state);
        for (int n = 0; n < FLIPS; n++) {
            uint8_t *flipped = malloc(j.len); /* of this size exactly: reads beyond it are seen */
            assert_non_null(flipped);
            memcpy(flipped, j.bytes, j.len);
            size_t at = jpeg_random(&state) % j.len;
            if (n % 2 && j.len > 700) /* in the scan */
                at = 620 + jpeg_random(&state) % (j.len - 620);
            flipped[at] ^= (uint8_t)(1u << jpeg_random(&state) % 8);
            size_t len = n % 10 ? j.len : jpeg_random(&state) % j.len;
            enum sk_fast result;
            sk_jpeg_fast_use(f, kernels[n % count]);
            const char *complaint = jpeg_disagree(f, flipped, len, false, &result);
            if (complaint)
                fail_msg("picture %d, flip %d at %zu: %s", i, n, at, complaint);
            done += result == SK_FAST_DONE;
            free(flipped);
        }
        free(j.bytes);
    }
    assert_true(done > 0);
    sk_jpeg_fast_free(f);
}

static void cut_short(void **unused)
{
    (void)unused;
    struct sk_jpeg_fast *f = sk_jpeg_fast_new();
    uint32_t state = SEED;
    struct jpeg j = jpeg_make(&plain, JPEG_CURVES, &state);
    assert_non_null(f);
    for (size_t len = 0; len < j.len; len++) {
        enum sk_fast result;
        assert_null(jpeg_disagree(f, j.bytes, len, false, &result));
        assert_int_equal(result, SK_FAST_NO);
    }
    free(j.bytes);
    sk_jpeg_fast_free(f);
}

/* A picture of `large` MCUs is worth a second thread. */
static const struct ref_encode large = { 333, 290, 3, 1, 1, 90, false, false, 50, 0 };

static void two_threads(void **unused)
{
    (void)unused;
    const struct sk_jf_kernels *kernels[3];
    size_t count = jpeg_kernels(kernels);
    struct sk_jpeg_fast *f = sk_jpeg_fast_new();
    uint32_t state = SEED;
    struct jpeg j = jpeg_make(&large, JPEG_CURVES, &state);
    assert_non_null(f);
    for (size_t i = 0; i < 60; i++) {
        enum sk_fast result;
        size_t at = j.len * (i % 13) / 13;
        bool is_broken = i % 3 == 1 && at > 700;
        uint8_t kept = j.bytes[at];
        if (is_broken)
            j.bytes[at] ^= 0x55;
        sk_jpeg_fast_use(f, kernels[i % count]);
        assert_null(jpeg_disagree(f, j.bytes, j.len, i % 7 != 6, &result));
        if (!is_broken)
            assert_int_equal(result, SK_FAST_DONE);
        j.bytes[at] = kept;
    }
    free(j.bytes);
    sk_jpeg_fast_free(f);
}

static void failing_sink(void **unused)
{
    (void)unused;
    struct sk_jpeg_fast *f = sk_jpeg_fast_new();
    uint32_t state = SEED;
    struct jpeg j = jpeg_make(&large, JPEG_CURVES, &state);
    assert_non_null(f);
    for (uint32_t i = 0; i < 20; i++) {
        struct sk_err err = SK_ERR_INIT;
        struct collect c = collect_init(i == 19 ? 10 : JPEG_PIXELS_MAX);
        c.fail_at = 1 + i * 15;
        assert_int_equal(sk_jpeg_fast_decode(f, j.bytes, j.len, i % 2, &c.base, &err),
                         SK_FAST_ERROR);
        assert_int_equal(err.code, i == 19 ? SK_LIMIT : SK_CANCELLED);
        free(c.rgb);
    }
    free(j.bytes);
    sk_jpeg_fast_free(f);
    sk_jpeg_fast_free(NULL);
}

static int decode_once(void *ctx, struct sk_err *err)
{
    const struct jpeg *j = ctx;
    struct collect c = collect_init(JPEG_PIXELS_MAX);
    struct sk_jpeg_fast *f = sk_jpeg_fast_new();
    if (!f)
        return sk_nomem(err);
    enum sk_fast result = sk_jpeg_fast_decode(f, j->bytes, j->len, true, &c.base, err);
    sk_jpeg_fast_free(f);
    free(c.rgb);
    return result == SK_FAST_DONE ? 0 : -1;
}

static void without_memory(void **unused)
{
    (void)unused;
    uint32_t state = SEED;
    struct jpeg j = jpeg_make(&large, JPEG_RAMP, &state);
    assert_true(sk_alloc_sweep("decode", decode_once, &j, SK_ALLOC_MAY_SURVIVE) >= 3);
    free(j.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_picture),       cmocka_unit_test(every_size),
        cmocka_unit_test(wild_coefficients), cmocka_unit_test(flipped_bits),
        cmocka_unit_test(cut_short),         cmocka_unit_test(two_threads),
        cmocka_unit_test(failing_sink),      cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests_name("image/jpeg_fast", tests, NULL, NULL);
}
