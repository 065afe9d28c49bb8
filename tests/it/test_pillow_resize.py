"""Resizing against the installed Pillow, byte for byte: every kernel that this CPU runs, and those of 64-bit ARM in
an emulator (which also shows that its compiler and libm give the same weights).

The cases come from a fixed seed; resize_tool answers all of them in one process per kernel. Beside random sizes they hold
the corners: sides of one pixel, one axis unchanged, strong up and down, the border between Pillow's two orders of passes,
black-and-white noise (the extremes of every sum), windows, and the sizes that models use.

A second set decodes, turns upright and resizes in one go: several formats, every EXIF orientation.
"""

import io
import os
import subprocess

import numpy as np
import PIL
import pytest
from PIL import Image, ImageOps

from harness import program

FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}
MODEL_SIZES = [(1920, 1080), (1080, 1920), (720, 1280), (640, 480), (500, 375), (257, 255), (225, 224), (4000, 3),
               (3, 4000), (31, 31), (224, 224)]
SEED = 20260711
WIDTHS = (1, 2, 3, 4, 5, 7, 15, 16, 17, 63, 64, 65)


ARM = "aarch64-linux-gnu"
# What resize_tool needs of the program.
ARM_SOURCES = ["base/err.c", "base/str.c", "image/exif.c", "image/image.c", "image/kernels.c", "image/kernels_c.c",
               "image/kernels_neon.c", "image/resize.c", "image/taps.c"]


def tool(name):
    return os.path.join(os.path.dirname(program.binary()), "tests", "image", name)


@pytest.fixture(scope="module")
def arm_tool(tmp_path_factory):
    """The command that runs resize_tool for 64-bit ARM."""
    out = str(tmp_path_factory.mktemp("arm") / "resize_tool")
    source = os.path.join(program.ROOT, "src")
    subprocess.run([f"{ARM}-gcc", "-std=c17", "-O2", "-static", "-D_GNU_SOURCE", "-ffp-contract=off", "-Werror",
                    "-include", os.path.join(source, "base", "banned.h"), "-I", source, "-o", out,
                    os.path.join(program.ROOT, "tests", "image", "resize_tool.c"),
                    *(os.path.join(source, name) for name in ARM_SOURCES), "-lm"], check=True)
    return ["qemu-aarch64", out]


def kernels(command):
    done = subprocess.run(command, input=b"kernels\n", capture_output=True, check=True)
    return done.stdout.decode().split()


def pixels(rng, width, height, kind):
    shape = (height, width, 3)
    if kind == "extreme":
        return rng.integers(0, 2, shape, dtype=np.uint8) * 255
    if kind == "flat":
        return np.full(shape, rng.choice([0, 128, 255]), dtype=np.uint8)
    return rng.integers(0, 256, shape, dtype=np.uint8)


def sizes(rng):
    """Yields source and target sizes, each as (width, height)."""
    for _ in range(250):
        yield tuple(rng.integers(1, 100, 2)), tuple(rng.integers(1, 100, 2))
    for _ in range(150):  # far apart
        yield tuple(rng.integers(1, 12, 2)), tuple(rng.integers(1, 300, 2))
        yield tuple(rng.integers(100, 700, 2)), tuple(rng.integers(1, 20, 2))
    for width in WIDTHS:
        for height in (1, 2, 33):
            yield (width, height), (int(rng.integers(1, 70)), int(rng.integers(1, 70)))
            yield (int(rng.integers(1, 70)), int(rng.integers(1, 70))), (width, height)
    for _ in range(40):  # one axis or both unchanged
        w, h = (int(v) for v in rng.integers(1, 80, 2))
        yield (w, h), (w, int(rng.integers(1, 80)))
        yield (w, h), (int(rng.integers(1, 80)), h)
        yield (w, h), (w, h)
    for _ in range(150):  # where the order of the passes changes: src_h - out_h against 2 * (src_w - out_w)
        w, h = (int(v) for v in rng.integers(2, 120, 2))
        out_w = int(rng.integers(max(1, w - 30), w + 3))
        out_h = h - 2 * (w - out_w) + int(rng.integers(-1, 2))
        if 1 <= out_h <= 300:
            yield (w, h), (out_w, out_h)
    for size in MODEL_SIZES:
        for target in ((224, 224), (256, 256), (398, 224), (1, 1), (7, 299)):
            yield size, target


def cases():
    rng = np.random.default_rng(SEED)
    out = []
    for n, (size, target) in enumerate(sizes(rng)):
        size, target = tuple(map(int, size)), tuple(map(int, target))
        names = list(FILTERS) if n % 7 == 0 else [list(FILTERS)[n % 6]]
        picture = pixels(rng, *size, ("noise", "extreme", "noise", "extreme", "flat")[n % 5])
        window = None
        if n % 3 == 0:
            x, y = (int(rng.integers(0, side)) for side in target)
            window = (x, y, int(rng.integers(1, target[0] - x + 1)), int(rng.integers(1, target[1] - y + 1)))
        out += [(picture, target, name, window) for name in names]
    return out


def expected(picture, target, name, window):
    result = Image.fromarray(picture).resize(target, FILTERS[name])
    if window:
        x, y, w, h = window
        result = result.crop((x, y, x + w, y + h))
    return np.asarray(result)


