"""sk_image_decode against the installed Pillow: the same verdict on every file, the same bytes where it is accepted.

Three corpora for each format: files of every mode and oddity (harness/pictures.py), each of a sample cut off at every 1/16 of its
length, and a sample with bytes changed at random. JPEGs are decoded twice, by libjpeg-turbo alone and by way of our own decoder.

Where the verdicts may differ is written down in ALLOWED, with the most cases that may; docs/spec/image.md says why.
"""

import io
import os
import re
import subprocess
import warnings
import zlib

import PIL
import pytest
from PIL import Image, ImageOps

from harness import pictures, program

SEED = 20261124
SAMPLE = 25
MUTATIONS = 20
WEBP_MUTATIONS = 8  # many of them say that the picture has a gigabyte

# format -> (pattern of the case's name and our answer, how we differ, share of the cases that may)
ALLOWED = {
    # Where changed bytes leave scans out, the two versions of libjpeg-turbo smooth differently: see test_missing_scans.
    "jpeg": [(r".* progressive, .*: ok ", "pixels", 0.002)],
    # Pixels that Pillow reads and we name as unsupported: float, 12, 32 and signed bits, L*a*b*, YCbCr outside JPEG, ...
    "tiff": [(r".*: error unsupported_media_type tiff: (unsupported pixels|uncompressed planes|compression|reversed bits)",
              "stricter", 0.10),
             # libtiff 4.5 repairs strip tables that the libtiff 4.7 of Pillow refuses.
             (r".*: ok ", "laxer", 0.003)],
}


