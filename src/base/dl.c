/*
 * dl.c - dlopen and dlsym, in one place.
 *
 * dlsym gives an object pointer for a function; ISO C has no conversion between the two, but POSIX
 * makes a copy of the bytes work.
 */
#include "base/dl.h"

#include <dlfcn.h>
#include <string.h>

void *sk_dl_open(const char *path, struct sk_err *err)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (!library)
        (void)sk_fail(err, SK_UNSUPPORTED, "%s", dlerror());
    return library;
}

void *sk_dl_open_first(const char *const *names, struct sk_err *err)
{
    struct sk_err why = SK_ERR_INIT;

    for (size_t i = 0; names[i]; i++) {
        void *library = sk_dl_open(names[i], &why);
        if (library)
            return library;
    }
    *err = why;
    return NULL;
}

void sk_dl_close(void *library)
{
    if (library)
        (void)dlclose(library);
}

bool sk_dl_find(void *library, const char *name, void *slot)
{
    void *symbol = dlsym(library, name);

    if (symbol)
        memcpy(slot, &symbol, sizeof symbol);
    return symbol != NULL;
}

const char *sk_dl_fill(void *library, const struct sk_dl_symbol *symbols, size_t count, void *table)
{
    for (size_t i = 0; i < count; i++)
        if (!sk_dl_find(library, symbols[i].name, (char *)table + symbols[i].offset))
            return symbols[i].name;
    return NULL;
}

void *sk_dl_load(const struct sk_dl_library *l, const char *const *names, void *table,
                 struct sk_err *err)
{
    SK_OWN(sk_dl_close) void *library = sk_dl_open_first(names, err);

    if (!library) {
        (void)sk_fail(
            err, SK_UNSUPPORTED,
            "%s %s, and '%s' cannot be loaded: install %s (Debian, Ubuntu) or %s (Fedora)", l->who,
            l->name, names[0], l->debian, l->name);
        return NULL;
    }
    const char *missing = sk_dl_fill(library, l->symbols, l->count, table);
    if (missing) {
        (void)sk_fail(err, SK_UNSUPPORTED, "%s has no %s: it is too old", l->name, missing);
        return NULL;
    }
    return SK_TAKE(library);
}
