/*
 * stream.c - what the Engine sends piece by piece: a container's output in frames, the lines of a
 * pull.
 *
 *     frame:  type(1: 0 stdin, 1 stdout, 2 stderr) 0 0 0 length(4, big-endian) bytes
 */
#include "docker/docker_priv.h"

#include <stdio.h>
#include <string.h>

/* ---- frames ---- */

static int take_head(struct sk_docker_frames *f, struct sk_err *err)
{
    const unsigned char *h = f->head;

    if (h[0] > 3 || h[1] || h[2] || h[3]) /* 3: an error of the Engine's own */
        return sk_fail(err, SK_INVALID, "the Engine's log has a frame that is none");
    f->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
    f->head_len = 0;
    return 0;
}

int sk_docker_frames_feed(struct sk_docker_frames *f, const void *bytes, size_t len,
                          sk_docker_sink *sink, void *ctx, struct sk_err *err)
{
    const unsigned char *p = bytes;

    if (f->is_raw)
        return len ? sink(ctx, bytes, len, err) : 0;
    while (len) {
        if (f->left == 0) {
            f->head[f->head_len++] = *p++;
            len--;
            if (f->head_len == sizeof f->head && take_head(f, err) < 0)
                return -1;
            continue;
        }
        size_t n = len < f->left ? len : f->left;
        if (sink(ctx, p, n, err) < 0)
            return -1;
        f->left -= (uint32_t)n;
        p += n;
        len -= n;
    }
    return 0;
}

/* ---- a pull ---- */

enum sk_code sk_docker_meaning(const char *words, enum sk_code otherwise)
{
    static const struct {
        const char *part;
        enum sk_code code;
    } meanings[] = {
        { "no space left on device", SK_FULL },
        { "unauthorized", SK_DENIED },
        { "access denied", SK_DENIED },
        { "access to the resource is denied", SK_DENIED },
        { "no basic auth credentials", SK_DENIED },
        { "denied:", SK_DENIED },
        { "manifest unknown", SK_NOT_FOUND },
        { "not found", SK_NOT_FOUND },
        { "does not exist", SK_NOT_FOUND },
        { "no matching manifest", SK_UNSUPPORTED },
    };

    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (strcasestr(words, meanings[i].part))
            return meanings[i].code;
    return otherwise;
}

static void describe(const struct sk_json *doc, char *out, size_t size)
{
    const char *id = sk_json_get_text(doc, "id", ""), *status = sk_json_get_text(doc, "status", "");
    const struct sk_json *detail = sk_json_get(doc, "progressDetail");
    int64_t current = sk_json_int(sk_json_get(detail, "current"), 0);
    int64_t total = sk_json_int(sk_json_get(detail, "total"), 0);
    const char *colon = id[0] ? ": " : "";

    if (total > 0)
        (void)snprintf(out, size, "%s%s%s %.1f of %.1f MB", id, colon, status,
                       (double)current / 1e6, (double)total / 1e6);
    else
        (void)snprintf(out, size, "%s%s%s", id, colon, status);
}

static int take_line(struct sk_docker_progress *p, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    char what[256];
    struct sk_view line = { p->line.data, p->line.len };

    while (line.len && (line.ptr[line.len - 1] == '\r' || line.ptr[line.len - 1] == ' '))
        line.len--;
    if (line.len == 0)
        return 0;
    if (sk_json_parse(line.ptr, line.len, NULL, &doc, err) < 0)
        return sk_wrap(err, "the Engine's progress");
    const char *words = sk_json_get_text(sk_json_get(doc, "errorDetail"), "message",
                                         sk_json_get_text(doc, "error", NULL));
    if (words)
        return sk_fail(err, sk_docker_meaning(words, SK_REMOTE), "%s",
                       words[0] ? words : "the Engine gave no reason");
    describe(doc, what, sizeof what);
    if (p->progress && !p->progress(p->ctx, what))
        return sk_fail(err, SK_CANCELLED, "stopped");
    return 0;
}

int sk_docker_progress_end(struct sk_docker_progress *p, struct sk_err *err)
{
    int rc = take_line(p, err);

    sk_buf_clear(&p->line);
    return rc;
}

int sk_docker_progress_feed(struct sk_docker_progress *p, const void *bytes, size_t len,
                            struct sk_err *err)
{
    const char *at = bytes;

    while (len) {
        const char *newline = memchr(at, '\n', len);
        size_t n = newline ? (size_t)(newline - at) : len;
        sk_buf_add(&p->line, at, n);
        if (!sk_buf_ok(&p->line))
            return p->line.failed == SK_NOMEM
                       ? sk_nomem(err)
                       : sk_fail(err, SK_LIMIT,
                                 "the Engine's progress has a line of more than %u "
                                 "bytes",
                                 (unsigned)SK_DOCKER_LINE_MAX);
        if (newline && sk_docker_progress_end(p, err) < 0)
            return -1;
        n += newline != NULL;
        at += n;
        len -= n;
    }
    return 0;
}
