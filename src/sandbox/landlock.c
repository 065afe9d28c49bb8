/* landlock.c - sets of paths, see sandbox.h. */
#include "sandbox/sandbox.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    ALL_OF_1 = (1 << 13) - 1,
    OF_A_FILE = SK_LL_EXECUTE | SK_LL_WRITE_FILE | SK_LL_READ_FILE | SK_LL_TRUNCATE |
                SK_LL_IOCTL_DEV,
    BIND_TCP = 1 << 0,     /* version 4 */
    SCOPE_ABSTRACT = 1,    /* 6: abstract unix sockets of others */
    SCOPE_SIGNAL = 1 << 1, /* 6 */
    RULE_PATH_BENEATH = 1,
    CREATE_VERSION = 1
};

struct ruleset_attr {
    uint64_t fs, net, scoped;
};

struct __attribute__((packed)) path_beneath_attr {
    uint64_t access;
    int32_t fd;
};

static uint64_t known_to(int version)
{
    const uint64_t all = ALL_OF_1;
    return all | (version >= 2 ? SK_LL_REFER : 0u) | (version >= 3 ? SK_LL_TRUNCATE : 0u) |
           (version >= 5 ? SK_LL_IOCTL_DEV : 0u);
}

int sk_landlock_version(void)
{
    const long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
    return version < 0 ? 0 : (int)version;
}

int sk_landlock_make(bool may_bind, struct sk_landlock *out, struct sk_err *err)
{
    *out = (struct sk_landlock){ .version = sk_landlock_version(), .fd = -1 };
    if (out->version == 0)
        return 0;
    out->known = known_to(out->version);
    struct ruleset_attr attr = { .fs = out->known };
    size_t size = sizeof attr.fs;
    if (out->version >= 4) {
        attr.net = may_bind ? 0 : BIND_TCP;
        size = sizeof attr.fs + sizeof attr.net;
    }
    if (out->version >= 6) {
        attr.scoped = SCOPE_SIGNAL | SCOPE_ABSTRACT;
        size = sizeof attr;
    }
    out->fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    return out->fd < 0 ? sk_fail_errno(err, "landlock") : 0;
}

int sk_landlock_allow(int fd, uint64_t known, const char *path, uint64_t access)
{
    SK_AUTO(sk_close) int at = open(path, O_PATH | O_CLOEXEC);
    struct stat st;
    if (at < 0 || fstat(at, &st) < 0)
        return 0;
    access &= S_ISDIR(st.st_mode) ? known : known & OF_A_FILE;
    const struct path_beneath_attr rule = { .access = access, .fd = at };
    return (int)syscall(SYS_landlock_add_rule, fd, RULE_PATH_BENEATH, &rule, 0);
}

int sk_landlock_enter(int fd)
{
    return (int)syscall(SYS_landlock_restrict_self, fd, 0);
}
