/*
 * name.c - endpoints as folders.
 *
 *     $upstream          ->  $upstream
 *     camera/input1      ->  camera%2Finput1
 *     ..                 ->  %2E%2E
 *
 * Letters, digits, '-', '_', '$' and a '.' that is not in front stand for themselves, every other
 * byte is %XX. A name that gets longer than a folder's may be is cut into several, one in another;
 * each but the last ends with '+', which stands in no name. So names and folders belong to each
 * other one to one, and none leads out of the spool's folder.
 */
#include "spool/spool_priv.h"

#include <stdio.h>
#include <string.h>

enum {
    PART = 200 /* bytes of a folder's name, at most 255 with all file systems */
};

static bool stands_for_itself(char c, bool is_first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '$' || (c == '.' && !is_first);
}

int sk_spool_name_path(const char *endpoint, char **out, struct sk_err *err)
{
    size_t len = strlen(endpoint), at = 0, part = 0;

    if (len == 0 || len > SK_SPOOL_ENDPOINT_MAX)
        return sk_fail(err, len ? SK_TOO_LARGE : SK_INVALID,
                       "spool: an endpoint of %zu bytes; 1 to %d are possible", len,
                       SK_SPOOL_ENDPOINT_MAX);
    SK_OWN(free) char *path = malloc(len * 3 + (len * 3 / PART + 1) * 2 + 1);
    if (!path)
        return sk_nomem(err);
    for (size_t i = 0; i < len; i++) {
        if (at - part > PART - 4) {
            path[at++] = '+';
            path[at++] = '/';
            part = at;
        }
        if (stands_for_itself(endpoint[i], at == part))
            path[at++] = endpoint[i];
        else
            at += (size_t)snprintf(path + at, 4, "%%%02X", (unsigned char)endpoint[i]);
    }
    path[at] = 0;
    *out = SK_TAKE(path);
    return 0;
}

bool sk_spool_name_read(const char *folder, char *out, bool *goes_on)
{
    size_t at = strlen(out), begin = at;

    *goes_on = false;
    for (; *folder; folder++) {
        int high, low;
        if (*folder == '+' && folder[1] == 0) {
            *goes_on = true;
            break;
        }
        if (at == SK_SPOOL_ENDPOINT_MAX)
            return false;
        if (stands_for_itself(*folder, at == begin)) {
            out[at++] = *folder;
            continue;
        }
        if (*folder != '%' || (high = sk_hex_digit(folder[1])) < 0 ||
            (low = sk_hex_digit(folder[2])) < 0 || (high == 0 && low == 0))
            return false;
        out[at++] = (char)(high << 4 | low);
        folder += 2;
    }
    out[at] = 0;
    return at > begin;
}
