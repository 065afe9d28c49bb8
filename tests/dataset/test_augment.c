/* test_augment.c - words, and what is drawn: the same for the same picture, spread as promised. */
#include "dataset_test.h"

#include "harness/alloc_fail.h"

#include <math.h>

enum {
    SIDE = 32,
    BYTES = SIDE * SIDE * 3,
    DRAWS = 4000
};

static void test_words(void **state)
{
    static const struct {
        const char *text;
        unsigned flags;
        const char *printed;
    } rows[] = {
        { "none", 0, "none" },
        { "light", SK_AUG_FLIP, "flip" },
        { "standard", SK_AUG_FLIP | SK_AUG_CROP | SK_AUG_COLOR, "flip,crop,color" },
        { "erase", SK_AUG_ERASE, "erase" },
        { "color,flip", SK_AUG_FLIP | SK_AUG_COLOR, "flip,color" },
        { " rotate , crop ", SK_AUG_ROTATE | SK_AUG_CROP, "crop,rotate" },
        { "flip,flip", SK_AUG_FLIP, "flip" },
        { "light,erase", SK_AUG_FLIP | SK_AUG_ERASE, "flip,erase" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(256);
        struct sk_err err = SK_ERR_INIT;
        unsigned flags = 99;
        if (sk_augment_parse(rows[i].text, &flags, &err) < 0)
            fail_msg("'%s': %s", rows[i].text, err.text);
        sk_augment_print(flags, &out);
        if (flags != rows[i].flags || strcmp(out.data, rows[i].printed) != 0)
            fail_msg("'%s': %u, %s", rows[i].text, flags, out.data);
    }
}

static void test_wrong_words(void **state)
{
    static const char *const texts[] = { "",          "flop", "flip,",    ",flip",
                                         "flip;crop", "Flip", "flip crop" };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct sk_err err = SK_ERR_INIT;
        unsigned flags;
        if (sk_augment_parse(texts[i], &flags, &err) != -1 || err.code != SK_USAGE ||
            !strstr(err.text, "none, light"))
            fail_msg("'%s': %s", texts[i], err.text);
    }
}

/* Applies to a picture of its own. */
static void apply(unsigned augment, uint64_t seed, uint64_t epoch, uint32_t index, uint8_t *out,
                  struct sk_box *erase)
{
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    SK_AUTO(sk_image_done) struct sk_image scratch = { 0 };
    struct sk_err err = SK_ERR_INIT;

