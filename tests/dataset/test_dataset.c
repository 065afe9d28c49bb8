/* test_dataset.c - folders to classes and samples; layouts that are refused, and how. */
#include "dataset_test.h"

#include "base/str.h"
#include "harness/alloc_fail.h"

/* "class class | label path label path | other other" with paths below root. */
static void print(const struct sk_dataset *d, struct sk_buf *out)
{
    const size_t root = strlen(d->root) + 1;

    for (size_t i = 0; i < d->class_count; i++)
        sk_buf_fmt(out, "%s ", d->classes[i]);
    sk_buf_str(out, "|");
    for (size_t i = 0; i < d->count; i++)
        sk_buf_fmt(out, " %u %s", d->samples[i].label, d->samples[i].path + root);
    sk_buf_str(out, " |");
    for (size_t i = 0; i < d->other_count; i++)
        sk_buf_fmt(out, " %s", d->others[i] + root);
}

static void expect(const struct sk_dataset *d, const char *want)
{
    SK_AUTO(sk_buf_done) struct sk_buf got = SK_BUF_INIT(65536);

    print(d, &got);
    assert_string_equal(got.data, want);
}

static void test_order(void **state)
{
    const char *root = *state;

    put_text(root, "good/10.JPG", "");
    put_text(root, "good/2.png", "");
    put_text(root, "good/sub/1.tiff", "");
    put_text(root, "good/sub.jpg/1.txt", "");
    put_text(root, "good/sub.jpg/1.webp", "");
    put_text(root, "Defect/.hidden.gif", "");
    put_text(root, "Defect/notes", "");
    put_text(root, "\xC3\xA9t\xC3\xA9/\xE6\x97\xA5.bmp", "");
    put_text(root, "\xC3\xA9t\xC3\xA9/\xFF.bmp", ""); /* file names need not be UTF-8 */
    put_text(root, "beside.jpg", "");
    assert_int_equal(symlink("../good/2.png", in(root, "Defect/link.png")), 0);
    assert_int_equal(symlink("nowhere", in(root, "Defect/gone.png")), 0);
    SK_OWN(sk_dataset_free) struct sk_dataset *d = open_dataset(root);
    expect(d, "Defect good \xC3\xA9t\xC3\xA9 | 0 Defect/.hidden.gif 0 Defect/gone.png "
              "0 Defect/link.png 1 good/10.JPG 1 good/2.png 1 good/sub/1.tiff "
              "1 good/sub.jpg/1.webp 2 \xC3\xA9t\xC3\xA9/\xE6\x97\xA5.bmp "
              "2 \xC3\xA9t\xC3\xA9/\xFF.bmp | beside.jpg Defect/notes good/sub.jpg/1.txt");
}

/* A root may end in a slash, and be a link. */
static void test_roots(void **state)
{
    char path[1024];

    put_text(*state, "root/a/1.jpg", "");
    put_text(*state, "root/b/2.jpg", "");
    assert_int_equal(symlink("root", in(*state, "link")), 0);
    (void)snprintf(path, sizeof path, "%s/link/", (char *)*state);
    SK_OWN(sk_dataset_free) struct sk_dataset *d = open_dataset(path);
    assert_int_equal(d->count, 2);
    assert_true(sk_ends_with(d->samples[0].path, "link/a/1.jpg"));
}

