/* test_verify.c - what is found, said, counted; that it can be stopped. */
#include "store/store_util.h"

#include <fcntl.h>

struct heard {
    int count;
    char last[SK_ERR_TEXT];
};

static void hear(void *ctx, const char *text)
{
    struct heard *h = ctx;

    h->count++;
    (void)snprintf(h->last, sizeof h->last, "%s", text);
}

static bool watch(void *ctx, uint64_t done, uint64_t total)
{
    struct heard *h = ctx;

    assert_true(done <= total);
    (void)snprintf(h->last, sizeof h->last, "%d of %d", (int)done, (int)total);
    return true;
}

static bool stop(void *ctx, uint64_t done, uint64_t total)
{
    (void)ctx;
    (void)done;
    (void)total;
    return false;
}

static void test_clean(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;
    struct heard heard = { 0 };

    DONE(sk_store_verify(p->store, hear, &heard, watch, &report, &err)); /* empty */
    assert_int_equal(report.blobs, 0);
    (void)put_blob(p->store, "four");
    (void)put_blob(p->store, "sixsix");
    DONE(sk_store_verify(p->store, hear, &heard, watch, &report, &err));
    assert_int_equal(report.blobs, 2);
    assert_int_equal(report.bytes, 10);
    assert_int_equal(report.problems + report.strays, 0);
    assert_string_equal(heard.last, "10 of 10");
    FAILS(sk_store_verify(p->store, hear, &heard, stop, &report, &err), SK_CANCELLED);
}

static void test_blobs(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;
    struct heard heard = { 0 };

    (void)put_blob(p->store, "good");
    spit(blob_file(p, put_blob(p->store, "changed")), "chAnged");
    spit(blob_file(p, put_blob(p->store, "short")), "sho");
    (void)put_blob_512(p->store, "good");
    spit(blob_file(p, put_blob_512(p->store, "altered")), "Altered");
    assert_int_equal(unlink(blob_file(p, put_blob(p->store, "missing"))), 0);
    DONE(sk_store_verify(p->store, hear, &heard, NULL, &report, &err));
    assert_int_equal(report.blobs, 6);
    assert_int_equal(report.problems, 4);
    assert_int_equal(heard.count, 4);
}

/* A row that names a blob which is not there: our own hand cannot write one, the disk can. */
static void test_reference(void **state)
{
    static const char path[] = "some/path";
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;
    struct heard heard = { 0 };
    SK_OWN(free) char *file = sk_path_join(p->dir, "registry.db");
    const char *digest = put_blob(p->store, "named");
    size_t len = 0, changed = 0;

    put_artifact(p->store, path, digest);
    {
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        DONE(sk_db_begin(sk_store_db(p->store), SK_DB_WRITE, &tx, &err));
        FAILS(sk_tx_run(tx, &err, "DELETE FROM blob", ""), SK_INVALID);
    }
    sk_store_close(p->store);
    p->store = NULL;

    /* The digest beside the path, in the table and in its index. */
    SK_OWN(free) char *bytes = slurp(file, &len);
    const size_t n = strlen(digest), m = sizeof path - 1;
    for (size_t i = m; i + n + m < len; i++)
        if (memcmp(bytes + i, digest, n) == 0 &&
            (memcmp(bytes + i - m, path, m) == 0 || memcmp(bytes + i + n, path, m) == 0)) {
            bytes[i + n - 1] = bytes[i + n - 1] == '0' ? '1' : '0';
            changed++;
        }
    assert_int_equal(changed, 2);
    DONE(sk_file_write(file, bytes, len, 0600, &err));
    DONE(sk_store_open(p->dir, &p->store, &err));
    DONE(sk_store_verify(p->store, hear, &heard, NULL, &report, &err));
    assert_int_equal(report.problems, 1);
    assert_non_null(strstr(heard.last, "of artifact refers to nothing in blob"));
}

/* Pages of the database overwritten. */
static void test_database(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report = { 0 };
    struct heard heard = { 0 };
    SK_OWN(free) char *path = sk_path_join(p->dir, "registry.db");

    for (int i = 0; i < 300; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "f/%d", i);
        put_artifact(p->store, name, put_blob(p->store, name));
    }
    sk_store_close(p->store);
    p->store = NULL;
    SK_AUTO(sk_close) int fd = open(path, O_RDWR | O_CLOEXEC);
    char page[4096];
    off_t end = lseek(fd, 0, SEEK_END);
    assert_true(end > (off_t)(40 * sizeof page));
    memset(page, 0x5a, sizeof page);
    for (off_t at = end - (off_t)(20 * sizeof page); at < end; at += (off_t)sizeof page)
        assert_int_equal(pwrite(fd, page, sizeof page, at), sizeof page);
    DONE(sk_store_open(p->dir, &p->store, &err));
    if (sk_store_verify(p->store, hear, &heard, NULL, &report, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(report.problems > 0);
    assert_int_equal(heard.count, report.problems);
}

static int verify_once(void *ctx, struct sk_err *err)
{
    struct place *p = ctx;
    struct sk_store_report report;

    return sk_store_verify(p->store, NULL, NULL, NULL, &report, err);
}

static void test_allocations(void **state)
{
    struct place *p = *state;

    (void)put_blob(p->store, "four");
    assert_true(sk_alloc_sweep("verify", verify_once, p, 0) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_clean, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_blobs, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_reference, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_database, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_allocations, place_set_up, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
