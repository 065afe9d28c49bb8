/* image_test.c - see image_test.h. */
#include "image_test.h"

#include "archive/archive.h"
#include "base/file.h"
#include "cli_test.h"
#include "crypto/crypto.h"

#include <stdio.h>
#include <stdlib.h>

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s", err.text);                                                              \
    } while (0)

static int collect(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    struct sk_buf *b = ctx;

    sk_buf_add(b, bytes, len);
    return sk_buf_ok(b) ? 0 : sk_buf_fail(b, err);
}

static void make_tar(enum image_layer kind, struct sk_buf *out)
{
    static const char *const names[][2] = {
        [IMAGE_PLAIN] = { "etc/motd", NULL },
        [IMAGE_MODEL] = { "models/cats/model.onnx", NULL },
        [IMAGE_MODEL_TWO] = { "models/a/model.onnx", "models/b/model.onnx" },
        [IMAGE_MODEL_FILE] = { "models/cats", NULL },
        [IMAGE_MODEL_ELSEWHERE] = { "etc/model.onnx", NULL },
    };
    SK_OWN(sk_tar_writer_free) struct sk_tar_writer *w = NULL;
    struct sk_err err = SK_ERR_INIT;

    MUST(sk_tar_writer_new(SK_ARCHIVE_PLAIN, collect, out, &w, &err));
    if (kind == IMAGE_MODEL_LINK)
        MUST(sk_tar_link(w, "models/cats/model.onnx", "/etc/passwd", &err));
    for (size_t i = 0; i < 2 && kind != IMAGE_MODEL_LINK && names[kind][i]; i++) {
        MUST(sk_tar_file(w, names[kind][i], 0644, 5, &err));
        MUST(sk_tar_bytes(w, "hello", 5, &err));
    }
    MUST(sk_tar_finish(w, &err));
}

static void put_blob(const char *layout, const void *bytes, size_t len,
                     char digest[SK_OCI_DIGEST_TEXT])
{
    struct sk_err err = SK_ERR_INIT;

    memcpy(digest, "sha256:", 7);
    MUST(sk_sha256_hex(bytes, len, digest + 7, &err));
    SK_OWN(free) char *path = sk_oci_layout_blob(layout, digest);
    MUST(sk_file_write(path, bytes, len, 0644, &err));
}

static char *open_layout(const char *dir)
{
    char *layout = sk_path_join(dir, "layout");
    struct sk_err err = SK_ERR_INIT;

    MUST(sk_oci_layout_make(layout, &err));
    return layout;
}

static void add_descriptor(struct sk_buf *out, const char *type, const char *digest, size_t size,
                           const char *more)
{
    sk_buf_fmt(out, "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu%s}", type, digest, size,
               more);
}

static size_t add_image(const char *layout, const char *architecture,
                        const enum image_layer *layers, size_t count,
                        char digest[SK_OCI_DIGEST_TEXT])
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 16);
    char config[300], blob[SK_OCI_DIGEST_TEXT];

    (void)snprintf(config, sizeof config,
                   "{\"architecture\":\"%s\",\"os\":\"linux\",\"created\":\"2026-01-01T00:00:00Z\","
                   "\"config\":{\"Entrypoint\":[\"/x\",\"serve\"],\"User\":\"1000\",\"Labels\":"
                   "{\"skerry.name\":\"cats\\u001b[2J\"}},\"rootfs\":{\"type\":\"layers\","
                   "\"diff_ids\":[]}}",
                   architecture);
    put_blob(layout, config, strlen(config), blob);
    sk_buf_str(&text, "{\"schemaVersion\":2,\"mediaType\":\"" SK_OCI_MANIFEST "\",\"config\":");
    add_descriptor(&text, SK_OCI_CONFIG, blob, strlen(config), "");
    sk_buf_str(&text, ",\"layers\":[");
    for (size_t i = 0; i < count; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf tar = SK_BUF_INIT(1 << 20);
        make_tar(layers[i], &tar);
        put_blob(layout, tar.data, tar.len, blob);
        sk_buf_str(&text, i ? "," : "");
        add_descriptor(&text, SK_OCI_LAYER, blob, tar.len,
                       layers[i] ? ",\"annotations\":{\"skerry.layer\":\"model\"}" : "");
    }
    sk_buf_str(&text, "]}");
    assert_true(sk_buf_ok(&text));
    put_blob(layout, text.data, text.len, digest);
    return text.len;
}

void image_test_add(const char *dir, const char *tag, const char *architecture,
                    const enum image_layer *layers, size_t count, char digest[SK_OCI_DIGEST_TEXT])
{
    SK_OWN(free) char *layout = open_layout(dir);
    struct sk_err err = SK_ERR_INIT;
    size_t size = add_image(layout, architecture, layers, count, digest);

    MUST(sk_oci_layout_tag(layout, tag, SK_OCI_MANIFEST, digest, size, &err));
}

void image_test_index(const char *dir, const char *tag, char arm64[SK_OCI_DIGEST_TEXT])
{
    static const char *const architectures[] = { "amd64", "arm64" };

    static const enum image_layer layers[] = { IMAGE_MODEL };

    SK_OWN(free) char *layout = open_layout(dir);
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 16);
    char digest[SK_OCI_DIGEST_TEXT], more[100];
    struct sk_err err = SK_ERR_INIT;

    sk_buf_str(&text, "{\"schemaVersion\":2,\"mediaType\":\"" SK_OCI_INDEX "\",\"manifests\":[");
    for (size_t i = 0; i < 2; i++) {
        size_t size = add_image(layout, architectures[i], layers, 1, arm64);
        (void)snprintf(more, sizeof more,
                       ",\"platform\":{\"os\":\"linux\",\"architecture\":\"%s\"}",
                       architectures[i]);
        sk_buf_str(&text, i ? "," : "");
        add_descriptor(&text, SK_OCI_MANIFEST, arm64, size, more);
    }
    sk_buf_str(&text, "]}");
    put_blob(layout, text.data, text.len, digest);
    MUST(sk_oci_layout_tag(layout, tag, SK_OCI_INDEX, digest, text.len, &err));
}

void image_test_pair(const char *dir)
{
    static const enum image_layer layers[] = { IMAGE_PLAIN, IMAGE_MODEL };

    char digest[SK_OCI_DIGEST_TEXT];

    image_test_add(dir, "v1", "amd64", layers, 2, digest);
    image_test_index(dir, "multi", digest);
}

void image_test_archive(const char *dir, const char *name)
{
    char command[1024];

    (void)snprintf(command, sizeof command, "tar -cf '%s/%s' -C '%s/layout' .", dir, name, dir);
    assert_int_equal(system(command), 0);
}
