"""The C tests that need a Docker Engine, with one: src/docker, and src/runtime's containers. docs/spec/docker.md."""

import os
import subprocess

import pytest

from harness import program


@pytest.mark.parametrize("name", ["docker/test_docker_docker_real", "runtime/test_runtime_docker_row"])
def test_with_a_real_engine(docker, name):
    path = os.path.join(os.path.dirname(program.binary()), "tests", name)
    if not docker.has_bridge:
        pytest.skip("kernel: no bridge can be made, and containers need addresses")
    docker.import_shell("skerry-shell:v1")
    done = subprocess.run([path], capture_output=True, text=True, timeout=250, env={
        **os.environ, "SKERRY_DOCKER_SOCKET": docker.socket, "SKERRY_DOCKER_IMAGE": "skerry-shell:v1",
        "CMOCKA_MESSAGE_OUTPUT": "TAP"})
    assert done.returncode == 0 and "# SKIP" not in done.stdout, done.stdout + done.stderr
