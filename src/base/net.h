/*
 * net.h - listening sockets and addresses as text.
 */
#ifndef SK_BASE_NET_H
#define SK_BASE_NET_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum {
    SK_PEER_TEXT = 56 /* "[", an IPv6 address, "]:65535" and NUL */
};

/* A listening TCP socket (close-on-exec) on a name or numeric address, in brackets or not; "::"
 * serves both families. port 0: the kernel picks one. SK_INVALID: no such host. *fd: close(). */
int sk_listen(const char *host, uint16_t port, int backlog, int *fd, struct sk_err *err) SK_CHECK;
/* The port a socket is bound to; 0: none (a unix socket, or not bound). */
uint16_t sk_port_of(int fd);
/* Bytes that the peer's TCP has acknowledged (TCP_INFO); 0: not known. */
uint64_t sk_tcp_acked(int fd);
/* "192.0.2.1:5000", "[2001:db8::1]:5000", "local" for other families and NULL; into
 * out[SK_PEER_TEXT]. */
void sk_peer_text(const void *sockaddr, size_t len, char *out);

#endif
