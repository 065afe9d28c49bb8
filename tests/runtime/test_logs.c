/* test_logs.c - the log of a module: read in part, followed, kept within its budget. */
#include "runtime/module.h"
#include "runtime/runtime_util.h"

#include "base/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int collect(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    (void)err;
    sk_buf_add(ctx, bytes, len);
    return 0;
}

static int refuse(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    (void)ctx;
    (void)bytes;
    (void)len;
    return sk_fail(err, SK_CANCELLED, "enough");
}

static void put_log(struct host *p, const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_close) int fd = -1;

    DONE(sk_rt_logs_open(&p->h, "cats", &fd, &err));
    assert_int_equal(sk_write_all(fd, text, strlen(text)), 0);
}

#define T0 1795946400 /* 2026-11-29T10:00:00Z */

static void test_read(void **state)
{
    static const char text[] = "early, no date\n"
                               "2026-11-29T10:00:00.500Z INFO a\n"
                               "more of a\n"
                               "{\"time\":\"2026-11-29T10:00:01.000Z\",\"level\":\"info\"}\n"
                               "2026-11-29T10:00:02.000Z INFO c\n"
                               "the end has none";

    static const struct {
        unsigned tail;
        int64_t since, until;
        const char *wanted;
    } rows[] = {
        { 0, 0, 0, text },
        { 1, 0, 0, "the end has none" },
        { 2, 0, 0, "2026-11-29T10:00:02.000Z INFO c\nthe end has none" },
        { 100, 0, 0, text },
        { 0, T0 + 1, 0,
          "{\"time\":\"2026-11-29T10:00:01.000Z\",\"level\":\"info\"}\n"
          "2026-11-29T10:00:02.000Z INFO c\nthe end has none" },
        { 0, T0, T0, "2026-11-29T10:00:00.500Z INFO a\nmore of a\n" },
        { 1, T0, T0, "more of a\n" },
        { 0, 0, T0, "early, no date\n2026-11-29T10:00:00.500Z INFO a\nmore of a\n" },
        { 0, T0 + 10, 0, "" },
    };
    struct host *p = *state;
    struct sk_err err = SK_ERR_INIT;

    FAILS(sk_rt_logs_read(&p->h, "cats", 0, 0, 0, NULL, NULL, collect, NULL, &err), SK_NOT_FOUND,
          "cats");
    put_log(p, text);
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);

        err = (struct sk_err)SK_ERR_INIT;
        DONE(sk_rt_logs_read(&p->h, "cats", rows[i].tail, rows[i].since, rows[i].until, NULL, NULL,
                             collect, &out, &err));
        if (strcmp(out.data ? out.data : "", rows[i].wanted) != 0)
            fail_msg("row %zu: '%s'", i, out.data ? out.data : "");
    }
    FAILS(sk_rt_logs_read(&p->h, "cats", 0, 0, 0, NULL, NULL, refuse, NULL, &err), SK_CANCELLED,
          "enough");
    FAILS(sk_rt_logs_read(&p->h, "../x", 0, 0, 0, NULL, NULL, refuse, NULL, &err), SK_INVALID,
          "no name");
    DONE(sk_runtime_logs_remove(&p->h, "cats", &err));
    DONE(sk_runtime_logs_remove(&p->h, "cats", &err));
}

/* Lines longer than what is held at once come whole, in pieces. */
static void test_long_line(void **state)
{
    struct host *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    SK_OWN(free) char *line = malloc(200002);

    assert_non_null(line);
    memset(line, 'x', 200000);
    memcpy(line + 200000, "\n", 2);
    put_log(p, line);
    put_log(p, "short\n");
    DONE(sk_rt_logs_read(&p->h, "cats", 0, 0, 0, NULL, NULL, collect, &out, &err));
    assert_int_equal(out.len, 200007);
}

/* A module that writes; what is followed ends with it. */
static void test_follow(void **state)
{
    struct host *p = *state;
    struct module m;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);

    module_prepare(p, &m, "lines:1000");
    DONE(sk_runtime_start(&p->h, &m.s, &m.i, &err));
    DONE(sk_runtime_logs(&p->h, &m.i, 0, 0, 0, true, collect, &out, &err));
    assert_non_null(strstr(out.data, "n=0\n"));
    assert_non_null(strstr(out.data, "n=999\n"));
    assert_non_null(strstr(out.data, "no end"));
    module_done(&m);
}

/* The budget holds whatever is written, what is left is the end, and nothing is lost on the way. */
static void test_budget(void **state)
{
    struct host *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_close) int fd = -1;
    uint64_t bytes = 0;
    char line[128], wanted[64];

    p->h.log_bytes = 64 << 10;
    DONE(sk_runtime_logs_trim(&p->h, &bytes, &err)); /* no folder yet */
    assert_int_equal(bytes, 0);
    DONE(sk_rt_logs_open(&p->h, "cats", &fd, &err));
    for (int i = 0; i < 20000; i++) {
        int n = snprintf(line, sizeof line, "line %06d of many, of the same length\n", i);
        assert_int_equal(sk_write_all(fd, line, (size_t)n), 0);
        if (i % 500 == 499) {
            DONE(sk_runtime_logs_trim(&p->h, &bytes, &err));
            assert_true(bytes <= (64 << 10));
        }
    }
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    DONE(sk_rt_logs_read(&p->h, "cats", 3, 0, 0, NULL, NULL, collect, &out, &err));
    (void)snprintf(wanted, sizeof wanted, "line 019997 of many");
    assert_memory_equal(out.data, wanted, strlen(wanted));
    sk_buf_clear(&out);
    DONE(sk_rt_logs_read(&p->h, "cats", 0, 0, 0, NULL, NULL, collect, &out, &err));
    assert_true(out.len > (16 << 10) && out.len <= (64 << 10));
    char *at = strchr(out.data, '\n'); /* the first one may be cut */
    int last = -1;
    for (at = at ? at + 1 : NULL; at && *at; at = strchr(at, '\n') + 1) {
        int number = -1;
        assert_int_equal(sscanf(at, "line %d of", &number), 1);
        assert_true(last < 0 || number == last + 1);
        last = number;
    }
    assert_int_equal(last, 19999);
}

/* A module may make its log as long as it likes. */
static void test_hole(void **state)
{
    struct host *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf got = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_close) int fd = -1;

    put_log(p, "first\n");
    DONE(sk_rt_logs_open(&p->h, "cats", &fd, &err));
    assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
    assert_int_equal(sk_write_all(fd, "\nlast\n", 6), 0);
    DONE(sk_rt_logs_read(&p->h, "cats", 1, 0, 0, NULL, NULL, collect, &got, &err));
    assert_int_equal(got.len, 5);
    assert_memory_equal(got.data, "last\n", 5);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_read, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_long_line, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_follow, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_budget, host_set_up, host_tear_down),
        cmocka_unit_test_setup_teardown(test_hole, host_set_up, host_tear_down),
    };

    module_main(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
