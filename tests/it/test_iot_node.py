"""Azure's device SDK for Node, unmodified, in a process of its own."""

import base64
import json

import pytest
from harness.iot import make_certificate, thumbprint, wait_for
from harness.node import NodeClient, NodeError

ODD = "a b%c&d=e/f+g?h#i$j;k\"l'm*n(o)!~ä€😀"


def self_signed(iot, name, folder):
    certificate = make_certificate(folder, name, name)
    iot.put_device(name, authentication={"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": thumbprint(folder, name, "sha1")}})
    return f"HostName={iot.host};DeviceId={name};x509=true", certificate


def ca_signed(iot, name, folder):
    make_certificate(folder, "ca", "Devices of the tests")
    with open(folder / "ca.pem", "rb") as f:
        assert iot.put("/api/v1/device-ca", data=f.read()).status_code == 204
    iot.put_device(name, authentication={"type": "certificateAuthority"})
    return f"HostName={iot.host};DeviceId={name};x509=true", make_certificate(folder, name, name, ca="ca")


def symmetric(iot, name, folder):
    return iot.device(name), ()


AUTH = {"key": symmetric, "self-signed": self_signed, "ca-signed": ca_signed}


def send_and_look(iot, node, name):
    node.do("send", body=b'{"t":  1.0}', contentType="application/json", contentEncoding="utf-8", messageId="id-1", correlationId="c/1",
            properties={"plain": "x", ODD: ODD})
    node.do("send", body=bytes(range(256)))
    first, second = iot.wait_telemetry(name, 2)
    assert '"body":{"t":  1.0}' in iot.telemetry_text(name)
    assert first["properties"] == {"plain": "x", ODD: ODD}
    assert (first["systemProperties"]["message-id"], first["systemProperties"]["correlation-id"]) == ("id-1", "c/1")
    assert base64.b64decode(second["bodyBase64"]) == bytes(range(256))


def subscribe(iot, node, name, module=None):
    """The SDK gives nothing to wait for when its subscriptions are made."""
    node.do("takeMessages")
    node.do("takeMethod", name="echo", status=201, answer={"text": ODD})
    wait_for("methods are taken", lambda: iot.ask(name, "echo", module=module).status_code == 200)
    node.wait_event("method")


def change_twin(iot, node, name, module=None):
    twin = node.do("twin")
    assert twin["desired"]["$version"] == 1 and twin["reported"] == {"$version": 1}
    node.wait_event("desired", lambda e: e["patch"]["$version"] == 1)
    node.do("report", patch={"firmware": "1.0", "deep": {"a": [1, ODD]}})
    node.do("report", patch={"firmware": None})
    reported = iot.twin(name, module)["properties"]["reported"]
    assert reported["deep"] == {"a": [1, ODD]} and "firmware" not in reported
    version = iot.set_desired(name, {"interval": 5}, module)
    wait_patch(node, version, {"interval": 5})


def wait_patch(node, version, members):
    event = node.wait_event("desired", lambda e: e["patch"].get("$version") == version)
    assert {k: v for k, v in event["patch"].items() if k != "$version"} == members


@pytest.mark.parametrize("auth", AUTH)
@pytest.mark.parametrize("transport", ["mqtt", "mqtt-ws"])
def test_everything_that_a_device_does(iot, tmp_path, port_443, transport, auth):
    name = f"{transport}-{auth}"
    connection_string, certificate = AUTH[auth](iot, name, tmp_path)
    with NodeClient(iot, connection_string, transport, certificate) as node:
        node.do("open")
        wait_for("it is connected", lambda: iot.is_connected(name))
        send_and_look(iot, node, name)
        change_twin(iot, node, name)
        subscribe(iot, node, name)
        assert iot.invoke(name, "echo", {"x": [None, ODD]}) == (201, {"text": ODD})
        assert node.wait_event("method") == {"event": "method", "name": "echo", "payload": {"x": [None, ODD]}}
        for i in range(40):
            iot.send_down(name, bytes([i, 0, 255]), {"n": f"{i} /&="}, message_id=f"m{i}", content_type="text/x-any")
        for i in range(40):
            got = node.wait_event("message")
            assert (got["body"], got["messageId"], got["contentType"]) == (bytes([i, 0, 255]), f"m{i}", "text/x-any")
            assert got["properties"]["n"] == f"{i} /&="
        iot.wait_taken(name)
        node.do("close")
    wait_for("it is not connected", lambda: not iot.is_connected(name))


