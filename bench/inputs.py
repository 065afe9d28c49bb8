"""Models and pictures of the benches: made anew in a temporary folder, the same bytes every time."""

import importlib.util
import io
import json
import pathlib

import numpy as np
import onnx
from PIL import Image, ImageOps

import make_resnet18

ROOT = pathlib.Path(__file__).resolve().parent.parent
TINY_MODEL = ROOT / "tests/data/models/scores.onnx"
LABELS = ["defect", "ok"]  # those of score.py, in its order
CHECK_SIZES = [(1920, 1080), (640, 480), (224, 224), (97, 61), (31, 400)]


def bundle(folder):
    """ResNet-18 with the preprocessing of score.py: squash to 224x224 with Pillow's default filter, ImageNet's numbers."""
    folder.mkdir(parents=True)
    model = make_resnet18.build(len(LABELS), 18)
    sharpen(model.graph)
    onnx.save(model, folder / "model.onnx")
    (folder / "config.json").write_text(json.dumps({"id2label": {str(i): name for i, name in enumerate(LABELS)}}))
    (folder / "preprocessor_config.json").write_text(json.dumps({
        "do_resize": True, "size": {"height": 224, "width": 224}, "resample": int(Image.Resampling.BICUBIC),
        "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}))
    return folder


def sharpen(graph):
    """Random weights call every picture "ok", with much the same probability. So that "same label" says something, the last
    layer is stretched and centred: each label is given to about half of our pictures."""
    for tensor in graph.initializer:
        if tensor.name in ("fc.weight", "fc.bias"):
            values = onnx.numpy_helper.to_array(tensor) * np.float32(4)
            if tensor.name == "fc.bias":
                values = values - np.array([0, 6.2], np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))


def photograph(name):
    """scikit-learn's china.jpg or flower.jpg, read without importing scikit-learn."""
    package = pathlib.Path(importlib.util.find_spec("sklearn").origin).parent
    return Image.open(package / "datasets/images" / name).convert("RGB")


def encoded(image, kind="JPEG", **options):
    out = io.BytesIO()
    image.save(out, kind, **({"quality": 90} if kind == "JPEG" else {}) | options)
    return out.getvalue()


def scaled(name, size):
    return photograph(name).resize(size, Image.Resampling.BICUBIC)


def load_picture(folder, size):
    """The picture that loads are made of: china.jpg scaled, JPEG, quality 90."""
    path = folder / "china-{}x{}.jpg".format(*size)
    if not path.exists():
        path.write_bytes(encoded(scaled("china.jpg", size)))
    return path


def check_pictures():
    """(what, bytes) of pictures on which both servers must agree: sizes, crops, turns, tones, and every common encoding."""
    for name in ("china.jpg", "flower.jpg"):
        photo = photograph(name)
        for size in CHECK_SIZES:
            yield f"{name} {size[0]}x{size[1]}", encoded(scaled(name, size))
        for part in range(6):
            left, top = part % 3 * 213, part // 3 * 213
            yield f"{name} part {part}", encoded(photo.crop((left, top, left + 213, top + 213)))
        yield f"{name} mirrored", encoded(ImageOps.mirror(photo))
        yield f"{name} flipped", encoded(ImageOps.flip(photo))
        yield f"{name} turned", encoded(photo.transpose(Image.Transpose.ROTATE_90))
        yield f"{name} inverted", encoded(ImageOps.invert(photo))
        yield f"{name} dark", encoded(photo.point(lambda v: v // 6))
        yield f"{name} bright", encoded(photo.point(lambda v: min(255, v * 3)))
        for what, image, kind, options in (
                ("quality 30", photo, "JPEG", {"quality": 30}),
                ("4:4:4", photo, "JPEG", {"subsampling": 0}),
                ("4:2:2", photo, "JPEG", {"subsampling": 1}),
                ("progressive", photo, "JPEG", {"progressive": True}),
                ("grey JPEG", photo.convert("L"), "JPEG", {}),
                ("CMYK JPEG", photo.convert("CMYK"), "JPEG", {}),
                ("PNG", photo, "PNG", {"compress_level": 1}),
                ("grey PNG", photo.convert("L"), "PNG", {"compress_level": 1}),
                ("palette PNG", photo.quantize(64), "PNG", {}),
                ("alpha PNG", with_alpha(photo), "PNG", {"compress_level": 1}),
                ("1-bit PNG", photo.convert("1"), "PNG", {}),
                ("BMP", photo, "BMP", {}),
                ("WebP", photo, "WEBP", {"quality": 80}),
                ("GIF", photo, "GIF", {}),
                ("TIFF", photo, "TIFF", {"compression": "tiff_lzw"})):
            yield f"{name} {what}", encoded(image, kind, **options)


def with_alpha(image):
    image = image.copy()
    image.putalpha(Image.fromarray(np.tile(np.arange(image.width, dtype=np.uint8), (image.height, 1))))
    return image
