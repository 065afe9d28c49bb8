/* test_publish.c - messages of clients: what is kept, what ends a connection, what a full disk
 * does. */
#include "fixture.h"

#include "base/log.h"

#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>

#define EVENTS "devices/d1/messages/events/"

static void kept(void **state)
{
    static const struct {
        const char *name, *module, *topic, *payload;
        unsigned qos;
        bool retain;
        const char *expected;
    } rows[] = {
        { "text", "", EVENTS, "one", 1, false, "\"properties\":{},\"bodyText\":\"one\"" },
        { "QoS 0", "", EVENTS, "two", 0, false, "\"bodyText\":\"two\"" },
        { "empty", "", EVENTS, "", 1, false, "\"bodyText\":\"\"" },
        { "JSON", "", EVENTS "%24.ct=application%2Fjson&%24.ce=utf-8", "{\"a\":\n1}", 1, false,
          "\"body\":{\"a\": 1}" },
        { "properties", "", EVENTS "a=b%20c&d=&e", "x", 1, false,
          "\"properties\":{\"a\":\"b c\",\"d\":\"\",\"e\":null}" },
        { "a slash at the end", "", EVENTS "z=1/", "x", 1, false, "\"z\":\"1\"" },
        { "stamps", "", EVENTS "iothub-connection-device-id=d2&y=1", "x", 1, false,
          "\"properties\":{\"y\":\"1\"}" },
        { "retained", "", EVENTS, "r", 1, true, "\"mqtt-retain\":\"true\"" },
        { "a module", "m1", "devices/d1/modules/m1/messages/events/%24.on=out", "m", 1, false,
          "\"deviceId\":\"d1\",\"moduleId\":\"m1\",\"output\":\"out\"" },
    };
    struct fixture *f = *state;
    (void)make_device(f, "d1");
    (void)make_module(f, "d1", "m1");
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct client *c = client_in(f, "d1", rows[i].module, true, NULL);
        struct packet p;
        client_publish(c, rows[i].qos, rows[i].retain, 7, rows[i].topic, rows[i].payload,
                       strlen(rows[i].payload));
        if (rows[i].qos > 0) {
            client_want(c, PUBACK, &p);
            assert_int_equal(p.id, 7);
            /* It is there before the acknowledgement is. */
            if (!strstr(messages_of(f->telemetry), rows[i].expected))
                fail_msg("%s: %s", rows[i].name, messages_of(f->telemetry));
        }
        await_message(f->telemetry, rows[i].expected);
        client_free(c);
    }
    assert_non_null(strstr(messages_of(f->telemetry),
                           "\"iothub-connection-auth-method\":\"{\\\"scope\\\":\\\"device\\\""));
}

static void refused(void **state)
{
    static const struct {
        const char *name, *topic;
        size_t len;
    } rows[] = {
        { "another device", "devices/d2/messages/events/", 1 },
        { "its module", "devices/d1/modules/m1/messages/events/", 1 },
        { "no such topic", "devices/d1/messages", 1 },
        { "a topic of the hub", "$iothub/methods/POST/x/?$rid=1", 1 },
        { "its own way down", "devices/d1/messages/devicebound/", 1 },
        { "a broken escape", EVENTS "a=%zz", 1 },
        { "no UTF-8", EVENTS "a=%ff", 1 },
        { "NUL", EVENTS "a=%00", 1 },
        { "an empty name", EVENTS "=a", 1 },
        { "too large", EVENTS, SK_IOT_MESSAGE_MAX + 1 },
        { "too large with properties", EVENTS "a=b", SK_IOT_MESSAGE_MAX - 1 },
    };
    struct fixture *f = *state;
    (void)make_device(f, "d1");
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct client *c = client_in(f, "d1", "", true, NULL);
        struct packet p;
        SK_OWN(free) char *payload = malloc(rows[i].len);
        assert_non_null(payload);
        memset(payload, 'x', rows[i].len);
        client_publish(c, 1, false, 7, rows[i].topic, payload, rows[i].len);
        if (!client_read(c, &p, PATIENCE_MS) || p.type != 0)
            fail_msg("%s: not closed", rows[i].name);
        client_free(c);
    }
    assert_string_equal(messages_of(f->telemetry), "");
}

static void largest(void **state)
{
    struct fixture *f = *state;
    struct packet p;
    SK_OWN(free) char *payload = malloc(SK_IOT_MESSAGE_MAX);
    struct sk_gateway_counts counts;
    (void)make_device(f, "d1");
    assert_non_null(payload);
    memset(payload, 'x', SK_IOT_MESSAGE_MAX);
    struct client *c = client_in(f, "d1", "", true, NULL);
    client_publish(c, 1, false, 7, EVENTS, payload, SK_IOT_MESSAGE_MAX);
    client_want(c, PUBACK, &p);
    sk_gateway_counts(f->g, &counts);
    assert_int_equal(counts.messages_in, 1);
    assert_int_equal(counts.bytes_in, SK_IOT_MESSAGE_MAX);
    client_free(c);
}

