/* synth_util.h - what the tests of synth share. */
#ifndef SK_TESTS_SYNTH_UTIL_H
#define SK_TESTS_SYNTH_UTIL_H

#include "synth/synth_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static inline uint64_t fnv1a(const uint8_t *bytes, size_t len)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ bytes[i]) * 0x100000001B3u;
    return h;
}

static inline void canvas_of(struct sk_canvas *c, uint32_t side)
{
    struct sk_err err = SK_ERR_INIT;
    if (sk_canvas_init(c, side, &err) < 0)
        fail_msg("%s", err.text);
}

/* A dull grey plane. */
static inline void make_flat(struct sk_canvas *c)
{
    for (size_t i = 0; i < (size_t)c->side * c->side; i++)
        c->texels[i] = (struct sk_texel){ .rgb = { 0.4f, 0.4f, 0.4f }, .gloss = 0.1f };
}

/* What every surface promises: moderate colours and slopes, and the same scene at any size (pixel
 * 3 i + 1 of a picture three times as large lies where pixel i does). */
static inline void check_surface(const struct sk_surface_kind *kind)
{
    SK_AUTO(sk_canvas_done) struct sk_canvas small = { 0 };
    SK_AUTO(sk_canvas_done) struct sk_canvas large = { 0 };

    canvas_of(&small, 64);
    canvas_of(&large, 192);
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct sk_dice a = { seed }, b = { seed };
        kind->paint(&small, &a);
        kind->paint(&large, &b);
        assert_int_equal(a.state, b.state);
        for (uint32_t y = 0; y < 64; y++) {
            for (uint32_t x = 0; x < 64; x++) {
                const struct sk_texel *t = &small.texels[y * 64 + x];
                const struct sk_texel *u = &large.texels[(3 * y + 1) * 192 + 3 * x + 1];
                bool is_moderate = t->gloss >= 0.0f && t->gloss < 1.5f && t->height > -10.0f &&
                                   t->height < 10.0f;
                for (unsigned k = 0; k < 3; k++)
                    is_moderate = is_moderate && t->rgb[k] > 0.0f && t->rgb[k] < 1.5f;
                if (!is_moderate)
                    fail_msg("%s, seed %u, %u %u: out of bounds", kind->name, (unsigned)seed, x, y);
                float off = t->height - u->height, tone = t->rgb[0] - u->rgb[0];
                if (off * off > 1e-4f || tone * tone > 1e-4f)
                    fail_msg("%s, seed %u, %u %u: not the same scene", kind->name, (unsigned)seed,
                             x, y);
            }
        }
    }
}

/* What a defect does to a flat plane, in shares of its points. */
struct change {
    float height, colour;
};

static inline struct change change_by(const struct sk_defect_kind *kind, struct sk_canvas *c,
                                      uint64_t seed)
{
    const struct sk_texel flat = { .rgb = { 0.4f, 0.4f, 0.4f }, .gloss = 0.1f };
    size_t points = (size_t)c->side * c->side, heights = 0, colours = 0;
    struct sk_dice d = { seed };

    make_flat(c);
    kind->mark(c, &d);
    for (size_t i = 0; i < points; i++) {
        heights += c->texels[i].height < -0.05f || c->texels[i].height > 0.05f;
        colours += memcmp(c->texels[i].rgb, flat.rgb, sizeof flat.rgb) != 0;
    }
    return (struct change){ (float)heights / (float)points, (float)colours / (float)points };
}

#endif
