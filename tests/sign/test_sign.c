/* test_sign.c - signatures become an image in a layout. */
#include "sign/sign_priv.h"

#include "sign/folder.h"
#include "json/json.h"

#include <string.h>

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct sk_json *read_json(const char *layout, const char *digest)
{
    SK_OWN(free) char *path = sk_oci_layout_blob(layout, digest);
    struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;

    if (!path || sk_json_file(path, &doc, &err) < 0)
        fail_msg("%s", err.text);
    return doc;
}

/* Each signature of the image holds, and config and layers agree. */
static void check_layers(struct sk_verifier *v, const char *layout, const struct sk_json *manifest,
                         size_t count)
{
    const struct sk_json *layers = sk_json_get(manifest, "layers");
    SK_OWN(sk_json_free)
    struct sk_json *config = read_json(
        layout, sk_json_get_text(sk_json_get(manifest, "config"), "digest", ""));
    const struct sk_json *ids = sk_json_get(sk_json_get(config, "rootfs"), "diff_ids");

    assert_int_equal(sk_json_count(layers), count);
    assert_int_equal(sk_json_count(ids), count);
    for (size_t i = 0; i < count; i++) {
        const struct sk_json *layer = sk_json_at(layers, i);
        const char *digest = sk_json_get_text(layer, "digest", "");
        const char *sig = sk_json_get_text(sk_json_get(layer, "annotations"), SK_SIGN_ANNOTATION,
                                           "");
        SK_OWN(free) char *path = sk_oci_layout_blob(layout, digest);
        SK_OWN(free) char *payload = NULL;
        struct sk_err err = SK_ERR_INIT;
        size_t len = 0;

        assert_string_equal(sk_json_text(sk_json_at(ids, i), ""), digest);
        assert_string_equal(sk_json_get_text(layer, "mediaType", ""), SK_SIGN_LAYER_TYPE);
        assert_int_equal(sk_file_read(path, SK_SIGN_BLOB_MAX, &payload, &len, &err), 0);
        if (sk_verify_payload(v, payload, len, sig, DIGEST, &err) < 0)
            fail_msg("layer %zu: %s", i, err.text);
    }
}

static void signatures_add_up(void **state)
{
    SK_AUTO(folder_done) struct folder f;
    SK_OWN(sk_signer_free) struct sk_signer *a = NULL;
    SK_OWN(sk_signer_free) struct sk_signer *b = NULL;
    SK_OWN(sk_verifier_free) struct sk_verifier *v = NULL;
    struct sk_err err = SK_ERR_INIT;
    char type[128], digest[SK_OCI_DIGEST_TEXT], tag[80];

    (void)state;
    folder_make(&f);

    const char *layout = folder_at(&f, "layout");
    const char *const pubs[] = { folder_at(&f, "a.pub"), folder_at(&f, "b.pub") };
    struct sk_signer **const signers[] = { &a, &b };

    assert_int_equal(sk_sign_make_keys(folder_at(&f, "a"), NULL, &err), 0);
    assert_int_equal(sk_sign_make_keys(folder_at(&f, "b"), NULL, &err), 0);
    assert_int_equal(sk_signer_open(folder_at(&f, "a.key"), NULL, &a, &err), 0);
    assert_int_equal(sk_signer_open(folder_at(&f, "b.key"), NULL, &b, &err), 0);
    assert_int_equal(sk_verifier_open(pubs, 2, &v, &err), 0);
    sk_sign_tag(DIGEST, tag);
    for (size_t i = 0; i < 2; i++) {
        if (sk_sign_layout(*signers[i], layout, "host/repo", DIGEST, &err) < 0 ||
            sk_oci_layout_find(layout, tag, type, digest, &err) < 0)
            fail_msg("signature %zu: %s", i, err.text);
        assert_string_equal(type, SK_OCI_MANIFEST);

        SK_OWN(sk_json_free) struct sk_json *manifest = read_json(layout, digest);

        check_layers(v, layout, manifest, i + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(signatures_add_up) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
