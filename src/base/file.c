/*
 * file.c - whole files, maps, folders.
 *
 * Writing: the bytes go into a file beside the target, are synced, and take the target's name by
 * rename, after which the folder is synced; so a reader, and a machine that lost power, sees the
 * old or the new contents and nothing between.
 */
#include "base/file.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Opens a regular file for reading. O_NONBLOCK: a FIFO must not hold us before we see that it is
 * one. */
static int open_regular(const char *path, int *out, struct stat *st, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, st) < 0)
        return sk_fail_errno(err, "'%s'", path);
    if (!S_ISREG(st->st_mode))
        return sk_fail(err, SK_INVALID, "'%s' is not a regular file", path);
    *out = fd;
    fd = -1;
    return 0;
}

/* Reads fd to its end; hint is the size that is expected. */
static int read_all(int fd, const char *what, size_t hint, size_t max, char **out, size_t *len,
                    struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SIZE_MAX);
    /* + 1: the read that finds the end needs no second round */
    size_t chunk = hint < max ? hint + 1 : 65536;

    for (;;) {
        void *into = sk_buf_reserve(&b, chunk);
        if (!into)
            return sk_buf_fail(&b, err);
        ssize_t n = read(fd, into, chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sk_fail_errno(err, "%s", what);
        sk_buf_commit(&b, (size_t)n);
        if (b.len > max)
            return sk_fail(err, SK_LIMIT, "%s is larger than %zu bytes", what, max);
        if (n == 0)
            break;
        chunk = 65536;
    }
    *len = b.len;
    *out = sk_buf_take(&b);
    return 0;
}

int sk_file_read(const char *path, size_t max, char **out, size_t *len, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = -1;
    struct stat st = { 0 };
    char what[SK_ERR_TEXT];

    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, "standard input", SIZE_MAX, max, out, len, err);
    if (open_regular(path, &fd, &st, err) < 0)
        return -1;
    if (st.st_size > 0 && (size_t)st.st_size > max)
        return sk_fail(err, SK_LIMIT, "'%s' is larger than %zu bytes", path, max);
    (void)snprintf(what, sizeof what, "'%s'", path);
    return read_all(fd, what, (size_t)st.st_size, max, out, len, err);
}

int sk_map_open(const char *path, struct sk_map *out, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = -1;
    struct stat st = { 0 };

    if (open_regular(path, &fd, &st, err) < 0)
        return -1;
    if (st.st_size == 0) {
        *out = (struct sk_map){ 0 };
        return 0;
    }
    void *ptr = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (ptr == MAP_FAILED)
        return sk_fail_errno(err, "'%s'", path);
    *out = (struct sk_map){ ptr, (size_t)st.st_size };
    return 0;
}

void sk_map_close(struct sk_map *map)
{
    if (map && map->ptr) /* the cast: const is for the readers only */
        (void)munmap((void *)(uintptr_t)map->ptr, map->len);
    if (map)
        *map = (struct sk_map){ 0 };
}

int sk_write_all(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

/* malloc'd folder part of path: "." when there is none, "/" stays. */
static char *dir_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static int sync_dir(const char *path)
{
    SK_OWN(free) char *dir = dir_of(path);
    SK_AUTO(sk_close) int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0)
        return -1;
    /* Some file systems cannot sync a folder. */
    return fsync(fd) < 0 && errno != EINVAL && errno != EROFS ? -1 : 0;
}

/* For mkostemp: six letters and digits. */
static const char temp_suffix[] = "XXXXXX";

bool sk_file_is_leftover(const char *name, const char *of)
{
    size_t len = strlen(of);

    if (strncmp(name, of, len) != 0 || name[len] != '.')
        return false;
    name += len + 1;
    for (len = 0; isalnum((unsigned char)name[len]);)
        len++;
    return len == sizeof(temp_suffix) - 1 && name[len] == '\0';
}

