"""The edges of the protocol, byte by byte: who may connect, where one may publish and subscribe, and what ends a connection."""

import base64
import socket
import ssl
import time
import urllib.parse
import warnings

import pytest
from harness.hub import sas
from harness.iot import MQTT_PORT, WAIT_S, key_of
from harness.mqtt import CONNACK, EVENTS, METHODS, PUBLISH, Raw, RawDevice, connect_packet, packet, publish_packet, signed, text, username

# ---- who may connect ----

def bad_tokens(hub, name, key, other_key):
    now = int(time.time())
    right = urllib.parse.quote(f"{hub.host}/devices/{name}", safe="")
    good = signed(right, key, now + 600)
    return {
        "signed with another device's key": signed(right, other_key, now + 600),
        "of another device": signed(urllib.parse.quote(f"{hub.host}/devices/other", safe=""), other_key, now + 600),
        "of another host": signed(urllib.parse.quote(f"elsewhere.example/devices/{name}", safe=""), key, now + 600),
        "of a module of it": signed(right + urllib.parse.quote("/modules/m", safe=""), key, now + 600),
        "expired": signed(right, key, now - 400),
        "end beyond all time": signed(right, key, 10**18),
        "end beyond 64 bits": signed(right, key, 10**30),
        "negative end": signed(right, key, -1),
        "truncated": good[:-20],
        "cut before se": good.split("&se=")[0],
        "one letter of the signature": good.replace("&sig=", "&sig=A", 1),
        "end changed": good.replace(f"&se={now + 600}", f"&se={now + 6000}"),
        "no scheme": good.split(" ")[1],
        "with a NUL": good + "\0",
        "a word": "password",
        "empty": "",
    }


def test_tokens_that_are_refused(iot, device):
    other = RawDevice(iot, "other")
    client_id, user = device.name, username(iot.host, device.name)
    for number, (what, token) in enumerate(bad_tokens(iot, device.name, device.key, other.key).items()):
        with Raw(iot, source=f"127.0.77.{number + 1}") as client:  # failures of one address are limited
            assert client.connect(client_id, user, token) == (5, False), what
            assert client.is_ended(), what
    with Raw(iot, source="127.0.77.200") as client:  # neither token nor certificate
        assert client.connect(client_id, user) == (5, False)
    device.open().disconnect()


def test_tokens_that_are_taken(iot, device):
    """As the SDKs of other languages and IoT Edge write them."""
    user = username(iot.host, device.name)
    plain = f"{iot.host}/devices/{device.name}"
    end = int(time.time()) + 600
    escaped = urllib.parse.quote(plain, safe="")
    tokens = [
        signed(escaped, device.key, end),
        signed(escaped.replace("%2F", "%2f"), device.key, end),  # C
        signed(escaped.lower(), device.key, end),                # aziot-identityd
        signed(plain, device.key, end),
        signed(escaped, device.key, end) + "&skn=",              # Node
        signed(escaped, device.key, int(time.time()) - 200),     # a clock that is behind
    ]
    _, sig, se = tokens[0].split(" ")[1].split("&")
    tokens.append(f"SharedAccessSignature {se}&{sig}&sr={escaped}")
    for token in tokens:
        with Raw(iot) as client:
            assert client.connect(device.name, user, token)[0] == 0, token


def test_names_that_are_refused(iot, device):
    """Client id, user name, host: codes 2 and 4, which tell what is wrong."""
    host, name, token = iot.host, device.name, device.token()
    rows = [
        ("somebody", username(host, name), 2),
        (name.upper(), username(host, name), 2),
        (name + "/", username(host, name), 2),
        (name, username(host, name + "/module"), 2),
        (name, None, 4),
        (name, "", 4),
        (name, f"{host}/{name}", 4),
        (name, f"{host}/{name}/?", 4),
        (name, f"{host}/{name}/?DeviceClientType=x", 4),
        (name, f"{host}/{name}/a/b/?api-version=2021-04-12", 4),
        (name, username("elsewhere.example", name), 5),
    ]
    for number, (client_id, user, code) in enumerate(rows):
        with Raw(iot, source=f"127.0.78.{number + 1}") as client:
            got = client.connect(client_id, user, token if user is not None else None)
            assert got == (code, False), (client_id, user)
            assert client.is_ended(), (client_id, user)
    for user in (username(host, name)[:-1] + "8&DeviceClientType=a%2Fb%3Bc&model-id=dtmi%3Aa%3B1",
                 f"{host}/{name}/api-version=anything", username(host, name) + "&unknown=1"):
        with Raw(iot) as client:
            assert client.connect(name, user, token)[0] == 0, user


