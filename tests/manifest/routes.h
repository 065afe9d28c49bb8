/*
 * routes.h - messages for tests of routes, written as texts.
 */
#ifndef SK_TESTS_MANIFEST_ROUTES_H
#define SK_TESTS_MANIFEST_ROUTES_H

#include "manifest/manifest.h"

#include <string.h>

/* Names and values by turns, ended by NULL. */
struct route_bag {
    const char *const *properties;
    const char *const *systems;
};

static inline const char *route_pick(const char *const *pairs, const char *name)
{
    for (; pairs && *pairs; pairs += 2)
        if (strcmp(pairs[0], name) == 0)
            return pairs[1];
    return NULL;
}

static inline const char *route_property(void *ctx, const char *name)
{
    return route_pick(((struct route_bag *)ctx)->properties, name);
}

static inline const char *route_system(void *ctx, const char *name)
{
    return route_pick(((struct route_bag *)ctx)->systems, name);
}

#endif
