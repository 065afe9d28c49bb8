/*
 * download.c - the bytes of a file, as a blob of the cache.
 *
 * They are written to blobs/ETAG.incomplete, each at its own place, so a connection that is cut, a
 * process that is killed and a full disk leave a beginning that the next attempt goes on from. A
 * server that does not continue (200 instead of 206) sends all of it again. Only what has the right
 * length and digest gets the blob's name; a file that was continued and is wrong is fetched once
 * more from its beginning.
 *
 * The address names the commit, so all attempts are about the same bytes. Where the hub redirects
 * to has tags of its own; If-Range goes along only when the hub sends the bytes itself.
 */
#include "hf/hf_priv.h"

#include "base/file.h"
#include "base/str.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

enum {
    IDLE_TRIES_MAX = 2, /* in a row that brought nothing, each with the client's own tries */
    PAUSE_MS = 1000,
    NAP_MS = 100,
};

struct job {
    const struct sk_hf_download *d;
    const char *path; /* the incomplete file */
    int fd;
    uint64_t have;   /* bytes of it */
    bool is_begun;   /* the answer's status was looked at */
    bool has_failed; /* here, not on the way */
    struct sk_fetch_answer answer;
};

static void job_done(struct job *j)
{
    sk_close(&j->fd);
    sk_fetch_answer_done(&j->answer);
}

/* ---- writing ---- */

static int start_over(struct job *j, struct sk_err *err)
{
    if (ftruncate(j->fd, 0) < 0)
        return sk_fail_errno(err, "'%s'", j->path);
    j->have = 0;
    return 0;
}

/* "bytes 100-199/200": does it go on where we are? */
static bool is_continued(const struct job *j)
{
    char text[128];
    char here[64];

    (void)snprintf(here, sizeof here, "bytes %llu-", (unsigned long long)j->have);
    return sk_fetch_header(&j->answer, "content-range", text, sizeof text) &&
           sk_starts_with(text, here);
}

static int begin(struct job *j, struct sk_err *err)
{
    j->is_begun = true;
    if (j->answer.status != 206)
        return start_over(j, err);
    if (!is_continued(j))
        return sk_fail(err, SK_CORRUPT, "the server sent another part than the one asked for");
    return 0;
}

