/* test_topic.c - topics on which the cloud publishes. */
#include "rig.h"

static void topics_are_read(void **state)
{
    static const struct {
        const char *topic;
        enum sk_lh_down_kind kind;
        int status;
        int64_t version;
        const char *rid, *name, *bag;
    } rows[] = {
        { "$iothub/twin/res/200/?$rid=a", SK_LH_DOWN_TWIN, 200, -1, "a", "", "" },
        { "$iothub/twin/res/204/?$rid=1&$version=7", SK_LH_DOWN_TWIN, 204, 7, "1", "", "" },
        { "$iothub/twin/res/204/?$version=7&$rid=1", SK_LH_DOWN_TWIN, 204, 7, "1", "", "" },
        { "$iothub/twin/res/204/?%24rid=1", SK_LH_DOWN_TWIN, 204, -1, "1", "", "" },
        { "$iothub/twin/res/204/?$rid=1&$version=x", SK_LH_DOWN_TWIN, 204, -1, "1", "", "" },
        { "$iothub/twin/res/204/", SK_LH_DOWN_NONE, 0, -1, "", "", "" },
        { "$iothub/twin/res/x/?$rid=1", SK_LH_DOWN_NONE, 0, -1, "", "", "" },
        { "$iothub/twin/res/1000/?$rid=1", SK_LH_DOWN_NONE, 0, -1, "", "", "" },
        { "$iothub/twin/res/", SK_LH_DOWN_NONE, 0, -1, "", "", "" },
        { "$iothub/twin/PATCH/properties/desired/?$version=3", SK_LH_DOWN_DESIRED, 0, 3, "", "",
          "" },
        { "$iothub/twin/PATCH/properties/desired/?x=1&$version=3", SK_LH_DOWN_DESIRED, 0, 3, "", "",
          "" },
        { "$iothub/twin/PATCH/properties/desired/?", SK_LH_DOWN_NONE, 0, -1, "", "", "" },
        { "$iothub/methods/POST/go/?$rid=5", SK_LH_DOWN_METHOD, 0, -1, "5", "go", "" },
        { "$iothub/methods/POST/g%20%C3%BC/?$rid=5", SK_LH_DOWN_METHOD, 0, -1, "5", "g ü", "" },
        { "$iothub/methods/POST/g%2/?$rid=5", SK_LH_DOWN_NONE, 0, -1, "", "", "" },
        { "$iothub/methods/POST/g%00/?$rid=5", SK_LH_DOWN_NONE, 0, -1, "", "", "" },
        { "$iothub/methods/POST//?$rid=5", SK_LH_DOWN_NONE, 0, -1, "", "", "" },
        { "$iothub/methods/POST/go/?", SK_LH_DOWN_NONE, 0, -1, "", "", "" },
        { "devices/d/messages/devicebound/a=b", SK_LH_DOWN_MESSAGE, 0, -1, "", "", "a=b" },
        { "devices/d/messages/devicebound/", SK_LH_DOWN_MESSAGE, 0, -1, "", "", "" },
        { "devices/d/messages/events/", SK_LH_DOWN_NONE, 0, -1, "", "", "" },
        { "devices//messages/devicebound/", SK_LH_DOWN_NONE, 0, -1, "", "", "" },
        { "", SK_LH_DOWN_NONE, 0, -1, "", "", "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct sk_lh_down d = sk_lh_down_parse(sk_view_of(rows[i].topic));
        if (d.kind != rows[i].kind)
            fail_msg("%s: kind %d", rows[i].topic, d.kind);
        if (d.kind == SK_LH_DOWN_NONE)
            continue;
        if (d.status != rows[i].status || d.version != rows[i].version ||
            !sk_view_eq(d.rid, rows[i].rid) || strcmp(d.name, rows[i].name) != 0 ||
            !sk_view_eq(d.bag, rows[i].bag))
            fail_msg("%s", rows[i].topic);
    }
}

static void names_have_a_bound(void **state)
{
    char topic[300];
    char name[SK_IOT_METHOD_NAME_MAX + 2];
    (void)state;
    for (size_t len = SK_IOT_METHOD_NAME_MAX; len <= SK_IOT_METHOD_NAME_MAX + 1; len++) {
        memset(name, 'x', len);
        name[len] = '\0';
        (void)snprintf(topic, sizeof topic, "$iothub/methods/POST/%s/?$rid=1", name);
        assert_int_equal(sk_lh_down_parse(sk_view_of(topic)).kind,
                         len <= SK_IOT_METHOD_NAME_MAX ? SK_LH_DOWN_METHOD : SK_LH_DOWN_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_are_read),
        cmocka_unit_test(names_have_a_bound),
    };
    return cmocka_run_group_tests_name("localhub/topic", tests, NULL, NULL);
}
