/* test_cache.c - the folder's layout: refs, snapshots, what is absent, locks. */
#include "hf/hf_priv.h"
#include "hf/surroundings.h"

#include "base/file.h"
#include "harness/alloc_fail.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cmocka.h>

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

static void put(const char *path, const char *text)
{
    SK_OWN(free) char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
    struct sk_err err = SK_ERR_INIT;

    if (sk_mkdirs(folder, 0755, &err) < 0 ||
        sk_file_write(path, text, strlen(text), 0644, &err) < 0)
        fail_msg("%s", err.text);
}

static void folders(void **state)
{
    (void)state;
    SK_OWN(free) char *with_owner = sk_hf_repo_dir("/c", "timm/resnet18");
    SK_OWN(free) char *without = sk_hf_repo_dir("/c", "gpt2");

    assert_string_equal(with_owner, "/c/models--timm--resnet18");
    assert_string_equal(without, "/c/models--gpt2");
}

static void refs(void **state)
{
    static const struct {
        const char *text, *commit;
    } rows[] = {
        { COMMIT, COMMIT }, { COMMIT "\n", COMMIT }, { COMMIT "0", "" },
        { "", "" },         { "../../../etc", "" },  { "main", "" },
    };

    const char *home = *state;
    SK_OWN(free) char *path = sk_hf_join(home, "refs", "a/b", NULL);
    struct sk_hf_spec spec = { .revision = strdup("a/b") };
    struct sk_err err = SK_ERR_INIT;
    char commit[SK_HF_COMMIT_HEX] = "x";

    assert_int_equal(sk_hf_cached_commit(home, &spec, commit, &err), 0);
    assert_string_equal(commit, "");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put(path, rows[i].text);
        assert_int_equal(sk_hf_cached_commit(home, &spec, commit, &err), 0);
        assert_string_equal(commit, rows[i].commit);
        assert_int_equal(sk_hf_write_ref(home, "a/b", COMMIT, &err), 0);
        assert_int_equal(sk_hf_cached_commit(home, &spec, commit, &err), 0);
        assert_string_equal(commit, COMMIT);
    }
    /* A ref that is right is left alone; a commit gets none. */
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(sk_hf_write_ref(home, "a/b", COMMIT, &err), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0400);
    assert_int_equal(sk_hf_write_ref(home, COMMIT, COMMIT, &err), 0);
    SK_OWN(free) char *none = sk_hf_join(home, "refs", COMMIT, NULL);
    assert_false(sk_is_file(none));
    sk_hf_spec_done(&spec);
}

static void links(void **state)
{
    static const struct {
        const char *file, *target;
    } rows[] = {
        { "model.bin", "../../blobs/tag" },
        { "a/model.bin", "../../../blobs/tag" },
        { "a/b/model.bin", "../../../../blobs/tag" },
    };

    const char *home = *state;
    SK_OWN(free) char *blob = sk_hf_join(home, "blobs", "tag", NULL);
    struct sk_err err = SK_ERR_INIT;

    put(blob, "bytes");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_OWN(free) char *place = sk_hf_join(home, "snapshots", COMMIT, rows[i].file, NULL);
        SK_OWN(free) char *path = NULL;
        char target[64] = "";
        for (int again = 0; again < 2; again++)
            assert_int_equal(sk_hf_link(home, COMMIT, rows[i].file, "tag", &err), 0);
        assert_true(readlink(place, target, sizeof target - 1) > 0);
        assert_string_equal(target, rows[i].target);
        assert_int_equal(sk_hf_cached_file(home, COMMIT, rows[i].file, NULL, &path, &err), 0);
        assert_string_equal(path, place);
    }
}

