/*
 * images.h - repositories of the hub's registry: manifests, tags, referrers, who holds which blob.
 *
 * A manifest is a blob whose exact bytes are kept. Putting one checks, in one transaction, that
 * every blob and manifest that it names is in the repository, keeps the references (so gc and
 * verify know them) and moves the tag. Specification: OCI distribution 1.1, image 1.1; Docker
 * schema 2 types are taken as they are.
 *
 * Errors: SK_NOT_FOUND, SK_INVALID (the text begins with the OCI code: "NAME_INVALID: ...",
 * "MANIFEST_BLOB_UNKNOWN: ...", "MANIFEST_INVALID: ..."), SK_TOO_LARGE, SK_DENIED. Threads: shared.
 */
#ifndef SK_IMAGES_IMAGES_H
#define SK_IMAGES_IMAGES_H

#include "accounts/accounts.h"
#include "base/buf.h"
#include "base/err.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SK_MANIFEST_MAX = 4 << 20,
    SK_TAG_TEXT = 129,
    SK_REPOSITORY_TEXT = 256
};

/* Of a repository name, of a tag (d.2 of the distribution specification). */
bool sk_repository_valid(const char *name);
bool sk_tag_valid(const char *tag);

struct sk_manifest_info {
    char digest[SK_DIGEST_TEXT];
    char media_type[128];
    char subject[SK_DIGEST_TEXT]; /* "" when it has none */
    uint64_t size;
};

/* reference: a tag, or the digest that the bytes must have. media_type: the Content-Type, NULL: the
 * manifest's own. Makes the repository when it is new. */
int sk_manifest_put(struct sk_store *s, const struct sk_who *who, const char *repository,
                    const char *reference, const char *media_type, const void *bytes, size_t len,
                    struct sk_manifest_info *out, struct sk_err *err) SK_CHECK;
/* Finds by tag or digest. */
int sk_manifest_find(struct sk_store *s, const char *repository, const char *reference,
                     struct sk_manifest_info *out, struct sk_err *err) SK_CHECK;
/* A digest removes the manifest and its tags (blobs go with gc); a tag removes the tag. */
int sk_manifest_delete(struct sk_store *s, const struct sk_who *who, const char *repository,
                       const char *reference, struct sk_err *err) SK_CHECK;

/* A blob belongs to a repository by upload, mount, or a manifest. */
int sk_repository_add_blob(struct sk_tx *tx, const char *repository, const char *digest,
                           struct sk_err *err) SK_CHECK;
/* SK_NOT_FOUND when the repository does not hold it. Keeps it from gc for the grace period. */
int sk_repository_blob(struct sk_store *s, const char *repository, const char *digest,
                       uint64_t *size, struct sk_err *err) SK_CHECK;
/* SK_NOT_FOUND when `from` does not hold it: the client then uploads. from NULL: any repository
 * that the caller may read. */
int sk_repository_mount(struct sk_store *s, const struct sk_who *who, const char *repository,
                        const char *from, const char *digest, struct sk_err *err) SK_CHECK;
/* SK_DENIED while a manifest of the repository names it. */
int sk_repository_delete_blob(struct sk_store *s, const struct sk_who *who, const char *repository,
                              const char *digest, struct sk_err *err) SK_CHECK;

/* Names after `last` (NULL: from the start), at most max, sorted by bytes; *more: there are others.
 * `each` gives -1 to stop. SK_NOT_FOUND: no such repository. */
typedef int sk_images_each(void *ctx, const char *name, struct sk_err *err);
int sk_tags_list(struct sk_store *s, const char *repository, const char *last, unsigned max,
                 sk_images_each *each, void *ctx, bool *more, struct sk_err *err) SK_CHECK;
int sk_repositories_list(struct sk_store *s, const char *last, unsigned max, sk_images_each *each,
                         void *ctx, bool *more, struct sk_err *err) SK_CHECK;
/* An image index (JSON) of the manifests whose subject is `digest`; artifact_type NULL: all. Never
 * SK_NOT_FOUND. */
int sk_referrers(struct sk_store *s, const char *repository, const char *digest,
                 const char *artifact_type, struct sk_buf *out, struct sk_err *err) SK_CHECK;

#endif
