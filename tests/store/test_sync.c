/*
 * test_sync.c - the order of what makes a blob durable, and every sync of ours failing in turn.
 *
 * The linker leads fsync, linkat, unlinkat, renameat and sk_tx_commit of our code (not those of
 * SQLite, which tests/db fails) to this file, which writes them down and lets the n-th fsync fail.
 */
#include "store/store_util.h"

#include <errno.h>
#include <fcntl.h>

static char events[8192];
static unsigned fail_at, syncs;
static bool is_recording;

static void note(const char *what, const char *of)
{
    size_t at = strlen(events);

    if (is_recording)
        (void)snprintf(events + at, sizeof events - at, "%s %s\n", what, of);
}

/* Which part of the folder a path is: names are random. */
static const char *part_of(const char *path)
{
    if (strstr(path, "/uploads"))
        return "upload";
    if (strstr(path, "/blobs/sha256/"))
        return "blob folder";
    if (strstr(path, "/blobs"))
        return "blobs";
    return "other";
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
    char link[64], path[4096] = "";

    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (is_recording && readlink(link, path, sizeof path - 1) > 0)
        note("sync", part_of(path));
    if (is_recording && ++syncs == fail_at) {
        errno = EIO;
        return -1;
    }
    return __real_fsync(fd);
}

int __real_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);
int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);

int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    int rc = __real_linkat(from_fd, from, to_fd, to, flags);

    if (rc == 0)
        note("link", sk_ends_with(to, ".new") ? "beside" : "blob");
    return rc;
}

int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    note("rename", sk_starts_with(to, "sha") ? "blob" : "trash");
    return __real_renameat(from_fd, from, to_fd, to);
}

int __real_unlinkat(int fd, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags);

int __wrap_unlinkat(int fd, const char *name, int flags)
{
    int rc = __real_unlinkat(fd, name, flags);

    if (rc == 0)
        note("unlink", strchr(name, '/') ? "beside" : strlen(name) == 64 ? "trash" : "upload");
    return rc;
}

int __real_sk_tx_commit(struct sk_tx **tx, struct sk_err *err);
int __wrap_sk_tx_commit(struct sk_tx **tx, struct sk_err *err);

int __wrap_sk_tx_commit(struct sk_tx **tx, struct sk_err *err)
{
    note("commit", "");
    return __real_sk_tx_commit(tx, err);
}

static void record(unsigned fail)
{
    events[0] = '\0';
    syncs = 0;
    fail_at = fail;
    is_recording = true;
}

static void test_order(void **state)
{
    static const struct {
        bool by_upload;
        const char *text, *events;
    } rows[] = {
        /* the first of its folder, the folder made anew */
        { true, "a",
          "sync upload\nsync blobs\nlink blob\nsync blob folder\ncommit \nunlink upload\n" },
        /* there already: replaced in one step */
        { true, "a",
          "sync upload\nlink beside\nrename blob\nsync blob folder\ncommit \n"
          "unlink upload\n" },
        { false, "b",
          "sync upload\nsync blobs\nlink blob\nsync blob folder\nunlink upload\ncommit \n" },
        { false, "b", "commit \n" },
    };

    struct place *p = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        record(0);
        (void)(rows[i].by_upload ? upload_blob : put_blob)(p->store, rows[i].text);
        is_recording = false;
        assert_string_equal(events, rows[i].events);
    }
}

/* gc: the row's end is durable before the file goes anywhere. */
static void test_order_gc(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;

    (void)put_blob(p->store, "a");
    age_blobs(p->store, 1000);
    record(0);
    DONE(sk_store_gc(p->store, 0, 0, false, &report, &err));
    is_recording = false;
    assert_string_equal(events, "commit \nrename trash\nunlink trash\ncommit \n");
}

static int upload_once(struct sk_store *s, const char *text, struct sk_upload **kept,
                       struct sk_err *err)
{
    SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;
    char digest[SK_DIGEST_TEXT];

    if (sk_upload_begin(s, "s", &u, err) < 0 || sk_upload_write(u, text, strlen(text), err) < 0)
        return -1;
    int rc = sk_upload_finish(&u, NULL, NULL, NULL, digest, err);
    *kept = SK_TAKE(u);
    return rc;
}

/* The first sync is the upload's own: then it is of no use any more. A later one can be repeated.
 */
static void test_failures(void **state)
{
    struct place *p = *state;
    unsigned failures = 0;

    for (unsigned n = 1; n < 6; n++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;
        char text[16], digest[SK_DIGEST_TEXT];
        (void)snprintf(text, sizeof text, "text %u", n);
        record(n);
        int rc = upload_once(p->store, text, &u, &err);
        is_recording = false;
        if (rc == 0) {
            assert_true(has_blob(p->store, digest_of(text)));
            continue;
        }
        failures++;
        assert_int_equal(err.code, SK_IO);
        assert_false(has_blob(p->store, digest_of(text)));
        expect_problems(p->store, 0);
        assert_non_null(u);
        rc = sk_upload_finish(&u, NULL, NULL, NULL, digest, &err);
        assert_int_equal(rc == 0, n > 1);
        if (n > 1) {
            assert_true(has_blob(p->store, digest_of(text)));
            continue;
        }
        FAILS(sk_upload_write(u, "more", 4, &err), SK_IO);
        sk_upload_suspend(SK_TAKE(u));
        assert_int_equal(count_files(p, "uploads"), 0);
    }
    assert_true(failures >= 2);
    expect_problems(p->store, 0);
}

static void test_failures_of_put(void **state)
{
    struct place *p = *state;
    unsigned failures = 0;

    for (unsigned n = 1; n < 6; n++) {
        struct sk_err err = SK_ERR_INIT;
        char text[16], digest[SK_DIGEST_TEXT];
        (void)snprintf(text, sizeof text, "put %u", n);
        {
            SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
            DONE(sk_db_begin(sk_store_db(p->store), SK_DB_WRITE, &tx, &err));
            record(n);
            int rc = sk_blob_put(p->store, tx, SK_SHA256, text, strlen(text), digest, &err);
            is_recording = false;
            if (rc == 0)
                DONE(sk_tx_commit(&tx, &err));
            failures += rc < 0;
            assert_true(rc == 0 || err.code == SK_IO);
        }
        expect_problems(p->store, 0);
        assert_string_equal(put_blob(p->store, text), digest_of(text));
        assert_true(has_blob(p->store, digest_of(text)));
    }
    assert_true(failures >= 2);
}

/* A backup and a restore of which a sync fails are none. */
static void test_failures_of_backup(void **state)
{
    struct place *p = *state;
    SK_OWN(free) char *file = sk_path_join(p->top, "hub.tar");
    SK_OWN(free) char *dir = sk_path_join(p->top, "new");
    unsigned failures[2] = { 0, 0 };
    struct sk_store_report report;

    (void)put_blob(p->store, "blob");
    for (unsigned n = 1; n < 30; n++) {
        struct sk_err err = SK_ERR_INIT;
        record(n);
        int rc = sk_store_backup(p->store, file, NULL, NULL, &report, &err);
        is_recording = false;
        failures[0] += rc < 0;
        assert_int_equal(count_files(p, "uploads"), 0);
        DONE(sk_store_backup(p->store, file, NULL, NULL, &report, &err));
        record(n);
        rc = sk_store_restore(file, dir, NULL, NULL, &report, &err);
        is_recording = false;
        failures[1] += rc < 0;
        if (rc == 0)
            DONE(sk_remove_tree(dir, &err));
    }
    assert_true(failures[0] >= 2 && failures[1] >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_order_gc, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_failures, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_failures_of_put, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_failures_of_backup, place_set_up, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
