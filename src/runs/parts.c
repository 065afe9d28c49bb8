/*
 * parts.c - an artifact that comes in parts, several at a time.
 *
 * Each part is a blob like any other and belongs to its upload by a row, which keeps it from gc.
 * Joining reads the parts in order through a small buffer into a new blob, and names that one in
 * the same transaction that forgets the parts; so either the parts are there or the artifact.
 *
 * Parts are sent without credentials of their own (the client's library does so), by a secret that
 * only whoever began the upload got; the database has its SHA-256.
 */
#include "runs/runs_priv.h"

#include "base/clock.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    COPY_BYTES = 256 << 10
};

static const int64_t idle_ms = 24ll * 3600 * 1000;

static int forget(struct sk_tx *tx, const char *id, struct sk_err *err)
{
    if (sk_tx_run(tx, err, "DELETE FROM part WHERE parts = ?1", "s", id) < 0)
        return -1;
    return sk_tx_run(tx, err, "DELETE FROM parts WHERE id = ?1", "s", id);
}

static int forget_idle(struct sk_tx *tx, struct sk_err *err)
{
    int64_t before = (int64_t)sk_wall_ms() - idle_ms;

    if (sk_tx_run(tx, err,
                  "DELETE FROM part WHERE parts IN (SELECT id FROM parts WHERE touched_ms < ?1)",
                  "i", before) < 0)
        return -1;
    return sk_tx_run(tx, err, "DELETE FROM parts WHERE touched_ms < ?1", "i", before);
}

