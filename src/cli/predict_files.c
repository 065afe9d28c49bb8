/*
 * predict_files.c - which pictures the operands of `skerry predict` mean.
 *
 * A file is taken as it is, whatever its name. A folder gives the files below it that have the
 * extension of a picture, in the order of their names; names that begin with a dot are left out,
 * and links to folders are not followed, so the walk ends.
 */
#include "cli/predict_priv.h"

#include "base/file.h"
#include "base/str.h"

#include <sys/stat.h>

enum {
    DEPTH_MAX = 64
};

void sk_paths_done(struct sk_paths *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->count; i++)
        free(p->items[i]);
    free(p->items);
    *p = (struct sk_paths){ 0 };
}

/* Takes the path over. */
static int add_path(struct sk_paths *p, char *path, struct sk_err *err)
{
    if (path && p->count == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 64;
        char **items = reallocarray(p->items, cap, sizeof *items);
        if (!items) {
            free(path);
            return sk_nomem(err);
        }
        p->items = items;
        p->cap = cap;
    }
    if (!path)
        return sk_nomem(err);
    p->items[p->count++] = path;
    return 0;
}

static bool is_picture_name(const char *name)
{
    static const char *const endings[] = { "jpg", "jpeg", "png", "webp", "bmp", "gif",
                                           "tif", "tiff", "pnm", "ppm",  "pgm", "pbm" };
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
        if (sk_view_eq_nocase(sk_view_of(dot + 1), endings[i]))
            return true;
    return false;
}

static int walk(const char *folder, int depth, struct sk_paths *out, struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };

    if (depth > DEPTH_MAX)
        return sk_fail(err, SK_LIMIT, "folder '%s': nested deeper than %d", folder, DEPTH_MAX);
    if (sk_dir_read(folder, &dir, err) < 0)
        return -1;
    for (size_t i = 0; i < dir.count; i++) {
        SK_OWN(free) char *path = sk_path_join(folder, dir.names[i]);
        struct stat st;

        if (!path)
            return sk_nomem(err);
        if (dir.names[i][0] == '.' || lstat(path, &st) < 0)
            continue;
        if (S_ISDIR(st.st_mode)) {
            if (walk(path, depth + 1, out, err) < 0)
                return -1;
        } else if (is_picture_name(dir.names[i]) && sk_is_file(path)) {
            if (add_path(out, SK_TAKE(path), err) < 0)
                return -1;
        }
    }
    return 0;
}

int sk_paths_collect(char *const *operands, size_t count, struct sk_paths *out, struct sk_err *err)
{
    SK_AUTO(sk_paths_done) struct sk_paths p = { 0 };
    unsigned stdins = 0;

    for (size_t i = 0; i < count; i++) {
        size_t before = p.count;

        stdins += strcmp(operands[i], "-") == 0;
        if (stdins > 1)
            return sk_fail(err, SK_USAGE, "'-' given twice; standard input can be read once");
        if (!sk_is_dir(operands[i])) {
            if (add_path(&p, strdup(operands[i]), err) < 0)
                return -1;
            continue;
        }
        if (walk(operands[i], 0, &p, err) < 0)
            return -1;
        if (p.count == before)
            return sk_fail(err, SK_NOT_FOUND, "folder '%s' holds no pictures", operands[i]);
    }
    *out = p;
    p = (struct sk_paths){ 0 };
    return 0;
}
