/* test_restore.c - a folder comes back as it was, or not at all. */
#include "store/store_util.h"

#include "archive/archive.h"

#include <fcntl.h>
#include <sys/file.h>

static void make_backup(struct place *p, const char *file)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;
    SK_OWN(free) char *tls = sk_path_join(p->dir, "tls");
    SK_OWN(free) char *key = sk_path_join(tls, "ca.key");

    put_artifact(p->store, "a/b", put_blob(p->store, "named"));
    (void)put_blob(p->store, "");
    (void)put_blob(p->store, "unnamed");
    (void)put_blob_512(p->store, "named");
    DONE(sk_mkdirs(tls, 0700, &err));
    spit(key, "secret");
    DONE(sk_store_backup(p->store, file, NULL, NULL, &report, &err));
}

static void test_whole(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;
    SK_OWN(free) char *file = sk_path_join(p->top, "hub.tar");
    static const char *const dirs[] = { "new", "deep/er/new", "slash/", "empty" };

    make_backup(p, file);
    for (size_t i = 0; i < COUNT(dirs); i++) {
        SK_OWN(free) char *dir = sk_path_join(p->top, dirs[i]);
        SK_OWN(free) char *key = sk_path_join(dir, "tls/ca.key");
        SK_OWN(sk_store_close) struct sk_store *s = NULL;
        struct stat st;
        size_t len = 0;
        if (strcmp(dirs[i], "empty") == 0)
            DONE(sk_mkdirs(dir, 0755, &err));
        DONE(sk_store_restore(file, dir, NULL, NULL, &report, &err));
        assert_int_equal(report.blobs, 4);
        assert_int_equal(report.bytes, 17);
        assert_int_equal(stat(dir, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0700);
        DONE(sk_store_open(dir, &s, &err));
        expect_problems(s, 0);
        assert_true(has_blob(s, digest_of("unnamed")));
        assert_true(has_blob(s, digest_512("named")));
        assert_int_equal(ask(s, "SELECT count(*) FROM artifact WHERE path = 'a/b'"), 1);
        SK_OWN(free) char *secret = slurp(key, &len);
        assert_string_equal(secret, "secret");
        assert_int_equal(stat(key, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
}

/* The journals are not in a backup: their numbers begin anew, and readers with them, or they would
 * miss what comes until it has their number. */
static void test_readers(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;
    SK_OWN(free) char *file = sk_path_join(p->top, "hub.tar");
    SK_OWN(free) char *dir = sk_path_join(p->top, "new");
    SK_OWN(sk_store_close) struct sk_store *s = NULL;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    DONE(sk_db_begin(sk_store_db(p->store), SK_DB_WRITE, &tx, &err));
    DONE(sk_tx_run(tx, &err, "INSERT INTO consumer_group VALUES('telemetry', 'g', 500, 0)", ""));
    DONE(sk_tx_commit(&tx, &err));
    make_backup(p, file);
    DONE(sk_store_restore(file, dir, NULL, NULL, &report, &err));
    DONE(sk_store_open(dir, &s, &err));
    assert_int_equal(ask(s, "SELECT next FROM consumer_group WHERE name = 'g'"), 1);
}

static void expect_nothing_left(struct place *p)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_dir dir;

    DONE(sk_dir_read(p->top, &dir, &err));
    for (size_t i = 0; i < dir.count; i++)
        if (sk_starts_with(dir.names[i], "new"))
            fail_msg("'%s' is left", dir.names[i]);
    sk_dir_done(&dir);
}

/* What a kill leaves is taken away by the next one to the same name. */
static void test_leftovers(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;
    SK_OWN(free) char *file = sk_path_join(p->top, "hub.tar");
    SK_OWN(free) char *dir = sk_path_join(p->top, "new/");

    static const struct {
        const char *name;
        bool goes;
    } rows[] = { { "new.restore-aB3xYz/blobs", true },
                 { "new.restore-Locked/blobs", false },
                 { "new.restore-longer1/blobs", false },
                 { "other.restore-aB3xYz/blobs", false } };

    make_backup(p, file);
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(free) char *path = sk_path_join(p->top, rows[i].name);
        DONE(sk_mkdirs(path, 0700, &err));
    }
    SK_OWN(free) char *locked = sk_path_join(p->top, "new.restore-Locked");
    SK_AUTO(sk_close) int fd = open(locked, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    DONE(sk_store_restore(file, dir, NULL, NULL, &report, &err));
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(free) char *path = sk_path_join(p->top, rows[i].name);
        if (sk_is_dir(path) == rows[i].goes)
            fail_msg("%s", rows[i].name);
    }
}

static void test_targets(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;
    SK_OWN(free) char *file = sk_path_join(p->top, "hub.tar");
    SK_OWN(free) char *dir = sk_path_join(p->top, "new");

    make_backup(p, file);
    FAILS(sk_store_restore(file, p->dir, NULL, NULL, &report, &err), SK_EXISTS);
    FAILS(sk_store_restore(dir, dir, NULL, NULL, &report, &err), SK_NOT_FOUND);
    assert_int_equal(sk_store_restore(file, file, NULL, NULL, &report, &err), -1);
    expect_nothing_left(p);
}

/* Cut at every part of it, or a byte changed: never a folder that lacks something. */
static void test_damage(void **state)
{
    struct place *p = *state;
    SK_OWN(free) char *file = sk_path_join(p->top, "hub.tar");
    SK_OWN(free) char *dir = sk_path_join(p->top, "new");
    SK_OWN(free) char *bad = sk_path_join(p->top, "bad.tar");
    size_t len = 0, refused = 0;

    make_backup(p, file);
    SK_OWN(free) char *bytes = slurp(file, &len);
    for (size_t cut = 0; cut < len; cut += 3001) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_store_report report;
        DONE(sk_file_write(bad, bytes, cut, 0600, &err));
        int rc = sk_store_restore(bad, dir, NULL, NULL, &report, &err);
        if (rc == 0) { /* all but the end marks was there */
            SK_OWN(sk_store_close) struct sk_store *s = NULL;
            DONE(sk_store_open(dir, &s, &err));
            expect_problems(s, 0);
            DONE(sk_remove_tree(dir, &err));
        }
        refused += rc < 0;
        expect_nothing_left(p);
    }
    assert_true(refused > 3);
    /* Each blob's contents changed. */
    static const char *const texts[] = { "named", "unnamed" };
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_store_report report;
        for (size_t at = 0; at + 512 < len; at += 512)
            if (strcmp(bytes + at, texts[i]) == 0) {
                bytes[at] ^= 1;
                DONE(sk_file_write(bad, bytes, len, 0600, &err));
                bytes[at] ^= 1;
                FAILS(sk_store_restore(bad, dir, NULL, NULL, &report, &err), SK_CORRUPT);
                expect_nothing_left(p);
                refused += 1000;
            }
    }
    assert_true(refused >= 2000);
}

