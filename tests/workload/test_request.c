/* test_request.c - paths as operations. */
#include "workload_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

static void paths(void **state)
{
    static const struct {
        const char *path;
        int op; /* -1: none */
        const char *generation;
    } rows[] = {
        { "genid/1/sign", SK_WL_SIGN, "1" },
        { "genid/63%2F1/encrypt", SK_WL_ENCRYPT, "63%2F1" },
        { "genid//decrypt", SK_WL_DECRYPT, "" },
        { "genid/1/certificate/server", SK_WL_SERVER_CERT, "1" },
        { "certificate/identity", SK_WL_IDENTITY_CERT, "" },
        { "certificate/server", -1, NULL },
        { "genid/1/certificate/identity", -1, NULL },
        { "genid/1", -1, NULL },
        { "genid/", -1, NULL },
        { "genid/1/", -1, NULL },
        { "genid/1/sign/", -1, NULL },
        { "genid/1/sign/x", -1, NULL },
        { "sign", -1, NULL },
        { "", -1, NULL },
        { "/genid/1/sign", -1, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[64];
        enum sk_wl_op op = SK_WL_LIST;
        const char *generation = NULL;
        (void)snprintf(path, sizeof path, "%s", rows[i].path);
        bool is_op = sk_wl_parse_op(path, &op, &generation);
        if (is_op != (rows[i].op >= 0) ||
            (is_op && ((int)op != rows[i].op || strcmp(generation, rows[i].generation) != 0)))
            fail_msg("%s: %d, op %d", rows[i].path, is_op, op);
    }
}

/* One request over a kept connection; the status of its answer. */
static int ask_kept(int fd, const char *request, char out[1024])
{
    size_t len = 0;
    assert_true(send(fd, request, strlen(request), MSG_NOSIGNAL) > 0);
    do {
        ssize_t n = recv(fd, out + len, 1023 - len, 0);
        assert_true(n > 0);
        len += (size_t)n;
        out[len] = '\0';
    } while (!sk_ends_with(out, "}"));
    return (int)strtol(out + strlen("HTTP/1.1 "), NULL, 10);
}

/* [workload-5] A connection that was kept while its module was removed. */
static void removed_module(void **state)
{
    static const char sign[] = "POST /modules/a/genid/1/sign HTTP/1.1\r\nHost: x\r\n"
                               "Content-Length: 11\r\n\r\n{\"data\":\"\"}";
    struct util u;
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    char out[1024];
    (void)state;
    util_start(&u);
    util_open(&u, "a", "a");
    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s/a/workload.sock", u.dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(ask_kept(fd, sign, out), 200);
    sk_workload_close(u.w, "a");
    assert_int_equal(access(addr.sun_path, F_OK), -1);
    assert_int_equal(ask_kept(fd, sign, out), 403);
    assert_non_null(strstr(out, "was removed"));
    (void)close(fd);
    sk_workload_close(u.w, "a");
    util_open(&u, "a", "a");
    assert_int_equal(util_ask(&u, "a", "POST", "/modules/a/genid/1/sign", "{\"data\":\"\"}", out),
                     200);
    util_stop(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(removed_module),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
