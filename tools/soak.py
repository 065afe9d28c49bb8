#!/usr/bin/env python3
"""Serves under changing load for a while and watches what must not change; or breaks things under devices, again and again.

    tools/soak.py [--seconds 600] [--model BUNDLE]
    tools/soak.py --faults all                   # about two hours; bench/results/iot-F7.json and so on
    tools/soak.py --faults F7,F19 [--seeds 20] [--seed 1000]
    tools/soak.py --faults edge                  # those of edge devices: E1,E3,E5 and so on; bench/results/edge-F1.json

Callers come and go (1 to 16 at a time, new count every few seconds); one in ten requests is broken on purpose, one in
twenty leaves before the answer. Every good picture must get the same answer as at the start, every bad one a 4xx,
and the server's memory after the first fifth must not have grown by more than 10 % + 8 MB at the end. Ends with
SIGTERM, which must give exit status 0.

The faults are those of tests/it/harness/faults.py, and of edge_faults.py (E1 for F1 there), with as many seeds and devices as FULL says. A seed that fails is kept with what it
said, and the others still run.
"""

import argparse
import http.client
import os
import pathlib
import random
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "it"))

import draw_pages  # noqa: E402
import real_models  # noqa: E402
from harness import edge_faults, faults  # noqa: E402
from harness.edge_site import Site  # noqa: E402
from harness.program import Server  # noqa: E402


RESULTS = os.path.join(ROOT, "bench", "results")

# fault: seeds, and what differs from the short form
FULL = {
    "F7": (500, {}),
    "F9": (50, {}),
    "F10-slow": (50, {}),
    "F10-failing": (50, {}),
    "F18": (50, {"devices": 50}),
    "F19": (10, {"devices": 10000, "opening": 10000}),
    "F22": (50, {}),
    "F24": (20, {"devices": 1000, "quiet": 100, "quiet_s": 5}),
    "F25": (50, {"devices": 100, "patches": 400}),
}
EDGE = {
    "E1": (20, {"cycles": 5, "off_s": (1, 40), "on_s": (1, 20)}),
    "E3": (30, {}),
    "E2": (3, {"steps": 80}),
    "E4": (20, {}),
    "E5": (50, {"count": 10}),
    "E8": (200, {}),
    "E9": (30, {}),
    "E10": (30, {}),
    "E11": (30, {}),
    "E12": (20, {}),
    "E13": (10, {"seconds": 60}),
    "E15": (30, {}),
    "E16": (36, {}),
    "E17": (12, {}),
    "E18": (50, {"count": 100, "seconds": 10}),
    "E28": (3, {"count": 1000000}),
    "E30": (10, {}),
}
AT_ONCE = 25  # seeds on one hub and disk
EDGE_AT_ONCE = {"E4": 5, "E15": 6, "E17": 4}  # they run side by side


def results_of(name, home, part, how):
    """One by one, of a hub, or of edge devices beside one."""
    if name in FULL:
        yield from faults.FAULTS[name](home, part, **how)
        return
    with Site() as site:
        yield from edge_faults.FAULTS[fault_of(name)](site, part, **how)


def fault_of(name):
    return "F" + name[1:] if name in EDGE else name


def run_fault(name, first, count):
    """All seeds, also behind one that fails; what each gave."""
    seeds, how = (FULL | EDGE)[name]
    todo, results = list(range(first, first + (count or seeds))), []
    while todo:
        part = todo[:EDGE_AT_ONCE.get(name, AT_ONCE)]
        with tempfile.TemporaryDirectory(dir=os.path.join(ROOT, "build"), ignore_cleanup_errors=True) as home:
            try:
                for result in results_of(name, pathlib.Path(home), list(part), how):
                    results.append(result)
                    todo.pop(0)
                    print(f"{name}  {result}", flush=True)
            except faults.Unavailable as e:
                print(f"{name}: skipped, {e}")
                return results
            except AssertionError as e:
                results.append({"seed": todo.pop(0), "failed": str(e)})
                print(f"{name}  FAILED {e}", flush=True)
    return results


