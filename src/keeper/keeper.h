/*
 * keeper.h - a small process that holds the listening sockets of modules, and forwards TCP to
 * containers, so that a published port never closes while agent and local hub are restarted.
 *
 * The keeper listens on a unix socket (SOCK_SEQPACKET, 0600); each request is one datagram, each
 * answer another, with a descriptor beside it where one is asked for (SCM_RIGHTS). A port has a
 * name ("defect-detector/0.0.0.0:5001/tcp"). It either lies there for a process that accepts on a
 * copy of its descriptor, or is a forward: then the keeper itself accepts, and joins each client to
 * the target of that moment; connections that are there keep theirs when the target changes.
 * Without a target clients wait in the backlog.
 *
 * One thread, one epoll set; memory per forwarded connection is bounded by its two pipes' worth.
 * Errors: SK_EXISTS (another holds the address: which), SK_DENIED, SK_INVALID, SK_NOT_FOUND, SK_IO,
 * SK_BUSY (no keeper answers).
 */
#ifndef SK_KEEPER_KEEPER_H
#define SK_KEEPER_KEEPER_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SK_KEEPER_NAME_MAX = 200,
    SK_KEEPER_PORTS_MAX = 256
};

/* The process: serves until it is told to end. Takes over LISTEN_FDS of systemd's FDSTORE by their
 * names, and stores there what it binds when NOTIFY_SOCKET is set. SK_EXISTS: another keeper is
 * there. */
int sk_keeper_run(const char *socket_path, struct sk_err *err) SK_CHECK;

/* ---- the agent's side; calls wait, at most 5 s; one thread at a time ---- */
struct sk_keeper;

/* SK_BUSY: nobody listens there. */
int sk_keeper_connect(const char *socket_path, struct sk_keeper **out, struct sk_err *err) SK_CHECK;
void sk_keeper_free(struct sk_keeper *k);
SK_DEFINE_OWN(struct sk_keeper, sk_keeper_free);

/* host: a numeric address, in brackets or not; "" is all of both families. Names are printable
 * ASCII without spaces and '|'.
 *
 * Binds host:port under this name unless it has that already (another address under the name: it is
 * bound first, then the old one is closed), and gives a copy of the listening socket. *fd: close().
 * is_forward: it is the keeper's own; fd may be NULL. */
int sk_keeper_listen(struct sk_keeper *k, const char *name, const char *host, uint16_t port,
                     bool is_forward, int *fd, struct sk_err *err) SK_CHECK;
/* Where new clients of a forward go, "172.18.0.2:5001"; NULL: they wait. */
int sk_keeper_forward(struct sk_keeper *k, const char *name, const char *target,
                      struct sk_err *err) SK_CHECK;
/* No more clients; connections that are there go on. A name that is not there is fine. */
int sk_keeper_close(struct sk_keeper *k, const char *name, struct sk_err *err) SK_CHECK;

struct sk_keeper_port {
    char name[SK_KEEPER_NAME_MAX + 1], address[64], target[64]; /* target "": none */
    bool is_forward;
    uint64_t connections, accepted; /* of a forward: now, and ever */
    uint64_t older; /* of the connections: those made before the target was last changed */
};

int sk_keeper_list(struct sk_keeper *k,
                   int (*each)(void *ctx, const struct sk_keeper_port *p, struct sk_err *err),
                   void *ctx, struct sk_err *err) SK_CHECK;
/* Closes all and ends the process. */
int sk_keeper_stop(struct sk_keeper *k, struct sk_err *err) SK_CHECK;

#endif
