/*
 * client_line.c - a line: how it comes up, and what happens when it does not.
 *
 *     WAITING -> RESOLVING -> CONNECTING -> SHAKING -> ASKING -> GREETING -> SUBSCRIBING -> UP
 *        ^          name    each address      TLS     password   CONNACK      SUBACKs        |
 *        +------------- whatever fails, after a wait that doubles -------- or LEAVING <------+
 *
 * All of this runs on the dialer's thread; others leave wishes under the line's lock (wants_close
 * and so on) and put the line into the mail. What a line's functions (`down` and so on) wish comes
 * the same way, so nothing is turned upside down below them.
 *
 * The wait doubles with each failure, and is then shortened by up to a half, so that lines that
 * were lost together do not come back together. It is the shortest again after a connection that
 * was up for SK_CLIENT_STEADY_MS: one that is accepted and thrown out at once (two that share a
 * client id do that to each other) has not earned it.
 *
 * Half-open connections: what is not heard of for a keep-alive is sent a PINGREQ, and is lost after
 * half as much again. The server hears from us once a keep-alive by the same packet. A server whose
 * TCP is still taking what was sent before (a large message over a slow line) is not silent.
 */
#include "mqtt/client_priv.h"

#include "base/thread.h"

#include <assert.h>
#include <netdb.h>
#include <string.h>
#include <sys/epoll.h>

enum {
    PORT = 8883,
    KEEP_ALIVE_S = 60,
    CONNECT_MS = 20000,
    INFLIGHT = 64,
    OUT_BYTES = 1 << 20,
    PACKET_BYTES = 270000,
    RETRY_MIN_MS = 100,
    RETRY_MAX_MS = 60000
};

/* ---- its memory ---- */

static void fill_options(struct sk_mqtt_line_options *o)
{
    o->port = o->port ? o->port : PORT;
    o->keep_alive_s = o->keep_alive_s ? o->keep_alive_s : KEEP_ALIVE_S;
    o->connect_ms = o->connect_ms ? o->connect_ms : CONNECT_MS;
    o->max_inflight = o->max_inflight ? o->max_inflight : INFLIGHT;
    o->max_out_bytes = o->max_out_bytes ? o->max_out_bytes : OUT_BYTES;
    o->max_packet = o->max_packet ? o->max_packet : PACKET_BYTES;
    o->retry_min_ms = o->retry_min_ms ? o->retry_min_ms : RETRY_MIN_MS;
    o->retry_max_ms = o->retry_max_ms ? o->retry_max_ms : RETRY_MAX_MS;
    if (o->retry_max_ms < o->retry_min_ms)
        o->retry_max_ms = o->retry_min_ms;
}

static int check_options(const struct sk_mqtt_line_options *o, struct sk_err *err)
{
    if (!o->host || !o->host[0] || !o->client_id)
        return sk_fail(err, SK_INVALID, "mqtt: a line needs a host and a client id");
    if (!sk_mqtt_is_text(sk_view_of(o->client_id)) ||
        (o->username && !sk_mqtt_is_text(sk_view_of(o->username))))
        return sk_fail(err, SK_INVALID,
                       "mqtt: the client id or the user name is too long, or is not UTF-8");
    if (o->max_inflight > SK_CLIENT_INFLIGHT_MAX)
        return sk_fail(err, SK_INVALID, "mqtt: at most %d messages in flight",
                       SK_CLIENT_INFLIGHT_MAX);
    return 0;
}

/* "[::1]" is how an address stands in a URL. */
static void strip_brackets(char *host)
{
    size_t len = strlen(host);

    if (len < 3 || host[0] != '[' || host[len - 1] != ']')
        return;
    memmove(host, host + 1, len - 2);
    host[len - 2] = '\0';
}

static int copy_texts(struct sk_mqtt_line *l, struct sk_err *err)
{
    struct sk_mqtt_line_options *o = &l->opts;
    const char **const fields[] = { &o->host,     &o->verify_name, &o->ca_file, &o->cert_file,
                                    &o->key_file, &o->client_id,   &o->username };

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (!*fields[i])
            continue;
        l->texts[i] = strdup(*fields[i]);
        if (!l->texts[i])
            return sk_nomem(err);
        *fields[i] = l->texts[i];
    }
    strip_brackets(l->texts[0]);
    if (!o->verify_name)
        o->verify_name = o->host;
    for (size_t i = 0; o->filters && o->filters[i]; i++)
        if (sk_mqtt_line_subscribe(l, o->filters[i], err) < 0)
            return -1;
    o->filters = NULL;
    return 0;
}

static int make_line(struct sk_mqtt_dialer *d, const struct sk_mqtt_line_options *opts,
                     struct sk_mqtt_line **out, struct sk_err *err)
{
    SK_OWN(sk_line_free) struct sk_mqtt_line *l = calloc(1, sizeof *l);

