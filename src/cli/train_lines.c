/*
 * train_lines.c - what `skerry train` shows.
 *
 * Standard output: "Epoch 1/50, Loss: 0.6931" with validation figures after it, and the result;
 * with --log-json one object per event instead. Standard error: notes, and on a terminal a bar that
 * is redrawn ten times a second.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "cli/cli_priv.h"
#include "cli/predict_priv.h"
#include "cli/train_priv.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum {
    LINE = 8192
};

static const uint64_t redraw_ns = 100000000;

static void show_json(struct sk_buf *line)
{
    sk_buf_str(line, "}\n");
    if (sk_buf_ok(line))
        (void)fputs(line->data, stdout);
    (void)fflush(stdout);
}

static void field(struct sk_buf *line, const char *key, double value)
{
    sk_buf_fmt(line, ", \"%s\": ", key);
    sk_buf_num(line, value, 9);
}

static void clear(struct sk_train_lines *l)
{
    if (l->drawn)
        (void)fputs("\r\033[K", stderr);
    l->drawn = false;
}

/* True when a bar may be drawn now; the last one of a run is always drawn. */
static bool is_due(struct sk_train_lines *l, bool last)
{
    uint64_t now = sk_now_ns();

    if (!l->has_bar || (!last && now - l->last_ns < redraw_ns))
        return false;
    l->last_ns = now;
    l->drawn = true;
    return true;
}

/* A total that is not known yet: an empty bar. */
static void bar(struct sk_buf *line, uint64_t done, uint64_t total)
{
    sk_progress_bar(total ? done : 0, total ? total : 1, line);
}

static void draw(const struct sk_buf *line)
{
    if (sk_buf_ok(line))
        (void)fprintf(stderr, "\r%s\033[K", line->data);
}

static void note(void *ctx, const char *text)
{
    SK_AUTO(sk_buf_done) struct sk_buf line = SK_BUF_INIT(LINE);
    struct sk_train_lines *l = ctx;

    clear(l);
    if (!l->json) {
        (void)fprintf(stderr, "%s\n", text);
        return;
    }
    sk_buf_str(&line, "{\"event\": \"note\", \"text\": ");
    sk_buf_json_str(&line, text);
    show_json(&line);
}

static void checked(void *ctx, size_t done, size_t total)
{
    SK_AUTO(sk_buf_done) struct sk_buf line = SK_BUF_INIT(LINE);
    struct sk_train_lines *l = ctx;

    if (!is_due(l, done == total))
        return;
    bar(&line, done, total);
    sk_buf_fmt(&line, " checking pictures %zu/%zu", done, total);
    draw(&line);
}

static void fetched(void *ctx, const char *file, uint64_t done, uint64_t total)
{
    SK_AUTO(sk_buf_done) struct sk_buf line = SK_BUF_INIT(LINE);
    struct sk_train_lines *l = ctx;

    if (!is_due(l, done == total))
        return;
    bar(&line, done, total);
    sk_buf_fmt(&line, " fetching %s %.1f of %.1f MB", file, (double)done / 1e6,
               (double)total / 1e6);
    draw(&line);
}

static void batch(void *ctx, const struct sk_train_batch *b)
{
    SK_AUTO(sk_buf_done) struct sk_buf line = SK_BUF_INIT(LINE);
    struct sk_train_lines *l = ctx;
    uint64_t left = (uint64_t)(b->left_s + 0.5);

    if (atomic_load_explicit(l->stop, memory_order_relaxed) && !l->told_stop) {
        l->told_stop = true;
        note(l, "stopping; the bundle and a checkpoint are being written (once more ends at once)");
    }
    if (!is_due(l, false))
        return;
    sk_buf_fmt(&line, "Epoch %u/%u ", b->epoch, b->epochs);
    bar(&line, b->batch, b->batches);
    sk_buf_fmt(
        &line, " %zu/%zu  loss %.4f  %.1f images/s  %" PRIu64 ":%02" PRIu64 ":%02" PRIu64 " left",
        b->batch, b->batches, b->loss, b->images_per_s, left / 3600, left / 60 % 60, left % 60);
    draw(&line);
}

