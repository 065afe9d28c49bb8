#!/usr/bin/env python3
"""Measures Skerry beside the server it takes over from, and says of every bar whether it is met.

    make bench
    build/venv/bin/python bench/serve.py --quick
    build/venv/bin/python bench/serve.py --only memory --only start --rounds 7 --json result.json

The peer is score.py under gunicorn, 1 worker with 4 threads and 2 workers with 2; the better one counts, row by row. All run on
one machine, with one ONNX Runtime library, one model, one picture; the sides alternate in rounds, and medians are compared. A
ratio is the median of the rounds' ratios: what slows the machine for a while slows both sides of a round. The load comes
from `skerry bench`, which sends the same bytes to both. README.md says how to read the table.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import inputs
import peers
from table import alone, alternate, machine, report, row

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEERS = ("score.py 1x4", "score.py 2x2")
SETTLE_S = 0.3  # between loads: what the last one left behind is worked off


class Bench:
    """What all rows share: the programs, the inputs, how long to measure."""

    def __init__(self, args, folder):
        self.build, self.folder = args.build.resolve(), folder
        self.rounds, self.seconds = args.rounds, args.seconds
        self.peers = peers.Peers(self.build, inputs.bundle(folder / "resnet18"), folder)
        self.model = folder / "resnet18/model.onnx"
        self.noise = []  # by load: cores that were busy with neither the server nor the load generator

    def say(self, text):
        print(f"  {text}", file=sys.stderr, flush=True)

    def tool(self, name, *args):
        command = [self.build / "bench" / name, *args]
        return json.loads(subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True,
                                         env=peers.environment()).stdout)

    def load_command(self, server, concurrency, seconds, *more):
        return [str(c) for c in (self.build / "skerry", "bench", f"http://127.0.0.1:{server.port}", "-c", concurrency,
                                 "-d", f"{seconds * 1000:.0f}ms", "--warmup", "0s", "--json", *more)]

    def load(self, server, concurrency, *more):
        """A short load that is not counted, a pause, the measured one."""
        for seconds in (min(1, self.seconds), self.seconds):
            time.sleep(SETTLE_S)
            busy, begin = peers.busy_s() - peers.children_s() - server.cpu_s(), time.perf_counter()
            done = subprocess.run(self.load_command(server, concurrency, seconds, *more), capture_output=True, text=True)
            if done.returncode != 0:
                server.fail(f"skerry bench: {done.stderr.strip() or done.stdout}")
        self.noise.append((peers.busy_s() - peers.children_s() - server.cpu_s() - busy) / (time.perf_counter() - begin))
        return json.loads(done.stdout)["runs"][0]

    def alternate(self, servers, concurrency, *more):
        """By server, the results of all rounds."""
        return alternate({s.name: lambda s=s: self.load(s, concurrency, *more) for s in servers}, self.rounds)


# ---- the rows ----


def against_score(bench, size, concurrency, pick, better, **line):
    """One load against Skerry and both peers; pick takes the figure out of a result."""
    picture = inputs.load_picture(bench.folder, size)
    with bench.peers.start("skerry") as skerry, bench.peers.start(PEERS[0]) as one, bench.peers.start(PEERS[1]) as two:
        for server in (skerry, one, two):
            server.wait_answer("/predict", *peers.multipart(picture.read_bytes()))
        results = bench.alternate([skerry, one, two], concurrency, "--image", str(picture))
    figures = {name: [pick(r) for r in runs] for name, runs in results.items()}
    best = better(PEERS, key=lambda name: statistics.median(figures[name]))
    made = row(ours=figures["skerry"], theirs=figures[best], peer=best, **line)
    return made | {"all_peers": {p: figures[p] for p in PEERS}, "stages_ms": results["skerry"][-1]["stages_ms"]}


def requests_per_s(result):
    """By Little's law: callers / mean latency. Requests in the window would leave out what was under way at its end, which
    takes more from the slower side."""
    return result["concurrency"] / result["latency_ms"]["mean"] * 1e3


def p50(result):
    return result["latency_ms"]["p50"]


def large_4(bench):
    yield against_score(bench, (1920, 1080), 4, requests_per_s, max, what="1920x1080 JPEG, concurrency 4", unit="/s",
                        bar=">= 1.75", met=lambda r: r >= 1.75)


def small_4(bench):
    yield against_score(bench, (640, 480), 4, requests_per_s, max, what="640x480 JPEG, concurrency 4", unit="/s",
                        bar=">= 1.4", met=lambda r: r >= 1.4)


def large_1(bench):
    yield against_score(bench, (1920, 1080), 1, p50, min, what="1920x1080 JPEG, concurrency 1, p50", unit="ms",
                        bar="<= 0.55", met=lambda r: r <= 0.55)


def prep(bench):
    done = subprocess.run([sys.executable, ROOT / "bench/bench_prep.py", "--rounds", str(bench.rounds), "--build", bench.build],
                          check=True, capture_output=True, text=True, env=peers.environment())
    ours, theirs, ratio = map(float, next(t for t in done.stdout.splitlines() if t.startswith("total")).split()[1:])
    yield alone("decode, resize, normalise 1920x1080, one core", "ms", ours / 1e3, ">= 4", ratio >= 4) | {
        "peer": theirs / 1e3, "peer_name": "Pillow, numpy", "ratio": ratio, "detail": done.stdout}


def peak_pss(bench, server, picture):
    """The most while serving four callers, sampled from outside; and once more when they are gone."""
    command = bench.load_command(server, 4, bench.seconds, "--image", str(picture))
    most = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as load:
        while load.poll() is None:
            time.sleep(0.1)
            most = max(most, server.pss_mb())
        if load.returncode != 0:
            server.fail("skerry bench failed")
    return max(most, server.pss_mb())


def memory(bench):
    """One server at a time: the library's pages would be shared between them, and count half."""
    picture = inputs.load_picture(bench.folder, (1920, 1080))
    figures = {"skerry": [], PEERS[0]: []}
    for _ in range(min(bench.rounds, 3)):
        for name, found in figures.items():
            with bench.peers.start(name) as server:
                server.wait_answer("/predict", *peers.multipart(picture.read_bytes()))
                found.append(peak_pss(bench, server, picture))
    yield row("memory while serving 1920x1080 (PSS of the worker)", "MB", figures["skerry"], figures[PEERS[0]], PEERS[0],
              lambda r: r <= 1 / 3, "<= 0.33")


