/*
 * download.c - the bytes of a file, as a blob of the cache.
 *
 * A transfer to blobs/ETAG.incomplete. The address names the commit, so all attempts are about the
 * same bytes. Where the hub redirects to has tags of its own; If-Range goes along only when the hub
 * sends the bytes itself.
 */
#include "hf/hf_priv.h"

#include "crypto/crypto.h"
#include "transfer/transfer.h"

enum {
    IDLE_TRIES_MAX = 2, /* in a row that brought nothing, each with the client's own tries */
    PAUSE_MS = 1000
};

struct job {
    const struct sk_hf_download *d;
    const char *url;
};

static int request(void *ctx, const struct sk_transfer_ask *ask, struct sk_fetch_answer *answer,
                   struct sk_err *err)
{
    const struct job *j = ctx;
    const struct sk_hf_download *d = j->d;
    char if_range[SK_HF_ETAG_MAX + 32];
    const char *headers[3] = { "Accept-Encoding: identity", NULL, NULL };

    (void)snprintf(if_range, sizeof if_range, "If-Range: \"%s\"", d->meta->etag);
    if (ask->range_from > 0 && d->meta->is_direct)
        headers[1] = if_range;
    struct sk_fetch_request r = { .url = j->url,
                                  .bearer = d->env->token,
                                  .headers = headers,
                                  .range_from = ask->range_from,
                                  .sink = ask->sink,
                                  .ctx = ask->ctx,
                                  .progress = ask->progress };
    return sk_fetch_do(d->client, &r, answer, err);
}

static bool progress(void *ctx, uint64_t done, uint64_t total)
{
    const struct job *j = ctx;
    const struct sk_hf_options *o = j->d->opts;

    return !o || !o->progress || o->progress(o->ctx, j->d->file, done, total);
}

/* A tag of 64 digits is the SHA-256 (LFS), one of 40 Git's name; others say nothing. */
static int check(void *ctx, const char *part, bool *is_right, struct sk_err *err)
{
    const struct job *j = ctx;
    const char *etag = j->d->meta->etag;
    size_t len = strlen(etag);
    char digest[SK_SHA256_HEX] = "";

    *is_right = true;
    if (strspn(etag, "0123456789abcdef") != len ||
        (len != SK_SHA256_HEX - 1 && len != SK_GIT_BLOB_HEX - 1))
        return 0;
    if ((len == SK_SHA256_HEX - 1 ? sk_sha256_file(part, digest, err)
                                  : sk_git_blob_file(part, digest, err)) < 0)
        return -1;
    *is_right = strcmp(digest, etag) == 0;
    return 0;
}

int sk_hf_download(const struct sk_hf_download *d, struct sk_err *err)
{
    SK_OWN(free) char *url = sk_hf_url(d->env, d->repo, d->meta->commit, d->file);
    struct job j = { .d = d, .url = url };
    char wrong[SK_HF_ETAG_MAX + 100];

    if (!url)
        return sk_nomem(err);
    (void)snprintf(wrong, sizeof wrong,
                   "the bytes that came have another checksum than the hub announced (%s)",
                   d->meta->etag);
    const struct sk_transfer t = { .path = d->blob,
                                   .part_suffix = ".incomplete",
                                   .size = d->meta->has_size ? d->meta->size : SK_TRANSFER_ANY_SIZE,
                                   .check = check,
                                   .wrong = wrong,
                                   .request = request,
                                   .progress = progress,
                                   .ctx = &j,
                                   .idle_tries_max = IDLE_TRIES_MAX,
                                   .pause_ms = PAUSE_MS };
    return sk_transfer_get(&t, err);
}
