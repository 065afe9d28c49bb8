/*
 * download.c - a blob of the hub becomes a file.
 *
 * The bytes go to PATH.part and are hashed as they come; a cut connection or process leaves a
 * beginning that the next try goes on from (Range). The file appears, synced, when size and digest
 * are right.
 */
#include "base/file.h"
#include "crypto/crypto.h"
#include "remote/remote_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    TRIES = 8,
    PIECE = 256 << 10
};

struct download {
    struct sk_remote *r;
    const char *digest, *what;
    char *part;
    int fd;
    uint64_t size, have;
    struct sk_sha256 *hash;
    struct sk_fetch_answer answer;
    bool is_begun;   /* the answer's first bytes are here */
    bool has_failed; /* on this side: trying again does not help */
    sk_remote_progress *progress;
    void *ctx;
};

static void download_done(struct download *d)
{
    sk_close(&d->fd);
    sk_sha256_free(d->hash);
    sk_fetch_answer_done(&d->answer);
    free(d->part);
}

static int start_over(struct download *d, struct sk_err *err)
{
    if (ftruncate(d->fd, 0) < 0 || lseek(d->fd, 0, SEEK_SET) < 0)
        return sk_fail(err, SK_IO, "%s: %s", d->part, strerror(errno));
    d->have = 0;
    sk_sha256_free(SK_TAKE(d->hash));
    return sk_sha256_new(&d->hash, err);
}

/* What an earlier try left is hashed. */
static int open_part(struct download *d, struct sk_err *err)
{
    SK_OWN(free) char *piece = malloc(PIECE);
    struct stat st;

    if (!piece)
        return sk_nomem(err);
    d->fd = open(d->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (d->fd < 0 || fstat(d->fd, &st) < 0)
        return sk_fail(err, SK_IO, "%s: %s", d->part, strerror(errno));
    if (sk_sha256_new(&d->hash, err) < 0)
        return -1;
    if ((uint64_t)st.st_size > d->size)
        return start_over(d, err);
    for (;;) {
        ssize_t n = read(d->fd, piece, PIECE);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sk_fail(err, SK_IO, "%s: %s", d->part, strerror(errno));
        if (n == 0)
            return 0;
        if (sk_sha256_add(d->hash, piece, (size_t)n, err) < 0)
            return -1;
        d->have += (uint64_t)n;
    }
}

static int take(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    struct download *d = ctx;

    d->has_failed = true;
    /* The whole comes although a part was asked for. */
    if (!d->is_begun && d->answer.status != 206 && d->have > 0 && start_over(d, err) < 0)
        return -1;
    d->is_begun = true;
    if (len > d->size - d->have)
        return sk_fail(err, SK_CORRUPT, "%s: more than its %llu bytes came", d->what,
                       (unsigned long long)d->size);
    if (sk_write_all(d->fd, bytes, len) < 0)
        return sk_fail(err, SK_IO, "%s: %s", d->part, strerror(errno));
    if (sk_sha256_add(d->hash, bytes, len, err) < 0)
        return -1;
    d->have += len;
    d->has_failed = false;
    return 0;
}

static bool tell(void *ctx, uint64_t done, uint64_t total)
{
    struct download *d = ctx;

    (void)done;
    (void)total;
    return !d->progress || d->progress(d->ctx, d->what, d->have, d->size);
}

static int attempt(struct download *d, struct sk_err *err)
{
    struct sk_fetch_request q = { .range_from = d->have, .sink = take, .progress = tell, .ctx = d };
    char path[128];

    (void)snprintf(path, sizeof(path), "/api/v1/blobs/%s", d->digest);
    sk_fetch_answer_done(&d->answer);
    d->answer = (struct sk_fetch_answer){ 0 };
    d->is_begun = d->has_failed = false;
    return sk_remote_do(d->r, path, &q, &d->answer, err);
}

static int gather(struct download *d, struct sk_err *err)
{
    unsigned idle = 0;

    while (d->have < d->size) {
        struct sk_err why = SK_ERR_INIT;
        uint64_t before = d->have;

        if (attempt(d, &why) == 0 && d->have == d->size)
            return 0;
        if (why.code == SK_OK)
            (void)sk_fail(&why, SK_IO, "%s: only %llu of its %llu bytes came", d->what,
                          (unsigned long long)d->have, (unsigned long long)d->size);
        if (d->has_failed || !sk_remote_is_cut(&why)) {
            *err = why;
            return -1;
        }
        idle = d->have > before ? 0 : idle + 1;
        if (idle == TRIES) {
            *err = why;
            return -1;
        }
        sk_remote_pause(idle);
    }
    return 0;
}

static int finish(struct download *d, const char *path, struct sk_err *err)
{
    char hex[SK_SHA256_HEX];

    if (sk_sha256_finish(d->hash, hex, err) < 0)
        return -1;
    if (strcmp(hex, d->digest + strlen("sha256:")) != 0) {
        (void)unlink(d->part);
        return sk_fail(err, SK_CORRUPT, "%s: its bytes have the digest sha256:%s, not %s", d->what,
                       hex, d->digest);
    }
    if (fsync(d->fd) < 0 || rename(d->part, path) < 0)
        return sk_fail(err, SK_IO, "%s: %s", path, strerror(errno));
    return 0;
}

int sk_remote_download(struct sk_remote *r, const char *digest, uint64_t size, const char *path,
                       sk_remote_progress *progress, void *ctx, struct sk_err *err)
{
    SK_AUTO(download_done)
    struct download d = {
        .r = r, .digest = digest, .fd = -1, .size = size, .progress = progress, .ctx = ctx
    };
    SK_AUTO(sk_buf_done) struct sk_buf part = SK_BUF_INIT(8192);
    const char *slash = strrchr(path, '/');

    d.what = slash ? slash + 1 : path;
    if (strncmp(digest, "sha256:", 7) != 0)
        return sk_fail(err, SK_INVALID, "'%.80s' is no digest", digest);
    sk_buf_fmt(&part, "%s.part", path);
    if (!sk_buf_ok(&part))
        return sk_buf_fail(&part, err);
    d.part = sk_buf_take(&part);
    if (open_part(&d, err) < 0 || gather(&d, err) < 0)
        return -1;
    return finish(&d, path, err);
}
