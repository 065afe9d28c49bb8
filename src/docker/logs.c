/*
 * logs.c - a container's output.
 *
 * Whether it comes in frames is known from the container, not from the answer's type, which the
 * Engine does not always set. While one follows and nothing comes for a minute, the sink is asked
 * whether anybody still listens, and the call is made again from that moment on.
 */
#include "docker/docker_priv.h"

#include "base/clock.h"

#include <inttypes.h>
#include <string.h>

enum {
    QUIET_MS = 60000
};

struct reader {
    struct sk_docker_frames frames;
    sk_docker_sink *sink;
    void *ctx;
};

static int feed(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    struct reader *r = ctx;

    return sk_docker_frames_feed(&r->frames, bytes, len, r->sink, r->ctx, err);
}

struct window {
    unsigned tail;
    int64_t since_ms, until;
    bool follow;
};

static int read_window(const struct sk_docker *d, const char *id, const struct window *w,
                       struct reader *r, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(1024);
    SK_AUTO(sk_unixhttp_answer_done) struct sk_unixhttp_answer a = { .status = 0 };

    sk_buf_str(&path, "/containers/");
    sk_buf_percent(&path, id, strlen(id), "");
    sk_buf_str(&path, "/logs?stdout=1&stderr=1");
    if (w->tail)
        sk_buf_fmt(&path, "&tail=%u", w->tail);
    if (w->since_ms > 0)
        sk_buf_fmt(&path, "&since=%" PRId64 ".%03d000000", w->since_ms / 1000,
                   (int)(w->since_ms % 1000));
    if (w->until > 0)
        sk_buf_fmt(&path, "&until=%" PRId64, w->until);
    if (w->follow)
        sk_buf_str(&path, "&follow=1");
    if (!sk_buf_ok(&path))
        return sk_buf_fail(&path, err);
    return sk_docker_ask(d,
                         &(struct sk_docker_call){
                             .path = path.data, .timeout_ms = QUIET_MS, .sink = feed, .ctx = r },
                         &a, err);
}

int sk_docker_logs(const struct sk_docker *d, const char *id, unsigned tail, int64_t since,
                   int64_t until, bool follow, sk_docker_sink *sink, void *ctx, struct sk_err *err)
{
    struct window w = { tail, since * 1000, until, follow };
    struct sk_docker_container c;

    if (sk_docker_inspect(d, id, NULL, &c, err) < 0)
        return -1;
    for (;;) {
        struct reader r = { { .is_raw = c.is_tty }, sink, ctx };
        if (read_window(d, id, &w, &r, err) == 0)
            return 0;
        if (!follow || err->code != SK_TIMEOUT)
            return -1;
        w.since_ms = (int64_t)sk_wall_ms();
        w.tail = 0;
        if (sink(ctx, "", 0, err) < 0)
            return -1;
    }
}
