/*
 * globals.c - the names that a state dict may ask for, and what stands for calling them.
 *
 * The table is the whole of it: nothing else is known, nothing is looked up, nothing runs. A call
 * gives a dict, a tuple or a tensor, made of the arguments; a tensor is checked here against its
 * storage, so that whoever holds one needs to check nothing but that the storage is in the file.
 */
#include "weights/pickle_priv.h"

enum role {
    ORDERED_DICT,
    SAME,      /* gives its first argument: a parameter is its tensor */
    TUPLE,     /* likewise, a tuple */
    TENSOR,    /* (storage, offset, size, stride, ...) */
    TENSOR_V2, /* (..., requires_grad, backward_hooks[, metadata]) */
    TENSOR_V3, /* (..., requires_grad, backward_hooks, dtype[, metadata]) */
    STORAGE,   /* only in persistent ids */
    DTYPE      /* only as an argument */
};

struct sk_pickle_global {
    const char *module, *name;
    enum role role;
    enum sk_dtype dtype;
};

static const struct sk_pickle_global globals[] = {
    { "collections", "OrderedDict", ORDERED_DICT, 0 },
    { "torch._utils", "_rebuild_tensor", TENSOR, 0 },
    { "torch._utils", "_rebuild_tensor_v2", TENSOR_V2, 0 },
    { "torch._utils", "_rebuild_tensor_v3", TENSOR_V3, 0 },
    { "torch._utils", "_rebuild_parameter", SAME, 0 },
    { "torch._utils", "_rebuild_parameter_with_state", SAME, 0 },
    { "torch.nn.parameter", "Parameter", SAME, 0 },
    { "torch", "Size", TUPLE, 0 },
    { "torch", "BoolStorage", STORAGE, SK_DT_BOOL },
    { "torch", "ByteStorage", STORAGE, SK_DT_U8 },
    { "torch", "CharStorage", STORAGE, SK_DT_I8 },
    { "torch", "ShortStorage", STORAGE, SK_DT_I16 },
    { "torch", "IntStorage", STORAGE, SK_DT_I32 },
    { "torch", "LongStorage", STORAGE, SK_DT_I64 },
    { "torch", "HalfStorage", STORAGE, SK_DT_F16 },
    { "torch", "BFloat16Storage", STORAGE, SK_DT_BF16 },
    { "torch", "FloatStorage", STORAGE, SK_DT_F32 },
    { "torch", "DoubleStorage", STORAGE, SK_DT_F64 },
    { "torch.storage", "UntypedStorage", STORAGE, SK_DT_U8 },
    { "torch", "bool", DTYPE, SK_DT_BOOL },
    { "torch", "uint8", DTYPE, SK_DT_U8 },
    { "torch", "uint16", DTYPE, SK_DT_U16 },
    { "torch", "uint32", DTYPE, SK_DT_U32 },
    { "torch", "uint64", DTYPE, SK_DT_U64 },
    { "torch", "int8", DTYPE, SK_DT_I8 },
    { "torch", "int16", DTYPE, SK_DT_I16 },
    { "torch", "int32", DTYPE, SK_DT_I32 },
    { "torch", "int64", DTYPE, SK_DT_I64 },
    { "torch", "float16", DTYPE, SK_DT_F16 },
    { "torch", "bfloat16", DTYPE, SK_DT_BF16 },
    { "torch", "float32", DTYPE, SK_DT_F32 },
    { "torch", "float64", DTYPE, SK_DT_F64 },
};

/* ---- names ---- */

enum {
    SHOWN = 64
};

/* A name from outside for an error message: short and printable. */
static const char *show(struct sk_view name, char *out)
{
    size_t n = name.len < SHOWN ? name.len : SHOWN;

    for (size_t i = 0; i < n; i++)
        out[i] = name.ptr[i] > ' ' && name.ptr[i] <= '~' ? name.ptr[i] : '?';
    out[n] = '\0';
    return out;
}

int sk_pickle_global(struct sk_view module, struct sk_view name,
                     const struct sk_pickle_global **out, struct sk_err *err)
{
    char a[SHOWN + 1], b[SHOWN + 1];

    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (sk_view_eq(module, globals[i].module) && sk_view_eq(name, globals[i].name)) {
            *out = &globals[i];
            return 0;
        }
    return sk_fail(err, SK_UNSUPPORTED,
                   "the pickle asks for %s.%s, which is neither known nor run here; save the "
                   "tensors alone: torch.save(model.state_dict(), FILE)",
                   show(module, a), show(name, b));
}

/* ---- arguments ---- */

enum {
    MAX_ARGUMENTS = 8
};

static int corrupt(const char *what, struct sk_err *err)
{
    return sk_fail(err, SK_CORRUPT, "pickle: %s", what);
}

/* A size, from 0 on. */
static bool read_size(const struct sk_pickle_value *v, int64_t *out)
{
    if (v->kind != SK_PICKLE_INT || v->integer < 0)
        return false;
    *out = v->integer;
    return true;
}

