/* seal.c - authenticated encryption: AES-256-GCM (NIST SP 800-38D), the tag of 16 bytes behind the
 * ciphertext. */
#include "crypto/crypto_priv.h"

#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

enum {
    TAG_BYTES = 16
};

static void free_cipher(EVP_CIPHER_CTX **c)
{
    EVP_CIPHER_CTX_free(*c);
}

static int check_sizes(struct sk_view extra, struct sk_view text, struct sk_err *err)
{
    if (extra.len > INT_MAX || text.len > INT_MAX - TAG_BYTES)
        return sk_fail(err, SK_TOO_LARGE, "more than 2 GiB cannot be encrypted at once");
    return 0;
}

int sk_seal(const unsigned char key[SK_SEAL_KEY], const unsigned char nonce[SK_SEAL_NONCE],
            struct sk_view extra, struct sk_view plain, struct sk_buf *out, struct sk_err *err)
{
    SK_AUTO(free_cipher) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    if (check_sizes(extra, plain, err) < 0)
        return -1;
    unsigned char *to = sk_buf_reserve(out, plain.len + TAG_BYTES);
    int len = 0;
    if (!to)
        return sk_buf_fail(out, err);
    if (!c || EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce) != 1 ||
        (extra.len > 0 &&
         EVP_EncryptUpdate(c, NULL, &len, (const unsigned char *)extra.ptr, (int)extra.len) != 1) ||
        (plain.len > 0 &&
         EVP_EncryptUpdate(c, to, &len, (const unsigned char *)plain.ptr, (int)plain.len) != 1) ||
        EVP_EncryptFinal_ex(c, to + plain.len, &len) != 1 ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, to + plain.len) != 1)
        return sk_fail(err, SK_BUG, "encryption failed");
    sk_buf_commit(out, plain.len + TAG_BYTES);
    return 0;
}

int sk_unseal(const unsigned char key[SK_SEAL_KEY], const unsigned char nonce[SK_SEAL_NONCE],
              struct sk_view extra, struct sk_view sealed, struct sk_buf *out, struct sk_err *err)
{
    SK_AUTO(free_cipher) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    unsigned char tag[TAG_BYTES];
    int len = 0;
    if (sealed.len < TAG_BYTES)
        return sk_fail(err, SK_DENIED, "the ciphertext is shorter than its tag");
    const struct sk_view text = { sealed.ptr, sealed.len - TAG_BYTES };
    if (check_sizes(extra, text, err) < 0)
        return -1;
    unsigned char *to = sk_buf_reserve(out, text.len + 1);
    if (!to)
        return sk_buf_fail(out, err);
    memcpy(tag, sealed.ptr + text.len, TAG_BYTES);
    if (!c || EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce) != 1 ||
        (extra.len > 0 &&
         EVP_DecryptUpdate(c, NULL, &len, (const unsigned char *)extra.ptr, (int)extra.len) != 1) ||
        (text.len > 0 &&
         EVP_DecryptUpdate(c, to, &len, (const unsigned char *)text.ptr, (int)text.len) != 1) ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) != 1)
        return sk_fail(err, SK_BUG, "decryption failed");
    if (EVP_DecryptFinal_ex(c, to + text.len, &len) != 1) {
        explicit_bzero(to, text.len);
        return sk_fail(err, SK_DENIED,
                       "it was encrypted with another key or initialization vector, or changed");
    }
    sk_buf_commit(out, text.len);
    return 0;
}
