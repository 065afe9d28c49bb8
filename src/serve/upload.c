/*
 * upload.c - a model from the network is a stranger until a child process has loaded it and run it
 * once.
 *
 * The child is this executable (`skerry model check FOLDER`). It limits its own memory, processor
 * time and descriptors before it reads anything; the parent ends it when the time is over. What
 * kills the child leaves the server as it was.
 */
#include "serve/upload_priv.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "crypto/crypto.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum {
    CHILD_FILES = 256,
    CHILD_CPU_SECONDS = 120,
    NAME_MAX_BYTES = 128,
    PATH_PARTS_MAX = 4,
    LOOK_MS = 50 /* how soon a trial notices that the server stops */
};

/* AddressSanitizer and ThreadSanitizer reserve terabytes of addresses. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CHILD_MEMORY_BYTES (RLIM_INFINITY / 8)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CHILD_MEMORY_BYTES (RLIM_INFINITY / 8)
#endif
#endif
#ifndef CHILD_MEMORY_BYTES
#define CHILD_MEMORY_BYTES (2ull << 30)
#endif

extern char **environ;

/* ---- unpacking ---- */

/* A relative name of a few plain parts, without a leading version number. NULL: not acceptable. */
static const char *plain_path(const char *path)
{
    unsigned parts = 1;
    size_t digits = strspn(path, "0123456789");

    if (digits > 0 && path[digits] == '/')
        path += digits + 1;
    if (!*path || *path == '/' || *path == '.')
        return NULL;
    for (const char *p = path; *p; p++) {
        if (*p == '/') {
            if (p[1] == '/' || p[1] == '.' || p[1] == '\0' || ++parts > PATH_PARTS_MAX)
                return NULL;
        } else if (!isalnum((unsigned char)*p) && !strchr("._-+ ", *p)) {
            return NULL;
        }
    }
    return path;
}

int sk_upload_check_name(const char *name, struct sk_err *err)
{
    size_t len = strlen(name);
    bool is_plain = len > 0 && len <= NAME_MAX_BYTES && name[0] != '.';

    for (const char *p = name; is_plain && *p; p++)
        is_plain = isalnum((unsigned char)*p) || strchr("._-+", *p);
    return is_plain ? 0
                    : sk_fail(err, SK_INVALID,
                              "'%.40s' cannot be the name of a model: expected 1 to %d letters, "
                              "digits and ._-+",
                              name, NAME_MAX_BYTES);
}

static int write_one(const char *folder, const char *path, const struct sk_json *value,
                     struct sk_err *err)
{
    const char *name = plain_path(path);
    const char *text = sk_json_text(value, NULL);
    size_t len = sk_json_text_len(value);

    if (!name)
        return sk_fail(err, SK_INVALID,
                       "'file:%.80s': expected a plain relative name such as 1/model.onnx", path);
    if (!text)
        return sk_fail(err, SK_INVALID, "'file:%s': expected a base64 string", path);
    SK_AUTO(sk_buf_done) struct sk_buf bytes = SK_BUF_INIT(len);
    SK_OWN(free) char *full = sk_path_join(folder, name);
    if (!full)
        return sk_nomem(err);
    if (sk_base64_decode(text, len, &bytes, err) < 0)
        return sk_wrap(err, "'file:%s'", path);
    char *slash = strrchr(full, '/');
    *slash = '\0';
    int rc = sk_mkdirs(full, 0700, err);
    *slash = '/';
    return rc < 0 ? -1 : sk_file_write(full, bytes.data ? bytes.data : "", bytes.len, 0600, err);
}

/* $CACHE/uploads; the folders in it are called PID-XXXXXX after the server that made them. */
static char *uploads_folder(struct sk_err *err)
{
    SK_OWN(free) char *cache = NULL;

    if (sk_cache_dir(&cache, err) < 0)
        return NULL;
    char *uploads = sk_path_join(cache, "uploads");
    if (!uploads)
        (void)sk_nomem(err);
    return uploads;
}

static int make_folder(char **out, struct sk_err *err)
{
    SK_OWN(free) char *uploads = uploads_folder(err);
    char name[32];

    if (!uploads || sk_mkdirs(uploads, 0700, err) < 0)
        return -1;
    (void)snprintf(name, sizeof name, "%ld-XXXXXX", (long)getpid());
    SK_OWN(free) char *folder = sk_path_join(uploads, name);
    if (!folder)
        return sk_nomem(err);
    if (!mkdtemp(folder))
        return sk_fail_errno(err, "cannot make a folder in '%s'", uploads);
    *out = SK_TAKE(folder);
    return 0;
}

/* A folder with our own number is of an earlier life: we have just started. Should the number of a
 * dead server belong to another process now, its folder stays until that has ended. */
void sk_upload_sweep(void)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *uploads = uploads_folder(&err);

    if (!uploads || sk_dir_read(uploads, &dir, &err) < 0)
        return; /* there were none */
    for (size_t i = 0; i < dir.count; i++) {
        long pid = strtol(dir.names[i], NULL, 10);
        if (pid <= 0 || (pid != getpid() && (kill((pid_t)pid, 0) == 0 || errno != ESRCH)))
            continue;
        sk_upload_discard(sk_path_join(uploads, dir.names[i]));
    }
}

void sk_upload_discard(char *folder)
{
    struct sk_err err = SK_ERR_INIT;

    if (folder && sk_remove_tree(folder, &err) < 0)
        sk_log(SK_WARN, "upload_left", "folder=\"%s\" error=\"%s\"", folder, err.text);
    free(folder);
}

