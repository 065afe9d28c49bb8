/*
 * library.c - libcurl, opened when the first request is made.
 *
 * Commands that fetch nothing do not load it, nor the forty libraries that it brings. Its functions
 * are one table, made from one list, so a version that lacks one is refused by name instead of
 * failing later. The library stays loaded: it has threads and static data of its own.
 */
#include "fetch/curl_priv.h"

#include "base/thread.h"

#include <dlfcn.h>

/* OpenSSL's and GnuTLS's build have one interface. */
static const char *const NAMES[] = { "libcurl.so.4", "libcurl-gnutls.so.4", NULL };

static void close_library(void **handle)
{
    if (*handle)
        (void)dlclose(*handle);
}

/* dlsym gives an object pointer for a function; POSIX makes the copy work. */
static bool find(void *library, const char *name, void *slot, size_t size)
{
    void *symbol = dlsym(library, name);

    memcpy(slot, &symbol, size);
    return symbol != NULL;
}

int sk_curl_load(const char *const *names, struct sk_curl_api *out, struct sk_err *err)
{
    SK_AUTO(close_library) void *library = NULL;
    struct sk_curl_api api = { 0 };

    for (size_t i = 0; names[i] && !library; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return sk_fail(
            err, SK_UNSUPPORTED,
            "downloads need libcurl, and '%s' cannot be loaded: install libcurl4 (Debian, "
            "Ubuntu) or libcurl (Fedora)",
            names[0]);
#define FIND(name)                                                                                 \
    if (!find(library, #name, &api.name, sizeof api.name))                                         \
        return sk_fail(err, SK_UNSUPPORTED, "libcurl has no %s: it is too old", #name);
    SK_CURL_TABLE(FIND)
#undef FIND
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