/* PUBACKs are those of what is on the disk, in order. */
static void many(void **state)
{
    struct fixture *f = *state;
    struct packet p;

    enum {
        MESSAGES = 500
    };

    (void)make_device(f, "d1");
    struct client *c = client_in(f, "d1", "", true, NULL);
    for (uint16_t sent = 0, acked = 0; acked < MESSAGES; acked++) {
        for (; sent < MESSAGES && sent < acked + 60; sent++) {
            char text[16];
            (void)snprintf(text, sizeof text, "n%u", sent);
            client_say(c, 1, (uint16_t)(sent + 1), EVENTS, text);
        }
        client_want(c, PUBACK, &p);
        assert_int_equal(p.id, acked + 1);
    }
    struct sk_journal_state state_of;
    sk_telemetry_state(f->telemetry, &state_of);
    assert_int_equal(state_of.next, MESSAGES + 1);
    client_free(c);
}

/* Who sends faster than the disk takes loses its own messages of QoS 0, and nothing else. */
static void faster_than_the_disk(void **state)
{
    enum {
        SIZE = 64 << 10,
        SENT = 80
    };
    struct fixture *f = *state;
    struct packet p;
    SK_OWN(free) char *payload = malloc(SIZE);
    struct sk_gateway_counts counts;
    struct sk_journal_state at;
    (void)make_device(f, "d1");
    (void)make_device(f, "d2");
    assert_non_null(payload);
    memset(payload, 'x', SIZE);
    struct client *fast = client_in(f, "d1", "", true, NULL);
    struct client *other = client_in(f, "d2", "", true, NULL);
    (void)pthread_mutex_lock(&f->gate);
    for (int i = 0; i < SENT; i++)
        client_publish(fast, 0, false, 0, EVENTS, payload, SIZE);
    client_say(fast, 1, 5, EVENTS, "of QoS 1");
    client_say(other, 1, 6, "devices/d2/messages/events/", "of another");
    const uint64_t end = sk_now_ms() + PATIENCE_MS;
    do {
        sk_gateway_counts(f->g, &counts);
        (void)usleep(1000);
    } while (counts.messages_in < SK_GATEWAY_UNSTORED_MAX / SIZE + 2 && sk_now_ms() < end);
    client_quiet(other);
    (void)pthread_mutex_unlock(&f->gate);
    client_want(fast, PUBACK, &p);
    client_want(other, PUBACK, &p);
    sk_telemetry_state(f->telemetry, &at);
    /* The bound is met with what a message's topic adds to it. */
    assert_in_range(at.next - 1, SK_GATEWAY_UNSTORED_MAX / SIZE,
                    SK_GATEWAY_UNSTORED_MAX / SIZE + 3);
    client_publish(fast, 0, false, 0, EVENTS, "later", 5);
    await_message(f->telemetry, "\"later\"");
    client_free(fast);
    client_free(other);
}

/* No acknowledgement, and an end about a second later, however much is sent meanwhile. */
static void full_disk(void **state)
{
    struct fixture *f = *state;
    for (unsigned qos = 0; qos <= 1; qos++) {
        char device[8], topic[64];
        struct packet p;
        (void)snprintf(device, sizeof device, "q%u", qos);
        (void)snprintf(topic, sizeof topic, "devices/%s/messages/events/", device);
        (void)make_device(f, device);
        struct client *c = client_in(f, device, "", true, NULL);
        client_say(c, 1, 1, topic, "before");
        client_want(c, PUBACK, &p);
        settle(f);
        disk_is_full(true);
        const uint64_t begin = sk_now_ms();
        bool has_ended = false;
        client_say(c, 1, 2, topic, "lost");
        while (!has_ended && sk_now_ms() - begin < PATIENCE_MS) {
            client_say(c, qos, 3, topic, "lost too");
            if (client_read(c, &p, 100)) {
                assert_int_equal(p.type, 0);
                has_ended = true;
            }
        }
        disk_is_full(false);
        assert_true(has_ended);
        assert_true(sk_now_ms() - begin >= SK_GATEWAY_LINGER_MS - 100);
        client_free(c);

        c = client_in(f, device, "", true, NULL);
        client_say(c, 1, 2, topic, "again");
        client_want(c, PUBACK, &p);
        client_free(c);
    }
    assert_non_null(strstr(messages_of(f->telemetry), "again"));
    assert_null(strstr(messages_of(f->telemetry), "lost"));
}

