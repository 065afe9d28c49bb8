/* test_library.c - which libcurl is taken, and what is said when there is none. */
#include "fetch/curl_priv.h"

#include "base/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void missing_or_strange(void **state)
{
    (void)state;

    static const struct {
        const char *names[3];
        const char *text;
    } rows[] = {
        { { "libno-such-curl.so.9", NULL }, "'libno-such-curl.so.9' cannot be loaded" },
        { { "libno-such-curl.so.9", "libm.so.6", NULL }, "libcurl has no curl_easy_cleanup" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_curl_api api;
        assert_int_equal(sk_curl_load(rows[i].names, &api, &err), -1);
        assert_int_equal(err.code, SK_UNSUPPORTED);
        if (!strstr(err.text, rows[i].text))
            fail_msg("'%s' lacks '%s'", err.text, rows[i].text);
    }
}

static void *ask(void *arg)
{
    const char **out = arg;
    *out = sk_fetch_version();
    return NULL;
}

static void many_threads_load_it_once(void **state)
{
    (void)state;

    enum {
        THREADS = 4
    };
    struct sk_err err = SK_ERR_INIT;
    pthread_t threads[THREADS];
    const char *versions[THREADS] = { NULL };

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(sk_thread_start(&threads[i], "version", ask, &versions[i], &err), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_non_null(versions[i]);
        assert_memory_equal(versions[i], "libcurl ", 8);
    }
    assert_ptr_equal(sk_curl(&err), sk_curl(&err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_or_strange),
        cmocka_unit_test(many_threads_load_it_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
