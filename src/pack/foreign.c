/*
 * foreign.c - a base that was made on another machine (sk_pack_base), as a layout or one archive of
 * it.
 *
 * Nothing of it is run here; what is taken are the layer's descriptor, its diff_id and the
 * platform. The layer's bytes are compared with their digest when they are copied.
 */
#include "pack/pack_priv.h"

#include "base/str.h"
#include "json/json.h"

#include <fcntl.h>
#include <string.h>

enum {
    CONFIG_BYTES = 1 << 20
};

void sk_pack_foreign_done(struct sk_pack_foreign *f)
{
    sk_pack_cache_scratch_done(&f->scratch);
    free(f->path);
    *f = (struct sk_pack_foreign){ 0 };
}

/* An archive's contents; they are small beside the base itself. */
static int unpack(const char *archive, struct sk_pack_foreign *f, struct sk_err *err)
{
    const struct sk_tar_limits limits = { .max_entries = 1000, .max_bytes = 4ull << 30 };
    SK_AUTO(sk_close) int fd = open(archive, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return sk_fail_errno(err, "'%s'", archive);
    if (sk_pack_cache_scratch(&f->scratch, err) < 0)
        return -1;
    return sk_tar_unpack(fd, &limits, "", f->scratch, false, err);
}

/* A small blob, whose digest must fit. */
static int read_blob(const char *layout, const char *digest, size_t max, char **bytes, size_t *len,
                     struct sk_err *err)
{
    SK_OWN(free) char *path = sk_oci_layout_blob(layout, digest);
    SK_OWN(free) char *text = NULL;
    char hex[SK_SHA256_HEX];
    size_t n = 0;

    if (!sk_digest_is(digest, SK_SHA256))
        return sk_fail(err, SK_UNSUPPORTED, "%s: bases are taken with sha256 only", digest);
    if (!path)
        return sk_nomem(err);
    if (sk_file_read(path, max, &text, &n, err) < 0 || sk_sha256_hex(text, n, hex, err) < 0)
        return -1;
    if (strcmp(hex, digest + strlen("sha256:")) != 0)
        return sk_fail(err, SK_CORRUPT, "blob %s has another digest", digest);
    *bytes = SK_TAKE(text);
    *len = n;
    return 0;
}

static int take_config(const char *layout, const struct sk_oci_manifest *m,
                       struct sk_pack_foreign *f, struct sk_err *err)
{
    SK_OWN(free) char *text = NULL;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    size_t len = 0;

    if (read_blob(layout, m->config.digest, CONFIG_BYTES, &text, &len, err) < 0 ||
        sk_json_parse(text, len, NULL, &doc, err) < 0)
        return -1;
    const struct sk_json *ids = sk_json_get(sk_json_get(doc, "rootfs"), "diff_ids");
    const char *diff_id = sk_json_text(sk_json_at(ids, 0), "");
    const char *os = sk_json_get_text(doc, "os", "");
    const char *architecture = sk_json_get_text(doc, "architecture", "");
    if (sk_json_count(ids) != 1 || !sk_digest_is(diff_id, SK_SHA256))
        return sk_fail(err, SK_INVALID, "its config does not have the diff_id of one layer");
    if (strcmp(os, "linux") != 0 || !architecture[0] || strlen(architecture) > 32 ||
        strspn(architecture, "abcdefghijklmnopqrstuvwxyz0123456789") != strlen(architecture))
        return sk_fail(err, SK_INVALID, "its config is for '%.40s/%.40s'", os, architecture);
    (void)snprintf(f->layer.diff_id, sizeof f->layer.diff_id, "%s", diff_id);
    (void)snprintf(f->platform, sizeof f->platform, "linux/%s", architecture);
    return 0;
}

/* What skerry.unpacked of the layer says; only for people. */
static uint64_t unpacked_of(const struct sk_oci_descriptor *d)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err ignored = SK_ERR_INIT;
    uint64_t value = 0;

    if (d->annotations &&
        sk_json_parse(d->annotations, strlen(d->annotations), NULL, &doc, &ignored) == 0)
        (void)!sk_parse_u64("size", sk_json_get_text(doc, "skerry.unpacked", ""), 0, UINT64_MAX,
                            &value, &ignored);
    return value;
}

static int take_layer(const char *layout, const struct sk_oci_manifest *m,
                      struct sk_pack_foreign *f, struct sk_err *err)
{
    const struct sk_oci_descriptor *d = m->items;

    if (m->is_index || m->count != 1)
        return sk_fail(err, SK_INVALID,
                       "it is no base: a base has one layer, and is made by 'skerry image base'");
    if (strcmp(d->media_type, SK_OCI_LAYER_GZIP) != 0 && strcmp(d->media_type, SK_OCI_LAYER) != 0)
        return sk_fail(err, SK_INVALID, "its layer is %.100s", d->media_type);
    if (!sk_digest_is(d->digest, SK_SHA256))
        return sk_fail(err, SK_UNSUPPORTED, "%s: bases are taken with sha256 only", d->digest);
    (void)snprintf(f->layer.media_type, sizeof f->layer.media_type, "%.63s", d->media_type);
    memcpy(f->layer.digest, d->digest, sizeof f->layer.digest);
    f->layer.bytes = d->size;
    f->layer.unpacked = unpacked_of(d);
    f->path = sk_oci_layout_blob(layout, d->digest);
    return f->path ? 0 : sk_nomem(err);
}

static int take(const char *layout, struct sk_pack_foreign *f, struct sk_err *err)
{
    SK_AUTO(sk_oci_manifest_done) struct sk_oci_manifest m = { 0 };
    char media_type[128], digest[SK_OCI_DIGEST_TEXT];
    SK_OWN(free) char *bytes = NULL;
    size_t len = 0;

    if (sk_oci_layout_find(layout, NULL, media_type, digest, err) < 0 ||
        read_blob(layout, digest, SK_OCI_MANIFEST_MAX, &bytes, &len, err) < 0 ||
        sk_oci_manifest_parse(bytes, len, &m, err) < 0 || take_layer(layout, &m, f, err) < 0)
        return -1;
    return take_config(layout, &m, f, err);
}

int sk_pack_foreign_open(const char *base, struct sk_pack_foreign *out, struct sk_err *err)
{
    SK_AUTO(sk_pack_foreign_done) struct sk_pack_foreign f = { 0 };

    if (!sk_is_dir(base) && unpack(base, &f, err) < 0)
        return sk_wrap(err, "base '%s'", base);
    if (take(f.scratch ? f.scratch : base, &f, err) < 0)
        return sk_wrap(err, "base '%s'", base);
    *out = f;
    f = (struct sk_pack_foreign){ 0 };
    return 0;
}
