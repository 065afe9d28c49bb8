/*
 * sources.c - walks the folders given to `skerry serve`.
 *
 *   models/                     a folder of models
 *     orientation/              a bundle: version 1
 *     defects/1/  defects/2/    versions, named by digits
 *     lone.onnx                 a bundle of one file
 */
#include "serve/sources_priv.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "bundle/bundle.h"

#include <ctype.h>
#include <string.h>

enum {
    SOURCES_MAX = 1024,
    VERSION_DIGITS = 18
};

void sk_sources_done(struct sk_sources *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free((void *)(uintptr_t)s->items[i].name);
        free((void *)(uintptr_t)s->items[i].version);
        free((void *)(uintptr_t)s->items[i].path);
    }
    free(s->items);
    *s = (struct sk_sources){ 0 };
}

/* Appends; path is taken whatever happens, name and version are copied. */
static int add(struct sk_sources *s, const char *name, const char *version, char *path,
               struct sk_err *err)
{
    if (s->count == SOURCES_MAX) {
        free(path);
        return sk_fail(err, SK_LIMIT, "more than %d models", SOURCES_MAX);
    }
    if (s->count == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 8;
        struct sk_source *items = realloc(s->items, cap * sizeof *items);
        if (!items) {
            free(path);
            return sk_nomem(err);
        }
        s->items = items;
        s->cap = cap;
    }
    struct sk_source *item = &s->items[s->count];
    *item = (struct sk_source){ .path = path,
                                .name = name ? strdup(name) : NULL,
                                .version = strdup(version) };
    s->count++;
    if ((name && !item->name) || !item->version)
        return sk_nomem(err);
    item->signature = sk_bundle_signature(path);
    return 0;
}

static bool is_version(const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len > VERSION_DIGITS)
        return false;
    for (const char *p = name; *p; p++)
        if (!isdigit((unsigned char)*p))
            return false;
    return true;
}

/* NAME/<digits>/ */
static int add_versions(struct sk_sources *s, const char *name, const char *folder,
                        struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };

    if (sk_dir_read(folder, &dir, err) < 0)
        return -1;
    for (size_t i = 0; i < dir.count; i++) {
        if (!is_version(dir.names[i]))
            continue;
        char *path = sk_path_join(folder, dir.names[i]);
        if (!path)
            return sk_nomem(err);
        if (!sk_bundle_is(path))
            free(path);
        else if (add(s, name, dir.names[i], path, err) < 0)
            return -1;
    }
    return 0;
}

static int add_folder(struct sk_sources *s, const char *folder, struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    size_t before = s->count;

    if (sk_dir_read(folder, &dir, err) < 0)
        return -1;
    for (size_t i = 0; i < dir.count; i++) {
        if (dir.names[i][0] == '.')
            continue;
        char *path = sk_path_join(folder, dir.names[i]);
        if (!path)
            return sk_nomem(err);
        int rc = 0;
        if (sk_bundle_is(path)) {
            rc = add(s, NULL, "1", SK_TAKE(path), err);
        } else if (sk_is_dir(path)) {
            rc = add_versions(s, dir.names[i], path, err);
        }
        free(path);
        if (rc < 0)
            return -1;
    }
    if (s->count == before)
        return sk_fail(err, SK_NOT_FOUND,
                       "'%s' holds no model: expected an .onnx file, a folder with one, or NAME/1/",
                       folder);
    return 0;
}

/* A folder whose own children are numbered is one model with versions: NAME/1/, NAME/2/. */
static int add_path(struct sk_sources *s, const char *path, struct sk_err *err)
{
    if (sk_bundle_is(path)) {
        char *copy = strdup(path);
        return copy ? add(s, NULL, "1", copy, err) : sk_nomem(err);
    }
    if (!sk_is_dir(path))
        return sk_fail(err, SK_NOT_FOUND, "'%s' is neither a model folder nor an .onnx file", path);
    SK_OWN(free) char *name = sk_path_name(path);
    if (!name)
        return sk_nomem(err);
    size_t before = s->count;
    if (add_versions(s, name, path, err) < 0)
        return -1;
    return s->count > before ? 0 : add_folder(s, path, err);
}

int sk_sources_scan(char *const *paths, size_t count, struct sk_sources *out, struct sk_err *err)
{
    SK_AUTO(sk_sources_done) struct sk_sources found = { 0 };

    for (size_t i = 0; i < count; i++)
        if (add_path(&found, paths[i], err) < 0)
            return -1;
    *out = found;
    found = (struct sk_sources){ 0 };
    return 0;
}

const struct sk_source *sk_sources_find(const struct sk_sources *s, const char *path)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->items[i].path, path) == 0)
            return &s->items[i];
    return NULL;
}