/* A tuple of at most SK_LIMIT_RANK sizes. */
static int read_sizes(const struct sk_pickle *p, const struct sk_pickle_value *v, int64_t *out,
                      unsigned *count, struct sk_err *err)
{
    const struct sk_pickle_value *items[SK_LIMIT_RANK];

    if (v->kind != SK_PICKLE_TUPLE)
        return corrupt("the shape of a tensor is not a tuple", err);
    if (v->count > SK_LIMIT_RANK)
        return sk_fail(err, SK_LIMIT, "pickle: a tensor of %u dimensions; %u is the limit",
                       v->count, SK_LIMIT_RANK);
    *count = sk_pickle_items(p, v, SK_LIMIT_RANK, items);
    for (unsigned i = 0; i < *count; i++)
        if (!read_size(items[i], &out[i]))
            return corrupt("the shape of a tensor has an element that is not a size", err);
    return 0;
}

/* ---- tensors ---- */

/* All elements lie in the storage: offset + sum((dim - 1) * stride) is the last one. */
static int check_extent(const struct sk_pickle_storage *s, const struct sk_pickle_tensor *t,
                        struct sk_err *err)
{
    size_t room = s->count * sk_dtype_size(s->dtype) / sk_dtype_size(t->dtype);
    size_t last = t->offset, reach = 0;

    for (unsigned i = 0; i < t->rank; i++)
        if (t->dims[i] == 0)
            return t->offset <= room ? 0 : corrupt("a tensor lies outside of its storage", err);
    for (unsigned i = 0; i < t->rank; i++)
        if (!sk_mul_size((size_t)t->dims[i] - 1, (size_t)t->strides[i], &reach) ||
            !sk_add_size(last, reach, &last))
            return corrupt("a tensor lies outside of its storage", err);
    return last < room ? 0 : corrupt("a tensor lies outside of its storage", err);
}

/* Metadata says that values are to be negated or conjugated when they are read. */
static bool is_plain(const struct sk_pickle_value *metadata)
{
    return metadata->kind == SK_PICKLE_NONE ||
           (metadata->kind == SK_PICKLE_DICT && metadata->count == 0);
}

/* The type and metadata of a tensor, from the arguments that the versions of the function differ
 * in. */
static int read_version(enum role role, const struct sk_pickle_value **args, unsigned count,
                        struct sk_pickle_tensor *t, struct sk_err *err)
{
    unsigned metadata = role == TENSOR_V3 ? 7 : 6;

    if (role == TENSOR_V3) {
        const struct sk_pickle_value *type = count > 6 ? args[6] : NULL;
        if (!type || type->kind != SK_PICKLE_GLOBAL || type->global->role != DTYPE)
            return corrupt("a tensor without a type", err);
        t->dtype = type->global->dtype;
    }
    if (role != TENSOR && count > metadata && !is_plain(args[metadata]))
        return sk_fail(err, SK_UNSUPPORTED, "pickle: a tensor with metadata (a view that negates)");
    return 0;
}

static int make_tensor(struct sk_pickle *p, enum role role, const struct sk_pickle_value **args,
                       unsigned count, uint32_t *out, struct sk_err *err)
{
    struct sk_pickle_value v = { .kind = SK_PICKLE_TENSOR };
    struct sk_pickle_tensor t = { 0 };
    unsigned strides = 0;
    int64_t offset = 0;

    if (count < 4 || args[0]->kind != SK_PICKLE_STORAGE || !read_size(args[1], &offset))
        return corrupt("a tensor without storage and offset", err);
    t.storage = args[0]->index;
    t.offset = (size_t)offset;
    t.dtype = sk_pickle_storage(p, t.storage)->dtype;
    if (read_sizes(p, args[2], t.dims, &t.rank, err) < 0 ||
        read_sizes(p, args[3], t.strides, &strides, err) < 0 ||
        read_version(role, args, count, &t, err) < 0)
        return -1;
    if (strides != t.rank)
        return corrupt("a tensor whose shape and strides differ in length", err);
    if (check_extent(sk_pickle_storage(p, t.storage), &t, err) < 0 ||
        sk_pickle_grow(&p->tensors, sizeof t, SK_PICKLE_MAX_TENSORS, "tensors", err) < 0)
        return -1;
    v.index = p->tensors.count - 1;
    ((struct sk_pickle_tensor *)p->tensors.ptr)[v.index] = t;
    return sk_pickle_new(p, &v, out, err);
}

/* ---- calls ---- */