def ask(process, picture, target, name, window, kernel):
    height, width = picture.shape[:2]
    x, y, w, h = window or (0, 0, 0, 0)
    process.stdin.write(f"resize {width} {height} {target[0]} {target[1]} {name} {x} {y} {w} {h} {kernel}\n".encode())
    process.stdin.write(picture.tobytes())
    return answer(process)


def answer(process):
    process.stdin.flush()
    status, *words = process.stdout.readline().decode().split()
    assert status == "ok", words
    out_w, out_h = int(words[0]), int(words[1])
    return np.frombuffer(process.stdout.read(out_w * out_h * 3), np.uint8).reshape(out_h, out_w, 3)


@pytest.fixture(scope="module")
def answers():
    """Every case with Pillow's result."""
    return [(*case, expected(*case)) for case in cases()]


def test_pillow_is_the_pinned_one():
    assert PIL.__version__ == "13.0.0"


def test_enough_cases(answers):
    assert len(answers) >= 500
    for name in FILTERS:
        assert sum(case[2] == name for case in answers) >= 100


def test_arm_has_neon(arm_tool):
    assert kernels(arm_tool) == ["c", "neon"]


def check(command, kernel, answers):
    wrong = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for picture, target, name, window, want in answers:
            got = ask(process, picture, target, name, window, kernel)
            if got.shape != want.shape or not (got == want).all():
                wrong.append(f"{picture.shape[1]}x{picture.shape[0]} -> {target} {name} window {window}")
        process.stdin.close()
    assert process.returncode == 0
    assert not wrong, f"{len(wrong)} of {len(answers)} differ, the first: {wrong[:5]}"


@pytest.mark.parametrize("kernel", ["c", "avx2", "avx512vnni"])
def test_resize_equals_pillow(answers, kernel):
    """[image-50]"""
    command = [tool("resize_tool")]
    if kernel not in kernels(command):
        pytest.skip(f"this CPU does not run the {kernel} kernels")
    check(command, kernel, answers)


@pytest.mark.parametrize("kernel", ["c", "neon"])
def test_resize_on_arm_equals_pillow(answers, arm_tool, kernel):
    """[image-50] Every other case: the emulator takes its time."""
    check(arm_tool, kernel, answers[::2])


# Format, mode, and how Pillow saves it; the sizes make JPEG's bands end anywhere.
FILES = [("JPEG", "RGB", {"quality": 90}), ("JPEG", "RGB", {"quality": 60, "subsampling": 0}),
         ("JPEG", "RGB", {"quality": 80, "subsampling": 1}), ("JPEG", "RGB", {"quality": 80, "progressive": True}),
         ("JPEG", "L", {"quality": 85}), ("PNG", "RGB", {}), ("PNG", "RGBA", {}), ("TIFF", "RGB", {}),
         ("WEBP", "RGB", {"quality": 70})]


def photograph(rng, width, height):
    """Smooth, with some noise, so that JPEG keeps something to be wrong about."""
    small = rng.integers(0, 256, (max(2, height // 9), max(2, width // 9), 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(small).resize((width, height), Image.BICUBIC), np.int16)
    noise = rng.integers(-20, 21, smooth.shape, dtype=np.int16)
    return Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8))


def saved(rng, n):
    kind, mode, options = FILES[n % len(FILES)]
    picture = photograph(rng, int(rng.integers(1, 400)), int(rng.integers(1, 400))).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 1 + n % 8
    out = io.BytesIO()
    picture.save(out, kind, exif=exif, **options)
    return out.getvalue()


def fused_cases():
    rng = np.random.default_rng(SEED)
    for n in range(360):
        data = saved(rng, n)
        turns = n % 5 != 0
        picture = Image.open(io.BytesIO(data))
        picture = (ImageOps.exif_transpose(picture) if turns else picture).convert("RGB")
        target = tuple(int(rng.integers(1, 260)) for _ in range(2)) if n % 4 else (224, 224)
        name = list(FILTERS)[n // 3 % 6]
        window = None
        if n % 3 == 0:
            x, y = (int(rng.integers(0, side)) for side in target)
            window = (x, y, int(rng.integers(1, target[0] - x + 1)), int(rng.integers(1, target[1] - y + 1)))
        yield data, turns, target, name, window, expected(np.asarray(picture), target, name, window)


@pytest.fixture(scope="module")
def fused_answers():
    return list(fused_cases())


@pytest.mark.parametrize("threads", [1, 2])
def test_decode_and_resize_equals_pillow(fused_answers, threads):
    """[image-52]"""
    wrong = []
    with subprocess.Popen([tool("image_tool")], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for n, (data, turns, target, name, window, want) in enumerate(fused_answers):
            x, y, w, h = window or (0, 0, 0, 0)
            process.stdin.write(f"fused {len(data)} {int(turns)} {target[0]} {target[1]} {name} {x} {y} {w} {h} "
                                f"{threads}\n".encode() + data)
            got = answer(process)
            if got.shape != want.shape or not (got == want).all():
                wrong.append(f"case {n}: {FILES[n % len(FILES)]} orientation {1 + n % 8} -> {target} {name} {window}")
        process.stdin.close()
    assert process.returncode == 0
    assert not wrong, f"{len(wrong)} differ, the first: {wrong[:5]}"