class Tool:
    """image_tool, asked one file after the other."""

    def __init__(self):
        path = os.path.join(os.path.dirname(program.binary()), "tests", "image", "image_tool")
        self.process = subprocess.Popen([os.environ.get("SKERRY_IMAGE_TOOL", path)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def answer(self, pixels=True):
        line = self.process.stdout.readline().decode().strip()
        assert line, f"image_tool ended with status {self.process.wait()}"
        words = line.split()
        if words[0] != "ok":
            return line, None
        size = int(words[1]), int(words[2])
        return line, (size, self.process.stdout.read(3 * size[0] * size[1]) if pixels else None)

    def decode(self, data, grey16="clip", exif=0, max_pixels=0, fast=0):
        """The answer's line, and size and pixels or None."""
        self.process.stdin.write(b"decode %d %s %d %d %d\n" % (len(data), grey16.encode(), exif, max_pixels, fast) + data)
        self.process.stdin.flush()
        return self.answer()

    def probe(self, data):
        self.process.stdin.write(b"probe %d\n" % len(data) + data)
        self.process.stdin.flush()
        return self.answer(pixels=False)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait() == 0


@pytest.fixture
def tool():
    tool = Tool()
    yield tool
    tool.close()


def pillow(data, upright=False):
    """Size and pixels, or None when Pillow refuses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data)) as image:
                turned = ImageOps.exif_transpose(image) if upright else image
                rgb = turned.convert("RGB")
                return rgb.size, rgb.tobytes()
        except Exception:  # whatever it raises, it refuses
            return None


class Comparison:
    """Counts files, and keeps those with another verdict or other pixels."""

    def __init__(self, file_format):
        self.format = file_format
        self.files = self.accepted = 0
        self.wrong = []
        self.allowed = [0] * len(ALLOWED.get(file_format, ()))

    def add(self, name, line, got, want):
        self.files += 1
        self.accepted += want is not None
        if got == want:
            return
        kind = "laxer" if want is None else "stricter" if got is None else "pixels"
        for i, (pattern, allowed_kind, _) in enumerate(ALLOWED.get(self.format, ())):
            if kind == allowed_kind and re.match(pattern, f"{name}: {line}"):
                self.allowed[i] += 1
                return
        self.wrong.append(f"{name}: {kind}: {line[:150]}")

    def check(self):
        assert not self.wrong, f"{len(self.wrong)} of {self.files} differ from Pillow, the first: {self.wrong[:5]}"
        for count, (pattern, kind, share) in zip(self.allowed, ALLOWED.get(self.format, ())):
            assert count <= share * self.files, f"{count} of {self.files} are {kind}: {pattern}"


def ways(file_format):
    return (0, 1) if file_format == "jpeg" else (0,)


def sample(file_format, make):
    files = list(pictures.FORMATS[file_format]())
    return make.random.sample(files, min(SAMPLE, len(files)))


def test_pillow_is_the_pinned_one():
    assert PIL.__version__ == "13.0.0"


@pytest.mark.parametrize("file_format", pictures.FORMATS)
def test_files(tool, file_format):
    """[image-2]"""
    seen = Comparison(file_format)
    for name, data in pictures.FORMATS[file_format]():
        want = pillow(data)
        for fast in ways(file_format):
            seen.add(name, *tool.decode(data, fast=fast), want)
    assert seen.files >= 45 and seen.accepted >= 45
    seen.check()


@pytest.mark.parametrize("file_format", pictures.FORMATS)
def test_truncated(tool, file_format):
    """[image-4]"""
    seen = Comparison(file_format)
    for name, data in sample(file_format, pictures.Maker(SEED)):
        for part in range(17):
            short = data[:len(data) * part // 16]
            for fast in ways(file_format):
                seen.add(f"{name}, {part}/16", *tool.decode(short, fast=fast), pillow(short))
    seen.check()


@pytest.mark.parametrize("file_format", pictures.FORMATS)
def test_mutated(tool, file_format):
    """[image-2] [image-4]"""
    seen = Comparison(file_format)
    make = pictures.Maker(SEED + 1)
    for name, data in sample(file_format, make):
        for number in range(WEBP_MUTATIONS if file_format == "webp" else MUTATIONS):
            broken = pictures.mutated(make, data)
            want = pillow(broken)
            for fast in ways(file_format):
                seen.add(f"{name}, mutation {number}", *tool.decode(broken, fast=fast), want)
    assert seen.files >= 200
    seen.check()


def oriented():
    """Every orientation in every format that can say it, in EXIF and in XMP."""
    make = pictures.Maker(SEED + 2)
    image = make.image("RGB", 13, 6)
    for value in range(10):
        exif, xmp = pictures.exif(value), pictures.xmp(value)
        yield f"jpeg EXIF {value}", pictures.save(image, "JPEG", exif=exif)
        yield f"jpeg XMP {value}", pictures.save(image, "JPEG", xmp=xmp)
        yield f"png EXIF {value}", pictures.save(image, "PNG", exif=exif)
        yield f"png XMP {value}", pictures.make_png(make, 13, 6, 8, 2, before=pictures.png_chunk(
            b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp))
        yield f"png EXIF behind {value}", pictures.make_png(make, 13, 6, 8, 2, after=pictures.png_chunk(b"eXIf", exif[6:]))
        text = b"\nexif\n%8d\n%s\n" % (len(exif), exif.hex().encode())
        for kind, body in ((b"tEXt", text), (b"zTXt", b"\0" + zlib.compress(text))):
            yield f"png profile {kind} {value}", pictures.make_png(make, 13, 6, 8, 2, before=pictures.png_chunk(
                kind, b"Raw profile type exif\0" + body))
        yield f"webp EXIF {value}", pictures.save(image, "WEBP", lossless=True, exif=exif)
        yield f"webp XMP {value}", pictures.save(image, "WEBP", lossless=True, xmp=xmp)
        yield f"tiff {value}", pictures.make_tiff(make, 13, 6, 2, 8, 3, orientation=value)


def test_orientation(tool):
    """[image-20] [image-21]"""
    wrong = []
    for name, data in oriented():
        for upright in (False, True):
            line, got = tool.decode(data, exif=int(upright))
            if got != pillow(data, upright):
                wrong.append(f"{name}, upright {upright}: {line}")
    assert not wrong


def test_grey16(tool):
    """[image-15] [image-16]"""
    make = pictures.Maker(SEED + 3)
    width, height = 40, 30
    for top, clipped in ((300, "0"), (65536, "1")):
        values = make.rng.integers(0, top, (height, width), dtype="uint16")
        image = Image.fromarray(values)
        expected = {
            "clip": values.clip(0, 255),
            "high_byte": values >> 8,
            "min_max": ((values - values.min()).astype(int) * 255 * 2 + int(values.max() - values.min()))
            // (2 * int(values.max() - values.min())),
        }
        files = {"png": pictures.save(image, "PNG"), "tiff": pictures.save(image, "TIFF"),
                 "pnm": b"P5 %d %d 65535\n" % (width, height) + values.astype(">u2").tobytes()}
        for name, data in files.items():
            for how, grey in expected.items():
                line, got = tool.decode(data, grey16=how)
                assert got[1] == grey.astype("uint8").repeat(3).tobytes(), (name, how, top)
                assert line.split()[5] == (clipped if how == "clip" else "0"), (name, how, line)


def huge():
    """Small files that promise 50,000 x 50,000 pixels and more."""
    make = pictures.Maker(SEED + 4)
    side = 50000
    yield "png", pictures.make_png(make, 8, 8, 8, 2, canvas=(side, side))
    yield "bmp", pictures.make_bmp(make, side, side, 24, data=b"")
    yield "gif", b"GIF89a" + side.to_bytes(2, "little") * 2 + b"\0\0\0," + bytes(4) + side.to_bytes(2, "little") * 2 + b"\0\2\0;"
    yield "pnm", b"P6 %d %d 255\n" % (side, side)
    tags = pictures.TiffTags("<")
    for number, value in ((256, side), (257, side), (273, 0), (279, 0)):
        tags.long(number, value)
    for number, value in ((258, 8), (259, 8), (262, 1), (277, 1)):
        tags.short(number, value)
    yield "tiff", tags.write([(0, b"x")])
    jpeg = bytearray(pictures.save(make.image("RGB", 8, 8), "JPEG"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5:at + 9] = side.to_bytes(2, "big") * 2
    yield "jpeg", bytes(jpeg)
    webp = bytearray(pictures.save(make.image("RGBA", 8, 8), "WEBP", exif=pictures.exif(1)))
    assert webp[12:16] == b"VP8X"
    webp[24:30] = (16383).to_bytes(3, "little") * 2
    yield "webp", bytes(webp)


def test_huge_costs_nothing(tool):
    """[image-3]"""
    for name, data in huge():
        assert pillow(data) is None
        line, _ = tool.decode(data)
        assert re.match(r"error (limit_exceeded|corrupt) ", line), (name, line)
        assert name in ("webp", ) or line.startswith("error limit_exceeded"), (name, line)
    with open(f"/proc/{tool.process.pid}/status") as status:
        peak_kb = int(re.search(r"VmHWM:\s+(\d+)", status.read())[1])
    assert peak_kb < (1 << 20 if program.is_sanitized() else 64 << 10)


def test_max_pixels(tool):
    """[image-3]"""
    data = pictures.save(pictures.Maker(SEED).image("RGB", 20, 10), "PNG")
    assert tool.decode(data, max_pixels=200)[1]
    assert tool.decode(data, max_pixels=199)[0].startswith("error limit_exceeded png: 20 x 10 is 200 pixels")


@pytest.mark.parametrize("file_format", pictures.FORMATS)
def test_probe_tells_the_size(tool, file_format):
    """[image-1]"""
    for name, data in sample(file_format, pictures.Maker(SEED + 5)):
        line, got = tool.decode(data)
        if got:
            told, (size, _) = tool.probe(data)
            assert (size, told.split()[3]) == (got[0], file_format), (name, told)


def test_progressive_scans_are_limited(tool):
    """[image-11]"""
    data = pictures.save(pictures.Maker(SEED).image("L", 64, 64), "JPEG", progressive=True)
    scan = data.rindex(b"\xff\xda")
    last = data[scan:-2]
    assert tool.decode(data[:-2] + last * 50 + b"\xff\xd9")[1]
    line, got = tool.decode(data[:-2] + last * 200 + b"\xff\xd9")
    assert got is None and line.startswith("error limit_exceeded jpeg: more than 100 scans")


def test_missing_scans(tool):
    """[image-44] Progressive files that end after some of their scans: the same verdict, and within 8 levels."""
    make = pictures.Maker(SEED + 6)
    for mode in ("L", "RGB"):
        for sampling in ("4:4:4", "4:2:0") if mode == "RGB" else ("4:4:4",):
            image = make.image(mode, 100, 75)
            data = pictures.save(image, "JPEG", progressive=True, quality=80, subsampling=sampling)
            scans = [at.start() for at in re.finditer(b"\xff\xda", data)]
            for end in scans[1:] + [len(data) - 2]:
                cut = data[:end] + b"\xff\xd9"
                got, want = tool.decode(cut)[1], pillow(cut)
                assert got and want and got[0] == want[0]
                worst = max(abs(a - b) for a, b in zip(got[1], want[1]))
                assert worst <= (0 if end == len(data) - 2 else 8), (mode, sampling, end, worst)


def test_unknown_bytes(tool):
    """[image-1]"""
    assert tool.decode(b"")[0] == "error corrupt the picture is empty (0 bytes)"
    line = tool.decode(b"%PDF-1.7 and so on")[0]
    assert line.startswith("error unsupported_media_type") and all(f in line for f in pictures.FORMATS)
