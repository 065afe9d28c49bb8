#!/usr/bin/env python3
"""Measures training beside PyTorch, and says of every bar whether it is met.

    make bench ONLY=train
    build/venv/bin/python bench/train.py --quick
    build/venv/bin/python bench/train.py --only step --only memory --rounds 7 --json result.json

The peers are guide_train.py, the script that `skerry train` takes over from, and train_peers.py, its parts; they run in
build/venv-torch, which torch.sh installs. All run on one machine with the same threads, each in a process of its own; the
sides alternate in rounds, and medians are compared. README.md says how to read the table.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

import peers
import sample
import train_inputs
from table import alone, alternate, machine, report, row

ROOT = pathlib.Path(__file__).resolve().parent.parent
TORCH = ROOT / "build/venv-torch/bin/python"
FORMATS = ("contiguous", "channels_last")
SETTLE_S = 0.5  # between processes
EPOCHS = 3  # of an end-to-end run
# Set, and how many seeds: one of 364 test pictures is 0.3 points, so three runs of the small set say little.
DIGITS = {"MNIST's sample": (train_inputs.mnist, 3), "scikit-learn's digits": (train_inputs.digits, 11)}


class Bench:
    """What all rows share: the programs, the inputs, how long to measure."""

    def __init__(self, args, folder):
        self.build, self.folder = args.build.resolve(), folder
        self.rounds, self.steps, self.pictures, self.epochs = args.rounds, args.steps, args.pictures, args.digit_epochs
        self.seeds = args.seeds
        self.threads = len(os.sched_getaffinity(0))
        self.noise = []  # by run: cores that were busy with something else
        self.kept = {}  # what several rows need

    def say(self, text):
        print(f"  {text}", file=sys.stderr, flush=True)

    def once(self, name, make):
        """What make() gives, made at the first use."""
        if name not in self.kept:
            self.kept[name] = make()
        return self.kept[name]

    def photos(self):
        return self.once("photos", lambda: train_inputs.photos(self.folder / "photos", self.pictures))

    def run(self, command, on_line=None):
        """Runs a command to its end; returns what it printed. on_line(line) is called when a line comes."""
        time.sleep(SETTLE_S)
        busy, begin = peers.busy_s() - peers.children_s(), time.perf_counter()
        lines = []
        with open(self.folder / "errors.log", "w+") as log:
            process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=log, text=True, cwd=self.folder,
                                       env=peers.environment(SKERRY_CACHE_DIR=str(self.folder / "cache")))
            for line in process.stdout:
                lines.append(line)
                if on_line:
                    on_line(line)
            if process.wait() != 0:
                log.seek(0)
                raise SystemExit(f"{' '.join(map(str, command))}: status {process.returncode}\n{log.read()[-2000:]}")
        self.noise.append((peers.busy_s() - peers.children_s() - busy) / (time.perf_counter() - begin))
        return "".join(lines)

    def ours_step(self, precision):
        return json.loads(self.run([self.build / "bench/bench_step", self.threads, 32, 224, self.steps, precision]))

    def torch(self, *args):
        return json.loads(self.run([TORCH, ROOT / "bench/train_peers.py", *args, "--threads", self.threads]))

    def train(self, data, out, *more):
        """The command line that trains as the guide does, without network."""
        return [self.build / "skerry", "train", "--data-path", data, "--output-dir", out, "--weights", "none", "--threads",
                self.threads, *more]

    def guide(self, data, *more):
        return [TORCH, "-W", "ignore", ROOT / "bench/guide_train.py", "--data-path", data, "--threads", self.threads, *more]


def per_s(count, seconds):
    return count / statistics.median(seconds)


# ---- one step ----


def step_rounds(bench):
    """By side, its rounds: ours in f32, PyTorch in both layouts. Two rows are made of them."""
    sides = {"skerry": lambda: bench.ours_step("f32")}
    for layout in FORMATS:
        sides[layout] = lambda layout=layout: bench.torch("step", "--format", layout, "--steps", bench.steps)
    return bench.once("step", lambda: alternate(sides, bench.rounds))


def step(bench):
    rounds = step_rounds(bench)
    figures = {name: [per_s(32, r["seconds"]) for r in runs] for name, runs in rounds.items()}
    best = max(FORMATS, key=lambda name: statistics.median(figures[name]))
    yield row("step of ResNet-18, 224, batch 32, Adam, f32: pictures", "/s", figures["skerry"], figures[best], f"PyTorch, {best}",
              lambda r: r >= 1, ">= 1.0") | {"all_peers": {n: figures[n] for n in FORMATS},
                                             "engine": rounds["skerry"][0]["engine"]}


def memory(bench):
    """Whole processes, and what the step adds to the programs with their libraries loaded. The leaner layout counts."""
    rounds = step_rounds(bench)
    for what, pick in (("whole process", lambda r: r["peak_mb"]), ("beyond the libraries", lambda r: r["peak_mb"] - r["before_mb"])):
        figures = {name: [pick(r) for r in runs] for name, runs in rounds.items()}
        best = min(FORMATS, key=lambda name: statistics.median(figures[name]))
        yield row(f"peak memory of the same step, {what}", "MB", figures["skerry"], figures[best], f"PyTorch, {best}",
                  lambda r: r <= 1, "<= 1.0")


def bf16(bench):
    """Against our own f32; PyTorch's autocast is there for comparison."""
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    if "avx512_bf16" not in flags and "amx_bf16" not in flags:
        yield alone("the same step in bf16: this CPU has no bf16", "", None, "", None)
        return
    rounds = alternate({
        "bf16": lambda: bench.ours_step("bf16"), "f32": lambda: bench.ours_step("f32"),
        "torch": lambda: bench.torch("step", "--format", "channels_last", "--bf16", "--steps", bench.steps)}, bench.rounds)
    figures = {name: [per_s(32, r["seconds"]) for r in runs] for name, runs in rounds.items()}
    yield row("the same step in bf16: pictures", "/s", figures["bf16"], figures["f32"], "our f32", lambda r: r >= 1.7, ">= 1.7")
    yield row("the same step in bf16: pictures", "/s", figures["bf16"], figures["torch"], "PyTorch, channels_last, autocast",
              lambda r: None, "")


