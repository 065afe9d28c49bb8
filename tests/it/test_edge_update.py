"""Versions of a model module under load: no request fails; bad ones never serve; a kill in any phase ends well.
docs/spec/agent.md."""

import errno
import os
import signal
import socket
import time

import numpy as np
import pytest
import requests

from harness import edge, models
from harness.callers import Callers, jpeg
from harness.edge_deploy_faults import BAD

PORT = 15001
NAMES = models.labels("defect", "ok", "other")


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with edge.hub_for_edges(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture(scope="module")
def images(hub, tmp_path_factory):
    """Reference by tag."""
    folder = tmp_path_factory.mktemp("images")

    def push(tag, **how):
        return edge.push(hub, folder, "cats", tag, **how)

    return {
        "v1": push("v1", seed=1, config=NAMES), "v2": push("v2", seed=2, config=NAMES), "v4": push("v4", seed=4, config=NAMES),
        "crash": push("crash", **BAD["crashes on load"]), "shape": push("shape", **BAD["wrong shape"]), "nan": push("nan", **BAD["NaN"]),
        "slow": push("slow", **BAD["ten times slower"]), "never": push("never", **BAD["never ready"]),
    }


def deploy(device, images, tag, **more):
    device.deploy(edge.manifest({"cats": edge.module(images[tag], 5001, PORT, **more)}))


@pytest.fixture
def device(hub, images, request):
    """An edge device that serves v1."""
    name = f"cell-{abs(hash(request.node.name)) % 10**9}"
    with edge.Edge(hub, name) as running:
        deploy(running, images, "v1")
        running.wait_version("cats", "v1")
        yield running


def predict(device):
    answer = requests.post(f"http://{device.address}:{PORT}/predict", files={"image": jpeg()}, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def settled(device, code, is_tried_again=False):
    """$edgeAgent's report once it has said this of the newest deployment."""
    def holds():
        found = device.reported()
        status = found.get("lastDesiredStatus", {})
        return found if status.get("code") == code and ("tried again" in status["description"]) == is_tried_again else None
    return edge.wait_for(f"lastDesiredStatus {code}", holds)


def test_no_request_fails_in_an_update(device, images):
    with Callers(device.address, PORT) as load:
        for tag in ("v2", "v1", "v2"):
            time.sleep(1)
            deploy(device, images, tag)
            device.wait_version("cats", tag)
        time.sleep(1)
    assert not load.failures, load.failures[:5]
    assert load.done > 20 and len(load.answers) == 2
    report = settled(device, 200)
    assert report["modules"]["cats"]["runtimeStatus"] == "running"
    assert report["modules"]["cats"]["settings"]["image"] == images["v2"]


@pytest.mark.parametrize("tag", ["crash", "shape", "nan", "slow", "never"])
def test_a_bad_version_never_serves(device, images, tag):
    before = predict(device)
    if tag == "never":
        device.stop()
        device.set_config(gateSeconds=4)
        device.start()
    with Callers(device.address, PORT) as load:
        deploy(device, images, tag)
        report = settled(device, 500)
        time.sleep(0.5)
    assert not load.failures, load.failures[:5]
    assert len(load.answers) == 1
    assert "given up" in report["modules"]["cats"]["statusDescription"] and tag in report["lastDesiredStatus"]["description"]
    assert device.list()["cats"]["version"] == "v1"
    assert predict(device) == before
    # the same deployment is not tried again, also after a start of the agent
    tries = device.log().count("phase=prepare")
    device.stop()
    device.set_config(gateSeconds=60)
    device.start()
    time.sleep(1)
    assert device.log().count("phase=prepare") == tries
    # the next one is
    deploy(device, images, "v2")
    device.wait_version("cats", "v2")
    settled(device, 200)


def test_deaths_in_probation_go_back(device, images):
    device.stop()
    device.set_config(probationSeconds=60)
    device.start()
    deploy(device, images, "v2")
    for backs in range(1, 4):
        m = edge.wait_for("probation", lambda: (x := device.list()["cats"])["version"] == "v2" and "probation" in x["description"] and x)
        pid = next(i["pid"] for i in m["instances"] if i["role"] == "active")
        os.kill(pid, signal.SIGKILL)
        edge.wait_for("v1 is back", lambda n=backs: device.log().count("went_back") == n)
        predict(device)
    report = settled(device, 500)
    assert "death 3 of 3" in report["lastDesiredStatus"]["description"]
    assert device.log().count("went_back") == 3


@pytest.mark.parametrize("phase", ["prepare", "handover", "probation", "commit", "steady"])
def test_a_kill_in_any_phase(hub, images, phase):
    with edge.Edge(hub, f"killed-{phase}") as device:
        deploy(device, images, "v1")
        device.wait_version("cats", "v1")
        device.stop()
        device.start(env={"SKERRY_TEST_PHASE": f"cats:{phase}:kill"})
        with Callers(device.address, PORT) as load:
            deploy(device, images, "v2")
            device.process.wait(120)
            device.start()
            device.wait_version("cats", "v2")
            edge.wait_for("one instance", lambda: len(device.list()["cats"]["instances"]) == 1)
        assert not load.failures, load.failures[:5]
        serving = [words for words in device.pids().values() if "serve" in words[1:3]]
        assert len(serving) == 1, serving


def test_a_port_that_goes_serves_until_commit(device, images):
    """Another host port in the new manifest: the old one is answered by the old version as long as that may come back."""
    device.stop()
    device.set_config(probationSeconds=15)
    device.start()
    with Callers(device.address, PORT) as load:
        device.deploy(edge.manifest({"cats": edge.module(images["v2"], 5001, PORT + 7)}))
        edge.wait_for("probation", lambda: "probation" in device.list()["cats"]["description"], every_s=0.02)
        time.sleep(1)
        answer = requests.post(f"http://{device.address}:{PORT + 7}/predict", files={"image": jpeg()}, timeout=30)
        assert answer.status_code == 200, answer.text
        assert not load.failures, load.failures[:5]
    assert load.done and len(load.answers) == 1
    settled(device, 200)
    edge.wait_for("the old port is closed", lambda: is_refused(device, PORT))


def is_refused(device, port):
    with socket.socket() as s:
        return s.connect_ex((device.address, port)) == errno.ECONNREFUSED


def test_the_newest_deployment_wins(device, images):
    chance = np.random.default_rng(7)
    for _ in range(12):
        deploy(device, images, ["v1", "v2", "v4"][chance.integers(3)])
        time.sleep(float(chance.random()) / 5)
    deploy(device, images, "v4")
    device.wait_version("cats", "v4")
    settled(device, 200)


def test_an_image_that_is_not_there_costs_nothing(device, images, hub):
    with Callers(device.address, PORT, kept=1, fresh=1) as load:
        device.deploy(edge.manifest({"cats": edge.module(f"{hub.address}/cats:nowhere", 5001, PORT)}))
        edge.wait_for("it is said", lambda: "nowhere" in device.list()["cats"]["description"] or
                      "tried again" in device.list()["cats"]["description"])
    assert not load.failures and device.list()["cats"]["version"] == "v1"
    assert "cats: " in settled(device, 500, is_tried_again=True)["lastDesiredStatus"]["description"]
    deploy(device, images, "v1")
    settled(device, 200)


def test_a_module_goes_when_the_deployment_drops_it(device, hub):
    device.deploy(edge.manifest({}))
    edge.wait_for("it is gone", lambda: not device.list())
    with pytest.raises(requests.ConnectionError):
        predict(device)
    edge.wait_for("its identity is gone", lambda: "cats" not in hub.cli("device", "modules", device.device, "--json").stdout)
