/*
 * relay.c - joined connections: bytes from each side to the other, until both have ended.
 *
 * Bytes go through a pipe per direction by splice(2), without passing through our memory. A pipe is
 * lent only while something is in it: idle connections cost their two sockets. A pipe is filled
 * only when it is empty, so that EAGAIN of the filling means one thing, "nothing to read".
 *
 * epoll is edge-triggered; can_read and can_write remember, and only EAGAIN takes them back. So
 * what is left to do is always in `busy` or waits for an event.
 *
 * The end of one side is passed on by shutdown(SHUT_WR), in its place behind the bytes. A reset is
 * passed on as a reset: a client must be able to tell a body that was cut from one that ended. When
 * a target answers and resets (a server that has not read all of the request), what it sent reaches
 * the client first.
 */
#include "keeper/keeper_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    PIPE_BYTES = 64 << 10, /* what a pipe holds, unless the user's share is used up */
    ROUND_BYTES = 256 << 10,
    POOL = sizeof((struct sk_keeper_loop){ 0 }.pipes) / sizeof(int[2])
};

/* ---- pipes ---- */

static bool take_pipe(struct sk_keeper_loop *l, struct sk_keeper_flow *f)
{
    if (f->pipe[0] >= 0)
        return true;
    if (l->pipe_count) {
        l->pipe_count--;
        f->pipe[0] = l->pipes[l->pipe_count][0];
        f->pipe[1] = l->pipes[l->pipe_count][1];
        return true;
    }
    return pipe2(f->pipe, O_CLOEXEC | O_NONBLOCK) == 0;
}

static void give_pipe(struct sk_keeper_loop *l, struct sk_keeper_flow *f)
{
    if (f->pipe[0] >= 0 && f->len == 0 && l->pipe_count < POOL) {
        l->pipes[l->pipe_count][0] = sk_take_fd(&f->pipe[0]);
        l->pipes[l->pipe_count][1] = sk_take_fd(&f->pipe[1]);
        l->pipe_count++;
    }
    sk_close(&f->pipe[0]);
    sk_close(&f->pipe[1]);
    f->len = 0;
}

void sk_keeper_drop_pipes(struct sk_keeper_loop *l)
{
    while (l->pipe_count) {
        l->pipe_count--;
        (void)close(l->pipes[l->pipe_count][0]);
        (void)close(l->pipes[l->pipe_count][1]);
    }
}

/* ---- ends ---- */

static void leave_flushing(struct sk_keeper_conn *c)
{
    for (struct sk_keeper_conn **at = &c->loop->flushing; *at; at = &(*at)->next_flushing) {
        if (*at != c)
            continue;
        *at = c->next_flushing;
        c->loop->timed_count--;
        return;
    }
}

static void leave_socket(struct sk_keeper_conn *c)
{
    struct sk_keeper_socket *s = c->socket;

    if (!s)
        return;
    if (c->state <= SK_KEEPER_CONNECTING)
        sk_keeper_unhold(c);
    else if (c->serial != s->serial)
        s->older--;
    s->connections--;
}

