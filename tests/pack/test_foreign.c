/* test_foreign.c - a base from elsewhere is looked at before it is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bundle/folders.h"
#include "pack/pack_priv.h"
#include "pack/small_base.h"

/* A base in root/name, and the same as one file, root/name.tar. */
static void make_base(const char *name, struct sk_pack_result *r)
{
    SK_AUTO(sk_buf_done) struct sk_buf file = SK_BUF_INIT(4096);
    SK_AUTO(free_cleanup) char *layout = at(name);
    const struct sk_pack_own own = small_base();
    struct sk_err err = SK_ERR_INIT;

    sk_buf_fmt(&file, "%s.tar", layout);
    if (sk_pack_base(&own, layout, NULL, r, &err) < 0 ||
        sk_pack_archive(layout, r->manifest, NULL, false, file.data, &err) < 0)
        fail_msg("%s", err.text);
}

/* [package-13] */
static void layouts_and_archives(void **state)
{
    (void)state;

    static const char *const names[] = { "base", "base.tar" };
    struct sk_pack_result r = { 0 };

    make_base("base", &r);
    for (size_t i = 0; i < 2; i++) {
        SK_AUTO(free_cleanup) char *path = at(names[i]);
        SK_AUTO(sk_pack_foreign_done) struct sk_pack_foreign f = { 0 };
        struct sk_err err = SK_ERR_INIT;
        if (sk_pack_foreign_open(path, &f, &err) < 0)
            fail_msg("%s", err.text);
        assert_string_equal(f.layer.digest, r.base_layer);
        assert_string_equal(f.platform, r.platform);
        assert_int_equal(f.layer.bytes, r.base_bytes);
        assert_int_equal(f.layer.unpacked, r.base_unpacked_bytes);
        assert_true(sk_is_file(f.path));
    }
}

/* An image of texts in root/name. */
static void make_layout(const char *name, const char *config, const char *layers)
{
    SK_AUTO(sk_buf_done) struct sk_buf manifest = SK_BUF_INIT(1 << 16);
    SK_AUTO(free_cleanup) char *layout = at(name);
    char digest[SK_OCI_DIGEST_TEXT];
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_oci_layout_make(layout, &err), 0);
    assert_int_equal(sk_pack_blob_bytes(layout, config, strlen(config), digest, &err), 0);
    sk_buf_fmt(&manifest,
               "{\"schemaVersion\":2,\"mediaType\":\"" SK_OCI_MANIFEST
               "\",\"config\":{\"mediaType\":\"" SK_OCI_CONFIG
               "\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[%s]}",
               digest, strlen(config), layers);
    assert_int_equal(sk_pack_blob_bytes(layout, manifest.data, manifest.len, digest, &err), 0);
    assert_int_equal(sk_oci_layout_tag(layout, "x", SK_OCI_MANIFEST, digest, manifest.len, &err),
                     0);
}

#define HEX         "0000000000000000000000000000000000000000000000000000000000000000"
#define LAYER       "{\"mediaType\":\"" SK_OCI_LAYER "\",\"digest\":\"sha256:" HEX "\",\"size\":1}"
#define ROOTFS(ids) "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[" ids "]}"

