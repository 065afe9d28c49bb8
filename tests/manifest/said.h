/*
 * said.h - a check of one value, and what it says, for tests.
 */
#ifndef SK_TESTS_MANIFEST_SAID_H
#define SK_TESTS_MANIFEST_SAID_H

#include "manifest/manifest_priv.h"

#include <string.h>

struct said {
    struct sk_check check;
    struct sk_manifest_options opts;
    struct sk_err err;
    struct sk_buf lines; /* "E place: text|W text|" */
};

static inline void said_add(void *ctx, bool is_error, const char *place, const char *text)
{
    sk_buf_fmt(ctx, "%s %s%s%s|", is_error ? "E" : "W", place, *place ? ": " : "", text);
}

static inline void said_init(struct said *s, bool is_layered)
{
    *s = (struct said){ .lines = SK_BUF_INIT(1 << 16) };
    s->opts = (struct sk_manifest_options){ .is_layered = is_layered,
                                            .say = said_add,
                                            .ctx = &s->lines };
    s->check = (struct sk_check){ .opts = &s->opts, .place = SK_BUF_INIT(4096), .err = &s->err };
    s->check.hub_minor = 1;
}

static inline const char *said_text(const struct said *s)
{
    return s->lines.data ? s->lines.data : "";
}

static inline void said_done(struct said *s)
{
    sk_buf_done(&s->lines);
    sk_buf_done(&s->check.place);
}

#endif
