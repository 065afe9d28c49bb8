/* test_pack.c - an image from a bundle: its parts fit together, and the same input gives the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bundle/folders.h"
#include "harness/alloc_fail.h"
#include "pack/pack_priv.h"
#include "pack/small_base.h"
#include "json/json.h"

#include <fcntl.h>
#include <sys/stat.h>

static int pack(const struct sk_pack_options *with, const char *bundle, const char *layout,
                struct sk_pack_result *out, struct sk_err *err)
{
    SK_AUTO(free_cleanup) char *from = at(bundle);
    SK_AUTO(free_cleanup) char *to = at(layout);
    struct sk_pack_options o = *with;

    o.bundle = from;
    o.layout = to;
    o.own = small_base();
    return sk_pack(&o, out, err);
}

/* A JSON blob of a layout. */
static struct sk_json *read_blob(const char *layout, const char *digest)
{
    SK_AUTO(free_cleanup) char *folder = at(layout);
    SK_AUTO(free_cleanup) char *path = sk_oci_layout_blob(folder, digest);
    struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;

    if (sk_json_file(path, &doc, &err) < 0)
        fail_msg("%s", err.text);
    return doc;
}

/* Every blob has the digest that it is called after. */
static void check_blobs(const char *layout)
{
    SK_AUTO(free_cleanup) char *folder = at(layout);
    SK_AUTO(free_cleanup) char *blobs = sk_path_join(folder, "blobs/sha256");
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    struct sk_err err = SK_ERR_INIT;
    char hex[SK_SHA256_HEX];

    assert_int_equal(sk_dir_read(blobs, &dir, &err), 0);
    assert_int_equal(dir.count, 4);
    for (size_t i = 0; i < dir.count; i++) {
        SK_AUTO(free_cleanup) char *path = sk_path_join(blobs, dir.names[i]);
        assert_int_equal(sk_sha256_file(path, hex, &err), 0);
        assert_string_equal(hex, dir.names[i]);
    }
}

static const char *label(const struct sk_json *config, const char *key)
{
    return sk_json_get_text(sk_json_get(sk_json_get(config, "config"), "Labels"), key, "");
}

/* [package-1] [package-30] [package-31] */
static void an_image(void **state)
{
    (void)state;
    SK_AUTO(free_cleanup) char *folder = at("image");
    struct sk_pack_result r = { 0 };
    const struct sk_pack_options o = { .tag = "v1", .version = "3", .labels = NULL };
    char media_type[128], digest[SK_OCI_DIGEST_TEXT];
    struct sk_err err = SK_ERR_INIT;

    put("m/model.onnx", NULL);
    put("m/skerry.json", "{\"name\":\"cats\",\"description\":\"finds cats\"}");
    if (pack(&o, "m", "image", &r, &err) < 0)
        fail_msg("%s", err.text);
    check_blobs("image");
    assert_int_equal(sk_oci_layout_find(folder, "v1", media_type, digest, &err), 0);
    assert_string_equal(digest, r.manifest);
    assert_string_equal(r.model_path, "/models/cats");

    SK_OWN(sk_json_free) struct sk_json *manifest = read_blob("image", r.manifest);
    SK_OWN(sk_json_free) struct sk_json *config = read_blob("image", r.config);
    const struct sk_json *layers = sk_json_get(manifest, "layers");
    const struct sk_json *ids = sk_json_get(sk_json_get(config, "rootfs"), "diff_ids");
    assert_string_equal(sk_json_get_text(sk_json_get(manifest, "config"), "digest", ""), r.config);
    assert_int_equal(sk_json_count(layers), 2);
    assert_string_equal(sk_json_get_text(sk_json_at(layers, 0), "digest", ""), r.base_layer);
    assert_string_equal(sk_json_get_text(sk_json_at(layers, 1), "digest", ""), r.model_layer);
    assert_string_equal(sk_json_text(sk_json_at(ids, 1), ""), r.model_layer);
    assert_string_equal(label(config, "skerry.bundle"), "1");
    assert_string_equal(label(config, "skerry.model.name"), "cats");
    assert_string_equal(label(config, "skerry.model.version"), "3");
    assert_string_equal(label(config, "org.opencontainers.image.description"), "finds cats");
    assert_true(sk_digest_is(label(config, "skerry.model.digest"), SK_SHA256));
    assert_string_equal(
        sk_json_get_text(sk_json_get(manifest, "annotations"), "skerry.model.name", ""), "cats");
}

