/* progress.c - a bar with speed and time left, redrawn in place at most ten times a second. */
#include "cli/predict_priv.h"

#include "base/clock.h"

enum {
    MANY = 10,
    BAR = 24
};

static const uint64_t redraw_ns = 100000000;

void sk_progress_init(struct sk_progress *p, size_t total)
{
    *p = (struct sk_progress){
        .shown = total >= MANY && isatty(STDERR_FILENO),
        .total = total,
        .start_ns = sk_now_ns(),
    };
}

void sk_progress_bar(uint64_t done, uint64_t total, struct sk_buf *out)
{
    uint64_t filled = total ? done * BAR / total : BAR;

    sk_buf_chr(out, '[');
    for (uint64_t i = 0; i < BAR; i++)
        sk_buf_chr(out, i < filled ? '#' : '.');
    sk_buf_chr(out, ']');
}

void sk_progress_line(size_t done, size_t total, uint64_t elapsed_ns, struct sk_buf *out)
{
    double seconds = (double)elapsed_ns / 1e9;
    double speed = seconds > 0 ? (double)done / seconds : 0;

    sk_progress_bar(done, total, out);
    sk_buf_fmt(out, " %zu/%zu", done, total);
    if (done == 0 || speed <= 0)
        return;
    uint64_t left = (uint64_t)((double)(total - done) / speed + 0.5);
    sk_buf_fmt(out, "  %.1f/s  ", speed);
    if (left >= 3600)
        sk_buf_fmt(out, "%u:%02u:%02u left", (unsigned)(left / 3600), (unsigned)(left / 60 % 60),
                   (unsigned)(left % 60));
    else
        sk_buf_fmt(out, "%u:%02u left", (unsigned)(left / 60), (unsigned)(left % 60));
}

void sk_progress_update(struct sk_progress *p, size_t done)
{
    SK_AUTO(sk_buf_done) struct sk_buf line = SK_BUF_INIT(256);
    uint64_t now = sk_now_ns();

    if (!p->shown || now - p->last_ns < redraw_ns)
        return;
    p->last_ns = now;
    p->drawn = true;
    sk_progress_line(done, p->total, now - p->start_ns, &line);
    if (sk_buf_ok(&line))
        (void)fprintf(stderr, "\r%s\033[K", line.data);
}

void sk_progress_clear(struct sk_progress *p)
{
    if (p->drawn)
        (void)fputs("\r\033[K", stderr);
    p->drawn = false;
}
