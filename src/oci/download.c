/*
 * download.c - a blob becomes a file.
 *
 * The bytes go to PATH.part, each at its own place, and are hashed as they come; a cut connection,
 * a killed process and a full disk leave a beginning that the next attempt goes on from (Range). A
 * server that does not continue sends all of it again. The file appears, synced, when size and
 * digest are right; what was continued and is wrong is fetched once more from its beginning.
 */
#include "oci/oci_priv.h"

#include "base/file.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

enum {
    IDLE_TRIES_MAX = 4, /* in a row that brought nothing, each with the client's own tries */
    PAUSE_MS = 500,
    PIECE_BYTES = 256 << 10
};

struct job {
    struct sk_oci_registry *r;
    const char *digest;
    char *part; /* PATH.part */
    int fd;
    uint64_t size, have;
    enum sk_hash_kind kind;
    struct sk_hash *hash; /* of what is here */
    bool is_begun;        /* the answer's status was looked at */
    bool has_failed;      /* here, not on the way */
    char what[40];
    struct sk_fetch_answer answer;
};

static void job_done(struct job *j)
{
    sk_close(&j->fd);
    sk_hash_free(j->hash);
    sk_fetch_answer_done(&j->answer);
    free(j->part);
}

static int new_hash(struct job *j, struct sk_err *err)
{
    sk_hash_free(SK_TAKE(j->hash));
    return sk_hash_new(j->kind, &j->hash, err);
}

static int start_over(struct job *j, struct sk_err *err)
{
    if (ftruncate(j->fd, 0) < 0)
        return sk_fail_errno(err, "'%s'", j->part);
    j->have = 0;
    return new_hash(j, err);
}

/* ---- what is here already ---- */

