/* fixture.c - see fixture.h. "Later" answers come from a fresh thread each: any order, any thread.
 */
#include "fixture.h"

#include "base/clock.h"
#include "client.h"
#include "http/http_priv.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

static _Atomic unsigned finished_count, running, held;
static _Atomic bool is_released;
static _Atomic int last_status;
static char big[16 << 20];

static void answer_open(struct sk_http_req *r, void *ctx)
{
    (void)ctx;
    sk_buf_str(sk_http_out(r), "{\"ok\":true}");
    sk_http_answer(r);
}

static void answer_echo(struct sk_http_req *r, void *ctx)
{
    (void)ctx;
    sk_buf_add(sk_http_out(r), sk_http_body(r).ptr, sk_http_body(r).len);
    sk_http_answer(r);
}

static void *answer_thread(void *arg)
{
    struct sk_http_req *r = arg;
    const char *ms = sk_http_query(r, "ms");
    if (ms)
        (void)usleep((useconds_t)strtoul(ms, NULL, 10) * 1000);
    if (sk_http_query(r, "held")) {
        atomic_fetch_add(&held, 1);
        while (!atomic_load(&is_released))
            (void)usleep(1000);
    }
    sk_buf_fmt(sk_http_out(r), "%zu", sk_http_body(r).len);
    sk_http_answer(r);
    atomic_fetch_sub(&running, 1);
    return NULL;
}

static void answer_later(struct sk_http_req *r, void *ctx)
{
    (void)ctx;
    pthread_t thread;
    atomic_fetch_add(&running, 1);
    if (pthread_create(&thread, NULL, answer_thread, r) != 0)
        abort();
    (void)pthread_detach(thread);
}

static void answer_form(struct sk_http_req *r, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < sk_http_part_count(r); i++)
        sk_buf_fmt(sk_http_out(r), "%s=%zu;", sk_http_part_at(r, i)->name,
                   sk_http_part_at(r, i)->body.len);
    if (!sk_http_is_multipart(r))
        sk_buf_fmt(sk_http_out(r), "plain=%zu", sk_http_body(r).len);
    sk_http_answer(r);
}

static void answer_items(struct sk_http_req *r, void *ctx)
{
    (void)ctx;
    const char *q = sk_http_query(r, "q");
    sk_buf_fmt(sk_http_out(r), "%s %s rest=%s q=%s", sk_http_method(r), sk_http_path(r),
               sk_http_rest(r), q ? q : "-");
    sk_http_set_header(r, "X-Peer", sk_http_peer(r));
    sk_http_answer(r);
}

static void answer_quiet(struct sk_http_req *r, void *ctx)
{
    (void)ctx;
    sk_http_set_status(r, 204);
    sk_http_answer(r);
}

static void answer_static(struct sk_http_req *r, void *ctx)
{
    (void)ctx;
    sk_http_set_type(r, "text/plain");
    sk_http_set_static(r, "static", 6);
    sk_http_answer(r);
}

static void answer_big(struct sk_http_req *r, void *ctx)
{
    (void)ctx;
    sk_http_set_static(r, big, sizeof big);
    sk_http_answer(r);
}

static void answer_fail(struct sk_http_req *r, void *ctx)
{
    (void)ctx;
    struct sk_err err = SK_ERR_INIT;
    (void)sk_fail(&err, SK_BUSY, "the \"queue\" is full");
    sk_http_error(r, &err);
    sk_http_answer(r);
}

static void add_field(void *ctx, const char *name, const char *value)
{
    sk_buf_fmt(ctx, "%s=%s;", name, value);
}

static void answer_fields(struct sk_http_req *r, void *ctx)
{
    (void)ctx;
    sk_http_headers(r, add_field, sk_http_out(r));
    sk_http_answer(r);
}

