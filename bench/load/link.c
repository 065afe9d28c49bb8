/* link.c - a connection that never waits: TCP, then TLS if wanted, then bytes. */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    OUT_MAX = 64 << 20
};

static int poller = -1;

void link_setup(int epoll)
{
    poller = epoll;
}

static void tell(struct link *l, int how, bool wants_out)
{
    struct epoll_event e = { .events = EPOLLIN | (wants_out ? (uint32_t)EPOLLOUT : 0),
                             .data.ptr = l };
    l->wants_out = wants_out;
    (void)epoll_ctl(poller, how, l->fd, &e);
}

static void start(struct link *l)
{
    l->sent = 0;
    l->is_up = false;
    sk_buf_done(&l->out);
    l->out = (struct sk_buf)SK_BUF_INIT(OUT_MAX);
}

int link_open(struct link *l, const struct link_target *to, unsigned source, SSL_SESSION *resume)
{
    const int on = 1;
    start(l);
    l->is_connected = false;
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return -1;
    (void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (source > 0) { /* 28,000 ports for each pair of addresses */
        struct sockaddr_in from = { .sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(0x7f000001u + source) };
        (void)setsockopt(l->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        if (bind(l->fd, (struct sockaddr *)&from, sizeof from) < 0)
            return -1;
    }
    if (connect(l->fd, (const struct sockaddr *)&to->addr, sizeof to->addr) < 0 &&
        errno != EINPROGRESS)
        return -1;
    if (to->tls) {
        l->ssl = SSL_new(to->tls);
        if (!l->ssl || SSL_set_fd(l->ssl, l->fd) != 1)
            return -1;
        SSL_set_connect_state(l->ssl);
        SSL_set_app_data(l->ssl, l);
        if (to->name && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(l->ssl), to->name) != 1 &&
            SSL_set1_host(l->ssl, to->name) != 1)
            return -1;
        if (resume && SSL_set_session(l->ssl, resume) != 1)
            return -1;
    }
    tell(l, EPOLL_CTL_ADD, true);
    return 0;
}

int link_accepted(struct link *l, int fd, SSL_CTX *tls)
{
    const int on = 1;
    start(l);
    l->fd = fd;
    l->is_connected = true;
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (tls) {
        l->ssl = SSL_new(tls);
        if (!l->ssl || SSL_set_fd(l->ssl, fd) != 1)
            return -1;
        SSL_set_accept_state(l->ssl);
    }
    tell(l, EPOLL_CTL_ADD, false);
    return 0;
}

static bool is_waiting(struct link *l, int rc)
{
    int why = SSL_get_error(l->ssl, rc);
    ERR_clear_error();
    if (why == SSL_ERROR_WANT_WRITE && !l->wants_out)
        tell(l, EPOLL_CTL_MOD, true);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

int link_step(struct link *l)
{
    int failed = 0;
    socklen_t len = sizeof failed;
    if (l->is_up)
        return 1;
    if (!l->is_connected) {
        struct sockaddr_in peer;
        socklen_t peer_len = sizeof peer;
        if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &failed, &len) < 0 || failed != 0)
            return -1;
        if (getpeername(l->fd, (struct sockaddr *)&peer, &peer_len) < 0)
            return errno == ENOTCONN ? 0 : -1;
        l->is_connected = true;
        tell(l, EPOLL_CTL_MOD, false);
    }
    if (l->ssl) {
        int rc = SSL_do_handshake(l->ssl);
        if (rc != 1)
            return is_waiting(l, rc) ? 0 : -1;
    }
    l->is_up = true;
    return 1;
}

ssize_t link_read(struct link *l, char *to, size_t max)
{
    if (l->ssl) {
        int got = SSL_read(l->ssl, to, (int)max);
        if (got > 0)
            return got;
        return is_waiting(l, got) ? 0 : -1;
    }
    ssize_t got = recv(l->fd, to, max, 0);
    if (got > 0)
        return got;
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

bool link_has_more(const struct link *l)
{
    return l->ssl && SSL_has_pending(l->ssl);
}

static ssize_t write_some(struct link *l, const char *bytes, size_t len)
{
    if (l->ssl) {
        int put = SSL_write(l->ssl, bytes, len > 16384 ? 16384 : (int)len);
        if (put > 0)
            return put;
        return is_waiting(l, put) ? 0 : -1;
    }
    ssize_t put = send(l->fd, bytes, len, MSG_NOSIGNAL);
    if (put >= 0)
        return put;
    return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

int link_flush(struct link *l)
{
    if (!l->is_up)
        return 0;
    while (l->sent < l->out.len) {
        ssize_t put = write_some(l, l->out.data + l->sent, l->out.len - l->sent);
        if (put < 0)
            return -1;
        if (put == 0) {
            if (!l->wants_out)
                tell(l, EPOLL_CTL_MOD, true);
            return 0;
        }
        l->sent += (size_t)put;
    }
    l->sent = 0;
    if (l->out.cap > 4096)
        sk_buf_done(&l->out); /* ten thousand of them should stay small */
    else
        sk_buf_clear(&l->out);
    if (l->wants_out)
        tell(l, EPOLL_CTL_MOD, false);
    return 0;
}

void link_close(struct link *l)
{
    SSL_free(l->ssl);
    l->ssl = NULL;
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = -1;
    l->is_up = l->is_connected = false;
    sk_buf_done(&l->out);
    l->sent = 0;
}
