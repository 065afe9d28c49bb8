"""What may break under devices that send, and what must hold then: one generator per fault, one result per seed.

    for result in faults.power_cut(folder, seeds=range(3), devices=50):
        print(result)                                   # {"seed": 0, "acked": 1234, "start_s": 0.1, ...}

tests/it/test_iot_faults.py runs a few seeds, tools/soak.py (make soak PART=faults) all of them. The generator of bench/load keeps the
book of what was sent and acknowledged; afterwards it is compared with what the hub has (fleet.check). A seed that fails raises
AssertionError with its number.
"""

import base64
import contextlib
import fcntl
import json
import os
import random
import re
import signal
import socket
import ssl
import struct
import subprocess
import time

from harness import fleet
from harness.fleet import Fleet
from harness.hub import Hub
from harness.iot import wait_for

MIB = 1 << 20
API = "2021-04-12"
SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
NO_LOG_FLUSH = struct.pack("I", 2)
RETRY = ("--retry", "200ms")


class Unavailable(Exception):
    """The kernel or the machine lacks what the fault needs."""


def start(place, home, count, *args, log=None, edge=False):
    """A hub whose folder is in `place`, with devices; their keys."""
    hub = Hub(place, *args, home=home)
    hub.stop()
    if log:
        hub.log_path = str(log)
    keys = fleet.make_devices(hub.data_dir, count, to=os.path.join(str(home), "keys"), edge=edge)
    hub.start()
    return hub, keys


@contextlib.contextmanager
def of_seed(seed):
    try:
        yield random.Random(seed)
    except AssertionError as e:
        raise AssertionError(f"seed {seed}: {e}") from e


def last_number(hub):
    """Of the newest message."""
    answer = hub.get("/api/v1/telemetry", params={"max": 1, "order": "desc"})
    assert answer.status_code == 200, answer.text
    return answer.json().get("next", 0)


def finish(hub, load, after, twins=True):
    """Waits until everything is acknowledged, ends the generator, looks whether all is there."""
    load.wait_acked()
    load.stop()
    return fleet.check(hub, load, after, twins)


def restart(hub, load):
    """After a kill: seconds to be ready, seconds until all devices are back."""
    seen, begin = load.count(), time.monotonic()
    hub.start()
    started = time.monotonic() - begin
    if load.mark("back")["ready"] < load.devices:
        load.wait("ready", seen)
    return {"start_s": round(started, 3), "back_s": round(time.monotonic() - begin, 3)}


def slack(bar):
    """A time that a fault may take: `make soak` holds it to the bar, with the machine to itself; `make test`, where several programs
    share the processors of whatever machine it is, to a multiple."""
    return bar * float(os.environ.get("SKERRY_SLACK", "1"))


def resumes(load, since, within_s=5):
    """Seconds from `since` until messages are acknowledged again."""
    while True:
        window = load.mark("resume")
        now = time.monotonic() - since
        if window.get("publish", {}).get("count", 0) > 0:
            return round(now, 3)
        assert now < slack(within_s), f"nothing was acknowledged for {within_s} s"
        time.sleep(0.05)


# ---- F7: power cut ----

class LoopDisk:
    """An ext4 in a file. cut() is a power cut: what was not synced is gone, and everything fails from then on."""

    def __init__(self, folder, mib=256):
        self.image, self.folder = os.path.join(str(folder), "disk.img"), os.path.join(str(folder), "disk")
        os.makedirs(self.folder)
        with open(self.image, "wb") as f:
            f.truncate(mib * MIB)
        for command in (["mkfs.ext4", "-q", "-F", self.image], self.mount_command()):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                raise Unavailable(f"no loop mounts here ({done.stderr.strip()[:100]})")

    def mount_command(self):
        return ["mount", "-o", "loop", self.image, self.folder]

    def cut(self):
        fd = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, NO_LOG_FLUSH)
        except OSError as e:
            raise Unavailable(f"no power cuts by ioctl here ({e.strerror})") from e
        finally:
            os.close(fd)

    def mount_again(self):
        """When the old one is gone: a container that began meanwhile may hold a copy of the mount for a while, and the new mount would be
        the same dead file system."""
        subprocess.run(["umount", self.folder], check=True)
        end = time.monotonic() + 60
        while subprocess.run(["losetup", "-j", self.image], capture_output=True, text=True, check=True).stdout:
            if time.monotonic() > end:
                raise Unavailable("something else holds the mount")
            time.sleep(0.02)
        subprocess.run(self.mount_command(), check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.folder], check=False)
        os.unlink(self.image)


