/* test_codecs.c - each library with a version. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "image/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_versions(void **state)
{
    static const char *const names[] = { "libjpeg", "zlib 1.", "libwebp ", "libtiff 4." };
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1000);

    (void)state;
    sk_image_codecs(&b);
    assert_true(sk_buf_ok(&b));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_non_null(strstr(b.data, names[i]));
    assert_null(strchr(b.data, '\n'));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_versions) };
    return cmocka_run_group_tests_name("codecs", tests, NULL, NULL);
}
