/*
 * alloc_fail.c - the hook behind alloc_fail.h.
 *
 * `ld --wrap=malloc` makes every undefined `malloc` a `__wrap_malloc` and lets that one call the
 * real function as
 * `__real_malloc`. The counter belongs to one thread; outside of a sweep the wrappers only pass on.
 */
#include "harness/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

enum {
    SWEEP_MAX = 100000
};

static _Thread_local bool counting;
static _Thread_local size_t asked;
static _Thread_local size_t fail_at;
static _Thread_local bool has_failed;

void sk_alloc_fail_at(size_t n)
{
    asked = 0;
    fail_at = n;
    has_failed = false;
    counting = true;
}

size_t sk_alloc_fail_end(int *did_fail)
{
    counting = false;
    *did_fail = has_failed;
    return asked;
}

static bool fails_now(void)
{
    if (!counting || ++asked != fail_at)
        return false;
    has_failed = true;
    errno = ENOMEM;
    return true;
}

#define WRAP(name, parameters, ...)                                                                \
    void *__real_##name parameters;                                                                \
    void *__wrap_##name parameters;                                                                \
    void *__wrap_##name parameters                                                                 \
    {                                                                                              \
        if (fails_now())                                                                           \
            return NULL;                                                                           \
        return __real_##name(__VA_ARGS__);                                                         \
    }

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
WRAP(malloc, (size_t size), size)
WRAP(calloc, (size_t count, size_t size), count, size)
WRAP(realloc, (void *p, size_t size), p, size)
WRAP(reallocarray, (void *p, size_t count, size_t size), p, count, size)
WRAP(aligned_alloc, (size_t align, size_t size), align, size)
WRAP(strdup, (const char *text), text)
WRAP(strndup, (const char *text, size_t len), text, len)
WRAP(realpath, (const char *path, char *out), path, out)
#pragma GCC diagnostic pop

size_t sk_alloc_sweep(const char *name, sk_alloc_case *run, void *ctx, unsigned flags)
{
    struct sk_err first = SK_ERR_INIT;
    int failed = 0;

    if (run(ctx, &first) < 0)
        fail_msg("%s: fails with all memory: %s", name, first.text);
    for (size_t n = 1; n <= SWEEP_MAX; n++) {
        struct sk_err err = SK_ERR_INIT;

        sk_alloc_fail_at(n);
        int rc = run(ctx, &err);
        (void)sk_alloc_fail_end(&failed);
        if (!failed) {
            if (rc < 0)
                fail_msg("%s: fails without cause after %zu allocations: %s", name, n - 1,
                         err.text);
            return n - 1;
        }
        if (rc == 0 && !(flags & SK_ALLOC_MAY_SURVIVE))
            fail_msg("%s: does not notice that allocation %zu failed", name, n);
        if (rc < 0 && (err.code != SK_NOMEM || err.text[0] == '\0'))
            fail_msg("%s: allocation %zu failed, but the error is %s: %s", name, n,
                     sk_code_name(err.code), err.text);
    }
    fail_msg("%s: more than %d allocations", name, SWEEP_MAX);
    return 0;
}
