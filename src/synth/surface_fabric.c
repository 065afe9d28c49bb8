/*
 * surface_fabric.c - woven cloth: warp and weft yarns, round and uneven, one over the other.
 *
 *     plain    # . # .      twill   # # . .      # warp on top
 *              . # . #              . # # .
 *              # . # .              . . # #
 */
#include "synth/synth_priv.h"

/* Linen, denim, grey flannel, wine, olive, canvas, navy. */
static const float dyes[][3] = {
    { 0.68f, 0.63f, 0.54f }, { 0.30f, 0.37f, 0.50f }, { 0.50f, 0.50f, 0.51f },
    { 0.50f, 0.25f, 0.27f }, { 0.43f, 0.44f, 0.31f }, { 0.74f, 0.72f, 0.67f },
    { 0.27f, 0.31f, 0.40f },
};

struct weave {
    uint32_t seed;
    float period; /* of the yarns, units */
    bool is_twill;
    float relief, uneven, fuzz, sag;
    float warp[3], weft[3];
};

static void dye(struct weave *w, struct sk_dice *d)
{
    const float *base = dyes[sk_dice_pick(d, sizeof dyes / sizeof *dyes)];
    float bright = sk_dice_range(d, 0.8f, 1.2f), contrast = sk_dice_range(d, 0.9f, 1.35f);
    for (unsigned i = 0; i < 3; i++) {
        w->warp[i] = base[i] * bright;
        w->weft[i] = base[i] * bright * contrast;
    }
}

/* Brightness of one yarn against the others. */
static float yarn_tone(const struct weave *w, uint32_t salt, float index, float along)
{
    uint32_t i = (uint32_t)(int32_t)index;
    return 1.0f + w->uneven * (0.6f * sk_hash_float(sk_hash2(w->seed ^ salt, i, 0)) +
                               0.4f * sk_noise(w->seed ^ salt, along / 22.0f, index));
}

static void weave_at(const struct weave *w, struct sk_point q, struct sk_texel *t)
{
    float u = q.x / w->period, v = q.y / w->period;
    u += w->sag * sk_noise(w->seed ^ 5u, q.x / 45.0f, q.y / 45.0f);
    v += w->sag * sk_noise(w->seed ^ 6u, q.x / 45.0f, q.y / 45.0f);
    float i = sk_floor(u), j = sk_floor(v);
    float fu = u - i, fv = v - j;
    uint32_t cross = (uint32_t)(int32_t)(i + j);
    bool warp_on_top = w->is_twill ? (cross & 3) < 2 : (cross & 1) == 0;
    float round_u = 4.0f * fu * (1.0f - fu), round_v = 4.0f * fv * (1.0f - fv);
    float across = warp_on_top ? round_u : round_v, along = warp_on_top ? round_v : round_u;
    float top = across * (0.55f + 0.45f * along);
    float tone = (warp_on_top ? yarn_tone(w, 11u, i, q.y) : yarn_tone(w, 12u, j, q.x)) *
                 (0.62f + 0.38f * top);
    const float *dyed = warp_on_top ? w->warp : w->weft;
    tone *= 1.0f + w->fuzz * sk_noise(w->seed ^ 7u, q.x / 1.3f, q.y / 1.3f);
    t->height = w->relief * w->period * 0.2f * top;
    t->gloss = 0.02f;
    for (unsigned k = 0; k < 3; k++)
        t->rgb[k] = dyed[k] * tone;
}

static void paint(struct sk_canvas *c, struct sk_dice *d)
{
    struct weave w;

    w.seed = (uint32_t)sk_dice_next(d);
    w.period = sk_dice_range(d, 3.6f, 8.5f);
    w.is_twill = sk_dice_chance(d, 0.5f);
    w.relief = sk_dice_range(d, 0.5f, 1.2f);
    w.uneven = sk_dice_range(d, 0.05f, 0.2f);
    w.fuzz = sk_dice_range(d, 0.05f, 0.16f);
    w.sag = sk_dice_range(d, 0.1f, 0.5f);
    dye(&w, d);
    c->grain_turns = sk_dice_range(d, 0.0f, 0.5f);
    c->is_brushed = false;
    struct sk_axes axes = sk_axes(c->grain_turns);
    for (uint32_t y = 0; y < c->side; y++)
        for (uint32_t x = 0; x < c->side; x++)
            weave_at(&w, sk_turn(axes, sk_canvas_point(c, x, y)),
                     &c->texels[(size_t)y * c->side + x]);
}

const struct sk_surface_kind sk_surface_fabric = { .name = "fabric", .paint = paint };
