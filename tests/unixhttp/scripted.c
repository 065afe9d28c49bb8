/* scripted.c - one connection: a request is read by its Content-Length, the script written. */
#include "scripted.h"

#include "base/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static size_t wanted(const struct sk_buf *b)
{
    static const char name[] = "Content-Length: ";
    const char *end = b->len ? strstr(b->data, "\r\n\r\n") : NULL;
    const char *length = b->len ? strstr(b->data, name) : NULL;
    if (!end)
        return SIZE_MAX;
    return (size_t)(end + 4 - b->data) +
           (length && length < end ? strtoul(length + sizeof name - 1, NULL, 10) : 0);
}

static void *serve(void *arg)
{
    struct scripted *s = arg;
    int fd = accept(s->fd, NULL, NULL);
    if (fd < 0)
        return NULL;
    char bytes[4096];
    while (!(s->flags & SCRIPTED_EARLY) && s->request.len < wanted(&s->request)) {
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n <= 0)
            break;
        sk_buf_add(&s->request, bytes, (size_t)n);
    }
    size_t step = s->flags & SCRIPTED_DRIP ? 1 : s->answer_len;
    for (size_t at = 0; at < s->answer_len; at += step)
        if (send(fd, s->answer + at, step, MSG_NOSIGNAL) < 0)
            break;
    while (s->flags & SCRIPTED_STAYS && read(fd, bytes, sizeof bytes) > 0)
        continue;
    (void)close(fd);
    return NULL;
}

void scripted_start(struct scripted *s, const char *answer, size_t len, unsigned flags)
{
    struct sk_err err = SK_ERR_INIT;
    *s = (struct scripted){
        .answer = answer, .answer_len = len, .flags = flags, .request = SK_BUF_INIT(64 << 20)
    };
    (void)snprintf(s->dir, sizeof s->dir, "/tmp/skerry-unixhttp-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    (void)snprintf(s->path, sizeof s->path, "%s/s", s->dir);
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s", s->path);
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->fd >= 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(s->fd, 4), 0);
    assert_int_equal(sk_thread_start(&s->thread, "scripted", serve, s, &err), 0);
}

void scripted_stop(struct scripted *s)
{
    (void)shutdown(s->fd, SHUT_RDWR);
    (void)pthread_join(s->thread, NULL);
    (void)close(s->fd);
    (void)unlink(s->path);
    (void)rmdir(s->dir);
}

void scripted_done(struct scripted *s)
{
    sk_buf_done(&s->request);
}
