/*
 * logs.c - what native modules write: DATA/logs/MODULE.log.
 *
 * A module's standard output and error are this file, opened to append, so it writes on whether or
 * not an agent is there, and waits for no reader. The file is kept within its budget without the
 * writers' help: its beginning is punched out (FALLOC_FL_PUNCH_HOLE), which frees the blocks and
 * moves nothing, so that neither a writer at the end nor a reader in the middle is disturbed, and
 * no line is lost on the way. The file's length grows for ever, what it takes of the disk does not.
 * On a file system that cannot do that the file is cut to nothing.
 *
 *     |------ hole ------|--- data ---|
 *     0                  ^ SEEK_DATA  ^ end
 */
#include "runtime/runtime_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
    DEFAULT_BYTES = 4 << 20,
    BLOCK = 4096,
    BUFFER = 64 << 10,
    FOLLOW_US = 200000,
    BEHIND = 64 << 20 /* no more is read before the end: a module can make a hole of any size */
};

static int path_of(const struct sk_runtime_host *h, const char *name, const char *ending,
                   char out[SK_RT_PATH], struct sk_err *err)
{
    if (name && (name[0] == '.' || strchr(name, '/')))
        return sk_fail(err, SK_INVALID, "'%.100s' is no name of a module", name);
    return snprintf(out, SK_RT_PATH, "%s/logs%s%s%s", h->data_dir, name ? "/" : "",
                    name ? name : "", ending) < SK_RT_PATH
               ? 0
               : sk_fail(err, SK_LIMIT, "the path '%.100s...' is too long", h->data_dir);
}

int sk_rt_logs_open(const struct sk_runtime_host *h, const char *module, int *fd,
                    struct sk_err *err)
{
    char path[SK_RT_PATH];

    if (path_of(h, NULL, "", path, err) < 0 || sk_mkdirs(path, 0700, err) < 0 ||
        path_of(h, module, ".log", path, err) < 0)
        return -1;
    *fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    return *fd >= 0 ? 0 : sk_fail_errno(err, "'%s'", path);
}

/* ---- reading ---- */

struct reader {
    int fd;
    off_t at;   /* of what was read last */
    char *text; /* BUFFER bytes */
    size_t len;
};

