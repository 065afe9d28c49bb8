/*
 * sockets_priv.h - listening sockets that whoever started us has opened: systemd's socket
 * activation (sd_listen_fds(3)), as the agent of `skerry edge` uses it too.
 */
#ifndef SK_SERVE_SOCKETS_PRIV_H
#define SK_SERVE_SOCKETS_PRIV_H

#include "base/err.h"

#include <stdbool.h>

struct sk_sockets {
    int http_fd, control_fd; /* 0: none */
    int inside_fd;           /* no socket: see sk_serve_options; 0: none */
    bool is_paused;          /* SKERRY_START=paused */
};

/* Reads LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES and SKERRY_START, and removes the first three, so
 * that no child takes them for its own. The socket named "http", else the first that is not named
 * "control" or "inside", is served; others are closed with a warning. Before any thread is started.
 * On success the descriptors are the caller's. */
int sk_sockets_take(struct sk_sockets *out, struct sk_err *err) SK_CHECK;

#endif
