/*
 * tls.c - the TLS front: one thread, one epoll set, TLS 1.2 and 1.3 by OpenSSL.
 *
 * Clients are accepted, shake hands within handshake_ms, and are then joined to a socket pair whose
 * other end the plain server gets (tls_link.c moves the bytes). The server sees connections only
 * that speak TLS, and needs no TLS library.
 *
 * Epoll entries point at their link, with bit 0 for the plain side; a link that died is freed after
 * the batch of events in which it died, so no event points at freed memory. All links belong to the
 * thread.
 */
#include "crypto/tls_priv.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>

enum {
    EVENTS = 64,
    ACCEPTS = 1024,
    TICK_MS = 100,
    PAIR_BYTES = 65536,
    CERT_LIST_BYTES = 32768, /* of what a client may show */
    QUIET_SHAKE_MS = 1000
};

struct sk_tls_front {
    struct sk_tls_options opts;
    SSL_CTX *ctx;
    pthread_t thread;
    bool runs;
    int listen_fd, wake_fd, epoll_fd; /* of the thread */
    bool accept_pauses;
    _Atomic bool stops, quiesces;
    _Atomic unsigned count;
    _Atomic uint64_t refused;
    struct sk_tls_link *links, *dead;
    struct sk_tls_spares spares;
    pthread_mutex_t lock; /* guards is_quiet */
    pthread_cond_t changed;
    bool is_quiet;
};

static int fail_openssl(struct sk_err *err, const char *what, const char *file)
{
    unsigned long code = ERR_peek_error(); /* the first is the cause */
    const char *reason = NULL;
    if (ERR_SYSTEM_ERROR(code))
        reason = strerror(ERR_GET_REASON(code));
    else if (code)
        reason = ERR_reason_error_string(code);
    ERR_clear_error();
    return sk_fail(err, SK_INVALID, "TLS %s '%s': %s", what, file,
                   reason ? reason : "unknown reason");
}

/* ---- context ---- */

/* Of what the client offers we take http/1.1; a client that offers only other protocols is refused
 * (RFC 7301, 3.2). */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1\x08http/1.0";
    (void)ssl;
    (void)arg;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* A key with a passphrase is an error: a server must not ask on a terminal. */
static int no_passphrase(char *buf, int size, int is_writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)is_writing;
    (void)arg;
    return -1;
}

static int load_files(SSL_CTX *ctx, const char *cert, const char *key, struct sk_err *err)
{
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        return fail_openssl(err, "certificate", cert);
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        return fail_openssl(err, "key", key);
    if (SSL_CTX_check_private_key(ctx) != 1)
        return sk_fail(err, SK_INVALID, "TLS key '%s' does not belong to the certificate '%s'", key,
                       cert);
    return 0;
}

/* Who the client is, is for the server behind us to judge; that it has the key, TLS has shown. */
static int take_any(X509_STORE_CTX *store, void *arg)
{
    (void)store;
    (void)arg;
    return 1;
}

static void ask_cert(SSL_CTX *ctx)
{
    static const unsigned char ours[] = "skerry";
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, take_any, NULL);
    SSL_CTX_set_max_cert_list(ctx, CERT_LIST_BYTES);
    (void)SSL_CTX_set_session_id_context(ctx, ours, sizeof ours - 1); /* else nobody resumes */
}

