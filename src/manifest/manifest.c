/*
 * manifest.c - what a content names: layers, modules, images.
 *
 * A module's member of a content is "properties.desired", the whole section, or
 * "properties.desired.a.b", one path of it. Names and images are looked for in what the content
 * gives when it is taken alone, so dotted keys count too.
 */
#include "manifest/manifest_priv.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

const char sk_manifest_desired[] = "properties.desired";

const char *sk_manifest_path_of(const char *key)
{
    size_t len = sizeof(sk_manifest_desired) - 1;

    if (strncmp(key, sk_manifest_desired, len) != 0)
        return NULL;
    if (key[len] == 0)
        return key + len;
    return key[len] == '.' && key[len + 1] ? key + len + 1 : NULL;
}

bool sk_manifest_next_part(char **rest, const char **part)
{
    char *dot = strchr(*rest, '.');

    *part = *rest;
    if (dot)
        *dot = 0;
    *rest = dot ? dot + 1 : NULL;
    return **part != 0;
}

bool sk_manifest_is_module_name(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && name[i] != '_' && name[i] != '-')
            return false;
    return len > 0 && len <= SK_MANIFEST_NAME_MAX;
}

const char *sk_manifest_chunk_of(const char *key)
{
    static const char base[] = "createOptions";
    const char *digits = key + sizeof(base) - 1;

    if (strncasecmp(key, base, sizeof(base) - 1) != 0)
        return NULL;
    return digits[strspn(digits, "0123456789")] ? NULL : digits;
}

static bool is_system(const char *name)
{
    return strcmp(name, "$edgeAgent") == 0 || strcmp(name, "$edgeHub") == 0;
}

static bool has_paths(const struct sk_json *module)
{
    for (void *it = sk_json_first(module); it; it = sk_json_next(module, it)) {
        const char *path = sk_manifest_path_of(sk_json_key(it));

        if (path && *path)
            return true;
    }
    return false;
}

bool sk_manifest_is_layer(const struct sk_json *modules)
{
    const struct sk_json *agent = sk_json_get(modules, "$edgeAgent");

    if (sk_json_type(agent) == SK_JSON_OBJECT && sk_json_count(agent) == 0)
        return true;
    return has_paths(agent) || has_paths(sk_json_get(modules, "$edgeHub"));
}

int sk_manifest_modules(const struct sk_json *modules,
                        int (*each)(void *ctx, const char *name, struct sk_err *err), void *ctx,
                        struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *all = NULL;
    const struct sk_json *deployed;

    if (sk_manifest_compose(&modules, 1, &all, err) < 0)
        return -1;
    for (void *it = sk_json_first(modules); it; it = sk_json_next(modules, it))
        if (!is_system(sk_json_key(it)) && each(ctx, sk_json_key(it), err) < 0)
            return -1;
    deployed = sk_json_get(sk_json_get(all, "$edgeAgent"), "modules");
    for (void *it = sk_json_first(deployed); it; it = sk_json_next(deployed, it)) {
        const char *name = sk_json_key(it);

        if (sk_json_type(sk_json_value(it)) == SK_JSON_NULL || is_system(name))
            continue; /* null takes a module away */
        if (!sk_json_get(modules, name) && each(ctx, name, err) < 0)
            return -1;
    }
    return 0;
}

int sk_manifest_images(const struct sk_json *modules,
                       int (*each)(void *ctx, const char *module, const char *image,
                                   struct sk_err *err),
                       void *ctx, struct sk_err *err)
{
    static const char *const groups[] = { "systemModules", "modules" };
    SK_OWN(sk_json_free) struct sk_json *all = NULL;

    if (sk_manifest_compose(&modules, 1, &all, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        const struct sk_json *group = sk_json_get(sk_json_get(all, "$edgeAgent"), groups[i]);

        for (void *it = sk_json_first(group); it; it = sk_json_next(group, it)) {
            const struct sk_json *settings = sk_json_get(sk_json_value(it), "settings");
            const char *image = sk_json_get_text(settings, "image", NULL);

            if (image && each(ctx, sk_json_key(it), image, err) < 0)
                return -1;
        }
    }
    return 0;
}
