/*
 * format.c - records and segment headers as bytes.
 *
 *     segment   0 "SKJOURN\n"  8 u32 version  12 u32 mark  16 u64 number of the first record
 *              24 u32 mark of what was there before, or zero  28 zeros  60 u32 CRC-32C of bytes 0
 * to 59  64 records record    0 u32 mark  4 u32 CRC-32C of byte 8 to the end of the body 8 u32
 * length of the body  12 u16 length of the key  14 u16 zero 16 u64 number  24 i64 time in ms  32
 * key, body, zeros to a multiple of 8
 *
 * The mark is random and the same in all records of a segment: a search for the next record after a
 * damaged one must not take for a record what a device sent as a body. Zeros end the records.
 * Nothing depends on the header alone: the number is in the name, the mark in each record.
 */
#include "journal/journal_priv.h"

#include "base/clock.h"
#include "base/mix64.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum {
    VERSION = 1,
    NAME_DIGITS = 20
};

static const char magic[8] = "SKJOURN\n";

size_t sk_record_size(size_t key_len, size_t body_len)
{
    return (SK_RECORD_HEADER + key_len + body_len + 7) & ~(size_t)7;
}

void sk_record_fill(uint8_t *to, struct sk_view key, int64_t time_ms, struct sk_view body)
{
    size_t used = SK_RECORD_HEADER + key.len + body.len;

    sk_journal_put32(to + 8, (uint32_t)body.len);
    sk_journal_put32(to + 12, (uint32_t)key.len);
    sk_journal_put64(to + 24, (uint64_t)time_ms);
    if (key.len)
        memcpy(to + SK_RECORD_HEADER, key.ptr, key.len);
    if (body.len)
        memcpy(to + SK_RECORD_HEADER + key.len, body.ptr, body.len);
    memset(to + used, 0, sk_record_size(key.len, body.len) - used);
}

static size_t checked_bytes(const uint8_t *record)
{
    return SK_RECORD_HEADER - 8 + (size_t)sk_journal_get32(record + 8) +
           (size_t)sk_journal_get32(record + 12);
}

void sk_record_seal(uint8_t *record, uint32_t mark, uint64_t seq)
{
    sk_journal_put32(record, mark);
    sk_journal_put64(record + 16, seq);
    sk_journal_put32(record + 4, sk_crc32c(0, record + 8, checked_bytes(record)));
}

size_t sk_record_shape(const uint8_t *bytes, size_t len)
{
    if (len < SK_RECORD_HEADER)
        return 0;
    /* The zero behind the key's length is part of this number. */
    uint32_t body_len = sk_journal_get32(bytes + 8), key_len = sk_journal_get32(bytes + 12);
    if (body_len > SK_JOURNAL_RECORD_MAX || key_len > SK_JOURNAL_KEY_MAX)
        return 0;
    size_t size = sk_record_size(key_len, body_len);
    return size <= len ? size : 0;
}

bool sk_record_read(const uint8_t *bytes, struct sk_journal_item *out)
{
    if (sk_crc32c(0, bytes + 8, checked_bytes(bytes)) != sk_journal_get32(bytes + 4))
        return false;
    const char *key = (const char *)bytes + SK_RECORD_HEADER;
    size_t key_len = sk_journal_get32(bytes + 12);
    *out = (struct sk_journal_item){
        .seq = sk_journal_get64(bytes + 16),
        .time_ms = (int64_t)sk_journal_get64(bytes + 24),
        .key = { key, key_len },
        .body = { key + key_len, sk_journal_get32(bytes + 8) },
    };
    return true;
}

uint32_t sk_record_mark(const uint8_t *bytes)
{
    return sk_journal_get32(bytes);
}

uint64_t sk_record_seq(const uint8_t *bytes)
{
    return sk_journal_get64(bytes + 16);
}

uint32_t sk_segment_new_mark(void)
{
    uint32_t mark;

    if (getrandom(&mark, sizeof mark, GRND_NONBLOCK) != sizeof mark)
        mark = (uint32_t)sk_mix64(sk_now_ns());
    return mark | 0x80000000u; /* no length is as large */
}

void sk_segment_head(uint8_t *to, uint64_t first, uint32_t mark, uint32_t former)
{
    memset(to, 0, SK_SEGMENT_HEADER);
    memcpy(to, magic, sizeof magic);
    sk_journal_put32(to + 8, VERSION);
    sk_journal_put32(to + 12, mark);
    sk_journal_put64(to + 16, first);
    sk_journal_put32(to + 24, former);
    sk_journal_put32(to + 60, sk_crc32c(0, to, 60));
}

int sk_segment_head_read(const uint8_t *bytes, size_t len, uint64_t first, uint32_t *mark,
                         struct sk_err *err)
{
    *mark = 0;
    if (len < SK_SEGMENT_HEADER || memcmp(bytes, magic, sizeof magic) != 0 ||
        sk_journal_get32(bytes + 60) != sk_crc32c(0, bytes, 60))
        return 0;
    if (sk_journal_get32(bytes + 8) > VERSION)
        return sk_fail(err, SK_UNSUPPORTED,
                       "journal: segment %" PRIu64 " has version %" PRIu32
                       ", this program knows %d",
                       first, sk_journal_get32(bytes + 8), VERSION);
    if (sk_journal_get64(bytes + 16) == first)
        *mark = sk_journal_get32(bytes + 12);
    return 0;
}

uint32_t sk_segment_former(const uint8_t *bytes)
{
    return sk_journal_get32(bytes + 24);
}

void sk_segment_name(uint64_t first, const char *end, char *out)
{
    (void)snprintf(out, SK_SEGMENT_NAME, "%0*" PRIu64 "%s", NAME_DIGITS, first, end);
}

uint64_t sk_segment_name_read(const char *name, const char *end)
{
    uint64_t first = 0;

    for (int i = 0; i < NAME_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9' || first > (UINT64_MAX - 9) / 10)
            return 0;
        first = first * 10 + (uint64_t)(name[i] - '0');
    }
    return strcmp(name + NAME_DIGITS, end) == 0 ? first : 0;
}
