/*
 * synth_priv.h - how a picture comes about. For this folder and its tests.
 *
 *     surface_*.c   paints a canvas: height, colour and gloss of each point
 *     defect_*.c    changes some of the points
 *     light.c       shines on the relief, looks at it through a lens: pixels
 *
 * Lengths are in units of 1/256 of the picture's side, so that a scene is the same at any size.
 * Angles are in turns: 1.0 is a full circle.
 *
 * The same pixels everywhere: float operations are + - * / and square root, which IEEE 754 rounds
 * exactly, never fused (-ffp-contract=off) and never in wider registers (the assertion below). No
 * function of libm with results of its own takes part.
 */
#ifndef SK_SYNTH_SYNTH_PRIV_H
#define SK_SYNTH_SYNTH_PRIV_H

#include "base/cleanup.h"
#include "synth/synth.h"

#include <float.h>

_Static_assert(FLT_EVAL_METHOD == 0, "float arithmetic must not use wider registers");

#define SK_SYNTH_UNITS 256.0f

/* ---- chance (noise.c) ----
 *
 * A roll has a statement of its own: C leaves open which of two in one call or initialiser comes
 * first, and compilers differ. */

struct sk_point {
    float x, y;
};

struct sk_dice {
    uint64_t state;
};

uint64_t sk_dice_next(struct sk_dice *d);
uint32_t sk_dice_pick(struct sk_dice *d, uint32_t n); /* 0..n-1 */
float sk_dice_range(struct sk_dice *d, float low, float high);
bool sk_dice_chance(struct sk_dice *d, float p);
struct sk_point sk_dice_point(struct sk_dice *d, float low, float high); /* x, then y */

static inline uint32_t sk_hash2(uint32_t seed, uint32_t x, uint32_t y)
{
    uint32_t h = seed ^ x * 0x9E3779B1u ^ y * 0x85EBCA77u;
    h = (h ^ h >> 15) * 0x2C1B3C6Du;
    h = (h ^ h >> 12) * 0x297A2D39u;
    return h ^ h >> 15;
}

/* -1..1 from a hash. */
static inline float sk_hash_float(uint32_t h)
{
    return (float)(h >> 8) * 0x1p-23f - 1.0f;
}

/* ---- shapes of numbers (noise.c) ---- */

/* Smooth noise in -1..1, one random value per cell of 1 x 1. */
float sk_noise(uint32_t seed, float x, float y);
/* The sum of `octaves` noises, each twice as fine and half as strong; about -1..1. */
float sk_noise_sum(uint32_t seed, float x, float y, unsigned octaves);
float sk_sine(float turns); /* off by at most 0.001 */

static inline float sk_cosine(float turns)
{
    return sk_sine(turns + 0.25f);
}

static inline float sk_floor(float x)
{
    float whole = (float)(int32_t)x;
    return whole > x ? whole - 1.0f : whole;
}

static inline float sk_clamp(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}

static inline float sk_mix(float a, float b, float t)
{
    return a + (b - a) * t;
}

/* 0 below `from`, 1 above `to`, smooth between. */
static inline float sk_ramp(float from, float to, float x)
{
    float t = sk_clamp((x - from) / (to - from), 0.0f, 1.0f);
    return t * t * (3.0f - 2.0f * t);
}

/* ---- the canvas (canvas.c) ---- */

struct sk_texel {
    float height; /* units towards the viewer */
    float rgb[3]; /* share of the light that is thrown back */
    float gloss;  /* strength of the mirrored light */
};

struct sk_canvas {
    uint32_t side;
    float pitch; /* units per pixel */
    struct sk_texel *texels;
    float *distance;   /* to the nearest line (sk_canvas_line): 1 is its edge */
    float *light;      /* what reaches the lens: three numbers a point (light.c) */
    float grain_turns; /* direction of brushing or of the warp */
    bool is_brushed;
};

int sk_canvas_init(struct sk_canvas *c, uint32_t side, struct sk_err *err) SK_CHECK;
void sk_canvas_done(struct sk_canvas *c); /* accepts a zeroed one */

static inline struct sk_point sk_canvas_point(const struct sk_canvas *c, uint32_t x, uint32_t y)
{
    return (struct sk_point){ ((float)x + 0.5f) * c->pitch, ((float)y + 0.5f) * c->pitch };
}

/* Coordinates in axes turned by an angle. */
struct sk_axes {
    float cosine, sine;
};

static inline struct sk_axes sk_axes(float turns)
{
    return (struct sk_axes){ sk_cosine(turns), sk_sine(turns) };
}

static inline struct sk_point sk_turn(struct sk_axes a, struct sk_point p)
{
    return (struct sk_point){ p.x * a.cosine + p.y * a.sine, p.y * a.cosine - p.x * a.sine };
}

/* The pixels within `reach` of the rectangle between two points: x0..x1-1, y0..y1-1. */
struct sk_patch {
    uint32_t x0, x1, y0, y1;
};

struct sk_patch sk_canvas_patch(const struct sk_canvas *c, struct sk_point a, struct sk_point b,
                                float reach);
/* Makes every distance far. */
void sk_canvas_clear_lines(struct sk_canvas *c);
/* Notes for the points within `reach` of the line from a to b how far they are, as a share of the
 * line's half width there: 1 is its edge. The nearest line counts. */
void sk_canvas_line(struct sk_canvas *c, struct sk_point a, struct sk_point b, float half_width_a,
                    float half_width_b, float reach);

/* ---- variants ---- */

struct sk_surface_kind {
    const char *name;
    void (*paint)(struct sk_canvas *c, struct sk_dice *d);
};

struct sk_defect_kind {
    const char *name;
    void (*mark)(struct sk_canvas *c, struct sk_dice *d); /* NULL: nothing */
};

extern const struct sk_surface_kind sk_surface_metal, sk_surface_casting, sk_surface_fabric;
extern const struct sk_defect_kind sk_defect_scratch, sk_defect_dent, sk_defect_stain,
    sk_defect_crack;

/* Specks, on any surface (specks.c). */
void sk_scatter_specks(struct sk_canvas *c, struct sk_dice *d);

/* Lamp, lens and sensor (light.c): side * side * 3 bytes. */
void sk_light_up(struct sk_canvas *c, struct sk_dice *d, uint8_t *pixels);

#endif
