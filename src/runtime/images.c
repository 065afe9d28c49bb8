/*
 * images.c - the store of native images.
 *
 * A model layer is unpacked once and shared by all versions and modules that have it; it comes here
 * by one rename of a folder whose files are on the disk, so a folder below models/ is whole. The
 * small files are replaced in one step each, in this order: model, manifest, reference. What a
 * crash leaves between two of them is found again by the next pull, or removed by a trim.
 *
 * The time of a model's folder is that of its last pull or start. A trim leaves those of the last
 * minutes alone, which a module may be about to take.
 */
#include "runtime/runtime_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum {
    STALE_S = 24 * 3600, /* a cut pull that nobody went on with */
    FRESH_S = 10 * 60,   /* pulled just now: its digest may not be in keep yet */
    DEPTH_MAX = 70
};

int sk_rt_images_path(const struct sk_runtime_host *h, const char *kind, const char *name,
                      char out[SK_RT_PATH], struct sk_err *err)
{
    int n = snprintf(out, SK_RT_PATH, "%s/images/%s%s%s", h->data_dir, kind, name ? "/" : "",
                     name ? name : "");

    return n < SK_RT_PATH ? 0
                          : sk_fail(err, SK_LIMIT, "the path '%.100s...' is too long", h->data_dir);
}

int sk_rt_images_ref(const char *image, char out[SK_RT_REF], struct sk_err *err)
{
    char hex[SK_SHA256_HEX];

    if (sk_sha256_hex(image, strlen(image), hex, err) < 0)
        return -1;
    (void)snprintf(out, SK_RT_REF, "%.32s", hex);
    return 0;
}

int sk_rt_images_open(const struct sk_runtime_host *h, struct sk_err *err)
{
    static const struct {
        const char *name;
        unsigned mode;
    } rows[] = { { "models", 0755 },
                 { "manifests", 0755 },
                 { "refs", 0755 },
                 { "incoming", 0711 },
                 { "graphs", 0711 } };

    char path[SK_RT_PATH];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (sk_rt_images_path(h, rows[i].name, NULL, path, err) < 0 ||
            sk_mkdirs(path, rows[i].mode, err) < 0)
            return -1;
    return 0;
}

static const char *hex_of(const char *digest)
{
    const char *colon = strchr(digest, ':');

    return colon ? colon + 1 : digest;
}

static int file_of(const struct sk_runtime_host *h, const char *kind, const char *name,
                   char out[SK_RT_PATH], struct sk_err *err)
{
    char file[160];

    (void)snprintf(file, sizeof file, "%.140s.json", name);
    return sk_rt_images_path(h, kind, file, out, err);
}

/* ---- a layer comes in ---- */

static int sync_folder(const char *path, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd >= 0 && fsync(fd) == 0 ? 0 : sk_fail_errno(err, "'%s'", path);
}

/* Everything below becomes ours and read-only. The child that made it is gone, and what is not a
 * plain file or folder is refused: nothing is followed. Takes dir. */
static int take_over(int dir, unsigned depth, struct sk_err *err)
{
    DIR *d = fdopendir(dir);
    struct dirent *e;
    int rc = 0;

    if (!d) {
        (void)close(dir);
        return sk_fail_errno(err, "unpacked layer");
    }
    if (depth > DEPTH_MAX)
        rc = sk_fail(err, SK_LIMIT, "unpacked layer: folders lie deeper than %d", DEPTH_MAX);
    while (rc == 0 && (e = readdir(d)) != NULL) {
        struct stat st = { .st_mode = 0 };

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
            rc = sk_fail_errno(err, "unpacked layer, '%.200s'", e->d_name);
        else if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
            rc = sk_fail(err, SK_CORRUPT, "unpacked layer: '%.200s' is no plain file", e->d_name);
        else if (S_ISREG(st.st_mode) && st.st_nlink > 1) /* its other name may be anybody's */
            rc = sk_fail(err, SK_CORRUPT, "unpacked layer: '%.200s' has a second name", e->d_name);
        else if ((geteuid() == 0 && fchown(fd, 0, 0) < 0) ||
                 fchmod(fd, S_ISDIR(st.st_mode) ? 0755 : 0444) < 0)
            rc = sk_fail_errno(err, "unpacked layer, '%.200s'", e->d_name);
        if (rc == 0 && S_ISDIR(st.st_mode))
            rc = take_over(sk_take_fd(&fd), depth + 1, err);
        sk_close(&fd);
    }
    (void)closedir(d);
    return rc;
}

