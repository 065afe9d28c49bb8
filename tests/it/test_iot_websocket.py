"""MQTT in WebSockets byte by byte: the upgrade, frames of any size, and what ends the connection."""

import base64
import os
import ssl
import struct
import time

import pytest
import requests
import websocket
from harness.iot import WAIT_S, WS_PORT
from harness.mqtt import CONNACK, PUBACK, EVENTS, connect_packet, packet, publish_packet, username

PATH = "/$iothub/websocket"


def open_socket(hub, port=None, path=PATH, protocols=("mqtt",), **kwargs):
    """On the port of HTTPS unless told: devices' SDKs use 443, both take them."""
    client = websocket.create_connection(f"wss://{hub.host}:{port or hub.port}{path}", subprotocols=list(protocols), timeout=WAIT_S,
                                         sslopt={"ca_certs": hub.ca}, **kwargs)
    return client


def hello(device):
    return connect_packet(device.name, username(device.hub.host, device.name), device.token())


def read(client, count):
    """Bytes of as many frames as it takes."""
    data = b""
    while len(data) < count:
        frame = client.recv()
        assert frame, "the hub has ended it"
        data += frame
    return data


def connected(device, **kwargs):
    client = open_socket(device.hub, **kwargs)
    client.send_binary(hello(device))
    assert read(client, 4) == bytes([CONNACK << 4, 2, 0, 0])
    return client


def puback(number):
    return bytes([PUBACK << 4, 2]) + struct.pack(">H", number)


@pytest.mark.parametrize("query", ["", "?iothub-no-client-cert=true"])
def test_on_the_port_of_https(iot, device, query):
    client = connected(device, path=PATH + query)
    assert client.getsubprotocol() == "mqtt"
    client.send_binary(publish_packet(EVENTS.format(device.name), b"x", qos=1, packet_id=5))
    assert read(client, 4) == puback(5)
    client.ping("are you there")
    assert client.recv_data(control_frame=True) == (websocket.ABNF.OPCODE_PONG, b"are you there")
    client.close()
    assert iot.get("/api/v1/whoami").status_code == 200  # the port serves both


def test_on_443(iot, device, port_443):
    connected(device, port=WS_PORT).close()


def test_packets_and_frames_do_not_match(iot, device):
    """A packet in many frames, many packets in one frame, a message in fragments."""
    client = open_socket(iot)
    for byte in hello(device):
        client.send_binary(bytes([byte]))
    assert read(client, 4) == bytes([CONNACK << 4, 2, 0, 0])
    topic = EVENTS.format(device.name)
    client.send_binary(b"".join(publish_packet(topic, b"%d" % i, qos=1, packet_id=i) for i in range(1, 51)))
    assert read(client, 200) == b"".join(puback(i) for i in range(1, 51))
    data = publish_packet(topic, b"z" * 100_000, qos=1, packet_id=60)
    pieces = [data[i:i + 10_000] for i in range(0, len(data), 10_000)]
    for i, piece in enumerate(pieces):
        opcode = websocket.ABNF.OPCODE_BINARY if i == 0 else websocket.ABNF.OPCODE_CONT
        client.send_frame(websocket.ABNF.create_frame(piece, opcode, fin=int(i == len(pieces) - 1)))
        if i == 4:
            client.ping()  # control frames may stand between fragments
    assert read(client, 4) == puback(60)
    assert len(iot.telemetry(device.name)) == 51
    client.close()


@pytest.mark.hostile
def test_upgrades_that_are_refused(iot):
    key = base64.b64encode(os.urandom(16)).decode()
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key,
               "Sec-WebSocket-Protocol": "mqtt"}
    url = f"{iot.url}{PATH}"

    def status(changes):
        wanted = {k: v for k, v in {**headers, **changes}.items() if v is not None}
        return requests.get(url, headers=wanted, verify=iot.ca, timeout=WAIT_S).status_code

    assert status({"Sec-WebSocket-Protocol": None}) == 400
    assert status({"Sec-WebSocket-Protocol": "amqp"}) == 400
    assert status({"Sec-WebSocket-Version": "8"}) in (400, 426)
    assert status({"Sec-WebSocket-Key": "short"}) == 400
    assert status({"Upgrade": None}) in (400, 426)


@pytest.mark.hostile
def test_frames_that_end_it(iot, device):
    frame = websocket.ABNF.create_frame
    bad = {
        "text": frame("hello", websocket.ABNF.OPCODE_TEXT),
        "a continuation of nothing": frame(b"x", websocket.ABNF.OPCODE_CONT),
        "an unknown opcode": b"\x83\x80\x00\x00\x00\x00",
        "not masked": b"\x82\x01x",
        "a reserved bit": b"\xc2\x80\x00\x00\x00\x00",
        "a fragmented ping": b"\x09\x80\x00\x00\x00\x00",
        "a ping of 126 bytes": b"\x89\xfe\x00\x7e" + bytes(4 + 126),
        "a length beyond 2^63": b"\x82\xff" + b"\xff" * 8 + bytes(4),
        "a bad packet": frame(packet(15, b""), websocket.ABNF.OPCODE_BINARY),
        "an end": frame(struct.pack(">H", 1000), websocket.ABNF.OPCODE_CLOSE),
    }
    for what, data in bad.items():
        client = connected(device)
        client.sock.sendall(data if isinstance(data, bytes) else data.format())
        began = time.monotonic()
        while client.connected:
            try:
                opcode, _ = client.recv_data(control_frame=True)
            except (websocket.WebSocketException, ConnectionError, ssl.SSLError):
                break
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                break
        assert time.monotonic() - began < 10, what
        client.shutdown()
    connected(device).close()
