/*
 * bundle.h - the model bundle: a folder with one .onnx file and the files of the Hugging Face hub
 * beside it, or a lone .onnx.
 *
 *   NAME/ model.onnx (any name) [+ external data]  preprocessor_config.json  config.json
 * skerry.json
 *
 * config.json: id2label (or a list), label2id, num_labels, problem_type; timm's label_names and
 * pretrained_cfg. labels.txt: labels when config.json has none. skerry.json: name, description,
 * grey16, exif_orientation, output, activation (auto|softmax|sigmoid|none), warmup_image, test;
 * unknown keys are reported as a warning text. docs/spec/bundle.md has the rules. Everything is
 * read and checked here, once; the rest of the program sees this structure only.
 */
#ifndef SK_BUNDLE_BUNDLE_H
#define SK_BUNDLE_BUNDLE_H

#include "base/cleanup.h"
#include "base/err.h"
#include "image/image.h"
#include "onnx/onnx.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sk_buf;
struct sk_json;

enum sk_activation {
    SK_ACT_AUTO,
    SK_ACT_SOFTMAX,
    SK_ACT_SIGMOID,
    SK_ACT_NONE
};

/* A picture with what the model makes of it, to see on another machine whether it still does. */
struct sk_bundle_test {
    char *image;  /* path */
    char *label;  /* the best one, as answers have it; NULL: nothing was recorded yet */
    char **names; /* of the probabilities, as answers have them; NULL: they are in label order */
    double *values;
    size_t count;     /* of names and values */
    double tolerance; /* of each probability */
};

struct sk_bundle {
    char *path;        /* as given */
    char *folder;      /* where the files are */
    char *model_path;  /* the .onnx file */
    char *name;        /* skerry.json's name, else the folder's or file's own (without .onnx) */
    char *description; /* NULL: none */
    struct sk_onnx_info *onnx;
    struct sk_json *prep_config; /* preprocessor_config.json, or the config.json of a timm model;
                                    NULL when absent */
    char **labels;               /* one per class, NULL when unknown: class_0... */
    size_t label_count;
    bool multi_label; /* problem_type: multi_label_classification */
    enum sk_activation activation;
    char *output; /* output that holds the scores, NULL: the first */
    bool exif_orientation;
    enum sk_grey16 grey16;
    char *warmup_image;          /* path, NULL: a grey picture */
    struct sk_bundle_test *test; /* NULL: none */
    char *warnings;              /* one per line, NULL: none */
};

/* labels_file: --labels, one a line, or a JSON array or id2label object; NULL: none. Errors:
 * SK_NOT_FOUND, SK_INVALID (several .onnx files, naming them; a wrong field), SK_CORRUPT. */
int sk_bundle_open(const char *path, const char *labels_file, struct sk_bundle **out,
                   struct sk_err *err) SK_CHECK;
void sk_bundle_free(struct sk_bundle *b);
SK_DEFINE_OWN(struct sk_bundle, sk_bundle_free);

enum {
    SK_BUNDLE_NAME_BYTES = 128
};

/* A character that a bundle's name may have: it goes into URLs, metrics and logs. */
bool sk_bundle_is_name_char(char c);

/* True when path is a bundle folder or an .onnx file; false for a folder of models. */
bool sk_bundle_is(const char *path);

/* SHA-256 over the model file and its external data, hex. Remembered in the cache folder by device,
 * inode, size and change time, so an unchanged model is not read again. out: SK_SHA256_HEX bytes.
 */
int sk_bundle_digest(const struct sk_bundle *b, char *out, struct sk_err *err) SK_CHECK;
/* The same for a model that was inspected without a bundle. */
int sk_bundle_digest_files(const char *model_path, const struct sk_onnx_info *onnx, char *out,
                           struct sk_err *err) SK_CHECK;

/* Before a file is published: SK_INVALID when it has a private key (PEM) in its first 64 KiB. name:
 * in messages. */
int sk_bundle_check_file(const char *path, const char *name, struct sk_err *err) SK_CHECK;
/* Files of a bundle's folder that no model needs: "core, notes.txt and 3 more"; nothing: none.
 * Hidden ones do not count. */
int sk_bundle_foreign(const struct sk_bundle *b, struct sk_buf *out, struct sk_err *err) SK_CHECK;

/* A cheap signature of all files (name, size, inode, mtime), to notice changes. */
uint64_t sk_bundle_signature(const char *path);

/* Appends the value of "test" in skerry.json: what a model made of a picture. image: its name
 * inside the bundle; names: of the classes, as answers have them; best: index of the best one. Four
 * decimals, so that machines whose last digits differ write the same; classes by name up to 1000,
 * more as a list. tolerance 0: the default. */
void sk_bundle_test_json(const char *image, const char *const *names, const float *probabilities,
                         size_t count, size_t best, double tolerance, struct sk_buf *out);

/* "class_7" or the label; buf is used for made-up names (at least 24 bytes). */
const char *sk_bundle_label(const struct sk_bundle *b, size_t index, char *buf);

#endif
