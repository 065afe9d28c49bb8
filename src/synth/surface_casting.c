/*
 * surface_casting.c - sand-cast metal: grains of several sizes pressed into a dull skin, tiny
 * pores.
 */
#include "synth/synth_priv.h"

/* Grey iron, steel, aluminium, bronze, oxide. */
static const float skins[][3] = {
    { 0.34f, 0.35f, 0.37f }, { 0.44f, 0.44f, 0.45f }, { 0.60f, 0.60f, 0.60f },
    { 0.50f, 0.42f, 0.33f }, { 0.42f, 0.36f, 0.33f },
};

static void paint(struct sk_canvas *c, struct sk_dice *d)
{
    const float *skin = skins[sk_dice_pick(d, sizeof skins / sizeof *skins)];
    uint32_t seed = (uint32_t)sk_dice_next(d);
    float grain = sk_dice_range(d, 3.0f, 7.5f); /* size of the largest grains */
    float rough = sk_dice_range(d, 0.35f, 1.0f) * grain / 5.0f;
    float wave = sk_dice_range(d, 30.0f, 90.0f), wave_height = sk_dice_range(d, 0.0f, 1.6f);
    float mottle = sk_dice_range(d, 0.03f, 0.12f);
    float pores = sk_dice_range(d, 0.80f, 1.0f); /* noise above it is a pore */
    float bright = sk_dice_range(d, 0.75f, 1.25f), gloss = sk_dice_range(d, 0.02f, 0.16f);

    c->grain_turns = 0.0f;
    c->is_brushed = false;
    for (uint32_t y = 0; y < c->side; y++) {
        for (uint32_t x = 0; x < c->side; x++) {
            struct sk_texel *t = &c->texels[(size_t)y * c->side + x];
            struct sk_point p = sk_canvas_point(c, x, y);
            float bumps = sk_noise_sum(seed, p.x / grain, p.y / grain, 3);
            float hole = sk_ramp(pores, pores + 0.1f, sk_noise(seed ^ 77u, p.x / 2.6f, p.y / 2.6f));
            float spots = sk_noise_sum(seed ^ 99u, p.x / 24.0f, p.y / 24.0f, 2);
            float tone = bright * (1.0f + mottle * spots + 0.1f * bumps) * (1.0f - 0.35f * hole);
            t->height = rough * bumps - 0.8f * hole +
                        wave_height * sk_noise(seed ^ 55u, p.x / wave, p.y / wave);
            t->gloss = gloss;
            for (unsigned i = 0; i < 3; i++)
                t->rgb[i] = skin[i] * tone;
        }
    }
}

const struct sk_surface_kind sk_surface_casting = { .name = "casting", .paint = paint };
