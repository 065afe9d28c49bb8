/*
 * artifact.c - a tree of names over blobs: one row per file, folders are what the names say.
 *
 * Below a folder "a" is the range of paths from "a/" to "a0", for '0' follows '/' in ASCII, and
 * SQLite compares texts by bytes. Invariant: no path of the table is a folder of another one.
 */
#include "store/store_priv.h"

#include "base/clock.h"
#include "base/str.h"

enum {
    PATH_BYTES = 1024,
    FOLDER_BYTES = PATH_BYTES + 2
};

int sk_artifact_path_check(const char *path, struct sk_err *err)
{
    size_t len = strlen(path);

    if (len == 0 || len > PATH_BYTES)
        return sk_fail(err, SK_INVALID, "an artifact's path has 1 to %d bytes, this one %zu",
                       PATH_BYTES, len);
    if (!sk_utf8_valid(path, len))
        return sk_fail(err, SK_INVALID, "artifact path '%s' is not UTF-8", path);
    for (const char *part = path; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL) {
        size_t n = strcspn(part, "/");
        if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && memcmp(part, "..", 2) == 0))
            return sk_fail(err, SK_INVALID,
                           "artifact path '%s' has an empty part, '.' or '..' in it", path);
    }
    for (const char *p = path; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '\\')
            return sk_fail(err, SK_INVALID,
                           "artifact path '%s' has a control character or backslash in it", path);
    return 0;
}

/* The range of paths below a folder; of the root: all. */
struct range {
    char from[FOLDER_BYTES], to[FOLDER_BYTES];
};

static int below(const char *folder, struct range *out, struct sk_err *err)
{
    if (!*folder) {
        *out = (struct range){ .from = "", .to = "\xff" };
        return 0;
    }
    if (sk_artifact_path_check(folder, err) < 0)
        return -1;
    (void)snprintf(out->from, sizeof out->from, "%s/", folder);
    (void)snprintf(out->to, sizeof out->to, "%s0", folder);
    return 0;
}

/* 1 when the query has a row. */
static int has_row(struct sk_stmt *s, struct sk_err *err)
{
    int more = sk_stmt_next(s, err);

    sk_stmt_end(s);
    return more;
}

/* A path cannot be a file and a folder. */
static int check_place(struct sk_tx *tx, const char *path, struct sk_err *err)
{
    struct sk_stmt *s = NULL;
    struct range r;

    for (const char *slash = path; (slash = strchr(slash, '/')) != NULL; slash++) {
        const struct sk_view parent = { path, (size_t)(slash - path) };
        if (sk_tx_query(tx, &s, err, "SELECT 1 FROM artifact WHERE path = ?1", "v", parent) < 0)
            return -1;
        int is_file = has_row(s, err);
        if (is_file > 0)
            return sk_fail(err, SK_INVALID, "artifact '%s': '%.*s' is a file", path,
                           (int)parent.len, parent.ptr);
        if (is_file < 0)
            return -1;
    }
    if (below(path, &r, err) < 0 ||
        sk_tx_query(tx, &s, err, "SELECT 1 FROM artifact WHERE path > ?1 AND path < ?2 LIMIT 1",
                    "ss", r.from, r.to) < 0)
        return -1;
    int is_folder = has_row(s, err);
    if (is_folder > 0)
        return sk_fail(err, SK_INVALID, "artifact '%s' is a folder", path);
    return is_folder;
}

int sk_artifact_put(struct sk_tx *tx, const char *path, const char *digest, struct sk_err *err)
{
    uint64_t size = 0;

    if (sk_artifact_path_check(path, err) < 0 || sk_blob_size(tx, digest, &size, err) < 0 ||
        check_place(tx, path, err) < 0)
        return -1;
    return sk_tx_run(tx, err,
                     "INSERT INTO artifact(path, digest, modified_ms) VALUES(?1, ?2, ?3) "
                     "ON CONFLICT(path) DO UPDATE SET digest = ?2, modified_ms = ?3",
                     "ssi", path, digest, (int64_t)sk_wall_ms());
}

int sk_artifact_get(struct sk_tx *tx, const char *path, char digest[SK_DIGEST_TEXT], uint64_t *size,
                    struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;

    if (sk_artifact_path_check(path, err) < 0 ||
        sk_tx_query(tx, &s, err,
                    "SELECT digest, size FROM artifact JOIN blob USING(digest) WHERE path = ?1",
                    "s", path) < 0)
        return -1;
    int more = sk_stmt_next(s, err);
    if (more == 0)
        return sk_fail(err, SK_NOT_FOUND, "artifact '%s' is not here", path);
    if (more < 0)
        return -1;
    (void)snprintf(digest, SK_DIGEST_TEXT, "%s", sk_stmt_text(s, 0));
    *size = (uint64_t)sk_stmt_int(s, 1);
    return 0;
}

/* ---- lists ---- */

struct child {
    char *name;
    uint64_t size;
    bool is_dir;
};

struct children {
    struct child *items;
    size_t count, cap;
};

static void children_done(struct children *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->items[i].name);
    free(c->items);
}

