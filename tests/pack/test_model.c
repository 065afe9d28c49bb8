/* test_model.c - which files of a bundle go into the image. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bundle/folders.h"
#include "harness/alloc_fail.h"
#include "pack/pack_priv.h"

#include <fcntl.h>
#include <sys/stat.h>

/* The names, with spaces between. */
static int collect(const char *path, struct sk_buf *out, struct sk_err *err)
{
    SK_AUTO(sk_pack_model_files_done) struct sk_pack_model_files files = { 0 };
    SK_OWN(sk_bundle_free) struct sk_bundle *b = NULL;

    if (sk_bundle_open(path, NULL, &b, err) < 0 ||
        sk_pack_model_collect(path, b, NULL, &files, err) < 0)
        return -1;
    for (size_t i = 0; i < files.count; i++) {
        sk_buf_fmt(out, "%s%s", i ? " " : "", files.items[i].name);
        assert_true(sk_is_file(files.items[i].path));
    }
    return 0;
}

static void link_to(const char *target, const char *name)
{
    SK_AUTO(free_cleanup) char *path = at(name);
    assert_int_equal(symlink(target, path), 0);
}

/* Copies tests/data/models/<name> to root/to. */
static void put_data(const char *name, const char *to)
{
    SK_AUTO(free_cleanup) char *from = sk_path_join("tests/data/models", name);
    SK_AUTO(free_cleanup) char *path = at(to);
    SK_AUTO(free_cleanup) char *bytes = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;

    put(to, "");
    assert_int_equal(sk_file_read(sk_source_path(from), 1 << 20, &bytes, &len, &err), 0);
    assert_int_equal(sk_file_write(path, bytes, len, 0600, &err), 0);
}

