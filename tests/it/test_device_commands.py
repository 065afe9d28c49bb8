"""The commands of the device hub against a real one: `skerry device`, `twin`, `method`, `message`, `set-modules`, `deployment`, `monitor`
([devcli-...] in docs/spec/device-commands.md)."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, HTTPServer

import paho.mqtt.client as mqtt
import pytest

from harness import program
from harness.hub import Hub, sas

WAIT_S = 60
BODY = {"prediction": "scratch", "confidence": 0.91, "inferenceLatencyMs": 12.4, "modelVersion": "7"}


def until(what, is_true):
    """The first true value of is_true()."""
    end = time.monotonic() + WAIT_S
    while True:
        value = is_true()
        if value:
            return value
        assert time.monotonic() < end, f"not after {WAIT_S} s: {what}"
        time.sleep(0.05)


def ok(hub, *args, **kwargs):
    """Standard output of a command that succeeds."""
    done = hub.cli(*args, **kwargs)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def parts(connection):
    return dict(part.split("=", 1) for part in connection.strip().split(";"))


class Device:
    """What a device does, by the connection string that a command has printed: over MQTT once connect() was called, else over HTTPS."""

    def __init__(self, hub, connection):
        said = parts(connection)
        self.hub, self.name, self.module, self.key = hub, said["DeviceId"], said.get("ModuleId", ""), said["SharedAccessKey"]
        self.identity = self.name + ("/" + self.module if self.module else "")
        self.calls, self.messages, self.answers = [], [], {}

    def send(self, body):
        path = f"/devices/{self.name}/messages/events?api-version=2021-04-12"
        answer = self.hub.request("POST", path, role=None, data=json.dumps(body), headers={
            "Authorization": sas(self.hub.host, self.name, self.key), "Content-Type": "application/json"})
        assert answer.status_code == 204, answer.text

    def connect(self):
        is_ready = threading.Event()
        self.client = mqtt.Client(self.identity, clean_session=True)
        resource = f"{self.name}/modules/{self.module}" if self.module else self.name
        self.client.username_pw_set(f"{self.hub.host}/{self.identity}/?api-version=2021-04-12", sas(self.hub.host, resource, self.key))
        self.client.tls_set(self.hub.ca)
        wanted = [("$iothub/methods/POST/#", 0), ("$iothub/twin/PATCH/properties/desired/#", 0)]
        wanted += [(f"devices/{self.name}/modules/{self.module}/inputs/#" if self.module else
                    f"devices/{self.name}/messages/devicebound/#", 1)]
        self.client.on_connect = lambda *_: self.client.subscribe(wanted)
        self.client.on_subscribe = lambda *_: is_ready.set()
        self.client.on_message = self.on_message
        self.client.connect(self.hub.host, self.hub.mqtt_port)
        self.client.loop_start()
        assert is_ready.wait(WAIT_S)
        return self

    def on_message(self, _client, _user, message):
        if not message.topic.startswith("$iothub/methods/"):
            self.messages.append((message.topic, message.payload))
            return
        name = message.topic.split("/")[3]
        self.calls.append((name, json.loads(message.payload)))
        status, body = self.answers.get(name, (404, None))
        self.client.publish(f"$iothub/methods/res/{status}/?$rid={message.topic.split('$rid=')[1]}", json.dumps(body))

    def __enter__(self):
        return self.connect()

    def __exit__(self, *_):
        self.client.disconnect()
        self.client.loop_stop()


class Running:
    """A command that goes on; its outputs as they come. On a terminal both are one."""

    def __init__(self, hub, *args, terminal=False, env=None):
        self.outputs = {"out": b"", "err": b""}
        words = [program.binary(), *map(str, args)]
        environment = program.environment(hub.home, {**hub.environment(), **(env or {})})
        if terminal:
            master, slave = pty.openpty()
            self.process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=hub.home,
                                            preexec_fn=program.hear_ctrl_c)
            os.close(slave)
            self.pipes = {master: "out"}
        else:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                            env=environment, cwd=hub.home, preexec_fn=program.hear_ctrl_c)
            self.pipes = {self.process.stdout.fileno(): "out", self.process.stderr.fileno(): "err"}

    @property
    def out(self):
        return self.outputs["out"].decode()

    @property
    def err(self):
        return self.outputs["err"].decode()

    def read(self, wait_s=0.05):
        """What has come so far on standard output."""
        for pipe in select.select(list(self.pipes), [], [], wait_s)[0]:
            try:
                data = os.read(pipe, 65536)
            except OSError:  # a terminal that nobody has open
                data = b""
            self.outputs[self.pipes[pipe]] += data
            if not data:
                del self.pipes[pipe]
        return self.out

    def lines(self):
        return self.read().splitlines()

    def end(self, status=0, by=signal.SIGINT):
        self.process.send_signal(by)
        end = time.monotonic() + WAIT_S
        while self.pipes and time.monotonic() < end:
            self.read()
        code = self.process.wait(WAIT_S)
        program.assert_clean(self.out + self.err)
        assert code == status, f"{code}\n{self.out}\n{self.err}"
        return self.out

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def device(hub):
    return Device(hub, ok(hub, "device", "create", "line-3", "--tag", "site=north"))


# ---- identities ----

def test_create_prints_the_secret_alone(hub):
    """[devcli-1], [devcli-2]"""
    done = hub.cli("device", "create", "alone")
    assert re.fullmatch(r"HostName=\S+;DeviceId=alone;SharedAccessKey=\S{44}\n", done.stdout)
    assert parts(done.stdout)["HostName"] == hub.get("/api/v1/whoami").json()["hub"]
    assert parts(done.stdout)["SharedAccessKey"] not in done.stderr and "alone" in done.stderr
    assert ok(hub, "device", "key", "alone").splitlines()[0] + "\n" == done.stdout
    shown = ok(hub, "device", "show", "alone") + ok(hub, "device", "show", "alone", "--json") + ok(hub, "device", "list", "--json")
    assert parts(done.stdout)["SharedAccessKey"] not in shown


def test_a_renewed_key_and_a_disabled_device(hub):
    """[devcli-3]"""
    old = Device(hub, ok(hub, "device", "create", "renewed"))
    old.send(BODY)
    new = Device(hub, ok(hub, "device", "key", "renewed", "--renew", "primary").splitlines()[0])
    new.send(BODY)
    with pytest.raises(AssertionError):
        old.send(BODY)
    ok(hub, "device", "disable", "renewed")
    with pytest.raises(AssertionError):
        new.send(BODY)
    ok(hub, "device", "enable", "renewed")
    new.send(BODY)
    ok(hub, "device", "delete", "renewed", "--yes")
    with pytest.raises(AssertionError):
        new.send(BODY)


def test_connected_devices_are_listed(hub):
    there = Device(hub, ok(hub, "device", "create", "there"))
    assert "there" not in ok(hub, "device", "list", "--connected")
    with there:
        until("it is connected", lambda: "there " in ok(hub, "device", "list", "--connected"))
        assert json.loads(ok(hub, "device", "show", "there", "--json"))["connectionState"] == "Connected"


def test_roles(hub):
    assert hub.cli("device", "create", "no", role="reader").returncode == 1
    assert hub.cli("device", "create", "no", role="publisher").returncode == 1
    ok(hub, "device", "create", "by-deployer", role="deployer")
    ok(hub, "device", "list", role="reader")
    ok(hub, "monitor", role="reader")
    done = hub.cli("twin", "update", "by-deployer", "--tags", "{}", role="reader")
    assert done.returncode == 1 and "skerry login" not in done.stderr, "known, but not allowed"
    assert hub.cli("hub", "policy", "list", role="deployer").returncode == 1


# ---- speaking to devices ----

def test_method(hub, device):
    """[devcli-10]"""
    device.answers = {"fine": (200, {"a": [1, None]}), "failed": (500, "x"), "nothing": (204, None)}
    with device:
        assert json.loads(ok(hub, "method", "invoke", "line-3", "fine", "--payload", '{"b": 1}')) == {"status": 200, "payload": {"a": [1, None]}}
        assert json.loads(ok(hub, "method", "invoke", "line-3", "failed")) == {"status": 500, "payload": "x"}
        assert json.loads(ok(hub, "method", "invoke", "line-3", "nothing")) == {"status": 204, "payload": None}
        assert device.calls == [("fine", {"b": 1}), ("failed", None), ("nothing", None)]
    done = hub.cli("method", "invoke", "line-3", "fine")
    assert done.returncode == 1 and "not connected" in done.stderr


def test_method_waits_for_the_device(hub, device):
    device.answers = {"late": (200, 1)}
    with Running(hub, "method", "invoke", "line-3", "late", "--connect-timeout", "60s") as run:
        time.sleep(0.5)
        with device:
            until("the answer", lambda: run.lines())
        assert json.loads(run.out) == {"status": 200, "payload": 1}
        assert run.process.wait(WAIT_S) == 0


def test_message_and_desired_properties(hub, device):
    device.messages.clear()
    with device:
        ok(hub, "message", "send", "line-3", "--body", '{"lamp": "on"}', "--property", "kind=command", "--property", "of=a b&c")
        ok(hub, "twin", "update", "line-3", "--desired", '{"interval": 5}')
        until("both have come", lambda: len(device.messages) >= 2)
    (down, body), (patch, change) = sorted(device.messages)[::-1]
    assert down.startswith("devices/line-3/messages/devicebound/") and json.loads(body) == {"lamp": "on"}
    assert "kind=command" in down and "of=a%20b%26c" in down and "application%2Fjson" in down
    assert patch.startswith("$iothub/twin/PATCH/") and json.loads(change)["interval"] == 5
    assert "properties.desired.interval         5\n" in ok(hub, "twin", "show", "line-3")


def test_message_to_a_module(hub, device):
    module = Device(hub, ok(hub, "device", "create", "line-3", "--module", "filter"))
    with module:
        ok(hub, "message", "send", "line-3", "--module", "filter", "--input", "frames", "--body", "x")
        until("it has come", lambda: module.messages)
    topic, body = module.messages[0]
    assert topic.startswith("devices/line-3/modules/filter/inputs/frames") and body == b"x"


# ---- what devices run ----

def manifest(path, **modules):
    docker = {"type": "docker", "status": "running", "restartPolicy": "always"}
    path.write_text(json.dumps({"modulesContent": {
        "$edgeAgent": {"properties.desired": {
            "schemaVersion": "1.1", "runtime": {"type": "docker", "settings": {"minDockerVersion": "v1.25"}},
            "systemModules": {"edgeAgent": {"type": "docker", "settings": {"image": "r/agent:1", "createOptions": "{}"}},
                              "edgeHub": {**docker, "settings": {"image": "r/hub:1", "createOptions": "{}"}}},
            "modules": {name: {**docker, "version": "1.0", "settings": {"image": image, "createOptions": "{}"}} for name, image in modules.items()}}},
        "$edgeHub": {"properties.desired": {"schemaVersion": "1.1", "routes": {"up": "FROM /messages/* INTO $upstream"},
                                            "storeAndForwardConfiguration": {"timeToLiveSecs": 7200}}}}}))
    return path


def test_set_modules_as_az_does(hub, tmp_path):
    """[devcli-21] With a policy's connection string and a CA of the environment, and no context."""
    ok(hub, "device", "create", "cell-7", "--edge-enabled")
    content = manifest(tmp_path / "m.json", vision="r/vision:3")
    policy = ok(hub, "hub", "policy", "show", "iothubowner").strip()
    secret = parts(policy)["SharedAccessKey"]
    login = f"HostName={hub.address};SharedAccessKeyName=iothubowner;SharedAccessKey={secret}"
    words = ("set-modules", "-d", "cell-7", "-k", content, "--login", login)
    home = tmp_path / "home"
    home.mkdir()
    nothing = {"SSL_CERT_FILE": "", "REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": ""}
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "SKERRY_CA_FILE"):
        done = program.run(*words, "--json", home=str(home), env={**nothing, name: hub.ca})
        assert done.returncode == 0, done.stderr
        assert [m["moduleId"] for m in json.loads(done.stdout)] == ["$edgeAgent", "$edgeHub", "vision"]
    done = program.run(*words, home=str(home), env=nothing)
    assert done.returncode == 1 and secret not in done.stderr, "nobody vouches for the hub"
    # The name alone: the context of that host has its port and CA.
    done = program.run("login", hub.url, "--ca-file", hub.ca, "--token-stdin", home=str(home), input=hub.tokens["owner"])
    assert done.returncode == 0, done.stderr
    short = f"HostName={hub.host};SharedAccessKeyName=iothubowner;SharedAccessKey={secret}"
    done = program.run("set-modules", "-d", "cell-7", "-k", content, "--login", short, home=str(home))
    assert done.returncode == 0 and "vision" in done.stdout, done.stderr


