/*
 * find.c - which .onnx file is meant by a path?
 *
 *   a file             that file
 *   a folder           its only *.onnx; else model.onnx; else the hub's onnx/model.onnx (or the
 * only one in onnx/)
 *
 * Several files without a model.onnx are an error that names them: guessing would serve the wrong
 * model.
 */
#include "base/str.h"
#include "bundle/bundle_priv.h"

#include <stdlib.h>
#include <string.h>

enum {
    NAMES_TEXT = 300
};

void sk_bundle_place_done(struct sk_bundle_place *p)
{
    free(p->folder);
    free(p->model_path);
}

static bool is_model_name(const char *name)
{
    return name[0] != '.' && sk_ends_with(name, ".onnx") && strlen(name) > strlen(".onnx");
}

/* The models in one folder: how many, which one is meant (NULL: none, or not clear), and their
 * names for messages. */
struct listing {
    size_t count;
    char *chosen; /* full path */
    char names[NAMES_TEXT];
};

static void listing_done(struct listing *l)
{
    free(l->chosen);
}

static int add_model(struct listing *l, const char *folder, const char *name, struct sk_err *err)
{
    SK_AUTO(free_cleanup) char *path = sk_path_join(folder, name);
    size_t used = strlen(l->names);

    if (!path)
        return sk_nomem(err);
    if (!sk_is_file(path))
        return 0;
    (void)snprintf(l->names + used, sizeof(l->names) - used, "%s%s", used ? ", " : "", name);
    l->count++;
    if (l->count == 1 || strcmp(name, "model.onnx") == 0) {
        free(l->chosen);
        l->chosen = SK_TAKE(path);
    }
    return 0;
}

static int list_models(const char *folder, struct listing *out, struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };

    if (sk_dir_read(folder, &dir, err) < 0)
        return -1;
    for (size_t i = 0; i < dir.count; i++) {
        if (is_model_name(dir.names[i]) && add_model(out, folder, dir.names[i], err) < 0)
            return -1;
    }
    if (out->count > 1 && !sk_ends_with(out->chosen, "/model.onnx")) {
        free(out->chosen);
        out->chosen = NULL;
    }
    return 0;
}

/* Looks in the folder, then in its onnx/. Nothing there is no error: out->count is 0. */
static int search(const char *folder, struct listing *out, struct sk_err *err)
{
    SK_AUTO(free_cleanup) char *hub = NULL;

    if (list_models(folder, out, err) < 0)
        return -1;
    if (out->count > 0)
        return 0;
    hub = sk_path_join(folder, "onnx");
    if (!hub)
        return sk_nomem(err);
    return sk_is_dir(hub) ? list_models(hub, out, err) : 0;
}

static int find_in_folder(const char *path, struct sk_bundle_place *out, struct sk_buf *warnings,
                          struct sk_err *err)
{
    SK_AUTO(listing_done) struct listing l = { 0 };

    if (search(path, &l, err) < 0)
        return -1;
    if (l.count == 0)
        return sk_fail(err, SK_NOT_FOUND, "'%s' holds no .onnx file, nor does an onnx folder in it",
                       path);
    if (!l.chosen)
        return sk_fail(
            err, SK_INVALID,
            "'%s' holds several .onnx files: %s; name one of them, or call one model.onnx", path,
            l.names);
    if (l.count > 1)
        sk_bundle_warn(warnings, "several .onnx files (%s): model.onnx is used", l.names);
    out->folder = strdup(path);
    out->model_path = SK_TAKE(l.chosen);
    out->has_sidecars = true;
    return out->folder ? 0 : sk_nomem(err);
}

/* A file that is the model of its folder is that bundle; among others it stands alone. */
static int find_file(const char *path, struct sk_bundle_place *out, struct sk_err *err)
{
    SK_AUTO(listing_done) struct listing l = { 0 };
    const char *slash = strrchr(path, '/');
    struct sk_err ignored = SK_ERR_INIT;

    out->folder = !slash          ? strdup(".")
                  : slash == path ? strdup("/")
                                  : strndup(path, (size_t)(slash - path));
    out->model_path = strdup(path);
    if (!out->folder || !out->model_path)
        return sk_nomem(err);
    out->has_sidecars = list_models(out->folder, &l, &ignored) == 0 && l.count == 1;
    return 0;
}

int sk_bundle_find(const char *path, struct sk_bundle_place *out, struct sk_buf *warnings,
                   struct sk_err *err)
{
    SK_AUTO(sk_bundle_place_done) struct sk_bundle_place place = { 0 };
    int rc;

    if (sk_is_dir(path))
        rc = find_in_folder(path, &place, warnings, err);
    else if (sk_is_file(path))
        rc = find_file(path, &place, err);
    else
        rc = sk_fail(err, SK_NOT_FOUND, "'%s' does not exist, or is neither a folder nor a file",
                     path);
    if (rc < 0)
        return -1;
    *out = place;
    place = (struct sk_bundle_place){ 0 };
    return 0;
}

static bool has_sidecar(const char *folder)
{
    static const char *const names[] = { "skerry.json", "preprocessor_config.json", "config.json" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        SK_AUTO(free_cleanup) char *path = sk_path_join(folder, names[i]);

        if (path && sk_is_file(path))
            return true;
    }
    return false;
}

bool sk_bundle_is(const char *path)
{
    SK_AUTO(listing_done) struct listing l = { 0 };
    struct sk_err ignored = SK_ERR_INIT;

    if (sk_is_file(path))
        return sk_ends_with(path, ".onnx");
    if (!sk_is_dir(path) || search(path, &l, &ignored) < 0)
        return false;
    return l.chosen || (l.count > 0 && has_sidecar(path));
}
