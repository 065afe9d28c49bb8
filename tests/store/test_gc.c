/* test_gc.c - what gc takes and, above all, what it leaves. */
#include "store/store_util.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

enum {
    HOUR = 3600000
};

static void gc(struct place *p, bool dry_run, struct sk_store_report *out)
{
    struct sk_err err = SK_ERR_INIT;

    DONE(sk_store_gc(p->store, HOUR, HOUR, dry_run, out, &err));
}

static void test_blobs(void **state)
{
    struct place *p = *state;
    struct sk_store_report report;
    const char *named = put_blob(p->store, "named");
    const char *unnamed = upload_blob(p->store, "unnamed");

    put_artifact(p->store, "a/b", named);
    gc(p, false, &report); /* too young */
    assert_int_equal(report.removed, 0);
    age_blobs(p->store, 2 * HOUR);
    const char *young = put_blob(p->store, "young");
    gc(p, true, &report);
    assert_int_equal(report.removed, 1);
    assert_int_equal(report.removed_bytes, 7);
    assert_true(has_blob(p->store, unnamed)); /* dry */
    gc(p, false, &report);
    assert_int_equal(report.removed, 1);
    assert_int_equal(report.removed_bytes, 7);
    assert_true(has_blob(p->store, named));
    assert_true(has_blob(p->store, young));
    assert_false(has_blob(p->store, unnamed));
    assert_int_equal(count_files(p, "blobs"), 2);
    assert_int_equal(count_files(p, "trash"), 0);
    expect_problems(p->store, 0);
}

/* More than a slice. */
static void test_slices(void **state)
{
    enum {
        MANY = 2 * SK_STORE_SLICE + 5
    };

    struct place *p = *state;
    struct sk_store_report report;

    for (int i = 0; i < MANY; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%d", i);
        const char *digest = put_blob(p->store, text);
        if (i % 7 == 0) {
            (void)snprintf(text, sizeof text, "keep/%d", i);
            put_artifact(p->store, text, digest);
        }
    }
    age_blobs(p->store, 2 * HOUR);
    gc(p, false, &report);
    assert_int_equal(report.removed, MANY - (MANY + 6) / 7);
    assert_int_equal(count_files(p, "blobs"), (MANY + 6) / 7);
    expect_problems(p->store, 0);
}

/* A touch, as by a push that found the blob there, keeps it. */
static void test_touch(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;
    const char *digest = put_blob(p->store, "touched");

    age_blobs(p->store, 2 * HOUR);
    {
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        DONE(sk_db_begin(sk_store_db(p->store), SK_DB_WRITE, &tx, &err));
        DONE(sk_blob_touch(tx, digest, &err));
        DONE(sk_tx_commit(&tx, &err));
    }
    gc(p, false, &report);
    assert_int_equal(report.removed, 0);
    assert_true(has_blob(p->store, digest));
}

