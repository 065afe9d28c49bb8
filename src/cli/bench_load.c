/*
 * bench_load.c - one thread, many connections: closed loop and open loop.
 *
 * Closed loop: each connection sends its next request as soon as the answer to the last one is
 * there. Latency counts from the sending.
 *
 * Open loop: requests are due at the times of a Poisson process, whatever the server does. A due
 * request takes a free connection, or waits in line for one. Latency counts from when it was due,
 * so a server that stalls is charged for all requests that should have been sent meanwhile
 * ("coordinated omission" is what leaving them out is called). After the window the line is worked
 * off; what is not answered by then counts as an error, and its age goes into the latencies.
 *
 *     warm-up          | measured                                | rest (open loop)
 *     ^ start            ^ open                                    ^ close
 *
 * A connection that was refused rests, 10 ms at first, then twice as long up to 200 ms: a server
 * that is gone must not be met with a storm.
 *
 * A request counts when it was due (open loop) or was answered (closed loop) inside the window.
 */
#include "cli/bench_priv.h"

#include "base/clock.h"
#include "base/mix64.h"

#include <errno.h>
#include <math.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

enum {
    EVENTS = 64,
    BACKLOG_MAX = 1 << 20,
    WAIT_MS = 100, /* between looks at what has expired */
    REST_MIN_MS = 10,
    REST_MAX_MS = 200
};

struct loop {
    const struct sk_load *load;
    struct sk_load_result *result;
    struct sk_conn *conns;
    unsigned *free_conns; /* stack of idle or closed ones */
    unsigned free_count, resting_count;
    int epoll_fd, timer_fd;
    uint64_t open_ns, close_ns; /* the window */
    /* Open loop. Due times that wait for a connection, in a ring. */
    uint64_t *line;
    size_t line_start, line_count;
    uint64_t next_due_ns;
    uint64_t seed;
    bool open_loop;
};

static bool in_window(const struct loop *l, uint64_t at)
{
    return at >= l->open_ns && at < l->close_ns;
}

static void note_error(struct loop *l, uint64_t at, const char *text)
{
    if (!in_window(l, at))
        return;
    l->result->errors++;
    if (l->result->first_error[0] == '\0')
        (void)snprintf(l->result->first_error, sizeof l->result->first_error, "%s", text);
}

/* Tells epoll what the connection waits for. A closed socket has left epoll by itself. */
static int watch(struct loop *l, struct sk_conn *c, bool is_new, struct sk_err *err)
{
    struct epoll_event e = {
        .events = c->state == SK_CONN_SENDING ? EPOLLIN | EPOLLOUT : EPOLLIN,
        .data.ptr = c,
    };
    if (!is_new && c->watched == e.events)
        return 0;
    if (epoll_ctl(l->epoll_fd, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, c->fd, &e) < 0)
        return sk_fail_errno(err, "epoll");
    c->watched = e.events;
    return 0;
}

static void put_back(struct loop *l, struct sk_conn *c)
{
    l->free_conns[l->free_count++] = (unsigned)(c - l->conns);
}

/* The connection could not be made: it is free again after a while. */
static void rest(struct loop *l, struct sk_conn *c, uint64_t now)
{
    c->rest_ms = c->rest_ms == 0 ? REST_MIN_MS : 2 * c->rest_ms;
    c->rest_ms = c->rest_ms < REST_MAX_MS ? c->rest_ms : REST_MAX_MS;
    c->rests_until_ns = now + c->rest_ms * 1000000u;
    l->resting_count++;
}

static void wake_rested(struct loop *l, uint64_t now)
{
    for (unsigned i = 0; l->resting_count > 0 && i < l->load->connections; i++) {
        struct sk_conn *c = &l->conns[i];
        if (c->rests_until_ns == 0 || c->rests_until_ns > now)
            continue;
        c->rests_until_ns = 0;
        l->resting_count--;
        put_back(l, c);
    }
}