/* A dict of pairs, given as one list of them (Python 2), or an empty one. */
static int make_dict(struct sk_pickle *p, const struct sk_pickle_value **args, unsigned count,
                     uint32_t *out, struct sk_err *err)
{
    uint32_t at = SK_PICKLE_NO_ITEM;

    if (count > 1 || (count == 1 && args[0]->kind != SK_PICKLE_LIST))
        return corrupt("an OrderedDict that is not made of a list", err);
    if (count == 1)
        at = args[0]->first;
    if (sk_pickle_new_container(p, SK_PICKLE_DICT, out, err) < 0)
        return -1;
    for (; at != SK_PICKLE_NO_ITEM; at = sk_pickle_item(p, at)->next) {
        const struct sk_pickle_value *pair = sk_pickle_at(p, sk_pickle_item(p, at)->value);
        if ((pair->kind != SK_PICKLE_LIST && pair->kind != SK_PICKLE_TUPLE) || pair->count != 2)
            return corrupt("an OrderedDict of something else than pairs", err);
        uint32_t value = sk_pickle_item(p, pair->last)->value;
        if (sk_pickle_append(p, *out, sk_pickle_item(p, pair->first)->value, err) < 0 ||
            sk_pickle_append(p, *out, value, err) < 0)
            return -1;
    }
    return 0;
}

int sk_pickle_call(struct sk_pickle *p, uint32_t callable, uint32_t arguments, uint32_t *out,
                   struct sk_err *err)
{
    const struct sk_pickle_value *f = sk_pickle_at(p, callable);
    const struct sk_pickle_value *a = sk_pickle_at(p, arguments);
    const struct sk_pickle_value *args[MAX_ARGUMENTS];

    if (f->kind != SK_PICKLE_GLOBAL || a->kind != SK_PICKLE_TUPLE || a->count > MAX_ARGUMENTS)
        return corrupt("a call of something that cannot be called", err);
    unsigned count = sk_pickle_items(p, a, MAX_ARGUMENTS, args);
    switch (f->global->role) {
    case ORDERED_DICT:
        return make_dict(p, args, count, out, err);
    case TENSOR:
    case TENSOR_V2:
    case TENSOR_V3:
        return make_tensor(p, f->global->role, args, count, out, err);
    case SAME:
    case TUPLE:
        if (count == 0 ||
            args[0]->kind != (f->global->role == SAME ? SK_PICKLE_TENSOR : SK_PICKLE_TUPLE))
            return sk_fail(err, SK_CORRUPT, "pickle: %s of something else", f->global->name);
        *out = sk_pickle_item(p, a->first)->value;
        return 0;
    case STORAGE:
    case DTYPE:
        break;
    }
    return sk_fail(err, SK_UNSUPPORTED, "pickle: a call of %s.%s", f->global->module,
                   f->global->name);
}

/* ---- persistent ids ---- */

/* (view key, offset, size): the older container's way to say that a storage is a part of another.
 */
static int read_view(const struct sk_pickle *p, const struct sk_pickle_value *v,
                     struct sk_pickle_storage *s, struct sk_err *err)
{
    const struct sk_pickle_value *parts[3];
    int64_t first = 0, count = 0;

    if (v->kind == SK_PICKLE_NONE)
        return 0;
    if (v->kind != SK_PICKLE_TUPLE || v->count != 3 || sk_pickle_items(p, v, 3, parts) != 3 ||
        !read_size(parts[1], &first) || !read_size(parts[2], &count))
        return corrupt("a view of a storage that is not key, offset, size", err);
    if ((size_t)first > s->count || (size_t)count > s->count - (size_t)first)
        return corrupt("a view that lies outside of its storage", err);
    s->first = (size_t)first;
    s->count = (size_t)count;
    return 0;
}

/* ("storage", type, key, device, number of elements[, view]) */
int sk_pickle_persistent(struct sk_pickle *p, uint32_t id, uint32_t *out, struct sk_err *err)
{
    const struct sk_pickle_value *v = sk_pickle_at(p, id);
    const struct sk_pickle_value *parts[6];
    struct sk_pickle_value made = { .kind = SK_PICKLE_STORAGE };
    struct sk_pickle_storage s = { 0 };
    int64_t count = 0;
    size_t size = 0;

    if (v->kind != SK_PICKLE_TUPLE || (v->count != 5 && v->count != 6))
        return corrupt("a persistent id that is not that of a storage", err);
    unsigned n = sk_pickle_items(p, v, 6, parts);
    if (!sk_view_eq(sk_pickle_text(parts[0]), "storage") || parts[1]->kind != SK_PICKLE_GLOBAL ||
        parts[1]->global->role != STORAGE || parts[2]->kind != SK_PICKLE_TEXT ||
        !read_size(parts[4], &count))
        return corrupt("a persistent id that is not that of a storage", err);
    s.key = sk_pickle_text(parts[2]);
    s.dtype = parts[1]->global->dtype;
    s.count = (size_t)count;
    if (!sk_mul_size(s.count, sk_dtype_size(s.dtype), &size) || size > PTRDIFF_MAX)
        return corrupt("a storage of more bytes than memory can address", err);
    if ((n == 6 && read_view(p, parts[5], &s, err) < 0) ||
        sk_pickle_grow(&p->storages, sizeof s, SK_PICKLE_MAX_TENSORS, "storages", err) < 0)
        return -1;
    made.index = p->storages.count - 1;
    ((struct sk_pickle_storage *)p->storages.ptr)[made.index] = s;
    return sk_pickle_new(p, &made, out, err);
}
