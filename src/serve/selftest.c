/*
 * selftest.c - the test of all models on one thread, with lanes of its own: workers go on with
 * their requests.
 *
 * A model with a record must give what was recorded. Without one, three pictures of our own must
 * give sane results: grey, a gradient, blocks of colours. The time of a run is that of a lone
 * thread, from bytes to probabilities, so that two versions of a model can be compared on a machine
 * that is at work.
 */
#include "serve/selftest_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

enum {
    SIDE = 256
};

/* What is said of all models. */
struct outcome {
    const struct sk_selftest *test;
    bool is_generated; /* a model without a record was among them */
    unsigned models;
    double median_ms;      /* of the slowest */
    char *label;           /* of the first */
    char why[SK_ERR_TEXT]; /* "" while all is well */
};

struct pictures {
    void *bytes[SK_SELFTEST_PICTURES];
    size_t lens[SK_SELFTEST_PICTURES];
    unsigned count;
};

static void pictures_done(struct pictures *p)
{
    for (unsigned i = 0; i < p->count; i++)
        free(p->bytes[i]);
}

/* ---- pictures ---- */

static void paint(unsigned which, unsigned x, unsigned y, uint8_t *px)
{
    const unsigned block = x / 32 * 37 + y / 32 * 101;

    px[0] = (uint8_t)(which == 0 ? 128 : which == 1 ? x : block * 3);
    px[1] = (uint8_t)(which == 0 ? 128 : which == 1 ? y : block * 7);
    px[2] = (uint8_t)(which == 0 ? 128 : which == 1 ? 255 - x : block * 13);
}

int sk_selftest_picture(unsigned which, uint8_t **out, size_t *len, struct sk_err *err)
{
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };

    if (sk_image_alloc(&img, SIDE, SIDE, err) < 0)
        return -1;
    for (unsigned y = 0; y < SIDE; y++)
        for (unsigned x = 0; x < SIDE; x++)
            paint(which, x, y, img.pixels + ((size_t)y * SIDE + x) * 3);
    return sk_image_encode_png(&img, out, len, err);
}

static bool has_record(const struct sk_bundle *b)
{
    return b->test && b->test->label;
}

/* The record's picture, else ours. */
static int open_pictures(const struct sk_bundle *b, struct pictures *p, struct sk_err *err)
{
    if (has_record(b)) {
        char *text = NULL;
        if (sk_file_read(b->test->image, SK_LIMIT_BODY_BYTES, &text, &p->lens[0], err) < 0)
            return -1;
        p->bytes[p->count++] = text;
        return 0;
    }
    while (p->count < SK_SELFTEST_PICTURES) {
        uint8_t *png = NULL;
        if (sk_selftest_picture(p->count, &png, &p->lens[p->count], err) < 0)
            return -1;
        p->bytes[p->count++] = png;
    }
    return 0;
}

/* ---- one model ---- */

static int run_once(const struct sk_selftest *t, struct sk_lane *lane, const void *bytes,
                    size_t len, struct sk_result *r, struct sk_err *err)
{
    const uint64_t deadline_ns = sk_now_ns() + t->run_ms * 1000000;

    sk_lane_deadline(lane, deadline_ns);
    if (sk_lane_prepare(lane, bytes, len, t->max_pixels, false, r, err) < 0 ||
        sk_pool_guard(t->pool, t->worker, deadline_ns, sk_lane_run(lane), err) < 0)
        return -1;
    int rc = sk_lane_infer(lane, false, r, err);
    sk_pool_unguard(t->pool, t->worker);
    if (rc < 0 && err->code == SK_CANCELLED)
        return sk_fail(err, SK_TIMEOUT, "a prediction took more than %llu ms",
                       (unsigned long long)t->run_ms);
    return rc;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static int keep_label(struct outcome *o, const struct sk_classifier *c, const struct sk_result *r,
                      struct sk_err *err)
{
    struct sk_score best;

    if (o->label)
        return 0;
    (void)sk_prep_top(r->probabilities, r->classes, 1, &best);
    o->label = strdup(sk_classifier_label(c, best.index));
    return o->label ? 0 : sk_nomem(err);
}

static int run_all(struct outcome *o, struct sk_classifier *c, struct sk_err *err)
{
    const struct sk_bundle *b = sk_classifier_bundle(c);
    SK_AUTO(pictures_done) struct pictures p = { 0 };
    SK_OWN(sk_lane_free) struct sk_lane *lane = NULL;
    double took_ms[SK_SELFTEST_RUNS];

    if (open_pictures(b, &p, err) < 0 || sk_lane_new(c, &lane, err) < 0)
        return -1;
    for (unsigned i = 0; i < SK_SELFTEST_RUNS; i++) {
        const unsigned k = i % p.count;
        const uint64_t start_ns = sk_now_ns();
        struct sk_result r;
        if (run_once(o->test, lane, p.bytes[k], p.lens[k], &r, err) < 0)
            return -1;
        took_ms[i] = (double)(sk_now_ns() - start_ns) / 1e6;
        if (sk_record_sane(c, &r, err) < 0 ||
            (has_record(b) && sk_record_check(c, b->test, &r, err) < 0) ||
            keep_label(o, c, &r, err) < 0)
            return -1;
    }
    qsort(took_ms, SK_SELFTEST_RUNS, sizeof *took_ms, by_value);
    if (took_ms[SK_SELFTEST_RUNS / 2] > o->median_ms)
        o->median_ms = took_ms[SK_SELFTEST_RUNS / 2];
    return 0;
}

/* A model that takes tensors only is fine unless its bundle says that it knows classes. */
static int check(struct outcome *o, struct sk_classifier *c, struct sk_err *err)
{
    const struct sk_bundle *b = sk_classifier_bundle(c);
    const char *refusal = sk_classifier_refusal(c);

    if (refusal && (b->labels || b->test))
        return sk_fail(err, SK_MISMATCH, "%s", refusal);
    o->models++;
    if (refusal)
        return 0;
    o->is_generated |= !has_record(b);
    return run_all(o, c, err);
}

/* ---- all of them ---- */

static void visit(void *ctx, struct sk_slot *slot, enum sk_slot_state state, const char *reason,
                  struct sk_loaded *loaded)
{
    struct outcome *o = ctx;
    struct sk_err err = SK_ERR_INIT;

    if (o->why[0])
        return;
    if (state == SK_SLOT_UNAVAILABLE && !loaded)
        (void)snprintf(o->why, sizeof o->why, "%s: %.400s", slot->name, reason);
    else if (loaded && check(o, loaded->classifier, &err) < 0)
        (void)snprintf(o->why, sizeof o->why, "%s: %.400s", slot->name, err.text);
}

void sk_selftest(const struct sk_selftest *t, struct sk_buf *out)
{
    struct outcome o = { .test = t };

    sk_models_each(t->models, visit, &o);
    if (!o.why[0] && o.models == 0)
        (void)snprintf(o.why, sizeof o.why, "no model is ready");
    sk_buf_fmt(out, "{\"ok\":%s,\"why\":", o.why[0] ? "false" : "true");
    sk_buf_json_str(out, o.why);
    sk_buf_fmt(out, ",\"source\":\"%s\",\"medianMs\":%.3f,\"label\":",
               o.is_generated ? "generated" : "record", o.median_ms);
    sk_buf_json_str(out, o.label ? o.label : "");
    sk_buf_fmt(out, ",\"models\":%u}", o.models);
    free(o.label);
}
