/* engine.c - see the header. */
#include "engine.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Reads head and body. False: the connection is over. */
static bool read_request(int fd, struct sk_buf *out)
{
    char bytes[4096];
    size_t need = SIZE_MAX;

    while (out->len < need) {
        ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        if (n <= 0)
            return false;
        sk_buf_add(out, bytes, (size_t)n);
        const char *end = need == SIZE_MAX ? strstr(out->data, "\r\n\r\n") : NULL;
        if (!end)
            continue;
        const char *length = strstr(out->data, "Content-Length: ");
        unsigned long long more = length && length < end ? strtoull(length + 16, NULL, 10) : 0;
        need = (size_t)(end - out->data) + 4 + more;
    }
    return true;
}

static const struct engine_row *row_for(struct engine *e, const char *request)
{
    for (size_t i = 0; i < e->count; i++) {
        const struct engine_row *r = &e->rows[i];
        if (!sk_starts_with(request, r->request) || (r->times && e->used[i] >= r->times))
            continue;
        e->used[i]++;
        return r;
    }
    return NULL;
}

static void answer(struct engine *e, int fd, const char *request)
{
    static const struct engine_row missing = { "", 404, "{\"message\":\"no such thing\"}", 0 };
    const struct engine_row *r = row_for(e, request);
    char head[128];

    if (!r)
        r = &missing;
    if (r->status == ENGINE_HANGS_UP)
        return;
    int n = snprintf(head, sizeof head, "HTTP/1.1 %d x\r\nContent-Length: %zu\r\n\r\n", r->status,
                     strlen(r->body));
    (void)send(fd, head, (size_t)n, MSG_NOSIGNAL);
    (void)send(fd, r->body, strlen(r->body), MSG_NOSIGNAL);
}

static void *serve(void *arg)
{
    struct engine *e = arg;

    for (;;) {
        SK_AUTO(sk_close) int fd = accept(e->door, NULL, NULL);
        SK_AUTO(sk_buf_done) struct sk_buf request = SK_BUF_INIT(1 << 20);
        if (fd < 0)
            return NULL;
        if (!read_request(fd, &request))
            continue;
        sk_buf_add(&e->heard, request.data, request.len);
        sk_buf_chr(&e->heard, '\n');
        answer(e, fd, request.data);
    }
}

void engine_begin(struct engine *e, const struct engine_row *rows, size_t count)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    *e = (struct engine){ .dir = "/tmp/skerry-engine-XXXXXX",
                          .rows = rows,
                          .count = count,
                          .heard = SK_BUF_INIT(4 << 20) };
    assert_true(count <= sizeof e->used / sizeof e->used[0]);
    assert_non_null(mkdtemp(e->dir));
    (void)snprintf(e->socket, sizeof e->socket, "%s/sock", e->dir);
    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", e->socket);
    e->docker.socket = e->socket;
    e->door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(e->door, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(e->door, 16), 0);
    assert_int_equal(pthread_create(&e->thread, NULL, serve, e), 0);
}

void engine_end(struct engine *e)
{
    struct sk_err err = SK_ERR_INIT;

    (void)shutdown(e->door, SHUT_RDWR);
    (void)pthread_join(e->thread, NULL);
    (void)close(e->door);
    assert_int_equal(sk_remove_tree(e->dir, &err), 0);
}

void engine_done(struct engine *e)
{
    sk_buf_done(&e->heard);
}

bool engine_heard(const struct engine *e, const char *text)
{
    return e->heard.data && strstr(e->heard.data, text);
}
