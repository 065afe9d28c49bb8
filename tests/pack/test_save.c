/* test_save.c - an image as one file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bundle/folders.h"
#include "pack/pack_priv.h"
#include "pack/small_base.h"
#include "json/json.h"

#include <fcntl.h>

static void make_image(const char *layout, struct sk_pack_result *r)
{
    SK_AUTO(free_cleanup) char *bundle = at("m");
    SK_AUTO(free_cleanup) char *to = at(layout);
    struct sk_err err = SK_ERR_INIT;

    put("m/model.onnx", NULL);
    const struct sk_pack_options o = {
        .bundle = bundle, .layout = to, .own = small_base(), .tag = "v1"
    };
    if (sk_pack(&o, r, &err) < 0)
        fail_msg("%s", err.text);
}

/* The text of one file of an archive; NULL: it has none. */
static char *member(const char *file, const char *name)
{
    SK_OWN(sk_tar_reader_free) struct sk_tar_reader *r = NULL;
    SK_AUTO(sk_close) int fd = open(file, O_RDONLY);
    struct sk_tar_entry e;
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_tar_reader_new(fd, NULL, &r, &err), 0);
    while (sk_tar_next(r, &e, &err) > 0)
        if (strcmp(e.name, name) == 0) {
            char *text = calloc(1, e.size + 1);
            assert_int_equal(sk_tar_read(r, text, e.size, &err), e.size);
            return text;
        }
    return NULL;
}

/* [package-40] [package-41] */
static void forms(void **state)
{
    (void)state;
    SK_AUTO(free_cleanup) char *layout = at("image");
    struct sk_pack_result r = { 0 };

    make_image("image", &r);

    static const struct {
        const char *name;
        bool docker;
        const char *shown, *full; /* what docker shows; the whole name */
    } rows[] = {
        { "cats:v1", true, "cats:v1", "docker.io/library/cats:v1" },
        { "team/cats:v2", true, "team/cats:v2", "docker.io/team/cats:v2" },
        { "hub:8443/cats", true, "hub:8443/cats:latest", "hub:8443/cats:latest" },
        { "cats:v1", false, NULL, "docker.io/library/cats:v1" },
        { NULL, true, "", NULL },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(free_cleanup) char *file = at("image.tar");
        struct sk_err err = SK_ERR_INIT;
        if (sk_pack_archive(layout, r.manifest, rows[i].name, rows[i].docker, file, &err) < 0)
            fail_msg("%s", err.text);
        SK_AUTO(free_cleanup) char *index = member(file, "index.json");
        SK_AUTO(free_cleanup) char *marker = member(file, "oci-layout");
        SK_AUTO(free_cleanup) char *docker = member(file, "manifest.json");
        assert_string_equal(marker, "{\"imageLayoutVersion\":\"1.0.0\"}");
        assert_non_null(strstr(index, r.manifest));
        assert_true(!rows[i].full || strstr(index, rows[i].full));
        assert_true(!docker == !rows[i].docker);
        if (!docker)
            continue;
        SK_OWN(sk_json_free) struct sk_json *doc = NULL;
        assert_int_equal(sk_json_parse(docker, strlen(docker), NULL, &doc, &err), 0);
        const struct sk_json *image = sk_json_at(doc, 0);
        assert_string_equal(sk_json_text(sk_json_at(sk_json_get(image, "RepoTags"), 0), ""),
                            rows[i].shown);
        SK_AUTO(free_cleanup)
        char *config = member(file, sk_json_get_text(image, "Config", ""));
        assert_non_null(config);
        assert_int_equal(sk_json_count(sk_json_get(image, "Layers")), 2);
    }
}

/* [package-2] */
static void the_same_bytes(void **state)
{
    (void)state;
    SK_AUTO(free_cleanup) char *layout = at("same");
    SK_AUTO(free_cleanup) char *file = at("same.tar");
    struct sk_pack_result r = { 0 };
    char first[SK_SHA256_HEX], second[SK_SHA256_HEX];
    struct sk_err err = SK_ERR_INIT;

    make_image("same", &r);
    assert_int_equal(sk_pack_archive(layout, r.manifest, "x:v1", true, file, &err), 0);
    assert_int_equal(sk_sha256_file(file, first, &err), 0);
    (void)sleep(1);
    assert_int_equal(sk_pack_archive(layout, r.manifest, "x:v1", true, file, &err), 0);
    assert_int_equal(sk_sha256_file(file, second, &err), 0);
    assert_string_equal(first, second);
}

/* [package-44] What signs the image travels with it. */
static void with_its_signature(void **state)
{
    (void)state;
    SK_AUTO(free_cleanup) char *layout = at("signed");
    SK_AUTO(free_cleanup) char *file = at("signed.tar");
    SK_AUTO(sk_buf_done) struct sk_buf manifest = SK_BUF_INIT(4096), tag = SK_BUF_INIT(256);
    struct sk_pack_result r = { 0 };
    char digest[SK_OCI_DIGEST_TEXT];
    struct sk_err err = SK_ERR_INIT;

    make_image("signed", &r);
    assert_int_equal(sk_pack_blob_bytes(layout, "{}", 2, digest, &err), 0);
    sk_buf_fmt(&manifest,
               "{\"schemaVersion\":2,\"mediaType\":\"" SK_OCI_MANIFEST
               "\",\"config\":{\"mediaType\":\"" SK_OCI_CONFIG
               "\",\"digest\":\"%s\",\"size\":2},\"layers\":[]}",
               digest);
    assert_int_equal(sk_pack_blob_bytes(layout, manifest.data, manifest.len, digest, &err), 0);
    sk_buf_fmt(&tag, "sha256-%s.sig", r.manifest + 7);
    assert_int_equal(
        sk_oci_layout_tag(layout, tag.data, SK_OCI_MANIFEST, digest, manifest.len, &err), 0);
    if (sk_pack_archive(layout, r.manifest, "x:v1", true, file, &err) < 0)
        fail_msg("%s", err.text);
    SK_AUTO(free_cleanup) char *index = member(file, "index.json");
    SK_AUTO(free_cleanup) char *docker = member(file, "manifest.json");
    assert_true(strstr(index, tag.data) && strstr(index, digest));
    assert_null(strstr(docker, digest + 7));
    sk_buf_clear(&tag);
    sk_buf_fmt(&tag, "blobs/sha256/%s", digest + 7);
    SK_AUTO(free_cleanup) char *blob = member(file, tag.data);
    assert_string_equal(blob, manifest.data);
}

/* [package-42] */
static void refused(void **state)
{
    (void)state;
    SK_AUTO(free_cleanup) char *layout = at("broken");
    SK_AUTO(free_cleanup) char *file = at("broken.tar");
    struct sk_pack_result r = { 0 };
    struct sk_err err = SK_ERR_INIT;

    make_image("broken", &r);
    assert_int_equal(sk_pack_archive(layout, r.manifest, "no good", true, file, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    SK_AUTO(free_cleanup) char *layer = sk_oci_layout_blob(layout, r.model_layer);
    assert_int_equal(unlink(layer), 0);
    assert_int_equal(sk_pack_archive(layout, r.manifest, "x:v1", true, file, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_false(sk_is_file(file)); /* nothing half done is left */
    assert_int_equal(sk_pack_archive(layout, r.model_layer, "x:v1", true, file, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(the_same_bytes),
        cmocka_unit_test(with_its_signature),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, make_root, drop_root);
}