static void epoch_json(const struct sk_train_epoch *e)
{
    SK_AUTO(sk_buf_done) struct sk_buf line = SK_BUF_INIT(LINE);

    sk_buf_fmt(&line, "{\"event\": \"epoch\", \"epoch\": %u, \"epochs\": %u", e->epoch, e->epochs);
    field(&line, "loss", e->loss);
    field(&line, "accuracy", e->accuracy);
    field(&line, "val_loss", e->val_loss);
    field(&line, "val_accuracy", e->val_accuracy);
    field(&line, "lr", e->lr);
    field(&line, "seconds", e->seconds);
    field(&line, "images_per_s", e->images_per_s);
    field(&line, "waited_s", e->waited_s);
    show_json(&line);
}

static void epoch(void *ctx, const struct sk_train_epoch *e)
{
    struct sk_train_lines *l = ctx;

    clear(l);
    if (l->json) {
        epoch_json(e);
        return;
    }
    (void)printf("Epoch %u/%u, Loss: %.4f", e->epoch, e->epochs, e->loss);
    if (!isnan(e->val_loss))
        (void)printf(", Val Loss: %.4f, Val Accuracy: %.4f", e->val_loss, e->val_accuracy);
    (void)printf("\n");
    (void)fflush(stdout);
}

struct sk_train_watch sk_train_lines_watch(struct sk_train_lines *lines, bool json,
                                           const atomic_bool *stop)
{
    *lines = (struct sk_train_lines){ .json = json,
                                      .has_bar = !json && isatty(STDERR_FILENO),
                                      .stop = stop };
    return (struct sk_train_watch){ .note = note,
                                    .checked = checked,
                                    .fetched = fetched,
                                    .batch = batch,
                                    .epoch = epoch,
                                    .ctx = lines };
}

void sk_train_lines_end(struct sk_train_lines *lines)
{
    clear(lines);
}

static void result_json(const struct sk_train_options *o, const struct sk_train_result *r,
                        struct sk_buf *out)
{
    sk_buf_str(out, "{\"event\": \"result\", \"bundle\": ");
    sk_buf_json_str(out, o->output_dir);
    sk_buf_fmt(
        out,
        ", \"reused\": %s, \"interrupted\": %s, \"stopped_early\": %s, \"evaluated_on\": \"%s\"",
        r->reused ? "true" : "false", r->interrupted ? "true" : "false",
        r->stopped_early ? "true" : "false",
        !r->has_figures ? "nothing" : (r->validated ? "validation" : "training"));
    field(out, "accuracy", r->accuracy);
    field(out, "loss", r->loss);
    field(out, "seconds", r->seconds);
    sk_buf_str(out, "}\n");
}

static void result_text(const struct sk_train_options *o, const struct sk_train_result *r,
                        struct sk_buf *out)
{
    if (r->reused)
        sk_buf_fmt(out, "%s is up to date: same data, same settings\n", o->output_dir);
    if (r->interrupted)
        sk_buf_fmt(out, "stopped; --resume goes on from the checkpoint in %s\n", o->output_dir);
    if (r->stopped_early)
        sk_buf_fmt(out, "stopped early: no lower validation loss for %u epochs\n", o->patience);
    if (r->has_figures)
        sk_buf_fmt(out, "accuracy %.2f %% on the %s pictures, loss %.4f\n", 100 * r->accuracy,
                   r->validated ? "validation" : "training", r->loss);
    sk_buf_fmt(out, "bundle: %s   report: %s/report.html   next: skerry serve %s\n", o->output_dir,
               o->output_dir, o->output_dir);
}

int sk_train_lines_result(struct sk_train_lines *lines, const struct sk_train_options *o,
                          const struct sk_train_result *r, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);

    if (lines->json)
        result_json(o, r, &out);
    else
        result_text(o, r, &out);
    return sk_cli_print(&out, err);
}
