/*
 * light.c - from a relief to pixels: a lamp from one side, what the surroundings throw back, a lens
 * that is not quite sharp and a sensor that is not quite quiet.
 *
 * Each point has a normal from the slope of the relief. It throws back colour * (ambient + n.l),
 * plus gloss * (n.h)^16, where h is halfway between lamp and viewer. The lamp's strength falls off
 * over the picture, a soft shadow may lie across it, and the exposure is never quite right: all
 * that varies from picture to picture, whole or not.
 */
#include "synth/synth_priv.h"

#include <math.h>

struct lamp {
    float x, y, z;    /* towards the lamp; length 1 */
    float hx, hy, hz; /* halfway to the viewer */
    float ambient, exposure;
    float tint[3];
    float slope_x, slope_y; /* of its strength over the picture */
    float vignette;
    struct sk_axes shadow_axes;
    float shadow_at, shadow_soft, shadow_dark; /* dark 0: none */
    uint32_t shadow_seed;
};

static struct lamp choose_lamp(struct sk_dice *d)
{
    struct lamp l;
    struct sk_axes where = sk_axes(sk_dice_range(d, 0.0f, 1.0f));

    l.z = sk_dice_range(d, 0.55f, 0.85f);
    float flat = sqrtf(1.0f - l.z * l.z);
    l.x = where.cosine * flat;
    l.y = where.sine * flat;
    l.ambient = sk_dice_range(d, 0.3f, 0.55f);
    l.exposure = sk_dice_range(d, 0.8f, 1.2f);
    float warm = sk_dice_range(d, -0.06f, 0.06f);
    l.tint[0] = 1.0f + warm;
    l.tint[1] = 1.0f;
    l.tint[2] = 1.0f - warm;
    l.slope_x = sk_dice_range(d, -0.35f, 0.35f);
    l.slope_y = sk_dice_range(d, -0.35f, 0.35f);
    l.vignette = sk_dice_range(d, 0.0f, 0.3f);
    l.shadow_axes = sk_axes(sk_dice_range(d, 0.0f, 1.0f));
    l.shadow_at = sk_dice_range(d, -80.0f, 80.0f);
    l.shadow_soft = sk_dice_range(d, 14.0f, 50.0f);
    l.shadow_dark = sk_dice_chance(d, 0.35f) ? sk_dice_range(d, 0.1f, 0.4f) : 0.0f;
    l.shadow_seed = (uint32_t)sk_dice_next(d);
    float length = sqrtf(l.x * l.x + l.y * l.y + (l.z + 1.0f) * (l.z + 1.0f));
    l.hx = l.x / length;
    l.hy = l.y / length;
    l.hz = (l.z + 1.0f) / length;
    return l;
}

/* How much of the lamp reaches a point. */
static float strength_at(const struct lamp *l, struct sk_point p)
{
    struct sk_point m = { p.x - SK_SYNTH_UNITS / 2, p.y - SK_SYNTH_UNITS / 2 };
    float x = m.x / (SK_SYNTH_UNITS / 2), y = m.y / (SK_SYNTH_UNITS / 2);
    float strength = l->exposure * (1.0f + l->slope_x * x + l->slope_y * y);
    strength *= 1.0f - l->vignette * 0.5f * (x * x + y * y);
    if (l->shadow_dark > 0.0f) {
        struct sk_point q = sk_turn(l->shadow_axes, m);
        float edge = l->shadow_at + 14.0f * sk_noise(l->shadow_seed, q.x / 60.0f, 0.0f);
        strength *= 1.0f -
                    l->shadow_dark * sk_ramp(edge - l->shadow_soft, edge + l->shadow_soft, q.y);
    }
    return strength;
}

