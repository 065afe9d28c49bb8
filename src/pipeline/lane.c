/*
 * lane.c - one worker's way through a classifier: bytes to tensor, tensor to scores, scores to
 * probabilities.
 *
 * The picture is written straight into the buffer that the engine reads. A lane allocates while it
 * meets its largest picture and not afterwards. Models with a fixed batch get their other rows as
 * zeros and their answers are dropped.
 */
#include "pipeline/pipeline_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A picture that asks for more is refused before its pixels are decoded; only open sizes can ask.
 */
enum {
    TENSOR_BYTES_MAX = 512 << 20,
    TRIAL_SIDE = 256
};

int sk_lane_new(struct sk_classifier *c, struct sk_lane **out, struct sk_err *err)
{
    SK_OWN(sk_lane_free) struct sk_lane *l = calloc(1, sizeof(*l));
    size_t classes = c->classes > 0 ? c->classes : 1;

    if (!l)
        return sk_nomem(err);
    l->c = sk_classifier_ref(c);
    if (sk_run_new(c->net, &l->run, err) < 0)
        return -1;
    l->work = sk_prep_work_new();
    l->wanted = calloc(sk_net_info(c->net)->output_count + 1, sizeof(*l->wanted));
    l->scores = calloc(classes, sizeof(*l->scores));
    l->probabilities = calloc(classes, sizeof(*l->probabilities));
    if (!l->work || !l->wanted || !l->scores || !l->probabilities)
        return sk_nomem(err);
    l->wanted[c->output] = true;
    *out = SK_TAKE(l);
    return 0;
}

void sk_lane_free(struct sk_lane *l)
{
    if (!l)
        return;
    free(l->probabilities);
    free(l->scores);
    free(l->wanted);
    sk_prep_work_free(l->work);
    sk_run_free(l->run);
    sk_classifier_unref(l->c);
    free(l);
}

struct sk_run *sk_lane_run(struct sk_lane *l)
{
    return l->run;
}

void sk_lane_deadline(struct sk_lane *l, uint64_t deadline_ns)
{
    sk_prep_work_deadline(l->work, deadline_ns);
}

/* ---- in ---- */

/* The place for one picture's tensor of `bytes`, and of the other rows of a fixed batch. */
static void *input_buffer(struct sk_lane *l, size_t bytes, struct sk_err *err)
{
    size_t all = bytes * l->c->batch; /* at most 512 MiB times 64 */
    char *buffer;

    if (bytes > TENSOR_BYTES_MAX) {
        (void)sk_fail(err, SK_LIMIT, "the picture makes a tensor of %zu MiB; the limit is %d",
                      bytes >> 20, TENSOR_BYTES_MAX >> 20);
        return NULL;
    }
    buffer = sk_run_input_buffer(l->run, 0, all, err);
    if (buffer && l->c->batch > 1)
        memset(buffer + bytes, 0, all - bytes);
    return buffer;
}

static void set_input(struct sk_lane *l, void *data, const struct sk_prep_report *report)
{
    const struct sk_prep_input *image = &l->c->image;
    struct sk_tensor *t = &l->input;
    int64_t h = report->height, w = report->width;
    int64_t *d = t->dims;

    *t = (struct sk_tensor){ .dtype = image->dtype, .rank = l->c->has_batch ? 4 : 3, .data = data };
    if (l->c->has_batch)
        *d++ = l->c->batch;
    d[0] = image->channels_last ? h : 3;
    d[1] = image->channels_last ? w : h;
    d[2] = image->channels_last ? 3 : w;
    t->size_bytes = (size_t)l->c->batch * report->height * report->width * 3 *
                    sk_dtype_size(image->dtype);
}

int sk_lane_prepare(struct sk_lane *l, const void *bytes, size_t len, uint64_t max_pixels,
                    bool two_threads, struct sk_result *out, struct sk_err *err)
{
    struct sk_prep_report report;
    size_t size;
    void *buffer;

    if (l->c->refusal[0] != '\0')
        return sk_fail(err, SK_NOT_SCORES, "%s", l->c->refusal);
    if (sk_prep_measure(l->c->prep, bytes, len, max_pixels, &size, err) < 0)
        return -1;
    buffer = input_buffer(l, size, err);
    if (!buffer || sk_prep_run(l->c->prep, bytes, len, max_pixels, two_threads, l->work, buffer,
                               size, &report, err) < 0)
        return -1;
    set_input(l, buffer, &report);
    out->prep = report;
    return 0;
}

static int prepare_pixels(struct sk_lane *l, const struct sk_image *img, struct sk_err *err)
{
    struct sk_prep_report report;
    size_t size;
    void *buffer;

    if (sk_prep_measure_pixels(l->c->prep, img->width, img->height, &size, err) < 0)
        return -1;
    buffer = input_buffer(l, size, err);
    if (!buffer || sk_prep_run_pixels(l->c->prep, img, l->work, buffer, size, &report, err) < 0)
        return -1;
    set_input(l, buffer, &report);
    return 0;
}

/* ---- out ---- */

static float score_at(const struct sk_tensor *t, size_t i)
{
    if (t->dtype == SK_DT_F16)
        return sk_half_to_float(((const uint16_t *)t->data)[i]);
    if (t->dtype == SK_DT_F64)
        return (float)((const double *)t->data)[i];
    return ((const float *)t->data)[i];
}

/* Runs the model on what was prepared; *t is its scores, count those of the first row. */
static int run_model(struct sk_lane *l, bool wide, const struct sk_tensor **t, size_t *count,
                     uint64_t *infer_ns, struct sk_err *err)
{
    const struct sk_tensor *outputs;

    if (sk_run_exec(l->run, &l->input, l->wanted, wide, &outputs, infer_ns, err) < 0)
        return -1;
    *t = &outputs[l->c->output];
    if (!sk_pipeline_is_scores((*t)->dtype, (*t)->rank, (*t)->dims, l->c->batch, count) ||
        *count == 0)
        return sk_fail(err, SK_NOT_SCORES,
                       "the output '%s' has another shape than class scores for this picture",
                       sk_net_info(l->c->net)->outputs[l->c->output].name);
    return 0;
}

