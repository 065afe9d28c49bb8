/*
 * confine.c - the local hub gives up what it does not need, before it hears its first client.
 *
 * Files (Landlock): its state, its sockets, the certificates it was told of, and what libraries
 * read: themselves, /etc for names and the system's CAs. Kernels differ in what they can restrict:
 * the version is asked, and a set is made of what it knows.
 *
 * System calls (seccomp): those listed below, and no others. The list is of what this program, its
 * libraries and their names' look-up use; one that is missing gives EPERM, which its caller logs or
 * survives, and a line in the kernel's log. No program is started, no process made (a clone must be
 * a thread), none looked into. clone3 cannot be looked into and is ENOSYS, after which libc takes
 * clone; so is what is newer than the list. Another architecture's calls end the process.
 *
 *     load arch; not ours: kill
 *     load nr;   x32: ENOSYS
 *     == each of the list: allow           one jump each, to the end
 *     clone:  flags without CLONE_THREAD, or with a namespace: EPERM
 *     socket: family not in the list: EAFNOSUPPORT
 *     clone3, or a number beyond those known: ENOSYS; else EPERM
 *     allow
 *
 * Where the kernel has neither, file modes and the user are what is left, and the log says so.
 */
#include "localhub/localhub_priv.h"

#include "base/file.h"
#include "base/log.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum {
    CAN_CHANGE = SK_LL_READ | SK_LL_WRITE_FILE | SK_LL_REMOVE_DIR | SK_LL_REMOVE_FILE |
                 SK_LL_MAKE_DIR | SK_LL_MAKE_REG | SK_LL_MAKE_SOCK | SK_LL_REFER | SK_LL_TRUNCATE,
    CAN_USE = SK_LL_READ_FILE | SK_LL_WRITE_FILE
};

/* ---- files ---- */

static int allow(const struct sk_landlock *set, const char *path, uint64_t access,
                 struct sk_err *err)
{
    if (sk_landlock_allow(set->fd, set->known, path, access) < 0)
        return sk_fail_errno(err, "landlock: '%s'", path);
    return 0;
}

static int allow_system(const struct sk_landlock *set, struct sk_err *err)
{
    static const char *const libraries[] = { "/lib", "/lib64", "/usr/lib", "/usr/lib64",
                                             "/usr/local/lib" };
    /* /etc as a folder: what a network service renames into it is another file than before */
    static const char *const read[] = { "/etc",
                                        "/run/systemd/resolve",
                                        "/run/NetworkManager",
                                        "/run/resolvconf",
                                        "/usr/share/ca-certificates",
                                        "/usr/local/share/ca-certificates",
                                        "/usr/share/zoneinfo",
                                        "/proc/self",
                                        "/proc/meminfo",
                                        "/proc/stat",
                                        "/proc/sys/kernel",
                                        "/proc/sys/vm",
                                        "/sys/devices/system/cpu",
                                        "/sys/fs/cgroup",
                                        "/dev/urandom",
                                        "/dev/random" };
    /* as OpenSSL reads them */
    const char *const more[] = { getenv("SSL_CERT_FILE"), getenv("SSL_CERT_DIR"),
                                 getenv("OPENSSL_CONF") };
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        if (allow(set, libraries[i], SK_LL_RUN, err) < 0)
            return -1;
    for (size_t i = 0; i < sizeof read / sizeof *read; i++)
        if (allow(set, read[i], SK_LL_READ, err) < 0)
            return -1;
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        if (more[i] && *more[i] && allow(set, more[i], SK_LL_READ, err) < 0)
            return -1;
    return allow(set, "/dev/null", CAN_USE, err);
}

/* The wire's socket lies in run_dir, or in a folder of its own. */
static char *wire_folder(const struct sk_localhub_options *o)
{
    char *path = strdup(o->wire_path ? o->wire_path : o->run_dir);
    char *slash = path && o->wire_path ? strrchr(path, '/') : NULL;
    if (slash)
        slash[slash == path] = '\0';
    return path;
}

