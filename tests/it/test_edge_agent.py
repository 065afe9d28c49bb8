"""A deployment on a real device: modules, their telemetry, commands, offline, leaf devices, limits.
docs/spec/agent.md, docs/spec/edge-wire.md."""

import base64
import gzip
import json
import os
import signal
import subprocess
import sys

import pytest
import requests

from harness import edge, models, node
from harness.callers import jpeg

PORT = 15001
NAMES = models.labels("defect", "ok", "other")

MONITOR = """
import asyncio
from azure.iot.device import Message
from azure.iot.device.aio import IoTHubModuleClient

async def main():
    client = IoTHubModuleClient.create_from_edge_environment()
    await client.connect()
    for i in range(3):
        message = Message('{"prediction": "defect", "confidence": 0.5, "inferenceLatencyMs": %d, "modelVersion": "desk", "deviceId": "x"}' % i)
        message.content_type, message.content_encoding = "application/json", "utf-8"
        await client.send_message_to_output(message, "metrics")
    print((await client.get_twin())["desired"]["$version"])
    await client.shutdown()

asyncio.run(main())
"""

LEAF = """
import sys
from azure.iot.device import IoTHubDeviceClient, Message
client = IoTHubDeviceClient.create_from_connection_string(sys.argv[1] + ";GatewayHostName=" + sys.argv[2],
                                                          server_verification_cert=open(sys.argv[3]).read())
client.connect()
for i in range(3):
    client.send_message(Message('{"i": %d}' % i))
client.shutdown()
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with edge.hub_for_edges(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture(scope="module")
def image(hub, tmp_path_factory):
    return edge.push(hub, tmp_path_factory.mktemp("images"), "cats", "v1", seed=1, config=NAMES)


@pytest.fixture(scope="module")
def cell(hub, image):
    """A device with one module, for tests that leave it as it was."""
    with edge.Edge(hub, "cell-7") as device:
        device.deploy(edge.manifest({"cats": edge.module(image, 5001, PORT)}))
        device.wait_version("cats", "v1")
        yield device


def predict(device, times=1):
    for _ in range(times):
        answer = requests.post(f"http://{device.address}:{PORT}/predict", files={"image": jpeg()}, timeout=30)
        assert answer.status_code == 200, answer.text
    return answer.json()


def messages(hub, device, **fields):
    """Bodies of what the hub has of a device, each message once, those with these fields."""
    found = {}
    for line in hub.cli("monitor", "--device", device, "--json").stdout.splitlines():
        message = json.loads(line)
        found.setdefault(message["systemProperties"]["message-id"], message.get("body") or {})
    return [b for b in found.values() if all(b.get(k) == v for k, v in fields.items())]


def test_telemetry_of_the_module_reaches_the_hub(hub, cell):
    before = len(messages(hub, "cell-7", modelVersion="v1"))
    answer = predict(cell, 5)
    found = edge.wait_for("five results", lambda: (m := messages(hub, "cell-7", modelVersion="v1")) and len(m) >= before + 5 and m)
    last = found[-1]
    assert last["prediction"] == answer["prediction"] and last["deviceId"] == "cell-7"
    assert abs(last["confidence"] - answer["confidence"]) < 1e-6 and last["inferenceLatencyMs"] > 0
    assert last["modelDigest"].startswith("sha256:")


def counted(hub):
    return sum(m.get("count", 0) for m in messages(hub, "cell-7"))


def test_telemetry_changes_while_it_runs(hub, cell):
    try:
        done = hub.cli("twin", "update", "cell-7", "--module", "cats", "--desired", '{"telemetry":{"mode":"summary","intervalSeconds":1}}')
        assert done.returncode == 0, done.stderr
        edge.wait_for("it is reported", lambda: json.loads(hub.cli("twin", "show", "cell-7", "--module", "cats", "--json").stdout)
                      ["properties"]["reported"].get("telemetry", {}).get("mode") == "summary")
        before = counted(hub)
        predict(cell, 4)
        edge.wait_for("sums of them", lambda: counted(hub) >= before + 4)
    finally:
        hub.cli("twin", "update", "cell-7", "--module", "cats", "--desired", '{"telemetry":null}')


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: without it the local hub has the agent's user")
def test_the_local_hub_has_no_rights(cell):
    """[agent-7]"""
    user = 61182
    pid = cell.child("edge-hub")
    with open(f"/proc/{pid}/status") as f:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    assert status["Uid"].split() == status["Gid"].split() == [str(user)] * 4 and not status["Groups"].strip()
    bind = f"{1 << 10:016x}"  # CAP_NET_BIND_SERVICE
    assert {status[f"Cap{name}"] for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {bind}
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    with open(f"/proc/{pid}/environ", "rb") as f:
        assert not {word.split(b"=")[0] for word in f.read().split(b"\0")} & {b"HOME", b"SKERRY_CONFIG"}

    def can(*words):
        return subprocess.run(words, user=user, group=user, extra_groups=[], cwd="/", stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    where = {name: os.path.join(cell.folder, name) for name in ("secrets", "state", "hub", "tls")}
    assert can("ls", where["hub"]) and can("cat", f"{where['tls']}/server.pem") and can("cat", f"{where['tls']}/hub-ca.pem")
    for name in ("secrets", "secrets/master.key", "secrets/device.key", "state", "state/deployment.json", "tls/ca.key"):
        path = os.path.join(cell.folder, name)
        assert os.path.exists(path) and not can("ls", path + "/") and not can("cat", path), name
    assert not can("touch", f"{where['tls']}/server.pem") and not can("touch", os.path.join(cell.run_dir, "x"))
    assert os.stat(os.path.join(cell.run_dir, "hub", "hub.sock")).st_uid == user
    edge.wait_for("it is connected", lambda: cell.status()["isConnected"])


def test_a_command_as_the_module(hub, cell, tmp_path):
    script = tmp_path / "monitor_edge.py"
    script.write_text(MONITOR)
    done = cell.edge("exec", "cats", "--", sys.executable, str(script))
    assert int(done) >= 1
    edge.wait_for("three messages", lambda: len(messages(hub, "cell-7", modelVersion="desk")) == 3)
    text = hub.cli("monitor", "--device", "cell-7").stdout
    assert "desk" in text and "0.500" in text
    predict(cell)  # the module itself is still there


def test_a_module_in_node(hub, cell):
    """fromEnvironment, sendOutputEvent, twin change events."""
    words = [edge.program.binary(), "edge", "exec", "--data-dir", cell.folder, "--run-dir", cell.run_dir, "cats", "--", "node", node.MODULE]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**edge.program.environment(hub.home), "NODE_MODULES": node.MODULES}) as client:
        assert client.stdout.readline() == "waiting\n"
        done = hub.cli("twin", "update", "cell-7", "--module", "cats", "--desired", '{"colour":"red"}')
        assert done.returncode == 0, done.stderr
        assert client.stdout.readline() == "colour red\n"
        assert client.wait(30) == 0
    edge.wait_for("three messages", lambda: len(messages(hub, "cell-7", modelVersion="node")) == 3)


def test_commands(hub, cell):
    m = cell.list()["cats"]
    assert m["status"] == "running" and m["instances"][0]["runtime"] == "native"
    assert "cats" in cell.edge("list") and "Up " in cell.edge("list")
    status = cell.status()
    assert status["isConnected"] and status["deployment"]["code"] == 200
    assert "connected" in cell.edge("status")
    assert "ready" in cell.edge("logs", "cats") and cell.edge("logs", "cats", "--tail", 1).count("\n") == 1
    assert "√ hub-https" in cell.run("edge", "check", "--data-dir", cell.folder, "--run-dir", cell.run_dir).stdout
    bundle = os.path.join(hub.folder, "support.txt")
    cell.edge("support-bundle", "-o", bundle)
    with open(bundle) as f:
        text = f.read()
    key = cell.connection.partition("SharedAccessKey=")[2].strip()
    assert "output of cats" in text and key not in text
    pid = m["instances"][0]["pid"]
    cell.edge("restart", "cats")
    edge.wait_for("it was restarted", lambda: (n := cell.list()["cats"]) and n["status"] == "running" and n["instances"] and
                  n["instances"][0]["pid"] not in (0, pid))
    predict(cell)


def test_unknown_names_are_refused(cell):
    for words, says in ((("logs", "dogs"), "no module 'dogs'"), (("restart", "dogs"), "no module 'dogs'"),
                        (("exec", "dogs", "--", "true"), "no module 'dogs'")):
        done = cell.run("edge", words[0], *words[1:2], "--data-dir", cell.folder, "--run-dir", cell.run_dir, *words[2:])
        assert done.returncode == 1 and says in done.stderr, done.stderr


def test_direct_methods_of_the_agent(hub, cell):
    def invoke(name, payload="{}"):  # prints JSON
        done = hub.cli("method", "invoke", "cell-7", name, "--module", "$edgeAgent", "--payload", payload)
        return json.loads(done.stdout) if done.stdout else done.stderr
    predict(cell)
    assert invoke("ping")["status"] == 200
    assert invoke("RestartModule", '{"schemaVersion":"1.0","id":"dogs"}')["status"] == 404
    logs = invoke("GetModuleLogs", '{"schemaVersion":"1.0","items":[{"id":"ca.*","filter":{"tail":5}}],"encoding":"none","contentType":"text"}')
    assert logs["status"] == 200 and logs["payload"][0]["id"] == "cats" and "request" in logs["payload"][0]["payload"]
    packed = invoke("GetModuleLogs", '{"items":[{"id":"cats","filter":{"tail":5,"loglevel":6}}],"encoding":"gzip","contentType":"json"}')
    assert packed["status"] == 200, packed
    lines = json.loads(gzip.decompress(base64.b64decode(packed["payload"][0]["payloadBytes"])))
    assert lines and all(line["device"] == "cell-7" and line["id"] == "cats" and line["loglevel"] == 6 for line in lines)
    assert "libarchive" not in open(f"/proc/{cell.process.pid}/maps").read()  # a child packs
    assert invoke("UploadModuleLogs")["status"] == 501


def test_offline_and_a_start_without_network(hub, image):
    with edge.Edge(hub, "cell-8") as device:
        device.deploy(edge.manifest({"cats": edge.module(image, 5001, PORT)}))
        device.wait_version("cats", "v1")
        predict(device, 2)
        edge.wait_for("two messages", lambda: len(messages(hub, "cell-8")) == 2)
        edge.wait_for("nothing is stored", lambda: device.spool()["messages"] == 0)
        hub.stop()
        try:
            predict(device, 3)
            edge.wait_for("they are stored", lambda: device.spool()["messages"] == 3)
            # everything ends, as when the machine is switched off
            device.kill()
            for pid in device.pids():
                os.kill(pid, signal.SIGKILL)
            edge.wait_for("all have ended", lambda: not device.pids())
            device.start()
            device.wait_version("cats", "v1")
            predict(device, 4)
        finally:
            hub.start()
        found = edge.wait_for("all messages", lambda: len(m := messages(hub, "cell-8")) >= 9 and m)
        assert len(found) == 9


def test_an_identity_that_the_hub_lost_comes_back(hub, image):
    """Deleted at the hub, or given the keys of a second device with the same connection string."""
    with edge.Edge(hub, "cell-12") as device:
        device.deploy(edge.manifest({"cats": edge.module(image, 5001, PORT)}))
        device.wait_version("cats", "v1")
        predict(device)
        edge.wait_for("the first message", lambda: len(messages(hub, "cell-12")) == 1)
        assert hub.cli("device", "delete", "cell-12", "--module", "cats", "--yes").returncode == 0
        predict(device, 2)
        edge.wait_for("all three", lambda: len(messages(hub, "cell-12")) == 3)
        keys = {"authentication": {"type": "sas", "symmetricKey": {"primaryKey": "AAAA" * 10 + "AAA=", "secondaryKey": "AAAA" * 10 + "AAA="}}}
        path = "/devices/cell-12/modules/$edgeHub?api-version=2021-04-12"
        assert hub.put(path, headers={"If-Match": "*"}, json={**hub.get(path).json(), **keys}).status_code in (200, 403)
        device.stop()
        device.start()
        edge.wait_for("the uplink", lambda: device.status()["isConnected"])


def test_everything_stopped_in_a_probation(hub, image, tmp_path):
    second = edge.push(hub, tmp_path, "cats", "v2", seed=2, config=NAMES)
    with edge.Edge(hub, "cell-13") as device:
        device.stop()
        device.set_config(probationSeconds=600)
        device.start()
        device.deploy(edge.manifest({"cats": edge.module(image, 5001, PORT)}))
        device.wait_version("cats", "v1")
        device.deploy(edge.manifest({"cats": edge.module(second, 5001, PORT)}))
        device.wait_version("cats", "v2")
        for _ in range(4):
            device.edge("stop", "--all")
            device.start()
            assert "probation" in device.wait_version("cats", "v2")["description"]
        predict(device)


def test_a_device_behind_the_edge(hub, cell, tmp_path):
    made = hub.cli("device", "create", "leaf-1")
    assert made.returncode == 0, made.stderr
    scope = json.loads(hub.cli("device", "show", "cell-7", "--json").stdout)["deviceScope"]
    leaf = hub.get("/devices/leaf-1?api-version=2021-04-12").json()
    assert hub.put("/devices/leaf-1?api-version=2021-04-12", headers={"If-Match": "*"}, json={**leaf, "deviceScope": scope}).status_code == 200
    script = tmp_path / "leaf.py"
    script.write_text(LEAF)
    ca = os.path.join(cell.folder, "tls", "ca.pem")
    subprocess.run([sys.executable, script, made.stdout.strip(), cell.address, ca], check=True, timeout=60)
    edge.wait_for("three messages", lambda: len(messages(hub, "leaf-1")) == 3)


def test_status_policy_and_order(hub, image):
    """stopped and running again, a restart after a death, env and limits, two modules."""
    with edge.Edge(hub, "cell-9") as device:
        first = edge.module(image, 5001, PORT, env={"SKERRY_LOG_LEVEL": {"value": "debug"}}, startupOrder=1,
                            options={"HostConfig": {"Memory": 512 << 20}})
        second = edge.module(image, startupOrder=2)
        device.deploy(edge.manifest({"first": first, "second": second}))
        device.wait_version("first", "v1")
        device.wait_version("second", "v1")
        log = device.log()
        assert log.index("module_started module=first") < log.index("module_started module=second")
        pid = device.list()["first"]["instances"][0]["pid"]
        os.kill(pid, signal.SIGKILL)
        m = edge.wait_for("it is back", lambda: (x := device.list()["first"])["restarts"] == 1 and x["status"] == "running" and x)
        assert m["exitCode"] == 137 or m["exitCode"] == -1
        predict(device)
        device.deploy(edge.manifest({"first": {**first, "status": "stopped"}, "second": second}))
        edge.wait_for("it is stopped", lambda: device.list()["first"]["status"] == "stopped")
        with pytest.raises(requests.RequestException):
            requests.get(f"http://{device.address}:{PORT}/healthz", timeout=1)
        device.deploy(edge.manifest({"first": first, "second": second}))
        device.wait_version("first", "v1")
        predict(device)


def test_what_cannot_be_honoured_is_refused_with_the_reason(hub, image):
    with edge.Edge(hub, "cell-10") as device:
        device.deploy(edge.manifest({"cats": edge.module(image, 5001, PORT, options={"HostConfig": {"Privileged": True}})}))
        m = edge.wait_for("it is refused", lambda: (x := device.list().get("cats")) and x["status"] == "failed" and x)
        assert "Privileged" in m["description"]
        report = edge.wait_for("it is reported", lambda: (r := device.reported()).get("lastDesiredStatus", {}).get("code") == 500 and r)
        assert "Privileged" in report["lastDesiredStatus"]["description"]


def test_a_gpu_that_is_not_there(hub, image):
    if os.path.exists("/dev/nvidia0"):
        pytest.skip("hardware: there is a GPU")
    gpu = {"HostConfig": {"DeviceRequests": [{"Count": -1, "Capabilities": [["gpu"]]}]}}
    with edge.Edge(hub, "cell-11") as device:
        device.deploy(edge.manifest({"cats": edge.module(image, 5001, PORT, options=gpu)}))
        assert "GPU" in device.wait_version("cats", "v1")["description"]
        predict(device)
        device.deploy(edge.manifest({"cats": edge.module(image, 5001, PORT, options=gpu, env={"SKERRY_GPU": {"value": "required"}})}))
        edge.wait_for("it is refused", lambda: "GPU" in device.list()["cats"]["description"] and device.list()["cats"]["isFailed"])
        predict(device)


def test_init_refuses(hub, tmp_path):
    def init(text, *args):
        done = subprocess.run([edge.program.binary(), "edge", "init", "-f", "-", "--data-dir", str(tmp_path / "edge"), *args],
                              input=text, capture_output=True, text=True, env=edge.program.environment(str(tmp_path)))
        return done.returncode, done.stderr
    policy = hub.cli("hub", "policy", "show", "service").stdout
    for text, args, says in (
            ("nonsense", (), "connection string"), (policy, (), "device create"), ("", (), "empty"),
            (f"HostName={hub.address};DeviceId=d;SharedAccessKey=AAAA", ("--hub-ca-sha256", "00" * 32), "not the one that was given"),
            (f"HostName={hub.address};DeviceId=d;x509=true", (), "--cert-file")):
        code, text = init(text, *args)
        assert code != 0 and says in text, text
    assert not os.path.exists(tmp_path / "edge") and not os.path.exists(tmp_path / "edge.new")


def test_another_device_waits_for_the_end_of_this_one(hub, image, tmp_path):
    """`edge init --force` beside modules that go on would leave them, and their ports, to nobody; `stop --all` ends them without a configuration too."""
    with edge.Edge(hub, "cell-20") as device:
        device.deploy(edge.manifest({"cats": edge.module(image, 5001, PORT)}))
        device.wait_version("cats", "v1")
        device.stop()
        where = ("--data-dir", device.folder, "--run-dir", device.run_dir)
        again = ("edge", "init", "-f", "-", "--hub-ca", hub.ca, "--listen", device.address, "--hub-mqtt-port", hub.mqtt_port, "--force", *where)
        string = device.connection.replace(f"HostName={hub.host}", f"HostName={hub.host}:{hub.port}")
        done = device.run(*again, input=string)
        assert done.returncode == 1 and "edge stop --all" in done.stderr, done.stderr
        predict(device)
        with open(os.path.join(device.folder, "edge.json"), "w") as f:
            f.write("{")
        done = device.run("edge", "stop", "--all", *where)
        assert done.returncode == 0 and not device.pids(), (done.stderr, device.pids())
        done = device.run(*again, input=string)
        assert done.returncode == 0, done.stderr
        device.start()
        edge.wait_for("the uplink", lambda: device.status()["isConnected"])
