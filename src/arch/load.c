/*
 * load.c - weights from a file into a network, by name.
 *
 * First the way in which the file names tensors is found: torchvision's or timm's names, behind one
 * of a few prefixes, told by the name of the first tensor. Then every parameter gets its tensor and
 * all shapes and types are looked at; the network is written to only when everything fits, so a
 * failure changes nothing.
 *
 * What is left over in the file decides whether it is this network's: a tensor beside the network
 * (of a part that it does not have) is none of our business; one inside ("layer1.2.conv1.weight"
 * for resnet18, whose layer1 has two blocks) says that the file is another architecture's.
 */
#include "arch/arch_priv.h"

#include "base/str.h"

#include <math.h>
#include <string.h>

static const char *const prefixes[] = { "", "module.", "model.", "module.model.", "model.module." };

/* How a file names tensors: prefix, and timm's names of the layers (NULL: the network's own). */
struct naming {
    const char *prefix;
    const char *const *layers; /* by index of layer */
};

struct match {
    struct sk_nn_param *param;
    const struct sk_weight *tensor;
    bool is_taken; /* false: of a head of another size */
};

/* ---- names ---- */

/* "conv1.weight" as the file calls it. */
static const char *file_name(const struct sk_nn *n, const struct naming *naming,
                             const struct sk_nn_param *p, struct sk_buf *out)
{
    const char *own = sk_nn_layer(n, (size_t)p->layer)->name;
    const char *layer = naming->layers ? naming->layers[p->layer] : own;

    sk_buf_clear(out);
    sk_buf_str(out, naming->prefix);
    sk_buf_str(out, layer);
    sk_buf_str(out, p->name + strlen(own)); /* ".weight" */
    return sk_buf_ok(out) ? out->data : NULL;
}

/* timm's names of the layers, by index; the texts lie in names. */
static const char **timm_layers(const struct sk_arch *a, const struct sk_nn *n,
                                struct sk_buf *names, struct sk_err *err)
{
    const char **layers = calloc(sk_nn_layer_count(n), sizeof *layers);

    if (!layers) {
        (void)sk_nomem(err);
        return NULL;
    }
    a->body->timm_names(a->body->table, names);
    if (!sk_buf_ok(names)) {
        (void)sk_buf_fail(names, err);
        free(layers);
        return NULL;
    }
    const char *at = names->data;
    for (size_t i = 0; i < sk_nn_layer_count(n); i++) {
        if (!sk_nn_layer(n, i)->name)
            continue;
        layers[i] = at;
        at += strlen(at) + 1;
    }
    return layers;
}

/* 1: the file has the network's first tensor by this naming, and naming->prefix is set; 0: it has
 * not. */
static int find_prefix(struct sk_nn *n, const struct sk_weights *w, struct naming *naming,
                       struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf name = SK_BUF_INIT(SK_WEIGHTS_MAX_NAME);

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        naming->prefix = prefixes[i];
        if (!file_name(n, naming, sk_nn_param(n, 0), &name))
            return sk_buf_fail(&name, err);
        if (sk_weights_find(w, name.data))
            return 1;
    }
    return 0;
}

static int find_naming(const struct sk_arch *a, struct sk_nn *n, const struct sk_weights *w,
                       const char *const *timm, struct naming *out, struct sk_err *err)
{
    int rc;

    *out = (struct naming){ 0 };
    rc = find_prefix(n, w, out, err);
    if (rc == 0 && timm) {
        out->layers = timm;
        rc = find_prefix(n, w, out, err);
    }
    if (rc == 0)
        return sk_fail(err, SK_INVALID, "no tensor '%s'%s: these are not weights of %s",
                       sk_nn_param(n, 0)->name, timm ? ", nor timm's name for it" : "", a->name);
    return rc < 0 ? -1 : 0;
}

/* ---- shapes ---- */

