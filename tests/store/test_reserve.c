/* test_reserve.c - when storing is refused, and what it takes of a folder; a disk that is really
 * full is in test_full.c. */
#include "store/store_util.h"

#include <fcntl.h>
#include <unistd.h>

static void test_held(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct stat st;
    SK_OWN(free) char *file = sk_path_join(p->dir, SK_STORE_RESERVE);

    assert_true(p->store->reserve_bytes > 0 && p->store->reserve_bytes <= SK_STORE_RESERVE_BYTES);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true((uint64_t)st.st_blocks * 512 >= p->store->reserve_bytes);
    DONE(sk_reserve_room(p->store, SK_DB_WRITE, &err));
    DONE(sk_reserve_room(p->store, SK_DB_SHRINK, &err)); /* there is room: it stays */
    assert_int_equal(stat(file, &st), 0);
    assert_true(st.st_size > 0);
    /* lost somehow: the next change makes it again */
    assert_int_equal(truncate(file, 0), 0);
    (void)put_blob(p->store, "one");
    assert_int_equal(stat(file, &st), 0);
    assert_true((uint64_t)st.st_blocks * 512 >= p->store->reserve_bytes);
}

/* As if the disk were larger than it is and had no more room than that. */
static void test_refused(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_store_report report;
    SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;
    SK_OWN(sk_upload_suspend) struct sk_upload *begun = NULL;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    DONE(sk_upload_begin(p->store, "s", &begun, &err));
    DONE(sk_upload_write(begun, "abc", 3, &err));
    p->store->reserve_bytes = (uint64_t)1 << 62;
    FAILS(sk_upload_begin(p->store, "s", &u, &err), SK_FULL);
    assert_non_null(strstr(err.text, p->dir));
    FAILS(sk_upload_write(begun, "def", 3, &err), SK_FULL);
    sk_upload_suspend(SK_TAKE(begun));
    assert_int_equal(count_files(p, "uploads"), 0); /* given back */
    FAILS(sk_db_begin(sk_store_db(p->store), SK_DB_WRITE, &tx, &err), SK_FULL);
    DONE(sk_db_begin(sk_store_db(p->store), SK_DB_SHRINK, &tx, &err));
    sk_tx_end(SK_TAKE(tx));
    DONE(sk_store_gc(p->store, 0, 0, false, &report, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_held, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_refused, place_set_up, place_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
