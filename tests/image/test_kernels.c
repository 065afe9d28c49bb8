/*
 * test_kernels.c - every kernel that this CPU runs against the plain C one, byte for byte: random
 * and extreme pixels, random and extreme weights, every number of rows of a band, windows, ends of
 * rows; nothing written beside the result.
 */
#include "resize_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    SEED = 7,
    GUARD = 0xA5,
    BAND_MAX = 16
};

static const struct axis {
    const char *name;
    uint32_t in, out;
    enum sk_filter filter;
} axes[] = {
    { "one pixel", 1, 1, SK_FILTER_BOX },
    { "one to many", 1, 37, SK_FILTER_BICUBIC },
    { "many to one", 501, 1, SK_FILTER_LANCZOS },
    { "two pixels up, the largest weights", 2, 61, SK_FILTER_LANCZOS },
    { "three pixels up", 3, 50, SK_FILTER_BICUBIC },
    { "up", 31, 97, SK_FILTER_LANCZOS },
    { "a little down", 97, 90, SK_FILTER_BICUBIC },
    { "down", 301, 33, SK_FILTER_BICUBIC },
    { "down, odd", 255, 34, SK_FILTER_HAMMING },
    { "a fifth", 160, 32, SK_FILTER_BILINEAR },
    { "strongly down", 1999, 7, SK_FILTER_LANCZOS },
    { "camera to model", 1920, 224, SK_FILTER_BICUBIC },
};

enum {
    AXES = sizeof axes / sizeof axes[0]
};

typedef void each_kernel(const struct sk_kernels *kernels);

static void for_each_kernel(each_kernel *check)
{
    for (const char *const *name = sk_image_kernels_available(); *name; name++) {
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(sk_image_kernels_select(*name, &err), 0);
        assert_string_equal(sk_image_kernels_name(), *name);
        check(sk_kernels());
    }
}

static void make_taps(struct sk_taps *t, const struct axis *axis, uint32_t first, uint32_t outputs,
                      bool rows, const struct sk_kernels *kernels)
{
    struct sk_err err = SK_ERR_INIT;
    const struct sk_axis a = { axis->in, axis->out, first, outputs, axis->filter, false, rows };
    if (sk_taps_init(t, &a, kernels, &err) < 0)
        fail_msg("%s: %s", axis->name, err.text);
}

/* Weights as large as taps.c allows, of any sign. */
static void make_extreme(struct sk_taps *t, uint32_t *seed)
{
    for (uint32_t i = 0; i < t->axis.outputs; i++) {
        int32_t left = SK_WEIGHT_SUM_MAX;
        for (uint32_t x = 0; x < t->count[i]; x++) {
            int32_t size = util_random(seed) % 4 == 0 ? left : left / 3;
            t->k[(size_t)i * t->ksize + x] = util_random(seed) & 1 ? size : -size;
            left -= size;
        }
    }
    if (t->packed)
        t->kernels->pack(t, t->packed);
}

static uint8_t *guarded(size_t len)
{
    uint8_t *p = malloc(len);
    assert_non_null(p);
    memset(p, GUARD, len);
    return p;
}

static void run_horizontal(const struct axis *axis, const struct sk_kernels *kernels, bool extreme,
                           enum util_kind kind, uint32_t rows)
{
    struct sk_taps mine, plain;
    uint32_t seed = SEED + rows, first = 0, count = axis->out;
    if (rows % 2 != 0) {
        first = util_between(&seed, 0, axis->out - 1);
        count = util_between(&seed, 1, axis->out - first);
    }
    make_taps(&mine, axis, first, count, false, kernels);
    make_taps(&plain, axis, first, count, false, &sk_kernels_c);
    if (extreme) {
        uint32_t again = seed;
        make_extreme(&mine, &seed);
        make_extreme(&plain, &again);
    }
    size_t stride = (size_t)axis->in * 3;
    uint8_t *src = malloc(rows * stride + SK_BAND_SLACK);
    assert_non_null(src);
    util_fill(src, rows * stride + SK_BAND_SLACK, kind, &seed);
    const uint8_t *row[BAND_MAX];
    for (uint32_t r = 0; r < rows; r++)
        row[r] = src + r * stride;

    size_t out_stride = (size_t)count * 3 + util_between(&seed, 0, 5), len = rows * out_stride + 64;
    uint8_t *got = guarded(len), *want = guarded(len);
    void *scratch = kernels->scratch_bytes ? aligned_alloc(64, kernels->scratch_bytes(axis->in))
                                           : NULL;
    kernels->horizontal(&mine, row, rows, got, out_stride, scratch);
    for (uint32_t r = 0; r < rows; r++)
        sk_kernels_c.horizontal(&plain, row + r, 1, want + r * out_stride, out_stride, NULL);
    bool same = memcmp(got, want, len) == 0;
    free(scratch);
    free(src);
    free(got);
    free(want);
    sk_taps_done(&mine);
    sk_taps_done(&plain);
    if (!same)
        fail_msg("%s: horizontal, %s, %s, %u rows, outputs %u + %u%s", kernels->name, axis->name,
                 util_kind_name(kind), rows, first, count, extreme ? ", extreme weights" : "");
}

