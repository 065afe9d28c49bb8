/* test_sealed.c - private keys under a password, and files that want too much. */
#include "sign/sign_priv.h"

#include "harness/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void seal(const char *password, struct sk_buf *out)
{
    struct sk_err err = SK_ERR_INIT;

    if (sk_sealed_write("pkcs8 bytes", 11, password, out, &err) < 0)
        fail_msg("%s", err.text);
}

static void comes_back(void **state)
{
    static const char *const passwords[] = { "", "secret", "pass w\xc3\xb6rd" };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(1 << 16);
        SK_AUTO(sk_buf_done) struct sk_buf plain = SK_BUF_INIT(1 << 16);
        struct sk_err err = SK_ERR_INIT;

        seal(passwords[i], &pem);
        assert_true(sk_sealed_is(pem.data));
        assert_int_equal(sk_sealed_read(pem.data, passwords[i], &plain, &err), 0);
        assert_int_equal(plain.len, 11);
        assert_memory_equal(plain.data, "pkcs8 bytes", 11);
    }
}

static void another_password(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(1 << 16);
    SK_AUTO(sk_buf_done) struct sk_buf plain = SK_BUF_INIT(1 << 16);
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    seal("right", &pem);
    assert_int_equal(sk_sealed_read(pem.data, "wrong", &plain, &err), -1);
    assert_int_equal(err.code, SK_DENIED);
    assert_non_null(strstr(err.text, "COSIGN_PASSWORD"));
    assert_int_equal(plain.len, 0);
}

#define B32 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define B24 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define PARTS(name, params, cipher, nonce, box)                                                    \
    "{\"kdf\":{\"name\":\"" name "\",\"params\":" params ",\"salt\":\"" B32                        \
    "\"},\"cipher\":{\"name\":\"" cipher "\",\"nonce\":\"" nonce "\"},\"ciphertext\":\"" box "\"}"

static void refused(void **state)
{
    static const struct {
        const char *name, *json;
        enum sk_code code;
    } rows[] = {
        { "no JSON", "hello", SK_INVALID },
        { "empty object", "{}", SK_UNSUPPORTED },
        { "another kdf", PARTS("pbkdf2", "{}", "nacl/secretbox", B24, B32), SK_UNSUPPORTED },
        { "another cipher", PARTS("scrypt", "{\"N\":2,\"r\":1,\"p\":1}", "aes", B24, B32),
          SK_UNSUPPORTED },
        { "no N", PARTS("scrypt", "{\"r\":1,\"p\":1}", "nacl/secretbox", B24, B32), SK_INVALID },
        { "N no power", PARTS("scrypt", "{\"N\":3,\"r\":1,\"p\":1}", "nacl/secretbox", B24, B32),
          SK_INVALID },
        { "N huge", PARTS("scrypt", "{\"N\":2097152,\"r\":1,\"p\":1}", "nacl/secretbox", B24, B32),
          SK_INVALID },
        { "memory", PARTS("scrypt", "{\"N\":1048576,\"r\":8,\"p\":1}", "nacl/secretbox", B24, B32),
          SK_LIMIT },
        { "short nonce",
          PARTS("scrypt", "{\"N\":2,\"r\":1,\"p\":1}", "nacl/secretbox", "AAAA", B32), SK_INVALID },
        { "short box", PARTS("scrypt", "{\"N\":2,\"r\":1,\"p\":1}", "nacl/secretbox", B24, "AAAA"),
          SK_INVALID },
        { "forged", PARTS("scrypt", "{\"N\":2,\"r\":1,\"p\":1}", "nacl/secretbox", B24, B32),
          SK_DENIED },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(1 << 16);
        SK_AUTO(sk_buf_done) struct sk_buf plain = SK_BUF_INIT(1 << 16);
        struct sk_err err = SK_ERR_INIT;

        sk_buf_str(&pem, "-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\n");
        sk_base64(&pem, rows[i].json, strlen(rows[i].json));
        sk_buf_str(&pem, "\n-----END ENCRYPTED COSIGN PRIVATE KEY-----\n");
        if (sk_sealed_read(pem.data, "x", &plain, &err) != -1 || err.code != rows[i].code)
            fail_msg("%s: code %d, %s", rows[i].name, err.code, err.text);
    }
}

static void not_sealed(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf plain = SK_BUF_INIT(1 << 16);
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_false(sk_sealed_is("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"));
    assert_false(sk_sealed_is("-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\nAAAA\n"));
    assert_int_equal(sk_sealed_read("nothing", "", &plain, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
}

static int read_small(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(1 << 16);
    SK_AUTO(sk_buf_done) struct sk_buf plain = SK_BUF_INIT(1 << 16);
    static const char json[] = PARTS("scrypt", "{\"N\":2,\"r\":1,\"p\":1}", "nacl/secretbox", B24,
                                     B32);
    struct sk_err inner = SK_ERR_INIT;

    (void)ctx;
    sk_buf_str(&pem, "-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\n");
    sk_base64(&pem, json, strlen(json));
    sk_buf_str(&pem, "\n-----END ENCRYPTED COSIGN PRIVATE KEY-----\n");
    if (!sk_buf_ok(&pem))
        return sk_buf_fail(&pem, err);
    if (sk_sealed_read(pem.data, "x", &plain, &inner) < 0 && inner.code != SK_DENIED) {
        *err = inner;
        return -1;
    }
    return 0;
}

static void without_memory(void **state)
{
    (void)state;
    (void)sk_alloc_sweep("sealed", read_small, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back), cmocka_unit_test(another_password), cmocka_unit_test(refused),
        cmocka_unit_test(not_sealed), cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
