"""MQTT 3.1.1 byte by byte, over TLS: for what no library sends.

    client = Raw(hub)
    assert client.connect("d", username(hub.host, "d"), token) == (0, False)
    assert client.subscribe([("devices/d/messages/devicebound/#", 1)]) == [1]
    client.publish("devices/d/messages/events/", b"1", qos=1)
"""

import base64
import hashlib
import hmac
import select
import socket
import ssl
import struct
import time
import urllib.parse

from harness.hub import sas
from harness.iot import MQTT_PORT, WAIT_S, key_of

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = 1, 2, 3, 4, 8, 9, 10, 11
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14
DOWN, EVENTS = "devices/{}/messages/devicebound/#", "devices/{}/messages/events/"
TWIN, DESIRED = "$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#"
METHODS = "$iothub/methods/POST/#"
END = (0, 0, b"")  # what next() gives at the connection's end


def username(host, identity, query="api-version=2021-04-12"):
    return f"{host}/{identity}/?{query}"


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(value)) + value


def packet(kind, body=b"", flags=0):
    length, left = b"", len(body)
    while True:
        left, digit = left >> 7, left & 127
        length += bytes([digit | (128 if left else 0)])
        if not left:
            return bytes([kind << 4 | flags]) + length + body


def connect_packet(client_id, user=None, password=None, clean=False, keep_alive=60, will=None, level=4):
    """will: (topic, payload, qos, retain)."""
    flags = (2 if clean else 0) | (128 if user is not None else 0) | (64 if password is not None else 0)
    body = text(client_id)
    if will:
        flags |= 4 | will[2] << 3 | (32 if will[3] else 0)
        body += text(will[0]) + text(will[1])
    for part in (user, password):
        if part is not None:
            body += text(part)
    return packet(CONNECT, text("MQTT") + bytes([level, flags]) + struct.pack(">H", keep_alive) + body)


def publish_packet(topic, payload=b"", qos=0, retain=False, packet_id=1, dup=False):
    head = text(topic) + (struct.pack(">H", packet_id) if qos else b"")
    return packet(PUBLISH, head + payload, qos << 1 | (1 if retain else 0) | (8 if dup else 0))


