/*
 * mark.c - the file that says what has passed, so much is certain.
 *
 *     slot at 0 and at 512:   0 "SKMARK1\n"   8 u64 how many times it was written
 *                             16 u64 all numbers below it have passed   24 u32 zero
 *                             28 u32 CRC-32C of bytes 0 to 27
 *
 * The slots are written in turn, without a sync: a crash leaves the one before, or an older one.
 * Each is in a sector of its own, so that none is torn by the writing of the other.
 */
#include "spool/spool_priv.h"

#include <endian.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const char magic[8] = "SKMARK1\n";

static uint64_t get64(const uint8_t *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof value);
    return le64toh(value);
}

static void put64(uint8_t *to, uint64_t value)
{
    value = htole64(value);
    memcpy(to, &value, sizeof value);
}

static bool slot_read(const uint8_t *slot, struct sk_mark *out)
{
    uint32_t crc;

    memcpy(&crc, slot + 28, sizeof crc);
    if (memcmp(slot, magic, sizeof magic) != 0 || le32toh(crc) != sk_crc32c(0, slot, 28))
        return false;
    *out = (struct sk_mark){ get64(slot + 8), get64(slot + 16) };
    return true;
}

bool sk_mark_parse(const uint8_t *bytes, size_t len, struct sk_mark *out)
{
    bool is_found = false;
    struct sk_mark m;

    for (size_t at = 0; at < 2 * SK_MARK_SLOT; at += SK_MARK_SLOT) {
        if (len < at + SK_MARK_BYTES || !slot_read(bytes + at, &m))
            continue;
        if (!is_found || m.count > out->count)
            *out = m;
        is_found = true;
    }
    return is_found;
}

static int open_mark(const char *dir, int flags)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof path, "%s/mark", dir) >= (int)sizeof path)
        return -1;
    return open(path, flags | O_CLOEXEC, 0600);
}

void sk_mark_load(const char *dir, struct sk_mark *out)
{
    SK_AUTO(sk_close) int fd = open_mark(dir, O_RDONLY);
    uint8_t bytes[SK_MARK_FILE] = { 0 };

    *out = (struct sk_mark){ 0 };
    if (fd < 0)
        return;
    ssize_t n = pread(fd, bytes, sizeof bytes, 0);
    if (n < 0 || !sk_mark_parse(bytes, (size_t)n, out))
        *out = (struct sk_mark){ 0 };
}

int sk_mark_save(const char *dir, const struct sk_mark *m, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = open_mark(dir, O_WRONLY | O_CREAT);
    uint8_t slot[SK_MARK_BYTES] = { 0 };

    if (fd < 0)
        return sk_fail_errno(err, "spool: mark in '%s'", dir);
    memcpy(slot, magic, sizeof magic);
    put64(slot + 8, m->count);
    put64(slot + 16, m->below);
    uint32_t crc = htole32(sk_crc32c(0, slot, 28));
    memcpy(slot + 28, &crc, sizeof crc);
    if (pwrite(fd, slot, sizeof slot, (off_t)(m->count % 2 * SK_MARK_SLOT)) != sizeof slot)
        return sk_fail_errno(err, "spool: mark in '%s'", dir);
    return 0;
}
