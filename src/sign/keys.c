/*
 * keys.c - private and public keys from files.
 */
#include "base/file.h"
#include "sign/sign_priv.h"

#include <stdlib.h>
#include <string.h>

enum {
    KEY_BYTES = 1 << 16
};

static const char *password_of(const char *given)
{
    const char *text = given ? given : getenv("COSIGN_PASSWORD");

    return text ? text : "";
}

int sk_signer_open(const char *key_file, const char *password, struct sk_signer **out,
                   struct sk_err *err)
{
    SK_OWN(free) char *pem = NULL;
    SK_OWN(sk_key_free) struct sk_key *key = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf plain = SK_BUF_INIT(KEY_BYTES);
    size_t len = 0;

    if (sk_file_read(key_file, KEY_BYTES, &pem, &len, err) < 0)
        return -1;

    int rc = 0;

    if (sk_sealed_is(pem)) {
        rc = sk_sealed_read(pem, password_of(password), &plain, err);
        if (rc == 0)
            rc = sk_key_parse_pkcs8(plain.data, plain.len, &key, err);
        if (plain.data)
            explicit_bzero(plain.data, plain.len);
    } else {
        rc = sk_key_parse(pem, len, &key, err);
    }
    explicit_bzero(pem, len);
    if (rc < 0)
        return sk_wrap(err, "%s", key_file);
    if (!sk_key_is_private(key))
        return sk_fail(err, SK_INVALID, "%s: a public key; signing needs the private one",
                       key_file);

    struct sk_signer *s = calloc(1, sizeof(*s));

    if (!s)
        return sk_nomem(err);
    s->key = SK_TAKE(key);
    *out = s;
    return 0;
}

void sk_signer_free(struct sk_signer *s)
{
    if (!s)
        return;
    sk_key_free(s->key);
    free(s);
}

static int write_key(const char *prefix, const char *ending, unsigned mode,
                     const struct sk_buf *text, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(8192);

    sk_buf_fmt(&path, "%s%s", prefix, ending);
    if (!sk_buf_ok(&path))
        return sk_buf_fail(&path, err);
    if (sk_is_file(path.data))
        return sk_fail(err, SK_EXISTS, "%s is there already; a key is never replaced", path.data);
    return sk_file_write(path.data, text->data, text->len, mode, err);
}

int sk_sign_make_keys(const char *prefix, const char *password, struct sk_err *err)
{
    SK_OWN(sk_key_free) struct sk_key *key = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf secret = SK_BUF_INIT(KEY_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf der = SK_BUF_INIT(KEY_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf public = SK_BUF_INIT(KEY_BYTES);

    if (sk_key_make(&key, err) < 0 || sk_key_public_pem(key, &public, err) < 0)
        return -1;
    if (password) {
        if (sk_key_private_der(key, &der, err) < 0 ||
            sk_sealed_write(der.data, der.len, password, &secret, err) < 0)
            return -1;
        explicit_bzero(der.data, der.len);
    } else if (sk_key_private_pem(key, &secret, err) < 0) {
        return -1;
    }

    int rc = write_key(prefix, ".key", 0600, &secret, err);

    explicit_bzero(secret.data, secret.len);
    return rc < 0 ? -1 : write_key(prefix, ".pub", 0644, &public, err);
}

int sk_verifier_open(const char *const *public_key_files, size_t count, struct sk_verifier **out,
                     struct sk_err *err)
{
    SK_OWN(sk_verifier_free) struct sk_verifier *v = calloc(1, sizeof(*v));

    if (!v)
        return sk_nomem(err);
    if (count == 0 || count > SK_SIGN_KEYS_MAX)
        return sk_fail(err, SK_INVALID, "%zu keys; 1 to %d are possible", count, SK_SIGN_KEYS_MAX);
    for (size_t i = 0; i < count; i++) {
        SK_OWN(free) char *pem = NULL;
        size_t len = 0;

        if (sk_file_read(public_key_files[i], KEY_BYTES, &pem, &len, err) < 0)
            return -1;
        if (sk_key_parse(pem, len, &v->keys[v->count], err) < 0)
            return sk_wrap(err, "%s", public_key_files[i]);
        v->count++;
    }
    *out = SK_TAKE(v);
    return 0;
}

void sk_verifier_free(struct sk_verifier *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->count; i++)
        sk_key_free(v->keys[i]);
    free(v);
}
