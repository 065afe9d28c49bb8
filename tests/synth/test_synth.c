/* test_synth.c - pictures to the last bit, what a defect leaves alone, the comment in the file. */
#include "synth_util.h"

#include "harness/alloc_fail.h"

static void draw(const struct sk_synth *what, struct sk_image *img)
{
    struct sk_err err = SK_ERR_INIT;
    if (sk_synth_draw(what, img, &err) < 0)
        fail_msg("%s", err.text);
}

/* [sample-4] The same pixels on every machine: FNV-1a of them. */
static void test_pixels(void **state)
{
    static const struct {
        struct sk_synth what;
        uint64_t hash;
    } rows[] = {
        { { SK_SYNTH_METAL, SK_SYNTH_WHOLE, 256, 0 }, 0x8733ADD0513FAE7Au },
        { { SK_SYNTH_CASTING, SK_SYNTH_WHOLE, 256, 1 }, 0x3C0DD5D3D082192Bu },
        { { SK_SYNTH_FABRIC, SK_SYNTH_WHOLE, 256, 2 }, 0x020BD0F2DAEFFAC8u },
        { { SK_SYNTH_METAL, SK_SYNTH_SCRATCH, 256, 3 }, 0x342FBBDA8FD52FE8u },
        { { SK_SYNTH_CASTING, SK_SYNTH_DENT, 300, 4 }, 0x6957772C79D34922u },
        { { SK_SYNTH_FABRIC, SK_SYNTH_STAIN, 256, 5 }, 0xADB0E5116E62DD72u },
        { { SK_SYNTH_CASTING, SK_SYNTH_CRACK, 256, UINT64_MAX }, 0x71B394E45968CFAFu },
        { { SK_SYNTH_METAL, SK_SYNTH_DENT, 64, 6 }, 0x4B89A71BE4FD722Eu },
    };
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        draw(&rows[i].what, &img);
        assert_int_equal(img.width, rows[i].what.side);
        assert_int_equal(img.height, rows[i].what.side);
        uint64_t hash = fnv1a(img.pixels, (size_t)img.width * img.height * 3);
        if (hash != rows[i].hash)
            fail_msg("row %zu: 0x%016llXu", i, (unsigned long long)hash);
    }
}

/* [sample-6] The same seed with and without a defect is the same scene. */
static void test_defect_alone(void **state)
{
    SK_AUTO(sk_image_done) struct sk_image whole = { 0 };
    SK_AUTO(sk_image_done) struct sk_image other = { 0 };

    (void)state;
    for (unsigned kind = SK_SYNTH_SCRATCH; kind < SK_SYNTH_DEFECT_COUNT; kind++) {
        struct sk_synth what = { (enum sk_synth_surface)(kind % 3), SK_SYNTH_WHOLE, 256, kind };
        size_t same = 0;

        draw(&what, &whole);
        what.defect = (enum sk_synth_defect)kind;
        draw(&what, &other);
        for (size_t i = 0; i < 256u * 256u * 3u; i++)
            same += whole.pixels[i] == other.pixels[i];
        if (same < 256u * 256u * 3u * 7u / 10u || same > 256u * 256u * 3u * 998u / 1000u)
            fail_msg("%s: %zu bytes are the same", sk_synth_defect_name(what.defect), same);
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(sk_synth_surface_name(SK_SYNTH_METAL), "metal");
    assert_string_equal(sk_synth_surface_name(SK_SYNTH_FABRIC), "fabric");
    assert_string_equal(sk_synth_defect_name(SK_SYNTH_WHOLE), "whole");
    assert_string_equal(sk_synth_defect_name(SK_SYNTH_CRACK), "crack");
}

static void test_sides(void **state)
{
    static const uint32_t wrong[] = { 0, SK_SYNTH_SIDE_MIN - 1, SK_SYNTH_SIDE_MAX + 1 };
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    struct sk_synth what = { SK_SYNTH_METAL, SK_SYNTH_WHOLE, SK_SYNTH_SIDE_MIN, 0 };

    (void)state;
    draw(&what, &img);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct sk_err err = SK_ERR_INIT;
        what.side = wrong[i];
        assert_int_equal(sk_synth_draw(&what, &img, &err), -1);
        assert_int_equal(err.code, SK_INVALID);
    }
}

/* [sample-3] */
static void test_jpeg(void **state)
{
    const struct sk_synth what = { SK_SYNTH_FABRIC, SK_SYNTH_STAIN, 256, 9 };
    static const char comment[] = "\xff\xfe\0\x66"
                                  "Synthetic picture made by skerry sample-data, not a photograph: "
                                  "fabric, stain, seed 0000000000000009";
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    SK_AUTO(sk_image_done) struct sk_image back = { 0 };
    SK_OWN(free) uint8_t *jpeg = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;
    double off = 0.0;

    (void)state;
    draw(&what, &img);
    if (sk_synth_jpeg(&what, &jpeg, &len, &err) < 0 ||
        sk_image_decode(jpeg, len, NULL, &back, NULL, &err) < 0)
        fail_msg("%s", err.text);
    assert_memory_equal(jpeg + 20, comment, sizeof comment - 1);
    for (size_t i = 0; i < 256u * 256u * 3u; i++)
        off += abs(img.pixels[i] - back.pixels[i]);
    assert_true(off / (256.0 * 256.0 * 3.0) < 8.0);
}

static int make_jpeg(void *ctx, struct sk_err *err)
{
    const struct sk_synth what = { SK_SYNTH_CASTING, SK_SYNTH_CRACK, 32, 1 };
    SK_OWN(free) uint8_t *jpeg = NULL;
    size_t len = 0;

    (void)ctx;
    return sk_synth_jpeg(&what, &jpeg, &len, err);
}

static void test_memory(void **state)
{
    (void)state;
    assert_true(sk_alloc_sweep("jpeg", make_jpeg, NULL, 0) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pixels), cmocka_unit_test(test_defect_alone),
        cmocka_unit_test(test_names),  cmocka_unit_test(test_sides),
        cmocka_unit_test(test_jpeg),   cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests_name("synth", tests, NULL, NULL);
}
