/*
 * tiff_library.c - libtiff, opened when the first compressed TIFF is decoded.
 *
 * It brings five more libraries along, with libstdc++ among them, and relocations that are memory
 * of each process; most never see a TIFF. Its functions are one table, so a version that lacks one
 * is refused by name. The library stays loaded.
 */
#include "base/dl.h"
#include "base/thread.h"
#include "image/tiff_priv.h"

static const char *const NAMES[] = { SK_IMAGE_LIBTIFF, "libtiff.so", NULL };

static const struct sk_dl_symbol SYMBOLS[] = {
#define SYMBOL(name) { #name, offsetof(struct sk_tiff_api, name) },
    SK_TIFF_TABLE(SYMBOL)
#undef SYMBOL
};

static const struct sk_dl_library LIBRARY = { "compressed TIFFs need", "libtiff", "libtiff6",
                                              SYMBOLS, sizeof SYMBOLS / sizeof SYMBOLS[0] };

int sk_tiff_load(const char *const *names, struct sk_tiff_api *out, struct sk_err *err)
{
    struct sk_tiff_api api = { 0 };

    if (!sk_dl_load(&LIBRARY, names, &api, err))
        return -1;
    *out = api;
    return 0;
}

const struct sk_tiff_api *sk_tiff_library(struct sk_err *err)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards the two below */
    static struct sk_tiff_api api;
    static bool is_loaded;
    SK_LOCK(&mutex);

    if (!is_loaded && sk_tiff_load(NAMES, &api, err) < 0)
        return NULL;
    is_loaded = true;
    return &api;
}
