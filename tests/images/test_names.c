/* test_names.c - what a repository, a tag and a digest may be called: [hub-oci-2]. */
#include "images/images.h"
#include "images/images_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct {
    const char *text;
    bool is_repository, is_tag;
} NAMES[] = {
    { "a", true, true },
    { "0", true, true },
    { "library/alpine", true, false },
    { "a/b/c/d/e/f", true, false },
    { "a.b", true, true },
    { "a_b", true, true },
    { "a__b", true, true },
    { "a-b", true, true },
    { "a---b", true, true },
    { "a1/b2.c3", true, false },
    { "blobs/uploads", true, false },
    { "V1.0_x-y", false, true },
    { "_x", false, true },
    { "a_", false, true },
    { "a-", false, true },
    { "a.", false, true },
    { "a..b", false, true },
    { "a___b", false, true },
    { "a.-b", false, true },
    { "a_.b", false, true },
    { "LATEST", false, true },
    { "", false, false },
    { "/", false, false },
    { "/a", false, false },
    { "a/", false, false },
    { "a//b", false, false },
    { ".", false, false },
    { "..", false, false },
    { "../a", false, false },
    { "a/../b", false, false },
    { "a/./b", false, false },
    { "a\\b", false, false },
    { "-a", false, false },
    { ".a", false, false },
    { "a/-b", false, false },
    { "a/_b", false, false },
    { "a b", false, false },
    { "a:b", false, false },
    { "a@b", false, false },
    { "a\nb", false, false },
    { "a%2fb", false, false },
    { "caf\xc3\xa9", false, false },
};

static void names(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        if (sk_repository_valid(NAMES[i].text) != NAMES[i].is_repository)
            fail_msg("repository '%s'", NAMES[i].text);
        if (sk_tag_valid(NAMES[i].text) != NAMES[i].is_tag)
            fail_msg("tag '%s'", NAMES[i].text);
    }
}

static void lengths(void **state)
{
    char text[SK_REPOSITORY_TEXT + 1];

    (void)state;
    memset(text, 'a', sizeof text);
    text[SK_REPOSITORY_TEXT - 1] = '\0';
    assert_true(sk_repository_valid(text));
    text[SK_REPOSITORY_TEXT - 1] = 'a';
    text[SK_REPOSITORY_TEXT] = '\0';
    assert_false(sk_repository_valid(text));
    text[SK_TAG_TEXT - 1] = '\0';
    assert_true(sk_tag_valid(text));
    text[SK_TAG_TEXT - 1] = 'a';
    text[SK_TAG_TEXT] = '\0';
    assert_false(sk_tag_valid(text));
}

static void references(void **state)
{
    static const struct {
        const char *text;
        int want; /* 0 a tag, 1 a digest, -1 neither */
        const char *code;
    } rows[] = {
        { "latest", 0, NULL },
        { "sha256-" HEX64 ".sig", 0, NULL },
        { "sha256:" HEX64, 1, NULL },
        { "sha256:totallywrong", -1, "DIGEST_INVALID: " },
        { "sha384:" HEX64 "0123456789abcdef0123456789abcdef", -1, "DIGEST_INVALID: " },
        { "sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", -1,
          "DIGEST_INVALID: " },
        { "sha256:" HEX64 "0", -1, "DIGEST_INVALID: " },
        { ":", -1, "DIGEST_INVALID: " },
        { ".INVALID_MANIFEST_NAME", -1, "MANIFEST_INVALID: " },
        { "", -1, "MANIFEST_INVALID: " },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sk_err err = SK_ERR_INIT;
        int got = sk_images_reference(rows[i].text, &err);
        if (got != rows[i].want)
            fail_msg("'%s': %d", rows[i].text, got);
        if (got < 0 && strncmp(err.text, rows[i].code, strlen(rows[i].code)) != 0)
            fail_msg("'%s': %s", rows[i].text, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(lengths),
        cmocka_unit_test(references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
