/*
 * transfer.c - a file of known contents, fetched in as many attempts as it takes.
 *
 * `have` is how many bytes of the part are written, and hashed when there is a digest; every byte
 * goes to that place, so an attempt goes on where the last one ended. The status of an answer is
 * looked at when its first byte comes: until then the part is as it was.
 */
#include "transfer/transfer.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

enum {
    PIECE_BYTES = 256 << 10,
    NAP_MS = 100
};

struct job {
    const struct sk_transfer *t;
    char *part;
    int fd;
    uint64_t have;
    enum sk_hash_kind kind;
    struct sk_hash *hash; /* of what is here; NULL: no digest to compare with */
    bool has_old;         /* a beginning that an earlier process left is in it */
    bool is_begun;        /* the answer's status was looked at */
    bool has_failed;      /* here, not on the way */
    struct sk_fetch_answer answer;
};

static void job_done(struct job *j)
{
    sk_close(&j->fd);
    sk_hash_free(j->hash);
    sk_fetch_answer_done(&j->answer);
    free(j->part);
}

static bool has_size(const struct job *j)
{
    return j->t->size != SK_TRANSFER_ANY_SIZE;
}

static bool is_complete(const struct job *j)
{
    return has_size(j) && j->have == j->t->size;
}

static bool tell(const struct job *j)
{
    return !j->t->progress || j->t->progress(j->t->ctx, j->have, has_size(j) ? j->t->size : 0);
}

/* ---- the part ---- */

static int new_hash(struct job *j, struct sk_err *err)
{
    sk_hash_free(SK_TAKE(j->hash));
    return j->t->digest ? sk_hash_new(j->kind, &j->hash, err) : 0;
}

static int start_over(struct job *j, struct sk_err *err)
{
    if (ftruncate(j->fd, 0) < 0)
        return sk_fail_errno(err, "'%s'", j->part);
    j->have = 0;
    j->has_old = false;
    return new_hash(j, err);
}

/* Hashes what is here already. */
static int hash_old(struct job *j, struct sk_err *err)
{
    SK_OWN(free) char *piece = malloc(PIECE_BYTES);

    if (!piece)
        return sk_nomem(err);
    if (new_hash(j, err) < 0)
        return -1;
    for (uint64_t at = 0; j->hash && at < j->have;) {
        ssize_t n = pread(j->fd, piece, PIECE_BYTES, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sk_fail_errno(err, "'%s'", j->part);
        if (n == 0)
            return sk_fail(err, SK_IO, "'%s' became shorter while it was read", j->part);
        if (sk_hash_add(j->hash, piece, (size_t)n, err) < 0)
            return -1;
        at += (uint64_t)n;
    }
    return 0;
}

/* Opens the part and takes its lock; one that another process has just given its final name is let
 * go. A file system without locks does without. */
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
        if (lstat(j->part, &named) == 0 && named.st_ino == mine.st_ino &&
            named.st_dev == mine.st_dev)
            break;
    }
    j->have = (uint64_t)mine.st_size;
    j->has_old = j->have > 0;
    return has_size(j) && j->have > j->t->size ? start_over(j, err) : hash_old(j, err);
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
    if (has_size(j) && len > j->t->size - j->have)
        return sk_fail(err, SK_CORRUPT, "the server sent more than its %llu bytes",
                       (unsigned long long)j->t->size);
    if (j->hash && sk_hash_add(j->hash, bytes, len, err) < 0)
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
    (void)done;
    (void)total;
    return tell(ctx);
}

/* ---- attempts ---- */

static int attempt(struct job *j, struct sk_err *err)
{
    const struct sk_transfer_ask ask = {
        .range_from = j->have, .sink = take, .progress = progress, .ctx = j
    };

    j->is_begun = j->has_failed = false;
    sk_fetch_answer_done(&j->answer);
    j->answer = (struct sk_fetch_answer){ 0 };
    if (j->t->request(j->t->ctx, &ask, &j->answer, err) < 0)
        return -1;
    return !j->is_begun && j->answer.status != 206 ? start_over(j, err) : 0; /* no byte came */
}