/* Judges what a step has led to. Afterwards the connection is free, at rest, or still at work. */
static int settle(struct loop *l, struct sk_conn *c, enum sk_conn_result r,
                  const struct sk_err *why, struct sk_err *err)
{
    const uint64_t now = sk_now_ns();
    const uint64_t counts_at = l->open_loop ? c->start_ns : now;
    char text[300];

    if (r == SK_CONN_AGAIN)
        return watch(l, c, false, err);
    if (r == SK_CONN_FAILED && c->connects) {
        rest(l, c, now);
    } else {
        c->rest_ms = 0;
        put_back(l, c);
    }
    if (r == SK_CONN_FAILED) {
        note_error(l, counts_at, why->text);
    } else if (c->status != 200) {
        (void)snprintf(text, sizeof text, "status %d: %s", c->status, c->snippet);
        text[strcspn(text, "\r\n")] = '\0';
        note_error(l, counts_at, text);
    } else if (in_window(l, counts_at)) {
        sk_bench_hist_add(&l->result->latency, now - c->start_ns);
        l->result->answered++;
    }
    return 0;
}

/* Sends a request that was due at due_ns on a free connection. */
static int launch(struct loop *l, uint64_t due_ns, struct sk_err *err)
{
    struct sk_conn *c = &l->conns[l->free_conns[--l->free_count]];
    const bool is_new = c->state == SK_CONN_CLOSED;
    struct sk_err why = SK_ERR_INIT;

    c->start_ns = due_ns;
    if (sk_conn_start(c, l->load->target, l->load->request, l->load->request_len, &why) < 0) {
        *err = why; /* nobody listens, or descriptors are out: not a matter of one request */
        return -1;
    }
    if (is_new && watch(l, c, true, err) < 0)
        return -1;
    enum sk_conn_result r = sk_conn_step(c, &why);
    return settle(l, c, r, &why, err);
}

/* ---- what is due ---- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Seeds such as 1 and 2 must not give similar starts: one step of splitmix64. */
static uint64_t scramble(uint64_t seed)
{
    return sk_mix64(seed + SK_MIX64_STEP) | 1;
}

/* Exponential gaps make a Poisson process. */
static uint64_t gap_ns(struct loop *l)
{
    double u = ((double)(next_random(&l->seed) >> 11) + 0.5) / 9007199254740992.0;
    return (uint64_t)(-log(u) / l->load->rate * 1e9);
}

static int collect_due(struct loop *l, uint64_t now, struct sk_err *err)
{
    for (; l->next_due_ns <= now && l->next_due_ns < l->close_ns; l->next_due_ns += gap_ns(l)) {
        if (l->line_count == BACKLOG_MAX)
            return sk_fail(err, SK_LIMIT,
                           "%d requests wait in line; the rate is far beyond the server",
                           BACKLOG_MAX);
        l->line[(l->line_start + l->line_count++) % BACKLOG_MAX] = l->next_due_ns;
    }
    return 0;
}

