/* test_iot_end.c - the device half of the hub ends in an order in which nothing outlives what it
 * uses.
 */
#include "hub/iot_priv.h"
#include "hub_util.h"

#include "base/clock.h"
#include "base/file.h"

#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A slow disk: stands in for libc's, which the journals sync with. */
static atomic_uint sync_us;

int fdatasync(int fd)
{
    (void)usleep(atomic_load(&sync_us));
    return (int)syscall(SYS_fdatasync, fd);
}

static void put_text(struct sk_buf *out, const char *text)
{
    size_t len = strlen(text);
    sk_buf_chr(out, (char)(len >> 8));
    sk_buf_chr(out, (char)(len & 0xff));
    sk_buf_add(out, text, len);
}

static void send_packet(int fd, unsigned char type, const struct sk_buf *body)
{
    const unsigned char head[] = { type, (unsigned char)(0x80 | (body->len & 0x7f)),
                                   (unsigned char)(body->len >> 7) };
    assert_true(sk_buf_ok(body) && body->len >= 0x80 && body->len < 1 << 14);
    assert_int_equal(sk_write_all(fd, head, sizeof head), 0);
    assert_int_equal(sk_write_all(fd, body->data, body->len), 0);
}

/* A device with HUB_KEY; CONNACK must accept it. */
static int connect_device(struct hub_fixture *f, const char *device)
{
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(4096);
    struct sk_err err = SK_ERR_INIT;
    struct sk_stream *stream = NULL;
    char sas[512], user[200], answer[4];
    int ends[2];
    hub_sas_device(device, sas);
    sas[strcspn(sas, "\r")] = '\0';
    (void)snprintf(user, sizeof user, "hub.example/%s/?api-version=2021-04-12", device);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    if (sk_stream_of_fd(ends[0], &stream, &err) < 0 ||
        sk_gateway_add(f->hub->iot->gateway, stream, "test", (struct sk_view){ "", 0 }, false,
                       &err) < 0)
        fail_msg("%s", err.text);
    put_text(&body, "MQTT");
    sk_buf_add(&body, "\x04\xc2\x00\x3c", 4); /* version, name and password, clean; a minute */
    put_text(&body, device);
    put_text(&body, user);
    put_text(&body, sas + strlen("Authorization: "));
    send_packet(ends[1], 0x10, &body);
    assert_int_equal(recv(ends[1], answer, sizeof answer, MSG_WAITALL), sizeof answer);
    assert_memory_equal(answer, "\x20\x02\x00\x00", 4);
    return ends[1];
}

static void publish(int fd, const char *topic)
{
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(4096);
    put_text(&body, topic);
    sk_buf_add(&body, "\x00\x01", 2);
    for (int i = 0; i < 200; i++)
        sk_buf_chr(&body, 'x');
    send_packet(fd, 0x32, &body);
}

/* The journal's thread tells the gateway that a message is stored, when the hub has all but ended.
 */
static void stored_at_the_end(void **state)
{
    struct hub_fixture *f = *state;
    struct sk_gateway_counts counts = { 0 };
    hub_identity(f, "d", "");
    SK_AUTO(sk_close) int fd = connect_device(f, "d");
    atomic_store(&sync_us, 400000);
    publish(fd, "devices/d/messages/events/");
    while (counts.messages_in == 0)
        sk_gateway_counts(f->hub->iot->gateway, &counts);
    sk_hub_stop(f->hub);
    f->hub = NULL;
    atomic_store(&sync_us, 0);
    hub_start(f, 2);
    hub_do(f, "GET", "/api/v1/telemetry?device=d", NULL, 200, "\"sequence\":1");
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, hub_running, hub_gone)

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(stored_at_the_end) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
