/*
 * verify.c - signatures of an image in a registry are looked for and checked.
 *
 * First the tag sha256-<hex>.sig, then the referrers. Whatever the registry says is only used
 * through a signature that one of the keys made; one that holds is enough, and others may be
 * anything.
 */
#include "sign/sign_priv.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

struct search {
    const struct sk_verifier *verifier;
    struct sk_oci_registry *registry;
    const char *repository, *digest;
    unsigned seen; /* signatures of any key */
    struct sk_err last;
};

/* A manifest of the repository; not there: count 0. */
static int read_manifest(struct search *s, const char *reference, struct sk_oci_manifest *out,
                         struct sk_err *err)
{
    SK_OWN(free) char *bytes = NULL;
    struct sk_err why = SK_ERR_INIT;
    char type[128], digest[SK_OCI_DIGEST_TEXT];
    size_t len = 0;

    if (sk_oci_get_manifest(s->registry, s->repository, reference, &bytes, &len, type, digest,
                            &why) < 0) {
        if (why.code == SK_NOT_FOUND)
            return 0;
        *err = why;
        return -1;
    }
    return sk_oci_manifest_parse(bytes, len, out, err);
}

/* What is wrong with this one signature only: others may hold. Returns 0 then, -1 for the rest. */
static int pass_over(struct search *s, const struct sk_err *why, struct sk_err *err)
{
    switch (why->code) {
    case SK_CORRUPT:
    case SK_INVALID:
    case SK_LIMIT:
    case SK_NOT_FOUND:
    case SK_UNSUPPORTED:
        s->last = *why;
        return 0;
    default:
        *err = *why;
        return -1;
    }
}

static char *signature_of(const struct sk_oci_descriptor *d)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err ignored = SK_ERR_INIT;
    const char *text = NULL;

    if (!d->annotations ||
        sk_json_parse(d->annotations, strlen(d->annotations), NULL, &doc, &ignored) < 0)
        return NULL;
    text = sk_json_get_text(doc, SK_SIGN_ANNOTATION, NULL);
    return text ? strdup(text) : NULL;
}

/* 1: verified, 0: not by this one. */
static int try_layer(struct search *s, const struct sk_oci_descriptor *d, struct sk_err *err)
{
    SK_OWN(free) char *signature = NULL;
    SK_OWN(free) char *payload = NULL;
    struct sk_err why = SK_ERR_INIT;
    size_t len = 0;

    if (strcmp(d->media_type, SK_SIGN_LAYER_TYPE) != 0)
        return 0;
    signature = signature_of(d);
    if (!signature)
        return 0;
    s->seen++;
    if (sk_oci_read_blob(s->registry, s->repository, d, SK_SIGN_BLOB_MAX, &payload, &len, &why) < 0)
        return pass_over(s, &why, err);
    return sk_verify_payload(s->verifier, payload, len, signature, s->digest, &s->last) == 0;
}

static int try_tag(struct search *s, struct sk_err *err)
{
    SK_AUTO(sk_oci_manifest_done) struct sk_oci_manifest m = { .count = 0 };
    struct sk_err why = SK_ERR_INIT;
    char tag[80];
    int rc = 0;

    sk_sign_tag(s->digest, tag);
    if (read_manifest(s, tag, &m, &why) < 0)
        return pass_over(s, &why, err) < 0 ? sk_wrap(err, "%s", tag) : 0;
    for (size_t i = 0; i < m.count && i < SK_SIGN_LAYERS_MAX && rc == 0 && !m.is_index; i++)
        rc = try_layer(s, &m.items[i], err);
    return rc;
}

static int try_bundle(struct search *s, const char *manifest_digest, const char *image,
                      size_t image_len, struct sk_err *err)
{
    SK_AUTO(sk_oci_manifest_done) struct sk_oci_manifest m = { .count = 0 };
    SK_OWN(free) char *json = NULL;
    struct sk_err why = SK_ERR_INIT;
    size_t len = 0;

    if (read_manifest(s, manifest_digest, &m, &why) < 0)
        return pass_over(s, &why, err);
    if (m.is_index || m.count == 0 || strcmp(m.items[0].media_type, SK_SIGN_BUNDLE_TYPE) != 0)
        return 0;
    s->seen++;
    if (sk_oci_read_blob(s->registry, s->repository, &m.items[0], SK_SIGN_BLOB_MAX, &json, &len,
                         &why) < 0)
        return pass_over(s, &why, err);
    return sk_sigstore_check(s->verifier, json, len, s->digest, image, image_len, &s->last) == 0;
}

static int try_referrers(struct search *s, struct sk_err *err)
{
    SK_AUTO(sk_oci_manifest_done) struct sk_oci_manifest index = { .count = 0 };
    SK_OWN(free) char *bytes = NULL;
    SK_OWN(free) char *image = NULL;
    char type[128], digest[SK_OCI_DIGEST_TEXT];
    size_t len = 0, image_len = 0;
    int rc = 0;

    if (sk_oci_referrers(s->registry, s->repository, s->digest, &bytes, &len, err) < 0 ||
        sk_oci_manifest_parse(bytes, len, &index, err) < 0)
        return sk_wrap(err, "referrers");
    if (index.count == 0)
        return 0;
    if (sk_oci_get_manifest(s->registry, s->repository, s->digest, &image, &image_len, type, digest,
                            err) < 0)
        return -1;
    for (size_t i = 0; i < index.count && i < SK_SIGN_LAYERS_MAX && rc == 0; i++)
        rc = try_bundle(s, index.items[i].digest, image, image_len, err);
    return rc;
}

int sk_verify_image(struct sk_verifier *v, struct sk_oci_registry *r,
                    const struct sk_oci_ref *image, const char *digest, struct sk_err *err)
{
    struct search s = { .verifier = v,
                        .registry = r,
                        .repository = image->repository,
                        .digest = digest,
                        .last = SK_ERR_INIT };

    if (sk_sign_check(digest, err) < 0)
        return -1;

    int rc = try_tag(&s, err);

    if (rc == 0)
        rc = try_referrers(&s, err);
    if (rc < 0)
        return sk_wrap(err, "%s/%s@%s: signatures", image->host, image->repository, digest);
    if (rc > 0)
        return 0;
    if (s.seen == 0)
        return sk_fail(err, SK_DENIED, "%s/%s@%s is not signed", image->host, image->repository,
                       digest);
    return sk_fail(err, SK_DENIED, "%s/%s@%s: %u signature%s, none accepted; the last: %s",
                   image->host, image->repository, digest, s.seen, s.seen == 1 ? "" : "s",
                   s.last.text);
}
