/* api_native_priv.h - the functions behind /api/v1, which api_native.c lists. */
#ifndef SK_HUB_API_NATIVE_PRIV_H
#define SK_HUB_API_NATIVE_PRIV_H

#include "hub/hub_priv.h"

/* api_blobs.c */
void sk_hub_upload_begin(struct sk_hub_call *call);
void sk_hub_upload_status(struct sk_hub_call *call);
void sk_hub_upload_piece(struct sk_hub_call *call);
void sk_hub_upload_finish(struct sk_hub_call *call);
void sk_hub_upload_abort(struct sk_hub_call *call);
void sk_hub_blob_get(struct sk_hub_call *call);

/* api_versions.c */
void sk_hub_resolve(struct sk_hub_call *call);
void sk_hub_models_list(struct sk_hub_call *call);
void sk_hub_model_get(struct sk_hub_call *call);
void sk_hub_model_post(struct sk_hub_call *call);

#endif
