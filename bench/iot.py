#!/usr/bin/env python3
"""Measures the device half of the hub, beside mosquitto where that is fair, and says of every bar whether it is met.

    make bench ONLY=iot
    build/venv/bin/python bench/iot.py --quick
    build/venv/bin/python bench/iot.py --only ingest --rounds 5 --json result.json

A real hub with TLS on loopback, in a folder on the disk where this checkout is; hub and generator (bench/load) share the machine's cores.
README.md says how to read the table.
"""

import argparse
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import peers
from table import alone, alternate, machine, report, row

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "it"))

from harness import faults, fleet  # noqa: E402
from harness.fleet import Fleet  # noqa: E402
from harness.hub import Hub  # noqa: E402

API = {"api-version": "2021-04-12"}
MEMORY = "mosquitto, which acknowledges from memory"
STEADY_S = 3  # after everybody is connected


def pss_kib(pid):
    for line in open(f"/proc/{pid}/smaps_rollup"):
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def slab_kib():
    """Of the kernel, which has its part of every connection."""
    return next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("Slab:"))


class Mosquitto:
    """The peer: without a password, without persistence, over TLS with the hub's certificate."""

    def __init__(self, folder, hub):
        self.port = self.mqtt_port = peers.free_port()
        self.ca = hub.ca
        conf = folder / "mosquitto.conf"
        conf.write_text(f"listener {self.port} 127.0.0.1\ncertfile {hub.data_dir}/tls/server.pem\nkeyfile {hub.data_dir}/tls/server.pem\n"
                        "allow_anonymous true\npersistence false\nmax_connections -1\nset_tcp_nodelay true\nlog_type none\nuser root\n")
        self.process = subprocess.Popen(["mosquitto", "-c", str(conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_port(self.port, self.process)


class Null:
    """A server that keeps nothing: what the generator itself can reach."""

    def __init__(self, hub):
        self.ca = hub.ca
        self.process = subprocess.Popen([fleet.tool("null_mqtt"), "--cert", f"{hub.data_dir}/tls/server.pem"], stdout=subprocess.PIPE, text=True)
        self.port = self.mqtt_port = int(self.process.stdout.readline().removeprefix("port="))


def wait_port(port, process):
    for _ in range(200):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit("mosquitto did not start: is it installed (make deps-test)?")


def end(server):
    server.process.kill()
    server.process.wait()


class Bench:
    def __init__(self, args, folder):
        self.folder, self.rounds, self.quick, self.seconds = folder, args.rounds, args.quick, args.seconds
        self.noise, self.windows = [], []

    def say(self, text):
        print(f"  {text}", file=sys.stderr, flush=True)

    def hub(self, devices, *args, edge=False):
        """A new one with so many devices; its keys."""
        place = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        return faults.start(place, place, devices, *args, edge=edge)

    def fleet(self, server, keys, devices, *args, **kwargs):
        load = Fleet(server, keys, devices, *args, folder=self.folder, **kwargs)
        load.wait("ready", timeout_s=300)
        return load

    def window(self, load, server, seconds, **rates):
        """One measured window at these rates, and what others took of the machine meanwhile."""
        for kind, per_s in rates.items():
            load.rate(kind, per_s)
        time.sleep(1)
        busy, begin = peers.busy_s(), time.perf_counter()
        result = load.measure(seconds)
        took = time.perf_counter() - begin
        self.noise.append(max(0.0, (peers.busy_s() - busy) / took - result["own_cores"] - result["hub_cores"]))
        for kind in rates:
            load.rate(kind, 0)
        self.windows.append(result)
        return result


# ---- ingest ----

def ingest(bench):
    """QoS 1, 200 bytes, 1,000 devices over TLS: p99 of PUBACK at two rates, and the most that is acknowledged."""
    devices = 100 if bench.quick else 1000
    hub, keys = bench.hub(devices)
    with hub:
        null, broker = Null(hub), Mosquitto(bench.folder, hub)
        sides = {"ours": (hub, ()), "mosquitto": (broker, ("--no-twins",)), "null": (null, ("--no-twins",))}
        for rate, bar in ((5000, 10), (15000, 50)):
            def side(server, args):
                with bench.fleet(server, keys, devices, *args) as load:
                    return bench.window(load, server, bench.seconds, publish=rate)
            got = alternate({name: lambda s=s: side(*s) for name, s in sides.items()}, bench.rounds)
            p99 = {name: [w["publish"]["p99_ms"] for w in windows] for name, windows in got.items()}
            middle = statistics.median(p99["ours"])
            rates = [w["publish"]["per_s"] for w in got["ours"]]
            yield row(f"PUBACK p99 at {rate:,}/s", "ms", p99["ours"], p99["mosquitto"], MEMORY, lambda _: middle < bar, f"< {bar} ms")
            yield alone(f"  acknowledged, durable, at {rate:,}/s", "/s", statistics.median(rates), f">= {0.99 * rate:.0f}",
                        statistics.median(rates) >= 0.99 * rate, rounds=rates)
            yield alone("  p99 of the generator against a server that keeps nothing", "ms", statistics.median(p99["null"]), "", None)
            for name in ("hub", "own"):
                cores = statistics.median(w[f"{name}_cores"] for w in got["ours"])
                yield alone(f"  cores of the {'hub' if name == 'hub' else 'generator'}", "", cores, "", None)
        yield from most(bench, sides, keys, devices)
        end(null)
        end(broker)


def most(bench, sides, keys, devices):
    """More than can be done: what is acknowledged a second."""
    def side(server, args):
        with bench.fleet(server, keys, devices, *args) as load:
            return bench.window(load, server, min(5, bench.seconds), publish=100000)["publish"]["per_s"]
    got = alternate({name: lambda s=s: side(*s) for name, s in sides.items()}, bench.rounds)
    yield row("most messages acknowledged, durable", "/s", got["ours"], got["mosquitto"], MEMORY, lambda _: None, "")
    yield alone("  the same of the server that keeps nothing", "/s", statistics.median(got["null"]), "", None)


# ---- connections ----

def memory_of(bench, server, keys, devices, *args, **kwargs):
    """KiB of the server, and of the kernel, for each connected device; seconds to connect all."""
    before, slab = pss_kib(server.process.pid), slab_kib()
    begin = time.perf_counter()
    with bench.fleet(server, keys, devices, *args, **kwargs) as load:
        took = time.perf_counter() - begin
        time.sleep(STEADY_S)
        return (pss_kib(server.process.pid) - before) / devices, (slab_kib() - slab) / devices, took, load.stop()


def connections(bench):
    """10,000 devices over TLS with the SDK's four subscriptions; 1,000 over WebSocket."""
    devices, sockets = (500, 100) if bench.quick else (10000, 1000)
    hub, keys = bench.hub(devices)
    with hub:
        broker = Mosquitto(bench.folder, hub)
        ours, slab, took, last = memory_of(bench, hub, keys, devices)
        peer, _, peer_took, _ = memory_of(bench, broker, keys, devices, "--no-twins")
        end(broker)
        yield row(f"memory for each of {devices:,} TLS devices", "KiB", [ours], [peer], "mosquitto", lambda _: ours <= 25, "<= 25 KiB")
        yield alone("  the kernel's, both ends", "KiB", slab, "", None)
        yield row(f"connecting {devices:,} devices at once", "s", [took], [peer_took], "mosquitto", lambda _: None, "")
        yield alone("  refused, out of order, lost sessions", "", sum(last[k] for k in ("refused", "disorder", "sessions_lost")), "0",
                    not any(last[k] for k in ("refused", "disorder", "sessions_lost")))
        hub.restart()
        newer, _, _, _ = memory_of(bench, hub, keys, devices, "--tls", "1.3")
        yield alone(f"memory for each of {devices:,} TLS 1.3 devices", "KiB", newer, "<= 25 KiB", newer <= 25)
        hub.restart()
        socket_kib, _, _, _ = memory_of(bench, hub, keys, sockets, "--websocket", port=hub.port)
        yield alone(f"memory for each of {sockets:,} WebSocket clients", "KiB", socket_kib, "<= 48 KiB", socket_kib <= 48)


def reconnect(bench):
    """kill -9 of the hub with all connected, under load; from its start until all are ready."""
    devices = 500 if bench.quick else 10000
    hub, keys = bench.hub(devices)
    took, lost = [], 0
    with hub:
        for i in range(bench.rounds):
            after = faults.last_number(hub)
            with bench.fleet(hub, keys, devices, "--opening", 10000, seed=i + 1) as load:
                load.rate("publish", 500)
                load.rate("report", 100)
                time.sleep(2)
                hub.kill()
                begin, seen = time.monotonic(), load.count()
                hub.start()
                load.wait("ready", seen, timeout_s=120)
                took.append(time.monotonic() - begin)
                try:
                    faults.finish(hub, load, after, False)
                except AssertionError as e:
                    bench.say(str(e))
                    lost += 1
        middle = statistics.median(took)
        yield alone(f"all {devices:,} TLS devices back after kill -9", "s", middle, "< 30 s", middle < 30, rounds=took)
        yield alone("  rounds in which something acknowledged was lost, or a version went back", "", lost, "0", lost == 0)


# ---- twins, methods ----

def twins(bench):
    devices = 100 if bench.quick else 1000
    hub, keys = bench.hub(devices)
    with hub, bench.fleet(hub, keys, devices, "--service-port", hub.port, "--bearer", hub.tokens["owner"]) as load:
        rounds = [bench.window(load, hub, bench.seconds, get=2000, report=1000) for _ in range(bench.rounds)]
        for kind, rate in (("get", 2000), ("report", 1000)):
            p99 = [w[kind]["p99_ms"] for w in rounds]
            middle, failed = statistics.median(p99), sum(w[kind]["failed"] for w in rounds)
            what = "twin get" if kind == "get" else "reported patch, durable"
            yield alone(f"{what} p99 at {rate:,}/s, both at once", "ms", middle, "< 10 ms", middle < 10 and failed == 0, rounds=p99)
        rounds = [bench.window(load, hub, bench.seconds, method=500) for _ in range(bench.rounds)]
        p99 = [w["method"]["p99_ms"] for w in rounds]
        middle, failed = statistics.median(p99), sum(w["method"]["failed"] for w in rounds)
        yield alone("direct method, round trip p99 at 500/s", "ms", middle, "< 20 ms", middle < 20 and failed == 0, rounds=p99)
        load.stop()


# ---- a large registry ----

def query(hub, text, count=1000):
    answer = hub.post("/devices/query", params=API, json={"query": text}, headers={"x-ms-max-item-count": str(count)})
    assert answer.status_code == 200, answer.text
    return answer.json()


def timed(run):
    begin = time.perf_counter()
    result = run()
    return time.perf_counter() - begin, result


def retarget(hub, name, priority, devices):
    """A deployment that was some devices' becomes all devices'; seconds until all twins have it."""
    faults.deploy(hub, name, priority, name, "tags.line = 1")
    wait_applied(hub, name, devices // 100)
    body = {"id": name, "schemaVersion": "1.0", "content": faults.content(name), "targetCondition": "tags.line >= 0", "priority": priority,
            "labels": {}, "metrics": {"queries": {}}}
    begin = time.perf_counter()
    answer = hub.put(f"/configurations/{name}", params=API, json=body, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text
    wait_applied(hub, name, devices)
    return time.perf_counter() - begin


def wait_applied(hub, name, count):
    """Asks seldom: counting costs the hub itself a share of a second."""
    text = f"SELECT COUNT() AS n FROM devices.modules WHERE moduleId = '$edgeAgent' AND configurations.[[{name}]].status = 'Applied'"
    while query(hub, text)[0]["n"] != count:
        time.sleep(1)


def fleet100k(bench):
    """100,000 registered edge devices: memory, queries, deployments, and what messages feel of it."""
    devices, connected = (2000, 100) if bench.quick else (100000, 1000)
    bench.say(f"  registering {devices:,}")
    seconds, (hub, keys) = timed(lambda: bench.hub(devices, "--gc-grace", "1s", edge=True))
    yield alone(f"registering {devices:,} edge devices with two modules each", "s", seconds, "", None)
    with hub, bench.fleet(hub, keys, connected) as load:
        time.sleep(STEADY_S)
        mib = pss_kib(hub.process.pid) / 1024
        yield alone(f"memory, {devices:,} registered, {connected:,} connected (PSS)", "MiB", mib, "< 100 MiB", mib < 100)
        took = [timed(lambda i=i: query(hub, f"SELECT * FROM devices WHERE tags.line = {i}")) for i in range(bench.rounds)]
        assert all(len(found) == devices // 100 for _, found in took)
        middle = statistics.median(s for s, _ in took)
        yield alone(f"query by a tag, {devices // 100:,} of {devices:,} twins", "s", middle, "< 1 s", middle < 1, rounds=[s for s, _ in took])
        load.rate("publish", 500)
        time.sleep(1)
        quiet = load.measure(2 * bench.seconds)["publish"]["p99_ms"]
        yield alone("PUBACK p99 at 500/s, nothing else going on", "ms", quiet, "", None)
        retarget(hub, "first", 1, devices)  # makes the modules
        for i in range(bench.rounds):
            load.mark("retarget")
            seconds = retarget(hub, f"round-{i}", 10 + i, devices)
            during = load.mark("after")["publish"]["p99_ms"]
            yield alone(f"re-targeting a deployment to all {devices:,}", "s", seconds, "< 20 s", seconds < 20)
            yield alone("  PUBACK p99 meanwhile", "ms", during, f"<= 2 x {quiet:.1f}", during <= 2 * quiet)
        yield from disturbed(bench, hub, keys, load, quiet, connected)
        load.stop()


def disturbed(bench, hub, keys, load, quiet, first):
    """gc, and handshakes, beside messages."""
    others = 300 if bench.quick else 10000
    load.mark("gc")
    for _ in range(3):
        done = hub.cli("hub", "gc", "--data-dir", hub.data_dir, "--grace", "0")
        assert done.returncode == 0, done.stderr
    time.sleep(1)
    during = load.mark("rest")["publish"]["p99_ms"]
    yield alone("  PUBACK p99 while gc runs three times", "ms", during, f"<= 2 x {quiet:.1f}", during <= 2 * quiet)
    load.mark("handshakes")
    with bench.fleet(hub, keys, min(others, 18000 - first), "--opening", 10000, first=first, nice=10) as storm:
        during = load.mark("after")["publish"]["p99_ms"]
        storm.stop()
    yield alone(f"  PUBACK p99 while {others:,} devices connect", "ms", during, f"<= 2 x {quiet:.1f}", during <= 2 * quiet)


ROWS = {"ingest": ingest, "connections": connections, "reconnect": reconnect, "twins": twins, "registry": fleet100k}


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="build folder with skerry and bench/load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10, help="of each window")
    parser.add_argument("--quick", action="store_true", help="a fraction of everything: shows that it works, proves little")
    parser.add_argument("--only", action="append", choices=ROWS, metavar="NAME", help=f"one of {', '.join(ROWS)}; may be repeated")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write everything that was measured; - is stdout")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.seconds = 1, 2
    return args


def main():
    args = parse_args()
    os.environ["SKERRY"] = str(args.build.resolve() / "skerry")
    os.environ.pop("REQUESTS_CA_BUNDLE", None)
    rows = []
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-iot-", dir=ROOT / "build") as folder:
        bench = Bench(args, pathlib.Path(folder))
        for name in args.only or ROWS:
            bench.say(name)
            for line in ROWS[name](bench):
                bench.say("    {what}: {ours:.3g} {unit}".format(**line))
                rows.append(line)
    about = machine() | {"rounds": args.rounds, "seconds": args.seconds, "windows": bench.windows}
    heading = "{cpu}, {cores} cores shared by hub and generator; {rounds} rounds of {seconds:g} s, medians".format(**about)
    return report(rows, heading, about, max(bench.noise, default=0.0), args.json)


if __name__ == "__main__":
    sys.exit(main())
