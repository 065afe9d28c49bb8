/*
 * sealed.c - private keys under a password, as cosign keeps them.
 *
 * A PEM block "ENCRYPTED SIGSTORE PRIVATE KEY" (before 2022 "ENCRYPTED COSIGN PRIVATE KEY") around
 * a JSON object:
 *
 *     {"kdf": {"name": "scrypt", "params": {"N", "r", "p"}, "salt"},
 *      "cipher": {"name": "nacl/secretbox", "nonce"}, "ciphertext"}
 *
 * with binary fields in base64. scrypt gives the 32 bytes of the secretbox's key; inside is PKCS#8.
 * A file's parameters are a cost that its author chooses for us, so they are bounded.
 */
#include "sign/sign_priv.h"
#include "json/json.h"

#include <sodium.h>
#include <string.h>

enum {
    SCRYPT_N = 65536,
    SCRYPT_R = 8,
    SCRYPT_P = 1,
    SALT_BYTES = 32,
    MAX_N = 1 << 20,
    MAX_R = 32,
    MAX_P = 16,
    LINE = 64
};

static const uint64_t max_memory = 512u << 20; /* 128 * N * r, what scrypt needs */

static const char *const KINDS[] = { "ENCRYPTED SIGSTORE PRIVATE KEY",
                                     "ENCRYPTED COSIGN PRIVATE KEY" };

/* The base64 between the lines of a block; NULL when it is none of ours. */
static const char *body_of(const char *pem, size_t *len)
{
    for (size_t i = 0; i < sizeof(KINDS) / sizeof(KINDS[0]); i++) {
        char begin[64], end[64];

        (void)snprintf(begin, sizeof(begin), "-----BEGIN %s-----", KINDS[i]);
        (void)snprintf(end, sizeof(end), "-----END %s-----", KINDS[i]);

        const char *from = strstr(pem, begin);
        const char *to = from ? strstr(from, end) : NULL;

        if (to) {
            from += strlen(begin);
            *len = (size_t)(to - from);
            return from;
        }
    }
    return NULL;
}

bool sk_sealed_is(const char *pem)
{
    size_t len = 0;

    return body_of(pem, &len) != NULL;
}

static int start(struct sk_err *err)
{
    return sodium_init() < 0 ? sk_fail(err, SK_UNSUPPORTED, "libsodium cannot start") : 0;
}

struct sealed {
    uint64_t n;
    uint32_t r, p;
    struct sk_buf salt, nonce, box;
};

static void sealed_done(struct sealed *s)
{
    sk_buf_done(&s->salt);
    sk_buf_done(&s->nonce);
    sk_buf_done(&s->box);
}

static int read_binary(const struct sk_json *object, const char *key, struct sk_buf *out,
                       struct sk_err *err)
{
    const char *text = NULL;

    if (sk_json_want_text(object, key, &text, err) < 0)
        return -1;
    if (!text)
        return sk_fail(err, SK_INVALID, "'%s' is missing", key);
    if (sk_base64_decode(text, strlen(text), out, err) < 0)
        return sk_wrap(err, "'%s'", key);
    return 0;
}

static int read_params(const struct sk_json *kdf, struct sealed *s, struct sk_err *err)
{
    const struct sk_json *params = sk_json_get(kdf, "params");
    int64_t n = 0, r = 0, p = 0;

    if (strcmp(sk_json_get_text(kdf, "name", ""), "scrypt") != 0)
        return sk_fail(err, SK_UNSUPPORTED, "its key derivation is not scrypt");
    if (sk_json_want_int(params, "N", 2, MAX_N, &n, err) < 0 ||
        sk_json_want_int(params, "r", 1, MAX_R, &r, err) < 0 ||
        sk_json_want_int(params, "p", 1, MAX_P, &p, err) < 0)
        return -1;
    if (n == 0 || r == 0 || p == 0 || (n & (n - 1)) != 0)
        return sk_fail(err, SK_INVALID, "N (a power of two), r and p are needed");
    if (128u * (uint64_t)n * (uint64_t)r > max_memory)
        return sk_fail(err, SK_LIMIT, "scrypt with N %lld and r %lld needs more than 512 MiB",
                       (long long)n, (long long)r);
    s->n = (uint64_t)n;
    s->r = (uint32_t)r;
    s->p = (uint32_t)p;
    return 0;
}

static int read_sealed(const char *pem, struct sealed *s, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf packed = SK_BUF_INIT(SK_SIGN_BLOB_MAX);
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_SIGN_BLOB_MAX);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    size_t len = 0;
    const char *body = body_of(pem, &len);

    if (!body)
        return sk_fail(err, SK_INVALID, "no encrypted private key of cosign's");
    for (size_t i = 0; i < len; i++) {
        if (!strchr(" \t\r\n", body[i]))
            sk_buf_chr(&packed, body[i]);
    }
    if (!sk_buf_ok(&packed))
        return sk_buf_fail(&packed, err);
    if (sk_base64_decode(packed.data ? packed.data : "", packed.len, &text, err) < 0 ||
        sk_json_parse(text.data ? text.data : "", text.len, NULL, &doc, err) < 0)
        return -1;

    const struct sk_json *kdf = sk_json_get(doc, "kdf"), *cipher = sk_json_get(doc, "cipher");

    if (strcmp(sk_json_get_text(cipher, "name", ""), "nacl/secretbox") != 0)
        return sk_fail(err, SK_UNSUPPORTED, "its cipher is not nacl/secretbox");
    if (read_params(kdf, s, err) < 0 || read_binary(kdf, "salt", &s->salt, err) < 0 ||
        read_binary(cipher, "nonce", &s->nonce, err) < 0 ||
        read_binary(doc, "ciphertext", &s->box, err) < 0)
        return -1;
    if (s->nonce.len != crypto_secretbox_NONCEBYTES || s->box.len < crypto_secretbox_MACBYTES)
        return sk_fail(err, SK_INVALID, "its nonce or ciphertext has the wrong length");
    return 0;
}

