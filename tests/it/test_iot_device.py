"""Azure's device SDK for Python, unmodified: everything that a device and a module do, over MQTT and WebSocket, with keys and
certificates."""

import asyncio
import base64
import json

import pytest
from azure.iot.device import Message, aio
from azure.iot.device.exceptions import CredentialError
from harness.iot import WAIT_S, make_certificate, thumbprint, wait_for
from harness.pydevice import Device, key_client, x509_client

ODD = "a b%c&d=e/f+g?h#i$j;k\"l'm\\n~ä€😀"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A folder with a CA that the hub takes devices of."""
    folder = tmp_path_factory.mktemp("certificates")
    make_certificate(folder, "ca", "Devices of the tests")
    return folder


def self_signed(iot, name, folder, websockets):
    certificate = make_certificate(folder, name, name)
    prints = {"primaryThumbprint": thumbprint(folder, name), "secondaryThumbprint": thumbprint(folder, name)}
    iot.put_device(name, authentication={"type": "selfSigned", "x509Thumbprint": prints})
    return x509_client(iot, name, certificate, websockets=websockets)


def ca_signed(iot, name, folder, websockets):
    with open(folder / "ca.pem", "rb") as f:
        assert iot.put("/api/v1/device-ca", data=f.read()).status_code == 204
    iot.put_device(name, authentication={"type": "certificateAuthority"})
    return x509_client(iot, name, make_certificate(folder, name, name, ca="ca"), websockets=websockets)


def symmetric(iot, name, folder, websockets):
    return key_client(iot, iot.device(name), websockets=websockets)


AUTH = {"key": (symmetric, "sas"), "self-signed": (self_signed, "x509"), "ca-signed": (ca_signed, "x509")}


def send_and_look(iot, device, name, auth_type):
    """Messages arrive byte for byte, with their properties."""
    document = '{"value": 1.50, "text":"\\u00e4 \\" ä", "list":[ ]}'
    typed = Message(document, message_id="id-1", content_encoding="utf-8", content_type="application/json")
    typed.correlation_id = "corr/1"
    typed.custom_properties = {"plain": "x", ODD: ODD, "empty": "", "ä": "€"}
    device.client.send_message(typed)
    device.client.send_message("just text ä")
    device.client.send_message(Message(bytes(range(256))))
    first, second, third = iot.wait_telemetry(name, 3)
    assert '"body":' + document in iot.telemetry_text(name)
    assert first["properties"] == typed.custom_properties
    system = first["systemProperties"]
    assert (system["message-id"], system["correlation-id"]) == ("id-1", "corr/1")
    assert (system["content-type"], system["content-encoding"]) == ("application/json", "utf-8")
    method = json.loads(system["iothub-connection-auth-method"])
    assert (method["scope"], method["type"]) == ("device", auth_type)
    assert system["iothub-connection-auth-generation-id"] == iot.call("GET", f"/devices/{name}")["generationId"]
    assert (first["deviceId"], first["source"]) == (name, "Telemetry")
    assert second["bodyText"] == "just text ä"
    assert base64.b64decode(third["bodyBase64"]) == bytes(range(256))


def change_twin(iot, device, name):
    assert device.client.get_twin() == {"desired": {"$version": 1}, "reported": {"$version": 1}}
    device.client.patch_twin_reported_properties({"firmware": "1.0", "deep": {"a": 1, "b": None}})
    device.client.patch_twin_reported_properties({"deep": {"c": [1, "zwei"]}})
    reported = iot.twin(name)["properties"]["reported"]
    assert (reported["firmware"], reported["deep"], reported["$version"]) == ("1.0", {"a": 1, "c": [1, "zwei"]}, 3)
    version = iot.set_desired(name, {"interval": 5, "gone": 1})
    assert device.wait_patch(version, WAIT_S) == {"interval": 5, "gone": 1, "$version": version}
    version = iot.set_desired(name, {"gone": None, "text": ODD})
    assert device.wait_patch(version, WAIT_S) == {"gone": None, "text": ODD, "$version": version}
    twin = device.client.get_twin()
    assert twin["desired"] == {"interval": 5, "text": ODD, "$version": version}
    assert twin["reported"]["$version"] == 3


def call_methods(iot, device, name):
    for payload in ({"deep": [1, None, ODD]}, [], "text", 12, None):
        assert iot.invoke(name, "echo", payload) == (200, {"echo": payload})
        assert device.methods.get(timeout=WAIT_S).name == "echo"
    device.answer = lambda request: (418, None)
    assert iot.invoke(name, "teapot") == (418, None)


def take_messages(iot, device, name):
    iot.send_down(name, bytes(range(256)), {"level": "a b&c=d/e"}, message_id="down-1", correlation_id="c-1",
                  content_type="text/x-any", content_encoding="none")
    message = device.messages.get(timeout=WAIT_S)
    assert message.data == bytes(range(256))
    assert message.custom_properties == {"level": "a b&c=d/e"}
    assert (message.message_id, message.correlation_id) == ("down-1", "c-1")
    assert (message.content_type, message.content_encoding) == ("text/x-any", "none")
    for i in range(40):  # more than wait for their acknowledgement at once
        iot.send_down(name, str(i))
    assert [device.messages.get(timeout=WAIT_S).data for _ in range(40)] == [str(i).encode() for i in range(40)]
    iot.wait_taken(name)


@pytest.mark.parametrize("auth", AUTH)
@pytest.mark.parametrize("transport", ["mqtt", "websocket"])
def test_everything_that_a_device_does(iot, certificates, port_443, transport, auth):
    name = f"{transport}-{auth}"
    make, auth_type = AUTH[auth]
    with Device(iot, client=make(iot, name, certificates, transport == "websocket")) as device:
        device.listen()
        wait_for("it is connected", lambda: iot.is_connected(name))
        send_and_look(iot, device, name, auth_type)
        change_twin(iot, device, name)
        call_methods(iot, device, name)
        take_messages(iot, device, name)
    wait_for("it is not connected", lambda: not iot.is_connected(name))


def test_what_waits_is_delivered_later(iot):
    connection_string = iot.device("asleep")
    iot.send_down("asleep", b"early")
    iot.set_desired("asleep", {"set": "before"})
    assert iot.ask("asleep", "m").status_code == 404
    with Device(iot, connection_string) as device:
        device.listen()
        assert device.messages.get(timeout=WAIT_S).data == b"early"
        assert device.client.get_twin()["desired"]["set"] == "before"
    iot.send_down("asleep", b"between")
    with Device(iot, connection_string, listens_first=True) as device:
        assert device.messages.get(timeout=WAIT_S).data == b"between"
        assert device.messages.empty()


@pytest.mark.parametrize("websockets", [False, True])
def test_module(iot, port_443, websockets):
    name = f"edge-{websockets}"
    iot.device(name)
    connection_string = iot.module(name, "filter")
    with Device(iot, connection_string, websockets=websockets) as module:
        module.listen()
        message = Message('{"t":21}', content_type="application/json", content_encoding="utf-8")
        message.custom_properties = {"alarm": "yes"}
        module.client.send_message_to_output(message, "alerts/high")
        module.client.send_message("no output")
        first, second = iot.wait_telemetry(name, 2)
        assert (first["moduleId"], first["output"], first["body"]) == ("filter", "alerts/high", {"t": 21})
        assert first["properties"] == {"alarm": "yes"}
        assert json.loads(first["systemProperties"]["iothub-connection-auth-method"])["scope"] == "module"
        assert "output" not in second
        wait_for("a place for inputs", lambda: iot.ask(name, "ready", module="filter").status_code == 200)
        iot.send_input(name, "filter", "commands", b"go", {"speed": "a/b=c"})
        message = module.messages.get(timeout=WAIT_S)
        assert (message.data, message.input_name, message.custom_properties) == (b"go", "commands", {"speed": "a/b=c"})
        version = iot.set_desired(name, {"limit": 3}, module="filter")
        assert module.wait_patch(version, WAIT_S)["limit"] == 3
        module.client.patch_twin_reported_properties({"limit": 3})
        assert iot.twin(name, "filter")["properties"]["reported"]["limit"] == 3
        assert iot.invoke(name, "echo", 7, module="filter") == (200, {"echo": 7})
        assert iot.twin(name)["properties"]["reported"]["$version"] == 1  # the device's own twin is another


def test_odd_ids(iot):
    """All characters that ids may have, but for MQTT's wildcards."""
    device, module = "a-.%b_*?!(c),:=@$'d", "m-.%_*?!(),:=@$'"
    connection_string = iot.device(device)
    for string, name in ((connection_string, None), (iot.module(device, module), module)):
        with Device(iot, string) as client:
            client.listen()
            client.client.send_message("sent")
            assert iot.invoke(device, "echo", 1, module=name) == (200, {"echo": 1})
            version = iot.set_desired(device, {"a": 1}, module=name)
            assert client.wait_patch(version, WAIT_S)["a"] == 1
            assert client.client.get_twin()["desired"]["a"] == 1
            if name:
                iot.send_input(device, module, "in", b"down")
            else:
                iot.send_down(device, b"down")
            assert client.messages.get(timeout=WAIT_S).data == b"down"
    assert [m.get("moduleId") for m in iot.wait_telemetry(device, 2)] == [None, module]