static const struct sk_http_route routes[] = {
    { "GET", "/open", SK_HTTP_OPEN, answer_open, NULL, 0 },
    { "GET", "/quiet", 0, answer_quiet, NULL, 0 },
    { "GET", "/static", 0, answer_static, NULL, 0 },
    { "GET", "/fail", 0, answer_fail, NULL, 0 },
    { "GET", "/big", 0, answer_big, NULL, 0 },
    { "GET", "/items/", SK_HTTP_PREFIX, answer_items, NULL, 0 },
    { "POST", "/items/", SK_HTTP_PREFIX, answer_items, NULL, 0 },
    { "POST", "/echo", 0, answer_echo, NULL, 0 },
    { "POST", "/fields", SK_HTTP_CODED, answer_fields, NULL, 0 },
    { "POST", "/later", 0, answer_later, NULL, 0 },
    { "POST", "/form", SK_HTTP_MULTIPART, answer_form, NULL, 0 },
    { NULL, NULL, 0, NULL, NULL, 0 },
};

static void on_finished(struct sk_http_req *r, int status, uint64_t total_ns, void *ctx)
{
    (void)ctx;
    if (total_ns > 60000000000u || !sk_http_path(r))
        abort();
    atomic_store(&last_status, status);
    atomic_fetch_add(&finished_count, 1);
}

void fixture_start(struct fixture *f, struct sk_http_options options)
{
    struct sk_err err = SK_ERR_INIT;
    atomic_store(&finished_count, 0);
    atomic_store(&held, 0);
    atomic_store(&is_released, false);
    options.routes = options.routes ? options.routes : routes;
    options.finished = on_finished;
    if (options.listen_fd == 0)
        options.listen_fd = -1;
    if (sk_http_start(&options, &f->server, &err) < 0)
        fail_msg("%s", err.text);
    f->port = sk_http_port(f->server);
}

void fixture_stop(struct fixture *f)
{
    fixture_release();
    (void)sk_http_drain(f->server, HTTP_WAIT_MS);
    while (atomic_load(&running) > 0)
        (void)usleep(1000);
    sk_http_stop(f->server);
    f->server = NULL;
}

unsigned fixture_finished(void)
{
    return atomic_load(&finished_count);
}

int fixture_last_status(void)
{
    return atomic_load(&last_status);
}

void fixture_wait_finished(unsigned n)
{
    for (uint64_t end = sk_now_ms() + HTTP_WAIT_MS; fixture_finished() < n;) {
        if (sk_now_ms() > end)
            fail_msg("finished() was called %u times, not %u", fixture_finished(), n);
        (void)usleep(1000);
    }
}

void fixture_wait_held(unsigned n)
{
    for (uint64_t end = sk_now_ms() + HTTP_WAIT_MS; atomic_load(&held) < n;) {
        if (sk_now_ms() > end)
            fail_msg("%u requests are held, not %u", atomic_load(&held), n);
        (void)usleep(1000);
    }
}

void fixture_release(void)
{
    atomic_store(&is_released, true);
}

void fixture_wait_connections(struct fixture *f, unsigned n)
{
    for (uint64_t end = sk_now_ms() + HTTP_WAIT_MS; sk_http_connections(f->server) != n;) {
        if (sk_now_ms() > end)
            fail_msg("there are %u connections, not %u", sk_http_connections(f->server), n);
        (void)usleep(1000);
    }
}

unsigned fixture_in_stage(struct fixture *f, int stage)
{
    unsigned n = 0;
    SK_LOCK(&f->server->lock);
    for (size_t i = 0; i < f->server->by_fd_count; i++)
        n += f->server->by_fd[i] && (int)sk_conn_stage(f->server->by_fd[i]) == stage;
    return n;
}

void fixture_wait_stage(struct fixture *f, int stage, unsigned n)
{
    for (uint64_t end = sk_now_ms() + HTTP_WAIT_MS; fixture_in_stage(f, stage) != n;) {
        if (sk_now_ms() > end)
            fail_msg("%u connections are in stage %d, not %u", fixture_in_stage(f, stage), stage,
                     n);
        (void)usleep(500);
    }
}
