/*
 * noise.c - chance with a seed, smooth noise, a sine without libm.
 *
 * Dice are SplitMix64 (base/mix64.h). Noise hashes the corners of the cell that a point
 * is in and blends them smoothly.
 */
#include "synth/synth_priv.h"

#include "base/mix64.h"

uint64_t sk_dice_next(struct sk_dice *d)
{
    return sk_mix64(d->state += SK_MIX64_STEP);
}

uint32_t sk_dice_pick(struct sk_dice *d, uint32_t n)
{
    return (uint32_t)((sk_dice_next(d) >> 32) * n >> 32);
}

float sk_dice_range(struct sk_dice *d, float low, float high)
{
    return low + (high - low) * ((float)(sk_dice_next(d) >> 40) * 0x1p-24f);
}

bool sk_dice_chance(struct sk_dice *d, float p)
{
    return sk_dice_range(d, 0.0f, 1.0f) < p;
}

struct sk_point sk_dice_point(struct sk_dice *d, float low, float high)
{
    float x = sk_dice_range(d, low, high);
    float y = sk_dice_range(d, low, high);
    return (struct sk_point){ x, y };
}

float sk_noise(uint32_t seed, float x, float y)
{
    float left = sk_floor(x), top = sk_floor(y);
    uint32_t ix = (uint32_t)(int32_t)left, iy = (uint32_t)(int32_t)top;
    float fx = x - left, fy = y - top;
    float tx = fx * fx * (3.0f - 2.0f * fx), ty = fy * fy * (3.0f - 2.0f * fy);
    float a = sk_hash_float(sk_hash2(seed, ix, iy)), b = sk_hash_float(sk_hash2(seed, ix + 1, iy));
    float c = sk_hash_float(sk_hash2(seed, ix, iy + 1));
    float e = sk_hash_float(sk_hash2(seed, ix + 1, iy + 1));
    return sk_mix(sk_mix(a, b, tx), sk_mix(c, e, tx), ty);
}

float sk_noise_sum(uint32_t seed, float x, float y, unsigned octaves)
{
    float sum = 0.0f, strength = 0.6f;
    for (unsigned i = 0; i < octaves; i++) {
        sum += strength * sk_noise(seed + i * 0x632BE5ABu, x, y);
        x = x * 2.0f + 17.0f;
        y = y * 2.0f + 31.0f;
        strength *= 0.5f;
    }
    return sum;
}

/* A parabola through -1, 0 and 1, and one step of correction. */
float sk_sine(float turns)
{
    float t = 2.0f * (turns - sk_floor(turns + 0.5f)); /* -1..1 for half turns */
    float p = 4.0f * t * (1.0f - (t < 0.0f ? -t : t));
    return p + 0.225f * (p * (p < 0.0f ? -p : p) - p);
}
