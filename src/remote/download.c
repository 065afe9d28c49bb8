/*
 * download.c - a blob of the hub becomes a file, from wherever the last try was cut.
 *
 * What comes is written to PATH.part and hashed as it comes; after a cut the next request asks for
 * the rest by range. A part that an earlier process left is hashed first; when its bytes turn out
 * to be others', the file is fetched once more from its beginning. PATH appears by a rename when
 * the digest was found to be right and the bytes are on the disk.
 */
#include "remote/remote_priv.h"

#include "base/file.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

enum {
    READ_BYTES = 256 << 10
};

struct download {
    struct sk_remote *r;
    const char *digest, *what;
    uint64_t size, have; /* written and hashed */
    bool is_first;       /* of an answer: its status is not looked at yet */
    bool has_old;        /* a part of an earlier process is in it */
    struct sk_fetch_answer *answer;
    struct sk_hash *hash;
    int fd;
    char *part;
    sk_remote_progress *progress;
    void *ctx;
};

static void download_done(struct download *d)
{
    sk_close(&d->fd);
    sk_hash_free(d->hash);
    free(d->part);
}

/* ---- the part ---- */

static int start_over(struct download *d, struct sk_err *err)
{
    sk_hash_free(d->hash);
    d->hash = NULL;
    d->have = 0;
    d->has_old = false;
    if (sk_hash_new(SK_SHA256, &d->hash, err) < 0)
        return -1;
    if (ftruncate(d->fd, 0) < 0)
        return sk_fail_errno(err, "'%s'", d->part);
    return 0;
}

/* Hashes what an earlier process left. */
static int take_old(struct download *d, struct sk_err *err)
{
    SK_OWN(free) char *bytes = malloc(READ_BYTES);
    struct stat st;

    if (!bytes)
        return sk_nomem(err);
    if (fstat(d->fd, &st) < 0)
        return sk_fail_errno(err, "'%s'", d->part);
    if (st.st_size == 0 || (uint64_t)st.st_size > d->size)
        return start_over(d, err);
    for (;;) {
        ssize_t n = pread(d->fd, bytes, READ_BYTES, (off_t)d->have);
        if (n < 0 && errno != EINTR)
            return sk_fail_errno(err, "'%s'", d->part);
        if (n == 0)
            break;
        if (n > 0 && sk_hash_add(d->hash, bytes, (size_t)n, err) < 0)
            return -1;
        d->have += n > 0 ? (uint64_t)n : 0;
    }
    d->has_old = true;
    return 0;
}

