/*
 * hubuser.c - the user of the local hub, where the agent is root: what belongs to it, and how a
 * process becomes it.
 *
 *     DATA/hub/            0700  its state
 *     RUN/hub/             0700  hub.sock
 *     RUN/workload/        0755  the sockets of modules
 *     DATA/tls/server.pem  0640  root's; its group may read it (certs.c)
 *
 * Of all keys it can read that of its own certificate. One capability stays, for ports below 1024;
 * the rest it gives up itself, once it runs (localhub.h, sk_localhub_confine).
 *
 * Folders are walked through descriptors, and links in them are not followed: they are in the hands
 * of a process that may have been taken over. What root owns there an older run made as root, or
 * who put a copy back; a file with a second name is not touched, since that may be anybody's.
 */
#include "agent/agent_priv.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    FILES = 16384,
    DEPTH = 8,
    BIND = 1u << CAP_NET_BIND_SERVICE
};

uid_t sk_agent_hub_uid(void)
{
    return geteuid() == 0 ? SK_AGENT_HUB_UID : 0;
}

char *sk_agent_hub_socket(const struct sk_agent *a)
{
    return sk_agent_path(a->run_dir, "hub", "hub.sock");
}

/* ---- what belongs to it ---- */

static void close_dir(DIR *d)
{
    (void)closedir(d);
}

SK_DEFINE_OWN(DIR, close_dir);

static int give(int folder, const char *name, unsigned depth, struct sk_err *err);

/* Everything in a folder. */
static int give_all(int folder, unsigned depth, struct sk_err *err)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    SK_OWN(close_dir) DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        (void)sk_fail_errno(err, "a folder");
        sk_close(&fd);
        return -1;
    }
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            give(fd, e->d_name, depth, err) < 0)
            return sk_wrap(err, "'%s'", e->d_name);
    return 0;
}

static int give(int folder, const char *name, unsigned depth, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return errno == ENOENT ? 0 : sk_fail_errno(err, "its owner");
    if (S_ISDIR(st.st_mode) && depth > 0 && give_all(fd, depth - 1, err) < 0)
        return -1;
    if (st.st_uid != 0 || (!S_ISDIR(st.st_mode) && st.st_nlink > 1))
        return 0;
    if (fchownat(fd, "", SK_AGENT_HUB_UID, SK_AGENT_HUB_UID, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) <
        0)
        return sk_fail_errno(err, "its owner");
    return 0;
}

/* Folders above are root's, so a link in its place is what an administrator wants. */
static int give_folder(const char *path, mode_t mode, struct sk_err *err)
{
    if (sk_mkdirs(path, mode, err) < 0)
        return -1;
    if (geteuid() != 0)
        return 0;
    SK_AUTO(sk_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fchown(fd, SK_AGENT_HUB_UID, SK_AGENT_HUB_UID) < 0 || fchmod(fd, mode) < 0)
        return sk_fail_errno(err, "'%s'", path);
    return give_all(fd, DEPTH, err) < 0 ? sk_wrap(err, "'%s'", path) : 0;
}

static int check_reach(const char *path, struct sk_err *err)
{
    SK_OWN(free) char *at = strdup(path);
    struct stat st;
    if (!at)
        return sk_nomem(err);
    for (char *slash; (slash = strrchr(at, '/')) != NULL && slash != at;) {
        *slash = '\0';
        if (stat(at, &st) < 0)
            return sk_fail_errno(err, "'%s'", at);
        if (!(st.st_mode & S_IXOTH) && st.st_uid != SK_AGENT_HUB_UID)
            return sk_fail(err, SK_DENIED,
                           "user %u, who runs the local hub, cannot reach '%s': '%s' must be "
                           "searchable for others (chmod o+x)",
                           (unsigned)SK_AGENT_HUB_UID, path, at);
    }
    return 0;
}

int sk_agent_hub_folders(const struct sk_agent *a, struct sk_err *err)
{
    SK_OWN(free) char *state = sk_agent_path(a->dir, "hub", NULL);
    SK_OWN(free) char *wire = sk_agent_path(a->run_dir, "hub", NULL);
    SK_OWN(free) char *workload = sk_agent_path(a->run_dir, "workload", NULL);
    if (!state || !wire || !workload)
        return sk_nomem(err);
    if (give_folder(state, 0700, err) < 0 || give_folder(wire, 0700, err) < 0 ||
        give_folder(workload, 0755, err) < 0)
        return sk_wrap(err, "a folder of the local hub");
    if (geteuid() != 0)
        return 0;
    return check_reach(state, err) < 0 || check_reach(wire, err) < 0 ||
                   check_reach(a->program, err) < 0
               ? -1
               : 0;
}

/* ---- becoming it ---- */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN
#endif

/* What the agent was given is not for it, but for what its libraries and its log look at. */
static bool is_kept(const char *variable)
{
    static const char *const names[] = {
        "PATH=",          "LANG=",          "LC_",           "TZ=",           "RES_OPTIONS=",
        "LOCALDOMAIN=",   "SSL_CERT_FILE=", "SSL_CERT_DIR=", "OPENSSL_CONF=", "SKERRY_LOG_",
        "UBSAN_OPTIONS=", "TSAN_OPTIONS="
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strncmp(variable, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static void clean_environment(void)
{
    char **to = environ, **at = environ;
    for (; *at; at++)
        if (is_kept(*at))
            *to++ = *at;
#ifdef HAS_ASAN /* its search for leaks makes processes */
    if (to < at)
        *to++ = (char *)(uintptr_t) "ASAN_OPTIONS=detect_leaks=0";
#endif
    *to = NULL;
}

/* Keeps BIND over the change of the user and the start of the program, where we have it. */
static int keep_bind(void)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct sets[2] = { { 0 }, { 0 } };
    if (syscall(SYS_capget, &head, sets) < 0)
        return -1;
    const unsigned kept = sets[0].permitted & BIND;
    memset(sets, 0, sizeof sets);
    sets[0].permitted = sets[0].effective = sets[0].inheritable = kept;
    if (syscall(SYS_capset, &head, sets) < 0)
        return -1;
    return kept == 0 ? 0
                     : prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0L, 0L);
}

int sk_agent_hub_become(void)
{
    const struct rlimit files = { FILES, FILES }, none = { 0, 0 };
    const uid_t uid = SK_AGENT_HUB_UID;
    const gid_t gid = uid;
    clean_environment();
    if (setrlimit(RLIMIT_NOFILE, &files) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
        return -1;
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0L, 0L, 0L) >= 0; cap++)
        if (cap != CAP_NET_BIND_SERVICE)
            (void)prctl(PR_CAPBSET_DROP, cap, 0L, 0L, 0L); /* who may not, cannot gain any either */
    /* the bare calls: those of libc tell all threads, and this copy has but one */
    if (prctl(PR_SET_KEEPCAPS, 1L, 0L, 0L, 0L) < 0 || syscall(SYS_setgroups, 0, NULL) < 0 ||
        syscall(SYS_setresgid, gid, gid, gid) < 0 || syscall(SYS_setresuid, uid, uid, uid) < 0 ||
        keep_bind() < 0)
        return -1;
    return prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L);
}
