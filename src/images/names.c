/* names.c - what a repository, a tag and a digest may be called, and which row a name is. */
#include "images/images.h"
#include "images/images_priv.h"

#include "base/clock.h"
#include "base/str.h"
#include "oci/oci.h"

#include <string.h>

bool sk_repository_valid(const char *name)
{
    return sk_oci_is_repository(sk_view_of(name));
}

bool sk_tag_valid(const char *tag)
{
    return sk_oci_is_tag(sk_view_of(tag));
}

int sk_images_check_name(const char *repository, struct sk_err *err)
{
    if (sk_repository_valid(repository))
        return 0;
    return sk_fail(err, SK_INVALID,
                   "NAME_INVALID: '%.300s' is no repository name: lower-case letters and digits, "
                   "joined by '.', '_', '__' or '-', in parts joined by '/', at most %d bytes",
                   repository, SK_REPOSITORY_TEXT - 1);
}

int sk_images_check_digest(const char *digest, struct sk_err *err)
{
    if (sk_digest_valid(digest))
        return 0;
    return sk_fail(
        err, SK_INVALID,
        "DIGEST_INVALID: '%.140s' is no digest: \"sha256:\" and 64 lower-case hex digits, or "
        "\"sha512:\" and 128",
        digest);
}

int sk_images_reference(const char *reference, struct sk_err *err)
{
    if (strchr(reference, ':'))
        return sk_images_check_digest(reference, err) < 0 ? -1 : 1;
    if (sk_tag_valid(reference))
        return 0;
    return sk_fail(
        err, SK_INVALID,
        "MANIFEST_INVALID: '%.200s' is neither a tag (letters, digits, '_', '.', '-', at "
        "most %d bytes) nor a digest",
        reference, SK_TAG_TEXT - 1);
}

int sk_images_number(struct sk_tx *tx, int64_t *value, struct sk_err *err, const char *sql,
                     int64_t id, const char *text)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *q = NULL;
    if (sk_tx_query(tx, &q, err, sql, "is", id, text) < 0)
        return -1;
    int there = sk_stmt_next(q, err);
    if (there > 0)
        *value = sk_stmt_int(q, 0);
    return there;
}

int sk_images_find(struct sk_tx *tx, const char *repository, int64_t *id, struct sk_err *err)
{
    if (sk_images_check_name(repository, err) < 0)
        return -1;
    SK_OWN(sk_stmt_end) struct sk_stmt *q = NULL;
    if (sk_tx_query(tx, &q, err, "SELECT id FROM repository WHERE name = ?1", "s", repository) < 0)
        return -1;
    int there = sk_stmt_next(q, err);
    if (there < 0)
        return -1;
    if (!there)
        return sk_fail(err, SK_NOT_FOUND, "NAME_UNKNOWN: there is no repository '%s'", repository);
    *id = sk_stmt_int(q, 0);
    return 0;
}

int sk_images_make(struct sk_tx *tx, const char *repository, int64_t *id, struct sk_err *err)
{
    if (sk_images_check_name(repository, err) < 0 ||
        sk_tx_run(tx, err,
                  "INSERT INTO repository(name, created_ms) VALUES(?1, ?2) ON CONFLICT DO NOTHING",
                  "si", repository, (int64_t)sk_wall_ms()) < 0)
        return -1;
    return sk_images_find(tx, repository, id, err);
}
