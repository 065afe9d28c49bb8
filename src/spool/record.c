/*
 * record.c - a message as the body of a journal's record.
 *
 *     0 u8 version (1)   1 u8 flags: 1 it expires, 2 the clock was synchronised when it was put
 *     2 u16 length of the key   4 u32 length of the bag
 *     8 i64 expires, ms since 1970   16 u64: 24 bits which start of the machine, 40 bits ms since
 * it key, bag, body
 *
 * Bytes 8 to 23 are there only when it expires. Numbers are little-endian. The journal's record has
 * the time, and a CRC over all.
 */
#include "spool/spool_priv.h"

#include <endian.h>
#include <string.h>

enum {
    VERSION = 1,
    EXPIRES = 1,
    SYNCED = 2,
    BOOT_BITS = 24
};

static const uint64_t most_ms = (UINT64_C(1) << (64 - BOOT_BITS)) - 1;

size_t sk_spool_head_write(uint8_t *to, const struct sk_spool_record *r)
{
    uint16_t key_len = htole16((uint16_t)r->key.len);
    uint32_t bag_len = htole32((uint32_t)r->bag.len);
    uint64_t expires = htole64((uint64_t)r->expires_ms);
    uint64_t boot_ms = r->boot_ms < most_ms ? r->boot_ms : most_ms;
    uint64_t since = htole64((uint64_t)r->boot << (64 - BOOT_BITS) | boot_ms);

    to[0] = VERSION;
    to[1] = (uint8_t)((r->has_expiry ? EXPIRES : 0) | (r->was_synced ? SYNCED : 0));
    memcpy(to + 2, &key_len, sizeof key_len);
    memcpy(to + 4, &bag_len, sizeof bag_len);
    if (!r->has_expiry)
        return SK_SPOOL_HEAD_SHORT;
    memcpy(to + 8, &expires, sizeof expires);
    memcpy(to + 16, &since, sizeof since);
    return SK_SPOOL_HEAD;
}

static uint64_t get64(const char *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof value);
    return le64toh(value);
}

bool sk_spool_record_read(struct sk_view bytes, struct sk_spool_record *out)
{
    const char *p = bytes.ptr;
    uint16_t key_len;
    uint32_t bag_len;

    if (bytes.len < SK_SPOOL_HEAD_SHORT || p[0] != VERSION || (p[1] & ~(EXPIRES | SYNCED)) != 0)
        return false;
    bool has_expiry = p[1] & EXPIRES;
    size_t head = has_expiry ? SK_SPOOL_HEAD : SK_SPOOL_HEAD_SHORT;
    memcpy(&key_len, p + 2, sizeof key_len);
    memcpy(&bag_len, p + 4, sizeof bag_len);
    key_len = le16toh(key_len);
    bag_len = le32toh(bag_len);
    if (bytes.len < head || bytes.len - head < key_len || bytes.len - head - key_len < bag_len)
        return false;
    *out = (struct sk_spool_record){
        .key = { p + head, key_len },
        .bag = { p + head + key_len, bag_len },
        .body = { p + head + key_len + bag_len, bytes.len - head - key_len - bag_len },
        .has_expiry = has_expiry,
        .was_synced = p[1] & SYNCED,
    };
    if (has_expiry) {
        uint64_t since = get64(p + 16);
        out->expires_ms = (int64_t)get64(p + 8);
        out->boot = (uint32_t)(since >> (64 - BOOT_BITS));
        out->boot_ms = since & most_ms;
    }
    return true;
}
