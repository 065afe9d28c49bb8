/* test_workload.c - the workload API as a module sees it: every operation, whose name stands in the
 * path, which process asks, bodies that are wrong, the end. */
#include "base/file.h"
#include "harness/alloc_fail.h"
#include "workload_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#define V "?api-version=2018-06-28"

/* [workload-10] to [workload-16] */
static void operations(void **state)
{
    static const struct {
        const char *method, *target, *body;
        int status;
        const char *answer;
    } rows[] = {
        { "GET", "/trust-bundle?api-version=2022-08-03", NULL, 200,
          "{\"certificate\":\"-----BEGIN CERTIFICATE-----\\nx\\n-----END CERTIFICATE-----\\n\"}" },
        { "GET", "/trust-bundle", NULL, 200, NULL },
        { "GET", "/manifest-trust-bundle" V, NULL, 200, "{\"certificate\":\"\"}" },
        { "GET", "/modules" V, NULL, 200, "{\"modules\":[]}" },
        { "POST", "/modules/cam/genid/1/encrypt" V,
          "{\"plaintext\":\"aGVsbG8=\",\"initializationVector\":\"aXY=\"}", 200,
          "{\"ciphertext\":\"aXY6aGVsbG8=\"}" },
        { "POST", "/modules/cam/genid/1/decrypt" V,
          "{\"ciphertext\":\"aGVsbG8=\",\"initializationVector\":\"aXY=\"}", 200,
          "{\"plaintext\":\"aXY6aGVsbG8=\"}" },
        { "POST", "/modules/cam/genid/1/certificate/server" V,
          "{\"commonName\":\"edge\",\"expiration\":\"2026-11-24T12:00:00Z\"}", 201,
          "{\"privateKey\":{\"type\":\"key\",\"bytes\":\"key\\n\"},\"certificate\":"
          "\"leaf\\nca\\n\","
          "\"expiration\":\"2026-11-24T12:00:00.000Z\"}" },
        { "POST", "/modules/cam/certificate/identity" V, "{}", 201, NULL },
        { "POST", "/modules/cam/certificate/identity" V, NULL, 201, NULL },
        /* not found, not allowed */
        { "GET", "/nothing", NULL, 404, NULL },
        { "PUT", "/modules" V, "{}", 405, NULL },
        { "POST", "/modules/cam/sign" V, "{}", 404,
          "{\"message\":\"the workload API has no such operation\"}" },
        { "POST", "/modules/cam" V, "{}", 404, NULL },
        { "POST", "/modules/cam/genid/1/delete" V, "{}", 404, NULL },
        /* bodies */
        { "POST", "/modules/cam/genid/1/sign" V, "", 400, NULL },
        { "POST", "/modules/cam/genid/1/sign" V, "[]", 400,
          "{\"message\":\"the body: expected a JSON object\"}" },
        { "POST", "/modules/cam/genid/1/sign" V, "{}", 400, "{\"message\":\"'data' is missing\"}" },
        { "POST", "/modules/cam/genid/1/sign" V, "{\"data\":7}", 400, NULL },
        { "POST", "/modules/cam/genid/1/sign" V, "{\"data\":\"*\"}", 400, NULL },
        { "POST", "/modules/cam/genid/1/encrypt" V, "{\"plaintext\":\"aGVsbG8=\"}", 400,
          "{\"message\":\"'initializationVector' is missing\"}" },
        { "POST", "/modules/cam/genid/1/certificate/server" V, "{}", 400,
          "{\"message\":\"'commonName' is missing\"}" },
        { "POST", "/modules/cam/genid/1/certificate/server" V,
          "{\"commonName\":\"x\",\"expiration\":\"soon\"}", 400, NULL },
    };
    struct util u;
    char out[1024];
    (void)state;
    util_start(&u);
    util_open(&u, "cam", "cam");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int status = util_ask(&u, "cam", rows[i].method, rows[i].target, rows[i].body, out);
        if (status != rows[i].status || (rows[i].answer && strcmp(out, rows[i].answer) != 0))
            fail_msg("%s %s: %d %s", rows[i].target, rows[i].body, status, out);
    }
    assert_int_equal(u.until_s, 0); /* of the last that was asked: an identity certificate */
    assert_string_equal(u.name, "");
    util_stop(&u);
}

