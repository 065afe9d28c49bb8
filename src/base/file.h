/*
 * file.h - whole files, maps, folders.
 */
#ifndef SK_BASE_FILE_H
#define SK_BASE_FILE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads all of a regular file, or of standard input when path is "-", up to max bytes (more is
 * SK_LIMIT). *out is NUL-terminated behind len; free() it. */
int sk_file_read(const char *path, size_t max, char **out, size_t *len,
                 struct sk_err *err) SK_CHECK;

/* A read-only private map of a regular file; empty files give ptr NULL, len 0. */
struct sk_map {
    const void *ptr;
    size_t len;
};

int sk_map_open(const char *path, struct sk_map *out, struct sk_err *err) SK_CHECK;
void sk_map_close(struct sk_map *map); /* accepts a zeroed map */

/* Replaces path in one step: written beside it, synced, renamed, folder synced. A crash leaves the
 * old or the new contents. */
int sk_file_write(const char *path, const void *bytes, size_t len, unsigned mode,
                  struct sk_err *err) SK_CHECK;

/* The same for a file that nobody wants to hold in memory: begin, put what comes, end.
 *
 *     SK_AUTO(sk_file_out_done) struct sk_file_out f = SK_FILE_OUT_INIT;
 *     if (sk_file_begin(&f, path, err) < 0 || sk_file_put(&f, bytes, len, err) < 0)
 *         return -1;
 *     return sk_file_end(&f, 0644, err);
 *
 * What was begun and not ended is removed by sk_file_out_done. Puts are not buffered. */
struct sk_file_out {
    int fd;
    char *temp;
    const char *path; /* borrowed until the end */
};

#define SK_FILE_OUT_INIT                                                                           \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

int sk_file_begin(struct sk_file_out *f, const char *path, struct sk_err *err) SK_CHECK;
int sk_file_put(struct sk_file_out *f, const void *bytes, size_t len, struct sk_err *err) SK_CHECK;
int sk_file_end(struct sk_file_out *f, unsigned mode, struct sk_err *err) SK_CHECK;
void sk_file_out_done(struct sk_file_out *f);
/* Whether `name` is what a crash between begin and end leaves of a file `of`: "of.a1B2c3". Both
 * without folders. */
bool sk_file_is_leftover(const char *name, const char *of);

/* All bytes, through interruptions: 0, or -1 with errno. Neither synced nor renamed. */
int sk_write_all(int fd, const void *bytes, size_t len);

/* mkdir -p; existing folders are fine. */
int sk_mkdirs(const char *path, unsigned mode, struct sk_err *err) SK_CHECK;
/* rm -rf, without following links; a missing path is fine. */
int sk_remove_tree(const char *path, struct sk_err *err) SK_CHECK;

/* Makes a folder of our own (0700) in $TMPDIR, else in `fallback`: "/tmp/skerry-sign-a1B2c3" for
 * "skerry-sign". *out: free(), after sk_remove_tree. */
int sk_temp_dir(const char *fallback, const char *name, char **out, struct sk_err *err) SK_CHECK;

/* Names in a folder, sorted by bytes, without "." and "..". */
struct sk_dir {
    char **names;
    size_t count;
};

int sk_dir_read(const char *path, struct sk_dir *out, struct sk_err *err) SK_CHECK;
void sk_dir_done(struct sk_dir *dir);

bool sk_is_dir(const char *path);
bool sk_is_file(const char *path);
/* malloc'd "a/b"; NULL when memory is out. */
char *sk_path_join(const char *a, const char *b);
/* Last component; trailing slashes are not part of it. malloc'd. "/" and "." are resolved first. */
char *sk_path_name(const char *path);
/* $SKERRY_CACHE_DIR, else $XDG_CACHE_HOME/skerry, else $HOME/.cache/skerry, /var/cache/skerry for
 * root. malloc'd; the folder is made (0700). */
int sk_cache_dir(char **out, struct sk_err *err) SK_CHECK;

#endif
