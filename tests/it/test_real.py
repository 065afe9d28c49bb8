"""Real trained models on real pictures, against Pillow, numpy and ONNX Runtime driven from Python."""

import io
import json
import os

import numpy as np
import onnxruntime as ort
import pytest
from PIL import Image


def read(bundle, name):
    with open(os.path.join(bundle, name)) as f:
        return json.load(f)


def tensor(config, picture):
    """preprocessor_config.json by the published rules of the slow image processors."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    size = config["size"]
    if "shortest_edge" in size:
        w, h = image.size
        n = size["shortest_edge"]
        short, long = min(w, h), max(w, h)
        other = int(n * long / short)
        image = image.resize((n, other) if w <= h else (other, n), config["resample"])
    else:
        image = image.resize((size["width"], size["height"]), config["resample"])
    if config.get("do_center_crop"):
        w, h = image.size
        cw, ch = config["crop_size"]["width"], config["crop_size"]["height"]
        left, top = (w - cw) // 2, (h - ch) // 2
        image = image.crop((left, top, left + cw, top + ch))
    x = (np.asarray(image).astype(np.float64) * config["rescale_factor"]).astype(np.float32)
    x = (x - np.array(config["image_mean"], np.float32)) / np.array(config["image_std"], np.float32)
    return x.transpose(2, 0, 1)[None].astype(np.float32)


@pytest.mark.parametrize("name", ["page-orientation", "line-orientation"])
def test_same_numbers_as_python(serve, real_bundles, pages, china, flower, name):
    bundle = real_bundles[name]
    session = ort.InferenceSession(os.path.join(bundle, "model.onnx"), providers=["CPUExecutionProvider"])
    config = read(bundle, "preprocessor_config.json")
    labels = read(bundle, "config.json")["id2label"]
    server = serve(bundle)
    pictures = [china, flower]
    for file in sorted(os.listdir(pages)):
        with open(os.path.join(pages, file), "rb") as f:
            pictures.append(f.read())
    worst = 0
    for picture in pictures:
        expected = session.run(None, {session.get_inputs()[0].name: tensor(config, picture)})[0][0]
        answer = server.predict(picture)
        got = np.array([answer["probabilities"][labels[str(i)]] for i in range(len(labels))])
        worst = max(worst, np.abs(got - expected).max())
        assert answer["prediction"] == labels[str(int(np.argmax(expected)))]
    assert worst < 1e-5, worst


def test_they_see_what_is_there(serve, real_bundles, pages):
    """Not only the same numbers: the right answers."""
    server = serve(real_bundles["page-orientation"])
    for angle in ("0", "90", "180", "270"):
        with open(os.path.join(pages, f"page-{angle}.jpg"), "rb") as f:
            assert server.predict(f.read())["prediction"] == angle
    server = serve(real_bundles["line-orientation"])
    for angle in ("0", "180"):
        with open(os.path.join(pages, f"line-{angle}.png"), "rb") as f:
            assert server.predict(f.read())["prediction"] == angle
