/* filter.c - the instructions of a seccomp filter, see sandbox.h. */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define X32_BIT 0x40000000u

static const unsigned families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };

enum {
    FAMILIES = sizeof families / sizeof families[0]
};

static void put(struct sk_filter *f, struct sock_filter instruction)
{
    f->items[f->len++] = instruction;
}

void sk_filter_load(struct sk_filter *f, size_t offset)
{
    put(f, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

void sk_filter_load_arg0(struct sk_filter *f)
{
    sk_filter_load(f, offsetof(struct seccomp_data, args[0]));
}

void sk_filter_give(struct sk_filter *f, uint32_t what)
{
    put(f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, what));
}

void sk_filter_jump(struct sk_filter *f, unsigned test, uint32_t value, size_t yes, size_t no)
{
    put(f, (struct sock_filter)BPF_JUMP((unsigned short)(BPF_JMP | BPF_K | test), value,
                                        (uint8_t)yes, (uint8_t)no));
}

#ifdef SK_FILTER_ARCH

void sk_filter_begin(struct sk_filter *f)
{
    f->len = 0;
    sk_filter_load(f, offsetof(struct seccomp_data, arch));
    sk_filter_jump(f, BPF_JEQ, SK_FILTER_ARCH, 1, 0);
    sk_filter_give(f, SECCOMP_RET_KILL_PROCESS);
    sk_filter_load(f, offsetof(struct seccomp_data, nr));
    sk_filter_jump(f, BPF_JGE, X32_BIT, 0, 1);
    sk_filter_give(f, SECCOMP_RET_ERRNO | ENOSYS);
}

#endif

void sk_filter_sockets(struct sk_filter *f)
{
    sk_filter_jump(f, BPF_JEQ, SYS_socket, 0, FAMILIES + 3);
    sk_filter_load_arg0(f);
    for (size_t i = 0; i < FAMILIES; i++)
        sk_filter_jump(f, BPF_JEQ, families[i], FAMILIES - i, 0);
    sk_filter_give(f, SECCOMP_RET_ERRNO | EAFNOSUPPORT);
    sk_filter_give(f, SECCOMP_RET_ALLOW);
}
