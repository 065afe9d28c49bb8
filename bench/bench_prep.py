#!/usr/bin/env python3
"""Decode, exact resize to 224x224 and normalise one JPEG on one core: skerry beside Pillow and numpy.

    bench/bench_prep.py [--build build] [--rounds 7] [--runs 60] [--picture FILE] [--size 1920x1080] [--core 1]

Alternates the two in rounds on the same core and compares the medians; checks first that both give the same pixels
and tensor sizes. The picture is scikit-learn's china.jpg scaled to --size, quality 90, unless one is given.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import tempfile
import time

import numpy as np
from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


def picture(size):
    from sklearn.datasets import load_sample_image
    width, height = map(int, size.split("x"))
    image = Image.fromarray(load_sample_image("china.jpg")).resize((width, height), Image.BICUBIC)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()


def prepare(data):
    """What the "slow" image processors of transformers do."""
    t0 = time.perf_counter_ns()
    image = Image.open(io.BytesIO(data)).convert("RGB")
    t1 = time.perf_counter_ns()
    small = image.resize((224, 224), Image.BICUBIC)
    t2 = time.perf_counter_ns()
    values = (np.asarray(small) * (1 / 255)).astype(np.float32)
    np.ascontiguousarray(((values - MEAN) / STD).transpose(2, 0, 1))
    t3 = time.perf_counter_ns()
    return {"total": t3 - t0, "decode": t1 - t0, "resize": t2 - t1, "normalise": t3 - t2}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--picture")
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--core", type=int, default=1)
    parser.add_argument("--program", help="bench_prep itself (BUILD/bench/bench_prep)")
    args = parser.parse_args()
    data = open(args.picture, "rb").read() if args.picture else picture(args.size)
    program = args.program or os.path.join(args.build, "bench", "bench_prep")
    os.sched_setaffinity(0, {args.core % os.cpu_count()})

    ours, theirs = [], []
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        file.write(data)
        file.flush()
        for _ in range(args.rounds):
            done = subprocess.run([program, file.name, str(args.runs), "1"], capture_output=True, text=True, check=True)
            ours.append(json.loads(done.stdout))
            rows = [prepare(data) for _ in range(args.runs)]
            theirs.append({k: statistics.median(r[k] for r in rows) / 1e3 for k in rows[0]})

    print(f"{len(data)} bytes, kernels {ours[0]['kernels']}; medians in microseconds, {args.rounds} rounds of {args.runs}")
    print(f"{'':10} {'skerry':>9} {'Pillow':>9} {'ratio':>7}")
    for key in ("decode", "resize", "normalise", "total"):
        a, b = (statistics.median(r[key] for r in rows) for rows in (ours, theirs))
        print(f"{key:10} {a:9.0f} {b:9.0f} {b / a:7.2f}")


if __name__ == "__main__":
    main()
