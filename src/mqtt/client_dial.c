/*
 * client_dial.c - from a name to a connection that TLS has shaken hands on.
 *
 * A name's addresses are tried in the system's order (RFC 6724), both families. One that refuses,
 * or does not answer for SK_CLIENT_ADDRESS_MS while there is another, makes room for the next; all
 * share the dial's time. Once one has accepted, it is the one: what goes wrong later (TLS, CONNACK)
 * would go wrong at the others too.
 *
 * `tried` is the address at hand as text, or with a reason behind it when it has failed.
 */
#include "mqtt/client_priv.h"

#include "base/net.h"
#include "base/thread.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static void lose_with(struct sk_mqtt_line *l, const struct sk_err *err)
{
    sk_line_lose(l, SK_MQTT_ACCEPTED, err->text);
}

void sk_line_dial(struct sk_mqtt_line *l)
{
    struct sk_mqtt_dialer *d = l->dialer;
    struct sk_err err = SK_ERR_INIT;

    l->state = SK_LINE_RESOLVING;
    l->by_ms = d->now_ms + l->opts.connect_ms;
    sk_dialer_set_due(d, l->by_ms);
    if (sk_resolver_ask(d->resolver, l->opts.host, l->opts.port, l, &l->lookup, &err) < 0)
        lose_with(l, &err);
}

static int open_socket(struct sk_mqtt_line *l, const struct addrinfo *a, struct sk_err *err)
{
    SK_AUTO(sk_close)
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
    const int on = 1;
    const unsigned patience_ms = l->opts.keep_alive_s * 1500u;

    if (fd < 0)
        return sk_fail_errno(err, "a socket");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, sizeof patience_ms);
    if (connect(fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS)
        return sk_fail(err, SK_IO, "%s", strerror(errno));
    if (sk_link_new(l, sk_take_fd(&fd), &l->link, err) < 0)
        return -1;
    if (sk_link_ask_epoll(l->link, EPOLLOUT) < 0)
        return sk_fail_errno(err, "epoll");
    return 0;
}

/* All share what is left of the dial's time; one that is not the last gets few seconds. */
static uint64_t address_deadline(const struct sk_mqtt_line *l)
{
    const uint64_t soon_ms = l->dialer->now_ms + SK_CLIENT_ADDRESS_MS;

    return l->next_address && soon_ms < l->by_ms ? soon_ms : l->by_ms;
}

/* Begins with the next address. The last to fail says why when there are no more. */
static void try_next(struct sk_mqtt_line *l)
{
    struct sk_mqtt_dialer *d = l->dialer;

    while (l->next_address) {
        const struct addrinfo *a = l->next_address;
        struct sk_err err = SK_ERR_INIT;
        char peer[SK_PEER_TEXT];

        l->next_address = a->ai_next;
        sk_link_kill(SK_TAKE(l->link));
        sk_peer_text(a->ai_addr, a->ai_addrlen, peer);
        l->state = SK_LINE_CONNECTING;
        l->address_by_ms = address_deadline(l);
        (void)sk_fail(&l->tried, SK_IO, "%s", peer);
        if (open_socket(l, a, &err) == 0) {
            sk_dialer_set_due(d, l->address_by_ms);
            return;
        }
        (void)sk_fail(&l->tried, err.code, "%s: %s", peer, err.text);
    }
    lose_with(l, &l->tried);
}

/* The address that was tried last does not answer. */
static void fail_address(struct sk_mqtt_line *l, const char *why)
{
    struct sk_err before = l->tried;

    (void)sk_fail(&l->tried, SK_IO, "%s: %s", before.text, why);
    try_next(l);
}

void sk_line_resolved(struct sk_mqtt_line *l, struct sk_lookup *k)
{
    struct sk_err err = SK_ERR_INIT;

    l->lookup = NULL;
    if (k->rc != 0)
        (void)sk_fail(&err, SK_NOT_FOUND, "the name '%s' is not known: %s", l->opts.host,
                      k->rc == EAI_SYSTEM ? strerror(k->why) : gai_strerror(k->rc));
    else
        l->found = l->next_address = SK_TAKE(k->found);
    sk_lookup_free(k);
    if (err.code != SK_OK)
        lose_with(l, &err);
    else
        try_next(l);
}

/* The login is there, or there is nobody to ask. */
void sk_line_ask_login(struct sk_mqtt_line *l)
{
    const struct sk_mqtt_line_handler *h = l->opts.handler;

    l->state = SK_LINE_ASKING;
    if (!h->login) {
        sk_line_greet(l);
        return;
    }
    {
        SK_LOCK(&l->lock);
        l->is_asking = true;
    }
    h->login(l, l->opts.ctx); /* the answer comes by the mail */
}

static void shake(struct sk_mqtt_line *l)
{
    struct sk_err err = SK_ERR_INIT;
    int rc = sk_tls_client_shake(l->link->stream, &err);

    if (rc < 0) {
        (void)sk_wrap(&err, "%s", l->tried.text);
        lose_with(l, &err);
    } else if (rc > 0) {
        sk_line_ask_login(l);
    }
}

static void begin_tls(struct sk_mqtt_line *l)
{
    const struct sk_mqtt_line_options *o = &l->opts;
    const struct sk_tls_client_options tls = { .shared = l->dialer->tls,
                                               .name = o->verify_name,
                                               .ca_file = o->ca_file,
                                               .cert_file = o->cert_file,
                                               .key_file = o->key_file };
    struct sk_err err = SK_ERR_INIT;

    freeaddrinfo(l->found);
    l->found = l->next_address = NULL;
    l->state = SK_LINE_SHAKING;
    if (sk_tls_client(sk_take_fd(&l->link->fd), &tls, &l->link->stream, &err) < 0)
        lose_with(l, &err);
    else
        shake(l);
}

static void on_connected(struct sk_mqtt_line *l)
{
    int why = 0;
    socklen_t len = sizeof why;

    if (getsockopt(l->link->fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0)
        why = errno;
    if (why != 0)
        fail_address(l, strerror(why));
    else
        begin_tls(l);
}

/* What a dial was waiting for when its time was over. */
void sk_line_time_out(struct sk_mqtt_line *l)
{
    static const char *const what[] = {
        [SK_LINE_RESOLVING] = "its name was not found in time",
        [SK_LINE_SHAKING] = "no answer to the TLS handshake in time",
        [SK_LINE_ASKING] = "no login was given in time",
        [SK_LINE_GREETING] = "no CONNACK in time",
        [SK_LINE_SUBSCRIBING] = "no SUBACK in time",
    };
    struct sk_err err = SK_ERR_INIT;

    if (l->state == SK_LINE_CONNECTING) {
        fail_address(l, "no answer in time");
        return;
    }
    const char *where = l->state == SK_LINE_RESOLVING ? l->opts.host : l->tried.text;

    (void)sk_fail(&err, SK_TIMEOUT, "%s: %s", where, what[l->state]);
    lose_with(l, &err);
}

void sk_line_ready(struct sk_mqtt_line *l, unsigned events)
{
    if (l->state == SK_LINE_CONNECTING) {
        if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
            on_connected(l);
    } else if (l->state == SK_LINE_SHAKING) {
        shake(l);
    } else {
        sk_link_read(l->link); /* also when it may be written: TLS may wait for the other one */
    }
    sk_line_settle(l);
}
