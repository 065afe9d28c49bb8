/*
 * pattern.c - paths with ids in them.
 *
 * A pattern and a path are cut at '/', and compared part by part. "*" takes any part that is not
 * empty, as it stands; words may have any case, as at IoT Hub. A path has no more and no fewer
 * parts than its pattern, so a slash at its end fits nothing.
 */
#include "hub/hub_priv.h"

#include <string.h>
#include <strings.h>

/* The first part; *path is what follows the slash behind it. A slash at the end stays. */
static struct sk_view take_part(const char **path)
{
    const struct sk_view part = { *path, strcspn(*path, "/") };
    *path += part.len;
    *path += **path == '/' && (*path)[1];
    return part;
}

bool sk_hub_pattern_fits(const char *pattern, const char *path, struct sk_view parts[SK_HUB_PARTS])
{
    size_t count = 0;
    memset(parts, 0, SK_HUB_PARTS * sizeof *parts);
    while (*pattern && *path) {
        const struct sk_view word = take_part(&pattern), part = take_part(&path);
        if (word.len == 1 && *word.ptr == '*') {
            if (part.len == 0 || count == SK_HUB_PARTS)
                return false;
            parts[count++] = part;
        } else if (word.len != part.len || strncasecmp(word.ptr, part.ptr, word.len) != 0) {
            return false;
        }
    }
    return !*pattern && !*path;
}
