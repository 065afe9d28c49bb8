/*
 * pack.c - one image, in the order in which its parts depend on each other:
 *
 *     bundle -> model layer --+
 *     program -> base layer --+-> config -> manifest -> tag in the layout
 *
 * Each is in the layout under its digest before the next one names it, so a run that is cut leaves
 * blobs without a name and no image that lacks some.
 */
#include "pack/pack_priv.h"

#include "base/str.h"

#include <string.h>
#include <sys/stat.h>

#define OCI  "org.opencontainers.image."
#define THEN "1970-01-01T00:00:00Z"

/* What is known by now. */
struct job {
    const struct sk_pack_options *opts;
    struct sk_bundle *bundle;
    struct sk_pack_labels labels;
    struct sk_pack_layer layers[2];
    size_t layer_count;
    char architecture[64];
    struct sk_pack_result result;
};

static void job_done(struct job *j)
{
    sk_bundle_free(j->bundle);
    sk_pack_labels_done(&j->labels);
}

/* ---- layers ---- */

static int put_base(struct job *j, const struct sk_pack_own *own, const char *layout,
                    struct sk_err *err)
{
    SK_AUTO(sk_pack_base_done) struct sk_pack_base b = { 0 };
    SK_OWN(free) char *path = NULL;

    if (sk_pack_base_collect(own, &b, err) < 0 ||
        sk_pack_cache_base(&b, &j->layers[0], &path, &j->result.base_was_cached, err) < 0 ||
        sk_pack_blob_copy(layout, path, j->layers[0].digest, err) < 0)
        return -1;
    (void)snprintf(j->architecture, sizeof j->architecture, "%s", b.architecture);
    return 0;
}

static int put_foreign(struct job *j, struct sk_err *err)
{
    SK_AUTO(sk_pack_foreign_done) struct sk_pack_foreign f = { 0 };

    if (sk_pack_foreign_open(j->opts->base, &f, err) < 0 ||
        sk_pack_blob_copy(j->opts->layout, f.path, f.layer.digest, err) < 0)
        return -1;
    j->layers[0] = f.layer;
    (void)snprintf(j->architecture, sizeof j->architecture, "%s", strchr(f.platform, '/') + 1);
    return 0;
}

static int check_platform(struct job *j, struct sk_err *err)
{
    (void)snprintf(j->result.platform, sizeof j->result.platform, "linux/%.40s", j->architecture);
    if (!j->opts->platform || strcmp(j->opts->platform, j->result.platform) == 0)
        return 0;
    if (j->opts->base)
        return sk_fail(err, SK_INVALID, "the base is for %s, not for %s", j->result.platform,
                       j->opts->platform);
    return sk_fail(err, SK_INVALID,
                   "this machine makes %s: for %s give the base that 'skerry image base' made on "
                   "such a machine, with --base",
                   j->result.platform, j->opts->platform);
}

/* The folders that `name` lies in and that were not written yet; *last is the latest name. */
static int put_parents(struct sk_tar_writer *w, const char *last, const char *name,
                       struct sk_err *err)
{
    for (const char *p = strchr(name, '/'); p; p = strchr(p + 1, '/')) {
        size_t n = (size_t)(p - name) + 1;
        SK_OWN(free) char *folder = strndup(name, n);
        if (!folder)
            return sk_nomem(err);
        if (strncmp(last, folder, n) != 0 && sk_tar_dir(w, folder, 0755, err) < 0)
            return -1;
    }
    return 0;
}

static int put_files(struct job *j, const struct sk_pack_model_files *files,
                     struct sk_tar_writer *w, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf last = SK_BUF_INIT(SK_TAR_NAME_BYTES);

    sk_buf_str(&last, "");
    for (size_t i = 0; i < files->count; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf name = SK_BUF_INIT(SK_TAR_NAME_BYTES);
        sk_buf_fmt(&name, "%s/%s", j->result.model_path + 1, files->items[i].name);
        if (!sk_buf_ok(&name))
            return sk_buf_fail(&name, err);
        if (put_parents(w, last.data ? last.data : "", name.data, err) < 0 ||
            sk_tar_copy(w, name.data, 0644, files->items[i].path, err) < 0)
            return sk_wrap(err, "'%s'", files->items[i].name);
        sk_buf_clear(&last);
        sk_buf_add(&last, name.data, name.len);
    }
    return sk_tar_finish(w, err);
}

