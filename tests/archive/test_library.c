/* test_library.c - which libarchive is taken, and what is said when there is none. */
#include "archive/archive_priv.h"

#include <langinfo.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void missing_or_strange(void **state)
{
    (void)state;

    static const struct {
        const char *names[3];
        const char *text;
    } rows[] = {
        { { "libno-such-archive.so.9", NULL }, "'libno-such-archive.so.9' cannot be loaded" },
        { { "libno-such-archive.so.9", "libm.so.6", NULL }, "libarchive has no archive_entry_cl" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_archive_api api;
        assert_int_equal(sk_archive_load(rows[i].names, &api, &err), -1);
        assert_int_equal(err.code, SK_UNSUPPORTED);
        if (!strstr(err.text, rows[i].text))
            fail_msg("'%s' lacks '%s'", err.text, rows[i].text);
    }
}

static void version(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;

    assert_memory_equal(sk_archive_version(), "libarchive ", 11);
    assert_ptr_equal(sk_archive(&err), sk_archive(&err));
}

/* [archive-4] */
static void names_are_utf8_whatever_the_locale(void **state)
{
    (void)state;
    {
        SK_ARCHIVE_UTF8();
        assert_string_equal(nl_langinfo(CODESET), "UTF-8");
    }
    assert_string_not_equal(nl_langinfo(CODESET), "UTF-8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_or_strange),
        cmocka_unit_test(version),
        cmocka_unit_test(names_are_utf8_whatever_the_locale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
