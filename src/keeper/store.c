/*
 * store.c - systemd's side of it, by hand (sd_notify(3), sd_listen_fds(3)): descriptors that it
 * keeps while we are not there, and what it handed over at start.
 *
 * A name may not have ':' there, and ours have: "defect-detector/0.0.0.0:5001/tcp". '|' stands for
 * it, which is why ours may not have that.
 */
#include "keeper/keeper_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    FIRST_FD = 3,
    MOST_FDS = SK_KEEPER_PORTS_MAX + 8
};

static void replace(char *text, char from, char to)
{
    for (char *p = strchr(text, from); p; p = strchr(p, from))
        *p = to;
}

void sk_keeper_store_name(const char *name, char out[SK_KEEPER_NAME_MAX + 1])
{
    (void)snprintf(out, SK_KEEPER_NAME_MAX + 1, "%s", name);
    replace(out, ':', '|');
}

void sk_keeper_store_unname(const char *stored, size_t len, char out[SK_KEEPER_NAME_MAX + 1])
{
    (void)snprintf(out, SK_KEEPER_NAME_MAX + 1, "%.*s", (int)len, stored);
    replace(out, '|', ':');
}

static bool notify_address(const char *path, struct sockaddr_un *out, socklen_t *len)
{
    size_t n = strlen(path);

    *out = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (n < 2 || n >= sizeof out->sun_path || (path[0] != '/' && path[0] != '@'))
        return false;
    memcpy(out->sun_path, path, n);
    if (path[0] == '@')
        out->sun_path[0] = '\0';
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (path[0] == '/'));
    return true;
}

void sk_keeper_notify(const char *text, int fd)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to;
    socklen_t to_len = 0;

    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { .bytes = { 0 } };
    struct iovec part = { .iov_len = strlen(text) };
    struct msghdr m = { .msg_name = &to, .msg_iov = &part, .msg_iovlen = 1 };

    if (!path || !notify_address(path, &to, &to_len))
        return;
    memcpy(&part.iov_base, &text, sizeof text); /* sendmsg does not write there */
    m.msg_namelen = to_len;
    if (fd >= 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof control.bytes;
        control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof fd),
                                         .cmsg_level = SOL_SOCKET,
                                         .cmsg_type = SCM_RIGHTS };
        memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    }
    SK_AUTO(sk_close) int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s >= 0)
        (void)!sendmsg(s, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void sk_keeper_store_put(const char *name, int fd)
{
    char stored[SK_KEEPER_NAME_MAX + 1], text[SK_KEEPER_NAME_MAX + 32];

    sk_keeper_store_name(name, stored);
    (void)snprintf(text, sizeof text, "FDSTORE=1\nFDNAME=%s", stored);
    sk_keeper_notify(text, fd);
}

void sk_keeper_store_remove(const char *name)
{
    char stored[SK_KEEPER_NAME_MAX + 1], text[SK_KEEPER_NAME_MAX + 32];

    sk_keeper_store_name(name, stored);
    (void)snprintf(text, sizeof text, "FDSTOREREMOVE=1\nFDNAME=%s", stored);
    sk_keeper_notify(text, -1);
}

/* The variable as a number; 0: none, or none that makes sense. */
static uint64_t number_of(const char *variable, uint64_t max)
{
    struct sk_err ignored = SK_ERR_INIT;
    const char *text = getenv(variable);
    uint64_t n = 0;

    return text && sk_parse_u64(variable, text, 1, max, &n, &ignored) == 0 ? n : 0;
}

void sk_keeper_store_take(void (*each)(void *ctx, const char *name, int fd), void *ctx)
{
    char name[SK_KEEPER_NAME_MAX + 1];
    const char *names = getenv("LISTEN_FDNAMES");
    uint64_t count = number_of("LISTEN_FDS", MOST_FDS);

    if (number_of("LISTEN_PID", INT32_MAX) != (uint64_t)getpid())
        count = 0;
    for (uint64_t i = 0; i < count; i++) {
        size_t len = names ? strcspn(names, ":") : 0;
        int fd = FIRST_FD + (int)i;
        sk_keeper_store_unname(names ? names : "", len, name);
        if (names)
            names = names[len] ? names + len + 1 : NULL;
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
            each(ctx, name, fd);
    }
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
}
