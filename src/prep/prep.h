/*
 * prep.h - from pictures to tensors and from outputs to results, as the model's configuration says.
 *
 * A preprocessor_config.json of the Hugging Face hub (image classifiers) becomes a plan of steps:
 * convert to RGB, resize, centre crop, rescale, normalise, lay out. The numbers equal those of the
 * "slow" (PIL and numpy) processors of transformers bit for bit: float32(float64(x) *
 * rescale_factor), then (v - mean) / std in float32 (proven by tests/it/test_prep.py). Without the
 * file: resize to the input's height x width, bicubic, 1/255, ImageNet mean and std.
 *
 * A plan is immutable once made and may be shared by threads.
 */
#ifndef SK_PREP_PREP_H
#define SK_PREP_PREP_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/dtype.h"
#include "base/err.h"
#include "image/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sk_prep;
struct sk_json;

/* What pretrained networks are used to. */
extern const double sk_imagenet_mean[3], sk_imagenet_std[3];

/* The model's image input: what the tensor must look like. */
struct sk_prep_input {
    enum sk_dtype dtype;    /* SK_DT_F32, SK_DT_F16, SK_DT_U8; U8 gets the pixels as they are */
    bool channels_last;     /* NHWC */
    uint32_t height, width; /* 0: the model takes any */
};

/* Finds out whether a tensor can hold a picture: rank 4 with 3 channels first or last, rank 3
 * without batch; -1 in dims is an open size. False: it is not an image input. */
bool sk_prep_input_of(enum sk_dtype dtype, unsigned rank, const int64_t *dims,
                      struct sk_prep_input *out);

struct sk_prep_extra { /* from skerry.json */
    bool exif_orientation;
    enum sk_grey16 grey16;
};

/* config: the parsed preprocessor_config.json, NULL for the defaults. A size that contradicts the
 * input's fixed one is SK_INVALID naming both. Unknown fields are ignored; a field of the wrong
 * type is an error naming it; an image_processor_type that needs what we lack is SK_UNSUPPORTED. */
int sk_prep_new(const struct sk_json *config, const struct sk_prep_input *input,
                const struct sk_prep_extra *extra, struct sk_prep **out,
                struct sk_err *err) SK_CHECK;
void sk_prep_free(struct sk_prep *p);
SK_DEFINE_OWN(struct sk_prep, sk_prep_free);

/* Size of one picture's tensor, without the batch dimension. With a fixed plan it does not depend
 * on the picture; is_fixed tells (shortest_edge without a crop is not fixed). */
bool sk_prep_is_fixed(const struct sk_prep *p, uint32_t *height, uint32_t *width, size_t *bytes);

/* Bytes of one picture's tensor; reads the picture's header when the plan is not fixed. A picture
 * beyond max_pixels is SK_LIMIT. */
int sk_prep_measure(const struct sk_prep *p, const void *bytes, size_t len, uint64_t max_pixels,
                    size_t *out, struct sk_err *err) SK_CHECK;
int sk_prep_measure_pixels(const struct sk_prep *p, uint32_t width, uint32_t height, size_t *out,
                           struct sk_err *err) SK_CHECK;

/* Scratch of one thread; reused. */
struct sk_prep_work;
struct sk_prep_work *sk_prep_work_new(void);
void sk_prep_work_free(struct sk_prep_work *w);
SK_DEFINE_OWN(struct sk_prep_work, sk_prep_work_free);
/* Decoding ends with SK_TIMEOUT when it is later than this (monotonic, base/clock.h; 0: never).
 * Holds for every sk_prep_run until set again. */
void sk_prep_work_deadline(struct sk_prep_work *w, uint64_t deadline_ns);

struct sk_prep_report {
    struct sk_decode_report decode;
    uint64_t normalise_ns;
    uint32_t height, width; /* of the tensor */
};

/* Decodes, resizes, crops and normalises one picture into dst (cap_bytes; a fixed plan needs
 * sk_prep_is_fixed's bytes; otherwise SK_LIMIT when too small). max_pixels 0: the default.
 * two_threads: see image.h. report may be NULL. */
int sk_prep_run(const struct sk_prep *p, const void *bytes, size_t len, uint64_t max_pixels,
                bool two_threads, struct sk_prep_work *work, void *dst, size_t cap_bytes,
                struct sk_prep_report *report, struct sk_err *err) SK_CHECK;
/* The same from pixels. */
int sk_prep_run_pixels(const struct sk_prep *p, const struct sk_image *rgb,
                       struct sk_prep_work *work, void *dst, size_t cap_bytes,
                       struct sk_prep_report *report, struct sk_err *err) SK_CHECK;

/* What is done, one step a line, for `model inspect`: "crop the centre 224 x 224 (height x width)".
 */
void sk_prep_describe(const struct sk_prep *p, struct sk_buf *out);
/* As JSON with the names of preprocessor_config.json. */
void sk_prep_json(const struct sk_prep *p, struct sk_buf *out);

/* ---- results ---- */
enum sk_problem {
    SK_PROBLEM_SINGLE, /* one class is right: softmax */
    SK_PROBLEM_MULTI   /* each class for itself: sigmoid */
};

struct sk_score {
    uint32_t index;
    float probability;
};

/* Scores to probabilities, in place allowed: softmax over n in double, or sigmoid each. When
 * `already` is set the scores are probabilities and are copied. */
void sk_prep_probabilities(const float *scores, size_t n, enum sk_problem problem, bool already,
                           float *out);
/* Rows of scores that sum to 1 within 1e-3 and lie in 0..1: a model that ends in Softmax. */
bool sk_prep_looks_normalised(const float *scores, size_t n);
/* The k best, best first, lower index first among equals. out has room for k; returns min(k, n).
 * NaN sorts last. */
size_t sk_prep_top(const float *probabilities, size_t n, size_t k, struct sk_score *out);

#endif
