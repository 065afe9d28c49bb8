/*
 * test_jpeg_fast_kernels.c - which kernels a name gives.
 */
#include "jpeg_util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void names(void **unused)
{
    (void)unused;
    assert_ptr_equal(sk_jf_kernels_find("c"), &sk_jf_kernels_c);
    /* A name that this CPU has not, or nobody has, gives a set all the same, and a complete one. */
    static const char *const asked[] = { "c", "avx2", "avx512", "neon", "" };
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        const struct sk_jf_kernels *k = sk_jf_kernels_find(asked[i]);
        assert_non_null(k);
        assert_true(k->scan && k->idct && k->idct_4x4 && k->rgb_420 && k->rgb_422 && k->rgb_444 &&
                    k->rgb_grey);
    }
    /* What sk_kernels() chose is what a decoder uses. */
    for (const char *const *name = sk_image_kernels_available(); *name; name++) {
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(sk_image_kernels_select(*name, &err), 0);
        assert_true(strcmp(*name, "c") != 0 ||
                    sk_jf_kernels_find(sk_kernels()->name) == &sk_jf_kernels_c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(names) };
    return cmocka_run_group_tests_name("image/jpeg_fast_kernels", tests, NULL, NULL);
}
