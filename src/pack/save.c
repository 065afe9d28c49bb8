/*
 * save.c - an image of a layout as one file.
 *
 *     blobs/sha256/HEX ...   manifest, config, layers, sorted
 *     index.json             the manifest with its names, and that of its signature
 *     manifest.json          for `docker load`: config, layers, names (docker save since 25 does
 * the same; older ones need nothing else) oci-layout
 */
#include "pack/pack_priv.h"

#include "base/str.h"

#include <string.h>

/* One manifest of the file. */
struct member {
    char digest[SK_OCI_DIGEST_TEXT]; /* "": there is none */
    struct sk_oci_manifest manifest;
    size_t manifest_len;
};

struct save {
    const char *layout;
    struct member image, signature;
    struct sk_oci_ref ref;
    bool has_ref;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static size_t add_digests(const struct member *m, const char **out)
{
    size_t count = 0;

    if (!m->digest[0])
        return 0;
    out[count++] = m->digest;
    out[count++] = m->manifest.config.digest;
    for (size_t i = 0; i < m->manifest.count; i++)
        out[count++] = m->manifest.items[i].digest;
    return count;
}

static int put_blobs(const struct save *s, struct sk_tar_writer *w, struct sk_err *err)
{
    size_t most = s->image.manifest.count + s->signature.manifest.count + 4;
    SK_OWN(free) const char **digests = calloc(most, sizeof *digests);

    if (!digests)
        return sk_nomem(err);
    size_t count = add_digests(&s->image, digests);
    count += add_digests(&s->signature, digests + count);
    qsort(digests, count, sizeof *digests, by_text);
    if (sk_tar_dir(w, "blobs", 0755, err) < 0 || sk_tar_dir(w, "blobs/sha256", 0755, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        SK_OWN(free) char *path = sk_oci_layout_blob(s->layout, digests[i]);
        char name[SK_OCI_DIGEST_TEXT + 16];
        if (!path)
            return sk_nomem(err);
        if (i > 0 && strcmp(digests[i], digests[i - 1]) == 0)
            continue;
        (void)snprintf(name, sizeof name, "blobs/sha256/%s", digests[i] + strlen("sha256:"));
        if (sk_tar_copy(w, name, 0644, path, err) < 0)
            return -1;
    }
    return 0;
}

static int put_text(struct sk_tar_writer *w, const char *name, const struct sk_buf *text,
                    struct sk_err *err)
{
    if (!sk_buf_ok(text))
        return sk_buf_fail(text, err);
    if (sk_tar_file(w, name, 0644, text->len, err) < 0)
        return -1;
    return sk_tar_bytes(w, text->data, text->len, err);
}

static void add_descriptor(const struct member *m, struct sk_buf *out)
{
    sk_buf_fmt(out, "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu", m->manifest.media_type,
               m->digest, m->manifest_len);
}

/* The tag that a signature has: cosign's. */
static void signature_tag(const char *digest, char out[SK_OCI_DIGEST_TEXT + 8])
{
    (void)snprintf(out, SK_OCI_DIGEST_TEXT + 8, "%s.sig", digest);
    out[strcspn(out, ":")] = '-';
}

static int put_index(const struct save *s, struct sk_tar_writer *w, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf name = SK_BUF_INIT(4096);
    char tag[SK_OCI_DIGEST_TEXT + 8];

    sk_buf_str(&text, "{\"schemaVersion\":2,\"mediaType\":\"" SK_OCI_INDEX "\",\"manifests\":[");
    add_descriptor(&s->image, &text);
    if (s->has_ref) {
        sk_oci_ref_print(&s->ref, &name);
        if (!sk_buf_ok(&name))
            return sk_buf_fail(&name, err);
        sk_buf_str(&text, ",\"annotations\":{\"io.containerd.image.name\":");
        sk_buf_json(&text, name.data, name.len);
        sk_buf_str(&text, ",\"org.opencontainers.image.ref.name\":");
        sk_buf_json_str(&text, s->ref.tag);
        sk_buf_chr(&text, '}');
    }
    sk_buf_chr(&text, '}');
    if (s->signature.digest[0]) {
        signature_tag(s->image.digest, tag);
        sk_buf_chr(&text, ',');
        add_descriptor(&s->signature, &text);
        sk_buf_fmt(&text, ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"%s\"}}", tag);
    }
    sk_buf_str(&text, "]}");
    return put_text(w, "index.json", &text, err);
}

static void add_path(struct sk_buf *out, const char *digest)
{
    sk_buf_fmt(out, "\"blobs/sha256/%s\"", digest + strlen("sha256:"));
}

/* As `docker images` shows it: without docker.io and library. */
static void add_familiar(const struct sk_oci_ref *ref, struct sk_buf *out)
{
    bool is_hub = strcmp(ref->host, "docker.io") == 0;
    const char *repository = ref->repository;

    if (is_hub && sk_starts_with(repository, "library/"))
        repository += strlen("library/");
    sk_buf_chr(out, '"');
    if (!is_hub)
        sk_buf_fmt(out, "%s/", ref->host);
    sk_buf_fmt(out, "%s:%s\"", repository, ref->tag);
}

static int put_docker(const struct save *s, struct sk_tar_writer *w, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 20);

    sk_buf_str(&text, "[{\"Config\":");
    add_path(&text, s->image.manifest.config.digest);
    sk_buf_str(&text, ",\"RepoTags\":[");
    if (s->has_ref)
        add_familiar(&s->ref, &text);
    sk_buf_str(&text, "],\"Layers\":[");
    for (size_t i = 0; i < s->image.manifest.count; i++) {
        sk_buf_str(&text, i ? "," : "");
        add_path(&text, s->image.manifest.items[i].digest);
    }
    sk_buf_str(&text, "]}]");
    return put_text(w, "manifest.json", &text, err);
}

static int put_marker(struct sk_tar_writer *w, struct sk_err *err)
{
    static const char text[] = "{\"imageLayoutVersion\":\"1.0.0\"}";

    if (sk_tar_file(w, "oci-layout", 0644, sizeof text - 1, err) < 0)
        return -1;
    return sk_tar_bytes(w, text, sizeof text - 1, err);
}

static int open_member(const char *layout, struct member *m, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_oci_layout_blob(layout, m->digest);
    SK_OWN(free) char *bytes = NULL;

    if (!path)
        return sk_nomem(err);
    if (sk_file_read(path, SK_OCI_MANIFEST_MAX, &bytes, &m->manifest_len, err) < 0 ||
        sk_oci_manifest_parse(bytes, m->manifest_len, &m->manifest, err) < 0)
        return -1;
    if (m->manifest.is_index)
        return sk_fail(err, SK_INVALID, "%s is an index: name one of its images", m->digest);
    for (size_t i = 0; i < m->manifest.count; i++)
        if (!sk_digest_is(m->manifest.items[i].digest, SK_SHA256))
            return sk_fail(err, SK_UNSUPPORTED, "%s: files are written with sha256 only",
                           m->manifest.items[i].digest);
    if (!sk_digest_is(m->digest, SK_SHA256) || !sk_digest_is(m->manifest.config.digest, SK_SHA256))
        return sk_fail(err, SK_UNSUPPORTED, "%s: files are written with sha256 only", m->digest);
    return 0;
}

/* The image, and what signs it when the layout has that. */
static int open_image(struct save *s, const char *digest, const char *name_tag, struct sk_err *err)
{
    char tag[SK_OCI_DIGEST_TEXT + 8], media_type[128];
    struct sk_err why = SK_ERR_INIT;

    (void)snprintf(s->image.digest, sizeof s->image.digest, "%s", digest);
    if (open_member(s->layout, &s->image, err) < 0)
        return -1;
    signature_tag(digest, tag);
    if (sk_oci_layout_find(s->layout, tag, media_type, s->signature.digest, &why) == 0) {
        if (open_member(s->layout, &s->signature, err) < 0)
            return -1;
    } else if (why.code != SK_NOT_FOUND) {
        *err = why;
        return -1;
    }
    s->has_ref = name_tag != NULL;
    return name_tag ? sk_oci_ref_parse(name_tag, NULL, &s->ref, err) : 0;
}

static void save_done(struct save *s)
{
    sk_oci_manifest_done(&s->image.manifest);
    sk_oci_manifest_done(&s->signature.manifest);
}

static int put_file(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    return sk_file_put(ctx, bytes, len, err);
}

int sk_pack_archive(const char *layout, const char *digest, const char *name_tag, bool docker,
                    const char *file, struct sk_err *err)
{
    SK_AUTO(save_done) struct save s = { .layout = layout };
    SK_AUTO(sk_file_out_done) struct sk_file_out out = SK_FILE_OUT_INIT;
    SK_OWN(sk_tar_writer_free) struct sk_tar_writer *w = NULL;

    if (open_image(&s, digest, name_tag, err) < 0 || sk_file_begin(&out, file, err) < 0 ||
        sk_tar_writer_new(SK_ARCHIVE_PLAIN, put_file, &out, &w, err) < 0 ||
        put_blobs(&s, w, err) < 0 || put_index(&s, w, err) < 0 ||
        (docker && put_docker(&s, w, err) < 0) || put_marker(w, err) < 0 ||
        sk_tar_finish(w, err) < 0)
        return -1;
    return sk_file_end(&out, 0644, err);
}
