"""Where faults of edge devices are made: a network of its own, a hub, devices with load, and the book that says what they owe.

    with Site() as site, site.cell("f5") as cell:
        cell.run_module("m")                                # a model module, and its client for messages
        with cell.load(seed=1) as load, Sender(cell, "m") as sender:
            ...                                             # break something
            audit(cell, load, [sender], after)          # nothing acknowledged is lost, all is in order
"""

import base64
import collections
import contextlib
import ctypes
import hashlib
import hmac
import json
import os
import shutil
import signal
import ssl
import struct
import subprocess
import tempfile
import threading
import time

import requests

from harness import edge, fleet, models
from harness.callers import jpeg
from harness.faults import MIB, Unavailable, last_number
from harness.fleet import Fleet
from harness.mqtt import END, PUBACK, Raw, publish_packet, signed, username

API = {"api-version": "2021-04-12"}
NAMES = models.labels("defect", "ok", "other")
PORT = 15001
NEW_NET = 0x40000000
WAIT_S = 120
NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: of devices whose clock is wrong


@contextlib.contextmanager
def own_network():
    """All that is started by this thread inside has a loopback of its own: rules for it harm nobody, ports are free."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.unshare(NEW_NET) != 0:
            raise Unavailable(f"no network of its own ({os.strerror(ctypes.get_errno())})")
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield
        finally:
            libc.setns(before, NEW_NET)
    finally:
        os.close(before)


class Uplink:
    """The way from the devices to the hub, cut in one of several ways."""

    KINDS = ("drop", "reset", "stopped", "killed")

    def __init__(self, hub):
        self.hub, self.kind = hub, None
        if not shutil.which("iptables"):
            raise Unavailable("iptables is missing: tools/deps.sh test installs it")

    @staticmethod
    def rule(change, *words):
        done = subprocess.run(["iptables", "-w", change, "OUTPUT", *map(str, words)], capture_output=True, text=True)
        if done.returncode != 0:
            raise Unavailable(f"iptables: {done.stderr.strip()[:100]}")

    def rules(self, change):
        reject = ("REJECT", "--reject-with", "tcp-reset") if self.kind == "reset" else ("DROP",)
        for port in (self.hub.mqtt_port, self.hub.port):
            self.rule(change, "-p", "tcp", "-d", self.hub.host, "--dport", port, "-j", *reject)
            flags = ("--tcp-flags", "RST", "NONE") if self.kind == "reset" else ()
            self.rule(change, "-p", "tcp", "-s", self.hub.host, "--sport", port, *flags, "-j", "DROP")

    def cut(self, kind):
        self.kind = kind
        if kind in ("drop", "reset"):
            self.rules("-A")
        elif kind == "stopped":
            self.hub.process.send_signal(signal.SIGSTOP)
        else:
            self.hub.kill()

    def mend(self):
        kind = self.kind
        if kind in ("drop", "reset"):
            self.rules("-D")
        elif kind == "stopped":
            self.hub.process.send_signal(signal.SIGCONT)
        elif kind:
            self.hub.start()
        self.kind = None


class Site:
    """One hub with images, in a network of its own, for as many devices as come. Its folder lets other users pass: parts of a device have
    users of their own."""

    def __init__(self):
        self.stack, self.bundles = contextlib.ExitStack(), {}

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.folder = stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp", prefix="sk-site-", ignore_cleanup_errors=True))
            os.chmod(self.folder, 0o711)
            stack.enter_context(own_network())
            self.hub = stack.enter_context(edge.hub_for_edges(self.folder))
            self.uplink = Uplink(self.hub)
            self.image = self.push("v1", seed=1, config=NAMES)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *what):
        with contextlib.suppress(Exception):
            self.uplink.mend()
        return self.stack.__exit__(*what)

    def push(self, tag, name="cats", **how):
        return edge.push(self.hub, self.folder, name, tag, **how)

    def images(self, tag, **how):
        """The reference of one that is made when first asked for; with the usual labels, unless `how` has a config."""
        if tag not in self.bundles:
            self.bundles[tag] = self.push(tag, **({"config": NAMES} | how))
        return self.bundles[tag]

    def cell(self, name, **how):
        return Cell(self, name, **how)


class Local:
    """The local hub as the generator and raw clients see a server."""

    def __init__(self, cell):
        self.mqtt_port, self.host, self.ca = 8883, cell.address, cell.ca
        self.process = type("Process", (), {"pid": cell.child("edge-hub")})


class Cell(edge.Edge):
    """An edge device with leaf devices behind it."""

    def __init__(self, site, name, leaves=5, **how):
        self.site, self.count = site, leaves
        super().__init__(site.hub, f"{name}-{time.monotonic_ns() // 1000000}", **how)
        self.keys = self.make_leaves(leaves) if leaves else None
        self.ca = shutil.copy(os.path.join(self.folder, "tls", "ca.pem"), os.path.join(site.folder, f"ca-{self.device}"))  # see pids()

    def make_leaves(self, count):
        """The file of their keys."""
        scope = self.hub.get(f"/devices/{self.device}", params=API).json()["deviceScope"]
        path = os.path.join(self.site.folder, f"leaves-{self.device}")
        with open(path, "w") as out:
            for i in range(count):
                name = f"{self.device}-leaf-{i}"
                made = self.hub.put(f"/devices/{name}", params=API, json={"deviceId": name, "deviceScope": scope})
                assert made.status_code == 200, made.text
                out.write(f"{name} {made.json()['authentication']['symmetricKey']['primaryKey']}\n")
        return path

    def load(self, seed, *args):
        load = Fleet(Local(self), self.keys, self.count, "--host", self.address, "--hub-name", self.hub.host, "--sources", 0, "--retry", "50ms",
                     *args, folder=self.site.folder, seed=seed)
        load.wait("ready", timeout_s=WAIT_S)
        return load

    def quiet_module(self, image=None, **more):
        """One that leaves its identity's connection to a Sender: it looks for its local hub where there is none."""
        options = {**more.pop("options", {}), "Env": ["IOTEDGE_GATEWAYHOSTNAME=127.255.255.1"]}
        return edge.module(image or self.site.image, 5001, more.pop("port", PORT), options=options, **more)

    def run_module(self, name, image=None, routes=None, **more):
        """As the only one."""
        self.deploy(edge.manifest({name: self.quiet_module(image, **more)}, routes))
        tag = (image or self.site.image).rpartition(":")[2]
        self.wait_version(name, tag)
        self.wait_answer()

    def predicts(self, port=PORT):
        try:
            return requests.post(f"http://{self.address}:{port}/predict", data=jpeg(), headers={"Content-Type": "image/jpeg"}, timeout=30).ok
        except requests.RequestException:
            return False

    def wait_answer(self, timeout_s=120, port=PORT):
        """Seconds until the module answers a prediction."""
        begin = time.monotonic()
        edge.wait_for("the module answers", lambda: self.predicts(port), timeout_s, 0.005)
        return time.monotonic() - begin

    def now(self):
        """By its clock."""
        return int(time.time())

    def key(self, module):
        with open(os.path.join(self.folder, "secrets", "master.key"), "rb") as f:
            master = f.read()
        return base64.b64encode(hmac.new(master, f"{module}:primary".encode(), hashlib.sha256).digest()).decode()

    def serving(self):
        """Processes of modules."""
        return [pid for pid, words in self.pids().items() if "serve" in words[1:2]]

    def wait_drained(self, timeout_s=WAIT_S):
        begin = time.monotonic()

        def is_empty():
            found = self.run("edge", "status", "--json", "--data-dir", self.folder, "--run-dir", self.run_dir)
            hub = found.returncode == 0 and json.loads(found.stdout).get("localHub") or {}
            return hub.get("spool", {}).get("messages") == 0
        try:
            edge.wait_for("all stored messages are at the hub", is_empty, timeout_s)
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.edge('status')}\n{self.log()[-3000:]}") from None
        return time.monotonic() - begin

    def kill_all(self):
        """As when the machine loses its power, but for the disk."""
        self.kill()
        for pid in self.pids():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        edge.wait_for("all have ended", lambda: not self.pids(), every_s=0.005)

    def end(self):
        """`edge stop --all` leaves nothing running."""
        self.edge("stop", "--all")
        self.process.wait(120)
        left = self.pids()
        assert not left, f"still running: {left}"