static void test_refused(void **state)
{
    static const struct {
        const char *name;
        const char *files[4];
        enum sk_code code;
        const char *text;
    } rows[] = {
        { "missing", { NULL }, SK_NOT_FOUND, "missing" },
        { "file", { "file" }, SK_INVALID, "is a file, a folder of pictures is needed" },
        { "flat", { "flat/1.jpg", "flat/2.jpg" }, SK_INVALID, "flat/good and " },
        { "one", { "one/good/1.jpg", "one/x.txt" }, SK_INVALID, "one class folder, 'good'" },
        { "empty",
          { "empty/a/1.jpg", "empty/b/1.txt", "empty/c/d/2.txt" },
          SK_INVALID,
          "in the class folders 'b', 'c'" },
        { "single", { "single/a/1.jpg", "single/b/x" }, SK_INVALID, "in the class folder 'b'" },
        { "latin", { "latin/a/1.jpg", "latin/\xE9/1.jpg" }, SK_INVALID, "is not UTF-8" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_dataset *d = NULL;
        struct sk_err err = SK_ERR_INIT;
        for (size_t k = 0; k < 4 && rows[i].files[k]; k++)
            put_text(*state, rows[i].files[k], "");
        if (sk_dataset_open(in(*state, rows[i].name), NULL, &d, &err) != -1 ||
            err.code != rows[i].code || !strstr(err.text, rows[i].text))
            fail_msg("%s: %s", rows[i].name, err.text);
    }
}

/* A validation folder: the labels are those of the training data. */
static void test_like(void **state)
{
    static const struct {
        const char *name;
        const char *files[4];
        const char *want; /* or the error */
    } rows[] = {
        { "some", { "some/c/1.jpg", "some/a/2.jpg" }, "a b c | 0 a/2.jpg 2 c/1.jpg |" },
        { "empty", { "empty/c/1.jpg", "empty/b/x" }, "a b c | 2 c/1.jpg | b/x" },
        { "more", { "more/a/1.jpg", "more/d/1.jpg" }, "folder 'd' is not one of the 3 known" },
        { "none", { "none/a/x.txt" }, "has no pictures" },
        { "flat", { "flat/x.jpg" }, "has no pictures" },
    };

    static char a[] = "a", b[] = "b", c[] = "c";
    char *names[] = { a, b, c };
    const struct sk_dataset classes = { .classes = names, .class_count = 3 };

    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(sk_dataset_free) struct sk_dataset *d = NULL;
        struct sk_err err = SK_ERR_INIT;
        for (size_t k = 0; k < 4 && rows[i].files[k]; k++)
            put_text(*state, rows[i].files[k], "");
        if (sk_dataset_open(in(*state, rows[i].name), &classes, &d, &err) == 0)
            expect(d, rows[i].want);
        else if (err.code != SK_INVALID || !strstr(err.text, rows[i].want))
            fail_msg("%s: %s", rows[i].name, err.text);
    }
}

/* Labels in any order, such as a bundle's; a name that is there twice is its first label. */
static void test_like_labels(void **state)
{
    static char z[] = "z", a[] = "a";
    char *names[] = { z, a, a };
    const struct sk_dataset classes = { .classes = names, .class_count = 3 };
    SK_OWN(sk_dataset_free) struct sk_dataset *d = NULL;
    struct sk_err err = SK_ERR_INIT;

    put_text(*state, "a/1.jpg", "");
    put_text(*state, "z/2.jpg", "");
    assert_int_equal(sk_dataset_open(*state, &classes, &d, &err), 0);
    expect(d, "z a a | 0 z/2.jpg 1 a/1.jpg |");
}

static int open_both(void *ctx, struct sk_err *err)
{
    SK_OWN(sk_dataset_free) struct sk_dataset *d = NULL;
    SK_OWN(sk_dataset_free) struct sk_dataset *val = NULL;

    if (sk_dataset_open(ctx, NULL, &d, err) < 0)
        return -1;
    return sk_dataset_open(ctx, d, &val, err);
}

static int open_empty(void *ctx, struct sk_err *err)
{
    struct sk_dataset *d = NULL;

    if (sk_dataset_open(ctx, NULL, &d, err) == 0)
        fail_msg("an empty class was taken");
    return err->code == SK_NOMEM ? -1 : 0;
}

static void test_memory(void **state)
{
    put_text(*state, "a/1.jpg", "");
    put_text(*state, "b/2.jpg", "");
    put_text(*state, "b/x", "");
    (void)sk_alloc_sweep("open", open_both, *state, 0);
    put_text(*state, "c/x", "");
    (void)sk_alloc_sweep("empty", open_empty, *state, 0);
}

/* Time and memory grow with the number of files. */
static void test_many(void **state)
{
    put_text(*state, "a/0.jpg", "x");
    put_text(*state, "b/0.jpg", "x");
    for (int i = 1; i < 5000; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "a/%d.jpg", i);
        assert_int_equal(link(in(*state, "a/0.jpg"), in(*state, name)), 0);
    }
    SK_OWN(sk_dataset_free) struct sk_dataset *d = open_dataset(*state);
    assert_int_equal(d->count, 5001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_roots, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_like, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_like_labels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
