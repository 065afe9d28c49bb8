/* test_live.c - the table of connections against a plain list, with random operations. */
#include "fixture.h"

#include "base/mix64.h"

enum {
    IDENTITIES = 400,
    STEPS = 60000,
    DEVICES = 40
};

struct model {
    bool is_there[IDENTITIES + 1];
    struct sk_mqtt_ref ref[IDENTITIES + 1];
    size_t count;
};

static const char *device_of(int64_t identity)
{
    static char name[16];
    (void)snprintf(name, sizeof name, "d%lld", (long long)(identity % DEVICES));
    return name;
}

static bool is_same(struct sk_mqtt_ref a, struct sk_mqtt_ref b)
{
    return a.loop == b.loop && a.slot == b.slot && a.serial == b.serial;
}

static void put(struct sk_live *l, struct model *m, int64_t i, struct sk_mqtt_ref ref)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_mqtt_ref old = { 0 };
    bool had_old = false;
    DONE(sk_live_put(l, i, device_of(i), ref, &had_old, &old, &err));
    assert_int_equal(had_old, m->is_there[i]);
    if (had_old)
        assert_true(is_same(old, m->ref[i]));
    m->count += !m->is_there[i];
    m->is_there[i] = true;
    m->ref[i] = ref;
}

static void take(struct sk_live *l, struct model *m, int64_t i, bool is_newest)
{
    struct sk_mqtt_ref ref = m->ref[i];
    ref.serial += !is_newest;
    bool is_gone = m->is_there[i] && is_newest;
    assert_int_equal(sk_live_remove(l, i, ref), is_gone);
    m->count -= is_gone;
    if (is_gone)
        m->is_there[i] = false;
}

static void compare(struct sk_live *l, const struct model *m)
{
    struct sk_mqtt_ref found[IDENTITIES];
    for (int64_t i = 1; i <= IDENTITIES; i++) {
        struct sk_mqtt_ref ref;
        assert_int_equal(sk_live_find(l, i, &ref), m->is_there[i]);
        if (m->is_there[i])
            assert_true(is_same(ref, m->ref[i]));
    }
    for (int64_t d = 0; d < DEVICES; d++) {
        size_t want = 0;
        for (int64_t i = 1; i <= IDENTITIES; i++)
            want += m->is_there[i] && i % DEVICES == d;
        assert_int_equal(sk_live_of_device(l, device_of(d), found, IDENTITIES), want);
        assert_int_equal(sk_live_of_device(l, device_of(d), found, 1), want > 0);
    }
    assert_int_equal(sk_live_count(l), m->count);
}

static void table_and_model(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_live l = { 0 };
    static struct model m;
    const uint64_t seed = 20261129;
    uint64_t r = seed;
    (void)state;
    print_message("# seed %llu\n", (unsigned long long)seed);
    memset(&m, 0, sizeof m);
    DONE(sk_live_init(&l, &err));
    for (unsigned step = 0; step < STEPS; step++) {
        r = sk_mix64(r + step);
        int64_t i = (int64_t)(r % IDENTITIES) + 1;
        /* Now filling, now emptying, so that it grows, and gaps come into its chains. */
        bool fills = step / 2000 % 2 == 0;
        if ((r >> 32) % 10 < (fills ? 7 : 3))
            put(&l, &m, i, (struct sk_mqtt_ref){ (uint32_t)(r & 1), step, step * 2 });
        else
            take(&l, &m, i, (r >> 48) % 8 != 0);
        if (step % 500 == 0)
            compare(&l, &m);
    }
    compare(&l, &m);
    sk_live_done(&l);
}

static int fill(void *ctx, struct sk_err *err)
{
    struct sk_live l = { 0 };
    int rc = sk_live_init(&l, err);
    (void)ctx;
    for (int64_t i = 1; rc == 0 && i <= IDENTITIES; i++) {
        struct sk_mqtt_ref old;
        bool had_old;
        rc = sk_live_put(&l, i, "d", (struct sk_mqtt_ref){ 0 }, &had_old, &old, err);
    }
    sk_live_done(&l);
    return rc;
}

static void memory_runs_out(void **state)
{
    (void)state;
    assert_true(sk_alloc_sweep("live", fill, NULL, 0) >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_and_model),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests_name("gateway/live", tests, NULL, NULL);
}
