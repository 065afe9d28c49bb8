/*
 * jpeg_fast_head.c - the markers of a JPEG up to its scan (ITU T.81, annex B).
 *
 * Accepts only what needs no judgement: each table defined once, lengths that add up, one baseline
 * frame, one scan with all components in frame order. Whatever libjpeg would warn about, guess or
 * refuse is answered with false, and libjpeg then decides. Colour is YCbCr by the rules that
 * libjpeg has: JFIF marker, else Adobe transform 1, else component names other than 'R','G','B'.
 */
#include "image/jpeg_fast_priv.h"

#include <string.h>

enum {
    M_SOF0 = 0xC0,
    M_DHT = 0xC4,
    M_SOI = 0xD8,
    M_SOS = 0xDA,
    M_DQT = 0xDB,
    M_DRI = 0xDD,
    M_APP0 = 0xE0,
    M_APP14 = 0xEE,
    M_APP15 = 0xEF,
    M_COM = 0xFE,
    SIDE_MAX = 65500, /* libjpeg's JPEG_MAX_DIMENSION */
};

/* What has been seen and matters only while reading the head. */
struct seen {
    bool frame, restart, jfif, adobe;
    uint8_t adobe_transform;
};

/* The body of one marker segment. */
struct part {
    const uint8_t *at;
    size_t len;
};

static unsigned be16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static bool read_quant(struct part p, struct sk_jf_head *h)
{
    for (; p.len >= 65; p.at += 65, p.len -= 65) {
        unsigned slot = p.at[0]; /* the high half says 16 bit: refused as a slot beyond 3 */
        if (slot > 3 || h->has_quant[slot])
            return false;
        if (memchr(p.at + 1, 0, SK_JF_BLOCK))
            return false;
        memcpy(h->quant[slot], p.at + 1, SK_JF_BLOCK);
        h->has_quant[slot] = true;
    }
    return p.len == 0;
}

static bool read_huffman(struct part p, struct sk_jf_head *h)
{
    while (p.len >= 17) {
        unsigned slot = p.at[0] & 15;
        if (p.at[0] >> 4 > 1 || slot > 3)
            return false;
        struct sk_jf_dht *t = p.at[0] >> 4 ? &h->ac[slot] : &h->dc[slot];
        size_t codes = 0;
        for (int i = 1; i <= 16; i++)
            codes += t->count[i] = p.at[i];
        if (t->is_set || codes > 256 || codes > p.len - 17)
            return false;
        memcpy(t->value, p.at + 17, codes);
        t->is_set = true;
        p.at += 17 + codes;
        p.len -= 17 + codes;
    }
    return p.len == 0;
}

/* Component i of the frame, from its three bytes. */
static bool read_component(const uint8_t *c, unsigned i, struct sk_jf_head *h)
{
    unsigned hs = c[1] >> 4, vs = c[1] & 15;
    if (hs < 1 || hs > 4 || vs < 1 || vs > 4 || c[2] > 3)
        return false;
    for (unsigned j = 0; j < i; j++)
        if (h->component[j].id == c[0])
            return false;
    h->component[i].id = c[0];
    h->component[i].quant = c[2];
    if (i > 0)
        return hs == 1 && vs == 1;
    /* A single component is never subsampled against another, whatever its factors say. */
    h->h = h->components == 1 ? 1 : hs;
    h->v = h->components == 1 ? 1 : vs;
    return (h->h == 1 && h->v == 1) || (h->h == 2 && h->v <= 2);
}

static bool read_frame(struct part p, struct seen *seen, struct sk_jf_head *h)
{
    if (seen->frame || p.len < 6)
        return false;
    seen->frame = true;
    h->height = be16(p.at + 1);
    h->width = be16(p.at + 3);
    h->components = p.at[5];
    if (p.at[0] != 8 || (h->components != 1 && h->components != 3) ||
        p.len != 6 + 3 * (size_t)h->components)
        return false;
    if (h->width == 0 || h->height == 0 || h->width > SIDE_MAX || h->height > SIDE_MAX)
        return false;
    const uint8_t *c = p.at + 6;
    for (unsigned i = 0; i < h->components; i++, c += 3)
        if (!read_component(c, i, h))
            return false;
    return true;
}

