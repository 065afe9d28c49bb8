/* loopback.c - one thread, one connection at a time. */
#include "fetch/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* The whole request: up to the blank line, and as many bytes more as it announces. */
static bool is_whole(const char *text, size_t len)
{
    const char *end = strstr(text, "\r\n\r\n");
    const char *announced = strcasestr(text, "\r\ncontent-length:");
    size_t body = 0;

    if (!end)
        return false;
    if (announced && announced < end)
        body = strtoul(announced + 17, NULL, 10);
    return len >= (size_t)(end + 4 - text) + body;
}

static void read_request(int fd, char *out)
{
    size_t len = 0;

    out[0] = '\0';
    while (len + 1 < SK_LOOPBACK_REQUEST_BYTES && !is_whole(out, len)) {
        ssize_t n = recv(fd, out + len, SK_LOOPBACK_REQUEST_BYTES - 1 - len, 0);
        if (n <= 0)
            return;
        len += (size_t)n;
        out[len] = '\0';
    }
}

static void say(int fd, const char *reply)
{
    char byte;

    if (strcmp(reply, SK_LOOPBACK_SILENCE) == 0) {
        while (recv(fd, &byte, 1, 0) > 0)
            continue;
        return;
    }
    for (size_t at = 0, len = strlen(reply); at < len;) {
        ssize_t n = send(fd, reply + at, len - at, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        at += (size_t)n;
    }
}

static void *serve(void *arg)
{
    struct sk_loopback *s = arg;
    const char *const *reply = s->replies;
    int fd;

    while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
        unsigned at = s->count < SK_LOOPBACK_REQUESTS ? s->count : SK_LOOPBACK_REQUESTS - 1;
        read_request(fd, s->requests[at]);
        s->count++;
        say(fd, *reply);
        if (reply[1])
            reply++;
        /* An answer without a length ends here; what the client has not sent is of no interest. */
        (void)shutdown(fd, SHUT_WR);
        (void)close(fd);
    }
    return NULL;
}

struct sk_loopback *sk_loopback_start(const char *const *replies)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof addr;
    struct sk_loopback *s = calloc(1, sizeof *s);

    assert_non_null(s);
    s->replies = replies;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->fd >= 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(listen(s->fd, 8), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&addr, &len), 0);
    s->port = ntohs(addr.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    return s;
}

void sk_loopback_stop(struct sk_loopback *s)
{
    if (s->fd < 0)
        return;
    (void)shutdown(s->fd, SHUT_RDWR); /* wakes accept() */
    (void)pthread_join(s->thread, NULL);
    (void)close(s->fd);
    s->fd = -1;
}

void sk_loopback_free(struct sk_loopback *s)
{
    sk_loopback_stop(s);
    free(s);
}

const char *sk_loopback_url(const struct sk_loopback *s, const char *path, char *out)
{
    (void)snprintf(out, 256, "http://127.0.0.1:%d%s", s->port, path);
    return out;
}
