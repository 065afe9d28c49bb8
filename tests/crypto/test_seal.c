/* test_seal.c - AES-256-GCM: a published vector, every changed bit, nothing left of a failure. */
#include "crypto/crypto.h"
#include "harness/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const unsigned char zero_key[SK_SEAL_KEY], zero_nonce[SK_SEAL_NONCE];

static size_t from_hex(const char *hex, unsigned char *out)
{
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)(sk_hex_digit(hex[2 * i]) * 16 + sk_hex_digit(hex[2 * i + 1]));
    return n;
}

static struct sk_view view(const void *bytes, size_t len)
{
    return (struct sk_view){ (const char *)bytes, len };
}

/* "The Galois/Counter Mode of Operation" (McGrew, Viega), appendix B, cases 13, 14 and 16. */
static void test_vectors(void **state)
{
    (void)state;

    static const struct {
        const char *key, *nonce, *extra, *plain, *sealed;
    } rows[] = {
        { "0000000000000000000000000000000000000000000000000000000000000000",
          "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b" },
        { "0000000000000000000000000000000000000000000000000000000000000000",
          "000000000000000000000000", "", "00000000000000000000000000000000",
          "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919" },
        { "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
          "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
          "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e24"
          "49"
          "a6b525b16aedf5aa0de657ba637b39",
          "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b10"
          "56"
          "828838c5f61e6393ba7a0abcc9f662"
          "76fc6ece0f4e1768cddf8853bb2d551b" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned char key[32], nonce[12], extra[64], plain[64], sealed[96];
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1000), back = SK_BUF_INIT(1000);
        struct sk_err err = SK_ERR_INIT;
        (void)from_hex(rows[i].key, key);
        (void)from_hex(rows[i].nonce, nonce);
        size_t extra_len = from_hex(rows[i].extra, extra);
        size_t plain_len = from_hex(rows[i].plain, plain);
        size_t sealed_len = from_hex(rows[i].sealed, sealed);
        sk_buf_str(&out, "before");
        assert_int_equal(
            sk_seal(key, nonce, view(extra, extra_len), view(plain, plain_len), &out, &err), 0);
        assert_int_equal(out.len, 6 + sealed_len);
        assert_memory_equal(out.data + 6, sealed, sealed_len);
        assert_int_equal(
            sk_unseal(key, nonce, view(extra, extra_len), view(sealed, sealed_len), &back, &err),
            0);
        assert_int_equal(back.len, plain_len);
        if (plain_len > 0)
            assert_memory_equal(back.data, plain, plain_len);
    }
}

static void test_changed(void **state)
{
    (void)state;
    unsigned char key[SK_SEAL_KEY] = { 7 }, nonce[SK_SEAL_NONCE] = { 9 };
    SK_AUTO(sk_buf_done) struct sk_buf sealed = SK_BUF_INIT(1000), out = SK_BUF_INIT(1000);
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_seal(key, nonce, SK_VIEW("cats"), SK_VIEW("a secret"), &sealed, &err), 0);
    for (size_t bit = 0; bit < sealed.len * 8; bit++) {
        err = (struct sk_err)SK_ERR_INIT;
        sealed.data[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(
            sk_unseal(key, nonce, SK_VIEW("cats"), view(sealed.data, sealed.len), &out, &err), -1);
        assert_int_equal(err.code, SK_DENIED);
        assert_int_equal(out.len, 0);
        sealed.data[bit / 8] ^= (char)(1 << bit % 8);
    }

    static const struct {
        const char *name, *extra;
        unsigned char key, nonce;
        size_t cut;
    } rows[] = {
        { "another module", "dogs", 7, 9, 0 }, { "no module", "", 7, 9, 0 },
        { "another key", "cats", 8, 9, 0 },    { "another nonce", "cats", 7, 8, 0 },
        { "cut by one", "cats", 7, 9, 1 },     { "shorter than the tag", "cats", 7, 9, 9 },
        { "nothing", "cats", 7, 9, 24 },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        key[0] = rows[i].key;
        nonce[0] = rows[i].nonce;
        err = (struct sk_err)SK_ERR_INIT;
        if (sk_unseal(key, nonce, sk_view_of(rows[i].extra),
                      view(sealed.data, sealed.len - rows[i].cut), &out, &err) == 0 ||
            err.code != SK_DENIED || out.len != 0)
            fail_msg("%s: %s", rows[i].name, err.text);
    }
}

/* Sizes around the cipher's block; the ceiling of the buffer. */
static void test_sizes(void **state)
{
    (void)state;
    static char plain[70000];
    static const size_t sizes[] = { 0, 1, 15, 16, 17, 31, 32, 33, 4095, 65536, sizeof plain };
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (char)(i * 7);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        SK_AUTO(sk_buf_done)
        struct sk_buf out = SK_BUF_INIT(sizes[i] + 16), back = SK_BUF_INIT(100000);
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(
            sk_seal(zero_key, zero_nonce, SK_VIEW(""), view(plain, sizes[i]), &out, &err), 0);
        assert_int_equal(out.len, sizes[i] + 16);
        assert_int_equal(
            sk_unseal(zero_key, zero_nonce, SK_VIEW(""), view(out.data, out.len), &back, &err), 0);
        assert_int_equal(back.len, sizes[i]);
        if (sizes[i] > 0)
            assert_memory_equal(back.data, plain, sizes[i]);
    }
    SK_AUTO(sk_buf_done) struct sk_buf small = SK_BUF_INIT(20);
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_seal(zero_key, zero_nonce, SK_VIEW(""), view(plain, 5), &small, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
}

static int both_ways(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf sealed = SK_BUF_INIT(100), out = SK_BUF_INIT(100);
    (void)ctx;
    if (sk_seal(zero_key, zero_nonce, SK_VIEW("m"), SK_VIEW("text"), &sealed, err) < 0)
        return -1;
    return sk_unseal(zero_key, zero_nonce, SK_VIEW("m"), view(sealed.data, sealed.len), &out, err);
}

static void test_no_memory(void **state)
{
    (void)state;
    assert_int_equal(sk_alloc_sweep("seal", both_ways, NULL, 0), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_changed),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
