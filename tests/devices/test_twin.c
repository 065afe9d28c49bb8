/* test_twin.c - reading twins: the first state, what a device gets, what is not there. */
#include "fixture.h"

static void first_state(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_twin_done) struct sk_twin t = { .tags = NULL };
    make_edge(f, "e");
    DONE(sk_twin_get(f->d, "e", "$edgeHub", &t, &err));
    assert_string_equal(t.identity.module, "$edgeHub");
    assert_int_equal(t.etag, 1);
    assert_int_equal(t.desired_version, 1);
    assert_int_equal(t.reported_version, 1);
    assert_string_equal(t.tags, "{}");
    assert_string_equal(t.desired, "{}");
    assert_string_equal(t.desired_meta, "{}");
    assert_string_equal(t.reported, "{}");
    assert_string_equal(t.configurations, "{}");
    sk_twin_done(&t);
    sk_twin_done(&t);
    sk_twin_done(NULL);
    struct sk_twin none;
    FAILS(sk_twin_get(f->d, "none", NULL, &none, &err), SK_NOT_FOUND, "DeviceNotFound: ");
    FAILS(sk_twin_get(f->d, "e", "none", &none, &err), SK_NOT_FOUND, "ModuleNotFound: ");
}

static void for_devices(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    struct sk_identity i = make_device(f, "d");
    DONE(sk_twin_device_get(f->d, i.id, &b, &err));
    assert_string_equal(b.data, "{\"desired\":{\"$version\":1},\"reported\":{\"$version\":1}}");
    change_twin(f, "d", NULL,
                "{\"tags\":{\"t\":1},\"properties\":{\"desired\":{\"a\":{\"b\":1}}}}");
    sk_buf_clear(&b);
    DONE(sk_twin_device_get(f->d, i.id, &b, &err));
    assert_string_equal(b.data, "{\"desired\":{\"a\":{\"b\":1},\"$version\":2},"
                                "\"reported\":{\"$version\":1}}");
    FAILS(sk_twin_device_get(f->d, i.id + 1, &b, &err), SK_NOT_FOUND, "DeviceNotFound: ");
    struct sk_buf small = SK_BUF_INIT(10);
    FAILS(sk_twin_device_get(f->d, i.id, &small, &err), SK_LIMIT, "");
    sk_buf_done(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(first_state), ROW(for_devices) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