def test_deployments(hub, tmp_path):
    for name, site in (("cell-1", "here"), ("cell-2", "there")):
        ok(hub, "device", "create", name, "--edge-enabled", "--tag", f"site={site}")
    ok(hub, "deployment", "create", "one", "-k", manifest(tmp_path / "a.json", a="r/a:1"), "-t", "tags.site = 'here'", "-p", "5")

    def metrics():
        rows = [line.split() for line in ok(hub, "deployment", "metrics", "one").splitlines()[1:]]
        return {name: int(count) for name, _kind, count in rows}
    until("it is applied", lambda: metrics() == {"targetedCount": 1, "appliedCount": 1, "reportedSuccessfulCount": 0, "reportedFailedCount": 0})
    assert [json.loads(line) for line in ok(hub, "deployment", "metrics", "one", "--metric-id", "appliedCount").splitlines()] == [{"deviceId": "cell-1"}]
    assert "r/a:1" in ok(hub, "twin", "show", "cell-1", "--module", "$edgeAgent")
    assert "r/a:1" not in ok(hub, "twin", "show", "cell-2", "--module", "$edgeAgent")
    ok(hub, "deployment", "update", "one", "--target-condition", "tags.site = 'there'")
    until("the other one has it", lambda: "r/a:1" in ok(hub, "twin", "show", "cell-2", "--module", "$edgeAgent"))
    assert "image.a                             r/a:1\n" in ok(hub, "deployment", "show", "one")
    ok(hub, "deployment", "delete", "one", "--yes")
    assert ok(hub, "deployment", "list", "--json") == "[]\n"