int sk_parts_expire(struct sk_store *s, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    if (sk_db_begin(sk_store_db(s), SK_DB_SHRINK, &tx, err) < 0 || forget_idle(tx, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

int sk_parts_begin(struct sk_store *s, const char *path, unsigned count, char id[SK_PARTS_ID_TEXT],
                   char secret[SK_PARTS_SECRET_TEXT], struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    char hash[SK_SHA256_HEX];

    if (count < 1 || count > SK_PARTS_MAX)
        return sk_fail(err, SK_LIMIT, "num_parts %u: an artifact has 1 to %u parts", count,
                       (unsigned)SK_PARTS_MAX);
    if (sk_run_artifact_may_write(s, path, false, err) < 0 || sk_runs_new_id(id, err) < 0 ||
        sk_runs_new_id(secret, err) < 0 || sk_runs_new_id(secret + 32, err) < 0 ||
        sk_sha256_hex(secret, SK_PARTS_SECRET_TEXT - 1, hash, err) < 0 ||
        sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0 || forget_idle(tx, err) < 0 ||
        sk_tx_run(tx, err,
                  "INSERT INTO parts(id, path, secret_sha256, count, touched_ms) "
                  "VALUES(?1, ?2, ?3, ?4, ?5)",
                  "sssii", id, path, hash, (int64_t)count, (int64_t)sk_wall_ms()) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

/* 1 and the row, 0 when there is none. */
static int find_parts(struct sk_tx *tx, const char *id, struct sk_stmt **out, struct sk_err *err)
{
    if (sk_tx_query(tx, out, err, "SELECT path, secret_sha256, count FROM parts WHERE id = ?1", "s",
                    id) < 0)
        return -1;
    return sk_stmt_next(*out, err);
}

int sk_parts_check(struct sk_store *s, const char *id, const char *secret, unsigned number,
                   struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *row = NULL;
    char hash[SK_SHA256_HEX];

    if (sk_sha256_hex(secret, strlen(secret), hash, err) < 0 ||
        sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, err) < 0)
        return -1;

    int got = find_parts(tx, id, &row, err);
    if (got < 0)
        return -1;
    if (got == 0 || !sk_equal_secret(hash, SK_SHA256_HEX - 1, sk_stmt_text(row, 1),
                                     strlen(sk_stmt_text(row, 1))))
        return sk_fail(err, SK_UNAUTHENTICATED, "no such upload, or another one's secret");

    int64_t count = sk_stmt_int(row, 2);
    if (number < 1 || number > count)
        return sk_fail(err, SK_INVALID, "part %u: this upload has parts 1 to %" PRId64, number,
                       count);
    return 0;
}

int sk_parts_put(struct sk_tx *tx, const char *id, unsigned number, const char *digest,
                 struct sk_err *err)
{
    if (sk_tx_run(tx, err, "UPDATE parts SET touched_ms = ?2 WHERE id = ?1", "si", id,
                  (int64_t)sk_wall_ms()) < 0)
        return -1;
    if (sk_tx_changes(tx) == 0)
        return sk_fail(err, SK_NOT_FOUND, "this upload was ended meanwhile");
    return sk_tx_run(tx, err,
                     "INSERT INTO part(parts, number, digest) VALUES(?1, ?2, ?3) "
                     "ON CONFLICT(parts, number) DO UPDATE SET digest = excluded.digest",
                     "sis", id, (int64_t)number, digest);
}

/* Every part is there and is the one that the client sent. */
static int check_parts(struct sk_store *s, const char *id, const char *path,
                       const char *const *digests, size_t count, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *row = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *part = NULL;
    size_t i = 0;

    if (sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, err) < 0)
        return -1;

    int got = find_parts(tx, id, &row, err);
    if (got < 0)
        return -1;
    if (got == 0 || strcmp(sk_stmt_text(row, 0), path) != 0)
        return sk_fail(err, SK_NOT_FOUND, "no upload %.40s of '%.200s'", id, path);
    if ((uint64_t)sk_stmt_int(row, 2) != count)
        return sk_fail(err, SK_INVALID, "%zu parts are named, this upload has %" PRId64, count,
                       sk_stmt_int(row, 2));
    if (sk_tx_query(tx, &part, err,
                    "SELECT number, digest FROM part WHERE parts = ?1 ORDER BY number", "s",
                    id) < 0)
        return -1;
    for (; (got = sk_stmt_next(part, err)) > 0; i++) {
        if (sk_stmt_int(part, 0) != (int64_t)i + 1)
            break;
        if (strcmp(sk_stmt_text(part, 1), digests[i]) != 0)
            return sk_fail(err, SK_INVALID, "part %zu: its ETag is another one; send it again",
                           i + 1);
    }
    if (got < 0)
        return -1;
    if (i != count)
        return sk_fail(err, SK_INVALID, "part %zu has not come yet", i + 1);
    return 0;
}

static int append(struct sk_store *s, const char *digest, char *buffer, struct sk_upload *u,
                  struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = -1;
    uint64_t size = 0;

    if (sk_blob_open(s, digest, &fd, &size, err) < 0)
        return -1;
    while (size > 0) {
        ssize_t n = read(fd, buffer, COPY_BYTES);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sk_fail_errno(err, "blob %s", digest);
        if (n == 0)
            return sk_fail(err, SK_CORRUPT, "blob %s is cut off", digest);
        if (sk_upload_write(u, buffer, (size_t)n, err) < 0)
            return -1;
        size -= (uint64_t)n < size ? (uint64_t)n : size;
    }
    return 0;
}

struct joining {
    const struct sk_who *who;
    const char *id, *path;
};

static int name_joined(struct sk_tx *tx, const char *digest, uint64_t size, void *ctx,
                       struct sk_err *err)
{
    const struct joining *j = ctx;

    if (sk_run_artifact_put(tx, j->who, j->path, digest, size, err) < 0)
        return -1;
    return forget(tx, j->id, err);
}

int sk_parts_join(struct sk_store *s, const struct sk_who *who, const char *id, const char *path,
                  const char *const *digests, size_t count, struct sk_err *err)
{
    struct joining j = { .who = who, .id = id, .path = path };
    SK_OWN(free) char *buffer = NULL;
    struct sk_upload *u = NULL;
    char digest[SK_DIGEST_TEXT], upload[SK_UPLOAD_ID_TEXT];

    if (sk_run_artifact_may_write(s, path, false, err) < 0 ||
        check_parts(s, id, path, digests, count, err) < 0)
        return -1;
    buffer = malloc(COPY_BYTES);
    if (!buffer)
        return sk_nomem(err);
    if (sk_upload_begin(s, "artifacts", &u, err) < 0)
        return -1;
    (void)snprintf(upload, sizeof(upload), "%s", sk_upload_id(u));

    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = append(s, digests[i], buffer, u, err);
    if (rc == 0)
        rc = sk_upload_finish(&u, NULL, name_joined, &j, digest, err);
    if (u) { /* failed: half a copy is of no use */
        struct sk_err ignored = SK_ERR_INIT;

        sk_upload_suspend(u);
        (void)(sk_upload_abort(s, upload, "artifacts", &ignored) < 0);
    }
    return rc;
}

int sk_parts_abort(struct sk_store *s, const char *id, const char *path, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *row = NULL;

    if (sk_run_artifact_may_write(s, path, false, err) < 0 ||
        sk_db_begin(sk_store_db(s), SK_DB_SHRINK, &tx, err) < 0)
        return -1;

    int got = find_parts(tx, id, &row, err);
    if (got < 0)
        return -1;
    if (got == 0 || strcmp(sk_stmt_text(row, 0), path) != 0)
        return 0;
    sk_stmt_end(SK_TAKE(row));
    if (forget(tx, id, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}
