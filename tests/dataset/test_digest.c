/* test_digest.c - what changes the name of a dataset and what does not. */
#include "dataset_test.h"

#include "harness/alloc_fail.h"

#include <sys/stat.h>

static void digest(const char *root, char *out)
{
    SK_OWN(sk_dataset_free) struct sk_dataset *d = open_dataset(root);
    struct sk_err err = SK_ERR_INIT;

    if (sk_dataset_digest(d, out, &err) < 0)
        fail_msg("%s", err.text);
}

static void put_example(const char *root)
{
    put_text(root, "a/1.jpg", "one");
    put_text(root, "b/2.jpg", "two");
    put_text(root, "b/sub/3.jpg", "");
}

/* sha256("class a\0class b\0a/1.jpg\0" sha256("one") "\0b/2.jpg\0" ...), from Python's hashlib. */
static void test_known(void **state)
{
    char got[SK_SHA256_HEX];

    put_example(*state);
    digest(*state, got);
    assert_string_equal(got, "f70df2314f7ee095c5ba0b1731ccc98f83297e8a592792c02433f07dcf5d8eae");
}

static void test_changes(void **state)
{
    static const char *const steps[] = { "content", "name", "class", "more", "unreadable" };
    char digests[COUNT(steps) + 1][SK_SHA256_HEX], again[SK_SHA256_HEX];
    char root[1024], moved[1024];

    (void)snprintf(root, sizeof root, "%s/data", (char *)*state);
    (void)snprintf(moved, sizeof moved, "%s/moved", (char *)*state);
    put_example(root);
    digest(root, digests[0]);
    put_text(root, "a/1.jpg", "One");
    digest(root, digests[1]);
    assert_int_equal(rename(in(root, "a/1.jpg"), in(root, "a/0.jpg")), 0);
    digest(root, digests[2]);
    assert_int_equal(rename(in(root, "a"), in(root, "aa")), 0);
    digest(root, digests[3]);
    put_text(root, "aa/new.jpg", "x");
    digest(root, digests[4]);
    assert_int_equal(unlink(in(root, "aa/new.jpg")), 0);
    assert_int_equal(mkfifo(in(root, "aa/new.jpg"), 0600), 0);
    digest(root, digests[5]);
    for (size_t i = 0; i < COUNT(digests); i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(digests[i], digests[k]) == 0)
                fail_msg("%s: as before", steps[i - 1]);
        }
    }
    put_text(root, "aa/notes.txt", "others do not count");
    assert_int_equal(rename(root, moved), 0); /* nor does the place */
    digest(moved, again);
    assert_string_equal(again, digests[5]);
}

static int take(void *ctx, struct sk_err *err)
{
    char out[SK_SHA256_HEX];

    return sk_dataset_digest(ctx, out, err);
}

static void test_memory(void **state)
{
    put_example(*state);
    SK_OWN(sk_dataset_free) struct sk_dataset *d = open_dataset(*state);
    (void)sk_alloc_sweep("digest", take, d, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
