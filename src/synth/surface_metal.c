/*
 * surface_metal.c - brushed sheet metal: fine parallel lines of all widths, which spread the
 * mirrored light across themselves.
 */
#include "synth/synth_priv.h"

/* Steel, aluminium, stainless, brass, copper. */
static const float metals[][3] = {
    { 0.50f, 0.53f, 0.57f }, { 0.66f, 0.67f, 0.68f }, { 0.58f, 0.57f, 0.55f },
    { 0.66f, 0.56f, 0.36f }, { 0.64f, 0.46f, 0.37f },
};

struct brushing {
    uint32_t seed;
    float length, width; /* of the finest lines */
    float depth, tone;
};

/* Lines of four widths; -1..1. */
static float lines_at(const struct brushing *b, float along, float across)
{
    float sum = 0.0f, width = b->width, length = b->length;
    static const float strengths[] = { 0.42f, 0.3f, 0.2f, 0.16f };
    for (unsigned i = 0; i < 4; i++) {
        sum += strengths[i] * sk_noise(b->seed + i, along / length, across / width);
        width *= 2.3f;
        length *= 1.5f;
    }
    return sum;
}

static void paint(struct sk_canvas *c, struct sk_dice *d)
{
    const float *metal = metals[sk_dice_pick(d, sizeof metals / sizeof *metals)];
    struct brushing b;

    b.seed = (uint32_t)sk_dice_next(d);
    b.length = sk_dice_range(d, 60.0f, 260.0f);
    b.width = sk_dice_range(d, 0.9f, 1.9f);
    b.depth = sk_dice_range(d, 0.05f, 0.22f);
    b.tone = sk_dice_range(d, 0.06f, 0.2f);
    float bright = sk_dice_range(d, 0.75f, 1.2f);
    float gloss = sk_dice_range(d, 0.25f, 0.6f);
    float bend = sk_dice_range(d, -0.0009f, 0.0009f); /* turned or milled: the lines are curved */

    c->grain_turns = sk_dice_range(d, 0.0f, 0.5f);
    c->is_brushed = true;
    struct sk_axes axes = sk_axes(c->grain_turns);
    for (uint32_t y = 0; y < c->side; y++) {
        for (uint32_t x = 0; x < c->side; x++) {
            struct sk_texel *t = &c->texels[(size_t)y * c->side + x];
            struct sk_point p = sk_canvas_point(c, x, y);
            struct sk_point q = sk_turn(
                axes, (struct sk_point){ p.x - SK_SYNTH_UNITS / 2, p.y - SK_SYNTH_UNITS / 2 });
            float line = lines_at(&b, q.x, q.y + bend * q.x * q.x);
            float tone = bright * (1.0f + b.tone * line);
            t->height = b.depth * line;
            t->gloss = gloss * (1.0f + 0.7f * line);
            for (unsigned i = 0; i < 3; i++)
                t->rgb[i] = metal[i] * tone;
        }
    }
}

const struct sk_surface_kind sk_surface_metal = { .name = "metal", .paint = paint };