static int make_context(struct sk_tls_front *f, struct sk_err *err)
{
    f->ctx = SSL_CTX_new(TLS_server_method());
    if (!f->ctx)
        return sk_nomem(err);
    (void)SSL_CTX_set_min_proto_version(f->ctx, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(f->ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                          SSL_OP_CIPHER_SERVER_PREFERENCE |
                                          SSL_OP_PRIORITIZE_CHACHA);
    (void)SSL_CTX_set_mode(f->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                       SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(f->ctx, 1); /* several records by one read */
    SSL_CTX_set_default_read_buffer_len(f->ctx, SK_TLS_CHUNK_BYTES);
    if (SSL_CTX_set_cipher_list(f->ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1)
        return fail_openssl(err, "ciphers", "1.2");
    SSL_CTX_set_alpn_select_cb(f->ctx, choose_protocol, NULL);
    if (f->opts.asks_cert)
        ask_cert(f->ctx);
    return load_files(f->ctx, f->opts.cert_file, f->opts.key_file, err);
}

/* ---- links ---- */

static void free_link(struct sk_tls_link *l)
{
    SSL_free(l->ssl);
    sk_tls_link_drop(l);
    sk_close(&l->client);
    sk_close(&l->plain);
    free(l);
}

/* Takes l out of the living; the memory stays until the batch is over. */
static void bury(struct sk_tls_front *f, struct sk_tls_link *l)
{
    l->stage = SK_TLS_DEAD;
    *l->prev = l->next;
    if (l->next)
        l->next->prev = l->prev;
    sk_close(&l->client); /* leaves the epoll set: we never copy descriptors */
    sk_close(&l->plain);
    l->next = f->dead;
    f->dead = l;
    atomic_fetch_sub(&f->count, 1);
}

static void free_dead(struct sk_tls_front *f)
{
    while (f->dead) {
        struct sk_tls_link *l = f->dead;
        f->dead = l->next;
        free_link(l);
    }
}

static int register_side(struct sk_tls_front *f, struct sk_tls_link *l, int fd, bool is_plain,
                         unsigned events, unsigned *registered)
{
    if (*registered == events)
        return 0;
    struct epoll_event event = { .events = events & ~(unsigned)EPOLLET,
                                 .data.u64 = (uintptr_t)l | is_plain };
    int op = *registered == EPOLLET ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (epoll_ctl(f->epoll_fd, op, fd, &event) < 0)
        return -1;
    *registered = events;
    return 0;
}

/* Brings epoll up to date, or buries a link that is over. */
static void settle(struct sk_tls_front *f, struct sk_tls_link *l)
{
    unsigned client, plain;
    sk_tls_link_wants(l, &client, &plain);
    if (l->stage == SK_TLS_DEAD ||
        register_side(f, l, l->client, false, client, &l->client_events) < 0 ||
        (l->plain >= 0 && register_side(f, l, l->plain, true, plain, &l->plain_events) < 0))
        bury(f, l);
}

/* Gives fd to the server, with what is known of the client. */
static int introduce(struct sk_tls_front *f, struct sk_tls_link *l, int fd)
{
    struct sk_tls_peer peer = { .addr = l->addr, .addr_len = l->addr_len };
    unsigned char *der = NULL;
    X509 *cert = f->opts.asks_cert ? SSL_get1_peer_certificate(l->ssl) : NULL;
    int len = cert ? i2d_X509(cert, &der) : 0;
    X509_free(cert);
    if (len < 0)
        return -1;
    peer.cert = der;
    peer.cert_len = (size_t)len;
    int rc = f->opts.accept(fd, &peer, f->opts.ctx);
    OPENSSL_free(der);
    return rc;
}

/* The handshake is done: the server gets its end. */
static int join(struct sk_tls_front *f, struct sk_tls_link *l)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    const int bytes = f->opts.pair_bytes > PAIR_BYTES ? (int)f->opts.pair_bytes : PAIR_BYTES;
    (void)setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    l->plain = pair[0];
    l->stage = SK_TLS_OPEN;
    l->deadline_ms = 0;
    if (introduce(f, l, pair[1]) == 0)
        return 0;
    (void)close(pair[1]);
    return -1;
}

static void serve_link(struct sk_tls_front *f, struct sk_tls_link *l)
{
    if (l->stage == SK_TLS_SHAKING) {
        int rc = sk_tls_link_shake(l);
        if (rc < 0 || (rc > 0 && join(f, l) < 0))
            l->stage = SK_TLS_DEAD;
    }
    if (l->stage == SK_TLS_OPEN || l->stage == SK_TLS_CLOSING)
        sk_tls_link_pump(l, sk_now_ms());
    settle(f, l);
}

static void add_link(struct sk_tls_front *f, int fd, const struct sockaddr_storage *addr,
                     socklen_t addr_len)
{
    struct sk_tls_link *l = atomic_load(&f->count) < f->opts.max_connections ? calloc(1, sizeof *l)
                                                                             : NULL;
    SSL *ssl = l ? SSL_new(f->ctx) : NULL;
    if (!ssl || SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        free(l);
        (void)close(fd);
        atomic_fetch_add(&f->refused, 1);
        return;
    }
    _Static_assert(sizeof *addr <= SK_TLS_ADDR_BYTES, "an address fits");
    memcpy(l->addr, addr, addr_len);
    l->addr_len = addr_len;
    l->ssl = ssl;
    l->spares = &f->spares;
    l->client = fd;
    l->plain = -1;
    l->client_events = l->plain_events = EPOLLET; /* not registered yet: we never ask for edges */
    l->patience_ms = f->opts.handshake_ms;
    l->deadline_ms = sk_now_ms() + f->opts.handshake_ms;
    l->next = f->links;
    l->prev = &f->links;
    if (l->next)
        l->next->prev = &l->next;
    f->links = l;
    atomic_fetch_add(&f->count, 1);
    settle(f, l);
}

/* ---- the thread ---- */

static void set_accepting(struct sk_tls_front *f, bool on)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = 0 };
    (void)epoll_ctl(f->epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, f->listen_fd, &event);
    f->accept_pauses = !on;
}

