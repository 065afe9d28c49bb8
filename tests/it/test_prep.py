"""Preprocessing equals the published one bit for bit.

reference() below is a model, in numpy and Pillow, of what the slow (PIL) image processors of transformers do, and of
timm's evaluation transform; prep_tool is our code. Both get the same files and configurations.

The model itself was compared with the real classes of transformers, under Pillow 13.0.0, on all pictures and
configurations of this file: 4.57.6 (the slow classes) and 5.24.0 (the PIL backend, with the defaults of CLASSES written
out, since some changed) gave the same bytes wherever they accept the configuration. timm's transform is written from
its source.
"""

import io
import json
import math
import os
import random
import struct
import subprocess

import numpy as np
import pytest
from PIL import Image

from harness import program

TOOL = os.environ.get("SKERRY_PREP_TOOL", os.path.join(os.path.dirname(program.binary()), "tests", "prep", "prep_tool"))
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
HALF = ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
CLIP = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])

# class: integer size means a square, default size, default crop (0: off), default resample, default mean and std
CLASSES = {
    "ViT": (True, 224, 0, 2, HALF),
    "DeiT": (True, 256, 224, 3, HALF),
    "Beit": (True, 256, 224, 3, HALF),
    "Bit": (False, 224, 224, 3, CLIP),
    "CLIP": (False, 224, 224, 3, CLIP),
    "ConvNext": (False, 384, 0, 2, HALF),
    "PoolFormer": (False, 224, 224, 3, IMAGENET),
    "Levit": (False, 224, 224, 3, IMAGENET),
    "EfficientNet": (True, 346, 0, 0, HALF),
    "EfficientFormer": (True, 224, 224, 3, IMAGENET),
    "MobileNetV1": (False, 256, 224, 2, HALF),
    "MobileNetV2": (False, 256, 224, 2, HALF),
    "MobileViT": (False, 224, 256, 2, None),
    "Pvt": (True, 224, 0, 2, IMAGENET),
    "Segformer": (True, 512, 0, 2, IMAGENET),
    "Siglip": (True, 224, 0, 3, HALF),
    "DPT": (True, 384, 0, 3, HALF),
    "Blip": (True, 384, 0, 3, CLIP),
    "": (True, 224, 0, 2, IMAGENET),
}


# ---- the model ----

def class_of(config):
    name = config.get("image_processor_type") or config.get("feature_extractor_type") or ""
    for suffix in ("ImageProcessorFast", "ImageProcessorPil", "ImageProcessor", "FeatureExtractor"):
        name = name.removesuffix(suffix)
    return name


def short_side(size, n):
    h, w = size
    short, long = min(h, w), max(h, w)
    new = int(n * long / short)
    return (new, n) if w <= h else (n, new)


def short_long(size, n, limit):
    h, w = size
    raw = None
    if max(h, w) / min(h, w) * n > limit:
        raw = limit * min(h, w) / max(h, w)
        n = int(round(raw))
    if (h <= w and h == n) or (w <= h and w == n):
        return h, w
    exact = n if raw is None else raw
    return (int(exact * h / w), n) if w < h else (n, int(exact * w / h))


def target(size_field, size):
    """Height and width after the resize, for a size dictionary."""
    h, w = size
    if size_field.get("shortest_edge") and size_field.get("longest_edge"):
        return short_long(size, size_field["shortest_edge"], size_field["longest_edge"])
    if size_field.get("shortest_edge"):
        return short_side(size, size_field["shortest_edge"])
    if size_field.get("max_height"):
        scale = min(size_field["max_height"] / h, size_field["max_width"] / w)
        return int(h * scale), int(w * scale)
    return size_field["height"], size_field["width"]


def size_dict(size, is_square):
    if isinstance(size, int):
        return {"height": size, "width": size} if is_square else {"shortest_edge": size}
    if isinstance(size, list):
        return {"height": size[0], "width": size[1]}
    return size


def crop_axis(pixels, axis, crop, front):
    """The middle `crop` of an axis; front(rest) says how many black pixels go in front of a shorter one."""
    have = pixels.shape[axis]
    if have >= crop:
        start = (have - crop) // 2
        return pixels.take(range(start, start + crop), axis)
    pad = [(0, 0)] * 3
    pad[axis] = (front(crop - have), crop - have - front(crop - have))
    return np.pad(pixels, pad)


