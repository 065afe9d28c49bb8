/* test_repository.c - who holds which blob, what gc must leave, lists: [hub-oci-3], [hub-oci-10].
 */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ABSENT "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void held_by_its_repository(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    char digest[SK_DIGEST_TEXT];
    uint64_t size = 0;

    put_blob(f, "a/b", "hello", digest);
    assert_ok(sk_repository_blob(f->store, "a/b", digest, &size, &err), &err);
    assert_int_equal(size, 5);
    assert_failed(sk_repository_blob(f->store, "a", digest, &size, &err), &err, SK_NOT_FOUND,
                  "BLOB_UNKNOWN: ");
    assert_failed(sk_repository_blob(f->store, "a/b", ABSENT, &size, &err), &err, SK_NOT_FOUND,
                  "BLOB_UNKNOWN: ");
    assert_failed(sk_repository_blob(f->store, "a/b", "sha256:x", &size, &err), &err, SK_INVALID,
                  "DIGEST_INVALID: ");
    assert_failed(sk_repository_blob(f->store, "a/../b", digest, &size, &err), &err, SK_INVALID,
                  "NAME_INVALID: ");
}

static void manifests_are_blobs(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    char digest[SK_DIGEST_TEXT];
    uint64_t size = 0;

    put_image(f, "a", "v", "hello", digest);
    assert_ok(sk_repository_blob(f->store, "a", digest, &size, &err), &err);
    assert_true(size > 100);
    assert_failed(sk_repository_delete_blob(f->store, &f->who, "a", digest, &err), &err, SK_DENIED,
                  "DENIED: ");
}

static void mounts(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    char digest[SK_DIGEST_TEXT];
    uint64_t size = 0;

    put_blob(f, "a", "hello", digest);
    assert_failed(sk_repository_mount(f->store, &f->who, "b", "c", digest, &err), &err,
                  SK_NOT_FOUND, "BLOB_UNKNOWN: ");
    assert_failed(sk_repository_mount(f->store, &f->who, "b", "a", ABSENT, &err), &err,
                  SK_NOT_FOUND, "BLOB_UNKNOWN: ");
    assert_failed(sk_repository_mount(f->store, &f->who, "b", NULL, ABSENT, &err), &err,
                  SK_NOT_FOUND, "BLOB_UNKNOWN: ");
    assert_failed(sk_repository_mount(f->store, &f->who, "b", "../a", digest, &err), &err,
                  SK_INVALID, "NAME_INVALID: ");
    assert_int_equal(number_of(f, "SELECT count(*) FROM repository"), 1);
    err = (struct sk_err)SK_ERR_INIT;
    assert_ok(sk_repository_mount(f->store, &f->who, "b", "a", digest, &err), &err);
    assert_ok(sk_repository_mount(f->store, &f->who, "c", NULL, digest, &err), &err);
    assert_ok(sk_repository_mount(f->store, &f->who, "c", NULL, digest, &err), &err); /* again */
    assert_ok(sk_repository_blob(f->store, "b", digest, &size, &err), &err);
    assert_ok(sk_repository_blob(f->store, "c", digest, &size, &err), &err);
    assert_int_equal(number_of(f, "SELECT count(*) FROM audit WHERE action = 'blob.mount'"), 3);
}

static void deletes(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    char manifest[SK_DIGEST_TEXT], layer[SK_DIGEST_TEXT];
    uint64_t size = 0;

    put_image(f, "a", "v", "hello", manifest);
    put_blob(f, "a", "hello", layer);
    assert_failed(sk_repository_delete_blob(f->store, &f->who, "a", layer, &err), &err, SK_DENIED,
                  "DENIED: ");
    assert_failed(sk_repository_delete_blob(f->store, &f->who, "b", layer, &err), &err,
                  SK_NOT_FOUND, "NAME_UNKNOWN: ");
    assert_failed(sk_repository_delete_blob(f->store, &f->who, "a", ABSENT, &err), &err,
                  SK_NOT_FOUND, "BLOB_UNKNOWN: ");
    err = (struct sk_err)SK_ERR_INIT;
    assert_ok(sk_repository_mount(f->store, &f->who, "b", "a", layer, &err), &err);
    assert_ok(sk_repository_delete_blob(f->store, &f->who, "b", layer, &err), &err);
    assert_failed(sk_repository_blob(f->store, "b", layer, &size, &err), &err, SK_NOT_FOUND,
                  "BLOB_UNKNOWN: ");
    err = (struct sk_err)SK_ERR_INIT;
    assert_ok(sk_repository_blob(f->store, "a", layer, &size, &err), &err);
}

/* ---- gc ---- */

enum {
    GRACE_MS = 60000,
    OLD_MS = 2 * GRACE_MS /* not waited for: the rows are made older */
};

static void age_blobs(struct fixture *f)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_err err = SK_ERR_INIT;

    assert_ok(sk_db_begin(sk_store_db(f->store), SK_DB_WRITE, &tx, &err), &err);
    assert_ok(
        sk_tx_run(tx, &err, "UPDATE blob SET touched_ms = touched_ms - ?1", "i", (int64_t)OLD_MS),
        &err);
    assert_ok(sk_tx_commit(&tx, &err), &err);
}

