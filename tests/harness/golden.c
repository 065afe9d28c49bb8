/* golden.c - comparison with golden files, temporary folders. */
#include "harness/golden.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

const char *sk_source_path(const char *path)
{
    static char full[PATH_MAX];
    const char *root = getenv("SKERRY_SOURCE_ROOT"); /* set when the tree has moved since it was
                                                        built */

    (void)snprintf(full, sizeof full, "%s/%s", root ? root : SK_SOURCE_ROOT, path);
    return full;
}

/* Where two texts part: the line, counted from 1, and its start in each. */
static size_t first_difference(const char *a, size_t a_len, const char *b, size_t b_len,
                               size_t *start)
{
    size_t line = 1;

    *start = 0;
    for (size_t i = 0; i < a_len && i < b_len && a[i] == b[i]; i++) {
        if (a[i] == '\n') {
            line++;
            *start = i + 1;
        }
    }
    return line;
}

void sk_golden_check(const char *path, const void *bytes, size_t len)
{
    struct sk_err err = SK_ERR_INIT;
    const char *update = getenv("UPDATE_GOLDEN");
    const char *got = bytes;
    SK_OWN(free) char *wanted = NULL;
    size_t wanted_len = 0;

    if (update && strcmp(update, "1") == 0) {
        if (sk_file_write(sk_source_path(path), bytes, len, 0644, &err) < 0)
            fail_msg("%s", err.text);
        return;
    }
    if (sk_file_read(sk_source_path(path), (size_t)64 << 20, &wanted, &wanted_len, &err) < 0)
        fail_msg("%s (UPDATE_GOLDEN=1 writes it)", err.text);
    if (wanted_len == len && (len == 0 || memcmp(wanted, bytes, len) == 0))
        return;
    size_t start = 0;
    size_t line = first_difference(wanted, wanted_len, got, len, &start);
    fail_msg("%s differs at line %zu:\n  wanted: %.*s\n  got:    %.*s", path, line,
             (int)strcspn(wanted + start, "\n"), wanted + start,
             (int)(len > start ? strcspn(got + start, "\n") : 0), got + start);
}

char *sk_test_dir(void)
{
    char *dir = strdup("/tmp/skerry-test-XXXXXX");

    if (!dir || !mkdtemp(dir))
        fail_msg("no temporary folder");
    return dir;
}

void sk_test_dir_free(char *dir)
{
    struct sk_err err = SK_ERR_INIT;

    if (dir && sk_remove_tree(dir, &err) < 0)
        fail_msg("%s", err.text);
    free(dir);
}