int sk_upload_unpack(const struct sk_json *parameters, char **folder, struct sk_err *err)
{
    SK_OWN(sk_upload_discard) char *made = NULL;

    *folder = NULL;
    for (void *it = sk_json_first(parameters); it; it = sk_json_next(parameters, it)) {
        if (!sk_starts_with(sk_json_key(it), "file:"))
            continue;
        if (!made && make_folder(&made, err) < 0)
            return -1;
        if (write_one(made, sk_json_key(it) + strlen("file:"), sk_json_value(it), err) < 0)
            return -1;
    }
    *folder = SK_TAKE(made);
    return 0;
}

/* ---- trying ---- */

int sk_upload_limit_self(const char *path, struct sk_err *err)
{
    struct stat st;
    rlim_t file_bytes = stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (rlim_t)st.st_size
                                                                    : SK_LIMIT_BODY_BYTES;

    const struct {
        int what;
        rlim_t value;
    } limits[] = {
        { RLIMIT_AS, CHILD_MEMORY_BYTES + 4 * file_bytes },
        { RLIMIT_CPU, CHILD_CPU_SECONDS },
        { RLIMIT_NOFILE, CHILD_FILES },
        { RLIMIT_CORE, 0 },
    };

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct rlimit r = { .rlim_cur = limits[i].value, .rlim_max = limits[i].value };
        if (setrlimit(limits[i].what, &r) < 0)
            return sk_fail_errno(err, "cannot set the limits of the trial");
    }
    return 0;
}

static int spawn(const char *folder, const char *onnxruntime, int stderr_fd, pid_t *pid,
                 struct sk_err *err)
{
    const char *const argv[] = {
        "skerry", "model", "check", folder, onnxruntime ? "--onnxruntime" : NULL, onnxruntime, NULL
    };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;

    (void)sigemptyset(&none);
    if (posix_spawn_file_actions_init(&actions) != 0)
        return sk_nomem(err);
    if (posix_spawnattr_init(&attr) != 0) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return sk_nomem(err);
    }
    int rc = posix_spawn_file_actions_adddup2(&actions, stderr_fd, 2);
    if (rc == 0)
        rc = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (rc == 0)
        rc = posix_spawnattr_setsigmask(&attr, &none);
    if (rc == 0)
        rc = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    if (rc == 0)
        rc = posix_spawn(pid, "/proc/self/exe", &actions, &attr, (char *const *)(uintptr_t)argv,
                         environ);
    (void)posix_spawnattr_destroy(&attr);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (rc != 0) {
        errno = rc;
        return sk_fail_errno(err, "cannot start the trial of the model");
    }
    return 0;
}

/* Reads the child's standard error until it closes it; false when the time is over or nobody wants
 * to know any more. Keeps the last line. */
static bool listen_until(int fd, uint64_t deadline_ms, const atomic_bool *give_up, char *last,
                         size_t cap)
{
    size_t used = 0;

    for (;;) {
        uint64_t now = sk_now_ms();
        struct pollfd p = { .fd = fd, .events = POLLIN };
        if (now >= deadline_ms || atomic_load(give_up))
            return false;
        if (poll(&p, 1, deadline_ms - now < LOOK_MS ? (int)(deadline_ms - now) : LOOK_MS) <= 0)
            continue;
        if (used == cap - 1) { /* keep the newer half */
            memmove(last, last + cap / 2, used - cap / 2);
            used -= cap / 2;
        }
        ssize_t n = read(fd, last + used, cap - 1 - used);
        if (n <= 0)
            return n == 0;
        used += (size_t)n;
        last[used] = '\0';
    }
}

/* "skerry: <reason>" of the last line that has it. */
static const char *reason_of(char *text)
{
    static const char prefix[] = "skerry: ";
    char *found = NULL;

    for (char *p = text; (p = strstr(p, prefix)) != NULL; p += sizeof prefix - 1)
        found = p + sizeof prefix - 1;
    if (!found)
        return "it ended without a reason";
    found[strcspn(found, "\n")] = '\0';
    return found;
}

int sk_upload_try(const char *folder, const char *onnxruntime, uint64_t timeout_ms,
                  const atomic_bool *give_up, struct sk_err *err)
{
    char text[2048] = "";
    int fds[2];
    pid_t pid;
    int status = 0;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return sk_fail_errno(err, "cannot start the trial of the model");
    SK_AUTO(sk_close) int in = fds[0];
    SK_AUTO(sk_close) int out = fds[1];
    if (spawn(folder, onnxruntime, out, &pid, err) < 0)
        return -1;
    sk_close(&out);
    bool ended = listen_until(in, sk_now_ms() + timeout_ms, give_up, text, sizeof text);
    if (!ended)
        (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (!ended && atomic_load(give_up))
        return sk_fail(err, SK_BUSY, "the server is stopping");
    if (!ended)
        return sk_fail(err, SK_INVALID, "the model was not ready within %llu ms in its trial",
                       (unsigned long long)timeout_ms);
    if (WIFSIGNALED(status))
        return sk_fail(err, SK_CORRUPT, "the model ended its trial with signal %d (%s)",
                       WTERMSIG(status), strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status) != 0)
        return sk_fail(err, SK_CORRUPT, "%s", reason_of(text));
    return 0;
}
