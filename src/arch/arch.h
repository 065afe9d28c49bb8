/*
 * arch.h - architectures as tables, their first weights, and weights that come from files.
 *
 * The networks, the names of their tensors and the distributions of their first weights are
 * torchvision's; timm's names are translated. An architecture is one row of archs.c; resnet.c and
 * mobile.c have the tables behind the rows.
 */
#ifndef SK_ARCH_ARCH_H
#define SK_ARCH_ARCH_H

#include "base/err.h"
#include "nn/nn.h"
#include "weights/weights.h"

struct sk_arch_body;

struct sk_arch {
    const char *name;  /* "resnet18" */
    const char *head;  /* the last linear layer: "fc", "classifier.1" */
    const char *hub;   /* "timm/resnet18.tv_in1k": pretrained weights on the Hugging Face hub */
    unsigned min_side; /* smallest picture it takes */
    const struct sk_arch_body *body; /* the module's own */
};

/* NULL-terminated. */
const struct sk_arch *const *sk_archs(void);
/* NULL: unknown; the caller lists sk_arch_names. */
const struct sk_arch *sk_arch_find(const char *name);
const char *sk_arch_names(void); /* "resnet18, resnet34, ..." */

/* The finished network for pictures of side x side with its first weights, the same for the same
 * seed on every machine. */
int sk_arch_new(const struct sk_arch *a, unsigned classes, unsigned side, uint64_t seed,
                struct sk_nn **out, struct sk_err *err) SK_CHECK;

/* What loading did, for the report to the user. */
struct sk_arch_loaded {
    size_t tensors;     /* taken over */
    bool head_replaced; /* the file's head has another number of classes: the first weights stay */
    unsigned file_classes;
    const char *naming; /* "torchvision" or "timm": static */
};

/* Takes over every tensor of the file by name (torchvision's or timm's; prefixes "module." and
 * "model." are dropped), converting f16, bf16, f64. A tensor that is missing or of another shape is
 * SK_INVALID naming it and both shapes; only the head may differ in its classes.
 * num_batches_tracked is ignored, and so are tensors outside of the network's parts; one that the
 * network's parts lack is SK_INVALID, because the file is another architecture's. Changes nothing
 * on failure.
 *
 * Where timm's network has another batch norm epsilon than torchvision's, the batch norm's weight
 * is scaled so that the network computes what timm's does. A checkpoint that has "model" or
 * "state_dict" inside is the reader's matter (weights.h). */
int sk_arch_load(const struct sk_arch *a, struct sk_nn *n, const struct sk_weights *w,
                 struct sk_arch_loaded *out, struct sk_err *err) SK_CHECK;

/* Writes parameters and buffers with torchvision's names (and num_batches_tracked = batches) as
 * safetensors, in one step. values, buffers: other arrays in the network's layout (moving
 * averages), NULL: the network's own. */
int sk_arch_save(const struct sk_arch *a, struct sk_nn *n, const float *values,
                 const float *buffers, uint64_t batches, const char *path,
                 struct sk_err *err) SK_CHECK;

/* The network for inference as an ONNX file: opset 13, IR 7, input "input" [batch_size, 3, side,
 * side], output "output" [batch_size, classes], batch norm folded, weights inside. metadata: pairs
 * key, value, NULL-terminated; may be NULL. */
int sk_arch_export_onnx(struct sk_nn *n, const char *graph_name, const char *const *metadata,
                        const char *path, struct sk_err *err) SK_CHECK;

#endif
