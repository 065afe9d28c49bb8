/*
 * dnnl_none.c - the door of a build without oneDNN's headers: it says what to install.
 *
 * Nothing but sk_dn_start is ever called, because no plan is made without it.
 */
#include "nn/dnnl_priv.h"

int sk_dn_start(struct sk_err *err)
{
    return sk_fail(err, SK_UNSUPPORTED,
                   "this build cannot train: it was made without oneDNN's headers. Install them "
                   "(apt install libdnnl-dev) and build again");
}

const char *sk_dn_name(void)
{
    return "no oneDNN";
}

bool sk_dn_has_bf16(void)
{
    return false;
}

void sk_dn_parallel(unsigned threads, sk_dn_team *fn, void *ctx)
{
    (void)threads;
    fn(ctx, 0, 1);
}

void sk_dn_set_threads(unsigned threads)
{
    (void)threads;
}

int sk_dn_sgemm(const struct sk_dn_gemm *g, struct sk_err *err)
{
    (void)g;
    return sk_dn_start(err);
}

bool sk_dn_can_fuse(enum sk_act act)
{
    (void)act;
    return false;
}

int sk_dn_best_layout(enum sk_dn_type type, enum sk_dn_layout *out, struct sk_err *err)
{
    (void)type;
    (void)out;
    return sk_dn_start(err);
}

int sk_dn_conv_new(enum sk_dn_pass pass, const struct sk_dn_conv_shape *shape,
                   const struct sk_dn_conv *forward, struct sk_dn_conv **out, struct sk_err *err)
{
    (void)pass;
    (void)shape;
    (void)forward;
    (void)out;
    return sk_dn_start(err);
}

void sk_dn_conv_free(struct sk_dn_conv *c)
{
    (void)c;
}

const char *sk_dn_conv_impl(const struct sk_dn_conv *c)
{
    (void)c;
    return "";
}

size_t sk_dn_conv_scratch_bytes(const struct sk_dn_conv *c)
{
    (void)c;
    return 0;
}

size_t sk_dn_conv_weight_bytes(const struct sk_dn_conv *c)
{
    (void)c;
    return 0;
}

size_t sk_dn_conv_src_bytes(const struct sk_dn_conv *c)
{
    (void)c;
    return 0;
}

bool sk_dn_conv_same_weights(const struct sk_dn_conv *a, const struct sk_dn_conv *b)
{
    (void)a;
    (void)b;
    return true;
}

int sk_dn_conv_move_weights(struct sk_dn_conv *c, const void *from, void *to, struct sk_err *err)
{
    (void)c;
    (void)from;
    (void)to;
    return sk_dn_start(err);
}

int sk_dn_conv_move_src(struct sk_dn_conv *c, const float *from, void *to, struct sk_err *err)
{
    (void)c;
    (void)from;
    (void)to;
    return sk_dn_start(err);
}

int sk_dn_conv_run(struct sk_dn_conv *c, const struct sk_dn_conv_data *d, struct sk_err *err)
{
    (void)c;
    (void)d;
    return sk_dn_start(err);
}
