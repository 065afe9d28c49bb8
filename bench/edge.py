#!/usr/bin/env python3
"""Measures an edge device beside a real hub on the same machine, and says of every bar whether it is met.

    make bench ONLY=edge
    build/venv/bin/python bench/edge.py --quick
    build/venv/bin/python bench/edge.py --only footprint --only ingest --rounds 3

Rows: footprint (memory and processor time of agent, local hub and keeper), start (from the start of the agent to a module's answer),
ingest (durable QoS 1 at the local hub), spool (a million stored messages: start and drain), update (versions under load). As root.
"""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import peers
from table import alone, machine, report

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "it"))

import requests  # noqa: E402
from harness import edge, models  # noqa: E402
from harness.callers import Callers, jpeg  # noqa: E402
from harness.fleet import Fleet  # noqa: E402

PORT = 15001
NAMES = models.labels("defect", "ok", "other")
OURS = ("run", "edge-hub", "edge-keeper")
HERTZ = os.sysconf("SC_CLK_TCK")


class Local:
    """The local hub as the generator sees a server."""

    def __init__(self, device):
        self.mqtt_port, self.ca = 8883, os.path.join(device.folder, "tls", "ca.pem")
        self.process = type("Process", (), {"pid": device.child("edge-hub")})


class Bench:
    def __init__(self, args, folder):
        self.folder, self.rounds, self.seconds, self.quick = pathlib.Path(folder), args.rounds, args.seconds, args.quick
        self.hub = edge.hub_for_edges(folder)
        self.images = {tag: edge.push(self.hub, folder, "cats", tag, seed=seed, config=NAMES) for tag, seed in (("v1", 1), ("v2", 2))}
        self.count = 0

    def device(self):
        self.count += 1
        return edge.Edge(self.hub, f"cell-{self.count}")

    def deploy(self, device, tag="v1", rest_s=0.0):
        """rest_s: before it asks whether it is there, since asking costs processor time too."""
        device.deploy(edge.manifest({"cats": edge.module(self.images[tag], 5001, PORT)}))
        time.sleep(rest_s)
        device.wait_version("cats", tag)

    def leaves(self, device, count):
        """So many devices behind this edge; the file of their keys."""
        api = {"api-version": "2021-04-12"}
        scope = self.hub.get(f"/devices/{device.device}", params=api).json()["deviceScope"]
        keys = self.folder / f"leaves-{device.device}.txt"
        with open(keys, "w") as out:
            for i in range(count):
                name = f"{device.device}-leaf-{i}"
                made = self.hub.put(f"/devices/{name}", params=api, json={"deviceId": name, "deviceScope": scope})
                assert made.status_code == 200, made.text
                out.write(f"{name} {made.json()['authentication']['symmetricKey']['primaryKey']}\n")
        return keys

    def load(self, device, keys, count, *args):
        load = Fleet(Local(device), keys, count, "--host", device.address, "--hub-name", self.hub.host, "--sources", 0, *args, folder=self.folder)
        load.wait("ready", timeout_s=120)
        return load


def processes(device):
    return [pid for pid, words in device.pids().items() if any(w in words[1:3] for w in OURS)]