static void check_horizontal(const struct sk_kernels *kernels)
{
    for (int a = 0; a < AXES; a++)
        for (uint32_t rows = 1; rows <= kernels->band; rows++)
            for (int kind = 0; kind < UTIL_KIND_COUNT; kind++)
                run_horizontal(&axes[a], kernels, (rows + kind) % 3 == 0, (enum util_kind)kind,
                               rows);
}

/* [image-54] */
static void test_horizontal(void **state)
{
    (void)state;
    for_each_kernel(check_horizontal);
}

static void run_vertical(const struct axis *axis, const struct sk_kernels *kernels, bool extreme,
                         enum util_kind kind, size_t bytes)
{
    struct sk_taps mine, plain;
    make_taps(&mine, axis, 0, axis->out, true, kernels);
    make_taps(&plain, axis, 0, axis->out, true, &sk_kernels_c);
    uint32_t seed = SEED;
    if (extreme) {
        uint32_t again = seed;
        make_extreme(&mine, &seed);
        make_extreme(&plain, &again);
    }
    size_t stride = bytes + 3;
    uint8_t *src = malloc(axis->in * stride + SK_BAND_SLACK);
    assert_non_null(src);
    util_fill(src, axis->in * stride + SK_BAND_SLACK, kind, &seed);
    uint8_t *got = guarded(bytes + 64), *want = guarded(bytes + 64);
    uint32_t i = 0;
    for (; i < axis->out; i++) {
        kernels->vertical(&mine, i, src + mine.start[i] * stride, stride, bytes, got);
        sk_kernels_c.vertical(&plain, i, src + plain.start[i] * stride, stride, bytes, want);
        if (memcmp(got, want, bytes + 64) != 0)
            break;
    }
    uint32_t outputs = axis->out;
    free(src);
    free(got);
    free(want);
    sk_taps_done(&mine);
    sk_taps_done(&plain);
    if (i < outputs)
        fail_msg("%s: vertical, %s, %s, output %u of %zu bytes%s", kernels->name, axis->name,
                 util_kind_name(kind), i, bytes, extreme ? ", extreme weights" : "");
}

static void check_vertical(const struct sk_kernels *kernels)
{
    static const size_t widths[] = { 1, 3, 31, 32, 33, 63, 64, 65, 96, 129, 300 };
    for (int a = 0; a < AXES; a++)
        for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++)
            run_vertical(&axes[a], kernels, w % 3 == 0, (enum util_kind)(w % UTIL_KIND_COUNT),
                         widths[w]);
}

static void test_vertical(void **state)
{
    (void)state;
    for_each_kernel(check_vertical);
}

static void check_lut(const struct sk_kernels *kernels)
{
    static float lut[3][256];
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++)
            lut[c][v] = ((float)v / 255.0f - 0.4f) / (0.2f + 0.01f * (float)c);
    const float(*table)[256] = (const float(*)[256])lut;
    uint32_t seed = SEED;
    for (uint32_t pixels = 1; pixels <= 150; pixels++) {
        struct sk_image img = { .width = pixels,
                                .height = 1,
                                .pixels = malloc((size_t)pixels * 3) };
        float *chw = malloc((size_t)pixels * 3 * sizeof *chw),
              *hwc = malloc((size_t)pixels * 3 * sizeof *hwc);
        assert_true(img.pixels && chw && hwc);
        util_fill(img.pixels, (size_t)pixels * 3, UTIL_NOISE, &seed);
        sk_image_lut_chw(&img, table, chw);
        sk_image_lut_hwc(&img, table, hwc);
        for (uint32_t i = 0; i < pixels * 3; i++) {
            const float *want = &lut[i % 3][img.pixels[i]];
            if (memcmp(&hwc[i], want, sizeof *want) != 0 ||
                memcmp(&chw[i % 3 * pixels + i / 3], want, sizeof *want) != 0)
                fail_msg("%s: table, %u pixels, byte %u", kernels->name, pixels, i);
        }
        free(img.pixels);
        free(chw);
        free(hwc);
    }
}

static void test_lut(void **state)
{
    (void)state;
    for_each_kernel(check_lut);
}

static void test_select(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_image_kernels_select("c", &err), 0);
    assert_int_equal(sk_image_kernels_select("mmx", &err), -1);
    assert_int_equal(err.code, SK_UNSUPPORTED);
    assert_string_equal(err.text, "kernels 'mmx' do not run on this CPU");
    assert_string_equal(sk_image_kernels_name(), "c");
    assert_string_equal(sk_image_kernels_available()[0], "c");
}

static bool env_gives(const char *value, const char *want)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)setenv("SKERRY_KERNELS", value, 1);
        _exit(strcmp(sk_image_kernels_name(), want) != 0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status == 0;
}

/* [image-54] The best of the CPU, unless the environment names others. Runs before anything is
 * chosen, each time in a process of its own. */
static void test_environment(void **state)
{
    (void)state;
    const char *best = NULL;
    for (const char *const *name = sk_image_kernels_available(); *name; name++) {
        best = *name;
        assert_true(env_gives(*name, *name));
    }
    assert_true(env_gives("", best));
    assert_true(env_gives("mmx", best));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_environment), cmocka_unit_test(test_horizontal),
        cmocka_unit_test(test_vertical),    cmocka_unit_test(test_lut),
        cmocka_unit_test(test_select),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
