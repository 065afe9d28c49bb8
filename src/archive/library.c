/*
 * library.c - libarchive, opened when the first archive is read or written.
 *
 * Debian's build brings libxml2 and ICU along, 31 MB that nothing here uses, so commands without
 * archives must not load it. Its functions are one table, made from one list, so a version that
 * lacks one is refused by name instead of failing later. The library stays loaded.
 */
#include "archive/archive_priv.h"

#include "base/dl.h"
#include "base/thread.h"

#include <errno.h>
#include <string.h>

static const char *const NAMES[] = { "libarchive.so.13", "libarchive.so", NULL };

static const struct sk_dl_symbol SYMBOLS[] = {
#define SYMBOL(name) { #name, offsetof(struct sk_archive_api, name) },
    SK_ARCHIVE_TABLE(SYMBOL)
#undef SYMBOL
};

static const struct sk_dl_library LIBRARY = { "archives need", "libarchive", "libarchive13",
                                              SYMBOLS, sizeof SYMBOLS / sizeof SYMBOLS[0] };

int sk_archive_load(const char *const *names, struct sk_archive_api *out, struct sk_err *err)
{
    struct sk_archive_api api = { 0 };

    if (!sk_dl_load(&LIBRARY, names, &api, err))
        return -1;
    *out = api;
    return 0;
}

const struct sk_archive_api *sk_archive(struct sk_err *err)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards the two below */
    static struct sk_archive_api api;
    static bool is_loaded;
    SK_LOCK(&mutex);

    if (!is_loaded && sk_archive_load(NAMES, &api, err) < 0)
        return NULL;
    is_loaded = true;
    return &api;
}

/* ---- the locale ---- */

static locale_t utf8;

static void make_utf8(void)
{
    utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

locale_t sk_archive_utf8(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, make_utf8);
    return uselocale(utf8); /* where there is none: no change, and only ASCII names are taken */
}

void sk_archive_locale_back(locale_t *before)
{
    (void)uselocale(*before);
}

/* ---- small things ---- */

int sk_archive_fail(const struct sk_archive_api *lib, struct archive *a, struct sk_err *err)
{
    const char *text = lib->archive_error_string(a);
    int number = lib->archive_errno(a);
    char shown[SK_TAR_SHOWN_BYTES];

    if (number == ENOMEM)
        return sk_nomem(err);
    return sk_fail(err, SK_CORRUPT, "%s", sk_tar_shown(text ? text : "no tar archive", shown));
}

const char *sk_archive_version(void)
{
    struct sk_err err = SK_ERR_INIT;
    const struct sk_archive_api *lib = sk_archive(&err);

    return lib ? lib->archive_version_string() : NULL;
}