class Sender:
    """A module's client: QoS 1 to some outputs, at a rate; what was not acknowledged is sent again over the next connection."""

    WINDOW = 64

    def __init__(self, cell, module, outputs=("a", "b"), per_s=60, size=100, run=None):
        self.cell, self.module, self.outputs, self.per_s = cell, module, outputs, per_s
        self.run, self.filler = run or time.monotonic_ns() // 1000, "x" * size
        self.sent, self.acked = collections.Counter(), collections.Counter()
        self.waiting = collections.deque()  # (topic, payload, output, sent at)
        self.acks, self.connects, self.last_sent = [], 0, 0.0
        self.ends, self.stops, self.why, self.is_due = threading.Event(), threading.Event(), "", False
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def connect(self):
        local = Local(self.cell)
        client = Raw(local, port=local.mqtt_port, flags=NO_CHECK_TIME)
        identity = f"{self.cell.device}/{self.module}"
        resource = f"{self.cell.hub.host}%2Fdevices%2F{self.cell.device}%2Fmodules%2F{self.module}"
        token = signed(resource, self.cell.key(self.module), self.cell.now() + 3600)
        code, _ = client.connect(identity, username(self.cell.hub.host, identity), token)
        assert code == 0, f"CONNACK {code}"
        self.connects += 1
        return client

    def next_message(self):
        output = self.outputs[sum(self.sent.values()) % len(self.outputs)]
        self.sent[output] += 1
        body = json.dumps({"run": self.run, "n": self.sent[output], "out": output, "fill": self.filler})
        topic = f"devices/{self.cell.device}/modules/{self.module}/messages/events/%24.on={output}&%24.ct=application%2Fjson&%24.ce=utf-8"
        return [topic, body.encode(), output, 0.0]

    def transmit(self, client, message):
        message[3] = time.monotonic()
        client.send(publish_packet(message[0], message[1], 1, packet_id=client.new_id()))

    def take_acks(self, client, wait_s):
        got = client.next(wait_s)
        while got:
            assert got != END, "the connection ended"
            if got[0] == PUBACK:
                assert struct.unpack(">H", got[2])[0] == client.first_id, "acknowledged out of order"
                client.first_id = client.first_id % 65535 + 1
                _, _, output, at = self.waiting.popleft()
                self.acked[output] += 1
                self.acks.append((at, time.monotonic()))
            got = client.next(0)

    def serve(self, client):
        client.first_id, due, self.is_due = 1, time.monotonic(), False
        for message in self.waiting:
            self.transmit(client, message)
        while not self.ends.is_set() and not self.is_due:
            now = time.monotonic()
            while due <= now and len(self.waiting) < self.WINDOW and not self.stops.is_set():
                message = self.next_message()
                self.waiting.append(message)
                self.transmit(client, message)
                due = max(due + 1 / self.per_s, now - 0.5)
            self.take_acks(client, max(0.001, min(0.02, due - now)))

    def work(self):
        while not self.ends.is_set():
            client = None
            try:
                client = self.connect()
                self.serve(client)
            except (OSError, AssertionError, ssl.SSLError, ValueError) as e:
                self.why = repr(e)
                self.ends.wait(0.02)
            finally:
                if client:
                    client.socket.close()

    def wait_ack(self, since, timeout_s=WAIT_S):
        """Seconds from `since` to the acknowledgement of a message sent after it."""
        def found():
            return next((acked for at, acked in reversed(self.acks[-200:]) if at >= since), None)
        edge.wait_for(f"an acknowledgement for the module (last: {self.why})", found, timeout_s, 0.005)
        return min(acked for at, acked in self.acks if at >= since) - since

    def finish(self, timeout_s=WAIT_S):
        """No more messages; until those that were sent are acknowledged."""
        self.stops.set()
        edge.wait_for(f"acknowledgements for the module (last: {self.why})", lambda: not self.waiting, timeout_s)

    def again(self):
        """Connects anew."""
        self.is_due = True

    def resume(self):
        self.stops.clear()

    def __enter__(self):
        edge.wait_for("the module's client", lambda: self.connects)
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join(30)


