/* test_absent.c - a build without libarchive's headers says so. */
#include "archive/archive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void says_so(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_tar_writer *w = NULL;
    struct sk_tar_reader *r = NULL;
    struct sk_tar_entry e;

    for (int i = 0; i < 10; i++) {
        err = (struct sk_err)SK_ERR_INIT;
        int64_t rc = i == 0   ? sk_tar_writer_new(SK_ARCHIVE_PLAIN, NULL, NULL, &w, &err)
                     : i == 1 ? sk_tar_reader_new(-1, NULL, &r, &err)
                     : i == 2 ? sk_tar_unpack(-1, NULL, "", "/", false, &err)
                     : i == 3 ? sk_tar_dir(w, "a", 0, &err)
                     : i == 4 ? sk_tar_link(w, "a", "b", &err)
                     : i == 5 ? sk_tar_file(w, "a", 0, 0, &err)
                     : i == 6 ? sk_tar_bytes(w, "", 0, &err)
                     : i == 7 ? sk_tar_copy(w, "a", 0, "b", &err)
                     : i == 8 ? sk_tar_next(r, &e, &err)
                              : sk_tar_read(r, &e, 0, &err);
        assert_int_equal(rc, -1);
        assert_int_equal(err.code, SK_UNSUPPORTED);
        assert_non_null(strstr(err.text, "install libarchive-dev"));
    }
    assert_int_equal(sk_gzip("", 0, NULL, &err), -1);
    assert_int_equal(sk_tar_finish(w, &err), -1);
    assert_null(w);
    assert_null(r);
    assert_null(sk_archive_version());
    sk_tar_writer_free(w);
    sk_tar_reader_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(says_so) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