/* ---- archives that were made to harm ---- */

static int to_file(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    return sk_file_put(ctx, bytes, len, err);
}

struct entry {
    const char *name, *text, *link;
};

static void write_tar(const char *path, const struct entry *entries, size_t count)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_file_out_done) struct sk_file_out f = SK_FILE_OUT_INIT;
    SK_OWN(sk_tar_writer_free) struct sk_tar_writer *tar = NULL;

    DONE(sk_file_begin(&f, path, &err));
    DONE(sk_tar_writer_new(SK_ARCHIVE_PLAIN, to_file, &f, &tar, &err));
    for (size_t i = 0; i < count && entries[i].name; i++) {
        if (entries[i].link) {
            DONE(sk_tar_link(tar, entries[i].name, entries[i].link, &err));
            continue;
        }
        DONE(sk_tar_file(tar, entries[i].name, 0600, strlen(entries[i].text), &err));
        DONE(sk_tar_bytes(tar, entries[i].text, strlen(entries[i].text), &err));
    }
    DONE(sk_tar_finish(tar, &err));
    DONE(sk_file_end(&f, 0600, &err));
}

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

#define NO_DATABASE ZEROS ZEROS ZEROS ZEROS ZEROS ZEROS ZEROS ZEROS ZEROS ZEROS

