/*
 * chain.h - a model of some size, made on the spot: `blocks` of Conv 3x3 (64 channels), Relu and a
 * residual Add, then a MatMul, so that the library rearranges weights for its own kernels.
 */
#ifndef SK_TESTS_ENGINE_CHAIN_H
#define SK_TESTS_ENGINE_CHAIN_H

#include "base/file.h"
#include "onnx/pb.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    CHAIN_CHANNELS = 64,
    CHAIN_SIDE = 8,
    CHAIN_CLASSES = 300
};

static inline void chain_weight(struct sk_buf *graph, const char *name, unsigned rank,
                                const int64_t *dims, unsigned seed)
{
    size_t count = 1;
    float *w;

    for (unsigned i = 0; i < rank; i++)
        count *= (size_t)dims[i];
    w = malloc(count * sizeof(*w));
    for (size_t i = 0; w && i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        w[i] = ((float)(seed >> 8) / 16777216.0f - 0.5f) * 0.1f;
    }
    if (w)
        pb_weight(graph, name, rank, dims, w, count);
    free(w);
}

static inline void chain_block(struct sk_buf *graph, int i)
{
    const int64_t dims[] = { CHAIN_CHANNELS, CHAIN_CHANNELS, 3, 3 };
    SK_AUTO(sk_buf_done) struct sk_buf node = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf attribute = SK_BUF_INIT(1 << 20);
    char w[32], conv[32], relu[32], out[32], in[32];

    (void)snprintf(w, sizeof(w), "w%d", i);
    (void)snprintf(conv, sizeof(conv), "conv%d", i);
    (void)snprintf(relu, sizeof(relu), "relu%d", i);
    (void)snprintf(out, sizeof(out), "t%d", i + 1);
    (void)snprintf(in, sizeof(in), i == 0 ? "x" : "t%d", i);
    chain_weight(graph, w, 4, dims, (unsigned)i + 1);
    pb_text(&node, 1, in);
    pb_text(&node, 1, w);
    pb_text(&node, 2, conv);
    pb_text(&node, 4, "Conv");
    pb_text(&attribute, 1, "pads");
    for (int k = 0; k < 4; k++)
        pb_varint(&attribute, 8, 1);
    pb_varint(&attribute, 20, 7); /* INTS */
    pb_message(&node, 5, &attribute);
    pb_message(graph, 1, &node);
    pb_node(graph, "Relu", conv, NULL, relu);
    pb_node(graph, "Add", relu, in, out);
}

/* x [n,64,8,8] -> y [n,64,8,300]. 0 on success. */
static inline int chain_write(const char *path, int blocks)
{
    const int64_t in[] = { -1, CHAIN_CHANNELS, CHAIN_SIDE, CHAIN_SIDE },
                  matrix[] = { CHAIN_SIDE, CHAIN_CLASSES },
                  out[] = { -1, CHAIN_CHANNELS, CHAIN_SIDE, CHAIN_CLASSES };
    SK_AUTO(sk_buf_done) struct sk_buf graph = SK_BUF_INIT(64 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf model = SK_BUF_INIT(64 << 20);
    struct sk_err err = SK_ERR_INIT;
    char last[32];

    for (int i = 0; i < blocks; i++)
        chain_block(&graph, i);
    (void)snprintf(last, sizeof(last), "t%d", blocks);
    chain_weight(&graph, "m", 2, matrix, 99);
    pb_node(&graph, "MatMul", last, "m", "y");
    pb_text(&graph, 2, "chain");
    pb_value(&graph, 11, "x", 4, in);
    pb_value(&graph, 12, "y", 4, out);
    pb_model(&model, &graph);
    return sk_buf_ok(&model) ? sk_file_write(path, model.data, model.len, 0644, &err) : -1;
}

#endif
