/*
 * absent.c - stands in for everything else here in a build without libcurl's headers: the program
 * is complete, and a download says what it was built without.
 */
#include "fetch/fetch.h"

int sk_fetch_new(const struct sk_fetch_options *opts, struct sk_fetch **out, struct sk_err *err)
{
    (void)opts;
    (void)out;
    return sk_fail(err, SK_UNSUPPORTED,
                   "this program was built without downloads: install libcurl4-openssl-dev and "
                   "build it again");
}

void sk_fetch_free(struct sk_fetch *f)
{
    (void)f; /* there is none */
}

void sk_fetch_answer_done(struct sk_fetch_answer *a)
{
    *a = (struct sk_fetch_answer){ 0 };
}

const char *sk_fetch_header(const struct sk_fetch_answer *a, const char *name, char *out,
                            size_t cap)
{
    (void)a;
    (void)name;
    (void)out;
    (void)cap;
    return NULL;
}

int sk_fetch_do(struct sk_fetch *f, const struct sk_fetch_request *r, struct sk_fetch_answer *out,
                struct sk_err *err)
{
    (void)f;
    (void)r;
    *out = (struct sk_fetch_answer){ 0 };
    return sk_fail(err, SK_UNSUPPORTED, "this program was built without downloads");
}

const char *sk_fetch_version(void)
{
    return NULL;
}