static void await(atomic_bool *is)
{
    for (const uint64_t end = sk_now_ms() + PATIENCE_MS; !atomic_load(is);) {
        assert_true(sk_now_ms() < end);
        (void)usleep(1000);
    }
}

struct own {
    atomic_bool is_told;
    bool has_failed;
};

static void on_own(void *ctx, uint64_t seq, const struct sk_err *failed)
{
    struct own *own = ctx;
    (void)seq;
    own->has_failed = failed;
    atomic_store(&own->is_told, true);
}

struct passing {
    struct sk_mqtt_post post;
    atomic_bool is_past;
};

static void pass(struct sk_mqtt_conn *c, struct sk_mqtt_post *post)
{
    (void)c;
    atomic_store(&((struct passing *)post)->is_past, true);
}

/* The journal has refused this connection's first message, and the connection was told: what is
 * told behind that has come. */
static void await_refusal(struct fixture *f, struct sk_mqtt_ref ref)
{
    const uint64_t end = sk_now_ms() + PATIENCE_MS;
    const struct sk_message m = { .device = "own",
                                  .module = "",
                                  .source = "Telemetry",
                                  .generation = "",
                                  .auth_method = "",
                                  .body = SK_VIEW("lost") };
    struct sk_err err = SK_ERR_INIT;
    struct sk_gateway_counts counts = { 0 };
    struct own own = { false, false };
    struct passing behind = { .post = { .to = ref, .run = pass } };
    while (counts.messages_in == 0) {
        assert_true(sk_now_ms() < end);
        (void)usleep(1000);
        sk_gateway_counts(f->g, &counts);
    }
    DONE(sk_telemetry_add(f->telemetry, &m, on_own, &own, &err));
    await(&own.is_told);
    assert_true(own.has_failed);
    sk_mqtt_post(f->g->mqtt, &behind.post);
    await(&behind.is_past);
}

/* Space that returns within the second is not for what stands behind a refused message. */
static void order(void **state)
{
    struct fixture *f = *state;
    struct sk_mqtt_ref ref;
    struct packet p;
    const int64_t id = make_device(f, "d1").id;
    struct client *c = client_in(f, "d1", "", true, NULL);
    assert_true(sk_live_find(&f->g->live, id, &ref));
    settle(f);
    disk_is_full(true);
    client_say(c, 1, 1, EVENTS, "refused");
    await_refusal(f, ref);
    disk_is_full(false);
    client_say(c, 1, 2, EVENTS, "behind");
    client_say(c, 0, 0, EVENTS, "behind");
    client_want(c, 0, &p);
    client_free(c);
    assert_null(strstr(messages_of(f->telemetry), "behind"));
}

/* Which of two ends a connection has, as the log that comes from fd says. */
static void want_end(int fd, const char *why, const char *not_why)
{
    char text[1 << 16] = "";
    for (size_t len = 0; !strstr(text, why);) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        if (strstr(text, not_why) || len == sizeof text - 1 || poll(&p, 1, PATIENCE_MS) <= 0)
            fail_msg("not '%s': %s", why, text);
        const ssize_t got = read(fd, text + len, sizeof text - 1 - len);
        assert_true(got > 0);
        len += (size_t)got;
        text[len] = '\0';
    }
}

/* A second that is granted for a message is none for the token. */
static void full_disk_and_token(void **state)
{
    struct fixture *f = *state;
    struct packet p;
    uint64_t end_ms = 0;
    int log[2];
    (void)make_device(f, "d1");
    assert_int_equal(pipe2(log, O_CLOEXEC | O_NONBLOCK), 0);
    sk_log_setup(SK_DEBUG, SK_LOG_TEXT, log[1]);
    struct client *c = client_for_a_while(f, "d1", &end_ms);
    settle(f);
    disk_is_full(true);
    while (sk_wall_ms() < end_ms - 500)
        (void)usleep(5000);
    client_say(c, 1, 2, EVENTS, "lost");
    client_want(c, 0, &p);
    disk_is_full(false);
    assert_true(sk_wall_ms() >= end_ms - 20);
    want_end(log[0], "its credentials have expired", "a message could not be stored");
    sk_log_setup(SK_ERROR, SK_LOG_TEXT, 2);
    (void)close(log[1]);
    (void)close(log[0]);
    client_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(kept),
        ROW(refused),
        ROW(largest),
        ROW(many),
        ROW(faster_than_the_disk),
        ROW(full_disk),
        ROW(order),
        ROW(full_disk_and_token),
    };
    return cmocka_run_group_tests_name("gateway/publish", tests, NULL, NULL);
}
