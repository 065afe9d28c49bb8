/*
 * curl_priv.h - between library.c (libcurl's functions, by dlopen), url.c (addresses), exchange.c
 * (one request, one answer) and fetch.c (redirects, retries, error texts).
 */
#ifndef SK_FETCH_CURL_PRIV_H
#define SK_FETCH_CURL_PRIV_H

#include "fetch/fetch.h"

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

/* What we call of libcurl; all of it exists since 7.62 (2018). */
#define SK_CURL_TABLE(X)                                                                           \
    X(curl_easy_cleanup)                                                                           \
    X(curl_easy_getinfo)                                                                           \
    X(curl_easy_init)                                                                              \
    X(curl_easy_perform)                                                                           \
    X(curl_easy_reset)                                                                             \
    X(curl_easy_setopt)                                                                            \
    X(curl_easy_strerror)                                                                          \
    X(curl_free)                                                                                   \
    X(curl_getdate)                                                                                \
    X(curl_global_init)                                                                            \
    X(curl_slist_append)                                                                           \
    X(curl_slist_free_all)                                                                         \
    X(curl_url)                                                                                    \
    X(curl_url_cleanup)                                                                            \
    X(curl_url_get)                                                                                \
    X(curl_url_set)                                                                                \
    X(curl_version_info)

struct sk_curl_api {
#define SK_CURL_SLOT(name) __typeof__(name) *name;
    SK_CURL_TABLE(SK_CURL_SLOT)
#undef SK_CURL_SLOT
};

/* The library, loaded by the first call of the process and never unloaded. NULL: err says what to
 * install. Threads: any. */
const struct sk_curl_api *sk_curl(struct sk_err *err);
/* Fills a table from the first of the names (NULL-terminated) that dlopen finds. */
int sk_curl_load(const char *const *names, struct sk_curl_api *out, struct sk_err *err) SK_CHECK;

/* An address, taken apart. */
struct sk_url {
    char *text;   /* absolute, without fragment */
    char *origin; /* "https://host:443": equal texts are one server */
    char *shown;  /* without the query, which may hold a signature: for error texts */
};

/* `reference` relative to `base` (NULL: it must be absolute). Only http and https, and no user name
 * or password in it: SK_INVALID, without the address. */
int sk_url_parse(const char *base, const char *reference, struct sk_url *out,
                 struct sk_err *err) SK_CHECK;
void sk_url_done(struct sk_url *u);

enum {
    SK_FETCH_BODY_BYTES = 16 << 20,
    SK_FETCH_HEAD_BYTES = 256 << 10,
    SK_FETCH_ERROR_BYTES = 16 << 10, /* of an answer that says what went wrong */
};

/* One request to one server, and its answer: exchange.c. */
struct sk_exchange {
    const struct sk_fetch_request *request; /* its method and url are the first step's only */
    const char *method;
    const struct sk_url *url;
    bool is_trusted; /* what is secret may go there */
    bool has_body;
    const struct sk_fetch_options *opts; /* complete, no zeroes */
    struct sk_fetch_answer *answer;      /* filled; status and headers before the sink is called */
    /* After a failure: the network's fault, and nothing was delivered; did the server perhaps see
     * the request? */
    bool is_repeatable, was_sent;
};

int sk_exchange(const struct sk_curl_api *lib, CURL *handle, struct sk_exchange *x,
                struct sk_err *err) SK_CHECK;

#endif
