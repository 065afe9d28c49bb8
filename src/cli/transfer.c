/* transfer.c - what commands that talk to a hub show: progress of transfers, cells of tables. */
#include "cli/remote_priv.h"

#include "base/clock.h"
#include "base/str.h"
#include "cli/cli_priv.h"

#include <string.h>
#include <unistd.h>

static const uint64_t redraw_ns = 100000000;

void sk_cli_waiting(void *ctx, const char *host, bool is_waiting)
{
    (void)ctx;
    if (isatty(STDERR_FILENO) && is_waiting)
        (void)fprintf(stderr, "\r\x1b[Kwaiting for %s ...", host);
    else if (isatty(STDERR_FILENO))
        (void)fputs("\r\x1b[K", stderr);
}

int sk_cli_remote_new(const struct sk_context *c, struct sk_remote **out, struct sk_err *err)
{
    if (sk_remote_new(c, out, err) < 0)
        return -1;
    sk_remote_tell(*out, sk_cli_waiting, NULL);
    return 0;
}

int sk_cli_remote(const char *hub, struct sk_remote **out, struct sk_err *err)
{
    SK_AUTO(sk_context_done) struct sk_context c = { 0 };

    if (sk_context_load(hub, &c, err) < 0)
        return -1;
    return sk_cli_remote_new(&c, out, err);
}

bool sk_transfer_progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    struct sk_transfer *t = ctx;
    uint64_t now = sk_now_ns();
    SK_AUTO(sk_buf_done) struct sk_buf line = SK_BUF_INIT(4096);

    if (!isatty(STDERR_FILENO) || (t->last_ns && now - t->last_ns < redraw_ns))
        return true;
    t->last_ns = now;
    t->is_shown = true;
    sk_buf_fmt(&line, "\r\x1b[K%s %s ", t->verb, what ? what : "");
    sk_cli_size(&line, done);
    if (total > 0) {
        sk_buf_str(&line, " of ");
        sk_cli_size(&line, total);
    }
    if (sk_buf_ok(&line))
        (void)fwrite(line.data, 1, line.len, stderr);
    return true;
}

void sk_transfer_end(struct sk_transfer *t)
{
    if (t->is_shown)
        (void)fputs("\r\x1b[K", stderr);
    t->is_shown = false;
}

void sk_cli_size(struct sk_buf *out, uint64_t bytes)
{
    if (bytes >= 1u << 30)
        sk_buf_fmt(out, "%.2f GiB", (double)bytes / (1 << 30));
    else if (bytes >= 1u << 20)
        sk_buf_fmt(out, "%.1f MiB", (double)bytes / (1 << 20));
    else
        sk_buf_fmt(out, "%.1f KiB", (double)bytes / (1 << 10));
}

void sk_cli_cell(struct sk_buf *out, const char *text, unsigned width)
{
    size_t len = strlen(text), at = 0;
    unsigned shown = 0, all = 0;

    for (size_t i = 0; i < len; i++)
        all += ((unsigned char)text[i] & 0xc0) != 0x80;

    unsigned most = width > 0 && all > width && width > 3 ? width - 3 : all;

    while (at < len && shown < most) {
        size_t step = sk_utf8_step(text + at, len - at);

        if (step == 0 || (unsigned char)text[at] < ' ' || text[at] == 0x7f)
            sk_buf_chr(out, '?');
        else
            sk_buf_add(out, text + at, step);
        at += step ? step : 1;
        shown++;
    }
    if (most < all) {
        sk_buf_str(out, "...");
        shown += 3;
    }
    for (; shown < width; shown++)
        sk_buf_chr(out, ' ');
    if (width > 0)
        sk_buf_str(out, "  ");
}

void sk_cli_when(struct sk_buf *out, int64_t ms)
{
    char text[SK_TIME_TEXT];

    if (ms <= 0) {
        sk_buf_str(out, "-");
        return;
    }
    sk_time_text((uint64_t)ms, text);
    sk_buf_fmt(out, "%.10s %.5s", text, text + 11);
}

int sk_cli_print_json(const struct sk_json *v, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);

    sk_json_dump(v, &out);
    sk_buf_chr(&out, '\n');
    return sk_cli_print(&out, err);
}
