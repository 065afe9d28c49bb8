#!/usr/bin/env python3
"""Measures how hard the set of `skerry sample-data` is: too hard for a linear classifier, not too hard for a network.

    make bench ONLY=train ARGS="--only synthetic"
    build/venv/bin/python bench/sample.py --json result.json       # the same without PyTorch

Linear classifiers are scikit-learn's, on all pixels at 64 x 64, grey and RGB, at several strengths of regularisation; the
best of all counts, picked on the validation pictures, which flatters them. The network is ResNet-18 from random weights
at 64 x 64, Adam at 0.001, batches of 32, trained by `skerry train` and judged by `skerry evaluate`.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
from PIL import Image
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import peers
from table import alone, machine, report

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIDE = 64
STRENGTHS = (1e-5, 1e-3, 1e-1)
LINEAR_BAR, NETWORK_BAR, MINUTES_BAR = 0.75, 0.95, 5
EPOCHS, COUNT, VAL_COUNT = 8, 2000, 400


def say(text):
    print(f"  {text}", file=sys.stderr, flush=True)


def run(*command):
    return subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, text=True, check=True, env=peers.environment()).stdout


def pixels_of(folder):
    """All pictures of a part as [n, SIDE, SIDE, 3], and whether each is whole."""
    paths = sorted(folder.glob("*/*.jpg"))
    pictures = [np.asarray(Image.open(p).resize((SIDE, SIDE), Image.BILINEAR), dtype=np.float32) for p in paths]
    return np.stack(pictures), np.array([p.parent.name == "no_defect" for p in paths])


def linear_scores(data):
    """(name, accuracy on val) of each linear classifier."""
    warnings.simplefilter("ignore", ConvergenceWarning)  # what stops early counts as it is
    train, labels = pixels_of(data / "train")
    val, truth = pixels_of(data / "val")
    for colours, pick in (("grey", lambda p: p.mean(3)), ("RGB", lambda p: p)):
        a, b = (pick(p).reshape(len(p), -1) for p in (train, val))
        scale = StandardScaler().fit(a)
        a, b = scale.transform(a), scale.transform(b)
        for strength in STRENGTHS:
            for model in (LogisticRegression(C=strength, max_iter=100), LinearSVC(C=strength, max_iter=200, dual=True)):
                name = f"{type(model).__name__}, {colours}, C {strength:g}"
                score = model.fit(a, labels).score(b, truth)
                say(f"{name}: {score:.3f}")
                yield name, score


def network_score(skerry, data, out, epochs):
    """Accuracy on val, and the seconds that training took."""
    begin = time.perf_counter()
    run(skerry, "train", "--data-path", data / "train", "--val-path", data / "val", "--output-dir", out, "--weights", "none",
        "--image-size", SIDE, "--epochs", epochs, "--schedule", "cosine", "--augment", "flip")
    seconds = time.perf_counter() - begin
    return json.loads(run(skerry, "evaluate", "--json", out, data / "val"))["accuracy"], seconds


def rows(skerry, folder, epochs=EPOCHS, count=COUNT, val_count=VAL_COUNT):
    """Lines of the table; bench/train.py has them in its own, too."""
    data = folder / "surfaces"
    begin = time.perf_counter()
    run(skerry, "sample-data", "--out", data, "--count", count, "--val-count", val_count)
    yield alone(f"making {count + val_count} pictures", "s", time.perf_counter() - begin, "", None)
    name, score = max(linear_scores(data), key=lambda pair: pair[1])
    yield alone(f"best linear classifier on pixels: {name}", "%", 100 * score, f"< {LINEAR_BAR:.0%}", score < LINEAR_BAR)
    score, seconds = network_score(skerry, data, folder / "surfaces-out", epochs)
    yield alone(f"ResNet-18 from scratch, {epochs} epochs", "%", 100 * score, f"> {NETWORK_BAR:.0%}", score > NETWORK_BAR)
    yield alone("its training", "min", seconds / 60, f"< {MINUTES_BAR}", seconds < 60 * MINUTES_BAR)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="build folder with skerry")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--quick", action="store_true", help="few pictures, one epoch: shows that it works")
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path, help="write figures to FILE, - for standard output")
    args = parser.parse_args()
    epochs, count, val_count = (1, 200, 100) if args.quick else (args.epochs, COUNT, VAL_COUNT)
    busy, begin = peers.busy_s() - peers.children_s() - time.process_time(), time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="skerry-bench-") as folder:
        found = list(rows(args.build.resolve() / "skerry", pathlib.Path(folder), epochs, count, val_count))
    noise = (peers.busy_s() - peers.children_s() - time.process_time() - busy) / (time.perf_counter() - begin)
    about = machine() | {"epochs": epochs}
    return report(found, f"Sample data on {about['cpu']}, {about['cores']} cores", about, noise, args.json)


if __name__ == "__main__":
    sys.exit(main())