static int add_child(struct children *c, const char *name, size_t len, bool is_dir, uint64_t size,
                     struct sk_err *err)
{
    if (c->count == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 16;
        struct child *items = reallocarray(c->items, cap, sizeof *items);
        if (!items)
            return sk_nomem(err);
        c->items = items;
        c->cap = cap;
    }
    char *copy = strndup(name, len);
    if (!copy)
        return sk_nomem(err);
    c->items[c->count++] = (struct child){ copy, size, is_dir };
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct child *left = a, *right = b;

    return strcmp(left->name, right->name);
}

/* A folder counts once: the search goes on behind what is below it. */
static int find_children(struct sk_tx *tx, const char *folder, struct children *out,
                         struct sk_err *err)
{
    struct range r;

    if (below(folder, &r, err) < 0)
        return -1;
    const size_t skip = strlen(r.from);
    for (;;) {
        SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
        if (sk_tx_query(tx, &s, err,
                        "SELECT path, size FROM artifact JOIN blob USING(digest) "
                        "WHERE path >= ?1 AND path < ?2 ORDER BY path",
                        "ss", r.from, r.to) < 0)
            return -1;
        int more = 0;
        const char *slash = NULL;
        while (!slash && (more = sk_stmt_next(s, err)) > 0) {
            const char *path = sk_stmt_text(s, 0);
            slash = strchr(path + skip, '/');
            size_t len = slash ? (size_t)(slash - path) : strlen(path);
            if (add_child(out, path + skip, len - skip, slash != NULL,
                          slash ? 0 : (uint64_t)sk_stmt_int(s, 1), err) < 0)
                return -1;
            if (slash)
                (void)snprintf(r.from, sizeof r.from, "%.*s0", (int)len, path);
        }
        if (more <= 0)
            return more;
    }
}

int sk_artifact_list(struct sk_tx *tx, const char *folder,
                     int (*each)(void *ctx, const char *name, bool is_dir, uint64_t size,
                                 struct sk_err *err),
                     void *ctx, struct sk_err *err)
{
    SK_AUTO(children_done) struct children c = { 0 };

    if (find_children(tx, folder, &c, err) < 0)
        return -1;
    if (c.count > 0)
        qsort(c.items, c.count, sizeof *c.items, by_name);
    for (size_t i = 0; i < c.count; i++)
        if (each(ctx, c.items[i].name, c.items[i].is_dir, c.items[i].size, err) < 0)
            return -1;
    return 0;
}

int sk_artifact_walk(struct sk_tx *tx, const char *folder,
                     int (*each)(void *ctx, const char *path, const char *digest, uint64_t size,
                                 struct sk_err *err),
                     void *ctx, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    struct range r;

    if (below(folder, &r, err) < 0 ||
        sk_tx_query(tx, &s, err,
                    "SELECT path, digest, size FROM artifact JOIN blob USING(digest) "
                    "WHERE path = ?1 OR (path > ?2 AND path < ?3) ORDER BY path",
                    "sss", folder, r.from, r.to) < 0)
        return -1;
    int more = 0;
    while ((more = sk_stmt_next(s, err)) > 0) {
        const char *path = sk_stmt_text(s, 0);
        const char *rest = strcmp(path, folder) == 0 ? "" : path + strlen(r.from);
        if (each(ctx, rest, sk_stmt_text(s, 1), (uint64_t)sk_stmt_int(s, 2), err) < 0)
            return -1;
    }
    return more;
}

int sk_artifact_remove(struct sk_tx *tx, const char *path, struct sk_err *err)
{
    struct range r;

    if (sk_artifact_path_check(path, err) < 0 || below(path, &r, err) < 0)
        return -1;
    return sk_tx_run(tx, err, "DELETE FROM artifact WHERE path = ?1 OR (path > ?2 AND path < ?3)",
                     "sss", path, r.from, r.to);
}

/* ---- copies ---- */

struct copy {
    struct sk_tx *tx;
    const char *to;
    size_t count;
};

static int copy_one(void *ctx, const char *path, const char *digest, uint64_t size,
                    struct sk_err *err)
{
    struct copy *c = ctx;
    char target[2 * FOLDER_BYTES];

    (void)size;
    (void)snprintf(target, sizeof target, "%s%s%s", c->to, *path ? "/" : "", path);
    c->count++;
    return sk_artifact_put(c->tx, target, digest, err);
}

static bool is_within(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    return strncmp(path, folder, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

int sk_artifact_copy(struct sk_tx *tx, const char *from, const char *to, size_t *count,
                     struct sk_err *err)
{
    struct copy c = { .tx = tx, .to = to };

    if (sk_artifact_path_check(from, err) < 0 || sk_artifact_path_check(to, err) < 0)
        return -1;
    /* The walk must not meet what it has made. */
    if (is_within(to, from) || is_within(from, to))
        return sk_fail(err, SK_INVALID, "artifacts '%s' and '%s' overlap", from, to);
    if (sk_artifact_walk(tx, from, copy_one, &c, err) < 0)
        return -1;
    *count = c.count;
    return 0;
}
