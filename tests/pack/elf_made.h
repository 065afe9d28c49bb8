/*
 * elf_made.h - small ELF files made by hand: a header, a segment with everything, what it needs.
 */
#ifndef SK_PACK_ELF_MADE_H
#define SK_PACK_ELF_MADE_H

#include "base/buf.h"

#include <elf.h>
#include <stdint.h>

struct sk_elf_made {
    uint16_t machine;      /* 0: this machine's */
    const char *interp;    /* NULL: none */
    const char *runpath;   /* NULL: none */
    const char *rpath;     /* NULL: none */
    const char *needed[4]; /* up to NULL */
    size_t junk;           /* bytes behind what is loaded: sections */
};

/* A 64-bit one. */
void sk_elf_make(const struct sk_elf_made *e, struct sk_buf *out);

#endif
