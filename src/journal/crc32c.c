/*
 * crc32c.c - CRC-32C (Castagnoli, reflected polynomial 0x82f63b78; RFC 3720, appendix B.4).
 *
 * x86-64 has an instruction since SSE4.2, asked for at run time; ARMv8 has one that the compiler is
 * told of. Elsewhere eight tables take eight bytes a step ("slicing by 8").
 */
#include "journal/journal_priv.h"

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

static const uint32_t polynomial = 0x82f63b78u;
static uint32_t tables[8][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void make_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ polynomial : c >> 1;
        tables[0][i] = c;
    }
    for (int t = 1; t < 8; t++) {
        for (uint32_t i = 0; i < 256; i++)
            tables[t][i] = tables[t - 1][i] >> 8 ^ tables[0][tables[t - 1][i] & 0xff];
    }
}

uint32_t sk_crc32c_table(uint32_t crc, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;

    (void)pthread_once(&tables_once, make_tables);
    crc = ~crc;
    for (; len >= 8; p += 8, len -= 8) {
        uint32_t low = crc ^ sk_journal_get32(p), high = sk_journal_get32(p + 4);
        crc = tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^ tables[5][low >> 16 & 0xff] ^
              tables[4][low >> 24] ^ tables[3][high & 0xff] ^ tables[2][high >> 8 & 0xff] ^
              tables[1][high >> 16 & 0xff] ^ tables[0][high >> 24];
    }
    for (; len > 0; p++, len--)
        crc = crc >> 8 ^ tables[0][(crc ^ *p) & 0xff];
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t with_sse42(uint32_t crc, const uint8_t *p,
                                                             size_t len)
{
    uint64_t c = ~crc;

    for (; len >= 8; p += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        c = _mm_crc32_u64(c, word);
    }
    for (; len > 0; p++, len--)
        c = _mm_crc32_u8((uint32_t)c, *p);
    return ~(uint32_t)c;
}

bool sk_crc32c_fast(uint32_t crc, const void *bytes, size_t len, uint32_t *out)
{
    if (!__builtin_cpu_supports("sse4.2"))
        return false;
    *out = with_sse42(crc, bytes, len);
    return true;
}
#elif defined(__ARM_FEATURE_CRC32)
bool sk_crc32c_fast(uint32_t crc, const void *bytes, size_t len, uint32_t *out)
{
    const uint8_t *p = bytes;

    crc = ~crc;
    for (; len >= 8; p += 8, len -= 8)
        crc = __crc32cd(crc, sk_journal_get64(p));
    for (; len > 0; p++, len--)
        crc = __crc32cb(crc, *p);
    *out = ~crc;
    return true;
}
#else
bool sk_crc32c_fast(uint32_t crc, const void *bytes, size_t len, uint32_t *out)
{
    (void)crc, (void)bytes, (void)len, (void)out;
    return false;
}
#endif

uint32_t sk_crc32c(uint32_t crc, const void *bytes, size_t len)
{
    uint32_t fast;

    return sk_crc32c_fast(crc, bytes, len, &fast) ? fast : sk_crc32c_table(crc, bytes, len);
}
