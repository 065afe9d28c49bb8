/* test_files.c - which files belong to a bundle. */
#include "catalog/catalog.h"

#include "harness/golden.h"

#include "catalog/folder.h"

#include <unistd.h>

static void folder_of_a_training(void **state)
{
    static const char *const names[] = { "config.json", "model.onnx", "sub/more.txt" };
    SK_AUTO(folder_done) struct folder f;
    SK_AUTO(sk_catalog_files_done) struct sk_catalog_files files = { 0 };
    struct sk_err err = SK_ERR_INIT;
    char digest[72];

    (void)state;
    folder_make(&f);
    folder_put_model(&f, "model.onnx");
    folder_put(&f, "config.json", "{}", 2);
    folder_put(&f, "sub/more.txt", "abc", 3);
    folder_put(&f, ".lock", "", 0);
    folder_put(&f, ".git/HEAD", "x", 1);
    folder_put(&f, "checkpoint.safetensors", "x", 1);
    folder_put(&f, "checkpoint.safetensors.a1B2c3", "x", 1);
    if (sk_catalog_files_read(f.path, &files, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(files.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(files.items[i].name, names[i]);
    /* printf abc | sha256sum */
    assert_string_equal(files.items[2].digest,
                        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(files.items[2].size, 3);
    assert_int_equal(files.bytes, files.items[0].size + files.items[1].size + 3);

    /* sha256sum of the lines "<digest>  <name>", by hand below. */
    char lines[512], hex[72];
    (void)snprintf(lines, sizeof(lines), "%s  config.json\n%s  model.onnx\n%s  sub/more.txt\n",
                   files.items[0].digest, files.items[1].digest, files.items[2].digest);
    folder_put(&f, "lines", lines, strlen(lines));
    assert_int_equal(sk_catalog_digest(&files, digest, &err), 0);

    SK_AUTO(sk_catalog_files_done) struct sk_catalog_files again = { 0 };
    assert_int_equal(sk_catalog_files_read(f.path, &again, &err), 0);
    (void)snprintf(hex, sizeof(hex), "%s", again.items[1].digest);
    assert_string_equal(again.items[1].name, "lines");
    assert_string_equal(digest, hex);
}

static void lone_model(void **state)
{
    static const struct {
        const char *model;
        size_t count;
    } rows[] = { { "tests/data/models/scores.onnx", 1 }, { "tests/data/models/external.onnx", 2 } };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        SK_AUTO(sk_catalog_files_done) struct sk_catalog_files files = { 0 };
        struct sk_err err = SK_ERR_INIT;

        if (sk_catalog_files_read(sk_source_path(rows[i].model), &files, &err) < 0)
            fail_msg("%s: %s", rows[i].model, err.text);
        assert_int_equal(files.count, rows[i].count);
    }
}

static void links(void **state)
{
    SK_AUTO(folder_done) struct folder f;
    SK_AUTO(sk_catalog_files_done) struct sk_catalog_files files = { 0 };
    struct sk_catalog_files none = { 0 };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    folder_make(&f);
    folder_put_model(&f, "model.onnx");
    assert_int_equal(symlink("model.onnx", folder_at(&f, "same.onnx")), 0);
    assert_int_equal(sk_catalog_files_read(f.path, &files, &err), 0);
    assert_int_equal(files.count, 2);
    assert_string_equal(files.items[0].digest, files.items[1].digest);

    static const struct {
        const char *to, *says;
        enum sk_code code;
    } rows[] = {
        { "/etc/passwd", "leads out", SK_INVALID },
        { "..", "leads out", SK_INVALID },
        { "nowhere", "nowhere", SK_NOT_FOUND },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(symlink(rows[i].to, folder_at(&f, "nowhere.txt")), 0);
        if (sk_catalog_files_read(f.path, &none, &err) != -1 || err.code != rows[i].code ||
            !strstr(err.text, rows[i].says))
            fail_msg("%s: code %d, %s", rows[i].to, err.code, err.text);
        assert_int_equal(unlink(folder_at(&f, "nowhere.txt")), 0);
    }
    assert_int_equal(mkfifo(folder_at(&f, "pipe"), 0600), 0);
    assert_int_equal(sk_catalog_files_read(f.path, &none, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
}

/* [catalog-8] [catalog-9] */
static void not_published(void **state)
{
    static const struct {
        const char *name, *text, *says;
    } rows[] = {
        { "sub/key.pem", "-----BEGIN PRIVATE KEY-----\n", "'sub/key.pem' has a private key" },
        { "caf\xe9.txt", "x", "is not UTF-8" },
        { "sub/\xff", "x", "is not UTF-8" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_AUTO(folder_done) struct folder f;
        SK_AUTO(sk_catalog_files_done) struct sk_catalog_files files = { 0 };
        struct sk_err err = SK_ERR_INIT;

        folder_make(&f);
        folder_put_model(&f, "model.onnx");
        folder_put(&f, rows[i].name, rows[i].text, strlen(rows[i].text));
        assert_int_equal(sk_catalog_files_read(f.path, &files, &err), -1);
        assert_int_equal(err.code, SK_INVALID);
        if (!strstr(err.text, rows[i].says))
            fail_msg("%s: %s", rows[i].name, err.text);
    }
}

static void nothing(void **state)
{
    SK_AUTO(folder_done) struct folder f;
    struct sk_catalog_files none = { 0 };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    folder_make(&f);
    assert_int_equal(sk_catalog_files_read(f.path, &none, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_int_equal(sk_catalog_files_read(folder_at(&f, "none"), &none, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
}

/* Another file under a name that is there, and under one that is not. */
static void files_are_put(void **state)
{
    static const char *const names[] = { "config.json", "model.onnx", "skerry.json" };
    SK_AUTO(folder_done) struct folder f;
    SK_AUTO(folder_done) struct folder other;
    SK_AUTO(sk_catalog_files_done) struct sk_catalog_files files = { 0 };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    folder_make(&f);
    folder_make(&other);
    folder_put_model(&f, "model.onnx");
    folder_put(&f, "config.json", "{}", 2);
    folder_put(&other, "abc", "abc", 3);
    SK_OWN(free) char *path = strdup(folder_at(&other, "abc"));
    assert_int_equal(sk_catalog_files_read(f.path, &files, &err), 0);
    const uint64_t bytes = files.bytes;
    assert_int_equal(sk_catalog_files_put(&files, "skerry.json", path, &err), 0);
    assert_int_equal(sk_catalog_files_put(&files, "config.json", path, &err), 0);
    assert_int_equal(files.count, 3);
    assert_int_equal(files.bytes, bytes + 3 + 1);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(files.items[i].name, names[i]);
    for (size_t i = 0; i < 3; i += 2) {
        assert_string_equal(files.items[i].path, path);
        assert_int_equal(files.items[i].size, 3);
        assert_string_equal(
            files.items[i].digest,
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
    assert_int_equal(sk_catalog_files_put(&files, "x", folder_at(&other, "none"), &err), -1);
    assert_int_equal(files.count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_put), cmocka_unit_test(folder_of_a_training),
        cmocka_unit_test(lone_model),    cmocka_unit_test(links),
        cmocka_unit_test(not_published), cmocka_unit_test(nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
