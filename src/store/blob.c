/*
 * blob.c - content-addressed files and their rows.
 *
 * A blob's file comes into place by a hard link from a file that has been synced: link, sync of the
 * folder, row, commit, all under the write lock. Whatever stands there without a row is of no
 * value and is replaced; what stands there with one is replaced too, by the same bytes, so storing
 * a blob anew mends one that the disk has spoiled. The link, unlike a rename, leaves the upload
 * where it is, so that a commit that fails (a full disk) can be tried again.
 */
#include "store/store_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>

int sk_blob_check_digest(const char *digest, struct sk_err *err)
{
    if (sk_digest_valid(digest))
        return 0;
    return sk_fail(err, SK_INVALID, "'%.140s' is no digest, such as sha256: and 64 hex digits",
                   digest ? digest : "");
}

enum sk_hash_kind sk_blob_path(const char *digest, char out[SK_BLOB_PATH])
{
    enum sk_hash_kind kind = SK_SHA256;
    bool is_digest = sk_digest_parse(sk_view_of(digest), &kind);
    const char *name = sk_hash_name(kind), *hex = digest + strlen(name) + 1;

    assert(is_digest);
    (void)is_digest;
    (void)snprintf(out, SK_BLOB_PATH, "%s/%.2s/%s", name, hex, hex);
    return kind;
}

int sk_blob_make_folders(int dir_fd, struct sk_err *err)
{
    SK_AUTO(sk_close) int blobs_fd = -1;

    if (sk_store_open_dir(dir_fd, "blobs", true, &blobs_fd, err) < 0)
        return -1;
    for (int i = 0; i < SK_HASH_COUNT; i++)
        if (mkdirat(blobs_fd, sk_hash_name((enum sk_hash_kind)i), 0700) < 0 && errno != EEXIST)
            return sk_store_fail(err, "folder 'blobs'");
    return sk_store_sync_dir(blobs_fd, ".", err);
}

int sk_blob_size(struct sk_tx *tx, const char *digest, uint64_t *size, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;

    if (sk_blob_check_digest(digest, err) < 0 ||
        sk_tx_query(tx, &s, err, "SELECT size FROM blob WHERE digest = ?1", "s", digest) < 0)
        return -1;
    int more = sk_stmt_next(s, err);
    if (more == 0)
        return sk_fail(err, SK_NOT_FOUND, "blob %s is not here", digest);
    if (more > 0)
        *size = (uint64_t)sk_stmt_int(s, 0);
    return more < 0 ? -1 : 0;
}

int sk_blob_touch(struct sk_tx *tx, const char *digest, struct sk_err *err)
{
    if (sk_blob_check_digest(digest, err) < 0 ||
        sk_tx_run(tx, err, "UPDATE blob SET touched_ms = ?2 WHERE digest = ?1", "si", digest,
                  (int64_t)sk_wall_ms()) < 0)
        return -1;
    if (sk_tx_changes(tx) == 0)
        return sk_fail(err, SK_NOT_FOUND, "blob %s is not here", digest);
    return 0;
}