def power_cut(folder, seeds, devices=50):
    """F7: the disk is gone at a random instant, also amid a sync; the hub still runs, and acknowledges what it takes for synced."""
    with LoopDisk(folder) as disk:
        hub, keys = start(disk.folder, folder, devices, "--telemetry-size", "32M", log=folder / "hub.log")
        with hub:
            for seed in seeds:
                with of_seed(seed) as rng:
                    yield {"seed": seed} | one_cut(disk, hub, keys, rng, devices, folder)


def one_cut(disk, hub, keys, rng, devices, folder):
    if rng.random() < 0.5:  # a database whose log is new: it grows
        hub.stop()
        hub.start()
    after = last_number(hub)
    with Fleet(hub, keys, devices, *RETRY, folder=folder, seed=rng.randrange(1, 1 << 30)) as load:
        load.wait("ready")
        load.rate("publish", rng.choice([50, 500, 2000]))
        load.rate("report", rng.choice([10, 100, 300]))
        time.sleep(rng.uniform(0.05, 0.8))
        disk.cut()
        hub.kill()
        disk.mount_again()
        back = restart(hub, load)
        return {"acked": finish(hub, load, after)} | back


# ---- F9: disk full ----

class SmallDisk:
    """A tmpfs and a way to fill it."""

    def __init__(self, folder, mib=96):
        self.folder = os.path.join(str(folder), "disk")
        os.makedirs(self.folder)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", self.folder], capture_output=True, text=True)
        if done.returncode != 0:
            raise Unavailable(f"no tmpfs may be mounted ({done.stderr.strip()[:100]})")
        self.ballast = os.path.join(self.folder, "ballast")

    def fill(self, seconds, is_over=None):
        """Takes whatever becomes free; at least as long as `is_over` is not set."""
        end = time.monotonic() + seconds
        with open(self.ballast, "ab") as f:
            while time.monotonic() < end or (is_over and not is_over.is_set()):
                stat = os.statvfs(self.folder)
                with contextlib.suppress(OSError):
                    if stat.f_bavail > 0:
                        os.posix_fallocate(f.fileno(), os.path.getsize(self.ballast), stat.f_bavail * stat.f_bsize)
                time.sleep(0.02)

    def wait_full(self):
        wait_for("the disk is full", lambda: os.path.exists(self.ballast) and os.path.getsize(self.ballast))

    def free(self):
        os.unlink(self.ballast)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.folder], check=False)


def disk_full(folder, seeds, devices=50):
    """F9: nothing is acknowledged that is lost; with space it goes on by itself, within 5 s."""
    with SmallDisk(folder) as disk:
        hub, keys = start(disk.folder, folder, devices, "--telemetry-size", "32M", log=folder / "hub.log")
        with hub:
            for seed in seeds:
                with of_seed(seed) as rng:
                    yield {"seed": seed} | one_full(disk, hub, keys, rng, devices, folder)


def one_full(disk, hub, keys, rng, devices, folder):
    after, is_killed = last_number(hub), rng.random() < 0.3
    with Fleet(hub, keys, devices, *RETRY, "--size", 3000, folder=folder, seed=rng.randrange(1, 1 << 30)) as load:
        load.wait("ready")
        load.rate("publish", rng.choice([200, 1000]))
        load.rate("report", 50)
        time.sleep(rng.uniform(0.1, 0.5))
        load.mark("full")
        disk.fill(rng.uniform(1, 3))
        if is_killed:
            hub.kill()
            hub.start()
            disk.fill(0.5)
        full = load.mark("freed")
        since = time.monotonic()
        disk.free()
        took = resumes(load, since)
        return {"acked": finish(hub, load, after), "killed": is_killed, "acked_while_full": full.get("publish", {}).get("count", 0),
                "failed_reports": full.get("report", {}).get("failed", 0), "resumed_s": took}


# ---- F10: slow and failing syncs ----

def is_traced(pid, by):
    """All its threads."""
    tracers = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/status") as f:
            tracers |= {line.split()[1] for line in f if line.startswith("TracerPid:")}
    return tracers == {str(by)}


