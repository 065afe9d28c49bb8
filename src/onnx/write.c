/*
 * write.c - writes ONNX files: protobuf's wire format (see wire.c), the messages that a graph
 * needs.
 *
 *   ModelProto   1 ir_version  2 producer_name  3 producer_version  7 graph  8 opset_import
 *                14 metadata_props
 *   GraphProto   1 node*  2 name  5 initializer*  11 input*  12 output*
 *   TensorProto  1 dims*  2 data_type  8 name  9 raw_data
 *
 * A message is preceded by its length, so lengths are known before the first byte is written: all
 * but the weights is put together in memory, and a tensor's length follows from its shape. Then the
 * file is written from front to back, weights as they come from the caller. Fields are in the order
 * of their numbers, as protobuf's own serialisers write them.
 */
#include "onnx/onnx.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "raw_data is little-endian");

enum {
    WIRE_VARINT = 0,
    WIRE_BYTES = 2,
    WIRE_FIXED32 = 5,
    TYPE_FLOAT = 1, /* TensorProto.DataType */
    PART_MAX = 64 << 20
};

enum part {
    FRONT, /* ModelProto up to its graph */
    NODES, /* GraphProto: nodes */
    NAME,  /* its name */
    HEADS, /* the initializers, each without its raw_data */
    INPUTS,
    OUTPUTS,
    BACK,    /* ModelProto behind its graph */
    MESSAGE, /* under construction */
    INNER,   /* inside of MESSAGE, and so on */
    INNERMOST,
    PART_COUNT
};

struct tensor {
    size_t head_end; /* its head ends here in HEADS, and begins where the one before ends */
    size_t bytes;    /* of raw_data */
};

struct sk_onnx_writer {
    struct sk_buf parts[PART_COUNT];
    struct tensor *tensors;
    size_t count, cap;
    bool is_too_large, is_out_of_memory;
};

/* ---- the wire format ---- */

static void put_number(struct sk_buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        sk_buf_chr(b, (char)(v | 0x80));
    sk_buf_chr(b, (char)v);
}

static void put_tag(struct sk_buf *b, unsigned field, unsigned type)
{
    put_number(b, (uint64_t)field << 3 | type);
}

static void put_int(struct sk_buf *b, unsigned field, int64_t v)
{
    put_tag(b, field, WIRE_VARINT);
    put_number(b, (uint64_t)v);
}

static void put_float(struct sk_buf *b, unsigned field, float v)
{
    put_tag(b, field, WIRE_FIXED32);
    sk_buf_add(b, &v, sizeof v);
}

static void put_length(struct sk_buf *b, unsigned field, size_t len)
{
    put_tag(b, field, WIRE_BYTES);
    put_number(b, len);
}

static void put_text(struct sk_buf *b, unsigned field, const char *text)
{
    put_length(b, field, strlen(text));
    sk_buf_str(b, text);
}

/* Puts the message, and empties it for the next one. */
static void put_message(struct sk_buf *b, unsigned field, struct sk_buf *message)
{
    put_length(b, field, message->len);
    if (message->len > 0)
        sk_buf_add(b, message->data, message->len);
    if (!sk_buf_ok(message) && sk_buf_ok(b))
        b->failed = message->failed;
    sk_buf_clear(message);
}

/* ---- the model ---- */

int sk_onnx_writer_new(const struct sk_onnx_model *model, struct sk_onnx_writer **out,
                       struct sk_err *err)
{
    SK_OWN(sk_onnx_writer_free) struct sk_onnx_writer *w = calloc(1, sizeof *w);

    if (!w)
        return sk_nomem(err);
    for (size_t i = 0; i < PART_COUNT; i++)
        w->parts[i].ceiling = PART_MAX;
    put_int(&w->parts[FRONT], 1, model->ir_version);
    put_text(&w->parts[FRONT], 2, model->producer);
    put_text(&w->parts[FRONT], 3, model->producer_version);
    put_text(&w->parts[MESSAGE], 1, ""); /* the domain: ai.onnx */
    put_int(&w->parts[MESSAGE], 2, model->opset);
    put_message(&w->parts[BACK], 8, &w->parts[MESSAGE]);
    put_text(&w->parts[NAME], 2, model->graph_name);
    *out = SK_TAKE(w);
    return 0;
}

