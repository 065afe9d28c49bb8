/*
 * test_manifest.c - layers, names of modules, images.
 */
#include "manifest/manifest_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *content;
    bool is_layer;
    const char *modules, *images;
} rows[] = {
    { "{}", false, "", "" },
    { "{\"$edgeAgent\":{}}", true, "", "" },
    { "{\"$edgeAgent\":5}", false, "", "" },
    { "{\"$edgeHub\":{}}", false, "", "" },
    { "{\"$edgeAgent\":{\"properties.desired\":{}}}", false, "", "" },
    { "{\"$edgeHub\":{\"properties.desired.routes.r\":\"x\"}}", true, "", "" },
    { "{\"m\":{\"properties.desired.a\":1}}", false, "m;", "" },
    { "{\"$edgeAgent\":{\"properties.desired\":{\"systemModules\":{\"edgeHub\":{\"settings\":{"
      "\"image\":\"h\"}}},\"modules\":{\"a\":{\"settings\":{\"image\":\"ia\"}},\"b\":{},\"c\":{"
      "\"settings\":{\"image\":\"ic\"}}}}},\"c\":{},\"d\":{}}",
      false, "c;d;a;b;", "edgeHub=h;a=ia;c=ic;" },
    { "{\"$edgeAgent\":{\"properties.desired.modules.x\":{\"settings\":{\"image\":\"ix\"}},"
      "\"properties.desired.modules.y.settings.image\":\"iy\"},\"$edgeHub\":{}}",
      true, "x;y;", "x=ix;y=iy;" },
    { "{\"$edgeAgent\":{\"properties.desired.modules.x\":null}}", true, "", "" },
};

static int add_module(void *ctx, const char *name, struct sk_err *err)
{
    (void)err;
    sk_buf_fmt(ctx, "%s;", name);
    return 0;
}

static int add_image(void *ctx, const char *module, const char *image, struct sk_err *err)
{
    (void)err;
    sk_buf_fmt(ctx, "%s=%s;", module, image);
    return 0;
}

static int stop_module(void *ctx, const char *name, struct sk_err *err)
{
    (void)ctx;
    return sk_fail(err, SK_CANCELLED, "at %s", name);
}

static int stop_image(void *ctx, const char *module, const char *image, struct sk_err *err)
{
    (void)module;
    return stop_module(ctx, image, err);
}

static struct sk_json *parse(const char *text)
{
    struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;

    if (sk_json_parse(text, strlen(text), NULL, &doc, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return doc;
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_OWN(sk_json_free) struct sk_json *doc = parse(rows[i].content);
        SK_AUTO(sk_buf_done) struct sk_buf modules = SK_BUF_INIT(1000);
        SK_AUTO(sk_buf_done) struct sk_buf images = SK_BUF_INIT(1000);
        struct sk_err err = SK_ERR_INIT;

        if (sk_manifest_modules(doc, add_module, &modules, &err) < 0 ||
            sk_manifest_images(doc, add_image, &images, &err) < 0)
            fail_msg("%s: %s", rows[i].content, err.text);
        if (sk_manifest_is_layer(doc) != rows[i].is_layer ||
            strcmp(modules.data ? modules.data : "", rows[i].modules) != 0 ||
            strcmp(images.data ? images.data : "", rows[i].images) != 0)
            fail_msg("%s: '%s' '%s'", rows[i].content, modules.data, images.data);
    }
}

/* What a callback says ends it, and is passed on. */
static void test_stop(void **state)
{
    SK_OWN(sk_json_free) struct sk_json *doc = parse(rows[7].content);
    SK_OWN(sk_json_free) struct sk_json *layer = parse(rows[8].content);
    SK_OWN(sk_json_free) struct sk_json *bad = parse("{\"m\":{\"properties.desired\":5}}");
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_manifest_modules(doc, stop_module, NULL, &err), -1);
    assert_string_equal(err.text, "at c");
    assert_int_equal(sk_manifest_modules(layer, stop_module, NULL, &err), -1);
    assert_string_equal(err.text, "at x");
    assert_int_equal(sk_manifest_images(doc, stop_image, NULL, &err), -1);
    assert_string_equal(err.text, "at h");
    assert_int_equal(sk_manifest_modules(bad, stop_module, NULL, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_int_equal(sk_manifest_images(bad, stop_image, NULL, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
}

static void test_names(void **state)
{
    static const struct {
        const char *name;
        bool is_good;
    } names[] = {
        { "a", true },    { "A-b_9", true },     { "", false },         { "a b", false },
        { "a.b", false }, { "$edgeHub", false }, { "\xc3\xa4", false },
    };

    char longest[SK_MANIFEST_NAME_MAX + 2];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(sk_manifest_is_module_name(names[i].name), names[i].is_good);
    memset(longest, 'a', sizeof(longest));
    longest[SK_MANIFEST_NAME_MAX] = 0;
    assert_true(sk_manifest_is_module_name(longest));
    longest[SK_MANIFEST_NAME_MAX] = 'a';
    longest[SK_MANIFEST_NAME_MAX + 1] = 0;
    assert_false(sk_manifest_is_module_name(longest));
}

static void test_keys(void **state)
{
    char path[] = "a.b..c", *rest = path;
    const char *part;

    (void)state;
    assert_string_equal(sk_manifest_path_of("properties.desired"), "");
    assert_string_equal(sk_manifest_path_of("properties.desired.a.b"), "a.b");
    assert_null(sk_manifest_path_of("properties.desired."));
    assert_null(sk_manifest_path_of("properties.desiredness"));
    assert_null(sk_manifest_path_of("properties"));
    assert_string_equal(sk_manifest_chunk_of("createOptions"), "");
    assert_string_equal(sk_manifest_chunk_of("CREATEOPTIONS07"), "07");
    assert_null(sk_manifest_chunk_of("createOption"));
    assert_null(sk_manifest_chunk_of("createOptions0x"));
    assert_true(sk_manifest_next_part(&rest, &part));
    assert_string_equal(part, "a");
    assert_true(sk_manifest_next_part(&rest, &part));
    assert_false(sk_manifest_next_part(&rest, &part));
    assert_true(sk_manifest_next_part(&rest, &part));
    assert_string_equal(part, "c");
    assert_null(rest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