/* [package-13] */
static void refused(void **state)
{
    (void)state;

    static const struct {
        const char *name, *config, *layers;
        enum sk_code code;
        const char *text;
    } rows[] = {
        { "no layer", "{}", "", SK_INVALID, "a base has one layer" },
        { "two layers", "{}", LAYER "," LAYER, SK_INVALID, "a base has one layer" },
        { "another layer", "{}",
          "{\"mediaType\":\"application/x-thing\",\"digest\":\"sha256:" HEX "\",\"size\":1}",
          SK_INVALID, "its layer is application/x-thing" },
        { "another digest", "{}",
          "{\"mediaType\":\"" SK_OCI_LAYER "\",\"digest\":\"sha512:" HEX HEX "\",\"size\":1}",
          SK_UNSUPPORTED, "with sha256 only" },
        { "no diff_id", "{\"os\":\"linux\",\"architecture\":\"amd64\"}", LAYER, SK_INVALID,
          "diff_id" },
        { "a wrong diff_id",
          "{\"os\":\"linux\",\"architecture\":\"amd64\"," ROOTFS("\"sha256:1\"") "}", LAYER,
          SK_INVALID, "diff_id" },
        { "Windows",
          "{\"os\":\"windows\",\"architecture\":\"amd64\"," ROOTFS("\"sha256:" HEX "\"") "}", LAYER,
          SK_INVALID, "windows/amd64" },
        { "no architecture", "{\"os\":\"linux\"," ROOTFS("\"sha256:" HEX "\"") "}", LAYER,
          SK_INVALID, "linux/" },
        { "a strange architecture",
          "{\"os\":\"linux\",\"architecture\":\"../x\"," ROOTFS("\"sha256:" HEX "\"") "}", LAYER,
          SK_INVALID, "linux/../x" },
        { "no JSON", "{", LAYER, SK_INVALID, "line 1" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_pack_foreign_done) struct sk_pack_foreign f = { 0 };
        SK_AUTO(free_cleanup) char *path = at(rows[i].name);
        struct sk_err err = SK_ERR_INIT;
        make_layout(rows[i].name, rows[i].config, rows[i].layers);
        if (sk_pack_foreign_open(path, &f, &err) == 0 || err.code != rows[i].code ||
            !strstr(err.text, rows[i].text) || !strstr(err.text, "base '"))
            fail_msg("%s: %s %s", rows[i].name, sk_code_name(err.code), err.text);
    }
}

/* [package-13] Its blobs are compared with their digests. */
static void forged(void **state)
{
    (void)state;
    SK_AUTO(free_cleanup) char *layout = at("forged");
    SK_AUTO(free_cleanup) char *target = at("target");
    SK_AUTO(sk_pack_foreign_done) struct sk_pack_foreign f = { 0 };
    struct sk_pack_result r = { 0 };
    struct sk_err err = SK_ERR_INIT;

    make_base("forged", &r);
    SK_AUTO(free_cleanup) char *layer = sk_oci_layout_blob(layout, r.base_layer);
    assert_int_equal(truncate(layer, 100), 0);
    assert_int_equal(sk_pack_foreign_open(layout, &f, &err), 0);
    assert_int_equal(sk_oci_layout_make(target, &err), 0);
    assert_int_equal(sk_pack_blob_copy(target, f.path, f.layer.digest, &err), -1);
    assert_int_equal(err.code, SK_CORRUPT);
    SK_AUTO(free_cleanup) char *config = sk_oci_layout_blob(layout, r.config);
    assert_int_equal(truncate(config, 10), 0);
    sk_pack_foreign_done(&f);
    assert_int_equal(sk_pack_foreign_open(layout, &f, &err), -1);
    assert_int_equal(err.code, SK_CORRUPT);
}

static void what_is_none(void **state)
{
    (void)state;
    SK_AUTO(free_cleanup) char *empty = at("empty-folder");
    SK_AUTO(free_cleanup) char *text = at("text");
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_mkdirs(empty, 0700, &err), 0);
    put("text", "no archive");

    const struct {
        const char *path;
        enum sk_code code;
    } rows[] = {
        { empty, SK_NOT_FOUND },
        { text, SK_CORRUPT },
        { "/nonexistent", SK_NOT_FOUND },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_pack_foreign_done) struct sk_pack_foreign f = { 0 };
        assert_int_equal(sk_pack_foreign_open(rows[i].path, &f, &err), -1);
        if (err.code != rows[i].code)
            fail_msg("%s: %s", rows[i].path, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts_and_archives),
        cmocka_unit_test(refused),
        cmocka_unit_test(forged),
        cmocka_unit_test(what_is_none),
    };
    return cmocka_run_group_tests(tests, make_root, drop_root);
}
