/* test_blob.c - what is a digest, blobs put and read, what a spoiled file does. */
#include "store/store_util.h"

static void test_put_and_read(void **state)
{
    static const char *const texts[] = { "", "a", "{\"schemaVersion\":2}" };
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;

    for (size_t i = 0; i < COUNT(texts); i++) {
        SK_OWN(free) char *bytes = NULL;
        SK_AUTO(sk_close) int fd = -1;
        size_t len = 7;
        uint64_t size = 7;
        const char *digest = put_blob(p->store, texts[i]);
        assert_string_equal(digest, digest_of(texts[i]));
        DONE(sk_blob_read(p->store, digest, strlen(texts[i]), &bytes, &len, &err));
        assert_int_equal(len, strlen(texts[i]));
        assert_string_equal(bytes, texts[i]);
        DONE(sk_blob_open(p->store, digest, &fd, &size, &err));
        assert_int_equal(size, strlen(texts[i]));
    }
    assert_int_equal(count_files(p, "blobs"), COUNT(texts));
    assert_int_equal(count_files(p, "blobs/sha256"), COUNT(texts));
    assert_int_equal(count_files(p, "uploads"), 0);
}

/* [store-24] The same bytes under either digest are two blobs, each with its own file and row. */
static void test_two_kinds(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *bytes = NULL;
    size_t len = 0;
    const char *one = put_blob(p->store, "both"), *two = put_blob_512(p->store, "both");

    assert_string_equal(two, digest_512("both"));
    assert_int_equal(strlen(two), SK_DIGEST_TEXT - 1);
    DONE(sk_blob_read(p->store, two, 4, &bytes, &len, &err));
    assert_string_equal(bytes, "both");
    assert_int_equal(count_files(p, "blobs/sha256"), 1);
    assert_int_equal(count_files(p, "blobs/sha512"), 1);
    assert_int_equal(ask(p->store, "SELECT count(*) FROM blob"), 2);
    assert_false(has_blob(p->store, digest_512("other")));
    spit(blob_file(p, two), "BOTH");
    FAILS(sk_blob_read(p->store, two, 4, &bytes, &len, &err), SK_CORRUPT);
    assert_true(has_blob(p->store, one));
    assert_string_equal(put_blob_512(p->store, "both"), two); /* mends it */
    assert_true(has_blob(p->store, two));
}

static void test_refusals(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    char *bytes = NULL;
    size_t len = 0;
    uint64_t size = 0;
    const char *digest = put_blob(p->store, "four");

    FAILS(sk_blob_read(p->store, digest, 3, &bytes, &len, &err), SK_LIMIT);
    FAILS(sk_blob_read(p->store, digest_of("other"), 9, &bytes, &len, &err), SK_NOT_FOUND);
    FAILS(sk_blob_read(p->store, "sha256:../x", 9, &bytes, &len, &err), SK_INVALID);
    DONE(sk_db_begin(sk_store_db(p->store), SK_DB_WRITE, &tx, &err));
    FAILS(sk_blob_size(tx, digest_of("other"), &size, &err), SK_NOT_FOUND);
    FAILS(sk_blob_touch(tx, digest_of("other"), &err), SK_NOT_FOUND);
    FAILS(sk_blob_touch(tx, "x", &err), SK_INVALID);
    DONE(sk_blob_size(tx, digest, &size, &err));
    assert_int_equal(size, 4);
}

/* A transaction that does not commit leaves a file and no blob. */
static void test_rollback(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    char digest[SK_DIGEST_TEXT];

    {
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        DONE(sk_db_begin(sk_store_db(p->store), SK_DB_WRITE, &tx, &err));
        DONE(sk_blob_put(p->store, tx, SK_SHA256, "x", 1, digest, &err));
    }
    assert_false(has_blob(p->store, digest));
    expect_problems(p->store, 0);
    assert_string_equal(put_blob(p->store, "x"), digest);
    assert_true(has_blob(p->store, digest));
}

