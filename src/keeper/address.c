/*
 * address.c - numeric addresses, and who has one already.
 *
 * Names are not resolved: that would wait for a network, and map a resolver into a process that is
 * to stay small.
 */
#include "keeper/keeper_priv.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int sk_keeper_address(const char *host, uint16_t port, struct sk_keeper_address *out,
                      struct sk_err *err)
{
    char text[INET6_ADDRSTRLEN];
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    size_t len = strlen(host);
    bool has_brackets = len >= 2 && host[0] == '[' && host[len - 1] == ']';

    (void)snprintf(text, sizeof text, "%.*s", (int)(has_brackets ? len - 2 : len),
                   host + has_brackets);
    *out = (struct sk_keeper_address){ .len = 0 };
    if (!has_brackets && inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        memcpy(&out->sa, &in, sizeof in);
        out->len = sizeof in;
    } else if (len == 0 || inet_pton(AF_INET6, text, &in6.sin6_addr) == 1) {
        memcpy(&out->sa, &in6, sizeof in6); /* zeros are "::" */
        out->len = sizeof in6;
    } else {
        return sk_fail(err, SK_INVALID, "'%s' is no IP address", host);
    }
    return 0;
}

int sk_keeper_target(const char *text, struct sk_keeper_address *out, struct sk_err *err)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;

    if (!colon || colon == text || (size_t)(colon - text) >= sizeof host ||
        (text[0] != '[' && memchr(text, ':', (size_t)(colon - text))))
        return sk_fail(err, SK_INVALID,
                       "'%s' is no target: expected an address and a port, such as 172.18.0.2:5001",
                       text);
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    if (sk_parse_u64("port", colon + 1, 1, UINT16_MAX, &port, err) < 0 ||
        sk_keeper_address(host, (uint16_t)port, out, err) < 0)
        return sk_wrap(err, "target '%s'", text);
    return 0;
}

/* ---- who ---- */

/* The inode of the socket that listens on the port, in a table such as /proc/net/tcp; 0: none. */
static unsigned long find_inode(const char *proc, const char *table, uint16_t port)
{
    char path[64], line[512];
    unsigned long inode = 0;

    (void)snprintf(path, sizeof path, "%s/net/%s", proc, table);
    SK_AUTO(fclose_cleanup) FILE *f = fopen(path, "re");
    while (f && !inode && fgets(line, sizeof line, f)) {
        unsigned local = 0, state = 0;
        unsigned long found = 0;
        /* sl local remote state queues timer retransmits uid timeout inode */
        if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %lu",
                   &local, &state, &found) == 3 &&
            local == port && state == 0x0a)
            inode = found;
    }
    return inode;
}

static bool has_inode(const char *proc, const char *pid, const char *wanted)
{
    char path[320], link[64];

    (void)snprintf(path, sizeof path, "%s/%s/fd", proc, pid);
    DIR *dir = opendir(path);
    bool has = false;
    for (struct dirent *e; dir && !has && (e = readdir(dir));) {
        ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof link - 1);
        link[n < 0 ? 0 : n] = '\0';
        has = strcmp(link, wanted) == 0;
    }
    if (dir)
        (void)closedir(dir);
    return has;
}

static void name_process(const char *proc, const char *pid, char *out, size_t size)
{
    char path[320], comm[32] = "";

    (void)snprintf(path, sizeof path, "%s/%s/comm", proc, pid);
    SK_AUTO(fclose_cleanup) FILE *f = fopen(path, "re");
    if (f && fgets(comm, sizeof comm, f))
        comm[strcspn(comm, "\n")] = '\0';
    (void)snprintf(out, size, "process %s (%s)", pid, comm[0] ? comm : "?");
}

void sk_keeper_owner(const char *proc, uint16_t port, char *out, size_t size)
{
    char wanted[64];
    unsigned long inode = find_inode(proc, "tcp", port);

    (void)snprintf(out, size, "another process");
    if (!inode)
        inode = find_inode(proc, "tcp6", port);
    if (!inode)
        return;
    (void)snprintf(wanted, sizeof wanted, "socket:[%lu]", inode);
    DIR *dir = opendir(proc);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (e->d_name[0] < '1' || e->d_name[0] > '9' || !has_inode(proc, e->d_name, wanted))
            continue;
        name_process(proc, e->d_name, out, size);
        break;
    }
    if (dir)
        (void)closedir(dir);
}
