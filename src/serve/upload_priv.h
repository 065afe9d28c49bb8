/*
 * upload_priv.h - models that arrive over the network: into a folder of their own, and tried in a
 * child process.
 */
#ifndef SK_SERVE_UPLOAD_PRIV_H
#define SK_SERVE_UPLOAD_PRIV_H

#include "base/cleanup.h"
#include "base/err.h"
#include "json/json.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* The "file:PATH" parameters of a repository load (base64) as files in a new folder below the cache
 * folder. PATH is a relative name; a leading version number is dropped. *folder: NULL when there
 * are no files; else remove and free it. Errors: SK_INVALID with the name of the file. */
int sk_upload_unpack(const struct sk_json *parameters, char **folder, struct sk_err *err) SK_CHECK;

/* Removes the folders of servers that ended without removing them. Called once at start. */
void sk_upload_sweep(void);

/* Removes a folder that was unpacked and frees its name; a rest that cannot be removed is logged.
 * Accepts NULL. */
void sk_upload_discard(char *folder);
SK_DEFINE_OWN(char, sk_upload_discard);

/* Loads and runs the model in a child with limits on memory, files and time. SK_CORRUPT with the
 * child's own reason, SK_INVALID when it takes too long, SK_BUSY soon after *give_up is set. */
int sk_upload_try(const char *folder, const char *onnxruntime, uint64_t timeout_ms,
                  const atomic_bool *give_up, struct sk_err *err) SK_CHECK;

/* A name that a model from the network may have: 1 to 128 letters, digits and "._-+", no dot first.
 */
int sk_upload_check_name(const char *name, struct sk_err *err) SK_CHECK;

/* In the child: the limits, before anything is read. */
int sk_upload_limit_self(const char *path, struct sk_err *err) SK_CHECK;

#endif
