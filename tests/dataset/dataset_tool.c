/*
 * dataset_tool.c - folders, tensors and augmentations alone, for tests/it/test_dataset.py.
 *
 *     dataset_tool list ROOT               "CLASS\0" ... "\0" "LABEL PATH\0" ... "\0" "OTHER\0" ...
 *     dataset_tool tensors ROOT SIDE       each sample's tensor, raw float32, in order
 *     dataset_tool change WIDTH HEIGHT     from stdin lines "NAME NUMBER..." each followed by raw
 *                                          pixels; to stdout the changed pixels
 *
 * NAME is flip, crop (x y w h), rotate (degrees), brightness, contrast, saturation, hue.
 */
#include "base/cleanup.h"
#include "base/str.h"
#include "dataset/dataset_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put(const char *text)
{
    (void)fwrite(text, 1, strlen(text) + 1, stdout);
}

static int list(const char *root, struct sk_err *err)
{
    SK_OWN(sk_dataset_free) struct sk_dataset *d = NULL;

    if (sk_dataset_open(root, NULL, &d, err) < 0)
        return -1;
    for (size_t i = 0; i < d->class_count; i++)
        put(d->classes[i]);
    put("");
    for (size_t i = 0; i < d->count; i++) {
        (void)printf("%u ", d->samples[i].label);
        put(d->samples[i].path);
    }
    put("");
    for (size_t i = 0; i < d->other_count; i++)
        put(d->others[i]);
    return 0;
}

static int tensors(const char *root, const char *side, struct sk_err *err)
{
    SK_OWN(sk_dataset_free) struct sk_dataset *d = NULL;
    SK_OWN(sk_source_free) struct sk_source *s = NULL;
    SK_AUTO(sk_indices_done) struct sk_indices all = { 0 };
    SK_OWN(sk_loader_free) struct sk_loader *l = NULL;
    const struct sk_source_options source = { .side = (uint32_t)strtoul(side, NULL, 10),
                                              .mean = { 0.485f, 0.456f, 0.406f },
                                              .std = { 0.229f, 0.224f, 0.225f } };
    const struct sk_loader_options loader = { .batch = 8, .epochs = 1 };
    struct sk_batch b;

    if (sk_dataset_open(root, NULL, &d, err) < 0 || sk_dataset_all(d, &all, err) < 0 ||
        sk_source_open(d, &source, &s, err) < 0 || sk_loader_new(s, &all, &loader, &l, err) < 0 ||
        sk_loader_start(l, 0, 0, err) < 0)
        return -1;
    do {
        if (sk_loader_next(l, &b, err) < 0)
            return -1;
        (void)fwrite(b.pictures, sizeof *b.pictures * 3 * source.side * source.side, b.count,
                     stdout);
    } while (b.total > 0);
    return 0;
}

/* One line of the input, applied. */
static int change(const char *line, struct sk_image *img, struct sk_image *scratch,
                  struct sk_err *err)
{
    static const struct {
        const char *name;
        void (*run)(struct sk_image *, double);
    } colors[] = { { "brightness", sk_augment_brightness },
                   { "contrast", sk_augment_contrast },
                   { "saturation", sk_augment_saturation },
                   { "hue", sk_augment_hue } };

    char name[16];
    double v[4] = { 0 };

    if (sscanf(line, "%15s %lf %lf %lf %lf", name, &v[0], &v[1], &v[2], &v[3]) < 1)
        return sk_fail(err, SK_INVALID, "an empty line");
    for (size_t i = 0; i < sizeof colors / sizeof colors[0]; i++) {
        if (strcmp(name, colors[i].name) == 0) {
            colors[i].run(img, v[0]);
            return 0;
        }
    }
    if (strcmp(name, "crop") == 0) {
        const struct sk_box box = { (uint32_t)v[0], (uint32_t)v[1], (uint32_t)v[2],
                                    (uint32_t)v[3] };
        return sk_augment_crop(img, box, scratch, err);
    }
    if (strcmp(name, "rotate") == 0)
        return sk_augment_rotate(img, v[0], scratch, err);
    if (strcmp(name, "flip") != 0)
        return sk_fail(err, SK_INVALID, "'%s' is no change", name);
    sk_augment_flip(img);
    return 0;
}

static int changes(const char *width, const char *height, struct sk_err *err)
{
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    SK_AUTO(sk_image_done) struct sk_image scratch = { 0 };
    char line[256];

    if (sk_image_alloc(&img, (uint32_t)strtoul(width, NULL, 10),
                       (uint32_t)strtoul(height, NULL, 10), err) < 0)
        return -1;
    const size_t bytes = (size_t)img.width * img.height * 3;
    while (fgets(line, sizeof line, stdin)) {
        if (fread(img.pixels, 1, bytes, stdin) != bytes)
            return sk_fail(err, SK_INVALID, "pixels are missing");
        if (change(line, &img, &scratch, err) < 0)
            return -1;
        (void)fwrite(img.pixels, 1, bytes, stdout);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct sk_err err = SK_ERR_INIT;
    int rc = -1;

    if (argc == 3 && strcmp(argv[1], "list") == 0)
        rc = list(argv[2], &err);
    else if (argc == 4 && strcmp(argv[1], "tensors") == 0)
        rc = tensors(argv[2], argv[3], &err);
    else if (argc == 4 && strcmp(argv[1], "change") == 0)
        rc = changes(argv[2], argv[3], &err);
    else
        (void)sk_fail(&err, SK_USAGE, "unknown arguments");
    if (rc == 0 && fflush(stdout) == 0)
        return 0;
    (void)fprintf(stderr, "dataset_tool: %s\n", err.text);
    return 1;
}
