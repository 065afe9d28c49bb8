/*
 * dnnl_priv.h - the door to oneDNN: what nn uses of it, in our own words.
 *
 * dnnl.c loads the library, dnnl_conv.c has the convolutions; both build against 2.6 and 3.x. A
 * build without oneDNN's headers has dnnl_none.c instead, where sk_dn_start says what to install
 * and nothing else is ever reached. Errors: SK_NOMEM, or SK_BUG with oneDNN's status.
 */
#ifndef SK_NN_DNNL_PRIV_H
#define SK_NN_DNNL_PRIV_H

#include "base/err.h"
#include "nn/loops_priv.h"

#include <stdbool.h>
#include <stddef.h>

enum sk_dn_type {
    SK_DN_F32,
    SK_DN_BF16,
    SK_DN_TYPE_COUNT
};

/* Of activations. ANY: the library chooses. */
enum sk_dn_layout {
    SK_DN_ANY,
    SK_DN_NHWC,
    SK_DN_C4,
    SK_DN_C8,
    SK_DN_C16,
    SK_DN_LAYOUT_COUNT
};

int sk_dn_start(struct sk_err *err) SK_CHECK;
const char *sk_dn_name(void);
bool sk_dn_has_bf16(void);

/* The library's own threads also do our loops: fn runs once on each of `threads` threads, with
 * their number among them. Without OpenMP in the library it runs once. */
typedef void sk_dn_team(void *ctx, unsigned index, unsigned threads);
void sk_dn_parallel(unsigned threads, sk_dn_team *fn, void *ctx);
/* For what oneDNN does next on the calling thread. */
void sk_dn_set_threads(unsigned threads);

/* Row-major C[m][n] = A B + beta C; transposed: A is stored [k][m], B [n][k]. */
struct sk_dn_gemm {
    size_t m, n, k;
    const float *a, *b;
    bool a_transposed, b_transposed;
    float beta;
    float *c;
};

int sk_dn_sgemm(const struct sk_dn_gemm *g, struct sk_err *err) SK_CHECK;

/* ---- convolutions ---- */

enum sk_dn_pass {
    SK_DN_INFER,
    SK_DN_FORWARD,
    SK_DN_BACK_DATA,
    SK_DN_BACK_WEIGHTS
};

struct sk_dn_conv_shape {
    unsigned n, ic, ih, iw, oc, oh, ow;
    unsigned kernel, stride, padding, dilation, groups;
    bool has_bias;
    enum sk_dn_type type; /* of activations; weights and bias are f32 outside */
    enum sk_dn_layout src, dst;
    bool adds;       /* INFER: to what is in dst */
    enum sk_act act; /* INFER: one that sk_dn_can_fuse allows */
};

struct sk_dn_conv;

bool sk_dn_can_fuse(enum sk_act act);
/* The layout that suits training best: what backward by weights chooses, the slowest pass. */
int sk_dn_best_layout(enum sk_dn_type type, enum sk_dn_layout *out, struct sk_err *err) SK_CHECK;
/* forward: of the same shape, for the two backward passes; its source layout is taken over when
 * shape.src is ANY. Else NULL. */
int sk_dn_conv_new(enum sk_dn_pass pass, const struct sk_dn_conv_shape *shape,
                   const struct sk_dn_conv *forward, struct sk_dn_conv **out,
                   struct sk_err *err) SK_CHECK;
void sk_dn_conv_free(struct sk_dn_conv *c);

const char *sk_dn_conv_impl(const struct sk_dn_conv *c);
size_t sk_dn_conv_scratch_bytes(const struct sk_dn_conv *c);
/* Of weights (their gradients) in its own layout; 0: plain f32 is its layout, so nothing has to be
 * moved. */
size_t sk_dn_conv_weight_bytes(const struct sk_dn_conv *c);
bool sk_dn_conv_same_weights(const struct sk_dn_conv *a, const struct sk_dn_conv *b);
/* Between plain f32 [O][I / groups][K][K] and its own layout. For BACK_WEIGHTS from its own to
 * plain, else from plain to its own. */
int sk_dn_conv_move_weights(struct sk_dn_conv *c, const void *from, void *to,
                            struct sk_err *err) SK_CHECK;
/* With src ANY: bytes of the source in its layout, and the way there from plain f32 NCHW; 0: plain
 * is its layout. */
size_t sk_dn_conv_src_bytes(const struct sk_dn_conv *c);
int sk_dn_conv_move_src(struct sk_dn_conv *c, const float *from, void *to,
                        struct sk_err *err) SK_CHECK;

/* Forward: reads src, weights, bias, writes dst. BACK_DATA: reads dst (its gradient) and weights,
 * writes src. BACK_WEIGHTS: reads src and dst, writes weights and bias. */
struct sk_dn_conv_data {
    void *src, *weights, *bias, *dst, *scratch;
};

int sk_dn_conv_run(struct sk_dn_conv *c, const struct sk_dn_conv_data *d,
                   struct sk_err *err) SK_CHECK;

#endif
