/*
 * decode_pnm.c - portable bitmaps, greymaps and pixmaps: P1 to P6.
 *
 *   "P5" space { token space }: width, height, maximum (not for bitmaps) | samples
 *
 * Comments run from '#' to the end of the line, also within a token, which continues behind them.
 * Samples are text (P1 to P3) or binary; two bytes, the high one first, where the maximum exceeds
 * 255. As Pillow: samples are scaled from the maximum to 255, or to 65535 for deep grey (then the
 * grey16 option applies), in double precision, ties to even; text numbers follow Python's int();
 * what stands behind the samples does not matter, except in a text bitmap, where it must be 0 or 1
 * within the same mebibyte.
 */
#include "image/decode_priv.h"

#include <math.h>

enum {
    TOKEN_MAX = 10,
    BLOCK_BYTES = 1 << 20
};

struct pnm {
    const uint8_t *bytes;
    size_t len, pos;
    int kind; /* 1..6 */
    uint32_t width, height, maximum;
    unsigned channels;
    bool is_deep; /* grey of more than 8 bits */
};

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= 9 && c <= 13);
}

static bool is_pnm(const uint8_t *bytes, size_t len)
{
    return len >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' && is_space(bytes[2]);
}

/* ---- numbers ---- */

struct token {
    char text[TOKEN_MAX + 1];
    unsigned len;
};

static int bad_number(const struct token *t, struct sk_err *err)
{
    return sk_fail(err, SK_CORRUPT, "bad number of %u characters", t->len);
}

/* As Python's int(): a sign, digits, single underscores between digits. */
static int parse(const struct token *t, uint64_t *out, struct sk_err *err)
{
    unsigned i = t->len > 0 && (t->text[0] == '+' || t->text[0] == '-') ? 1 : 0;
    uint64_t value = 0;
    bool was_digit = false;
    for (; i < t->len; i++) {
        char c = t->text[i];
        if (c == '_' && was_digit) {
            was_digit = false;
            continue;
        }
        if (c < '0' || c > '9')
            return bad_number(t, err);
        value = value * 10 + (uint64_t)(c - '0');
        was_digit = true;
    }
    if (!was_digit || (t->text[0] == '-' && value > 0))
        return bad_number(t, err);
    *out = value;
    return 0;
}

static void skip_comment(struct pnm *p)
{
    while (p->pos < p->len && p->bytes[p->pos] != '\n' && p->bytes[p->pos] != '\r')
        p->pos++;
    if (p->pos < p->len)
        p->pos++;
}

/* The next token, and one space behind it. */
static int next_token(struct pnm *p, struct token *t, struct sk_err *err)
{
    t->len = 0;
    while (p->pos < p->len) {
        uint8_t c = p->bytes[p->pos++];
        if (c == '#') {
            skip_comment(p);
        } else if (!is_space(c)) {
            if (t->len == TOKEN_MAX)
                return sk_fail(err, SK_CORRUPT, "number of more than %d characters", TOKEN_MAX);
            t->text[t->len++] = (char)c;
        } else if (t->len > 0) {
            break;
        }
    }
    t->text[t->len] = '\0';
    return t->len > 0 ? 0 : sk_fail(err, SK_CORRUPT, "the file is truncated");
}

static int next_number(struct pnm *p, uint64_t max, uint64_t *out, struct sk_err *err)
{
    struct token t;
    uint64_t value = 0;
    if (next_token(p, &t, err) < 0 || parse(&t, &value, err) < 0)
        return -1;
    if (value > max)
        return sk_fail(err, SK_CORRUPT, "%llu exceeds %llu", (unsigned long long)value,
                       (unsigned long long)max);
    *out = value;
    return 0;
}

static int open_pnm(struct pnm *p, const uint8_t *bytes, size_t len, struct sk_err *err)
{
    *p = (struct pnm){ .bytes = bytes, .len = len, .pos = 3, .kind = bytes[1] - '0', .maximum = 1 };
    uint64_t width = 0, height = 0, maximum = 0;
    if (next_number(p, UINT32_MAX, &width, err) < 0 || next_number(p, UINT32_MAX, &height, err) < 0)
        return -1;
    p->width = (uint32_t)width;
    p->height = (uint32_t)height;
    p->channels = p->kind % 3 == 0 ? 3 : 1;
    if (p->kind % 3 == 1)
        return 0;
    if (next_number(p, 65535, &maximum, err) < 0)
        return -1;
    if (maximum == 0)
        return sk_fail(err, SK_CORRUPT, "a maximum of 0");
    p->maximum = (uint32_t)maximum;
    p->is_deep = p->channels == 1 && maximum > 255;
    return 0;
}

/* ---- rows ---- */

/* What a decode needs besides the file. */
struct rows {
    struct sk_band band;
    struct sk_grey16_rows grey16;
    uint16_t *samples; /* one row, scaled */
    uint16_t *scaled;  /* scaled[v] for each sample v up to the maximum */
};

static int prepare(const struct pnm *p, const struct sk_decode *d, struct sk_sink *sink,
                   struct rows *r, struct sk_err *err)
{
    if (sk_band_open(&r->band, sink, p->width, p->height, SK_BAND_ROWS, err) < 0)
        return -1;
    if (p->is_deep && sk_grey16_open(&r->grey16, &r->band, d->opts->grey16, err) < 0)
        return -1;
    r->samples = calloc((size_t)p->width * p->channels, sizeof *r->samples);
    r->scaled = calloc((size_t)p->maximum + 1, sizeof *r->scaled);
    if (!r->samples || !r->scaled)
        return sk_nomem(err);
    double top = p->is_deep ? 65535 : 255;
    for (uint32_t v = 0; v <= p->maximum; v++)
        r->scaled[v] = (uint16_t)rint((double)v / p->maximum * top);
    return 0;
}

