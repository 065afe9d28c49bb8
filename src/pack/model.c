/*
 * model.c - which files of a bundle go into the image.
 *
 * A folder goes whole, but for hidden files and for weights that the model does not use: what
 * training goes on from (model.safetensors) would double the image. A lone .onnx file brings its
 * external data and, as for `serve`, the settings beside it when it is its folder's only model.
 *
 * Links are followed where they stay in the folder or lead into the blobs of the Hugging Face
 * cache, whose snapshots are links; anything else would put files into an image that nobody meant
 * to give away.
 */
#include "pack/pack_priv.h"

#include "base/str.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

struct walk {
    const char *root;  /* as given */
    char *real;        /* without links */
    char *blobs;       /* of the Hugging Face cache, when root may be a snapshot of it */
    const char *model; /* its path */
    const struct sk_onnx_info *onnx;
    struct sk_pack_model_files *out;
};

static const char *const weights[] = { ".onnx",  ".onnx_data", ".safetensors", ".pt",
                                       ".pth",   ".bin",       ".ckpt",        ".h5",
                                       ".keras", ".msgpack",   ".ort",         ".tflite" };

static const char *const settings[] = { "config.json", "preprocessor_config.json", "skerry.json",
                                        "labels.txt" };

void sk_pack_model_files_done(struct sk_pack_model_files *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->items[i].name);
        free(f->items[i].path);
    }
    free(f->items);
    *f = (struct sk_pack_model_files){ 0 };
}

static bool is_below(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    return folder[0] && strncmp(path, folder, n) == 0 && path[n] == '/';
}

static int append(struct sk_pack_model_files *f, const char *name, char **path, struct sk_err *err)
{
    SK_OWN(free) char *copy = strdup(name);

    if (!copy)
        return sk_nomem(err);
    if (f->count == SK_PACK_FILES)
        return sk_fail(err, SK_LIMIT, "the bundle has more than %d files", SK_PACK_FILES);
    if (f->count == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 16;
        struct sk_pack_model_file *items = reallocarray(f->items, cap, sizeof *items);
        if (!items)
            return sk_nomem(err);
        f->items = items;
        f->cap = cap;
    }
    f->items[f->count++] = (struct sk_pack_model_file){ SK_TAKE(copy), SK_TAKE(*path) };
    return 0;
}

/* One file, at `path`, whose place in the bundle is `name`. */
static int add_file(struct walk *w, const char *path, const char *name, struct sk_err *err)
{
    SK_OWN(free) char *real = realpath(path, NULL);

    if (!real)
        return sk_fail_errno(err, "'%s'", path);
    if (!is_below(real, w->real) && !is_below(real, w->blobs))
        return sk_fail(err, SK_INVALID,
                       "'%s' is a link out of the bundle, to '%s': put a copy there, or remove it",
                       path, real);
    if (!sk_is_file(real))
        return sk_fail(err, SK_INVALID, "'%s' is not a regular file", path);
    if (sk_bundle_check_file(real, name, err) < 0)
        return -1;
    return append(w->out, name, &real, err);
}

/* Does the model need this file of weights? */
static bool is_used(const struct walk *w, const char *path)
{
    const char *slash = strrchr(w->model, '/');
    size_t n = slash ? (size_t)(slash - w->model) + 1 : 0;

    if (strcmp(path, w->model) == 0)
        return true;
    if (strncmp(path, w->model, n) != 0)
        return false;
    for (size_t i = 0; i < w->onnx->external_count; i++)
        if (strcmp(path + n, w->onnx->external_files[i]) == 0)
            return true;
    return false;
}

static bool is_weights(const char *name)
{
    for (size_t i = 0; i < sizeof weights / sizeof weights[0]; i++)
        if (sk_ends_with(name, weights[i]))
            return true;
    return false;
}