int sk_file_begin(struct sk_file_out *f, const char *path, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf temp = SK_BUF_INIT(PATH_MAX);

    sk_buf_fmt(&temp, "%s.%s", path, temp_suffix);
    if (!sk_buf_ok(&temp))
        return sk_buf_fail(&temp, err);
    f->fd = mkostemp(temp.data, O_CLOEXEC);
    if (f->fd < 0)
        return sk_fail_errno(err, "'%s'", path);
    f->temp = sk_buf_take(&temp);
    f->path = path;
    return 0;
}

int sk_file_put(struct sk_file_out *f, const void *bytes, size_t len, struct sk_err *err)
{
    if (sk_write_all(f->fd, bytes, len) < 0)
        return sk_fail_errno(err, "'%s'", f->path);
    return 0;
}

int sk_file_end(struct sk_file_out *f, unsigned mode, struct sk_err *err)
{
    if (fchmod(f->fd, (mode_t)mode) < 0 || fsync(f->fd) < 0 || close(sk_take_fd(&f->fd)) < 0 ||
        rename(f->temp, f->path) < 0)
        return sk_fail_errno(err, "'%s'", f->path);
    free(SK_TAKE(f->temp));
    if (sync_dir(f->path) < 0)
        return sk_fail_errno(err, "folder of '%s'", f->path);
    return 0;
}

void sk_file_out_done(struct sk_file_out *f)
{
    sk_close(&f->fd);
    if (f->temp)
        (void)unlink(f->temp);
    free(SK_TAKE(f->temp));
}

int sk_file_write(const char *path, const void *bytes, size_t len, unsigned mode,
                  struct sk_err *err)
{
    SK_AUTO(sk_file_out_done) struct sk_file_out f = SK_FILE_OUT_INIT;

    if (sk_file_begin(&f, path, err) < 0 || sk_file_put(&f, bytes, len, err) < 0)
        return -1;
    return sk_file_end(&f, mode, err);
}

static int make_one(const char *path, unsigned mode, struct sk_err *err)
{
    if (mkdir(path, (mode_t)mode) == 0)
        return 0;

    int why = errno; /* not that of the look below */
    if (sk_is_dir(path))
        return 0;
    errno = why;
    return sk_fail_errno(err, "folder '%s'", path);
}

int sk_mkdirs(const char *path, unsigned mode, struct sk_err *err)
{
    SK_OWN(free) char *copy = strdup(path);

    if (!copy)
        return sk_nomem(err);
    for (char *p = copy + 1; copy[0] != '\0' && *p; p++) {
        if (*p != '/' || p[-1] == '/')
            continue;
        *p = '\0';
        if (make_one(copy, mode, err) < 0)
            return -1;
        *p = '/';
    }
    return make_one(copy, mode, err);
}

static void close_dir(DIR **d)
{
    if (*d)
        (void)closedir(*d);
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

enum {
    TREE_DEPTH = 200
}; /* each level holds a descriptor */

/* Removes name in the folder at; a folder is emptied first. 0, or -1 with errno. */
static int remove_at(int at, const char *name, int depth)
{
    if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -1;
    if (depth >= TREE_DEPTH) {
        errno = ELOOP;
        return -1;
    }
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    SK_AUTO(close_dir) DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        sk_close(&fd);
        return -1;
    }
    for (const struct dirent *e = NULL; (e = readdir(d)) != NULL;)
        if (!is_dots(e->d_name) && remove_at(dirfd(d), e->d_name, depth + 1) < 0)
            return -1;
    return unlinkat(at, name, AT_REMOVEDIR);
}

int sk_remove_tree(const char *path, struct sk_err *err)
{
    if (remove_at(AT_FDCWD, path, 0) < 0)
        return sk_fail_errno(err, "removing '%s'", path);
    return 0;
}

