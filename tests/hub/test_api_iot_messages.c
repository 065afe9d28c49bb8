/* test_api_iot_messages.c - messages to devices, their limits, and feedback. */
#include "hub_util.h"

#include "devices/devices.h"
#include "hub/iot_priv.h"

struct seen {
    unsigned count;
    char properties[512], input[64], message_id[64], ack[16], body[64];
};

static int take(void *ctx, const struct sk_down *m, struct sk_err *err)
{
    struct seen *s = ctx;
    (void)err;
    s->count++;
    (void)snprintf(s->properties, sizeof s->properties, "%s", m->properties);
    (void)snprintf(s->input, sizeof s->input, "%s", m->input);
    (void)snprintf(s->message_id, sizeof s->message_id, "%s", m->message_id);
    (void)snprintf(s->ack, sizeof s->ack, "%s", m->ack);
    (void)snprintf(s->body, sizeof s->body, "%.*s", (int)m->body.len, m->body.ptr);
    return 0;
}

static struct seen waiting(struct hub_fixture *f, const char *device, const char *module)
{
    struct seen s = { 0 };
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity i;
    struct sk_devices *d = f->hub->iot->devices;
    assert_int_equal(sk_identity_get(d, device, module, &i, &err), 0);
    assert_int_equal(sk_down_read(d, i.id, 0, 100, take, &s, &err), 0);
    return s;
}

static void send_to(struct hub_fixture *f, const char *path, const char *more, const char *body,
                    size_t len, struct answer *a)
{
    SK_AUTO(sk_buf_done) struct sk_buf h = SK_BUF_INIT(1 << 17);
    sk_buf_fmt(&h, "Authorization: Bearer %s\r\n%s", f->made.owner_token, more);
    hub_ask_with(f, "POST", path, h.data, body, len, a);
}

#define C2D "/devices/cam%231/messages/devicebound"

static void to_a_device(void **state)
{
    struct hub_fixture *f = *state;
    struct answer a;
    hub_do(f, "PUT", "/devices/cam%231", "{}", 200, "");
    send_to(f, C2D "?api-version=2021-04-12",
            "iothub-messageid: m1\r\niothub-ack: full\r\niothub-app-level: high & dry\r\n"
            "Content-Type: text/plain\r\nContent-Encoding: utf-8\r\n",
            "hi", 2, &a);
    hub_expect(&a, 201, "{\"messageId\":\"m1\"}");
    struct seen s = waiting(f, "cam#1", "");
    assert_string_equal(s.properties, "%24.mid=m1&%24.to=%2Fdevices%2Fcam%231%2Fmessages%2F"
                                      "deviceBound&%24.ct=text%2Fplain&%24.ce=utf-8&"
                                      "iothub-ack=full&level=high%20%26%20dry");
    assert_string_equal(s.message_id, "m1");
    assert_string_equal(s.ack, "full");
    assert_string_equal(s.input, "");
    assert_string_equal(s.body, "hi");
    send_to(f, C2D, "", NULL, 0, &a); /* no body, an id made here */
    hub_expect(&a, 201, "{\"messageId\":\"");
    hub_do(f, "DELETE", "/devices/cam%231/commands", NULL, 200,
           "{\"totalMessagesPurged\":2,\"deviceId\":\"cam#1\",\"moduleId\":null}");
    hub_do(f, "DELETE", "/devices/none/commands", NULL, 404, "DeviceNotFound;");
}

static void to_an_input(void **state)
{
    struct hub_fixture *f = *state;
    struct answer a;
    hub_do(f, "PUT", "/devices/d", "{}", 200, "");
    hub_do(f, "PUT", "/devices/d/modules/m", "{}", 200, "");
    send_to(f, "/devices/d/modules/m/inputs/in%201", "iothub-messageid: x\r\n", "{}", 2, &a);
    hub_expect(&a, 201, "{\"messageId\":\"x\"}");
    struct seen s = waiting(f, "d", "m");
    assert_string_equal(s.properties, "%24.mid=x");
    assert_string_equal(s.input, "in 1");
    send_to(f, "/devices/d/modules/none/inputs/i", "", "{}", 2, &a);
    hub_expect(&a, 404, "ModuleNotFound;");
}

