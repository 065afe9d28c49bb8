/*
 * base.c - the base layer: the least that `skerry serve` runs in.
 *
 *     usr/bin/skerry                 the program, without what only debuggers read
 *     usr/lib/libonnxruntime.so.1    where the engine looks beside the program
 *     lib.../libNAME.so                 what both need, in the folder where this machine's loader
 * has libc, since that folder is searched without a cache lib64/ld-linux-x86-64.so.2     the
 * loader, where the program names it etc/passwd, etc/group          an unprivileged user models/,
 * tmp/                  for the bundle, and for the engine's cache
 *
 * The key is a digest of names, modes and contents; the layer is a function of what it covers.
 */
#include "image/image.h"
#include "pack/pack_priv.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

enum {
    FORMAT = 1,
    PIECE_BYTES = 256 << 10
};

#define PROGRAM     "usr/bin/skerry"
#define ONNXRUNTIME "usr/lib/libonnxruntime.so.1"

static const char passwd[] = "root:x:0:0:root:/:/sbin/nologin\n"
                             "skerry:x:10001:10001:skerry:/tmp:/sbin/nologin\n";
static const char group[] = "root:x:0:\nskerry:x:10001:\n";

_Static_assert(SK_PACK_UID == 10001, "the user of passwd and group");

void sk_pack_base_done(struct sk_pack_base *b)
{
    for (size_t i = 0; i < b->count; i++) {
        free(b->items[i].name);
        free(b->items[i].path);
    }
    free(b->items);
    *b = (struct sk_pack_base){ 0 };
}

/* ---- entries ---- */

static bool has_name(const struct sk_pack_base *b, const char *name)
{
    for (size_t i = 0; i < b->count; i++)
        if (strcmp(b->items[i].name, name) == 0)
            return true;
    return false;
}

/* Copies name and path of what it is given. */
static int add(struct sk_pack_base *b, const char *name, const struct sk_pack_base_entry *what,
               struct sk_err *err)
{
    struct sk_pack_base_entry entry = *what;

    if (has_name(b, name))
        return 0;
    if (b->count == b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 64;
        struct sk_pack_base_entry *items = reallocarray(b->items, cap, sizeof *items);
        if (!items)
            return sk_nomem(err);
        b->items = items;
        b->cap = cap;
    }
    entry.name = strdup(name);
    entry.path = what->path ? strdup(what->path) : NULL;
    if (!entry.name || (what->path && !entry.path)) {
        free(entry.name);
        free(entry.path);
        return sk_nomem(err);
    }
    b->items[b->count++] = entry;
    return 0;
}

/* The folders that `name` lies in. */
static int add_parents(struct sk_pack_base *b, const char *name, struct sk_err *err)
{
    const struct sk_pack_base_entry folder = { .is_dir = true, .mode = 0755 };

    for (const char *p = strchr(name, '/'); p; p = strchr(p + 1, '/')) {
        SK_OWN(free) char *parent = strndup(name, (size_t)(p - name));
        if (!parent)
            return sk_nomem(err);
        if (add(b, parent, &folder, err) < 0)
            return -1;
    }
    return 0;
}

static int add_entry(struct sk_pack_base *b, const char *name,
                     const struct sk_pack_base_entry *what, struct sk_err *err)
{
    if (add_parents(b, name, err) < 0)
        return -1;
    return add(b, name, what, err);
}

/* The folder of the image that the loader searches: where libc is here. *out without a slash in
 * front; free(). */
static int library_folder(const struct sk_pack_closure *c, char **out, struct sk_err *err)
{
    const char *folder = "/lib", *end = folder + strlen(folder);

    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->items[i].name, "libc.so.6") == 0 && c->items[i].path[0] == '/') {
            folder = c->items[i].path;
            end = strrchr(folder, '/');
        }
    *out = strndup(folder + 1, (size_t)(end - folder - 1));
    return *out ? 0 : sk_nomem(err);
}

static int add_libraries(struct sk_pack_base *b, const struct sk_pack_closure *c,
                         struct sk_err *err)
{
    SK_OWN(free) char *folder = NULL;

    if (library_folder(c, &folder, err) < 0)
        return -1;
    for (size_t i = 0; i < c->count; i++) {
        SK_OWN(free) char *name = sk_path_join(folder, c->items[i].name);
        const struct sk_pack_base_entry library = { .mode = 0644, .path = c->items[i].path };
        if (!name)
            return sk_nomem(err);
        if (add_entry(b, name, &library, err) < 0)
            return -1;
    }
    if (!c->interp)
        return 0;
    const struct sk_pack_base_entry loader = { .mode = 0755, .path = c->interp };
    return add_entry(b, c->interp + strspn(c->interp, "/"), &loader, err);
}

