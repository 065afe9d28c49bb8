/* registry.c - see registry.h. */
#include "runtime/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    REQUEST_BYTES = 16384
};

static void send_all(int fd, const void *bytes, size_t len)
{
    const char *from = bytes;

    while (len > 0) {
        ssize_t n = send(fd, from, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        from += n;
        len -= (size_t)n;
    }
}

static void send_head(int fd, const char *status, const char *type, size_t len, const char *more)
{
    char head[1024];
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 %s\r\nConnection: close\r\nContent-Type: %s\r\n"
                     "Content-Length: %zu\r\n%s\r\n",
                     status, type, len, more);

    send_all(fd, head, (size_t)n);
}

static const struct registry_item *find(const struct registry *r, const char *path)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->items[i].path, path) == 0)
            return &r->items[i];
    return NULL;
}

static void send_item(struct registry *r, int fd, const struct registry_item *item,
                      const char *request)
{
    const char *range = strcasestr(request, "\r\nrange: bytes=");
    size_t from = range ? strtoul(range + 15, NULL, 10) : 0;
    size_t len = from < item->len ? item->len - from : 0, sent = len;
    char more[128] = "";
    bool is_blob = strstr(item->path, "/blobs/") != NULL;

    if (range)
        (void)snprintf(more, sizeof more, "Content-Range: bytes %zu-%zu/%zu\r\n", from,
                       item->len - 1, item->len);
    send_head(fd, range ? "206 Partial Content" : "200 OK", item->type, len, more);
    if (strncmp(request, "HEAD ", 5) == 0)
        return;
    if (is_blob && r->cut_at > 0 && len > r->cut_at) {
        sent = r->cut_at;
        r->cut_at = 0;
    }
    send_all(fd, item->bytes + from, sent);
    if (is_blob)
        atomic_fetch_add(&r->blob_bytes, (unsigned)sent);
}

static void answer(struct registry *r, int fd, const char *request)
{
    char path[256] = "", wanted[256];
    const struct registry_item *item;

    if (sscanf(request, "%*s %255s", path) != 1)
        return;
    (void)snprintf(wanted, sizeof wanted, "Authorization: Basic %.200s\r\n",
                   r->login ? r->login : "");
    if (r->login && !strcasestr(request, wanted)) {
        send_head(fd, "401 Unauthorized", "application/json", 2,
                  "WWW-Authenticate: Basic realm=\"test\"\r\n");
        send_all(fd, "{}", 2);
        return;
    }
    item = find(r, path);
    if (item) {
        send_item(r, fd, item, request);
    } else {
        bool is_root = strcmp(path, "/v2/") == 0;
        send_head(fd, is_root ? "200 OK" : "404 Not Found", "application/json", 2, "");
        send_all(fd, "{}", 2);
    }
}

static void serve(struct registry *r, int fd)
{
    char request[REQUEST_BYTES];
    size_t len = 0;

    for (;;) {
        ssize_t n = recv(fd, request + len, sizeof request - 1 - len, 0);
        if (n <= 0)
            return;
        len += (size_t)n;
        request[len] = '\0';
        if (strstr(request, "\r\n\r\n"))
            break;
        if (request[0] == 0x16) /* TLS: not here */
            return;
    }
    atomic_fetch_add(&r->requests, 1);
    (void)pthread_mutex_lock(&r->mutex);
    answer(r, fd, request);
    (void)pthread_mutex_unlock(&r->mutex);
    (void)shutdown(fd, SHUT_WR);
    while (recv(fd, request, sizeof request, 0) > 0)
        ;
}

static void *run(void *ctx)
{
    struct registry *r = ctx;

    while (!atomic_load(&r->is_ending)) {
        struct pollfd p = { .fd = r->fd, .events = POLLIN };
        struct timeval second = { .tv_sec = 2 };

        if (poll(&p, 1, 50) <= 0)
            continue;
        int fd = accept(r->fd, NULL, NULL);
        if (fd < 0)
            continue;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
        serve(r, fd);
        (void)close(fd);
    }
    return NULL;
}

struct registry *registry_start(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    struct registry *r = calloc(1, sizeof *r);

    assert_non_null(r);
    assert_int_equal(pthread_mutex_init(&r->mutex, NULL), 0);
    r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(r->fd >= 0);
    assert_int_equal(bind(r->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(r->fd, 64), 0);
    assert_int_equal(getsockname(r->fd, (struct sockaddr *)&a, &len), 0);
    (void)snprintf(r->host, sizeof r->host, "127.0.0.1:%d", ntohs(a.sin_port));
    assert_int_equal(pthread_create(&r->thread, NULL, run, r), 0);
    return r;
}

void registry_put(struct registry *r, const char *path, const char *type, const void *bytes,
                  size_t len)
{
    struct registry_item *item = NULL;

    (void)pthread_mutex_lock(&r->mutex);
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->items[i].path, path) == 0)
            item = &r->items[i];
    if (!item) {
        assert_true(r->count < REGISTRY_ITEMS);
        item = &r->items[r->count++];
    }
    free(item->bytes);
    (void)snprintf(item->path, sizeof item->path, "%s", path);
    (void)snprintf(item->type, sizeof item->type, "%s", type);
    item->bytes = malloc(len + 1);
    assert_non_null(item->bytes);
    memcpy(item->bytes, bytes, len);
    item->len = len;
    (void)pthread_mutex_unlock(&r->mutex);
}

void registry_demand(struct registry *r, const char *login)
{
    (void)pthread_mutex_lock(&r->mutex);
    r->login = login;
    (void)pthread_mutex_unlock(&r->mutex);
}

void registry_cut(struct registry *r, size_t at)
{
    (void)pthread_mutex_lock(&r->mutex);
    r->cut_at = at;
    (void)pthread_mutex_unlock(&r->mutex);
}

void registry_stop(struct registry *r)
{
    if (r->fd < 0)
        return;
    atomic_store(&r->is_ending, true);
    (void)pthread_join(r->thread, NULL);
    (void)close(r->fd);
    r->fd = -1;
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    registry_stop(r);
    for (size_t i = 0; i < r->count; i++)
        free(r->items[i].bytes);
    (void)pthread_mutex_destroy(&r->mutex);
    free(r);
}
