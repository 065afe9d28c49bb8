/* test_page.c - page tokens: they go round, and belong to one search. */
#include "query/query.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct sk_view order_a[] = { { "name", 4 }, { "at DESC", 7 } };
static const struct sk_view order_b[] = { { "nameat DESC", 11 } };

static const struct sk_query_page pages[] = {
    { "models", { "name = 'x'", 10 }, order_a, 2 },
    { "versions", { "name = 'x'", 10 }, order_a, 2 },
    { "models", { "name = 'y'", 10 }, order_a, 2 },
    { "models", { "name = 'x'", 10 }, order_a, 1 },
    { "models", { "name = 'x'", 10 }, order_b, 1 },
    { "models", { "", 0 }, NULL, 0 },
};

enum {
    PAGES = sizeof(pages) / sizeof(pages[0])
};

static void test_round(void **state)
{
    static const uint64_t offsets[] = { 0, 1, 100, 1000000, INT64_MAX };

    (void)state;
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
        for (size_t k = 0; k < PAGES; k++) {
            SK_AUTO(sk_buf_done) struct sk_buf token = SK_BUF_INIT(256);
            struct sk_err err = SK_ERR_INIT;
            uint64_t offset = 7;

            sk_query_page_write(&pages[k], offsets[i], &token);
            for (size_t other = 0; other < PAGES; other++) {
                int rc = sk_query_page_read(&pages[other], token.data, &offset, &err);

                if (other == k ? rc < 0 || offset != offsets[i] : rc == 0 || err.code != SK_INVALID)
                    fail_msg("%zu in %zu: %d %s", k, other, rc, err.text);
            }
        }
}

static void test_bad(void **state)
{
    static const char *const bad[] = {
        "x",
        "0000000000000001",
        "0000000000000001-",
        "0000000000000001-0000000000000000",
        "0000000000000001_0000000000000000",
        "000000000000000g-0000000000000000",
        "0000000000000001-00000000000000000",
        "-000000000000001-0000000000000000",
        "eyJvZmZzZXQiOiAxMDB9",
    };
    SK_AUTO(sk_buf_done) struct sk_buf token = SK_BUF_INIT(256);
    struct sk_err err = SK_ERR_INIT;
    uint64_t offset = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(sk_query_page_read(&pages[0], bad[i], &offset, &err), -1);
        assert_int_equal(err.code, SK_INVALID);
        assert_int_equal(offset, 7);
    }
    sk_query_page_write(&pages[0], UINT64_MAX, &token);
    assert_int_equal(sk_query_page_read(&pages[0], token.data, &offset, &err), -1);
    assert_int_equal(sk_query_page_read(&pages[0], NULL, &offset, &err), 0);
    assert_int_equal(offset, 0);
    offset = 7;
    assert_int_equal(sk_query_page_read(&pages[0], "", &offset, &err), 0);
    assert_int_equal(offset, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round),
        cmocka_unit_test(test_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