static void test_harmful(void **state)
{
    static const struct {
        struct entry entries[3];
        enum sk_code code;
    } rows[] = {
        { { { "hello", "x", NULL } }, SK_INVALID },
        { { { "skerry-hub/registry.db", "x", NULL } }, SK_INVALID },
        { { { "skerry-hub/format", "2\n", NULL } }, SK_UNSUPPORTED },
        { { { "skerry-hub/format", "1\n", NULL } }, SK_CORRUPT },
        { { { "skerry-hub/format", "1\n", NULL }, { "skerry-hub/registry.db", "x", NULL } },
          SK_INVALID },
        { { { "skerry-hub/format", "1\n", NULL }, { "skerry-hub/registry.db", NO_DATABASE, NULL } },
          SK_CORRUPT },
        { { { "skerry-hub/format", "1\n", NULL }, { "skerry-hub/other", "x", NULL } }, SK_INVALID },
        { { { "skerry-hub/format", "1\n", NULL },
            { "skerry-hub/blobs/sha256/00/" ZEROS, "x", NULL } },
          SK_CORRUPT },
        { { { "skerry-hub/format", "1\n", NULL },
            { "skerry-hub/blobs/sha256/01/" ZEROS, "x", NULL } },
          SK_INVALID },
        { { { "skerry-hub/format", "1\n", NULL },
            { "skerry-hub/blobs/sha512/00/" ZEROS ZEROS, "x", NULL } },
          SK_CORRUPT },
        { { { "skerry-hub/format", "1\n", NULL },
            { "skerry-hub/blobs/sha512/00/" ZEROS, "x", NULL } },
          SK_INVALID },
        { { { "skerry-hub/format", "1\n", NULL },
            { "skerry-hub/blobs/sha384/00/" ZEROS, "x", NULL } },
          SK_INVALID },
        { { { "skerry-hub/format", "1\n", NULL }, { "skerry-hub/blobs/sha256", "x", NULL } },
          SK_INVALID },
        { { { "skerry-hub/format", "1\n", NULL }, { "skerry-hub/blobs/sha256/00/x", "x", NULL } },
          SK_INVALID },
        { { { "skerry-hub/format", "1\n", NULL },
            { "skerry-hub/files/registry.db-wal", "x", NULL } },
          SK_INVALID },
        { { { "skerry-hub/format", "1\n", NULL }, { "skerry-hub/files/blobs/x", "x", NULL } },
          SK_INVALID },
        { { { "skerry-hub/format", "1\n", NULL }, { "skerry-hub/files/tls", NULL, "/etc" } },
          SK_INVALID },
    };

    struct place *p = *state;
    SK_OWN(free) char *dir = sk_path_join(p->top, "new");
    SK_OWN(free) char *bad = sk_path_join(p->top, "bad.tar");

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_store_report report;
        write_tar(bad, rows[i].entries, COUNT(rows[i].entries));
        assert_int_equal(sk_store_restore(bad, dir, NULL, NULL, &report, &err), -1);
        if (err.code != rows[i].code)
            fail_msg("row %zu: %s: %s", i, sk_code_name(err.code), err.text);
        expect_nothing_left(p);
    }
}

static int restore_once(void *ctx, struct sk_err *err)
{
    struct place *p = ctx;
    struct sk_err second = SK_ERR_INIT;
    struct sk_store_report report;
    SK_OWN(free) char *file = sk_path_join(p->top, "hub.tar");
    SK_OWN(free) char *dir = sk_path_join(p->top, "new");

    if (!file || !dir)
        return sk_nomem(err);
    int rc = sk_store_restore(file, dir, NULL, NULL, &report, err);
    if (rc == 0 && sk_remove_tree(dir, &second) < 0)
        fail_msg("%s", second.text);
    return rc;
}

static void test_allocations(void **state)
{
    struct place *p = *state;
    SK_OWN(free) char *file = sk_path_join(p->top, "hub.tar");

    make_backup(p, file);
    assert_true(sk_alloc_sweep("restore", restore_once, p, 0) > 10);
    expect_nothing_left(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_readers, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_leftovers, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_targets, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_damage, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_harmful, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_allocations, place_set_up, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