/* What the disk has spoiled is found when it is read, and mended by storing it anew. */
static void test_mending(void **state)
{
    static const char *const spoiled[] = { "whOle", "whole and more", "", NULL };
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    char digest[SK_DIGEST_TEXT];

    (void)snprintf(digest, sizeof digest, "%s", put_blob(p->store, "whole"));
    for (size_t i = 0; i < COUNT(spoiled); i++) {
        for (int by_upload = 0; by_upload < 2; by_upload++) {
            char *bytes = NULL;
            size_t len = 0;
            if (spoiled[i])
                spit(blob_file(p, digest), spoiled[i]);
            else
                assert_int_equal(unlink(blob_file(p, digest)), 0);
            FAILS(sk_blob_read(p->store, digest, 100, &bytes, &len, &err), SK_CORRUPT);
            expect_problems(p->store, 1);
            (void)(by_upload ? upload_blob(p->store, "whole") : put_blob(p->store, "whole"));
            assert_true(has_blob(p->store, digest));
            expect_problems(p->store, 0);
        }
    }
    assert_int_equal(count_files(p, "blobs"), 1);
}

/* An open file outlives its blob. */
static void test_open_file(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;
    SK_AUTO(sk_close) int fd = -1;
    uint64_t size = 0;
    char text[8] = "";
    const char *digest = put_blob(p->store, "going");

    age_blobs(p->store, 10000);
    DONE(sk_blob_open(p->store, digest, &fd, &size, &err));
    DONE(sk_store_gc(p->store, 5000, 5000, false, &report, &err));
    assert_int_equal(report.removed, 1);
    assert_false(has_blob(p->store, digest));
    assert_int_equal(read(fd, text, sizeof text), 5);
    assert_string_equal(text, "going");
}

/* What was touched lately is kept on, what was not is left to gc. */
static void test_keep(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;
    const char *old = put_blob(p->store, "old");

    age_blobs(p->store, 20000);
    const char *recent = put_blob(p->store, "recent");
    age_blobs(p->store, 9000);
    DONE(sk_blob_keep(p->store, recent, 10000, &err)); /* fresh enough */
    {
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        DONE(sk_db_begin(sk_store_db(p->store), SK_DB_WRITE, &tx, &err));
        DONE(sk_blob_keep_recent(tx, 10000, &err));
        assert_int_equal(sk_tx_changes(tx), 1);
        DONE(sk_blob_keep_recent(tx, 10000, &err)); /* it is fresh now */
        assert_int_equal(sk_tx_changes(tx), 0);
        DONE(sk_tx_commit(&tx, &err));
    }
    DONE(sk_store_gc(p->store, 5000, 5000, false, &report, &err));
    assert_false(has_blob(p->store, old));
    assert_true(has_blob(p->store, recent));

    age_blobs(p->store, 20000);
    DONE(sk_blob_keep(p->store, recent, 10000, &err));
    DONE(sk_store_gc(p->store, 5000, 5000, false, &report, &err));
    assert_true(has_blob(p->store, recent));
    FAILS(sk_blob_keep(p->store, old, 10000, &err), SK_NOT_FOUND);
    FAILS(sk_blob_keep(p->store, "sha256:1", 10000, &err), SK_INVALID);
}

static int put_once(void *ctx, struct sk_err *err)
{
    struct place *p = ctx;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(free) char *bytes = NULL;
    char digest[SK_DIGEST_TEXT];
    size_t len = 0;

    if (sk_db_begin(sk_store_db(p->store), SK_DB_WRITE, &tx, err) < 0 ||
        sk_blob_put(p->store, tx, SK_SHA256, "once", 4, digest, err) < 0 ||
        sk_tx_commit(&tx, err) < 0)
        return -1;
    return sk_blob_read(p->store, digest, 4, &bytes, &len, err);
}

static void test_allocations(void **state)
{
    struct place *p = *state;

    (void)sk_alloc_sweep("put and read", put_once, p, SK_ALLOC_MAY_SURVIVE);
    expect_problems(p->store, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_put_and_read, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_two_kinds, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_rollback, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_mending, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_open_file, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_keep, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_allocations, place_set_up, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
