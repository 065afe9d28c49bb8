/*
 * repository.c - which blobs a repository holds, and lists of tags and repositories.
 *
 * A blob is stored once, whoever uploads it; repository_blob says where it may be read. Someone who
 * may read only some repositories therefore learns nothing of the others' blobs by their digests.
 */
#include "images/images.h"
#include "images/images_priv.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

static int blob_unknown(const char *repository, const char *digest, struct sk_err *err)
{
    return sk_fail(err, SK_NOT_FOUND, "BLOB_UNKNOWN: '%s' has no blob %s", repository, digest);
}

static int check(const char *repository, const char *digest, struct sk_err *err)
{
    return sk_images_check_name(repository, err) < 0 || sk_images_check_digest(digest, err) < 0 ? -1
                                                                                                : 0;
}

/* Size and time of the last touch of a blob that the repository shows. A manifest's bytes are one
 * of its blobs, as every registry has it. */
static int find(struct sk_tx *tx, const char *repository, const char *digest, uint64_t *size,
                int64_t *touched_ms, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *q = NULL;
    if (sk_tx_query(tx, &q, err,
                    "SELECT b.size, b.touched_ms FROM repository r JOIN blob b ON b.digest = ?2 "
                    "WHERE r.name = ?1 AND (EXISTS(SELECT 1 FROM repository_blob WHERE repository "
                    "= r.id AND digest = ?2) OR EXISTS(SELECT 1 FROM manifest WHERE repository = "
                    "r.id AND digest = ?2))",
                    "ss", repository, digest) < 0)
        return -1;
    int there = sk_stmt_next(q, err);
    if (there < 0)
        return -1;
    if (!there)
        return blob_unknown(repository, digest, err);
    *size = (uint64_t)sk_stmt_int(q, 0);
    *touched_ms = sk_stmt_int(q, 1);
    return 0;
}

int sk_repository_add_blob(struct sk_tx *tx, const char *repository, const char *digest,
                           struct sk_err *err)
{
    int64_t id = 0;
    if (sk_images_make(tx, repository, &id, err) < 0)
        return -1;
    return sk_tx_run(
        tx, err,
        "INSERT INTO repository_blob(repository, digest) VALUES(?1, ?2) ON CONFLICT DO NOTHING",
        "is", id, digest);
}

int sk_repository_blob(struct sk_store *s, const char *repository, const char *digest,
                       uint64_t *size, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    int64_t touched_ms = 0;
    if (check(repository, digest, err) < 0 || sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, err) < 0)
        return -1;
    return find(tx, repository, digest, size, &touched_ms, err);
}

/* ---- what gc must leave ---- */

static int64_t fresh_since(uint64_t fresh_ms)
{
    return (int64_t)sk_wall_ms() - (int64_t)fresh_ms;
}

int sk_repository_keep_blob(struct sk_store *s, const char *repository, const char *digest,
                            uint64_t fresh_ms, uint64_t *size, struct sk_err *err)
{
    uint64_t found = 0;
    int64_t touched_ms = 0;

    if (check(repository, digest, err) < 0)
        return -1;
    {
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        if (sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, err) < 0 ||
            find(tx, repository, digest, &found, &touched_ms, err) < 0)
            return -1;
    }
    if (touched_ms < fresh_since(fresh_ms)) {
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        if (sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0 ||
            find(tx, repository, digest, &found, &touched_ms, err) < 0 ||
            sk_blob_touch(tx, digest, err) < 0 || sk_tx_commit(&tx, err) < 0)
            return -1;
    }
    *size = found;
    return 0;
}

/* Blobs of a repository that no manifest names and that were last touched before ?2. */
#define STALE                                                                                      \
    " FROM repository r JOIN repository_blob rb ON rb.repository = r.id JOIN blob b ON b.digest "  \
    "= "                                                                                           \
    "rb.digest WHERE r.name = ?1 AND b.touched_ms < ?2 AND NOT EXISTS(SELECT 1 FROM "              \
    "manifest_part p WHERE p.digest = rb.digest)"