@contextlib.contextmanager
def broken_sync(hub, how):
    """strace's fault injection into the running hub: delay_enter=300000, error=EIO."""
    strace = subprocess.Popen(["strace", "-f", "-q", "-o", "/dev/null", "-p", str(hub.process.pid), "-e", "trace=fdatasync,fsync",
                               "-e", f"inject=fdatasync,fsync:{how}"], stderr=subprocess.PIPE, text=True)
    while strace.poll() is None and not is_traced(hub.process.pid, strace.pid):
        time.sleep(0.02)
    if strace.poll() is not None:
        raise Unavailable(f"strace cannot attach ({strace.stderr.read().strip()[:100]})")
    try:
        yield
    finally:
        strace.send_signal(signal.SIGINT)
        try:
            strace.wait(10)
        except subprocess.TimeoutExpired:  # it waits for ever when the process is killed while it lets go
            strace.kill()
            strace.wait()
        strace.stderr.close()


def slow_sync(folder, seeds, devices=50):
    """F10: a sync that takes 300 ms delays acknowledgements, and nothing else."""
    hub, keys = start(folder, folder, devices, "--telemetry-size", "64M")
    with hub:
        for seed in seeds:
            with of_seed(seed) as rng:
                after = last_number(hub)
                with Fleet(hub, keys, devices, *RETRY, folder=folder, seed=rng.randrange(1, 1 << 30)) as load:
                    load.wait("ready")
                    load.rate("publish", 200)
                    load.rate("get", 50)
                    with broken_sync(hub, "delay_enter=300000"):
                        slow = load.measure(rng.uniform(1, 2))
                    assert slow["publish"]["p50_ms"] > 200, f"acknowledged before the sync: {slow}"
                    assert slow["get"]["p99_ms"] < slack(200), f"reading waits for the disk: {slow}"
                    took = resumes(load, time.monotonic())
                    yield {"seed": seed, "acked": finish(hub, load, after), "slow_publish_p50_ms": slow["publish"]["p50_ms"],
                           "slow_get_p99_ms": slow["get"]["p99_ms"], "resumed_s": took}


def failing_sync(folder, seeds, devices=50):
    """F10: no acknowledgement while syncs fail, and it is in the log within a second."""
    hub, keys = start(folder, folder, devices, "--telemetry-size", "64M")
    with hub:
        for seed in seeds:
            with of_seed(seed) as rng:
                yield {"seed": seed} | one_failing(hub, keys, rng, devices, folder)


def one_failing(hub, keys, rng, devices, folder):
    after, is_killed = last_number(hub), rng.random() < 0.3
    with Fleet(hub, keys, devices, *RETRY, folder=folder, seed=rng.randrange(1, 1 << 30)) as load:
        load.wait("ready")
        load.rate("publish", 200)
        load.rate("report", 50)
        time.sleep(rng.uniform(0.1, 0.5))
        with broken_sync(hub, "error=EIO"):
            wait_for("the log says so", lambda: "message_refused" in hub.log()[hub.log_start:], slack(1))
            load.mark("failing")
            time.sleep(rng.uniform(0.5, 1.5))
            failing = load.mark("over")
            if is_killed:
                hub.kill()
        assert failing.get("publish", {}).get("count", 0) == 0, f"acknowledged without a sync: {failing}"
        assert failing.get("report", {}).get("count", 0) == 0, f"reports acknowledged without a sync: {failing}"
        since = time.monotonic()
        if is_killed:
            hub.start()
        return {"resumed_s": resumes(load, since), "killed": is_killed, "acked": finish(hub, load, after)}


# ---- F18: deployments that supersede each other ----

def content(tag):
    agent = {"schemaVersion": "1.1", "runtime": {"type": "docker", "settings": {"minDockerVersion": "v1.25"}},
             "systemModules": {"edgeAgent": {"type": "docker", "settings": {"image": "hub.local/agent:1"}},
                               "edgeHub": {"type": "docker", "status": "running", "restartPolicy": "always",
                                           "settings": {"image": "hub.local/hub:1"}}},
             "modules": {"m": {"type": "docker", "status": "running", "restartPolicy": "always", "version": "1.0",
                               "settings": {"image": f"hub.local/m:{tag}"}}}}
    router = {"schemaVersion": "1.1", "routes": {"up": "FROM /messages/* INTO $upstream"},
              "storeAndForwardConfiguration": {"timeToLiveSecs": 7200}}
    return {"modulesContent": {"$edgeAgent": {"properties.desired": agent}, "$edgeHub": {"properties.desired": router},
                               "m": {"properties.desired": {"tag": tag}}}}


