/*
 * dataset.c - labelled pictures: a folder for each class, the pictures anywhere below it.
 *
 *     root/good/1.jpg           class 0
 *     root/scratch/a/2.png      class 1
 *     root/notes.txt            counted among the others
 *
 * A name decides what is a picture; whether it can be read and decoded shows when a source is
 * opened. Time and memory grow with the number of files.
 */
#include "dataset/dataset_priv.h"

#include "base/file.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

/* What grows while the folders are read. */
struct growth {
    struct sk_dataset *d;
    size_t sample_cap, other_cap;
};

static int add_sample(struct growth *g, char **path, uint32_t label, struct sk_err *err)
{
    struct sk_dataset *d = g->d;

    if (d->count == g->sample_cap) {
        size_t cap = g->sample_cap > 0 ? g->sample_cap * 2 : 64;
        struct sk_sample *samples = reallocarray(d->samples, cap, sizeof *samples);
        if (!samples)
            return sk_nomem(err);
        d->samples = samples;
        g->sample_cap = cap;
    }
    if (d->count == UINT32_MAX)
        return sk_fail(err, SK_LIMIT, "more than %u pictures", UINT32_MAX);
    d->samples[d->count++] = (struct sk_sample){ SK_TAKE(*path), label };
    return 0;
}

static int add_other(struct growth *g, char **path, struct sk_err *err)
{
    struct sk_dataset *d = g->d;

    if (d->other_count == g->other_cap) {
        size_t cap = g->other_cap > 0 ? g->other_cap * 2 : 64;
        char **others = reallocarray(d->others, cap, sizeof *others);
        if (!others)
            return sk_nomem(err);
        d->others = others;
        g->other_cap = cap;
    }
    d->others[d->other_count++] = SK_TAKE(*path);
    return 0;
}

/* The files of one class. */
static int add_class_files(struct growth *g, const char *folder, uint32_t label, struct sk_err *err)
{
    SK_AUTO(sk_folders_done) struct sk_folders f = { 0 };

    if (sk_folders_walk(folder, &f, err) < 0)
        return -1;
    for (size_t i = 0; i < f.count; i++) {
        for (size_t k = 0; k < f.items[i].count; k++) {
            const char *name = f.items[i].names[k];
            SK_OWN(free) char *path = sk_path_join(f.items[i].path, name);
            if (!path)
                return sk_nomem(err);
            if (sk_name_is_picture(name) ? add_sample(g, &path, label, err) < 0
                                         : add_other(g, &path, err) < 0)
                return -1;
        }
    }
    return 0;
}

/* ---- classes ---- */

static int by_name(const void *a, const void *b)
{
    return sk_name_compare(*(char *const *)a, *(char *const *)b);
}

/* The names of the folders in root go to names, its files to the others. */
static int list_root(struct growth *g, struct sk_dir *names, struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir all = { 0 };

    if (!sk_is_dir(g->d->root) && sk_is_file(g->d->root))
        return sk_fail(err, SK_INVALID, "'%s' is a file, a folder of pictures is needed",
                       g->d->root);
    if (sk_dir_read(g->d->root, &all, err) < 0)
        return -1;
    names->names = calloc(all.count + 1, sizeof *names->names);
    if (!names->names)
        return sk_nomem(err);
    if (all.count > 0)
        qsort(all.names, all.count, sizeof *all.names, by_name);
    for (size_t i = 0; i < all.count; i++) {
        SK_OWN(free) char *path = sk_path_join(g->d->root, all.names[i]);
        if (!path)
            return sk_nomem(err);
        if (sk_is_dir(path))
            names->names[names->count++] = SK_TAKE(all.names[i]);
        else if (add_other(g, &path, err) < 0)
            return -1;
    }
    return 0;
}

/* Class names end up in JSON. */
static int check_class_names(const struct sk_dataset *d, const struct sk_dir *names,
                             struct sk_err *err)
{
    for (size_t i = 0; i < names->count; i++) {
        if (!sk_utf8_valid(names->names[i], strlen(names->names[i])))
            return sk_fail(err, SK_INVALID, "'%s': the name of class folder '%s' is not UTF-8",
                           d->root, names->names[i]);
    }
    return 0;
}

static int check_layout(const struct sk_dataset *d, size_t folders, struct sk_err *err)
{
    if (folders == 0)
        return sk_fail(err, SK_INVALID,
                       "'%s' has no class folders: the pictures of each class belong into a folder "
                       "of their own, such as %s/good and %s/defect",
                       d->root, d->root, d->root);
    if (folders == 1)
        return sk_fail(err, SK_INVALID,
                       "'%s' has one class folder, '%s': a classifier needs at least two", d->root,
                       d->classes[0]);
    return 0;
}

