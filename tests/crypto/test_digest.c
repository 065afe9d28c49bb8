/* test_digest.c - SHA-2 against the vectors of FIPS 180-4, whole and in pieces, HMAC against RFC
 * 4231, files around the window's edge, Git's names. */
#include "crypto/crypto.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void known_digests(void **state)
{
    (void)state;

    static const struct {
        const char *text, *hex;
    } rows[] = {
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        char hex[SK_SHA256_HEX];
        if (sk_sha256_hex(rows[i].text, strlen(rows[i].text), hex, &err) < 0)
            fail_msg("row '%s': %s", rows[i].text, err.text);
        if (strcmp(hex, rows[i].hex) != 0)
            fail_msg("row '%s': got %s", rows[i].text, hex);
    }
}

#define ABC256 "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ABC512                                                                                     \
    "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3" \
    "c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"

static void names_of_digests(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        int kind; /* -1: none */
    } rows[] = {
        { ABC256, SK_SHA256 },
        { ABC512, SK_SHA512 },
        { ABC256 "0", -1 },
        { ABC512 "0", -1 },
        { "sha512:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", -1 },
        { "sha25:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", -1 },
        { "SHA256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", -1 },
        { "sha256:BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", -1 },
        { "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a/", -1 },
        { "sha256", -1 },
        { ":", -1 },
        { "", -1 },
        { NULL, -1 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *text = rows[i].text;
        enum sk_hash_kind kind = SK_HASH_COUNT;
        if (sk_digest_valid(text) != (rows[i].kind >= 0) ||
            sk_digest_parse(sk_view_of(text), &kind) != (rows[i].kind >= 0) ||
            sk_digest_is(text, SK_SHA256) != (rows[i].kind == SK_SHA256) ||
            sk_digest_is(text, SK_SHA512) != (rows[i].kind == SK_SHA512) ||
            (rows[i].kind >= 0 && (int)kind != rows[i].kind))
            fail_msg("row '%s'", text ? text : "NULL");
    }
    for (int i = 0; i < SK_HASH_COUNT; i++) {
        enum sk_hash_kind kind = SK_HASH_COUNT;
        const char *name = sk_hash_name((enum sk_hash_kind)i);
        assert_true(sk_hash_find(sk_view_of(name), &kind) && (int)kind == i);
    }
    enum sk_hash_kind kind;
    assert_false(sk_hash_find(SK_VIEW("sha384"), &kind));
}

/* Of memory, of pieces, of a file. */
static void digests_of_abc(void **state)
{
    (void)state;
    static const char *const expected[SK_HASH_COUNT] = {
        [SK_SHA256] = ABC256, [SK_SHA512] = ABC512
    };
    struct sk_err err = SK_ERR_INIT;
    char path[] = "/tmp/skerry-digest-XXXXXX", found[SK_DIGEST_TEXT];
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(sk_file_write(path, "abc", 3, 0600, &err), 0);
    for (int i = 0; i < SK_HASH_COUNT; i++) {
        const enum sk_hash_kind kind = (enum sk_hash_kind)i;
        SK_OWN(sk_hash_free) struct sk_hash *h = NULL;
        assert_int_equal(sk_digest_of(kind, "abc", 3, found, &err), 0);
        assert_string_equal(found, expected[i]);
        assert_int_equal(sk_digest_file(kind, path, found, &err), 0);
        assert_string_equal(found, expected[i]);
        assert_int_equal(sk_hash_new(kind, &h, &err), 0);
        assert_int_equal(sk_hash_add(h, "a", 1, &err), 0);
        assert_int_equal(sk_hash_add(h, "bc", 2, &err), 0);
        assert_int_equal(sk_hash_digest(h, found, &err), 0);
        assert_string_equal(found, expected[i]);
    }
    unlink(path);
}

/* One byte below, at and above the window; and the file equals the memory. */
static void file_equals_memory(void **state)
{
    (void)state;
    static const size_t sizes[] = {
        0, 1, (1u << 20) - 1, 1u << 20, (1u << 20) + 1, (3u << 20) + 17
    };
    char path[] = "/tmp/skerry-digest-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(free_cleanup) unsigned char *bytes = malloc(sizes[i] + 1);
        assert_non_null(bytes);
        for (size_t b = 0; b < sizes[i]; b++)
            bytes[b] = (unsigned char)(b * 2654435761u >> 13);
        char of_memory[SK_SHA256_HEX], of_file[SK_SHA256_HEX];
        assert_int_equal(sk_file_write(path, bytes, sizes[i], 0600, &err), 0);
        assert_int_equal(sk_sha256_hex(bytes, sizes[i], of_memory, &err), 0);
        assert_int_equal(sk_sha256_file(path, of_file, &err), 0);
        assert_string_equal(of_memory, of_file);
    }
    unlink(path);
}

/* As `git hash-object` says. */
static void git_blobs(void **state)
{
    (void)state;

    static const struct {
        const char *text, *hex;
    } rows[] = {
        { "", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391" },
        { "test content\n", "d670460b4b4aece5915caf5c68d12f560a9fe3e4" },
    };

    char path[] = "/tmp/skerry-digest-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        char hex[SK_GIT_BLOB_HEX];
        assert_int_equal(sk_file_write(path, rows[i].text, strlen(rows[i].text), 0600, &err), 0);
        assert_int_equal(sk_git_blob_file(path, hex, &err), 0);
        assert_string_equal(hex, rows[i].hex);
    }
    unlink(path);
}