def deploy(hub, name, priority, tag, target="tags.line >= 0"):
    body = {"id": name, "schemaVersion": "1.0", "content": content(tag), "targetCondition": target, "priority": priority, "labels": {},
            "metrics": {"queries": {}}}
    answer = hub.put(f"/configurations/{name}", params={"api-version": API}, json=body)
    assert answer.status_code in (200, 201), answer.text


def deployed(hub, device):
    """The tag that the device's module m is to have."""
    answer = hub.get(f"/twins/{device}/modules/$edgeAgent", params={"api-version": API})
    assert answer.status_code == 200, answer.text
    module = answer.json()["properties"]["desired"].get("modules", {}).get("m")
    return module and module["settings"]["image"].rpartition(":")[2]


def superseded(folder, seeds, devices=20):
    """F18: deployments made and removed in any order; in 5 s all devices have what won."""
    hub, _ = start(folder, folder, devices, edge=True)
    names = [f"dev-{i:06d}" for i in range(devices)]
    with hub:
        for seed in seeds:
            with of_seed(seed) as rng:
                there, is_killed = {}, rng.random() < 0.3
                for i in range(rng.randrange(10, 40)):
                    if there and rng.random() < 0.3:
                        name = rng.choice(list(there))
                        assert hub.delete(f"/configurations/{name}", params={"api-version": API}).status_code == 204
                        del there[name]
                    else:
                        there[f"c-{seed}-{i}"] = (rng.randrange(3), i, f"t{seed}-{i}")
                        deploy(hub, f"c-{seed}-{i}", *there[f"c-{seed}-{i}"][::2])
                if not there:
                    there["last"] = (1, 99, f"t{seed}-last")
                    deploy(hub, "last", 1, f"t{seed}-last")
                if is_killed:
                    hub.kill()
                    hub.start()
                begin, expected = time.monotonic(), max(there.values())[2]
                while any(deployed(hub, d) != expected for d in names):
                    assert time.monotonic() < begin + slack(5), f"expected {expected}, have {[deployed(hub, d) for d in names]}"
                took = time.monotonic() - begin
                for name in there:
                    hub.delete(f"/configurations/{name}", params={"api-version": API})
                yield {"seed": seed, "acked": 0, "converged_s": round(took, 3), "killed": is_killed}


# ---- F19: the hub is killed ----

def killed(folder, seeds, devices=200, opening=1000):
    """F19: SIGKILL under load; all come back, nothing acknowledged is lost, no twin goes back."""
    hub, keys = start(folder, folder, devices, "--telemetry-size", "256M")
    with hub:
        for seed in seeds:
            with of_seed(seed) as rng:
                after = last_number(hub)
                with Fleet(hub, keys, devices, "--opening", opening, folder=folder, seed=rng.randrange(1, 1 << 30)) as load:
                    load.wait("ready")
                    load.rate("publish", rng.choice([200, 1000, 3000]))
                    load.rate("report", rng.choice([10, 100, 300]))
                    load.rate("get", 50)
                    time.sleep(rng.uniform(0.3, 1.5))
                    hub.kill()
                    time.sleep(rng.uniform(0, 0.5))
                    back = restart(hub, load)
                    # a device's twin is asked for one by one: not of ten thousand
                    yield {"seed": seed, "acked": finish(hub, load, after, devices <= 1000)} | back


# ---- F22: certificates, revocation, tokens ----

