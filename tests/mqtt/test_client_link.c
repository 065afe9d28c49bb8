/* test_client_link.c - bytes in any pieces, a server that does not read, and orderly ends. */
#include "client_still.h"
#include "rig.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const char wanted[] =
    "message:a=x message:b=y acked:1 message:long=zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz message:c=";

static size_t conversation(unsigned char *out, size_t cap)
{
    char text[2000];
    char payload[301] = "";

    memset(payload, 'z', 300);
    (void)snprintf(text, sizeof text,
                   "32 06 0001 'a' 0007 'x' 30 04 0001 'b' 'y' 40 02 0001 d0 00 "
                   "30 b202 0004 'long' '%s' 30 03 0001 'c'",
                   payload);
    return rig_bytes(text, out, cap);
}

static void any_pieces(void **state)
{
    unsigned char bytes[1000];
    const size_t len = conversation(bytes, sizeof bytes);

    (void)state;
    for (size_t piece = 1; piece <= len; piece += piece < 8 ? 1 : 37) {
        struct still s;

        still_up(&s, NULL);
        still_publish(&s, "t", "", 1, 1);
        still_rounds(&s);
        for (size_t at = 0; at < len; at += piece)
            still_send_bytes(&s, bytes + at, piece < len - at ? piece : len - at);
        if (strcmp(s.log.text, wanted) != 0)
            fail_msg("pieces of %zu: '%s'", piece, s.log.text);
        still_done(&s);
    }
}

/* Bounds at the limit and one beyond. */
static void packet_bound(void **state)
{
    const struct sk_mqtt_line_options o = { .max_packet = 20 };
    struct still s;

    (void)state;
    still_up(&s, &o);
    still_send(&s, "30 12 0001 'a' '123456789012345'");
    still_log(&s, "message:a=123456789012345");
    still_send(&s, "30 13");
    still_log(&s, "down:0:the server has sent a packet is too large");
    still_done(&s);
}

