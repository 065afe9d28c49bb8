/* test_bag.c - property bags: read, refused, written; and the allocation sweep of the module. */
#include "iot_test.h"

#include "harness/alloc_fail.h"

/* Shown as name=value, or name alone, apart by '|'. */
static const struct {
    const char *raw, *shown;
} good[] = {
    { "", "" },
    { "a=b", "a=b" },
    { "%24.ct=text%2Fplain&%24.on=out1", "$.ct=text/plain|$.on=out1" },
    { "$.ct=x", "$.ct=x" },
    { "%24.mid=1&a%20b=c%3Dd%26e", "$.mid=1|a b=c=d&e" },
    { "a+b=c+d", "a+b=c+d" }, /* '+' is no space */
    { "a", "a" },             /* null */
    { "a=", "a=" },           /* empty */
    { "a&b=&c=1", "a|b=|c=1" },
    { "a=b=c", "a=b=c" }, /* C does not encode unless it is told to */
    { "a=x/y", "a=x/y" },
    { "&&a=1&&b=2&", "a=1|b=2" },
    { "a=1&b=2&a=3", "a=3|b=2" },
    { "a=1&%61=2", "a=2" },
    { "a=1&a", "a" },
    { "a=%c3%a4&b=%C3%84", "a=\xc3\xa4|b=\xc3\x84" },
    { "A=1&a=2", "A=1|a=2" },
};

static const struct {
    const char *raw, *says;
} bad[] = {
    { "a=%", "property 1 is malformed" },
    { "x=1&a=%2", "property 2 is malformed" },
    { "a=%zz", "malformed" },
    { "%4=1", "malformed" },
    { "a=%00", "malformed" },
    { "a=%ff", "malformed" },
    { "a=\xc3", "malformed" },
    { "=1", "property 1 has no name" },
    { "a=1&=", "property 2 has no name" },
};

static void show(const struct sk_iot_bag *bag, struct sk_buf *out)
{
    for (size_t i = 0; i < bag->count; i++) {
        const struct sk_iot_property *p = &bag->items[i];
        assert_int_equal(strlen(p->name.ptr), p->name.len);
        assert_int_equal(strlen(p->value.ptr), p->value.len);
        sk_buf_fmt(out, "%s%s%s%s", i ? "|" : "", p->name.ptr, p->has_value ? "=" : "",
                   p->value.ptr);
    }
}

static void test_good(void **state)
{
    static struct sk_iot_bag bag;
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_buf_done) struct sk_buf shown = SK_BUF_INIT(1000);
        if (sk_iot_bag_parse(sk_view_of(good[i].raw), &bag, &err) < 0)
            fail_msg("%s: %s", good[i].raw, err.text);
        show(&bag, &shown);
        expect_text(good[i].raw, shown.data ? shown.data : "", good[i].shown);
    }
    sk_iot_bag_done(&bag);
    sk_iot_bag_done(NULL);
}

static void test_bad(void **state)
{
    static struct sk_iot_bag bag;
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct sk_err err = SK_ERR_INIT;
        int rc = sk_iot_bag_parse(sk_view_of(bad[i].raw), &bag, &err);
        expect_refused(bad[i].raw, rc, &err, SK_INVALID, bad[i].says);
        assert_int_equal(bag.count, 0);
    }
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_iot_bag_parse((struct sk_view){ "a=\0", 3 }, &bag, &err), -1);
    sk_iot_bag_done(&bag);
}