def overhead(bench):
    """What the server adds to the run of a model that takes no time itself."""
    found, round_trips = [], []
    with bench.peers.skerry(inputs.TINY_MODEL) as server:
        server.wait_answer(*tiny_request(server))
        for _ in range(bench.rounds):
            result = bench.load(server, 1, "--v2")
            found.append(result["stages_ms"]["overhead"]["p50"] * 1e3)
            round_trips.append(result["latency_ms"]["p50"] * 1e3)
    yield alone("tiny model, binary V2, keep-alive: outside the run, p50", "us", statistics.median(found), "< 100 us",
                statistics.median(found) < 100, ours_rounds=found, round_trip_us=statistics.median(round_trips),
                stages_ms=result["stages_ms"])


def tiny_request(server):
    """path, Content-Type, body, headers of a binary V2 request to the tiny model."""
    tensor = bytes(4 * 3 * 4 * 4)
    head = json.dumps({"inputs": [{"name": "input", "shape": [1, 3, 4, 4], "datatype": "FP32",
                                   "parameters": {"binary_data_size": len(tensor)}}]}).encode()
    return (f"/v2/models/{inputs.TINY_MODEL.stem}/infer", "application/octet-stream", head + tensor,
            {"Inference-Header-Content-Length": str(len(head))})


def start(bench):
    """From the start of the process to its first answer. The first start of all, which fills the cache, is not counted."""
    request = "/predict", *peers.multipart(inputs.load_picture(bench.folder, (640, 480)).read_bytes())
    times = {"skerry": [], PEERS[0]: []}
    for i in range(bench.rounds + 1):
        for name, found in times.items():
            time.sleep(SETTLE_S)
            with bench.peers.start(name) as server:
                found.append(server.wait_answer(*request))
    first = times["skerry"].pop(0)
    times[PEERS[0]].pop(0)
    ours = statistics.median(times["skerry"])
    yield row("start to first answer, ResNet-18", "s", times["skerry"], times[PEERS[0]], PEERS[0],
              lambda r: r < 0.5 and ours < 0.5, "< 0.5, < 0.5 s") | {"first_start_s": first}