/* Every way to cut 300 bytes into two or three pieces of the same step gives the digest of the
 * whole. */
static void pieces_equal_the_whole(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    unsigned char bytes[300];
    char whole[SK_SHA256_HEX], pieces[SK_SHA256_HEX];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 31);
    assert_int_equal(sk_sha256_hex(bytes, sizeof bytes, whole, &err), 0);
    for (size_t step = 1; step <= sizeof bytes; step++) {
        SK_OWN(sk_hash_free) struct sk_hash *h = NULL;
        assert_int_equal(sk_hash_new(SK_SHA256, &h, &err), 0);
        for (size_t at = 0; at < sizeof bytes; at += step) {
            size_t len = sizeof bytes - at < step ? sizeof bytes - at : step;
            assert_int_equal(sk_hash_add(h, bytes + at, len, &err), 0);
            assert_int_equal(sk_hash_add(h, bytes, 0, &err), 0);
        }
        assert_int_equal(sk_hash_hex(h, pieces, &err), 0);
        assert_string_equal(whole, pieces);
    }
}

/* RFC 4231, cases 1, 2, 6 (a key longer than a block); and an empty key. */
/* FIPS 180-4, and the handshake of RFC 6455, 1.3. */
static void known_sha1(void **state)
{
    (void)state;

    static const struct {
        const char *text, *hex;
    } rows[] = {
        { "", "da39a3ee5e6b4b0d3255bfef95601890afd80709" },
        { "abc", "a9993e364706816aba3e25717850c26c9cd0d89d" },
        { "dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
          "b37a4f2cc0624f1690f64606cf385945b2bec4ea" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned char out[SK_SHA1_BYTES];
        char hex[2 * SK_SHA1_BYTES + 1];
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(sk_sha1(rows[i].text, strlen(rows[i].text), out, &err), 0);
        for (size_t k = 0; k < sizeof out; k++)
            (void)snprintf(hex + 2 * k, 3, "%02x", out[k]);
        assert_string_equal(hex, rows[i].hex);
    }
}

static void known_hmacs(void **state)
{
    (void)state;
    char eleven[20], ninety[131];
    memset(eleven, 0x0b, sizeof eleven);
    memset(ninety, 0xaa, sizeof ninety);

    const struct {
        const char *key;
        size_t key_len;
        const char *text, *hex;
    } rows[] = {
        { eleven, sizeof eleven, "Hi There",
          "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
        { "Jefe", 4, "what do ya want for nothing?",
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
        { ninety, sizeof ninety, "Test Using Larger Than Block-Size Key - Hash Key First",
          "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
        { NULL, 0, "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        unsigned char mac[SK_SHA256_BYTES];
        char hex[2 * SK_SHA256_BYTES + 1];
        assert_int_equal(sk_hmac_sha256(rows[i].key, rows[i].key_len, rows[i].text,
                                        strlen(rows[i].text), mac, &err),
                         0);
        for (size_t b = 0; b < sizeof mac; b++)
            (void)snprintf(hex + 2 * b, 3, "%02x", mac[b]);
        assert_string_equal(hex, rows[i].hex);
    }
}

static void missing_file_is_named(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    char hex[SK_SHA256_HEX];
    assert_int_equal(sk_sha256_file("/nonexistent/model.onnx", hex, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nonexistent/model.onnx"));
}

/* Any bit that flips is seen, here or by the text's own reader. */
static void digest_lines(void **state)
{
    (void)state;
    static const char body[] = "{\"a\": 1}\n";
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1000);
    struct sk_err err = SK_ERR_INIT;
    sk_buf_str(&b, body);
    assert_int_equal(sk_digest_line(&b, &err), 0);
    size_t len = b.len;
    assert_int_equal(sk_digest_line_check(b.data, &len, &err), 0);
    assert_int_equal(len, sizeof body - 1);
    for (size_t bit = 0; bit < 8 * b.len; bit++) {
        b.data[bit / 8] = (char)(b.data[bit / 8] ^ 1 << bit % 8);
        len = b.len;
        int rc = sk_digest_line_check(b.data, &len, &err);
        if (rc == 0 && len != b.len) /* taken for a text without the line: digits behind the JSON */
            fail_msg("bit %zu is not seen", bit);
        b.data[bit / 8] = (char)(b.data[bit / 8] ^ 1 << bit % 8);
    }
    len = sizeof body - 1;
    assert_int_equal(sk_digest_line_check(body, &len, &err), 0);
    assert_int_equal(len, sizeof body - 1);
    len = 0;
    assert_int_equal(sk_digest_line_check("", &len, &err), 0);
}

static void random_differs(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    unsigned char a[32] = { 0 }, b[32] = { 0 };
    assert_int_equal(sk_random(a, sizeof a, &err), 0);
    assert_int_equal(sk_random(b, sizeof b, &err), 0);
    assert_memory_not_equal(a, b, sizeof a);
    assert_int_equal(sk_random(a, 0, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_digests), cmocka_unit_test(digests_of_abc),
        cmocka_unit_test(known_digests),    cmocka_unit_test(file_equals_memory),
        cmocka_unit_test(git_blobs),        cmocka_unit_test(missing_file_is_named),
        cmocka_unit_test(random_differs),   cmocka_unit_test(pieces_equal_the_whole),
        cmocka_unit_test(digest_lines),     cmocka_unit_test(known_sha1),
        cmocka_unit_test(known_hmacs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
