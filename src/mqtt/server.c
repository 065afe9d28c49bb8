/* server.c - options, loops, and the way in for connections. */
#include "mqtt/mqtt_priv.h"

#include "base/clock.h"
#include "base/thread.h"

#include <assert.h>
#include <string.h>

enum {
    LOOPS = 2,
    LOOPS_MAX = 64,
    CONNECTIONS = 20000,
    PACKET_BYTES = 270000,
    OUT_BYTES = 1 << 20,
    INFLIGHT_IN = 64,
    INFLIGHT_OUT = 32,
    INFLIGHT_MAX = 1024, /* they are searched one by one */
    CONNECT_MS = 10000,
    KEEP_ALIVE_S = 1767,
    STOP_MS = 1000
};

static const char default_path[] = "/$iothub/websocket";

static void fill_options(struct sk_mqtt_options *o)
{
    o->loops = o->loops ? o->loops : LOOPS;
    o->max_connections = o->max_connections ? o->max_connections : CONNECTIONS;
    o->max_packet = o->max_packet ? o->max_packet : PACKET_BYTES;
    o->max_out_bytes = o->max_out_bytes ? o->max_out_bytes : OUT_BYTES;
    o->max_inflight_in = o->max_inflight_in ? o->max_inflight_in : INFLIGHT_IN;
    o->max_inflight_out = o->max_inflight_out ? o->max_inflight_out : INFLIGHT_OUT;
    o->connect_ms = o->connect_ms ? o->connect_ms : CONNECT_MS;
    o->max_keep_alive_s = o->max_keep_alive_s ? o->max_keep_alive_s : KEEP_ALIVE_S;
}

int sk_server_make(const struct sk_mqtt_options *opts, struct sk_mqtt_server **out,
                   struct sk_err *err)
{
    SK_OWN(sk_mqtt_server_free) struct sk_mqtt_server *s = calloc(1, sizeof *s);

    if (!s)
        return sk_nomem(err);
    (void)pthread_mutex_init(&s->stop_lock, NULL);
    s->opts = *opts;
    fill_options(&s->opts);
    if (s->opts.loops > LOOPS_MAX || s->opts.max_inflight_in > INFLIGHT_MAX ||
        s->opts.max_inflight_out > INFLIGHT_MAX)
        return sk_fail(err, SK_INVALID, "mqtt: at most %d loops and %d messages in flight",
                       LOOPS_MAX, INFLIGHT_MAX);
    s->ws_path = strdup(opts->ws_path ? opts->ws_path : default_path);
    s->loops = calloc(s->opts.loops, sizeof *s->loops);
    if (!s->ws_path || !s->loops)
        return sk_nomem(err);
    while (s->loops_ready < s->opts.loops) {
        unsigned i = s->loops_ready++;
        if (sk_loop_init(&s->loops[i], s, i, err) < 0)
            return -1;
    }
    *out = SK_TAKE(s);
    return 0;
}

int sk_mqtt_server_new(const struct sk_mqtt_options *opts, struct sk_mqtt_server **out,
                       struct sk_err *err)
{
    SK_OWN(sk_mqtt_server_free) struct sk_mqtt_server *s = NULL;

    if (sk_server_make(opts, &s, err) < 0)
        return -1;
    assert(s);
    for (unsigned i = 0; i < s->opts.loops; i++)
        if (sk_loop_start(&s->loops[i], err) < 0)
            return -1;
    *out = SK_TAKE(s);
    return 0;
}

int sk_mqtt_server_add(struct sk_mqtt_server *s, struct sk_stream *stream,
                       const struct sk_mqtt_peer *peer, bool is_websocket, struct sk_err *err)
{
    SK_OWN(sk_stream_free) struct sk_stream *own = stream;
    struct sk_mqtt_loop *l = &s->loops[atomic_fetch_add(&s->next_loop, 1) % s->opts.loops];
    struct sk_mqtt_conn *c = NULL;

    if (atomic_fetch_add(&s->connections, 1) >= s->opts.max_connections) {
        (void)atomic_fetch_sub(&s->connections, 1);
        return sk_fail(err, SK_BUSY, "there are %u connections", s->opts.max_connections);
    }
    if (sk_mqtt_conn_new(l, &own, peer, is_websocket, &c, err) < 0) {
        (void)atomic_fetch_sub(&s->connections, 1);
        return -1;
    }
    if (sk_loop_add(l, c) < 0) {
        sk_conn_free(c);
        (void)atomic_fetch_sub(&s->connections, 1);
        return sk_fail(err, SK_CANCELLED, "the server stops");
    }
    return 0;
}

unsigned sk_mqtt_server_connections(const struct sk_mqtt_server *s)
{
    return atomic_load(&s->connections);
}

void sk_mqtt_post(struct sk_mqtt_server *s, struct sk_mqtt_post *post)
{
    sk_loop_post(&s->loops[post->to.loop < s->opts.loops ? post->to.loop : 0], post);
}

void sk_mqtt_server_stop(struct sk_mqtt_server *s, unsigned wait_ms)
{
    uint64_t by_ms = sk_now_ms() + wait_ms;
    SK_LOCK(&s->stop_lock);

    if (s->is_stopped)
        return;
    s->is_stopped = true;
    for (unsigned i = 0; i < s->loops_ready; i++)
        if (s->loops[i].has_thread)
            sk_loop_stop(&s->loops[i], by_ms);
    for (unsigned i = 0; i < s->loops_ready; i++) {
        if (s->loops[i].has_thread)
            (void)pthread_join(s->loops[i].thread, NULL);
        else
            sk_loop_leave(&s->loops[i]);
    }
}

void sk_mqtt_server_free(struct sk_mqtt_server *s)
{
    if (!s)
        return;
    sk_mqtt_server_stop(s, STOP_MS);
    for (unsigned i = 0; i < s->loops_ready; i++)
        sk_loop_done(&s->loops[i]);
    free(s->loops);
    free(s->ws_path);
    (void)pthread_mutex_destroy(&s->stop_lock);
    free(s);
}
