/*
 * cleanup.h - locals that release themselves.
 *
 *     SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);   // embedded: done(&b) at scope
 * end SK_OWN(sk_model_unref) struct sk_model *m = NULL;              // pointer: unref(m) at scope
 * end *out = SK_TAKE(m);                                             // given away: m is NULL now
 *
 * SK_OWN needs one SK_DEFINE_OWN(type, function) beside the function's prototype.
 */
#ifndef SK_BASE_CLEANUP_H
#define SK_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The function takes a pointer to the local. */
#define SK_AUTO(fn) __attribute__((cleanup(fn)))

/* The function takes the local itself, a pointer; it accepts NULL. */
#define SK_DEFINE_OWN(type, fn)                                                                    \
    static inline void fn##_cleanup(type **p)                                                      \
    {                                                                                              \
        fn(*p);                                                                                    \
    }                                                                                              \
    struct sk_swallow_semicolon

#define SK_OWN(fn) __attribute__((cleanup(fn##_cleanup)))

#define SK_TAKE(p)                                                                                 \
    __extension__({                                                                                \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

static inline void free_cleanup(void *p)
{
    free(*(void **)p);
}

static inline void fclose_cleanup(FILE **f)
{
    if (*f)
        (void)fclose(*f); /* readers only: writers close by hand and look at the result */
}

/* For `SK_AUTO(sk_close) int fd = -1;` */
static inline void sk_close(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* Gives a descriptor away, as SK_TAKE does a pointer. */
static inline int sk_take_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

#endif
