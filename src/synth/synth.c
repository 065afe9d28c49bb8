/*
 * synth.c - one picture: surface, defect, light; and the JPEG file that says what it is.
 *
 * Surface and light come from dice of their own, so that a defect changes nothing but itself: the
 * same seed with and without a defect shows the same scene. Small pictures are drawn at DRAWN_MIN
 * and reduced, so that fine texture does not alias.
 */
#include "synth/synth_priv.h"

#include "base/buf.h"
#include "base/limits.h"

enum {
    DRAWN_MIN = 256
};

static const struct sk_surface_kind *const surfaces[SK_SYNTH_SURFACE_COUNT] = {
    [SK_SYNTH_METAL] = &sk_surface_metal,
    [SK_SYNTH_CASTING] = &sk_surface_casting,
    [SK_SYNTH_FABRIC] = &sk_surface_fabric,
};

static const struct sk_defect_kind whole = { .name = "whole" };
static const struct sk_defect_kind *const defects[SK_SYNTH_DEFECT_COUNT] = {
    [SK_SYNTH_WHOLE] = &whole,           [SK_SYNTH_SCRATCH] = &sk_defect_scratch,
    [SK_SYNTH_DENT] = &sk_defect_dent,   [SK_SYNTH_STAIN] = &sk_defect_stain,
    [SK_SYNTH_CRACK] = &sk_defect_crack,
};

const char *sk_synth_surface_name(enum sk_synth_surface s)
{
    return surfaces[s]->name;
}

const char *sk_synth_defect_name(enum sk_synth_defect d)
{
    return defects[d]->name;
}

/* Three sequences out of one seed. */
static struct sk_dice dice_for(uint64_t seed, uint64_t what)
{
    struct sk_dice d = { seed ^ what << 56 };
    d.state = sk_dice_next(&d);
    return d;
}

static int draw(const struct sk_synth *what, uint32_t side, struct sk_image *out,
                struct sk_err *err)
{
    SK_AUTO(sk_canvas_done) struct sk_canvas canvas = { 0 };
    struct sk_dice surface = dice_for(what->seed, 1), defect = dice_for(what->seed, 2);
    struct sk_dice light = dice_for(what->seed, 3);

    if (sk_canvas_init(&canvas, side, err) < 0 || sk_image_alloc(out, side, side, err) < 0)
        return -1;
    surfaces[what->surface]->paint(&canvas, &surface);
    sk_scatter_specks(&canvas, &surface);
    if (defects[what->defect]->mark)
        defects[what->defect]->mark(&canvas, &defect);
    sk_light_up(&canvas, &light, out->pixels);
    return 0;
}

int sk_synth_draw(const struct sk_synth *what, struct sk_image *out, struct sk_err *err)
{
    SK_AUTO(sk_image_done) struct sk_image large = { 0 };
    const struct sk_resize to = { .out_w = what->side,
                                  .out_h = what->side,
                                  .filter = SK_FILTER_BILINEAR };

    if (what->side < SK_SYNTH_SIDE_MIN || what->side > SK_SYNTH_SIDE_MAX)
        return sk_fail(err, SK_INVALID, "a side of %u pixels is not within %d and %d", what->side,
                       SK_SYNTH_SIDE_MIN, SK_SYNTH_SIDE_MAX);
    if (what->side >= DRAWN_MIN)
        return draw(what, what->side, out, err);
    if (draw(what, DRAWN_MIN, &large, err) < 0)
        return -1;
    return sk_image_resize(&large, &to, out, err);
}

/* Right behind the JFIF header, which has to come first: ISO/IEC 10918-1, B.2.4.5. */
static int add_comment(const struct sk_synth *what, const uint8_t *jpeg, size_t len,
                       struct sk_buf *out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1024);
    size_t head = 4 + ((size_t)jpeg[4] << 8 | jpeg[5]); /* start of image, APP0 and its length */

    sk_buf_fmt(
        &text,
        "Synthetic picture made by skerry sample-data, not a photograph: %s, %s, seed %016llx",
        sk_synth_surface_name(what->surface), sk_synth_defect_name(what->defect),
        (unsigned long long)what->seed);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    sk_buf_add(out, jpeg, head);
    sk_buf_add(out, "\xff\xfe", 2);
    sk_buf_chr(out, (char)((text.len + 2) >> 8));
    sk_buf_chr(out, (char)((text.len + 2) & 255));
    sk_buf_add(out, text.data, text.len);
    sk_buf_add(out, jpeg + head, len - head);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

int sk_synth_jpeg(const struct sk_synth *what, uint8_t **out, size_t *len, struct sk_err *err)
{
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf file = SK_BUF_INIT(SK_LIMIT_BODY_BYTES);
    SK_OWN(free) uint8_t *jpeg = NULL;
    struct sk_dice camera = dice_for(what->seed, 4);
    size_t jpeg_len = 0;

    if (sk_synth_draw(what, &img, err) < 0)
        return -1;
    int quality = 82 + (int)sk_dice_pick(&camera, 13);
    if (sk_image_encode_jpeg(&img, quality, &jpeg, &jpeg_len, err) < 0 ||
        add_comment(what, jpeg, jpeg_len, &file, err) < 0)
        return -1;
    *len = file.len;
    *out = (uint8_t *)sk_buf_take(&file);
    return 0;
}
