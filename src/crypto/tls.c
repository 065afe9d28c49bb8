/*
 * tls.c - the TLS front: one thread, two epoll sets, TLS 1.2 and 1.3 by OpenSSL.
 *
 * Clients are accepted, shake hands within handshake_ms, and are then joined to a socket pair whose
 * other end the plain server gets (tls_link.c moves the bytes). The server sees connections only
 * that speak TLS, and needs no TLS library. Or their first bytes are looked at, and the client is
 * given away as a stream (tls_stream.c), of which nothing is left here.
 *
 *     accepted -> SHAKING -> CHOOSING -> OPEN -> CLOSING -> DEAD
 *                                  \-> given away
 *
 * A handshake costs up to a millisecond of arithmetic. Clients that are not open yet have an epoll
 * set of their own, which is ready when one of them is: each round serves the open ones first, then
 * SHAKES steps of the others, then takes ACCEPTS new ones, so a storm of new clients does not
 * starve the old.
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
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum {
    EVENTS = 64,
    SHAKES = 8,
    ACCEPTS = 64,
    BACKLOG = 1024, /* what is still taken at the end */
    TICK_MS = 100,
    PAIR_BYTES = 65536,
    QUIET_SHAKE_MS = 1000
};

/* What an epoll entry is when it is no link's. */
enum {
    AT_LISTEN,
    AT_WAKE,
    AT_SHAKES
};

struct sk_tls_front {
    struct sk_tls_options opts;
    char *cert_file, *key_file;
    pthread_t thread;
    bool runs;
    int listen_fd, wake_fd, epoll_fd, shakes_fd; /* of the thread */
    bool accept_pauses, has_new, has_shakes;     /* the last two: in this round */
    _Atomic bool stops, quiesces;
    _Atomic bool wants_accept; /* written under the lock */
    _Atomic unsigned count;
    _Atomic uint64_t refused;
    struct sk_tls_link *links, *dead;
    struct sk_tls_spares spares;
    pthread_mutex_t lock; /* guards ctx, accepts and is_quiet */
    pthread_cond_t changed;
    SSL_CTX *ctx;
    bool accepts; /* the thread may accept: what wants_accept said when it last looked */
    bool is_quiet;
};

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
    int set = l->stage < SK_TLS_OPEN ? f->shakes_fd : f->epoll_fd;
    if (epoll_ctl(set, op, fd, &event) < 0)
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

/* What is known of a client; *der holds its certificate and is for OPENSSL_free. */
static int describe(struct sk_tls_front *f, const struct sk_tls_link *l, struct sk_tls_peer *out,
                    unsigned char **der)
{
    X509 *cert = f->opts.asks_cert ? SSL_get1_peer_certificate(l->ssl) : NULL;
    int len = cert ? i2d_X509(cert, der) : 0;
    X509_free(cert);
    if (len < 0)
        return -1;
    *out = (struct sk_tls_peer){ l->addr, l->addr_len, *der, (size_t)len };
    return 0;
}

static void leave_shakes(struct sk_tls_front *f, struct sk_tls_link *l)
{
    (void)epoll_ctl(f->shakes_fd, EPOLL_CTL_DEL, l->client, NULL);
    l->client_events = EPOLLET;
}

/* The server gets its end. */
static int join(struct sk_tls_front *f, struct sk_tls_link *l)
{
    int pair[2];
    struct sk_tls_peer peer;
    unsigned char *der = NULL;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    const int bytes = f->opts.pair_bytes > PAIR_BYTES ? (int)f->opts.pair_bytes : PAIR_BYTES;
    (void)setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    l->plain = pair[0];
    leave_shakes(f, l);
    int rc = sk_tls_link_open(l) ? describe(f, l, &peer, &der) : -1;
    if (rc == 0)
        rc = f->opts.accept(pair[1], &peer, f->opts.ctx);
    OPENSSL_free(der);
    if (rc < 0)
        (void)close(pair[1]);
    return rc;
}

/* The taker may have freed the stream on another thread before `take` returns, and its descriptor
 * may be another's: by then the front knows neither. */
static int give_away(struct sk_tls_front *f, struct sk_tls_link *l)
{
    struct sk_tls_peer peer;
    unsigned char *der = NULL;
    if (describe(f, l, &peer, &der) < 0)
        return -1;
    struct sk_stream *s = sk_tls_stream_new(l->ssl, l->client, l->first, l->first_len);
    if (!s) {
        OPENSSL_free(der);
        return -1;
    }
    leave_shakes(f, l);
    l->ssl = NULL;
    l->client = -1;
    bury(f, l);
    if (f->opts.take(s, &peer, f->opts.ctx) < 0)
        sk_stream_free(s);
    OPENSSL_free(der);
    return 0;
}

