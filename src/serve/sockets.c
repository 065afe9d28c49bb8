/*
 * sockets.c - systemd's protocol: LISTEN_FDS sockets begin at descriptor 3, if LISTEN_PID is us;
 * LISTEN_FDNAMES has their names, with colons between them.
 */
#include "serve/sockets_priv.h"

#include "base/log.h"
#include "base/str.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    FIRST_FD = 3,
    FDS_MAX = 64
};

/* The name of the i-th socket; empty when it has none. */
static struct sk_view name_at(const char *names, unsigned i)
{
    while (names && i > 0) {
        names = strchr(names, ':');
        names = names ? names + 1 : NULL;
        i--;
    }
    return (struct sk_view){ names ? names : "", names ? strcspn(names, ":") : 0 };
}

static int choose(unsigned count, const char *names, struct sk_sockets *out, struct sk_err *err)
{
    int other = 0;

    for (unsigned i = 0; i < count; i++) {
        const int fd = FIRST_FD + (int)i;
        const struct sk_view name = name_at(names, i);
        int *place = sk_view_eq(name, "http")      ? &out->http_fd
                     : sk_view_eq(name, "control") ? &out->control_fd
                     : sk_view_eq(name, "inside")  ? &out->inside_fd
                                                   : &other;
        if (*place && place != &other)
            return sk_fail(err, SK_INVALID, "LISTEN_FDNAMES has two sockets named '%.*s'",
                           (int)name.len, name.ptr);
        if (!*place)
            *place = fd;
    }
    if (!out->http_fd)
        out->http_fd = other;
    return 0;
}

static void close_others(unsigned count, const char *names, const struct sk_sockets *a)
{
    for (unsigned i = 0; i < count; i++) {
        const int fd = FIRST_FD + (int)i;
        const struct sk_view name = name_at(names, i);
        if (fd == a->http_fd || fd == a->control_fd || fd == a->inside_fd)
            continue;
        sk_log(SK_WARN, "socket_unused",
               "fd=%d name=\"%.*s\" hint=\"only http and control are used\"", fd, (int)name.len,
               name.ptr);
        (void)close(fd);
    }
}

static int take_sockets(struct sk_sockets *out, struct sk_err *err)
{
    const char *pid_text = getenv("LISTEN_PID"), *count_text = getenv("LISTEN_FDS");
    const char *names = getenv("LISTEN_FDNAMES");
    uint64_t pid = 0, count = 0;

    if (!pid_text || !count_text)
        return 0;
    if (sk_parse_u64("LISTEN_PID", pid_text, 0, INT32_MAX, &pid, err) < 0 ||
        sk_parse_u64("LISTEN_FDS", count_text, 0, FDS_MAX, &count, err) < 0)
        return -1;
    if ((pid_t)pid != getpid())
        return 0; /* meant for another: a parent that did not remove them */
    for (int fd = FIRST_FD; fd < FIRST_FD + (int)count; fd++)
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
            return sk_fail_errno(err, "LISTEN_FDS is %d, but descriptor %d", (int)count, fd);
    if (choose((unsigned)count, names, out, err) < 0)
        return -1;
    close_others((unsigned)count, names, out);
    return 0;
}

int sk_sockets_take(struct sk_sockets *out, struct sk_err *err)
{
    const char *start = getenv("SKERRY_START");
    struct sk_sockets a = { .is_paused = start && strcmp(start, "paused") == 0 };

    if (start && !a.is_paused && *start)
        return sk_fail(err, SK_USAGE, "SKERRY_START is '%.40s'; only 'paused' is known", start);
    if (take_sockets(&a, err) < 0)
        return -1;
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    if (a.is_paused && !a.control_fd)
        return sk_fail(err, SK_USAGE,
                       "SKERRY_START=paused needs a socket named 'control' in LISTEN_FDNAMES: "
                       "nobody could ever say when to accept");
    *out = a;
    return 0;
}
