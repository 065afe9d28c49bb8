/*
 * pb.h - writes ONNX models for tests, field by field: protobuf's wire format and the few messages
 * that tests need.
 *
 *     SK_AUTO(sk_buf_done) struct sk_buf node = SK_BUF_INIT(1 << 20);
 *     pb_text(&node, 4, "Relu");
 *     pb_message(&graph, 1, &node);       // and empties node
 */
#ifndef SK_TESTS_ONNX_PB_H
#define SK_TESTS_ONNX_PB_H

#include "base/buf.h"
#include "base/cleanup.h"

#include <string.h>

static inline void pb_raw_varint(struct sk_buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        sk_buf_chr(b, (char)(v | 0x80));
    sk_buf_chr(b, (char)v);
}

static inline void pb_varint(struct sk_buf *b, unsigned field, uint64_t v)
{
    pb_raw_varint(b, field << 3);
    pb_raw_varint(b, v);
}

static inline void pb_bytes(struct sk_buf *b, unsigned field, const void *bytes, size_t len)
{
    pb_raw_varint(b, field << 3 | 2);
    pb_raw_varint(b, len);
    sk_buf_add(b, bytes, len);
}

static inline void pb_text(struct sk_buf *b, unsigned field, const char *text)
{
    pb_bytes(b, field, text, strlen(text));
}

static inline void pb_message(struct sk_buf *b, unsigned field, struct sk_buf *message)
{
    pb_bytes(b, field, message->data ? message->data : "", message->len);
    sk_buf_clear(message);
}

/* NodeProto: one or two inputs (NULL: one), one output. */
static inline void pb_node(struct sk_buf *graph, const char *op, const char *a, const char *b,
                           const char *out)
{
    SK_AUTO(sk_buf_done) struct sk_buf node = SK_BUF_INIT(1 << 20);

    pb_text(&node, 1, a);
    if (b)
        pb_text(&node, 1, b);
    pb_text(&node, 2, out);
    pb_text(&node, 4, op);
    pb_message(graph, 1, &node);
}

/* ValueInfoProto: FP32 with these dimensions (-1: named "n"). field 11: input, 12: output. */
static inline void pb_value(struct sk_buf *graph, unsigned field, const char *name, unsigned rank,
                            const int64_t *dims)
{
    SK_AUTO(sk_buf_done) struct sk_buf value = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf type = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf tensor = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf shape = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf dim = SK_BUF_INIT(1 << 20);

    for (unsigned i = 0; i < rank; i++) {
        if (dims[i] < 0)
            pb_text(&dim, 2, "n");
        else
            pb_varint(&dim, 1, (uint64_t)dims[i]);
        pb_message(&shape, 1, &dim);
    }
    pb_varint(&tensor, 1, 1);
    pb_message(&tensor, 2, &shape);
    pb_message(&type, 1, &tensor);
    pb_text(&value, 1, name);
    pb_message(&value, 2, &type);
    pb_message(graph, field, &value);
}

/* TensorProto in an initializer: FP32 raw_data. */
static inline void pb_weight(struct sk_buf *graph, const char *name, unsigned rank,
                             const int64_t *dims, const float *data, size_t count)
{
    SK_AUTO(sk_buf_done) struct sk_buf tensor = SK_BUF_INIT(64 << 20);

    for (unsigned i = 0; i < rank; i++)
        pb_varint(&tensor, 1, (uint64_t)dims[i]);
    pb_varint(&tensor, 2, 1);
    pb_text(&tensor, 8, name);
    pb_bytes(&tensor, 9, data, count * sizeof(*data));
    pb_message(graph, 5, &tensor);
}

/* StringStringEntryProto. */
static inline void pb_pair(struct sk_buf *b, unsigned field, const char *key, const char *value)
{
    SK_AUTO(sk_buf_done) struct sk_buf pair = SK_BUF_INIT(1 << 20);

    pb_text(&pair, 1, key);
    pb_text(&pair, 2, value);
    pb_message(b, field, &pair);
}

/* ModelProto around a graph: IR 8, opset 13. */
static inline void pb_model(struct sk_buf *model, struct sk_buf *graph)
{
    SK_AUTO(sk_buf_done) struct sk_buf opset = SK_BUF_INIT(1 << 20);

    pb_varint(model, 1, 8);
    pb_text(model, 2, "tests");
    pb_message(model, 7, graph);
    pb_text(&opset, 1, "");
    pb_varint(&opset, 2, 13);
    pb_message(model, 8, &opset);
}

#endif