/* [workload-12] printf text | openssl dgst -sha256 -hmac '$edgeAgent' -binary | base64: what
 * the SDKs need, by an answer at once and from another thread. */
static void signatures(void **state)
{
    struct util u;
    char out[1024];
    (void)state;
    util_start(&u);
    util_open(&u, "edgeAgent", "$edgeAgent");
    for (int how = UTIL_NOW; how <= UTIL_THREAD; how++) {
        atomic_store(&u.answer, how);
        int status = util_ask(
            &u, "edgeAgent", "POST", "/modules/%24edgeAgent/genid/gen%2F7/sign?api-version=x",
            "{\"keyId\":\"primary\",\"algo\":\"HMACSHA256\",\"data\":\"dGV4dA==\"}", out);
        assert_int_equal(status, 200);
        assert_string_equal(out, "{\"digest\":\"FDUInMomhf2XSlZX+1apJrslt6BFGjvMKu5Iolw8WME=\"}");
        assert_string_equal(u.generation, "gen/7");
    }
    atomic_store(&u.answer, UTIL_REFUSE);
    assert_int_equal(util_ask(&u, "edgeAgent", "POST", "/modules/$edgeAgent/genid/1/sign",
                              "{\"data\":\"\"}", out),
                     404);
    assert_string_equal(out, "{\"message\":\"module '$edgeAgent' has no key\"}");
    util_stop(&u);
}

/* [workload-3] Over A's socket nothing of B's, whatever the operation. */
static void of_others(void **state)
{
    static const char *const targets[] = {
        "/modules/b/genid/1/sign",         "/modules/b/genid/1/encrypt",
        "/modules/b/genid/1/decrypt",      "/modules/b/genid/1/certificate/server",
        "/modules/b/certificate/identity", "/modules/%62/genid/1/sign",
        "/modules/A/genid/1/sign",         "/modules/a%2F/genid/1/sign",
        "/modules//genid/1/sign",
    };
    struct util u;
    char out[1024];
    (void)state;
    util_start(&u);
    util_open(&u, "a", "a");
    util_open(&u, "b", "b");
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        int status = util_ask(&u, "a", "POST", targets[i], "{\"data\":\"\"}", out);
        if (status != 403 || !strstr(out, "this socket is that of module 'a'"))
            fail_msg("%s: %d %s", targets[i], status, out);
    }
    assert_int_equal(atomic_load(&u.asks), 0);
    assert_int_equal(atomic_load(&u.checks), 0);
    util_stop(&u);
}

/* Asks from another process; its exit status tells. */
static int ask_elsewhere(struct util *u, const char *target, int status)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char path[400];
        struct sk_err err = SK_ERR_INIT;
        struct sk_unixhttp_answer a;
        (void)snprintf(path, sizeof path, "%s/a/workload.sock", u->dir);
        const struct sk_unixhttp_request r = { .socket = path,
                                               .method = sk_ends_with(target, "sign") ? "POST"
                                                                                      : "GET",
                                               .target = target,
                                               .body = SK_VIEW("{\"data\":\"\"}") };
        int done = sk_unixhttp_do(&r, &a, &err);
        _exit((done == 0) == (status < 400) && a.status == status ? 0 : 1);
    }
    int how = -1;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    return WIFEXITED(how) ? WEXITSTATUS(how) : -1;
}