/* -1: the link is over. */
static int choose(struct sk_tls_front *f, struct sk_tls_link *l)
{
    const char *prefix = f->opts.take ? f->opts.take_prefix : NULL;
    switch (prefix ? sk_tls_link_choose(l, prefix) : SK_TLS_JOINS) {
    case SK_TLS_WAITS:
        return 0;
    case SK_TLS_JOINS:
        return join(f, l);
    case SK_TLS_IS_TAKEN:
        return give_away(f, l);
    case SK_TLS_FAILS:
        break;
    }
    return -1;
}

static int shake(struct sk_tls_front *f, struct sk_tls_link *l)
{
    if (l->stage == SK_TLS_SHAKING) {
        int rc = sk_tls_link_shake(l);
        if (rc <= 0)
            return rc;
        l->stage = SK_TLS_CHOOSING;
    }
    return choose(f, l);
}

static void serve_link(struct sk_tls_front *f, struct sk_tls_link *l)
{
    if (l->stage < SK_TLS_OPEN && shake(f, l) < 0)
        l->stage = SK_TLS_DEAD;
    else if (l->stage == SK_TLS_DEAD)
        return; /* given away */
    if (l->stage == SK_TLS_OPEN || l->stage == SK_TLS_CLOSING)
        sk_tls_link_pump(l, sk_now_ms());
    settle(f, l);
}

/* One that shakes hands with the certificate of now. */
static SSL *make_ssl(struct sk_tls_front *f)
{
    SK_LOCK(&f->lock);
    return SSL_new(f->ctx);
}

static void add_link(struct sk_tls_front *f, int fd, const struct sockaddr_storage *addr,
                     socklen_t addr_len)
{
    struct sk_tls_link *l = atomic_load(&f->count) < f->opts.max_connections ? calloc(1, sizeof *l)
                                                                             : NULL;
    SSL *ssl = l ? make_ssl(f) : NULL;
    if (!ssl || SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        free(l);
        atomic_fetch_add(&f->refused, 1); /* first: whoever sees the end finds it counted */
        (void)close(fd);
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
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = AT_LISTEN };
    (void)epoll_ctl(f->epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, f->listen_fd, &event);
    f->accept_pauses = !on;
}

