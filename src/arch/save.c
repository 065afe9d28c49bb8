/*
 * save.c - a network as safetensors, under torchvision's names: what torch.save of the state dict
 * would hold, so PyTorch loads it with load_state_dict.
 *
 * PyTorch's batch norms count the batches they have seen; the file has that count for each.
 */
#include "arch/arch_priv.h"

#include <string.h>

/* The names of the counts, a NUL behind each, in the order of parameters. */
static void put_names(struct sk_nn *n, struct sk_buf *out)
{
    for (size_t i = 0; i < sk_nn_param_count(n); i++) {
        const struct sk_nn_param *p = sk_nn_param(n, i);

        if (p->role != SK_NN_BN_VAR)
            continue;
        sk_buf_str(out, sk_nn_layer(n, (size_t)p->layer)->name);
        sk_buf_str(out, ".num_batches_tracked");
        sk_buf_chr(out, '\0');
    }
}

static size_t count_norms(struct sk_nn *n)
{
    size_t count = 0;

    for (size_t i = 0; i < sk_nn_param_count(n); i++)
        count += sk_nn_param(n, i)->role == SK_NN_BN_VAR;
    return count;
}

static struct sk_weight_out tensor_of(const struct sk_nn_param *p, const float *values,
                                      const float *buffers)
{
    bool is_buffer = p->role == SK_NN_BN_MEAN || p->role == SK_NN_BN_VAR;
    const float *array = is_buffer ? buffers : values;
    struct sk_weight_out t = { .name = p->name,
                               .dtype = SK_DT_F32,
                               .rank = p->rank,
                               .data = array ? array + p->offset : p->value };

    memcpy(t.dims, p->dims, p->rank * sizeof p->dims[0]);
    return t;
}

int sk_arch_save(const struct sk_arch *a, struct sk_nn *n, const float *values,
                 const float *buffers, uint64_t batches, const char *path, struct sk_err *err)
{
    const char *const meta[] = { "format", "pt", "architecture", a->name, NULL };
    SK_AUTO(sk_buf_done) struct sk_buf names = SK_BUF_INIT(1 << 20);
    size_t room = sk_nn_param_count(n) + count_norms(n), count = 0;
    SK_OWN(free) struct sk_weight_out *tensors = calloc(room, sizeof *tensors);

    if (!tensors)
        return sk_nomem(err);
    put_names(n, &names);
    if (!sk_buf_ok(&names))
        return sk_buf_fail(&names, err);
    const char *name = names.data;
    for (size_t i = 0; i < sk_nn_param_count(n); i++) {
        const struct sk_nn_param *p = sk_nn_param(n, i);

        tensors[count++] = tensor_of(p, values, buffers);
        if (p->role != SK_NN_BN_VAR)
            continue;
        tensors[count++] = (struct sk_weight_out){ .name = name,
                                                   .dtype = SK_DT_I64,
                                                   .data = &batches };
        name += strlen(name) + 1;
    }
    return sk_weights_write(path, tensors, count, meta, err);
}
