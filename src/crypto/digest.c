/*
 * digest.c - SHA-256, Git's SHA-1 of a blob, and random bytes, by OpenSSL's EVP interface.
 *
 * A file is read through one map, a window of 1 MiB at a time, so that a model of gigabytes costs
 * no memory of ours and its pages can leave again. A digest is a name here (caches, bundles): the
 * same bytes give the same text.
 */
#include "crypto/crypto.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

enum {
    WINDOW_BYTES = 1 << 20
};

SK_DEFINE_OWN(EVP_MD_CTX, EVP_MD_CTX_free);

static int fail_openssl(struct sk_err *err, const char *what)
{
    unsigned long code = ERR_get_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return sk_fail(err, SK_BUG, "%s: %s", what, reason ? reason : "unknown reason");
}

static void to_hex(const unsigned char *digest, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        *out++ = digits[digest[i] >> 4];
        *out++ = digits[digest[i] & 15];
    }
    *out = '\0';
}

/* The digest of head (a text, may be empty, with its NUL when not) and of the bytes behind it. */
static int digest_hex(const EVP_MD *kind, const char *head, const void *bytes, size_t len,
                      char *out, struct sk_err *err)
{
    SK_OWN(EVP_MD_CTX_free) EVP_MD_CTX *md = EVP_MD_CTX_new();
    if (!md)
        return sk_nomem(err);
    if (!EVP_DigestInit_ex(md, kind, NULL) ||
        !EVP_DigestUpdate(md, head, *head ? strlen(head) + 1 : 0))
        return fail_openssl(err, "digest");
    const unsigned char *p = bytes;
    for (size_t done = 0; done < len;) {
        size_t step = len - done < WINDOW_BYTES ? len - done : WINDOW_BYTES;
        if (!EVP_DigestUpdate(md, p + done, step))
            return fail_openssl(err, "digest");
        done += step;
    }
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (!EVP_DigestFinal_ex(md, digest, &size))
        return fail_openssl(err, "digest");
    to_hex(digest, size, out);
    return 0;
}

int sk_sha256_hex(const void *bytes, size_t len, char *out, struct sk_err *err)
{
    return digest_hex(EVP_sha256(), "", bytes, len, out, err);
}

int sk_sha256_file(const char *path, char *out, struct sk_err *err)
{
    SK_AUTO(sk_map_close) struct sk_map map = { NULL, 0 };
    if (sk_map_open(path, &map, err) < 0)
        return -1;
    return sk_sha256_hex(map.ptr, map.len, out, err);
}

int sk_git_blob_file(const char *path, char *out, struct sk_err *err)
{
    SK_AUTO(sk_map_close) struct sk_map map = { NULL, 0 };
    char head[32];
    if (sk_map_open(path, &map, err) < 0)
        return -1;
    (void)snprintf(head, sizeof head, "blob %zu", map.len);
    return digest_hex(EVP_sha1(), head, map.ptr, map.len, out, err);
}

int sk_random(void *out, size_t len, struct sk_err *err)
{
    unsigned char *p = out;
    while (len > 0) {
        int step = len < WINDOW_BYTES ? (int)len : WINDOW_BYTES;
        if (RAND_bytes(p, step) != 1)
            return fail_openssl(err, "random bytes");
        p += step;
        len -= (size_t)step;
    }
    return 0;
}
