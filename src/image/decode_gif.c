/*
 * decode_gif.c - GIF, first frame (GIF89a specification; LZW with codes of 2 to 12 bits).
 *
 *   "GIF89a" screen: width:2 height:2 flags:1 background:1 aspect:1  [palette]
 *   { '!' label sub-blocks | ',' x:2 y:2 width:2 height:2 flags:1 [palette] code-size:1 sub-blocks
 * | ';' }
 *
 * As Pillow: the screen grows to hold the frame; what the frame leaves free has the transparent
 * index if there is one, else index 0 (the background index is not used); a palette that is the
 * grey ramp is none, and indices beyond a palette are black. The picture is whole when its last
 * pixel is written; a stream that ends before is an error, and what follows is not looked at.
 * Pillow reads the stream in steps of 64 KiB and continues behind an end code only when a step
 * remains.
 *
 * Invariant: a code's link is smaller than the code, so following links ends; `next` never exceeds
 * TABLE_CODES.
 */
#include "image/decode_priv.h"

enum {
    TABLE_CODES = 4096,
    CODE_BITS_MAX = 12,
    STEP_BYTES = 64 << 10,
    BLOCK_WORK_BYTES = 4 << 10 /* what a sub-block makes, as a rule */
};

struct gif {
    const uint8_t *bytes;
    size_t len, pos;
    uint32_t width, height;          /* of the screen, grown to hold the frame */
    uint32_t x, y, frame_w, frame_h; /* the frame */
    bool is_interlaced, has_palette; /* no palette: indices are grey */
    int transparent;                 /* -1: none */
    unsigned code_bits;              /* as stated */
    uint8_t palette[256][3];
};

/* ---- blocks ---- */

static int cut_off(struct sk_err *err)
{
    return sk_fail(err, SK_CORRUPT, "the file is truncated");
}

static bool take(struct gif *g, size_t count, const uint8_t **out)
{
    if (g->len - g->pos < count)
        return false;
    *out = g->bytes + g->pos;
    g->pos += count;
    return true;
}

/* The next sub-block, shortened when the file ends within it. false: terminator, or end of the
 * file. */
static bool sub_block(struct gif *g, const uint8_t **block, size_t *len)
{
    const uint8_t *size;
    if (!take(g, 1, &size) || *size == 0)
        return false;
    size_t left = g->len - g->pos;
    *len = *size < left ? *size : left;
    return take(g, *len, block);
}

static void skip_sub_blocks(struct gif *g)
{
    const uint8_t *block;
    size_t len;
    while (sub_block(g, &block, &len) && len > 0)
        continue;
}

/* A palette of 2 << bits colours; the grey ramp counts as none. */
static int read_palette(struct gif *g, unsigned flags, struct sk_err *err)
{
    const uint8_t *p;
    size_t count = (size_t)2 << (flags & 7);
    if (!take(g, count * 3, &p))
        return cut_off(err);
    memset(g->palette, 0, sizeof g->palette);
    memcpy(g->palette, p, count * 3);
    g->has_palette = false;
    for (size_t i = 0; i < count && !g->has_palette; i++)
        g->has_palette = p[i * 3] != i || p[i * 3 + 1] != i || p[i * 3 + 2] != i;
    return 0;
}

static int read_extension(struct gif *g, struct sk_err *err)
{
    const uint8_t *label, *block = NULL;
    size_t len = 0;
    if (!take(g, 1, &label))
        return cut_off(err);
    bool has_block = sub_block(g, &block, &len);
    if (*label == 0xf9 && has_block) {
        if (len < 3 || ((block[0] & 1) != 0 && len < 4))
            return sk_fail(err, SK_CORRUPT, "graphic control extension is too short");
        if ((block[0] & 1) != 0)
            g->transparent = block[3];
    } else if (*label == 0xfe) { /* a comment ends with its terminator; others may start with one */
        if (has_block && len > 0)
            skip_sub_blocks(g);
        return 0;
    } else if (*label == 0xff && has_block && len >= 11 && memcmp(block, "NETSCAPE2.0", 11) == 0) {
        (void)sub_block(g, &block, &len);
    }
    skip_sub_blocks(g);
    return 0;
}

static int read_frame_header(struct gif *g, struct sk_err *err)
{
    const uint8_t *p, *bits;
    if (!take(g, 9, &p))
        return cut_off(err);
    g->x = sk_le16(p);
    g->y = sk_le16(p + 2);
    g->frame_w = sk_le16(p + 4);
    g->frame_h = sk_le16(p + 6);
    g->width = g->x + g->frame_w > g->width ? g->x + g->frame_w : g->width;
    g->height = g->y + g->frame_h > g->height ? g->y + g->frame_h : g->height;
    g->is_interlaced = (p[8] & 64) != 0;
    if ((p[8] & 128) != 0 && read_palette(g, p[8], err) < 0)
        return -1;
    if (!take(g, 1, &bits))
        return cut_off(err);
    g->code_bits = *bits;
    if (g->frame_w == 0 || g->frame_h == 0)
        return sk_fail(err, SK_CORRUPT, "the first frame has no pixels");
    return 0;
}

