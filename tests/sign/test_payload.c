/* test_payload.c - the text that is signed. */
#include "sign/sign_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEX    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX
#define OTHER  "sha256:ffff456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define TEXT(key, digest, type)                                                                    \
    "{\"critical\":{\"identity\":{\"docker-reference\":\"h/r\"},\"image\":{\"" key "\":\"" digest  \
    "\"},\"type\":\"" type "\"},\"optional\":null}"

static const char KIND[] = "cosign container image signature";

static void writes_as_cosign_does(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);
    char tag[80];

    (void)state;
    sk_payload_write("h/r", DIGEST, &out);
    assert_string_equal(out.data,
                        TEXT("docker-manifest-digest", DIGEST, "cosign container image signature"));
    sk_sign_tag(DIGEST, tag);
    assert_string_equal(tag, "sha256-" HEX ".sig");
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_sign_check(DIGEST, &err), 0);
    assert_int_equal(sk_sign_check("sha512:" HEX HEX, &err), -1);
    assert_int_equal(err.code, SK_UNSUPPORTED);
}

static void checked(void **state)
{
    static const struct {
        const char *name, *text;
        int rc;
    } rows[] = {
        { "ours", TEXT("docker-manifest-digest", DIGEST, "cosign container image signature"), 0 },
        { "capital letter of the specification",
          TEXT("Docker-manifest-digest", DIGEST, "cosign container image signature"), 0 },
        { "another image",
          TEXT("docker-manifest-digest", OTHER, "cosign container image signature"), -1 },
        { "another type", TEXT("docker-manifest-digest", DIGEST, "atomic container signature"),
          -1 },
        { "no digest", TEXT("digest", DIGEST, "cosign container image signature"), -1 },
        { "no object", "[]", -1 },
        { "no JSON", "critical", -1 },
        { "a list where an object should be", "{\"critical\":[1,2]}", -1 },
    };

    (void)state;
    assert_string_equal(KIND, "cosign container image signature");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sk_err err = SK_ERR_INIT;

        if (sk_payload_check(rows[i].text, strlen(rows[i].text), DIGEST, &err) != rows[i].rc)
            fail_msg("%s: %s", rows[i].name, err.text);
    }
}

/* Several keys are known; one of them is enough. */
static void one_of_several_keys(void **state)
{
    struct sk_verifier v = { .count = 2 };
    SK_OWN(sk_key_free) struct sk_key *stranger = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_key_make(&v.keys[0], &err), 0);
    assert_int_equal(sk_key_make(&v.keys[1], &err), 0);
    assert_int_equal(sk_key_make(&stranger, &err), 0);

    const struct {
        const struct sk_key *key;
        int rc;
    } rows[] = { { v.keys[0], 0 }, { v.keys[1], 0 }, { stranger, -1 } };

    for (size_t i = 0; i < 3; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf payload = SK_BUF_INIT(4096);
        SK_AUTO(sk_buf_done) struct sk_buf signature = SK_BUF_INIT(4096);
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(4096);

        sk_payload_write("h/r", DIGEST, &payload);
        assert_int_equal(sk_key_sign(rows[i].key, payload.data, payload.len, &signature, &err), 0);
        sk_base64(&text, signature.data, signature.len);
        assert_int_equal(sk_verify_payload(&v, payload.data, payload.len, text.data, DIGEST, &err),
                         rows[i].rc);
        /* The right key, the wrong image. */
        assert_int_equal(sk_verify_payload(&v, payload.data, payload.len, text.data, OTHER, &err),
                         -1);
    }
    assert_int_equal(sk_verify_payload(&v, "x", 1, "no base64!", DIGEST, &err), -1);
    assert_int_equal(sk_verify_payload(&v, "x", 1, "", DIGEST, &err), -1);
    sk_key_free(v.keys[0]);
    sk_key_free(v.keys[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_as_cosign_does),
        cmocka_unit_test(checked),
        cmocka_unit_test(one_of_several_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
