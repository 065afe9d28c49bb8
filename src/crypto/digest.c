/*
 * digest.c - SHA-2, HMAC, SHA-1 where others ask for it, and random bytes, by OpenSSL's EVP
 * interface.
 *
 * A file is read piece by piece, so that a model of gigabytes costs no memory, and one that shrinks
 * meanwhile no signal. A digest is a name here (caches, bundles): the same bytes give the same
 * text.
 */
#include "crypto/crypto.h"

#include "crypto/crypto_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PIECE_BYTES = 1 << 16,
    RANDOM_BYTES = 1 << 20, /* what one call of RAND_bytes is asked for */
};

static const struct algorithm {
    const char *name;
    size_t hex;
    const EVP_MD *(*md)(void);
} ALGORITHMS[SK_HASH_COUNT] = {
    [SK_SHA256] = { "sha256", 64, EVP_sha256 },
    [SK_SHA512] = { "sha512", 128, EVP_sha512 },
};

struct sk_hash {
    const struct algorithm *algorithm;
    EVP_MD_CTX *md;
};

int sk_crypto_fail(struct sk_err *err, enum sk_code code, const char *what)
{
    unsigned long found = ERR_get_error();
    const char *reason = found ? ERR_reason_error_string(found) : NULL;
    ERR_clear_error();
    return sk_fail(err, code, "%s: %s", what, reason ? reason : "unknown reason");
}

static int fail_openssl(struct sk_err *err, const char *what)
{
    return sk_crypto_fail(err, SK_BUG, what);
}

void sk_crypto_hex(const unsigned char *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

static int finish(EVP_MD_CTX *md, char *out, struct sk_err *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (!EVP_DigestFinal_ex(md, digest, &size))
        return fail_openssl(err, "digest");
    sk_crypto_hex(digest, size, out);
    return 0;
}

/* ---- names ---- */

const char *sk_hash_name(enum sk_hash_kind kind)
{
    return ALGORITHMS[kind].name;
}

bool sk_hash_find(struct sk_view name, enum sk_hash_kind *kind)
{
    for (int i = 0; i < SK_HASH_COUNT; i++)
        if (sk_view_eq(name, ALGORITHMS[i].name)) {
            *kind = (enum sk_hash_kind)i;
            return true;
        }
    return false;
}

bool sk_digest_parse(struct sk_view text, enum sk_hash_kind *kind)
{
    const char *colon = text.len > 0 ? memchr(text.ptr, ':', text.len) : NULL;
    enum sk_hash_kind found;

    if (!colon || !sk_hash_find((struct sk_view){ text.ptr, (size_t)(colon - text.ptr) }, &found) ||
        text.len - (size_t)(colon + 1 - text.ptr) != ALGORITHMS[found].hex)
        return false;
    for (const char *p = colon + 1; p < text.ptr + text.len; p++)
        if (!(*p >= '0' && *p <= '9') && !(*p >= 'a' && *p <= 'f'))
            return false;
    *kind = found;
    return true;
}

bool sk_digest_valid(const char *text)
{
    enum sk_hash_kind kind;

    return text && sk_digest_parse(sk_view_of(text), &kind);
}

bool sk_digest_is(const char *text, enum sk_hash_kind kind)
{
    enum sk_hash_kind found;

    return text && sk_digest_parse(sk_view_of(text), &found) && found == kind;
}

/* ---- of memory ---- */

int sk_hash_new(enum sk_hash_kind kind, struct sk_hash **out, struct sk_err *err)
{
    SK_OWN(sk_hash_free) struct sk_hash *h = calloc(1, sizeof *h);
    if (!h)
        return sk_nomem(err);
    h->algorithm = &ALGORITHMS[kind];
    h->md = EVP_MD_CTX_new();
    if (!h->md)
        return sk_nomem(err);
    if (!EVP_DigestInit_ex(h->md, h->algorithm->md(), NULL))
        return fail_openssl(err, h->algorithm->name);
    *out = SK_TAKE(h);
    return 0;
}

int sk_hash_add(struct sk_hash *h, const void *bytes, size_t len, struct sk_err *err)
{
    if (!EVP_DigestUpdate(h->md, bytes, len))
        return fail_openssl(err, h->algorithm->name);
    return 0;
}

int sk_hash_hex(struct sk_hash *h, char *out, struct sk_err *err)
{
    return finish(h->md, out, err);
}

/* The prefix; returns where the hex goes. */
static char *begin_text(const struct algorithm *a, char out[SK_DIGEST_TEXT])
{
    int len = snprintf(out, SK_DIGEST_TEXT, "%s:", a->name);
    return out + len;
}

int sk_hash_digest(struct sk_hash *h, char out[SK_DIGEST_TEXT], struct sk_err *err)
{
    return finish(h->md, begin_text(h->algorithm, out), err);
}

void sk_hash_free(struct sk_hash *h)
{
    if (!h)
        return;
    EVP_MD_CTX_free(h->md);
    free(h);
}

static int hash_bytes(enum sk_hash_kind kind, const void *bytes, size_t len, char *out,
                      struct sk_err *err)
{
    SK_OWN(sk_hash_free) struct sk_hash *h = NULL;

    return sk_hash_new(kind, &h, err) < 0 || sk_hash_add(h, bytes, len, err) < 0
               ? -1
               : sk_hash_hex(h, out, err);
}

int sk_sha256_hex(const void *bytes, size_t len, char *out, struct sk_err *err)
{
    return hash_bytes(SK_SHA256, bytes, len, out, err);
}

int sk_digest_line(struct sk_buf *b, struct sk_err *err)
{
    char hex[SK_SHA256_HEX];
    if (!sk_buf_ok(b))
        return sk_buf_fail(b, err);
    if (sk_sha256_hex(b->data, b->len, hex, err) < 0)
        return -1;
    sk_buf_fmt(b, "%s\n", hex);
    return sk_buf_ok(b) ? 0 : sk_buf_fail(b, err);
}

int sk_digest_line_check(const char *text, size_t *len, struct sk_err *err)
{
    char hex[SK_SHA256_HEX];
    /* The newline before it, 64 digits, a newline. What is damaged so that it has another form is
     * no text any more, and its reader says so. */
    if (*len < SK_SHA256_HEX + 1 || text[*len - 1] != '\n' ||
        text[*len - SK_SHA256_HEX - 1] != '\n')
        return 0;
    size_t body = *len - SK_SHA256_HEX;
    if (sk_sha256_hex(text, body, hex, err) < 0)
        return -1;
    if (memcmp(text + body, hex, SK_SHA256_HEX - 1) != 0)
        return sk_fail(err, SK_CORRUPT, "it is not what was written: its SHA-256 differs");
    *len = body;
    return 0;
}

int sk_digest_of(enum sk_hash_kind kind, const void *bytes, size_t len, char out[SK_DIGEST_TEXT],
                 struct sk_err *err)
{
    return hash_bytes(kind, bytes, len, begin_text(&ALGORITHMS[kind], out), err);
}

int sk_sha1(const void *bytes, size_t len, unsigned char out[SK_SHA1_BYTES], struct sk_err *err)
{
    if (!EVP_Digest(bytes, len, out, NULL, EVP_sha1(), NULL))
        return fail_openssl(err, "sha1");
    return 0;
}

int sk_hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
                   unsigned char out[SK_SHA256_BYTES], struct sk_err *err)
{
    unsigned size = 0;
    if (key_len > INT_MAX)
        return sk_fail(err, SK_LIMIT, "hmac: a key of %zu bytes is too long", key_len);
    if (!HMAC(EVP_sha256(), key_len > 0 ? key : "", (int)key_len, bytes, len, out, &size) ||
        size != SK_SHA256_BYTES)
        return fail_openssl(err, "hmac");
    return 0;
}