def test_asynchronous_client(iot):
    """What most samples are written with."""
    async def run(client):
        await client.connect()
        await asyncio.gather(*(client.send_message(str(i)) for i in range(50)))
        await client.patch_twin_reported_properties({"a": 1})
        assert (await client.get_twin())["reported"]["a"] == 1
        await client.shutdown()

    asyncio.run(run(aio.IoTHubDeviceClient.create_from_connection_string(iot.device("async"), server_verification_cert=iot.ca_text)))
    assert {m["bodyText"] for m in iot.wait_telemetry("async", 50)} == {str(i) for i in range(50)}


@pytest.mark.parametrize("product_info", ["dtmi:com:example:Thermostat;1", "maker/device 1.0 (ä; $x=%41&y)"])
def test_product_info(iot, product_info):
    """A model's id, and any text: both go into the user name."""
    with Device(iot, iot.device(f"product-{len(product_info)}"), product_info=product_info) as device:
        device.client.send_message("1")


def test_several_in_one_process(iot):
    """As one gateway has them: each gets its own, and nothing else."""
    devices = [Device(iot, iot.device(f"many-{i}")) for i in range(6)]
    try:
        for device in devices:
            device.client.connect()
            device.listen()
        for n in range(10):
            for i, device in enumerate(devices):
                device.client.send_message(f"{i}.{n}")
        for i, device in enumerate(devices):
            assert [m["bodyText"] for m in iot.wait_telemetry(f"many-{i}", 10)] == [f"{i}.{n}" for n in range(10)]
            iot.send_down(f"many-{i}", str(i))
            assert device.messages.get(timeout=WAIT_S).data == str(i).encode()
            assert iot.invoke(f"many-{i}", "echo", i) == (200, {"echo": i})
    finally:
        for device in devices:
            device.client.shutdown()


def test_wrong_key_and_unknown_device(iot):
    right = iot.device("wrong-key")
    other = iot.device("other-key")
    for connection_string in (right.split(";SharedAccessKey=")[0] + ";SharedAccessKey=" + other.split(";SharedAccessKey=")[1],
                              right.replace("wrong-key", "nobody")):
        client = key_client(iot, connection_string)
        with pytest.raises(CredentialError):
            client.connect()
        client.shutdown()


def test_certificate_of_another(iot, certificates):
    certificate = make_certificate(certificates, "stranger", "stranger")
    self_signed(iot, "right-print", certificates, False).shutdown()
    ca_signed(iot, "right-name", certificates, False).shutdown()
    for name in ("right-print", "right-name"):
        client = x509_client(iot, name, certificate)
        with pytest.raises(CredentialError):
            client.connect()
        client.shutdown()
