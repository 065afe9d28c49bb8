/*
 * fuzz_hub_pattern.c - paths below /devices/ and so on, against every pattern of the table.
 *
 * The parts of a path that fits lie within it, in order, are not empty, and have no slash; put into
 * the pattern they give the path again.
 */
#include "hub/iot_priv.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *pattern, const char *path, const struct sk_view *parts)
{
    const char *at = path;
    size_t k = 0;
    for (const char *p = pattern; *p; p++) {
        if (*p != '*') {
            if (strncasecmp(p, at++, 1) != 0)
                abort();
            continue;
        }
        if (parts[k].ptr != at || parts[k].len == 0 || memchr(at, '/', parts[k].len))
            abort();
        at += parts[k++].len;
    }
    if (*at)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_OWN(free) char *path = malloc(size + 1);
    if (!path)
        return 0;
    memcpy(path, data, size);
    path[size] = '\0';
    for (const struct sk_hub_route *r = sk_hub_routes_iot; r->method; r++) {
        struct sk_view parts[SK_HUB_PARTS];
        const char *star = strchr(r->path, '*');
        if (r->flags & SK_HUB_PATTERN && star && sk_hub_pattern_fits(star, path, parts))
            check(star, path, parts);
    }
    return 0;
}