static int put_model(struct job *j, struct sk_err *err)
{
    SK_AUTO(sk_pack_model_files_done) struct sk_pack_model_files files = { 0 };
    SK_AUTO(sk_pack_blob_done) struct sk_pack_blob_out blob = { .file = SK_FILE_OUT_INIT };
    SK_OWN(sk_tar_writer_free) struct sk_tar_writer *w = NULL;
    struct sk_pack_layer *l = &j->layers[1];

    if (sk_pack_model_collect(j->opts->bundle, j->bundle, j->opts->settings, &files, err) < 0 ||
        sk_pack_blob_begin(j->opts->layout, &blob, err) < 0 ||
        sk_tar_writer_new(SK_ARCHIVE_PLAIN, sk_pack_blob_put, &blob, &w, err) < 0 ||
        put_files(j, &files, w, err) < 0 ||
        sk_pack_blob_end(&blob, j->opts->layout, l->digest, err) < 0)
        return -1;
    memcpy(l->diff_id, l->digest, sizeof l->diff_id);
    memcpy(l->media_type, SK_OCI_LAYER, sizeof SK_OCI_LAYER);
    l->bytes = l->unpacked = blob.size;
    return 0;
}

/* ---- config and manifest ---- */

static int finish(struct job *j, const char *layout, const char *tag,
                  const struct sk_pack_image *image, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf config = SK_BUF_INIT(SK_OCI_MANIFEST_MAX);
    SK_AUTO(sk_buf_done) struct sk_buf manifest = SK_BUF_INIT(SK_OCI_MANIFEST_MAX);
    struct sk_pack_result *r = &j->result;

    sk_pack_image_config(image, &config);
    if (!sk_buf_ok(&config))
        return sk_buf_fail(&config, err);
    if (sk_pack_blob_bytes(layout, config.data, config.len, r->config, err) < 0)
        return -1;
    sk_pack_image_manifest(image, r->config, config.len, &manifest);
    if (!sk_buf_ok(&manifest))
        return sk_buf_fail(&manifest, err);
    if (sk_pack_blob_bytes(layout, manifest.data, manifest.len, r->manifest, err) < 0 ||
        sk_oci_layout_tag(layout, tag, SK_OCI_MANIFEST, r->manifest, manifest.len, err) < 0)
        return -1;
    memcpy(r->base_layer, j->layers[0].digest, sizeof r->base_layer);
    memcpy(r->model_layer, j->layers[1].digest, sizeof r->model_layer);
    r->base_bytes = j->layers[0].bytes;
    r->base_unpacked_bytes = j->layers[0].unpacked;
    r->model_bytes = j->layers[1].bytes;
    return 0;
}

static int set_labels(struct job *j, const char *name, const char *digest, const char *created,
                      struct sk_err *err)
{
    const struct sk_pack_options *o = j->opts;
    char format[8];

    const struct {
        const char *key, *value;
    } rows[] = {
        { OCI "created", created },
        { OCI "title", o->title ? o->title : name },
        { OCI "description", o->description ? o->description : j->bundle->description },
        { OCI "version", o->version },
        { OCI "revision", digest },
        { "skerry.bundle", format },
        { "skerry.model.name", name },
        { "skerry.model.version", o->version },
        { "skerry.model.digest", digest },
        { "skerry.version", SK_VERSION },
    };

    (void)snprintf(format, sizeof format, "%d", SK_PACK_BUNDLE_FORMAT);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (sk_pack_labels_set(&j->labels, rows[i].key, rows[i].value, err) < 0)
            return -1;
    for (const char *const *p = o->labels; p && *p; p++)
        if (sk_pack_labels_user(&j->labels, *p, err) < 0)
            return -1;
    return 0;
}

/* A folder's name from a model's, which may have characters that are awkward in a path. */
static void set_model_path(struct job *j, const char *name)
{
    char *out = j->result.model_path;
    size_t at = (size_t)snprintf(out, sizeof j->result.model_path, "/models/");

    for (const char *p = name; *p && at < sizeof j->result.model_path - 1; p++)
        out[at++] = sk_bundle_is_name_char(*p) && (*p != '.' || p > name) ? *p : '_';
    out[at] = '\0';
}

static int check(const struct sk_pack_options *o, struct sk_err *err)
{
    if (o->created && !sk_pack_is_rfc3339(o->created))
        return sk_fail(err, SK_INVALID, "'%.60s' is no time: 2026-11-28T23:00:00Z is expected",
                       o->created);
    if (o->port > 65535)
        return sk_fail(err, SK_INVALID, "%u is no port", o->port);
    return 0;
}