/* [package-20] [package-21] [package-22] */
static void what_goes(void **state)
{
    (void)state;

    put("full/model.onnx", NULL);
    put("full/config.json", "{}");
    put("full/preprocessor_config.json", "{}");
    put("full/model.safetensors", "weights");
    put("full/checkpoint.safetensors", "weights");
    put("full/model_fp16.onnx", NULL);
    put("full/model_fp16.onnx_data", "weights");
    put("full/pytorch_model.bin", "weights");
    put("full/.git/config", "secret");
    put("full/.hidden", "secret");
    put("full/extra/README.md", "text");
    put("hub/onnx/model.onnx", NULL);
    put("hub/config.json", "{}");
    put("hub/onnx/model_q4.onnx", NULL);
    put_data("external.onnx", "ext/model.onnx");
    put_data("external.bin", "ext/external.bin");
    put("ext/other.bin", "weights");
    put("lone/cat.onnx", NULL);
    put("lone/config.json", "{}");
    put("lone/holiday.jpg", "mine");
    put("shown/cat.onnx", NULL);
    put("shown/warm.png", "");
    put("shown/test.png", "");
    put("shown/skerry.json", "{\"warmup_image\":\"warm.png\",\"test\":{\"image\":\"test.png\"}}");
    put("once/cat.onnx", NULL);
    put("once/test.png", "");
    put("once/skerry.json", "{\"warmup_image\":\"test.png\",\"test\":{\"image\":\"test.png\"}}");
    put("many/cat.onnx", NULL);
    put("many/dog.onnx", NULL);
    put("many/config.json", "{}");
    put("linked/real.onnx.d/m", NULL);
    put("linked/skerry.json", "{}");
    link_to("real.onnx.d/m", "linked/model.onnx");

    static const struct {
        const char *path, *names;
    } rows[] = {
        { "full", "config.json extra/README.md model.onnx preprocessor_config.json" },
        { "hub", "config.json onnx/model.onnx" },
        { "ext", "external.bin model.onnx" },
        { "ext/model.onnx", "external.bin model.onnx" },
        { "lone/cat.onnx", "cat.onnx config.json" },
        { "shown/cat.onnx", "cat.onnx skerry.json test.png warm.png" },
        { "once/cat.onnx", "cat.onnx skerry.json test.png" },
        { "many/cat.onnx", "cat.onnx" },
        { "linked", "model.onnx real.onnx.d/m skerry.json" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf names = SK_BUF_INIT(4096);
        SK_AUTO(free_cleanup) char *path = at(rows[i].path);
        struct sk_err err = SK_ERR_INIT;
        if (collect(path, &names, &err) < 0)
            fail_msg("%s: %s", rows[i].path, err.text);
        if (strcmp(names.data, rows[i].names) != 0)
            fail_msg("%s: '%s'", rows[i].path, names.data);
    }
}

/* [package-27] Other settings take the place of the bundle's, or are new. */
static void settings_from_elsewhere(void **state)
{
    static const char *const folders[] = { "with", "without" };
    SK_AUTO(free_cleanup) char *other = NULL;

    (void)state;
    put("with/model.onnx", NULL);
    put("with/skerry.json", "{}");
    put("without/model.onnx", NULL);
    put("without/zebra.txt", "");
    put("other/new.json", "{}");
    other = at("other/new.json");
    for (size_t i = 0; i < 2; i++) {
        SK_AUTO(sk_pack_model_files_done) struct sk_pack_model_files files = { 0 };
        SK_OWN(sk_bundle_free) struct sk_bundle *b = NULL;
        SK_AUTO(free_cleanup) char *path = at(folders[i]);
        struct sk_err err = SK_ERR_INIT;
        if (sk_bundle_open(path, NULL, &b, &err) < 0 ||
            sk_pack_model_collect(path, b, other, &files, &err) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(files.count, 2 + i);
        assert_string_equal(files.items[1].name, "skerry.json");
        assert_string_equal(files.items[1].path, other);
    }
}

/* [package-23] */
static void links(void **state)
{
    (void)state;
    SK_AUTO(free_cleanup) char *path = at("out");
    SK_AUTO(free_cleanup) char *other = at("outdir");
    SK_AUTO(free_cleanup) char *fifo = at("pipe/x");
    SK_AUTO(free_cleanup) char *piped = at("pipe");
    SK_AUTO(free_cleanup) char *snapshot = at("models--a--b/snapshots/c0ffee");
    SK_AUTO(sk_buf_done) struct sk_buf names = SK_BUF_INIT(4096);
    struct sk_err err = SK_ERR_INIT;

    put("secret", "key");
    put("out/model.onnx", NULL);
    link_to("../secret", "out/notes.txt");
    assert_int_equal(collect(path, &names, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_non_null(strstr(err.text, "out/notes.txt' is a link out of the bundle"));

    put("outdir/model.onnx", NULL);
    put("elsewhere/secret", "key");
    link_to("../elsewhere", "outdir/folder"); /* a folder by a link is no folder of ours */
    assert_int_equal(collect(other, &names, &err), -1);
    assert_int_equal(err.code, SK_INVALID);

    put("pipe/model.onnx", NULL);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(collect(piped, &names, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_non_null(strstr(err.text, "not a regular file"));

    /* a snapshot of the Hugging Face cache is made of links */
    sk_buf_clear(&names);
    put("models--a--b/blobs/1234", NULL);
    put("models--a--b/blobs/5678", "{}");
    put("models--a--b/snapshots/c0ffee/x", "x");
    link_to("../../blobs/1234", "models--a--b/snapshots/c0ffee/model.onnx");
    link_to("../../blobs/5678", "models--a--b/snapshots/c0ffee/config.json");
    if (collect(snapshot, &names, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(names.data, "config.json model.onnx x");
}

/* [package-24] */
static void limits(void **state)
{
    (void)state;
    SK_AUTO(sk_buf_done) struct sk_buf name = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf names = SK_BUF_INIT(4096);
    SK_AUTO(free_cleanup) char *path = at("deep");
    struct sk_err err = SK_ERR_INIT;

    put("deep/model.onnx", NULL);
    sk_buf_str(&name, "deep");
    for (int i = 0; i < SK_PACK_FOLDERS; i++)
        sk_buf_str(&name, "/d");
    sk_buf_str(&name, "/f");
    put(name.data, "x");
    assert_int_equal(collect(path, &names, &err), 0);
    sk_buf_str(&name, ".d/f");
    put(name.data, "x");
    assert_int_equal(collect(path, &names, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
}

/* [package-24] */
static void too_many_files(void **state)
{
    (void)state;
    SK_AUTO(sk_buf_done) struct sk_buf names = SK_BUF_INIT(1 << 20);
    SK_AUTO(free_cleanup) char *path = at("crowd");
    struct sk_err err = SK_ERR_INIT;

    put("crowd/model.onnx", NULL);
    for (int i = 0; i < SK_PACK_FILES - 1; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf name = SK_BUF_INIT(256);
        sk_buf_fmt(&name, "%s/f%d", path, i);
        assert_int_equal(close(creat(name.data, 0600)), 0);
    }
    assert_int_equal(collect(path, &names, &err), 0);
    put("crowd/one-more", "");
    assert_int_equal(collect(path, &names, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
}

static int collect_again(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_pack_model_files_done) struct sk_pack_model_files files = { 0 };
    const struct sk_bundle *b = ctx;
    return sk_pack_model_collect(b->path, b, NULL, &files, err);
}

static void allocations(void **state)
{
    (void)state;

    static const char *const paths[] = { "sweep", "sweep/model.onnx" };

    put("sweep/model.onnx", NULL);
    put("sweep/d/x", "x");
    for (size_t i = 0; i < 2; i++) {
        SK_AUTO(free_cleanup) char *path = at(paths[i]);
        SK_OWN(sk_bundle_free) struct sk_bundle *b = NULL;
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(sk_bundle_open(path, NULL, &b, &err), 0);
        /* whether it is the only model of its folder is a question that may stay open */
        assert_true(sk_alloc_sweep("collect", collect_again, b, i ? SK_ALLOC_MAY_SURVIVE : 0) > 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_from_elsewhere),
        cmocka_unit_test(what_goes),
        cmocka_unit_test(links),
        cmocka_unit_test(limits),
        cmocka_unit_test(too_many_files),
        cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests(tests, make_root, drop_root);
}
