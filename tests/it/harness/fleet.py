"""Devices by the thousand: bench/load/mqtt_load, and the book that says what the hub owes them.

    keys = fleet.make_devices(hub_folder, 1000, to=tmp / "keys")            # of a hub that is not running
    with Fleet(hub, keys, 200, seed=1, folder=tmp) as devices:
        devices.wait("ready")
        devices.rate("publish", 500)
        ...                                                                 # kill the hub, start it
        devices.wait("ready")
        devices.stop()
        fleet.check(hub, devices)                                           # nothing acknowledged is lost
"""

import collections
import json
import os
import subprocess
import threading
import time

import requests

from harness import program

WAIT_S = 90


def tool(name):
    """A program of bench/load, from the build folder of the program under test."""
    return os.path.join(os.path.dirname(os.path.abspath(program.binary())), "bench", "load", name)


def is_built():
    return os.access(tool("mqtt_load"), os.X_OK)


def make_devices(data_dir, count, to, first=0, edge=False):
    with open(to, "ab" if first else "wb") as out:
        subprocess.run([tool("make_devices"), str(data_dir), str(first), str(count), *(["edge"] if edge else [])], stdout=out, check=True)
    return str(to)


class Fleet:
    """A running generator. Its events are in `events`, in their order. nice: what `nice` adds, for devices that would elsewhere have
    processors of their own and must not take those of the devices that are measured."""

    def __init__(self, hub, keys, devices, *args, folder, seed=1, run=None, first=0, port=None, nice=0):
        self.ledger_path = os.path.join(str(folder), f"ledger-{os.getpid()}-{time.monotonic_ns()}")
        self.run = run if run is not None else time.monotonic_ns() // 1000
        self.devices, self.marks, self.events, self.changed = devices, 0, [], threading.Condition()
        words = ["nice", "-n", nice, tool("mqtt_load"), "--port", port or hub.mqtt_port, "--keys", keys, "--ca", hub.ca, "--devices", devices, "--first", first,
                 "--seed", seed, "--run", self.run, "--ledger", self.ledger_path, "--seconds", 0, "--warmup", 0, "--hub-pid", hub.process.pid,
                 *args]
        self.process = subprocess.Popen([str(w) for w in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.events.append(json.loads(line))
                self.changed.notify_all()
        with self.changed:
            self.events.append({"event": "over"})
            self.changed.notify_all()

    def count(self):
        with self.changed:
            return len(self.events)

    def wait(self, kind, after=0, timeout_s=WAIT_S, **fields):
        """The first event of this kind behind the first `after` ones."""
        end = time.monotonic() + timeout_s
        with self.changed:
            while True:
                for e in self.events[after:]:
                    if e["event"] == kind and all(e.get(k) == v for k, v in fields.items()):
                        return e
                assert self.events[-1:] != [{"event": "over"}], f"the generator ended, waiting for {kind}: {self.events[-3:]}"
                left = end - time.monotonic()
                assert left > 0, f"no {kind} within {timeout_s} s: {self.events[-3:]}"
                self.changed.wait(left)

    def tell(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def rate(self, kind, per_s):
        self.tell("rate", kind, per_s)

    def mark(self, name):
        """Ends the window that runs and begins one of this name; the ended one."""
        self.marks += 1
        self.tell("mark", f"{name}-{self.marks}")
        return self.wait("window", next=f"{name}-{self.marks}")

    def measure(self, seconds):
        """A window of this length."""
        self.mark("quiet")
        time.sleep(seconds)
        return self.mark("rest")

    def wait_acked(self, timeout_s=WAIT_S):
        """Stops sending, waits for what is on its way."""
        for kind in ("publish", "get", "report", "method"):
            self.rate(kind, 0)
        end = time.monotonic() + timeout_s
        while self.mark("drain")["waiting"] > 0:
            assert time.monotonic() < end, f"{self.events[-1]}"
            time.sleep(0.05)

    def stop(self, timeout_s=WAIT_S):
        """The last window."""
        self.tell("stop")
        last = self.wait("window", 0, timeout_s, next="")
        self.process.wait(timeout_s)
        self.reader.join()
        return last

    def kill(self):
        self.process.kill()
        self.process.wait()

    def book(self):
        """By device: sent, acked, reports, reports acked, versions of reported and desired. While it runs, it is asked first."""
        if self.process.poll() is None:
            seen = self.count()
            self.tell("ledger")
            self.wait("ledger", seen)
        with open(self.ledger_path) as f:
            return {words[0]: tuple(map(int, words[1:])) for words in map(str.split, f)}

    def sum(self, field):
        return sum(e.get(field, 0) for e in self.events if e["event"] == "window")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
        self.process.stdin.close()


def kept(hub, run, after=0):
    """By device: the numbers that the hub has of this run, in its order; of messages behind `after`."""
    numbers = collections.defaultdict(list)
    headers = {"Authorization": "Bearer " + hub.tokens["owner"]}
    with requests.get(hub.url + "/api/v1/telemetry/export", params={"format": "ndjson", "after": after}, headers=headers, verify=hub.ca, stream=True,
                      timeout=120) as answer:
        assert answer.status_code == 200, answer.text
        for line in answer.iter_lines(1 << 20):
            m = json.loads(line)
            body = m.get("body")
            if isinstance(body, dict) and body.get("run") == run:
                numbers[m["deviceId"]].append(body["n"])
    return numbers


def check(hub, fleet, after=0, twins=True):
    """Everything that was acknowledged is there, nothing that was not sent, in order but for what was sent again. Returns how many
    messages were acknowledged."""
    book, have, acked_sum = fleet.book(), kept(hub, fleet.run, after), 0
    for device, (sent, acked, reports, reports_acked, reported, desired) in book.items():
        numbers = have.get(device, [])
        lost = set(range(1, acked + 1)) - set(numbers)
        assert not lost, f"{device}: {len(lost)} acknowledged messages are lost, {sorted(lost)[:5]} of {acked}"
        assert max(numbers, default=0) <= sent, f"{device}: has {max(numbers)}, sent {sent}"
        lasts = list(dict.fromkeys(reversed(numbers)))  # what was refused may stand behind its successor, and both again
        assert lasts == sorted(lasts, reverse=True), f"{device}: out of order"
        acked_sum += acked
        if twins and reports > 0:
            check_twin(hub, fleet.run, device, reports, reports_acked, reported)
    for field in ("regress", "disorder", "sessions_lost"):
        assert fleet.sum(field) == 0, f"{field}: {fleet.sum(field)}"
    return acked_sum


def check_twin(hub, run, device, reports, acked, version):
    answer = hub.get(f"/twins/{device}", params={"api-version": "2021-04-12"})
    assert answer.status_code == 200, answer.text
    reported = answer.json()["properties"]["reported"]
    assert reported["$version"] >= version, f"{device}: reported version {reported['$version']} < {version}"
    number = reported["n"] if reported.get("run") == run else 0
    assert acked <= number <= reports, f"{device}: has report {number}, {acked} were acknowledged, {reports} sent"
