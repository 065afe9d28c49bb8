/*
 * manifest.c - manifests and tags: put, find, delete.
 *
 * The bytes are parsed before the transaction begins; within it, what they name is looked up, the
 * file is put in place, the rows are written. So a manifest that is there can always be pulled
 * whole: manifest_part keeps its blobs from gc, and neither they nor the manifests of an index can
 * be deleted under it. The subject is the exception that the specification wants: it need not be
 * there. Layers that are not to be distributed need not be either.
 */
#include "images/images.h"
#include "images/images_priv.h"

#include "base/clock.h"
#include "crypto/crypto.h"
#include "oci/oci.h"

#include <stdio.h>
#include <string.h>

static int check_put(const struct sk_manifest_put *put, struct sk_err *err)
{
    if (sk_images_check_name(put->repository, err) < 0 ||
        sk_images_reference(put->reference, err) < 0)
        return -1;
    if (put->len > SK_MANIFEST_MAX)
        return sk_fail(err, SK_TOO_LARGE, "SIZE_INVALID: a manifest of %zu bytes; at most %d",
                       put->len, SK_MANIFEST_MAX);
    if (put->tag_count > SK_MANIFEST_TAGS_MAX)
        return sk_fail(err, SK_INVALID, "MANIFEST_INVALID: %zu tags at once; at most %d",
                       put->tag_count, SK_MANIFEST_TAGS_MAX);
    for (size_t i = 0; i < put->tag_count; i++)
        if (!sk_tag_valid(put->tags[i]))
            return sk_fail(err, SK_INVALID, "MANIFEST_INVALID: '%.200s' is no tag", put->tags[i]);
    return 0;
}

/* What the bytes are. Content-Types that say nothing ("application/json") are taken as the
 * manifest's own. */
static int parse(const struct sk_manifest_put *put, struct sk_oci_manifest *m, struct sk_err *err)
{
    struct sk_err why = SK_ERR_INIT;
    if (sk_oci_manifest_parse(put->bytes, put->len, m, &why) < 0)
        return why.code == SK_NOMEM ? sk_nomem(err)
                                    : sk_fail(err, SK_INVALID, "MANIFEST_INVALID: %s", why.text);
    const char *said = put->media_type;
    if (!said || strcmp(said, "") == 0 || strcmp(said, "application/json") == 0 ||
        strcmp(said, m->media_type) == 0)
        return 0;
    return sk_fail(err, SK_INVALID,
                   "MANIFEST_INVALID: the Content-Type is '%.150s', the manifest is '%s'", said,
                   m->media_type);
}

/* A tag names the manifest by sha256. */
static enum sk_hash_kind kind_of(const struct sk_manifest_put *put)
{
    enum sk_hash_kind kind = SK_SHA256;

    return sk_digest_parse(sk_view_of(put->reference), &kind) ? kind : SK_SHA256;
}

static int digest_of(const struct sk_manifest_put *put, char digest[SK_DIGEST_TEXT],
                     struct sk_err *err)
{
    if (sk_digest_of(kind_of(put), put->bytes, put->len, digest, err) < 0)
        return -1;
    if (strchr(put->reference, ':') && strcmp(put->reference, digest) != 0)
        return sk_fail(err, SK_INVALID, "DIGEST_INVALID: the bytes are %s, not %s", digest,
                       put->reference);
    return 0;
}

/* ---- what it names ---- */

static bool is_elsewhere(const char *media_type)
{
    return strstr(media_type, ".nondistributable.") || strstr(media_type, ".foreign.");
}

static int check_part(struct sk_tx *tx, int64_t repository, const struct sk_oci_descriptor *part,
                      struct sk_err *err)
{
    int64_t size = 0;

    if (!sk_digest_valid(part->digest))
        return sk_fail(err, SK_INVALID, "MANIFEST_INVALID: '%s' is no digest", part->digest);
    int there = sk_images_number(tx, &size, err,
                                 "SELECT b.size FROM blob b WHERE b.digest = ?2 AND (EXISTS("
                                 "SELECT 1 FROM repository_blob WHERE repository = ?1 AND digest = "
                                 "?2) OR EXISTS(SELECT 1 FROM manifest WHERE repository = ?1 AND "
                                 "digest = ?2))",
                                 repository, part->digest);
    if (there < 0 || (there == 0 && is_elsewhere(part->media_type)))
        return there;
    if (there == 0)
        return sk_fail(err, SK_NOT_FOUND,
                       "MANIFEST_BLOB_UNKNOWN: it names %s, which the repository does not have; "
                       "upload it first",
                       part->digest);
    if ((uint64_t)size != part->size)
        return sk_fail(err, SK_INVALID,
                       "MANIFEST_INVALID: it says that %s has %llu bytes, it has %lld",
                       part->digest, (unsigned long long)part->size, (long long)size);
    return 0;
}

