/* api_oci_priv.h - between the files that answer /v2/: see api_oci.c. */
#ifndef SK_HUB_API_OCI_PRIV_H
#define SK_HUB_API_OCI_PRIV_H

#include "hub/hub_priv.h"
#include "images/images.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SK_OCI_PAGE_MAX = 10000,                     /* names in one answer; more with its Link */
    SK_OCI_MANIFEST_BYTES = 16 * SK_MANIFEST_MAX /* of all manifests that are on their way in */
};

/* ---- oci_path.c ---- */
enum sk_oci_kind {
    SK_OCI_BASE,
    SK_OCI_CATALOG,
    SK_OCI_MANIFESTS, /* reference */
    SK_OCI_BLOBS,     /* digest */
    SK_OCI_UPLOADS,
    SK_OCI_UPLOAD, /* id */
    SK_OCI_TAGS,
    SK_OCI_REFERRERS /* digest */
};

struct sk_oci_path {
    enum sk_oci_kind kind;
    const char *repository; /* "" when there is none; not checked */
    const char *what;       /* reference, digest, id, or "" */
};

/* text: what follows "/v2/", decoded; it is cut in place, and *out points into it. False: no
 * address of this interface. */
bool sk_oci_path_parse(char *text, struct sk_oci_path *out);
/* Content-Range as this specification has it: "FIRST-LAST", both in; also HTTP's own, "bytes
 * FIRST-LAST/SIZE". */
bool sk_oci_content_range(const char *text, uint64_t *first, uint64_t *last);
/* Appends a value of a query, percent-encoded. */
void sk_oci_add_value(struct sk_buf *out, const char *value);

/* ---- api_oci.c ---- */
/* The code that begins the text, or one that fits. */
void sk_oci_fail(struct sk_hub_call *call, const struct sk_err *err);
void sk_oci_set_digest(struct sk_hub_call *call, const char *digest);
/* Location: /v2/REPOSITORY/PART/WHAT */
void sk_oci_set_location(struct sk_hub_call *call, const char *repository, const char *part,
                         const char *what);
/* How long ago a blob may have been touched to be as good as new. */
uint64_t sk_oci_fresh_ms(const struct sk_hub_call *call);

/* ---- the functions; the path is call->state until they put their own there ---- */
/* api_oci_content.c */
void sk_oci_manifest_get(struct sk_hub_call *call);
void sk_oci_manifest_take(struct sk_hub_call *call);
void sk_oci_manifest_remove(struct sk_hub_call *call);
void sk_oci_blob_get(struct sk_hub_call *call);
void sk_oci_blob_remove(struct sk_hub_call *call);
/* api_oci_lists.c */
void sk_oci_catalog_get(struct sk_hub_call *call);
void sk_oci_tags_get(struct sk_hub_call *call);
void sk_oci_referrers_get(struct sk_hub_call *call);
/* api_oci_uploads.c */
void sk_oci_upload_post(struct sk_hub_call *call);
void sk_oci_upload_status(struct sk_hub_call *call);
void sk_oci_upload_patch(struct sk_hub_call *call);
void sk_oci_upload_put(struct sk_hub_call *call);
void sk_oci_upload_cancel(struct sk_hub_call *call);

#endif
