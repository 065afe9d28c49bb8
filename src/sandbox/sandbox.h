/*
 * sandbox.h - what a process gives up for good: paths (Landlock), system calls (seccomp).
 *
 * The kernel's interfaces and nothing of who uses them: which paths and which calls is said by
 * localhub, of itself, and by runtime, of modules. Both need prctl(PR_SET_NO_NEW_PRIVS) or root.
 */
#ifndef SK_SANDBOX_SANDBOX_H
#define SK_SANDBOX_SANDBOX_H

#include "base/err.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- files: Landlock, Linux 5.13 and later ---- */

/* Of the kernel's interface; headers of older systems lack them. */
enum {
    SK_LL_EXECUTE = 1 << 0,
    SK_LL_WRITE_FILE = 1 << 1,
    SK_LL_READ_FILE = 1 << 2,
    SK_LL_READ_DIR = 1 << 3,
    SK_LL_REMOVE_DIR = 1 << 4,
    SK_LL_REMOVE_FILE = 1 << 5,
    SK_LL_MAKE_CHAR = 1 << 6,
    SK_LL_MAKE_DIR = 1 << 7,
    SK_LL_MAKE_REG = 1 << 8,
    SK_LL_MAKE_SOCK = 1 << 9,
    SK_LL_MAKE_FIFO = 1 << 10,
    SK_LL_MAKE_BLOCK = 1 << 11,
    SK_LL_MAKE_SYM = 1 << 12,
    SK_LL_REFER = 1 << 13,     /* version 2 */
    SK_LL_TRUNCATE = 1 << 14,  /* 3 */
    SK_LL_IOCTL_DEV = 1 << 15, /* 5 */

    SK_LL_READ = SK_LL_READ_FILE | SK_LL_READ_DIR,
    SK_LL_RUN = SK_LL_READ | SK_LL_EXECUTE
};

/* Kernels differ in what they can restrict: a set is made of what this one knows. */
struct sk_landlock {
    int version; /* 0: this kernel has none, and fd is -1 */
    int fd;      /* of the set; close() */
    uint64_t known;
};

/* 0: this kernel has none. */
int sk_landlock_version(void);
/* A set that allows nothing yet; abstract sockets and signals of others are out of reach where the
 * kernel can do that, and without may_bind TCP ports are not bound. */
int sk_landlock_make(bool may_bind, struct sk_landlock *out, struct sk_err *err) SK_CHECK;
/* Allows `access` at a path and below it, or of a file what can be done to one. What is not there
 * needs no rule. -1 with errno; safe between fork and exec. */
int sk_landlock_allow(int fd, uint64_t known, const char *path, uint64_t access);
/* From now on this thread, and those and the processes that it makes. -1 with errno; safe between
 * fork and exec. */
int sk_landlock_enter(int fd);

/* ---- system calls: seccomp ---- */

#if defined(__x86_64__)
#define SK_FILTER_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define SK_FILTER_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define SK_FILTER_ARCH AUDIT_ARCH_RISCV64
#endif

enum {
    SK_FILTER_MAX = 320,
    /* CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET */
    SK_FILTER_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 |
                           0x20000000 | 0x40000000
};

struct sk_filter {
    struct sock_filter items[SK_FILTER_MAX];
    unsigned short len; /* 0: none for this machine */
};

/* A filter is written from its beginning to its end; who writes sees to it that it fits. */
#ifdef SK_FILTER_ARCH
/* Another architecture's calls end the process, x32's are ENOSYS. Then the call's number is loaded.
 */
void sk_filter_begin(struct sk_filter *f);
#endif
void sk_filter_load(struct sk_filter *f, size_t offset); /* in struct seccomp_data */
/* The low half of the first argument: these machines are little-endian. */
void sk_filter_load_arg0(struct sk_filter *f);
void sk_filter_give(struct sk_filter *f, uint32_t what);
/* test: BPF_JEQ and so on; yes, no: how many instructions are left out. */
void sk_filter_jump(struct sk_filter *f, unsigned test, uint32_t value, size_t yes, size_t no);
/* Sockets are local, of IP, or netlink; others are EAFNOSUPPORT. Expects the number, and leaves it
 * for what follows, which only other calls reach. */
void sk_filter_sockets(struct sk_filter *f);

#endif
