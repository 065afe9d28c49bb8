/* test_comm.c - one process, and finding the plugin; the real one is tested by
 * tests/it/test_mpi.py. */
#include "comm/comm.h"

#include "fake_plugin.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "harness/alloc_fail.h"

static const char *const variables[] = { "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK",
                                         "SKERRY_MPI" };

enum {
    VARIABLES = sizeof(variables) / sizeof(variables[0])
};

static void set_environment(const char *const values[VARIABLES])
{
    for (size_t i = 0; i < VARIABLES; i++) {
        if (values[i])
            assert_int_equal(setenv(variables[i], values[i], 1), 0);
        else
            assert_int_equal(unsetenv(variables[i]), 0);
    }
}

static int clear_environment(void **state)
{
    (void)state;
    set_environment((const char *[VARIABLES]){ NULL });
    return 0;
}

static struct fake_seen *seen(void)
{
    static struct fake_seen nobody;
    void *handle = dlopen(FAKE_PLUGIN, RTLD_NOW);
    void *symbol = handle ? dlsym(handle, FAKE_SEEN_SYMBOL) : NULL;
    fake_seen_fn *get;

    if (!symbol)
        fail_msg("%s: %s", FAKE_PLUGIN, dlerror());
    memcpy(&get, &symbol, sizeof(symbol));
    return symbol ? get() : &nobody;
}

/* [comm-1] */
static void one_process_needs_nobody(void **state)
{
    SK_OWN(sk_comm_close) struct sk_comm *c = NULL;
    struct sk_err err = SK_ERR_INIT;
    float f = 1.5f;
    double d = 2.5;
    int64_t i = -3;
    char bytes[] = "same";

    (void)state;
    assert_int_equal(sk_comm_open(&c, &err), 0);
    assert_int_equal(sk_comm_rank(c), 0);
    assert_int_equal(sk_comm_size(c), 1);
    assert_string_equal(sk_comm_name(c), "single");
    assert_int_equal(sk_comm_sum_f32(c, &f, 1, &err), 0);
    assert_int_equal(sk_comm_sum_f64(c, &d, 1, &err), 0);
    assert_int_equal(sk_comm_max_i64(c, &i, 1, &err), 0);
    assert_int_equal(sk_comm_share(c, bytes, sizeof(bytes), &err), 0);
    assert_true(f == 1.5f && d == 2.5 && i == -3);
    assert_string_equal(bytes, "same");
    sk_comm_abort(c, 1); /* there is nobody to end */
    sk_comm_close(NULL);
}

