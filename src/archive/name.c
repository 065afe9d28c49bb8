/*
 * name.c - names inside archives.
 *
 * An archive from outside may call its entries anything. What is taken is what stays below the
 * folder it is unpacked into, on every file system, and can be printed: UTF-8 without control
 * characters, relative, without "..". Empty parts and "." are dropped, so that "./a//b/" is "a/b"
 * and one place has one name.
 */
#include "archive/archive_priv.h"

#include "base/buf.h"
#include "base/str.h"

#include <string.h>

const char *sk_tar_shown(const char *name, char out[SK_TAR_SHOWN_BYTES])
{
    size_t n = 0;

    for (; name[n] && n < SK_TAR_SHOWN_BYTES - 4; n++)
        out[n] = (unsigned char)name[n] < ' ' || (unsigned char)name[n] > '~' ? '?' : name[n];
    (void)snprintf(out + n, SK_TAR_SHOWN_BYTES - n, "%s", name[n] ? "..." : "");
    return out;
}

/* C0, DEL and (as UTF-8) C1. */
static bool has_controls(const char *name)
{
    for (const unsigned char *p = (const unsigned char *)name; *p; p++)
        if (*p < ' ' || *p == 0x7f || (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f))
            return true;
    return false;
}

/* One part of a name onto the others. */
static int add_part(struct sk_buf *b, const char *raw, struct sk_view part, unsigned *depth,
                    struct sk_err *err)
{
    char shown[SK_TAR_SHOWN_BYTES];

    if (part.len == 0 || sk_view_eq(part, "."))
        return 0;
    if (sk_view_eq(part, ".."))
        return sk_fail(err, SK_INVALID, "the name '%s' leads out of its folder",
                       sk_tar_shown(raw, shown));
    if (part.len > SK_TAR_PART_BYTES)
        return sk_fail(err, SK_LIMIT, "the name '%s' has a part of more than %d bytes",
                       sk_tar_shown(raw, shown), SK_TAR_PART_BYTES);
    if (++*depth > SK_TAR_DEPTH)
        return sk_fail(err, SK_LIMIT, "the name '%s' is more than %d folders deep",
                       sk_tar_shown(raw, shown), SK_TAR_DEPTH);
    if (b->len > 0)
        sk_buf_chr(b, '/');
    sk_buf_add(b, part.ptr, part.len);
    return 0;
}

int sk_tar_clean(const char *raw, char **out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_TAR_NAME_BYTES + 1);
    char shown[SK_TAR_SHOWN_BYTES];
    unsigned depth = 0;

    if (strlen(raw) > SK_TAR_NAME_BYTES)
        return sk_fail(err, SK_LIMIT, "the name '%s' has more than %d bytes",
                       sk_tar_shown(raw, shown), SK_TAR_NAME_BYTES);
    if (!sk_utf8_valid(raw, strlen(raw)))
        return sk_fail(err, SK_INVALID, "the name '%s' is not UTF-8", sk_tar_shown(raw, shown));
    if (has_controls(raw))
        return sk_fail(err, SK_INVALID, "the name '%s' has control characters",
                       sk_tar_shown(raw, shown));
    if (raw[0] == '/')
        return sk_fail(err, SK_INVALID, "the name '%s' is absolute", sk_tar_shown(raw, shown));
    for (const char *p = raw; *p;) {
        size_t n = strcspn(p, "/");
        if (add_part(&b, raw, (struct sk_view){ p, n }, &depth, err) < 0)
            return -1;
        p += n + (p[n] == '/');
    }
    sk_buf_add(&b, "", 0);
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    *out = b.len > 0 ? sk_buf_take(&b) : strdup("");
    return *out ? 0 : sk_nomem(err);
}
