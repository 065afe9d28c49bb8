/* net.c - listening sockets and addresses as text. */
#include "base/net.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static int open_listener(const struct addrinfo *a, int backlog)
{
    SK_AUTO(sk_close) int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0)
        return -1;
    const int on = 1, off = 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off); /* "::" serves both
                                                                              families */
    if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, backlog) < 0)
        return -1;
    return sk_take_fd(&fd);
}

SK_DEFINE_OWN(struct addrinfo, freeaddrinfo);

int sk_listen(const char *host, uint16_t port, int backlog, int *fd, struct sk_err *err)
{
    char name[256], service[8];
    size_t len = strlen(host);
    bool has_brackets = len >= 2 && host[0] == '[' && host[len - 1] == ']';
    (void)snprintf(name, sizeof name, "%.*s", (int)(has_brackets ? len - 2 : len),
                   host + has_brackets);
    (void)snprintf(service, sizeof service, "%u", port);

    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    SK_OWN(freeaddrinfo) struct addrinfo *list = NULL;
    int rc = getaddrinfo(name, service, &hints, &list);
    if (rc != 0)
        return sk_fail(err, SK_INVALID, "cannot listen on '%s': %s", host, gai_strerror(rc));
    for (const struct addrinfo *a = list; a; a = a->ai_next) {
        *fd = open_listener(a, backlog);
        if (*fd >= 0)
            return 0;
    }
    return sk_fail_errno(err, "cannot listen on %s port %u", host, port);
}

uint16_t sk_port_of(int fd)
{
    struct sockaddr_storage addr = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof addr;
    if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
        return 0;
    if (addr.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&addr)->sin_port);
    return addr.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&addr)->sin6_port) : 0;
}

void sk_peer_text(const void *sockaddr, size_t len, char *out)
{
    char host[INET6_ADDRSTRLEN] = "";
    const sa_family_t family = sockaddr ? ((const struct sockaddr *)sockaddr)->sa_family
                                        : AF_UNSPEC;
    if (family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        memcpy(&in, sockaddr, sizeof in);
        (void)inet_ntop(AF_INET, &in.sin_addr, host, sizeof host);
        (void)snprintf(out, SK_PEER_TEXT, "%s:%u", host, ntohs(in.sin_port));
    } else if (family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in;
        memcpy(&in, sockaddr, sizeof in);
        (void)inet_ntop(AF_INET6, &in.sin6_addr, host, sizeof host);
        (void)snprintf(out, SK_PEER_TEXT, "[%s]:%u", host, ntohs(in.sin6_port));
    } else {
        (void)snprintf(out, SK_PEER_TEXT, "local");
    }
}

uint64_t sk_tcp_acked(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
        len < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof info.tcpi_bytes_acked)
        return 0;
    return info.tcpi_bytes_acked;
}
