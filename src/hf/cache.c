/*
 * cache.c - the folder that Python's huggingface_hub uses too.
 *
 *     CACHE/models--OWNER--NAME/refs/REVISION             the commit, 40 hex digits
 *                               snapshots/COMMIT/FILE  -> ../../blobs/ETAG
 *                               blobs/ETAG                the bytes
 *                               blobs/ETAG.incomplete     those that have come so far
 *                               .no_exist/COMMIT/FILE     empty: the commit has no such file
 *     CACHE/.locks/models--OWNER--NAME/ETAG.lock          held (flock) while a blob is made
 *
 * Everything appears by rename, the blob before the link to it and the ref last; so whoever reads,
 * and whoever comes after a crash, finds whole things only.
 */
#include "hf/hf_priv.h"

#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

enum {
    REF_BYTES = 256,
    NAP_MS = 100, /* between two looks at a lock */
};

/* ---- paths ---- */

char *sk_hf_join(const char *first, ...)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SIZE_MAX - 1);
    va_list parts;

    sk_buf_str(&text, first);
    va_start(parts, first);
    for (const char *part = NULL; (part = va_arg(parts, const char *)) != NULL;) {
        sk_buf_chr(&text, '/');
        sk_buf_str(&text, part);
    }
    va_end(parts);
    return sk_buf_take(&text);
}

char *sk_hf_repo_dir(const char *cache, const char *repo)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SIZE_MAX - 1);

    sk_buf_str(&text, cache);
    sk_buf_str(&text, "/models--");
    for (; *repo; repo++) {
        if (*repo == '/')
            sk_buf_str(&text, "--");
        else
            sk_buf_chr(&text, *repo);
    }
    return sk_buf_take(&text);
}

static int make_parent(const char *path, struct sk_err *err)
{
    SK_OWN(free) char *parent = strndup(path, (size_t)(strrchr(path, '/') - path));

    if (!parent)
        return sk_nomem(err);
    return sk_mkdirs(parent, 0777, err);
}

/* ---- reading ---- */

static int read_ref(const char *path, char *commit, struct sk_err *err)
{
    SK_OWN(free) char *text = NULL;
    struct sk_err why = SK_ERR_INIT;
    size_t len = 0;

    commit[0] = '\0';
    if (sk_file_read(path, REF_BYTES, &text, &len, &why) < 0)
        return why.code == SK_NOMEM ? sk_nomem(err) : 0;
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        text[--len] = '\0';
    if (sk_hf_is_commit(text))
        memcpy(commit, text, SK_HF_COMMIT_HEX);
    return 0;
}

int sk_hf_cached_commit(const char *repo_dir, const struct sk_hf_spec *spec, char *commit,
                        struct sk_err *err)
{
    SK_OWN(free) char *path = NULL;

    if (spec->is_commit) {
        memcpy(commit, spec->revision, SK_HF_COMMIT_HEX);
        return 0;
    }
    path = sk_hf_join(repo_dir, "refs", spec->revision, NULL);
    return path ? read_ref(path, commit, err) : sk_nomem(err);
}

int sk_hf_cached_file(const char *repo_dir, const char *commit, const char *file,
                      const uint64_t *size, char **path, struct sk_err *err)
{
    SK_OWN(free) char *place = sk_hf_join(repo_dir, "snapshots", commit, file, NULL);
    struct stat st;

    if (!place)
        return sk_nomem(err);
    bool is_there = stat(place, &st) == 0 && S_ISREG(st.st_mode) &&
                    (!size || (uint64_t)st.st_size == *size);
    *path = is_there ? SK_TAKE(place) : NULL;
    return 0;
}

bool sk_hf_is_absent(const char *repo_dir, const char *commit, const char *file)
{
    SK_OWN(free) char *path = sk_hf_join(repo_dir, ".no_exist", commit, file, NULL);
    return path && sk_is_file(path);
}

/* ---- writing ---- */

void sk_hf_note_absent(const char *repo_dir, const char *commit, const char *file)
{
    SK_OWN(free) char *path = sk_hf_join(repo_dir, ".no_exist", commit, file, NULL);
    struct sk_err why = SK_ERR_INIT;

    if (!path || make_parent(path, &why) < 0)
        return;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    sk_close(&fd);
}