class Raw:
    """A connection to a hub; `source` is the address that it comes from."""

    def __init__(self, hub, port=MQTT_PORT, source=None, receive_bytes=0, flags=0):
        context = ssl.create_default_context(cafile=hub.ca)
        context.verify_flags |= flags
        plain = socket.socket()
        if receive_bytes:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        if source:
            plain.bind((source, 0))
        plain.settimeout(WAIT_S)
        plain.connect((hub.host, port))
        self.socket = context.wrap_socket(plain, server_hostname=hub.host)
        self.bytes, self.packet_id, self.kept = b"", 0, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    # ---- packets ----

    def send(self, data):
        self.socket.sendall(data)

    def is_due(self, wait_s):
        return self.socket.pending() > 0 or bool(select.select([self.socket], [], [], wait_s)[0])

    def cut(self):
        """The first whole packet of self.bytes, or None."""
        length, shift = 0, 0
        for at in range(1, min(len(self.bytes), 5)):
            length |= (self.bytes[at] & 127) << shift
            shift += 7
            if not self.bytes[at] & 128:
                end = at + 1 + length
                if len(self.bytes) < end:
                    return None
                first, body, self.bytes = self.bytes[0], self.bytes[at + 1:end], self.bytes[end:]
                return first >> 4, first & 15, body
        return None

    def next(self, wait_s=WAIT_S):
        """The next packet: kind, flags, body. END at the connection's end; None when nothing came."""
        end = time.monotonic() + wait_s
        while True:
            got = self.cut()
            if got:
                return got
            left = end - time.monotonic()
            if left <= 0 or not self.is_due(left):
                return None
            try:
                data = self.socket.recv(65536)
            except ssl.SSLWantReadError:
                continue
            except (ConnectionResetError, ssl.SSLEOFError):
                return END
            if not data:
                return END
            self.bytes += data

    def wait(self, kind, wait_s=WAIT_S):
        """The body of the next packet of this kind; publishes before it are kept for next_publish."""
        while True:
            got = self.next(wait_s)
            assert got is not None and got != END, f"no packet {kind}: {got}"
            if got[0] == kind:
                return got[2]
            assert got[0] == PUBLISH, f"packet {got[0]} instead of {kind}"
            self.kept.append(got)

    def is_ended(self, wait_s=WAIT_S):
        """True when the hub ends the connection; what came before is read away."""
        while True:
            got = self.next(wait_s)
            if got is None or got == END:
                return got == END

    # ---- what clients do ----

    def connect(self, *args, **kwargs):
        """The CONNACK: its code and session present."""
        self.send(connect_packet(*args, **kwargs))
        body = self.wait(CONNACK)
        assert len(body) == 2 and body[0] in (0, 1), body
        return body[1], body[0] == 1

    def new_id(self):
        self.packet_id = self.packet_id % 65535 + 1
        return self.packet_id

    def subscribe(self, filters):
        """One SUBSCRIBE of (filter, QoS); the SUBACK's codes."""
        packet_id = self.new_id()
        self.send(packet(SUBSCRIBE, struct.pack(">H", packet_id) + b"".join(text(f) + bytes([q]) for f, q in filters), 2))
        body = self.wait(SUBACK)
        assert struct.unpack(">H", body[:2])[0] == packet_id
        return list(body[2:])

    def unsubscribe(self, filters):
        packet_id = self.new_id()
        self.send(packet(UNSUBSCRIBE, struct.pack(">H", packet_id) + b"".join(text(f) for f in filters), 2))
        assert self.wait(UNSUBACK) == struct.pack(">H", packet_id)

    def publish(self, topic, payload=b"", qos=0, wait=True, **kwargs):
        """With QoS 1 until it is acknowledged."""
        packet_id = self.new_id()
        self.send(publish_packet(topic, payload, qos, packet_id=packet_id, **kwargs))
        if qos == 1 and wait:
            assert self.wait(PUBACK) == struct.pack(">H", packet_id)
        return packet_id

    def next_publish(self, wait_s=WAIT_S, ack=True):
        """The next message: topic, payload, QoS."""
        got = self.kept.pop(0) if self.kept else self.next(wait_s)
        assert got is not None and got[0] == PUBLISH, f"no message: {got}"
        _, flags, body = got
        qos, length = flags >> 1 & 3, struct.unpack(">H", body[:2])[0]
        topic, rest = body[2:2 + length].decode(), body[2 + length:]
        if qos == 1:
            if ack:
                self.send(packet(PUBACK, rest[:2]))
            rest = rest[2:]
        return topic, rest, qos

    def ping(self):
        self.send(packet(PINGREQ))
        self.wait(PINGRESP)

    def disconnect(self):
        self.send(packet(DISCONNECT))
        self.socket.close()


# ---- devices ----

def signed(resource, key, end):
    """A token of any `sr` and `se`, right or wrong."""
    signature = hmac.new(base64.b64decode(key), f"{resource}\n{end}".encode(), hashlib.sha256).digest()
    return f"SharedAccessSignature sr={resource}&sig={urllib.parse.quote(base64.b64encode(signature), safe='')}&se={end}"


class RawDevice:
    """A new device with a key, and its connections."""

    def __init__(self, hub, name):
        self.hub, self.name = hub, name
        self.key = key_of(hub.put_device(name))

    def token(self, **kwargs):
        return sas(self.hub.host, self.name, self.key, **kwargs)

    def open(self, **kwargs):
        """A connection that is accepted; was_present: its session."""
        client = Raw(self.hub)
        code, client.was_present = client.connect(self.name, username(self.hub.host, self.name), self.token(), **kwargs)
        assert code == 0
        return client