int sk_lane_infer(struct sk_lane *l, bool wide, struct sk_result *out, struct sk_err *err)
{
    const struct sk_classifier *c = l->c;
    const struct sk_tensor *t;
    uint64_t infer_ns = 0, start;
    size_t count;

    if (run_model(l, wide, &t, &count, &infer_ns, err) < 0)
        return -1;
    if (count != c->classes)
        return sk_fail(err, SK_BUG, "the model gave %zu scores, not %zu", count, c->classes);
    start = sk_now_ns();
    for (size_t i = 0; i < count; i++)
        l->scores[i] = score_at(t, i);
    sk_prep_probabilities(l->scores, count, c->problem, c->already, l->probabilities);
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(l->probabilities[i]))
            return sk_fail(err, SK_BUG, "the model's score of class %zu is not a number", i);
    }
    out->probabilities = l->probabilities;
    out->scores = l->scores;
    out->classes = count;
    out->infer_ns = infer_ns;
    out->post_ns = sk_now_ns() - start;
    return 0;
}

/* Rows of scores: [C], [N,C] or [N,C,1,1]; 0: it has another shape. */
static size_t rows_of(const struct sk_tensor *t, size_t classes)
{
    const int64_t rows = t->rank > 1 ? t->dims[0] : 1;
    size_t count = 0;

    if (rows <= 0 || rows > UINT32_MAX ||
        !sk_pipeline_is_scores(t->dtype, t->rank, t->dims, (uint32_t)rows, &count) ||
        count != classes)
        return 0;
    return (size_t)rows;
}

bool sk_lane_best(struct sk_lane *l, const struct sk_tensor *outputs, const bool *wanted,
                  size_t row, struct sk_score *out)
{
    const struct sk_classifier *c = l->c;
    const struct sk_tensor *t = &outputs[c->output];

    if (c->refusal[0] != '\0' || !wanted[c->output] || row >= rows_of(t, c->classes))
        return false;
    for (size_t i = 0; i < c->classes; i++)
        l->scores[i] = score_at(t, row * c->classes + i);
    sk_prep_probabilities(l->scores, c->classes, c->problem, c->already, l->probabilities);
    return sk_prep_top(l->probabilities, c->classes, 1, out) == 1;
}

int sk_lane_classify(struct sk_lane *l, const void *bytes, size_t len, uint64_t max_pixels,
                     bool wide, struct sk_result *out, struct sk_err *err)
{
    struct sk_result r = { 0 };

    if (sk_lane_prepare(l, bytes, len, max_pixels, wide, &r, err) < 0 ||
        sk_lane_infer(l, wide, &r, err) < 0)
        return -1;
    *out = r;
    return 0;
}

/* ---- pictures of our own ---- */

/* 0: even grey. Others: blocks of colours, different for each. */
static int draw(unsigned picture, struct sk_image *img, struct sk_err *err)
{
    uint8_t *px;

    if (sk_image_alloc(img, TRIAL_SIDE, TRIAL_SIDE, err) < 0)
        return -1;
    px = img->pixels;
    for (uint32_t y = 0; y < TRIAL_SIDE; y++) {
        for (uint32_t x = 0; x < TRIAL_SIDE; x++, px += 3) {
            uint32_t block = (x / 32 * 7 + y / 32 * 13) * picture;
            px[0] = (uint8_t)(128 + block * 37);
            px[1] = (uint8_t)(128 + block * 101 + (picture ? x : 0));
            px[2] = (uint8_t)(128 + block * 61 + (picture ? y : 0));
        }
    }
    return 0;
}

int sk_pipeline_trial(struct sk_classifier *c, unsigned picture, float **scores, size_t *count,
                      struct sk_err *err)
{
    SK_OWN(sk_lane_free) struct sk_lane *l = NULL;
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    const struct sk_tensor *t;
    float *copy;
    size_t n;

    if (sk_lane_new(c, &l, err) < 0 || draw(picture, &img, err) < 0 ||
        prepare_pixels(l, &img, err) < 0 || run_model(l, false, &t, &n, NULL, err) < 0)
        return -1;
    copy = malloc(n * sizeof(*copy));
    if (!copy)
        return sk_nomem(err);
    for (size_t i = 0; i < n; i++)
        copy[i] = score_at(t, i);
    *scores = copy;
    *count = n;
    return 0;
}

static int prepare_warm_up(struct sk_lane *l, struct sk_err *err)
{
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    SK_OWN(free) char *bytes = NULL;
    const char *path = l->c->bundle->warmup_image;
    struct sk_result unused;
    size_t len;

    if (!path)
        return draw(0, &img, err) < 0 ? -1 : prepare_pixels(l, &img, err);
    if (sk_file_read(path, SK_LIMIT_BODY_BYTES, &bytes, &len, err) < 0)
        return -1;
    if (sk_lane_prepare(l, bytes, len, 0, false, &unused, err) < 0)
        return sk_wrap(err, "%s", path);
    return 0;
}

int sk_lane_warm(struct sk_lane *l, struct sk_err *err)
{
    struct sk_result unused;

    if (l->c->refusal[0] != '\0')
        return 0;
    if (prepare_warm_up(l, err) < 0 || sk_lane_infer(l, false, &unused, err) < 0 ||
        sk_lane_infer(l, true, &unused, err) < 0)
        return sk_wrap(err, "warm-up");
    return 0;
}
