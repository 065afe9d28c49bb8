/* test_name.c - which names are taken, and as what. */
#include "archive/archive_priv.h"

#include "base/buf.h"
#include "harness/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* [archive-10] [archive-11] */
static void names(void **state)
{
    (void)state;

    static const struct {
        const char *raw, *clean; /* clean NULL: refused */
        enum sk_code code;
    } rows[] = {
        { "a", "a", SK_OK },
        { "./a//b/./c/", "a/b/c", SK_OK },
        { "", "", SK_OK },
        { ".", "", SK_OK },
        { "./", "", SK_OK },
        { "..a/b..", "..a/b..", SK_OK },
        { "gr\xc3\xbc\xc3\x9f/\xe7\x8c\xab.onnx", "gr\xc3\xbc\xc3\x9f/\xe7\x8c\xab.onnx", SK_OK },
        { "a\\b", "a\\b", SK_OK },
        { "..", NULL, SK_INVALID },
        { "../a", NULL, SK_INVALID },
        { "a/../../b", NULL, SK_INVALID },
        { "a/..", NULL, SK_INVALID },
        { "/a", NULL, SK_INVALID },
        { "//a", NULL, SK_INVALID },
        { "/", NULL, SK_INVALID },
        { "a\nb", NULL, SK_INVALID },
        { "a\x1b[2Jb", NULL, SK_INVALID },
        { "a\x7f", NULL, SK_INVALID },
        { "a\xc2\x9b"
          "31m",
          NULL, SK_INVALID },
        { "a\xff", NULL, SK_INVALID },
        { "a\xc0\xaf"
          "b",
          NULL, SK_INVALID },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_OWN(free) char *clean = NULL;
        struct sk_err err = SK_ERR_INIT;
        int rc = sk_tar_clean(rows[i].raw, &clean, &err);
        if (rc != (rows[i].clean ? 0 : -1) || err.code != rows[i].code)
            fail_msg("row %zu: %d %s", i, rc, err.text);
        if (rows[i].clean)
            assert_string_equal(clean, rows[i].clean);
        for (const char *p = err.text; *p; p++)
            assert_true(*p >= ' ' && *p <= '~');
    }
}

static void repeat(struct sk_buf *b, const char *part, size_t times)
{
    for (size_t i = 0; i < times; i++)
        sk_buf_str(b, part);
}

/* [archive-12] */
static void lengths(void **state)
{
    (void)state;

    static const struct {
        const char *name, *part;
        size_t times;
        bool is_fine;
    } rows[] = {
        { "longest part", "x", SK_TAR_PART_BYTES, true },
        { "part too long", "x", SK_TAR_PART_BYTES + 1, false },
        { "deepest", "d/", SK_TAR_DEPTH, true },
        { "too deep", "d/", SK_TAR_DEPTH + 1, false },
        { "longest", "./", SK_TAR_NAME_BYTES / 2, true },
        { "too long", "./", SK_TAR_NAME_BYTES / 2 + 1, false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
        SK_OWN(free) char *clean = NULL;
        struct sk_err err = SK_ERR_INIT;
        repeat(&b, rows[i].part, rows[i].times);
        int rc = sk_tar_clean(b.data, &clean, &err);
        if (rc != (rows[i].is_fine ? 0 : -1) || err.code != (rows[i].is_fine ? SK_OK : SK_LIMIT))
            fail_msg("%s: %d %s", rows[i].name, rc, err.text);
    }
}

static void shown(void **state)
{
    (void)state;
    char out[SK_TAR_SHOWN_BYTES], longer[SK_TAR_SHOWN_BYTES * 2];

    assert_string_equal(sk_tar_shown("a\nb\xc3\xbc", out), "a?b??");
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(strlen(sk_tar_shown(longer, out)), SK_TAR_SHOWN_BYTES - 1);
    assert_string_equal(out + SK_TAR_SHOWN_BYTES - 5, "x...");
}

static int clean_one(void *ctx, struct sk_err *err)
{
    SK_OWN(free) char *clean = NULL;
    return sk_tar_clean(ctx, &clean, err);
}

static void allocations(void **state)
{
    (void)state;
    char deep[] = "a/b/c", root[] = "./";
    assert_true(sk_alloc_sweep("name", clean_one, deep, 0) >= 1);
    assert_true(sk_alloc_sweep("root", clean_one, root, 0) >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(lengths),
        cmocka_unit_test(shown),
        cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
