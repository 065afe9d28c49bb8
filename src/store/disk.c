/*
 * disk.c - what the files of store share about the disk: errors, folders, hashes, the lock of care.
 */
#include "store/store_priv.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/file.h>

int sk_store_fail(struct sk_err *err, const char *fmt, ...)
{
    const int number = errno;
    char scratch[SK_ERR_TEXT];
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(scratch, sizeof scratch, fmt, args);
    va_end(args);
    if (n < 0)
        scratch[0] = '\0';
    if (number == ENOSPC || number == EDQUOT || number == EFBIG)
        return sk_fail(err, SK_FULL, "%s: disk is full", scratch);
    errno = number;
    return sk_fail_errno(err, "%s", scratch);
}

int sk_store_sync_dir(int dir_fd, const char *name, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    /* Some file systems cannot sync a folder. */
    if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL))
        return sk_store_fail(err, "folder '%s'", name);
    return 0;
}

int sk_store_open_dir(int dir_fd, const char *name, bool make, int *out, struct sk_err *err)
{
    if (make && mkdirat(dir_fd, name, 0700) < 0 && errno != EEXIST)
        return sk_store_fail(err, "folder '%s'", name);
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return sk_store_fail(err, "folder '%s'", name);
    *out = fd;
    return 0;
}

int sk_store_hash_fd(int fd, enum sk_hash_kind kind, char digest[SK_DIGEST_TEXT], uint64_t *size,
                     bool (*go_on)(void *ctx, uint64_t bytes), void *ctx, struct sk_err *err)
{
    SK_OWN(sk_hash_free) struct sk_hash *hash = NULL;
    SK_OWN(free) char *piece = malloc(SK_STORE_PIECE);
    uint64_t at = 0;

    if (!piece)
        return sk_nomem(err);
    if (sk_hash_new(kind, &hash, err) < 0)
        return -1;
    for (;;) {
        ssize_t n = pread(fd, piece, SK_STORE_PIECE, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sk_store_fail(err, "reading");
        if (n == 0)
            break;
        if (sk_hash_add(hash, piece, (size_t)n, err) < 0)
            return -1;
        at += (uint64_t)n;
        if (go_on && !go_on(ctx, (uint64_t)n))
            return sk_fail(err, SK_CANCELLED, "stopped");
    }
    if (sk_hash_digest(hash, digest, err) < 0)
        return -1;
    *size = at;
    return 0;
}

int sk_store_random(char out[SK_UPLOAD_ID_TEXT], struct sk_err *err)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[(SK_UPLOAD_ID_TEXT - 1) / 2];

    if (sk_random(bytes, sizeof bytes, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof bytes; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[SK_UPLOAD_ID_TEXT - 1] = '\0';
    return 0;
}

int sk_store_care_lock(struct sk_store *s, bool exclusive, uint64_t wait_ms, int *out,
                       struct sk_err *err)
{
    const struct timespec pause = { .tv_nsec = 50000000 };
    uint64_t until_ms = sk_now_ms() + wait_ms;
    SK_AUTO(sk_close) int fd = openat(s->dir_fd, "care.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return sk_store_fail(err, "'%s/care.lock'", s->dir);
    while (flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return sk_store_fail(err, "'%s/care.lock'", s->dir);
        if (sk_now_ms() >= until_ms)
            return sk_fail(err, SK_BUSY, "'%s': %s is running; try again later", s->dir,
                           exclusive ? "a backup or gc" : "gc");
        (void)nanosleep(&pause, NULL);
    }
    *out = sk_take_fd(&fd);
    return 0;
}