static const char *shape_text(const int64_t *dims, unsigned rank, char *out, size_t size)
{
    size_t len = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < rank && len < size; i++)
        len += (size_t)snprintf(out + len, size - len, "%s%lld", i > 0 ? "x" : "",
                                (long long)dims[i]);
    return out;
}

/* Equal from dimension first on; dimensions of 1 at the end do not count: timm has a 1 x 1
 * convolution where torchvision has a linear layer. */
static bool same_shape(const struct sk_nn_param *p, const struct sk_weight *t, unsigned first)
{
    unsigned rank = p->rank > t->rank ? p->rank : t->rank;

    for (unsigned i = first; i < rank; i++)
        if ((i < p->rank ? p->dims[i] : 1) != (i < t->rank ? t->dims[i] : 1))
            return false;
    return true;
}

static bool is_float(enum sk_dtype t)
{
    return t == SK_DT_F16 || t == SK_DT_BF16 || t == SK_DT_F32 || t == SK_DT_F64;
}

static bool is_head(const struct sk_arch *a, const struct sk_nn *n, const struct sk_nn_param *p)
{
    return strcmp(sk_nn_layer(n, (size_t)p->layer)->name, a->head) == 0;
}

static int match_one(const struct sk_arch *a, const struct sk_nn *n, const char *name,
                     const struct sk_weight *t, struct match *m, struct sk_arch_loaded *out,
                     struct sk_err *err)
{
    char want[96], got[192];

    if (!t)
        return sk_fail(err, SK_INVALID, "no tensor '%s', which %s needs", name, a->name);
    if (!is_float(t->dtype))
        return sk_fail(err, SK_UNSUPPORTED, "tensor '%s' holds %s, not floating point numbers",
                       name, sk_dtype_name(t->dtype));
    m->tensor = t;
    if (same_shape(m->param, t, 0)) {
        m->is_taken = true;
        out->tensors++;
        return 0;
    }
    if (is_head(a, n, m->param) && t->rank > 0 && t->dims[0] > 0 && t->dims[0] <= UINT32_MAX &&
        t->dims[0] != m->param->dims[0] && same_shape(m->param, t, 1)) {
        out->head_replaced = true;
        out->file_classes = (unsigned)t->dims[0];
        return 0;
    }
    return sk_fail(err, SK_INVALID, "tensor '%s' is %s, %s needs %s", name,
                   shape_text(t->dims, t->rank, got, sizeof got), a->name,
                   shape_text(m->param->dims, m->param->rank, want, sizeof want));
}

/* A head whose weight fits and whose bias does not would be half a head. */
static int check_head(const struct sk_arch *a, const struct sk_nn *n, const struct match *matches,
                      size_t count, const struct sk_arch_loaded *loaded, struct sk_err *err)
{
    for (size_t i = 0; loaded->head_replaced && i < count; i++)
        if (is_head(a, n, matches[i].param) && matches[i].is_taken)
            return sk_fail(err, SK_INVALID, "weight and bias of '%s' are of different sizes",
                           a->head);
    return 0;
}

static int match_all(const struct sk_arch *a, struct sk_nn *n, const struct sk_weights *w,
                     const struct naming *naming, struct match *matches, struct sk_arch_loaded *out,
                     struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf name = SK_BUF_INIT(SK_WEIGHTS_MAX_NAME);
    size_t count = sk_nn_param_count(n);

    for (size_t i = 0; i < count; i++) {
        matches[i].param = sk_nn_param(n, i);
        if (!file_name(n, naming, matches[i].param, &name))
            return sk_buf_fail(&name, err);
        if (match_one(a, n, name.data, sk_weights_find(w, name.data), &matches[i], out, err) < 0)
            return -1;
    }
    return check_head(a, n, matches, count, out, err);
}

/* ---- what is left over ---- */

static int by_address(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;

    return x < y ? -1 : x > y;
}

/* Does a layer of the network lie in the same part as this name? The part is what stands before the
 * first dot: "layer1", "features". */
