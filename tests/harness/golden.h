/*
 * golden.h - outputs kept as files, and folders for the time of a test.
 *
 * A golden file holds what a function should print. `UPDATE_GOLDEN=1 meson test -C build` rewrites
 * it; the diff in version control is then the review of the change.
 */
#ifndef SK_HARNESS_GOLDEN_H
#define SK_HARNESS_GOLDEN_H

#include <stddef.h>

/* path is relative to the source folder ("tests/base/golden/help.txt"). A difference fails the
 * cmocka test, naming the file, the line and both texts. */
void sk_golden_check(const char *path, const void *bytes, size_t len);

/* The full name of a file of the source tree; a static buffer. */
const char *sk_source_path(const char *path);

/* A fresh empty folder, malloc'd name; sk_test_dir_free removes it with all that is in it. */
char *sk_test_dir(void);
void sk_test_dir_free(char *dir);

#endif
