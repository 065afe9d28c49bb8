"""Wrong clocks, bad lines, too little memory or processor, and what a backlog and the disk cost. See edge_faults.py."""

import contextlib
import os
import re
import socket
import statistics
import struct
import subprocess
import threading
import time

from harness import edge, program
from harness.callers import Callers
from harness.edge_site import MIB, PORT, Sender, audit, last_number, streams
from harness.faults import LoopDisk, Unavailable, of_seed, slack

DAY = 86400
YEAR = 365 * DAY

# ---- F2, F11: clocks ----


class Clock:
    """The wall clock of a device's agent, off by what set() says; of its local hub too where that has the agent's user and environment."""

    def __init__(self, folder):
        self.path, library = os.path.join(folder, "clock"), os.path.join(folder, "wrong_clock.so")
        self.set(0)
        os.chmod(self.path, 0o644)
        source = os.path.join(program.ROOT, "tests", "it", "c", "wrong_clock.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
        self.env = {"LD_PRELOAD": library, "WRONG_CLOCK": self.path}

    def set(self, offset_s):
        self.offset_s = int(offset_s)
        with open(self.path, "r+b" if os.path.exists(self.path) else "wb") as f:
            f.write(struct.pack("<q", self.offset_s))

    def now(self):
        return int(time.time()) + self.offset_s


@contextlib.contextmanager
def clocked(site, name):
    clock = Clock(site.folder)
    with site.cell(name, leaves=0, env=clock.env) as cell:
        cell.now = clock.now
        cell.run_module("m")
        yield cell, clock


def wait_certificate(cell, bar_s=12):
    """Until the local hub's is valid by the device's clock."""
    tls = os.path.join(cell.folder, "tls")

    def is_valid():
        done = subprocess.run(["openssl", "verify", "-attime", str(cell.now()), "-CAfile", f"{tls}/ca.pem", f"{tls}/server.pem"],
                              capture_output=True, text=True)
        return done.returncode == 0
    begin = time.monotonic()
    edge.wait_for("a certificate for this time", is_valid, slack(bar_s))
    return time.monotonic() - begin


def wait_uplink(cell, bar_s=10):
    begin = time.monotonic()
    edge.wait_for("the uplink", lambda: cell.status()["isConnected"], slack(bar_s) + 20, 0.1)
    took = time.monotonic() - begin
    assert took < slack(bar_s), f"connected {took:.1f} s after the clock was right"
    return round(took, 2)


def offline_for_long(site, seeds, days=400, steps=0):
    """F2: so many days without the cloud: modules go on, certificates are made again, tokens of any day are taken; then it connects."""
    with clocked(site, "f2") as (cell, clock):
        for seed in seeds:
            with of_seed(seed) as rng:
                after = last_number(site.hub)
                site.uplink.cut("reset")
                try:
                    with Sender(cell, "m") as sender:
                        at = sorted(rng.uniform(0, days) for _ in range(steps))
                        slowest = 0
                        for day in (0, *at):
                            clock.set((day - days) * DAY)
                            slowest = max(slowest, wait_certificate(cell))
                            sender.again()
                            sender.wait_ack(time.monotonic(), slack(10))
                            assert cell.predicts()
                        clock.set(0)
                        site.uplink.mend()
                        took = wait_uplink(cell)
                        yield {"seed": seed, "days": days, "certificate_s": round(slowest, 1), "connected_s": took} | \
                            audit(cell, None, [sender], after)
                finally:
                    site.uplink.mend()
                    clock.set(0)


def wrong_clocks(site, seeds):
    """F11: wrong while it runs, or when it starts; all that is local works, and the cloud once the clock is right."""
    with clocked(site, "f11") as (cell, clock):
        for seed in seeds:
            with of_seed(seed) as rng:
                wrong = {"-50 years": -50 * YEAR, "+10 years": 10 * YEAR, "-1 hour": -3600, "1970": 5 - int(time.time())}
                name, after, is_cold = rng.choice(list(wrong)), last_number(site.hub), rng.random() < 0.5
                try:
                    with Sender(cell, "m") as sender:
                        clock.set(wrong[name])
                        if is_cold:
                            cell.kill_all()
                            cell.start()
                        else:  # what it connects with now is of that time
                            site.uplink.cut("reset")
                            time.sleep(0.5)
                            site.uplink.mend()
                        cell.wait_answer(slack(5))
                        certificate = wait_certificate(cell)
                        sender.again()
                        sender.wait_ack(time.monotonic(), slack(10))
                        time.sleep(rng.uniform(0, 2))
                        clock.set(0)
                        took = wait_uplink(cell)
                        yield {"seed": seed, "clock": name, "cold": is_cold, "certificate_s": round(certificate, 1), "connected_s": took} | \
                            audit(cell, None, [sender], after)
                finally:
                    clock.set(0)


# ---- F4: bad lines ----


class Line:
    """Between a device and the hub's MQTT: can fall silent, or be slow. Not cut: nobody is told."""

    def __init__(self, hub):
        self.hub, self.is_silent, self.bytes_per_s, self.sockets = hub, threading.Event(), 0, []
        self.listener = socket.create_server((hub.host, 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
                server = socket.create_connection((self.hub.host, self.hub.mqtt_port))
                self.sockets += [client, server]
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self.copy, args=(one, other, self.is_silent), daemon=True).start()

    def copy(self, one, other, silent):
        with contextlib.suppress(OSError):
            while data := one.recv(1024):
                if silent.is_set():
                    threading.Event().wait(3600)  # it is not read any more, and never ended
                if self.bytes_per_s:
                    time.sleep(len(data) / self.bytes_per_s)
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def fall_silent(self):
        """For the connections there are; new ones get through."""
        silent, self.is_silent = self.is_silent, threading.Event()
        silent.set()

    def close(self):
        self.listener.close()
        for s in self.sockets:
            s.close()


def overtake(site, line, cell, rng, bar_s=2.5):
    """64 kbit/s and a backlog: seconds that an urgent message takes to the hub. The clients notice nothing."""
    after = last_number(site.hub)
    with Sender(cell, "m", outputs=("bulk",), per_s=80, size=rng.choice([300, 1000])) as sender:
        sender.wait_ack(time.monotonic())
        line.bytes_per_s = 8000
        waiting = edge.wait_for("a backlog", lambda: (n := cell.spool()["bytes"]) > 30000 and n)
        sender.outputs, since = ("urgent",), time.monotonic()
        assert sender.wait_ack(since, slack(5)) < slack(1), "a module waits for the cloud"
        assert cell.predicts()
        key = (cell.device, "m", "urgent")
        edge.wait_for("the urgent message", lambda: streams(site.hub, sender.run, after).get(key), 60, 0.1)
        took = time.monotonic() - since
        line.bytes_per_s = 0
        sender.outputs = ("bulk", "urgent")
        audit(cell, None, [sender], after)
    assert took < slack(bar_s), f"the urgent message waited {took:.1f} s behind {waiting} bytes that could wait"
    return round(took, 2)


def bad_lines(site, seeds, bar_s=32):
    """F4: on a slow line what is urgent overtakes; one that falls silent is noticed, and what was sent into it sent again. A device for
    each seed, all at once."""
    routes = {name: {"route": f"FROM /messages/modules/m/outputs/{name} INTO $upstream", "priority": 9 if name == "bulk" else 0}
              for name in ("bulk", "urgent", "a", "b")}
    with contextlib.ExitStack() as stack:
        todo, after = [], last_number(site.hub)
        for seed in seeds:
            line = Line(site.hub)
            stack.callback(line.close)
            cell = stack.enter_context(site.cell("f4", leaves=0, config={"hubMqttPort": line.port}))
            cell.run_module("m", routes=routes)
            with of_seed(seed) as rng:
                todo.append((seed, line, cell, overtake(site, line, cell, rng)))
        todo = [(*row, stack.enter_context(Sender(row[2], "m", per_s=20))) for row in todo]
        time.sleep(0.5)
        begin, seen = time.monotonic(), [len(cell.log()) for _, _, cell, *_ in todo]
        for _, line, *_ in todo:
            line.fall_silent()
        noticed = {}

        def all_noticed():
            for (seed, _, cell, *_), start in zip(todo, seen, strict=True):
                if seed not in noticed and "uplink_lost" in cell.log()[start:]:
                    noticed[seed] = round(time.monotonic() - begin, 1)
            return len(noticed) == len(todo)
        edge.wait_for("all notice it", all_noticed, slack(bar_s) + 60)
        for seed, _, cell, overtook, sender in todo:
            with of_seed(seed):
                assert noticed[seed] < slack(bar_s), f"noticed after {noticed[seed]} s"
                wait_uplink(cell)
                yield {"seed": seed, "overtook_s": overtook, "noticed_s": noticed[seed]} | audit(cell, None, [sender], after)


# ---- F12: memory ----

def memory(site, seeds):
    """F12: a module that needs more than it may have is ended, alone, and it is said why."""
    with site.cell("f12", leaves=0) as cell:
        cell.deploy(edge.manifest({"good": edge.module(site.image, 5001, PORT)}))
        cell.wait_version("good", "v1")
        for seed in seeds:
            with of_seed(seed) as rng, Callers(cell.address, PORT, kept=1, fresh=1) as load:
                limit = rng.randrange(6, 9) * MIB
                cell.deploy(edge.manifest({"good": edge.module(site.image, 5001, PORT), f"big{seed}": edge.module(
                    site.image, 5001, PORT + 1, options={"HostConfig": {"Memory": limit}})}))
                m = edge.wait_for("its end is told", lambda: (m := cell.list().get(f"big{seed}")) and  # noqa: B023
                                  re.search("memory|OOM", m["description"]) and m)
                if re.search("cannot|not enforced", m["description"]):
                    raise Unavailable(f"no memory limits here: {m['description'][:100]}")
                yield {"seed": seed, "limit_mib": limit // MIB, "said": m["description"][:200]}
            assert not load.failures and load.done > 5, load.failures[:3]
            assert cell.list()["good"]["restarts"] == 0 and cell.status()["isConnected"]


# ---- F13: processor ----


@contextlib.contextmanager
def slowed(pids, share):
    """So much of one core for all of them."""
    is_v2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
    root = "/sys/fs/cgroup" if is_v2 else "/sys/fs/cgroup/cpu"
    folder = os.path.join(root, f"skerry-slow-{os.getpid()}")

    def write(name, text, place=folder):
        with open(os.path.join(place, name), "w") as f:
            f.write(str(text))
    before = {}
    try:
        os.mkdir(folder)
        try:
            if is_v2:
                write("cpu.max", f"{int(share * 100000)} 100000")
            else:
                write("cpu.cfs_period_us", 100000)
                write("cpu.cfs_quota_us", int(share * 100000))
            for pid in pids:
                with open(f"/proc/{pid}/cgroup") as f:
                    before[pid] = next(line.rstrip().split(":", 2)[2] for line in f if line.startswith("0::") or ":cpu:" in line or ",cpu" in line)
                write("cgroup.procs", pid)
        except (OSError, StopIteration) as e:
            raise Unavailable(f"no limit of processor time here ({e})") from e
        yield
    finally:
        for pid, place in before.items():
            with contextlib.suppress(OSError):
                write("cgroup.procs", pid, root + place)
        for _ in range(100):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
                break
            time.sleep(0.05)


def starved(site, seeds, seconds=2):
    """F13: agent and local hub with 2 % of a core: slow, and nobody is cut or taken for dead."""
    with site.cell("f13", leaves=0) as cell:
        cell.run_module("m")
        for seed in seeds:
            with of_seed(seed) as rng:
                after, seen = last_number(site.hub), len(cell.log())
                with Sender(cell, "m", per_s=rng.choice([2, 5, 10])) as sender:
                    connects = sender.connects
                    with slowed([cell.process.pid, cell.child("edge-hub")], 0.02):
                        time.sleep(seconds * rng.uniform(0.7, 1.3))
                        assert cell.predicts()
                    said = cell.log()[seen:]
                    assert sender.connects == connects, f"the module was cut: {sender.why}"
                    assert not re.search("uplink_lost|line_lost|child_ended|module_exited|child_stuck", said), said
                    found = audit(cell, None, [sender], after)
                worst = max(b - a for a, b in sender.acks)
                yield {"seed": seed, "worst_ack_s": round(worst, 2)} | found


# ---- F28: a start with a backlog ----

def backlog(site, seeds, count=20000, bar_ms=100):
    """F28: the local hub starts as fast with many stored messages as with none."""
    def restart_ms(cell):
        os.kill(cell.child("edge-hub"), 9)
        seen = len(cell.log())
        edge.wait_for("it listens", lambda: all(w in cell.log()[seen:] for w in ("what=mqtts", "localhub_connected ms=")), 60, 0.002)
        return float(cell.log()[seen:].partition("localhub_connected ms=")[2].split()[0])
    for seed in seeds:
        with of_seed(seed) as rng, site.cell("f28") as cell:
            cell.deploy(edge.manifest({}))
            after = last_number(site.hub)
            with cell.load(rng.randrange(1, 1 << 30)) as load:
                empty = statistics.median(restart_ms(cell) for _ in range(3))
                edge.wait_for("all are back", lambda: load.mark("back")["ready"] == cell.count, 60)  # noqa: B023
                site.uplink.cut("reset")
                try:
                    load.tell("backlog", count // cell.count)
                    load.wait_acked(600)
                    full = statistics.median(restart_ms(cell) for _ in range(3))
                    assert full - empty < slack(bar_ms), f"{full - empty:.0f} ms more with {count} messages"
                finally:
                    site.uplink.mend()
                yield {"seed": seed, "messages": count, "more_ms": round(full - empty, 1)} | audit(cell, load, [], after)


# ---- F30: wear ----

def wear(site, seeds, bar=3.0):
    """F30: what the disk is written, for each byte of payload, at a rate that makes groups."""
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(LoopDisk(site.folder, 512))
        os.chmod(disk.folder, 0o711)
        device = subprocess.run(["losetup", "-j", disk.image, "-O", "NAME", "-n"], capture_output=True, text=True, check=True).stdout.split()[0]
        cell = stack.enter_context(site.cell("f30", leaves=20, place=disk.folder))
        cell.deploy(edge.manifest({}))

        def written():
            os.sync()
            with open(f"/sys/block/{os.path.basename(device)}/stat") as f:
                return int(f.read().split()[6]) * 512
        for seed in seeds:
            with of_seed(seed) as rng:
                size, after = rng.choice([500, 1000, 3000]), last_number(site.hub)
                with cell.load(rng.randrange(1, 1 << 30), "--size", size) as load:
                    load.rate("publish", 2000)
                    time.sleep(0.5)
                    before, count = written(), sum(acked for _, acked, *_ in load.book().values())
                    time.sleep(2)
                    payload = (sum(acked for _, acked, *_ in load.book().values()) - count) * size
                    ratio = (written() - before) / payload
                    found = audit(cell, load, [], after)
                assert ratio <= slack(bar), f"{ratio:.2f} bytes written for each byte of payload (messages of {size})"
                yield {"seed": seed, "size": size, "written_per_byte": round(ratio, 2)} | found


FAULTS = {"F2": offline_for_long, "F4": bad_lines, "F11": wrong_clocks, "F12": memory, "F13": starved, "F28": backlog, "F30": wear}
