/* dataset_test.h - folders of small pictures for the suites of this folder. */
#ifndef SK_TESTS_DATASET_TEST_H
#define SK_TESTS_DATASET_TEST_H

#include "base/cleanup.h"
#include "base/file.h"
#include "dataset/dataset_priv.h"
#include "harness/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static inline int set_up(void **state)
{
    *state = sk_test_dir();
    return *state ? 0 : -1;
}

static inline int tear_down(void **state)
{
    sk_test_dir_free(*state);
    return 0;
}

/* From now on files of mode 0 cannot be read, by root either; and back. */
static inline void drop_rights(void)
{
    assert_int_equal(geteuid() == 0 ? seteuid(65534) : 0, 0);
}

static inline void regain_rights(void)
{
    assert_int_equal(getuid() == 0 ? seteuid(0) : 0, 0);
}

/* root/name; the buffer is overwritten by the next call but one. */
static inline const char *in(const char *root, const char *name)
{
    static char paths[2][4096];
    static unsigned turn;
    char *path = paths[turn++ % 2];

    (void)snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

/* A file with its folders. */
static inline void put_bytes(const char *root, const char *name, const void *bytes, size_t len)
{
    struct sk_err err = SK_ERR_INIT;
    char path[4096];
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    *strrchr(path, '/') = '\0';
    if (sk_mkdirs(path, 0700, &err) < 0)
        fail_msg("%s", err.text);
    path[strlen(path)] = '/';
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static inline void put_text(const char *root, const char *name, const char *text)
{
    put_bytes(root, name, text, strlen(text));
}

/* Pixels that no two seeds share. */
static inline void fill(struct sk_image *img, uint32_t width, uint32_t height, uint64_t seed)
{
    struct sk_rng r = { seed };
    struct sk_err err = SK_ERR_INIT;

    if (sk_image_alloc(img, width, height, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < (size_t)width * height * 3; i++)
        img->pixels[i] = (uint8_t)sk_rng_next(&r);
}

/* A PNG of width x height. */
static inline void put_picture(const char *root, const char *name, uint32_t width, uint32_t height,
                               uint64_t seed)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_image img = { 0 };
    uint8_t *bytes = NULL;
    size_t len = 0;

    fill(&img, width, height, seed);
    if (sk_image_encode_png(&img, &bytes, &len, &err) < 0)
        fail_msg("%s", err.text);
    put_bytes(root, name, bytes, len);
    free(bytes);
    sk_image_done(&img);
}

/* Two classes, a and b, with `each` pictures of different sizes. */
static inline void put_pictures(const char *root, unsigned each)
{
    for (unsigned i = 0; i < 2 * each; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%c/%03u.png", i < each ? 'a' : 'b', i);
        put_picture(root, name, 9 + i % 5, 7 + i % 3, i);
    }
}

static inline struct sk_dataset *open_dataset(const char *root)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_dataset *d = NULL;

    if (sk_dataset_open(root, NULL, &d, &err) < 0)
        fail_msg("%s", err.text);
    return d;
}

#define TEST_SOURCE                                                                                \
    .side = 8, .threads = 2, .mean = { 0.485f, 0.456f, 0.406f }, .std = { 0.229f, 0.224f, 0.225f }

static inline struct sk_source *open_source(const struct sk_dataset *d, uint64_t cache_bytes)
{
    const struct sk_source_options o = { TEST_SOURCE, .cache_bytes = cache_bytes };
    struct sk_err err = SK_ERR_INIT;
    struct sk_source *s = NULL;

    if (sk_source_open(d, &o, &s, &err) < 0)
        fail_msg("%s", err.text);
    return s;
}

#endif
