"""A4: a compiled module in C, its trusted certificate given. Always one on Eclipse Paho's library, which sends what Azure's SDK for C sends;
and that SDK itself, unmodified, where tools/azure-c-sdk.sh has compiled it."""

import os
import shlex
import subprocess
import threading
import time
import urllib.parse

import pytest
from harness.iot import wait_for
from harness.program import ROOT

HERE = os.path.dirname(os.path.abspath(__file__))
AZURE = os.path.join(ROOT, "build", "azure-c", "azure_module")
KINDS = ["paho", *(["azure"] if os.access(AZURE, os.X_OK) else [])]


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    made = str(tmp_path_factory.mktemp("c") / "paho_module")
    words = [*shlex.split(os.environ.get("CC", "cc")), "-std=c17", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", os.path.join(HERE, "c", "paho_module.c"), "-o", made,
             "-lpaho-mqtt3cs", "-lssl", "-lcrypto"]
    subprocess.run(words, check=True)
    return {"paho": made, "azure": AZURE}


class Module:
    """The program; its lines as they come."""

    def __init__(self, program, hub, connection_string):
        self.lines, self.seen = [], 0
        self.process = subprocess.Popen([program, connection_string, hub.ca], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        self.lines.extend(line.rstrip("\n") for line in self.process.stdout)

    def do(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def wait(self, start):
        """What follows `start` in the next line that begins with it."""
        def found():
            return next((i for i, line in enumerate(self.lines[self.seen:], self.seen) if line.startswith(start)), -1) + 1
        self.seen = wait_for(f"'{start}', but {self.lines[self.seen:]}", found)
        return urllib.parse.unquote(self.lines[self.seen - 1][len(start):].strip())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self.reader.join()


def all_of_it(hub, module, device, number):
    """Twin, method, message from it and to it."""
    before = len(hub.telemetry(device))
    version = hub.set_desired(device, {"number": number}, "m")
    assert module.wait(f'desired {{"number":{number},') == f'"$version":{version}}}'
    module.do(f'report {{"fan":{number}}}')
    assert module.wait("reported") == "204"
    assert hub.twin(device, "m")["properties"]["reported"]["fan"] == number
    module.do(f'send {{"t":{number}.5}}')
    assert module.wait("sent") == "ok"
    message = hub.wait_telemetry(device, before + 1)[before]
    assert message["body"] == {"t": number + 0.5} and message["properties"] == {"odd": "a/b=c"}
    assert (message["moduleId"], message["output"]) == ("m", "out")
    assert message["systemProperties"]["message-id"] == "id 1" and message["systemProperties"]["content-type"] == "application/json"
    hub.send_input(device, "m", "in", b"hello", {"k": "a/b"})
    assert module.wait("input") == "in hello a/b"
    assert hub.invoke(device, "start", {"speed": number}, module="m", connect_s=20) == (200, {"ok": True})
    assert module.wait("method") == f'start {{"speed":{number}}}'


@pytest.mark.parametrize("kind", KINDS)
def test_module(own_iot, programs, kind):
    own_iot.put_device("d")
    with Module(programs[kind], own_iot, own_iot.module("d", "m")) as module:
        module.wait("connected")
        assert module.wait("twin") == '{"desired":{"$version":1},"reported":{"$version":1}}'
        # The SDK subscribes to changes when it has the twin; what comes in between it learns from neither.
        wait_for("changes arrive", lambda: own_iot.set_desired("d", {"number": 0}, "m") and any(line.startswith("desired") for line in module.lines))
        module.seen = len(module.lines)
        all_of_it(own_iot, module, "d", 1)
        own_iot.kill()
        own_iot.start()
        module.wait("connected")
        assert '"fan":1' in module.wait("twin")
        all_of_it(own_iot, module, "d", 2)
    assert module.process.returncode == 0


@pytest.mark.parametrize("kind", KINDS)
def test_another_authority(own_iot, programs, kind, tmp_path):
    """It trusts what it was told to trust, and nobody else."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=another", "-keyout",
                    tmp_path / "key", "-out", tmp_path / "ca"], check=True, capture_output=True)
    own_iot.put_device("d")
    process = subprocess.Popen([programs[kind], own_iot.module("d", "m"), tmp_path / "ca"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(2)
        assert process.poll() is None, "it gave up"
    finally:
        process.kill()
    assert "connected" not in process.communicate()[0].replace("disconnected", "").split()
    assert own_iot.connects("d") == 0
