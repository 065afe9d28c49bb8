/*
 * specks.c - what is no defect: grit on metal, sand in castings, knots in cloth. Specks lie on
 * whole and on defective surfaces alike, so that one sharp edge somewhere makes no picture
 * defective.
 */
#include "synth/synth_priv.h"

#include <math.h>

enum {
    SPECKS_MAX = 8
};

struct speck {
    struct sk_point middle;
    float radius, tone, height;
};

static void put(struct sk_canvas *c, const struct speck *s)
{
    struct sk_patch box = sk_canvas_patch(c, s->middle, s->middle, 1.3f * s->radius);

    for (uint32_t y = box.y0; y < box.y1; y++) {
        for (uint32_t x = box.x0; x < box.x1; x++) {
            struct sk_texel *t = &c->texels[(size_t)y * c->side + x];
            struct sk_point p = sk_canvas_point(c, x, y);
            float dx = p.x - s->middle.x, dy = p.y - s->middle.y;
            float inside = 1.0f - sk_ramp(0.5f, 1.3f, sqrtf(dx * dx + dy * dy) / s->radius);
            t->height += s->height * inside;
            for (unsigned k = 0; k < 3; k++)
                t->rgb[k] *= sk_mix(1.0f, s->tone, inside);
        }
    }
}

void sk_scatter_specks(struct sk_canvas *c, struct sk_dice *d)
{
    for (unsigned left = sk_dice_pick(d, SPECKS_MAX + 1); left > 0; left--) {
        struct speck s;
        s.middle = sk_dice_point(d, 0.0f, SK_SYNTH_UNITS);
        s.radius = sk_dice_range(d, 1.2f, 3.2f);
        bool is_bright = sk_dice_chance(d, 0.5f);
        s.tone = is_bright ? sk_dice_range(d, 1.5f, 2.1f) : sk_dice_range(d, 0.1f, 0.5f);
        s.height = sk_dice_range(d, -0.4f, 0.6f) * s.radius;
        put(c, &s);
    }
}
