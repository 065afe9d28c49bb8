/* test_layout.c - image layouts: what is added, what stays, what is refused. */
#include "oci/server.h"

#include "base/file.h"
#include "harness/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void expect(const char *dir, const char *tag, const char *digest)
{
    char type[128], found[SK_OCI_DIGEST_TEXT];
    struct sk_err err = SK_ERR_INIT;

    if (sk_oci_layout_find(dir, tag, type, found, &err) < 0)
        fail_msg("%s: %s", tag ? tag : "(any)", err.text);
    assert_string_equal(found, digest);
    assert_string_equal(type, SK_OCI_MANIFEST);
}

static void expect_none(const char *dir, const char *tag, enum sk_code code, const char *says)
{
    char type[128], found[SK_OCI_DIGEST_TEXT];
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_oci_layout_find(dir, tag, type, found, &err), -1);
    if (err.code != code || !strstr(err.text, says))
        fail_msg("%s: %s", sk_code_name(err.code), err.text);
}

static void tag(const char *dir, const char *name, const char *digest)
{
    struct sk_err err = SK_ERR_INIT;

    if (sk_oci_layout_tag(dir, name, SK_OCI_MANIFEST, digest, 7, &err) < 0)
        fail_msg("%s", err.text);
}

/* [oci-70] */
static void tags(void **state)
{
    SK_OWN(free) char *dir = sk_path_join(*state, "new/layout");
    SK_OWN(free) char *blob = sk_oci_layout_blob(dir, A);
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_oci_layout_make(dir, &err), 0);
    assert_true(sk_ends_with(blob,
                             "new/layout/blobs/sha256/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                             "aaaaaaaaaaaaaaaaaaaaaaaa"));
    expect_none(dir, NULL, SK_NOT_FOUND, "has no image");
    tag(dir, "v1", A);
    expect(dir, NULL, A);
    expect(dir, "v1", A);
    expect(dir, A, A);
    tag(dir, "v2", A);
    expect(dir, NULL, A); /* two names of one image */
    tag(dir, "sha256-aaaa.sig", B);
    expect(dir, NULL, A); /* a signature is no second image */
    expect(dir, "sha256-aaaa.sig", B);
    tag(dir, "v2", B);
    expect(dir, "v2", B);
    expect(dir, "v1", A);
    expect_none(dir, NULL, SK_INVALID, "has 2 images");
    expect_none(dir, "v3", SK_NOT_FOUND, "has no image 'v3'");
    tag(dir, NULL, B);
    tag(dir, NULL, B);
    assert_int_equal(sk_oci_layout_make(dir, &err), 0); /* opens what is there */
    expect(dir, "v2", B);
    assert_int_equal(sk_oci_layout_tag(dir, "x", "a/b", "sha256:1", 1, &err), -1);
}

/* What others wrote stays. */
static void foreign_entries(void **state)
{
    SK_OWN(free) char *text = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;

    assert_int_equal(sk_oci_layout_make(*state, &err), 0);
    const char *path = oci_file(
        *state, "index.json",
        "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"a/b\",\"digest\":\"" B
        "\",\"size\":1,\"platform\":{\"os\":\"x\"},\"annotations\":{\"k\":\"v\"}}]}");
    tag(*state, "v1", A);
    assert_int_equal(sk_file_read(path, 10000, &text, &len, &err), 0);
    assert_non_null(strstr(text, "\"platform\":{\"os\":\"x\"}"));
    assert_non_null(strstr(text, "{\"k\":\"v\"}"));
}

static void broken(void **state)
{
    static const struct {
        const char *file, *text, *says;
        enum sk_code code;
    } rows[] = {
        { "oci-layout", "{\"imageLayoutVersion\":\"2.0.0\"}", "is not 1.0.0", SK_UNSUPPORTED },
        { "oci-layout", "{", "oci-layout", SK_INVALID },
        { "index.json", "{}", "'manifests' is no array", SK_INVALID },
        { "index.json", "{\"manifests\":[{\"digest\":\"" A "\"}]}", "no mediaType or digest",
          SK_INVALID },
        { "index.json", "{\"manifests\":[{\"mediaType\":\"a/b\",\"digest\":\"sha256:../../x\"}]}",
          "no mediaType or digest", SK_INVALID },
    };
    struct sk_err err = SK_ERR_INIT;

    expect_none(*state, NULL, SK_NOT_FOUND, "is no OCI image layout");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)oci_file(*state, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
        (void)oci_file(*state, "index.json", "{\"manifests\":[]}");
        (void)oci_file(*state, rows[i].file, rows[i].text);
        expect_none(*state, NULL, rows[i].code, rows[i].says);
    }
    (void)oci_file(*state, "oci-layout", "{\"imageLayoutVersion\":\"2.0.0\"}");
    assert_int_equal(sk_oci_layout_make(*state, &err), -1);
}

static int make_and_tag(void *ctx, struct sk_err *err)
{
    char type[128], found[SK_OCI_DIGEST_TEXT];

    if (sk_oci_layout_make(ctx, err) < 0 ||
        sk_oci_layout_tag(ctx, "v1", SK_OCI_MANIFEST, A, 7, err) < 0)
        return -1;
    return sk_oci_layout_find(ctx, "v1", type, found, err);
}

static void out_of_memory(void **state)
{
    assert_true(sk_alloc_sweep("layout", make_and_tag, *state, 0) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tags, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(foreign_entries, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(broken, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(out_of_memory, oci_surround, oci_unsurround),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
