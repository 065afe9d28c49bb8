/*
 * hf.h - files of the Hugging Face hub, with its own conventions, so that its cache is shared with
 * Python programs.
 *
 * HF_ENDPOINT (https://huggingface.co), HF_HOME (~/.cache/huggingface), HF_HUB_CACHE, HF_TOKEN
 * (else HF_HOME/token), HF_HUB_OFFLINE. Cache layout: hub/models--OWNER--NAME/{refs/REVISION,
 * blobs/ETAG, snapshots/COMMIT/FILE -> blob}; incomplete files beside the blob are resumed; what
 * arrives is checked against the length and the SHA-256 (LFS) or Git's SHA-1. docs/spec/hf.md.
 *
 * Errors: SK_INVALID (spec), SK_NOT_FOUND (no such repository, revision, or file in it),
 * SK_UNAUTHENTICATED (gated, refused token: says where to get access), SK_IO (no network and not in
 * the cache: says both; the disk is full), SK_CORRUPT (checksum), SK_REMOTE, SK_DENIED (as in
 * fetch.h), SK_UNSUPPORTED (no libcurl), SK_CANCELLED. A token is in no text.
 *
 * Threads: any; processes wait for each other. Memory does not depend on the file.
 */
#ifndef SK_HF_HF_H
#define SK_HF_HF_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct sk_hf_options {
    /* Bytes of the file so far and in total, those of an earlier attempt included; 0 and 0: not yet
     * known. Called at least about once a second. False stops (SK_CANCELLED; what came is kept for
     * a resume). NULL: none. */
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