def streams(hub, run, after):
    """What the hub has of a run, without what came twice (by message id): numbers by device, module and output, in its order."""
    found, seen = collections.defaultdict(list), set()
    with hub_export(hub, after) as answer:
        for line in answer.iter_lines(1 << 20):
            m = json.loads(line)
            body = m.get("body")
            if not isinstance(body, dict) or body.get("run") != run:
                continue
            key = (m["deviceId"], m.get("moduleId", ""), body.get("out", ""))
            name = m["systemProperties"].get("message-id")
            assert name, f"without a message id: {m}"
            if (key, name) not in seen:
                seen.add((key, name))
                found[key].append(body["n"])
    return found


def hub_export(hub, after):
    answer = requests.get(hub.url + "/api/v1/telemetry/export", params={"format": "ndjson", "after": after},
                          headers={"Authorization": "Bearer " + hub.tokens["owner"]}, verify=hub.ca, stream=True, timeout=120)
    assert answer.status_code == 200, answer.text
    return answer


def check_stream(key, numbers, sent, acked, is_strict=False, may_lose=0):
    """How many are lost."""
    lost = set(range(1, acked + 1)) - set(numbers)
    assert len(lost) <= may_lose, f"{key}: {len(lost)} acknowledged messages are lost, {sorted(lost)[:5]} of {acked}"
    assert max(numbers, default=0) <= sent, f"{key}: has {max(numbers)}, sent {sent}"
    if is_strict:
        wrong = next((i for i, n in enumerate(numbers) if i + 1 != n), None)
        assert wrong is None, f"{key}: not once each and in order: {numbers[max(wrong - 5, 0):wrong + 20]} at {wrong} of {len(numbers)}"
    lasts = list(dict.fromkeys(reversed(numbers)))  # what was sent again by the client may stand behind its successor, and both again
    assert lasts == sorted(lasts, reverse=True), f"{key}: out of order"
    return len(lost)


