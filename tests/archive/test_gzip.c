/* test_gzip.c - streams that gzip itself unpacks; the same bytes each time. */
#include "archive/archive.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    MOST = 1 << 20
};

/* What gzip -dc makes of them. */
static void unpack(const struct sk_buf *packed, struct sk_buf *out)
{
    char path[] = "/tmp/sk-gzip-XXXXXX", command[100], piece[4096];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, packed->data, packed->len), (ssize_t)packed->len);
    (void)close(fd);
    (void)snprintf(command, sizeof command, "gzip -dc < %s", path);
    FILE *f = popen(command, "r"); /* NOLINT(cert-env33-c) */
    assert_non_null(f);
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
        sk_buf_add(out, piece, n);
    assert_int_equal(pclose(f), 0);
    (void)unlink(path);
}

static void round_trip(void **state)
{
    static const size_t sizes[] = { 0, 1, 1000, 300000 };

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf plain = SK_BUF_INIT(MOST);
        SK_AUTO(sk_buf_done) struct sk_buf packed = SK_BUF_INIT(MOST);
        SK_AUTO(sk_buf_done) struct sk_buf again = SK_BUF_INIT(MOST);
        SK_AUTO(sk_buf_done) struct sk_buf back = SK_BUF_INIT(MOST);
        struct sk_err err = SK_ERR_INIT;
        while (plain.len < sizes[i])
            sk_buf_chr(&plain, (char)(plain.len * plain.len % 251));
        if (sk_gzip(plain.data, plain.len, &packed, &err) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(sk_gzip(plain.data, plain.len, &again, &err), 0);
        assert_int_equal(packed.len, again.len);
        assert_memory_equal(packed.data, again.data, packed.len);
        assert_true(sizes[i] < 1000 || packed.len < sizes[i]);
        unpack(&packed, &back);
        assert_int_equal(back.len, plain.len);
        if (plain.len > 0)
            assert_memory_equal(back.data, plain.data, plain.len);
    }
}

static void no_room(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf packed = SK_BUF_INIT(10);
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_gzip("hello", 5, &packed, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(round_trip), cmocka_unit_test(no_room) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