def centre_crop(pixels, height, width):
    for axis, crop in ((0, height), (1, width)):
        pixels = crop_axis(pixels, axis, crop, lambda rest: math.ceil(rest / 2))
    return pixels


def resize(image, size, resample):
    return np.array(image.resize((size[1], size[0]), resample))


def convnext(config, image, resample):
    n = size_dict(config.get("size", 384), False)["shortest_edge"]
    if n >= 384:
        return resize(image, (n, n), resample)
    short = int(n / config.get("crop_pct", 224 / 256))
    return centre_crop(resize(image, short_side((image.height, image.width), short), resample), n, n)


def resized(config, name, image, resample):
    is_square, default = CLASSES[name][:2]
    size = size_dict(config.get("size", default), is_square)
    shape = (image.height, image.width)
    if name == "Levit" and "shortest_edge" in size:
        return resize(image, short_side(shape, int((256 / 224) * size["shortest_edge"])), resample)
    if name == "PoolFormer":
        pct = config.get("crop_pct", 0.9)
        if "shortest_edge" in size or size["height"] == size["width"]:
            return resize(image, short_side(shape, int(size.get("shortest_edge", size.get("height")) / pct)), resample)
        return resize(image, (int(size["height"] / pct), int(size["width"] / pct)), resample)
    return resize(image, target(size, shape), resample)


def pixels_of(config, image):
    """Resize and crop: uint8, height x width x 3."""
    name = class_of(config)
    crop_default = CLASSES[name][2]
    resample = config.get("resample", CLASSES[name][3])
    pixels = np.array(image)
    if name == "ConvNext":
        return convnext(config, image, resample) if config.get("do_resize", True) else pixels
    if config.get("do_resize", True):
        pixels = resized(config, name, image, resample)
    if config.get("do_center_crop", crop_default > 0):
        crop = size_dict(config.get("crop_size", crop_default or 289), True)
        pixels = centre_crop(pixels, crop["height"], crop["width"])
    return pixels


def values_of(config, pixels):
    """Rescale and normalise: float32."""
    name = class_of(config)
    x = pixels.astype(np.float32)
    if config.get("do_rescale", True):
        x = (pixels.astype(np.float64) * config.get("rescale_factor", 1 / 255)).astype(np.float32)
        if config.get("rescale_offset", False):
            x = x - 1
    mean, std = CLASSES[name][4] or HALF
    mean = np.array(config.get("image_mean", mean), np.float32)
    std = np.array(config.get("image_std", std), np.float32)
    if config.get("do_normalize", name != "MobileViT"):
        x = (x - mean) / std
    if config.get("include_top", name == "EfficientNet"):
        x = (x - np.float32(0)) / std
    if config.get("do_flip_channel_order", name == "MobileViT"):
        x = x[..., ::-1]
    return x