void sk_onnx_writer_free(struct sk_onnx_writer *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < PART_COUNT; i++)
        sk_buf_done(&w->parts[i]);
    free(w->tensors);
    free(w);
}

/* ValueInfoProto: 1 name, 2 type { 1 tensor_type { 1 elem_type, 2 shape { 1 dim* } } }. */
static void add_value(struct sk_onnx_writer *w, enum part to, unsigned field, const char *name,
                      const struct sk_onnx_dim *dims, size_t rank)
{
    struct sk_buf *message = &w->parts[MESSAGE], *inner = &w->parts[INNER];
    struct sk_buf *dim = &w->parts[INNERMOST];

    for (size_t i = 0; i < rank; i++) {
        if (dims[i].name)
            put_text(dim, 2, dims[i].name);
        else
            put_int(dim, 1, dims[i].size);
        put_message(inner, 1, dim);
    }
    put_int(message, 1, TYPE_FLOAT);
    put_message(message, 2, inner); /* the shape */
    put_message(inner, 1, message); /* the tensor */
    put_text(message, 1, name);
    put_message(message, 2, inner); /* the type */
    put_message(&w->parts[to], field, message);
}

void sk_onnx_add_input(struct sk_onnx_writer *w, const char *name, const struct sk_onnx_dim *dims,
                       size_t rank)
{
    add_value(w, INPUTS, 11, name, dims, rank);
}

void sk_onnx_add_output(struct sk_onnx_writer *w, const char *name, const struct sk_onnx_dim *dims,
                        size_t rank)
{
    add_value(w, OUTPUTS, 12, name, dims, rank);
}

/* AttributeProto: 1 name, 2 f, 3 i, 8 ints*, 20 type. */
static void put_attribute(struct sk_buf *b, const struct sk_onnx_attr *a)
{
    put_text(b, 1, a->name);
    if (a->type == SK_ONNX_FLOAT)
        put_float(b, 2, a->f);
    if (a->type == SK_ONNX_INT)
        put_int(b, 3, a->i);
    for (size_t i = 0; a->type == SK_ONNX_INTS && i < a->count; i++)
        put_int(b, 8, a->ints[i]);
    put_int(b, 20, a->type);
}

/* NodeProto: 1 input*, 2 output*, 3 name, 4 op_type, 5 attribute*. */
void sk_onnx_add_node(struct sk_onnx_writer *w, const struct sk_onnx_node *node)
{
    struct sk_buf *b = &w->parts[MESSAGE];

    for (size_t i = 0; i < SK_ONNX_NODE_INPUTS && node->inputs[i]; i++)
        put_text(b, 1, node->inputs[i]);
    put_text(b, 2, node->output);
    put_text(b, 3, node->name);
    put_text(b, 4, node->op);
    for (size_t i = 0; i < SK_ONNX_NODE_ATTRS && node->attrs[i].name; i++) {
        put_attribute(&w->parts[INNER], &node->attrs[i]);
        put_message(b, 5, &w->parts[INNER]);
    }
    put_message(&w->parts[NODES], 1, b);
}

static struct tensor *grow(struct sk_onnx_writer *w)
{
    if (w->count == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 64;
        struct tensor *more = reallocarray(w->tensors, cap, sizeof *more);

        if (!more) {
            w->is_out_of_memory = true;
            return NULL;
        }
        w->tensors = more;
        w->cap = cap;
    }
    return &w->tensors[w->count];
}

size_t sk_onnx_add_tensor(struct sk_onnx_writer *w, const char *name, const int64_t *dims,
                          size_t rank)
{
    struct sk_buf *heads = &w->parts[HEADS];
    struct tensor *t = grow(w);
    size_t bytes = sizeof(float);

    if (!t)
        return 0;
    for (size_t i = 0; i < rank; i++) {
        if (!sk_mul_size(bytes, (size_t)dims[i], &bytes))
            w->is_too_large = true;
        put_int(heads, 1, dims[i]);
    }
    put_int(heads, 2, TYPE_FLOAT);
    put_text(heads, 8, name);
    put_length(heads, 9, bytes); /* raw_data, which follows when the file is written */
    *t = (struct tensor){ heads->len, bytes };
    return w->count++;
}

