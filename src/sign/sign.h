/*
 * sign.h - signatures of images, offline, as cosign makes them (libsodium for its encrypted keys).
 *
 * What is signed is the manifest digest: a "simple signing" payload, ECDSA P-256 over SHA-256, in
 * an image of its own at the tag sha256-<hex>.sig; read are that form and sigstore bundles stored
 * as referrers (media type application/vnd.dev.sigstore.bundle.v0.3+json, with a key, not with a
 * certificate). Keys: PEM files, plain (PKCS#8, SEC 1) or cosign's encrypted ones
 * ("ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"; password from COSIGN_PASSWORD
 * or a file).
 *
 * Errors: SK_DENIED (no signature by this key, or for another digest: says which were found),
 * SK_INVALID (a key), SK_CORRUPT, those of oci.h. Threads: one.
 */
#ifndef SK_SIGN_SIGN_H
#define SK_SIGN_SIGN_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "oci/oci.h"

#include <stddef.h>

struct sk_signer;   /* a private key */
struct sk_verifier; /* public keys */

/* password NULL: COSIGN_PASSWORD, else empty. */
int sk_signer_open(const char *key_file, const char *password, struct sk_signer **out,
                   struct sk_err *err) SK_CHECK;
void sk_signer_free(struct sk_signer *s);
SK_DEFINE_OWN(struct sk_signer, sk_signer_free);
/* Makes PREFIX.key (0600, encrypted with password in cosign's format; plain PKCS#8 when password is
 * NULL) and PREFIX.pub. */
int sk_sign_make_keys(const char *prefix, const char *password, struct sk_err *err) SK_CHECK;

int sk_verifier_open(const char *const *public_key_files, size_t count, struct sk_verifier **out,
                     struct sk_err *err) SK_CHECK;
void sk_verifier_free(struct sk_verifier *v);
SK_DEFINE_OWN(struct sk_verifier, sk_verifier_free);

/* "sha256-<hex>.sig", where the signatures of digest are, into out (at least 80 bytes). */
void sk_sign_tag(const char *digest, char *out);
/* Adds a signature of digest to the image sha256-<hex>.sig of the repository (keeps those there).
 */
int sk_sign_image(struct sk_signer *s, struct sk_oci_registry *r, const struct sk_oci_ref *image,
                  const char *digest, struct sk_err *err) SK_CHECK;
/* The same into a layout, under the tag sha256-<hex>.sig, for images that travel as files. */
int sk_sign_layout(struct sk_signer *s, const char *layout, const char *docker_reference,
                   const char *digest, struct sk_err *err) SK_CHECK;
/* 0 when one signature by one of the keys is for this digest. Both places are looked at. */
int sk_verify_image(struct sk_verifier *v, struct sk_oci_registry *r,
                    const struct sk_oci_ref *image, const char *digest,
                    struct sk_err *err) SK_CHECK;
/* The payload and signature alone, for callers that fetched them otherwise. */
int sk_verify_payload(const struct sk_verifier *v, const void *payload, size_t len,
                      const char *signature_base64, const char *digest,
                      struct sk_err *err) SK_CHECK;

#endif