static int open_part(struct download *d, const char *path, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(8192);

    sk_buf_fmt(&b, "%s.part", path);
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    d->part = sk_buf_take(&b);
    d->fd = open(d->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (d->fd < 0)
        return sk_fail_errno(err, "'%s'", d->part);
    if (flock(d->fd, LOCK_EX | LOCK_NB) < 0)
        return sk_fail(err, SK_BUSY, "'%s': another download writes to it", d->part);
    if (sk_hash_new(SK_SHA256, &d->hash, err) < 0)
        return -1;
    return take_old(d, err);
}

/* ---- what comes ---- */

static int take(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    struct download *d = ctx;

    if (d->is_first && d->answer->status != 206 && d->have > 0 && start_over(d, err) < 0)
        return -1; /* a server that sends all of it again */
    d->is_first = false;
    if (len > d->size - d->have)
        return sk_fail(err, SK_CORRUPT, "more than the %llu bytes of the blob came",
                       (unsigned long long)d->size);
    if (lseek(d->fd, (off_t)d->have, SEEK_SET) < 0 || sk_write_all(d->fd, bytes, len) < 0)
        return sk_fail_errno(err, "'%s'", d->part);
    if (sk_hash_add(d->hash, bytes, len, err) < 0)
        return -1;
    d->have += len;
    return 0;
}

static bool show(void *ctx, uint64_t done, uint64_t total)
{
    struct download *d = ctx;

    (void)done;
    (void)total;
    return !d->progress || d->progress(d->ctx, d->what, d->have, d->size);
}

/* 1: all is here, 0: cut, err says how. */
static int try_once(struct download *d, struct sk_err *err)
{
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf url = SK_BUF_INIT(4096);

    if (d->have == d->size)
        return 1;
    sk_buf_fmt(&url, "%s/api/v1/blobs/%s", d->r->context.url, d->digest);
    if (!sk_buf_ok(&url))
        return sk_buf_fail(&url, err);
    d->answer = &a;
    d->is_first = true;
    struct sk_fetch_request q = {
        .url = url.data, .range_from = d->have, .sink = take, .progress = show, .ctx = d
    };
    int rc = sk_remote_do(d->r, &q, &a, err);
    d->answer = NULL;
    if (rc < 0)
        return sk_remote_may_go_on(&a, err) ? 0 : -1;
    if (d->have == d->size)
        return 1;
    (void)sk_fail(err, SK_IO, "%llu of %llu bytes came", (unsigned long long)d->have,
                  (unsigned long long)d->size);
    return 0;
}

static int transfer(struct download *d, struct sk_err *err)
{
    for (unsigned tries = 0;; tries++) {
        struct sk_err why = SK_ERR_INIT;
        const uint64_t before = d->have;
        int rc = try_once(d, &why);
        if (rc > 0)
            return 0;
        tries = d->have > before ? 0 : tries;
        if (rc < 0 || tries + 1 >= SK_REMOTE_TRIES) {
            *err = why;
            return -1;
        }
        if (!sk_remote_pause(tries, d->progress, d->ctx, d->what, d->have, d->size))
            return sk_fail(err, SK_CANCELLED, "stopped");
    }
}

/* ---- the end ---- */

static int finish(struct download *d, const char *path, struct sk_err *err)
{
    SK_OWN(free) char *folder = NULL;
    const char *slash = strrchr(path, '/');

    if (fsync(d->fd) < 0)
        return sk_fail_errno(err, "'%s'", d->part);
    if (rename(d->part, path) < 0)
        return sk_fail_errno(err, "'%s'", path);
    folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (!folder)
        return sk_nomem(err);
    SK_AUTO(sk_close) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return sk_fail_errno(err, "'%s'", folder);
    return 0;
}

/* 1: the bytes are right, 0: they are not. */
static int compare(struct download *d, struct sk_err *err)
{
    char hex[SK_SHA256_HEX];

    if (sk_hash_hex(d->hash, hex, err) < 0)
        return -1;
    return strcmp(hex, d->digest + 7) == 0;
}

static int fetch_and_check(struct download *d, struct sk_err *err)
{
    for (;;) {
        bool had_old = d->has_old;
        if (transfer(d, err) < 0)
            return -1;
        int rc = compare(d, err);
        if (rc != 0)
            return rc < 0 ? -1 : 0;
        if (start_over(d, err) < 0)
            return -1;
        if (!had_old)
            return sk_fail(err, SK_CORRUPT, "what came is not %s", d->digest);
    }
}

int sk_remote_download(struct sk_remote *r, const char *digest, uint64_t size, const char *path,
                       sk_remote_progress *progress, void *ctx, struct sk_err *err)
{
    const char *slash = strrchr(path, '/');
    SK_AUTO(download_done)
    struct download d = { .r = r,
                          .digest = digest,
                          .what = slash ? slash + 1 : path,
                          .size = size,
                          .fd = -1,
                          .progress = progress,
                          .ctx = ctx };

    if (sk_remote_check_digest(digest, err) < 0)
        return -1;
    if (open_part(&d, path, err) < 0 || fetch_and_check(&d, err) < 0 || finish(&d, path, err) < 0)
        return sk_wrap(err, "download of '%s'", d.what);
    return 0;
}
