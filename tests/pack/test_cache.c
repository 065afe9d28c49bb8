/* test_cache.c - bases are made once, and damaged ones again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bundle/folders.h"
#include "pack/pack_priv.h"

#include <fcntl.h>
#include <sys/stat.h>

/* A base of one small file. */
static void tiny(struct sk_pack_base *b, char key)
{
    static char name[] = "etc";
    static struct sk_pack_base_entry entry = { .name = name, .mode = 0755, .is_dir = true };

    *b = (struct sk_pack_base){ .items = &entry, .count = 1 };
    memset(b->key, key, sizeof b->key - 1);
    b->key[sizeof b->key - 1] = '\0';
}

static size_t entries_of_cache(void)
{
    SK_AUTO(free_cleanup) char *folder = at(".cache/packages");
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_dir_read(folder, &dir, &err), 0);
    return dir.count;
}

/* [package-3] */
static void once(void **state)
{
    (void)state;
    struct sk_pack_base b;
    struct sk_pack_layer first, second;
    SK_AUTO(free_cleanup) char *path = NULL;
    SK_AUTO(free_cleanup) char *again = NULL;
    struct sk_err err = SK_ERR_INIT;
    bool was_cached = true;

    tiny(&b, 'a');
    if (sk_pack_cache_base(&b, &first, &path, &was_cached, &err) < 0)
        fail_msg("%s", err.text);
    assert_false(was_cached);
    assert_true(sk_is_file(path));
    assert_int_equal(sk_pack_cache_base(&b, &second, &again, &was_cached, &err), 0);
    assert_true(was_cached);
    assert_string_equal(path, again);
    assert_memory_equal(&first, &second, sizeof first);
    assert_int_equal(entries_of_cache(), 1); /* nothing is left lying about */
}

/* [package-3] */
static void damaged(void **state)
{
    (void)state;

    static const char *const texts[] = { "", "{", "{}", "{\"digest\":\"sha256:x\",\"bytes\":1}",
                                         NULL };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct sk_pack_base b;
        struct sk_pack_layer layer, again;
        SK_AUTO(free_cleanup) char *path = NULL;
        SK_AUTO(free_cleanup) char *second = NULL;
        struct sk_err err = SK_ERR_INIT;
        bool was_cached = false;
        tiny(&b, 'b');
        assert_int_equal(sk_pack_cache_base(&b, &layer, &path, &was_cached, &err), 0);
        if (texts[i]) {
            SK_AUTO(free_cleanup) char *folder = strdup(path);
            *strrchr(folder, '/') = '\0';
            SK_AUTO(free_cleanup) char *info = sk_path_join(folder, "layer.json");
            assert_int_equal(sk_file_write(info, texts[i], strlen(texts[i]), 0600, &err), 0);
        } else {
            assert_int_equal(truncate(path, 10), 0);
        }
        assert_int_equal(sk_pack_cache_base(&b, &again, &second, &was_cached, &err), 0);
        assert_false(was_cached);
        assert_string_equal(layer.digest, again.digest);
    }
}

/* [package-4] */
static void only_the_newest(void **state)
{
    (void)state;

    for (int i = 0; i < SK_BASES_KEPT + 4; i++) {
        struct sk_pack_base b;
        struct sk_pack_layer layer;
        SK_AUTO(free_cleanup) char *path = NULL;
        struct sk_err err = SK_ERR_INIT;
        bool was_cached;
        tiny(&b, (char)('c' + i));
        assert_int_equal(sk_pack_cache_base(&b, &layer, &path, &was_cached, &err), 0);
        *strrchr(path, '/') = '\0';
        const struct timespec times[2] = { { .tv_sec = 1700000000 + i * 100 },
                                           { .tv_sec = 1700000000 + i * 100 } };
        assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    }
    assert_in_range(entries_of_cache(), SK_BASES_KEPT, SK_BASES_KEPT + 1);
}

/* [package-4] */
static void scratch(void **state)
{
    (void)state;
    SK_AUTO(free_cleanup) char *stale = at(".cache/packages/new-stale0");
    char *path = NULL;
    const struct timespec times[2] = { { .tv_sec = 1700000000 }, { .tv_sec = 1700000000 } };
    struct sk_err err = SK_ERR_INIT;
    struct stat st;

    assert_int_equal(sk_mkdirs(stale, 0700, &err), 0);
    assert_int_equal(utimensat(AT_FDCWD, stale, times, 0), 0);
    assert_int_equal(sk_pack_cache_scratch(&path, &err), 0);
    assert_false(sk_is_dir(stale)); /* what a kill left a day ago */
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    SK_AUTO(free_cleanup) char *copy = strdup(path);
    sk_pack_cache_scratch_done(&path);
    assert_null(path);
    assert_false(sk_is_dir(copy));
    sk_pack_cache_scratch_done(&path);
}

static void no_cache(void **state)
{
    (void)state;
    SK_AUTO(free_cleanup) char *before = strdup(getenv("SKERRY_CACHE_DIR"));
    struct sk_pack_base b;
    struct sk_pack_layer layer;
    char *path = NULL;
    struct sk_err err = SK_ERR_INIT;
    bool was_cached;

    tiny(&b, 'z');
    assert_int_equal(setenv("SKERRY_CACHE_DIR", "/dev/null/x", 1), 0);
    assert_int_equal(sk_pack_cache_base(&b, &layer, &path, &was_cached, &err), -1);
    assert_int_equal(setenv("SKERRY_CACHE_DIR", before, 1), 0);
    assert_null(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(once),    cmocka_unit_test(damaged),  cmocka_unit_test(only_the_newest),
        cmocka_unit_test(scratch), cmocka_unit_test(no_cache),
    };
    return cmocka_run_group_tests(tests, make_root, drop_root);
}
