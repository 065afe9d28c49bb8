/* output.c - where --output may point to, and how a path is printed for a shell. */
#include "base/file.h"
#include "cli/cli_priv.h"

#include <stdlib.h>
#include <string.h>

int sk_cli_output_check(const char *dir, bool takes_layouts, struct sk_err *err)
{
    SK_OWN(free) char *marker = sk_path_join(dir, "oci-layout");
    SK_AUTO(sk_dir_done) struct sk_dir names = { 0 };

    if (!marker)
        return sk_nomem(err);
    if (!sk_is_dir(dir))
        return sk_is_file(dir) ? sk_fail(err, SK_EXISTS, "'%s' is a file", dir) : 0;
    if (sk_dir_read(dir, &names, err) < 0)
        return -1;
    if (names.count > 0 && !(takes_layouts && sk_is_file(marker)))
        return sk_fail(err, SK_EXISTS, "'%s' has something else in it: give another --output", dir);
    return 0;
}

void sk_cli_path(struct sk_buf *out, const char *path)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/._-+,:@%=";

    if (*path && !path[strspn(path, plain)]) {
        sk_buf_str(out, path);
        return;
    }
    sk_buf_chr(out, '\'');
    for (const char *p = path; *p; p++) {
        if (*p == '\'')
            sk_buf_str(out, "'\\''");
        else
            sk_buf_chr(out, *p);
    }
    sk_buf_chr(out, '\'');
}
