/*
 * engine_priv.h - what every engine shares: the table of operations, and the heads of the three
 * objects.
 *
 * An engine embeds the heads as first members of its own structures and fills them; engine.c does
 * what is the same for all: checks of inputs, buffers, dispatch. Besides the engines, only tests
 * include this.
 */
#ifndef SK_ENGINE_PRIV_H
#define SK_ENGINE_PRIV_H

#include "engine/engine.h"

/* All are required. Functions that free accept half-built objects, and free the object itself. */
struct sk_engine_ops {
    void (*close)(struct sk_engine *e);
    /* Fills net->info (with sk_net_init), after which engine.c owns the rest of the head. */
    int (*net_load)(struct sk_engine *e, const char *model_path, const char *digest,
                    struct sk_net **out, struct sk_err *err);
    void (*net_free)(struct sk_net *n);
    int (*run_new)(struct sk_net *n, struct sk_run **out, struct sk_err *err);
    void (*run_free)(struct sk_run *r);
    /* inputs fit the model; wanted has one flag per output. Fills r->outputs where wanted. */
    int (*run_exec)(struct sk_run *r, const struct sk_tensor *inputs, const bool *wanted, bool wide,
                    struct sk_err *err);
    void (*run_cancel)(struct sk_run *r);
};

struct sk_engine {
    const struct sk_engine_ops *ops;
    const char *name;
    const char *device; /* "cpu" or "cuda" */
    char reason[256];   /* why that device; "" when nothing is remarkable */
    bool is_degraded;
};

struct sk_net {
    struct sk_engine *engine;
    struct sk_net_info info; /* the tensors it points to are freed by sk_net_done */
};

struct sk_run_buffer {
    void *ptr; /* 64-byte aligned */
    size_t cap_bytes;
};

struct sk_run {
    struct sk_net *net;
    struct sk_tensor *outputs;           /* one per model output */
    bool *wanted;                        /* one per model output */
    struct sk_run_buffer *input_buffers; /* one per model input */
};

/* Makes room for the tensor descriptions; names are strdup'ed into them by the engine. */
int sk_net_init(struct sk_net *n, struct sk_engine *e, size_t inputs, size_t outputs,
                struct sk_err *err) SK_CHECK;
void sk_net_done(struct sk_net *n);
/* The descriptions, writable while the net is being loaded. */
struct sk_tensor_info *sk_net_inputs(struct sk_net *n);
struct sk_tensor_info *sk_net_outputs(struct sk_net *n);

int sk_run_init(struct sk_run *r, struct sk_net *n, struct sk_err *err) SK_CHECK;
void sk_run_done(struct sk_run *r);

/* Grows to at least bytes (and at least 64); contents are lost. */
int sk_run_buffer_fit(struct sk_run_buffer *b, size_t bytes, struct sk_err *err) SK_CHECK;
void sk_run_buffer_done(struct sk_run_buffer *b);

/* Elements of a shape; false when a dimension is negative or the product overflows. */
bool sk_shape_elements(const int64_t *dims, unsigned rank, size_t *out);

/* The checks of sk_run_exec: types, ranks, dimensions, sizes. Errors name the input, what came and
 * what fits. */
int sk_run_check(const struct sk_net *n, const struct sk_tensor *inputs,
                 struct sk_err *err) SK_CHECK;

#endif
