/* test_pass.c - passes over many devices: batches, kills, newer work, and how long they take. */
#include "fixture.h"

#include "base/clock.h"

#include <sys/wait.h>

/* SKERRY_DEPLOY_DEVICES=100000 measures; the default is small. */
static int64_t fleet(void)
{
    const char *text = getenv("SKERRY_DEPLOY_DEVICES");
    return text ? strtoll(text, NULL, 10) : 500;
}

static void measure(struct fixture *f, const char *what, uint64_t begun_ms)
{
    settle(f);
    print_message("# %s: %lld devices in %llu ms\n", what, (long long)fleet(),
                  (unsigned long long)(sk_now_ms() - begun_ms));
}

/* A base, a layer, another base instead, an end. */
static void many(void **state)
{
    struct fixture *f = *state;
    const int64_t count = fleet();
    make_many(f, count);
    uint64_t begun = sk_now_ms();
    put(f, "one", 1, "*", BASE("one"));
    measure(f, "a first deployment", begun);
    assert_int_equal(number(f, "SELECT count(*) FROM twin WHERE configurations = "
                               "'{\"one\":{\"status\":\"Applied\"}}'"),
                     count);
    assert_int_equal(number(f, "SELECT count(*) FROM twin WHERE desired = '{\"tag\":\"one\"}'"),
                     count);
    begun = sk_now_ms();
    put(f, "two", 2, "*", BASE("two"));
    measure(f, "another one", begun);
    assert_int_equal(number(f, "SELECT count(*) FROM twin WHERE desired = '{\"tag\":\"two\"}'"),
                     count);
    begun = sk_now_ms();
    change(f, "one", 3, "*");
    measure(f, "back to the first", begun);
    assert_int_equal(number(f, "SELECT count(*) FROM twin WHERE desired = '{\"tag\":\"one\"}'"),
                     count);
    begun = sk_now_ms();
    put(f, "few", 9, "deviceId = 'e000007'", LAYER("few"));
    measure(f, "a layer for one", begun);
    assert_int_equal(
        number(f, "SELECT count(*) FROM twin WHERE desired LIKE '%\"layer\":\"few\"%'"), 1);
    begun = sk_now_ms();
    drop(f, "one");
    drop(f, "two");
    drop(f, "few");
    measure(f, "none left", begun);
    assert_int_equal(number(f, "SELECT count(*) FROM twin WHERE configurations <> '{}'"), 0);
    assert_int_equal(number(f, "SELECT done = 9223372036854775807 AND is_full = 0 "
                               "FROM deploy_work"),
                     1);
}

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(many) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
