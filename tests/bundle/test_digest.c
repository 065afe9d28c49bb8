/* test_digest.c - digests of models, what is remembered, and signatures. */
#include "bundle/bundle.h"

#include "crypto/crypto.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "folders.h"

static void digest_of(const char *name, char *hex)
{
    SK_OWN(sk_bundle_free) struct sk_bundle *b = NULL;
    SK_AUTO(free_cleanup) char *path = at(name);
    struct sk_err err = SK_ERR_INIT;

    if (sk_bundle_open(path, NULL, &b, &err) < 0 || sk_bundle_digest(b, hex, &err) < 0)
        fail_msg("%s", err.text);
}

/* [bundle-40] */
static void one_file_has_its_own_sum(void **state)
{
    SK_AUTO(free_cleanup) char *path = at("m/net.onnx");
    char hex[SK_SHA256_HEX], again[SK_SHA256_HEX], sum[SK_SHA256_HEX];
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    put("m/net.onnx", NULL);
    assert_int_equal(sk_sha256_file(path, sum, &err), 0);
    digest_of("m", hex);
    digest_of("m/net.onnx", again);
    assert_string_equal(hex, sum);
    assert_string_equal(again, sum);
}

static void copy_external(const char *folder)
{
    static const char *const names[] = { "external.onnx", "external.bin" };

    for (int i = 0; i < 2; i++) {
        SK_AUTO(free_cleanup) char *bytes = NULL;
        SK_AUTO(free_cleanup) char *to = NULL;
        char from[64], name[64];
        struct sk_err err = SK_ERR_INIT;
        size_t len;

        (void)snprintf(from, sizeof(from), "tests/data/models/%s", names[i]);
        (void)snprintf(name, sizeof(name), "%s/%s", folder, names[i]);
        put(name, "");
        to = at(name);
        if (sk_file_read(sk_source_path(from), 1 << 20, &bytes, &len, &err) < 0 ||
            sk_file_write(to, bytes, len, 0600, &err) < 0)
            fail_msg("%s", err.text);
    }
}

/* [bundle-40] */
static void external_data_counts(void **state)
{
    SK_AUTO(free_cleanup) char *data = at("ext/external.bin");
    char before[SK_SHA256_HEX], after[SK_SHA256_HEX];
    int fd;

    (void)state;
    copy_external("ext");
    digest_of("ext", before);
    fd = open(data, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "!", 1, 20), 1);
    (void)close(fd);
    digest_of("ext", after);
    assert_string_not_equal(before, after);
}

/* [bundle-41] A file that has been lying there is remembered: a false memory is believed; one that
 * was just written is not. */
static void digests_are_remembered(void **state)
{
    SK_AUTO(free_cleanup) char *folder = at(".cache/digests");
    SK_AUTO(free_cleanup) char *memo = NULL;
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    static const char lie[] = "00000000000000000000000000000000000000000000000000000000000000ff";
    struct sk_err err = SK_ERR_INIT;
    char hex[SK_SHA256_HEX], fresh[SK_SHA256_HEX];

    (void)state;
    assert_int_equal(sk_remove_tree(folder, &err), 0);
    const time_t start = time(NULL);
    put("old/net.onnx", NULL);
    digest_of("old", fresh);
    assert_int_equal(sk_dir_read(folder, &dir, &err), 0);
    if (time(NULL) - start <= 2)
        assert_int_equal(dir.count, 0); /* too fresh */
    sk_dir_done(&dir);
    (void)sleep(4);
    digest_of("old", hex);
    assert_string_equal(hex, fresh);
    assert_int_equal(sk_dir_read(folder, &dir, &err), 0);
    assert_int_equal(dir.count, 1);
    memo = sk_path_join(folder, dir.names[0]);
    assert_int_equal(sk_file_write(memo, lie, 64, 0600, &err), 0);
    digest_of("old", hex);
    assert_string_equal(hex, lie);
    assert_int_equal(sk_file_write(memo, "damaged", 7, 0600, &err), 0);
    digest_of("old", hex);
    assert_string_equal(hex, fresh);
    put("old/net.onnx", NULL); /* written anew: another inode, another state */
    digest_of("old", hex);
    assert_string_equal(hex, fresh);
}

static void without_a_cache_folder(void **state)
{
    SK_AUTO(free_cleanup) char *below = at("m/net.onnx/cache");
    SK_AUTO(free_cleanup) char *cache = at(".cache");
    char hex[SK_SHA256_HEX], again[SK_SHA256_HEX];

    (void)state;
    put("m/net.onnx", NULL);
    digest_of("m", hex);
    assert_int_equal(setenv("SKERRY_CACHE_DIR", below, 1), 0);
    digest_of("m", again);
    assert_string_equal(hex, again);
    assert_int_equal(setenv("SKERRY_CACHE_DIR", cache, 1), 0);
}

/* ---- signatures ---- */

static void change_nothing(void)
{
}

static void touch_model(void)
{
    SK_AUTO(free_cleanup) char *path = at("s/net.onnx");
    const struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void add_config(void)
{
    put("s/config.json", "{}");
}

static void add_hidden(void)
{
    put("s/.net.onnx.Xa3f", "");
}

static void add_deep(void)
{
    put("s/weights/0.bin", "");
}

static void remove_deep(void)
{
    SK_AUTO(free_cleanup) char *path = at("s/weights/0.bin");

    assert_int_equal(unlink(path), 0);
}

static void add_data(void)
{
    put("s/net.onnx.data", "");
}

/* [bundle-42] */
static void signatures_notice(void **state)
{
    static const struct {
        const char *name;
        void (*change)(void);
        bool folder_changes, file_changes;
    } rows[] = {
        { "nothing", change_nothing, false, false }, { "time", touch_model, true, true },
        { "new file", add_config, true, false },     { "hidden file", add_hidden, false, false },
        { "deeper", add_deep, true, false },         { "removed", remove_deep, true, false },
        { "external data", add_data, true, true },
    };

    SK_AUTO(free_cleanup) char *folder = at("s");
    SK_AUTO(free_cleanup) char *file = at("s/net.onnx");

    (void)state;
    put("s/net.onnx", NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t of_folder = sk_bundle_signature(folder), of_file = sk_bundle_signature(file);

        rows[i].change();
        if ((sk_bundle_signature(folder) != of_folder) != rows[i].folder_changes)
            fail_msg("row '%s': folder", rows[i].name);
        if ((sk_bundle_signature(file) != of_file) != rows[i].file_changes)
            fail_msg("row '%s': file", rows[i].name);
    }
    assert_int_equal(sk_bundle_signature("/nonexistent"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_file_has_its_own_sum), cmocka_unit_test(external_data_counts),
        cmocka_unit_test(digests_are_remembered),   cmocka_unit_test(without_a_cache_folder),
        cmocka_unit_test(signatures_notice),
    };

    return cmocka_run_group_tests(tests, make_root, drop_root);
}