/* [package-30] The model layer is the bundle, and unpacks to it. */
static void the_model_layer(void **state)
{
    (void)state;
    SK_AUTO(free_cleanup) char *folder = at("layer");
    SK_AUTO(free_cleanup) char *out = at("unpacked");
    struct sk_pack_result r = { 0 };
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };

    put("n/model.onnx", NULL);
    put("n/extra/notes.txt", "text");
    assert_int_equal(pack(&(struct sk_pack_options){ 0 }, "n", "layer", &r, &err), 0);
    SK_AUTO(free_cleanup) char *path = sk_oci_layout_blob(folder, r.model_layer);
    SK_AUTO(sk_close) int fd = open(path, O_RDONLY);
    assert_int_equal(sk_mkdirs(out, 0700, &err), 0);
    assert_int_equal(sk_tar_unpack(fd, NULL, "models", out, false, &err), 0);
    assert_int_equal(sk_dir_read(out, &dir, &err), 0);
    assert_int_equal(dir.count, 1); /* one folder, as `skerry pull --model-only` expects */
    assert_string_equal(dir.names[0], "n");
    SK_AUTO(free_cleanup) char *notes = at("unpacked/n/extra/notes.txt");
    assert_true(sk_is_file(notes));
}

/* [package-2] */
static void the_same_digest(void **state)
{
    (void)state;
    struct sk_pack_result a = { 0 }, b = { 0 }, c = { 0 };
    const struct sk_pack_options o = { .name = "same", .tag = "v1" };
    struct sk_err err = SK_ERR_INIT;
    mode_t before = umask(077);

    put("here/model.onnx", NULL);
    put("here/config.json", "{}");
    assert_int_equal(pack(&o, "here", "one", &a, &err), 0);
    (void)umask(0);
    (void)sleep(1);
    put("there/below/config.json", "{}"); /* another order, folder, umask, time */
    put("there/below/model.onnx", NULL);
    assert_int_equal(pack(&o, "there/below", "two", &b, &err), 0);
    (void)umask(before);
    assert_string_equal(a.manifest, b.manifest);
    assert_true(b.base_was_cached);
    assert_string_equal(a.base_layer, b.base_layer);
    put("there/below/config.json", "{ }");
    assert_int_equal(pack(&o, "there/below", "two", &c, &err), 0);
    assert_string_not_equal(c.manifest, b.manifest);
    assert_string_equal(c.base_layer, b.base_layer);
}