/* A flood must not keep the thread from its links: the rest is taken in the next round. */
static void accept_some(struct sk_tls_front *f, int most)
{
    for (int i = 0; i < most && f->listen_fd >= 0 && atomic_load(&f->wants_accept); i++) {
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

/* Does what sk_tls_accepting() says, between two rounds of accepting. */
static void settle_accepting(struct sk_tls_front *f)
{
    SK_LOCK(&f->lock);
    const bool wants = atomic_load(&f->wants_accept);
    if (f->listen_fd < 0 || wants == f->accepts)
        return;
    set_accepting(f, wants);
    f->accept_pauses = false;
    f->accepts = wants;
    (void)pthread_cond_broadcast(&f->changed);
}

/* What waits in the backlog is taken unless it is another's; handshakes have little time left. */
static void become_quiet(struct sk_tls_front *f)
{
    const uint64_t last_ms = sk_now_ms() + QUIET_SHAKE_MS;
    if (!f->opts.is_shared)
        accept_some(f, BACKLOG);
    sk_close(&f->listen_fd);
    f->accept_pauses = false;
    for (struct sk_tls_link *l = f->links; l; l = l->next)
        if (l->stage < SK_TLS_OPEN && l->deadline_ms > last_ms)
            l->deadline_ms = last_ms;
    SK_LOCK(&f->lock);
    f->is_quiet = true;
    (void)pthread_cond_broadcast(&f->changed);
}

static void serve_link_event(struct sk_tls_front *f, const struct epoll_event *event)
{
    struct sk_tls_link *l = (struct sk_tls_link *)(uintptr_t)(event->data.u64 & ~(uint64_t)1);
    bool is_plain = event->data.u64 & 1;
    if (l->stage == SK_TLS_DEAD)
        return;
    /* A hang-up comes unasked and again and again: a client that is gone takes no more bytes. */
    if (!is_plain && event->events & (EPOLLHUP | EPOLLERR) && !(event->events & EPOLLIN)) {
        bury(f, l);
        return;
    }
    serve_link(f, l);
}

static void serve_event(struct sk_tls_front *f, const struct epoll_event *event)
{
    uint64_t woken = 0;
    switch (event->data.u64) {
    case AT_LISTEN:
        f->has_new = true;
        break;
    case AT_WAKE:
        (void)!read(f->wake_fd, &woken, sizeof woken);
        break;
    case AT_SHAKES:
        f->has_shakes = true;
        break;
    default:
        serve_link_event(f, event);
    }
}

/* Waits at most wait_ms (-1: for ever). */
static void serve_round(struct sk_tls_front *f, int wait_ms)
{
    struct epoll_event events[EVENTS];
    f->has_new = f->has_shakes = false;
    int n = epoll_wait(f->epoll_fd, events, EVENTS, wait_ms);
    for (int i = 0; i < n; i++)
        serve_event(f, &events[i]);
    n = f->has_shakes ? epoll_wait(f->shakes_fd, events, SHAKES, 0) : 0;
    for (int i = 0; i < n; i++)
        serve_link_event(f, &events[i]);
    if (f->has_new)
        accept_some(f, ACCEPTS);
}

static void *front_main(void *arg)
{
    struct sk_tls_front *f = arg;
    if (f->opts.nice > 0) /* Linux: of this thread alone */
        (void)setpriority(PRIO_PROCESS, 0, f->opts.nice);
    uint64_t next_ms = 0;
    bool is_quiet = false;
    while (!atomic_load(&f->stops)) {
        serve_round(f, f->links || f->accept_pauses ? TICK_MS : -1);
        settle_accepting(f);
        if (atomic_load(&f->quiesces) && !is_quiet) {
            is_quiet = true;
            become_quiet(f);
        }
        uint64_t now = sk_now_ms();
        if (now >= next_ms) {
            next_ms = now + TICK_MS;
            bury_late(f, now);
            if (f->accept_pauses)
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

static int watch(struct sk_tls_front *f, int fd, uint64_t what)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = what };
    return epoll_ctl(f->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int start(struct sk_tls_front *f, struct sk_err *err)
{
    if (sk_tls_context(&f->opts, &f->ctx, err) < 0 || sk_cond_init(&f->changed, err) < 0)
        return -1;
    int flags = fcntl(f->listen_fd, F_GETFL);
    if (flags < 0 || fcntl(f->listen_fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return sk_fail_errno(err, "the listening socket");
    f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    f->shakes_fd = epoll_create1(EPOLL_CLOEXEC);
    f->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (f->epoll_fd < 0 || f->shakes_fd < 0 || f->wake_fd < 0 ||
        watch(f, f->wake_fd, AT_WAKE) < 0 || watch(f, f->shakes_fd, AT_SHAKES) < 0)
        return sk_fail_errno(err, "TLS event loop");
    settle_accepting(f);
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
    atomic_init(&f->wants_accept, !opts->starts_paused);
    f->wake_fd = f->epoll_fd = f->shakes_fd = -1;
    (void)pthread_mutex_init(&f->lock, NULL);
    f->opts.cert_file = f->cert_file = strdup(opts->cert_file);
    f->opts.key_file = f->key_file = strdup(opts->key_file);
    if (!f->cert_file || !f->key_file)
        return sk_nomem(err);
    if (opts->take_prefix && strlen(opts->take_prefix) > SK_TLS_PREFIX_MAX)
        return sk_fail(err, SK_LIMIT, "TLS: a prefix of %zu bytes is too long",
                       strlen(opts->take_prefix));
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

int sk_tls_reload(struct sk_tls_front *f, struct sk_err *err)
{
    SSL_CTX *fresh = NULL, *old;
    if (sk_tls_context(&f->opts, &fresh, err) < 0)
        return -1;
    {
        SK_LOCK(&f->lock);
        old = f->ctx;
        f->ctx = fresh;
    }
    SSL_CTX_free(old); /* its clients hold it */
    return 0;
}

void sk_tls_accepting(struct sk_tls_front *f, bool on)
{
    SK_LOCK(&f->lock);
    atomic_store(&f->wants_accept, on);
    wake(f);
    while (f->accepts != on && !f->is_quiet)
        (void)pthread_cond_wait(&f->changed, &f->lock);
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
    sk_close(&f->shakes_fd);
    SSL_CTX_free(f->ctx);
    free(f->cert_file);
    free(f->key_file);
    (void)pthread_cond_destroy(&f->changed);
    (void)pthread_mutex_destroy(&f->lock);
    free(f);
}