static int add_files(struct sk_pack_base *b, char *program, char *onnxruntime, struct sk_err *err)
{
    const struct {
        const char *name;
        struct sk_pack_base_entry entry;
    } rows[] = {
        { PROGRAM, { .mode = 0755, .path = program, .is_trimmed = true } },
        { ONNXRUNTIME, { .mode = 0644, .path = onnxruntime } },
        { "etc/passwd", { .mode = 0644, .text = passwd } },
        { "etc/group", { .mode = 0644, .text = group } },
        { "models", { .mode = 0755, .is_dir = true } },
        { "tmp", { .mode = 01777, .is_dir = true } },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (add_entry(b, rows[i].name, &rows[i].entry, err) < 0)
            return -1;
    return 0;
}

/* ---- sizes and digests ---- */

static int measure_trimmed(struct sk_pack_base_entry *e, struct sk_err *err)
{
    SK_AUTO(sk_map_close) struct sk_map map = { 0 };
    SK_OWN(sk_hash_free) struct sk_hash *hash = NULL;
    unsigned char header[SK_ELF_HEADER];

    if (sk_map_open(e->path, &map, err) < 0)
        return -1;
    if (sk_elf_trim(&map, header, &e->size, err) < 0)
        return sk_wrap(err, "'%s'", e->path);
    if (sk_hash_new(SK_SHA256, &hash, err) < 0 ||
        sk_hash_add(hash, header, sizeof header, err) < 0 ||
        sk_hash_add(hash, (const char *)map.ptr + SK_ELF_HEADER, e->size - SK_ELF_HEADER, err) < 0)
        return -1;
    return sk_hash_hex(hash, e->hex, err);
}

static int measure(struct sk_pack_base_entry *e, struct sk_err *err)
{
    struct stat st;

    if (e->is_dir)
        return 0;
    if (e->text) {
        e->size = strlen(e->text);
        return sk_sha256_hex(e->text, e->size, e->hex, err);
    }
    if (e->is_trimmed)
        return measure_trimmed(e, err);
    if (stat(e->path, &st) < 0)
        return sk_fail_errno(err, "'%s'", e->path);
    e->size = (uint64_t)st.st_size;
    return sk_sha256_file(e->path, e->hex, err);
}

static int make_key(struct sk_pack_base *b, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 20);

    sk_buf_fmt(&text, "skerry base %d\n%s\n%s\n", FORMAT, b->architecture, sk_archive_version());
    for (size_t i = 0; i < b->count; i++) {
        struct sk_pack_base_entry *e = &b->items[i];
        if (measure(e, err) < 0)
            return -1;
        b->unpacked += e->size;
        sk_buf_fmt(&text, "%o %s %s\n", e->mode, e->is_dir ? "folder" : e->hex, e->name);
    }
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    return sk_sha256_hex(text.data, text.len, b->key, err);
}