def test_protocols_that_are_refused(iot, device):
    user, token = username(iot.host, device.name), device.token()
    with Raw(iot) as client:
        assert client.connect(device.name, user, token, level=5) == (1, False)
        assert client.is_ended()
    for first in (publish_packet("devices/x/messages/events/"), b"\x00\x00", b"GET / HTTP/1.1\r\n\r\n",
                  b"\x10\xff\xff\xff\xff\x7f"):
        with Raw(iot) as client:
            client.send(first)
            assert client.is_ended(), first
    with Raw(iot) as client:  # a second CONNECT
        assert client.connect(device.name, user, token)[0] == 0
        client.send(b"\x10\x00")
        assert client.is_ended()


@pytest.mark.hostile
def test_no_tls(iot, device):
    """Neither plain MQTT nor old TLS on 8883, and who says nothing holds up no other."""
    silent = socket.create_connection((iot.host, MQTT_PORT), timeout=WAIT_S)
    with socket.create_connection((iot.host, MQTT_PORT), timeout=WAIT_S) as plain:
        plain.sendall(connect_packet(device.name, username(iot.host, device.name), device.token()))
        try:
            assert CONNACK not in [byte >> 4 for byte in plain.recv(100)[:1]]
        except ConnectionResetError:
            pass
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        context = ssl.create_default_context(cafile=iot.ca)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
        with socket.create_connection((iot.host, MQTT_PORT), timeout=WAIT_S) as plain, pytest.raises(ssl.SSLError):
            context.wrap_socket(plain, server_hostname=iot.host)
    device.open().disconnect()
    silent.close()


def test_disabled_and_deleted(iot, device):
    user, token = username(iot.host, device.name), device.token()
    client = device.open()
    iot.set_status(device.name, "disabled")
    assert client.is_ended()
    with Raw(iot) as again:
        assert again.connect(device.name, user, token) == (5, False)
    iot.set_status(device.name, "enabled")
    client = device.open()
    iot.delete_device(device.name)
    assert client.is_ended()
    with Raw(iot) as again:
        assert again.connect(device.name, user, token) == (5, False)


def test_module_goes_with_its_device(iot, device):
    module = iot.put_module(device.name, "m")
    identity = f"{device.name}/m"
    token = sas(iot.host, f"{device.name}/modules/m", key_of(module))
    with Raw(iot) as client:
        assert client.connect(identity, username(iot.host, identity), token)[0] == 0
        iot.set_status(device.name, "disabled")
        assert client.is_ended()
    with Raw(iot) as client:
        assert client.connect(identity, username(iot.host, identity), token) == (5, False)
    iot.set_status(device.name, "enabled")
    with Raw(iot, source="127.0.79.1") as client:  # a device's token is not its module's
        assert client.connect(identity, username(iot.host, identity), device.token()) == (5, False)


def test_new_keys_end_the_connection(iot, device):
    client = device.open()
    identity = iot.call("GET", f"/devices/{device.name}")
    identity["authentication"]["symmetricKey"] = {"primaryKey": base64.b64encode(b"k" * 32).decode(),
                                                  "secondaryKey": base64.b64encode(b"l" * 32).decode()}
    iot.call("PUT", f"/devices/{device.name}", json=identity, headers={"If-Match": "*"})
    assert client.is_ended()
    for key in identity["authentication"]["symmetricKey"].values():
        with Raw(iot) as again:
            assert again.connect(device.name, username(iot.host, device.name), sas(iot.host, device.name, key))[0] == 0


def test_newest_connection_wins(iot, device):
    first = device.open()
    first.subscribe([(METHODS, 0)])
    second = device.open()
    assert second.was_present and first.is_ended()
    second.ping()
    assert iot.is_connected(device.name)
    second.disconnect()


def test_end_of_the_token_is_the_end(iot, device):
    client = Raw(iot)
    end = time.time() + 10
    assert client.connect(device.name, username(iot.host, device.name), device.token(life_s=10))[0] == 0
    client.publish(EVENTS.format(device.name), b"in time", qos=1)
    assert client.is_ended() and time.time() > end - 2


# ---- where one may publish ----

FOREIGN = ["devices/other/messages/events/", "devices/{}/modules/m/messages/events/", "devices/{}/messages/devicebound/",
           "anything", "$SYS/broker", "$iothub/twin/PATCH/properties/desired/?$version=1", "$iothub/methods/POST/m/?$rid=1",
           "$iothub/twin/res/200/?$rid=1", "$iothub/twin/DELETE/?$rid=1", "$iothub/methods/res/abc/?$rid=1",
           "devices/{}/messages/events2/", "Devices/{}/messages/events/"]


@pytest.mark.parametrize("qos", [0, 1])
def test_foreign_topics_end_the_connection(iot, device, qos):
    for topic in FOREIGN:
        with device.open() as client:
            client.publish(topic.format(device.name), b"x", qos=qos, wait=False)
            assert client.is_ended(), topic
    assert iot.telemetry(device.name) == [] and iot.telemetry("other") == []


