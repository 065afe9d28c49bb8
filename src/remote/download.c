/*
 * download.c - a blob of the hub becomes a file, from wherever the last try was cut: a transfer to
 * PATH.part, hashed as it comes. A hub that is busy or being restarted is waited for.
 */
#include "remote/remote_priv.h"

#include "crypto/crypto.h"
#include "transfer/transfer.h"

struct job {
    struct sk_remote *r;
    const char *url, *what;
    sk_remote_progress *progress;
    void *ctx;
};

static int request(void *ctx, const struct sk_transfer_ask *ask, struct sk_fetch_answer *answer,
                   struct sk_err *err)
{
    const struct job *j = ctx;
    struct sk_fetch_request q = { .url = j->url,
                                  .range_from = ask->range_from,
                                  .sink = ask->sink,
                                  .progress = ask->progress,
                                  .ctx = ask->ctx };

    return sk_remote_do(j->r, &q, answer, err);
}

static bool progress(void *ctx, uint64_t done, uint64_t total)
{
    const struct job *j = ctx;

    return !j->progress || j->progress(j->ctx, j->what, done, total);
}

int sk_remote_download(struct sk_remote *r, const char *digest, uint64_t size, const char *path,
                       sk_remote_progress *tell, void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf url = SK_BUF_INIT(4096);
    const char *slash = strrchr(path, '/');
    struct job j = { .r = r, .what = slash ? slash + 1 : path, .progress = tell, .ctx = ctx };
    char wrong[SK_DIGEST_TEXT + 32];

    if (sk_remote_check_digest(digest, err) < 0)
        return -1;
    (void)snprintf(wrong, sizeof wrong, "what came is not %s", digest);
    sk_buf_fmt(&url, "%s/api/v1/blobs/%s", r->context.url, digest);
    if (!sk_buf_ok(&url))
        return sk_buf_fail(&url, err);
    j.url = url.data;
    const struct sk_transfer t = { .path = path,
                                   .size = size,
                                   .digest = digest,
                                   .wrong = wrong,
                                   .request = request,
                                   .may_go_on = sk_remote_may_go_on,
                                   .progress = progress,
                                   .ctx = &j,
                                   .idle_tries_max = SK_REMOTE_TRIES,
                                   .pause_ms = SK_REMOTE_PAUSE_MS };
    return sk_transfer_get(&t, err) < 0 ? sk_wrap(err, "download of '%s'", j.what) : 0;
}