/* The model's digest: as it was registered, or of its files. */
static int find_digest(struct job *j, char out[SK_OCI_DIGEST_TEXT], struct sk_err *err)
{
    if (j->opts->digest) {
        (void)snprintf(out, SK_OCI_DIGEST_TEXT, "%s", j->opts->digest);
        return 0;
    }
    memcpy(out, "sha256:", 7);
    return sk_bundle_digest(j->bundle, out + 7, err);
}

/* A layout that is called after the lone file it is made of counts as one of its files. */
static bool has_changed(const struct sk_pack_options *o)
{
    bool is_beside = sk_is_file(o->bundle) && sk_starts_with(o->layout, o->bundle);
    return o->signature && !is_beside && sk_bundle_signature(o->bundle) != o->signature;
}

static int make(const struct sk_pack_options *opts, struct sk_pack_result *out, struct sk_err *err)
{
    SK_AUTO(job_done) struct job j = { .opts = opts, .layer_count = 2 };
    char digest[SK_OCI_DIGEST_TEXT];
    const char *created = opts->created ? opts->created : THEN;

    if (check(opts, err) < 0 || sk_bundle_open(opts->bundle, NULL, &j.bundle, err) < 0 ||
        find_digest(&j, digest, err) < 0)
        return -1;
    const char *name = opts->name ? opts->name : j.bundle->name;
    set_model_path(&j, name);
    if (set_labels(&j, name, digest, created, err) < 0 ||
        sk_oci_layout_make(opts->layout, err) < 0 ||
        (opts->base ? put_foreign(&j, err) : put_base(&j, &opts->own, opts->layout, err)) < 0 ||
        check_platform(&j, err) < 0 || put_model(&j, err) < 0)
        return -1;
    const struct sk_pack_image image = {
        .architecture = j.architecture,
        .created = created,
        .model_path = j.result.model_path,
        .labels = &j.labels,
        .layers = j.layers,
        .layer_count = j.layer_count,
        .port = opts->port ? opts->port : SK_PACK_PORT,
    };
    if (has_changed(opts))
        return sk_fail(err, SK_BUSY,
                       "'%s' changed while it was packed: try again when nothing writes to it",
                       opts->bundle);
    memcpy(j.result.model_digest, digest, sizeof digest);
    if (finish(&j, opts->layout, opts->tag, &image, err) < 0)
        return -1;
    *out = j.result;
    return 0;
}

/* A layout that this call made goes again when no image came into it. */
static int end(const char *layout, bool was_there, int rc)
{
    struct sk_err ignored = SK_ERR_INIT;

    if (rc < 0 && !was_there)
        (void)!sk_remove_tree(layout, &ignored);
    return rc;
}

static bool is_there(const char *layout)
{
    struct stat st;
    return lstat(layout, &st) == 0;
}

int sk_pack(const struct sk_pack_options *opts, struct sk_pack_result *out, struct sk_err *err)
{
    bool was_there = is_there(opts->layout);
    return end(opts->layout, was_there, make(opts, out, err));
}

static int make_base(const struct sk_pack_own *own, const char *layout, const char *tag,
                     struct sk_pack_result *out, struct sk_err *err)
{
    SK_AUTO(job_done) struct job j = { .layer_count = 1 };
    const struct sk_pack_options none = { 0 };

    j.opts = &none;
    if (sk_oci_layout_make(layout, err) < 0 || put_base(&j, own, layout, err) < 0 ||
        check_platform(&j, err) < 0 ||
        sk_pack_labels_set(&j.labels, OCI "title", "skerry base", err) < 0 ||
        sk_pack_labels_set(&j.labels, "skerry.version", SK_VERSION, err) < 0)
        return -1;
    const struct sk_pack_image image = {
        .architecture = j.architecture,
        .created = THEN,
        .labels = &j.labels,
        .layers = j.layers,
        .layer_count = j.layer_count,
        .port = SK_PACK_PORT,
    };
    if (finish(&j, layout, tag, &image, err) < 0)
        return -1;
    *out = j.result;
    return 0;
}

int sk_pack_base(const struct sk_pack_own *own, const char *layout, const char *tag,
                 struct sk_pack_result *out, struct sk_err *err)
{
    bool was_there = is_there(layout);
    return end(layout, was_there, make_base(own, layout, tag, out, err));
}
