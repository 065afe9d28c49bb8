/* folders.h - model folders for tests, written file by file below one temporary folder. */
#ifndef SK_TESTS_BUNDLE_FOLDERS_H
#define SK_TESTS_BUNDLE_FOLDERS_H

#include "base/cleanup.h"
#include "base/file.h"
#include "harness/golden.h"

#include <stdlib.h>
#include <string.h>

static char *root;

/* Writes root/name, with the folders on the way. text NULL: the model
 * tests/data/models/scores.onnx. */
static inline void put(const char *name, const char *text)
{
    SK_AUTO(free_cleanup) char *path = sk_path_join(root, name);
    SK_AUTO(free_cleanup) char *folder = strdup(path);
    SK_AUTO(free_cleanup) char *model = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len = text ? strlen(text) : 0;

    *strrchr(folder, '/') = '\0';
    if (sk_mkdirs(folder, 0700, &err) < 0)
        fail_msg("%s", err.text);
    if (!text && sk_file_read(sk_source_path("tests/data/models/scores.onnx"), 1 << 20, &model,
                              &len, &err) < 0)
        fail_msg("%s", err.text);
    if (sk_file_write(path, text ? text : model, len, 0600, &err) < 0)
        fail_msg("%s", err.text);
}

static inline char *at(const char *name)
{
    return sk_path_join(root, name);
}

static int make_root(void **state)
{
    SK_AUTO(free_cleanup) char *cache = NULL;

    (void)state;
    root = sk_test_dir();
    cache = at(".cache");
    return setenv("SKERRY_CACHE_DIR", cache, 1);
}

static int drop_root(void **state)
{
    (void)state;
    sk_test_dir_free(root);
    return 0;
}

#endif
