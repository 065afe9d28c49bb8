/*
 * decode_webp.c - WebP by libwebp: lossy, lossless, and the first frame of an animation.
 *
 * Pillow reads every WebP through libwebp's animation decoder. For the first frame that amounts to
 * this: the demuxer must find the file whole; the frame is decoded and put at its place on a canvas
 * of transparent black; alpha is dropped.
 *
 * Invariant: the demuxer lives as long as the frame, whose bytes it borrows from the file.
 */
#include "image/decode_priv.h"

#include <webp/decode.h>
#include <webp/demux.h>

static bool is_webp(const uint8_t *bytes, size_t len)
{
    return len >= 16 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0 &&
           (memcmp(bytes + 12, "VP8 ", 4) == 0 || memcmp(bytes + 12, "VP8X", 4) == 0 ||
            memcmp(bytes + 12, "VP8L", 4) == 0);
}

static WebPDemuxer *open_file(const uint8_t *bytes, size_t len, struct sk_err *err)
{
    const WebPData data = { bytes, len };
    WebPDemuxer *demux = WebPDemux(&data);
    if (!demux)
        (void)sk_fail(err, SK_CORRUPT, "the file is truncated or its chunks are broken");
    return demux;
}

static int orientation(const WebPDemuxer *demux)
{
    WebPChunkIterator chunk;
    int o = 0;
    if (WebPDemuxGetChunk(demux, "EXIF", 1, &chunk)) {
        o = sk_exif_orientation(chunk.chunk.bytes, chunk.chunk.size);
        WebPDemuxReleaseChunkIterator(&chunk);
    }
    if (o == 0 && WebPDemuxGetChunk(demux, "XMP ", 1, &chunk)) {
        o = sk_xmp_orientation(chunk.chunk.bytes, chunk.chunk.size);
        WebPDemuxReleaseChunkIterator(&chunk);
    }
    return o == 0 ? 1 : o;
}

static int probe(const uint8_t *bytes, size_t len, struct sk_image_info *out, struct sk_err *err)
{
    WebPDemuxer *demux = open_file(bytes, len, err);
    if (!demux)
        return -1;
    out->width = WebPDemuxGetI(demux, WEBP_FF_CANVAS_WIDTH);
    out->height = WebPDemuxGetI(demux, WEBP_FF_CANVAS_HEIGHT);
    out->orientation = orientation(demux);
    WebPDemuxDelete(demux);
    return 0;
}

static int status_error(VP8StatusCode status, struct sk_err *err)
{
    switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY:
        return sk_nomem(err);
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return sk_fail(err, SK_UNSUPPORTED_MEDIA, "the frame uses an unknown feature");
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
        return sk_fail(err, SK_CORRUPT, "the frame is truncated");
    default:
        return sk_fail(err, SK_CORRUPT, "the frame is broken (status %d)", (int)status);
    }
}

static int decode_frame(const WebPIterator *frame, struct sk_band *band, struct sk_err *err)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return sk_fail(err, SK_UNSUPPORTED, "libwebp is of another version");
    if (frame->width <= 0 || frame->height <= 0 || frame->x_offset < 0 || frame->y_offset < 0 ||
        (uint64_t)frame->x_offset + (uint64_t)frame->width > band->width ||
        (uint64_t)frame->y_offset + (uint64_t)frame->height > band->height)
        return sk_fail(err, SK_CORRUPT, "the frame lies outside the canvas");
    size_t at = (size_t)frame->y_offset * band->stride + (size_t)frame->x_offset * 3;
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = band->pixels + at;
    config.output.u.RGBA.stride = (int)band->stride;
    config.output.u.RGBA.size = band->stride * band->height - at;
    VP8StatusCode status = WebPDecode(frame->fragment.bytes, frame->fragment.size, &config);
    WebPFreeDecBuffer(&config.output);
    return status == VP8_STATUS_OK ? 0 : status_error(status, err);
}

static int decode(const struct sk_decode *d, struct sk_sink *sink, struct sk_err *err)
{
    WebPDemuxer *demux = open_file(d->bytes, d->len, err);
    if (!demux)
        return -1;
    struct sk_band band = { 0 };
    WebPIterator frame;
    int result = -1;
    if (!WebPDemuxGetFrame(demux, 1, &frame)) {
        (void)sk_fail(err, SK_CORRUPT, "no frame");
    } else {
        if (sk_band_open(&band, sink, d->info->width, d->info->height, SK_BAND_WHOLE, err) == 0 &&
            decode_frame(&frame, &band, err) == 0)
            result = sk_band_push(&band, err);
        WebPDemuxReleaseIterator(&frame);
    }
    sk_band_done(&band);
    WebPDemuxDelete(demux);
    return result;
}

const struct sk_format sk_format_webp = { "webp", is_webp, probe, decode };
