/*
 * caller.c - the service's side of direct methods: POST /twins/{device}/methods over a few HTTPS
 * connections that stay open. A call that finds all of them busy waits, and its time with it.
 */
#include "load.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum {
    WAITING_MAX = 1 << 16,
    ANSWER_MAX = 1 << 20,
    CHUNK = 64 << 10
};

#define BODY "{\"methodName\":\"echo\",\"payload\":{\"n\":1},\"responseTimeoutInSeconds\":30}"

struct call {
    unsigned device;
    uint64_t at_ns;
};

struct caller {
    struct link link;
    bool is_open, is_busy;
    struct call call;
    struct sk_buf in;
};

static struct caller *callers;
static unsigned caller_count;
static struct call waiting[WAITING_MAX];
static unsigned first, count;

static void fail(struct caller *c, const char *why)
{
    if (c->is_busy) {
        load.now.failed[KIND_METHOD]++;
        if (load.is_verbose)
            say("{\"event\":\"method-failed\",\"why\":\"%s\"}", why);
    }
    link_close(&c->link);
    sk_buf_done(&c->in);
    c->is_open = c->is_busy = false;
}

static void send_call(struct caller *c)
{
    sk_buf_fmt(&c->link.out,
               "POST /twins/%s/methods?api-version=2021-04-12 HTTP/1.1\r\nHost: %s\r\n"
               "Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
               "Content-Length: %zu\r\n\r\n%s",
               client_name(c->call.device), load.hub_name, load.bearer, sizeof BODY - 1, BODY);
    if (link_flush(&c->link) < 0)
        fail(c, "ended while sending");
}

static void next_call(struct caller *c)
{
    if (count == 0 || !c->link.is_up || c->is_busy)
        return;
    c->call = waiting[first];
    first = (first + 1) % WAITING_MAX;
    count--;
    c->is_busy = true;
    send_call(c);
}

/* Bytes of an answer with Content-Length; 0: not whole. */
static size_t answer_len(const struct sk_buf *b)
{
    const char *end = b->data ? memmem(b->data, b->len, "\r\n\r\n", 4) : NULL;
    const char *length = b->data ? strcasestr(b->data, "\r\ncontent-length:") : NULL;
    if (!end || !length || length > end)
        return 0;
    size_t len = (size_t)(end + 4 - b->data) + strtoul(length + 17, NULL, 10);
    return b->len < len ? 0 : len;
}

static void take_answer(struct caller *c)
{
    if (!c->is_busy || answer_len(&c->in) == 0)
        return;
    bool is_good = strncmp(c->in.data, "HTTP/1.1 200", 12) == 0;
    if (is_good)
        hist_add(&load.now.latency[KIND_METHOD], sk_now_ns() - c->call.at_ns);
    else
        load.now.failed[KIND_METHOD]++;
    if (!is_good && load.is_verbose)
        say("{\"event\":\"method-failed\",\"why\":\"%.12s\"}", c->in.data);
    sk_buf_clear(&c->in);
    c->is_busy = false;
    next_call(c);
}

static void ready(struct link *l)
{
    static char chunk[CHUNK];
    struct caller *c = l->owner;
    int rc = link_step(l);
    if (rc < 0)
        fail(c, "no connection");
    if (rc <= 0)
        return;
    next_call(c);
    if (l->fd >= 0 && link_flush(l) < 0)
        fail(c, "ended while sending");
    while (l->fd >= 0) {
        ssize_t got = link_read(l, chunk, sizeof chunk);
        if (got < 0)
            fail(c, "ended");
        if (got <= 0)
            return;
        sk_buf_add(&c->in, chunk, (size_t)got);
        take_answer(c);
    }
}

int callers_make(unsigned number, struct sk_err *err)
{
    callers = calloc(number, sizeof *callers);
    if (!callers)
        return sk_nomem(err);
    caller_count = number;
    for (unsigned i = 0; i < number; i++) {
        callers[i].link = (struct link){ .fd = -1, .ready = ready, .owner = &callers[i] };
        callers[i].in = (struct sk_buf)SK_BUF_INIT(ANSWER_MAX);
    }
    return 0;
}

void callers_tend(void)
{
    for (unsigned i = 0; i < caller_count; i++) {
        struct caller *c = &callers[i];
        if (c->is_open)
            continue;
        c->is_open = true;
        if (link_open(&c->link, &load.service_to, 0, NULL) < 0)
            fail(c, "no connection");
    }
}

void caller_method(unsigned device, uint64_t at_ns)
{
    if (count == WAITING_MAX) {
        load.now.failed[KIND_METHOD]++;
        return;
    }
    waiting[(first + count++) % WAITING_MAX] = (struct call){ device, at_ns };
    for (unsigned i = 0; i < caller_count && count > 0; i++)
        next_call(&callers[i]);
}

void callers_free(void)
{
    for (unsigned i = 0; i < caller_count; i++) {
        link_close(&callers[i].link);
        sk_buf_done(&callers[i].in);
    }
    free(callers);
    callers = NULL;
    caller_count = 0;
}