static int launch_due(struct loop *l, struct sk_err *err)
{
    if (!l->open_loop) {
        while (l->free_count > 0 && sk_now_ns() < l->close_ns)
            if (launch(l, sk_now_ns(), err) < 0)
                return -1;
        return 0;
    }
    while (l->free_count > 0 && l->line_count > 0) {
        uint64_t due = l->line[l->line_start];
        l->line_start = (l->line_start + 1) % BACKLOG_MAX;
        l->line_count--;
        if (launch(l, due, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- the loop ---- */

/* Ends requests that are older than the timeout. */
static void expire(struct loop *l, uint64_t now)
{
    for (unsigned i = 0; i < l->load->connections; i++) {
        struct sk_conn *c = &l->conns[i];
        bool busy = c->state == SK_CONN_SENDING || c->state == SK_CONN_READING;
        if (busy && now - c->start_ns > l->load->timeout_ns) {
            sk_conn_close(c);
            put_back(l, c);
            note_error(l, l->open_loop ? c->start_ns : now, "no answer within the timeout");
        }
    }
}

static int set_timer(struct loop *l, uint64_t at, struct sk_err *err)
{
    struct itimerspec t = {
        .it_value = { .tv_sec = (time_t)(at / 1000000000u), .tv_nsec = (long)(at % 1000000000u) },
    };
    if (timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &t, NULL) < 0)
        return sk_fail_errno(err, "timer");
    return 0;
}

static bool is_over(const struct loop *l, uint64_t now)
{
    if (now < l->close_ns)
        return false;
    if (!l->open_loop)
        return true;
    bool idle = l->line_count == 0 && l->free_count + l->resting_count == l->load->connections;
    return idle || now > l->close_ns + l->load->timeout_ns;
}

static int handle_events(struct loop *l, struct sk_err *err)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(l->epoll_fd, events, EVENTS, l->resting_count > 0 ? REST_MIN_MS : WAIT_MS);

    if (n < 0 && errno != EINTR)
        return sk_fail_errno(err, "epoll");
    for (int i = 0; i < n; i++) {
        struct sk_conn *c = events[i].data.ptr;
        struct sk_err why = SK_ERR_INIT;
        uint64_t ticks = 0;

        if (!c) {
            if (read(l->timer_fd, &ticks, sizeof ticks) < 0 && errno != EAGAIN)
                return sk_fail_errno(err, "timer");
        } else if (c->state == SK_CONN_IDLE) { /* the server closes an idle connection */
            sk_conn_close(c);
        } else if (c->state != SK_CONN_CLOSED) {
            enum sk_conn_result r = sk_conn_step(c, &why);
            if (settle(l, c, r, &why, err) < 0)
                return -1;
        }
    }
    return 0;
}

static int run_loop(struct loop *l, struct sk_err *err)
{
    uint64_t last_expiry = 0;

    for (;;) {
        uint64_t now = sk_now_ns();
        /* First: when we stood still until the end, what was due meanwhile is late, not over. */
        if (l->open_loop && collect_due(l, now, err) < 0)
            return -1;
        if (is_over(l, now))
            return 0;
        if (now - last_expiry > 100000000u) {
            expire(l, now);
            last_expiry = now;
        }
        wake_rested(l, now);
        if (launch_due(l, err) < 0)
            return -1;
        if (l->open_loop && l->next_due_ns < l->close_ns && set_timer(l, l->next_due_ns, err) < 0)
            return -1;
        if (handle_events(l, err) < 0)
            return -1;
    }
}

/* What was due and has no answer: errors, as old as they are. */
static void count_unanswered(struct loop *l)
{
    const uint64_t now = sk_now_ns();

    for (unsigned i = 0; l->open_loop && i < l->load->connections; i++) {
        struct sk_conn *c = &l->conns[i];
        if ((c->state == SK_CONN_SENDING || c->state == SK_CONN_READING) &&
            in_window(l, c->start_ns)) {
            note_error(l, c->start_ns, "not answered by the end");
            sk_bench_hist_add(&l->result->latency, now - c->start_ns);
        }
    }
    for (size_t i = 0; i < l->line_count; i++) {
        uint64_t due = l->line[(l->line_start + i) % BACKLOG_MAX];
        if (in_window(l, due)) {
            note_error(l, due, "not sent by the end: no connection was free");
            sk_bench_hist_add(&l->result->latency, now - due);
        }
    }
}

static void loop_done(struct loop *l)
{
    for (unsigned i = 0; l->conns && i < l->load->connections; i++)
        sk_conn_close(&l->conns[i]);
    free(l->conns);
    free(l->free_conns);
    free(l->line);
    sk_close(&l->epoll_fd);
    sk_close(&l->timer_fd);
}

static int loop_init(struct loop *l, struct sk_err *err)
{
    const unsigned n = l->load->connections;
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL };

    l->conns = calloc(n, sizeof *l->conns);
    l->free_conns = calloc(n, sizeof *l->free_conns);
    l->line = l->open_loop ? calloc(BACKLOG_MAX, sizeof *l->line) : NULL;
    if (!l->conns || !l->free_conns || (l->open_loop && !l->line))
        return sk_nomem(err);
    for (unsigned i = n; i > 0; i--) {
        l->conns[i - 1].fd = -1;
        l->free_conns[l->free_count++] = i - 1;
    }
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (l->epoll_fd < 0 || l->timer_fd < 0 ||
        epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->timer_fd, &e) < 0)
        return sk_fail_errno(err, "epoll");
    return 0;
}

int sk_load_run(const struct sk_load *load, struct sk_load_result *out, struct sk_err *err)
{
    const uint64_t start = sk_now_ns();
    SK_AUTO(loop_done)
    struct loop l = {
        .load = load,
        .result = out,
        .epoll_fd = -1,
        .timer_fd = -1,
        .open_ns = start + load->warmup_ns,
        .close_ns = start + load->warmup_ns + load->duration_ns,
        .next_due_ns = start,
        .seed = scramble(load->seed),
        .open_loop = load->rate > 0,
    };

    memset(out, 0, sizeof *out);
    if (loop_init(&l, err) < 0 || run_loop(&l, err) < 0)
        return -1;
    count_unanswered(&l);
    out->seconds = (double)load->duration_ns / 1e9;
    return 0;
}
