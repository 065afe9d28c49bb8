/* folder.h - a temporary folder for one test. */
#ifndef SK_TESTS_SIGN_FOLDER_H
#define SK_TESTS_SIGN_FOLDER_H

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct folder {
    char path[64];
};

static inline void folder_make(struct folder *f)
{
    *f = (struct folder){ .path = "/tmp/skerry-sign-test.XXXXXX" };
    assert_non_null(mkdtemp(f->path));
}

/* Path of a name in it; eight at a time. */
static inline const char *folder_at(struct folder *f, const char *name)
{
    static char names[8][128];
    static unsigned used;
    char *out = names[used++ % 8];

    (void)snprintf(out, sizeof(names[0]), "%s/%s", f->path, name);
    return out;
}

static inline void folder_done(struct folder *f)
{
    struct sk_err ignored = SK_ERR_INIT;

    (void)!sk_remove_tree(f->path, &ignored);
}

#endif
