/*
 * pulls.c - which repositories of this hub a device needs: those that its deployments name.
 *
 *     hub.local:8443/lines/defects:1.2     repository lines/defects, when hub.local is this hub
 *
 * The port does not count: it may be mapped.
 */
#include "deploy/deploy_priv.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- names ---- */

void sk_names_done(struct sk_names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->items[i]);
    free(n->items);
    *n = (struct sk_names){ .items = NULL };
}

int sk_names_add(struct sk_names *n, const char *name, size_t len, struct sk_err *err)
{
    for (size_t i = 0; i < n->count; i++)
        if (strlen(n->items[i]) == len && memcmp(n->items[i], name, len) == 0)
            return 0;
    if (n->count == n->cap) {
        size_t cap = n->cap ? 2 * n->cap : 8;
        char **more = reallocarray(n->items, cap, sizeof *more);
        if (!more)
            return sk_nomem(err);
        n->items = more;
        n->cap = cap;
    }
    n->items[n->count] = strndup(name, len);
    if (!n->items[n->count])
        return sk_nomem(err);
    n->count++;
    return 0;
}

/* ---- images ---- */

/* Without port and brackets. */
static struct sk_view host_of(const char *image, size_t len)
{
    const char *end;
    if (len > 1 && image[0] == '[') {
        end = memchr(image, ']', len);
        return (struct sk_view){ image + 1, end ? (size_t)(end - image - 1) : len - 1 };
    }
    end = memchr(image, ':', len);
    return (struct sk_view){ image, end ? (size_t)(end - image) : len };
}

static bool is_hub(const struct sk_deploy *d, struct sk_view host)
{
    for (size_t i = 0; i < d->hub_names.count; i++)
        if (sk_view_eq_nocase(host, d->hub_names.items[i]))
            return true;
    return false;
}

bool sk_image_is_own(const struct sk_deploy *d, const char *image, struct sk_view *repository,
                     const char **reference)
{
    const char *slash = strchr(image, '/');
    if (!slash || !is_hub(d, host_of(image, (size_t)(slash - image))))
        return false;
    const char *path = slash + 1, *at = strchr(path, '@');
    size_t len = at ? (size_t)(at - path) : strlen(path);
    /* A tag may stand before a digest; the digest is what counts. */
    const char *colon = memchr(path, ':', len);
    *reference = at ? at + 1 : colon ? colon + 1 : "latest";
    *repository = (struct sk_view){ path, colon ? (size_t)(colon - path) : len };
    return repository->len > 0;
}

bool sk_text_names_hub(const struct sk_deploy *d, const char *text)
{
    for (size_t i = 0; i < d->hub_names.count; i++)
        if (strcasestr(text, d->hub_names.items[i]))
            return true;
    return false;
}

int sk_pulls_of_section(const struct sk_deploy *d, const struct sk_json *section,
                        struct sk_names *out, struct sk_err *err)
{
    static const char *const groups[] = { "systemModules", "modules" };
    struct sk_view repository;
    const char *reference;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        const struct sk_json *group = sk_json_get(section, groups[i]);
        for (void *it = sk_json_first(group); it; it = sk_json_next(group, it)) {
            const struct sk_json *settings = sk_json_get(sk_json_value(it), "settings");
            const char *image = sk_json_get_text(settings, "image", "");
            if (sk_image_is_own(d, image, &repository, &reference) &&
                sk_names_add(out, repository.ptr, repository.len, err) < 0)
                return -1;
        }
    }
    return 0;
}

int sk_pulls_of_text(const struct sk_deploy *d, const char *section, struct sk_names *out,
                     struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *json = NULL;
    if (!sk_text_names_hub(d, section))
        return 0;
    if (sk_json_parse(section, strlen(section), NULL, &json, err) < 0)
        return -1;
    return sk_pulls_of_section(d, json, out, err);
}

/* ---- in the database ---- */

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* 1: they are what is there. names: sorted. */
static int is_there(struct sk_tx *tx, const char *device, const struct sk_names *names,
                    struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    size_t at = 0;
    int more;
    if (sk_tx_query(tx, &s, err,
                    "SELECT repository FROM pull WHERE device = ?1 ORDER BY repository", "s",
                    device) < 0)
        return -1;
    while ((more = sk_stmt_next(s, err)) == 1) {
        if (at == names->count || strcmp(sk_stmt_text(s, 0), names->items[at]) != 0)
            return 0;
        at++;
    }
    return more < 0 ? -1 : at == names->count;
}

int sk_pulls_set(struct sk_tx *tx, const char *device, struct sk_names *names, struct sk_err *err)
{
    if (names->count > 0)
        qsort(names->items, names->count, sizeof names->items[0], compare);
    int same = is_there(tx, device, names, err);
    if (same != 0)
        return same < 0 ? -1 : 0;
    return sk_device_pulls_set(tx, device, (const char *const *)names->items, names->count, err);
}
