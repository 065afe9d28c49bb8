/*
 * binds.c - HostConfig.Binds of native modules: "SOURCE:TARGET[:OPTIONS]".
 *
 * As root a module gets a mount namespace of its own in which each source lies at its target; what
 * the user of the module may do there is said by file modes, as with containers. A target that is
 * not there is made, as systemd does it (BindPaths), since a mount needs a place. Mounts below a
 * source do not come along, and a bind neither has devices nor setuid programs.
 *
 * Without root only a bind to its own place is possible: it is no more than a path that the module
 * may see. Refused are named volumes, which Docker keeps, sources that are devices or sockets, and
 * targets that would hide the program, our folders or the kernel's.
 */
#include "runtime/runtime_priv.h"

#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define WAY_OUT "; SKERRY_RUNTIME=docker runs it on a Docker Engine"

/* An absolute path without ".." and doubled slashes; "/" is none. */
static bool is_plain(const char *path)
{
    size_t len = strlen(path);

    return path[0] == '/' && len > 1 && path[len - 1] != '/' && !strstr(path, "//") &&
           !strstr(path, "/../") && !strstr(path, "/./") && !sk_ends_with(path, "/..") &&
           !sk_ends_with(path, "/.");
}

static int read_flags(const char *text, struct sk_rt_bind *b, struct sk_err *err)
{
    static const char *const passed[] = { "rw", "z", "Z", "nocopy", "private", "rprivate" };

    for (const char *at = text; at; at = strchr(at, ','), at = at ? at + 1 : NULL) {
        size_t len = strcspn(at, ","), i = 0;

        if (len == 2 && strncmp(at, "ro", 2) == 0) {
            b->is_read_only = true;
            continue;
        }
        while (i < sizeof passed / sizeof passed[0] &&
               (strlen(passed[i]) != len || strncmp(passed[i], at, len) != 0))
            i++;
        if (i == sizeof passed / sizeof passed[0])
            return sk_fail(err, SK_UNSUPPORTED, "the native runtime has no option '%.*s'" WAY_OUT,
                           (int)(len < 40 ? len : 40), at);
    }
    return 0;
}

static int read_bind(const char *text, struct sk_rt_bind *b, struct sk_err *err)
{
    const char *colon = strchr(text, ':');
    const char *second = colon ? strchr(colon + 1, ':') : NULL;
    size_t source_len = colon ? (size_t)(colon - text) : 0, target_len;

    if (!colon)
        return sk_fail(err, SK_INVALID, "SOURCE:TARGET[:OPTIONS] is expected");
    target_len = second ? (size_t)(second - colon - 1) : strlen(colon + 1);
    if (source_len >= sizeof b->source || target_len >= sizeof b->target)
        return sk_fail(err, SK_LIMIT, "a path has at most %zu bytes", sizeof b->source - 1);
    (void)snprintf(b->source, sizeof b->source, "%.*s", (int)source_len, text);
    (void)snprintf(b->target, sizeof b->target, "%.*s", (int)target_len, colon + 1);
    if (b->source[0] != '/')
        return sk_fail(err, SK_UNSUPPORTED, "a named volume is Docker's" WAY_OUT);
    if (!is_plain(b->source) || !is_plain(b->target))
        return sk_fail(err, SK_INVALID, "absolute paths without '..' are expected, and not '/'");
    return read_flags(second ? second + 1 : NULL, b, err);
}

int sk_rt_binds_read(const struct sk_json *list, struct sk_rt_binds *out, struct sk_err *err)
{
    out->count = 0;
    for (size_t i = 0; i < sk_json_count(list); i++) {
        const char *text = sk_json_text(sk_json_at(list, i), "");

        if (out->count == SK_RT_BINDS_MAX)
            return sk_fail(err, SK_LIMIT, "createOptions: HostConfig.Binds: more than %d",
                           SK_RT_BINDS_MAX);
        out->items[out->count] = (struct sk_rt_bind){ .is_read_only = false };
        if (read_bind(text, &out->items[out->count], err) < 0)
            return sk_wrap(err, "createOptions: HostConfig.Binds: '%.100s'", text);
        out->count++;
    }
    return 0;
}