void sk_keeper_end(struct sk_keeper_conn *c, bool reset)
{
    struct sk_keeper_loop *l = c->loop;
    const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

    if (c->state == SK_KEEPER_DEAD)
        return;
    if (c->state == SK_KEEPER_FLUSHING)
        leave_flushing(c);
    leave_socket(c);
    for (int i = 0; i < 2; i++) {
        if (reset && c->side[i].fd >= 0)
            (void)setsockopt(c->side[i].fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        sk_close(&c->side[i].fd);
        give_pipe(l, &c->flow[i]);
    }
    *(c->prev ? &c->prev->next : &l->conns) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    l->conn_count--;
    c->state = SK_KEEPER_DEAD;
    c->next = l->graves; /* events of this round may still point to it */
    l->graves = c;
    if (l->conn_count + 1 >= l->conn_max)
        sk_keeper_arm_all(l);
    else if (c->socket && !c->socket->is_watched)
        sk_keeper_arm(c->socket);
}

void sk_keeper_bury(struct sk_keeper_loop *l)
{
    while (l->graves) {
        struct sk_keeper_conn *c = l->graves;
        l->graves = c->next;
        free(c);
    }
}

/* Bytes that the client has not acknowledged. A reset would throw them away. */
static bool is_sending(const struct sk_keeper_conn *c)
{
    int waiting = 0;

    return ioctl(c->side[SK_KEEPER_CLIENT].fd, SIOCOUTQ, &waiting) == 0 && waiting > 0;
}

static void end_reset(struct sk_keeper_conn *c)
{
    struct sk_keeper_loop *l = c->loop;

    if (!is_sending(c)) {
        sk_keeper_end(c, true);
        return;
    }
    c->state = SK_KEEPER_FLUSHING;
    c->deadline_ms = l->now_ms + SK_KEEPER_FLUSH_MS;
    c->next_flushing = l->flushing;
    l->flushing = c;
    l->timed_count++;
}

void sk_keeper_flush_tick(struct sk_keeper_loop *l)
{
    for (struct sk_keeper_conn *c = l->flushing, *next; c; c = next) {
        next = c->next_flushing;
        if (!is_sending(c) || c->deadline_ms <= l->now_ms)
            sk_keeper_end(c, true);
    }
}

/* ---- moving ---- */

enum moved {
    NOTHING,
    SOMETHING,
    OVER /* the connection is not to be touched any more */
};

void sk_keeper_busy(struct sk_keeper_conn *c)
{
    if (c->is_busy)
        return;
    c->is_busy = true;
    c->next_busy = c->loop->busy;
    c->loop->busy = c;
}

/* A side failed. What the target sent before is still to be read and passed on. */
static enum moved side_failed(struct sk_keeper_conn *c, int side)
{
    struct sk_keeper_flow *answer = &c->flow[SK_KEEPER_TARGET];

    c->is_broken = true;
    if (side == SK_KEEPER_CLIENT) {
        sk_keeper_end(c, true);
        return OVER;
    }
    c->flow[SK_KEEPER_CLIENT].is_done = true;
    give_pipe(c->loop, &c->flow[SK_KEEPER_CLIENT]);
    if (answer->is_done) {
        end_reset(c);
        return OVER;
    }
    c->side[SK_KEEPER_TARGET].can_read = true;
    return SOMETHING;
}

/* The side will send no more. */
static enum moved side_ended(struct sk_keeper_conn *c, int side)
{
    c->flow[side].is_done = true;
    give_pipe(c->loop, &c->flow[side]);
    if (c->is_broken) {
        end_reset(c);
        return OVER;
    }
    if (c->flow[!side].is_done) {
        sk_keeper_end(c, false);
        return OVER;
    }
    (void)shutdown(c->side[!side].fd, SHUT_WR);
    return SOMETHING;
}

/* Fills the empty pipe of a flow. */
static enum moved fill(struct sk_keeper_conn *c, int side)
{
    struct sk_keeper_flow *f = &c->flow[side];
    struct sk_keeper_side *from = &c->side[side];

    if (!take_pipe(c->loop, f)) {
        c->loop->is_short = true; /* of descriptors or memory: some are given back soon */
        sk_keeper_busy(c);
        return NOTHING;
    }
    ssize_t n = splice(from->fd, NULL, f->pipe[1], NULL, PIPE_BYTES,
                       SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    if (n > 0) {
        f->len = (size_t)n;
        return SOMETHING;
    }
    if (n == 0)
        return side_ended(c, side);
    if (errno == EAGAIN || errno == EINTR) {
        from->can_read = errno == EINTR;
        give_pipe(c->loop, f);
        return from->can_read ? SOMETHING : NOTHING;
    }
    if (side == SK_KEEPER_TARGET && c->is_broken)
        return side_ended(c, side);
    return side_failed(c, side);
}

static enum moved drain(struct sk_keeper_conn *c, int side)
{
    struct sk_keeper_flow *f = &c->flow[side];
    struct sk_keeper_side *to = &c->side[!side];
    ssize_t n = splice(f->pipe[0], NULL, to->fd, NULL, f->len, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

    if (n > 0) {
        f->len -= (size_t)n;
        if (f->len == 0)
            give_pipe(c->loop, f);
        return SOMETHING;
    }
    if (n < 0 && errno == EINTR)
        return SOMETHING;
    if (n == 0 || errno == EAGAIN) {
        to->can_write = false;
        return NOTHING;
    }
    return side_failed(c, !side);
}

static enum moved move(struct sk_keeper_conn *c, int side)
{
    struct sk_keeper_flow *f = &c->flow[side];

    if (f->is_done)
        return NOTHING;
    if (f->len)
        return c->side[!side].can_write ? drain(c, side) : NOTHING;
    return c->side[side].can_read ? fill(c, side) : NOTHING;
}

void sk_keeper_pump(struct sk_keeper_conn *c)
{
    /* A step moves at most a pipe's worth; after these it is the others' turn. */
    for (int steps = 2 * ROUND_BYTES / PIPE_BYTES; steps > 0; steps--) {
        enum moved up = move(c, SK_KEEPER_CLIENT);
        enum moved down = up == OVER ? OVER : move(c, SK_KEEPER_TARGET);
        if (down == OVER || (up == NOTHING && down == NOTHING))
            return;
    }
    sk_keeper_busy(c);
}
