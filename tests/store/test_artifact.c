/* test_artifact.c - names over blobs: what a path may be, lists, walks, copies. */
#include "store/store_util.h"

static void test_paths(void **state)
{
    static const struct {
        const char *path;
        bool ok;
    } rows[] = {
        { "a", true },       { "a/b/c.txt", true }, { "a b/\xc3\xa4", true }, { "...", true },
        { ".hidden", true }, { "", false },         { "/a", false },          { "a/", false },
        { "a//b", false },   { ".", false },        { "..", false },          { "a/..", false },
        { "../a", false },   { "a/./b", false },    { "a\\b", false },        { "a\nb", false },
        { "a\x7f", false },  { "\xff", false },
    };

    struct sk_err err = SK_ERR_INIT;
    char longest[1026];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        if ((sk_artifact_path_check(rows[i].path, &err) == 0) != rows[i].ok)
            fail_msg("'%s'", rows[i].path);
    memset(longest, 'x', sizeof longest);
    longest[1024] = '\0';
    DONE(sk_artifact_path_check(longest, &err));
    longest[1024] = 'x';
    longest[1025] = '\0';
    FAILS(sk_artifact_path_check(longest, &err), SK_INVALID);
}

struct lines {
    char text[4096];
};

static int add_child(void *ctx, const char *name, bool is_dir, uint64_t size, struct sk_err *err)
{
    struct lines *l = ctx;
    size_t at = strlen(l->text);

    (void)err;
    (void)snprintf(l->text + at, sizeof l->text - at, "%s%s:%llu ", name, is_dir ? "/" : "",
                   (unsigned long long)size);
    return 0;
}

static int add_file(void *ctx, const char *path, const char *digest, uint64_t size,
                    struct sk_err *err)
{
    assert_true(sk_digest_valid(digest));
    return add_child(ctx, path, false, size, err);
}

static void fill(struct place *p)
{
    static const char *const paths[] = { "a/x", "a/b/y", "a/b/z", "a-b",   "a.txt",
                                         "a0",  "b",     "c/d/e", "c/d.e", "c/d-e/f" };

    const char *digest = put_blob(p->store, "12345");

    for (size_t i = 0; i < COUNT(paths); i++)
        put_artifact(p->store, paths[i], digest);
}

static void test_lists(void **state)
{
    static const struct {
        const char *folder, *list, *walk;
    } rows[] = {
        { "", "a/:0 a-b:5 a.txt:5 a0:5 b:5 c/:0 ",
          "a-b:5 a.txt:5 a/b/y:5 a/b/z:5 a/x:5 a0:5 b:5 c/d-e/f:5 c/d.e:5 c/d/e:5 " },
        { "a", "b/:0 x:5 ", "b/y:5 b/z:5 x:5 " },
        { "a/b", "y:5 z:5 ", "y:5 z:5 " },
        { "c", "d/:0 d-e/:0 d.e:5 ", "d-e/f:5 d.e:5 d/e:5 " },
        { "b", "", ":5 " },
        { "none", "", "" },
        { "a/b/y", "", ":5 " },
    };

    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    fill(p);
    DONE(sk_db_begin(sk_store_db(p->store), SK_DB_READ, &tx, &err));
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct lines list = { "" }, walk = { "" };
        DONE(sk_artifact_list(tx, rows[i].folder, add_child, &list, &err));
        assert_string_equal(list.text, rows[i].list);
        DONE(sk_artifact_walk(tx, rows[i].folder, add_file, &walk, &err));
        assert_string_equal(walk.text, rows[i].walk);
    }
    FAILS(sk_artifact_list(tx, "../x", add_child, NULL, &err), SK_INVALID);
}