/* The next line, or piece of a long one, as *len bytes at the front of text; 0: the end for now. */
static int next_line(struct reader *r, size_t *len, struct sk_err *err)
{
    for (;;) {
        const char *end = memchr(r->text, '\n', r->len);

        if (end || r->len == BUFFER) {
            *len = end ? (size_t)(end - r->text) + 1 : r->len;
            return 1;
        }
        ssize_t n = pread(r->fd, r->text + r->len, BUFFER - r->len, r->at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sk_fail_errno(err, "log");
        if (n == 0)
            return 0;
        r->at += n;
        r->len += (size_t)n;
    }
}

static void drop_line(struct reader *r, size_t len)
{
    memmove(r->text, r->text + len, r->len - len);
    r->len -= len;
}

/* Where the data begins; a file that was cut meanwhile is read from its start. */
static void rewind_reader(struct reader *r)
{
    off_t data = lseek(r->fd, 0, SEEK_DATA), end = lseek(r->fd, 0, SEEK_END);

    r->at = data > 0 ? data : 0;
    if (end - r->at > BEHIND)
        r->at = end - BEHIND;
    r->len = 0;
}

struct filter {
    int64_t since_ms, until_ms; /* 0: open */
    bool is_in;                 /* the line before was */
};

/* Lines of ours begin with a date, in text and in JSON; one without belongs to that before it. */
static bool passes(struct filter *f, const char *line, size_t len)
{
    static const char json[] = "{\"time\":\"";
    struct sk_view v = { line, len };
    int64_t ms = 0;

    if (f->since_ms == 0 && f->until_ms == 0)
        return true;
    if (len > sizeof json && memcmp(line, json, sizeof json - 1) == 0)
        v = (struct sk_view){ line + sizeof json - 1, len - (sizeof json - 1) };
    size_t n = 0;
    while (n < v.len && n < 40 && v.ptr[n] != ' ' && v.ptr[n] != '"' && v.ptr[n] != '\n')
        n++;
    v.len = n;
    if (n > 0 && sk_time_parse(v, &ms))
        f->is_in = (f->since_ms == 0 || ms >= f->since_ms) &&
                   (f->until_ms == 0 || ms <= f->until_ms);
    return f->is_in;
}

static int count_lines(struct reader *r, struct filter f, uint64_t *count, struct sk_err *err)
{
    size_t len = 0;
    int rc;

    *count = 0;
    while ((rc = next_line(r, &len, err)) > 0) {
        *count += passes(&f, r->text, len);
        drop_line(r, len);
    }
    if (rc == 0 && r->len > 0)
        *count += passes(&f, r->text, r->len);
    return rc;
}

/* All that is there now; a last line without its end is left in the reader. */
static int send_lines(struct reader *r, struct filter *f, uint64_t *skip, SK_RT_SINK, void *ctx,
                      struct sk_err *err)
{
    size_t len = 0;
    int rc;

    while ((rc = next_line(r, &len, err)) > 0) {
        bool is_wanted = passes(f, r->text, len);

        if (is_wanted && *skip > 0)
            --*skip;
        else if (is_wanted && sink(ctx, r->text, len, err) < 0)
            return -1;
        drop_line(r, len);
    }
    return rc;
}

static int follow_lines(struct reader *r, struct filter *f, bool (*goes_on)(void *ctx),
                        void *goes_on_ctx, SK_RT_SINK, void *ctx, struct sk_err *err)
{
    uint64_t none = 0;

    for (bool is_last = false; !is_last;) {
        struct stat st;

        is_last = !goes_on(goes_on_ctx); /* asked before reading: what it wrote last is read */
        if (fstat(r->fd, &st) == 0 && st.st_size < r->at)
            rewind_reader(r);
        if (send_lines(r, f, &none, sink, ctx, err) < 0)
            return -1;
        if (!is_last)
            (void)usleep(FOLLOW_US);
    }
    return 0;
}

int sk_rt_logs_read(const struct sk_runtime_host *h, const char *module, unsigned tail,
                    int64_t since_s, int64_t until_s, bool (*goes_on)(void *ctx), void *goes_on_ctx,
                    SK_RT_SINK, void *ctx, struct sk_err *err)
{
    struct filter f = { .since_ms = since_s * 1000,
                        .until_ms = until_s > 0 ? until_s * 1000 + 999 : 0,
                        .is_in = since_s == 0 };
    SK_OWN(free) char *buffer = malloc(BUFFER);
    char path[SK_RT_PATH];
    uint64_t skip = 0, count = 0;

    if (!buffer)
        return sk_nomem(err);
    if (path_of(h, module, ".log", path, err) < 0)
        return -1;
    SK_AUTO(sk_close) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return sk_fail_errno(err, "the log of module '%s'", module);
    struct reader r = { .fd = fd, .text = buffer };
    if (tail > 0) {
        rewind_reader(&r);
        if (count_lines(&r, f, &count, err) < 0)
            return -1;
        skip = count > tail ? count - tail : 0;
    }
    rewind_reader(&r);
    if (send_lines(&r, &f, &skip, sink, ctx, err) < 0)
        return -1;
    if (goes_on && follow_lines(&r, &f, goes_on, goes_on_ctx, sink, ctx, err) < 0)
        return -1;
    return r.len > 0 && passes(&f, r.text, r.len) ? sink(ctx, r.text, r.len, err) : 0;
}

/* ---- the budget ---- */

static int trim_file(const char *path, uint64_t budget, uint64_t *bytes, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return errno == ENOENT ? 0 : sk_fail_errno(err, "'%s'", path);
    uint64_t used = (uint64_t)st.st_blocks * 512;
    if (used > budget) {
        off_t end = st.st_size - (off_t)(budget / 2);
        end = end > 0 ? end / BLOCK * BLOCK : 0;
        if ((end > 0 && fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, end) < 0) &&
            ftruncate(fd, 0) < 0)
            return sk_fail_errno(err, "'%s' cannot be trimmed", path);
        if (fstat(fd, &st) == 0)
            used = (uint64_t)st.st_blocks * 512;
    }
    *bytes += used;
    return 0;
}

int sk_runtime_logs_trim(const struct sk_runtime_host *h, uint64_t *bytes, struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    const uint64_t budget = h->log_bytes ? h->log_bytes : DEFAULT_BYTES;
    char path[SK_RT_PATH];
    uint64_t sum = 0;

    if (path_of(h, NULL, "", path, err) < 0)
        return -1;
    if (sk_is_dir(path) && sk_dir_read(path, &dir, err) < 0)
        return -1;
    for (size_t i = 0; i < dir.count; i++)
        if (sk_ends_with(dir.names[i], ".log") &&
            (path_of(h, dir.names[i], "", path, err) < 0 || trim_file(path, budget, &sum, err) < 0))
            return -1;
    *bytes = sum;
    return 0;
}

int sk_runtime_logs_remove(const struct sk_runtime_host *h, const char *module, struct sk_err *err)
{
    char path[SK_RT_PATH];

    if (path_of(h, module, ".log", path, err) < 0)
        return -1;
    return unlink(path) == 0 || errno == ENOENT ? 0 : sk_fail_errno(err, "'%s'", path);
}
