/* test_store.c - making and opening the folder. */
#include "store/store_util.h"

#include <fcntl.h>

static void test_create(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct stat st;
    SK_OWN(free) char *deep = sk_path_join(p->top, "a/b/c");
    SK_OWN(free) char *left = sk_path_join(deep, "registry.db.new");
    SK_OWN(free) char *db = sk_path_join(deep, "registry.db");

    assert_string_equal(sk_store_dir(p->store), p->dir);
    assert_int_equal(stat(p->dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    FAILS(sk_store_create(p->dir, &err), SK_EXISTS);
    expect_problems(p->store, 0);

    DONE(sk_mkdirs(deep, 0700, &err));
    spit(left, "what a kill has left");
    DONE(sk_store_create(deep, &err));
    assert_false(sk_is_file(left));
    assert_int_equal(stat(db, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_not_ours(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_store *s = NULL;
    SK_OWN(free) char *none = sk_path_join(p->top, "none");
    SK_OWN(free) char *empty = sk_path_join(p->top, "empty");
    SK_OWN(free) char *other = sk_path_join(p->top, "other");
    SK_OWN(free) char *file = sk_path_join(other, "registry.db");

    FAILS(sk_store_open(none, &s, &err), SK_NOT_FOUND);
    DONE(sk_mkdirs(empty, 0700, &err));
    FAILS(sk_store_open(empty, &s, &err), SK_NOT_FOUND);
    assert_non_null(strstr(err.text, "hub init"));
    DONE(sk_mkdirs(other, 0700, &err));
    spit(file, "this is no database, but long enough to look at it as if it were one of them....."
               "........................................................................");
    FAILS(sk_store_open(other, &s, &err), SK_CORRUPT);
    spit(file, "");
    FAILS(sk_store_open(other, &s, &err), SK_INVALID);
}

/* Two of them at once, as when a command works beside the hub. */
static void test_two(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_store_close) struct sk_store *second = NULL;

    DONE(sk_store_open(p->dir, &second, &err));
    const char *digest = put_blob(p->store, "text");
    assert_true(has_blob(second, digest));
    put_artifact(second, "a", digest);
    assert_int_equal(ask(p->store, "SELECT count(*) FROM artifact"), 1);
}

static int open_once(void *ctx, struct sk_err *err)
{
    struct place *p = ctx;
    SK_OWN(sk_store_close) struct sk_store *s = NULL;

    return sk_store_open(p->dir, &s, err);
}

static int create_once(void *ctx, struct sk_err *err)
{
    struct place *p = ctx;
    struct sk_err second = SK_ERR_INIT;
    SK_OWN(free) char *dir = sk_path_join(p->top, "made");

    if (!dir)
        return sk_nomem(err);
    int rc = sk_store_create(dir, err);
    if (rc == 0 && sk_remove_tree(dir, &second) < 0)
        fail_msg("%s", second.text);
    return rc;
}

static void test_allocations(void **state)
{
    assert_true(sk_alloc_sweep("open", open_once, *state, 0) > 4);
    assert_true(sk_alloc_sweep("create", create_once, *state, 0) > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_not_ours, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_two, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_allocations, place_set_up, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
