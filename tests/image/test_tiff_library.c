/* test_tiff_library.c - which libtiff is taken, and what is said when there is none. */
#include "image/tiff_priv.h"

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
        { { "libno-such-tiff.so.9", NULL },
          "'libno-such-tiff.so.9' cannot be loaded: install libtiff6" },
        { { "libno-such-tiff.so.9", "libm.so.6", NULL }, "libtiff has no TIFFClientOpenExt" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_tiff_api api;
        assert_int_equal(sk_tiff_load(rows[i].names, &api, &err), -1);
        assert_int_equal(err.code, SK_UNSUPPORTED);
        if (!strstr(err.text, rows[i].text))
            fail_msg("'%s' lacks '%s'", err.text, rows[i].text);
    }
}

static void the_one_of_the_headers(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    const struct sk_tiff_api *lib = sk_tiff_library(&err);

    assert_non_null(lib);
    assert_ptr_equal(lib, sk_tiff_library(&err));
    assert_non_null(strstr(lib->TIFFGetVersion(), "LIBTIFF, Version "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_or_strange),
        cmocka_unit_test(the_one_of_the_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