/* The folder `path`, whose place in the bundle is `name` ("" for the bundle itself). */
static int add_folder(struct walk *w, const char *path, const char *name, unsigned depth,
                      struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };

    if (depth > SK_PACK_FOLDERS)
        return sk_fail(err, SK_LIMIT, "'%s' is more than %d folders deep", path, SK_PACK_FOLDERS);
    if (sk_dir_read(path, &dir, err) < 0)
        return -1;
    for (size_t i = 0; i < dir.count; i++) {
        SK_OWN(free) char *child = sk_path_join(path, dir.names[i]);
        SK_OWN(free)
        char *inner = name[0] ? sk_path_join(name, dir.names[i]) : strdup(dir.names[i]);
        struct stat st;
        if (!child || !inner)
            return sk_nomem(err);
        if (dir.names[i][0] == '.' || (is_weights(dir.names[i]) && !is_used(w, child)))
            continue;
        if (lstat(child, &st) < 0)
            return sk_fail_errno(err, "'%s'", child);
        if (S_ISDIR(st.st_mode) ? add_folder(w, child, inner, depth + 1, err) < 0
                                : add_file(w, child, inner, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- a lone file ---- */

static bool is_only_model(const char *folder)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    struct sk_err ignored = SK_ERR_INIT;
    size_t count = 0;

    if (sk_dir_read(folder, &dir, &ignored) < 0)
        return false;
    for (size_t i = 0; i < dir.count; i++)
        count += dir.names[i][0] != '.' && sk_ends_with(dir.names[i], ".onnx");
    return count == 1;
}

static int add_beside(struct walk *w, const char *name, bool is_needed, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_path_join(w->root, name);

    if (!path)
        return sk_nomem(err);
    return is_needed || sk_is_file(path) ? add_file(w, path, name, err) : 0;
}

/* One that the settings name; path may be NULL. */
static int add_picture(struct walk *w, const char *path, struct sk_err *err)
{
    if (!path || !is_below(path, w->root))
        return 0;
    return add_beside(w, path + strlen(w->root) + 1, true, err);
}

static int add_lone(struct walk *w, const struct sk_bundle *b, struct sk_err *err)
{
    const char *slash = strrchr(b->model_path, '/');

    if (add_file(w, b->model_path, slash ? slash + 1 : b->model_path, err) < 0)
        return -1;
    for (size_t i = 0; i < b->onnx->external_count; i++)
        if (add_beside(w, b->onnx->external_files[i], true, err) < 0)
            return -1;
    if (!is_only_model(w->root))
        return 0;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (add_beside(w, settings[i], false, err) < 0)
            return -1;
    return add_picture(w, b->warmup_image, err) < 0 ||
                   (b->test && (!b->warmup_image || strcmp(b->test->image, b->warmup_image) != 0) &&
                    add_picture(w, b->test->image, err) < 0)
               ? -1
               : 0;
}

/* The settings are others than those that lie there. */
static int put_settings(struct sk_pack_model_files *f, const char *path, struct sk_err *err)
{
    static const char name[] = "skerry.json";
    SK_OWN(free) char *copy = strdup(path);

    if (!copy)
        return sk_nomem(err);
    for (size_t i = 0; i < f->count; i++) {
        if (strcmp(f->items[i].name, name) != 0)
            continue;
        free(f->items[i].path);
        f->items[i].path = SK_TAKE(copy);
        return 0;
    }
    return append(f, name, &copy, err);
}

/* ---- all ---- */

static int by_name(const void *a, const void *b)
{
    const struct sk_pack_model_file *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int find_places(struct walk *w, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf blobs = SK_BUF_INIT(PATH_MAX);

    w->real = realpath(w->root, NULL);
    if (!w->real)
        return sk_fail_errno(err, "'%s'", w->root);
    sk_buf_fmt(&blobs, "%s/../../blobs", w->real);
    if (!sk_buf_ok(&blobs))
        return sk_buf_fail(&blobs, err);
    /* snapshots/COMMIT/ beside blobs/; nothing else counts */
    w->blobs = strstr(w->real, "/snapshots/") ? realpath(blobs.data, NULL) : NULL;
    if (!w->blobs)
        w->blobs = strdup("");
    return w->blobs ? 0 : sk_nomem(err);
}

static void walk_done(struct walk *w)
{
    free(w->real);
    free(w->blobs);
}

int sk_pack_model_collect(const char *path, const struct sk_bundle *b, const char *settings_file,
                          struct sk_pack_model_files *out, struct sk_err *err)
{
    SK_AUTO(sk_pack_model_files_done) struct sk_pack_model_files files = { 0 };
    SK_AUTO(walk_done) struct walk w = { .model = b->model_path, .onnx = b->onnx, .out = &files };
    bool is_folder = sk_is_dir(path);

    w.root = is_folder ? path : b->folder;
    if (find_places(&w, err) < 0 ||
        (is_folder ? add_folder(&w, path, "", 0, err) : add_lone(&w, b, err)) < 0 ||
        (settings_file && put_settings(&files, settings_file, err) < 0))
        return -1;
    qsort(files.items, files.count, sizeof *files.items, by_name);
    *out = files;
    files = (struct sk_pack_model_files){ 0 };
    return 0;
}