void sk_onnx_add_metadata(struct sk_onnx_writer *w, const char *key, const char *value)
{
    struct sk_buf *pair = &w->parts[MESSAGE];

    put_text(pair, 1, key);
    put_text(pair, 2, value);
    put_message(&w->parts[BACK], 14, pair);
}

/* ---- the file ---- */

static size_t head_begin(const struct sk_onnx_writer *w, size_t i)
{
    return i == 0 ? 0 : w->tensors[i - 1].head_end;
}

/* Bytes of a field with a number below 16 that holds a message of this length. */
static size_t field_bytes(size_t len)
{
    size_t bytes = 2 + len; /* tag and the last byte of the length */

    for (; len >= 0x80; len >>= 7)
        bytes++;
    return bytes;
}

/* Bytes of a GraphProto; SIZE_MAX: too many for protobuf. */
static size_t graph_bytes(const struct sk_onnx_writer *w)
{
    size_t total = w->parts[NODES].len + w->parts[NAME].len + w->parts[INPUTS].len +
                   w->parts[OUTPUTS].len;

    for (size_t i = 0; i < w->count; i++) {
        const struct tensor *t = &w->tensors[i];

        if (t->bytes > INT_MAX)
            return SIZE_MAX;
        total += field_bytes(t->head_end - head_begin(w, i) + t->bytes);
        if (total > INT_MAX)
            return SIZE_MAX;
    }
    return total;
}

static int put_part(struct sk_file_out *f, const struct sk_buf *part, struct sk_err *err)
{
    return part->len > 0 ? sk_file_put(f, part->data, part->len, err) : 0;
}

static int put_tensors(const struct sk_onnx_writer *w, struct sk_file_out *f, sk_onnx_fill *fill,
                       void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf tag = SK_BUF_INIT(16);
    SK_OWN(free) float *data = NULL;
    size_t largest = sizeof *data;

    for (size_t i = 0; i < w->count; i++)
        largest = w->tensors[i].bytes > largest ? w->tensors[i].bytes : largest;
    data = malloc(largest);
    if (!data)
        return sk_nomem(err);
    for (size_t i = 0; i < w->count; i++) {
        const struct tensor *t = &w->tensors[i];
        size_t begin = head_begin(w, i), len = t->head_end - begin;

        sk_buf_clear(&tag);
        put_length(&tag, 5, len + t->bytes);
        if (!sk_buf_ok(&tag))
            return sk_buf_fail(&tag, err);
        if (fill(ctx, i, data, err) < 0 || put_part(f, &tag, err) < 0 ||
            sk_file_put(f, w->parts[HEADS].data + begin, len, err) < 0 ||
            sk_file_put(f, data, t->bytes, err) < 0)
            return -1;
    }
    return 0;
}

int sk_onnx_write(const struct sk_onnx_writer *w, const char *path, sk_onnx_fill *fill, void *ctx,
                  struct sk_err *err)
{
    SK_AUTO(sk_file_out_done) struct sk_file_out f = SK_FILE_OUT_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf tag = SK_BUF_INIT(16);
    size_t bytes = graph_bytes(w);

    for (size_t i = 0; i < PART_COUNT; i++)
        if (!sk_buf_ok(&w->parts[i]))
            return sk_buf_fail(&w->parts[i], err);
    if (w->is_out_of_memory)
        return sk_nomem(err);
    if (w->is_too_large || bytes > INT_MAX - w->parts[FRONT].len - w->parts[BACK].len - 16)
        return sk_fail(err, SK_LIMIT, "'%s' would be larger than 2 GiB, the bound of ONNX", path);
    put_length(&tag, 7, bytes);
    if (!sk_buf_ok(&tag))
        return sk_buf_fail(&tag, err);
    if (sk_file_begin(&f, path, err) < 0 || put_part(&f, &w->parts[FRONT], err) < 0 ||
        put_part(&f, &tag, err) < 0 || put_part(&f, &w->parts[NODES], err) < 0 ||
        put_part(&f, &w->parts[NAME], err) < 0 || put_tensors(w, &f, fill, ctx, err) < 0 ||
        put_part(&f, &w->parts[INPUTS], err) < 0 || put_part(&f, &w->parts[OUTPUTS], err) < 0 ||
        put_part(&f, &w->parts[BACK], err) < 0)
        return -1;
    return sk_file_end(&f, 0644, err);
}
