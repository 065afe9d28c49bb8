/*
 * loader.c - which files a program maps when it starts, without starting it: ld.so(8).
 *
 * A library is looked for in DT_RPATH when there is no DT_RUNPATH, in LD_LIBRARY_PATH, in
 * DT_RUNPATH, in ld.so.cache, in the default folders. What does not fit the machine is passed over,
 * as the loader does. Variants for newer CPUs (glibc-hwcaps) are not taken: the image runs
 * elsewhere.
 *
 *     ld.so.cache:  "glibc-ld.so.cache1.1", nlibs, strings, ...: 48 bytes
 *                   nlibs x { int32 flags, uint32 name, uint32 path, uint32 os, uint64 hwcap }
 */
#include "pack/pack_priv.h"

#include "base/str.h"

#include <string.h>

enum {
    CACHE_HEADER = 48,
    CACHE_ENTRY = 24,
    CLOSURE_MAX = 1024
};

static const char cache_magic[] = "glibc-ld.so.cache1.1";

int sk_pack_loader_open(const char *cache_path, struct sk_pack_loader *out, struct sk_err *err)
{
    const char *path = cache_path ? cache_path : "/etc/ld.so.cache";
    struct sk_pack_loader l = { .env_path = getenv("LD_LIBRARY_PATH") };

    if (sk_is_file(path) && sk_map_open(path, &l.cache, err) < 0)
        return -1;
    *out = l;
    return 0;
}

void sk_pack_loader_done(struct sk_pack_loader *l)
{
    sk_map_close(&l->cache);
}

static uint32_t u32_at(const struct sk_map *m, size_t offset)
{
    uint32_t value;
    memcpy(&value, (const char *)m->ptr + offset, sizeof value);
    return value;
}

/* A text of the cache, NULL when it does not lie within. */
static const char *cache_text(const struct sk_map *m, uint32_t offset)
{
    const char *text = (const char *)m->ptr + offset;
    return offset < m->len && strnlen(text, m->len - offset) < m->len - offset ? text : NULL;
}

const char *sk_pack_loader_cached(const struct sk_pack_loader *l, const char *name,
                                  const char *after)
{
    const struct sk_map *m = &l->cache;
    bool is_past = after == NULL;

    if (m->len < CACHE_HEADER || memcmp(m->ptr, cache_magic, sizeof cache_magic - 1) != 0)
        return NULL;
    size_t count = u32_at(m, sizeof cache_magic - 1);
    for (size_t i = 0; i < count && CACHE_HEADER + (i + 1) * CACHE_ENTRY <= m->len; i++) {
        size_t at = CACHE_HEADER + i * CACHE_ENTRY;
        const char *key = cache_text(m, u32_at(m, at + 4));
        const char *path = cache_text(m, u32_at(m, at + 8));
        if (!key || !path || strcmp(key, name) != 0 || u32_at(m, at + 16) || u32_at(m, at + 20))
            continue;
        if (is_past)
            return path;
        is_past = path == after;
    }
    return NULL;
}

/* ---- one library ---- */

struct search {
    const char *name;
    uint16_t machine;
    bool is_64;
    char *found;
};

/* Is it this file? 0: no. */
static int try_file(struct search *s, const char *path, struct sk_err *err)
{
    SK_AUTO(sk_elf_done) struct sk_elf e = { 0 };
    struct sk_err why = SK_ERR_INIT;

    if (!sk_is_file(path))
        return 0;
    if (sk_elf_read(path, &e, &why) < 0) {
        if (why.code != SK_NOMEM)
            return 0;
        *err = why;
        return -1;
    }
    if (e.machine != s->machine || e.is_64 != s->is_64)
        return 0;
    s->found = strdup(path);
    return s->found ? 1 : sk_nomem(err);
}

static int try_folder(struct search *s, const char *folder, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_path_join(folder, s->name);
    return path ? try_file(s, path, err) : sk_nomem(err);
}

/* One part of a search path, with $ORIGIN put in. */
static int try_part(struct search *s, struct sk_view part, struct sk_view origin,
                    struct sk_err *err)
{
    static const char *const names[] = { "$ORIGIN", "${ORIGIN}" };
    SK_AUTO(sk_buf_done) struct sk_buf folder = SK_BUF_INIT(8192);

    for (size_t i = 0; i < part.len;) {
        size_t n = 0;
        for (size_t k = 0; k < 2 && n == 0; k++)
            if (part.len - i >= strlen(names[k]) &&
                memcmp(part.ptr + i, names[k], strlen(names[k])) == 0)
                n = strlen(names[k]);
        if (n > 0)
            sk_buf_add(&folder, origin.ptr, origin.len);
        else
            sk_buf_chr(&folder, part.ptr[i]);
        i += n ? n : 1;
    }
    if (!sk_buf_ok(&folder))
        return sk_buf_fail(&folder, err);
    return folder.len > 0 ? try_folder(s, folder.data, err) : 0;
}

static int try_path(struct search *s, const char *list, const char *object, struct sk_err *err)
{
    const char *slash = strrchr(object, '/');
    struct sk_view origin = { object, slash ? (size_t)(slash - object) : 0 };

    if (origin.len == 0)
        origin = slash ? SK_VIEW("/") : SK_VIEW(".");
    while (list && *list) {
        size_t n = strcspn(list, ":;");
        int rc = try_part(s, (struct sk_view){ list, n }, origin, err);
        if (rc != 0)
            return rc;
        list += n + (list[n] != '\0');
    }
    return 0;
}

