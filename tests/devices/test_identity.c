/* test_identity.c - identities are found, listed in pages, counted. */
#include "fixture.h"

static int note_name(void *ctx, const struct sk_identity *i, struct sk_err *err)
{
    char name[SK_DEVICES_NAME_MAX];
    (void)err;
    sk_identity_name(i->device, i->module, name);
    sk_buf_fmt(ctx, "%s ", name);
    return 0;
}

static int stop(void *ctx, const struct sk_identity *i, struct sk_err *err)
{
    (void)ctx;
    (void)i;
    return sk_fail(err, SK_CANCELLED, "enough");
}

static void pages(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity second;
    make_device(f, "c");
    second = make_edge(f, "a");
    make_device(f, "b");

    static const struct {
        bool after_second;
        unsigned max;
        const char *names;
    } rows[] = {
        { false, 10, "c a b " },
        { false, 2, "c a " },
        { true, 2, "b " },
        { false, 0, "" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(4096);
        sk_buf_str(&b, "");
        DONE(sk_identity_list(f->d, rows[i].after_second ? second.id : 0, rows[i].max, note_name,
                              &b, &err));
        assert_string_equal(b.data ? b.data : "", rows[i].names);
    }
    FAILS(sk_identity_list(f->d, 0, 10, stop, NULL, &err), SK_CANCELLED, "enough");
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(4096);
    make_module(f, "a", "m");
    DONE(sk_identity_modules(f->d, "a", note_name, &b, &err));
    assert_string_equal(b.data, "a/$edgeAgent a/$edgeHub a/m ");
    FAILS(sk_identity_modules(f->d, "none", note_name, &b, &err), SK_NOT_FOUND, "DeviceNotFound: ");
}

static void missing(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity i;
    make_device(f, "d");
    DONE(sk_identity_get(f->d, "d", NULL, &i, &err));
    assert_string_equal(i.device, "d");
    assert_string_equal(i.module, "");
    FAILS(sk_identity_get(f->d, "D", "", &i, &err), SK_NOT_FOUND, "DeviceNotFound: ");
    FAILS(sk_identity_get(f->d, "d", "m", &i, &err), SK_NOT_FOUND, "ModuleNotFound: ");
    FAILS(sk_identity_get(f->d, "e", "m", &i, &err), SK_NOT_FOUND, "DeviceNotFound: ");
}

static void counts(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_device_counts c;
    DONE(sk_devices_count(f->d, &c, &err));
    assert_int_equal(c.devices, 0);
    make_edge(f, "a");
    struct sk_identity b = make_device(f, "b");
    const struct sk_identity_spec off = { .device = "b", .status = "disabled", .is_edge = -1 };
    DONE(sk_identity_update(f->d, &f->registry, &off, NULL, NULL, &err));
    sk_identity_seen(f->d, b.id, true, 5);
    settle(f);
    DONE(sk_devices_count(f->d, &c, &err));
    assert_int_equal(c.devices, 2);
    assert_int_equal(c.enabled, 1);
    assert_int_equal(c.disabled, 1);
    assert_int_equal(c.modules, 2);
    assert_int_equal(c.connected, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(pages), ROW(missing), ROW(counts) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