def change_device(hub, device, **fields):
    there = hub.get(f"/devices/{device}", params={"api-version": API})
    assert there.status_code == 200, there.text
    body = there.json() | fields
    answer = hub.put(f"/devices/{device}", params={"api-version": API}, json=body, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text
    return there.json()


def served_certificate(hub):
    context = ssl.create_default_context(cafile=hub.ca)
    with socket.create_connection(("127.0.0.1", hub.mqtt_port)) as s, context.wrap_socket(s, server_hostname="localhost") as t:
        return t.getpeercert(True)


def connects_of(hub):
    return int(re.search(r"^skerry_hub_connects_total (\d+)", hub.get("/metrics").text, re.M)[1])


def make_due(hub):
    """Replaces the server's certificate by one of the same CA that is about to end."""
    tls = os.path.join(hub.data_dir, "tls")
    run = lambda *words, **kwargs: subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=tls, **kwargs)  # noqa: E731
    run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "due.key")
    run("req", "-new", "-key", "due.key", "-subj", "/CN=localhost", "-out", "due.csr")
    run("x509", "-req", "-in", "due.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", "77", "-days", "1", "-out", "due.pem", "-extfile",
        "/dev/stdin", input=b"subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    with open(os.path.join(tls, "server.pem"), "wb") as out:
        for name in ("due.pem", "ca.pem", "due.key"):
            with open(os.path.join(tls, name), "rb") as f:
                out.write(f.read())
    for name in ("due.pem", "due.csr", "due.key"):
        os.unlink(os.path.join(tls, name))


def trust(folder, seeds, devices=20):
    """F22: a new certificate cuts nobody, and the next who connects sees it; who is disabled, or has lost its key, is out within 2 s; tokens that have
    expired, or are another device's, open nothing."""
    hub, keys = start(folder, folder, devices + 1)
    lines = open(keys).read().splitlines()
    with hub:
        for seed in seeds:
            with of_seed(seed) as rng:
                hub.restart()  # it counts failed logins by address, and refuses more when there were many
                after = last_number(hub)
                with Fleet(hub, keys, devices, *RETRY, "--verbose", folder=folder, seed=rng.randrange(1, 1 << 30)) as load:
                    load.wait("ready")
                    load.rate("publish", 100)
                    before, connects = served_certificate(hub), connects_of(hub)
                    make_due(hub)
                    begin = time.monotonic()
                    hub.process.send_signal(signal.SIGHUP)
                    while served_certificate(hub) == before:
                        assert time.monotonic() < begin + slack(10), "the certificate is the old one"
                        time.sleep(0.05)
                    rotation = time.monotonic() - begin
                    time.sleep(0.5)
                    assert connects_of(hub) == connects, "somebody was cut"
                    revoked = {kind: revoke(hub, load, rng.randrange(devices), kind) for kind in ("status", "key")}
                    wrong_tokens(hub, lines, rng, folder, devices)
                    yield {"seed": seed, "acked": finish(hub, load, after), "rotation_s": round(rotation, 3)} | revoked


def revoke(hub, load, index, kind):
    """Seconds until the device is cut; it must not come back, until it may."""
    device, seen, begin = f"dev-{index:06d}", load.count(), time.monotonic()
    if kind == "status":
        old = change_device(hub, device, status="disabled")
    else:
        there = hub.get(f"/devices/{device}", params={"api-version": API}).json()
        new = there["authentication"] | {"symmetricKey": {k: base64.b64encode(os.urandom(32)).decode() for k in ("primaryKey", "secondaryKey")}}
        old = change_device(hub, device, authentication=new)
    load.wait("closed", seen, slack(2), device=device)
    took = time.monotonic() - begin
    load.wait("closed", seen, slack(5), device=device, why="CONNACK 5")
    change_device(hub, device, status="enabled", authentication=old["authentication"])
    load.tell("again")
    load.wait("ready", seen)
    return {f"{kind}_s": round(took, 3)}


def wrong_tokens(hub, lines, rng, folder, devices):
    """One that expired beyond the skew, one within it that ends soon, one of another device."""
    spare = lines[devices].split()
    other = lines[rng.randrange(devices)].split()
    path = os.path.join(str(folder), "wrong-keys")
    for key, rest, expected in ((spare[1], -302, "CONNACK 5"), (other[1], 3600, "CONNACK 5"), (spare[1], slack(2) - 300, None)):
        end = int(time.time() + rest)
        with open(path, "w") as f:
            f.write(f"{spare[0]} {key}\n")
        with Fleet(hub, path, 1, "--verbose", "--token-end", end, folder=folder) as load:
            if expected:
                closed = load.wait("closed", 0, slack(5))
                assert closed["why"] in (expected, "CONNACK 4"), closed
            else:
                load.wait("ready")
                load.wait("closed", 0, 2 * slack(5))  # when the skew is over


# ---- F24: a storm with a backlog ----

def storm(folder, seeds, devices=100, quiet=20, each=100, quiet_s=2):
    """F24: many devices come back at once, each with a backlog; the others hardly notice."""
    hub, keys = start(folder, folder, devices + quiet, "--telemetry-size", "512M")
    with hub:
        for seed in seeds:
            with of_seed(seed) as rng:
                after = last_number(hub)
                number = rng.randrange(1, 1 << 30)
                with Fleet(hub, keys, quiet, folder=folder, seed=number) as calm, \
                        Fleet(hub, keys, devices, "--retry", "100ms", folder=folder, first=quiet, seed=number, nice=10) as load:
                    calm.wait("ready")
                    load.wait("ready")
                    calm.rate("publish", 200)
                    before = calm.measure(quiet_s)
                    calm.mark("storm")
                    seen, begin = load.count(), time.monotonic()
                    load.tell("backlog", each)
                    load.tell("drop")
                    load.wait("ready", seen)
                    load.wait_acked()
                    took = time.monotonic() - begin
                    during = calm.mark("after")
                    acked = finish(hub, load, after) + finish(hub, calm, after)
                    yield {"seed": seed, "acked": acked, "storm_s": round(took, 3), "quiet_p99_ms": before["publish"]["p99_ms"],
                           "storm_p99_ms": during["publish"]["p99_ms"]}


# ---- F25: clients that do not read ----

def stuck(folder, seeds, devices=20, quiet=20, patches=60, quiet_s=2):
    """F25: stopped devices, and a reader of the live stream that takes nothing: what waits for them is bounded, others go on."""
    hub, keys = start(folder, folder, devices + quiet, "--telemetry-size", "256M")
    with hub:
        for seed in seeds:
            with of_seed(seed) as rng:
                yield {"seed": seed} | one_stuck(hub, keys, rng, folder, devices, quiet, patches, quiet_s)


def one_stuck(hub, keys, rng, folder, devices, quiet, patches, quiet_s):
    after, number = last_number(hub), rng.randrange(1, 1 << 30)
    with Fleet(hub, keys, quiet, "--size", 2000, folder=folder, seed=number) as calm, \
            Fleet(hub, keys, devices, "--retry", "100ms", folder=folder, first=quiet, seed=number) as load, unread_stream(hub):
        calm.wait("ready")
        load.wait("ready")
        calm.rate("publish", 500)
        before = calm.measure(quiet_s)
        memory = hub.pss_bytes()
        load.process.send_signal(signal.SIGSTOP)
        calm.mark("stuck")
        names, too_deep = [f"dev-{i:06d}" for i in range(quiet, quiet + devices)], 0
        for i in range(patches):
            name = names[i % len(names)]
            desired = {"fill": {f"k{k}": f"{i}-" + "x" * 3900 for k in range(7)}}
            answer = hub.patch(f"/twins/{name}", params={"api-version": API}, json={"properties": {"desired": desired}})
            assert answer.status_code == 200, answer.text
            sent = hub.post(f"/devices/{names[0]}/messages/deviceBound", params={"api-version": API}, data=b"y" * 20000)
            too_deep += sent.status_code == 403
        grown = (hub.pss_bytes() - memory) / MIB
        during = calm.mark("after")
        load.process.send_signal(signal.SIGCONT)
        seen = load.count()
        if load.mark("awake")["ready"] < devices:
            load.wait("ready", seen)
        load.rate("get", 200)
        wait_for("the stopped devices hear", lambda: load.measure(0.3).get("get", {}).get("count"), slack(5))
        assert grown < 64, f"the hub grew by {grown:.0f} MiB"
        load.stop()
        assert load.sum("regress") == 0
        return {"acked": finish(hub, calm, after), "grown_mib": round(grown, 1), "refused_c2d": too_deep,
                "quiet_p99_ms": before["publish"]["p99_ms"], "stuck_p99_ms": during["publish"]["p99_ms"]}


@contextlib.contextmanager
def unread_stream(hub):
    """A request for the live stream whose answer nobody reads."""
    context = ssl.create_default_context(cafile=hub.ca)
    with socket.create_connection(("127.0.0.1", hub.port)) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with context.wrap_socket(s, server_hostname="localhost") as t:
            t.sendall(f"GET /api/v1/telemetry/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {hub.tokens['owner']}\r\n\r\n".encode())
            yield


FAULTS = {"F7": power_cut, "F9": disk_full, "F10-slow": slow_sync, "F10-failing": failing_sync, "F18": superseded, "F19": killed,
          "F22": trust, "F24": storm, "F25": stuck}


def write(path, name, results, about):
    """A file of bench/results."""
    with open(path, "w") as f:
        json.dump({"fault": name, "seeds": len(results), "about": about, "results": results}, f, indent=1)
        f.write("\n")