def soak_faults(args):
    names = {"all": list(FULL) + list(EDGE), "edge": list(EDGE)}.get(args.faults) or args.faults.split(",")
    failed = 0
    os.makedirs(RESULTS, exist_ok=True)
    for name in names:
        results = run_fault(name, args.seed, args.seeds)
        bad = sum("failed" in r for r in results)
        failed += bad
        about = {"cores": os.cpu_count(), "load_average": os.getloadavg()[1], "how": (FULL | EDGE)[name][1]}
        kind = "edge" if name in EDGE else "iot"
        faults.write(os.path.join(RESULTS, f"{kind}-{fault_of(name)}.json"), fault_of(name), results, about)
        acked = sum(r.get("acked", 0) for r in results)
        print(f"{name}: {len(results)} seeds, {bad} failed, {acked} messages acknowledged")
    return 1 if failed else 0


class Load:
    def __init__(self, server, picture, expected):
        self.server, self.picture, self.expected = server, picture, expected
        self.good = self.bad = self.left = self.busy = 0
        self.wrong = []
        self.wanted = 1
        self.lock = threading.Lock()
        self.is_over = False

    def count(self, field, complaint=None):
        with self.lock:
            setattr(self, field, getattr(self, field) + 1)
            if complaint:
                self.wrong.append(complaint)

    def call(self, connection, dice):
        body = self.picture[:dice.randrange(len(self.picture))] if dice.random() < 0.1 else self.picture
        connection.request("POST", "/predict", body, {"Content-Type": "image/jpeg"})
        if dice.random() < 0.05:
            connection.close()
            return self.count("left")
        answer = connection.getresponse()
        text = answer.read()
        if answer.status == 503:
            return self.count("busy")
        if body is not self.picture:
            return self.count("bad", None if 400 <= answer.status < 500 else f"broken picture: HTTP {answer.status}")
        is_right = answer.status == 200 and text == self.expected
        return self.count("good", None if is_right else f"HTTP {answer.status}: {text[:200]!r}")

    def caller(self, number):
        dice = random.Random(number)
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        while not self.is_over and len(self.wrong) < 10:
            if number >= self.wanted:
                time.sleep(0.2)
                continue
            try:
                self.call(connection, dice)
            except (OSError, http.client.HTTPException) as e:
                connection.close()
                self.count("left", f"{type(e).__name__}: {e}")
        connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--model")
    parser.add_argument("--faults", metavar="NAMES", help=f"all, edge, or some of {','.join(FULL | EDGE)}")
    parser.add_argument("--seeds", type=int, help="for each fault, instead of its own number")
    parser.add_argument("--seed", type=int, default=1, help="the first one")
    args = parser.parse_args()
    if args.faults:
        return soak_faults(args)
    with tempfile.TemporaryDirectory() as home:
        model = args.model or real_models.make_bundles(os.path.join(home, "models"))["page-orientation"]
        draw_pages.main(os.path.join(home, "pages"))
        with open(os.path.join(home, "pages", "page-90.jpg"), "rb") as f:
            picture = f.read()
        server = Server(model, home=home)
        expected = server.post("/predict", data=picture, headers={"Content-Type": "image/jpeg"}).content
        load = Load(server, picture, expected)
        callers = [threading.Thread(target=load.caller, args=(i,)) for i in range(16)]
        for thread in callers:
            thread.start()
        start, dice, settled = time.monotonic(), random.Random(1), None
        while time.monotonic() - start < args.seconds and len(load.wrong) < 10 and server.is_alive():
            load.wanted = dice.choice([1, 1, 2, 4, 8, 16])
            time.sleep(min(3, args.seconds / 20))
            if settled is None and time.monotonic() - start > args.seconds / 5:
                settled = server.pss_bytes()
            print(f"{time.monotonic() - start:6.0f} s  {load.wanted:2} callers  {load.good} good  {load.bad} refused  "
                  f"{load.busy} busy  {load.left} left  {server.pss_bytes() >> 20} MB", flush=True)
        load.is_over = True
        for thread in callers:
            thread.join()
        end = server.pss_bytes()
        if settled and end > settled * 1.1 + (8 << 20):
            load.wrong.append(f"memory grew from {settled >> 20} to {end >> 20} MB")
        server.stop()
    for complaint in load.wrong:
        print(complaint)
    print(f"soak: {load.good} answers, {len(load.wrong)} wrong, {settled and settled >> 20} -> {end >> 20} MB")
    return 1 if load.wrong or not load.good else 0


if __name__ == "__main__":
    sys.exit(main())