int sk_rt_images_adopt(const struct sk_runtime_host *h, const char *tree, const char *layer,
                       struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = open(tree, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    char path[SK_RT_PATH], models[SK_RT_PATH];

    if (fd < 0 || (geteuid() == 0 && fchown(fd, 0, 0) < 0) || fchmod(fd, 0755) < 0)
        return sk_fail_errno(err, "'%s'", tree);
    if (take_over(sk_take_fd(&fd), 0, err) < 0 ||
        sk_rt_images_path(h, "models", NULL, models, err) < 0 ||
        sk_rt_images_path(h, "models", hex_of(layer), path, err) < 0)
        return -1;
    if (rename(tree, path) < 0 && errno != EEXIST && errno != ENOTEMPTY) /* another was faster */
        return sk_fail_errno(err, "'%s'", path);
    return sync_folder(models, err);
}

/* ---- what is known of it ---- */

int sk_rt_images_keep(const struct sk_runtime_host *h, const char *image,
                      const struct sk_rt_pulled *p, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_OCI_MANIFEST_MAX);
    char path[SK_RT_PATH], ref[SK_RT_REF];

    if (p->is_native) {
        sk_buf_fmt(&text, "{\"digest\":\"%s\",\"layer\":\"%s\",\"config\":", p->digest, p->layer);
        sk_buf_add(&text, p->config.data, p->config.len);
        sk_buf_str(&text, "}\n");
        if (!sk_buf_ok(&text))
            return sk_buf_fail(&text, err);
        if (file_of(h, "manifests", hex_of(p->digest), path, err) < 0 ||
            sk_file_write(path, text.data, text.len, 0644, err) < 0)
            return -1;
        sk_buf_clear(&text);
    }
    sk_buf_str(&text, "{\"image\":");
    sk_buf_json_str(&text, image);
    sk_buf_fmt(&text, ",\"native\":%s,\"digest\":\"%s\",\"layer\":\"%s\",\"why\":",
               p->is_native ? "true" : "false", p->digest, p->layer);
    sk_buf_json_str(&text, p->why);
    sk_buf_fmt(&text, ",\"pulled\":%llu}\n", (unsigned long long)sk_wall_ms());
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    if (sk_rt_images_ref(image, ref, err) < 0 || file_of(h, "refs", ref, path, err) < 0)
        return -1;
    return sk_file_write(path, text.data, text.len, 0644, err);
}

int sk_rt_images_config(const struct sk_runtime_host *h, const char *digest, struct sk_json **out,
                        struct sk_err *err)
{
    char path[SK_RT_PATH];

    if (!sk_digest_valid(digest))
        return sk_fail(err, SK_INVALID, "'%.140s' is no digest", digest);
    if (file_of(h, "manifests", hex_of(digest), path, err) < 0)
        return -1;
    return sk_json_file(path, out, err);
}

/* The folder that the image's command names, else the only one of the layer. */
static int find_model(const struct sk_runtime_host *h, const char *layer,
                      struct sk_runtime_image *out, struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    char path[SK_RT_PATH];

    if (!sk_digest_valid(layer) || sk_rt_images_path(h, "models", hex_of(layer), path, err) < 0 ||
        !sk_is_dir(path))
        return sk_fail(err, SK_NOT_FOUND, "the model layer %.80s is not here", layer);
    if (sk_dir_read(path, &dir, err) < 0)
        return -1;
    int n = dir.count == 1
                ? snprintf(out->model_path, sizeof out->model_path, "%s/%s", path, dir.names[0])
                : snprintf(out->model_path, sizeof out->model_path, "%s", path);
    return n < (int)sizeof out->model_path ? 0
                                           : sk_fail(err, SK_LIMIT, "'%s': too long a path", path);
}

