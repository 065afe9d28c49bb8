/* client_still.c - see client_still.h. */
#include "client_still.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

static uint64_t fake_ms = 5000000;

static uint64_t fake_clock(void)
{
    return fake_ms;
}

uint64_t still_now(void)
{
    return fake_ms;
}

int still_make(struct still *s, const struct sk_mqtt_line_options *opts, struct sk_err *err)
{
    struct sk_mqtt_line_options o = opts ? *opts : (struct sk_mqtt_line_options){ .port = 1 };

    memset(s, 0, sizeof *s);
    s->peer = -1;
    client_log_init(&s->log);
    o.host = o.host ? o.host : "127.0.0.1";
    o.port = o.port ? o.port : 1;
    o.client_id = o.client_id ? o.client_id : "c";
    o.username = "user";
    o.handler = &client_handler;
    o.ctx = &s->log;
    if (sk_dialer_make(NULL, &s->dialer, err) < 0)
        return -1;
    s->dialer->clock = fake_clock;
    s->dialer->now_ms = fake_ms;
    return sk_mqtt_line_open(s->dialer, &o, &s->line, err);
}

void still_init(struct still *s, const struct sk_mqtt_line_options *opts)
{
    struct sk_err err = SK_ERR_INIT;

    if (still_make(s, opts, &err) < 0)
        fail_msg("%s", err.text);
}

/* In the place of a dial: it is not the test's network that is tested here. */
int still_connect(struct still *s, struct sk_err *err)
{
    struct sk_mqtt_line *l = s->line;
    struct sk_stream *stream = NULL;
    int pair[2];

    if (l->state == SK_LINE_NEW) {
        l->next = s->dialer->lines;
        l->prev = &s->dialer->lines;
        s->dialer->lines = l;
        l->state = SK_LINE_WAITING;
        l->retry_at_ms = UINT64_MAX;
    }
    assert_int_equal(l->state, SK_LINE_WAITING);
    sk_close(&s->peer);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    s->peer = pair[1];
    l->by_ms = fake_ms + l->opts.connect_ms;
    if (sk_stream_of_fd(pair[0], &stream, err) < 0)
        return -1;
    if (sk_link_new(l, -1, &l->link, err) < 0) {
        sk_stream_free(stream);
        return -1;
    }
    l->link->stream = stream;
    sk_line_ask_login(l);
    sk_line_settle(l);
    still_rounds(s);
    return 0;
}

void still_up(struct still *s, const struct sk_mqtt_line_options *opts)
{
    struct sk_err err = SK_ERR_INIT;

    still_init(s, opts);
    if (still_connect(s, &err) < 0)
        fail_msg("%s", err.text);
    still_expect(s, STILL_CONNECT);
    still_send(s, STILL_CONNACK);
    still_log(s, "up");
}

void still_done(struct still *s)
{
    sk_mqtt_line_close(s->line);
    sk_close(&s->peer);
    if (s->dialer)
        while (s->dialer->links)
            sk_link_free(s->dialer->links);
    sk_mqtt_dialer_free(s->dialer);
    memset(s, 0, sizeof *s);
    s->peer = -1;
}

void still_rounds(struct still *s)
{
    for (int i = 0; i < 6; i++)
        (void)sk_dialer_round(s->dialer, 0);
}

void still_pass(struct still *s, uint64_t ms)
{
    fake_ms += ms;
    still_rounds(s);
}

void still_send_bytes(struct still *s, const void *bytes, size_t len)
{
    assert_int_equal(send(s->peer, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT), (ssize_t)len);
    still_rounds(s);
}

void still_send(struct still *s, const char *text)
{
    static unsigned char bytes[1 << 16];

    still_send_bytes(s, bytes, rig_bytes(text, bytes, sizeof bytes));
}

void still_close_peer(struct still *s)
{
    sk_close(&s->peer);
    still_rounds(s);
}

void still_expect_at(int line, struct still *s, const char *text, bool has_end)
{
    rig_expect_at(line, s->peer, text, has_end);
}

void still_log_at(int line, struct still *s, const char *text)
{
    if (strcmp(s->log.text, text) != 0)
        fail_msg("line %d: the log is '%s'", line, s->log.text);
    s->log.text[0] = '\0';
}

void still_publish(struct still *s, const char *topic, const char *payload, unsigned qos,
                   uint64_t token)
{
    struct sk_err err = SK_ERR_INIT;

    if (sk_mqtt_line_publish(s->line, sk_view_of(topic), sk_view_of(payload), qos, token, &err) < 0)
        fail_msg("%s", err.text);
}