def timm_pixels(cfg, image):
    _, height, width = cfg["input_size"]
    resample = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}[
        cfg.get("interpolation", "bicubic")]
    pct = cfg.get("crop_pct", 0.875)
    scaled = (math.floor(height / pct), math.floor(width / pct))
    if cfg.get("crop_mode", "center") == "center":
        scaled = short_side((image.height, image.width), scaled[0])
    pixels = resize(image, scaled, resample)
    for axis, crop in ((0, height), (1, width)):
        have = pixels.shape[axis]
        if have >= crop:
            start = int(round((have - crop) / 2.0))
            pixels = pixels.take(range(start, start + crop), axis)
        else:
            pixels = crop_axis(pixels, axis, crop, lambda rest: rest // 2)
    return pixels


def timm_values(cfg, pixels):
    x = pixels.astype(np.float32) / np.float32(255)
    mean, std = (np.array(cfg.get(key, default), np.float32) for key, default in zip(("mean", "std"), IMAGENET))
    return (x - mean) / std


def is_timm(config):
    return "input_size" in config.get("pretrained_cfg", config)


def reference(config, image, dtype="FP32", layout="nchw"):
    """The tensor of one picture."""
    if is_timm(config):
        cfg = config.get("pretrained_cfg", config)
        pixels = timm_pixels(cfg, image)
        x = pixels if dtype == "UINT8" else timm_values(cfg, pixels)
    else:
        pixels = pixels_of(config, image)
        x = pixels if dtype == "UINT8" else values_of(config, pixels)
    x = x.astype({"FP32": np.float32, "FP16": np.float16, "UINT8": np.uint8}[dtype])
    return np.ascontiguousarray(x.transpose(2, 0, 1) if layout == "nchw" else x)


# ---- pictures and configurations ----

SIZES = [(1, 1), (1, 9), (9, 1), (31, 40), (40, 31), (100, 99), (224, 224), (225, 223), (256, 340), (500, 375), (375, 500),
         (640, 427), (333, 1000)]


def draw(width, height, seed):
    """Edges, gradients and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    picture = np.stack([x * 7 + y * 3, (x ^ y) * 5, (x // 5 + y // 3) % 2 * 255], 2) % 256
    noise = rng.integers(-60, 60, (height, width, 3))
    return Image.fromarray(np.clip(picture + noise, 0, 255).astype(np.uint8))


REAL = {
    "microsoft/resnet-50": {
        "crop_pct": 0.875, "do_normalize": True, "do_resize": True, "feature_extractor_type": "ConvNextFeatureExtractor",
        "image_mean": IMAGENET[0], "image_std": IMAGENET[1], "resample": 3, "size": 224},
    "google/vit-base-patch16-224": {
        "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": HALF[0], "image_std": HALF[1],
        "image_processor_type": "ViTImageProcessor", "resample": 2, "rescale_factor": 0.00392156862745098,
        "size": {"height": 224, "width": 224}},
    "facebook/convnext-tiny-224": {
        "crop_pct": 0.875, "do_normalize": True, "do_rescale": True, "do_resize": True,
        "image_processor_type": "ConvNextImageProcessor", "image_mean": IMAGENET[0], "image_std": IMAGENET[1],
        "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 224}},
    "facebook/deit-base-distilled-patch16-224": {
        "crop_size": 224, "do_center_crop": True, "do_normalize": True, "do_resize": True,
        "feature_extractor_type": "DeiTFeatureExtractor", "image_mean": IMAGENET[0], "image_std": IMAGENET[1],
        "resample": 3, "size": 256},
    "timm crop_pct 0.95": {
        "architecture": "resnet50", "num_classes": 1000, "pretrained_cfg": {
            "input_size": [3, 224, 224], "interpolation": "bicubic", "crop_pct": 0.95, "crop_mode": "center",
            "mean": IMAGENET[0], "std": IMAGENET[1]}},
}

HAND = {
    "no fields": {},
    "class defaults": {"image_processor_type": "DeiTImageProcessor"},
    "shortest edge alone": {"size": {"shortest_edge": 64}},
    "shortest and longest edge": {"size": {"shortest_edge": 64, "longest_edge": 96}},
    "longest edge rounds half": {"size": {"shortest_edge": 50, "longest_edge": 51}},
    "fits a box": {"size": {"max_height": 70, "max_width": 50}},
    "list": {"size": [48, 64]},
    "no resize": {"do_resize": False},
    "no resize, crop pads": {"do_resize": False, "do_center_crop": True, "crop_size": {"height": 101, "width": 60}},
    "crop larger than the picture": {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 32},
                                     "crop_size": {"height": 47, "width": 60}},
    "odd differences": {"image_processor_type": "CLIPFeatureExtractor", "size": 65, "crop_size": 32},
    "no rescale": {"do_rescale": False},
    "no normalise": {"do_normalize": False},
    "neither": {"do_rescale": False, "do_normalize": False, "size": 32},
    "other factor": {"image_processor_type": "EfficientNetImageProcessor", "rescale_factor": 0.00784313725490196,
                     "rescale_offset": True, "do_normalize": False, "include_top": False, "size": 64},
    "scalar mean": {"image_mean": 0.1, "image_std": 0.7},
    "named filter": {"resample": 1},
    "384 is squashed": {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 384}},
    "383 is cropped": {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 383}},
    "EfficientNet": {"image_processor_type": "EfficientNetImageProcessor", "size": {"height": 64, "width": 60},
                     "image_mean": IMAGENET[0], "image_std": [0.47853944, 0.4732864, 0.47434163]},
    "MobileViT": {"image_processor_type": "MobileViTImageProcessor", "size": {"shortest_edge": 100},
                  "crop_size": {"height": 90, "width": 130}},
    "Levit": {"image_processor_type": "LevitImageProcessor"},
    "PoolFormer": {"image_processor_type": "PoolFormerImageProcessor", "crop_pct": 0.95, "size": {"shortest_edge": 60},
                   "crop_size": {"height": 60, "width": 60}},
    "timm squash": {"input_size": [3, 60, 84], "crop_mode": "squash", "crop_pct": 0.9, "interpolation": "bilinear"},
    "timm odd": {"input_size": [3, 63, 63], "crop_pct": 0.9},
    "timm whole": {"input_size": [3, 64, 64], "crop_pct": 1.0, "interpolation": "lanczos", "mean": HALF[0], "std": HALF[1]},
    "timm more than whole": {"input_size": [3, 65, 65], "crop_pct": 1.1},
}


def generated(count, seed=20260):
    """Random configurations; the seed is part of the test's name."""
    rng = random.Random(seed)
    some = [n for n in CLASSES if n not in ("ConvNext", "PoolFormer", "EfficientNet")]
    for i in range(count):
        name = rng.choice(list(CLASSES))
        config = {"resample": rng.randrange(6)}
        if name:
            config["image_processor_type"] = name + rng.choice(["ImageProcessor", "ImageProcessorFast"])
        a, b = rng.randrange(8, 260), rng.randrange(8, 260)
        forms = [a, {"shortest_edge": a}]
        if name in some:
            forms += [{"height": a, "width": b}]
        if name == "ConvNext" and isinstance(rng.choice(forms), int):
            config["crop_pct"] = rng.uniform(0.5, 1.0)
        if name in ("ViT", "EfficientNet", "Pvt", "Siglip", "DPT", "Blip", "Segformer", "Beit", "DeiT"):
            forms = [a, {"height": a, "width": b}]  # the only forms these classes take
        if name == "Siglip":
            forms = forms[1:]
        config["size"] = rng.choice(forms)
        if CLASSES[name][2] and rng.random() < 0.7:
            config["do_center_crop"] = rng.random() < 0.8
            config["crop_size"] = rng.choice([b, {"height": b, "width": rng.randrange(8, 260)}])
        if rng.random() < 0.3:
            config["rescale_factor"] = rng.uniform(0.001, 0.02)
        if rng.random() < 0.5 and name != "MobileViT":
            config["image_mean"] = [rng.random() for _ in range(3)]
            config["image_std"] = [rng.uniform(0.1, 1) for _ in range(3)]
        if rng.random() < 0.1 and name != "MobileViT":
            config["do_normalize"] = False
        if rng.random() < 0.1:
            config["do_rescale"] = False
        yield f"generated {i}: {json.dumps(config)}", config


# ---- comparing ----

@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Files and what Pillow sees in them."""
    folder = tmp_path_factory.mktemp("pictures")
    made = []
    for i, (width, height) in enumerate(SIZES):
        path = folder / f"{width}x{height}.png"
        draw(width, height, i).save(path)
        made.append(str(path))
    jpeg = folder / "photo.jpg"
    draw(641, 479, 99).save(jpeg, quality=88)
    made.append(str(jpeg))
    return [(path, Image.open(path).convert("RGB")) for path in made]


def run_tool(config_path, paths, dtype="FP32", layout="nchw", height=0, width=0):
    """One array per picture; None for one that failed."""
    done = subprocess.run([TOOL, config_path, dtype, layout, str(height), str(width), *paths], capture_output=True)
    status, said, stdout = done.returncode, done.stderr.decode(), done.stdout
    program.assert_clean(said)
    assert status == 0, said
    kind = np.dtype({"FP32": np.float32, "FP16": np.float16, "UINT8": np.uint8}[dtype])
    out, at = [], 0
    for _ in paths:
        h, w = struct.unpack_from("=II", stdout, at)
        array = np.frombuffer(stdout, kind, 3 * h * w, at + 8)
        out.append(array.reshape((3, h, w) if layout == "nchw" else (h, w, 3)) if h else None)
        at += 8 + array.nbytes
    assert at == len(stdout)
    return out


def compare(tmp_path, name, config, pictures, dtype="FP32", layout="nchw"):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    for (file, image), got in zip(pictures, run_tool(str(path), [p for p, _ in pictures], dtype, layout)):
        want = reference(config, image, dtype, layout)
        where = f"{name}: {os.path.basename(file)}"
        assert got is not None, where
        assert got.shape == want.shape, where
        assert got.tobytes() == want.tobytes(), f"{where}: {np.count_nonzero(got != want)} of {want.size} differ"


@pytest.mark.parametrize("name", REAL)
def test_real_processors(tmp_path, name, pictures):
    compare(tmp_path, name, REAL[name], pictures)


@pytest.mark.parametrize("name", HAND)
def test_forms(tmp_path, name, pictures):
    compare(tmp_path, name, HAND[name], pictures)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("dtype, layout", [("FP32", "nhwc"), ("FP16", "nchw"), ("FP16", "nhwc"), ("UINT8", "nchw"),
                                           ("UINT8", "nhwc")])
def test_types_and_layouts(tmp_path, name, dtype, layout, pictures):
    compare(tmp_path, name, REAL[name], pictures[3:], dtype, layout)


@pytest.mark.parametrize("part", range(8))
def test_generated(tmp_path, part, pictures):
    for i, (name, config) in enumerate(generated(200)):
        if i % 8 == part:
            compare(tmp_path, name, config, pictures[i % 3::3])


def test_without_configuration(pictures):
    """The model's size, squashed with bicubic; 1/255; ImageNet."""
    config = {"size": {"height": 48, "width": 64}, "resample": 3}
    for (file, image), got in zip(pictures, run_tool("-", [p for p, _ in pictures], height=48, width=64)):
        assert got.tobytes() == reference(config, image).tobytes(), file
    config = {"size": 224, "resample": 3}
    got = run_tool("-", [pictures[0][0]])[0]
    assert got.tobytes() == reference(config, pictures[0][1]).tobytes()


def test_names_of_filters(tmp_path, pictures):
    for number, name in enumerate(["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]):
        path = tmp_path / "config.json"
        path.write_text(json.dumps({"resample": name, "size": 40}))
        got = run_tool(str(path), [pictures[5][0]])[0]
        assert got.tobytes() == reference({"resample": number, "size": 40}, pictures[5][1]).tobytes(), name


@pytest.mark.parametrize("config, height, width, message", [
    ({"size": 224}, 256, 256, "preprocessing gives 224 x 224, but the model takes 256 x 256"),
    ({"size": {"shortest_edge": 224}}, 224, 224, "depends on the picture"),
    ({"image_processor_type": "PerceiverImageProcessor"}, 0, 0, "'PerceiverImageProcessor' is not supported"),
    ({"image_processor_type": "OtherImageProcessor"}, 0, 0, "'OtherImageProcessor' is not known"),
    ({"do_pad": True}, 0, 0, "'do_pad' is not supported"),
    ({"size_divisor": 32}, 0, 0, "'size_divisor' is not supported"),
    ({"image_std": [1, 0, 1]}, 0, 0, "'image_std': 0"),
    ({"image_mean": [1, 2]}, 0, 0, "'image_mean': expected 3 numbers, got 2"),
    ({"size": "224"}, 0, 0, "'size': expected an object, got a string"),
    ({"size": {"height": 0, "width": 4}}, 0, 0, "size: 'height': 0 is not between 1 and 65500"),
    ({"resample": 7}, 0, 0, "'resample': 7 is not between 0 and 5"),
])
def test_refusals(tmp_path, config, height, width, message, pictures):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    done = subprocess.run([TOOL, str(path), "FP32", "nchw", str(height), str(width), pictures[0][0]], capture_output=True,
                          text=True)
    assert done.returncode == 1
    assert message in done.stderr


def test_broken_picture(tmp_path, pictures):
    """One that fails does not disturb the next."""
    broken = tmp_path / "broken.png"
    data = io.BytesIO()
    pictures[9][1].save(data, "PNG")
    broken.write_bytes(data.getvalue()[:2000])
    config = {"size": 32}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    first, second = run_tool(str(path), [str(broken), pictures[9][0]])
    assert first is None
    assert second.tobytes() == reference(config, pictures[9][1]).tobytes()
