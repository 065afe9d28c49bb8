"""Picture files of every format, mode and oddity, made on the spot: {format: generator of (name, bytes)}.

Where Pillow writes what we want it does; everything else (bit depths, masks, planes, tiles, interlacing, missing or contradictory
headers) is put together byte by byte. All of it comes from one seed.
"""

import io
import random
import struct
import zlib

import numpy as np
from PIL import Image

SIZES = [(1, 1), (7, 5), (33, 17), (100, 75)]


class Maker:
    """The random numbers of one format, and pictures made of them."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.rng = np.random.default_rng(seed)

    def noise(self, count, top=256):
        return self.rng.integers(0, top, count, dtype=np.uint8).tobytes()

    def array(self, width, height, channels):
        """Slopes with some noise: compresses a little, differs everywhere."""
        y, x = np.mgrid[0:height, 0:width]
        slopes = np.stack([(3 * x + (k + 1) * y) % 236 for k in range(channels)], -1)
        out = (slopes + self.rng.integers(0, 20, slopes.shape)).astype(np.uint8)
        return out[..., 0] if channels == 1 else out

    def image(self, mode, width, height):
        if mode == "P":
            return Image.fromarray(self.array(width, height, 3)).quantize(200)
        if mode == "1":
            return Image.fromarray(self.array(width, height, 1)).convert("1")
        if mode == "I;16":
            top = 65536 if width % 2 else 500
            return Image.fromarray(self.rng.integers(0, top, (height, width), dtype=np.uint16))
        channels = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}[mode]
        array = self.array(width, height, channels)
        if mode == "CMYK":
            return Image.frombytes(mode, (width, height), array.tobytes())
        return Image.fromarray(array)


def save(image, file_format, **options):
    out = io.BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def xmp(orientation):
    return b'<x:xmpmeta><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>' % orientation


# ---- JPEG


def jpeg():
    make = Maker(1)
    for width, height in [*SIZES, (16, 16), (223, 31)]:
        size = f"{width}x{height}"
        for mode in ("L", "RGB", "CMYK"):
            for sampling in ("4:4:4", "4:2:2", "4:2:0") if mode != "L" else ("4:4:4",):
                for quality in (25, 75, 97):
                    for progressive in (False, True):
                        yield (f"{size} {mode} {sampling} q{quality}{' progressive' if progressive else ''}",
                               save(make.image(mode, width, height), "JPEG", quality=quality, subsampling=sampling,
                                    progressive=progressive))
        rgb = make.image("RGB", width, height)
        yield f"{size} restarts", save(rgb, "JPEG", restart_marker_blocks=1)
        yield f"{size} optimised, row restarts", save(rgb, "JPEG", optimize=True, restart_marker_rows=1)
        yield f"{size} comment", save(rgb, "JPEG", comment=b"c" * 3000, dpi=(72, 72))
        whole = save(rgb, "JPEG")
        yield f"{size} bytes behind the end", whole + make.noise(100)
        yield f"{size} no end", whole[:-2]
        yield f"{size} fill bytes", whole[:2] + b"\xff\xff\xff" + whole[2:]
        yield f"{size} junk between segments", whole[:20] + b"junk\xff\x00" + whole[20:]
        for name, at in (("Huffman", b"\xff\xc4"), ("quantisation", b"\xff\xdb"), ("frame", b"\xff\xc0")):
            for delta in (1, 4, 5, 9, 21, 30):
                broken = bytearray(whole)
                broken[whole.index(at) + delta] ^= 0x5a
                yield f"{size} wrong {name} table, byte {delta}", bytes(broken)


# ---- PNG


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def png_row_bytes(width, depth, colour):
    return (width * PNG_CHANNELS[colour] * depth + 7) // 8


def make_png(make, width, height, depth, colour, interlaced=False, before=b"", after=b"", cut=None, split=None,
             canvas=None):
    passes = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in ADAM7] if interlaced else [(width, height)]
    raw = b"".join(bytes([make.random.randrange(5)]) + make.noise(png_row_bytes(w, depth, colour))
                   for w, h in passes if w > 0 for _ in range(h))
    packed = zlib.compress(raw[:cut])
    step = split or len(packed)
    header = struct.pack(">IIBBBBB", *(canvas or (width, height)), depth, colour, 0, 0, interlaced)
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + before
            + b"".join(png_chunk(b"IDAT", packed[i:i + step]) for i in range(0, len(packed), step))
            + after + png_chunk(b"IEND", b""))


def png_depths():
    for colour, depths in ((0, (1, 2, 4, 8, 16)), (2, (8, 16)), (3, (1, 2, 4, 8)), (4, (8, 16)), (6, (8, 16))):
        for depth in depths:
            yield colour, depth


def png_shapes(make, width, height):
    for colour, depth in png_depths():
        palette = png_chunk(b"PLTE", make.noise(3 * min(200, 1 << depth))) if colour == 3 else b""
        row = png_row_bytes(width, depth, colour) + 1
        plain = f"colour {colour} depth {depth}"
        for interlaced in (False, True):
            name = plain + " interlaced" * interlaced

            def one(**options):
                return make_png(make, width, height, depth, colour, interlaced, palette, **options)

            yield name, one()
            yield f"{name}, small chunks", one(split=5)
            yield f"{name}, ends on a row", one(cut=row * (height // 2))
            yield f"{name}, ends within a row", one(cut=row * (height // 2) + 1)
        for trns in {0: (b"\0\1", b"\0"), 2: (b"\0\1\0\2\0\3", b"\0\1"), 3: (b"\xff\0\xff", b"\x80\x7f")}.get(colour, ()):
            yield f"{plain}, tRNS {trns.hex()}", make_png(make, width, height, depth, colour, False,
                                                         palette + png_chunk(b"tRNS", trns))
        for count in (0, 5, 769, 771) if colour == 3 else ():
            yield f"{plain}, PLTE of {count} bytes", make_png(make, width, height, depth, colour, False,
                                                             png_chunk(b"PLTE", make.noise(count)))
    yield "palette picture without PLTE", make_png(make, width, height, 8, 3)


PNG_ODD_CHUNKS = ((b"gAMA", b"123"), (b"cHRM", bytes(31)), (b"sRGB", b""), (b"pHYs", bytes(8)), (b"iCCP", b"a\0\0x"),
                  (b"iCCP", b"a\0\1x"), (b"iCCP", b"aaa"), (b"iCCP", b""), (b"zTXt", b"k\0\1x"), (b"zTXt", b"k"),
                  (b"tEXt", b"k\0v"), (b"iTXt", b"k"), (b"acTL", b"123"), (b"fcTL", b"12"), (b"abCd", bytes(30)),
                  (b"fdAT", b"\0\0\0\1"))


def png_chunks(make, width, height):
    for kind, data in PNG_ODD_CHUNKS:
        name = f"{kind.decode()} {data[:4].hex()}"
        good = png_chunk(kind, data)
        bad = good[:-1] + bytes([good[-1] ^ 1])
        yield f"{name} before", make_png(make, width, height, 8, 2, before=good)
        yield f"{name} before, wrong checksum", make_png(make, width, height, 8, 2, before=bad)
        yield f"{name} behind", make_png(make, width, height, 8, 2, after=good)
        yield f"{name} behind, wrong checksum", make_png(make, width, height, 8, 2, after=bad)
        yield f"{name} behind, cut off", make_png(make, width, height, 8, 2)[:-12] + good[:-5]


def png_animations(make, width, height):
    frames = [make.image("RGBA", width, height) for _ in range(3)]
    yield "animation", save(frames[0], "PNG", save_all=True, append_images=frames[1:])
    yield "animation behind a default picture", save(frames[0], "PNG", save_all=True, default_image=True,
                                                     append_images=frames[1:])
    if width < 5:
        return
    frame = png_chunk(b"acTL", struct.pack(">II", 2, 0)) + png_chunk(
        b"fcTL", struct.pack(">IIIIIHHBB", 0, width - 2, height - 3, 2, 1, 1, 1, 0, 0))
    for interlaced in (False, True):
        for colour in (2, 3):
            palette = png_chunk(b"PLTE", make.noise(60))
            yield f"first frame smaller, colour {colour} {interlaced}", make_png(
                make, width - 2, height - 3, 8, colour, interlaced, palette + frame, canvas=(width, height))


def png():
    make = Maker(2)
    for width, height in SIZES:
        named = [(mode, save(make.image(mode, width, height), "PNG")) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")]
        for part in (png_shapes, png_chunks, png_animations):
            named += part(make, width, height)
        yield from ((f"{width}x{height} {name}", data) for name, data in named)


# ---- WebP


def webp():
    make = Maker(3)
    for width, height in [*SIZES, (16, 16), (64, 3)]:
        size = f"{width}x{height}"
        for mode in ("RGB", "RGBA"):
            for options in ({"lossless": True}, {"lossless": True, "exact": True}, {"quality": 20}, {"quality": 90, "method": 6}):
                yield f"{size} {mode} {options}", save(make.image(mode, width, height), "WEBP", **options)
        frames = [make.image("RGBA", width, height) for _ in range(3)]
        yield f"{size} animation", save(frames[0], "WEBP", save_all=True, append_images=frames[1:], duration=40)
        yield f"{size} EXIF", save(make.image("RGB", width, height), "WEBP", exif=exif(6))


# ---- BMP


def bmp_row_bytes(width, bits):
    return (width * bits + 31) // 32 * 4


def make_bmp(make, width, height, bits, compression=0, palette=b"", data=None, header_bytes=40, masks=(), colours=0,
             offset=None):
    if data is None:
        data = make.noise(bmp_row_bytes(width, bits) * abs(height))
    masks = struct.pack(f"<{len(masks)}I", *masks)
    header = struct.pack("<IiiHHIIiiII", header_bytes, width, height, 1, bits, compression, len(data), 2835, 2835, colours, 0)
    header = (header + masks).ljust(header_bytes, b"\0") if header_bytes > 40 else header + masks
    start = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start if offset is None else offset) + header + palette + data


def rle(make, width, height, four_bits):
    """Runs and literals for rows of random values, an end-of-line code behind each row."""
    out = bytearray()
    for _ in range(height):
        x = 0
        while x < width:
            count = min(width - x, make.random.randint(1, 20))
            if count < 3 or make.random.random() < 0.5:
                out += bytes([count, make.random.randrange(256)])
            else:
                literal = make.noise((count + 1) // 2 if four_bits else count)
                out += bytes([0, count]) + literal + bytes(len(literal) % 2)
            x += count
        out += b"\0\0"
    return bytes(out + b"\0\1")


BMP_MASKS = ((0xff0000, 0xff00, 0xff, 0), (0xff000000, 0xff0000, 0xff00, 0), (0xff000000, 0xff00, 0xff, 0),
             (0xff000000, 0xff0000, 0xff00, 0xff), (0xff, 0xff00, 0xff0000, 0xff000000),
             (0xff0000, 0xff00, 0xff, 0xff000000), (0xff000000, 0xff00, 0xff, 0xff0000), (0, 0, 0, 0),
             (0xf800, 0x7e0, 0x1f, 0), (0x7c00, 0x3e0, 0x1f, 0), (1, 2, 3, 4))


def bmp_indexed(make, width, height, bits):
    colours = 1 << bits
    palettes = {
        "colours": make.noise(colours * 4),
        "grey": b"".join(bytes([i * 255 // (colours - 1)] * 3 + [0]) for i in range(colours)),
        "ramp": b"".join(bytes([i] * 3 + [0]) for i in range(colours)),
    }
    for name, palette in palettes.items():
        yield name, make_bmp(make, width, height, bits, palette=palette)
        yield f"{name} top-down", make_bmp(make, width, -height, bits, palette=palette)
        for compression, four_bits in ((1, False), (2, True)):
            yield f"{name} RLE{8 // compression}", make_bmp(make, width, height, bits, compression, palette,
                                                            rle(make, width, height, four_bits))
    two = b"\0\0\0\0\xff\xff\xff\0"
    yield "black and white", make_bmp(make, width, height, bits, palette=two, colours=2)
    yield "black and white RLE", make_bmp(make, width, height, bits, 1, two, rle(make, width, height, False), colours=2)
    yield "black", make_bmp(make, width, height, bits, palette=bytes(4), colours=1)
    yield "two colours", make_bmp(make, width, height, bits, palette=make.noise(8), colours=2)
    yield "300 colours", make_bmp(make, width, height, bits, palette=make.noise(1200), colours=300)
    yield "offset 0", make_bmp(make, width, height, bits, palette=palettes["colours"], offset=0)
    yield "offset of the palette", make_bmp(make, width, height, bits, palette=palettes["colours"], offset=54)


def bmp_deep(make, width, height, bits):
    yield "bottom-up", make_bmp(make, width, height, bits)
    yield "top-down", make_bmp(make, width, -height, bits)
    yield "RLE", make_bmp(make, width, height, bits, 1)
    yield "a byte short", make_bmp(make, width, height, bits, data=make.noise(bmp_row_bytes(width, bits) * height - 1))
    for masks in BMP_MASKS:
        for header_bytes in (40, 52, 56, 64, 77, 108, 124):
            yield f"masks {masks} header {header_bytes}", make_bmp(
                make, width, height, bits, 3, header_bytes=header_bytes, masks=masks[:3] if header_bytes == 40 else masks)


def bmp():
    make = Maker(4)
    for width, height in [*SIZES, (13, 3)]:
        named = [(mode, save(make.image(mode, width, height), "BMP")) for mode in ("1", "L", "P", "RGB", "RGBA")]
        for bits in (1, 4, 8):
            named += [(f"{bits} bits {name}", data) for name, data in bmp_indexed(make, width, height, bits)]
        for bits in (2, 16, 24, 32):
            named += [(f"{bits} bits {name}", data) for name, data in bmp_deep(make, width, height, bits)]
        for bits in (1, 4, 8, 24):
            palette = make.noise(3 << bits if bits <= 8 else 0)
            named.append((f"{bits} bits OS/2", b"BM" + struct.pack("<IHHIIHHHH", 0, 0, 0, 26 + len(palette), 12, width, height, 1, bits)
                          + palette + make.noise(bmp_row_bytes(width, bits) * height)))
        yield from ((f"{width}x{height} {name}", data) for name, data in named)


# ---- GIF


def gif_moved(data, dx, dy, screen=None):
    """The first frame of a GIF with a palette of 256 colours moved, the screen resized."""
    out = bytearray(data)
    at = out.index(b",", 13 + 768)
    out[at + 1], out[at + 3] = dx, dy
    if screen:
        out[6:10] = struct.pack("<HH", *screen)
    return bytes(out)


def gif():
    make = Maker(5)
    for width, height in [*SIZES, (300, 260)]:
        size = f"{width}x{height}"
        for mode in ("1", "L", "P", "RGB"):
            for options in ({}, {"interlace": 0}, {"transparency": 5}, {"optimize": True}, {"disposal": 2, "transparency": 1}):
                yield f"{size} {mode} {options}", save(make.image(mode, width, height), "GIF", **options)
        frames = [make.image("P", width, height) for _ in range(3)]
        yield f"{size} animation", save(frames[0], "GIF", save_all=True, append_images=frames[1:], loop=0, comment=b"hello")
        for options in ({}, {"transparency": 7}):
            plain = save(make.image("P", width, height), "GIF", **options)
            if len(plain) < 13 + 768 or not plain[10] & 7 == 7:
                continue
            yield f"{size} moved {options}", gif_moved(plain, 10, 3)
            yield f"{size} moved on a larger screen {options}", gif_moved(plain, 4, 2, (width + 20, height + 9))
            yield f"{size} no palette {options}", plain[:10] + bytes([plain[10] & 0x7f]) + plain[11:13] + plain[13 + 768:]


# ---- PNM


def pnm_samples(make, width, height, kind, top):
    """P2, P3, P5 or P6 with samples up to `top`; binary ones sometimes exceed it."""
    count = width * height * (3 if kind in (3, 6) else 1)
    head = f"P{kind}\n# comment\n{width} {height}#x\n\n{top}\n".encode()
    if kind < 4:
        values = make.rng.integers(0, top + 1, count)
        return head + make.random.choice((b" ", b"\n", b"\n#c\n", b"\t\v")).join(b"%d" % v for v in values)
    values = np.minimum(make.rng.integers(0, top + 3, count), 65535 if top > 255 else 255)
    return head + values.astype(">u2" if top > 255 else "u1").tobytes()


def pnm():
    make = Maker(6)
    for width, height in SIZES:
        size = f"{width}x{height}"
        for mode in ("1", "L", "RGB"):
            yield f"{size} {mode}", save(make.image(mode, width, height), "PPM")
        for top in (1, 2, 3, 15, 100, 254, 255, 256, 300, 1000, 4095, 65534, 65535, 65536, 0):
            for kind in (2, 3, 5, 6):
                whole = pnm_samples(make, width, height, kind, top)
                yield f"{size} P{kind} maximum {top}", whole
                yield f"{size} P{kind} maximum {top}, a byte less", whole[:-1]
                yield f"{size} P{kind} maximum {top}, more behind", whole + b"\n12 x"
        bits = [b"%d" % v for v in make.rng.integers(0, 2, width * height)]
        for name, body in (("close", b"".join(bits)), ("spaced", b" ".join(bits) + b"\n 0 1"), ("comments", b"#a\n".join(bits)),
                           ("a letter behind", b"".join(bits) + b" x"), ("one less", b"".join(bits[1:]))):
            yield f"{size} P1 {name}", b"P1 %d %d\n" % (width, height) + body
        yield f"{size} P4 a byte less", b"P4\n%d %d\n" % (width, height) + bytes((width + 7) // 8 * height - 1)
        yield f"{size} signs and underscores", b"P2 +%d %d 2_5_5 " % (width, height) + b"+1 " * (width * height)


# ---- TIFF


def packbits(data):
    return b"".join(bytes([len(part) - 1]) + part for part in (data[i:i + 100] for i in range(0, len(data), 100)))


TIFF_PACK = {1: bytes, 8: zlib.compress, 32946: zlib.compress, 32773: packbits}


class TiffTags(dict):
    """number -> (type, count, bytes), in one byte order."""

    def __init__(self, order):
        super().__init__()
        self.order = order

    def short(self, number, *values):
        self[number] = (3, len(values), struct.pack(f"{self.order}{len(values)}H", *values))

    def long(self, number, *values):
        self[number] = (4, len(values), struct.pack(f"{self.order}{len(values)}I", *values))

    def write(self, blocks, gap=0):
        """The file: header, blocks, values that do not fit their entry, directory. A sequence of offsets goes to
        tag 273 or 324, which must be there as a place holder."""
        out = bytearray((b"II" if self.order == "<" else b"MM") + struct.pack(f"{self.order}HI", 42, 0))
        offsets = {}
        for number, data in blocks:
            offsets[number] = len(out)
            out += data + bytes(gap)
        for tag in (273, 324):
            if tag in self:
                self.long(tag, *(offsets[i] for i in range(len(blocks))))
        directory = struct.pack(f"{self.order}H", len(self))
        for number in sorted(self):
            kind, count, value = self[number]
            if len(value) > 4:
                field = struct.pack(f"{self.order}I", len(out))
                out += value
            else:
                field = value.ljust(4, b"\0")
            directory += struct.pack(f"{self.order}HHI", number, kind, count) + field
        out[4:8] = struct.pack(f"{self.order}I", len(out))
        return bytes(out + directory + bytes(4))


def make_tiff(make, width, height, photometric=1, bits=8, samples=1, extra=(), order="<", compression=1, tile=None, rows=None,
              planar=False, fill=1, orientation=0, sample_format=0, shuffle=False, change=None):
    tags = TiffTags(order)
    tags.long(256, width)
    tags.long(257, height)
    tags.short(258, *[bits] * samples)
    tags.short(259, compression)
    tags.short(262, photometric)
    tags.short(277, samples)
    for number, value in ((266, fill if fill != 1 else 0), (274, orientation), (284, 2 if planar else 0)):
        if value:
            tags.short(number, value)
    if extra:
        tags.short(338, *extra)
    if sample_format:
        tags.short(339, *[sample_format] * samples)
    if photometric == 3:
        tags.short(320, *map(int, make.rng.integers(0, 65536, 3 << min(bits, 8))))
    block_w, block_h = tile or (width, rows or height)
    raw = []
    for _ in range(samples if planar else 1):
        for y in range(0, height, block_h):
            for _ in range(0, width, block_w):
                lines = block_h if tile else min(block_h, height - y)
                raw.append(make.noise((block_w * bits * (1 if planar else samples) + 7) // 8 * lines))
    blocks = list(enumerate(TIFF_PACK[compression](data) for data in raw))
    if tile:
        tags.long(322, tile[0])
        tags.long(323, tile[1])
    elif rows:
        tags.long(278, rows)
    tags.long(324 if tile else 273, 0)
    tags.long(325 if tile else 279, *(len(data) for _, data in blocks))
    if shuffle:
        make.random.shuffle(blocks)
    if change:
        change(tags)
    return tags.write(blocks, 3 if shuffle else 0)


TIFF_PIXELS = ((0, 1, 1), (0, 2, 1), (0, 4, 1), (0, 8, 1), (0, 16, 1), (1, 1, 1), (1, 2, 1), (1, 4, 1), (1, 8, 1), (1, 8, 2),
               (1, 12, 1), (1, 16, 1), (1, 16, 2), (1, 32, 1), (2, 4, 3), (2, 8, 3), (2, 8, 4), (2, 8, 5), (2, 8, 6), (2, 16, 3),
               (2, 16, 4), (2, 16, 5), (3, 1, 1), (3, 2, 1), (3, 4, 1), (3, 8, 1), (3, 8, 2), (3, 16, 1), (4, 1, 1), (5, 8, 4),
               (5, 8, 5), (5, 8, 6), (5, 16, 4), (6, 8, 1), (6, 8, 3), (8, 8, 3))
TIFF_SHAPES = ({}, {"rows": 3}, {"tile": (16, 16)}, {"fill": 2}, {"planar": True}, {"planar": True, "rows": 4},
               {"planar": True, "tile": (16, 32)}, {"rows": 5, "shuffle": True})


def tiff_layouts(make, width, height):
    base = {0: 1, 1: 1, 2: 3, 3: 1, 4: 1, 5: 4, 6: 3, 8: 3}
    for photometric, bits, samples in TIFF_PIXELS:
        more = max(samples - base[photometric], 0)
        for extra in [()] + [(first,) + (0,) * (more - 1) for first in (0, 1, 2, 999) if more]:
            for order in "<>":
                for compression in (1, 8, 32773):
                    for shape in TIFF_SHAPES:
                        if make.random.random() < 0.3:
                            yield (f"photometric {photometric}, {samples} x {bits} bits, extra {extra}, {order}, "
                                   f"compression {compression}, {shape}",
                                   make_tiff(make, width, height, photometric, bits, samples, extra, order, compression, **shape))


def tiff_oddities(make, width, height):
    def without(*numbers):
        return lambda tags: [tags.pop(n) for n in numbers]

    def short(*values):
        return lambda tags: tags.short(*values)

    def one(*pixel, **options):
        return make_tiff(make, width, height, *pixel, **options)

    for orientation in range(10):
        yield f"orientation {orientation}", one(2, 8, 3, orientation=orientation)
        yield f"orientation {orientation}, compressed", one(2, 8, 3, compression=8, orientation=orientation)
    for compression in (1, 8):
        packed = {"compression": compression}
        yield f"orientation in XMP {packed}", one(2, 8, 3, **packed,
                                                 change=lambda tags: tags.update({700: (1, len(xmp(6)), xmp(6))}))
        yield f"no byte counts {packed}", one(1, 8, 1, **packed, change=without(279))
        yield f"no offsets {packed}", one(1, 8, 1, **packed, change=without(273))
        yield f"one BitsPerSample for three {packed}", one(2, 8, 3, **packed, change=short(258, 8))
        yield f"endless strip {packed}", one(2, 8, 3, **packed, change=lambda tags: tags.long(278, 0xffffffff))
        yield f"strip of twice the height {packed}", one(2, 8, 3, **packed, change=lambda tags: tags.long(278, 2 * height))
        yield f"two photometrics {packed}", one(1, 8, 1, **packed, change=short(262, 1, 1))
        for number in (256, 258, 262, 277):
            yield f"tag {number} missing {packed}", one(1, 8, 1, **packed, change=without(number))
        for colours in (10, 300):
            yield f"palette of {colours} {packed}", one(3, 8, 1, **packed,
                                                       change=short(320, *[257 * (i % 256) for i in range(3 * colours)]))
        yield f"no palette {packed}", one(3, 8, 1, **packed, change=without(320))
        for kind in (2, 3, 4):
            yield f"sample format {kind} {packed}", one(1, 8, 1, **packed, sample_format=kind)


def tiff():
    make = Maker(7)
    for width, height in SIZES:
        named = []
        for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"):
            packings = [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"]
            packings += ["jpeg"] if mode in ("L", "RGB", "CMYK") else []
            packings += ["group3", "group4", "tiff_ccitt"] if mode == "1" else []
            for packing in packings:
                options = {"compression": packing} if packing else {}
                named.append((f"{mode} {packing}", save(make.image(mode, width, height), "TIFF", **options)))
        rgb = make.image("RGB", width, height)
        named.append(("YCbCr jpeg", save(rgb.convert("YCbCr"), "TIFF", compression="jpeg")))
        named.append(("two pictures", save(rgb, "TIFF", save_all=True, append_images=[make.image("L", 5, 5)])))
        named += tiff_layouts(make, width, height)
        named += tiff_oddities(make, width, height)
        yield from ((f"{width}x{height} {name}", data) for name, data in named)


FORMATS = {"jpeg": jpeg, "png": png, "webp": webp, "bmp": bmp, "gif": gif, "tiff": tiff, "pnm": pnm}


def mutated(make, data):
    """One to eight bytes changed, every second one near the beginning, where the headers are."""
    out = bytearray(data)
    for _ in range(make.random.choice((1, 1, 2, 8))):
        near = make.random.random() < 0.5
        out[make.random.randrange(min(len(out), 64) if near else len(out))] = make.random.randrange(256)
    return bytes(out)