int sk_hf_write_ref(const char *repo_dir, const char *revision, const char *commit,
                    struct sk_err *err)
{
    SK_OWN(free) char *path = sk_hf_join(repo_dir, "refs", revision, NULL);
    char known[SK_HF_COMMIT_HEX];

    if (!path)
        return sk_nomem(err);
    if (strcmp(revision, commit) == 0)
        return 0;
    if (read_ref(path, known, err) < 0)
        return -1;
    if (strcmp(known, commit) == 0)
        return 0;
    if (make_parent(path, err) < 0)
        return -1;
    return sk_file_write(path, commit, strlen(commit), 0644, err);
}

/* "../../blobs/ETAG", with one more step up for each folder in the file's name. */
static char *link_target(const char *file, const char *etag)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SIZE_MAX - 1);

    sk_buf_str(&text, "../../");
    for (; *file; file++)
        if (*file == '/')
            sk_buf_str(&text, "../");
    sk_buf_str(&text, "blobs/");
    sk_buf_str(&text, etag);
    return sk_buf_take(&text);
}

/* A file system without symbolic links gets the file itself, as in Python. */
static bool has_no_links(int number)
{
    return number == EPERM || number == EOPNOTSUPP || number == ENOSYS;
}

int sk_hf_link(const char *repo_dir, const char *commit, const char *file, const char *etag,
               struct sk_err *err)
{
    SK_OWN(free) char *blob = sk_hf_join(repo_dir, "blobs", etag, NULL);
    SK_OWN(free) char *path = sk_hf_join(repo_dir, "snapshots", commit, file, NULL);
    SK_OWN(free) char *target = link_target(file, etag);
    SK_AUTO(sk_buf_done) struct sk_buf temp = SK_BUF_INIT(SIZE_MAX - 1);

    if (!blob || !path || !target)
        return sk_nomem(err);
    sk_buf_fmt(&temp, "%s.%ld.tmp", path, (long)getpid());
    if (!sk_buf_ok(&temp))
        return sk_buf_fail(&temp, err);
    if (make_parent(path, err) < 0)
        return -1;
    (void)unlink(temp.data);
    if (symlink(target, temp.data) < 0) {
        if (!has_no_links(errno) || rename(blob, path) < 0)
            return sk_fail_errno(err, "'%s'", path);
        return 0;
    }
    if (rename(temp.data, path) < 0) {
        (void)sk_fail_errno(err, "'%s'", path);
        (void)unlink(temp.data);
        return -1;
    }
    return 0;
}

/* ---- the lock ---- */

static int nap(const struct sk_hf_options *opts, const char *file, struct sk_err *err)
{
    if (opts && opts->progress && !opts->progress(opts->ctx, file, 0, 0))
        return sk_fail(err, SK_CANCELLED, "stopped");
    (void)nanosleep(&(struct timespec){ .tv_nsec = NAP_MS * 1000000L }, NULL);
    return 0;
}

int sk_hf_lock(const char *cache, const char *repo_dir, const char *etag,
               const struct sk_hf_options *opts, const char *file, int *fd, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(SIZE_MAX - 1);
    struct stat st;

    sk_buf_fmt(&path, "%s/.locks/%s/%s.lock", cache, strrchr(repo_dir, '/') + 1, etag);
    if (!sk_buf_ok(&path))
        return sk_buf_fail(&path, err);
    if (make_parent(path.data, err) < 0)
        return -1;
    for (;;) {
        SK_AUTO(sk_close) int lock = open(path.data, O_RDWR | O_CREAT | O_CLOEXEC, 0664);
        if (lock < 0)
            return sk_fail_errno(err, "'%s'", path.data);
        bool is_held = flock(lock, LOCK_EX | LOCK_NB) == 0;
        if (!is_held && errno != EWOULDBLOCK && errno != EINTR) {
            *fd = -1;
            return 0;
        }
        /* Python removes the file when it lets go; what has no name any more locks nobody out. */
        if (is_held && fstat(lock, &st) == 0 && st.st_nlink > 0) {
            *fd = sk_take_fd(&lock);
            return 0;
        }
        if (!is_held && nap(opts, file, err) < 0)
            return -1;
    }
}
