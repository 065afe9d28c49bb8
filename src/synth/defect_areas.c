/*
 * defect_areas.c - dents and stains: what a spot with an uneven outline does to the surface.
 *
 *     dent    the relief sinks towards the middle, with a soft rim; the colour stays
 *     stain   the colour is soaked, darkest at the edge where it dried; the relief stays
 */
#include "synth/synth_priv.h"

#include <math.h>

/* A spot: an ellipse with a wavy outline. */
struct spot {
    struct sk_point middle;
    struct sk_axes axes;
    float radius_x, radius_y;
    uint32_t seed;
    float waves; /* share of the radius by which the outline wavers */
    unsigned octaves;
};

/* How far a point is from the middle: 1 on the outline. */
static float spot_at(const struct spot *s, struct sk_point p)
{
    struct sk_point q = sk_turn(s->axes, (struct sk_point){ p.x - s->middle.x, p.y - s->middle.y });
    float x = q.x / s->radius_x, y = q.y / s->radius_y;
    float waver = sk_noise_sum(s->seed, x * 1.1f + 9.0f, y * 1.1f + 9.0f, s->octaves);
    return sqrtf(x * x + y * y) * (1.0f + s->waves * waver);
}

static struct spot spot_of(struct sk_dice *d, float smallest, float largest)
{
    struct spot s = { 0 };
    float radius = sk_dice_range(d, smallest, largest);
    float long_by = sk_dice_range(d, 1.0f, 1.5f);

    s.middle = sk_dice_point(d, 40.0f, 216.0f);
    s.axes = sk_axes(sk_dice_range(d, 0.0f, 0.5f));
    s.radius_x = radius * long_by;
    s.radius_y = radius / long_by;
    s.seed = (uint32_t)sk_dice_next(d);
    return s;
}

static void dent(struct sk_canvas *c, struct sk_dice *d)
{
    struct spot s = spot_of(d, 20.0f, 42.0f);
    float depth = sk_dice_range(d, 0.42f, 0.75f) * s.radius_y;
    float rim = depth * sk_dice_range(d, 0.05f, 0.2f);

    s.waves = 0.35f;
    s.octaves = 1;
    for (uint32_t y = 0; y < c->side; y++) {
        for (uint32_t x = 0; x < c->side; x++) {
            float r = spot_at(&s, sk_canvas_point(c, x, y));
            float bowl = r < 1.0f ? (1.0f - r * r) * (1.0f - r * r) : 0.0f;
            float hill = sk_ramp(0.7f, 1.05f, r) * (1.0f - sk_ramp(1.05f, 1.5f, r));
            c->texels[(size_t)y * c->side + x].height += rim * hill - depth * bowl;
        }
    }
}

/* Oil, rust, water, ink, grease: what is left of red, green and blue. */
static const float soaks[][3] = {
    { 0.42f, 0.38f, 0.30f }, { 0.80f, 0.48f, 0.28f }, { 0.50f, 0.52f, 0.54f },
    { 0.36f, 0.40f, 0.55f }, { 0.60f, 0.55f, 0.38f },
};

static void stain(struct sk_canvas *c, struct sk_dice *d)
{
    const float *soak = soaks[sk_dice_pick(d, sizeof soaks / sizeof *soaks)];
    struct spot s = spot_of(d, 18.0f, 46.0f);
    float strength = sk_dice_range(d, 0.75f, 1.0f), edge = sk_dice_range(d, 0.1f, 0.5f);
    float soft = sk_dice_range(d, 0.08f, 0.3f);

    s.waves = sk_dice_range(d, 0.5f, 1.0f);
    s.octaves = 4;
    for (uint32_t y = 0; y < c->side; y++) {
        for (uint32_t x = 0; x < c->side; x++) {
            struct sk_texel *t = &c->texels[(size_t)y * c->side + x];
            struct sk_point p = sk_canvas_point(c, x, y);
            float r = spot_at(&s, p);
            float inside = 1.0f - sk_ramp(1.0f - soft, 1.0f + soft, r);
            float dried = 1.0f - edge * (1.0f - sk_ramp(0.4f, 1.0f, r));
            float wet = strength * inside * dried *
                        (1.0f + 0.15f * sk_noise(s.seed ^ 3u, p.x / 11.0f, p.y / 11.0f));
            t->gloss *= 1.0f - 0.6f * sk_clamp(wet, 0.0f, 1.0f);
            for (unsigned k = 0; k < 3; k++)
                t->rgb[k] *= sk_mix(1.0f, soak[k], sk_clamp(wet, 0.0f, 1.0f));
        }
    }
}

const struct sk_defect_kind sk_defect_dent = { .name = "dent", .mark = dent };
const struct sk_defect_kind sk_defect_stain = { .name = "stain", .mark = stain };