    if (!l)
        return sk_nomem(err);
    (void)pthread_mutex_init(&l->lock, NULL);
    l->dialer = d;
    l->out = (struct sk_buf)SK_BUF_INIT(SIZE_MAX);
    l->opts = *opts;
    fill_options(&l->opts);
    l->is_mailed = true; /* nothing is posted before it is whole */
    if (copy_texts(l, err) < 0)
        return -1;
    l->is_mailed = false;
    *out = SK_TAKE(l);
    return 0;
}

void sk_line_free(struct sk_mqtt_line *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < sizeof l->texts / sizeof *l->texts; i++)
        free(l->texts[i]);
    for (size_t i = 0; i < l->filters_count; i++)
        free(l->filters[i]);
    free(l->filters);
    free(l->password);
    free(l->no_login);
    free(l->sent);
    free(l->inbound);
    sk_buf_done(&l->out);
    (void)pthread_mutex_destroy(&l->lock);
    free(l);
}

/* ---- down ---- */

/* The next wait, and counts the failure. */
static unsigned next_wait(struct sk_mqtt_line *l)
{
    const struct sk_mqtt_line_options *o = &l->opts;
    uint64_t wait = o->retry_min_ms;

    for (unsigned i = 0; i < l->failures && wait < o->retry_max_ms; i++)
        wait *= 2;
    if (wait > o->retry_max_ms)
        wait = o->retry_max_ms;
    l->failures++;
    return (unsigned)wait - sk_dialer_random(l->dialer, (unsigned)wait / 2 + 1);
}

static void drop_dial(struct sk_mqtt_line *l)
{
    sk_lookup_drop(SK_TAKE(l->lookup));
    if (l->found)
        freeaddrinfo(l->found);
    l->found = l->next_address = NULL;
    sk_link_kill(SK_TAKE(l->link));
}

void sk_line_lose(struct sk_mqtt_line *l, enum sk_mqtt_connack refusal, const char *why)
{
    const struct sk_mqtt_line_handler *h = l->opts.handler;
    struct sk_mqtt_dialer *d = l->dialer;

    if (l->state == SK_LINE_UP && d->now_ms - l->up_ms >= SK_CLIENT_STEADY_MS)
        l->failures = 0;
    drop_dial(l);
    unsigned wait_ms = next_wait(l);
    l->state = SK_LINE_WAITING;
    l->retry_at_ms = d->now_ms + wait_ms;
    sk_dialer_set_due(d, l->retry_at_ms);
    sk_line_reset(l);
    if (h->down)
        h->down(l, refusal, why, wait_ms, l->opts.ctx);
}

/* ---- at the end of what happened ---- */

static bool take_writable(struct sk_mqtt_line *l)
{
    SK_LOCK(&l->lock);
    bool is_due = l->is_busy && l->is_open && !l->is_renewing &&
                  l->sent_count < l->opts.max_inflight &&
                  sk_line_waiting(l) <= l->opts.max_out_bytes / 2;

    if (is_due)
        l->is_busy = false;
    return is_due;
}

static unsigned wanted_events(struct sk_mqtt_line *l)
{
    const struct sk_link *k = l->link;

    if (l->state == SK_LINE_CONNECTING)
        return EPOLLOUT;
    if (l->state == SK_LINE_SHAKING)
        return sk_stream_events(k->stream, true, false);
    bool reads = k->rest.len == 0 && !sk_line_is_held(l) && !sk_line_is_full(l);
    bool writes = k->out.len > 0;
    return reads || writes ? sk_stream_events(k->stream, reads, writes) : 0;
}

/* Leaves for a new login when all is acknowledged, or its time is over. */
static void leave_to_renew(struct sk_mqtt_line *l)
{
    const struct sk_mqtt_line_handler *h = l->opts.handler;
    bool is_ready;
    {
        SK_LOCK(&l->lock);
        is_ready = l->is_renewing && (l->dialer->now_ms >= l->renew_by_ms ||
                                      (l->unacked == 0 && sk_line_waiting(l) == 0));
        if (is_ready)
            sk_mqtt_write_disconnect(&l->link->out);
    }
    if (!is_ready)
        return;
    l->old = SK_TAKE(l->link);
    l->state = SK_LINE_LEAVING;
    sk_link_leave(l->old, l);
    sk_line_reset(l);
    if (h->down)
        h->down(l, SK_MQTT_ACCEPTED, "the line logs in anew", 0, l->opts.ctx);
}