int sk_temp_dir(const char *fallback, const char *name, char **out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(PATH_MAX);
    const char *place = getenv("TMPDIR");

    sk_buf_fmt(&path, "%s/%s-XXXXXX", place && *place ? place : fallback, name);
    if (!sk_buf_ok(&path))
        return sk_buf_fail(&path, err);
    if (!mkdtemp(path.data))
        return sk_fail_errno(err, "'%s'", path.data);
    *out = sk_buf_take(&path);
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int sk_dir_read(const char *path, struct sk_dir *out, struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    SK_AUTO(close_dir) DIR *d = opendir(path);
    size_t cap = 0;

    if (!d)
        return sk_fail_errno(err, "folder '%s'", path);
    for (const struct dirent *e = NULL; errno = 0, (e = readdir(d)) != NULL;) {
        if (is_dots(e->d_name))
            continue;
        if (dir.count == cap) {
            cap = cap ? cap * 2 : 16;
            char **names = reallocarray(dir.names, cap, sizeof *names);
            if (!names)
                return sk_nomem(err);
            dir.names = names;
        }
        dir.names[dir.count] = strdup(e->d_name);
        if (!dir.names[dir.count])
            return sk_nomem(err);
        dir.count++;
    }
    if (errno != 0)
        return sk_fail_errno(err, "folder '%s'", path);
    if (dir.count > 0)
        qsort(dir.names, dir.count, sizeof *dir.names, by_bytes);
    *out = dir;
    dir = (struct sk_dir){ 0 };
    return 0;
}

void sk_dir_done(struct sk_dir *dir)
{
    if (!dir)
        return;
    for (size_t i = 0; i < dir->count; i++)
        free(dir->names[i]);
    free(dir->names);
    *dir = (struct sk_dir){ 0 };
}

bool sk_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool sk_is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

char *sk_path_join(const char *a, const char *b)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SIZE_MAX - 1);
    size_t len = strlen(a);

    sk_buf_add(&out, a, len);
    if (len > 0 && a[len - 1] != '/')
        sk_buf_chr(&out, '/');
    sk_buf_str(&out, b);
    return sk_buf_take(&out);
}

/* The last component of path, malloc'd; empty for "" and "/". */
static char *last_part(const char *path)
{
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    return strndup(path + start, end - start);
}

char *sk_path_name(const char *path)
{
    char *name = last_part(path);
    if (!name || (name[0] != '\0' && !is_dots(name)))
        return name;
    SK_OWN(free) char *real = realpath(path, NULL);
    if (!real)
        return name;
    free(name);
    return strcmp(real, "/") == 0 ? strdup("/") : last_part(real);
}

/* Where the cache should be; NULL when memory is out or nothing says where. */
static char *cache_path(void)
{
    const char *own = getenv("SKERRY_CACHE_DIR");
    if (own && *own)
        return strdup(own);
    const char *xdg = getenv("XDG_CACHE_HOME");
    if (xdg && *xdg == '/')
        return sk_path_join(xdg, "skerry");
    if (geteuid() == 0)
        return strdup("/var/cache/skerry");
    const char *home = getenv("HOME");
    return home && *home == '/' ? sk_path_join(home, ".cache/skerry") : NULL;
}

int sk_cache_dir(char **out, struct sk_err *err)
{
    SK_OWN(free) char *path = cache_path();
    struct stat st;

    if (!path)
        return sk_fail(err, SK_NOT_FOUND, "no cache folder: set SKERRY_CACHE_DIR or HOME");
    if (sk_mkdirs(path, 0700, err) < 0)
        return sk_wrap(err, "cache (SKERRY_CACHE_DIR names another place)");
    if (stat(path, &st) < 0)
        return sk_fail_errno(err, "cache '%s'", path);
    /* What is cached is run later. */
    if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & S_IWOTH))
        return sk_fail(
            err, SK_DENIED,
            "cache '%s' can be written by others: take that right away, or set SKERRY_CACHE_DIR",
            path);
    *out = SK_TAKE(path);
    return 0;
}