def test_topics_of_ones_own(iot, device):
    topics = ["devices/{}/messages/events", "devices/{}/messages/events/", "devices/{}/messages/events/a=b",
              "devices/{}/messages/events/a=b/", "devices/{}/messages/events/a=b&c&d="]
    with device.open() as client:
        for topic in topics:
            client.publish(topic.format(device.name), topic.encode(), qos=1)
    got = iot.wait_telemetry(device.name, len(topics))
    assert [m["properties"] for m in got] == [{}, {}, {"a": "b"}, {"a": "b"}, {"a": "b", "c": None, "d": ""}]


BAD_PACKETS = {
    "QoS 2": publish_packet("devices/{}/messages/events/", b"x", qos=2),
    "QoS 3": publish_packet("devices/{}/messages/events/", b"x", qos=3),
    "packet id 0": publish_packet("devices/{}/messages/events/", b"x", qos=1, packet_id=0),
    "a wildcard": publish_packet("devices/{}/messages/events/#", b"x"),
    "a plus": publish_packet("devices/+/messages/events/", b"x"),
    "no topic": publish_packet("", b"x"),
    "a NUL in the topic": publish_packet("devices/{}/messages/events/a=\0", b"x"),
    "no UTF-8 in the topic": publish_packet(b"devices/{}/messages/events/a=\xff\xfe", b"x"),
    "a surrogate in the topic": publish_packet(b"devices/{}/messages/events/a=\xed\xa0\x80", b"x"),
    "a NUL in the bag": publish_packet("devices/{}/messages/events/a=%00", b"x"),
    "no UTF-8 in the bag": publish_packet("devices/{}/messages/events/a=%ff", b"x"),
    "a bad escape in the bag": publish_packet("devices/{}/messages/events/a=%zz", b"x"),
    "a cut escape in the bag": publish_packet("devices/{}/messages/events/a=%2", b"x"),
    "a property without a name": publish_packet("devices/{}/messages/events/=b", b"x"),
    "a topic beyond the packet": packet(PUBLISH, b"\xff\xffdevices"),
    "an unknown packet": packet(15, b""),
    "bad flags of SUBSCRIBE": packet(8, b"\x00\x01" + text("$iothub/twin/res/#") + b"\x00", 0),
    "no filter": packet(8, b"\x00\x01", 2),
    "a bad filter": packet(8, b"\x00\x01" + text("a/#/b") + b"\x00", 2),
    "a server's packet": packet(2, b"\x00\x00"),
    "a length of five bytes": b"\x30\xff\xff\xff\xff\x01",
}


@pytest.mark.hostile
@pytest.mark.parametrize("what", BAD_PACKETS)
def test_bad_packets_end_the_connection(iot, device, what):
    data = BAD_PACKETS[what]
    name = device.name.encode()
    if b"{}" in data:  # the length of topic and packet change with the name
        head, body = data[0], data[2:]
        length = int.from_bytes(body[:2], "big") - 2 + len(name)
        data = packet(head >> 4, length.to_bytes(2, "big") + body[2:].replace(b"{}", name), head & 15)
    with device.open() as client:
        client.send(data)
        assert client.is_ended(), what
    assert iot.telemetry(device.name) == []
    device.open().disconnect()


@pytest.mark.hostile
def test_messages_at_the_limit_and_beyond(iot, device):
    topic = EVENTS.format(device.name)
    largest = 256 * 1024
    with device.open() as client:
        client.publish(topic, b"x" * largest, qos=1)
        client.publish(topic + "a=b", b"y" * (largest - 2), qos=1)
    for bag, size in (("", largest + 1), ("a=b", largest - 1), ("", 400_000), ("", 3 << 20)):
        with device.open() as client:
            try:
                client.publish(topic + bag, b"z" * size, qos=1, wait=False)
            except OSError:
                pass  # ended before all was sent
            assert client.is_ended(), (bag, size)
    assert len(iot.telemetry(device.name)) == 2


def test_retained_is_a_property(iot, device):
    with device.open() as client:
        client.publish(EVENTS.format(device.name) + "a=b", b"kept", qos=1, retain=True)
        client.publish(EVENTS.format(device.name), b"not", qos=1)
    first, second = iot.wait_telemetry(device.name, 2)
    assert first["properties"] == {"a": "b", "mqtt-retain": "true"} and second["properties"] == {}


def test_stamps_cannot_be_forged(iot, device):
    names = ("iothub-connection-device-id", "iothub-connection-auth-method", "iothub-connection-module-id",
             "iothub-connection-auth-generation-id", "iothub-enqueuedtime", "iothub-message-source")
    bag = "&".join(f"{name}=not-true" for name in names) + "&%24.cdid=not-true&%24.cmid=not-true&%24.mid=m1&mine=1"
    with device.open() as client:
        client.publish(EVENTS.format(device.name) + bag, b"x", qos=1)
    page = iot.telemetry_text(device.name)
    assert "not-true" not in page and '"mine":"1"' in page and '"message-id":"m1"' in page
