/* test_image_source.c - layouts and archives as what is pushed. */
#include "cli_test.h"
#include "image_test.h"

#include "base/file.h"
#include "cli/image_priv.h"
#include "harness/golden.h"

#include <stdlib.h>

static void expect(const char *path, const char *which, const char *digest)
{
    SK_AUTO(sk_cli_source_done) struct sk_cli_source s = { 0 };
    struct sk_err err = SK_ERR_INIT;

    if (sk_cli_source_open(path, which, &s, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(s.digest, digest);
    assert_string_equal(s.media_type, SK_OCI_MANIFEST);
}

static void expect_none(const char *path, enum sk_code code, const char *says)
{
    SK_AUTO(sk_cli_source_done) struct sk_cli_source s = { 0 };
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_cli_source_open(path, NULL, &s, &err), -1);
    if (err.code != code || !strstr(err.text, says))
        fail_msg("%s: %s", sk_code_name(err.code), err.text);
}

/* [oci-71] */
static void sources(void **state)
{
    static const enum image_layer layers[] = { IMAGE_PLAIN };

    char *dir = sk_test_dir();
    SK_OWN(free) char *layout = sk_path_join(dir, "layout");
    SK_OWN(free) char *archive = sk_path_join(dir, "image.tar");
    SK_OWN(free) char *junk = sk_path_join(dir, "junk.tar");
    SK_OWN(free) char *other = sk_path_join(dir, "other.tar");
    SK_OWN(free) char *temp = sk_path_join(dir, "temp");
    SK_AUTO(sk_dir_done) struct sk_dir left = { 0 };
    char digest[SK_OCI_DIGEST_TEXT], command[600];
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_mkdirs(temp, 0700, &err), 0);
    assert_int_equal(setenv("TMPDIR", temp, 1), 0);
    image_test_add(dir, "v1", "amd64", layers, COUNT(layers), digest);
    image_test_archive(dir, "image.tar");
    expect(layout, NULL, digest);
    expect(layout, "v1", digest);
    expect(archive, NULL, digest);
    expect(archive, digest, digest);
    write_text(dir, "junk.tar", "this is no archive, however long one looks at it");
    expect_none(junk, SK_CORRUPT, "junk.tar");
    (void)snprintf(command, sizeof command, "tar -cf '%s' -C '%s' junk.tar", other, dir);
    assert_int_equal(system(command), 0);
    expect_none(other, SK_UNSUPPORTED, "is no archive of an OCI layout");
    expect_none("/nonexistent", SK_NOT_FOUND, "/nonexistent");
    expect_none(temp, SK_NOT_FOUND, "is no OCI image layout");
    assert_int_equal(sk_dir_read(temp, &left, &err), 0);
    assert_int_equal(left.count, 0); /* what was unpacked is gone, also after a failure */
    assert_int_equal(setenv("TMPDIR", "/nonexistent", 1), 0);
    expect_none(archive, SK_NOT_FOUND, "/nonexistent/skerry-push-");
    sk_test_dir_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(sources) };
    return cmocka_run_group_tests_name("image_source", tests, NULL, NULL);
}
