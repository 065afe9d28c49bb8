#!/usr/bin/env python3
"""Measures the hub beside its peers, and says of every bar whether it is met.

    make bench ONLY=hub
    build/venv/bin/python bench/hub.py --quick
    build/venv/bin/python bench/hub.py --only model --rounds 7 --json result.json

A real hub runs with TLS on loopback, in a folder on the disk where this checkout is. README.md says how to read the table.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

import peers
import registry
from table import alone, alternate, machine, report, row

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "it"))

from harness import program  # noqa: E402
from harness.hub import Hub  # noqa: E402

SAMPLE_S = 0.02


def pss_kb(pid):
    for line in open(f"/proc/{pid}/smaps_rollup"):
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


class Memory:
    """The most PSS of a process while the block runs, in MiB."""

    def __init__(self, pid):
        self.pid, self.most, self.is_over = pid, 0, threading.Event()

    def watch(self):
        while not self.is_over.wait(SAMPLE_S):
            self.most = max(self.most, pss_kb(self.pid) / 1024)

    def __enter__(self):
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()


class Bench:
    """What all rows share: the hub, its folder, how long to measure."""

    def __init__(self, args, folder):
        self.build, self.folder, self.rounds, self.mib = args.build.resolve(), folder, args.rounds, args.mib
        self.quick = args.quick
        self.noise = []
        self.hub = Hub(folder / "hub", home=folder)

    def say(self, text):
        print(f"  {text}", file=sys.stderr, flush=True)

    def timed(self, command, **kwargs):
        """Seconds that a command takes; it must succeed."""
        busy, begin = peers.busy_s() - peers.children_s(), time.perf_counter()
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=self.folder, **kwargs)
        seconds = time.perf_counter() - begin
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stderr[-2000:]}")
        self.noise.append(max(0.0, (peers.busy_s() - peers.children_s() - busy) / seconds - 1))  # the hub itself is one
        return seconds

    def skerry(self, *args, role="owner"):
        """Seconds that one of our commands takes against the hub."""
        return self.timed([self.build / "skerry", *args], env=program.environment(str(self.folder), self.hub.environment(role)))


# ---- models ----

def big_model(folder, mib):
    """An ONNX model whose weights are `mib` MiB of external data."""
    from onnx import TensorProto, helper
    folder.mkdir()
    data = folder / "weights.bin"
    values = mib * (1 << 20) // 4
    with open(data, "wb") as f:
        rng = np.random.default_rng(0)
        for _ in range(mib):
            f.write(rng.integers(0, 1 << 32, (1 << 20) // 4, np.uint32).tobytes())
    weight = TensorProto(name="weight", data_type=TensorProto.FLOAT, dims=[values], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": "weights.bin", "offset": "0", "length": str(values * 4)}.items():
        entry = weight.external_data.add()
        entry.key, entry.value = key, value
    graph = helper.make_graph([helper.make_node("Mul", ["input", "weight"], ["output"])], "big",
                              [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1])],
                              [helper.make_tensor_value_info("output", TensorProto.FLOAT, [values])], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return data


def model(bench):
    """Registering and downloading, beside hashing, copying and syncing the same file."""
    source = bench.folder / "big"
    data = big_model(source, bench.mib)
    counter = iter(range(1 << 20))

    def change():
        """Other contents each time, so that nothing is skipped as known."""
        with open(data, "r+b") as f:
            f.write(np.uint64(next(counter)).tobytes())

    def baseline():
        change()
        copy = bench.folder / "copy.bin"
        seconds = bench.timed(["sh", "-c", f"openssl dgst -sha256 '{data}' && cp '{data}' '{copy}' && sync"])
        copy.unlink()
        return seconds

    def register():
        change()
        return bench.skerry("model", "register", source, "--name", "big")

    def download():
        out = bench.folder / "down"
        seconds = bench.skerry("model", "download", "big", "-o", out)
        shutil.rmtree(out)
        return seconds

    with Memory(bench.hub.process.pid) as memory:
        results = alternate({"register": register, "base": baseline, "download": download}, bench.rounds)
    speed = {name: [bench.mib / s for s in seconds] for name, seconds in results.items()}
    for name in ("register", "download"):
        yield row(f"{name} a model of {bench.mib} MiB over TLS", " MiB/s", speed[name], speed["base"], "openssl dgst, cp, sync",
                  lambda ratio: ratio >= 0.5, ">= 0.5")
    yield alone("most memory of the hub meanwhile (PSS)", "MiB", memory.most, "< 64 MiB", memory.most < 64)


def idle(bench):
    """A hub that was started and asked for little."""
    bench.hub.get("/api/v1/whoami")
    time.sleep(1)
    mib = pss_kb(bench.hub.process.pid) / 1024
    yield alone("memory of an idle hub (PSS)", "MiB", mib, "< 20 MiB", mib < 20)


def package(bench):
    """A ResNet-18 as an image, the base being there already."""
    folder = bench.folder / "resnet18"
    subprocess.run([sys.executable, ROOT / "bench/make_resnet18.py", "--folder", folder], check=True, capture_output=True)
    out = bench.folder / "image"

    def once():
        shutil.rmtree(out, ignore_errors=True)
        return bench.skerry("package", folder, "-t", "resnet18:v1", "-o", out)

    once()
    seconds = sorted(once() for _ in range(bench.rounds))
    middle = seconds[len(seconds) // 2]
    yield alone("package a ResNet-18 (45 MB), base cached", "s", middle, "< 1 s", middle < 1, rounds=seconds)


def search(bench):
    """10,000 models with 10 versions each."""
    models = 500 if bench.quick else 10000
    yield from registry.rows(bench.hub, models, 10, 10 * bench.rounds, alone)


def image(bench):
    """Push and pull with skopeo, beside docker-registry."""
    import images
    yield from images.rows(bench, 40 if bench.quick else 200, row)


ROWS = {"idle": idle, "model": model, "package": package, "image": image, "search": search}


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="build folder with skerry")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mib", type=int, default=1024, help="size of the large model")
    parser.add_argument("--quick", action="store_true", help="a fraction of everything: shows that it works, proves little")
    parser.add_argument("--only", action="append", choices=ROWS, metavar="NAME", help=f"one of {', '.join(ROWS)}; may be repeated")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write everything that was measured; - is stdout")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.mib = 2, 64
    return args


def main():
    args = parse_args()
    os.environ["SKERRY"] = str(args.build.resolve() / "skerry")
    rows = []
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-hub-", dir=ROOT / "build") as folder:
        bench = Bench(args, pathlib.Path(folder))
        with bench.hub:
            for name in args.only or ROWS:
                bench.say(name)
                rows += list(ROWS[name](bench))
    about = machine() | {"rounds": args.rounds, "mib": args.mib}
    heading = "{cpu}, {cores} cores; {rounds} rounds, medians".format(**about)
    return report(rows, heading, about, max(bench.noise, default=0.0), args.json)


if __name__ == "__main__":
    sys.exit(main())
