/*
 * reserve.c - room that only what makes room may use.
 *
 * A deletion must be written down before anything is freed, so a disk that is full to the last page
 * could not be emptied. A file of SK_STORE_RESERVE_BYTES holds what deletions and gc need: it is
 * cut to nothing before a transaction of SK_DB_SHRINK that finds less than that free, and made
 * again when there is room for it twice.
 *
 * Invariant: what stores (uploads, SK_DB_WRITE) is refused while the file is cut and less than its
 * size is free; else those would take the room that was made for deletions. What is already being
 * written may take a little of it.
 */
#include "store/store_priv.h"

#include <fcntl.h>
#include <sys/statvfs.h>

static bool is_held(const struct sk_store *s)
{
    struct stat st;

    return fstat(s->reserve_fd, &st) == 0 && (uint64_t)st.st_blocks * 512 >= s->reserve_bytes;
}

static uint64_t free_bytes(const struct sk_store *s)
{
    struct statvfs st;

    return fstatvfs(s->dir_fd, &st) == 0 ? (uint64_t)st.f_bavail * st.f_frsize : UINT64_MAX;
}

void sk_reserve_fill(struct sk_store *s)
{
    if (is_held(s) || free_bytes(s) / 2 < s->reserve_bytes)
        return;
    /* Where it cannot be had, what is free is counted instead. */
    if (posix_fallocate(s->reserve_fd, 0, (off_t)s->reserve_bytes) != 0)
        (void)!ftruncate(s->reserve_fd, 0);
}

int sk_reserve_open(struct sk_store *s, struct sk_err *err)
{
    struct statvfs st;

    s->reserve_fd = openat(s->dir_fd, SK_STORE_RESERVE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->reserve_fd < 0 || fstatvfs(s->dir_fd, &st) < 0)
        return sk_store_fail(err, "'%s/%s'", s->dir, SK_STORE_RESERVE);
    uint64_t part = (uint64_t)st.f_blocks * st.f_frsize / SK_STORE_RESERVE_PART;
    s->reserve_bytes = part < SK_STORE_RESERVE_BYTES ? part : SK_STORE_RESERVE_BYTES;
    sk_reserve_fill(s);
    return 0;
}

int sk_reserve_room(void *ctx, enum sk_db_mode mode, struct sk_err *err)
{
    struct sk_store *s = ctx;
    bool held = is_held(s);

    if (held && mode != SK_DB_SHRINK)
        return 0;
    uint64_t free_now = free_bytes(s);
    if (mode == SK_DB_SHRINK) {
        if (held && free_now < s->reserve_bytes)
            (void)!ftruncate(s->reserve_fd, 0);
        return 0;
    }
    if (free_now < s->reserve_bytes)
        return sk_fail(err, SK_FULL, "'%s': disk is full", s->dir);
    sk_reserve_fill(s);
    return 0;
}
