/*
 * decode_util.h - what every decoder must stand, on the files of tests/data/images: Pillow's
 * pixels, every cut, every failed allocation, and a sink that fails.
 */
#ifndef SK_TEST_DECODE_UTIL_H
#define SK_TEST_DECODE_UTIL_H

#include "base/cleanup.h"
#include "base/file.h"
#include "harness/alloc_fail.h"
#include "harness/golden.h"
#include "image/image_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct util_file {
    char *bytes; /* of exactly their size, so that a sanitizer sees each read beyond */
    size_t len;
};

static inline void util_file_done(struct util_file *f)
{
    free(f->bytes);
}

static inline struct util_file util_open(const char *name)
{
    char path[512];
    struct sk_err err = SK_ERR_INIT;
    struct util_file f = { 0 };
    (void)snprintf(path, sizeof path, "tests/data/images/%s", name);
    if (sk_file_read(sk_source_path(path), 1 << 20, &f.bytes, &f.len, &err) < 0)
        fail_msg("%s", err.text);
    char *tight = malloc(f.len);
    assert_non_null(tight);
    memcpy(tight, f.bytes, f.len);
    free(f.bytes);
    f.bytes = tight;
    return f;
}

/* Pillow's pixels, from NAME.ppm. */
static inline void util_check_pixels(const char *name, const struct sk_image *img)
{
    char ppm[256];
    unsigned width = 0, height = 0;
    int body = 0;
    (void)snprintf(ppm, sizeof ppm, "%s.ppm", name);
    SK_AUTO(util_file_done) struct util_file want = util_open(ppm);
    char head[32] = "";
    memcpy(head, want.bytes, want.len < sizeof head - 1 ? want.len : sizeof head - 1);
    assert_int_equal(sscanf(head, "P6 %u %u 255%n", &width, &height, &body), 2);
    body++;
    size_t bytes = (size_t)width * height * 3;
    assert_int_equal(want.len, (size_t)body + bytes);
    if (img->width != width || img->height != height)
        fail_msg("%s: %u x %u, not %u x %u", name, img->width, img->height, width, height);
    for (size_t i = 0; i < bytes; i++)
        if (img->pixels[i] != (uint8_t)want.bytes[(size_t)body + i])
            fail_msg("%s: byte %zu is %u, not %u", name, i, img->pixels[i],
                     (uint8_t)want.bytes[(size_t)body + i]);
}

/* [image-2] Every file twice into the same picture. */
static inline void util_decode(const char *const *names, size_t count)
{
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    for (size_t n = 0; n < count * 2; n++) {
        const char *name = names[n % count];
        SK_AUTO(util_file_done) struct util_file f = util_open(name);
        struct sk_err err = SK_ERR_INIT;
        struct sk_decode_report report = { 0 };
        if (sk_image_decode(f.bytes, f.len, NULL, &img, &report, &err) < 0)
            fail_msg("%s: %s", name, err.text);
        util_check_pixels(name, &img);
        const char *format = strrchr(name, '.') + 1;
        if (strcmp(report.info.format, format) != 0 || report.info.width != img.width ||
            report.info.height != img.height || report.decode_ns == 0)
            fail_msg("%s: reported as %s %u x %u", name, report.info.format, report.info.width,
                     report.info.height);
    }
}

/* [image-4] Cut off anywhere: refused with a reason, or whole without what is missing. (Half a
 * number of a text format, and half a directory of a TIFF, may say something else.) */
static inline void util_cuts(const char *const *names, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        SK_AUTO(util_file_done) struct util_file f = util_open(names[n]);
        bool says_else = strstr(names[n], ".pnm") || strstr(names[n], ".tiff");
        for (size_t len = 0; len < f.len; len++) {
            struct sk_err err = SK_ERR_INIT;
            SK_AUTO(sk_image_done) struct sk_image img = { 0 };
            SK_AUTO(free_cleanup) char *cut = malloc(len > 0 ? len : 1);
            assert_non_null(cut);
            memcpy(cut, f.bytes, len);
            if (sk_image_decode(cut, len, NULL, &img, NULL, &err) == 0) {
                if (!says_else)
                    util_check_pixels(names[n], &img);
            } else if (err.text[0] == '\0' || err.code == SK_OK || err.code == SK_BUG) {
                fail_msg("%s cut at %zu: '%s'", names[n], len, err.text);
            }
        }
    }
}

static inline int util_run(void *ctx, struct sk_err *err)
{
    const struct util_file *f = ctx;
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    return sk_image_decode(f->bytes, f->len, NULL, &img, NULL, err);
}

