/*
 * io.c - the system calls of the journal, in a table that tests replace, and numbers as bytes.
 *
 * All numbers in files are little-endian.
 */
#include "journal/journal_priv.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    HARD_PIECE = 4096
};

static int real_open(int dir, const char *name, int flags, mode_t mode)
{
    return openat(dir, name, flags | O_CLOEXEC, mode);
}

struct sk_journal_ops sk_journal_ops = {
    .open = real_open,
    .pwrite = pwrite,
    .datasync = fdatasync,
    .sync = fsync,
    .allocate = posix_fallocate,
    .truncate = ftruncate,
};

int sk_journal_fail(struct sk_err *err, const char *what, uint64_t first)
{
    if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
        return sk_fail(err, SK_FULL, "journal: %s segment %" PRIu64 ": disk is full", what, first);
    return sk_fail_errno(err, "journal: %s segment %" PRIu64, what, first);
}

int sk_journal_pwrite(int fd, const void *bytes, size_t len, uint64_t at)
{
    const char *from = bytes;

    while (len > 0) {
        ssize_t n = sk_journal_ops.pwrite(fd, from, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        from += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

ssize_t sk_journal_pread(int fd, void *bytes, size_t len, uint64_t at)
{
    size_t have = 0;

    while (have < len) {
        ssize_t n = pread(fd, (char *)bytes + have, len - have, (off_t)(at + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

ssize_t sk_journal_pread_hard(int fd, uint8_t *bytes, size_t len, uint64_t at)
{
    ssize_t n = sk_journal_pread(fd, bytes, len, at);
    size_t have = 0;

    if (n >= 0 || errno != EIO)
        return n;
    while (have < len) {
        size_t piece = len - have < HARD_PIECE ? len - have : HARD_PIECE;
        n = sk_journal_pread(fd, bytes + have, piece, at + have);
        if (n < 0) {
            memset(bytes + have, 0, piece);
            n = (ssize_t)piece;
        }
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

void sk_journal_put32(uint8_t *to, uint32_t value)
{
    value = htole32(value);
    memcpy(to, &value, sizeof value);
}

void sk_journal_put64(uint8_t *to, uint64_t value)
{
    value = htole64(value);
    memcpy(to, &value, sizeof value);
}

uint32_t sk_journal_get32(const uint8_t *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof value);
    return le32toh(value);
}

uint64_t sk_journal_get64(const uint8_t *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof value);
    return le64toh(value);
}
