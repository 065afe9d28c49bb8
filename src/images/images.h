/*
 * images.h - repositories of the hub's registry: manifests, tags, referrers, who holds which blob.
 *
 * A manifest is a blob whose exact bytes are kept. Putting one checks, in one transaction, that
 * every blob and manifest that it names is in the repository, keeps the references (so gc and
 * verify know them) and moves the tags. A blob that a repository holds without a manifest naming it
 * lives for gc's grace period, counted from when it was last asked for. Specification: OCI
 * distribution 1.1, image 1.1; Docker schema 2 types are taken as they are.
 *
 * Errors: those of store.h, and SK_NOT_FOUND, SK_INVALID, SK_TOO_LARGE, SK_DENIED whose text begins
 * with the code of the specification: "NAME_INVALID: ...", "MANIFEST_BLOB_UNKNOWN: ...". Threads:
 * shared.
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
    SK_MANIFEST_TAGS_MAX = 32, /* moved by one put */
    SK_TAG_TEXT = 129,
    SK_REPOSITORY_TEXT = 256,
    SK_REFERRERS_MAX = 1000,                 /* in one answer */
    SK_REFERRERS_BYTES = SK_MANIFEST_MAX / 2 /* of annotations in one answer, but one at least */
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

struct sk_manifest_put {
    const char *repository;  /* made when it is new */
    const char *reference;   /* a tag, or the digest that the bytes must have */
    const char *media_type;  /* the Content-Type without parameters; NULL: the manifest's own */
    const char *const *tags; /* more tags to move */
    size_t tag_count;
    const void *bytes;
    size_t len;
};

int sk_manifest_put(struct sk_store *s, const struct sk_who *who, const struct sk_manifest_put *put,
                    struct sk_manifest_info *out, struct sk_err *err) SK_CHECK;
/* Finds by tag or digest. */
int sk_manifest_find(struct sk_store *s, const char *repository, const char *reference,
                     struct sk_manifest_info *out, struct sk_err *err) SK_CHECK;
/* A digest removes the manifest and its tags (blobs go with gc), SK_DENIED while an index of the
 * repository names it; a tag removes the tag. */
int sk_manifest_delete(struct sk_store *s, const struct sk_who *who, const char *repository,
                       const char *reference, struct sk_err *err) SK_CHECK;

/* A blob belongs to a repository by upload or mount. */
int sk_repository_add_blob(struct sk_tx *tx, const char *repository, const char *digest,
                           struct sk_err *err) SK_CHECK;
/* SK_NOT_FOUND when the repository does not hold it. */
int sk_repository_blob(struct sk_store *s, const char *repository, const char *digest,
                       uint64_t *size, struct sk_err *err) SK_CHECK;
/* The same for one who is about to name it in a manifest: gc's grace period begins anew, unless it
 * did less than fresh_ms ago. */
int sk_repository_keep_blob(struct sk_store *s, const char *repository, const char *digest,
                            uint64_t fresh_ms, uint64_t *size, struct sk_err *err) SK_CHECK;
/* For all blobs of the repository that no manifest names yet: an upload is under way, and the
 * manifest that will name them comes after it. A repository that is not there is fine. */
int sk_repository_keep(struct sk_store *s, const char *repository, uint64_t fresh_ms,
                       struct sk_err *err) SK_CHECK;
/* SK_NOT_FOUND when `from` does not hold it: the client then uploads. from NULL: any repository. */
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
/* Of the repositories that have a manifest. */
int sk_repositories_list(struct sk_store *s, const char *last, unsigned max, sk_images_each *each,
                         void *ctx, bool *more, struct sk_err *err) SK_CHECK;
/* An image index (JSON) of the manifests whose subject is `digest`, by digest; artifact_type NULL:
 * all; after NULL: from the start. next is the digest to go on after, "" when that was all. Never
 * SK_NOT_FOUND. */
int sk_referrers(struct sk_store *s, const char *repository, const char *digest,
                 const char *artifact_type, const char *after, struct sk_buf *out,
                 char next[SK_DIGEST_TEXT], struct sk_err *err) SK_CHECK;

#endif