# ---- pictures ----


def loader(bench):
    """Without our cache: every epoch decodes."""
    folder = bench.photos()

    def ours():
        lines = bench.run([bench.build / "bench/bench_loader", folder, 224, 32, bench.threads, EPOCHS, 0]).splitlines()
        return [json.loads(line)["seconds"] for line in lines if '"epoch"' in line]

    def theirs():
        return bench.torch("loader", "--folder", folder, "--workers", 2, "--epochs", EPOCHS)["seconds"]

    rounds = alternate({"skerry": ours, "torch": theirs}, bench.rounds)
    figures = {name: [bench.pictures * EPOCHS / sum(seconds) for seconds in runs] for name, runs in rounds.items()}
    yield row("loader: 1920x1080 JPEG to normalised 224: pictures", "/s", figures["skerry"], figures["torch"],
              "DataLoader, 2 workers", lambda r: r >= 3, ">= 3")


def epoch_seconds(bench, command, begins_with=None):
    """Seconds of each epoch, as the lines come. The first one counts from the start of the process, or from the line that
    begins so."""
    marks = [time.perf_counter()]

    def on_line(line):
        if begins_with and line.startswith(begins_with):
            marks[:] = [time.perf_counter()]
        elif re.match(r"Epoch \d+/\d+, Loss: \d", line):
            marks.append(time.perf_counter())

    bench.run(command, on_line)
    return [b - a for a, b in zip(marks, marks[1:])]


def end_to_end_rounds(bench):
    folder, out = bench.photos(), bench.folder / "out"

    def ours(precision):
        shutil.rmtree(out, ignore_errors=True)
        return epoch_seconds(bench, bench.train(folder, out, "--epochs", EPOCHS, "--precision", precision))

    def theirs():
        return epoch_seconds(bench, bench.guide(folder, "--epochs", EPOCHS, "--num-workers", 2), "Classes:")

    return bench.once("end to end", lambda: alternate({
        "f32": lambda: ours("f32"), "auto": lambda: ours("auto"), "torch": theirs}, min(bench.rounds, 3)))


def end_to_end(bench):
    """The peer's first epoch begins when its modules are loaded and its model is made, ours with the process."""
    rounds = end_to_end_rounds(bench)
    for what, pick, bar in (("first epoch", lambda seconds: bench.pictures / seconds[0], 1.1),
                            ("later epochs", lambda seconds: per_s(bench.pictures, seconds[1:]), 1.15)):
        figures = {name: [pick(seconds) for seconds in runs] for name, runs in rounds.items()}
        yield row(f"training on 1920x1080 JPEGs, {what}, f32: pictures", "/s", figures["f32"], figures["torch"],
                  "guide_train.py, 2 workers", lambda r, bar=bar: r >= bar, f">= {bar}")
        yield row(f"training on 1920x1080 JPEGs, {what}, as installed: pictures", "/s", figures["auto"], figures["torch"],
                  "guide_train.py, 2 workers", lambda r: None, "")


def fifty(bench):
    """Extrapolated: time of an epoch is proportional to its pictures; first epoch and 49 later ones."""
    def minutes(seconds):
        return (seconds[0] + 49 * statistics.median(seconds[1:])) * 1000 / bench.pictures / 60

    figures = {name: [minutes(seconds) for seconds in runs] for name, runs in end_to_end_rounds(bench).items()}
    for name, what in (("f32", "f32"), ("auto", "as installed")):
        yield row(f"50 epochs of 1,000 such pictures, {what}, extrapolated", "min", figures[name], figures["torch"],
                  "guide_train.py, 2 workers", lambda r: None, "")


