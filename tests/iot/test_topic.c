/* test_topic.c - topics and filters of clients, topics of the hub. */
#include "iot_test.h"

#define UUID "9f8c1c4e-7a0b-4d0e-8c6f-0d2a4b6c8e01"

static const struct {
    const char *topic;
    enum sk_iot_topic_kind kind;
    const char *device, *module, *bag, *rid;
    int status;
} topics[] = {
    { "devices/d/messages/events/", SK_TOPIC_EVENTS, "d", "", "", "", 0 },
    { "devices/d/messages/events", SK_TOPIC_EVENTS, "d", "", "", "", 0 },
    { "devices/d/messages/events/a=b&%24.ct=x", SK_TOPIC_EVENTS, "d", "", "a=b&%24.ct=x", "", 0 },
    { "devices/d/messages/events/a=b/", SK_TOPIC_EVENTS, "d", "", "a=b", "", 0 },
    { "devices/d/messages/events//", SK_TOPIC_EVENTS, "d", "", "", "", 0 },
    { "devices/d/messages/events/a=b/c", SK_TOPIC_EVENTS, "d", "", "a=b/c", "", 0 }, /* C, raw */
    { "devices/d/modules/m/messages/events/%24.on=o/", SK_TOPIC_EVENTS, "d", "m", "%24.on=o", "",
      0 },
    { "devices/d/modules/$edgeHub/messages/events", SK_TOPIC_EVENTS, "d", "$edgeHub", "", "", 0 },
    { "devices/a%20b/messages/events/", SK_TOPIC_EVENTS, "a%20b", "", "", "", 0 },
    { "devices/modules/messages/events/", SK_TOPIC_EVENTS, "modules", "", "", "", 0 },
    { "devices/d/messages/eventsx", SK_TOPIC_NONE, "", "", "", "", 0 },
    { "devices/d/messages/", SK_TOPIC_NONE, "", "", "", "", 0 },
    { "devices//messages/events/", SK_TOPIC_NONE, "", "", "", "", 0 },
    { "devices/d/modules//messages/events/", SK_TOPIC_NONE, "", "", "", "", 0 },
    { "devices/d/modules/m/inputs/i/", SK_TOPIC_NONE, "", "", "", "", 0 },
    { "devices/d/messages/devicebound/", SK_TOPIC_NONE, "", "", "", "", 0 },
    { "Devices/d/messages/events/", SK_TOPIC_NONE, "", "", "", "", 0 },
    { "/devices/d/messages/events/", SK_TOPIC_NONE, "", "", "", "", 0 },
    { "devices/", SK_TOPIC_NONE, "", "", "", "", 0 },
    { "devices/d", SK_TOPIC_NONE, "", "", "", "", 0 },
    { "", SK_TOPIC_NONE, "", "", "", "", 0 },
    { "a/b", SK_TOPIC_NONE, "", "", "", "", 0 },

    { "$iothub/methods/res/200/?$rid=" UUID, SK_TOPIC_METHOD_RESPONSE, "", "", "", UUID, 200 },
    { "$iothub/methods/res/-1/?$rid=7", SK_TOPIC_METHOD_RESPONSE, "", "", "", "7", -1 },
    { "$iothub/methods/res/0/?$rid=7", SK_TOPIC_METHOD_RESPONSE, "", "", "", "7", 0 },
    { "$iothub/methods/res/2147483647/?$rid=7", SK_TOPIC_METHOD_RESPONSE, "", "", "", "7",
      2147483647 },
    { "$iothub/methods/res/200", SK_TOPIC_METHOD_RESPONSE, "", "", "", "", 200 },
    { "$iothub/methods/res/2147483648/?$rid=7", SK_TOPIC_NONE, "", "", "", "", 0 },
    { "$iothub/methods/res/99999999999999999999/?$rid=7", SK_TOPIC_NONE, "", "", "", "", 0 },
    { "$iothub/methods/res/x/?$rid=7", SK_TOPIC_NONE, "", "", "", "", 0 },
    { "$iothub/methods/res/-/?$rid=7", SK_TOPIC_NONE, "", "", "", "", 0 },
    { "$iothub/methods/res/+1/?$rid=7", SK_TOPIC_NONE, "", "", "", "", 0 },
    { "$iothub/methods/res//?$rid=7", SK_TOPIC_NONE, "", "", "", "", 0 },
    { "$iothub/methods/res/", SK_TOPIC_NONE, "", "", "", "", 0 },
    { "$iothub/methods/POST/x/?$rid=7", SK_TOPIC_NONE, "", "", "", "", 0 },

    { "$iothub/twin/GET/?$rid=" UUID, SK_TOPIC_TWIN_GET, "", "", "", UUID, 0 },
    { "$iothub/twin/GET/?$rid=65535", SK_TOPIC_TWIN_GET, "", "", "", "65535", 0 },
    { "$iothub/twin/GET/?x=1&$rid=a%20b&$rid=c", SK_TOPIC_TWIN_GET, "", "", "", "a%20b", 0 },
    { "$iothub/twin/GET/?$rid=", SK_TOPIC_TWIN_GET, "", "", "", "", 0 },
    { "$iothub/twin/GET/?$RID=1", SK_TOPIC_TWIN_GET, "", "", "", "", 0 },
    { "$iothub/twin/GET/", SK_TOPIC_TWIN_GET, "", "", "", "", 0 },
    { "$iothub/twin/GET", SK_TOPIC_TWIN_GET, "", "", "", "", 0 },
    { "$iothub/twin/GETx", SK_TOPIC_NONE, "", "", "", "", 0 },
    { "$iothub/twin/GET?$rid=1", SK_TOPIC_NONE, "", "", "", "", 0 },
    { "$iothub/twin/GET/x/?$rid=1", SK_TOPIC_NONE, "", "", "", "", 0 },
    { "$iothub/twin/get/?$rid=1", SK_TOPIC_NONE, "", "", "", "", 0 },
    { "$iothub/twin/PATCH/properties/reported/?$rid=3", SK_TOPIC_TWIN_REPORTED, "", "", "", "3",
      0 },
    { "$iothub/twin/PATCH/properties/reported/?$rid=3&$version=7", SK_TOPIC_TWIN_REPORTED, "", "",
      "", "3", 0 },
    { "$iothub/twin/PATCH/properties/desired/?$rid=3", SK_TOPIC_NONE, "", "", "", "", 0 },
    { "$iothub/twin/res/200/?$rid=3", SK_TOPIC_NONE, "", "", "", "", 0 },
};

