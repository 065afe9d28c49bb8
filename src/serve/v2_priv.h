/*
 * v2_priv.h - requests and answers of the Open Inference Protocol (V2) over HTTP: JSON, the binary
 * tensor data extension, the classification extension.
 *
 * Parsing needs no model but the description of its tensors, so it is tested and fuzzed alone.
 * Everything that a parse gives lies in the request's arena or in the body itself.
 */
#ifndef SK_SERVE_V2_PRIV_H
#define SK_SERVE_V2_PRIV_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/engine.h"
#include "json/json.h"

/* What the answer should hold of one output of the model. */
struct sk_v2_output {
    bool is_wanted;
    bool is_binary;
    uint32_t classification; /* 0: the tensor itself; k: its k best as "value:index:label" */
};

struct sk_v2_request {
    const char *id;                            /* NULL: none */
    uint64_t timeout_us;                       /* 0: none */
    struct sk_tensor inputs[SK_LIMIT_TENSORS]; /* in the model's order; shapes and sizes agree */
    struct sk_v2_output outputs[SK_LIMIT_TENSORS]; /* in the model's order */
    size_t order[SK_LIMIT_TENSORS];                /* outputs in the order of the answer */
    size_t order_count;
    bool wanted[SK_LIMIT_TENSORS]; /* outputs[i].is_wanted, as the engine takes it */
};

/* header: the value of Inference-Header-Content-Length, NULL when absent. The document stays in
 * *doc, which the caller frees after the answer (texts point into it). Errors: SK_INVALID with the
 * name of the tensor, SK_LIMIT. */
int sk_v2_parse(struct sk_view body, const char *header, const struct sk_net_info *net,
                size_t max_values, struct sk_arena *arena, struct sk_json **doc,
                struct sk_v2_request *out, struct sk_err *err) SK_CHECK;

/* One "data" array into tensor memory (v2_data.c): t has type, shape and size; data or strings are
 * filled in. */
int sk_v2_json_data(const struct sk_json *data, struct sk_tensor *t, struct sk_arena *arena,
                    struct sk_err *err) SK_CHECK;
/* The binary form of a BYTES tensor: elements with 4-byte little-endian lengths. */
int sk_v2_binary_strings(struct sk_view bytes, struct sk_tensor *t, struct sk_arena *arena,
                         struct sk_err *err) SK_CHECK;

typedef const char *sk_v2_label(void *ctx, size_t index); /* NULL: no label */

/* Appends the whole answer. *header_len: length of the JSON part when a binary part follows, 0 when
 * the answer is JSON alone. labels may be NULL. */
int sk_v2_write(const struct sk_v2_request *req, const struct sk_net_info *net,
                const struct sk_tensor *outputs, const char *model, const char *version,
                sk_v2_label *labels, void *label_ctx, struct sk_buf *out, size_t *header_len,
                struct sk_err *err) SK_CHECK;

/* {"name":...,"datatype":...,"shape":[...]}, ... */
void sk_v2_tensors_json(const struct sk_tensor_info *tensors, size_t count, struct sk_buf *out);

#endif
