/* test_golden.c - what the real cosign made (tools/make_cosign_golden.sh): its key, signatures,
 * bundles. */
#include "sign/sign_priv.h"

#include "base/file.h"
#include "harness/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *read_golden(const char *name, size_t *len)
{
    struct sk_err err = SK_ERR_INIT;
    char path[128];
    char *text = NULL;

    (void)snprintf(path, sizeof(path), "tests/data/cosign/%s", name);
    if (sk_file_read(sk_source_path(path), 1 << 20, &text, len, &err) < 0)
        fail_msg("%s", err.text);
    return text;
}

/* A line of text. */
static char *read_line(const char *name)
{
    size_t len = 0;
    char *text = read_golden(name, &len);

    text[strcspn(text, "\n")] = '\0';
    return text;
}

static struct sk_verifier *open_verifier(void)
{
    SK_OWN(free) char *path = strdup(sk_source_path("tests/data/cosign/cosign.pub"));
    const char *const files[] = { path };
    struct sk_verifier *v = NULL;
    struct sk_err err = SK_ERR_INIT;

    if (sk_verifier_open(files, 1, &v, &err) < 0)
        fail_msg("%s", err.text);
    return v;
}

/* [sign-6] Its encrypted key opens, and belongs to its public one. */
static void key(void **state)
{
    SK_OWN(sk_signer_free) struct sk_signer *s = NULL;
    SK_OWN(sk_verifier_free) struct sk_verifier *v = open_verifier();
    SK_AUTO(sk_buf_done) struct sk_buf signature = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(4096);
    SK_OWN(free) char *path = strdup(sk_source_path("tests/data/cosign/cosign.key"));
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_signer_open(path, "wrong", &s, &err), -1);
    assert_int_equal(err.code, SK_DENIED);
    if (sk_signer_open(path, "skerry", &s, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(sk_key_sign(s->key, "text", 4, &signature, &err), 0);
    sk_base64(&text, signature.data, signature.len);
    assert_int_equal(sk_verifier_check(v, "text", 4, text.data, &err), 0);
}

/* [sign-1] */
static void tag_form(void **state)
{
    SK_OWN(sk_verifier_free) struct sk_verifier *v = open_verifier();
    size_t len = 0;
    SK_OWN(free) char *payload = read_golden("payload.json", &len);
    SK_OWN(free) char *signature = read_line("signature.txt");
    SK_OWN(free) char *digest = read_line("digest.txt");
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    if (sk_verify_payload(v, payload, len, signature, digest, &err) < 0)
        fail_msg("%s", err.text);
    payload[len / 2] ^= 1;
    assert_int_equal(sk_verify_payload(v, payload, len, signature, digest, &err), -1);
    assert_int_equal(err.code, SK_DENIED);
}

/* [sign-3] */
static void bundles(void **state)
{
    static const char *const names[] = { "bundle.json", "blob-bundle.json" };
    SK_OWN(sk_verifier_free) struct sk_verifier *v = open_verifier();
    size_t manifest_len = 0;
    SK_OWN(free) char *manifest = read_golden("manifest.json", &manifest_len);
    SK_OWN(free) char *digest = read_line("digest.txt");

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        size_t len = 0;
        SK_OWN(free) char *json = read_golden(names[i], &len);
        struct sk_err err = SK_ERR_INIT;

        if (sk_sigstore_check(v, json, len, digest, manifest, manifest_len, &err) < 0)
            fail_msg("%s: %s", names[i], err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key),
        cmocka_unit_test(tag_form),
        cmocka_unit_test(bundles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