def audit(cell, load, senders, after, is_strict=False, may_lose=0):
    """Ends the load; all that was acknowledged is at the hub, in order. is_strict: and once, as no client had to send again. How many."""
    for sender in senders:
        sender.finish()
    if load:
        load.wait_acked()
        load.stop()
    drained = cell.wait_drained()
    books = []
    if load:
        have = streams(cell.hub, load.run, after)
        books += [((device,), have.get((device, "", ""), []), sent, acked) for device, (sent, acked, *_) in load.book().items()]
    for sender in senders:
        have = streams(cell.hub, sender.run, after)
        keys = [(cell.device, sender.module, output) for output in sender.outputs]
        books += [(key, have.get(key, []), sender.sent[key[2]], sender.acked[key[2]]) for key in keys]
    lost = sum(check_stream(*book, is_strict, may_lose) for book in books)
    assert lost <= may_lose, f"{lost} acknowledged messages are lost"
    return {"acked": sum(book[3] for book in books), "drained_s": round(drained, 2)} | ({"lost": lost} if may_lose else {})


def module_of(pid):
    """By its environment: two modules may serve one model, as the old one does until its last answer."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as f:
        return next((line.partition("=")[2] for line in f.read().decode().split("\0") if line.startswith("IOTEDGE_MODULEID=")), "")
    return ""


class Watch:
    """Looks all the time whether something runs twice: `complaints`."""

    def __init__(self, cell, every_s=0.1, patience=50):
        self.cell, self.every_s, self.patience, self.complaints, self.seen = cell, every_s, patience, [], {}
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)

    def look(self):
        """A start that is refused lives for moments; a pair that stays is wrong."""
        groups = collections.defaultdict(list)
        for pid, words in self.cell.pids().items():
            what = words[1] if len(words) > 1 else ""
            if what in ("serve", "edge-hub", "edge-keeper"):
                groups[what if what != "serve" else f"serve {module_of(pid)} {words[2]}"].append(pid)
        for what, pids in groups.items():
            pair = (what, tuple(sorted(pids)))
            self.seen[pair] = self.seen.get(pair, 0) + 1
            if len(pids) > 1 and self.seen[pair] == self.patience:
                self.complaints.append(pair)

    def work(self):
        while not self.ends.wait(self.every_s):
            self.look()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join(10)


__all__ = ["API", "MIB", "NAMES", "PORT", "Cell", "Local", "Sender", "Site", "Unavailable", "Uplink", "Watch", "audit", "check_stream", "last_number",
           "own_network", "streams"]