int sk_rt_images_find(const struct sk_runtime_host *h, const char *image,
                      struct sk_runtime_image *out, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_runtime_image found = { .kind = SK_RUNTIME_DOCKER };
    char path[SK_RT_PATH], ref[SK_RT_REF];

    if (sk_rt_images_ref(image, ref, err) < 0 || file_of(h, "refs", ref, path, err) < 0)
        return -1;
    if (sk_json_file(path, &doc, err) < 0)
        return err->code == SK_NOT_FOUND
                   ? sk_fail(err, SK_NOT_FOUND, "image '%s' was never pulled here", image)
                   : -1;
    (void)snprintf(found.digest, sizeof found.digest, "%s", sk_json_get_text(doc, "digest", ""));
    (void)snprintf(found.layer, sizeof found.layer, "%s", sk_json_get_text(doc, "layer", ""));
    (void)snprintf(found.why, sizeof found.why, "%s", sk_json_get_text(doc, "why", ""));
    if (sk_json_bool(sk_json_get(doc, "native"), false)) {
        found.kind = SK_RUNTIME_NATIVE;
        if (find_model(h, found.layer, &found, err) < 0)
            return sk_wrap(err, "image '%s'", image);
    }
    *out = found;
    return 0;
}

void sk_rt_images_touch(const struct sk_runtime_host *h, const char *layer)
{
    char path[SK_RT_PATH];
    struct sk_err ignored = SK_ERR_INIT;

    if (sk_rt_images_path(h, "models", hex_of(layer), path, &ignored) == 0)
        (void)utimensat(AT_FDCWD, path, NULL, 0); /* a trim then takes it for older than it is */
}

/* ---- trimming ---- */

/* What files take on the disk, links of the same file once per name. */
static uint64_t size_of_tree(const char *path, unsigned depth)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    struct sk_err ignored = SK_ERR_INIT;
    struct stat st;
    uint64_t sum = 0;

    if (lstat(path, &st) < 0)
        return 0;
    sum = (uint64_t)st.st_blocks * 512;
    if (!S_ISDIR(st.st_mode) || depth > DEPTH_MAX || sk_dir_read(path, &dir, &ignored) < 0)
        return sum;
    for (size_t i = 0; i < dir.count; i++) {
        SK_OWN(free) char *child = sk_path_join(path, dir.names[i]);
        if (child)
            sum += size_of_tree(child, depth + 1);
    }
    return sum;
}

struct item {
    char path[SK_RT_PATH];
    uint64_t bytes;
    time_t used;
    int rank; /* what goes first */
};

struct items {
    struct item *list;
    size_t count, cap;
    uint64_t bytes;
};

static void items_done(struct items *i)
{
    free(i->list);
}

static int add_item(struct items *items, const char *path, int rank, struct sk_err *err)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return 0;
    if (items->count == items->cap) {
        size_t cap = items->cap ? items->cap * 2 : 32;
        struct item *list = reallocarray(items->list, cap, sizeof *list);
        if (!list)
            return sk_nomem(err);
        items->list = list;
        items->cap = cap;
    }
    struct item *i = &items->list[items->count++];
    *i = (struct item){ .bytes = size_of_tree(path, 0), .used = st.st_mtime, .rank = rank };
    (void)snprintf(i->path, sizeof i->path, "%s", path);
    items->bytes += i->bytes;
    return 0;
}

/* By its own digest, or by that of a manifest that names it. When that cannot be told (a disk that
 * does not read), it is kept. */
static bool is_kept(const struct sk_runtime_host *h, const char *const *keep, const char *hex)
{
    for (size_t i = 0; keep && keep[i]; i++) {
        SK_OWN(sk_json_free) struct sk_json *doc = NULL;
        struct sk_err why = SK_ERR_INIT;

        if (strcmp(hex_of(keep[i]), hex) == 0)
            return true;
        if (sk_rt_images_config(h, keep[i], &doc, &why) < 0) {
            if (why.code != SK_NOT_FOUND && why.code != SK_INVALID)
                return true;
            continue;
        }
        if (strcmp(hex_of(sk_json_get_text(doc, "layer", "")), hex) == 0)
            return true;
    }
    return false;
}

enum {
    RANK_STALE,
    RANK_MODEL,
    RANK_GRAPHS,
    RANK_KEEP
};