static inline void util_allocations(const char *const *names, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        SK_AUTO(util_file_done) struct util_file f = util_open(names[n]);
        if (sk_alloc_sweep(names[n], util_run, &f, 0) == 0)
            fail_msg("%s: no allocation failed", names[n]);
    }
}

/* ---- a sink that fails ---- */

struct util_sink {
    struct sk_sink sink;
    int calls_left;
};

static inline int util_sink_call(struct util_sink *s, struct sk_err *err)
{
    return s->calls_left-- > 0 ? 0 : sk_fail(err, SK_CANCELLED, "the sink is full");
}

static inline int util_sink_begin(struct sk_sink *sink, uint32_t width, uint32_t height,
                                  struct sk_err *err)
{
    (void)width;
    (void)height;
    return util_sink_call((struct util_sink *)sink, err);
}

static inline int util_sink_rows(struct sk_sink *sink, const uint8_t *rgb, size_t stride,
                                 uint32_t y, uint32_t count, struct sk_err *err)
{
    (void)rgb;
    (void)stride;
    (void)y;
    (void)count;
    return util_sink_call((struct util_sink *)sink, err);
}

/* Its error comes out as it went in; what the decoder held is released (LeakSanitizer). */
static inline void util_full_sinks(const char *const *names, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        SK_AUTO(util_file_done) struct util_file f = util_open(names[n]);
        for (int calls = 0; calls < 2; calls++) {
            struct sk_err err = SK_ERR_INIT;
            const struct sk_format *format = NULL;
            const struct sk_decode_options opts = { 0 };
            struct sk_decode_report report = { 0 };
            const uint8_t *bytes = (const uint8_t *)f.bytes;
            assert_int_equal(sk_format_find(bytes, f.len, &opts, &format, &report.info, &err), 0);
            const struct sk_decode d = {
                .bytes = bytes, .len = f.len, .opts = &opts, .info = &report.info, .report = &report
            };
            struct util_sink s = { { util_sink_begin, util_sink_rows }, calls };
            if (format->decode(&d, &s.sink, &err) != -1 || err.code != SK_CANCELLED ||
                strcmp(err.text, "the sink is full") != 0)
                fail_msg("%s, sink full after %d calls: %s", names[n], calls, err.text);
        }
    }
}

/* ---- what is refused ---- */

/* A file with some bytes replaced, cut to len bytes when len is not 0. */
struct util_bad {
    const char *name, *file;
    size_t at;
    const char *put;
    size_t put_len, len;
    enum sk_code code;
    const char *text; /* in the message */
};

static inline void util_refused(const struct util_bad *rows, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        const struct util_bad *row = &rows[n];
        SK_AUTO(util_file_done) struct util_file f = util_open(row->file);
        assert_true(row->at + row->put_len <= f.len && row->len <= f.len);
        if (row->put_len > 0)
            memcpy(f.bytes + row->at, row->put, row->put_len);
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_image_done) struct sk_image img = { 0 };
        size_t len = row->len > 0 ? row->len : f.len;
        if (sk_image_decode(f.bytes, len, NULL, &img, NULL, &err) != -1)
            fail_msg("%s: accepted", row->name);
        if (err.code != row->code || !strstr(err.text, row->text))
            fail_msg("%s: %s: %s", row->name, sk_code_name(err.code), err.text);
    }
}

#define UTIL_COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The tests of `files` that are the same for every decoder. */
#define UTIL_COMMON_TESTS(files)                                                                   \
    static void test_decode(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        util_decode(files, UTIL_COUNT(files));                                                     \
    }                                                                                              \
    static void test_cuts(void **state)                                                            \
    {                                                                                              \
        (void)state;                                                                               \
        util_cuts(files, UTIL_COUNT(files));                                                       \
    }                                                                                              \
    static void test_allocations(void **state)                                                     \
    {                                                                                              \
        (void)state;                                                                               \
        util_allocations(files, UTIL_COUNT(files));                                                \
    }                                                                                              \
    static void test_full_sinks(void **state)                                                      \
    {                                                                                              \
        (void)state;                                                                               \
        util_full_sinks(files, UTIL_COUNT(files));                                                 \
    }                                                                                              \
    struct util_swallow_semicolon

#define UTIL_COMMON_ROWS                                                                           \
    cmocka_unit_test(test_decode), cmocka_unit_test(test_cuts),                                    \
        cmocka_unit_test(test_allocations), cmocka_unit_test(test_full_sinks)

#endif