void sk_line_settle(struct sk_mqtt_line *l)
{
    const struct sk_mqtt_line_handler *h = l->opts.handler;

    if (l->link && l->state > SK_LINE_ASKING) {
        sk_link_take_rest(l->link);
        if (l->link)
            sk_line_send_subs(l);
        if (l->link)
            sk_link_write(l->link);
        if (l->link && l->state == SK_LINE_UP)
            leave_to_renew(l);
        if (l->link && h->writable && take_writable(l))
            h->writable(l, l->opts.ctx);
    }
    if (l->link && sk_link_ask_epoll(l->link, wanted_events(l)) < 0)
        sk_line_lose(l, SK_MQTT_ACCEPTED, "out of memory");
    sk_dialer_set_due(l->dialer, sk_line_due(l));
}

/* ---- time ---- */

/* Of a line that is up. */
static uint64_t keep_alive_due(const struct sk_mqtt_line *l)
{
    const uint64_t keep_ms = l->opts.keep_alive_s * 1000u;
    const uint64_t since = l->heard_ms < l->sent_ms ? l->heard_ms : l->sent_ms;
    const uint64_t lost_ms = l->heard_ms + keep_ms + keep_ms / 2;

    return l->is_pinged || since + keep_ms > lost_ms ? lost_ms : since + keep_ms;
}

uint64_t sk_line_due(const struct sk_mqtt_line *l)
{
    uint64_t due;

    switch (l->state) {
    case SK_LINE_WAITING:
        return l->retry_at_ms;
    case SK_LINE_CONNECTING:
        return l->address_by_ms;
    case SK_LINE_RESOLVING:
    case SK_LINE_SHAKING:
    case SK_LINE_ASKING:
    case SK_LINE_GREETING:
    case SK_LINE_SUBSCRIBING:
        return l->by_ms;
    case SK_LINE_UP:
        due = keep_alive_due(l);
        return l->renew_by_ms && l->renew_by_ms < due ? l->renew_by_ms : due;
    default:
        return UINT64_MAX;
    }
}

static void tick_up(struct sk_mqtt_line *l)
{
    const uint64_t now = l->dialer->now_ms, keep_ms = l->opts.keep_alive_s * 1000u;

    if (l->renew_by_ms && l->renew_by_ms <= now)
        return; /* settled below */
    if (sk_line_is_held(l)) {
        l->heard_ms = now; /* we do not read it: its silence is ours */
        if (now - l->sent_ms >= keep_ms)
            sk_line_ping(l);
        l->is_pinged = false;
    } else if (now - l->heard_ms >= keep_ms + keep_ms / 2) {
        if (sk_link_is_taken(l->link))
            l->heard_ms = now; /* its TCP is there, and busy with what we sent */
        else
            sk_line_lose(l, SK_MQTT_ACCEPTED, "the server is silent: the keep-alive is over");
    } else if (!l->is_pinged) {
        sk_line_ping(l);
    }
}

void sk_line_tick(struct sk_mqtt_line *l)
{
    switch (l->state) {
    case SK_LINE_WAITING:
        sk_line_dial(l);
        break;
    case SK_LINE_UP:
        tick_up(l);
        break;
    default:
        sk_line_time_out(l);
    }
    sk_line_settle(l);
}

/* ---- wishes ---- */

static void renew(struct sk_mqtt_line *l)
{
    if (l->state == SK_LINE_WAITING) {
        sk_line_dial(l);
    } else if (l->state == SK_LINE_GREETING || l->state == SK_LINE_SUBSCRIBING) {
        sk_link_kill(SK_TAKE(l->link));
        sk_line_reset(l);
        sk_line_dial(l);
    } else if (l->state == SK_LINE_UP && l->renew_by_ms == 0) {
        SK_LOCK(&l->lock);
        l->is_renewing = true;
        l->renew_by_ms = l->dialer->now_ms + SK_CLIENT_RENEW_MS;
    } /* else a login is still to be asked for */
}

/* TCP that waits for an answer may have asked when there was no way; it would ask again only after
 * seconds. */
static void poke(struct sk_mqtt_line *l)
{
    const uint64_t begun_ms = l->by_ms - l->opts.connect_ms;

    if (l->state == SK_LINE_CONNECTING && l->dialer->now_ms - begun_ms >= SK_CLIENT_POKE_MS)
        drop_dial(l);
    else if (l->state != SK_LINE_WAITING)
        return;
    sk_line_dial(l);
}

static void take_login(struct sk_mqtt_line *l)
{
    SK_AUTO(free_cleanup) char *no_login = NULL;
    bool is_refused;
    {
        SK_LOCK(&l->lock);
        if (!l->has_login)
            return;
        l->has_login = false;
        no_login = SK_TAKE(l->no_login);
        is_refused = l->is_refused;
    }
    if (l->state != SK_LINE_ASKING)
        return;
    if (is_refused)
        sk_line_lose(l, SK_MQTT_ACCEPTED, no_login ? no_login : "out of memory");
    else
        sk_line_greet(l);
}