def pss_kib(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            total += next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
    return total


def cpu_s(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / HERTZ


def use(pids, seconds):
    """Cores of these processes during so many seconds."""
    before, begin = cpu_s(pids), time.perf_counter()
    time.sleep(seconds)
    return (cpu_s(pids) - before) / (time.perf_counter() - begin)


def footprint(bench):
    """Agent, local hub and keeper together, with one module: idle, and at 500 messages a second."""
    with bench.device() as device:
        bench.deploy(device)
        keys = bench.leaves(device, 20)
        time.sleep(5)
        pids = processes(device)
        idle = use(pids, bench.seconds)
        memory = pss_kib(pids) / 1024
        yield alone("memory idle (agent, local hub, keeper; PSS)", "MiB", memory, "< 12 MiB", memory < 12)
        yield alone("  processor idle", "cores", idle, "< 0.01", idle < 0.01)
        with bench.load(device, keys, 20) as load:
            load.rate("publish", 500)
            time.sleep(2)
            loaded = use(pids, bench.seconds)
            memory = pss_kib(pids) / 1024
            load.stop()
        yield alone("memory at 500 messages/s", "MiB", memory, "< 20 MiB", memory < 20)
        yield alone("  processor", "cores", loaded, "< 0.1", loaded < 0.1)


def start(bench):
    """Everything is killed; the agent is started; until the module answers a prediction."""
    with bench.device() as device:
        bench.deploy(device)
        took = []
        for _ in range(max(3, bench.rounds)):
            device.kill()
            for pid in device.pids():
                os.kill(pid, 9)
            edge.wait_for("all have ended", lambda: not device.pids())
            begin = time.perf_counter()
            device.start(ready=False)
            while True:
                try:
                    if requests.post(f"http://{device.address}:{PORT}/predict", data=jpeg(), headers={"Content-Type": "image/jpeg"}, timeout=5).ok:
                        break
                except requests.RequestException:
                    time.sleep(0.005)
            took.append(time.perf_counter() - begin)
        middle = statistics.median(took)
        yield alone("agent start to a module's answer, image present", "s", middle, "< 1 s", middle < 1, rounds=took)


def ingest(bench):
    """QoS 1 of 200 bytes from 20 clients of the local hub, which sends them on meanwhile."""
    with bench.device() as device:
        device.deploy(edge.manifest({}))
        keys = bench.leaves(device, 20)
        with bench.load(device, keys, 20) as load:
            for rate in (5000, 20000):
                load.rate("publish", rate)
                time.sleep(1)
                got = load.measure(bench.seconds)["publish"]
                load.rate("publish", 0)
                is_bar = rate == 5000
                yield alone(f"local hub, PUBACK p99 at {rate:,}/s, durable", "ms", got["p99_ms"], "< 20 ms" if is_bar else "",
                            got["p99_ms"] < 20 if is_bar else None)
                yield alone("  acknowledged", "/s", got["per_s"], ">= 4950" if is_bar else "", got["per_s"] >= 4950 if is_bar else None)
            load.wait_acked()


def restart_s(device):
    """The local hub is killed; seconds until it listens again, without the agent's part."""
    os.kill(device.child("edge-hub"), 9)
    seen = len(device.log())
    edge.wait_for("it listens", lambda: all(word in device.log()[seen:] for word in ("what=mqtts", "localhub_connected ms=")), 60, 0.001)
    text = device.log()[seen:]
    return float(text.partition("localhub_connected ms=")[2].split()[0]) / 1000


def spool(bench):
    """So many messages while the hub is away."""
    count = 20000 if bench.quick else 1000000
    with bench.device() as device:
        device.deploy(edge.manifest({}))
        keys = bench.leaves(device, 20)
        with bench.load(device, keys, 20) as load:
            empty = statistics.median(restart_s(device) for _ in range(3))
            edge.wait_for("all are back, with their twins", lambda: load.mark("back")["ready"] == 20, 60)
            bench.hub.stop()
            begin = time.perf_counter()
            load.tell("backlog", count // 20)
            load.wait_acked(600)
            yield alone(f"storing {count:,} messages", "/s", count / (time.perf_counter() - begin), "", None)
            status = device.status()["localHub"]["spool"]
            yield alone("  bytes on the disk for each", "", status["bytes"] / count, "", None)
            full = statistics.median(restart_s(device) for _ in range(3))
            yield alone("  more start-up time with them", "s", full - empty, "< 0.1 s", full - empty < 0.1)
            load.kill()
        bench.hub.start()
        edge.wait_for("the uplink", lambda: device.status()["isConnected"], 90)
        begin, before = time.perf_counter(), device.status()["localHub"]["spool"]["messages"]
        edge.wait_for("all are up", lambda: device.status()["localHub"]["spool"]["messages"] == 0, 600)
        rate = before / (time.perf_counter() - begin)
        yield alone("  drained upstream", "/s", rate, ">= 5000/s", rate >= 5000)


def asked(device, *args):
    """`skerry bench` on the module, with the picture's size that the callers send."""
    return [os.environ["SKERRY"], "bench", f"http://{device.address}:{PORT}", "--size", "64x64", "--json", *map(str, args)]


@contextlib.contextmanager
def steady(device, per_s, seconds):
    """So many requests a second from an open loop, for at least so long; what it found in the end, in the list."""
    found = []
    process = subprocess.Popen(asked(device, "--rate", per_s, "-d", seconds), stdout=subprocess.PIPE, text=True)
    try:
        yield found
        text = process.communicate(timeout=seconds)[0]
        found.append(json.loads(text)["runs"][0])
    finally:
        process.kill()
        process.wait()


def update(bench):
    """v1 to v2 and back at 70 % of the peak: an open loop, and two callers that count each reset, on a kept connection with pauses and on a
    fresh one for each request; nobody retries."""
    times, cycle_s = 4 if bench.quick else 50, 8
    with bench.device() as device:
        device.set_config(probationSeconds=3)
        device.stop()
        device.start()
        bench.deploy(device)
        done = subprocess.run(asked(device, "-c", 4, "-d", round(bench.seconds)), capture_output=True, text=True, check=True)
        peak = json.loads(done.stdout)["runs"][0]["requests_per_s"]
        ratios = []
        with steady(device, round(0.7 * peak), times * cycle_s + 20) as found, \
                Callers(device.address, PORT, kept=1, fresh=1, pause_s=10, rest_s=0.005) as load:
            time.sleep(6)
            for i in range(times):
                begin = time.monotonic()
                bench.deploy(device, "v2" if i % 2 == 0 else "v1", cycle_s - 1)
                time.sleep(max(0.0, begin + cycle_s - time.monotonic()))
                ratios.append(load.percentile(0.99, begin - 2, begin + 8) / max(load.percentile(0.99, begin - 5, begin), 1e-9))
        count, failed = load.done + found[0]["requests"], len(load.failures) + found[0]["errors"]
        yield alone("the peak, of 4 connections that are always busy", "/s", peak, "", None)
        yield alone("  requests a second during the updates", "/s", found[0]["requests_per_s"] + load.done / (times * cycle_s + 6), "", None)
        yield alone(f"{times} updates: requests that failed of {count:,}", "", failed, "0", failed == 0)
        middle = statistics.median(ratios)
        yield alone("  p99 of the ten seconds around a switch, to that before", "", middle, "<= 1.5", middle <= 1.5, rounds=ratios)


ROWS = {"footprint": footprint, "start": start, "ingest": ingest, "spool": spool, "update": update}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="build folder with skerry and bench/load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10, help="of each window")
    parser.add_argument("--quick", action="store_true", help="a fraction of everything: shows that it works, proves little")
    parser.add_argument("--only", action="append", choices=ROWS, metavar="NAME", help=f"one of {', '.join(ROWS)}; may be repeated")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write everything that was measured; - is stdout")
    args = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("modules have users of their own: run this as root")
    os.environ["SKERRY"] = str(args.build / "skerry")
    rows, busy, begin = [], peers.busy_s(), time.perf_counter()
    with tempfile.TemporaryDirectory(dir=args.build, ignore_cleanup_errors=True) as folder:
        bench = Bench(args, folder)
        with bench.hub:
            for name in args.only or ROWS:
                for row in ROWS[name](bench):
                    rows.append(row)
                    print(f"  {row['what']}: {row['ours']:.4g} {row['unit']}", file=sys.stderr)
    cores = (peers.busy_s() - busy) / (time.perf_counter() - begin)
    return report(rows, "Edge device: agent, local hub, keeper, updates", machine() | {"quick": args.quick, "used_cores": cores}, 0.0, args.json)


if __name__ == "__main__":
    sys.exit(main())