# ---- results ----


def accuracies(bench, data, seeds):
    """By side, the share of right answers on the test pictures for each seed."""
    options = ("--image-size", 32, "--epochs", bench.epochs)
    found = {"skerry": [], "torch": []}
    for seed in range(seeds):
        out = bench.folder / "digits-out"
        shutil.rmtree(out, ignore_errors=True)
        bench.run(bench.train(data / "train", out, *options, "--seed", seed, "--precision", "f32"))
        found["skerry"].append(json.loads(bench.run([bench.build / "skerry", "evaluate", out, data / "test", "--json"]))["accuracy"])
        text = bench.run(bench.guide(data / "train", "--test-path", data / "test", *options, "--seed", seed))
        found["torch"].append(float(re.search(r"^Accuracy: ([\d.]+)", text, re.M).group(1)))
    return found


def accuracy(bench):
    for name, (make, seeds) in DIGITS.items():
        seeds = min(seeds, bench.seeds or seeds)
        found = accuracies(bench, make(bench.folder / make.__name__), seeds)
        ours, theirs = (100 * statistics.mean(found[side]) for side in ("skerry", "torch"))
        spread = 200 * statistics.stdev(found["torch"]) if seeds > 1 else 0
        slack = max(1, spread)
        yield alone(f"{name}, ResNet-18 at 32, {bench.epochs} epochs, {seeds} seeds: accuracy", "%", ours,
                    f">= -{slack:.1f} points", ours >= theirs - slack, peer=theirs, peer_name="guide_train.py", rounds=found)


def synthetic(bench):
    """The pictures of `skerry sample-data`: too hard for a linear classifier, easy for a network."""
    yield from sample.rows(bench.build / "skerry", bench.folder)


def onnx_sessions(bench):
    """By side, a session on the file that it exported."""
    import onnxruntime
    few = train_inputs.photos(bench.folder / "few", 8)
    files = {"skerry": bench.folder / "few-out/model.onnx", "torch": bench.folder / "few.onnx"}
    bench.run(bench.train(few, bench.folder / "few-out", "--epochs", 1))
    bench.run(bench.guide(few, "--epochs", 1, "--output", files["torch"]))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = bench.threads
    return {name: onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]) for name, path in files.items()}


def onnx(bench):
    """Both sessions are open; rounds of half a second."""
    sessions = onnx_sessions(bench)
    for batch in (1, 32):
        pictures = np.random.default_rng(0).standard_normal((batch, 3, 224, 224), np.float32)

        def seconds(session):
            times = []
            while sum(times) < 0.5 or len(times) < 4:
                begin = time.perf_counter()
                session.run(None, {"input": pictures})
                times.append(time.perf_counter() - begin)
            return statistics.median(times[1:])

        rounds = alternate({name: lambda s=s: seconds(s) * 1e3 for name, s in sessions.items()}, max(9, bench.rounds))
        yield row(f"exported file in ONNX Runtime, batch {batch}", "ms", rounds["skerry"], rounds["torch"],
                  "torch.onnx.export", lambda r: r <= 1.05, "<= 1.05")


ROWS = {"step": step, "memory": memory, "bf16": bf16, "loader": loader, "end-to-end": end_to_end, "fifty": fifty,
        "onnx": onnx, "synthetic": synthetic, "accuracy": accuracy}


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="build folder with skerry and bench/")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8, help="measured in each process")
    parser.add_argument("--pictures", type=int, default=256, help="of 1920x1080")
    parser.add_argument("--digit-epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=0, help="at most so many for each set of digits; 0: 3 and 11")
    parser.add_argument("--quick", action="store_true", help="a fraction of everything: shows that it works, proves little")
    parser.add_argument("--only", action="append", choices=ROWS, metavar="NAME", help=f"one of {', '.join(ROWS)}; may be repeated")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write everything that was measured; - is stdout")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.steps, args.pictures, args.digit_epochs, args.seeds = 2, 3, 64, 2, 1
    return args


def main():
    args = parse_args()
    subprocess.run([ROOT / "bench/torch.sh"], check=True)
    rows = []
    with tempfile.TemporaryDirectory(prefix="skerry-bench-") as folder:
        bench = Bench(args, pathlib.Path(folder))
        for name in args.only or ROWS:
            bench.say(name)
            rows += list(ROWS[name](bench))
    about = machine() | {"rounds": args.rounds, "steps": args.steps, "pictures": args.pictures}
    heading = "{cpu}, {cores} cores, ONNX Runtime {onnxruntime}; {rounds} rounds, medians".format(**about)
    return report(rows, heading, about, max(bench.noise, default=0.0), args.json)


if __name__ == "__main__":
    sys.exit(main())
