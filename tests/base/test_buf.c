/* test_buf.c - the ceiling, JSON texts, numbers that read back, every allocation failing once. */
#include "base/buf.h"

#include "base/cleanup.h"
#include "harness/alloc_fail.h"
#include "test_util.h"

#include <float.h>
#include <math.h>

static void test_add(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(100000);

    (void)state;
    sk_buf_str(&b, "a");
    sk_buf_chr(&b, 'b');
    sk_buf_fmt(&b, "%d-%s", 12, "x");
    sk_buf_u64(&b, UINT64_MAX);
    sk_buf_i64(&b, INT64_MIN);
    sk_buf_i64(&b, 0);
    assert_string_equal(b.data, "ab12-x18446744073709551615-92233720368547758080");
    sk_buf_clear(&b);
    assert_string_equal(b.data, "");
    sk_buf_fmt(&b, "%0999d", 1); /* longer than the small array of sk_buf_fmt */
    assert_int_equal(b.len, 999);
    assert_int_equal(strlen(b.data), 999);
    memcpy(sk_buf_reserve(&b, 3), "xyz", 3);
    sk_buf_commit(&b, 2);
    assert_string_equal(b.data + 998, "1xy");
    SK_OWN(free) char *taken = sk_buf_take(&b);
    assert_int_equal(strlen(taken), 1001);
    assert_null(b.data);
    assert_null(sk_buf_take(&b));
}

/* At the limit and beyond, for limits around the sizes at which the memory grows. */
static void test_ceiling(void **state)
{
    static const size_t ceilings[] = { 0, 1, 2, 255, 256, 257, 511, 512, 513, 1000 };

    (void)state;
    for (size_t i = 0; i < COUNT(ceilings); i++) {
        struct sk_buf b = SK_BUF_INIT(ceilings[i]);
        struct sk_err err = SK_ERR_INIT;
        char want[64];

        for (size_t k = 0; k < ceilings[i]; k++)
            sk_buf_chr(&b, 'x');
        assert_true(sk_buf_ok(&b));
        sk_buf_add(&b, "", 0); /* nothing always fits */
        assert_true(sk_buf_ok(&b));
        sk_buf_chr(&b, 'y');
        assert_false(sk_buf_ok(&b));
        assert_int_equal(b.len, ceilings[i]);
        assert_null(sk_buf_reserve(&b, 0)); /* nothing happens after a failure */
        assert_int_equal(sk_buf_fail(&b, &err), -1);
        (void)snprintf(want, sizeof want, "more than %zu bytes", ceilings[i]);
        assert_string_equal(err.text, want);
        assert_null(sk_buf_take(&b));
        sk_buf_clear(&b);
        assert_true(sk_buf_ok(&b));
        sk_buf_done(&b);
        assert_int_equal(b.ceiling, ceilings[i]);
    }
}

static const struct {
    const char *name, *in;
    size_t len;
    const char *out;
} texts[] = {
    { "empty", "", 0, "\"\"" },
    { "nothing", NULL, 0, "\"\"" },
    { "plain", "ab", 2, "\"ab\"" },
    { "quote and backslash", "a\"b\\", 4, "\"a\\\"b\\\\\"" },
    { "controls", "\b\f\n\r\t\x01\x1f", 7, "\"\\b\\f\\n\\r\\t\\u0001\\u001f\"" },
    { "NUL inside", "a\0b", 3, "\"a\\u0000b\"" },
    { "delete stays", "\x7f", 1, "\"\x7f\"" },
    { "UTF-8", "\xe2\x82\xac", 3, "\"\xe2\x82\xac\"" },
    { "not UTF-8", "a\xff\xe2\x82", 4, "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
};

static void test_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1000);
        sk_buf_json(&b, texts[i].in, texts[i].len);
        if (strcmp(b.data, texts[i].out) != 0)
            fail_msg("%s: %s", texts[i].name, b.data);
        if (!texts[i].in || strlen(texts[i].in) < texts[i].len)
            continue;
        sk_buf_clear(&b);
        sk_buf_json_str(&b, texts[i].in);
        if (strcmp(b.data, texts[i].out) != 0)
            fail_msg("%s, as a C string: %s", texts[i].name, b.data);
    }
}

