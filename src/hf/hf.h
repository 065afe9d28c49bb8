/*
 * hf.h - files of the Hugging Face hub, with its own conventions, so that its cache is shared with
 * Python programs.
 *
 * HF_ENDPOINT (https://huggingface.co), HF_HOME (~/.cache/huggingface), HF_HUB_CACHE, HF_TOKEN
 * (else HF_HOME/token), HF_HUB_OFFLINE. Cache layout: hub/models--OWNER--NAME/{refs/REVISION,
 * blobs/ETAG, snapshots/COMMIT/FILE -> blob}, incomplete files beside the blob are resumed; what
 * arrives is checked against the length and, for files in LFS, the SHA-256. docs/spec/hf.md.
 *
 * Errors: SK_NOT_FOUND (no such repository, revision, or file in it), SK_UNAUTHENTICATED (gated:
 * HF_TOKEN), SK_IO (no network and not in the cache: says both), SK_CORRUPT (checksum).
 */
#ifndef SK_HF_HF_H
#define SK_HF_HF_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct sk_hf_options {
    /* bytes so far and in total; false stops (SK_CANCELLED; what came is kept for a resume). NULL:
     * none */
    bool (*progress)(void *ctx, const char *file, uint64_t done, uint64_t total);
    void *ctx;
};

/* spec: "OWNER/NAME[@REVISION]" (a leading "hf:" is accepted). Gets the first of `files`
 * (NULL-terminated) that the repository has; *path: where it lies in the cache (malloc'd), *commit:
 * the commit (malloc'd; may be NULL). With a network the revision is resolved anew; without, the
 * cached one is used. */
int sk_hf_get(const char *spec, const char *const *files, const struct sk_hf_options *opts,
              char **path, char **commit, struct sk_err *err) SK_CHECK;

#endif
