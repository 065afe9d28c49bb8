/*
 * cmd_health.c - `skerry health`: is the server in this container ready? For HEALTHCHECK, since the
 * image has neither a shell nor curl.
 *
 * Host and port come from the variables that `serve` reads, so both always agree. A server with TLS
 * is asked for its handshake only: its certificate names the outside, not the loopback.
 */
#include "base/clock.h"
#include "base/str.h"
#include "cli/cli_priv.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

struct args {
    const char *host, *tls_cert;
    uint64_t port, timeout_ms;
};

static const struct sk_opt options[] = {
    { "host", 'H', SK_OPT_TEXT, "ADDR", "where the server listens; 0.0.0.0 is this machine",
      .def = "127.0.0.1", .offset = offsetof(struct args, host) },
    { "port", 'p', SK_OPT_U64, "N", "its port", .def = "5001", .min = 1, .max = 65535,
      .offset = offsetof(struct args, port) },
    { "tls-cert", 0, SK_OPT_TEXT, "FILE", "set: the server speaks TLS; a handshake is enough",
      .offset = offsetof(struct args, tls_cert) },
    { "timeout", 0, SK_OPT_MS, "TIME", "how long to wait", .def = "4s", .min = 1, .max = 60000,
      .offset = offsetof(struct args, timeout_ms) },
    { .name = NULL },
};

struct probe {
    int fd;
    uint64_t deadline_ms;
};

static void probe_done(struct probe *p)
{
    sk_close(&p->fd);
}

static int wait_for(const struct probe *p, short events, struct sk_err *err)
{
    struct pollfd poller = { .fd = p->fd, .events = events };

    for (;;) {
        uint64_t now = sk_now_ms();
        int n = now >= p->deadline_ms ? 0 : poll(&poller, 1, (int)(p->deadline_ms - now));
        if (n > 0)
            return 0;
        if (n == 0)
            return sk_fail(err, SK_TIMEOUT, "no answer in time");
        if (errno != EINTR)
            return sk_fail_errno(err, "waiting");
    }
}

static void free_addresses(struct addrinfo **a)
{
    if (*a)
        freeaddrinfo(*a);
}

static int dial(struct probe *p, const struct args *a, struct sk_err *err)
{
    const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
    SK_AUTO(free_addresses) struct addrinfo *found = NULL;
    char port[8];
    int failed = 0;
    socklen_t len = sizeof failed;

    (void)snprintf(port, sizeof port, "%u", (unsigned)a->port);
    if (getaddrinfo(a->host, port, &hints, &found) != 0)
        return sk_fail(err, SK_INVALID, "'%s' is no IP address", a->host);
    p->fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->fd < 0)
        return sk_fail_errno(err, "socket");
    if (connect(p->fd, found->ai_addr, found->ai_addrlen) < 0 && errno != EINPROGRESS)
        return sk_fail_errno(err, "connecting");
    if (wait_for(p, POLLOUT, err) < 0)
        return -1;
    if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &failed, &len) < 0)
        return sk_fail_errno(err, "connecting");
    errno = failed;
    return failed ? sk_fail_errno(err, "connecting") : 0;
}

/* The status line is enough. */
static int ask(const struct probe *p, struct sk_err *err)
{
    static const char request[] = "GET /readyz HTTP/1.1\r\nHost: localhost\r\n"
                                  "Connection: close\r\n\r\n";
    char line[sizeof "HTTP/1.1 200"] = { 0 };
    size_t have = 0;

    if (send(p->fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)sizeof request - 1)
        return sk_fail_errno(err, "sending");
    while (have < sizeof line - 1) {
        if (wait_for(p, POLLIN, err) < 0)
            return -1;
        ssize_t n = recv(p->fd, line + have, sizeof line - 1 - have, 0);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return sk_fail_errno(err, "reading");
        if (n == 0)
            break;
        have += (size_t)n;
    }
    if (strncmp(line, "HTTP/1.", 7) != 0 || have < sizeof line - 1)
        return sk_fail(err, SK_REMOTE, "what listens there does not speak HTTP");
    if (strcmp(line + 9, "200") != 0)
        return sk_fail(err, SK_BUSY, "not ready: status %s", line + 9);
    return 0;
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_AUTO(probe_done) struct probe p = { -1, sk_now_ms() + a->timeout_ms };
    SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(1 << 20);
    int rc;

    (void)operands;
    (void)count;
    if (a->tls_cert)
        rc = sk_tls_peek(a->host, (uint16_t)a->port, a->timeout_ms, &pem, err);
    else
        rc = dial(&p, a, err) < 0 || ask(&p, err) < 0 ? -1 : 0;
    return rc < 0 ? sk_wrap(err, "%s:%u", a->host, (unsigned)a->port) : 0;
}

const struct sk_cmd sk_cli_health = {
    .name = "health",
    .summary = "Status 0 when the server on this machine is ready",
    .details = "Asks /readyz of 'skerry serve'. The variables SKERRY_HOST, SKERRY_PORT and "
               "SKERRY_TLS_CERT mean what they mean to the server.",
    .examples = "skerry health --port 5001 # in a container's HEALTHCHECK\n",
    .options = options,
    .args_size = sizeof(struct args),
    .hidden = true, /* for containers */
    .run = run,
};
