/*
 * image_model.c - the model layer of an image, as a folder.
 *
 * The layer is the one that `skerry package` marks (annotation skerry.layer: model). It is fetched
 * to OUTPUT.skerry-pull/HEX, unpacked beside that, and the model's folder then gets its name in one
 * step; what was fetched stays when the command ends early, so the next one goes on.
 */
#include "cli/image_priv.h"

#include "archive/archive.h"
#include "base/file.h"
#include "json/json.h"

#include <errno.h>
#include <fcntl.h>

#define LAYER_KEY "skerry.layer"
#define MODELS    "models"

static int is_model_layer(const struct sk_oci_descriptor *d, bool *out, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    *out = false;
    if (!d->annotations)
        return 0;
    if (sk_json_parse(d->annotations, strlen(d->annotations), NULL, &doc, err) < 0)
        return -1;
    *out = strcmp(sk_json_get_text(doc, LAYER_KEY, ""), "model") == 0;
    return 0;
}

static int find_layer(const struct sk_oci_manifest *m, const struct sk_oci_descriptor **out,
                      struct sk_err *err)
{
    *out = NULL;
    for (size_t i = 0; i < m->count && !m->is_index; i++) {
        bool is_model = false;
        if (is_model_layer(&m->items[i], &is_model, err) < 0)
            return -1;
        if (is_model && *out)
            return sk_fail(err, SK_INVALID, "the image has several model layers");
        *out = is_model ? &m->items[i] : *out;
    }
    if (!*out)
        return sk_fail(err, SK_NOT_FOUND,
                       "the image has no model layer: it was not made by 'skerry package'");
    return 0;
}

/* The only folder below tree/models. */
static int find_model(const char *tree, char **out, struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir names = { 0 };

    if (sk_dir_read(tree, &names, err) < 0)
        return -1;
    if (names.count != 1)
        return sk_fail(err, SK_INVALID,
                       "the model layer has %zu entries below /" MODELS " where one is expected",
                       names.count);
    *out = sk_path_join(tree, names.names[0]);
    if (!*out)
        return sk_nomem(err);
    return sk_is_dir(*out) ? 0
                           : sk_fail(err, SK_INVALID, "the model layer has no folder in /" MODELS);
}

/* ---- is it there already? ---- */

static int same_file(const char *a, const char *b, bool *same, struct sk_err *err)
{
    SK_AUTO(sk_map_close) struct sk_map x = { 0 };
    SK_AUTO(sk_map_close) struct sk_map y = { 0 };

    if (sk_map_open(a, &x, err) < 0 || sk_map_open(b, &y, err) < 0)
        return -1;
    *same = x.len == y.len && (x.len == 0 || memcmp(x.ptr, y.ptr, x.len) == 0);
    return 0;
}

/* Folders with the same names and the same bytes; how deep they go is what was unpacked within the
 * archive's limits. */
static int same_tree(const char *a, const char *b, bool *same, struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir x = { 0 };
    SK_AUTO(sk_dir_done) struct sk_dir y = { 0 };

    if (sk_dir_read(a, &x, err) < 0 || sk_dir_read(b, &y, err) < 0)
        return -1;
    *same = x.count == y.count;
    for (size_t i = 0; *same && i < x.count; i++) {
        SK_OWN(free) char *left = sk_path_join(a, x.names[i]);
        SK_OWN(free) char *right = sk_path_join(b, y.names[i]);
        if (!left || !right)
            return sk_nomem(err);
        bool is_folder = sk_is_dir(left);
        *same = strcmp(x.names[i], y.names[i]) == 0 && sk_is_dir(right) == is_folder &&
                sk_is_file(right) != is_folder;
        if (*same &&
            (is_folder ? same_tree(left, right, same, err) : same_file(left, right, same, err)) < 0)
            return -1;
    }
    return 0;
}

/* The folder has something in it: fine when that is this very model. */
static int check_same(const char *model, const char *output, struct sk_err *err)
{
    bool same = false;

    if (same_tree(model, output, &same, err) < 0)
        return -1;
    return same ? 0
                : sk_fail(err, SK_EXISTS,
                          "'%s' has another model or something else in it: give another --output",
                          output);
}

static int unpack(const char *layer, const char *tree, const char *output, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = open(layer, O_RDONLY | O_CLOEXEC);
    SK_OWN(free) char *model = NULL;

    if (fd < 0)
        return sk_fail_errno(err, "'%s'", layer);
    if (sk_remove_tree(tree, err) < 0 || sk_mkdirs(tree, 0777, err) < 0)
        return -1;
    if (sk_tar_unpack(fd, NULL, MODELS, tree, true, err) < 0)
        return sk_wrap(err, "the model layer");
    if (find_model(tree, &model, err) < 0)
        return -1;
    if (rename(model, output) < 0) {
        if (errno == ENOTEMPTY || errno == EEXIST)
            return check_same(model, output, err);
        return sk_fail_errno(err, "'%s'", output);
    }
    return 0;
}

static int fetch(const struct sk_cli_image *i, const struct sk_oci_descriptor *d,
                 const char *output, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf work = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf layer = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf tree = SK_BUF_INIT(4096);
    struct sk_err ignored = SK_ERR_INIT;
    size_t len = strlen(output);

    while (len > 1 && output[len - 1] == '/')
        len--;
    sk_buf_fmt(&work, "%.*s.skerry-pull", (int)len, output);
    sk_buf_fmt(&layer, "%.*s.skerry-pull/%s", (int)len, output, d->digest + strlen("sha256:"));
    sk_buf_fmt(&tree, "%.*s.skerry-pull/tree", (int)len, output);
    if (!sk_buf_ok(&work) || !sk_buf_ok(&layer) || !sk_buf_ok(&tree))
        return sk_fail(err, SK_LIMIT, "the path '%.100s...' is too long", output);
    if (sk_mkdirs(work.data, 0777, err) < 0 ||
        sk_oci_get_blob(i->registry, i->ref.repository, d->digest, d->size, layer.data, err) < 0)
        return -1;
    int rc = unpack(layer.data, tree.data, output, err);
    if (rc < 0 && err->code != SK_EXISTS)
        return -1;
    if (sk_remove_tree(tree.data, rc < 0 ? &ignored : err) < 0)
        return -1;
    (void)unlink(layer.data);
    (void)rmdir(work.data); /* unless another layer's beginning is in it */
    return rc;
}

int sk_cli_pull_model(const struct sk_cli_image *i, const char *platform, const char *want,
                      const char *output, char digest[SK_OCI_DIGEST_TEXT], struct sk_err *err)
{
    SK_AUTO(sk_oci_manifest_done) struct sk_oci_manifest m = { 0 };
    SK_OWN(free) char *bytes = NULL;
    const struct sk_oci_descriptor *layer;
    size_t len = 0;

    if (sk_oci_find_image(i->registry, &i->ref, platform, want, &bytes, &len, digest, err) < 0 ||
        sk_oci_manifest_parse(bytes, len, &m, err) < 0 || find_layer(&m, &layer, err) < 0)
        return -1;
    return fetch(i, layer, output, err);
}
