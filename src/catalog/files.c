/*
 * files.c - which files belong to a bundle, and their digests.
 */
#include "base/file.h"
#include "base/str.h"
#include "bundle/bundle.h"
#include "catalog/catalog.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    DEPTH = 8,
    FILES = 10000,
    NAME_BYTES = 1024
};

static const char checkpoint[] = "checkpoint.safetensors";

struct walk {
    struct sk_catalog_files *out;
    char *root; /* resolved */
};

void sk_catalog_files_done(struct sk_catalog_files *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->items[i].name);
        free(f->items[i].path);
    }
    free(f->items);
    *f = (struct sk_catalog_files){ .count = 0 };
}

static int add(struct sk_catalog_files *f, const char *name, const char *path, uint64_t size,
               struct sk_err *err)
{
    struct sk_catalog_file file = { .size = size };

    if (f->count == FILES)
        return sk_fail(err, SK_LIMIT, "more than %d files", FILES);
    if (strlen(name) > NAME_BYTES)
        return sk_fail(err, SK_LIMIT, "%s: a name of more than %d bytes", name, NAME_BYTES);

    if (!sk_utf8_valid(name, strlen(name)))
        return sk_fail(err, SK_INVALID, "'%s': the name is not UTF-8; rename the file", path);
    if (sk_bundle_check_file(path, name, err) < 0)
        return -1;

    struct sk_catalog_file *more = realloc(f->items, (f->count + 1) * sizeof(*more));

    if (!more)
        return sk_nomem(err);
    f->items = more;
    file.name = strdup(name);
    file.path = strdup(path);
    f->items[f->count++] = file;
    f->bytes += size;
    return file.name && file.path ? 0 : sk_nomem(err);
}

/* A link that leads out of the folder would register what the user did not name. */
static int check_inside(const struct walk *w, const char *path, struct sk_err *err)
{
    SK_OWN(free) char *real = realpath(path, NULL);
    size_t len = strlen(w->root);

    if (!real)
        return sk_fail(err, SK_NOT_FOUND, "%s: %s", path, strerror(errno));
    if (strncmp(real, w->root, len) != 0 || real[len] != '/')
        return sk_fail(err, SK_INVALID, "%s: the link leads out of the folder; put the file there",
                       path);
    return 0;
}

static int walk_folder(struct walk *w, const char *folder, const char *prefix, unsigned depth,
                       struct sk_err *err);

static int visit(struct walk *w, const char *folder, const char *prefix, const char *entry,
                 unsigned depth, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_path_join(folder, entry);
    SK_OWN(free) char *name = *prefix ? sk_path_join(prefix, entry) : strdup(entry);
    struct stat st;

    if (!path || !name)
        return sk_nomem(err);
    if (lstat(path, &st) < 0)
        return sk_fail(err, SK_IO, "%s: %s", path, strerror(errno));
    if (S_ISLNK(st.st_mode)) {
        if (check_inside(w, path, err) < 0)
            return -1;
        if (stat(path, &st) < 0)
            return sk_fail(err, SK_IO, "%s: %s", path, strerror(errno));
        if (S_ISDIR(st.st_mode))
            return sk_fail(err, SK_INVALID, "%s: a link to a folder", path);
    }
    if (S_ISDIR(st.st_mode))
        return walk_folder(w, path, name, depth + 1, err);
    if (!S_ISREG(st.st_mode))
        return sk_fail(err, SK_INVALID, "%s: neither a file nor a folder", path);
    return add(w->out, name, path, (uint64_t)st.st_size, err);
}

static int walk_folder(struct walk *w, const char *folder, const char *prefix, unsigned depth,
                       struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };

    if (depth > DEPTH)
        return sk_fail(err, SK_LIMIT, "%s: folders more than %d deep", folder, DEPTH);
    if (sk_dir_read(folder, &dir, err) < 0)
        return -1;
    for (size_t i = 0; i < dir.count; i++) {
        const char *entry = dir.names[i];

        if (entry[0] == '.' || strcmp(entry, checkpoint) == 0 ||
            sk_file_is_leftover(entry, checkpoint))
            continue;
        if (visit(w, folder, prefix, entry, depth, err) < 0)
            return -1;
    }
    return 0;
}

