/* test_io.c - errors by their cause, whole reads and writes, numbers as bytes. */
#include "journal/journal_util.h"

#include <errno.h>
#include <fcntl.h>

static void test_errors(void **state)
{
    static const struct {
        int number;
        enum sk_code code;
    } rows[] = { { ENOSPC, SK_FULL },  { EDQUOT, SK_FULL }, { EFBIG, SK_FULL },
                 { EIO, SK_IO },       { EROFS, SK_IO },    { ENOENT, SK_NOT_FOUND },
                 { EACCES, SK_DENIED } };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        errno = rows[i].number;
        assert_int_equal(sk_journal_fail(&err, "writing", 7), -1);
        assert_int_equal(err.code, rows[i].code);
        assert_non_null(strstr(err.text, "segment 7"));
    }
}

static unsigned calls;

/* Interrupted, then a byte at a time. */
static ssize_t reluctant(int fd, const void *bytes, size_t len, off_t at)
{
    (void)len;
    if (calls++ % 2 == 0) {
        errno = EINTR;
        return -1;
    }
    return pwrite(fd, bytes, 1, at);
}

static void test_pieces(void **state)
{
    struct place *p = *state;
    char path[300], got[16] = { 0 };

    (void)snprintf(path, sizeof path, "%s/file", p->parent);
    SK_AUTO(sk_close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct sk_journal_ops before = sk_journal_ops;
    sk_journal_ops.pwrite = reluctant;
    assert_int_equal(sk_journal_pwrite(fd, "some text", 9, 3), 0);
    sk_journal_ops = before;
    assert_int_equal(calls, 18);
    assert_int_equal(sk_journal_pread(fd, got, sizeof got, 3), 9);
    assert_string_equal(got, "some text");
    assert_int_equal(sk_journal_pread_hard(fd, (uint8_t *)got, 4, 8), 4);
    assert_memory_equal(got, "text", 4);
    assert_int_equal(sk_journal_pread(fd, got, 1, 100), 0);
    assert_int_equal(sk_journal_pread(-1, got, 1, 0), -1);
    assert_int_equal(sk_journal_pread_hard(-1, (uint8_t *)got, 1, 0), -1);
}

static void test_numbers(void **state)
{
    static const uint8_t expected[] = { 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01 };
    uint8_t bytes[8];

    (void)state;
    sk_journal_put64(bytes, UINT64_C(0x0123456789abcdef));
    assert_memory_equal(bytes, expected, 8);
    assert_int_equal(sk_journal_get64(bytes), UINT64_C(0x0123456789abcdef));
    assert_int_equal(sk_journal_get32(bytes), 0x89abcdefu);
    sk_journal_put32(bytes, 0x01020304);
    assert_int_equal(bytes[0], 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),
        cmocka_unit_test_setup_teardown(test_pieces, place_set_up, place_tear_down),
        cmocka_unit_test(test_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
