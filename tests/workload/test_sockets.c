/* test_sockets.c - the files of sockets: rights, names, what others left, too many connections,
 * many modules that come and go while others ask. */
#include "harness/alloc_fail.h"
#include "workload_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cmocka.h>

static int connect_to(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    return fd;
}

static int listen_on(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

/* [workload-1] [workload-2] */
static void files(void **state)
{
    struct util u;
    struct stat st;
    struct sk_err err = SK_ERR_INIT;
    char folder[80], path[96], out[1024];
    (void)state;
    util_start(&u);
    (void)snprintf(folder, sizeof folder, "%s/a", u.dir);
    (void)snprintf(path, sizeof path, "%s/workload.sock", folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    int fd = listen_on(path);
    assert_int_equal(sk_workload_open(u.w, "a", "a", &err), -1); /* it is alive */
    assert_int_equal(err.code, SK_EXISTS);
    assert_non_null(strstr(err.text, path));
    (void)close(fd); /* its process died */
    util_open(&u, "a", "a");
    util_open(&u, "a", "a");
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0666);
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    assert_int_equal(util_ask(&u, "a", "GET", "/modules", NULL, out), 200);
    assert_int_equal(sk_workload_open(u.w, "a", "b", &err), -1);
    assert_int_equal(err.code, SK_EXISTS);
    sk_workload_free(u.w);
    u.w = NULL;
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access(folder, F_OK), 0); /* which a container may have mounted */
    util_stop(&u);
}

/* What stands where the folder should be is not followed. */
static void folders_that_are_none(void **state)
{
    struct util u;
    struct sk_err err = SK_ERR_INIT;
    char path[80];
    (void)state;
    util_start(&u);
    (void)snprintf(path, sizeof path, "%s/a", u.dir);
    assert_int_equal(symlink("/tmp", path), 0);
    assert_int_equal(sk_workload_open(u.w, "a", "a", &err), -1);
    assert_non_null(strstr(err.text, "its folder"));
    util_open(&u, "b", "b");
    sk_workload_close(u.w, "b");
    (void)snprintf(path, sizeof path, "%s/b", u.dir);
    assert_int_equal(access(path, F_OK), -1);
    util_stop(&u);
}

static void names(void **state)
{
    static const char *const bad[] = { "", "../a", "a/b", ".a", "a\nb", "a b" };
    struct util u;
    struct sk_err err = SK_ERR_INIT;
    char name[SK_WORKLOAD_NAME_BYTES + 2] = "", out[1024];
    (void)state;
    util_start(&u);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(sk_workload_open(u.w, bad[i], "a", &err), -1);
        assert_int_equal(err.code, SK_INVALID);
    }
    memset(name, 'x', sizeof name - 1);
    assert_int_equal(sk_workload_open(u.w, name, "a", &err), -1);
    name[SK_WORKLOAD_NAME_BYTES] = '\0';
    util_open(&u, name, "a");
    assert_int_equal(util_ask(&u, name, "GET", "/modules", NULL, out), 200);
    util_open(&u, "$edgeAgent", "$edgeAgent");
    util_stop(&u);
}

/* [workload-21] One module's connections leave the others alone. */
static void too_many_connections(void **state)
{
    struct util u;
    int held[SK_WORKLOAD_CONNECTIONS];
    char path[80], out[1024];
    (void)state;
    util_start(&u);
    util_open(&u, "a", "a");
    util_open(&u, "b", "b");
    (void)snprintf(path, sizeof path, "%s/a/workload.sock", u.dir);
    for (int i = 0; i < SK_WORKLOAD_CONNECTIONS; i++)
        held[i] = connect_to(path);
    assert_int_equal(util_ask(&u, "a", "GET", "/modules", NULL, out), 503);
    assert_string_equal(out, "{\"message\":\"the module has too many connections\"}\r\n");
    assert_int_equal(util_ask(&u, "b", "GET", "/modules", NULL, out), 200);
    for (int i = 0; i < SK_WORKLOAD_CONNECTIONS; i++)
        (void)close(held[i]);
    int status = 503;
    for (int i = 0; i < 5000 && status == 503; i++) {
        (void)usleep(1000);
        status = util_ask(&u, "a", "GET", "/modules", NULL, out);
    }
    assert_int_equal(status, 200);
    util_stop(&u);
}

static void *come_and_go(void *arg)
{
    struct util *u = arg;
    struct sk_err err = SK_ERR_INIT;
    for (int i = 0; i < 200; i++) {
        if (sk_workload_open(u->w, "b", "b", &err) < 0)
            abort();
        char path[80];
        (void)snprintf(path, sizeof path, "%s/b/workload.sock", u->dir);
        int fd = connect_to(path);
        sk_workload_close(u->w, "b");
        (void)close(fd);
    }
    return NULL;
}

static void modules_that_come_and_go(void **state)
{
    struct util u;
    pthread_t thread;
    char out[1024];
    (void)state;
    util_start(&u);
    util_open(&u, "a", "a");
    assert_int_equal(pthread_create(&thread, NULL, come_and_go, &u), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(
            util_ask(&u, "a", "POST", "/modules/a/genid/1/sign", "{\"data\":\"\"}", out), 200);
    (void)pthread_join(thread, NULL);
    util_stop(&u);
}

static int open_it(void *ctx, struct sk_err *err)
{
    struct util *u = ctx;
    if (sk_workload_open(u->w, "a", "a", err) < 0)
        return -1;
    sk_workload_close(u->w, "a");
    return 0;
}

static void without_memory(void **state)
{
    struct util u;
    (void)state;
    util_start(&u);
    assert_true(sk_alloc_sweep("open", open_it, &u, 0) >= 3);
    util_stop(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files),
        cmocka_unit_test(folders_that_are_none),
        cmocka_unit_test(names),
        cmocka_unit_test(too_many_connections),
        cmocka_unit_test(modules_that_come_and_go),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