def start_tiny(bench):
    """The same with a model that loads at once, beside the three calls that nobody can do without."""
    ours, theirs, parts = [], [], None
    for _ in range(bench.rounds + 1):
        time.sleep(SETTLE_S)
        parts = bench.tool("bench_bare", bench.peers.library, "start", inputs.TINY_MODEL)
        theirs.append(parts["total_ms"])
        with bench.peers.skerry(inputs.TINY_MODEL) as server:
            ours.append(server.wait_answer(*tiny_request(server)) * 1e3)
    ours, theirs = ours[1:], theirs[1:]
    more = statistics.median(a - b for a, b in zip(ours, theirs))
    yield row("start to first answer, tiny model", "ms", ours, theirs, "dlopen, env, session", lambda r: more <= 20,
              f"+20 ms (+{more:.0f})") | {"difference_ms": more, "bare_ms": parts}


def bare(bench):
    """Pictures that have the model's size already, against ready tensors in as many sessions as there are cores."""
    picture = inputs.load_picture(bench.folder, (224, 224))
    cores = len(os.sched_getaffinity(0))
    figures = {4: [], 8: []}
    theirs = []
    with bench.peers.start("skerry") as server:
        server.wait_answer("/predict", *peers.multipart(picture.read_bytes()))
        for _ in range(bench.rounds):
            time.sleep(SETTLE_S)
            theirs.append(bench.tool("bench_bare", bench.peers.library, "throughput", bench.model, cores,
                                     bench.seconds)["runs_per_s"])
            for concurrency, found in figures.items():
                found.append(requests_per_s(bench.load(server, concurrency, "--image", str(picture))))
    for concurrency, found in figures.items():
        yield row(f"224x224 JPEG, concurrency {concurrency}, against ready tensors", "/s", found, theirs,
                  f"{cores} bare sessions", lambda r: r >= 0.9, ">= 0.9")


def equality(bench):
    """Every picture to both; softmax of the same scores must come out."""
    worst, other_label, count, classes, spread = (0.0, ""), [], 0, set(), []
    with bench.peers.start("skerry") as skerry, bench.peers.start(PEERS[0]) as score:
        request = "/predict", *peers.multipart(inputs.load_picture(bench.folder, (224, 224)).read_bytes())
        skerry.wait_answer(*request)
        score.wait_answer(*request)
        for what, picture in inputs.check_pictures():
            ours, theirs = skerry.predict(picture), score.predict(picture)
            difference = max(abs(ours["probabilities"][k] - p) for k, p in theirs["probabilities"].items())
            worst = max(worst, (difference, what))
            other_label += [what] if ours["prediction"] != theirs["prediction"] else []
            classes.add(theirs["prediction"])
            spread.append(theirs["confidence"])
            count += 1
    yield alone(f"{count} pictures: largest difference of a probability", "", worst[0], "<= 1e-4, same label",
                worst[0] <= 1e-4 and not other_label, worst=worst[1], other_label=other_label,
                predicted=sorted(classes), confidence=[min(spread), max(spread)])


ROWS = {"large-4": large_4, "small-4": small_4, "large-1": large_1, "prep": prep, "memory": memory, "overhead": overhead,
        "start": start, "start-tiny": start_tiny, "bare": bare, "equality": equality}


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="build folder with skerry and bench/")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5, help="of each measured load")
    parser.add_argument("--quick", action="store_true", help="two rounds of 2 s: shows that it works, proves little")
    parser.add_argument("--only", action="append", choices=ROWS, metavar="NAME", help=f"one of {', '.join(ROWS)}; may be repeated")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write everything that was measured; - is stdout")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.seconds = 2, 2
    return args


def main():
    args = parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="skerry-bench-") as folder:
        bench = Bench(args, pathlib.Path(folder))
        for name in args.only or ROWS:
            bench.say(name)
            rows += list(ROWS[name](bench))
    about = machine() | {"rounds": args.rounds, "seconds": args.seconds}
    heading = "{cpu}, {cores} cores, ONNX Runtime {onnxruntime}; {rounds} rounds of {seconds:g} s, medians".format(**about)
    return report(rows, heading, about, max(bench.noise, default=0.0), args.json)


if __name__ == "__main__":
    sys.exit(main())