static int check_parts(struct sk_tx *tx, int64_t repository, const struct sk_oci_manifest *m,
                       struct sk_err *err)
{
    if (!m->is_index && check_part(tx, repository, &m->config, err) < 0)
        return -1;
    for (size_t i = 0; i < m->count; i++)
        if (check_part(tx, repository, &m->items[i], err) < 0)
            return -1;
    return 0;
}

/* One that is elsewhere has no row of blob, and gets none here. */
static int add_part(struct sk_tx *tx, int64_t manifest, const struct sk_oci_descriptor *part,
                    struct sk_err *err)
{
    return sk_tx_run(tx, err,
                     "INSERT INTO manifest_part(manifest, digest) SELECT ?1, digest FROM blob "
                     "WHERE digest = ?2 ON CONFLICT DO NOTHING",
                     "is", manifest, part->digest);
}

static int add_parts(struct sk_tx *tx, int64_t manifest, const struct sk_oci_manifest *m,
                     struct sk_err *err)
{
    if (!m->is_index && add_part(tx, manifest, &m->config, err) < 0)
        return -1;
    for (size_t i = 0; i < m->count; i++)
        if (add_part(tx, manifest, &m->items[i], err) < 0)
            return -1;
    return 0;
}

/* ---- put ---- */

static int add_row(struct sk_tx *tx, int64_t repository, const struct sk_oci_manifest *m,
                   const struct sk_manifest_info *info, int64_t *id, struct sk_err *err)
{
    const char *kind = m->artifact_type[0] ? m->artifact_type : m->config.media_type;
    bool refers = m->subject[0] != '\0';

    if (sk_tx_run(tx, err,
                  "INSERT INTO manifest(repository, digest, size, media_type, subject, "
                  "artifact_type, annotations, pushed_ms) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) "
                  "ON CONFLICT DO UPDATE SET pushed_ms = excluded.pushed_ms",
                  "isissssi", repository, info->digest, (int64_t)info->size, info->media_type,
                  refers ? m->subject : NULL, refers && kind[0] ? kind : NULL,
                  refers ? m->annotations : NULL, (int64_t)sk_wall_ms()) < 0)
        return -1;
    return sk_images_number(tx, id, err,
                            "SELECT id FROM manifest WHERE repository = ?1 AND digest = ?2",
                            repository, info->digest) < 0
               ? -1
               : 0;
}

static int move_tag(struct sk_tx *tx, int64_t repository, int64_t manifest, const char *tag,
                    struct sk_err *err)
{
    return sk_tx_run(tx, err,
                     "INSERT INTO repository_tag(repository, name, manifest, moved_ms) VALUES(?1, "
                     "?2, ?3, ?4) ON CONFLICT DO UPDATE SET manifest = excluded.manifest, moved_ms "
                     "= excluded.moved_ms",
                     "isii", repository, tag, manifest, (int64_t)sk_wall_ms());
}

static int move_tags(struct sk_tx *tx, int64_t repository, int64_t manifest,
                     const struct sk_manifest_put *put, struct sk_err *err)
{
    if (!strchr(put->reference, ':') && move_tag(tx, repository, manifest, put->reference, err) < 0)
        return -1;
    for (size_t i = 0; i < put->tag_count; i++)
        if (move_tag(tx, repository, manifest, put->tags[i], err) < 0)
            return -1;
    return 0;
}

static int put_within(struct sk_store *s, struct sk_tx *tx, const struct sk_who *who,
                      const struct sk_manifest_put *put, const struct sk_oci_manifest *m,
                      struct sk_manifest_info *info, struct sk_err *err)
{
    char object[SK_REPOSITORY_TEXT + SK_TAG_TEXT + SK_DIGEST_TEXT], stored[SK_DIGEST_TEXT];
    int64_t repository = 0, manifest = 0;

    if (sk_images_make(tx, put->repository, &repository, err) < 0 ||
        check_parts(tx, repository, m, err) < 0 ||
        sk_blob_put(s, tx, kind_of(put), put->bytes, put->len, stored, err) < 0 ||
        add_row(tx, repository, m, info, &manifest, err) < 0 ||
        add_parts(tx, manifest, m, err) < 0 || move_tags(tx, repository, manifest, put, err) < 0)
        return -1;
    bool by_digest = strchr(put->reference, ':');
    (void)snprintf(object, sizeof object, "%s%s%s", put->repository, by_digest ? "@" : ":",
                   put->reference);
    return sk_audit(tx, who, "image.push", object, by_digest ? NULL : info->digest, err);
}

int sk_manifest_put(struct sk_store *s, const struct sk_who *who, const struct sk_manifest_put *put,
                    struct sk_manifest_info *out, struct sk_err *err)
{
    SK_AUTO(sk_oci_manifest_done) struct sk_oci_manifest m = { 0 };
    struct sk_manifest_info info = { .size = put->len };

    if (check_put(put, err) < 0 || digest_of(put, info.digest, err) < 0 || parse(put, &m, err) < 0)
        return -1;
    (void)snprintf(info.media_type, sizeof info.media_type, "%s", m.media_type);
    (void)snprintf(info.subject, sizeof info.subject, "%s", m.subject);

    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    if (sk_db_begin(sk_store_db(s), SK_DB_WRITE, &tx, err) < 0 ||
        put_within(s, tx, who, put, &m, &info, err) < 0 || sk_tx_commit(&tx, err) < 0)
        return -1;
    *out = info;
    return 0;
}

