/* test_sas_read.c - tokens are read in the ways that SDKs write them; all else is refused. */
#include "iot_test.h"

#define SIG "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY%3D"

enum {
    LATEST_S = 2000
};

static const struct {
    const char *text, *sr, *se, *skn; /* sr NULL: refused */
} rows[] = {
    { "SharedAccessSignature sr=h%2Fd&sig=" SIG "&se=1", "h%2Fd", "1", "" },
    { "sharedaccesssignature \t SE=007&SKN=a%20b&SIG=" SIG "&SR=H%2fd", "H%2fd", "007", "a%20b" },
    { "SharedAccessSignature sr=h&sig=" SIG "&se=2000&", "h", "2000", "" },
    { "SharedAccessSignature sr=h&sig=" SIG "&se=2001", .sr = NULL },
    { "SharedAccessSignature sr=h&sig=" SIG "&se=1 ", .sr = NULL },
    { "SharedAccessSignature sr=h&sig=" SIG "&se=-1", .sr = NULL },
    { "SharedAccessSignature sr=h&sig=" SIG "&se=", .sr = NULL },
    { "SharedAccessSignature sr=h&sig=" SIG, .sr = NULL },
    { "SharedAccessSignature sr=h&se=1", .sr = NULL },
    { "SharedAccessSignature sr=&sig=" SIG "&se=1", .sr = NULL },
    { "SharedAccessSignature sr=h&sig=" SIG "&se=1&se=1", .sr = NULL },
    { "SharedAccessSignature sr=h&sig=" SIG "&se=1&x=2", .sr = NULL },
    { "SharedAccessSignature &sr=h&sig=" SIG "&se=1", .sr = NULL },
    { "SharedAccessSignature sr=h&sig=c2hvcnQ%3D&se=1", .sr = NULL },
    { "SharedAccessSignature sr=h&sig=%zz&se=1", .sr = NULL },
    { " SharedAccessSignature sr=h&sig=" SIG "&se=1", .sr = NULL },
    { "SharedAccessSignaturesr=h&sig=" SIG "&se=1", .sr = NULL },
    { "SharedAccessSignature", .sr = NULL },
    { "", .sr = NULL },
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_iot_sas s;
        struct sk_err err = SK_ERR_INIT;
        const int rc = sk_iot_sas_read(sk_view_of(rows[i].text), LATEST_S, &s, &err);
        if ((rc == 0) != (rows[i].sr != NULL))
            fail_msg("%s: %s", rows[i].text, err.text);
        if (rc < 0) {
            assert_int_equal(err.code, SK_INVALID);
            continue;
        }
        assert_true(sk_view_eq(s.sr, rows[i].sr));
        assert_true(sk_view_eq(s.se, rows[i].se));
        assert_true(sk_view_eq(s.skn, rows[i].skn));
        assert_int_equal(s.expires_s, strtoll(rows[i].se, NULL, 10));
        assert_memory_equal(s.signature, "0123456789abcdef0123456789abcdef", SK_SHA256_BYTES);
    }
}

static void test_decode(void **state)
{
    static const struct {
        const char *text, *out; /* NULL: refused */
        size_t cap;
    } fields[] = {
        { "a%2Fb+c", "a/b+c", 6 }, { "a%2fb", "a/b", 4 }, { "", "", 1 },      { "abc", NULL, 3 },
        { "a%2", NULL, 8 },        { "%", NULL, 8 },      { "%0g", NULL, 8 }, { "a%00", NULL, 8 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(fields); i++) {
        char out[8];
        const bool is_it = sk_iot_sas_decode(sk_view_of(fields[i].text), out, fields[i].cap);
        if (is_it != (fields[i].out != NULL))
            fail_msg("%s", fields[i].text);
        if (is_it)
            assert_string_equal(out, fields[i].out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows),
                                        cmocka_unit_test(test_decode) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
