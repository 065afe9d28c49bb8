/* test_status.c - how far a device is, how far the evaluation is. */
#include "fixture.h"

static const char *status(struct fixture *f, const char *device)
{
    static char text[8192];
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(sizeof text - 1);
    DONE(sk_deploy_status(f->d, device, &b, &err));
    (void)snprintf(text, sizeof text, "%s", b.data);
    return text;
}

static void devices(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 16);
    make_edge(f, "d");
    make_device(f, "n");
    assert_string_equal(status(f, "d"),
                        "{\"device\":\"d\",\"configurations\":{},\"warnings\":[],"
                        "\"desiredVersion\":1,\"reported\":{\"lastDesiredVersion\":null,"
                        "\"code\":null,\"description\":null}}");
    assert_non_null(strstr(status(f, "n"), "\"desiredVersion\":1"));
    FAILS(sk_deploy_status(f->d, "x", &b, &err), SK_NOT_FOUND, "DeviceNotFound: ");
    f->has_image = 0;
    SK_OWN(sk_json_free) struct sk_json *content = parse(BASE("a"));
    DONE(sk_deploy_apply(f->d, &f->service, "d", content, NULL, &err));
    SK_OWN(sk_json_free) struct sk_json *by_hand = parse(status(f, "d"));
    assert_int_equal(sk_json_count(sk_json_get(by_hand, "warnings")), 3);
    /* A configuration's warnings take their place. */
    put(f, "base", 1, "*", BASE("b"));
    settle(f);
    put(f, "layer", 2, "*", LAYER("l"));
    settle(f);
    report(f, "d", "$edgeAgent",
           "{\"lastDesiredVersion\":4,\"lastDesiredStatus\":{\"code\":400,\"description\":\"x\"}}");
    SK_OWN(sk_json_free) struct sk_json *now = parse(status(f, "d"));
    assert_int_equal(sk_json_count(sk_json_get(now, "warnings")), 4);
    assert_int_equal(sk_json_count(sk_json_get(now, "configurations")), 2);
    assert_int_equal(sk_json_int(sk_json_get(now, "desiredVersion"), 0), 4);
    assert_non_null(strstr(status(f, "d"), "\"reported\":{\"lastDesiredVersion\":4,\"code\":400,"
                                           "\"description\":\"x\"}}"));
}

static void pending(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 16);
    make_many(f, 20);
    settle(f);
    sk_deploy_stop(f->d);
    put(f, "a", 1, "*", BASE("a"));
    DONE(sk_deploy_pending(f->d, &b, &err));
    assert_string_equal(b.data, "{\"pending\":20,\"generation\":1}");
    fixture_reopen(f);
    settle(f);
    sk_buf_clear(&b);
    DONE(sk_deploy_pending(f->d, &b, &err));
    assert_string_equal(b.data, "{\"pending\":0,\"generation\":1}");
}

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(devices), ROW(pending) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
