/*
 * weights.c - opening: what kind of file it is, and the set of tensors that all kinds end in.
 *
 * The kind is told by the first bytes. A reader adds tensors whose data lie in the bytes it was
 * given; nothing but names, shapes and metadata is copied. A set that was sealed is sorted by name,
 * without doubles, and never changes again.
 */
#include "weights/weights.h"

#include "onnx/onnx.h"
#include "weights/torch_priv.h"
#include "weights/zip_priv.h"

#define FOLDED_HINT                                                                                \
    "an ONNX file has batch norm folded in and cannot be trained on; use model.safetensors, which" \
    " lies beside it in a bundle of skerry"

/* ---- filling a set ---- */

int sk_weights_reserve(struct sk_weights *w, size_t count, struct sk_err *err)
{
    if (count > SK_WEIGHTS_MAX_TENSORS)
        return sk_fail(err, SK_LIMIT, "more than %d tensors", SK_WEIGHTS_MAX_TENSORS);
    w->tensors = calloc(count > 0 ? count : 1, sizeof *w->tensors);
    if (!w->tensors)
        return sk_nomem(err);
    w->capacity = count;
    return 0;
}

static int check_name(struct sk_view name, struct sk_err *err)
{
    if (name.len > SK_WEIGHTS_MAX_NAME)
        return sk_fail(err, SK_LIMIT, "a tensor's name of %zu bytes; %d is the limit", name.len,
                       SK_WEIGHTS_MAX_NAME);
    if (!sk_utf8_valid(name.ptr, name.len) || memchr(name.ptr, '\0', name.len))
        return sk_fail(err, SK_CORRUPT, "a tensor's name is not a text");
    return 0;
}

int sk_weights_add(struct sk_weights *w, struct sk_view name, const struct sk_weight *t,
                   struct sk_err *err)
{
    struct sk_weight *slot = &w->tensors[w->count];

    if (check_name(name, err) < 0)
        return -1;
    char *copy = sk_arena_strndup(&w->arena, name.ptr, name.len);
    if (!copy)
        return sk_nomem(err);
    *slot = *t;
    slot->name = copy;
    if (t->strides) {
        int64_t *strides = sk_arena_alloc(&w->arena, t->rank * sizeof *strides);
        if (!strides)
            return sk_nomem(err);
        memcpy(strides, t->strides, t->rank * sizeof *strides);
        slot->strides = strides;
    }
    w->count++;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct sk_weight *)a)->name, ((const struct sk_weight *)b)->name);
}

int sk_weights_seal(struct sk_weights *w, struct sk_err *err)
{
    qsort(w->tensors, w->count, sizeof *w->tensors, by_name);
    for (size_t i = 1; i < w->count; i++)
        if (by_name(&w->tensors[i - 1], &w->tensors[i]) == 0)
            return sk_fail(err, SK_CORRUPT, "tensor '%s' is there twice", w->tensors[i].name);
    return 0;
}

/* ---- opening ---- */

static int fail_unknown(const uint8_t *bytes, size_t len, struct sk_err *err)
{
    SK_OWN(sk_onnx_free) struct sk_onnx_info *info = NULL;
    struct sk_err ignored = SK_ERR_INIT;

    if (sk_onnx_inspect_bytes(bytes, len, NULL, &info, &ignored) == 0)
        return sk_fail(err, SK_UNSUPPORTED, FOLDED_HINT);
    if (len == 0)
        return sk_fail(err, SK_CORRUPT, "the file is empty");
    return sk_fail(err, SK_CORRUPT, "neither safetensors nor a PyTorch file");
}

static int read_any(struct sk_weights *w, const uint8_t *bytes, size_t len, struct sk_err *err)
{
    if (sk_safetensors_is(bytes, len))
        return sk_safetensors_read(w, bytes, len, err);
    if (sk_zip_is(bytes, len))
        return sk_torch_zip_read(w, bytes, len, err);
    if (sk_torch_legacy_is(bytes, len))
        return sk_torch_legacy_read(w, bytes, len, err);
    return fail_unknown(bytes, len, err);
}

int sk_weights_open_bytes(const void *bytes, size_t len, struct sk_weights **out,
                          struct sk_err *err)
{
    SK_OWN(sk_weights_free) struct sk_weights *w = calloc(1, sizeof *w);

    if (!w)
        return sk_nomem(err);
    w->arena.ceiling_bytes = SIZE_MAX / 2; /* bounded by the number of tensors and their names */
    if (read_any(w, bytes, len, err) < 0 || sk_weights_seal(w, err) < 0)
        return -1;
    *out = SK_TAKE(w);
    return 0;
}

static bool has_onnx(const char *folder)
{
    struct sk_err ignored = SK_ERR_INIT;
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };

    if (sk_dir_read(folder, &dir, &ignored) < 0)
        return false;
    for (size_t i = 0; i < dir.count; i++)
        if (sk_ends_with(dir.names[i], ".onnx"))
            return true;
    return false;
}

/* A bundle is its folder. */
static int open_folder(const char *path, struct sk_weights **out, struct sk_err *err)
{
    SK_OWN(free) char *file = sk_path_join(path, "model.safetensors");

    if (!file)
        return sk_nomem(err);
    if (sk_is_file(file))
        return sk_weights_open(file, out, err);
    if (has_onnx(path))
        return sk_fail(err, SK_UNSUPPORTED, "'%s' has no model.safetensors: " FOLDED_HINT, path);
    return sk_fail(err, SK_NOT_FOUND, "'%s' has no model.safetensors", path);
}

int sk_weights_open(const char *path, struct sk_weights **out, struct sk_err *err)
{
    SK_AUTO(sk_map_close) struct sk_map map = { 0 };
    struct sk_weights *w = NULL;

    if (sk_is_dir(path))
        return open_folder(path, out, err);
    if (sk_map_open(path, &map, err) < 0)
        return -1;
    if (sk_weights_open_bytes(map.ptr, map.len, &w, err) < 0) {
        if (err->code == SK_CORRUPT && sk_ends_with(path, ".onnx"))
            (void)sk_fail(err, SK_UNSUPPORTED, FOLDED_HINT); /* one with data beside it */
        return sk_wrap(err, "'%s'", path);
    }
    w->map = map;
    map = (struct sk_map){ 0 };
    *out = w;
    return 0;
}

void sk_weights_free(struct sk_weights *w)
{
    if (!w)
        return;
    sk_arena_done(&w->arena);
    free(w->tensors);
    sk_map_close(&w->map);
    free(w);
}

/* ---- looking around ---- */

const char *sk_weights_format(const struct sk_weights *w)
{
    return w->format;
}

size_t sk_weights_count(const struct sk_weights *w)
{
    return w->count;
}

const struct sk_weight *sk_weights_at(const struct sk_weights *w, size_t index)
{
    return &w->tensors[index];
}

const struct sk_weight *sk_weights_find(const struct sk_weights *w, const char *name)
{
    const struct sk_weight key = { .name = name };

    return bsearch(&key, w->tensors, w->count, sizeof key, by_name);
}

const char *sk_weights_meta(const struct sk_weights *w, const char *key)
{
    for (size_t i = 0; i < w->meta_count; i++)
        if (strcmp(w->meta[i].key, key) == 0)
            return w->meta[i].value;
    return NULL;
}