static int by_name(const void *a, const void *b)
{
    const struct sk_pack_base_entry *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int resolve(const char *path, char **out, struct sk_err *err)
{
    *out = realpath(path, NULL);
    return *out ? 0 : sk_fail_errno(err, "'%s'", path);
}

int sk_pack_base_collect(const struct sk_pack_own *own, struct sk_pack_base *out,
                         struct sk_err *err)
{
    SK_AUTO(sk_pack_base_done) struct sk_pack_base b = { 0 };
    SK_AUTO(sk_pack_closure_done) struct sk_pack_closure c = { 0 };
    SK_AUTO(sk_pack_loader_done) struct sk_pack_loader l = { 0 };
    SK_OWN(free) char *program = NULL;
    SK_OWN(free) char *onnxruntime = NULL;

    if (resolve(own->program ? own->program : "/proc/self/exe", &program, err) < 0 ||
        resolve(own->onnxruntime, &onnxruntime, err) < 0)
        return -1;
    if (sk_pack_loader_open(NULL, &l, err) < 0 || sk_pack_closure_add(&l, program, &c, err) < 0 ||
        sk_pack_closure_add_opened(&l, program, SK_IMAGE_LIBTIFF, &c, err) < 0 ||
        sk_pack_closure_add(&l, onnxruntime, &c, err) < 0 ||
        add_files(&b, program, onnxruntime, err) < 0 || add_libraries(&b, &c, err) < 0)
        return -1;
    if (!c.architecture[0])
        return sk_fail(err, SK_UNSUPPORTED, "'%s' is for a machine that images have no name for",
                       program);
    memcpy(b.architecture, c.architecture, sizeof b.architecture);
    qsort(b.items, b.count, sizeof *b.items, by_name);
    if (make_key(&b, err) < 0)
        return -1;
    *out = b;
    b = (struct sk_pack_base){ 0 };
    return 0;
}

/* ---- the layer ---- */

static int put_trimmed(struct sk_tar_writer *w, const struct sk_pack_base_entry *e,
                       struct sk_err *err)
{
    SK_AUTO(sk_map_close) struct sk_map map = { 0 };
    unsigned char header[SK_ELF_HEADER];
    uint64_t size = 0;

    if (sk_map_open(e->path, &map, err) < 0 || sk_elf_trim(&map, header, &size, err) < 0)
        return sk_wrap(err, "'%s'", e->path);
    if (sk_tar_file(w, e->name, e->mode, size, err) < 0 ||
        sk_tar_bytes(w, header, sizeof header, err) < 0)
        return -1;
    return sk_tar_bytes(w, (const char *)map.ptr + SK_ELF_HEADER, size - SK_ELF_HEADER, err);
}

static int put_entry(struct sk_tar_writer *w, const struct sk_pack_base_entry *e,
                     struct sk_err *err)
{
    if (e->is_dir)
        return sk_tar_dir(w, e->name, e->mode, err);
    if (e->is_trimmed)
        return put_trimmed(w, e, err);
    if (e->path)
        return sk_tar_copy(w, e->name, e->mode, e->path, err);
    if (sk_tar_file(w, e->name, e->mode, e->size, err) < 0)
        return -1;
    return sk_tar_bytes(w, e->text, e->size, err);
}

typedef int tar_sink(void *ctx, const void *bytes, size_t len, struct sk_err *err);

static int put_all(const struct sk_pack_base *b, enum sk_archive_filter filter, tar_sink *sink,
                   void *ctx, struct sk_err *err)
{
    SK_OWN(sk_tar_writer_free) struct sk_tar_writer *w = NULL;

    if (sk_tar_writer_new(filter, sink, ctx, &w, err) < 0)
        return -1;
    for (size_t i = 0; i < b->count; i++)
        if (put_entry(w, &b->items[i], err) < 0)
            return -1;
    return sk_tar_finish(w, err);
}

static int hash_only(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    return sk_hash_add(ctx, bytes, len, err);
}

struct packed {
    struct sk_file_out file;
    struct sk_hash *hash;
    uint64_t size;
};

static int hash_and_put(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    struct packed *p = ctx;

    p->size += len;
    if (sk_hash_add(p->hash, bytes, len, err) < 0)
        return -1;
    return sk_file_put(&p->file, bytes, len, err);
}

static void packed_done(struct packed *p)
{
    sk_file_out_done(&p->file);
    sk_hash_free(p->hash);
}

int sk_pack_base_write(const struct sk_pack_base *b, const char *path, struct sk_pack_layer *out,
                       struct sk_err *err)
{
    SK_OWN(sk_hash_free) struct sk_hash *plain = NULL;
    SK_AUTO(packed_done) struct packed p = { .file = SK_FILE_OUT_INIT };
    struct sk_pack_layer layer = { .media_type = SK_OCI_LAYER_GZIP, .unpacked = b->unpacked };

    if (sk_hash_new(SK_SHA256, &plain, err) < 0 || sk_hash_new(SK_SHA256, &p.hash, err) < 0 ||
        sk_file_begin(&p.file, path, err) < 0 ||
        put_all(b, SK_ARCHIVE_PLAIN, hash_only, plain, err) < 0 ||
        put_all(b, SK_ARCHIVE_GZIP, hash_and_put, &p, err) < 0 ||
        sk_hash_digest(plain, layer.diff_id, err) < 0 ||
        sk_hash_digest(p.hash, layer.digest, err) < 0 || sk_file_end(&p.file, 0644, err) < 0)
        return -1;
    layer.bytes = p.size;
    *out = layer;
    return 0;
}

int sk_pack_base_list(const struct sk_pack_own *own, sk_pack_each *each, void *ctx,
                      struct sk_err *err)
{
    SK_AUTO(sk_pack_base_done) struct sk_pack_base b = { 0 };

    if (sk_pack_base_collect(own, &b, err) < 0)
        return -1;
    for (size_t i = 0; i < b.count; i++) {
        SK_OWN(free) char *path = sk_path_join("/", b.items[i].name);
        if (!path)
            return sk_nomem(err);
        if (!b.items[i].is_dir && each(ctx, path, b.items[i].size, err) < 0)
            return -1;
    }
    return 0;
}
