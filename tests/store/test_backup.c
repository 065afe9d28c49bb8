/* test_backup.c - what goes into a backup, and that it waits for nobody but gc. */
#include "store/store_util.h"

#include "archive/archive.h"

#include <fcntl.h>
#include <sys/file.h>

static char *backup_path(struct place *p)
{
    return sk_path_join(p->top, "hub.tar");
}

static void test_contents(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;
    SK_OWN(free) char *file = backup_path(p);
    SK_OWN(free) char *tls = sk_path_join(p->dir, "tls");
    SK_OWN(free) char *key = sk_path_join(tls, "ca.key");
    SK_OWN(free) char *token = sk_path_join(p->dir, "owner.token");
    SK_OWN(sk_tar_reader_free) struct sk_tar_reader *tar = NULL;
    const char *digest = put_blob(p->store, "blob"), *other = put_blob_512(p->store, "blob");
    struct sk_tar_entry e;
    struct stat st;
    SK_AUTO(sk_buf_done) struct sk_buf names = SK_BUF_INIT(4096);
    char expected[700];

    DONE(sk_mkdirs(tls, 0700, &err));
    spit(key, "secret");
    spit(token, "token");
    DONE(sk_store_backup(p->store, file, NULL, NULL, &report, &err));
    assert_int_equal(report.blobs, 2);
    assert_int_equal(report.bytes, 8);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(count_files(p, "uploads"), 0); /* the copy of the database is gone */

    SK_AUTO(sk_close) int fd = open(file, O_RDONLY | O_CLOEXEC);
    DONE(sk_tar_reader_new(fd, NULL, &tar, &err));
    int more = 0;
    while ((more = sk_tar_next(tar, &e, &err)) > 0)
        sk_buf_fmt(&names, "%s\n", e.name);
    DONE(more);
    (void)snprintf(expected, sizeof expected,
                   "skerry-hub/format\nskerry-hub/registry.db\n"
                   "skerry-hub/blobs/sha256/%.2s/%s\nskerry-hub/blobs/sha512/%.2s/%s\n"
                   "skerry-hub/files/owner.token\nskerry-hub/files/tls/ca.key\n",
                   digest + 7, digest + 7, other + 7, other + 7);
    assert_string_equal(names.data, expected);
}

/* Messages and events are kept elsewhere, and change while they would be read. */
static void test_journals(void **state)
{
    static const char *const folders[] = { SK_STORE_TELEMETRY, SK_STORE_EVENTS };
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;
    SK_OWN(free) char *file = backup_path(p);
    SK_OWN(sk_tar_reader_free) struct sk_tar_reader *tar = NULL;
    struct sk_tar_entry e;

    for (size_t i = 0; i < COUNT(folders); i++) {
        SK_OWN(free) char *folder = sk_path_join(p->dir, folders[i]);
        SK_OWN(free) char *segment = sk_path_join(folder, "00000000000000000001.seg");
        DONE(sk_mkdirs(folder, 0700, &err));
        spit(segment, "a record");
    }
    DONE(sk_store_backup(p->store, file, NULL, NULL, &report, &err));
    SK_AUTO(sk_close) int fd = open(file, O_RDONLY | O_CLOEXEC);
    DONE(sk_tar_reader_new(fd, NULL, &tar, &err));
    int more = 0;
    while ((more = sk_tar_next(tar, &e, &err)) > 0)
        if (strstr(e.name, ".seg"))
            fail_msg("%s", e.name);
    DONE(more);
}

/* What cannot be in a backup stops it, and leaves no file and not the old one spoiled. */
static void test_spoiled(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;
    SK_OWN(free) char *file = backup_path(p);
    size_t len = 0;

    spit(file, "an older one");
    spit(blob_file(p, put_blob(p->store, "good")), "bad!");
    FAILS(sk_store_backup(p->store, file, NULL, NULL, &report, &err), SK_CORRUPT);
    SK_OWN(free) char *old = slurp(file, &len);
    assert_string_equal(old, "an older one");
    (void)upload_blob(p->store, "good");
    DONE(sk_store_backup(p->store, file, NULL, NULL, &report, &err));
    assert_int_equal(count_files(p, "uploads"), 0);
    SK_OWN(free) char *nowhere = sk_path_join(p->top, "none/hub.tar");
    FAILS(sk_store_backup(p->store, nowhere, NULL, NULL, &report, &err), SK_NOT_FOUND);
}

