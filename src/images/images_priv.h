/* images_priv.h - what the files of images share. */
#ifndef SK_IMAGES_IMAGES_PRIV_H
#define SK_IMAGES_IMAGES_PRIV_H

#include "base/err.h"
#include "db/db.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NAME_INVALID, DIGEST_INVALID. */
int sk_images_check_name(const char *repository, struct sk_err *err) SK_CHECK;
int sk_images_check_digest(const char *digest, struct sk_err *err) SK_CHECK;
/* 0 a tag, 1 a digest; -1 is DIGEST_INVALID when it has a ':', MANIFEST_INVALID otherwise. */
int sk_images_reference(const char *reference, struct sk_err *err) SK_CHECK;

/* Of a repository; NAME_UNKNOWN. */
int sk_images_find(struct sk_tx *tx, const char *repository, int64_t *id,
                   struct sk_err *err) SK_CHECK;
/* Makes it when it is new. */
int sk_images_make(struct sk_tx *tx, const char *repository, int64_t *id,
                   struct sk_err *err) SK_CHECK;

/* One row with integers: 1 and *value (column 0), or 0 when there is none. */
int sk_images_number(struct sk_tx *tx, int64_t *value, struct sk_err *err, const char *sql,
                     int64_t id, const char *text) SK_CHECK;

#endif