static bool is_empty_class(const struct sk_dataset *d, uint32_t label, size_t *at)
{
    size_t first = *at;

    while (*at < d->count && d->samples[*at].label == label)
        ++*at;
    return *at == first;
}

static int check_empty(const struct sk_dataset *d, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf empty = SK_BUF_INIT(SIZE_MAX);
    size_t at = 0, count = 0;

    for (uint32_t label = 0; label < d->class_count; label++) {
        if (is_empty_class(d, label, &at))
            sk_buf_fmt(&empty, count++ > 0 ? ", '%s'" : "'%s'", d->classes[label]);
    }
    if (!sk_buf_ok(&empty))
        return sk_buf_fail(&empty, err);
    if (count > 0)
        return sk_fail(err, SK_INVALID, "'%s': no pictures (%s) in the class folder%s %s", d->root,
                       sk_picture_extensions, count > 1 ? "s" : "", empty.data);
    return 0;
}

static int copy_classes(const struct sk_dataset *from, struct sk_dataset *d, struct sk_err *err)
{
    d->classes = calloc(from->class_count + 1, sizeof *d->classes);
    if (!d->classes)
        return sk_nomem(err);
    for (; d->class_count < from->class_count; d->class_count++) {
        d->classes[d->class_count] = strdup(from->classes[d->class_count]);
        if (!d->classes[d->class_count])
            return sk_nomem(err);
    }
    return 0;
}

/* ---- opening ---- */

static int add_class(struct growth *g, uint32_t label, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_path_join(g->d->root, g->d->classes[label]);

    if (!path)
        return sk_nomem(err);
    return add_class_files(g, path, label, err);
}

/* The classes are the folders' names. */
static int open_own(struct growth *g, struct sk_dir *names, struct sk_err *err)
{
    g->d->classes = SK_TAKE(names->names);
    g->d->class_count = names->count;
    names->count = 0;
    if (check_layout(g->d, g->d->class_count, err) < 0)
        return -1;
    for (uint32_t label = 0; label < g->d->class_count; label++) {
        if (add_class(g, label, err) < 0)
            return -1;
    }
    return check_empty(g->d, err);
}

/* The classes are another's; a folder of each may be here, and no other folder. */
static int open_like(struct growth *g, const struct sk_dataset *classes, const struct sk_dir *names,
                     struct sk_err *err)
{
    struct sk_dataset *d = g->d;
    SK_OWN(free) bool *is_known = calloc(names->count + 1, sizeof *is_known);

    if (!is_known)
        return sk_nomem(err);
    if (copy_classes(classes, d, err) < 0)
        return -1;
    for (uint32_t label = 0; label < d->class_count && names->count > 0; label++) {
        char **at = bsearch(&d->classes[label], names->names, names->count, sizeof *names->names,
                            by_name);
        if (!at || is_known[at - names->names])
            continue;
        is_known[at - names->names] = true;
        if (add_class(g, label, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < names->count; i++) {
        if (!is_known[i])
            return sk_fail(err, SK_INVALID, "'%s': folder '%s' is not one of the %zu known classes",
                           d->root, names->names[i], d->class_count);
    }
    if (d->count == 0)
        return sk_fail(err, SK_INVALID, "'%s' has no pictures (%s) in a folder of a known class",
                       d->root, sk_picture_extensions);
    return 0;
}

int sk_dataset_open(const char *root, const struct sk_dataset *classes, struct sk_dataset **out,
                    struct sk_err *err)
{
    SK_OWN(sk_dataset_free) struct sk_dataset *d = calloc(1, sizeof *d);
    SK_AUTO(sk_dir_done) struct sk_dir names = { 0 };
    struct growth g = { .d = d };

    if (!d || !(d->root = strdup(root)))
        return sk_nomem(err);
    if (list_root(&g, &names, err) < 0 || check_class_names(d, &names, err) < 0)
        return -1;
    if (classes ? open_like(&g, classes, &names, err) < 0 : open_own(&g, &names, err) < 0)
        return -1;
    *out = SK_TAKE(d);
    return 0;
}

void sk_dataset_free(struct sk_dataset *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->class_count; i++)
        free(d->classes[i]);
    for (size_t i = 0; i < d->count; i++)
        free(d->samples[i].path);
    for (size_t i = 0; i < d->other_count; i++)
        free(d->others[i]);
    free(d->classes);
    free(d->samples);
    free(d->others);
    free(d->root);
    free(d);
}