/* Reads up to the first byte of compressed data. */
static int open_gif(struct gif *g, const uint8_t *bytes, size_t len, struct sk_err *err)
{
    *g = (struct gif){ .bytes = bytes, .len = len, .transparent = -1 };
    const uint8_t *p;
    if (!take(g, 13, &p))
        return cut_off(err);
    g->width = sk_le16(p + 6);
    g->height = sk_le16(p + 8);
    if ((p[10] & 128) != 0 && read_palette(g, p[10], err) < 0)
        return -1;
    while (take(g, 1, &p) && *p != ';') {
        if (*p == ',')
            return read_frame_header(g, err);
        if (*p == '!' && read_extension(g, err) < 0)
            return -1;
    }
    return sk_fail(err, SK_CORRUPT, "no frame");
}

/* ---- LZW ---- */

struct lzw {
    const struct gif *g;
    size_t pos, window;  /* next byte; end of what has been shown */
    unsigned block_left; /* of the sub-block */
    uint32_t bits;
    unsigned bit_count;
    unsigned clear, next, code_bits;
    int last;      /* code before, -1 after a clear code */
    uint8_t first; /* first byte of the last string */
    uint16_t link[TABLE_CODES];
    uint8_t byte[TABLE_CODES];
    uint8_t string[TABLE_CODES]; /* filled from its end */
    uint8_t *indices;            /* of the screen */
    uint32_t x, y, step;         /* where the next pixel goes, within the frame */
    unsigned pass;               /* interlaced: 1..4; 0: not */
    struct sk_watch watch;
};

static bool grow_window(struct lzw *z)
{
    size_t left = z->g->len - z->window;
    z->window += left < STEP_BYTES ? left : STEP_BYTES;
    return left > 0;
}

/* A sub-block counts only when all of it is there. */
static int next_block(struct lzw *z, struct sk_err *err)
{
    if (sk_watch_made(&z->watch, BLOCK_WORK_BYTES, err) < 0)
        return -1;
    while (z->pos >= z->window || z->window - z->pos < (size_t)z->g->bytes[z->pos] + 1)
        if (!grow_window(z))
            return cut_off(err);
    z->block_left = z->g->bytes[z->pos++];
    return 0;
}

static int next_code(struct lzw *z, unsigned *code, struct sk_err *err)
{
    while (z->bit_count < z->code_bits) {
        if (z->block_left == 0) {
            if (next_block(z, err) < 0)
                return -1;
            continue;
        }
        z->bits |= (uint32_t)z->g->bytes[z->pos++] << z->bit_count;
        z->bit_count += 8;
        z->block_left--;
    }
    *code = z->bits & ((1u << z->code_bits) - 1);
    z->bits >>= z->code_bits;
    z->bit_count -= z->code_bits;
    return 0;
}

static void reset_table(struct lzw *z)
{
    z->next = z->clear + 2;
    z->code_bits = z->g->code_bits + 1;
    z->last = -1;
}

static void add_to_table(struct lzw *z)
{
    if (z->next >= TABLE_CODES)
        return;
    z->byte[z->next] = z->first;
    z->link[z->next] = (uint16_t)z->last;
    if (z->next == (1u << z->code_bits) - 1 && z->code_bits < CODE_BITS_MAX)
        z->code_bits++;
    z->next++;
}

/* Expands a code at the end of z->string; *start is where it begins. */
static int expand(struct lzw *z, unsigned code, size_t *start, struct sk_err *err)
{
    size_t at = TABLE_CODES;
    if (z->last < 0) {
        if (code > z->clear)
            return sk_fail(err, SK_CORRUPT, "bad code after a clear code");
        z->string[--at] = z->first = (uint8_t)code;
    } else {
        unsigned c = code;
        if (code > z->next)
            return sk_fail(err, SK_CORRUPT, "bad code");
        if (code == z->next) { /* the string before, with its first byte again */
            z->string[--at] = z->first;
            c = (unsigned)z->last;
        }
        while (c >= z->clear) {
            if (at <= 1 || c >= TABLE_CODES)
                return sk_fail(err, SK_CORRUPT, "bad code");
            z->string[--at] = z->byte[c];
            c = z->link[c];
        }
        z->string[--at] = z->first = (uint8_t)c;
        add_to_table(z);
    }
    z->last = (int)code;
    *start = at;
    return 0;
}