static void shade(const struct sk_canvas *c, const struct lamp *l, uint32_t x, uint32_t y,
                  float *rgb)
{
    uint32_t left = x > 0 ? x - 1 : x, right = x + 1 < c->side ? x + 1 : x;
    uint32_t up = y > 0 ? y - 1 : y, down = y + 1 < c->side ? y + 1 : y;
    const struct sk_texel *row = c->texels + (size_t)y * c->side, *t = row + x;
    float gx = (row[right].height - row[left].height) / (c->pitch * (float)(right - left));
    float gy = (c->texels[(size_t)down * c->side + x].height -
                c->texels[(size_t)up * c->side + x].height) /
               (c->pitch * (float)(down - up));
    float steep = 1.0f / sqrtf(1.0f + gx * gx + gy * gy);
    float facing = sk_clamp((l->z - gx * l->x - gy * l->y) * steep, 0.0f, 1.0f);
    float mirror = sk_clamp((l->hz - gx * l->hx - gy * l->hy) * steep, 0.0f, 1.0f);
    float m4 = mirror * mirror * mirror * mirror, m16 = m4 * m4 * m4 * m4;
    float strength = strength_at(l, sk_canvas_point(c, x, y));
    float diffuse = l->ambient + (1.0f - l->ambient) * facing / l->z;

    for (unsigned k = 0; k < 3; k++)
        rgb[k] = strength * l->tint[k] * (t->rgb[k] * diffuse + t->gloss * m16);
}

/* Blends each value with its neighbours in one direction; step is the way to the next one. */
static void blur_line(float *v, size_t step, uint32_t count, float side_weight)
{
    float before[3] = { v[0], v[1], v[2] };

    for (uint32_t i = 0; i < count; i++, v += step) {
        const float *after = i + 1 < count ? v + step : v;
        for (unsigned k = 0; k < 3; k++) {
            float own = v[k];
            v[k] = own + side_weight * (before[k] - 2.0f * own + after[k]);
            before[k] = own;
        }
    }
}

static void blur(float *rgb, uint32_t side, float side_weight)
{
    for (uint32_t i = 0; i < side; i++)
        blur_line(rgb + (size_t)i * side * 3, 3, side, side_weight);
    for (uint32_t i = 0; i < side; i++)
        blur_line(rgb + (size_t)i * 3, (size_t)side * 3, side, side_weight);
}

/* The film's shoulder: bright light is compressed, not cut. */
static float expose(float light)
{
    return light < 0.7f ? light : 0.7f + 0.3f * (light - 0.7f) / (light - 0.4f);
}

/* Noise of a sensor is nearly normal: the sum of four bytes. */
static float grain_of(uint32_t h)
{
    return (float)(int32_t)((h & 255u) + (h >> 8 & 255u) + (h >> 16 & 255u) + (h >> 24)) - 510.0f;
}

static void develop(const float *rgb, uint32_t side, uint32_t seed, float noise, uint8_t *out)
{
    for (uint32_t y = 0; y < side; y++) {
        for (uint32_t x = 0; x < side; x++, rgb += 3, out += 3) {
            float grey = grain_of(sk_hash2(seed, x, y));
            for (unsigned k = 0; k < 3; k++) {
                float own = grain_of(sk_hash2(seed + 1 + k, x, y));
                float v = 255.0f * expose(rgb[k]) + noise * (grey + 0.5f * own) / 148.0f;
                out[k] = (uint8_t)(sk_clamp(v, 0.0f, 255.0f) + 0.5f);
            }
        }
    }
}

void sk_light_up(struct sk_canvas *c, struct sk_dice *d, uint8_t *pixels)
{
    const struct lamp l = choose_lamp(d);
    float soft = sk_dice_range(d, 0.05f, 0.3f), noise = sk_dice_range(d, 0.8f, 5.0f);
    uint32_t seed = (uint32_t)sk_dice_next(d);

    for (uint32_t y = 0; y < c->side; y++)
        for (uint32_t x = 0; x < c->side; x++)
            shade(c, &l, x, y, c->light + ((size_t)y * c->side + x) * 3);
    blur(c->light, c->side, soft);
    develop(c->light, c->side, seed, noise, pixels);
}