static void test_percent(void **state)
{
    static const struct {
        const char *in;
        size_t len;
        const char *plain, *out;
    } rows[] = {
        { "", 0, "", "" },
        { "azAZ09-._~", 10, "", "azAZ09-._~" },
        { "a b/c:d", 7, "", "a%20b%2Fc%3Ad" },
        { "a b/c:d", 7, "/:", "a%20b/c:d" },
        { "%\xc3\xa9+", 4, "", "%25%C3%A9%2B" },
        { "a\0b", 3, "/", "a%00b" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1000);
        sk_buf_str(&b, "=");
        sk_buf_percent(&b, rows[i].in, rows[i].len, rows[i].plain);
        if (strcmp(b.data + 1, rows[i].out) != 0)
            fail_msg("%s: %s", rows[i].in, b.data);
    }
}

static const struct {
    double value;
    int digits;
    const char *text;
} numbers[] = {
    { 0, 9, "0" },
    { -0.0, 9, "-0" },
    { 1, 9, "1" },
    { -1, 17, "-1" },
    { 0.5, 9, "0.5" },
    { 0.1, 17, "0.1" },
    { (double)0.1f, 9, "0.1" },
    { (double)0.1f, 17, "0.10000000149011612" },
    { (double)0.3333333433f, 9, "0.33333334" },
    { (double)16777216.0f, 9, "16777216" },
    { 123456.789, 17, "123456.789" },
    { 0.001, 17, "0.001" },
    { 0.00012, 17, "0.00012" },
    { 0.000012, 17, "1.2e-05" },
    { 1e15, 17, "1e+15" },
    { 999999999999999, 17, "999999999999999" },
    { 1e-300, 17, "1e-300" },
    { DBL_MAX, 17, "1.7976931348623157e+308" },
    { (double)FLT_MIN, 9, "1.1754944e-38" },
    { (double)NAN, 9, "null" },
    { (double)INFINITY, 9, "null" },
    { (double)-INFINITY, 17, "null" },
};

static void test_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(numbers); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1000);
        sk_buf_num(&b, numbers[i].value, numbers[i].digits);
        if (strcmp(b.data, numbers[i].text) != 0)
            fail_msg("wanted %s, got %s", numbers[i].text, b.data);
    }
}

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

/* Random values read back bit for bit, and nothing shorter would. */
static void test_numbers_read_back(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1000);
    uint64_t seed = 88172645463325252u;

    (void)state;
    for (int i = 0; i < 300000; i++) {
        uint64_t r = next_random(&seed);
        uint32_t low = (uint32_t)r;
        float f = (float)(low >> 8) / 16777216;
        double d = (double)(r >> 11) / 9007199254740992.0;

        if (i % 2) {
            memcpy(&f, &low, sizeof f);
            memcpy(&d, &r, sizeof d);
        }
        if (!isfinite(f) || !isfinite(d))
            continue;
        sk_buf_clear(&b);
        sk_buf_num(&b, (double)f, 9);
        float f_back = strtof(b.data, NULL);
        if (memcmp(&f_back, &f, sizeof f) != 0)
            fail_msg("float %.9g became %s", (double)f, b.data);
        sk_buf_clear(&b);
        sk_buf_num(&b, d, 17);
        double d_back = strtod(b.data, NULL);
        if (memcmp(&d_back, &d, sizeof d) != 0)
            fail_msg("double %.17g became %s", d, b.data);
    }
}

static int fill(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);

    (void)ctx;
    for (int i = 0; i < 2000; i++)
        sk_buf_json(&b, "text", 4);
    sk_buf_fmt(&b, "%05000d", 1);
    return sk_buf_ok(&b) ? 0 : sk_buf_fail(&b, err);
}

static void test_no_memory(void **state)
{
    (void)state;
    assert_true(sk_alloc_sweep("buf", fill, NULL, 0) > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),       cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_json),      cmocka_unit_test(test_percent),
        cmocka_unit_test(test_numbers),   cmocka_unit_test(test_numbers_read_back),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