static bool is_inside(const struct sk_nn *n, const struct naming *naming, const char *name)
{
    size_t part = strcspn(name, ".");

    for (size_t i = 0; i < sk_nn_layer_count(n); i++) {
        const char *layer = naming->layers ? naming->layers[i] : sk_nn_layer(n, i)->name;

        if (layer && strncmp(layer, name, part) == 0 && (layer[part] == '.' || layer[part] == '\0'))
            return true;
    }
    return false;
}

static int check_rest(const struct sk_arch *a, struct sk_nn *n, const struct sk_weights *w,
                      const struct naming *naming, const struct match *matches, struct sk_err *err)
{
    size_t count = sk_nn_param_count(n), prefix = strlen(naming->prefix);
    SK_OWN(free) uintptr_t *used = calloc(count, sizeof *used);

    if (!used)
        return sk_nomem(err);
    for (size_t i = 0; i < count; i++)
        used[i] = (uintptr_t)matches[i].tensor;
    qsort(used, count, sizeof *used, by_address);
    for (size_t i = 0; i < sk_weights_count(w); i++) {
        const struct sk_weight *t = sk_weights_at(w, i);
        uintptr_t key = (uintptr_t)t;

        if (bsearch(&key, used, count, sizeof *used, by_address) ||
            strncmp(t->name, naming->prefix, prefix) != 0 ||
            sk_ends_with(t->name, "num_batches_tracked"))
            continue;
        if (is_inside(n, naming, t->name + prefix))
            return sk_fail(err, SK_INVALID,
                           "tensor '%s' has no place in %s: these are weights of another "
                           "architecture",
                           t->name, a->name);
    }
    return 0;
}

/* ---- taking over ---- */

/* timm's batch norms all have PyTorch's epsilon. Where torchvision's differ, w / sqrt(v + eps)
 * stays what it was. */
static void adapt_epsilon(struct sk_nn *n)
{
    const double timm_eps = 1e-5f;

    for (size_t i = 0; i + 3 < sk_nn_param_count(n); i++) {
        struct sk_nn_param *weight = sk_nn_param(n, i), *var = sk_nn_param(n, i + 3);
        double eps = (double)sk_nn_layer(n, (size_t)weight->layer)->eps;

        if (weight->role != SK_NN_BN_WEIGHT || eps == 0 || eps == timm_eps)
            continue;
        for (size_t k = 0; k < weight->count; k++)
            weight->value[k] = (float)((double)weight->value[k] *
                                       sqrt(((double)var->value[k] + eps) /
                                            ((double)var->value[k] + timm_eps)));
    }
}

int sk_arch_load(const struct sk_arch *a, struct sk_nn *n, const struct sk_weights *w,
                 struct sk_arch_loaded *out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf names = SK_BUF_INIT(1 << 20);
    SK_OWN(free) const char **timm = NULL;
    SK_OWN(free) struct match *matches = NULL;
    struct sk_arch_loaded loaded = { .naming = "torchvision" };
    struct naming naming;

    if (a->body->timm_names) {
        timm = timm_layers(a, n, &names, err);
        if (!timm)
            return -1;
    }
    matches = calloc(sk_nn_param_count(n), sizeof *matches);
    if (!matches)
        return sk_nomem(err);
    if (find_naming(a, n, w, timm, &naming, err) < 0 ||
        match_all(a, n, w, &naming, matches, &loaded, err) < 0 ||
        check_rest(a, n, w, &naming, matches, err) < 0)
        return -1;
    for (size_t i = 0; i < sk_nn_param_count(n); i++)
        if (matches[i].is_taken &&
            sk_weight_f32(matches[i].tensor, matches[i].param->value, err) < 0)
            return sk_wrap(err, "tensor '%s'", matches[i].tensor->name);
    if (naming.layers) {
        loaded.naming = "timm";
        adapt_epsilon(n);
    }
    sk_nn_touch(n);
    *out = loaded;
    return 0;
}