static void asking_keeps_from_gc(void **state)
{
    struct fixture *f = *state;
    struct sk_store_report report;
    struct sk_err err = SK_ERR_INIT;
    char asked[SK_DIGEST_TEXT], seen[SK_DIGEST_TEXT], fresh[SK_DIGEST_TEXT];
    uint64_t size = 0;

    put_blob(f, "a", "asked", asked);
    put_blob(f, "a", "seen", seen);
    put_blob(f, "a", "fresh", fresh);
    age_blobs(f);
    assert_ok(sk_repository_keep_blob(f->store, "a", asked, 0, &size, &err), &err);
    assert_int_equal(size, 5);
    assert_ok(sk_repository_blob(f->store, "a", seen, &size, &err), &err); /* a reader's */
    assert_ok(sk_repository_keep_blob(f->store, "a", fresh, 10 * OLD_MS, &size, &err), &err);
    assert_failed(sk_repository_keep_blob(f->store, "b", asked, 0, &size, &err), &err, SK_NOT_FOUND,
                  "BLOB_UNKNOWN: ");
    err = (struct sk_err)SK_ERR_INIT;
    assert_ok(sk_store_gc(f->store, GRACE_MS, GRACE_MS, false, &report, &err), &err);
    assert_int_equal(report.removed, 2);
    assert_ok(sk_repository_blob(f->store, "a", asked, &size, &err), &err);
}

static void an_upload_keeps_its_repository(void **state)
{
    struct fixture *f = *state;
    struct sk_store_report report;
    struct sk_err err = SK_ERR_INIT;
    char mine[SK_DIGEST_TEXT], other[SK_DIGEST_TEXT];
    uint64_t size = 0;

    put_blob(f, "a", "mine", mine);
    put_blob(f, "b", "other", other);
    age_blobs(f);
    assert_ok(sk_repository_keep(f->store, "a", 0, &err), &err);
    assert_ok(sk_repository_keep(f->store, "none", 0, &err), &err);
    assert_failed(sk_repository_keep(f->store, "..", 0, &err), &err, SK_INVALID, "NAME_INVALID: ");
    err = (struct sk_err)SK_ERR_INIT;
    assert_ok(sk_store_gc(f->store, GRACE_MS, GRACE_MS, false, &report, &err), &err);
    assert_int_equal(report.removed, 1);
    assert_ok(sk_repository_blob(f->store, "a", mine, &size, &err), &err);
}

/* ---- lists ---- */

struct names {
    char text[256];
    unsigned stop_after;
};

static int add_name(void *ctx, const char *name, struct sk_err *err)
{
    struct names *n = ctx;
    size_t used = strlen(n->text);
    (void)snprintf(n->text + used, sizeof n->text - used, "%s ", name);
    if (n->stop_after && --n->stop_after == 0)
        return sk_fail(err, SK_CANCELLED, "enough");
    return 0;
}

static void lists_of_tags(void **state)
{
    static const struct {
        const char *last;
        unsigned max;
        const char *want;
        bool more;
    } rows[] = {
        { NULL, 10, "A B a b ", false }, { NULL, 4, "A B a b ", false },
        { NULL, 3, "A B a ", true },     { NULL, 0, "", true },
        { "A", 2, "B a ", true },        { "AA", 2, "B a ", true },
        { "a", 2, "b ", false },         { "b", 2, "", false },
        { "zz", 2, "", false },          { "", 1, "A ", true },
    };
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    char digest[SK_DIGEST_TEXT];
    bool more;

    put_image(f, "r", "b", "hello", digest);
    put_image(f, "r", "A", "hello", digest);
    put_image(f, "r", "a", "world", digest);
    put_image(f, "r", "B", "world", digest);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct names n = { 0 };
        more = !rows[i].more;
        assert_ok(sk_tags_list(f->store, "r", rows[i].last, rows[i].max, add_name, &n, &more, &err),
                  &err);
        if (strcmp(n.text, rows[i].want) != 0 || more != rows[i].more)
            fail_msg("row %zu: '%s' %d", i, n.text, more);
    }
    struct names n = { .stop_after = 2 };
    assert_failed(sk_tags_list(f->store, "r", NULL, 10, add_name, &n, &more, &err), &err,
                  SK_CANCELLED, "enough");
    assert_string_equal(n.text, "A B ");
    assert_failed(sk_tags_list(f->store, "s", NULL, 10, add_name, &n, &more, &err), &err,
                  SK_NOT_FOUND, "NAME_UNKNOWN: ");
}

static void lists_of_repositories(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    char digest[SK_DIGEST_TEXT];
    struct names n = { 0 };
    bool more = false;

    put_image(f, "b/c", "v", "hello", digest);
    put_image(f, "a", "v", "hello", digest);
    put_image(f, "b", "v", "hello", digest);
    put_blob(f, "only-a-blob", "hello", digest);
    assert_ok(sk_repositories_list(f->store, NULL, 2, add_name, &n, &more, &err), &err);
    assert_string_equal(n.text, "a b ");
    assert_true(more);
    assert_ok(sk_repositories_list(f->store, "b", 2, add_name, &n, &more, &err), &err);
    assert_string_equal(n.text, "a b b/c ");
    assert_false(more);
}

#define ROW(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(held_by_its_repository),
        ROW(manifests_are_blobs),
        ROW(mounts),
        ROW(deletes),
        ROW(asking_keeps_from_gc),
        ROW(an_upload_keeps_its_repository),
        ROW(lists_of_tags),
        ROW(lists_of_repositories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
