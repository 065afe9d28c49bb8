/* test_keys.c - P-256 keys: both PEM forms and DER there and back, signatures, what is refused, and
 * the `openssl` command as the second opinion. */
#include "crypto/crypto.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "harness/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/skerry-keys-XXXXXX";

static const char *at(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void write_buf(const char *name, const struct sk_buf *b)
{
    struct sk_err err = SK_ERR_INIT;
    if (sk_file_write(at(name), b->data, b->len, 0600, &err) < 0)
        fail_msg("%s", err.text);
}

static int shell(const char *format)
{
    char command[2048];
    (void)snprintf(command, sizeof command, "cd %s && (%s) >/dev/null 2>&1", folder, format);
    return system(command);
}

static struct sk_key *read_key(const char *name)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *text = NULL;
    struct sk_key *k = NULL;
    size_t len;
    if (sk_file_read(at(name), 1 << 16, &text, &len, &err) < 0 ||
        sk_key_parse(text, len, &k, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    return k;
}

static void comes_back(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_key_free) struct sk_key *k = NULL;
    SK_OWN(sk_key_free) struct sk_key *pem = NULL;
    SK_OWN(sk_key_free) struct sk_key *der = NULL;
    SK_OWN(sk_key_free) struct sk_key *public = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf bytes = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf open = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf hints = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf signature = SK_BUF_INIT(4096);

    assert_int_equal(sk_key_make(&k, &err), 0);
    assert_true(sk_key_is_private(k));
    assert_int_equal(sk_key_private_pem(k, &text, &err), 0);
    assert_int_equal(sk_key_private_der(k, &bytes, &err), 0);
    assert_int_equal(sk_key_public_pem(k, &open, &err), 0);
    assert_int_equal(strncmp(text.data, "-----BEGIN PRIVATE KEY-----\n", 28), 0);
    assert_int_equal(sk_key_parse(text.data, text.len, &pem, &err), 0);
    assert_int_equal(sk_key_parse_pkcs8(bytes.data, bytes.len, &der, &err), 0);
    assert_int_equal(sk_key_parse(open.data, open.len, &public, &err), 0);
    assert_true(sk_key_is_private(pem) && sk_key_is_private(der));
    assert_false(sk_key_is_private(public));

    /* All four are one key: one hint, and each checks what another signed. */
    assert_int_equal(sk_key_hint(k, &hints, &err), 0);
    assert_int_equal(hints.len, 44);
    assert_int_equal(sk_key_hint(public, &hints, &err), 0);
    assert_memory_equal(hints.data, hints.data + 44, 44);
    assert_int_equal(sk_key_sign(der, "text", 4, &signature, &err), 0);
    assert_int_equal(sk_key_verify(public, "text", 4, signature.data, signature.len, &err), 0);
    assert_int_equal(sk_key_verify(pem, "text", 4, signature.data, signature.len, &err), 0);

    /* A public key neither signs nor pretends to be private. */
    assert_int_equal(sk_key_sign(public, "text", 4, &signature, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_int_equal(sk_key_private_pem(public, &text, &err), -1);
    assert_int_equal(sk_key_private_der(public, &text, &err), -1);
}

static void foreign_signatures_are_denied(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_key_free) struct sk_key *k = NULL;
    SK_OWN(sk_key_free) struct sk_key *other = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf s = SK_BUF_INIT(4096);
    assert_int_equal(sk_key_make(&k, &err), 0);
    assert_int_equal(sk_key_make(&other, &err), 0);
    assert_int_equal(sk_key_sign(k, "text", 4, &s, &err), 0);

    const struct {
        const char *name;
        const struct sk_key *key;
        const char *text;
        size_t text_len, skip, len;
        int flip; /* byte of the signature, -1: none */
    } rows[] = {
        { "another key", other, "text", 4, 0, s.len, -1 },
        { "another text", k, "texT", 4, 0, s.len, -1 },
        { "a shorter text", k, "text", 3, 0, s.len, -1 },
        { "an empty signature", k, "text", 4, 0, 0, -1 },
        { "a cut signature", k, "text", 4, 0, s.len - 1, -1 },
        { "without its first byte", k, "text", 4, 1, s.len - 1, -1 },
        { "a flipped tag", k, "text", 4, 0, s.len, 0 },
        { "a flipped bit", k, "text", 4, 0, s.len, 20 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err why = SK_ERR_INIT;
        SK_AUTO(sk_buf_done) struct sk_buf bytes = SK_BUF_INIT(4096);
        sk_buf_add(&bytes, s.data, s.len);
        if (rows[i].flip >= 0)
            bytes.data[rows[i].flip] ^= 1;
        if (sk_key_verify(rows[i].key, rows[i].text, rows[i].text_len, bytes.data + rows[i].skip,
                          rows[i].len, &why) != -1)
            fail_msg("row '%s' was taken", rows[i].name);
        if (why.code != SK_DENIED)
            fail_msg("row '%s': %s", rows[i].name, why.text);
    }
}

static void openssl_agrees(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_key_free) struct sk_key *k = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf open = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf message = SK_BUF_INIT(64);
    SK_AUTO(sk_buf_done) struct sk_buf signature = SK_BUF_INIT(4096);

    /* ours, there */
    sk_buf_str(&message, "a manifest");
    assert_int_equal(sk_key_make(&k, &err), 0);
    assert_int_equal(sk_key_private_pem(k, &text, &err), 0);
    assert_int_equal(sk_key_public_pem(k, &open, &err), 0);
    assert_int_equal(sk_key_sign(k, message.data, message.len, &signature, &err), 0);
    write_buf("ours.pem", &text);
    write_buf("ours.pub", &open);
    write_buf("message", &message);
    write_buf("ours.sig", &signature);
    assert_int_equal(shell("openssl dgst -sha256 -verify ours.pub -signature ours.sig message"), 0);
    assert_int_equal(shell("openssl pkey -in ours.pem -pubout | cmp - ours.pub"), 0);

    /* theirs, here: SEC 1 with its parameters in front, PKCS#8, public */
    assert_int_equal(shell("openssl ecparam -name prime256v1 -genkey -out sec1.pem && "
                           "openssl pkcs8 -topk8 -nocrypt -in sec1.pem -out pkcs8.pem && "
                           "openssl pkey -in sec1.pem -pubout -out public.pem && "
                           "openssl dgst -sha256 -sign sec1.pem -out theirs.sig message"),
                     0);
    SK_OWN(free) char *sig = NULL;
    size_t sig_len;
    assert_int_equal(sk_file_read(at("theirs.sig"), 4096, &sig, &sig_len, &err), 0);
    static const char *const files[] = { "sec1.pem", "pkcs8.pem", "public.pem" };
    for (size_t i = 0; i < 3; i++) {
        SK_OWN(sk_key_free) struct sk_key *theirs = read_key(files[i]);
        assert_int_equal(sk_key_is_private(theirs), i < 2);
        if (sk_key_verify(theirs, message.data, message.len, sig, sig_len, &err) < 0)
            fail_msg("%s: %s", files[i], err.text);
    }
}

/* The hint is what sha256 over the DER of the public key gives. */
static void hint_is_of_the_public_key(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(shell("openssl ecparam -name prime256v1 -genkey -noout -out h.pem && "
                           "openssl pkey -in h.pem -pubout -outform DER | "
                           "openssl dgst -sha256 -binary | base64 -w0 > hint"),
                     0);
    SK_OWN(sk_key_free) struct sk_key *k = read_key("h.pem");
    SK_OWN(free) char *want = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf hint = SK_BUF_INIT(100);
    size_t len;
    assert_int_equal(sk_file_read(at("hint"), 100, &want, &len, &err), 0);
    assert_int_equal(sk_key_hint(k, &hint, &err), 0);
    assert_string_equal(hint.data, want);
}

static void refused(void **state)
{
    (void)state;
    assert_int_equal(
        shell("openssl genrsa -out rsa.pem 2048; openssl ecparam -name secp384r1 -genkey -noout "
              "-out p384.pem; openssl genpkey -algorithm ed25519 -out ed.pem; "
              "openssl pkey -in rsa.pem -pubout -out rsa.pub; "
              "openssl ecparam -name prime256v1 -genkey -noout -out plain.pem; "
              "openssl ec -in plain.pem -aes128 -passout pass:x -out old.pem; "
              "openssl pkcs8 -topk8 -in plain.pem -passout pass:x -out new.pem; "
              "openssl req -x509 -new -key plain.pem -subj /CN=x -out cert.pem; "
              "head -c 150 plain.pem > cut.pem; : > empty.pem; echo text > text.pem"),
        0);

    static const struct {
        const char *file, *words;
    } rows[] = {
        { "rsa.pem", "P-256" },      { "p384.pem", "P-256" },     { "ed.pem", "P-256" },
        { "rsa.pub", "P-256" },      { "old.pem", "passphrase" }, { "new.pem", "passphrase" },
        { "cert.pem", "P-256 key" }, { "cut.pem", "no key" },     { "empty.pem", "no key" },
        { "text.pem", "no key" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(free) char *text = NULL;
        struct sk_key *k = NULL;
        size_t len;
        if (sk_file_read(at(rows[i].file), 1 << 16, &text, &len, &err) < 0)
            fail_msg("%s: %s", rows[i].file, err.text);
        if (sk_key_parse(text, len, &k, &err) != -1)
            fail_msg("%s was taken", rows[i].file);
        if (err.code != SK_INVALID || !strstr(err.text, rows[i].words))
            fail_msg("%s: %s", rows[i].file, err.text);
    }
}

static void too_long_is_refused(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_key *k = NULL;
    SK_OWN(free) char *text = calloc(1, 70000);
    assert_int_equal(sk_key_parse(text, 70000, &k, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_int_equal(sk_key_parse_pkcs8(text, 5000, &k, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_int_equal(sk_key_parse_pkcs8(text, 0, &k, &err), -1);
}

/* ---- memory ---- */

static int one_key(void *ctx, struct sk_err *err)
{
    SK_OWN(sk_key_free) struct sk_key *k = NULL;
    SK_OWN(sk_key_free) struct sk_key *again = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf open = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf hint = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf signature = SK_BUF_INIT(4096);
    (void)ctx;
    if (sk_key_make(&k, err) < 0 || sk_key_private_pem(k, &pem, err) < 0 ||
        sk_key_public_pem(k, &open, err) < 0 || sk_key_hint(k, &hint, err) < 0 ||
        sk_key_parse(pem.data, pem.len, &again, err) < 0 ||
        sk_key_sign(again, "text", 4, &signature, err) < 0)
        return -1;
    return sk_key_verify(k, "text", 4, signature.data, signature.len, err);
}

static void memory_runs_out(void **state)
{
    (void)state;
    assert_true(sk_alloc_sweep("one key", one_key, NULL, 0) >= 6);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    return sk_remove_tree(folder, &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back),      cmocka_unit_test(foreign_signatures_are_denied),
        cmocka_unit_test(openssl_agrees),  cmocka_unit_test(hint_is_of_the_public_key),
        cmocka_unit_test(refused),         cmocka_unit_test(too_long_is_refused),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
