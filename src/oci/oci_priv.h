/*
 * oci_priv.h - between names.c (what may be a name, a tag, a digest), ref.c, manifest.c,
 * challenge.c (what a registry asks for), docker_config.c (what the user has stored), auth.c (what
 * is sent), registry.c (one request), content.c, upload.c, download.c, layout.c and transfer.c
 * (whole images).
 */
#ifndef SK_OCI_OCI_PRIV_H
#define SK_OCI_OCI_PRIV_H

#include "oci/oci.h"

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    SK_OCI_ITEMS_MAX = 1024,     /* layers of a manifest, manifests of an index */
    SK_OCI_JSON_VALUES = 200000, /* in a manifest, an index, an answer */
    SK_OCI_JSON_DEPTH = 32
};

#define SK_OCI_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define SK_OCI_DOCKER_LIST     "application/vnd.docker.distribution.manifest.list.v2+json"

/* ---- names.c ---- */

bool sk_oci_is_repository(struct sk_view v);
bool sk_oci_is_tag(struct sk_view v);
/* sha256: and 64 lower-case hex digits */
bool sk_oci_is_digest(struct sk_view v);
/* NAME, NAME:PORT, IPv4, [IPv6]:PORT */
bool sk_oci_is_host(struct sk_view v);
/* TYPE/SUBTYPE of RFC 6838 */
bool sk_oci_is_media_type(struct sk_view v);

#endif