static int derive(const char *password, const struct sk_buf *salt, uint64_t n, uint32_t r,
                  uint32_t p, unsigned char key[crypto_secretbox_KEYBYTES], struct sk_err *err)
{
    const uint8_t *bytes = salt->data ? (const uint8_t *)salt->data : (const uint8_t *)"";

    if (crypto_pwhash_scryptsalsa208sha256_ll((const uint8_t *)password, strlen(password), bytes,
                                              salt->len, n, r, p, key,
                                              crypto_secretbox_KEYBYTES) != 0)
        return sk_nomem(err);
    return 0;
}

int sk_sealed_read(const char *pem, const char *password, struct sk_buf *out, struct sk_err *err)
{
    SK_AUTO(sealed_done)
    struct sealed s = { .salt = SK_BUF_INIT(1024),
                        .nonce = SK_BUF_INIT(1024),
                        .box = SK_BUF_INIT(1 << 16) };
    unsigned char key[crypto_secretbox_KEYBYTES];

    if (start(err) < 0 || read_sealed(pem, &s, err) < 0 ||
        derive(password, &s.salt, s.n, s.r, s.p, key, err) < 0)
        return -1;

    size_t len = s.box.len - crypto_secretbox_MACBYTES;
    unsigned char *plain = sk_buf_reserve(out, len ? len : 1);
    int rc = plain ? crypto_secretbox_open_easy(plain, (const unsigned char *)s.box.data, s.box.len,
                                                (const unsigned char *)s.nonce.data, key)
                   : 0;

    sodium_memzero(key, sizeof(key));
    if (!plain)
        return sk_buf_fail(out, err);
    if (rc != 0)
        return sk_fail(err, SK_DENIED, "the password is wrong (COSIGN_PASSWORD)");
    sk_buf_commit(out, len);
    return 0;
}

static void add_base64(struct sk_buf *out, const char *key, const void *bytes, size_t len)
{
    sk_buf_fmt(out, "\"%s\":\"", key);
    sk_base64(out, bytes, len);
    sk_buf_chr(out, '"');
}

static void add_pem(const struct sk_buf *json, struct sk_buf *out, struct sk_buf *scratch)
{
    sk_base64(scratch, json->data, json->len);
    sk_buf_fmt(out, "-----BEGIN %s-----\n", KINDS[0]);
    for (size_t at = 0; at < scratch->len; at += LINE) {
        size_t left = scratch->len - at;

        sk_buf_add(out, scratch->data + at, left < LINE ? left : LINE);
        sk_buf_chr(out, '\n');
    }
    sk_buf_fmt(out, "-----END %s-----\n", KINDS[0]);
}

int sk_sealed_write(const void *pkcs8, size_t len, const char *password, struct sk_buf *out,
                    struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf salt = SK_BUF_INIT(SALT_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf box = SK_BUF_INIT(1 << 16);
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(1 << 18);
    SK_AUTO(sk_buf_done) struct sk_buf scratch = SK_BUF_INIT(1 << 18);
    unsigned char key[crypto_secretbox_KEYBYTES], nonce[crypto_secretbox_NONCEBYTES];
    unsigned char *to = sk_buf_reserve(&salt, SALT_BYTES);
    unsigned char *sealed = sk_buf_reserve(&box, len + crypto_secretbox_MACBYTES);

    if (!to || !sealed)
        return sk_nomem(err);
    if (start(err) < 0 || sk_random(to, SALT_BYTES, err) < 0 ||
        sk_random(nonce, sizeof(nonce), err) < 0)
        return -1;
    sk_buf_commit(&salt, SALT_BYTES);
    if (derive(password, &salt, SCRYPT_N, SCRYPT_R, SCRYPT_P, key, err) < 0)
        return -1;
    (void)crypto_secretbox_easy(sealed, pkcs8, len, nonce, key);
    sk_buf_commit(&box, len + crypto_secretbox_MACBYTES);
    sodium_memzero(key, sizeof(key));
    sk_buf_fmt(&json, "{\"kdf\":{\"name\":\"scrypt\",\"params\":{\"N\":%d,\"r\":%d,\"p\":%d},",
               SCRYPT_N, SCRYPT_R, SCRYPT_P);
    add_base64(&json, "salt", salt.data, salt.len);
    sk_buf_str(&json, "},\"cipher\":{\"name\":\"nacl/secretbox\",");
    add_base64(&json, "nonce", nonce, sizeof(nonce));
    sk_buf_str(&json, "},");
    add_base64(&json, "ciphertext", box.data, box.len);
    sk_buf_chr(&json, '}');
    if (!sk_buf_ok(&json))
        return sk_buf_fail(&json, err);
    add_pem(&json, out, &scratch);
    return sk_buf_ok(out) && sk_buf_ok(&scratch) ? 0 : sk_nomem(err);
}