static int allow_own(const struct sk_landlock *set, const struct sk_localhub_options *o,
                     struct sk_err *err)
{
    SK_OWN(free) char *workload = sk_path_join(o->run_dir, "workload");
    SK_OWN(free) char *wire = wire_folder(o);
    if (!workload || !wire)
        return sk_nomem(err);
    if (sk_mkdirs(o->dir, 0700, err) < 0 || sk_mkdirs(workload, 0755, err) < 0)
        return -1;
    return allow(set, o->dir, CAN_CHANGE, err) < 0 || allow(set, workload, CAN_CHANGE, err) < 0 ||
                   allow(set, wire, CAN_CHANGE, err) < 0 ||
                   allow(set, o->certs_dir, SK_LL_READ, err) < 0
               ? -1
               : 0;
}

/* *version 0: this kernel cannot. */
static int close_files(const struct sk_localhub_options *o, int *version, struct sk_err *err)
{
    struct sk_landlock set;
    if (sk_landlock_make(true, &set, err) < 0)
        return -1;
    *version = set.version;
    if (*version == 0)
        return 0;
    SK_AUTO(sk_close) int fd = set.fd;
    if (allow_system(&set, err) < 0 || allow_own(&set, o, err) < 0)
        return -1;
    return sk_landlock_enter(fd) < 0 ? sk_fail_errno(err, "landlock") : 0;
}

/* ---- system calls ---- */

#ifdef SK_FILTER_ARCH

/* clang-format off */
static const int allowed[] = {
    SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_preadv, SYS_pwritev,
    SYS_close, SYS_futex, SYS_epoll_pwait, SYS_epoll_ctl, SYS_epoll_create1, SYS_ppoll,
    SYS_pselect6, SYS_recvfrom, SYS_sendto, SYS_recvmsg, SYS_sendmsg, SYS_recvmmsg, SYS_sendmmsg,
    SYS_accept, SYS_accept4, SYS_bind, SYS_listen, SYS_connect, SYS_socketpair, SYS_shutdown,
    SYS_getsockname, SYS_getpeername, SYS_getsockopt, SYS_setsockopt, SYS_eventfd2, SYS_signalfd4,
    SYS_timerfd_create, SYS_timerfd_settime, SYS_timerfd_gettime, SYS_pipe2, SYS_splice,
    SYS_sendfile, SYS_pidfd_open, SYS_ioctl, SYS_fcntl, SYS_dup, SYS_dup3, SYS_flock,
    /* files */
    SYS_openat, SYS_newfstatat, SYS_statx, SYS_fstat, SYS_statfs, SYS_fstatfs, SYS_faccessat,
    SYS_readlinkat, SYS_getdents64, SYS_lseek, SYS_fsync, SYS_fdatasync, SYS_sync_file_range,
    SYS_ftruncate, SYS_truncate, SYS_fallocate, SYS_fadvise64, SYS_readahead, SYS_copy_file_range,
    SYS_mkdirat, SYS_unlinkat, SYS_linkat, SYS_renameat2, SYS_fchmod, SYS_fchmodat, SYS_umask,
    SYS_utimensat, SYS_getcwd, SYS_memfd_create,
    /* memory */
    SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_msync, SYS_mincore, SYS_mlock,
    SYS_mlock2, SYS_munlock, SYS_brk, SYS_membarrier,
    /* itself */
    SYS_exit, SYS_exit_group, SYS_gettid, SYS_getpid, SYS_getppid, SYS_getuid, SYS_geteuid,
    SYS_getgid, SYS_getegid, SYS_getresuid, SYS_getresgid, SYS_getgroups, SYS_capget, SYS_prctl,
    SYS_set_tid_address, SYS_set_robust_list, SYS_get_robust_list, SYS_sched_yield,
    SYS_sched_getaffinity, SYS_sched_getparam, SYS_sched_getscheduler, SYS_getcpu, SYS_getrusage,
    SYS_prlimit64, SYS_uname, SYS_sysinfo, SYS_getrandom, SYS_tgkill, SYS_sigaltstack,
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigpending, SYS_rt_sigtimedwait,
    SYS_rt_sigsuspend, SYS_restart_syscall,
    /* time; to set it needs what this process does not have */
    SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday,
    SYS_times, SYS_adjtimex, SYS_clock_adjtime,
#ifdef SYS_renameat
    SYS_renameat,
#endif
#ifdef SYS_getrlimit
    SYS_getrlimit,
#endif
#ifdef SYS_faccessat2
    SYS_faccessat2,
#endif
#ifdef SYS_close_range
    SYS_close_range,
#endif
#ifdef SYS_epoll_pwait2
    SYS_epoll_pwait2,
#endif
#ifdef SYS_rseq
    SYS_rseq,
#endif
#ifdef __x86_64__ /* which has older forms of them */
    SYS_open, SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_getdents, SYS_mkdir, SYS_rmdir,
    SYS_unlink, SYS_rename, SYS_link, SYS_chmod, SYS_poll, SYS_select, SYS_epoll_wait,
    SYS_epoll_create, SYS_pipe, SYS_dup2, SYS_eventfd, SYS_time, SYS_pause, SYS_arch_prctl,
#endif
};

