/* client.c - see client.h. */
#include "client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    IN_BYTES = 128 << 20
};

void client_open(struct client *c, uint16_t port)
{
    *c = (struct client){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                          .in = SK_BUF_INIT(IN_BYTES) };
    struct sockaddr_in addr = { .sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const int on = 1;
    assert_true(c->fd >= 0);
    assert_int_equal(connect(c->fd, (struct sockaddr *)&addr, sizeof addr), 0);
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void client_open_unix(struct client *c, const char *path)
{
    *c = (struct client){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                          .in = SK_BUF_INIT(IN_BYTES) };
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    assert_true(c->fd >= 0);
    assert_int_equal(connect(c->fd, (struct sockaddr *)&addr, sizeof addr), 0);
}

void client_close(struct client *c)
{
    (void)close(c->fd);
    sk_buf_done(&c->in);
}

bool client_send_bytes(struct client *c, const void *bytes, size_t len)
{
    const char *p = bytes;
    while (len > 0) {
        ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

void client_send(struct client *c, const char *text)
{
    (void)client_send_bytes(c, text, strlen(text));
}

/* False at the end of the connection. */
static bool more(struct client *c, int ms)
{
    struct pollfd p = { .fd = c->fd, .events = POLLIN };
    if (poll(&p, 1, ms) <= 0)
        fail_msg("nothing was received within %d ms", ms);
    char *room = sk_buf_reserve(&c->in, 65536);
    assert_non_null(room);
    ssize_t n = recv(c->fd, room, 65536, 0);
    if (n > 0)
        sk_buf_commit(&c->in, (size_t)n);
    return n > 0;
}

static void use(struct client *c, size_t len)
{
    memmove(c->in.data, c->in.data + len, c->in.len - len);
    c->in.len -= len;
    c->in.data[c->in.len] = '\0';
}

void client_read(struct client *c, bool is_head, struct answer *out)
{
    char *end = NULL;
    memset(out, 0, sizeof *out);
    while (!c->in.data || !(end = strstr(c->in.data, "\r\n\r\n")))
        if (!more(c, HTTP_WAIT_MS))
            return;
    size_t head = (size_t)(end - c->in.data) + 4;
    assert_true(head < sizeof out->head);
    memcpy(out->head, c->in.data, head);
    out->status = (int)strtol(out->head + 9, NULL, 10);
    const char *length = answer_header(out, "Content-Length");
    out->body_len = length && !is_head ? strtoull(length, NULL, 10) : 0;
    while (c->in.len < head + out->body_len)
        if (!more(c, HTTP_WAIT_MS))
            fail_msg("the answer's body was cut off: %zu of %zu", c->in.len - head, out->body_len);
    size_t shown = out->body_len < sizeof out->body ? out->body_len : sizeof out->body - 1;
    memcpy(out->body, c->in.data + head, shown);
    use(c, head + out->body_len);
}

bool client_ends(struct client *c, int ms)
{
    struct pollfd p = { .fd = c->fd, .events = POLLIN };
    char byte;
    return c->in.len == 0 && poll(&p, 1, ms) > 0 && recv(c->fd, &byte, 1, 0) <= 0;
}

void client_ask(uint16_t port, const char *text, struct answer *out)
{
    struct client c;
    client_open(&c, port);
    client_send(&c, text);
    client_read(&c, strncmp(text, "HEAD", 4) == 0, out);
    client_close(&c);
}

const char *answer_header(const struct answer *a, const char *name)
{
    static _Thread_local char value[512];
    size_t len = strlen(name);
    for (const char *line = strstr(a->head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, len) != 0 || line[len] != ':')
            continue;
        (void)snprintf(value, sizeof value, "%.*s", (int)strcspn(line + len + 2, "\r"),
                       line + len + 2);
        return value;
    }
    return NULL;
}
