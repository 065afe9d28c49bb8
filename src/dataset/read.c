/*
 * read.c - the bytes of a picture's file, and whether it is still the same file.
 *
 * Files are read, not mapped: a map of a file that somebody cuts short ends the process. Anything
 * but a regular file is refused before it is read, so a pipe or a device with a picture's name
 * holds nobody up.
 */
#include "dataset/dataset_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_BYTES_MAX = 1 << 30 /* of one picture */
};

static struct sk_stamp stamp_of(const struct stat *st)
{
    return (struct sk_stamp){ st->st_dev, st->st_ino, (uint64_t)st->st_size, st->st_mtim.tv_sec,
                              st->st_mtim.tv_nsec };
}

static bool is_same(const struct sk_stamp *a, const struct sk_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed_s == b->changed_s && a->changed_ns == b->changed_ns;
}

/* Up to len bytes; fewer at the end of the file. -1 with errno. */
static ssize_t read_full(int fd, char *into, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = read(fd, into + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int sk_picture_read(const char *path, const struct sk_stamp *want, struct sk_buf *into,
                    struct sk_stamp *got, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return sk_fail_errno(err, "cannot be read");
    if (!S_ISREG(st.st_mode))
        return sk_fail(err, SK_INVALID, "is not a regular file");
    const struct sk_stamp found = stamp_of(&st);
    if (want && !is_same(want, &found))
        return sk_fail(err, SK_CORRUPT, "has changed since it was checked");
    if (found.size > FILE_BYTES_MAX)
        return sk_fail(err, SK_LIMIT, "is larger than %d bytes", FILE_BYTES_MAX);
    sk_buf_clear(into);
    /* One byte more, to see that the file ends where it should. */
    char *room = sk_buf_reserve(into, (size_t)found.size + 1);
    if (!room)
        return sk_buf_fail(into, err);
    ssize_t n = read_full(fd, room, (size_t)found.size + 1);
    if (n < 0)
        return sk_fail_errno(err, "cannot be read");
    if ((uint64_t)n != found.size)
        return sk_fail(err, SK_CORRUPT, "changed while it was read");
    sk_buf_commit(into, (size_t)n);
    if (got)
        *got = found;
    return 0;
}