/* What a kill leaves is taken away by the next one to the same name; other files are not. */
static void test_leftovers(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;
    SK_OWN(free) char *file = backup_path(p);

    static const struct {
        const char *ending;
        bool goes;
    } rows[] = {
        { ".partial.aB3xYz", true },        { ".partial.aB3xYz-db", true },
        { ".partial.aB3xYz-db.new", true }, { ".partial.Locked", false },
        { ".partial.Locked-db", false },    { ".sha256", false },
        { ".partial.sha25", false },        { ".backup", false },
    };

    char path[700];

    for (size_t i = 0; i < COUNT(rows); i++) {
        (void)snprintf(path, sizeof path, "%s%s", file, rows[i].ending);
        spit(path, "x");
    }
    (void)snprintf(path, sizeof path, "%s.partial.Locked", file);
    SK_AUTO(sk_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    DONE(sk_store_backup(p->store, file, NULL, NULL, &report, &err));
    for (size_t i = 0; i < COUNT(rows); i++) {
        (void)snprintf(path, sizeof path, "%s%s", file, rows[i].ending);
        if (sk_is_file(path) == rows[i].goes)
            fail_msg("%s", rows[i].ending);
    }
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    DONE(sk_dir_read(p->top, &dir, &err));
    assert_int_equal(dir.count, 2 + 5); /* the hub's folder, the backup, what stays */
}

static bool stop_at_once(void *ctx, uint64_t done, uint64_t total)
{
    assert_true(done <= total);
    ++*(int *)ctx;
    return false;
}

static void test_stop(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;
    SK_OWN(free) char *file = backup_path(p);
    int calls = 0;

    (void)put_blob(p->store, "blob");
    FAILS(sk_store_backup(p->store, file, stop_at_once, &calls, &report, &err), SK_CANCELLED);
    assert_int_equal(calls, 1);
    assert_false(sk_is_file(file));
    assert_int_equal(count_files(p, "uploads"), 0);
}

struct writer {
    struct sk_store *store;
    int count;
};

/* Others write while the backup runs; it has the state of its beginning. */
static bool write_meanwhile(void *ctx, uint64_t done, uint64_t total)
{
    struct writer *w = ctx;
    struct sk_store_report report;
    struct sk_err err = SK_ERR_INIT;
    char text[32];

    (void)done;
    (void)total;
    (void)snprintf(text, sizeof text, "new %d", w->count++);
    (void)put_blob(w->store, text);
    FAILS(sk_store_gc(w->store, 0, 0, false, &report, &err), SK_BUSY);
    return true;
}

static void test_meanwhile(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;
    SK_OWN(free) char *file = backup_path(p);
    SK_OWN(free) char *copy = sk_path_join(p->top, "copy");
    struct writer w = { .store = p->store };
    SK_OWN(sk_store_close) struct sk_store *restored = NULL;

    (void)put_blob(p->store, "one");
    (void)put_blob(p->store, "two");
    DONE(sk_store_backup(p->store, file, write_meanwhile, &w, &report, &err));
    assert_int_equal(w.count, 2);
    assert_int_equal(report.blobs, 2);
    DONE(sk_store_restore(file, copy, NULL, NULL, &report, &err));
    assert_int_equal(report.blobs, 2);
    DONE(sk_store_open(copy, &restored, &err));
    expect_problems(restored, 0);
    assert_int_equal(ask(restored, "SELECT count(*) FROM blob"), 2);
    assert_int_equal(ask(p->store, "SELECT count(*) FROM blob"), 4);
}

static int backup_once(void *ctx, struct sk_err *err)
{
    struct place *p = ctx;
    struct sk_store_report report;
    SK_OWN(free) char *file = backup_path(p);

    return file ? sk_store_backup(p->store, file, NULL, NULL, &report, err) : sk_nomem(err);
}

static void test_allocations(void **state)
{
    struct place *p = *state;

    (void)put_blob(p->store, "blob");
    assert_true(sk_alloc_sweep("backup", backup_once, p, 0) > 10);
    assert_int_equal(count_files(p, "uploads"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_contents, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_journals, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_spoiled, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_leftovers, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_stop, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_meanwhile, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_allocations, place_set_up, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