/* [comm-2] [comm-3] */
static void the_environment_decides(void **state)
{
    static const struct {
        const char *name;
        const char *values[VARIABLES];
        const char *text; /* of the error; NULL: opens */
        unsigned size;
    } rows[] = {
        { "nobody started us", { NULL, NULL, NULL, FAKE_PLUGIN }, NULL, 1 },
        { "mpirun -n 1", { "1", NULL, "0", "/nonexistent/plugin.so" }, NULL, 1 },
        { "mpirun -n 2", { "2", NULL, "1", FAKE_PLUGIN }, NULL, 2 },
        { "MPICH", { NULL, "2", NULL, FAKE_PLUGIN }, NULL, 2 },
        { "PMIx alone", { NULL, NULL, "1", FAKE_PLUGIN }, NULL, 2 },
        { "no number", { "many", NULL, NULL, FAKE_PLUGIN }, NULL, 1 },
        { "no such plugin",
          { "2", NULL, NULL, "/nonexistent/plugin.so" },
          "/nonexistent/plugin.so: cannot open",
          0 },
        { "how to get one", { "2", NULL, NULL, "/nonexistent/plugin.so" }, "libopenmpi-dev", 0 },
        { "not a library", { "2", NULL, NULL, "/etc/passwd" }, "/etc/passwd", 0 },
        { "another library",
          { "2", NULL, NULL, "libm.so.6" },
          "libm.so.6 is not a plugin of skerry",
          0 },
        { "another version",
          { "2", NULL, NULL, OTHER_PLUGIN },
          "another version of skerry (interface 999, this is 1)",
          0 },
        { "not beside this program",
          { "2", NULL, NULL, NULL },
          "there is no skerry-mpi.so in ",
          0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_OWN(sk_comm_close) struct sk_comm *c = NULL;
        struct sk_err err = SK_ERR_INIT;

        set_environment(rows[i].values);
        if ((sk_comm_open(&c, &err) == 0) != !rows[i].text)
            fail_msg("row '%s': %s", rows[i].name, rows[i].text ? "opened" : err.text);
        if (rows[i].text && (err.code != SK_UNSUPPORTED || !strstr(err.text, rows[i].text)))
            fail_msg("row '%s': %s", rows[i].name, err.text);
        if (c && sk_comm_size(c) != rows[i].size)
            fail_msg("row '%s': %u processes", rows[i].name, sk_comm_size(c));
    }
}

static const char *const with_fake[VARIABLES] = { "2", NULL, NULL, FAKE_PLUGIN };

static void the_plugin_does_the_work(void **state)
{
    struct fake_seen *fake = seen();
    unsigned closed = fake->closed;
    struct sk_err err = SK_ERR_INIT;
    struct sk_comm *c = NULL;
    float f = 1.5f;
    double d = 2.5;
    int64_t i = -3;

    (void)state;
    set_environment(with_fake);
    assert_int_equal(sk_comm_open(&c, &err), 0);
    assert_int_equal(sk_comm_rank(c), 1);
    assert_string_equal(sk_comm_name(c), "fake");
    assert_int_equal(sk_comm_sum_f32(c, &f, 1, &err), 0);
    assert_int_equal(sk_comm_sum_f64(c, &d, 1, &err), 0);
    assert_int_equal(sk_comm_max_i64(c, &i, 1, &err), 0);
    assert_true(f == 3 && d == 5 && i == 7);
    assert_int_equal(sk_comm_share(c, &i, sizeof(i), &err), -1);
    assert_string_equal(err.text, "the others are gone");
    sk_comm_abort(c, 3);
    assert_int_equal(fake->aborted, 1);
    assert_int_equal(fake->status, 3);
    sk_comm_close(c);
    assert_int_equal(fake->closed, closed + 1);
}

static void joining_may_fail(void **state)
{
    struct fake_seen *fake = seen();
    unsigned closed = fake->closed;
    struct sk_err err = SK_ERR_INIT;
    struct sk_comm *c = NULL;

    (void)state;
    set_environment(with_fake);
    fake->open_fails = true;
    assert_int_equal(sk_comm_open(&c, &err), -1);
    fake->open_fails = false;
    assert_int_equal(err.code, SK_REMOTE);
    assert_null(c);
    assert_int_equal(fake->closed, closed); /* what was not opened is not closed */
}

static int open_and_close(void *ctx, struct sk_err *err)
{
    SK_OWN(sk_comm_close) struct sk_comm *c = NULL;

    (void)ctx;
    return sk_comm_open(&c, err);
}

static void memory_may_run_out(void **state)
{
    (void)state;
    set_environment((const char *[VARIABLES]){ NULL });
    assert_true(sk_alloc_sweep("single", open_and_close, NULL, 0) >= 1);
    set_environment(with_fake);
    assert_true(sk_alloc_sweep("plugin", open_and_close, NULL, 0) >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_process_needs_nobody, clear_environment),
        cmocka_unit_test_setup(the_environment_decides, clear_environment),
        cmocka_unit_test_setup(the_plugin_does_the_work, clear_environment),
        cmocka_unit_test_setup(joining_may_fail, clear_environment),
        cmocka_unit_test_setup(memory_may_run_out, clear_environment),
    };

    return cmocka_run_group_tests_name("comm", tests, NULL, NULL);
}