static int take(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    struct job *j = ctx;
    const struct sk_hf_meta *meta = j->d->meta;
    const char *p = bytes;

    j->has_failed = true;
    if (!j->is_begun && begin(j, err) < 0)
        return -1;
    if (meta->has_size && len > meta->size - j->have)
        return sk_fail(err, SK_CORRUPT, "the server sent more than the %llu bytes it announced",
                       (unsigned long long)meta->size);
    while (len > 0) {
        ssize_t n = pwrite(j->fd, p, len, (off_t)j->have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sk_fail_errno(err, "'%s'", j->path);
        p += n;
        len -= (size_t)n;
        j->have += (uint64_t)n;
    }
    j->has_failed = false;
    return 0;
}

static bool tell(const struct job *j)
{
    const struct sk_hf_options *o = j->d->opts;
    const struct sk_hf_meta *meta = j->d->meta;

    return !o || !o->progress ||
           o->progress(o->ctx, j->d->file, j->have, meta->has_size ? meta->size : 0);
}

static bool progress(void *ctx, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    return tell(ctx);
}

/* ---- attempts ---- */

static int attempt(struct job *j, const char *url, struct sk_err *err)
{
    const struct sk_hf_download *d = j->d;
    char if_range[SK_HF_ETAG_MAX + 32];
    const char *headers[3] = { "Accept-Encoding: identity", NULL, NULL };

    (void)snprintf(if_range, sizeof if_range, "If-Range: \"%s\"", d->meta->etag);
    if (j->have > 0 && d->meta->is_direct)
        headers[1] = if_range;
    struct sk_fetch_request r = { .url = url,
                                  .bearer = d->env->token,
                                  .headers = headers,
                                  .range_from = j->have,
                                  .sink = take,
                                  .ctx = j,
                                  .progress = progress };
    j->is_begun = j->has_failed = false;
    sk_fetch_answer_done(&j->answer);
    if (sk_fetch_do(d->client, &r, &j->answer, err) < 0)
        return -1;
    return !j->is_begun && j->answer.status != 206 ? start_over(j, err) : 0; /* no byte came */
}

static int pause_between(const struct job *j, struct sk_err *err)
{
    for (int ms = 0; ms < PAUSE_MS; ms += NAP_MS) {
        if (!tell(j))
            return sk_fail(err, SK_CANCELLED, "stopped");
        (void)nanosleep(&(struct timespec){ .tv_nsec = NAP_MS * 1000000L }, NULL);
    }
    return 0;
}

static bool is_complete(const struct job *j)
{
    return j->d->meta->has_size && j->have == j->d->meta->size;
}

/* Until everything is there, or attempts bring nothing new. */
static int gather(struct job *j, const char *url, struct sk_err *err)
{
    uint64_t best = j->have;

    for (int idle = 0; !is_complete(j);) {
        struct sk_err why = SK_ERR_INIT;
        if (attempt(j, url, &why) == 0) {
            if (!j->d->meta->has_size || is_complete(j))
                return 0;
            (void)sk_fail(&why, SK_IO, "only %llu of %llu bytes came", (unsigned long long)j->have,
                          (unsigned long long)j->d->meta->size);
        } else if (j->answer.status == 416) { /* what is here is not a part of it */
            if (start_over(j, err) < 0)
                return -1;
        } else if (j->has_failed || (why.code != SK_IO && why.code != SK_TIMEOUT)) {
            *err = why;
            return -1;
        }
        idle = j->have > best ? 0 : idle + 1;
        best = j->have > best ? j->have : best;
        if (idle == IDLE_TRIES_MAX) {
            *err = why;
            return -1;
        }
        if (idle > 0 && pause_between(j, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- the end ---- */

/* A tag of 64 digits is the SHA-256 (LFS), one of 40 Git's name; others say nothing. */
static int check_digest(const struct job *j, bool *is_right, struct sk_err *err)
{
    const char *etag = j->d->meta->etag;
    size_t len = strlen(etag);
    char digest[SK_SHA256_HEX] = "";

    *is_right = true;
    if (strspn(etag, "0123456789abcdef") != len ||
        (len != SK_SHA256_HEX - 1 && len != SK_GIT_BLOB_HEX - 1))
        return 0;
    if ((len == SK_SHA256_HEX - 1 ? sk_sha256_file(j->path, digest, err)
                                  : sk_git_blob_file(j->path, digest, err)) < 0)
        return -1;
    *is_right = strcmp(digest, etag) == 0;
    return 0;
}

static int publish(struct job *j, struct sk_err *err)
{
    if (fsync(j->fd) < 0 || rename(j->path, j->d->blob) < 0)
        return sk_fail_errno(err, "'%s'", j->path);
    return 0;
}

static int open_incomplete(struct job *j, struct sk_err *err)
{
    struct stat st;

    j->fd = open(j->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (j->fd < 0 || fstat(j->fd, &st) < 0)
        return sk_fail_errno(err, "'%s'", j->path);
    j->have = (uint64_t)st.st_size;
    return j->d->meta->has_size && j->have > j->d->meta->size ? start_over(j, err) : 0;
}

int sk_hf_download(const struct sk_hf_download *d, struct sk_err *err)
{
    SK_AUTO(job_done) struct job j = { .d = d, .fd = -1 };
    SK_OWN(free) char *url = sk_hf_url(d->env, d->repo, d->meta->commit, d->file);
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SIZE_MAX - 1);
    bool is_right = false;

    sk_buf_fmt(&path, "%s.incomplete", d->blob);
    if (!url || !sk_buf_ok(&path))
        return sk_nomem(err);
    j.path = path.data;
    if (open_incomplete(&j, err) < 0)
        return -1;
    for (bool was_continued = j.have > 0;; was_continued = false) {
        if (gather(&j, url, err) < 0 || check_digest(&j, &is_right, err) < 0)
            return -1;
        if (is_right)
            return publish(&j, err);
        if (start_over(&j, err) < 0)
            return -1;
        if (!was_continued)
            return sk_fail(err, SK_CORRUPT,
                           "the bytes that came have another checksum than the hub announced (%s)",
                           d->meta->etag);
    }
}
