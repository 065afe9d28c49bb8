/*
 * sign.c - signatures are written: an image of its own, one layer per signature.
 *
 * The image is built in a layout, into which the signatures that a registry has already were pulled
 * first, and pushed from there.
 */
#include "base/file.h"
#include "sign/sign_priv.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

/* cosign's own time: nothing depends on the clock. */
static const char NEVER[] = "0001-01-01T00:00:00Z";

static void remove_folder(char **dir)
{
    struct sk_err ignored = SK_ERR_INIT;

    if (*dir)
        (void)!sk_remove_tree(*dir, &ignored);
    free(*dir);
}

static int put_blob(const char *layout, const void *bytes, size_t len,
                    char digest[SK_OCI_DIGEST_TEXT], struct sk_err *err)
{
    char hex[SK_SHA256_HEX];

    if (sk_sha256_hex(bytes, len, hex, err) < 0)
        return -1;
    (void)snprintf(digest, SK_OCI_DIGEST_TEXT, "sha256:%s", hex);

    SK_OWN(free) char *path = sk_oci_layout_blob(layout, digest);

    return path ? sk_file_write(path, bytes, len, 0644, err) : sk_nomem(err);
}

/* The layers that are there, as JSON texts, and the digests of what they hold. */
static int copy_layers(const char *layout, const char *tag, struct sk_buf *layers,
                       struct sk_buf *diff_ids, size_t *count, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_OWN(free) char *path = NULL;
    SK_OWN(free) char *text = NULL;
    struct sk_err missing = SK_ERR_INIT;
    char type[128], digest[SK_OCI_DIGEST_TEXT];
    size_t len = 0;

    *count = 0;
    if (sk_oci_layout_find(layout, tag, type, digest, &missing) < 0) {
        if (missing.code == SK_NOT_FOUND)
            return 0;
        *err = missing;
        return -1;
    }
    path = sk_oci_layout_blob(layout, digest);
    if (!path)
        return sk_nomem(err);
    if (sk_file_read(path, SK_OCI_MANIFEST_MAX, &text, &len, err) < 0 ||
        sk_json_parse(text, len, NULL, &doc, err) < 0)
        return -1;

    const struct sk_json *list = sk_json_get(doc, "layers");

    *count = sk_json_count(list);
    if (*count >= SK_SIGN_LAYERS_MAX)
        return sk_fail(err, SK_LIMIT, "the image has %zu signatures already", *count);
    for (size_t i = 0; i < *count; i++) {
        const struct sk_json *layer = sk_json_at(list, i);

        sk_buf_str(layers, i ? "," : "");
        sk_json_dump(layer, layers);
        sk_buf_fmt(diff_ids, "%s\"%s\"", i ? "," : "", sk_json_get_text(layer, "digest", ""));
    }
    return 0;
}

static int write_image(const char *layout, const char *tag, const struct sk_buf *layers,
                       const struct sk_buf *diff_ids, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf config = SK_BUF_INIT(SK_SIGN_BLOB_MAX);
    SK_AUTO(sk_buf_done) struct sk_buf manifest = SK_BUF_INIT(SK_OCI_MANIFEST_MAX);
    char digest[SK_OCI_DIGEST_TEXT];

    sk_buf_fmt(&config,
               "{\"architecture\":\"\",\"created\":\"%s\",\"history\":[{\"created\":\"%s\"}],"
               "\"os\":\"\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[%s]},\"config\":{}}",
               NEVER, NEVER, diff_ids->data);
    if (!sk_buf_ok(&config))
        return sk_buf_fail(&config, err);
    if (put_blob(layout, config.data, config.len, digest, err) < 0)
        return -1;
    sk_buf_fmt(&manifest,
               "{\"schemaVersion\":2,\"mediaType\":\"" SK_OCI_MANIFEST
               "\",\"config\":{\"mediaType\":\"" SK_OCI_CONFIG
               "\",\"size\":%zu,\"digest\":\"%s\"},\"layers\":[%s]}",
               config.len, digest, layers->data);
    if (!sk_buf_ok(&manifest))
        return sk_buf_fail(&manifest, err);
    if (put_blob(layout, manifest.data, manifest.len, digest, err) < 0)
        return -1;
    return sk_oci_layout_tag(layout, tag, SK_OCI_MANIFEST, digest, manifest.len, err);
}

int sk_sign_layout(struct sk_signer *s, const char *layout, const char *docker_reference,
                   const char *digest, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf payload = SK_BUF_INIT(SK_SIGN_BLOB_MAX);
    SK_AUTO(sk_buf_done) struct sk_buf signature = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf layers = SK_BUF_INIT(SK_OCI_MANIFEST_MAX);
    SK_AUTO(sk_buf_done) struct sk_buf diff_ids = SK_BUF_INIT(SK_SIGN_BLOB_MAX);
    char tag[80], blob[SK_OCI_DIGEST_TEXT];
    size_t count = 0;

    if (sk_sign_check(digest, err) < 0)
        return -1;
    sk_sign_tag(digest, tag);
    sk_payload_write(docker_reference, digest, &payload);
    if (!sk_buf_ok(&payload))
        return sk_buf_fail(&payload, err);
    if (sk_key_sign(s->key, payload.data, payload.len, &signature, err) < 0 ||
        sk_oci_layout_make(layout, err) < 0 ||
        copy_layers(layout, tag, &layers, &diff_ids, &count, err) < 0 ||
        put_blob(layout, payload.data, payload.len, blob, err) < 0)
        return -1;
    sk_buf_fmt(&layers,
               "%s{\"mediaType\":\"" SK_SIGN_LAYER_TYPE
               "\",\"size\":%zu,\"digest\":\"%s\",\"annotations\":{\"" SK_SIGN_ANNOTATION "\":\"",
               count ? "," : "", payload.len, blob);
    sk_base64(&layers, signature.data, signature.len);
    sk_buf_str(&layers, "\"}}");
    sk_buf_fmt(&diff_ids, "%s\"%s\"", count ? "," : "", blob);
    if (!sk_buf_ok(&layers) || !sk_buf_ok(&diff_ids))
        return sk_nomem(err);
    return write_image(layout, tag, &layers, &diff_ids, err);
}

int sk_sign_image(struct sk_signer *s, struct sk_oci_registry *r, const struct sk_oci_ref *image,
                  const char *digest, struct sk_err *err)
{
    SK_AUTO(remove_folder) char *layout = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf name = SK_BUF_INIT(1024);
    struct sk_oci_ref to = *image;
    struct sk_err missing = SK_ERR_INIT;
    char type[128], there[SK_OCI_DIGEST_TEXT], made[SK_OCI_DIGEST_TEXT];

    to.digest[0] = '\0';
    if (sk_sign_check(digest, err) < 0)
        return -1;
    sk_sign_tag(digest, to.tag);
    sk_buf_fmt(&name, "%s/%s", image->host, image->repository);
    if (!sk_buf_ok(&name))
        return sk_buf_fail(&name, err);
    if (sk_temp_dir("/tmp", "skerry-sign", &layout, err) < 0 || sk_oci_layout_make(layout, err) < 0)
        return -1;
    if (sk_oci_pull(r, &to, NULL, NULL, layout, there, &missing) < 0) {
        if (missing.code != SK_NOT_FOUND) {
            *err = missing;
            return sk_wrap(err, "the signatures that are there");
        }
    }
    if (sk_sign_layout(s, layout, name.data, digest, err) < 0 ||
        sk_oci_layout_find(layout, to.tag, type, made, err) < 0)
        return -1;
    return sk_oci_push(r, layout, made, &to, err);
}
