"""The hub's registry as a Docker Engine sees it, over an address that is not loopback: on 127.0.0.0/8 Docker does not
check certificates. docs/spec/hub.md."""

import json

import pytest
import requests

from harness import models
from harness.hub import Hub, sas


@pytest.fixture(scope="module")
def hub(docker, tmp_path_factory):
    """A hub on the address of the engine's bridge."""
    if not docker.has_bridge:
        pytest.skip("kernel: no bridge can be made, so there is no other address")
    with Hub(tmp_path_factory.mktemp("hub"), host=docker.address) as running:
        yield running


@pytest.fixture(scope="module")
def name(docker, hub):
    return f"{docker.address}:{hub.port}/team/cats"


@pytest.fixture(scope="module")
def image(docker, hub, name, tmp_path_factory):
    """Loaded into the engine under the hub's name; the digest that `skerry package` gave it."""
    folder = tmp_path_factory.mktemp("image")
    bundle = models.bundle(folder / "cats")
    done = hub.cli("package", bundle, "-t", f"{name}:v1", "-o", folder / "image.tar", "--json", role="publisher")
    assert done.returncode == 0, done.stderr
    docker("load", "-i", folder / "image.tar")
    return json.loads(done.stdout)


def login(docker, name, user, token):
    return docker.run("login", name.partition("/")[0], "-u", user, "--password-stdin", input=token, check=False)


def test_docker_checks_the_certificate(docker, hub, name):
    """Before the CA is known nothing is sent; this test comes first."""
    done = login(docker, name, "me", hub.tokens["publisher"])
    assert done.returncode != 0 and "certificate signed by unknown authority" in done.stderr, done.stderr


def test_docker_pushes_pulls_and_runs(docker, hub, name, image, china):
    docker.trust(name.partition("/")[0], hub.ca)
    assert login(docker, name, "me", "no such token").returncode != 0
    done = login(docker, name, "me", hub.tokens["publisher"])
    assert done.returncode == 0, done.stderr
    docker("push", f"{name}:v1")
    docker("rmi", f"{name}:v1")
    assert login(docker, name, "me", hub.tokens["reader"]).returncode == 0
    docker("pull", f"{name}:v1")
    assert json.loads(docker("image", "inspect", f"{name}:v1"))[0]["Id"] == image["config"]
    with docker.container(f"{name}:v1", "--health-interval", "500ms") as c:
        c.wait_health("healthy")
        assert requests.post(c.url(5001) + "/predict", files={"image": china}, timeout=60).status_code == 200


def test_a_reader_cannot_push(docker, hub, name, image):
    assert login(docker, name, "me", hub.tokens["reader"]).returncode == 0
    docker("tag", f"{name}:v1", f"{name}:mine")
    done = docker.run("push", f"{name}:mine", check=False)
    assert done.returncode != 0 and "denied" in done.stderr.lower(), done.stderr


def test_docker_takes_what_skerry_pushed(docker, hub, name, tmp_path):
    bundle = models.bundle(tmp_path / "dogs")
    done = hub.cli("package", bundle, "-t", f"{name}:ours", "--push", "--json", role="publisher")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert login(docker, name, "me", hub.tokens["reader"]).returncode == 0
    assert f"Digest: {made['digest']}" in docker("pull", f"{name}:ours")
    docker("pull", f"{name}@{made['digest']}")


def test_a_device_pulls_what_it_may(docker, hub, name, image):
    """With its own identity: its name, and a SAS token made from its key."""
    key = hub.put("/api/v1/devices/cam-1", role="deployer", json={}).json()["primary_key"]
    hub.put("/api/v1/devices/cam-1/pulls", role="deployer", json={"repositories": ["team/cats"]}).raise_for_status()
    assert login(docker, name, "cam-1", sas("localhost", "cam-1", key)).returncode == 0
    docker.run("rmi", f"{name}:v1", check=False)
    docker("pull", f"{name}:v1")
    other = name.replace("team/cats", "team/dogs")
    docker("tag", f"{name}:v1", f"{other}:v1")
    for words in (("pull", f"{other}:v1"), ("push", f"{other}:v1"), ("push", f"{name}:v1")):
        done = docker.run(*words, check=False)
        assert done.returncode != 0 and "denied" in done.stderr.lower(), f"{words}: {done.stderr}"