static bool read_scan(struct part p, const struct seen *seen, struct sk_jf_head *h)
{
    if (!seen->frame || p.len != 4 + 2 * (size_t)h->components || p.at[0] != h->components)
        return false;
    const uint8_t *c = p.at + 1;
    for (unsigned i = 0; i < h->components; i++, c += 2) {
        unsigned dc = c[1] >> 4, ac = c[1] & 15;
        if (c[0] != h->component[i].id || dc > 3 || ac > 3 || !h->dc[dc].is_set ||
            !h->ac[ac].is_set || !h->has_quant[h->component[i].quant])
            return false;
        h->component[i].dc = (uint8_t)dc;
        h->component[i].ac = (uint8_t)ac;
    }
    const uint8_t *spectral = p.at + p.len - 3;
    return spectral[0] == 0 && spectral[1] == 63 && spectral[2] == 0;
}

static bool read_restart(struct part p, struct seen *seen, struct sk_jf_head *h)
{
    if (seen->restart || p.len != 2)
        return false;
    seen->restart = true;
    h->restart_mcus = be16(p.at);
    return true;
}

static bool read_app0(struct part p, struct seen *seen)
{
    if (p.len >= 14 && memcmp(p.at, "JFIF", 5) == 0) {
        seen->jfif = true;
        return p.at[5] == 1; /* libjpeg warns about other major versions */
    }
    return true;
}

static void read_app14(struct part p, struct seen *seen)
{
    if (p.len >= 12 && memcmp(p.at, "Adobe", 5) == 0) {
        seen->adobe = true;
        seen->adobe_transform = p.at[11];
    }
}

static bool read_part(unsigned code, struct part p, struct seen *seen, struct sk_jf_head *h)
{
    switch (code) {
    case M_SOF0:
        return read_frame(p, seen, h);
    case M_DHT:
        return read_huffman(p, h);
    case M_DQT:
        return read_quant(p, h);
    case M_DRI:
        return read_restart(p, seen, h);
    case M_APP0:
        return read_app0(p, seen);
    case M_APP14:
        read_app14(p, seen);
        return true;
    case M_SOS:
        return read_scan(p, seen, h);
    default:
        return (code > M_APP0 && code <= M_APP15) || code == M_COM;
    }
}

static bool is_ycc(const struct seen *seen, const struct sk_jf_head *h)
{
    if (h->components == 1 || seen->jfif)
        return true;
    if (seen->adobe)
        return seen->adobe_transform == 1;
    return !(h->component[0].id == 'R' && h->component[1].id == 'G' && h->component[2].id == 'B');
}

/* libjpeg replicates chroma instead of smoothing it when there are at most two columns of it. */
static bool is_smoothed(const struct sk_jf_head *h)
{
    return h->h == 1 || h->width > 4;
}

bool sk_jf_head_read(const uint8_t *bytes, size_t len, struct sk_jf_head *out)
{
    struct seen seen = { 0 };
    memset(out, 0, sizeof(*out));
    if (len < 2 || bytes[0] != 0xFF || bytes[1] != M_SOI)
        return false;
    for (size_t at = 2;;) {
        if (at >= len || bytes[at] != 0xFF)
            return false;
        while (at < len && bytes[at] == 0xFF) /* more than one is padding */
            at++;
        if (len - at < 3)
            return false;
        unsigned code = bytes[at];
        size_t size = be16(bytes + at + 1);
        if (size < 2 || size > len - at - 1)
            return false;
        struct part p = { bytes + at + 3, size - 2 };
        if (!read_part(code, p, &seen, out))
            return false;
        at += 1 + size;
        if (code == M_SOS) {
            out->scan_at = at;
            return is_ycc(&seen, out) && is_smoothed(out);
        }
    }
}
