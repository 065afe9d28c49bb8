/* test_blob.c - contents under their digest, whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bundle/folders.h"
#include "harness/alloc_fail.h"
#include "pack/pack_priv.h"

#define HELLO "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

static char *new_layout(const char *name)
{
    struct sk_err err = SK_ERR_INIT;
    char *layout = at(name);
    assert_int_equal(sk_oci_layout_make(layout, &err), 0);
    return layout;
}

static size_t count_blobs(const char *layout)
{
    SK_AUTO(free_cleanup) char *path = sk_path_join(layout, "blobs/sha256");
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_dir_read(path, &dir, &err), 0);
    return dir.count;
}

static void bytes(void **state)
{
    (void)state;
    SK_AUTO(free_cleanup) char *layout = new_layout("bytes");
    SK_AUTO(free_cleanup) char *path = sk_oci_layout_blob(layout, HELLO);
    SK_AUTO(free_cleanup) char *text = NULL;
    char digest[SK_OCI_DIGEST_TEXT];
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;

    for (int i = 0; i < 2; i++) { /* twice is once */
        assert_int_equal(sk_pack_blob_bytes(layout, "hello", 5, digest, &err), 0);
        assert_string_equal(digest, HELLO);
        assert_int_equal(count_blobs(layout), 1);
    }
    assert_int_equal(sk_file_read(path, 100, &text, &len, &err), 0);
    assert_string_equal(text, "hello");
}

static void copies(void **state)
{
    (void)state;
    SK_AUTO(free_cleanup) char *layout = new_layout("copies");
    SK_AUTO(free_cleanup) char *right = at("right");
    SK_AUTO(free_cleanup) char *wrong = at("wrong");
    SK_AUTO(free_cleanup) char *missing = at("missing");
    struct sk_err err = SK_ERR_INIT;

    put("right", "hello");
    put("wrong", "hallo");
    assert_int_equal(sk_pack_blob_copy(layout, wrong, HELLO, &err), -1);
    assert_int_equal(err.code, SK_CORRUPT);
    assert_int_equal(sk_pack_blob_copy(layout, missing, HELLO, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_int_equal(count_blobs(layout), 0);
    assert_int_equal(sk_pack_blob_copy(layout, right, HELLO, &err), 0);
    assert_int_equal(count_blobs(layout), 1);
}

static void given_up(void **state)
{
    (void)state;
    SK_AUTO(free_cleanup) char *layout = new_layout("given-up");
    struct sk_pack_blob_out b = { .file = SK_FILE_OUT_INIT };
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_pack_blob_begin(layout, &b, &err), 0);
    assert_int_equal(sk_pack_blob_put(&b, "hello", 5, &err), 0);
    sk_pack_blob_done(&b);
    assert_int_equal(count_blobs(layout), 0);
}

static int put_one(void *ctx, struct sk_err *err)
{
    char digest[SK_OCI_DIGEST_TEXT];
    return sk_pack_blob_bytes(ctx, "hello", 5, digest, err);
}

static void allocations(void **state)
{
    (void)state;
    SK_AUTO(free_cleanup) char *layout = new_layout("alloc");
    assert_true(sk_alloc_sweep("blob", put_one, layout, 0) >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes),
        cmocka_unit_test(copies),
        cmocka_unit_test(given_up),
        cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests(tests, make_root, drop_root);
}