/* The model file alone, and what it refers to. */
static int add_lone(const char *path, struct sk_catalog_files *out, struct sk_err *err)
{
    SK_OWN(sk_bundle_free) struct sk_bundle *b = NULL;
    SK_OWN(free) char *name = sk_path_name(path);

    if (!name)
        return sk_nomem(err);
    if (sk_bundle_open(path, NULL, &b, err) < 0 ||
        add(out, name, path, b->onnx->file_bytes, err) < 0)
        return -1;
    for (size_t i = 0; i < b->onnx->external_count; i++) {
        SK_OWN(free) char *data = sk_path_join(b->folder, b->onnx->external_files[i]);
        struct stat st;

        if (!data)
            return sk_nomem(err);
        if (stat(data, &st) < 0)
            return sk_fail(err, SK_IO, "%s: %s", data, strerror(errno));
        if (add(out, b->onnx->external_files[i], data, (uint64_t)st.st_size, err) < 0)
            return -1;
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct sk_catalog_file *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static void free_path(char **path)
{
    free(*path);
}

static int hash(struct sk_catalog_file *f, struct sk_err *err)
{
    char hex[SK_SHA256_HEX];

    if (sk_sha256_file(f->path, hex, err) < 0)
        return -1;
    (void)snprintf(f->digest, sizeof(f->digest), "sha256:%s", hex);
    return 0;
}

int sk_catalog_files_put(struct sk_catalog_files *f, const char *name, const char *path,
                         struct sk_err *err)
{
    struct sk_catalog_file *item = NULL;
    struct stat st;

    if (stat(path, &st) < 0)
        return sk_fail(err, SK_IO, "%s: %s", path, strerror(errno));
    for (size_t i = 0; !item && i < f->count; i++)
        item = strcmp(f->items[i].name, name) == 0 ? &f->items[i] : NULL;
    if (item) {
        char *copy = strdup(path);

        if (!copy)
            return sk_nomem(err);
        free(item->path);
        item->path = copy;
        f->bytes = f->bytes - item->size + (uint64_t)st.st_size;
        item->size = (uint64_t)st.st_size;
        return hash(item, err);
    }
    if (add(f, name, path, (uint64_t)st.st_size, err) < 0 || hash(&f->items[f->count - 1], err) < 0)
        return -1;
    qsort(f->items, f->count, sizeof(*f->items), by_name);
    return 0;
}

int sk_catalog_files_read(const char *bundle, struct sk_catalog_files *out, struct sk_err *err)
{
    SK_AUTO(sk_catalog_files_done) struct sk_catalog_files found = { 0 };
    SK_AUTO(free_path) char *root = realpath(bundle, NULL);
    struct walk w = { .out = &found, .root = root };

    if (!root)
        return sk_fail(err, SK_NOT_FOUND, "%s: %s", bundle, strerror(errno));
    if ((sk_is_dir(bundle) ? walk_folder(&w, bundle, "", 0, err) : add_lone(bundle, &found, err)) <
        0)
        return -1;
    if (found.count == 0)
        return sk_fail(err, SK_NOT_FOUND, "%s: no files", bundle);
    qsort(found.items, found.count, sizeof(*found.items), by_name);
    for (size_t i = 0; i < found.count; i++)
        if (hash(&found.items[i], err) < 0)
            return -1;
    *out = found;
    found = (struct sk_catalog_files){ .count = 0 };
    return 0;
}

int sk_catalog_digest(const struct sk_catalog_files *f, char out[72], struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf lines = SK_BUF_INIT(FILES * (size_t)(NAME_BYTES + 80));
    char hex[SK_SHA256_HEX];

    for (size_t i = 0; i < f->count; i++)
        sk_buf_fmt(&lines, "%s  %s\n", f->items[i].digest, f->items[i].name);
    if (!sk_buf_ok(&lines))
        return sk_buf_fail(&lines, err);
    if (sk_sha256_hex(lines.data, lines.len, hex, err) < 0)
        return -1;
    (void)snprintf(out, 72, "sha256:%s", hex);
    return 0;
}