/* ---- pixels ---- */

/* Interlaced rows: every 8th from 0, every 8th from 4, every 4th from 2, every 2nd from 1. false:
 * that was the last row. */
static bool next_row(struct lzw *z)
{
    static const uint8_t first[5] = { 0, 0, 4, 2, 1 }, step[5] = { 1, 8, 8, 4, 2 };
    z->x = 0;
    z->y += z->step;
    while (z->y >= z->g->frame_h) {
        if (z->pass == 0 || z->pass == 4)
            return false;
        z->pass++;
        z->y = first[z->pass];
        z->step = step[z->pass];
    }
    return true;
}

/* false when the picture is complete. */
static bool put(struct lzw *z, const uint8_t *p, size_t count)
{
    const struct gif *g = z->g;
    while (count > 0) {
        size_t fits = g->frame_w - z->x < count ? g->frame_w - z->x : count;
        memcpy(z->indices + (size_t)(g->y + z->y) * g->width + g->x + z->x, p, fits);
        p += fits;
        count -= fits;
        z->x += (uint32_t)fits;
        if (z->x == g->frame_w && !next_row(z))
            return false;
    }
    return true;
}

static int decompress(struct lzw *z, struct sk_err *err)
{
    const struct gif *g = z->g;
    if (g->code_bits > CODE_BITS_MAX)
        return sk_fail(err, SK_CORRUPT, "codes of %u bits", g->code_bits + 1);
    z->pos = z->window = g->pos;
    z->clear = 1u << g->code_bits;
    z->pass = g->is_interlaced ? 1 : 0;
    z->step = g->is_interlaced ? 8 : 1;
    reset_table(z);
    for (;;) {
        unsigned code;
        size_t start = 0;
        if (next_code(z, &code, err) < 0)
            return -1;
        if (code == z->clear) {
            reset_table(z);
        } else if (code == z->clear + 1) {
            if (!grow_window(z))
                return sk_fail(err, SK_CORRUPT, "the picture data ends early");
        } else {
            if (expand(z, code, &start, err) < 0)
                return -1;
            if (!put(z, z->string + start, TABLE_CODES - start))
                return 0;
        }
    }
}

static int emit(const struct gif *g, const uint8_t *indices, struct sk_band *band,
                struct sk_err *err)
{
    for (uint32_t y = 0; y < g->height; y++, indices += g->width) {
        uint8_t *out = sk_band_row(band);
        if (!g->has_palette)
            sk_grey_to_rgb(indices, g->width, out);
        else
            for (uint32_t x = 0; x < g->width; x++)
                memcpy(out + (size_t)x * 3, g->palette[indices[x]], 3);
        if (sk_band_next(band, err) < 0)
            return -1;
    }
    return 0;
}

static int decode_frame(const struct gif *g, struct lzw *z, struct sk_band *band,
                        struct sk_sink *sink, struct sk_err *err)
{
    if (sk_band_open(band, sink, g->width, g->height, SK_BAND_ROWS, err) < 0)
        return -1;
    size_t pixels = (size_t)g->width * g->height;
    z->indices = malloc(pixels);
    if (!z->indices)
        return sk_nomem(err);
    memset(z->indices, g->transparent >= 0 ? g->transparent : 0, pixels);
    z->g = g;
    if (decompress(z, err) < 0)
        return -1;
    return emit(g, z->indices, band, err);
}

static int decode(const struct sk_decode *d, struct sk_sink *sink, struct sk_err *err)
{
    struct gif g;
    if (open_gif(&g, d->bytes, d->len, err) < 0)
        return -1;
    struct sk_band band = { 0 };
    struct lzw *z = calloc(1, sizeof *z);
    if (!z)
        return sk_nomem(err);
    z->watch.deadline_ns = d->opts->deadline_ns;
    int result = decode_frame(&g, z, &band, sink, err);
    sk_band_done(&band);
    free(z->indices);
    free(z);
    return result;
}

static bool is_gif(const uint8_t *bytes, size_t len)
{
    return len >= 6 && (memcmp(bytes, "GIF87a", 6) == 0 || memcmp(bytes, "GIF89a", 6) == 0);
}

static int probe(const uint8_t *bytes, size_t len, struct sk_image_info *out, struct sk_err *err)
{
    struct gif g;
    if (open_gif(&g, bytes, len, err) < 0)
        return -1;
    out->width = g.width;
    out->height = g.height;
    return 0;
}

const struct sk_format sk_format_gif = { "gif", is_gif, probe, decode };