/* [package-13] */
static void another_base(void **state)
{
    (void)state;
    SK_AUTO(free_cleanup) char *base = at("base");
    struct sk_pack_result own = { 0 }, made = { 0 }, from = { 0 };
    const struct sk_pack_own parts = small_base();
    struct sk_err err = SK_ERR_INIT;

    put("b/model.onnx", NULL);
    assert_int_equal(pack(&(struct sk_pack_options){ 0 }, "b", "by-own", &own, &err), 0);
    if (sk_pack_base(&parts, base, "base", &made, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(made.model_layer, "");
    const struct sk_pack_options o = { .base = base, .platform = own.platform };
    if (pack(&o, "b", "by-base", &from, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(from.manifest, own.manifest);
    const struct sk_pack_options other = { .base = base, .platform = "linux/mips" };
    assert_int_equal(pack(&other, "b", "by-base", &from, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_non_null(strstr(err.text, "the base is for linux/"));
}

static void refused(void **state)
{
    (void)state;
    static const char *const bad_label[] = { "nothing", NULL };

    static const struct {
        const char *name, *bundle;
        struct sk_pack_options o;
        enum sk_code code;
        const char *text;
    } rows[] = {
        { "no bundle", "missing", { 0 }, SK_NOT_FOUND, "does not exist" },
        { "a time", "r", { .created = "now" }, SK_INVALID, "'now' is no time" },
        { "a port", "r", { .port = 65536 }, SK_INVALID, "no port" },
        { "a label", "r", { .labels = bad_label }, SK_INVALID, "KEY=VALUE" },
        { "a platform", "r", { .platform = "linux/mips" }, SK_INVALID, "'skerry image base'" },
        { "a base", "r", { .base = "/etc/passwd" }, SK_CORRUPT, "base '/etc/passwd'" },
        { "a pipe", "p", { 0 }, SK_INVALID, "not a regular file" },
    };

    SK_AUTO(free_cleanup) char *fifo = at("p/pipe");

    put("r/model.onnx", NULL);
    put("p/model.onnx", NULL);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_pack_result r = { 0 };
        struct sk_err err = SK_ERR_INIT;
        if (pack(&rows[i].o, rows[i].bundle, "refused", &r, &err) == 0 ||
            err.code != rows[i].code || !strstr(err.text, rows[i].text))
            fail_msg("%s: %s %s", rows[i].name, sk_code_name(err.code), err.text);
    }
}

/* [package-33] The digest in the labels is that of the files in the layer. */
static void a_bundle_that_changes(void **state)
{
    (void)state;
    SK_AUTO(free_cleanup) char *folder = at("changing");
    SK_AUTO(free_cleanup) char *layout = at("changed");
    struct sk_pack_result r = { 0 };
    struct sk_err err = SK_ERR_INIT;

    put("changing/model.onnx", NULL);
    const struct sk_pack_options o = { .signature = sk_bundle_signature(folder) };
    assert_int_equal(pack(&o, "changing", "unchanged", &r, &err), 0);
    put("changing/config.json", "{}");
    assert_int_equal(pack(&o, "changing", "changed", &r, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    assert_non_null(strstr(err.text, "changed while it was packed"));
    assert_false(sk_is_dir(layout)); /* [package-46] */
}

static void odd_names(void **state)
{
    (void)state;

    static const struct {
        const char *name, *path;
    } rows[] = {
        { "a b/c", "/models/a_b_c" },
        { "..", "/models/_." },
        { ".x", "/models/_x" },
    };

    put("o/model.onnx", NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct sk_pack_options o = { .name = rows[i].name };
        struct sk_pack_result r = { 0 };
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(pack(&o, "o", "odd", &r, &err), 0);
        assert_string_equal(r.model_path, rows[i].path);
    }
}

/* ---- every allocation ---- */

static int pack_again(void *ctx, struct sk_err *err)
{
    const struct sk_pack_options *o = ctx;
    struct sk_pack_result r;
    return sk_pack(o, &r, err);
}

/* With a base of one small file, so that thousands of runs take no time. */
static void allocations(void **state)
{
    (void)state;
    SK_AUTO(free_cleanup) char *base = at("tiny-base");
    SK_AUTO(free_cleanup) char *bundle = at("sweep");
    SK_AUTO(free_cleanup) char *layout = at("swept");
    const struct sk_pack_layer layer = {
        SK_OCI_LAYER, "", "sha256:0000000000000000000000000000000000000000000000000000000000000000",
        4, 4
    };
    static const char *const labels[] = { "team=vision", NULL };
    struct sk_pack_layer layers[] = { layer };
    const struct sk_pack_labels none = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf config = SK_BUF_INIT(4096), manifest = SK_BUF_INIT(4096);
    char digest[SK_OCI_DIGEST_TEXT];
    struct sk_err err = SK_ERR_INIT;

    put("sweep/model.onnx", NULL);
    put("sweep/d/x", "x");
    assert_int_equal(sk_oci_layout_make(base, &err), 0);
    assert_int_equal(sk_pack_blob_bytes(base, "base", 4, layers[0].digest, &err), 0);
    const struct sk_pack_image image = { "amd64", "x", NULL, &none, layers, 1, 5001 };
    sk_pack_image_config(&image, &config);
    assert_int_equal(sk_pack_blob_bytes(base, config.data, config.len, digest, &err), 0);
    sk_pack_image_manifest(&image, digest, config.len, &manifest);
    assert_int_equal(sk_pack_blob_bytes(base, manifest.data, manifest.len, digest, &err), 0);
    assert_int_equal(sk_oci_layout_tag(base, NULL, SK_OCI_MANIFEST, digest, manifest.len, &err), 0);
    struct sk_pack_options o = {
        .bundle = bundle, .layout = layout, .base = base, .tag = "v1", .labels = labels
    };
    assert_true(sk_alloc_sweep("pack", pack_again, &o, SK_ALLOC_MAY_SURVIVE) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image),
        cmocka_unit_test(the_model_layer),
        cmocka_unit_test(the_same_digest),
        cmocka_unit_test(another_base),
        cmocka_unit_test(refused),
        cmocka_unit_test(odd_names),
        cmocka_unit_test(a_bundle_that_changes),
        cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests(tests, make_root, drop_root);
}