    fill(&img, SIDE, SIDE, 1);
    if (sk_augment_apply(augment, seed, epoch, index, &img, &scratch, erase, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(img.width, SIDE);
    assert_int_equal(img.height, SIDE);
    memcpy(out, img.pixels, BYTES);
}

/* Seed, epoch and picture each lead to another result, and each time to the same. */
static void test_depends(void **state)
{
    static const struct {
        uint64_t seed, epoch;
        uint32_t index;
    } rows[] = { { 1, 2, 3 }, { 2, 2, 3 }, { 1, 3, 3 }, { 1, 2, 4 }, { 2, 1, 3 }, { 3, 2, 1 } };

    static const unsigned kinds[] = { SK_AUG_CROP, SK_AUG_ROTATE, SK_AUG_COLOR, 31 };
    static uint8_t seen[COUNT(rows)][BYTES], again[BYTES];

    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++) {
        for (size_t i = 0; i < COUNT(rows); i++) {
            struct sk_box box, box_again;
            apply(kinds[k], rows[i].seed, rows[i].epoch, rows[i].index, seen[i], &box);
            apply(kinds[k], rows[i].seed, rows[i].epoch, rows[i].index, again, &box_again);
            assert_memory_equal(seen[i], again, BYTES);
            assert_memory_equal(&box, &box_again, sizeof box);
            for (size_t j = 0; j < i; j++)
                assert_memory_not_equal(seen[i], seen[j], BYTES);
        }
    }
}

/* Nothing is drawn for a kind that is off, so it moves no other. */
static void test_independent(void **state)
{
    static uint8_t a[BYTES], b[BYTES];
    struct sk_box alone, with_all;

    (void)state;
    for (uint32_t i = 0; i < 50; i++) {
        apply(SK_AUG_ERASE, 5, 0, i, a, &alone);
        apply(31, 5, 0, i, b, &with_all);
        assert_memory_equal(&alone, &with_all, sizeof alone);
        apply(0, 5, 0, i, a, &alone);
        assert_int_equal(alone.w, 0);
    }
}

static void test_flips(void **state)
{
    static uint8_t plain[BYTES], got[BYTES];
    struct sk_box box;
    unsigned flips = 0;

    (void)state;
    apply(0, 0, 0, 0, plain, &box);
    for (uint32_t i = 0; i < DRAWS; i++) {
        apply(SK_AUG_FLIP, 9, 1, i, got, &box);
        flips += memcmp(plain, got, BYTES) != 0;
    }
    assert_in_range(flips, 1850, 2150); /* 2,000, standard deviation 32 */
}

struct spread {
    double least, most, sum;
};

static void widen(struct spread *s, double v)
{
    s->least = fmin(s->least, v);
    s->most = fmax(s->most, v);
    s->sum += v;
}

/* Areas and ratios reach their bounds (rounding aside) and no further; places reach all edges. */
static void test_crop_boxes(void **state)
{
    struct spread area = { 9, 0, 0 }, ratio = { 9, 0, 0 }, left = { 9, 0, 0 },
                  right = { 999, 0, 0 };

    (void)state;
    for (uint32_t i = 0; i < DRAWS; i++) {
        struct sk_rng r = sk_rng_of(3, SK_RNG_CROP, 0, i);
        const struct sk_box b = sk_augment_crop_box(&r, 224, 224);
        assert_true(b.w >= 1 && b.h >= 1 && b.x + b.w <= 224 && b.y + b.h <= 224);
        widen(&area, (double)b.w * b.h / (224.0 * 224));
        widen(&ratio, (double)b.w / b.h);
        widen(&left, b.x);
        widen(&right, b.x + b.w);
    }
    assert_true(area.least > 0.595 && area.least < 0.61 && area.most <= 1);
    assert_true(area.sum / DRAWS > 0.72 && area.sum / DRAWS < 0.8);
    assert_true(ratio.least > 0.74 && ratio.least < 0.77);
    assert_true(ratio.most < 1.345 && ratio.most > 1.30);
    assert_true(left.least == 0 && left.most > 40 && right.most == 224);
}

static void test_erase_boxes(void **state)
{
    struct spread area = { 9, 0, 0 }, ratio = { 9, 0, 0 };
    unsigned count = 0;

    (void)state;
    for (uint32_t i = 0; i < DRAWS; i++) {
        struct sk_rng r = sk_rng_of(4, SK_RNG_ERASE, 0, i);
        const struct sk_box b = sk_augment_erase_box(&r, 224, 224);
        if (b.w == 0)
            continue;
        count++;
        assert_true(b.h >= 1 && b.x + b.w <= 224 && b.y + b.h <= 224);
        widen(&area, (double)b.w * b.h / (224.0 * 224));
        widen(&ratio, (double)b.w / b.h);
    }
    assert_in_range(count, 880, 1120); /* 1,000, standard deviation 27 */
    assert_true(area.least > 0.019 && area.least < 0.025 && area.most < 0.202 && area.most > 0.19);
    assert_true(ratio.least > 0.28 && ratio.least < 0.35 && ratio.most > 2.9 && ratio.most < 3.5);
}

/* Boxes of pictures that leave no choice. */
static void test_tiny(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 200; i++) {
        struct sk_rng r = sk_rng_of(4, SK_RNG_CROP, 0, i);
        const struct sk_box one = sk_augment_crop_box(&r, 1, 1);
        const struct sk_box flat = sk_augment_crop_box(&r, 100, 1);
        const struct sk_box erased = sk_augment_erase_box(&r, 1, 1);
        assert_true(one.x == 0 && one.y == 0 && one.w == 1 && one.h == 1);
        assert_true(flat.y == 0 && flat.h == 1 && flat.x + flat.w <= 100 && flat.w > 0);
        assert_true(erased.w == 0);
    }
}

/* The result of all kinds together, kept: resumed trainings and other machines need the same. */
static void test_golden(void **state)
{
    static uint8_t got[BYTES];
    struct sk_box box;
    struct sk_err err = SK_ERR_INIT;
    char digest[SK_SHA256_HEX];

    (void)state;
    apply(31, 1, 2, 3, got, &box);
    assert_int_equal(sk_sha256_hex(got, BYTES, digest, &err), 0);
    assert_string_equal(digest, "6b8be210588af948694080631809ea71bcea527261da0f8494a4d63652f59947");
}

static int apply_all(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    SK_AUTO(sk_image_done) struct sk_image scratch = { 0 };
    struct sk_box box;

    (void)ctx;
    if (sk_image_alloc(&img, SIDE, SIDE, err) < 0)
        return -1;
    memset(img.pixels, 77, BYTES);
    return sk_augment_apply(31, 1, 2, 3, &img, &scratch, &box, err);
}

static void test_memory(void **state)
{
    (void)state;
    (void)sk_alloc_sweep("apply", apply_all, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),       cmocka_unit_test(test_wrong_words),
        cmocka_unit_test(test_depends),     cmocka_unit_test(test_independent),
        cmocka_unit_test(test_flips),       cmocka_unit_test(test_crop_boxes),
        cmocka_unit_test(test_erase_boxes), cmocka_unit_test(test_tiny),
        cmocka_unit_test(test_golden),      cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