static int hash_present(struct job *j, struct sk_err *err)
{
    SK_OWN(free) char *piece = malloc(PIECE_BYTES);

    if (!piece)
        return sk_nomem(err);
    if (new_hash(j, err) < 0)
        return -1;
    for (uint64_t at = 0; at < j->have;) {
        ssize_t n = pread(j->fd, piece, PIECE_BYTES, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return sk_fail_errno(err, "'%s'", j->part);
        if (sk_hash_add(j->hash, piece, (size_t)n, err) < 0)
            return -1;
        at += (uint64_t)n;
    }
    return 0;
}

/* Opens the part and takes its lock; one that another process has just given its final name is let
 * go. */
static int open_part(struct job *j, struct sk_err *err)
{
    struct stat mine, named;

    for (;;) {
        sk_close(&j->fd);
        j->fd = open(j->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (j->fd < 0)
            return sk_fail_errno(err, "'%s'", j->part);
        if (flock(j->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
            return sk_fail(err, SK_BUSY, "another process is fetching '%s'", j->part);
        if (fstat(j->fd, &mine) < 0)
            return sk_fail_errno(err, "'%s'", j->part);
        if (stat(j->part, &named) == 0 && named.st_ino == mine.st_ino &&
            named.st_dev == mine.st_dev)
            break;
    }
    j->have = (uint64_t)mine.st_size;
    return j->have > j->size ? start_over(j, err) : hash_present(j, err);
}

/* ---- what comes ---- */

/* "bytes 100-199/200": does it go on where we are? */
static bool is_continued(const struct job *j)
{
    char text[128], here[64];

    (void)snprintf(here, sizeof here, "bytes %llu-", (unsigned long long)j->have);
    return sk_fetch_header(&j->answer, "content-range", text, sizeof text) &&
           sk_starts_with(text, here);
}

static int begin(struct job *j, struct sk_err *err)
{
    j->is_begun = true;
    if (j->answer.status != 206)
        return j->have > 0 ? start_over(j, err) : 0;
    if (!is_continued(j))
        return sk_fail(err, SK_CORRUPT, "the server sent another part than the one asked for");
    return 0;
}

static int take(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    struct job *j = ctx;
    const char *p = bytes;

    j->has_failed = true;
    if (!j->is_begun && begin(j, err) < 0)
        return -1;
    if (len > j->size - j->have)
        return sk_fail(err, SK_CORRUPT, "the server sent more than its %llu bytes",
                       (unsigned long long)j->size);
    if (sk_hash_add(j->hash, bytes, len, err) < 0)
        return -1;
    while (len > 0) {
        ssize_t n = pwrite(j->fd, p, len, (off_t)j->have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sk_fail_errno(err, "'%s'", j->part);
        p += n;
        len -= (size_t)n;
        j->have += (uint64_t)n;
    }
    j->has_failed = false;
    return 0;
}

static bool progress(void *ctx, uint64_t done, uint64_t total)
{
    const struct job *j = ctx;

    (void)done;
    (void)total;
    return sk_oci_tell(j->r, j->what, j->have, j->size);
}

/* ---- attempts ---- */

static int attempt(struct job *j, const char *url, const char *scope, struct sk_err *err)
{
    static const char *const headers[] = { "Accept-Encoding: identity", NULL };
    const struct sk_oci_request q = { .url = url,
                                      .scope = scope,
                                      .headers = headers,
                                      .range_from = j->have,
                                      .sink = take,
                                      .progress = progress,
                                      .ctx = j };

    j->is_begun = j->has_failed = false;
    sk_fetch_answer_done(&j->answer);
    return sk_oci_call(j->r, &q, &j->answer, err);
}

/* Until everything is here, or attempts bring nothing new. */
static int gather(struct job *j, const char *url, const char *scope, struct sk_err *err)
{
    uint64_t best = j->have;

    for (int idle = 0; j->have < j->size;) {
        struct sk_err why = SK_ERR_INIT;
        if (attempt(j, url, scope, &why) == 0) {
            if (j->have == j->size)
                break;
            (void)sk_fail(&why, SK_IO, "only %llu of its %llu bytes came",
                          (unsigned long long)j->have, (unsigned long long)j->size);
        } else if (j->answer.status == 416) { /* what is here is no beginning of it */
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
        if (idle > 0 && sk_oci_pause(j->r, j->what, PAUSE_MS, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- the end ---- */

static int check_digest(struct job *j, bool *is_right, struct sk_err *err)
{
    char found[SK_DIGEST_TEXT];

    if (sk_hash_digest(j->hash, found, err) < 0)
        return -1;
    *is_right = strcmp(found, j->digest) == 0;
    return 0;
}

static int publish(struct job *j, const char *path, struct sk_err *err)
{
    if (fsync(j->fd) < 0 || rename(j->part, path) < 0)
        return sk_fail_errno(err, "'%s'", j->part);
    return sk_oci_tell(j->r, j->what, j->size, j->size) ? 0 : sk_fail(err, SK_CANCELLED, "stopped");
}

static int fetch_whole(struct job *j, const char *url, const char *scope, const char *path,
                       struct sk_err *err)
{
    bool is_right = false;

    if (open_part(j, err) < 0)
        return -1;
    for (bool was_continued = j->have > 0;; was_continued = false) {
        if (gather(j, url, scope, err) < 0 || check_digest(j, &is_right, err) < 0)
            return -1;
        if (is_right)
            return publish(j, path, err);
        if (start_over(j, err) < 0)
            return -1;
        if (!was_continued) {
            (void)unlink(j->part);
            return sk_fail(err, SK_CORRUPT, "the bytes that came have another digest");
        }
    }
}

int sk_oci_get_blob(struct sk_oci_registry *r, const char *repository, const char *digest,
                    uint64_t size, const char *path, struct sk_err *err)
{
    SK_AUTO(job_done) struct job j = { .r = r, .digest = digest, .fd = -1, .size = size };
    SK_AUTO(sk_buf_done) struct sk_buf part = SK_BUF_INIT(SIZE_MAX - 1);
    SK_OWN(free) char *url = NULL;
    char what[160], scope[300], name[16];

    if (!sk_digest_parse(sk_view_of(digest), &j.kind))
        return sk_fail(err, SK_INVALID, "'%.140s' is no digest", digest);
    (void)snprintf(what, sizeof what, "blobs/%s", digest);
    (void)snprintf(j.what, sizeof j.what, "download %s", sk_oci_short(digest, name));
    sk_buf_fmt(&part, "%s.part", path);
    if (!sk_buf_ok(&part))
        return sk_nomem(err);
    j.part = sk_buf_take(&part);
    if (sk_oci_url(r, repository, what, &url, err) < 0)
        return -1;
    if (fetch_whole(&j, url, sk_oci_scope(repository, "pull", scope), path, err) < 0)
        return sk_wrap(err, "%s/%s, blob %s", r->host, repository, digest);
    return 0;
}
