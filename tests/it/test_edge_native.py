"""The download child against a real hub: images of `skerry package`, over TLS, as a device, signed. docs/spec/runtime.md."""

import json
import os
import resource

import pytest

from harness import edge, models, program

NAMES = models.labels("defect", "ok", "other")
DEVICE = "native"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with edge.hub_for_edges(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture(scope="module")
def image(hub, tmp_path_factory):
    return edge.push(hub, tmp_path_factory.mktemp("images"), "native/cats", "v1", seed=1, config=NAMES)


@pytest.fixture(scope="module")
def password(hub, image):
    return hub.create_device(DEVICE, repositories=["native/cats"])


def fetch(home, work, **order):
    """The lines that the child says."""
    os.makedirs(work, exist_ok=True)
    done = program.run("edge-fetch", home=home, input=json.dumps({"work": str(work), **order}))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def ask(hub, home, work, image, password, **more):
    with open(hub.ca) as f:
        return fetch(home, work, image=image, ca=f.read(), username=DEVICE, password=password, **more)


def test_fetched_model_serves(hub, image, password, home, tmp_path, serve):
    """runtime-10, runtime-12: manifest, config, model layer; what is there is a bundle."""
    result = ask(hub, home, tmp_path / "work", image, password)[-1]
    assert result["event"] == "result", result
    assert result["native"] and result["unpacked"] and result["why"] == ""
    assert result["config"]["Entrypoint"] == ["/usr/bin/skerry", "serve"]
    folder = tmp_path / "work" / "tree" / os.path.basename(result["config"]["Cmd"][0])
    assert serve(folder).request("GET", "/readyz").status_code == 200
    again = ask(hub, home, tmp_path / "more", image, password, layers=[result["layer"]])[-1]
    assert again["native"] and not again["unpacked"] and not (tmp_path / "more" / "tree").exists()


@pytest.mark.parametrize("change, code", [
    ({"password": "guess"}, "unauthenticated"),
    ({"username": None, "password": None}, "unauthenticated"),
    ({"ca": None}, "io"),
])
def test_not_let_in(hub, image, password, home, tmp_path, change, code):
    with open(hub.ca) as f:
        order = {"image": image, "ca": f.read(), "username": DEVICE, "password": password, **change}
    answer = fetch(home, tmp_path / "work", **{k: v for k, v in order.items() if v is not None})[-1]
    assert answer["event"] == "error" and answer["code"] == code, answer
    assert password not in json.dumps(answer)


def test_signed(hub, image, password, home, tmp_path):
    """runtime-12: by one of the keys, or not at all."""
    for name in "mine", "other":
        done = hub.cli("image", "keygen", tmp_path / name, env={"COSIGN_PASSWORD": "p"})
        assert done.returncode == 0, done.stderr
    keys = {name: (tmp_path / f"{name}.pub").read_text() for name in ("mine", "other")}
    answer = ask(hub, home, tmp_path / "a", image, password, keys=[keys["mine"]])[-1]
    assert (answer["event"], answer["code"]) == ("error", "denied"), answer
    done = hub.cli("image", "sign", image, "--key", tmp_path / "mine.key", env={"COSIGN_PASSWORD": "p"})
    assert done.returncode == 0, done.stderr
    assert ask(hub, home, tmp_path / "b", image, password, keys=[keys["other"], keys["mine"]])[-1]["native"]
    answer = ask(hub, home, tmp_path / "c", image, password, keys=[keys["other"]])[-1]
    assert (answer["event"], answer["code"]) == ("error", "denied"), answer


def test_it_is_small(hub, image, password, home, tmp_path):
    """A child that unpacks needs no memory for what it unpacks."""
    ask(hub, home, tmp_path / "work", image, password)
    if not program.is_sanitized():
        assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 512 << 10
