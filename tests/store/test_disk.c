/* test_disk.c - errors of the disk, folders, hashes, names, the lock of care. */
#include "store/store_util.h"

#include <errno.h>
#include <fcntl.h>

static void test_errors(void **state)
{
    static const struct {
        int number;
        enum sk_code code;
        const char *text;
    } rows[] = {
        { ENOSPC, SK_FULL, "it: disk is full" },
        { EDQUOT, SK_FULL, "it: disk is full" },
        { EFBIG, SK_FULL, "it: disk is full" },
        { EIO, SK_IO, "it: Input/output error" },
        { ENOENT, SK_NOT_FOUND, "it: No such file or directory" },
        { EACCES, SK_DENIED, "it: Permission denied" },
        { ENOMEM, SK_NOMEM, "it: Cannot allocate memory" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        errno = rows[i].number;
        FAILS(sk_store_fail(&err, "%s", "it"), rows[i].code);
        assert_string_equal(err.text, rows[i].text);
    }
}

static void test_folders(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_close) int fd = -1;

    FAILS(sk_store_open_dir(p->store->dir_fd, "none", false, &fd, &err), SK_NOT_FOUND);
    FAILS(sk_store_sync_dir(p->store->dir_fd, "none", &err), SK_NOT_FOUND);
    for (int i = 0; i < 2; i++) {
        DONE(sk_store_open_dir(p->store->dir_fd, "made", true, &fd, &err));
        DONE(sk_store_sync_dir(p->store->dir_fd, "made", &err));
        sk_close(&fd);
    }
    FAILS(sk_store_open_dir(p->store->dir_fd, "registry.db", true, &fd, &err), SK_IO);
}

static bool count_to_two(void *ctx, uint64_t bytes)
{
    (void)bytes;
    return ++*(int *)ctx < 2;
}

static void test_hash(void **state)
{
    enum {
        BYTES = 3 * SK_STORE_PIECE + 5
    };

    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *path = sk_path_join(p->top, "file");
    SK_OWN(free) char *bytes = calloc(1, BYTES);
    char found[SK_DIGEST_TEXT], expected[SK_DIGEST_TEXT];
    uint64_t size = 0;
    int calls = 0;

    assert_non_null(bytes);
    DONE(sk_file_write(path, bytes, BYTES, 0600, &err));
    SK_AUTO(sk_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (int kind = 0; kind < SK_HASH_COUNT; kind++) {
        DONE(sk_digest_of((enum sk_hash_kind)kind, bytes, BYTES, expected, &err));
        DONE(sk_store_hash_fd(fd, (enum sk_hash_kind)kind, found, &size, NULL, NULL, &err));
        assert_int_equal(size, BYTES);
        assert_string_equal(found, expected);
    }
    FAILS(sk_store_hash_fd(fd, SK_SHA256, found, &size, count_to_two, &calls, &err), SK_CANCELLED);
    assert_int_equal(calls, 2);
    FAILS(sk_store_hash_fd(p->store->dir_fd, SK_SHA256, found, &size, NULL, NULL, &err), SK_IO);
}

static void test_names(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    char a[SK_UPLOAD_ID_TEXT], b[SK_UPLOAD_ID_TEXT];

    (void)state;
    DONE(sk_store_random(a, &err));
    DONE(sk_store_random(b, &err));
    assert_int_equal(strlen(a), 32);
    assert_int_equal(strspn(a, "0123456789abcdef"), 32);
    assert_string_not_equal(a, b);
}

static void test_lock(void **state)
{
    static const struct {
        bool first, second, ok; /* exclusive */
    } rows[] = {
        { false, false, true },
        { false, true, false },
        { true, false, false },
        { true, true, false },
    };

    struct place *p = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_close) int one = -1;
        SK_AUTO(sk_close) int two = -1;
        DONE(sk_store_care_lock(p->store, rows[i].first, 0, &one, &err));
        uint64_t start = sk_now_ms();
        int rc = sk_store_care_lock(p->store, rows[i].second, 60, &two, &err);
        assert_int_equal(rc == 0, rows[i].ok);
        if (rc < 0) {
            assert_int_equal(err.code, SK_BUSY);
            assert_true(sk_now_ms() - start >= 60);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),
        cmocka_unit_test_setup_teardown(test_folders, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_hash, place_set_up, place_tear_down),
        cmocka_unit_test(test_names),
        cmocka_unit_test_setup_teardown(test_lock, place_set_up, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