/* Debian's and Fedora's; Debian's have the architecture in their name. */
static int try_defaults(struct search *s, struct sk_err *err)
{
    static const char *const folders[] = {
#ifdef __x86_64__
        "/lib/x86_64-linux-gnu",
        "/usr/lib/x86_64-linux-gnu",
#elif defined __aarch64__
        "/lib/aarch64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
#endif
        "/lib64",
        "/usr/lib64",
        "/lib",
        "/usr/lib",
    };

    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        int rc = try_folder(s, folders[i], err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int sk_pack_loader_find(const struct sk_pack_loader *l, const char *name, const char *path,
                        const struct sk_elf *needs, char **out, struct sk_err *err)
{
    struct search s = { .name = name, .machine = needs->machine, .is_64 = needs->is_64 };
    int rc = 0;

    if (strchr(name, '/'))
        return sk_fail(err, SK_INVALID, "'%s' needs a library by its path, '%s'", path, name);
    if (!needs->is_runpath)
        rc = try_path(&s, needs->rpath, path, err);
    if (rc == 0)
        rc = try_path(&s, l->env_path, path, err);
    if (rc == 0 && needs->is_runpath)
        rc = try_path(&s, needs->rpath, path, err);
    for (const char *p = NULL; rc == 0 && (p = sk_pack_loader_cached(l, name, p)) != NULL;)
        rc = try_file(&s, p, err);
    if (rc == 0)
        rc = try_defaults(&s, err);
    if (rc == 0)
        return sk_fail(err, SK_NOT_FOUND, "'%s' needs %s, which is not installed", path, name);
    if (rc > 0)
        *out = s.found;
    return rc > 0 ? 0 : -1;
}

/* ---- all of them ---- */

void sk_pack_closure_done(struct sk_pack_closure *c)
{
    free(c->interp);
    for (size_t i = 0; i < c->count; i++) {
        free(c->items[i].name);
        free(c->items[i].path);
    }
    free(c->items);
    *c = (struct sk_pack_closure){ 0 };
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* There already, or the loader itself? */
static bool is_known(const struct sk_pack_closure *c, const char *name)
{
    if (c->interp && strcmp(base_name(c->interp), name) == 0)
        return true;
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->items[i].name, name) == 0)
            return true;
    return false;
}

static int append(struct sk_pack_closure *c, const char *name, char **path, struct sk_err *err)
{
    SK_OWN(free) char *copy = strdup(name);

    if (!copy)
        return sk_nomem(err);
    if (c->count == CLOSURE_MAX)
        return sk_fail(err, SK_LIMIT, "more than %d libraries", CLOSURE_MAX);
    if (c->count == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 32;
        struct sk_pack_library *items = reallocarray(c->items, cap, sizeof *items);
        if (!items)
            return sk_nomem(err);
        c->items = items;
        c->cap = cap;
    }
    c->items[c->count++] = (struct sk_pack_library){ SK_TAKE(copy), SK_TAKE(*path) };
    return 0;
}

/* The direct needs of one object, appended. */
static int add_needs(const struct sk_pack_loader *l, const char *path, const struct sk_elf *e,
                     struct sk_pack_closure *c, struct sk_err *err)
{
    for (size_t i = 0; i < e->needed_count; i++) {
        SK_OWN(free) char *found = NULL;
        if (is_known(c, e->needed[i]))
            continue;
        if (sk_pack_loader_find(l, e->needed[i], path, e, &found, err) < 0 ||
            append(c, e->needed[i], &found, err) < 0)
            return -1;
    }
    return 0;
}

static int add_object(const struct sk_pack_loader *l, const char *path, struct sk_pack_closure *c,
                      struct sk_err *err)
{
    SK_AUTO(sk_elf_done) struct sk_elf e = { 0 };

    if (sk_elf_read(path, &e, err) < 0)
        return -1;
    const char *architecture = sk_elf_architecture(&e);
    if (c->architecture[0] && strcmp(c->architecture, architecture) != 0)
        return sk_fail(err, SK_INVALID, "'%s' is for %s, the program for %s", path, architecture,
                       c->architecture);
    (void)snprintf(c->architecture, sizeof c->architecture, "%s", architecture);
    if (e.interp && !c->interp)
        c->interp = SK_TAKE(e.interp);
    return add_needs(l, path, &e, c, err);
}

/* What those from `next` on need. */
static int complete(const struct sk_pack_loader *l, struct sk_pack_closure *c, size_t next,
                    struct sk_err *err)
{
    while (next < c->count) {
        SK_OWN(free) char *path = strdup(c->items[next++].path); /* the array moves */
        if (!path)
            return sk_nomem(err);
        if (add_object(l, path, c, err) < 0)
            return -1;
    }
    return 0;
}

int sk_pack_closure_add(const struct sk_pack_loader *l, const char *object,
                        struct sk_pack_closure *c, struct sk_err *err)
{
    size_t next = c->count;

    return add_object(l, object, c, err) < 0 ? -1 : complete(l, c, next, err);
}

int sk_pack_closure_add_opened(const struct sk_pack_loader *l, const char *object, const char *name,
                               struct sk_pack_closure *c, struct sk_err *err)
{
    SK_AUTO(sk_elf_done) struct sk_elf e = { 0 };
    SK_OWN(free) char *path = NULL;
    size_t next = c->count;

    if (is_known(c, name))
        return 0;
    if (sk_elf_read(object, &e, err) < 0 ||
        sk_pack_loader_find(l, name, object, &e, &path, err) < 0 || append(c, name, &path, err) < 0)
        return -1;
    return complete(l, c, next, err);
}