/* A flood must not keep the thread from its links: the rest is taken in the next round. */
static void accept_some(struct sk_tls_front *f)
{
    for (int i = 0; i < ACCEPTS && f->listen_fd >= 0; i++) {
        struct sockaddr_storage addr;
        socklen_t len = sizeof addr;
        int fd = accept4(f->listen_fd, (struct sockaddr *)&addr, &len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            add_link(f, fd, &addr, len);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            set_accepting(f, false); /* tried again at the next tick */
        if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

static void bury_late(struct sk_tls_front *f, uint64_t now_ms)
{
    for (struct sk_tls_link *l = f->links, *next; l; l = next) {
        next = l->next;
        if (sk_tls_link_is_late(l, now_ms))
            bury(f, l);
    }
}

/* What waits in the backlog is taken; handshakes have little time left. */
static void become_quiet(struct sk_tls_front *f)
{
    const uint64_t last_ms = sk_now_ms() + QUIET_SHAKE_MS;
    accept_some(f);
    sk_close(&f->listen_fd);
    for (struct sk_tls_link *l = f->links; l; l = l->next)
        if (l->stage == SK_TLS_SHAKING && l->deadline_ms > last_ms)
            l->deadline_ms = last_ms;
    SK_LOCK(&f->lock);
    f->is_quiet = true;
    (void)pthread_cond_broadcast(&f->changed);
}

static void serve_event(struct sk_tls_front *f, const struct epoll_event *event)
{
    if (event->data.u64 == 0) {
        accept_some(f);
    } else if (event->data.u64 == 1) {
        uint64_t woken = 0;
        (void)!read(f->wake_fd, &woken, sizeof woken);
    } else {
        struct sk_tls_link *l = (struct sk_tls_link *)(uintptr_t)(event->data.u64 & ~(uint64_t)1);
        bool is_plain = event->data.u64 & 1;
        if (l->stage == SK_TLS_DEAD)
            return;
        /* A hang-up comes unasked and again and again: a client that is gone takes no more bytes.
         */
        if (!is_plain && event->events & (EPOLLHUP | EPOLLERR) && !(event->events & EPOLLIN)) {
            bury(f, l);
            return;
        }
        serve_link(f, l);
    }
}

static void *front_main(void *arg)
{
    struct sk_tls_front *f = arg;
    uint64_t next_ms = 0;
    bool is_quiet = false;
    while (!atomic_load(&f->stops)) {
        struct epoll_event events[EVENTS];
        bool is_busy = f->links || f->accept_pauses;
        int n = epoll_wait(f->epoll_fd, events, EVENTS, is_busy ? TICK_MS : -1);
        for (int i = 0; i < n; i++)
            serve_event(f, &events[i]);
        if (atomic_load(&f->quiesces) && !is_quiet) {
            is_quiet = true;
            become_quiet(f);
        }
        uint64_t now = sk_now_ms();
        if (now >= next_ms) {
            next_ms = now + TICK_MS;
            bury_late(f, now);
            if (f->accept_pauses && f->listen_fd >= 0)
                set_accepting(f, true);
        }
        free_dead(f);
    }
    return NULL;
}

/* ---- from outside ---- */

static void wake(struct sk_tls_front *f)
{
    const uint64_t one = 1;
    (void)!write(f->wake_fd, &one, sizeof one);
}

static int start(struct sk_tls_front *f, struct sk_err *err)
{
    if (make_context(f, err) < 0 || sk_cond_init(&f->changed, err) < 0)
        return -1;
    int flags = fcntl(f->listen_fd, F_GETFL);
    if (flags < 0 || fcntl(f->listen_fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return sk_fail_errno(err, "the listening socket");
    f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    f->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = 1 };
    if (f->epoll_fd < 0 || f->wake_fd < 0 ||
        epoll_ctl(f->epoll_fd, EPOLL_CTL_ADD, f->wake_fd, &event) < 0)
        return sk_fail_errno(err, "TLS event loop");
    set_accepting(f, true);
    if (sk_thread_start(&f->thread, "tls-front", front_main, f, err) < 0)
        return -1;
    f->runs = true;
    return 0;
}

SK_DEFINE_OWN(struct sk_tls_front, sk_tls_stop);

int sk_tls_start(const struct sk_tls_options *opts, struct sk_tls_front **out, struct sk_err *err)
{
    SK_AUTO(sk_close) int listen_fd = opts->listen_fd;
    SK_OWN(sk_tls_stop) struct sk_tls_front *f = calloc(1, sizeof *f);
    if (!f)
        return sk_nomem(err);
    f->opts = *opts;
    f->listen_fd = sk_take_fd(&listen_fd);
    f->wake_fd = f->epoll_fd = -1;
    (void)pthread_mutex_init(&f->lock, NULL);
    if (start(f, err) < 0)
        return -1;
    *out = SK_TAKE(f);
    return 0;
}

unsigned sk_tls_connections(const struct sk_tls_front *f)
{
    return atomic_load(&f->count);
}

uint64_t sk_tls_refused(const struct sk_tls_front *f)
{
    return atomic_load(&f->refused);
}

void sk_tls_quiesce(struct sk_tls_front *f)
{
    atomic_store(&f->quiesces, true);
    wake(f);
    SK_LOCK(&f->lock);
    while (!f->is_quiet)
        (void)pthread_cond_wait(&f->changed, &f->lock);
}

void sk_tls_stop(struct sk_tls_front *f)
{
    if (!f)
        return;
    if (f->runs) {
        atomic_store(&f->stops, true);
        wake(f);
        (void)pthread_join(f->thread, NULL);
    }
    while (f->links)
        bury(f, f->links);
    free_dead(f);
    while (f->spares.count > 0)
        free(f->spares.list[--f->spares.count]);
    sk_close(&f->listen_fd);
    sk_close(&f->wake_fd);
    sk_close(&f->epoll_fd);
    SSL_CTX_free(f->ctx);
    (void)pthread_cond_destroy(&f->changed);
    (void)pthread_mutex_destroy(&f->lock);
    free(f);
}
