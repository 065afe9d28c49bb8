/* test_base64.c - the vectors of RFC 4648, both alphabets, every byte there and back, what is
 * refused. */
#include "crypto/crypto.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void known_texts(void **state)
{
    (void)state;

    static const struct {
        const char *bytes, *standard, *url;
    } rows[] = {
        { "", "", "" },
        { "f", "Zg==", "Zg" },
        { "fo", "Zm8=", "Zm8" },
        { "foo", "Zm9v", "Zm9v" },
        { "foob", "Zm9vYg==", "Zm9vYg" },
        { "fooba", "Zm9vYmE=", "Zm9vYmE" },
        { "foobar", "Zm9vYmFy", "Zm9vYmFy" },
        { "\xfb\xff\xfe", "+//+", "-__-" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_buf_done) struct sk_buf a = SK_BUF_INIT(64);
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(64);
        sk_base64(&a, rows[i].bytes, strlen(rows[i].bytes));
        sk_base64_url(&b, rows[i].bytes, strlen(rows[i].bytes));
        assert_string_equal(a.data ? a.data : "", rows[i].standard);
        assert_string_equal(b.data ? b.data : "", rows[i].url);
        for (int k = 0; k < 2; k++) {
            SK_AUTO(sk_buf_done) struct sk_buf back = SK_BUF_INIT(64);
            const char *text = k ? rows[i].url : rows[i].standard;
            if (sk_base64_decode(text, strlen(text), &back, &err) < 0)
                fail_msg("'%s': %s", text, err.text);
            assert_int_equal(back.len, strlen(rows[i].bytes));
            assert_string_equal(back.data ? back.data : "", rows[i].bytes);
        }
    }
}

static void every_length_comes_back(void **state)
{
    (void)state;
    unsigned char bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 167 + 13);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1024);
        SK_AUTO(sk_buf_done) struct sk_buf back = SK_BUF_INIT(1024);
        sk_base64(&text, bytes, len);
        assert_int_equal(sk_base64_decode(text.data ? text.data : "", text.len, &back, &err), 0);
        assert_int_equal(back.len, len);
        if (len > 0)
            assert_memory_equal(back.data, bytes, len);
    }
}

static void refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "A",    "AAAAA", "Zg=",  "Zg===",  "=",       "==",       "Z===",
        "Zh==", "Zm9=",  "Z g=", "Zm9v\n", "Zm9\xc3", "Zg==Zg==", "*m9v",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(64);
        sk_buf_str(&out, "kept");
        if (sk_base64_decode(rows[i], strlen(rows[i]), &out, &err) != -1)
            fail_msg("row '%s' was taken", rows[i]);
        assert_int_equal(err.code, SK_INVALID);
        assert_int_equal(out.len, 4);
    }
}

/* The buffer's ceiling is an error, not a cut. */
static void ceiling_holds(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(5);
    assert_int_equal(sk_base64_decode("Zm9vYmFy", 8, &out, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    SK_AUTO(sk_buf_done) struct sk_buf fits = SK_BUF_INIT(6);
    assert_int_equal(sk_base64_decode("Zm9vYmFy", 8, &fits, &err), 0);
    assert_int_equal(fits.len, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts),
        cmocka_unit_test(every_length_comes_back),
        cmocka_unit_test(refused),
        cmocka_unit_test(ceiling_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
