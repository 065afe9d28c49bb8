"""The generator of bench/load tells the truth: what it says was acknowledged is what the hub has, a second tool's messages arrive the
same way, a server that acknowledges nothing gives no figures, and one that forgets is found out."""

import json
import shutil
import subprocess
import time

import pytest

from harness import faults, fleet
from harness.fleet import Fleet
from harness.hub import sas
from harness.iot import wait_for

DEVICES = 10
MESSAGES = 20
KINDS = ("publish", "get", "report", "method")
USER = "{host}/{device}/?api-version=2021-04-12"
TOPIC = "devices/{device}/messages/events/%24.ct=application%2Fjson&%24.ce=utf-8"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    if not fleet.is_built():
        pytest.skip("bench/load was not built")
    folder = tmp_path_factory.mktemp("load")
    hub, keys = faults.start(folder, folder, DEVICES)
    with hub:
        yield hub, keys, folder


def test_numbers_agree(place):
    hub, keys, folder = place
    with Fleet(hub, keys, DEVICES, folder=folder) as load:
        load.wait("ready")
        load.tell("backlog", MESSAGES)
        load.wait_acked()
        last = load.stop()
        have = fleet.kept(hub, load.run)
        assert {d: len(n) for d, n in have.items()} == {f"dev-{i:06d}": MESSAGES for i in range(DEVICES)}
        assert fleet.check(hub, load) == DEVICES * MESSAGES
        windows = [e for e in load.events if e["event"] == "window"]
        assert sum(w.get("publish", {}).get("count", 0) for w in windows) == DEVICES * MESSAGES
        assert last["waiting"] == 0 and load.sum("resent") == 0, [(e.get("name"), e.get("resent"), e.get("closed"), e.get("publish", {}).get("count")) for e in load.events]


def test_second_tool(place):
    """mosquitto_pub sends the same messages; the hub has the same of both."""
    hub, keys, _ = place
    if not shutil.which("mosquitto_pub"):
        pytest.skip("mosquitto_pub is not installed")
    run = time.monotonic_ns()
    text = "".join(json.dumps({"run": run, "n": i + 1}) + "\n" for i in range(MESSAGES))
    for line in open(keys).read().splitlines():
        device, key = line.split()
        subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(hub.mqtt_port), "--cafile", hub.ca, "-i", device, "-V", "mqttv311",
                        "-u", USER.format(host="localhost", device=device), "-P", sas("localhost", device, key), "-q", "1", "-l",
                        "-t", TOPIC.format(device=device)], input=text, text=True, check=True, timeout=30)
    assert fleet.kept(hub, run) == {f"dev-{i:06d}": list(range(1, MESSAGES + 1)) for i in range(DEVICES)}


def wait_done(load, **wanted):
    """Until more than so many of each kind are done; the windows."""
    windows = []
    def is_done():
        windows.append(load.measure(0.3))
        return all(sum(w[kind]["count"] for w in windows) > count for kind, count in wanted.items())
    wait_for(f"{wanted} and more", is_done)
    return windows


def test_latency_counts_from_the_schedule(place):
    """A hub that stands still for half a second shows in the messages of that time, however few were sent in it."""
    hub, keys, folder = place
    with Fleet(hub, keys, DEVICES, folder=folder) as load:
        load.wait("ready")
        load.rate("publish", 200)
        time.sleep(0.2)
        load.mark("stopped")
        seen = load.count()
        subprocess.run(["kill", "-STOP", str(hub.process.pid)], check=True)
        time.sleep(0.5)
        load.rate("publish", 0)
        subprocess.run(["kill", "-CONT", str(hub.process.pid)], check=True)
        load.wait_acked()
        windows = [e["publish"] for e in load.events[seen:] if e["event"] == "window" and e.get("publish", {}).get("count")]
        slow = max(windows, key=lambda w: w["max_ms"])
        assert slow["max_ms"] > 400 and slow["p50_ms"] > 50 and slow["count"] > 50, windows
        load.stop()


def test_a_loss_is_found(place, tmp_path):
    """The book is compared in earnest: one that claims a message more than there is fails."""
    hub, keys, folder = place
    with Fleet(hub, keys, 1, folder=folder) as load:
        load.wait("ready")
        load.tell("backlog", 3)
        load.wait_acked()
        load.stop()
        fleet.check(hub, load)
        with open(load.ledger_path) as f:
            device, sent, acked, *rest = f.read().split()
        with open(load.ledger_path, "w") as f:
            f.write(" ".join([device, str(int(sent) + 1), str(int(acked) + 1), *rest]) + "\n")
        with pytest.raises(AssertionError, match="1 acknowledged messages are lost"):
            fleet.check(hub, load)


def test_server_that_keeps_nothing(place):
    """It acknowledges, twins too; the hub has nothing of it."""
    hub, keys, folder = place
    null = subprocess.Popen([fleet.tool("null_mqtt"), "--cert", f"{hub.data_dir}/tls/server.pem"], stdout=subprocess.PIPE, text=True)
    try:
        port = int(null.stdout.readline().removeprefix("port="))
        with Fleet(hub, keys, DEVICES, "--resume", folder=folder, port=port) as load:
            load.wait("ready")
            load.rate("publish", 200)
            load.rate("get", 50)
            load.rate("report", 50)
            wait_done(load, publish=20, get=5, report=5)
            seen = load.count()
            load.tell("drop")
            load.wait("ready", seen)
            load.wait_acked()
            load.stop()
            assert fleet.kept(hub, load.run) == {}
    finally:
        null.kill()
        null.wait()
        null.stdout.close()


def test_websocket_and_methods(place):
    hub, keys, folder = place
    with Fleet(hub, keys, DEVICES, "--websocket", "--service-port", hub.port, "--bearer", hub.tokens["owner"], folder=folder,
               port=hub.port) as load:
        load.wait("ready")
        for kind in KINDS:
            load.rate(kind, 50)
        windows = wait_done(load, **dict.fromkeys(KINDS, 20))
        assert all(w[kind]["failed"] == 0 for w in windows for kind in KINDS), windows
        wait_for("methods", lambda: load.measure(0.2) and load.sum("methods") > 20)
        load.wait_acked()
        load.stop()
        assert fleet.check(hub, load) > 20