/* A server that reads nothing: what waits is bounded, and nothing more is read from it. */
static void slow_server(void **state)
{
    enum {
        OUT_BYTES = 100000,
        MESSAGE = 30000
    };

    static char payload[MESSAGE];
    const struct sk_mqtt_line_options o = { .max_out_bytes = OUT_BYTES, .keep_alive_s = 60 };
    const struct sk_view body = { payload, sizeof payload };
    struct sk_err err = SK_ERR_INIT;
    struct still s;
    unsigned taken = 0;
    int small = 4096;

    (void)state;
    still_up(&s, &o);
    assert_int_equal(
        setsockopt(s.line->link->stream->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    while (sk_mqtt_line_publish(s.line, SK_VIEW("t"), body, 0, 0, &err) == 0) {
        still_rounds(&s);
        assert_true(++taken < 100);
    }
    assert_int_equal(err.code, SK_BUSY);
    assert_true(sk_line_waiting(s.line) <= OUT_BYTES);
    assert_int_equal(atomic_load(&s.log.writables), 0);
    for (size_t got = 0; got < taken * (MESSAGE + 7u);) {
        static char bytes[1 << 16];
        ssize_t n = recv(s.peer, bytes, sizeof bytes, MSG_DONTWAIT);
        assert_true(n > 0);
        got += (size_t)n;
        still_rounds(&s);
    }
    assert_int_equal(atomic_load(&s.log.writables), 1);
    assert_int_equal(sk_line_waiting(s.line), 0);
    assert_null(s.line->link->out.data);
    still_log(&s, "");
    still_done(&s);
}

/* One message larger than the bound may wait alone. */
static void large_message(void **state)
{
    static char payload[50000];
    const struct sk_mqtt_line_options o = { .max_out_bytes = 1000 };
    struct sk_err err = SK_ERR_INIT;
    struct still s;

    (void)state;
    still_up(&s, &o);
    assert_int_equal(sk_mqtt_line_publish(s.line, SK_VIEW("t"),
                                          (struct sk_view){ payload, sizeof payload }, 0, 0, &err),
                     0);
    assert_int_equal(sk_mqtt_line_publish(s.line, SK_VIEW("t"), SK_VIEW("x"), 0, 0, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    still_done(&s);
}

/* In the place of the pair of sockets: TCP, whose far end takes little at a time. */
static void become_slow_tcp(struct still *s)
{
    const int small = 4096, large = 1 << 20;
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    assert_int_equal(setsockopt(near, SOL_SOCKET, SO_SNDBUF, &large, sizeof large), 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(connect(near, (struct sockaddr *)&at, sizeof at), 0);
    sk_close(&s->peer);
    s->peer = accept(listener, NULL, NULL);
    assert_true(s->peer >= 0);
    assert_int_equal(fcntl(near, F_SETFL, O_NONBLOCK), 0);
    assert_true(dup2(near, s->line->link->stream->fd) >= 0);
    sk_close(&near);
    sk_close(&listener);
}

static int unacknowledged(const struct still *s)
{
    int bytes = 0;
    assert_int_equal(ioctl(s->line->link->stream->fd, SIOCOUTQ, &bytes), 0);
    return bytes;
}

/* So much that the near end's TCP hears of it. */
static void take_some(const struct still *s)
{
    static char bytes[64 << 10];
    const int before = unacknowledged(s);

    for (int i = 0; i < 20000 && unacknowledged(s) == before; i++) {
        (void)recv(s->peer, bytes, sizeof bytes, MSG_DONTWAIT);
        (void)usleep(1000);
    }
    assert_true(unacknowledged(s) < before);
}

/* A large message on a slow way: the server can say nothing yet, but its TCP takes the bytes. */
static void a_slow_way_is_no_silence(void **state)
{
    static char payload[200 << 10];
    const struct sk_mqtt_line_options o = { .keep_alive_s = 60 };
    struct sk_err err = SK_ERR_INIT;
    struct still s;

    (void)state;
    still_up(&s, &o);
    become_slow_tcp(&s);
    assert_int_equal(sk_mqtt_line_publish(s.line, SK_VIEW("t"),
                                          (struct sk_view){ payload, sizeof payload }, 0, 0, &err),
                     0);
    still_rounds(&s);
    assert_int_equal(sk_line_waiting(s.line), 0); /* the kernel has it */
    for (int i = 0; i < 3; i++) {
        take_some(&s);
        still_pass(&s, 60000);
        still_pass(&s, 30000);
        still_log(&s, "");
    }
    /* It stands still; TCP may have taken a last part that we had not heard of. */
    for (int i = 0; i < 10 && s.log.text[0] == '\0'; i++)
        still_pass(&s, 90000);
    still_log(&s, "down:0:the server is silent: the keep-alive is over");
    still_done(&s);
}

/* The last words leave, then the end; what the server still sends is read away. */
static void orderly_end(void **state)
{
    struct still s;
    char byte;

    (void)state;
    still_up(&s, NULL);
    still_publish(&s, "t", "last", 1, 9);
    sk_mqtt_line_close(s.line);
    s.line = NULL;
    assert_string_equal(s.log.text, "lost:9");
    still_expect_end(&s, "32 09 0001 't' 0001 'last' e0 00");
    assert_non_null(s.dialer->links);
    still_send(&s, "40 02 0001");
    assert_non_null(s.dialer->links);
    still_close_peer(&s);
    assert_null(s.dialer->links);
    still_done(&s);

    still_up(&s, NULL); /* a server that does not end */
    sk_mqtt_line_close(s.line);
    s.line = NULL;
    still_expect_end(&s, "e0 00");
    still_pass(&s, SK_MQTT_LINGER_MS - 1);
    assert_non_null(s.dialer->links);
    still_pass(&s, 1);
    assert_null(s.dialer->links);
    assert_int_equal(recv(s.peer, &byte, 1, MSG_DONTWAIT), 0);
    still_done(&s);
}

/* A new login waits for what is unacknowledged, but not for ever; nothing is taken meanwhile. */
static void renewing_waits(void **state)
{
    static const struct {
        const char *name, *puback, *log;
    } rows[] = {
        { "acknowledged", "40 02 0001", "acked:1 down:0:the line logs in anew" },
        { "never", NULL, "lost:1 down:0:the line logs in anew" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct still s;
        struct sk_err err = SK_ERR_INIT;

        still_up(&s, NULL);
        still_publish(&s, "t", "a", 1, 1);
        sk_mqtt_line_renew(s.line);
        still_pass(&s, SK_CLIENT_RENEW_MS - 1);
        still_expect(&s, "32 06 0001 't' 0001 'a'");
        still_log(&s, "");
        assert_int_equal(sk_mqtt_line_publish(s.line, SK_VIEW("t"), SK_VIEW(""), 0, 0, &err), -1);
        assert_int_equal(err.code, SK_BUSY);
        if (rows[i].puback)
            still_send(&s, rows[i].puback);
        else
            still_pass(&s, 1000);
        if (strcmp(s.log.text, rows[i].log) != 0)
            fail_msg("%s: '%s'", rows[i].name, s.log.text);
        still_expect_end(&s, "e0 00");
        still_done(&s);
    }
}

static void ends_of_the_server(void **state)
{
    static const struct {
        const char *name, *bytes, *log;
    } rows[] = {
        { "between packets", "", "down:0:the server has closed the connection" },
        { "in a packet", "30 ff", "down:0:the server has closed the connection" },
        { "behind a message", "30 03 0001 'a'",
          "message:a= down:0:the server has closed the connection" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct still s;
        unsigned char bytes[20];

        still_up(&s, NULL);
        size_t len = rig_bytes(rows[i].bytes, bytes, sizeof bytes);
        assert_int_equal(send(s.peer, bytes, len, 0), (ssize_t)len);
        still_close_peer(&s);
        if (strcmp(s.log.text, rows[i].log) != 0)
            fail_msg("%s: '%s'", rows[i].name, s.log.text);
        assert_null(s.dialer->links);
        still_done(&s);
    }
}

/* An idle line has no buffers. */
static void idle_memory(void **state)
{
    struct still s;

    (void)state;
    still_up(&s, NULL);
    still_publish(&s, "t", "x", 1, 1);
    still_rounds(&s);
    still_send(&s, "40 02 0001 32 05 0001 'a' 0001 30");
    still_send(&s, "03 0001 'a'");
    assert_null(s.line->sent);
    assert_null(s.line->inbound);
    assert_null(s.line->out.data);
    assert_null(s.line->link->out.data);
    assert_null(s.line->link->rest.data);
    assert_null(s.line->link->cut.part.data);
    still_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_pieces),     cmocka_unit_test(packet_bound),
        cmocka_unit_test(slow_server),    cmocka_unit_test(large_message),
        cmocka_unit_test(orderly_end),    cmocka_unit_test(ends_of_the_server),
        cmocka_unit_test(idle_memory),    cmocka_unit_test(a_slow_way_is_no_silence),
        cmocka_unit_test(renewing_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
