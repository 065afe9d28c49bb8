/*
 * canvas.c - the points of a surface, and lines drawn on them.
 *
 * A line is kept as distances, not as colour: scratches and cracks are chains of short segments,
 * and the profile across them is applied once, whatever number of segments pass by a point.
 */
#include "synth/synth_priv.h"

#include "base/str.h"

#include <math.h>

int sk_canvas_init(struct sk_canvas *c, uint32_t side, struct sk_err *err)
{
    size_t points = 0;

    *c = (struct sk_canvas){ .side = side, .pitch = SK_SYNTH_UNITS / (float)side };
    if (!sk_mul_size(side, side, &points))
        return sk_nomem(err);
    c->texels = calloc(points, sizeof *c->texels);
    c->distance = calloc(points, sizeof *c->distance);
    c->light = calloc(points, 3 * sizeof *c->light);
    if (c->texels && c->distance && c->light)
        return 0;
    sk_canvas_done(c);
    return sk_nomem(err);
}

void sk_canvas_done(struct sk_canvas *c)
{
    free(c->texels);
    free(c->distance);
    free(c->light);
    *c = (struct sk_canvas){ 0 };
}

void sk_canvas_clear_lines(struct sk_canvas *c)
{
    for (size_t i = 0; i < (size_t)c->side * c->side; i++)
        c->distance[i] = FLT_MAX;
}

/* The first pixel of a range that begins at `units`, within the picture. */
static uint32_t pixel_at(const struct sk_canvas *c, float units)
{
    return (uint32_t)sk_clamp(units / c->pitch, 0.0f, (float)c->side);
}

struct sk_patch sk_canvas_patch(const struct sk_canvas *c, struct sk_point a, struct sk_point b,
                                float reach)
{
    return (struct sk_patch){
        .x0 = pixel_at(c, (a.x < b.x ? a.x : b.x) - reach),
        .x1 = pixel_at(c, (a.x > b.x ? a.x : b.x) + reach + c->pitch),
        .y0 = pixel_at(c, (a.y < b.y ? a.y : b.y) - reach),
        .y1 = pixel_at(c, (a.y > b.y ? a.y : b.y) + reach + c->pitch),
    };
}

void sk_canvas_line(struct sk_canvas *c, struct sk_point a, struct sk_point b, float half_width_a,
                    float half_width_b, float reach)
{
    float dx = b.x - a.x, dy = b.y - a.y;
    float square = dx * dx + dy * dy;
    struct sk_patch near = sk_canvas_patch(c, a, b, reach);

    for (uint32_t y = near.y0; y < near.y1; y++) {
        for (uint32_t x = near.x0; x < near.x1; x++) {
            struct sk_point p = sk_canvas_point(c, x, y);
            float px = p.x - a.x, py = p.y - a.y;
            float t = square > 0.0f ? sk_clamp((px * dx + py * dy) / square, 0.0f, 1.0f) : 0.0f;
            float ex = px - t * dx, ey = py - t * dy;
            float *best = &c->distance[(size_t)y * c->side + x];
            float share = sqrtf(ex * ex + ey * ey) / sk_mix(half_width_a, half_width_b, t);
            *best = share < *best ? share : *best;
        }
    }
}
