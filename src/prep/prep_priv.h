/*
 * prep_priv.h - a plan and the steps that make it up. For this folder and its tests.
 *
 * A plan is the settings of every step. Nothing is executed step by step: the steps that move
 * pixels (place) turn a picture's size into one resize of one window, which the decoder does while
 * the rows are in the cache; the steps that change values (value) are run once for all 256 bytes,
 * which leaves a table look-up per pixel.
 */
#ifndef SK_PREP_PREP_PRIV_H
#define SK_PREP_PREP_PRIV_H

#include "prep/prep.h"
#include "json/json.h"

enum sk_size_rule {
    SK_SIZE_KEEP,       /* no resize */
    SK_SIZE_EXACT,      /* a = height, b = width */
    SK_SIZE_SHORT,      /* a = the short side; the long one follows */
    SK_SIZE_SHORT_LONG, /* a = the short side, unless the long one would exceed b */
    SK_SIZE_WITHIN      /* a = most height, b = most width; one of them is reached */
};

enum sk_crop_rule {
    SK_CROP_NONE,
    SK_CROP_CENTRE,     /* transformers: floor((picture - crop) / 2) */
    SK_CROP_CENTRE_EVEN /* torchvision: halves round to even */
};

struct sk_prep {
    struct sk_prep_input input;
    struct sk_decode_options decode;

    /* Settings, each group written and read by the step of its name. */
    struct {
        enum sk_size_rule rule;
        uint32_t a, b;
        enum sk_filter filter;
    } resize;

    struct {
        enum sk_crop_rule rule;
        uint32_t height, width;
    } crop;

    struct {
        bool is_on;
        bool divides;   /* by 255 in float32, as torchvision does; else times factor in float64 */
        bool minus_one; /* EfficientNet's rescale_offset */
        double factor;
    } rescale;

    struct {
        bool is_on;
        bool twice; /* EfficientNet's include_top: divided by std once more */
        double mean[3], std[3];
    } normalise;

    struct {
        bool is_on; /* blue first */
    } flip;

    /* Made from the settings by sk_prep_finish. */
    bool is_fixed;
    uint32_t height, width; /* of the tensor when is_fixed */
    float lut[3][256];      /* by channel of the tensor, not of the picture */
    uint16_t half[3][256];
};

/* Where one picture's pixels go. */
struct sk_frame {
    uint32_t resized_w, resized_h; /* the whole picture after the resize */
    uint32_t x, y, w, h;           /* the window of it that is kept */
    uint32_t left, top;            /* where the window lies in the output; the rest is black */
    uint32_t out_w, out_h;
};

/* A transformers class of processors: how it differs from the others (processors.c). */
enum sk_size_style {
    SK_STYLE_PLAIN,
    SK_STYLE_CONVNEXT, /* below 384: short side n / crop_pct, then a crop to n; else squashed to n x
                          n */
    SK_STYLE_POOLFORMER, /* size / crop_pct */
    SK_STYLE_LEVIT       /* short side n * 256 / 224 */
};

struct sk_processor {
    const char *name; /* without ImageProcessor, FeatureExtractor, Fast */
    enum sk_size_style style;
    bool is_square; /* what an integer size, and the default, means: height and width, or the short
                       side */
    uint16_t size;  /* default */
    bool crops;     /* default of do_center_crop */
    uint16_t crop_size;    /* default; 0: none */
    enum sk_filter filter; /* default of resample */
    bool normalises;       /* default of do_normalize */
    const double *mean, *std;
    bool flips;          /* default of do_flip_channel_order */
    const char *refusal; /* why it is not supported, NULL: it is */
};

/* The class that a configuration names, or the one for configurations that name none. */
int sk_processor_find(const struct sk_json *config, const struct sk_processor **out,
                      struct sk_err *err) SK_CHECK;

struct sk_step {
    const char *name;
    /* Takes the step's settings from a preprocessor_config.json. */
    int (*read)(const struct sk_json *config, const struct sk_processor *processor,
                struct sk_prep *p, struct sk_err *err);
    /* Changes the frame; NULL: does not move pixels. */
    int (*place)(const struct sk_prep *p, struct sk_frame *f, struct sk_err *err);
    /* A value's successor, in float32; NULL: does not change values. */
    float (*value)(const struct sk_prep *p, unsigned channel, float v);
    /* One line for people, without its end; nothing when the step is off. */
    void (*describe)(const struct sk_prep *p, struct sk_buf *out);
    /* Its fields of preprocessor_config.json, "key":value with commas between. */
    void (*json)(const struct sk_prep *p, struct sk_buf *out);
};

/* In the order of execution; ends with NULL (steps.c). */
extern const struct sk_step *const sk_steps[];
extern const struct sk_step sk_step_refuse, sk_step_resize, sk_step_crop, sk_step_rescale,
    sk_step_normalise, sk_step_flip;

/* A pair of sides as configurations write them: n, [h, w], {"height", "width"}. 0 when none of
 * these. */
int sk_prep_read_sides(const struct sk_json *v, const char *key, uint32_t *height, uint32_t *width,
                       struct sk_err *err) SK_CHECK;
/* 1..65500. */
int sk_prep_read_side(const struct sk_json *v, const char *key, uint32_t *out,
                      struct sk_err *err) SK_CHECK;
/* 0..5 or a name. */
int sk_prep_read_filter(const struct sk_json *config, const char *key, enum sk_filter *out,
                        struct sk_err *err) SK_CHECK;
/* One number for all channels, or three. */
int sk_prep_read_three(const struct sk_json *config, const char *key, double *out,
                       struct sk_err *err) SK_CHECK;
/* [1,2,3] */
void sk_prep_json_three(const double *v, struct sk_buf *out);

/* timm.c: the settings of a timm config.json or its pretrained_cfg. */
bool sk_prep_is_timm(const struct sk_json *config);
int sk_prep_read_timm(const struct sk_json *config, struct sk_prep *p, struct sk_err *err) SK_CHECK;

/* plan.c: settings to frame and tables. */
int sk_prep_place(const struct sk_prep *p, uint32_t width, uint32_t height, struct sk_frame *out,
                  struct sk_err *err) SK_CHECK;
int sk_prep_finish(struct sk_prep *p, struct sk_err *err) SK_CHECK;

#endif
