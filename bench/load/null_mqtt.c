/*
 * null_mqtt.c - an MQTT server that acknowledges everything and keeps nothing.
 *
 *     null_mqtt [--cert server.pem] [--port N]
 *
 * What the generator reaches against it is the generator's own ceiling: with one thread and no
 * work, it leaves nothing to a server but the bytes and TLS. It says "port=N" and runs until
 * killed.
 */
#include "load.h"

#include "base/net.h"
#include "base/opt.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct args {
    const char *cert;
    uint64_t port;
};

enum {
    EVENTS = 256,
    CHUNK = 64 << 10,
    IN_MAX = 1 << 20,
    BACKLOG = 4096
};

#define AT(field) .offset = offsetof(struct args, field)

static const struct sk_opt options[] = {
    { "cert", 0, SK_OPT_TEXT, "FILE", "certificate and key; without: no TLS", AT(cert) },
    { "port", 'p', SK_OPT_U64, "N", "0 picks a free one", .def = "0", .max = 65535, AT(port) },
    { .name = NULL },
};

static const struct sk_cmd command = {
    .name = "null_mqtt",
    .summary = "Acknowledges everything, keeps nothing",
    .options = options,
    .args_size = sizeof(struct args),
};

struct peer {
    struct link link;
    struct sk_buf in;
};

static SSL_CTX *tls;

static void answer_publish(struct peer *p, const struct packet *packet)
{
    static unsigned long long changes = 1; /* of all twins: versions go up */
    struct publish m;
    char topic[256], body[128];
    if (!publish_read(packet, &m))
        return;
    if (m.qos > 0)
        wire_ack(&p->link.out, MQTT_PUBACK, m.id);
    const char *rid = memmem(m.topic.ptr, m.topic.len, "?$rid=", 6);
    if (!rid || m.topic.len < 13 || memcmp(m.topic.ptr, "$iothub/twin/", 13) != 0)
        return;
    bool is_get = m.topic.ptr[13] == 'G';
    changes += !is_get;
    (void)snprintf(body, sizeof body,
                   "{\"desired\":{\"$version\":1},\"reported\":{\"$version\":%llu}}", changes);
    (void)snprintf(topic, sizeof topic, "$iothub/twin/res/%s/%.*s", is_get ? "200" : "204",
                   (int)(m.topic.ptr + m.topic.len - rid), rid);
    size_t len = strlen(topic);
    if (!is_get)
        (void)snprintf(topic + len, sizeof topic - len, "&$version=%llu", changes);
    wire_publish(&p->link.out, topic, sk_view_of(is_get ? body : ""), 0, 0, false);
}

static void answer(struct peer *p, const struct packet *packet)
{
    switch (packet->type) {
    case MQTT_CONNECT:
        sk_buf_add(&p->link.out, "\x20\x02\x00\x00", 4);
        break;
    case MQTT_SUBSCRIBE:
        sk_buf_add(&p->link.out, "\x90\x03", 2);
        sk_buf_add(&p->link.out, packet->body, 2);
        sk_buf_chr(&p->link.out, 1);
        break;
    case MQTT_PUBLISH:
        answer_publish(p, packet);
        break;
    case MQTT_PINGREQ:
        wire_empty(&p->link.out, MQTT_PINGRESP);
        break;
    default:
        break;
    }
}

static void end(struct peer *p)
{
    link_close(&p->link);
    sk_buf_done(&p->in);
    free(p);
}

static int receive(struct peer *p)
{
    static char chunk[CHUNK];
    size_t at = 0;
    ssize_t got = link_read(&p->link, chunk, sizeof chunk);
    if (got <= 0)
        return (int)got;
    sk_buf_add(&p->in, chunk, (size_t)got);
    while (at < p->in.len) {
        struct packet packet;
        ssize_t took = packet_read(p->in.data + at, p->in.len - at, &packet);
        if (took < 0)
            return -1;
        if (took == 0)
            break;
        answer(p, &packet);
        at += (size_t)took;
    }
    memmove(p->in.data, p->in.data + at, p->in.len - at);
    p->in.len -= at;
    return link_flush(&p->link);
}

static void ready(struct link *l)
{
    struct peer *p = l->owner;
    int rc = link_step(l);
    if (rc > 0)
        rc = link_flush(l);
    while (rc >= 0 && l->is_up) {
        rc = receive(p);
        if (rc < 0 || !link_has_more(l))
            break;
    }
    if (rc < 0)
        end(p);
}

static void accept_all(struct link *listener)
{
    for (;;) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        struct peer *p = calloc(1, sizeof *p);
        if (!p)
            abort();
        p->link.ready = ready;
        p->link.owner = p;
        p->in = (struct sk_buf)SK_BUF_INIT(IN_MAX);
        if (link_accepted(&p->link, fd, tls) < 0)
            end(p);
    }
}

static int set_up(const struct args *a, int *fd, struct sk_err *err)
{
    if (a->cert) {
        tls = SSL_CTX_new(TLS_server_method());
        if (!tls || SSL_CTX_use_certificate_chain_file(tls, a->cert) != 1 ||
            SSL_CTX_use_PrivateKey_file(tls, a->cert, SSL_FILETYPE_PEM) != 1)
            return sk_fail(err, SK_INVALID, "%s: no certificate with key", a->cert);
        (void)SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_read_ahead(tls, 1);
    }
    return sk_listen("127.0.0.1", (uint16_t)a->port, BACKLOG, fd, err);
}

int main(int argc, char **argv)
{
    struct sk_err err = SK_ERR_INIT;
    struct args args;
    unsigned operands = 0;
    bool help = false;
    struct link listener = { .fd = -1, .ready = accept_all };
    struct epoll_event events[EVENTS], in = { .events = EPOLLIN, .data.ptr = &listener };
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    (void)signal(SIGPIPE, SIG_IGN);
    link_setup(epoll);
    if (sk_opt_parse(&command, argc, argv, NULL, NULL, &args, &operands, &help, &err) < 0 ||
        set_up(&args, &listener.fd, &err) < 0) {
        (void)fprintf(stderr, "null_mqtt: %s\n", err.text);
        return 2;
    }
    if (fcntl(listener.fd, F_SETFL, O_NONBLOCK) < 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, listener.fd, &in) < 0)
        return 2;
    (void)printf("port=%u\n", sk_port_of(listener.fd));
    (void)fflush(stdout);
    for (;;) {
        int got = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < got; i++) {
            struct link *l = events[i].data.ptr;
            l->ready(l);
        }
    }
}
