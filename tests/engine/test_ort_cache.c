/* test_ort_cache.c - keys, and what becomes of an entry: another boot, damage, age, a second
 * writer. */
#include "engine/ort_priv.h"

#include "base/file.h"
#include "base/str.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/golden.h"

static char *folder;

static int make_folder(void **state)
{
    (void)state;
    folder = sk_test_dir();
    return setenv("SKERRY_CACHE_DIR", folder, 1);
}

static int drop_folder(void **state)
{
    (void)state;
    sk_test_dir_free(folder);
    return 0;
}

static const char *build_info(void)
{
    return "git 1234";
}

static const char *other_build_info(void)
{
    return "git 5678";
}

/* [engine-21] Everything that the graph depends on changes the key, and nothing else. */
static void keys_tell_apart(void **state)
{
    static const char cpu[] = "processor\t: 0\nvendor_id\t: A\nmodel\t\t: 1\nmodel name\t: M\ncpu "
                              "MHz\t\t: 1000\nflags\t\t: sse avx\n";
    static const char faster[] = "processor\t: 0\nvendor_id\t: A\nmodel\t\t: 1\nmodel name\t: "
                                 "M\ncpu MHz\t\t: 2000\nflags\t\t: sse avx\n";
    static const char other[] = "processor\t: 0\nvendor_id\t: A\nmodel\t\t: 1\nmodel name\t: "
                                "M\ncpu MHz\t\t: 1000\nflags\t\t: sse\n";

    static const struct {
        const char *row, *digest, *name, *cpu;
        const char *(*build)(void);
        bool same;
    } rows[] = {
        { "the same", "aa", "onnxruntime 1.2", cpu, build_info, true },
        { "clock", "aa", "onnxruntime 1.2", faster, build_info, true },
        { "model", "ab", "onnxruntime 1.2", cpu, build_info, false },
        { "version", "aa", "onnxruntime 1.3", cpu, build_info, false },
        { "build", "aa", "onnxruntime 1.2", cpu, other_build_info, false },
        { "cpu", "aa", "onnxruntime 1.2", other, build_info, false },
    };

    char first[SK_ORT_KEY_TEXT] = "", key[SK_ORT_KEY_TEXT];
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sk_ort_engine e = { .api = { .GetBuildInfoString = rows[i].build } };
        SK_AUTO(free_cleanup) char *text = strdup(rows[i].cpu);

        (void)snprintf(e.name, sizeof(e.name), "%s", rows[i].name);
        e.cpu_text = text;
        assert_int_equal(sk_ort_cache_key(&e, rows[i].digest, key, &err), 0);
        assert_int_equal(strlen(key), 32);
        if (i == 0)
            memcpy(first, key, sizeof(first));
        if ((strcmp(first, key) == 0) != rows[i].same)
            fail_msg("row '%s': %s", rows[i].row, key);
    }
}

static void write_in(const char *dir, const char *name, const char *text)
{
    SK_AUTO(free_cleanup) char *path = sk_path_join(dir, name);
    struct sk_err err = SK_ERR_INIT;

    if (sk_file_write(path, text, strlen(text), 0600, &err) < 0)
        fail_msg("%s", err.text);
}

static char *make_entry(const char *key, const char *graph)
{
    SK_AUTO(free_cleanup) char *temp = NULL;
    char *path = NULL;
    struct sk_err err = SK_ERR_INIT;

    if (sk_ort_cache_begin(&temp, &err) < 0)
        fail_msg("%s", err.text);
    write_in(temp, SK_ORT_CACHE_GRAPH, graph);
    write_in(temp, SK_ORT_CACHE_WEIGHTS, "weights");
    if (sk_ort_cache_commit(temp, key, &path, &err) < 0)
        fail_msg("%s", err.text);
    assert_false(sk_is_dir(temp));
    return path;
}

static bool is_found(const char *key)
{
    SK_AUTO(free_cleanup) char *path = sk_ort_cache_find(key);

    return path != NULL;
}

static char *in_entry(const char *key, const char *name)
{
    SK_AUTO(free_cleanup) char *graphs = sk_path_join(folder, "graphs");
    SK_AUTO(free_cleanup) char *entry = sk_path_join(graphs, key);

    return sk_path_join(entry, name);
}