int sk_repository_keep(struct sk_store *s, const char *repository, uint64_t fresh_ms,
                       struct sk_err *err)
{
    int64_t since = fresh_since(fresh_ms);
    {
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        SK_OWN(sk_stmt_end) struct sk_stmt *q = NULL;
        if (sk_images_check_name(repository, err) < 0 ||
            sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, err) < 0 ||
            sk_tx_query(tx, &q, err, "SELECT 1" STALE " LIMIT 1", "si", repository, since) < 0)
            return -1;
        int there = sk_stmt_next(q, err);
        if (there <= 0)
            return there;
    }
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    if (sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0 ||
        sk_tx_run(tx, err,
                  "UPDATE blob SET touched_ms = ?3 WHERE digest IN (SELECT b.digest" STALE ")",
                  "sii", repository, since, (int64_t)sk_wall_ms()) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

/* ---- mount, delete ---- */

/* Whether `from`, or any repository, shows the blob. */
static int find_anywhere(struct sk_tx *tx, const char *from, const char *digest, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *q = NULL;
    uint64_t size;
    int64_t touched_ms;

    if (from)
        return find(tx, from, digest, &size, &touched_ms, err);
    if (sk_tx_query(tx, &q, err, "SELECT 1 FROM repository_blob WHERE digest = ?1 LIMIT 1", "s",
                    digest) < 0)
        return -1;
    int there = sk_stmt_next(q, err);
    if (there == 0)
        return sk_fail(err, SK_NOT_FOUND, "BLOB_UNKNOWN: no repository has a blob %s", digest);
    return there < 0 ? -1 : 0;
}

int sk_repository_mount(struct sk_store *s, const struct sk_who *who, const char *repository,
                        const char *from, const char *digest, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    if (check(repository, digest, err) < 0 || (from && sk_images_check_name(from, err) < 0) ||
        sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0 ||
        find_anywhere(tx, from, digest, err) < 0 ||
        sk_repository_add_blob(tx, repository, digest, err) < 0 ||
        sk_blob_touch(tx, digest, err) < 0 ||
        sk_audit(tx, who, "blob.mount", repository, digest, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

int sk_repository_delete_blob(struct sk_store *s, const struct sk_who *who, const char *repository,
                              const char *digest, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    int64_t id = 0, one = 0;

    if (sk_images_check_digest(digest, err) < 0 ||
        sk_db_begin(sk_store_db(s), SK_DB_SHRINK, &tx, err) < 0 ||
        sk_images_find(tx, repository, &id, err) < 0)
        return -1;
    int named = sk_images_number(tx, &one, err,
                                 "SELECT 1 FROM manifest m LEFT JOIN manifest_part p ON p.manifest "
                                 "= m.id WHERE m.repository = ?1 AND (p.digest = ?2 OR m.digest = "
                                 "?2) LIMIT 1",
                                 id, digest);
    if (named < 0)
        return -1;
    if (named > 0)
        return sk_fail(err, SK_DENIED, "DENIED: a manifest of '%s' names %s; delete that first",
                       repository, digest);
    if (sk_tx_run(tx, err, "DELETE FROM repository_blob WHERE repository = ?1 AND digest = ?2",
                  "is", id, digest) < 0)
        return -1;
    if (sk_tx_changes(tx) == 0)
        return blob_unknown(repository, digest, err);
    if (sk_audit(tx, who, "blob.delete", repository, digest, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

/* ---- lists ---- */

/* Names of a query that asked for one more than max. */
static int walk(struct sk_stmt *q, unsigned max, sk_images_each *each, void *ctx, bool *more,
                struct sk_err *err)
{
    int there;
    for (unsigned i = 0; (there = sk_stmt_next(q, err)) > 0; i++) {
        if (i == max) {
            *more = true;
            return 0;
        }
        if (each(ctx, sk_stmt_text(q, 0), err) < 0)
            return -1;
    }
    *more = false;
    return there;
}

int sk_tags_list(struct sk_store *s, const char *repository, const char *last, unsigned max,
                 sk_images_each *each, void *ctx, bool *more, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *q = NULL;
    int64_t id = 0;

    if (sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, err) < 0 ||
        sk_images_find(tx, repository, &id, err) < 0 ||
        sk_tx_query(tx, &q, err,
                    "SELECT name FROM repository_tag WHERE repository = ?1 AND name > ?2 ORDER BY "
                    "name LIMIT ?3",
                    "isi", id, last ? last : "", (int64_t)max + 1) < 0)
        return -1;
    return walk(q, max, each, ctx, more, err);
}

int sk_repositories_list(struct sk_store *s, const char *last, unsigned max, sk_images_each *each,
                         void *ctx, bool *more, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *q = NULL;

    if (sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &q, err,
                    "SELECT name FROM repository r WHERE name > ?1 AND EXISTS(SELECT 1 FROM "
                    "manifest WHERE repository = r.id) ORDER BY name LIMIT ?2",
                    "si", last ? last : "", (int64_t)max + 1) < 0)
        return -1;
    return walk(q, max, each, ctx, more, err);
}