static int put_row(const struct pnm *p, struct rows *r, struct sk_err *err)
{
    if (p->is_deep)
        return sk_grey16_row(&r->grey16, r->samples, err);
    uint8_t *out = sk_band_row(&r->band);
    for (size_t i = 0; i < (size_t)p->width * 3; i++)
        out[i] = (uint8_t)r->samples[p->channels == 3 ? i : i / 3];
    return sk_band_next(&r->band, err);
}

static int binary_rows(struct pnm *p, struct rows *r, struct sk_err *err)
{
    size_t sample_bytes = p->maximum > 255 ? 2 : 1, count = (size_t)p->width * p->channels;
    size_t row = count * sample_bytes;
    if ((p->len - p->pos) / row < p->height)
        return sk_fail(err, SK_CORRUPT, "the file is truncated");
    for (uint32_t y = 0; y < p->height; y++) {
        const uint8_t *in = p->bytes + p->pos + y * row;
        if (p->maximum == 255 && p->channels == 3) { /* RGB as it is */
            memcpy(sk_band_row(&r->band), in, row);
            if (sk_band_next(&r->band, err) < 0)
                return -1;
            continue;
        }
        for (size_t i = 0; i < count; i++) {
            uint32_t v = sample_bytes == 2 ? sk_be16(in + i * 2) : in[i];
            r->samples[i] = r->scaled[v < p->maximum ? v : p->maximum];
        }
        if (put_row(p, r, err) < 0)
            return -1;
    }
    return 0;
}

static int bitmap_rows(struct pnm *p, struct rows *r, struct sk_err *err)
{
    size_t row = ((size_t)p->width + 7) / 8;
    if ((p->len - p->pos) / row < p->height)
        return sk_fail(err, SK_CORRUPT, "the file is truncated");
    for (uint32_t y = 0; y < p->height; y++) {
        const uint8_t *in = p->bytes + p->pos + y * row;
        for (uint32_t x = 0; x < p->width; x++)
            r->samples[x] = (in[x / 8] >> (7 - x % 8) & 1) != 0 ? 0 : 255;
        if (put_row(p, r, err) < 0)
            return -1;
    }
    return 0;
}

static int text_rows(struct pnm *p, struct rows *r, struct sk_err *err)
{
    for (uint32_t y = 0; y < p->height; y++) {
        for (size_t i = 0; i < (size_t)p->width * p->channels; i++) {
            uint64_t v = 0;
            if (next_number(p, p->maximum, &v, err) < 0)
                return -1;
            r->samples[i] = r->scaled[v];
        }
        if (put_row(p, r, err) < 0)
            return -1;
    }
    return 0;
}

/* The next 0 or 1; -1 at the end of the file, -2 for any other character. */
static int next_bit(struct pnm *p)
{
    while (p->pos < p->len) {
        uint8_t c = p->bytes[p->pos++];
        if (c == '#')
            skip_comment(p);
        else if (c == '0' || c == '1')
            return c - '0';
        else if (!is_space(c))
            return -2;
    }
    return -1;
}

static int text_bitmap_rows(struct pnm *p, struct rows *r, struct sk_err *err)
{
    size_t start = p->pos, file_len = p->len;
    for (uint32_t y = 0; y < p->height; y++) {
        for (uint32_t x = 0; x < p->width; x++) {
            int bit = next_bit(p);
            if (bit < 0)
                return sk_fail(err, SK_CORRUPT,
                               bit == -1 ? "the file is truncated" : "neither 0 nor 1");
            r->samples[x] = bit != 0 ? 0 : 255;
        }
        if (put_row(p, r, err) < 0)
            return -1;
    }
    /* Pillow looks at whole blocks before it takes the bits from them. */
    size_t block_end = start + (p->pos - start + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    p->len = block_end < file_len ? block_end : file_len;
    int bit;
    while ((bit = next_bit(p)) >= 0)
        continue;
    return bit == -2 ? sk_fail(err, SK_CORRUPT, "neither 0 nor 1") : 0;
}

static int all_rows(struct pnm *p, struct rows *r, struct sk_err *err)
{
    switch (p->kind) {
    case 1:
        return text_bitmap_rows(p, r, err);
    case 4:
        return bitmap_rows(p, r, err);
    case 2:
    case 3:
        return text_rows(p, r, err);
    default:
        return binary_rows(p, r, err);
    }
}

static int decode(const struct sk_decode *d, struct sk_sink *sink, struct sk_err *err)
{
    struct pnm p;
    if (open_pnm(&p, d->bytes, d->len, err) < 0)
        return -1;
    struct rows r = { 0 };
    int result = prepare(&p, d, sink, &r, err);
    if (result == 0)
        result = all_rows(&p, &r, err);
    if (result == 0 && p.is_deep)
        result = sk_grey16_finish(&r.grey16, d->report, err);
    free(r.samples);
    free(r.scaled);
    sk_grey16_done(&r.grey16);
    sk_band_done(&r.band);
    return result;
}

static int probe(const uint8_t *bytes, size_t len, struct sk_image_info *out, struct sk_err *err)
{
    struct pnm p;
    if (open_pnm(&p, bytes, len, err) < 0)
        return -1;
    out->width = p.width;
    out->height = p.height;
    return 0;
}

const struct sk_format sk_format_pnm = { "pnm", is_pnm, probe, decode };
