/* test_sigstore.c - bundles: envelopes and message signatures, whole and forged. */
#include "sign/sign_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEX      "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST   "sha256:" HEX
#define MANIFEST "{\"schemaVersion\":2}"

static struct sk_verifier verifier = { .count = 1 };

static int make_key(void **state)
{
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    return sk_key_make(&verifier.keys[0], &err);
}

static int free_key(void **state)
{
    (void)state;
    sk_key_free(verifier.keys[0]);
    return 0;
}

static void sign_text(const char *text, size_t len, struct sk_buf *base64)
{
    SK_AUTO(sk_buf_done) struct sk_buf signature = SK_BUF_INIT(4096);
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_key_sign(verifier.keys[0], text, len, &signature, &err), 0);
    sk_base64(base64, signature.data, signature.len);
}

/* A bundle around a statement; signed_type is what the signature covers. */
static void envelope(const char *statement, const char *type, const char *signed_type,
                     struct sk_buf *out)
{
    SK_AUTO(sk_buf_done) struct sk_buf pae = SK_BUF_INIT(1 << 16);

    sk_buf_fmt(&pae, "DSSEv1 %zu %s %zu %s", strlen(signed_type), signed_type, strlen(statement),
               statement);
    sk_buf_fmt(out, "{\"mediaType\":\"x\",\"dsseEnvelope\":{\"payloadType\":\"%s\",\"payload\":\"",
               type);
    sk_base64(out, statement, strlen(statement));
    sk_buf_str(out, "\",\"signatures\":[{\"sig\":\"");
    sign_text(pae.data, pae.len, out);
    sk_buf_str(out, "\"}]}}");
}

#define INTOTO "application/vnd.in-toto+json"
#define ABOUT(hex)                                                                                 \
    "{\"subject\":[{\"digest\":{\"sha512\":\"1\"}},{\"digest\":{\"sha256\":\"" hex "\"}}]}"

static void envelopes(void **state)
{
    static const struct {
        const char *name, *statement, *type, *signed_type;
        int rc;
    } rows[] = {
        { "good", ABOUT(HEX), INTOTO, INTOTO, 0 },
        { "another image", ABOUT("ff"), INTOTO, INTOTO, -1 },
        { "no subject", "{}", INTOTO, INTOTO, -1 },
        { "no JSON inside", "hello", INTOTO, INTOTO, -1 },
        { "another type, signed", ABOUT(HEX), "text/plain", "text/plain", -1 },
        { "type changed after signing", ABOUT(HEX), INTOTO, "text/plain", -1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(1 << 16);
        struct sk_err err = SK_ERR_INIT;

        envelope(rows[i].statement, rows[i].type, rows[i].signed_type, &json);
        if (sk_sigstore_check(&verifier, json.data, json.len, DIGEST, NULL, 0, &err) != rows[i].rc)
            fail_msg("%s: %s", rows[i].name, err.text);
    }
}

static void messages(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(1 << 16);
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    sk_buf_str(&json, "{\"messageSignature\":{\"signature\":\"");
    sign_text(MANIFEST, strlen(MANIFEST), &json);
    sk_buf_str(&json, "\"}}");
    assert_int_equal(
        sk_sigstore_check(&verifier, json.data, json.len, DIGEST, MANIFEST, strlen(MANIFEST), &err),
        0);
    assert_int_equal(sk_sigstore_check(&verifier, json.data, json.len, DIGEST, "{}", 2, &err), -1);
    assert_int_equal(err.code, SK_DENIED);
    assert_int_equal(sk_sigstore_check(&verifier, json.data, json.len, DIGEST, NULL, 0, &err), -1);
}

static void nothing_to_check(void **state)
{
    static const char *const rows[] = {
        "{}",
        "[]",
        "{\"dsseEnvelope\":{}}",
        "{\"dsseEnvelope\":[]}",
        "{\"dsseEnvelope\":{\"payloadType\":\"" INTOTO
        "\",\"payload\":\"e30=\",\"signatures\":[]}}",
        "{\"dsseEnvelope\":{\"payloadType\":\"" INTOTO "\",\"payload\":\"?\",\"signatures\":[{}]}}",
        "{\"dsseEnvelope\":{\"payloadType\":\"" INTOTO
        "\",\"payload\":\"e30=\",\"signatures\":[{\"sig\":\"AAAA\"}]}}",
        "{\"messageSignature\":{}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sk_err err = SK_ERR_INIT;

        if (sk_sigstore_check(&verifier, rows[i], strlen(rows[i]), DIGEST, MANIFEST,
                              strlen(MANIFEST), &err) != -1)
            fail_msg("accepted: %s", rows[i]);
        assert_true(err.text[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envelopes),
        cmocka_unit_test(messages),
        cmocka_unit_test(nothing_to_check),
    };
    return cmocka_run_group_tests(tests, make_key, free_key);
}