int sk_blob_keep(struct sk_store *s, const char *digest, uint64_t fresh_ms, struct sk_err *err)
{
    int64_t since = (int64_t)sk_wall_ms() - (int64_t)fresh_ms, touched_ms = 0;
    {
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        SK_OWN(sk_stmt_end) struct sk_stmt *q = NULL;
        if (sk_blob_check_digest(digest, err) < 0 || sk_db_begin(s->db, SK_DB_READ, &tx, err) < 0 ||
            sk_tx_query(tx, &q, err, "SELECT touched_ms FROM blob WHERE digest = ?1", "s", digest) <
                0)
            return -1;
        int there = sk_stmt_next(q, err);
        if (there == 0)
            return sk_fail(err, SK_NOT_FOUND, "blob %s is not here", digest);
        if (there < 0)
            return -1;
        touched_ms = sk_stmt_int(q, 0);
    }
    if (touched_ms >= since)
        return 0;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    if (sk_db_begin(s->db, SK_DB_WRITE, &tx, err) < 0 || sk_blob_touch(tx, digest, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

int sk_blob_keep_recent(struct sk_tx *tx, uint64_t grace_ms, struct sk_err *err)
{
    int64_t now = (int64_t)sk_wall_ms();

    return sk_tx_run(tx, err,
                     "UPDATE blob SET touched_ms = ?1 WHERE touched_ms >= ?2 AND touched_ms < ?3",
                     "iii", now, now - (int64_t)grace_ms, now - (int64_t)(grace_ms / 4));
}

int sk_blob_insert(struct sk_tx *tx, const char *digest, uint64_t size, struct sk_err *err)
{
    return sk_tx_run(tx, err,
                     "INSERT INTO blob(digest, size, touched_ms) VALUES(?1, ?2, ?3) "
                     "ON CONFLICT(digest) DO UPDATE SET size = ?2, touched_ms = ?3",
                     "sii", digest, (int64_t)size, (int64_t)sk_wall_ms());
}

/* ---- reading ---- */

static int open_file(struct sk_store *s, const char *digest, uint64_t size, int *out,
                     struct sk_err *err)
{
    char path[SK_BLOB_PATH];
    struct stat st;

    (void)sk_blob_path(digest, path);
    SK_AUTO(sk_close) int fd = openat(s->blobs_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return sk_fail(err, SK_CORRUPT, "blob %s has no file: `skerry hub verify` tells more",
                       digest);
    if (fd < 0 || fstat(fd, &st) < 0)
        return sk_store_fail(err, "blob %s", digest);
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != size)
        return sk_fail(err, SK_CORRUPT, "blob %s has %lld bytes in place of %llu", digest,
                       (long long)st.st_size, (unsigned long long)size);
    *out = sk_take_fd(&fd);
    return 0;
}

static int size_of(struct sk_store *s, const char *digest, uint64_t *size, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    if (sk_db_begin(s->db, SK_DB_READ, &tx, err) < 0)
        return -1;
    return sk_blob_size(tx, digest, size, err);
}

int sk_blob_open(struct sk_store *s, const char *digest, int *fd, uint64_t *size,
                 struct sk_err *err)
{
    uint64_t expected = 0;

    if (size_of(s, digest, &expected, err) < 0)
        return -1;
    if (open_file(s, digest, expected, fd, err) == 0) {
        *size = expected;
        return 0;
    }
    /* When gc came in between, the row is gone too and that is the error. */
    struct sk_err second = SK_ERR_INIT;
    if (err->code == SK_CORRUPT && size_of(s, digest, &expected, &second) < 0 &&
        second.code == SK_NOT_FOUND)
        *err = second;
    return -1;
}

static int read_all(int fd, char *into, size_t len, struct sk_err *err)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = pread(fd, into + at, len - at, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sk_store_fail(err, "reading");
        if (n == 0)
            return sk_fail(err, SK_CORRUPT, "the file ends early");
        at += (size_t)n;
    }
    return 0;
}

int sk_blob_read(struct sk_store *s, const char *digest, size_t max, char **out, size_t *len,
                 struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = -1;
    SK_OWN(free) char *bytes = NULL;
    enum sk_hash_kind kind = SK_SHA256;
    char found[SK_DIGEST_TEXT];
    uint64_t size = 0;

    if (sk_blob_open(s, digest, &fd, &size, err) < 0)
        return -1;
    if (size > max)
        return sk_fail(err, SK_LIMIT, "blob %s has %llu bytes, more than %zu", digest,
                       (unsigned long long)size, max);
    bytes = malloc((size_t)size + 1);
    if (!bytes)
        return sk_nomem(err);
    if (!sk_digest_parse(sk_view_of(digest), &kind) || read_all(fd, bytes, (size_t)size, err) < 0 ||
        sk_digest_of(kind, bytes, (size_t)size, found, err) < 0)
        return sk_wrap(err, "blob %s", digest);
    if (strcmp(found, digest) != 0)
        return sk_fail(err, SK_CORRUPT, "blob %s has other contents", digest);
    bytes[size] = '\0';
    *len = (size_t)size;
    *out = SK_TAKE(bytes);
    return 0;
}

/* ---- writing ---- */

/* "sha256/ab" */
static int make_folder(struct sk_store *s, const char *folder, struct sk_err *err)
{
    char above[SK_BLOB_PATH];

    if (mkdirat(s->blobs_fd, folder, 0700) < 0 && errno != EEXIST)
        return sk_store_fail(err, "blob folder '%s'", folder);
    (void)snprintf(above, sizeof above, "%.*s", (int)strcspn(folder, "/"), folder);
    return sk_store_sync_dir(s->blobs_fd, above, err);
}

/* A link cannot replace: one under another name is made, and renamed over what is there. */
static int replace(struct sk_store *s, int from_fd, const char *from, const char *path)
{
    char temp[SK_BLOB_PATH + 8];

    (void)snprintf(temp, sizeof temp, "%s.new", path);
    if (unlinkat(s->blobs_fd, temp, 0) < 0 && errno != ENOENT)
        return -1;
    if (linkat(from_fd, from, s->blobs_fd, temp, 0) < 0 ||
        renameat(s->blobs_fd, temp, s->blobs_fd, path) < 0)
        return -1;
    /* When both were one file already, the rename has done nothing. */
    return unlinkat(s->blobs_fd, temp, 0) < 0 && errno != ENOENT ? -1 : 0;
}

int sk_blob_link(struct sk_store *s, int from_fd, const char *from, const char *digest,
                 struct sk_err *err)
{
    char path[SK_BLOB_PATH], folder[SK_BLOB_PATH];

    (void)sk_blob_path(digest, path);
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    int rc = linkat(from_fd, from, s->blobs_fd, path, 0);
    if (rc < 0 && errno == ENOENT) {
        if (make_folder(s, folder, err) < 0)
            return -1;
        rc = linkat(from_fd, from, s->blobs_fd, path, 0);
    }
    if (rc < 0 && errno == EEXIST)
        rc = replace(s, from_fd, from, path);
    if (rc < 0)
        return sk_store_fail(err, "blob %s", digest);
    return sk_store_sync_dir(s->blobs_fd, folder, err);
}

/* 1: the blob is there with these bytes. */
static int is_there(struct sk_store *s, struct sk_tx *tx, const char *digest, const void *bytes,
                    size_t len, struct sk_err *err)
{
    struct sk_err unused = SK_ERR_INIT;
    SK_AUTO(sk_close) int fd = -1;
    SK_OWN(free) char *old = malloc(len + 1);
    SK_OWN(sk_stmt_end) struct sk_stmt *row = NULL;

    if (!old)
        return sk_nomem(err);
    if (sk_tx_query(tx, &row, err, "SELECT 1 FROM blob WHERE digest = ?1", "s", digest) < 0)
        return -1;
    int there = sk_stmt_next(row, err);
    if (there <= 0)
        return there;
    /* a file that is damaged or gone is written again */
    return open_file(s, digest, len, &fd, &unused) == 0 && read_all(fd, old, len, &unused) == 0 &&
           memcmp(old, bytes, len) == 0;
}

static int put_file(struct sk_store *s, const char *digest, const void *bytes, size_t len,
                    struct sk_err *err)
{
    char name[SK_UPLOAD_ID_TEXT];
    SK_AUTO(sk_close) int fd = -1;
    int rc = -1;

    if (sk_store_random(name, err) < 0 || sk_upload_make(s, name, &fd, err) < 0)
        return -1;
    if (sk_write_all(fd, bytes, len) < 0 || fsync(fd) < 0)
        (void)sk_store_fail(err, "blob %s", digest);
    else
        rc = sk_blob_link(s, s->uploads_fd, name, digest, err);
    (void)unlinkat(s->uploads_fd, name, 0); /* gc takes what this leaves */
    return rc;
}

int sk_blob_put(struct sk_store *s, struct sk_tx *tx, enum sk_hash_kind kind, const void *bytes,
                size_t len, char digest[SK_DIGEST_TEXT], struct sk_err *err)
{
    char name[SK_DIGEST_TEXT];

    if (sk_digest_of(kind, bytes, len, name, err) < 0)
        return -1;
    int there = is_there(s, tx, name, bytes, len, err);
    if (there < 0 || (there == 0 && put_file(s, name, bytes, len, err) < 0))
        return -1;
    if (sk_blob_insert(tx, name, len, err) < 0)
        return -1;
    memcpy(digest, name, sizeof name);
    return 0;
}
