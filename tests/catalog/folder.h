/* folder.h - a temporary bundle for one test. */
#ifndef SK_TESTS_CATALOG_FOLDER_H
#define SK_TESTS_CATALOG_FOLDER_H

#include "base/cleanup.h"
#include "base/file.h"
#include "harness/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define MODEL "tests/data/models/scores.onnx"

struct folder {
    char path[64];
};

static inline void folder_make(struct folder *f)
{
    *f = (struct folder){ .path = "/tmp/skerry-catalog-test.XXXXXX" };
    assert_non_null(mkdtemp(f->path));
}

/* Path of a name in it; until the next call. */
static inline const char *folder_at(struct folder *f, const char *name)
{
    static char last[256];

    (void)snprintf(last, sizeof(last), "%s/%s", f->path, name);
    return last;
}

/* Writes a file, with the folders above it. */
static inline void folder_put(struct folder *f, const char *name, const void *bytes, size_t len)
{
    struct sk_err err = SK_ERR_INIT;
    char path[256];

    (void)snprintf(path, sizeof(path), "%s", folder_at(f, name));
    *strrchr(path, '/') = '\0';
    if (sk_mkdirs(path, 0755, &err) < 0 ||
        sk_file_write(folder_at(f, name), bytes, len, 0644, &err) < 0)
        fail_msg("%s", err.text);
}

/* The test model under a name. */
static inline void folder_put_model(struct folder *f, const char *name)
{
    SK_OWN(free) char *bytes = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;

    if (sk_file_read(sk_source_path(MODEL), 1 << 20, &bytes, &len, &err) < 0)
        fail_msg("%s", err.text);
    folder_put(f, name, bytes, len);
}

static inline void folder_done(struct folder *f)
{
    struct sk_err ignored = SK_ERR_INIT;

    (void)!sk_remove_tree(f->path, &ignored);
}

#endif
