"""Modules that run on a Docker Engine, beside a real hub: ports that the keeper forwards, updates, restarts of everything
around them, the SDK inside a container. docs/spec/docker.md, docs/spec/keeper.md."""

import json
import os
import sys
import time

import pytest
import requests

from harness import edge, models
from harness.callers import Callers, jpeg
from harness.docker import PYTHON_BINDS

PORT = 15181
SERVER = """
import http.server, os, signal, sys, threading

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = os.environ["VERSION"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *args):
        pass

class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False  # what was taken is answered
    request_queue_size = 128

server = Server(("", 8080), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print("serving", os.environ["VERSION"], flush=True)
server.serve_forever()
server.server_close()
"""
MONITOR = """
import asyncio
from azure.iot.device import Message
from azure.iot.device.aio import IoTHubModuleClient

async def main():
    client = IoTHubModuleClient.create_from_edge_environment()
    await client.connect()
    for i in range(3):
        message = Message('{"prediction": "defect", "confidence": 0.5, "inferenceLatencyMs": %d, "modelVersion": "box", "deviceId": "x"}' % i)
        message.content_type, message.content_encoding = "application/json", "utf-8"
        await client.send_message_to_output(message, "metrics")
    print("sent", (await client.get_twin())["desired"]["$version"], flush=True)
    await client.shutdown()
    await asyncio.sleep(3600)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def hub(docker, tmp_path_factory):
    """On the address of the Engine's bridge, so that the Engine pulls from it as from any registry."""
    if not docker.has_bridge:
        pytest.skip("kernel: no bridge can be made, and containers need addresses")
    for tag in ("v1", "v2", "deaf"):
        docker.import_shell(f"web:{tag}", f"ENV VERSION={tag}")
    with edge.hub_for_edges(tmp_path_factory.mktemp("hub"), host=docker.address) as running:
        yield running


def python(script, **host_config):
    return {"Cmd": [sys.executable, "-c", script], "HostConfig": {"Binds": PYTHON_BINDS, **host_config}}


def web(tag, script=SERVER, has_check=True, **more):
    """Without a HEALTHCHECK the gate looks at the port, and for ten seconds."""
    check = "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/', timeout=30)"
    options = python(script)
    if has_check:
        options["Healthcheck"] = {"Test": ["CMD", sys.executable, "-c", check], "Interval": 500_000_000, "Timeout": 60_000_000_000,
                                  "Retries": 100}
    return edge.module(f"web:{tag}", 8080, PORT, options=options, imagePullPolicy="never",
                       env={"SKERRY_RUNTIME": {"value": "docker"}}, **more)


def ask(device, timeout_s=60):
    answer = requests.get(f"http://{device.address}:{PORT}/", timeout=timeout_s)
    assert answer.status_code == 200
    return answer.text


def answers(device):
    try:
        return ask(device)
    except requests.RequestException:
        return None


def containers(docker):
    """Id by name."""
    return dict(reversed(line.split()) for line in docker("ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}").splitlines())


@pytest.fixture
def device(hub, docker, request):
    with edge.Edge(hub, f"box-{abs(hash(request.node.name)) % 10**9}", config={"dockerSocket": docker.socket}) as running:
        yield running
        for name in containers(docker).values():
            docker.run("rm", "-f", name, check=False)


def test_a_container_serves_and_is_updated(hub, docker, device):
    device.deploy(edge.manifest({"web": web("v1")}))
    device.wait_version("web", "v1")
    assert ask(device) == "v1"
    assert list(containers(docker)) == ["web"]
    assert "serving v1" in docker.run("logs", "web").stdout and "serving v1" in device.edge("logs", "web")
    assert device.list()["web"]["instances"][0]["runtime"] == "docker"
    inspected = json.loads(docker("inspect", "web"))[0]
    assert not inspected["HostConfig"]["PortBindings"] and "IOTEDGE_MODULEID=web" in inspected["Config"]["Env"]
    with Callers(device.address, PORT, kept=0, fresh=4) as load:
        for tag in ("v2", "v1"):
            time.sleep(1)
            device.deploy(edge.manifest({"web": web(tag)}))
            device.wait_version("web", tag)
        time.sleep(1)
    assert not load.failures, load.failures[:5]
    assert set(load.answers) == {b"v1", b"v2"} and load.done > 10
    edge.wait_for("the old one is gone", lambda: list(containers(docker)) == ["web"])


def test_one_that_does_not_listen_never_serves(hub, docker, device):
    device.set_config(gateSeconds=12)
    device.stop()
    device.start()
    device.deploy(edge.manifest({"web": web("v1", has_check=False)}))
    device.wait_version("web", "v1")
    with Callers(device.address, PORT, kept=0, fresh=2) as load:
        device.deploy(edge.manifest({"web": web("deaf", "import time; time.sleep(3600)", has_check=False)}))
        edge.wait_for("it is refused", lambda: "update_failed" in device.log())
        time.sleep(1)
    assert not load.failures, load.failures[:5]
    assert set(load.answers) == {b"v1"}
    edge.wait_for("only the old one is there", lambda: list(containers(docker)) == ["web"])


def test_the_port_outlives_agent_and_local_hub(hub, docker, device):
    device.deploy(edge.manifest({"web": web("v1")}))
    device.wait_version("web", "v1")
    before = containers(docker)
    with Callers(device.address, PORT, kept=1, fresh=3) as load:
        device.kill()
        os.kill(device.child("edge-hub"), 9)
        time.sleep(1)
        device.start()
        device.wait_version("web", "v1")
        device.stop()
        time.sleep(0.5)
        device.start()
        device.wait_version("web", "v1")
    assert not load.failures, load.failures[:5]
    assert containers(docker) == before


def test_a_container_that_dies_is_started_again(hub, docker, device):
    device.deploy(edge.manifest({"web": web("v1")}))
    device.wait_version("web", "v1")
    before = containers(docker)["web"]
    docker("kill", "web")
    edge.wait_for("another one", lambda: containers(docker).get("web") not in (None, before))
    edge.wait_for("it answers", lambda: answers(device) == "v1")


def test_the_sdk_in_a_container(hub, docker, device):
    device.deploy(edge.manifest({"monitor": edge.module(
        "web:v1", options=python(MONITOR), imagePullPolicy="never", env={"SKERRY_RUNTIME": {"value": "docker"}})}))
    device.wait_version("monitor", "v1")
    try:
        edge.wait_for("it has sent", lambda: "sent" in docker.run("logs", "monitor").stdout)
        edge.wait_for("three messages", lambda: hub.cli("monitor", "--device", device.device).stdout.count("box") >= 3)
    except AssertionError as e:
        logs = docker.run("logs", "monitor")
        raise AssertionError(f"{e}\n{logs.stdout}{logs.stderr}\n{device.log()[-4000:]}") from None


def test_pulls_with_the_devices_identity(hub, docker, device, tmp_path):
    docker.trust(hub.address, hub.ca)
    image = edge.push(hub, tmp_path, "cats", "v1", seed=1, config=models.labels("defect", "ok", "other"))
    device.deploy(edge.manifest({"cats": edge.module(image, 5001, PORT, env={"SKERRY_RUNTIME": {"value": "docker"}})}))
    device.wait_version("cats", "v1")
    assert device.list()["cats"]["instances"][0]["runtime"] == "docker"
    answer = requests.post(f"http://{device.address}:{PORT}/predict", files={"image": jpeg()}, timeout=30)
    assert answer.status_code == 200, answer.text