void sk_line_mail(struct sk_mqtt_line *l)
{
    struct sk_mqtt_dialer *d = l->dialer;
    bool wants_close, wants_renew, wants_poke;
    {
        SK_LOCK(&l->lock);
        wants_close = l->wants_close;
        wants_renew = l->wants_renew;
        wants_poke = l->wants_poke;
        l->wants_renew = l->wants_poke = false;
    }
    if (l->state == SK_LINE_NEW) {
        l->next = d->lines;
        l->prev = &d->lines;
        if (l->next)
            l->next->prev = &l->next;
        d->lines = l;
        l->state = SK_LINE_WAITING;
        wants_poke = true;
    }
    if (wants_close) {
        sk_line_end(l);
        return;
    }
    if (wants_renew)
        renew(l);
    if (wants_poke)
        poke(l);
    take_login(l);
    sk_line_settle(l);
}

/* ---- the end ---- */

/* No mail of it any more; whoever waits for its end may free it. */
static void forget(struct sk_mqtt_line *l)
{
    struct sk_mqtt_dialer *d = l->dialer;
    SK_LOCK(&d->lock);

    for (struct sk_mqtt_line **at = &d->mail; *at; at = &(*at)->next_mail)
        if (*at == l) {
            *at = l->next_mail;
            if (d->mail_end == &l->next_mail)
                d->mail_end = at;
            break;
        }
    l->is_closed = true;
    (void)pthread_cond_broadcast(&d->closed);
}

void sk_line_end(struct sk_mqtt_line *l)
{
    if (l->old)
        l->old->waiter = NULL;
    if (l->link && l->state >= SK_LINE_GREETING) {
        struct sk_link *k = SK_TAKE(l->link);
        {
            SK_LOCK(&l->lock);
            sk_mqtt_write_disconnect(&l->out);
            sk_buf_add(&k->out, l->out.data, l->out.len);
        }

        sk_link_leave(k, NULL);
    }
    drop_dial(l);
    l->state = SK_LINE_CLOSED;
    sk_line_reset(l);
    if (l->prev) {
        *l->prev = l->next;
        if (l->next)
            l->next->prev = l->prev;
    }
    forget(l);
}

/* ---- from any thread ---- */

int sk_mqtt_line_open(struct sk_mqtt_dialer *d, const struct sk_mqtt_line_options *opts,
                      struct sk_mqtt_line **out, struct sk_err *err)
{
    struct sk_mqtt_line *l = NULL;

    if (check_options(opts, err) < 0 || make_line(d, opts, &l, err) < 0)
        return -1;
    *out = l; /* before its functions may run */
    sk_dialer_post(l);
    return 0;
}

void sk_mqtt_line_close(struct sk_mqtt_line *l)
{
    struct sk_mqtt_dialer *d;

    if (!l)
        return;
    d = l->dialer;
    if (!d->has_thread) { /* a test's */
        sk_line_end(l);
        sk_line_free(l);
        return;
    }
    assert(!pthread_equal(pthread_self(), d->thread));
    {
        SK_LOCK(&l->lock);
        l->wants_close = true;
    }
    sk_dialer_post(l);
    {
        SK_LOCK(&d->lock);
        while (!l->is_closed)
            (void)pthread_cond_wait(&d->closed, &d->lock);
    }
    sk_line_free(l);
}

static void give_login(struct sk_mqtt_line *l, bool is_refused, char *password, char *no_login)
{
    bool is_asking;
    {
        SK_LOCK(&l->lock);
        is_asking = l->is_asking;
        if (is_asking) {
            l->is_asking = false;
            l->has_login = true;
            l->is_refused = is_refused;
            l->password = SK_TAKE(password);
            l->no_login = SK_TAKE(no_login);
        }
    }
    sk_line_wipe(password);
    free(no_login);
    if (is_asking)
        sk_dialer_post(l);
}

void sk_mqtt_line_login(struct sk_mqtt_line *l, const char *password)
{
    char *own = password ? strdup(password) : NULL;

    if (password && !own)
        give_login(l, true, NULL, NULL);
    else
        give_login(l, false, own, NULL);
}

void sk_mqtt_line_no_login(struct sk_mqtt_line *l, const char *why)
{
    give_login(l, true, NULL, strdup(why)); /* NULL: out of memory */
}

void sk_mqtt_line_renew(struct sk_mqtt_line *l)
{
    {
        SK_LOCK(&l->lock);
        l->wants_renew = true;
    }
    sk_dialer_post(l);
}

void sk_mqtt_line_poke(struct sk_mqtt_line *l)
{
    {
        SK_LOCK(&l->lock);
        l->wants_poke = true;
    }
    sk_dialer_post(l);
}
