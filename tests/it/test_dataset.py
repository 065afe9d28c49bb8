"""Folders, tensors and augmentations equal what the guide's training script would see.

torchvision is not needed: its ImageFolder is a sorted os.walk(), its Resize on a PIL picture is Image.resize, and its
colour changes and rotation are calls of Pillow (compared with torchvision 0.29 when this was written: the same bytes).
dataset_tool is our code.
"""

import os
import random
import subprocess

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageStat

from harness import program

TOOL = os.environ.get("SKERRY_DATASET_TOOL",
                      os.path.join(os.path.dirname(program.binary()), "tests", "dataset", "dataset_tool"))
EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif")
MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
SEED = 20261124


def tool(*args, data=b""):
    done = subprocess.run([TOOL, *map(os.fsencode, args)], input=data, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


# ---- folders ----

def image_folder(root):
    """torchvision.datasets.folder.make_dataset, with gif, and loops cut by hand."""
    classes = sorted(e.name for e in os.scandir(root) if e.is_dir())
    samples = []
    for label, name in enumerate(classes):
        for folder, _, files in sorted(os.walk(os.path.join(root, name), followlinks=True)):
            samples += [(label, os.path.join(folder, f)) for f in sorted(files) if f.lower().endswith(EXTENSIONS)]
    return classes, samples


def listed(root):
    classes, samples, _ = (part.split(b"\0") for part in tool("list", root).split(b"\0\0", 2))
    pairs = (s.split(b" ", 1) for s in samples if s)
    return [os.fsdecode(c) for c in classes], [(int(label), os.fsdecode(path)) for label, path in pairs]


PARTS = ["a", "A", "a-", "a b", "10", "2", "é", "日本", "z", "e\u0301", "\U0001f600", "\ue000", ".hidden", "x.jpg"]


def test_order_of_random_trees(tmp_path):
    rng = random.Random(SEED)
    for tree in range(20):
        root = tmp_path / str(tree)
        for name in rng.sample(PARTS, 4):
            for _ in range(rng.randint(1, 12)):
                folder = root.joinpath(name, *rng.choices(PARTS, k=rng.randint(0, 3)))
                folder.mkdir(parents=True, exist_ok=True)
                file = folder / (rng.choice(["1", "10", "2", "é", "B", "\udc80", "\udcff", "~"])
                                 + rng.choice([*EXTENSIONS, ".JPG", ".Tif", ".txt", ""]))
                if not file.exists():
                    file.write_bytes(b"")
            (root / name / "one.png").write_bytes(b"")
        os.symlink(root / "nowhere", root / name / "dangling.png")
        os.symlink("one.png", root / name / "link.jpg")
        assert listed(root) == image_folder(root)


# ---- tensors ----

def test_tensors_are_those_of_pillow_and_numpy(tmp_path):
    rng = np.random.default_rng(SEED)
    for i, (width, height) in enumerate([(640, 480), (33, 500), (224, 224), (31, 30), (1, 1), (300, 17)]):
        folder = tmp_path / "ab"[i % 2]
        folder.mkdir(exist_ok=True)
        picture = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        picture.save(folder / f"{i}.{['png', 'jpg', 'bmp'][i % 3]}")
    for side in (224, 64):
        got = np.frombuffer(tool("tensors", tmp_path, str(side)), np.float32).reshape(-1, 3, side, side)
        samples = image_folder(tmp_path)[1]
        assert len(got) == len(samples)
        for tensor, (_, path) in zip(got, samples, strict=True):
            pixels = np.asarray(Image.open(path).convert("RGB").resize((side, side), Image.BILINEAR))
            scaled = (pixels.astype(np.float64) * (1 / 255)).astype(np.float32)
            assert np.array_equal(tensor, ((scaled - MEAN) / STD).transpose(2, 0, 1)), path


# ---- augmentations ----

def hue(image, turn):
    h, s, v = image.convert("HSV").split()
    turned = np.array(h) + np.int32(turn * 255).astype(np.uint8)
    return Image.merge("HSV", (Image.fromarray(turned), s, v)).convert("RGB")


def crop(image, x, y, w, h):
    return image.crop((x, y, x + w, y + h)).resize(image.size, Image.BILINEAR)


def rotate(image, degrees):
    mean = tuple(int(m + 0.5) for m in ImageStat.Stat(image).mean)
    return image.rotate(degrees, Image.BILINEAR, fillcolor=mean)


CHANGES = {
    "flip": lambda image: image.transpose(Image.FLIP_LEFT_RIGHT),
    "crop": crop,
    "rotate": rotate,
    "brightness": lambda image, factor: ImageEnhance.Brightness(image).enhance(factor),
    "contrast": lambda image, factor: ImageEnhance.Contrast(image).enhance(factor),
    "saturation": lambda image, factor: ImageEnhance.Color(image).enhance(factor),
    "hue": hue,
}


def numbers(rng, name, width, height):
    if name == "flip":
        return []
    if name == "crop":
        w, h = rng.randint(1, width), rng.randint(1, height)
        return [rng.randint(0, width - w), rng.randint(0, height - h), w, h]
    if name == "rotate":
        return [rng.choice([rng.uniform(-10, 10), rng.uniform(-10, 10), rng.uniform(-180, 180)])]
    if name == "hue":
        return [rng.choice([0.0, 0.02, -0.02, rng.uniform(-0.02, 0.02), rng.uniform(-0.5, 0.5)])]
    return [rng.choice([0.8, 1.2, 1.0, rng.uniform(0.8, 1.2), rng.uniform(0, 3)])]


def picture(rng, width, height):
    """Noise, a smooth field, or few colours."""
    kind = rng.randrange(3)
    if kind == 0:
        return np.random.default_rng(rng.getrandbits(32)).integers(0, 256, (height, width, 3))
    y, x = np.mgrid[0:height, 0:width]
    field = np.stack([np.sin(x / rng.uniform(2, 20) + c) + np.cos(y / rng.uniform(2, 20)) for c in range(3)], -1)
    return field * 60 + 128 if kind == 1 else np.round(field) * 60 + 128


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("size", [(224, 224), (33, 32), (1, 1), (7, 64)])
def test_change_equals_pillow(name, size):
    rng = random.Random(f"{SEED} {name} {size}")
    width, height = size
    cases = [(numbers(rng, name, width, height), np.clip(picture(rng, width, height), 0, 255).astype(np.uint8))
             for _ in range(30)]
    lines = b"".join(f"{name} {' '.join(map(repr, v))}\n".encode() + p.tobytes() for v, p in cases)
    out = np.frombuffer(tool("change", str(width), str(height), data=lines), np.uint8).reshape(-1, height, width, 3)
    assert len(out) == len(cases)
    for got, (values, pixels) in zip(out, cases, strict=True):
        want = np.asarray(CHANGES[name](Image.fromarray(pixels), *values))
        assert np.array_equal(got, want), (name, values, np.argwhere(got != want)[:5])


@pytest.mark.parametrize("name, value", [("hue", 0.02), ("hue", -0.31), ("saturation", 1.17)])
def test_every_colour(name, value):
    side = 4096
    colours = np.arange(side * side, dtype=np.uint32)
    pixels = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], -1).astype(np.uint8).reshape(side, side, 3)
    out = tool("change", str(side), str(side), data=f"{name} {value}\n".encode() + pixels.tobytes())
    assert np.array_equal(np.frombuffer(out, np.uint8).reshape(pixels.shape), CHANGES[name](Image.fromarray(pixels), value))
