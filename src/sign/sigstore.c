/*
 * sigstore.c - sigstore bundles (version 0.3) with a signature by a key.
 *
 * Two forms: a DSSE envelope around an in-toto statement whose subject is the image, which newer
 * cosign writes, and a message signature over the manifest itself. Certificates and transparency
 * logs are not looked at: the key that the user named is the only trust.
 *
 * DSSE signs "DSSEv1 <length of type> <type> <length of payload> <payload>" (the PAE).
 */
#include "sign/sign_priv.h"
#include "json/json.h"

#include <string.h>

static const char STATEMENT[] = "application/vnd.in-toto+json";

static int check_subject(const struct sk_buf *payload, const char *digest, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    const char *hex = digest + strlen("sha256:");

    if (sk_json_parse(payload->data, payload->len, NULL, &doc, err) < 0)
        return sk_wrap(err, "the signed statement");

    const struct sk_json *subjects = sk_json_get(doc, "subject");

    for (size_t i = 0; i < sk_json_count(subjects); i++) {
        const struct sk_json *d = sk_json_get(sk_json_at(subjects, i), "digest");

        if (strcmp(sk_json_get_text(d, "sha256", ""), hex) == 0)
            return 0;
    }
    return sk_fail(err, SK_DENIED, "the signed statement is about another image");
}

static int check_envelope(const struct sk_verifier *v, const struct sk_json *envelope,
                          const char *digest, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf payload = SK_BUF_INIT(SK_SIGN_BLOB_MAX);
    SK_AUTO(sk_buf_done) struct sk_buf pae = SK_BUF_INIT(2 * SK_SIGN_BLOB_MAX);
    const char *type = sk_json_get_text(envelope, "payloadType", "");
    const char *text = sk_json_get_text(envelope, "payload", "");
    const struct sk_json *signatures = sk_json_get(envelope, "signatures");

    if (strcmp(type, STATEMENT) != 0)
        return sk_fail(err, SK_DENIED, "its payload is no in-toto statement ('%.64s')", type);
    if (sk_base64_decode(text, strlen(text), &payload, err) < 0)
        return sk_wrap(err, "'payload'");
    sk_buf_fmt(&pae, "DSSEv1 %zu %s %zu ", strlen(type), type, payload.len);
    sk_buf_add(&pae, payload.data ? payload.data : "", payload.len);
    if (!sk_buf_ok(&pae))
        return sk_buf_fail(&pae, err);
    if (sk_json_count(signatures) == 0)
        return sk_fail(err, SK_DENIED, "it has no signature");
    for (size_t i = 0; i < sk_json_count(signatures) && i < SK_SIGN_LAYERS_MAX; i++) {
        const char *sig = sk_json_get_text(sk_json_at(signatures, i), "sig", "");
        struct sk_err why = SK_ERR_INIT;

        if (sk_verifier_check(v, pae.data, pae.len, sig, &why) == 0)
            return check_subject(&payload, digest, err);
        *err = why;
    }
    return -1;
}

int sk_sigstore_check(const struct sk_verifier *v, const char *json, size_t len, const char *digest,
                      const void *manifest, size_t manifest_len, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    if (sk_json_parse(json, len, NULL, &doc, err) < 0)
        return -1;

    const struct sk_json *envelope = sk_json_get(doc, "dsseEnvelope");
    const struct sk_json *message = sk_json_get(doc, "messageSignature");

    if (envelope)
        return check_envelope(v, envelope, digest, err);
    if (message && manifest)
        return sk_verifier_check(v, manifest, manifest_len,
                                 sk_json_get_text(message, "signature", ""), err);
    return sk_fail(err, SK_DENIED, "it has no signature that can be checked with a key");
}