static int list_kind(const struct sk_runtime_host *h, const char *kind, const char *const *keep,
                     time_t now, struct items *items, struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    char folder[SK_RT_PATH], path[SK_RT_PATH];
    const bool is_model = strcmp(kind, "models") == 0;
    const bool is_incoming = strcmp(kind, "incoming") == 0;

    if (sk_rt_images_path(h, kind, NULL, folder, err) < 0)
        return -1;
    if (!sk_is_dir(folder))
        return 0;
    if (sk_dir_read(folder, &dir, err) < 0)
        return -1;
    for (size_t i = 0; i < dir.count; i++) {
        int rank = is_incoming ? RANK_STALE : is_model ? RANK_MODEL : RANK_GRAPHS;
        struct stat st;

        if (sk_rt_images_path(h, kind, dir.names[i], path, err) < 0)
            return -1;
        if (stat(path, &st) < 0)
            continue;
        if (is_model && (st.st_mtime + FRESH_S > now || is_kept(h, keep, dir.names[i])))
            rank = RANK_KEEP;
        if (is_incoming && sk_rt_pull_is_busy(path))
            rank = RANK_KEEP;
        if (add_item(items, path, rank, err) < 0)
            return -1;
    }
    return 0;
}

static int by_rank_and_age(const void *a, const void *b)
{
    const struct item *x = a, *y = b;

    if (x->rank != y->rank)
        return x->rank - y->rank;
    return x->used < y->used ? -1 : x->used > y->used;
}

/* Manifests and references whose model is gone. */
static int drop_names(const struct sk_runtime_host *h, const char *kind, struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    char folder[SK_RT_PATH], path[SK_RT_PATH], model[SK_RT_PATH];

    if (sk_rt_images_path(h, kind, NULL, folder, err) < 0)
        return -1;
    if (!sk_is_dir(folder))
        return 0;
    if (sk_dir_read(folder, &dir, err) < 0)
        return -1;
    for (size_t i = 0; i < dir.count; i++) {
        SK_OWN(sk_json_free) struct sk_json *doc = NULL;
        struct sk_err why = SK_ERR_INIT;

        if (sk_rt_images_path(h, kind, dir.names[i], path, err) < 0)
            return -1;
        if (sk_json_file(path, &doc, &why) < 0) {
            if (why.code == SK_INVALID) /* no JSON: nobody can use it */
                (void)unlink(path);
            continue;
        }
        const char *layer = sk_json_get_text(doc, "layer", "");
        if (!layer[0])
            continue; /* of an image for Docker: a few bytes */
        if (sk_rt_images_path(h, "models", hex_of(layer), model, err) < 0)
            return -1;
        if (access(model, F_OK) < 0 && errno == ENOENT)
            (void)unlink(path);
    }
    return 0;
}

int sk_runtime_images_trim(const struct sk_runtime_host *h, const char *const *keep,
                           uint64_t max_bytes, uint64_t *bytes, struct sk_err *err)
{
    SK_AUTO(items_done) struct items items = { 0 };
    const time_t now = (time_t)(sk_wall_ms() / 1000);

    if (list_kind(h, "incoming", keep, now, &items, err) < 0 ||
        list_kind(h, "models", keep, now, &items, err) < 0 ||
        list_kind(h, "graphs", keep, now, &items, err) < 0)
        return -1;
    if (items.count > 0)
        qsort(items.list, items.count, sizeof items.list[0], by_rank_and_age);
    for (size_t i = 0; i < items.count && items.list[i].rank != RANK_KEEP; i++) {
        const struct item *it = &items.list[i];
        const bool is_stale = it->rank == RANK_STALE && it->used + STALE_S < now;

        if (items.bytes <= max_bytes && !is_stale)
            continue;
        struct sk_err why = SK_ERR_INIT;
        if (sk_remove_tree(it->path, &why) < 0) /* a module's may be made so; the rest goes on */
            sk_log(SK_WARN, "image_not_removed", "error=\"%s\"", why.text);
        else
            items.bytes -= it->bytes;
    }
    if (drop_names(h, "manifests", err) < 0 || drop_names(h, "refs", err) < 0)
        return -1;
    *bytes = items.bytes;
    return 0;
}