def test_module(iot):
    iot.device("node-edge")
    with NodeClient(iot, iot.module("node-edge", "filter")) as node:
        node.do("open")
        node.do("sendOutput", output="alerts", body=b'{"t":21}', contentType="application/json", contentEncoding="utf-8",
                properties={"alarm": "yes"})
        message = iot.wait_telemetry("node-edge", 1)[0]
        assert (message["moduleId"], message["output"], message["body"]) == ("filter", "alerts", {"t": 21})
        assert message["properties"] == {"alarm": "yes"}
        assert json.loads(message["systemProperties"]["iothub-connection-auth-method"])["scope"] == "module"
        change_twin(iot, node, "node-edge", "filter")
        subscribe(iot, node, "node-edge", "filter")
        iot.send_input("node-edge", "filter", "commands", b"go")
        got = node.wait_event("message")
        assert (got["body"], got["input"]) == (b"go", "commands")
        iot.send_input("node-edge", "filter", "commands", b"fast", {"speed": "a/b=c"})
        got = node.wait_event("message")
        assert (got["body"], got["input"], got["properties"]["speed"]) == (b"fast", "commands", "a/b=c")


def test_odd_ids(iot):
    device = "a-.%b_*?!(c),:=@$'d"
    with NodeClient(iot, iot.device(device)) as node:
        node.do("open")
        node.do("send", body=b"sent")
        assert iot.wait_telemetry(device, 1)[0]["bodyText"] == "sent"
        subscribe(iot, node, device)
        iot.send_down(device, b"down")
        assert node.wait_event("message")["body"] == b"down"
        change_twin(iot, node, device)


def test_renewed_tokens(iot):
    """It disconnects, and connects with the new one; it subscribes to nothing again."""
    with NodeClient(iot, iot.device("node-renews")) as node:
        node.do("open", renewal={"tokenValidTimeInSeconds": 30, "tokenRenewalMarginInSeconds": 28})
        node.do("twin")
        subscribe(iot, node, "node-renews")
        sent = 0
        while iot.connects("node-renews") < 4:
            node.do("send", body=b"%d" % sent)
            sent += 1
        assert iot.invoke("node-renews", "echo", connect_s=30)[0] == 201
        iot.send_down("node-renews", b"down")
        assert node.wait_event("message")["body"] == b"down"
        version = iot.set_desired("node-renews", {"a": 1})
        wait_patch(node, version, {"a": 1})
        node.do("report", patch={"b": 1})
        assert {int(m["bodyText"]) for m in iot.telemetry("node-renews")} == set(range(sent))
        assert not [e for e in node.seen if e["event"] in ("disconnect", "error")]


def test_wrong_key(iot):
    connection_string = iot.device("node-wrong").rsplit(";", 1)[0] + ";SharedAccessKey=" + base64.b64encode(b"k" * 32).decode()
    with NodeClient(iot, connection_string) as node, pytest.raises(NodeError, match="UnauthorizedError.*Not authorized"):
        node.do("open")


def test_a_new_connection_takes_the_place(iot):
    """The newest wins, and works."""
    connection_string = iot.device("node-twice")
    with NodeClient(iot, connection_string) as first, NodeClient(iot, connection_string) as second:
        first.do("open")
        second.do("open")
        second.do("send", body=b"mine")
        assert iot.wait_telemetry("node-twice", 1)[0]["bodyText"] == "mine"
