/* test_keep.c - what is kept of an instance. */
#include "runtime/runtime_util.h"

#include <stdio.h>
#include <sys/stat.h>

static void test_there_and_back(void **state)
{
    struct host *p = *state;
    struct sk_instance i = { .kind = SK_RUNTIME_NATIVE,
                             .module = "cats \"x\"",
                             .instance = "cats-1",
                             .pid = 4711,
                             .start_ticks = 123456789012,
                             .control = "/run/x/control.sock",
                             .uid = 60000,
                             .note = "no GPU here" };
    struct sk_instance back;
    struct sk_err err = SK_ERR_INIT;
    char path[SK_RT_PATH];

    FAILS(sk_rt_keep_read(&p->h, "cats-1", &back, &err), SK_NOT_FOUND, "cats-1");
    DONE(sk_rt_keep_path(&p->h, "cats-1", NULL, path, &err));
    DONE(sk_mkdirs(path, 0711, &err));
    DONE(sk_rt_keep_write(&p->h, &i, &err));
    DONE(sk_rt_keep_read(&p->h, "cats-1", &back, &err));
    assert_memory_equal(&i, &back, sizeof i);
}

static void test_exit(void **state)
{
    struct host *p = *state;
    const struct sk_rt_exit e = { .code = 137, .oom_killed = true, .finished_ms = 1796000000000 };
    struct sk_rt_exit back;
    struct sk_err err = SK_ERR_INIT;
    char path[SK_RT_PATH];

    assert_false(sk_rt_keep_ended(&p->h, "cats-1", &back));
    DONE(sk_rt_keep_path(&p->h, "cats-1", NULL, path, &err));
    DONE(sk_mkdirs(path, 0711, &err));
    DONE(sk_rt_keep_exit(&p->h, "cats-1", &e, &err));
    assert_true(sk_rt_keep_ended(&p->h, "cats-1", &back));
    assert_int_equal(back.code, 137);
    assert_true(back.oom_killed);
    assert_true(back.finished_ms == e.finished_ms);
}

static void test_names(void **state)
{
    static const char *const bad[] = { "", ".", "..", ".x", "a/b", "../x" };
    struct host *p = *state;
    struct sk_err err = SK_ERR_INIT;
    char path[SK_RT_PATH], name[SK_RT_PATH];

    for (size_t i = 0; i < COUNT(bad); i++)
        FAILS(sk_rt_keep_path(&p->h, bad[i], NULL, path, &err), SK_INVALID, "no name");
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    FAILS(sk_rt_keep_path(&p->h, name, NULL, path, &err), SK_LIMIT, "too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_there_and_back, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_exit, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_names, host_set_up, host_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