static void test_limits(void **state)
{
    static struct sk_iot_bag bag;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf raw = SK_BUF_INIT(1 << 20);
    SK_OWN(free) char *xs = many('x', SK_IOT_BAG_MAX + 1);
    (void)state;

    assert_int_equal(sk_iot_bag_parse((struct sk_view){ xs, SK_IOT_BAG_MAX }, &bag, &err), 0);
    assert_int_equal(bag.items[0].name.len, SK_IOT_BAG_MAX);
    assert_int_equal(sk_iot_bag_parse((struct sk_view){ xs, SK_IOT_BAG_MAX + 1 }, &bag, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    for (int i = 0; i < SK_IOT_PROPERTIES_MAX; i++)
        sk_buf_fmt(&raw, "&a%d=%d", i, i);
    assert_int_equal(sk_iot_bag_parse((struct sk_view){ raw.data, raw.len }, &bag, &err), 0);
    assert_int_equal(bag.count, SK_IOT_PROPERTIES_MAX);
    sk_buf_str(&raw, "&a0=x");
    assert_int_equal(sk_iot_bag_parse((struct sk_view){ raw.data, raw.len }, &bag, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    sk_iot_bag_done(&bag);
}

static void test_find_and_size(void **state)
{
    static struct sk_iot_bag bag;
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    assert_int_equal(
        sk_iot_bag_parse(SK_VIEW("%24.ct=1234&ab=cde&iothub-ack=full&%24.own=xy&n"), &bag, &err),
        0);
    expect_view("ct", sk_iot_bag_find(&bag, "$.ct")->value, "1234");
    assert_null(sk_iot_bag_find(&bag, "AB"));
    assert_null(sk_iot_bag_find(&bag, ""));
    /* values of $.ct, iothub-ack and $.own, name and value of ab, name of n */
    assert_int_equal(sk_iot_message_size(100, &bag), 100 + 4 + 5 + 4 + 2 + 1);
    sk_iot_bag_done(&bag);
}

static void test_add(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1000);
    bool is_first = true;
    (void)state;
    sk_iot_bag_add(&out, &is_first, "$.to", "/devices/d/messages/deviceBound");
    sk_iot_bag_add(&out, &is_first, "a b", "c=d&e/f");
    sk_iot_bag_add(&out, &is_first, "null", NULL);
    sk_iot_bag_add(&out, &is_first, "empty", "");
    assert_string_equal(out.data, "%24.to=%2Fdevices%2Fd%2Fmessages%2FdeviceBound"
                                  "&a%20b=c%3Dd%26e%2Ff&null&empty=");
}

/* The main path of everything that allocates. */
static int everything(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_iot_bag_done) struct sk_iot_bag bag = { .count = 0 };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);
    SK_AUTO(sk_twin_result_done) struct sk_twin_result merged = { .is_changed = false };
    SK_AUTO(sk_twin_result_done) struct sk_twin_result replaced = { .is_changed = false };
    static const char text[] = "HostName=h;DeviceId=d;SharedAccessKey=MTIz";
    static const struct sk_twin_section empty = { "{}", "{}", 1 };
    static struct sk_iot_connection c;

    if (sk_iot_bag_parse(SK_VIEW("a=b&c"), &bag, err) < 0 ||
        sk_iot_sas_make("h/devices/d", "MTIz", NULL, 1, &out, err) < 0 ||
        sk_iot_connection_parse(text, &c, err) < 0 ||
        sk_twin_merge(SK_TWIN_DESIRED, &empty, ctx, 2, 1000, &merged, err) < 0)
        return -1;
    struct sk_twin_section next = { merged.body.data, merged.meta.data, 2 };
    if (sk_twin_replace(SK_TWIN_DESIRED, &next, ctx, 3, 2000, &replaced, err) < 0)
        return -1;
    assert_false(replaced.is_changed);
    sk_twin_device_json(&next, &empty, &out);
    sk_twin_service_json(&next, &out);
    sk_iot_error_json("DeviceNotFound", "d", "1", &out);
    return sk_buf_ok(&out) ? 0 : sk_buf_fail(&out, err);
}

static void test_sweep(void **state)
{
    SK_OWN(sk_json_free)
    struct sk_json *patch = parse_json("{\"a\":{\"b\":[1,2.5,\"x\"]},\"c\":true}");
    (void)state;
    assert_true(sk_alloc_sweep("iot", everything, patch, 0) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),   cmocka_unit_test(test_bad),
        cmocka_unit_test(test_limits), cmocka_unit_test(test_find_and_size),
        cmocka_unit_test(test_add),    cmocka_unit_test(test_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
