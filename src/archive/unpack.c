/*
 * unpack.c - an archive's files into a folder, and nowhere else.
 *
 * Names were checked by the reader; here each part of a name is opened relative to the one before,
 * without following links, so also what lies in the folder already cannot lead out of it. Files
 * are made, never opened: an archive that has a name twice is refused.
 */
#include "archive/archive_priv.h"

#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    PIECE_BYTES = 128 << 10
};

struct unpack {
    struct sk_tar_reader *reader;
    int dir;
    bool sync;
    char *piece;
};

static int sync_one(const struct unpack *u, int fd, const char *name, struct sk_err *err)
{
    if (u->sync && fsync(fd) < 0)
        return sk_fail_errno(err, "'%s'", name);
    return 0;
}

/* Opens the folder `part` in `at`, made when it is missing. */
static int enter(const struct unpack *u, int at, const char *part, const char *name, int *out,
                 struct sk_err *err)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(at, part, flags);

    if (fd < 0 && errno == ENOENT) {
        if (mkdirat(at, part, 0755) < 0)
            return sk_fail_errno(err, "'%s'", name);
        if (sync_one(u, at, name, err) < 0)
            return -1;
        fd = openat(at, part, flags);
    }
    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
        return sk_fail(err, SK_INVALID, "'%s': '%s' is no folder", name, part);
    if (fd < 0)
        return sk_fail_errno(err, "'%s'", name);
    *out = fd;
    return 0;
}

/* The folder that `name` lies in; *base is its last part. */
static int enter_parent(const struct unpack *u, const char *name, int *out, const char **base,
                        struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = openat(u->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return sk_fail_errno(err, "'%s'", name);
    for (const char *slash; (slash = strchr(name, '/')) != NULL; name = slash + 1) {
        SK_OWN(free) char *part = strndup(name, (size_t)(slash - name));
        int next = -1;
        if (!part)
            return sk_nomem(err);
        if (enter(u, fd, part, name, &next, err) < 0)
            return -1;
        (void)close(fd);
        fd = next;
    }
    *base = name;
    *out = sk_take_fd(&fd);
    return 0;
}

static int fill(const struct unpack *u, int fd, const char *name, struct sk_err *err)
{
    int64_t n;

    while ((n = sk_tar_read(u->reader, u->piece, PIECE_BYTES, err)) > 0)
        if (sk_write_all(fd, u->piece, (size_t)n) < 0)
            return sk_fail_errno(err, "'%s'", name);
    return n < 0 ? sk_wrap(err, "'%s'", name) : 0;
}

static int put_file(const struct unpack *u, const char *name, unsigned mode, struct sk_err *err)
{
    SK_AUTO(sk_close) int parent = -1;
    SK_AUTO(sk_close) int fd = -1;
    const char *base = NULL;

    if (enter_parent(u, name, &parent, &base, err) < 0)
        return -1;
    fd = openat(parent, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return sk_fail(err, SK_EXISTS, "'%s' is there already", name);
    if (fd < 0)
        return sk_fail_errno(err, "'%s'", name);
    if (fill(u, fd, name, err) < 0)
        return -1;
    if (fchmod(fd, mode & 0111 ? 0755 : 0644) < 0)
        return sk_fail_errno(err, "'%s'", name);
    if (sync_one(u, fd, name, err) < 0)
        return -1;
    if (close(sk_take_fd(&fd)) < 0)
        return sk_fail_errno(err, "'%s'", name);
    return sync_one(u, parent, name, err);
}

static int put_dir(const struct unpack *u, const char *name, struct sk_err *err)
{
    SK_AUTO(sk_close) int parent = -1;
    SK_AUTO(sk_close) int fd = -1;
    const char *base = NULL;

    if (enter_parent(u, name, &parent, &base, err) < 0)
        return -1;
    return enter(u, parent, base, name, &fd, err);
}

static int put(const struct unpack *u, const struct sk_tar_entry *e, const char *name,
               struct sk_err *err)
{
    switch (e->kind) {
    case SK_TAR_FILE:
        if (name[0] == '\0')
            return sk_fail(err, SK_INVALID, "'%s' is a file, not a folder", e->name);
        return put_file(u, name, e->mode, err);
    case SK_TAR_DIR:
        return name[0] == '\0' ? 0 : put_dir(u, name, err);
    default:
        return sk_fail(err, SK_INVALID,
                       "'%s' is a link or no file; only files and folders are wanted", e->name);
    }
}

/* The part of a name below prefix, NULL when it lies elsewhere. */
static const char *below(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);

    if (n == 0)
        return name;
    if (strncmp(name, prefix, n) != 0 || (name[n] != '/' && name[n] != '\0'))
        return NULL;
    return name + n + (name[n] == '/');
}

int sk_tar_unpack(int fd, const struct sk_tar_limits *limits, const char *prefix, const char *dir,
                  bool sync, struct sk_err *err)
{
    SK_OWN(sk_tar_reader_free) struct sk_tar_reader *reader = NULL;
    SK_OWN(free) char *piece = malloc(PIECE_BYTES);
    SK_OWN(free) char *clean = NULL;
    SK_AUTO(sk_close) int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct sk_tar_entry e;
    bool found = false;
    int rc;

    if (!piece)
        return sk_nomem(err);
    if (at < 0)
        return sk_fail_errno(err, "folder '%s'", dir);
    if (sk_tar_clean(prefix, &clean, err) < 0 || sk_tar_reader_new(fd, limits, &reader, err) < 0)
        return -1;
    const struct unpack u = { reader, at, sync, piece };
    while ((rc = sk_tar_next(reader, &e, err)) > 0) {
        const char *name = below(e.name, clean);
        if (!name)
            continue;
        if (put(&u, &e, name, err) < 0)
            return -1;
        found = true;
    }
    if (rc == 0 && !found && clean[0] != '\0')
        return sk_fail(err, SK_NOT_FOUND, "the archive has nothing below '%s'", clean);
    return rc;
}
