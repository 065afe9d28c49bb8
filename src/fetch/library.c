/*
 * library.c - libcurl, opened when the first request is made.
 *
 * Commands that fetch nothing do not load it, nor the forty libraries that it brings. Its functions
 * are one table, made from one list, so a version that lacks one is refused by name instead of
 * failing later. The library stays loaded: it has threads and static data of its own.
 */
#include "fetch/curl_priv.h"

#include "base/dl.h"
#include "base/thread.h"

/* OpenSSL's and GnuTLS's build have one interface. */
static const char *const NAMES[] = { "libcurl.so.4", "libcurl-gnutls.so.4", NULL };

static const struct sk_dl_symbol SYMBOLS[] = {
#define SYMBOL(name) { #name, offsetof(struct sk_curl_api, name) },
    SK_CURL_TABLE(SYMBOL)
#undef SYMBOL
};

static const struct sk_dl_library LIBRARY = { "downloads need", "libcurl", "libcurl4", SYMBOLS,
                                              sizeof SYMBOLS / sizeof SYMBOLS[0] };

int sk_curl_load(const char *const *names, struct sk_curl_api *out, struct sk_err *err)
{
    struct sk_curl_api api = { 0 };
    SK_OWN(sk_dl_close) void *library = sk_dl_load(&LIBRARY, names, &api, err);

    if (!library)
        return -1;
    if (api.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return sk_fail(err, SK_UNSUPPORTED, "libcurl cannot start");
    library = NULL;
    *out = api;
    return 0;
}

const struct sk_curl_api *sk_curl(struct sk_err *err)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards the two below */
    static struct sk_curl_api api;
    static bool is_loaded;
    SK_LOCK(&mutex);

    if (!is_loaded && sk_curl_load(NAMES, &api, err) < 0)
        return NULL;
    is_loaded = true;
    return &api;
}

const char *sk_fetch_version(void)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards text */
    static char text[64];
    struct sk_err err = SK_ERR_INIT;
    const struct sk_curl_api *lib = sk_curl(&err);
    SK_LOCK(&mutex);

    if (!lib)
        return NULL;
    (void)snprintf(text, sizeof text, "libcurl %s",
                   lib->curl_version_info(CURLVERSION_NOW)->version);
    return text;
}
