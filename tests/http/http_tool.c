/*
 * http_tool.c - a small server for the limits tests and for timing: every kind of route, options as
 * name=value words.
 *
 *     http_tool port=0 max_body_bytes=65536 read_ms=500 ...
 *
 * Prints "port N" and serves until standard input ends or SIGTERM arrives; then drains, prints "cut
 * N finished N", and ends.
 *
 *     GET  /healthz  open, no key     POST /echo   the body back          POST /parts  a JSON list
 * of the parts GET  /big      64 MiB           POST /later  its length, answered by another thread
 * after ?ms= GET  /items/...  the rest of the path; ?q= is returned too
 *     PUT  /file     into file=PATH as it comes, refused at ?refuse= bytes      GET  /file  that
 * file, by ranges
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "http/http.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BIG_BYTES = 64 << 20
};

static char *big;
static const char *file_path; /* of PUT and GET /file; NULL: what is put goes nowhere */
static _Atomic unsigned finished_count;

/* ---- a queue of one thread, for answers from elsewhere ---- */

struct job {
    struct job *next;
    struct sk_http_req *req;
    uint64_t due_ns;
};

static pthread_mutex_t jobs_lock = PTHREAD_MUTEX_INITIALIZER; /* guards jobs, jobs_end */
static pthread_cond_t jobs_more;
static struct job *jobs;
static bool jobs_end;

static struct job *next_job(void)
{
    SK_LOCK(&jobs_lock);
    for (;;) {
        struct job **due = NULL;
        uint64_t first_ns = UINT64_MAX;
        for (struct job **j = &jobs; *j; j = &(*j)->next)
            if ((*j)->due_ns <= first_ns) {
                first_ns = (*j)->due_ns;
                due = j;
            }
        if (due && first_ns <= sk_now_ns()) {
            struct job *job = *due;
            *due = job->next;
            return job;
        }
        if (jobs_end && !jobs)
            return NULL;
        (void)sk_cond_wait_until(&jobs_more, &jobs_lock, first_ns);
    }
}

static void *work(void *arg)
{
    for (struct job *job; (job = next_job());) {
        struct sk_http_req *req = job->req;
        free(job);
        sk_buf_fmt(sk_http_out(req), "{\"bytes\":%zu}", sk_http_body(req).len);
        sk_http_answer(req);
    }
    return arg;
}

static void later(struct sk_http_req *req, void *ctx)
{
    (void)ctx;
    struct job *job = malloc(sizeof *job);
    const char *ms = sk_http_query(req, "ms");
    if (!job)
        abort();
    *job = (struct job){ .req = req,
                         .due_ns = sk_now_ns() + (ms ? strtoull(ms, NULL, 10) : 0) * 1000000u };
    SK_LOCK(&jobs_lock);
    job->next = jobs;
    jobs = job;
    (void)pthread_cond_signal(&jobs_more);
}

/* ---- answers at once ---- */

static void health(struct sk_http_req *req, void *ctx)
{
    (void)ctx;
    sk_buf_str(sk_http_out(req), "{\"ok\":true}");
    sk_http_answer(req);
}

static void echo(struct sk_http_req *req, void *ctx)
{
    (void)ctx;
    struct sk_view body = sk_http_body(req);
    sk_http_set_type(req, "application/octet-stream");
    sk_buf_add(sk_http_out(req), body.ptr, body.len);
    sk_http_answer(req);
}

static void parts(struct sk_http_req *req, void *ctx)
{
    (void)ctx;
    struct sk_buf *out = sk_http_out(req);
    if (!sk_http_is_multipart(req)) {
        struct sk_err err = { .code = SK_UNSUPPORTED_MEDIA,
                              .text = "expected multipart/form-data" };
        sk_http_error(req, &err);
        sk_http_answer(req);
        return;
    }
    sk_buf_chr(out, '[');
    for (size_t i = 0; i < sk_http_part_count(req); i++) {
        const struct sk_http_part *p = sk_http_part_at(req, i);
        sk_buf_str(out, i ? ",{\"name\":" : "{\"name\":");
        sk_buf_json_str(out, p->name);
        sk_buf_fmt(out, ",\"bytes\":%zu,\"filename\":", p->body.len);
        if (p->filename)
            sk_buf_json_str(out, p->filename);
        else
            sk_buf_str(out, "null");
        sk_buf_chr(out, '}');
    }
    sk_buf_chr(out, ']');
    sk_http_answer(req);
}