static const struct {
    const char *filter, *device, *module;
    enum sk_iot_sub sub;
} filters[] = {
    { "devices/d/messages/devicebound/#", "d", "", SK_SUB_C2D },
    { "devices/d/messages/devicebound/", "d", "", SK_SUB_NONE },
    { "devices/d/messages/deviceBound/#", "d", "", SK_SUB_NONE },
    { "devices/other/messages/devicebound/#", "d", "", SK_SUB_NONE },
    { "devices/d2/messages/devicebound/#", "d", "", SK_SUB_NONE },
    { "devices/d/messages/devicebound/#", "d", "m", SK_SUB_NONE },
    { "devices/+/messages/devicebound/#", "d", "", SK_SUB_NONE },
    { "devices/d/#", "d", "", SK_SUB_NONE },
    { "devices/d/modules/m/inputs/#", "d", "m", SK_SUB_INPUTS },
    { "devices/d/modules/m/#", "d", "m", SK_SUB_INPUTS }, /* C */
    { "devices/d/modules/m/inputs/i/#", "d", "m", SK_SUB_NONE },
    { "devices/d/modules/n/inputs/#", "d", "m", SK_SUB_NONE },
    { "devices/d/modules/m/inputs/#", "d", "", SK_SUB_NONE },
    { "devices/e/modules/m/#", "d", "m", SK_SUB_NONE },
    { "devices/d/modules//#", "d", "", SK_SUB_NONE },
    { "$iothub/methods/POST/#", "d", "", SK_SUB_METHODS },
    { "$iothub/methods/POST/#", "d", "m", SK_SUB_METHODS },
    { "$iothub/methods/post/#", "d", "", SK_SUB_NONE },
    { "$iothub/methods/#", "d", "", SK_SUB_NONE },
    { "$iothub/twin/res/#", "d", "", SK_SUB_TWIN_RESPONSES },
    { "$iothub/twin/PATCH/properties/desired/#", "d", "m", SK_SUB_TWIN_DESIRED },
    { "$iothub/twin/PATCH/properties/desired/", "d", "", SK_SUB_NONE },
    { "$iothub/#", "d", "", SK_SUB_NONE },
    { "#", "d", "", SK_SUB_NONE },
    { "", "d", "", SK_SUB_NONE },
};

static void test_topics(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(topics); i++) {
        const char *name = topics[i].topic;
        struct sk_iot_topic t = sk_iot_topic_parse(sk_view_of(name));
        if (t.kind != topics[i].kind || t.status != topics[i].status)
            fail_msg("%s: kind %d, status %d", name, t.kind, t.status);
        expect_view(name, t.device, topics[i].device);
        expect_view(name, t.module, topics[i].module);
        expect_view(name, t.bag, topics[i].bag);
        expect_view(name, t.rid, topics[i].rid);
    }
    assert_int_equal(sk_iot_topic_parse((struct sk_view){ NULL, 0 }).kind, SK_TOPIC_NONE);
}

static void test_filters(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(filters); i++) {
        enum sk_iot_sub sub = sk_iot_filter_parse(sk_view_of(filters[i].filter), filters[i].device,
                                                  filters[i].module);
        if (sub != filters[i].sub)
            fail_msg("%s of %s/%s: %d", filters[i].filter, filters[i].device, filters[i].module,
                     sub);
    }
}

static void expect(struct sk_buf *out, const char *expected)
{
    expect_text(expected, out->data, expected);
    sk_buf_clear(out);
}

static void test_written(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1000);
    (void)state;
    sk_iot_topic_method(&out, "reboot", UUID);
    expect(&out, "$iothub/methods/POST/reboot/?$rid=" UUID);
    sk_iot_topic_method(&out, "a/b c#", "1");
    expect(&out, "$iothub/methods/POST/a%2Fb%20c%23/?$rid=1");
    sk_iot_topic_twin_response(&out, 200, SK_VIEW("a%20b"), -1);
    expect(&out, "$iothub/twin/res/200/?$rid=a%20b");
    sk_iot_topic_twin_response(&out, 204, SK_VIEW("7"), 12);
    expect(&out, "$iothub/twin/res/204/?$rid=7&$version=12");
    sk_iot_topic_twin_response(&out, 400, SK_VIEW(""), 0);
    expect(&out, "$iothub/twin/res/400/?$rid=&$version=0");
    sk_iot_topic_desired(&out, 3);
    expect(&out, "$iothub/twin/PATCH/properties/desired/?$version=3");
    sk_iot_topic_c2d(&out, "a b");
    expect(&out, "devices/a b/messages/devicebound/");
    sk_iot_topic_input(&out, "d", "$m", "in/1");
    expect(&out, "devices/d/modules/$m/inputs/in%2F1/");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topics),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
