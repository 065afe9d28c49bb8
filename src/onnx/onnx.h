/*
 * onnx.h - looks into ONNX files without loading them, and writes them (protobuf wire format of
 * onnx.proto, IR 3 and up).
 *
 * Looking: the file is mapped and walked; nothing is copied but names. Time is linear, memory
 * bounded by SK_ONNX_MAX_* below, nesting by 32 subgraphs. A file that is truncated or not ONNX is
 * SK_CORRUPT with the offset.
 *
 * External data (TensorProto.external_data: location, offset, length) is checked here, before ONNX
 * Runtime opens anything: a location must be a plain relative name inside the model's folder,
 * resolve without links to a regular file, and hold offset + length within it. Subgraphs,
 * functions, sparse tensors and attributes are walked too.
 */
#ifndef SK_ONNX_ONNX_H
#define SK_ONNX_ONNX_H

#include "base/cleanup.h"
#include "base/dtype.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SK_ONNX_MAX_OPS = 512,       /* different operators */
    SK_ONNX_MAX_NODES = 1000000, /* and as many initializers */
    SK_ONNX_MAX_VALUES = 65536,  /* inputs of the main graph, initializers among them included;
                                    outputs */
    SK_ONNX_MAX_PAIRS = 4096,    /* metadata entries, operator sets */
    SK_ONNX_MAX_EXTERNAL = 8192, /* files */
    SK_ONNX_MAX_NAME_BYTES = 16 << 20, /* of all names and metadata together */
    SK_ONNX_MAX_DEPTH = 32
};

struct sk_onnx_value {
    char *name;
    enum sk_dtype dtype; /* SK_DT_COUNT: not a tensor we know */
    bool has_shape;      /* false: any rank, rank is 0 then */
    unsigned rank;
    int64_t dims[8];    /* -1: symbolic or unknown */
    char *dim_names[8]; /* NULL: a number or unnamed */
};

struct sk_onnx_op {
    char *domain; /* "" is ai.onnx */
    char *name;
    uint64_t count; /* nodes in all graphs and subgraphs */
};

struct sk_onnx_pair {
    char *key, *value;
};

struct sk_onnx_info {
    int64_t ir_version;
    char *producer, *graph_name;
    struct sk_onnx_pair *metadata; /* metadata_props */
    size_t metadata_count;
    struct sk_onnx_pair *opsets; /* domain, version as text */
    size_t opset_count;
    struct sk_onnx_value *inputs; /* without initializers */
    size_t input_count;
    struct sk_onnx_value *outputs;
    size_t output_count;
    struct sk_onnx_op *ops; /* most frequent first */
    size_t op_count;
    uint64_t node_count, parameter_count, weight_bytes;
    char **external_files; /* relative names, each once */
    size_t external_count;
    uint64_t file_bytes, external_bytes;
};

/* Reads and checks path and its external data. *out: sk_onnx_free. */
int sk_onnx_inspect(const char *path, struct sk_onnx_info **out, struct sk_err *err) SK_CHECK;
/* The same from memory; folder NULL: external data is an error. For the fuzzer. */
int sk_onnx_inspect_bytes(const void *bytes, size_t len, const char *folder,
                          struct sk_onnx_info **out, struct sk_err *err) SK_CHECK;
void sk_onnx_free(struct sk_onnx_info *info);
SK_DEFINE_OWN(struct sk_onnx_info, sk_onnx_free);

/* ---- writing ---- */

/*
 * A model of one graph, put together piece by piece. Values are connected by name: a node comes
 * behind those that make its inputs. Weights are not held: the writer knows each tensor's name and
 * shape, and asks for its bytes, one tensor after the other, while the file is written.
 *
 * Texts are copied. After a failure adding does nothing, and sk_onnx_write reports it.
 */
struct sk_onnx_writer;

/* producer: "skerry" and its version; opset of ai.onnx, and the IR version that belongs to it. */
struct sk_onnx_model {
    const char *graph_name, *producer, *producer_version;
    unsigned ir_version, opset;
};

int sk_onnx_writer_new(const struct sk_onnx_model *model, struct sk_onnx_writer **out,
                       struct sk_err *err) SK_CHECK;
void sk_onnx_writer_free(struct sk_onnx_writer *w);
SK_DEFINE_OWN(struct sk_onnx_writer, sk_onnx_writer_free);

struct sk_onnx_dim {
    int64_t size;
    const char *name; /* not NULL: a dynamic axis of this name */
};

/* An f32 input or output of the graph. */
void sk_onnx_add_input(struct sk_onnx_writer *w, const char *name, const struct sk_onnx_dim *dims,
                       size_t rank);
void sk_onnx_add_output(struct sk_onnx_writer *w, const char *name, const struct sk_onnx_dim *dims,
                        size_t rank);

enum sk_onnx_attr_type { /* AttributeProto.AttributeType */
    SK_ONNX_FLOAT = 1,
    SK_ONNX_INT = 2,
    SK_ONNX_INTS = 7
};

struct sk_onnx_attr {
    const char *name; /* NULL: none */
    enum sk_onnx_attr_type type;
    float f;
    int64_t i;
    int64_t ints[4];
    size_t count; /* of ints */
};

enum {
    SK_ONNX_NODE_INPUTS = 5,
    SK_ONNX_NODE_ATTRS = 5
};

struct sk_onnx_node {
    const char *op, *name;
    const char *inputs[SK_ONNX_NODE_INPUTS]; /* up to the first NULL */
    const char *output;
    struct sk_onnx_attr attrs[SK_ONNX_NODE_ATTRS]; /* up to the first without a name */
};

void sk_onnx_add_node(struct sk_onnx_writer *w, const struct sk_onnx_node *node);
/* An f32 initializer; returns its number, from 0. */
size_t sk_onnx_add_tensor(struct sk_onnx_writer *w, const char *name, const int64_t *dims,
                          size_t rank);
void sk_onnx_add_metadata(struct sk_onnx_writer *w, const char *key, const char *value);

/* Writes the elements of the tensor with this number to out. */
typedef int sk_onnx_fill(void *ctx, size_t number, float *out, struct sk_err *err);

/* Writes the file in one step: a crash or a full disk leaves the old file or none. Memory: the
 * largest tensor. SK_LIMIT beyond 2 GiB, protobuf's bound. */
int sk_onnx_write(const struct sk_onnx_writer *w, const char *path, sk_onnx_fill *fill, void *ctx,
                  struct sk_err *err) SK_CHECK;

#endif
