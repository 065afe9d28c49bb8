/*
 * seccomp.c - which system calls a child may make.
 *
 * A list of what is refused rather than of what is allowed: the engine, its GPU providers and
 * OpenSSL are other people's libraries, and a list of theirs would be wrong with their next
 * version. Refused (EPERM) is what changes or looks into the machine, the kernel or other
 * processes, what gives a process new namespaces, and what has a large surface and no use here
 * (io_uring, bpf, keyrings, odd socket families). clone3 cannot be looked into and is ENOSYS, after
 * which libc takes clone. Another architecture's calls end the process.
 *
 *     load arch; not ours: kill
 *     load nr;   x32: ENOSYS
 *     fork, clone without CLONE_THREAD: EPERM      only where no processes are wanted
 *     == each of the list: EPERM           one jump each, to the end
 *     clone:  flags & namespaces: EPERM
 *     socket: family not in the list: EAFNOSUPPORT
 *     allow
 */
#include "runtime/runtime_priv.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static const int refused[] = {
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsmount,
    SYS_fsconfig,
    SYS_fspick,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_setns,
    SYS_unshare,
    SYS_userfaultfd,
    SYS_acct,
    SYS_quotactl,
    SYS_syslog,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_open_by_handle_at,
    SYS_vhangup,
    SYS_fanotify_init,
    SYS_name_to_handle_at,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_pidfd_getfd,
    SYS_io_uring_register,
#ifdef SYS_mount_setattr
    SYS_mount_setattr,
#endif
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
#ifdef SYS_process_madvise
    SYS_process_madvise,
#endif
#ifdef SYS_iopl
    SYS_iopl,
#endif
#ifdef SYS_ioperm
    SYS_ioperm,
#endif
#ifdef SYS_uselib
    SYS_uselib,
#endif
#ifdef SYS_modify_ldt
    SYS_modify_ldt,
#endif
};

_Static_assert(sizeof refused / sizeof refused[0] + 40 < SK_FILTER_MAX, "the filter has room");

enum {
    REFUSED = sizeof refused / sizeof refused[0]
};

#ifdef SK_FILTER_ARCH

/* A process, as fork makes it, is a clone that is no thread. */
static void refuse_forks(struct sk_filter *f)
{
#ifdef SYS_fork
    sk_filter_jump(f, BPF_JEQ, SYS_fork, 1, 0);
    sk_filter_jump(f, BPF_JEQ, SYS_vfork, 0, 1);
    sk_filter_give(f, SECCOMP_RET_ERRNO | EPERM);
#endif
    sk_filter_jump(f, BPF_JEQ, SYS_clone, 0, 4);
    sk_filter_load_arg0(f);
    sk_filter_jump(f, BPF_JSET, CLONE_THREAD, 1, 0);
    sk_filter_give(f, SECCOMP_RET_ERRNO | EPERM);
    sk_filter_load(f, offsetof(struct seccomp_data, nr));
}

void sk_rt_seccomp_make(struct sk_filter *f, bool may_fork)
{
    sk_filter_begin(f);
    sk_filter_jump(f, BPF_JEQ, SYS_clone3, 0, 1);
    sk_filter_give(f, SECCOMP_RET_ERRNO | ENOSYS);
    if (!may_fork)
        refuse_forks(f);
    for (size_t i = 0; i < REFUSED; i++)
        sk_filter_jump(f, BPF_JEQ, (uint32_t)refused[i], REFUSED - i - 1, i + 1 < REFUSED ? 0 : 1);
    sk_filter_give(f, SECCOMP_RET_ERRNO | EPERM);
    sk_filter_jump(f, BPF_JEQ, SYS_clone, 0, 4);
    sk_filter_load_arg0(f);
    sk_filter_jump(f, BPF_JSET, (uint32_t)SK_FILTER_NAMESPACES, 0, 1);
    sk_filter_give(f, SECCOMP_RET_ERRNO | EPERM);
    sk_filter_give(f, SECCOMP_RET_ALLOW);
    sk_filter_sockets(f);
    sk_filter_give(f, SECCOMP_RET_ALLOW);
}

#else

void sk_rt_seccomp_make(struct sk_filter *f, bool may_fork)
{
    (void)may_fork;
    f->len = 0;
}

#endif

int sk_rt_seccomp_enter(const struct sk_filter *f)
{
    const struct sock_fprog program = { .len = f->len,
                                        .filter = (struct sock_filter *)(uintptr_t)f->items };

    return f->len == 0 ? 0 : (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}