static void refused(void **state)
{
    static const struct {
        const char *path, *headers;
        int status;
        const char *words;
    } rows[] = {
        { "/devices/none/messages/devicebound", "", 404, "DeviceNotFound;" },
        { C2D, "iothub-ack: maybe\r\n", 400, "ErrorCode:ArgumentInvalid;ack" },
        { C2D, "iothub-expiry: soon\r\n", 400, "ErrorCode:ArgumentInvalid;iothub-expiry" },
        { C2D, "iothub-expiry: 2020-01-01T00:00:00Z\r\n", 400, "is over" },
        { C2D, "iothub-app-: x\r\n", 400, "ErrorCode:ArgumentInvalid;a property" },
        { C2D, "iothub-expiry: 2999-01-01T00:00:00Z\r\n", 201, "messageId" },
    };
    struct hub_fixture *f = *state;
    struct answer a;
    hub_do(f, "PUT", "/devices/cam%231", "{}", 200, "");
    for (size_t i = 0; i < COUNT(rows); i++) {
        send_to(f, rows[i].path, rows[i].headers, "x", 1, &a);
        hub_expect(&a, rows[i].status, rows[i].words);
    }
}

/* 64 KiB with the properties, fifty messages. */
static void limits(void **state)
{
    struct hub_fixture *f = *state;
    struct answer a;
    SK_OWN(free) char *body = calloc(1, SK_IOT_C2D_MAX + 1);
    assert_non_null(body);
    memset(body, 'x', SK_IOT_C2D_MAX);
    hub_do(f, "PUT", "/devices/d", "{}", 200, "");
    const size_t bag = strlen("%24.mid=m&%24.to=%2Fdevices%2Fd%2Fmessages%2FdeviceBound");
    static const char id[] = "iothub-messageid: m\r\n";
    send_to(f, "/devices/d/messages/devicebound", id, body, SK_IOT_C2D_MAX - bag + 1, &a);
    hub_expect(&a, 413, "ErrorCode:MessageTooLarge;");
    send_to(f, "/devices/d/messages/devicebound", id, body, SK_IOT_C2D_MAX - bag, &a);
    hub_expect(&a, 201, "\"m\"");
    for (unsigned i = 1; i < SK_DEVICES_DOWN_MAX; i++) {
        send_to(f, "/devices/d/messages/devicebound", id, "x", 1, &a);
        hub_expect(&a, 201, "\"m\"");
    }
    send_to(f, "/devices/d/messages/devicebound", id, "x", 1, &a);
    hub_expect(&a, 403, "ErrorCode:DeviceMaximumQueueDepthExceeded;");
}

static void feedback(void **state)
{
    struct hub_fixture *f = *state;
    struct answer a;
    char path[128], lock[64];
    const char *owner = f->made.owner_token;
    static const char all[] = "/messages/serviceBound/feedback";
    hub_do(f, "PUT", "/devices/d", "{}", 200, "");
    hub_do(f, "GET", all, NULL, 204, "");
    send_to(f, "/devices/d/messages/devicebound", "iothub-ack: full\r\niothub-messageid: q\r\n",
            "x", 1, &a);
    hub_do(f, "DELETE", "/devices/d/commands", NULL, 200, "\"totalMessagesPurged\":1");
    for (int round = 0; round < 2; round++) {
        hub_ask(f, "GET", all, owner, NULL, &a);
        hub_expect(&a, 200, "\"originalMessageId\":\"q\"");
        (void)snprintf(lock, sizeof lock, "%.32s", answer_header(&a, "ETag") + 1);
        hub_do(f, "GET", all, NULL, 204, ""); /* locked */
        (void)snprintf(path, sizeof path, "%s/%s%s", all, lock, round ? "" : "/abandon");
        hub_do(f, round ? "DELETE" : "POST", path, NULL, 204, "");
        hub_do(f, round ? "DELETE" : "POST", path, NULL, 412, "ErrorCode:DeviceMessageLockLost;");
    }
    hub_do(f, "GET", all, NULL, 204, "");
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, hub_running, hub_gone)

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(to_a_device), ROW(to_an_input), ROW(refused),
                                        ROW(limits), ROW(feedback) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