static bool may_go_on(const struct job *j, const struct sk_err *why)
{
    if (j->has_failed || why->code == SK_CANCELLED)
        return false;
    return j->t->may_go_on ? j->t->may_go_on(&j->answer, why)
                           : why->code == SK_IO || why->code == SK_TIMEOUT;
}

static int pause_between(const struct job *j, unsigned idle, struct sk_err *err)
{
    for (uint64_t ms = 0; ms < (uint64_t)j->t->pause_ms << (idle - 1); ms += NAP_MS) {
        if (!tell(j))
            return sk_fail(err, SK_CANCELLED, "stopped");
        (void)nanosleep(&(struct timespec){ .tv_nsec = NAP_MS * 1000000L }, NULL);
    }
    return 0;
}

/* Until everything is here, or attempts bring nothing new. */
static int gather(struct job *j, struct sk_err *err)
{
    uint64_t best = j->have;

    for (unsigned idle = 0; !is_complete(j);) {
        struct sk_err why = SK_ERR_INIT;
        if (attempt(j, &why) == 0) {
            if (!has_size(j) || is_complete(j))
                return 0;
            (void)sk_fail(&why, SK_IO, "only %llu of its %llu bytes came",
                          (unsigned long long)j->have, (unsigned long long)j->t->size);
        } else if (j->answer.status == 416) { /* what is here is no beginning of it */
            if (start_over(j, err) < 0)
                return -1;
        } else if (!may_go_on(j, &why)) {
            *err = why;
            return -1;
        }
        idle = j->have > best ? 0 : idle + 1;
        best = j->have > best ? j->have : best;
        if (idle >= j->t->idle_tries_max && idle > 0) {
            *err = why;
            return -1;
        }
        if (idle > 0 && pause_between(j, idle, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- the end ---- */

static int check(struct job *j, bool *is_right, struct sk_err *err)
{
    char found[SK_DIGEST_TEXT];

    if (!j->t->digest)
        return j->t->check(j->t->ctx, j->part, is_right, err);
    if (sk_hash_digest(j->hash, found, err) < 0)
        return -1;
    *is_right = strcmp(found, j->t->digest) == 0;
    return 0;
}

static int sync_folder(const char *path, struct sk_err *err)
{
    const char *slash = strrchr(path, '/');
    SK_OWN(free) char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    SK_AUTO(sk_close) int fd = -1;

    if (!folder)
        return sk_nomem(err);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? sk_fail_errno(err, "'%s'", folder) : 0;
}

static int publish(const struct job *j, struct sk_err *err)
{
    if (fsync(j->fd) < 0 || rename(j->part, j->t->path) < 0)
        return sk_fail_errno(err, "'%s'", j->part);
    return sync_folder(j->t->path, err);
}

static int fetch_whole(struct job *j, struct sk_err *err)
{
    for (;;) {
        bool is_right = false;
        if (gather(j, err) < 0 || check(j, &is_right, err) < 0)
            return -1;
        if (is_right)
            return publish(j, err);
        bool had_old = j->has_old;
        if (start_over(j, err) < 0)
            return -1;
        if (!had_old) {
            (void)unlink(j->part);
            return sk_fail(err, SK_CORRUPT, "%s",
                           j->t->wrong ? j->t->wrong : "the bytes that came have another digest");
        }
    }
}

int sk_transfer_get(const struct sk_transfer *t, struct sk_err *err)
{
    SK_AUTO(job_done) struct job j = { .t = t, .fd = -1 };
    SK_AUTO(sk_buf_done) struct sk_buf part = SK_BUF_INIT(SIZE_MAX - 1);

    if (t->digest && !sk_digest_parse(sk_view_of(t->digest), &j.kind))
        return sk_fail(err, SK_INVALID, "'%.140s' is no digest", t->digest);
    sk_buf_fmt(&part, "%s%s", t->path, t->part_suffix ? t->part_suffix : ".part");
    if (!sk_buf_ok(&part))
        return sk_nomem(err);
    j.part = sk_buf_take(&part);
    return open_part(&j, err) < 0 ? -1 : fetch_whole(&j, err);
}
