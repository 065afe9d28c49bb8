"""Signatures of either side are checked by the other: the real cosign, built by tools/interop.sh. Run by `make interop`.

What cosign made once is among the unit tests too (tests/sign/test_golden.c), so `make test` need not build it.
"""

import json
import os
import subprocess

import pytest

from harness import program

COSIGN = os.path.join(program.ROOT, "build", "cosign")
MODEL = os.path.join(program.ROOT, "tests", "data", "models", "scores.onnx")
PASSWORD = {"COSIGN_PASSWORD": "a password"}

pytestmark = pytest.mark.interop


@pytest.fixture
def cosign(hub, tmp_path):
    def run(*args, code=0):
        env = {**os.environ, **PASSWORD, "COSIGN_YES": "true", "SSL_CERT_FILE": hub.ca, "HOME": str(tmp_path), "TUF_ROOT": str(tmp_path / "tuf")}
        done = subprocess.run([COSIGN, *map(str, args)], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        return done
    return run


@pytest.fixture
def image(hub, request):
    """An image of its own in the hub: HOST/NAME@DIGEST."""
    name = request.node.name.lower().replace("[", "-").replace("]", "").replace("_", "-")
    done = hub.cli("package", MODEL, "-t", f"{name}:v1", "--push", "--json", role="publisher")
    assert done.returncode == 0, done.stderr
    listed = hub.cli("image", "inspect", f"{name}:v1", "--json", role="reader")
    return f"{hub.address}/{name}@{json.loads(listed.stdout)['digest']}"


def credentials(hub, role):
    return ["--registry-username", role, "--registry-password", hub.tokens[role]]


@pytest.mark.parametrize("keys", ["ours", "theirs"])
def test_cosign_verifies_what_we_sign(hub, cosign, image, tmp_path, keys):
    """[sign-1] [sign-2] [sign-6]"""
    if keys == "ours":
        done = hub.cli("image", "keygen", tmp_path / "cosign", env=PASSWORD)
        assert done.returncode == 0, done.stderr
    else:
        cosign("generate-key-pair", "--output-key-prefix", tmp_path / "cosign")
    done = hub.cli("image", "sign", image, "--key", tmp_path / "cosign.key", role="publisher", env=PASSWORD)
    assert done.returncode == 0, done.stderr
    cosign("verify", "--key", tmp_path / "cosign.pub", "--insecure-ignore-tlog", *credentials(hub, "reader"), image)
    cosign("generate-key-pair", "--output-key-prefix", tmp_path / "other")
    cosign("verify", "--key", tmp_path / "other.pub", "--insecure-ignore-tlog", *credentials(hub, "reader"), image, code=12)


@pytest.mark.parametrize("form", [[], ["--new-bundle-format"]], ids=["tag", "bundle"])
def test_we_verify_what_cosign_signs(hub, cosign, image, tmp_path, form):
    """[sign-3]"""
    cosign("generate-key-pair", "--output-key-prefix", tmp_path / "cosign")
    cosign("generate-key-pair", "--output-key-prefix", tmp_path / "other")
    done = hub.cli("image", "verify", image, "--key", tmp_path / "cosign.pub", role="reader")
    assert done.returncode == 1 and "is not signed" in done.stderr
    cosign("sign", "--key", tmp_path / "cosign.key", "--tlog-upload=false", *form, *credentials(hub, "publisher"), image)
    done = hub.cli("image", "verify", image, "--key", tmp_path / "cosign.pub", role="reader")
    assert done.returncode == 0, done.stderr
    done = hub.cli("pull", image, "--model-only", "--verify", tmp_path / "cosign.pub", "-o", tmp_path / "model", role="reader")
    assert done.returncode == 0, done.stderr
    done = hub.cli("pull", image, "--verify", tmp_path / "other.pub", "-o", tmp_path / "refused", role="reader")
    assert done.returncode == 1 and "not made by this key" in done.stderr
    assert not os.path.exists(tmp_path / "refused" / "oci-layout")