# ---- what devices send ----

def wait_follows(device, run):
    """Until it prints what comes from now on: -1."""
    until("it follows", lambda: device.send({"n": -1}) or run.lines())


def numbers(lines):
    """Those that came, without those of wait_follows."""
    return [n for n in (json.loads(line)["body"]["n"] for line in lines) if n != -1]


def test_monitor_follows(hub, device):
    """[devcli-31], [devcli-32] Only what comes from now on, of this device, at once; Ctrl-C ends it without an error."""
    other = Device(hub, ok(hub, "device", "create", "another"))
    device.send({"n": -2})
    with Running(hub, "monitor", "--follow", "--device", "line-3", "--json") as run:
        wait_follows(device, run)
        for n in range(3):
            device.send({"n": n})
            other.send({"n": 100 + n})
        until("three came", lambda: len(numbers(run.lines())) >= 3)
        lines = run.end().splitlines()
    assert numbers(lines) == [0, 1, 2] and run.err == ""
    assert {json.loads(line)["deviceId"] for line in lines} == {"line-3"}


def test_monitor_goes_on_after_a_break(tmp_path):
    """[devcli-31] Nothing is missed and nothing is told twice when the hub ends, is killed, or comes back before the first message."""
    with Hub(tmp_path) as hub:
        device = Device(hub, ok(hub, "device", "create", "d"))
        device.send({"n": -2})
        with Running(hub, "monitor", "--follow", "--json") as run:
            wait_follows(device, run)
            hub.restart()
            device.send({"n": 0})
            until("the first came", lambda: len(numbers(run.lines())) == 1)
            device.send({"n": 1})
            hub.kill()
            hub.start()
            device.send({"n": 2})
            until("all came", lambda: len(numbers(run.lines())) >= 3)
            time.sleep(0.5)
            lines = run.end().splitlines()
        assert numbers(lines) == [0, 1, 2]
        assert run.err.count("trying again in") >= 2


