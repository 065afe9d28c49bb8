/* sign_priv.h - what the parts of sign share. */
#ifndef SK_SIGN_SIGN_PRIV_H
#define SK_SIGN_SIGN_PRIV_H

#include "crypto/crypto.h"
#include "sign/sign.h"

#include <stdbool.h>

#define SK_SIGN_LAYER_TYPE  "application/vnd.dev.cosign.simplesigning.v1+json"
#define SK_SIGN_ANNOTATION  "dev.cosignproject.cosign/signature"
#define SK_SIGN_BUNDLE_TYPE "application/vnd.dev.sigstore.bundle.v0.3+json"

enum {
    SK_SIGN_BLOB_MAX = 1 << 20, /* a payload, a bundle */
    SK_SIGN_LAYERS_MAX = 64,    /* signatures of one image that are looked at */
    SK_SIGN_KEYS_MAX = 16
};

struct sk_signer {
    struct sk_key *key;
};

struct sk_verifier {
    struct sk_key *keys[SK_SIGN_KEYS_MAX];
    size_t count;
};

/* ---- sealed.c: cosign's encrypted private keys ---- */

/* PKCS#8 in a PEM text of cosign's, appended to out. */
int sk_sealed_write(const void *pkcs8, size_t len, const char *password, struct sk_buf *out,
                    struct sk_err *err) SK_CHECK;
/* Whether a PEM text is such a key. */
bool sk_sealed_is(const char *pem);
/* The PKCS#8 bytes, appended to out. SK_DENIED: the password is wrong. */
int sk_sealed_read(const char *pem, const char *password, struct sk_buf *out,
                   struct sk_err *err) SK_CHECK;

/* ---- payload.c: what is signed ---- */

/* SK_UNSUPPORTED: not of sha256; cosign's tag has no room for others. */
int sk_sign_check(const char *digest, struct sk_err *err) SK_CHECK;
void sk_payload_write(const char *docker_reference, const char *digest, struct sk_buf *out);
/* SK_DENIED when it is about another image. */
int sk_payload_check(const void *payload, size_t len, const char *digest,
                     struct sk_err *err) SK_CHECK;
/* 0 when one of the keys made this signature of the bytes. */
int sk_verifier_check(const struct sk_verifier *v, const void *bytes, size_t len,
                      const char *signature_base64, struct sk_err *err) SK_CHECK;

/* ---- sigstore.c: sigstore bundles ---- */

/* manifest: the bytes of the image's manifest, for bundles that sign them directly. */
int sk_sigstore_check(const struct sk_verifier *v, const char *json, size_t len, const char *digest,
                      const void *manifest, size_t manifest_len, struct sk_err *err) SK_CHECK;

#endif