static void send_big(struct sk_http_req *req, void *ctx)
{
    (void)ctx;
    sk_http_set_type(req, "application/octet-stream");
    sk_http_set_static(req, big, BIG_BYTES);
    sk_http_answer(req);
}

static void items(struct sk_http_req *req, void *ctx)
{
    (void)ctx;
    const char *q = sk_http_query(req, "q");
    sk_buf_str(sk_http_out(req), "{\"rest\":");
    sk_buf_json_str(sk_http_out(req), sk_http_rest(req));
    sk_buf_str(sk_http_out(req), ",\"q\":");
    sk_buf_json(sk_http_out(req), q ? q : "", q ? strlen(q) : 0);
    sk_buf_chr(sk_http_out(req), '}');
    sk_http_set_header(req, "X-Peer", sk_http_peer(req));
    sk_http_answer(req);
}

/* ---- bodies as they come, files ---- */

struct sink {
    uint64_t bytes, refuse_at; /* 0: never */
    int fd;                    /* -1: nowhere */
};

static int take_piece(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    struct sink *s = ctx;
    s->bytes += len;
    if (s->refuse_at && s->bytes >= s->refuse_at)
        return sk_fail(err, SK_INVALID, "enough");
    if (s->fd >= 0 && sk_write_all(s->fd, bytes, len) < 0)
        return sk_fail_errno(err, "the file");
    return 0;
}

static void body_done(struct sk_http_req *req, const struct sk_err *failed, void *ctx)
{
    struct sink *s = ctx;
    if (failed)
        sk_http_error(req, failed);
    else
        sk_buf_fmt(sk_http_out(req), "{\"bytes\":%llu}", (unsigned long long)s->bytes);
    if (s->fd >= 0)
        (void)close(s->fd);
    free(s);
    sk_http_answer(req);
}

static void take(struct sk_http_req *req, void *ctx)
{
    (void)ctx;
    struct sink *s = calloc(1, sizeof *s);
    const char *refuse = sk_http_query(req, "refuse");
    if (!s)
        abort();
    s->refuse_at = refuse ? strtoull(refuse, NULL, 10) : 0;
    s->fd = file_path ? open(file_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;
    sk_http_take_body(req, take_piece, body_done, s);
}

static void send_file(struct sk_http_req *req, void *ctx)
{
    (void)ctx;
    int fd = file_path ? open(file_path, O_RDONLY | O_CLOEXEC) : -1;
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        abort();
    sk_http_set_type(req, "application/octet-stream");
    (void)sk_http_send_range(req, fd, (uint64_t)st.st_size, "file");
    sk_http_answer(req);
}

static const struct sk_http_route routes[] = {
    { "GET", "/healthz", SK_HTTP_OPEN | SK_HTTP_QUIET, health, NULL, 0 },
    { "POST", "/echo", 0, echo, NULL, 0 },
    { "POST", "/later", 0, later, NULL, 0 },
    { "POST", "/parts", SK_HTTP_MULTIPART, parts, NULL, 0 },
    { "GET", "/big", 0, send_big, NULL, 0 },
    { "GET", "/items/", SK_HTTP_PREFIX, items, NULL, 0 },
    { "PUT", "/file", SK_HTTP_STREAM, take, NULL, (uint64_t)1 << 40 },
    { "GET", "/file", 0, send_file, NULL, 0 },
    { NULL, NULL, 0, NULL, NULL, 0 },
};

static void finished(struct sk_http_req *req, int status, uint64_t total_ns, void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&finished_count, 1);
    if (sk_log_enabled(SK_DEBUG))
        sk_log(SK_DEBUG, "request", "path=%s status=%d us=%llu peer=%s", sk_http_path(req), status,
               (unsigned long long)(total_ns / 1000), sk_http_peer(req));
}

