#!/usr/bin/env python3
"""Writes tests/data/images: small pictures for the C tests of src/image, each with Pillow's RGB beside it as NAME.ppm.

    build/venv/bin/python tools/make-test-images.py

The files come from tests/it/harness/pictures.py, so a run with another Pillow may change compressed ones, but never a .ppm.
"""

import io
import os
import sys

from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = os.path.join(ROOT, "tests", "data", "images")
sys.path.insert(0, os.path.join(ROOT, "tests", "it"))
from harness import pictures  # noqa: E402

CHOSEN = {
    "jpeg": {"rgb420": "33x17 RGB 4:2:0 q75", "rgb422": "33x17 RGB 4:2:2 q75", "progressive": "33x17 RGB 4:2:0 q75 progressive",
             "grey": "33x17 L 4:4:4 q75", "cmyk": "7x5 CMYK 4:4:4 q75", "restarts": "33x17 restarts"},
    "png": {"grey1": "7x5 colour 0 depth 1", "grey4": "7x5 colour 0 depth 4 interlaced", "grey16": "7x5 I;16",
            "palette": "33x17 P", "palette2": "7x5 colour 3 depth 2, small chunks", "rgb": "33x17 RGB",
            "rgb16": "7x5 colour 2 depth 16 interlaced", "rgba": "7x5 RGBA", "grey_alpha16": "7x5 colour 4 depth 16",
            "row_end": "33x17 colour 2 depth 8, ends on a row", "animation": "7x5 animation",
            "tile": "7x5 first frame smaller, colour 3 False", "tile_interlaced": "33x17 first frame smaller, colour 2 True"},
    "webp": {"lossy": "33x17 RGB {'quality': 20}", "lossless": "33x17 RGBA {'lossless': True}", "animation": "7x5 animation",
             "turned": "7x5 EXIF"},
    "bmp": {"bits1": "7x5 1 bits colours", "bits4": "7x5 4 bits colours top-down", "bits8": "7x5 8 bits grey",
            "black_white8": "7x5 8 bits black and white", "rle4": "7x5 4 bits colours RLE4", "rle8": "7x5 8 bits colours RLE8",
            "bits15": "7x5 16 bits bottom-up", "bits16": "7x5 16 bits masks (63488, 2016, 31, 0) header 40",
            "bits24": "7x5 24 bits bottom-up", "bits32": "7x5 32 bits masks (255, 65280, 16711680, 4278190080) header 108",
            "os2": "7x5 24 bits OS/2"},
    "gif": {"plain": "33x17 P {}", "grey": "7x5 L {}", "interlaced": "33x17 P {'interlace': 0}",
            "transparent": "33x17 RGB {'transparency': 5}", "animation": "7x5 animation",
            "moved": "33x17 moved on a larger screen {}"},
    "pnm": {"p1": "7x5 P1 comments", "p2": "7x5 P2 maximum 100", "p3": "7x5 P3 maximum 255", "p4": "33x17 1",
            "p5": "7x5 P5 maximum 4095", "p5_16": "7x5 P5 maximum 65535", "p6": "7x5 P6 maximum 15"},
}


def tiffs():
    make = pictures.Maker(77)
    make_tiff = pictures.make_tiff
    yield "bilevel", make_tiff(make, 20, 9, 0, 1, 1, rows=4)
    yield "grey4_reversed", make_tiff(make, 7, 5, 1, 4, 1, fill=2)
    yield "grey16_big_endian", make_tiff(make, 7, 5, 1, 16, 1, order=">")
    yield "palette4", make_tiff(make, 7, 5, 3, 4, 1)
    yield "rgb_tiles", make_tiff(make, 20, 9, 2, 8, 3, tile=(16, 16))
    yield "rgb16", make_tiff(make, 7, 5, 2, 16, 3)
    yield "rgba_premultiplied", make_tiff(make, 7, 5, 2, 8, 4, (1,))
    yield "cmyk", make_tiff(make, 7, 5, 5, 8, 4)
    yield "planes", make_tiff(make, 7, 5, 2, 8, 3, planar=True, rows=2)
    yield "shuffled", make_tiff(make, 7, 11, 2, 8, 3, rows=2, shuffle=True)
    yield "turned", make_tiff(make, 7, 5, 2, 8, 3, orientation=6)
    yield "deflate_tiles", make_tiff(make, 20, 9, 1, 16, 1, compression=8, tile=(16, 16))
    yield "packbits_planes", make_tiff(make, 7, 5, 2, 16, 4, (1,), compression=32773, planar=True, rows=2)
    for name, mode, packing in (("lzw", "RGB", "tiff_lzw"), ("jpeg", "RGB", "jpeg"), ("group4", "1", "group4"),
                                ("packbits", "P", "packbits")):
        yield name, pictures.save(make.image(mode, 33, 17), "TIFF", compression=packing)
    yield "ycbcr_jpeg", pictures.save(make.image("RGB", 33, 17).convert("YCbCr"), "TIFF", compression="jpeg")


def files():
    for file_format, chosen in CHOSEN.items():
        have = dict(pictures.FORMATS[file_format]())
        for name, source in chosen.items():
            yield f"{name}.{file_format}", have[source]
    for name, data in tiffs():
        yield f"{name}.tiff", data


def main():
    os.makedirs(OUT, exist_ok=True)
    for name, data in files():
        with open(os.path.join(OUT, name), "wb") as out:
            out.write(data)
        with Image.open(io.BytesIO(data)) as image:
            rgb = image.convert("RGB")
        with open(os.path.join(OUT, name + ".ppm"), "wb") as out:
            out.write(b"P6\n%d %d\n255\n" % rgb.size + rgb.tobytes())


if __name__ == "__main__":
    main()