/* ---- find ---- */

static int unknown(const char *repository, const char *reference, struct sk_err *err)
{
    return sk_fail(err, SK_NOT_FOUND, "MANIFEST_UNKNOWN: '%s' has no manifest '%.200s'", repository,
                   reference);
}

/* The id of a manifest by tag or digest. */
static int locate(struct sk_tx *tx, const char *repository, int64_t repository_id,
                  const char *reference, bool is_digest, int64_t *id, struct sk_err *err)
{
    int there = sk_images_number(
        tx, id, err,
        is_digest ? "SELECT id FROM manifest WHERE repository = ?1 AND digest = ?2"
                  : "SELECT manifest FROM repository_tag WHERE repository = ?1 AND name = ?2",
        repository_id, reference);
    if (there == 0)
        return unknown(repository, reference, err);
    return there < 0 ? -1 : 0;
}

static int read_info(struct sk_tx *tx, int64_t id, struct sk_manifest_info *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *q = NULL;
    if (sk_tx_query(tx, &q, err,
                    "SELECT digest, media_type, subject, size FROM manifest WHERE id = ?1", "i",
                    id) < 0 ||
        sk_stmt_next(q, err) < 0)
        return -1;
    (void)snprintf(out->digest, sizeof out->digest, "%s", sk_stmt_text(q, 0));
    (void)snprintf(out->media_type, sizeof out->media_type, "%s", sk_stmt_text(q, 1));
    (void)snprintf(out->subject, sizeof out->subject, "%s", sk_stmt_text(q, 2));
    out->size = (uint64_t)sk_stmt_int(q, 3);
    return 0;
}

int sk_manifest_find(struct sk_store *s, const char *repository, const char *reference,
                     struct sk_manifest_info *out, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    int64_t repository_id = 0, id = 0;
    bool is_digest = strchr(reference, ':');

    /* what can be no tag is none */
    if ((is_digest && sk_images_check_digest(reference, err) < 0) ||
        sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, err) < 0 ||
        sk_images_find(tx, repository, &repository_id, err) < 0 ||
        locate(tx, repository, repository_id, reference, is_digest, &id, err) < 0)
        return -1;
    return read_info(tx, id, out, err);
}

/* ---- delete ---- */

static int delete_tag(struct sk_tx *tx, const struct sk_who *who, const char *repository,
                      int64_t repository_id, const char *tag, struct sk_err *err)
{
    char object[SK_REPOSITORY_TEXT + SK_TAG_TEXT];

    if (sk_tx_run(tx, err, "DELETE FROM repository_tag WHERE repository = ?1 AND name = ?2", "is",
                  repository_id, tag) < 0)
        return -1;
    if (sk_tx_changes(tx) == 0)
        return unknown(repository, tag, err);
    (void)snprintf(object, sizeof object, "%s:%s", repository, tag);
    return sk_audit(tx, who, "image.untag", object, NULL, err);
}

/* The blob of the bytes stays in the repository's reach no longer; gc takes it when nothing else
 * names it. */
static int delete_manifest(struct sk_tx *tx, const struct sk_who *who, const char *repository,
                           int64_t repository_id, const char *digest, struct sk_err *err)
{
    char object[SK_REPOSITORY_TEXT + SK_DIGEST_TEXT];
    int64_t id = 0, index = 0;

    if (locate(tx, repository, repository_id, digest, true, &id, err) < 0)
        return -1;
    int named = sk_images_number(tx, &index, err,
                                 "SELECT m.id FROM manifest_part p JOIN manifest m ON m.id = "
                                 "p.manifest WHERE m.repository = ?1 AND p.digest = ?2 LIMIT 1",
                                 repository_id, digest);
    if (named < 0)
        return -1;
    if (named > 0)
        return sk_fail(err, SK_DENIED, "DENIED: an index of '%s' names %s; delete the index first",
                       repository, digest);
    if (sk_tx_run(tx, err, "DELETE FROM manifest WHERE id = ?1", "i", id) < 0)
        return -1;
    (void)snprintf(object, sizeof object, "%s@%s", repository, digest);
    return sk_audit(tx, who, "image.delete", object, NULL, err);
}

int sk_manifest_delete(struct sk_store *s, const struct sk_who *who, const char *repository,
                       const char *reference, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    int64_t repository_id = 0;
    bool is_digest = strchr(reference, ':');

    if ((is_digest && sk_images_check_digest(reference, err) < 0) ||
        sk_db_begin(sk_store_db(s), SK_DB_SHRINK, &tx, err) < 0 ||
        sk_images_find(tx, repository, &repository_id, err) < 0 ||
        (is_digest ? delete_manifest(tx, who, repository, repository_id, reference, err)
                   : delete_tag(tx, who, repository, repository_id, reference, err)) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}