/* [workload-4] */
static void another_process(void **state)
{
    struct util u;
    char out[1024];
    (void)state;
    util_start(&u);
    util_open(&u, "a", "a");
    assert_int_equal(ask_elsewhere(&u, "/modules/a/genid/1/sign", 403), 0);
    assert_int_equal(ask_elsewhere(&u, "/modules", 403), 0);
    assert_int_equal(ask_elsewhere(&u, "/trust-bundle", 200), 0);
    assert_int_equal(atomic_load(&u.asks), 0);
    atomic_store(&u.peer, 1);
    assert_int_equal(util_ask(&u, "a", "POST", "/modules/a/genid/1/sign", "{\"data\":\"\"}", out),
                     403);
    assert_non_null(strstr(out, "is none of 'a', whose socket this is"));
    util_stop(&u);
}

/* [workload-20] */
static void large_bodies(void **state)
{
    enum {
        LARGE = SK_WORKLOAD_BODY_BYTES + 1
    };
    struct util u;
    char out[1024];
    (void)state;
    SK_OWN(free) char *body = malloc(LARGE + 1);
    assert_non_null(body);
    memset(body, ' ', LARGE);
    body[LARGE] = '\0';
    memcpy(body, "{\"data\":\"\"}", 11);
    util_start(&u);
    util_open(&u, "a", "a");
    assert_int_equal(util_ask(&u, "a", "POST", "/modules/a/genid/1/sign", body, out), 413);
    body[LARGE - 1] = '\0';
    assert_int_equal(util_ask(&u, "a", "POST", "/modules/a/genid/1/sign", body, out), 200);
    util_stop(&u);
}

/* [workload-10] A file that changes, and one that is gone. */
static void bundle_that_changes(void **state)
{
    struct util u;
    struct sk_err err = SK_ERR_INIT;
    char out[1024];
    (void)state;
    util_start(&u);
    util_open(&u, "a", "a");
    assert_int_equal(sk_file_write(u.bundle, "new", 3, 0644, &err), 0);
    assert_int_equal(util_ask(&u, "a", "GET", "/trust-bundle", NULL, out), 200);
    assert_string_equal(out, "{\"certificate\":\"new\"}");
    assert_int_equal(unlink(u.bundle), 0);
    assert_int_equal(util_ask(&u, "a", "GET", "/trust-bundle", NULL, out), 500);
    assert_non_null(strstr(out, "{\"message\":\"the trust bundle: "));
    util_stop(&u);
}

struct asker {
    struct util *u;
    int status;
    char out[1024];
};

static void *ask_sign(void *arg)
{
    struct asker *a = arg;
    a->status = util_ask(a->u, "a", "POST", "/modules/a/genid/1/sign", "{\"data\":\"\"}", a->out);
    return NULL;
}

/* [workload-7] The end refuses what waits; an owner that answers later still may. */
static void end_with_calls(void **state)
{
    struct util u;
    struct asker a = { .u = &u };
    pthread_t thread;
    (void)state;
    util_start(&u);
    util_open(&u, "a", "a");
    atomic_store(&u.answer, UTIL_KEEP);
    assert_int_equal(pthread_create(&thread, NULL, ask_sign, &a), 0);
    while (!atomic_load(&u.kept))
        (void)usleep(1000);
    util_stop(&u);
    (void)pthread_join(thread, NULL);
    assert_int_equal(a.status, 503);
    assert_non_null(strstr(a.out, "is ending"));
    sk_workload_give(atomic_load(&u.kept), SK_VIEW("late"));
}

static int make(void *ctx, struct sk_err *err)
{
    struct sk_workload *w = NULL;
    const struct sk_workload_options opts = { .dir = ctx, .trust_bundle_file = "none" };
    if (sk_workload_new(&opts, &w, err) < 0)
        return -1;
    sk_workload_free(w);
    return 0;
}

static void without_memory(void **state)
{
    struct util u;
    (void)state;
    util_start(&u);
    assert_true(sk_alloc_sweep("workload", make, u.dir, 0) >= 4);
    util_stop(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations),     cmocka_unit_test(signatures),
        cmocka_unit_test(of_others),      cmocka_unit_test(another_process),
        cmocka_unit_test(large_bodies),   cmocka_unit_test(bundle_that_changes),
        cmocka_unit_test(end_with_calls), cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
