/*
 * test_hf.c - the way from a name to a path, and what happens on it when memory is out.
 *
 * tests/it/test_hf.py has the long stories: cuts, kills, checksums, tokens, Python on the same
 * cache.
 */
#include "fetch/loopback.h"
#include "hf/hf.h"
#include "hf/surroundings.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "harness/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define HEAD                                                                                       \
    "HTTP/1.1 200 OK\r\nConnection: close\r\nX-Repo-Commit: " COMMIT                               \
    "\r\nETag: \"b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0\"\r\nContent-Length: 5\r\n\r\n"
#define NO_FILE                                                                                    \
    "HTTP/1.1 404 No\r\nConnection: close\r\nX-Error-Code: "                                       \
    "EntryNotFound\r\nX-Repo-Commit: " COMMIT "\r\nContent-Length: 0\r\n\r\n"

static const char *const files[] = { "model.safetensors", "pytorch_model.bin", NULL };

static void set_endpoint(int port)
{
    char text[64];

    (void)snprintf(text, sizeof text, "HF_ENDPOINT=http://127.0.0.1:%d", port);
    sk_hf_set(text);
}

static void second_name_then_offline(void **state)
{
    (void)state;
    static const char *const replies[] = { NO_FILE, HEAD, HEAD "hello", NULL };
    struct sk_loopback *s = sk_loopback_start(replies);
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *path = NULL;
    SK_OWN(free) char *commit = NULL;
    SK_OWN(free) char *again = NULL;

    set_endpoint(s->port);
    if (sk_hf_get("hf:a/b", files, NULL, &path, &commit, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(commit, COMMIT);
    assert_non_null(strstr(path, "/models--a--b/snapshots/" COMMIT "/pytorch_model.bin"));
    sk_loopback_stop(s);
    assert_int_equal(s->count, 3);
    sk_loopback_free(s);
    /* The server is gone: the cache will do. */
    assert_int_equal(sk_hf_get("hf:a/b", files, NULL, &again, NULL, &err), 0);
    assert_string_equal(again, path);
    free(SK_TAKE(again));
    sk_hf_set("HF_HUB_OFFLINE=1");
    assert_int_equal(sk_hf_get("hf:a/b", files, NULL, &again, NULL, &err), 0);
    assert_string_equal(again, path);
    free(SK_TAKE(again));
    assert_int_equal(sk_hf_get("hf:a/c", files, NULL, &again, NULL, &err), -1);
    assert_int_equal(err.code, SK_IO);
    assert_non_null(strstr(err.text, "HF_HUB_OFFLINE forbids the network"));
}

static void bad_arguments(void **state)
{
    (void)state;

    static const struct {
        const char *spec, *file;
    } rows[] = {
        { "a/b/c", "f" }, { "a/b", "../f" }, { "a/b", "/f" }, { "a/b", "" }, { "a/b@..", "f" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *names[] = { rows[i].file, NULL };
        struct sk_err err = SK_ERR_INIT;
        char *path = NULL;
        assert_int_equal(sk_hf_get(rows[i].spec, names, NULL, &path, NULL, &err), -1);
        assert_int_equal(err.code, SK_INVALID);
    }
}

/* ---- allocations ---- */

/* HEAD and GET get the same reply: one that fits both. */
static int get_anew(void *ctx, struct sk_err *err)
{
    SK_OWN(free) char *path = NULL;
    SK_OWN(free) char *commit = NULL;

    if (sk_remove_tree(ctx, err) < 0)
        return -1;
    return sk_hf_get("hf:a/b", files, NULL, &path, &commit, err);
}

static int get_cached(void *ctx, struct sk_err *err)
{
    SK_OWN(free) char *path = NULL;

    (void)ctx;
    return sk_hf_get("hf:a/b", files, NULL, &path, NULL, err);
}

static void allocations(void **state)
{
    static const char *const replies[] = { HEAD "hello", NULL };
    struct sk_loopback *s = sk_loopback_start(replies);
    SK_OWN(free) char *cache = sk_path_join(*state, "cache");

    set_endpoint(s->port);
    assert_int_equal(setenv("HF_HUB_CACHE", cache, 1), 0);
    /* A ref or a note that could not be written is no failure. */
    assert_true(sk_alloc_sweep("get", get_anew, cache, SK_ALLOC_MAY_SURVIVE) > 40);
    sk_loopback_free(s);
    sk_hf_set("HF_HUB_OFFLINE=1");
    assert_true(sk_alloc_sweep("offline", get_cached, NULL, 0) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(second_name_then_offline, sk_hf_surround, sk_hf_unsurround),
        cmocka_unit_test_setup_teardown(bad_arguments, sk_hf_surround, sk_hf_unsurround),
        cmocka_unit_test_setup_teardown(allocations, sk_hf_surround, sk_hf_unsurround),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
