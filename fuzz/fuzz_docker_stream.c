/*
 * fuzz_docker_stream.c - what an Engine sends: frames of a log and lines of a pull give the same in
 * any pieces, and no more than came.
 */
#include "docker/docker_priv.h"

#include <string.h>

static int collect(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    (void)err;
    sk_buf_add(ctx, bytes, len);
    return 0;
}

static bool note(void *ctx, const char *what)
{
    sk_buf_str(ctx, what);
    sk_buf_chr(ctx, '\n');
    return true;
}

static int feed_frames(const uint8_t *data, size_t size, size_t step, struct sk_buf *out)
{
    struct sk_docker_frames f = { .is_raw = false };
    struct sk_err err = SK_ERR_INIT;

    for (size_t at = 0; at < size; at += step)
        if (sk_docker_frames_feed(&f, data + at, size - at < step ? size - at : step, collect, out,
                                  &err) < 0)
            return -1;
    return 0;
}

static int feed_lines(const uint8_t *data, size_t size, size_t step, struct sk_buf *out)
{
    struct sk_docker_progress p = { note, out, SK_BUF_INIT(SK_DOCKER_LINE_MAX) };
    struct sk_err err = SK_ERR_INIT;
    int rc = 0;

    for (size_t at = 0; at < size && rc == 0; at += step)
        rc = sk_docker_progress_feed(&p, data + at, size - at < step ? size - at : step, &err);
    if (rc == 0)
        rc = sk_docker_progress_end(&p, &err);
    if (rc < 0 && err.text[0] == 0)
        abort();
    sk_buf_done(&p.line);
    return rc;
}

typedef int feeder(const uint8_t *data, size_t size, size_t step, struct sk_buf *out);

static void compare(feeder *feed, const uint8_t *data, size_t size)
{
    static const size_t steps[] = { 1, 3, 7, 64 };
    SK_AUTO(sk_buf_done) struct sk_buf whole = SK_BUF_INIT(16 << 20);
    int rc = feed(data, size, size ? size : 1, &whole);

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(16 << 20);
        if (feed(data, size, steps[i], &out) != rc || out.len != whole.len ||
            (out.len && memcmp(out.data, whole.data, out.len) != 0))
            abort();
    }
    if (feed == feed_frames && whole.len > size)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_OWN(free) char *text = strndup((const char *)data, size);
    char version[16];

    compare(feed_frames, data, size);
    compare(feed_lines, data, size);
    if (!text)
        return 0;
    sk_docker_wanted_version(text, version);
    if (strspn(version, "0123456789.") != strlen(version))
        abort();
    (void)sk_docker_cgroup_says(text, text);
    (void)sk_docker_meaning(text, SK_REMOTE);
    return 0;
}