def test_monitor_without_a_hub(hub):
    """It does not wait for a hub that was never there, nor when it may not."""
    env = {"SKERRY_HUB": f"https://127.0.0.1:{program.free_port()}"}
    assert hub.cli("monitor", "--follow", env=env).returncode == 1
    assert hub.cli("monitor", "--follow", env={"SKERRY_TOKEN": "skt_0000000000000000_x"}).returncode == 1


def test_monitor_whose_reader_is_gone(hub, device):
    """A pipe that is closed ends it by SIGPIPE, as every command."""
    with Running(hub, "monitor", "--follow", "--json") as run:
        time.sleep(1)
        run.process.stdout.close()
        until("it has ended", lambda: device.send(BODY) or run.process.poll() is not None)
    assert run.process.returncode == -signal.SIGPIPE


def test_monitor_as_a_group(hub, device):
    """[devcli-33] Two runs after another see each message once; one that follows gets what comes."""
    ok(hub, "monitor", "--group", "once", "--json")
    for n in range(3):
        device.send({"n": n})
    first = ok(hub, "monitor", "--group", "once", "--json").splitlines()
    assert [json.loads(line)["body"]["n"] for line in first] == [0, 1, 2]
    assert ok(hub, "monitor", "--group", "once", "--json") == ""
    with Running(hub, "monitor", "--group", "once", "--json", "--follow") as run:
        device.send({"n": 3})
        until("it came", lambda: len(run.lines()) == 1)
        run.end()
    assert ok(hub, "monitor", "--group", "once", "--json") == ""