/* ---- command line ---- */

#define NUMBER(field)                                                                              \
    {                                                                                              \
#field, offsetof(struct sk_http_options, field),                                           \
            sizeof(((struct sk_http_options *)0)->field)                                           \
    }

static const struct {
    const char *name;
    size_t offset, size;
} numbers[] = {
    NUMBER(port),
    NUMBER(threads),
    NUMBER(max_body_bytes),
    NUMBER(max_header_bytes),
    NUMBER(max_total_body_bytes),
    NUMBER(max_connections),
    NUMBER(max_parts),
    NUMBER(read_ms),
    NUMBER(idle_ms),
    NUMBER(piece_bytes),
};

#define TEXT(field)                                                                                \
    {                                                                                              \
#field, offsetof(struct sk_http_options, field)                                            \
    }

static const struct {
    const char *name;
    size_t offset;
} texts[] = { TEXT(host), TEXT(api_key), TEXT(tls_cert), TEXT(tls_key) };

static bool set_option(struct sk_http_options *o, const char *word)
{
    const char *value = strchr(word, '=');
    size_t len = value ? (size_t)(value - word) : 0;
    for (size_t i = 0; value && i < sizeof numbers / sizeof numbers[0]; i++) {
        if (strlen(numbers[i].name) != len || strncmp(numbers[i].name, word, len) != 0)
            continue;
        uint64_t n = strtoull(value + 1, NULL, 10);
        memcpy((char *)o + numbers[i].offset, &n, numbers[i].size); /* little-endian, as all our
                                                                       machines */
        return true;
    }
    for (size_t i = 0; value && i < sizeof texts / sizeof texts[0]; i++) {
        if (strlen(texts[i].name) != len || strncmp(texts[i].name, word, len) != 0)
            continue;
        value++;
        memcpy((char *)o + texts[i].offset, &value, sizeof value);
        return true;
    }
    return false;
}

static volatile sig_atomic_t is_told_to_end;

static void on_term(int signal)
{
    (void)signal;
    is_told_to_end = 1;
}

static void wait_for_end(void)
{
    struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
    char byte;
    while (!is_told_to_end)
        if (poll(&in, 1, 100) > 0 && read(STDIN_FILENO, &byte, 1) <= 0)
            return;
}

int main(int argc, char **argv)
{
    struct sk_http_options o = { .listen_fd = -1, .routes = routes, .finished = finished };
    uint64_t drain_ms = 5000;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "debug") == 0)
            sk_log_setup(SK_DEBUG, SK_LOG_TEXT, 2);
        else if (strncmp(argv[i], "drain_ms=", 9) == 0)
            drain_ms = strtoull(argv[i] + 9, NULL, 10);
        else if (strncmp(argv[i], "file=", 5) == 0)
            file_path = argv[i] + 5;
        else if (!set_option(&o, argv[i])) {
            (void)fprintf(stderr, "unknown option '%s'\n", argv[i]);
            return 2;
        }
    }
    struct sk_err err = SK_ERR_INIT;
    struct sk_http_server *s = NULL;
    pthread_t worker;
    const struct sigaction action = { .sa_handler = on_term };
    (void)sigaction(SIGTERM, &action, NULL);
    big = calloc(1, BIG_BYTES);
    if (!big || sk_cond_init(&jobs_more, &err) < 0 ||
        sk_thread_start(&worker, "worker", work, NULL, &err) < 0 ||
        sk_http_start(&o, &s, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    (void)printf("port %u\n", sk_http_port(s));
    (void)fflush(stdout);
    wait_for_end();

    unsigned cut = sk_http_drain(s, drain_ms);
    {
        SK_LOCK(&jobs_lock);
        jobs_end = true;
        (void)pthread_cond_signal(&jobs_more);
    }
    (void)pthread_join(worker, NULL);
    sk_http_stop(s);
    (void)printf("cut %u finished %u\n", cut, atomic_load(&finished_count));
    free(big);
    return 0;
}