/* clang-format on */

enum {
    ALLOWED = sizeof allowed / sizeof allowed[0],
    NEWEST = 450 /* the last number that the list knows of, of all architectures here */
};

_Static_assert(ALLOWED < 255, "a jump has eight bits");
_Static_assert(ALLOWED + 40 <= SK_FILTER_MAX, "the filter has room");

static void make_filter(struct sk_filter *f)
{
    sk_filter_begin(f);
    for (size_t i = 0; i < ALLOWED; i++)
        sk_filter_jump(f, BPF_JEQ, (uint32_t)allowed[i], ALLOWED - i - 1, i + 1 < ALLOWED ? 0 : 1);
    sk_filter_give(f, SECCOMP_RET_ALLOW);
    sk_filter_jump(f, BPF_JEQ, SYS_clone, 0, 5);
    sk_filter_load_arg0(f);
    sk_filter_jump(f, BPF_JSET, (uint32_t)SK_FILTER_NAMESPACES, 1, 0);
    sk_filter_jump(f, BPF_JSET, CLONE_THREAD, 1, 0);
    sk_filter_give(f, SECCOMP_RET_ERRNO | EPERM);
    sk_filter_give(f, SECCOMP_RET_ALLOW);
    sk_filter_sockets(f);
    sk_filter_jump(f, BPF_JEQ, SYS_clone3, 1, 0);
    sk_filter_jump(f, BPF_JGT, NEWEST, 0, 1);
    sk_filter_give(f, SECCOMP_RET_ERRNO | ENOSYS);
    sk_filter_give(f, SECCOMP_RET_ERRNO | EPERM);
}

static int close_calls(bool *is_closed, struct sk_err *err)
{
    struct sk_filter f;
    make_filter(&f);
    const struct sock_fprog program = { .len = f.len, .filter = f.items };
    const unsigned all = SECCOMP_FILTER_FLAG_TSYNC;
    long rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, all | SECCOMP_FILTER_FLAG_LOG,
                      &program);
    if (rc < 0 && errno == EINVAL) /* no lines in the kernel's log then */
        rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, all, &program);
    *is_closed = rc == 0;
    return rc == 0 || errno == EINVAL || errno == ENOSYS ? 0 : sk_fail_errno(err, "seccomp");
}

#else

static int close_calls(bool *is_closed, struct sk_err *err)
{
    (void)err;
    *is_closed = false;
    return 0;
}

#endif

int sk_localhub_confine(const struct sk_localhub_options *opts, struct sk_err *err)
{
    bool has_filter = false;
    int version = 0;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return sk_fail_errno(err, "no_new_privs");
    if (close_files(opts, &version, err) < 0 || close_calls(&has_filter, err) < 0)
        return -1;
    sk_log(version && has_filter ? SK_INFO : SK_WARN, "confined", "user=%u landlock=%d seccomp=%s",
           (unsigned)geteuid(), version, has_filter ? "yes" : "no");
    return 0;
}
