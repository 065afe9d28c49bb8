/*
 * referrers.c - what refers to a manifest: signatures, bills of material (distribution 1.1).
 *
 *     {"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[
 *       {"mediaType":..,"digest":..,"size":..,"artifactType":..,"annotations":{..}}, ..]}
 *
 * Annotations can be as large as manifests, so a list is cut after SK_REFERRERS_BYTES and goes on
 * in the next answer.
 */
#include "images/images.h"
#include "images/images_priv.h"

#include "oci/oci.h"

#include <stdio.h>
#include <string.h>

static void add_text(struct sk_buf *out, const char *key, const char *value)
{
    sk_buf_fmt(out, ",\"%s\":", key);
    sk_buf_json_str(out, value);
}

static void add_row(struct sk_buf *out, struct sk_stmt *q)
{
    const char *media_type = sk_stmt_text(q, 1);

    sk_buf_str(out, "{\"mediaType\":");
    sk_buf_json_str(out, media_type);
    add_text(out, "digest", sk_stmt_text(q, 0));
    sk_buf_str(out, ",\"size\":");
    sk_buf_i64(out, sk_stmt_int(q, 2));
    if (!sk_stmt_is_null(q, 3))
        add_text(out, "artifactType", sk_stmt_text(q, 3));
    if (!sk_stmt_is_null(q, 4)) {
        struct sk_view annotations = sk_stmt_view(q, 4);
        sk_buf_str(out, ",\"annotations\":");
        sk_buf_add(out, annotations.ptr, annotations.len);
    }
    sk_buf_chr(out, '}');
}

static int add_rows(struct sk_stmt *q, struct sk_buf *out, char next[SK_DIGEST_TEXT],
                    struct sk_err *err)
{
    char last[SK_DIGEST_TEXT] = "";
    size_t begin = out->len;
    int there;

    for (unsigned i = 0; (there = sk_stmt_next(q, err)) > 0; i++) {
        size_t size = sk_stmt_view(q, 4).len;
        if (i == SK_REFERRERS_MAX || (i > 0 && out->len - begin + size > SK_REFERRERS_BYTES)) {
            memcpy(next, last, SK_DIGEST_TEXT);
            return 0;
        }
        if (i > 0)
            sk_buf_chr(out, ',');
        add_row(out, q);
        (void)snprintf(last, sizeof last, "%s", sk_stmt_text(q, 0));
    }
    next[0] = '\0';
    return there;
}

int sk_referrers(struct sk_store *s, const char *repository, const char *digest,
                 const char *artifact_type, const char *after, struct sk_buf *out,
                 char next[SK_DIGEST_TEXT], struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *q = NULL;

    if (sk_images_check_name(repository, err) < 0 || sk_images_check_digest(digest, err) < 0 ||
        sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &q, err,
                    "SELECT m.digest, m.media_type, m.size, m.artifact_type, m.annotations FROM "
                    "repository r JOIN manifest m ON m.repository = r.id WHERE r.name = ?1 AND "
                    "m.subject = ?2 AND m.digest > ?3 AND (?4 IS NULL OR m.artifact_type = ?4) "
                    "ORDER BY m.digest LIMIT ?5",
                    "ssssi", repository, digest, after ? after : "", artifact_type,
                    (int64_t)SK_REFERRERS_MAX + 1) < 0)
        return -1;
    sk_buf_str(out, "{\"schemaVersion\":2,\"mediaType\":\"" SK_OCI_INDEX "\",\"manifests\":[");
    if (add_rows(q, out, next, err) < 0)
        return -1;
    sk_buf_str(out, "]}");
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}
