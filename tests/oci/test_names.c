/* test_names.c - the grammar of names, at and past every limit. */
#include "oci/oci_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct row {
    const char *text;
    bool is_good;
};

static void check(const char *what, bool (*is)(struct sk_view), const struct row *rows,
                  size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is(sk_view_of(rows[i].text)) != rows[i].is_good)
            fail_msg("%s '%s'", what, rows[i].text);
}

#define CHECK(is, rows) check(#is, is, rows, sizeof(rows) / sizeof(rows)[0])

/* [oci-1] */
static void repositories(void **state)
{
    static const struct row rows[] = {
        { "a", true },      { "a/b/c", true },        { "a.b_c__d-e---f/0", true },
        { "", false },      { "/a", false },          { "a/", false },
        { "a//b", false },  { "A", false },           { "a..b", false },
        { "a___b", false }, { "-a", false },          { "a-", false },
        { "a._b", false },  { "a/../b", false },      { "a/.b", false },
        { "a b", false },   { "caf\xc3\xa9", false }, { "a%2fb", false },
        { "_a", false },    { "a_", false },          { "a\n", false },
    };
    char text[300];

    (void)state;
    CHECK(sk_oci_is_repository, rows);
    memset(text, 'a', sizeof text);
    assert_true(sk_oci_is_repository((struct sk_view){ text, 255 }));
    assert_false(sk_oci_is_repository((struct sk_view){ text, 256 }));
    assert_false(sk_oci_is_repository((struct sk_view){ "a\0b", 3 }));
}

/* [oci-2] */
static void tags(void **state)
{
    static const struct row rows[] = {
        { "a", true },    { "_1.0-rc.1", true }, { "Latest", true }, { "", false },
        { ".a", false },  { "-a", false },       { "a/b", false },   { "a b", false },
        { "a:b", false }, { "a\n", false },
    };
    char text[129];

    (void)state;
    CHECK(sk_oci_is_tag, rows);
    memset(text, 'a', sizeof text);
    assert_true(sk_oci_is_tag((struct sk_view){ text, 128 }));
    assert_false(sk_oci_is_tag((struct sk_view){ text, 129 }));
}

/* [oci-3] */
static void digests(void **state)
{
    static const struct row rows[] = {
        { "sha256:" HEX64, true },
        { "sha256:" HEX64 "0", false },
        { "sha256:", false },
        { "", false },
        { "sha512:" HEX64, false },
        { "SHA256:" HEX64, false },
        { "sha256:"
          "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
          false },
        { "sha256:../../../../../../../../../../../../../../../../../../../../../..", false },
    };

    (void)state;
    CHECK(sk_oci_is_digest, rows);
}

static void hosts(void **state)
{
    static const struct row rows[] = {
        { "a", true },
        { "localhost:5000", true },
        { "hub.example.com", true },
        { "127.0.0.1:1", true },
        { "[::1]:65535", true },
        { "[::1]", true },
        { "", false },
        { "a:", false },
        { "a:0", false },
        { "a:65536", false },
        { "a:b", false },
        { "a/b", false },
        { ".a", false },
        { "a.", false },
        { "-a", false },
        { "a@b", false },
        { "[]", false },
        { "[::1", false },
        { "[::1]x", false },
        { "[::1]:", false },
        { "a b", false },
        { "a:123456", false },
        { "[a/b]", false },
    };

    (void)state;
    CHECK(sk_oci_is_host, rows);
}

static void media_types(void **state)
{
    static const struct row rows[] = {
        { SK_OCI_MANIFEST, true },
        { SK_OCI_LAYER_GZIP, true },
        { "a/b", true },
        { "", false },
        { "a", false },
        { "a/", false },
        { "/b", false },
        { "a/b/c", false },
        { "a/b; c=d", false },
        { "a/b\r\nX: y", false },
    };
    char text[130];

    (void)state;
    CHECK(sk_oci_is_media_type, rows);
    memset(text, 'a', sizeof text);
    text[1] = '/';
    assert_true(sk_oci_is_media_type((struct sk_view){ text, 127 }));
    assert_false(sk_oci_is_media_type((struct sk_view){ text, 128 }));
    assert_false(sk_oci_is_media_type((struct sk_view){ "a/b\0", 4 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repositories), cmocka_unit_test(tags),        cmocka_unit_test(digests),
        cmocka_unit_test(hosts),        cmocka_unit_test(media_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
