/*
 * torch.c - from a pickled object to the set of its tensors.
 *
 * A state dict is a dict from names to tensors. A checkpoint holds one under a usual name, beside
 * the optimiser's state and what else its author kept; other entries are passed over. Only the dict
 * itself is looked at, not what lies deeper, so a value that contains itself does no harm.
 */
#include "weights/torch_priv.h"

int sk_torch_load(struct sk_pickle *p, struct sk_view *bytes, uint32_t *out, struct sk_err *err)
{
    bool is_longer = bytes->len > SK_WEIGHTS_MAX_PICKLE;
    struct sk_view part = { bytes->ptr, is_longer ? SK_WEIGHTS_MAX_PICKLE : bytes->len };
    size_t len = part.len;

    if (sk_pickle_load(p, &part, out, err) < 0)
        return is_longer && err->code == SK_CORRUPT
                   ? sk_wrap(err, "in the first %d bytes, which is the limit",
                             SK_WEIGHTS_MAX_PICKLE)
                   : -1;
    *bytes = (struct sk_view){ part.ptr, bytes->len - (len - part.len) };
    return 0;
}

/* ---- the dict ---- */

/* Entries of a dict: for (uint32_t at = first_entry(d); next_entry(p, &at, &key, &value);) */
static uint32_t first_entry(const struct sk_pickle_value *dict)
{
    return dict->count > 0 ? dict->first : SK_PICKLE_NO_ITEM;
}

static bool next_entry(const struct sk_pickle *p, uint32_t *at, const struct sk_pickle_value **key,
                       const struct sk_pickle_value **value)
{
    if (*at == SK_PICKLE_NO_ITEM)
        return false;
    const struct sk_pickle_item *k = sk_pickle_item(p, *at);
    const struct sk_pickle_item *v = sk_pickle_item(p, k->next);
    *key = sk_pickle_at(p, k->value);
    *value = sk_pickle_at(p, v->value);
    *at = v->next;
    return true;
}

static size_t count_tensors(const struct sk_pickle *p, const struct sk_pickle_value *dict)
{
    const struct sk_pickle_value *key = NULL, *value = NULL;
    size_t n = 0;

    for (uint32_t at = first_entry(dict); next_entry(p, &at, &key, &value);)
        n += key->kind == SK_PICKLE_TEXT && value->kind == SK_PICKLE_TENSOR;
    return n;
}

/* The dict of tensors that an object holds or is; NULL: none. */
static const struct sk_pickle_value *find_dict(const struct sk_pickle *p,
                                               const struct sk_pickle_value *object)
{
    static const char *const usual[] = { "state_dict", "model", "model_state", "model_ema" };

    if (object->kind != SK_PICKLE_DICT)
        return NULL;
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        const struct sk_pickle_value *v = sk_pickle_get(p, object, usual[i]);
        if (v && v->kind == SK_PICKLE_DICT && count_tensors(p, v) > 0)
            return v;
    }
    return count_tensors(p, object) > 0 ? object : NULL;
}

/* ---- tensors ---- */

/* The strides are those of C order; dimensions of one element have any stride. */
static bool is_contiguous(const struct sk_pickle_tensor *t)
{
    int64_t want = 1;

    for (unsigned i = t->rank; i-- > 0;) {
        if (t->dims[i] != 1 && t->strides[i] != want)
            return false;
        want *= t->dims[i];
    }
    return true;
}

static int add_tensor(struct sk_weights *w, struct sk_view name, const struct sk_pickle *p,
                      const struct sk_pickle_tensor *t, const uint8_t *data, struct sk_err *err)
{
    const struct sk_pickle_storage *s = sk_pickle_storage(p, t->storage);
    struct sk_weight made = { .dtype = t->dtype, .rank = t->rank };
    int64_t strides[SK_LIMIT_RANK] = { 0 };
    size_t size = 0;

    for (unsigned i = 0; i < t->rank; i++) {
        made.dims[i] = t->dims[i];
        strides[i] = t->dims[i] > 1 ? t->strides[i] : 0; /* where it counts; elsewhere it may be
                                                            anything */
    }
    if (sk_weights_shape(made.dims, made.rank, made.dtype, &made.count, &size, err) < 0)
        return -1;
    /* A view may repeat elements, up to what is no way to make us allocate. */
    if (size > SK_WEIGHTS_MAX_REPEATED && size > s->count * sk_dtype_size(s->dtype))
        return sk_fail(err, SK_LIMIT, "a view that repeats elements up to %zu bytes", size);
    made.data = data + t->offset * sk_dtype_size(t->dtype);
    if (made.count > 0 && !is_contiguous(t))
        made.strides = strides;
    return sk_weights_add(w, name, &made, err);
}

static int fill_from(struct sk_weights *w, const struct sk_pickle *p,
                     const struct sk_pickle_value *dict, const uint8_t *const *data,
                     struct sk_err *err)
{
    const struct sk_pickle_value *key = NULL, *value = NULL;

    for (uint32_t at = first_entry(dict); next_entry(p, &at, &key, &value);) {
        if (key->kind != SK_PICKLE_TEXT || value->kind != SK_PICKLE_TENSOR)
            continue;
        const struct sk_pickle_tensor *t = sk_pickle_tensor(p, value->index);
        struct sk_view name = sk_pickle_text(key);
        if (add_tensor(w, name, p, t, data[t->storage], err) < 0)
            return sk_wrap(err, "tensor %zu", w->count);
    }
    return 0;
}

int sk_torch_fill(struct sk_weights *w, const struct sk_pickle *p, uint32_t object,
                  const uint8_t *const *data, struct sk_err *err)
{
    const struct sk_pickle_value *dict = find_dict(p, sk_pickle_at(p, object));

    if (!dict)
        return sk_fail(err, SK_UNSUPPORTED,
                       "it holds no dict of tensors; save one: torch.save(model.state_dict(), "
                       "FILE)");
    if (sk_weights_reserve(w, count_tensors(p, dict), err) < 0)
        return -1;
    return fill_from(w, p, dict, data, err);
}