/* path is dir, or below it. */
static bool is_in(const char *path, const char *dir)
{
    size_t len = strlen(dir);

    return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

bool sk_rt_binds_cover(const struct sk_rt_binds *b, const char *path)
{
    for (size_t i = 0; i < b->count; i++)
        if (is_in(path, b->items[i].target))
            return true;
    return false;
}

static int check_target(const struct sk_rt_bind *b, const char *const *kept, struct sk_err *err)
{
    static const char *const kernel[] = { "/proc", "/sys", "/dev" };

    for (size_t i = 0; i < sizeof kernel / sizeof kernel[0]; i++)
        if (is_in(b->target, kernel[i]))
            return sk_fail(err, SK_UNSUPPORTED, "nothing can lie below %s" WAY_OUT, kernel[i]);
    for (; *kept; kept++)
        if (is_in(*kept, b->target))
            return sk_fail(err, SK_UNSUPPORTED, "it would hide '%s'" WAY_OUT, *kept);
    return 0;
}

static int check_bind(const struct sk_rt_bind *b, bool is_root, const char *const *kept,
                      struct sk_err *err)
{
    struct stat st;

    if (stat(b->source, &st) < 0)
        return sk_fail_errno(err, "'%s'", b->source);
    if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
        return sk_fail(err, SK_UNSUPPORTED, "'%s' is neither a folder nor a file" WAY_OUT,
                       b->source);
    if (strcmp(b->source, b->target) == 0)
        return 0;
    if (!is_root)
        return sk_fail(err, SK_UNSUPPORTED,
                       "only an agent that is root can put it at another place");
    return check_target(b, kept, err);
}

int sk_rt_binds_check(const struct sk_rt_binds *b, bool is_root, const char *const *kept,
                      struct sk_err *err)
{
    for (size_t i = 0; i < b->count; i++)
        if (check_bind(&b->items[i], is_root, kept, err) < 0)
            return sk_wrap(err, "createOptions: HostConfig.Binds: '%s:%s'", b->items[i].source,
                           b->items[i].target);
    return 0;
}

/* A folder, or an empty file, as the source is. */
static int make_target(const struct sk_rt_bind *b, struct sk_err *err)
{
    const bool is_folder = sk_is_dir(b->source);
    char folder[sizeof b->target];
    struct stat st;

    if (stat(b->target, &st) == 0)
        return S_ISDIR(st.st_mode) == is_folder
                   ? 0
                   : sk_fail(err, SK_INVALID, "one of '%s' and '%s' is a folder, one is not",
                             b->source, b->target);
    (void)snprintf(folder, sizeof folder, "%s", b->target);
    if (!is_folder)
        *strrchr(folder, '/') = '\0';
    if (folder[0] && sk_mkdirs(folder, 0755, err) < 0)
        return -1;
    if (is_folder)
        return 0;
    SK_AUTO(sk_close) int fd = open(b->target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    return fd >= 0 ? 0 : sk_fail_errno(err, "'%s'", b->target);
}

int sk_rt_binds_prepare(const struct sk_rt_binds *b, struct sk_rt_paths *paths, struct sk_err *err)
{
    for (size_t i = 0; i < b->count; i++) {
        const struct sk_rt_bind *one = &b->items[i];

        sk_rt_paths_add(paths, one->is_read_only ? SK_RT_PATH_READ : SK_RT_PATH_WRITE, one->source);
        if (strcmp(one->source, one->target) != 0 && make_target(one, err) < 0)
            return sk_wrap(err, "createOptions: HostConfig.Binds: '%s:%s'", one->source,
                           one->target);
    }
    return 0;
}

int sk_rt_binds_enter(const struct sk_rt_binds *b)
{
    bool is_private = false;

    for (size_t i = 0; i < b->count; i++) {
        const struct sk_rt_bind *one = &b->items[i];
        const unsigned long flags = MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV |
                                    (one->is_read_only ? MS_RDONLY : 0ul);

        if (strcmp(one->source, one->target) == 0)
            continue;
        if (!is_private &&
            (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
            return -1;
        is_private = true;
        if (mount(one->source, one->target, NULL, MS_BIND, NULL) < 0 ||
            mount(NULL, one->target, NULL, flags, NULL) < 0)
            return -1;
    }
    return 0;
}