static void entries_are_found_and_discarded(void **state)
{
    SK_AUTO(free_cleanup) char *made = NULL;
    SK_AUTO(free_cleanup) char *found = NULL;

    (void)state;
    assert_false(is_found("k1"));
    made = make_entry("k1", "graph");
    found = sk_ort_cache_find("k1");
    assert_string_equal(made, found);
    sk_ort_cache_discard("k1");
    assert_false(is_found("k1"));
}

/* [engine-24] The second writer's entry is dropped, the first one's stays. */
static void the_first_writer_wins(void **state)
{
    SK_AUTO(free_cleanup) char *first = make_entry("k2", "graph");
    SK_AUTO(free_cleanup) char *second = make_entry("k2", "graph of the second");
    SK_AUTO(free_cleanup) char *text = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len;

    (void)state;
    assert_string_equal(first, second);
    assert_int_equal(sk_file_read(first, 100, &text, &len, &err), 0);
    assert_string_equal(text, "graph");
}

/* Makes the manifest look as if it was written before a reboot. */
static void age_boot(const char *key)
{
    SK_AUTO(free_cleanup) char *path = in_entry(key, "manifest");
    SK_AUTO(free_cleanup) char *text = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len;
    char *boot;

    assert_int_equal(sk_file_read(path, 4096, &text, &len, &err), 0);
    boot = strstr(text, "boot ");
    assert_non_null(boot);
    boot[5] = boot[5] == 'x' ? 'y' : 'x';
    assert_int_equal(sk_file_write(path, text, len, 0600, &err), 0);
}

/* [engine-23] */
static void another_boot_compares_the_sums(void **state)
{
    SK_AUTO(free_cleanup) char *good = make_entry("k3", "graph");
    SK_AUTO(free_cleanup) char *bad = make_entry("k4", "graph");
    SK_AUTO(free_cleanup) char *manifest = in_entry("k3", "manifest");
    SK_AUTO(free_cleanup) char *renewed = NULL;
    SK_AUTO(free_cleanup) char *damaged = in_entry("k4", "");
    struct sk_err err = SK_ERR_INIT;
    size_t len;

    (void)state;
    assert_true(sk_is_file(good) && sk_is_file(bad));
    age_boot("k3");
    assert_true(is_found("k3"));
    assert_int_equal(sk_file_read(manifest, 4096, &renewed, &len, &err), 0);
    assert_null(strstr(renewed, "boot x"));
    age_boot("k4");
    write_in(damaged, SK_ORT_CACHE_WEIGHTS, "weightz"); /* same size */
    assert_false(is_found("k4"));
    assert_false(sk_is_dir(damaged));
}

static void a_touched_file_compares_the_sums(void **state)
{
    SK_AUTO(free_cleanup) char *graph = make_entry("k5", "graph");

    (void)state;
    assert_int_equal(utimensat(AT_FDCWD, graph, NULL, 0), 0);
    assert_true(is_found("k5"));
}

static void links_are_not_trusted(void **state)
{
    SK_AUTO(free_cleanup) char *graph = make_entry("k6", "graph");

    (void)state;
    assert_int_equal(unlink(graph), 0);
    assert_int_equal(symlink("/etc/passwd", graph), 0);
    assert_false(is_found("k6"));
}

/* [engine-24] What was not used for 31 days goes when something new is made; so do temporary
 * folders of dead processes. */
static void old_entries_go(void **state)
{
    SK_AUTO(free_cleanup) char *old = make_entry("k7", "graph");
    SK_AUTO(free_cleanup) char *manifest = in_entry("k7", "manifest");
    SK_AUTO(free_cleanup) char *temp = NULL;
    SK_AUTO(free_cleanup) char *later = NULL;
    struct timespec times[2] = { { .tv_sec = time(NULL) - 31 * 24 * 3600 },
                                 { .tv_sec = time(NULL) - 31 * 24 * 3600 } };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_ort_cache_begin(&temp, &err), 0);
    assert_int_equal(utimensat(AT_FDCWD, temp, times, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, manifest, times, 0), 0);
    later = make_entry("k8", "graph");
    assert_false(sk_is_file(old));
    assert_false(sk_is_dir(temp));
    assert_true(is_found("k8"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_tell_apart),
        cmocka_unit_test(entries_are_found_and_discarded),
        cmocka_unit_test(the_first_writer_wins),
        cmocka_unit_test(another_boot_compares_the_sums),
        cmocka_unit_test(a_touched_file_compares_the_sums),
        cmocka_unit_test(links_are_not_trusted),
        cmocka_unit_test(old_entries_go),
    };

    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