static void files(void **state)
{
    const char *home = *state;
    SK_OWN(free) char *blob = sk_hf_join(home, "blobs", "tag", NULL);
    SK_OWN(free) char *folder = sk_hf_join(home, "snapshots", COMMIT, "folder", "x", NULL);
    struct sk_err err = SK_ERR_INIT;

    static const struct {
        const char *file;
        uint64_t size;
        bool is_there;
    } rows[] = {
        { "whole", 5, true },   { "whole", 6, false }, { "dangling", 5, false },
        { "folder", 5, false }, { "none", 5, false },
    };

    put(blob, "bytes");
    put(folder, "");
    assert_int_equal(sk_hf_link(home, COMMIT, "whole", "tag", &err), 0);
    assert_int_equal(sk_hf_link(home, COMMIT, "dangling", "gone", &err), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_OWN(free) char *path = NULL;
        assert_int_equal(sk_hf_cached_file(home, COMMIT, rows[i].file, &rows[i].size, &path, &err),
                         0);
        if ((path != NULL) != rows[i].is_there)
            fail_msg("row %zu", i);
    }
}

static void absences(void **state)
{
    const char *home = *state;

    assert_false(sk_hf_is_absent(home, COMMIT, "a/b"));
    sk_hf_note_absent(home, COMMIT, "a/b");
    assert_true(sk_hf_is_absent(home, COMMIT, "a/b"));
    sk_hf_note_absent(home, COMMIT, "a/b");
    sk_hf_note_absent("/dev/null", COMMIT, "a/b"); /* not vital */
}

struct stopper {
    unsigned asked, limit;
};

static bool stop_soon(void *ctx, const char *file, uint64_t done, uint64_t total)
{
    struct stopper *s = ctx;

    assert_string_equal(file, "f");
    assert_int_equal(done + total, 0);
    return ++s->asked < s->limit;
}

static void locks(void **state)
{
    const char *home = *state;
    SK_OWN(free) char *repo_dir = sk_hf_repo_dir(home, "a/b");
    SK_OWN(free) char *path = sk_hf_join(home, ".locks/models--a--b", "tag.lock", NULL);
    struct stopper stopper = { 0, 3 };
    struct sk_hf_options opts = { .progress = stop_soon, .ctx = &stopper };
    struct sk_err err = SK_ERR_INIT;
    int fd = -1, second = -1;

    assert_int_equal(sk_hf_lock(home, repo_dir, "tag", NULL, "f", &fd, &err), 0);
    assert_true(fd >= 0 && sk_is_file(path));
    assert_int_equal(sk_hf_lock(home, repo_dir, "tag", &opts, "f", &second, &err), -1);
    assert_int_equal(err.code, SK_CANCELLED);
    assert_int_equal(stopper.asked, 3);
    sk_close(&fd);
    assert_int_equal(sk_hf_lock(home, repo_dir, "tag", &opts, "f", &second, &err), 0);
    sk_close(&second);
}

/* ---- allocations ---- */

static int write_all(void *ctx, struct sk_err *err)
{
    SK_OWN(free) char *path = NULL;
    SK_AUTO(sk_close) int fd = -1;
    struct sk_hf_spec spec = { .revision = (char[]){ "main" } };
    char commit[SK_HF_COMMIT_HEX];

    if (sk_hf_lock(ctx, "/x/models--a--b", "tag", NULL, "f", &fd, err) < 0 ||
        sk_hf_link(ctx, COMMIT, "a/f", "tag", err) < 0 ||
        sk_hf_write_ref(ctx, "main", COMMIT, err) < 0 ||
        sk_hf_cached_commit(ctx, &spec, commit, err) < 0)
        return -1;
    return sk_hf_cached_file(ctx, COMMIT, "a/f", NULL, &path, err);
}

static void allocations(void **state)
{
    assert_true(sk_alloc_sweep("cache", write_all, *state, 0) > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders),
        cmocka_unit_test_setup_teardown(refs, sk_hf_surround, sk_hf_unsurround),
        cmocka_unit_test_setup_teardown(links, sk_hf_surround, sk_hf_unsurround),
        cmocka_unit_test_setup_teardown(files, sk_hf_surround, sk_hf_unsurround),
        cmocka_unit_test_setup_teardown(absences, sk_hf_surround, sk_hf_unsurround),
        cmocka_unit_test_setup_teardown(locks, sk_hf_surround, sk_hf_unsurround),
        cmocka_unit_test_setup_teardown(allocations, sk_hf_surround, sk_hf_unsurround),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
