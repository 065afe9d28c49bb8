/*
 * api_native.c - the table of /api/v1: what MLflow's interface cannot say.
 *
 * Names in paths are one percent-encoded part each. docs/spec/hub.md describes every row.
 */
#include "hub/api_native_priv.h"

/* clang-format off */
const struct sk_hub_route sk_hub_routes_native[] = {
    { "POST", "/api/v1/uploads", 0, SK_HUB_PLAIN, SK_ROLE_PUBLISHER, sk_hub_upload_begin },
    { "GET", "/api/v1/uploads/", SK_HUB_PREFIX, SK_HUB_PLAIN, SK_ROLE_PUBLISHER, sk_hub_upload_status },
    { "PATCH", "/api/v1/uploads/", SK_HUB_PREFIX | SK_HUB_BODY, SK_HUB_PLAIN, SK_ROLE_PUBLISHER, sk_hub_upload_piece },
    { "PUT", "/api/v1/uploads/", SK_HUB_PREFIX | SK_HUB_BODY, SK_HUB_PLAIN, SK_ROLE_PUBLISHER, sk_hub_upload_finish },
    { "DELETE", "/api/v1/uploads/", SK_HUB_PREFIX, SK_HUB_PLAIN, SK_ROLE_PUBLISHER, sk_hub_upload_abort },
    { "GET", "/api/v1/blobs/", SK_HUB_PREFIX, SK_HUB_PLAIN, SK_ROLE_READER, sk_hub_blob_get },
    { "GET", "/api/v1/resolve", 0, SK_HUB_PLAIN, SK_ROLE_READER, sk_hub_resolve },
    { "GET", "/api/v1/models", 0, SK_HUB_PLAIN, SK_ROLE_READER, sk_hub_models_list },
    { "GET", "/api/v1/models/", SK_HUB_PREFIX, SK_HUB_PLAIN, SK_ROLE_READER, sk_hub_model_get },
    { "POST", "/api/v1/models/", SK_HUB_PREFIX, SK_HUB_PLAIN, SK_ROLE_PUBLISHER, sk_hub_model_post },
    { .method = NULL },
};