static void test_put_and_get(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    char digest[SK_DIGEST_TEXT];
    uint64_t size = 0;

    static const struct {
        const char *path;
        enum sk_code code;
    } rows[] = {
        { "a/b", SK_OK },
        { "a/b", SK_OK },
        { "a", SK_INVALID },
        { "a/b/c", SK_INVALID },
        { "a/b/c/d", SK_INVALID },
        { "a/c", SK_OK },
        { "a/../../x", SK_INVALID },
        { "a/bc", SK_OK },
    };

    const char *blob = put_blob(p->store, "12345");
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        DONE(sk_db_begin(sk_store_db(p->store), SK_DB_WRITE, &tx, &err));
        int rc = sk_artifact_put(tx, rows[i].path, blob, &err);
        if ((rc == 0 ? SK_OK : err.code) != rows[i].code)
            fail_msg("row %zu: %s", i, err.text);
        if (rc == 0)
            DONE(sk_tx_commit(&tx, &err));
    }
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    DONE(sk_db_begin(sk_store_db(p->store), SK_DB_WRITE, &tx, &err));
    DONE(sk_artifact_get(tx, "a/b", digest, &size, &err));
    assert_string_equal(digest, blob);
    assert_int_equal(size, 5);
    FAILS(sk_artifact_get(tx, "a", digest, &size, &err), SK_NOT_FOUND);
    FAILS(sk_artifact_put(tx, "new", digest_of("none"), &err), SK_NOT_FOUND);
}

static void test_remove(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct lines list = { "" };

    fill(p);
    DONE(sk_db_begin(sk_store_db(p->store), SK_DB_WRITE, &tx, &err));
    DONE(sk_artifact_remove(tx, "a", &err));
    DONE(sk_artifact_remove(tx, "b", &err));
    DONE(sk_artifact_remove(tx, "none", &err));
    DONE(sk_artifact_list(tx, "", add_child, &list, &err));
    assert_string_equal(list.text, "a-b:5 a.txt:5 a0:5 c/:0 ");
    FAILS(sk_artifact_remove(tx, "", &err), SK_INVALID);
}

static void test_copy(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct lines walk = { "" };
    size_t count = 9;

    fill(p);
    DONE(sk_db_begin(sk_store_db(p->store), SK_DB_WRITE, &tx, &err));
    DONE(sk_artifact_copy(tx, "a", "z/a", &count, &err));
    assert_int_equal(count, 3);
    DONE(sk_artifact_copy(tx, "b", "z/b", &count, &err));
    assert_int_equal(count, 1);
    DONE(sk_artifact_copy(tx, "none", "z/c", &count, &err));
    assert_int_equal(count, 0);
    DONE(sk_artifact_walk(tx, "z", add_file, &walk, &err));
    assert_string_equal(walk.text, "a/b/y:5 a/b/z:5 a/x:5 b:5 ");
    FAILS(sk_artifact_copy(tx, "a", "a/b/c", &count, &err), SK_INVALID);
    FAILS(sk_artifact_copy(tx, "a/b", "a", &count, &err), SK_INVALID);
    FAILS(sk_artifact_copy(tx, "a", "a", &count, &err), SK_INVALID);
    FAILS(sk_artifact_copy(tx, "a", "b", &count, &err), SK_INVALID); /* b is a file */
}

/* A copied path may become too long; then nothing is cut off. */
static void test_copy_limit(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    char path[1025], to[1025];
    size_t count = 0;

    memset(path, 'x', sizeof path);
    path[1] = '/';
    path[1024] = '\0';
    put_artifact(p->store, path, put_blob(p->store, "1"));
    DONE(sk_db_begin(sk_store_db(p->store), SK_DB_WRITE, &tx, &err));
    DONE(sk_artifact_copy(tx, "x", "y", &count, &err));
    FAILS(sk_artifact_copy(tx, "x", "yy", &count, &err), SK_INVALID);
    memset(to, 'y', sizeof to);
    to[1024] = '\0';
    FAILS(sk_artifact_copy(tx, "x", to, &count, &err), SK_INVALID);
}

static int list_once(void *ctx, struct sk_err *err)
{
    struct place *p = ctx;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct lines list = { "" }, walk = { "" };
    size_t count = 0;

    if (sk_db_begin(sk_store_db(p->store), SK_DB_WRITE, &tx, err) < 0 ||
        sk_artifact_copy(tx, "a", "q", &count, err) < 0 ||
        sk_artifact_list(tx, "", add_child, &list, err) < 0)
        return -1;
    return sk_artifact_walk(tx, "", add_file, &walk, err);
}

static void test_allocations(void **state)
{
    fill(*state);
    assert_true(sk_alloc_sweep("artifacts", list_once, *state, 0) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test_setup_teardown(test_lists, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_put_and_get, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_remove, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_copy, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_copy_limit, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_allocations, place_set_up, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
