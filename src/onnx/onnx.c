/*
 * onnx.c - the public face: maps the file, walks it, tidies the result.
 */
#include "onnx/onnx.h"

#include "base/file.h"
#include "onnx/onnx_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- release ---- */

static void free_pairs(struct sk_onnx_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(pairs[i].key);
        free(pairs[i].value);
    }
    free(pairs);
}

static void clear_value(struct sk_onnx_value *v)
{
    free(v->name);
    for (size_t i = 0; i < sizeof(v->dim_names) / sizeof(v->dim_names[0]); i++)
        free(v->dim_names[i]);
}

static void free_values(struct sk_onnx_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        clear_value(&values[i]);
    free(values);
}

void sk_onnx_free(struct sk_onnx_info *info)
{
    if (!info)
        return;
    free(info->producer);
    free(info->graph_name);
    free_pairs(info->metadata, info->metadata_count);
    free_pairs(info->opsets, info->opset_count);
    free_values(info->inputs, info->input_count);
    free_values(info->outputs, info->output_count);
    for (size_t i = 0; i < info->op_count; i++) {
        free(info->ops[i].domain);
        free(info->ops[i].name);
    }
    free(info->ops);
    for (size_t i = 0; i < info->external_count; i++)
        free(info->external_files[i]);
    free(info->external_files);
    free(info);
}

static void walk_done(struct sk_onnx_walk *w)
{
    sk_onnx_external_done(&w->external);
    free(w->initializers);
    sk_onnx_free(w->info);
}

/* ---- tidying ---- */

static int compare_views(const void *a, const void *b)
{
    const struct sk_view *x = a, *y = b;
    int c = memcmp(x->len ? x->ptr : "", y->len ? y->ptr : "", x->len < y->len ? x->len : y->len);

    return c != 0 ? c : (x->len > y->len) - (x->len < y->len);
}

/* Up to IR version 3 every initializer is listed as an input as well. */
static void drop_initializer_inputs(struct sk_onnx_walk *w)
{
    struct sk_onnx_info *info = w->info;
    size_t kept = 0;

    if (w->initializer_count == 0)
        return;
    qsort(w->initializers, w->initializer_count, sizeof(*w->initializers), compare_views);
    for (size_t i = 0; i < info->input_count; i++) {
        struct sk_view name = sk_view_of(info->inputs[i].name);

        if (bsearch(&name, w->initializers, w->initializer_count, sizeof(name), compare_views))
            clear_value(&info->inputs[i]);
        else
            info->inputs[kept++] = info->inputs[i];
    }
    info->input_count = kept;
}

static int compare_ops(const void *a, const void *b)
{
    const struct sk_onnx_op *x = a, *y = b;
    int c;

    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    c = strcmp(x->domain, y->domain);
    return c != 0 ? c : strcmp(x->name, y->name);
}

static int take_external(struct sk_onnx_walk *w, struct sk_err *err)
{
    for (size_t i = 0; i < w->external.count; i++) {
        if (__builtin_add_overflow(w->info->external_bytes, w->external.sizes[i],
                                   &w->info->external_bytes))
            return sk_fail(err, SK_CORRUPT, "the size of the external data overflows");
    }
    w->info->external_files = SK_TAKE(w->external.names);
    w->info->external_count = w->external.count;
    w->external.count = w->external.cap = 0;
    return 0;
}

/* ---- what a file is that is not ONNX ---- */

static const char *guess(const unsigned char *bytes, size_t len)
{
    static const struct {
        const char *magic;
        size_t offset;
        const char *what;
    } known[] = {
        { "version https://git-lfs", 0,
          "a Git LFS pointer (run `git lfs pull` in its repository)" },
        { "ORTM", 4, "an ONNX Runtime .ort file (only .onnx is supported)" },
        { "PK\003\004", 0, "a zip archive such as a PyTorch checkpoint (export it to ONNX)" },
        { "\x89HDF", 0, "an HDF5 file such as a Keras model (convert it with tf2onnx)" },
        { "TFL3", 4, "a TensorFlow Lite model" },
        { "\x1f\x8b", 0, "a gzip file (unpack it)" },
        { "\xff\xd8\xff", 0, "a JPEG picture" },
        { "\x89PNG", 0, "a PNG picture" },
        { "<", 0, "an HTML or XML page" },
        { "{", 0, "a JSON text" },
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        size_t n = strlen(known[i].magic);

        if (len >= known[i].offset + n && memcmp(bytes + known[i].offset, known[i].magic, n) == 0)
            return known[i].what;
    }
    return NULL;
}

/* Puts "not an ONNX model" in front of errors about the file's form, with a guess at what it is. */
static int explain(const void *bytes, size_t len, struct sk_err *err)
{
    const char *what = guess(bytes, len);

    if (err->code != SK_CORRUPT)
        return -1;
    if (what)
        return sk_fail(err, SK_CORRUPT, "not an ONNX model: it looks like %s", what);
    return sk_wrap(err, "not a sound ONNX model");
}

/* ---- reading ---- */

static int finish(struct sk_onnx_walk *w, struct sk_err *err)
{
    drop_initializer_inputs(w);
    if (w->info->op_count > 0)
        qsort(w->info->ops, w->info->op_count, sizeof(*w->info->ops), compare_ops);
    if (!w->info->producer)
        w->info->producer = strdup("");
    if (!w->info->graph_name)
        w->info->graph_name = strdup("");
    if (!w->info->producer || !w->info->graph_name)
        return sk_nomem(err);
    return take_external(w, err);
}

int sk_onnx_inspect_bytes(const void *bytes, size_t len, const char *folder,
                          struct sk_onnx_info **out, struct sk_err *err)
{
    SK_AUTO(walk_done) struct sk_onnx_walk w = { .external.folder_fd = -1 };

    if (len == 0) /* bytes may be NULL then */
        return sk_fail(err, SK_CORRUPT, "not an ONNX model: the file is empty");
    const struct sk_wire file = { bytes, bytes, (const uint8_t *)bytes + len };
    w.info = calloc(1, sizeof(*w.info));
    if (!w.info)
        return sk_nomem(err);
    w.info->file_bytes = len;
    if (sk_onnx_external_init(&w.external, folder, err) < 0)
        return -1;
    if (sk_onnx_walk_model(&w, file, err) < 0)
        return explain(bytes, len, err);
    if (finish(&w, err) < 0)
        return -1;
    *out = SK_TAKE(w.info);
    return 0;
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

int sk_onnx_inspect(const char *path, struct sk_onnx_info **out, struct sk_err *err)
{
    SK_AUTO(sk_map_close) struct sk_map map = { 0 };
    SK_AUTO(free_cleanup) char *folder = folder_of(path);

    if (!folder)
        return sk_nomem(err);
    if (sk_map_open(path, &map, err) < 0)
        return -1;
    if (sk_onnx_inspect_bytes(map.ptr, map.len, folder, out, err) < 0)
        return sk_wrap(err, "'%s'", path);
    return 0;
}
