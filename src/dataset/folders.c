/*
 * folders.c - all files below a folder, in torchvision's order.
 *
 * torchvision sorts what os.walk() gives: folders by their whole path, then the files of each. So
 * "a-b/1.jpg" comes before "a/b/1.jpg" ('-' is less than '/') and behind all files of "a" itself.
 * Links are followed; a folder that is one of its own ancestors (same device and inode) is a loop
 * and left out, so the walk ends.
 */
#include "dataset/dataset_priv.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    ENTRIES_MAX = 200000000 /* links can make more paths than there are files: an end to them */
};

struct ancestor {
    const struct ancestor *up; /* NULL: none */
    dev_t device;
    ino_t inode;
};

struct walk {
    struct sk_folders found;
    size_t cap, entries;
};

static bool is_loop(const struct ancestor *here)
{
    for (const struct ancestor *a = here->up; a; a = a->up) {
        if (a->device == here->device && a->inode == here->inode)
            return true;
    }
    return false;
}

/* Room for one more folder, empty. */
static struct sk_folder *add_folder(struct walk *w)
{
    if (w->found.count == w->cap) {
        size_t cap = w->cap > 0 ? w->cap * 2 : 16;
        struct sk_folder *items = reallocarray(w->found.items, cap, sizeof *items);
        if (!items)
            return NULL;
        w->found.items = items;
        w->cap = cap;
    }
    struct sk_folder *f = &w->found.items[w->found.count++];
    *f = (struct sk_folder){ 0 };
    return f;
}

static int walk_folder(struct walk *w, const char *path, const struct ancestor *up,
                       struct sk_err *err);

/* Walks the folders among the names and leaves the files. */
static int walk_names(struct walk *w, const char *path, struct sk_dir *dir,
                      const struct ancestor *here, struct sk_err *err)
{
    size_t kept = 0;

    for (size_t i = 0; i < dir->count; i++) {
        SK_OWN(free) char *name = SK_TAKE(dir->names[i]);
        SK_OWN(free) char *full = sk_path_join(path, name);
        if (!full)
            return sk_nomem(err);
        if (!sk_is_dir(full))
            dir->names[kept++] = SK_TAKE(name);
        else if (walk_folder(w, full, here, err) < 0)
            return -1;
    }
    dir->count = kept;
    return 0;
}

static int walk_folder(struct walk *w, const char *path, const struct ancestor *up,
                       struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    struct stat st;

    if (stat(path, &st) < 0)
        return sk_fail_errno(err, "folder '%s'", path);
    const struct ancestor here = { up, st.st_dev, st.st_ino };
    if (is_loop(&here))
        return 0;
    if (sk_dir_read(path, &dir, err) < 0)
        return -1;
    w->entries += dir.count + 1;
    if (w->entries > ENTRIES_MAX)
        return sk_fail(err, SK_LIMIT, "folder '%s': more than %d files", path, ENTRIES_MAX);
    if (walk_names(w, path, &dir, &here, err) < 0)
        return -1;
    struct sk_folder *f = add_folder(w);
    if (!f)
        return sk_nomem(err);
    f->path = strdup(path);
    if (!f->path)
        return sk_nomem(err);
    f->names = SK_TAKE(dir.names);
    f->count = dir.count;
    dir.count = 0;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return sk_name_compare(*(char *const *)a, *(char *const *)b);
}

static int by_path(const void *a, const void *b)
{
    return sk_name_compare(((const struct sk_folder *)a)->path,
                           ((const struct sk_folder *)b)->path);
}

static void walk_done(struct walk *w)
{
    sk_folders_done(&w->found);
}

int sk_folders_walk(const char *path, struct sk_folders *out, struct sk_err *err)
{
    SK_AUTO(walk_done) struct walk w = { 0 };

    if (walk_folder(&w, path, NULL, err) < 0)
        return -1;
    qsort(w.found.items, w.found.count, sizeof *w.found.items, by_path);
    for (size_t i = 0; i < w.found.count; i++) {
        struct sk_folder *f = &w.found.items[i];
        if (f->count > 0)
            qsort(f->names, f->count, sizeof *f->names, by_name);
    }
    *out = w.found;
    w.found = (struct sk_folders){ 0 };
    return 0;
}

void sk_folders_done(struct sk_folders *f)
{
    for (size_t i = 0; i < f->count; i++) {
        struct sk_folder *folder = &f->items[i];
        for (size_t k = 0; k < folder->count; k++)
            free(folder->names[k]);
        free(folder->names);
        free(folder->path);
    }
    free(f->items);
    *f = (struct sk_folders){ 0 };
}
