/*
 * dl.h - shared libraries that are opened when they are first needed, and tables of their
 * functions.
 *
 * A table is a struct of function pointers, made from one X-macro list, as are the rows that fill
 * it, so neither can lack what the other has:
 *
 *     #define TABLE(X) X(archive_read_new) X(archive_read_free)
 *     struct api {
 *     #define SLOT(name) __typeof__(name) *name;
 *         TABLE(SLOT)
 *     #undef SLOT
 *     };
 *     static const struct sk_dl_symbol symbols[] = {
 *     #define SYMBOL(name) { #name, offsetof(struct api, name) },
 *         TABLE(SYMBOL)
 *     #undef SYMBOL
 *     };
 *
 * Threads: any.
 */
#ifndef SK_BASE_DL_H
#define SK_BASE_DL_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Opens a library at once with all that it needs (RTLD_NOW), its names for nobody else
 * (RTLD_LOCAL). A name without '/' is for the loader to find. NULL: SK_UNSUPPORTED with the
 * loader's reason. Release: sk_dl_close, or never, as most libraries with threads of their own
 * want it. */
void *sk_dl_open(const char *path, struct sk_err *err);
/* The first of the names (NULL-terminated, at least one) that opens; the reason is the last's. */
void *sk_dl_open_first(const char *const *names, struct sk_err *err);
void sk_dl_close(void *library);
SK_DEFINE_OWN(void, sk_dl_close);

/* Puts the address of a function into *slot, a pointer to a function. false: there is none, and
 * *slot is as before. */
bool sk_dl_find(void *library, const char *name, void *slot);

/* A function and the place of its pointer in the table. */
struct sk_dl_symbol {
    const char *name;
    size_t offset;
};

/* Fills the table. NULL: it is whole; else the name of the first function that the library lacks,
 * and the table is not to be used. */
const char *sk_dl_fill(void *library, const struct sk_dl_symbol *symbols, size_t count,
                       void *table);

/* A library with its table, and the words for a user who lacks it. */
struct sk_dl_library {
    const char *who;    /* "archives need" */
    const char *name;   /* "libarchive": also Fedora's package */
    const char *debian; /* the package of Debian and Ubuntu */
    const struct sk_dl_symbol *symbols;
    size_t count;
};

/* Opens the first of the names (NULL-terminated) that opens, and fills the table. NULL:
 * SK_UNSUPPORTED, with what to install or the function that it lacks; the table is not to be used.
 * Release as sk_dl_open's. */
void *sk_dl_load(const struct sk_dl_library *l, const char *const *names, void *table,
                 struct sk_err *err);

#endif