/* ---- of files ---- */

/* A regular file; O_NONBLOCK: a FIFO must not hold us before we see that it is one. */
static int open_file(const char *path, int *out, uint64_t *size, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return sk_fail_errno(err, "'%s'", path);
    if (!S_ISREG(st.st_mode))
        return sk_fail(err, SK_INVALID, "'%s' is not a regular file", path);
    *size = (uint64_t)st.st_size;
    *out = sk_take_fd(&fd);
    return 0;
}

static int add_file(EVP_MD_CTX *md, int fd, const char *path, struct sk_err *err)
{
    unsigned char piece[PIECE_BYTES];
    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sk_fail_errno(err, "'%s'", path);
        if (n == 0)
            return 0;
        if (!EVP_DigestUpdate(md, piece, (size_t)n))
            return fail_openssl(err, "digest");
    }
}

/* is_blob: with Git's "blob LENGTH\0" in front. */
static int digest_file(const EVP_MD *kind, bool is_blob, const char *path, char *out,
                       struct sk_err *err)
{
    SK_OWN(EVP_MD_CTX_free) EVP_MD_CTX *md = EVP_MD_CTX_new();
    SK_AUTO(sk_close) int fd = -1;
    uint64_t size = 0;
    char head[32];
    if (!md)
        return sk_nomem(err);
    if (open_file(path, &fd, &size, err) < 0)
        return -1;
    (void)snprintf(head, sizeof head, "blob %llu", (unsigned long long)size);
    if (!EVP_DigestInit_ex(md, kind, NULL) ||
        !EVP_DigestUpdate(md, head, is_blob ? strlen(head) + 1 : 0))
        return fail_openssl(err, "digest");
    if (add_file(md, fd, path, err) < 0)
        return -1;
    return finish(md, out, err);
}

int sk_sha256_file(const char *path, char *out, struct sk_err *err)
{
    return digest_file(EVP_sha256(), false, path, out, err);
}

int sk_digest_file(enum sk_hash_kind kind, const char *path, char out[SK_DIGEST_TEXT],
                   struct sk_err *err)
{
    const struct algorithm *a = &ALGORITHMS[kind];

    return digest_file(a->md(), false, path, begin_text(a, out), err);
}

int sk_git_blob_file(const char *path, char *out, struct sk_err *err)
{
    return digest_file(EVP_sha1(), true, path, out, err);
}

int sk_random(void *out, size_t len, struct sk_err *err)
{
    unsigned char *p = out;
    while (len > 0) {
        int step = len < RANDOM_BYTES ? (int)len : RANDOM_BYTES;
        if (RAND_bytes(p, step) != 1)
            return fail_openssl(err, "random bytes");
        p += step;
        len -= (size_t)step;
    }
    return 0;
}