static void set_age(const char *path, uint64_t ms)
{
    uint64_t then = sk_wall_ms() - ms;
    const struct timespec times[2] = {
        { .tv_sec = (time_t)(then / 1000) },
        { .tv_sec = (time_t)(then / 1000) },
    };

    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void test_uploads(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;
    SK_OWN(sk_upload_suspend) struct sk_upload *open = NULL;
    char ids[2][SK_UPLOAD_ID_TEXT];
    SK_OWN(free) char *uploads = sk_path_join(p->dir, "uploads");
    struct sk_dir dir;

    for (int i = 0; i < 2; i++) {
        struct sk_upload *u = NULL;
        DONE(sk_upload_begin(p->store, "s", &u, &err));
        DONE(sk_upload_write(u, "text", 4, &err));
        memcpy(ids[i], sk_upload_id(u), sizeof ids[i]);
        sk_upload_suspend(u);
    }
    DONE(sk_upload_open(p->store, ids[0], "s", &open, &err));
    gc(p, false, &report);
    assert_int_equal(report.uploads_removed, 0);
    DONE(sk_dir_read(uploads, &dir, &err));
    for (size_t i = 0; i < dir.count; i++) {
        SK_OWN(free) char *path = sk_path_join(uploads, dir.names[i]);
        set_age(path, 2 * HOUR);
    }
    sk_dir_done(&dir);
    gc(p, true, &report);
    assert_int_equal(report.uploads_removed, 1);
    assert_int_equal(count_files(p, "uploads"), 2);
    gc(p, false, &report); /* the open one is in use, however old */
    assert_int_equal(report.uploads_removed, 1);
    assert_int_equal(report.removed_bytes, 4);
    assert_int_equal(count_files(p, "uploads"), 1);
    char digest[SK_DIGEST_TEXT];
    DONE(sk_upload_finish(&open, digest_of("text"), NULL, NULL, digest, &err));
}

static void test_strays(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;
    const char *kept = put_blob(p->store, "kept");
    const char *kept_512 = put_blob_512(p->store, "kept");
    const char *stray = digest_of("stray"), *stray_512 = digest_512("stray");
    char odd[800];

    put_artifact(p->store, "a", kept);
    put_artifact(p->store, "b", kept_512);
    (void)snprintf(odd, sizeof odd, "%s/blobs/sha512/%.2s", p->dir, stray_512 + 7);
    DONE(sk_mkdirs(odd, 0700, &err));
    spit(blob_file(p, stray_512), "stray");
    (void)snprintf(odd, sizeof odd, "%s/blobs/sha256/%.2s", p->dir, stray + 7);
    DONE(sk_mkdirs(odd, 0700, &err));
    spit(blob_file(p, stray), "stray");
    (void)snprintf(odd, sizeof odd, "%s.new", blob_file(p, kept));
    spit(odd, "odd");
    expect_problems(p->store, 0);
    DONE(sk_store_verify(p->store, NULL, NULL, NULL, &report, &err));
    assert_int_equal(report.strays, 3);
    assert_int_equal(report.stray_bytes, 13);
    gc(p, false, &report); /* too young: its row may be in a commit that is under way */
    assert_int_equal(report.strays, 0);
    DONE(sk_store_gc(p->store, 0, HOUR, true, &report, &err));
    assert_int_equal(report.strays, 3);
    DONE(sk_store_gc(p->store, 0, HOUR, false, &report, &err));
    assert_int_equal(report.strays, 3);
    assert_int_equal(count_files(p, "blobs"), 2);
    assert_true(has_blob(p->store, kept));
    assert_true(has_blob(p->store, kept_512));
    assert_true(ask(p->store, "SELECT gc_ms FROM care") > 0);
}

/* gc and backup keep off each other. */
static void test_lock(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;
    int lock = -1;

    DONE(sk_store_care_lock(p->store, false, 0, &lock, &err));
    FAILS(sk_store_gc(p->store, 0, 0, false, &report, &err), SK_BUSY);
    sk_close(&lock);
    gc(p, false, &report);
}

/* Every table that names blobs keeps them, and finds them by an index: a gc of a large hub would
 * else read the whole table for each blob. */
static void test_schema(void **state)
{
    struct place *p = *state;

    assert_true(ask(p->store, "SELECT count(*) FROM sqlite_schema m JOIN "
                              "pragma_foreign_key_list(m.name) k WHERE k.\"table\" = 'blob'") > 0);
    assert_int_equal(
        ask(p->store, "SELECT count(*) FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) k "
                      "WHERE m.type = 'table' AND k.\"table\" = 'blob' AND NOT EXISTS("
                      "SELECT 1 FROM pragma_index_list(m.name) i JOIN pragma_index_info(i.name) c "
                      "WHERE c.seqno = 0 AND c.name = k.\"from\")"),
        0);
}

static int gc_once(void *ctx, struct sk_err *err)
{
    struct place *p = ctx;
    struct sk_store_report report;

    return sk_store_gc(p->store, HOUR, HOUR, true, &report, err);
}

static void test_allocations(void **state)
{
    assert_true(sk_alloc_sweep("gc", gc_once, *state, 0) > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_blobs, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_slices, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_touch, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_uploads, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_strays, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_lock, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_schema, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_allocations, place_set_up, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
