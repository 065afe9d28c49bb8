/* cli_test.c - see cli_test.h. */
#include "cli_test.h"

#include "base/file.h"
#include "base/thread.h"
#include "cli/cli.h"
#include "harness/golden.h"
#include "image/image.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

enum {
    WORDS_MAX = 64
};

static int split(const char *line, const char *dir, char *text, size_t size, char **argv)
{
    int argc = 0;
    size_t used = 0;

    for (const char *p = line; *p && used < size - 1;) {
        int n = p[0] == '%' && p[1] == 's' ? snprintf(text + used, size - used, "%s", dir) : 1;
        if (n == 1)
            text[used] = *p;
        p += p[0] == '%' && p[1] == 's' ? 2 : 1;
        used += (size_t)n;
    }
    text[used] = '\0';
    for (char *p = text; *p && argc < WORDS_MAX - 1;) {
        size_t n = strcspn(p, " ");
        argv[argc++] = p;
        p += n;
        if (*p)
            *p++ = '\0';
    }
    argv[argc] = NULL;
    return argc;
}

/* Leads a descriptor to a file; returns what it was. */
static int lead(int fd, int to)
{
    int before = dup(fd);
    assert_true(before >= 0);
    assert_int_equal(dup2(to, fd), fd);
    return before;
}

static void lead_back(int fd, int before)
{
    assert_int_equal(dup2(before, fd), fd);
    (void)close(before);
}

static char *contents(FILE *f)
{
    long size = 0;

    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    size = ftell(f);
    rewind(f);
    char *text = calloc(1, (size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, f), size);
    (void)fclose(f);
    return text;
}

struct ran run_words(const char *line, const char *dir, const char *input)
{
    char text[4096];
    char *argv[WORDS_MAX];
    int argc = split(line, dir ? dir : "", text, sizeof text, argv);
    FILE *out = tmpfile();
    FILE *err = tmpfile();
    struct ran r = { 0 };

    assert_int_equal(chdir(sk_source_path("")), 0);
    assert_true(out && err);
    int in = open(input ? input : "/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(in >= 0);
    (void)fflush(stdout);
    int in_before = lead(STDIN_FILENO, in);
    int out_before = lead(STDOUT_FILENO, fileno(out));
    int err_before = lead(STDERR_FILENO, fileno(err));
    r.status = sk_cli_main(argc, argv);
    (void)fflush(stdout);
    lead_back(STDOUT_FILENO, out_before);
    lead_back(STDERR_FILENO, err_before);
    lead_back(STDIN_FILENO, in_before);
    (void)close(in);
    r.out = contents(out);
    r.err = contents(err);
    return r;
}

void ran_done(struct ran *r)
{
    free(r->out);
    free(r->err);
}

void check_status(const char *line, const struct ran *r, int status)
{
    if (r->status != status)
        fail_msg("%s: status %d\nout: %s\nerr: %s", line, r->status, r->out, r->err);
}

void write_text(const char *dir, const char *name, const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *path = sk_path_join(dir, name);

    if (sk_file_write(path, text, strlen(text), 0600, &err) < 0)
        fail_msg("%s", err.text);
}

void write_picture(const char *dir, const char *name, uint8_t red, uint8_t green, uint8_t blue)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    SK_OWN(free) char *path = sk_path_join(dir, name);
    SK_OWN(free) uint8_t *png = NULL;
    size_t len = 0;

    assert_int_equal(sk_image_alloc(&img, 8, 8, &err), 0);
    for (size_t i = 0; i < 64; i++)
        memcpy(img.pixels + 3 * i, (uint8_t[]){ red, green, blue }, 3);
    if (sk_image_encode_png(&img, &png, &len, &err) < 0 ||
        sk_file_write(path, png, len, 0600, &err) < 0)
        fail_msg("%s", err.text);
}

/* ---- the server: one thread, connections one after the other by poll ---- */

enum {
    CLIENTS_MAX = 64
};

struct client {
    int fd;
    char bytes[4096];
    size_t len, body_left;
    bool has_head;
};

static void answer(struct fake_server *s, int fd)
{
    size_t len = strlen(s->answer);
    size_t step = s->flags & FAKE_BYTEWISE ? 1 : len;

    if (s->delay_us)
        (void)usleep(s->delay_us);
    for (size_t i = 0; i < len; i += step)
        if (send(fd, s->answer + i, step, MSG_NOSIGNAL) < 0)
            return;
}

/* Takes what has come; false when the connection is over. */
static bool serve_client(struct fake_server *s, struct client *c)
{
    char bytes[65536];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);

    if (n <= 0)
        return false;
    size_t body = (size_t)n;
    if (!c->has_head) {
        size_t room = sizeof c->bytes - 1 - c->len;
        size_t take = (size_t)n < room ? (size_t)n : room;
        size_t before = c->len;
        memcpy(c->bytes + c->len, bytes, take);
        c->len += take;
        c->bytes[c->len] = '\0';
        const char *end = strstr(c->bytes, "\r\n\r\n");
        const char *length = strcasestr(c->bytes, "content-length:");
        if (!end)
            return c->len < sizeof c->bytes - 1;
        c->has_head = true;
        c->body_left = length ? strtoul(length + 15, NULL, 10) : 0;
        memcpy(s->last, c->bytes, sizeof s->last);
        body = (size_t)n - ((size_t)(end + 4 - c->bytes) - before);
    }
    c->body_left -= body < c->body_left ? body : c->body_left;
    if (c->body_left > 0)
        return true;
    atomic_fetch_add(&s->requests, 1);
    c->has_head = false;
    c->len = 0;
    if (s->flags & FAKE_SILENT)
        return true;
    answer(s, c->fd);
    return !(s->flags & FAKE_CLOSE_AFTER);
}

static void *serve(void *p)
{
    struct fake_server *s = p;
    struct client *clients = calloc(CLIENTS_MAX, sizeof *clients);
    struct pollfd polls[CLIENTS_MAX + 1];
    size_t count = 0;

    while (clients && !atomic_load(&s->stop)) {
        polls[0] = (struct pollfd){ .fd = s->listen_fd, .events = POLLIN };
        for (size_t i = 0; i < count; i++)
            polls[1 + i] = (struct pollfd){ .fd = clients[i].fd, .events = POLLIN };
        if (poll(polls, count + 1, 20) <= 0)
            continue;
        for (size_t i = count; i > 0; i--) {
            if (polls[i].revents && !serve_client(s, &clients[i - 1])) {
                (void)close(clients[i - 1].fd);
                clients[i - 1] = clients[--count];
            }
        }
        if ((polls[0].revents & POLLIN) && count < CLIENTS_MAX) {
            clients[count] = (struct client){ .fd = accept(s->listen_fd, NULL, NULL) };
            if (clients[count].fd >= 0)
                count++;
            atomic_fetch_add(&s->connections, 1);
        }
    }
    for (size_t i = 0; i < count; i++)
        (void)close(clients[i].fd);
    free(clients);
    return NULL;
}

void fake_start(struct fake_server *s, const char *answer_text, unsigned flags)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    struct sk_err err = SK_ERR_INIT;

    memset(s, 0, sizeof *s);
    s->answer = answer_text;
    s->flags = flags;
    s->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listen_fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s->listen_fd, 128), 0);
    assert_int_equal(getsockname(s->listen_fd, (struct sockaddr *)&a, &len), 0);
    s->port = ntohs(a.sin_port);
    assert_int_equal(sk_thread_start(&s->thread, "fake", serve, s, &err), 0);
}

void fake_stop(struct fake_server *s)
{
    atomic_store(&s->stop, true);
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    (void)close(s->listen_fd);
}