def test_monitor_on_a_terminal(hub, device):
    device.send(BODY)
    with Running(hub, "monitor", "--max", 1, terminal=True) as run:
        until("it has ended", lambda: run.read() and run.process.poll() is not None)
        run.read()
    assert "\033[1mscratch" in run.out
    with Running(hub, "monitor", "--max", 1, terminal=True, env={"NO_COLOR": "1"}) as run:
        until("it has ended", lambda: run.read() and run.process.poll() is not None)
        run.read()
    assert "scratch           0.910       12.4 ms     7" in run.out and "\033" not in run.out


def test_monitor_summary(hub, device):
    """[devcli-35] Drawn anew on a terminal; in a pipe once, when it ends."""
    device = Device(hub, ok(hub, "device", "create", "line-4"))
    words = ("monitor", "--summary", "--follow", "--device", "line-4", "--since", "1h")
    with Running(hub, *words, "--json") as pipe, Running(hub, *words, terminal=True) as screen:
        for latency in (10, 20, 30, 40):
            device.send({**BODY, "inferenceLatencyMs": latency})
        until("it was drawn with all four", lambda: "4         " in screen.read())
        until("it was drawn over", lambda: "A\033[J" in screen.read())
        assert pipe.read() == ""
        screen.end()
        row = json.loads(pipe.end())
    assert (row["deviceId"], row["modelVersion"], row["messages"]) == ("line-4", "7", 4)
    assert (row["latencyMsP50"], row["latencyMsP99"], row["predictions"]) == (20, 40, {"scratch": 1})


def test_events(hub, device):
    with Running(hub, "monitor", "--events", "--follow", "--device", "line-3") as run:
        def comes_and_goes():
            with device:
                pass
            return "deviceConnected" in run.read()
        until("it came", comes_and_goes)
        until("it went", lambda: "deviceDisconnected" in run.read())
        run.end()


class Pages(BaseHTTPRequestHandler):
    """A hub with two messages that fit, far apart: each page looks through a part of what there is."""

    PAGES = {"asc": {None: ([], 50), "50": ([60], 100), "100": ([], 150), "150": ([160], 160), "160": ([], None)},
             "desc": {None: ([], 150), "150": ([140], 100), "100": ([], 60), "60": ([50], 50), "50": ([], None)}}

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        numbers, following = self.PAGES[query.get("order", ["asc"])[0]][query.get("after", [None])[0]]
        answer = {"messages": [{"sequence": n, "enqueuedTime": "2026-11-29T05:00:00.000Z", "deviceId": "d", "body": {"n": n}}
                               for n in numbers]} | ({"next": following} if following else {})
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("args, numbers", [(("--since", "1h"), [60, 160]), ((), [50, 140]), (("--max", 1), [140])])
def test_monitor_pages_without_messages(home, args, numbers):
    """[devcli-30] A page without messages that names a next one is not the end."""
    with HTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = program.run("monitor", "--json", *map(str, args), home=home,
                           env={"SKERRY_HUB": f"http://127.0.0.1:{server.server_port}", "SKERRY_TOKEN": "x"})
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["sequence"] for line in done.stdout.splitlines()] == numbers
