/*
 * defect_lines.c - scratches and cracks: chains of short segments with a profile across them.
 *
 *     scratch   an arc drawn in one stroke; a furrow between two raised lips, bare or dirty ground
 *     crack     a walk that changes its mind at every step, narrower towards its end, with branches
 */
#include "synth/synth_priv.h"

enum {
    STROKE_STEPS = 24
};

/* What a line does to the points near it. */
struct profile {
    float depth; /* in the middle */
    float lips;  /* height of the edges */
    float tone;  /* the colour's factor where the ground shows */
    float gloss; /* of the ground */
};

static void engrave(struct sk_canvas *c, const struct profile *p)
{
    for (size_t i = 0; i < (size_t)c->side * c->side; i++) {
        float s = c->distance[i];
        struct sk_texel *t = &c->texels[i];
        if (s > 2.5f)
            continue;
        float ground = 1.0f - sk_ramp(0.55f, 1.15f, s);
        float lip = sk_ramp(0.7f, 1.25f, s) * (1.0f - sk_ramp(1.25f, 2.3f, s));
        t->height += p->lips * lip - p->depth * ground;
        t->gloss = sk_mix(t->gloss, p->gloss, ground);
        for (unsigned k = 0; k < 3; k++)
            t->rgb[k] *= sk_mix(1.0f, p->tone, ground);
    }
}

/* An arc from a to b whose middle is `bow` off the straight line; pressed hardest in the middle. */
static void stroke(struct sk_canvas *c, struct sk_point a, struct sk_point b, float bow,
                   float half_width)
{
    struct sk_point last = a;
    float last_width = half_width * 0.35f;

    for (unsigned i = 1; i <= STROKE_STEPS; i++) {
        float t = (float)i / STROKE_STEPS;
        float hump = 4.0f * t * (1.0f - t);
        float width = half_width * (0.35f + 0.65f * hump);
        struct sk_point p = { sk_mix(a.x, b.x, t) + hump * bow * (a.y - b.y),
                              sk_mix(a.y, b.y, t) + hump * bow * (b.x - a.x) };
        sk_canvas_line(c, last, p, last_width, width, 3.0f * half_width);
        last = p;
        last_width = width;
    }
}

/* A direction that a brushed surface cannot have by itself. */
static float direction(const struct sk_canvas *c, struct sk_dice *d)
{
    return c->is_brushed ? c->grain_turns + sk_dice_range(d, 0.07f, 0.43f)
                         : sk_dice_range(d, 0.0f, 1.0f);
}

static void scratch(struct sk_canvas *c, struct sk_dice *d)
{
    struct sk_axes along = sk_axes(direction(c, d));
    float length = sk_dice_range(d, 90.0f, 210.0f);
    float half_width = sk_dice_range(d, 2.0f, 3.6f);
    float bow = sk_dice_range(d, -0.16f, 0.16f);
    struct sk_point middle = sk_dice_point(d, 70.0f, 186.0f);
    unsigned count = sk_dice_chance(d, 0.35f) ? 2 + sk_dice_pick(d, 2) : 1;
    bool is_bare = sk_dice_chance(d, c->is_brushed ? 0.3f : 0.6f); /* bright on bright hides */
    struct profile p = { .gloss = is_bare ? 0.35f : 0.0f };

    p.tone = is_bare ? sk_dice_range(d, 1.5f, 2.0f) : sk_dice_range(d, 0.3f, 0.55f);
    p.depth = sk_dice_range(d, 1.2f, 2.6f);
    p.lips = sk_dice_range(d, 0.4f, 1.1f);
    sk_canvas_clear_lines(c);
    for (unsigned i = 0; i < count; i++) {
        float half = length / 2 * sk_dice_range(d, 0.7f, 1.0f);
        struct sk_point a = { middle.x - along.cosine * half, middle.y - along.sine * half };
        struct sk_point b = { middle.x + along.cosine * half, middle.y + along.sine * half };
        float gap = sk_dice_range(d, 7.0f, 16.0f);
        stroke(c, a, b, bow, half_width);
        middle.x -= along.sine * gap;
        middle.y += along.cosine * gap;
    }
    engrave(c, &p);
}

/* One walk of a crack, with up to so many branches, which have none themselves. */
static void walk(struct sk_canvas *c, struct sk_dice *d, struct sk_point at, float turns,
                 float width, unsigned steps, unsigned branches)
{
    float bend = 0.0f;

    for (unsigned i = 0; i < steps; i++) {
        float left = 1.0f - (float)i / (float)steps;
        float here = width * (0.3f + 0.7f * left);
        bend = sk_clamp(bend * 0.6f + sk_dice_range(d, -0.11f, 0.11f), -0.16f, 0.16f);
        struct sk_axes along = sk_axes(turns + bend);
        float step = sk_dice_range(d, 3.0f, 7.5f);
        struct sk_point next = { at.x + along.cosine * step, at.y + along.sine * step };
        sk_canvas_line(c, at, next, here, here * sk_dice_range(d, 0.7f, 1.0f), 3.0f * width);
        at = next;
        if (branches > 0 && i > 3 && sk_dice_chance(d, 0.09f)) {
            float side = sk_dice_chance(d, 0.5f) ? 1.0f : -1.0f;
            float fork = turns + side * sk_dice_range(d, 0.07f, 0.16f);
            branches--;
            walk(c, d, at, fork, here * 0.75f, steps / 3, 0);
        }
    }
}

static void crack(struct sk_canvas *c, struct sk_dice *d)
{
    float turns = direction(c, d);
    struct sk_axes along = sk_axes(turns);
    float back = sk_dice_range(d, 50.0f, 100.0f);
    struct sk_point at = sk_dice_point(d, 80.0f, 176.0f);
    float width = sk_dice_range(d, 1.3f, 2.5f);
    unsigned steps = 24 + sk_dice_pick(d, 20);
    struct profile p = { .gloss = 0.0f };

    p.depth = sk_dice_range(d, 1.5f, 3.0f);
    p.lips = sk_dice_range(d, 0.0f, 0.3f);
    p.tone = sk_dice_range(d, 0.12f, 0.35f);
    at.x -= along.cosine * back;
    at.y -= along.sine * back;
    sk_canvas_clear_lines(c);
    walk(c, d, at, turns, width, steps, 3);
    engrave(c, &p);
}

const struct sk_defect_kind sk_defect_scratch = { .name = "scratch", .mark = scratch };
const struct sk_defect_kind sk_defect_crack = { .name = "crack", .mark = crack };
